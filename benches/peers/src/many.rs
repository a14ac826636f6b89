//! P13: many channels. Makes them, sends each one message of 8 bytes, receives it, and drops them. The bytes are what
//! the process's resident memory grew by, for each channel, without the handles that the program keeps.

use std::time::Instant;

use crate::Rows;

pub const USAGE: &str = "flume|kanal CHANNELS";

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [peer, count] = words else { return None };
    let count = count.parse().ok().filter(|n| *n > 0)?;
    match *peer {
        "flume" => Some(run(count, flume::unbounded, |(tx, _), n| tx.send(n).is_ok(), |(_, rx)| rx.recv().ok())),
        "kanal" => Some(run(count, kanal::unbounded, |(tx, _), n| tx.send(n).is_ok(), |(_, rx)| rx.recv().ok())),
        _ => None,
    }
}

fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("/proc is there");
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096.0
}

fn run<C>(count: usize, open: fn() -> C, send: fn(&C, u64) -> bool, receive: fn(&C) -> Option<u64>) -> Rows {
    let mut channels: Vec<Option<C>> = (0..count).map(|_| None).collect();
    let warm = open();
    assert!(send(&warm, 1) && receive(&warm) == Some(1));
    drop(warm);

    let (at_first, begun) = (resident(), Instant::now());
    channels.iter_mut().for_each(|channel| *channel = Some(open()));
    let (create, empty) = (begun.elapsed(), resident());
    let each = || channels.iter().flatten().zip(0u64..);
    each().for_each(|(channel, number)| assert!(send(channel, number)));
    let with_one = resident();
    each().for_each(|(channel, number)| assert!(receive(channel) == Some(number)));
    let begun = Instant::now();
    channels.iter_mut().for_each(|channel| *channel = None);
    let destroy = begun.elapsed();

    let each = |total: f64| total / count as f64;
    vec![
        ("create_ns", each(create.as_nanos() as f64)),
        ("destroy_ns", each(destroy.as_nanos() as f64)),
        ("bytes_empty", each(empty - at_first)),
        ("bytes_with_one", each(with_one - at_first)),
    ]
}
