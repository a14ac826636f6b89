//! An index by tag of a long queue, for receives that want one tag.
//!
//! Guarantees: a receive by tag finds its message in a time that does not depend on the length of the queue; the index
//! is made only once such receives have met a backlog, goes with it, and knows no more messages than twice those that
//! were there when it was made. What it says is looked up in the queue: a message that has left it is passed over.
//!
//! Invariant: every live message of the queue before `end` is in the chain of its tag, in the order of the places. So
//! whoever puts messages back into the queue drops the index.

use super::segment::{At, Segment};
use super::Head;
use crate::message::Match;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Messages that a receive looks through before it counts as one that met a backlog.
const LONG: usize = if cfg!(test) { 4 } else { 4096 };
/// Messages of the right tag, but wrong otherwise, that are looked at before the queue itself is searched.
const LOOKS: usize = 16;
const NONE: u32 = u32::MAX;

/// A message in the queue: its segment, where it begins, its place.
pub(super) type Found = (usize, At, u64);

/// See the file's comment.
#[derive(Default)]
pub(super) struct Index {
    end: u64,
    known: Vec<Known>,
    /// First and last of each tag among the known.
    chains: HashMap<u64, (u32, u32), BuildHasherDefault<Mix>>,
    /// It is made anew when it would know more than these.
    most: usize,
}

struct Known {
    place: u64,
    /// The next one of its tag.
    next: u32,
}

/// Tags are the application's own; spreading their bits is enough.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }
    fn write_u64(&mut self, number: u64) {
        let mixed = u128::from(self.0 ^ number ^ 0x9E37_79B9_7F4A_7C15) * 0xD1B5_4A32_D192_ED03;
        self.0 = (mixed ^ mixed >> 64) as u64;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

impl Index {
    fn of(head: &Head) -> Index {
        let mut index = Index::default();
        index.learn(head);
        index.most = 2 * index.known.len() + LONG;
        index
    }

    /// Takes in what has come behind what it knows.
    fn learn(&mut self, head: &Head) {
        let from = self.end;
        for segment in head.segments_after(from) {
            let mut place = segment.first;
            for entry in segment.entries() {
                if entry.is_live() && place >= from {
                    self.add(entry.header.tag, place);
                }
                place += entry.messages();
            }
            self.end = place;
        }
    }

    fn add(&mut self, tag: u64, place: u64) {
        let at = self.known.len() as u32;
        self.known.push(Known { place, next: NONE });
        let chain = self.chains.entry(tag).or_insert((at, NONE));
        if chain.1 != NONE {
            self.known[chain.1 as usize].next = at;
        }
        chain.1 = at;
    }

    /// The first message of the tag at or after `from` that is wanted. `Err`: there may be one from this place on.
    fn first(&mut self, head: &Head, wanted: &Match, from: u64) -> Result<Option<Found>, u64> {
        let Some(chain) = self.chains.get_mut(&wanted.tag) else { return Ok(None) };
        let (mut at, mut before, mut looks) = (chain.0, NONE, 0);
        while at != NONE {
            let Known { place, next } = self.known[at as usize];
            match head.locate(place) {
                Some((segment, here)) => {
                    let header = head.segment(segment).entry(here).header;
                    if place >= from && wanted.accepts(header.kind as u32, header.tag, header.from, header.r#ref) {
                        return Ok(Some((segment, here, place)));
                    }
                    looks += 1;
                    if looks > LOOKS {
                        return Err(from.max(place + 1));
                    }
                    before = at;
                }
                // It has left the queue.
                None => {
                    match before {
                        NONE => chain.0 = next,
                        _ => self.known[before as usize].next = next,
                    }
                    if next == NONE {
                        chain.1 = before;
                    }
                }
            }
            at = next;
        }
        if chain.0 == NONE {
            self.chains.remove(&wanted.tag);
        }
        Ok(None)
    }
}

impl Head {
    /// The first live message at or after `from` that is wanted.
    pub(super) fn find(&mut self, wanted: &Match, from: u64) -> Option<Found> {
        if !wanted.is_one_tag() {
            return self.search(wanted, from, usize::MAX).unwrap_or(None);
        }
        let Some(mut index) = self.more.as_mut().and_then(|more| more.index.take()) else {
            return self.search(wanted, from, LONG).unwrap_or_else(|reached| self.find_far(wanted, from, reached));
        };
        index.learn(self);
        if index.known.len() > index.most {
            *index = Index::of(self);
        }
        self.find_in(index, wanted, from)
    }

    /// As [`find`](Self::find), when nothing was found before the place that was reached: makes the index the second
    /// time this happens.
    #[cold]
    fn find_far(&mut self, wanted: &Match, from: u64, reached: u64) -> Option<Found> {
        let again = self.more.as_mut().is_some_and(|more| std::mem::replace(&mut more.met_backlog, true));
        if !again {
            return self.search(wanted, reached, usize::MAX).unwrap_or(None);
        }
        let index = Box::new(Index::of(self));
        self.find_in(index, wanted, from)
    }

    fn find_in(&mut self, mut index: Box<Index>, wanted: &Match, from: u64) -> Option<Found> {
        let found = index.first(self, wanted, from);
        if let Some(more) = &mut self.more {
            more.index = Some(index);
        }
        found.unwrap_or_else(|from| self.search(wanted, from, usize::MAX).unwrap_or(None))
    }

    /// Messages are going to be put back.
    pub(super) fn drop_index(&mut self) {
        if let Some(more) = &mut self.more {
            more.index = None;
        }
    }

    /// The segments that have anything at or after `place`, oldest first.
    fn segments_after(&self, place: u64) -> impl Iterator<Item = &Segment> {
        let rest = self.more.as_ref().map(|more| &more.rest);
        let known = rest.map_or(0, |rest| rest.partition_point(|segment| segment.end() <= place));
        let rest = rest.into_iter().flat_map(move |rest| rest.range(known..));
        self.current.iter().filter(move |current| current.end() > place).chain(rest).map(|segment| &**segment)
    }

    /// Where the live message at `place` is, if it still is in the queue.
    fn locate(&self, place: u64) -> Option<(usize, At)> {
        let offset = usize::from(self.current.is_some());
        let (number, segment) = match &self.current {
            Some(current) if place < current.end() => (0, current),
            _ => {
                let rest = &self.more.as_ref()?.rest;
                let at = rest.partition_point(|segment| segment.end() <= place);
                (at + offset, rest.get(at)?)
            }
        };
        let mut here = segment.first;
        for entry in segment.entries() {
            if here > place {
                return None;
            }
            // What was lost just before it has its place, too.
            if here == place && entry.is_live() {
                return Some((number, entry.at));
            }
            here += entry.messages();
        }
        None
    }
}
