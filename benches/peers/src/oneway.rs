//! One-way traffic into one channel. 8 bytes travel as a number; of more the sender makes a fresh box for each message.
//! The receiver reads the first and the last byte of each and frees it; time runs from the common start to the last
//! message read.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use crate::channels::{self, Channel, Job};
use crate::Rows;

pub const USAGE: &str = "CHANNEL 8|64|1024|65536 SENDERS|same|same:BURST";

/// What is sent.
trait Payload: Send + 'static {
    fn fresh(template: &[u8], i: u64) -> Self;
    /// The first byte, once the last has been looked at.
    fn read(self) -> u64;
}

impl Payload for u64 {
    #[inline]
    fn fresh(template: &[u8], i: u64) -> Self {
        u64::from(template[0]) << 56 | i & 0xFF
    }
    #[inline]
    fn read(self) -> u64 {
        assert_eq!(self >> 56, 7);
        self & 0xFF
    }
}

impl<const N: usize> Payload for Box<[u8; N]> {
    #[inline]
    fn fresh(template: &[u8], i: u64) -> Self {
        let mut fresh: Self = Box::<[u8]>::from(template).try_into().expect("the template is of this size");
        fresh[0] = i as u8;
        fresh
    }
    #[inline]
    fn read(self) -> u64 {
        assert_eq!(self[N - 1], 7);
        u64::from(self[0])
    }
}

#[derive(Clone, Copy)]
enum From {
    Threads(u64),
    /// One thread, in bursts.
    Same(u64),
}

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [channel, size, from] = words else { return None };
    let from = match from.split_once(':') {
        Some(("same", burst)) => From::Same(burst.parse().ok()?),
        _ if *from == "same" => From::Same(1),
        _ => From::Threads(from.parse().ok()?),
    };
    channels::with(channel, OneWay { size: size.parse().ok()?, from })?
}

struct OneWay {
    size: usize,
    from: From,
}

impl Job for OneWay {
    type Out = Option<Rows>;
    fn run<C: Channel>(self) -> Self::Out {
        let nanoseconds = match self.size {
            8 => run::<C, u64>(8, self.from, 2_000_000),
            64 => run::<C, Box<[u8; 64]>>(64, self.from, 2_000_000),
            1024 => run::<C, Box<[u8; 1024]>>(1024, self.from, 500_000),
            65536 => run::<C, Box<[u8; 65536]>>(65536, self.from, 16_384),
            _ => return None,
        };
        Some(vec![("ns_per_message", nanoseconds)])
    }
}

fn run<C: Channel, P: Payload>(size: usize, from: From, count: u64) -> f64 {
    match from {
        From::Threads(senders) => threads::<C, P>(size, senders, count),
        From::Same(burst) => one_thread::<C, P>(size, burst, count),
    }
}

fn send<C: Channel, P: Payload>(tx: &C::Tx<P>, template: &[u8], count: u64) {
    (0..count).for_each(|i| C::send(tx, P::fresh(template, i)));
}

fn receive<C: Channel, P: Payload>(rx: &C::Rx<P>, count: u64) -> u64 {
    (0..count).map(|_| C::recv(rx).read()).sum()
}

/// Of the first bytes of so many messages.
fn sum_of(count: u64) -> u64 {
    count / 256 * (255 * 256 / 2) + (count % 256) * (count % 256).saturating_sub(1) / 2
}

fn one_thread<C: Channel, P: Payload>(size: usize, burst: u64, count: u64) -> f64 {
    let (tx, rx) = C::open::<P>();
    let template = vec![7; size];
    let rounds = count / burst;
    let some = |rounds| {
        for _ in 0..rounds {
            send::<C, P>(&tx, &template, burst);
            assert_eq!(receive::<C, P>(&rx, burst), sum_of(burst));
        }
    };
    some(rounds / 20 + 1);
    let begun = Instant::now();
    some(rounds);
    begun.elapsed().as_nanos() as f64 / (rounds * burst) as f64
}

fn threads<C: Channel, P: Payload>(size: usize, senders: u64, count: u64) -> f64 {
    let (tx, rx) = C::open::<P>();
    let start = Arc::new(Barrier::new(senders as usize + 1));
    let (share, warm_up) = (count / senders, count / senders / 20);
    let threads: Vec<_> = (0..senders)
        .map(|_| {
            let (tx, start, template) = (tx.clone(), start.clone(), vec![7; size]);
            thread::spawn(move || {
                send::<C, P>(&tx, &template, warm_up);
                start.wait();
                send::<C, P>(&tx, &template, share);
            })
        })
        .collect();
    let mut sum = receive::<C, P>(&rx, warm_up * senders);
    start.wait();
    let begun = Instant::now();
    sum += receive::<C, P>(&rx, share * senders);
    let taken = begun.elapsed();
    threads.into_iter().for_each(|thread| thread.join().expect("a sender ends well"));
    assert_eq!(sum, senders * (sum_of(share) + sum_of(warm_up)));
    taken.as_nanos() as f64 / (share * senders) as f64
}
