//! Spinning before parking: waking a parked thread on another core costs 20 to 40 microseconds on virtual machines.
//!
//! Guarantees: nobody spins longer than about the price of a wake-up, at most cores - 1 threads of the process spin at
//! once, and nobody does on one core. A batch receive that caught a stream of single messages lets the next ones
//! gather for up to about two microseconds, so that sender and receiver do not fight over one cache line; it stops
//! doing so as soon as nothing is gained, so a lone request is not held up.

use super::Slot;
use crate::notify::fork::PerProcess;
use crate::sync::atomic::Ordering::*;
use std::sync::atomic::AtomicUsize;

/// Nanoseconds.
const LONGEST: i64 = 15_000;
/// In units of [`pause`].
const LONGEST_PACE: u8 = 32;
const SELDOM: u32 = 16;

/// What the spinning threads of a process share. Those of a parent do not count in the child of a fork.
struct Spinners {
    cores: usize,
    now: AtomicUsize,
}

fn spinners() -> &'static Spinners {
    static SPINNERS: PerProcess<Spinners> = PerProcess::new();
    SPINNERS.get(|| Spinners {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        now: AtomicUsize::new(0),
    })
}

/// Spins until `done`, for at most [`LONGEST`]; false when it was not, or when this thread may not spin.
fn spin(done: impl Fn() -> bool) -> bool {
    let spinners = spinners();
    if cfg!(loom) || spinners.cores < 2 {
        return false;
    }
    if spinners.now.fetch_add(1, AcqRel) + 1 >= spinners.cores {
        spinners.now.fetch_sub(1, AcqRel);
        return false;
    }
    let until = crate::notify::now() + LONGEST;
    let mut is_done = false;
    while !is_done && crate::notify::now() < until {
        for _ in 0..32 {
            is_done = done();
            if is_done {
                break;
            }
            std::hint::spin_loop();
        }
    }
    spinners.now.fetch_sub(1, AcqRel);
    is_done
}

/// About fifty nanoseconds.
fn pause() {
    (0..2).for_each(|_| std::hint::spin_loop());
}

impl Slot {
    /// Spins until something newer than `seen` has come in.
    pub(super) fn spin_for_arrival(&self, seen: u32) -> bool {
        spin(|| self.arrived.load(Acquire) != seen)
    }

    /// Spins until `enough` messages have left the queue, and tells whether any has. It looks seldom, because each look
    /// takes the receiver's cache line away from it, and waits for several, because a sender that takes each single
    /// place up would fill the queue again at once.
    pub(super) fn spin_for_room(&self, enough: u64) -> bool {
        let seen = self.receiving.consumed.load(Acquire);
        let left = || self.receiving.consumed.load(Acquire).saturating_sub(seen);
        spin(|| {
            (0..SELDOM).for_each(|_| pause());
            left() >= enough
        }) || left() > 0
    }

    /// Lets messages gather, if that gained something lately.
    pub(super) fn gather(&self) {
        (0..self.receiving.pace.load(Relaxed)).for_each(|_| pause());
    }

    /// After a batch of `count` that was waited for: whether gathering longer would pay. Now and then it is tried.
    pub(super) fn set_pace(&self, count: u32) {
        let pace = self.receiving.pace.load(Relaxed);
        let next = match (pace, count) {
            (0, _) => u8::from(self.arrived.load(Relaxed) % 8 == 0),
            (_, 0..=2) => pace / 2,
            (_, 3..=48) => (pace * 2).min(LONGEST_PACE),
            _ => pace,
        };
        self.receiving.pace.store(next, Relaxed);
    }
}
