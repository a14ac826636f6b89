//! Looking at a mailbox: everything about it, and what fills its queue, at one moment.
//!
//! Guarantees: a look is taken under the mailbox's own two locks, so its parts fit together, and changes nothing; of a
//! mailbox that has ended as much is left as of its counters.

use super::segment::{Entry, Segment};
use super::{Attend, Limit, Policy, Store, Tail};
use crate::error::Result;
use crate::id::{Id, Kind};
use crate::message::MailboxCounters;
use crate::oneshot::{List, Of, State, Use};
use crate::sync::atomic::Ordering::*;
use crate::sync::Arc;
use std::collections::HashMap;

/// The last words of a mailbox that are kept: bytes of its end's reason.
const LAST_WORDS: usize = 256;
/// Queued messages that are looked at one by one at most.
const SURVEYED: usize = 100_000;

/// A mailbox as it was.
pub struct MailboxView {
    pub id: Id,
    pub counters: MailboxCounters,
    pub policy: Policy,
    pub limit: Limit,
    /// Read by a handler, not by receive calls.
    pub handled: bool,
    /// Who runs that handler.
    pub reader: Option<Arc<dyn Attend>>,
    pub names: Vec<Arc<str>>,
    /// Records whose signal comes here, and records that watch this mailbox.
    pub owns: Vec<RecordView>,
    pub watched_by: Vec<RecordView>,
    pub subscriptions: Vec<SubscriptionView>,
    /// Groups it is in; group and key of its presence.
    pub groups: Vec<Arc<str>>,
    pub keys: Vec<(Arc<str>, Arc<str>)>,
    /// Topic of its will.
    pub will: Option<Box<str>>,
    /// Told of the ends of those it is linked to.
    pub traps: bool,
    /// Threads that wait to receive, and that wait for room.
    pub receivers: usize,
    pub senders: usize,
    /// Messages in batches that are open.
    pub in_hand: u32,
    /// Whom threads call in its name, waiting.
    pub calling: Vec<Id>,
    pub last_words: Box<[u8]>,
}

/// A one-shot record as it was.
pub struct RecordView {
    pub id: Id,
    pub usage: Use,
    pub state: State,
    /// Who gets its signal; zero for a thread that waits, and for a timer to a name.
    pub owner: Id,
    pub target: Id,
    pub tag: u64,
    pub deadline: i64,
    pub period: i64,
    pub name: Option<Arc<str>>,
}

/// A subscription as it was.
pub struct SubscriptionView {
    pub id: Id,
    pub mailbox: Id,
    /// Its messages in the queue; counted only where it has a bound.
    pub queued: u32,
    pub max_messages: u32,
}

/// What fills a queue: how many of each, the most first.
#[derive(Default)]
pub struct Survey {
    pub kinds: Vec<(u64, u64)>,
    pub senders: Vec<(u64, u64)>,
    pub tags: Vec<(u64, u64)>,
    pub bytes: u64,
    pub oldest: Option<Oldest>,
    /// Kind of the first signal, and its record.
    pub first_signal: Option<(u32, Id)>,
    /// There were more messages than are looked at.
    pub cut: bool,
}

/// The oldest message of a queue.
pub struct Oldest {
    pub kind: u8,
    pub tag: u64,
    pub from: Id,
    pub r#ref: Id,
    pub size: usize,
    /// How many there are of its sender and kind, with it.
    pub like_it: u64,
}

impl Store {
    /// The mailbox of this id; also one that has ended, until its slot is used again.
    pub fn look(&self, id: Id) -> Result<MailboxView> {
        let slot = self.slot(id)?;
        let _head = slot.receiving.head.lock();
        let mut tail = slot.tail.lock();
        let counters = self.counters(slot, &tail, id)?;
        let records = |list: &List, of| list.iter(&self.shots, of).map(|index| self.record_at(index)).collect();
        let mut view = MailboxView {
            id,
            counters,
            policy: tail.policy,
            limit: tail.limits(),
            handled: slot.is_handled(),
            reader: None,
            names: Vec::new(),
            owns: Vec::new(),
            watched_by: Vec::new(),
            subscriptions: Vec::new(),
            groups: Vec::new(),
            keys: Vec::new(),
            will: None,
            traps: false,
            receivers: 0,
            senders: 0,
            in_hand: slot.receiving.in_hand.load(Relaxed),
            calling: Vec::new(),
            last_words: Box::default(),
        };
        if let Some(cold) = tail.cold.as_deref_mut() {
            view.reader = cold.reader.clone();
            view.names.clone_from(&cold.names);
            view.owns = records(&cold.owned, Of::Owner);
            view.watched_by = records(&cold.watched, Of::Target);
            view.subscriptions = cold.quotas.iter().filter_map(|id| self.subscription(*id).ok()).collect();
            (view.receivers, view.senders) = (cold.waiters.len(), cold.blocked.len());
            view.groups.extend(cold.ties.groups.iter().cloned());
            view.keys.extend(cold.ties.keys.iter().cloned());
            view.will = cold.ties.will.as_ref().map(|will| will.topic.clone());
            view.traps = cold.links.trap;
            view.calling.extend(cold.calling.iter().map(|(_, to)| *to));
            view.last_words.clone_from(&cold.last_words);
        }
        Ok(view)
    }

    fn record_at(&self, index: u32) -> RecordView {
        let shot = self.shots.at(index);
        let body = shot.body();
        RecordView {
            id: self.shots.id(index),
            usage: shot.usage(),
            state: shot.state(),
            owner: shot.owner(),
            target: shot.target(),
            tag: body.tag,
            deadline: body.deadline,
            period: body.period(),
            name: body.name().cloned(),
        }
    }

    /// The record of this id, while it lives.
    pub fn record(&self, id: Id) -> Result<RecordView> {
        let kind =
            [Kind::Monitor, Kind::Timer, Kind::Ticket, Kind::Watch, Kind::Link].into_iter().find(|kind| id.is(*kind));
        let kind = kind.unwrap_or(Kind::Monitor);
        self.shots.find(id, kind)?;
        let view = self.record_at(id.index());
        // It may have been let go of meanwhile, and its row be another's.
        self.shots.find(id, kind)?;
        Ok(view)
    }

    /// The record in this row, whose it may be now.
    pub fn record_in(&self, index: u32) -> Option<RecordView> {
        let id = self.shots.id(index);
        self.record(id).ok()
    }

    pub fn subscription(&self, id: Id) -> Result<SubscriptionView> {
        let quota = self.quotas.find(id)?;
        Ok(SubscriptionView { id, mailbox: quota.mailbox(), queued: quota.queued(), max_messages: quota.limit() })
    }

    /// Counts what is in a live mailbox's queue.
    pub fn survey(&self, id: Id) -> Result<Survey> {
        let slot = self.slot(id)?;
        let mut survey = Survey::default();
        let (mut kinds, mut senders, mut tags) = (HashMap::new(), HashMap::new(), HashMap::new());
        {
            let head = slot.receiving.head.lock();
            let tail = slot.tail.lock();
            slot.check(id, crate::error::Error::NoProc)?;
            let live = |entry: &Entry<'_>| entry.is_live();
            let mut entries = head.segments().chain(tail.segments()).flat_map(Segment::entries).filter(live);
            for entry in entries.by_ref().take(SURVEYED) {
                let header = entry.header;
                survey.bytes += entry.size() as u64;
                let oldest = survey.oldest.get_or_insert_with(|| Oldest::new(&entry));
                oldest.like_it += u64::from((header.kind, header.from) == (oldest.kind, oldest.from.0));
                *kinds.entry(header.kind as u64).or_insert(0) += 1;
                *senders.entry(header.from).or_insert(0) += 1;
                *tags.entry(header.tag).or_insert(0) += 1;
            }
            survey.cut = entries.next().is_some();
            for index in tail.signals.iter(&self.shots, Of::Signal).take(SURVEYED) {
                let kind = self.shots.at(index).message_kind();
                survey.first_signal.get_or_insert_with(|| (kind, self.shots.id(index)));
                *kinds.entry(self.shots.at(index).message_kind() as u64).or_insert(0) += 1;
            }
        }
        (survey.kinds, survey.senders, survey.tags) = (most_first(kinds), most_first(senders), most_first(tags));
        Ok(survey)
    }

    /// Keeps the beginning of the reason with which a mailbox has ended, until its slot is used again.
    pub fn keep_last_words(&self, id: Id, words: &[u8]) {
        if words.is_empty() {
            return;
        }
        let Ok(slot) = self.slot(id) else { return };
        let mut tail = slot.tail.lock();
        if slot.receiving.life.load(Acquire) == id.life() + 1 {
            tail.cold().last_words = words[..words.len().min(LAST_WORDS)].into();
        }
    }
}

impl Oldest {
    fn new(entry: &Entry<'_>) -> Self {
        let header = entry.header;
        let (from, r#ref) = (Id(header.from), Id(header.r#ref));
        Oldest { kind: header.kind, tag: header.tag, from, r#ref, size: entry.size(), like_it: 0 }
    }
}

impl Tail {
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        let full = self.full.iter().flat_map(|full| full.iter());
        full.chain(&self.current).map(|segment| &**segment)
    }
}

fn most_first(counts: HashMap<u64, u64>) -> Vec<(u64, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable_by_key(|(what, count)| (std::cmp::Reverse(*count), *what));
    counts
}
