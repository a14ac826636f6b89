//! Looking into a running engine.
//!
//! Guarantees: as the module `ffi` says; a look changes nothing, and takes one object's lock at a time.

use super::types::{td_engine, td_message};
use super::{args, guard, receive};
use crate::engine as facade;
use crate::id::Id;
use crate::message as m;

/// Everything of an engine as one JSON object:
///   engine, now, virtual_clock, host_time;
///   counters: as of td_engine_stats;
///   mailboxes: of each open one mailbox, names, state (open, suspended, ended), read_by (pull, handler), policy,
///     max_messages, max_bytes, queued, queued_bytes, in_hand (in open batches), counters (as of td_mailbox_stats),
///     receivers_waiting, senders_waiting (threads), calling (whom threads call in its name), owns and watched_by
///     (records), groups, presence (group, key), will (its topic), traps_exit, subscriptions (subscription, pattern,
///     max_messages, queued);
///   names: name, mailbox; name_timers: records of timers to a name;
///   loops: loop, running, parked, handler_of, ready, releases, mailboxes;
///   threads: thread, name of each thread of the process that has used the library.
/// A record is a monitor, timer, call, link or watch: id, what, state, owner (who gets its signal), target, tag, and
/// where it has them deadline, period, name. Ids and tags are strings "0x...", times nanoseconds on the engine's clock;
/// null is none or never. Members are added, not changed. Each mailbox is as it was at one moment; not all at the same.
///
/// Returns: 0; TD_ESTALE when the engine was closed; TD_ENOMEM.
/// Threads: any, at any time.
/// Blocks: no.
/// Owns: data of json is the text, without NUL; the caller releases it with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_engine_inspect(engine: td_engine, json: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { args::out("json", json.cast::<m::Message>())? };
        out.set(receive::shown(facade::engine_inspect(engine.into())?));
        Ok(0)
    })
}

/// What an id is and how it stands, as text for people: for a mailbox its queue and what fills it, who reads it and is
/// that one stuck, who waits for it or watches it, or why, when and by which thread it ended; for all else state and
/// relations; for any id what the flight recorder still knows. The text may change with each version.
///
/// Returns: 0, for any number; TD_ENOMEM.
/// Threads: any, at any time.
/// Blocks: no.
/// Owns: data of text is the text, without NUL; the caller releases it with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_explain(id: u64, text: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { args::out("text", text.cast::<m::Message>())? };
        out.set(receive::shown(facade::explain(Id(id))?));
        Ok(0)
    })
}

/// What the threads of this process have done lately with the library, as text: a heading, then a line for each event,
/// in the order of their times, never payloads:
///   -SECONDS thread NUMBER NAME: EVENT ID with OTHER, AMOUNT, xN
/// SECONDS before now; with ~ behind them then or later, but before the next line of that thread without ~. Ids are
/// "0x...". What ID and OTHER are, and whether there is an AMOUNT ("64 bytes", "3 messages", "reason killed (1)",
/// "TD_EFULL"), is the event's; bytes and messages are added up over the N times in a row that xN stands for. A thread's
/// last thousand events are kept, always.
///
/// Returns: 0; TD_ENOMEM.
/// Threads: any, at any time.
/// Blocks: no.
/// Owns: data of text is the text, without NUL; the caller releases it with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_recorder_dump(text: *mut td_message) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks; the layouts are the same.
        let out = unsafe { args::out("text", text.cast::<m::Message>())? };
        out.set(receive::shown(facade::recorder_dump()?));
        Ok(0)
    })
}
