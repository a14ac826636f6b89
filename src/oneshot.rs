//! One-shot records: what monitors, timers and reply tickets are underneath.
//!
//! Guarantees: a record is made in advance, so firing it allocates nothing, and its state moves ARMED -> QUEUED ->
//! DELIVERED, or ARMED -> CANCELLED, or QUEUED -> FLUSHED, each by one compare-and-swap on a word that also holds its
//! life; so each of them fires, is cancelled and is delivered at most once, and a stale id changes nothing. (The
//! record of a repeating timer goes from QUEUED back to ARMED when its tick is delivered; that of a watch, when its RESYNC
//! is taken off the queue.)
//!
//! Invariants: a record is a member of up to four places: the list of the mailbox that owns it, the list of the
//! mailbox it watches, the timer wheel, and the signal queue (or an open batch). `holds` counts them, plus the thread
//! that waits for a blocking call; whoever ends the last one frees the row. Links are guarded by the lock of the slot
//! whose list it is, or, once that mailbox has ended, belong to the thread that ended it.

mod body;
mod list;

pub use body::{Body, Rare};
pub use list::{List, Of};

use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::message::{KIND_DOWN, KIND_EXIT, KIND_NOTIFY, KIND_REPLIES, KIND_REPLY, KIND_RESYNC, KIND_TIMER};
use crate::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering::*};
use crate::sync::{rank, Mutex};
use crate::table::Table;

/// What a record stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Use {
    Monitor = 1,
    Timer = 2,
    Call = 3,
    /// One end of a link: its owner hears of, or ends with, its target.
    Link = 4,
    /// Members of a group, keys present, interest in topics; its signal is a RESYNC.
    Watch = 5,
    /// Calls of several mailboxes at once.
    Gather = 6,
    /// The bits of `td_notify`; fires again and again.
    Notify = 7,
}

impl Use {
    pub fn kind(self) -> Kind {
        match self {
            Use::Monitor => Kind::Monitor,
            Use::Timer => Kind::Timer,
            Use::Call | Use::Gather => Kind::Ticket,
            Use::Link => Kind::Link,
            Use::Watch => Kind::Watch,
            Use::Notify => Kind::Notice,
        }
    }
}

/// Where a record is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Free = 0,
    Armed = 1,
    Queued = 2,
    Delivered = 3,
    Cancelled = 4,
    Flushed = 5,
}

/// No record.
pub const NONE: u32 = u32::MAX;
/// How many later records come free before a row is another's: till then it tells whose engine a late reply is for.
const REST: usize = if cfg!(loom) { 0 } else { 64 };

/// Marks of a record: parts of its answer were sent; it is a call that is one of several.
const STREAMS: u8 = 1;
const GATHERED: u8 = 2;

#[derive(Debug)]
struct Link {
    previous: AtomicU32,
    next: AtomicU32,
}

/// See the file's comment.
#[derive(Debug)]
pub struct OneShot {
    word: AtomicU64,
    /// The mailbox that gets the signal; zero for a blocking call and for a timer to a name.
    owner: AtomicU64,
    target: AtomicU64,
    stamp: AtomicU64,
    /// Its number among the signals of its owner, from 1.
    number: AtomicU64,
    links: [Link; 3],
    /// Position in the timer wheel.
    pub place: AtomicU32,
    linked: AtomicU8,
    holds: AtomicU32,
    usage: AtomicU8,
    home: AtomicU32,
    repeats: AtomicU8,
    /// [`STREAMS`], [`GATHERED`].
    marks: AtomicU8,
    body: Mutex<Body, { rank::RECORD }>,
}

impl Default for OneShot {
    fn default() -> Self {
        let link = || Link { previous: AtomicU32::new(NONE), next: AtomicU32::new(NONE) };
        OneShot {
            word: AtomicU64::new(0),
            owner: AtomicU64::new(0),
            target: AtomicU64::new(0),
            stamp: AtomicU64::new(0),
            number: AtomicU64::new(0),
            links: [link(), link(), link()],
            place: AtomicU32::new(NONE),
            linked: AtomicU8::new(0),
            holds: AtomicU32::new(0),
            usage: AtomicU8::new(0),
            home: AtomicU32::new(0),
            repeats: AtomicU8::new(0),
            marks: AtomicU8::new(0),
            body: Mutex::new(Body::default()),
        }
    }
}

fn word(life: u32, state: State) -> u64 {
    (life as u64) << 8 | state as u64
}

impl OneShot {
    #[inline]
    pub fn life(&self) -> u32 {
        (self.word.load(Acquire) >> 8) as u32
    }

    /// True while the record has this life and is in this state.
    #[inline]
    pub fn is(&self, life: u32, state: State) -> bool {
        self.word.load(Acquire) == word(life, state)
    }

    /// The one compare-and-swap that all transitions are.
    #[inline]
    pub fn shift(&self, life: u32, from: State, to: State) -> bool {
        self.word.compare_exchange(word(life, from), word(life, to), AcqRel, Acquire).is_ok()
    }

    pub fn state(&self) -> State {
        use State::{Armed, Cancelled, Delivered, Flushed, Free, Queued};
        [Free, Armed, Queued, Delivered, Cancelled, Flushed][self.word.load(Acquire) as usize % 256]
    }

    pub fn owner(&self) -> Id {
        Id(self.owner.load(Acquire))
    }

    /// A timer to a name finds its owner when it expires.
    pub fn set_owner(&self, owner: Id) {
        self.owner.store(owner.0, Release);
    }

    pub fn target(&self) -> Id {
        Id(self.target.load(Acquire))
    }

    pub fn stamp(&self) -> u64 {
        self.stamp.load(Acquire)
    }

    /// Its place among the messages of its owner, and its number among the signals.
    pub fn set_stamp(&self, stamp: u64, number: u64) {
        self.stamp.store(stamp, Release);
        self.number.store(number, Release);
    }

    pub fn number(&self) -> u64 {
        self.number.load(Acquire)
    }

    pub fn usage(&self) -> Use {
        match self.usage.load(Acquire) {
            1 => Use::Monitor,
            2 => Use::Timer,
            4 => Use::Link,
            5 => Use::Watch,
            6 => Use::Gather,
            7 => Use::Notify,
            _ => Use::Call,
        }
    }

    /// The gathering that a call is one of, or none. It looks into the body.
    pub fn gathering(&self) -> Id {
        match self.marks.load(Acquire) & GATHERED {
            0 => Id::NONE,
            _ => self.body().rare.as_ref().map_or(Id::NONE, |rare| rare.gathering),
        }
    }

    /// Messages with its ref come before its signal: parts, or the replies of a gathering.
    pub fn has_more(&self) -> bool {
        self.streams() || self.usage() == Use::Gather
    }

    pub fn streams(&self) -> bool {
        self.marks.load(Acquire) & STREAMS != 0
    }

    pub fn set_streams(&self) {
        self.marks.fetch_or(STREAMS, AcqRel);
    }

    /// A part was queued at this place. Call it under the lock of the owner's slot.
    pub fn note_part(&self, place: u64) {
        let mut body = self.body();
        let parts = &mut body.rare().parts;
        *parts = if parts.is_empty() { place..place + 1 } else { parts.start..place + 1 };
    }

    /// Where its parts may be queued. Exact under the lock of the owner's slot.
    pub fn parts(&self) -> std::ops::Range<u64> {
        self.body().rare.as_ref().map_or(0..0, |rare| rare.parts.clone())
    }

    /// A request that is forwarded has a new target. It must be in no list of watchers.
    pub fn set_target(&self, target: Id) {
        self.target.store(target.0, Release);
    }

    pub fn repeats(&self) -> bool {
        self.repeats.load(Acquire) != 0
    }

    /// What is queued of it now is the last of it.
    pub fn cease(&self) {
        self.repeats.store(0, Release);
    }

    /// Row of the engine it belongs to.
    pub fn home(&self) -> u32 {
        self.home.load(Acquire)
    }

    /// Kind of the message it becomes.
    pub fn message_kind(&self) -> u32 {
        match self.usage() {
            Use::Monitor => KIND_DOWN,
            Use::Timer => KIND_TIMER,
            Use::Call => KIND_REPLY,
            Use::Link => KIND_EXIT,
            Use::Watch => KIND_RESYNC,
            Use::Gather => KIND_REPLIES,
            Use::Notify => KIND_NOTIFY,
        }
    }

    pub fn body(&self) -> crate::sync::Guard<'_, Body, { rank::RECORD }> {
        self.body.lock()
    }

    /// One more member place.
    pub fn hold(&self) {
        self.holds.fetch_add(1, AcqRel);
    }

    #[inline]
    pub fn is_linked(&self, of: Of) -> bool {
        self.linked.load(Acquire) & 1 << of as u8 != 0
    }
}

/// The table of all records.
#[derive(Debug)]
pub struct Shots {
    rows: Table<OneShot>,
}

impl Default for Shots {
    fn default() -> Self {
        Shots { rows: Table::new(REST) }
    }
}

/// What a new record is made of.
#[derive(Debug)]
pub struct Making {
    pub usage: Use,
    pub owner: Id,
    pub target: Id,
    pub holds: u8,
    /// Row of the engine it belongs to.
    pub home: u32,
    pub body: Body,
}

impl Shots {
    /// An armed record, in no list yet.
    pub fn make(&self, making: Making) -> Result<(Id, &OneShot)> {
        let (index, shot) = self.rows.take()?;
        let life = shot.life() + 1;
        shot.owner.store(making.owner.0, Relaxed);
        shot.target.store(making.target.0, Relaxed);
        shot.place.store(NONE, Relaxed);
        shot.linked.store(0, Relaxed);
        shot.holds.store(making.holds as u32, Relaxed);
        shot.usage.store(making.usage as u8, Relaxed);
        shot.home.store(making.home, Relaxed);
        shot.repeats.store((making.body.period() > 0 || making.usage == Use::Watch) as u8, Relaxed);
        let gathered = making.body.rare.as_ref().is_some_and(|rare| !rare.gathering.is_none());
        shot.marks.store(if gathered { GATHERED } else { 0 }, Relaxed);
        *shot.body.lock() = making.body;
        shot.word.store(word(life, State::Armed), Release);
        Ok((Id::new(making.usage.kind(), life, index), shot))
    }

    #[inline]
    pub fn at(&self, index: u32) -> &OneShot {
        self.rows.at(index)
    }

    /// The live record of this id. `TD_ESTALE` when it is over, `TD_EBADID` when it never was.
    pub fn find(&self, id: Id, kind: Kind) -> Result<&OneShot> {
        id.expect(kind)?;
        let shot = self.rows.get(id.index()).ok_or_else(|| id.bad(kind))?;
        let usage = shot.usage();
        // Looked at after the use: the row may have become another record's in between.
        let life = shot.life();
        if life != id.life() {
            return Err(id.gone(kind, life, Error::Stale));
        }
        if usage.kind() != kind || usage == Use::Notify {
            return Err(id.bad(kind));
        }
        Ok(shot)
    }

    /// The live record of this id, whatever it stands for.
    pub fn any(&self, id: Id) -> Option<&OneShot> {
        let shot = self.rows.get(id.index())?;
        // Looked at after the use, as in `find`.
        (id.is(shot.usage().kind()) && shot.life() == id.life()).then_some(shot)
    }

    /// The full id of a record in a list.
    pub fn id(&self, index: u32) -> Id {
        let shot = self.at(index);
        Id::new(shot.usage().kind(), shot.life(), index)
    }

    /// The `ref` of the message that a record becomes: its id, that of its gathering, or zero for what the host has no
    /// id of.
    pub fn shown(&self, index: u32) -> u64 {
        match self.at(index).usage() {
            Use::Link | Use::Notify => 0,
            Use::Call => match self.at(index).gathering() {
                Id::NONE => self.id(index).0,
                gathering => gathering.0,
            },
            _ => self.id(index).0,
        }
    }

    /// Ends one membership; the last one frees the row. No lock may be held: a payload may be released here.
    pub fn let_go(&self, index: u32) {
        let shot = self.at(index);
        let holds = shot.holds.fetch_sub(1, AcqRel);
        assert!(holds > 0 || !cfg!(any(debug_assertions, loom)), "a record was let go of too often");
        if holds == 1 {
            let life = shot.life() + 1;
            let body = std::mem::take(&mut *shot.body.lock());
            shot.word.store(word(life, State::Free), Release);
            self.rows.give_back(index, life);
            drop(body);
        }
    }
}

const _: () = assert!(cfg!(loom) || std::mem::size_of::<OneShot>() == 160);

#[cfg(all(test, not(loom)))]
mod tests;
