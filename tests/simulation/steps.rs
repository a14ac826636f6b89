//! What happens in a run: one step is one thing that some user of the engine does, chosen by the seed.
//!
//! Guarantees: each step does the same to the library and to the model, and compares what they answer.

use crate::c::*;
use crate::model::*;
use crate::world::*;
use crate::{bonds, lives, receiving, relations, watches};
use std::ffi::c_void;

pub const TOPICS: [&str; 6] = ["a.b", "a.c", "a.b.c", "c", "c.x.d", "x.b"];
/// Tags end with one of sixteen classes, which selective receives ask for.
pub const CLASSES: u64 = 16;

type Step = fn(&mut World);

/// The steps and how often each is taken.
const STEPS: &[(u64, Step)] = &[
    (22, send),
    (3, send_lent),
    (3, send_by_name),
    (2, send_to_the_dead),
    (9, publish),
    (7, start_call),
    (1, call_at_once),
    (7, answer),
    (1, cancel_call),
    (16, receiving::receive),
    (7, receiving::receive_what_fits),
    (4, receiving::open_batch),
    (8, receiving::pass_in_batch),
    (3, receiving::close_batch),
    (3, lives::open_mailbox),
    (2, lives::end_mailbox),
    (1, receiving::receive_from_the_dead),
    (5, relations::monitor),
    (3, relations::monitor_by_name),
    (3, relations::demonitor),
    (3, relations::name),
    (4, relations::arm),
    (2, relations::cancel_timer),
    (4, relations::advance),
    (2, lives::suspend),
    (3, relations::subscribe),
    (1, relations::unsubscribe),
    (2, bonds::link),
    (1, bonds::unlink),
    (2, bonds::trap),
    (4, watches::join),
    (3, watches::leave),
    (4, watches::enter),
    (3, watches::depart),
    (3, watches::watch),
    (1, watches::unwatch),
    (1, bonds::will),
    (4, bonds::part),
    (2, bonds::call_many),
    (1, bonds::cancel_many),
    (4, bonds::forward),
    (1, lives::from_outside),
];

/// Takes one step.
pub fn step(world: &mut World) {
    world.steps += 1;
    let total: u64 = STEPS.iter().map(|(weight, _)| weight).sum();
    let mut at = world.random.below(total);
    for (weight, step) in STEPS {
        if at < *weight {
            step(world);
            break;
        }
        at -= weight;
    }
    if world.live.len() < 4 && world.draining.is_none() {
        lives::open_mailbox(world);
    }
    world.check_touched();
}

pub fn someone(world: &mut World) -> usize {
    let live = std::mem::take(&mut world.live);
    let number = world.random.pick(&live).expect("a live mailbox");
    world.live = live;
    number
}

/// Somebody to send in the name of, or nobody.
pub fn sender(world: &mut World) -> Option<usize> {
    (!world.random.one_in(4) || world.draining.is_some()).then(|| someone(world))
}

pub fn puller(world: &mut World) -> Option<usize> {
    let pulled = |number: &usize| world.mailboxes[*number].looped.is_none();
    let pullers: Vec<usize> = world.live.iter().copied().filter(pulled).collect();
    world.random.pick(&pullers)
}

pub fn payload(world: &mut World, tag: u64) -> Vec<u8> {
    let size = match world.random.below(40) {
        0 => 5000,
        1..=3 => 0,
        4..=8 => 300,
        _ => 8 + world.random.below(40) as usize,
    };
    tag.to_le_bytes().into_iter().cycle().take(size).collect()
}

pub fn tag(world: &mut World) -> u64 {
    let class = world.random.below(CLASSES);
    world.key() * CLASSES + class
}

/// A message; to one that conflates mostly with a tag that others have, too.
fn message_to(world: &mut World, to: usize, from: Option<usize>) -> Entry {
    let mut entry = message(world, from);
    if world.mailboxes[to].policy == TD_CONFLATE && !world.random.one_in(4) {
        entry.tag = world.random.below(CLASSES);
    }
    entry
}

pub fn message(world: &mut World, from: Option<usize>) -> Entry {
    let tag = tag(world);
    let data = payload(world, tag);
    let from = world.id(from);
    Entry { kind: TD_KIND_MESSAGE, from, tag, data, ..Entry::default() }
}

// ---- sending

/// What the model makes of a send that the library answered with `code`.
pub fn admit(world: &mut World, to: usize, entry: Entry, code: i32, may_drop: bool) {
    let key = world.key();
    world.touched.push(to);
    let c = stats(world.mailboxes[to].id).expect("of a live mailbox");
    world.expire(to);
    let mailbox = &mut world.mailboxes[to];
    let mut full = mailbox.messages() + c.expired.saturating_sub(mailbox.count.expired) >= mailbox.bound;
    let lost = c.lost - mailbox.count.lost;
    if world.budget.is_some() && !full && (code != 0 || lost > 0) {
        full = over_budget(world, entry.data.len() as u64);
    }
    let mailbox = &mut world.mailboxes[to];
    match (code, mailbox.policy) {
        (TD_EFULL, TD_KILL) => {
            assert!(full, "ended with {} of {}", mailbox.messages(), mailbox.bound);
            return world.die(to, TD_REASON_OVERFLOW, &[]);
        }
        (0, TD_CONFLATE) if entry.what == What::Message => {
            if let Some(at) = mailbox.twin(What::Message, entry.tag, "") {
                return mailbox.conflate(at, Entry { taken_in: key, ..entry });
            }
        }
        (TD_EFULL, policy) => {
            let stuck = policy != TD_DROP_NEW || !may_drop;
            assert!(full && stuck, "refused with {} of {}, policy {policy}", mailbox.messages(), mailbox.bound);
            // Over its bound by a batch that was put back, it may have dropped all there was without making room.
            (0..lost).for_each(|_| assert!(mailbox.evict(|entry| !entry.is_kept())));
            mailbox.count.lost += lost;
            let evictable = mailbox.queue.iter().any(|entry| !entry.is_signal() && !entry.is_kept());
            assert!(policy != TD_DROP_OLD || !evictable, "refused though something could be dropped");
            let twin = mailbox.twin(entry.what, entry.tag, "");
            assert!(policy != TD_CONFLATE || world.budget.is_some() || twin.is_none(), "refused what it could replace");
            mailbox.count.refused += 1;
            return;
        }
        (0, TD_DROP_NEW) if lost == 1 => {
            assert!(full && may_drop, "dropped with {} of {}", mailbox.messages(), mailbox.bound);
            (mailbox.count.sent, mailbox.count.lost) = (mailbox.count.sent + 1, mailbox.count.lost + 1);
            return;
        }
        (0, TD_DROP_OLD) => {
            assert!(lost == 0 || full, "evicted with {} of {}", mailbox.messages(), mailbox.bound);
            for _ in 0..lost {
                assert!(mailbox.evict(|entry| !entry.is_kept()), "only what is no request is evicted");
            }
            mailbox.count.lost += lost;
        }
        (0, _) => assert_eq!(lost, 0),
        (code, _) => panic!("a send gave {code}"),
    }
    mailbox.count.sent += 1;
    assert!(mailbox.messages() < mailbox.bound, "over the bound of {}", mailbox.bound);
    let conflates = mailbox.policy == TD_CONFLATE && entry.what == What::Message;
    mailbox.queue.push_back(Entry { key, taken_in: key, conflates, ..entry });
}

/// So many bytes more are too many for the engine.
pub fn over_budget(world: &World, size: u64) -> bool {
    let total: u64 = world.live.iter().map(|number| world.mailboxes[*number].bytes()).sum();
    world.budget.is_some_and(|budget| total + size > budget)
}

fn send(world: &mut World) {
    let (to, from) = (someone(world), sender(world));
    let entry = message_to(world, to, from);
    let target = world.mailboxes[to].id;
    let code = match world.mailboxes[to].policy {
        TD_BLOCK => {
            let mut options: td_send_options = zeroed();
            (options.size, options.timeout) = (size_of_val(&options), -1);
            send_ex(target, entry.from, entry.tag, &entry.data, &options)
        }
        _ => crate::c::send(target, entry.from, entry.tag, &entry.data),
    };
    world.note(|| format!("send {to} tag {} = {code}", entry.tag));
    admit(world, to, entry, code, true);
}

fn send_lent(world: &mut World) {
    let (to, from) = (someone(world), sender(world));
    let mut entry = message_to(world, to, from);
    let number = world.lent.len();
    world.lent.push(entry.data.clone().into());
    let mut options: td_send_options = zeroed();
    (options.size, options.timeout) = (size_of_val(&options), -1);
    options.release = Some(released);
    options.release_user = number as *mut c_void;
    let code = send_ex(world.mailboxes[to].id, entry.from, entry.tag, &world.lent[number], &options);
    world.note(|| format!("send {to} tag {} by reference = {code}", entry.tag));
    if code != 0 {
        assert_eq!(releases(number), 0, "a failed send leaves the payload with the caller");
        world.lent.pop();
    }
    entry.lent = Some(number);
    admit(world, to, entry, code, true);
}

fn send_by_name(world: &mut World) {
    let (name, from) = (world.random.below(NAMES.len() as u64) as usize, sender(world));
    let entry = message(world, from);
    match world.names[name] {
        None => {
            let code = send_name(world.engine, NAMES[name], entry.from, entry.tag, &entry.data);
            assert_eq!(code, TD_ENOTFOUND);
        }
        // A full mailbox would have this thread wait.
        Some(to) if world.mailboxes[to].policy == TD_BLOCK => {}
        Some(to) => {
            let code = send_name(world.engine, NAMES[name], entry.from, entry.tag, &entry.data);
            world.note(|| format!("send to {} = {to} tag {} = {code}", NAMES[name], entry.tag));
            admit(world, to, entry, code, true);
        }
    }
}

fn send_to_the_dead(world: &mut World) {
    let number = world.random.below(world.mailboxes.len() as u64) as usize;
    if world.mailboxes[number].alive {
        return;
    }
    let (dead, to) = (world.mailboxes[number].id, someone(world));
    assert_eq!(crate::c::send(dead, 0, 1, b"x"), TD_ENOPROC);
    world.letter(&Letter { to: dead, kind: TD_KIND_MESSAGE, code: TD_ENOPROC, from: 0, tag: 1, data: b"x" });
    assert_eq!(crate::c::send(world.mailboxes[to].id, dead, 1, b"x"), TD_ECLOSED, "in the name of the dead");
    assert_eq!(register(dead, NAMES[0]), TD_ENOPROC);
    assert_eq!(td_mailbox_kill(td_mailbox { id: dead }), TD_ENOPROC);
    world.touched.push(number);
}

fn publish(world: &mut World) {
    if world.budget.is_some() {
        return;
    }
    let (from, topic) = (sender(world), world.random.pick(&TOPICS).expect("a topic"));
    let own = tag(world);
    let data = payload(world, own);
    let tag = if world.random.one_in(3) { own % 4 } else { own };
    let retain = world.random.one_in(8);
    let from = world.id(from);
    let (code, receipt) = crate::c::publish(world.engine, from, topic, tag, &data, if retain { TD_RETAIN } else { 0 });
    assert_eq!(code, 0);
    let copy = Entry { kind: TD_KIND_TOPIC, from, tag, data, topic, publication: own, ..Entry::default() };
    if retain {
        world.retain(&copy);
    }
    let mut ended = Vec::new();
    let (queued, dropped) = world.spread(&copy, &mut ended);
    world.note(|| {
        format!("publish {topic} tag {tag}, kept {retain}: {queued} queued, {dropped} dropped, {ended:?} end")
    });
    assert_eq!((receipt.matched, receipt.queued, receipt.dropped), (queued + dropped, queued, dropped), "the receipt");
    ended.into_iter().for_each(|number| world.bury(number, &[]));
}

// ---- calls

fn start_call(world: &mut World) {
    let (to, from) = (someone(world), someone(world));
    let timeout = if world.random.one_in(3) { TD_FOREVER } else { 1 + world.random.below(1000) as i64 };
    let mut entry = message(world, Some(from));
    if world.budget.is_some() {
        // Which of the requests that nobody waits for is dropped first must not matter to the bytes.
        entry.data.clear();
    }
    let (target, own) = (world.mailboxes[to].id, world.mailboxes[from].id);
    let (code, id) = call_start(target, own, entry.tag, &entry.data, timeout);
    world.note(|| format!("call {to} from {from} tag {} timeout {timeout} = {code}", entry.tag));
    let number = world.calls.len();
    (entry.what, entry.kind, entry.reference) = (What::Request(Some(number)), TD_KIND_REQUEST, id);
    let tag = entry.tag;
    if timeout != TD_FOREVER && code != 0 {
        // It took a place in the order of the timers, if at all, and left none behind.
        assert_eq!(id, 0);
    }
    admit(world, to, entry, code, false);
    if code != 0 {
        return;
    }
    let timer = deadline(world, number, id, timeout);
    let (state, gather) = (State::Armed, None);
    world.calls.push(Call { id, state, caller: from, target: to, holder: to, timer, tag, replies: 0, gather });
    world.mailboxes[from].calls.push(number);
    world.mailboxes[to].watched.push(Watch::Call(number));
}

/// The timer of a call.
pub fn deadline(world: &mut World, call: usize, id: Id, timeout: i64) -> Option<usize> {
    if timeout == TD_FOREVER {
        return None;
    }
    let (order, deadline, due) = (world.order(), world.now + timeout, Due::Call(call));
    let data = Vec::new();
    world.timers.push(Timer { id, armed: true, due, deadline, order, period: 0, waits: false, tag: 0, data });
    Some(world.timers.len() - 1)
}

/// Calls that end without waiting.
fn call_at_once(world: &mut World) {
    let (to, from) = (someone(world), someone(world));
    let (target, own) = (world.mailboxes[to].id, world.mailboxes[from].id);
    assert_eq!(call_now(own, own, 0), TD_EDEADLK, "calling oneself");
    if let Some(dead) = world.mailboxes.iter().find(|mailbox| !mailbox.alive) {
        let to = dead.id;
        assert_eq!(call_now(to, own, 0), TD_ENOPROC, "calling the dead");
        world.letter(&Letter { to, kind: TD_KIND_REQUEST, code: TD_ENOPROC, from: own, tag: 0, data: b"" });
    }
    let entry =
        Entry { what: What::Request(None), kind: TD_KIND_REQUEST, data: Vec::new(), ..message(world, Some(from)) };
    if to == from || world.mailboxes[to].looped.is_some() {
        return;
    }
    match call_now(target, own, entry.tag) {
        TD_ETIMEDOUT
            if world.mailboxes[to].policy == TD_BLOCK
                && stats(target).is_some_and(|c| c.refused > world.mailboxes[to].count.refused) =>
        {
            world.mailboxes[to].count.refused += 1;
        }
        TD_ETIMEDOUT
            if world.mailboxes[to].policy == TD_BLOCK
                && world.mailboxes[to].messages() >= world.mailboxes[to].bound => {}
        TD_ETIMEDOUT => admit(world, to, entry, 0, false),
        code => admit(world, to, entry, code, false),
    }
}

fn answer(world: &mut World) {
    if world.tickets.is_empty() {
        return;
    }
    let at = world.random.below(world.tickets.len() as u64) as usize;
    let number = world.tickets.swap_remove(at);
    let (id, armed) = (world.calls[number].id, world.calls[number].state == State::Armed);
    let data = payload(world, number as u64);
    let (code, status, data, letter) = match world.random.below(4) {
        0 => (td_ticket_drop(td_ticket { id }), TD_ENOREPLY, Vec::new(), false),
        1 => (reply(id, 7, &data), 7, data, true),
        _ => (reply(id, 0, &data), 0, data, true),
    };
    world.note(|| format!("answer call {number} with {status} = {code}"));
    if armed {
        assert_eq!(code, 0);
        world.answer(number, status, &data, 0);
        world.forget_deadline(number);
        assert_eq!(reply(id, 0, b"again"), TD_ESTALE);
        world.late_reply(id, b"again");
    } else {
        assert_eq!(code, TD_ESTALE, "an answer that comes too late");
        if letter {
            world.late_reply(id, &data);
        }
    }
}

fn cancel_call(world: &mut World) {
    if world.calls.is_empty() {
        return;
    }
    let number = recent(world, world.calls.len());
    let (id, caller, state) = (world.calls[number].id, world.calls[number].caller, world.calls[number].state);
    let own = |entry: &Entry| entry.what == What::Part(number);
    if world.calls[number].gather.is_some() {
        return;
    }
    let code = td_call_cancel(td_ticket { id });
    world.note(|| format!("cancel call {number} = {code}"));
    let flushed = state == State::Queued && world.mailboxes[caller].flush(What::Reply(number));
    assert_eq!(code, if state == State::Armed || flushed { 0 } else { TD_ESTALE });
    if state == State::Armed {
        world.unwatch(world.calls[number].holder, Watch::Call(number));
        world.forget_deadline(number);
    }
    if code == 0 {
        world.calls[number].state = State::Over;
        world.mailboxes[caller].flush_all(own);
        world.mailboxes[caller].cut(own);
    }
    world.touched.push(caller);
}

/// One of the last few of `count` things.
pub fn recent(world: &mut World, count: usize) -> usize {
    let back = world.random.below(count.min(50) as u64) as usize;
    count - 1 - back
}
