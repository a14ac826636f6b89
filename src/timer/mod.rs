//! Timers: a message later, once or again and again.
//!
//! Guarantees: timers of one engine fire in the order of (deadline, creation), none early; cancelling gives the time
//! that was left or says that it fired, never both; a repeating timer has at most one tick waiting. Firing only queues
//! a record that was made in advance.

mod heap;
mod wheel;

use crate::clock::FOREVER;
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::mailbox::{Cancelled, Store};
use crate::message::Block;
use crate::notify::Parker;
use crate::oneshot::{Body, Making, Rare, Use, NONE};
use crate::sync::{rank, Arc, Mutex};
use heap::Entry;
use wheel::{Wheel, NOWHERE};

/// The armed timers of one engine.
#[derive(Debug, Default)]
pub struct Timers {
    state: Mutex<State, { rank::TIMERS }>,
}

#[derive(Debug, Default)]
struct State {
    wheel: Wheel,
    /// Those of the wheel that are timers: calls and graces of presence have deadlines there, too.
    armed: usize,
    made: u64,
    /// Threads that wait for the first deadline: the timer thread, or hosts in their loops.
    sleepers: Vec<Arc<Parker>>,
    /// The latest deadline that one of them waits for.
    told: i64,
    stopped: bool,
}

/// A record whose time has come; its life is checked again when it fires.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub index: u32,
    pub life: u32,
    /// The wheel's hold on it is now the caller's.
    pub held: bool,
}

/// What a timer sends.
pub struct Alarm {
    /// Row of the engine.
    pub home: u32,
    pub deadline: i64,
    pub period: i64,
    pub tag: u64,
    pub data: Option<Arc<Block>>,
}

impl State {
    fn push(&mut self, store: &Store, e: Entry) {
        self.wheel.push(e, &mut place(store));
        self.armed += usize::from(is_timer(store, e.record));
    }

    /// An entry has left the wheel.
    fn left(&mut self, store: &Store, record: u32) {
        self.armed -= usize::from(is_timer(store, record));
    }
}

/// Of a record that is, or was just now, in the wheel, which keeps its row.
fn is_timer(store: &Store, record: u32) -> bool {
    store.shots.at(record).usage() == Use::Timer
}

impl Timers {
    /// Arms a timer that sends to a mailbox.
    pub fn arm(&self, store: &Store, to: Id, alarm: Alarm) -> Result<Id> {
        let Alarm { home, deadline, period, tag, data } = alarm;
        let body = Body { tag, deadline, data, rare: Rare::repeating(period), ..Body::default() };
        let (id, _) =
            store.shots.make(Making { usage: Use::Timer, owner: to, target: Id::NONE, holds: 2, home, body })?;
        if let Err(error) = store.link_owner(to, id.index(), Error::NoProc) {
            store.shots.let_go(id.index());
            store.shots.let_go(id.index());
            return Err(error);
        }
        self.enter(store, id, deadline);
        Ok(id)
    }

    /// Arms a timer that sends to whoever has the name when it expires.
    pub fn arm_name(&self, store: &Store, name: &str, alarm: Alarm) -> Result<Id> {
        let Alarm { home, deadline, tag, data, .. } = alarm;
        let body = Body { tag, deadline, data, rare: Rare::named(name.into()), ..Body::default() };
        let making = Making { usage: Use::Timer, owner: Id::NONE, target: Id::NONE, holds: 1, home, body };
        let (id, _) = store.shots.make(making)?;
        self.enter(store, id, deadline);
        Ok(id)
    }

    /// Puts a record in the wheel, whose hold on it the maker has counted.
    pub fn enter(&self, store: &Store, id: Id, deadline: i64) {
        let sleepers = {
            let mut state = self.state.lock();
            let seq = state.made;
            state.made += 1;
            let shot = store.shots.at(id.index());
            if state.stopped {
                shot.shift(id.life(), crate::oneshot::State::Armed, crate::oneshot::State::Cancelled);
            }
            // The owner may have ended since the record was made; whoever ended it found it in no wheel.
            if shot.is(id.life(), crate::oneshot::State::Armed) {
                state.push(store, Entry { deadline, seq, record: id.index() });
                if deadline < state.told && !state.sleepers.is_empty() {
                    std::mem::take(&mut state.sleepers)
                } else {
                    Vec::new()
                }
            } else {
                drop(state);
                return store.shots.let_go(id.index());
            }
        };
        sleepers.iter().for_each(|sleeper| sleeper.unpark());
    }

    /// Takes a record out of the wheel, if it is in.
    pub fn leave(&self, store: &Store, index: u32, life: u32) {
        let shot = store.shots.at(index);
        let was_in = {
            let mut state = self.state.lock();
            let at = shot.place.load(crate::sync::atomic::Ordering::Relaxed);
            let is_in = shot.life() == life && at != NONE;
            if is_in {
                state.wheel.remove(at, &mut place(store));
                state.left(store, index);
            }
            is_in
        };
        if was_in {
            store.shots.let_go(index);
        }
    }

    /// Takes the first record whose time has come by `now`. A repeating one goes back in for its next tick; ticks
    /// that are past as well are left out.
    pub fn next_due(&self, store: &Store, now: i64) -> Option<Due> {
        let mut state = self.state.lock();
        state.wheel.advance(now, &mut place(store));
        let first = state.wheel.peek()?;
        // The end of time does not come: a repeating timer there would be due again and again.
        if first.deadline > now || first.deadline == FOREVER {
            return None;
        }
        state.wheel.pop(&mut place(store));
        state.left(store, first.record);
        let shot = store.shots.at(first.record);
        let due = Due { index: first.record, life: shot.life(), held: !shot.repeats() };
        if shot.repeats() {
            let mut body = shot.body();
            let missed = now.saturating_sub(first.deadline) / body.period();
            body.deadline = first.deadline.saturating_add((missed + 1).saturating_mul(body.period()));
            let seq = state.made;
            state.made += 1;
            let entry = Entry { deadline: body.deadline, seq, record: first.record };
            drop(body);
            state.push(store, entry);
        }
        Some(due)
    }

    /// The first deadline, or [`FOREVER`].
    pub fn next_deadline(&self) -> i64 {
        self.state.lock().wheel.peek().map_or(FOREVER, |first| first.deadline)
    }

    /// Rows of the records that are armed, in no order.
    pub fn rows(&self) -> Vec<u32> {
        self.state.lock().wheel.iter().map(|entry| entry.record).collect()
    }

    /// How many timers are armed.
    pub fn armed(&self) -> usize {
        self.state.lock().armed
    }

    /// Cancels a timer and gives the time that was left. `TD_ESTALE` when it has fired or was cancelled.
    pub fn cancel(&self, store: &Store, id: Id, now: i64) -> Result<i64> {
        let shot = store.shots.find(id, Kind::Timer).map_err(gone)?;
        let (left, repeats) = (shot.body().deadline - now, shot.repeats());
        match store.cancel(id.index(), id.life(), repeats) {
            Cancelled::Armed | Cancelled::Flushed => {
                self.leave(store, id.index(), id.life());
                Ok(left.max(0))
            }
            Cancelled::Queued | Cancelled::Over => Err(gone(Error::Stale)),
        }
    }

    /// The time that is left. `TD_ESTALE` when it has fired or was cancelled.
    pub fn read(&self, store: &Store, id: Id, now: i64) -> Result<i64> {
        let shot = store.shots.find(id, Kind::Timer).map_err(gone)?;
        use crate::oneshot::State;
        let over = match shot.repeats() {
            true => shot.is(id.life(), State::Cancelled) || shot.is(id.life(), State::Flushed),
            false => !shot.is(id.life(), State::Armed),
        };
        if over {
            return Err(gone(Error::Stale));
        }
        let left = shot.body().deadline - now;
        Ok(left.max(0))
    }

    /// Registers a thread that waits for the first deadline, and says which that is; `None` when the engine has closed.
    pub fn watch(&self, store: &Store, parker: &Arc<Parker>, now: i64) -> Option<i64> {
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        if !state.sleepers.iter().any(|other| Arc::ptr_eq(other, parker)) {
            state.sleepers.push(parker.clone());
        }
        state.wheel.advance(now, &mut place(store));
        let first = state.wheel.peek().map_or(FOREVER, |first| first.deadline);
        state.told = if state.sleepers.len() == 1 { first } else { state.told.max(first) };
        Some(first)
    }

    /// Takes a thread off again.
    pub fn unwatch(&self, parker: &Arc<Parker>) {
        self.state.lock().sleepers.retain(|other| !Arc::ptr_eq(other, parker));
    }

    /// Ends the timer thread and empties the wheel.
    pub fn stop(&self, store: &Store) {
        let mut left = Vec::new();
        let sleepers = {
            let mut state = self.state.lock();
            state.stopped = true;
            while let Some(entry) = state.wheel.pop(&mut place(store)) {
                state.left(store, entry.record);
                left.push(entry.record);
            }
            std::mem::take(&mut state.sleepers)
        };
        sleepers.iter().for_each(|sleeper| sleeper.unpark());
        for index in left {
            let shot = store.shots.at(index);
            shot.shift(shot.life(), crate::oneshot::State::Armed, crate::oneshot::State::Cancelled);
            store.shots.let_go(index);
        }
    }
}

fn gone(error: Error) -> Error {
    match error {
        Error::Stale => Error::Stale.because("the timer has fired or was cancelled"),
        other => other,
    }
}

/// Tells a record its position in the wheel.
fn place(store: &Store) -> impl FnMut(u32, u32) + '_ {
    const { assert!(NOWHERE == NONE) };
    move |index, position| store.shots.at(index).place.store(position, crate::sync::atomic::Ordering::Relaxed)
}
