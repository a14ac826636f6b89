//! The queue of armed timers: a wheel of buckets by deadline, and a heap of those whose bucket has come.
//!
//! Guarantees:
//! * [`Wheel::peek`] is the entry of the smallest (deadline, seq). `seq` is unique, so the order is total: equal
//!   deadlines come out in the order of `seq`.
//! * After every call, what `place(record, position)` was told last is exact for each record in the wheel, and
//!   [`NOWHERE`] for each that has left it. A timer is cancelled without a search.
//! * `push` and `remove` of a timer that is not about to fire touch its bucket and its neighbours there only, however
//!   many timers there are. Each timer moves to a finer level at most once a level, as its time comes near. `peek` looks
//!   through one bucket, when the first of it is not known.
//!
//! Invariants, with `now` in ticks: an entry is in the heap when its tick is at most `now`, else in the level of the
//! highest digit in which its tick differs from `now`, in the bucket of its own digit there. So a bucket of a lower
//! level comes before all of a higher one, and within a level they come in the order of their numbers. `place` must not
//! panic.

use super::heap::{Entry, Heap};

pub use super::heap::NOWHERE;

/// log2 of the nanoseconds of a tick, and of the buckets of a level.
const TICK: u32 = 20;
const DIGIT: u32 = 10;
const BUCKETS: usize = 1 << DIGIT;
/// Together they reach to the end of time.
const LEVELS: usize = (63 - TICK).div_ceil(DIGIT) as usize;
/// Nodes that are kept when there are no timers.
const KEPT: usize = 1024;
/// A position with this bit is one of the heap.
const IN_HEAP: u32 = 1 << 31;
/// No node; the bucket of a node that is free.
const NONE: u32 = u32::MAX;

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Wheel {
    /// Everything up to this tick is in the heap.
    now: u64,
    near: Heap,
    levels: [Option<Box<Level>>; LEVELS],
    nodes: Vec<Node>,
    /// First of the free nodes.
    free: u32,
    /// Entries in buckets.
    far: usize,
    /// The node of the first of them, where that is known.
    first: Option<u32>,
}

/// Buckets are lists of nodes, in no order.
#[derive(Debug)]
struct Level {
    heads: [u32; BUCKETS],
    /// Bit by bit, which of them have any.
    used: [u64; BUCKETS / 64],
}

#[derive(Clone, Copy, Debug)]
struct Node {
    entry: Entry,
    /// Level and number.
    bucket: u32,
    previous: u32,
    next: u32,
}

fn tick(deadline: i64) -> u64 {
    (deadline.max(0) as u64) >> TICK
}

fn digit(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * DIGIT)) as usize & (BUCKETS - 1)
}

impl Level {
    fn first_used(&self) -> Option<usize> {
        let word = self.used.iter().position(|word| *word != 0)?;
        Some(word * 64 + self.used[word].trailing_zeros() as usize)
    }
}

/// Positions in the heap are told apart from nodes.
fn in_heap(place: &mut impl FnMut(u32, u32)) -> impl FnMut(u32, u32) + '_ {
    move |record, position| place(record, if position == NOWHERE { NOWHERE } else { position | IN_HEAP })
}

impl Wheel {
    #[cfg(test)]
    fn len(&self) -> usize {
        self.near.len() + self.far
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        let far = self.nodes.iter().filter(|node| node.bucket != NONE);
        self.near.iter().chain(far.map(|node| &node.entry))
    }

    /// The entry that is due first.
    pub fn peek(&mut self) -> Option<Entry> {
        match self.near.peek() {
            Some(first) => Some(*first),
            None => self.first_far().map(|at| self.nodes[at as usize].entry),
        }
    }

    pub fn push(&mut self, entry: Entry, place: &mut impl FnMut(u32, u32)) {
        if tick(entry.deadline) <= self.now {
            return self.near.push(entry, &mut in_heap(place));
        }
        let at = self.take_node(entry);
        self.link(at);
        place(entry.record, at);
        let before = |first: u32| entry.before(&self.nodes[first as usize].entry);
        if self.far == 0 || self.first.is_some_and(before) {
            self.first = Some(at);
        }
        self.far += 1;
    }

    /// Takes out the entry that is due first.
    pub fn pop(&mut self, place: &mut impl FnMut(u32, u32)) -> Option<Entry> {
        let near = self.near.pop(&mut in_heap(place));
        near.or_else(|| self.first_far().map(|at| self.remove(at, place)))
    }

    /// Takes out the entry at `position`, as `place` was last told for its record.
    ///
    /// # Panics
    /// When there is no such position, [`NOWHERE`] included.
    pub fn remove(&mut self, position: u32, place: &mut impl FnMut(u32, u32)) -> Entry {
        assert!(position != NOWHERE, "the timer is in no wheel");
        if position & IN_HEAP != 0 {
            return self.near.remove(position & !IN_HEAP, &mut in_heap(place));
        }
        self.unlink(position);
        let entry = self.free_node(position);
        place(entry.record, NOWHERE);
        entry
    }

    /// Time has come to `now`: moves what is about to fire to where it is in order.
    pub fn advance(&mut self, now: i64, place: &mut impl FnMut(u32, u32)) {
        let until = tick(now);
        while let Some((level, number, start)) = self.first_bucket().filter(|(.., start)| *start <= until) {
            self.now = start;
            let mut at = self.empty(level, number);
            while at != NONE {
                let Node { entry, next, .. } = self.nodes[at as usize];
                if tick(entry.deadline) <= start {
                    self.free_node(at);
                    self.near.push(entry, &mut in_heap(place));
                } else {
                    self.link(at);
                }
                at = next;
            }
        }
        self.now = self.now.max(until);
    }

    /// The node of the first entry that is in a bucket.
    fn first_far(&mut self) -> Option<u32> {
        if self.first.is_none() {
            let (level, number, _) = self.first_bucket()?;
            let mut at = self.levels[level].as_ref()?.heads[number];
            let mut first = at;
            while at != NONE {
                if self.nodes[at as usize].entry.before(&self.nodes[first as usize].entry) {
                    first = at;
                }
                at = self.nodes[at as usize].next;
            }
            self.first = Some(first);
        }
        self.first
    }

    /// Level, number and first tick of the bucket that comes first.
    fn first_bucket(&self) -> Option<(usize, usize, u64)> {
        let used = |level: usize| self.levels[level].as_ref().and_then(|buckets| buckets.first_used());
        let (level, number) = (0..LEVELS).find_map(|level| Some((level, used(level)?)))?;
        let low = level as u32 * DIGIT;
        let above = self.now >> low >> DIGIT << DIGIT;
        Some((level, number, (above | number as u64) << low))
    }

    fn take_node(&mut self, entry: Entry) -> u32 {
        let node = Node { entry, bucket: NONE, previous: NONE, next: NONE };
        // Zero free nodes: the list ends at the number of the node behind the last.
        if self.free as usize == self.nodes.len() {
            assert!(self.nodes.len() < IN_HEAP as usize, "the wheel is full");
            self.nodes.push(node);
            self.free = self.nodes.len() as u32;
            return self.free - 1;
        }
        let at = self.free;
        self.free = self.nodes[at as usize].next;
        self.nodes[at as usize] = node;
        at
    }

    /// Gives a node back that is in no bucket.
    fn free_node(&mut self, at: u32) -> Entry {
        let node = &mut self.nodes[at as usize];
        let entry = node.entry;
        (node.bucket, node.next) = (NONE, self.free);
        self.free = at;
        self.far -= 1;
        if self.first == Some(at) {
            self.first = None;
        }
        if self.far == 0 {
            self.nodes.clear();
            // What a burst of timers needed is not kept for ever.
            self.nodes.shrink_to(KEPT);
            self.free = 0;
        }
        entry
    }

    /// Puts a node in the bucket of its time.
    fn link(&mut self, at: u32) {
        let tick = tick(self.nodes[at as usize].entry.deadline);
        let level = ((tick ^ self.now).ilog2() / DIGIT) as usize;
        let number = digit(tick, level);
        let none = || Box::new(Level { heads: [NONE; BUCKETS], used: [0; BUCKETS / 64] });
        let buckets = self.levels[level].get_or_insert_with(none);
        let next = std::mem::replace(&mut buckets.heads[number], at);
        buckets.used[number / 64] |= 1 << (number % 64);
        let node = &mut self.nodes[at as usize];
        (node.bucket, node.previous, node.next) = ((level << DIGIT | number) as u32, NONE, next);
        if next != NONE {
            self.nodes[next as usize].previous = at;
        }
    }

    /// Takes a node out of its bucket.
    fn unlink(&mut self, at: u32) {
        let Node { bucket, previous, next, .. } = self.nodes[at as usize];
        assert!(bucket != NONE, "position {at} is not in the wheel");
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous != NONE {
            self.nodes[previous as usize].next = next;
            return;
        }
        let (level, number) = (bucket as usize >> DIGIT, bucket as usize & (BUCKETS - 1));
        if let Some(buckets) = &mut self.levels[level] {
            buckets.heads[number] = next;
            if next == NONE {
                buckets.used[number / 64] &= !(1 << (number % 64));
            }
        }
    }

    /// Takes a bucket's whole list.
    fn empty(&mut self, level: usize, number: usize) -> u32 {
        let Some(buckets) = &mut self.levels[level] else { return NONE };
        buckets.used[number / 64] &= !(1 << (number % 64));
        std::mem::replace(&mut buckets.heads[number], NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The wheel, the plain map it must agree with, and the positions the records were told.
    #[derive(Default)]
    struct Checked {
        wheel: Wheel,
        model: BTreeMap<(i64, u64), u32>,
        positions: Vec<u32>,
        now: i64,
    }

    impl Checked {
        fn push(&mut self, deadline: i64) {
            let record = self.positions.len() as u32;
            // Against the order of insertion and of records, so that only seq can be what decides.
            let seq = u64::MAX - u64::from(record);
            self.positions.push(NOWHERE);
            self.model.insert((deadline, seq), record);
            let entry = Entry { deadline, seq, record };
            self.wheel.push(entry, &mut |record, at| self.positions[record as usize] = at);
        }

        fn pop(&mut self) {
            let got = self.wheel.pop(&mut |record, at| self.positions[record as usize] = at);
            assert_eq!(got.map(|e| ((e.deadline, e.seq), e.record)), self.model.pop_first());
        }

        fn remove(&mut self, choice: prop::sample::Index) {
            let keys: Vec<_> = self.model.keys().copied().collect();
            if keys.is_empty() {
                return;
            }
            let key = *choice.get(&keys);
            let record = self.model.remove(&key).unwrap();
            let at = self.positions[record as usize];
            let got = self.wheel.remove(at, &mut |record, at| self.positions[record as usize] = at);
            assert_eq!(((got.deadline, got.seq), got.record), (key, record));
        }

        fn advance(&mut self, by: i64) {
            self.now = self.now.saturating_add(by);
            self.wheel.advance(self.now, &mut |record, at| self.positions[record as usize] = at);
        }

        fn check(&mut self, peeks: bool) {
            assert_eq!(self.wheel.len(), self.model.len());
            if peeks {
                let first = self.model.first_key_value().map(|(&key, _)| key);
                assert_eq!(self.wheel.peek().map(|e| (e.deadline, e.seq)), first);
            }
            let mut all: Vec<_> = self.wheel.iter().map(|e| ((e.deadline, e.seq), e.record)).collect();
            all.sort_unstable();
            assert!(all.iter().copied().eq(self.model.iter().map(|(&key, &record)| (key, record))));
            let told = self.positions.iter().filter(|at| **at != NOWHERE).count();
            assert_eq!(told, self.model.len());
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// From the time that it is.
        PushIn(i64),
        Push(i64),
        Pop,
        Remove(prop::sample::Index),
        Advance(i64),
    }

    /// Spans of every level, so that buckets of all of them meet.
    fn span() -> impl Strategy<Value = i64> {
        prop_oneof![
            4 => 0..20_000_000i64,
            4 => (0..62u32, any::<i64>()).prop_map(|(bits, any)| any & ((1 << bits) - 1)),
            // Ends and beginnings of buckets.
            2 => (0..42u32, 0..3i64).prop_map(|(bits, more)| (1 << (TICK + bits)) + more - 1),
        ]
    }

    fn step() -> impl Strategy<Value = (Step, bool)> {
        let ends = prop_oneof![Just(i64::MIN), Just(0), Just(i64::MAX), Just(i64::MAX - 1), any::<i64>()];
        let step = prop_oneof![
            8 => span().prop_map(Step::PushIn),
            1 => ends.prop_map(Step::Push),
            3 => Just(Step::Pop),
            4 => any::<prop::sample::Index>().prop_map(Step::Remove),
            3 => span().prop_map(Step::Advance),
        ];
        (step, any::<bool>())
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in prop::collection::vec(step(), 1..250)) {
            let mut checked = Checked::default();
            for (step, peeks) in steps {
                match step {
                    Step::PushIn(span) => checked.push(checked.now.saturating_add(span)),
                    Step::Push(deadline) => checked.push(deadline),
                    Step::Pop => checked.pop(),
                    Step::Remove(choice) => checked.remove(choice),
                    Step::Advance(by) => checked.advance(by),
                }
                checked.check(peeks);
            }
            while !checked.model.is_empty() {
                checked.pop();
                checked.check(true);
            }
        }
    }

    #[test]
    fn what_is_due_is_in_the_heap_and_in_order() {
        let mut checked = Checked::default();
        for deadline in 0..5000i64 {
            checked.push(deadline * 7_919_000_000 % 5_000_000_000);
        }
        for now in (0..5_000_000_000i64).step_by(50_000_000) {
            checked.advance(now - checked.now);
            assert!(checked.wheel.near.len() < 200, "{} are near at {now}", checked.wheel.near.len());
            while checked.wheel.peek().is_some_and(|first| first.deadline <= now) {
                checked.pop();
            }
        }
    }

    #[test]
    #[should_panic(expected = "is in no wheel")]
    fn removing_what_is_nowhere_panics() {
        Wheel::default().remove(NOWHERE, &mut |_, _| {});
    }
}
