//! More of what happens in a run: what binds mailboxes together. Links, wills, answers in parts, calls of several at
//! once, messages that are handed on.
//!
//! Guarantees: as `steps`.

use crate::c::*;
use crate::model::*;
use crate::steps::{admit, deadline, payload, puller, recent, sender, someone, tag};
use crate::world::*;

// ---- links

pub fn link(world: &mut World) {
    let (one, other) = (someone(world), recent(world, world.mailboxes.len()));
    let linked = |number: usize| world.mailboxes[number].watched.iter().filter(|w| matches!(w, Watch::Link(_))).count();
    // A few, so that not everyone ends at once.
    if linked(one) > 1 || linked(other) > 1 {
        return;
    }
    let (own, others) = (world.mailboxes[one].id, world.mailboxes[other].id);
    let code = td_link(td_mailbox { id: own }, td_mailbox { id: others });
    let (traps, there) = (world.mailboxes[one].traps, world.mailboxes[other].alive);
    world.note(|| format!("link {one} and {other} = {code}"));
    assert_eq!(code, if there || traps { 0 } else { TD_ENOPROC });
    if !there && traps {
        world.exit(one, other, TD_REASON_NOPROC, &[]);
    } else if there && one != other && !world.mailboxes[one].watched.contains(&Watch::Link(other)) {
        world.mailboxes[one].watched.push(Watch::Link(other));
        world.mailboxes[other].watched.push(Watch::Link(one));
        world.touched.extend([one, other]);
    }
}

pub fn unlink(world: &mut World) {
    let one = someone(world);
    let other = world.mailboxes[one].watched.iter().find_map(|w| if let Watch::Link(o) = w { Some(*o) } else { None });
    let other = other.unwrap_or(one);
    let (own, others) = (world.mailboxes[one].id, world.mailboxes[other].id);
    world.note(|| format!("unlink {one} and {other}"));
    assert_eq!(td_unlink(td_mailbox { id: own }, td_mailbox { id: others }), 0);
    world.unwatch(one, Watch::Link(other));
    world.unwatch(other, Watch::Link(one));
}

pub fn trap(world: &mut World) {
    let (number, on) = (someone(world), world.random.one_in(2));
    assert_eq!(td_trap_exit(td_mailbox { id: world.mailboxes[number].id }, on as u32), 0);
    world.note(|| format!("{number} traps exits: {on}"));
    world.mailboxes[number].traps = on;
}

// ---- wills

pub fn will(world: &mut World) {
    if world.budget.is_some() {
        return;
    }
    let (number, tag) = (someone(world), tag(world));
    let id = world.mailboxes[number].id;
    if world.random.one_in(4) {
        let there = world.mailboxes[number].will.take().is_some();
        assert_eq!(td_will_clear(td_mailbox { id }), if there { 0 } else { TD_ENOTFOUND });
        return;
    }
    let (topic, data) = (world.random.pick(&crate::steps::TOPICS).expect("a topic"), payload(world, tag));
    let retain = world.random.one_in(3);
    assert_eq!(will_set(id, topic, tag, &data, if retain { TD_RETAIN } else { 0 }), 0);
    world.note(|| format!("the will of {number}: {topic} tag {tag}, kept {retain}"));
    world.mailboxes[number].will = Some(Will { topic, tag, data, retain });
}

// ---- answers in parts, and of several

pub fn part(world: &mut World) {
    let Some(number) = world.random.pick(&world.tickets) else { return };
    let Call { id, state, caller, target, gather, tag, .. } = world.calls[number];
    let data = payload(world, number as u64);
    let code = reply_part(id, &data);
    world.note(|| format!("part of the answer to call {number} = {code}"));
    if state != State::Armed {
        assert_eq!(code, TD_ESTALE, "a part that comes too late");
        return world.late_reply(id, &data);
    }
    world.expire(caller);
    let reference = gather.map_or(id, |gather| world.gathers[gather].id);
    let (what, kind, from) = (What::Part(number), TD_KIND_PART, world.mailboxes[target].id);
    let key = world.key();
    let entry = Entry { key, what, kind, from, tag, reference, data, ..Entry::default() };
    let full = world.mailboxes[caller].messages() >= world.mailboxes[caller].bound;
    let short = !full && code != 0 && crate::steps::over_budget(world, entry.data.len() as u64);
    let mailbox = &mut world.mailboxes[caller];
    if full || short {
        assert_eq!(code, TD_EFULL, "a part obeys the bound");
        mailbox.count.refused += 1;
    } else {
        assert_eq!(code, 0);
        mailbox.count.sent += 1;
        mailbox.queue.push_back(Entry { taken_in: key, ..entry });
    }
    world.touched.push(caller);
}

pub fn call_many(world: &mut World) {
    if world.budget.is_some() {
        return;
    }
    let from = someone(world);
    let count = world.random.below(5);
    let to: Vec<usize> = (0..count).map(|_| recent(world, world.mailboxes.len())).collect();
    let timeout = if world.random.one_in(2) { TD_FOREVER } else { 1 + world.random.below(1000) as i64 };
    let tag = tag(world);
    let data = payload(world, tag);
    let own = world.mailboxes[from].id;
    let ids: Vec<Id> = to.iter().map(|to| world.mailboxes[*to].id).collect();
    let (code, id) = crate::c::call_many(&ids, own, tag, &data, timeout);
    let number = world.gathers.len();
    world.note(|| format!("{from} calls {to:?} tag {tag} timeout {timeout} = {code}: gathering {number}"));
    assert_eq!(code, 0);
    let (calls, pending) = (Vec::new(), to.len() as u64 + 1);
    world.gathers.push(Gather { id, state: State::Armed, caller: from, tag, pending, answered: 0, failed: 0, calls });
    world.mailboxes[from].gathers.push(number);
    for to in to {
        if !world.mailboxes[from].alive {
            return;
        }
        let call = world.calls.len();
        let known = Call {
            id: UNKNOWN,
            state: State::Armed,
            caller: from,
            target: to,
            holder: to,
            timer: None,
            tag,
            replies: 0,
            gather: Some(number),
        };
        world.calls.push(known);
        world.gathers[number].calls.push(call);
        world.mailboxes[from].calls.push(call);
        let why = if world.mailboxes[to].alive { request(world, call, &data) } else { TD_ENOPROC };
        if why == TD_ENOPROC {
            let to = world.mailboxes[to].id;
            world.letter(&Letter { to, kind: TD_KIND_REQUEST, code: why, from: own, tag, data: &data });
        }
        if !world.mailboxes[from].alive {
            return;
        }
        if why != 0 {
            world.answer(call, why, &[], 0);
            continue;
        }
        world.mailboxes[to].watched.push(Watch::Call(call));
        world.calls[call].timer = deadline(world, call, UNKNOWN, timeout);
    }
    world.came(number, None);
}

/// One of its requests: what the library must have answered, by the bound and the policy.
fn request(world: &mut World, call: usize, data: &[u8]) -> i32 {
    let Call { caller, target: to, tag, .. } = world.calls[call];
    world.expire(to);
    let (what, kind, reference) = (What::Request(Some(call)), TD_KIND_REQUEST, UNKNOWN);
    let (from, data, key) = (world.mailboxes[caller].id, data.to_vec(), world.key());
    world.touched.push(to);
    let mailbox = &mut world.mailboxes[to];
    while mailbox.policy == TD_DROP_OLD && mailbox.messages() >= mailbox.bound && mailbox.evict(|e| !e.is_kept()) {
        mailbox.count.lost += 1;
    }
    if mailbox.messages() < mailbox.bound {
        mailbox.count.sent += 1;
        let taken_in = key;
        mailbox.queue.push_back(Entry { key, taken_in, what, kind, reference, from, tag, data, ..Entry::default() });
        return 0;
    }
    mailbox.count.refused += 1;
    if mailbox.policy == TD_KILL {
        world.die(to, TD_REASON_OVERFLOW, &[]);
    }
    TD_EFULL
}

pub fn cancel_many(world: &mut World) {
    if world.gathers.is_empty() {
        return;
    }
    let number = recent(world, world.gathers.len());
    let Gather { id, state, caller, ref calls, .. } = world.gathers[number];
    let calls = calls.clone();
    let lives = world.mailboxes[caller].alive;
    if lives && state == State::Over {
        return;
    }
    let code = td_call_cancel(td_ticket { id });
    world.note(|| format!("cancel gathering {number} = {code}"));
    assert_eq!(code, if lives { 0 } else { TD_ESTALE });
    if !lives {
        return;
    }
    world.gathers[number].state = State::Over;
    world.mailboxes[caller].flush(What::Replies(number));
    for call in &calls {
        match world.calls[*call].state {
            State::Armed => {
                world.unwatch(world.calls[*call].holder, Watch::Call(*call));
                world.forget_deadline(*call);
            }
            State::Queued => {
                assert!(world.mailboxes[caller].flush(What::Reply(*call)), "a reply that waits is flushed")
            }
            State::Over => {}
        }
        world.calls[*call].state = State::Over;
    }
    let part = |entry: &Entry| matches!(entry.what, What::Part(call) if calls.contains(&call));
    world.mailboxes[caller].flush_all(part);
    world.mailboxes[caller].cut(part);
    world.touched.push(caller);
}

// ---- handing on

/// Receives a message and sends it on, a request with its ticket.
pub fn forward(world: &mut World) {
    let Some(number) = puller(world) else { return };
    let (code, message) = recv(world.mailboxes[number].id);
    world.expire(number);
    world.touched.push(number);
    let Some(at) = world.given(number, |_| true) else { return assert_eq!(code, TD_EAGAIN) };
    assert_eq!(code, 0);
    // What a RESYNC says is known only now.
    let entry = Entry { data: bytes(&message).to_vec(), ..world.taken(number, at, &message) };
    let (to, from) = (recent(world, world.mailboxes.len()), sender(world));
    let target = &world.mailboxes[to];
    let call = if let What::Request(call) = entry.what { call } else { None };
    // A full mailbox would have this thread wait; and one that is handed its own request must not end for it.
    if call.is_some() && (to != number || target.policy != TD_KILL) || call.is_none() && target.policy != TD_BLOCK {
        send_on(world, &message, entry, to, from, call);
    }
    assert_eq!(release(&message), 0);
    assert_eq!(crate::c::forward(world.mailboxes[number].id, 0, &message), TD_ESTALE, "handed on after its release");
}

fn send_on(world: &mut World, message: &td_message, entry: Entry, to: usize, from: Option<usize>, call: Option<usize>) {
    let (target, own, alive) = (world.mailboxes[to].id, world.id(from), world.mailboxes[to].alive);
    let code = crate::c::forward(target, own, message);
    world.note(|| format!("forward {entry:?} to {to} from {from:?} = {code}"));
    let holder = call.map(|call| world.calls[call].holder);
    if let (Some(call), Some(holder)) = (call, holder) {
        // Where it cannot be sent on, it is watched anew.
        world.unwatch(holder, Watch::Call(call));
        let now = if code == 0 { to } else { holder };
        world.calls[call].holder = now;
        world.mailboxes[now].watched.push(Watch::Call(call));
        world.touched.extend([holder, now]);
    }
    let kind = if call.is_some() { TD_KIND_REQUEST } else { TD_KIND_MESSAGE };
    let Entry { tag, data, lent, .. } = entry;
    if !alive {
        assert_eq!(code, TD_ENOPROC, "handed on to the dead");
        return world.letter(&Letter { to: target, kind, code, from: own, tag, data: &data });
    }
    let what = call.map_or(What::Message, |call| What::Request(Some(call)));
    let reference = call.map_or(0, |call| world.calls[call].id);
    let sent = Entry { what, kind, from: own, tag, data, lent, reference, ..Entry::default() };
    admit(world, to, sent, code, call.is_none());
}
