//! The facade's part on draining an engine: what is on its way arrives, then the engine closes.
//!
//! Guarantees: once it has begun, sends without a sender, publications without one and new mailboxes are refused, until
//! the engine is closed; mailboxes' own sends, replies and armed timers pass. It is over when every queue and every
//! open batch was empty at one moment, or the time is up. Whatever came in by the end of its mailbox is in the report,
//! as delivered or as not: each mailbox is counted at its end, before its slot can be another's.

use super::*;
use crate::mailbox::Attend;
use crate::message::REASON_ENGINE_CLOSED;
use crate::sync::nap;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the draining of an engine stands, once it has begun.
pub(super) type Drain = Mutex<Option<Begun>, { rank::ENGINE }>;

/// The mailboxes there were, and what became of those that are over.
#[derive(Default)]
pub(super) struct Begun {
    /// What each that may live had delivered by then.
    mailboxes: BTreeMap<Id, u64>,
    over: Look,
}

/// What became of what was queued.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    pub delivered: u64,
    pub undelivered: u64,
    /// Suspended mailboxes in which something is left, or was when the engine closed.
    pub suspended: Vec<Id>,
}

/// What one look finds.
#[derive(Clone, Default)]
struct Look {
    report: Drained,
    /// Messages in queues and open batches now.
    left: u64,
    /// Moves with everything that is sent, and never back.
    moved: u64,
}

/// Drains an engine and closes it. With a timeout of 0 it begins or goes on, and closes only when nothing is left:
/// `TD_EAGAIN` says that something is.
pub fn engine_drain(id: Id, timeout: i64) -> (Result<()>, Drained) {
    let world = world();
    let begun = world.engine(id).and_then(|engine| {
        if timeout > 0 && runs_here(world, &engine) {
            let detail = "this thread runs handlers of the engine, which would have to go on; \
                          call with a timeout of 0 until it no longer answers TD_EAGAIN";
            return Err(Error::Deadlock.because(detail));
        }
        Ok(engine)
    });
    match begun {
        Ok(engine) => engine.drain(&world.store, timeout, &|| engine_close(id)),
        Err(error) => (Err(error), Drained::default()),
    }
}

/// Whether this thread is inside a loop of the engine, or is one of its workers.
fn runs_here(world: &World, engine: &Engine) -> bool {
    let inside = !world.loops.ids(|looped| looped.engine == engine.index && looped.is_mine(Id::NONE)).is_empty();
    inside || engine.staff.is_here()
}

impl Engine {
    /// Whether new mailboxes may be opened. Asked under the slot's lock, so that a drain that begins misses none.
    pub(crate) fn takes_mailboxes(&self) -> bool {
        !self.closed.load(SeqCst) && !self.draining.load(SeqCst)
    }

    /// `TD_ECLOSED` while the engine drains.
    pub(super) fn check_open_to_outside(&self) -> Result<()> {
        if self.draining.load(Acquire) {
            return Err(
                Error::Closed.because("the engine is draining: it opens nothing, and takes nothing from outside")
            );
        }
        Ok(())
    }

    /// Begins or goes on; `close` closes the engine.
    pub(crate) fn drain(&self, store: &Store, timeout: i64, close: &dyn Fn() -> Result<()>) -> (Result<()>, Drained) {
        self.begin_to_drain(store);
        let deadline = self.clock.deadline(timeout);
        loop {
            let mut look = self.look(store);
            let mut quiet = look.left == 0;
            if quiet {
                // What one mailbox sends to another is in neither while it is looked for, but it counts as sent.
                let before = look.moved;
                look = self.look(store);
                quiet = look.left == 0 && look.moved == before;
            }
            if !quiet && timeout <= 0 {
                return (Err(Error::Again), look.report);
            }
            if quiet || self.clock.now() >= deadline {
                let in_time = if quiet { Ok(()) } else { Err(Error::TimedOut) };
                return (close().and(in_time), self.look(store).report);
            }
            if self.is_closed() {
                return (Err(Error::Stale.because("the engine was closed meanwhile")), look.report);
            }
            nap(Duration::from_micros(500));
        }
    }

    fn begin_to_drain(&self, store: &Store) {
        // Held until it is known what was delivered before: whoever else drains must not find nothing left.
        let mut drain = self.drain.lock();
        if drain.is_some() {
            return;
        }
        self.draining.store(true, SeqCst);
        let mailboxes: Vec<Id> = store.of_engine(self.index).collect();
        for mailbox in &mailboxes {
            let _ = store.close_to_outside(*mailbox);
        }
        let delivered = |mailbox| Some((mailbox, store.stats(mailbox).ok()?.delivered));
        *drain = Some(Begun { mailboxes: mailboxes.into_iter().filter_map(delivered).collect(), ..Begun::default() });
    }

    /// A mailbox has ended, and its slot is not given back yet.
    pub(super) fn note_end_for_drain(&self, store: &Store, mailbox: Id) {
        if !self.draining.load(Acquire) {
            return;
        }
        let mut drain = self.drain.lock();
        let Some(Begun { mailboxes, over }) = &mut *drain else { return };
        if let Some(before) = mailboxes.remove(&mailbox) {
            over.add(store, mailbox, before);
        }
    }

    fn look(&self, store: &Store) -> Look {
        let drain = self.drain.lock();
        let Some(Begun { mailboxes, over }) = &*drain else { return Look::default() };
        let mut look = over.clone();
        for (mailbox, before) in mailboxes {
            look.add(store, *mailbox, *before);
        }
        look
    }
}

impl Look {
    /// Adds what became of the messages of one mailbox, which had delivered so many before.
    fn add(&mut self, store: &Store, mailbox: Id, before: u64) {
        let Ok(counters) = store.stats(mailbox) else { return };
        let undelivered = counters.queued + counters.discarded;
        self.report.delivered += counters.delivered - before;
        self.report.undelivered += undelivered;
        self.left += counters.queued;
        self.moved += counters.sent + counters.discarded;
        let is_left = counters.queued > 0 || counters.discarded > 0 && counters.reason == REASON_ENGINE_CLOSED;
        if is_left && store.is_suspended(mailbox) {
            self.report.suspended.push(mailbox);
        }
    }
}
