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
    let rounds = if cfg!(miri) { 10 } else { 2000 };
    (0..100 * rounds).for_each(|at: u64| send(a, Id::NONE, at % 100, &at.to_le_bytes()).unwrap());
    let before = 100 * (rounds - 1);
    assert_eq!((balanced(a).queued, balanced(a).queued_bytes, balanced(a).conflated), (100, 800, before));
    for tag in 0..100u64 {
        assert_eq!(received(a), (tag, (before + tag).to_le_bytes().to_vec(), rounds - 1));
    }
    engine_close(engine).unwrap();
}

#[test]
fn of_two_values_handed_back_the_later_is_replaced() {
    let engine = engine();
    let a = mailbox_open(engine, MailboxOptions { policy: 5, ..options() }).unwrap();
    let batch_of = |data: &[u8]| {
        send(a, Id::NONE, 3, data).unwrap();
        recv_batch(a, 0, false).unwrap()
    };
    let (mut earlier, mut later) = (batch_of(b"earlier"), batch_of(b"later"));
    batch_release(&mut earlier).unwrap();
    send(a, Id::NONE, 9, b"").unwrap();
    batch_release(&mut later).unwrap();
    send(a, Id::NONE, 3, b"newest").unwrap();
    assert_eq!(received(a), (3, b"earlier".to_vec(), 0));
    assert_eq!(received(a), (3, b"newest".to_vec(), 1));
    assert_eq!(received(a).0, 9);
    balanced(a);
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

/// What is received until the mailbox is empty: kind, ref, data, status.
fn all(mailbox: Id) -> Vec<(u32, u64, Vec<u8>, i32)> {
    std::iter::from_fn(|| {
        let message = recv(mailbox, 0, false).ok()?;
        let got = (message.kind, message.r#ref, text(&message), message.status);
        message_release(message.owner).unwrap();
        Some(got)
    })
    .collect()
}

fn request(mailbox: Id) -> Id {
    let message = recv(mailbox, 0, false).unwrap();
    assert_eq!(message.kind, KIND_REQUEST);
    message_release(message.owner).unwrap();
    Id(message.r#ref)
}

#[test]
fn parts_come_in_order_before_the_one_reply() {
    let engine = engine();
    let (server, own) = (mailbox(engine), bounded(engine, 3, 3));
    let call = call_start(server, own, 9, b"", FOREVER).unwrap();
    let ticket = request(server);
    for part in [b"1", b"2", b"3"] {
        reply_part(ticket, part, 0, false).unwrap();
    }
    assert_eq!(reply_part(ticket, b"4", 0, false), Err(Error::Full), "no policy drops a part");
    reply(ticket, 0, b"end").unwrap();
    let wanted = Match { fields: MATCH_REF, r#ref: call.0, ..Match::default() };
    let by_ref = recv_match(own, &wanted, 0, false).unwrap();
    assert_eq!((by_ref.kind, text(&by_ref), by_ref.from, by_ref.tag), (KIND_PART, b"1".to_vec(), server, 9));
    message_release(by_ref.owner).unwrap();
    let rest: Vec<_> = all(own).into_iter().map(|(kind, reference, data, _)| (kind, reference, data)).collect();
    let part = |data: &[u8]| (KIND_PART, call.0, data.to_vec());
    assert_eq!(rest, [part(b"2"), part(b"3"), (KIND_REPLY, call.0, b"end".to_vec())]);
    assert_eq!(reply_part(ticket, b"5", 0, false), Err(Error::Stale));
    assert_eq!(engine_stats(engine).unwrap().dead_letters, 1);
    balanced(own);
    engine_close(engine).unwrap();
}

#[test]
fn a_cancelled_stream_leaves_nothing_behind() {
    let engine = engine();
    let (server, own) = (mailbox(engine), mailbox(engine));
    let call = call_start(server, own, 9, b"", FOREVER).unwrap();
    let ticket = request(server);
    (0..4).for_each(|_| reply_part(ticket, b"x", 0, false).unwrap());
    let mut batch = recv_batch(own, 0, false).unwrap();
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().kind, KIND_PART);
    reply_part(ticket, b"y", 0, false).unwrap();
    call_cancel(call).unwrap();
    assert!(batch_next(&mut batch).unwrap().is_none(), "also not from the batch in hand");
    batch_release(&mut batch).unwrap();
    assert!(all(own).is_empty());
    assert_eq!((balanced(own).delivered, balanced(own).flushed), (1, 4));
    let again = call_start(server, own, 9, b"", FOREVER).unwrap();
    let ticket = request(server);
    (0..4).for_each(|_| reply_part(ticket, b"x", 0, false).unwrap());
    let mut batch = recv_batch(own, 0, false).unwrap();
    call_cancel(again).unwrap();
    batch_release(&mut batch).unwrap();
    assert!(all(own).is_empty(), "what is handed back goes, too");
    assert_eq!((balanced(own).delivered, balanced(own).flushed), (1, 8));
    engine_close(engine).unwrap();
}

#[test]
fn a_replier_waits_for_room_and_is_woken_when_it_is_too_late() {
    let engine = engine();
    let (server, own) = (mailbox(engine), bounded(engine, 0, 1));
    let call = call_start(server, own, 9, b"", FOREVER).unwrap();
    let ticket = request(server);
    reply_part(ticket, b"1", 0, false).unwrap();
    let replier = std::thread::spawn(move || {
        let first = reply_part(ticket, b"2", FOREVER, false);
        (first, reply_part(ticket, b"3", FOREVER, false))
    });
    clock_wait_parked(engine, 1, 60_000 * MS).unwrap();
    assert_eq!(received(own).1, b"1");
    clock_wait_parked(engine, 1, 60_000 * MS).unwrap();
    call_cancel(call).unwrap();
    let (first, second) = replier.join().unwrap();
    assert!(matches!((first, second), (Ok(()) | Err(Error::Stale), Err(Error::Stale))));
    assert!(all(own).is_empty());
    engine_close(engine).unwrap();
}

#[test]
fn a_gathering_tells_of_each_and_then_of_all() {
    let engine = engine();
    let (one, two, gone, full, own) =
        (mailbox(engine), mailbox(engine), mailbox(engine), bounded(engine, 1, 1), mailbox(engine));
    mailbox_exit(gone, 0, b"").unwrap();
    send(full, Id::NONE, 0, b"").unwrap();
    let gathering = call_many(&[one, two, gone, full, one], own, 7, b"?", 100 * MS).unwrap();
    let (first, second) = (request(one), request(one));
    assert_eq!(call_cancel(first), Err(Error::Inval));
    assert_eq!(reply(gathering, 0, b""), Err(Error::Inval));
    reply_part(second, b"part", 0, false).unwrap();
    reply(second, 0, b"b").unwrap();
    reply(first, 5, b"a").unwrap();
    clock_advance(engine, 100 * MS).unwrap();
    let wanted = Match { fields: MATCH_REF, r#ref: gathering.0, ..Match::default() };
    let mut got = Vec::new();
    while let Ok(message) = recv_match(own, &wanted, 0, false) {
        assert_eq!((message.r#ref, message.tag), (gathering.0, 7));
        got.push((message.kind, message.from, message.status));
        if message.kind == KIND_REPLIES {
            assert_eq!(message.info, [2, 3]);
        }
        message_release(message.owner).unwrap();
    }
    assert_eq!(engine_stats(engine).unwrap().dead_letters, 1, "what the ended one was asked");
    assert_eq!(mailbox_stats(full).unwrap().refused, 1);
    let failed = |error: Error| error.code();
    let expected = [
        (KIND_REPLY, gone, failed(Error::NoProc)),
        (KIND_REPLY, full, failed(Error::Full)),
        (KIND_PART, one, 0),
        (KIND_REPLY, one, 0),
        (KIND_REPLY, one, 5),
        (KIND_REPLY, two, failed(Error::TimedOut)),
        (KIND_REPLIES, Id::NONE, 0),
    ];
    assert_eq!(got, expected);
    let nobody = call_many(&[], own, 7, b"", FOREVER).unwrap();
    assert_eq!(all(own), [(KIND_REPLIES, nobody.0, vec![], 0)]);
    balanced(own);
    engine_close(engine).unwrap();
}

#[test]
fn a_cancelled_gathering_leaves_nothing_behind() {
    let engine = engine();
    let (one, two, own) = (mailbox(engine), mailbox(engine), mailbox(engine));
    let gathering = call_many(&[one, two], own, 7, b"?", 100 * MS).unwrap();
    let (first, second) = (request(one), request(two));
    reply_part(first, b"part", 0, false).unwrap();
    reply(first, 0, b"").unwrap();
    call_cancel(gathering).unwrap();
    assert_eq!(call_cancel(gathering), Err(Error::Stale));
    assert_eq!(reply(second, 0, b""), Err(Error::Stale));
    assert!(all(own).is_empty());
    let again = call_many(&[one, two], own, 7, b"?", 100 * MS).unwrap();
    mailbox_exit(one, 1024, b"why").unwrap();
    mailbox_exit(two, 1024, b"why").unwrap();
    let down = |_| (KIND_REPLY, again.0, b"why".to_vec(), Error::Down.code());
    let mut expected: Vec<_> = (0..2).map(down).collect();
    expected.push((KIND_REPLIES, again.0, vec![], 0));
    assert_eq!(all(own), expected);
    assert_eq!(engine_stats(engine).unwrap().timers, 0);
    let _ = call_many(&[own], own, 7, b"?", 100 * MS).unwrap();
    mailbox_exit(own, 0, b"").unwrap();
    assert_eq!(engine_stats(engine).unwrap().timers, 0);
    engine_close(engine).unwrap();
}

#[test]
fn a_request_is_forwarded_with_its_ticket_and_its_watch() {
    let engine = engine();
    let (front, back, own) = (mailbox(engine), mailbox(engine), mailbox(engine));
    let call = call_start(front, own, 9, b"q", 100 * MS).unwrap();
    let message = recv(front, 0, false).unwrap();
    forward(back, front, &message, b"q").unwrap();
    assert_eq!((balanced(front).monitored_by, balanced(back).monitored_by), (0, 1));
    mailbox_exit(front, 0, b"").unwrap();
    assert!(all(own).is_empty(), "it is no longer the one that is watched");
    let passed = recv(back, 0, false).unwrap();
    assert_eq!((passed.kind, passed.from, passed.tag, passed.r#ref), (KIND_REQUEST, front, 9, call.0));
    assert_eq!((text(&passed), passed.deadline), (b"q".to_vec(), message.deadline));
    let gone = front;
    assert_eq!(forward(gone, Id::NONE, &passed, b"q"), Err(Error::NoProc));
    assert_eq!(balanced(back).monitored_by, 1, "it stays with who has it");
    let elsewhere = super::engine();
    let stranger = mailbox(elsewhere);
    assert_eq!(forward(stranger, Id::NONE, &passed, b"q"), Err(Error::BadId), "its caller is of another engine");
    assert_eq!((balanced(back).monitored_by, balanced(stranger).sent), (1, 0));
    engine_close(elsewhere).unwrap();
    mailbox_exit(back, 1024, b"").unwrap();
    assert_eq!(all(own), [(KIND_REPLY, call.0, vec![], Error::Down.code())]);
    let large = vec![3u8; 10_000];
    send(own, Id::NONE, 4, &large).unwrap();
    let message = recv(own, 0, false).unwrap();
    let third = mailbox(engine);
    forward(third, own, &message, &large).unwrap();
    let same = recv(third, 0, false).unwrap();
    assert_eq!((same.data, same.kind, same.tag, same.from), (message.data, KIND_MESSAGE, 4, own), "shared, not copied");
    engine_close(engine).unwrap();
}
