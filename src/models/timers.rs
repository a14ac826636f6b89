//! Timers that are cancelled, or whose mailbox ends, while they expire.
//!
//! Guarantees: of firing and being cancelled exactly one happens; a cancelled repeating timer leaves no tick; the
//! record is freed exactly once.

use super::*;
use crate::message::KIND_TIMER;
use crate::timer::Alarm;

const LATER: i64 = 10;

fn alarm(m: &Meeting, period: i64) -> Alarm {
    Alarm { home: 0, deadline: m.engine.clock.now() + LATER, period, tag: 1, data: None }
}

fn expire(m: &Meeting, ticks: i64) {
    let start = m.engine.clock.now();
    (1..=ticks).for_each(|tick| m.engine.expire(&m.store, start + tick * LATER));
}

fn cancel(m: &Meeting, timer: Id) -> Result<i64> {
    m.engine.timers.cancel(&m.store, timer, m.engine.clock.now())
}

#[test]
fn a_cancel_meets_the_expiry() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let timer = m.engine.timers.arm(&m.store, a, alarm(&m, 0)).unwrap();
        let clock = spawn(&m, |m| expire(m, 1));
        let cancelled = cancel(&m, timer);
        clock.join().unwrap();
        match cancelled {
            Ok(left) => assert_eq!((left, m.tags(a)), (LATER, vec![])),
            Err(error) => assert_eq!((error, m.poll(a).unwrap().kind, m.tags(a)), (Error::Stale, KIND_TIMER, vec![])),
        }
        assert_eq!((m.engine.timers.rows().len(), m.stats(a).timers), (0, 0));
        m.assert_freed(timer);
    });
}

#[test]
fn a_cancel_meets_the_expiry_and_a_receiver() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let timer = m.engine.timers.arm(&m.store, a, alarm(&m, 0)).unwrap();
        let clock = spawn(&m, |m| expire(m, 1));
        let receiver = spawn(&m, move |m| m.wait(a).map(|message| message.kind));
        let cancelled = cancel(&m, timer);
        clock.join().unwrap();
        if cancelled.is_ok() {
            m.send(a, 2);
        }
        assert_eq!(receiver.join().unwrap(), Ok(if cancelled.is_ok() { 1 } else { KIND_TIMER }));
        m.assert_freed(timer);
    });
}

#[test]
fn a_cancelled_repeating_timer_leaves_no_tick() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let timer = m.engine.timers.arm(&m.store, a, alarm(&m, LATER)).unwrap();
        let clock = spawn(&m, |m| expire(m, 2));
        assert!(cancel(&m, timer).is_ok());
        assert!(m.tags(a).is_empty());
        clock.join().unwrap();
        assert!(m.tags(a).is_empty());
        assert_eq!((m.engine.timers.rows().len(), m.stats(a).timers), (0, 0));
        m.assert_freed(timer);
    });
}

#[test]
fn a_tick_is_received_cancelled_and_due_again_at_once() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let timer = m.engine.timers.arm(&m.store, a, alarm(&m, LATER)).unwrap();
        expire(&m, 1);
        let clock = spawn(&m, |m| expire(m, 2));
        let receiver = spawn(&m, move |m| m.poll(a).is_ok());
        assert!(cancel(&m, timer).is_ok());
        (clock.join().unwrap(), receiver.join().unwrap());
        assert!(m.tags(a).is_empty());
        assert_eq!((m.engine.timers.rows().len(), m.stats(a).timers), (0, 0));
        m.assert_freed(timer);
    });
}

#[test]
fn an_end_meets_the_expiry() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let timers = [0, LATER].map(|period| m.engine.timers.arm(&m.store, a, alarm(&m, period)).unwrap());
        let clock = spawn(&m, |m| expire(m, 1));
        m.end(a);
        clock.join().unwrap();
        assert_eq!(m.engine.timers.rows().len(), 0);
        timers.into_iter().for_each(|timer| m.assert_freed(timer));
        m.stats(a);
    });
}

#[test]
fn a_timer_armed_while_its_mailbox_ends_is_gone() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let death = spawn(&m, move |m| m.end(a));
        let timer = m.engine.timers.arm(&m.store, a, alarm(&m, LATER));
        death.join().unwrap();
        assert_eq!(m.engine.timers.rows().len(), 0);
        match timer {
            Ok(timer) => m.assert_freed(timer),
            Err(error) => assert_eq!(error, Error::NoProc),
        }
    });
}

#[test]
fn a_timer_armed_while_its_engine_closes_is_gone() {
    explore(|| {
        let m = meeting();
        let closing = spawn(&m, |m| m.engine.timers.stop(&m.store));
        let timer = m.engine.timers.arm_name(&m.store, "later", alarm(&m, 0));
        closing.join().unwrap();
        assert_eq!(m.engine.timers.rows().len(), 0);
        timer.into_iter().for_each(|timer| m.assert_freed(timer));
    });
}

#[test]
fn a_timer_to_a_name_is_cancelled_or_delivered() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        m.engine.registry.register(&m.store, a, "later").unwrap();
        let timer = m.engine.timers.arm_name(&m.store, "later", alarm(&m, 0)).unwrap();
        let clock = spawn(&m, |m| expire(m, 1));
        let cancelled = cancel(&m, timer);
        clock.join().unwrap();
        assert_eq!(m.tags(a).len(), usize::from(cancelled.is_err()));
        m.assert_freed(timer);
    });
}
