//! Models: small meetings of two or three threads, run under loom in every interleaving.
//!
//! Guarantees: each model works on a store of its own and asserts what `semantics` promises about the race it is named
//! after; a wait that nobody ends is a deadlock, which loom reports. Run them with
//! `RUSTFLAGS="--cfg loom" cargo test --release --lib models`; a failing interleaving is printed and is the same in
//! the next run.

mod bell;
mod budgets;
mod calls;
mod claims;
mod conflates;
mod deaths;
mod drains;
mod hand_over;
mod links;
mod loops;
mod notices;
mod parker;
mod receipts;
mod recorder;
mod room;
mod signals;
mod streams;
mod suspends;
mod timers;
mod topics;
mod watches;
mod workers;

use crate::clock::{Clock, FOREVER};
use crate::engine::{bury, end_in, Engine};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Limit, Opening, Outcome, Patience, Policy, Refusal, Store};
use crate::message::{FrameHeader, MailboxCounters, Message, Payload, KIND_MESSAGE};
use crate::sync::{explore, thread, Arc};

const FOREVER_REAL: Patience<'static> = Patience { clock: &Clock::Real, timeout: FOREVER, interruptible: false };
const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };
/// A reason of the host's.
const WHY: i32 = 2000;

/// What the threads of a model share. The engine's clock is virtual.
struct Meeting {
    store: Store,
    engine: Engine,
}

fn meeting() -> Arc<Meeting> {
    Arc::new(Meeting { store: Store::default(), engine: Engine::new(0, true, true) })
}

fn draft(tag: u64) -> Draft<'static> {
    let header = FrameHeader { kind: KIND_MESSAGE as u8, tag, ..FrameHeader::default() };
    Draft { header, payload: Payload::Copy(&[]), topic: &[], trailer: None }
}

impl Meeting {
    fn open(&self) -> Id {
        self.store.open(Opening::default(), || true).unwrap()
    }

    fn bounded(&self, policy: Policy, max_messages: u64) -> Id {
        let limit = Limit { max_messages, ..Limit::default() };
        self.store.open(Opening { policy, limit, ..Opening::default() }, || true).unwrap()
    }

    fn offer(&self, to: Id, tag: u64) -> Result<bool, Refusal> {
        match self.store.offer(to, &draft(tag), None)? {
            Outcome::Queued(roused) | Outcome::Replaced(roused) => {
                self.store.rouse(roused);
                Ok(true)
            }
            Outcome::Dropped => Ok(false),
            Outcome::Overflowed(remains) => {
                bury(&self.store, &self.engine, *remains, None);
                Err(Refusal::Full)
            }
        }
    }

    fn send(&self, to: Id, tag: u64) {
        assert_eq!(self.offer(to, tag), Ok(true));
    }

    fn wait(&self, from: Id) -> Result<Message> {
        self.release(self.store.recv(from, &FOREVER_REAL))
    }

    fn poll(&self, from: Id) -> Result<Message> {
        self.release(self.store.recv(from, &POLL))
    }

    fn release(&self, received: Result<Message>) -> Result<Message> {
        let message = received?;
        self.store.release_message(Id(message.owner)).unwrap();
        Ok(message)
    }

    /// The tags of what is there now.
    fn tags(&self, from: Id) -> Vec<u64> {
        std::iter::from_fn(|| self.poll(from).ok()).map(|message| message.tag).collect()
    }

    fn end(&self, id: Id) {
        let ended = end_in(&self.store, &self.engine, id, WHY, &[]);
        assert!(matches!(ended, Ok(()) | Err(Error::NoProc)));
    }

    fn stats(&self, id: Id) -> MailboxCounters {
        let c = self.store.stats(id).unwrap();
        assert_eq!(
            c.sent,
            c.delivered + c.lost + c.conflated + c.flushed + c.expired + c.discarded + c.queued,
            "{c:?}"
        );
        c
    }

    /// The record of this id was freed, and once only.
    fn assert_freed(&self, record: Id) {
        assert_eq!(self.store.shots.at(record.index()).life(), record.life() + 1, "freed exactly once");
    }
}

/// Another thread of a model.
fn spawn<T: 'static>(meeting: &Arc<Meeting>, run: impl FnOnce(&Meeting) -> T + 'static) -> thread::JoinHandle<T> {
    let meeting = meeting.clone();
    thread::spawn(move || run(&meeting))
}
