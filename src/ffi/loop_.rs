//! Loops: the handler mailboxes that one host thread runs.
//!
//! Guarantees: as the module `ffi` says; the drop function given to `td_loop_open` runs exactly once, also when it
//! fails.

use super::args;
use super::receive::wait;
use super::types::{td_drop_fn, td_engine, td_fd, td_loop};
use super::versioned::{self, Versioned};
use super::{count, done, guard};
use crate::engine as facade;
use crate::message::WakeFn;
use crate::owed::Callback;
use std::ffi::c_void;
use std::mem::offset_of;

/// Tells an outer event loop that td_loop_run has something to do, when before it had nothing. Called on any thread with
/// no lock held; it must only pass the news on, and not throw or longjmp.
pub type td_wake_fn = Option<extern "C" fn(user: *mut c_void)>;

/// Options of td_loop_open. Zero is the default of every field but size.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_loop_options {
    pub size: usize,
    /// none yet: 0
    pub flags: u32,
    /// most batches of one td_loop_run; 0: no limit, but each ready mailbox once per round
    pub budget: u32,
    /// may be NULL
    pub wake: td_wake_fn,
    /// for wake and drop
    pub user: *mut c_void,
    /// may be NULL
    pub drop: td_drop_fn,
}

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_loop_options {
    const FIRST: usize = offset_of!(td_loop_options, drop) + size_of::<usize>();
}

/// Wakes nobody: keeps `user` and `drop` of a loop that was given no wake function.
extern "C" fn no_wake(_: *mut c_void) {}

/// Opens a loop. options may be NULL for the defaults.
///
/// Returns: 0; TD_ESTALE when the engine was closed; TD_ESYS when the process has no descriptor left; TD_EFULL when no
///   more loops are possible.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller closes the loop; options are copied. drop(user) runs once, after the last call of wake has returned;
///   also when this fails, unless options->size is wrong and so nothing in options can be read.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_loop_open(engine: td_engine, options: *const td_loop_options, r#loop: *mut td_loop) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, (options, sound)) =
            unsafe { (args::out_id("loop", r#loop), versioned::read_options("options", options)) };
        // From here on every way out runs `drop`.
        let wanted = options.wake.is_some() || options.drop.is_some();
        let wake = Callback::<WakeFn>::new(options.wake.unwrap_or(no_wake), options.user, options.drop);
        sound?;
        let out = out?;
        args::zero("options->flags", options.flags)?;
        out.set(facade::loop_open(engine.into(), options.budget, wanted.then_some(wake))?.into());
        Ok(0)
    })
}

/// Waits for work, at most timeout, and does it: runs the handlers of ready mailboxes, fires due timers with
/// TD_TIME_HOST, runs release functions that wait for this loop. flags: TD_INTERRUPTIBLE.
///
/// Returns: how many batches were handled; 0 when the time was up or td_loop_wake was called; TD_EINTR; TD_ECLOSED when
///   the loop was closed; TD_EDEADLK inside a handler of this loop, or while another thread runs it.
/// Threads: one at a time for one loop.
/// Blocks: up to timeout, and as long as its handlers take.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_loop_run(r#loop: td_loop, timeout: i64, flags: u32) -> i32 {
    guard(|| {
        let interruptible = wait(timeout, flags)?;
        count(facade::loop_run(r#loop.into(), timeout, interruptible))
    })
}

/// A descriptor that is readable while td_loop_run has something to do: level-triggered, for poll and its like. Due
/// timers of a TD_TIME_HOST engine do not make it readable; see td_loop_deadline. Each call makes another one.
///
/// Returns: 0; TD_ESTALE when the loop was closed; TD_ESYS when the process has no descriptor left.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller closes fd; it may outlive the loop.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_loop_fd(r#loop: td_loop, fd: *mut td_fd) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out("fd", fd)? };
        out.set(facade::loop_fd(r#loop.into())?);
        Ok(0)
    })
}

/// How long until td_loop_run is needed for the engine's next timer, in nanoseconds (TD_TIME_HOST); TD_FOREVER when no
/// timer needs it.
///
/// Returns: 0; TD_ESTALE when the loop was closed.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_loop_deadline(r#loop: td_loop, delay: *mut i64) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out("delay", delay)? };
        out.set(facade::loop_deadline(r#loop.into())?);
        Ok(0)
    })
}

/// Makes the running td_loop_run of the loop return, or the next one not wait.
///
/// Returns: 0; TD_ESTALE when the loop was closed.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_loop_wake(r#loop: td_loop) -> i32 {
    guard(|| done(facade::loop_wake(r#loop.into())))
}

/// Ends the loop's mailboxes with TD_REASON_RUNTIME_EXIT, and then the loop. Release functions that wait for it run now.
///
/// Returns: 0; TD_ESTALE when it was closed already.
/// Threads: any, also inside a handler of the loop.
/// Blocks: no.
/// Owns: the loop's id is stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_loop_close(r#loop: td_loop) -> i32 {
    guard(|| done(facade::loop_close(r#loop.into())))
}
