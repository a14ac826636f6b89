//! Workers: threads of the engine that run the handlers of mailboxes that asked for them.
//!
//! Guarantees: the handler of one mailbox never runs twice at a time; a mailbox gets one batch for each turn and then
//! goes to the back of the queue, so that a busy one cannot starve the rest; a handler is dropped by a worker, after its
//! last call; closing never waits, also inside a handler. A worker that would wait for a mailbox of its own pool while
//! every other one is away waiting is told so instead.
//!
//! A worker that is the only one has nobody to share with, so what its own handlers make ready is in a queue of its own
//! that needs no lock, and takes turns with what other threads make ready.

use super::run_queue::RunQueue;
use super::{forked, handle};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::{Attend, Handler, Store};
use crate::notify::Parker;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use crate::sync::{rank, thread_local, Arc, Mutex};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Weak;

/// Turns of its own that a worker takes before it looks again for what others have made ready, when there was nothing.
const OWN: u32 = 8;
/// In what a worker runs: somebody waits for it to return. No id of a mailbox has this bit.
const WAITED: u64 = 1 << 63;

/// See the file's comment.
#[derive(Default)]
pub struct Workers {
    queue: RunQueue<Work>,
    /// How many there are; settled before the pool has its first mailbox.
    count: AtomicUsize,
    state: Mutex<State, { rank::LOOP }>,
}

enum Work {
    /// A batch of this mailbox.
    Turn(Id),
    /// The handler of a mailbox that has ended, to be dropped.
    Retired(Arc<Handler>),
    Stop,
}

#[derive(Default)]
struct State {
    /// Workers that wait for something inside a handler.
    away: usize,
    closed: bool,
    hands: Vec<Arc<Hand>>,
    /// Who waits for a handler to return.
    waiting: Vec<Arc<Parker>>,
}

/// A worker as others see it: the mailbox whose handler runs, or zero. Written by the worker alone, but for [`WAITED`].
#[derive(Default)]
struct Hand(AtomicU64);

/// What a worker has of its own.
#[derive(Default)]
struct Mine {
    /// The pool that this thread works for.
    pool: Weak<Workers>,
    /// What its own handlers have made ready, when it is the only worker.
    ready: VecDeque<Id>,
    /// Turns of these before it looks for others.
    turns: u32,
}

thread_local! {
    static MINE: RefCell<Mine> = RefCell::default();
    /// The mailbox whose handler this thread runs.
    static CURRENT: Cell<Id> = Cell::default();
    static AWAY: Cell<bool> = Cell::default();
}

impl Workers {
    /// One more thread is going to [`work`](Self::work). `TD_ECLOSED` when the pool is closed.
    pub fn hire(&self) -> Result<()> {
        let state = self.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        self.count.fetch_add(1, Relaxed);
        Ok(())
    }

    /// A thread that was hired could not start.
    pub fn unhire(&self) {
        let _state = self.state.lock();
        self.count.fetch_sub(1, Relaxed);
    }

    /// What a worker does until the pool is closed. `TD_EFORKED`: a handler forked, and this is the child, where
    /// nothing of the pool may be touched.
    pub fn work(self: &Arc<Self>, store: &Store) -> Result<()> {
        let hand = Arc::new(Hand::default());
        self.state.lock().hands.push(hand.clone());
        MINE.with(|mine| mine.borrow_mut().pool = Arc::downgrade(self));
        while let Some(work) = self.next() {
            match work {
                Work::Turn(mailbox) => self.turn(store, &hand, mailbox)?,
                Work::Retired(handler) => drop(handler),
                Work::Stop => break,
            }
        }
        // From here on it runs nothing that it makes ready.
        drop(MINE.with(|mine| mine.take()));
        Ok(())
    }

    fn next(&self) -> Option<Work> {
        if let Some(mailbox) = MINE.with(|mine| mine.borrow_mut().next()) {
            return Some(Work::Turn(mailbox));
        }
        let others = self.queue.try_pop();
        let own = MINE.with(|mine| mine.borrow_mut().looked(others.is_some()));
        others.or_else(|| own.map(Work::Turn)).or_else(|| self.queue.pop())
    }

    /// Gives one batch to the mailbox's handler. It counts as running from before the batch is taken, so that whoever
    /// waits for an ended mailbox never sees its handler begin.
    fn turn(&self, store: &Store, hand: &Hand, mailbox: Id) -> Result<()> {
        hand.0.store(mailbox.0, Release);
        CURRENT.with(|current| current.set(mailbox));
        let turn = handle(store, mailbox);
        if turn.given == Err(Error::Forked) {
            return Err(forked());
        }
        CURRENT.with(|current| current.set(Id::NONE));
        if hand.0.swap(0, AcqRel) & WAITED != 0 {
            let waiting = std::mem::take(&mut self.state.lock().waiting);
            waiting.iter().for_each(|parker| parker.unpark());
        }
        if let Err(error) = turn.given {
            let text = || format!("no batch for the handler of mailbox {:#018x}: {error}", mailbox.0);
            crate::log::write(crate::log::ERROR, text);
        }
        if turn.more {
            self.ready(mailbox);
        }
        Ok(())
    }

    /// Ends the workers once they have done what is queued. Their mailboxes have ended already.
    pub fn close(&self) {
        let mut state = self.state.lock();
        if !state.closed {
            state.closed = true;
            (0..self.count.load(Relaxed)).for_each(|_| self.queue.push(Work::Stop));
        }
    }
}

impl Mine {
    /// The next turn that needs no look for others.
    fn next(&mut self) -> Option<Id> {
        self.turns = self.turns.checked_sub(1)?;
        self.ready.pop_front()
    }

    /// After a look: while others have something, one turn for each of theirs. The next turn when they have nothing.
    fn looked(&mut self, found: bool) -> Option<Id> {
        self.turns = if found { 1 } else { OWN };
        if found {
            None
        } else {
            self.ready.pop_front()
        }
    }

    fn keep(&mut self, pool: &Workers, mailbox: Id) -> bool {
        let keeps = self.is_of(pool);
        if keeps {
            self.ready.push_back(mailbox);
        }
        keeps
    }

    fn is_of(&self, pool: &Workers) -> bool {
        std::ptr::eq(self.pool.as_ptr(), pool)
    }
}

impl Attend for Workers {
    fn ready(&self, mailbox: Id) {
        if !self.keep(mailbox) {
            self.queue.push(Work::Turn(mailbox));
        }
    }

    fn keep(&self, mailbox: Id) -> bool {
        let keep = |mine: &RefCell<Mine>| mine.borrow_mut().keep(self, mailbox);
        self.count.load(Relaxed) == 1 && MINE.try_with(keep).unwrap_or(false)
    }

    fn retire(&self, _: Id, handler: Option<Arc<Handler>>) {
        let Some(handler) = handler else { return };
        let state = self.state.lock();
        if !state.closed {
            self.queue.push(Work::Retired(handler));
            return;
        }
        drop(state);
        drop(handler);
    }

    fn is_mine(&self, mailbox: Id) -> bool {
        CURRENT.with(|current| current.get()) == mailbox
    }

    fn is_home(&self) -> bool {
        MINE.try_with(|mine| mine.borrow().is_of(self)).unwrap_or(false)
    }

    fn is_running(&self, mailbox: Id, parker: &Arc<Parker>) -> bool {
        let mut state = self.state.lock();
        let running = state.hands.iter().filter(|hand| hand.wait_for(mailbox)).count() > 0;
        if running && !state.waiting.iter().any(|other| Arc::ptr_eq(other, parker)) {
            state.waiting.push(parker.clone());
        }
        running
    }
}

impl Hand {
    /// True when it runs this mailbox's handler, and will tell when that has returned.
    fn wait_for(&self, mailbox: Id) -> bool {
        let runs = |running| (running & !WAITED == mailbox.0).then_some(mailbox.0 | WAITED);
        self.0.fetch_update(AcqRel, Acquire, runs).is_ok()
    }
}

/// Marks that this thread waits, if it is a worker.
pub struct Away(Option<Arc<Workers>>);

impl Away {
    /// `TD_EDEADLK` when what is waited for is a mailbox of the worker's own pool, of which no other worker is free.
    pub fn begin(reader: Option<&Arc<dyn Attend>>) -> Result<Away> {
        let mine = MINE.try_with(|mine| mine.borrow().pool.upgrade()).unwrap_or_default();
        let Some(pool) = mine.filter(|_| !AWAY.with(|away| away.get())) else { return Ok(Away(None)) };
        {
            let mut state = pool.state.lock();
            let count = pool.count.load(Relaxed);
            if state.away + 1 >= count && reader.is_some_and(|reader| reader.is_home()) {
                let detail = "no other worker is free to run the handler that this one would wait for; \
                              open the engine with more workers, or use td_call_start";
                return Err(Error::Deadlock.because(detail));
            }
            state.away += 1;
        }
        AWAY.with(|away| away.set(true));
        Ok(Away(Some(pool)))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(pool) = &self.0 {
            pool.state.lock().away -= 1;
            AWAY.with(|away| away.set(false));
        }
    }
}
