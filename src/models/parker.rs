//! The word of a parker, as a thread uses it that begins to wait for an answer that may come just then.
//!
//! Guarantees: a notification that comes while an older one is forgotten is not forgotten with it, unless what it tells
//! of is seen at once.

use super::*;
use crate::notify::Word;
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
