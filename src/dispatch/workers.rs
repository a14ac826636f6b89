//! Workers: threads of the engine that run the handlers of mailboxes that asked for them.
//!
//! Guarantees: the handler of one mailbox never runs twice at a time; a mailbox gets one batch for each turn and then
//! goes to the back of the queue, so that a busy one cannot starve the rest; a handler is dropped by a worker, after its
//! last call; closing never waits, also inside a handler. A worker that would wait for a mailbox of its own pool while
//! every other one is away waiting is told so instead.

use super::run_queue::RunQueue;
use super::{forked, handle};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::{Attend, Handler, Store};
use crate::notify::Parker;
use crate::sync::{rank, Arc, Mutex};
use std::cell::{Cell, RefCell};
use std::sync::Weak;

/// See the file's comment.
#[derive(Default)]
pub struct Workers {
    queue: RunQueue<Work>,
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
    count: usize,
    /// Workers that wait for something inside a handler.
    away: usize,
    closed: bool,
    /// Whose handlers run, and who waits for one of them to return.
    running: Vec<Id>,
    waiting: Vec<Arc<Parker>>,
}

thread_local! {
    /// The pool that this thread works for.
    static MINE: RefCell<Weak<Workers>> = const { RefCell::new(Weak::new()) };
    /// The mailbox whose handler it runs.
    static CURRENT: Cell<Id> = const { Cell::new(Id::NONE) };
    static AWAY: Cell<bool> = const { Cell::new(false) };
}

impl Workers {
    /// One more thread is going to [`work`](Self::work). `TD_ECLOSED` when the pool is closed.
    pub fn hire(&self) -> Result<()> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::Closed);
        }
        state.count += 1;
        Ok(())
    }

    /// A thread that was hired could not start.
    pub fn unhire(&self) {
        self.state.lock().count -= 1;
    }

    /// What a worker does until the pool is closed. `TD_EFORKED`: a handler forked, and this is the child, where
    /// nothing of the pool may be touched.
    pub fn work(self: &Arc<Self>, store: &Store) -> Result<()> {
        MINE.with(|mine| *mine.borrow_mut() = Arc::downgrade(self));
        while let Some(work) = self.queue.pop() {
            match work {
                Work::Turn(mailbox) => self.turn(store, mailbox)?,
                Work::Retired(handler) => drop(handler),
                Work::Stop => break,
            }
        }
        Ok(())
    }

    /// Gives one batch to the mailbox's handler. It counts as running from before the batch is taken, so that whoever
    /// waits for an ended mailbox never sees its handler begin.
    fn turn(&self, store: &Store, mailbox: Id) -> Result<()> {
        self.state.lock().running.push(mailbox);
        CURRENT.set(mailbox);
        let handled = handle(store, mailbox);
        if handled == Err(Error::Forked) {
            return Err(forked());
        }
        CURRENT.set(Id::NONE);
        let waiting = {
            let mut state = self.state.lock();
            state.running.retain(|other| *other != mailbox);
            std::mem::take(&mut state.waiting)
        };
        waiting.iter().for_each(|parker| parker.unpark());
        if let Err(error) = handled {
            let text = || format!("no batch for the handler of mailbox {:#018x}: {error}", mailbox.0);
            crate::log::write(crate::log::ERROR, text);
        }
        if store.settle(mailbox) {
            self.queue.push(Work::Turn(mailbox));
        }
        Ok(())
    }

    /// Ends the workers once they have done what is queued. Their mailboxes have ended already.
    pub fn close(&self) {
        let mut state = self.state.lock();
        if !state.closed {
            state.closed = true;
            (0..state.count).for_each(|_| self.queue.push(Work::Stop));
        }
    }
}

impl Attend for Workers {
    fn ready(&self, mailbox: Id) {
        self.queue.push(Work::Turn(mailbox));
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
        CURRENT.get() == mailbox
    }

    fn is_home(&self) -> bool {
        MINE.try_with(|mine| std::ptr::eq(mine.borrow().as_ptr(), self)).unwrap_or(false)
    }

    fn is_running(&self, mailbox: Id, parker: &Arc<Parker>) -> bool {
        let mut state = self.state.lock();
        let running = state.running.contains(&mailbox);
        if running && !state.waiting.iter().any(|other| Arc::ptr_eq(other, parker)) {
            state.waiting.push(parker.clone());
        }
        running
    }
}

/// Marks that this thread waits, if it is a worker.
pub struct Away(Option<Arc<Workers>>);

impl Away {
    /// `TD_EDEADLK` when what is waited for is a mailbox of the worker's own pool, of which no other worker is free.
    pub fn begin(reader: Option<&Arc<dyn Attend>>) -> Result<Away> {
        let mine = MINE.try_with(|mine| mine.borrow().upgrade()).unwrap_or_default();
        let Some(pool) = mine.filter(|_| !AWAY.get()) else { return Ok(Away(None)) };
        {
            let mut state = pool.state.lock();
            if state.away + 1 >= state.count && reader.is_some_and(|reader| reader.is_home()) {
                let detail = "no other worker is free to run the handler that this one would wait for; \
                              open the engine with more workers, or use td_call_start";
                return Err(Error::Deadlock.because(detail));
            }
            state.away += 1;
        }
        AWAY.set(true);
        Ok(Away(Some(pool)))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if let Some(pool) = &self.0 {
            pool.state.lock().away -= 1;
            AWAY.set(false);
        }
    }
}
