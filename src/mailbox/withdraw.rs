//! Entries of an open batch that are nobody's any more when the cursor comes to them.
//!
//! Guarantees: a request whose caller no longer waits, and what was flushed meanwhile, is passed and counted once; none of
//! it is counted here once the end of the mailbox has counted it as discarded.

use super::give_back::place_at;
use super::hold::Withdrawn;
use super::receipts::{sender, Passed};
use super::segment::{At, Entry, Segment};
use super::{Slot, Store};
use crate::id::Id;
use crate::message::{KIND_MESSAGE, KIND_REQUEST};
use crate::recorder::{record_often, Event};
use crate::sync::atomic::Ordering::*;

impl Store {
    /// Whether entry `number` of a batch of messages is a request whose caller no longer waits, or was flushed meanwhile;
    /// then it is passed, and counted once.
    #[inline]
    pub(super) fn withdraw(
        &self,
        mailbox: Id,
        frame: &Segment,
        at: At,
        withdrawn: &mut Vec<Withdrawn>,
        number: usize,
        passed: Option<&Passed>,
    ) -> bool {
        let entry = frame.entry(at);
        let gone = match entry.header.kind as u32 {
            KIND_MESSAGE => false,
            KIND_REQUEST => !mailbox.is_none() && self.has_expired(&entry),
            _ => self.is_cut(mailbox, entry.header.r#ref),
        };
        gone && self.withdraw_now(mailbox, frame, &entry, withdrawn, number, passed)
    }

    #[cold]
    fn withdraw_now(
        &self,
        mailbox: Id,
        frame: &Segment,
        entry: &Entry<'_>,
        withdrawn: &mut Vec<Withdrawn>,
        number: usize,
        passed: Option<&Passed>,
    ) -> bool {
        if withdrawn.iter().any(|other| other.number == number) {
            return true;
        }
        let place = place_at(frame, entry.at);
        let event = if entry.is_request() { Event::Expired } else { Event::Flushed };
        record_often(event, mailbox, Id(entry.header.r#ref), i64::from(!entry.is_request()));
        let one = Withdrawn { number, flushed: !entry.is_request(), from: sender(entry.header), place };
        let counted = self.count_withdrawn(mailbox, &one, passed);
        if counted {
            withdrawn.push(one);
        }
        counted
    }

    /// Counts an entry of an open batch that was not delivered. False when the mailbox has ended and counted it as
    /// discarded for its receipts.
    fn count_withdrawn(&self, mailbox: Id, one: &Withdrawn, passed: Option<&Passed>) -> bool {
        let Ok(slot) = self.slot(mailbox) else { return true };
        let _head = slot.receiving.head.lock();
        slot.count_withdrawn(mailbox, one, 1, passed)
    }
}

impl Slot {
    /// Counts an entry of an open batch that was not delivered; negative when it goes back unread. False when the mailbox
    /// has ended and counted it as discarded for its receipts. Call it under the lease, which the end takes, too.
    pub(super) fn count_withdrawn(&self, mailbox: Id, one: &Withdrawn, by: i32, passed: Option<&Passed>) -> bool {
        let life = self.receiving.life.load(Acquire);
        if life != mailbox.life() && life != mailbox.life() + 1 {
            return true;
        }
        let mut tail = self.tail.lock();
        // The end looks how far the cursor is under the same lock.
        if passed.is_some_and(|passed| !passed.pass(one.number as u32)) {
            return false;
        }
        let in_hand = self.receiving.in_hand.load(Relaxed).wrapping_add_signed(-by);
        self.receiving.in_hand.store(in_hand, Relaxed);
        let count = &mut tail.cold().count;
        let of = if one.flushed { &mut count.flushed } else { &mut count.expired };
        *of = of.wrapping_add_signed(by as i64);
        tail.withdrawn_for_receipts(one.from, one.place, by);
        true
    }
}
