//! The word of a parker, as a thread uses it that begins to wait for an answer that may come just then.
//!
//! Guarantees: a notification that comes while an older one is forgotten is not forgotten with it, unless what it tells
//! of is seen at once.

use super::*;
use crate::notify::{wake_all, Given, Parker, Wake, Word};
use crate::sync::atomic::{AtomicBool, Ordering::*};

// (rule 21)
#[test]
fn an_answer_while_the_last_notification_is_forgotten_is_met() {
    explore(|| {
        let shared = Arc::new((Word::default(), AtomicBool::new(false)));
        shared.0.notify();
        let other = shared.clone();
        let replier = thread::spawn(move || {
            other.1.store(true, Release);
            other.0.notify();
        });
        let (word, answered) = &*shared;
        word.forget();
        let sleeps = !answered.load(Acquire) && word.begin();
        replier.join().unwrap();
        assert!(!sleeps || word.is_notified(), "it sleeps, and nobody will wake it");
    });
}

#[test]
fn a_thread_that_was_woken_finds_what_it_was_given() {
    explore(|| {
        let shared = Arc::new((Word::default(), Given::default()));
        let other = shared.clone();
        let sleeper = thread::spawn(move || {
            let (word, given) = &*other;
            if !word.begin() {
                return given.take();
            }
            while !word.is_notified() {
                thread::yield_now();
            }
            word.forget();
            given.take()
        });
        let (word, given) = &*shared;
        let slept = given.notify_with(word, || 7);
        assert_eq!(sleeper.join().unwrap(), slept.then_some(7));
    });
}

#[test]
fn a_round_wakes_each_thread() {
    explore(|| {
        let parkers: Vec<_> = (0..2).map(|_| Parker::current()).collect();
        let sleepers: Vec<_> =
            parkers.iter().cloned().map(|parker| thread::spawn(move || parker.park(i64::MAX, false))).collect();
        wake_all(parkers);
        for sleeper in sleepers {
            assert_eq!(sleeper.join().unwrap(), Wake::Notified);
        }
    });
}
