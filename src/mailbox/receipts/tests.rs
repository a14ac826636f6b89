//! What receipts count, whichever way a message leaves the queue.
//!
//! Guarantees: as the file above.

use super::super::draft::Draft;
use super::super::{Limit, Opening, Outcome, Patience, Policy, Remains, Select};
use super::*;
use crate::clock::Clock;
use crate::message::{Match, Message, Payload, KIND_MESSAGE, KIND_REQUEST, KIND_TOPIC, MATCH_TAG, REASON_KILLED};
use crate::oneshot::{Body, Making, Use};

const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

/// A target, and watchers that send to it.
struct Scene {
    store: Store,
    target: Id,
}

impl Scene {
    fn new(policy: Policy, max_messages: u64) -> Scene {
        let store = Store::default();
        let limit = Limit { max_messages, ..Limit::default() };
        let target = store.open(Opening { policy, limit, ..Opening::default() }, || true).unwrap();
        Scene { store, target }
    }

    fn open(&self) -> Id {
        self.store.open(Opening::default(), || true).unwrap()
    }

    /// A monitor of the target with a receipt.
    fn watch(&self, watcher: Id) -> Id {
        let (owner, target) = (watcher, self.target);
        let body = Body { from: target, ..Body::default() };
        let making = Making { usage: Use::Monitor, owner, target, holds: 2, home: 0, body };
        let record = self.store.shots.make(making).unwrap().0;
        self.store.link_owner(watcher, record.index(), Error::NoProc).unwrap();
        assert_eq!(self.store.link_target_with_receipt(target, record.index(), record.life(), watcher), Ok(true));
        record
    }

    fn offer(&self, kind: u32, from: Id, tag: u64, reference: Id) {
        let header = FrameHeader { kind: kind as u8, from: from.0, tag, r#ref: reference.0, ..FrameHeader::default() };
        let draft = Draft { header, payload: Payload::Copy(b"bytes"), topic: &[], trailer: None };
        match self.store.offer(self.target, &draft, None) {
            Ok(Outcome::Queued(_) | Outcome::Replaced(_) | Outcome::Dropped) => {}
            _ => panic!("it is taken in"),
        }
    }

    fn send(&self, from: Id, tags: impl IntoIterator<Item = u64>) {
        tags.into_iter().for_each(|tag| self.offer(KIND_MESSAGE, from, tag, Id::NONE));
    }

    fn recv(&self) -> u64 {
        self.release(self.store.recv(self.target, &POLL))
    }

    fn release(&self, received: Result<Message>) -> u64 {
        let message = received.unwrap();
        self.store.release_message(Id(message.owner)).unwrap();
        message.tag
    }

    fn end(&self) -> Remains {
        self.store.end(self.target, REASON_KILLED).unwrap()
    }

    /// What the DOWN of this record will say.
    fn said(&self, record: Id) -> [u64; 2] {
        self.store.shots.at(record.index()).body().info
    }

    fn counts_receipts(&self) -> bool {
        let slot = self.store.live(self.target).unwrap();
        let tail = slot.tail.lock();
        let kept = tail.cold.as_ref().is_some_and(|cold| cold.receipts.is_some());
        assert_eq!(kept, slot.receiving.receipts.load(Relaxed));
        kept
    }
}

#[test]
fn what_was_received_is_consumed_and_what_waits_discarded() {
    let scene = Scene::new(Policy::Fail, 0);
    let (one, other) = (scene.open(), scene.open());
    scene.send(one, [1]);
    let (first, second, stranger) = (scene.watch(one), scene.watch(other), scene.watch(scene.open()));
    scene.send(one, [2, 3]);
    scene.send(other, [4]);
    scene.send(Id::NONE, [5]);
    scene.send(one, [6]);
    let late = scene.watch(one);
    scene.send(one, [7]);
    for tag in 1..=3 {
        assert_eq!(scene.recv(), tag);
    }
    let remains = scene.end();
    assert_eq!(scene.said(first), [2, 2], "not the one sent before");
    assert_eq!(scene.said(second), [0, 1]);
    assert_eq!(scene.said(stranger), [0, 0]);
    assert_eq!(scene.said(late), [0, 1]);
    scene.store.finish(remains);
}

#[test]
fn what_was_taken_from_the_middle_is_consumed() {
    let scene = Scene::new(Policy::Fail, 0);
    let watcher = scene.open();
    let record = scene.watch(watcher);
    scene.send(watcher, 1..=4);
    let size = size_of::<Match>();
    let wanted = Match { size, fields: MATCH_TAG, tag: 3, tag_mask: u64::MAX, ..Match::default() };
    assert_eq!(scene.release(scene.store.recv_select(scene.target, &mut Select::new(wanted), &POLL)), 3);
    let remains = scene.end();
    assert_eq!(scene.said(record), [1, 3]);
    scene.store.finish(remains);
}

#[test]
fn what_was_evicted_is_neither() {
    let scene = Scene::new(Policy::DropOld, 2);
    let watcher = scene.open();
    scene.send(watcher, [1]);
    let record = scene.watch(watcher);
    scene.send(watcher, 2..=5);
    assert_eq!(scene.recv(), 4);
    let remains = scene.end();
    assert_eq!(scene.said(record), [1, 1]);
    scene.store.finish(remains);
}

#[test]
fn what_was_dropped_is_neither() {
    let scene = Scene::new(Policy::DropNew, 2);
    let watcher = scene.open();
    let record = scene.watch(watcher);
    scene.send(watcher, 1..=5);
    assert_eq!(scene.recv(), 1);
    let remains = scene.end();
    assert_eq!(scene.said(record), [1, 1]);
    scene.store.finish(remains);
}

#[test]
fn what_was_flushed_is_neither_in_the_queue_or_in_an_open_batch() {
    let scene = Scene::new(Policy::Fail, 0);
    let watcher = scene.open();
    let record = scene.watch(watcher);
    let subscription = Id::new(crate::id::Kind::Subscription, 1, 0);
    for tag in 1..=2 {
        scene.offer(KIND_TOPIC, watcher, tag, subscription);
    }
    scene.send(watcher, [3]);
    let mut batch = scene.store.recv_batch(scene.target, &POLL).unwrap();
    assert_eq!(scene.store.batch_next(&mut batch).unwrap().unwrap().tag, 1);
    scene.offer(KIND_TOPIC, watcher, 4, subscription);
    scene.store.flush_subscription(scene.target, subscription).unwrap();
    assert_eq!(scene.store.batch_next(&mut batch).unwrap().unwrap().tag, 3);
    let remains = scene.end();
    assert_eq!(scene.said(record), [2, 0]);
    scene.store.finish(remains);
    scene.store.batch_release(&mut batch).unwrap();
    assert_eq!(scene.store.stats(scene.target).unwrap().flushed, 2);
}

#[test]
fn a_request_whose_caller_is_gone_is_neither() {
    let scene = Scene::new(Policy::Fail, 0);
    let watcher = scene.open();
    let record = scene.watch(watcher);
    let tickets = [0; 3].map(|_| {
        let (owner, target, body) = (Id::NONE, Id::NONE, Body::default());
        scene.store.shots.make(Making { usage: Use::Call, owner, target, holds: 1, home: 0, body }).unwrap().0
    });
    tickets.iter().for_each(|ticket| scene.offer(KIND_REQUEST, watcher, 1, *ticket));
    let gone = tickets[1];
    assert!(scene.store.shots.at(gone.index()).shift(gone.life(), State::Armed, State::Cancelled));
    scene.recv();
    scene.recv();
    let remains = scene.end();
    assert_eq!(scene.said(record), [2, 0]);
    scene.store.finish(remains);
}

#[test]
fn of_an_open_batch_what_the_cursor_passed_is_consumed() {
    let scene = Scene::new(Policy::Fail, 0);
    let watcher = scene.open();
    let record = scene.watch(watcher);
    scene.send(watcher, 1..=4);
    let mut batch = scene.store.recv_batch(scene.target, &POLL).unwrap();
    for tag in [1, 2] {
        assert_eq!(scene.store.batch_next(&mut batch).unwrap().unwrap().tag, tag);
    }
    scene.send(watcher, [5]);
    let remains = scene.end();
    assert_eq!(scene.said(record), [2, 3]);
    assert!(scene.store.batch_next(&mut batch).unwrap().is_none(), "it passes nothing that was discarded");
    scene.store.finish(remains);
    scene.store.batch_release(&mut batch).unwrap();
    assert_eq!(scene.store.stats(scene.target).unwrap().delivered, 2);
}

#[test]
fn what_a_batch_gave_back_counts_once() {
    let scene = Scene::new(Policy::Fail, 0);
    let watcher = scene.open();
    let record = scene.watch(watcher);
    scene.send(watcher, 1..=3);
    for tag in 1..=2 {
        let mut batch = scene.store.recv_batch(scene.target, &POLL).unwrap();
        assert_eq!(scene.store.batch_next(&mut batch).unwrap().unwrap().tag, tag);
        scene.store.batch_release(&mut batch).unwrap();
    }
    let remains = scene.end();
    assert_eq!(scene.said(record), [2, 1]);
    scene.store.finish(remains);
}

#[test]
fn a_value_counts_for_who_sent_it_last() {
    let scene = Scene::new(Policy::Conflate, 0);
    let (one, other) = (scene.open(), scene.open());
    scene.send(one, [1, 2]);
    let (first, second) = (scene.watch(one), scene.watch(other));
    scene.send(one, [1, 3]);
    scene.send(other, [2, 3]);
    assert_eq!(scene.recv(), 1);
    let remains = scene.end();
    assert_eq!(scene.said(first), [1, 0], "3 was replaced before anyone saw it");
    assert_eq!(scene.said(second), [0, 2]);
    scene.store.finish(remains);
}

#[test]
fn the_last_receipt_that_is_taken_back_ends_the_counting() {
    let scene = Scene::new(Policy::Fail, 0);
    let watcher = scene.open();
    assert!(!scene.counts_receipts());
    let (first, second) = (scene.watch(watcher), scene.watch(watcher));
    scene.send(watcher, [1]);
    scene.store.unwatch(first.index(), first.life());
    assert!(scene.counts_receipts());
    let mut batch = scene.store.recv_batch(scene.target, &POLL).unwrap();
    scene.store.unwatch(second.index(), second.life());
    assert!(scene.counts_receipts(), "a batch is out that knows of them");
    scene.store.batch_release(&mut batch).unwrap();
    assert!(!scene.counts_receipts());
    scene.send(watcher, [2]);
    let slot = scene.store.live(scene.target).unwrap();
    assert!(slot.tail.lock().limit > 0, "sends need not look any more");
    let remains = scene.end();
    assert_eq!(scene.said(first), [0, 0]);
    scene.store.finish(remains);
}
