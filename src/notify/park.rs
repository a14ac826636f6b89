//! A thread's place to sleep.
//!
//! Guarantees: [`Parker::unpark`] before, during or after [`Parker::park`] is never lost, and may be called in a signal
//! handler.

use super::round::Round;
use crate::sync::{rank, Arc, Mutex};

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Somebody unparked this thread.
    Notified,
    /// The time given has passed.
    TimedOut,
    /// A signal handler ran and the wait was interruptible.
    Interrupted,
}

#[cfg(not(loom))]
pub use real::Parker;

use crate::sync::atomic::{AtomicU32, Ordering::*};

const EMPTY: u32 = 0;
const PARKED: u32 = 1;
const NOTIFIED: u32 = 2;

/// What a sleeping thread is given by the one that wakes it, until it has taken it: the round.
#[derive(Debug)]
pub(crate) struct Given<T>(Mutex<Option<T>, { rank::LEAF }>);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Given(Mutex::new(None))
    }
}

impl<T> Given<T> {
    /// Notifies; a thread that sleeps, and has to be woken then, is given this.
    pub fn notify_with(&self, word: &Word, what: impl FnOnce() -> T) -> bool {
        // Under the lock, so that the thread, when it sees that it was notified, finds it.
        let mut place = self.0.lock();
        let sleeps = word.notify();
        if sleeps {
            *place = Some(what());
        }
        sleeps
    }

    /// For the thread, once it was notified.
    pub fn take(&self) -> Option<T> {
        self.0.lock().take()
    }
}

/// The state of a parker: EMPTY -> PARKED by its thread, -> NOTIFIED by anyone, -> EMPTY by its thread.
#[derive(Debug, Default)]
pub(crate) struct Word(AtomicU32);

impl Word {
    /// Forgets a notification, true when there was one; what was written before it was given is seen from here on. A
    /// store would not do: its thread could look for what it waits for before the store is seen, and the notification
    /// that comes in between would be lost.
    pub fn forget(&self) -> bool {
        self.0.swap(EMPTY, AcqRel) == NOTIFIED
    }

    /// From now on its thread sleeps; false when it was notified, which is then over.
    pub fn begin(&self) -> bool {
        let begun = self.0.compare_exchange(EMPTY, PARKED, AcqRel, Acquire).is_ok();
        if !begun {
            self.forget();
        }
        begun
    }

    /// True when its thread sleeps, and has to be woken.
    pub fn notify(&self) -> bool {
        self.0.swap(NOTIFIED, AcqRel) == PARKED
    }

    pub fn is_notified(&self) -> bool {
        self.0.load(Acquire) == NOTIFIED
    }
}

#[cfg(not(loom))]
mod real {
    use super::super::fork::generation;
    use super::super::{last_errno, now};
    use super::*;
    use std::cell::RefCell;

    /// An hour in nanoseconds.
    const LONG: i64 = 3_600_000_000_000;

    /// One thread's place to sleep.
    #[derive(Debug, Default)]
    pub struct Parker {
        state: Word,
        round: Given<Arc<Round>>,
    }

    thread_local! {
        /// With the process that it is of.
        static CURRENT: RefCell<(u32, Arc<Parker>)> = RefCell::new((generation(), Arc::default()));
    }

    impl Parker {
        /// This thread's parker. The child of a fork has another one: a thread of its parent may have been waking this one.
        pub fn current() -> Arc<Parker> {
            let own = |current: &RefCell<(u32, Arc<Parker>)>| {
                let mut current = current.borrow_mut();
                if current.0 != generation() {
                    *current = (generation(), Arc::default());
                }
                current.1.clone()
            };
            CURRENT.try_with(own).unwrap_or_default()
        }

        /// Forgets a notification left over from an earlier wait. Call it before telling anyone about the new one.
        pub fn reset(&self) {
            self.state.forget();
        }

        /// Waits until unparked, for at most `limit` nanoseconds (`i64::MAX`: no limit). Woken in a round, it wakes
        /// another.
        pub fn park(&self, limit: i64, interruptible: bool) -> Wake {
            let wake = self.sleep(limit, interruptible);
            if wake == Wake::Notified {
                if let Some(round) = self.round.take() {
                    round.wake_next();
                }
            }
            wake
        }

        fn sleep(&self, limit: i64, interruptible: bool) -> Wake {
            if !self.state.begin() {
                return Wake::Notified;
            }
            let start = now();
            loop {
                let left = match limit {
                    // A wait without a time limit would be restarted by the kernel after a handler with SA_RESTART.
                    i64::MAX if interruptible => Some(LONG),
                    i64::MAX => None,
                    _ => Some(limit.saturating_sub(now() - start)),
                };
                let outcome = match left {
                    Some(left) if left <= 0 => Some(Wake::TimedOut),
                    _ => match futex_wait(&self.state.0, PARKED, left) {
                        libc::EINTR if interruptible => Some(Wake::Interrupted),
                        _ => None,
                    },
                };
                if self.state.is_notified() {
                    self.state.forget();
                    return Wake::Notified;
                }
                if let Some(outcome) = outcome {
                    // A notification that comes in just now wins.
                    return if self.state.forget() { Wake::Notified } else { outcome };
                }
            }
        }

        /// Ends the current or the next wait.
        pub fn unpark(&self) {
            if self.state.notify() {
                futex_wake(&self.state.0);
            }
        }

        /// As [`unpark`](Self::unpark), and the thread, if it sleeps, helps to wake the others. Not for signal handlers.
        pub(in super::super) fn unpark_in(&self, round: &Arc<Round>) {
            if self.round.notify_with(&self.state, || round.clone()) {
                futex_wake(&self.state.0);
            }
        }

        /// True while its thread sleeps and nobody has woken it.
        pub fn is_parked(&self) -> bool {
            self.state.0.load(Acquire) == PARKED
        }
    }

    #[cfg(target_os = "linux")]
    fn futex_wait(word: &AtomicU32, expected: u32, left: Option<i64>) -> i32 {
        let limit = left.map(|ns| libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as _,
        });
        let limit = limit.as_ref().map_or(std::ptr::null(), |limit| limit as *const libc::timespec);
        // SAFETY: `word` is a live, aligned u32 and `limit` is null or points to a timespec that outlives the call.
        let result = unsafe {
            libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, expected, limit)
        };
        if result == 0 {
            0
        } else {
            last_errno()
        }
    }

    #[cfg(target_os = "linux")]
    fn futex_wake(word: &AtomicU32) {
        // SAFETY: waking takes only the address of a live word.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
    }
}

/// Under loom a parker is a mutex and a condition variable, with the same transitions; time does not pass.
#[cfg(loom)]
#[derive(Debug)]
pub struct Parker {
    /// Notified, and in which round.
    notified: Mutex<(bool, Option<Arc<Round>>), { rank::LEAF }>,
    changed: crate::sync::Condvar,
}

#[cfg(loom)]
impl Default for Parker {
    fn default() -> Self {
        Parker { notified: Mutex::new((false, None)), changed: crate::sync::Condvar::new() }
    }
}

#[cfg(loom)]
impl Parker {
    pub fn current() -> Arc<Parker> {
        Arc::new(Parker::default())
    }
    pub fn reset(&self) {
        self.notified.lock().0 = false;
    }
    pub fn park(&self, _limit: i64, _interruptible: bool) -> Wake {
        let mut notified = self.notified.lock();
        while !notified.0 {
            notified = self.changed.wait(notified);
        }
        let (_, round) = std::mem::take(&mut *notified);
        drop(notified);
        if let Some(round) = round {
            round.wake_next();
        }
        Wake::Notified
    }
    pub fn unpark(&self) {
        self.notified.lock().0 = true;
        self.changed.notify_all();
    }
    pub(super) fn unpark_in(&self, round: &Arc<Round>) {
        *self.notified.lock() = (true, Some(round.clone()));
        self.changed.notify_all();
    }
    pub fn is_parked(&self) -> bool {
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn an_unpark_before_the_park_counts() {
        let parker = Parker::current();
        parker.reset();
        parker.unpark();
        assert_eq!(parker.park(i64::MAX, false), Wake::Notified);
        assert_eq!(parker.park(1_000_000, false), Wake::TimedOut);
    }

    #[test]
    fn an_unpark_from_another_thread_wakes() {
        let parker = Parker::current();
        parker.reset();
        let other = parker.clone();
        let start = Instant::now();
        let thread = std::thread::spawn(move || {
            while !other.is_parked() {
                std::thread::yield_now();
            }
            other.unpark();
        });
        assert_eq!(parker.park(10_000_000_000, false), Wake::Notified);
        assert!(start.elapsed() < Duration::from_secs(10));
        thread.join().unwrap();
    }
}
