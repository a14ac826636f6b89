//! A publisher against subscriptions that come and go.
//!
//! Guarantees: nothing comes after unsubscribing, nothing is left after a flush, and each subscription counts its own.

use super::*;
use std::sync::atomic::AtomicBool;

#[test]
fn publishing_meets_subscribing() {
    within_a_minute(|| {
        let engine = engine();
        let reader = mailbox(engine);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let publisher = thread::spawn(move || {
            let mut tag = 0;
            while !stopped.load(SeqCst) {
                tag += 1;
                publish(engine, Id::NONE, "a.b", tag, b"x", PublishOptions::default()).unwrap();
            }
        });
        let other = thread::spawn(move || loop {
            // Takes messages away while their subscription ends.
            match recv(reader, LONG, false).map(release) {
                Ok(_) => {}
                Err(error) => return assert_eq!(error, Error::Closed),
            }
        });
        let drained = mailbox(engine);
        for round in 0..few(3000) {
            let (policy, bound) = if round % 2 == 0 { (2, 1) } else { (DROP_OLD, 3) };
            let racing = subscribe(reader, "a.*", policy, bound, None).unwrap();
            let own = subscribe(drained, "a.>", policy, bound, None).unwrap();
            let first = release(recv(drained, LONG, false).unwrap());
            assert_eq!(first.r#ref, own.0, "the count of a subscription is its own");
            let flush = round % 3 == 0;
            unsubscribe(own, flush).unwrap();
            unsubscribe(racing, round % 5 == 0).unwrap();
            let mut left = 0;
            while let Ok(message) = recv(drained, 0, false).map(release) {
                assert_eq!(message.r#ref, own.0);
                left += 1;
            }
            assert!(left <= if flush { 0 } else { bound }, "{left} are left");
        }
        stop.store(true, SeqCst);
        publisher.join().unwrap();
        mailbox_kill(reader).unwrap();
        other.join().unwrap();
        balanced(reader);
        assert_eq!((balanced(drained).queued, engine_stats(engine).unwrap().subscriptions), (0, 0));
        engine_close(engine).unwrap();
    });
}
