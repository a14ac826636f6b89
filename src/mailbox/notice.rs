//! Notices: bits that a signal handler gives a mailbox.
//!
//! Guarantees: [`Store::notify`] takes no lock, allocates nothing and touches no thread-local, so that it may interrupt
//! anything, also a send or a receive of the same mailbox; every bit given to a live mailbox is in the tag of exactly
//! one signal that is queued later, or of one that was still waiting; at most one such signal waits in a mailbox.
//!
//! Bits are added up in the slot. Whoever adds the first says so in a ring of fixed size, and the one thread that
//! calls [`Store::work_off_notices`] fires the mailbox's record, under its lock. While the record is off the queue and
//! not yet read, in an open batch say, the bits stay in the slot, and claiming it says so again.

use super::suspend::NOTIFIABLE;
use super::{Slot, Store};
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::notify::Parker;
use crate::oneshot::{Body, Making, Of, Rare, State, Use};
use crate::recorder::{record as note, Event};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};

/// Mailboxes that the ring holds; when it overflows, all of them are looked at.
const RING: usize = match (cfg!(loom), cfg!(miri)) {
    (true, _) => 1,
    (_, true) => 8,
    _ => 128,
};

/// See the file's comment.
pub struct Notices {
    ring: [AtomicU64; RING],
    next: AtomicU32,
    overflow: AtomicBool,
    /// Calls of [`Store::notify`] that are under way.
    inside: AtomicU32,
    parker: Parker,
}

impl Default for Notices {
    fn default() -> Self {
        Notices {
            ring: std::array::from_fn(|_| AtomicU64::new(0)),
            next: AtomicU32::new(0),
            overflow: AtomicBool::new(false),
            inside: AtomicU32::new(0),
            parker: Parker::default(),
        }
    }
}

impl Notices {
    /// Says that a mailbox may have bits that no signal carries.
    pub(super) fn announce(&self, mailbox: Id) {
        let place = &self.ring[self.next.fetch_add(1, Relaxed) as usize % RING];
        if place.compare_exchange(0, mailbox.0, AcqRel, Relaxed).is_err() {
            self.overflow.swap(true, SeqCst);
        }
        self.parker.unpark();
    }

    /// Waits until something was said. For the one thread that works it off.
    pub fn wait(&self) {
        self.parker.park(i64::MAX, false);
    }
}

impl Store {
    /// Gives a mailbox bits. The error has no detail, as that would need memory.
    pub fn notify(&self, id: Id, bits: u64) -> Result<()> {
        let slot = self.slots.0.get(id.index()).filter(|_| id.is(Kind::Mailbox) && id.life() & 1 == 1);
        let Some(slot) = slot else { return Err(unknown(id)) };
        self.notices.inside.fetch_add(1, SeqCst);
        let result = self.add_bits(slot, id, bits);
        self.notices.inside.fetch_sub(1, SeqCst);
        result
    }

    fn add_bits(&self, slot: &Slot, id: Id, bits: u64) -> Result<()> {
        let life = slot.receiving.life.load(SeqCst);
        if life != id.life() {
            return Err(if id.life() < life { Error::NoProc } else { unknown(id) });
        }
        if slot.receiving.barred.load(Acquire) & NOTIFIABLE == 0 {
            return Err(Error::Inval);
        }
        // Of several that meet here the first has said it, or is about to.
        if slot.noticed.fetch_or(bits, AcqRel) == 0 && bits != 0 {
            self.notices.announce(id);
        }
        Ok(())
    }

    /// Makes a mailbox that nobody knows yet take notices.
    pub fn make_notifiable(&self, id: Id) -> Result<()> {
        let slot = self.slot(id)?;
        // Calls for the slot's last mailbox that found it alive.
        while self.notices.inside.load(SeqCst) > 0 {
            crate::sync::pause();
        }
        let body = Body { rare: Rare::repeating(1), ..Body::default() };
        let home = slot.engine();
        let making = Making { usage: Use::Notify, owner: id, target: Id::NONE, holds: 1, home, body };
        let (record, _) = self.shots.make(making)?;
        if let Err(error) = self.link_owner(id, record.index(), Error::NoProc) {
            self.shots.let_go(record.index());
            return Err(error);
        }
        self.with_cold(id, |cold| {
            cold.notice = Some(record);
            slot.noticed.store(0, Relaxed);
            slot.receiving.barred.fetch_or(NOTIFIABLE, Release);
        })
    }

    /// Hands on every bit that was given before the last [`wait`](Notices::wait) returned.
    pub fn work_off_notices(&self) {
        for place in &self.notices.ring {
            if place.load(Acquire) != 0 {
                self.fire_notice(Id(place.swap(0, AcqRel)));
            }
        }
        if self.notices.overflow.swap(false, SeqCst) {
            for (index, slot) in self.slots.0.rows() {
                let life = slot.receiving.life.load(Acquire);
                if life & 1 == 1 && slot.noticed.load(SeqCst) != 0 {
                    self.fire_notice(Id::new(Kind::Mailbox, life, index));
                }
            }
        }
    }

    fn fire_notice(&self, mailbox: Id) {
        let Ok(slot) = self.slot(mailbox) else { return };
        let roused = {
            let mut tail = slot.tail.lock();
            let record = tail.cold.as_ref().filter(|_| slot.is_live(mailbox)).and_then(|cold| cold.notice);
            let Some(record) = record else { return };
            let shot = self.shots.at(record.index());
            let waits = shot.is(record.life(), State::Queued) && shot.is_linked(Of::Signal);
            if slot.noticed.load(SeqCst) == 0 || !waits && !shot.is(record.life(), State::Armed) {
                return;
            }
            let bits = slot.noticed.swap(0, SeqCst);
            if waits {
                shot.body().tag |= bits;
                tail.cold().count.signals_changed += 1;
                None
            } else {
                shot.body().tag = bits;
                note(Event::Notify, mailbox, Id::NONE, bits as i64);
                shot.shift(record.life(), State::Armed, State::Queued);
                shot.hold();
                let stamp = tail.accepted;
                let count = &mut tail.cold().count;
                count.signals_in += 1;
                shot.set_stamp(stamp, count.signals_in);
                tail.signals.push_back(&self.shots, Of::Signal, record.index());
                slot.note_arrival();
                slot.note_first_signal(&tail, self);
                tail.roused(mailbox)
            }
        };
        self.rouse(roused);
    }
}

/// For an id that never was a mailbox's in this process.
fn unknown(id: Id) -> Error {
    if id.is(Kind::Mailbox) && id.is_forked() {
        Error::Forked
    } else {
        Error::BadId
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::{Opening, Patience};
    use super::*;
    use crate::clock::Clock;
    use crate::message::KIND_NOTIFY;

    const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

    fn notifiable(store: &Store) -> Id {
        let id = store.open(Opening::default(), || true).unwrap();
        store.make_notifiable(id).unwrap();
        id
    }

    /// The bits of what is received now.
    fn take(store: &Store, id: Id) -> Result<u64> {
        let message = store.recv(id, &POLL)?;
        assert_eq!((message.kind, message.r#ref, message.from), (KIND_NOTIFY, 0, Id::NONE));
        store.release_message(Id(message.owner)).unwrap();
        Ok(message.tag)
    }

    #[test]
    fn bits_add_up_until_they_are_delivered() {
        let store = Store::default();
        let a = notifiable(&store);
        for bits in [1, 2, 1 << 63] {
            store.notify(a, bits).unwrap();
        }
        assert_eq!(take(&store, a), Err(Error::Again));
        store.work_off_notices();
        store.notify(a, 4).unwrap();
        store.work_off_notices();
        assert_eq!(take(&store, a), Ok(1 << 63 | 7));
        assert_eq!(take(&store, a), Err(Error::Again));
        store.notify(a, 8).unwrap();
        store.work_off_notices();
        assert_eq!(take(&store, a), Ok(8));
        let counters = store.stats(a).unwrap();
        assert_eq!((counters.sent, counters.delivered, counters.queued), (2, 2, 0));
    }

    #[test]
    fn bits_that_come_while_a_batch_is_open_follow_it() {
        let store = Store::default();
        let a = notifiable(&store);
        store.notify(a, 1).unwrap();
        store.work_off_notices();
        let mut batch = store.recv_batch(a, &POLL).unwrap();
        store.notify(a, 2).unwrap();
        store.work_off_notices();
        assert_eq!(store.batch_next(&mut batch).unwrap().unwrap().tag, 1);
        store.batch_release(&mut batch).unwrap();
        store.work_off_notices();
        assert_eq!(take(&store, a), Ok(2));
        store.notify(a, 4).unwrap();
        store.work_off_notices();
        let mut unread = store.recv_batch(a, &POLL).unwrap();
        store.notify(a, 8).unwrap();
        store.work_off_notices();
        store.batch_release(&mut unread).unwrap();
        assert_eq!(take(&store, a), Ok(4));
        store.work_off_notices();
        assert_eq!(take(&store, a), Ok(8));
    }

    #[test]
    fn more_mailboxes_than_the_ring_holds() {
        let store = Store::default();
        let all: Vec<_> = (0..2 * RING).map(|_| notifiable(&store)).collect();
        all.iter().for_each(|id| store.notify(*id, 1).unwrap());
        store.work_off_notices();
        assert!(all.iter().all(|id| take(&store, *id) == Ok(1)));
    }

    #[test]
    fn only_live_mailboxes_that_asked_for_it_take_notices() {
        let store = Store::default();
        let plain = store.open(Opening::default(), || true).unwrap();
        assert_eq!(store.notify(plain, 1), Err(Error::Inval));
        let a = notifiable(&store);
        assert_eq!(store.notify(a, 0), Ok(()));
        store.notify(a, 1).unwrap();
        let remains = store.end(a, 0).unwrap();
        store.disband(remains.owned, Of::Owner, |_, _| ());
        store.finish(remains);
        assert_eq!(store.notify(a, 1), Err(Error::NoProc));
        store.work_off_notices();
        assert_eq!(store.notify(Id::NONE, 1), Err(Error::BadId));
        assert_eq!(store.notify(Id::new(Kind::Mailbox, 9, a.index()), 1), Err(Error::BadId));
        assert_eq!(store.notify(Id::new(Kind::Mailbox, 1, 1 << 20), 1), Err(Error::BadId));
    }
}
