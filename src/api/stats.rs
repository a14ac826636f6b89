//! What engines and mailboxes have counted.
//!
//! Guarantees: plain numbers of one moment; of a mailbox, sent = delivered + lost + conflated + flushed + expired +
//! discarded + queued.

use super::{Address, Reason};
use crate::engine::Drained;
use crate::message::{EngineCounters, MailboxCounters};

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident of $raw:ident { $($(#[doc = $what:literal])+ $field:ident,)+ } $($more:tt)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $what])+ pub $field: u64,)+
            $($more)*
        }
    };
}

counters! {
    /// The counters of an engine.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// let mailbox = engine.mailbox().name("one").open()?;
    /// let stats = engine.stats()?;
    /// assert_eq!((stats.mailboxes, stats.names), (1, 1));
    /// # Ok::<(), tidings::Error>(())
    /// ```
    EngineStats of EngineCounters {
        /// Open now.
        mailboxes,
        /// Registered now.
        names,
        /// Armed now.
        timers,
        /// Alive now.
        subscriptions,
        /// Sends to the ended, late and second replies.
        dead_letters,
        /// Messages that were published.
        published,
        /// The engine's own threads now.
        threads,
        /// Payload bytes in all mailboxes now.
        queued_bytes,
        /// The bound of `queued_bytes`.
        max_bytes,
    }
}

impl EngineStats {
    pub(super) fn of(raw: EngineCounters) -> EngineStats {
        let EngineCounters { mailboxes, names, timers, subscriptions, dead_letters, .. } = raw;
        let EngineCounters { published, threads, queued_bytes, max_bytes, .. } = raw;
        EngineStats {
            mailboxes,
            names,
            timers,
            subscriptions,
            dead_letters,
            published,
            threads,
            queued_bytes,
            max_bytes,
        }
    }
}

counters! {
    /// The counters of a mailbox. Signals are included.
    ///
    /// ```
    /// # let engine = tidings::Engine::new()?;
    /// # let mailbox = engine.mailbox().open()?;
    /// mailbox.send(0, b"12345")?;
    /// assert_eq!(mailbox.stats()?.queued_bytes, 5);
    /// # Ok::<(), tidings::Error>(())
    /// ```
    MailboxStats of MailboxCounters {
        /// Sends that succeeded, and signals.
        sent,
        /// Given to a receiver.
        delivered,
        /// Dropped by the policy.
        lost,
        /// Taken out by a cancel or flush.
        flushed,
        /// Requests whose deadline had passed.
        expired,
        /// Still queued when it ended.
        discarded,
        /// Replaced by a newer one.
        conflated,
        /// Waiting now.
        queued,
        /// Payload bytes waiting now.
        queued_bytes,
        /// Sends that were answered with an error of the bound's.
        refused,
        /// Own armed monitors.
        monitors,
        /// Armed monitors, links and open calls that watch this mailbox.
        monitored_by,
        /// Armed timers that would deliver here.
        timers,
        /// Alive now.
        subscriptions,
        /// Registered now.
        names,
    }
    /// Whether it has not ended.
    pub open: bool,
    /// Between suspend and resume.
    pub suspended: bool,
    /// Why it ended, once it has.
    pub reason: Reason,
}

impl MailboxStats {
    pub(super) fn of(raw: MailboxCounters) -> MailboxStats {
        MailboxStats {
            sent: raw.sent,
            delivered: raw.delivered,
            lost: raw.lost,
            flushed: raw.flushed,
            expired: raw.expired,
            discarded: raw.discarded,
            conflated: raw.conflated,
            queued: raw.queued,
            queued_bytes: raw.queued_bytes,
            refused: raw.refused,
            monitors: raw.monitors,
            monitored_by: raw.monitored_by,
            timers: raw.timers,
            subscriptions: raw.subscriptions,
            names: raw.names,
            open: raw.state == crate::message::STATE_OPEN,
            suspended: raw.suspended != 0,
            reason: Reason(raw.reason),
        }
    }
}

/// What a drain has delivered and what was left.
///
/// ```
/// use std::time::Duration;
///
/// let engine = tidings::Engine::new()?;
/// let mailbox = engine.mailbox().open()?;
/// mailbox.send(0, b"nobody reads this")?;
/// let (done, report) = engine.drain(Duration::from_millis(1));
/// assert_eq!((done, report.undelivered), (Err(tidings::Error::TimedOut), 1));
/// # Ok::<(), tidings::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Messages delivered since the drain began.
    pub delivered: u64,
    /// Messages that were left.
    pub undelivered: u64,
    /// Suspended mailboxes in which some were left.
    pub suspended: Vec<Address>,
}

impl DrainReport {
    pub(super) fn of(raw: Drained) -> DrainReport {
        let Drained { delivered, undelivered, suspended } = raw;
        DrainReport { delivered, undelivered, suspended: suspended.into_iter().map(Address).collect() }
    }
}
