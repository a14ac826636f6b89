//! The facade's part on calls of a wider sort: of several mailboxes, answered in parts, handed on.
//!
//! Guarantees: who waits to send a part is woken when nobody wants it any more; a request that cannot be handed on stays
//! where it is.

use super::calls::{count_unwaited, engine_of_ticket, late, late_reply, Redirected};
use super::traffic::{check_from, draft, note_refused, overflowed, refused, send_slowly, wait_a_while};
use super::*;
use crate::call::{self, Request, Ties};
use crate::clock::FOREVER;
use crate::dispatch::Away;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Outcome, Refusal, Room};
use crate::message::{FrameTrailer, Message, Payload, KIND_MESSAGE, KIND_REQUEST};
use crate::notify::{Parker, Wake};

/// Calls several mailboxes; their replies come to `from`, then one REPLIES.
pub fn call_many(to: &[Id], from: Id, tag: u64, data: &[u8], timeout: i64) -> Result<Id> {
    let world = world();
    let store = &world.store;
    let own = store.slot(from)?;
    own.check(from, Error::Closed).map_err(|error| match error {
        Error::Closed => error.because("the calling mailbox has ended; nobody was called"),
        other => other,
    })?;
    for (at, id) in to.iter().enumerate() {
        let slot = store.slot(*id)?;
        match slot.check(*id, Error::NoProc) {
            Ok(()) if slot.engine() != own.engine() => {
                return Err(Error::BadId.because(format!("to[{at}] is a mailbox of another engine than the caller")))
            }
            Ok(()) | Err(Error::NoProc) => {}
            Err(error) => return Err(error),
        }
    }
    let engine = world.engine_of(from)?;
    let block = if data.len() > INLINE_MAX { Some(try_copy(data)?) } else { None };
    let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
    let deadline = engine.clock.deadline(timeout);
    let timed = deadline != FOREVER;
    if timed {
        engine.ensure_ticking()?;
    }
    let ties = Ties {
        enter: &|call| engine.timers.enter(store, call, deadline),
        leave: &|call| engine.timers.leave(store, call.index(), call.life()),
        overflowed: &|remains| overflowed(world, remains),
        refused: &|to, error| {
            count_unwaited(store, to, error);
            note_refused(to, from, refused(world, to, error, &draft(KIND_REQUEST, from, tag, payload), data))
        },
    };
    call::start_many(store, to, &Request { to: from, from, waits: Id::NONE, tag, payload, deadline }, timed, &ties)
}

/// Sends a part of an answer, waiting for room in the caller's mailbox.
pub fn reply_part(ticket: Id, data: &[u8], timeout: i64, interruptible: bool) -> Result<()> {
    try_reply_part(ticket, data, timeout, interruptible).map_err(|error| note_refused(ticket, Id::NONE, error))
}

fn try_reply_part(ticket: Id, data: &[u8], timeout: i64, interruptible: bool) -> Result<()> {
    let world = world();
    let store = &world.store;
    let gone = |error| {
        if !matches!(error, Error::Stale | Error::NoProc) {
            return error;
        }
        if let Some(engine) = world.engines.at(store.shots.at(ticket.index()).home()) {
            late_reply(world, &engine, ticket, data);
        }
        late(Error::Stale)
    };
    let engine = engine_of_ticket(world, ticket).map_err(gone)?;
    let owner = call::parts_go_to(store, ticket).map_err(gone)?;
    let block = copy_if_large(store, owner, data).map_err(gone)?;
    let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
    let until = engine.clock.deadline(timeout);
    loop {
        let full = match store.push_part(ticket, payload) {
            Ok(roused) => {
                record_often(Event::Part, owner, ticket, data.len() as i64);
                store.rouse(roused);
                return Ok(());
            }
            Err(Refusal::Never(error)) => return Err(gone(error)),
            Err(full) => full,
        };
        if timeout == 0 {
            store.count_refused(owner);
            return Err(full.error());
        }
        let reader = store.reader(owner).ok().flatten();
        if reader.as_ref().is_some_and(|reader| reader.is_mine(owner)) {
            return Err(Error::Deadlock.because("the caller's mailbox is read by the loop that this thread runs"));
        }
        let _away = Away::begin(reader.as_ref())?;
        let parker = Parker::current();
        parker.reset();
        let size = data.len() as u64;
        let result = match store.block(owner, size, &parker, engine.clock.is_real()) {
            Ok(room) if room != Room::Now && store.is_awaited(ticket) => {
                match wait_a_while(&engine, room, &parker, until, interruptible) {
                    Wake::Interrupted => Err(Error::Intr),
                    _ if engine.clock.now() >= until && store.is_awaited(ticket) && store.is_full(owner, size) => {
                        Err(Error::TimedOut)
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        };
        store.unblock(owner, &parker, result.is_err());
        result?;
    }
}

/// Who gets a request has to be of the engine whose timers and names know its call.
fn check_home(store: &Store, to: Id, ticket: Id) -> Result<()> {
    match (store.live(to), store.shots.find(ticket, Kind::Ticket)) {
        (Ok(to), Ok(shot)) if to.engine() != shot.home() => {
            Err(Error::BadId
                .because("the caller who waits for the answer is a mailbox of another engine than the target"))
        }
        _ => Ok(()),
    }
}

/// Sends a received message on. A request keeps its ticket, which `to` then has to answer.
pub fn forward(to: Id, from: Id, message: &Message, data: &[u8]) -> Result<()> {
    try_forward(to, from, message, data).map_err(|error| note_refused(to, from, error))
}

fn try_forward(to: Id, from: Id, message: &Message, data: &[u8]) -> Result<()> {
    let world = world();
    let store = &world.store;
    check_from(store, to, from)?;
    let is_request = message.kind == KIND_REQUEST;
    let kind = if is_request { KIND_REQUEST } else { KIND_MESSAGE };
    let failed = |error| refused(world, to, error, &draft(kind, from, message.tag, Payload::Copy(&[])), data);
    // A payload by reference is shared; what was copied in is copied again.
    let shared = if message.owner == 0 { None } else { store.block_of(Id(message.owner))? };
    let block = match shared {
        Some(block) => {
            store.check_size(to, block.size() as u64).map_err(failed)?;
            Some(block)
        }
        None => copy_if_large(store, to, data).map_err(failed)?,
    };
    let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
    let plain = draft(kind, from, message.tag, payload);
    if !is_request {
        return send_slowly(world, to, &plain, 0, false).map_err(failed);
    }
    let ticket = Id(message.r#ref);
    check_home(store, to, ticket)?;
    let trailer = FrameTrailer { deadline: message.deadline, status: 0, reserved: 0, info: message.info };
    let mut draft = Draft { trailer: Some(trailer), ..plain };
    draft.header.r#ref = ticket.0;
    let redirected = Redirected::begin(store, ticket, to)?;
    let forwarded = call::forward(store, to, ticket, &draft);
    if !matches!(forwarded, Ok(Outcome::Queued(_))) {
        redirected.undo();
    }
    match forwarded {
        Ok(Outcome::Queued(roused)) => {
            record_often(Event::Forward, to, ticket, payload.size() as i64);
            store.rouse(roused);
            Ok(())
        }
        Ok(Outcome::Overflowed(remains)) => Err(overflowed(world, *remains)),
        Ok(Outcome::Dropped | Outcome::Replaced(_)) => unreachable!("requests are neither dropped nor replaced"),
        Err(refusal) => match refusal.error() {
            Error::Stale => Err(late(Error::Stale)),
            error => {
                count_unwaited(store, to, error);
                Err(failed(error))
            }
        },
    }
}
