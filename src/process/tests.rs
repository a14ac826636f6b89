//! Processes of the system that are watched: children of this one, which end when they are told.
//!
//! Guarantees: as the file above. Where the system cannot watch processes, that is what is tested.

use super::*;
use crate::clock::Clock;
use crate::mailbox::{Opening, Patience};
use crate::message::KIND_DOWN;
use crate::oneshot::Of;
use std::process::{Child, Command, Stdio};

/// Nanoseconds until a DOWN has to be there.
const PATIENCE: i64 = 20_000_000_000;

/// A watcher, and the thread that waits for what it watches.
struct Scene {
    store: Arc<Store>,
    processes: Arc<Processes>,
    watcher: Id,
}

impl Scene {
    fn new() -> Scene {
        let store = Arc::new(Store::default());
        let watcher = store.open(Opening::default(), || true).unwrap();
        Scene { store, processes: Arc::default(), watcher }
    }

    /// Watches, and starts the thread when it is asked for.
    fn monitor(&self, pid: i64) -> Result<Id> {
        let (store, processes) = (self.store.clone(), self.processes.clone());
        let start = move |bell: Arc<Bell>| {
            std::thread::spawn(move || processes.run(&store, &bell));
            Ok(())
        };
        self.processes.monitor(&self.store, 0, self.watcher, pid, 7, start)
    }

    /// The DOWN that comes next: of which record, why, how.
    fn down(&self) -> (Id, i32, [u64; 2]) {
        let patience = Patience { clock: &Clock::Real, timeout: PATIENCE, interruptible: false };
        let message = self.store.recv(self.watcher, &patience).unwrap();
        self.store.release_message(Id(message.owner)).unwrap();
        assert_eq!((message.kind, message.tag, message.from), (KIND_DOWN, 7, Id::NONE));
        (Id(message.r#ref), message.status, message.info)
    }

    fn is_quiet(&self) -> bool {
        let poll = Patience { clock: &Clock::Real, timeout: 0, interruptible: false };
        self.store.recv(self.watcher, &poll).err() == Some(Error::Again)
    }

    fn watched(&self) -> usize {
        self.processes.state.lock().watched.len()
    }

    /// The thread lets go of a record once its DOWN is there.
    fn is_freed(&self, record: Id) -> bool {
        let deadline = Clock::Real.deadline(PATIENCE);
        while self.store.shots.find(record, crate::id::Kind::Monitor).is_ok() && Clock::Real.now() < deadline {
            crate::sync::pause();
        }
        self.store.shots.find(record, crate::id::Kind::Monitor).is_err()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.processes.stop(&self.store);
    }
}

/// A child that waits until its input is closed, and then ends with 42. `None` where it cannot be watched.
fn child() -> Option<Child> {
    let child = Command::new("sh").args(["-c", "read line; exit 42"]).stdin(Stdio::piped()).spawn().unwrap();
    match Process::open(child.id() as i32) {
        Err(error) => {
            assert_eq!(error, Error::Unsupported);
            end(child);
            None
        }
        Ok(process) => {
            assert!(process.is_some());
            Some(child)
        }
    }
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn the_end_of_a_child_is_told_with_its_code_or_signal() {
    let scene = Scene::new();
    let (Some(mut one), Some(mut other)) = (child(), child()) else { return };
    let exits = scene.monitor(one.id().into()).unwrap();
    assert!(scene.is_quiet());
    drop(one.stdin.take());
    assert_eq!(scene.down(), (exits, REASON_OS_EXIT, [1, 42]));
    let killed = scene.monitor(other.id().into()).unwrap();
    other.kill().unwrap();
    assert_eq!(scene.down(), (killed, REASON_OS_EXIT, [2, libc::SIGKILL as u64]));
    assert!(scene.is_quiet() && scene.is_freed(exits) && scene.is_freed(killed));
    assert_eq!(scene.watched(), 0);
    end(one);
    end(other);
}

#[test]
fn each_monitor_of_one_process_fires() {
    let scene = Scene::new();
    let Some(mut one) = child() else { return };
    let mut records = [0; 3].map(|_| scene.monitor(one.id().into()).unwrap());
    drop(one.stdin.take());
    let mut told = [0; 3].map(|_| scene.down().0);
    records.sort();
    told.sort();
    assert_eq!(told, records);
    assert!(scene.is_quiet());
    end(one);
}

#[test]
fn of_a_process_that_is_not_there_the_down_comes_at_once() {
    let scene = Scene::new();
    let beyond = scene.monitor(i64::from(i32::MAX) + 1).unwrap();
    assert_eq!(scene.down(), (beyond, REASON_NOPROC, [0, 0]));
    let Some(one) = child() else { return };
    let pid = one.id().into();
    end(one);
    let gone = scene.monitor(pid).unwrap();
    assert_eq!(scene.down(), (gone, REASON_NOPROC, [0, 0]));
    assert!(scene.is_quiet() && scene.is_freed(gone));
}

#[test]
fn a_pid_is_above_zero() {
    let scene = Scene::new();
    for pid in [0, -1, i64::MIN] {
        assert_eq!(scene.monitor(pid), Err(Error::Inval));
    }
    assert!(scene.is_quiet());
}

#[test]
fn one_that_is_taken_back_does_not_fire() {
    let scene = Scene::new();
    let (Some(mut one), Some(mut other)) = (child(), child()) else { return };
    let [back, kept] = [&one, &other].map(|child| scene.monitor(child.id().into()).unwrap());
    let cancelled = scene.store.cancel(back.index(), back.life(), true);
    assert_eq!(cancelled, crate::mailbox::Cancelled::Armed);
    scene.processes.leave(&scene.store, back.index(), back.life());
    scene.processes.leave(&scene.store, back.index(), back.life());
    assert!(scene.is_freed(back));
    drop((one.stdin.take(), other.stdin.take()));
    assert_eq!(scene.down().0, kept);
    assert!(scene.is_quiet());
    end(one);
    end(other);
}

#[test]
fn a_watcher_that_is_over_watches_nothing() {
    let scene = Scene::new();
    let Some(one) = child() else { return };
    let record = scene.monitor(one.id().into()).unwrap();
    let remains = scene.store.end(scene.watcher, 0).unwrap();
    scene.store.disband(remains.owned, Of::Owner, |index, life| {
        assert!(scene.store.shots.at(index).shift(life, State::Armed, State::Cancelled));
        scene.processes.leave(&scene.store, index, life);
    });
    scene.store.finish(remains);
    assert!(scene.is_freed(record));
    assert_eq!(scene.monitor(one.id().into()), Err(Error::NoProc));
    assert_eq!(scene.watched(), 0);
    end(one);
}

#[test]
fn what_is_watched_when_it_stops_ends_and_nothing_begins() {
    let scene = Scene::new();
    let Some(one) = child() else { return };
    let record = scene.monitor(one.id().into()).unwrap();
    scene.processes.stop(&scene.store);
    let late = scene.monitor(one.id().into()).unwrap();
    assert_eq!(scene.watched(), 0);
    end(one);
    assert!(scene.is_quiet());
    let held = |record: Id| scene.store.shots.at(record.index()).is(record.life(), State::Armed);
    assert!(!held(record) && !held(late));
}

#[test]
fn a_thread_that_does_not_start_is_asked_for_again() {
    let scene = Scene::new();
    let Some(mut one) = child() else { return };
    let pid = one.id().into();
    let fails = |_| Err(Error::Sys);
    assert_eq!(scene.processes.monitor(&scene.store, 0, scene.watcher, pid, 7, fails), Err(Error::Sys));
    let record = scene.monitor(pid).unwrap();
    drop(one.stdin.take());
    assert_eq!(scene.down(), (record, REASON_OS_EXIT, [1, 42]));
    end(one);
}

// (rule 18)
#[test]
fn a_monitor_that_meets_a_failing_start_starts_the_thread_itself() {
    let scene = Scene::new();
    let Some(mut one) = child() else { return };
    let pid = one.id().into();
    let (began, beginning) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let failing = scope.spawn(|| {
            scene.processes.monitor(&scene.store, 0, scene.watcher, pid, 7, |_| {
                began.send(()).unwrap();
                // Time for the other to come in between.
                std::thread::sleep(std::time::Duration::from_millis(50));
                Err(Error::Sys)
            })
        });
        beginning.recv().unwrap();
        let record = scene.monitor(pid).unwrap();
        assert_eq!(failing.join().unwrap(), Err(Error::Sys));
        drop(one.stdin.take());
        assert_eq!(scene.down(), (record, REASON_OS_EXIT, [1, 42]));
    });
    end(one);
}
