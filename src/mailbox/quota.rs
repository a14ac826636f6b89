//! Subscriptions as their mailbox sees them: each a share of its queue.
//!
//! Guarantees: once a quota is closed, no message is admitted under it, and a count never reaches the row's next
//! subscription. A mailbox lists its quotas in no order; taking one out costs the same however many there are.

use super::draft::Draft;
use super::policy::Policy;
use super::Store;
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::message::FRAME_BOUNDED;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};
use crate::table::Table;

/// A subscription's share of a mailbox's queue.
#[derive(Default)]
pub struct Quota {
    /// Life, and how many of its messages are queued, in one word: a count never reaches the row's next subscription.
    state: AtomicU64,
    mailbox: AtomicU64,
    limit: AtomicU32,
    policy: AtomicU32,
    /// Where it is in its mailbox's list. Guarded by the slot lock.
    at: AtomicU32,
    /// No message of it is queued before this place. Written under the lease.
    pub(super) oldest: AtomicU64,
}

impl Quota {
    pub fn mailbox(&self) -> Id {
        Id(self.mailbox.load(Acquire))
    }

    #[inline]
    pub fn is_live(&self, id: Id) -> bool {
        self.life() == id.life()
    }

    #[inline]
    fn life(&self) -> u32 {
        (self.state.load(Acquire) >> 32) as u32
    }

    #[inline]
    pub(super) fn queued(&self) -> u32 {
        self.state.load(Acquire) as u32
    }

    /// Changes the state, unless this life is over.
    fn change(&self, life: u32, to: impl Fn(u64) -> u64) -> bool {
        let to = |state: u64| ((state >> 32) as u32 == life).then(|| to(state));
        self.state.fetch_update(AcqRel, Acquire, to).is_ok()
    }

    /// Counts messages under this quota that came into the queue or left it.
    pub(super) fn count(&self, life: u32, by: i32) {
        self.change(life, |state| state & !0xFFFF_FFFF | (state as u32).wrapping_add_signed(by) as u64);
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Relaxed)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy::of(self.policy.load(Relaxed)).unwrap_or_default()
    }

    pub fn is_bounded(&self) -> bool {
        self.limit() > 0
    }

    /// A publication as it goes to this subscription.
    pub(super) fn mark<'a>(&self, own: Id, draft: &Draft<'a>) -> Draft<'a> {
        let mut draft = *draft;
        draft.header.r#ref = own.0;
        draft.header.flags = if self.is_bounded() { FRAME_BOUNDED } else { 0 };
        draft
    }
}

/// The table of quotas; a subscription's id is the id of its quota.
pub struct Quotas(Table<Quota>);

impl Default for Quotas {
    fn default() -> Self {
        Quotas(Table::new(0))
    }
}

impl Quotas {
    /// A new quota; the caller has its mailbox [list](Store::list_quota) it.
    pub fn open(&self, mailbox: Id, limit: u32, policy: Policy) -> Result<Id> {
        let (index, quota) = self.0.take()?;
        let life = quota.life() + 1;
        quota.mailbox.store(mailbox.0, Relaxed);
        quota.limit.store(limit, Relaxed);
        quota.policy.store(policy as u32, Relaxed);
        quota.oldest.store(0, Relaxed);
        quota.state.store((life as u64) << 32, Release);
        Ok(Id::new(Kind::Subscription, life, index))
    }

    /// The quota of a live subscription.
    pub fn find(&self, id: Id) -> Result<&Quota> {
        id.expect(Kind::Subscription)?;
        let quota = self.0.get(id.index()).ok_or_else(|| id.bad(Kind::Subscription))?;
        if quota.is_live(id) {
            Ok(quota)
        } else {
            Err(id.gone(Kind::Subscription, quota.life(), Error::Stale))
        }
    }

    /// Ends it, once: no message is admitted under it any more. Call it under the mailbox's slot lock, or when the
    /// mailbox has ended.
    pub fn close(&self, id: Id) -> bool {
        match self.find(id) {
            Ok(quota) => quota.change(id.life(), |_| (id.life() as u64 + 1) << 32),
            Err(_) => false,
        }
    }

    /// Gives the row of an ended quota back.
    pub fn give_back(&self, id: Id) {
        self.0.give_back(id.index(), id.life() + 1);
    }

    /// One message under this quota left the queue, or came back into it.
    pub(super) fn count(&self, reference: u64, by: i32) {
        let id = Id(reference);
        if let Some(quota) = self.0.get(id.index()) {
            quota.count(id.life(), by);
            if by > 0 {
                // One that comes back may lie anywhere.
                quota.oldest.store(0, Relaxed);
            }
        }
    }
}

impl Store {
    /// Puts a new quota in the list of its mailbox. `TD_ENOPROC` when that has ended.
    pub fn list_quota(&self, mailbox: Id, id: Id) -> Result<()> {
        self.with_cold(mailbox, |cold| {
            self.quotas.0.at(id.index()).at.store(cold.quotas.len() as u32, Relaxed);
            cold.quotas.push(id);
        })
    }

    /// Ends a quota of a live mailbox, and takes it out of the list; false when it was over.
    pub fn close_quota(&self, mailbox: Id, id: Id) -> Result<bool> {
        self.with_cold(mailbox, |cold| {
            let closed = self.quotas.close(id);
            if closed {
                let at = self.quotas.0.at(id.index()).at.load(Relaxed);
                cold.quotas.swap_remove(at as usize);
                if let Some(moved) = cold.quotas.get(at as usize) {
                    self.quotas.0.at(moved.index()).at.store(at, Relaxed);
                }
            }
            closed
        })
    }
}
