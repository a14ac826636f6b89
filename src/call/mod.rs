//! Calls: a request with a ticket that is answered once.
//!
//! Guarantees: the caller gets exactly one outcome; the request and the watch on its target are queued in one step,
//! so a target that ends before replying is always noticed; a reply that comes too late reaches nobody and says so to
//! the replier. Parts of an answer come before it.

mod many;

pub use many::{start_many, Ties};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::id::{Id, Kind};
use crate::mailbox::draft::Draft;
use crate::mailbox::{Cancelled, Outcome, Refusal, Remains, Store};
use crate::message::{
    Block, FrameHeader, FrameTrailer, Message, Payload, KIND_DOWN, KIND_REPLY, KIND_REQUEST, REASON_NOPROC,
};
use crate::notify::{Parker, Wake};
use crate::oneshot::{Body, Making, OneShot, Rare, State, Use};
use crate::recorder::{record_often, Event};
use crate::sync::Arc;

/// Why a blocking call gave no reply.
#[derive(Debug)]
pub enum CallError {
    Plain(Error),
    /// The target ended: a DOWN with its reason.
    Down(Message),
    /// The target had no room and has ended for it: the caller of this finishes it, and it is `TD_EFULL`.
    Overflowed(Box<Remains>),
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        CallError::Plain(error)
    }
}

/// A request on its way.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub to: Id,
    pub from: Id,
    /// Of a blocking call: the mailbox that waits for its answer, if any.
    pub waits: Id,
    pub tag: u64,
    pub payload: Payload<'a>,
    pub deadline: i64,
}

/// Makes the ticket. `holds` beyond those of target and owner: the thread's or the timer wheel's.
fn make(store: &Store, request: &Request<'_>, holds: u8, caller: Option<Arc<Parker>>, gathering: Id) -> Result<Id> {
    let Request { to, from, waits, tag, deadline, .. } = *request;
    let waits = if from.is_none() { waits } else { Id::NONE };
    let plain = gathering.is_none() && waits.is_none();
    let rare = (!plain).then(|| Box::new(Rare { gathering, waits, ..Rare::default() }));
    let body = Body { tag, from: to, deadline, caller, rare, ..Body::default() };
    let owned = u8::from(!from.is_none());
    let home = store.slot(if from.is_none() { to } else { from })?.engine();
    let making = Making { usage: Use::Call, owner: from, target: to, holds: holds + 1 + owned, home, body };
    let (id, _) = store.shots.make(making)?;
    if !from.is_none() {
        if let Err(error) = store.link_owner(from, id.index(), Error::Closed) {
            for _ in 0..holds + 2 {
                store.shots.let_go(id.index());
            }
            return Err(error);
        }
    }
    Ok(id)
}

/// Queues the request; `Full` is for the caller to wait or to give up. On an error all holds are still there.
fn submit(store: &Store, request: &Request<'_>, id: Id) -> Result<Outcome, Refusal> {
    let header = FrameHeader {
        kind: KIND_REQUEST as u8,
        from: request.from.0,
        tag: request.tag,
        r#ref: id.0,
        ..FrameHeader::default()
    };
    let trailer = FrameTrailer { deadline: request.deadline, status: 0, reserved: 0, info: [0; 2] };
    let draft = Draft { header, payload: request.payload, topic: &[], trailer: Some(trailer) };
    let outcome = store.offer(request.to, &draft, Some(id.index()))?;
    if let Outcome::Queued(_) = outcome {
        record_often(Event::Call, request.to, id, request.payload.size() as i64);
    }
    // Cancelled before it was linked at the target: nobody else takes it out there.
    if store.shots.at(id.index()).is(id.life(), State::Cancelled) {
        store.unwatch(id.index(), id.life());
    }
    Ok(outcome)
}

/// Starts a call whose answer comes to `from` as a signal. The caller puts the ticket in the timer wheel.
pub fn start(store: &Store, request: &Request<'_>, timed: bool) -> Result<Id, CallError> {
    let id = make(store, request, u8::from(timed), None, Id::NONE)?;
    match submit(store, request, id) {
        Ok(Outcome::Queued(roused)) => {
            store.rouse(roused);
            Ok(id)
        }
        refused => {
            store.cancel(id.index(), id.life(), false);
            for _ in 0..1 + u8::from(timed) {
                store.shots.let_go(id.index());
            }
            Err(plain(refused))
        }
    }
}

/// Why a request was not queued.
fn plain(refused: Result<Outcome, Refusal>) -> CallError {
    match refused {
        Ok(Outcome::Overflowed(remains)) => CallError::Overflowed(remains),
        Ok(_) => unreachable!("requests are not dropped"),
        Err(refusal) => refusal.error().into(),
    }
}

/// Calls and waits. `room` waits for room in a full mailbox of policy `Block`.
pub fn call(
    store: &Store,
    clock: &Clock,
    request: &Request<'_>,
    interruptible: bool,
    room: impl Fn(Refusal, &Arc<Parker>) -> Result<()>,
) -> Result<Message, CallError> {
    let parker = Parker::current();
    let id = make(store, request, 1, Some(parker.clone()), Id::NONE)?;
    let submitted = loop {
        match submit(store, request, id) {
            Err(Refusal::Never(error)) => break Err(error.into()),
            Err(full) => match room(full, &parker) {
                Ok(()) => {}
                Err(error) => break Err(error.into()),
            },
            Ok(Outcome::Queued(roused)) => break Ok(roused),
            refused => break Err(plain(refused)),
        }
    };
    let index = id.index();
    let result = match submitted {
        Ok(roused) => {
            store.rouse(roused);
            wait(store, clock, request, interruptible, id, &parker)
        }
        Err(error) => {
            store.cancel(index, id.life(), false);
            store.shots.let_go(index);
            Err(error)
        }
    };
    store.shots.let_go(index);
    result
}

/// Waits for the answer of a request that was queued, and takes the ticket out of its target's list.
fn wait(
    store: &Store,
    clock: &Clock,
    request: &Request<'_>,
    interruptible: bool,
    id: Id,
    parker: &Arc<Parker>,
) -> Result<Message, CallError> {
    let shot = store.shots.at(id.index());
    let called = store.slot(request.to)?;
    let mut given_up = None;
    if clock.is_real() {
        called.spin_for_answer(|| !shot.is(id.life(), State::Armed));
    }
    while shot.is(id.life(), State::Armed) {
        parker.reset();
        if !shot.is(id.life(), State::Armed) {
            break;
        }
        let wake = called.watching_answer(|| clock.wait(parker, request.deadline, interruptible));
        let error = match wake {
            Wake::Interrupted => Error::Intr,
            _ if clock.now() >= request.deadline => Error::TimedOut,
            _ => continue,
        };
        if store.cancel(id.index(), id.life(), false) == Cancelled::Armed {
            given_up = Some(error);
            break;
        }
    }
    store.unwatch(id.index(), id.life());
    if let Some(error) = given_up {
        let detail = if error == Error::Intr { "a signal came before the answer" } else { "no answer came in time" };
        return Err(error.because(detail).into());
    }
    if shot.is(id.life(), State::Cancelled) {
        return Err(Error::Closed.because("the mailbox in whose name this was called has ended").into());
    }
    let (status, data, from, reason, tag) = {
        let mut body = shot.body();
        (body.status, body.data.take(), body.from, body.deadline, body.tag)
    };
    let answer = |kind, status| -> Result<Message> {
        let mut message = store.message_of(data, &[])?;
        (message.kind, message.status, message.from, message.tag, message.r#ref) = (kind, status, from, tag, id.0);
        Ok(message)
    };
    match status {
        status if status == Error::Down.code() => Err(CallError::Down(answer(KIND_DOWN, reason as i32)?)),
        status if status == Error::NoReply.code() => Err(Error::NoReply.into()),
        status => Ok(answer(KIND_REPLY, status)?),
    }
}

/// Gives a call its answer. False when it has one already, or its caller no longer waits.
pub fn conclude(store: &Store, index: u32, life: u32, fill: impl FnOnce(&mut Body)) -> bool {
    let shot = store.shots.at(index);
    let (gathering, owner) = (shot.gathering(), shot.owner());
    let mut answered = false;
    let fired = store.fire(index, life, |body| {
        fill(body);
        answered = body.status >= 0;
    });
    if fired && !owner.is_none() {
        if !gathering.is_none() {
            many::came(store, gathering, Some(answered));
        }
        if shot.streams() {
            // Who waits to send a part sees that it is too late.
            store.wake_blocked(owner);
        }
    }
    fired
}

/// The record of a call, not of a gathering.
fn find(store: &Store, ticket: Id) -> Result<&OneShot> {
    let shot = store.shots.find(ticket, Kind::Ticket)?;
    match shot.usage() {
        Use::Call => Ok(shot),
        _ => Err(Error::Inval.because("this is the gathering of td_call_many; answer the ref of the request")),
    }
}

/// Answers a ticket. False when its caller no longer waits.
pub fn reply(store: &Store, ticket: Id, status: i32, data: Option<Arc<Block>>) -> Result<bool> {
    match find(store, ticket) {
        Ok(_) => {}
        Err(Error::Stale) => return Ok(false),
        Err(error) => return Err(error),
    }
    let fill = |body: &mut Body| (body.status, body.data) = (status, data);
    let answered = conclude(store, ticket.index(), ticket.life(), fill);
    if answered {
        store.unwatch(ticket.index(), ticket.life());
    }
    Ok(answered)
}

/// The mailbox that parts of the answer go to. `TD_EINVAL` when the caller waits for the one reply.
pub fn parts_go_to(store: &Store, ticket: Id) -> Result<Id> {
    let shot = find(store, ticket)?;
    let blocking = shot.body().caller.is_some() || shot.owner().is_none();
    if blocking {
        let detail = "td_call waits for one reply; only a call of td_call_start or td_call_many takes parts";
        return if shot.is(ticket.life(), State::Armed) {
            Err(Error::Inval.because(detail))
        } else {
            Err(Error::Stale)
        };
    }
    Ok(shot.owner())
}

/// Tells one caller that the mailbox it called has ended.
pub fn down(store: &Store, index: u32, life: u32, reason: i32, data: &Option<Arc<Block>>) {
    conclude(store, index, life, |body| {
        (body.status, body.data, body.deadline) = (Error::Down.code(), data.clone(), reason as i64);
        body.info[0] = reason as u32 as u64;
    });
}

/// Sends a request on to another mailbox, with the ticket. `TD_ESTALE` when it has its answer already.
pub fn forward(store: &Store, to: Id, ticket: Id, draft: &Draft<'_>) -> Result<Outcome, Refusal> {
    let shot = find(store, ticket)?;
    if shot.owner() == to && shot.body().caller.is_some() {
        return Err(Error::Deadlock.because("the request would go to the mailbox that waits for its answer").into());
    }
    let (result, ended) = store.forward(to, ticket, draft);
    if ended {
        down(store, ticket.index(), ticket.life(), REASON_NOPROC, &None);
        store.shots.let_go(ticket.index());
    }
    result
}

/// Takes a started call, or a gathering, back: nothing of it will be seen. `leave` takes a call out of the timer wheel.
pub fn cancel(store: &Store, ticket: Id, leave: &dyn Fn(Id)) -> Result<()> {
    let shot = store.shots.find(ticket, Kind::Ticket)?;
    if shot.usage() == Use::Gather {
        return many::cancel_many(store, ticket, leave);
    }
    if shot.body().caller.is_some() || shot.owner().is_none() {
        return Err(Error::Inval.because("only a call made with td_call_start can be cancelled"));
    }
    if !shot.gathering().is_none() {
        return Err(Error::Inval.because("the call is one of td_call_many; cancel all of them by their gathering"));
    }
    let (owner, mut parts, mut streams) = (shot.owner(), 0..0, false);
    let look = |shot: &OneShot| (parts, streams) = (shot.parts(), shot.streams());
    let cancelled = store.cancel_and(ticket.index(), ticket.life(), true, look);
    if cancelled == Cancelled::Armed {
        store.unwatch(ticket.index(), ticket.life());
    }
    leave(ticket);
    match cancelled {
        Cancelled::Armed | Cancelled::Flushed => {
            // From where it was cancelled on, no part comes.
            if !parts.is_empty() {
                store.flush_parts(owner, ticket, parts);
            } else if streams {
                // Who waits to send the first sees that it is too late.
                store.wake_blocked(owner);
            }
            Ok(())
        }
        Cancelled::Queued | Cancelled::Over => Err(Error::Stale.because("the answer was delivered already")),
    }
}
