//! The hand-over of messages from senders to receivers that park.
//!
//! Guarantees: nothing is lost or doubled, each sender's order is kept, no wake-up is missed, and every way of putting
//! several messages in at once wakes enough receivers.

use super::*;
use crate::mailbox::Select;
use crate::message::{Match, MATCH_TAG};

fn wait_for_tag(meeting: &Meeting, from: Id, tag: u64) -> Result<u64> {
    let wanted = Match { fields: MATCH_TAG, tag, ..Match::default() };
    let mut select = Select::new(wanted);
    meeting.release(meeting.store.recv_select(from, &mut select, &FOREVER_REAL)).map(|message| message.tag)
}

#[test]
fn two_senders_and_a_receiver() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let one = spawn(&m, move |m| [11, 12].map(|tag| m.send(a, tag)));
        let two = spawn(&m, move |m| m.send(a, 21));
        let got: Vec<u64> = (0..3).map(|_| m.wait(a).unwrap().tag).collect();
        let place = |tag| got.iter().position(|got| *got == tag).unwrap();
        assert!(place(11) < place(12) && place(21) < 3);
        (one.join().unwrap(), two.join().unwrap());
        assert_eq!((m.tags(a), m.stats(a).delivered), (vec![], 3));
    });
}

#[test]
fn two_senders_and_a_receiver_of_batches() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let one = spawn(&m, move |m| [11, 12].map(|tag| m.send(a, tag)));
        let two = spawn(&m, move |m| m.send(a, 21));
        let mut got = Vec::new();
        while got.len() < 3 {
            let mut batch = m.store.recv_batch(a, &FOREVER_REAL).unwrap();
            got.extend(m.store.batch_next(&mut batch).unwrap().map(|message| message.tag));
            m.store.batch_release(&mut batch).unwrap();
        }
        let place = |tag| got.iter().position(|got| *got == tag).unwrap();
        assert!(place(11) < place(12) && place(21) < 3);
        (one.join().unwrap(), two.join().unwrap());
        assert_eq!((m.tags(a), m.stats(a).delivered), (vec![], 3));
    });
}

#[test]
fn two_receivers_get_each_message_once() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let other = spawn(&m, move |m| m.wait(a).unwrap().tag);
        let third = spawn(&m, move |m| m.wait(a).unwrap().tag);
        (m.send(a, 1), m.send(a, 2));
        let mut got = [other.join().unwrap(), third.join().unwrap()];
        got.sort();
        assert_eq!((got, m.tags(a)), ([1, 2], vec![]));
    });
}

#[test]
fn closing_wakes_every_receiver() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let other = spawn(&m, move |m| m.wait(a).map(|message| message.tag));
        let third = spawn(&m, move |m| m.wait(a).map(|message| message.tag));
        m.send(a, 1);
        m.end(a);
        let got = [other.join().unwrap(), third.join().unwrap()];
        assert!(got.iter().filter(|got| **got == Ok(1)).count() <= 1);
        assert!(got.iter().all(|got| matches!(got, Ok(1) | Err(Error::Closed))));
        let c = m.stats(a);
        assert_eq!(c.delivered + c.discarded, 1);
    });
}

#[test]
fn a_burst_wakes_a_receiver_for_each_message() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let other = spawn(&m, move |m| m.wait(a).unwrap().tag);
        let third = spawn(&m, move |m| m.wait(a).unwrap().tag);
        let (taken, roused) = m.store.push_many(a, Id::NONE, &[(1, b""), (2, b"")]).unwrap();
        m.store.rouse(roused);
        assert_eq!(taken, 2);
        let mut got = [other.join().unwrap(), third.join().unwrap()];
        got.sort();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn a_batch_put_back_wakes_a_receiver_for_each_message() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        (m.send(a, 1), m.send(a, 2));
        let mut batch = m.store.recv_batch(a, &POLL).unwrap();
        let other = spawn(&m, move |m| m.wait(a).unwrap().tag);
        let third = spawn(&m, move |m| m.wait(a).unwrap().tag);
        m.store.batch_release(&mut batch).unwrap();
        let mut got = [other.join().unwrap(), third.join().unwrap()];
        got.sort();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn signals_put_back_wake_a_receiver_for_each() {
    explore(|| {
        let m = meeting();
        let (a, dead) = (m.open(), m.open());
        m.end(dead);
        for tag in [1, 2] {
            crate::monitor::monitor(&m.store, a, dead, tag).unwrap();
        }
        let mut batch = m.store.recv_batch(a, &POLL).unwrap();
        assert_eq!(batch.count, 2);
        let other = spawn(&m, move |m| m.wait(a).unwrap().tag);
        let third = spawn(&m, move |m| m.wait(a).unwrap().tag);
        m.store.batch_release(&mut batch).unwrap();
        let mut got = [other.join().unwrap(), third.join().unwrap()];
        got.sort();
        assert_eq!(got, [1, 2]);
    });
}

#[test]
fn a_selective_receiver_and_a_plain_one() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let wanted = spawn(&m, move |m| wait_for_tag(m, a, 2).unwrap());
        let sender = spawn(&m, move |m| m.send(a, 2));
        m.send(a, 1);
        let any = m.wait(a).unwrap().tag;
        sender.join().unwrap();
        if any == 2 {
            m.send(a, 2);
        }
        assert_eq!(wanted.join().unwrap(), 2);
        assert_eq!(m.tags(a), if any == 2 { vec![1] } else { vec![] });
    });
}

#[test]
fn a_batch_put_back_is_searched_again() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        (m.send(a, 1), m.send(a, 2));
        let mut batch = m.store.recv_batch(a, &POLL).unwrap();
        let wanted = spawn(&m, move |m| wait_for_tag(m, a, 2).unwrap());
        m.store.batch_release(&mut batch).unwrap();
        assert_eq!(wanted.join().unwrap(), 2);
        assert_eq!(m.tags(a), [1]);
    });
}
