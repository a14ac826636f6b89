//! The facade: engines, mailboxes and loops by id, and what ties the capabilities together.
//!
//! Guarantees: functions here are what the C ABI calls, one for one; they resolve ids and names, act on the outcomes
//! that the lower floors return, and leave no lock held. The order of a death is rule 11 of the semantics: names free,
//! subscriptions, own timers and monitors gone, then the watchers told.

mod belonging;
mod bound;
mod calls;
mod drain;
mod explain;
mod inspect;
mod life;
mod look;
mod many;
mod publishing;
mod relations;
mod testing;
mod threads;
mod traffic;

pub use crate::call::CallError;
pub use belonging::*;
pub use calls::*;
pub use drain::*;
pub use explain::*;
pub use inspect::*;
pub use life::*;
pub use look::*;
pub use many::*;
pub use publishing::*;
pub use relations::*;
pub use testing::*;
pub use threads::*;
pub use traffic::*;

use crate::clock::Clock;
use crate::dispatch::Loop;
use crate::error::{Error, Result};
use crate::group::Groups;
use crate::id::{Id, Kind};
use crate::mailbox::Store;
use crate::message::{Block, INLINE_MAX};
use crate::notify::fork::PerProcess;
use crate::oneshot::{State, Use};
use crate::owed::{Release as Owed, ReleaseFn, UserPtr};
use crate::presence::Presence;
use crate::process::Processes;
use crate::recorder::{record, record_often, Event};
use crate::registry::Registry;
use crate::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::*};
use crate::sync::{rank, Arc, Mutex};
use crate::table::Table;
use crate::timer::Timers;
use crate::topic::Topics;
use once_cell::sync::OnceCell;
use std::sync::atomic::AtomicBool as AtomicFlag;

/// Everything of this process.
pub(crate) struct World {
    pub store: Store,
    engines: Directory<Engine>,
    loops: Directory<Loop>,
    default: Mutex<Id, { rank::ENGINE }>,
    /// Set once the thread that fires notices runs.
    noticing: OnceCell<()>,
}

static WORLD: PerProcess<World> = PerProcess::new();

/// The world of this process. It is never torn down: ids must stay answerable until the process is gone. The child of
/// a fork makes one of its own, whose ids begin above those of its parent; nothing of the parent's is touched there.
pub(crate) fn world() -> &'static World {
    static MADE_ONE: AtomicFlag = AtomicFlag::new(false);
    WORLD.get(|| {
        if MADE_ONE.swap(true, AcqRel) {
            crate::table::begin_above_the_parents();
            // So that this thread's next event sees that it is another's now.
            crate::recorder::time_passed();
        }
        World {
            store: Store::default(),
            engines: Directory::new(Kind::Engine),
            loops: Directory::new(Kind::Loop),
            default: Mutex::new(Id::NONE),
            noticing: OnceCell::new(),
        }
    })
}

/// One engine.
pub(crate) struct Engine {
    /// Its row, by which slots and records name it.
    pub index: u32,
    pub clock: Clock,
    pub host_time: bool,
    pub registry: Registry,
    pub topics: Topics,
    pub groups: Groups,
    pub presence: Presence,
    pub timers: Timers,
    pub links: crate::link::Gate,
    staff: Staff,
    pub processes: Processes,
    closed: AtomicBool,
    draining: AtomicBool,
    drain: Drain,
    ticking: AtomicBool,
    pub mailboxes: AtomicU64,
    pub dead_letters: AtomicU64,
    pub published: AtomicU64,
    pub threads: AtomicU32,
    /// Threads that want timers fired, and up to when; the first of them does it.
    expiring: AtomicU32,
    expire_until: AtomicI64,
}

/// Objects by id that are counted, not kept in a row.
struct Directory<T> {
    kind: Kind,
    rows: Table<Row<T>>,
}

struct Row<T> {
    life: AtomicU32,
    object: Mutex<Option<Arc<T>>, { rank::ENGINE }>,
}

impl<T> Default for Row<T> {
    fn default() -> Self {
        Row { life: AtomicU32::new(0), object: Mutex::new(None) }
    }
}

impl<T> Directory<T> {
    fn new(kind: Kind) -> Self {
        Directory { kind, rows: Table::new(0) }
    }

    /// Keeps what `make` makes of its row's index.
    fn open(&self, make: impl FnOnce(u32) -> T) -> Result<Id> {
        let (index, row) = self.rows.take()?;
        let mut object = row.object.lock();
        let life = row.life.load(Acquire) + 1;
        *object = Some(Arc::new(make(index)));
        row.life.store(life, Release);
        Ok(Id::new(self.kind, life, index))
    }

    fn find(&self, id: Id) -> Result<Arc<T>> {
        id.expect(self.kind)?;
        let row = self.rows.get(id.index()).ok_or_else(|| id.bad(self.kind))?;
        let object = row.object.lock();
        let life = row.life.load(Acquire);
        match (&*object, life == id.life()) {
            (Some(object), true) => Ok(object.clone()),
            _ => Err(id.gone(self.kind, life, Error::Stale)),
        }
    }

    /// The ids of the objects that are wanted.
    fn ids(&self, wanted: impl Fn(&T) -> bool) -> Vec<Id> {
        let id = |(index, row): (u32, &Row<T>)| {
            let object = row.object.lock();
            let there = object.as_ref().is_some_and(|object| wanted(object));
            there.then(|| Id::new(self.kind, row.life.load(Acquire), index))
        };
        self.rows.rows().filter_map(id).collect()
    }

    /// The object in a row, whatever its life.
    fn at(&self, index: u32) -> Option<Arc<T>> {
        self.rows.get(index)?.object.lock().clone()
    }

    /// Takes an object out, once.
    fn close(&self, id: Id) -> Result<Arc<T>> {
        id.expect(self.kind)?;
        let row = self.rows.get(id.index()).ok_or_else(|| id.bad(self.kind))?;
        let mut object = row.object.lock();
        let life = row.life.load(Acquire);
        if life != id.life() {
            return Err(id.gone(self.kind, life, Error::Stale));
        }
        row.life.store(life + 1, Release);
        let object = object.take().ok_or(Error::Stale)?;
        self.rows.give_back(id.index(), life + 1);
        Ok(object)
    }
}

impl World {
    /// The engine of this id. `TD_ESTALE` when it is closed.
    pub fn engine(&self, id: Id) -> Result<Arc<Engine>> {
        self.engines.find(id).map_err(|error| match error {
            Error::Stale => error.because("the engine is closed"),
            other => other,
        })
    }

    /// The engine that a mailbox belongs or belonged to.
    pub fn engine_of(&self, mailbox: Id) -> Result<Arc<Engine>> {
        let slot = self.store.slot(mailbox)?;
        self.engines.at(slot.engine()).ok_or_else(|| Error::NoProc.because("the mailbox's engine is closed"))
    }

    fn looped(&self, id: Id) -> Result<Arc<Loop>> {
        self.loops.find(id).map_err(|error| match error {
            Error::Stale => error.because("the loop is closed"),
            other => other,
        })
    }

    /// A message found nobody at this mailbox.
    #[cold]
    fn dead_letter(&self, mailbox: Id, letter: &Letter<'_>) {
        if let Ok(engine) = self.engine_of(mailbox) {
            engine.dead_letter(&self.store, letter);
        }
    }
}

impl Engine {
    pub fn new(index: u32, virtual_clock: bool, host_time: bool) -> Engine {
        Engine {
            index,
            clock: if virtual_clock { Clock::by_hand() } else { Clock::Real },
            host_time,
            registry: Registry::default(),
            topics: Topics::default(),
            groups: Groups::default(),
            presence: Presence::default(),
            timers: Timers::default(),
            links: Default::default(),
            staff: Staff::default(),
            processes: Processes::default(),
            closed: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            drain: Mutex::new(None),
            ticking: AtomicBool::new(false),
            mailboxes: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            published: AtomicU64::new(0),
            threads: AtomicU32::new(0),
            expiring: AtomicU32::new(0),
            expire_until: AtomicI64::new(i64::MIN),
        }
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(SeqCst)
    }

    /// Fires every timer whose time has come, in order. One thread does it at a time; another that comes meanwhile
    /// leaves it to that one, which then looks again.
    pub fn expire(&self, store: &Store, now: i64) {
        self.expire_until.fetch_max(now, AcqRel);
        if self.expiring.fetch_add(1, AcqRel) > 0 {
            return;
        }
        loop {
            let wanted = self.expiring.load(Acquire);
            self.expire_due(store);
            if self.expiring.compare_exchange(wanted, 0, AcqRel, Acquire).is_ok() {
                return;
            }
        }
    }

    fn expire_due(&self, store: &Store) {
        while let Some(due) = self.timers.next_due(store, self.expire_until.load(Acquire)) {
            let shot = store.shots.at(due.index);
            match shot.usage() {
                Use::Call => {
                    let late = Error::TimedOut.code();
                    if crate::call::conclude(store, due.index, due.life, |body| body.status = late) {
                        store.unwatch(due.index, due.life);
                    }
                }
                Use::Watch => self.presence.lapse(store, Id::new(Kind::Watch, due.life, due.index)),
                _ if due.held && shot.owner().is_none() => self.expire_to_name(store, due.index, due.life),
                _ => {
                    store.fire(due.index, due.life, |_| ());
                }
            }
            if due.held {
                store.shots.let_go(due.index);
            }
        }
    }

    /// A timer to a name finds out now who that is.
    fn expire_to_name(&self, store: &Store, index: u32, life: u32) {
        let shot = store.shots.at(index);
        let name = shot.body().name().cloned();
        let holder = name.and_then(|name| self.registry.whereis(&name).ok());
        let fired = holder.is_some_and(|holder| {
            shot.hold();
            shot.set_owner(holder);
            let fired = store.fire(index, life, |_| ());
            if !fired {
                store.shots.let_go(index);
            }
            fired
        });
        if !fired {
            shot.shift(life, State::Armed, State::Cancelled);
            self.timer_to_nobody(store, Id::new(Kind::Timer, life, index));
        }
    }
}

/// A release function, and where it must run.
pub struct Release {
    pub call: ReleaseFn,
    /// The payload as the host gave it, also when its size is 0.
    pub data: *mut std::ffi::c_void,
    pub user: *mut std::ffi::c_void,
    /// A loop, or [`Id::NONE`] for any thread.
    pub on_loop: Id,
}

/// The host's memory as a payload.
fn lend(world: &World, data: &[u8], release: &Release) -> Result<Arc<Block>> {
    let place = if release.on_loop.is_none() { None } else { Some(world.looped(release.on_loop)? as Arc<_>) };
    let owed = Owed {
        call: release.call,
        data: UserPtr::new(release.data),
        size: data.len(),
        user: UserPtr::new(release.user),
    };
    Ok(Block::lend(owed, place))
}

/// A copy of `data`, unless it is empty. `TD_ENOMEM` when there is no memory for it.
fn copy(data: &[u8]) -> Result<Option<Arc<Block>>> {
    (!data.is_empty()).then(|| try_copy(data)).transpose()
}

fn try_copy(data: &[u8]) -> Result<Arc<Block>> {
    Block::try_copy(data).ok_or_else(|| Error::NoMem.because(format!("no memory for a copy of {} bytes", data.len())))
}

/// A copy of what is too large to be copied into a mailbox, unless `to` could never hold it.
fn copy_if_large(store: &Store, to: Id, data: &[u8]) -> Result<Option<Arc<Block>>> {
    if data.len() <= INLINE_MAX {
        return Ok(None);
    }
    store.check_size(to, data.len() as u64)?;
    try_copy(data).map(Some)
}
