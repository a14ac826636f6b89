//! Topics: publish to whoever subscribed to a pattern that matches.
//!
//! Guarantees: a publish works on the subscriptions as they stood when it began, and each delivery checks, under the
//! subscriber's lock, that its subscription still stands; so after unsubscribing nothing new comes. One subscriber's
//! bound never touches another's. A subscription begins in one step with the retained values it is given and with what
//! the watches of interest are told, so that each value reaches it once, retained or live.

pub mod pattern;
mod queue;
mod retained;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::draft::Draft;
use crate::mailbox::segment::Run;
use crate::mailbox::{Outcome, Policy, Remains, Store, Waking};
use crate::message::{FrameHeader, FrameTrailer, Payload, Receipt, Trash, KIND_INTEREST, KIND_TOPIC};
use crate::message::{STATUS_RETAINED, STATUS_STARTED, STATUS_STOPPED};
use crate::snapshot::{Edge, Snapshot};
use crate::sync::atomic::{AtomicUsize, Ordering::*};
use crate::sync::{rank, Arc, Mutex};
use crate::watch::{self, Wakes, Watching};
use pattern::Patterns;
use queue::{Member, Queue};
pub use retained::Value;
use std::collections::HashMap;

/// Topics, and ids in all their matches, that are remembered at most: a few megabytes.
const REMEMBERED: usize = 4096;
const REMEMBERED_IDS: usize = 1 << 18;
/// Subscribers to whom a message is rather written one by one.
const FEW: usize = 4;
/// The topic of dead letters.
pub const DEAD: &str = "$dead";

/// The subscriptions of one engine.
#[derive(Default)]
pub struct Topics {
    inner: Mutex<Inner, { rank::TOPICS }>,
    /// Subscriptions to dead letters.
    mourners: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    patterns: Patterns<Id>,
    of: HashMap<Id, Subscribed>,
    queues: HashMap<Box<str>, (Arc<Queue>, usize)>,
    retained: retained::Retained,
    interests: Vec<Interest>,
    /// Matches of topics published lately; emptied when a subscription comes or goes.
    matches: HashMap<Box<str>, Arc<Matching>>,
    remembered: usize,
}

struct Subscribed {
    text: Box<str>,
    /// Of its insertion into the patterns.
    number: u64,
    queue: Option<(Box<str>, Arc<Member>)>,
}

/// A watch of interest, and how many subscriptions its pattern meets.
struct Interest {
    watch: Id,
    pattern: Arc<str>,
    count: u64,
}

/// Who gets a topic: each of some, and one of each queue group.
#[derive(Default)]
struct Matching {
    each: Vec<Id>,
    one_of: Vec<Vec<Arc<Member>>>,
}

/// What to subscribe to.
#[derive(Clone, Copy, Debug)]
pub struct Subscribing<'a> {
    pub pattern: &'a str,
    pub policy: Policy,
    pub max_messages: u64,
    pub queue: Option<&'a str>,
}

/// `TD_EINVAL`, saying what is wrong, unless this can be published to.
pub fn check_topic(topic: &str) -> Result<()> {
    pattern::check_topic(topic).map_err(|fault| Error::Inval.because(format!("topic {:?}: {fault}", short(topic))))
}

/// `TD_EINVAL`, saying what is wrong, unless this can be subscribed to.
pub fn check_pattern(text: &str) -> Result<()> {
    pattern::check_pattern(text).map_err(|fault| Error::Inval.because(format!("pattern {:?}: {fault}", short(text))))
}

fn short(text: &str) -> &str {
    let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= 80).unwrap_or(text.len());
    &text[..end]
}

impl Inner {
    fn forget_matches(&mut self) {
        self.matches.clear();
        self.remembered = 0;
    }

    /// Tells the watches that a subscription to `text` came or went.
    fn notice(&mut self, store: &Store, text: &str, came: bool, wakes: &mut Wakes) {
        for interest in self.interests.iter_mut().filter(|interest| pattern::intersects(&interest.pattern, text)) {
            let before = interest.count;
            interest.count = if came { before + 1 } else { before.saturating_sub(1) };
            let status = match (before, interest.count) {
                (0, 1) => STATUS_STARTED,
                (1, 0) => STATUS_STOPPED,
                _ => 0,
            };
            let count = interest.count;
            let edge = Edge { status, from: Id::NONE, key: None, count };
            watch::tell(store, &[interest.watch], &edge, &|| Snapshot::Count(count), wakes);
        }
    }

    fn matching(&mut self, topic: &str) -> Arc<Matching> {
        if let Some(found) = self.matches.get(topic) {
            return found.clone();
        }
        let mut ids = Vec::new();
        self.patterns.collect(topic, &mut ids);
        if self.matches.len() >= REMEMBERED || self.remembered + ids.len() > REMEMBERED_IDS {
            self.forget_matches();
        }
        self.remembered += ids.len();
        let mut found = Matching::default();
        for id in ids {
            match self.of.get(&id).and_then(|subscribed| subscribed.queue.as_ref()) {
                None => found.each.push(id),
                Some((_, member)) => {
                    let same = |others: &&mut Vec<Arc<Member>>| Arc::ptr_eq(&others[0].queue, &member.queue);
                    match found.one_of.iter_mut().find(same) {
                        Some(others) => others.push(member.clone()),
                        None => found.one_of.push(vec![member.clone()]),
                    }
                }
            }
        }
        let found = Arc::new(found);
        self.matches.insert(topic.into(), found.clone());
        found
    }
}

impl Topics {
    /// Subscribes a mailbox to a pattern, under a bound of its own.
    /// If the mailbox ends for what it is given first, it goes into `ended`, for the caller to finish.
    pub fn subscribe(
        &self,
        store: &Store,
        mailbox: Id,
        subscribing: &Subscribing<'_>,
        ended: &mut Vec<Remains>,
    ) -> Result<Id> {
        let Subscribing { pattern: text, policy, max_messages, queue } = *subscribing;
        check_pattern(text)?;
        if policy == Policy::Block {
            return Err(Error::Inval
                .because("a subscription cannot block its publishers; use TD_DROP_NEW, TD_DROP_OLD or TD_KILL"));
        }
        let limit = u32::try_from(max_messages).unwrap_or(u32::MAX);
        let id = store.quotas.open(mailbox, limit, policy)?;
        let (mut wakes, mut trash) = (Wakes::new(), Trash::new());
        let mut locked = self.inner.lock();
        if let Err(error) = store.list_quota(mailbox, id) {
            drop(locked);
            store.quotas.close(id);
            store.quotas.give_back(id);
            return Err(error);
        }
        let inner = &mut *locked;
        let queue = queue.map(|name| {
            let (turns, members) = inner.queues.entry(name.into()).or_default();
            *members += 1;
            (name.into(), Member::join(turns, id))
        });
        let number = inner.patterns.insert(text, id);
        if queue.is_none() {
            for (topic, value) in inner.retained.matching(text) {
                let draft = retained_draft(topic, value);
                match store.publish_into(id, &draft, &mut trash) {
                    Some(Outcome::Queued(roused) | Outcome::Replaced(roused)) => wakes.push(roused),
                    Some(Outcome::Dropped) => {}
                    Some(Outcome::Overflowed(remains)) => ended.push(*remains),
                    None => break,
                }
            }
        }
        inner.of.insert(id, Subscribed { text: text.into(), number, queue });
        inner.forget_matches();
        self.mourners.fetch_add(usize::from(text == DEAD), AcqRel);
        inner.notice(store, text, true, &mut wakes);
        drop(locked);
        drop(trash);
        watch::rouse(store, wakes);
        Ok(id)
    }

    /// Ends a subscription; with `flush` its queued messages go too.
    pub fn unsubscribe(&self, store: &Store, id: Id, flush: bool) -> Result<()> {
        let mailbox = store.quotas.find(id)?.mailbox();
        let over = || Error::Stale.because("the subscription is over");
        if !store.close_quota(mailbox, id).map_err(|_| over())? {
            return Err(over());
        }
        self.remove(store, &[id]);
        if flush {
            let _ = store.flush_subscription(mailbox, id);
        }
        store.quotas.give_back(id);
        Ok(())
    }

    /// Ends the subscriptions of a mailbox that is over.
    pub fn forget(&self, store: &Store, subscriptions: &[Id]) {
        if subscriptions.is_empty() {
            return;
        }
        self.remove(store, subscriptions);
        for id in subscriptions {
            if store.quotas.close(*id) {
                store.quotas.give_back(*id);
            }
        }
    }

    fn remove(&self, store: &Store, subscriptions: &[Id]) {
        let mut wakes = Wakes::new();
        {
            let inner = &mut *self.inner.lock();
            for id in subscriptions {
                let Some(Subscribed { text, number, queue }) = inner.of.remove(id) else { continue };
                inner.patterns.remove(&text, number);
                if let Some((name, _)) = queue {
                    let left = inner.queues.get_mut(&name).map_or(0, |(_, members)| {
                        *members -= 1;
                        *members
                    });
                    if left == 0 {
                        inner.queues.remove(&name);
                    }
                }
                self.mourners.fetch_sub(usize::from(*text == *DEAD), AcqRel);
                inner.notice(store, &text, false, &mut wakes);
            }
            inner.forget_matches();
        }
        watch::rouse(store, wakes);
    }

    /// Publishes messages, in order, to every subscription that matches. Mailboxes that ended for it go into `ended`,
    /// for the caller to finish.
    pub fn publish<'a>(
        &self,
        store: &Store,
        topic: &str,
        drafts: impl Iterator<Item = Draft<'a>> + Clone,
        ended: &mut Vec<Remains>,
    ) -> Receipt {
        let matching = self.inner.lock().matching(topic);
        deliver(store, &matching, drafts, ended)
    }

    /// Publishes a message and, in one step with finding its subscribers, keeps its value for later ones; no value
    /// clears it. `TD_EFULL`, and nothing is published, when too many topics have one.
    pub fn publish_retained(
        &self,
        store: &Store,
        topic: &str,
        draft: Draft<'_>,
        value: Option<Value>,
        ended: &mut Vec<Remains>,
    ) -> Result<Receipt> {
        let mut inner = self.inner.lock();
        let before = inner.retained.set(topic, value)?;
        let matching = inner.matching(topic);
        drop(inner);
        drop(before);
        Ok(deliver(store, &matching, std::iter::once(draft), ended))
    }

    /// True when somebody wants to hear of dead letters.
    #[inline]
    pub fn has_mourners(&self) -> bool {
        self.mourners.load(Acquire) > 0
    }

    /// The pattern of every subscription.
    pub fn patterns(&self) -> HashMap<Id, Box<str>> {
        let inner = self.inner.lock();
        inner.of.iter().map(|(id, subscribed)| (*id, subscribed.text.clone())).collect()
    }

    pub fn len(&self) -> usize {
        self.inner.lock().of.len()
    }

    /// Drops the retained values: the engine closes.
    pub fn clear_retained(&self) {
        let values = std::mem::take(&mut self.inner.lock().retained);
        drop(values);
    }

    /// Begins a watch of interest in a pattern, and gives how many subscriptions meet it at its beginning.
    pub fn watch(&self, store: &Store, watcher: Id, text: &str, tag: u64, home: u32) -> Result<(Id, u64)> {
        check_pattern(text)?;
        let mut inner = self.inner.lock();
        let pattern: Arc<str> = text.into();
        let watching = Watching { watcher, tag, kind: KIND_INTEREST, subject: pattern.clone(), home };
        let watch = watch::begin(store, &watching)?;
        let meets = |subscribed: &&Subscribed| pattern::intersects(text, &subscribed.text);
        let count = inner.of.values().filter(meets).count() as u64;
        inner.interests.push(Interest { watch, pattern, count });
        Ok((watch, count))
    }

    /// Tells a watch nothing any more. False when it was not told anything.
    pub fn unwatch(&self, watch: Id) -> bool {
        let mut inner = self.inner.lock();
        let at = inner.interests.iter().position(|interest| interest.watch == watch);
        at.map(|at| inner.interests.remove(at)).is_some()
    }
}

fn retained_draft<'a>(topic: &'a str, value: &'a Value) -> Draft<'a> {
    let header = FrameHeader { kind: KIND_TOPIC as u8, from: value.from.0, tag: value.tag, ..FrameHeader::default() };
    let trailer = FrameTrailer { deadline: crate::clock::FOREVER, status: STATUS_RETAINED, reserved: 0, info: [0; 2] };
    Draft { header, payload: Payload::Inline(&value.data), topic: topic.as_bytes(), trailer: Some(trailer) }
}

fn deliver<'a>(
    store: &Store,
    matching: &Matching,
    drafts: impl Iterator<Item = Draft<'a>> + Clone,
    ended: &mut Vec<Remains>,
) -> Receipt {
    let mut receipt = Receipt::default();
    let mut waking = Waking::of(store, matching.each.len());
    let mut count = |outcome, waking: &mut Waking<'_>| match outcome {
        Outcome::Queued(roused) | Outcome::Replaced(roused) => {
            waking.rouse(roused);
            (receipt.matched, receipt.queued) = (receipt.matched + 1, receipt.queued + 1);
        }
        Outcome::Dropped => (receipt.matched, receipt.dropped) = (receipt.matched + 1, receipt.dropped + 1),
        Outcome::Overflowed(remains) => {
            (receipt.matched, receipt.dropped) = (receipt.matched + 1, receipt.dropped + 1);
            ended.push(*remains);
        }
    };
    // Written once, and copied to each where that pays.
    let run = if matching.each.len() < FEW { None } else { Run::new(drafts.clone()) };
    let mut whole = 0;
    for subscription in &matching.each {
        let mut roused = None;
        if run.as_ref().is_some_and(|run| store.publish_run(*subscription, run, &mut roused)) {
            waking.rouse(roused);
            whole += 1;
            continue;
        }
        for draft in drafts.clone() {
            match store.publish(*subscription, &draft) {
                None => break,
                Some(outcome) => count(outcome, &mut waking),
            }
        }
    }
    for members in &matching.one_of {
        for draft in drafts.clone() {
            if let Some(outcome) = queue::deliver(store, members, &draft) {
                count(outcome, &mut waking);
            }
        }
    }
    let copies = whole * run.map_or(0, |run| run.len() as u64);
    (receipt.matched, receipt.queued) = (receipt.matched + copies, receipt.queued + copies);
    receipt
}
