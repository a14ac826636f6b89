//! Looking into the running process: why an id stands as it does, what was done lately, what the library has to report.
//!
//! Guarantees: a look changes nothing and never waits for other threads' work; texts are for people and may change with
//! each version.

use super::{anew, raw, Message};
use crate::engine as facade;
use crate::error::Result;
use crate::log;

/// What an id is and how it stands, in words: for a mailbox its queue and what fills it, who reads it and is that one
/// stuck, who waits for it or watches it, or why, when and by which thread it ended; for all else state and relations.
/// Any number may be asked about: of an [`Address`](crate::Address), an [`Engine`](crate::Engine), a
/// [`Monitor`](crate::Monitor) and so on. From any thread, at any time; it fails with `NoMem` only.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// let inbox = engine.mailbox().name("inbox").open()?;
/// inbox.exit(tidings::Reason::user(1), b"had enough")?;
/// assert!(tidings::explain(inbox.id())?.contains("had enough"));
/// # Ok::<(), tidings::Error>(())
/// ```
pub fn explain(id: u64) -> Result<String> {
    anew(|| facade::explain(crate::id::Id(id))).map(text)
}

/// What the threads of this process have done lately with the library: a heading, then a line for each event, in the
/// order of their times, of ids and sizes, never payloads. A thread's last thousand events are kept, always. From any
/// thread, at any time; it fails with `NoMem` only.
///
/// ```
/// # let engine = tidings::Engine::new()?;
/// # let mailbox = engine.mailbox().open()?;
/// mailbox.send(0, b"secret")?;
/// let lately = tidings::recorder_dump()?;
/// assert!(lately.contains("6 bytes") && !lately.contains("secret"), "{lately}");
/// # Ok::<(), tidings::Error>(())
/// ```
pub fn recorder_dump() -> Result<String> {
    anew(facade::recorder_dump).map(text)
}

fn text(message: crate::message::Message) -> String {
    Message::of(message).text().into_owned()
}

/// How much a line of the log matters.
///
/// ```
/// assert!(tidings::LogLevel::Error < tidings::LogLevel::Info);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum LogLevel {
    /// Something went wrong.
    Error = log::ERROR,
    /// Something may be wrong.
    Warn = log::WARN,
    /// Something happened.
    Info = log::INFO,
}

/// Gives the lines of the whole process's log that matter as much as `level`, or more, to `sink`, instead of whoever had
/// them before. Without one the library is silent. `sink` is called on the thread that caused the line, with no lock
/// held, on several threads at once maybe; a panic of it goes no further. It is dropped after its last call, when
/// another one is set, or none by [`clear_log`].
///
/// ```
/// use std::time::Duration;
/// use tidings::LogLevel;
///
/// let (lines, log) = std::sync::mpsc::channel();
/// tidings::set_log(LogLevel::Warn, move |level, line| lines.send((level, line.to_owned())).unwrap());
/// let engine = tidings::Engine::new()?;
/// let run = engine.open_loop()?;
/// let careless = engine.mailbox().handled_in(&run, |_, _| panic!("oh dear"))?;
/// careless.send(0, b"")?;
/// run.run(Some(Duration::ZERO))?;
/// let (level, line) = log.recv().unwrap();
/// assert!(level == LogLevel::Warn && line.contains("oh dear"), "{line}");
/// # Ok::<(), tidings::Error>(())
/// ```
pub fn set_log<F: Fn(LogLevel, &str) + Send + Sync + 'static>(level: LogLevel, sink: F) {
    let of = |number| match number {
        log::ERROR => LogLevel::Error,
        log::WARN => LogLevel::Warn,
        _ => LogLevel::Info,
    };
    log::set(level as u32, Some(raw::log_sink(move |number, line: &str| sink(of(number), line))));
}

/// Makes the library silent, as it is at the start, and drops the sink of [`set_log`], unless a thread is just in it:
/// then that one does.
///
/// ```
/// tidings::set_log(tidings::LogLevel::Error, |_, line| eprintln!("{line}"));
/// tidings::clear_log();
/// ```
pub fn clear_log() {
    log::set(0, None);
}
