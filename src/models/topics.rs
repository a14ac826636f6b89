//! Subscriptions that come, go and deliver at once.
//!
//! Guarantees: after unsubscribing nothing new is delivered, and with a flush nothing at all; the count of a
//! subscription's queue is its own, whoever had its row before.

use super::*;
use crate::message::KIND_TOPIC;
use crate::topic::{Subscribing, Topics};

const TO_T: Subscribing<'static> = Subscribing { pattern: "t", policy: Policy::DropNew, max_messages: 1, queue: None };

struct Square {
    m: Arc<Meeting>,
    topics: Topics,
}

fn square() -> Arc<Square> {
    Arc::new(Square { m: meeting(), topics: Topics::default() })
}

impl Square {
    fn subscribe(&self, mailbox: Id) -> Id {
        self.topics.subscribe(&self.m.store, mailbox, &TO_T, &mut Vec::new()).unwrap()
    }

    fn publish(&self, tag: u64) -> u64 {
        let mut draft = draft(tag);
        draft.header.kind = KIND_TOPIC as u8;
        self.topics.publish(&self.m.store, "t", std::iter::once(draft), &mut Vec::new()).queued
    }
}

#[test]
fn nothing_comes_after_unsubscribing() {
    explore(|| {
        let s = square();
        let a = s.m.open();
        let subscription = s.subscribe(a);
        let other = s.clone();
        let publisher = thread::spawn(move || other.publish(1));
        s.topics.unsubscribe(&s.m.store, subscription, true).unwrap();
        assert!(s.m.tags(a).is_empty());
        publisher.join().unwrap();
        assert!(s.m.tags(a).is_empty());
        s.m.stats(a);
    });
}

#[test]
fn a_receive_meets_the_next_subscription_of_the_row() {
    explore(|| {
        let s = square();
        let a = s.m.open();
        let subscription = s.subscribe(a);
        assert_eq!(s.publish(1), 1);
        let other = s.clone();
        let receiver = thread::spawn(move || other.m.poll(a).unwrap().tag);
        s.topics.unsubscribe(&s.m.store, subscription, false).unwrap();
        let next = s.subscribe(a);
        assert_eq!(receiver.join().unwrap(), 1);
        assert_eq!(next.index(), subscription.index());
        assert_eq!((s.publish(2), s.publish(3)), (1, 0));
        assert_eq!(s.m.tags(a), [2]);
    });
}

#[test]
fn an_end_meets_a_subscription_and_a_publish() {
    explore(|| {
        let s = square();
        let a = s.m.open();
        let other = s.clone();
        let death = thread::spawn(move || {
            let remains = other.m.store.end(a, WHY).unwrap();
            other.topics.forget(&other.m.store, &remains.affairs.as_ref().map_or(&[][..], |affairs| &affairs.quotas));
            other.m.store.finish(remains);
        });
        let subscription = s.topics.subscribe(&s.m.store, a, &TO_T, &mut Vec::new());
        s.publish(1);
        death.join().unwrap();
        assert_eq!((s.topics.len(), s.publish(2)), (0, 0));
        subscription.into_iter().for_each(|id| assert!(s.m.store.quotas.find(id).is_err()));
        s.m.stats(a);
    });
}
