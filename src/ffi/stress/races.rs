//! Races of two threads that may have one outcome only: exactly one, a hundred thousand times.
//!
//! Guarantees: DOWN or ARMED, tick or cancelled, reply or timeout; what was flushed is seen by nobody.

use super::*;
use std::sync::atomic::AtomicU64;

/// A thread that does `work` to each id it is handed.
struct Hand {
    next: Arc<AtomicU64>,
    thread: thread::JoinHandle<()>,
}

const STOP: u64 = u64::MAX;

impl Hand {
    fn new(work: impl Fn(Id) + Send + 'static) -> Hand {
        let next = Arc::new(AtomicU64::new(0));
        let mine = next.clone();
        let mut idle = 0u32;
        let thread = thread::spawn(move || loop {
            idle = idle.wrapping_add(1);
            match mine.load(SeqCst) {
                // Where cores are short, spinning would keep the other thread from its turn.
                0 if idle % 256 == 0 => thread::yield_now(),
                0 => std::hint::spin_loop(),
                STOP => return,
                id => {
                    work(Id(id));
                    mine.store(0, SeqCst);
                }
            }
        });
        Hand { next, thread }
    }

    fn give(&self, id: Id) {
        self.next.store(id.0, SeqCst);
    }

    fn wait(&self) {
        wait_until("the other thread is done", || self.next.load(SeqCst) == 0);
    }

    fn stop(self) {
        self.wait();
        self.next.store(STOP, SeqCst);
        self.thread.join().unwrap();
    }
}

#[test]
fn monitor_demonitor_and_exit_have_one_outcome() {
    within_a_minute(|| {
        let engine = engine();
        let watcher = mailbox(engine);
        let killer = Hand::new(|target| mailbox_kill(target).unwrap());
        for round in 0..MANY {
            let target = mailbox(engine);
            if round % 3 > 0 {
                killer.give(target);
            }
            let watch = monitor(watcher, target, round).unwrap();
            if round % 3 == 0 {
                killer.give(target);
            }
            let flush = round % 2 == 0;
            let outcome = demonitor(watch, flush).unwrap();
            killer.wait();
            let down = recv(watcher, 0, false).map(release);
            match (outcome, flush) {
                (1, _) | (2, true) => assert_eq!(down.unwrap_err(), Error::Again),
                (3, false) => assert_eq!(down.map(|down| (down.kind, down.tag)), Ok((KIND_DOWN, round))),
                other => panic!("outcome and flush {other:?}"),
            }
        }
        let c = balanced(watcher);
        assert_eq!((c.monitors, c.queued), (0, 0));
        killer.stop();
        engine_close(engine).unwrap();
    });
}

#[test]
fn a_flushed_down_is_seen_by_nobody() {
    within_a_minute(|| {
        let engine = engine();
        let (watcher, dead) = (mailbox(engine), mailbox(engine));
        mailbox_kill(dead).unwrap();
        let flushed = Arc::new(Mutex::new(HashSet::new()));
        let flushes = flushed.clone();
        let flusher = Hand::new(move |watch| {
            if demonitor(watch, true).unwrap() == 2 {
                flushes.lock().unwrap().insert(watch.0);
            }
        });
        let by_kind = Match { fields: MATCH_KIND, kind: KIND_DOWN, ..Match::default() };
        for round in 0..MANY / 2 {
            let watch = monitor(watcher, dead, round).unwrap();
            flusher.give(watch);
            let seen = match round % 3 {
                0 => recv_match(watcher, &by_kind, 0, false).map(release).is_ok(),
                1 => recv(watcher, 0, false).map(release).is_ok(),
                _ => recv_batch(watcher, 0, false).is_ok_and(|mut batch| {
                    let seen = batch_next(&mut batch).unwrap().is_some();
                    batch_release(&mut batch).unwrap();
                    seen
                }),
            };
            flusher.wait();
            assert_eq!(seen, !flushed.lock().unwrap().contains(&watch.0), "round {round}");
        }
        flusher.stop();
        assert_eq!(balanced(watcher).queued, 0);
        engine_close(engine).unwrap();
    });
}

#[test]
fn a_timer_is_cancelled_or_delivered() {
    within_a_minute(|| {
        let engine = engine();
        let to = mailbox(engine);
        for round in 0..MANY / 5 {
            let timer = send_after(to, round as i64 % 40 * 1000, round, b"").unwrap();
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            match timer_cancel(timer) {
                Ok(_) => assert_eq!(recv(to, 0, false).unwrap_err(), Error::Again),
                Err(error) => {
                    assert_eq!(error, Error::Stale);
                    assert_eq!(release(recv(to, 0, false).unwrap()).tag, round);
                }
            }
        }
        assert_eq!((balanced(to).timers, engine_stats(engine).unwrap().timers), (0, 0));
        engine_close(engine).unwrap();
    });
}

#[test]
fn a_call_has_one_outcome() {
    within_a_minute(|| {
        let engine = engine();
        let server = mailbox(engine);
        let answered = Arc::new(AtomicU64::new(0));
        let answers = answered.clone();
        let serving = thread::spawn(move || {
            while let Ok(request) = recv(server, LONG, false).map(release) {
                let outcome = reply(Id(request.r#ref), 0, b"pong");
                assert!(matches!(outcome, Ok(()) | Err(Error::Stale)));
                answers.fetch_add(u64::from(outcome.is_ok()), SeqCst);
            }
        });
        let mut got = 0;
        for round in 0..MANY / 5 {
            match call(server, Id::NONE, round, b"ping", round as i64 % 60 * 1000, false) {
                Ok(message) => got += u64::from(release(message).tag == round),
                Err(CallError::Plain(error)) => assert_eq!(error, Error::TimedOut),
                Err(other) => panic!("{other:?}"),
            }
        }
        mailbox_kill(server).unwrap();
        serving.join().unwrap();
        assert_eq!((got, balanced(server).monitored_by), (answered.load(SeqCst), 0));
        engine_close(engine).unwrap();
    });
}

/// Rule 19: a name that is handed on always has a holder, however soon the old one ends.
#[test]
fn a_send_to_a_name_that_is_handed_on_finds_a_holder() {
    within_a_minute(|| {
        let engine = engine();
        let name = "handed on";
        let first = mailbox(engine);
        register(first, name).unwrap();
        let heir = Hand::new(move |old| {
            register_replace(mailbox(engine), name).unwrap();
            mailbox_kill(old).unwrap();
        });
        let mut sent = 0;
        for _ in 0..MANY / 10 {
            heir.give(whereis(engine, name).unwrap());
            while heir.next.load(SeqCst) != 0 {
                match send_name(engine, name, Id::NONE, 1, b"for the holder") {
                    Ok(()) => sent += 1,
                    Err(error) => assert_eq!(error, Error::Full, "a holder was there"),
                }
            }
        }
        assert!(sent > 0, "sends met the changes");
        heir.stop();
        engine_close(engine).unwrap();
    });
}
