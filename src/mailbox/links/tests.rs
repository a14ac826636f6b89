//! The two ends of a link, each by itself.
//!
//! Guarantees: as the file above.

use super::super::{Opening, Patience};
use super::*;
use crate::clock::Clock;
use crate::error::Error;
use crate::message::{KIND_EXIT, REASON_KILLED};
use crate::oneshot::{Body, Making, Use};

const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

fn open(store: &Store) -> Id {
    store.open(Opening::default(), || true).unwrap()
}

/// The records of a link, in no place yet, as seen from `one`.
fn pair(store: &Store, one: Id, other: Id) -> Pair {
    let make = |owner, target| {
        let body = Body { from: target, ..Body::default() };
        store.shots.make(Making { usage: Use::Link, owner, target, holds: 2, home: 0, body }).unwrap().0
    };
    Pair { own: make(one, other), other: make(other, one) }
}

fn turned(pair: Pair) -> Pair {
    Pair { own: pair.other, other: pair.own }
}

fn is_freed(store: &Store, record: Id) -> bool {
    store.shots.find(record, crate::id::Kind::Link).is_err()
}

/// The other end is over: it lets go of its places.
fn disband(store: &Store, remains: Remains, mut watched: impl FnMut(u32, u32)) {
    store.disband(remains.owned, Of::Owner, |index, life| {
        store.shots.at(index).shift(life, State::Armed, State::Cancelled);
    });
    store.disband(remains.watched, Of::Target, &mut watched);
    store.finish(remains);
}

#[test]
fn both_ends_have_a_place_for_each_record() {
    let store = Store::default();
    let (a, b) = (open(&store), open(&store));
    let link = pair(&store, a, b);
    store.tie(a, b, link).unwrap();
    assert_eq!((store.is_linked(a, b), store.is_linked(b, a)), (Ok(true), Ok(false)));
    store.tie(b, a, turned(link)).unwrap();
    assert_eq!([a, b].map(|id| store.stats(id).unwrap().monitored_by), [1, 1]);
    store.untie(a, b).unwrap();
    assert_eq!([a, b].map(|id| store.stats(id).unwrap().monitored_by), [0, 1]);
    store.untie(b, a).unwrap();
    assert!(is_freed(&store, link.own) && is_freed(&store, link.other));
    assert_eq!((store.untie(a, b), store.untie(b, a)), (Ok(()), Ok(())));
}

#[test]
fn an_end_that_is_over_has_no_place() {
    let store = Store::default();
    let (a, b) = (open(&store), open(&store));
    let remains = store.end(b, REASON_KILLED).unwrap();
    let link = pair(&store, b, a);
    assert_eq!(store.tie(b, a, link), Err(Error::NoProc));
    assert_eq!(store.untie(b, a), Err(Error::NoProc));
    assert_eq!(store.set_trap(b, true), Err(Error::NoProc));
    disband(&store, remains, |_, _| unreachable!("nothing watches it"));
}

#[test]
fn a_record_that_was_cancelled_meanwhile_gets_no_place() {
    let store = Store::default();
    let (a, b) = (open(&store), open(&store));
    let link = pair(&store, a, b);
    let gone = store.shots.at(link.other.index());
    assert!(gone.shift(link.other.life(), State::Armed, State::Cancelled));
    store.tie(a, b, link).unwrap();
    assert_eq!((store.stats(a).unwrap().monitored_by, store.is_linked(a, b)), (0, Ok(true)));
    store.shots.let_go(link.other.index());
    assert!(is_freed(&store, link.other));
    store.untie(a, b).unwrap();
    store.shots.let_go(link.own.index());
    assert!(is_freed(&store, link.own));
}

/// Two that are linked, the second of which has ended: what the first does about it, called twice.
fn after_the_end(traps: bool, always: bool, reason: i32) -> (Store, Id, Id, Exit) {
    let store = Store::default();
    let (a, b) = (open(&store), open(&store));
    let link = pair(&store, a, b);
    store.tie(a, b, link).unwrap();
    store.tie(b, a, turned(link)).unwrap();
    store.set_trap(a, traps).unwrap();
    let remains = store.end(b, reason).unwrap();
    let data = Some(Block::copy(b"why"));
    let mut exit = None;
    disband(&store, remains, |index, life| {
        assert_eq!(index, link.own.index());
        assert!(exit.replace(store.exit(index, life, reason, &data, always)).is_none());
        assert!(matches!(store.exit(index, life, reason, &data, always), Exit::Lives), "it fires once");
    });
    (store, a, b, exit.expect("it was watched"))
}

#[test]
fn an_end_is_passed_on_with_its_reason() {
    let (store, a, _, exit) = after_the_end(false, false, REASON_KILLED);
    let Exit::Ends(remains) = exit else { panic!("it ends, too") };
    assert_eq!((remains.id, remains.reason), (a, REASON_KILLED));
    assert_eq!(store.live(a).err(), Some(Error::NoProc));
    disband(&store, *remains, |_, _| ());
    assert_eq!(store.stats(a).unwrap().reason, REASON_KILLED);
}

#[test]
fn a_normal_end_is_not_passed_on() {
    let (store, a, b, exit) = after_the_end(false, false, REASON_NORMAL);
    assert!(matches!(exit, Exit::Lives));
    assert_eq!(store.is_linked(a, b), Ok(false));
    assert_eq!(store.recv(a, &POLL).err(), Some(Error::Again));
}

#[test]
fn a_trap_makes_a_message_of_it() {
    for (traps, always, reason) in [(true, false, REASON_KILLED), (true, false, REASON_NORMAL), (false, true, 9)] {
        let (store, a, b, exit) = after_the_end(traps, always, reason);
        assert!(matches!(exit, Exit::Lives));
        let message = store.recv(a, &POLL).unwrap();
        assert_eq!((message.kind, message.from, message.status, message.data_size), (KIND_EXIT, b, reason, 3));
        store.release_message(Id(message.owner)).unwrap();
        assert_eq!((store.is_linked(a, b), store.traps(a)), (Ok(false), Ok(traps)));
        assert_eq!(store.recv(a, &POLL).err(), Some(Error::Again));
    }
}
