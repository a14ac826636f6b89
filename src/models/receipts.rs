//! Receipts: what a watcher is told of its messages.
//!
//! Guarantees: consumed is what a reader was given, discarded the rest, however the reader and the end meet.

use super::*;
use crate::call::{self, Request};
use crate::monitor::{demonitor, monitor_receipt};

fn send_from(m: &Meeting, to: Id, from: Id, tag: u64) {
    let mut draft = draft(tag);
    draft.header.from = from.0;
    match m.store.offer(to, &draft, None) {
        Ok(Outcome::Queued(roused) | Outcome::Replaced(roused)) => m.store.rouse(roused),
        _ => panic!("there is room"),
    }
}

#[test]
fn a_cursor_meets_the_end() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        monitor_receipt(&m.store, w, t, 1).unwrap();
        send_from(&m, t, w, 1);
        send_from(&m, t, w, 2);
        let mut batch = m.store.recv_batch(t, &POLL).unwrap();
        let death = spawn(&m, move |m| m.end(t));
        let passed = std::iter::from_fn(|| m.store.batch_next(&mut batch).unwrap()).count() as u64;
        death.join().unwrap();
        assert_eq!(m.poll(w).unwrap().info, [passed, 2 - passed]);
        m.store.batch_release(&mut batch).unwrap();
        assert_eq!(m.stats(t).delivered, passed);
    });
}

#[test]
fn a_batch_goes_back_while_its_mailbox_ends() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        monitor_receipt(&m.store, w, t, 1).unwrap();
        send_from(&m, t, w, 1);
        send_from(&m, t, w, 2);
        let mut batch = m.store.recv_batch(t, &POLL).unwrap();
        assert_eq!(m.store.batch_next(&mut batch).unwrap().unwrap().tag, 1);
        let death = spawn(&m, move |m| m.end(t));
        m.store.batch_release(&mut batch).unwrap();
        death.join().unwrap();
        assert_eq!(m.poll(w).unwrap().info, [1, 1]);
        assert_eq!(m.stats(t).delivered, 1);
    });
}

/// A batch of one request of the watcher's, which has been taken back.
fn withdrawn(m: &Meeting, w: Id, t: Id) -> crate::message::Batch {
    monitor_receipt(&m.store, w, t, 1).unwrap();
    let request = Request { to: t, from: w, waits: Id::NONE, tag: 1, payload: Payload::Copy(&[]), deadline: FOREVER };
    let ticket = call::start(&m.store, &request, false).unwrap();
    let batch = m.store.recv_batch(t, &POLL).unwrap();
    call::cancel(&m.store, ticket, &|_| ()).unwrap();
    batch
}

#[test]
fn what_was_withdrawn_from_a_batch_meets_the_end() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let mut batch = withdrawn(&m, w, t);
        let death = spawn(&m, move |m| m.end(t));
        assert!(m.store.batch_next(&mut batch).unwrap().is_none());
        death.join().unwrap();
        // Withdrawn, or discarded, but nobody was given it.
        assert_eq!(m.poll(w).unwrap().info[0], 0);
        m.store.batch_release(&mut batch).unwrap();
        assert_eq!(m.stats(t).delivered, 0);
    });
}

#[test]
fn what_was_withdrawn_goes_back_while_its_mailbox_ends() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let mut batch = withdrawn(&m, w, t);
        assert!(m.store.batch_next(&mut batch).unwrap().is_none());
        // As a host may that has not looked at it yet.
        batch.cursor = 0;
        let death = spawn(&m, move |m| m.end(t));
        m.store.batch_release(&mut batch).unwrap();
        death.join().unwrap();
        assert_eq!(m.poll(w).unwrap().info[0], 0);
        assert_eq!(m.stats(t).delivered, 0);
    });
}

#[test]
fn a_receipt_is_taken_back_while_its_target_ends() {
    explore(|| {
        let m = meeting();
        let (w, t) = (m.open(), m.open());
        let watch = monitor_receipt(&m.store, w, t, 1).unwrap();
        send_from(&m, t, w, 1);
        let death = spawn(&m, move |m| m.end(t));
        let _ = demonitor(&m.store, watch, true).unwrap();
        death.join().unwrap();
        assert!(m.poll(w).is_err());
        m.assert_freed(watch);
    });
}
