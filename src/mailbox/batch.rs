//! Batches: a whole segment handed to one reader, and what its cursor has not passed taken back.
//!
//! Guarantees: a batch holds either messages or signals, so the order among both is kept; a message is delivered when
//! the cursor passes it; a signal is claimed as the cursor passes it, so one cancelled meanwhile is not seen; once the
//! mailbox has ended the cursor passes nothing more. Frames stay readable until each owner of them has let go.

use super::draft::{Draft, GAP};
use super::hold::{not_a_batch, Frame, Hold, Signal};
use super::segment::{At, Segment};
use super::wait::{Patience, Received};
use super::{Handler, Head, Slot, Store, Tail};
use crate::clock::FOREVER;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{Batch, FrameHeader, FrameTrailer, Message, Payload, Trash};
use crate::message::{FRAME_BOUNDED, KIND_END, KIND_MESSAGE};
use crate::oneshot::Of;
use crate::recorder::{record_often, Event};
use crate::sync::atomic::Ordering::*;
use crate::sync::{rank, Arc, Guard};

/// Signals in one batch at most.
const MOST_SIGNALS: usize = 512;

/// A batch of so many messages that was given on.
struct HandOver(u32);

impl Received for HandOver {
    fn batched(&self) -> Option<u32> {
        Some(self.0)
    }
}

impl Store {
    /// Receives a batch (pull mailboxes).
    pub fn recv_batch(&self, id: Id, patience: &Patience<'_>) -> Result<Batch> {
        let mut batch = Batch::NONE;
        self.wait_for(id, patience, false, |slot, seen| {
            let given = self.hand_over(slot, id, seen, &mut batch)?;
            Ok(given.then_some(HandOver(batch.count)))
        })?;
        Ok(batch)
    }

    /// The mailbox's handler, and in `batch` what there is for it; `None` when there is nothing, or it has ended.
    pub fn batch_for_handler(&self, id: Id, batch: &mut Batch) -> Result<Option<Arc<Handler>>> {
        let slot = self.slot(id)?;
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        if !slot.is_live(id) || slot.is_quiet() {
            return Ok(None);
        }
        let mut tail = slot.tail.lock();
        let Some(handler) = tail.cold.as_ref().and_then(|cold| cold.handler.clone()) else { return Ok(None) };
        let lone = self.cut_lone(slot, id, &head, &mut tail, batch)?;
        drop(tail);
        if !lone && !self.cut(slot, id, &mut head, (&mut trash, &mut 0), batch)? {
            return Ok(None);
        }
        let asked = slot.asked();
        drop(head);
        self.after_taking(slot, id, asked);
        Ok(Some(handler))
    }

    fn hand_over(&self, slot: &Slot, id: Id, seen: &mut u32, batch: &mut Batch) -> Result<bool> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        if slot.check(id, Error::Closed).is_err() {
            drop(head);
            return self.end_batch(slot, id, batch);
        }
        if slot.is_barred(seen)? {
            return Ok(false);
        }
        let given = self.cut(slot, id, &mut head, (&mut trash, seen), batch)?;
        let asked = slot.asked();
        drop(head);
        self.after_taking(slot, id, asked);
        Ok(given)
    }

    /// Copies a short message that is alone in the queue from where it was written, so that neither side changes its
    /// segment.
    #[inline]
    fn cut_lone(&self, slot: &Slot, id: Id, head: &Head, tail: &mut Tail, batch: &mut Batch) -> Result<bool> {
        if head.front().is_some() || slot.receiving.receipts.load(Relaxed) {
            return Ok(false);
        }
        let accepted = tail.accepted;
        let Some(segment) = tail.lone(head) else { return Ok(false) };
        let Some(entry) = segment.begin().map(|at| segment.entry(at)) else { return Ok(false) };
        let (plain, size) = (!entry.is_request(), entry.size());
        if !plain && self.has_expired(&entry) {
            return Ok(false);
        }
        self.holds.open(slot.near(), |hold, owner| {
            hold.begin_of(slot, id);
            (hold.plain, hold.whole) = (plain, true);
            slot.consume(1, size as u64);
            let frame = hold.copy(segment);
            hold.places.extend(frame.begin());
            hold.show(frame, owner, batch);
        })?;
        segment.reset(accepted);
        slot.take_up(1);
        Ok(true)
    }

    /// Takes the oldest run of messages, or of signals, off the queue.
    fn cut(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        (trash, seen): (&mut Trash, &mut u32),
        batch: &mut Batch,
    ) -> Result<bool> {
        loop {
            head.turn(&self.pool);
            if head.front().is_none() {
                let mut tail = slot.tail.lock();
                *seen = slot.arrived.load(Acquire);
                if self.cut_lone(slot, id, head, &mut tail, batch)? {
                    return Ok(true);
                }
                head.draw(&self.pool, &mut tail);
                if head.front().is_none() && tail.signals.is_empty() {
                    return Ok(false);
                }
            }
            let stamp = slot.receiving.first_signal.load(Acquire);
            let next = head.front().map_or(u64::MAX - 1, |segment| segment.first);
            if stamp <= next {
                if self.cut_signals(slot, id, head, next, batch)? {
                    return Ok(true);
                }
                continue;
            }
            let Some(mut segment) = head.current.take_if(|segment| segment.begin().is_some()) else { continue };
            if segment.first + segment.messages > stamp {
                let at = place_of(&segment, stamp);
                let front = segment.split_front(at);
                head.current = Some(std::mem::replace(&mut segment, front));
            }
            if segment.requests() > 0 {
                self.expire(slot, id, &mut segment, trash);
            }
            if segment.live() == 0 {
                // Nothing to hand over; losses marked here show with the next message.
                head.lose(slot, gaps(&segment), segment.first);
                segment.empty_into(trash);
                continue;
            }
            let lost = head.lost_before(segment.first + 1);
            if lost > 0 {
                segment = with_gap(segment, lost, trash);
            }
            return self.open_batch(slot, id, segment, batch).map(|()| true);
        }
    }

    /// Buries requests whose callers no longer wait.
    fn expire(&self, slot: &Slot, id: Id, segment: &mut Segment, trash: &mut Trash) {
        let (mut gone, mut place) = (Vec::new(), segment.first);
        let mut at = segment.begin();
        while let Some(entry) = at.map(|at| segment.entry(at)) {
            let here = entry.at;
            if entry.is_request() && self.has_expired(&entry) {
                gone.push((entry.header.from, place));
                record_often(Event::Expired, id, Id(entry.header.r#ref), 0);
                self.bury(slot, segment, here, 0, trash);
            }
            place += segment.entry(here).messages();
            at = segment.next(here);
        }
        if !gone.is_empty() {
            let mut tail = slot.tail.lock();
            tail.cold().count.expired += gone.len() as u64;
            gone.into_iter().for_each(|(from, place)| tail.gone_for_receipts(from, place));
        }
    }

    fn open_batch(&self, slot: &Slot, id: Id, segment: Box<Segment>, batch: &mut Batch) -> Result<()> {
        self.holds.open(slot.near(), |hold, owner| {
            hold.begin_of(slot, id);
            let mut bytes = 0;
            hold.whole = !slot.receiving.receipts.load(Relaxed) && !segment.has_gap();
            hold.plain = hold.whole;
            for entry in segment.entries() {
                hold.plain &= entry.header.kind as u32 == KIND_MESSAGE;
                if entry.is_live() {
                    bytes += entry.size() as u64;
                    if entry.header.flags & FRAME_BOUNDED != 0 {
                        self.quotas.count(entry.header.r#ref, -1);
                    }
                }
                if entry.is_live() || entry.header.kind == GAP {
                    hold.places.push(entry.at);
                }
            }
            slot.consume(segment.live() as u64, bytes);
            slot.take_up(segment.live());
            hold.show(Frame::Own(segment), owner, batch);
            if slot.receiving.receipts.load(Relaxed) {
                let passed = hold.passed.insert(Default::default()).clone();
                hold.share().into_iter().for_each(|frame| self.note_handed_out(slot, frame, passed.clone()));
            }
        })
    }

    fn cut_signals(&self, slot: &Slot, id: Id, head: &mut Head, next: u64, batch: &mut Batch) -> Result<bool> {
        let mut tail = slot.tail.lock();
        if next == u64::MAX - 1 && tail.has_messages() {
            head.draw(&self.pool, &mut tail);
            return Ok(false);
        }
        if tail.signals.is_empty() || self.shots.at(tail.signals.first).stamp() > next {
            slot.note_first_signal(&tail, self);
            return Ok(false);
        }
        // Losses behind the first of these signals show with what comes after them.
        let lost = head.lost_before(self.shots.at(tail.signals.first).stamp());
        self.holds.open(slot.near(), |hold, owner| {
            hold.begin_of(slot, id);
            self.take_signals(slot, tail, next, &mut hold.signals);
            let mut frame = self.encode(hold);
            if lost > 0 {
                frame = Frame::Own(with_gap(frame.into_segment(), lost, &mut Trash::new()));
                // The gap is an entry without a record.
                let gap = Signal { index: 0, life: 0, claimed: Some(true), number: 0, said: None };
                hold.signals.insert(0, gap);
            }
            hold.places.extend(frame.entries().map(|entry| entry.at));
            hold.show(frame, owner, batch);
        })?;
        Ok(true)
    }

    /// Takes the signals before message number `next` off the queue.
    fn take_signals(
        &self,
        slot: &Slot,
        mut tail: Guard<'_, Tail, { rank::SLOT }>,
        next: u64,
        signals: &mut Vec<Signal>,
    ) {
        let mut snapshots = Vec::new();
        while signals.len() < MOST_SIGNALS && !tail.signals.is_empty() {
            let index = tail.signals.first;
            let shot = self.shots.at(index);
            if shot.stamp() > next {
                break;
            }
            tail.signals.remove(&self.shots, Of::Signal, index);
            snapshots.extend(self.take_snapshot(index).map(|snapshot| (signals.len(), snapshot)));
            signals.push(Signal { index, life: shot.life(), claimed: None, number: shot.number(), said: None });
        }
        slot.note_first_signal(&tail, self);
        drop(tail);
        for (at, snapshot) in snapshots {
            signals[at].said = Some(snapshot.say());
        }
    }

    /// Writes the signals of a batch into a frame of their own.
    fn encode(&self, hold: &mut Hold) -> Frame {
        let mut frame = hold.blank();
        for signal in &hold.signals {
            let (shot, shown) = (self.shots.at(signal.index), self.shots.shown(signal.index));
            let body = shot.body();
            let header = FrameHeader {
                kind: shot.message_kind() as u8,
                from: body.from.0,
                tag: body.tag,
                r#ref: shown,
                ..FrameHeader::default()
            };
            let topic = body.name().map_or("", |name| name).as_bytes();
            let said = signal.said.as_ref();
            let info = said.map_or(body.info, |(entries, _)| [body.info[0], *entries]);
            let trailer = FrameTrailer { deadline: FOREVER, status: body.status, reserved: 0, info };
            let data = said.map(|(_, block)| block).or(body.data.as_ref());
            let payload = data.map_or(Payload::Copy(&[]), Payload::Inline);
            let draft = Draft { header, payload, topic, trailer: Some(trailer) };
            if !frame.fits(draft.total()) {
                frame = frame.larger(draft.total());
            }
            frame.append(&draft);
        }
        Frame::Page(frame)
    }

    /// What a batch receive on an ended mailbox gives: once, when losses were not shown, a batch of an end marker.
    fn end_batch(&self, slot: &Slot, id: Id, batch: &mut Batch) -> Result<bool> {
        let (lost, reason) = {
            let mut tail = slot.tail.lock();
            if slot.receiving.life.load(Acquire) != id.life() + 1 || tail.lost == 0 {
                return slot.check(id, Error::Closed).map(|()| false);
            }
            (std::mem::take(&mut tail.lost) as u64, tail.reason)
        };
        let header = FrameHeader { kind: KIND_END as u8, ..FrameHeader::default() };
        let trailer = FrameTrailer { deadline: FOREVER, status: reason, reserved: 0, info: [0; 2] };
        let draft = Draft { header, payload: Payload::Copy(&[]), topic: &[], trailer: Some(trailer) };
        let mut frame = Segment::new(draft.total(), 0);
        frame.append(&draft);
        let frame = with_gap(frame, lost, &mut Trash::new());
        self.holds.open(slot.near(), |hold, owner| {
            hold.begin();
            hold.places.extend(frame.entries().map(|entry| entry.at));
            hold.show(Frame::Own(frame), owner, batch);
        })?;
        batch.mailbox = id;
        Ok(true)
    }

    /// Moves the cursor to the next message that may be delivered, and gives that to `put`; false when there is none.
    /// It is given on rather than returned, because it is large, and most of the time of a step would go into copies.
    #[inline]
    pub fn batch_step(&self, batch: &mut Batch, put: impl FnOnce(Message)) -> Result<bool> {
        if batch.cursor >= batch.count {
            return self.holds.check(Id(batch.owner)).map(|()| false);
        }
        let cursor = &mut batch.cursor;
        self.holds.with(Id(batch.owner), |hold| {
            let (true, Some(frame)) = (hold.plain, &hold.frame) else {
                return self.next_of(hold, cursor, put);
            };
            let Some(at) = hold.places.get(*cursor as usize) else { return Ok(false) };
            if !self.slots.0.at(hold.mailbox.index()).is_live(hold.mailbox) {
                return Ok(false);
            }
            *cursor += 1;
            put(frame.entry(*at).message(0));
            Ok(true)
        })?
    }

    /// As [`batch_step`](Self::batch_step), for tests.
    #[cfg(test)]
    pub fn batch_next(&self, batch: &mut Batch) -> Result<Option<Message>> {
        let mut next = None;
        self.batch_step(batch, |message| next = Some(message))?;
        Ok(next)
    }

    /// The next message of a batch that has more to be looked at.
    #[inline(never)]
    fn next_of(&self, hold: &mut Hold, cursor: &mut u32, put: impl FnOnce(Message)) -> Result<bool> {
        let Hold { frame: Some(frame), places, signals, mailbox, lost, shown, reached, passed, withdrawn, .. } = hold
        else {
            return Err(not_a_batch());
        };
        loop {
            let Some(at) = places.get(*cursor as usize).copied() else { return Ok(false) };
            if !mailbox.is_none() && !self.slot(*mailbox)?.is_live(*mailbox) {
                return Ok(false);
            }
            let number = *cursor as usize;
            if signals.is_empty() && self.withdraw(*mailbox, frame, at, withdrawn, number, passed.as_deref()) {
                *cursor += 1;
                continue;
            }
            if passed.as_ref().is_some_and(|passed| !passed.pass(*cursor)) {
                return Ok(false);
            }
            *cursor += 1;
            let entry = frame.entry(at);
            if entry.header.kind == GAP {
                // Once, also when the host moves its cursor back.
                if number >= *reached {
                    (*lost, *reached) = (*lost + entry.header.tag, number + 1);
                }
                continue;
            }
            if !self.claim_entry(signals, number) {
                continue;
            }
            let lost = std::mem::take(lost);
            if lost > 0 && !mailbox.is_none() {
                *shown += lost;
                let _ = self.with_cold(*mailbox, |cold| cold.count.lost_shown += lost);
            }
            put(entry.message(lost));
            return Ok(true);
        }
    }

    /// Whether entry `number` may be delivered; moves the cursor past it.
    #[inline]
    pub fn batch_claim(&self, batch: &mut Batch, number: u32) -> Result<bool> {
        let cursor = &mut batch.cursor;
        self.holds.with(Id(batch.owner), |hold| {
            let Some(frame) = &hold.frame else { return Err(not_a_batch()) };
            if number < *cursor || number as usize >= hold.places.len() {
                let detail = format!("entry {number} of a batch of {} at cursor {cursor}", hold.places.len());
                return Err(Error::Inval.because(detail));
            }
            if !hold.mailbox.is_none() && !self.slot(hold.mailbox)?.is_live(hold.mailbox) {
                return Ok(false);
            }
            if hold.plain {
                *cursor = number + 1;
                return Ok(true);
            }
            let (at, passed) = (hold.places[number as usize], hold.passed.as_deref());
            let messages = hold.signals.is_empty();
            if messages && self.withdraw(hold.mailbox, frame, at, &mut hold.withdrawn, number as usize, passed) {
                *cursor = number + 1;
                return Ok(false);
            }
            if passed.is_some_and(|passed| !passed.pass(number)) {
                return Ok(false);
            }
            *cursor = number + 1;
            Ok(self.claim_entry(&mut hold.signals, number as usize))
        })?
    }

    fn claim_entry(&self, signals: &mut [Signal], number: usize) -> bool {
        match signals.get_mut(number) {
            None => true,
            Some(Signal { claimed: Some(_), life: 0, .. }) => true,
            Some(signal) => *signal.claimed.get_or_insert_with(|| self.claim(signal.index, signal.life)),
        }
    }
}

impl Slot {
    /// So many messages are in hand now. Call it under the lease.
    #[inline]
    fn take_up(&self, messages: u32) {
        self.receiving.in_hand.store(self.receiving.in_hand.load(Relaxed) + messages, Relaxed);
    }
}

/// Where the message with this place in the mailbox's order begins.
fn place_of(segment: &Segment, wanted: u64) -> At {
    let mut place = segment.first;
    for entry in segment.entries() {
        if place >= wanted {
            return entry.at;
        }
        place += entry.messages();
    }
    unreachable!("the segment holds message {wanted}")
}

fn gaps(segment: &Segment) -> u64 {
    segment.entries().filter(|entry| entry.header.kind == GAP).map(|entry| entry.header.tag).sum()
}

/// The same entries behind a gap.
fn with_gap(mut segment: Box<Segment>, lost: u64, trash: &mut Trash) -> Box<Segment> {
    let gap = Draft::gap(lost);
    let mut copy = Segment::new(gap.total() + segment.used(), segment.first);
    copy.append(&gap);
    copy.append_all(segment.entries());
    segment.empty_into(trash);
    copy
}
