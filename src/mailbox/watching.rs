//! Watches in a mailbox: the edges of what is watched, the RESYNC that stands for those that found no room, and what
//! else a mailbox has to do with others' affairs: its groups, its keys, its will.
//!
//! Guarantees: edges are ordinary messages, in the order in which they happened. One that finds the mailbox full makes
//! the watch's record a queued RESYNC; while it waits, later edges are applied to its snapshot; once the snapshot is
//! on its way to a reader, edges are messages again. So what is received, in order, always is a true state. A RESYNC
//! that comes back from a batch unread is put back, or, when a newer one is queued, goes with all the edges between.
//!
//! Invariant: a watch's record has a snapshot exactly while its RESYNC is in the signal queue.

use super::draft::Draft;
use super::hold::{Said, Signal};
use super::{Head, Slot, Store, Tail};
use crate::clock::FOREVER;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::wake::Roused;
use crate::message::{Block, FrameHeader, FrameTrailer, Payload, Trash};
use crate::oneshot::{Of, OneShot, State, Use};
use crate::recorder::{record_often, Event};
use crate::snapshot::{Edge, Snapshot};
use crate::sync::Arc;
use std::collections::BTreeSet;

/// What is to be said when a mailbox ends.
#[derive(Debug)]
pub struct Will {
    pub topic: Box<str>,
    pub tag: u64,
    pub data: Option<Arc<Block>>,
    pub retain: bool,
}

/// What a mailbox is part of, to be undone at its end.
#[derive(Debug, Default)]
pub struct Ties {
    /// Groups it is in, each once.
    pub groups: BTreeSet<Arc<str>>,
    /// Keys it has entered: group and key.
    pub keys: BTreeSet<(Arc<str>, Arc<str>)>,
    pub will: Option<Box<Will>>,
}

impl Store {
    /// Tells the mailbox of a watch what has changed; `fresh` is the state after the change. Call it under the lock
    /// that guards what is watched, so that edges come in the order of the changes.
    pub fn tell(&self, watch: Id, edge: &Edge<'_>, fresh: &dyn Fn() -> Snapshot) -> Roused {
        let shot = self.shots.at(watch.index());
        let owner = shot.owner();
        let slot = self.slot(owner).ok()?;
        {
            let mut tail = slot.tail.lock();
            if let Some(told) = self.append_edge(slot, &mut tail, shot, watch, edge) {
                return told;
            }
        }
        self.resync(slot, shot, watch, edge, fresh)
    }

    /// Queues an edge, or applies it to the RESYNC that is queued. `None`: there is no room for it.
    fn append_edge(&self, slot: &Slot, tail: &mut Tail, shot: &OneShot, watch: Id, edge: &Edge<'_>) -> Option<Roused> {
        let owner = shot.owner();
        if !slot.is_live(owner) || shot.life() != watch.life() || !shot.is_linked(Of::Owner) {
            return Some(None);
        }
        let mut body = shot.body();
        if let Some(snapshot) = body.rare().snapshot.as_deref_mut().filter(|snapshot| snapshot.is_open()) {
            snapshot.apply(edge);
            return Some(None);
        }
        if edge.status == 0 {
            return Some(None);
        }
        let header = FrameHeader {
            kind: body.info[0] as u8,
            from: edge.from.0,
            tag: body.tag,
            r#ref: watch.0,
            ..FrameHeader::default()
        };
        let payload = Payload::Copy(edge.key.map_or(&[], |key| key.as_bytes()));
        let topic = body.name().map_or("", |name| name).as_bytes();
        let trailer = Some(FrameTrailer { deadline: FOREVER, status: edge.status, reserved: 0, info: [0; 2] });
        tail.admit(self, slot, &Draft { header, payload, topic, trailer }).ok()?;
        drop(body);
        record_often(Event::Edge, owner, watch, edge.status as i64);
        Some(tail.roused(owner))
    }

    /// Queues a RESYNC behind everything else.
    #[cold]
    fn resync(&self, slot: &Slot, shot: &OneShot, watch: Id, edge: &Edge<'_>, fresh: &dyn Fn() -> Snapshot) -> Roused {
        let snapshot = Box::new(fresh());
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        if let Some(told) = self.append_edge(slot, &mut tail, shot, watch, edge) {
            return told;
        }
        let index = watch.index();
        if shot.shift(watch.life(), State::Armed, State::Queued) {
            shot.hold();
        } else {
            // One that came back, already written down: with the edges behind it, it is replaced.
            tail.signals.remove(&self.shots, Of::Signal, index);
            tail.cold().count.signals_flushed += 1;
            self.flush_edges(slot, &mut head, &mut tail, watch);
        }
        shot.body().rare().snapshot = Some(snapshot);
        let stamp = tail.accepted;
        let count = &mut tail.cold().count;
        count.signals_in += 1;
        shot.set_stamp(stamp, count.signals_in);
        tail.signals.push_back(&self.shots, Of::Signal, index);
        record_often(Event::Resync, shot.owner(), watch, 0);
        slot.note_arrival();
        slot.note_first_signal(&tail, self);
        tail.roused(shot.owner())
    }

    /// Takes every queued edge of a watch out.
    fn flush_edges(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, watch: Id) {
        head.draw(&self.pool, tail);
        // Edges are copied in: there is nothing here whose release could run.
        self.flush_of(slot, head, tail, watch, &mut Trash::new());
    }

    /// Ends a watch that is told nothing any more; with `flush` what is queued of it goes, too. `TD_ESTALE` when it is
    /// over.
    pub fn end_watch(&self, watch: Id, flush: bool) -> Result<()> {
        let shot = self.shots.at(watch.index());
        let owner = shot.owner();
        let slot = self.slot(owner).map_err(|_| Error::Stale)?;
        let (index, life) = (watch.index(), watch.life());
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        if !slot.is_live(owner) || shot.life() != life || !shot.is_linked(Of::Owner) {
            return Err(Error::Stale);
        }
        tail.cold().disown(&self.shots, index);
        let mut holds = 1;
        // A batch that has its RESYNC may pass it still, unless it is flushed.
        let over = if flush { State::Cancelled } else { State::Delivered };
        if !shot.shift(life, State::Armed, over) {
            shot.cease();
            if flush && shot.shift(life, State::Queued, State::Flushed) {
                tail.signals.remove(&self.shots, Of::Signal, index);
                slot.note_first_signal(&tail, self);
                tail.cold().count.signals_flushed += 1;
                shot.body().rare().snapshot = None;
                holds += 1;
            }
        }
        if flush {
            self.flush_edges(slot, &mut head, &mut tail, watch);
            slot.cut(&mut tail, watch);
        }
        drop((tail, head));
        for _ in 0..holds {
            self.shots.let_go(index);
        }
        if flush {
            self.after_receive(slot, owner);
            self.room_came_free(slot, owner);
        }
        Ok(())
    }

    /// A record was taken off the signal queue: a watch gives its snapshot and is armed again. Call it under the slot
    /// lock.
    pub(super) fn take_snapshot(&self, index: u32) -> Option<Box<Snapshot>> {
        let shot = self.shots.at(index);
        if shot.usage() != Use::Watch {
            return None;
        }
        let next = if shot.repeats() { State::Armed } else { State::Delivered };
        shot.shift(shot.life(), State::Queued, next);
        shot.body().rare().snapshot.take()
    }

    /// What a queued RESYNC would say now, for a look at it.
    pub(super) fn look_at(&self, shot: &OneShot) -> Option<Said> {
        shot.body().snapshot().map(|snapshot| snapshot.say())
    }

    /// Puts a RESYNC that a batch did not pass back in the queue. False when it is out of date. Call it under both
    /// locks.
    pub(super) fn put_back_resync(&self, slot: &Slot, head: &mut Head, tail: &mut Tail, signal: &mut Signal) -> bool {
        let shot = self.shots.at(signal.index);
        let Some((entries, block)) = signal.said.take() else { return false };
        if shot.number() != signal.number {
            let newer = shot.body().snapshot().is_some_and(|snapshot| snapshot.is_open());
            if newer {
                self.flush_edges(slot, head, tail, self.shots.id(signal.index));
            }
            return false;
        }
        let back = |from| shot.shift(signal.life, from, State::Queued);
        if !back(State::Armed) && !back(State::Delivered) {
            return false;
        }
        shot.body().rare().snapshot = Some(Box::new(Snapshot::Said(entries, block)));
        tail.signals.insert(&self.shots, Of::Signal, signal.index);
        true
    }

    /// Whether a RESYNC that a batch holds may be delivered: unless its watch was flushed.
    pub(super) fn may_deliver(&self, shot: &OneShot, life: u32) -> bool {
        [State::Armed, State::Queued, State::Delivered].into_iter().any(|state| shot.is(life, state))
    }

    /// Changes what a live mailbox is part of.
    pub fn with_ties<R>(&self, mailbox: Id, change: impl FnOnce(&mut Ties) -> R) -> Result<R> {
        self.with_cold(mailbox, |cold| change(&mut cold.ties))
    }
}
