//! Ids, messages, batches and frames as C sees them.
//!
//! Guarantees: each struct here has the layout of the engine's own (checked when compiling), so that a pointer to one
//! is a pointer to the other; an id of one kind is not taken for one of another by a C compiler.

use crate::id::Id;
use crate::message as m;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;
// A name that the header's generator does not know and so can be told to print as `intptr_t`.
use std::primitive::isize as native_fd;

/// Time is in nanoseconds. A timeout of 0 polls; a negative one is TD_EINVAL.
///
/// wait without limit
pub const TD_FOREVER: i64 = i64::MAX;

/// Flags of calls.
///
/// of waits: a signal handler's return ends it with TD_EINTR
pub const TD_INTERRUPTIBLE: u32 = 1u32;
/// of td_demonitor, td_unsubscribe and td_unwatch: take out what is queued, too
pub const TD_FLUSH: u32 = 2u32;
/// of td_publish and td_will_set: the value is kept for later subscribers
pub const TD_RETAIN: u32 = 4u32;

/// Kinds of messages: sent (below 16), signals of the engine (16 to 31), notes on a queue (32 and above).
///
/// from td_send and its friends
pub const TD_KIND_MESSAGE: u32 = 1u32;
/// a call: ref is the ticket to answer
pub const TD_KIND_REQUEST: u32 = 2u32;
/// through a subscription: ref is the subscription, topic the topic
pub const TD_KIND_TOPIC: u32 = 3u32;
/// part of an answer: ref and tag are those of the call, from is the replier
pub const TD_KIND_PART: u32 = 4u32;
/// from joined or left (status) the group topic: ref is the watch
pub const TD_KIND_MEMBER: u32 = 5u32;
/// a first subscription came, the last one went (status), for the pattern topic: ref is the watch
pub const TD_KIND_INTEREST: u32 = 6u32;
/// the key data came or went (status) in the group topic, through from: ref is the watch
pub const TD_KIND_PRESENCE: u32 = 7u32;
/// from ended: ref is the monitor, status the reason, data its bytes, topic the name if by name
pub const TD_KIND_DOWN: u32 = 16u32;
/// ref is the timer, tag and data are as armed
pub const TD_KIND_TIMER: u32 = 17u32;
/// answer to td_call_start: ref is its ticket, status 0, the replier's, or a TD_E code
pub const TD_KIND_REPLY: u32 = 18u32;
/// a mailbox linked to this one ended: from is that one, status the reason, data its bytes
pub const TD_KIND_EXIT: u32 = 19u32;
/// end of a td_call_many: ref is the gathering, info[0] how many answered, info[1] how many did not
pub const TD_KIND_REPLIES: u32 = 21u32;
/// from td_notify: tag is the bits
pub const TD_KIND_NOTIFY: u32 = 22u32;
/// edges found no room: data is a new snapshot, info[0] the kind of the edges, info[1] its entries, ref the watch
pub const TD_KIND_RESYNC: u32 = 20u32;
/// the mailbox itself is over, status is the reason; lost counts what was dropped last
pub const TD_KIND_END: u32 = 32u32;
/// in frames only: tag is how many messages were dropped here, lost by the next one
pub const TD_KIND_GAP: u32 = 33u32;

/// Version of the layout of frames, and flags of a frame header.
///
/// grows when td_frame_header changes
pub const TD_FRAME_VERSION: u32 = 2;
/// the body is a td_frame_by_ref, not the payload
pub const TD_FRAME_BY_REF: u32 = 1u32;
/// a td_frame_trailer follows body and topic
pub const TD_FRAME_TRAILER: u32 = 2u32;

/// Ids are values: copy, compare, log and send them. Zero is no object. No id is ever used again for something else.
///
/// an isolated world of mailboxes
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_engine {
    pub id: u64,
}
/// an ordered, bounded queue with a life
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_mailbox {
    pub id: u64,
}
/// a one-shot watch on a mailbox's end
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_monitor_ref {
    pub id: u64,
}
/// a message later
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_timer {
    pub id: u64,
}
/// a topic pattern's way into a mailbox
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_subscription {
    pub id: u64,
}
/// a snapshot, then each change of what is watched
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_watch {
    pub id: u64,
}
/// the handler mailboxes that one host thread runs
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_loop {
    pub id: u64,
}
/// a call's right to one reply
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct td_ticket {
    pub id: u64,
}

/// A file descriptor that poll, epoll, libuv and their like take.
pub type td_fd = native_fd;

/// One message. data and topic stay valid until td_message_release; for a message that td_batch_next gave (its owner
/// is 0), until the batch is released or its handler returns. data is never NULL; topic is "" with size 0 when
/// there is none. The layout is frozen.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_message {
    /// TD_KIND_...
    pub kind: u32,
    /// reason or reply status, by kind; else 0
    pub status: i32,
    pub data: *const c_void,
    pub data_size: usize,
    /// zero: nobody
    pub from: td_mailbox,
    /// the application's
    pub tag: u64,
    /// ticket, subscription, watch, monitor or timer, by kind; else 0
    pub r#ref: u64,
    /// UTF-8, not NUL-terminated
    pub topic: *const c_char,
    pub topic_size: usize,
    /// of requests, on the clock of td_now; else TD_FOREVER
    pub deadline: i64,
    /// how many messages were dropped just before this one
    pub lost: u64,
    /// generational: a second release is TD_ESTALE
    pub owner: u64,
    /// what else the engine says, by kind; else 0
    pub info: [u64; 2],
}

/// A frame of messages, in order. Entry i begins at frame + offsets[i] with a td_frame_header. C code walks it with
/// td_batch_next; a binding may take the frame as one buffer, claim each signal with td_batch_claim, and set cursor
/// before it releases the batch.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_batch {
    pub frame: *const u8,
    pub frame_size: usize,
    pub offsets: *const u32,
    /// entries
    pub count: u32,
    /// entries passed so far; td_batch_next and td_batch_claim move it
    pub cursor: u32,
    /// whose messages these are
    pub mailbox: td_mailbox,
    /// generational: a second release is TD_ESTALE
    pub owner: u64,
    /// the engine's
    pub reserved: [u64; 2],
}

/// What every entry of a frame begins with: 32 bytes, 8-aligned. Then come the body (size bytes, padded to 8), the
/// topic (topic_size bytes, padded to 8) and, with TD_FRAME_TRAILER, a td_frame_trailer. What can be withdrawn from an
/// open batch, kinds TD_KIND_REQUEST to 31, must be claimed with td_batch_claim before use.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_frame_header {
    /// of the body
    pub size: u32,
    /// TD_KIND_...
    pub kind: u8,
    /// TD_FRAME_BY_REF, TD_FRAME_TRAILER; ignore others
    pub flags: u8,
    pub topic_size: u16,
    pub from: u64,
    pub tag: u64,
    pub r#ref: u64,
}

/// The body of a TD_FRAME_BY_REF entry: a payload that stays where it is.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_frame_by_ref {
    pub data: *const c_void,
    pub data_size: u64,
    /// the engine's
    pub reserved: u64,
}

/// What requests, signals and some messages carry besides.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct td_frame_trailer {
    pub deadline: i64,
    pub status: i32,
    /// the engine's
    pub reserved: u32,
    /// as in td_message
    pub info: [u64; 2],
}

/// Runs exactly once for the registration it was given with, after the last call of the registered function has
/// returned; also when registering fails. It may call what a td_release_fn may, with the same effect.
pub type td_drop_fn = Option<extern "C" fn(user: *mut c_void)>;

macro_rules! ids {
    ($($id:ident)+) => {$(
        impl From<Id> for $id {
            #[inline]
            fn from(id: Id) -> $id {
                $id { id: id.0 }
            }
        }
        impl From<$id> for Id {
            #[inline]
            fn from(id: $id) -> Id {
                Id(id.id)
            }
        }
    )+};
}
ids! { td_engine td_mailbox td_monitor_ref td_timer td_subscription td_watch td_loop td_ticket }

/// Fails to compile unless the C struct and the engine's are laid out alike.
macro_rules! same_layout {
    ($c:ty, $engine:ty, $size:literal: $($field:ident)+) => {
        const _: () = {
            #[cfg(target_pointer_width = "64")]
            assert!(size_of::<$c>() == $size);
            assert!(size_of::<$c>() == size_of::<$engine>() && align_of::<$c>() == align_of::<$engine>());
            $(assert!(offset_of!($c, $field) == offset_of!($engine, $field));)+
        };
    };
}
pub(super) use same_layout;

same_layout!(td_message, m::Message, 104:
    kind status data data_size from tag r#ref topic topic_size deadline lost owner info);
same_layout!(td_batch, m::Batch, 64: frame frame_size offsets count cursor mailbox owner reserved);
same_layout!(td_frame_header, m::FrameHeader, 32: size kind flags topic_size from tag r#ref);
same_layout!(td_frame_by_ref, m::FrameByRef, 24: data data_size reserved);
same_layout!(td_frame_trailer, m::FrameTrailer, 32: deadline status reserved info);

const _: () = {
    assert!(TD_FOREVER == crate::clock::FOREVER);
    assert!(TD_KIND_MESSAGE == m::KIND_MESSAGE && TD_KIND_REQUEST == m::KIND_REQUEST && TD_KIND_TOPIC == m::KIND_TOPIC);
    assert!(TD_KIND_DOWN == m::KIND_DOWN && TD_KIND_TIMER == m::KIND_TIMER && TD_KIND_REPLY == m::KIND_REPLY);
    assert!(TD_KIND_EXIT == m::KIND_EXIT);
    assert!(TD_KIND_NOTIFY == m::KIND_NOTIFY);
    assert!(TD_KIND_MEMBER == m::KIND_MEMBER && TD_KIND_INTEREST == m::KIND_INTEREST);
    assert!(TD_KIND_PRESENCE == m::KIND_PRESENCE && TD_KIND_RESYNC == m::KIND_RESYNC);
    assert!(TD_KIND_PART == m::KIND_PART && TD_KIND_REPLIES == m::KIND_REPLIES);
    assert!(TD_KIND_END == m::KIND_END && TD_KIND_GAP == m::KIND_GAP);
    assert!(TD_FRAME_BY_REF == m::FRAME_BY_REF as u32 && TD_FRAME_TRAILER == m::FRAME_TRAILER as u32);
};
