//! The world of one run: the engine, its model beside it, and the checks that hold the two together.
//!
//! Guarantees: after every step each mailbox it touched has the counters that the model has, and rule 4's equation
//! holds; a message that is delivered is the one that the model has next, in every field; a monitor fires once, a call
//! has one outcome, a release or drop function runs once.

use crate::c::*;
use crate::model::*;
use crate::random::Random;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;

pub const NAMES: [&str; 8] = ["ada", "bob", "cyd", "dee", "eve", "fay", "gus", "hal"];
/// In the order in which one who ends leaves them.
pub const GROUPS: [&str; 2] = ["day", "night"];
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
    pub watches: Vec<GroupWatch>,
    pub groups: [Members; GROUPS.len()],
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
    pub trace: VecDeque<String>,
    pub tracing: bool,
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

    fn signal(&mut self, to: usize, entry: Entry) {
        let key = self.key();
        let mailbox = &mut self.mailboxes[to];
        assert!(mailbox.alive, "a signal to the dead");
        mailbox.count.sent += 1;
        mailbox.queue.push_back(Entry { key, ..entry });
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
            ..Entry::default()
        };
        self.signal(self.monitors[number].watcher, entry);
    }

    pub fn answer(&mut self, number: usize, status: i32, data: &[u8], info: u64) {
        let call = &mut self.calls[number];
        assert_eq!(call.state, State::Armed);
        call.state = State::Over;
        let (caller, target, gather) = (call.caller, call.target, call.gather);
        self.unwatch(target, Watch::Call(number));
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

    /// Each watch of a group is told: by an edge, or by the RESYNC that waits or must stand for it.
    pub fn tell(&mut self, group: usize, member: Id, status: i32) {
        for number in 0..self.watches.len() {
            let GroupWatch { id, alive, watcher, tag, .. } = self.watches[number];
            let lives = alive && self.watches[number].group == group && self.mailboxes[watcher].alive;
            let waits = |entry: &Entry| entry.what == What::Resync(number);
            if !lives || self.mailboxes[watcher].queue.iter().any(waits) {
                continue;
            }
            self.expire(watcher);
            let mailbox = &self.mailboxes[watcher];
            let told = Entry { tag, reference: id, ..Entry::default() };
            let edge = Entry {
                what: What::Edge(number),
                kind: TD_KIND_MEMBER,
                from: member,
                status,
                topic: GROUPS[group],
                ..told.clone()
            };
            let resync = Entry { what: What::Resync(number), kind: TD_KIND_RESYNC, topic: GROUPS[group], ..told };
            let room = mailbox.messages() < mailbox.bound;
            self.signal(watcher, if room { edge } else { resync });
        }
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
                    None => self.dead_letters += 1,
                },
                Due::Call(call) => self.answer(call, TD_ETIMEDOUT, &[], 0),
            }
        }
        self.now = target;
    }

    // ---- publications

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
        let copy = Entry { key, what, reference, conflates, ..copy.clone() };
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

    // ---- ends

    fn mark(&mut self, number: usize, reason: i32) {
        self.live.retain(|other| *other != number);
        let mailbox = &mut self.mailboxes[number];
        (mailbox.alive, mailbox.reason) = (false, reason);
        mailbox.queue.clear();
        self.touched.push(number);
    }

    pub fn die(&mut self, number: usize, reason: i32, data: &[u8]) {
        self.mark(number, reason);
        self.bury(number, data);
    }

    /// A mailbox has ended: names, groups, subscriptions, own timers, monitors and calls go; its will is published; then
    /// its watchers hear of it, and those linked to it hear of it or end as it did, one after the other.
    pub fn bury(&mut self, first: usize, data: &[u8]) {
        let mut ended = VecDeque::from([(first, data.to_vec())]);
        while let Some((number, data)) = ended.pop_front() {
            self.leave_all(number);
            let (id, reason) = (self.mailboxes[number].id, self.mailboxes[number].reason);
            if let Some(Will { topic, tag, data, retain }) = self.mailboxes[number].will.take() {
                let publication = self.key();
                let kind = TD_KIND_TOPIC;
                let copy = Entry { kind, from: id, tag, data, topic, publication, ..Entry::default() };
                if retain {
                    self.retain(&copy);
                }
                let mut overflowed = Vec::new();
                self.spread(&copy, &mut overflowed);
                ended.extend(overflowed.into_iter().map(|number| (number, Vec::new())));
            }
            for watch in std::mem::take(&mut self.mailboxes[number].watched) {
                match watch {
                    Watch::Monitor(monitor) => self.down(monitor, reason, &data),
                    Watch::Call(call) => {
                        self.answer(call, TD_EDOWN, &data, reason as u32 as u64);
                        self.forget_deadline(call);
                    }
                    Watch::Link(other) => {
                        self.unwatch(other, Watch::Link(number));
                        match &self.mailboxes[other] {
                            Mailbox { alive: false, .. } => {}
                            Mailbox { traps: true, .. } => self.exit(other, number, reason, &data),
                            _ if reason == TD_REASON_NORMAL => {}
                            _ => {
                                self.mark(other, reason);
                                ended.push_back((other, data.clone()));
                            }
                        }
                    }
                }
            }
            if let Some(fd) = self.mailboxes[number].fd.take() {
                assert!(crate::readable(fd), "a descriptor is readable after the end");
                crate::close(fd);
            }
            for name in NAMES {
                assert_ne!(whereis(self.engine, name).1, id, "a name of the dead");
            }
            self.touched.push(number);
        }
    }

    /// One that traps exits hears of an end.
    pub fn exit(&mut self, to: usize, of: usize, reason: i32, data: &[u8]) {
        let from = self.mailboxes[of].id;
        let (what, kind) = (What::Exit(of), TD_KIND_EXIT);
        self.signal(to, Entry { what, kind, from, status: reason, data: data.to_vec(), ..Entry::default() });
    }

    fn leave_all(&mut self, number: usize) {
        let mailbox = &mut self.mailboxes[number];
        let id = mailbox.id;
        let (names, subscriptions) = (std::mem::take(&mut mailbox.names), std::mem::take(&mut mailbox.subscriptions));
        let (monitors, calls) = (std::mem::take(&mut mailbox.monitors), std::mem::take(&mut mailbox.calls));
        let (timers, watches) = (std::mem::take(&mut mailbox.timers), std::mem::take(&mut mailbox.watches));
        let gathers = std::mem::take(&mut mailbox.gathers);
        names.into_iter().for_each(|name| self.names[name] = None);
        for group in 0..GROUPS.len() {
            while self.groups[group].take(id) {
                self.tell(group, id, TD_LEFT);
            }
        }
        subscriptions.into_iter().for_each(|number| self.subscriptions[number].alive = false);
        timers.into_iter().for_each(|number| self.timers[number].armed = false);
        watches.into_iter().for_each(|number| self.watches[number].alive = false);
        gathers.into_iter().for_each(|number| self.gathers[number].state = State::Over);
        for own in monitors {
            if self.monitors[own].state == State::Armed {
                if let Some(target) = self.monitors[own].target {
                    self.unwatch(target, Watch::Monitor(own));
                }
            }
            self.monitors[own].state = State::Over;
        }
        for own in calls {
            if self.calls[own].state == State::Armed {
                self.unwatch(self.calls[own].target, Watch::Call(own));
            }
            self.calls[own].state = State::Over;
            self.forget_deadline(own);
        }
    }

    /// The caller of this call waits no longer: its timer goes.
    pub fn forget_deadline(&mut self, call: usize) {
        if let Some(timer) = self.calls[call].timer {
            self.timers[timer].armed = false;
        }
    }

    // ---- what is delivered

    /// A received message must be the entry, in every field.
    pub fn compare(&mut self, to: usize, message: &td_message, entry: &Entry) {
        let got = (message.kind, message.status, message.from.id, message.tag);
        assert_eq!(got, (entry.kind, entry.status, entry.from, entry.tag), "kind, status, from, tag of {entry:?}");
        let reference = match entry.what {
            What::Request(None) => message.r#ref,
            What::Request(Some(call)) if entry.reference == UNKNOWN => {
                let known = &mut self.calls[call].id;
                *known = if *known == UNKNOWN { message.r#ref } else { *known };
                *known
            }
            _ => entry.reference,
        };
        assert_eq!(message.r#ref, reference, "ref of {entry:?}");
        let resync;
        let entry = match entry.what {
            What::Resync(number) => {
                let watch = &mut self.watches[number];
                let data = if watch.alive { self.groups[watch.group].say() } else { watch.last.clone() };
                if entry.key > watch.snapshot.0 {
                    watch.snapshot = (entry.key, Members::read(&data));
                }
                let info = [TD_KIND_MEMBER as u64, data.len() as u64 / 8];
                resync = Entry { data, info, ..entry.clone() };
                &resync
            }
            _ => entry,
        };
        assert_eq!(message.info, entry.info, "info of {entry:?}");
        assert!(bytes(message) == entry.data, "data of {entry:?}: {} bytes", message.data_size);
        assert_eq!(topic(message), entry.topic.as_bytes(), "topic of {entry:?}");
        if let Some(number) = entry.lent {
            assert_eq!(releases(number), 0, "released before it was read");
        }
        let shown = &mut self.mailboxes[to].count;
        shown.shown += message.lost;
        assert!(shown.shown <= shown.lost, "{} shown as lost, {} were", shown.shown, shown.lost);
        match entry.what {
            What::Message | What::Topic(_) | What::Request(None) | What::Exit(_) | What::Part(_) | What::Resync(_) => {}
            What::Edge(number) => {
                let by = if entry.status == TD_JOINED { 1 } else { -1 };
                self.watches[number].edges.push((entry.key, entry.from, by));
            }
            What::Replies(number) => {
                let gather = &mut self.gathers[number];
                assert_eq!(gather.state, State::Queued, "one end of a gathering");
                gather.state = State::Over;
            }
            What::Request(Some(call)) => {
                let waits = self.calls[call].state == State::Armed;
                assert!(waits, "a request of a caller who no longer waits");
                self.tickets.push(call);
            }
            What::Down(number) => {
                let monitor = &mut self.monitors[number];
                assert_eq!(monitor.state, State::Queued);
                (monitor.state, monitor.downs) = (State::Over, monitor.downs + 1);
                assert_eq!(monitor.downs, 1, "one DOWN");
            }
            What::Tick(number) => self.timers[number].waits = false,
            What::Reply(number) => {
                let call = &mut self.calls[number];
                assert_eq!(call.state, State::Queued);
                (call.state, call.replies) = (State::Over, call.replies + 1);
                assert_eq!(call.replies, 1, "one outcome");
            }
        }
    }

    /// A request whose caller no longer waits: it may be dropped, and must not be delivered.
    pub fn is_stale(&self, entry: &Entry) -> bool {
        match entry.what {
            What::Request(Some(call)) => self.calls[call].state != State::Armed,
            What::Request(None) => true,
            _ => false,
        }
    }

    /// Drops as many stale requests as the library says it has dropped.
    pub fn expire(&mut self, number: usize) {
        let Some(stats) = stats(self.mailboxes[number].id) else { return };
        while self.mailboxes[number].alive && self.mailboxes[number].count.expired < stats.expired {
            let at = self.mailboxes[number].queue.iter().position(|entry| self.is_stale(entry));
            let mailbox = &mut self.mailboxes[number];
            mailbox.queue.remove(at.expect("what expired was a request whose caller no longer waits"));
            mailbox.count.expired += 1;
        }
    }

    /// Where the oldest entry lies that may be delivered and that `wanted` accepts.
    pub fn first(&self, number: usize, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.mailboxes[number].queue.iter().position(|entry| wanted(entry) && !self.is_stale(entry))
    }

    /// What a receive call of now would take.
    pub fn given(&self, number: usize, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        self.first(number, wanted).filter(|_| !self.mailboxes[number].suspended)
    }

    /// Two copies of one publication come in either order.
    fn settle_copies(&mut self, number: usize, at: usize, reference: Id) {
        let queue = &mut self.mailboxes[number].queue;
        let entry = &queue[at];
        if entry.kind != TD_KIND_TOPIC || entry.reference == reference {
            return;
        }
        let publication = entry.publication;
        let twin = queue.iter().position(|other| other.publication == publication && other.reference == reference);
        if let Some(twin) = twin {
            let key = queue[at].key;
            (queue[at].key, queue[twin].key) = (queue[twin].key, key);
            queue.swap(at, twin);
        }
    }

    /// One message was received from a mailbox: it must be the entry at `at`.
    pub fn received(&mut self, number: usize, at: usize, message: &td_message) {
        self.settle_copies(number, at, message.r#ref);
        let entry = self.mailboxes[number].queue.remove(at).expect("an entry");
        self.compare(number, message, &entry);
        self.mailboxes[number].count.delivered += 1;
        assert_eq!(release(message), 0);
        assert_eq!(release(message), TD_ESTALE, "a second release");
    }

    /// A batch was taken out: what is in it is at the front of the queue.
    pub fn open_batch(&mut self, number: usize, batch: &td_batch, own: bool) {
        self.expire(number);
        let mut items = Vec::new();
        for (_, reference) in kinds(batch).into_iter().filter(|(kind, _)| *kind != TD_KIND_GAP) {
            let at = self.first(number, |_| true).expect("a batch holds what was queued");
            self.settle_copies(number, at, reference);
            let entry = self.mailboxes[number].queue.remove(at).expect("an entry");
            items.push(Handed { entry, passed: false, flushed: false, cut: false });
        }
        let live = items.len();
        let signals = items.iter().filter(|handed| handed.entry.is_signal()).count();
        assert!(signals == 0 || signals == live, "messages or signals, never both");
        self.mailboxes[number].open.push(Open { batch: own.then_some(*batch), items });
    }

    /// Asks an open batch for the next message, and compares. False when there is none.
    pub fn pass(&mut self, number: usize, which: usize, batch: &mut td_batch) -> bool {
        let alive = self.mailboxes[number].alive;
        let (code, message) = batch_next(batch);
        // The cursor passes over requests whose callers no longer wait.
        let waits = |handed: &Handed| !handed.passed && !handed.flushed;
        while let Some(at) = self.mailboxes[number].open[which].items.iter().position(waits).filter(|_| alive) {
            if !self.is_stale(&self.mailboxes[number].open[which].items[at].entry) {
                break;
            }
            self.mailboxes[number].open[which].items[at].flushed = true;
            self.mailboxes[number].count.expired += 1;
        }
        // And over what was flushed meanwhile: how much of it, the library says.
        let flushed = stats(self.mailboxes[number].id).map_or(0, |stats| stats.flushed);
        let mailbox = &mut self.mailboxes[number];
        let open = &mut mailbox.open[which];
        for handed in open.items.iter_mut().filter(|handed| waits(handed) && handed.cut && alive) {
            if mailbox.count.flushed < flushed {
                handed.flushed = true;
                mailbox.count.flushed += 1;
            }
        }
        let expected = open.items.iter().position(|handed| waits(handed) && !handed.cut).filter(|_| alive);
        let Some(at) = expected else {
            assert_eq!(code, 0, "of an ended mailbox, or beyond its last message, a batch gives nothing");
            return false;
        };
        assert_eq!(code, 1, "{:?} waits in the batch", open.items[at].entry);
        // Two copies of one publication come in either order.
        let reference = message.r#ref;
        let (kind, publication) = (open.items[at].entry.kind, open.items[at].entry.publication);
        if kind == TD_KIND_TOPIC && open.items[at].entry.reference != reference {
            let same = |entry: &Entry| entry.publication == publication && entry.reference == reference;
            let twin = |handed: &Handed| same(&handed.entry);
            if let Some(twin) = open.items.iter().position(twin) {
                open.items.swap(at, twin);
            }
        }
        open.items[at].passed = true;
        let entry = open.items[at].entry.clone();
        self.compare(number, &message, &entry);
        true
    }

    /// A batch is given back.
    pub fn close_batch(&mut self, number: usize, which: usize) {
        let mailbox = &mut self.mailboxes[number];
        let open = mailbox.open.remove(which);
        let (alive, mut back) = (mailbox.alive, Vec::new());
        for handed in open.items {
            match handed {
                Handed { flushed: true, .. } => {}
                Handed { passed: true, .. } => mailbox.count.delivered += 1,
                Handed { cut: true, .. } if alive => mailbox.count.flushed += 1,
                Handed { entry, .. } if alive => back.push(entry),
                _ => {}
            }
        }
        mailbox.put_back(back);
        self.touched.push(number);
    }

    // ---- what must be so

    pub fn check_touched(&mut self) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched.drain(..).for_each(|number| self.check(number));
        self.touched = touched;
    }

    pub fn check(&mut self, number: usize) {
        self.expire(number);
        if self.mailboxes[number].queue.is_empty() {
            self.mailboxes[number].given_back = 0;
        }
        let mailbox = &self.mailboxes[number];
        let Some(c) = stats(mailbox.id) else { return assert!(!mailbox.alive) };
        let count = &mailbox.count;
        assert_eq!(
            c.sent,
            c.delivered + c.lost + c.conflated + c.flushed + c.expired + c.discarded + c.queued,
            "rule 4: {c:?}"
        );
        assert_eq!((c.sent, c.lost, c.flushed), (count.sent, count.lost, count.flushed), "sent, lost, flushed: {c:?}");
        assert_eq!(c.conflated, count.conflated, "conflated");
        assert_eq!(c.state == TD_STATE_OPEN, mailbox.alive);
        if !mailbox.alive {
            return assert_eq!((c.reason, c.queued), (mailbox.reason, 0), "reason, queued: {c:?}");
        }
        assert_eq!(c.refused, count.refused, "refused");
        assert_eq!((c.expired, c.discarded), (count.expired, 0), "expired, discarded");
        assert_eq!(c.queued, mailbox.queue.len() as u64 + mailbox.in_hand(), "queued: {c:?}");
        assert_eq!(c.delivered, count.delivered, "delivered");
        assert_eq!(c.monitored_by, mailbox.watched.len() as u64, "watchers");
        assert_eq!(c.subscriptions, mailbox.subscriptions.len() as u64, "subscriptions");
        assert_eq!(c.names, mailbox.names.len() as u64, "names");
        let armed = mailbox.monitors.iter().filter(|own| self.monitors[**own].state == State::Armed).count();
        assert_eq!(c.monitors, armed as u64, "monitors");
    }

    /// Everything, and the engine's own counters.
    pub fn check_all(&mut self) {
        for at in 0..self.live.len() {
            let number = self.live[at];
            let armed = |own: &usize| self.monitors[*own].state != State::Over;
            let monitors: Vec<usize> = self.mailboxes[number].monitors.iter().copied().filter(armed).collect();
            self.mailboxes[number].monitors = monitors;
            self.check(number);
            if let Some(fd) = self.mailboxes[number].fd {
                let pending = self.given(number, |_| true).is_some();
                assert!(!pending || crate::readable(fd), "the descriptor tells of what waits");
                let mailbox = &self.mailboxes[number];
                let idle = mailbox.suspended || mailbox.queue.is_empty() && mailbox.open.is_empty();
                if idle && !mailbox.suspended && crate::readable(fd) {
                    // Once too often, as what it told of was dropped: a look makes it quiet.
                    assert_eq!(recv(mailbox.id).0, TD_EAGAIN);
                }
                assert!(!idle || !crate::readable(fd), "the descriptor is quiet when nothing waits");
            }
        }
        for (group, members) in GROUPS.iter().zip(&self.groups) {
            assert_eq!(group_members(self.engine, group), members.say(), "the members of {group}");
        }
        for (number, watch) in self.watches.iter_mut().enumerate().filter(|(_, watch)| watch.alive) {
            let told = |entry: &Entry| entry.what == What::Edge(number) || entry.what == What::Resync(number);
            let mailbox = &self.mailboxes[watch.watcher];
            if !mailbox.queue.iter().any(told) && !mailbox.has_in_hand(told) {
                let sorted = |Members(mut members): Members| {
                    members.sort_unstable();
                    members
                };
                let truth = sorted(self.groups[watch.group].clone());
                assert_eq!(sorted(watch.known()), truth, "what a watch has told");
            }
        }
        let c = engine_stats(self.engine);
        let total: u64 = self.live.iter().map(|number| self.mailboxes[*number].bytes()).sum();
        let given_back: u64 = self.live.iter().map(|number| self.mailboxes[*number].given_back).sum();
        // Which of the requests that nobody waits for were dropped first is not told.
        let stale = |number: &usize| self.mailboxes[*number].queue.iter().any(|entry| self.is_stale(entry));
        assert!(c.queued_bytes == total || self.live.iter().any(stale), "{} queued bytes, not {total}", c.queued_bytes);
        assert!(c.queued_bytes <= c.max_bytes + given_back, "{c:?}: over the budget");
        let held = self.names.iter().filter(|holder| holder.is_some()).count() as u64;
        assert_eq!((c.mailboxes, c.names), (self.live.len() as u64, held), "mailboxes, names");
        assert_eq!(c.subscriptions, self.subscriptions.iter().filter(|s| s.alive).count() as u64, "subscriptions");
        let users = |timer: &&Timer| timer.armed && !matches!(timer.due, Due::Call(_));
        assert_eq!(c.timers, self.timers.iter().filter(users).count() as u64, "timers");
        assert_eq!(c.dead_letters, self.dead_letters, "dead letters");
        for (name, holder) in NAMES.iter().zip(self.names) {
            assert_eq!(whereis(self.engine, name).1, self.id(holder), "the holder of {name}");
        }
        self.timers.iter().for_each(|timer| assert!(!timer.armed || timer.deadline > self.now));
    }
}
