//! Signals in a mailbox: firing a one-shot record into the queue of its owner, and taking it out again.
//!
//! Guarantees: firing allocates nothing, ignores bounds, and keeps the place of the signal among the messages by a
//! stamp (the number of messages taken in before it); a record is either delivered, flushed or discarded with the
//! mailbox, never two of these. Cancelling is exact: once it has returned, the signal is not and will not be seen.

use super::segment::Entry;
use super::wake::Roused;
use super::{Head, Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::message::Message;
use crate::oneshot::{Body, List, Of, OneShot, State, Use, NONE};
use crate::recorder::{record_often, Event};
use crate::snapshot::Snapshot;
use crate::sync::atomic::Ordering::*;

/// What cancelling found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It was armed and never fires now. The caller lets go of its target or timer place.
    Armed,
    /// Its signal was queued and has been taken out.
    Flushed,
    /// Its signal is queued and stays.
    Queued,
    /// It was over already.
    Over,
}

impl Store {
    /// Fires a record: fills it in and queues it at its owner, or gives the answer to the thread that waits. `fill`
    /// runs under locks. Nothing happens when it is not armed any more, or its owner has ended.
    ///
    /// The caller's own hold on the record (target list, timer wheel) stays the caller's.
    pub fn fire(&self, index: u32, life: u32, fill: impl FnOnce(&mut Body)) -> bool {
        let shot = self.shots.at(index);
        let owner = shot.owner();
        if owner.is_none() {
            return self.answer(shot, life, fill);
        }
        let Ok(slot) = self.slot(owner) else { return false };
        let mut tail = slot.tail.lock();
        if !slot.is_live(owner) {
            // Whoever ended the owner cancels the record, and wakes the thread that waits for it.
            return false;
        }
        if !shot.is(life, State::Armed) {
            return false;
        }
        let status = {
            let mut body = shot.body();
            if let Some(caller) = body.caller.clone() {
                // A blocking call in the name of a mailbox: the thread gets it, not the queue.
                if shot.shift(life, State::Armed, State::Queued) {
                    fill(&mut body);
                    self.note_fired(shot, index, body.status);
                    drop(body);
                    tail.cold().disown(&self.shots, index);
                    drop(tail);
                    self.shots.let_go(index);
                    caller.unpark();
                    return true;
                }
                return false;
            }
            fill(&mut body);
            body.status
        };
        if !shot.shift(life, State::Armed, State::Queued) {
            return false;
        }
        self.note_fired(shot, index, status);
        let roused = self.queue_signal(slot, &mut tail, owner, index);
        drop(tail);
        self.rouse(roused);
        true
    }

    /// Puts a record whose state has just become `Queued` behind everything that came in so far.
    pub(super) fn queue_signal(&self, slot: &Slot, tail: &mut Tail, owner: Id, index: u32) -> Roused {
        let shot = self.shots.at(index);
        if shot.repeats() {
            shot.hold();
        } else {
            tail.cold().disown(&self.shots, index);
        }
        let stamp = tail.accepted;
        let count = &mut tail.cold().count;
        count.signals_in += 1;
        shot.set_stamp(stamp, count.signals_in);
        tail.signals.push_back(&self.shots, Of::Signal, index);
        slot.note_arrival();
        slot.note_first_signal(tail, self);
        tail.roused(owner)
    }

    fn answer(&self, shot: &OneShot, life: u32, fill: impl FnOnce(&mut Body)) -> bool {
        let caller = {
            let mut body = shot.body();
            let Some(caller) = body.caller.clone() else { return false };
            if !shot.shift(life, State::Armed, State::Queued) {
                return false;
            }
            fill(&mut body);
            let event = signal_event(shot.usage());
            record_often(event, shot.owner(), shot.target(), body.status as i64);
            caller
        };
        caller.unpark();
        true
    }

    pub(super) fn note_fired(&self, shot: &OneShot, index: u32, status: i32) {
        record_often(signal_event(shot.usage()), shot.owner(), self.shots.id(index), status as i64);
    }

    /// Cancels a record for its owner. Whoever gets `Armed` lets go of the record's other place; the place at the
    /// owner is let go of here.
    pub fn cancel(&self, index: u32, life: u32, flush: bool) -> Cancelled {
        self.cancel_and(index, life, flush, |_| ())
    }

    /// As [`cancel`](Self::cancel); `look` sees a record that never fires now, or was flushed, under the owner's lock.
    pub fn cancel_and(&self, index: u32, life: u32, flush: bool, look: impl FnOnce(&OneShot)) -> Cancelled {
        let shot = self.shots.at(index);
        let owner = shot.owner();
        let Ok(slot) = self.slot(owner) else {
            // No owner: a timer to a name, or a blocking call.
            return if shot.shift(life, State::Armed, State::Cancelled) { Cancelled::Armed } else { Cancelled::Over };
        };
        let mut tail = slot.tail.lock();
        let live = slot.is_live(owner);
        if shot.shift(life, State::Armed, State::Cancelled) {
            look(shot);
            let linked = live && shot.is_linked(Of::Owner);
            if linked {
                tail.cold().disown(&self.shots, index);
            }
            drop(tail);
            if linked {
                self.shots.let_go(index);
            }
            return Cancelled::Armed;
        }
        if !shot.is(life, State::Queued) {
            return Cancelled::Over;
        }
        if !flush {
            return Cancelled::Queued;
        }
        if !live || !shot.shift(life, State::Queued, State::Flushed) {
            return Cancelled::Over;
        }
        look(shot);
        tail.cold().count.signals_flushed += 1;
        let mut holds = 0;
        if tail.signals.remove(&self.shots, Of::Signal, index) {
            holds += 1;
            slot.note_first_signal(&tail, self);
        }
        if shot.repeats() && shot.is_linked(Of::Owner) {
            tail.cold().disown(&self.shots, index);
            holds += 1;
        }
        let belled = tail.cold().bell.is_some();
        drop(tail);
        for _ in 0..holds {
            self.shots.let_go(index);
        }
        if belled {
            self.after_receive(slot, owner);
        }
        Cancelled::Flushed
    }

    /// Takes a signal off the queue, with the snapshot of a RESYNC. Under the slot lock nobody can flush it meanwhile,
    /// so the claim succeeds.
    pub(super) fn unqueue(&self, slot: &Slot, tail: &mut Tail, index: u32) -> Option<Box<Snapshot>> {
        tail.signals.remove(&self.shots, Of::Signal, index);
        slot.note_first_signal(tail, self);
        let snapshot = self.take_snapshot(index);
        let shot = self.shots.at(index);
        // A notice keeps its bits to itself until they have been read.
        if shot.usage() != Use::Notify {
            self.claim(index, shot.life());
        }
        snapshot
    }

    /// Makes the message of a signal that was taken off the queue.
    pub(super) fn signal_message(
        &self,
        slot: &Slot,
        head: &mut Head,
        index: u32,
        snapshot: Option<Box<Snapshot>>,
    ) -> Result<Message> {
        let shot = self.shots.at(index);
        let reference = self.shots.shown(index);
        let said = snapshot.map(|snapshot| snapshot.say());
        let mut message = self.holds.open(slot.near(), |hold, owner| hold.fill_signal(shot, reference, said, owner))?;
        // Nothing of the record is dropped here that a hold does not share, so no release can run under the lease.
        let stamp = shot.stamp();
        if shot.usage() == Use::Notify {
            self.claim(index, shot.life());
        }
        self.shots.let_go(index);
        // Taken out of its turn it shows what was lost before the messages that are still there.
        let turn = head.front().map_or(u64::MAX, |front| front.first + 1);
        message.lost = head.show_lost(slot, stamp.min(turn));
        Ok(message)
    }

    /// A request whose caller no longer waits is not delivered.
    pub(super) fn has_expired(&self, entry: &Entry<'_>) -> bool {
        let ticket = Id(entry.header.r#ref);
        match self.shots.find(ticket, Kind::Ticket) {
            Ok(shot) => !shot.is(ticket.life(), State::Armed),
            Err(_) => true,
        }
    }

    /// Takes a queued signal for delivery. False when it was flushed meanwhile.
    pub(super) fn claim(&self, index: u32, life: u32) -> bool {
        let shot = self.shots.at(index);
        if shot.usage() == Use::Watch {
            return self.may_deliver(shot, life);
        }
        let next = if shot.repeats() { State::Armed } else { State::Delivered };
        let claimed = shot.shift(life, State::Queued, next);
        if claimed && shot.usage() == Use::Notify {
            // Bits may have come while the record could not fire.
            self.notices.announce(shot.owner());
        }
        claimed
    }

    /// Puts an armed record in the list of the mailbox it watches. False when that has ended: the caller fires it.
    /// A record that was cancelled meanwhile is let go of.
    pub fn link_target(&self, target: Id, index: u32, life: u32) -> Result<bool> {
        let slot = self.slot(target)?;
        let cancelled = {
            let mut tail = slot.tail.lock();
            match slot.check(target, Error::NoProc) {
                Err(Error::NoProc) => return Ok(false),
                checked => checked?,
            }
            let cancelled = !self.shots.at(index).is(life, State::Armed);
            if !cancelled {
                tail.cold().watched.push_back(&self.shots, Of::Target, index);
            }
            cancelled
        };
        if cancelled {
            self.shots.let_go(index);
        }
        Ok(true)
    }

    /// Takes a record out of the list of the mailbox it watches, if it is there. When that mailbox has ended, whoever
    /// ended it lets go of the record.
    pub fn unwatch(&self, index: u32, life: u32) {
        let shot = self.shots.at(index);
        let target = shot.target();
        let Ok(slot) = self.slot(target) else { return };
        let linked = {
            let mut tail = slot.tail.lock();
            if shot.target() != target {
                // Forwarded meanwhile: whoever does that sees that it is over.
                return;
            }
            // Linked first, life second: a row that is linked here is kept by this list and cannot be another's.
            let linked = slot.is_live(target) && shot.is_linked(Of::Target);
            let linked = linked && shot.life() == life && tail.cold().watched.remove(&self.shots, Of::Target, index);
            if linked {
                tail.forget_receipt(slot, shot.owner(), index);
            }
            linked
        };
        if linked {
            self.shots.let_go(index);
        }
    }

    /// Works off the records that an ended mailbox owned: none of them will fire. `other` lets go of the place a
    /// record has elsewhere.
    pub fn disband(&self, first: u32, of: Of, mut each: impl FnMut(u32, u32)) {
        let mut at = first;
        while at != NONE {
            let index = at;
            at = List::next(&self.shots, of, index);
            each(index, self.shots.at(index).life());
            self.shots.let_go(index);
        }
    }
}

fn signal_event(usage: Use) -> Event {
    match usage {
        Use::Monitor => Event::Down,
        Use::Timer => Event::Timer,
        Use::Call | Use::Gather => Event::Reply,
        Use::Link => Event::Exit,
        Use::Notify => Event::Notify,
        Use::Watch => Event::Resync,
    }
}

impl Slot {
    /// Keeps the stamp that receivers look at without the lock.
    pub(super) fn note_first_signal(&self, tail: &Tail, store: &Store) {
        let first = tail.signals.first;
        let stamp = if first == NONE { u64::MAX } else { store.shots.at(first).stamp() };
        self.receiving.first_signal.store(stamp, Release);
    }

    /// Something came in: waits that look at this count look again. Call it under the slot lock.
    #[inline]
    pub(super) fn note_arrival(&self) {
        self.arrived.store(self.arrived.load(Relaxed).wrapping_add(1), Release);
    }
}
