//! A thread writes its ring of the flight recorder while another reads it.
//!
//! Guarantees: what is read was written as one event, in the order of writing; one that was being written over is left
//! out; what had been written before the reader began, and was not written over, is there.

use super::*;
use crate::recorder::{Ring, EVENTS};

fn write(ring: &Ring, number: u64) {
    ring.write(number as u8, number, number, number as i64, number);
}

#[test]
fn a_reader_sees_whole_events_only() {
    explore(|| {
        let ring = Arc::new(Ring::default());
        write(&ring, 0);
        let other = ring.clone();
        let writer = thread::spawn(move || (1..4).for_each(|number| write(&other, number)));
        let read = ring.read();
        assert!(read.len() <= EVENTS);
        for event in &read {
            let number = event.number;
            assert_eq!([event.stamp, event.event as u64, event.amount as u64, event.id, event.other], [number; 5]);
        }
        assert!(read.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
        writer.join().unwrap();
        assert_eq!(ring.read().iter().map(|event| event.number).collect::<Vec<_>>(), [2, 3]);
    });
}

#[test]
fn repeats_are_counted_under_a_reader() {
    explore(|| {
        let ring = Arc::new(Ring::default());
        let other = ring.clone();
        let writer = thread::spawn(move || {
            for _ in 0..3 {
                other.write_often(1, 5, 6, 10, || 7);
            }
            other.write_often(2, 5, 6, 10, || 7);
        });
        for event in ring.read() {
            assert_eq!((event.stamp, event.id, event.other), (7, 5, 6));
            assert_eq!(event.amount as u64, 10 * event.times);
        }
        writer.join().unwrap();
        assert_eq!(ring.read().iter().map(|event| event.times).collect::<Vec<_>>(), [3, 1]);
    });
}
