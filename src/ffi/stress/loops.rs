//! A loop under threads that send to what it reads, close that, wake it and close it.
//!
//! Guarantees: no message is left lying, no handler runs after the wait for its mailbox's end, and each registration is
//! dropped once.

use super::payloads::counters;
use super::*;
use std::ffi::c_void;

extern "C" fn count_messages(batch: *mut Batch, count: *mut c_void) {
    // SAFETY: the loop passes a batch that lives through the call; the test's counter outlives the loop.
    let (batch, count) = unsafe { (&mut *batch, &*count.cast::<AtomicU32>()) };
    while batch_next(batch).unwrap().is_some() {
        count.fetch_add(1, SeqCst);
    }
}

extern "C" fn count_drop(count: *mut c_void) {
    // SAFETY: as above; the drop function's counter is the one after the handler's.
    unsafe { &*count.cast::<AtomicU32>().add(1) }.fetch_add(1, SeqCst);
}

fn handled(engine: Id, looped: Id, counts: &'static [AtomicU32]) -> Result<Id, Error> {
    let user = counts.as_ptr() as *mut c_void;
    let callback = Callback::new(Some(count_messages as HandlerFn), user, Some(count_drop));
    mailbox_open(engine, MailboxOptions { run_by: looped, callback, ..options() })
}

#[test]
fn a_loop_runs_while_others_send_close_and_wake() {
    within_a_minute(|| {
        for round in 0..50 {
            let engine = engine();
            let looped = loop_open(engine, round % 3, None).unwrap();
            let counts = counters(8);
            let [kept, closed] = [0, 2].map(|at| handled(engine, looped, &counts[at..at + 2]).unwrap());
            let running = thread::spawn(move || loop {
                match loop_run(looped, LONG, false) {
                    Ok(_) => {}
                    Err(error) => return assert_eq!(error, Error::Closed),
                }
            });
            let senders = [0, 1].map(|_| {
                thread::spawn(move || {
                    for tag in 0..few(1000) {
                        send(kept, Id::NONE, tag, b"x").unwrap();
                        assert!(matches!(send(closed, Id::NONE, tag, b"x"), Ok(()) | Err(Error::NoProc)));
                    }
                })
            });
            let waker = thread::spawn(move || (0..100).for_each(|_| loop_wake(looped).unwrap()));
            thread::yield_now();
            mailbox_kill(closed).unwrap();
            mailbox_wait(closed, LONG, false).unwrap();
            let seen = counts[2].load(SeqCst);
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            waker.join().unwrap();
            wait_until("the loop sleeps on messages", || counts[0].load(SeqCst) == 2 * few(1000) as u32);
            assert_eq!(counts[2].load(SeqCst), seen, "the handler of a closed mailbox ran");
            assert_eq!(u64::from(seen), balanced(closed).delivered);
            loop_close(looped).unwrap();
            running.join().unwrap();
            wait_until("each drop function runs", || counts[1].load(SeqCst) + counts[3].load(SeqCst) == 2);
            engine_close(engine).unwrap();
        }
    });
}

#[test]
fn opening_meets_the_close_of_the_loop() {
    within_a_minute(|| {
        for round in 0..few(500) {
            let engine = engine();
            let looped = loop_open(engine, 0, None).unwrap();
            let counts = counters(2);
            let opener = thread::spawn(move || {
                let opened = (0..20).filter_map(|_| handled(engine, looped, counts).ok());
                opened.filter(|id| send(*id, Id::NONE, 1, b"x").is_ok()).count()
            });
            (0..round % 200).for_each(|_| std::hint::spin_loop());
            loop_close(looped).unwrap();
            opener.join().unwrap();
            assert_eq!(engine_stats(engine).unwrap().mailboxes, 0, "each ended with its loop");
            assert_eq!(counts[1].load(SeqCst), 20, "each registration was dropped once");
            engine_close(engine).unwrap();
        }
    });
}
