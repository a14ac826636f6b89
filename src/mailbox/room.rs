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

/// What a sender may expect of a full mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// There is some.
    Now,
    /// Once something is received there, and the sender is woken.
    Later,
    /// Once other mailboxes leave some of the engine's budget, which nobody tells.
    Elsewhere,
}

impl Store {
    /// Registers this thread as a sender that waits for room, unless there is some already, or soon.
    pub fn block(&self, to: Id, size: u64, parker: &Arc<Parker>, may_spin: bool) -> Result<Room> {
        let slot = self.slot(to)?;
        if may_spin && slot.spin_for_room(enough(slot, to)?) {
            return Ok(Room::Now);
        }
        let _head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        slot.check(to, Error::NoProc)?;
        if tail.has_room(self, slot, size) {
            return Ok(Room::Now);
        }
        slot.receiving.blocked.store(true, Relaxed);
        tail.cold().blocked.push_back(parker.clone());
        Ok(if tail.fits(slot, size) { Room::Elsewhere } else { Room::Later })
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::draft::Draft;
    use super::super::{Limit, Opening, Policy};
    use super::*;
    use crate::message::{FrameHeader, Payload, KIND_MESSAGE};

    #[test]
    fn what_is_waited_for_is_known_in_the_step_that_found_no_room() {
        let store = Store::default();
        store.budgets.of(0).set(100);
        let limit = Limit { max_messages: 1, ..Limit::default() };
        let [a, b] = [0; 2]
            .map(|_| store.open(Opening { policy: Policy::Block, limit, ..Opening::default() }, || true).unwrap());
        let parker = Parker::current();
        let expect = |to, size| store.block(to, size, &parker, false);
        assert_eq!(expect(a, 10), Ok(Room::Now));
        let header = FrameHeader { kind: KIND_MESSAGE as u8, ..FrameHeader::default() };
        let draft = Draft { header, payload: Payload::Copy(&[0; 95]), topic: &[], trailer: None };
        store.push(a, &draft, None, &mut None).unwrap();
        drop(store.reclaim(0));
        assert_eq!((expect(a, 1), expect(a, 10)), (Ok(Room::Later), Ok(Room::Later)));
        assert_eq!((expect(b, 5), expect(b, 10)), (Ok(Room::Now), Ok(Room::Elsewhere)));
    }
}
