//! Senders that wait for room in a full mailbox, and are woken when there is some.
//!
//! Guarantees: a blocked sender registers under the lease, which every receive takes, so room that comes free is never
//! missed.

use super::{Slot, Store};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::notify::Parker;
use crate::sync::atomic::Ordering::*;
use crate::sync::Arc;

impl Store {
    /// Registers this thread as a sender that waits for room. False when there is room already, or soon.
    pub fn block(&self, to: Id, size: u64, parker: &Arc<Parker>, may_spin: bool) -> Result<bool> {
        let slot = self.slot(to)?;
        if may_spin && slot.spin_for_room(enough(slot, to)?) {
            return Ok(false);
        }
        let _head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        slot.check(to, Error::NoProc)?;
        if tail.has_room(self, slot, size) {
            return Ok(false);
        }
        slot.receiving.blocked.store(true, Relaxed);
        tail.cold().blocked.push_back(parker.clone());
        Ok(true)
    }

    /// Takes a waiting sender off again; `gave_up` counts the message as refused.
    pub fn unblock(&self, to: Id, parker: &Arc<Parker>, gave_up: bool) {
        let Ok(slot) = self.slot(to) else { return };
        let mut tail = slot.tail.lock();
        if slot.is_live(to) {
            let cold = tail.cold();
            cold.blocked.retain(|other| !Arc::ptr_eq(other, parker));
            cold.count.refused += gave_up as u64;
        }
    }

    /// `TD_ETOOBIG`, counted as refused, when a mailbox could never hold a message of this size.
    pub fn check_size(&self, to: Id, size: u64) -> Result<()> {
        let slot = self.slot(to)?;
        let mut tail = slot.tail.lock();
        slot.check(to, Error::NoProc)?;
        let most = tail.limits().bytes();
        if size > most {
            tail.cold().count.refused += 1;
            return Err(Error::TooBig.because(format!("{size} bytes; this mailbox holds {most} at most")));
        }
        Ok(())
    }

    /// Counts a send that was refused although its policy is to wait.
    pub fn count_refused(&self, to: Id) {
        let _ = self.with_cold(to, |cold| cold.count.refused += 1);
    }

    /// Wakes the senders that wait for room, if the receiver that made some saw that there are any.
    pub(super) fn room_came_free(&self, slot: &Slot, id: Id) {
        let blocked: Vec<_> = {
            let _head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            if !slot.is_live(id) || !slot.receiving.blocked.swap(false, Relaxed) {
                return;
            }
            tail.cold().blocked.drain(..).collect()
        };
        for sender in blocked {
            sender.unpark();
        }
    }
}

/// Free places that are worth waiting for at once.
fn enough(slot: &Slot, to: Id) -> Result<u64> {
    let tail = slot.tail.lock();
    slot.check(to, Error::NoProc)?;
    Ok((tail.limits().messages() / 4).clamp(1, 64))
}
