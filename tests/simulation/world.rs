//! The world of one run: the engine, its model beside it, and the checks that hold the two together.
//!
//! Guarantees: nothing here calls the library but to begin; what fires, and what is published, goes into the queues of
//! those who must get it, in the order that the rules give.

use crate::c::*;
use crate::model::*;
use crate::random::Random;
use crate::watches::{Present, Watching, GROUPS};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::c_void;

pub const NAMES: [&str; 8] = ["ada", "bob", "cyd", "dee", "eve", "fay", "gus", "hal"];
/// The topic of dead letters.
pub const DEAD: &str = "$dead";
pub const QUEUES: [&str; 2] = ["north", "south"];
/// Steps that are told of when one fails.
const REMEMBERED: usize = 40;

pub struct World {
    pub random: Random,
    pub engine: Id,
    pub mailboxes: Vec<Mailbox>,
    pub live: Vec<usize>,
    pub loops: Vec<Id>,
    pub monitors: Vec<Monitor>,
    pub calls: Vec<Call>,
    pub timers: Vec<Timer>,
    pub subscriptions: Vec<Subscription>,
    pub names: [Option<usize>; NAMES.len()],
    pub gathers: Vec<Gather>,
    pub watches: Vec<Watching>,
    pub groups: [Members; GROUPS.len()],
    /// The keys that are present, in the order in which they came.
    pub present: Vec<Present>,
    pub retained: BTreeMap<&'static str, Entry>,
    pub turns: u64,
    /// The engine's bound in bytes, of runs in which it is small: with plain sends and calls alone.
    pub budget: Option<u64>,
    /// Requests that were delivered and not answered.
    pub tickets: Vec<usize>,
    pub lent: Vec<Box<[u8]>>,
    pub now: i64,
    pub keys: u64,
    pub orders: u64,
    pub dead_letters: u64,
    pub touched: Vec<usize>,
    pub steps: u64,
    /// Handlers only receive.
    pub quiet: bool,
    pub draining: Option<Draining>,
    pub trace: VecDeque<String>,
    pub tracing: bool,
}

/// The draining of the engine: what each mailbox that lives had delivered when it began, and what became of the messages
/// of those that have ended since.
#[derive(Clone)]
pub struct Draining {
    pub before: HashMap<usize, u64>,
    pub delivered: u64,
    pub undelivered: u64,
}

/// A message that found nobody.
pub struct Letter<'a> {
    /// The id it was for, and its kind.
    pub to: Id,
    pub kind: u32,
    pub code: i32,
    pub from: Id,
    pub tag: u64,
    pub data: &'a [u8],
}

thread_local! {
    pub static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
    static RELEASED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static DROPPED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

pub fn with<T>(act: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| act(world.as_mut().expect("a run")))
}

fn count(counts: &RefCell<Vec<u32>>, number: usize) {
    let mut counts = counts.borrow_mut();
    if counts.len() <= number {
        counts.resize(number + 1, 0);
    }
    counts[number] += 1;
}

fn counted(counts: &RefCell<Vec<u32>>, number: usize) -> u32 {
    counts.borrow().get(number).copied().unwrap_or(0)
}

pub extern "C" fn released(_: *mut c_void, _: usize, user: *mut c_void) {
    RELEASED.with(|counts| count(counts, user as usize));
}

pub extern "C" fn dropped(user: *mut c_void) {
    DROPPED.with(|counts| count(counts, user as usize));
}

pub fn releases(number: usize) -> u32 {
    RELEASED.with(|counts| counted(counts, number))
}

pub fn drops(number: usize) -> u32 {
    DROPPED.with(|counts| counted(counts, number))
}

impl World {
    pub fn new(seed: u64, tracing: bool) -> World {
        RELEASED.with_borrow_mut(Vec::clear);
        DROPPED.with_borrow_mut(Vec::clear);
        let budget = (seed % 4 == 0).then_some(12_000);
        let engine = engine_open(budget.unwrap_or(0));
        World {
            random: Random::new(seed),
            engine,
            mailboxes: Vec::new(),
            live: Vec::new(),
            loops: (0..2).map(|_| loop_open(engine)).collect(),
            monitors: Vec::new(),
            calls: Vec::new(),
            timers: Vec::new(),
            subscriptions: Vec::new(),
            names: [None; NAMES.len()],
            gathers: Vec::new(),
            watches: Vec::new(),
            groups: Default::default(),
            present: Vec::new(),
            retained: BTreeMap::new(),
            turns: 0,
            budget,
            tickets: Vec::new(),
            lent: Vec::new(),
            now: now(engine),
            keys: 0,
            orders: 0,
            dead_letters: 0,
            touched: Vec::new(),
            steps: 0,
            quiet: false,
            draining: None,
            trace: VecDeque::new(),
            tracing,
        }
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if self.tracing {
            if self.trace.len() == REMEMBERED {
                self.trace.pop_front();
            }
            self.trace.push_back(format!("{}: {}", self.steps, what()));
        }
    }

    pub fn key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    pub fn order(&mut self) -> u64 {
        self.orders += 1;
        self.orders
    }

    pub fn id(&self, mailbox: Option<usize>) -> Id {
        mailbox.map_or(0, |number| self.mailboxes[number].id)
    }

    // ---- what fires

    pub fn signal(&mut self, to: usize, entry: Entry) {
        let key = self.key();
        let mailbox = &mut self.mailboxes[to];
        assert!(mailbox.alive, "a signal to the dead");
        mailbox.count.sent += 1;
        mailbox.queue.push_back(Entry { key, taken_in: key, ..entry });
        self.touched.push(to);
    }

    pub fn down(&mut self, number: usize, reason: i32, data: &[u8]) {
        let monitor = &mut self.monitors[number];
        assert_eq!(monitor.state, State::Armed);
        if !self.mailboxes[monitor.watcher].alive {
            monitor.state = State::Over;
            return;
        }
        monitor.state = State::Queued;
        let entry = Entry {
            what: What::Down(number),
            kind: TD_KIND_DOWN,
            from: monitor.target.map_or(0, |target| self.mailboxes[target].id),
            tag: monitor.tag,
            reference: monitor.id,
            status: reason,
            data: data.to_vec(),
            topic: monitor.name,
            info: monitor.receipt.map_or([0; 2], |receipt| [receipt.consumed, receipt.discarded]),
            ..Entry::default()
        };
        self.signal(self.monitors[number].watcher, entry);
    }

    pub fn answer(&mut self, number: usize, status: i32, data: &[u8], info: u64) {
        let call = &mut self.calls[number];
        assert_eq!(call.state, State::Armed);
        call.state = State::Over;
        let (caller, target, holder, gather) = (call.caller, call.target, call.holder, call.gather);
        self.unwatch(holder, Watch::Call(number));
        if !self.mailboxes[caller].alive {
            return;
        }
        let call = &mut self.calls[number];
        call.state = State::Queued;
        let entry = Entry {
            what: What::Reply(number),
            kind: TD_KIND_REPLY,
            from: self.mailboxes[target].id,
            tag: call.tag,
            reference: gather.map_or(call.id, |gather| self.gathers[gather].id),
            status,
            data: data.to_vec(),
            info: [info, 0],
            ..Entry::default()
        };
        self.signal(caller, entry);
        if let Some(gather) = gather {
            self.came(gather, Some(status >= 0));
        }
    }

    /// One call of a gathering is over (none: all were made); after the last one it ends.
    pub fn came(&mut self, number: usize, answered: Option<bool>) {
        let gather = &mut self.gathers[number];
        gather.pending -= 1;
        gather.answered += u64::from(answered == Some(true));
        gather.failed += u64::from(answered == Some(false));
        if gather.pending > 0 || gather.state != State::Armed || !self.mailboxes[gather.caller].alive {
            return;
        }
        gather.state = State::Queued;
        let entry = Entry {
            what: What::Replies(number),
            kind: TD_KIND_REPLIES,
            tag: gather.tag,
            reference: gather.id,
            info: [gather.answered, gather.failed],
            ..Entry::default()
        };
        self.signal(self.gathers[number].caller, entry);
    }

    pub fn unwatch(&mut self, target: usize, watch: Watch) {
        self.mailboxes[target].watched.retain(|other| *other != watch);
        self.touched.push(target);
    }

    fn tick(&mut self, number: usize, to: usize) {
        let timer = &mut self.timers[number];
        if timer.waits {
            return;
        }
        timer.waits = timer.period > 0;
        let topic = if let Due::Name(name) = timer.due { NAMES[name] } else { "" };
        let entry = Entry {
            what: What::Tick(number),
            kind: TD_KIND_TIMER,
            tag: timer.tag,
            reference: timer.id,
            data: timer.data.clone(),
            topic,
            ..Entry::default()
        };
        self.signal(to, entry);
    }

    /// Moves the model's time: every timer on the way, by deadline and then by creation.
    pub fn pass_time(&mut self, target: i64) {
        loop {
            let due = (0..self.timers.len()).filter(|n| self.timers[*n].armed && self.timers[*n].deadline <= target);
            let Some(number) = due.min_by_key(|n| (self.timers[*n].deadline, self.timers[*n].order)) else { break };
            let order = self.order();
            let timer = &mut self.timers[number];
            if timer.period > 0 {
                (timer.deadline, timer.order) = (timer.deadline + timer.period, order);
            } else {
                timer.armed = false;
            }
            match timer.due {
                Due::Mailbox(to) => self.tick(number, to),
                Due::Name(name) => match self.names[name] {
                    Some(to) => self.tick(number, to),
                    None => {
                        let Timer { id, tag, data, .. } = &self.timers[number];
                        let (to, tag, data) = (*id, *tag, data.clone());
                        let (kind, code) = (TD_KIND_TIMER, TD_ENOTFOUND);
                        self.letter(&Letter { to, kind, code, from: 0, tag, data: &data });
                    }
                },
                Due::Call(call) => self.answer(call, TD_ETIMEDOUT, &[], 0),
                Due::Lapse(key) => self.lapse(key),
            }
        }
        self.now = target;
    }

    // ---- publications

    /// A message found nobody: counted, and published to those who mourn it.
    pub fn letter(&mut self, letter: &Letter<'_>) {
        self.dead_letters += 1;
        let Letter { to, kind, code, from, tag, data } = *letter;
        let (publication, data, info) = (self.key(), data.to_vec(), [to, kind as u64]);
        let (kind, status) = (TD_KIND_TOPIC, code);
        let copy = Entry { kind, status, from, tag, data, info, topic: DEAD, publication, ..Entry::default() };
        let mut ended = Vec::new();
        self.spread(&copy, &mut ended);
        assert!(ended.is_empty(), "those who mourn do not end for it");
    }

    pub fn late_reply(&mut self, ticket: Id, data: &[u8]) {
        let (kind, code) = (TD_KIND_REPLY, TD_ESTALE);
        self.letter(&Letter { to: ticket, kind, code, from: 0, tag: 0, data });
    }

    /// The subscription gets a copy; as its bounds say.
    pub fn deliver(&mut self, at: usize, copy: &Entry, ended: &mut Vec<usize>) -> bool {
        let (reference, to, limit, own_policy) = {
            let own = &self.subscriptions[at];
            (own.id, own.mailbox, own.limit, own.policy)
        };
        self.expire(to);
        let key = self.key();
        self.touched.push(to);
        let mailbox = &mut self.mailboxes[to];
        let what = What::Topic(at);
        let conflates = own_policy == TD_CONFLATE || mailbox.policy == TD_CONFLATE;
        // A dead letter is no value of anything.
        let conflates = conflates && copy.topic != DEAD;
        let copy = Entry { key, taken_in: key, what, reference, conflates, ..copy.clone() };
        if let Some(twin) = mailbox.twin(what, copy.tag, copy.topic).filter(|_| conflates) {
            mailbox.conflate(twin, copy);
            return true;
        }
        let over_own = limit > 0 && mailbox.queue.iter().filter(|entry| entry.what == what).count() as u64 >= limit;
        let policy = if over_own { own_policy } else { mailbox.policy };
        let mut fits = !over_own && mailbox.messages() < mailbox.bound;
        let wanted = |entry: &Entry| if over_own || limit > 0 { entry.what == what } else { !entry.is_kept() };
        // A batch that was put back may have gone over the bound by more than one.
        while !fits && policy == TD_DROP_OLD && mailbox.evict(wanted) {
            mailbox.count.lost += 1;
            fits = mailbox.messages() < mailbox.bound;
        }
        if fits {
            mailbox.count.sent += 1;
            mailbox.queue.push_back(copy);
        } else if policy == TD_KILL {
            self.mark(to, TD_REASON_OVERFLOW);
            ended.push(to);
        } else {
            (mailbox.count.sent, mailbox.count.lost) = (mailbox.count.sent + 1, mailbox.count.lost + 1);
        }
        fits
    }

    /// Everyone who subscribed gets a copy, and one of each queue group: who was served longest ago, those without
    /// room passed over. What ended for it goes into `ended`.
    pub fn spread(&mut self, copy: &Entry, ended: &mut Vec<usize>) -> (u64, u64) {
        let (mut queued, mut dropped) = (0, 0);
        let mut add = |fits: bool| if fits { queued += 1 } else { dropped += 1 };
        let fit: Vec<usize> = (0..self.subscriptions.len())
            .filter(|at| self.subscriptions[*at].alive && fits(self.subscriptions[*at].pattern, copy.topic))
            .collect();
        for at in &fit {
            if self.subscriptions[*at].queue.is_none() && self.mailboxes[self.subscriptions[*at].mailbox].alive {
                add(self.deliver(*at, copy, ended));
            }
        }
        for queue in 0..QUEUES.len() {
            let mut left: Vec<usize> =
                fit.iter().copied().filter(|at| self.subscriptions[*at].queue == Some(queue)).collect();
            let (mut full, mut served) = (None, false);
            while let Some(at) = left.iter().copied().min_by_key(|at| self.subscriptions[*at].turn) {
                self.turns += 1;
                let own = &mut self.subscriptions[at];
                own.turn = self.turns;
                let (to, limit, policy) = (own.mailbox, own.limit, own.policy);
                left.retain(|other| *other != at);
                if !self.mailboxes[to].alive {
                    continue;
                }
                self.expire(to);
                let mailbox = &self.mailboxes[to];
                let own = mailbox.queue.iter().filter(|entry| entry.what == What::Topic(at)).count() as u64;
                let plain = policy != TD_CONFLATE && mailbox.policy != TD_CONFLATE;
                if plain && (limit == 0 || own < limit) && mailbox.messages() < mailbox.bound {
                    add(self.deliver(at, copy, ended));
                    served = true;
                    break;
                }
                full = full.or(Some(at));
            }
            if let Some(at) = full.filter(|_| !served) {
                self.turns += 1;
                self.subscriptions[at].turn = self.turns;
                add(self.deliver(at, copy, ended));
            }
        }
        (queued, dropped)
    }

    /// What a topic keeps: the value, or nothing when that is empty.
    pub fn retain(&mut self, copy: &Entry) {
        match copy.data.is_empty() {
            true => drop(self.retained.remove(copy.topic)),
            false => drop(self.retained.insert(copy.topic, copy.clone())),
        }
    }
}
