//! Engines, the log and the clock.
//!
//! Guarantees: as the module `ffi` says; nothing here waits.

use super::args;
use super::guard;
use super::types::{same_layout, td_drop_fn, td_engine, td_mailbox};
use super::versioned::{self, Versioned};
use crate::engine as facade;
use crate::error::Error;
use crate::log;
use crate::message as m;
use crate::owed::Callback;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;

/// Options of an engine.
///
/// flag: time moves by td_clock_advance only
pub const TD_ENGINE_VIRTUAL_CLOCK: u32 = 1u32;
/// time: a timer thread starts with the first timer
pub const TD_TIME_THREAD: u32 = 0u32;
/// time: td_loop_run fires due timers; see td_loop_deadline
pub const TD_TIME_HOST: u32 = 1u32;

/// Levels of the log: a sink gets those up to its own.
///
/// something failed and nobody else will hear of it
pub const TD_LOG_ERROR: u32 = 1u32;
/// something was lost or refused
pub const TD_LOG_WARN: u32 = 2u32;
/// something began or ended
pub const TD_LOG_INFO: u32 = 3u32;

/// Sees a thread of the engine begin, on that thread. The name is NUL-terminated; it must not throw or longjmp.
pub type td_thread_fn = Option<extern "C" fn(name: *const c_char, user: *mut c_void)>;

/// Options of td_engine_open. Zero is the default of every field but size.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_engine_options {
    pub size: usize,
    /// 0 or TD_ENGINE_VIRTUAL_CLOCK
    pub flags: u32,
    /// TD_TIME_THREAD or TD_TIME_HOST
    pub time: u32,
    /// payload bytes queued in all its mailboxes together, beyond which each is as if it were full; 0: 1 GiB
    pub max_bytes: u64,
    /// threads that run the handlers of TD_BY_WORKERS mailboxes, at most 1,024; they start with the first of these
    pub workers: u32,
    /// 0
    pub reserved: u32,
    /// called on each thread of the engine before anything else; may be NULL
    pub thread_start: td_thread_fn,
    /// for thread_start
    pub thread_user: *mut c_void,
}

/// What td_engine_stats fills in.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_engine_counters {
    /// set by the caller: sizeof(td_engine_counters)
    pub size: usize,
    /// open now
    pub mailboxes: u64,
    /// registered now
    pub names: u64,
    /// of td_send_after, td_send_after_name and td_send_every, armed now
    pub timers: u64,
    /// alive now
    pub subscriptions: u64,
    /// sends to the ended, late and second replies
    pub dead_letters: u64,
    /// messages that td_publish and td_publish_many took
    pub published: u64,
    /// the engine's own threads now
    pub threads: u64,
    /// payload bytes in all mailboxes now; to count them, each is looked at
    pub queued_bytes: u64,
    /// the bound of queued_bytes
    pub max_bytes: u64,
}

/// What td_engine_drain fills in.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_drain_report {
    /// set by the caller: sizeof(td_drain_report)
    pub size: usize,
    /// messages delivered since the drain began
    pub delivered: u64,
    /// messages that were left, or discarded by the end of their mailbox meanwhile
    pub undelivered: u64,
    /// suspended mailboxes in which some were left
    pub suspended: u64,
}

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_drain_report {
    const FIRST: usize = offset_of!(td_drain_report, suspended) + 8;
}

/// Takes a line of the log: text has size bytes of UTF-8, without NUL and line end. Called on the thread that caused
/// the line, with no lock held; it must not throw or longjmp.
pub type td_log_fn = Option<extern "C" fn(level: u32, text: *const c_char, size: usize, user: *mut c_void)>;

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_engine_options {
    const FIRST: usize = offset_of!(td_engine_options, time) + 4;
}
// SAFETY: as above.
unsafe impl Versioned for td_engine_counters {
    const FIRST: usize = offset_of!(td_engine_counters, threads) + 8;
}
same_layout!(td_engine_counters, m::EngineCounters, 80:
    size mailboxes names timers subscriptions dead_letters published threads queued_bytes max_bytes);
const _: () = assert!(TD_LOG_ERROR == log::ERROR && TD_LOG_WARN == log::WARN && TD_LOG_INFO == log::INFO);

/// Logs nothing: holds `user` and `drop` of a sink that was not given.
extern "C" fn no_log(_: u32, _: *const c_char, _: usize, _: *mut c_void) {}

/// Opens an engine, an isolated world of mailboxes. options may be NULL for the defaults.
///
/// Returns: 0; TD_EINVAL for unknown flags or time; TD_EFULL when the process has as many engines as it can.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller closes the engine with td_engine_close; options are read before the return.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_engine_open(options: *const td_engine_options, engine: *mut td_engine) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, options) = unsafe { (args::out_id("engine", engine)?, versioned::options("options", options)?) };
        args::flags("options->flags", options.flags, TD_ENGINE_VIRTUAL_CLOCK, "0 or TD_ENGINE_VIRTUAL_CLOCK")?;
        if options.time > TD_TIME_HOST {
            return args::invalid(format!(
                "options->time is {}; give TD_TIME_THREAD (0) or TD_TIME_HOST (1)",
                options.time
            ));
        }
        args::zero("options->reserved", options.reserved)?;
        if options.workers > facade::MOST_WORKERS {
            return args::invalid(format!(
                "options->workers is {}; give {} at most",
                options.workers,
                facade::MOST_WORKERS
            ));
        }
        let engine = facade::engine_open(facade::EngineOptions {
            virtual_clock: options.flags & TD_ENGINE_VIRTUAL_CLOCK != 0,
            host_time: options.time == TD_TIME_HOST,
            max_bytes: options.max_bytes,
            workers: options.workers,
            thread_start: options.thread_start.map(|start| (start, options.thread_user)),
        })?;
        out.set(engine.into());
        Ok(0)
    })
}

/// The process-wide engine, opened on first use and again after it was closed. A program, its libraries and the
/// bindings for other languages meet there.
///
/// Returns: 0; TD_EFULL when the process has as many engines as it can.
/// Threads: any.
/// Blocks: no.
/// Owns: shared by all; close it only at the end of the program, or never.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_engine_default(engine: *mut td_engine) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out_id("engine", engine)? };
        out.set(facade::engine_default()?.into());
        Ok(0)
    })
}

/// Ends every mailbox of the engine with TD_REASON_ENGINE_CLOSED, and then everything else of it. Publishes nothing.
/// Waits that are under way end with TD_ECLOSED.
///
/// Returns: 0; TD_ESTALE when it was closed already.
/// Threads: any, also inside a handler of the engine.
/// Blocks: no, never; a handler that runs elsewhere may still be running afterwards.
/// Owns: all ids of the engine are stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_engine_close(engine: td_engine) -> i32 {
    guard(|| super::done(facade::engine_close(engine.into())))
}

/// Lets what is on its way arrive, and then closes the engine. From its beginning until the engine is closed, sends,
/// calls and publications without a sender and new mailboxes are refused with TD_ECLOSED; those of mailboxes, replies
/// and armed timers pass. It is over when every queue and every open batch is empty, or the time is up. timeout 0 begins
/// or goes on without waiting, and closes only when nothing is left: for a host that has to run its own loop meanwhile.
/// report may be NULL, and suspended, which gets up to capacity of the mailboxes that report counts.
///
/// Returns: 0 when nothing was left and the engine is closed; TD_ETIMEDOUT when the time was up, and it is closed;
///   TD_EAGAIN with timeout 0 while something is left; TD_EDEADLK with another timeout where handlers of the engine
///   run; TD_ESTALE when it was closed. report and suspended are filled in with the first three.
/// Threads: any; inside a handler of the engine only with timeout 0.
/// Blocks: up to timeout.
/// Owns: as for td_engine_close; the caller keeps report and suspended.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_engine_drain(
    engine: td_engine,
    timeout: i64,
    report: *mut td_drain_report,
    suspended: *mut td_mailbox,
    capacity: usize,
) -> i32 {
    guard(|| {
        let timeout = args::timeout("timeout", timeout)?;
        if capacity > 0 {
            args::check_pointer("suspended", suspended)?;
        }
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = if report.is_null() { None } else { Some(unsafe { versioned::out_counters("report", report)? }) };
        let (result, drained) = facade::engine_drain(engine.into(), timeout);
        if matches!(result, Ok(()) | Err(Error::TimedOut | Error::Again)) {
            if let Some(out) = out {
                let (delivered, undelivered) = (drained.delivered, drained.undelivered);
                let size = size_of::<td_drain_report>();
                out.set(&td_drain_report { size, delivered, undelivered, suspended: drained.suspended.len() as u64 });
            }
            for (at, mailbox) in drained.suspended.into_iter().take(capacity).enumerate() {
                // SAFETY: the caller has room for `capacity` mailboxes, and `at` is less.
                unsafe { suspended.add(at).write(mailbox.into()) };
            }
        }
        super::done(result)
    })
}

/// Reads the engine's counters. Set counters->size first; fields that the library does not know become 0.
///
/// Returns: 0; TD_ESTALE when it was closed.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps counters.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_engine_stats(engine: td_engine, counters: *mut td_engine_counters) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { versioned::out_counters("counters", counters)? };
        let c = facade::engine_stats(engine.into())?;
        out.set(&td_engine_counters {
            size: c.size,
            mailboxes: c.mailboxes,
            names: c.names,
            timers: c.timers,
            subscriptions: c.subscriptions,
            dead_letters: c.dead_letters,
            published: c.published,
            threads: c.threads,
            queued_bytes: c.queued_bytes,
            max_bytes: c.max_bytes,
        });
        Ok(0)
    })
}

/// Sets the log sink of the whole process: fn gets the lines of the levels up to level. With fn NULL the library is
/// silent, as it is at the start, and drop runs at once. drop may be NULL.
///
/// Returns: 0; TD_EINVAL for a level that does not exist.
/// Threads: any.
/// Blocks: no; the old sink may still be running on another thread, and its drop then runs there.
/// Owns: drop(user) runs once, after the last call of fn has returned; also when this fails.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_log_set(level: u32, r#fn: td_log_fn, user: *mut c_void, drop: td_drop_fn) -> i32 {
    guard(|| {
        // From here on every way out runs `drop`, but for the one that sets the sink.
        let sink = Callback::new(r#fn.unwrap_or(no_log), user, drop);
        if level > TD_LOG_INFO {
            return args::invalid(format!(
                "level is {level}; give TD_LOG_ERROR (1), TD_LOG_WARN (2) or TD_LOG_INFO (3)"
            ));
        }
        log::set(level, r#fn.is_some().then_some(sink));
        Ok(0)
    })
}

/// The time of the engine's clock, in nanoseconds since some fixed point: the system's monotonic clock, or the
/// virtual one.
///
/// Returns: 0; TD_ESTALE when the engine was closed.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_now(engine: td_engine, now: *mut i64) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let out = unsafe { args::out("now", now)? };
        out.set(facade::now(engine.into())?);
        Ok(0)
    })
}
