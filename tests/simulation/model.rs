//! What must be so: every mailbox as a plain ordered queue, and the relations between mailboxes as plain lists.
//!
//! Guarantees: nothing here calls the library. An entry lies in its queue where it came in, whoever sent it, so that a
//! receive in another order than this one breaks the order of some pair.

use crate::c::*;
use std::collections::VecDeque;

/// What an entry of a queue is, with its number in the world's list of such things.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum What {
    #[default]
    Message,
    Request(Option<usize>),
    Topic(usize),
    Down(usize),
    Tick(usize),
    Reply(usize),
    /// The mailbox it was linked to.
    Exit(usize),
    /// Of the answer to a call.
    Part(usize),
    /// The end of a gathering.
    Replies(usize),
    /// Of a watch.
    Edge(usize),
    Resync(usize),
}

/// The ref of a request whose ticket is not known before it is received.
pub const UNKNOWN: Id = u64::MAX;

#[derive(Clone, Default)]
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
    pub info: [u64; 2],
    /// Copies of one publication have one number.
    pub publication: u64,
    /// A newer one with its tag takes its place.
    pub conflates: bool,
    /// Its place among all values: as `key`, but for one that took an older place.
    pub taken_in: u64,
    /// Of a RESYNC that was written down, as a batch had it.
    pub said: Option<Vec<u8>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Entry { what, from, tag, status, data, .. } = self;
        write!(f, "{what:?} from {from:#x}, tag {tag}, status {status}, {} bytes", data.len())
    }
}

impl Entry {
    pub fn is_signal(&self) -> bool {
        use What::{Down, Exit, Replies, Reply, Resync, Tick};
        matches!(self.what, Down(_) | Tick(_) | Reply(_) | Exit(_) | Replies(_) | Resync(_))
    }
    /// Never dropped for another.
    pub fn is_kept(&self) -> bool {
        matches!(self.what, What::Request(_) | What::Part(_) | What::Edge(_))
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
    /// Linked to this one.
    Link(usize),
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
    pub conflated: u64,
}

#[derive(Default)]
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
    pub traps: bool,
    pub watches: Vec<usize>,
    pub gathers: Vec<usize>,
    pub will: Option<Will>,
    /// Payload bytes that batches gave back since it was empty.
    pub given_back: u64,
}

#[derive(Clone)]
pub struct Will {
    pub topic: &'static str,
    pub tag: u64,
    pub data: Vec<u8>,
    pub retain: bool,
}

impl Mailbox {
    pub fn messages(&self) -> u64 {
        self.queue.iter().filter(|entry| !entry.is_signal()).count() as u64
    }

    /// Payload bytes that count against the engine's budget; of requests that nobody waits for, too.
    pub fn bytes(&self) -> u64 {
        self.queue.iter().filter(|entry| !entry.is_signal()).map(|entry| entry.data.len() as u64).sum()
    }

    /// The newest entry that this one takes the place of.
    pub fn twin(&self, what: What, tag: u64, topic: &str) -> Option<usize> {
        let same = |e: &Entry| e.conflates && e.what == what && e.tag == tag && e.topic == topic;
        self.queue.iter().rposition(same)
    }

    /// Puts a value where its twin lies.
    pub fn conflate(&mut self, at: usize, entry: Entry) {
        let there = &mut self.queue[at];
        let info = [there.info[0] + 1, 0];
        *there = Entry { key: there.key, info, conflates: true, ..entry };
        (self.count.sent, self.count.conflated) = (self.count.sent + 1, self.count.conflated + 1);
    }

    /// Takes messages out of the queue.
    pub fn flush_all(&mut self, wanted: impl Fn(&Entry) -> bool) {
        let before = self.queue.len();
        self.queue.retain(|entry| !wanted(entry));
        self.count.flushed += (before - self.queue.len()) as u64;
    }

    /// What waits in open batches is not to be seen.
    pub fn cut(&mut self, wanted: impl Fn(&Entry) -> bool) {
        let handed = self.open.iter_mut().flat_map(Open::waiting);
        handed.filter(|handed| wanted(&handed.entry)).for_each(|handed| handed.cut = true);
    }

    pub fn has_in_hand(&self, wanted: impl Fn(&Entry) -> bool) -> bool {
        self.open.iter().flat_map(|open| &open.items).any(|handed| wanted(&handed.entry))
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

    pub fn put_back(&mut self, entries: Vec<Entry>) {
        self.given_back += entries.iter().map(|entry| entry.data.len() as u64).sum::<u64>();
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
    pub receipt: Option<Receipt>,
}

/// What became of the messages that a watcher sent since it wants to know.
#[derive(Clone, Copy, Default)]
pub struct Receipt {
    pub since: u64,
    pub consumed: u64,
    pub discarded: u64,
}

pub struct Call {
    pub id: Id,
    pub state: State,
    pub caller: usize,
    /// Who was called, and who has the request now.
    pub target: usize,
    pub holder: usize,
    pub timer: Option<usize>,
    pub tag: u64,
    pub replies: u32,
    pub gather: Option<usize>,
}

/// A call of several mailboxes.
pub struct Gather {
    pub id: Id,
    pub state: State,
    pub caller: usize,
    pub tag: u64,
    pub pending: u64,
    pub answered: u64,
    pub failed: u64,
    pub calls: Vec<usize>,
}

/// A group, as its members in the order in which they came.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Members(pub Vec<(Id, u64)>);

impl Members {
    pub fn add(&mut self, id: Id) {
        match self.0.iter_mut().find(|(member, _)| *member == id) {
            Some((_, count)) => *count += 1,
            None => self.0.push((id, 1)),
        }
    }

    /// False when it was not there.
    pub fn take(&mut self, id: Id) -> bool {
        let Some(at) = self.0.iter().position(|(member, _)| *member == id) else { return false };
        self.0[at].1 -= 1;
        if self.0[at].1 == 0 {
            self.0.remove(at);
        }
        true
    }

    pub fn say(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(id, count)| id.to_ne_bytes().repeat(*count as usize)).collect()
    }

    pub fn read(bytes: &[u8]) -> Members {
        let mut members = Members::default();
        bytes.chunks(8).for_each(|id| members.add(Id::from_ne_bytes(id.try_into().expect("eight bytes"))));
        members
    }
}

pub enum Due {
    Mailbox(usize),
    Name(usize),
    Call(usize),
    /// The grace of a key.
    Lapse(usize),
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
    pub policy: u32,
    pub queue: Option<usize>,
    /// Its last turn in the queue group.
    pub turn: u64,
}

/// Tokens divided by '.', `*` exactly one, `>` one or more at the end.
pub fn fits(pattern: &str, topic: &str) -> bool {
    if topic.starts_with('$') && pattern.starts_with(['*', '>']) {
        return false;
    }
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

/// Whether some topic fits both patterns.
pub fn meet(one: &str, other: &str) -> bool {
    let hidden = |wild: &str, text: &str| wild.starts_with(['*', '>']) && text.starts_with('$');
    !hidden(one, other) && !hidden(other, one) && tokens_meet(one, other)
}

fn tokens_meet(one: &str, other: &str) -> bool {
    if one == ">" || other == ">" {
        return true;
    }
    let (first, rest) = one.split_once('.').map_or((one, None), |(first, rest)| (first, Some(rest)));
    let (second, left) = other.split_once('.').map_or((other, None), |(second, left)| (second, Some(left)));
    let same = first == second || first == "*" || second == "*";
    same && match (rest, left) {
        (None, None) => true,
        (Some(rest), Some(left)) => tokens_meet(rest, left),
        _ => false,
    }
}
