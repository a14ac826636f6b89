//! P9: a call and its reply, 8 bytes: the times of single calls. Between two threads the request carries a channel of
//! its own for the reply; between tasks it is what the library offers for that.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use crate::channels::{self, Channel, Job};
use crate::runtime::runtime;
use crate::{percentiles, Rows};

pub const USAGE: &str = "CHANNEL|tokio|ractor";
const CALLS: usize = 100_000;
const WARM_UP: usize = 10_000;

pub fn measure(words: &[&str]) -> Option<Rows> {
    let [peer] = words else { return None };
    let mut taken = match *peer {
        "tokio" => tokio_tasks(),
        "ractor" => ractor_actors(),
        channel => channels::with(channel, Threads)?,
    };
    Some(percentiles(&mut taken[WARM_UP..]))
}

/// One thread calls, another answers, through a channel that the request brings along.
struct Threads;

impl Job for Threads {
    type Out = Vec<f64>;
    fn run<C: Channel>(self) -> Vec<f64> {
        let (requests, rx) = C::open::<(u64, C::Tx<u64>)>();
        let server = thread::spawn(move || {
            for _ in 0..WARM_UP + CALLS {
                let (number, reply) = C::recv(&rx);
                C::send(&reply, number + 1);
            }
        });
        let call = |number| {
            let begun = Instant::now();
            let (reply, answer) = C::open();
            C::send(&requests, (black_box(number), reply));
            assert!(C::recv(&answer) == number + 1);
            begun.elapsed().as_nanos() as f64
        };
        let taken = (0..(WARM_UP + CALLS) as u64).map(call).collect();
        server.join().expect("the server ends well");
        taken
    }
}

fn tokio_tasks() -> Vec<f64> {
    use tokio::sync::{mpsc, oneshot};
    let runtime = runtime();
    let (tx, mut rx) = mpsc::unbounded_channel::<(u64, oneshot::Sender<u64>)>();
    runtime.spawn(async move {
        while let Some((number, reply)) = rx.recv().await {
            let _ = reply.send(number + 1);
        }
    });
    let caller = runtime.spawn(async move {
        let mut times = Vec::with_capacity(WARM_UP + CALLS);
        for number in 0..(WARM_UP + CALLS) as u64 {
            let begun = Instant::now();
            let (reply, answer) = oneshot::channel();
            tx.send((black_box(number), reply)).expect("the server lives");
            assert!(answer.await == Ok(number + 1));
            times.push(begun.elapsed().as_nanos() as f64);
        }
        times
    });
    runtime.block_on(caller).expect("the caller ends well")
}

fn ractor_actors() -> Vec<f64> {
    use ractor::rpc::CallResult;
    use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
    struct Server;
    struct Request(u64, RpcReplyPort<u64>);
    impl Actor for Server {
        type Msg = Request;
        type State = ();
        type Arguments = ();
        async fn pre_start(&self, _: ActorRef<Request>, _: ()) -> Result<(), ActorProcessingErr> {
            Ok(())
        }
        async fn handle(&self, _: ActorRef<Request>, request: Request, _: &mut ()) -> Result<(), ActorProcessingErr> {
            request.1.send(request.0 + 1)?;
            Ok(())
        }
    }
    let runtime = runtime();
    let (server, _) = runtime.block_on(Actor::spawn(None, Server, ())).expect("the server starts");
    let caller = runtime.spawn(async move {
        let mut times = Vec::with_capacity(WARM_UP + CALLS);
        for number in 0..(WARM_UP + CALLS) as u64 {
            let begun = Instant::now();
            let reply = server.call(|port| Request(black_box(number), port), None).await;
            assert!(matches!(reply, Ok(CallResult::Success(answer)) if answer == number + 1));
            times.push(begun.elapsed().as_nanos() as f64);
        }
        times
    });
    runtime.block_on(caller).expect("the caller ends well")
}
