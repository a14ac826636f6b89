//! The descriptor of a mailbox, for which a flag stands.
//!
//! Guarantees: once the threads are through, it is readable exactly when something is pending, whatever sends,
//! receives, cancels and ends met; and when a send has returned it is readable unless somebody has received since.

use super::*;
use crate::monitor::{demonitor, monitor};
use crate::notify::Flag;

fn assert_exact(m: &Meeting, a: Id, flag: &Flag) {
    let pending = m.stats(a).queued > 0 || m.stats(a).state == 2;
    assert_eq!(flag.is_readable(), pending);
}

#[test]
fn a_send_and_a_receive_meet() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        m.send(a, 1);
        assert!(flag.is_readable());
        let receiver = spawn(&m, move |m| m.poll(a).is_ok());
        m.send(a, 2);
        receiver.join().unwrap();
        assert_exact(&m, a, &flag);
        while m.poll(a).is_ok() {
            assert_exact(&m, a, &flag);
        }
        assert!(!flag.is_readable());
    });
}

#[test]
fn two_senders_and_a_receiver_meet() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        let sender = spawn(&m, move |m| m.send(a, 1));
        let receiver = spawn(&m, move |m| m.poll(a).is_ok());
        m.send(a, 2);
        sender.join().unwrap();
        receiver.join().unwrap();
        assert_exact(&m, a, &flag);
    });
}

#[test]
fn a_send_is_readable_when_it_has_returned() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        let other = spawn(&m, move |m| m.send(a, 1));
        m.send(a, 2);
        assert!(flag.is_readable());
        other.join().unwrap();
        assert!(flag.is_readable());
    });
}

#[test]
fn a_descriptor_made_during_a_send_is_exact() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let sender = spawn(&m, move |m| m.send(a, 1));
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        sender.join().unwrap();
        assert_exact(&m, a, &flag);
        assert!(flag.is_readable());
    });
}

#[test]
fn a_flushed_signal_and_a_receive_meet() {
    explore(|| {
        let m = meeting();
        let (a, dead) = (m.open(), m.open());
        m.end(dead);
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        let watch = monitor(&m.store, a, dead, 1).unwrap();
        assert!(flag.is_readable());
        let receiver = spawn(&m, move |m| m.poll(a).is_ok());
        demonitor(&m.store, watch, true).unwrap();
        receiver.join().unwrap();
        assert_exact(&m, a, &flag);
        assert!(!flag.is_readable());
    });
}

#[test]
fn after_the_end_it_stays_readable() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        m.send(a, 1);
        let receiver = spawn(&m, move |m| m.poll(a).is_ok());
        m.end(a);
        receiver.join().unwrap();
        assert!(flag.is_readable());
    });
}

#[test]
fn a_batch_put_back_is_readable_again() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let flag = Flag::of(m.store.descriptor(a).unwrap());
        m.send(a, 1);
        let mut batch = m.store.recv_batch(a, &POLL).unwrap();
        assert!(!flag.is_readable());
        let receiver = spawn(&m, move |m| m.poll(a).is_ok());
        m.store.batch_release(&mut batch).unwrap();
        receiver.join().unwrap();
        assert_exact(&m, a, &flag);
    });
}
