//! Sending.
//!
//! Guarantees: as the module `ffi` says; when a send fails, the caller keeps the data and no release function runs.

use super::args;
use super::types::{td_engine, td_loop, td_mailbox, td_message, TD_INTERRUPTIBLE};
use super::versioned::{self, Versioned};
use super::{count, done, guard};
use crate::engine as facade;
use crate::error::{Error, Result};
use crate::message as m;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;

/// Runs exactly once when the last reader of a payload that was sent without copying is done with it. It may call
/// anything, also what ends mailboxes; what else has to be released or dropped for that on this thread is, in its order,
/// once this function has returned, and before the call that it runs in returns. It must not throw or longjmp.
pub type td_release_fn = Option<extern "C" fn(data: *mut c_void, size: usize, user: *mut c_void)>;

/// Options of td_send_ex and td_publish. Zero is the default of every field but size.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_send_options {
    pub size: usize,
    /// 0 or TD_INTERRUPTIBLE
    pub flags: u32,
    /// 0
    pub reserved: u32,
    /// TD_BLOCK: how long to wait; 0: the mailbox's block_timeout; -1: do not wait
    pub timeout: i64,
    /// Not NULL: data is not copied but read where it is, and release(data, size, release_user) runs exactly once when
    /// the last reader is done. On error the caller keeps data and release does not run. A message that TD_DROP_NEW
    /// dropped is a success: release runs.
    pub release: td_release_fn,
    pub release_user: *mut c_void,
    /// zero: release runs on any thread; else only in td_loop_run, td_loop_close of this one
    pub release_loop: td_loop,
}

/// One message of td_send_many and td_publish_many.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_item {
    pub tag: u64,
    /// NULL only with a size of 0
    pub data: *const c_void,
    pub data_size: usize,
}

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_send_options {
    const FIRST: usize = offset_of!(td_send_options, release_loop) + 8;
}

/// The items as tags and bytes, each of which has been checked.
///
/// # Safety
/// As for [`args::array`], and each item's data as for [`args::bytes`].
pub(super) unsafe fn items<'a>(items: *const td_item, count: usize) -> Result<Vec<(u64, &'a [u8])>> {
    // SAFETY: the caller's promise, passed on.
    let items = unsafe { args::array("items", items, count)? };
    let mut views = Vec::new();
    views.try_reserve_exact(items.len()).map_err(|_| Error::NoMem.because(format!("no memory for {count} items")))?;
    for (at, item) in items.iter().enumerate() {
        let wrong = (item.data.is_null() && item.data_size > 0) || item.data_size > isize::MAX as usize;
        let what = if wrong { format!("items[{at}].data") } else { String::new() };
        // SAFETY: as above.
        views.push((item.tag, unsafe { args::bytes(&what, item.data, item.data_size)? }));
    }
    Ok(views)
}

/// The release of `options`, if they have one.
pub(super) fn release(options: &td_send_options, data: *const c_void) -> Option<facade::Release> {
    options.release.map(|call| facade::Release {
        call,
        data: data.cast_mut(),
        user: options.release_user,
        on_loop: options.release_loop.into(),
    })
}

/// Checks what send and publish have in common.
pub(super) fn check(options: &td_send_options) -> Result<()> {
    args::flags("options->flags", options.flags, TD_INTERRUPTIBLE, "0 or TD_INTERRUPTIBLE")?;
    args::zero("options->reserved", options.reserved)?;
    if options.release.is_none() && options.release_loop.id != 0 {
        return args::invalid("options->release_loop is given but options->release is NULL; give both or neither");
    }
    if options.timeout < -1 {
        return args::invalid(format!(
            "options->timeout is {}; give nanoseconds, 0 for the mailbox's own, or -1 not to wait",
            options.timeout
        ));
    }
    Ok(())
}

/// Sends a copy of data. from is the sending mailbox, or TD_NOBODY. Messages of one sender to one mailbox stay in order;
/// without a mailbox the calling thread is the sender.
///
/// Returns: 0, also when the policy dropped a message; TD_ENOPROC when to has ended; TD_EFULL when it is full and its
///   policy is TD_FAIL, or TD_DROP_OLD and nothing may be dropped; TD_ETIMEDOUT when it stayed full (TD_BLOCK);
///   TD_EDEADLK when only the calling thread's own loop could make room (TD_BLOCK); TD_ECLOSED when from ended while
///   waiting; TD_ETOOBIG when data is larger than the mailbox may ever hold; TD_ENOMEM.
/// Threads: any.
/// Blocks: with TD_BLOCK, while to is full; else no.
/// Owns: the caller keeps data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send(
    to: td_mailbox,
    from: td_mailbox,
    tag: u64,
    data: *const c_void,
    data_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let data = unsafe { args::bytes("data", data, data_size)? };
        done(facade::send(to.into(), from.into(), tag, data))
    })
}

/// Sends count messages, in order, for less than as many calls of td_send.
///
/// Returns: how many were accepted, from the first on; an error as of td_send when the first was refused; 0 for none.
/// Threads: any.
/// Blocks: as td_send.
/// Owns: the caller keeps items and their data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send_many(to: td_mailbox, from: td_mailbox, items: *const td_item, count: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let items = unsafe { self::items(items, count)? };
        self::count(facade::send_many(to.into(), from.into(), &items))
    })
}

/// Sends with options, which may be NULL: without copying (release), with a time limit of its own, interruptible.
///
/// Returns: as td_send; TD_ETIMEDOUT, or TD_EFULL with timeout -1, when it stayed full (TD_BLOCK); TD_EINTR;
///   TD_ESTALE when release_loop was closed.
/// Threads: any.
/// Blocks: with TD_BLOCK, while to is full, up to timeout; else no.
/// Owns: with release, data belongs to the library from success on until release runs, and must not change; else the
///   caller keeps it.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send_ex(
    to: td_mailbox,
    from: td_mailbox,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    options: *const td_send_options,
) -> i32 {
    guard(|| {
        let given = data;
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (data, options) =
            unsafe { (args::bytes("data", data, data_size)?, versioned::options("options", options)?) };
        check(&options)?;
        let interruptible = options.flags & TD_INTERRUPTIBLE != 0;
        let options =
            facade::SendOptions { timeout: options.timeout, interruptible, release: release(&options, given) };
        done(facade::send_ex(to.into(), from.into(), tag, data, options))
    })
}

/// Sends to whoever holds the name now.
///
/// Returns: as td_send; TD_ENOTFOUND when nobody has the name; TD_ESTALE when the engine was closed; TD_EINVAL as
///   td_register.
/// Threads: any.
/// Blocks: as td_send.
/// Owns: the caller keeps name and data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_send_name(
    engine: td_engine,
    name: *const c_char,
    name_size: usize,
    from: td_mailbox,
    tag: u64,
    data: *const c_void,
    data_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (name, data) = unsafe { (args::name("name", name, name_size)?, args::bytes("data", data, data_size)?) };
        done(facade::send_name(engine.into(), name, from.into(), tag, data))
    })
}

/// Gives a mailbox of the flag TD_NOTIFIABLE bits, from anywhere, also inside a signal handler: it takes no lock, needs
/// no memory and leaves errno alone. The mailbox gets one TD_KIND_NOTIFY whose tag has every bit given since the last
/// one was delivered; like all signals it ignores bounds. bits 0 does nothing.
///
/// Returns: 0; TD_EINVAL for a mailbox without the flag; TD_ENOPROC when it has ended. There is no detail of the error.
/// Threads: any; async-signal-safe.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_notify(mailbox: td_mailbox, bits: u64) -> i32 {
    facade::notify(mailbox.into(), bits).map_or_else(|error| error.code(), |()| 0)
}

/// Sends a received message on, before it is released. A request goes on as a request: to then holds the ticket, whose
/// caller hears of to's end instead; the reply names the mailbox that was called first. Anything else goes on as a
/// TD_KIND_MESSAGE with its tag and data, which is shared, not copied, where it travels by reference.
///
/// Returns: as td_send; for a request TD_EFULL whatever the policy, TD_ESTALE when it was answered already or its caller
///   no longer waits, TD_EBADID when that is a mailbox of another engine than to, and TD_EDEADLK when to waits in
///   td_call, itself or through others, for the mailbox that waits for the answer, or is that one. After an error the
///   request is still with the mailbox that had it. TD_ESTALE when message was released.
/// Threads: any.
/// Blocks: as td_send; for a request no.
/// Owns: the caller keeps message.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_forward(to: td_mailbox, from: td_mailbox, message: *const td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let message = unsafe { args::reference("message", message.cast::<m::Message>())? };
        // SAFETY: a message that was not released has its data.
        let data = unsafe { args::bytes("message->data", message.data, message.data_size)? };
        done(facade::forward(to.into(), from.into(), message, data))
    })
}
