//! The queue's sending side: appending to the tail, and swapping the chain out to the head.
//!
//! Guarantees: a send is one lock of the slot, one copy of the payload and, in the steady state, no allocation; the
//! order of the entries is the order in which senders held the lock. Bounds count head and tail together.

use super::conflate::conflates;
use super::draft::{Draft, GAP, KIND_DEAD};
use super::segment::{Run, Segment};
use super::{Head, Policy, Receiving, Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::mailbox::wake::Roused;
use crate::message::{FrameHeader, Payload, INLINE_MAX, KIND_MESSAGE};
use crate::oneshot::{Of, Shots};
use crate::sync::atomic::Ordering::*;
use crate::sync::{rank, Mutex};
use std::collections::VecDeque;

/// log2 of the smallest and the largest segment.
pub(super) const SMALLEST: u8 = 7;
const LARGEST: u8 = 16;
/// A smaller segment that is full is written anew in this size.
const WHOLE: usize = 1 << 8;
/// A used-up segment of less than this is kept by its mailbox for the next messages; a larger one goes to the pool.
const KEEP: u8 = 12;
/// Places of loss that are told apart at most, when a signal waits among them.
const NOTED: usize = 1024;
/// Bytes of one size that the pool keeps going round, and bytes that it holds at most.
const ROUND: usize = 2 << 20;
const POOLED: usize = 3 << 20;

/// Used-up segments of the larger sizes, for any mailbox. Busy queues pass these round instead of giving them to the
/// allocator on one core and asking for fresh pages on the other. The one that came back longest ago goes first, and
/// only once enough of them are going round that its lines have left the cache of the core that read it: writing to
/// lines that another core still holds costs several times as much.
#[derive(Default)]
pub struct Pool(Mutex<[VecDeque<Box<Segment>>; (LARGEST - KEEP + 1) as usize], { rank::TABLE }>);

impl Pool {
    fn take(&self, size: u8, first: u64) -> Option<Box<Segment>> {
        let pooled = {
            let mut sizes = self.0.lock();
            let pool = &mut sizes[(size - KEEP) as usize];
            if pool.len() >= ROUND >> size {
                pool.pop_front()
            } else {
                None
            }
        };
        match pooled {
            Some(mut segment) => {
                segment.reset(first);
                Some(segment)
            }
            None => Segment::try_new(1 << size, first),
        }
    }

    /// Keeps a segment that holds no payloads any more, if it is of a size that is pooled.
    fn give(&self, segment: Box<Segment>) {
        let size = segment.capacity().ilog2() as u8;
        if segment.capacity() != 1 << size || !(KEEP..=LARGEST).contains(&size) {
            return;
        }
        let mut sizes = self.0.lock();
        let pool = &mut sizes[(size - KEEP) as usize];
        if pool.len() < POOLED >> size {
            pool.push_back(segment);
        }
    }
}

/// Why a message was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bound is reached: the mailbox's policy decides.
    Full,
    /// The engine's byte budget is: the policy decides as well.
    Short,
    /// Nothing that a policy could change.
    Never(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Never(error)
    }
}

impl Store {
    /// Appends a message if there is room; the record of a request becomes a watcher in the same step. Who has to be
    /// woken goes to `roused`, which held nobody: to hand it back would be to copy it.
    #[inline(always)]
    pub fn push(&self, to: Id, draft: &Draft<'_>, record: Option<u32>, roused: &mut Roused) -> Result<(), Refusal> {
        let slot = self.slot(to)?;
        let mut tail = slot.tail.lock();
        tail.check(to)?;
        if let Err(refusal) = tail.admit(self, slot, draft) {
            // Of one that is full the policy decides, and counts.
            if let Refusal::Never(_) = refusal {
                tail.cold().count.refused += 1;
            }
            return Err(refusal);
        }
        tail.watch(&self.shots, record);
        tail.rouse(to, 1, roused);
        Ok(())
    }

    /// Appends messages under one lock, until one has no room or is too large to be copied in.
    pub fn push_many(&self, to: Id, from: Id, items: &[(u64, &[u8])]) -> Result<(usize, Roused)> {
        let slot = self.slot(to)?;
        let mut tail = slot.tail.lock();
        tail.check(to)?;
        let mut taken = 0;
        for (tag, data) in items.iter().take_while(|(_, data)| data.len() <= INLINE_MAX) {
            let header = FrameHeader { kind: KIND_MESSAGE as u8, from: from.0, tag: *tag, ..FrameHeader::default() };
            let draft = Draft { header, payload: Payload::Copy(data), topic: &[], trailer: None };
            if tail.admit(self, slot, &draft).is_err() {
                break;
            }
            taken += 1;
        }
        let roused = tail.roused_by(to, taken);
        Ok((taken, roused))
    }

    /// Whether a message of this size has no room now.
    pub fn is_full(&self, to: Id, size: u64) -> bool {
        let Ok(slot) = self.slot(to) else { return false };
        let tail = slot.tail.lock();
        slot.is_live(to) && !tail.has_room(self, slot, size)
    }
}

impl Tail {
    /// Whether a message of this size fits the bounds now.
    pub(super) fn has_room(&self, store: &Store, slot: &Slot, size: u64) -> bool {
        let need = self.queued_bytes(slot) + size;
        self.fits(slot, size) && self.could_hold(store.budgets.of(slot.engine()), &self.limits(), need)
    }

    /// Whether it fits the mailbox's own bound, whatever the engine's budget.
    pub(super) fn fits(&self, slot: &Slot, size: u64) -> bool {
        let limits = self.limits();
        slot.queued(self) < limits.messages() && self.queued_bytes(slot) + size <= limits.bytes()
    }

    /// `TD_ENOPROC` unless the mailbox of this id lives here.
    #[inline(always)]
    fn check(&self, id: Id) -> Result<()> {
        if self.life == id.life() {
            Ok(())
        } else {
            Err(id.gone(Kind::Mailbox, self.life, Error::NoProc))
        }
    }

    #[inline]
    pub(super) fn watch(&mut self, shots: &Shots, record: Option<u32>) {
        if let Some(index) = record {
            self.cold().watched.push_back(shots, Of::Target, index);
        }
    }

    /// Appends, or says that the bound is reached. What a mailbox conflates is as if it were full.
    #[inline(always)]
    pub(super) fn admit(&mut self, store: &Store, slot: &Slot, draft: &Draft<'_>) -> Result<(), Refusal> {
        let size = draft.payload.size() as u64;
        if self.accepted >= self.limit || size > self.limit_bytes - self.accepted_bytes {
            // A copy, so that the draft of the fast path needs no place in memory: it would be written field by field and
            // read back in larger pieces at once, which makes the processor wait.
            return self.admit_slowly(store, slot, &{ *draft });
        }
        self.append(&store.pool, draft, size)?;
        slot.note_arrival();
        Ok(())
    }

    #[cold]
    fn admit_slowly(&mut self, store: &Store, slot: &Slot, draft: &Draft<'_>) -> Result<(), Refusal> {
        self.check_outside(&draft.header)?;
        if self.policy == Policy::Conflate && conflates(draft.header.kind) {
            return Err(Refusal::Full);
        }
        self.admit_new(store, slot, draft)
    }

    /// As [`admit`](Self::admit), for what has nothing to replace.
    pub(super) fn admit_new(&mut self, store: &Store, slot: &Slot, draft: &Draft<'_>) -> Result<(), Refusal> {
        let size = draft.payload.size() as u64;
        self.look(store, slot, size, None)?;
        self.append(&store.pool, draft, size)?;
        self.count_for_receipts(&draft.header);
        slot.note_arrival();
        Ok(())
    }

    /// Appends a run of messages with this ref, if that is within the bound as it was last looked at, nothing has to be
    /// shown before it and there is memory.
    #[inline]
    pub(super) fn admit_run(&mut self, pool: &Pool, slot: &Slot, run: &Run, reference: u64) -> bool {
        let has_room =
            self.accepted + run.len() as u64 <= self.limit && run.bytes <= self.limit_bytes - self.accepted_bytes;
        if !has_room || self.lost > 0 {
            return false;
        }
        let segment = match &mut self.current {
            Some(segment) if segment.fits(run.total()) => segment,
            _ => match self.extend(pool, run.total()) {
                Some(segment) => segment,
                None => return false,
            },
        };
        segment.append_run(run, reference, 0);
        self.accepted += run.len() as u64;
        self.accepted_bytes += run.bytes;
        slot.note_arrival();
        true
    }

    /// Whether no send may pass without a look: it may be refused, replace another or be counted.
    fn looks_always(&self) -> bool {
        let cold = |cold: &super::Cold| cold.draining || cold.sealed || cold.receipts.is_some();
        self.policy == Policy::Conflate || self.cold.as_deref().is_some_and(cold)
    }

    /// Looks at what was consumed meanwhile: whether there is room for one message of `size` bytes, or for `size` in
    /// the place of the `old` bytes of one that is queued. Empty messages need no bytes.
    pub(super) fn look(&mut self, store: &Store, slot: &Slot, size: u64, old: Option<u64>) -> Result<(), Refusal> {
        let limits = self.limits();
        let budget = store.budgets.of(slot.engine());
        if size > limits.bytes() {
            let detail = format!("{size} bytes; this mailbox holds {} at most", limits.bytes());
            return Err(Error::TooBig.because(detail).into());
        }
        if size > budget.max() {
            let detail = format!("{size} bytes; the engine's byte budget is {}", budget.max());
            return Err(Error::TooBig.because(detail).into());
        }
        let consumed_bytes = slot.receiving.consumed_bytes.load(Acquire);
        let need = self.accepted_bytes - consumed_bytes - old.unwrap_or(0) + size;
        self.limit = slot.receiving.consumed.load(Acquire).saturating_add(limits.messages());
        let full = old.is_none() && self.accepted >= self.limit || size > 0 && need > limits.bytes();
        let granted = full || self.grant(budget, need, limits.bytes());
        let most = consumed_bytes.saturating_add(limits.bytes().min(self.granted));
        // A batch that was put back may have gone over it.
        self.limit_bytes = most.max(self.accepted_bytes);
        if self.looks_always() {
            self.limit = 0;
        }
        match () {
            () if full => Err(Refusal::Full),
            () if size > 0 && !granted => Err(Refusal::Short),
            () => Ok(()),
        }
    }

    /// Takes a message in, whatever the bound. `TD_ENOMEM` leaves everything as it was.
    #[inline(always)]
    fn append(&mut self, pool: &Pool, draft: &Draft<'_>, size: u64) -> Result<()> {
        let lost = self.lost as u64;
        let gap = Draft::gap(lost);
        // The mark of what was dropped lies in one segment with the message behind it.
        let total = draft.total() + if lost > 0 { gap.total() } else { 0 };
        let segment = match &mut self.current {
            Some(segment) if segment.fits(total) => segment,
            _ => self.extend(pool, total).ok_or(Error::NoMem)?,
        };
        if lost > 0 {
            segment.append(&gap);
        }
        segment.append(draft);
        self.lost = 0;
        self.accepted += 1;
        self.accepted_bytes += size;
        Ok(())
    }

    /// Whether any entries are here. A current segment that is used up is the only one.
    pub(super) fn has_messages(&self) -> bool {
        self.full.is_some() || self.current.as_ref().is_some_and(|segment| segment.begin().is_some())
    }

    /// A segment with room for `total` bytes, as the current one; `None` when there is no memory for it, and then
    /// everything is as it was.
    #[cold]
    fn extend(&mut self, pool: &Pool, total: usize) -> Option<&mut Box<Segment>> {
        let Some(filled) = self.current.as_ref().filter(|segment| segment.begin().is_some()) else {
            let fresh = self.fresh(pool, total, self.grow)?;
            return Some(self.current.insert(fresh));
        };
        if filled.capacity() < WHOLE && self.full.is_none() && filled.used() + total <= WHOLE {
            // Few small messages stay together, for one batch.
            let mut larger = Segment::try_new(WHOLE, filled.first)?;
            larger.append_all(filled.entries());
            self.grow = WHOLE.ilog2() as u8;
            return Some(self.current.insert(larger));
        }
        let grow = (self.grow + 1).min(LARGEST);
        let fresh = self.fresh(pool, total, grow)?;
        let mut full = self.full.take().unwrap_or_default();
        let reserved = full.try_reserve(1).is_ok();
        if reserved {
            full.extend(self.current.replace(fresh));
            self.grow = grow;
        }
        self.full = Some(full).filter(|full| !full.is_empty());
        self.current.as_mut().filter(|_| reserved)
    }

    /// An empty segment of the size that is next.
    fn fresh(&mut self, pool: &Pool, total: usize, grow: u8) -> Option<Box<Segment>> {
        if grow >= KEEP && total <= 1 << grow {
            return pool.take(grow, self.accepted);
        }
        let spare =
            self.spare.take_if(|spare| spare.capacity() >= total.max(1 << grow) / 2 && spare.capacity() >= total);
        let Some(mut spare) = spare else { return Segment::try_new(total.max(1 << grow), self.accepted) };
        spare.reset(self.accepted);
        Some(spare)
    }
}

impl Head {
    /// The first segment that holds anything.
    #[inline]
    pub(super) fn front(&self) -> Option<&Segment> {
        self.current.as_deref().filter(|segment| segment.begin().is_some())
    }

    fn has_rest(&self) -> bool {
        self.more.as_ref().is_some_and(|more| !more.rest.is_empty())
    }

    /// Every segment, oldest first.
    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        let rest = self.more.iter().flat_map(|more| more.rest.iter());
        self.current.iter().chain(rest).map(|segment| &**segment)
    }

    /// Takes the tail's whole chain over, behind what is here.
    pub(super) fn draw(&mut self, pool: &Pool, tail: &mut Tail) {
        self.turn(pool);
        if !tail.has_messages() {
            return;
        }
        if let Some(used) = self.current.take_if(|segment| segment.begin().is_none()) {
            if used.capacity() < 1 << KEEP {
                tail.spare.get_or_insert(used);
            } else {
                pool.give(used);
            }
        }
        if let Some(current) = &tail.current {
            if tail.full.is_none() && current.used() * 4 < current.capacity() && tail.grow > SMALLEST {
                tail.grow -= 1;
            }
        }
        if let Some(chain) = tail.full.take() {
            chain.into_iter().for_each(|segment| self.put_behind(segment));
        }
        if let Some(last) = tail.current.take() {
            self.put_behind(last);
        }
    }

    #[inline]
    fn put_behind(&mut self, segment: Box<Segment>) {
        match &self.current {
            None => self.current = Some(segment),
            Some(_) => self.more.get_or_insert_default().rest.push_back(segment),
        }
    }

    /// Moves on to the next segment when the current one is used up and there is another.
    pub(super) fn turn(&mut self, pool: &Pool) {
        if self.front().is_some() || !self.has_rest() {
            return;
        }
        if let Some(used) = self.current.take() {
            self.spend(pool, used);
        }
        if let Some(more) = &mut self.more {
            self.current = more.rest.pop_front();
            self.drop_more();
        }
    }

    /// Lets go of the box of a backlog that is gone.
    pub(super) fn drop_more(&mut self) {
        self.more.take_if(|more| more.rest.is_empty() && more.lost.is_empty());
    }

    /// Passes what is dead at the front, keeping the count of what was lost there.
    pub(super) fn trim(&mut self, pool: &Pool, slot: &Slot) {
        loop {
            while let Some(segment) = &mut self.current {
                let Some(header) = segment.begin().map(|at| *segment.entry(at).header) else { break };
                let place = segment.first;
                match header.kind {
                    GAP => {
                        segment.pass();
                        self.lose(slot, header.tag, place);
                    }
                    KIND_DEAD => drop(segment.pass()),
                    _ => return,
                }
            }
            if !self.has_rest() {
                return;
            }
            self.turn(pool);
        }
    }

    /// Notes losses at `place` that are passed and were not shown, in the order of the places. Those that nothing can
    /// lie between are added up: no queued signal, and nothing of a batch that may come back.
    pub(super) fn lose(&mut self, slot: &Slot, lost: u64, place: u64) {
        if lost == 0 {
            return;
        }
        let Receiving { first_signal, in_hand, .. } = &slot.receiving;
        let together = first_signal.load(Acquire) > place && in_hand.load(Relaxed) == 0;
        let noted = &mut self.more.get_or_insert_default().lost;
        let at = noted.partition_point(|(other, _)| *other <= place);
        let many = noted.len() >= NOTED;
        match at.checked_sub(1).and_then(|before| noted.get_mut(before)) {
            Some((_, count)) if many || together => *count += lost,
            _ => noted.insert(at, (place, lost)),
        }
    }

    /// Losses noted before `place`, to be shown now.
    #[inline]
    pub(super) fn lost_before(&mut self, place: u64) -> u64 {
        let Some(more) = &mut self.more else { return 0 };
        let shown = more.lost.iter().take_while(|(at, _)| *at < place).count();
        let lost = more.lost.drain(..shown).map(|(_, count)| count).sum();
        self.drop_more();
        lost
    }

    /// The losses before `place`, to show with the message delivered now.
    #[inline]
    pub(super) fn show_lost(&mut self, slot: &Slot, place: u64) -> u64 {
        let lost = self.lost_before(place);
        if lost > 0 {
            slot.tail.lock().cold().count.lost_shown += lost;
        }
        lost
    }

    /// Keeps an emptied segment for the next messages, if that is worth it.
    pub(super) fn spend(&mut self, pool: &Pool, mut used: Box<Segment>) {
        if used.capacity() >= 1 << KEEP {
            pool.give(used);
        } else if self.current.is_none() {
            used.reset(0);
            self.current = Some(used);
        }
    }
}

impl Slot {
    /// Counts messages as consumed. Call it under the lease.
    #[inline]
    pub(super) fn consume(&self, messages: u64, bytes: u64) {
        self.receiving.consumed.store(self.receiving.consumed.load(Relaxed) + messages, Release);
        self.receiving.consumed_bytes.store(self.receiving.consumed_bytes.load(Relaxed) + bytes, Release);
    }

    /// Counts messages as queued again. Call it under the lease.
    pub(super) fn restore(&self, messages: u64, bytes: u64) {
        self.receiving.consumed.store(self.receiving.consumed.load(Relaxed) - messages, Release);
        self.receiving.consumed_bytes.store(self.receiving.consumed_bytes.load(Relaxed) - bytes, Release);
    }
}
