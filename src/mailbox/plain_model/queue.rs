//! The plain model: a mailbox's queue as one sorted vector, done the slow and obvious way.
//!
//! Guarantees: nothing here knows of segments, stamps or locks. Messages, signals and marks of loss lie in the order in
//! which they came, each with a key of that order, by which what was handed out goes back to its place.

use super::super::Policy;
use crate::message::{Match, KIND_REQUEST, KIND_TOPIC};
use std::collections::{HashMap, HashSet};

/// A payload: its bytes, or the number of a lent block and its size.
#[derive(Clone, Debug, PartialEq)]
pub enum Bytes {
    Copied(Vec<u8>),
    Lent(usize, usize),
}

impl Bytes {
    pub fn size(&self) -> u64 {
        match self {
            Bytes::Copied(bytes) => bytes.len() as u64,
            Bytes::Lent(_, size) => *size as u64,
        }
    }
}

/// A message or a signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub kind: u32,
    pub tag: u64,
    pub from: u64,
    pub reference: u64,
    pub bytes: Bytes,
    pub topic: &'static str,
    pub is_signal: bool,
    /// How many older values it replaced.
    pub replaced: u64,
}

/// One place of the queue.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: u64,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Lost(u64),
    Live(Item),
}

impl Entry {
    pub fn live(&self) -> Option<&Item> {
        match &self.what {
            What::Live(item) => Some(item),
            What::Lost(_) => None,
        }
    }
    pub fn lost(&self) -> u64 {
        match self.what {
            What::Lost(lost) => lost,
            What::Live(_) => 0,
        }
    }
    fn message(&self) -> Option<&Item> {
        self.live().filter(|item| !item.is_signal)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Queued,
    Dropped,
    Full,
    TooBig,
    /// Refused, and the mailbox has ended for it.
    Killed,
}

#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    pub limit: u64,
    pub policy: Policy,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub sent: u64,
    pub delivered: u64,
    pub lost: u64,
    pub shown: u64,
    pub flushed: u64,
    pub expired: u64,
    pub refused: u64,
    pub conflated: u64,
}

/// See the file's comment.
#[derive(Default)]
pub struct Plain {
    pub queue: Vec<Entry>,
    pub subscriptions: HashMap<u64, Subscription>,
    /// Tickets whose callers no longer wait.
    pub stale: HashSet<u64>,
    pub counts: Counts,
    pub policy: Policy,
    pub max_messages: u64,
    pub max_bytes: u64,
    pub pending_lost: u64,
    pub next_key: u64,
}

impl Plain {
    pub fn messages(&self) -> u64 {
        self.queue.iter().filter_map(Entry::message).count() as u64
    }

    pub fn bytes(&self) -> u64 {
        self.queue.iter().filter_map(Entry::message).map(|item| item.bytes.size()).sum()
    }

    /// Live entries, signals included.
    pub fn live(&self) -> u64 {
        self.queue.iter().filter_map(Entry::live).count() as u64
    }

    fn push(&mut self, what: What) {
        // Room between two keys, for losses that go back.
        self.next_key += 2;
        self.queue.push(Entry { key: self.next_key, what });
    }

    pub fn signal(&mut self, item: Item) {
        self.counts.sent += 1;
        self.push(What::Live(item));
    }

    fn fits(&self, item: &Item) -> bool {
        // An empty message needs no bytes, also where a batch that was put back went over the bound.
        let size = item.bytes.size();
        self.messages() < self.max_messages && (size == 0 || self.bytes() + size <= self.max_bytes)
    }

    fn accept(&mut self, item: Item) -> Verdict {
        self.counts.sent += 1;
        if self.pending_lost > 0 {
            let lost = std::mem::take(&mut self.pending_lost);
            self.push(What::Lost(lost));
        }
        self.push(What::Live(item));
        Verdict::Queued
    }

    fn drop_new(&mut self) -> Verdict {
        (self.counts.sent, self.counts.lost) = (self.counts.sent + 1, self.counts.lost + 1);
        self.pending_lost += 1;
        Verdict::Dropped
    }

    fn refuse(&mut self, verdict: Verdict) -> Verdict {
        self.counts.refused += 1;
        verdict
    }

    /// Drops the oldest message that is wanted, marking its place.
    fn evict(&mut self, wanted: impl Fn(&Item) -> bool) -> bool {
        let found = self.queue.iter_mut().find(|entry| entry.message().is_some_and(&wanted));
        let Some(entry) = found else { return false };
        entry.what = What::Lost(1);
        self.counts.lost += 1;
        true
    }

    /// Puts a value in the place of the last queued one of its key. `Full` when its bytes do not fit there.
    fn conflate(&mut self, item: &Item) -> Option<Verdict> {
        let key = |item: &Item| (item.kind, item.tag, item.topic, item.reference);
        let (bytes, size) = (self.bytes(), item.bytes.size());
        let same = |entry: &&mut Entry| entry.message().is_some_and(|old| key(old) == key(item));
        let entry = self.queue.iter_mut().rev().find(same)?;
        let What::Live(old) = &mut entry.what else { return None };
        if size > 0 && bytes - old.bytes.size() + size > self.max_bytes {
            return Some(Verdict::Full);
        }
        *old = Item { replaced: old.replaced + 1, ..item.clone() };
        (self.counts.sent, self.counts.conflated) = (self.counts.sent + 1, self.counts.conflated + 1);
        Some(Verdict::Queued)
    }

    pub fn send(&mut self, item: Item) -> Verdict {
        let is_request = item.kind == KIND_REQUEST;
        if item.bytes.size() > self.max_bytes {
            return self.refuse(Verdict::TooBig);
        }
        if self.policy == Policy::Conflate && !is_request {
            match self.conflate(&item) {
                Some(Verdict::Queued) => return Verdict::Queued,
                Some(verdict) => return self.refuse(verdict),
                None => {}
            }
        }
        while !self.fits(&item) {
            let evicted = self.policy == Policy::DropOld && self.evict(|item| item.kind != KIND_REQUEST);
            match self.policy {
                _ if evicted => {}
                Policy::Block => return Verdict::Full,
                Policy::Kill => return self.refuse(Verdict::Killed),
                Policy::DropNew if !is_request => return self.drop_new(),
                _ => return self.refuse(Verdict::Full),
            }
        }
        self.accept(item)
    }

    fn queued_of(&self, subscription: u64) -> u64 {
        let own = |item: &&Item| item.kind == KIND_TOPIC && item.reference == subscription;
        self.queue.iter().filter_map(Entry::message).filter(own).count() as u64
    }

    /// `None` when the subscription is over.
    pub fn publish(&mut self, item: Item) -> Option<Verdict> {
        let own = item.reference;
        let Subscription { limit, policy } = *self.subscriptions.get(&own)?;
        let over_own = limit > 0 && self.queued_of(own) >= limit;
        let too_big = item.bytes.size() > self.max_bytes;
        if !too_big && (policy == Policy::Conflate || self.policy == Policy::Conflate) {
            match self.conflate(&item) {
                Some(Verdict::Queued) => return Some(Verdict::Queued),
                Some(_) => return Some(self.drop_new()),
                None => {}
            }
        }
        if !too_big && over_own && policy == Policy::Kill {
            return Some(self.refuse(Verdict::Killed));
        }
        if too_big || over_own && policy != Policy::DropOld {
            return Some(self.drop_new());
        }
        let of_own = |item: &Item| item.kind == KIND_TOPIC && item.reference == own;
        let mut must_evict = over_own;
        while must_evict || !self.fits(&item) {
            let evicted = match (limit > 0, over_own || self.policy == Policy::DropOld) {
                (_, false) => false,
                (true, true) => self.evict(of_own),
                (false, true) => self.evict(|item| item.kind != KIND_REQUEST),
            };
            if !evicted && !over_own && self.policy == Policy::Kill {
                return Some(self.refuse(Verdict::Killed));
            }
            if !evicted {
                return Some(self.drop_new());
            }
            must_evict = false;
        }
        Some(self.accept(item))
    }

    /// Takes queued entries out as flushed.
    pub fn flush(&mut self, wanted: impl Fn(&Item) -> bool) -> u64 {
        let before = self.live();
        self.queue.retain(|entry| !entry.live().is_some_and(&wanted));
        let flushed = before - self.live();
        self.counts.flushed += flushed;
        flushed
    }

    pub fn is_stale(&self, item: &Item) -> bool {
        item.kind == KIND_REQUEST && self.stale.contains(&item.reference)
    }

    /// Drops the stale requests among the first messages at or after `from` that `wanted` accepts, and gives the place
    /// of the first that is not stale.
    pub fn unexpired(&mut self, from: u64, wanted: &Match) -> Option<usize> {
        loop {
            let accepts = |item: &Item| wanted.accepts(item.kind, item.tag, item.from, item.reference);
            let found = self.queue.iter().position(|e| e.key >= from && e.message().is_some_and(accepts))?;
            if !self.queue[found].live().is_some_and(|item| self.is_stale(item)) {
                return Some(found);
            }
            self.expire(found);
        }
    }

    /// The place of the message with this key, unless it is gone or a stale request, which then goes.
    pub fn unexpired_at(&mut self, key: u64) -> Option<usize> {
        let at = self.queue.iter().position(|entry| entry.key == key && entry.live().is_some())?;
        if self.queue[at].live().is_some_and(|item| self.is_stale(item)) {
            self.expire(at);
            return None;
        }
        Some(at)
    }

    fn expire(&mut self, at: usize) {
        self.queue.remove(at);
        self.counts.expired += 1;
    }

    /// Drops the first so many stale requests.
    pub fn expire_first(&mut self, count: u64) {
        for _ in 0..count {
            let at = self.queue.iter().position(|entry| entry.live().is_some_and(|item| self.is_stale(item)));
            self.expire(at.expect("what the mailbox counted as expired is stale"));
        }
    }

    /// The place of the oldest entry, after dropping stale requests before it.
    pub fn oldest(&mut self) -> Option<usize> {
        loop {
            let at = self.queue.iter().position(|entry| entry.live().is_some())?;
            if !self.queue[at].live().is_some_and(|item| self.is_stale(item)) {
                return Some(at);
            }
            self.expire(at);
        }
    }

    pub fn first_signal(&self, wanted: impl Fn(u64, &Item) -> bool) -> Option<usize> {
        self.queue.iter().position(|entry| entry.live().is_some_and(|item| item.is_signal && wanted(entry.key, item)))
    }

    /// Takes the live entry at `at` out, with the losses that show with it: all before the first live message when it
    /// is that one, and for a signal those of them that lie before it.
    pub fn take(&mut self, at: usize) -> (Item, u64) {
        let first = self.queue.iter().position(|entry| entry.message().is_some()).unwrap_or(self.queue.len());
        let Entry { what: What::Live(item), .. } = self.queue.remove(at) else { panic!("a live entry") };
        let upto = if item.is_signal { first.min(at) } else { at };
        let shows = item.is_signal || at == first;
        let lost = if shows { self.take_lost(upto, u64::MAX) } else { 0 };
        self.counts.shown += lost;
        (item, lost)
    }

    /// Takes the marks of loss before `upto` out, oldest first, as long as their sum is not above `most`.
    pub fn take_lost(&mut self, upto: usize, most: u64) -> u64 {
        let (mut lost, mut at) = (0, 0);
        self.queue.retain(|entry| {
            let goes = at < upto && entry.lost() > 0 && lost + entry.lost() <= most;
            lost += if goes { entry.lost() } else { 0 };
            at += 1;
            !goes
        });
        lost
    }

    /// Puts entries back where their keys are.
    pub fn put_back(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.queue.extend(entries);
        self.queue.sort_by_key(|entry| entry.key);
    }
}
