//! The facade's part for tests: an engine's virtual clock.
//!
//! Guarantees: advancing stops at each expiry on the way, fires the timers due there, in order, and then wakes the
//! threads whose wait ends there.

use super::*;
use crate::clock::Hand;
use std::time::{Duration, Instant};

fn hand(engine: &Engine) -> Result<&Hand> {
    match &engine.clock {
        Clock::Virtual(hand) => Ok(hand),
        Clock::Real => {
            Err(Error::Inval.because("the engine runs on the real clock; open it with TD_ENGINE_VIRTUAL_CLOCK"))
        }
    }
}

/// Moves an engine's virtual clock forward.
pub fn clock_advance(engine: Id, by: i64) -> Result<()> {
    let world = world();
    let engine = world.engine(engine)?;
    let hand = hand(&engine)?;
    if by < 0 {
        return Err(Error::Inval.because(format!("the clock cannot go back by {} ns", by.unsigned_abs())));
    }
    let target = engine.clock.now().saturating_add(by);
    loop {
        let timers = if engine.host_time { crate::clock::FOREVER } else { engine.timers.next_deadline() };
        let next = hand.next_deadline().min(timers);
        if next > target || next == crate::clock::FOREVER {
            break;
        }
        hand.set(next);
        if !engine.host_time {
            engine.expire(&world.store, engine.clock.now());
        }
        hand.wake_due();
    }
    // Somebody may have begun to wait for a time that has passed while this looked for the next one.
    hand.set(target);
    if !engine.host_time {
        engine.expire(&world.store, engine.clock.now());
    }
    hand.wake_due();
    Ok(())
}

/// Waits, in real time, until `count` threads sleep on an engine's virtual clock.
pub fn clock_wait_parked(engine: Id, count: u32, real_timeout: i64) -> Result<()> {
    let engine = world().engine(engine)?;
    let hand = hand(&engine)?;
    let start = Instant::now();
    let limit = Duration::from_nanos(real_timeout.max(0) as u64);
    while hand.parked() < count as usize {
        if engine.is_closed() {
            return Err(Error::Stale.because("the engine was closed meanwhile"));
        }
        if start.elapsed() >= limit {
            let detail = format!("{} threads are parked, not {count}", hand.parked());
            return Err(Error::TimedOut.because(detail));
        }
        crate::sync::nap(Duration::from_micros(200));
    }
    Ok(())
}
