//! A mailbox's ends of its links, and what the end of a mailbox does to those linked to it.
//!
//! Guarantees: whether an end traps, and what becomes of it when the other end is over, is decided in one step under
//! its own locks, so that neither `unlink` nor a change of mind meets it half way. Each of the two records of a link
//! leaves its state ARMED once; whoever moves it takes over the place it has, or would have, in its owner's list.

use super::{Remains, Store};
use crate::error::Result;
use crate::id::Id;
use crate::message::{Block, REASON_NORMAL};
use crate::oneshot::{Of, State};
use crate::recorder::{record_often, Event};
use crate::sync::Arc;
use std::collections::HashMap;

/// The links of one mailbox.
#[derive(Default)]
pub(crate) struct Links {
    pub(super) trap: bool,
    /// By the mailbox at the other end.
    ends: HashMap<Id, Pair>,
}

/// The two records of a link, as rows, as seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Owned by this end.
    pub own: Id,
    /// Owned by the other end; it watches this one.
    pub other: Id,
}

/// What an end of a link does about the end of the other.
pub enum Exit {
    /// Nothing, or it is told.
    Lives,
    /// It ended with the same reason.
    Ends(Box<Remains>),
}

impl Store {
    /// Whether the mailbox is told of the ends of those it is linked to, instead of ending with them.
    pub fn set_trap(&self, id: Id, on: bool) -> Result<()> {
        self.with_cold(id, |cold| cold.links.trap = on)
    }

    pub fn traps(&self, id: Id) -> Result<bool> {
        self.with_cold(id, |cold| cold.links.trap)
    }

    pub fn is_linked(&self, id: Id, other: Id) -> Result<bool> {
        self.with_cold(id, |cold| cold.links.ends.contains_key(&other))
    }

    /// Puts the records of a link where they belong at this end, as far as the other end has not ended meanwhile.
    /// `TD_ENOPROC` when this end has.
    pub fn tie(&self, id: Id, other: Id, pair: Pair) -> Result<()> {
        let is_armed = |record: Id| self.shots.at(record.index()).is(record.life(), State::Armed);
        let watches = self.with_cold(id, |cold| {
            if is_armed(pair.own) {
                cold.owned.push_back(&self.shots, Of::Owner, pair.own.index());
                cold.links.ends.insert(other, pair);
            }
            let watches = is_armed(pair.other);
            if watches {
                cold.watched.push_back(&self.shots, Of::Target, pair.other.index());
            }
            watches
        })?;
        if !watches {
            self.shots.let_go(pair.other.index());
        }
        Ok(())
    }

    /// Takes a link out at this end, if it is there: its own record never fires, the other's is not found here.
    pub fn untie(&self, id: Id, other: Id) -> Result<()> {
        let places = self.with_cold(id, |cold| {
            let Pair { own, other } = cold.links.ends.remove(&other)?;
            let cancelled = self.shots.at(own.index()).shift(own.life(), State::Armed, State::Cancelled);
            debug_assert!(cancelled, "a record that was moved is no link any more");
            cold.disown(&self.shots, own.index());
            // Linked first, life second, as in `unwatch`.
            let there = self.shots.at(other.index());
            let watches = there.is_linked(Of::Target) && there.life() == other.life();
            let watches = watches && cold.watched.remove(&self.shots, Of::Target, other.index());
            Some((own.index(), watches.then_some(other.index())))
        })?;
        if let Some((own, other)) = places {
            self.shots.let_go(own);
            other.into_iter().for_each(|other| self.shots.let_go(other));
        }
        Ok(())
    }

    /// The target of a link's record has ended: its owner is told if it traps (or `always`), lives on if the reason is
    /// normal, or else ends with it.
    pub fn exit(&self, index: u32, life: u32, reason: i32, data: &Option<Arc<Block>>, always: bool) -> Exit {
        let shot = self.shots.at(index);
        let owner = shot.owner();
        let Ok(slot) = self.slot(owner) else { return Exit::Lives };
        let mut head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        if !slot.is_live(owner) || !shot.is(life, State::Armed) {
            return Exit::Lives;
        }
        let cold = tail.cold();
        cold.links.ends.remove(&shot.target());
        if always || cold.links.trap {
            {
                let mut body = shot.body();
                (body.status, body.data) = (reason, data.clone());
            }
            shot.shift(life, State::Armed, State::Queued);
            self.note_fired(shot, index, reason);
            let roused = self.queue_signal(slot, &mut tail, owner, index);
            drop((tail, head));
            self.rouse(roused);
            return Exit::Lives;
        }
        shot.shift(life, State::Armed, State::Cancelled);
        cold.disown(&self.shots, index);
        if reason != REASON_NORMAL {
            record_often(Event::EndsWith, owner, shot.target(), reason as i64);
        }
        let end = (reason != REASON_NORMAL).then(|| self.end_here(slot, &mut head, &mut tail, owner, reason));
        drop((tail, head));
        self.shots.let_go(index);
        end.map_or(Exit::Lives, |remains| Exit::Ends(Box::new(remains)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
