//! Calls: a request, a ticket, one reply.
//!
//! Guarantees: as the module `ffi` says; `reply` is written on success and with `TD_EDOWN`, and is the caller's to
//! release then.

use super::args;
use super::receive::{shown, wait};
use super::types::{td_mailbox, td_message, td_ticket};
use super::{done, guard};
use crate::engine::{self as facade, CallError};
use crate::error::Error;
use crate::id::Id;
use crate::message as m;
use std::ffi::c_void;

/// Sends a request and waits for its reply, which does not go through a mailbox. from may be TD_NOBODY. The deadline
/// travels with the request; after it the request is not delivered any more. flags: TD_INTERRUPTIBLE.
///
/// Returns: 0 with reply (its status is 0, or what td_reply_error gave); TD_EDOWN when to ended first, and reply is its
///   TD_KIND_DOWN then, with the reason in status and the reason's bytes in data; TD_ENOPROC at once when to was over;
///   TD_ETIMEDOUT; TD_ENOREPLY when the ticket was dropped; TD_EFULL, TD_ETOOBIG, TD_ENOMEM as td_send; TD_EDEADLK
///   when the call could never return: to itself, to a mailbox of the calling thread's own loop, or in a circle of
///   blocked calls; TD_EINTR; TD_ECLOSED when from ended.
/// Threads: any.
/// Blocks: up to timeout.
/// Owns: the caller keeps data, and releases reply with td_message_release after 0 and TD_EDOWN.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_call(
    to: td_mailbox,
    from: td_mailbox,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    timeout: i64,
    flags: u32,
    reply: *mut td_message,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (data, out) =
            unsafe { (args::bytes("data", data, data_size)?, args::out("reply", reply.cast::<m::Message>())?) };
        let interruptible = wait(timeout, flags)?;
        match facade::call(to.into(), from.into(), tag, data, timeout, interruptible) {
            Ok(reply) => {
                out.set(shown(reply));
                Ok(0)
            }
            Err(CallError::Down(down)) => {
                out.set(shown(down));
                Err(Error::Down)
            }
            Err(CallError::Plain(error)) => Err(error),
            Err(CallError::Overflowed(_)) => Err(Error::Full),
        }
    })
}

/// Sends a request whose answer comes to from as one TD_KIND_REPLY with ref = ticket and this tag. Its status is 0, what
/// td_reply_error gave, TD_EDOWN (info[0]: the reason, data: its bytes), TD_ETIMEDOUT or TD_ENOREPLY.
/// TD_KIND_PART messages may come before it.
///
/// Returns: 0; TD_ENOPROC when to or from is over; TD_EFULL, TD_ETOOBIG, TD_ENOMEM as td_send; TD_ESYS when the timer
///   thread cannot start.
/// Threads: any.
/// Blocks: no; a full mailbox is TD_EFULL, whatever its policy.
/// Owns: the caller keeps data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_call_start(
    to: td_mailbox,
    from: td_mailbox,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    timeout: i64,
    ticket: *mut td_ticket,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, data) = unsafe { (args::out_id("ticket", ticket)?, args::bytes("data", data, data_size)?) };
        let timeout = args::timeout("timeout", timeout)?;
        out.set(facade::call_start(to.into(), from.into(), tag, data, timeout)?.into());
        Ok(0)
    })
}

/// Calls each of the count mailboxes in to, as td_call_start: each gives from one TD_KIND_REPLY with ref = gathering and
/// the mailbox in from, as they come. Its status says why there is no answer where there is none: also TD_ENOPROC when
/// that mailbox was over, TD_EFULL or TD_ETOOBIG when it did not take the request. Then one TD_KIND_REPLIES follows
/// with this tag: info[0] is how many answered, with td_reply_error too, info[1] how many did not. One that is listed
/// twice is called twice.
///
/// Returns: 0, also when none could be called, or count is 0; TD_ECLOSED when from is over; TD_EBADID for a mailbox of
///   another engine, TD_ESYS when the timer thread cannot start, and then nobody was called.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps to and data; td_call_cancel(gathering) gives all of it up.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_call_many(
    to: *const td_mailbox,
    count: usize,
    from: td_mailbox,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    timeout: i64,
    gathering: *mut td_ticket,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, to, data) = unsafe {
            (
                args::out_id("gathering", gathering)?,
                args::array("to", to, count)?,
                args::bytes("data", data, data_size)?,
            )
        };
        let timeout = args::timeout("timeout", timeout)?;
        let to: Vec<Id> = to.iter().map(|to| Id::from(*to)).collect();
        out.set(facade::call_many(&to, from.into(), tag, data, timeout)?.into());
        Ok(0)
    })
}

/// Gives up a call of td_call_start, or all of a td_call_many: nothing with its ref will be seen, also nothing that is
/// queued, replies and parts alike. Where parts came, the queue is looked through from the first to the last of them;
/// all of it for a td_call_many.
///
/// Returns: 0; TD_ESTALE when its reply was delivered, or it was cancelled already.
/// Threads: any.
/// Blocks: no.
/// Owns: the ticket is stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_call_cancel(ticket: td_ticket) -> i32 {
    guard(|| done(facade::call_cancel(ticket.into())))
}

/// Answers a request: ticket is the ref of the TD_KIND_REQUEST message. A ticket replies once.
///
/// Returns: 0; TD_ESTALE when it was answered or dropped already, or the caller no longer waits (a dead letter).
/// Threads: any, also after the request was released.
/// Blocks: no.
/// Owns: the caller keeps data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_reply(ticket: td_ticket, data: *const c_void, data_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let data = unsafe { args::bytes("data", data, data_size)? };
        done(facade::reply(ticket.into(), 0, data))
    })
}

/// Answers a request with a failure of the application's: status, at least 1, becomes the reply's status.
///
/// Returns: as td_reply; TD_EINVAL for a status below 1.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_reply_error(ticket: td_ticket, status: i32, data: *const c_void, data_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let data = unsafe { args::bytes("data", data, data_size)? };
        if status < 1 {
            return args::invalid(format!("status is {status}; give a number of your own from 1 up, or use td_reply"));
        }
        done(facade::reply(ticket.into(), status, data))
    })
}

/// Sends a part of the answer to a call of td_call_start or td_call_many: the caller gets it as one TD_KIND_PART with
/// the ref and tag that its TD_KIND_REPLY will have, before that one. Parts obey the bound of the caller's mailbox,
/// whatever its policy, and are never dropped. The ticket stays to be answered. flags: TD_INTERRUPTIBLE.
///
/// Returns: 0; TD_EFULL with timeout 0, else TD_ETIMEDOUT, when the caller's mailbox stayed full; TD_ESTALE when the
///   caller no longer waits (a dead letter); TD_ETOOBIG, TD_ENOMEM; TD_EINTR; TD_EDEADLK when only the calling
///   thread's own loop could make room; TD_EINVAL for a call of td_call, which waits for one reply.
/// Threads: any.
/// Blocks: while the caller's mailbox is full, up to timeout.
/// Owns: the caller keeps data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_reply_part(
    ticket: td_ticket,
    data: *const c_void,
    data_size: usize,
    timeout: i64,
    flags: u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let data = unsafe { args::bytes("data", data, data_size)? };
        let interruptible = wait(timeout, flags)?;
        done(facade::reply_part(ticket.into(), data, timeout, interruptible))
    })
}

/// Ends an answer in parts: td_reply without data.
///
/// Returns: as td_reply.
/// Threads: any.
/// Blocks: no.
/// Owns: the ticket is stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_reply_end(ticket: td_ticket) -> i32 {
    guard(|| done(facade::reply(ticket.into(), 0, &[])))
}

/// Drops a request unanswered: the caller gets TD_ENOREPLY.
///
/// Returns: 0; TD_ESTALE when it was answered or dropped already, or the caller no longer waits.
/// Threads: any; made for finalisers.
/// Blocks: no.
/// Owns: the ticket is stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_ticket_drop(ticket: td_ticket) -> i32 {
    guard(|| done(facade::ticket_drop(ticket.into())))
}
