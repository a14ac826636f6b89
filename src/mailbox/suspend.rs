//! Suspending a mailbox: what comes in waits until it is resumed.
//!
//! Guarantees: once suspending has returned, no receive begins to take anything, as if the mailbox were empty, and its
//! descriptor is not readable; a batch in progress finishes. Sends keep their bound and policy. Resuming wakes whoever
//! would have been woken meanwhile. Both may be repeated; an end ends a suspended mailbox as any other.

use super::wake::{handled, SUSPENDED as QUIET};
use super::{Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::sync::atomic::Ordering::*;

/// Read by a handler, not by receive calls.
pub(super) const HANDLED: u8 = 1;
/// Not read by anybody now.
pub(super) const SUSPENDED: u8 = 2;
/// Some parts in hand are not to be delivered (see `part`).
pub(super) const CUT: u8 = 8;
/// Takes the bits of `td_notify`. Bars nothing; it is here to be read without a lock.
pub(super) const NOTIFIABLE: u8 = 4;
/// The clock of its engine is moved by hand. Bars nothing either.
pub(super) const BY_HAND: u8 = 16;

impl Store {
    /// Lets what comes in wait.
    pub fn suspend(&self, id: Id) -> Result<()> {
        let slot = self.slot(id)?;
        {
            let _head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            slot.check(id, Error::NoProc)?;
            slot.receiving.barred.fetch_or(SUSPENDED, Relaxed);
            tail.attention |= QUIET;
        }
        self.after_receive(slot, id);
        Ok(())
    }

    /// Hands on what has waited.
    pub fn resume(&self, id: Id) -> Result<()> {
        let slot = self.slot(id)?;
        let roused = {
            let _head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            slot.check(id, Error::NoProc)?;
            if !tail.is_suspended() {
                return Ok(());
            }
            slot.receiving.barred.fetch_and(!SUSPENDED, Relaxed);
            tail.attention &= !QUIET;
            slot.note_arrival();
            let waiting = slot.queued(&tail) as usize + tail.signals.len as usize;
            tail.roused_by(id, waiting)
        };
        self.rouse(roused);
        Ok(())
    }
}

impl Tail {
    #[inline]
    pub(super) fn is_suspended(&self) -> bool {
        self.attention & QUIET != 0
    }
}

impl Store {
    /// Whether the clock of this mailbox's engine is moved by hand.
    #[inline]
    pub fn is_by_hand(&self, id: Id) -> bool {
        self.slot(id).is_ok_and(|slot| slot.receiving.barred.load(Relaxed) & BY_HAND != 0)
    }
}

impl Slot {
    pub(super) fn is_handled(&self) -> bool {
        self.receiving.barred.load(Relaxed) & HANDLED != 0
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.receiving.barred.load(Relaxed) & SUSPENDED != 0
    }

    /// Whether nothing may be taken now; an error when it never may by this call. Call it under the lease.
    #[inline]
    pub(super) fn is_barred(&self, seen: &mut u32) -> Result<bool> {
        match self.receiving.barred.load(Relaxed) {
            0 => Ok(false),
            barred => self.why_barred(barred, seen),
        }
    }

    /// As [`is_barred`](Self::is_barred), for whoever runs the handler.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        let barred = self.receiving.barred.load(Relaxed);
        self.forget_cut(barred);
        barred & SUSPENDED != 0
    }

    #[cold]
    fn why_barred(&self, barred: u8, seen: &mut u32) -> Result<bool> {
        if barred & HANDLED != 0 {
            return Err(handled());
        }
        self.forget_cut(barred);
        // Resuming takes the lease, so it counts as an arrival after this.
        *seen = self.arrived.load(Acquire);
        Ok(barred & SUSPENDED != 0)
    }
}
