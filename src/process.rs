//! Monitors of processes of the system.
//!
//! Guarantees: as for mailboxes: each fires exactly once, with how the process ended, or at once with `noproc`, unless
//! it is taken back or its watcher ends first. One thread per engine waits for all of them.

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::Store;
use crate::message::{REASON_NOPROC, REASON_OS_EXIT};
use crate::notify::process::{wait, Process, Status};
use crate::notify::Bell;
use crate::oneshot::{Body, Making, State, Use};
use crate::sync::{rank, Arc, Mutex};
use once_cell::sync::OnceCell;

/// The processes that mailboxes of one engine watch.
#[derive(Debug, Default)]
pub struct Processes {
    state: Mutex<Watching, { rank::TIMERS }>,
    /// Has the thread look again; there is one once the thread runs.
    bell: OnceCell<Arc<Bell>>,
}

#[derive(Debug, Default)]
struct Watching {
    watched: Vec<Watched>,
    stopped: bool,
}

#[derive(Debug)]
struct Watched {
    process: Arc<Process>,
    record: Id,
}

impl Processes {
    /// Watches a process. `start` starts the thread that calls [`run`](Self::run) with the bell, for the first one.
    pub fn monitor(
        &self,
        store: &Store,
        home: u32,
        watcher: Id,
        pid: i64,
        tag: u64,
        start: impl FnOnce(Arc<Bell>) -> Result<()>,
    ) -> Result<Id> {
        if pid <= 0 {
            return Err(Error::Inval.because(format!("pid is {pid}; give that of one process")));
        }
        // Numbers beyond what a pid can be are nobody's.
        let process = i32::try_from(pid).map_or(Ok(None), Process::open)?;
        if process.is_some() {
            self.make_ready(start)?;
        }
        let making = Making {
            usage: Use::Monitor,
            owner: watcher,
            target: Id::NONE,
            holds: 2,
            home,
            body: Body { tag, ..Body::default() },
        };
        let (record, _) = store.shots.make(making)?;
        if let Err(error) = store.link_owner(watcher, record.index(), Error::NoProc) {
            store.shots.let_go(record.index());
            store.shots.let_go(record.index());
            return Err(error);
        }
        match process {
            Some(process) => self.enter(store, Watched { process: Arc::new(process), record }),
            None => {
                store.fire(record.index(), record.life(), |body| body.status = REASON_NOPROC);
                store.shots.let_go(record.index());
            }
        }
        Ok(record)
    }

    /// Returns when the thread runs; of several that come at once each waits for it, or tries in its turn.
    fn make_ready(&self, start: impl FnOnce(Arc<Bell>) -> Result<()>) -> Result<()> {
        let bell = self.bell.get_or_try_init(|| {
            let bell = Arc::new(Bell::new()?);
            start(bell.clone()).map(|()| bell)
        })?;
        if self.state.lock().stopped {
            // Whoever stopped it may have found no bell.
            bell.set();
        }
        Ok(())
    }

    fn enter(&self, store: &Store, watched: Watched) {
        let record = watched.record;
        let mut state = self.state.lock();
        let shot = store.shots.at(record.index());
        if state.stopped {
            shot.shift(record.life(), State::Armed, State::Cancelled);
        }
        // The watcher may have ended since the record was made; whoever ended it did not find it here.
        if shot.is(record.life(), State::Armed) {
            state.watched.push(watched);
            self.bell.get().into_iter().for_each(|bell| bell.set());
        } else {
            drop(state);
            store.shots.let_go(record.index());
        }
    }

    /// Takes a record out, if it is in.
    pub fn leave(&self, store: &Store, index: u32, life: u32) {
        let left = {
            let mut state = self.state.lock();
            let is_it = |watched: &Watched| watched.record.index() == index && watched.record.life() == life;
            let at = state.watched.iter().position(is_it);
            at.map(|at| state.watched.swap_remove(at))
        };
        if left.is_some() {
            store.shots.let_go(index);
        }
    }

    /// What the thread does until the engine closes.
    pub fn run(&self, store: &Store, bell: &Bell) {
        loop {
            let processes = {
                let state = self.state.lock();
                if state.stopped {
                    return;
                }
                bell.clear();
                state.watched.iter().map(|watched| watched.process.clone()).collect()
            };
            for process in wait(processes, bell) {
                self.ended(store, &process);
            }
        }
    }

    fn ended(&self, store: &Store, process: &Arc<Process>) {
        let watched = {
            let mut state = self.state.lock();
            let at = state.watched.iter().position(|watched| Arc::ptr_eq(&watched.process, process));
            at.map(|at| state.watched.swap_remove(at))
        };
        let Some(Watched { record, .. }) = watched else { return };
        let info = match process.status() {
            Status::Unknown => [0, 0],
            Status::Exited(code) => [1, code as u64],
            Status::Killed(signal) => [2, signal as u64],
        };
        store.fire(record.index(), record.life(), |body| (body.status, body.info) = (REASON_OS_EXIT, info));
        store.shots.let_go(record.index());
    }

    /// Ends the thread, and the monitors that are left.
    pub fn stop(&self, store: &Store) {
        let left = {
            let mut state = self.state.lock();
            state.stopped = true;
            self.bell.get().into_iter().for_each(|bell| bell.set());
            std::mem::take(&mut state.watched)
        };
        for Watched { record, .. } in left {
            store.shots.at(record.index()).shift(record.life(), State::Armed, State::Cancelled);
            store.shots.let_go(record.index());
        }
    }
}

// Miri starts no processes.
#[cfg(all(test, not(loom), not(miri)))]
mod tests;
