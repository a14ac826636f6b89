//! Wakes many threads: whoever is awake helps.
//!
//! Guarantees: each thread is unparked once, whoever does it; nobody waits for another to do its part, so a thread that
//! is held up delays at most the one it has just claimed.

use super::Parker;
use crate::sync::atomic::{AtomicUsize, Ordering::*};
use crate::sync::Arc;

/// So few are woken one after the other.
const FEW: usize = if cfg!(loom) { 1 } else { 3 };

/// Threads that are to be woken.
#[derive(Debug)]
pub(super) struct Round {
    parkers: Vec<Arc<Parker>>,
    /// Those before it are claimed.
    next: AtomicUsize,
}

/// Wakes them all. Of many, those that are awake already wake others: a wake-up costs who gives it several
/// microseconds when the core of the woken one sleeps, which it does not while there is one more to wake.
pub fn wake_all(parkers: Vec<Arc<Parker>>) {
    if parkers.len() <= FEW {
        return parkers.iter().for_each(|parker| parker.unpark());
    }
    let round = Arc::new(Round { parkers, next: AtomicUsize::new(0) });
    while round.wake_next() {}
}

impl Round {
    /// Wakes one that nobody has claimed; false when there is none.
    pub fn wake_next(self: &Arc<Self>) -> bool {
        let claimed = self.parkers.get(self.next.fetch_add(1, Relaxed));
        claimed.map(|parker| parker.unpark_in(self)).is_some()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Wake;
    use super::*;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    #[test]
    fn all_are_woken_however_many() {
        let deadline = Instant::now() + Duration::from_secs(60);
        for many in [1, FEW, FEW + 1, if cfg!(miri) { 6 } else { 60 }] {
            let (told, parkers) = mpsc::channel();
            let sleep = |told: mpsc::Sender<Arc<Parker>>| {
                let parker = Parker::current();
                parker.reset();
                told.send(parker.clone()).unwrap();
                parker.park(60_000_000_000, false)
            };
            let sleepers: Vec<_> = (0..many)
                .map(|_| {
                    let told = told.clone();
                    std::thread::spawn(move || sleep(told))
                })
                .collect();
            let parkers: Vec<_> = parkers.iter().take(many).collect();
            // All but one, which is about to.
            while parkers.iter().filter(|parker| parker.is_parked()).count() + 1 < many {
                assert!(Instant::now() < deadline, "they sleep within a minute");
                std::thread::yield_now();
            }
            wake_all(parkers);
            assert!(sleepers.into_iter().all(|sleeper| sleeper.join().unwrap() == Wake::Notified));
        }
    }
}
