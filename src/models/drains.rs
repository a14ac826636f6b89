//! An engine that drains while its mailboxes are used.
//!
//! Guarantees: what was taken in is received, or is in the report as not delivered; what one mailbox passes on to
//! another is on its way throughout; draining ends, and closes the engine once.

use super::*;
use crate::engine::Drained;

fn drain(m: &Meeting, timeout: i64) -> (Result<()>, Drained) {
    let close = |last: &dyn Fn()| {
        m.engine.shut()?;
        last();
        m.engine.end_all(&m.store);
        Ok(())
    };
    m.engine.drain(&m.store, timeout, &close)
}

/// Sends, and says whether it was taken in: not when the engine drains, or is closed.
fn send_from(m: &Meeting, to: Id, from: Id, tag: u64) -> bool {
    let mut draft = draft(tag);
    draft.header.from = from.0;
    match m.store.offer(to, &draft, None) {
        Ok(Outcome::Queued(roused)) => {
            m.store.rouse(roused);
            true
        }
        Err(Refusal::Never(Error::Closed | Error::NoProc)) => false,
        _ => panic!("there is room"),
    }
}

/// Receives until the mailbox is over.
fn receive_all(m: &Meeting, from: Id) -> u64 {
    std::iter::from_fn(|| m.wait(from).ok()).count() as u64
}

#[test]
fn what_comes_from_outside_meets_a_drain() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let reader = spawn(&m, move |m| receive_all(m, a));
        let sender = spawn(&m, move |m| send_from(m, a, Id::NONE, 1));
        let (result, report) = drain(&m, FOREVER);
        let (received, sent) = (reader.join().unwrap(), sender.join().unwrap());
        assert_eq!((result, report.undelivered), (Ok(()), 0));
        assert_eq!(received, u64::from(sent));
        assert!(report.delivered <= received);
        assert!(!send_from(&m, a, Id::NONE, 2));
    });
}

#[test]
fn a_mailboxs_own_send_meets_the_close() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        let sender = spawn(&m, move |m| send_from(m, a, b, 1));
        let (result, report) = drain(&m, 0);
        let sent = sender.join().unwrap();
        assert_eq!(report.undelivered, u64::from(sent));
        match result {
            Ok(()) => assert!(m.store.live(a).is_err()),
            Err(error) => assert_eq!((error, sent), (Error::Again, true)),
        }
    });
}

#[test]
fn the_time_is_up_while_a_receiver_takes() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        m.send(a, 1);
        let reader = spawn(&m, move |m| m.poll(a).is_ok());
        let time = spawn(&m, move |m| match &m.engine.clock {
            Clock::Virtual(hand) => hand.set(FOREVER),
            Clock::Real => unreachable!("it is virtual"),
        });
        let (result, report) = drain(&m, 1);
        time.join().unwrap();
        let received = reader.join().unwrap();
        assert_eq!(report.undelivered, u64::from(!received));
        assert!(result == Err(Error::TimedOut) || result == Ok(()) && received);
        assert!(m.store.live(a).is_err());
    });
}

#[test]
fn what_is_passed_on_is_on_its_way() {
    explore(|| {
        let m = meeting();
        let (a, b) = (m.open(), m.open());
        m.send(a, 1);
        let relay = spawn(&m, move |m| {
            let mut batch = m.store.recv_batch(a, &POLL).unwrap();
            m.store.batch_next(&mut batch).unwrap().unwrap();
            assert!(send_from(m, b, a, 2));
            m.store.batch_release(&mut batch).unwrap();
            assert_eq!(m.wait(b).unwrap().tag, 2);
        });
        let (result, report) = drain(&m, FOREVER);
        relay.join().unwrap();
        assert_eq!((result, report.undelivered), (Ok(()), 0));
        assert!(report.delivered <= 2);
    });
}

#[test]
fn a_mailbox_ends_while_its_engine_drains() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        m.send(a, 1);
        let reader = spawn(&m, move |m| u64::from(m.poll(a).is_ok()));
        let death = spawn(&m, move |m| m.end(a));
        let (result, report) = drain(&m, FOREVER);
        death.join().unwrap();
        let received = reader.join().unwrap();
        assert_eq!(result, Ok(()));
        // Ended before the drain began, it is none of its business.
        assert!(received + report.undelivered <= 1, "{received} received, {report:?}");
        assert_eq!(m.stats(a).delivered + m.stats(a).discarded, 1);
    });
}

#[test]
fn an_opening_meets_a_drain() {
    explore(|| {
        let m = meeting();
        let opener = spawn(&m, move |m| {
            let Ok(a) = m.store.open(Opening::default(), || m.engine.takes_mailboxes()) else { return None };
            Some((a, send_from(m, a, Id::NONE, 1)))
        });
        let (result, report) = drain(&m, 0);
        let opened = opener.join().unwrap();
        let sent = opened.is_some_and(|(_, sent)| sent);
        assert_eq!(report.undelivered, u64::from(sent));
        match result {
            Ok(()) => opened.into_iter().for_each(|(a, _)| assert!(m.store.live(a).is_err())),
            Err(error) => assert_eq!((error, sent), (Error::Again, true)),
        }
    });
}

#[test]
fn two_drain_at_once() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let other = spawn(&m, |m| drain(m, FOREVER).0);
        let one = drain(&m, FOREVER).0;
        let results = [one, other.join().unwrap()];
        assert!(results.contains(&Ok(())) && results.contains(&Err(Error::Stale)), "{results:?}");
        assert!(m.store.live(a).is_err());
    });
}
