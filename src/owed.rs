//! What the host is owed: calls of its release and drop functions, and the pointers that go with them.
//!
//! Guarantees: each is called once, with no lock held, and on one thread never inside another. What comes free while one
//! runs (a release function closes a mailbox, and payloads wait in that) is called when that one has returned, by whoever
//! called that one, in the order in which it came free; so chains of them need no stack. Nothing is allocated unless one
//! has to wait. In the child of a fork nothing is called that waited in the parent.

use crate::notify::fork::generation;
use crate::sync::assert_unlocked;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::mem::ManuallyDrop;

/// `fn(data, size, user)`.
pub type ReleaseFn = extern "C" fn(*mut c_void, usize, *mut c_void);
/// `fn(user)`.
pub type DropFn = extern "C" fn(*mut c_void);

/// A pointer of the host's that travels with a callback. The engine only hands it back.
#[derive(Debug)]
pub struct UserPtr(std::sync::atomic::AtomicPtr<c_void>);

impl UserPtr {
    pub fn new(pointer: *mut c_void) -> Self {
        UserPtr(std::sync::atomic::AtomicPtr::new(pointer))
    }
    #[inline]
    pub fn get(&self) -> *mut c_void {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// One owed call of a release function.
#[derive(Debug)]
pub struct Release {
    pub call: ReleaseFn,
    pub data: UserPtr,
    pub size: usize,
    pub user: UserPtr,
}

impl Release {
    /// Calls it, or has it called when the one that runs on this thread has returned; no lock may be held.
    pub fn run(self) {
        assert_unlocked("a release function");
        settle(Owed::Release(self));
    }
}

/// `(function, user, drop)`: one registration of the host's. `drop` is owed when the last clone of the `Arc` that holds
/// it goes, which is after the last call has returned, and so exactly once, also when registering failed.
#[derive(Debug)]
pub struct Callback<F: Copy> {
    pub call: F,
    pub user: UserPtr,
    drop: Option<DropFn>,
}

impl<F: Copy> Callback<F> {
    pub fn new(call: F, user: *mut c_void, drop: Option<DropFn>) -> Self {
        Callback { call, user: UserPtr::new(user), drop }
    }

    /// Nothing to hand back and nothing to drop.
    pub fn is_plain(&self) -> bool {
        self.user.get().is_null() && self.drop.is_none()
    }
}

impl<F: Copy> Drop for Callback<F> {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            assert_unlocked("a drop function");
            settle(Owed::Drop(drop, UserPtr::new(self.user.get())));
        }
    }
}

enum Owed {
    Release(Release),
    Drop(DropFn, UserPtr),
}

impl Owed {
    fn call(self) {
        match self {
            Owed::Release(Release { call, data, size, user }) => call(data.get(), size, user.get()),
            Owed::Drop(drop, user) => drop(user.get()),
        }
    }
}

/// What waits, and the process in which it began to.
type Waiting = ManuallyDrop<VecDeque<(u32, Owed)>>;

// Neither has a destructor, so that both are there until a thread is gone: mailboxes that are bound to it end with it.
thread_local! {
    /// A release or drop function runs on this thread.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
    /// Empty, and without memory, unless one runs.
    static WAITING: RefCell<Waiting> = const { RefCell::new(ManuallyDrop::new(VecDeque::new())) };
}

fn settle(owed: Owed) {
    // The threads of a model are one thread, and its release functions call nothing.
    if cfg!(loom) {
        return owed.call();
    }
    if RUNNING.get() {
        if let Some(left) = wait(owed) {
            left.call();
        }
        return;
    }
    RUNNING.set(true);
    owed.call();
    while let Some((process, owed)) = next() {
        if process == generation() {
            owed.call();
        }
    }
    RUNNING.set(false);
}

/// Has it wait, or gives it back when there is no memory for that.
#[cold]
fn wait(owed: Owed) -> Option<Owed> {
    WAITING.with_borrow_mut(|waiting| {
        if waiting.try_reserve(1).is_err() {
            return Some(owed);
        }
        waiting.push_back((generation(), owed));
        None
    })
}

/// What has waited longest. The last one takes the memory with it.
#[inline]
fn next() -> Option<(u32, Owed)> {
    WAITING.with_borrow_mut(|waiting| {
        let next = waiting.pop_front();
        if next.is_none() && waiting.capacity() > 0 {
            drop(ManuallyDrop::into_inner(std::mem::take(waiting)));
        }
        next
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    thread_local! {
        static CALLED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    fn owe(number: usize, call: ReleaseFn) {
        let nothing = || UserPtr::new(std::ptr::null_mut());
        Release { call, data: nothing(), size: number, user: nothing() }.run();
    }

    extern "C" fn note(_: *mut c_void, number: usize, _: *mut c_void) {
        CALLED.with_borrow_mut(|called| called.push(number));
    }

    /// Calls two more, of which nothing may be seen before it has returned.
    extern "C" fn two_more(data: *mut c_void, number: usize, user: *mut c_void) {
        owe(2 * number, if number < 4 { two_more } else { note });
        owe(2 * number + 1, note);
        note(data, number, user);
    }

    #[test]
    fn what_comes_free_inside_a_release_follows_it_in_its_order() {
        owe(1, two_more);
        assert_eq!(CALLED.take(), [1, 2, 3, 4, 5, 8, 9]);
        assert_eq!(WAITING.with_borrow(|waiting| waiting.capacity()), 0);
    }

    /// How many ends of chains were reached.
    static ENDS: AtomicUsize = AtomicUsize::new(0);
    const LONG: usize = if cfg!(miri) { 300 } else { 1_000_000 };

    extern "C" fn another(user: *mut c_void) {
        match user as usize {
            0 => drop(ENDS.fetch_add(1, SeqCst)),
            left => drop(Callback::new((), (left - 1) as *mut c_void, Some(another))),
        }
    }

    struct AtTheEnd;
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            drop(Callback::new((), LONG as *mut c_void, Some(another)));
        }
    }
    thread_local! {
        static LATE: AtTheEnd = const { AtTheEnd };
    }

    // (rules 10 32)
    #[test]
    fn a_chain_of_drop_functions_needs_no_stack_also_at_the_end_of_a_thread() {
        drop(AtTheEnd);
        assert_eq!(ENDS.load(SeqCst), 1);
        // First used before the locals of this file, it goes after them.
        std::thread::spawn(|| LATE.with(|_| drop(AtTheEnd))).join().unwrap();
        assert_eq!(ENDS.load(SeqCst), 3);
    }
}
