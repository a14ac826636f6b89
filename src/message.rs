//! What travels: kinds, reasons, the C layout of messages, batches and frames, and payloads by reference.
//!
//! Guarantees: the `repr(C)` types are the ones of `tidings.h`; a payload's release function runs exactly once, with
//! no lock held, and inside its release loop when it has one.

use crate::id::Id;
use crate::owed::Release;
use crate::sync::Arc;
use std::ffi::{c_char, c_void};

pub const KIND_MESSAGE: u32 = 1;
pub const KIND_REQUEST: u32 = 2;
pub const KIND_TOPIC: u32 = 3;
pub const KIND_PART: u32 = 4;
pub const KIND_MEMBER: u32 = 5;
pub const KIND_INTEREST: u32 = 6;
pub const KIND_PRESENCE: u32 = 7;
pub const KIND_DOWN: u32 = 16;
pub const KIND_TIMER: u32 = 17;
pub const KIND_REPLY: u32 = 18;
pub const KIND_EXIT: u32 = 19;
pub const KIND_REPLIES: u32 = 21;
pub const KIND_NOTIFY: u32 = 22;
pub const KIND_RESYNC: u32 = 20;
pub const KIND_END: u32 = 32;
pub const KIND_GAP: u32 = 33;

/// Status of edges, and of a value that was there before its subscription.
pub const STATUS_JOINED: i32 = 1;
pub const STATUS_LEFT: i32 = 2;
pub const STATUS_STARTED: i32 = 3;
pub const STATUS_STOPPED: i32 = 4;
pub const STATUS_RETAINED: i32 = 1;

/// States of a mailbox.
pub const STATE_OPEN: u32 = 1;
pub const STATE_ENDED: u32 = 2;

pub const REASON_NORMAL: i32 = 0;
pub const REASON_KILLED: i32 = 1;
pub const REASON_NOPROC: i32 = 2;
pub const REASON_CALLBACK_FAILED: i32 = 3;
pub const REASON_OVERFLOW: i32 = 4;
pub const REASON_ENGINE_CLOSED: i32 = 5;
pub const REASON_RUNTIME_EXIT: i32 = 6;
pub const REASON_OS_EXIT: i32 = 7;
pub const REASON_USER: i32 = 1024;

/// What the header calls the engine's own reasons.
pub fn reason_name(reason: i32) -> Option<&'static str> {
    const NAMES: [&str; 8] =
        ["normal", "killed", "noproc", "callback_failed", "overflow", "engine_closed", "runtime_exit", "os_exit"];
    NAMES.get(usize::try_from(reason).ok()?).copied()
}

/// Frame header flag: the body is a [`FrameByRef`].
pub const FRAME_BY_REF: u8 = 1;
/// Frame header flag: a [`FrameTrailer`] follows body and topic.
pub const FRAME_TRAILER: u8 = 2;
/// Frame header flag, the engine's own: the entry counts against its subscription's bound.
pub const FRAME_BOUNDED: u8 = 128;

/// What no policy may drop: requests, whose callers wait, and parts and edges, which only together are the truth.
#[inline]
pub fn is_kept(kind: u8) -> bool {
    matches!(kind as u32, KIND_REQUEST | KIND_PART | KIND_MEMBER | KIND_INTEREST | KIND_PRESENCE)
}

/// Payloads up to this many bytes are copied into the mailbox; larger ones travel by reference.
pub const INLINE_MAX: usize = 4096;

/// One received message: `td_message`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Message {
    pub kind: u32,
    pub status: i32,
    pub data: *const c_void,
    pub data_size: usize,
    pub from: Id,
    pub tag: u64,
    pub r#ref: u64,
    pub topic: *const c_char,
    pub topic_size: usize,
    pub deadline: i64,
    pub lost: u64,
    pub owner: u64,
    pub info: [u64; 2],
}

/// A frame of messages: `td_batch`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Batch {
    pub frame: *const u8,
    pub frame_size: usize,
    pub offsets: *const u32,
    pub count: u32,
    pub cursor: u32,
    pub mailbox: Id,
    pub owner: u64,
    pub reserved: [u64; 2],
}

impl Batch {
    /// What a batch is written to.
    pub const NONE: Batch = Batch {
        frame: std::ptr::null(),
        frame_size: 0,
        offsets: std::ptr::null(),
        count: 0,
        cursor: 0,
        mailbox: Id::NONE,
        owner: 0,
        reserved: [0; 2],
    };
}

/// What every entry of a frame begins with: `td_frame_header`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct FrameHeader {
    pub size: u32,
    pub kind: u8,
    pub flags: u8,
    pub topic_size: u16,
    pub from: u64,
    pub tag: u64,
    pub r#ref: u64,
}

/// The body of an entry whose payload travels by reference: `td_frame_by_ref`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FrameByRef {
    pub data: *const c_void,
    pub data_size: u64,
    /// The engine's: the reference count of the payload.
    pub reserved: u64,
}

/// What requests and signals carry besides: `td_frame_trailer`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FrameTrailer {
    pub deadline: i64,
    pub status: i32,
    pub reserved: u32,
    pub info: [u64; 2],
}

pub const MATCH_KIND: u32 = 1;
pub const MATCH_TAG: u32 = 2;
pub const MATCH_FROM: u32 = 4;
pub const MATCH_REF: u32 = 8;

/// Which messages a selective receive takes: `td_match`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Match {
    pub size: usize,
    pub fields: u32,
    pub kind: u32,
    pub tag: u64,
    pub tag_mask: u64,
    pub from: Id,
    pub r#ref: u64,
}

impl Match {
    /// Only messages of one tag are wanted.
    pub fn is_one_tag(&self) -> bool {
        self.fields & MATCH_TAG != 0 && (self.tag_mask == 0 || self.tag_mask == u64::MAX)
    }

    /// Whether a message with these fields is wanted.
    #[inline]
    pub fn accepts(&self, kind: u32, tag: u64, from: u64, reference: u64) -> bool {
        let mask = if self.tag_mask == 0 { u64::MAX } else { self.tag_mask };
        (self.fields & MATCH_KIND == 0 || kind == self.kind)
            && (self.fields & MATCH_TAG == 0 || (tag ^ self.tag) & mask == 0)
            && (self.fields & MATCH_FROM == 0 || from == self.from.0)
            && (self.fields & MATCH_REF == 0 || reference == self.r#ref)
    }
}

/// The place of `td_recv_peek`: next message, last signal seen, and which of the two was peeked last.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Cursor {
    pub words: [u64; 4],
}

/// What became of a publish: `td_receipt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Receipt {
    pub matched: u64,
    pub queued: u64,
    pub dropped: u64,
}

/// `td_mailbox_counters`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct MailboxCounters {
    pub size: usize,
    pub state: u32,
    pub reason: i32,
    pub sent: u64,
    pub delivered: u64,
    pub lost: u64,
    pub flushed: u64,
    pub expired: u64,
    pub discarded: u64,
    pub queued: u64,
    pub queued_bytes: u64,
    pub refused: u64,
    pub monitors: u64,
    pub monitored_by: u64,
    pub timers: u64,
    pub subscriptions: u64,
    pub names: u64,
    pub suspended: u64,
    pub conflated: u64,
}

/// `td_engine_counters`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct EngineCounters {
    pub size: usize,
    pub mailboxes: u64,
    pub names: u64,
    pub timers: u64,
    pub subscriptions: u64,
    pub dead_letters: u64,
    pub published: u64,
    pub threads: u64,
    pub queued_bytes: u64,
    pub max_bytes: u64,
}

/// `fn(batch, user)`.
pub type HandlerFn = extern "C" fn(*mut Batch, *mut c_void);
/// `fn(user)`.
pub type WakeFn = extern "C" fn(*mut c_void);

/// Where a release function must run: a loop queues it for its next `td_loop_run`.
pub trait ReleasePlace: Send + Sync {
    /// Takes the call over, or gives it back when the place is closed.
    fn defer(&self, release: Release) -> std::result::Result<(), Release>;
}

/// A payload shared by everyone who holds an `Arc` of it: bytes of the engine's own, or the host's with a release.
pub struct Block {
    bytes: Bytes,
}

enum Bytes {
    Owned(Vec<u8>),
    Lent { release: Option<Release>, place: Option<Arc<dyn ReleasePlace>> },
}

impl Block {
    /// A copy of `data`.
    #[cfg(all(test, not(loom)))]
    pub fn copy(data: &[u8]) -> Arc<Block> {
        Arc::new(Block { bytes: Bytes::Owned(data.into()) })
    }

    /// The bytes of a copy.
    #[cfg(all(test, not(loom)))]
    pub fn owned(&self) -> Option<&[u8]> {
        match &self.bytes {
            Bytes::Owned(bytes) => Some(bytes),
            Bytes::Lent { .. } => None,
        }
    }

    /// A copy of `data`, or nothing when there is no memory for it.
    pub fn try_copy(data: &[u8]) -> Option<Arc<Block>> {
        let mut bytes = crate::spare::buffer(data.len())?;
        bytes.extend_from_slice(data);
        Some(Arc::new(Block { bytes: Bytes::Owned(bytes) }))
    }

    /// Takes the bytes over.
    pub fn own(data: Vec<u8>) -> Arc<Block> {
        Arc::new(Block { bytes: Bytes::Owned(data) })
    }

    /// The host's own memory, until `release` runs. The block is disarmed with [`cancel`](Self::cancel) when a send
    /// fails, so that the host keeps its memory.
    pub fn lend(release: Release, place: Option<Arc<dyn ReleasePlace>>) -> Arc<Block> {
        Arc::new(Block { bytes: Bytes::Lent { release: Some(release), place } })
    }

    pub fn data(&self) -> *const u8 {
        match &self.bytes {
            Bytes::Owned(bytes) => bytes.as_ptr(),
            Bytes::Lent { release: Some(release), .. } => release.data.get() as *const u8,
            Bytes::Lent { release: None, .. } => std::ptr::null(),
        }
    }

    pub fn size(&self) -> usize {
        match &self.bytes {
            Bytes::Owned(bytes) => bytes.len(),
            Bytes::Lent { release, .. } => release.as_ref().map_or(0, |release| release.size),
        }
    }

    /// Gives the payload back without a release: the send it was made for failed.
    pub fn cancel(block: Arc<Block>) {
        if let Ok(mut block) = Arc::try_unwrap(block) {
            if let Bytes::Lent { release, .. } = &mut block.bytes {
                *release = None;
            }
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        match &mut self.bytes {
            Bytes::Owned(bytes) => crate::spare::give_back(std::mem::take(bytes)),
            Bytes::Lent { release, place } => {
                let Some(release) = release.take() else { return };
                let refused = match place {
                    Some(place) => place.defer(release).err(),
                    None => Some(release),
                };
                if let Some(release) = refused {
                    release.run();
                }
            }
        }
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({} bytes)", self.size())
    }
}

/// Payloads that came free under a lock and must be dropped after it is gone.
pub type Trash = Vec<Arc<Block>>;

/// A payload on its way in.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// To be copied.
    Copy(&'a [u8]),
    /// To be shared.
    Share(&'a Arc<Block>),
    /// To be copied out of a block, unless it is large: what a signal carries.
    Inline(&'a Arc<Block>),
}

impl Payload<'_> {
    #[inline]
    pub fn size(&self) -> usize {
        match self {
            Payload::Copy(bytes) => bytes.len(),
            Payload::Share(block) | Payload::Inline(block) => block.size(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owed::UserPtr;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static RELEASED: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn released(_: *mut c_void, size: usize, _: *mut c_void) {
        RELEASED.fetch_add(size, Relaxed);
    }
    fn lent(bytes: &mut [u8]) -> Arc<Block> {
        let (data, size) = (UserPtr::new(bytes.as_mut_ptr().cast()), bytes.len());
        Block::lend(Release { call: released, data, size, user: UserPtr::new(std::ptr::null_mut()) }, None)
    }

    #[test]
    fn the_last_holder_releases_and_a_cancelled_block_does_not() {
        let mut bytes = [1u8, 2, 3];
        let block = lent(&mut bytes);
        let second = block.clone();
        drop(block);
        assert_eq!(RELEASED.load(Relaxed), 0);
        drop(second);
        assert_eq!(RELEASED.load(Relaxed), 3);
        Block::cancel(lent(&mut bytes));
        assert_eq!(RELEASED.load(Relaxed), 3);
    }

    #[test]
    fn a_match_looks_at_the_fields_it_names() {
        let wanted = Match { fields: MATCH_TAG, tag: 0x12, tag_mask: 0xF0, ..Match::default() };
        assert!(wanted.accepts(KIND_MESSAGE, 0x1F, 0, 0));
        assert!(!wanted.accepts(KIND_MESSAGE, 0x2F, 0, 0));
        let exact = Match { tag_mask: 0, ..wanted };
        assert!(exact.accepts(KIND_DOWN, 0x12, 9, 9) && !exact.accepts(KIND_DOWN, 0x13, 9, 9));
        assert!(Match::default().accepts(KIND_REQUEST, 1, 2, 3));
        let from = Match { fields: MATCH_FROM | MATCH_KIND, kind: KIND_DOWN, from: Id(7), ..Match::default() };
        assert!(
            from.accepts(KIND_DOWN, 0, 7, 0) && !from.accepts(KIND_DOWN, 0, 8, 0) && !from.accepts(KIND_TIMER, 0, 7, 0)
        );
    }
}
