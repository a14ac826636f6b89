//! The facade's part on belonging: groups, presence, and the watches of both and of interest.
//!
//! Guarantees: each call names the engine it works on through the ids it is given; snapshots are handed out as
//! messages that the caller releases, laid out as in a RESYNC.

use super::*;
use crate::message::{Message, KIND_INTEREST, KIND_MEMBER, KIND_PRESENCE, KIND_RESYNC};
use crate::presence::Clockwork;
use crate::snapshot::Snapshot;
use crate::watch;

/// `TD_EINVAL` unless this can be the name of a group.
pub(super) fn check_group(name: &str) -> Result<()> {
    match name.len() {
        0 => Err(Error::Inval.because("the group's name is empty; give 1 to 255 bytes")),
        1..=crate::registry::MAX_NAME => Ok(()),
        size => Err(Error::Inval.because(format!("the group's name has {size} bytes; at most 255 are allowed"))),
    }
}

/// A live mailbox's engine.
fn home(world: &World, mailbox: Id) -> Result<Arc<Engine>> {
    world.store.live(mailbox)?;
    world.engine_of(mailbox)
}

/// A snapshot as a message: what a RESYNC of the watch would be.
fn show(world: &World, watch: Id, kind: u32, tag: u64, snapshot: &Snapshot) -> Result<Message> {
    let (entries, block) = snapshot.say();
    let mut message = world.store.message_of(Some(block), &[])?;
    (message.kind, message.r#ref, message.tag, message.info) = (KIND_RESYNC, watch.0, tag, [kind as u64, entries]);
    Ok(message)
}

/// As [`show`], for a watch that ends again when its snapshot cannot be shown.
fn begun(world: &World, watch: Id, kind: u32, tag: u64, snapshot: &Snapshot) -> Result<(Id, Message)> {
    let shown = show(world, watch, kind, tag, snapshot).inspect_err(|_| {
        let _ = unwatch(watch, true);
    })?;
    Ok((watch, shown))
}

pub fn group_join(mailbox: Id, group: &str) -> Result<()> {
    check_group(group)?;
    let world = world();
    home(world, mailbox)?.groups.join(&world.store, mailbox, group)?;
    record(Event::Join, mailbox, Id::NONE, 0);
    Ok(())
}

pub fn group_leave(mailbox: Id, group: &str) -> Result<()> {
    check_group(group)?;
    let world = world();
    home(world, mailbox)?.groups.leave(&world.store, mailbox, group)?;
    record(Event::Leave, mailbox, Id::NONE, 0);
    Ok(())
}

pub fn group_members(engine: Id, group: &str) -> Result<Message> {
    check_group(group)?;
    let world = world();
    let members = world.engine(engine)?.groups.members(group);
    show(world, Id::NONE, KIND_MEMBER, 0, &members)
}

pub fn group_watch(watcher: Id, group: &str, tag: u64) -> Result<(Id, Message)> {
    check_group(group)?;
    let world = world();
    let engine = home(world, watcher)?;
    let (watch, members) = engine.groups.watch(&world.store, watcher, group, tag, engine.index)?;
    record(Event::Watch, watch, watcher, 0);
    begun(world, watch, KIND_MEMBER, tag, &members)
}

pub fn presence_enter(mailbox: Id, group: &str, key: &str, grace: i64) -> Result<()> {
    check_group(group)?;
    let world = world();
    let engine = home(world, mailbox)?;
    if grace > 0 {
        engine.ensure_ticking()?;
    }
    engine.presence.enter(&world.store, mailbox, group, key, grace, &engine.clockwork())?;
    record(Event::Enter, mailbox, Id::NONE, 0);
    Ok(())
}

pub fn presence_leave(mailbox: Id, group: &str, key: &str) -> Result<()> {
    check_group(group)?;
    let world = world();
    home(world, mailbox)?.presence.leave(&world.store, mailbox, group, key)?;
    record(Event::Depart, mailbox, Id::NONE, 0);
    Ok(())
}

pub fn presence_keys(engine: Id, group: &str) -> Result<Message> {
    check_group(group)?;
    let world = world();
    let keys = world.engine(engine)?.presence.keys(group);
    show(world, Id::NONE, KIND_PRESENCE, 0, &keys)
}

pub fn presence_watch(watcher: Id, group: &str, tag: u64) -> Result<(Id, Message)> {
    check_group(group)?;
    let world = world();
    let engine = home(world, watcher)?;
    let (watch, keys) = engine.presence.watch(&world.store, watcher, group, tag, engine.index)?;
    record(Event::Watch, watch, watcher, 0);
    begun(world, watch, KIND_PRESENCE, tag, &keys)
}

/// Watches whether anybody subscribes to what a pattern meets, and says how many do now.
pub fn interest_watch(watcher: Id, pattern: &str, tag: u64) -> Result<(Id, u64)> {
    let world = world();
    let engine = home(world, watcher)?;
    let (watch, count) = engine.topics.watch(&world.store, watcher, pattern, tag, engine.index)?;
    record(Event::Watch, watch, watcher, 0);
    Ok((watch, count))
}

pub fn unwatch(watch: Id, flush: bool) -> Result<()> {
    let world = world();
    let (_, _, home) = watch::subject(&world.store, watch)?;
    let engine = world.engines.at(home).ok_or_else(|| watch::over(Error::Stale))?;
    engine.let_go_of_watch(&world.store, watch)?;
    watch::end(&world.store, watch, flush)?;
    record(Event::Unwatch, watch, Id::NONE, 0);
    Ok(())
}

impl Engine {
    /// The time of this engine, for presence.
    pub(super) fn clockwork(&self) -> Clockwork<'_> {
        Clockwork { timers: &self.timers, now: self.clock.now(), home: self.index }
    }

    /// Tells a watch nothing any more. `TD_ESTALE` when it was over.
    pub(crate) fn let_go_of_watch(&self, store: &Store, watch: Id) -> Result<()> {
        let (kind, subject, _) = watch::subject(store, watch)?;
        let found = match kind {
            KIND_MEMBER => self.groups.unwatch(&subject, watch),
            KIND_PRESENCE => self.presence.unwatch(&subject, watch),
            KIND_INTEREST => self.topics.unwatch(watch),
            _ => false,
        };
        found.then_some(()).ok_or_else(|| watch::over(Error::Stale))
    }
}
