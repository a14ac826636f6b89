//! What one more mailbox, message, subscription, monitor and timer takes in memory: the bytes that the library asks the
//! allocator for, counted by an allocator, for each of a hundred thousand. Prints `METRIC VALUE` lines, which
//! `make bench ID=P13` shows, and fails when one takes more than it should.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use tidings::ffi::engine::*;
use tidings::ffi::mailbox::*;
use tidings::ffi::monitor::*;
use tidings::ffi::send::*;
use tidings::ffi::timer::*;
use tidings::ffi::topic::*;
use tidings::ffi::types::*;

static HELD: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, with the bytes that are asked for and not given back.
struct Counting;

// SAFETY: everything is the system's allocator's work; only a counter is kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size as isize - layout.size() as isize, Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// So many that what is there once for all of them does not count.
const COUNT: usize = 100_000;
const HOUR: i64 = 3_600_000_000_000;

/// Prints and checks what each of `COUNT` things takes that `make` makes.
fn each(metric: &str, at_most: f64, mut make: impl FnMut(usize) -> i32) {
    assert_eq!(make(0), 0, "{metric}");
    let before = HELD.load(Relaxed);
    for at in 1..=COUNT {
        assert_eq!(make(at), 0, "{metric}");
    }
    let bytes = (HELD.load(Relaxed) - before) as f64 / COUNT as f64;
    println!("{metric} {bytes:.1}");
    assert!(bytes <= at_most, "{metric}: {bytes:.1}, at most {at_most} are expected");
}

fn main() {
    let nobody = td_mailbox { id: 0 };
    let mut engine = td_engine { id: 0 };
    // SAFETY: every pointer here and below is NULL where that is allowed, or to a live value of the right type.
    assert_eq!(unsafe { td_engine_open(null(), &mut engine) }, 0);
    let mut mailboxes = vec![nobody; COUNT + 1];
    let own = |mailbox: &mut td_mailbox| assert_eq!(unsafe { td_mailbox_open(engine, null(), mailbox) }, 0);
    let (mut watcher, mut subscriber, mut waiting) = (nobody, nobody, nobody);
    [&mut watcher, &mut subscriber, &mut waiting].into_iter().for_each(own);

    each("bytes_per_mailbox", 256.0, |at| unsafe { td_mailbox_open(engine, null(), &mut mailboxes[at]) });
    each("bytes_of_its_first_message", 288.0, |at| unsafe {
        td_send(mailboxes[at], nobody, 0, [7u8; 8].as_ptr().cast(), 8)
    });
    each("bytes_per_subscription", 512.0, |at| {
        let (pattern, mut subscription) = (format!("memory.{}", at % 1000), td_subscription { id: 0 });
        unsafe { td_subscribe(subscriber, pattern.as_ptr().cast(), pattern.len(), null(), &mut subscription) }
    });
    each("bytes_per_monitor", 200.0, |_| unsafe { td_monitor(watcher, waiting, 0, &mut td_monitor_ref { id: 0 }) });
    // What few mailboxes have is made with the first of it.
    each("bytes_of_its_first_monitor", 896.0, |at| unsafe {
        td_monitor(watcher, mailboxes[at], 0, &mut td_monitor_ref { id: 0 })
    });
    each("bytes_per_timer", 320.0, |_| unsafe {
        td_send_after(waiting, HOUR, 0, null_mut(), 0, &mut td_timer { id: 0 })
    });
    assert_eq!(td_engine_close(engine), 0);
}
