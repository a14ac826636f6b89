//! Calls of several mailboxes at once: a gathering.
//!
//! Guarantees: each mailbox called gives exactly one REPLY, also one that is over or refuses, with the gathering as its
//! ref; when all have come, one REPLIES follows with the counts. Taking the gathering back takes all of it back.

use super::{conclude, make, submit, Request};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::mailbox::{Cancelled, Outcome, Remains, Store};
use crate::oneshot::{Body, Making, Rare, State, Use};

/// What a gathering needs of the engine.
pub struct Ties<'a> {
    /// Puts a call in the timer wheel.
    pub enter: &'a dyn Fn(Id),
    /// Takes it out.
    pub leave: &'a dyn Fn(Id),
    /// A mailbox that was called has ended for it.
    pub overflowed: &'a dyn Fn(Remains) -> Error,
    /// It did not take the request.
    pub refused: &'a dyn Fn(Id, Error) -> Error,
}

/// Calls each of `to`, and gives the id of the gathering. With `timed` the calls go into the timer wheel.
pub fn start_many(store: &Store, to: &[Id], request: &Request<'_>, timed: bool, ties: &Ties<'_>) -> Result<Id> {
    let owner = request.from;
    let rare = Rare { pending: to.len() as u32 + 1, ..Rare::default() };
    let body = Body { tag: request.tag, rare: Some(Box::new(rare)), ..Body::default() };
    let home = store.slot(owner)?.engine();
    let making = Making { usage: Use::Gather, owner, target: Id::NONE, holds: 1, home, body };
    let (id, shot) = store.shots.make(making)?;
    if let Err(error) = store.link_owner(owner, id.index(), Error::Closed) {
        store.shots.let_go(id.index());
        return Err(error);
    }
    let mut calls = Vec::with_capacity(to.len());
    let mut failed = None;
    for to in to.iter().take_while(|_| shot.is(id.life(), State::Armed)) {
        match start_one(store, &Request { to: *to, ..*request }, timed, id, ties) {
            Ok(call) => {
                if timed {
                    (ties.enter)(call);
                }
                calls.push(call);
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
    }
    let ours = {
        let mut body = shot.body();
        let ours = shot.is(id.life(), State::Armed) && failed.is_none();
        if ours {
            body.rare().calls = std::mem::take(&mut calls);
        }
        ours
    };
    if !ours {
        // Taken back, or the caller has ended, before the calls were known.
        take_back(store, &calls, ties.leave);
        if let Some(error) = failed {
            let _ = cancel_many(store, id, ties.leave);
            return Err(error);
        }
        return Ok(id);
    }
    came(store, id, None);
    Ok(id)
}

fn start_one(store: &Store, request: &Request<'_>, timed: bool, gathering: Id, ties: &Ties<'_>) -> Result<Id> {
    let id = make(store, request, u8::from(timed), None, gathering)?;
    let refused = match submit(store, request, id) {
        Ok(Outcome::Queued(roused)) => {
            store.rouse(roused);
            return Ok(id);
        }
        Ok(Outcome::Dropped | Outcome::Replaced(_)) => unreachable!("requests are neither dropped nor replaced"),
        Ok(Outcome::Overflowed(remains)) => (ties.overflowed)(*remains),
        Err(refusal) => (ties.refused)(request.to, refusal.error()),
    };
    conclude(store, id.index(), id.life(), |body| body.status = refused.code());
    store.shots.let_go(id.index());
    Ok(id)
}

/// One of a gathering's calls is over, answered or not (`None`: all of them were made). After the last one the
/// gathering itself ends.
pub(super) fn came(store: &Store, gathering: Id, answered: Option<bool>) {
    let shot = store.shots.at(gathering.index());
    let last = {
        let mut body = shot.body();
        if shot.life() != gathering.life() || body.rare().pending == 0 {
            return;
        }
        if let Some(answered) = answered {
            body.info[usize::from(!answered)] += 1;
        }
        let pending = &mut body.rare().pending;
        *pending -= 1;
        *pending == 0
    };
    if last {
        store.fire(gathering.index(), gathering.life(), |_| ());
    }
}

fn take_back(store: &Store, calls: &[Id], leave: &dyn Fn(Id)) {
    for call in calls {
        if store.cancel(call.index(), call.life(), true) == Cancelled::Armed {
            store.unwatch(call.index(), call.life());
        }
        leave(*call);
    }
}

/// Takes a gathering back: nothing with its ref will be seen. `leave` takes a call out of the timer wheel.
pub(super) fn cancel_many(store: &Store, gathering: Id, leave: &dyn Fn(Id)) -> Result<()> {
    let shot = store.shots.at(gathering.index());
    let (owner, calls) = {
        let mut body = shot.body();
        let there = shot.life() == gathering.life();
        (shot.owner(), if there { std::mem::take(&mut body.rare().calls) } else { Vec::new() })
    };
    let cancelled = store.cancel(gathering.index(), gathering.life(), true);
    take_back(store, &calls, leave);
    store.flush_parts(owner, gathering, 0..u64::MAX);
    match cancelled {
        Cancelled::Armed | Cancelled::Flushed => Ok(()),
        Cancelled::Queued | Cancelled::Over => Err(Error::Stale.because("the gathering has ended already")),
    }
}
