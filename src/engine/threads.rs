//! The facade's part on the engine's own threads: timers, processes, workers, notices.
//!
//! Guarantees: none starts before it is needed; all are named, block all signals, and call the host's start hook first;
//! none keeps a process from ending.

use super::*;
use crate::dispatch::Workers;
use crate::mailbox::Attend;
use crate::notify::{spawn, Bell, KeepErrno, Parker};
use std::ffi::{c_char, c_void, CString};

/// Workers of one engine at most.
pub const MOST_WORKERS: u32 = 1024;

/// `fn(name, user)`, on a thread of the engine before anything else.
pub type ThreadFn = extern "C" fn(*const c_char, *mut c_void);

/// Which threads an engine may have.
#[derive(Default)]
pub(super) struct Staff {
    workers: u32,
    hook: Option<(ThreadFn, UserPtr)>,
    pool: Arc<Workers>,
    working: OnceCell<()>,
}

impl Staff {
    pub fn new(workers: u32, hook: Option<(ThreadFn, *mut c_void)>) -> Staff {
        Staff { workers, hook: hook.map(|(call, user)| (call, UserPtr::new(user))), ..Staff::default() }
    }

    pub fn close(&self) {
        self.pool.close();
    }

    /// True when this thread is one of the workers.
    pub fn is_here(&self) -> bool {
        self.pool.is_home()
    }
}

impl Engine {
    /// Starts a thread that counts as the engine's while it runs. Its body says whether it is still the process in
    /// which it began.
    fn start(
        self: &Arc<Self>,
        name: String,
        body: impl FnOnce(&Arc<Engine>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let engine = self.clone();
        self.threads.fetch_add(1, AcqRel);
        let shown = CString::new(name.as_str()).unwrap_or_default();
        let started = spawn(&name, move || {
            if let Some((call, user)) = &engine.staff.hook {
                call(shown.as_ptr(), user.get());
            }
            match body(&engine) {
                // A handler forked here, and this is the child: what it holds is the parent's to drop.
                Err(Error::Forked) => std::mem::forget(engine),
                _ => drop(engine.threads.fetch_sub(1, AcqRel)),
            }
        });
        if started.is_err() {
            self.threads.fetch_sub(1, AcqRel);
        }
        started
    }

    /// Starts the thread that waits for processes of the system.
    pub(super) fn watch_processes(self: &Arc<Self>, bell: Arc<Bell>) -> Result<()> {
        self.start("tidings-process".into(), move |engine| {
            engine.processes.run(&world().store, &bell);
            Ok(())
        })
    }

    /// Starts the timer thread with the first timer, unless time is the host's or moved by hand.
    pub(super) fn ensure_ticking(self: &Arc<Self>) -> Result<()> {
        if self.host_time || !self.clock.is_real() || self.ticking.load(Acquire) || self.ticking.swap(true, AcqRel) {
            return Ok(());
        }
        let started = self.start("tidings-timer".into(), |engine| {
            let store = &world().store;
            let parker = Parker::current();
            loop {
                parker.reset();
                let now = engine.clock.now();
                let Some(deadline) = engine.timers.watch(store, &parker, now) else { return Ok(()) };
                if deadline <= now {
                    engine.expire(store, now);
                } else {
                    engine.clock.wait(&parker, deadline, false);
                }
            }
        });
        if started.is_err() {
            self.ticking.store(false, Release);
        }
        started
    }

    /// The engine's workers, which start with the first mailbox that asks for them.
    pub(super) fn workers(self: &Arc<Self>) -> Result<Arc<Workers>> {
        let Staff { workers, pool, working, .. } = &self.staff;
        if *workers == 0 {
            let detail = "the engine has no workers; open it with options.workers above 0, or give the mailbox a loop";
            return Err(Error::Inval.because(detail));
        }
        working.get_or_try_init(|| {
            for number in 1..=*workers {
                pool.hire().map_err(|_| Error::Stale.because("the engine is closed"))?;
                let started = self.start(format!("tidings-worker-{number}"), |engine| {
                    let pool = engine.staff.pool.clone();
                    let result = pool.work(&world().store);
                    if result.is_err() {
                        std::mem::forget(pool);
                    }
                    result
                });
                if let Err(error) = started {
                    pool.unhire();
                    // Fewer do as well, but not none.
                    return if number == 1 { Err(error) } else { Ok(()) };
                }
            }
            Ok(())
        })?;
        Ok(pool.clone())
    }
}

/// The thread that fires notices runs before the first mailbox that takes them is known.
pub(super) fn make_notifiable(world: &'static World, id: Id) -> Result<()> {
    world.noticing.get_or_try_init(|| {
        spawn("tidings-notify", move || loop {
            world.store.notices.wait();
            world.store.work_off_notices();
        })
    })?;
    world.store.make_notifiable(id)
}

/// Gives a mailbox bits, in a signal handler, too. The error has no detail; errno stays as it is.
pub fn notify(id: Id, bits: u64) -> Result<()> {
    let _errno = KeepErrno::new();
    match WORLD.peek() {
        Some(world) => world.store.notify(id, bits),
        // Nothing was opened in this process.
        None if crate::table::was_used(id.index()) => Err(Error::Forked),
        None => Err(Error::BadId),
    }
}
