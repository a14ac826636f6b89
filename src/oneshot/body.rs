//! What a record carries, guarded by the record's own lock: kept small, as there may be a million of them.

use crate::id::Id;
use crate::message::Block;
use crate::notify::Parker;
use crate::snapshot::Snapshot;
use crate::sync::Arc;

/// See the file's comment.
#[derive(Debug, Default)]
pub struct Body {
    pub tag: u64,
    pub status: i32,
    /// What else the signal says, by kind.
    pub info: [u64; 2],
    pub from: Id,
    pub deadline: i64,
    pub data: Option<Arc<Block>>,
    /// The thread of a blocking call.
    pub caller: Option<Arc<Parker>>,
    pub rare: Option<Box<Rare>>,
}

/// What few records have, behind a box, so that a million of the others are small.
#[derive(Debug, Default)]
pub struct Rare {
    /// Of monitors and timers by name; of watches the subject.
    pub name: Option<Arc<str>>,
    /// Repeating timers: nanoseconds between ticks.
    pub period: i64,
    /// Of a watch: what its RESYNC in the queue will say. None: none is queued.
    pub snapshot: Option<Box<Snapshot>>,
    /// Of a blocking call in nobody's name: the mailbox whose handler makes it, and so waits.
    pub waits: Id,
    /// Of a call that is one of several: the gathering, by which the host knows it.
    pub gathering: Id,
    /// Of a gathering: the calls that were made, and how many have no answer yet.
    pub calls: Vec<Id>,
    pub pending: u32,
    /// Of a call: places from the first part that was queued to behind the last.
    pub parts: std::ops::Range<u64>,
}

impl Rare {
    pub fn named(name: Arc<str>) -> Option<Box<Rare>> {
        Some(Box::new(Rare { name: Some(name), ..Rare::default() }))
    }

    /// Nothing for 0.
    pub fn repeating(period: i64) -> Option<Box<Rare>> {
        (period > 0).then(|| Box::new(Rare { period, ..Rare::default() }))
    }
}

impl Body {
    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub fn name(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.name.as_ref()
    }

    /// 0: it fires once.
    pub fn period(&self) -> i64 {
        self.rare.as_ref().map_or(0, |rare| rare.period)
    }

    /// What its RESYNC in the queue will say.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.rare.as_ref()?.snapshot.as_deref()
    }
}
