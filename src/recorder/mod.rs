//! The flight recorder: what each thread has done lately, always on.
//!
//! Guarantees: recording takes no lock, makes no system call and, after a thread's first event, allocates nothing; an
//! event is a time, a size and ids, never a payload. A thread's ring is 32 KiB; it outlives the thread, until a new
//! thread takes it over and writes over what is in it. Reading is safe at any time, also in the child of a fork.

mod ring;
#[cfg(not(loom))]
mod story;

#[cfg(not(loom))]
pub use story::{about, dump, lately, sent, since, threads, waits_for_room};

use crate::id::Id;
#[cfg(all(test, loom))]
pub use ring::{Owner, Read, Ring};

macro_rules! events {
    ($($variant:ident = $text:literal, $amount:ident;)+) => {
        /// What happened. The text and what the amount counts stand in the list below.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Event { Nothing = 0, $($variant,)+ }

        impl Event {
            /// Every event, in the order of the numbers.
            pub const ALL: &'static [Event] = &[Event::Nothing, $(Event::$variant,)+];

            pub fn text(self) -> &'static str {
                match self {
                    Event::Nothing => "nothing",
                    $(Event::$variant => $text,)+
                }
            }

            pub fn amount(self) -> Amount {
                match self {
                    Event::Nothing => Amount::None,
                    $(Event::$variant => Amount::$amount,)+
                }
            }
        }
    };
}

/// What an event's amount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    None,
    Bytes,
    Messages,
    /// Nanoseconds.
    Time,
    Reason,
    /// An error or a status that the host gave.
    Code,
    Kind,
}

// Only added to. `id` is the object that it happened to; what `other` is, is said where it is not the other mailbox.
events! {
    // id: to, other: from
    Send = "send", Bytes;
    SendMany = "send many", Messages;
    // id: mailbox
    Receive = "receive", Bytes;
    Batch = "receive batch", Messages;
    Peek = "peek", Bytes;
    // id: mailbox, other: loop
    Handle = "handler called", Messages;
    Handled = "handler returned", None;
    // id: mailbox that the message was for (or the engine of a name), other: from, a subscription, or a ticket
    Dropped = "dropped", Messages;
    Evicted = "dropped oldest", Messages;
    Conflated = "conflated", Bytes;
    Refused = "refused", Code;
    Expired = "request expired", None;
    DeadLetter = "dead letter", Kind;
    WaitsForRoom = "waits for room", Bytes;
    // id: mailbox
    Open = "opened", None;
    End = "ended", Reason;
    Suspend = "suspended", None;
    Resume = "resumed", None;
    Notify = "notified", None;
    // id: mailbox that is told, other: the record or watch
    Down = "DOWN", Reason;
    Exit = "EXIT", Reason;
    Timer = "TIMER", None;
    Reply = "REPLY", Code;
    Signal = "signal", Kind;
    // id: record, other: mailbox that it is about
    Monitor = "monitor", None;
    Demonitor = "demonitor", None;
    Link = "link", None;
    Unlink = "unlink", None;
    Armed = "timer armed", Time;
    Cancelled = "timer cancelled", Time;
    // id: to, other: ticket; the amount of a reply is its status
    Call = "call", Bytes;
    Answer = "answer", Code;
    Part = "part of an answer", Bytes;
    Forward = "forward", Bytes;
    // id: subscription, other: mailbox
    Subscribe = "subscribe", None;
    Unsubscribe = "unsubscribe", None;
    // id: engine, other: from
    Publish = "publish", Bytes;
    // id: mailbox
    Named = "named", None;
    Unnamed = "name given up", None;
    Join = "group joined", None;
    Leave = "group left", None;
    Enter = "presence entered", None;
    Depart = "presence left", None;
    // id: watch, other: mailbox
    Watch = "watch", None;
    Unwatch = "unwatch", None;
    Edge = "watch edge", Code;
    Resync = "RESYNC", None;
    // id: engine or loop
    EngineOpen = "engine opened", None;
    Drain = "engine drains", Time;
    EngineClose = "engine closed", None;
    LoopOpen = "loop opened", None;
    LoopClose = "loop closed", None;
    Panic = "panic", None;
    // id: mailbox, other: the subscription or call whose messages these were
    Flushed = "flushed", Messages;
    // id: mailbox
    Discarded = "discarded", Messages;
    // id: mailbox that ends, other: the one it is linked to, which has ended
    EndsWith = "ends with", Reason;
    // id: to
    GaveUp = "call given up", Code;
    // id: engine; what was not delivered
    Drained = "engine drained", Messages;
}

/// Records what happens seldom, or whose time matters. What the ids and the amount are, the list of events says.
#[inline(never)]
pub fn record(event: Event, id: Id, other: Id, amount: i64) {
    #[cfg(not(loom))]
    if let Some(ring) = story::ring() {
        ring.write(event as u8, id.0, other.0, amount, story::look(ring));
    }
    let _ = (event, id, other, amount);
}

/// Records what may happen all the time: repeats are counted together, and a busy thread looks at the clock seldom.
#[inline(always)]
pub fn record_often(event: Event, id: Id, other: Id, amount: i64) {
    #[cfg(not(loom))]
    if let Some(ring) = story::ring() {
        match event.amount() {
            Amount::None | Amount::Bytes | Amount::Messages => {
                ring.sum_up(event as u8, id.0, other.0, amount as u64, story::look);
            }
            _ => ring.repeat(event as u8, id.0, other.0, amount, story::look),
        }
    }
    let _ = (event, id, other, amount);
}

/// Time has passed for this thread, as it waited or woke another: its next event looks at the clock.
#[inline]
pub fn time_passed() {
    #[cfg(not(loom))]
    story::close();
}
