//! One message of 64 bytes, shared, to N channels in a loop, on each of which a thread of its own is parked: the time
//! until the last of them has read it.

use std::sync::atomic::{AtomicUsize, Ordering::AcqRel};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant};

use crate::channels::{self, Channel, Job};
use crate::{percentiles, Rows};

pub const USAGE: &str = "CHANNEL READERS";
const ROUNDS: usize = 41;
const WARM_UP: usize = 5;

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [channel, readers] = words else { return None };
    channels::with(channel, WakeUp { readers: readers.parse().ok()? })
}

struct WakeUp {
    readers: usize,
}

impl Job for WakeUp {
    type Out = Rows;
    fn run<C: Channel>(self) -> Rows {
        let readers = self.readers;
        let arrived = Arc::new(AtomicUsize::new(0));
        let (all_read, last) = mpsc::channel();
        let (channels, threads): (Vec<_>, Vec<_>) = (0..readers)
            .map(|_| {
                let (tx, rx) = C::open::<Arc<[u8]>>();
                let (arrived, all_read) = (arrived.clone(), all_read.clone());
                let reader = move || {
                    for i in 0..WARM_UP + ROUNDS {
                        let payload = C::recv(&rx);
                        assert!(payload[0] == i as u8 && payload[63] == 7);
                        if (arrived.fetch_add(1, AcqRel) + 1) % readers == 0 {
                            all_read.send(Instant::now()).expect("the publisher waits");
                        }
                    }
                };
                (tx, thread::Builder::new().stack_size(256 << 10).spawn(reader).expect("a thread for each reader"))
            })
            .unzip();
        let mut taken = vec![0.0; WARM_UP + ROUNDS];
        for (i, taken) in taken.iter_mut().enumerate() {
            // Until all are parked.
            thread::sleep(Duration::from_micros(2_000 + 20 * readers as u64));
            let begun = Instant::now();
            let mut payload = [7; 64];
            payload[0] = i as u8;
            let payload: Arc<[u8]> = Arc::from(&payload[..]);
            channels.iter().for_each(|tx| C::send(tx, payload.clone()));
            let last: Instant = last.recv().expect("a reader lives");
            *taken = (last - begun).as_nanos() as f64;
        }
        threads.into_iter().for_each(|thread| thread.join().expect("a reader ends well"));
        percentiles(&mut taken[WARM_UP..])
    }
}
