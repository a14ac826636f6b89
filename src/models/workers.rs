//! Workers that run handlers while others send to, and end, what they read.
//!
//! Guarantees: no message is left lying, whichever moment of a turn it comes in; the handler of one mailbox never runs
//! twice at once; every handler is dropped once, by the time the pool is closed and its workers are gone.

#![allow(unsafe_code)]

use super::*;
use crate::dispatch::Workers;
use crate::mailbox::{Attend, Handler};
use crate::message::{Batch, HandlerFn};
use crate::notify::Parker;
use std::cell::Cell;
use std::ffi::c_void;

thread_local! {
    /// Messages seen, calls that run now, and drops. All threads of a model run on one thread of the system.
    static SEEN: Cell<u32> = const { Cell::new(0) };
    static INSIDE: Cell<u32> = const { Cell::new(0) };
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn pass_all(batch: *mut Batch, _: *mut c_void) {
    assert_eq!(INSIDE.replace(1), 0, "two calls of one handler");
    crate::sync::pause();
    // SAFETY: the worker passes a batch that lives through the handler's call, and passes it to nobody else.
    let batch = unsafe { &mut *batch };
    batch.cursor = batch.count;
    SEEN.set(SEEN.get() + batch.count);
    INSIDE.set(0);
}

extern "C" fn dropped(_: *mut c_void) {
    assert_eq!(INSIDE.get(), 0, "dropped while it runs");
    DROPPED.set(DROPPED.get() + 1);
}

/// Where [`pass_on`] sends to.
struct Next {
    m: Arc<Meeting>,
    to: [Id; 2],
}

extern "C" fn pass_on(batch: *mut Batch, next: *mut c_void) {
    // SAFETY: the model that opened the mailbox keeps it until its worker is gone.
    let next = unsafe { &*next.cast::<Next>() };
    next.to.iter().for_each(|to| next.m.send(*to, 9));
    pass_all(batch, std::ptr::null_mut());
}

fn open(m: &Meeting, pool: &Arc<Workers>, call: HandlerFn, user: *mut c_void) -> Id {
    let handler = Handler::new(Some(call), user, Some(dropped));
    let opening = Opening { reader: Some(pool.clone()), handler: Some(Arc::new(handler)), ..Opening::default() };
    m.store.open(opening, || true).unwrap()
}

fn worked(m: &Meeting, hands: u32) -> (Arc<Workers>, Id) {
    (SEEN.set(0), INSIDE.set(0), DROPPED.set(0));
    let pool = Arc::new(Workers::default());
    (0..hands).for_each(|_| pool.hire().unwrap());
    let mailbox = open(m, &pool, pass_all, std::ptr::null_mut());
    (pool, mailbox)
}

fn hand(m: &Arc<Meeting>, pool: &Arc<Workers>) -> thread::JoinHandle<()> {
    let pool = pool.clone();
    spawn(m, move |m| pool.work(&m.store).unwrap())
}

/// A mailbox with one message, that a worker handles, and that ends meanwhile.
fn ended_at_work(m: &Arc<Meeting>) -> (Arc<Workers>, Id, thread::JoinHandle<()>) {
    let (pool, a) = worked(m, 1);
    m.send(a, 1);
    let worker = hand(m, &pool);
    m.end(a);
    (pool, a, worker)
}

#[test]
fn one_worker_leaves_nothing_lying() {
    explore(|| {
        let m = meeting();
        let (pool, a) = worked(&m, 1);
        let worker = hand(&m, &pool);
        [1, 2].map(|tag| m.send(a, tag));
        while SEEN.get() < 2 {
            crate::sync::pause();
        }
        m.end(a);
        pool.close();
        worker.join().unwrap();
        assert_eq!((m.stats(a).delivered, DROPPED.get()), (2, 1));
    });
}

#[test]
fn two_workers_never_meet_in_one_handler() {
    explore(|| {
        let m = meeting();
        let (pool, a) = worked(&m, 2);
        m.send(a, 1);
        let workers = [hand(&m, &pool), hand(&m, &pool)];
        m.send(a, 2);
        pool.close();
        workers.map(|worker| worker.join().unwrap());
        m.end(a);
        assert_eq!(m.stats(a).delivered, u64::from(SEEN.get()));
    });
}

#[test]
fn what_a_handler_makes_ready_meets_what_others_do() {
    explore(|| {
        let m = meeting();
        let (pool, b) = worked(&m, 1);
        let c = open(&m, &pool, pass_all, std::ptr::null_mut());
        let mut next = Next { m: m.clone(), to: [b, c] };
        let a = open(&m, &pool, pass_on, std::ptr::from_mut(&mut next).cast());
        m.send(a, 1);
        let worker = hand(&m, &pool);
        m.send(b, 2);
        while SEEN.get() < 4 {
            crate::sync::pause();
        }
        [a, b, c].iter().for_each(|mailbox| m.end(*mailbox));
        pool.close();
        worker.join().unwrap();
        assert_eq!([a, b, c].map(|mailbox| m.stats(mailbox).delivered), [1, 2, 1]);
        assert_eq!(DROPPED.get(), 3);
    });
}

#[test]
fn a_wait_for_the_end_outlasts_the_turn() {
    explore(|| {
        let (pool, a, worker) = ended_at_work(&meeting());
        let parker = Parker::current();
        parker.reset();
        while pool.is_running(a, &parker) {
            Clock::Real.wait(&parker, FOREVER, false);
            parker.reset();
        }
        let seen = SEEN.get();
        assert_eq!(INSIDE.get(), 0, "the handler has returned");
        pool.close();
        worker.join().unwrap();
        assert_eq!(SEEN.get(), seen, "and does not begin again");
    });
}

#[test]
fn an_end_meets_a_turn() {
    explore(|| {
        let m = meeting();
        let (pool, a, worker) = ended_at_work(&m);
        pool.close();
        worker.join().unwrap();
        let c = m.stats(a);
        assert_eq!((c.delivered + c.discarded, c.delivered), (1, u64::from(SEEN.get())));
        assert_eq!(DROPPED.get(), 1);
    });
}

#[test]
fn an_end_meets_the_close() {
    explore(|| {
        let m = meeting();
        let (pool, a) = worked(&m, 1);
        let worker = hand(&m, &pool);
        let closer = pool.clone();
        let closing = thread::spawn(move || closer.close());
        m.end(a);
        closing.join().unwrap();
        worker.join().unwrap();
        assert_eq!(DROPPED.get(), 1);
    });
}
