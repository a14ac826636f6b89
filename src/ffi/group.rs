//! Groups, presence, and watches.
//!
//! Guarantees: as the module `ffi` says; a snapshot is written only when it is the caller's to release.

use super::receive::shown;
use super::types::{td_engine, td_mailbox, td_message, td_watch, TD_FLUSH};
use super::{args, done, guard};
use crate::engine as facade;
use crate::error::Result;
use crate::id::Id;
use crate::message as m;
use std::ffi::c_char;

/// Status of the edges of watches: TD_KIND_MEMBER, TD_KIND_PRESENCE, TD_KIND_INTEREST.
///
/// a mailbox joined, or a key is present
pub const TD_JOINED: i32 = 1i32;
/// a mailbox left or ended, or a key is gone
pub const TD_LEFT: i32 = 2i32;
/// there is a first subscription
pub const TD_STARTED: i32 = 3i32;
/// the last subscription is gone
pub const TD_STOPPED: i32 = 4i32;

const _: () = {
    assert!(TD_JOINED == m::STATUS_JOINED && TD_LEFT == m::STATUS_LEFT);
    assert!(TD_STARTED == m::STATUS_STARTED && TD_STOPPED == m::STATUS_STOPPED);
};

/// Begins a watch and hands out its id and its snapshot.
///
/// # Safety
/// `watch` and `snapshot` are valid or NULL.
unsafe fn begin(
    watch: *mut td_watch,
    what: &str,
    snapshot: *mut td_message,
    begin: impl FnOnce() -> Result<(Id, m::Message)>,
) -> Result<i32> {
    // SAFETY: the caller's promise, passed on; the layouts are the same.
    let (watch, snapshot) = unsafe { (args::out_id("watch", watch)?, args::out(what, snapshot.cast::<m::Message>())?) };
    let (id, message) = begin()?;
    watch.set(id.into());
    snapshot.set(shown(message));
    Ok(0)
}

/// Makes mailbox a member of the group: 1 to 255 bytes of UTF-8, there as soon as it has a member. Joining twice counts
/// two. A mailbox that ends has left all its groups before anyone gets its TD_KIND_DOWN.
///
/// Returns: 0; TD_ENOPROC when mailbox is over.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps group.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_group_join(mailbox: td_mailbox, group: *const c_char, group_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let group = unsafe { args::text("group", group, group_size)? };
        done(facade::group_join(mailbox.into(), group))
    })
}

/// Takes one join back.
///
/// Returns: 0; TD_ENOTFOUND when mailbox is not in the group; TD_ENOPROC when mailbox is over.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps group.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_group_leave(mailbox: td_mailbox, group: *const c_char, group_size: usize) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointer is valid or NULL, as the header asks.
        let group = unsafe { args::text("group", group, group_size)? };
        done(facade::group_leave(mailbox.into(), group))
    })
}

/// Gives the members of a group: data of members is an array of td_mailbox, one per join, info[1] their number. A group
/// that nobody has joined has none.
///
/// Returns: 0; TD_ESTALE when the engine was closed; TD_ENOMEM.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps group, and releases members with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_group_members(
    engine: td_engine,
    group: *const c_char,
    group_size: usize,
    members: *mut td_message,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (group, out) =
            unsafe { (args::text("group", group, group_size)?, args::out("members", members.cast::<m::Message>())?) };
        out.set(shown(facade::group_members(engine.into(), group)?));
        Ok(0)
    })
}

/// Gives the members of a group, as td_group_members does, and in the same step begins a watch: from then on watcher
/// gets one TD_KIND_MEMBER with this tag per join and leave, in the order in which they happen. Where these find watcher
/// full they become one TD_KIND_RESYNC with the members as they are then, which replace all that was known before.
///
/// Returns: 0; TD_ENOPROC when watcher is over; TD_ENOMEM.
/// Threads: any.
/// Blocks: no.
/// Owns: the watch ends with td_unwatch or with watcher; the caller keeps group, and releases members with
///   td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_group_watch(
    watcher: td_mailbox,
    group: *const c_char,
    group_size: usize,
    tag: u64,
    watch: *mut td_watch,
    members: *mut td_message,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        unsafe {
            let group = args::text("group", group, group_size)?;
            begin(watch, "members", members, || facade::group_watch(watcher.into(), group, tag))
        }
    })
}

/// Makes a key of 1 to 255 bytes of UTF-8, without a NUL, present in a group of keys for as long as mailbox lives, and
/// for grace nanoseconds after its end: if another mailbox enters the key by then, nobody hears that it was gone.
/// Several mailboxes may have entered a key. Entering again changes the grace.
///
/// Returns: 0; TD_ENOPROC when mailbox is over; TD_ESYS when the timer thread cannot start.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps group and key.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_presence_enter(
    mailbox: td_mailbox,
    group: *const c_char,
    group_size: usize,
    key: *const c_char,
    key_size: usize,
    grace: i64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (group, key) = unsafe { (args::text("group", group, group_size)?, args::text("key", key, key_size)?) };
        args::span("grace", grace, 0)?;
        done(facade::presence_enter(mailbox.into(), group, key, grace))
    })
}

/// Takes back that mailbox has entered the key. If it was the last one, the key is gone at once.
///
/// Returns: 0; TD_ENOTFOUND when mailbox has not entered the key; TD_ENOPROC when mailbox is over.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps group and key.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_presence_leave(
    mailbox: td_mailbox,
    group: *const c_char,
    group_size: usize,
    key: *const c_char,
    key_size: usize,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (group, key) = unsafe { (args::text("group", group, group_size)?, args::text("key", key, key_size)?) };
        done(facade::presence_leave(mailbox.into(), group, key))
    })
}

/// Gives the keys that are present: data of keys is each key with a NUL behind it, info[1] their number.
///
/// Returns: 0; TD_ESTALE when the engine was closed; TD_ENOMEM.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps group, and releases keys with td_message_release.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_presence_keys(
    engine: td_engine,
    group: *const c_char,
    group_size: usize,
    keys: *mut td_message,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (group, out) =
            unsafe { (args::text("group", group, group_size)?, args::out("keys", keys.cast::<m::Message>())?) };
        out.set(shown(facade::presence_keys(engine.into(), group)?));
        Ok(0)
    })
}

/// Gives the keys that are present, as td_presence_keys does, and in the same step begins a watch: from then on watcher
/// gets one TD_KIND_PRESENCE with this tag per key that comes or goes. Otherwise as td_group_watch.
///
/// Returns: as td_group_watch.
/// Threads: any.
/// Blocks: no.
/// Owns: as td_group_watch.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_presence_watch(
    watcher: td_mailbox,
    group: *const c_char,
    group_size: usize,
    tag: u64,
    watch: *mut td_watch,
    keys: *mut td_message,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        unsafe {
            let group = args::text("group", group, group_size)?;
            begin(watch, "keys", keys, || facade::presence_watch(watcher.into(), group, tag))
        }
    })
}

/// Gives the number of subscriptions that a topic fitting the pattern could reach, and in the same step begins a watch:
/// from then on watcher gets one TD_KIND_INTEREST with TD_STARTED when the first of them comes and with TD_STOPPED when
/// the last of them is gone. Where these find watcher full they become one TD_KIND_RESYNC whose data is the number of
/// subscriptions then, a uint64_t.
///
/// Returns: 0; TD_ENOPROC when watcher is over; TD_EINVAL as td_subscribe.
/// Threads: any.
/// Blocks: no.
/// Owns: the watch ends with td_unwatch or with watcher; the caller keeps pattern.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_interest_watch(
    watcher: td_mailbox,
    pattern: *const c_char,
    pattern_size: usize,
    tag: u64,
    watch: *mut td_watch,
    subscriptions: *mut u64,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, pattern, count) = unsafe {
            (
                args::out_id("watch", watch)?,
                args::text("pattern", pattern, pattern_size)?,
                args::out("subscriptions", subscriptions)?,
            )
        };
        let (id, subscriptions) = facade::interest_watch(watcher.into(), pattern, tag)?;
        out.set(id.into());
        count.set(subscriptions);
        Ok(0)
    })
}

/// Ends a watch. Its edges that are queued stay, unless flags has TD_FLUSH: after the return none is or will be seen,
/// and no TD_KIND_RESYNC, also not from a batch already begun.
///
/// Returns: 0; TD_ESTALE when it was over already.
/// Threads: any.
/// Blocks: no.
/// Owns: the watch is stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_unwatch(watch: td_watch, flags: u32) -> i32 {
    guard(|| {
        args::flags("flags", flags, TD_FLUSH, "0 or TD_FLUSH")?;
        done(facade::unwatch(watch.into(), flags & TD_FLUSH != 0))
    })
}
