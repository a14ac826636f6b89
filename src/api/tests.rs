//! What the Rust face adds to the engine: drops, closures, panics, payloads on loan.

use super::*;
use crate::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::Arc;

const SOON: Option<Duration> = Some(Duration::from_secs(60));

/// Counts its drops.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"on loan"
    }
}

/// (rule 9)
#[test]
fn a_panic_of_a_handler_ends_its_mailbox_and_nothing_else() {
    let engine = Engine::new().unwrap();
    let run = engine.open_loop().unwrap();
    let watcher = engine.mailbox().open().unwrap();
    let bad = engine.mailbox().handled_in(&run, |_, _| panic!("out of {}", "luck")).unwrap();
    let (seen, sees) = std::sync::mpsc::channel();
    let good = engine.mailbox().handled_in(&run, move |_, messages| {
        while let Some(message) = messages.next() {
            seen.send(message.tag()).unwrap();
        }
    });
    let good = good.unwrap();
    let _monitor = watcher.monitor(bad.address()).unwrap();
    bad.send(0, b"").unwrap();
    good.send(7, b"").unwrap();
    while run.run(Some(Duration::ZERO)).unwrap() > 0 {}
    let down = watcher.recv_match(&Match::new().kind(Kind::Down), SOON).unwrap();
    assert_eq!((down.reason(), &*down.text()), (Reason::CALLBACK_FAILED, "out of luck"));
    assert_eq!(sees.try_recv(), Ok(7));
}

#[test]
fn a_handler_is_dropped_once_also_when_the_mailbox_does_not_open() {
    let drops = Arc::new(AtomicUsize::new(0));
    let engine = Engine::new().unwrap();
    let run = engine.open_loop().unwrap();
    let counted = Counted(drops.clone());
    let handler = move |_: &Mailbox, _: &mut Messages<'_>| assert!(counted.0.load(SeqCst) < 2);
    let mailbox = engine.mailbox().handled_in(&run, handler).unwrap();
    assert_eq!(drops.load(SeqCst), 0);
    drop(mailbox);
    run.run(Some(Duration::ZERO)).unwrap();
    assert_eq!(drops.load(SeqCst), 1);
    let counted = Counted(drops.clone());
    let handler = move |_: &Mailbox, _: &mut Messages<'_>| assert!(counted.0.load(SeqCst) < 2);
    assert_eq!(engine.mailbox().name("").handled_in(&run, handler).unwrap_err(), Error::Inval);
    assert_eq!(drops.load(SeqCst), 2);
}

#[test]
fn a_payload_on_loan_is_dropped_once_after_its_last_reader_and_comes_back_from_a_failed_send() {
    let drops = Arc::new(AtomicUsize::new(0));
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().max_messages(1).open().unwrap();
    mailbox.send_owned(0, Counted(drops.clone())).map_err(|(error, _)| error).unwrap();
    let (error, back) = mailbox.send_owned(0, Counted(drops.clone())).unwrap_err();
    assert_eq!((error, back.as_ref(), drops.load(SeqCst)), (Error::Full, &b"on loan"[..], 0));
    let message = mailbox.recv().unwrap();
    drop((back, mailbox));
    assert_eq!((message.data(), drops.load(SeqCst)), (&b"on loan"[..], 1));
    drop(message);
    assert_eq!(drops.load(SeqCst), 2);
}

#[test]
fn a_published_payload_is_dropped_once_after_its_last_reader_and_comes_back_from_a_failed_publish() {
    let drops = Arc::new(AtomicUsize::new(0));
    let engine = Engine::new().unwrap();
    let (ann, bob) = (engine.mailbox().open().unwrap(), engine.mailbox().open().unwrap());
    let _held = (ann.subscribe("a").unwrap(), bob.subscribe("a").unwrap());
    let receipt = engine.publish_owned("a", 0, Counted(drops.clone())).map_err(|(error, _)| error).unwrap();
    assert_eq!((receipt.queued, ann.recv().unwrap().data()), (2, &b"on loan"[..]));
    assert_eq!(drops.load(SeqCst), 0);
    assert_eq!(bob.recv().unwrap().data(), b"on loan");
    assert_eq!(drops.load(SeqCst), 1);
    let (error, back) = ann.publish_owned("a.*", 0, Counted(drops.clone())).unwrap_err();
    assert_eq!((error, drops.load(SeqCst)), (Error::Inval, 1));
    drop(back);
    engine.publish_owned("nobody", 0, Counted(drops.clone())).map_err(|(error, _)| error).unwrap();
    assert_eq!(drops.load(SeqCst), 3);
}

/// (rule 30)
#[test]
fn a_drain_refuses_who_has_no_name_and_ends_when_all_is_handled() {
    let engine = Engine::new().unwrap();
    let run = engine.open_loop().unwrap();
    let count = |_: &Mailbox, messages: &mut Messages<'_>| while messages.next().is_some() {};
    let bob = engine.mailbox().name("bob").handled_in(&run, count).unwrap();
    let ann = engine.mailbox().open().unwrap();
    bob.send(0, b"").unwrap();
    assert_eq!(engine.try_drain().unwrap(), None);
    let (to, many) = (bob.address(), &[(0, &b""[..])]);
    assert_eq!((to.send_many(many), ann.send_many_to(to, many)), (Err(Error::Closed), Ok(1)));
    assert_eq!((engine.send_name("bob", 0, b""), ann.send_name("bob", 0, b"")), (Err(Error::Closed), Ok(())));
    let no_time = Duration::ZERO;
    assert_eq!(to.send_timeout(0, b"", no_time), Err(Error::Closed));
    assert_eq!(ann.send_timeout_to(to, 0, b"", no_time), Ok(()));
    assert_eq!(to.send_owned(0, "").map_err(|(error, _)| error), Err(Error::Closed));
    assert_eq!(ann.send_owned_to(to, 0, "").map_err(|(error, _)| error), Ok(()));
    assert_eq!(engine.publish_many("a", many).unwrap_err(), Error::Closed);
    assert_eq!(ann.publish_many("a", many).unwrap().matched, 0);
    assert_eq!(ann.publish_retained("a", 0, b"kept").unwrap().matched, 0);
    let report = loop {
        if let Some(report) = engine.try_drain().unwrap() {
            break report;
        }
        run.run(Some(Duration::ZERO)).unwrap();
    };
    assert_eq!((report.delivered, report.undelivered), (5, 0));
    assert_eq!((bob.send(0, b""), engine.try_drain()), (Err(Error::NoProc), Err(Error::Stale)));
    let engine = Engine::new().unwrap();
    let left = engine.mailbox().open().unwrap();
    left.send(0, b"").unwrap();
    let (done, report) = engine.drain(no_time);
    assert_eq!((done, report.undelivered), (Err(Error::TimedOut), 1));
}

#[test]
fn a_payload_of_no_bytes_on_loan_is_dropped_too() {
    struct Empty(Counted);
    impl AsRef<[u8]> for Empty {
        fn as_ref(&self) -> &[u8] {
            let _ = &self.0;
            &[]
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().open().unwrap();
    mailbox.send_owned(0, Empty(Counted(drops.clone()))).map_err(|(error, _)| error).unwrap();
    drop(mailbox.recv().unwrap());
    assert_eq!(drops.load(SeqCst), 1);
}

/// (rule 12)
#[test]
fn everything_may_be_dropped_in_any_order() {
    let engine = Engine::new().unwrap();
    let run = engine.open_loop().unwrap();
    let (ann, bob) = (engine.mailbox().open().unwrap(), engine.mailbox().handled_in(&run, |_, _| ()).unwrap());
    let call = ann.call_start(bob.address(), 0, b"", SOON).unwrap();
    let held = (ann.monitor(bob.address()).unwrap(), ann.subscribe("a.>").unwrap());
    let (watch, _) = ann.watch_group("g").unwrap();
    let calls = ann.call_many(&[bob.address()], 0, b"", SOON).unwrap();
    let timer = ann.send_after(Duration::from_secs(3600), 0, b"").unwrap();
    ann.send(0, b"kept").unwrap();
    let message = ann.recv().unwrap();
    ann.send(0, b"more").unwrap();
    let batch = ann.recv_batch(SOON).unwrap();
    drop(engine);
    assert_eq!(ann.send(0, b"").unwrap_err(), Error::NoProc);
    assert_eq!(timer.left().unwrap_err(), Error::Stale);
    drop((run, call, calls, held, watch, timer, batch, ann, bob));
    assert_eq!(message.data(), b"kept");
}

#[test]
fn a_log_sink_hears_lines_survives_its_own_panic_and_is_dropped_once() {
    let (drops, heard) = (Arc::new(AtomicUsize::new(0)), std::sync::Mutex::new(String::new()));
    let (counted, heard) = (Counted(drops.clone()), Arc::new(heard));
    let lines = heard.clone();
    let sink = raw::log_sink(move |level, line: &str| {
        lines.lock().unwrap().push_str(&format!("{level} {line}, "));
        assert!(line != "bad" && !counted.as_ref().is_empty(), "a line that the sink does not like");
    });
    for line in ["bad", "good", ""] {
        (sink.call)(2, line.as_ptr().cast(), line.len(), sink.user.get());
    }
    assert_eq!(
        (&**heard.lock().unwrap_or_else(|bad| bad.into_inner()), drops.load(SeqCst)),
        ("2 bad, 2 good, 2 , ", 0)
    );
    drop(sink);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn what_crosses_threads_may() {
    fn crosses<T: Send + Sync>() {}
    crosses::<(Engine, Mailbox, Address, Loop, Message, Batch)>();
    crosses::<(Monitor, Timer, Subscription, Watch, Call, Ticket, CallError, Peek<'_>)>();
}

/// (rule 6)
#[test]
fn what_is_wanted_is_taken_and_the_rest_stays_in_order() {
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().open().unwrap();
    (0..4).for_each(|tag| mailbox.send(tag, b"").unwrap());
    assert_eq!(mailbox.recv_where(|message| message.tag() == 2, SOON).unwrap().tag(), 2);
    let never = |timeout| mailbox.recv_where(|_| false, timeout).unwrap_err();
    assert_eq!(never(Some(Duration::ZERO)), Error::Again);
    assert_eq!(never(Some(Duration::from_millis(1))), Error::TimedOut);
    let left: Vec<u64> = std::iter::from_fn(|| mailbox.try_recv().unwrap()).map(|message| message.tag()).collect();
    assert_eq!(left, [0, 1, 3]);
    drop(engine);
    assert_eq!(never(SOON), Error::Closed);
}

/// (rule 6)
#[test]
fn what_is_wanted_may_go_or_wait_while_it_is_looked_at() {
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().open().unwrap();
    (0..3).for_each(|tag| mailbox.send(tag, b"").unwrap());
    let mut looks = Vec::new();
    let wanted = mailbox.recv_where(
        |message| {
            looks.push(message.tag());
            match looks[..] {
                [0] => drop(mailbox.recv().unwrap()),
                [0, 1] => {
                    mailbox.suspend().unwrap();
                    let address = mailbox.address();
                    std::thread::spawn(move || address.resume());
                }
                _ => {}
            }
            true
        },
        SOON,
    );
    // Either the take finds the mailbox suspended, and looks again, or it has been resumed already.
    assert_eq!(wanted.unwrap().tag(), 1);
    assert!(looks == [0, 1] || looks == [0, 1, 1], "{looks:?}");
    assert_eq!(mailbox.recv().unwrap().tag(), 2);
}

#[test]
fn a_peek_says_what_became_of_what_it_saw() {
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().open().unwrap();
    let mut peek = mailbox.peek();
    assert_eq!(peek.take().unwrap_err(), Error::Inval);
    mailbox.send(1, b"one").unwrap();
    assert_eq!(peek.next(SOON).unwrap().text(), "one");
    mailbox.suspend().unwrap();
    assert_eq!(peek.take().unwrap_err(), Error::Again);
    mailbox.resume().unwrap();
    drop(mailbox.recv().unwrap());
    assert!(peek.take().unwrap().is_none());
    mailbox.close().unwrap();
    assert_eq!((peek.take().unwrap_err(), peek.try_next().unwrap_err()), (Error::Closed, Error::Closed));
}

/// (rule 24)
#[test]
fn a_call_to_many_that_is_dropped_is_given_up() {
    let engine = Engine::new().unwrap();
    let ann = engine.mailbox().open().unwrap();
    let others = [engine.mailbox().open().unwrap(), engine.mailbox().open().unwrap()];
    let to = others.each_ref().map(|mailbox| mailbox.address());
    let call = ann.call_many(&to, 0, b"", SOON).unwrap();
    let ticket = others[0].recv().unwrap().ticket().unwrap();
    ticket.part(b"one of two", SOON).unwrap();
    drop(call);
    assert_eq!(ticket.end().unwrap_err(), Error::Stale);
    assert!(ann.try_recv().unwrap().is_none() && others[1].try_recv().unwrap().is_none());
    let _nobody = ann.call_many(&[], 9, b"", None).unwrap();
    let end = ann.recv().unwrap();
    assert_eq!((end.kind(), end.tag(), end.answered(), end.unanswered()), (Kind::Replies, 9, 0, 0));
}

/// (rule 23)
#[test]
fn a_request_of_a_batch_is_given_on_with_its_ticket() {
    let engine = Engine::new().unwrap();
    let run = engine.open_loop().unwrap();
    let (ann, bob) = (engine.mailbox().open().unwrap(), engine.mailbox().open().unwrap());
    let to = bob.address();
    let router = engine.mailbox().handled_in(&run, move |own, messages| {
        while let Some(message) = messages.next() {
            own.forward_to(to, &message).unwrap();
        }
    });
    let router = router.unwrap();
    let call = ann.call_start(router.address(), 3, b"who?", None).unwrap();
    let large = vec![7u8; 100_000];
    router.send_owned(5, large.clone()).map_err(|(error, _)| error).unwrap();
    while run.run(Some(Duration::ZERO)).unwrap() > 0 {}
    let request = bob.recv().unwrap();
    assert_eq!((request.from(), request.tag()), (Some(router.address()), 3));
    request.ticket().unwrap().reply(b"bob").unwrap();
    let reply = ann.recv().unwrap();
    assert_eq!((reply.reference(), reply.from(), &*reply.text()), (call.id(), Some(router.address()), "bob"));
    let plain = bob.recv().unwrap();
    assert_eq!((plain.kind(), plain.tag(), plain.data()), (Kind::Message, 5, &large[..]));
}

/// (rule 20)
#[test]
fn a_watch_that_could_not_tell_says_how_it_stands_by_its_kind() {
    let engine = Engine::new().unwrap();
    let ann = engine.mailbox().max_messages(1).open().unwrap();
    let others = [engine.mailbox().open().unwrap(), engine.mailbox().open().unwrap()];
    let (watch, keys) = ann.watch_presence("room").unwrap();
    assert_eq!(keys, [""; 0]);
    for (mailbox, key) in others.iter().zip(["ann", "grüß dich"]) {
        mailbox.enter_presence("room", key, Duration::ZERO).unwrap();
    }
    let first = ann.recv().unwrap();
    assert_eq!((first.key(), first.change(), first.snapshot()), ("ann", Some(Change::Joined), None));
    let resync = ann.recv().unwrap();
    assert_eq!((resync.kind(), resync.reference()), (Kind::Resync, watch.id()));
    assert_eq!(resync.snapshot(), Some(Snapshot::Keys(vec!["ann".into(), "grüß dich".into()])));
    assert_eq!((resync.key(), resync.change(), resync.replaced(), resync.answered()), ("", None, 0, 0));
    drop(watch);
    others[0].leave_presence("room", "ann").unwrap();
    assert!(ann.try_recv().unwrap().is_none());
    assert_eq!(engine.presence_keys("room").unwrap(), ["grüß dich"]);
}

#[test]
fn a_message_says_nothing_of_what_other_kinds_say() {
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().open().unwrap();
    mailbox.send(7, b"data").unwrap();
    let message = mailbox.recv().unwrap();
    assert_eq!((message.error(), message.change(), message.snapshot(), message.deadline()), (None, None, None, None));
    assert_eq!((message.exit_status(), message.dead_letter(), message.key()), (None, None, ""));
    assert_eq!((message.bits(), message.consumed(), message.discarded(), message.is_retained()), (0, 0, 0, false));
    let _call = mailbox.call_start(mailbox.address(), 0, b"", None).unwrap();
    assert_eq!(mailbox.recv().unwrap().deadline(), None);
}

/// (rule 18)
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_process_that_is_killed_says_by_which_signal() {
    use std::os::unix::process::ExitStatusExt;
    let engine = Engine::new().unwrap();
    let mailbox = engine.mailbox().open().unwrap();
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let _monitor = mailbox.monitor_process(child.id()).unwrap();
    child.kill().unwrap();
    let down = mailbox.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!((down.exit_status().unwrap().signal(), down.from()), (Some(9), None));
    assert_eq!((down.consumed(), down.discarded()), (0, 0));
    assert_eq!(child.wait().unwrap(), down.exit_status().unwrap());
    assert_eq!(mailbox.monitor_process(0).unwrap_err(), Error::Inval);
}

#[test]
fn a_last_error_is_of_the_last_call() {
    let engine = Engine::new().unwrap();
    let _ = engine.mailbox().name("").open();
    assert!(!last_error().is_empty());
    let _ = engine.stats();
    assert_eq!(last_error(), "");
}
