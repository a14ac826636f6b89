//! Payloads by reference under races of senders, readers, evictions and ends.
//!
//! Guarantees: each release function runs exactly once when its send was accepted, and never when it was not.

use super::*;
use std::ffi::c_void;
use std::sync::atomic::AtomicU64;

extern "C" fn count_release(_: *mut c_void, _: usize, count: *mut c_void) {
    // SAFETY: the tests pass a counter that outlives the engine it is used with.
    unsafe { &*count.cast::<AtomicU32>() }.fetch_add(1, SeqCst);
}

fn lend(to: Id, tag: u64, data: &'static [u8], count: &'static AtomicU32, timeout: i64) -> Result<(), Error> {
    let user = count as *const AtomicU32 as *mut c_void;
    let release = Some(crate::engine::Release {
        call: count_release,
        data: data.as_ptr().cast_mut().cast(),
        user,
        on_loop: Id::NONE,
    });
    send_ex(to, Id::NONE, tag, data, SendOptions { timeout, interruptible: false, release })
}

pub fn counters(count: usize) -> &'static [AtomicU32] {
    Vec::leak((0..count).map(|_| AtomicU32::new(0)).collect())
}

#[test]
fn what_is_dropped_or_read_is_released_once() {
    within_a_minute(|| {
        const EACH: usize = few(20_000) as usize;
        let engine = engine();
        let to = bounded(engine, DROP_OLD, 8);
        let counts = counters(2 * EACH);
        let senders = [0, 1].map(|sender| {
            thread::spawn(move || {
                for n in 0..EACH {
                    lend(to, n as u64, b"lent", &counts[sender * EACH + n], -1).unwrap();
                }
            })
        });
        let readers = [0, 1].map(|reader| {
            thread::spawn(move || loop {
                let got = match reader {
                    0 => recv(to, LONG, false).map(|message| message_release(message.owner).unwrap()),
                    _ => recv_batch(to, LONG, false).map(|mut batch| {
                        batch_next(&mut batch).unwrap();
                        let mut copy = batch_retain(&batch).unwrap();
                        batch_release(&mut batch).unwrap();
                        batch_release(&mut copy).unwrap();
                    }),
                };
                if let Err(error) = got {
                    return assert_eq!(error, Error::Closed);
                }
            })
        });
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        mailbox_kill(to).unwrap();
        // One of them gets the end marker of what was lost, and asks again.
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        let released = |count: &AtomicU32| count.load(SeqCst) == 1;
        assert!(counts.iter().all(released));
        assert_eq!(balanced(to).sent, 2 * EACH as u64);
        engine_close(engine).unwrap();
    });
}

#[test]
fn senders_meet_the_end_of_mailboxes_and_of_the_engine() {
    within_a_minute(|| {
        for _ in 0..few(2000).min(20) {
            const EACH: usize = few(5000) as usize;
            let engine = engine();
            let current = Arc::new(AtomicU64::new(mailbox(engine).0));
            let counts = counters(2 * EACH);
            let senders = [0, 1].map(|sender| {
                let current = current.clone();
                thread::spawn(move || {
                    let accepted = |n: &usize| {
                        let to = Id(current.load(SeqCst));
                        let sent = lend(to, *n as u64, b"lent", &counts[sender * EACH + n], -1);
                        assert!(matches!(sent, Ok(()) | Err(Error::NoProc | Error::Stale)), "{sent:?}");
                        sent.is_ok()
                    };
                    (0..EACH).filter(accepted).collect::<HashSet<usize>>()
                })
            });
            for _ in 0..few(200) {
                let next = mailbox(engine);
                mailbox_kill(Id(current.swap(next.0, SeqCst))).unwrap();
                thread::yield_now();
            }
            engine_close(engine).unwrap();
            for (sender, thread) in senders.into_iter().enumerate() {
                let accepted = thread.join().unwrap();
                for n in 0..EACH {
                    let released = counts[sender * EACH + n].load(SeqCst);
                    assert_eq!(released, u32::from(accepted.contains(&n)), "payload {n} of sender {sender}");
                }
            }
        }
    });
}
