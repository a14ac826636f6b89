//! Entries: looking at what lies in a segment.
//!
//! Guarantees: as the module `segment` says; what an entry gives lives as long as its segment.

#![allow(unsafe_code)]

use super::{At, Segment};
use crate::clock::FOREVER;
use crate::id::Id;
use crate::mailbox::draft::pad;
use crate::mailbox::draft::{GAP, HEADER, KIND_DEAD, TRAILER};
use crate::message::{
    Block, FrameByRef, FrameHeader, FrameTrailer, Message, FRAME_BY_REF, FRAME_TRAILER, KIND_REQUEST, REASON_NORMAL,
};
use crate::sync::Arc;

/// A look at an entry.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub(super) segment: &'a Segment,
    pub at: At,
    pub header: &'a FrameHeader,
}

impl<'a> Entry<'a> {
    #[inline]
    pub(super) fn total(&self) -> usize {
        let trailer = if self.header.flags & FRAME_TRAILER != 0 { TRAILER } else { 0 };
        HEADER + pad(self.header.size as usize) + pad(self.header.topic_size as usize) + trailer
    }

    /// What a reader of its segment sees; it belongs to the segment.
    #[inline]
    pub fn message(&self, lost: u64) -> Message {
        let trailer = self.trailer();
        let (data, topic) = (self.data(), self.topic());
        Message {
            kind: self.header.kind as u32,
            status: trailer.map_or(REASON_NORMAL, |trailer| trailer.status),
            data: data.as_ptr().cast(),
            data_size: data.len(),
            from: Id(self.header.from),
            tag: self.header.tag,
            r#ref: self.header.r#ref,
            topic: topic.as_ptr().cast(),
            topic_size: topic.len(),
            deadline: trailer.map_or(FOREVER, |trailer| trailer.deadline),
            lost,
            owner: 0,
            info: trailer.map_or([0; 2], |trailer| trailer.info),
        }
    }

    /// How many messages it stands for in the mailbox's order.
    #[inline]
    pub fn messages(&self) -> u64 {
        if self.is_live() {
            1
        } else {
            self.header.r#ref
        }
    }

    #[inline]
    pub fn is_live(&self) -> bool {
        self.header.kind != KIND_DEAD && self.header.kind != GAP
    }

    /// Its size does not depend on its payload.
    pub fn is_replaceable(&self) -> bool {
        let fixed = FRAME_BY_REF | FRAME_TRAILER;
        self.header.flags & fixed == fixed
    }

    #[inline]
    pub fn is_request(&self) -> bool {
        self.header.kind as u32 == KIND_REQUEST
    }

    #[inline]
    fn bytes(&self, from: usize, size: usize) -> &'a [u8] {
        // SAFETY: the entry was appended whole, so its parts lie inside the buffer, which outlives `'a`.
        unsafe { std::slice::from_raw_parts(self.segment.base().add(self.at.0 as usize + from), size) }
    }

    fn by_ref(&self) -> Option<&'a FrameByRef> {
        // SAFETY: the flag says that the body, 8-aligned, was written as a `FrameByRef`.
        (self.header.flags & FRAME_BY_REF != 0)
            .then(|| unsafe { &*self.segment.base().add(self.at.0 as usize + HEADER).cast::<FrameByRef>() })
    }

    /// Payload: the copied bytes, or the host's own memory.
    #[inline]
    pub fn data(&self) -> &'a [u8] {
        match self.by_ref() {
            None => self.bytes(HEADER, self.header.size as usize),
            Some(by_ref) if by_ref.data_size == 0 => &[],
            // SAFETY: the entry holds a count of the block, so its memory is there; the host promised so.
            Some(by_ref) => unsafe { std::slice::from_raw_parts(by_ref.data.cast(), by_ref.data_size as usize) },
        }
    }

    /// Payload size.
    #[inline]
    pub fn size(&self) -> usize {
        self.by_ref().map_or(self.header.size as usize, |by_ref| by_ref.data_size as usize)
    }

    /// A share of the payload by reference, if it is one.
    pub fn block(&self) -> Option<Arc<Block>> {
        self.by_ref().map(|by_ref| {
            let block = by_ref.reserved as usize as *const Block;
            // SAFETY: the entry owns one count of the block; one more is added for the caller.
            unsafe {
                Arc::increment_strong_count(block);
                Arc::from_raw(block)
            }
        })
    }

    #[inline]
    pub fn topic(&self) -> &'a [u8] {
        self.bytes(HEADER + pad(self.header.size as usize), self.header.topic_size as usize)
    }

    #[inline]
    pub fn trailer(&self) -> Option<FrameTrailer> {
        if self.header.flags & FRAME_TRAILER == 0 {
            return None;
        }
        let from = HEADER + pad(self.header.size as usize) + pad(self.header.topic_size as usize);
        // SAFETY: the flag says that a trailer was written there, 8-aligned, inside the buffer.
        Some(unsafe { *self.segment.base().add(self.at.0 as usize + from).cast::<FrameTrailer>() })
    }
}
