//! Receiving one message: the oldest, or (in `select`) one that is wanted; waiting for it; the end marker.
//!
//! Guarantees: two receivers never get the same message; a wait that ends without a message leaves the mailbox as it
//! was; a receiver that was woken looks once more before it gives up, so no wake-up is lost with it. A message is
//! handed out as a copy (or a share, if it travels by reference) that its owner id keeps until it is released.

use super::batch::Hold;
use super::segment::Entry;
use super::select::Select;
use super::wake::{handled, Waiter};
use super::{Head, Receiving, Slot, Store};
use crate::clock::{Clock, FOREVER};
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::message::{Block, Message, Trash, FRAME_BOUNDED, KIND_END};
use crate::notify::{Parker, Wake};
use crate::oneshot::{Body, Of, OneShot, State};
use crate::sync::atomic::Ordering::*;
use crate::sync::Arc;

/// What a receive call takes.
pub enum Wanted {
    /// The oldest message.
    Any,
    /// The oldest message that a match accepts.
    Select(Select),
}

/// How long a receive call waits.
pub struct Patience<'a> {
    pub clock: &'a Clock,
    /// On that clock; `None` polls.
    pub deadline: Option<i64>,
    pub interruptible: bool,
}

/// A message taken out, and what its taking asks for once the locks are gone.
pub(super) struct Taken<T> {
    pub what: Option<T>,
    pub belled: bool,
    pub blocked: bool,
    pub trash: Trash,
}

impl Store {
    /// Receives one message.
    pub fn recv(&self, id: Id, wanted: &mut Wanted, patience: &Patience<'_>) -> Result<Message> {
        self.wait_for(id, patience, matches!(wanted, Wanted::Select(_)), |slot, seen| match wanted {
            Wanted::Any => self.take_oldest(slot, id, seen),
            Wanted::Select(select) => self.take_selected(slot, id, select, seen),
        })
    }

    /// Tries, and waits, until `attempt` gives something. An attempt that finds nothing notes the slot's count of
    /// arrivals, under its lock, so that only something newer ends the wait.
    pub(super) fn wait_for<T>(
        &self,
        id: Id,
        patience: &Patience<'_>,
        selective: bool,
        mut attempt: impl FnMut(&Slot, &mut u32) -> Result<Option<T>>,
    ) -> Result<T>
    where
        T: Received,
    {
        let slot = self.slot(id)?;
        let mut spun = false;
        loop {
            let mut seen = 0;
            match attempt(slot, &mut seen) {
                Ok(Some(message)) => {
                    if let (true, Some(count)) = (spun, message.batched()) {
                        slot.set_pace(count);
                    }
                    return Ok(message);
                }
                Ok(None) => {}
                Err(Error::Closed) => return self.closed(slot, id).and_then(T::from_end),
                Err(error) => return Err(error),
            }
            let Some(deadline) = patience.deadline else { return Err(Error::Again) };
            if patience.clock.now() >= deadline {
                return Err(Error::TimedOut);
            }
            spun = patience.clock.is_real() && slot.spin_for_arrival(seen);
            if spun {
                slot.gather();
                continue;
            }
            if self.park(slot, id, seen, selective, patience, deadline)? == Wake::Interrupted {
                return Err(Error::Intr);
            }
        }
    }

    /// Registers this thread and parks it, unless something has come since `seen`.
    fn park(
        &self,
        slot: &Slot,
        id: Id,
        seen: u32,
        selective: bool,
        patience: &Patience<'_>,
        deadline: i64,
    ) -> Result<Wake> {
        let parker = Parker::current();
        parker.reset();
        {
            let mut tail = slot.tail.lock();
            if !slot.is_live(id) {
                return Ok(Wake::Notified);
            }
            let news = slot.arrived.load(Acquire) != seen || (!selective && tail.pending(slot));
            if news {
                return Ok(Wake::Notified);
            }
            tail.add_waiter(Waiter { parker: parker.clone(), selective });
        }
        let wake = patience.clock.wait(&parker, deadline, patience.interruptible);
        let passed_on = {
            let mut tail = slot.tail.lock();
            let was_woken = slot.is_live(id) && !tail.remove_waiter(&parker);
            // A wake-up that was meant for this thread must not end with its interruption.
            if wake == Wake::Interrupted && was_woken && tail.pending(slot) {
                tail.roused(id)
            } else {
                None
            }
        };
        self.rouse(passed_on);
        Ok(wake)
    }

    fn take_oldest(&self, slot: &Slot, id: Id, seen: &mut u32) -> Result<Option<Message>> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.receiving.handled.load(Relaxed) {
            return Err(handled());
        }
        let what = self.oldest(slot, &mut head, &mut trash, seen)?;
        let taken = slot.taken(what, trash);
        drop(head);
        Ok(self.after_taking(slot, id, taken))
    }

    /// Does what taking asked for: room for senders, the descriptor, payloads that came free.
    pub(super) fn after_taking<T>(&self, slot: &Slot, id: Id, taken: Taken<T>) -> Option<T> {
        if taken.blocked {
            self.room_came_free(slot, id);
        }
        if taken.belled {
            self.after_receive(slot, id);
        }
        drop(taken.trash);
        taken.what
    }

    fn oldest(&self, slot: &Slot, head: &mut Head, trash: &mut Trash, seen: &mut u32) -> Result<Option<Message>> {
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
            let entry = segment.entry(at);
            let (size, bounded) = (entry.size() as u64, entry.header.flags & FRAME_BOUNDED != 0);
            if bounded {
                self.quotas.count(entry.header.r#ref, -1);
            }
            if entry.is_request() && self.has_expired(&entry) {
                trash.extend(segment.pass());
                slot.consume(1, size);
                slot.tail.lock().cold().count.expired += 1;
                continue;
            }
            let (owner, mut message) = self.holds.open(|hold| hold.fill(&entry))?;
            // The entry's own share of the payload goes with the entry; the hold has its own.
            trash.extend(segment.pass());
            slot.consume(1, size);
            message.owner = owner.0;
            message.lost = head.show_lost(slot, u64::MAX);
            return Ok(Some(message));
        }
    }

    /// A request whose caller no longer waits is not delivered.
    pub(super) fn has_expired(&self, entry: &Entry<'_>) -> bool {
        let ticket = Id(entry.header.r#ref);
        match self.shots.find(ticket, Kind::Ticket) {
            Ok(shot) => !shot.is(ticket.life(), State::Armed),
            Err(_) => true,
        }
    }

    /// Takes the first signal if it comes before message number `next`.
    fn front_signal(&self, slot: &Slot, head: &mut Head, next: Option<u64>) -> Result<Option<Message>> {
        let index = {
            let mut tail = slot.tail.lock();
            if next.is_none() && (tail.current.is_some() || tail.full.is_some()) {
                // Messages have come in since; only they tell what comes first.
                return Ok(None);
            }
            let index = tail.signals.first;
            if tail.signals.is_empty() || next.is_some_and(|next| self.shots.at(index).stamp() > next) {
                return Ok(None);
            }
            self.unqueue(slot, &mut tail, index);
            tail.cold().count.signals_delivered += 1;
            index
        };
        self.signal_message(slot, head, index).map(Some)
    }

    /// Takes a signal off the queue. Under the slot lock nobody can flush it meanwhile, so the claim succeeds.
    pub(super) fn unqueue(&self, slot: &Slot, tail: &mut super::Tail, index: u32) -> bool {
        tail.signals.remove(&self.shots, Of::Signal, index);
        slot.note_first_signal(tail, self);
        self.claim(index, self.shots.at(index).life())
    }

    /// Makes the message of a signal that was taken off the queue.
    pub(super) fn signal_message(&self, slot: &Slot, head: &mut Head, index: u32) -> Result<Message> {
        let shot = self.shots.at(index);
        let reference = self.shots.id(index);
        let (owner, mut message) = self.holds.open(|hold| hold.fill_signal(shot, reference))?;
        // Nothing of the record is dropped here that a hold does not share, so no release can run under the lease.
        let stamp = shot.stamp();
        self.shots.let_go(index);
        message.owner = owner.0;
        message.lost = head.show_lost(slot, stamp);
        Ok(message)
    }

    /// What a receive call on an ended mailbox gives: once an end marker, if losses were not shown, then the error.
    fn closed(&self, slot: &Slot, id: Id) -> Result<Message> {
        let mut tail = slot.tail.lock();
        if slot.receiving.life.load(Acquire) != id.life() + 1 || tail.lost == 0 {
            return Err(Error::Closed);
        }
        let lost = std::mem::take(&mut tail.lost) as u64;
        let reason = tail.reason;
        drop(tail);
        let (owner, mut message) = self.holds.open(|hold| hold.fill_end())?;
        (message.owner, message.lost, message.status) = (owner.0, lost, reason);
        Ok(message)
    }
}

/// What a receive call gives.
pub(super) trait Received: Sized {
    /// For the end marker.
    fn from_end(message: Message) -> Result<Self>;
    /// Messages in a batch.
    fn batched(&self) -> Option<u32>;
}

impl Received for Message {
    fn from_end(message: Message) -> Result<Self> {
        Ok(message)
    }
    fn batched(&self) -> Option<u32> {
        None
    }
}

impl Head {
    /// The losses before `place`, to show with the message delivered now.
    #[inline]
    pub(super) fn show_lost(&mut self, slot: &Slot, place: u64) -> u64 {
        let lost = self.lost_before(place);
        if lost > 0 {
            slot.tail.lock().cold().count.lost_shown += lost;
        }
        lost
    }
}

impl Slot {
    /// What a taking asks for. Call it under the lease.
    pub(super) fn taken<T>(&self, what: Option<T>, trash: Trash) -> Taken<T> {
        let Receiving { belled, blocked, .. } = &self.receiving;
        Taken { what, belled: belled.load(Relaxed), blocked: blocked.load(Relaxed), trash }
    }
}

/// Data and topic of a message in a hold's own buffer.
fn empty() -> *const u8 {
    std::ptr::NonNull::<u64>::dangling().as_ptr().cast()
}

impl Hold {
    /// Copies a message out of its segment; a payload by reference is shared.
    pub(super) fn fill(&mut self, entry: &Entry<'_>) -> Message {
        let trailer = entry.trailer();
        let header = entry.header;
        let block = entry.block();
        let copied = if block.is_none() { entry.data() } else { &[] };
        let mut message = self.keep(block, copied, entry.topic());
        (message.kind, message.from, message.tag, message.r#ref) =
            (header.kind as u32, Id(header.from), header.tag, header.r#ref);
        if let Some(trailer) = trailer {
            (message.deadline, message.status) = (trailer.deadline, trailer.status);
        }
        message
    }

    /// Copies what a signal says out of its record.
    pub(super) fn fill_signal(&mut self, shot: &OneShot, reference: Id) -> Message {
        let body = shot.body();
        let Body { tag, status, from, data, name, .. } = &*body;
        let mut message = self.keep(data.clone(), &[], name.as_deref().unwrap_or("").as_bytes());
        (message.kind, message.status, message.from) = (shot.message_kind(), *status, *from);
        (message.tag, message.r#ref) = (*tag, reference.0);
        message
    }

    fn fill_end(&mut self) -> Message {
        let mut message = self.keep(None, &[], &[]);
        message.kind = KIND_END;
        message
    }

    /// A message that belongs to no mailbox: what a blocking call returns.
    pub(super) fn keep(&mut self, block: Option<Arc<Block>>, copied: &[u8], topic: &[u8]) -> Message {
        self.bytes.clear();
        self.bytes.extend_from_slice(copied);
        self.bytes.extend_from_slice(topic);
        let text = self.bytes.as_ptr().wrapping_add(copied.len());
        let (data, data_size) = match &block {
            Some(block) if block.size() > 0 => (block.data(), block.size()),
            Some(_) => (empty(), 0),
            None if copied.is_empty() => (empty(), 0),
            None => (self.bytes.as_ptr(), copied.len()),
        };
        self.block = block;
        Message {
            kind: 0,
            status: 0,
            data: data.cast(),
            data_size,
            from: Id::NONE,
            tag: 0,
            r#ref: 0,
            topic: if topic.is_empty() { empty().cast() } else { text.cast() },
            topic_size: topic.len(),
            deadline: FOREVER,
            lost: 0,
            owner: 0,
            reserved: [0; 2],
        }
    }
}
