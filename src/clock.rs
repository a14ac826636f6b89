//! Time: a real clock, or a virtual one that a test moves by hand. All waiting and expiry goes through here.
//!
//! Guarantees: on a virtual clock nothing expires until somebody moves it, and moving it wakes exactly those whose
//! deadline has come, in the order of the deadlines; `parked` counts the threads that sleep and were not woken yet.

use crate::notify::{self, Parker, Wake};
use crate::sync::atomic::{AtomicI64, Ordering::*};
use crate::sync::{rank, Arc, Mutex};

/// A wait without limit.
pub const FOREVER: i64 = i64::MAX;

/// Nanoseconds since some fixed point, and waiting for them to pass.
#[derive(Debug)]
pub enum Clock {
    /// The system's monotonic clock.
    Real,
    /// Moved by hand.
    Virtual(Hand),
}

/// The state of a virtual clock.
#[derive(Debug)]
pub struct Hand {
    now: AtomicI64,
    parked: Mutex<Vec<(i64, Arc<Parker>)>, { rank::CLOCK }>,
}

impl Clock {
    /// A virtual clock that starts at an hour, so that a time of zero stands out.
    pub fn by_hand() -> Clock {
        Clock::Virtual(Hand { now: AtomicI64::new(3_600_000_000_000), parked: Mutex::new(Vec::new()) })
    }

    #[inline]
    pub fn now(&self) -> i64 {
        match self {
            Clock::Real => notify::now(),
            Clock::Virtual(hand) => hand.now.load(Acquire),
        }
    }

    pub fn is_real(&self) -> bool {
        matches!(self, Clock::Real)
    }

    /// The time `timeout` nanoseconds from now; [`FOREVER`] stays so.
    pub fn deadline(&self, timeout: i64) -> i64 {
        if timeout == FOREVER {
            FOREVER
        } else {
            self.now().saturating_add(timeout.max(0))
        }
    }

    /// Parks this thread until it is unparked or the deadline has come. Spurious wake-ups count as `Notified`.
    pub fn wait(&self, parker: &Arc<Parker>, deadline: i64, interruptible: bool) -> Wake {
        self.wait_at_most(parker, deadline, interruptible, FOREVER)
    }

    /// As [`wait`](Self::wait), for no more than `most` nanoseconds of real time.
    pub fn wait_at_most(&self, parker: &Arc<Parker>, deadline: i64, interruptible: bool, most: i64) -> Wake {
        match self {
            Clock::Real => {
                let limit = if deadline == FOREVER { FOREVER } else { deadline.saturating_sub(notify::now()) };
                parker.park(limit.min(most), interruptible)
            }
            Clock::Virtual(hand) => hand.wait(parker, deadline, interruptible, most),
        }
    }
}

impl Hand {
    fn wait(&self, parker: &Arc<Parker>, deadline: i64, interruptible: bool, most: i64) -> Wake {
        {
            let mut parked = self.parked.lock();
            if self.now.load(Acquire) >= deadline {
                return Wake::TimedOut;
            }
            parked.push((deadline, parker.clone()));
        }
        let wake = parker.park(most, interruptible);
        let mut parked = self.parked.lock();
        if let Some(at) = parked.iter().position(|(_, other)| Arc::ptr_eq(other, parker)) {
            parked.swap_remove(at);
        }
        wake
    }

    /// The earliest deadline that somebody waits for.
    pub fn next_deadline(&self) -> i64 {
        self.parked
            .lock()
            .iter()
            .map(|(deadline, _)| *deadline)
            .filter(|at| *at > self.now.load(Acquire))
            .min()
            .unwrap_or(FOREVER)
    }

    /// Moves the time to `time`, never back. [`wake_due`](Self::wake_due) follows, once timers have fired.
    pub fn set(&self, time: i64) {
        let _parked = self.parked.lock();
        self.now.fetch_max(time, AcqRel);
    }

    /// Wakes those whose deadline has come, in the order of the deadlines.
    pub fn wake_due(&self) {
        let mut due: Vec<_> = {
            let parked = self.parked.lock();
            let now = self.now.load(Acquire);
            parked.iter().filter(|(deadline, _)| *deadline <= now).cloned().collect()
        };
        due.sort_by_key(|(deadline, _)| *deadline);
        for (_, parker) in due {
            parker.unpark();
        }
    }

    /// How many threads sleep on this clock and were not woken yet.
    pub fn parked(&self) -> usize {
        self.parked.lock().iter().filter(|(_, parker)| parker.is_parked()).count()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_wait_ends_when_its_time_comes_and_not_before() {
        let clock = Arc::new(Clock::by_hand());
        let start = clock.now();
        let deadline = clock.deadline(50);
        let other = clock.clone();
        let thread = std::thread::spawn(move || {
            let parker = Parker::current();
            while other.now() < deadline {
                parker.reset();
                other.wait(&parker, deadline, false);
            }
            other.now()
        });
        let Clock::Virtual(hand) = &*clock else { unreachable!() };
        while hand.parked() == 0 {
            std::thread::yield_now();
        }
        let step_to = |time| {
            hand.set(time);
            hand.wake_due();
        };
        step_to(start + 49);
        assert_eq!(hand.parked(), 1);
        assert_eq!(hand.next_deadline(), start + 50);
        step_to(start + 50);
        assert_eq!(thread.join().unwrap(), start + 50);
        step_to(start);
        assert_eq!(clock.now(), start + 50);
    }

    #[test]
    fn forever_stays_forever() {
        assert_eq!(Clock::Real.deadline(FOREVER), FOREVER);
        assert_eq!(Clock::Real.deadline(FOREVER - 1), FOREVER);
    }
}
