//! Mailboxes: their life, their counters, their readiness.
//!
//! Guarantees: as the module `ffi` says; the drop function given to `td_mailbox_open` runs exactly once, also when it
//! fails.

use super::args;
use super::types::{same_layout, td_batch, td_drop_fn, td_engine, td_fd, td_loop, td_mailbox, TD_INTERRUPTIBLE};
use super::versioned::{self, Versioned};
use super::{done, guard};
use crate::engine as facade;
use crate::message as m;
use crate::owed::Callback;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;

/// Reasons, the status of TD_KIND_DOWN: 0 to 1023 are the engine's, from TD_REASON_USER on they are yours.
///
/// td_mailbox_close
pub const TD_REASON_NORMAL: i32 = 0;
/// td_mailbox_kill
pub const TD_REASON_KILLED: i32 = 1;
/// it was not there when the monitor was made, or it was to be linked; no mailbox ends with this reason
pub const TD_REASON_NOPROC: i32 = 2;
/// its handler failed; the data is the text of the failure
pub const TD_REASON_CALLBACK_FAILED: i32 = 3;
/// its policy is TD_KILL, and it was full
pub const TD_REASON_OVERFLOW: i32 = 4;
/// td_engine_close
pub const TD_REASON_ENGINE_CLOSED: i32 = 5;
/// its loop closed, or the runtime that ran its handler went away
pub const TD_REASON_RUNTIME_EXIT: i32 = 6;
/// a process of the system ended, see td_monitor_os_process; no mailbox ends with this reason
pub const TD_REASON_OS_EXIT: i32 = 7;
/// the first of your own
pub const TD_REASON_USER: i32 = 1024;

/// What a full mailbox does with one more message. Signals are never refused or dropped.
///
/// the send fails with TD_EFULL
pub const TD_FAIL: u32 = 0u32;
/// the send waits
pub const TD_BLOCK: u32 = 1u32;
/// the new message is dropped and counted
pub const TD_DROP_NEW: u32 = 2u32;
/// the oldest is dropped and counted; never a request or a signal
pub const TD_DROP_OLD: u32 = 3u32;
/// the mailbox ends with TD_REASON_OVERFLOW; the send fails with TD_EFULL
pub const TD_KILL: u32 = 4u32;
/// a new message takes the place of a queued one with its tag (of a publication: topic and tag), and info[0] says how
/// many it replaced; others fail when it is full. Requests are not replaced
pub const TD_CONFLATE: u32 = 5u32;

/// Flags of td_mailbox_options.
///
/// it ends with TD_REASON_RUNTIME_EXIT when the thread that opened it ends
pub const TD_THREAD_BOUND: u32 = 1u32;
/// td_notify may be called for it; the first such mailbox starts a thread, tidings-notify
pub const TD_NOTIFIABLE: u32 = 2u32;
/// the engine's workers run the handler; no loop is given
pub const TD_BY_WORKERS: u32 = 4u32;

/// States of a mailbox.
///
/// alive
pub const TD_STATE_OPEN: u32 = 1u32;
/// over
pub const TD_STATE_ENDED: u32 = 2u32;

/// Takes the messages of a handler mailbox, inside td_loop_run of its loop or on a worker; never two calls at a time for
/// one mailbox.
/// Walk the batch with td_batch_next; it ends with the call, unless td_batch_retain kept it. What a handler does not
/// walk goes back to the queue. It may call anything, also what ends its own mailbox; it must not throw or longjmp.
pub type td_handler_fn = Option<extern "C" fn(batch: *mut td_batch, user: *mut c_void)>;

/// Options of td_mailbox_open. Zero is the default of every field but size.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_mailbox_options {
    pub size: usize,
    /// TD_THREAD_BOUND, TD_NOTIFIABLE, TD_BY_WORKERS
    pub flags: u32,
    /// TD_FAIL, TD_BLOCK, TD_DROP_NEW, TD_DROP_OLD, TD_KILL, TD_CONFLATE
    pub policy: u32,
    /// bound in messages; 0: 65,536
    pub max_messages: u64,
    /// bound in payload bytes; 0: 64 MiB
    pub max_bytes: u64,
    /// TD_BLOCK: how long a send waits; 0: TD_FOREVER
    pub block_timeout: i64,
    /// zero: read with td_recv and its like, or by workers; else td_loop_run of this loop runs handler
    pub r#loop: td_loop,
    /// NULL without a loop and TD_BY_WORKERS
    pub handler: td_handler_fn,
    /// for handler and drop; see td_mailbox_user
    pub user: *mut c_void,
    /// may be NULL
    pub drop: td_drop_fn,
    /// registered before anyone can see the mailbox; NULL for none
    pub name: *const c_char,
    pub name_size: usize,
}

/// What td_mailbox_stats fills in. sent = delivered + lost + conflated + flushed + expired + discarded + queued,
/// always; signals are included.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_mailbox_counters {
    /// set by the caller: sizeof(td_mailbox_counters)
    pub size: usize,
    /// TD_STATE_OPEN or TD_STATE_ENDED
    pub state: u32,
    /// once ended
    pub reason: i32,
    /// sends that succeeded, and signals
    pub sent: u64,
    /// given to a receiver
    pub delivered: u64,
    /// dropped by the policy
    pub lost: u64,
    /// taken out by a cancel or with TD_FLUSH
    pub flushed: u64,
    /// requests whose deadline had passed
    pub expired: u64,
    /// still queued when it ended
    pub discarded: u64,
    /// waiting now
    pub queued: u64,
    /// payload bytes waiting now
    pub queued_bytes: u64,
    /// sends that were answered TD_EFULL, TD_ETOOBIG, TD_ENOMEM or TD_ETIMEDOUT
    pub refused: u64,
    /// own armed monitors
    pub monitors: u64,
    /// armed monitors, links and open calls that watch this mailbox
    pub monitored_by: u64,
    /// armed timers that would deliver here
    pub timers: u64,
    pub subscriptions: u64,
    pub names: u64,
    /// 1 between td_suspend and td_resume
    pub suspended: u64,
    /// replaced by a newer one (TD_CONFLATE)
    pub conflated: u64,
}

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_mailbox_options {
    const FIRST: usize = offset_of!(td_mailbox_options, name_size) + size_of::<usize>();
}
// SAFETY: as above.
unsafe impl Versioned for td_mailbox_counters {
    const FIRST: usize = offset_of!(td_mailbox_counters, names) + 8;
}
same_layout!(td_mailbox_counters, m::MailboxCounters, 144:
    size state reason sent delivered lost flushed expired discarded queued queued_bytes refused monitors monitored_by
    timers subscriptions names suspended conflated);
const _: () = {
    assert!(TD_REASON_NORMAL == m::REASON_NORMAL && TD_REASON_KILLED == m::REASON_KILLED);
    assert!(TD_REASON_NOPROC == m::REASON_NOPROC && TD_REASON_CALLBACK_FAILED == m::REASON_CALLBACK_FAILED);
    assert!(TD_REASON_OVERFLOW == m::REASON_OVERFLOW && TD_REASON_ENGINE_CLOSED == m::REASON_ENGINE_CLOSED);
    assert!(TD_REASON_OS_EXIT == m::REASON_OS_EXIT);
    assert!(TD_STATE_OPEN == m::STATE_OPEN && TD_STATE_ENDED == m::STATE_ENDED);
    assert!(TD_REASON_RUNTIME_EXIT == m::REASON_RUNTIME_EXIT && TD_REASON_USER == m::REASON_USER);
};

/// The engine's view of a handler. The two types differ only in what their pointer points to, which is laid out alike.
fn handler(handler: td_handler_fn) -> Option<m::HandlerFn> {
    // SAFETY: `td_batch` and `Batch` have one layout, so the functions have one calling convention and meaning.
    handler.map(|f| unsafe { std::mem::transmute::<extern "C" fn(*mut td_batch, *mut c_void), m::HandlerFn>(f) })
}

/// Opens a mailbox. options may be NULL for the defaults: read with td_recv, bounded at 65,536 messages and 64 MiB,
/// failing sends when full.
///
/// Returns: 0; TD_EEXIST when the name is taken; TD_EINVAL for options that do not exist or do not go together;
///   TD_ESTALE when the engine or the loop was closed; TD_EFULL when no more mailboxes are possible; TD_ESYS when no
///   thread can be started that a flag of it needs.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller ends the mailbox; options and name are copied. drop(user) runs once, after the last call of the
///   handler has returned; also when this fails, unless options->size is wrong and so nothing in options can be read.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_mailbox_open(
    engine: td_engine,
    options: *const td_mailbox_options,
    mailbox: *mut td_mailbox,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, (options, sound)) =
            unsafe { (args::out_id("mailbox", mailbox), versioned::read_options("options", options)) };
        // From here on every way out runs `drop`.
        let callback = Callback::new(handler(options.handler), options.user, options.drop);
        sound?;
        let out = out?;
        let known = TD_THREAD_BOUND | TD_NOTIFIABLE | TD_BY_WORKERS;
        args::flags("options->flags", options.flags, known, "TD_THREAD_BOUND, TD_NOTIFIABLE, TD_BY_WORKERS")?;
        args::timeout("options->block_timeout", options.block_timeout)?;
        // SAFETY: as above.
        let name = unsafe { args::text("options->name", options.name, options.name_size)? };
        let mailbox = facade::mailbox_open(
            engine.into(),
            facade::MailboxOptions {
                policy: options.policy,
                max_messages: options.max_messages,
                max_bytes: options.max_bytes,
                block_timeout: options.block_timeout,
                run_by: options.r#loop.into(),
                callback,
                name: (!options.name.is_null()).then_some(name),
                notifiable: options.flags & TD_NOTIFIABLE != 0,
                by_workers: options.flags & TD_BY_WORKERS != 0,
                thread_bound: options.flags & TD_THREAD_BOUND != 0,
            },
        )?;
        out.set(mailbox.into());
        Ok(0)
    })
}

/// Ends the mailbox with TD_REASON_NORMAL: td_mailbox_exit without data.
///
/// Returns: 0; TD_ENOPROC when it has ended already.
/// Threads: any, also inside its own handler.
/// Blocks: no.
/// Owns: as for td_mailbox_exit.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_mailbox_close(mailbox: td_mailbox) -> i32 {
    guard(|| done(facade::mailbox_exit(mailbox.into(), TD_REASON_NORMAL, &[])))
}

/// Ends the mailbox: its names are free, its subscriptions, timers and monitors gone, its queue discarded, and then
/// everyone who monitors it gets a TD_KIND_DOWN with this reason and data, and everyone linked to it a TD_KIND_EXIT or
/// ends with it (see td_link). All of it is done when this returns.
///
/// Returns: 0; TD_ENOPROC when it has ended already; TD_EINVAL for a reason that is neither your own, from
///   TD_REASON_USER on, nor TD_REASON_NORMAL, TD_REASON_CALLBACK_FAILED or TD_REASON_RUNTIME_EXIT.
/// Threads: any, also inside its own handler.
/// Blocks: no; see td_mailbox_wait.
/// Owns: data is copied. Release functions of what was queued have run when this returns, those with a release_loop in
///   that loop; but called inside a release or drop function, they run when that has returned (see td_release_fn).
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_mailbox_exit(
    mailbox: td_mailbox,
    reason: i32,
    data: *const c_void,
    data_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let data = unsafe { args::bytes("data", data, data_size)? };
        done(facade::mailbox_exit(mailbox.into(), reason, data))
    })
}

/// Ends the mailbox with TD_REASON_KILLED, which it cannot trap. Mailboxes linked to it can.
///
/// Returns: 0; TD_ENOPROC when it has ended already.
/// Threads: any, also inside its own handler.
/// Blocks: no.
/// Owns: as for td_mailbox_exit.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_mailbox_kill(mailbox: td_mailbox) -> i32 {
    guard(|| done(facade::mailbox_kill(mailbox.into())))
}

/// Waits until the mailbox is over and its handler is not running. flags: TD_INTERRUPTIBLE.
///
/// Returns: 0; TD_EAGAIN with timeout 0, else TD_ETIMEDOUT, when it is not so yet; TD_EINTR; TD_EDEADLK inside that
///   handler.
/// Threads: any.
/// Blocks: up to timeout.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_mailbox_wait(mailbox: td_mailbox, timeout: i64, flags: u32) -> i32 {
    guard(|| {
        let timeout = args::timeout("timeout", timeout)?;
        args::flags("flags", flags, TD_INTERRUPTIBLE, "0 or TD_INTERRUPTIBLE")?;
        done(facade::mailbox_wait(mailbox.into(), timeout, flags & TD_INTERRUPTIBLE != 0))
    })
}

/// Reads the mailbox's counters, also after its end. Set counters->size first; fields that the library does not know
/// become 0.
///
/// Returns: 0; TD_ENOPROC when it ended so long ago that at least 1,024 later mailboxes have ended.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps counters.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_mailbox_stats(mailbox: td_mailbox, counters: *mut td_mailbox_counters) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { versioned::out_counters("counters", counters)? };
        let c = facade::mailbox_stats(mailbox.into())?;
        out.set(&td_mailbox_counters {
            size: c.size,
            state: c.state,
            reason: c.reason,
            sent: c.sent,
            delivered: c.delivered,
            lost: c.lost,
            flushed: c.flushed,
            expired: c.expired,
            discarded: c.discarded,
            queued: c.queued,
            queued_bytes: c.queued_bytes,
            refused: c.refused,
            monitors: c.monitors,
            monitored_by: c.monitored_by,
            timers: c.timers,
            subscriptions: c.subscriptions,
            names: c.names,
            suspended: c.suspended,
            conflated: c.conflated,
        });
        Ok(0)
    })
}

/// Lets what comes in wait: receive calls find nothing, the handler is not called, the descriptor is not readable. Sends
/// keep their bound and policy. A batch in progress finishes; what is handed back of it waits, too. Suspending again
/// changes nothing; the end of a suspended mailbox is as any other.
///
/// Returns: 0; TD_ENOPROC when it has ended.
/// Threads: any, also inside its own handler.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_suspend(mailbox: td_mailbox) -> i32 {
    guard(|| done(facade::suspend(mailbox.into())))
}

/// Ends td_suspend: what has waited can be received, in its order. One that is not suspended stays as it is.
///
/// Returns: 0; TD_ENOPROC when it has ended.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_resume(mailbox: td_mailbox) -> i32 {
    guard(|| done(facade::resume(mailbox.into())))
}

/// A descriptor that is readable while a message, or the end, waits to be received: level-triggered, for poll and its
/// like. Each call makes another one.
///
/// Returns: 0; TD_EINVAL for a handler mailbox (use td_loop_fd); TD_ENOPROC when it has ended; TD_ESYS when the process
///   has no descriptor left.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller closes fd; it may outlive the mailbox and is readable then.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_mailbox_fd(mailbox: td_mailbox, fd: *mut td_fd) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out("fd", fd)? };
        out.set(facade::mailbox_fd(mailbox.into())?);
        Ok(0)
    })
}

/// The user pointer that the mailbox was opened with.
///
/// Returns: 0; TD_ENOPROC when it has ended.
/// Threads: any.
/// Blocks: no.
/// Owns: unchanged; the pointer is good until its drop function has run.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_mailbox_user(mailbox: td_mailbox, user: *mut *mut c_void) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out("user", user)? };
        out.set(facade::mailbox_user(mailbox.into())?);
        Ok(0)
    })
}
