//! Lists of records, linked through the records themselves.
//!
//! Guarantees: putting a record in at the end and taking it out cost the same however long the list is, and allocate
//! nothing. A list is guarded by the lock of the slot whose it is.

use super::{Shots, NONE};
use crate::sync::atomic::Ordering::*;

/// Which of its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Records of the mailbox that will hear of it.
    Owner = 0,
    /// Records that watch a mailbox.
    Target = 1,
    /// Signals in a mailbox's queue.
    Signal = 2,
}

/// A list of records linked through themselves.
#[derive(Debug)]
pub struct List {
    pub first: u32,
    pub last: u32,
    pub len: u32,
}

impl Default for List {
    fn default() -> Self {
        List { first: NONE, last: NONE, len: 0 }
    }
}

impl List {
    pub fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Appends a record that is in no list of this sort.
    pub fn push_back(&mut self, shots: &Shots, of: Of, index: u32) {
        self.insert_after(shots, of, self.last, index);
    }

    /// Puts a record back before those of a higher number.
    pub fn insert(&mut self, shots: &Shots, of: Of, index: u32) {
        let number = shots.at(index).number();
        let mut previous = NONE;
        let mut next = self.first;
        while next != NONE && shots.at(next).number() < number {
            (previous, next) = (next, Self::next(shots, of, next));
        }
        self.insert_after(shots, of, previous, index);
    }

    fn insert_after(&mut self, shots: &Shots, of: Of, previous: u32, index: u32) {
        let shot = shots.at(index);
        debug_assert!(!shot.is_linked(of));
        let next = if previous == NONE { self.first } else { Self::next(shots, of, previous) };
        shot.links[of as usize].previous.store(previous, Relaxed);
        shot.links[of as usize].next.store(next, Relaxed);
        match previous {
            NONE => self.first = index,
            _ => shots.at(previous).links[of as usize].next.store(index, Relaxed),
        }
        match next {
            NONE => self.last = index,
            _ => shots.at(next).links[of as usize].previous.store(index, Relaxed),
        }
        shot.linked.fetch_or(1 << of as u8, AcqRel);
        self.len += 1;
    }

    /// Takes a record out, if it is in.
    pub fn remove(&mut self, shots: &Shots, of: Of, index: u32) -> bool {
        let shot = shots.at(index);
        if !shot.is_linked(of) {
            return false;
        }
        let link = &shot.links[of as usize];
        let (previous, next) = (link.previous.load(Relaxed), link.next.load(Relaxed));
        match previous {
            NONE => self.first = next,
            _ => shots.at(previous).links[of as usize].next.store(next, Relaxed),
        }
        match next {
            NONE => self.last = previous,
            _ => shots.at(next).links[of as usize].previous.store(previous, Relaxed),
        }
        shot.linked.fetch_and(!(1 << of as u8), AcqRel);
        self.len -= 1;
        true
    }

    /// The record behind this one.
    pub fn next(shots: &Shots, of: Of, index: u32) -> u32 {
        shots.at(index).links[of as usize].next.load(Relaxed)
    }

    /// The record before this one.
    pub fn previous(shots: &Shots, of: Of, index: u32) -> u32 {
        shots.at(index).links[of as usize].previous.load(Relaxed)
    }

    /// The records from first to last. The list must not change meanwhile.
    pub fn iter<'a>(&'a self, shots: &'a Shots, of: Of) -> impl Iterator<Item = u32> + 'a {
        let mut at = self.first;
        std::iter::from_fn(move || {
            let here = at;
            if here != NONE {
                at = Self::next(shots, of, here);
            }
            (here != NONE).then_some(here)
        })
    }
}
