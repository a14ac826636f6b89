//! Runs: entries written once and copied whole into many segments, as a publication is.
//!
//! Guarantees: as the module `segment` says; a run holds copied payloads only, so that copying its bytes is copying
//! its messages.

#![allow(unsafe_code)]

use super::{At, Segment};
use crate::mailbox::draft::Draft;
use crate::message::{Payload, INLINE_MAX};

/// Bytes of the largest run: a segment is made to hold it.
const LARGEST: usize = 256 << 10;

/// See the file's comment.
pub struct Run {
    entries: Box<Segment>,
    places: Vec<At>,
    /// Payload bytes.
    pub bytes: u64,
}

impl Run {
    /// The drafts as they will be copied; `None` when one of them travels by reference, or they are very many.
    pub fn new<'a>(drafts: impl Iterator<Item = Draft<'a>> + Clone) -> Option<Run> {
        let (mut total, mut bytes) = (0, 0);
        for draft in drafts.clone() {
            if matches!(draft.payload, Payload::Share(_)) || draft.payload.size() > INLINE_MAX {
                return None;
            }
            total += draft.total();
            bytes += draft.payload.size() as u64;
            if total > LARGEST {
                return None;
            }
        }
        let mut entries = Segment::new(total, 0);
        let places = drafts.map(|draft| entries.append(&draft)).collect();
        debug_assert!(entries.blocks == 0 && entries.live as u64 == entries.messages && entries.requests == 0);
        Some(Run { entries, places, bytes })
    }

    /// How many messages it has.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that its entries take.
    pub fn total(&self) -> usize {
        self.entries.used()
    }
}

impl Segment {
    /// Appends the entries of a run, with this ref and these flags besides their own; the caller has seen that they
    /// [fit](Self::fits).
    #[inline]
    pub fn append_run(&mut self, run: &Run, reference: u64, flags: u8) {
        let (from, size) = (&run.entries, run.total());
        assert!(self.fits(size), "a run is only appended where it fits");
        let begin = self.used;
        // SAFETY: `fits` was asserted, so the copy lies inside the vector's allocation, which `&mut self` owns; the run
        // is whole entries from its beginning on, none of which owns a count of a block.
        unsafe { std::ptr::copy_nonoverlapping(from.base(), self.base().add(begin as usize), size) };
        self.used += size as u32;
        self.messages += from.messages;
        self.live += from.live;
        for at in &run.places {
            let header = self.header_mut(At(begin + at.0));
            header.r#ref = reference;
            header.flags |= flags;
        }
        self.claim_ahead();
    }
}
