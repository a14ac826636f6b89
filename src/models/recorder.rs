//! A thread writes its ring of the flight recorder while another reads it.
//!
//! Guarantees: what is read was written as one event, in the order of writing; one that was being written over is left
//! out; what had been written before the reader began, and was not written over, is there; each event is told as that of
//! the thread which had the ring then. The reader is the thread that begins later: a model that begins with reading
//! a word which the writer reads before it writes it would not be taken any further.

use super::*;
use crate::here::{Rows, EVENTS};
use crate::recorder::{Owner, Read, Ring};

fn write(rows: &Rows, number: u64) {
    Ring(rows).write(number as u8, number, number, number as i64, number);
}

fn reader(rows: &Arc<Box<Rows>>) -> thread::JoinHandle<Vec<Read>> {
    let rows = rows.clone();
    thread::spawn(move || Ring(&rows).read())
}

#[test]
fn a_reader_sees_whole_events_only() {
    explore(|| {
        let rows = Arc::new(Ring::room());
        (1..4).for_each(|number| write(&rows, number));
        let reader = reader(&rows);
        (4..7).for_each(|number| write(&rows, number));
        let read = reader.join().unwrap();
        assert!(read.len() < EVENTS);
        for event in &read {
            let number = event.number + 1;
            assert_eq!([event.stamp, event.event as u64, event.amount as u64, event.id, event.other], [number; 5]);
        }
        assert!(read.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
        assert_eq!(Ring(&rows).read().iter().map(|event| event.id).collect::<Vec<_>>(), [4, 5, 6]);
    });
}

#[test]
fn repeats_are_counted_under_a_reader() {
    explore(|| {
        let rows = Arc::new(Ring::room());
        let reader = reader(&rows);
        // Busy, so that an event is looked at, and the next is its repeat.
        Ring(&rows).write(9, 0, 0, 0, 0);
        for event in [1, 1, 2] {
            Ring(&rows).sum_up(event, 5, 6, 10, |_| 0);
        }
        for event in reader.join().unwrap().into_iter().filter(|event| event.event != 9) {
            assert_eq!((event.stamp, event.id, event.other), (0, 5, 6));
            assert_eq!(event.amount as u64, 10 * event.times);
        }
        let times: Vec<_> = Ring(&rows).read().iter().map(|event| event.times).collect();
        assert_eq!(times.iter().sum::<u64>(), 4);
    });
}

#[test]
fn a_ring_that_changes_hands_under_a_reader() {
    explore(|| {
        let rows = Arc::new(Ring::room());
        let owner = |number: u32| Owner { number, process: 1, name: [number as u64; 2] };
        Ring(&rows).hand_over(owner(1), 0);
        write(&rows, 1);
        let reader = reader(&rows);
        Ring(&rows).hand_over(owner(2), 0);
        write(&rows, 2);
        for event in reader.join().unwrap() {
            if let Some(told) = event.owner {
                assert_eq!((told.number as u64, told.name), (event.id, [event.id; 2]));
            }
        }
        let owners: Vec<_> = Ring(&rows).read().iter().map(|event| event.owner.unwrap().number).collect();
        assert_eq!(owners, [1, 2]);
    });
}
