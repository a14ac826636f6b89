//! The facade's part on relations: monitors, links, names, subscriptions and timers.
//!
//! Guarantees: each call names the engine it works on through the ids it is given, and refuses ids of another.

use super::*;
use crate::link as linking;
use crate::mailbox::Policy;
use crate::monitor as watching;
use crate::timer::Alarm;
use crate::topic::Subscribing;

pub fn monitor_receipt(watcher: Id, target: Id, tag: u64) -> Result<Id> {
    let id = watching::monitor_receipt(&world().store, watcher, target, tag)?;
    record_often(Event::Monitor, id, target, 0);
    Ok(id)
}

pub fn monitor(watcher: Id, target: Id, tag: u64) -> Result<Id> {
    let id = watching::monitor(&world().store, watcher, target, tag)?;
    record_often(Event::Monitor, id, target, 0);
    Ok(id)
}

pub fn monitor_name(watcher: Id, name: &str, tag: u64) -> Result<Id> {
    let world = world();
    world.store.live(watcher)?;
    crate::registry::check_name(name)?;
    let registry = &world.engine_of(watcher)?.registry;
    // The registry stays locked until the record is linked at the holder, so the name means one mailbox throughout.
    let linked =
        registry.with_holder(name, |holder| watching::monitor_holder(&world.store, watcher, name, holder, tag));
    let (id, there) = linked?;
    record_often(Event::Monitor, id, watcher, 0);
    if !there {
        watching::nobody(&world.store, id);
    }
    Ok(id)
}

/// Watches a process of the system.
pub fn monitor_os_process(watcher: Id, pid: i64, tag: u64) -> Result<Id> {
    let world = world();
    world.store.live(watcher)?;
    let engine = world.engine_of(watcher)?;
    let start = |bell| engine.watch_processes(bell);
    let id = engine.processes.monitor(&world.store, engine.index, watcher, pid, tag, start)?;
    record_often(Event::Monitor, id, Id::NONE, pid);
    Ok(id)
}

pub fn demonitor(id: Id, flush: bool) -> Result<u32> {
    record_often(Event::Demonitor, id, Id::NONE, 0);
    take_back(world(), id, flush)
}

fn take_back(world: &World, id: Id, flush: bool) -> Result<u32> {
    // Only the monitor of a process, and one that found nobody, has no target.
    let shot = world.store.shots.find(id, Kind::Monitor).ok();
    let home = shot.filter(|shot| shot.target().is_none()).map(|shot| shot.home());
    let outcome = watching::demonitor(&world.store, id, flush)?;
    if let (watching::WAS_ARMED, Some(engine)) = (outcome, home.and_then(|home| world.engines.at(home))) {
        engine.processes.leave(&world.store, id.index(), id.life());
    }
    Ok(outcome)
}

pub fn link(mailbox: Id, other: Id) -> Result<()> {
    let world = world();
    world.store.live(mailbox)?;
    linking::link(&world.store, &world.engine_of(mailbox)?.links, mailbox, other)?;
    record_often(Event::Link, mailbox, other, 0);
    Ok(())
}

pub fn unlink(mailbox: Id, other: Id) -> Result<()> {
    let world = world();
    world.store.live(mailbox)?;
    linking::unlink(&world.store, &world.engine_of(mailbox)?.links, mailbox, other)?;
    record_often(Event::Unlink, mailbox, other, 0);
    Ok(())
}

pub fn trap_exit(mailbox: Id, on: bool) -> Result<()> {
    world().store.set_trap(mailbox, on)
}

pub fn register(mailbox: Id, name: &str) -> Result<()> {
    let world = world();
    world.store.live(mailbox)?;
    register_in(world, &*world.engine_of(mailbox)?, mailbox, name)
}

pub(super) fn register_in(world: &World, engine: &Engine, mailbox: Id, name: &str) -> Result<()> {
    engine.registry.register(&world.store, mailbox, name)?;
    record_often(Event::Named, mailbox, Id::NONE, 0);
    Ok(())
}

pub fn register_replace(mailbox: Id, name: &str) -> Result<Id> {
    let world = world();
    world.store.live(mailbox)?;
    let before = world.engine_of(mailbox)?.registry.replace(&world.store, mailbox, name)?;
    if !before.is_none() {
        record_often(Event::Unnamed, before, mailbox, 0);
    }
    record_often(Event::Named, mailbox, before, 0);
    Ok(before)
}

pub fn unregister(engine: Id, name: &str) -> Result<()> {
    let world = world();
    let holder = world.engine(engine)?.registry.unregister(&world.store, name)?;
    record_often(Event::Unnamed, holder, Id::NONE, 0);
    Ok(())
}

pub fn whereis(engine: Id, name: &str) -> Result<Id> {
    world().engine(engine)?.registry.whereis(name)
}

pub fn subscribe(mailbox: Id, pattern: &str, policy: u32, max_messages: u64, queue: Option<&str>) -> Result<Id> {
    let world = world();
    world.store.live(mailbox)?;
    let engine = world.engine_of(mailbox)?;
    queue.map_or(Ok(()), check_group)?;
    let subscribing = Subscribing { pattern, policy: Policy::of(policy)?, max_messages, queue };
    let mut ended = Vec::new();
    let subscribed = engine.topics.subscribe(&world.store, mailbox, &subscribing, &mut ended);
    publishing::bury_all(&world.store, &engine, ended);
    let id = subscribed?;
    record_often(Event::Subscribe, id, mailbox, 0);
    Ok(id)
}

pub fn unsubscribe(id: Id, flush: bool) -> Result<()> {
    let world = world();
    let mailbox = world.store.quotas.find(id)?.mailbox();
    let engine = world.engine_of(mailbox).map_err(|_| Error::Stale)?;
    record_often(Event::Unsubscribe, id, mailbox, 0);
    engine.topics.unsubscribe(&world.store, id, flush)
}

fn check_delay(what: &str, delay: i64, least: i64) -> Result<()> {
    if delay < least {
        return Err(Error::Inval.because(format!("{what} is {delay} ns; at least {least} is needed")));
    }
    Ok(())
}

pub fn send_after(to: Id, delay: i64, tag: u64, data: &[u8]) -> Result<Id> {
    check_delay("the delay", delay, 0)?;
    let world = world();
    world.store.live(to)?;
    let engine = world.engine_of(to)?;
    engine.ensure_ticking()?;
    let alarm = Alarm { home: engine.index, deadline: engine.clock.deadline(delay), period: 0, tag, data: copy(data)? };
    noted(engine.timers.arm(&world.store, to, alarm), to, delay)
}

/// Records a timer that was armed.
fn noted(timer: Result<Id>, to: Id, time: i64) -> Result<Id> {
    let timer = timer?;
    record_often(Event::Armed, timer, to, time);
    Ok(timer)
}

pub fn send_after_name(engine: Id, name: &str, delay: i64, tag: u64, data: &[u8]) -> Result<Id> {
    check_delay("the delay", delay, 0)?;
    crate::registry::check_name(name)?;
    let world = world();
    let engine = world.engine(engine)?;
    engine.ensure_ticking()?;
    let alarm = Alarm { home: engine.index, deadline: engine.clock.deadline(delay), period: 0, tag, data: copy(data)? };
    noted(engine.timers.arm_name(&world.store, name, alarm), Id::NONE, delay)
}

pub fn send_every(to: Id, period: i64, tag: u64, data: &[u8]) -> Result<Id> {
    check_delay("the period", period, 1)?;
    let world = world();
    world.store.live(to)?;
    let engine = world.engine_of(to)?;
    engine.ensure_ticking()?;
    let alarm = Alarm { home: engine.index, deadline: engine.clock.deadline(period), period, tag, data: copy(data)? };
    noted(engine.timers.arm(&world.store, to, alarm), to, period)
}

/// The engine in whose wheel a timer is.
fn engine_of_timer(world: &World, timer: Id) -> Result<Arc<Engine>> {
    let gone = |error| match error {
        Error::Stale => Error::Stale.because("the timer has fired or was cancelled"),
        other => other,
    };
    let shot = world.store.shots.find(timer, Kind::Timer).map_err(gone)?;
    world.engines.at(shot.home()).ok_or_else(|| gone(Error::Stale))
}

pub fn timer_cancel(timer: Id) -> Result<i64> {
    let world = world();
    let engine = engine_of_timer(world, timer)?;
    let left = engine.timers.cancel(&world.store, timer, engine.clock.now())?;
    record_often(Event::Cancelled, timer, Id::NONE, left);
    Ok(left)
}

pub fn timer_read(timer: Id) -> Result<i64> {
    let world = world();
    let engine = engine_of_timer(world, timer)?;
    engine.timers.read(&world.store, timer, engine.clock.now())
}
