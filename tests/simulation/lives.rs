//! Mailboxes that begin, are suspended and end; and the end of everything, by closing the engine or by draining it.
//!
//! Guarantees: as `steps`.

use crate::c::*;
use crate::model::*;
use crate::steps::someone;
use crate::world::*;
use std::ffi::c_void;

/// The number of those that are opened in vain.
const IN_VAIN: usize = 1 << 16;
const POLICIES: [u32; 8] = [TD_FAIL, TD_FAIL, TD_BLOCK, TD_DROP_NEW, TD_DROP_OLD, TD_DROP_OLD, TD_KILL, TD_CONFLATE];

pub fn open_mailbox(world: &mut World) {
    if world.live.len() > 30 {
        return end_mailbox(world);
    }
    // The drop function of one that is not opened runs, too.
    let number = if world.draining.is_some() { IN_VAIN } else { world.mailboxes.len() };
    let mut options: td_mailbox_options = zeroed();
    options.size = size_of_val(&options);
    options.policy = world.random.pick(&POLICIES).expect("a policy");
    options.max_messages = if world.random.one_in(3) { 0 } else { 1 + world.random.below(20) };
    options.user = number as *mut c_void;
    options.drop = Some(dropped);
    let looped = world.random.one_in(3).then(|| world.random.below(2) as usize);
    if let Some(looped) = looped {
        options.r#loop = td_loop { id: world.loops[looped] };
        options.handler = Some(crate::receiving::handle);
    }
    let free = (0..NAMES.len()).find(|name| world.names[*name].is_none()).filter(|_| world.random.one_in(2));
    if let Some(name) = free {
        (options.name, options.name_size) = (NAMES[name].as_ptr().cast(), NAMES[name].len());
    }
    let (code, id) = mailbox_open(world.engine, &options);
    if world.draining.is_some() {
        return assert_eq!(code, TD_ECLOSED, "opened while the engine drains");
    }
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

pub fn suspend(world: &mut World) {
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

/// Nobody in particular sends, calls, publishes or opens: refused while the engine drains.
pub fn from_outside(world: &mut World) {
    if world.draining.is_none() {
        return;
    }
    let to = someone(world);
    let id = world.mailboxes[to].id;
    assert_eq!(send(id, 0, 1, b"x"), TD_ECLOSED, "a send from outside");
    let pulled = world.mailboxes[to].looped.is_none();
    // Inside a handler one cannot call into the loop that runs it.
    assert!(!pulled || call_now(id, 0, 1) == TD_ECLOSED, "a call from outside");
    assert_eq!(publish(world.engine, 0, "a.b", 1, b"x", 0).0, TD_ECLOSED, "a publication from outside");
    world.mailboxes[to].count.refused += 1 + u64::from(pulled);
    world.touched.push(to);
    open_mailbox(world);
}

// ---- draining

/// The engine begins to drain.
pub fn begin_to_drain(world: &mut World) {
    // With nothing left it would be over at once.
    while !world.live.iter().any(|number| is_left(world, *number)) {
        crate::steps::step(world);
    }
    let delivered = |number: &usize| (*number, world.mailboxes[*number].count.delivered);
    let before = world.live.iter().map(delivered).collect();
    world.draining = Some(Draining { before, delivered: 0, undelivered: 0 });
    look_at_the_drain(world);
}

/// What the report of a drain must say now; and what is left.
fn report(world: &World) -> ((u64, u64, u64), u64) {
    let Draining { before, mut delivered, mut undelivered } = world.draining.clone().expect("it drains");
    let (mut left, mut suspended) = (0, 0);
    for (number, before) in before {
        let mailbox = &world.mailboxes[number];
        let waits = mailbox.queue.len() as u64 + mailbox.in_hand();
        delivered += mailbox.count.delivered - before;
        left += waits;
        suspended += u64::from(mailbox.suspended && waits > 0);
    }
    undelivered += left;
    ((delivered, undelivered, suspended), left)
}

/// Goes on draining. True once the engine is closed, because nothing was left.
pub fn drain(world: &mut World) -> bool {
    (0..world.live.len()).for_each(|at| world.expire(world.live[at]));
    let (expected, left) = report(world);
    let (code, got) = engine_drain(world.engine, 0);
    world.note(|| format!("drain = {code}: {expected:?}"));
    assert_eq!(code, if left > 0 { TD_EAGAIN } else { 0 }, "{left} are left");
    assert_eq!((got.delivered, got.undelivered, got.suspended), expected, "delivered, undelivered, suspended");
    code == 0
}

fn is_left(world: &World, number: usize) -> bool {
    !world.mailboxes[number].queue.is_empty() || world.mailboxes[number].in_hand() > 0
}

/// While it drains, its users look how far it is.
pub fn look_at_the_drain(world: &mut World) {
    // With nothing left it would close.
    if world.draining.is_some() && world.live.iter().any(|number| is_left(world, *number)) {
        assert!(!drain(world));
    }
}
