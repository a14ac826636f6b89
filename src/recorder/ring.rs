//! The events of one thread: a ring that its thread alone writes and anyone may read meanwhile.
//!
//! Guarantees: writing is a few stores, never waits and never fails; a reader gets whole events only, in their order,
//! each with the thread that wrote it: one that may have been overwritten while it was read is left out. A thread that
//! does little looks at the clock for each event; a busy one for each [`MOST`]th, and what comes between bears the time
//! of the last look, or is counted with the event before it if that was the same.
//!
//! Invariants: `done` is raised after an event's words are written, and no word of the next is written before that can
//! be seen, so an event that `done` has not come round to again was read whole. The last event alone may still change,
//! by its one word `what`: it counts repeats. Between two looks there are fewer than [`MOST`] events.

use crate::here::{Row, Rows, EVENTS, HEAD};
use crate::sync::atomic::{fence, AtomicU64, Ordering::*};

/// Bits of `what`: the event, how often it happened again, a flag, the amount.
const EVENT: u64 = 0xFF;
const AGAIN: u64 = 1 << 8;
/// Its time is that of the event before it.
const BORROWED: u64 = 1 << 15;
const TIMES: u64 = BORROWED - AGAIN;
const AMOUNT: u32 = 16;
#[cfg(not(loom))]
const AMOUNTS: u64 = !0 << AMOUNT;
/// The largest amount of which [`MOST`] can be summed up.
const SUMMABLE: u64 = 1 << 40;
/// Of busy threads one event in so many looks at the clock.
pub const MOST: u64 = if cfg!(loom) { 2 } else { 64 };
/// A thread is busy while its events are less than this apart.
#[cfg(not(loom))]
const BUSY: u64 = crate::notify::MICROSECOND;
#[cfg(loom)]
const BUSY: u64 = 1;
/// The event that says whose the events before it are: the thread's number is its amount, the name its ids.
const WAS: u8 = 0;
/// Tries to read a ring that is being handed over.
const TRIES: usize = 3;

/// A ring; see the file's comment. The first row of its head: how many events were written; how many there will be
/// before the next look at the clock, how many there were meant to be since the last, and its time, which are the ring's
/// thread's own. The second: how often the ring changed hands (odd meanwhile), its thread's number and process, its name.
/// Then the events: time stamp, `what`, the id it happened to, another id that had part in it.
#[derive(Clone, Copy)]
pub struct Ring<'a>(pub &'a Rows);

/// Whose a ring is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    pub number: u32,
    /// As [`crate::notify::fork::generation`] says.
    pub process: u32,
    pub name: [u64; 2],
}

/// An event as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Its number among the events of the ring.
    pub number: u64,
    pub stamp: u64,
    /// At this time or later: the thread was too busy to look.
    pub about: bool,
    pub event: u8,
    /// How often it happened, and the sum of the amounts.
    pub times: u64,
    pub amount: i64,
    pub id: u64,
    pub other: u64,
    /// Whose it is, if that is known.
    pub owner: Option<Owner>,
}

fn packed(event: u8, amount: i64) -> u64 {
    const LARGEST: i64 = i64::MAX >> AMOUNT;
    event as u64 | (amount.clamp(-LARGEST, LARGEST) as u64) << AMOUNT
}

impl<'a> Ring<'a> {
    /// Room for a ring.
    pub fn room() -> Box<Rows> {
        let rows: Box<[Row]> = (0..HEAD + EVENTS).map(|_| Row::default()).collect();
        rows.try_into().expect("as many rows as that")
    }

    #[inline]
    fn entry(self, number: u64) -> &'a [AtomicU64; 4] {
        &self.0[HEAD + number as usize % EVENTS].0
    }

    #[inline]
    fn head(self) -> &'a [AtomicU64; 4] {
        &self.0[0].0
    }

    /// Writes an event at its exact time. For the ring's thread only, as are the next five.
    pub fn write(self, event: u8, id: u64, other: u64, amount: i64, now: u64) {
        self.look(packed(event, amount), [id, other], now);
    }

    /// Writes an event that happens all the time: to the same ids again it is counted with the one before, and the
    /// amounts are summed up.
    #[inline(always)]
    pub fn sum_up(self, event: u8, id: u64, other: u64, amount: u64, now: impl FnOnce(Self) -> u64) {
        let amount = amount.min(SUMMABLE) << AMOUNT;
        self.often(event as u64 | amount, [id, other], EVENT, AGAIN + amount, now);
    }

    /// As [`sum_up`](Self::sum_up), where only an equal amount makes it the same.
    #[cfg(not(loom))]
    #[inline(always)]
    pub fn repeat(self, event: u8, id: u64, other: u64, amount: i64, now: impl FnOnce(Self) -> u64) {
        self.often(packed(event, amount), [id, other], EVENT | AMOUNTS, AGAIN, now);
    }

    /// Adds `again` to the event before this one, if the bits `same` of the two and their ids are.
    #[inline(always)]
    fn often(self, what: u64, ids: [u64; 2], same: u64, again: u64, now: impl FnOnce(Self) -> u64) {
        let [done, left, _, stamp] = self.head();
        let rest = left.load(Relaxed);
        if rest == 0 {
            return self.look_first(what, ids, now);
        }
        left.store(rest - 1, Relaxed);
        let last = self.entry(done.load(Relaxed).wrapping_sub(1));
        let was = last[1].load(Relaxed);
        let differ = (was ^ what) & same | last[2].load(Relaxed) ^ ids[0] | last[3].load(Relaxed) ^ ids[1];
        if differ == 0 {
            last[1].store(was.wrapping_add(again), Relaxed);
        } else {
            self.put(what | BORROWED, ids, stamp.load(Relaxed));
        }
    }

    #[cold]
    #[inline(never)]
    fn look_first(self, what: u64, ids: [u64; 2], now: impl FnOnce(Self) -> u64) {
        self.look(what, ids, now(self));
    }

    /// Writes an event whose time is now, and settles when to look next.
    fn look(self, what: u64, ids: [u64; 2], now: u64) {
        let [_, left, every, stamp] = self.head();
        let busy = now.wrapping_sub(stamp.load(Relaxed)) / BUSY < every.load(Relaxed);
        let next = if busy { (2 * every.load(Relaxed)).min(MOST) } else { 1 };
        every.store(next, Relaxed);
        left.store(next - 1, Relaxed);
        stamp.store(now, Relaxed);
        self.put(what, ids, now);
    }

    /// The next event looks at the clock.
    #[cfg(not(loom))]
    pub fn close(self) {
        self.head()[1].store(0, Relaxed);
    }

    #[inline(always)]
    fn put(self, what: u64, ids: [u64; 2], stamp: u64) {
        let done = &self.head()[0];
        let number = done.load(Relaxed);
        // Who sees a word of this event sees that the one before it is done.
        fence(Release);
        for (word, value) in self.entry(number).iter().zip([stamp, what, ids[0], ids[1]]) {
            word.store(value, Relaxed);
        }
        done.store(number + 1, Release);
    }

    /// Makes the ring another thread's; the events so far stay those of the one before.
    pub fn hand_over(self, owner: Owner, now: u64) {
        if self.head()[0].load(Relaxed) > 0 {
            let before = self.owner();
            self.look(packed(WAS, before.number as i64), before.name, now);
        }
        let [changes, who, name @ ..] = &self.0[1].0;
        let change = changes.load(Relaxed);
        changes.store(change + 1, Relaxed);
        fence(Release);
        who.store(owner.number as u64 | (owner.process as u64) << 32, Relaxed);
        name.iter().zip(owner.name).for_each(|(word, value)| word.store(value, Relaxed));
        changes.store(change + 2, Release);
    }

    /// Whose it is. For anyone: of a ring that is being handed over it may be a mixture.
    pub fn owner(self) -> Owner {
        let [_, who, name @ ..] = &self.0[1].0;
        let who = who.load(Relaxed);
        Owner { number: who as u32, process: (who >> 32) as u32, name: [0, 1].map(|at: usize| name[at].load(Relaxed)) }
    }

    /// The events that are there, from the oldest on.
    pub fn read(self) -> Vec<Read> {
        let changes = &self.0[1].0[0];
        let mut read = Vec::new();
        for _ in 0..TRIES {
            let change = changes.load(Acquire);
            let owner = self.owner();
            read = self.read_as(Some(owner).filter(|_| change % 2 == 0));
            fence(Acquire);
            if changes.load(Relaxed) == change {
                return read;
            }
        }
        // Whose the last ones are is in doubt.
        read.iter_mut().for_each(|read| read.owner = None);
        read
    }

    fn read_as(self, mut owner: Option<Owner>) -> Vec<Read> {
        let done = self.head()[0].load(Acquire);
        let first = done.saturating_sub(EVENTS as u64);
        let copy = |number| (number, [0, 1, 2, 3].map(|word: usize| self.entry(number)[word].load(Relaxed)));
        let copies: Vec<(u64, [u64; 4])> = (first..done).map(copy).collect();
        fence(Acquire);
        // The next one may be being written.
        let begun = self.head()[0].load(Relaxed) + 1;
        let mut read = Vec::with_capacity(copies.len());
        for (number, words) in copies.into_iter().rev() {
            if number + (EVENTS as u64) < begun {
                break;
            }
            let event = unpack(number, words, owner);
            match event.event {
                WAS => owner = Some(Owner { number: event.amount as u32, process: 0, name: [event.id, event.other] }),
                _ => read.push(event),
            }
        }
        read.reverse();
        read
    }
}

fn unpack(number: u64, [stamp, what, id, other]: [u64; 4], owner: Option<Owner>) -> Read {
    Read {
        number,
        stamp,
        about: what & BORROWED != 0,
        event: (what & EVENT) as u8,
        times: 1 + (what & TIMES) / AGAIN,
        amount: what as i64 >> AMOUNT,
        id,
        other,
        owner,
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
