//! What a watch tells, against a plain model.
//!
//! Guarantees: after each message, whatever overflows, is put back or evicted, what its reader knows is a true state.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn ids(message: &Message) -> Vec<Id> {
    let bytes = text(message);
    bytes.chunks(8).map(|id| Id(u64::from_ne_bytes(id.try_into().unwrap()))).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    Kill(usize),
    Fill,
    Take,
    Batch(usize),
    Keep,
    GiveBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3usize).prop_map(Step::Join),
        3 => (0..3usize).prop_map(Step::Leave),
        1 => (0..3usize).prop_map(Step::Kill),
        1 => Just(Step::Fill),
        3 => Just(Step::Take),
        2 => (0..4usize).prop_map(Step::Batch),
        1 => Just(Step::Keep),
        2 => (0..4usize).prop_map(Step::GiveBack),
    ]
}

type Members = BTreeMap<u64, usize>;

/// What the watcher believes, and all that ever was true: belief always is a truth, and never goes back.
struct Belief {
    now: Members,
    truths: Vec<Members>,
    at: usize,
}

impl Belief {
    fn hear(&mut self, message: &Message) {
        match message.kind {
            KIND_RESYNC => {
                self.now.clear();
                ids(message).iter().for_each(|id| *self.now.entry(id.0).or_default() += 1);
            }
            KIND_MEMBER if message.status == STATUS_JOINED => *self.now.entry(message.from.0).or_default() += 1,
            KIND_MEMBER => {
                let count = self.now.get_mut(&message.from.0).expect("who left was there");
                *count -= 1;
                self.now.retain(|_, count| *count > 0);
            }
            _ => return,
        }
        let later = self.truths[self.at..].iter().position(|truth| *truth == self.now);
        self.at += later.unwrap_or_else(|| panic!("{:?} never was so after {}: {:?}", self.now, self.at, self.truths));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 300 }, ..ProptestConfig::default() })]

    #[test]
    fn what_a_watch_tells_always_is_a_true_state(
        bound in 1..4u64, policy in prop::sample::select(vec![0u32, 2, 3]), steps in prop::collection::vec(step(), 1..80),
    ) {
        let engine = super::engine();
        let w = bounded(engine, policy, bound);
        let mut who: Vec<Id> = (0..3).map(|_| mailbox(engine)).collect();
        let (_, then) = group_watch(w, "g", 1).unwrap();
        message_release(then.owner).unwrap();
        let mut truth = Members::new();
        let mut belief = Belief { now: Members::new(), truths: vec![truth.clone()], at: 0 };
        let mut open: Option<Batch> = None;
        let pass = |belief: &mut Belief, batch: &mut Batch, most: usize| {
            for _ in 0..most {
                match batch_next(batch).unwrap() {
                    Some(message) => belief.hear(&message),
                    None => break,
                }
            }
            batch_release(batch).unwrap();
        };
        for step in steps {
            match step {
                Step::Join(at) => {
                    group_join(who[at], "g").unwrap();
                    *truth.entry(who[at].0).or_default() += 1;
                    belief.truths.push(truth.clone());
                }
                Step::Leave(at) if group_leave(who[at], "g").is_ok() => {
                    *truth.get_mut(&who[at].0).unwrap() -= 1;
                    truth.retain(|_, count| *count > 0);
                    belief.truths.push(truth.clone());
                }
                Step::Kill(at) => {
                    mailbox_kill(who[at]).unwrap();
                    while let Some(count) = truth.get_mut(&who[at].0) {
                        *count -= 1;
                        truth.retain(|_, count| *count > 0);
                        belief.truths.push(truth.clone());
                    }
                    who[at] = mailbox(engine);
                }
                Step::Fill => drop(send(w, Id::NONE, 99, b"x")),
                Step::Take if open.is_none() => {
                    if let Ok(message) = recv(w, 0, false) {
                        belief.hear(&message);
                        message_release(message.owner).unwrap();
                    }
                }
                Step::Batch(most) if open.is_none() => {
                    if let Ok(mut batch) = recv_batch(w, 0, false) {
                        pass(&mut belief, &mut batch, most);
                    }
                }
                Step::Keep if open.is_none() => open = recv_batch(w, 0, false).ok(),
                Step::GiveBack(most) => {
                    if let Some(mut batch) = open.take() {
                        pass(&mut belief, &mut batch, most);
                    }
                }
                _ => {}
            }
            balanced(w);
        }
        if let Some(mut batch) = open.take() {
            pass(&mut belief, &mut batch, 0);
        }
        while let Ok(message) = recv(w, 0, false) {
            belief.hear(&message);
            message_release(message.owner).unwrap();
        }
        prop_assert_eq!(&belief.now, &truth);
        balanced(w);
        engine_close(engine).unwrap();
    }
}
