//! Presence: which keys are there in a group, carried by mailboxes that come and go.
//!
//! Guarantees: a key is present while any mailbox has entered it. When the last one leaves, it is gone at once; when
//! the last one ends, it stays until the longest grace of those that ended has run out, and if somebody enters it in
//! time nobody hears of it. A watch gets the keys and then one edge per key that comes or goes, in their order.

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::Store;
use crate::message::{KIND_PRESENCE, STATUS_JOINED, STATUS_LEFT};
use crate::oneshot::{Body, Making, Rare, State, Use};
use crate::snapshot::{Bag, Edge, Snapshot};
use crate::sync::{rank, Arc, Mutex};
use crate::timer::Timers;
use crate::watch::{self, Named, Wakes, Watched};
use std::collections::{BTreeSet, HashMap};

/// The keys of one engine.
#[derive(Default)]
pub struct Presence {
    groups: Mutex<Named<Group>, { rank::PRESENCE }>,
}

#[derive(Default)]
struct Group {
    keys: HashMap<Arc<str>, Key>,
    /// The same keys, in their order.
    order: Bag<Arc<str>>,
    watches: Vec<Id>,
}

#[derive(Default)]
struct Key {
    /// Who has entered it, and with what grace.
    entries: HashMap<Id, i64>,
    /// When the grace of those that ended is over.
    until: i64,
    /// Nobody carries it: the timer of its grace.
    lapse: Option<Id>,
}

/// Time as presence needs it.
pub struct Clockwork<'a> {
    pub timers: &'a Timers,
    pub now: i64,
    /// Row of the engine.
    pub home: u32,
}

/// `TD_EINVAL` unless this can be a key.
pub fn check_key(key: &str) -> Result<()> {
    match key.len() {
        1..=255 if !key.contains('\0') => Ok(()),
        0 => Err(Error::Inval.because("the key is empty; give 1 to 255 bytes")),
        1..=255 => Err(Error::Inval.because("the key has a NUL; leave it out")),
        size => Err(Error::Inval.because(format!("the key has {size} bytes; at most 255 are allowed"))),
    }
}

fn absent(mailbox: Id, group: &str, key: &str) -> Error {
    Error::NotFound.because(format!("{:#018x} has not entered {key:?} in {group:?}", mailbox.0))
}

impl Watched for Group {
    const KIND: u32 = KIND_PRESENCE;

    fn watches(&mut self) -> &mut Vec<Id> {
        &mut self.watches
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Keys(self.order.clone())
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.watches.is_empty()
    }
}

impl Group {
    fn tell(&self, store: &Store, status: i32, from: Id, key: &Arc<str>, wakes: &mut Wakes) {
        let edge = Edge { status, from, key: Some(key), count: 0 };
        watch::tell(store, &self.watches, &edge, &|| self.snapshot(), wakes);
    }

    fn remove(&mut self, store: &Store, from: Id, key: &Arc<str>, wakes: &mut Wakes) {
        self.keys.remove(key);
        self.order.take(key);
        self.tell(store, STATUS_LEFT, from, key, wakes);
    }
}

impl Presence {
    /// A mailbox carries a key; doing so again changes its grace.
    pub fn enter(
        &self,
        store: &Store,
        mailbox: Id,
        name: &str,
        key: &str,
        grace: i64,
        time: &Clockwork<'_>,
    ) -> Result<()> {
        check_key(key)?;
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            let name = groups.get_key_value(name).map_or_else(|| name.into(), |(name, _)| name.clone());
            let known = groups.get(&name).and_then(|group| group.keys.get_key_value(key));
            let is_new = known.is_none();
            let again = known.is_some_and(|(_, known)| known.entries.contains_key(&mailbox));
            let key: Arc<str> = known.map_or_else(|| key.into(), |(key, _)| key.clone());
            store.with_ties(mailbox, |ties| (!again).then(|| ties.keys.insert((name.clone(), key.clone()))))?;
            let group = groups.entry(name).or_default();
            let carried = group.keys.entry(key.clone()).or_default();
            carried.entries.insert(mailbox, grace);
            if let Some(lapse) = carried.lapse.take() {
                cancel(store, time.timers, lapse);
            }
            if is_new {
                group.order.add(key.clone());
                group.tell(store, STATUS_JOINED, mailbox, &key, &mut wakes);
            }
        }
        watch::rouse(store, wakes);
        Ok(())
    }

    pub fn leave(&self, store: &Store, mailbox: Id, name: &str, key: &str) -> Result<()> {
        check_key(key)?;
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            store.live(mailbox)?;
            let group = groups.get_mut(name).ok_or_else(|| absent(mailbox, name, key))?;
            let found = group.keys.get_key_value(key).map(|(key, _)| key.clone());
            let key = found.ok_or_else(|| absent(mailbox, name, key))?;
            let carried = group.keys.get_mut(&key).expect("it was found above");
            carried.entries.remove(&mailbox).ok_or_else(|| absent(mailbox, name, &key))?;
            let last = carried.entries.is_empty();
            let _ = store.with_ties(mailbox, |ties| ties.keys.remove(&(name.into(), key.clone())));
            if last {
                group.remove(store, mailbox, &key, &mut wakes);
            }
            if group.is_empty() {
                groups.remove(name);
            }
        }
        watch::rouse(store, wakes);
        Ok(())
    }

    /// A mailbox that has ended carries its keys no longer.
    pub fn forget(&self, store: &Store, mailbox: Id, keys: &BTreeSet<(Arc<str>, Arc<str>)>, time: &Clockwork<'_>) {
        if keys.is_empty() {
            return;
        }
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            for (name, key) in keys {
                let Some(group) = groups.get_mut(name) else { continue };
                let Some(carried) = group.keys.get_mut(key) else { continue };
                let Some(grace) = carried.entries.remove(&mailbox) else { continue };
                carried.until = carried.until.max(time.now.saturating_add(grace));
                if !carried.entries.is_empty() {
                    continue;
                }
                carried.lapse =
                    (carried.until > time.now).then(|| arm(store, time, name, key, carried.until, mailbox)).flatten();
                if carried.lapse.is_none() {
                    group.remove(store, mailbox, key, &mut wakes);
                }
                if group.is_empty() {
                    groups.remove(name);
                }
            }
        }
        watch::rouse(store, wakes);
    }

    /// The time of a key that nobody carries is over, if `timer` still is its timer.
    pub fn lapse(&self, store: &Store, timer: Id) {
        let body = store.shots.at(timer.index()).body();
        let (text, from) = (body.name().cloned(), body.from);
        drop(body);
        let Some((key, name)) = text.as_deref().and_then(|text| text.split_once('\0')) else { return };
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            let Some(group) = groups.get_mut(name) else { return };
            let found = group.keys.get_key_value(key).filter(|(_, carried)| carried.lapse == Some(timer));
            let Some(key) = found.map(|(key, _)| key.clone()) else { return };
            group.remove(store, from, &key, &mut wakes);
            if group.is_empty() {
                groups.remove(name);
            }
        }
        watch::rouse(store, wakes);
    }

    pub fn keys(&self, name: &str) -> Snapshot {
        watch::look(&self.groups.lock(), name)
    }

    /// Begins a watch, and gives the keys at its beginning.
    pub fn watch(&self, store: &Store, watcher: Id, name: &str, tag: u64, home: u32) -> Result<(Id, Snapshot)> {
        watch::watch(&mut self.groups.lock(), store, watcher, name, tag, home)
    }

    /// Tells a watch nothing any more. False when it was not told anything.
    pub fn unwatch(&self, name: &str, watch: Id) -> bool {
        watch::unwatch(&mut self.groups.lock(), name, watch)
    }
}

/// Arms the timer of a grace: a record of nobody's, whose name is key and group. `None` without memory for it, or when
/// the engine is closing.
fn arm(store: &Store, time: &Clockwork<'_>, name: &str, key: &str, until: i64, from: Id) -> Option<Id> {
    let text: Arc<str> = format!("{key}\0{name}").into();
    let body = Body { deadline: until, from, rare: Rare::named(text), ..Body::default() };
    let making = Making { usage: Use::Watch, owner: Id::NONE, target: Id::NONE, holds: 1, home: time.home, body };
    let (id, shot) = store.shots.make(making).ok()?;
    // It fires once.
    shot.cease();
    time.timers.enter(store, id, until);
    Some(id)
}

fn cancel(store: &Store, timers: &Timers, timer: Id) {
    store.shots.at(timer.index()).shift(timer.life(), State::Armed, State::Cancelled);
    timers.leave(store, timer.index(), timer.life());
}
