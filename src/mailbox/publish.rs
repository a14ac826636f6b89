//! Runs of publications on their way into a mailbox, where nothing has to be looked at for any of them.
//!
//! Guarantees: nothing is taken in for a subscription that is over; a run is queued whole or not at all.

use super::segment::Run;
use super::wake::Roused;
use super::{Policy, Store};
use crate::id::Id;

impl Store {
    /// Publishes a run of messages in one step, where nothing has to be looked at: there is room for all of them, and
    /// none is replaced or counted. Who has to be woken goes to `roused`, as in [`push`](Self::push). False: each goes by
    /// [`publish`](Self::publish).
    #[inline]
    pub fn publish_run(&self, subscription: Id, run: &Run, roused: &mut Roused) -> bool {
        let Ok(quota) = self.quotas.find(subscription) else { return false };
        let to = quota.mailbox();
        let Ok(slot) = self.slot(to) else { return false };
        let mut tail = slot.tail.lock();
        let is_plain = !quota.is_bounded() && quota.policy() != Policy::Conflate;
        if tail.life != to.life() || !quota.is_live(subscription) || !is_plain {
            return false;
        }
        let taken = tail.admit_run(&self.pool, slot, run, subscription.0);
        if taken {
            tail.rouse(to, run.len(), roused);
        }
        taken
    }
}
