//! The Rust face: what a Rust program uses instead of the C header, over the same functions of the engine.
//!
//! Guarantees: safe Rust only reaches what the semantics promise; what is opened is ended by its drop (see each type);
//! a closure's panic ends its own mailbox with reason `callback_failed` and nothing else. There is no logic here: a
//! method makes ids and numbers of its arguments and calls the function of that name in [`crate::engine`].

mod address;
mod batch;
mod belonging;
mod builder;
mod call;
mod engine;
mod look;
mod looped;
mod mailbox;
mod meaning;
mod message;
mod peek;
mod publishing;
mod raw;
mod reason;
mod stats;
#[cfg(all(test, not(loom)))]
mod tests;
mod watching;

pub use address::Address;
pub use batch::{Batch, Messages};
pub use belonging::Watch;
pub use builder::{MailboxBuilder, Policy};
pub use call::{Call, CallError, Ticket};
pub use engine::{Engine, EngineBuilder};
pub use look::{clear_log, explain, recorder_dump, set_log, LogLevel};
pub use looped::Loop;
pub use mailbox::{Iter, Mailbox};
pub use meaning::{Change, DeadLetter, Snapshot};
pub use message::{Kind, Match, Message, MessageRef};
pub use peek::Peek;
pub use publishing::Receipt;
pub use reason::Reason;
pub use stats::{DrainReport, EngineStats, MailboxStats};
pub use watching::{Monitor, Outcome, Subscription, Timer};

use crate::clock::FOREVER;
use crate::error::{clear_detail, with_detail, Result};
use mailbox::polled;
use std::time::Duration;

/// The engine's nanoseconds; what they cannot hold is without limit.
fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(FOREVER)
}

fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Runs a call of the engine, whose failure then has no detail but its own.
#[inline]
fn anew<T, E>(body: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    clear_detail();
    body()
}

/// What exactly was wrong in this thread's last call that failed, and what would be right; empty when there is nothing
/// to add to the [`Error`](crate::Error). The next call forgets it.
///
/// ```
/// let engine = tidings::Engine::new()?;
/// let error = engine.mailbox().name("").open().unwrap_err();
/// assert_eq!(error, tidings::Error::Inval);
/// assert!(tidings::last_error().contains("name"), "{}", tidings::last_error());
/// # Ok::<(), tidings::Error>(())
/// ```
pub fn last_error() -> String {
    with_detail(str::to_owned)
}
