//! Receipts: what became of the messages that a watcher sent to the mailbox it watches.
//!
//! Guarantees: of the messages that a mailbox took in from a watcher since the watching began, each is in the end
//! either gone before anyone saw it (evicted, flushed, expired, replaced), discarded, or consumed, and the counts say
//! so exactly: a batch passes nothing more once the end has looked how far its cursor is. A mailbox without receipts
//! pays nothing for a send: one with receipts has a `limit` that is always reached, so that each send of it looks at the
//! bound anew, and is counted there.

use super::draft::GAP;
use super::segment::Segment;
use super::{Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{FrameHeader, KIND_MEMBER};
use crate::oneshot::{Of, Shots, State};
use crate::sync::atomic::{AtomicU32, Ordering::*};
use crate::sync::Arc;
use std::collections::{HashMap, HashSet};

/// The receipts that watchers of one mailbox want.
#[derive(Default)]
pub(crate) struct Receipts {
    /// By sender.
    wanted: HashMap<u64, Vec<Receipt>>,
    /// Batches that were handed out meanwhile.
    batches: Vec<HandedOut>,
}

#[derive(Default)]
struct Receipt {
    /// The monitor's row.
    record: u32,
    /// The first place that counts.
    since: u64,
    accepted: u64,
    gone: u64,
    /// Earlier places that a value was put in since.
    renewed: HashSet<u64>,
}

/// A batch that is not back yet.
pub(crate) struct HandedOut {
    frame: Arc<Box<Segment>>,
    passed: Arc<Passed>,
}

/// How far the cursor of a batch is, for the end of its mailbox to see.
#[derive(Default)]
pub(super) struct Passed(AtomicU32);

const ENDED: u32 = 1 << 31;

impl Passed {
    /// Passes entry `number`. False when the mailbox has ended and counted it as discarded.
    pub(super) fn pass(&self, number: u32) -> bool {
        let next = |passed: u32| (passed & ENDED == 0).then(|| passed.max(number + 1));
        self.0.fetch_update(AcqRel, Acquire, next).is_ok()
    }

    /// How many entries were passed; none is from here on.
    fn end(&self) -> u32 {
        self.0.fetch_or(ENDED, AcqRel) & !ENDED
    }
}

/// Who sent or published a message; nobody for what the engine says about somebody.
pub(super) fn sender(header: &FrameHeader) -> u64 {
    if (header.kind as u32) < KIND_MEMBER {
        header.from
    } else {
        0
    }
}

impl Receipts {
    fn of(&mut self, from: u64, place: u64) -> impl Iterator<Item = &mut Receipt> {
        let wanted = self.wanted.get_mut(&from).into_iter().flatten();
        wanted.filter(move |receipt| receipt.since <= place || receipt.renewed.contains(&place))
    }

    /// Counts the messages that were left, and tells each record. Gives the batches that are still out.
    pub(super) fn settle<'a>(mut self, shots: &Shots, left: impl Iterator<Item = &'a Segment>) -> Vec<HandedOut> {
        let mut discarded: HashMap<u32, u64> = HashMap::new();
        for segment in left {
            self.discard(segment, 0, &mut discarded);
        }
        let batches = std::mem::take(&mut self.batches);
        for batch in &batches {
            self.discard(&batch.frame, batch.passed.end(), &mut discarded);
        }
        for receipt in self.wanted.into_values().flatten() {
            let discarded = discarded.get(&receipt.record).copied().unwrap_or(0);
            let consumed = receipt.accepted.saturating_sub(receipt.gone + discarded);
            shots.at(receipt.record).body().info = [consumed, discarded];
        }
        batches
    }

    /// Counts the messages of a segment from entry `passed` on, numbered as in a batch.
    fn discard(&mut self, segment: &Segment, passed: u32, discarded: &mut HashMap<u32, u64>) {
        let (mut place, mut number) = (segment.first, 0);
        for entry in segment.entries() {
            if entry.is_live() && number >= passed {
                for receipt in self.of(sender(entry.header), place) {
                    *discarded.entry(receipt.record).or_default() += 1;
                }
            }
            number += u32::from(entry.is_live() || entry.header.kind == GAP);
            place += entry.messages();
        }
    }
}

impl Tail {
    fn receipts(&mut self) -> Option<&mut Receipts> {
        self.cold.as_mut()?.receipts.as_deref_mut()
    }

    /// A message was taken in. Call it where the bound was looked at.
    pub(super) fn count_for_receipts(&mut self, header: &FrameHeader) {
        let place = self.accepted - 1;
        if let Some(receipts) = self.receipts() {
            receipts.of(sender(header), place).for_each(|receipt| receipt.accepted += 1);
        }
    }

    /// A value took the place of another.
    pub(super) fn replaced_for_receipts(&mut self, old: u64, new: u64, place: u64) {
        self.gone_for_receipts(old, place);
        let Some(receipts) = self.receipts() else { return };
        for receipt in receipts.wanted.get_mut(&new).into_iter().flatten() {
            receipt.accepted += 1;
            if place < receipt.since {
                receipt.renewed.insert(place);
            }
        }
    }

    /// A message of `from` left the queue before anyone saw it.
    pub(super) fn gone_for_receipts(&mut self, from: u64, place: u64) {
        self.withdrawn_for_receipts(from, place, 1);
    }

    /// A message of `from` in an open batch is not to be seen; negative when it goes back.
    pub(super) fn withdrawn_for_receipts(&mut self, from: u64, place: u64, by: i32) {
        if let Some(receipts) = self.receipts() {
            receipts.of(from, place).for_each(|receipt| receipt.gone = receipt.gone.wrapping_add_signed(by as i64));
        }
    }

    /// A request whose caller no longer waits was dropped.
    pub(super) fn note_expired(&mut self, from: u64, place: u64) {
        self.cold().count.expired += 1;
        self.gone_for_receipts(from, place);
    }

    /// A monitor with a receipt is taken back.
    pub(super) fn forget_receipt(&mut self, slot: &Slot, watcher: Id, record: u32) {
        let Some(receipts) = self.receipts() else { return };
        let Some(wanted) = receipts.wanted.get_mut(&watcher.0) else { return };
        wanted.retain(|receipt| receipt.record != record);
        if wanted.is_empty() {
            receipts.wanted.remove(&watcher.0);
        }
        self.stop_unwanted_receipts(slot);
    }

    fn stop_unwanted_receipts(&mut self, slot: &Slot) {
        if self.receipts().is_some_and(|receipts| receipts.wanted.is_empty() && receipts.batches.is_empty()) {
            self.cold().receipts = None;
            slot.receiving.receipts.store(false, Relaxed);
        }
    }
}

impl Store {
    /// As [`link_target`](Self::link_target), and counts what becomes of the watcher's messages from here on.
    pub fn link_target_with_receipt(&self, target: Id, index: u32, life: u32, watcher: Id) -> Result<bool> {
        let slot = self.slot(target)?;
        let mut tail = slot.tail.lock();
        match slot.check(target, Error::NoProc) {
            Err(Error::NoProc) => return Ok(false),
            checked => checked?,
        }
        if !self.shots.at(index).is(life, State::Armed) {
            drop(tail);
            self.shots.let_go(index);
            return Ok(true);
        }
        let since = tail.accepted;
        let cold = tail.cold();
        cold.watched.push_back(&self.shots, Of::Target, index);
        let receipts = cold.receipts.get_or_insert_default();
        receipts.wanted.entry(watcher.0).or_default().push(Receipt { record: index, since, ..Receipt::default() });
        tail.limit = 0;
        slot.receiving.receipts.store(true, Relaxed);
        Ok(true)
    }

    /// Notes a batch of a mailbox with receipts. Call it under the lease.
    pub(super) fn note_handed_out(&self, slot: &Slot, frame: Arc<Box<Segment>>, passed: Arc<Passed>) {
        if let Some(receipts) = slot.tail.lock().receipts() {
            receipts.batches.push(HandedOut { frame, passed });
        }
    }

    /// A batch is back. Call it under the lease, in the step that puts back what was not passed.
    pub(super) fn note_back(&self, slot: &Slot, passed: &Arc<Passed>) -> Option<HandedOut> {
        let mut tail = slot.tail.lock();
        let receipts = tail.receipts()?;
        let at = receipts.batches.iter().position(|batch| Arc::ptr_eq(&batch.passed, passed));
        let back = at.map(|at| receipts.batches.swap_remove(at));
        tail.stop_unwanted_receipts(slot);
        back
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
