//! Draining: mailboxes that take nothing from outside any more.
//!
//! Guarantees: once [`Store::close_to_outside`] has returned, messages and requests without a sender are refused with
//! `TD_ECLOSED`; those of mailboxes, replies and other signals pass under the bounds as before. A mailbox that is not
//! drained pays nothing: one that is has a limit that is always reached, so that each send looks here.

use super::{Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{FrameHeader, KIND_MESSAGE, KIND_REQUEST};

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

    /// Whether a mailbox is suspended.
    pub fn is_suspended(&self, id: Id) -> bool {
        self.slot(id).is_ok_and(Slot::is_suspended)
    }
}

impl Tail {
    fn is_draining(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.draining)
    }

    /// Refuses a message from outside while the mailbox is drained.
    #[cold]
    pub(super) fn check_outside(&self, header: &FrameHeader) -> Result<()> {
        let outside = header.from == 0 && [KIND_MESSAGE, KIND_REQUEST].contains(&(header.kind as u32));
        if outside && self.is_draining() {
            return Err(Error::Closed.because("the engine is draining: only its own mailboxes may still send"));
        }
        Ok(())
    }
}
