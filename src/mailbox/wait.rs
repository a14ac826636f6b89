//! Waiting for something to receive.
//!
//! Guarantees: a wait that ends without a message leaves the mailbox as it was; a receiver that was woken looks once
//! more before it gives up, and one that is interrupted passes its wake-up on, so none is lost with it.

use super::wake::Waiter;
use super::{Receiving, Slot, Store};
use crate::clock::{Clock, FOREVER};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::Message;
use crate::notify::{Parker, Wake};
use crate::sync::atomic::Ordering::*;

/// How long a receive call waits.
pub struct Patience<'a> {
    pub clock: &'a Clock,
    /// On that clock, from when nothing was found; 0 polls.
    pub timeout: i64,
    pub interruptible: bool,
}

/// What a taking asks for once the locks are gone.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    belled: bool,
    blocked: bool,
}

/// What a receive call gives.
pub(super) trait Received {
    /// Messages in a batch.
    fn batched(&self) -> Option<u32> {
        None
    }
}

impl Received for Message {}
/// A message that was given on.
impl Received for () {}

impl Store {
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
        let (mut spun, mut deadline) = (false, None);
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
                Err(error) => return Err(error),
            }
            if patience.timeout == 0 {
                return Err(Error::Again);
            }
            let deadline = match deadline {
                None => *deadline.insert(patience.clock.deadline(patience.timeout)),
                Some(deadline) if deadline != FOREVER && patience.clock.now() >= deadline => {
                    return Err(Error::TimedOut);
                }
                Some(deadline) => deadline,
            };
            spun = patience.clock.is_real() && !slot.is_suspended() && slot.spin_for_arrival(seen);
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
            let came = slot.arrived.load(Acquire) != seen && !tail.is_suspended();
            let news = came || (!selective && tail.pending(slot));
            if news {
                return Ok(Wake::Notified);
            }
            tail.add_waiter(Waiter { parker: parker.clone(), selective });
        }
        let wake = slot.watching_time(|| patience.clock.wait(&parker, deadline, patience.interruptible));
        crate::recorder::time_passed();
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

    /// Does what a taking asked for: room for senders, the descriptor.
    #[inline]
    pub(super) fn after_taking(&self, slot: &Slot, id: Id, asked: Asked) {
        if asked.blocked {
            self.room_came_free(slot, id);
        }
        if asked.belled {
            self.after_receive(slot, id);
        }
    }

    /// Whom threads are calling in this mailbox's name, waiting.
    pub fn calling(&self, id: Id) -> Vec<Id> {
        let Ok(slot) = self.slot(id) else { return Vec::new() };
        let tail = slot.tail.lock();
        let cold = tail.cold.as_ref().filter(|_| slot.is_live(id));
        cold.map_or_else(Vec::new, |cold| cold.calling.iter().map(|(_, to)| *to).collect())
    }

    /// What a receive call that met this error gives: on an ended mailbox, once an end marker, if losses were not shown,
    /// else the error.
    #[cold]
    pub(super) fn or_end(&self, id: Id, error: Error) -> Result<Message> {
        if error != Error::Closed {
            return Err(error);
        }
        let slot = self.slot(id)?;
        let mut tail = slot.tail.lock();
        if slot.receiving.life.load(Acquire) != id.life() + 1 || tail.lost == 0 {
            return Err(Error::Closed);
        }
        let lost = std::mem::take(&mut tail.lost) as u64;
        let reason = tail.reason;
        drop(tail);
        let mut message = self.holds.open(slot.near(), |hold, owner| hold.fill_end(owner))?;
        (message.lost, message.status) = (lost, reason);
        Ok(message)
    }
}

impl Slot {
    /// What a taking asks for. Call it under the lease.
    #[inline]
    pub(super) fn asked(&self) -> Asked {
        let Receiving { belled, blocked, .. } = &self.receiving;
        Asked { belled: belled.load(Relaxed), blocked: blocked.load(Relaxed) }
    }
}
