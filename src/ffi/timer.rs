//! Timers.
//!
//! Guarantees: as the module `ffi` says.

use super::types::{td_engine, td_mailbox, td_timer};
use super::{args, guard};
use crate::engine as facade;
use std::ffi::{c_char, c_void};

/// Sends a TD_KIND_TIMER message with this tag and a copy of data after delay nanoseconds. Timers fire in the order of
/// their deadlines, and of their creation where these are equal. The timer dies with the mailbox.
///
/// Returns: 0; TD_ENOPROC when to is over; TD_EINVAL for a delay below 0; TD_ETOOBIG, TD_ENOMEM as td_send; TD_ESYS
///   when the timer thread cannot start.
/// Threads: any.
/// Blocks: no.
/// Owns: data is copied. The timer is gone once it has fired or was cancelled.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send_after(
    to: td_mailbox,
    delay: i64,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    timer: *mut td_timer,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, data) = unsafe { (args::out_id("timer", timer)?, args::bytes("data", data, data_size)?) };
        let delay = args::span("delay", delay, 0)?;
        out.set(facade::send_after(to.into(), delay, tag, data)?.into());
        Ok(0)
    })
}

/// As td_send_after, to whoever holds the name when the time has come; a dead letter when nobody does. The topic of the
/// TD_KIND_TIMER message is the name.
///
/// Returns: 0; TD_ESTALE when the engine was closed; TD_EINVAL for a delay below 0, and as td_register; TD_ETOOBIG,
///   TD_ENOMEM; TD_ESYS as td_send_after.
/// Threads: any.
/// Blocks: no.
/// Owns: name and data are copied. The timer is gone once it has fired or was cancelled.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send_after_name(
    engine: td_engine,
    name: *const c_char,
    name_size: usize,
    delay: i64,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    timer: *mut td_timer,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, name, data) = unsafe {
            (args::out_id("timer", timer)?, args::name("name", name, name_size)?, args::bytes("data", data, data_size)?)
        };
        let delay = args::span("delay", delay, 0)?;
        out.set(facade::send_after_name(engine.into(), name, delay, tag, data)?.into());
        Ok(0)
    })
}

/// Sends a TD_KIND_TIMER message every period nanoseconds, the first after one period. Ticks do not pile up: at most one
/// is queued.
///
/// Returns: 0; TD_ENOPROC when to is over; TD_EINVAL for a period below 1; TD_ETOOBIG, TD_ENOMEM as td_send; TD_ESYS as
///   td_send_after.
/// Threads: any.
/// Blocks: no.
/// Owns: data is copied. The timer is gone once it was cancelled or the mailbox has ended.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send_every(
    to: td_mailbox,
    period: i64,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    timer: *mut td_timer,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, data) = unsafe { (args::out_id("timer", timer)?, args::bytes("data", data, data_size)?) };
        let period = args::span("period", period, 1)?;
        out.set(facade::send_every(to.into(), period, tag, data)?.into());
        Ok(0)
    })
}

/// Stops a timer. Of firing and being cancelled exactly one happens. A queued tick of td_send_every goes, too.
/// remaining, which may be NULL, becomes the time that was left.
///
/// Returns: 0; TD_ESTALE when it has fired or was cancelled already.
/// Threads: any.
/// Blocks: no.
/// Owns: the timer is stale from here on.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_timer_cancel(timer: td_timer, remaining: *mut i64) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out_or_null("remaining", remaining)? };
        let remaining = facade::timer_cancel(timer.into())?;
        if let Some(out) = out {
            out.set(remaining);
        }
        Ok(0)
    })
}

/// The nanoseconds until the timer fires next.
///
/// Returns: 0; TD_ESTALE when it has fired or was cancelled.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_timer_read(timer: td_timer, remaining: *mut i64) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out("remaining", remaining)? };
        out.set(facade::timer_read(timer.into())?);
        Ok(0)
    })
}
