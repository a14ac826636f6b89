//! Queue groups: subscriptions of which each message goes to one.
//!
//! Guarantees: who was served longest ago is next, whatever other topics, members and subscriptions come and go, so
//! nobody starves; one that has no room, or is over, is passed over. A new member stands behind the others.

use crate::id::Id;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Outcome, Refusal, Store};
use crate::sync::atomic::{AtomicU64, Ordering::*};
use crate::sync::{rank, Arc, Mutex};

/// The turns of one queue group: how many were given.
#[derive(Debug, Default)]
pub struct Queue {
    turns: Mutex<u64, { rank::QUEUE }>,
}

/// One subscription of a queue group.
#[derive(Debug)]
pub struct Member {
    pub id: Id,
    pub queue: Arc<Queue>,
    /// Its last turn. Written under the queue's lock.
    turn: AtomicU64,
}

impl Member {
    pub fn join(queue: &Arc<Queue>, id: Id) -> Arc<Member> {
        let mut turns = queue.turns.lock();
        *turns += 1;
        Arc::new(Member { id, queue: queue.clone(), turn: AtomicU64::new(*turns) })
    }
}

/// Gives a message to one of the members, which are of one queue group. `None` when all are over.
pub fn deliver(store: &Store, members: &[Arc<Member>], draft: &Draft<'_>) -> Option<Outcome> {
    // Whose turn it was without success: those that are full first.
    let (mut tried, mut full): (Vec<Id>, Option<Id>) = (Vec::new(), None);
    while let Some(id) = next(members, &tried) {
        match store.try_publish(id, draft) {
            Ok(outcome) => return Some(outcome),
            Err(Refusal::Full | Refusal::Short) => drop(full.get_or_insert(id)),
            Err(Refusal::Never(_)) => {}
        }
        tried.push(id);
    }
    let id = full?;
    // The others were tried after it: what one of them has to take or to lose next is not this one's again.
    let own = members.iter().find(|member| member.id == id)?;
    {
        let mut turns = own.queue.turns.lock();
        *turns += 1;
        own.turn.store(*turns, Relaxed);
    }
    store.publish(id, draft)
}

/// Who was served longest ago, of those not tried yet; the turn is theirs.
fn next(members: &[Arc<Member>], tried: &[Id]) -> Option<Id> {
    let mut turns = members.first()?.queue.turns.lock();
    let waiting = members.iter().filter(|member| !tried.contains(&member.id));
    let chosen = waiting.min_by_key(|member| member.turn.load(Relaxed))?;
    *turns += 1;
    chosen.turn.store(*turns, Relaxed);
    Some(chosen.id)
}
