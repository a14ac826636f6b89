//! Bits that a signal handler gives, the thread that hands them on, and a receiver.
//!
//! Guarantees: whatever meets, every bit given is received, in signals that each carry at least one; the thread is
//! woken for each that no signal carries yet.

use super::*;

fn notifiable(m: &Meeting) -> Id {
    let a = m.open();
    m.store.make_notifiable(a).unwrap();
    a
}

fn hand_on(m: &Meeting) {
    m.store.notices.wait();
    m.store.work_off_notices();
}

#[test]
fn a_bit_wakes_the_thread() {
    explore(|| {
        let m = meeting();
        let a = notifiable(&m);
        let giver = spawn(&m, move |m| [1, 2].map(|bits| m.store.notify(a, bits).unwrap()));
        let mut got = 0;
        while got != 3 {
            hand_on(&m);
            got |= m.poll(a).map_or(0, |message| message.tag);
        }
        giver.join().unwrap();
    });
}

#[test]
fn bits_meet_their_delivery() {
    explore(|| {
        let m = meeting();
        let a = notifiable(&m);
        m.store.notify(a, 1).unwrap();
        m.store.work_off_notices();
        let giver = spawn(&m, move |m| m.store.notify(a, 2).unwrap());
        let mut batch = m.store.recv_batch(a, &POLL).unwrap();
        m.store.work_off_notices();
        let mut got = m.store.batch_next(&mut batch).unwrap().unwrap().tag;
        m.store.batch_release(&mut batch).unwrap();
        giver.join().unwrap();
        m.store.work_off_notices();
        got |= m.poll(a).map_or(0, |message| message.tag);
        assert_eq!(got, 3);
        assert_eq!(m.poll(a).map(drop), Err(Error::Again));
    });
}

#[test]
fn the_thread_meets_a_receiver() {
    explore(|| {
        let m = meeting();
        let a = notifiable(&m);
        m.store.notify(a, 1).unwrap();
        m.store.work_off_notices();
        m.store.notify(a, 2).unwrap();
        let hander = spawn(&m, |m| m.store.work_off_notices());
        let first = m.poll(a).unwrap().tag;
        hander.join().unwrap();
        m.store.work_off_notices();
        let rest = m.tags(a);
        assert!(rest.iter().all(|tag| *tag != 0), "a signal carries bits");
        assert_eq!(rest.iter().fold(first, |all, tag| all | tag), 3);
    });
}

#[test]
fn a_ring_that_overflows_forgets_nobody() {
    explore(|| {
        let m = meeting();
        let (a, b) = (notifiable(&m), notifiable(&m));
        let giver = spawn(&m, move |m| m.store.notify(a, 1).unwrap());
        m.store.notify(b, 1).unwrap();
        while m.stats(a).queued + m.stats(b).queued < 2 {
            hand_on(&m);
        }
        giver.join().unwrap();
    });
}

#[test]
fn bits_meet_the_end() {
    explore(|| {
        let m = meeting();
        let a = notifiable(&m);
        let giver = spawn(&m, move |m| {
            let given = m.store.notify(a, 1);
            m.store.work_off_notices();
            given
        });
        m.end(a);
        assert!(matches!(giver.join().unwrap(), Ok(()) | Err(Error::NoProc)));
        m.stats(a);
    });
}
