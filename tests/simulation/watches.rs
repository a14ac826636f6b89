//! What is watched: members of groups, keys that are present, interest in topics; and the watches of all three.
//!
//! Guarantees: as `steps`. Each watch is told of each change, by an edge, or by the RESYNC that waits or must stand for
//! it; one that a batch has written down stands for nothing any more that comes behind it.

use crate::c::*;
use crate::model::*;
use crate::steps::{recent, someone, tag};
use crate::world::*;

/// In the order in which one who ends leaves them, as are the keys.
pub const GROUPS: [&str; 2] = ["day", "night"];
pub const KEYS: [&str; 4] = ["ann", "ben", "cat", "dan"];
/// The group of the keys.
pub const HALL: &str = "hall";
const INTERESTS: [&str; 6] = ["a.*", "a.b", ">", "c.>", "x.y", DEAD];

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Subject {
    Members(usize),
    Keys,
    Interest(&'static str),
}

impl Subject {
    fn kind(self) -> u32 {
        match self {
            Subject::Members(_) => TD_KIND_MEMBER,
            Subject::Keys => TD_KIND_PRESENCE,
            Subject::Interest(_) => TD_KIND_INTEREST,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Subject::Members(group) => GROUPS[group],
            Subject::Keys => HALL,
            Subject::Interest(pattern) => pattern,
        }
    }

    /// Kind and number of the entries of a snapshot.
    pub fn info(self, data: &[u8]) -> [u64; 2] {
        let entries = match self {
            Subject::Members(_) => data.len() as u64 / 8,
            Subject::Keys => data.iter().filter(|byte| **byte == 0).count() as u64,
            Subject::Interest(_) => u64::from_ne_bytes(data.try_into().expect("a number")),
        };
        [self.kind() as u64, entries]
    }

    /// A snapshot as things and how often they are there: members by id, keys by number, interest as one thing.
    pub fn things(self, data: &[u8]) -> Members {
        match self {
            Subject::Members(_) => Members::read(data),
            Subject::Keys => Members(data.split(|byte| *byte == 0).filter_map(key_of).map(|key| (key, 1)).collect()),
            Subject::Interest(_) => Members(if self.info(data)[1] > 0 { vec![(0, 1)] } else { Vec::new() }),
        }
    }
}

fn key_of(bytes: &[u8]) -> Option<u64> {
    KEYS.iter().position(|key| key.as_bytes() == bytes).map(|key| key as u64)
}

pub struct Watching {
    pub id: Id,
    pub alive: bool,
    pub watcher: usize,
    pub subject: Subject,
    pub tag: u64,
    /// The newest snapshot that its mailbox has received, as place and things; and every edge, as place, thing and how
    /// many more. In whatever order they were received.
    pub snapshot: (u64, Members),
    pub edges: Vec<(u64, Id, i32)>,
    /// Where its newest RESYNC was queued.
    pub newest: u64,
    /// What a RESYNC says that was queued when the watch ended.
    pub last: Vec<u8>,
}

impl Watching {
    /// One of its edges was received.
    pub fn came(&mut self, edge: &Entry) {
        let thing = match self.subject {
            Subject::Members(_) => edge.from,
            Subject::Keys => key_of(&edge.data).expect("a key"),
            Subject::Interest(_) => 0,
        };
        let by = if [TD_JOINED, TD_STARTED].contains(&edge.status) { 1 } else { -1 };
        self.edges.push((edge.key, thing, by));
    }

    /// What its mailbox knows when nothing waits there: the snapshot and the edges behind it.
    pub fn known(&mut self) -> Members {
        let (place, members) = &mut self.snapshot;
        self.edges.sort_unstable();
        for (_, id, by) in self.edges.drain(..).filter(|(at, ..)| at > place) {
            match by {
                1 => members.add(id),
                _ => assert!(members.take(id), "one who left was known"),
            }
        }
        members.clone()
    }
}

/// A key that is present.
pub struct Present {
    key: usize,
    /// Who has entered it, and with what grace.
    carriers: Vec<(usize, i64)>,
    /// When the grace of those that ended is over, its timer, and the last one of them.
    until: i64,
    lapse: Option<usize>,
    last: Id,
}

impl World {
    /// How a subject stands, as its snapshot says it.
    pub fn state(&self, subject: Subject) -> Vec<u8> {
        match subject {
            Subject::Members(group) => self.groups[group].say(),
            Subject::Keys => {
                self.present.iter().flat_map(|there| [KEYS[there.key].as_bytes(), b"\0"].concat()).collect()
            }
            Subject::Interest(pattern) => {
                let meets = |own: &&Subscription| own.alive && meet(pattern, own.pattern);
                (self.subscriptions.iter().filter(meets).count() as u64).to_ne_bytes().to_vec()
            }
        }
    }

    /// What a RESYNC of a watch says that is taken off the queue now.
    pub fn says(&self, watch: usize) -> Vec<u8> {
        let watch = &self.watches[watch];
        if watch.alive {
            self.state(watch.subject)
        } else {
            watch.last.clone()
        }
    }

    /// Each watch of a subject is told.
    pub fn tell_all(&mut self, subject: Subject, from: Id, status: i32, data: &[u8]) {
        for number in 0..self.watches.len() {
            if self.watches[number].subject == subject {
                self.tell(number, from, status, data);
            }
        }
    }

    /// A subscription came or went: those who watch for interest hear of the first and of the last.
    pub fn interest_in(&mut self, pattern: &'static str, came: bool) {
        for number in 0..self.watches.len() {
            let Watching { alive: true, subject: Subject::Interest(wanted), .. } = self.watches[number] else {
                continue;
            };
            if !meet(wanted, pattern) {
                continue;
            }
            let [_, count] = Subject::Interest(wanted).info(&self.state(Subject::Interest(wanted)));
            match (came, count) {
                (true, 1) => self.tell(number, 0, TD_STARTED, b""),
                (false, 0) => self.tell(number, 0, TD_STOPPED, b""),
                _ => {}
            }
        }
    }

    fn tell(&mut self, number: usize, from: Id, status: i32, data: &[u8]) {
        let Watching { id, alive, watcher, subject, tag, .. } = self.watches[number];
        if !alive || !self.mailboxes[watcher].alive {
            return;
        }
        let is_resync = |entry: &Entry| entry.what == What::Resync(number);
        let waiting = self.mailboxes[watcher].queue.iter().position(is_resync);
        let is_open = |at: usize| self.mailboxes[watcher].queue[at].said.is_none();
        if waiting.is_some_and(is_open) {
            return;
        }
        self.expire(watcher);
        let topic = subject.text();
        let told = Entry { tag, reference: id, topic, ..Entry::default() };
        if self.mailboxes[watcher].messages() < self.mailboxes[watcher].bound {
            let (what, kind, data) = (What::Edge(number), subject.kind(), data.to_vec());
            return self.signal(watcher, Entry { what, kind, from, status, data, ..told });
        }
        if waiting.is_some() {
            // With the edges behind it, it is replaced.
            let mailbox = &mut self.mailboxes[watcher];
            mailbox.flush_all(|entry| is_resync(entry) || entry.what == What::Edge(number));
        }
        self.signal(watcher, Entry { what: What::Resync(number), kind: TD_KIND_RESYNC, ..told });
        self.watches[number].newest = self.keys;
    }

    // ---- keys

    /// A mailbox that has ended carries its keys no longer.
    pub fn carry_no_more(&mut self, number: usize) {
        for key in 0..KEYS.len() {
            let Some(at) = self.present.iter().position(|there| there.key == key) else { continue };
            let (now, id) = (self.now, self.mailboxes[number].id);
            let there = &mut self.present[at];
            let Some(own) = there.carriers.iter().position(|(carrier, _)| *carrier == number) else { continue };
            let (_, grace) = there.carriers.remove(own);
            there.until = there.until.max(now + grace);
            if !there.carriers.is_empty() {
                continue;
            }
            let deadline = there.until;
            if deadline <= now {
                self.gone(at, id);
                continue;
            }
            (there.lapse, there.last) = (Some(self.timers.len()), id);
            let (order, due, data) = (self.order(), Due::Lapse(key), Vec::new());
            self.timers.push(Timer { id: 0, armed: true, due, deadline, order, period: 0, waits: false, tag: 0, data });
        }
    }

    /// The grace of a key is over.
    pub fn lapse(&mut self, key: usize) {
        let at = self.present.iter().position(|there| there.key == key).expect("it was there until now");
        self.gone(at, self.present[at].last);
    }

    fn gone(&mut self, at: usize, from: Id) {
        let there = self.present.remove(at);
        self.tell_all(Subject::Keys, from, TD_LEFT, KEYS[there.key].as_bytes());
    }
}

// ---- steps

pub fn enter(world: &mut World) {
    let (number, key) = (someone(world), world.random.below(KEYS.len() as u64) as usize);
    let grace = if world.random.one_in(2) { 0 } else { 1 + world.random.below(300) as i64 };
    let id = world.mailboxes[number].id;
    if world.budget.is_some() {
        return;
    }
    world.note(|| format!("{number} enters {} with grace {grace}", KEYS[key]));
    assert_eq!(presence_enter(id, HALL, KEYS[key], grace), 0);
    match world.present.iter_mut().find(|there| there.key == key) {
        Some(there) => {
            there.carriers.retain(|(carrier, _)| *carrier != number);
            there.carriers.push((number, grace));
            if let Some(timer) = there.lapse.take() {
                world.timers[timer].armed = false;
            }
        }
        None => {
            let carriers = vec![(number, grace)];
            world.present.push(Present { key, carriers, until: 0, lapse: None, last: 0 });
            world.tell_all(Subject::Keys, id, TD_JOINED, KEYS[key].as_bytes());
        }
    }
}

pub fn depart(world: &mut World) {
    let (mut number, key) = (someone(world), world.random.below(KEYS.len() as u64) as usize);
    let at = world.present.iter().position(|there| there.key == key);
    let carriers = at.map_or(Vec::new(), |at| world.present[at].carriers.clone());
    if let Some((carrier, _)) = world.random.pick(&carriers).filter(|_| !world.random.one_in(4)) {
        number = carrier;
    }
    let id = world.mailboxes[number].id;
    let code = presence_leave(id, HALL, KEYS[key]);
    world.note(|| format!("{number} leaves {} = {code}", KEYS[key]));
    let own = carriers.iter().any(|(carrier, _)| *carrier == number);
    assert_eq!(code, if own { 0 } else { TD_ENOTFOUND });
    if let Some(at) = at.filter(|_| own) {
        world.present[at].carriers.retain(|(carrier, _)| *carrier != number);
        if world.present[at].carriers.is_empty() {
            world.gone(at, id);
        }
    }
}

fn group(world: &mut World) -> usize {
    world.random.below(GROUPS.len() as u64) as usize
}

pub fn join(world: &mut World) {
    let (number, group) = (someone(world), group(world));
    let id = world.mailboxes[number].id;
    if world.budget.is_some() {
        return;
    }
    world.note(|| format!("{number} joins {}", GROUPS[group]));
    assert_eq!(group_join(id, GROUPS[group]), 0);
    world.groups[group].add(id);
    world.tell_all(Subject::Members(group), id, TD_JOINED, b"");
}

pub fn leave(world: &mut World) {
    let (mut number, group) = (someone(world), group(world));
    let members = &world.groups[group].0;
    let one = world.random.pick(members);
    if let Some((member, _)) = one.filter(|_| !world.random.one_in(4)) {
        number = world.live.iter().copied().find(|other| world.mailboxes[*other].id == member).expect("a member lives");
    }
    let id = world.mailboxes[number].id;
    let code = group_leave(id, GROUPS[group]);
    world.note(|| format!("{number} leaves {} = {code}", GROUPS[group]));
    let there = world.groups[group].take(id);
    assert_eq!(code, if there { 0 } else { TD_ENOTFOUND });
    if there {
        world.tell_all(Subject::Members(group), id, TD_LEFT, b"");
    }
}

pub fn watch(world: &mut World) {
    let (number, group, tag) = (someone(world), group(world), tag(world));
    let subject = match world.random.below(3) {
        0 => Subject::Members(group),
        1 => Subject::Keys,
        _ => Subject::Interest(world.random.pick(&INTERESTS).expect("a pattern")),
    };
    let mailbox = &world.mailboxes[number];
    if world.budget.is_some() || mailbox.watches.len() > 2 {
        return;
    }
    let (id, state) = match subject {
        Subject::Members(group) => group_watch(mailbox.id, GROUPS[group], tag),
        Subject::Keys => presence_watch(mailbox.id, HALL, tag),
        Subject::Interest(pattern) => {
            let (id, count) = interest_watch(mailbox.id, pattern, tag);
            (id, count.to_ne_bytes().to_vec())
        }
    };
    assert_eq!(state, world.state(subject), "what a watch of {subject:?} begins with");
    let watch = world.watches.len();
    world.note(|| format!("{number} watches {subject:?}: {watch}"));
    let snapshot = (world.key(), subject.things(&state));
    let (edges, last) = (Vec::new(), Vec::new());
    world.watches.push(Watching { id, alive: true, watcher: number, subject, tag, snapshot, edges, newest: 0, last });
    world.mailboxes[number].watches.push(watch);
}

pub fn unwatch(world: &mut World) {
    if world.watches.is_empty() {
        return;
    }
    let number = recent(world, world.watches.len());
    let Watching { id, alive, watcher, subject, .. } = world.watches[number];
    let flush = world.random.one_in(2);
    let code = td_unwatch(td_watch { id }, if flush { TD_FLUSH } else { 0 });
    world.note(|| format!("unwatch {number} of {watcher}, flush {flush} = {code}"));
    assert_eq!(code, if alive { 0 } else { TD_ESTALE });
    if !alive {
        return;
    }
    let last = world.state(subject);
    let watch = &mut world.watches[number];
    (watch.alive, watch.last) = (false, last);
    let mailbox = &mut world.mailboxes[watcher];
    mailbox.watches.retain(|other| *other != number);
    if flush {
        let own = |entry: &Entry| entry.what == What::Edge(number) || entry.what == What::Resync(number);
        mailbox.flush_all(own);
        mailbox.cut(own);
    }
    world.touched.push(watcher);
}
