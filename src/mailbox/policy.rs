//! Bounds, and what happens when a mailbox or a subscription has reached its own.
//!
//! Guarantees: a message is refused, dropped or waits, and each is counted where its loser can see it; requests and
//! signals are never evicted; a subscription evicts only messages of its own.

use super::conflate::{conflates, shared};
use super::draft::Draft;
use super::{Head, Refusal, Remains, Slot, Store, Tail, MAX_BYTES, MAX_MESSAGES};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::wake::Roused;
use crate::message::{is_kept, Trash, KIND_REQUEST, KIND_TOPIC, REASON_OVERFLOW};
use crate::notify::Parker;
use crate::recorder::{record_often, Event};
use crate::sync::atomic::Ordering::*;
use crate::sync::Arc;
use std::ops::Range;

/// What a full mailbox does with the next message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    #[default]
    Fail,
    Block,
    DropNew,
    DropOld,
    /// The mailbox, or the mailbox of the subscription, ends.
    Kill,
    /// The queued value of the same tag is replaced, also while there is room.
    Conflate,
}

impl Policy {
    /// From the number of the C header.
    pub fn of(number: u32) -> Result<Policy> {
        match number {
            0 => Ok(Policy::Fail),
            1 => Ok(Policy::Block),
            2 => Ok(Policy::DropNew),
            3 => Ok(Policy::DropOld),
            4 => Ok(Policy::Kill),
            5 => Ok(Policy::Conflate),
            _ => {
                let known = "TD_FAIL, TD_BLOCK, TD_DROP_NEW, TD_DROP_OLD, TD_KILL or TD_CONFLATE (0 to 5)";
                let detail = format!("policy is {number}; use {known}");
                Err(Error::Inval.because(detail))
            }
        }
    }
}

/// A mailbox's bound; zero stands for the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    pub max_messages: u64,
    pub max_bytes: u64,
    /// `Block`: nanoseconds a send waits; 0 is for ever.
    pub block_timeout: i64,
}

impl Limit {
    pub fn is_default(&self) -> bool {
        self.max_messages == 0 && self.max_bytes == 0 && self.block_timeout == 0
    }
    pub fn messages(&self) -> u64 {
        if self.max_messages == 0 {
            MAX_MESSAGES
        } else {
            self.max_messages
        }
    }
    pub fn bytes(&self) -> u64 {
        if self.max_bytes == 0 {
            MAX_BYTES
        } else {
            self.max_bytes
        }
    }
}

/// What became of a message that met a bound.
pub enum Outcome {
    Queued(Roused),
    /// In the place of the queued value of its key.
    Replaced(Roused),
    /// Dropped, as the policy says; the receiver will see how many.
    Dropped,
    /// Refused, and the mailbox has ended for it: whoever hears of that must be told.
    Overflowed(Box<Remains>),
}

impl Store {
    /// Sends with the mailbox's policy, but without waiting: `Refusal::Full` is for the caller to wait or to give up.
    /// The record of a request is put in the mailbox's list of watchers in the same step.
    pub fn offer(&self, to: Id, draft: &Draft<'_>, record: Option<u32>) -> Result<Outcome, Refusal> {
        let mut roused = None;
        match self.push(to, draft, record, &mut roused) {
            Ok(()) => Ok(Outcome::Queued(roused)),
            Err(Refusal::Full) => match self.overflow(to, draft, record, Refusal::Full) {
                // In its own bound there was room, or it made some.
                Err(Refusal::Short) => {
                    let _tight = self.reclaim(self.slot(to)?.engine());
                    self.overflow(to, draft, record, Refusal::Short)
                }
                outcome => outcome,
            },
            Err(Refusal::Short) => {
                let _tight = self.reclaim(self.slot(to)?.engine());
                match self.push(to, draft, record, &mut roused) {
                    Ok(()) => Ok(Outcome::Queued(roused)),
                    Err(Refusal::Never(error)) => Err(error.into()),
                    Err(full) => self.overflow(to, draft, record, full),
                }
            }
            Err(never) => Err(never),
        }
    }

    #[cold]
    fn overflow(&self, to: Id, draft: &Draft<'_>, record: Option<u32>, why: Refusal) -> Result<Outcome, Refusal> {
        let slot = self.slot(to)?;
        let mut trash = Trash::new();
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        slot.check(to, Error::NoProc)?;
        let kept = is_kept(draft.header.kind);
        // Tried once more, and then counted.
        let again = |refusal: Refusal| refusal == Refusal::Short && why == Refusal::Full;
        let result = match tail.policy {
            Policy::DropNew if !kept => {
                tail.drop_new();
                record_often(Event::Dropped, to, Id(draft.header.from), 1);
                Ok(Outcome::Dropped)
            }
            Policy::DropOld => loop {
                match tail.admit(self, slot, draft) {
                    Ok(()) => {
                        tail.watch(&self.shots, record);
                        break Ok(Outcome::Queued(tail.roused(to)));
                    }
                    Err(refusal) => {
                        if !refusal.is_full() || !self.evict(slot, &mut head, &mut tail, None, &mut trash) {
                            tail.cold().count.refused += (refusal.is_full() && !again(refusal)) as u64;
                            break Err(refusal);
                        }
                        record_often(Event::Evicted, to, Id::NONE, 1);
                    }
                }
            },
            Policy::Conflate if conflates(draft.header.kind) => {
                let conflated = self.conflate(slot, &mut head, &mut tail, draft, &mut trash);
                tail.cold().count.refused += conflated.is_err_and(|refusal| !again(refusal)) as u64;
                conflated.map(|replaced| match replaced {
                    true => {
                        record_often(Event::Conflated, to, Id(draft.header.from), draft.payload.size() as i64);
                        Outcome::Replaced(tail.roused(to))
                    }
                    false => Outcome::Queued(tail.roused(to)),
                })
            }
            Policy::Block => Err(why),
            Policy::Kill => Ok(self.overflowed(slot, &mut head, &mut tail, to)),
            _ => {
                tail.cold().count.refused += 1;
                Err(why)
            }
        };
        drop((tail, head));
        drop(trash);
        result
    }

    /// Sends a publication under its subscription's bound, then the mailbox's; never waits, never refuses a live
    /// mailbox: `None` when the subscription is over.
    pub fn publish(&self, subscription: Id, draft: &Draft<'_>) -> Option<Outcome> {
        self.publish_into(subscription, draft, &mut Trash::new())
    }

    /// As [`publish`](Self::publish), under a lock of the caller's, who drops what was evicted when it is gone.
    #[inline]
    pub fn publish_into(&self, subscription: Id, draft: &Draft<'_>, trash: &mut Trash) -> Option<Outcome> {
        match self.try_publish(subscription, draft) {
            Ok(outcome) => Some(outcome),
            Err(Refusal::Full | Refusal::Short) => {
                let to = self.quotas.find(subscription).ok()?.mailbox();
                let engine = self.slot(to).ok()?.engine();
                let short = self.is_short(to, draft.payload.size() as u64);
                let _tight = short.then(|| self.reclaim(engine));
                self.publish_overflow(subscription, draft, trash)
            }
            Err(Refusal::Never(_)) => None,
        }
    }

    /// As [`publish`](Self::publish), but leaves it to the caller what happens where there is no room, or where values
    /// are conflated.
    pub fn try_publish(&self, subscription: Id, draft: &Draft<'_>) -> Result<Outcome, Refusal> {
        let quota = self.quotas.find(subscription)?;
        let to = quota.mailbox();
        let slot = self.slot(to)?;
        let mut tail = slot.tail.lock();
        if !slot.is_live(to) || !quota.is_live(subscription) {
            return Err(Error::Stale.into());
        }
        if quota.is_bounded() && quota.queued() >= quota.limit() || quota.policy() == Policy::Conflate {
            return Err(Refusal::Full);
        }
        let full = |refusal: Refusal| if refusal == Refusal::Short { refusal } else { Refusal::Full };
        tail.admit(self, slot, &quota.mark(subscription, draft)).map_err(full)?;
        if quota.is_bounded() {
            quota.count(subscription.life(), 1);
        }
        Ok(Outcome::Queued(tail.roused(to)))
    }

    #[cold]
    fn publish_overflow(&self, own: Id, draft: &Draft<'_>, trash: &mut Trash) -> Option<Outcome> {
        let quota = self.quotas.find(own).ok()?;
        let to = quota.mailbox();
        let slot = self.slot(to).ok()?;
        let draft = &quota.mark(own, draft);
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        if !slot.is_live(to) || !quota.is_live(own) {
            return None;
        }
        let over_own = quota.is_bounded() && quota.queued() >= quota.limit();
        // What says something in `info` is no value: a dead letter tells of one message.
        let is_value = draft.trailer.is_none_or(|trailer| trailer.info == [0; 2]);
        let conflates = is_value && (quota.policy() == Policy::Conflate || tail.policy == Policy::Conflate);
        let block = if conflates { shared(draft.payload).ok() } else { None };
        let draft = &block.as_ref().map_or(*draft, |block| draft.replaceable(block));
        let replaced = match block {
            Some(_) => self.replace(slot, &mut head, &mut tail, draft, trash),
            None => Ok(false),
        };
        let room = |tail: &mut Tail, never: &mut bool| {
            let admitted = match block {
                None if is_value => tail.admit(self, slot, draft),
                _ => tail.admit_new(self, slot, draft),
            };
            // Where it cannot be taken in at all, others are not to go for it.
            *never |= matches!(admitted, Err(Refusal::Never(_)));
            admitted.is_ok()
        };
        let mut never = replaced.is_err() || draft.payload.size() as u64 > tail.limits().bytes();
        let policy = if over_own { quota.policy() } else { tail.policy };
        let mut fits = !never && !over_own && replaced == Ok(false) && room(&mut tail, &mut never);
        if policy == Policy::DropOld && !never && replaced == Ok(false) {
            let victim = (over_own || quota.is_bounded()).then_some(own);
            while !fits && !never && self.evict(slot, &mut head, &mut tail, victim, trash) {
                record_often(Event::Evicted, to, own, 1);
                fits = room(&mut tail, &mut never);
            }
        }
        let outcome = if replaced == Ok(true) {
            record_often(Event::Conflated, to, own, draft.payload.size() as i64);
            Outcome::Queued(tail.roused(to))
        } else if fits {
            if quota.is_bounded() {
                quota.count(own.life(), 1);
            }
            if conflates {
                self.note_latest(slot, &head, &mut tail, draft);
            }
            Outcome::Queued(tail.roused(to))
        } else if policy == Policy::Kill && !never {
            self.overflowed(slot, &mut head, &mut tail, to)
        } else {
            tail.drop_new();
            record_often(Event::Dropped, to, own, 1);
            Outcome::Dropped
        };
        Some(outcome)
    }

    /// Ends a mailbox that may not lose what it cannot hold.
    fn overflowed(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, id: Id) -> Outcome {
        tail.cold().count.refused += 1;
        Outcome::Overflowed(Box::new(self.end_here(slot, head, tail, id, REASON_OVERFLOW)))
    }

    /// Drops the oldest message that may be dropped (of one subscription, if given); false when there is none.
    fn evict(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, of: Option<Id>, trash: &mut Trash) -> bool {
        let wanted = |kind: u8, reference: u64| match of {
            Some(of) => kind as u32 == KIND_TOPIC && reference == of.0,
            None => !is_kept(kind),
        };
        // Nothing of a subscription lies before the place where its oldest was found last.
        let quota = of.and_then(|of| self.quotas.find(of).ok());
        let from = quota.map_or(0, |quota| quota.oldest.load(Relaxed));
        let stamps = |tail: &Tail| self.stamps(tail);
        let places = from..u64::MAX;
        let buried = head.bury_first(self, slot, &wanted, places.clone(), 1, &|| stamps(tail), trash).or_else(|| {
            head.draw(&self.pool, tail);
            head.bury_first(self, slot, &wanted, places, 1, &|| stamps(tail), trash)
        });
        let Some((place, sender)) = buried else { return false };
        tail.gone_for_receipts(sender, place);
        if let Some(quota) = quota {
            quota.oldest.store(place, Relaxed);
        }
        tail.cold().count.evicted += 1;
        true
    }

    /// Takes every queued message of a subscription out.
    pub fn flush_subscription(&self, mailbox: Id, subscription: Id) -> Result<()> {
        self.flush_messages(mailbox, subscription, |slot, head, tail, trash| {
            self.flush_of(slot, head, tail, subscription, trash);
            slot.cut(tail, subscription);
        })
    }

    /// Takes the queued messages with a ref out. Call it when the tail was drawn.
    pub(super) fn flush_of(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, of: Id, trash: &mut Trash) {
        self.flush_in(slot, head, tail, &|reference| reference == of.0, 0..u64::MAX, trash);
    }

    /// Takes the queued messages in these places whose ref is one of some out; not requests, whose ref is their
    /// caller's. Call it when the tail was drawn.
    pub(super) fn flush_in(
        &self,
        slot: &Slot,
        head: &mut Head,
        tail: &mut Tail,
        of: &dyn Fn(u64) -> bool,
        mut places: Range<u64>,
        trash: &mut Trash,
    ) {
        let wanted = |kind: u8, reference: u64| of(reference) && kind as u32 != KIND_REQUEST;
        let mut flushed = 0;
        while let Some(buried) = head.bury_first(self, slot, &wanted, places.clone(), 0, &|| self.stamps(tail), trash) {
            places.start = buried.0;
            tail.gone_for_receipts(buried.1, buried.0);
            flushed += 1;
        }
        tail.cold().count.flushed += flushed;
    }

    /// Does what takes messages with the ref `of` out of a live mailbox, and what comes of that.
    pub(super) fn flush_messages(
        &self,
        mailbox: Id,
        of: Id,
        flush: impl FnOnce(&Slot, &mut Head, &mut Tail, &mut Trash),
    ) -> Result<()> {
        let slot = self.slot(mailbox)?;
        let mut trash = Trash::new();
        let belled = {
            let mut head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            slot.check(mailbox, Error::NoProc)?;
            head.draw(&self.pool, &mut tail);
            let before = tail.cold().count.flushed;
            flush(slot, &mut head, &mut tail, &mut trash);
            let flushed = tail.cold().count.flushed - before;
            if flushed > 0 {
                record_often(Event::Flushed, mailbox, of, flushed as i64);
            }
            slot.receiving.belled.load(Relaxed)
        };
        drop(trash);
        if belled {
            self.after_receive(slot, mailbox);
        }
        self.room_came_free(slot, mailbox);
        Ok(())
    }

    /// Policy and block timeout of a mailbox.
    pub fn policy(&self, id: Id) -> Result<(Policy, i64)> {
        let slot = self.slot(id)?;
        let tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        Ok((tail.policy, tail.limits().block_timeout))
    }

    /// Has `parker` woken when the mailbox ends.
    pub fn tell_end(&self, id: Id, parker: &Arc<Parker>) -> Result<()> {
        self.with_cold(id, |cold| cold.enders.push(parker.clone()))
    }

    pub fn forget_end(&self, id: Id, parker: &Arc<Parker>) {
        let _ = self.with_cold(id, |cold| cold.enders.retain(|other| !Arc::ptr_eq(other, parker)));
    }
}

impl Tail {
    fn drop_new(&mut self) {
        self.lost = self.lost.saturating_add(1);
        self.cold().count.dropped_new += 1;
    }
}
