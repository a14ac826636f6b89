//! A segment: one buffer of messages, each a 32-byte header, a body, a topic and a trailer, 8-byte aligned.
//!
//! Guarantees: entries keep their order and address while the segment lives; payloads carried by reference are
//! dropped exactly once, with the segment or when their entry is taken out. An [`At`] is only made by walking a
//! segment, so it always is the beginning of an entry of it. The unsafe here is reading and writing that buffer.
//!
//! Invariants: `start <= used <= capacity`, all multiples of 8; from `start` to `used` the buffer is a sequence of
//! whole entries; an entry's `kind` is 0 (dead) or `GAP` (dead, with a count of lost messages in `tag`), whose `ref`
//! is the number of messages it stands for, or a live message.

#![allow(unsafe_code)]

use super::draft::{pad, Draft, GAP, HEADER, KIND_DEAD, TRAILER};
use crate::message::{
    Block, FrameByRef, FrameHeader, FrameTrailer, Payload, Trash, FRAME_BY_REF, FRAME_TRAILER, INLINE_MAX,
};
use crate::message::{KIND_MESSAGE, KIND_REQUEST};
use crate::sync::Arc;
mod entry;
mod run;
pub use entry::Entry;
pub use run::Run;

/// Bytes between what is written and what is asked for, as measured with messages of 64 bytes.
const AHEAD: usize = 512;

/// See the file's comment.
pub struct Segment {
    words: Vec<u64>,
    used: u32,
    start: u32,
    blocks: u32,
    /// Place of the first entry at `start` in the mailbox's order.
    pub first: u64,
    /// Messages (dead ones included) from `start` to the end.
    pub messages: u64,
    live: u32,
    gaps: u32,
    /// Entries of no or several messages: dead ones, gaps.
    dead: u32,
    /// Requests ever put in.
    requests: u32,
}

/// Where an entry begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct At(u32);

impl At {
    /// The places as an array of plain offsets.
    pub fn offsets(places: &[At]) -> *const u32 {
        places.as_ptr().cast()
    }
}

impl Segment {
    /// An empty segment for `capacity` bytes whose first message will be number `first`.
    pub fn new(capacity: usize, first: u64) -> Box<Segment> {
        Self::of(Vec::with_capacity(capacity.div_ceil(8)), first)
    }

    /// As [`new`](Self::new); `None` when there is no memory for it.
    pub fn try_new(capacity: usize, first: u64) -> Option<Box<Segment>> {
        let mut words = Vec::new();
        words.try_reserve_exact(capacity.div_ceil(8)).ok()?;
        Some(Self::of(words, first))
    }

    fn of(words: Vec<u64>, first: u64) -> Box<Segment> {
        Box::new(Segment {
            words,
            used: 0,
            start: 0,
            blocks: 0,
            first,
            messages: 0,
            live: 0,
            gaps: 0,
            dead: 0,
            requests: 0,
        })
    }

    /// Makes a used-up segment as new. It must hold no entries any more.
    pub fn reset(&mut self, first: u64) {
        debug_assert!(self.blocks == 0);
        (self.used, self.start, self.first, self.messages) = (0, 0, first, 0);
        (self.live, self.gaps, self.dead, self.requests) = (0, 0, 0, 0);
    }

    #[inline]
    pub fn capacity(&self) -> usize {
        self.words.capacity() * 8
    }

    #[inline]
    pub fn used(&self) -> usize {
        (self.used - self.start) as usize
    }

    #[inline]
    pub fn fits(&self, total: usize) -> bool {
        self.used as usize + total <= self.capacity()
    }

    #[inline]
    fn base(&self) -> *mut u8 {
        self.words.as_ptr() as *mut u8
    }

    /// The buffer, for a frame.
    pub fn frame(&self) -> (*const u8, usize) {
        (self.base(), self.used as usize)
    }

    /// Appends an entry; the caller has seen that it [fits](Self::fits).
    #[inline(always)]
    pub fn append(&mut self, draft: &Draft<'_>) -> At {
        let (body, total) = (draft.body(), draft.total());
        assert!(self.fits(total), "an entry is only appended where it fits");
        let at = self.used;
        let mut header = draft.header;
        header.size = body as u32;
        header.topic_size = draft.topic.len() as u16;
        if draft.trailer.is_some() {
            header.flags |= FRAME_TRAILER;
        }
        // SAFETY: `fits` was asserted, so all writes lie inside the vector's allocation, which `&mut self` owns; the
        // header starts at a multiple of 8. A shared block's count is raised once for the entry.
        unsafe {
            let mut to = self.base().add(at as usize);
            let body_at = to.add(HEADER);
            match draft.payload {
                Payload::Copy(bytes) => std::ptr::copy_nonoverlapping(bytes.as_ptr(), body_at, bytes.len()),
                Payload::Inline(block) if block.size() <= INLINE_MAX => {
                    std::ptr::copy_nonoverlapping(block.data(), body_at, block.size())
                }
                Payload::Share(block) | Payload::Inline(block) => {
                    header.flags |= FRAME_BY_REF;
                    body_at.cast::<FrameByRef>().write(by_ref(block));
                    self.blocks += 1;
                }
            }
            to.cast::<FrameHeader>().write(header);
            to = body_at.add(pad(body));
            std::ptr::copy_nonoverlapping(draft.topic.as_ptr(), to, draft.topic.len());
            if let Some(trailer) = draft.trailer {
                to.add(pad(draft.topic.len())).cast::<FrameTrailer>().write(trailer);
            }
        }
        self.used += total as u32;
        self.claim_ahead();
        match header.kind {
            KIND_DEAD | GAP => {
                self.messages += header.r#ref;
                self.gaps += u32::from(header.kind == GAP);
                self.dead += 1;
            }
            kind => {
                (self.messages, self.live) = (self.messages + 1, self.live + 1);
                self.requests += u32::from(kind as u32 == KIND_REQUEST);
            }
        }
        At(at)
    }

    /// Asks for the cache lines a little ahead for writing. A segment that went round is still in the cache of the core
    /// that read it, and each store into it would otherwise wait for its line, the lock's release behind it.
    #[inline]
    fn claim_ahead(&self) {
        // Never beyond the buffer: what lies there may be what another core is reading now.
        if self.used as usize + AHEAD + 128 > self.capacity() {
            return;
        }
        let ahead = self.base().wrapping_add(self.used as usize + AHEAD);
        // SAFETY: a prefetch reads and writes nothing, whatever the address, and is a no-op where it is not known.
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        unsafe {
            std::arch::asm!("prefetchw [{0}]", "prefetchw [{0} + 64]", in(reg) ahead, options(nostack, preserves_flags));
        }
        // SAFETY: as above.
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        unsafe {
            std::arch::asm!("prfm pstl1keep, [{0}]", "prfm pstl1keep, [{0}, #64]", in(reg) ahead, options(nostack, preserves_flags));
        }
        let _ = ahead;
    }

    /// The first entry, if there is one.
    #[inline]
    pub fn begin(&self) -> Option<At> {
        (self.start < self.used).then_some(At(self.start))
    }

    /// The entry after `at`.
    #[inline]
    pub fn next(&self, at: At) -> Option<At> {
        let next = at.0 + self.entry(at).total() as u32;
        (next < self.used).then_some(At(next))
    }

    #[inline]
    pub fn entry(&self, at: At) -> Entry<'_> {
        debug_assert!(at.0 >= self.start && at.0 < self.used);
        // SAFETY: an `At` of this segment begins an entry, whose header was written whole and is 8-aligned.
        Entry { segment: self, at, header: unsafe { &*self.base().add(at.0 as usize).cast::<FrameHeader>() } }
    }

    #[inline]
    fn header_mut(&mut self, at: At) -> &mut FrameHeader {
        assert!(at.0 >= self.start && at.0 < self.used);
        // SAFETY: as in `entry`; `&mut self` makes the access exclusive.
        unsafe { &mut *self.base().add(at.0 as usize).cast::<FrameHeader>() }
    }

    /// Live messages in it.
    #[inline]
    pub fn live(&self) -> u32 {
        self.live
    }

    /// Requests that were put in; some may be dead by now.
    #[inline]
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// The place after its last message.
    #[inline]
    pub fn end(&self) -> u64 {
        self.first + self.messages
    }

    /// Most of its entries are dead, so that writing it anew pays.
    pub fn is_sparse(&self) -> bool {
        self.dead > 64 && self.dead > 3 * self.live
    }

    /// The same in a buffer of its own size, if that is much smaller.
    pub fn fitted(self: Box<Self>) -> Box<Segment> {
        if self.used() * 2 > self.capacity() {
            return self;
        }
        self.anew(self.used())
    }

    /// The same in a buffer of `capacity` bytes, which has to be enough.
    fn anew(&self, capacity: usize) -> Box<Segment> {
        let mut segment = Segment::new(capacity, self.first);
        segment.append_all(self.entries());
        segment
    }

    /// Whether a plain message or a request is all it holds, and its buffer is of at most so many bytes.
    #[inline]
    pub fn is_lone(&self, most: usize) -> bool {
        let own = |header: &FrameHeader| match header.kind as u32 {
            KIND_MESSAGE => header.flags == 0,
            kind => kind == KIND_REQUEST && header.flags == FRAME_TRAILER,
        };
        let lone = self.messages == 1 && self.live == 1 && self.dead == 0 && self.capacity() <= most;
        lone && self.begin().is_some_and(|at| own(self.entry(at).header))
    }

    /// The same with room for `total` bytes more.
    #[cold]
    pub fn larger(&self, total: usize) -> Box<Segment> {
        self.anew((self.used() + total).max(2 * self.capacity()))
    }

    /// Whether it holds payloads by reference.
    #[inline]
    pub fn has_blocks(&self) -> bool {
        self.blocks > 0
    }

    /// Becomes a copy of a segment that owns no payloads and fits.
    #[inline]
    pub fn copy_of(&mut self, other: &Segment) {
        let size = other.used();
        assert!(
            self.blocks == 0 && other.blocks == 0 && size <= self.capacity(),
            "bytes alone are copied, where they fit"
        );
        // SAFETY: asserted; the entries of `other` are that many bytes, and `&mut self` owns another buffer.
        unsafe { std::ptr::copy_nonoverlapping(other.base().add(other.start as usize), self.base(), size) };
        (self.used, self.start) = (size as u32, 0);
        (self.first, self.messages, self.live) = (other.first, other.messages, other.live);
        (self.gaps, self.dead, self.requests) = (other.gaps, other.dead, other.requests);
    }

    /// Whether it has a place where messages were lost.
    pub fn has_gap(&self) -> bool {
        self.gaps > 0
    }

    /// Moves the beginning past the first entry; its payload by reference, if any, is the caller's.
    #[inline]
    pub fn pass(&mut self) -> Option<Arc<Block>> {
        let at = At(self.start);
        let entry = self.entry(at);
        let (total, messages, kind) = (entry.total() as u32, entry.messages(), entry.header.kind);
        let block = if entry.header.flags & FRAME_BY_REF != 0 { self.take_block(at) } else { None };
        self.start += total;
        self.first += messages;
        self.messages -= messages;
        self.live -= u32::from(kind != KIND_DEAD && kind != GAP);
        self.gaps -= u32::from(kind == GAP);
        self.dead -= u32::from(kind == KIND_DEAD || kind == GAP);
        block
    }

    /// Turns a live entry into a dead one that stands for its message, with `lost` to show there; its payload by
    /// reference, if any, is the caller's.
    pub fn bury(&mut self, at: At, lost: u64) -> Option<Arc<Block>> {
        let block = self.take_block(at);
        let header = self.header_mut(at);
        debug_assert!(header.kind != KIND_DEAD && header.kind != GAP);
        (header.kind, header.tag, header.r#ref) = (if lost > 0 { GAP } else { KIND_DEAD }, lost, 1);
        self.live -= 1;
        self.gaps += u32::from(lost > 0);
        self.dead += 1;
        block
    }

    fn take_block(&mut self, at: At) -> Option<Arc<Block>> {
        let header = self.header_mut(at);
        if header.flags & FRAME_BY_REF == 0 {
            return None;
        }
        header.flags &= !FRAME_BY_REF;
        self.blocks -= 1;
        // SAFETY: the flag said that the body is a `FrameByRef` whose `reserved` owns one count; the flag is now
        // cleared, so the count is taken over exactly once.
        unsafe {
            let by_ref = &*self.base().add(at.0 as usize + HEADER).cast::<FrameByRef>();
            Some(Arc::from_raw(by_ref.reserved as usize as *const Block))
        }
    }

    /// Gives a replaceable entry another sender, payload and trailer, which counts one more replaced; the old payload
    /// is the caller's.
    pub fn replace(&mut self, at: At, from: u64, block: &Arc<Block>, trailer: FrameTrailer) -> Option<Arc<Block>> {
        let entry = self.entry(at);
        assert!(entry.is_replaceable(), "only an entry with a body and a trailer of fixed size is replaced");
        let replaced = entry.trailer().map_or(0, |trailer| trailer.info[0]) + 1;
        let trailer_at = at.0 as usize + entry.total() - TRAILER;
        let old = self.take_block(at);
        // SAFETY: the flags said that the entry has a `FrameByRef` and a trailer, whose places are inside the buffer
        // and 8-aligned. The old payload's count was taken over, so it is not lost by writing over it.
        unsafe {
            self.base().add(at.0 as usize + HEADER).cast::<FrameByRef>().write(by_ref(block));
            let info = [replaced, trailer.info[1]];
            self.base().add(trailer_at).cast::<FrameTrailer>().write(FrameTrailer { info, ..trailer });
        }
        self.blocks += 1;
        let header = self.header_mut(at);
        header.flags |= FRAME_BY_REF;
        header.from = from;
        old
    }

    /// Moves payloads by reference of all entries into `trash`. The entries' memory stays readable.
    pub fn empty_into(&mut self, trash: &mut Trash) {
        let mut at = self.begin();
        while let (Some(here), true) = (at, self.blocks > 0) {
            trash.extend(self.take_block(here));
            at = self.next(here);
        }
    }

    /// Splits off the entries before `at` into a segment of their own; this one then begins at `at`.
    pub fn split_front(&mut self, at: At) -> Box<Segment> {
        let size = (at.0 - self.start) as usize;
        let mut front = Segment::new(size, self.first);
        let mut here = self.begin();
        while let Some(entry) = here.filter(|here| *here < at).map(|here| self.entry(here)) {
            front.messages += entry.messages();
            front.requests += u32::from(entry.is_request());
            front.live += u32::from(entry.is_live());
            front.gaps += u32::from(entry.header.kind == GAP);
            front.dead += u32::from(!entry.is_live());
            front.blocks += u32::from(entry.header.flags & FRAME_BY_REF != 0);
            here = self.next(entry.at);
        }
        // SAFETY: `size` bytes of whole entries are moved bit by bit into an allocation of that size; `start` moves
        // past them, so that the counts they own now belong to `front` alone.
        unsafe { std::ptr::copy_nonoverlapping(self.base().add(self.start as usize), front.base(), size) };
        front.used = size as u32;
        self.start = at.0;
        self.first += front.messages;
        self.messages -= front.messages;
        self.blocks -= front.blocks;
        self.live -= front.live;
        self.gaps -= front.gaps;
        self.dead -= front.dead;
        front
    }

    /// Copies the entries from `at` on into a new segment whose first message is number `first`; payloads by
    /// reference are shared with it.
    pub fn copy_from(&self, at: At, first: u64) -> Box<Segment> {
        let mut copy = Segment::new((self.used - at.0) as usize, first);
        copy.append_all(self.entries().skip_while(|entry| entry.at < at));
        copy
    }

    /// Appends copies of entries of another segment.
    pub fn append_all<'a>(&mut self, entries: impl Iterator<Item = Entry<'a>>) {
        for entry in entries {
            let block = entry.block();
            let payload = block.as_ref().map_or(Payload::Copy(entry.data()), Payload::Share);
            let mut header = *entry.header;
            header.flags &= !(FRAME_BY_REF | FRAME_TRAILER);
            self.append(&Draft { header, payload, topic: entry.topic(), trailer: entry.trailer() });
        }
    }

    /// All entries, dead ones too.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut at = self.begin();
        std::iter::from_fn(move || {
            let entry = self.entry(at?);
            at = self.next(entry.at);
            Some(entry)
        })
    }
}

/// A body that owns one count of the block.
fn by_ref(block: &Arc<Block>) -> FrameByRef {
    FrameByRef {
        data: block.data().cast(),
        data_size: block.size() as u64,
        reserved: Arc::into_raw(block.clone()) as usize as u64,
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.blocks > 0 {
            let mut trash = Trash::new();
            self.empty_into(&mut trash);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
