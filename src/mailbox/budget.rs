//! The engine's byte budget: how many payload bytes may lie in all mailboxes of an engine together.
//!
//! Guarantees: what is queued never exceeds what was granted, and what was granted never exceeds the budget (what a
//! reader hands back of a batch goes back all the same). A mailbox takes grants ahead, a little while it is quiet and up
//! to [`AHEAD`] while it is busy, so that senders share nothing but their mailbox; before a send is refused, what others
//! were granted and do not use is taken back, and nobody takes more ahead meanwhile. Signals are outside of it.

use super::{Limit, Refusal, Slot, Store, Tail};
use crate::error::Error;
use crate::id::Id;
use crate::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::*};
use crate::table::Table;

/// The budget of an engine that names none.
pub const BUDGET: u64 = 1 << 30;
/// Bytes granted ahead: at first, and at most.
const FIRST: u64 = 4 << 10;
const AHEAD: u64 = 64 << 10;
/// Looking for unused grants among more mailboxes than this is done at most once in so many nanoseconds.
const MANY: usize = 65_536;
const PAUSE: i64 = 10_000_000;

/// The budget of one engine.
#[derive(Debug, Default)]
pub struct Budget {
    /// 0: the default.
    max: AtomicU64,
    granted: AtomicU64,
    reclaimed: AtomicI64,
    /// Senders that have unused grants taken back.
    tight: AtomicU32,
}

/// While it lives nothing is granted ahead, so that what was taken back stays there for the send that was short of it.
#[must_use = "what was taken back is granted ahead again once this is dropped"]
pub(super) struct Tight<'a>(&'a Budget);

impl Drop for Tight<'_> {
    fn drop(&mut self) {
        self.0.tight.fetch_sub(1, Relaxed);
    }
}

/// Budgets by the row of their engine.
pub struct Budgets(Table<Budget>);

impl Default for Budgets {
    fn default() -> Self {
        Budgets(Table::new(0))
    }
}

impl Budgets {
    pub fn of(&self, engine: u32) -> &Budget {
        self.0.row(engine)
    }
}

impl Budget {
    /// Bytes that may be queued; 0 for the default. For an engine that opens.
    pub fn set(&self, max: u64) {
        self.max.store(max, Release);
    }

    pub fn max(&self) -> u64 {
        match self.max.load(Acquire) {
            0 => BUDGET,
            max => max,
        }
    }

    fn free(&self) -> u64 {
        self.max().saturating_sub(self.granted.load(Acquire))
    }

    /// Grants as much as there is between `least` and `most`.
    fn take(&self, least: u64, most: u64) -> Option<u64> {
        let max = self.max();
        let left = |granted: u64| max.saturating_sub(granted);
        let take = |granted| (left(granted) >= least).then(|| granted + left(granted).min(most));
        self.granted.fetch_update(AcqRel, Acquire, take).ok().map(|granted| left(granted).min(most))
    }

    fn give(&self, bytes: u64) {
        if bytes > 0 {
            self.granted.fetch_sub(bytes, AcqRel);
        }
    }
}

impl Tail {
    /// Sees to a grant for `need` queued bytes; false when the budget is used up.
    pub(super) fn grant(&mut self, budget: &Budget, need: u64, most: u64) -> bool {
        let ahead = match budget.tight.load(Relaxed) {
            0 => (need + need / 4).max((self.granted * 2).clamp(FIRST, AHEAD)).min(most).max(need),
            _ => need,
        };
        if self.granted > AHEAD && self.granted / 4 > need {
            budget.give(self.granted - AHEAD);
            self.granted = AHEAD;
        } else if self.granted < ahead {
            let least = need.saturating_sub(self.granted);
            self.granted += budget.take(least, ahead - self.granted).unwrap_or(0);
        }
        need <= self.granted
    }

    /// Gives back what was granted and is not used.
    fn ungrant(&mut self, budget: &Budget, slot: &Slot) {
        let queued = self.queued_bytes(slot);
        if self.granted > queued {
            budget.give(self.granted - queued);
            (self.granted, self.limit_bytes) = (queued, self.accepted_bytes);
        }
    }

    /// Gives everything back, at the end.
    pub(super) fn ungrant_all(&mut self, budget: &Budget) {
        budget.give(std::mem::take(&mut self.granted));
        self.limit_bytes = self.accepted_bytes;
    }

    /// Payload bytes in the queue, not counting open batches.
    pub(super) fn queued_bytes(&self, slot: &Slot) -> u64 {
        self.accepted_bytes - slot.receiving.consumed_bytes.load(Acquire)
    }

    /// Whether `need` queued bytes are within the bound and could be granted.
    pub(super) fn could_hold(&self, budget: &Budget, limits: &Limit, need: u64) -> bool {
        need <= limits.bytes() && need.saturating_sub(self.granted) <= budget.free()
    }
}

impl Store {
    /// Takes back what the mailboxes of an engine were granted and do not use. Call it with no slot locked.
    #[cold]
    pub(super) fn reclaim(&self, engine: u32) -> Tight<'_> {
        let budget = self.budgets.of(engine);
        // Whoever locks a slot after it was looked at sees this.
        budget.tight.fetch_add(1, Relaxed);
        let tight = Tight(budget);
        let now = crate::notify::now();
        if now < budget.reclaimed.load(Acquire) {
            return tight;
        }
        let mut looked = 0;
        for (_, slot) in self.slots.0.rows() {
            looked += 1;
            if slot.engine() == engine {
                let mut tail = slot.tail.lock();
                if slot.engine() == engine {
                    tail.ungrant(budget, slot);
                }
            }
        }
        if looked > MANY {
            budget.reclaimed.store(crate::notify::now() + PAUSE, Release);
        }
        tight
    }

    /// Payload bytes that lie in the mailboxes of an engine now.
    pub fn queued_bytes(&self, engine: u32) -> u64 {
        let of = |(_, slot): (u32, &Slot)| {
            let tail = slot.tail.lock();
            let lives = slot.receiving.life.load(Acquire) & 1 == 1 && slot.engine() == engine;
            lives.then(|| tail.queued_bytes(slot))
        };
        self.slots.0.rows().filter(|(_, slot)| slot.engine() == engine).filter_map(of).sum()
    }

    /// A message of this size would fit the mailbox's own bound, but not the engine's budget.
    pub fn is_short(&self, to: Id, size: u64) -> bool {
        let Ok(slot) = self.slot(to) else { return false };
        let tail = slot.tail.lock();
        let budget = self.budgets.of(slot.engine());
        let need = tail.queued_bytes(slot) + size;
        slot.is_live(to) && need <= tail.limits().bytes() && !tail.could_hold(budget, &tail.limits(), need)
    }
}

impl Refusal {
    /// The error of a send that is refused at a bound.
    pub fn error(self) -> Error {
        match self {
            Refusal::Full => Error::Full,
            Refusal::Short => Error::Full.because("the engine's byte budget (max_bytes of td_engine_open) is used up"),
            Refusal::Never(error) => error,
        }
    }

    /// A bound is reached: the policy decides.
    pub fn is_full(self) -> bool {
        matches!(self, Refusal::Full | Refusal::Short)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn() {
        let budget = Budget::default();
        assert_eq!(budget.max(), BUDGET);
        budget.set(100);
        assert_eq!((budget.take(10, 60), budget.take(50, 60), budget.take(1, 60)), (Some(60), None, Some(40)));
        assert_eq!((budget.take(1, 1), budget.take(0, 5)), (None, Some(0)));
        budget.give(30);
        budget.set(50);
        assert_eq!((budget.free(), budget.take(1, 9)), (0, None));
    }
}
