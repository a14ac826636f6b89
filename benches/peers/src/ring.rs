//! P14: a ring of tasks that pass a number on.

use std::sync::mpsc::channel;
use std::time::Instant;

use tokio::sync::mpsc::unbounded_channel;

use crate::runtime::runtime;
use crate::Rows;

pub const USAGE: &str = "tokio TASKS";
const HOPS: u64 = 500_000;
const WARM_UP: u64 = 50_000;

pub fn measure(words: &[&str]) -> Option<Rows> {
    let ["tokio", count] = words else { return None };
    let count: usize = count.parse().ok().filter(|n| *n > 0)?;
    let runtime = runtime();
    let (done, over) = channel();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| unbounded_channel::<u64>()).unzip();
    for (number, mut rx) in receivers.into_iter().enumerate() {
        let (next, done) = (senders[(number + 1) % count].clone(), done.clone());
        runtime.spawn(async move {
            while let Some(left) = rx.recv().await {
                match left {
                    0 => done.send(()).expect("main waits"),
                    _ => next.send(left - 1).expect("the ring is whole"),
                }
            }
        });
    }
    let go_round = |hops| {
        let begun = Instant::now();
        senders[0].send(hops).expect("the ring is whole");
        over.recv().expect("the last one tells");
        begun.elapsed()
    };
    go_round(WARM_UP);
    Some(vec![("ns_per_hop", go_round(HOPS).as_nanos() as f64 / HOPS as f64)])
}
