//! What must be so: every mailbox as a plain ordered queue, and the relations between mailboxes as plain lists.
//!
//! Guarantees: nothing here calls the library. An entry lies in its queue where it came in, whoever sent it, so that a
//! receive in another order than this one breaks the order of some pair.

use crate::c::*;
use std::collections::VecDeque;

/// What an entry of a queue is, with its number in the world's list of such things.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Message,
    Request(Option<usize>),
    Topic(usize),
    Down(usize),
    Tick(usize),
    Reply(usize),
}

#[derive(Clone)]
pub struct Entry {
    /// Its place among all that ever came in anywhere.
    pub key: u64,
    pub what: What,
    pub kind: u32,
    pub from: Id,
    pub tag: u64,
    pub reference: Id,
    pub status: i32,
    pub data: Vec<u8>,
    pub topic: &'static str,
    /// Number of the payload that travels by reference.
    pub lent: Option<usize>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Entry { what, from, tag, status, data, .. } = self;
        write!(f, "{what:?} from {from:#x}, tag {tag}, status {status}, {} bytes", data.len())
    }
}

impl Entry {
    pub fn is_signal(&self) -> bool {
        matches!(self.what, What::Down(_) | What::Tick(_) | What::Reply(_))
    }
    pub fn is_request(&self) -> bool {
        matches!(self.what, What::Request(_))
    }
}

/// What a batch has taken out of the queue.
pub struct Open {
    pub batch: Option<td_batch>,
    pub items: Vec<Handed>,
}

pub struct Handed {
    pub entry: Entry,
    pub passed: bool,
    pub flushed: bool,
    /// Flushed with its subscription while it was in hand: the cursor passes over it.
    pub cut: bool,
}

impl Open {
    /// Waits to be passed still.
    pub fn waiting(&mut self) -> impl Iterator<Item = &mut Handed> {
        self.items.iter_mut().filter(|handed| !handed.passed && !handed.flushed)
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Watch {
    Monitor(usize),
    Call(usize),
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    pub sent: u64,
    pub delivered: u64,
    pub lost: u64,
    pub shown: u64,
    pub flushed: u64,
    pub expired: u64,
    pub refused: u64,
}

pub struct Mailbox {
    pub id: Id,
    pub looped: Option<usize>,
    pub policy: u32,
    pub bound: u64,
    pub alive: bool,
    /// Receivers are given nothing.
    pub suspended: bool,
    pub reason: i32,
    pub queue: VecDeque<Entry>,
    pub open: Vec<Open>,
    pub subscriptions: Vec<usize>,
    pub names: Vec<usize>,
    pub watched: Vec<Watch>,
    pub monitors: Vec<usize>,
    pub calls: Vec<usize>,
    pub timers: Vec<usize>,
    pub count: Counts,
    pub fd: Option<td_fd>,
    /// Its end marker was seen.
    pub end_seen: bool,
}

impl Mailbox {
    pub fn messages(&self) -> u64 {
        self.queue.iter().filter(|entry| !entry.is_signal()).count() as u64
    }

    /// Live entries of open batches: they count as queued until the batch is given back.
    pub fn in_hand(&self) -> u64 {
        self.open.iter().flat_map(|open| &open.items).filter(|handed| !handed.flushed).count() as u64
    }

    /// Drops the oldest message that `wanted` accepts.
    pub fn evict(&mut self, wanted: impl Fn(&Entry) -> bool) -> bool {
        let found = self.queue.iter().position(|entry| !entry.is_signal() && wanted(entry));
        found.map(|at| self.queue.remove(at)).is_some()
    }

    /// Takes a signal out, from the queue or from under an open batch's cursor.
    pub fn flush(&mut self, what: What) -> bool {
        if let Some(at) = self.queue.iter().position(|entry| entry.what == what) {
            self.queue.remove(at);
        } else if let Some(handed) = self.open.iter_mut().flat_map(Open::waiting).find(|h| h.entry.what == what) {
            handed.flushed = true;
        } else {
            return false;
        }
        self.count.flushed += 1;
        true
    }

    pub fn put_back(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.queue.extend(entries);
        self.queue.make_contiguous().sort_by_key(|entry| entry.key);
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum State {
    Armed,
    Queued,
    Over,
}

pub struct Monitor {
    pub id: Id,
    pub state: State,
    pub watcher: usize,
    pub target: Option<usize>,
    pub tag: u64,
    pub name: &'static str,
    pub downs: u32,
}

pub struct Call {
    pub id: Id,
    pub state: State,
    pub caller: usize,
    pub target: usize,
    pub timer: Option<usize>,
    pub tag: u64,
    pub replies: u32,
}

pub enum Due {
    Mailbox(usize),
    Name(usize),
    Call(usize),
}

pub struct Timer {
    pub id: Id,
    pub armed: bool,
    pub due: Due,
    pub deadline: i64,
    pub order: u64,
    pub period: i64,
    /// A tick of a repeating one waits.
    pub waits: bool,
    pub tag: u64,
    pub data: Vec<u8>,
}

pub struct Subscription {
    pub id: Id,
    pub alive: bool,
    pub mailbox: usize,
    pub pattern: &'static str,
    pub limit: u64,
    pub drop_old: bool,
}

/// Tokens divided by '.', `*` exactly one, `>` one or more at the end.
pub fn fits(pattern: &str, topic: &str) -> bool {
    let mut tokens = topic.split('.');
    for want in pattern.split('.') {
        match (want, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (want, Some(got)) if want == got => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}
