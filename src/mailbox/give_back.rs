//! Giving batches back: a second owner of a frame, and what a released batch did not pass.
//!
//! Guarantees: what the cursor passed counts as delivered, what it did not goes back to the front of the queue in its
//! order, or, when the mailbox has ended, counts as discarded; payloads are dropped with no lock held.

use super::hold::{not_a_batch, Signal, Withdrawn};
use super::segment::{At, Segment, GAP};
use super::{Head, Store};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{Batch, Trash, FRAME_BOUNDED};
use crate::oneshot::{Of, State};
use crate::sync::atomic::Ordering::*;
use crate::sync::Arc;

/// What the reader of a batch has done with it.
struct Passed {
    cursor: usize,
    /// Losses that the host passed itself, by moving the cursor.
    shown: u64,
    /// Losses that go back, for the next message to show.
    unshown: u64,
    /// Entries that were passed and not delivered.
    withdrawn: Vec<Withdrawn>,
}

/// The frame of a batch, and what its mailbox's receipts know it by.
type Back = (Arc<Box<Segment>>, Option<Arc<super::receipts::Passed>>);

impl Store {
    /// A second owner of the frame, with nothing left to pass.
    pub fn batch_retain(&self, batch: &Batch) -> Result<Batch> {
        let (frame, places) = self.holds.with(Id(batch.owner), |hold| {
            let frame = hold.frame.clone().ok_or_else(not_a_batch)?;
            Ok((frame, hold.places.clone()))
        })??;
        let (owner, mut copy) = self.holds.open(batch.mailbox.index(), |hold| {
            hold.begin(Id::NONE);
            hold.places = places;
            hold.share(frame)
        })?;
        (copy.owner, copy.cursor, copy.mailbox) = (owner.0, copy.count, batch.mailbox);
        Ok(copy)
    }

    /// Ends a batch: what its cursor has not passed goes back to the front of the queue.
    pub fn batch_release(&self, batch: &mut Batch) -> Result<()> {
        if self.holds.with(Id(batch.owner), |hold| hold.by_loop)? {
            return Err(
                Error::Inval.because("the batch of a handler ends with the handler; td_batch_retain keeps its frame")
            );
        }
        self.batch_end(batch)
    }

    /// As [`batch_release`](Self::batch_release), by the loop for its handler's batch.
    pub fn batch_end(&self, batch: &mut Batch) -> Result<()> {
        let owner = Id(batch.owner);
        let (frame, mailbox, rest, signals, passed, noted) = self.holds.close(owner, |hold| {
            let cursor = (batch.cursor as usize).min(hold.places.len());
            let frame = hold.frame.take();
            if frame.is_none() {
                return Err(not_a_batch());
            }
            let unshown = std::mem::take(&mut hold.lost);
            let mut passed = Passed { cursor, shown: 0, unshown, withdrawn: std::mem::take(&mut hold.withdrawn) };
            if let (Some(frame), false) = (&frame, hold.mailbox.is_none()) {
                let gaps = |places: &[At]| -> u64 {
                    let gaps = places.iter().map(|at| frame.entry(*at).header).filter(|header| header.kind == GAP);
                    gaps.map(|header| header.tag).sum()
                };
                passed.shown = gaps(&hold.places[..cursor]).saturating_sub(hold.shown + passed.unshown);
                if !hold.signals.is_empty() {
                    passed.unshown += gaps(&hold.places[cursor..]);
                }
            }
            let rest = hold.places.get(cursor).copied();
            Ok((frame, hold.mailbox, rest, std::mem::take(&mut hold.signals), passed, hold.passed.take()))
        })?;
        let mut trash = Trash::new();
        if let Some(frame) = frame {
            if mailbox.is_none() {
                drop(frame);
            } else if signals.is_empty() {
                let back = (frame, noted);
                self.take_back(mailbox, back, rest, &passed, &mut trash);
            } else {
                self.take_back_signals(mailbox, signals, &passed);
                drop(frame);
            }
        }
        drop(trash);
        Ok(())
    }

    fn take_back(&self, mailbox: Id, back: Back, rest: Option<At>, passed: &Passed, trash: &mut Trash) {
        let Ok(slot) = self.slot(mailbox) else { return };
        let (frame, noted) = back;
        // Those that the host moved its cursor back before are in the queue again.
        let (gone, back): (Vec<&Withdrawn>, _) = passed.withdrawn.iter().partition(|one| one.number < passed.cursor);
        let (total, first) = (frame.live() - gone.len() as u32, frame.first);
        let rest = rest.map(|at| frame.copy_from(at, place_at(&frame, at)));
        let spent = Arc::try_unwrap(frame).ok().map(|mut segment| {
            segment.empty_into(trash);
            segment
        });
        // Dropped behind the locks: its frame may be the last.
        let _noted;
        let mut head = slot.receiving.head.lock();
        for one in back {
            slot.count_withdrawn(mailbox, one, -1, None);
        }
        _noted = noted.and_then(|noted| self.note_back(slot, &noted));
        let life = slot.receiving.life.load(Acquire);
        if life != mailbox.life() && life != mailbox.life() + 1 {
            return drop((head, rest, spent));
        }
        slot.receiving.in_hand.fetch_sub(total, Relaxed);
        if passed.shown > 0 {
            slot.tail.lock().cold().count.lost_shown += passed.shown;
        }
        if life == mailbox.life() {
            head.lose(slot, passed.unshown, first);
        }
        let Some(mut rest) = rest else {
            if let Some(spent) = spent.filter(|_| life == mailbox.life()) {
                head.spend(&self.pool, spent);
            }
            return;
        };
        let (mut messages, mut bytes) = (0, 0);
        for entry in rest.entries() {
            if entry.is_live() {
                (messages, bytes) = (messages + 1, bytes + entry.size() as u64);
                if entry.header.flags & FRAME_BOUNDED != 0 {
                    self.quotas.count(entry.header.r#ref, 1);
                }
            }
        }
        slot.restore(messages, bytes);
        if life != mailbox.life() {
            rest.empty_into(trash);
            return drop(head);
        }
        head.put_in_front(rest);
        let roused = {
            let mut tail = slot.tail.lock();
            self.flush_cut(slot, &mut head, &mut tail, trash);
            // What the bound allowed while these were out is looked at anew.
            (tail.limit, tail.limit_bytes) = (tail.accepted, tail.accepted_bytes);
            if let Some(latest) = tail.cold.as_mut().and_then(|cold| cold.latest.as_mut()) {
                latest.doubt();
            }
            slot.note_arrival();
            tail.roused_by(mailbox, messages as usize)
        };
        drop(head);
        self.rouse(roused);
    }

    fn take_back_signals(&self, mailbox: Id, mut signals: Vec<Signal>, passed: &Passed) {
        for signal in signals.iter_mut().take(passed.cursor) {
            if signal.life != 0 && signal.claimed.is_none() {
                signal.claimed = Some(self.claim(signal.index, signal.life));
            }
        }
        let mut done = Vec::new();
        if let Ok(slot) = self.slot(mailbox) {
            let mut head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            let live = slot.is_live(mailbox);
            let same = live || slot.receiving.life.load(Acquire) == mailbox.life() + 1;
            let mut back = 0;
            for signal in signals.iter_mut().rev().filter(|signal| signal.life != 0) {
                let resync = signal.said.is_some();
                match signal.claimed {
                    Some(delivered) => {
                        if same && delivered {
                            tail.cold().count.signals_delivered += 1;
                        } else if live && resync {
                            tail.cold().count.signals_flushed += 1;
                        }
                        done.push(signal.index);
                    }
                    None if live && resync => {
                        if self.put_back_resync(slot, &mut head, &mut tail, signal) {
                            back += 1;
                        } else {
                            tail.cold().count.signals_flushed += 1;
                            done.push(signal.index);
                        }
                    }
                    None if live && self.shots.at(signal.index).is(signal.life, State::Queued) => {
                        tail.signals.insert(&self.shots, Of::Signal, signal.index);
                        back += 1;
                    }
                    None => {
                        self.shots.at(signal.index).shift(signal.life, State::Queued, State::Flushed);
                        done.push(signal.index);
                    }
                }
            }
            if same && passed.shown > 0 {
                tail.cold().count.lost_shown += passed.shown;
            }
            if let (true, Some(first)) = (live && passed.unshown > 0, signals.iter().find(|signal| signal.life != 0)) {
                head.lose(slot, passed.unshown, self.shots.at(first.index).stamp().saturating_sub(1));
            }
            let roused = if live && back > 0 {
                tail.cold().count.signals_changed += 1;
                slot.note_first_signal(&tail, self);
                slot.note_arrival();
                tail.roused_by(mailbox, back)
            } else {
                None
            };
            drop((tail, head));
            self.rouse(roused);
        }
        for index in done {
            self.shots.let_go(index);
        }
    }
}

/// The place in the mailbox's order of the entry at `wanted`.
pub(super) fn place_at(segment: &Segment, wanted: At) -> u64 {
    segment.first + segment.entries().take_while(|entry| entry.at < wanted).map(|entry| entry.messages()).sum::<u64>()
}

impl Head {
    /// Puts a segment back where its place in the order is.
    fn put_in_front(&mut self, segment: Box<Segment>) {
        self.drop_index();
        let current = self.current.take_if(|current| current.begin().is_some());
        if current.is_none() && self.more.is_none() {
            self.current = Some(segment);
            return;
        }
        let rest = &mut self.more.get_or_insert_default().rest;
        if let Some(current) = current {
            rest.push_front(current);
        }
        let at = rest.iter().position(|other| other.first > segment.first).unwrap_or(rest.len());
        rest.insert(at, segment);
        self.current = rest.pop_front();
        self.drop_more();
    }
}
