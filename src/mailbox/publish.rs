//! Runs of publications on their way into a mailbox, where nothing has to be looked at for any of them.
//!
//! Guarantees: nothing is taken in for a subscription that is over; a run is queued whole or not at all.

use super::segment::Run;
use super::wake::Roused;
use super::{Policy, Store};
use crate::id::Id;

impl Store {
    /// Publishes a run of messages in one step, where nothing has to be looked at: there is room for all of them, and
    /// none is replaced or counted. `None`: each goes by [`publish`](Self::publish).
    #[inline]
    pub fn publish_run(&self, subscription: Id, run: &Run) -> Option<Roused> {
        let quota = self.quotas.find(subscription).ok()?;
        let to = quota.mailbox();
        let slot = self.slot(to).ok()?;
        let mut tail = slot.tail.lock();
        let is_plain = !quota.is_bounded() && quota.policy() != Policy::Conflate;
        if tail.life != to.life() || !quota.is_live(subscription) || !is_plain {
            return None;
        }
        tail.admit_run(&self.pool, slot, run, subscription.0).then(|| tail.roused_by(to, run.len()))
    }
}
