//! What is delivered, and what must be so after each step.
//!
//! Guarantees: after every step each mailbox it touched has the counters that the model has, and rule 4's equation
//! holds; a message that is delivered is the one that the model has next, in every field; a monitor fires once, a call
//! has one outcome, a release or drop function runs once.

use crate::c::*;
use crate::model::*;
use crate::watches::{Subject, GROUPS, HALL};
use crate::world::*;

impl World {
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
                let data = entry.said.clone().unwrap_or_else(|| self.says(number));
                let watch = &mut self.watches[number];
                let (subject, info) = (watch.subject, watch.subject.info(&data));
                if entry.key > watch.snapshot.0 {
                    watch.snapshot = (entry.key, subject.things(&data));
                }
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
            What::Edge(number) => self.watches[number].came(entry),
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

    /// Drops as many stale requests as the library says it has dropped, the oldest first.
    pub fn expire(&mut self, number: usize) {
        self.expire_sought(number, |_| false);
    }

    /// As [`expire`](Self::expire), after a search, which drops only what it would have taken.
    pub fn expire_sought(&mut self, number: usize, sought: impl Fn(&Entry) -> bool) {
        let Some(stats) = stats(self.mailboxes[number].id) else { return };
        while self.mailboxes[number].alive && self.mailboxes[number].count.expired < stats.expired {
            let queue = &self.mailboxes[number].queue;
            let found = queue.iter().position(|entry| self.is_stale(entry) && sought(entry));
            let at = found.or_else(|| queue.iter().position(|entry| self.is_stale(entry)));
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
        self.taken(number, at, message);
        assert_eq!(release(message), 0);
        assert_eq!(release(message), TD_ESTALE, "a second release");
    }

    /// As [`received`](Self::received), of a message that is not released yet.
    pub fn taken(&mut self, number: usize, at: usize, message: &td_message) -> Entry {
        self.settle_copies(number, at, message.r#ref);
        let entry = self.mailboxes[number].queue.remove(at).expect("an entry");
        self.compare(number, message, &entry);
        self.count_for_receipts(number, &entry, |receipt| receipt.consumed += 1);
        self.mailboxes[number].count.delivered += 1;
        entry
    }

    /// A batch was taken out: what is in it is at the front of the queue.
    pub fn open_batch(&mut self, number: usize, batch: &td_batch, own: bool) {
        self.expire(number);
        let mut items = Vec::new();
        for (_, reference) in kinds(batch).into_iter().filter(|(kind, _)| *kind != TD_KIND_GAP) {
            let at = self.first(number, |_| true).expect("a batch holds what was queued");
            self.settle_copies(number, at, reference);
            let mut entry = self.mailboxes[number].queue.remove(at).expect("an entry");
            if let What::Resync(watch) = entry.what {
                entry.said = entry.said.or_else(|| Some(self.says(watch)));
            }
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
        // The cursor passes over requests whose callers no longer wait, and over what was flushed meanwhile: how much of
        // that, the library says.
        let flushed = stats(self.mailboxes[number].id).map_or(0, |stats| stats.flushed);
        let mut expected = None;
        for at in 0..if alive { self.mailboxes[number].open[which].items.len() } else { 0 } {
            let Handed { entry, passed, flushed: gone, cut } = &self.mailboxes[number].open[which].items[at];
            if *passed || *gone {
                continue;
            }
            let (stale, cut) = (self.is_stale(entry), *cut);
            if !stale && !cut {
                expected = Some(at);
                break;
            }
            let mailbox = &mut self.mailboxes[number];
            if stale {
                mailbox.count.expired += 1;
            } else if mailbox.count.flushed < flushed {
                mailbox.count.flushed += 1;
            } else {
                continue;
            }
            mailbox.open[which].items[at].flushed = true;
        }
        let open = &mut self.mailboxes[number].open[which];
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
        self.count_for_receipts(number, &entry, |receipt| receipt.consumed += 1);
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
                Handed { entry, .. } if alive => match entry.what {
                    What::Resync(watch) if self.watches[watch].newest != entry.key => {
                        // It is out of date, and with a newer one to come so are the edges between.
                        mailbox.count.flushed += 1;
                        if mailbox.queue.iter().any(|e| e.what == What::Resync(watch) && e.said.is_none()) {
                            mailbox.flush_all(|entry| entry.what == What::Edge(watch));
                        }
                    }
                    _ => back.push(entry),
                },
                _ => {}
            }
        }
        mailbox.put_back(back);
        self.touched.push(number);
    }

    /// Gives back every batch of a pulling receiver.
    pub fn close_batches(&mut self) {
        for number in 0..self.mailboxes.len() {
            while let Some(mut batch) = self.mailboxes[number].open.first().and_then(|open| open.batch) {
                assert_eq!(batch_release(&mut batch), 0);
                self.close_batch(number, 0);
            }
        }
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
        assert_eq!(presence_keys(self.engine, HALL), self.state(Subject::Keys), "the keys that are present");
        let states: Vec<_> = self.watches.iter().map(|watch| self.state(watch.subject)).collect();
        for (number, watch) in self.watches.iter_mut().enumerate().filter(|(_, watch)| watch.alive) {
            let told = |entry: &Entry| entry.what == What::Edge(number) || entry.what == What::Resync(number);
            let mailbox = &self.mailboxes[watch.watcher];
            if !mailbox.queue.iter().any(told) && !mailbox.has_in_hand(told) {
                let sorted = |Members(mut members): Members| {
                    members.sort_unstable();
                    members
                };
                let truth = sorted(watch.subject.things(&states[number]));
                assert_eq!(sorted(watch.known()), truth, "what a watch of {:?} has told", watch.subject);
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
        let users = |timer: &&Timer| timer.armed && !matches!(timer.due, Due::Call(_) | Due::Lapse(_));
        assert_eq!(c.timers, self.timers.iter().filter(users).count() as u64, "timers");
        assert_eq!(c.dead_letters, self.dead_letters, "dead letters");
        for (name, holder) in NAMES.iter().zip(self.names) {
            assert_eq!(whereis(self.engine, name).1, self.id(holder), "the holder of {name}");
        }
        self.timers.iter().for_each(|timer| assert!(!timer.armed || timer.deadline > self.now));
    }
}
