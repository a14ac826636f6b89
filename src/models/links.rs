//! Links and the ends of both mailboxes.
//!
//! Guarantees: a link is at both ends or at none; an end is passed on once, or trapped once, or not at all after an
//! unlink; no record is left over or freed twice.

use super::*;
use crate::id::Kind;
use crate::link::{link, unlink};
use crate::message::{KIND_EXIT, REASON_NOPROC, REASON_OVERFLOW};

/// The EXITs that are there now.
fn exits(m: &Meeting, mailbox: Id) -> Vec<i32> {
    let exit = |message: Message| {
        assert_eq!((message.kind, message.r#ref), (KIND_EXIT, 0));
        message.status
    };
    std::iter::from_fn(|| m.poll(mailbox).ok()).map(exit).collect()
}

fn join(m: &Meeting, a: Id, b: Id) -> Result<()> {
    link(&m.store, &m.engine.links, a, b)
}

fn part(m: &Meeting, a: Id, b: Id) -> Result<()> {
    unlink(&m.store, &m.engine.links, a, b)
}

fn is_live(m: &Meeting, id: Id) -> bool {
    m.store.live(id).is_ok()
}

/// No record lives any more.
fn nothing_left(m: &Meeting) {
    for (index, life) in (0..4).flat_map(|index| [1, 3, 5].map(|life| (index, life))) {
        let record = m.store.shots.find(Id::new(Kind::Link, life, index), Kind::Link);
        assert!(record.is_err(), "record {index} is left over");
    }
}

#[test]
fn two_link_each_other_at_once() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        let other = spawn(&m, move |m| join(m, b, a));
        assert_eq!(join(&m, a, b), Ok(()));
        assert_eq!(other.join().unwrap(), Ok(()));
        assert_eq!((m.stats(a).monitored_by, m.stats(b).monitored_by), (1, 1));
        m.end(a);
        assert!(!is_live(&m, b));
        nothing_left(&m);
    });
}

#[test]
fn a_link_made_while_the_other_end_ends() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(b));
        let linked = join(&m, a, b);
        death.join().unwrap();
        match linked {
            Ok(()) => assert!(!is_live(&m, a), "it was linked and ends, too"),
            Err(error) => assert!(error == Error::NoProc && is_live(&m, a), "{error}"),
        }
        m.end(a);
        nothing_left(&m);
    });
}

#[test]
fn a_link_made_by_one_that_traps_while_the_other_end_ends() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        m.store.set_trap(a, true).unwrap();
        let death = spawn(&m, move |m| m.end(b));
        assert_eq!(join(&m, a, b), Ok(()));
        death.join().unwrap();
        let seen = exits(&m, a);
        assert!(seen == [WHY] || seen == [REASON_NOPROC], "{seen:?}");
        nothing_left(&m);
    });
}

#[test]
fn a_link_made_while_its_maker_ends() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(a));
        let linked = join(&m, a, b);
        death.join().unwrap();
        match linked {
            Ok(()) => assert!(!is_live(&m, b), "it was linked and ends, too"),
            Err(error) => assert_eq!(error, Error::NoProc),
        }
        m.end(b);
        nothing_left(&m);
    });
}

#[test]
fn both_ends_of_a_link_end_at_once() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        m.store.set_trap(b, true).unwrap();
        join(&m, a, b).unwrap();
        let death = spawn(&m, move |m| m.end(a));
        m.end(b);
        death.join().unwrap();
        assert!(!is_live(&m, a) && !is_live(&m, b));
        nothing_left(&m);
    });
}

#[test]
fn after_an_unlink_an_end_is_not_passed_on() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        join(&m, a, b).unwrap();
        let death = spawn(&m, move |m| m.end(b));
        let parted = part(&m, a, b);
        let lived = is_live(&m, a);
        death.join().unwrap();
        assert_eq!(parted.is_ok() && lived, is_live(&m, a), "it was over when unlink returned, or stays alive");
        m.end(a);
        nothing_left(&m);
    });
}

#[test]
fn an_unlink_from_the_other_end_meets_an_end() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        m.store.set_trap(a, true).unwrap();
        join(&m, a, b).unwrap();
        let death = spawn(&m, move |m| m.end(b));
        let _ = part(&m, b, a);
        death.join().unwrap();
        assert!(is_live(&m, a));
        let seen = exits(&m, a);
        assert!(seen.is_empty() || seen == [WHY], "{seen:?}");
        nothing_left(&m);
    });
}

#[test]
fn a_link_and_an_unlink_meet() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        let other = spawn(&m, move |m| part(m, b, a));
        assert_eq!(join(&m, a, b), Ok(()));
        assert_eq!(other.join().unwrap(), Ok(()));
        let linked = (m.stats(a).monitored_by, m.stats(b).monitored_by);
        assert!(linked == (0, 0) || linked == (1, 1), "{linked:?}");
        m.end(a);
        assert_eq!(is_live(&m, b), linked == (0, 0));
        m.end(b);
        nothing_left(&m);
    });
}

#[test]
fn trapping_begins_while_the_other_end_ends() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        join(&m, a, b).unwrap();
        let death = spawn(&m, move |m| m.end(b));
        let trapped = m.store.set_trap(a, true);
        death.join().unwrap();
        assert_eq!(trapped.is_ok(), is_live(&m, a));
        if trapped.is_ok() {
            assert_eq!(exits(&m, a), [WHY]);
        }
        nothing_left(&m);
    });
}

#[test]
fn an_overflow_that_kills_meets_a_receive() {
    explore(|| {
        let m = meeting();
        let (a, w) = (m.bounded(Policy::Kill, 1), m.open());
        let watch = crate::monitor::monitor(&m.store, w, a, 1).unwrap();
        m.send(a, 1);
        let sender = spawn(&m, move |m| m.offer(a, 2));
        let first = m.poll(a).map(|message| message.tag);
        match sender.join().unwrap() {
            Ok(queued) => assert!(queued && first == Ok(1) && m.tags(a) == [2]),
            Err(refusal) => {
                assert_eq!(refusal, Refusal::Full);
                assert!(!is_live(&m, a) && matches!(first, Ok(1) | Err(Error::Closed)), "{first:?}");
                assert_eq!(m.poll(w).unwrap().status, REASON_OVERFLOW);
                assert_eq!(m.stats(a).refused, 1);
                m.assert_freed(watch);
            }
        }
    });
}
