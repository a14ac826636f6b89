//! The engine as its callers use it, with the lock checks of the debug build on.
//!
//! Guarantees: what is tested here holds for every binding; pointers are read only in the two helpers.

use crate::clock::FOREVER;
use crate::engine::*;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::*;
use crate::owed::Callback;
use std::ffi::c_void;
use std::sync::Mutex as StdMutex;

mod flow;

#[cfg(not(loom))]
mod watch_model;
#[cfg(not(loom))]
mod watches;

const MS: i64 = 1_000_000;

fn engine() -> Id {
    engine_open(EngineOptions { virtual_clock: true, host_time: false, ..EngineOptions::default() }).unwrap()
}

fn options<'a>() -> MailboxOptions<'a> {
    let callback = Callback::new(None, std::ptr::null_mut(), None);
    MailboxOptions {
        policy: 0,
        max_messages: 0,
        max_bytes: 0,
        block_timeout: 0,
        run_by: Id::NONE,
        callback,
        name: None,
        notifiable: false,
        by_workers: false,
        thread_bound: false,
    }
}

fn mailbox(engine: Id) -> Id {
    mailbox_open(engine, options()).unwrap()
}

fn bounded(engine: Id, policy: u32, max_messages: u64) -> Id {
    mailbox_open(engine, MailboxOptions { policy, max_messages, ..options() }).unwrap()
}

fn text(message: &Message) -> Vec<u8> {
    // SAFETY: the message was received and not released, so its data is readable.
    unsafe { std::slice::from_raw_parts(message.data.cast::<u8>(), message.data_size) }.to_vec()
}

/// Receives without waiting and releases: kind, tag, lost, status.
fn next(mailbox: Id) -> Result<(u32, u64, u64, i32)> {
    let message = recv(mailbox, 0, false)?;
    message_release(message.owner).unwrap();
    Ok((message.kind, message.tag, message.lost, message.status))
}

fn tags(mailbox: Id) -> Vec<u64> {
    std::iter::from_fn(|| next(mailbox).ok()).map(|(_, tag, ..)| tag).collect()
}

fn balanced(mailbox: Id) -> MailboxCounters {
    let c = mailbox_stats(mailbox).unwrap();
    assert_eq!(c.sent, c.delivered + c.lost + c.conflated + c.flushed + c.expired + c.discarded + c.queued, "{c:?}");
    c
}

#[test]
fn messages_come_in_order_with_their_bytes() {
    let engine = engine();
    let (a, b) = (mailbox(engine), mailbox(engine));
    let large = vec![7u8; 100_000];
    send(b, a, 1, b"one").unwrap();
    send(b, a, 2, &large).unwrap();
    send(b, Id::NONE, 3, b"").unwrap();
    let one = recv(b, 0, false).unwrap();
    assert_eq!((one.kind, one.from, one.tag, text(&one)), (KIND_MESSAGE, a, 1, b"one".to_vec()));
    let two = recv(b, 0, false).unwrap();
    assert_eq!(text(&two), large);
    message_release(one.owner).unwrap();
    assert_eq!(message_release(one.owner), Err(Error::Stale));
    message_release(two.owner).unwrap();
    assert_eq!(next(b), Ok((KIND_MESSAGE, 3, 0, 0)));
    assert_eq!(recv(b, 0, false).unwrap_err(), Error::Again);
    balanced(b);
    engine_close(engine).unwrap();
    assert_eq!(send(b, Id::NONE, 1, b"x"), Err(Error::NoProc));
    assert_eq!(recv(b, 0, false).unwrap_err(), Error::Closed);
}

#[test]
fn a_selective_receive_leaves_the_rest_in_order() {
    let engine = engine();
    let a = mailbox(engine);
    (1..=5).for_each(|tag| send(a, Id::NONE, tag, b"x").unwrap());
    let wanted = Match { fields: MATCH_TAG, tag: 4, ..Match::default() };
    let four = recv_match(a, &wanted, 0, false).unwrap();
    assert_eq!(four.tag, 4);
    assert_eq!(recv_match(a, &wanted, 0, false).unwrap_err(), Error::Again);
    let mut cursor = Cursor::default();
    let seen: Vec<u64> = (0..4).map(|_| recv_peek(a, &mut cursor, 0, false).unwrap().tag).collect();
    assert_eq!(seen, [1, 2, 3, 5]);
    assert_eq!(recv_take(a, &cursor).unwrap().tag, 5);
    assert_eq!(recv_take(a, &cursor).unwrap_err(), Error::Stale);
    assert_eq!(tags(a), [1, 2, 3]);
    assert_eq!(balanced(a).delivered, 5);
}

#[test]
fn each_policy_counts_what_it_drops() {
    let engine = engine();
    let new = bounded(engine, 2, 10);
    (1..=15).for_each(|tag| send(new, Id::NONE, tag, b"x").unwrap());
    assert_eq!(tags(new), (1..=10).collect::<Vec<_>>());
    mailbox_exit(new, REASON_NORMAL, b"").unwrap();
    assert_eq!(next(new), Ok((KIND_END, 0, 5, 0)));
    assert_eq!(next(new), Err(Error::Closed));
    balanced(new);

    let old = bounded(engine, 3, 10);
    (1..=15).for_each(|tag| send(old, Id::NONE, tag, b"x").unwrap());
    assert_eq!(next(old), Ok((KIND_MESSAGE, 6, 5, 0)));
    assert_eq!(tags(old), (7..=15).collect::<Vec<_>>());
    assert_eq!((balanced(old).lost, balanced(old).sent), (5, 15));

    let fail = bounded(engine, 0, 2);
    send(fail, Id::NONE, 1, b"x").unwrap();
    send(fail, Id::NONE, 2, b"x").unwrap();
    assert_eq!(send(fail, Id::NONE, 3, b"x"), Err(Error::Full));
    assert_eq!(next(fail).unwrap().1, 1);
    send(fail, Id::NONE, 4, b"x").unwrap();
    assert_eq!(balanced(fail).refused, 1);
}

#[test]
fn drop_old_never_evicts_a_request() {
    let engine = engine();
    let (a, server) = (mailbox(engine), bounded(engine, 3, 2));
    call_start(server, a, 1, b"x", FOREVER).unwrap();
    send(server, a, 2, b"x").unwrap();
    send(server, a, 3, b"x").unwrap();
    send(server, a, 4, b"x").unwrap();
    assert_eq!(next(server).unwrap().1, 1);
    assert_eq!(next(server).unwrap(), (KIND_MESSAGE, 4, 2, 0));
    balanced(server);
}

#[test]
fn a_blocked_send_waits_for_room_or_its_time() {
    let engine = engine();
    let a = bounded(engine, 1, 1);
    send(a, Id::NONE, 1, b"x").unwrap();
    let sender = |tag, timeout| {
        std::thread::spawn(move || {
            send_ex(a, Id::NONE, tag, b"x", SendOptions { timeout, interruptible: false, release: None })
        })
    };
    let late = sender(2, 50 * MS);
    clock_wait_parked(engine, 1, 5_000 * MS).unwrap();
    clock_advance(engine, 50 * MS - 1).unwrap();
    assert!(!late.is_finished());
    clock_advance(engine, 1).unwrap();
    assert_eq!(late.join().unwrap(), Err(Error::TimedOut));
    let waiting = sender(3, 0);
    clock_wait_parked(engine, 1, 5_000 * MS).unwrap();
    assert_eq!(next(a).unwrap().1, 1);
    assert_eq!(waiting.join().unwrap(), Ok(()));
    assert_eq!(tags(a), [3]);
    assert_eq!(balanced(a).refused, 1);
}

#[test]
fn monitors_fire_once_in_order_with_their_reason() {
    let engine = engine();
    let (w, t) = (mailbox(engine), mailbox(engine));
    register(t, "name").unwrap();
    let first = monitor(w, t, 1).unwrap();
    let second = monitor_name(w, "name", 2).unwrap();
    let third = monitor(w, t, 3).unwrap();
    assert_eq!(demonitor(third, false), Ok(1));
    assert_eq!(demonitor(third, false), Ok(3));
    assert_eq!(mailbox_stats(t).unwrap().monitored_by, 2);
    send(w, t, 9, b"last words").unwrap();
    mailbox_exit(t, 2000, b"why").unwrap();
    assert_eq!(whereis(engine, "name"), Err(Error::NotFound));
    assert_eq!(next(w).unwrap().1, 9);
    let down = recv(w, 0, false).unwrap();
    assert_eq!(
        (down.kind, down.status, down.from, down.r#ref, text(&down)),
        (KIND_DOWN, 2000, t, first.0, b"why".to_vec())
    );
    message_release(down.owner).unwrap();
    let by_ref = Match { fields: MATCH_REF, r#ref: second.0, ..Match::default() };
    let down = recv_match(w, &by_ref, 0, false).unwrap();
    assert_eq!((down.topic_size, down.tag), (4, 2));
    message_release(down.owner).unwrap();
    let dead = monitor(w, t, 4).unwrap();
    assert_eq!(demonitor(dead, true), Ok(2));
    monitor_name(w, "name", 5).unwrap();
    assert_eq!(next(w), Ok((KIND_DOWN, 5, 0, REASON_NOPROC)));
    assert_eq!(next(w), Err(Error::Again));
    let c = balanced(w);
    assert_eq!((c.monitors, c.flushed), (0, 1));
}

#[test]
fn a_watcher_that_ends_leaves_nothing_at_the_target() {
    let engine = engine();
    let (w, t) = (mailbox(engine), mailbox(engine));
    monitor(w, t, 1).unwrap();
    monitor(t, t, 1).unwrap();
    call_start(t, w, 1, b"x", 5 * MS).unwrap();
    send_after(w, 5 * MS, 1, b"x").unwrap();
    assert_eq!(mailbox_stats(t).unwrap().monitored_by, 3);
    mailbox_kill(w).unwrap();
    assert_eq!(mailbox_stats(t).unwrap().monitored_by, 1);
    assert_eq!(engine_stats(engine).unwrap().timers, 0);
    assert_eq!(next(t), Err(Error::Again));
    assert_eq!(balanced(t).expired, 1);
    mailbox_kill(t).unwrap();
}

#[test]
fn timers_fire_in_order_and_are_cancelled_or_delivered() {
    let engine = engine();
    let a = mailbox(engine);
    send_after(a, 20 * MS, 2, b"x").unwrap();
    send_after(a, 10 * MS, 1, b"x").unwrap();
    let gone = send_after(a, 15 * MS, 9, b"x").unwrap();
    let tick = send_every(a, 8 * MS, 7, b"t").unwrap();
    clock_advance(engine, 5 * MS).unwrap();
    assert_eq!(timer_cancel(gone), Ok(10 * MS));
    assert_eq!(timer_cancel(gone), Err(Error::Stale));
    assert_eq!(timer_read(tick), Ok(3 * MS));
    clock_advance(engine, 45 * MS).unwrap();
    assert_eq!(tags(a), [7, 1, 2]);
    clock_advance(engine, 6 * MS).unwrap();
    assert_eq!(timer_cancel(tick), Ok(8 * MS));
    assert!(tags(a).is_empty());
    send_after_name(engine, "later", 5 * MS, 4, b"x").unwrap();
    register(a, "later").unwrap();
    clock_advance(engine, 5 * MS).unwrap();
    assert_eq!(tags(a), [4]);
    balanced(a);
    assert_eq!(engine_stats(engine).unwrap().timers, 0);
}

#[test]
fn a_call_has_one_outcome() {
    let engine = engine();
    let (a, b) = (mailbox(engine), mailbox(engine));
    let server = std::thread::spawn(move || {
        let request = recv(b, 5_000 * MS, false).unwrap();
        let ticket = Id(request.r#ref);
        reply(ticket, 0, b"pong").unwrap();
        assert_eq!(reply(ticket, 0, b"again"), Err(Error::Stale));
        let request = recv(b, 5_000 * MS, false).unwrap();
        ticket_drop(Id(request.r#ref)).unwrap();
        recv(b, 5_000 * MS, false).unwrap();
        mailbox_exit(b, 3000, b"gone").unwrap();
    });
    let pong = call(b, a, 1, b"ping", FOREVER, false).unwrap();
    assert_eq!(text(&pong), b"pong");
    assert!(matches!(call(b, Id::NONE, 1, b"ping", FOREVER, false), Err(CallError::Plain(Error::NoReply))));
    match call(b, a, 1, b"ping", FOREVER, false) {
        Err(CallError::Down(down)) => {
            assert_eq!((down.kind, down.status, text(&down)), (KIND_DOWN, 3000, b"gone".to_vec()))
        }
        other => panic!("{other:?}"),
    }
    server.join().unwrap();
    assert!(matches!(call(b, a, 1, b"ping", FOREVER, false), Err(CallError::Plain(Error::NoProc))));
    assert!(matches!(call(a, a, 1, b"ping", FOREVER, false), Err(CallError::Plain(Error::Deadlock))));
    assert_eq!(engine_stats(engine).unwrap().dead_letters, 2);
    assert_eq!(mailbox_stats(a).unwrap().monitored_by, 0);
}

#[test]
fn a_request_that_expires_in_an_open_batch_is_not_delivered() {
    let engine = engine();
    let (a, b) = (mailbox(engine), mailbox(engine));
    let tickets: Vec<Id> = (1..=3).map(|tag| call_start(b, a, tag, b"", FOREVER).unwrap()).collect();
    let mut batch = recv_batch(b, 0, false).unwrap();
    call_cancel(tickets[0]).unwrap();
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().tag, 2);
    call_cancel(tickets[2]).unwrap();
    assert!(!batch_claim(&mut batch, 2).unwrap());
    let now = balanced(b);
    assert_eq!((now.expired, now.delivered, now.queued), (2, 0, 1));
    // Back to before the last: it is in the queue again, and expires there.
    batch.cursor = 2;
    batch_release(&mut batch).unwrap();
    let now = balanced(b);
    assert_eq!((now.expired, now.delivered, now.queued), (1, 1, 1));
    assert_eq!(next(b), Err(Error::Again));
    assert_eq!(balanced(b).expired, 2);
}

#[test]
fn a_request_to_oneself_is_found_by_its_ticket() {
    let a = mailbox(engine());
    let ticket = call_start(a, a, 5, b"x", FOREVER).unwrap();
    let wanted = Match { fields: MATCH_REF, r#ref: ticket.0, ..Match::default() };
    let request = recv_match(a, &wanted, 0, false).unwrap();
    assert_eq!((request.kind, text(&request)), (KIND_REQUEST, b"x".to_vec()));
    message_release(request.owner).unwrap();
    reply(ticket, 0, b"y").unwrap();
    let answer = recv_match(a, &wanted, 0, false).unwrap();
    assert_eq!((answer.kind, text(&answer)), (KIND_REPLY, b"y".to_vec()));
    message_release(answer.owner).unwrap();
    assert_eq!(balanced(a).queued, 0);
}

#[test]
fn a_late_reply_reaches_nobody() {
    let engine = engine();
    let (a, b) = (mailbox(engine), mailbox(engine));
    let ticket = call_start(b, a, 5, b"x", 10 * MS).unwrap();
    let request = recv(b, 0, false).unwrap();
    assert_eq!(request.r#ref, ticket.0);
    clock_advance(engine, 10 * MS).unwrap();
    assert_eq!(next(a), Ok((KIND_REPLY, 5, 0, Error::TimedOut.code())));
    assert_eq!(reply(ticket, 0, b"late"), Err(Error::Stale));
    assert_eq!(engine_stats(engine).unwrap().dead_letters, 1);
    assert_eq!(next(a), Err(Error::Again));
    let cancelled = call_start(b, a, 6, b"x", 10 * MS).unwrap();
    call_cancel(cancelled).unwrap();
    assert_eq!(call_cancel(cancelled), Err(Error::Stale));
    assert_eq!(next(b), Err(Error::Again));
    assert_eq!(engine_stats(engine).unwrap().timers, 0);
}

#[test]
fn a_subscription_has_a_bound_of_its_own() {
    let engine = engine();
    let a = mailbox(engine);
    let all = subscribe(a, "a.>", 0, 0, None).unwrap();
    let some = subscribe(a, "a.*", 3, 2, None).unwrap();
    send(a, Id::NONE, 99, b"x").unwrap();
    for tag in 1..=4 {
        let receipt = publish(engine, Id::NONE, "a.b", tag, b"x", PublishOptions::default()).unwrap();
        assert_eq!(receipt, Receipt { matched: 2, queued: 2, dropped: 0 });
    }
    let mut seen: Vec<(u64, u64, u64)> = Vec::new();
    while let Ok(message) = recv(a, 0, false) {
        seen.push((message.r#ref, message.tag, message.lost));
        message_release(message.owner).unwrap();
    }
    let of =
        |id: Id| seen.iter().filter(|(reference, ..)| *reference == id.0).map(|(_, tag, _)| *tag).collect::<Vec<_>>();
    assert_eq!((of(all), of(some), seen[0].1), (vec![1, 2, 3, 4], vec![3, 4], 99));
    assert_eq!(seen.iter().map(|(.., lost)| lost).sum::<u64>(), 2);
    publish(engine, Id::NONE, "a.c", 1, b"x", PublishOptions::default()).unwrap();
    unsubscribe(all, true).unwrap();
    assert_eq!(unsubscribe(all, true), Err(Error::Stale));
    assert_eq!(tags(a), [1]);
    assert_eq!(publish(engine, Id::NONE, "a.b.c", 1, b"x", PublishOptions::default()).unwrap(), Receipt::default());
    assert_eq!(publish(engine, Id::NONE, "a..c", 1, b"x", PublishOptions::default()), Err(Error::Inval));
    balanced(a);
}

static SEEN: StdMutex<Vec<u64>> = StdMutex::new(Vec::new());

extern "C" fn close_at_three(batch: *mut Batch, user: *mut c_void) {
    // SAFETY: the loop passes a batch that lives through the handler's call.
    let batch = unsafe { &mut *batch };
    let own = batch.mailbox;
    while let Some(message) = batch_next(batch).unwrap() {
        SEEN.lock().unwrap().push(message.tag);
        if message.tag == 3 {
            mailbox_exit(own, REASON_CALLBACK_FAILED, b"enough").unwrap();
        }
    }
    assert!(user.is_null());
}

#[test]
fn a_handler_that_ends_its_mailbox_sees_no_more() {
    let engine = engine();
    let looped = loop_open(engine, 0, None).unwrap();
    let callback = Callback::new(Some(close_at_three as HandlerFn), std::ptr::null_mut(), None);
    let a = mailbox_open(engine, MailboxOptions { run_by: looped, callback, ..options() }).unwrap();
    let w = mailbox(engine);
    monitor(w, a, 1).unwrap();
    assert_eq!(loop_run(looped, 0, false), Ok(0));
    (1..=5).for_each(|tag| send(a, Id::NONE, tag, b"x").unwrap());
    assert_eq!(recv(a, 0, false).unwrap_err(), Error::Inval);
    assert_eq!(loop_run(looped, FOREVER, false), Ok(1));
    assert_eq!(*SEEN.lock().unwrap(), [1, 2, 3]);
    assert_eq!(next(w), Ok((KIND_DOWN, 1, 0, REASON_CALLBACK_FAILED)));
    let c = balanced(a);
    assert_eq!((c.delivered, c.discarded, c.state), (3, 2, 2));
    loop_close(looped).unwrap();
    assert_eq!(loop_run(looped, 0, false), Err(Error::Closed));
}

#[test]
fn what_a_batch_did_not_pass_goes_back() {
    let engine = engine();
    let a = mailbox(engine);
    (1..=6).for_each(|tag| send(a, Id::NONE, tag, b"x").unwrap());
    let timer = send_after(a, MS, 7, b"").unwrap();
    clock_advance(engine, MS).unwrap();
    send(a, Id::NONE, 8, b"x").unwrap();
    let mut batch = recv_batch(a, 0, false).unwrap();
    assert_eq!(batch.count, 6);
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().tag, 1);
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().tag, 2);
    let mut copy = batch_retain(&batch).unwrap();
    assert!(batch_next(&mut copy).unwrap().is_none());
    batch_release(&mut batch).unwrap();
    assert_eq!(batch_release(&mut batch), Err(Error::Stale));
    batch_release(&mut copy).unwrap();
    assert_eq!(next(a).unwrap().1, 3);
    let mut batch = recv_batch(a, 0, false).unwrap();
    batch.cursor = batch.count;
    batch_release(&mut batch).unwrap();
    let mut signals = recv_batch(a, 0, false).unwrap();
    assert_eq!((signals.count, timer_cancel(timer)), (1, Err(Error::Stale)));
    batch_release(&mut signals).unwrap();
    assert_eq!(tags(a), [7, 8]);
    let c = balanced(a);
    assert_eq!((c.delivered, c.queued), (8, 0));
}

#[test]
fn ids_of_the_past_and_of_elsewhere_are_errors() {
    let (one, two) = (engine(), engine());
    let (a, b) = (mailbox(one), mailbox(two));
    assert_eq!(send(a, b, 1, b"x"), Err(Error::BadId));
    assert_eq!(monitor(a, b, 1), Err(Error::BadId));
    assert_eq!(send(Id(12345), Id::NONE, 1, b"x"), Err(Error::BadId));
    assert_eq!(send(one, Id::NONE, 1, b"x"), Err(Error::BadId));
    mailbox_kill(a).unwrap();
    assert_eq!(mailbox_kill(a), Err(Error::NoProc));
    assert_eq!(register(a, "x"), Err(Error::NoProc));
    engine_close(two).unwrap();
    assert_eq!(engine_close(two), Err(Error::Stale));
    assert!(mailbox_open(two, options()).is_err());
}

#[test]
fn a_repeating_timer_is_gone_with_its_mailbox_also_while_a_batch_holds_its_tick() {
    let engine = engine();
    let a = mailbox(engine);
    let timer = send_every(a, MS, 1, b"").unwrap();
    clock_advance(engine, MS).unwrap();
    let mut batch = recv_batch(a, 0, false).unwrap();
    assert_eq!(timer_read(timer), Ok(MS));
    mailbox_kill(a).unwrap();
    assert_eq!(timer_read(timer), Err(Error::Stale));
    assert_eq!(timer_cancel(timer), Err(Error::Stale));
    batch_release(&mut batch).unwrap();
    engine_close(engine).unwrap();
}
