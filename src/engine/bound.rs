//! Mailboxes that end with the thread that opened them.
//!
//! Guarantees: when a thread ends, however it does, the mailboxes that are bound to it and still live end with the
//! reason `runtime_exit`, with no lock held; what ended earlier, or went with its engine, is passed over.

use super::*;
use crate::message::REASON_RUNTIME_EXIT;
use std::cell::RefCell;

/// So many are kept before those that have ended are looked for.
const FEW: usize = if cfg!(miri) { 8 } else { 64 };

struct Bound {
    mailboxes: Vec<Id>,
    many: usize,
}

thread_local! {
    static BOUND: RefCell<Bound> = const { RefCell::new(Bound { mailboxes: Vec::new(), many: FEW }) };
}

/// Has a mailbox end with this thread.
pub(super) fn bind(store: &Store, mailbox: Id) -> Result<()> {
    let bound = BOUND.try_with(|bound| {
        let mut bound = bound.borrow_mut();
        if bound.mailboxes.len() >= bound.many {
            bound.mailboxes.retain(|other| store.live(*other).is_ok());
            bound.many = FEW.max(2 * bound.mailboxes.len());
        }
        bound.mailboxes.push(mailbox);
    });
    bound.map_err(|_| Error::Closed.because("this thread is ending; a mailbox cannot be bound to it any more"))
}

impl Drop for Bound {
    fn drop(&mut self) {
        for mailbox in std::mem::take(&mut self.mailboxes) {
            // A panic must not leave the end of a thread.
            let _ = std::panic::catch_unwind(|| life::end(world(), mailbox, REASON_RUNTIME_EXIT, &[]));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::message::{REASON_ENGINE_CLOSED, REASON_NORMAL};
    use crate::owed::Callback;

    fn engine() -> Id {
        engine_open(EngineOptions { virtual_clock: true, ..EngineOptions::default() }).unwrap()
    }

    fn open(engine: Id, thread_bound: bool) -> Id {
        let options = MailboxOptions {
            policy: 0,
            max_messages: 0,
            max_bytes: 0,
            block_timeout: 0,
            run_by: Id::NONE,
            callback: Callback::new(None, std::ptr::null_mut(), None),
            name: None,
            notifiable: false,
            by_workers: false,
            thread_bound,
        };
        mailbox_open(engine, options).unwrap()
    }

    /// What `work` gives, from a thread that has ended.
    fn in_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::thread::Result<T> {
        std::thread::spawn(work).join()
    }

    fn reason(id: Id) -> i32 {
        assert_eq!(world().store.live(id).err(), Some(Error::NoProc));
        mailbox_stats(id).unwrap().reason
    }

    #[test]
    fn bound_mailboxes_end_with_their_thread_and_others_do_not() {
        let engine = engine();
        let watcher = open(engine, false);
        let (bound, free, monitor) = in_a_thread(move || {
            let (bound, free) = (open(engine, true), open(engine, false));
            (bound, free, monitor(watcher, bound, 1).unwrap())
        })
        .unwrap();
        assert_eq!(reason(bound), REASON_RUNTIME_EXIT);
        assert!(world().store.live(free).is_ok());
        let down = recv(watcher, 0, false).unwrap();
        assert_eq!((down.r#ref, down.from, down.status), (monitor.0, bound, REASON_RUNTIME_EXIT));
        message_release(down.owner).unwrap();
        engine_close(engine).unwrap();
    }

    #[test]
    fn a_thread_that_panics_ends_its_mailboxes_too() {
        let engine = engine();
        let (tell, told) = std::sync::mpsc::channel();
        let ended = in_a_thread(move || {
            tell.send(open(engine, true)).unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(ended.is_err());
        assert_eq!(reason(told.recv().unwrap()), REASON_RUNTIME_EXIT);
        engine_close(engine).unwrap();
    }

    #[test]
    fn what_ended_before_its_thread_keeps_its_reason() {
        let (one, other) = (engine(), engine());
        let (closed, swept) = in_a_thread(move || {
            let (closed, swept) = (open(one, true), open(other, true));
            mailbox_exit(closed, REASON_NORMAL, &[]).unwrap();
            engine_close(other).unwrap();
            (closed, swept)
        })
        .unwrap();
        assert_eq!((reason(closed), reason(swept)), (REASON_NORMAL, REASON_ENGINE_CLOSED));
        engine_close(one).unwrap();
    }

    #[test]
    fn those_that_have_ended_are_not_kept() {
        let engine = engine();
        let (kept, last) = in_a_thread(move || {
            let first = open(engine, true);
            for _ in 0..10 * FEW {
                mailbox_exit(open(engine, true), REASON_NORMAL, &[]).unwrap();
            }
            (BOUND.with_borrow(|bound| bound.mailboxes.len()), first)
        })
        .unwrap();
        assert!(kept <= 2 * FEW, "{kept} are kept for one that lives");
        assert_eq!(reason(last), REASON_RUNTIME_EXIT);
        engine_close(engine).unwrap();
    }
}
