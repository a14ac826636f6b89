//! Topics: subscribing and publishing.
//!
//! Guarantees: as the module `ffi` says; a topic or pattern is UTF-8, up to 1,024 bytes and 64 tokens.

use super::args;
use super::send::{self, td_item, td_send_options};
use super::types::{same_layout, td_engine, td_mailbox, td_subscription, TD_FLUSH, TD_INTERRUPTIBLE, TD_RETAIN};
use super::versioned::{self, Versioned};
use super::{done, guard};
use crate::engine as facade;
use crate::message as m;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;

/// Options of td_subscribe. Zero is the default of every field but size.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_subscribe_options {
    pub size: usize,
    /// none yet: 0
    pub flags: u32,
    /// TD_FAIL (as TD_DROP_NEW), TD_DROP_NEW, TD_DROP_OLD, TD_CONFLATE, or TD_KILL (ends the mailbox)
    pub policy: u32,
    /// of this subscription in the mailbox's queue; 0: only the mailbox's own bound
    pub max_messages: u64,
    /// Not NULL: of all subscriptions with this name, 1 to 255 bytes of UTF-8, that fit a message, one gets it, in turn;
    /// one without room is passed over. Such a subscription is given no retained values.
    pub queue_group: *const c_char,
    pub queue_group_size: usize,
}

/// Status of a TD_KIND_TOPIC message that was published, with TD_RETAIN, before its subscription began.
pub const TD_RETAINED: i32 = 1i32;

/// What became of a publish, in copies: matched = queued + dropped.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_receipt {
    /// subscriptions whose pattern fits, for each message
    pub matched: u64,
    /// copies that are in a queue
    pub queued: u64,
    /// copies that a bound kept out
    pub dropped: u64,
}

// SAFETY: `repr(C)`, begins with its size, and zeros are a value.
unsafe impl Versioned for td_subscribe_options {
    const FIRST: usize = offset_of!(td_subscribe_options, max_messages) + 8;
}
same_layout!(td_receipt, m::Receipt, 24: matched queued dropped);
const _: () = assert!(TD_RETAINED == m::STATUS_RETAINED);

/// Delivers what is published from now on under a topic that fits the pattern: tokens divided by '.', where * is exactly
/// one token and > one or more at the end. Two subscriptions of one mailbox that both fit bring two copies. The retained
/// values that fit come first, with status TD_RETAINED. A mailbox that subscribes to $dead gets every dead letter: from,
/// tag and data of a message that reached nobody, status the error, info[0] the id it was for, info[1] its kind; no
/// wildcard takes that topic in, and none of them takes the place of another. options may be NULL for the defaults.
///
/// Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL for a pattern that is empty, longer than 1,024 bytes or 64
///   tokens, has an empty token or a space, or > before its end, and for TD_BLOCK.
/// Threads: any; inside a handler it counts from the next publish.
/// Blocks: no.
/// Owns: the subscription ends with td_unsubscribe or with the mailbox; pattern and options are copied.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_subscribe(
    mailbox: td_mailbox,
    pattern: *const c_char,
    pattern_size: usize,
    options: *const td_subscribe_options,
    subscription: *mut td_subscription,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (out, pattern, options) = unsafe {
            (
                args::out_id("subscription", subscription)?,
                args::text("pattern", pattern, pattern_size)?,
                versioned::options("options", options)?,
            )
        };
        args::zero("options->flags", options.flags)?;
        // SAFETY: as above.
        let queue = unsafe { args::text("options->queue_group", options.queue_group, options.queue_group_size)? };
        let queue = (!options.queue_group.is_null()).then_some(queue);
        let id = facade::subscribe(mailbox.into(), pattern, options.policy, options.max_messages, queue)?;
        out.set(id.into());
        Ok(0)
    })
}

/// Ends a subscription: no new delivery starts after the return. What is queued stays, unless flags has TD_FLUSH: then
/// none is or will be seen, also not from a batch already begun. TD_FLUSH looks through the mailbox's queue.
///
/// Returns: 0; TD_ESTALE when it was ended already.
/// Threads: any.
/// Blocks: no.
/// Owns: the subscription is stale from here on.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_unsubscribe(subscription: td_subscription, flags: u32) -> i32 {
    guard(|| {
        args::flags("flags", flags, TD_FLUSH, "0 or TD_FLUSH")?;
        done(facade::unsubscribe(subscription.into(), flags & TD_FLUSH != 0))
    })
}

/// Publishes a message to every subscription whose pattern fits, and to one of each queue group. A slow subscriber never
/// slows another. Of options, which may be NULL, it reads release, release_user, release_loop and the flag TD_RETAIN:
/// the value is kept, instead of the topic's last one, for those who subscribe later; an empty payload keeps none.
/// receipt may be NULL.
///
/// Returns: 0, also when nobody subscribes or copies were dropped, as receipt tells; TD_EINVAL for a topic with a
///   wildcard, an empty token or a space, that is empty, longer than 1,024 bytes or 64 tokens, or begins with $;
///   TD_EFULL when 65,536 topics have a retained value already; TD_ESTALE when the engine or release_loop was closed;
///   TD_ENOMEM.
/// Threads: any.
/// Blocks: no.
/// Owns: with release, data belongs to the library from success on until release runs, and must not change; else the
///   caller keeps it.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_publish(
    engine: td_engine,
    from: td_mailbox,
    topic: *const c_char,
    topic_size: usize,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    options: *const td_send_options,
    receipt: *mut td_receipt,
) -> i32 {
    guard(|| {
        let given = data;
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (topic, data, options, out) = unsafe {
            (
                args::text("topic", topic, topic_size)?,
                args::bytes("data", data, data_size)?,
                versioned::options("options", options)?,
                args::out_or_null("receipt", receipt.cast::<m::Receipt>())?,
            )
        };
        let known = TD_INTERRUPTIBLE | TD_RETAIN;
        args::flags("options->flags", options.flags, known, "0, TD_INTERRUPTIBLE or TD_RETAIN")?;
        let retain = options.flags & TD_RETAIN != 0;
        send::check(&td_send_options { flags: options.flags & !TD_RETAIN, ..options })?;
        let options = facade::PublishOptions { release: send::release(&options, given), retain };
        let receipt = facade::publish(engine.into(), from.into(), topic, tag, data, options)?;
        if let Some(out) = out {
            out.set(receipt);
        }
        Ok(0)
    })
}

/// Publishes count messages under one topic, in order, visiting each subscription once. receipt, which may be NULL, is
/// the sum over all of them.
///
/// Returns: as td_publish.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps items and their data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_publish_many(
    engine: td_engine,
    from: td_mailbox,
    topic: *const c_char,
    topic_size: usize,
    items: *const td_item,
    count: usize,
    receipt: *mut td_receipt,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks; the layouts are the same.
        let (topic, items, out) = unsafe {
            (
                args::text("topic", topic, topic_size)?,
                send::items(items, count)?,
                args::out_or_null("receipt", receipt.cast::<m::Receipt>())?,
            )
        };
        let receipt = facade::publish_many(engine.into(), from.into(), topic, &items)?;
        if let Some(out) = out {
            out.set(receipt);
        }
        Ok(0)
    })
}

/// Says what is published, from mailbox, when it ends: before anyone gets its TD_KIND_DOWN, and not when the engine
/// closes. It replaces what was set before. flags: TD_RETAIN.
///
/// Returns: 0; TD_ENOPROC when mailbox is over; TD_EINVAL as td_publish; TD_ENOMEM.
/// Threads: any.
/// Blocks: no.
/// Owns: the caller keeps topic and data.
/// Since: 0.1
#[no_mangle]
pub unsafe extern "C" fn td_will_set(
    mailbox: td_mailbox,
    topic: *const c_char,
    topic_size: usize,
    tag: u64,
    data: *const c_void,
    data_size: usize,
    flags: u32,
) -> i32 {
    guard(|| {
        // SAFETY: the caller's pointers are valid or NULL, as the header asks.
        let (topic, data) = unsafe { (args::text("topic", topic, topic_size)?, args::bytes("data", data, data_size)?) };
        args::flags("flags", flags, TD_RETAIN, "0 or TD_RETAIN")?;
        done(facade::will_set(mailbox.into(), topic, tag, data, flags & TD_RETAIN != 0))
    })
}

/// Takes the will back: nothing is published when mailbox ends.
///
/// Returns: 0; TD_ENOTFOUND when there is none; TD_ENOPROC when mailbox is over.
/// Threads: any.
/// Blocks: no.
/// Owns: nothing changes.
/// Since: 0.1
#[no_mangle]
pub extern "C" fn td_will_clear(mailbox: td_mailbox) -> i32 {
    guard(|| done(facade::will_clear(mailbox.into())))
}
