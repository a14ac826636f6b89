//! Parts of streamed replies, and requests that are forwarded.
//!
//! Guarantees: a part is queued only while its call waits, so parts come before the one REPLY; no policy drops them.
//! Taking a call back takes its parts out of the queue, and those in hand are not delivered any more. A request is
//! watched by one mailbox at a time, or by none while it is on its way.

use super::draft::Draft;
use super::suspend::CUT;
use super::wake::Roused;
use super::{Head, Outcome, Refusal, Slot, Store, Tail};
use crate::error::Error;
use crate::id::{Id, Kind};
use crate::message::{FrameHeader, Payload, Trash, KIND_PART};
use crate::oneshot::{Of, State};
use crate::sync::atomic::Ordering::*;
use std::ops::Range;

pub(super) const PART: u8 = KIND_PART as u8;

impl Store {
    /// Queues a part of the answer to a started call in its caller's mailbox.
    pub fn push_part(&self, ticket: Id, payload: Payload<'_>) -> Result<Roused, Refusal> {
        let shot = self.shots.find(ticket, Kind::Ticket)?;
        let (owner, gathering) = (shot.owner(), shot.gathering());
        let slot = self.slot(owner)?;
        let header = {
            let body = shot.body();
            let r#ref = if gathering.is_none() { ticket.0 } else { gathering.0 };
            FrameHeader { kind: PART, from: body.from.0, tag: body.tag, r#ref, ..FrameHeader::default() }
        };
        let draft = Draft { header, payload, topic: &[], trailer: None };
        let push = || {
            let mut tail = slot.tail.lock();
            if !slot.is_live(owner) || !shot.is(ticket.life(), State::Armed) {
                return Err(Error::Stale.into());
            }
            shot.set_streams();
            tail.admit(self, slot, &draft)?;
            shot.note_part(tail.accepted - 1);
            Ok(tail.roused(owner))
        };
        match push() {
            Err(Refusal::Short) => {
                let _tight = self.reclaim(slot.engine());
                push()
            }
            pushed => pushed,
        }
    }

    /// The call's caller still waits.
    pub fn is_awaited(&self, ticket: Id) -> bool {
        self.shots.at(ticket.index()).is(ticket.life(), State::Armed)
    }

    /// Takes the parts with this ref out of these places, and of the batches that are in hand.
    pub fn flush_parts(&self, mailbox: Id, reference: Id, places: Range<u64>) {
        let _ = self.flush_messages(mailbox, reference, |slot, head, tail, trash| {
            self.flush_in(slot, head, tail, &|other| other == reference.0, places, trash);
            slot.cut(tail, reference);
        });
    }

    /// Takes out what was handed back of what was flushed meanwhile.
    pub(super) fn flush_cut(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, trash: &mut Trash) {
        if slot.receiving.barred.load(Relaxed) & CUT != 0 {
            let cut = std::mem::take(&mut tail.cold().cut);
            self.flush_in(slot, head, tail, &|reference| cut.contains(&reference), 0..u64::MAX, trash);
            tail.cold().cut = cut;
        }
    }

    /// Whether what is in hand with this ref was flushed, and so is not to be delivered.
    pub(super) fn is_cut(&self, mailbox: Id, reference: u64) -> bool {
        let Ok(slot) = self.slot(mailbox) else { return false };
        if slot.receiving.barred.load(Acquire) & CUT == 0 {
            return false;
        }
        let mut tail = slot.tail.lock();
        slot.is_live(mailbox) && tail.cold().cut.contains(&reference)
    }

    /// Wakes senders that wait for room in a mailbox, so that they look at what they wait for.
    pub fn wake_blocked(&self, mailbox: Id) {
        if let Ok(slot) = self.slot(mailbox) {
            self.room_came_free(slot, mailbox);
        }
    }

    /// Sends a request that waits for its answer on to another mailbox, which then is the one that is watched. When it
    /// cannot be sent, it stays with the mailbox that has it; `true` when that has ended meanwhile, and so the record is
    /// the caller's to fire and to let go of.
    pub fn forward(&self, to: Id, ticket: Id, draft: &Draft<'_>) -> (Result<Outcome, Refusal>, bool) {
        let (index, life) = (ticket.index(), ticket.life());
        let shot = match self.shots.find(ticket, Kind::Ticket) {
            Ok(shot) => shot,
            Err(error) => return (Err(error.into()), false),
        };
        let from = shot.target();
        {
            let Ok(slot) = self.slot(from) else { return (Err(Error::Stale.into()), false) };
            let mut tail = slot.tail.lock();
            let here = slot.is_live(from) && shot.target() == from && shot.is_linked(Of::Target);
            if !here || !shot.is(life, State::Armed) || !tail.cold().watched.remove(&self.shots, Of::Target, index) {
                return (Err(Error::Stale.into()), false);
            }
        }
        shot.set_target(to);
        match self.offer(to, draft, Some(index)) {
            Ok(Outcome::Queued(roused)) => {
                // Answered or taken back meanwhile: nobody else takes it out there.
                if !shot.is(life, State::Armed) {
                    self.unwatch(index, life);
                }
                (Ok(Outcome::Queued(roused)), false)
            }
            refused => {
                shot.set_target(from);
                let ended = !matches!(self.link_target(from, index, life), Ok(true));
                (refused, ended)
            }
        }
    }
}

impl Slot {
    /// What is in hand with this ref is not to be delivered: the parts of a call, the messages of a subscription, the
    /// edges of a watch. Call it under the lease and the slot lock.
    pub(super) fn cut(&self, tail: &mut Tail, reference: Id) {
        if self.receiving.in_hand.load(Relaxed) > 0 {
            tail.cold().cut.insert(reference.0);
            self.receiving.barred.fetch_or(CUT, Release);
        }
    }

    /// Once nothing is in hand, nothing has to be kept from delivery. Call it under the lease.
    #[inline]
    pub(super) fn forget_cut(&self, barred: u8) {
        if barred & CUT != 0 && self.receiving.in_hand.load(Relaxed) == 0 {
            self.tail.lock().cold().cut.clear();
            self.receiving.barred.fetch_and(!CUT, Relaxed);
        }
    }
}
