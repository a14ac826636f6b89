//! P1: one thread to one thread, 64 bytes. The sender makes a fresh box for each message, the receiver reads its
//! first and last byte and frees it; time runs from the common start to the last message read.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use crate::Rows;

pub const USAGE: &str = "crossbeam-1024|crossbeam-unbounded|kanal-1024";
const BOUND: usize = 1024;
const MESSAGES: u64 = 2_000_000;
const WARM_UP: u64 = 100_000;

type Payload = Box<[u8; 64]>;

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [peer] = words else { return None };
    let nanoseconds = match *peer {
        "crossbeam-1024" => {
            let (tx, rx) = crossbeam_channel::bounded(BOUND);
            run(move |p| tx.send(p).is_ok(), move || rx.recv().ok())
        }
        "crossbeam-unbounded" => {
            let (tx, rx) = crossbeam_channel::unbounded();
            run(move |p| tx.send(p).is_ok(), move || rx.recv().ok())
        }
        "kanal-1024" => {
            let (tx, rx) = kanal::bounded(BOUND);
            run(move |p| tx.send(p).is_ok(), move || rx.recv().ok())
        }
        _ => return None,
    };
    Some(vec![("ns_per_message", nanoseconds)])
}

fn run(send: impl Fn(Payload) -> bool + Send + 'static, recv: impl Fn() -> Option<Payload>) -> f64 {
    let start = Arc::new(Barrier::new(2));
    let at_start = start.clone();
    let sender = thread::spawn(move || {
        let template = [7u8; 64];
        let fresh = |i: u64| {
            let mut payload: Payload = Box::new(black_box(template));
            payload[0] = i as u8;
            payload
        };
        (0..WARM_UP).for_each(|i| assert!(send(fresh(i))));
        at_start.wait();
        (0..MESSAGES).for_each(|i| assert!(send(fresh(i))));
    });
    let take = |i: u64| {
        let payload = recv().expect("the sender lives");
        assert!(payload[0] == i as u8 && payload[63] == 7);
    };
    (0..WARM_UP).for_each(take);
    start.wait();
    let begun = Instant::now();
    (0..MESSAGES).for_each(take);
    let taken = begun.elapsed();
    sender.join().expect("the sender ends well");
    taken.as_nanos() as f64 / MESSAGES as f64
}
