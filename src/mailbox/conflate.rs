//! Conflation: of each tag (of a publication: of each topic and tag) only the newest value waits.
//!
//! Guarantees: a value that comes while an older one of its key is queued takes its place in the order, and says how many
//! it replaced; it has its own sender, payload and size. A new key is a message like others and meets the bounds.
//! Requests and what the engine sends are never conflated. What a reader has in hand is not queued; handed back, it is
//! again, and of two values of one key the later is replaced.
//!
//! Invariants: every value lies in its segment by reference with a trailer, so one replaces another whatever its size.
//! `Latest` only says where to look: a place is believed when the entry there has the key.

use super::draft::Draft;
use super::receipts::sender;
use super::segment::{Entry, Segment};
use super::{Head, Refusal, Slot, Store, Tail};
use crate::clock::FOREVER;
use crate::error::Error;
use crate::message::{Block, FrameTrailer, Payload, Trash, KIND_MESSAGE, KIND_TOPIC};
use crate::sync::Arc;
use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::BuildHasher;

/// Places remembered beyond twice the queue.
const SPARE: usize = 64;

/// Subscription (0: sent), tag, hash of the topic.
type Key = (u64, u64, u64);

/// Where the newest value of each key was queued.
#[derive(Default)]
pub(super) struct Latest {
    places: HashMap<Key, u64>,
    hasher: RandomState,
    /// Values were handed back since the places were found: an earlier one of a key may be remembered.
    stale: bool,
    /// A key is queued twice: one that is not found is looked for in the queue.
    doubtful: bool,
}

/// Messages of this kind replace one another.
pub(super) fn conflates(kind: u8) -> bool {
    matches!(kind as u32, KIND_MESSAGE | KIND_TOPIC)
}

impl Latest {
    fn key(&self, kind: u8, reference: u64, tag: u64, topic: &[u8]) -> Key {
        match kind as u32 {
            KIND_TOPIC => (reference, tag, self.hasher.hash_one(topic)),
            _ => (0, tag, 0),
        }
    }

    /// What was handed back may be the newest of its key again.
    pub(super) fn doubt(&mut self) {
        self.stale = true;
    }

    fn rebuild(&mut self, head: &Head, tail: &Tail) {
        self.places.clear();
        (self.stale, self.doubtful) = (false, false);
        let full = tail.full.iter().flat_map(|full| full.iter()).chain(&tail.current).map(|segment| &**segment);
        for segment in head.segments().chain(full) {
            let mut place = segment.first;
            for entry in segment.entries() {
                if entry.is_live() && conflates(entry.header.kind) && entry.is_replaceable() {
                    let key = self.key(entry.header.kind, entry.header.r#ref, entry.header.tag, entry.topic());
                    self.doubtful |= self.places.insert(key, place).is_some();
                }
                place += entry.messages();
            }
        }
    }
}

/// The queued segment with this place.
fn holding<'a>(head: &'a mut Head, tail: &'a mut Tail, place: u64) -> Option<&'a mut Box<Segment>> {
    let holds = |segment: &&mut Box<Segment>| (segment.first..segment.end()).contains(&place);
    if let Some(segment) = tail.current.as_mut().filter(holds) {
        return Some(segment);
    }
    if let Some(segment) = head.current.as_mut().filter(holds) {
        return Some(segment);
    }
    let chains = [head.more.as_mut().map(|more| &mut more.rest), tail.full.as_deref_mut()];
    chains.into_iter().flatten().find_map(|chain| {
        let after = chain.partition_point(|segment| segment.first <= place);
        chain.get_mut(after.checked_sub(1)?).filter(holds)
    })
}

/// The live entry with this place.
fn at_place(segment: &Segment, wanted: u64) -> Option<Entry<'_>> {
    let mut place = segment.first;
    for entry in segment.entries() {
        if place > wanted {
            return None;
        }
        if place == wanted && entry.is_live() {
            return Some(entry);
        }
        place += entry.messages();
    }
    None
}

/// `entry` has the key of `draft` and can be replaced.
fn same(entry: &Entry<'_>, draft: &Draft<'_>) -> bool {
    let (a, b) = (entry.header, &draft.header);
    let of = a.kind == b.kind && a.tag == b.tag && (a.kind as u32 != KIND_TOPIC || a.r#ref == b.r#ref);
    of && entry.is_live() && entry.is_replaceable() && entry.topic() == draft.topic
}

/// A payload as conflation keeps it.
pub(super) fn shared(payload: Payload<'_>) -> Result<Arc<Block>, Error> {
    match payload {
        Payload::Share(block) | Payload::Inline(block) => Ok(block.clone()),
        Payload::Copy(bytes) => Block::try_copy(bytes).ok_or_else(|| Error::NoMem.because("no memory for the payload")),
    }
}

impl Draft<'_> {
    /// As it lies where it may be replaced.
    pub(super) fn replaceable<'a>(&self, block: &'a Arc<Block>) -> Draft<'a>
    where
        Self: 'a,
    {
        let plain = FrameTrailer { deadline: FOREVER, status: 0, reserved: 0, info: [0; 2] };
        let trailer = Some(self.trailer.unwrap_or(plain));
        Draft { header: self.header, payload: Payload::Share(block), topic: self.topic, trailer }
    }
}

impl Store {
    /// Puts a value in the place of the queued one of its key, or behind all others; true when there was one.
    pub(super) fn conflate(
        &self,
        slot: &Slot,
        head: &mut Head,
        tail: &mut Tail,
        draft: &Draft<'_>,
        trash: &mut Trash,
    ) -> Result<bool, Refusal> {
        let block = shared(draft.payload)?;
        let draft = draft.replaceable(&block);
        let replaced = self.replace(slot, head, tail, &draft, trash)?;
        if !replaced {
            tail.admit_new(self, slot, &draft)?;
            self.note_latest(slot, head, tail, &draft);
        }
        Ok(replaced)
    }

    /// Puts a replaceable value in the place of the queued one of its key; false when there is none.
    pub(super) fn replace(
        &self,
        slot: &Slot,
        head: &mut Head,
        tail: &mut Tail,
        draft: &Draft<'_>,
        trash: &mut Trash,
    ) -> Result<bool, Refusal> {
        let Payload::Share(block) = draft.payload else { return Ok(false) };
        let Some(place) = find(head, tail, draft) else { return Ok(false) };
        let (at, old, from) = {
            let segment = holding(head, tail, place).expect("it was found there");
            let entry = at_place(segment, place).expect("it was found there");
            (entry.at, entry.size() as u64, sender(entry.header))
        };
        let size = block.size() as u64;
        tail.look(self, slot, size, Some(old))?;
        let Some(trailer) = draft.trailer else { return Ok(false) };
        let segment = holding(head, tail, place).expect("it was found there");
        trash.extend(segment.replace(at, draft.header.from, block, trailer));
        // Less first, so that the sum never falls behind what was consumed.
        tail.accepted_bytes += size;
        slot.consume(0, old);
        tail.limit_bytes = tail.limit_bytes.max(tail.accepted_bytes);
        tail.cold().count.conflated += 1;
        tail.replaced_for_receipts(from, sender(&draft.header), place);
        slot.note_arrival();
        Ok(true)
    }

    /// Remembers where the value that was appended last lies.
    pub(super) fn note_latest(&self, slot: &Slot, head: &Head, tail: &mut Tail, draft: &Draft<'_>) {
        let place = tail.accepted - 1;
        let queued = slot.queued(tail) as usize;
        let mut latest = std::mem::take(&mut tail.cold().latest).unwrap_or_default();
        let key = latest.key(draft.header.kind, draft.header.r#ref, draft.header.tag, draft.topic);
        latest.places.insert(key, place);
        if latest.places.len() > SPARE + 2 * queued {
            latest.rebuild(head, tail);
        }
        tail.cold().latest = Some(latest);
    }
}

/// The place of the queued value that `draft` replaces.
fn find(head: &mut Head, tail: &mut Tail, draft: &Draft<'_>) -> Option<u64> {
    let mut latest = tail.cold.as_mut()?.latest.take()?;
    let key = latest.key(draft.header.kind, draft.header.r#ref, draft.header.tag, draft.topic);
    if latest.stale {
        latest.rebuild(head, tail);
    }
    let mut found = look(&latest, key, head, tail, draft);
    if found.is_none() && latest.doubtful {
        latest.rebuild(head, tail);
        found = look(&latest, key, head, tail, draft);
    }
    tail.cold().latest = Some(latest);
    found
}

fn look(latest: &Latest, key: Key, head: &mut Head, tail: &mut Tail, draft: &Draft<'_>) -> Option<u64> {
    let place = *latest.places.get(&key)?;
    let entry = at_place(holding(head, tail, place)?, place)?;
    same(&entry, draft).then_some(place)
}
