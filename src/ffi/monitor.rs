//! Monitors.
//!
//! Guarantees: as the module `ffi` says.

use super::types::{td_mailbox, td_monitor_ref, TD_FLUSH};
use super::{args, guard};
use crate::engine as facade;
use std::ffi::c_char;

/// Outcomes of td_demonitor.
///
/// it was still watching; no DOWN will come
pub const TD_WAS_ARMED: u32 = 1u32;
/// a queued DOWN was taken out
pub const TD_WAS_FLUSHED: u32 = 2u32;
/// it had fired: the DOWN was delivered, or is queued and TD_FLUSH was not given
pub const TD_WAS_DELIVERED: u32 = 3u32;

/// Watches target: when it ends, watcher gets one TD_KIND_DOWN with ref = monitor and this tag. If it is over already
/// the DOWN comes at once, with TD_REASON_NOPROC. Any number of monitors may watch one target; watching oneself never
/// fires.
///
/// Returns: 0; TD_ENOPROC when watcher is over.
/// Threads: any.
/// Blocks: no.
/// Owns: the monitor is gone once it has fired, was demonitored, or watcher has ended.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_monitor(
    watcher: td_mailbox,
    target: td_mailbox,
    tag: u64,
    monitor: *mut td_monitor_ref,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out_id("monitor", monitor)? };
        out.set(facade::monitor(watcher.into(), target.into(), tag)?.into());
        Ok(0)
    })
}

/// As td_monitor, with a receipt: in the TD_KIND_DOWN info[0] is how many of watcher's messages target consumed, and
/// info[1] how many were discarded at its end. Those count that watcher sent or published since this call and that
/// target's queue took in; evicted, flushed and expired ones are in neither. Sending to target costs a little more
/// while it is watched like this.
///
/// Returns: as td_monitor.
/// Threads: any.
/// Blocks: no.
/// Owns: as td_monitor.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_monitor_receipt(
    watcher: td_mailbox,
    target: td_mailbox,
    tag: u64,
    monitor: *mut td_monitor_ref,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out_id("monitor", monitor)? };
        out.set(facade::monitor_receipt(watcher.into(), target.into(), tag)?.into());
        Ok(0)
    })
}

/// Watches the mailbox that holds the name at this moment; the DOWN carries the name as its topic. If nobody holds it
/// the DOWN comes at once, with TD_REASON_NOPROC.
///
/// Returns: 0; TD_ENOPROC when watcher is over; TD_EINVAL as td_register.
/// Threads: any.
/// Blocks: no.
/// Owns: as td_monitor; the caller keeps name.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_monitor_name(
    watcher: td_mailbox,
    name: *const c_char,
    name_size: usize,
    tag: u64,
    monitor: *mut td_monitor_ref,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, name) = unsafe { (args::out_id("monitor", monitor)?, args::name("name", name, name_size)?) };
        out.set(facade::monitor_name(watcher.into(), name, tag)?.into());
        Ok(0)
    })
}

/// Watches a process of the system by its pid: when it ends, watcher gets one TD_KIND_DOWN with TD_REASON_OS_EXIT, from
/// nobody. If it is a child of this process that nobody has waited for yet, info[0] is 1 and info[1] its exit code, or
/// 2 and the signal that killed it; else both are 0. It stays to be waited for. If there is no such process the DOWN
/// comes at once, with TD_REASON_NOPROC. The first call starts a thread, tidings-process, which ends with the engine.
///
/// Returns: 0; TD_ENOPROC when watcher is over; TD_EINVAL when pid is not positive or is a thread's; TD_ESYS when there
///   is no descriptor or thread to be had; TD_EUNSUPPORTED where the system has no pidfd_open (Linux before 5.3).
/// Threads: any.
/// Blocks: no.
/// Owns: as td_monitor.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_monitor_os_process(
    watcher: td_mailbox,
    pid: i64,
    tag: u64,
    monitor: *mut td_monitor_ref,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out_id("monitor", monitor)? };
        out.set(facade::monitor_os_process(watcher.into(), pid, tag)?.into());
        Ok(0)
    })
}

/// Ends a monitor. flags: TD_FLUSH takes its DOWN out of the queue, too: after the return none is or will be seen, also
/// not from a batch already begun. outcome may be NULL.
///
/// Returns: 0 with one of TD_WAS_ARMED, TD_WAS_FLUSHED, TD_WAS_DELIVERED in outcome. A monitor that is over already is
///   TD_WAS_DELIVERED, however it ended.
/// Threads: any.
/// Blocks: no.
/// Owns: the monitor is stale from here on.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_demonitor(monitor: td_monitor_ref, flags: u32, outcome: *mut u32) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out_or_null("outcome", outcome)? };
        args::flags("flags", flags, TD_FLUSH, "0 or TD_FLUSH")?;
        let outcome = facade::demonitor(monitor.into(), flags & TD_FLUSH != 0)?;
        if let Some(out) = out {
            out.set(outcome);
        }
        Ok(0)
    })
}
