//! Senders to several mailboxes that share one budget of bytes.
//!
//! Guarantees: what is queued never exceeds the budget; a send is not refused while the room is there, granted to a
//! mailbox that does not use it; a blocked sender finds the room that another mailbox made.

use super::*;
use crate::mailbox::Room;
use crate::notify::Parker;

/// A store of this budget, with two mailboxes and what the first is granted but does not use any more.
fn sharing(max: u64) -> (Arc<Meeting>, [Id; 2]) {
    let m = meeting();
    m.store.budgets.of(0).set(max);
    let open = || m.bounded(Policy::Block, 10);
    let ids = [open(), open()];
    assert_eq!(put(&m, ids[0], 1), Ok(()));
    assert!(m.poll(ids[0]).is_ok());
    (m, ids)
}

fn put(m: &Meeting, to: Id, size: usize) -> Result<(), Refusal> {
    let mut draft = draft(size as u64);
    draft.payload = Payload::Copy(&[0; 100][..size]);
    match m.store.offer(to, &draft, None)? {
        Outcome::Queued(roused) => m.store.rouse(roused),
        _ => panic!("it blocks"),
    }
    Ok(())
}

/// As a send waits, looking now and then where another mailbox has to make the room.
fn put_blocking(m: &Meeting, to: Id, size: usize) {
    while put(m, to, size).is_err() {
        let parker = Parker::current();
        parker.reset();
        match m.store.block(to, size as u64, &parker, false).unwrap() {
            Room::Now => {}
            Room::Elsewhere => thread::yield_now(),
            Room::Later => drop(parker.park(FOREVER, false)),
        }
        m.store.unblock(to, &parker, false);
    }
}

#[test]
fn two_senders_want_the_last_room() {
    explore(|| {
        let (m, [a, b]) = sharing(100);
        let other = spawn(&m, move |m| put(m, b, 60));
        let sent = [put(&m, a, 60), other.join().unwrap()];
        assert_eq!(sent.iter().filter(|sent| sent.is_ok()).count(), 1, "{sent:?}");
        assert_eq!(m.store.queued_bytes(0), 60);
    });
}

#[test]
fn two_senders_find_what_a_third_mailbox_does_not_use() {
    explore(|| {
        let (m, [_, b]) = sharing(100);
        let c = m.bounded(Policy::Block, 10);
        let other = spawn(&m, move |m| put(m, b, 60));
        assert_eq!((put(&m, c, 40), other.join().unwrap()), (Ok(()), Ok(())));
        assert_eq!(m.store.queued_bytes(0), 100);
        assert_eq!(put(&m, b, 1), Err(Refusal::Short));
    });
}

#[test]
fn a_blocked_sender_finds_room_made_elsewhere() {
    explore(|| {
        let (m, [a, b]) = sharing(100);
        assert_eq!(put(&m, a, 100), Ok(()));
        let sender = spawn(&m, move |m| put_blocking(m, b, 50));
        assert_eq!(m.poll(a).unwrap().data_size, 100);
        sender.join().unwrap();
        assert_eq!(m.poll(b).unwrap().data_size, 50);
    });
}
