//! Conflating senders and a receiver.
//!
//! Guarantees: what a receiver gets accounts for every value sent, once; of one sender the last value is the one that is
//! received last.

use super::*;

/// The tags of what is received until `sent` values are accounted for, and the last value of each.
fn account(m: &Meeting, from: Id, sent: u64) {
    let mut seen = 0;
    while seen < sent {
        seen += m.wait(from).unwrap().info[0] + 1;
    }
    assert_eq!(seen, sent);
    let c = m.stats(from);
    assert_eq!((c.sent, c.queued), (sent, 0));
}

#[test]
fn a_replacement_meets_a_receive() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Conflate, 1);
        m.send(a, 1);
        let sender = spawn(&m, move |m| m.send(a, 1));
        account(&m, a, 1 + 1);
        sender.join().unwrap();
    });
}

#[test]
fn two_conflating_senders_meet() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Conflate, 2);
        let other = spawn(&m, move |m| m.send(a, 1));
        m.send(a, 1);
        other.join().unwrap();
        account(&m, a, 2);
    });
}

#[test]
fn a_replacement_meets_a_batch_that_goes_back() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Conflate, 4);
        m.send(a, 1);
        let sender = spawn(&m, move |m| m.send(a, 1));
        let mut batch = m.store.recv_batch(a, &FOREVER_REAL).unwrap();
        m.store.batch_release(&mut batch).unwrap();
        sender.join().unwrap();
        account(&m, a, 2);
    });
}
