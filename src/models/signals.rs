//! Receivers that reach for a signal while it is flushed.
//!
//! Guarantees: a signal is delivered or flushed, never both, by whichever way it is received; a record that was freed
//! meanwhile and stands for something else by now is not touched.

use super::*;
use crate::mailbox::Select;
use crate::message::{Cursor, Match, KIND_DOWN, MATCH_KIND, MATCH_REF};
use crate::monitor::{demonitor, monitor, WAS_DELIVERED, WAS_FLUSHED};
use crate::timer::Alarm;

/// A watcher with a DOWN in its queue, and the monitor.
fn watcher(m: &Meeting) -> (Id, Id, Id) {
    let (w, dead) = (m.open(), m.open());
    m.end(dead);
    let watch = monitor(&m.store, w, dead, 1).unwrap();
    (w, dead, watch)
}

fn select(m: &Meeting, from: Id, wanted: Match) -> Result<Message> {
    m.release(m.store.recv_select(from, &mut Select::new(wanted), &POLL))
}

fn flush_meets(receive: impl Fn(&Meeting, Id, Id) -> bool + Copy + Send + Sync + 'static) {
    explore(move || {
        let m = meeting();
        let (w, dead, watch) = watcher(&m);
        // What comes after the flush may get the record's row, in another mailbox's queue.
        let other = m.open();
        let flusher = spawn(&m, move |m| {
            let outcome = demonitor(&m.store, watch, true).unwrap();
            (outcome, monitor(&m.store, other, dead, 2).unwrap())
        });
        let seen = receive(&m, w, watch);
        let (outcome, next) = flusher.join().unwrap();
        assert!(matches!((outcome, seen), (WAS_FLUSHED, false) | (WAS_DELIVERED, true)), "{outcome} {seen}");
        assert!(m.poll(w).is_err());
        let down = m.poll(other).unwrap();
        assert_eq!((down.kind, down.tag, down.r#ref), (KIND_DOWN, 2, next.0));
        m.assert_freed(next);
        (m.stats(w), m.stats(other));
    });
}

#[test]
fn a_receive_meets_a_flush() {
    flush_meets(|m, w, _| m.poll(w).is_ok());
}

#[test]
fn a_receive_by_kind_meets_a_flush() {
    flush_meets(|m, w, _| select(m, w, Match { fields: MATCH_KIND, kind: KIND_DOWN, ..Match::default() }).is_ok());
}

#[test]
fn a_receive_by_ref_meets_a_flush() {
    flush_meets(|m, w, watch| select(m, w, Match { fields: MATCH_REF, r#ref: watch.0, ..Match::default() }).is_ok());
}

#[test]
fn a_batch_meets_a_flush() {
    flush_meets(|m, w, _| {
        let Ok(mut batch) = m.store.recv_batch(w, &POLL) else { return false };
        let seen = m.store.batch_next(&mut batch).unwrap().is_some();
        m.store.batch_release(&mut batch).unwrap();
        seen
    });
}

#[test]
fn a_peek_and_a_take_meet_a_flush() {
    flush_meets(|m, w, watch| {
        let mut cursor = Cursor::default();
        let Ok(peeked) = m.release(m.store.peek(w, &mut cursor, &POLL)) else { return false };
        assert_eq!((peeked.tag, peeked.r#ref), (1, watch.0));
        m.release(m.store.take(w, &cursor)).is_ok()
    });
}

#[test]
fn a_monitor_of_the_past_is_told_from_the_timer_in_its_row() {
    explore(|| {
        let m = meeting();
        let (w, _, watch) = watcher(&m);
        let receiver = spawn(&m, move |m| {
            let seen = m.poll(w).is_ok();
            let alarm = Alarm { home: 0, deadline: FOREVER, period: 0, tag: 0, data: None };
            m.engine.timers.arm(&m.store, w, alarm).unwrap();
            seen
        });
        let outcome = demonitor(&m.store, watch, true).unwrap();
        let seen = receiver.join().unwrap();
        assert!(matches!((outcome, seen), (WAS_FLUSHED, false) | (WAS_DELIVERED, true)), "{outcome} {seen}");
    });
}
