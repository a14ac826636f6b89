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

impl Store {
    /// Receives the oldest message, which is given on as [`batch_step`](Self::batch_step) does.
    #[inline]
    pub fn recv_step(&self, id: Id, patience: &Patience<'_>, mut put: impl FnMut(Message)) -> Result<()> {
        let taken = self.wait_for(id, patience, false, |slot, seen| self.take_oldest(slot, id, seen, &mut put));
        taken.or_else(|error| self.or_end(id, error).map(put))
    }

    /// Receives the oldest message that is wanted.
    pub fn recv_select(&self, id: Id, select: &mut Select, patience: &Patience<'_>) -> Result<Message> {
        let taken = self.wait_for(id, patience, true, |slot, seen| self.take_selected(slot, id, select, seen));
        taken.or_else(|error| self.or_end(id, error))
    }

    #[cfg(test)]
    pub fn recv(&self, id: Id, patience: &Patience<'_>) -> Result<Message> {
        let mut received = None;
        self.recv_step(id, patience, |message| received = Some(message))?;
        Ok(received.expect("a message is given on"))
    }

    #[inline(always)]
    fn take_oldest(&self, slot: &Slot, id: Id, seen: &mut u32, put: &mut impl FnMut(Message)) -> Result<Option<()>> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.is_barred(seen)? {
            return Ok(None);
        }
        let what = match self.take_lone(slot, &head, seen, put)? {
            None => self.oldest(slot, id, &mut head, (&mut trash, seen))?.map(put),
            taken => taken,
        };
        let asked = slot.asked();
        drop(head);
        self.after_taking(slot, id, asked);
        Ok(what)
    }

    /// Takes a short message that is alone in the queue from where it was written, so that neither side changes its
    /// segment.
    #[inline(always)]
    fn take_lone(&self, slot: &Slot, head: &Head, seen: &mut u32, put: &mut impl FnMut(Message)) -> Result<Option<()>> {
        if head.front().is_some() {
            return Ok(None);
        }
        let mut tail = slot.tail.lock();
        *seen = slot.arrived.load(Acquire);
        let accepted = tail.accepted;
        let Some(segment) = tail.lone(head).filter(|segment| segment.requests() == 0) else { return Ok(None) };
        let Some(at) = segment.begin() else { return Ok(None) };
        let size = segment.entry(at).size() as u64;
        self.holds.open(slot.near(), |hold, owner| put(hold.fill(&segment.entry(at), owner)))?;
        segment.reset(accepted);
        slot.consume(1, size);
        Ok(Some(()))
    }

    #[inline(never)]
    fn oldest(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        (trash, seen): (&mut Trash, &mut u32),
    ) -> Result<Option<Message>> {
        loop {
            head.trim(&self.pool, slot);
            if head.front().is_none() {
                let mut tail = slot.tail.lock();
                *seen = slot.arrived.load(Acquire);
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
            let mut message = self.holds.open(slot.near(), |hold, owner| hold.fill(&entry, owner))?;
            // The entry's own share of the payload goes with the entry; the hold has its own.
            trash.extend(segment.pass());
            slot.consume(1, size);
            message.lost = head.show_lost(slot, place + 1);
            return Ok(Some(message));
        }
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
    /// The segment of a short message or request that is alone in the queue, when nothing is in the head.
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
        store.push(to, &draft, None, &mut None).unwrap();
    }

    /// Kind, tag and size of what is received now.
    fn take(store: &Store, id: Id) -> Result<(u32, u64, usize)> {
        let message = store.recv(id, &POLL)?;
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
