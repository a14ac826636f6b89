//! Receiving: single messages, selected messages, batches.
//!
//! Guarantees: as the module `ffi` says; a message or batch is written only when it is the caller's to release.

use super::args;
use super::types::{same_layout, td_batch, td_mailbox, td_message, TD_INTERRUPTIBLE};
use super::versioned::{self, Versioned};
use super::{done, guard};
use crate::engine as facade;
use crate::error::Result;
use crate::message as m;
use std::ffi::CStr;
use std::mem::offset_of;

/// Fields of a td_match that must hold.
///
/// message.kind == kind
pub const TD_MATCH_KIND: u32 = 1u32;
/// (message.tag & tag_mask) == (tag & tag_mask)
pub const TD_MATCH_TAG: u32 = 2u32;
/// message.from == from
pub const TD_MATCH_FROM: u32 = 4u32;
/// message.ref == ref
pub const TD_MATCH_REF: u32 = 8u32;

/// Which messages td_recv_match takes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_match {
    pub size: usize,
    /// TD_MATCH_...: which of the following must hold; 0: everything matches
    pub fields: u32,
    pub kind: u32,
    pub tag: u64,
    /// 0: all bits
    pub tag_mask: u64,
    pub from: td_mailbox,
    pub r#ref: u64,
}

/// The place of td_recv_peek. All zero is before the oldest message.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_cursor {
    pub words: [u64; 4],
}

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_match {
    const FIRST: usize = offset_of!(td_match, r#ref) + 8;
}
same_layout!(td_match, m::Match, 48: size fields kind tag tag_mask from r#ref);
same_layout!(td_cursor, m::Cursor, 32: words);
const _: () = {
    assert!(TD_MATCH_KIND == m::MATCH_KIND && TD_MATCH_TAG == m::MATCH_TAG);
    assert!(TD_MATCH_FROM == m::MATCH_FROM && TD_MATCH_REF == m::MATCH_REF);
};

/// Checks a wait's timeout and flags; true when it is interruptible.
#[inline]
pub(super) fn wait(timeout: i64, flags: u32) -> Result<bool> {
    args::timeout("timeout", timeout)?;
    args::flags("flags", flags, TD_INTERRUPTIBLE, "0 or TD_INTERRUPTIBLE")?;
    Ok(flags & TD_INTERRUPTIBLE != 0)
}

/// A message as the header promises it: data is never NULL and topic is "" where there are none.
#[inline]
pub(super) fn shown(mut message: m::Message) -> m::Message {
    const NONE: &CStr = c"";
    if message.data_size == 0 {
        message.data = NONE.as_ptr().cast();
    }
    if message.topic_size == 0 {
        message.topic = NONE.as_ptr();
    }
    message
}

/// Takes the oldest message. flags: TD_INTERRUPTIBLE.
///
/// Returns: 0; TD_EAGAIN with timeout 0, else TD_ETIMEDOUT, when there is none; TD_EINTR; TD_ECLOSED when the mailbox
///   is over; TD_EINVAL for a handler mailbox.
/// Threads: any; each message goes to exactly one.
/// Blocks: up to timeout.
/// Owns: the caller releases message with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_recv(mailbox: td_mailbox, timeout: i64, flags: u32, message: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { args::out("message", message.cast::<m::Message>())? };
        let interruptible = wait(timeout, flags)?;
        done(facade::recv_step(mailbox.into(), timeout, interruptible, |message| out.set(shown(message))))
    })
}

/// Takes the oldest message that matches and leaves the rest in order. Waiting for a reply or a DOWN by its ref does
/// not get slower as the queue grows. Another match looks at the queue from its front, and goes on from where it was
/// when it is the next one again. flags: TD_INTERRUPTIBLE.
///
/// Returns: as td_recv.
/// Threads: any; each message goes to exactly one.
/// Blocks: up to timeout.
/// Owns: the caller keeps match, and releases message with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_recv_match(
    mailbox: td_mailbox,
    r#match: *const td_match,
    timeout: i64,
    flags: u32,
    message: *mut td_message,
) -> i32 {
    guard(|| {
        args::check_pointer("match", r#match)?;
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (out, wanted) =
            unsafe { (args::out("message", message.cast::<m::Message>())?, versioned::options("match", r#match)?) };
        let interruptible = wait(timeout, flags)?;
        let all = TD_MATCH_KIND | TD_MATCH_TAG | TD_MATCH_FROM | TD_MATCH_REF;
        args::flags("match->fields", wanted.fields, all, "TD_MATCH_KIND, TD_MATCH_TAG, TD_MATCH_FROM, TD_MATCH_REF")?;
        let wanted = m::Match {
            size: wanted.size,
            fields: wanted.fields,
            kind: wanted.kind,
            tag: wanted.tag,
            tag_mask: wanted.tag_mask,
            from: wanted.from.into(),
            r#ref: wanted.r#ref,
        };
        out.set(shown(facade::recv_match(mailbox.into(), &wanted, timeout, interruptible)?));
        Ok(0)
    })
}

/// Copies the next message after cursor, which moves to it, and leaves the message in the queue. With td_recv_take it
/// makes any condition a selective receive. A step costs the same however long the queue is. flags: TD_INTERRUPTIBLE.
///
/// Returns: as td_recv; TD_EINVAL for a cursor that is neither TD_CURSOR_INIT nor left by an earlier peek.
/// Threads: any; each with its own cursor.
/// Blocks: up to timeout.
/// Owns: the caller releases message with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_recv_peek(
    mailbox: td_mailbox,
    cursor: *mut td_cursor,
    timeout: i64,
    flags: u32,
    message: *mut td_message,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (out, cursor) = unsafe {
            (
                args::out("message", message.cast::<m::Message>())?,
                args::reference_mut("cursor", cursor.cast::<m::Cursor>())?,
            )
        };
        let interruptible = wait(timeout, flags)?;
        // The caller's cursor moves only on success.
        let mut place = *cursor;
        out.set(shown(facade::recv_peek(mailbox.into(), &mut place, timeout, interruptible)?));
        *cursor = place;
        Ok(0)
    })
}

/// Takes the message that was peeked last with this cursor.
///
/// Returns: 0; TD_ESTALE when it is gone: someone else has taken it, it was dropped or cancelled; TD_EAGAIN while the
///   mailbox is suspended: the message is still there; TD_EINVAL when the cursor has peeked at nothing; TD_ECLOSED
///   when the mailbox is over.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller releases message with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_recv_take(mailbox: td_mailbox, cursor: *const td_cursor, message: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (out, cursor) = unsafe {
            (
                args::out("message", message.cast::<m::Message>())?,
                args::reference("cursor", cursor.cast::<m::Cursor>())?,
            )
        };
        out.set(shown(facade::recv_take(mailbox.into(), cursor)?));
        Ok(0)
    })
}

/// Takes many messages at once, as a frame. flags: TD_INTERRUPTIBLE.
///
/// Returns: as td_recv.
/// Threads: any; each message goes to exactly one.
/// Blocks: up to timeout.
/// Owns: the caller releases batch with td_batch_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_recv_batch(mailbox: td_mailbox, timeout: i64, flags: u32, batch: *mut td_batch) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { args::out("batch", batch.cast::<m::Batch>())? };
        let interruptible = wait(timeout, flags)?;
        out.set(facade::recv_batch(mailbox.into(), timeout, interruptible)?);
        Ok(0)
    })
}

/// Gives a message back that a receive or a call has written. Its data and topic are gone then.
///
/// Returns: 0, also for a message of td_batch_next, which has nothing to give back; TD_ESTALE when it was released
///   already.
/// Threads: any.
/// Blocks: no.
/// Owns: the library, from here on; a release function of the payload may run.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_message_release(message: *const td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let owner = unsafe { args::reference("message", message)? }.owner;
        if owner == 0 {
            return Ok(0);
        }
        done(facade::message_release(owner))
    })
}

/// Gives the next message of the batch. It passes over what was cancelled meanwhile, and stops when the mailbox has
/// ended.
///
/// Returns: 1 with a message; 0 when there are no more; TD_ESTALE when the batch was released.
/// Threads: one at a time for one batch.
/// Blocks: no.
/// Owns: the message is the batch's and ends with it; it need not be released.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_batch_next(batch: *mut td_batch, message: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (out, batch) = unsafe {
            (
                args::out("message", message.cast::<m::Message>())?,
                args::reference_mut("batch", batch.cast::<m::Batch>())?,
            )
        };
        facade::batch_step(batch, |message| out.set(shown(message))).map(i32::from)
    })
}

/// Asks, for a binding that reads the frame itself, whether entry index may be delivered. cursor becomes index + 1,
/// unless the mailbox has ended.
///
/// Returns: 1 to deliver it; 0 to skip it, because it was cancelled meanwhile or the mailbox has ended; TD_EINVAL when
///   there is no such entry; TD_ESTALE when the batch was released.
/// Threads: one at a time for one batch.
/// Blocks: no.
/// Owns: nothing changes.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_batch_claim(batch: *mut td_batch, index: u32) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let batch = unsafe { args::reference_mut("batch", batch.cast::<m::Batch>())? };
        facade::batch_claim(batch, index).map(i32::from)
    })
}

/// Makes a second owner of the same frame, with nothing left to pass, so that views of it outlive the batch.
///
/// Returns: 0; TD_ESTALE when the batch was released.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller releases copy on its own with td_batch_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_batch_retain(batch: *const td_batch, copy: *mut td_batch) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (out, batch) = unsafe {
            (args::out("copy", copy.cast::<m::Batch>())?, args::reference("batch", batch.cast::<m::Batch>())?)
        };
        out.set(facade::batch_retain(batch)?);
        Ok(0)
    })
}

/// Gives the batch back. What its cursor has not passed goes back to the front of the queue.
///
/// Returns: 0; TD_ESTALE when it was released already; TD_EINVAL for the batch of a running handler, which ends with
///   the handler.
/// Threads: any, one at a time for one batch.
/// Blocks: no.
/// Owns: the library, from here on; release functions of payloads may run.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_batch_release(batch: *mut td_batch) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let batch = unsafe { args::reference_mut("batch", batch.cast::<m::Batch>())? };
        done(facade::batch_release(batch))
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::id::Id;

    #[test]
    fn a_message_without_data_and_topic_shows_empty_text() {
        let bare = m::Message {
            kind: m::KIND_MESSAGE,
            status: 0,
            data: std::ptr::null(),
            data_size: 0,
            from: Id::NONE,
            tag: 0,
            r#ref: 0,
            topic: std::ptr::null(),
            topic_size: 0,
            deadline: 0,
            lost: 0,
            owner: 0,
            info: [0; 2],
        };
        let message = shown(bare);
        // SAFETY: both point to static, NUL-terminated text.
        unsafe {
            assert_eq!(CStr::from_ptr(message.topic), c"");
            assert_eq!(CStr::from_ptr(message.data.cast()), c"");
        }
        let full = shown(m::Message {
            data: [1u8].as_ptr().cast(),
            data_size: 1,
            topic: c"a".as_ptr(),
            topic_size: 1,
            ..bare
        });
        assert!(full.data != message.data && full.topic != message.topic);
    }
}
