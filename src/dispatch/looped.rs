//! Loops: the handlers of many mailboxes, run by one thread of the host.
//!
//! Guarantees: handlers of one mailbox never overlap; each ready mailbox gets one batch per round, so a busy one
//! cannot starve the rest; no handler, release, drop or wake function runs under a lock; the descriptor is readable,
//! and the wake function called, exactly when there is something to do. What must run on the loop's thread (releases
//! and drops of a language runtime) is queued for it, and run by whoever closes the loop if nobody runs it again.
//! A handler that forks returns in the child to a run that ends at once, touching nothing of the loop.

mod look;

use super::{forked, Turn};
use crate::clock::{Clock, FOREVER};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::{Attend, Handler, Store};
use crate::message::{ReleasePlace, WakeFn};
use crate::notify::fork::generation;
use crate::notify::{Bell, Parker, Wake};
use crate::owed::{Callback, Release};
use crate::recorder::time_passed;
use crate::sync::{assert_unlocked, rank, Arc, Mutex};
use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::thread::ThreadId;

/// See the file's comment.
pub struct Loop {
    pub engine: u32,
    budget: u32,
    state: Mutex<State, { rank::LOOP }>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Id>,
    releases: VecDeque<Release>,
    retired: Vec<Arc<Handler>>,
    /// Mailboxes that this loop reads.
    members: HashSet<Id>,
    woken: bool,
    closed: bool,
    bell: Option<Bell>,
    rung: bool,
    wake: Option<Arc<Callback<WakeFn>>>,
    runner: Option<ThreadId>,
    parked: Option<Arc<Parker>>,
    /// Whose handler runs, and who waits for it to return.
    current: Id,
    waiting: Vec<Arc<Parker>>,
}

impl State {
    fn idle(&self) -> bool {
        self.ready.is_empty() && self.releases.is_empty() && self.retired.is_empty() && !self.woken && !self.closed
    }

    /// Brings the descriptor in line. Under the loop's lock, so it is exact.
    fn ring(&mut self) {
        let wanted = !self.idle();
        if let (Some(bell), true) = (&self.bell, wanted != self.rung) {
            if wanted {
                bell.set();
            } else {
                bell.clear();
            }
            self.rung = wanted;
        }
    }
}

thread_local! {
    /// The loops that this thread is inside of, innermost last.
    static INSIDE: RefCell<Vec<*const Loop>> = const { RefCell::new(Vec::new()) };
}

/// What a run is given by the engine.
pub struct Run<'a> {
    pub store: &'a Store,
    pub clock: &'a Clock,
    pub timeout: i64,
    pub interruptible: bool,
    pub time: &'a dyn Time,
}

/// Timers that are the loop's to fire, when the host drives time.
pub trait Time {
    /// Fires those that are due.
    fn tick(&self);
    /// The next deadline; `parker` is woken when an earlier one is armed.
    fn watch(&self, parker: &Arc<Parker>) -> i64;
    fn unwatch(&self, parker: &Arc<Parker>);
}

/// An engine with a timer thread of its own.
pub struct NotMine;

impl Time for NotMine {
    fn tick(&self) {}
    fn watch(&self, _: &Arc<Parker>) -> i64 {
        FOREVER
    }
    fn unwatch(&self, _: &Arc<Parker>) {}
}

impl Loop {
    pub fn new(engine: u32, budget: u32, wake: Option<Callback<WakeFn>>) -> Loop {
        let state = State { wake: wake.map(Arc::new), ..State::default() };
        Loop { engine, budget, state: Mutex::new(state) }
    }

    /// Changes the state and tells whoever waits when there is now something to do.
    fn alert(&self, change: impl FnOnce(&mut State)) {
        let (parked, wake) = {
            let mut state = self.state.lock();
            let idle = state.idle();
            change(&mut state);
            state.ring();
            if !idle || state.idle() {
                return;
            }
            (state.parked.take(), state.wake.clone())
        };
        if let Some(parked) = parked {
            parked.unpark();
        }
        call_wake(wake);
    }

    /// A mailbox is going to be read by this loop. `TD_ECLOSED` when the loop is closed.
    pub fn admit(&self, mailbox: Id) -> Result<()> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        state.members.insert(mailbox);
        Ok(())
    }

    /// Waits for work, does one round of it, and gives the number of batches handled.
    pub fn run(&self, run: &Run<'_>) -> Result<u32> {
        let inside = self.enter()?;
        let result = self.run_inside(run);
        if result == Err(Error::Forked) {
            inside.leave_in_child();
        }
        result
    }

    fn run_inside(&self, run: &Run<'_>) -> Result<u32> {
        let deadline = run.clock.deadline(run.timeout);
        loop {
            run.time.tick();
            match self.round(run)? {
                Some(handled) => return Ok(handled),
                None if run.timeout <= 0 || run.clock.now() >= deadline => return Ok(0),
                None => {}
            }
            let parker = Parker::current();
            parker.reset();
            {
                let mut state = self.state.lock();
                if !state.idle() {
                    continue;
                }
                state.parked = Some(parker.clone());
            }
            let next_timer = run.time.watch(&parker);
            let wake = run.clock.wait(&parker, deadline.min(next_timer), run.interruptible);
            run.time.unwatch(&parker);
            time_passed();
            self.state.lock().parked = None;
            if wake == Wake::Interrupted {
                return Err(Error::Intr);
            }
        }
    }

    /// One batch for each mailbox that is ready now. `None` when there was nothing to do.
    fn round(&self, run: &Run<'_>) -> Result<Option<u32>> {
        let (mut ready, releases, retired, woken) = {
            let mut state = self.state.lock();
            if state.closed {
                return Err(closed());
            }
            if state.idle() {
                return Ok(None);
            }
            let work = (
                std::mem::take(&mut state.ready),
                std::mem::take(&mut state.releases),
                std::mem::take(&mut state.retired),
                std::mem::take(&mut state.woken),
            );
            state.ring();
            work
        };
        let only_chores = ready.is_empty() && !woken;
        let process = generation();
        releases.into_iter().for_each(Release::run);
        drop(retired);
        if generation() != process {
            return Err(forked());
        }
        let (mut handled, mut failed) = (0, None);
        while let Some(mailbox) = ready.pop_front() {
            let turn = self.handle(run.store, mailbox);
            if turn.given == Err(Error::Forked) {
                return Err(forked());
            }
            let mut state = self.state.lock();
            if turn.more && !state.closed {
                state.ready.push_back(mailbox);
            }
            if state.closed {
                break;
            }
            match turn.given {
                Ok(one) => handled += u32::from(one),
                Err(error) => failed = Some(error),
            }
            if failed.is_some() || self.budget > 0 && handled >= self.budget {
                while let Some(mailbox) = ready.pop_back() {
                    state.ready.push_front(mailbox);
                }
            }
        }
        // Handlers of mailboxes that ended in this round: their last call has returned.
        let retired = std::mem::take(&mut self.state.lock().retired);
        drop(retired);
        self.signal_rest();
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(if only_chores { None } else { Some(handled) })
    }

    /// After a round: if there is more to do, whoever drives the loop from outside must hear of it again.
    fn signal_rest(&self) {
        let wake = {
            let mut state = self.state.lock();
            state.ring();
            if state.idle() {
                None
            } else {
                state.wake.clone()
            }
        };
        call_wake(wake);
    }

    /// Gives one batch to the mailbox's handler. It counts as running from before the batch is taken, so that whoever
    /// waits for an ended mailbox never sees its handler begin.
    fn handle(&self, store: &Store, mailbox: Id) -> Turn {
        self.state.lock().current = mailbox;
        let turn = super::handle(store, mailbox);
        if turn.given == Err(Error::Forked) {
            return turn;
        }
        let waiting = {
            let mut state = self.state.lock();
            state.current = Id::NONE;
            std::mem::take(&mut state.waiting)
        };
        waiting.iter().for_each(|parker| parker.unpark());
        turn
    }

    fn enter(&self) -> Result<Inside<'_>> {
        let me = std::thread::current().id();
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        match state.runner {
            Some(runner) if runner == me => {
                Err(Error::Deadlock
                    .because("this loop is running on this thread already; return from the handler first"))
            }
            Some(_) => Err(Error::Deadlock.because("another thread runs this loop; one thread at a time may")),
            None => {
                // A thread that is ending has no locals any more and cannot run handlers.
                INSIDE.try_with(|inside| inside.borrow_mut().push(self)).map_err(|_| ending())?;
                state.runner = Some(me);
                Ok(Inside(self))
            }
        }
    }

    /// A descriptor that is readable while there is something to do; the caller owns it.
    pub fn descriptor(&self) -> Result<isize> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        if state.bell.is_none() {
            state.bell = Some(Bell::new()?);
            state.rung = false;
        }
        state.ring();
        state.bell.as_ref().map(Bell::share).unwrap_or(Err(Error::Sys))
    }

    /// Makes `run` return.
    pub fn wake(&self) -> Result<()> {
        if self.state.lock().closed {
            return Err(closed());
        }
        self.alert(|state| state.woken = true);
        Ok(())
    }

    /// Closes it, once, and gives the mailboxes that it read, for the engine to end. [`drain`](Self::drain) follows.
    pub fn close(&self) -> Result<Vec<Id>> {
        let mut members = None;
        self.alert(|state| {
            if !state.closed {
                state.closed = true;
                members = Some(state.members.drain().collect());
            }
        });
        members.ok_or_else(closed)
    }

    /// Runs what was queued for the thread of a loop that is closed now.
    pub fn drain(&self) {
        let (releases, retired, wake) = {
            let mut state = self.state.lock();
            state.ready.clear();
            (std::mem::take(&mut state.releases), std::mem::take(&mut state.retired), state.wake.take())
        };
        releases.into_iter().for_each(Release::run);
        drop((retired, wake));
    }
}

fn closed() -> Error {
    Error::Closed.because("the loop is closed")
}

fn ending() -> Error {
    Error::Inval.because("this thread is ending; run the loop from one that is not")
}

fn call_wake(wake: Option<Arc<Callback<WakeFn>>>) {
    if let Some(wake) = wake {
        assert_unlocked("a wake function");
        (wake.call)(wake.user.get());
    }
}

/// Marks that this thread runs the loop.
struct Inside<'a>(&'a Loop);

impl Inside<'_> {
    /// In the child of a fork: the loop's lock may be held by a thread that is not here.
    fn leave_in_child(self) {
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
        std::mem::forget(self);
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.state.lock().runner = None;
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().pop());
    }
}

impl Attend for Loop {
    fn ready(&self, mailbox: Id) {
        self.alert(|state| {
            if !state.closed {
                state.ready.push_back(mailbox);
            }
        });
    }

    fn retire(&self, mailbox: Id, handler: Option<Arc<Handler>>) {
        let mut left = handler;
        self.alert(|state| {
            state.members.remove(&mailbox);
            if !state.closed {
                state.retired.extend(left.take());
            }
        });
        drop(left);
    }

    fn is_mine(&self, _: Id) -> bool {
        INSIDE.try_with(|inside| inside.borrow().iter().any(|other| std::ptr::eq(*other, self))).unwrap_or(false)
    }

    fn is_running(&self, mailbox: Id, parker: &Arc<Parker>) -> bool {
        let mut state = self.state.lock();
        let running = state.current == mailbox;
        if running && !state.waiting.iter().any(|other| Arc::ptr_eq(other, parker)) {
            state.waiting.push(parker.clone());
        }
        running
    }
}

impl ReleasePlace for Loop {
    fn defer(&self, release: Release) -> Result<(), Release> {
        let mut left = Some(release);
        self.alert(|state| {
            if !state.closed {
                state.releases.extend(left.take());
            }
        });
        left.map_or(Ok(()), Err)
    }
}
