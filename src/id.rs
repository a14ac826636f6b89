//! Ids: 64 bits that name an object of the engine for ever.
//!
//! Guarantees: an id is never used again for something else. It holds kind (4 bits), generation (32) and index (28).
//! The generation is the *life* of the row at that index: odd while the object lives, one more (even) once it is
//! over, so a stale id and a made-up one can be told apart without any record of the past. In the child of a fork
//! indexes begin above all those of the parent, so an id of the parent's is known by its index ([`forked_below`]).

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering::*};

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Engine = 1,
    Mailbox = 2,
    Monitor = 3,
    Timer = 4,
    Subscription = 5,
    Watch = 6,
    Loop = 7,
    Ticket = 8,
    /// The owner of a received message or batch.
    Hold = 9,
    /// One end of a link; the host never sees it.
    Link = 10,
    /// What delivers the bits of `td_notify`; the host never sees it.
    Notice = 11,
}

impl Kind {
    pub const ALL: [Kind; 11] = [
        Kind::Engine,
        Kind::Mailbox,
        Kind::Monitor,
        Kind::Timer,
        Kind::Subscription,
        Kind::Watch,
        Kind::Loop,
        Kind::Ticket,
        Kind::Hold,
        Kind::Link,
        Kind::Notice,
    ];

    pub fn noun(self) -> &'static str {
        match self {
            Kind::Engine => "an engine",
            Kind::Mailbox => "a mailbox",
            Kind::Monitor => "a monitor",
            Kind::Timer => "a timer",
            Kind::Subscription => "a subscription",
            Kind::Watch => "a watch",
            Kind::Loop => "a loop",
            Kind::Ticket => "a ticket",
            Kind::Hold => "a message or batch owner",
            Kind::Link => "one end of a link",
            Kind::Notice => "a notice",
        }
    }
}

const INDEX_BITS: u32 = 28;
/// The highest number of rows a table can have.
pub const MAX_ROWS: usize = 1 << INDEX_BITS;

static FORKED_BELOW: AtomicU32 = AtomicU32::new(0);

/// The first index of this process; ids of lower ones are those of the process it was forked from.
pub fn forked_below() -> u32 {
    FORKED_BELOW.load(Relaxed)
}

/// For the child of a fork, before it makes its first id.
pub fn fork_at(index: u32) {
    FORKED_BELOW.store(index, Relaxed);
}

/// A value that names an object; zero names nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Id(pub u64);

impl Id {
    pub const NONE: Id = Id(0);

    #[inline]
    pub fn new(kind: Kind, life: u32, index: u32) -> Id {
        Id((kind as u64) << 60 | (life as u64) << INDEX_BITS | index as u64)
    }

    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub fn index(self) -> u32 {
        (self.0 & (MAX_ROWS as u64 - 1)) as u32
    }

    #[inline]
    pub fn life(self) -> u32 {
        (self.0 >> INDEX_BITS) as u32
    }

    #[inline]
    pub fn is(self, kind: Kind) -> bool {
        self.0 >> 60 == kind as u64
    }

    /// `TD_EBADID`, naming the kind that was wanted, unless this is of that kind.
    #[inline]
    pub fn expect(self, kind: Kind) -> Result<Id> {
        if self.is(kind) && self.life() & 1 == 1 {
            Ok(self)
        } else {
            Err(self.bad(kind))
        }
    }

    /// True for an id of the process that this one was forked from.
    pub fn is_forked(self) -> bool {
        self.life() & 1 == 1 && self.index() < forked_below()
    }

    /// The error for an id that never was one of `kind` in this process.
    #[cold]
    pub fn bad(self, kind: Kind) -> Error {
        if self.is(kind) && self.is_forked() {
            return Error::Forked.because(format!(
                "{:#018x} belongs to the process that this one was forked from; open an engine of your own here",
                self.0
            ));
        }
        if self.is_none() {
            Error::BadId.because(format!("the id is zero; {} is needed", kind.noun()))
        } else {
            Error::BadId.because(format!("{:#018x} never was the id of {}", self.0, kind.noun()))
        }
    }

    /// For an id whose life is not the row's: `over` when it once was, else `TD_EBADID`.
    #[cold]
    pub fn gone(self, kind: Kind, row_life: u32, over: Error) -> Error {
        if self.life() < row_life {
            over
        } else {
            self.bad(kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_back() {
        let id = Id::new(Kind::Timer, 0xFFFF_FFFF, (MAX_ROWS - 1) as u32);
        assert!(id.is(Kind::Timer) && !id.is(Kind::Mailbox));
        assert_eq!((id.life(), id.index()), (0xFFFF_FFFF, (MAX_ROWS - 1) as u32));
        assert_eq!(Id::new(Kind::Ticket, 1, 0).life(), 1);
    }

    #[test]
    fn past_lives_are_gone_and_future_ones_never_were() {
        let id = Id::new(Kind::Mailbox, 5, 3);
        assert_eq!(id.gone(Kind::Mailbox, 8, Error::NoProc), Error::NoProc);
        assert_eq!(id.gone(Kind::Mailbox, 3, Error::NoProc), Error::BadId);
        assert_eq!(Id::NONE.expect(Kind::Mailbox), Err(Error::BadId));
        assert_eq!(Id::new(Kind::Mailbox, 4, 3).expect(Kind::Mailbox), Err(Error::BadId));
    }
}
