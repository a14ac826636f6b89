//! The facade's part on draining an engine: what is on its way arrives, then the engine closes.
//!
//! Guarantees: once it has begun, sends without a sender, publications without one and new mailboxes are refused, until
//! the engine is closed; mailboxes' own sends, replies and armed timers pass. It is over when every queue and every
//! open batch was empty at one moment, or the time is up. Whatever came in by the end of its mailbox is in the report,
//! as delivered or as not: each mailbox is counted at its end, before its slot can be another's. What the closing itself
//! has to say, to those that end a moment later, is not.

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
    /// Those that may live.
    mailboxes: BTreeMap<Id, Since>,
    over: Look,
}

/// Where the counting of a mailbox begins and ends.
#[derive(Clone, Copy)]
struct Since {
    /// What it had delivered when the drain began.
    delivered: u64,
    /// How much had come in when the engine closed. What comes behind that are signals of the closing.
    sent: Option<u64>,
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
        Ok(engine) => {
            if !engine.draining.load(Acquire) {
                record(Event::Drain, id, Id::NONE, timeout);
            }
            let (result, report) = engine.drain(&world.store, timeout, &|last| life::close(id, last));
            if result != Err(Error::Again) {
                record(Event::Drained, id, Id::NONE, report.undelivered as i64);
            }
            (result, report)
        }
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

    /// Begins or goes on; `close` closes the engine, and calls what it is given before anything ends.
    pub(crate) fn drain(
        &self,
        store: &Store,
        timeout: i64,
        close: &dyn Fn(&dyn Fn()) -> Result<()>,
    ) -> (Result<()>, Drained) {
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
                return (close(&|| self.seal(store)).and(in_time), self.look(store).report);
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
        let since = |mailbox| {
            let delivered = store.stats(mailbox).ok()?.delivered;
            Some((mailbox, Since { delivered, sent: None }))
        };
        *drain = Some(Begun { mailboxes: mailboxes.into_iter().filter_map(since).collect(), ..Begun::default() });
    }

    /// The engine closes now: nothing more is taken in that would have to be delivered.
    fn seal(&self, store: &Store) {
        for (mailbox, since) in self.drain.lock().iter_mut().flat_map(|begun| &mut begun.mailboxes) {
            since.sent = store.close_to_all(*mailbox).ok();
        }
    }

    /// A mailbox has ended, and its slot is not given back yet.
    pub(super) fn note_end_for_drain(&self, store: &Store, mailbox: Id) {
        if !self.draining.load(Acquire) {
            return;
        }
        let mut drain = self.drain.lock();
        let Some(Begun { mailboxes, over }) = &mut *drain else { return };
        if let Some(since) = mailboxes.remove(&mailbox) {
            over.add(store, mailbox, since);
        }
    }

    fn look(&self, store: &Store) -> Look {
        let drain = self.drain.lock();
        let Some(Begun { mailboxes, over }) = &*drain else { return Look::default() };
        let mut look = over.clone();
        for (mailbox, since) in mailboxes {
            look.add(store, *mailbox, *since);
        }
        look
    }
}

impl Look {
    /// Adds what became of the messages of one mailbox.
    fn add(&mut self, store: &Store, mailbox: Id, since: Since) {
        let Ok(counters) = store.stats(mailbox) else { return };
        // What came last is the first not to be delivered.
        let late = since.sent.map_or(0, |sent| counters.sent - sent);
        let undelivered = (counters.queued + counters.discarded).saturating_sub(late);
        self.report.delivered += counters.delivered - since.delivered;
        self.report.undelivered += undelivered;
        self.left += counters.queued;
        self.moved += counters.sent + counters.discarded;
        let left_here = counters.queued > 0 || counters.reason == REASON_ENGINE_CLOSED;
        if left_here && undelivered > 0 && store.is_suspended(mailbox) {
            self.report.suspended.push(mailbox);
        }
    }
}
