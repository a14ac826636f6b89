//! Links.
//!
//! Guarantees: as the module `ffi` says.

use super::types::td_mailbox;
use super::{args, done, guard};
use crate::engine as facade;

/// Links two mailboxes of one engine: when either ends, with any reason but TD_REASON_NORMAL, the other ends with the
/// same reason and data, and so on through its own links; or, if it traps exits, it gets one TD_KIND_EXIT, whatever the
/// reason, bounds or not. Linked twice is linked once; a mailbox linked to itself is not linked.
///
/// Returns: 0; TD_ENOPROC when mailbox is over, or when other is and mailbox does not trap exits. If it does, it gets a
///   TD_KIND_EXIT with TD_REASON_NOPROC.
/// Threads: any.
/// Blocks: no.
/// Owns: the link ends with td_unlink or with either mailbox.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_link(mailbox: td_mailbox, other: td_mailbox) -> i32 {
    guard(|| done(facade::link(mailbox.into(), other.into())))
}

/// Ends a link: from the return on neither mailbox hears of, or ends with, the other. A TD_KIND_EXIT that is queued
/// already stays. Mailboxes that are not linked stay so.
///
/// Returns: 0; TD_ENOPROC when mailbox is over.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_unlink(mailbox: td_mailbox, other: td_mailbox) -> i32 {
    guard(|| done(facade::unlink(mailbox.into(), other.into())))
}

/// Says whether a mailbox traps exits: with on = 1 it is told when a mailbox linked to it ends, with on = 0, as at
/// first, it ends with it. td_mailbox_kill cannot be trapped.
///
/// Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL when on is neither 0 nor 1.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_trap_exit(mailbox: td_mailbox, on: u32) -> i32 {
    guard(|| {
        args::flags("on", on, 1, "0 or 1")?;
        done(facade::trap_exit(mailbox.into(), on == 1))
    })
}
