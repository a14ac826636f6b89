//! What mailboxes have to do with one another and with time: monitors, names, timers, subscriptions.
//!
//! Guarantees: as `steps`.

use crate::c::*;
use crate::model::*;
use crate::steps::{payload, recent, someone, tag};
use crate::world::*;

const PATTERNS: [&str; 8] = ["a.b", "a.*", "a.>", ">", "*.b", "c", "c.*.d", DEAD];

pub fn monitor(world: &mut World) {
    let watcher = someone(world);
    let target = recent(world, world.mailboxes.len());
    let (own, other) = (world.mailboxes[watcher].id, world.mailboxes[target].id);
    let (tag, counts) = (tag(world), world.random.one_in(2));
    let (code, id) = if counts { monitor_receipt(own, other, tag) } else { crate::c::monitor(own, other, tag) };
    world.note(|| format!("{watcher} monitors {target}, with a receipt: {counts} = {code}"));
    assert_eq!(code, 0);
    let receipt = counts.then(|| Receipt { since: world.key(), ..Receipt::default() });
    watch(world, Monitor { id, state: State::Armed, watcher, target: Some(target), tag, name: "", downs: 0, receipt });
}

pub fn monitor_by_name(world: &mut World) {
    let (watcher, name) = (someone(world), world.random.below(NAMES.len() as u64) as usize);
    let (tag, target) = (tag(world), world.names[name]);
    let (code, id) = crate::c::monitor_name(world.mailboxes[watcher].id, NAMES[name], tag);
    world.note(|| format!("{watcher} monitors {} = {target:?} = {code}", NAMES[name]));
    assert_eq!(code, 0);
    watch(world, Monitor { id, state: State::Armed, watcher, target, tag, name: NAMES[name], downs: 0, receipt: None });
}

fn watch(world: &mut World, monitor: Monitor) {
    let (number, target, watcher) = (world.monitors.len(), monitor.target, monitor.watcher);
    world.monitors.push(monitor);
    world.mailboxes[watcher].monitors.push(number);
    match target.filter(|target| world.mailboxes[*target].alive) {
        Some(target) => {
            world.mailboxes[target].watched.push(Watch::Monitor(number));
            world.touched.push(target);
        }
        None => world.down(number, TD_REASON_NOPROC, &[]),
    }
    world.touched.push(watcher);
}

pub fn demonitor(world: &mut World) {
    if world.monitors.is_empty() {
        return;
    }
    let number = recent(world, world.monitors.len());
    let flush = world.random.one_in(2);
    let Monitor { id, state, watcher, target, .. } = world.monitors[number];
    let (code, outcome) = crate::c::demonitor(id, if flush { TD_FLUSH } else { 0 });
    world.note(|| format!("demonitor {number}, flush {flush} = {code}, {outcome}"));
    assert_eq!(code, 0);
    let queued = state == State::Queued && flush && world.mailboxes[watcher].flush(What::Down(number));
    let expected = match state {
        State::Armed => TD_WAS_ARMED,
        State::Queued if queued => TD_WAS_FLUSHED,
        _ => TD_WAS_DELIVERED,
    };
    assert_eq!(outcome, expected, "the outcome of a demonitor");
    if state == State::Armed {
        world.unwatch(target.expect("an armed monitor has a target"), Watch::Monitor(number));
    }
    if state == State::Armed || queued {
        world.monitors[number].state = State::Over;
    }
    world.touched.push(watcher);
}

pub fn name(world: &mut World) {
    let (number, name) = (someone(world), world.random.below(NAMES.len() as u64) as usize);
    let (id, holder) = (world.mailboxes[number].id, world.names[name]);
    world.note(|| format!("name {} of {holder:?}, {number} wants it", NAMES[name]));
    match world.random.below(4) {
        0 => {
            let code = unregister(world.engine, NAMES[name]);
            assert_eq!(code, if holder.is_some() { 0 } else { TD_ENOTFOUND });
            take_name(world, name, None);
        }
        1 => {
            let (code, previous) = replace(id, NAMES[name]);
            assert_eq!((code, previous), (0, world.id(holder)));
            take_name(world, name, Some(number));
        }
        _ => {
            let code = register(id, NAMES[name]);
            assert_eq!(code, if holder.is_some() { TD_EEXIST } else { 0 });
            if holder.is_none() {
                take_name(world, name, Some(number));
            }
        }
    }
}

fn take_name(world: &mut World, name: usize, to: Option<usize>) {
    if let Some(holder) = world.names[name] {
        world.mailboxes[holder].names.retain(|other| *other != name);
        world.touched.push(holder);
    }
    world.names[name] = to;
    if let Some(to) = to {
        world.mailboxes[to].names.push(name);
        world.touched.push(to);
    }
}

pub fn arm(world: &mut World) {
    let (to, delay) = (someone(world), 1 + world.random.below(500) as i64);
    let tag = tag(world);
    let data = payload(world, tag);
    let id = world.mailboxes[to].id;
    let name = world.random.below(NAMES.len() as u64) as usize;
    let ((code, id), due, period) = match world.random.below(4) {
        0 => (send_every(id, delay, tag, &data), Due::Mailbox(to), delay),
        1 => (send_after_name(world.engine, NAMES[name], delay, tag, &data), Due::Name(name), 0),
        _ => (send_after(id, delay, tag, &data), Due::Mailbox(to), 0),
    };
    world.note(|| format!("timer for {to} or {} in {delay}, period {period} = {code}", NAMES[name]));
    assert_eq!(code, 0);
    let number = world.timers.len();
    if matches!(due, Due::Mailbox(_)) {
        world.mailboxes[to].timers.push(number);
    }
    let (order, deadline) = (world.order(), world.now + delay);
    world.timers.push(Timer { id, armed: true, due, deadline, order, period, waits: false, tag, data });
}

pub fn cancel_timer(world: &mut World) {
    if world.timers.is_empty() {
        return;
    }
    let number = recent(world, world.timers.len());
    let Timer { id, armed, ref due, deadline, .. } = world.timers[number];
    if matches!(due, Due::Call(_) | Due::Lapse(_)) {
        return;
    }
    let owner = if let Due::Mailbox(to) = due { Some(*to) } else { None };
    let left = deadline - world.now;
    let (read, seen) = timer_read(id);
    assert_eq!((read, seen), if armed { (0, left) } else { (TD_ESTALE, -1) }, "reading a timer");
    let (code, remaining) = timer_cancel(id);
    world.note(|| format!("cancel timer {number} = {code}"));
    assert_eq!((code, remaining), if armed { (0, left) } else { (TD_ESTALE, -1) }, "cancelling a timer");
    if armed {
        let timer = &mut world.timers[number];
        (timer.armed, timer.waits) = (false, false);
        if let Some(owner) = owner {
            world.mailboxes[owner].flush(What::Tick(number));
            world.mailboxes[owner].timers.retain(|other| *other != number);
            world.touched.push(owner);
        }
    }
}

pub fn advance(world: &mut World) {
    let by = world.random.below(120) as i64;
    world.note(|| format!("advance by {by}"));
    assert_eq!(td_clock_advance(td_engine { id: world.engine }, by), 0);
    world.pass_time(world.now + by);
    assert_eq!(now(world.engine), world.now);
}

pub fn subscribe(world: &mut World) {
    if world.budget.is_some() {
        return;
    }
    let number = someone(world);
    let pattern = world.random.pick(&PATTERNS).expect("a pattern");
    let mut policy = world.random.pick(&[TD_DROP_NEW, TD_DROP_OLD, TD_CONFLATE, TD_KILL]).expect("a policy");
    let mut limit = if world.random.one_in(2) { 0 } else { 1 + world.random.below(5) };
    let queue = (world.random.one_in(3) && pattern != DEAD).then(|| world.random.below(QUEUES.len() as u64) as usize);
    let mailbox = &world.mailboxes[number];
    if pattern == DEAD {
        // What ends in the middle of something else makes too much of it.
        if mailbox.policy == TD_KILL {
            return;
        }
        policy = if policy == TD_KILL { TD_DROP_OLD } else { policy };
    }
    if !mailbox.subscriptions.is_empty() {
        // Where copies of one publication compete for room, which of them gets it is nobody's to say.
        if mailbox.bound < 65_536 || mailbox.subscriptions.iter().any(|own| world.subscriptions[*own].limit > 0) {
            return;
        }
        // The same for whose place a newer copy takes.
        let conflates = |own: &usize| world.subscriptions[*own].policy == TD_CONFLATE;
        if mailbox.policy == TD_CONFLATE || policy == TD_CONFLATE || mailbox.subscriptions.iter().any(conflates) {
            return;
        }
        limit = 0;
    }
    // Where one publication ends two mailboxes, which of them ends first is nobody's to say.
    let ends = |own: &Subscription| own.policy == TD_KILL || world.mailboxes[own.mailbox].policy == TD_KILL;
    if world.subscriptions.iter().any(|own| own.alive && ends(own)) {
        if mailbox.policy == TD_KILL {
            return;
        }
        policy = if policy == TD_KILL { TD_DROP_OLD } else { policy };
    }
    let (code, id) = crate::c::subscribe(mailbox.id, pattern, policy, limit, queue.map(|queue| QUEUES[queue]));
    assert_eq!(code, 0);
    world.note(|| format!("{number} subscribes to {pattern}, policy {policy} bound {limit} queue {queue:?}"));
    let at = world.subscriptions.len();
    world.mailboxes[number].subscriptions.push(at);
    world.turns += 1;
    let turn = world.turns;
    world.subscriptions.push(Subscription { id, alive: true, mailbox: number, pattern, limit, policy, queue, turn });
    let kept: Vec<Entry> = world.retained.values().filter(|copy| fits(pattern, copy.topic)).cloned().collect();
    let mut ended = Vec::new();
    for copy in kept {
        if queue.is_none() && world.mailboxes[number].alive {
            let publication = world.key();
            world.deliver(at, &Entry { status: TD_RETAINED, publication, ..copy }, &mut ended);
        }
    }
    world.interest_in(pattern, true);
    world.touched.push(number);
    ended.into_iter().for_each(|number| world.bury(number, &[]));
}

pub fn unsubscribe(world: &mut World) {
    if world.subscriptions.is_empty() {
        return;
    }
    let number = recent(world, world.subscriptions.len());
    let Subscription { id, alive, mailbox, pattern, .. } = world.subscriptions[number];
    let flush = world.random.one_in(2);
    let code = td_unsubscribe(td_subscription { id }, if flush { TD_FLUSH } else { 0 });
    world.note(|| format!("unsubscribe {number} of {mailbox}, flush {flush} = {code}"));
    assert_eq!(code, if alive { 0 } else { TD_ESTALE });
    if !alive {
        return;
    }
    world.subscriptions[number].alive = false;
    world.mailboxes[mailbox].subscriptions.retain(|other| *other != number);
    world.interest_in(pattern, false);
    if flush {
        let own = |entry: &Entry| entry.what == What::Topic(number);
        world.mailboxes[mailbox].flush_all(own);
        world.mailboxes[mailbox].cut(own);
    }
    world.touched.push(world.subscriptions[number].mailbox);
}
