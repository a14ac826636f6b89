//! Senders that wait for room in a full mailbox.
//!
//! Guarantees: room that comes free is never missed, whether a receive, a batch or a flush made it; an end wakes a
//! blocked sender. The wait is that of `engine::send` on a full mailbox of policy `Block`, without its clock.

use super::*;
use crate::mailbox::Room;
use crate::notify::Parker;

fn send_blocking(m: &Meeting, to: Id, tag: u64) -> Result<()> {
    loop {
        match m.offer(to, tag) {
            Ok(queued) => return Ok(assert!(queued)),
            Err(Refusal::Never(error)) => return Err(error),
            Err(Refusal::Full | Refusal::Short) => {}
        }
        let parker = Parker::current();
        parker.reset();
        match m.store.block(to, 0, &parker, false) {
            Ok(Room::Now) => {}
            Ok(_) => drop(parker.park(FOREVER, false)),
            Err(error) => assert_eq!(error, Error::NoProc),
        }
        m.store.unblock(to, &parker, false);
    }
}

#[test]
fn a_receive_makes_room() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Block, 1);
        m.send(a, 1);
        let sender = spawn(&m, move |m| send_blocking(m, a, 2));
        assert_eq!([m.wait(a).unwrap().tag, m.wait(a).unwrap().tag], [1, 2]);
        assert_eq!(sender.join().unwrap(), Ok(()));
    });
}

#[test]
fn two_senders_wait_for_one_place_after_the_other() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Block, 1);
        m.send(a, 1);
        let one = spawn(&m, move |m| send_blocking(m, a, 2));
        let two = spawn(&m, move |m| send_blocking(m, a, 3));
        let mut got: Vec<u64> = (0..3).map(|_| m.wait(a).unwrap().tag).collect();
        assert_eq!(got[0], 1);
        got.sort();
        assert_eq!(got, [1, 2, 3]);
        assert_eq!((one.join().unwrap(), two.join().unwrap()), (Ok(()), Ok(())));
    });
}

#[test]
fn a_batch_makes_room() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Block, 1);
        m.send(a, 1);
        let sender = spawn(&m, move |m| send_blocking(m, a, 2));
        for tag in [1, 2] {
            let mut batch = m.store.recv_batch(a, &FOREVER_REAL).unwrap();
            assert_eq!(m.store.batch_next(&mut batch).unwrap().unwrap().tag, tag);
            m.store.batch_release(&mut batch).unwrap();
        }
        assert_eq!(sender.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_flush_makes_room() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Block, 1);
        let topics = crate::topic::Topics::default();
        let to_t = crate::topic::Subscribing { pattern: "t", policy: Policy::DropNew, max_messages: 0, queue: None };
        let subscription = topics.subscribe(&m.store, a, &to_t, &mut Vec::new()).unwrap();
        let mut published = draft(1);
        published.header.kind = crate::message::KIND_TOPIC as u8;
        assert_eq!(topics.publish(&m.store, "t", std::iter::once(published), &mut Vec::new()).queued, 1);
        let sender = spawn(&m, move |m| send_blocking(m, a, 2));
        topics.unsubscribe(&m.store, subscription, true).unwrap();
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert_eq!(m.tags(a), [2]);
    });
}

#[test]
fn an_end_wakes_a_blocked_sender() {
    explore(|| {
        let m = meeting();
        let a = m.bounded(Policy::Block, 1);
        m.send(a, 1);
        let sender = spawn(&m, move |m| send_blocking(m, a, 2));
        m.end(a);
        assert_eq!(sender.join().unwrap(), Err(Error::NoProc));
        assert_eq!(m.stats(a).discarded, 1);
    });
}
