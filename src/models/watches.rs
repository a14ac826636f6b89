//! Watches, groups, retained values and wills while others come and go.
//!
//! Guarantees: joining meets death without leaving a member behind; what a watch tells always adds up, also when an edge
//! meets the receive of a RESYNC; a retained value reaches a new subscriber once; a will comes before DOWN.

use super::*;
use crate::mailbox::Will;
use crate::message::{KIND_DOWN, KIND_MEMBER, KIND_RESYNC, KIND_TOPIC, STATUS_JOINED, STATUS_RETAINED};
use crate::topic::{Subscribing, Value};

/// How many joins the reader of a watch knows of, after this message.
fn hear(count: u64, message: &Message) -> u64 {
    match message.kind {
        KIND_RESYNC => message.info[1],
        KIND_MEMBER if message.status == STATUS_JOINED => count + 1,
        KIND_MEMBER => count - 1,
        kind => panic!("kind {kind}"),
    }
}

fn watched(m: &Meeting, watcher: Id) -> Id {
    m.engine.groups.watch(&m.store, watcher, "g", 1, 0).unwrap().0
}

fn join(m: &Meeting, mailbox: Id) -> Result<()> {
    m.engine.groups.join(&m.store, mailbox, "g")
}

fn members(m: &Meeting) -> u64 {
    m.engine.groups.members("g").say().0
}

const TO_T: Subscribing<'static> = Subscribing { pattern: "t", policy: Policy::DropNew, max_messages: 0, queue: None };

fn subscribe(m: &Meeting, mailbox: Id) {
    m.engine.topics.subscribe(&m.store, mailbox, &TO_T, &mut Vec::new()).unwrap();
}

#[test]
fn a_join_meets_a_death() {
    explore(|| {
        let m = meeting();
        let (w, a) = (m.open(), m.open());
        watched(&m, w);
        let death = spawn(&m, move |m| m.end(a));
        let joined = join(&m, a);
        death.join().unwrap();
        assert_eq!(members(&m), 0);
        let edges: Vec<i32> = std::iter::from_fn(|| m.poll(w).ok()).map(|message| message.status).collect();
        assert_eq!(edges.len(), if joined.is_ok() { 2 } else { 0 });
        m.stats(w);
    });
}

#[test]
fn an_edge_meets_the_receive_of_a_resync() {
    explore(|| {
        let m = meeting();
        let (w, a) = (m.bounded(Policy::Fail, 1), m.open());
        watched(&m, w);
        (0..2).for_each(|_| join(&m, a).unwrap());
        let other = spawn(&m, move |m| join(m, a).unwrap());
        let mut count = 0;
        for _ in 0..2 {
            count = hear(count, &m.poll(w).unwrap());
        }
        assert!((2..=3).contains(&count), "{count}");
        other.join().unwrap();
        while let Ok(message) = m.poll(w) {
            count = hear(count, &message);
        }
        assert_eq!(count, 3);
        m.stats(w);
    });
}

#[test]
fn a_resync_in_a_batch_goes_back_while_edges_come() {
    explore(|| {
        let m = meeting();
        let (w, a) = (m.bounded(Policy::Fail, 1), m.open());
        watched(&m, w);
        (0..2).for_each(|_| join(&m, a).unwrap());
        m.poll(w).unwrap();
        let mut batch = m.store.recv_batch(w, &POLL).unwrap();
        let other = spawn(&m, move |m| (0..2).for_each(|_| join(m, a).unwrap()));
        m.store.batch_release(&mut batch).unwrap();
        other.join().unwrap();
        let mut count = 1;
        while let Ok(message) = m.poll(w) {
            count = hear(count, &message);
        }
        assert_eq!(count, 4);
        assert_eq!(m.stats(w).queued, 0);
    });
}

#[test]
fn after_unwatching_with_a_flush_nothing_is_seen() {
    explore(|| {
        let m = meeting();
        let (w, a) = (m.bounded(Policy::Fail, 1), m.open());
        let watch = watched(&m, w);
        join(&m, a).unwrap();
        let other = spawn(&m, move |m| join(m, a).unwrap());
        m.engine.let_go_of_watch(&m.store, watch).unwrap();
        crate::watch::end(&m.store, watch, true).unwrap();
        assert!(m.poll(w).is_err());
        other.join().unwrap();
        assert!(m.poll(w).is_err());
        m.assert_freed(watch);
        m.stats(w);
    });
}

#[test]
fn a_watch_and_its_mailbox_end_at_once() {
    explore(|| {
        let m = meeting();
        let (w, a) = (m.bounded(Policy::Fail, 1), m.open());
        let watch = watched(&m, w);
        join(&m, a).unwrap();
        let death = spawn(&m, move |m| m.end(w));
        join(&m, a).unwrap();
        let ended = m.engine.let_go_of_watch(&m.store, watch).and_then(|()| crate::watch::end(&m.store, watch, false));
        assert!(matches!(ended, Ok(()) | Err(Error::Stale)));
        death.join().unwrap();
        m.assert_freed(watch);
    });
}

#[test]
fn a_retained_value_reaches_a_new_subscriber_once() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let publisher = spawn(&m, |m| {
            let mut draft = draft(7);
            draft.header.kind = KIND_TOPIC as u8;
            let value = Value { from: Id::NONE, tag: 7, data: crate::message::Block::own(vec![1]) };
            m.engine.topics.publish_retained(&m.store, "t", draft, Some(value), &mut Vec::new()).unwrap();
        });
        subscribe(&m, a);
        publisher.join().unwrap();
        let message = m.poll(a).unwrap();
        assert_eq!((message.kind, message.tag), (KIND_TOPIC, 7));
        assert!(message.status == 0 || message.status == STATUS_RETAINED);
        assert!(m.poll(a).is_err());
    });
}

#[test]
fn a_will_comes_before_down() {
    explore(|| {
        let m = meeting();
        let (w, a) = (m.open(), m.open());
        subscribe(&m, w);
        let will = Will { topic: "t".into(), tag: 7, data: None, retain: false };
        m.store.with_ties(a, |ties| ties.will = Some(Box::new(will))).unwrap();
        crate::monitor::monitor(&m.store, w, a, 1).unwrap();
        let death = spawn(&m, move |m| m.end(a));
        let kinds = [m.wait(w).unwrap().kind, m.wait(w).unwrap().kind];
        assert_eq!(kinds, [KIND_TOPIC, KIND_DOWN]);
        death.join().unwrap();
    });
}
