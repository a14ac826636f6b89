//! Two threads send one number to and fro, each waiting for it: the time of a round trip.

use std::thread;
use std::time::Instant;

use crate::channels::{self, Channel, Job};
use crate::{percentiles, Rows};

pub const USAGE: &str = "CHANNEL";
const ROUNDS: usize = 50_000;
const WARM_UP: usize = 5_000;

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [channel] = words else { return None };
    channels::with(channel, PingPong)
}

struct PingPong;

impl Job for PingPong {
    type Out = Rows;
    fn run<C: Channel>(self) -> Rows {
        let (there_tx, there_rx) = C::open::<u64>();
        let (back_tx, back_rx) = C::open::<u64>();
        let echo = thread::spawn(move || (0..WARM_UP + ROUNDS).for_each(|_| C::send(&back_tx, C::recv(&there_rx))));
        let mut taken = vec![0.0; WARM_UP + ROUNDS];
        for (i, taken) in taken.iter_mut().enumerate() {
            let begun = Instant::now();
            C::send(&there_tx, i as u64);
            assert_eq!(C::recv(&back_rx), i as u64);
            *taken = begun.elapsed().as_nanos() as f64;
        }
        echo.join().expect("the echo ends well");
        percentiles(&mut taken[WARM_UP..])
    }
}
