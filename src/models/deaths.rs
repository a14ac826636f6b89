//! Monitors and the ends of watcher and target.
//!
//! Guarantees: a monitor gives exactly one DOWN, or none if it was taken back or its watcher ended; its record is freed
//! exactly once, and nothing of it is left at the target.

use super::*;
use crate::message::{KIND_DOWN, REASON_NOPROC};
use crate::monitor::{demonitor, monitor, WAS_ARMED, WAS_DELIVERED, WAS_FLUSHED};

/// The DOWNs that are there now.
fn downs(m: &Meeting, watcher: Id) -> Vec<i32> {
    let down = |message: Message| {
        assert_eq!(message.kind, KIND_DOWN);
        message.status
    };
    std::iter::from_fn(|| m.poll(watcher).ok()).map(down).collect()
}

#[test]
fn a_monitor_made_while_its_target_ends_fires_once() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(t));
        let watch = monitor(&m.store, w, t, 1).unwrap();
        death.join().unwrap();
        let seen = downs(&m, w);
        assert!(seen == [WHY] || seen == [REASON_NOPROC], "{seen:?}");
        assert_eq!(m.stats(w).monitors, 0);
        m.assert_freed(watch);
    });
}

#[test]
fn a_parked_watcher_hears_of_the_end() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let watch = monitor(&m.store, w, t, 1).unwrap();
        let death = spawn(&m, move |m| m.end(t));
        let down = m.wait(w).unwrap();
        assert_eq!((down.kind, down.r#ref), (KIND_DOWN, watch.0));
        death.join().unwrap();
        m.assert_freed(watch);
    });
}

#[test]
fn a_monitor_is_taken_back_or_fires() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let watch = monitor(&m.store, w, t, 1).unwrap();
        let death = spawn(&m, move |m| m.end(t));
        let outcome = demonitor(&m.store, watch, false).unwrap();
        death.join().unwrap();
        let seen = downs(&m, w).len();
        assert!(matches!((outcome, seen), (WAS_ARMED, 0) | (WAS_DELIVERED, 1)), "{outcome} {seen}");
        m.assert_freed(watch);
    });
}

#[test]
fn after_a_flush_no_down_is_seen() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let watch = monitor(&m.store, w, t, 1).unwrap();
        let death = spawn(&m, move |m| m.end(t));
        let outcome = demonitor(&m.store, watch, true).unwrap();
        assert!(matches!(outcome, WAS_ARMED | WAS_FLUSHED), "{outcome}");
        assert!(downs(&m, w).is_empty());
        death.join().unwrap();
        assert!(downs(&m, w).is_empty());
        m.assert_freed(watch);
    });
}

#[test]
fn monitor_demonitor_and_exit_meet() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(t));
        let watch = monitor(&m.store, w, t, 1).unwrap();
        let outcome = demonitor(&m.store, watch, false).unwrap();
        death.join().unwrap();
        let seen = downs(&m, w).len();
        assert!(matches!((outcome, seen), (WAS_ARMED, 0) | (WAS_DELIVERED, 1)), "{outcome} {seen}");
        m.assert_freed(watch);
    });
}

#[test]
fn two_take_one_monitor_back_while_its_target_ends() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let watch = monitor(&m.store, w, t, 1).unwrap();
        let death = spawn(&m, move |m| m.end(t));
        let other = spawn(&m, move |m| demonitor(&m.store, watch, true).unwrap());
        let own = demonitor(&m.store, watch, true).unwrap();
        let outcomes = [own, other.join().unwrap()];
        death.join().unwrap();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome != WAS_DELIVERED).count(), 1, "{outcomes:?}");
        assert!(downs(&m, w).is_empty());
        m.assert_freed(watch);
    });
}

#[test]
fn watcher_and_target_end_at_once() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let watch = monitor(&m.store, w, t, 1).unwrap();
        let death = spawn(&m, move |m| m.end(t));
        m.end(w);
        death.join().unwrap();
        m.assert_freed(watch);
        assert_eq!((m.stats(w).queued, m.stats(t).monitored_by), (0, 0));
    });
}

#[test]
fn watchers_of_each_other_end_at_once() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        let watches = [monitor(&m.store, a, b, 1).unwrap(), monitor(&m.store, b, a, 1).unwrap()];
        let death = spawn(&m, move |m| m.end(a));
        m.end(b);
        death.join().unwrap();
        watches.into_iter().for_each(|watch| m.assert_freed(watch));
    });
}

#[test]
fn a_watcher_that_ends_while_it_monitors_leaves_nothing() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(w));
        let watch = monitor(&m.store, w, t, 1);
        death.join().unwrap();
        assert_eq!(m.stats(t).monitored_by, 0);
        match watch {
            Ok(watch) => m.assert_freed(watch),
            Err(error) => assert_eq!(error, Error::NoProc),
        }
    });
}

#[test]
fn a_monitor_and_both_ends_meet() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let one = spawn(&m, move |m| m.end(w));
        let two = spawn(&m, move |m| m.end(t));
        let watch = monitor(&m.store, w, t, 1);
        (one.join().unwrap(), two.join().unwrap());
        match watch {
            Ok(watch) => m.assert_freed(watch),
            Err(error) => assert_eq!(error, Error::NoProc),
        }
    });
}
