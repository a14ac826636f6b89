//! The facade's part on draining an engine: what is on its way arrives, then the engine closes.
//!
//! Guarantees: once it has begun, sends without a sender, publications without one and new mailboxes are refused, until
//! the engine is closed; mailboxes' own sends, replies and armed timers pass. It is over when every queue and every
//! open batch was empty at one moment, or the time is up.

use super::*;
use crate::mailbox::Attend;
use crate::message::MailboxCounters;
use std::time::Duration;

/// How an engine began to drain: what each of its mailboxes had delivered by then.
pub(super) type Drain = Mutex<Option<Vec<(Id, u64)>>, { rank::ENGINE }>;

/// What became of what was queued.
#[derive(Clone, Debug, Default)]
pub struct Drained {
    pub delivered: u64,
    pub undelivered: u64,
    /// Suspended mailboxes in which something is left.
    pub suspended: Vec<Id>,
}

/// Drains an engine and closes it. With a timeout of 0 it begins or goes on, and closes only when nothing is left:
/// `TD_EAGAIN` says that something is.
pub fn engine_drain(id: Id, timeout: i64) -> (Result<()>, Drained) {
    match begin(id, timeout) {
        Ok(engine) => drain(id, &engine, timeout),
        Err(error) => (Err(error), Drained::default()),
    }
}

fn begin(id: Id, timeout: i64) -> Result<Arc<Engine>> {
    let world = world();
    let engine = world.engine(id)?;
    if timeout > 0 && runs_here(world, &engine) {
        let detail = "this thread runs handlers of the engine, which would have to go on; \
                      call with a timeout of 0 until it no longer answers TD_EAGAIN";
        return Err(Error::Deadlock.because(detail));
    }
    // Held until it is known what was delivered before: whoever else drains must not find nothing left.
    let mut drain = engine.drain.lock();
    if drain.is_none() {
        engine.draining.store(true, SeqCst);
        let mailboxes: Vec<Id> = world.store.of_engine(engine.index).collect();
        for mailbox in &mailboxes {
            let _ = world.store.close_to_outside(*mailbox);
        }
        let delivered = |mailbox| Some((mailbox, world.store.stats(mailbox).ok()?.delivered));
        *drain = Some(mailboxes.into_iter().filter_map(delivered).collect());
    }
    drop(drain);
    Ok(engine)
}

impl Engine {
    /// `TD_ECLOSED` while the engine drains.
    pub(super) fn check_open_to_outside(&self) -> Result<()> {
        if self.draining.load(Acquire) {
            return Err(
                Error::Closed.because("the engine is draining: it opens nothing, and takes nothing from outside")
            );
        }
        Ok(())
    }
}

/// Whether this thread is inside a loop of the engine, or is one of its workers.
fn runs_here(world: &World, engine: &Engine) -> bool {
    let inside = !world.loops.ids(|looped| looped.engine == engine.index && looped.is_mine(Id::NONE)).is_empty();
    inside || engine.staff.is_here()
}

fn drain(id: Id, engine: &Engine, timeout: i64) -> (Result<()>, Drained) {
    let deadline = engine.clock.deadline(timeout);
    let mut before = None;
    loop {
        let (report, sent) = look(engine);
        // What one mailbox sends to another is in neither while it is looked for, but it counts as sent.
        let quiet = report.undelivered == 0;
        if quiet && before == Some(sent) {
            return (engine_close(id), report);
        }
        before = quiet.then_some(sent);
        if quiet {
            continue;
        }
        if timeout <= 0 {
            return (Err(Error::Again), report);
        }
        if engine.clock.now() >= deadline {
            let over = engine_close(id).and(Err(Error::TimedOut));
            return (over, report);
        }
        if engine.is_closed() {
            return (Err(Error::Stale.because("the engine was closed meanwhile")), report);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// What was delivered since the beginning and what is left, and a number that moves with everything sent.
fn look(engine: &Engine) -> (Drained, u64) {
    let store = &world().store;
    let mut report = Drained::default();
    let mut moved = 0;
    let begun = engine.drain.lock();
    for (mailbox, delivered) in begun.iter().flatten() {
        let Ok(counters) = store.stats(*mailbox) else { continue };
        let MailboxCounters { queued, discarded, .. } = counters;
        report.delivered += counters.delivered - delivered;
        report.undelivered += queued;
        moved += counters.sent + discarded;
        if queued > 0 && store.is_suspended(*mailbox) {
            report.suspended.push(*mailbox);
        }
    }
    (report, moved)
}
