//! The facade's part on lives: opening, ending and looking at engines, mailboxes and loops.
//!
//! Guarantees: ending a mailbox is complete before the call returns, and iterative: a death that causes no other
//! needs no stack. Closing is safe at any time, from any thread and from inside a handler, and never waits.

use super::*;
use crate::dispatch::{NotMine, Run, Time};
use crate::mailbox::{Affairs, Attend, Exit, Handler, Limit, Opening, Policy, Remains};
use crate::message::{EngineCounters, HandlerFn, MailboxCounters, WakeFn};
use crate::message::{
    REASON_CALLBACK_FAILED, REASON_ENGINE_CLOSED, REASON_KILLED, REASON_NORMAL, REASON_RUNTIME_EXIT, REASON_USER,
};
use crate::notify::{Parker, Wake};
use crate::oneshot::Of;
use crate::owed::Callback;
use crate::{call, monitor};
use std::collections::VecDeque;
use std::ffi::c_void;

/// How an engine opens.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineOptions {
    pub virtual_clock: bool,
    pub host_time: bool,
    /// 0: the default.
    pub max_bytes: u64,
    pub workers: u32,
    pub thread_start: Option<(ThreadFn, *mut c_void)>,
}

/// How a mailbox opens.
pub struct MailboxOptions<'a> {
    pub policy: u32,
    pub max_messages: u64,
    pub max_bytes: u64,
    pub block_timeout: i64,
    pub run_by: Id,
    pub callback: Callback<Option<HandlerFn>>,
    pub name: Option<&'a str>,
    pub notifiable: bool,
    pub by_workers: bool,
    /// Ends with the thread that opens it.
    pub thread_bound: bool,
}

pub fn engine_open(options: EngineOptions) -> Result<Id> {
    let EngineOptions { virtual_clock, host_time, max_bytes, workers, thread_start } = options;
    let staff = Staff::new(workers, thread_start);
    let world = world();
    let id = world.engines.open(|index| {
        world.store.budgets.of(index).set(max_bytes);
        Engine { staff, ..Engine::new(index, virtual_clock, host_time) }
    })?;
    record(Event::EngineOpen, id, Id::NONE, 0);
    Ok(id)
}

impl Engine {
    /// Closes it to everybody, once; its mailboxes are to end now.
    pub(crate) fn shut(&self) -> Result<()> {
        match self.closed.swap(true, SeqCst) {
            true => Err(Error::Stale.because("the engine is closed")),
            false => Ok(()),
        }
    }

    /// Ends every mailbox of an engine that was shut.
    pub(crate) fn end_all(&self, store: &Store) {
        let mailboxes: Vec<Id> = store.of_engine(self.index).collect();
        for mailbox in mailboxes {
            let _ = end_in(store, self, mailbox, REASON_ENGINE_CLOSED, &[]);
        }
    }
}

/// The process-wide engine; opened on first use, and anew when it was closed.
pub fn engine_default() -> Result<Id> {
    let world = world();
    loop {
        let known = *world.default.lock();
        if !known.is_none() && world.engine(known).is_ok() {
            return Ok(known);
        }
        let fresh = engine_open(EngineOptions::default())?;
        let mut default = world.default.lock();
        if *default == known {
            *default = fresh;
            return Ok(fresh);
        }
        drop(default);
        engine_close(fresh)?;
    }
}

/// Ends every mailbox and loop of an engine, and then the engine.
pub fn engine_close(id: Id) -> Result<()> {
    close(id, &|| ())
}

/// As [`engine_close`]; `last` is called before anything ends, by the one who closes it.
pub(super) fn close(id: Id, last: &dyn Fn()) -> Result<()> {
    let world = world();
    let engine = world.engine(id)?;
    engine.shut()?;
    record(Event::EngineClose, id, Id::NONE, 0);
    last();
    engine.end_all(&world.store);
    let loops: Vec<Id> = world.loops.ids(|looped| looped.engine == id.index());
    for looped in loops {
        let _ = loop_close(looped);
    }
    engine.timers.stop(&world.store);
    engine.topics.clear_retained();
    engine.staff.close();
    engine.processes.stop(&world.store);
    world.engines.close(id)?;
    Ok(())
}

pub fn engine_stats(id: Id) -> Result<EngineCounters> {
    let world = world();
    let engine = world.engine(id)?;
    Ok(EngineCounters {
        size: std::mem::size_of::<EngineCounters>(),
        mailboxes: engine.mailboxes.load(Acquire),
        names: engine.registry.len() as u64,
        timers: engine.timers.armed() as u64,
        subscriptions: engine.topics.len() as u64,
        dead_letters: engine.dead_letters.load(Acquire),
        published: engine.published.load(Acquire),
        threads: engine.threads.load(Acquire) as u64,
        queued_bytes: world.store.queued_bytes(engine.index),
        max_bytes: world.store.budgets.of(engine.index).max(),
    })
}

pub fn now(id: Id) -> Result<i64> {
    Ok(world().engine(id)?.clock.now())
}

pub fn mailbox_open(engine: Id, options: MailboxOptions<'_>) -> Result<Id> {
    let world = world();
    let owner = world.engine(engine)?;
    owner.check_open_to_outside()?;
    let policy = Policy::of(options.policy)?;
    let handler = options.callback;
    let looped = if options.run_by.is_none() { None } else { Some(world.looped(options.run_by)?) };
    match (&looped, handler.call) {
        (Some(looped), _) if looped.engine != engine.index() => {
            return Err(Error::BadId.because("the loop belongs to another engine than the mailbox"))
        }
        (Some(_), None) => return Err(Error::Inval.because("a loop is given but no handler; give both or neither")),
        (Some(_), _) if options.by_workers => {
            return Err(Error::Inval.because("a loop and TD_BY_WORKERS are given; give one of them"))
        }
        (None, None) if options.by_workers => {
            return Err(Error::Inval.because("TD_BY_WORKERS is given but no handler; give both or neither"))
        }
        (None, Some(_)) if !options.by_workers => {
            let detail = "a handler is given but nothing to run it; give a loop, or the flag TD_BY_WORKERS";
            return Err(Error::Inval.because(detail));
        }
        _ => {}
    }
    if let Some(name) = options.name {
        crate::registry::check_name(name)?;
    }
    let reader = match &looped {
        Some(looped) => Some(looped.clone() as Arc<dyn Attend>),
        None if options.by_workers => Some(owner.workers()? as _),
        None => None,
    };
    let MailboxOptions { max_messages, max_bytes, block_timeout, .. } = options;
    let bare = handler.call.is_none() && handler.is_plain();
    let opening = Opening {
        engine: engine.index(),
        by_hand: !owner.clock.is_real(),
        policy,
        limit: Limit { max_messages, max_bytes, block_timeout },
        reader,
        handler: (!bare).then(|| Arc::new(handler)),
    };
    let opened = world.store.open(opening, || owner.takes_mailboxes());
    let id = opened.map_err(|error| match owner.check_open_to_outside() {
        Err(draining) if !owner.closed.load(SeqCst) => draining,
        _ => error,
    })?;
    owner.mailboxes.fetch_add(1, AcqRel);
    record_often(Event::Open, id, engine, 0);
    let admitted =
        looped.map_or(Ok(()), |looped| looped.admit(id).map_err(|_| Error::Stale.because("the loop is closed")));
    let ready = if options.notifiable { admitted.and_then(|()| make_notifiable(world, id)) } else { admitted };
    let bound = if options.thread_bound { ready.and_then(|()| bound::bind(&world.store, id)) } else { ready };
    let named =
        bound.and_then(|()| options.name.map_or(Ok(()), |name| relations::register_in(world, &owner, id, name)));
    if let Err(error) = named {
        let _ = end(world, id, REASON_NORMAL, &[]);
        return Err(error);
    }
    Ok(id)
}

/// Ends a mailbox with a reason of the host's.
pub fn mailbox_exit(id: Id, reason: i32, data: &[u8]) -> Result<()> {
    let given = [REASON_NORMAL, REASON_CALLBACK_FAILED, REASON_RUNTIME_EXIT].contains(&reason);
    if !given && reason < REASON_USER {
        let detail = format!(
            "reason is {reason}; use TD_REASON_NORMAL, _CALLBACK_FAILED, _RUNTIME_EXIT, or your own from {REASON_USER} up"
        );
        return Err(Error::Inval.because(detail));
    }
    end(world(), id, reason, data)
}

pub fn mailbox_kill(id: Id) -> Result<()> {
    end(world(), id, REASON_KILLED, &[])
}

pub(super) fn end(world: &World, id: Id, reason: i32, data: &[u8]) -> Result<()> {
    let engine = world.engine_of(id)?;
    end_in(&world.store, &engine, id, reason, data)
}

/// Ends a mailbox of this engine, and those linked to it.
pub(crate) fn end_in(store: &Store, engine: &Engine, id: Id, reason: i32, data: &[u8]) -> Result<()> {
    let remains = store.end(id, reason)?;
    store.keep_last_words(id, data);
    if reason == REASON_CALLBACK_FAILED {
        let text = || {
            format!("the handler of mailbox {:#018x} failed: {}", id.0, String::from_utf8_lossy(data).escape_debug())
        };
        crate::log::write(crate::log::WARN, text);
    }
    // Without memory for the reason's bytes the code alone must do: the mailbox has ended.
    bury(store, engine, remains, copy(data).unwrap_or(None));
    Ok(())
}

/// As [`bury`], of a mailbox whose engine may be closed by now.
pub(super) fn bury_of(world: &World, remains: Remains) {
    // A closed engine has no names, topics and timers any more, as a new one has none.
    let engine = world.engine_of(remains.id).unwrap_or_else(|_| Arc::new(Engine::new(0, true, true)));
    bury(&world.store, &engine, remains, None);
}

/// Works off what a mailbox left, and then, one after another, those that end with it through links, with the same
/// reason and bytes.
pub(crate) fn bury(store: &Store, engine: &Engine, first: Remains, data: Option<Arc<Block>>) {
    let mut ended = VecDeque::new();
    let mut next = Some((first, data));
    while let Some((remains, data)) = next.take().or_else(|| ended.pop_front()) {
        let reason = remains.reason;
        match reason {
            REASON_NORMAL => record_often(Event::End, remains.id, Id::NONE, reason as i64),
            _ => record(Event::End, remains.id, Id::NONE, reason as i64),
        }
        let discarded = remains.discarded();
        if discarded > 0 {
            record_often(Event::Discarded, remains.id, Id::NONE, discarded as i64);
        }
        engine.note_end_for_drain(store, remains.id);
        engine.mailboxes.fetch_sub(1, AcqRel);
        if let Some(affairs) = &remains.affairs {
            untie(store, engine, remains.id, affairs);
        }
        disown(store, engine, &remains);
        if let Some(affairs) = remains.affairs.as_ref().filter(|_| reason != REASON_ENGINE_CLOSED) {
            let overflowed = engine.publish_will(store, remains.id, &affairs.ties);
            ended.extend(overflowed.into_iter().map(|remains| (remains, None)));
        }
        store.disband(remains.watched, Of::Target, |index, life| match store.shots.at(index).usage() {
            Use::Monitor => monitor::down(store, index, life, reason, &data),
            Use::Link => {
                if let Exit::Ends(linked) = store.exit(index, life, reason, &data, false) {
                    ended.push_back((*linked, data.clone()));
                }
            }
            _ => {
                call::down(store, index, life, reason, &data);
                engine.timers.leave(store, index, life);
            }
        });
        finish(store, remains);
    }
}

/// Names, groups, keys and subscriptions go.
fn untie(store: &Store, engine: &Engine, id: Id, affairs: &Affairs) {
    engine.registry.free(id, &affairs.names);
    engine.groups.forget(store, id, &affairs.ties.groups);
    if !affairs.ties.keys.is_empty() {
        engine.presence.forget(store, id, &affairs.ties.keys, &engine.clockwork());
    }
    engine.topics.forget(store, &affairs.quotas);
}

/// Own timers, monitors and calls go, and signals that were not delivered.
fn disown(store: &Store, engine: &Engine, remains: &Remains) {
    store.disband(remains.owned, Of::Owner, |index, life| {
        let shot = store.shots.at(index);
        if shot.usage() == Use::Watch {
            let _ = engine.let_go_of_watch(store, Id::new(Kind::Watch, life, index));
        }
        if shot.shift(life, State::Armed, State::Cancelled) {
            let caller = shot.body().caller.clone();
            if let Some(caller) = caller {
                caller.unpark();
            }
        } else {
            shot.shift(life, State::Queued, State::Flushed);
        }
        store.unwatch(index, life);
        if shot.usage() == Use::Monitor && shot.target().is_none() {
            engine.processes.leave(store, index, life);
        }
        engine.timers.leave(store, index, life);
    });
    store.disband(remains.signals, Of::Signal, |index, life| {
        store.shots.at(index).shift(life, State::Queued, State::Flushed);
    });
}

fn finish(store: &Store, mut remains: Remains) {
    if let Some(affairs) = &mut remains.affairs {
        let handler: Option<Arc<Handler>> = affairs.handler.take();
        match affairs.reader.take() {
            Some(reader) => reader.retire(remains.id, handler),
            None => drop(handler),
        }
    }
    store.finish(remains);
}

/// Waits until a mailbox is over and its handler does not run.
pub fn mailbox_wait(id: Id, timeout: i64, interruptible: bool) -> Result<()> {
    let world = world();
    let store = &world.store;
    let reader = store.reader_or_last(id)?;
    // A mailbox whose engine is closed has ended; only its handler may still run, and that in real time.
    let engine = world.engine_of(id).ok();
    let clock = engine.as_ref().map_or(&Clock::Real, |engine| &engine.clock);
    let deadline = clock.deadline(timeout);
    let parker = Parker::current();
    let wait = || match clock.wait(&parker, deadline, interruptible) {
        Wake::Interrupted => Err(Error::Intr),
        _ if clock.now() >= deadline => Err(if timeout <= 0 { Error::Again } else { Error::TimedOut }),
        _ => Ok(()),
    };
    if let Some(reader) = reader.iter().find(|reader| reader.is_mine(id)) {
        if reader.is_running(id, &parker) {
            return Err(Error::Deadlock.because("this thread is the one that runs the mailbox's handler"));
        }
    }
    loop {
        parker.reset();
        match store.tell_end(id, &parker) {
            Ok(()) => {}
            Err(Error::NoProc) => break,
            Err(error) => return Err(error),
        }
        if let Err(error) = wait() {
            store.forget_end(id, &parker);
            return match store.live(id) {
                Ok(_) => Err(error),
                Err(_) => continue,
            };
        }
        store.forget_end(id, &parker);
    }
    while let Some(reader) = &reader {
        parker.reset();
        if !reader.is_running(id, &parker) {
            break;
        }
        wait()?;
    }
    Ok(())
}

pub fn mailbox_stats(id: Id) -> Result<MailboxCounters> {
    world().store.stats(id)
}

/// Lets what comes into a mailbox wait.
pub fn suspend(id: Id) -> Result<()> {
    world().store.suspend(id)?;
    record(Event::Suspend, id, Id::NONE, 0);
    Ok(())
}

/// Hands on what has waited.
pub fn resume(id: Id) -> Result<()> {
    world().store.resume(id)?;
    record(Event::Resume, id, Id::NONE, 0);
    Ok(())
}

pub fn mailbox_fd(id: Id) -> Result<isize> {
    world().store.descriptor(id)
}

pub fn mailbox_user(id: Id) -> Result<*mut c_void> {
    world().store.user(id)
}

pub fn loop_open(engine: Id, budget: u32, wake: Option<Callback<WakeFn>>) -> Result<Id> {
    let world = world();
    let owner = world.engine(engine)?;
    let id = world.loops.open(|_| Loop::new(engine.index(), budget, wake))?;
    if owner.closed.load(SeqCst) {
        let _ = loop_close(id);
        return Err(Error::Stale.because("the engine is closed"));
    }
    record(Event::LoopOpen, id, engine, 0);
    Ok(id)
}

pub fn loop_run(id: Id, timeout: i64, interruptible: bool) -> Result<u32> {
    let world = world();
    let looped = world.looped(id).map_err(|error| match error {
        Error::Stale => Error::Closed.because("the loop is closed"),
        other => other,
    })?;
    let engine = world.engines.at(looped.engine).ok_or_else(|| Error::Closed.because("the loop's engine is closed"))?;
    let (store, clock) = (&world.store, &engine.clock);
    let time: &dyn Time = if engine.host_time { &*engine } else { &NotMine };
    // What its thread did in between is not known here.
    crate::recorder::time_passed();
    let result = looped.run(&Run { store, clock, timeout, interruptible, time });
    if result == Err(Error::Forked) {
        // In the child of a fork: these may be the last to hold what the parent has closed.
        std::mem::forget((looped, engine));
    }
    result
}

impl Time for Engine {
    fn tick(&self) {
        self.expire(&world().store, self.clock.now());
    }

    fn watch(&self, parker: &Arc<Parker>) -> i64 {
        self.timers.watch(&world().store, parker, self.clock.now()).unwrap_or(crate::clock::FOREVER)
    }

    fn unwatch(&self, parker: &Arc<Parker>) {
        self.timers.unwatch(parker);
    }
}

pub fn loop_fd(id: Id) -> Result<isize> {
    world().looped(id)?.descriptor()
}

/// Nanoseconds until the host has to run the loop for a timer.
pub fn loop_deadline(id: Id) -> Result<i64> {
    let world = world();
    let looped = world.looped(id)?;
    let engine = world.engines.at(looped.engine).ok_or_else(|| Error::Closed.because("the loop's engine is closed"))?;
    if !engine.host_time {
        return Ok(crate::clock::FOREVER);
    }
    match engine.timers.next_deadline() {
        crate::clock::FOREVER => Ok(crate::clock::FOREVER),
        deadline => Ok((deadline - engine.clock.now()).max(0)),
    }
}

pub fn loop_wake(id: Id) -> Result<()> {
    world().looped(id)?.wake()
}

/// Ends the loop's mailboxes, runs what waited for its thread, and lets go of it.
pub fn loop_close(id: Id) -> Result<()> {
    let world = world();
    let looped = world.loops.close(id).map_err(|error| match error {
        Error::Stale => error.because("the loop is closed already"),
        other => other,
    })?;
    record(Event::LoopClose, id, Id::NONE, 0);
    for mailbox in looped.close()? {
        let _ = end(world, mailbox, REASON_RUNTIME_EXIT, &[]);
    }
    looped.drain();
    Ok(())
}
