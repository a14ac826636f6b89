//! Spinning before parking: waking a parked thread on another core costs 20 to 40 microseconds on virtual machines.
//!
//! Guarantees: nobody spins longer than about the price of a wake-up; but for the first microsecond or two at most
//! cores - 1 threads of the process spin at once, and nobody does on one core. In between a thread gives way once, for
//! the other to run that may share its core: that costs less than being woken. Where all this was in vain a few times it
//! is left off, until a wait is found that it would have met. A batch receive that caught a stream of single messages
//! lets the next ones gather for up to about two microseconds, so that sender and receiver do not fight over one cache
//! line; it stops doing so as soon as nothing is gained, so a lone request is not held up.

use super::Slot;
use crate::notify::fork::PerProcess;
use crate::notify::Wake;
use crate::sync::atomic::Ordering::*;
use std::sync::atomic::{AtomicBool, AtomicU8};

/// Nanoseconds.
const LONGEST: i64 = 15_000;
/// A wait of less, two wake-ups in a row with time to spare, is one that spinning might have met. Nanoseconds.
const SHORT: i64 = 60_000;
/// How often spinning may fail more often than it succeeds before it is left off.
const HOPE: u8 = 4;
/// In units of [`pause`].
const LONGEST_PACE: u8 = 32;
const SELDOM: u32 = 16;
/// How often a thread looks within a first microsecond, for what is under way already.
const LOOKS: u32 = 48;
/// As often for an answer: that is two hand-overs away.
const LOOKS_FOR_ANSWER: u32 = 2 * LOOKS;
/// How many places it looks at.
const PLACES: usize = 8;

/// The places for threads that spin. Those of a parent do not count in the child of a fork.
struct Spinners {
    places: Box<[Place]>,
}

/// Taken while a thread spins there. Alone in its cache line, so that leaving it is a store that nobody waits for.
#[derive(Default)]
#[repr(align(64))]
struct Place(AtomicBool);

fn spinners() -> &'static Spinners {
    static SPINNERS: PerProcess<Spinners> = PerProcess::new();
    SPINNERS.get(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Spinners { places: (1..cores).map(|_| Place::default()).collect() }
    })
}

impl Spinners {
    /// A free place, beginning to look at number `near`.
    fn take(&self, near: u32) -> Option<&Place> {
        let count = self.places.len();
        let mut places = (0..count.min(PLACES)).map(|step| &self.places[(near as usize + step) % count]);
        places.find(|place| !place.0.load(Relaxed) && !place.0.swap(true, Acquire))
    }
}

/// Spins until `done`, for at most [`LONGEST`]; false when it was not, or when this thread may not spin. It is done
/// `looks` times in about a microsecond.
fn spin(near: u32, looks: u32, done: impl Fn() -> bool) -> bool {
    if cfg!(loom) {
        return false;
    }
    let spinners = spinners();
    let several = !spinners.places.is_empty();
    if several && spin_briefly(looks, &done) {
        return true;
    }
    std::thread::yield_now();
    if done() {
        return true;
    }
    let Some(place) = spinners.take(near) else { return false };
    let until = crate::notify::now() + LONGEST;
    let is_done = loop {
        if spin_briefly(looks, &done) {
            break true;
        }
        if crate::notify::now() >= until {
            break false;
        }
    };
    place.0.store(false, Release);
    is_done
}

#[inline]
fn spin_briefly(looks: u32, done: impl Fn() -> bool) -> bool {
    (0..looks).any(|_| {
        let is_done = done();
        if !is_done {
            std::hint::spin_loop();
        }
        is_done
    })
}

/// About fifty nanoseconds.
fn pause() {
    (0..2).for_each(|_| std::hint::spin_loop());
}

/// How often spinning for one thing may still fail before it is left off.
#[derive(Debug, Default)]
pub(super) struct Hope(AtomicU8);

impl Hope {
    /// Of a mailbox that is new.
    pub fn begin(&self) {
        self.0.store(HOPE, Relaxed);
    }

    /// [Spins](spin), unless that is left off.
    fn spin(&self, near: u32, looks: u32, done: impl Fn() -> bool) -> bool {
        let hope = self.0.load(Relaxed);
        if hope == 0 {
            return false;
        }
        let came = spin(near, looks, done);
        self.0.store(if came { HOPE.min(hope + 1) } else { hope - 1 }, Relaxed);
        came
    }

    /// Waits by `wait`; when spinning is left off, looks whether it would have pleased.
    fn watch(&self, wait: impl FnOnce() -> Wake) -> Wake {
        if cfg!(loom) || self.0.load(Relaxed) > 0 {
            return wait();
        }
        let begun = crate::notify::now();
        let wake = wait();
        if wake == Wake::Notified && crate::notify::now() - begun < SHORT {
            self.0.store(HOPE / 2, Relaxed);
        }
        wake
    }
}

impl Slot {
    /// Spins until something newer than `seen` has come in.
    pub(super) fn spin_for_arrival(&self, seen: u32) -> bool {
        self.receiving.hope.spin(self.near(), LOOKS, || self.arrived.load(Acquire) != seen)
    }

    /// Parks by `park` until something has come in, and learns from how long that took.
    pub(super) fn watching_time(&self, park: impl FnOnce() -> Wake) -> Wake {
        self.receiving.hope.watch(park)
    }

    /// Spins until `is_there`, the answer of a request to this mailbox.
    pub fn spin_for_answer(&self, is_there: impl Fn() -> bool) -> bool {
        self.receiving.answers.spin(self.near(), LOOKS_FOR_ANSWER, is_there)
    }

    /// Parks by `park` until the answer is there, and learns from how long that took.
    pub fn watching_answer(&self, park: impl FnOnce() -> Wake) -> Wake {
        self.receiving.answers.watch(park)
    }

    /// Spins until `enough` messages have left the queue, and tells whether any has. It looks seldom, because each look
    /// takes the receiver's cache line away from it, and waits for several, because a sender that takes each single
    /// place up would fill the queue again at once.
    pub(super) fn spin_for_room(&self, enough: u64) -> bool {
        let seen = self.receiving.consumed.load(Acquire);
        let left = || self.receiving.consumed.load(Acquire).saturating_sub(seen);
        spin(self.near(), LOOKS / SELDOM, || {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Opening, Store};
    use super::*;

    #[test]
    fn what_is_in_vain_is_left_off_until_a_short_wait_is_met() {
        let store = Store::default();
        let slot = store.slot(store.open(Opening::default(), || true).unwrap()).unwrap();
        let hope = || slot.receiving.hope.0.load(Relaxed);
        let seen = slot.arrived.load(Acquire);
        for left in (0..HOPE).rev() {
            assert!(!slot.spin_for_arrival(seen));
            assert_eq!(hope(), left);
        }
        assert!(!slot.spin_for_arrival(seen.wrapping_sub(1)), "left off");
        for wake in [Wake::TimedOut, Wake::Interrupted] {
            assert_eq!(slot.watching_time(|| wake), wake);
            assert_eq!(hope(), 0);
        }
        let long = || {
            std::thread::sleep(std::time::Duration::from_nanos(SHORT as u64));
            Wake::Notified
        };
        slot.watching_time(long);
        assert_eq!(hope(), 0);
        // A busy machine may make this wait a long one.
        while hope() == 0 {
            slot.watching_time(|| Wake::Notified);
        }
        assert!(slot.spin_for_arrival(seen.wrapping_sub(1)));
        assert_eq!(hope(), HOPE / 2 + 1);
    }

    #[test]
    fn what_is_learnt_of_answers_is_not_of_messages() {
        let store = Store::default();
        let slot = store.slot(store.open(Opening::default(), || true).unwrap()).unwrap();
        let looks = std::cell::Cell::new(0);
        let never = || {
            looks.set(looks.get() + 1);
            false
        };
        (0..HOPE).for_each(|_| assert!(!slot.spin_for_answer(never)));
        let before = looks.replace(0);
        assert!(before > 0 && !slot.spin_for_answer(never));
        assert_eq!(looks.get(), 0, "left off");
        assert!(slot.spin_for_arrival(slot.arrived.load(Acquire).wrapping_sub(1)), "a message is spun for still");
        while slot.receiving.answers.0.load(Relaxed) == 0 {
            slot.watching_answer(|| Wake::Notified);
        }
        assert!(slot.spin_for_answer(|| true));
    }

    #[test]
    fn no_more_threads_spin_than_there_are_places() {
        let spinners = Spinners { places: (0..3).map(|_| Place::default()).collect() };
        let taken: Vec<_> = (0..3).map(|_| spinners.take(7).unwrap()).collect();
        assert!(spinners.take(7).is_none());
        taken[1].0.store(false, Release);
        assert!(std::ptr::eq(spinners.take(2).unwrap(), taken[1]));
        assert!(Spinners { places: Box::default() }.take(0).is_none());
    }
}
