//! Holds: what the owner id of a received message or batch stands for.
//!
//! Guarantees: a message's data and topic stay readable until its owner is released, wherever they came from: copied
//! out of a segment, shared by reference, or part of a batch's frame. A frame lives until each owner of it has let go.

use super::receipts::Passed;
use super::segment::{At, Entry, Segment};
use super::{Slot, Store};
use crate::clock::FOREVER;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::{Batch, Block, Message, KIND_END};
use crate::oneshot::{Body, OneShot};
use crate::sync::Arc;
use std::ops::Deref;

/// Bytes of what short messages are copied into.
const PAGE: usize = 256;

/// What a RESYNC says, written down: how many entries, and their bytes.
pub(super) type Said = (u64, Arc<Block>);

/// What the owner id of a message or a batch stands for.
#[derive(Default)]
pub(crate) struct Hold {
    pub(super) bytes: Vec<u8>,
    pub(super) block: Option<Arc<Block>>,
    pub(super) frame: Option<Frame>,
    /// What a short message that is a batch of its own, and signals, are written into.
    pub(super) page: Option<Box<Segment>>,
    /// Entries of the frame that a reader sees: live ones and gaps.
    pub(super) places: Vec<At>,
    /// For a batch of signals: the record of each entry.
    pub(super) signals: Vec<Signal>,
    /// Whose messages these are; zero for a second owner of the frame, which delivers nothing.
    pub(super) mailbox: Id,
    /// Losses that the cursor passed and no message has shown yet, those shown, and how far it looked for them.
    pub(super) lost: u64,
    pub(super) shown: u64,
    pub(super) reached: usize,
    /// How far the cursor is, when a watcher wants a receipt.
    pub(super) passed: Option<Arc<Passed>>,
    pub(super) withdrawn: Vec<Withdrawn>,
    /// The loop that runs the handler releases it.
    pub(super) by_loop: bool,
    /// A batch of plain messages without losses, for which nobody wants a receipt: only the end may hold any back.
    pub(super) plain: bool,
    /// A batch of messages without losses, for which nobody wants a receipt: nothing goes back but what was not passed.
    pub(super) whole: bool,
}

/// The entries of a batch.
pub(super) enum Frame {
    /// What was written into the hold's page: a copy of one short message, or signals.
    Page(Box<Segment>),
    /// A segment of the queue, at which nobody else looks.
    Own(Box<Segment>),
    /// It has several owners, or a watcher wants a receipt.
    Shared(Arc<Box<Segment>>),
}

impl Deref for Frame {
    type Target = Segment;

    #[inline]
    fn deref(&self) -> &Segment {
        match self {
            Frame::Page(segment) | Frame::Own(segment) => segment,
            Frame::Shared(segment) => segment,
        }
    }
}

impl Frame {
    /// The segment of a frame that was not shared.
    pub(super) fn into_segment(self) -> Box<Segment> {
        self.alone().expect("nobody else has seen it")
    }

    /// The segment, when nobody else looks at it any more.
    pub(super) fn alone(self) -> Option<Box<Segment>> {
        match self {
            Frame::Page(segment) | Frame::Own(segment) => Some(segment),
            Frame::Shared(segment) => Arc::try_unwrap(segment).ok(),
        }
    }
}

/// One signal of a batch. The entry of a gap has no record and the life 0.
pub(super) struct Signal {
    pub index: u32,
    pub life: u32,
    pub claimed: Option<bool>,
    /// Its number among the signals, and what it says if it is a RESYNC.
    pub number: u64,
    pub said: Option<Said>,
}

/// An entry that was nobody's any more when the cursor passed it: flushed, or an expired request.
pub(super) struct Withdrawn {
    pub number: usize,
    pub flushed: bool,
    /// Who sent it, and its place in the mailbox's order.
    pub from: u64,
    pub place: u64,
}

/// Data and topic of a message in a hold's own buffer.
fn empty() -> *const u8 {
    std::ptr::NonNull::<u64>::dangling().as_ptr().cast()
}

impl Hold {
    /// Copies a message out of its segment; a payload by reference is shared.
    #[inline(always)]
    pub(super) fn fill(&mut self, entry: &Entry<'_>, owner: Id) -> Message {
        let trailer = entry.trailer();
        let header = entry.header;
        let mut message = match entry.block() {
            None if header.topic_size == 0 => self.keep(None, entry.data(), &[], owner),
            None => self.keep(None, entry.data(), entry.topic(), owner),
            block => self.keep(block, &[], entry.topic(), owner),
        };
        (message.kind, message.from, message.tag, message.r#ref) =
            (header.kind as u32, Id(header.from), header.tag, header.r#ref);
        if let Some(trailer) = trailer {
            (message.deadline, message.status, message.info) = (trailer.deadline, trailer.status, trailer.info);
        }
        message
    }

    /// Copies what a signal says out of its record.
    pub(super) fn fill_signal(&mut self, shot: &OneShot, reference: u64, said: Option<Said>, owner: Id) -> Message {
        let body = shot.body();
        let Body { tag, status, info, from, data, .. } = &*body;
        let (entries, data) = said.map_or_else(|| (info[1], data.clone()), |(entries, block)| (entries, Some(block)));
        let mut message = self.keep(data, &[], body.name().map_or("", |name| name).as_bytes(), owner);
        (message.kind, message.status, message.from) = (shot.message_kind(), *status, *from);
        (message.tag, message.r#ref, message.info) = (*tag, reference, [info[0], entries]);
        message
    }

    pub(super) fn fill_end(&mut self, owner: Id) -> Message {
        let mut message = self.keep(None, &[], &[], owner);
        message.kind = KIND_END;
        message
    }

    /// A message that belongs to no mailbox: what a blocking call returns.
    #[inline(always)]
    pub(super) fn keep(&mut self, block: Option<Arc<Block>>, copied: &[u8], topic: &[u8], owner: Id) -> Message {
        self.bytes.clear();
        self.bytes.extend_from_slice(copied);
        self.bytes.extend_from_slice(topic);
        let text = self.bytes.as_ptr().wrapping_add(copied.len());
        let (data, data_size) = match &block {
            Some(block) if block.size() > 0 => (block.data(), block.size()),
            Some(_) => (empty(), 0),
            None if copied.is_empty() => (empty(), 0),
            None => (self.bytes.as_ptr(), copied.len()),
        };
        self.block = block;
        Message {
            kind: 0,
            status: 0,
            data: data.cast(),
            data_size,
            from: Id::NONE,
            tag: 0,
            r#ref: 0,
            topic: if topic.is_empty() { empty().cast() } else { text.cast() },
            topic_size: topic.len(),
            deadline: FOREVER,
            lost: 0,
            owner: owner.0,
            info: [0; 2],
        }
    }

    /// Begins a batch that delivers nothing.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.places.clear();
        self.signals.clear();
        self.withdrawn.clear();
        (self.mailbox, self.by_loop, self.passed) = (Id::NONE, false, None);
        (self.plain, self.whole) = (false, false);
        (self.lost, self.shown, self.reached) = (0, 0, 0);
    }

    /// Begins a batch of what is in this mailbox.
    #[inline]
    pub(super) fn begin_of(&mut self, slot: &Slot, mailbox: Id) {
        self.begin();
        (self.mailbox, self.by_loop) = (mailbox, slot.is_handled());
    }

    /// A copy of short entries that own nothing.
    #[inline]
    pub(super) fn copy(&mut self, entries: &Segment) -> Frame {
        let fits = |page: &mut Box<Segment>| page.capacity() >= entries.used();
        let mut page = self.page.take_if(fits).unwrap_or_else(|| Segment::new(entries.used().max(PAGE), 0));
        page.copy_of(entries);
        Frame::Page(page)
    }

    /// An empty page.
    pub(super) fn blank(&mut self) -> Box<Segment> {
        let mut page = self.page.take().unwrap_or_else(|| Segment::new(PAGE, 0));
        page.reset(0);
        page
    }

    /// One more owner of the frame.
    pub(super) fn share(&mut self) -> Option<Arc<Box<Segment>>> {
        let frame = match self.frame.take()? {
            Frame::Page(segment) | Frame::Own(segment) => Arc::new(segment),
            Frame::Shared(frame) => frame,
        };
        self.frame = Some(Frame::Shared(frame.clone()));
        Some(frame)
    }

    /// Writes the reader's view of it to `batch`: handed back, it would be copied from hand to hand.
    #[inline]
    pub(super) fn show(&mut self, frame: Frame, owner: Id, batch: &mut Batch) {
        (batch.frame, batch.frame_size) = frame.frame();
        self.frame = Some(frame);
        (batch.offsets, batch.count) = (At::offsets(&self.places), self.places.len() as u32);
        (batch.cursor, batch.mailbox, batch.owner, batch.reserved) = (0, self.mailbox, owner.0, [0; 2]);
    }
}

impl Store {
    /// Lets go of a message that a receive call gave.
    pub fn release_message(&self, owner: Id) -> Result<()> {
        let block = self.holds.close(owner, |hold| match hold.frame {
            None => Ok(hold.block.take()),
            Some(_) => Err(Error::Inval.because("this is the owner of a batch; release it with td_batch_release")),
        })?;
        drop(block);
        Ok(())
    }

    /// The payload of a received message, if it travels by reference. `TD_ESTALE` when the message was released.
    pub fn block_of(&self, owner: Id) -> Result<Option<Arc<Block>>> {
        self.holds.with(owner, |hold| hold.block.clone())
    }

    /// A message outside any mailbox, with an owner of its own.
    pub fn message_of(&self, block: Option<Arc<Block>>, copied: &[u8]) -> Result<Message> {
        self.holds.open(0, |hold, owner| hold.keep(block, copied, &[], owner))
    }
}

#[cold]
pub(super) fn not_a_batch() -> Error {
    Error::Inval.because("this is the owner of a message; release it with td_message_release")
}
