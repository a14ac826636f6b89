//! Links between mailboxes of one store.
//!
//! Guarantees: as the file above; the ends are worked off as the engine does it, and nothing else is.

use super::*;
use crate::clock::Clock;
use crate::id::Kind;
use crate::mailbox::{Exit, Opening, Patience};
use crate::message::{KIND_EXIT, REASON_KILLED, REASON_NORMAL};
use crate::oneshot::Of;
use std::collections::VecDeque;

const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

#[derive(Default)]
struct House {
    store: Store,
    gate: Gate,
}

impl House {
    fn open<const N: usize>(&self) -> [Id; N] {
        [0; N].map(|_| self.store.open(Opening::default(), || true).unwrap())
    }

    fn link(&self, one: Id, other: Id) -> Result<()> {
        link(&self.store, &self.gate, one, other)
    }

    fn unlink(&self, one: Id, other: Id) -> Result<()> {
        unlink(&self.store, &self.gate, one, other)
    }

    /// Ends a mailbox; the mailboxes that ended, in their order.
    fn end(&self, id: Id, reason: i32) -> Vec<Id> {
        let (store, mut ended) = (&self.store, Vec::new());
        let mut next = VecDeque::from([store.end(id, reason).unwrap()]);
        while let Some(remains) = next.pop_front() {
            ended.push(remains.id);
            store.disband(remains.owned, Of::Owner, |index, life| {
                store.shots.at(index).shift(life, State::Armed, State::Cancelled);
                store.unwatch(index, life);
            });
            store.disband(remains.signals, Of::Signal, |index, life| {
                store.shots.at(index).shift(life, State::Queued, State::Flushed);
            });
            store.disband(remains.watched, Of::Target, |index, life| {
                if let Exit::Ends(linked) = store.exit(index, life, remains.reason, &None, false) {
                    next.push_back(*linked);
                }
            });
            store.finish(remains);
        }
        ended
    }

    /// The EXITs that wait: from whom, and why.
    fn exits(&self, id: Id) -> Vec<(Id, i32)> {
        let next = || {
            let message = self.store.recv(id, &POLL).ok()?;
            self.store.release_message(Id(message.owner)).unwrap();
            assert_eq!(message.kind, KIND_EXIT);
            Some((message.from, message.status))
        };
        std::iter::from_fn(next).collect()
    }

    fn watched_by(&self, id: Id) -> u64 {
        self.store.stats(id).unwrap().monitored_by
    }

    /// Records of links that were made and not freed.
    fn records(&self) -> usize {
        let rows = (0..64).flat_map(|index| [1, 3].map(|life| Id::new(Kind::Link, life, index)));
        rows.filter(|record| self.store.shots.find(*record, Kind::Link).is_ok()).count()
    }
}

#[test]
fn two_mailboxes_have_one_link_whoever_makes_it() {
    let house = House::default();
    let [a, b] = house.open();
    for (one, other) in [(a, b), (a, b), (b, a)] {
        house.link(one, other).unwrap();
    }
    assert_eq!((house.watched_by(a), house.watched_by(b), house.records()), (1, 1, 2));
    house.unlink(b, a).unwrap();
    assert_eq!((house.watched_by(a), house.watched_by(b), house.records()), (0, 0, 0));
    assert_eq!(house.end(a, REASON_KILLED), [a]);
    assert!(house.store.live(b).is_ok());
}

#[test]
fn a_link_to_oneself_is_none() {
    let house = House::default();
    let [a] = house.open();
    house.link(a, a).unwrap();
    assert_eq!((house.watched_by(a), house.records()), (0, 0));
    house.unlink(a, a).unwrap();
    assert_eq!(house.end(a, REASON_KILLED), [a]);
}

#[test]
fn the_end_of_one_ends_those_linked_to_it_one_after_the_other() {
    let house = House::default();
    let [a, b, c, d, stranger] = house.open();
    for (one, other) in [(a, b), (b, c), (c, d), (d, a)] {
        house.link(one, other).unwrap();
    }
    assert_eq!(house.end(a, REASON_KILLED), [a, b, d, c]);
    assert_eq!([a, b, c, d].map(|id| house.store.stats(id).unwrap().reason), [REASON_KILLED; 4]);
    assert!(house.store.live(stranger).is_ok());
    assert_eq!(house.records(), 0);
}

#[test]
fn a_normal_end_takes_nobody_along_and_leaves_no_link() {
    let house = House::default();
    let [a, b] = house.open();
    house.link(a, b).unwrap();
    assert_eq!(house.end(a, REASON_NORMAL), [a]);
    assert_eq!((house.watched_by(b), house.records()), (0, 0));
    assert_eq!(house.exits(b), []);
    assert_eq!(house.store.is_linked(b, a), Ok(false));
}

#[test]
fn one_that_traps_is_told_and_lives() {
    let house = House::default();
    let [a, b, c] = house.open();
    house.store.set_trap(b, true).unwrap();
    for (one, other) in [(a, b), (b, c)] {
        house.link(one, other).unwrap();
    }
    assert_eq!(house.end(a, REASON_KILLED), [a]);
    assert_eq!(house.end(c, REASON_NORMAL), [c]);
    assert_eq!(house.exits(b), [(a, REASON_KILLED), (c, REASON_NORMAL)]);
    assert_eq!((house.watched_by(b), house.records()), (0, 0));
}

#[test]
fn there_is_no_link_to_the_dead() {
    let house = House::default();
    let [a, b] = house.open();
    house.end(b, REASON_NORMAL);
    assert_eq!(house.link(a, b), Err(Error::NoProc));
    assert_eq!(house.link(b, a), Err(Error::NoProc));
    house.store.set_trap(a, true).unwrap();
    assert_eq!(house.link(a, b), Ok(()));
    assert_eq!(house.exits(a), [(b, REASON_NOPROC)]);
    assert_eq!((house.watched_by(a), house.records()), (0, 0));
}

#[test]
fn what_is_no_link_is_taken_back_without_a_word() {
    let house = House::default();
    let [a, b, dead] = house.open();
    house.end(dead, REASON_NORMAL);
    assert_eq!(house.unlink(a, b), Ok(()));
    assert_eq!(house.unlink(a, dead), Ok(()));
    assert_eq!(house.unlink(dead, a), Err(Error::NoProc));
    assert_eq!(house.unlink(a, Id(7)), Err(Error::BadId));
}

#[test]
fn mailboxes_of_two_engines_are_not_linked() {
    let house = House::default();
    let [a] = house.open();
    let other = house.store.open(Opening { engine: 1, ..Opening::default() }, || true).unwrap();
    assert_eq!(house.link(a, other), Err(Error::BadId));
    assert_eq!(house.records(), 0);
}
