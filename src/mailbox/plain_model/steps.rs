//! The steps: what can happen to a mailbox, done to it and to its model.
//!
//! Guarantees: a step that names something picks one of those there are, so that every sequence makes sense, and every
//! part of one does.

use super::*;

/// Size of a payload, and whether it is lent.
pub type Payloads = (usize, bool);

/// What a receive looks for: each field that is given must fit.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    kind: Option<u32>,
    tag: Option<(u64, u64)>,
    from: Option<u64>,
    reference: Option<(u8, usize)>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Send(u64, u64, Payloads),
    SendMany(Vec<usize>),
    Request(u64, Payloads),
    Expire(usize, bool),
    Subscribe(u32, Policy),
    Publish(usize, u64, Payloads),
    Unsubscribe(usize, bool),
    Arm { timer: bool, repeats: bool, tag: u64, payload: Payloads },
    Fire(usize),
    Cancel(usize, bool),
    Receive,
    Select(Wish),
    SelectAgain(usize),
    Peek,
    Rewind,
    Take,
    Batch,
    Next(usize),
    Skip(usize, u32),
    GiveBack(usize),
    Retain(usize),
    LetGo(usize),
}

/// A sequence, printed with a step to a line.
#[derive(Clone)]
pub struct Steps(pub Vec<Step>);

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "\n    {step:?},"))
    }
}

pub fn steps() -> impl Strategy<Value = Steps> {
    prop::collection::vec(step(), 1..120).prop_map(Steps)
}

fn step() -> impl Strategy<Value = Step> {
    let payload = || (prop_oneof![6 => 0..40usize, 2 => 40..700usize, 1 => 700..6000usize], any::<bool>());
    let (tag, from, any_one) = (0..4u64, 0..3u64, 0..8usize);
    let policy = prop::sample::select(vec![Policy::DropNew, Policy::DropOld, Policy::Conflate, Policy::Kill]);
    let kinds = [KIND_MESSAGE, KIND_REQUEST, KIND_TOPIC, KIND_DOWN, KIND_TIMER];
    let wish = (
        prop::option::of(prop::sample::select(kinds.to_vec())),
        prop::option::of((0..4u64, 0..4u64)),
        prop::option::weighted(0.2, 0..3u64),
        prop::option::weighted(0.3, (0..3u8, 0..8usize)),
    )
        .prop_map(|(kind, tag, from, reference)| Wish { kind, tag, from, reference });
    let arm = (any::<bool>(), any::<bool>(), 0..4u64, payload()).prop_map(|(timer, repeats, tag, payload)| Step::Arm {
        timer,
        repeats: timer && repeats,
        tag,
        payload,
    });
    prop_oneof![
        10 => (tag.clone(), from, payload()).prop_map(|(tag, from, payload)| Step::Send(tag, from, payload)),
        2 => prop::collection::vec(0..80usize, 0..6).prop_map(Step::SendMany),
        3 => (tag.clone(), payload()).prop_map(|(tag, payload)| Step::Request(tag, payload)),
        2 => (any_one.clone(), any::<bool>()).prop_map(|(which, gone)| Step::Expire(which, gone)),
        2 => (0..4u32, policy).prop_map(|(limit, policy)| Step::Subscribe(limit, policy)),
        5 => (any_one.clone(), tag, payload()).prop_map(|(which, tag, payload)| Step::Publish(which, tag, payload)),
        1 => (any_one.clone(), any::<bool>()).prop_map(|(which, flush)| Step::Unsubscribe(which, flush)),
        3 => arm,
        5 => any_one.clone().prop_map(Step::Fire),
        2 => (any_one.clone(), any::<bool>()).prop_map(|(which, flush)| Step::Cancel(which, flush)),
        6 => Just(Step::Receive),
        4 => wish.prop_map(Step::Select),
        2 => any_one.clone().prop_map(Step::SelectAgain),
        4 => Just(Step::Peek),
        1 => Just(Step::Rewind),
        2 => Just(Step::Take),
        3 => Just(Step::Batch),
        6 => any_one.clone().prop_map(Step::Next),
        1 => (any_one.clone(), 1..4u32).prop_map(|(which, by)| Step::Skip(which, by)),
        3 => any_one.clone().prop_map(Step::GiveBack),
        1 => any_one.clone().prop_map(Step::Retain),
        3 => any_one.prop_map(Step::LetGo),
    ]
}

fn one_of<T>(of: &[T], which: usize) -> Option<usize> {
    (!of.is_empty()).then(|| which % of.len())
}

impl Both {
    fn item(&mut self, kind: u32, tag: u64, from: u64, (size, by_ref): Payloads) -> Item {
        let bytes = self.bytes(size, by_ref);
        let topic = if kind == KIND_TOPIC { "a.topic" } else { "" };
        Item { kind, tag, from, reference: 0, bytes, topic, is_signal: false, replaced: 0 }
    }

    pub fn run(&mut self, step: Step) {
        match step {
            Step::Send(tag, from, payload) => {
                let item = self.item(KIND_MESSAGE, tag, from, payload);
                self.offer(item);
            }
            Step::SendMany(sizes) => self.send_many(&sizes),
            Step::Request(tag, payload) => {
                let making = Making {
                    usage: Use::Call,
                    owner: Id::NONE,
                    target: Id::NONE,
                    holds: 1,
                    home: 0,
                    body: Body::default(),
                };
                let ticket = self.store.shots.make(making).unwrap().0;
                self.tickets.push(ticket);
                let item = Item { reference: ticket.0, ..self.item(KIND_REQUEST, tag, 0, payload) };
                self.offer(item);
            }
            Step::Expire(which, gone) => self.expire(which, gone),
            Step::Subscribe(limit, policy) => {
                let id = self.store.quotas.open(self.id, limit, policy).unwrap();
                self.store.list_quota(self.id, id).unwrap();
                self.subscriptions.push(id);
                let subscription = queue::Subscription { limit: limit as u64, policy };
                self.plain.subscriptions.insert(id.0, subscription);
            }
            Step::Publish(which, tag, payload) => {
                let Some(at) = one_of(&self.subscriptions, which) else { return };
                let id = self.subscriptions[at];
                let item = Item { reference: id.0, ..self.item(KIND_TOPIC, tag, 0, payload) };
                self.publish(id, item);
            }
            Step::Unsubscribe(which, flush) => self.unsubscribe(which, flush),
            Step::Arm { timer, repeats, tag, payload } => self.arm(timer, repeats, tag, payload),
            Step::Fire(which) => self.fire(which),
            Step::Cancel(which, flush) => self.cancel(which, flush),
            Step::Receive => {
                let got = self.store.recv(self.id, &POLL);
                let at = self.plain.oldest();
                self.received(got, at, false);
            }
            Step::Select(wish) => {
                let wanted = self.wanted(wish);
                self.selects.push((wanted, Select::new(wanted)));
                self.select(self.selects.len() - 1);
            }
            Step::SelectAgain(which) => {
                if let Some(at) = one_of(&self.selects, which) {
                    self.select(at);
                }
            }
            Step::Peek => self.peek(),
            Step::Rewind => (self.cursor, self.peeked) = (Cursor::default(), (0, 0, None)),
            Step::Take => self.take(),
            Step::Batch => match self.store.recv_batch(self.id, &POLL) {
                Ok(batch) => self.open(batch),
                Err(error) => assert_eq!((error, self.plain.oldest()), (Error::Again, None)),
            },
            Step::Next(which) => {
                if let Some(at) = one_of(&self.open, which) {
                    self.batch_next(at);
                }
            }
            Step::Skip(which, by) => {
                if let Some(at) = one_of(&self.open, which) {
                    let batch = &mut self.open[at].batch;
                    batch.cursor = (batch.cursor + by).min(batch.count);
                }
            }
            Step::GiveBack(which) => {
                if let Some(at) = one_of(&self.open, which) {
                    self.batch_release(at);
                }
            }
            Step::Retain(which) => {
                if let Some(at) = one_of(&self.open, which) {
                    let open = &self.open[at];
                    let copy = self.store.batch_retain(&open.batch).unwrap();
                    // Small ones that signals carry are copied into their frame.
                    let in_frame = |item: &&Item| !open.is_signals || item.bytes.size() > INLINE_MAX as u64;
                    let live = open.items.iter().filter_map(|handed| handed.entry.live()).filter(in_frame);
                    self.retained.push((copy, live.filter_map(|item| blocks(&item.bytes)).collect()));
                }
            }
            Step::LetGo(which) => {
                if let Some(at) = one_of(&self.held, which) {
                    self.store.release_message(self.held.remove(at).0).unwrap();
                } else if let Some(at) = one_of(&self.retained, which) {
                    self.store.batch_release(&mut self.retained.remove(at).0).unwrap();
                }
            }
        }
    }

    fn send_many(&mut self, sizes: &[usize]) {
        let items: Vec<Item> = sizes.iter().map(|size| self.item(KIND_MESSAGE, 2, 0, (*size, false))).collect();
        let data: Vec<(u64, &[u8])> = items
            .iter()
            .map(|item| match &item.bytes {
                Bytes::Copied(bytes) => (item.tag, &bytes[..]),
                Bytes::Lent(..) => unreachable!("small ones are copied"),
            })
            .collect();
        let (taken, roused) = self.store.push_many(self.id, Id::NONE, &data).unwrap();
        self.store.rouse(roused);
        drop(data);
        // Where it stopped the policy decides, message by message.
        for (at, item) in items.into_iter().enumerate() {
            if self.killed.is_some() {
                break;
            }
            match at < taken {
                true => assert_eq!(self.plain.send(item), Verdict::Queued),
                false => self.offer(item),
            }
        }
    }

    fn expire(&mut self, which: usize, gone: bool) {
        let Some(at) = one_of(&self.tickets, which) else { return };
        let ticket = self.tickets[at];
        if self.plain.stale.insert(ticket.0) {
            let cancelled = self.store.cancel(ticket.index(), ticket.life(), false);
            assert_eq!(cancelled, Cancelled::Armed);
            if gone {
                self.store.shots.let_go(ticket.index());
            }
        }
    }

    fn unsubscribe(&mut self, which: usize, flush: bool) {
        let Some(at) = one_of(&self.subscriptions, which) else { return };
        let id = self.subscriptions.remove(at);
        assert_eq!([(); 2].map(|()| self.store.close_quota(self.id, id)), [Ok(true), Ok(false)]);
        self.plain.subscriptions.remove(&id.0);
        if flush {
            self.store.flush_subscription(self.id, id).unwrap();
            let own = |item: &Item| item.kind == KIND_TOPIC && item.reference == id.0;
            self.plain.flush(own);
            let handed = self.open.iter_mut().flat_map(|open| &mut open.items);
            handed.filter(|handed| handed.entry.live().is_some_and(own)).for_each(|handed| handed.cut = true);
        }
        self.store.quotas.give_back(id);
    }

    fn arm(&mut self, timer: bool, repeats: bool, tag: u64, payload: Payloads) {
        let usage = if timer { Use::Timer } else { Use::Monitor };
        let bytes = self.bytes(payload.0, true);
        let data = self.block(&bytes);
        let body = Body { tag, data, rare: Rare::repeating(i64::from(repeats)), ..Body::default() };
        let making = Making { usage, owner: self.id, target: Id::NONE, holds: 1, home: 0, body };
        let id = self.store.shots.make(making).unwrap().0;
        self.store.link_owner(self.id, id.index(), Error::NoProc).unwrap();
        self.records.push(Record { id, repeats, armed: true, tag, bytes });
    }

    fn fire(&mut self, which: usize) {
        let Some(at) = one_of(&self.records, which) else { return };
        let (id, repeats) = (self.records[at].id, self.records[at].repeats);
        let fires = self.records[at].armed && !self.is_queued(id);
        assert_eq!(self.store.fire(id.index(), id.life(), |_| ()), fires);
        if fires {
            let kind = if id.is(Kind::Timer) { KIND_TIMER } else { KIND_DOWN };
            let Record { tag, ref bytes, .. } = self.records[at];
            let (bytes, reference) = (bytes.clone(), id.0);
            self.plain.signal(Item { kind, tag, from: 0, reference, bytes, topic: "", is_signal: true, replaced: 0 });
            self.records[at].armed = repeats;
        }
    }

    fn cancel(&mut self, which: usize, flush: bool) {
        let Some(at) = one_of(&self.records, which) else { return };
        let (id, armed) = (self.records[at].id, self.records[at].armed);
        let expected = match (self.is_queued(id), flush, armed) {
            (true, true, _) => Cancelled::Flushed,
            (true, false, _) => Cancelled::Queued,
            (false, _, true) => Cancelled::Armed,
            (false, _, false) => Cancelled::Over,
        };
        assert_eq!(self.store.cancel(id.index(), id.life(), flush), expected);
        if expected == Cancelled::Flushed {
            match self.in_hand(id) {
                Some((open, item)) => {
                    self.open[open].items[item].flushed = true;
                    self.plain.counts.flushed += 1;
                }
                None => assert_eq!(self.plain.flush(|item| item.is_signal && item.reference == id.0), 1),
            }
        }
        if matches!(expected, Cancelled::Flushed | Cancelled::Armed) {
            self.records[at].armed = false;
        }
    }

    fn wanted(&self, wish: Wish) -> Match {
        let mut wanted = Match { size: std::mem::size_of::<Match>(), ..Match::default() };
        if let Some(kind) = wish.kind {
            (wanted.fields, wanted.kind) = (wanted.fields | MATCH_KIND, kind);
        }
        if let Some((tag, mask)) = wish.tag {
            (wanted.fields, wanted.tag, wanted.tag_mask) = (wanted.fields | MATCH_TAG, tag, mask);
        }
        if let Some(from) = wish.from {
            (wanted.fields, wanted.from) = (wanted.fields | MATCH_FROM, Id(from));
        }
        let found = wish.reference.and_then(|(sort, which)| match sort {
            0 => one_of(&self.records, which).map(|at| self.records[at].id),
            1 => one_of(&self.tickets, which).map(|at| self.tickets[at]),
            _ => one_of(&self.subscriptions, which).map(|at| self.subscriptions[at]),
        });
        if let Some(reference) = found {
            (wanted.fields, wanted.r#ref) = (wanted.fields | MATCH_REF, reference.0);
        }
        wanted
    }

    fn select(&mut self, which: usize) {
        let (wanted, mut select) = self.selects.remove(which);
        let got = self.store.recv_select(self.id, &mut select, &POLL);
        self.selects.insert(which, (wanted, select));
        let message = self.plain.unexpired(0, &wanted);
        let signal = self.plain.first_signal(|_, item| wanted.accepts(item.kind, item.tag, item.from, item.reference));
        let at = [message, signal].into_iter().flatten().min();
        let by_ref = wanted.fields & MATCH_REF != 0;
        self.received(got, at, by_ref);
    }

    /// What a receive gave must be what the model has at `at`. A signal that was reached by its ref does not look at
    /// the messages, and so may show less of what was lost.
    fn received(&mut self, got: Result<Message>, at: Option<usize>, by_ref: bool) {
        let Some(at) = at else { return assert_eq!(got.map(|message| message.tag), Err(Error::Again)) };
        let message = got.expect("a message");
        let before = self.plain.queue.clone();
        let (item, mut lost) = self.plain.take(at);
        if by_ref && item.is_signal && message.lost < lost {
            self.plain.counts.shown -= lost;
            self.plain.queue = before;
            self.plain.queue.remove(at);
            lost = self.plain.take_lost(at, message.lost);
            self.plain.counts.shown += lost;
        }
        self.plain.counts.delivered += 1;
        self.hold(message, &item, lost);
    }

    fn peek(&mut self) {
        let (from, after, _) = self.peeked;
        let got = self.store.peek(self.id, &mut self.cursor, &POLL);
        let message = self.plain.unexpired(from, &Match::default());
        let signal = self.plain.first_signal(|key, _| key > after);
        let Some(at) = [message, signal].into_iter().flatten().min() else {
            return assert_eq!(got.map(|message| message.tag), Err(Error::Again));
        };
        let key = self.plain.queue[at].key;
        self.peeked = if message == Some(at) { (key + 1, after, Some(key)) } else { (from, key, Some(key)) };
        let item = self.plain.queue[at].live().expect("a live entry").clone();
        self.hold(got.expect("a message"), &item, 0);
    }

    fn take(&mut self) {
        let got = self.store.take(self.id, &self.cursor);
        let Some(key) = self.peeked.2 else { return assert_eq!(got.unwrap_err(), Error::Inval) };
        // A signal goes by its record: of a repeating timer it may be the next tick.
        let record = if self.cursor.words[2] & 1 == 0 { self.cursor.words[3] } else { 0 };
        let at = match record {
            0 => self.plain.unexpired_at(key),
            _ => self.plain.first_signal(|_, item| item.reference == record),
        };
        match at {
            Some(at) => self.received(got, Some(at), true),
            None => assert_eq!(got.unwrap_err(), Error::Stale),
        }
    }
}
