//! The end of a mailbox: what it leaves, and giving its slot back.
//!
//! Guarantees: a mailbox ends once; ending takes lease and lock, so nobody is half way through a receive or a send, and
//! hands out everything that must be worked off without locks as [`Remains`].

use super::links::Links;
use super::receipts::HandedOut;
use super::segment::Segment;
use super::wake::{Attend, MailBell};
use super::watching::Ties;
use super::{Cold, Handler, Head, Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{Trash, REASON_NOPROC};
use crate::notify::Parker;
use crate::sync::atomic::Ordering::*;
use crate::sync::Arc;

/// What a mailbox leaves when it ends, to be worked off with no lock held.
#[must_use = "whoever hears of the end must be told"]
pub struct Remains {
    pub id: Id,
    pub reason: i32,
    /// First records of the detached lists.
    pub owned: u32,
    pub watched: u32,
    pub signals: u32,
    queue: Left,
    pub affairs: Option<Box<Affairs>>,
}

/// What few mailboxes leave.
#[derive(Default)]
pub struct Affairs {
    pub names: Vec<Arc<str>>,
    pub quotas: Vec<Id>,
    pub ties: Ties,
    pub reader: Option<Arc<dyn Attend>>,
    pub handler: Option<Arc<Handler>>,
    threads: Vec<Arc<Parker>>,
    bell: Option<Arc<MailBell>>,
    /// Those that were out; their payloads may have nobody else.
    batches: Vec<HandedOut>,
}

/// A queue, oldest first: that of the receiving side, what is between, and that of the sending side.
#[derive(Default)]
struct Left {
    first: Option<Box<Segment>>,
    between: Vec<Box<Segment>>,
    last: Option<Box<Segment>>,
}

impl Left {
    fn of(head: &mut Head, tail: &mut Tail) -> Self {
        let mut between = Vec::new();
        if let Some(more) = head.more.take() {
            between.extend(more.rest);
        }
        if let Some(full) = tail.full.take() {
            between.extend(*full);
        }
        Left { first: head.current.take(), between, last: tail.current.take() }
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.first.iter().chain(&self.between).chain(&self.last).map(|segment| &**segment)
    }

    fn empty_into(&mut self, trash: &mut Trash) {
        let all = self.first.iter_mut().chain(&mut self.between).chain(&mut self.last);
        all.filter(|segment| segment.has_blocks()).for_each(|segment| segment.empty_into(trash));
    }
}

impl Remains {
    /// Messages that were queued.
    pub fn discarded(&self) -> u64 {
        self.queue.segments().map(|segment| segment.live() as u64).sum()
    }
}

impl std::fmt::Debug for Remains {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remains of {:#018x}, reason {}", self.id.0, self.reason)
    }
}

impl Store {
    /// Ends a mailbox. What waits in it is discarded when the remains are [finished](Self::finish).
    pub fn end(&self, id: Id, reason: i32) -> Result<Remains> {
        let slot = self.slot(id)?;
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        Ok(self.end_here(slot, &mut head, &mut tail, id, reason))
    }

    /// As [`end`](Self::end), under both locks of a live mailbox.
    pub(super) fn end_here(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, id: Id, reason: i32) -> Remains {
        debug_assert!(reason != REASON_NOPROC, "that says that nobody was there");
        slot.receiving.life.store(id.life() + 1, Release);
        tail.life = id.life() + 1;
        slot.note_arrival();
        slot.receiving.first_signal.store(u64::MAX, Release);
        tail.reason = reason;
        tail.attention = 0;
        tail.ungrant_all(self.budgets.of(slot.engine()));
        tail.spare = None;
        let mut remains = Remains {
            id,
            reason,
            owned: crate::oneshot::NONE,
            watched: crate::oneshot::NONE,
            signals: std::mem::take(&mut tail.signals).first,
            queue: Left::of(head, tail),
            affairs: None,
        };
        let mut unseen = 0;
        if let Some(cold) = tail.cold.as_deref_mut() {
            unseen = (cold.count.dropped_new + cold.count.evicted).saturating_sub(cold.count.lost_shown);
            remains.owned = std::mem::take(&mut cold.owned).first;
            remains.watched = std::mem::take(&mut cold.watched).first;
            let receipts = cold.receipts.take();
            let batches = receipts.map(|receipts| receipts.settle(&self.shots, remains.queue.segments()));
            remains.affairs = Some(Box::new(cold.leave(batches.unwrap_or_default())));
        }
        tail.lost = u32::try_from(unseen).unwrap_or(u32::MAX);
        remains
    }

    /// Wakes who waited for the mailbox, releases what was queued in it, and gives the slot back.
    pub fn finish(&self, mut remains: Remains) {
        let mut affairs = remains.affairs.take();
        for thread in affairs.iter_mut().flat_map(|affairs| affairs.threads.drain(..)) {
            thread.unpark();
        }
        if let Some(bell) = affairs.as_mut().and_then(|affairs| affairs.bell.take()) {
            if let Ok(slot) = self.slot(remains.id) {
                bell.refresh(slot, remains.id);
            }
        }
        let mut trash = Trash::new();
        remains.queue.empty_into(&mut trash);
        drop(remains.queue);
        self.slots.0.give_back(remains.id.index(), remains.id.life() + 1);
        drop((trash, affairs.map(|affairs| affairs.batches)));
    }
}

impl Cold {
    /// What is left of it at the end, with the batches that were out.
    fn leave(&mut self, batches: Vec<HandedOut>) -> Affairs {
        let mut threads: Vec<_> = self.waiters.drain(..).map(|waiter| waiter.parker).collect();
        threads.extend(self.blocked.drain(..));
        threads.append(&mut self.enders);
        (self.timers, self.monitors) = (0, 0);
        self.latest = None;
        self.links = Links::default();
        self.last_reader = self.reader.as_ref().map(Arc::downgrade);
        Affairs {
            names: std::mem::take(&mut self.names),
            quotas: std::mem::take(&mut self.quotas),
            ties: std::mem::take(&mut self.ties),
            reader: self.reader.take(),
            handler: self.handler.take(),
            bell: self.bell.take(),
            threads,
            batches,
        }
    }
}
