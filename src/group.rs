//! Groups: which mailboxes belong together.
//!
//! Guarantees: joining twice counts two; a mailbox that ends has left all its groups before anyone hears of its end;
//! a watch gets the members and then exactly one edge per join and leave, in their order. A group is there as long as
//! it has a member or a watch.

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::Store;
use crate::message::{KIND_MEMBER, STATUS_JOINED, STATUS_LEFT};
use crate::snapshot::{Bag, Edge, Snapshot};
use crate::sync::{rank, Arc, Mutex};
use crate::watch::{self, Named, Wakes, Watched};
use std::collections::BTreeSet;

/// The groups of one engine.
#[derive(Default)]
pub struct Groups {
    groups: Mutex<Named<Group>, { rank::GROUPS }>,
}

#[derive(Default)]
struct Group {
    members: Bag<Id>,
    watches: Vec<Id>,
}

impl Watched for Group {
    const KIND: u32 = KIND_MEMBER;

    fn watches(&mut self) -> &mut Vec<Id> {
        &mut self.watches
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::Members(self.members.clone())
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.watches.is_empty()
    }
}

impl Group {
    fn tell(&self, store: &Store, status: i32, from: Id, wakes: &mut Wakes) {
        let edge = Edge { status, from, key: None, count: 0 };
        watch::tell(store, &self.watches, &edge, &|| self.snapshot(), wakes);
    }
}

fn stranger(mailbox: Id, group: &str) -> Error {
    Error::NotFound.because(format!("{:#018x} is not in the group {group:?}", mailbox.0))
}

impl Groups {
    pub fn join(&self, store: &Store, mailbox: Id, name: &str) -> Result<()> {
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            let (name, first) = match groups.get_key_value(name) {
                Some((name, group)) => (name.clone(), group.members.count(&mailbox) == 0),
                None => (name.into(), true),
            };
            store.with_ties(mailbox, |ties| first.then(|| ties.groups.insert(name.clone())))?;
            let group = groups.entry(name).or_default();
            group.members.add(mailbox);
            group.tell(store, STATUS_JOINED, mailbox, &mut wakes);
        }
        watch::rouse(store, wakes);
        Ok(())
    }

    /// Takes one join back.
    pub fn leave(&self, store: &Store, mailbox: Id, name: &str) -> Result<()> {
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            store.live(mailbox)?;
            let group = groups.get_mut(name).ok_or_else(|| stranger(mailbox, name))?;
            let last = group.members.take(&mailbox).ok_or_else(|| stranger(mailbox, name))?;
            if last {
                let _ = store.with_ties(mailbox, |ties| ties.groups.remove(name));
            }
            group.tell(store, STATUS_LEFT, mailbox, &mut wakes);
            if group.is_empty() {
                groups.remove(name);
            }
        }
        watch::rouse(store, wakes);
        Ok(())
    }

    /// Takes a mailbox that has ended out of its groups.
    pub fn forget(&self, store: &Store, mailbox: Id, names: &BTreeSet<Arc<str>>) {
        if names.is_empty() {
            return;
        }
        let mut wakes = Wakes::new();
        {
            let mut groups = self.groups.lock();
            for name in names {
                let Some(group) = groups.get_mut(name) else { continue };
                while group.members.take(&mailbox).is_some() {
                    group.tell(store, STATUS_LEFT, mailbox, &mut wakes);
                }
                if group.is_empty() {
                    groups.remove(name);
                }
            }
        }
        watch::rouse(store, wakes);
    }

    pub fn members(&self, name: &str) -> Snapshot {
        watch::look(&self.groups.lock(), name)
    }

    /// Begins a watch, and gives the members at its beginning.
    pub fn watch(&self, store: &Store, watcher: Id, name: &str, tag: u64, home: u32) -> Result<(Id, Snapshot)> {
        watch::watch(&mut self.groups.lock(), store, watcher, name, tag, home)
    }

    /// Tells a watch nothing any more. False when it was not told anything.
    pub fn unwatch(&self, name: &str, watch: Id) -> bool {
        watch::unwatch(&mut self.groups.lock(), name, watch)
    }
}
