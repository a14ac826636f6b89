//! Receiving one message: the oldest, or (in `select`) one that is wanted.
//!
//! Guarantees: two receivers never get the same message; signals come in their place among the messages; a message is
//! handed out as a copy (or a share, if it travels by reference) that its owner id keeps until it is released.

use super::select::Select;
use super::wait::Patience;
use super::{Head, Slot, Store};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{Message, Trash, FRAME_BOUNDED};
use crate::recorder::{record_often, Event};
use crate::sync::atomic::Ordering::*;

/// What a receive call takes.
pub enum Wanted {
    /// The oldest message.
    Any,
    /// The oldest message that a match accepts.
    Select(Select),
}

impl Store {
    /// Receives one message.
    pub fn recv(&self, id: Id, wanted: &mut Wanted, patience: &Patience<'_>) -> Result<Message> {
        self.wait_for(id, patience, matches!(wanted, Wanted::Select(_)), |slot, seen| match wanted {
            Wanted::Any => self.take_oldest(slot, id, seen),
            Wanted::Select(select) => self.take_selected(slot, id, select, seen),
        })
    }

    fn take_oldest(&self, slot: &Slot, id: Id, seen: &mut u32) -> Result<Option<Message>> {
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        slot.check(id, Error::Closed)?;
        if slot.is_barred(true, seen)? {
            return Ok(None);
        }
        let what = self.oldest(slot, id, &mut head, &mut trash, seen)?;
        let taken = slot.taken(what, trash);
        drop(head);
        Ok(self.after_taking(slot, id, taken))
    }

    fn oldest(
        &self,
        slot: &Slot,
        id: Id,
        head: &mut Head,
        trash: &mut Trash,
        seen: &mut u32,
    ) -> Result<Option<Message>> {
        loop {
            head.trim(&self.pool, slot);
            if head.front().is_none() {
                let mut tail = slot.tail.lock();
                *seen = slot.arrived.load(Acquire);
                head.draw(&self.pool, &mut tail);
                if head.front().is_none() && tail.signals.is_empty() {
                    return Ok(None);
                }
                drop(tail);
                head.trim(&self.pool, slot);
            }
            let next = head.front().map(|segment| segment.first);
            if slot.receiving.first_signal.load(Acquire) <= next.unwrap_or(u64::MAX - 1) {
                if let Some(message) = self.front_signal(slot, head, next)? {
                    return Ok(Some(message));
                }
            }
            let Some(segment) = &mut head.current else { continue };
            let Some(at) = segment.begin() else { continue };
            let place = segment.first;
            let entry = segment.entry(at);
            let (size, bounded) = (entry.size() as u64, entry.header.flags & FRAME_BOUNDED != 0);
            if bounded {
                self.quotas.count(entry.header.r#ref, -1);
            }
            if entry.is_request() && self.has_expired(&entry) {
                let from = entry.header.from;
                record_often(Event::Expired, id, Id(entry.header.r#ref), 0);
                trash.extend(segment.pass());
                slot.consume(1, size);
                slot.tail.lock().note_expired(from, place);
                continue;
            }
            let (owner, mut message) = self.holds.open(slot.near(), |hold| hold.fill(&entry))?;
            // The entry's own share of the payload goes with the entry; the hold has its own.
            trash.extend(segment.pass());
            slot.consume(1, size);
            message.owner = owner.0;
            message.lost = head.show_lost(slot, place + 1);
            return Ok(Some(message));
        }
    }

    /// Takes the first signal if it comes before message number `next`.
    fn front_signal(&self, slot: &Slot, head: &mut Head, next: Option<u64>) -> Result<Option<Message>> {
        let (index, snapshot) = {
            let mut tail = slot.tail.lock();
            if next.is_none() && (tail.current.is_some() || tail.full.is_some()) {
                // Messages have come in since; only they tell what comes first.
                return Ok(None);
            }
            let index = tail.signals.first;
            if tail.signals.is_empty() || next.is_some_and(|next| self.shots.at(index).stamp() > next) {
                return Ok(None);
            }
            let snapshot = self.unqueue(slot, &mut tail, index);
            tail.cold().count.signals_delivered += 1;
            (index, snapshot)
        };
        self.signal_message(slot, head, index, snapshot).map(Some)
    }
}
