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
    let timer = ann.send_after(Duration::from_secs(3600), 0, b"").unwrap();
    ann.send(0, b"kept").unwrap();
    let message = ann.recv().unwrap();
    ann.send(0, b"more").unwrap();
    let batch = ann.recv_batch(SOON).unwrap();
    drop(engine);
    assert_eq!(ann.send(0, b"").unwrap_err(), Error::NoProc);
    assert_eq!(timer.left().unwrap_err(), Error::Stale);
    drop((run, call, held, timer, batch, ann, bob));
    assert_eq!(message.data(), b"kept");
}

#[test]
fn what_crosses_threads_may() {
    fn crosses<T: Send + Sync>() {}
    crosses::<(Engine, Mailbox, Address, Loop, Message, Batch)>();
    crosses::<(Monitor, Timer, Subscription, Call, Ticket, CallError)>();
}

#[test]
fn a_last_error_is_of_the_last_call() {
    let engine = Engine::new().unwrap();
    let _ = engine.mailbox().name("").open();
    assert!(!last_error().is_empty());
    let _ = engine.stats();
    assert_eq!(last_error(), "");
}
