//! Taking messages out of the middle of the queue, and keeping what is left of it small.
//!
//! Guarantees: an entry taken out leaves its place, and the count of what was lost there, in the order; the memory and
//! the steps that dead entries cost stay within a small multiple of the live ones, whatever is never taken. Losses on
//! the two sides of a queued signal are never added up.

use super::draft::Draft;
use super::receipts::sender;
use super::segment::{At, Segment};
use super::{Head, Slot, Store, Tail};
use crate::message::{Trash, FRAME_BOUNDED};
use crate::oneshot::Of;
use std::ops::Range;

impl Head {
    /// Buries the first live entry in these places that is wanted, and gives its place and sender. `stamps` are those of
    /// the queued signals.
    #[allow(clippy::too_many_arguments)] // one step of several policies
    pub(super) fn bury_first(
        &mut self,
        store: &Store,
        slot: &Slot,
        wanted: &impl Fn(u8, u64) -> bool,
        places: Range<u64>,
        lost: u64,
        stamps: &dyn Fn() -> Vec<u64>,
        trash: &mut Trash,
    ) -> Option<(u64, u64)> {
        self.trim(&store.pool, slot);
        let Head { current, more } = self;
        let rest = more.iter_mut().flat_map(|more| more.rest.iter_mut());
        let here = |segment: &&mut Box<Segment>| segment.end() > places.start && segment.first < places.end;
        for segment in current.iter_mut().chain(rest).filter(here) {
            if let Some((at, place)) = first(segment, &places, wanted) {
                let from = sender(segment.entry(at).header);
                store.bury(slot, segment, at, lost, trash);
                let spent = segment.live() == 0;
                if !spent && segment.is_sparse() {
                    compact(segment, &stamps(), trash);
                }
                if spent {
                    self.prune(stamps, trash);
                }
                self.trim(&store.pool, slot);
                return Some((place, from));
            }
        }
        None
    }

    /// Drops a segment behind the first that holds nothing live, if it has no losses to tell either.
    pub(super) fn drop_spent(&mut self, number: usize) -> bool {
        let at = number - usize::from(self.current.is_some());
        let Some(more) = self.more.as_mut().filter(|more| !more.rest[at].has_gap()) else { return false };
        more.rest.remove(at);
        self.drop_more();
        true
    }

    /// Segments behind the first that hold nothing live are dropped; neighbours that only say what was lost become one.
    pub(super) fn prune(&mut self, stamps: &dyn Fn() -> Vec<u64>, trash: &mut Trash) {
        let Some(more) = &mut self.more else { return };
        let known = std::cell::OnceCell::new();
        let mut kept: std::collections::VecDeque<Box<Segment>> =
            std::collections::VecDeque::with_capacity(more.rest.len());
        for mut segment in more.rest.drain(..) {
            if segment.live() > 0 {
                kept.push_back(segment);
            } else if segment.has_gap() {
                let stamps = known.get_or_init(stamps);
                match kept.back_mut().filter(|last| last.live() == 0) {
                    Some(last) => {
                        let hole = Draft::dead(0, segment.first.saturating_sub(last.end()));
                        let mut both = Segment::new(last.used() + hole.total() + segment.used(), last.first);
                        both.append_all(last.entries());
                        both.append(&hole);
                        both.append_all(segment.entries());
                        *last = both;
                        compact(last, stamps, trash);
                    }
                    None => {
                        compact(&mut segment, stamps, trash);
                        kept.push_back(segment);
                    }
                }
            }
        }
        more.rest = kept;
        self.drop_more();
    }
}

/// The first live entry in these places that is wanted, and its place.
fn first(segment: &Segment, places: &Range<u64>, wanted: &impl Fn(u8, u64) -> bool) -> Option<(At, u64)> {
    let mut place = segment.first;
    for entry in segment.entries() {
        if place >= places.end {
            return None;
        }
        if entry.is_live() && place >= places.start && wanted(entry.header.kind, entry.header.r#ref) {
            return Some((entry.at, place));
        }
        place += entry.messages();
    }
    None
}

/// Writes a segment anew with runs of dead entries as one each, unless a signal lies between them.
pub(super) fn compact(segment: &mut Box<Segment>, stamps: &[u64], trash: &mut Trash) {
    let mut small = Segment::new(segment.used(), segment.first);
    let mut place = segment.first;
    // Of the run so far: its last place, its losses, its messages.
    let mut run: Option<(u64, u64, u64)> = None;
    for entry in segment.entries() {
        let apart = |last: u64| entry.is_live() || stamps.iter().any(|stamp| last < *stamp && *stamp <= place);
        if let Some((_, lost, messages)) = run.take_if(|(last, ..)| apart(*last)) {
            small.append(&Draft::dead(lost, messages));
        }
        if entry.is_live() {
            small.append_all(std::iter::once(entry));
        } else {
            let (_, lost, messages) = run.unwrap_or_default();
            run = Some((place, lost + entry.header.tag, messages + entry.messages()));
        }
        place += entry.messages();
    }
    if let Some((_, lost, messages)) = run {
        small.append(&Draft::dead(lost, messages));
    }
    segment.empty_into(trash);
    *segment = small.fitted();
}

impl Store {
    /// Stamps of the signals in a mailbox's queue.
    pub(super) fn stamps(&self, tail: &Tail) -> Vec<u64> {
        tail.signals.iter(&self.shots, Of::Signal).map(|index| self.shots.at(index).stamp()).collect()
    }

    /// Takes one live entry out of the queue, in place.
    pub(super) fn bury(&self, slot: &Slot, segment: &mut Segment, at: At, lost: u64, trash: &mut Trash) {
        let entry = segment.entry(at);
        let (size, bounded) = (entry.size() as u64, entry.header.flags & FRAME_BOUNDED != 0);
        if bounded {
            self.quotas.count(entry.header.r#ref, -1);
        }
        trash.extend(segment.bury(at, lost));
        slot.consume(1, size);
    }
}
