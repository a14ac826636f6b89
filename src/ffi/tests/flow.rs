//! Suspension, conflation, the byte budget, streamed and gathered replies, forwarding.
//!
//! Guarantees: as the file above.

use super::*;

#[test]
fn a_suspended_mailbox_is_as_an_empty_one() {
    let engine = engine();
    let a = bounded(engine, 0, 3);
    send(a, Id::NONE, 1, b"x").unwrap();
    suspend(a).unwrap();
    suspend(a).unwrap();
    send(a, Id::NONE, 2, b"x").unwrap();
    assert_eq!(next(a), Err(Error::Again));
    let wanted = Match { fields: MATCH_TAG, tag: 2, ..Match::default() };
    assert_eq!(recv_match(a, &wanted, 0, false).unwrap_err(), Error::Again);
    assert_eq!(recv_peek(a, &mut Cursor::default(), 0, false).unwrap_err(), Error::Again);
    assert_eq!(recv_batch(a, 0, false).unwrap_err(), Error::Again);
    send(a, Id::NONE, 3, b"x").unwrap();
    assert_eq!(send(a, Id::NONE, 4, b"x"), Err(Error::Full));
    assert_eq!((balanced(a).suspended, balanced(a).queued), (1, 3));
    resume(a).unwrap();
    resume(a).unwrap();
    assert_eq!(balanced(a).suspended, 0);
    assert_eq!(tags(a), [1, 2, 3]);
    engine_close(engine).unwrap();
    assert_eq!((suspend(a), resume(a)), (Err(Error::NoProc), Err(Error::NoProc)));
}

#[test]
fn a_batch_in_progress_finishes_and_its_rest_waits() {
    let engine = engine();
    let a = mailbox(engine);
    (1..=3).for_each(|tag| send(a, Id::NONE, tag, b"x").unwrap());
    let mut batch = recv_batch(a, 0, false).unwrap();
    suspend(a).unwrap();
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().tag, 1);
    batch_release(&mut batch).unwrap();
    assert_eq!(next(a), Err(Error::Again));
    resume(a).unwrap();
    assert_eq!(tags(a), [2, 3]);
    suspend(a).unwrap();
    send(a, Id::NONE, 4, b"x").unwrap();
    mailbox_exit(a, REASON_NORMAL, b"").unwrap();
    assert_eq!(next(a), Err(Error::Closed));
    assert_eq!((balanced(a).discarded, balanced(a).suspended), (1, 0));
    engine_close(engine).unwrap();
}

#[test]
fn what_waited_wakes_a_receiver_when_it_is_resumed() {
    let engine = engine();
    let a = mailbox(engine);
    suspend(a).unwrap();
    let receiver = std::thread::spawn(move || recv(a, FOREVER, false).map(|message| message.tag));
    clock_wait_parked(engine, 1, 60_000 * MS).unwrap();
    send(a, Id::NONE, 7, b"x").unwrap();
    assert_eq!(clock_wait_parked(engine, 1, 60_000 * MS), Ok(()));
    resume(a).unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(7));
    engine_close(engine).unwrap();
}

fn received(mailbox: Id) -> (u64, Vec<u8>, u64) {
    let message = recv(mailbox, 0, false).unwrap();
    let got = (message.tag, text(&message), message.info[0]);
    message_release(message.owner).unwrap();
    got
}

#[test]
fn the_newest_value_of_a_tag_waits_in_the_place_of_the_first() {
    let engine = engine();
    let a = bounded(engine, 5, 2);
    send(a, Id::NONE, 1, b"old").unwrap();
    send(a, Id::NONE, 2, b"two").unwrap();
    send(a, Id::NONE, 1, &[7; 9000]).unwrap();
    send(a, Id::NONE, 1, b"new").unwrap();
    assert_eq!(send(a, Id::NONE, 3, b"x"), Err(Error::Full));
    assert_eq!((balanced(a).conflated, balanced(a).queued_bytes), (2, 6));
    assert_eq!((received(a), received(a)), ((1, b"new".to_vec(), 2), (2, b"two".to_vec(), 0)));
    assert_eq!(next(a), Err(Error::Again));
    let ticket = call_start(a, mailbox(engine), 1, b"x", FOREVER).unwrap();
    call_start(a, mailbox(engine), 1, b"x", FOREVER).unwrap();
    assert_eq!((balanced(a).queued, balanced(a).conflated), (2, 2), "requests are not conflated");
    ticket_drop(ticket).unwrap();
    engine_close(engine).unwrap();
}

#[test]
fn conflated_tags_stay_few_whatever_is_sent() {
    let engine = engine();
    let a = mailbox_open(engine, MailboxOptions { policy: 5, ..options() }).unwrap();
    (0..200_000u64).for_each(|at| send(a, Id::NONE, at % 100, &at.to_le_bytes()).unwrap());
    assert_eq!((balanced(a).queued, balanced(a).queued_bytes, balanced(a).conflated), (100, 800, 199_900));
    for tag in 0..100u64 {
        assert_eq!(received(a), (tag, (199_900 + tag).to_le_bytes().to_vec(), 1999));
    }
    engine_close(engine).unwrap();
}

#[test]
fn a_subscription_conflates_its_own_topics() {
    let engine = engine();
    let a = mailbox(engine);
    let all = subscribe(a, "p.*", 5, 2, None).unwrap();
    let sent = |topic: &str, data: &[u8]| publish(engine, Id::NONE, topic, 1, data, PublishOptions::default()).unwrap();
    sent("p.a", b"1");
    sent("p.b", b"2");
    sent("p.a", b"3");
    assert_eq!(sent("p.c", b"4").dropped, 1);
    send(a, Id::NONE, 1, b"not").unwrap();
    send(a, Id::NONE, 1, b"replaced").unwrap();
    assert_eq!((received(a), received(a)), ((1, b"3".to_vec(), 1), (1, b"2".to_vec(), 0)));
    assert_eq!((received(a).1, received(a).1), (b"not".to_vec(), b"replaced".to_vec()));
    unsubscribe(all, true).unwrap();
    balanced(a);
    engine_close(engine).unwrap();
}

fn small_engine(max_bytes: u64) -> Id {
    engine_open(EngineOptions { virtual_clock: false, host_time: false, max_bytes, ..EngineOptions::default() })
        .unwrap()
}

#[test]
fn the_engines_bytes_are_bounded_over_all_mailboxes() {
    let engine = small_engine(100_000);
    let boxes: Vec<Id> = (0..20).map(|_| mailbox(engine)).collect();
    // Everybody has been busy once and holds on to some room; it is taken back when it is needed.
    for a in &boxes {
        (0..100).for_each(|tag| send(*a, Id::NONE, tag, &[0; 500]).unwrap());
        tags(*a);
    }
    (0..9).for_each(|tag| send(boxes[0], Id::NONE, tag, &[0; 10_000]).unwrap());
    send(boxes[1], Id::NONE, 0, &[0; 10_000]).unwrap();
    assert_eq!(send(boxes[2], Id::NONE, 0, b"x"), Err(Error::Full));
    assert!(crate::error::with_detail(|detail| detail.contains("budget")));
    assert_eq!(send(boxes[2], Id::NONE, 0, &[0; 100_001]), Err(Error::TooBig));
    send(boxes[2], Id::NONE, 1, b"").unwrap();
    let c = engine_stats(engine).unwrap();
    assert_eq!((c.queued_bytes, c.max_bytes), (100_000, 100_000));
    next(boxes[0]).unwrap();
    send(boxes[3], Id::NONE, 0, &[0; 10_000]).unwrap();
    mailbox_exit(boxes[3], 0, b"").unwrap();
    send(boxes[4], Id::NONE, 0, &[0; 10_000]).unwrap();
    engine_close(engine).unwrap();
    let again = small_engine(0);
    assert_eq!(engine_stats(again).unwrap().max_bytes, 1 << 30);
    engine_close(again).unwrap();
}

#[test]
fn a_blocked_sender_gets_room_that_another_mailbox_leaves() {
    let engine = small_engine(10_000);
    let (full, to) = (mailbox(engine), bounded(engine, 1, 10));
    send(full, Id::NONE, 0, &[0; 10_000]).unwrap();
    let sender = std::thread::spawn(move || send(to, Id::NONE, 7, b"x"));
    while mailbox_stats(to).unwrap().sent == 0 && !sender.is_finished() {
        std::thread::sleep(std::time::Duration::from_millis(2));
        if next(full).is_ok() {
            break;
        }
    }
    assert_eq!(sender.join().unwrap(), Ok(()));
    assert_eq!(tags(to), [7]);
    let dropping = bounded(engine, 2, 10);
    send(full, Id::NONE, 0, &[0; 10_000]).unwrap();
    send(dropping, Id::NONE, 0, b"x").unwrap();
    assert_eq!(balanced(dropping).lost, 1);
    engine_close(engine).unwrap();
}
