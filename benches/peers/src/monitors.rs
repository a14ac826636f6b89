//! P15: actors that each monitor one other, and its death, until the last of them has handled the notice.

use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::runtime::runtime;
use crate::Rows;

pub const USAGE: &str = "ractor MONITORS";

struct Target;

impl Actor for Target {
    type Msg = ();
    type State = ();
    type Arguments = ();
    async fn pre_start(&self, _: ActorRef<()>, _: ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Who has not heard yet, and whom the last one tells.
#[derive(Clone)]
struct Waiting(Arc<AtomicUsize>, Sender<()>);

struct Watcher;

impl Actor for Watcher {
    type Msg = ();
    type State = Waiting;
    type Arguments = Waiting;
    async fn pre_start(&self, _: ActorRef<()>, waiting: Waiting) -> Result<Waiting, ActorProcessingErr> {
        Ok(waiting)
    }
    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<()>,
        event: SupervisionEvent,
        waiting: &mut Waiting,
    ) -> Result<(), ActorProcessingErr> {
        if matches!(event, SupervisionEvent::ActorTerminated(..)) && waiting.0.fetch_sub(1, AcqRel) == 1 {
            waiting.1.send(())?;
        }
        Ok(())
    }
}

pub fn measure(words: &[&str]) -> Option<Rows> {
    let ["ractor", count] = words else { return None };
    let count: usize = count.parse().ok().filter(|n| *n > 0)?;
    let runtime = runtime();
    let (told, all_heard) = channel();
    let waiting = Waiting(Arc::new(AtomicUsize::new(count)), told);
    let (target, _) = runtime.block_on(Actor::spawn(None, Target, ())).expect("the target starts");
    let watcher = |_| runtime.block_on(Actor::spawn(None, Watcher, waiting.clone())).expect("a watcher starts").0;
    let watchers: Vec<_> = (0..count).map(watcher).collect();

    let begun = Instant::now();
    watchers.iter().for_each(|watcher| watcher.get_cell().monitor(target.get_cell()));
    let set_up = begun.elapsed();
    thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    target.stop(None);
    all_heard.recv_timeout(Duration::from_secs(60)).expect("all hear of it");
    let heard = begun.elapsed();
    // Stopping all the watchers is not measured, and takes long.
    std::mem::forget(runtime);
    Some(vec![
        ("death_to_last_us", heard.as_nanos() as f64 / 1e3),
        ("setup_ns", set_up.as_nanos() as f64 / count as f64),
    ])
}
