//! Topics: publish to whoever subscribed to a pattern that matches.
//!
//! Guarantees: a publish works on the subscriptions as they stood when it began, and each delivery checks, under the
//! subscriber's lock, that its subscription still stands; so after unsubscribing nothing new comes. One subscriber's
//! bound never touches another's.

pub mod pattern;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Outcome, Policy, Remains, Store};
use crate::message::Receipt;
use crate::sync::{rank, Arc, Mutex};
use pattern::Patterns;
use std::collections::HashMap;

/// Topics, and ids in all their matches, that are remembered at most: a few megabytes.
const REMEMBERED: usize = 4096;
const REMEMBERED_IDS: usize = 1 << 18;

/// The subscriptions of one engine.
#[derive(Default)]
pub struct Topics {
    inner: Mutex<Inner, { rank::TOPICS }>,
}

#[derive(Default)]
struct Inner {
    patterns: Patterns<Id>,
    of: HashMap<Id, Box<str>>,
    /// Matches of topics published lately; emptied when a subscription comes or goes.
    matches: HashMap<Box<str>, Arc<[Id]>>,
    remembered: usize,
}

/// `TD_EINVAL`, saying what is wrong, unless this can be published to.
pub fn check_topic(topic: &str) -> Result<()> {
    pattern::check_topic(topic).map_err(|fault| Error::Inval.because(format!("topic {:?}: {fault}", short(topic))))
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
}

impl Topics {
    /// Subscribes a mailbox to a pattern, under a bound of its own.
    pub fn subscribe(&self, store: &Store, mailbox: Id, text: &str, policy: Policy, max_messages: u64) -> Result<Id> {
        pattern::check_pattern(text)
            .map_err(|fault| Error::Inval.because(format!("pattern {:?}: {fault}", short(text))))?;
        if policy == Policy::Block {
            return Err(Error::Inval
                .because("a subscription cannot block its publishers; use TD_DROP_NEW, TD_DROP_OLD or TD_KILL"));
        }
        let limit = u32::try_from(max_messages).unwrap_or(u32::MAX);
        let id = store.quotas.open(mailbox, limit, policy)?;
        let mut inner = self.inner.lock();
        if let Err(error) = store.with_cold(mailbox, |cold| cold.quotas.push(id)) {
            drop(inner);
            store.quotas.close(id);
            store.quotas.give_back(id);
            return Err(error);
        }
        inner.patterns.insert(text, id);
        inner.of.insert(id, text.into());
        inner.forget_matches();
        Ok(id)
    }

    /// Ends a subscription; with `flush` its queued messages go too.
    pub fn unsubscribe(&self, store: &Store, id: Id, flush: bool) -> Result<()> {
        let mailbox = store.quotas.find(id)?.mailbox();
        let over = || Error::Stale.because("the subscription is over");
        let closed = store.with_cold(mailbox, |cold| {
            cold.quotas.retain(|other| *other != id);
            store.quotas.close(id)
        });
        if !closed.map_err(|_| over())? {
            return Err(over());
        }
        self.remove(&[id]);
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
        self.remove(subscriptions);
        for id in subscriptions {
            if store.quotas.close(*id) {
                store.quotas.give_back(*id);
            }
        }
    }

    fn remove(&self, subscriptions: &[Id]) {
        let mut inner = self.inner.lock();
        for id in subscriptions {
            if let Some(text) = inner.of.remove(id) {
                inner.patterns.remove(&text, *id);
            }
        }
        inner.forget_matches();
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
        let mut receipt = Receipt::default();
        for subscription in self.matching(topic).iter() {
            for draft in drafts.clone() {
                match store.publish(*subscription, &draft) {
                    None => break,
                    Some(Outcome::Queued(roused)) => {
                        store.rouse(roused);
                        (receipt.matched, receipt.queued) = (receipt.matched + 1, receipt.queued + 1);
                    }
                    Some(Outcome::Dropped) => {
                        (receipt.matched, receipt.dropped) = (receipt.matched + 1, receipt.dropped + 1);
                    }
                    Some(Outcome::Overflowed(remains)) => {
                        (receipt.matched, receipt.dropped) = (receipt.matched + 1, receipt.dropped + 1);
                        ended.push(*remains);
                    }
                }
            }
        }
        receipt
    }

    fn matching(&self, topic: &str) -> Arc<[Id]> {
        let mut inner = self.inner.lock();
        if let Some(found) = inner.matches.get(topic) {
            return found.clone();
        }
        let mut found = Vec::new();
        inner.patterns.collect(topic, &mut found);
        let found: Arc<[Id]> = found.into();
        if inner.matches.len() >= REMEMBERED || inner.remembered + found.len() > REMEMBERED_IDS {
            inner.forget_matches();
        }
        inner.remembered += found.len();
        inner.matches.insert(topic.into(), found.clone());
        found
    }

    pub fn len(&self) -> usize {
        self.inner.lock().of.len()
    }
}
