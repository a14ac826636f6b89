//! The end of a mailbox: what it leaves, and giving its slot back.
//!
//! Guarantees: a mailbox ends once; ending takes lease and lock, so nobody is half way through a receive or a send, and
//! hands out everything that must be worked off without locks as [`Remains`].

use super::links::Links;
use super::receipts::HandedOut;
use super::segment::Segment;
use super::wake::{Attend, MailBell};
use super::watching::Ties;
use super::{Handler, Head, Slot, Store, Tail};
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
    pub names: Vec<Arc<str>>,
    pub quotas: Vec<Id>,
    pub ties: Ties,
    /// First records of the detached lists.
    pub owned: u32,
    pub watched: u32,
    pub signals: u32,
    pub reader: Option<Arc<dyn Attend>>,
    pub handler: Option<Arc<Handler>>,
    segments: Vec<Box<Segment>>,
    threads: Vec<Arc<Parker>>,
    bell: Option<Arc<MailBell>>,
    /// Those that were out; their payloads may have nobody else.
    batches: Vec<HandedOut>,
}

impl Remains {
    /// Messages that were queued.
    pub fn discarded(&self) -> u64 {
        self.segments.iter().map(|segment| segment.live() as u64).sum()
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
        let mut segments: Vec<_> = head.current.take().into_iter().collect();
        segments.extend(head.more.take().into_iter().flat_map(|more| more.rest));
        segments.extend(tail.full.take().into_iter().flat_map(|full| *full));
        segments.extend(tail.current.take());
        tail.spare = None;
        let mut remains = Remains {
            id,
            reason,
            names: Vec::new(),
            quotas: Vec::new(),
            ties: Ties::default(),
            owned: crate::oneshot::NONE,
            watched: crate::oneshot::NONE,
            signals: std::mem::take(&mut tail.signals).first,
            reader: None,
            handler: None,
            segments,
            threads: Vec::new(),
            bell: None,
            batches: Vec::new(),
        };
        let mut unseen = 0;
        let receipts = tail.cold.as_mut().and_then(|cold| cold.receipts.take());
        remains.batches = receipts.map_or_else(Vec::new, |receipts| receipts.settle(&self.shots, &remains.segments));
        if let Some(cold) = tail.cold.as_deref_mut() {
            unseen = (cold.count.dropped_new + cold.count.evicted).saturating_sub(cold.count.lost_shown);
            remains.names = std::mem::take(&mut cold.names);
            remains.quotas = std::mem::take(&mut cold.quotas);
            remains.ties = std::mem::take(&mut cold.ties);
            remains.owned = std::mem::take(&mut cold.owned).first;
            remains.watched = std::mem::take(&mut cold.watched).first;
            cold.last_reader = cold.reader.as_ref().map(Arc::downgrade);
            remains.reader = cold.reader.take();
            remains.handler = cold.handler.take();
            remains.bell = cold.bell.take();
            remains.threads.extend(cold.waiters.drain(..).map(|waiter| waiter.parker));
            remains.threads.extend(cold.blocked.drain(..));
            remains.threads.append(&mut cold.enders);
            (cold.timers, cold.monitors) = (0, 0);
            cold.latest = None;
            cold.links = Links::default();
        }
        tail.lost = u32::try_from(unseen).unwrap_or(u32::MAX);
        remains
    }

    /// Wakes who waited for the mailbox, releases what was queued in it, and gives the slot back.
    pub fn finish(&self, remains: Remains) {
        for thread in remains.threads {
            thread.unpark();
        }
        if let Some(bell) = remains.bell {
            if let Ok(slot) = self.slot(remains.id) {
                bell.refresh(slot, remains.id);
            }
        }
        let mut trash = Trash::new();
        for mut segment in remains.segments {
            segment.empty_into(&mut trash);
        }
        self.slots.0.give_back(remains.id.index(), remains.id.life() + 1);
        drop((trash, remains.batches));
    }
}
