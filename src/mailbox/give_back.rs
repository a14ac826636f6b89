//! Giving batches back: a second owner of a frame, and what a released batch did not pass.
//!
//! Guarantees: what the cursor passed counts as delivered, what it did not goes back to the front of the queue in its
//! order, or, when the mailbox has ended, counts as discarded; payloads are dropped with no lock held.

use super::draft::GAP;
use super::hold::{not_a_batch, Frame, Hold, Signal, Withdrawn};
use super::segment::{At, Segment};
use super::{Head, Slot, Store};
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

/// A batch as its hold gives it up.
enum Closed {
    /// Plain messages, so many, each of which was delivered. What is left of a segment of the queue.
    Delivered(Id, u32, Option<Box<Segment>>),
    Rest(Box<Rest>),
}

/// What there is of a batch of which something may have to go back.
struct Rest {
    /// `None` when it was the hold's page and signals were all it held.
    frame: Option<Frame>,
    mailbox: Id,
    /// Where what was not passed begins.
    rest: Option<At>,
    signals: Vec<Signal>,
    passed: Passed,
    /// What its mailbox's receipts know it by.
    noted: Option<Arc<super::receipts::Passed>>,
}

/// A batch of messages of which something may have to go back.
struct Messages {
    frame: Frame,
    mailbox: Id,
    rest: Option<At>,
    noted: Option<Arc<super::receipts::Passed>>,
}

/// A larger page is not kept.
const LARGEST_PAGE: usize = 1024;

impl Hold {
    /// Gives the batch up. The segment of a plain batch that was delivered and that nobody else looks at is used again.
    #[inline(always)]
    fn give_up(&mut self, cursor: usize) -> Result<Closed> {
        let frame = self.frame.take().ok_or_else(not_a_batch)?;
        if !self.whole || cursor < self.places.len() || !self.withdrawn.is_empty() {
            return Ok(Closed::Rest(self.give_up_rest(frame, cursor)));
        }
        let live = frame.live();
        Ok(match frame {
            Frame::Page(page) => {
                self.page = Some(page);
                Closed::Delivered(self.mailbox, live, None)
            }
            Frame::Own(segment) => Closed::Delivered(self.mailbox, live, Some(segment)),
            shared => Closed::Rest(self.give_up_rest(shared, cursor)),
        })
    }

    #[cold]
    fn give_up_rest(&mut self, frame: Frame, cursor: usize) -> Box<Rest> {
        let cursor = cursor.min(self.places.len());
        let unshown = std::mem::take(&mut self.lost);
        let mut passed = Passed { cursor, shown: 0, unshown, withdrawn: std::mem::take(&mut self.withdrawn) };
        if !self.mailbox.is_none() {
            let gaps = |places: &[At]| -> u64 {
                let gaps = places.iter().map(|at| frame.entry(*at).header).filter(|header| header.kind == GAP);
                gaps.map(|header| header.tag).sum()
            };
            passed.shown = gaps(&self.places[..cursor]).saturating_sub(self.shown + passed.unshown);
            if !self.signals.is_empty() {
                passed.unshown += gaps(&self.places[cursor..]);
            }
        }
        let rest = self.places.get(cursor).copied();
        let signals = std::mem::take(&mut self.signals);
        let frame = match frame {
            Frame::Page(page) if !signals.is_empty() && !page.has_blocks() && page.capacity() <= LARGEST_PAGE => {
                self.page = Some(page);
                None
            }
            frame => Some(frame),
        };
        Box::new(Rest { frame, mailbox: self.mailbox, rest, signals, passed, noted: self.passed.take() })
    }
}

impl Store {
    /// A second owner of the frame, with nothing left to pass.
    pub fn batch_retain(&self, batch: &Batch) -> Result<Batch> {
        let (frame, places) = self.holds.with(Id(batch.owner), |hold| {
            let frame = hold.share().ok_or_else(not_a_batch)?;
            Ok((frame, hold.places.clone()))
        })??;
        let mut copy = Batch::NONE;
        self.holds.open(batch.mailbox.index(), |hold, owner| {
            hold.begin();
            hold.places = places;
            hold.show(Frame::Shared(frame), owner, &mut copy);
        })?;
        (copy.cursor, copy.mailbox) = (copy.count, batch.mailbox);
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

    fn batch_end(&self, batch: &Batch) -> Result<()> {
        match self.holds.close(Id(batch.owner), |hold| hold.give_up(batch.cursor as usize))? {
            Closed::Delivered(mailbox, messages, spent) => self.delivered(mailbox, messages, spent),
            Closed::Rest(rest) => self.take_rest(*rest),
        }
        Ok(())
    }

    /// Ends the batch of a handler that has come so far, as [`batch_release`](Self::batch_release) other batches, and
    /// [settles](Self::settle) its mailbox.
    pub fn end_turn(&self, mailbox: Id, owner: Id, cursor: u32) -> Result<bool> {
        match self.holds.close(owner, |hold| hold.give_up(cursor as usize))? {
            Closed::Delivered(mailbox, messages, None) => {
                let Ok(slot) = self.slot(mailbox) else { return Ok(false) };
                let mut tail = slot.tail.lock();
                slot.put_down_of(mailbox, messages);
                return Ok(slot.settle(&mut tail, mailbox));
            }
            Closed::Delivered(mailbox, messages, spent) => self.delivered(mailbox, messages, spent),
            Closed::Rest(rest) => self.take_rest(*rest),
        }
        Ok(self.settle(mailbox))
    }

    /// All messages of a plain batch were delivered.
    fn delivered(&self, mailbox: Id, messages: u32, spent: Option<Box<Segment>>) {
        let Ok(slot) = self.slot(mailbox) else { return };
        let mut trash = Trash::new();
        let mut spent = spent;
        if let Some(segment) = &mut spent {
            segment.empty_into(&mut trash);
        }
        let mut head = slot.receiving.head.lock();
        slot.put_down_of(mailbox, messages);
        if let Some(spent) = spent.take_if(|_| slot.is_live(mailbox)) {
            head.spend(&self.pool, spent);
        }
    }

    #[cold]
    fn take_rest(&self, batch: Rest) {
        let mut trash = Trash::new();
        let Rest { frame, mailbox, rest, signals, passed, noted } = batch;
        match frame {
            _ if !signals.is_empty() => self.take_back_signals(mailbox, signals, &passed),
            Some(frame) if !mailbox.is_none() => {
                self.take_back(Messages { frame, mailbox, rest, noted }, &passed, &mut trash);
            }
            _ => {}
        }
    }

    fn take_back(&self, batch: Messages, passed: &Passed, trash: &mut Trash) {
        let Messages { frame, mailbox, rest, noted } = batch;
        let Ok(slot) = self.slot(mailbox) else { return };
        // Those that the host moved its cursor back before are in the queue again.
        let (gone, back): (Vec<&Withdrawn>, _) = passed.withdrawn.iter().partition(|one| one.number < passed.cursor);
        let (total, first) = (frame.live() - gone.len() as u32, frame.first);
        let rest = rest.map(|at| frame.copy_from(at, place_at(&frame, at)));
        let spent = frame.alone().map(|mut segment| {
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
        slot.put_down(total);
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
        let Ok(slot) = self.slot(mailbox) else { return };
        {
            let mut head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            let live = slot.is_live(mailbox);
            let same = live || slot.receiving.life.load(Acquire) == mailbox.life() + 1;
            let mut back = 0;
            let first = signals.iter().find(|signal| signal.life != 0).map(|signal| signal.index);
            for signal in signals.iter_mut().rev().filter(|signal| signal.life != 0) {
                let resync = signal.said.is_some();
                match signal.claimed {
                    Some(delivered) => {
                        if same && delivered {
                            tail.cold().count.signals_delivered += 1;
                        } else if live && resync {
                            tail.cold().count.signals_flushed += 1;
                        }
                    }
                    None if live && resync => {
                        if self.put_back_resync(slot, &mut head, &mut tail, signal) {
                            back += 1;
                            signal.life = 0;
                        } else {
                            tail.cold().count.signals_flushed += 1;
                        }
                    }
                    None if live && self.shots.at(signal.index).is(signal.life, State::Queued) => {
                        tail.signals.insert(&self.shots, Of::Signal, signal.index);
                        back += 1;
                        signal.life = 0;
                    }
                    None => {
                        self.shots.at(signal.index).shift(signal.life, State::Queued, State::Flushed);
                    }
                }
            }
            if same && passed.shown > 0 {
                tail.cold().count.lost_shown += passed.shown;
            }
            if let (true, Some(first)) = (live && passed.unshown > 0, first) {
                head.lose(slot, passed.unshown, self.shots.at(first).stamp().saturating_sub(1));
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
        // Those that did not go back are over.
        for signal in signals.iter().rev().filter(|signal| signal.life != 0) {
            self.shots.let_go(signal.index);
        }
    }
}

/// The place in the mailbox's order of the entry at `wanted`.
pub(super) fn place_at(segment: &Segment, wanted: At) -> u64 {
    segment.first + segment.entries().take_while(|entry| entry.at < wanted).map(|entry| entry.messages()).sum::<u64>()
}

impl Slot {
    /// As [`put_down`](Self::put_down), unless the mailbox is long gone.
    #[inline]
    fn put_down_of(&self, mailbox: Id, messages: u32) {
        let life = self.receiving.life.load(Acquire);
        if life == mailbox.life() || life == mailbox.life() + 1 {
            self.put_down(messages);
        }
    }

    /// So many messages of a batch are no longer in hand. Call it under the lease; for a handler's batch, of which its
    /// mailbox has one at a time, the slot lock does as well.
    #[inline]
    fn put_down(&self, messages: u32) {
        self.receiving.in_hand.store(self.receiving.in_hand.load(Relaxed) - messages, Relaxed);
    }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::draft::Draft;
    use super::super::wait::Patience;
    use super::super::Opening;
    use super::*;
    use crate::clock::Clock;
    use crate::message::{FrameHeader, Payload, KIND_MESSAGE};

    const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

    fn send(store: &Store, to: Id, data: &[u8]) {
        let header = FrameHeader { kind: KIND_MESSAGE as u8, ..FrameHeader::default() };
        let draft = Draft { header, payload: Payload::Copy(data), topic: &[], trailer: None };
        store.push(to, &draft, None, &mut None).unwrap();
    }

    /// The payload of the first message in a batch's frame.
    fn data(store: &Store, batch: &Batch) -> Vec<u8> {
        let read = |hold: &mut Hold| hold.frame.as_ref().unwrap().entry(hold.places[0]).data().to_vec();
        store.holds.with(Id(batch.owner), read).unwrap()
    }

    #[test]
    fn the_frame_of_a_lone_message_stays_for_its_second_owner() {
        let store = Store::default();
        let id = store.open(Opening::default(), || true).unwrap();
        let mut kept = Vec::new();
        for text in [&b"first"[..], &[7; 700], b"third"] {
            send(&store, id, text);
            let mut batch = store.recv_batch(id, &POLL).unwrap();
            assert!(store.batch_next(&mut batch).unwrap().is_some());
            kept.push((store.batch_retain(&batch).unwrap(), text));
            store.batch_release(&mut batch).unwrap();
        }
        for (mut copy, text) in kept {
            assert_eq!(data(&store, &copy), text);
            store.batch_release(&mut copy).unwrap();
        }
        assert_eq!(store.stats(id).unwrap().delivered, 3);
    }

    #[test]
    fn a_lone_message_that_was_not_passed_is_the_next_again() {
        let store = Store::default();
        let id = store.open(Opening::default(), || true).unwrap();
        send(&store, id, b"first");
        let mut batch = store.recv_batch(id, &POLL).unwrap();
        send(&store, id, b"second");
        store.batch_release(&mut batch).unwrap();
        for text in [&b"first"[..], b"second"] {
            let mut batch = store.recv_batch(id, &POLL).unwrap();
            assert_eq!((batch.count, data(&store, &batch)), (1, text.to_vec()));
            assert!(store.batch_next(&mut batch).unwrap().is_some());
            store.batch_release(&mut batch).unwrap();
        }
        let stats = store.stats(id).unwrap();
        assert_eq!((stats.sent, stats.delivered, stats.queued, stats.queued_bytes), (2, 2, 0, 0));
    }
}
