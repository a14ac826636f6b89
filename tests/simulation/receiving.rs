//! Receiving, by calls and by batches, and the handlers that loops run.
//!
//! Guarantees: as `steps`.

use crate::c::*;
use crate::model::*;
use crate::steps::{puller, recent, someone, step, CLASSES};
use crate::world::*;
use std::any::Any;
use std::cell::RefCell;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};

pub fn receive(world: &mut World) {
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

/// Takes all that waits.
pub fn receive_all(world: &mut World, number: usize) {
    world.expire(number);
    while let Some(at) = world.given(number, |_| true) {
        let (code, message) = recv(world.mailboxes[number].id);
        assert_eq!(code, 0);
        world.received(number, at, &message);
        world.expire(number);
    }
    assert_eq!(
        recv(world.mailboxes[number].id).0,
        if world.mailboxes[number].looped.is_some() { TD_EINVAL } else { TD_EAGAIN }
    );
    world.touched.push(number);
}

pub fn receive_what_fits(world: &mut World) {
    let Some(number) = puller(world) else { return };
    let mut wanted: td_match = zeroed();
    wanted.size = size_of_val(&wanted);
    let other = someone(world);
    match world.random.below(4) {
        0 => (wanted.fields, wanted.tag, wanted.tag_mask) = (TD_MATCH_TAG, world.random.below(CLASSES), CLASSES - 1),
        1 => (wanted.fields, wanted.from) = (TD_MATCH_FROM, td_mailbox { id: world.mailboxes[other].id }),
        2 => {
            let signals = [TD_KIND_DOWN, TD_KIND_TIMER, TD_KIND_REPLY, TD_KIND_EXIT, TD_KIND_REPLIES, TD_KIND_RESYNC];
            let sent =
                [TD_KIND_TOPIC, TD_KIND_REQUEST, TD_KIND_PART, TD_KIND_MEMBER, TD_KIND_INTEREST, TD_KIND_PRESENCE];
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
    world.expire_sought(number, fits);
    match world.given(number, fits) {
        Some(at) => {
            assert_eq!(code, 0, "{:?} waits", world.mailboxes[number].queue[at]);
            world.received(number, at, &message);
        }
        None => assert_eq!(code, TD_EAGAIN),
    }
    world.touched.push(number);
}

pub fn open_batch(world: &mut World) {
    let Some(number) = puller(world) else { return };
    if world.mailboxes[number].open.len() > 1 {
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

pub fn pass_in_batch(world: &mut World) {
    let Some((number, which)) = with_batch(world) else { return };
    let mut batch = world.mailboxes[number].open[which].batch.expect("a batch");
    for _ in 0..1 + world.random.below(5) {
        let more = world.pass(number, which, &mut batch);
        world.note(|| format!("next of a batch of {number} = {more}"));
    }
    world.mailboxes[number].open[which].batch = Some(batch);
    world.touched.push(number);
}

pub fn close_batch(world: &mut World) {
    let Some((number, which)) = with_batch(world) else { return };
    let mut batch = world.mailboxes[number].open[which].batch.expect("a batch");
    assert_eq!(batch_release(&mut batch), 0);
    assert_eq!(batch_release(&mut batch), TD_ESTALE);
    world.note(|| format!("a batch of {number} given back"));
    world.close_batch(number, which);
}

pub fn receive_from_the_dead(world: &mut World) {
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
