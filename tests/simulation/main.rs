//! A deterministic simulation: users of every sort on one engine with a virtual clock, one step after the other as a
//! seed decides, beside a plain model of all of it.
//! (rules 1 2 3 4 5 6 9 10 11 13 14 15 16 17 19 20 21 22 23 24 25 26 27 28 29 30)
//!
//! `make simulate` runs a million steps with seeds never tried before, `make simulate SEED=n` one run again, telling
//! its last steps when it fails. Within `cargo test` the debug build takes fewer steps, with the lock checks on.

#![deny(unsafe_code)]

mod bonds;
mod c;
mod checks;
mod ends;
mod lives;
mod model;
mod random;
mod receiving;
mod relations;
mod steps;
mod watches;
mod world;

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::time::{Instant, SystemTime};
use world::{with, World, WORLD};

/// Steps of one run, from one seed.
const RUN: u64 = 20_000;

#[allow(unsafe_code)]
fn readable(fd: c::td_fd) -> bool {
    let mut entry = libc::pollfd { fd: fd as i32, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives on.
    unsafe { libc::poll(&mut entry, 1, 0) > 0 }
}

#[allow(unsafe_code)]
fn close(fd: c::td_fd) {
    // SAFETY: the descriptor is this program's own.
    unsafe { libc::close(fd as i32) };
}

/// One run: its steps, then the end of everything.
fn run(seed: u64, steps: u64, tracing: bool) {
    WORLD.set(Some(World::new(seed, tracing)));
    with(lives::open_mailbox);
    while with(|world| world.steps < steps) {
        go_on();
    }
    match seed % 3 {
        0 => drain(),
        _ => finish(),
    }
}

/// A step, or a loop's handlers, which take steps.
fn go_on() {
    let before = with(|world| world.steps / 512);
    let looped = with(|world| {
        let number = world.random.below(2) as usize;
        world.random.one_in(6).then(|| world.loops[number])
    });
    match looped {
        Some(looped) => assert!(run_loop(looped) >= 0),
        None => with(steps::step),
    }
    with(|world| {
        world.check_touched();
        if world.steps / 512 != before {
            world.check_all();
        }
    });
}

fn run_loop(looped: u64) -> i32 {
    with(|world| world.note(|| "run a loop".into()));
    let batches = c::td_loop_run(c::td_loop { id: looped }, 0, 0);
    if let Some(panic) = receiving::FAILED.take() {
        resume_unwind(panic);
    }
    batches
}

/// From here on nobody does anything but receive; handlers take all that is left for them.
fn settle() {
    with(|world| {
        world.quiet = true;
        for number in world.live.clone() {
            let id = world.mailboxes[number].id;
            assert_eq!(c::td_resume(c::td_mailbox { id }), 0);
            world.mailboxes[number].suspended = false;
        }
    });
    for looped in with(|world| world.loops.clone()) {
        while run_loop(looped) > 0 {}
    }
    with(|world| {
        world.check_touched();
        world.check_all();
        for number in world.live.clone() {
            let mailbox = &world.mailboxes[number];
            let left = mailbox.looped.is_some() && world.first(number, |_| true).is_some();
            assert!(!left, "what waits for a handler is handled");
        }
    });
}

/// Every mailbox ends, and the engine is closed.
fn finish() {
    settle();
    with(|world| {
        while !world.live.is_empty() {
            lives::end_mailbox(world);
            world.check_touched();
        }
        world.close_batches();
        let engine = c::td_engine { id: world.engine };
        assert_eq!(c::td_engine_close(engine), 0);
    });
    all_is_gone();
}

/// The engine drains: for a while mailboxes go on among themselves, then all receive what is left.
fn drain() {
    with(lives::begin_to_drain);
    let busy = |world: &mut World| world.live.len() > 8 && world.draining.is_some();
    let until = with(|world| world.steps + 500);
    while with(|world| busy(world) && world.steps < until) {
        go_on();
        with(lives::look_at_the_drain);
    }
    settle();
    with(|world| {
        world.close_batches();
        for number in world.live.clone() {
            receiving::receive_all(world, number);
        }
        world.check_all();
        assert!(lives::drain(world), "nothing is left");
        for number in std::mem::take(&mut world.live) {
            let reason = c::stats(world.mailboxes[number].id).map(|stats| stats.reason);
            assert_eq!(reason.unwrap_or(c::TD_REASON_ENGINE_CLOSED), c::TD_REASON_ENGINE_CLOSED);
        }
    });
    all_is_gone();
}

/// Everything was released and dropped once.
fn all_is_gone() {
    with(|world| {
        let engine = c::td_engine { id: world.engine };
        assert_eq!(c::td_engine_close(engine), c::TD_ESTALE);
        let gone = |number: &usize| world::drops(*number) == 1;
        assert!((0..world.mailboxes.len()).all(|number| gone(&number)), "every drop function ran once");
        assert!((0..world.lent.len()).all(|number| world::releases(number) == 1), "every release function ran once");
    });
    WORLD.set(None);
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

#[test]
fn every_history_is_as_the_rules_say() {
    let replayed = number("SIMULATE_SEED");
    let total = number("SIMULATE_STEPS").unwrap_or(if cfg!(debug_assertions) { 60_000 } else { 1_000_000 });
    let fresh = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |time| time.as_millis() as u64);
    // `cargo test` always does the same; `make simulate` asks for what nobody has tried.
    let first = replayed.unwrap_or(if number("SIMULATE_FRESH").is_some() { fresh() } else { 1 });
    let (started, runs) = (Instant::now(), if replayed.is_some() { 1 } else { total.div_ceil(RUN) });
    for seed in first..first + runs {
        let failed = catch_unwind(AssertUnwindSafe(|| run(seed, RUN, replayed.is_some()))).is_err();
        if failed {
            tell(seed);
            panic!("the history of seed {seed} is not as the rules say");
        }
    }
    println!("simulation: {} steps from seed {first} in {:.1} s", runs * RUN, started.elapsed().as_secs_f64());
}

fn tell(seed: u64) {
    let world = WORLD.try_with(|world| world.try_borrow_mut().ok().and_then(|mut world| world.take()));
    if let Ok(Some(world)) = world {
        world.trace.iter().for_each(|line| eprintln!("  {line}"));
        eprintln!("simulation: seed {seed} failed at step {}", world.steps);
    }
    eprintln!("simulation: once more with: make simulate SEED={seed}");
}
