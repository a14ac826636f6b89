//! The facade's part on topics: publishing.
//!
//! Guarantees: a publication reaches every subscription that fits, and a mailbox that ends for it harms nobody else.

use super::traffic::{draft, sender_ended};
use super::*;
use crate::mailbox::draft::Draft;
use crate::message::{Payload, Receipt, KIND_TOPIC};

/// Who publishes must be nobody or a mailbox of the engine.
fn check_publish(world: &World, engine: Id, from: Id, topic: &str, size: usize) -> Result<Arc<Engine>> {
    let owner = world.engine(engine)?;
    crate::topic::check_topic(topic)?;
    record_often(Event::Publish, engine, from, size);
    if topic.starts_with('$') {
        return Err(Error::Inval.because("topics that begin with $ are the engine's own"));
    }
    if !from.is_none() {
        let slot = world.store.slot(from)?;
        slot.check(from, Error::Closed).map_err(|_| sender_ended(slot, from))?;
        if slot.engine() != engine.index() {
            return Err(Error::BadId.because("the publisher is a mailbox of another engine"));
        }
    }
    Ok(owner)
}

/// Publishes, and finishes the mailboxes that ended for it.
fn deliver<'a>(
    world: &World,
    engine: &Engine,
    topic: &str,
    drafts: impl Iterator<Item = Draft<'a>> + Clone,
) -> Receipt {
    let mut ended = Vec::new();
    let receipt = engine.topics.publish(&world.store, topic, drafts, &mut ended);
    ended.into_iter().for_each(|remains| bury(&world.store, engine, remains, None));
    receipt
}

pub fn publish(engine: Id, from: Id, topic: &str, tag: u64, data: &[u8], release: Option<Release>) -> Result<Receipt> {
    let world = world();
    let owner = check_publish(world, engine, from, topic, data.len())?;
    let block = match &release {
        Some(release) => Some(lend(world, data, release)?),
        None if data.len() > INLINE_MAX => Some(try_copy(data)?),
        None => None,
    };
    let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
    let draft = Draft { topic: topic.as_bytes(), ..draft(KIND_TOPIC, from, tag, payload) };
    let receipt = deliver(world, &owner, topic, std::iter::once(draft));
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
        Draft { topic: topic.as_bytes(), ..draft(KIND_TOPIC, from, *tag, payload) }
    });
    let receipt = deliver(world, &owner, topic, drafts);
    owner.published.fetch_add(items.len() as u64, Relaxed);
    Ok(receipt)
}
