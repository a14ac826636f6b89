//! Locks and atomics for the whole crate, and the only file that names `parking_lot` or `loom`.
//!
//! Guarantees: every mutex carries a rank, and a debug build panics when a thread takes a lock whose rank is not
//! above all those it holds. Two locks of one rank (two slots, say) are therefore never held at once, and lock
//! cycles cannot form. [`assert_unlocked`] panics in a debug build when user code is about to run under a lock.

use std::ops::{Deref, DerefMut};

#[cfg(loom)]
pub use loom::sync::atomic;
#[cfg(not(loom))]
pub use std::sync::atomic;
pub use std::sync::Arc;

/// What each thread has of its own; the threads of a model are one of the system's, so they have loom's.
#[cfg(loom)]
pub use loom::thread_local;
#[cfg(not(loom))]
pub use std::thread_local;

#[cfg(loom)]
use loom::sync as imp;
#[cfg(not(any(loom, miri)))]
use parking_lot as imp;
// Miri refuses what parking_lot hands to the system call that it waits with.
#[cfg(all(miri, not(loom)))]
use std::sync as imp;

/// Ranks, outermost first: a thread may only take a lock of a higher rank than those it holds.
pub mod rank {
    pub const ENGINE: u8 = 10;
    pub const REGISTRY: u8 = 20;
    pub const TOPICS: u8 = 21;
    pub const GROUPS: u8 = 22;
    pub const PRESENCE: u8 = 23;
    pub const QUEUE: u8 = 24;
    pub const LINKS: u8 = 25;
    pub const NOTIFY: u8 = 30;
    pub const LEASE: u8 = 40;
    pub const SLOT: u8 = 41;
    pub const TIMERS: u8 = 44;
    pub const RECORD: u8 = 45;
    pub const LOOP: u8 = 50;
    pub const TABLE: u8 = 55;
    pub const CLOCK: u8 = 58;
    pub const LEAF: u8 = 60;
}

/// A mutex with a rank (see [`rank`]). Not poisoned by a panic: what it guards is kept consistent by its owner.
#[derive(Debug)]
pub struct Mutex<T, const RANK: u8> {
    inner: imp::Mutex<T>,
}

/// Access to what a [`Mutex`] guards; unlocks when dropped.
pub struct Guard<'a, T, const RANK: u8> {
    inner: imp::MutexGuard<'a, T>,
    _rank: Held<RANK>,
}

impl<T, const RANK: u8> Mutex<T, RANK> {
    #[cfg(not(loom))]
    pub const fn new(value: T) -> Self {
        Mutex { inner: imp::Mutex::new(value) }
    }
    #[cfg(loom)]
    pub fn new(value: T) -> Self {
        Mutex { inner: imp::Mutex::new(value) }
    }

    /// Takes the lock, waiting for it. Panics in a debug build when the rank is out of order.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T, RANK> {
        let _rank = Held::<RANK>::take();
        #[cfg(not(any(loom, miri)))]
        let inner = self.inner.lock();
        #[cfg(any(loom, miri))]
        let inner = self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Guard { inner, _rank }
    }
}

impl<T: Default, const RANK: u8> Default for Mutex<T, RANK> {
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T, const RANK: u8> Deref for Guard<'_, T, RANK> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T, const RANK: u8> DerefMut for Guard<'_, T, RANK> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// The condition variable under loom's parker; elsewhere threads wait in a futex of their own.
#[cfg(loom)]
#[derive(Debug)]
pub struct Condvar {
    inner: imp::Condvar,
}

#[cfg(loom)]
impl Condvar {
    pub fn new() -> Self {
        Condvar { inner: imp::Condvar::new() }
    }

    pub fn notify_all(&self) {
        self.inner.notify_all();
    }

    /// Waits until notified; the rank stays held, as the lock is again when this returns.
    pub fn wait<'a, T, const RANK: u8>(&self, guard: Guard<'a, T, RANK>) -> Guard<'a, T, RANK> {
        let Guard { inner, _rank } = guard;
        Guard { inner: self.inner.wait(inner).unwrap(), _rank }
    }
}

/// Runs a model under loom, once for every interleaving of its threads with at most so many preemptions
/// (`LOOM_MAX_PREEMPTIONS`, else 2). Says how many there were; a model of one interleaving would prove nothing.
#[cfg(all(test, loom))]
pub fn explore(model: impl Fn() + Send + Sync + 'static) {
    let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    let count = runs.clone();
    builder.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    let runs = runs.load(std::sync::atomic::Ordering::Relaxed);
    eprintln!("{}: {runs} interleavings", std::thread::current().name().unwrap_or("model"));
    assert!(runs > 1, "the threads of this model never meet");
}

/// The threads of a model.
#[cfg(all(test, loom))]
pub use loom::thread;

/// Proof that a rank is held; a debug build keeps the ranks of each thread as a bit set.
struct Held<const RANK: u8>;

#[cfg(all(debug_assertions, not(loom)))]
thread_local! {
    static HELD: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(all(debug_assertions, not(loom)))]
impl<const RANK: u8> Held<RANK> {
    fn take() -> Self {
        HELD.with(|held| {
            let ranks = held.get();
            assert!(
                ranks >> RANK == 0,
                "lock of rank {RANK} taken while holding rank {}: take the lower rank first",
                63 - ranks.leading_zeros()
            );
            held.set(ranks | 1 << RANK);
        });
        Held
    }
}

#[cfg(all(debug_assertions, not(loom)))]
impl<const RANK: u8> Drop for Held<RANK> {
    fn drop(&mut self) {
        // A thread whose locals are gone holds no ranks any more.
        let _ = HELD.try_with(|held| held.set(held.get() & !(1 << RANK)));
    }
}

#[cfg(not(all(debug_assertions, not(loom))))]
impl<const RANK: u8> Held<RANK> {
    #[inline(always)]
    fn take() -> Self {
        Held
    }
}

/// Panics in a debug build when this thread holds any lock of the engine: `what` (a handler, a release function)
/// is the user's code and may call anything back.
#[inline]
pub fn assert_unlocked(what: &str) {
    #[cfg(all(debug_assertions, not(loom)))]
    HELD.with(|held| {
        assert!(held.get() == 0, "{what} would run under an engine lock (ranks {:#b})", held.get());
    });
    let _ = what;
}

/// For a loop that waits for another thread to leave a few instructions.
#[inline]
pub fn pause() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}

/// For a loop that looks again after a while.
pub fn nap(time: std::time::Duration) {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::sleep(time);
    let _ = time;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ranks_may_rise() {
        let outer = Mutex::<u8, 1>::new(1);
        let inner = Mutex::<u8, 2>::new(2);
        let (a, b) = (outer.lock(), inner.lock());
        assert_eq!(*a + *b, 3);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "lock of rank 1 taken while holding rank 2")]
    fn a_rank_out_of_order_panics() {
        let outer = Mutex::<u8, 1>::new(1);
        let inner = Mutex::<u8, 2>::new(2);
        let _b = inner.lock();
        let _a = outer.lock();
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "lock of rank 41")]
    fn two_slots_at_once_panic() {
        let one = Mutex::<u8, { rank::SLOT }>::new(1);
        let two = Mutex::<u8, { rank::SLOT }>::new(2);
        let _a = one.lock();
        let _b = two.lock();
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a handler would run under an engine lock")]
    fn user_code_under_a_lock_panics() {
        let slot = Mutex::<u8, { rank::SLOT }>::new(1);
        let _a = slot.lock();
        assert_unlocked("a handler");
    }
}
