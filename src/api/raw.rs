//! The one unsafe room of the Rust face: the engine's pointers as slices, closures as its functions and `user` pointers.
//!
//! Guarantees: a closure is dropped exactly once, after its last call, as the engine promises of every `(fn, user,
//! drop)`; no panic of a closure leaves it towards the engine. What a slice borrows is alive as long as its owner: a
//! [`Held`] message or batch, or the run of a handler.

#![allow(unsafe_code)]

use crate::engine as facade;
use crate::id::Id;
use crate::log::LogFn;
use crate::message::{self as m, HandlerFn, WakeFn, REASON_CALLBACK_FAILED};
use crate::owed::Callback;
use std::any::Any;
use std::ffi::{c_char, c_void};
use std::os::fd::{FromRawFd, OwnedFd};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// A message or batch of the engine, with the pointers to what its owner id keeps.
#[derive(Debug)]
pub struct Held<T>(pub T);

// SAFETY: the pointers lead to memory that the engine keeps for the owner id and nobody changes; any thread may read it,
// and any thread may give it back.
unsafe impl Send for Held<m::Message> {}
// SAFETY: as above; through a shared reference it is only read.
unsafe impl Sync for Held<m::Message> {}
// SAFETY: as for a message; it is walked through a unique reference only, so by one thread at a time.
unsafe impl Send for Held<m::Batch> {}
// SAFETY: as above.
unsafe impl Sync for Held<m::Batch> {}

/// The payload of a message that its owner keeps for at least as long as `message` is borrowed.
pub fn data(message: &m::Message) -> &[u8] {
    if message.data_size == 0 || message.data.is_null() {
        return &[];
    }
    // SAFETY: the engine's pointer and size of a payload, which nobody changes and which outlives the borrow: see `Held`
    // and `Messages`.
    unsafe { std::slice::from_raw_parts(message.data.cast(), message.data_size) }
}

/// The topic of a message, as [`data`].
pub fn topic(message: &m::Message) -> &str {
    if message.topic_size == 0 || message.topic.is_null() {
        return "";
    }
    // SAFETY: as above.
    let bytes = unsafe { std::slice::from_raw_parts(message.topic.cast(), message.topic_size) };
    std::str::from_utf8(bytes).unwrap_or_default()
}

// ---- closures ---------------------------------------------------------------------------------------------------

fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "panic with a value that is not text",
    }
}

/// Dropping a payload of unknown type could panic again.
fn swallow(panic: Box<dyn Any + Send>) {
    std::mem::forget(panic);
}

extern "C" fn drop_box<F>(user: *mut c_void) {
    // SAFETY: `user` is the box made for this registration, and the engine calls this once, after the last use.
    let owned = unsafe { Box::from_raw(user.cast::<F>()) };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(owned))) {
        swallow(panic);
    }
}

extern "C" fn handle<F: FnMut(&mut m::Batch)>(batch: *mut m::Batch, user: *mut c_void) {
    // SAFETY: `user` is the box made for this registration; calls of one mailbox's handler never overlap, so this is the
    // only reference to it. The batch is the engine's for this call alone.
    let (handler, batch) = unsafe { (&mut *user.cast::<F>(), &mut *batch) };
    let mailbox = batch.mailbox;
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| handler(batch))) {
        let _ = facade::mailbox_exit(mailbox, REASON_CALLBACK_FAILED, text_of(&*panic).as_bytes());
        swallow(panic);
    }
}

/// A closure as a mailbox's handler.
pub fn handler<F: FnMut(&mut m::Batch) + Send + 'static>(handler: F) -> Callback<Option<HandlerFn>> {
    let user = Box::into_raw(Box::new(handler));
    Callback::new(Some(handle::<F>), user.cast(), Some(drop_box::<F>))
}

extern "C" fn wake<F: Fn()>(user: *mut c_void) {
    // SAFETY: `user` is the box made for this registration, shared by the calls of it.
    let wake = unsafe { &*user.cast::<F>() };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(wake)) {
        swallow(panic);
    }
}

/// A closure as a loop's wake function.
pub fn waker<F: Fn() + Send + Sync + 'static>(waker: F) -> Callback<WakeFn> {
    Callback::new(wake::<F>, Box::into_raw(Box::new(waker)).cast(), Some(drop_box::<F>))
}

extern "C" fn log_line<F: Fn(u32, &str)>(level: u32, text: *const c_char, size: usize, user: *mut c_void) {
    // SAFETY: `user` is the box made for this registration, shared by the calls of it; the text is the engine's for this
    // call, and has `size` bytes.
    let (sink, text) = unsafe { (&*user.cast::<F>(), std::slice::from_raw_parts(text.cast::<u8>(), size)) };
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| sink(level, &String::from_utf8_lossy(text)))) {
        swallow(panic);
    }
}

/// A closure as the sink of the log.
pub fn log_sink<F: Fn(u32, &str) + Send + Sync + 'static>(sink: F) -> Callback<LogFn> {
    Callback::new(log_line::<F>, Box::into_raw(Box::new(sink)).cast(), Some(drop_box::<F>))
}

// ---- payloads that are not copied -------------------------------------------------------------------------------

extern "C" fn give_back<B>(_: *mut c_void, _: usize, user: *mut c_void) {
    drop_box::<B>(user);
}

/// A payload on loan: a box whose bytes the engine reads until it calls `release`.
pub struct Loan<B> {
    owner: *mut B,
    bytes: &'static [u8],
}

impl<B: AsRef<[u8]> + Send + 'static> Loan<B> {
    pub fn new(payload: B) -> Loan<B> {
        let owner = Box::into_raw(Box::new(payload));
        // SAFETY: the box stays where it is and is not touched until it is dropped or taken back, which ends the loan.
        Loan { owner, bytes: unsafe { (*owner).as_ref() } }
    }

    /// The bytes, and what gives them back.
    pub fn parts(&self) -> (&[u8], facade::Release) {
        let data = self.bytes.as_ptr().cast_mut().cast();
        (self.bytes, facade::Release { call: give_back::<B>, data, user: self.owner.cast(), on_loop: Id::NONE })
    }

    /// The payload again, of a send that failed and so will never release it.
    pub fn take_back(self) -> B {
        // SAFETY: a failed send keeps neither the bytes nor the release function.
        *unsafe { Box::from_raw(self.owner) }
    }
}

// ---- descriptors ------------------------------------------------------------------------------------------------

/// A descriptor that the engine has made for the caller.
pub fn descriptor(fd: isize) -> OwnedFd {
    // SAFETY: it is open and has no other owner.
    unsafe { OwnedFd::from_raw_fd(fd as i32) }
}
