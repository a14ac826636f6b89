//! Drafts: what is about to be appended to a segment, and how many bytes it will take.
//!
//! Guarantees: the size worked out here is the size written, so that room is looked for once.

use crate::message::{FrameByRef, FrameHeader, FrameTrailer, Payload, INLINE_MAX, KIND_GAP};
use std::mem::size_of;

/// Kind of an entry that is no longer there.
pub const KIND_DEAD: u8 = 0;
/// Kind of a place where messages were lost.
pub const GAP: u8 = KIND_GAP as u8;
pub(super) const HEADER: usize = size_of::<FrameHeader>();
pub(super) const TRAILER: usize = size_of::<FrameTrailer>();
pub(super) const BY_REF: usize = size_of::<FrameByRef>();

/// What is appended: the fields of a message, before it has a place.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub header: FrameHeader,
    pub payload: Payload<'a>,
    pub topic: &'a [u8],
    pub trailer: Option<FrameTrailer>,
}

/// Rounds up to the alignment of entries.
#[inline]
pub(super) fn pad(size: usize) -> usize {
    (size + 7) & !7
}

impl Draft<'_> {
    /// The mark of a place where messages were lost.
    pub fn gap(lost: u64) -> Self {
        let header = FrameHeader { kind: GAP, tag: lost, ..FrameHeader::default() };
        Draft { header, payload: Payload::Copy(&[]), topic: &[], trailer: None }
    }

    /// What is left of `messages` messages that were taken out, `lost` of them never seen.
    pub fn dead(lost: u64, messages: u64) -> Self {
        let kind = if lost > 0 { GAP } else { KIND_DEAD };
        let mut dead = Draft::gap(lost);
        (dead.header.kind, dead.header.r#ref) = (kind, messages);
        dead
    }

    #[inline(always)]
    pub(super) fn body(&self) -> usize {
        match self.payload {
            Payload::Copy(bytes) => bytes.len(),
            Payload::Inline(block) if block.size() <= INLINE_MAX => block.size(),
            Payload::Share(_) | Payload::Inline(_) => BY_REF,
        }
    }

    /// Bytes the entry will take.
    #[inline(always)]
    pub fn total(&self) -> usize {
        HEADER + pad(self.body()) + pad(self.topic.len()) + if self.trailer.is_some() { TRAILER } else { 0 }
    }
}
