//! Receiving one message: the oldest, or (in `select`) one that is wanted.
//!
//! Guarantees: two receivers never get the same message; signals come in their place among the messages; a message is
//! handed out as a copy (or a share, if it travels by reference) that its owner id keeps until it is released.

use super::segment::Segment;
use super::select::Select;
use super::wait::Patience;
use super::{Head, Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{Message, Trash, FRAME_BOUNDED};
use crate::recorder::{record_often, Event};
use crate::sync::atomic::Ordering::*;

/// Bytes of the segment of a message that is taken under the slot's lock.
const LONE: usize = 1024;

/// What a receive call takes.
pub enum Wanted {
    /// The oldest message.
    Any,
    /// The oldest message that a match accepts.
    Select(Select),
}

impl Store {
    /// Receives one message.
    pub fn recv(&self, id: Id, wanted: &mut Wanted, patience: &Patience<'_>) -> Result<Message> {
        self.wait_for(id, patience, matches!(wanted, Wanted::Select(_)), |slot, seen| match wanted {
            Wanted::Any => self.take_oldest(slot, id, seen),
            Wanted::Select(select) => self.take_selected(slot, id, select, seen),
        })
    }

    fn take_oldest(&self, slot: &Slot, id: Id, seen: &mut u32) -> Result<Option<Message>> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.is_barred(seen)? {
            return Ok(None);
        }
        let what = self.oldest(slot, id, &mut head, &mut trash, seen)?;
        let taken = slot.taken(what, trash);
        drop(head);
        Ok(self.after_taking(slot, id, taken))
    }

    fn oldest(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        trash: &mut Trash,
        seen: &mut u32,
    ) -> Result<Option<Message>> {
        loop {
            head.trim(&self.pool, slot);
            if head.front().is_none() {
                let mut tail = slot.tail.lock();
                *seen = slot.arrived.load(Acquire);
                if let Some(message) = self.take_lone(slot, head, &mut tail)? {
                    return Ok(Some(message));
                }
                head.draw(&self.pool, &mut tail);
                if head.front().is_none() && tail.signals.is_empty() {
                    return Ok(None);
                }
                drop(tail);
                head.trim(&self.pool, slot);
            }
            let next = head.front().map(|segment| segment.first);
            if slot.receiving.first_signal.load(Acquire) <= next.unwrap_or(u64::MAX - 1) {
                if let Some(message) = self.front_signal(slot, head, next)? {
                    return Ok(Some(message));
                }
            }
            let Some(segment) = &mut head.current else { continue };
            let Some(at) = segment.begin() else { continue };
            let place = segment.first;
            let entry = segment.entry(at);
            let (size, bounded) = (entry.size() as u64, entry.header.flags & FRAME_BOUNDED != 0);
            if bounded {
                self.quotas.count(entry.header.r#ref, -1);
            }
            if entry.is_request() && self.has_expired(&entry) {
                let from = entry.header.from;
                record_often(Event::Expired, id, Id(entry.header.r#ref), 0);
                trash.extend(segment.pass());
                slot.consume(1, size);
                slot.tail.lock().note_expired(from, place);
                continue;
            }
            let (owner, mut message) = self.holds.open(slot.near(), |hold| hold.fill(&entry))?;
            // The entry's own share of the payload goes with the entry; the hold has its own.
            trash.extend(segment.pass());
            slot.consume(1, size);
            message.owner = owner.0;
            message.lost = head.show_lost(slot, place + 1);
            return Ok(Some(message));
        }
    }

    /// Takes a short message that is alone in the queue from where it was written, so that neither side changes its
    /// segment.
    fn take_lone(&self, slot: &Slot, head: &Head, tail: &mut Tail) -> Result<Option<Message>> {
        let accepted = tail.accepted;
        let Some(segment) = tail.lone(head) else { return Ok(None) };
        let Some(at) = segment.begin() else { return Ok(None) };
        let (owner, mut message) = self.holds.open(slot.near(), |hold| hold.fill(&segment.entry(at)))?;
        segment.reset(accepted);
        slot.consume(1, message.data_size as u64);
        message.owner = owner.0;
        Ok(Some(message))
    }

    /// Takes the first signal if it comes before message number `next`.
    fn front_signal(&self, slot: &Slot, head: &mut Head, next: Option<u64>) -> Result<Option<Message>> {
        let (index, snapshot) = {
            let mut tail = slot.tail.lock();
            if next.is_none() && tail.has_messages() {
                // Messages have come in since; only they tell what comes first.
                return Ok(None);
            }
            let index = tail.signals.first;
            if tail.signals.is_empty() || next.is_some_and(|next| self.shots.at(index).stamp() > next) {
                return Ok(None);
            }
            let snapshot = self.unqueue(slot, &mut tail, index);
            tail.cold().count.signals_delivered += 1;
            (index, snapshot)
        };
        self.signal_message(slot, head, index, snapshot).map(Some)
    }
}

impl Tail {
    /// The segment of a short message that is alone in the queue, when nothing is in the head.
    #[inline]
    pub(super) fn lone(&mut self, head: &Head) -> Option<&mut Box<Segment>> {
        let alone = head.more.is_none() && self.full.is_none() && self.signals.is_empty();
        self.current.as_mut().filter(|segment| alone && segment.is_lone(LONE))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::draft::Draft;
    use super::super::Opening;
    use super::*;
    use crate::clock::Clock;
    use crate::message::{FrameHeader, Payload, KIND_MESSAGE, KIND_NOTIFY};

    const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

    fn send(store: &Store, to: Id, tag: u64, data: &[u8]) {
        let header = FrameHeader { kind: KIND_MESSAGE as u8, tag, ..FrameHeader::default() };
        let draft = Draft { header, payload: Payload::Copy(data), topic: &[], trailer: None };
        let _ = store.push(to, &draft, None).unwrap();
    }

    /// Kind, tag and size of what is received now.
    fn take(store: &Store, id: Id) -> Result<(u32, u64, usize)> {
        let message = store.recv(id, &mut Wanted::Any, &POLL)?;
        store.release_message(Id(message.owner)).unwrap();
        Ok((message.kind, message.tag, message.data_size))
    }

    #[test]
    fn the_segment_that_a_lone_message_leaves_hides_nothing() {
        let store = Store::default();
        let id = store.open(Opening::default(), || true).unwrap();
        store.make_notifiable(id).unwrap();
        for (round, size) in [8, 0, 200, 3000, 8].into_iter().enumerate() {
            let tag = round as u64;
            send(&store, id, tag, &vec![7; size]);
            assert_eq!(take(&store, id), Ok((KIND_MESSAGE, tag, size)));
            assert_eq!(take(&store, id), Err(Error::Again));
            store.notify(id, 1).unwrap();
            store.work_off_notices();
            assert_eq!(take(&store, id).map(|(kind, ..)| kind), Ok(KIND_NOTIFY));
            send(&store, id, tag, &vec![7; size]);
            assert!(take(&store, id).is_ok());
            store.notify(id, 1).unwrap();
            store.work_off_notices();
            let mut batch = store.recv_batch(id, &POLL).unwrap();
            assert_eq!(store.batch_next(&mut batch).unwrap().unwrap().kind, KIND_NOTIFY);
            store.batch_release(&mut batch).unwrap();
        }
        let stats = store.stats(id).unwrap();
        assert_eq!((stats.sent, stats.delivered, stats.queued, stats.queued_bytes), (20, 20, 0, 0));
    }
}
