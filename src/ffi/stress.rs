//! The engine under real threads, with the lock checks of the debug build on.
//!
//! Guarantees: what the models show for two or three operations holds for a hundred thousand: order, exactly-once
//! delivery, exactly-once release, one outcome for each race. Every wait has a deadline; a test that is stuck fails.

mod chains;
mod loops;
mod payloads;
mod races;
mod topics;

use crate::engine::*;
use crate::error::Error;
use crate::id::Id;
use crate::message::*;
use crate::owed::Callback;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const MS: i64 = 1_000_000;
/// Longer than anything here takes.
const LONG: i64 = 30_000 * MS;
const MANY: u64 = few(100_000);

/// So many rounds; few under Miri, which takes a thousand times as long for each.
const fn few(rounds: u64) -> u64 {
    if cfg!(miri) {
        rounds.div_ceil(500)
    } else {
        rounds
    }
}

/// Runs a test in a thread of its own and fails when it does not come back, a minute on a machine that does nothing else.
fn within_a_minute(test: impl FnOnce() + Send + 'static) {
    let (done, finished) = mpsc::channel();
    let runner = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match finished.recv_timeout(Duration::from_secs(600)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("stuck"),
        _ => runner.join().unwrap(),
    }
}

fn engine() -> Id {
    engine_open(EngineOptions { virtual_clock: false, host_time: false, ..EngineOptions::default() }).unwrap()
}

fn options<'a>() -> MailboxOptions<'a> {
    let callback = Callback::new(None, std::ptr::null_mut(), None);
    let (max_messages, max_bytes, block_timeout) = (0, 0, LONG);
    MailboxOptions {
        policy: 0,
        max_messages,
        max_bytes,
        block_timeout,
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

const BLOCK: u32 = 1;
const DROP_OLD: u32 = 3;

fn release(message: Message) -> Message {
    message_release(message.owner).unwrap();
    message
}

fn balanced(mailbox: Id) -> MailboxCounters {
    let c = mailbox_stats(mailbox).unwrap();
    assert_eq!(c.sent, c.delivered + c.lost + c.conflated + c.flushed + c.expired + c.discarded + c.queued, "{c:?}");
    c
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        thread::yield_now();
    }
}

// ---- three senders and a receiver, in every style

/// Three senders of `MANY` each; `receive` gives some tags at a time. Tag: sender, then number.
fn three_senders(receive: impl Fn(Id, &mut dyn FnMut(u64)) + Send + 'static) {
    within_a_minute(move || {
        let engine = engine();
        let to = bounded(engine, BLOCK, 1000);
        let senders: Vec<_> = (0..3u64)
            .map(|sender| {
                thread::spawn(move || (0..MANY).for_each(|n| send(to, Id::NONE, sender << 32 | n, b"payload").unwrap()))
            })
            .collect();
        let mut next = [0; 3];
        while next.iter().sum::<u64>() < 3 * MANY {
            receive(to, &mut |tag| {
                let place = &mut next[(tag >> 32) as usize];
                assert_eq!(tag as u32 as u64, *place, "of sender {}", tag >> 32);
                *place += 1;
            });
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        let c = balanced(to);
        assert_eq!((c.delivered, c.queued, c.refused), (3 * MANY, 0, 0));
        engine_close(engine).unwrap();
    });
}

#[test]
fn each_message_by_itself() {
    three_senders(|from, seen| seen(release(recv(from, LONG, false).unwrap()).tag));
}

#[test]
fn whatever_matches() {
    let wanted = Match { fields: MATCH_KIND, kind: KIND_MESSAGE, ..Match::default() };
    three_senders(move |from, seen| seen(release(recv_match(from, &wanted, LONG, false).unwrap()).tag));
}

#[test]
fn what_was_peeked_at() {
    three_senders(|from, seen| {
        let mut cursor = Cursor::default();
        let peeked = release(recv_peek(from, &mut cursor, LONG, false).unwrap()).tag;
        assert_eq!(release(recv_take(from, &cursor).unwrap()).tag, peeked);
        seen(peeked);
    });
}

#[test]
fn batches() {
    three_senders(|from, seen| {
        let mut batch = recv_batch(from, LONG, false).unwrap();
        while let Some(message) = batch_next(&mut batch).unwrap() {
            seen(message.tag);
        }
        batch_release(&mut batch).unwrap();
    });
}

#[test]
fn batches_put_back_half_way() {
    three_senders(|from, seen| {
        let mut batch = recv_batch(from, LONG, false).unwrap();
        for _ in 0..batch.count.div_ceil(2) {
            seen(batch_next(&mut batch).unwrap().unwrap().tag);
        }
        batch_release(&mut batch).unwrap();
    });
}

// ---- receivers of several kinds on one mailbox

#[test]
fn plain_and_selective_receivers_share_a_mailbox() {
    within_a_minute(|| {
        let engine = engine();
        let from = bounded(engine, BLOCK, 100);
        let seen = Arc::new(Mutex::new(HashSet::new()));
        let mut threads = Vec::new();
        for number in 0..5u32 {
            let seen = seen.clone();
            let wanted = Match { fields: MATCH_TAG, tag: number as u64, tag_mask: 1, ..Match::default() };
            threads.push(thread::spawn(move || loop {
                let got = match number {
                    0 | 1 => recv_match(from, &wanted, LONG, false),
                    _ => recv(from, LONG, false),
                };
                match got {
                    Ok(message) => assert!(seen.lock().unwrap().insert(release(message).tag), "twice"),
                    Err(error) => return assert_eq!(error, Error::Closed),
                }
            }));
        }
        // Bursts, so that one send must wake several, with pauses, so that they park in between.
        for burst in 0..few(2000) {
            let items: Vec<(u64, &[u8])> = (0..10).map(|n| (burst * 10 + n, &b"x"[..])).collect();
            let mut sent = 0;
            while sent < items.len() {
                sent += send_many(from, Id::NONE, &items[sent..]).unwrap() as usize;
            }
            if burst % 100 == 0 {
                wait_until("receivers sleep on messages", || balanced(from).queued == 0);
            }
        }
        wait_until("receivers sleep on messages", || balanced(from).queued == 0);
        mailbox_kill(from).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(seen.lock().unwrap().len(), 20_000);
        engine_close(engine).unwrap();
    });
}
