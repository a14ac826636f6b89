//! Queue groups: subscriptions of which each message goes to one.
//!
//! Guarantees: who was served longest ago is next, whatever other topics, members and subscriptions come and go, so
//! nobody starves; one that has no room, or is over, is passed over. A new member stands behind the others.

use crate::id::Id;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Outcome, Store};
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

    /// It is served, or tried, last.
    fn take_turn(&self) {
        self.take(&mut self.queue.turns.lock());
    }

    fn take(&self, turns: &mut u64) {
        *turns += 1;
        self.turn.store(*turns, Relaxed);
    }
}

/// Gives a message to one of the members, which are of one queue group. `None` when all are over.
pub fn deliver(store: &Store, members: &[Arc<Member>], draft: &Draft<'_>) -> Option<Outcome> {
    let first = next(members)?;
    let mut full = match store.try_publish(first.id, draft) {
        Ok(outcome) => return Some(outcome),
        Err(refusal) => refusal.is_full().then_some(first),
    };
    for member in others(members, first) {
        member.take_turn();
        match store.try_publish(member.id, draft) {
            Ok(outcome) => return Some(outcome),
            Err(refusal) if refusal.is_full() => full = full.or(Some(member)),
            Err(_) => {}
        }
    }
    // The others were tried after it: what one of them has to take or to lose next is not this one's again.
    let first = full?;
    first.take_turn();
    store.publish(first.id, draft)
}

/// Who was served longest ago; the turn is theirs.
fn next(members: &[Arc<Member>]) -> Option<&Member> {
    let mut turns = members.first()?.queue.turns.lock();
    let chosen = members.iter().min_by_key(|member| member.turn.load(Relaxed))?;
    chosen.take(&mut turns);
    Some(chosen)
}

/// All but one, as they are next.
fn others<'a>(members: &'a [Arc<Member>], but: &Member) -> Vec<&'a Member> {
    let _turns = but.queue.turns.lock();
    let mut others: Vec<&Member> = members.iter().map(|member| &**member).filter(|other| other.id != but.id).collect();
    others.sort_by_key(|member| member.turn.load(Relaxed));
    others
}
