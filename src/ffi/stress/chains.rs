//! Ends that cause ends, many thousands in a row, on a small stack.
//!
//! Guarantees: however one end leads to the next (a release or drop function, a link, a will), it costs no stack, and all
//! of it is done when the call that began it returns.

use super::*;
use std::ffi::c_void;
use std::sync::atomic::AtomicU64;

const KILL: u32 = 4;
const STACK: usize = 512 << 10;
/// That live at once: all tests of this process share a table.
const ALIVE: u64 = few(10_000);

/// Runs `test` with an engine of its own, on a thread with a small stack.
fn on_a_small_stack(test: fn(Id)) {
    let run = move || {
        let engine = engine();
        test(engine);
        assert_eq!(engine_stats(engine).unwrap().mailboxes, 0);
        engine_close(engine).unwrap();
    };
    within_a_minute(move || thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap());
}

/// A chain of mailboxes, of which each opens and closes the next.
struct Chain {
    engine: Id,
    left: AtomicU64,
    /// What is inside of another.
    depth: AtomicU32,
    next: fn(&'static Chain),
}

impl Chain {
    fn run(engine: Id, next: fn(&'static Chain)) {
        let (left, depth) = (AtomicU64::new(MANY), AtomicU32::new(0));
        let chain: &'static Chain = Box::leak(Box::new(Chain { engine, left, depth, next }));
        next(chain);
        assert_eq!(chain.left.load(SeqCst), 0);
    }

    fn user(&self) -> *mut c_void {
        self as *const Chain as *mut c_void
    }
}

extern "C" fn go_on(chain: *mut c_void) {
    // SAFETY: the chain is leaked.
    let chain: &'static Chain = unsafe { &*chain.cast::<Chain>() };
    assert_eq!(chain.depth.fetch_add(1, SeqCst), 0, "inside another");
    if chain.left.fetch_sub(1, SeqCst) > 1 {
        (chain.next)(chain);
    }
    chain.depth.fetch_sub(1, SeqCst);
}

extern "C" fn release_and_go_on(_: *mut c_void, _: usize, chain: *mut c_void) {
    go_on(chain);
}

// (rules 10 32)
#[test]
fn each_payload_closes_the_next_mailbox() {
    on_a_small_stack(|engine| {
        Chain::run(engine, |chain| {
            let (call, data, user) = (release_and_go_on as _, chain.user(), chain.user());
            let release = Some(crate::engine::Release { call, data, user, on_loop: Id::NONE });
            let to = mailbox(chain.engine);
            send_ex(to, Id::NONE, 1, b"", SendOptions { timeout: -1, interruptible: false, release }).unwrap();
            mailbox_kill(to).unwrap();
        });
    });
}

// (rules 10 32)
#[test]
fn each_drop_function_closes_the_next_mailbox() {
    on_a_small_stack(|engine| {
        Chain::run(engine, |chain| {
            let callback = Callback::new(None, chain.user(), Some(go_on));
            mailbox_kill(mailbox_open(chain.engine, MailboxOptions { callback, ..options() }).unwrap()).unwrap();
        });
    });
}

// (rules 11 17)
#[test]
fn each_is_linked_to_the_next() {
    on_a_small_stack(|engine| {
        let (watcher, mailboxes) = (mailbox(engine), (0..ALIVE).map(|_| mailbox(engine)).collect::<Vec<_>>());
        monitor(watcher, mailboxes[mailboxes.len() - 1], 7).unwrap();
        mailboxes.windows(2).for_each(|pair| link(pair[0], pair[1]).unwrap());
        mailbox_kill(mailboxes[0]).unwrap();
        let down = release(recv(watcher, 0, false).unwrap());
        assert_eq!((down.kind, down.tag, down.status), (KIND_DOWN, 7, REASON_KILLED));
        mailbox_kill(watcher).unwrap();
    });
}

// (rules 3 28)
#[test]
fn each_will_overflows_the_next_mailbox() {
    on_a_small_stack(|engine| {
        let mailboxes: Vec<Id> = (0..ALIVE).map(|_| bounded(engine, KILL, 1)).collect();
        for (at, mailbox) in mailboxes.iter().enumerate() {
            send(*mailbox, Id::NONE, 1, b"").unwrap();
            subscribe(*mailbox, &format!("end.{at}"), 2, 0, None).unwrap();
            will_set(*mailbox, &format!("end.{}", at + 1), 1, b"", false).unwrap();
        }
        mailbox_kill(mailboxes[0]).unwrap();
    });
}
