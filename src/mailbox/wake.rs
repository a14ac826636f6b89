//! Who must hear that a mailbox has something: parked receivers, a loop, a descriptor.
//!
//! Guarantees: `attention` is zero when nobody has to be told, so a send to a busy mailbox pays nothing; each
//! message wakes at most one receiver that takes anything, and all that are selective; nothing is woken under a lock.
//! A mailbox's descriptor is set and cleared under its notify lock after looking at the queue again, so that it is
//! readable exactly when something is pending.

use super::{Handler, Slot, Store, Tail};
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::notify::{wake_all, Bell, Parker};
use crate::sync::atomic::Ordering::*;
use crate::sync::{rank, Arc, Mutex};

/// Receivers are parked.
pub(super) const PARKED: u8 = 1;
/// There is a descriptor and it is not set.
pub(super) const BELL: u8 = 2;
/// A loop reads this mailbox and does not have it in its ready list.
pub(super) const LOOP: u8 = 4;
/// Nobody is told until the mailbox is resumed.
pub(super) const SUSPENDED: u8 = 8;

/// Sleepers that are woken together at most: the first of them waits until the last of them was sent its message.
const TOGETHER: usize = 64;

/// What runs the handlers of a mailbox: a loop, or workers.
pub trait Attend: Send + Sync {
    /// The mailbox has something to handle. Called with no lock held.
    fn ready(&self, mailbox: Id);
    /// As [`ready`](Self::ready), under the slot's lock, when that tells no other thread; else false, and nothing is done.
    fn keep(&self, _: Id) -> bool {
        false
    }
    /// The mailbox has ended: drop its handler where handlers run, after its last call.
    fn retire(&self, mailbox: Id, handler: Option<Arc<Handler>>);
    /// True when this thread is the one that would have to run this mailbox's handler, so that waiting never ends.
    fn is_mine(&self, mailbox: Id) -> bool;
    /// True when this thread is one of several that run these handlers.
    fn is_home(&self) -> bool {
        false
    }
    /// True while it runs this mailbox's handler; `parker` is then woken when it has returned.
    fn is_running(&self, mailbox: Id, parker: &Arc<Parker>) -> bool;
}

/// A parked receiver.
pub struct Waiter {
    pub parker: Arc<Parker>,
    /// Takes only some messages, so it is woken for each and taken off the list by itself.
    pub selective: bool,
}

/// A mailbox's descriptor.
#[derive(Debug)]
pub struct MailBell {
    bell: Bell,
    lock: Mutex<(), { rank::NOTIFY }>,
}

/// Wake-ups that are owed once the locks are gone.
#[must_use = "somebody waits for this wake-up"]
pub struct Rouse {
    mailbox: Id,
    reader: Option<Arc<dyn Attend>>,
    receivers: Option<Receivers>,
}

/// Whom a mailbox that is read by receive calls wakes.
#[derive(Default)]
struct Receivers {
    parker: Option<Arc<Parker>>,
    more: Vec<Arc<Parker>>,
    bell: Option<Arc<MailBell>>,
}

/// Mostly nothing.
pub type Roused = Option<Rouse>;

impl Tail {
    /// Collects who must be told that something came in.
    #[inline]
    pub(super) fn roused(&mut self, mailbox: Id) -> Roused {
        self.roused_by(mailbox, 1)
    }

    /// As [`roused`](Self::roused), when so many messages came in at once: each is worth a receiver.
    #[inline]
    pub(super) fn roused_by(&mut self, mailbox: Id, messages: usize) -> Roused {
        let mut roused = None;
        self.rouse(mailbox, messages, &mut roused);
        roused
    }

    /// As [`roused_by`](Self::roused_by), into `roused`, which held nobody: handed back, it would be copied from hand to
    /// hand.
    #[inline]
    pub(super) fn rouse(&mut self, mailbox: Id, messages: usize, roused: &mut Roused) {
        if self.attention != 0 && messages > 0 {
            self.rouse_those_who_wait(mailbox, messages, roused);
        }
    }

    fn rouse_those_who_wait(&mut self, mailbox: Id, messages: usize, roused: &mut Roused) {
        let (mut reader, mut receivers) = (None, None);
        if self.attention == LOOP {
            self.attention = 0;
            reader = self.cold().reader.as_ref().filter(|reader| !reader.keep(mailbox)).cloned();
        } else {
            receivers = self.rouse_receivers(messages);
        }
        if reader.is_some() || receivers.is_some() {
            *roused = Some(Rouse { mailbox, reader, receivers });
        }
    }

    #[cold]
    fn rouse_receivers(&mut self, messages: usize) -> Option<Receivers> {
        let attention = self.attention;
        if attention & SUSPENDED != 0 {
            return None;
        }
        debug_assert!(attention & LOOP == 0, "what a handler reads has no receivers");
        let mut rouse = Receivers::default();
        let cold = self.cold();
        if attention & PARKED != 0 {
            let mut next = || {
                let at = cold.waiters.iter().position(|waiter| !waiter.selective)?;
                cold.waiters.remove(at).map(|waiter| waiter.parker)
            };
            rouse.parker = next();
            rouse.more.extend((1..messages).map_while(|_| next()));
            let selective = cold.waiters.iter().filter(|waiter| waiter.selective);
            rouse.more.extend(selective.map(|waiter| waiter.parker.clone()));
        }
        if attention & BELL != 0 {
            rouse.bell = cold.bell.clone();
        }
        let parked = if cold.waiters.is_empty() { 0 } else { PARKED };
        self.attention = (attention & BELL) | parked;
        Some(rouse)
    }

    /// Something is pending: messages, signals, or an end.
    pub(super) fn pending(&self, slot: &Slot) -> bool {
        !self.is_suspended() && (slot.queued(self) > 0 || !self.signals.is_empty())
    }

    pub(super) fn add_waiter(&mut self, waiter: Waiter) {
        self.cold().waiters.push_back(waiter);
        self.attention |= PARKED;
    }

    /// Takes a waiter off. False when a sender has done so to wake it.
    pub(super) fn remove_waiter(&mut self, parker: &Arc<Parker>) -> bool {
        let waiters = &mut self.cold().waiters;
        let at = waiters.iter().position(|waiter| Arc::ptr_eq(&waiter.parker, parker));
        let found = at.and_then(|at| waiters.remove(at)).is_some();
        if waiters.is_empty() {
            self.attention &= !PARKED;
        }
        found
    }
}

/// The wake-ups of a publication: where they may be many, receivers that are parked are woken together.
pub struct Waking<'a> {
    store: &'a Store,
    sleepers: Vec<Arc<Parker>>,
    together: bool,
}

impl<'a> Waking<'a> {
    /// For a publication that goes to so many.
    pub fn of(store: &'a Store, mailboxes: usize) -> Self {
        Waking { store, sleepers: Vec::new(), together: mailboxes > 1 }
    }

    /// Sees to it that they are woken, when this goes at the latest. No lock may be held.
    #[inline]
    pub fn rouse(&mut self, roused: Roused) {
        match roused {
            Some(Rouse { mailbox, reader: None, receivers: Some(receivers) }) if self.together => {
                self.gather(mailbox, receivers)
            }
            roused => self.store.rouse(roused),
        }
    }

    #[cold]
    fn gather(&mut self, mailbox: Id, mut receivers: Receivers) {
        self.store.ring(mailbox, &mut receivers);
        self.sleepers.extend(receivers.parker.into_iter().chain(receivers.more));
        if self.sleepers.len() >= TOGETHER {
            wake_all(std::mem::take(&mut self.sleepers));
        }
    }
}

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        wake_all(std::mem::take(&mut self.sleepers));
    }
}

impl Store {
    /// Wakes who has to be woken. No lock may be held.
    #[inline]
    pub fn rouse(&self, roused: Roused) {
        let Some(Rouse { mailbox, reader, receivers }) = roused else { return };
        if let Some(receivers) = receivers {
            self.wake(mailbox, receivers);
        }
        if let Some(reader) = reader {
            reader.ready(mailbox);
        }
    }

    #[cold]
    fn wake(&self, mailbox: Id, mut receivers: Receivers) {
        self.ring(mailbox, &mut receivers);
        let Receivers { parker, mut more, .. } = receivers;
        if more.is_empty() {
            parker.iter().for_each(|parker| parker.unpark());
        } else {
            more.splice(0..0, parker);
            wake_all(more);
        }
    }

    fn ring(&self, mailbox: Id, receivers: &mut Receivers) {
        let bell = receivers.bell.take();
        if bell.is_some() || receivers.parker.is_some() {
            crate::recorder::time_passed();
        }
        if let Some(bell) = bell {
            if let Ok(slot) = self.slot(mailbox) {
                bell.refresh(slot, mailbox);
            }
        }
    }

    /// A descriptor that is readable while something is pending; the caller owns it.
    pub fn descriptor(&self, id: Id) -> Result<isize> {
        let fresh = Arc::new(MailBell { bell: Bell::new()?, lock: Mutex::new(()) });
        let slot = self.slot(id)?;
        let bell = {
            let _head = slot.receiving.head.lock();
            let mut tail = slot.tail.lock();
            slot.check(id, Error::NoProc)?;
            if slot.is_handled() {
                return Err(handled());
            }
            slot.receiving.belled.store(true, Relaxed);
            if tail.cold().bell.is_none() {
                tail.cold().bell = Some(fresh);
                tail.attention |= BELL;
            }
            tail.cold().bell.clone().expect("just put there")
        };
        bell.refresh(slot, id);
        bell.bell.share()
    }

    /// Brings the descriptor in line after a receive.
    pub(super) fn after_receive(&self, slot: &Slot, id: Id) {
        let bell = {
            let tail = slot.tail.lock();
            tail.cold.as_ref().filter(|_| slot.is_live(id)).and_then(|cold| cold.bell.clone())
        };
        if let Some(bell) = bell {
            bell.refresh(slot, id);
        }
    }

    /// Who runs the handlers of this mailbox, if it is not read by receive calls.
    pub fn reader(&self, id: Id) -> Result<Option<Arc<dyn Attend>>> {
        let slot = self.slot(id)?;
        let tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        Ok(tail.cold.as_ref().and_then(|cold| cold.reader.clone()))
    }

    /// As [`reader`](Self::reader), also of a mailbox that has ended, until its slot is used again.
    pub fn reader_or_last(&self, id: Id) -> Result<Option<Arc<dyn Attend>>> {
        let slot = self.slot(id)?;
        let tail = slot.tail.lock();
        let life = slot.receiving.life.load(Acquire);
        if life < id.life() {
            return Err(id.bad(Kind::Mailbox));
        }
        let cold = tail.cold.as_ref().filter(|_| life <= id.life() + 1);
        Ok(cold.and_then(|cold| cold.reader.clone().or_else(|| cold.last_reader.as_ref()?.upgrade())))
    }

    /// The host's pointer.
    pub fn user(&self, id: Id) -> Result<*mut std::ffi::c_void> {
        let slot = self.slot(id)?;
        let tail = slot.tail.lock();
        slot.check(id, Error::NoProc)?;
        Ok(tail
            .cold
            .as_ref()
            .and_then(|cold| cold.handler.as_ref())
            .map_or(std::ptr::null_mut(), |handler| handler.user.get()))
    }

    /// For a loop, after it has run a mailbox: true when there is more to handle, else the next send tells it.
    pub fn settle(&self, id: Id) -> bool {
        let Ok(slot) = self.slot(id) else { return false };
        slot.settle(&mut slot.tail.lock(), id)
    }
}

impl Slot {
    /// As [`Store::settle`], under the slot lock.
    #[inline]
    pub(super) fn settle(&self, tail: &mut Tail, id: Id) -> bool {
        if !self.is_live(id) {
            return false;
        }
        let more = tail.pending(self);
        if !more {
            tail.attention |= LOOP;
        }
        more
    }
}

/// The error of a receive call on a mailbox that a loop reads.
#[cold]
pub(super) fn handled() -> Error {
    Error::Inval.because("a loop runs this mailbox's handler; open it without a loop to receive from it")
}

impl MailBell {
    /// Sets or clears the descriptor after the state of the mailbox, which is looked at under both locks. `BELL` goes
    /// only when the descriptor is set, so a send that meets this one waits here until it is.
    pub(super) fn refresh(&self, slot: &Slot, id: Id) {
        let _serial = self.lock.lock();
        let (pending, was_set) = {
            let mut tail = slot.tail.lock();
            if !slot.is_live(id) {
                (true, false)
            } else {
                let pending = tail.pending(slot);
                let was_set = tail.attention & BELL == 0;
                if !pending {
                    tail.attention |= BELL;
                }
                (pending, was_set)
            }
        };
        match (pending, was_set) {
            (true, false) => {
                self.bell.set();
                let mut tail = slot.tail.lock();
                if slot.is_live(id) {
                    tail.attention &= !BELL;
                }
            }
            (false, true) => self.bell.clear(),
            _ => {}
        }
    }
}
