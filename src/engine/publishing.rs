//! The facade's part on publishing: topics, retained values, wills and dead letters.
//!
//! Guarantees: topics that begin with `$` are the engine's own; a dead letter is counted, and published to whoever
//! subscribed to `$dead`, never because another found nobody.

use super::traffic::sender_ended;
use super::*;
use crate::clock::FOREVER;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Remains, Ties, Will};
use crate::message::{FrameHeader, FrameTrailer, Payload, Receipt, KIND_TIMER, KIND_TOPIC};
use crate::topic::{Value, DEAD};

/// A message that found nobody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letter<'a> {
    /// The id it was for, and its kind.
    pub to: u64,
    pub kind: u32,
    /// Why it came to nothing.
    pub code: i32,
    pub from: Id,
    pub tag: u64,
    pub payload: Payload<'a>,
}

fn publication<'a>(topic: &'a str, from: Id, tag: u64, payload: Payload<'a>) -> Draft<'a> {
    let header = FrameHeader { kind: KIND_TOPIC as u8, from: from.0, tag, ..FrameHeader::default() };
    Draft { header, payload, topic: topic.as_bytes(), trailer: None }
}

/// `TD_EINVAL` unless the host may publish to this.
fn check_topic(topic: &str) -> Result<()> {
    crate::topic::check_topic(topic)?;
    if topic.starts_with('$') {
        return Err(Error::Inval.because("topics that begin with $ are the engine's own"));
    }
    Ok(())
}

/// Who publishes must be nobody or a mailbox of the engine.
fn check_publish(world: &World, engine: Id, from: Id, topic: &str, size: usize) -> Result<Arc<Engine>> {
    let owner = world.engine(engine)?;
    check_topic(topic)?;
    if from.is_none() {
        owner.check_open_to_outside()?;
    } else {
        let slot = world.store.slot(from)?;
        slot.check(from, Error::Closed).map_err(|_| sender_ended(slot, from))?;
        if slot.engine() != engine.index() {
            return Err(Error::BadId.because("the publisher is a mailbox of another engine"));
        }
    }
    record_often(Event::Publish, engine, from, size as i64);
    Ok(owner)
}

/// Finishes the mailboxes that ended for a publication.
pub(super) fn bury_all(store: &Store, engine: &Engine, ended: Vec<Remains>) {
    ended.into_iter().for_each(|remains| bury(store, engine, remains, None));
}

/// How [`publish`] differs from a plain one.
#[derive(Default)]
pub struct PublishOptions {
    pub release: Option<Release>,
    pub retain: bool,
}

pub fn publish(engine: Id, from: Id, topic: &str, tag: u64, data: &[u8], options: PublishOptions) -> Result<Receipt> {
    let world = world();
    let owner = check_publish(world, engine, from, topic, data.len())?;
    let keeps = options.retain && !data.is_empty();
    let block = match &options.release {
        Some(release) => Some(lend(world, data, release)?),
        None if keeps || data.len() > INLINE_MAX => Some(try_copy(data)?),
        None => None,
    };
    let lent = options.release.is_some() || data.len() > INLINE_MAX;
    let payload = block.as_ref().filter(|_| lent).map_or(Payload::Copy(data), Payload::Share);
    let draft = publication(topic, from, tag, payload);
    let mut ended = Vec::new();
    let receipt = if options.retain {
        let value = block.as_ref().filter(|_| keeps).map(|data| Value { from, tag, data: data.clone() });
        match owner.topics.publish_retained(&world.store, topic, draft, value, &mut ended) {
            Ok(receipt) => receipt,
            Err(error) => {
                block.into_iter().for_each(Block::cancel);
                return Err(error);
            }
        }
    } else {
        owner.topics.publish(&world.store, topic, std::iter::once(draft), &mut ended)
    };
    bury_all(&world.store, &owner, ended);
    owner.published.fetch_add(1, Relaxed);
    Ok(receipt)
}

pub fn publish_many(engine: Id, from: Id, topic: &str, items: &[(u64, &[u8])]) -> Result<Receipt> {
    let world = world();
    let size = items.iter().map(|(_, data)| data.len()).sum();
    let owner = check_publish(world, engine, from, topic, size)?;
    let large = |data: &&[u8]| data.len() > INLINE_MAX;
    let blocks: Vec<Option<Arc<Block>>> =
        items.iter().map(|(_, data)| large(data).then(|| try_copy(data)).transpose()).collect::<Result<_>>()?;
    let drafts = items.iter().zip(&blocks).map(|((tag, data), block)| {
        let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
        publication(topic, from, *tag, payload)
    });
    let mut ended = Vec::new();
    let receipt = owner.topics.publish(&world.store, topic, drafts, &mut ended);
    bury_all(&world.store, &owner, ended);
    owner.published.fetch_add(items.len() as u64, Relaxed);
    Ok(receipt)
}

pub fn will_set(mailbox: Id, topic: &str, tag: u64, data: &[u8], retain: bool) -> Result<()> {
    check_topic(topic)?;
    let will = Will { topic: topic.into(), tag, data: copy(data)?, retain };
    let before = world().store.with_ties(mailbox, |ties| ties.will.replace(Box::new(will)))?;
    drop(before);
    Ok(())
}

pub fn will_clear(mailbox: Id) -> Result<()> {
    let will = world().store.with_ties(mailbox, |ties| ties.will.take())?;
    will.map(drop).ok_or_else(|| Error::NotFound.because("the mailbox has no will"))
}

impl Engine {
    /// Publishes what a mailbox wanted to be said at its end. What ended for it is for the caller to finish.
    pub(crate) fn publish_will(&self, store: &Store, mailbox: Id, ties: &Ties) -> Vec<Remains> {
        let mut ended = Vec::new();
        let Some(will) = &ties.will else { return ended };
        let Will { topic, tag, data, retain } = &**will;
        let payload = data.as_ref().map_or(Payload::Copy(&[]), Payload::Inline);
        let draft = publication(topic, mailbox, *tag, payload);
        let value = || data.as_ref().map(|data| Value { from: mailbox, tag: *tag, data: data.clone() });
        let kept = *retain && self.topics.publish_retained(store, topic, draft, value(), &mut ended).is_ok();
        if !kept {
            // Also when there is no room to keep it: those who listen now hear it.
            self.topics.publish(store, topic, std::iter::once(draft), &mut ended);
        }
        self.published.fetch_add(1, Relaxed);
        ended
    }

    /// A message that found nobody: counted, and shown to those who want to know.
    #[cold]
    pub(crate) fn dead_letter(&self, store: &Store, letter: &Letter<'_>) {
        record_often(Event::DeadLetter, Id(letter.to), letter.from, letter.kind as i64);
        self.dead_letters.fetch_add(1, Relaxed);
        if !self.topics.has_mourners() {
            return;
        }
        let large = match letter.payload {
            Payload::Copy(data) if data.len() > INLINE_MAX => match try_copy(data) {
                Ok(block) => Some(block),
                Err(_) => return,
            },
            _ => None,
        };
        let payload = large.as_ref().map_or(letter.payload, Payload::Share);
        let info = [letter.to, letter.kind as u64];
        let trailer = FrameTrailer { deadline: FOREVER, status: letter.code, reserved: 0, info };
        let draft = Draft { trailer: Some(trailer), ..publication(DEAD, letter.from, letter.tag, payload) };
        let mut ended = Vec::new();
        self.topics.publish(store, DEAD, std::iter::once(draft), &mut ended);
        bury_all(store, self, ended);
    }

    /// A timer to a name that nobody has.
    pub(super) fn timer_to_nobody(&self, store: &Store, timer: Id) {
        let (tag, data) = {
            let body = store.shots.at(timer.index()).body();
            (body.tag, body.data.clone())
        };
        let payload = data.as_ref().map_or(Payload::Copy(&[]), Payload::Inline);
        let code = Error::NotFound.code();
        let letter = Letter { to: timer.0, kind: KIND_TIMER, code, from: Id::NONE, tag, payload };
        self.dead_letter(store, &letter);
    }
}
