//! The facade's part on messages: send, receive.
//!
//! Guarantees: a send that returns success has queued the message or dropped it as the policy says, counted where its
//! loser sees it; a failed send leaves a payload by reference with the caller.

use super::*;
use crate::clock::FOREVER;
use crate::dispatch::Away;
use crate::mailbox::draft::Draft;
use crate::mailbox::{Outcome, Patience, Policy, Refusal, Remains, Room, Select, Slot};
use crate::message::KIND_MESSAGE;
use crate::message::{Batch, Cursor, FrameHeader, Match, Message, Payload};
use crate::notify::{Parker, Wake};

/// How [`send_ex`] differs from [`send`].
pub struct SendOptions {
    /// `Block`: 0 is the mailbox's own, -1 does not wait.
    pub timeout: i64,
    pub interruptible: bool,
    pub release: Option<Release>,
}

pub(super) fn draft(kind: u32, from: Id, tag: u64, payload: Payload<'_>) -> Draft<'_> {
    let header = FrameHeader { kind: kind as u8, from: from.0, tag, ..FrameHeader::default() };
    Draft { header, payload, topic: &[], trailer: None }
}

/// A sender is nobody, or a live mailbox of the target's engine.
#[inline]
pub(super) fn check_from(store: &Store, to: Id, from: Id) -> Result<()> {
    if from.is_none() {
        return Ok(());
    }
    let slot = store.slot(from)?;
    if slot.check(from, Error::Closed).is_err() {
        return Err(sender_ended(slot, from));
    }
    match store.live(to) {
        Ok(to) if slot.engine() != to.engine() => {
            Err(Error::BadId.because("the sender is a mailbox of another engine than the target"))
        }
        _ => Ok(()),
    }
}

#[cold]
pub(super) fn sender_ended(slot: &Slot, from: Id) -> Error {
    match slot.check(from, Error::Closed) {
        Err(Error::Closed) => Error::Closed.because("the sending mailbox has ended; nothing was sent"),
        Err(error) => error,
        Ok(()) => Error::Closed,
    }
}

#[inline(always)]
pub fn send(to: Id, from: Id, tag: u64, data: &[u8]) -> Result<()> {
    try_send(to, from, tag, data).map_err(|error| unsent(to, from, tag, data, error))
}

#[inline(always)]
fn try_send(to: Id, from: Id, tag: u64, data: &[u8]) -> Result<()> {
    let world = world();
    check_from(&world.store, to, from)?;
    if data.len() > INLINE_MAX {
        return send_large(world, to, from, tag, data);
    }
    let draft = draft(KIND_MESSAGE, from, tag, Payload::Copy(data));
    let mut roused = None;
    match world.store.push(to, &draft, None, &mut roused) {
        Ok(()) => {
            note_sent(to, &draft);
            world.store.rouse(roused);
            Ok(())
        }
        Err(Refusal::Full | Refusal::Short) => send_slowly(world, to, &{ draft }, 0, false),
        Err(Refusal::Never(error)) => Err(error),
    }
}

/// A message that was not sent: recorded, and a dead letter if it found nobody.
#[cold]
fn unsent(to: Id, from: Id, tag: u64, data: &[u8], error: Error) -> Error {
    let draft = draft(KIND_MESSAGE, from, tag, Payload::Copy(data));
    note_refused(to, from, refused(world(), to, error, &draft, data))
}

/// Records a message or request that was not taken.
#[cold]
pub(super) fn note_refused(to: Id, from: Id, error: Error) -> Error {
    record_often(Event::Refused, to, from, error.code() as i64);
    error
}

/// Records a message that was queued, before whoever waits for it is told.
#[inline(always)]
fn note_sent(to: Id, draft: &Draft<'_>) {
    record_often(Event::Send, to, Id(draft.header.from), draft.payload.size() as i64);
}

#[cold]
fn send_large(world: &World, to: Id, from: Id, tag: u64, data: &[u8]) -> Result<()> {
    let bare = draft(KIND_MESSAGE, from, tag, Payload::Copy(data));
    let copied = copy_if_large(&world.store, to, data)?;
    let payload = copied.as_ref().map_or(Payload::Copy(data), Payload::Share);
    send_slowly(world, to, &Draft { payload, ..bare }, 0, false)
}

/// A message that found nobody is a dead letter.
#[cold]
pub(super) fn refused(world: &World, to: Id, error: Error, draft: &Draft<'_>, data: &[u8]) -> Error {
    if error == Error::NoProc {
        let FrameHeader { kind, from, tag, .. } = draft.header;
        let (from, payload, code) = (Id(from), Payload::Copy(data), error.code());
        world.dead_letter(to, &Letter { to: to.0, kind: kind as u32, code, from, tag, payload });
    }
    error
}

/// Sends with the policy of a full mailbox, waiting where that is its policy.
#[cold]
pub(super) fn send_slowly(world: &World, to: Id, draft: &Draft<'_>, timeout: i64, interruptible: bool) -> Result<()> {
    let mut deadline = None;
    loop {
        match world.store.offer(to, draft, None) {
            Ok(Outcome::Queued(roused)) => {
                note_sent(to, draft);
                world.store.rouse(roused);
                return Ok(());
            }
            Ok(Outcome::Replaced(roused)) => {
                world.store.rouse(roused);
                return Ok(());
            }
            Ok(Outcome::Dropped) => return Ok(()),
            Ok(Outcome::Overflowed(remains)) => return Err(overflowed(world, *remains)),
            Err(Refusal::Never(error)) => return Err(error),
            Err(full) => {
                let (policy, own) = world.store.policy(to)?;
                if policy != Policy::Block {
                    return Err(full.error());
                }
                if timeout < 0 {
                    world.store.count_refused(to);
                    return Err(full.error());
                }
                let engine = world.engine_of(to)?;
                let wait = match timeout {
                    0 if own == 0 => FOREVER,
                    0 => own,
                    given => given,
                };
                let until = *deadline.get_or_insert_with(|| engine.clock.deadline(wait));
                let from = Id(draft.header.from);
                wait_for_room(world, &engine, to, from, draft.payload.size() as u64, until, interruptible)?;
            }
        }
    }
}

/// A mailbox of policy `Kill` ended for a message: tells who has to hear of it.
#[cold]
pub(super) fn overflowed(world: &World, remains: Remains) -> Error {
    bury_of(world, remains);
    Error::Full.because("the mailbox was full and has ended for it, as its policy says")
}

/// Waits until a full mailbox may have room. `TD_ECLOSED` when the sender ends meanwhile.
pub(super) fn wait_for_room(
    world: &World,
    engine: &Engine,
    to: Id,
    from: Id,
    size: u64,
    deadline: i64,
    interruptible: bool,
) -> Result<()> {
    let store = &world.store;
    let reader = store.reader(to)?;
    if reader.as_ref().is_some_and(|reader| reader.is_mine(to)) {
        return Err(Error::Deadlock.because("the full mailbox is read by this thread: by its loop, or this handler"));
    }
    let _away = Away::begin(reader.as_ref())?;
    let parker = Parker::current();
    parker.reset();
    let own = !from.is_none();
    if own && store.tell_end(from, &parker).is_err() {
        return Err(Error::Closed.because("the sending mailbox has ended; the message was not sent"));
    }
    record(Event::WaitsForRoom, to, from, size as i64);
    let result = match store.block(to, size, &parker, engine.clock.is_real()) {
        Ok(Room::Now) => Ok(()),
        Ok(room) => match wait_a_while(engine, room, &parker, deadline, interruptible) {
            Wake::Interrupted => Err(Error::Intr),
            _ if own && store.live(from).is_err() => {
                Err(Error::Closed.because("the sending mailbox has ended; the message was not sent"))
            }
            _ if engine.clock.now() >= deadline && store.is_full(to, size) => Err(Error::TimedOut),
            _ => Ok(()),
        },
        Err(Error::NoProc) => Ok(()),
        Err(error) => Err(error),
    };
    store.unblock(to, &parker, result.is_err());
    if own {
        store.forget_end(from, &parker);
    }
    result
}

/// Room that another mailbox of the engine leaves in its byte budget is looked for every few milliseconds.
pub(super) fn wait_a_while(
    engine: &Engine,
    room: Room,
    parker: &Arc<Parker>,
    deadline: i64,
    interruptible: bool,
) -> Wake {
    const LOOK: i64 = 5_000_000;
    let most = if room == Room::Elsewhere { LOOK } else { FOREVER };
    engine.clock.wait_at_most(parker, deadline, interruptible, most)
}

pub fn send_ex(to: Id, from: Id, tag: u64, data: &[u8], options: SendOptions) -> Result<()> {
    try_send_ex(to, from, tag, data, options).map_err(|error| unsent(to, from, tag, data, error))
}

fn try_send_ex(to: Id, from: Id, tag: u64, data: &[u8], options: SendOptions) -> Result<()> {
    let world = world();
    check_from(&world.store, to, from)?;
    let SendOptions { timeout, interruptible, release } = options;
    match release {
        Some(release) => {
            let block = lend(world, data, &release)?;
            let draft = draft(KIND_MESSAGE, from, tag, Payload::Share(&block));
            let sent = send_slowly(world, to, &draft, timeout, interruptible);
            if sent.is_err() {
                Block::cancel(block);
            }
            sent
        }
        None => {
            let bare = draft(KIND_MESSAGE, from, tag, Payload::Copy(data));
            let block = copy_if_large(&world.store, to, data)?;
            let payload = block.as_ref().map_or(Payload::Copy(data), Payload::Share);
            send_slowly(world, to, &Draft { payload, ..bare }, timeout, interruptible)
        }
    }
}

/// Sends until one is refused; the number accepted, or the error if that was the first.
pub fn send_many(to: Id, from: Id, items: &[(u64, &[u8])]) -> Result<u32> {
    let world = world();
    check_from(&world.store, to, from).map_err(|error| note_refused(to, from, error))?;
    let mut accepted = 0;
    while accepted < items.len() {
        match world.store.push_many(to, from, &items[accepted..]) {
            Ok((taken, roused)) => {
                if taken > 0 {
                    record_often(Event::SendMany, to, from, taken as i64);
                }
                world.store.rouse(roused);
                accepted += taken;
            }
            Err(error) if accepted == 0 => {
                let (tag, data) = items[0];
                return Err(unsent(to, from, tag, data, error));
            }
            Err(_) => break,
        }
        if let Some((tag, data)) = items.get(accepted) {
            match send(to, from, *tag, data) {
                Ok(()) => accepted += 1,
                Err(error) if accepted == 0 => return Err(error),
                Err(_) => break,
            }
        }
    }
    Ok(accepted as u32)
}

/// A holder that ended after it was looked up may have handed its name on before: then the new one gets the message.
pub fn send_name(engine: Id, name: &str, from: Id, tag: u64, data: &[u8]) -> Result<()> {
    let registry = &world().engine(engine)?.registry;
    let mut holder = registry.whereis(name).map_err(|error| note_refused(engine, from, error))?;
    loop {
        let Err(error) = try_send(holder, from, tag, data) else { return Ok(()) };
        match registry.whereis(name) {
            Ok(now) if error == Error::NoProc && now != holder => holder = now,
            _ => return Err(unsent(holder, from, tag, data, error)),
        }
    }
}

/// Receives with the patience of the mailbox's engine. The engine is looked at only for a clock that is moved by hand:
/// receivers of different mailboxes then have no cache line in common.
fn patiently<T>(
    id: Id,
    timeout: i64,
    interruptible: bool,
    receive: impl FnOnce(&World, &Patience<'_>) -> Result<T>,
) -> Result<T> {
    let world = world();
    if timeout == 0 || !world.store.is_by_hand(id) {
        let received = receive(world, &Patience { clock: &Clock::Real, timeout, interruptible });
        if matches!(received, Err(Error::Again)) {
            // Who polls may well do something else until the next time.
            crate::recorder::time_passed();
        }
        return received;
    }
    match world.engine_of(id) {
        Ok(engine) => receive(world, &Patience { clock: &engine.clock, timeout, interruptible }),
        Err(_) => {
            let result = receive(world, &Patience { clock: &Clock::Real, timeout: 0, interruptible });
            result.map_err(|error| if error == Error::Again { Error::Closed } else { error })
        }
    }
}

/// Receives the oldest message and gives it to `put`.
#[inline]
pub fn recv_step(id: Id, timeout: i64, interruptible: bool, mut put: impl FnMut(Message)) -> Result<()> {
    let mut size = 0;
    patiently(id, timeout, interruptible, |world, patience| {
        world.store.recv_step(id, patience, |message| {
            size = message.data_size;
            put(message);
        })
    })?;
    record_often(Event::Receive, id, Id::NONE, size as i64);
    Ok(())
}

pub fn recv(id: Id, timeout: i64, interruptible: bool) -> Result<Message> {
    let mut received = Err(Error::Again);
    recv_step(id, timeout, interruptible, |message| received = Ok(message))?;
    received
}

fn note_received(id: Id, received: &Result<Message>) {
    if let Ok(message) = received {
        record_often(Event::Receive, id, Id::NONE, message.data_size as i64);
    }
}

pub fn recv_match(id: Id, wanted: &Match, timeout: i64, interruptible: bool) -> Result<Message> {
    let mut select = Select::new(*wanted);
    let received =
        patiently(id, timeout, interruptible, |world, patience| world.store.recv_select(id, &mut select, patience));
    note_received(id, &received);
    received
}

pub fn recv_peek(id: Id, cursor: &mut Cursor, timeout: i64, interruptible: bool) -> Result<Message> {
    let peeked = patiently(id, timeout, interruptible, |world, patience| world.store.peek(id, cursor, patience))?;
    record_often(Event::Peek, id, Id::NONE, peeked.data_size as i64);
    Ok(peeked)
}

pub fn recv_take(id: Id, cursor: &Cursor) -> Result<Message> {
    let received = world().store.take(id, cursor);
    note_received(id, &received);
    received
}

pub fn recv_batch(id: Id, timeout: i64, interruptible: bool) -> Result<Batch> {
    let batch = patiently(id, timeout, interruptible, |world, patience| world.store.recv_batch(id, patience))?;
    record_often(Event::Batch, id, Id::NONE, batch.count as i64);
    Ok(batch)
}

pub fn message_release(owner: u64) -> Result<()> {
    if owner == 0 {
        return Err(Error::Inval.because("the message has no owner of its own: it belongs to its batch"));
    }
    world().store.release_message(Id(owner))
}

#[inline]
pub fn batch_step(batch: &mut Batch, put: impl FnOnce(Message)) -> Result<bool> {
    world().store.batch_step(batch, put)
}

#[cfg(test)]
pub fn batch_next(batch: &mut Batch) -> Result<Option<Message>> {
    world().store.batch_next(batch)
}

pub fn batch_claim(batch: &mut Batch, number: u32) -> Result<bool> {
    world().store.batch_claim(batch, number)
}

pub fn batch_retain(batch: &Batch) -> Result<Batch> {
    world().store.batch_retain(batch)
}

pub fn batch_release(batch: &mut Batch) -> Result<()> {
    world().store.batch_release(batch)
}
