//! What happens in a run: one step is one thing that some user of the engine does, chosen by the seed.
//!
//! Guarantees: each step does the same to the library and to the model, and compares what they answer.

use crate::bonds;
use crate::c::*;
use crate::model::*;
use crate::world::*;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};

const PATTERNS: [&str; 7] = ["a.b", "a.*", "a.>", ">", "*.b", "c", "c.*.d"];
pub const TOPICS: [&str; 6] = ["a.b", "a.c", "a.b.c", "c", "c.x.d", "x.b"];
const POLICIES: [u32; 8] = [TD_FAIL, TD_FAIL, TD_BLOCK, TD_DROP_NEW, TD_DROP_OLD, TD_DROP_OLD, TD_KILL, TD_CONFLATE];
/// Tags end with one of sixteen classes, which selective receives ask for.
const CLASSES: u64 = 16;

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
    (16, receive),
    (7, receive_what_fits),
    (4, open_batch),
    (8, pass_in_batch),
    (3, close_batch),
    (3, open_mailbox),
    (2, end_mailbox),
    (1, receive_from_the_dead),
    (5, monitor),
    (3, monitor_by_name),
    (3, demonitor),
    (3, name),
    (4, arm),
    (2, cancel_timer),
    (4, advance),
    (2, suspend),
    (3, subscribe),
    (1, unsubscribe),
    (2, bonds::link),
    (1, bonds::unlink),
    (2, bonds::trap),
    (4, bonds::join),
    (3, bonds::leave),
    (2, bonds::watch),
    (1, bonds::unwatch),
    (1, bonds::will),
    (4, bonds::part),
    (2, bonds::call_many),
    (1, bonds::cancel_many),
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
    if world.live.len() < 4 {
        open_mailbox(world);
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
    (!world.random.one_in(4)).then(|| someone(world))
}

fn puller(world: &mut World) -> Option<usize> {
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

fn message(world: &mut World, from: Option<usize>) -> Entry {
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
                return mailbox.conflate(at, entry);
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
    mailbox.queue.push_back(Entry { key, conflates, ..entry });
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
    world.dead_letters += 1;
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
    world.calls.push(Call { id, state: State::Armed, caller: from, target: to, timer, tag, replies: 0, gather: None });
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
        assert_eq!(call_now(dead.id, own, 0), TD_ENOPROC, "calling the dead");
        world.dead_letters += 1;
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
        world.dead_letters += 1;
    } else {
        assert_eq!(code, TD_ESTALE, "an answer that comes too late");
        world.dead_letters += u64::from(letter);
    }
}

fn cancel_call(world: &mut World) {
    if world.calls.is_empty() {
        return;
    }
    let number = recent(world, world.calls.len());
    let (id, caller, state) = (world.calls[number].id, world.calls[number].caller, world.calls[number].state);
    let own = |entry: &Entry| entry.what == What::Part(number);
    if world.calls[number].gather.is_some() || world.mailboxes[caller].has_in_hand(own) {
        return;
    }
    let code = td_call_cancel(td_ticket { id });
    world.note(|| format!("cancel call {number} = {code}"));
    let flushed = state == State::Queued && world.mailboxes[caller].flush(What::Reply(number));
    assert_eq!(code, if state == State::Armed || flushed { 0 } else { TD_ESTALE });
    if state == State::Armed {
        world.unwatch(world.calls[number].target, Watch::Call(number));
        world.forget_deadline(number);
    }
    if code == 0 {
        world.calls[number].state = State::Over;
        world.mailboxes[caller].flush_all(own);
    }
    world.touched.push(caller);
}

/// One of the last few of `count` things.
pub fn recent(world: &mut World, count: usize) -> usize {
    let back = world.random.below(count.min(50) as u64) as usize;
    count - 1 - back
}

// ---- receiving

fn receive(world: &mut World) {
    let Some(number) = puller(world) else { return };
    for _ in 0..1 + world.random.below(4) {
        let (code, message) = recv(world.mailboxes[number].id);
        world.note(|| format!("receive from {number} = {code}, tag {}", message.tag));
        world.expire(number);
        match world.given(number, |_| true) {
            Some(at) => {
                assert_eq!(code, 0, "{:?} waits", world.mailboxes[number].queue[at]);
                world.received(number, at, &message);
            }
            None => assert_eq!(code, TD_EAGAIN),
        }
        world.touched.push(number);
    }
}

fn receive_what_fits(world: &mut World) {
    let Some(number) = puller(world) else { return };
    let mut wanted: td_match = zeroed();
    wanted.size = size_of_val(&wanted);
    let other = someone(world);
    match world.random.below(4) {
        0 => (wanted.fields, wanted.tag, wanted.tag_mask) = (TD_MATCH_TAG, world.random.below(CLASSES), CLASSES - 1),
        1 => (wanted.fields, wanted.from) = (TD_MATCH_FROM, td_mailbox { id: world.mailboxes[other].id }),
        2 => {
            let signals = [TD_KIND_DOWN, TD_KIND_TIMER, TD_KIND_REPLY, TD_KIND_EXIT, TD_KIND_REPLIES, TD_KIND_RESYNC];
            let sent = [TD_KIND_TOPIC, TD_KIND_REQUEST, TD_KIND_PART, TD_KIND_MEMBER];
            let kinds = [&signals[..], &sent[..]].concat();
            (wanted.fields, wanted.kind) = (TD_MATCH_KIND, world.random.pick(&kinds).expect("a kind"));
        }
        _ => {
            let queue = &world.mailboxes[number].queue;
            let at = world.random.below(queue.len().max(1) as u64) as usize;
            let reference = queue.get(at).map(|entry| entry.reference).filter(|known| *known != UNKNOWN).unwrap_or(1);
            (wanted.fields, wanted.r#ref) = (TD_MATCH_REF, reference);
        }
    }
    let fits = |entry: &Entry| match wanted.fields {
        TD_MATCH_TAG => entry.tag % CLASSES == wanted.tag,
        TD_MATCH_FROM => entry.from == wanted.from.id,
        TD_MATCH_KIND => entry.kind == wanted.kind,
        _ => entry.reference == wanted.r#ref,
    };
    let (code, message) = recv_match(world.mailboxes[number].id, &wanted);
    world.note(|| format!("receive from {number} what fits {} = {code}, tag {}", wanted.fields, message.tag));
    world.expire(number);
    match world.given(number, fits) {
        Some(at) => {
            assert_eq!(code, 0, "{:?} waits", world.mailboxes[number].queue[at]);
            world.received(number, at, &message);
        }
        None => assert_eq!(code, TD_EAGAIN),
    }
    world.touched.push(number);
}

fn open_batch(world: &mut World) {
    let Some(number) = puller(world) else { return };
    let mailbox = &world.mailboxes[number];
    // What becomes of a RESYNC that a batch hands back is told by the unit tests of watches.
    if mailbox.open.len() > 1 || mailbox.watcher && mailbox.bound < 65_536 {
        return;
    }
    let (code, batch) = recv_batch(world.mailboxes[number].id);
    world.note(|| format!("batch of {number} = {code}"));
    if code == 0 {
        world.open_batch(number, &batch, true);
    } else {
        assert_eq!(code, TD_EAGAIN);
        world.expire(number);
        assert_eq!(world.given(number, |_| true), None);
    }
    world.touched.push(number);
}

/// A mailbox with a batch of a pulling receiver, and which.
fn with_batch(world: &mut World) -> Option<(usize, usize)> {
    let own = |open: &Open| open.batch.is_some();
    let count = world.mailboxes.len();
    let holders = (count.saturating_sub(200)..count).filter(|number| world.mailboxes[*number].open.iter().any(own));
    let holders: Vec<usize> = holders.collect();
    let number = world.random.pick(&holders)?;
    let open = &world.mailboxes[number].open;
    let batches: Vec<usize> = (0..open.len()).filter(|which| own(&open[*which])).collect();
    world.random.pick(&batches).map(|which| (number, which))
}

fn pass_in_batch(world: &mut World) {
    let Some((number, which)) = with_batch(world) else { return };
    let mut batch = world.mailboxes[number].open[which].batch.expect("a batch");
    for _ in 0..1 + world.random.below(5) {
        let more = world.pass(number, which, &mut batch);
        world.note(|| format!("next of a batch of {number} = {more}"));
    }
    world.mailboxes[number].open[which].batch = Some(batch);
    world.touched.push(number);
}

fn close_batch(world: &mut World) {
    let Some((number, which)) = with_batch(world) else { return };
    let mut batch = world.mailboxes[number].open[which].batch.expect("a batch");
    assert_eq!(batch_release(&mut batch), 0);
    assert_eq!(batch_release(&mut batch), TD_ESTALE);
    world.note(|| format!("a batch of {number} given back"));
    world.close_batch(number, which);
}

fn receive_from_the_dead(world: &mut World) {
    let number = recent(world, world.mailboxes.len());
    let mailbox = &world.mailboxes[number];
    if mailbox.alive || mailbox.looped.is_some() {
        return;
    }
    let (id, unseen, reason) = (mailbox.id, mailbox.count.lost - mailbox.count.shown, mailbox.reason);
    let known = mailbox.open.is_empty();
    let (code, message) = recv(id);
    if code == 0 {
        assert!(!mailbox.end_seen, "one end marker");
        assert_eq!((message.kind, message.status), (TD_KIND_END, reason));
        assert!(!known || message.lost == unseen, "the end marker shows {}, not {unseen}", message.lost);
        assert_eq!(release(&message), 0);
        world.mailboxes[number].end_seen = true;
        world.mailboxes[number].count.shown += message.lost;
    } else {
        assert_eq!(code, TD_ECLOSED);
        assert!(!known || mailbox.end_seen || unseen == 0 || stats(id).is_none(), "{unseen} lost and not shown");
    }
}

// ---- handlers

thread_local! {
    /// What a handler panicked with.
    pub static FAILED: RefCell<Option<Box<dyn Any + Send>>> = const { RefCell::new(None) };
}

/// Runs in `td_loop_run`: walks a part of the batch, doing other things between the messages.
pub extern "C" fn handle(batch: *mut td_batch, user: *mut c_void) {
    // SAFETY: the library gives the batch to this handler alone, until it returns.
    #[allow(unsafe_code)]
    let batch = unsafe { &mut *batch };
    // A panic must not go through the library; who runs the loop goes on with it.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| walk(batch, user as usize))) {
        FAILED.with_borrow_mut(|failed| *failed = failed.take().or(Some(panic)));
    }
}

fn walk(batch: &mut td_batch, number: usize) {
    with(|world| {
        world.note(|| format!("handler of {number} runs"));
        assert!(!world.mailboxes[number].suspended, "a handler is called though its mailbox is suspended");
        assert!(world.mailboxes[number].open.is_empty(), "handlers of one mailbox overlap");
        world.open_batch(number, batch, false);
    });
    loop {
        let stop = with(|world| !world.quiet && world.random.one_in(6));
        if stop || !with(|world| world.pass(number, 0, batch)) {
            break;
        }
        with(|world| {
            for _ in 0..if world.quiet { 0 } else { world.random.below(3) } {
                step(world);
            }
        });
    }
    with(|world| world.close_batch(number, 0));
}

// ---- lives

pub fn open_mailbox(world: &mut World) {
    if world.live.len() > 30 {
        return end_mailbox(world);
    }
    let number = world.mailboxes.len();
    let mut options: td_mailbox_options = zeroed();
    options.size = size_of_val(&options);
    options.policy = world.random.pick(&POLICIES).expect("a policy");
    options.max_messages = if world.random.one_in(3) { 0 } else { 1 + world.random.below(20) };
    options.user = number as *mut c_void;
    options.drop = Some(dropped);
    let looped = world.random.one_in(3).then(|| world.random.below(2) as usize);
    if let Some(looped) = looped {
        options.r#loop = td_loop { id: world.loops[looped] };
        options.handler = Some(handle);
    }
    let free = (0..NAMES.len()).find(|name| world.names[*name].is_none()).filter(|_| world.random.one_in(2));
    if let Some(name) = free {
        (options.name, options.name_size) = (NAMES[name].as_ptr().cast(), NAMES[name].len());
    }
    let (code, id) = mailbox_open(world.engine, &options);
    assert_eq!(code, 0);
    world.note(|| format!("open {number}: policy {} bound {} loop {looped:?}", options.policy, options.max_messages));
    let descriptor = (looped.is_none() && world.random.one_in(8)).then(|| crate::c::fd(id).1);
    world.live.push(number);
    world.mailboxes.push(Mailbox {
        id,
        looped,
        policy: options.policy,
        bound: if options.max_messages == 0 { 65_536 } else { options.max_messages },
        alive: true,
        names: free.into_iter().collect(),
        fd: descriptor,
        ..Mailbox::default()
    });
    if let Some(name) = free {
        world.names[name] = Some(number);
    }
    world.touched.push(number);
}

fn suspend(world: &mut World) {
    let number = someone(world);
    let (id, suspended) = (world.mailboxes[number].id, world.random.one_in(3));
    let mailbox = td_mailbox { id };
    assert_eq!(if suspended { td_suspend(mailbox) } else { td_resume(mailbox) }, 0);
    world.note(|| format!("{number} is suspended: {suspended}"));
    world.mailboxes[number].suspended = suspended;
    world.touched.push(number);
}

pub fn end_mailbox(world: &mut World) {
    let number = someone(world);
    let id = world.mailboxes[number].id;
    let (reason, data): (i32, &[u8]) = match world.random.below(4) {
        0 => (TD_REASON_NORMAL, b""),
        1 => (TD_REASON_KILLED, b""),
        2 => (TD_REASON_CALLBACK_FAILED, b"it failed"),
        _ => (TD_REASON_USER + 5, b"a reason"),
    };
    world.note(|| format!("end {number} with {reason}"));
    let code = match reason {
        TD_REASON_KILLED => td_mailbox_kill(td_mailbox { id }),
        TD_REASON_NORMAL => td_mailbox_close(td_mailbox { id }),
        _ => mailbox_exit(id, reason, data),
    };
    assert_eq!(code, 0);
    world.die(number, reason, data);
}

// ---- relations

fn monitor(world: &mut World) {
    let watcher = someone(world);
    let target = recent(world, world.mailboxes.len());
    let (own, other) = (world.mailboxes[watcher].id, world.mailboxes[target].id);
    let tag = tag(world);
    let (code, id) = crate::c::monitor(own, other, tag);
    world.note(|| format!("{watcher} monitors {target} = {code}"));
    assert_eq!(code, 0);
    watch(world, Monitor { id, state: State::Armed, watcher, target: Some(target), tag, name: "", downs: 0 });
}

fn monitor_by_name(world: &mut World) {
    let (watcher, name) = (someone(world), world.random.below(NAMES.len() as u64) as usize);
    let (tag, target) = (tag(world), world.names[name]);
    let (code, id) = crate::c::monitor_name(world.mailboxes[watcher].id, NAMES[name], tag);
    world.note(|| format!("{watcher} monitors {} = {target:?} = {code}", NAMES[name]));
    assert_eq!(code, 0);
    watch(world, Monitor { id, state: State::Armed, watcher, target, tag, name: NAMES[name], downs: 0 });
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

fn demonitor(world: &mut World) {
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

fn name(world: &mut World) {
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

fn arm(world: &mut World) {
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

fn cancel_timer(world: &mut World) {
    if world.timers.is_empty() {
        return;
    }
    let number = recent(world, world.timers.len());
    let Timer { id, armed, ref due, deadline, .. } = world.timers[number];
    if matches!(due, Due::Call(_)) {
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

fn advance(world: &mut World) {
    let by = world.random.below(120) as i64;
    world.note(|| format!("advance by {by}"));
    assert_eq!(td_clock_advance(td_engine { id: world.engine }, by), 0);
    world.pass_time(world.now + by);
    assert_eq!(now(world.engine), world.now);
}

fn subscribe(world: &mut World) {
    if world.budget.is_some() {
        return;
    }
    let number = someone(world);
    let pattern = world.random.pick(&PATTERNS).expect("a pattern");
    let mut policy = world.random.pick(&[TD_DROP_NEW, TD_DROP_OLD, TD_CONFLATE, TD_KILL]).expect("a policy");
    let mut limit = if world.random.one_in(2) { 0 } else { 1 + world.random.below(5) };
    let queue = world.random.one_in(3).then(|| world.random.below(QUEUES.len() as u64) as usize);
    let mailbox = &world.mailboxes[number];
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
    world.touched.push(number);
    ended.into_iter().for_each(|number| world.bury(number, &[]));
}

fn unsubscribe(world: &mut World) {
    if world.subscriptions.is_empty() {
        return;
    }
    let number = recent(world, world.subscriptions.len());
    let Subscription { id, alive, mailbox, .. } = world.subscriptions[number];
    let flush = world.random.one_in(2);
    let code = td_unsubscribe(td_subscription { id }, if flush { TD_FLUSH } else { 0 });
    world.note(|| format!("unsubscribe {number} of {mailbox}, flush {flush} = {code}"));
    assert_eq!(code, if alive { 0 } else { TD_ESTALE });
    if !alive {
        return;
    }
    world.subscriptions[number].alive = false;
    let mailbox = &mut world.mailboxes[mailbox];
    mailbox.subscriptions.retain(|other| *other != number);
    if flush {
        mailbox.flush_all(|entry| entry.what == What::Topic(number));
        let handed = mailbox.open.iter_mut().flat_map(Open::waiting);
        handed.filter(|handed| handed.entry.what == What::Topic(number)).for_each(|handed| handed.cut = true);
    }
    world.touched.push(world.subscriptions[number].mailbox);
}
