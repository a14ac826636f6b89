//! A loop that one thread runs while others send to, and end, what it reads.
//!
//! Guarantees: a message to a handler's mailbox is never left lying, whichever moment of a round it comes in; a wake,
//! a close and an end are never missed.

#![allow(unsafe_code)]

use super::*;
use crate::dispatch::{Loop, NotMine, Run};
use crate::mailbox::Handler;
use crate::message::{Batch, HandlerFn};
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    /// Messages that the handler has seen. All threads of a model run on one thread of the system.
    static SEEN: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn pass_all(batch: *mut Batch, _: *mut c_void) {
    // SAFETY: the loop passes a batch that lives through the handler's call, and passes it to nobody else.
    let batch = unsafe { &mut *batch };
    batch.cursor = batch.count;
    SEEN.set(SEEN.get() + batch.count);
}

fn looped(m: &Meeting) -> (Arc<Loop>, Id) {
    SEEN.set(0);
    let looped = Arc::new(Loop::new(0, 0, None));
    let handler = Handler::new(Some(pass_all as HandlerFn), std::ptr::null_mut(), None);
    let opening = Opening { reader: Some(looped.clone()), handler: Some(Arc::new(handler)), ..Opening::default() };
    let mailbox = m.store.open(opening, || true).unwrap();
    looped.admit(mailbox).unwrap();
    (looped, mailbox)
}

fn run(m: &Meeting, looped: &Loop) -> Result<u32> {
    looped.run(&Run { store: &m.store, clock: &Clock::Real, timeout: FOREVER, interruptible: false, time: &NotMine })
}

#[test]
fn no_message_is_left_lying() {
    explore(|| {
        let m = meeting();
        let (looped, a) = looped(&m);
        let sender = spawn(&m, move |m| [1, 2].map(|tag| m.send(a, tag)));
        while SEEN.get() < 2 {
            run(&m, &looped).unwrap();
        }
        sender.join().unwrap();
        assert_eq!(m.stats(a).delivered, 2);
    });
}

#[test]
fn the_descriptor_is_readable_while_a_message_waits() {
    explore(|| {
        let m = meeting();
        let (looped, a) = looped(&m);
        let flag = crate::notify::Flag::of(looped.descriptor().unwrap());
        m.send(a, 1);
        let sender = spawn(&m, move |m| m.send(a, 2));
        run(&m, &looped).unwrap();
        sender.join().unwrap();
        assert_eq!(flag.is_readable(), m.stats(a).queued > 0);
    });
}

#[test]
fn a_wake_ends_the_wait() {
    explore(|| {
        let m = meeting();
        let (looped, _) = looped(&m);
        let other = looped.clone();
        let waker = thread::spawn(move || other.wake().unwrap());
        assert_eq!(run(&m, &looped), Ok(0));
        waker.join().unwrap();
    });
}

#[test]
fn a_close_ends_the_wait() {
    explore(|| {
        let m = meeting();
        let (looped, a) = looped(&m);
        let other = looped.clone();
        let closer = thread::spawn(move || {
            let members = other.close().unwrap();
            other.drain();
            members
        });
        assert_eq!(run(&m, &looped), Err(Error::Closed));
        assert_eq!(closer.join().unwrap(), [a]);
        m.end(a);
    });
}

#[test]
fn an_end_meets_a_message_in_its_handler() {
    explore(|| {
        let m = meeting();
        let (looped, a) = looped(&m);
        m.send(a, 1);
        let other = looped.clone();
        let death = spawn(&m, move |m| {
            m.end(a);
            other.wake().unwrap();
        });
        run(&m, &looped).unwrap();
        death.join().unwrap();
        let c = m.stats(a);
        assert_eq!((c.delivered + c.discarded, c.delivered), (1, u64::from(SEEN.get())));
    });
}
