//! P11: fan-out, 64 bytes. Every message is a fresh allocation that the subscribers share; each reads its first and
//! last byte. Time runs from the first publish to the last delivery.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crate::runtime::runtime;
use crate::Rows;

pub const USAGE: &str = "tokio-broadcast|kanal-loop SUBSCRIBERS";
const DELIVERIES: usize = 2_000_000;
/// Of tokio's ring; a publisher that is further ahead overwrites what a slow subscriber has not read.
const RING: usize = 1024;
const STEP: usize = 256;

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [peer, subscribers] = words else { return None };
    let subscribers: usize = subscribers.parse().ok().filter(|n| *n > 0)?;
    let messages = (DELIVERIES / subscribers).clamp(64, 400_000);
    let nanoseconds = match *peer {
        "tokio-broadcast" => tokio_broadcast(subscribers, messages),
        "kanal-loop" => kanal_loop(subscribers, messages),
        _ => return None,
    };
    Some(vec![("ns_per_delivery", nanoseconds / (messages * subscribers) as f64)])
}

fn fresh(number: usize) -> Arc<[u8]> {
    let mut payload: Arc<[u8]> = Arc::from(&black_box([7u8; 64])[..]);
    Arc::get_mut(&mut payload).expect("nobody shares it yet")[0] = number as u8;
    payload
}

fn read(payload: &[u8], number: usize) {
    assert!(payload[0] == number as u8 && payload[63] == 7);
}

/// A task for each subscriber of a broadcast channel.
fn tokio_broadcast(subscribers: usize, messages: usize) -> f64 {
    let runtime = runtime();
    let warm_up = messages / 4;
    let (tx, _) = tokio::sync::broadcast::channel::<Arc<[u8]>>(RING);
    // How many have read each step of the messages, and the warm-up.
    let steps: Vec<_> = (0..(warm_up + messages) / STEP).map(|_| AtomicUsize::new(0)).collect();
    let finished = Arc::new((steps, AtomicUsize::new(0)));
    let readers: Vec<_> = (0..subscribers)
        .map(|_| {
            let (mut rx, finished) = (tx.subscribe(), finished.clone());
            runtime.spawn(async move {
                for number in 0..warm_up + messages {
                    read(&rx.recv().await.expect("none is overwritten"), number);
                    if (number + 1) % STEP == 0 {
                        finished.0[number / STEP].fetch_add(1, Release);
                    }
                    if number + 1 == warm_up {
                        finished.1.fetch_add(1, Release);
                    }
                }
            })
        })
        .collect();
    let wait_for = |count: &AtomicUsize| {
        while count.load(Acquire) < subscribers {
            thread::yield_now();
        }
    };
    let publish = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            // What this step overwrites has been read by all.
            if number % STEP == 0 && number >= RING {
                wait_for(&finished.0[(number - RING) / STEP]);
            }
            tx.send(fresh(number)).expect("there are readers");
        }
    };
    publish(0..warm_up);
    wait_for(&finished.1);
    let begun = Instant::now();
    publish(warm_up..warm_up + messages);
    for reader in readers {
        runtime.block_on(reader).expect("a reader ends well");
    }
    begun.elapsed().as_nanos() as f64
}

/// A channel for each subscriber, written and read by one thread; no topics.
fn kanal_loop(subscribers: usize, messages: usize) -> f64 {
    let channels: Vec<_> = (0..subscribers).map(|_| kanal::unbounded::<Arc<[u8]>>()).collect();
    let run = |from: usize, to: usize| {
        for number in from..to {
            let payload = fresh(number);
            for (tx, _) in &channels {
                tx.send(payload.clone()).expect("the channel is open");
            }
            for (_, rx) in &channels {
                read(&rx.recv().expect("a message"), number);
            }
        }
    };
    run(0, messages / 4);
    let begun = Instant::now();
    run(0, messages);
    begun.elapsed().as_nanos() as f64
}
