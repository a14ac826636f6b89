//! The queue of what workers have to do: first in, first out, for any number of threads on both sides.
//!
//! Guarantees: pushing never waits; popping waits until there is something, and each thing is popped once.

#[cfg(not(loom))]
pub use real::RunQueue;

#[cfg(not(loom))]
mod real {
    use crossbeam_channel::{unbounded, Receiver, Sender};

    pub struct RunQueue<T> {
        sender: Sender<T>,
        receiver: Receiver<T>,
    }

    impl<T> Default for RunQueue<T> {
        fn default() -> Self {
            let (sender, receiver) = unbounded();
            RunQueue { sender, receiver }
        }
    }

    impl<T> RunQueue<T> {
        pub fn push(&self, work: T) {
            // The queue holds both ends, so it is never disconnected.
            let _ = self.sender.send(work);
        }

        pub fn try_pop(&self) -> Option<T> {
            self.receiver.try_recv().ok()
        }

        pub fn pop(&self) -> Option<T> {
            let work = self.receiver.recv().ok();
            crate::recorder::time_passed();
            work
        }
    }
}

/// Under loom the queue is a list under a lock.
#[cfg(loom)]
pub struct RunQueue<T> {
    work: crate::sync::Mutex<std::collections::VecDeque<T>, { crate::sync::rank::LEAF }>,
    changed: crate::sync::Condvar,
}

#[cfg(loom)]
impl<T> Default for RunQueue<T> {
    fn default() -> Self {
        RunQueue { work: crate::sync::Mutex::default(), changed: crate::sync::Condvar::new() }
    }
}

#[cfg(loom)]
impl<T> RunQueue<T> {
    pub fn push(&self, work: T) {
        self.work.lock().push_back(work);
        self.changed.notify_all();
    }

    pub fn try_pop(&self) -> Option<T> {
        self.work.lock().pop_front()
    }

    pub fn pop(&self) -> Option<T> {
        let mut work = self.work.lock();
        while work.is_empty() {
            work = self.changed.wait(work);
        }
        work.pop_front()
    }
}
