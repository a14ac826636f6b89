//! Rings by themselves: guarantees of `ring`, one test each.

use super::*;

fn brief(read: &Read) -> (u8, u64, i64) {
    (read.event, read.times, read.amount)
}

/// A ring whose thread has been busy long enough to look at the clock as seldom as ever; the time was 0.
fn busy(rows: &Rows) -> Ring<'_> {
    let ring = Ring(rows);
    while ring.head()[2].load(Relaxed) < MOST {
        ring.write(100, 0, 0, 0, 0);
    }
    ring
}

/// What was written after [`busy`].
fn news(ring: Ring<'_>) -> Vec<Read> {
    ring.read().into_iter().filter(|read| read.event != 100).collect()
}

#[test]
fn a_ring_keeps_the_last_events() {
    let rows = Ring::room();
    let ring = Ring(&rows);
    for at in 0..EVENTS as u64 + 5 {
        ring.write(1, at, 0, -(at as i64), at);
    }
    let read = ring.read();
    assert_eq!(read.len(), EVENTS - 1);
    for (at, read) in read.iter().enumerate() {
        let number = at as u64 + 6;
        assert_eq!((read.number, read.stamp, read.id, read.amount), (number, number, number, -(number as i64)));
        assert_eq!((read.event, read.times, read.about), (1, 1, false));
    }
}

#[test]
fn repeats_are_counted_together() {
    let rows = Ring::room();
    let ring = busy(&rows);
    let often = |event, id, amount| ring.sum_up(event, id, 0, amount, |_| 7);
    (0..3).for_each(|_| often(1, 5, 100));
    often(1, 6, 1);
    ring.close();
    often(1, 6, 2);
    ring.write(2, 6, 0, -3, 9);
    often(2, 6, 4);
    let briefs: Vec<_> = news(ring).iter().map(brief).collect();
    assert_eq!(briefs, [(1, 3, 300), (1, 1, 1), (1, 1, 2), (2, 2, 1)]);
}

#[test]
fn only_equal_codes_are_repeats() {
    let rows = Ring::room();
    let ring = busy(&rows);
    for code in [-11, -11, -11, -3, -11] {
        ring.repeat(1, 5, 6, code, |_| 7);
    }
    let briefs: Vec<_> = news(ring).iter().map(brief).collect();
    assert_eq!(briefs, [(1, 3, -11), (1, 1, -3), (1, 1, -11)]);
}

#[test]
fn a_flood_of_one_event_leaves_what_was_before_it() {
    let rows = Ring::room();
    let ring = busy(&rows);
    ring.write(1, 0, 0, 0, 0);
    (0..(EVENTS as u64 - 20) * MOST).for_each(|at| ring.repeat(2, 5, 6, -11, |_| at / 100));
    let read = ring.read();
    assert!(read.iter().any(|read| read.event == 1));
    assert_eq!(
        read.iter().filter(|read| read.event == 2).map(|read| read.times).sum::<u64>(),
        (EVENTS as u64 - 20) * MOST
    );
}

#[test]
fn a_busy_thread_looks_at_the_clock_now_and_then_and_others_always() {
    let rows = Ring::room();
    let (ring, looks) = (Ring(&rows), std::cell::Cell::new(0));
    let event = |id, time: u64| {
        ring.sum_up(1, id, 0, 0, |_| {
            looks.set(looks.get() + 1);
            time
        })
    };
    (0..100).for_each(|at| event(at, at * 10 * BUSY));
    assert_eq!(looks.take(), 100, "an event in ten microseconds looks each time");
    assert!(ring.read().iter().all(|read| !read.about && read.stamp == read.id * 10 * BUSY));
    (100..100 + 20 * MOST).for_each(|at| event(at, 1000 * BUSY + at));
    assert!((20..30).contains(&looks.take()), "a busy one seldom");
    let read = ring.read();
    assert!(read
        .windows(2)
        .all(|two| two[0].stamp <= two[1].stamp && (two[1].about == (two[0].stamp == two[1].stamp))));
    ring.close();
    event(1, 2000 * BUSY);
    event(2, 3000 * BUSY);
    assert_eq!(looks.get(), 2, "one that has waited looks again");
}

#[test]
fn amounts_that_are_too_large_are_cut() {
    let rows = Ring::room();
    let ring = busy(&rows);
    ring.write(1, 0, 0, i64::MAX, 0);
    ring.write(1, 0, 0, i64::MIN, 0);
    let most = (1 << 47) - 1;
    let amounts: Vec<_> = news(ring).iter().map(|read| read.amount).collect();
    assert_eq!(amounts, [most, -most]);
    for _ in 0..100 {
        ring.sum_up(2, 0, 0, u64::MAX, |_| 0);
    }
    let sum = |read: &Read| read.times as i64 * SUMMABLE as i64;
    assert!(news(ring).iter().skip(2).all(|read| read.event == 2 && read.times <= MOST && read.amount == sum(read)));
}

#[test]
fn each_event_is_told_as_its_threads() {
    let rows = Ring::room();
    let ring = Ring(&rows);
    let owner = |number: u32| Owner { number, process: 1, name: [number as u64 + 10, number as u64 + 20] };
    for number in 1..4 {
        ring.hand_over(owner(number), 0);
        (0..number as u64).for_each(|_| ring.write(1, number as u64, 0, 0, 0));
    }
    let read = ring.read();
    assert_eq!(read.iter().map(|read| read.id).collect::<Vec<_>>(), [1, 2, 2, 3, 3, 3]);
    for read in read {
        let told = read.owner.unwrap();
        let wanted = owner(read.id as u32);
        assert_eq!((told.number, told.name), (wanted.number, wanted.name));
    }
    assert_eq!(ring.owner(), owner(3));
}
