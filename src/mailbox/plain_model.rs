//! A mailbox against a plain model of one: random sequences of everything that can happen to its queue.
//!
//! Guarantees: after each step the mailbox has given the same messages, in the same order, with the same bytes and the
//! same losses as [`queue::Plain`], its counters are the model's and add up, and each payload by reference was released
//! if and only if nobody holds it any more, and once. A failing sequence is printed, shortened, with its seed in
//! `proptest-regressions`, from where the next run begins.

mod queue;
mod steps;

use super::draft::Draft;
use super::draft::GAP;
use super::*;
use crate::clock::Clock;
use crate::message::*;
use crate::oneshot::{Body, Making, Rare, State};
use crate::owed::{Release, UserPtr};
use proptest::prelude::*;
use queue::{Bytes, Counts, Entry, Item, Plain, Verdict, What};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use steps::steps;

thread_local! {
    /// How often each lent block was released.
    static RELEASED: RefCell<HashMap<usize, u32>> = RefCell::default();
}

extern "C" fn released(_: *mut c_void, _: usize, number: *mut c_void) {
    RELEASED.with(|released| *released.borrow_mut().entry(number as usize).or_default() += 1);
}

/// A monitor or a timer, whose signal comes when a step says so.
struct Record {
    id: Id,
    repeats: bool,
    /// Fires when told to, unless its signal waits.
    armed: bool,
    tag: u64,
    bytes: Bytes,
}

/// A batch that was not released.
struct Open {
    batch: Batch,
    items: Vec<Handed>,
    is_signals: bool,
    /// Losses passed and not shown.
    pending: u64,
}

/// An entry of an open batch.
#[derive(Clone)]
struct Handed {
    entry: Entry,
    claimed: bool,
    flushed: bool,
    /// A request whose caller was gone when the cursor passed it.
    expired: bool,
    /// Flushed with its subscription: not delivered when the cursor comes to it.
    cut: bool,
}

struct Both {
    store: Store,
    id: Id,
    plain: Plain,
    lent: Vec<Vec<u8>>,
    /// Lent blocks of failed sends, which stay the host's.
    kept: Vec<usize>,
    records: Vec<Record>,
    tickets: Vec<Id>,
    subscriptions: Vec<Id>,
    open: Vec<Open>,
    /// Owners of messages and frames, and the lent blocks they keep.
    held: Vec<(Id, Vec<usize>)>,
    retained: Vec<(Batch, Vec<usize>)>,
    cursor: Cursor,
    /// The model's cursor: keys from which messages and after which signals come, and what was peeked last.
    peeked: (u64, u64, Option<u64>),
    selects: Vec<(Match, Select)>,
    /// What it left when it ended because it was full.
    killed: Option<Remains>,
}

const POLL: Patience<'static> = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };

fn blocks(bytes: &Bytes) -> Option<usize> {
    match bytes {
        Bytes::Lent(number, _) => Some(*number),
        Bytes::Copied(_) => None,
    }
}

impl Both {
    fn new(policy: Policy, max_messages: u64, max_bytes: u64) -> Both {
        RELEASED.take();
        let store = Store::default();
        let limit = Limit { max_messages, max_bytes, ..Limit::default() };
        let id = store.open(Opening { policy, limit, ..Opening::default() }, || true).unwrap();
        let max_bytes = if max_bytes == 0 { MAX_BYTES } else { max_bytes };
        Both {
            store,
            id,
            plain: Plain { policy, max_messages, max_bytes, ..Plain::default() },
            lent: Vec::new(),
            kept: Vec::new(),
            records: Vec::new(),
            tickets: Vec::new(),
            subscriptions: Vec::new(),
            open: Vec::new(),
            held: Vec::new(),
            retained: Vec::new(),
            cursor: Cursor::default(),
            peeked: (0, 0, None),
            selects: Vec::new(),
            killed: None,
        }
    }

    fn bytes(&mut self, size: usize, by_ref: bool) -> Bytes {
        let fill = (size + self.lent.len()) as u8;
        if !by_ref && size <= INLINE_MAX {
            return Bytes::Copied((0..size).map(|at| fill.wrapping_add(at as u8)).collect());
        }
        self.lent.push(vec![fill; size.max(1)]);
        Bytes::Lent(self.lent.len() - 1, size)
    }

    /// Calls `work` with the payload, and takes a block back that was not wanted.
    fn with_payload<R>(&mut self, bytes: &Bytes, work: impl FnOnce(&Store, Payload<'_>) -> (R, bool)) -> R {
        match bytes {
            Bytes::Copied(bytes) => work(&self.store, Payload::Copy(bytes)).0,
            Bytes::Lent(number, _) => {
                let block = self.block(bytes).expect("a lent one");
                let (result, wanted) = work(&self.store, Payload::Share(&block));
                if !wanted {
                    self.kept.push(*number);
                    Block::cancel(block);
                }
                result
            }
        }
    }

    fn block(&mut self, bytes: &Bytes) -> Option<Arc<Block>> {
        let Bytes::Lent(number, size) = *bytes else { return None };
        let data = UserPtr::new(self.lent[number].as_mut_ptr().cast());
        let user = UserPtr::new(number as *mut c_void);
        Some(Block::lend(Release { call: released, data, size, user }, None))
    }

    fn offer(&mut self, item: Item) {
        let header = FrameHeader {
            kind: item.kind as u8,
            from: item.from,
            tag: item.tag,
            r#ref: item.reference,
            ..FrameHeader::default()
        };
        let (id, mut killed) = (self.id, None);
        let got = self.with_payload(&item.bytes, |store, payload| {
            let draft = Draft { header, payload, topic: item.topic.as_bytes(), trailer: None };
            let verdict = match store.offer(id, &draft, None) {
                Ok(Outcome::Queued(roused) | Outcome::Replaced(roused)) => {
                    store.rouse(roused);
                    Verdict::Queued
                }
                Ok(Outcome::Dropped) => Verdict::Dropped,
                Ok(Outcome::Overflowed(remains)) => {
                    killed = Some(*remains);
                    Verdict::Killed
                }
                Err(Refusal::Full | Refusal::Short) => Verdict::Full,
                Err(Refusal::Never(error)) => {
                    assert_eq!(error, Error::TooBig);
                    Verdict::TooBig
                }
            };
            (verdict, matches!(verdict, Verdict::Queued | Verdict::Dropped))
        });
        self.killed = killed;
        assert_eq!(got, self.plain.send(item));
    }

    fn publish(&mut self, subscription: Id, item: Item) {
        let header = FrameHeader { kind: KIND_TOPIC as u8, tag: item.tag, from: item.from, ..FrameHeader::default() };
        let mut killed = None;
        let got = self.with_payload(&item.bytes, |store, payload| {
            let draft = Draft { header, payload, topic: item.topic.as_bytes(), trailer: None };
            // Half of them as a run, where that is possible.
            let run = if item.tag % 2 == 0 { None } else { segment::Run::new(std::iter::once(draft)) };
            let mut roused = None;
            if run.is_some_and(|run| store.publish_run(subscription, &run, &mut roused)) {
                store.rouse(roused);
                return (Some(Verdict::Queued), true);
            }
            let verdict = store.publish(subscription, &draft).map(|outcome| match outcome {
                Outcome::Queued(roused) | Outcome::Replaced(roused) => {
                    store.rouse(roused);
                    Verdict::Queued
                }
                Outcome::Dropped => Verdict::Dropped,
                Outcome::Overflowed(remains) => {
                    killed = Some(*remains);
                    Verdict::Killed
                }
            });
            (verdict, true)
        });
        self.killed = killed;
        assert_eq!(got, self.plain.publish(item));
    }

    /// Compares a message, whose payload `data` reads, with what the model gives.
    fn compare(&self, message: &Message, data: &[u8], item: &Item, lost: u64) {
        let got = (message.kind, message.tag, message.from.0, message.r#ref, message.lost, message.info[0]);
        assert_eq!(got, (item.kind, item.tag, item.from, item.reference, lost, item.replaced), "of {item:?}");
        assert_eq!((message.data_size as u64, message.topic_size), (item.bytes.size(), item.topic.len()));
        match &item.bytes {
            Bytes::Copied(bytes) => assert_eq!(data, bytes),
            Bytes::Lent(_, 0) => {}
            Bytes::Lent(number, size) if !data.is_empty() => assert_eq!(data, &self.lent[*number][..*size]),
            Bytes::Lent(number, _) => assert_eq!(message.data, self.lent[*number].as_ptr().cast()),
        }
    }

    /// Takes a message that a receive call gave over: it must be the model's, and is held for a while.
    fn hold(&mut self, message: Message, item: &Item, lost: u64) {
        let owner = Id(message.owner);
        // Where values are conflated, copies travel by reference, too.
        let read = |hold: &mut hold::Hold| {
            let copied = hold.block.as_ref().and_then(|block| block.owned().map(<[u8]>::to_vec));
            [copied.unwrap_or_default(), hold.bytes.clone()].concat()
        };
        let data = self.store.holds.with(owner, read).unwrap();
        let size = if blocks(&item.bytes).is_some() { 0 } else { message.data_size };
        assert_eq!(&data[size..], item.topic.as_bytes());
        self.compare(&message, &data[..size], item, lost);
        self.held.push((owner, blocks(&item.bytes).into_iter().collect()));
    }

    /// The record's signal waits: in the queue, or in a batch that has not passed it.
    fn is_queued(&self, record: Id) -> bool {
        let is = |entry: &Entry| entry.live().is_some_and(|item| item.is_signal && item.reference == record.0);
        self.plain.queue.iter().any(is) || self.in_hand(record).is_some()
    }

    fn in_hand(&self, record: Id) -> Option<(usize, usize)> {
        self.open.iter().enumerate().find_map(|(number, open)| {
            let at = open.items.iter().position(|handed| {
                let waits = !handed.claimed && !handed.flushed;
                waits && handed.entry.live().is_some_and(|item| item.is_signal && item.reference == record.0)
            });
            at.map(|at| (number, at))
        })
    }

    /// The batch at hand, as the mailbox cut it, must be what the model has at the front of its queue.
    fn open(&mut self, batch: Batch) {
        let expired = self.store.stats(self.id).unwrap().expired - self.plain.counts.expired;
        self.plain.expire_first(expired);
        let entries: Vec<(u8, u64)> = self
            .store
            .holds
            .with(Id(batch.owner), |hold| {
                let frame = hold.frame.as_ref().unwrap();
                hold.places.iter().map(|at| frame.entry(*at).header).map(|header| (header.kind, header.tag)).collect()
            })
            .unwrap();
        let mut items: Vec<Handed> = Vec::new();
        let is_signals = entries.iter().any(|(kind, _)| matches!(*kind as u32, KIND_DOWN | KIND_TIMER));
        for (kind, tag) in entries {
            let entry = if kind == GAP {
                // Losses of several places may have become one mark; what lies behind the last message stays behind.
                let upto = self.plain.queue.iter().position(|entry| entry.live().is_some());
                let key = self.plain.queue.first().expect("a loss").key;
                let upto = upto.unwrap_or(self.plain.queue.len());
                assert_eq!(self.plain.take_lost(upto, tag), tag);
                Entry { key, what: What::Lost(tag) }
            } else {
                let at = self.plain.queue.iter().position(|entry| entry.live().is_some()).expect("an entry");
                assert!(at == 0 || is_signals && !items.is_empty(), "losses before an entry are in the batch");
                self.plain.queue.remove(at)
            };
            assert_eq!(entry.live().is_some_and(|item| item.is_signal), is_signals && kind != GAP);
            items.push(Handed { entry, claimed: false, flushed: false, expired: false, cut: false });
        }
        assert!(items.iter().any(|handed| handed.entry.live().is_some()));
        // In a batch a mark of loss belongs to the message behind it, and goes back with that.
        for at in 1..items.len() {
            if items[at - 1].entry.lost() > 0 && items[at].entry.live().is_some() {
                items[at - 1].entry.key = items[at].entry.key - 1;
            }
        }
        self.open.push(Open { batch, items, is_signals, pending: 0 });
    }

    fn batch_next(&mut self, number: usize) {
        let open = &mut self.open[number];
        let before = open.batch.cursor as usize;
        let got = self.store.batch_next(&mut open.batch).unwrap();
        let mut expected = None;
        for handed in &mut open.items[before..open.batch.cursor as usize] {
            handed.claimed = true;
            match &handed.entry.what {
                What::Lost(lost) => open.pending += lost,
                What::Live(_) if handed.flushed || handed.expired => {}
                What::Live(_) if handed.cut => {
                    handed.flushed = true;
                    self.plain.counts.flushed += 1;
                }
                What::Live(item) if self.plain.is_stale(item) => {
                    handed.expired = true;
                    self.plain.counts.expired += 1;
                }
                What::Live(item) => {
                    assert!(expected.is_none(), "one message at a time");
                    expected = Some((item.clone(), std::mem::take(&mut open.pending)));
                }
            }
        }
        let Some((item, lost)) = expected else { return assert!(got.is_none()) };
        let (owner, at) = (Id(open.batch.owner), open.batch.cursor as usize - 1);
        self.plain.counts.shown += lost;
        let read = |hold: &mut hold::Hold| hold.frame.as_ref().unwrap().entry(hold.places[at]).data().to_vec();
        let data = self.store.holds.with(owner, read).unwrap();
        self.compare(&got.expect("a message"), &data, &item, lost);
    }

    fn batch_release(&mut self, number: usize) {
        let Open { mut batch, items, is_signals, pending } = self.open.remove(number);
        let cursor = batch.cursor as usize;
        self.store.batch_release(&mut batch).unwrap();
        assert_eq!(self.store.batch_release(&mut batch), Err(Error::Stale));
        let first = items.iter().find(|handed| handed.entry.live().is_some()).unwrap().entry.key;
        let mut unshown = pending;
        let mut back = Vec::new();
        for (at, handed) in items.into_iter().enumerate() {
            match (&handed.entry.what, at < cursor) {
                // By hand the cursor passed it, and the host has seen it.
                (What::Lost(lost), true) if !handed.claimed => self.plain.counts.shown += lost,
                (What::Lost(_), true) => {}
                (What::Lost(lost), false) if is_signals => unshown += lost,
                (What::Live(_), _) if handed.flushed || handed.expired => {}
                (What::Live(_), true) => self.plain.counts.delivered += 1,
                (What::Live(_), false) if handed.cut => self.plain.counts.flushed += 1,
                (_, false) => back.push(handed.entry),
            }
        }
        if unshown > 0 {
            back.push(Entry { key: first - 1, what: What::Lost(unshown) });
        }
        self.plain.put_back(back);
    }

    fn check(&self) {
        let c = self.store.stats(self.id).unwrap();
        let Plain { counts, .. } = &self.plain;
        let handed = self.open.iter().flat_map(|open| &open.items);
        let waits = |handed: &&Handed| !handed.flushed && !handed.expired && handed.entry.live().is_some();
        let in_hand = handed.filter(waits).count() as u64;
        let got = (c.sent, c.delivered, c.lost, c.flushed, c.expired, c.refused, c.conflated);
        let Counts { sent, delivered, lost, flushed, expired, refused, conflated, .. } = *counts;
        let expected = (sent, delivered, lost, flushed, expired, refused, conflated);
        assert_eq!(got, expected, "sent, delivered, lost, flushed, expired, refused, conflated");
        assert_eq!((c.queued, c.queued_bytes), (self.plain.live() + in_hand, self.plain.bytes()));
        assert_eq!(
            c.sent,
            c.delivered + c.lost + c.conflated + c.flushed + c.expired + c.discarded + c.queued,
            "{c:?}"
        );
        let armed = |usage: Kind| self.records.iter().filter(|r| r.armed && r.id.is(usage)).count() as u64;
        assert_eq!((c.monitors, c.timers), (armed(Kind::Monitor), armed(Kind::Timer)));
        assert_eq!(c.subscriptions, self.subscriptions.len() as u64);
        self.check_releases();
    }

    fn check_releases(&self) {
        let queued = self.plain.queue.iter().filter_map(Entry::live);
        let framed = self.open.iter().flat_map(|open| open.items.iter().filter_map(|handed| handed.entry.live()));
        let mut holders: Vec<usize> = queued.chain(framed).filter_map(|item| blocks(&item.bytes)).collect();
        holders.extend(self.held.iter().flat_map(|(_, blocks)| blocks));
        holders.extend(self.retained.iter().flat_map(|(_, blocks)| blocks));
        holders.extend(self.records.iter().filter(|record| record.armed).filter_map(|record| blocks(&record.bytes)));
        RELEASED.with_borrow(|released| {
            for number in 0..self.lent.len() {
                let expected = u32::from(!holders.contains(&number) && !self.kept.contains(&number));
                assert_eq!(released.get(&number).copied().unwrap_or(0), expected, "releases of block {number}");
            }
        });
    }

    /// Ends the mailbox and lets go of everything.
    fn close(mut self, by_batch: bool) {
        let reason = if self.killed.is_some() { REASON_OVERFLOW } else { REASON_NORMAL };
        let remains = self.killed.take().unwrap_or_else(|| self.store.end(self.id, REASON_NORMAL).unwrap());
        let over = |index: u32, life: u32| {
            let shot = self.store.shots.at(index);
            let _ = shot.shift(life, State::Armed, State::Cancelled) || shot.shift(life, State::Queued, State::Flushed);
        };
        let (owned, signals) = (remains.owned, remains.signals);
        self.store.disband(owned, Of::Owner, over);
        self.store.disband(signals, Of::Signal, over);
        self.store.finish(remains);
        let unseen = self.plain.counts.lost - self.plain.counts.shown;
        if unseen > 0 && by_batch {
            let mut batch = self.store.recv_batch(self.id, &POLL).unwrap();
            let message = self.store.batch_next(&mut batch).unwrap().unwrap();
            assert_eq!((message.kind, message.lost), (KIND_END, unseen));
            self.store.batch_release(&mut batch).unwrap();
        } else if unseen > 0 {
            let message = self.store.recv(self.id, &POLL).unwrap();
            assert_eq!((message.kind, message.lost), (KIND_END, unseen));
            self.store.release_message(Id(message.owner)).unwrap();
        }
        assert_eq!(self.store.recv(self.id, &POLL).unwrap_err(), Error::Closed);
        for open in &mut self.open {
            assert!(self.store.batch_next(&mut open.batch).unwrap().is_none(), "nothing is passed after the end");
            // What the host passed by hand it has seen; a repeating timer's tick has gone with its timer, though.
            let gone = |item: &Item| self.records.iter().any(|r| r.id.0 == item.reference && r.repeats);
            let passed =
                open.items[..open.batch.cursor as usize].iter().filter(|handed| !handed.flushed && !handed.expired);
            let delivered = passed.filter(|h| h.entry.live().is_some_and(|item| h.claimed || !gone(item)));
            self.plain.counts.delivered += delivered.count() as u64;
            self.store.batch_release(&mut open.batch).unwrap();
        }
        self.held.iter().for_each(|(owner, _)| self.store.release_message(*owner).unwrap());
        self.retained.iter_mut().for_each(|(batch, _)| self.store.batch_release(batch).unwrap());
        let c = self.store.stats(self.id).unwrap();
        let Counts { sent, delivered, refused, .. } = self.plain.counts;
        assert_eq!((c.reason, c.sent, c.delivered, c.refused), (reason, sent, delivered, refused));
        assert_eq!(c.sent, c.delivered + c.lost + c.conflated + c.flushed + c.expired + c.discarded, "{c:?}");
        for record in &self.records {
            assert_ne!(self.store.shots.at(record.id.index()).life(), record.id.life(), "the record was freed");
        }
        (self.open, self.held, self.retained) = (Vec::new(), Vec::new(), Vec::new());
        self.records.clear();
        self.plain.queue.clear();
        self.check_releases();
    }
}

fn bound() -> impl Strategy<Value = (Policy, u64, u64)> {
    use Policy::{Block, Conflate, DropNew, DropOld, Fail, Kill};
    let policy = prop::sample::select(vec![Fail, Block, DropNew, DropOld, Conflate, Conflate, Kill]);
    (policy, 1..20u64, prop_oneof![2 => Just(0u64), 2 => 1..9000u64, 1 => Just(u64::MAX)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 1000 }, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn a_mailbox_is_its_plain_model(
        (policy, max_messages, max_bytes) in bound(),
        steps in steps(),
        by_batch in any::<bool>(),
    ) {
        let mut both = Both::new(policy, max_messages, max_bytes);
        for step in steps.0 {
            both.run(step);
            if both.killed.is_some() {
                break;
            }
            both.check();
        }
        both.close(by_batch);
    }
}
