//! What ends, and what must come of it.
//!
//! Guarantees: the order of a death is rule 11's; those who end with a mailbox follow one after the other.

use crate::c::*;
use crate::model::*;
use crate::watches::{Subject, GROUPS};
use crate::world::*;
use std::collections::VecDeque;

impl World {
    pub fn mark(&mut self, number: usize, reason: i32) {
        self.live.retain(|other| *other != number);
        // What was dropped as stale before the end was not discarded by it.
        self.expire(number);
        self.discard(number);
        let mailbox = &mut self.mailboxes[number];
        (mailbox.alive, mailbox.reason) = (false, reason);
        mailbox.queue.clear();
        self.touched.push(number);
    }

    /// What is left in a mailbox that ends counts as discarded: for the receipts of its watchers, and for a drain.
    fn discard(&mut self, number: usize) {
        let mailbox = &self.mailboxes[number];
        let waiting = mailbox.open.iter().flat_map(|open| &open.items).filter(|h| !h.passed && !h.flushed);
        let left: Vec<Entry> = mailbox.queue.iter().chain(waiting.map(|handed| &handed.entry)).cloned().collect();
        for entry in &left {
            self.count_for_receipts(number, entry, |receipt| receipt.discarded += 1);
        }
        let mailbox = &self.mailboxes[number];
        if let Some(draining) = &mut self.draining {
            let before = draining.before.remove(&number).expect("nothing was opened since");
            draining.delivered += mailbox.count.delivered - before;
            draining.undelivered += mailbox.queue.len() as u64 + mailbox.in_hand();
        }
    }

    /// Counts what becomes of a message for those of its sender's monitors that want to know.
    pub fn count_for_receipts(&mut self, target: usize, entry: &Entry, count: impl Fn(&mut Receipt)) {
        if entry.kind >= TD_KIND_MEMBER {
            return;
        }
        for watch in &self.mailboxes[target].watched {
            let Watch::Monitor(number) = *watch else { continue };
            let monitor = &mut self.monitors[number];
            let own = self.mailboxes[monitor.watcher].id == entry.from;
            monitor.receipt.iter_mut().filter(|receipt| own && receipt.since < entry.taken_in).for_each(&count);
        }
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
                self.tell_all(Subject::Members(group), id, TD_LEFT, b"");
            }
        }
        self.carry_no_more(number);
        for own in subscriptions {
            self.subscriptions[own].alive = false;
            self.interest_in(self.subscriptions[own].pattern, false);
        }
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
                self.unwatch(self.calls[own].holder, Watch::Call(own));
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
}
