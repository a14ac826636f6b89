//! The timers that are about to fire: a 4-ary min-heap by (deadline, seq) that tells every record where its
//! entry is.
//!
//! Guarantees:
//! * [`Heap::peek`] is the entry of the smallest (deadline, seq). `seq` is unique, so the order is
//!   total: equal deadlines come out in the order of `seq`.
//! * After every call, what `place(record, position)` was told last is exact for each record in the
//!   heap, and [`NOWHERE`] for each that has left it. A timer is cancelled without a search.
//! * `push`, `pop` and `remove` take O(log n) steps. Entries move through a hole: one write and one
//!   `place` per level, and only records that moved are told.
//!
//! Four children rather than two: half the levels, and the four lie side by side in memory. `place`
//! must not panic.

/// The position of a record that is not in the heap.
pub const NOWHERE: u32 = u32::MAX;

const CHILDREN: usize = 4;

/// One armed timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Nanoseconds of the engine's clock.
    pub deadline: i64,
    /// Order of creation; no two entries of a heap share it.
    pub seq: u64,
    /// Whom to tell the position.
    pub record: u32,
}

impl Entry {
    fn key(&self) -> (i64, u64) {
        (self.deadline, self.seq)
    }

    pub fn before(&self, other: &Entry) -> bool {
        self.key() < other.key()
    }
}

/// See the top of this file.
#[derive(Debug, Default)]
pub struct Heap {
    /// No entry is before its parent; the parent of `i` is `(i - 1) / 4`.
    entries: Vec<Entry>,
}

impl Heap {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The entry that is due first.
    pub fn peek(&self) -> Option<&Entry> {
        self.entries.first()
    }

    pub fn push(&mut self, e: Entry, place: &mut impl FnMut(u32, u32)) {
        let hole = self.entries.len();
        assert!(hole < NOWHERE as usize, "the heap is full: {hole} entries");
        self.entries.push(e);
        self.rise(hole, e, place);
    }

    /// Takes out the entry that is due first.
    pub fn pop(&mut self, place: &mut impl FnMut(u32, u32)) -> Option<Entry> {
        if self.is_empty() {
            return None;
        }
        Some(self.remove(0, place))
    }

    /// Takes out the entry at `position`, as `place` was last told for its record.
    ///
    /// # Panics
    /// When the heap has no such position, [`NOWHERE`] included.
    pub fn remove(&mut self, position: u32, place: &mut impl FnMut(u32, u32)) -> Entry {
        let hole = position as usize;
        let len = self.len();
        assert!(hole < len, "position {position} is not in a heap of {len} entries");
        let removed = self.entries.swap_remove(hole);
        place(removed.record, NOWHERE);
        // The last entry fills the hole, unless it was the one that left. It comes from another
        // branch, so it may belong above the hole as well as below it.
        if let Some(&moved) = self.entries.get(hole) {
            if hole > 0 && moved.before(&self.entries[parent(hole)]) {
                self.rise(hole, moved, place);
            } else {
                self.sink(hole, moved, place);
            }
        }
        removed
    }

    /// Moves the hole up to where `e` belongs and puts it there.
    fn rise(&mut self, mut hole: usize, e: Entry, place: &mut impl FnMut(u32, u32)) {
        while hole > 0 && e.before(&self.entries[parent(hole)]) {
            self.put(hole, self.entries[parent(hole)], place);
            hole = parent(hole);
        }
        self.put(hole, e, place);
    }

    /// Moves the hole down to where `e` belongs and puts it there.
    fn sink(&mut self, mut hole: usize, e: Entry, place: &mut impl FnMut(u32, u32)) {
        while let Some(child) = self.first_child(hole) {
            if !self.entries[child].before(&e) {
                break;
            }
            self.put(hole, self.entries[child], place);
            hole = child;
        }
        self.put(hole, e, place);
    }

    fn put(&mut self, position: usize, e: Entry, place: &mut impl FnMut(u32, u32)) {
        self.entries[position] = e;
        place(e.record, position as u32);
    }

    /// The child of `position` that is due first.
    fn first_child(&self, position: usize) -> Option<usize> {
        let from = position * CHILDREN + 1;
        let to = (from + CHILDREN).min(self.len());
        (from..to).min_by_key(|&child| self.entries[child].key())
    }
}

fn parent(position: usize) -> usize {
    (position - 1) / CHILDREN
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The heap, the plain map it must agree with, and the positions the records were told.
    #[derive(Default)]
    struct Checked {
        heap: Heap,
        model: BTreeMap<(i64, u64), u32>,
        positions: Vec<u32>,
    }

    impl Checked {
        fn push(&mut self, deadline: i64) {
            let record = self.positions.len() as u32;
            // Against the order of insertion and of records, so that only seq can be what decides.
            let seq = u64::MAX - u64::from(record);
            self.positions.push(NOWHERE);
            self.model.insert((deadline, seq), record);
            let e = Entry { deadline, seq, record };
            self.heap.push(e, &mut |record, at| self.positions[record as usize] = at);
        }

        fn pop(&mut self) {
            let got = self.heap.pop(&mut |record, at| self.positions[record as usize] = at);
            assert_eq!(got.map(|e| (e.key(), e.record)), self.model.pop_first());
        }

        fn remove(&mut self, choice: prop::sample::Index) {
            let keys: Vec<_> = self.model.keys().copied().collect();
            if keys.is_empty() {
                return;
            }
            let key = *choice.get(&keys);
            let record = self.model.remove(&key).unwrap();
            let at = self.positions[record as usize];
            let got = self.heap.remove(at, &mut |record, at| self.positions[record as usize] = at);
            assert_eq!((got.key(), got.record), (key, record));
        }

        fn check(&self) {
            assert_eq!(self.heap.len(), self.model.len());
            assert_eq!(self.heap.is_empty(), self.model.is_empty());
            let first = self.model.first_key_value();
            assert_eq!(self.heap.peek().map(Entry::key), first.map(|(&key, _)| key));
            let mut expected = vec![NOWHERE; self.positions.len()];
            for (i, e) in self.heap.entries.iter().enumerate() {
                expected[e.record as usize] = i as u32;
                assert!(i == 0 || !e.before(&self.heap.entries[(i - 1) / 4]), "entry {i}");
            }
            assert_eq!(self.positions, expected);
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(i64),
        Pop,
        Remove(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few deadlines, so that many are equal; and the ends of the range.
        let deadline = prop_oneof![
            8 => -4..12i64,
            1 => Just(i64::MIN),
            1 => Just(i64::MAX),
            4 => any::<i64>(),
        ];
        prop_oneof![
            6 => deadline.prop_map(Step::Push),
            2 => Just(Step::Pop),
            3 => any::<prop::sample::Index>().prop_map(Step::Remove),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_an_ordered_map(steps in prop::collection::vec(step(), 1..250)) {
            let mut checked = Checked::default();
            for step in steps {
                match step {
                    Step::Push(deadline) => checked.push(deadline),
                    Step::Pop => checked.pop(),
                    Step::Remove(choice) => checked.remove(choice),
                }
                checked.check();
            }
            while !checked.model.is_empty() {
                checked.pop();
                checked.check();
            }
        }
    }

    #[test]
    fn a_step_tells_at_most_one_record_per_level() {
        // 4^0 + ... + 4^7 entries are eight full levels.
        let (mut heap, count, levels) = (Heap::default(), 21845, 8);
        for record in 0..count {
            let (deadline, seq) = (-i64::from(record), u64::from(record));
            let e = Entry { deadline, seq, record };
            let mut told = 0;
            heap.push(e, &mut |_, _| told += 1);
            assert!((1..=levels).contains(&told), "{told} records were told of a push");
        }
        for turn in 0..count {
            let position = turn * 7919 % (count - turn);
            let mut told = 0;
            heap.remove(position, &mut |_, _| told += 1);
            // One more, the record that leaves.
            assert!((1..=levels + 1).contains(&told), "{told} records were told of a removal");
        }
        assert!(heap.is_empty());
    }

    #[test]
    #[should_panic(expected = "position 0 is not in a heap of 0 entries")]
    fn removing_past_the_end_panics() {
        Heap::default().remove(0, &mut |_, _| {});
    }
}
