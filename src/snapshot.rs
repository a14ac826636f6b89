//! Snapshots: what a watch tells its mailbox when it begins, and again when it could not tell every change.
//!
//! Guarantees: a snapshot and the edges applied to it are the true state, in O(1) per edge; what it says is in the
//! order in which members and keys came.

use crate::id::Id;
use crate::message::{Block, STATUS_JOINED, STATUS_LEFT};
use crate::sync::Arc;
use std::collections::HashMap;
use std::hash::Hash;

/// Things that were put in so many times, in the order in which they came first.
#[derive(Clone, Debug)]
pub struct Bag<K> {
    /// How often, and the number of the first.
    things: HashMap<K, (u64, u64)>,
    next: u64,
}

impl<K> Default for Bag<K> {
    fn default() -> Self {
        Bag { things: HashMap::new(), next: 0 }
    }
}

impl<K: Hash + Eq> Bag<K> {
    /// True when it was not there.
    pub fn add(&mut self, thing: K) -> bool {
        let number = self.next;
        self.next += 1;
        let (count, _) = self.things.entry(thing).or_insert((0, number));
        *count += 1;
        *count == 1
    }

    /// Takes it out once; true when it is gone. `None` when it was not there.
    pub fn take(&mut self, thing: &K) -> Option<bool> {
        let (count, _) = self.things.get_mut(thing)?;
        *count -= 1;
        let last = *count == 0;
        if last {
            self.things.remove(thing);
        }
        Some(last)
    }

    /// How often it is there.
    pub fn count(&self, thing: &K) -> u64 {
        self.things.get(thing).map_or(0, |(count, _)| *count)
    }

    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// Everything, with how often it is there, in order.
    pub fn sorted(&self) -> Vec<(&K, u64)> {
        let mut all: Vec<_> = self.things.iter().collect();
        all.sort_unstable_by_key(|(_, (_, number))| *number);
        all.into_iter().map(|(thing, (count, _))| (thing, *count)).collect()
    }
}

/// A change of what is watched.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'a> {
    /// `STATUS_JOINED` and the like; 0 for a change that is no message, only part of a snapshot.
    pub status: i32,
    pub from: Id,
    pub key: Option<&'a Arc<str>>,
    /// Interest: how many subscriptions there are now.
    pub count: u64,
}

/// See the file's comment.
#[derive(Clone, Debug)]
pub enum Snapshot {
    Members(Bag<Id>),
    Keys(Bag<Arc<str>>),
    Count(u64),
    /// Written down already: nothing can be applied to it any more.
    Said(u64, Arc<Block>),
}

impl Snapshot {
    pub fn is_open(&self) -> bool {
        !matches!(self, Snapshot::Said(..))
    }

    pub fn apply(&mut self, edge: &Edge<'_>) {
        match self {
            Snapshot::Members(members) if edge.status == STATUS_JOINED => drop(members.add(edge.from)),
            Snapshot::Members(members) if edge.status == STATUS_LEFT => drop(members.take(&edge.from)),
            Snapshot::Keys(keys) => match edge.key {
                Some(key) if edge.status == STATUS_JOINED => drop(keys.add(key.clone())),
                Some(key) => drop(keys.take(key)),
                None => {}
            },
            Snapshot::Count(count) => *count = edge.count,
            _ => {}
        }
    }

    /// How many entries it has, and its bytes: an array of mailbox ids, keys with a NUL behind each, or one number.
    pub fn say(&self) -> (u64, Arc<Block>) {
        let mut entries = 0;
        let mut bytes = Vec::new();
        match self {
            Snapshot::Members(members) => {
                for (member, count) in members.sorted() {
                    entries += count;
                    (0..count).for_each(|_| bytes.extend_from_slice(&member.0.to_ne_bytes()));
                }
            }
            Snapshot::Keys(keys) => {
                for (key, _) in keys.sorted() {
                    entries += 1;
                    bytes.extend_from_slice(key.as_bytes());
                    bytes.push(0);
                }
            }
            Snapshot::Count(count) => {
                entries = *count;
                bytes.extend_from_slice(&count.to_ne_bytes());
            }
            Snapshot::Said(entries, block) => return (*entries, block.clone()),
        }
        (entries, Block::own(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bag_counts_and_keeps_the_order() {
        let mut bag = Bag::default();
        assert!(bag.add('b') && bag.add('a') && !bag.add('b'));
        assert_eq!(bag.sorted(), [(&'b', 2), (&'a', 1)]);
        assert_eq!((bag.take(&'b'), bag.take(&'b'), bag.take(&'b')), (Some(false), Some(true), None));
        assert_eq!((bag.count(&'a'), bag.count(&'b')), (1, 0));
    }

    #[test]
    fn a_snapshot_says_what_is_there() {
        let mut keys = Snapshot::Keys(Bag::default());
        let edge = |status, key| Edge { status, from: Id::NONE, key: Some(key), count: 0 };
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "bb".into());
        for (status, key) in [(STATUS_JOINED, &b), (STATUS_JOINED, &a), (STATUS_LEFT, &b), (STATUS_JOINED, &b)] {
            keys.apply(&edge(status, key));
        }
        let (entries, block) = keys.say();
        assert_eq!((entries, block.size()), (2, 5));
        let said = Snapshot::Said(entries, block);
        assert!(!said.is_open() && said.say().0 == 2);
    }
}
