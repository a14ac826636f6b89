//! The events of one thread: a ring that its thread alone writes and anyone may read meanwhile.
//!
//! Guarantees: writing is a few stores, never waits and never fails; a reader gets whole events only, in their order:
//! one that was being overwritten while it was read is left out.
//!
//! Invariants: `begun` is raised before an event's words are written and `done` after, so an event that `begun` has
//! not come round to again was read whole. The last event alone may still change, by its one word `what`: it counts
//! repeats.

use super::EVENTS;
use crate::sync::atomic::{fence, AtomicU64, Ordering::*};

/// Bits of `what`: the event, how often it happened again, flags, the amount.
const EVENT: u64 = 0xFF;
const AGAIN: u64 = 1 << 8;
/// It happened [`RUN`] times, so that the next is one of its own. The last repeat carries into this bit.
const FULL: u64 = 1 << 12;
/// Something that took time has happened since.
const CLOSED: u64 = 1 << 13;
/// Its time is that of the event before it.
const BORROWED: u64 = 1 << 14;
const AMOUNT: u32 = 16;
/// Repeats that one entry stands for, besides the first.
#[cfg(test)]
pub const RUN: u64 = FULL / AGAIN;
/// Of busy threads one event in so many looks at the clock.
const LOOK: u64 = 8;

/// One entry: time stamp, `what`, the id it happened to, another id that had part in it.
type Entry = [AtomicU64; 4];

/// See the file's comment.
pub struct Ring {
    begun: AtomicU64,
    done: AtomicU64,
    entries: Box<[Entry; EVENTS]>,
}

/// An event as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its number among the events of the ring.
    pub number: u64,
    pub stamp: u64,
    /// At this time or a little later: the thread was too busy to look.
    pub about: bool,
    pub event: u8,
    /// How often it happened, and the sum of the amounts.
    pub times: u64,
    pub amount: i64,
    pub id: u64,
    pub other: u64,
}

impl Default for Ring {
    fn default() -> Self {
        let entries: Box<[Entry]> = (0..EVENTS).map(|_| Entry::default()).collect();
        let entries = entries.try_into().expect("as many entries as that");
        Ring { begun: AtomicU64::new(0), done: AtomicU64::new(0), entries }
    }
}

fn packed(event: u8, amount: i64) -> u64 {
    const MOST: i64 = 1 << 42;
    event as u64 | (amount.clamp(-MOST, MOST) as u64) << AMOUNT
}

impl Ring {
    #[inline]
    fn entry(&self, number: u64) -> &Entry {
        &self.entries[number as usize % EVENTS]
    }

    /// How many events were written.
    #[cfg(not(loom))]
    pub fn count(&self) -> u64 {
        self.done.load(Acquire)
    }

    /// Writes an event. For the ring's thread only, as are the next two.
    #[inline]
    pub fn write(&self, event: u8, id: u64, other: u64, amount: i64, stamp: u64) {
        self.put(packed(event, amount), id, other, stamp);
    }

    /// Writes an event that happens all the time: to the same ids again it is counted with the one before.
    #[inline]
    pub fn write_often(&self, event: u8, id: u64, other: u64, amount: i64, now: impl FnOnce() -> u64) {
        let done = self.done.load(Relaxed);
        let [stamp, what, last_id, last_other] = self.entry(done.wrapping_sub(1));
        let was = what.load(Relaxed);
        let open = was & (CLOSED | FULL) == 0;
        if open && was & EVENT == event as u64 && last_id.load(Relaxed) == id && last_other.load(Relaxed) == other {
            what.store(was.wrapping_add(packed(0, amount)).wrapping_add(AGAIN), Relaxed);
        } else if was & CLOSED == 0 && done % LOOK != 0 {
            self.put(packed(event, amount) | BORROWED, id, other, stamp.load(Relaxed));
        } else {
            self.put(packed(event, amount), id, other, now());
        }
    }

    /// The next event is a new one and looks at the clock.
    #[cfg(not(loom))]
    pub fn close(&self) {
        let what = &self.entry(self.done.load(Relaxed).wrapping_sub(1))[1];
        what.store(what.load(Relaxed) | CLOSED, Relaxed);
    }

    #[inline]
    fn put(&self, what: u64, id: u64, other: u64, stamp: u64) {
        let done = self.done.load(Relaxed);
        self.begun.store(done + 1, Relaxed);
        fence(Release);
        let entry = self.entry(done);
        for (word, value) in entry.iter().zip([stamp, what, id, other]) {
            word.store(value, Relaxed);
        }
        self.done.store(done + 1, Release);
    }

    /// The events that are there, from the oldest on.
    pub fn read(&self) -> Vec<Read> {
        let done = self.done.load(Acquire);
        let first = done.saturating_sub(EVENTS as u64);
        let copies: Vec<[u64; 4]> = (first..done)
            .map(|number| [0, 1, 2, 3].map(|word: usize| self.entry(number)[word].load(Relaxed)))
            .collect();
        fence(Acquire);
        let begun = self.begun.load(Relaxed);
        let whole = (first..done).zip(copies).filter(|(number, _)| number + EVENTS as u64 >= begun);
        whole.map(|(number, words)| unpack(number, words)).collect()
    }
}

fn unpack(number: u64, [stamp, what, id, other]: [u64; 4]) -> Read {
    Read {
        number,
        stamp,
        about: what & BORROWED != 0,
        event: (what & EVENT) as u8,
        times: 1 + (what & (2 * FULL - AGAIN)) / AGAIN,
        amount: what as i64 >> AMOUNT,
        id,
        other,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn brief(read: &Read) -> (u8, u64, i64) {
        (read.event, read.times, read.amount)
    }

    #[test]
    fn a_ring_keeps_the_last_events() {
        let ring = Ring::default();
        for at in 0..EVENTS as u64 + 5 {
            ring.write(1, at, 0, -(at as i64), at);
        }
        let read = ring.read();
        assert_eq!(read.len(), EVENTS);
        for (at, read) in read.iter().enumerate() {
            let number = at as u64 + 5;
            assert_eq!((read.number, read.stamp, read.id, read.amount), (number, number, number, -(number as i64)));
            assert_eq!((read.event, read.times, read.about), (1, 1, false));
        }
    }

    #[test]
    fn repeats_are_counted_together() {
        let ring = Ring::default();
        let often = |event, id, amount| ring.write_often(event, id, 0, amount, || 7);
        for _ in 0..RUN + 3 {
            often(1, 5, 100);
        }
        often(1, 6, 1);
        ring.close();
        often(1, 6, 2);
        ring.write(2, 6, 0, -3, 9);
        often(2, 6, 4);
        let briefs: Vec<_> = ring.read().iter().map(brief).collect();
        let expected = [(1, RUN + 1, 100 * (RUN as i64 + 1)), (1, 2, 200), (1, 1, 1), (1, 1, 2), (2, 2, 1)];
        assert_eq!(briefs, expected);
    }

    #[test]
    fn a_busy_thread_looks_at_the_clock_now_and_then() {
        let ring = Ring::default();
        let mut time = 0;
        for id in 0..2 * LOOK {
            ring.write_often(1, id, 0, 0, || {
                time += 1;
                time
            });
        }
        let stamps: Vec<_> = ring.read().iter().map(|read| (read.stamp, read.about)).collect();
        let look = |time| (0..LOOK).map(move |at| (time, at > 0));
        assert_eq!(stamps, look(1).chain(look(2)).collect::<Vec<_>>());
    }

    #[test]
    fn amounts_that_are_too_large_are_cut() {
        let ring = Ring::default();
        ring.write(1, 0, 0, i64::MAX, 0);
        ring.write(1, 0, 0, i64::MIN, 0);
        let amounts: Vec<_> = ring.read().iter().map(|read| read.amount).collect();
        assert_eq!(amounts, [1 << 42, -(1 << 42)]);
        for _ in 0..100 {
            ring.write_often(2, 0, 0, i64::MAX, || 0);
        }
        assert!(ring.read().iter().all(|read| read.event <= 2 && read.times <= RUN + 1));
    }
}
