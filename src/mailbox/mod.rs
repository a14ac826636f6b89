//! A mailbox: a slot of the table, its queue, and the life of both.
//!
//! Guarantees: whoever holds a slot's lock and finds the id's life there has a live mailbox for as long as it holds
//! the lock. A mailbox ends once; ending takes lease and lock, so nobody is half way through a receive or a send, and
//! hands out everything that must be worked off without locks as [`Remains`].
//!
//! Two locks: the *lease* guards the receiving side ([`Head`]), the slot lock the sending side ([`Tail`]). Order:
//! lease, then slot; never two slots. The life and the counts of what was consumed are read without a lock.

// A segment is moved between slots, chains and frames as one pointer, so that a slot stays small.
#![allow(clippy::vec_box, clippy::redundant_allocation, clippy::boxed_local)]

mod batch;
mod budget;
mod compact;
mod conflate;
pub mod draft;
mod drain;
mod end;
mod give_back;
mod hold;
mod index;
mod links;
mod look;
mod notice;
mod part;
#[cfg(all(test, not(loom)))]
mod plain_model;
mod policy;
mod publish;
mod queue;
mod quota;
mod receipts;
mod receive;
mod room;
pub mod segment;
mod select;
mod signal;
mod spin;
mod suspend;
mod wait;
mod wake;
mod watching;
mod withdraw;

pub use end::{Affairs, Remains};
pub use links::{Exit, Pair};
pub use look::{MailboxView, Oldest, RecordView, Survey};
pub use policy::{Limit, Outcome, Policy};
pub use queue::Refusal;
pub use room::Room;
pub use select::Select;
pub use signal::Cancelled;
pub use wait::Patience;
pub use wake::{Attend, Roused, Waking};
use wake::{MailBell, Waiter};
pub use watching::{Ties, Will};

use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::message::{HandlerFn, MailboxCounters, STATE_ENDED, STATE_OPEN};
use crate::notify::Parker;
use crate::oneshot::{List, Of, Shots, Use};
use crate::owed::Callback;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicU8, Ordering::*};
use crate::sync::{rank, Arc, Mutex};
use crate::table::{Claims, Table};
use segment::Segment;
use std::collections::{HashSet, VecDeque};
use std::sync::Weak;

/// Default bound in messages.
pub const MAX_MESSAGES: u64 = 65_536;
/// Default bound in payload bytes.
pub const MAX_BYTES: u64 = 64 << 20;
/// How many later mailboxes must have ended before the counters of one that ended are gone.
const QUARANTINE: usize = if cfg!(loom) { 1 } else { 1024 };

/// A chain of segments, oldest first; no box until there are several.
pub type Chain = Option<Box<VecDeque<Box<Segment>>>>;
/// A host's handler and its user pointer; pull mailboxes may have a user pointer alone.
pub type Handler = Callback<Option<HandlerFn>>;

/// Everything that mailboxes of all engines share.
#[derive(Default)]
pub struct Store {
    pub slots: Slots,
    pub shots: Shots,
    pub quotas: quota::Quotas,
    pub budgets: budget::Budgets,
    pub(crate) holds: Claims<hold::Hold>,
    pool: queue::Pool,
    pub notices: notice::Notices,
}

/// The slot table.
pub struct Slots(Table<Slot>);

impl Default for Slots {
    fn default() -> Self {
        Slots(Table::new(QUARANTINE))
    }
}

/// One mailbox. What senders write and what receivers write lie on different cache lines, and neither side looks at
/// the other's line for each message.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    /// Moves whenever something comes in: a message, a signal, a batch put back, the end. Written under the slot lock.
    arrived: AtomicU32,
    engine: AtomicU32,
    tail: Mutex<Tail, { rank::SLOT }>,
    /// Bits of `td_notify` that no signal carries yet.
    noticed: AtomicU64,
    receiving: Receiving,
}

/// The receivers' cache line.
#[derive(Default)]
#[repr(C, align(64))]
struct Receiving {
    head: Mutex<Head, { rank::LEASE }>,
    /// Messages that left the queue, whichever way. Written under the lease.
    consumed: AtomicU64,
    consumed_bytes: AtomicU64,
    /// Stamp of the first signal in the queue, or `u64::MAX`.
    first_signal: AtomicU64,
    life: AtomicU32,
    /// Messages in batches that are open. Written under the lease, as are the flags.
    in_hand: AtomicU32,
    /// How long a batch receive lets messages gather (see `spin`).
    pace: AtomicU8,
    /// Whether spinning pays, for messages and, of those who call, for answers.
    hope: spin::Hope,
    answers: spin::Hope,
    /// Senders wait for room.
    blocked: AtomicBool,
    /// Somebody has a descriptor.
    belled: AtomicBool,
    /// Why receive calls get nothing: [`HANDLED`](suspend::HANDLED), [`SUSPENDED`](suspend::SUSPENDED).
    barred: AtomicU8,
    /// Watchers want receipts, so batches tell how far they are.
    receipts: AtomicBool,
}

const _: () = assert!(cfg!(loom) || std::mem::size_of::<Slot>() == 192);
const _: () = assert!(cfg!(loom) || std::mem::offset_of!(Tail, attention) == 48);

/// The sending side. With `arrived` and its lock, what each send writes is one cache line.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Tail {
    current: Option<Box<Segment>>,
    /// Messages taken in, ever: the place of the next one in the mailbox's order.
    accepted: u64,
    accepted_bytes: u64,
    /// `accepted` may rise to this before the bound has to be looked at again.
    limit: u64,
    limit_bytes: u64,
    /// The slot's life once more, for senders.
    life: u32,
    /// Dropped since the last message taken in; after the end: what the end marker will show.
    lost: u32,
    attention: u8,
    policy: Policy,
    /// log2 of the next segment's size.
    grow: u8,
    reason: i32,
    full: Chain,
    spare: Option<Box<Segment>>,
    cold: Option<Box<Cold>>,
    /// Of the engine's byte budget.
    granted: u64,
    signals: List,
}

/// The receiving side. A used-up `current` stays until the tail is drawn again, which takes it as its spare.
#[derive(Default)]
pub(crate) struct Head {
    current: Option<Box<Segment>>,
    more: Option<Box<More>>,
}

/// What a head has only under a backlog or after losses.
#[derive(Default)]
struct More {
    rest: VecDeque<Box<Segment>>,
    /// Losses that were passed and not shown yet: place in the order, and how many.
    lost: Vec<(u64, u64)>,
    /// Once receives by tag have met the backlog.
    index: Option<Box<index::Index>>,
    met_backlog: bool,
}

/// What few mailboxes have, behind one box that is made when first needed.
#[derive(Default)]
pub(crate) struct Cold {
    pub names: Vec<Arc<str>>,
    /// Records whose signal comes here: monitors, timers, calls.
    owned: List,
    timers: u32,
    monitors: u32,
    /// Nothing is taken in from outside, nothing at all (see `drain`).
    draining: bool,
    sealed: bool,
    /// The record that delivers the bits of `td_notify`.
    notice: Option<Id>,
    /// Records that watch this mailbox.
    watched: List,
    /// Subscriptions: rows of the quota table.
    pub quotas: Vec<Id>,
    pub ties: Ties,
    waiters: VecDeque<Waiter>,
    blocked: VecDeque<Arc<Parker>>,
    /// Which threads are calling whom in this mailbox's name, waiting.
    pub calling: Vec<(Arc<Parker>, Id)>,
    links: links::Links,
    receipts: Option<Box<receipts::Receipts>>,
    /// Threads that wait for this mailbox to end, or that send in its name and wait for room.
    enders: Vec<Arc<Parker>>,
    bell: Option<Arc<MailBell>>,
    reader: Option<Arc<dyn Attend>>,
    /// After the end: who may still be inside the handler.
    last_reader: Option<Weak<dyn Attend>>,
    handler: Option<Arc<Handler>>,
    limit: Limit,
    count: Count,
    /// After the end: the beginning of the reason's bytes.
    last_words: Box<[u8]>,
    /// Refs of parts in hand that are not to be delivered.
    cut: HashSet<u64>,
    /// The last search that found nothing in a long queue.
    sought: Option<Box<select::Select>>,
    /// The signal behind the one that was peeked at and taken last.
    behind_taken: Id,
    /// Once something was conflated.
    latest: Option<Box<conflate::Latest>>,
}

/// Counters that `accepted` and `consumed` do not give.
#[derive(Clone, Copy, Default)]
struct Count {
    dropped_new: u64,
    evicted: u64,
    conflated: u64,
    lost_shown: u64,
    refused: u64,
    flushed: u64,
    expired: u64,
    signals_in: u64,
    signals_delivered: u64,
    signals_flushed: u64,
    /// How often a queued signal may have become one that a search wants: put back, or with more bits.
    signals_changed: u64,
}

/// How a mailbox opens.
#[derive(Default)]
pub struct Opening {
    pub engine: u32,
    /// Its clock is moved by hand.
    pub by_hand: bool,
    pub policy: Policy,
    pub limit: Limit,
    pub reader: Option<Arc<dyn Attend>>,
    pub handler: Option<Arc<Handler>>,
}

impl Tail {
    pub(crate) fn cold(&mut self) -> &mut Cold {
        self.cold.get_or_insert_with(Default::default)
    }

    fn limits(&self) -> Limit {
        self.cold.as_ref().map_or(Limit::default(), |cold| cold.limit)
    }
}

impl Slot {
    #[inline]
    pub(crate) fn is_live(&self, id: Id) -> bool {
        self.receiving.life.load(Acquire) == id.life()
    }

    /// A place that differs from those of the slots beside it: where its receivers' holds are.
    #[inline]
    fn near(&self) -> u32 {
        (std::ptr::from_ref(self) as usize >> 6) as u32
    }

    #[inline]
    pub fn engine(&self) -> u32 {
        self.engine.load(Acquire)
    }

    /// `over` when the mailbox of this id has ended. Exact under the lease or the slot lock.
    #[inline]
    pub fn check(&self, id: Id, over: Error) -> Result<()> {
        let life = self.receiving.life.load(Acquire);
        if life == id.life() {
            Ok(())
        } else {
            Err(id.gone(Kind::Mailbox, life, over))
        }
    }

    /// Messages in the queue, not counting those in open batches.
    #[inline]
    fn queued(&self, tail: &Tail) -> u64 {
        tail.accepted - self.receiving.consumed.load(Acquire)
    }
}

impl Store {
    /// The slot that this id is or was in.
    #[inline]
    pub fn slot(&self, id: Id) -> Result<&Slot> {
        if !id.is(Kind::Mailbox) || id.life() & 1 == 0 {
            return Err(id.bad(Kind::Mailbox));
        }
        self.slots.0.get(id.index()).ok_or_else(|| id.bad(Kind::Mailbox))
    }

    /// The slot of a live mailbox; `TD_ENOPROC` when it has ended (it may end at once after).
    pub fn live(&self, id: Id) -> Result<&Slot> {
        let slot = self.slot(id)?;
        slot.check(id, Error::NoProc)?;
        Ok(slot)
    }

    /// Opens a mailbox; `still_open` is asked under the slot's lock, so that an engine that closes misses none.
    pub fn open(&self, opening: Opening, still_open: impl FnOnce() -> bool) -> Result<Id> {
        let (index, slot) = self.slots.0.take()?;
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        let life = slot.receiving.life.load(Relaxed) + 1;
        if !still_open() {
            drop((tail, head));
            self.slots.0.give_back(index, life - 1);
            return Err(Error::Stale.because("the engine is closed"));
        }
        let is_handled = opening.reader.is_some();
        let special = opening.handler.is_some() || !opening.limit.is_default();
        *head = Head::default();
        let attention = if is_handled { wake::LOOP } else { 0 };
        let engine = opening.engine;
        *tail = Tail { policy: opening.policy, grow: queue::SMALLEST, attention, life, ..Tail::default() };
        if opening.policy != Policy::Conflate {
            tail.limit = opening.limit.messages();
        }
        if special || opening.reader.is_some() {
            let Opening { limit, reader, handler, .. } = opening;
            tail.cold = Some(Box::new(Cold { limit, reader, handler, ..Cold::default() }));
        }
        slot.engine.store(engine, Relaxed);
        let receiving = &slot.receiving;
        let handled = if is_handled { suspend::HANDLED } else { 0 };
        receiving.barred.store(handled | if opening.by_hand { suspend::BY_HAND } else { 0 }, Relaxed);
        receiving.hope.begin();
        receiving.answers.begin();
        receiving.belled.store(false, Relaxed);
        receiving.blocked.store(false, Relaxed);
        receiving.receipts.store(false, Relaxed);
        receiving.in_hand.store(0, Relaxed);
        slot.receiving.first_signal.store(u64::MAX, Relaxed);
        slot.receiving.consumed.store(0, Relaxed);
        slot.receiving.consumed_bytes.store(0, Relaxed);
        slot.receiving.life.store(life, Release);
        Ok(Id::new(Kind::Mailbox, life, index))
    }

    /// Live mailboxes of an engine.
    pub fn of_engine(&self, engine: u32) -> impl Iterator<Item = Id> + '_ {
        self.slots.0.rows().filter_map(move |(index, slot)| {
            let _tail = slot.tail.lock();
            let life = slot.receiving.life.load(Acquire);
            (life & 1 == 1 && slot.engine() == engine).then(|| Id::new(Kind::Mailbox, life, index))
        })
    }

    /// Counters; also of a mailbox that has ended, until its slot is used again.
    pub fn stats(&self, id: Id) -> Result<MailboxCounters> {
        let slot = self.slot(id)?;
        let _head = slot.receiving.head.lock();
        let tail = slot.tail.lock();
        self.counters(slot, &tail, id)
    }

    /// As [`stats`](Self::stats), under both locks.
    fn counters(&self, slot: &Slot, tail: &Tail, id: Id) -> Result<MailboxCounters> {
        let ended = !slot.is_live(id);
        if ended && slot.receiving.life.load(Acquire) != id.life() + 1 {
            return Err(id.gone(Kind::Mailbox, slot.receiving.life.load(Acquire), Error::NoProc));
        }
        let none = Cold::default();
        let cold = tail.cold.as_deref().unwrap_or(&none);
        let count = cold.count;
        let sent = tail.accepted + count.signals_in + count.dropped_new + count.conflated;
        let lost = count.dropped_new + count.evicted;
        let flushed = count.flushed + count.signals_flushed;
        let left = slot.receiving.consumed.load(Acquire) - count.evicted - count.flushed - count.expired;
        let delivered = left - slot.receiving.in_hand.load(Acquire) as u64 + count.signals_delivered;
        let rest = sent - delivered - lost - count.conflated - flushed - count.expired;
        let bytes = tail.queued_bytes(slot);
        Ok(MailboxCounters {
            size: std::mem::size_of::<MailboxCounters>(),
            state: if ended { STATE_ENDED } else { STATE_OPEN },
            reason: tail.reason,
            sent,
            delivered,
            lost,
            flushed,
            expired: count.expired,
            discarded: if ended { rest } else { 0 },
            queued: if ended { 0 } else { rest },
            queued_bytes: if ended { 0 } else { bytes },
            refused: count.refused,
            monitors: cold.monitors as u64,
            monitored_by: cold.watched.len as u64,
            timers: cold.timers as u64,
            subscriptions: cold.quotas.len() as u64,
            names: cold.names.len() as u64,
            suspended: u64::from(!ended && tail.is_suspended()),
            conflated: count.conflated,
        })
    }

    /// Runs `work` on the cold part of a live mailbox.
    pub(crate) fn with_cold<R>(&self, id: Id, work: impl FnOnce(&mut Cold) -> R) -> Result<R> {
        let slot = self.slot(id)?;
        let mut tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        Ok(work(tail.cold()))
    }

    /// Puts an armed record in the list of its owner. `over` when the owner has ended.
    pub fn link_owner(&self, owner: Id, index: u32, over: Error) -> Result<()> {
        let slot = self.slot(owner)?;
        let mut tail = slot.tail.lock();
        slot.check(owner, over)?;
        let cold = tail.cold();
        cold.owned.push_back(&self.shots, Of::Owner, index);
        cold.counted(self.shots.at(index).usage(), 1);
        Ok(())
    }
}

impl Cold {
    /// Keeps the counts of own timers and monitors.
    fn counted(&mut self, usage: Use, by: i32) {
        match usage {
            Use::Timer => self.timers = self.timers.wrapping_add_signed(by),
            Use::Monitor => self.monitors = self.monitors.wrapping_add_signed(by),
            Use::Call | Use::Gather | Use::Link | Use::Notify | Use::Watch => {}
        }
    }

    fn disown(&mut self, shots: &Shots, index: u32) {
        if self.owned.remove(shots, Of::Owner, index) {
            self.counted(shots.at(index).usage(), -1);
        }
    }
}
