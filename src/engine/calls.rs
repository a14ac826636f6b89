//! The facade's part on calls: asking and answering.
//!
//! Guarantees: what comes too late to a caller is a dead letter and says so to the replier.

use super::traffic::{check_from, draft, note_refused, overflowed, refused, wait_for_room};
use super::*;
use crate::call::{self, Request};
use crate::clock::FOREVER;
use crate::dispatch::Away;
use crate::here::HERE;
use crate::mailbox::Policy;
use crate::message::{Message, Payload, KIND_REPLY, KIND_REQUEST};
use crate::notify::Parker;

/// What cannot be waited for: yourself, and a mailbox of the loop that this thread runs.
fn check_call(world: &World, to: Id, from: Id, tag: u64, data: &[u8], blocking: bool) -> Result<Option<Away>> {
    check_from(&world.store, to, from)?;
    if to == from && blocking {
        return Err(Error::Deadlock.because("a mailbox cannot call itself and wait"));
    }
    let request = || draft(KIND_REQUEST, from, tag, Payload::Copy(data));
    let reader = world.store.reader(to).map_err(|error| refused(world, to, error, &request(), data))?;
    if blocking && reader.as_ref().is_some_and(|reader| reader.is_mine(to)) {
        let detail = "this thread would have to run the handler that answers; use td_call_start";
        return Err(Error::Deadlock.because(detail));
    }
    blocking.then(|| Away::begin(reader.as_ref())).transpose()
}

pub fn call(to: Id, from: Id, tag: u64, data: &[u8], timeout: i64, interruptible: bool) -> Result<Message, CallError> {
    let answer = try_call(to, from, tag, data, timeout, interruptible);
    match &answer {
        Ok(_) | Err(CallError::Down(_) | CallError::Plain(Error::NoReply)) => {}
        Err(CallError::Plain(error @ (Error::TimedOut | Error::Intr))) => {
            record(Event::GaveUp, to, from, error.code() as i64);
        }
        Err(CallError::Plain(error)) => drop(note_refused(to, from, *error)),
        Err(CallError::Overflowed(_)) => unreachable!("the mailbox that overflowed is buried"),
    }
    answer
}

fn try_call(to: Id, from: Id, tag: u64, data: &[u8], timeout: i64, interruptible: bool) -> Result<Message, CallError> {
    let world = world();
    let _away = check_call(world, to, from, tag, data, true)?;
    let engine = world.engine_of(to)?;
    let block = copy_if_large(&world.store, to, data)?;
    let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
    let calling = Calling::begin(&world.store, from, to)?;
    let request = Request { to, from, waits: calling.waits, tag, payload, deadline: engine.clock.deadline(timeout) };
    let answer = call::call(&world.store, &engine.clock, &request, interruptible, |full, _| {
        if world.store.policy(to)?.0 != Policy::Block {
            return Err(full.error());
        }
        wait_for_room(world, &engine, to, from, data.len() as u64, request.deadline, interruptible)
    });
    match answer {
        Err(CallError::Overflowed(remains)) => Err(overflowed(world, *remains).into()),
        answer => answer,
    }
}

/// Notes whom this thread waits for while a mailbox waits with it: the one that lends its name to the blocking call, else the one
/// whose handler makes it.
struct Calling<'a> {
    store: &'a Store,
    waits: Id,
    thread: Arc<Parker>,
}

impl<'a> Calling<'a> {
    /// `TD_EDEADLK` when `to` itself waits, through any number of others, for the one that waits here. Each caller notes
    /// itself before it looks, so of a cycle that closes at once at least the last one sees it.
    fn begin(store: &'a Store, from: Id, to: Id) -> Result<Self> {
        let waits = if from.is_none() { Id(HERE.with(|here| here.handling.get())) } else { from };
        let mut calling = Calling { store, waits, thread: Parker::current() };
        if waits.is_none() {
            return Ok(calling);
        }
        let noted = (calling.thread.clone(), to);
        match store.with_cold(waits, |cold| cold.calling.push(noted)) {
            Ok(()) if waits_for(store, to, waits) => {
                Err(Error::Deadlock.because("the mailbox called waits, through others, for the caller's"))
            }
            Ok(()) => Ok(calling),
            Err(_) if from.is_none() => {
                // Its handler has ended it: nobody waits for its mailbox any more.
                calling.waits = Id::NONE;
                Ok(calling)
            }
            Err(_) => Err(Error::Closed),
        }
    }
}

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        if !self.waits.is_none() {
            let _ = self.store.with_cold(self.waits, |cold| {
                let at = cold.calling.iter().position(|(thread, _)| Arc::ptr_eq(thread, &self.thread));
                at.map(|at| cold.calling.swap_remove(at))
            });
        }
    }
}

/// Whether `mailbox` is, or waits through blocked calls for, `other`.
fn waits_for(store: &Store, mailbox: Id, other: Id) -> bool {
    let mut seen = vec![mailbox];
    let mut at = 0;
    while let Some(mailbox) = seen.get(at).copied() {
        if mailbox == other {
            return true;
        }
        seen.extend(store.calling(mailbox).into_iter().filter(|next| !seen.contains(next)).collect::<Vec<_>>());
        at += 1;
    }
    false
}

/// A request on its way from the mailbox that a thread waits for to another, which then is the one it waits for.
/// Given up, it is as before.
pub(super) struct Redirected<'a> {
    store: &'a Store,
    caller: Id,
    thread: Option<Arc<Parker>>,
    before: Id,
}

impl<'a> Redirected<'a> {
    /// `TD_EDEADLK` when `to` waits, through any number of others, for the caller. As with calls, the new way is noted
    /// before it is looked along.
    pub fn begin(store: &'a Store, ticket: Id, to: Id) -> Result<Self> {
        let mut redirected = Redirected { store, caller: Id::NONE, thread: None, before: Id::NONE };
        let Ok(shot) = store.shots.find(ticket, Kind::Ticket) else { return Ok(redirected) };
        let (owner, body) = (shot.owner(), shot.body());
        let waits = if owner.is_none() { body.rare.as_ref().map_or(Id::NONE, |rare| rare.waits) } else { owner };
        let (Some(thread), false) = (body.caller.clone(), waits.is_none()) else { return Ok(redirected) };
        drop(body);
        redirected.caller = waits;
        redirected.before = redirected.turn(&thread, to);
        redirected.thread = Some(thread);
        if redirected.before.is_none() || !waits_for(store, to, redirected.caller) {
            return Ok(redirected);
        }
        redirected.undo();
        Err(Error::Deadlock
            .because("the mailbox it would go to waits, through others, for the one that waits for its answer"))
    }

    /// Has the thread wait for `to`, and gives whom it waited for; nobody when it waits no longer.
    fn turn(&self, thread: &Arc<Parker>, to: Id) -> Id {
        let turned = self.store.with_cold(self.caller, |cold| {
            let waiting = cold.calling.iter_mut().find(|(other, _)| Arc::ptr_eq(other, thread));
            waiting.map(|(_, target)| std::mem::replace(target, to))
        });
        turned.ok().flatten().unwrap_or(Id::NONE)
    }

    /// It stays where it was.
    pub fn undo(&self) {
        if let Some(thread) = self.thread.as_ref().filter(|_| !self.before.is_none()) {
            self.turn(thread, self.before);
        }
    }
}

pub fn call_start(to: Id, from: Id, tag: u64, data: &[u8], timeout: i64) -> Result<Id> {
    try_call_start(to, from, tag, data, timeout).map_err(|error| note_refused(to, from, error))
}

fn try_call_start(to: Id, from: Id, tag: u64, data: &[u8], timeout: i64) -> Result<Id> {
    let world = world();
    world.store.slot(from)?;
    check_call(world, to, from, tag, data, false)?;
    let engine = world.engine_of(to)?;
    let block = copy_if_large(&world.store, to, data)?;
    let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
    let deadline = engine.clock.deadline(timeout);
    let timed = deadline != FOREVER;
    if timed {
        engine.ensure_ticking()?;
    }
    let ticket = match call::start(&world.store, &Request { to, from, waits: Id::NONE, tag, payload, deadline }, timed)
    {
        Ok(ticket) => ticket,
        Err(CallError::Overflowed(remains)) => return Err(overflowed(world, *remains)),
        Err(CallError::Plain(error)) => {
            count_unwaited(&world.store, to, error);
            return Err(error);
        }
        Err(CallError::Down(_)) => unreachable!("nobody waits here"),
    };
    if timed {
        engine.timers.enter(&world.store, ticket, deadline);
    }
    Ok(ticket)
}

/// Counts a request that a mailbox refused whose policy is to have it wait, as started calls do not.
pub(super) fn count_unwaited(store: &Store, to: Id, error: Error) {
    if error == Error::Full && store.policy(to).is_ok_and(|(policy, _)| policy == Policy::Block) {
        store.count_refused(to);
    }
}

pub fn call_cancel(ticket: Id) -> Result<()> {
    let world = world();
    let engine = engine_of_ticket(world, ticket)?;
    let leave = |call: Id| engine.timers.leave(&world.store, call.index(), call.life());
    call::cancel(&world.store, ticket, &leave)
}

pub(super) fn engine_of_ticket(world: &World, ticket: Id) -> Result<Arc<Engine>> {
    let home = world.store.shots.find(ticket, Kind::Ticket).map_err(late)?.home();
    world.engines.at(home).ok_or_else(|| late(Error::Stale))
}

pub(super) fn late(error: Error) -> Error {
    match error {
        Error::Stale => error.because("the ticket was used or dropped already, or its caller no longer waits"),
        other => other,
    }
}

/// Answers a ticket. One whose caller no longer waits is a dead letter.
pub fn reply(ticket: Id, status: i32, data: &[u8]) -> Result<()> {
    answer(ticket, status, data, true)
}

pub fn ticket_drop(ticket: Id) -> Result<()> {
    answer(ticket, Error::NoReply.code(), &[], false)
}

fn answer(ticket: Id, status: i32, data: &[u8], letter: bool) -> Result<()> {
    let world = world();
    record_often(Event::Answer, ticket, Id::NONE, status as i64);
    let engine = match engine_of_ticket(world, ticket) {
        Ok(engine) => engine,
        Err(error) => {
            // The record is gone; its row still tells whose it was.
            if error == Error::Stale && letter {
                if let Some(engine) = world.engines.at(world.store.shots.at(ticket.index()).home()) {
                    late_reply(world, &engine, ticket, data);
                }
            }
            return Err(error);
        }
    };
    if call::reply(&world.store, ticket, status, copy(data)?)? {
        engine.timers.leave(&world.store, ticket.index(), ticket.life());
        Ok(())
    } else {
        if letter {
            late_reply(world, &engine, ticket, data);
        }
        Err(late(Error::Stale))
    }
}

/// A reply that nobody waits for.
#[cold]
pub(super) fn late_reply(world: &World, engine: &Engine, ticket: Id, data: &[u8]) {
    let (code, payload) = (Error::Stale.code(), Payload::Copy(data));
    let letter = Letter { to: ticket.0, kind: KIND_REPLY, code, from: Id::NONE, tag: 0, payload };
    engine.dead_letter(&world.store, &letter);
}
