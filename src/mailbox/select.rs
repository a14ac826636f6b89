//! Selective receive: by fields, by ref, and by place (peek and take).
//!
//! Guarantees: what does not match stays in order; a scan is not repeated over the messages and signals that it has
//! passed, also not by the next receive with the same match; a reply or DOWN that is awaited by its ref is found through
//! its record, and the signal behind one that was passed or peeked at is, too, however long the queue is.

use super::compact::compact;
use super::index::Found;
use super::segment::{At, Segment};
use super::wait::Patience;
use super::{Head, Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::message::{Cursor, Match, Message, Trash, MATCH_REF};
use crate::oneshot::{List, Of, OneShot, Shots, State, NONE};
use crate::recorder::{record_often, Event};
use crate::sync::atomic::Ordering::*;

/// So long a queue is worth remembering how far it was searched.
const LONG: u64 = 32;

/// A match, and how far the queue was searched for it.
#[derive(Clone, Default)]
pub struct Select {
    wanted: Match,
    begun: bool,
    /// Messages before this place were looked at and not wanted.
    searched: u64,
    in_hand: bool,
    /// Values replaced so far: those looked at may have another sender now.
    conflated: u64,
    /// Signals up to this number, which this one had, were looked at and not wanted, unless some have changed since.
    heard: u64,
    heard_last: Id,
    changed: u64,
}

impl Select {
    pub fn new(wanted: Match) -> Select {
        Select { wanted, ..Select::default() }
    }

    /// Goes on from where the last search for the same ended.
    fn begin(&mut self, tail: &Tail) {
        if !std::mem::replace(&mut self.begun, true) {
            let sought = tail.cold.as_ref().and_then(|cold| cold.sought.as_deref());
            if let Some(sought) = sought.filter(|sought| sought.wanted == self.wanted) {
                self.clone_from(sought);
            }
        }
    }

    /// Looks at everything again that may have become another since.
    fn doubt(&mut self, tail: &Tail) {
        let count = tail.cold.as_ref().map(|cold| cold.count).unwrap_or_default();
        if std::mem::replace(&mut self.conflated, count.conflated) != count.conflated {
            self.searched = 0;
        }
        if std::mem::replace(&mut self.changed, count.signals_changed) != count.signals_changed {
            self.heard = 0;
        }
    }

    /// The signals up to this one were looked at and not wanted.
    fn hear(&mut self, shots: &Shots, last: u32) {
        if last != NONE {
            (self.heard, self.heard_last) = (shots.at(last).number(), shots.id(last));
        }
    }

    /// The signal record this match can only be met by, if it names one.
    fn record(&self) -> Option<Id> {
        let id = Id(self.wanted.r#ref);
        let signal = id.is(Kind::Monitor) || id.is(Kind::Timer) || id.is(Kind::Ticket);
        (self.wanted.fields & MATCH_REF != 0 && signal).then_some(id)
    }
}

impl Store {
    pub(super) fn take_selected(
        &self,
        slot: &Slot,
        id: Id,
        select: &mut Select,
        seen: &mut u32,
    ) -> Result<Option<Message>> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.is_barred(seen)? {
            return Ok(None);
        }
        let what = self.selected(slot, id, &mut head, select, (&mut trash, seen))?;
        let asked = slot.asked();
        drop(head);
        self.after_taking(slot, id, asked);
        Ok(what)
    }

    fn selected(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        select: &mut Select,
        (trash, seen): (&mut Trash, &mut u32),
    ) -> Result<Option<Message>> {
        if let Some(record) = select.record() {
            // The request of a call to oneself bears its ticket, too, and lies among the messages.
            let own = |shot: &&OneShot| shot.owner() == id && shot.target() != id;
            if let Some(shot) = self.shots.any(record).filter(own) {
                let mut tail = slot.tail.lock();
                *seen = slot.arrived.load(Acquire);
                let queued = shot.is(record.life(), State::Queued) && shot.is_linked(Of::Signal);
                let matches = queued && self.signal_matches(record.index(), &select.wanted);
                if !shot.has_more() {
                    if !matches {
                        return Ok(None);
                    }
                    let snapshot = self.unqueue(slot, &mut tail, record.index());
                    tail.cold().count.signals_delivered += 1;
                    drop(tail);
                    return self.signal_message(slot, head, record.index(), snapshot).map(Some);
                }
            }
        }
        loop {
            let (signal, stamp) = {
                let mut tail = slot.tail.lock();
                *seen = slot.arrived.load(Acquire);
                head.draw(&self.pool, &mut tail);
                select.begin(&tail);
                // Messages in open batches were not looked at and may have come back.
                let in_hand = slot.receiving.in_hand.load(Relaxed) > 0;
                if std::mem::replace(&mut select.in_hand, in_hand) || in_hand {
                    select.searched = 0;
                }
                select.doubt(&tail);
                let found = self.wanted_signal(&tail, id, select);
                let passed = found.map_or(tail.signals.last, |at| List::previous(&self.shots, Of::Signal, at));
                select.hear(&self.shots, passed);
                self.with_stamp(found)
            };
            head.trim(&self.pool, slot);
            match self.unexpired(slot, id, head, &select.wanted, select.searched, trash) {
                Some((segment, at, place)) if place < stamp => {
                    select.searched = place;
                    slot.tail.lock().remember(slot, select);
                    return self.take_at(slot, head, segment, at, trash).map(Some);
                }
                Some((.., place)) => select.searched = place,
                None => select.searched = head.end(),
            }
            let mut tail = slot.tail.lock();
            tail.remember(slot, select);
            let Some((index, life)) = signal else { return Ok(None) };
            // It may have been flushed since, and its record be something else by now.
            if self.shots.at(index).is(life, State::Queued) {
                let snapshot = self.unqueue(slot, &mut tail, index);
                tail.cold().count.signals_delivered += 1;
                drop(tail);
                return self.signal_message(slot, head, index, snapshot).map(Some);
            }
        }
    }

    /// The first live message at or after `from` that is wanted, as [`Head::find`] gives it. Requests on the way
    /// whose callers no longer wait go.
    fn unexpired(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        wanted: &Match,
        from: u64,
        trash: &mut Trash,
    ) -> Option<Found> {
        loop {
            let (segment, at, place) = head.find(wanted, from)?;
            if !self.drop_expired(slot, id, head, (segment, at, place), trash) {
                return Some((segment, at, place));
            }
        }
    }

    /// Drops an entry if it is a request whose caller no longer waits.
    fn drop_expired(&self, slot: &Slot, id: Id, head: &mut Head, found: (usize, At, u64), trash: &mut Trash) -> bool {
        let (segment, at, place) = found;
        let entry = head.segment(segment).entry(at);
        let from = entry.header.from;
        let expired = entry.is_request() && self.has_expired(&entry);
        if expired {
            record_often(Event::Expired, id, Id(entry.header.r#ref), 0);
            self.bury(slot, head.segment_mut(segment), at, 0, trash);
            slot.tail.lock().note_expired(from, place);
            head.trim(&self.pool, slot);
        }
        expired
    }

    fn signal_matches(&self, index: u32, wanted: &Match) -> bool {
        let shot = self.shots.at(index);
        let (tag, from) = {
            let body = shot.body();
            (body.tag, body.from)
        };
        wanted.accepts(shot.message_kind(), tag, from.0, self.shots.shown(index))
    }

    /// The first queued signal that is wanted, of those not looked at yet.
    fn wanted_signal(&self, tail: &Tail, id: Id, select: &Select) -> Option<u32> {
        let first = self.signal_behind(tail, id, select.heard, select.heard_last);
        let behind = |index: &u32| Some(List::next(&self.shots, Of::Signal, *index)).filter(|next| *next != NONE);
        std::iter::successors(first, behind).find(|index| self.signal_matches(*index, &select.wanted))
    }

    /// Index and life of a record, and its stamp.
    fn with_stamp(&self, found: Option<u32>) -> (Option<(u32, u32)>, u64) {
        let shot = found.map(|index| (index, self.shots.at(index)));
        (shot.map(|(index, shot)| (index, shot.life())), shot.map_or(u64::MAX, |(_, shot)| shot.stamp()))
    }

    /// The first queued signal with a number above this one, which the signal `reference` had.
    fn signal_behind(&self, tail: &Tail, id: Id, number: u64, reference: Id) -> Option<u32> {
        let queued = |index: u32| {
            let shot = self.shots.at(index);
            shot.owner() == id && shot.is_linked(Of::Signal)
        };
        let number_of = |index: u32| self.shots.at(index).number();
        let behind = |index: u32| Some(List::next(&self.shots, Of::Signal, index)).filter(|next| *next != NONE);
        let List { first, last, .. } = tail.signals;
        if number == 0 || first == NONE {
            return (first != NONE).then_some(first);
        }
        let peeked = self.shots.any(reference).map(|_| reference.index());
        if let Some(peeked) = peeked.filter(|index| queued(*index) && number_of(*index) == number) {
            return behind(peeked);
        }
        // It was taken: the one behind it is known, if it still is.
        let known =
            tail.cold.as_ref().and_then(|cold| self.shots.any(cold.behind_taken).map(|_| cold.behind_taken.index()));
        let follows = |index: u32| {
            let before = List::previous(&self.shots, Of::Signal, index);
            number_of(index) > number && (before == NONE || number_of(before) <= number)
        };
        if let Some(known) = known.filter(|index| queued(*index) && follows(*index)) {
            return Some(known);
        }
        let (mut front, mut back) = (first, last);
        loop {
            if number_of(front) > number {
                return Some(front);
            }
            if number_of(back) <= number {
                return behind(back);
            }
            // Neither is at its end: there are signals on both sides of the number.
            front = List::next(&self.shots, Of::Signal, front);
            back = List::previous(&self.shots, Of::Signal, back);
        }
    }

    /// Takes one live entry out of the middle of the queue, with the losses just before it.
    fn take_at(&self, slot: &Slot, head: &mut Head, segment: usize, at: At, trash: &mut Trash) -> Result<Message> {
        let mut message = {
            let entry = head.segment(segment).entry(at);
            self.holds.open(slot.near(), |hold, owner| hold.fill(&entry, owner))?
        };
        let first = head.front().filter(|front| segment == 0 && front.begin() == Some(at)).map(|front| front.first);
        let chosen = head.segment_mut(segment);
        self.bury(slot, chosen, at, 0, trash);
        let spent = chosen.live() == 0;
        if !spent && chosen.is_sparse() {
            let stamps = self.stamps(&slot.tail.lock());
            compact(chosen, &stamps, trash);
        }
        if let Some(place) = first {
            message.lost = head.show_lost(slot, place + 1);
        }
        head.trim(&self.pool, slot);
        if spent && segment > 0 && !head.drop_spent(segment) {
            head.prune(&|| self.stamps(&slot.tail.lock()), trash);
        }
        Ok(message)
    }

    /// A copy of the next message after `cursor`, which stays in the queue.
    pub fn peek(&self, id: Id, cursor: &mut Cursor, patience: &Patience<'_>) -> Result<Message> {
        let copy = *cursor;
        let mut next = copy;
        let message = self
            .wait_for(id, patience, true, |slot, seen| self.peek_now(slot, id, &copy, &mut next, seen))
            .or_else(|error| self.or_end(id, error))?;
        *cursor = next;
        Ok(message)
    }

    fn peek_now(
        &self,
        slot: &Slot,
        id: Id,
        cursor: &Cursor,
        next: &mut Cursor,
        seen: &mut u32,
    ) -> Result<Option<Message>> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.is_barred(seen)? {
            return Ok(None);
        }
        let what = self.peeked(slot, id, &mut head, cursor, next, (&mut trash, seen))?;
        let asked = slot.asked();
        drop(head);
        self.after_taking(slot, id, asked);
        Ok(what)
    }

    fn peeked(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        cursor: &Cursor,
        next: &mut Cursor,
        (trash, seen): (&mut Trash, &mut u32),
    ) -> Result<Option<Message>> {
        let [from, signal_from, place, reference] = cursor.words;
        let begun = place & 1 == 1 && place >> 1 == from.wrapping_sub(1);
        let placed = if place == 0 { from == 0 || reference != 0 } else { begun };
        loop {
            let (signal, stamp) = {
                let mut tail = slot.tail.lock();
                if !placed || from > tail.accepted || (reference == 0) != (signal_from == 0) {
                    return Err(no_cursor());
                }
                *seen = slot.arrived.load(Acquire);
                head.draw(&self.pool, &mut tail);
                self.with_stamp(self.signal_behind(&tail, id, signal_from, Id(reference)))
            };
            head.trim(&self.pool, slot);
            match self.unexpired(slot, id, head, &Match::default(), from, trash) {
                Some((segment, at, place)) if place < stamp => {
                    let entry = head.segment(segment).entry(at);
                    let message = self.holds.open(slot.near(), |hold, owner| hold.fill(&entry, owner))?;
                    next.words = [place + 1, signal_from, place << 1 | 1, reference];
                    return Ok(Some(message));
                }
                _ => {}
            }
            let Some((index, life)) = signal else { return Ok(None) };
            // It may have been flushed since; while the slot is locked it is not.
            let _tail = slot.tail.lock();
            let shot = self.shots.at(index);
            if shot.is(life, State::Queued) {
                let (reference, shown) = (self.shots.id(index), self.shots.shown(index));
                let said = self.look_at(shot);
                let message = self.holds.open(slot.near(), |hold, owner| hold.fill_signal(shot, shown, said, owner))?;
                next.words = [from, shot.number(), 0, reference.0];
                return Ok(Some(message));
            }
        }
    }

    /// Takes the message that was peeked last. `TD_ESTALE` when it is not there any more.
    pub fn take(&self, id: Id, cursor: &Cursor) -> Result<Message> {
        let slot = self.slot(id)?;
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.is_barred(&mut 0)? {
            return Err(Error::Again.because("the mailbox is suspended"));
        }
        let what = self.take_peeked(slot, id, &mut head, cursor, &mut trash);
        let asked = slot.asked();
        drop(head);
        self.after_taking(slot, id, asked);
        what
    }

    fn take_peeked(&self, slot: &Slot, id: Id, head: &mut Head, cursor: &Cursor, trash: &mut Trash) -> Result<Message> {
        let [.., place, reference] = cursor.words;
        let gone = || Error::Stale.because("the message peeked at was taken, flushed or dropped meanwhile");
        if place & 1 == 0 && reference != 0 {
            let record = Id(reference);
            let shot = self.shots.any(record).ok_or_else(gone)?;
            let mut tail = slot.tail.lock();
            if shot.owner() != id || !shot.is(record.life(), State::Queued) || !shot.is_linked(Of::Signal) {
                return Err(gone());
            }
            let behind = List::next(&self.shots, Of::Signal, record.index());
            tail.cold().behind_taken = if behind == NONE { Id::NONE } else { self.shots.id(behind) };
            let snapshot = self.unqueue(slot, &mut tail, record.index());
            tail.cold().count.signals_delivered += 1;
            drop(tail);
            return self.signal_message(slot, head, record.index(), snapshot);
        }
        if place & 1 == 0 {
            return Err(Error::Inval.because("the cursor has peeked at nothing yet; call td_recv_peek first"));
        }
        let place = place >> 1;
        head.trim(&self.pool, slot);
        match head.find(&Match::default(), place) {
            Some((segment, at, found)) if found == place => {
                if self.drop_expired(slot, id, head, (segment, at, place), trash) {
                    return Err(gone());
                }
                self.take_at(slot, head, segment, at, trash)
            }
            _ => Err(gone()),
        }
    }
}

#[cold]
fn no_cursor() -> Error {
    Error::Inval
        .because("this cursor was not left by an earlier td_recv_peek of this mailbox; begin with TD_CURSOR_INIT")
}

impl Tail {
    /// Has the next search for the same go on from where this one is, if that is worth it.
    fn remember(&mut self, slot: &Slot, select: &Select) {
        if slot.queued(self) + self.signals.len as u64 > LONG {
            **self.cold().sought.get_or_insert_default() = select.clone();
        }
    }
}

impl Head {
    pub(super) fn segment(&self, number: usize) -> &Segment {
        // The current segment is number 0 also when it is used up, as in `segments`.
        let offset = usize::from(self.current.is_some());
        match &self.current {
            Some(current) if number == 0 => Some(current),
            _ => self.more.as_ref().and_then(|more| more.rest.get(number - offset)),
        }
        .expect("the search gave this segment")
    }

    fn segment_mut(&mut self, number: usize) -> &mut Box<Segment> {
        let offset = usize::from(self.current.is_some());
        match &mut self.current {
            Some(current) if number == 0 => Some(current),
            _ => self.more.as_mut().and_then(|more| more.rest.get_mut(number - offset)),
        }
        .expect("the search gave this segment")
    }

    /// The place after the last message here.
    fn end(&self) -> u64 {
        let place = |segment: &Segment| segment.first + segment.messages;
        self.segments().filter(|segment| segment.begin().is_some()).last().map_or(0, place)
    }

    /// The first live message at or after `from` that is wanted. `Err` when it was not among the first `most` that were
    /// looked at: the place reached.
    pub(super) fn search(&self, wanted: &Match, from: u64, mut most: usize) -> Result<Option<Found>, u64> {
        for (number, segment) in self.segments().enumerate() {
            if segment.end() <= from {
                continue;
            }
            let mut place = segment.first;
            for entry in segment.entries() {
                let header = entry.header;
                if entry.is_live() && place >= from {
                    if wanted.accepts(header.kind as u32, header.tag, header.from, header.r#ref) {
                        return Ok(Some((number, entry.at, place)));
                    }
                    if most == 0 {
                        return Err(place);
                    }
                    most -= 1;
                }
                place += entry.messages();
            }
        }
        Ok(None)
    }
}
