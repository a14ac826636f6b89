//! The world of one run: the engine, its model beside it, and the checks that hold the two together.
//!
//! Guarantees: after every step each mailbox it touched has the counters that the model has, and rule 4's equation
//! holds; a message that is delivered is the one that the model has next, in every field; a monitor fires once, a call
//! has one outcome, a release or drop function runs once.

use crate::c::*;
use crate::model::*;
use crate::random::Random;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::c_void;

pub const NAMES: [&str; 8] = ["ada", "bob", "cyd", "dee", "eve", "fay", "gus", "hal"];
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
        let engine = engine_open();
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
        assert!(mailbox.alive);
        mailbox.count.sent += 1;
        mailbox.queue.push_back(Entry { key, ..entry });
        self.touched.push(to);
    }

    pub fn down(&mut self, number: usize, reason: i32, data: &[u8]) {
        let monitor = &mut self.monitors[number];
        assert_eq!(monitor.state, State::Armed);
        monitor.state = State::Queued;
        let entry = Entry {
            key: 0,
            what: What::Down(number),
            kind: TD_KIND_DOWN,
            from: monitor.target.map_or(0, |target| self.mailboxes[target].id),
            tag: monitor.tag,
            reference: monitor.id,
            status: reason,
            data: data.to_vec(),
            topic: monitor.name,
            lent: None,
        };
        self.signal(self.monitors[number].watcher, entry);
    }

    pub fn answer(&mut self, number: usize, status: i32, data: &[u8]) {
        let call = &mut self.calls[number];
        assert_eq!(call.state, State::Armed);
        call.state = State::Queued;
        let entry = Entry {
            key: 0,
            what: What::Reply(number),
            kind: TD_KIND_REPLY,
            from: self.mailboxes[call.target].id,
            tag: call.tag,
            reference: call.id,
            status,
            data: data.to_vec(),
            topic: "",
            lent: None,
        };
        self.unwatch(self.calls[number].target, Watch::Call(number));
        self.signal(self.calls[number].caller, entry);
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
            key: 0,
            what: What::Tick(number),
            kind: TD_KIND_TIMER,
            from: 0,
            tag: timer.tag,
            reference: timer.id,
            status: 0,
            data: timer.data.clone(),
            topic,
            lent: None,
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
                Due::Call(call) => self.answer(call, TD_ETIMEDOUT, &[]),
            }
        }
        self.now = target;
    }

    /// A mailbox ends: names, subscriptions, own timers, monitors and calls go; then its watchers hear of it.
    pub fn die(&mut self, number: usize, reason: i32, data: &[u8]) {
        self.live.retain(|other| *other != number);
        let mailbox = &mut self.mailboxes[number];
        (mailbox.alive, mailbox.reason) = (false, reason);
        mailbox.queue.clear();
        let (names, subscriptions) = (std::mem::take(&mut mailbox.names), std::mem::take(&mut mailbox.subscriptions));
        let (monitors, calls) = (std::mem::take(&mut mailbox.monitors), std::mem::take(&mut mailbox.calls));
        let (timers, fd) = (std::mem::take(&mut mailbox.timers), mailbox.fd.take());
        names.into_iter().for_each(|name| self.names[name] = None);
        subscriptions.into_iter().for_each(|number| self.subscriptions[number].alive = false);
        timers.into_iter().for_each(|number| self.timers[number].armed = false);
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
        for watch in std::mem::take(&mut self.mailboxes[number].watched) {
            match watch {
                Watch::Monitor(monitor) => self.down(monitor, reason, data),
                Watch::Call(call) => {
                    self.answer(call, TD_EDOWN, data);
                    self.forget_deadline(call);
                }
            }
        }
        if let Some(fd) = fd {
            assert!(crate::readable(fd), "a descriptor is readable after the end");
            crate::close(fd);
        }
        for name in NAMES {
            assert_ne!(whereis(self.engine, name).1, self.mailboxes[number].id, "a name of the dead");
        }
        self.touched.push(number);
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
            _ => entry.reference,
        };
        assert_eq!(message.r#ref, reference, "ref of {entry:?}");
        assert!(bytes(message) == entry.data, "data of {entry:?}: {} bytes", message.data_size);
        assert_eq!(topic(message), entry.topic.as_bytes(), "topic of {entry:?}");
        if let Some(number) = entry.lent {
            assert_eq!(releases(number), 0, "released before it was read");
        }
        let shown = &mut self.mailboxes[to].count;
        shown.shown += message.lost;
        assert!(shown.shown <= shown.lost, "{} shown as lost, {} were", shown.shown, shown.lost);
        match entry.what {
            What::Message | What::Topic(_) | What::Request(None) => {}
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
        let tag = entry.tag;
        let twin = queue
            .iter()
            .position(|other| other.kind == TD_KIND_TOPIC && other.tag == tag && other.reference == reference);
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
        let live = kinds(batch).into_iter().filter(|kind| *kind != TD_KIND_GAP).count();
        let mut items = Vec::new();
        while items.len() < live {
            let at = self.first(number, |_| true).expect("a batch holds what was queued");
            let entry = self.mailboxes[number].queue.remove(at).expect("an entry");
            items.push(Handed { entry, passed: false, flushed: false, cut: false });
        }
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
        let (kind, tag) = (open.items[at].entry.kind, open.items[at].entry.tag);
        if kind == TD_KIND_TOPIC && open.items[at].entry.reference != reference {
            let twin = |handed: &Handed| handed.entry.tag == tag && handed.entry.reference == reference;
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
        let mailbox = &self.mailboxes[number];
        let Some(c) = stats(mailbox.id) else { return assert!(!mailbox.alive) };
        let count = &mailbox.count;
        assert_eq!(c.sent, c.delivered + c.lost + c.flushed + c.expired + c.discarded + c.queued, "rule 4: {c:?}");
        assert_eq!((c.sent, c.lost, c.flushed), (count.sent, count.lost, count.flushed), "sent, lost, flushed: {c:?}");
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
                assert!(!idle || !crate::readable(fd), "the descriptor is quiet when nothing waits");
            }
        }
        let c = engine_stats(self.engine);
        let held = self.names.iter().filter(|holder| holder.is_some()).count() as u64;
        assert_eq!((c.mailboxes, c.names), (self.live.len() as u64, held), "mailboxes, names");
        assert_eq!(c.subscriptions, self.subscriptions.iter().filter(|s| s.alive).count() as u64, "subscriptions");
        assert_eq!(c.timers, self.timers.iter().filter(|timer| timer.armed).count() as u64, "timers");
        assert_eq!(c.dead_letters, self.dead_letters, "dead letters");
        for (name, holder) in NAMES.iter().zip(self.names) {
            assert_eq!(whereis(self.engine, name).1, self.id(holder), "the holder of {name}");
        }
        self.timers.iter().for_each(|timer| assert!(!timer.armed || timer.deadline > self.now));
    }
}
