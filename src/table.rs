//! Tables of rows that are never freed or moved, and rows that one owner at a time holds.
//!
//! Guarantees: a row found by index stays valid as long as its table, whatever happens to the object in it, so a
//! stale id is looked at, never followed; finding it is two loads; a [`Claims`] row is touched by exactly one thread at
//! a time, and an id of one claim never opens the next. The unsafe here is the way from an index to its row, and the
//! exclusive access that winning a claim's word gives.

#![allow(unsafe_code)]

use crate::error::{Error, Result};
use crate::id::{Id, Kind, MAX_ROWS};
use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::{rank, Mutex};
use std::alloc::{alloc_zeroed, handle_alloc_error, Layout};
use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU32 as Plain};
use std::sync::OnceLock;

/// log2 of the rows of a leaf, and of the leaves: together the 28 bits of an index (fewer in a model, and under Miri,
/// where each row costs).
const LEAF: u32 = SIZES.0;
const LEAVES: u32 = SIZES.1;
const SIZES: (u32, u32) = match (cfg!(loom), cfg!(miri)) {
    (true, _) => (2, 4),
    (_, true) => (4, 12),
    _ => (9, 19),
};

/// No table of this process, or of those it was forked from, has a row at this index or above.
static USED: Plain = Plain::new(0);

/// Whether this process, or one that it was forked from, had a row at this index.
pub fn was_used(index: u32) -> bool {
    index < USED.load(Acquire)
}

/// For the child of a fork: tables made from here on begin above every row of the parent's, so that no id is both.
pub fn begin_above_the_parents() {
    crate::id::fork_at(USED.load(Acquire));
}

/// Rows in leaves of a fixed size, made when first needed. Rows are handed out by index, and handed out again after
/// `quarantine` later ones have come back.
///
/// A pointer of `leaves` is null or to the first row of a leaf, which it owns, and is set once.
#[derive(Debug)]
pub struct Table<T> {
    leaves: Box<[AtomicPtr<T>]>,
    free: Mutex<Free, { rank::TABLE }>,
    quarantine: usize,
    /// Rows are made by one thread, used by all, and dropped by any.
    _rows: PhantomData<OnceLock<Box<[T]>>>,
}

#[derive(Debug)]
struct Free {
    used: usize,
    back: VecDeque<u32>,
}

/// The leaf of an index, and the row in it.
fn place(index: u32) -> (usize, usize) {
    ((index >> LEAF) as usize, (index & ((1 << LEAF) - 1)) as usize)
}

/// As many null pointers as there may be leaves: megabytes, which the system gives us only where they are written.
fn no_leaves<T>() -> Box<[AtomicPtr<T>]> {
    let layout = Layout::array::<AtomicPtr<T>>(1 << LEAVES).expect("a table has a size");
    // SAFETY: the layout is not empty; all zeros is a null pointer, and the box gives back what was allocated.
    unsafe {
        let first = alloc_zeroed(layout).cast::<AtomicPtr<T>>();
        if first.is_null() {
            handle_alloc_error(layout);
        }
        Box::from_raw(std::ptr::slice_from_raw_parts_mut(first, 1 << LEAVES))
    }
}

impl<T> Drop for Table<T> {
    fn drop(&mut self) {
        let highest = (USED.load(Acquire) >> LEAF) as usize;
        for leaf in self.leaves.iter_mut().take(highest) {
            let first = *leaf.get_mut();
            if !first.is_null() {
                // SAFETY: it came from a box of that many rows, and nobody has the table any more.
                drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(first, 1 << LEAF)) });
            }
        }
    }
}

impl<T: Default> Table<T> {
    pub fn new(quarantine: usize) -> Self {
        let used = crate::id::forked_below() as usize;
        let free = Mutex::new(Free { used, back: VecDeque::new() });
        Table { leaves: no_leaves(), free, quarantine, _rows: PhantomData }
    }

    /// The row at `index`, if it ever was handed out.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        let (leaf, row) = place(index);
        let first = self.leaves.get(leaf)?.load(Acquire);
        // SAFETY: it is the first of a leaf's rows, of which there are more than `row`; they live as long as the table.
        (!first.is_null()).then(|| unsafe { &*first.add(row) })
    }

    /// As [`get`](Self::get), for an index that came from [`take`](Self::take).
    #[inline]
    pub fn at(&self, index: u32) -> &T {
        self.get(index).expect("the row was handed out")
    }

    /// A row for a new object. `TD_ENOMEM` when all are in use.
    pub fn take(&self) -> Result<(u32, &T)> {
        let index = {
            let mut free = self.free.lock();
            let reuse = if free.back.len() > self.quarantine { free.back.pop_front() } else { None };
            match reuse {
                Some(index) => index as usize,
                None if free.used < MAX_ROWS => {
                    free.used += 1;
                    free.used - 1
                }
                None => return Err(Error::NoMem.because("all 268 million rows are in use")),
            }
        };
        Ok((index as u32, self.row(index as u32)))
    }

    /// The row at `index`, handed out or not: for what another table numbers.
    pub fn row(&self, index: u32) -> &T {
        match self.get(index) {
            Some(row) => row,
            None => self.grow(index),
        }
    }

    #[cold]
    fn grow(&self, index: u32) -> &T {
        USED.fetch_max((index | ((1 << LEAF) - 1)).saturating_add(1), AcqRel);
        let rows: Box<[T]> = (0..1usize << LEAF).map(|_| T::default()).collect();
        let first = Box::into_raw(rows);
        let at = &self.leaves[place(index).0];
        if at.compare_exchange(null_mut(), first.cast(), AcqRel, Acquire).is_err() {
            // SAFETY: another thread's leaf is there, and this one was shown to nobody.
            drop(unsafe { Box::from_raw(first) });
        }
        self.at(index)
    }

    /// Gives a row back, unless its life would come round again: then it is retired.
    pub fn give_back(&self, index: u32, life: u32) {
        if life < u32::MAX - 2 {
            self.free.lock().back.push_back(index);
        }
    }

    /// Every row handed out so far.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &T)> {
        let used = self.free.lock().used;
        (0..used as u32).filter_map(|index| Some((index, self.get(index)?)))
    }
}

/// Rows of which each is held by one owner id, whose holder alone may look inside.
///
/// A row's word is its life: even while free, odd while held and untouched, and `BUSY` is added while some thread is
/// inside. Only the thread that swapped the word from odd to busy, or that took the row from where free ones are,
/// touches the content.
pub struct Claims<T> {
    rows: Table<Claim<T>>,
    spares: [Spare; SPARES],
}

/// The row that came free last near some place, plus one; zero: none. Users of different places, who are mostly
/// different threads, so share no cache line.
#[derive(Default)]
#[repr(align(64))]
struct Spare(AtomicU32);

struct Claim<T> {
    word: AtomicU32,
    /// The spare that it will be.
    near: AtomicU32,
    content: UnsafeCell<T>,
}

impl<T: Default> Default for Claim<T> {
    fn default() -> Self {
        Claim { word: AtomicU32::new(0), near: AtomicU32::new(0), content: UnsafeCell::new(T::default()) }
    }
}

// SAFETY: the content is reached only by the thread that won the row's word (see `Claims`), so it moves between
// threads but is never shared.
unsafe impl<T: Send> Sync for Claim<T> {}

/// Lives of claims are counted in 31 bits; the highest bit of the word says that a thread is inside.
const BUSY: u32 = 1 << 31;
const SPARES: usize = if cfg!(loom) { 1 } else { 16 };

impl<T: Default> Default for Claims<T> {
    fn default() -> Self {
        Claims { rows: Table::new(0), spares: Default::default() }
    }
}

impl<T: Default> Claims<T> {
    /// Takes a free row and lets `fill`, which is told the id of the claim, set its content up. Claims of one user are
    /// best opened `near` the same place.
    #[inline]
    pub fn open<R>(&self, near: u32, fill: impl FnOnce(&mut T, Id) -> R) -> Result<R> {
        let near = near % SPARES as u32;
        let (index, row) = match self.spares[near as usize].0.swap(0, Acquire) {
            0 => self.rows.take()?,
            spare => (spare - 1, self.rows.at(spare - 1)),
        };
        row.near.store(near, Relaxed);
        let life = row.word.load(Acquire) + 1;
        // SAFETY: the row was free, and whoever takes a free row has it alone; no id of it is live.
        let result = fill(unsafe { &mut *row.content.get() }, Id::new(Kind::Hold, life, index));
        row.word.store(life, Release);
        Ok(result)
    }

    /// Runs `work` on the content. `TD_ESTALE` when the claim is over. Waits while another thread is inside.
    #[inline]
    pub fn with<R>(&self, id: Id, work: impl FnOnce(&mut T) -> R) -> Result<R> {
        let row = self.enter(id)?;
        let _leave = Leave(&row.word, id.life());
        // SAFETY: `enter` made the word busy, which keeps every other thread out until `_leave` is dropped.
        Ok(work(unsafe { &mut *row.content.get() }))
    }

    /// `TD_ESTALE` when the claim is over.
    #[inline]
    pub fn check(&self, id: Id) -> Result<()> {
        match self.row(id)?.word.load(Acquire) & !BUSY {
            life if life == id.life() => Ok(()),
            life => Err(id.gone(Kind::Hold, life, Error::Stale)),
        }
    }

    /// Runs `work` a last time and ends the claim, unless it fails.
    #[inline]
    pub fn close<R>(&self, id: Id, work: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
        let row = self.enter(id)?;
        let leave = Leave(&row.word, id.life());
        // SAFETY: as in `with`; the word becomes even only after `work` is done.
        let result = work(unsafe { &mut *row.content.get() })?;
        std::mem::forget(leave);
        let life = id.life() + 1;
        let spare = &self.spares[row.near.load(Relaxed) as usize].0;
        row.word.store(life, Release);
        // One whose life would come round again is retired.
        if life < BUSY - 2 {
            match spare.swap(id.index() + 1, AcqRel) {
                0 => {}
                before => self.rows.give_back(before - 1, 0),
            }
        }
        Ok(result)
    }

    #[inline]
    fn row(&self, id: Id) -> Result<&Claim<T>> {
        id.expect(Kind::Hold)?;
        let row = self.rows.get(id.index()).ok_or_else(|| id.bad(Kind::Hold))?;
        if id.life() & BUSY != 0 {
            return Err(id.bad(Kind::Hold));
        }
        Ok(row)
    }

    #[inline]
    fn enter(&self, id: Id) -> Result<&Claim<T>> {
        let row = self.row(id)?;
        loop {
            match row.word.compare_exchange(id.life(), id.life() | BUSY, Acquire, Relaxed) {
                Ok(_) => return Ok(row),
                // Another thread is inside, for a moment: no user code runs there.
                Err(word) if word == id.life() | BUSY => crate::sync::pause(),
                Err(word) => return Err(id.gone(Kind::Hold, word & !BUSY, Error::Stale)),
            }
        }
    }
}

/// Opens the row again also when the work panics.
struct Leave<'a>(&'a AtomicU32, u32);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_one_place() {
        let number = |(leaf, row): (usize, usize)| leaf << LEAF | row;
        for index in (0..if cfg!(miri) { 1000 } else { 100_000 }).chain([MAX_ROWS as u32 - 1]) {
            assert_eq!(number(place(index)), index as usize);
        }
        assert!(cfg!(miri) || place(MAX_ROWS as u32 - 1).0 == (1 << LEAVES) - 1);
        assert!(Table::<u64>::new(0).get(u32::MAX).is_none());
    }

    #[test]
    fn rows_stay_where_they_are_and_wait_out_their_quarantine() {
        let table = Table::<u64>::new(2);
        let (first, row) = table.take().unwrap();
        let address = row as *const u64;
        for _ in 0..1000 {
            table.take().unwrap();
        }
        assert_eq!(table.at(first) as *const u64, address);
        assert!(table.get(5000).is_none());
        table.give_back(first, 2);
        table.give_back(1, 2);
        assert_eq!(table.take().unwrap().0, 1001);
        table.give_back(2, 2);
        assert_eq!(table.take().unwrap().0, first);
        assert_eq!(table.rows().count(), 1002);
    }

    #[test]
    fn a_claim_ends_once() {
        let claims = Claims::<Vec<u8>>::default();
        let id = claims.open(0, |content, id| (content.push(1), id).1).unwrap();
        assert_eq!((claims.with(id, |content| content.len()), claims.check(id)), (Ok(1), Ok(())));
        assert_eq!(claims.close(id, |content| Ok(std::mem::take(content).len())), Ok(1));
        assert_eq!((claims.close(id, |_| Ok(())), claims.check(id)), (Err(Error::Stale), Err(Error::Stale)));
        let again = claims.open(0, |_, id| id).unwrap();
        assert_eq!(again.index(), id.index());
        assert_eq!(claims.with(id, |_| ()), Err(Error::Stale));
        assert_eq!(claims.with(Id(u64::MAX), |_| ()), Err(Error::BadId));
    }

    #[test]
    fn a_claim_that_could_not_be_closed_stays() {
        let claims = Claims::<u64>::default();
        let id = claims.open(0, |content, id| (*content = 3, id).1).unwrap();
        assert_eq!(claims.close(id, |_| Err::<(), _>(Error::Inval)), Err(Error::Inval));
        assert_eq!(claims.with(id, |content| *content), Ok(3));
        assert_ne!(claims.open(0, |_, id| id).unwrap().index(), id.index());
        assert_eq!(claims.close(id, |content| Ok(*content)), Ok(3));
    }

    #[test]
    fn only_one_thread_is_inside() {
        let claims = Claims::<u64>::default();
        let id = claims.open(0, |_, id| id).unwrap();
        let entered = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        (0..10_000).filter(|_| claims.with(id, |content| *content += 1).is_ok()).count() as u64
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        });
        assert_eq!(claims.close(id, |content| Ok(*content)), Ok(entered));
    }
}
