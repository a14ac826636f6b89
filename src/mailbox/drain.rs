//! Draining: mailboxes that take nothing from outside any more.
//!
//! Guarantees: once [`Store::close_to_outside`] has returned, messages and requests without a sender are refused with
//! `TD_ECLOSED`; those of mailboxes, replies and other signals pass under the bounds as before. Once
//! [`Store::close_to_all`] has, nothing that anybody sends is taken in. A mailbox that is not
//! drained pays nothing: one that is has a limit that is always reached, so that each send looks here.

use super::{Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{FrameHeader, KIND_MEMBER, KIND_MESSAGE, KIND_REQUEST};

impl Store {
    /// Refuses what comes from outside, from here on.
    pub fn close_to_outside(&self, id: Id) -> Result<()> {
        let slot = self.slot(id)?;
        let mut tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        tail.cold().draining = true;
        tail.limit = 0;
        Ok(())
    }

    /// Refuses what anybody sends, from here on: how much had come in by then.
    pub fn close_to_all(&self, id: Id) -> Result<u64> {
        let slot = self.slot(id)?;
        let _head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        (tail.cold().sealed, tail.limit) = (true, 0);
        Ok(self.counters(slot, &tail, id)?.sent)
    }

    /// Whether a mailbox is suspended.
    pub fn is_suspended(&self, id: Id) -> bool {
        self.slot(id).is_ok_and(Slot::is_suspended)
    }
}

impl Tail {
    /// Refuses a message from outside while the mailbox is drained.
    #[cold]
    pub(super) fn check_outside(&self, header: &FrameHeader) -> Result<()> {
        let Some(cold) = &self.cold else { return Ok(()) };
        let outside = header.from == 0 && [KIND_MESSAGE, KIND_REQUEST].contains(&(header.kind as u32));
        if outside && cold.draining {
            return Err(Error::Closed.because("the engine is draining: only its own mailboxes may still send"));
        }
        if cold.sealed && (header.kind as u32) < KIND_MEMBER {
            return Err(Error::Closed.because("the engine is closing: what is sent now would not be received"));
        }
        Ok(())
    }
}
