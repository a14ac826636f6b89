//! Random sequences of C-ABI calls, with ids of every kind, made-up ids, sizes and orders of every sort, under
//! AddressSanitizer: no crash, no hang, no panic caught, no memory touched that is not there, each release and drop
//! function once. (rules 9 10 12 32) `make fuzz SECONDS=120`.
//!
//! The input is read as a list of choices; when it is used up every choice is 0 and the run ends. Nothing here waits:
//! timeouts are 0 or a nanosecond.

#![no_main]
#![allow(dropping_copy_types)] // a result is looked at by dropping it

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use tidings::ffi::{
    call::*, engine::*, error::*, group::*, link::*, look::*, loop_::*, mailbox::*, monitor::*, name::*, receive::*,
    send::*, testing::*, timer::*, topic::*, types::*, version::*,
};

/// Calls of one input at most.
const MOST: usize = 2000;
/// Handlers within handlers at most.
const DEEPEST: u32 = 3;
const TEXTS: [&str; 12] = ["", "a", "b", "a.b", "a.*", "a.>", ">", "*", "a..b", "$dead", "a b", "name"];

#[derive(Clone, Copy)]
enum Kind {
    Engine,
    Mailbox,
    Monitor,
    Timer,
    Subscription,
    Loop,
    Ticket,
    Watch,
}
const KINDS: usize = Kind::Watch as usize + 1;

#[derive(Default)]
struct State {
    input: Vec<u8>,
    at: usize,
    ids: [Vec<u64>; KINDS],
    messages: Vec<td_message>,
    batches: Vec<td_batch>,
    cursors: Vec<td_cursor>,
    depth: u32,
    virtual_clock: bool,
    calls: usize,
    /// What was registered with a drop or release function, and how often that ran.
    owed: Vec<u32>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
    static MEMORY: Vec<u8> = (0..65_536u32).map(|n| n as u8).collect();
}

fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(act)
}

fn byte() -> u8 {
    with(|state| {
        state.at += 1;
        state.input.get(state.at - 1).copied().unwrap_or(0)
    })
}

fn over() -> bool {
    with(|state| state.at >= state.input.len() || state.calls >= MOST)
}

fn word() -> u64 {
    (0..8).fold(0, |word, _| word << 8 | byte() as u64)
}

/// Mostly an id of this kind; now and then one of another, an old one with a bit turned, or a made-up one.
fn id(kind: Kind) -> u64 {
    let choice = byte();
    let of = |kind: usize, number: u8| {
        with(|state| {
            let ids = &state.ids[kind];
            // The latest most of the time, so that things are alive.
            ids.len().checked_sub(1 + number as usize % ids.len().clamp(1, 16)).map_or(0, |at| ids[at])
        })
    };
    match choice {
        0..=3 => 0,
        4..=5 => word(),
        6..=9 => of(byte() as usize % KINDS, byte()),
        10..=12 => of(kind as usize, byte()) ^ 1 << (byte() % 64),
        number => of(kind as usize, number),
    }
}

fn keep(kind: Kind, id: u64) {
    if id != 0 {
        with(|state| state.ids[kind as usize].push(id));
    }
}

fn size() -> usize {
    match byte() {
        small @ 0..=199 => small as usize / 4,
        large => (large as usize - 199) * 1000,
    }
}

fn data(size: usize) -> *const c_void {
    MEMORY.with(|memory| if size == 0 && byte() & 1 == 0 { null() } else { memory.as_ptr().cast() })
}

fn text() -> (*const std::ffi::c_char, usize) {
    let text = TEXTS[byte() as usize % TEXTS.len()];
    (text.as_ptr().cast(), text.len())
}

fn flags() -> u32 {
    match byte() {
        0..=199 => 0,
        200..=250 => TD_FLUSH,
        flags => 1 << (flags % 32),
    }
}

/// The size of an options struct: right, or not.
fn told(right: usize) -> usize {
    match byte() {
        0..=239 => right,
        240..=249 => right.saturating_sub(8),
        other => [0, 4, 7, right.saturating_sub(16), 5000, usize::MAX][other as usize - 250],
    }
}

extern "C" fn once(user: *mut c_void) {
    with(|state| state.owed[user as usize] += 1);
}

extern "C" fn released(data: *mut c_void, size: usize, user: *mut c_void) {
    touch(data, size);
    once(user);
}

fn owe() -> *mut c_void {
    with(|state| {
        state.owed.push(0);
        (state.owed.len() - 1) as *mut c_void
    })
}

/// Takes back what is not owed after all: the call failed and kept its hands off.
fn unless(owed: *mut c_void, kept: bool) {
    if !kept {
        with(|state| {
            assert_eq!(state.owed[owed as usize], 0);
            state.owed[owed as usize] = 1;
        });
    }
}

/// Reads every byte, as a user would.
fn touch(data: *const c_void, size: usize) {
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
    std::hint::black_box(bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
}

fn seen(message: &td_message) {
    touch(message.data, message.data_size);
    touch(message.topic.cast(), message.topic_size);
    if message.kind == TD_KIND_REQUEST {
        keep(Kind::Ticket, message.r#ref);
    }
}

fn received(code: i32, message: td_message) {
    if code == 0 {
        seen(&message);
        with(|state| state.messages.push(message));
    }
}

extern "C" fn handle(batch: *mut td_batch, _: *mut c_void) {
    let nested = with(|state| {
        state.depth += 1;
        state.depth <= DEEPEST
    });
    let mut message = zeroed();
    while nested && byte() % 8 > 0 && unsafe { td_batch_next(batch, &mut message) } == 1 {
        seen(&message);
        for _ in 0..byte() % 3 {
            step();
        }
    }
    if byte() % 16 == 0 {
        let mut copy = zeroed();
        if unsafe { td_batch_retain(batch, &mut copy) } == 0 {
            with(|state| state.batches.push(copy));
        }
    }
    with(|state| state.depth -= 1);
}

extern "C" fn wake(_: *mut c_void) {}

fn zeroed<T>() -> T {
    // SAFETY: used for structs of the header, of which all zeros are a value.
    unsafe { std::mem::zeroed() }
}

fn mailbox() -> td_mailbox {
    td_mailbox { id: id(Kind::Mailbox) }
}

fn from() -> td_mailbox {
    if byte() & 1 == 0 {
        td_mailbox { id: 0 }
    } else {
        mailbox()
    }
}

fn engine() -> td_engine {
    td_engine { id: id(Kind::Engine) }
}

fn open_mailbox() {
    let mut options: td_mailbox_options = zeroed();
    options.size = told(size_of_val(&options));
    options.flags = if byte() < 250 { 0 } else { byte() as u32 };
    options.policy = byte() as u32 % 7;
    // Nobody would move the clock that a send waits on.
    if options.policy == TD_BLOCK && with(|state| state.virtual_clock) {
        options.policy = TD_FAIL;
    }
    options.max_messages = byte() as u64 % 8;
    options.max_bytes = if byte() < 200 { 0 } else { 1 + byte() as u64 * 100 };
    options.block_timeout = 1;
    if byte() % 3 == 0 {
        options.r#loop = td_loop { id: id(Kind::Loop) };
    }
    if options.r#loop.id != 0 || byte() > 250 {
        options.handler = Some(handle);
    }
    if byte() % 4 == 0 {
        (options.name, options.name_size) = text();
    }
    options.user = owe();
    options.drop = Some(once);
    let readable = options.size == size_of_val(&options);
    if !readable {
        // What is behind the size told is not looked at, so nothing there may be owed.
        (options.handler, options.drop) = (None, None);
    }
    let mut opened = zeroed::<td_mailbox>();
    let code = unsafe { td_mailbox_open(engine(), &options, &mut opened) };
    unless(options.user, options.drop.is_some());
    assert_eq!(code == 0, opened.id != 0);
    keep(Kind::Mailbox, opened.id);
}

fn send_lent() {
    let mut options: td_send_options = zeroed();
    options.size = size_of_val(&options);
    options.flags = flags();
    options.timeout = byte() as i64 % 2 - 1;
    options.release_loop = td_loop { id: if byte() % 4 == 0 { id(Kind::Loop) } else { 0 } };
    options.release_user = owe();
    options.release = Some(released);
    let size = size();
    let data = MEMORY.with(|memory| memory.as_ptr().cast());
    let code = unsafe { td_send_ex(mailbox(), from(), word(), data, size, &options) };
    unless(options.release_user, code == 0);
}

fn publish() {
    let mut options: td_send_options = zeroed();
    options.size = size_of_val(&options);
    options.flags = if byte() & 1 == 0 { 0 } else { TD_RETAIN };
    options.release_user = owe();
    let lends = byte() % 4 == 0;
    options.release = lends.then_some(released as extern "C" fn(*mut c_void, usize, *mut c_void));
    let ((topic, length), size, mut receipt) = (text(), size(), zeroed());
    let data = MEMORY.with(|memory| memory.as_ptr().cast());
    let code = unsafe { td_publish(engine(), from(), topic, length, word(), data, size, &options, &mut receipt) };
    unless(options.release_user, lends && code == 0);
}

fn items() -> Vec<td_item> {
    let item = |_| {
        let data_size = size();
        td_item { tag: word(), data: MEMORY.with(|memory| memory.as_ptr().cast()), data_size }
    };
    (0..byte() % 8).map(item).collect()
}

fn receive() {
    let mut message = zeroed();
    let code = match byte() % 4 {
        0 | 1 => unsafe { td_recv(mailbox(), 0, flags(), &mut message) },
        2 => {
            let mut wanted: td_match = zeroed();
            wanted.size = told(size_of_val(&wanted));
            wanted.fields = byte() as u32 % 17;
            wanted.kind = byte() as u32 % 34;
            (wanted.tag, wanted.tag_mask) = (word(), word());
            (wanted.from, wanted.r#ref) = (from(), id(Kind::Ticket));
            unsafe { td_recv_match(mailbox(), &wanted, 0, flags(), &mut message) }
        }
        _ => {
            let mut cursor = with(|state| state.cursors.pop()).unwrap_or_else(zeroed);
            if byte() == 255 {
                cursor.words[byte() as usize % 4] = word();
            }
            let taken = mailbox();
            let code = unsafe { td_recv_peek(taken, &mut cursor, 0, 0, &mut message) };
            received(code, message);
            let code = unsafe { td_recv_take(if byte() < 200 { taken } else { mailbox() }, &cursor, &mut message) };
            with(|state| state.cursors.push(cursor));
            code
        }
    };
    received(code, message);
}

fn let_go() {
    let at = byte() as usize;
    if byte() & 1 == 0 {
        let Some(message) = with(|state| pick(&state.messages, at)) else { return };
        let _ = unsafe { td_message_release(&message) };
        if byte() < 240 {
            with(|state| state.messages.retain(|other| other.owner != message.owner));
        }
    } else {
        let Some(mut batch) = with(|state| pick(&state.batches, at)) else { return };
        batch.cursor = if byte() == 255 { word() as u32 } else { batch.cursor };
        let _ = unsafe { td_batch_release(&mut batch) };
        with(|state| state.batches.retain(|other| other.owner != batch.owner));
    }
}

fn pick<T: Copy>(from: &[T], at: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[at % from.len()])
}

fn batch() {
    let at = byte() as usize;
    let Some(mut batch) = with(|state| pick(&state.batches, at)) else { return };
    let mut message = zeroed();
    match byte() % 4 {
        0 => {
            let mut copy = zeroed();
            if unsafe { td_batch_retain(&batch, &mut copy) } == 0 {
                with(|state| state.batches.push(copy));
            }
        }
        1 => drop(unsafe { td_batch_claim(&mut batch, byte() as u32) }),
        _ => {
            if unsafe { td_batch_next(&mut batch, &mut message) } == 1 {
                seen(&message);
            }
        }
    }
    with(|state| state.batches.iter_mut().filter(|other| other.owner == batch.owner).for_each(|other| *other = batch));
}

fn look() {
    let (mut number, mut pointer, mut fd, mut name) = (0, null_mut(), 0, [0; 40]);
    let mut counters: td_mailbox_counters = zeroed();
    counters.size = told(size_of_val(&counters));
    let mut totals: td_engine_counters = zeroed();
    totals.size = told(size_of_val(&totals));
    unsafe {
        match byte() % 8 {
            0 => drop(td_mailbox_stats(mailbox(), &mut counters)),
            1 => drop(td_engine_stats(engine(), &mut totals)),
            2 => drop(td_mailbox_user(mailbox(), &mut pointer)),
            3 => drop(td_loop_deadline(td_loop { id: id(Kind::Loop) }, &mut number)),
            4 => drop(td_timer_read(td_timer { id: id(Kind::Timer) }, &mut number)),
            5 => {
                let got = match byte() & 1 {
                    0 => td_mailbox_fd(mailbox(), &mut fd),
                    _ => td_loop_fd(td_loop { id: id(Kind::Loop) }, &mut fd),
                };
                if got == 0 {
                    // SAFETY: the caller owns the descriptor.
                    drop(<std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd as i32));
                }
            }
            6 => drop(td_last_error(name.as_mut_ptr(), byte() as usize % 41)),
            _ => {
                let code = word() as i32;
                touch(td_err_name(code).cast(), 1);
                touch(td_strerror(code).cast(), 1);
                touch(td_version().cast(), 1);
                let _ = (td_version_number(), td_abi_version(), td_now(engine(), &mut number));
                let mut default = zeroed::<td_engine>();
                let _ = td_engine_default(&mut default);
                keep(Kind::Engine, default.id);
            }
        }
    }
}

fn call() {
    let (size, mut reply, mut ticket) = (size(), zeroed(), zeroed::<td_ticket>());
    unsafe {
        match byte() % 12 {
            8 => drop(td_reply_part(td_ticket { id: id(Kind::Ticket) }, data(size), size, 0, flags())),
            9 => drop(td_reply_end(td_ticket { id: id(Kind::Ticket) })),
            10 => {
                let to: Vec<td_mailbox> = (0..byte() % 6).map(|_| mailbox()).collect();
                let timeout = if byte() & 1 == 0 { TD_FOREVER } else { byte() as i64 };
                let _ = td_call_many(to.as_ptr(), to.len(), mailbox(), word(), data(size), size, timeout, &mut ticket);
                keep(Kind::Ticket, ticket.id);
            }
            11 => {
                let at = byte() as usize;
                let Some(message) = with(|state| pick(&state.messages, at)) else { return };
                let _ = td_forward(mailbox(), from(), &message);
            }
            0 => received(td_call(mailbox(), from(), word(), data(size), size, 0, flags(), &mut reply), reply),
            1 => drop(td_call_cancel(td_ticket { id: id(Kind::Ticket) })),
            2 => drop(td_ticket_drop(td_ticket { id: id(Kind::Ticket) })),
            3 | 4 => drop(td_reply(td_ticket { id: id(Kind::Ticket) }, data(size), size)),
            5 => drop(td_reply_error(td_ticket { id: id(Kind::Ticket) }, byte() as i32 - 3, data(size), size)),
            _ => {
                let timeout = if byte() & 1 == 0 { TD_FOREVER } else { byte() as i64 };
                let _ = td_call_start(mailbox(), mailbox(), word(), data(size), size, timeout, &mut ticket);
                keep(Kind::Ticket, ticket.id);
            }
        }
    }
}

fn watch() {
    let ((name, length), mut monitor, mut other) = (text(), zeroed::<td_monitor_ref>(), zeroed::<td_mailbox>());
    unsafe {
        match byte() % 10 {
            0 | 1 => drop(td_monitor(mailbox(), mailbox(), word(), &mut monitor)),
            8 => drop(td_monitor_receipt(mailbox(), mailbox(), word(), &mut monitor)),
            9 => {
                // This process, one that is not there, and what is none. No wider choice: they are the system's.
                let pid = [std::process::id() as i64, i32::MAX as i64, 0, -1][byte() as usize % 4];
                let _ = td_monitor_os_process(mailbox(), pid, word(), &mut monitor);
            }
            2 => drop(td_monitor_name(mailbox(), name, length, word(), &mut monitor)),
            3 => drop(td_demonitor(td_monitor_ref { id: id(Kind::Monitor) }, flags(), null_mut())),
            4 => drop(td_register(mailbox(), name, length)),
            5 => drop(td_register_replace(mailbox(), name, length, &mut other)),
            6 => drop(td_unregister(engine(), name, length)),
            _ => drop(td_whereis(engine(), name, length, &mut other)),
        }
    }
    keep(Kind::Monitor, monitor.id);
    keep(Kind::Mailbox, other.id);
}

fn time() {
    let ((name, length), size, mut timer) = (text(), size(), zeroed::<td_timer>());
    let delay = byte() as i64 - 2;
    unsafe {
        match byte() % 6 {
            0 => drop(td_send_after(mailbox(), delay, word(), data(size), size, &mut timer)),
            1 => drop(td_send_every(mailbox(), delay, word(), data(size), size, &mut timer)),
            2 => drop(td_send_after_name(engine(), name, length, delay, word(), data(size), size, &mut timer)),
            3 => drop(td_timer_cancel(td_timer { id: id(Kind::Timer) }, null_mut())),
            4 => drop(td_clock_wait_parked(engine(), 0, 0)),
            _ => drop(td_clock_advance(engine(), byte() as i64 - 1)),
        }
    }
    keep(Kind::Timer, timer.id);
}

fn subscribe() {
    let ((pattern, length), mut subscription) = (text(), zeroed::<td_subscription>());
    let mut options: td_subscribe_options = zeroed();
    options.size = told(size_of_val(&options));
    (options.policy, options.max_messages) = (byte() as u32 % 7, byte() as u64 % 4);
    if byte() % 4 == 0 {
        (options.queue_group, options.queue_group_size) = text();
    }
    unsafe {
        match byte() % 3 {
            0 => drop(td_unsubscribe(td_subscription { id: id(Kind::Subscription) }, flags())),
            _ => drop(td_subscribe(mailbox(), pattern, length, &options, &mut subscription)),
        }
    }
    keep(Kind::Subscription, subscription.id);
}

fn open_loop() {
    let mut options: td_loop_options = zeroed();
    options.size = size_of_val(&options);
    options.budget = byte() as u32 % 4;
    options.user = owe();
    options.wake = if byte() & 1 == 0 { Some(wake) } else { None };
    options.drop = Some(once);
    let mut opened = zeroed::<td_loop>();
    let code = unsafe { td_loop_open(engine(), &options, &mut opened) };
    assert_eq!(code == 0, opened.id != 0);
    keep(Kind::Loop, opened.id);
}

fn end() {
    let size = size();
    let reason = [0, 1, 3, 6, 1024, 2000, -1, word() as i32][byte() as usize % 8];
    let _ = match byte() % 8 {
        6 => td_suspend(mailbox()),
        7 => td_resume(mailbox()),
        0 | 1 => td_mailbox_close(mailbox()),
        2 => td_mailbox_kill(mailbox()),
        3 => unsafe { td_mailbox_exit(mailbox(), reason, data(size), size) },
        4 => td_mailbox_wait(mailbox(), 0, flags()),
        _ if byte() % 4 == 0 => td_loop_close(td_loop { id: id(Kind::Loop) }),
        _ if byte() % 8 == 0 => drain(),
        _ => td_loop_wake(td_loop { id: id(Kind::Loop) }),
    };
}

fn drain() -> i32 {
    let (mut report, mut suspended): (td_drain_report, [td_mailbox; 4]) = (zeroed(), zeroed());
    report.size = told(size_of_val(&report));
    unsafe { td_engine_drain(engine(), 0, &mut report, suspended.as_mut_ptr(), byte() as usize % 5) }
}

fn belong() {
    let ((group, length), (key, size), mut out) = (text(), text(), zeroed());
    let (mut watch, mut number) = (zeroed::<td_watch>(), 0);
    unsafe {
        match byte() % 12 {
            0 | 1 => drop(td_group_join(mailbox(), group, length)),
            2 => drop(td_group_leave(mailbox(), group, length)),
            3 => received(td_group_members(engine(), group, length, &mut out), out),
            4 => received(td_group_watch(mailbox(), group, length, word(), &mut watch, &mut out), out),
            5 | 6 => drop(td_presence_enter(mailbox(), group, length, key, size, byte() as i64 - 1)),
            7 => drop(td_presence_leave(mailbox(), group, length, key, size)),
            8 => received(td_presence_keys(engine(), group, length, &mut out), out),
            9 => received(td_presence_watch(mailbox(), group, length, word(), &mut watch, &mut out), out),
            10 => drop(td_interest_watch(mailbox(), group, length, word(), &mut watch, &mut number)),
            _ => drop(td_unwatch(td_watch { id: id(Kind::Watch) }, flags())),
        }
    }
    keep(Kind::Watch, watch.id);
}

fn bind() {
    let ((topic, length), size, mut out) = (text(), size(), zeroed());
    let lasting = if byte() & 1 == 0 { 0 } else { TD_RETAIN };
    unsafe {
        match byte() % 10 {
            0 | 1 => drop(td_link(mailbox(), mailbox())),
            2 => drop(td_unlink(mailbox(), mailbox())),
            3 => drop(td_trap_exit(mailbox(), byte() as u32 % 3)),
            4 => drop(td_notify(mailbox(), word())),
            5 => drop(td_will_set(mailbox(), topic, length, word(), data(size), size, lasting)),
            6 => drop(td_will_clear(mailbox())),
            7 => received(td_engine_inspect(engine(), &mut out), out),
            8 => {
                let which = if byte() & 1 == 0 { id(Kind::Mailbox) } else { word() };
                received(td_explain(which, &mut out), out);
            }
            _ if byte() % 8 == 0 => received(td_recorder_dump(&mut out), out),
            _ => {}
        }
    }
}

fn step() {
    with(|state| state.calls += 1);
    let size = size();
    match byte() % 36 {
        32 | 33 => belong(),
        34 | 35 => bind(),
        0..=2 => open_mailbox(),
        3..=6 => drop(unsafe { td_send(mailbox(), from(), word(), data(size), size) }),
        7 => send_lent(),
        8 => {
            let items = items();
            let _ = unsafe { td_send_many(mailbox(), from(), items.as_ptr(), items.len()) };
        }
        9 => {
            let (name, length) = text();
            let _ = unsafe { td_send_name(engine(), name, length, from(), word(), data(size), size) };
        }
        10..=12 => receive(),
        13 => {
            let mut batch = zeroed();
            if unsafe { td_recv_batch(mailbox(), 0, flags(), &mut batch) } == 0 {
                with(|state| state.batches.push(batch));
            }
        }
        14 | 15 => batch(),
        16 => let_go(),
        17 | 18 => drop(td_loop_run(td_loop { id: id(Kind::Loop) }, 0, flags())),
        19 => open_loop(),
        20..=22 => call(),
        23 | 24 => watch(),
        25 | 26 => time(),
        27 => subscribe(),
        28 => publish(),
        29 => {
            let ((topic, length), items, mut receipt) = (text(), items(), zeroed());
            let _ =
                unsafe { td_publish_many(engine(), from(), topic, length, items.as_ptr(), items.len(), &mut receipt) };
        }
        30 => look(),
        _ => end(),
    }
}

fn open_engine(virtual_clock: bool) -> td_engine {
    let (mut engine, mut options) = (zeroed::<td_engine>(), zeroed::<td_engine_options>());
    options.size = size_of_val(&options);
    // On the real clock a send that waits for room ends; with host time no thread disturbs the order of things.
    options.flags = if virtual_clock { TD_ENGINE_VIRTUAL_CLOCK } else { 0 };
    options.time = if virtual_clock { TD_TIME_THREAD } else { TD_TIME_HOST };
    assert_eq!(unsafe { td_engine_open(&options, &mut engine) }, 0);
    engine
}

extern "C" fn panicked(level: u32, text: *const std::ffi::c_char, size: usize, _: *mut c_void) {
    let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), size) };
    if level == TD_LOG_ERROR && text.starts_with(b"panic") {
        eprintln!("{}", String::from_utf8_lossy(text));
        std::process::abort();
    }
}

fuzz_target!(init: { unsafe { td_log_set(TD_LOG_ERROR, Some(panicked), null_mut(), None) }; }, |input: &[u8]| {
    STATE.set(State { input: input.to_vec(), ..State::default() });
    let virtual_clock = byte() & 1 == 0;
    with(|state| state.virtual_clock = virtual_clock);
    let engines = [open_engine(virtual_clock), open_engine(false)];
    engines.into_iter().for_each(|engine| keep(Kind::Engine, engine.id));
    open_mailbox();
    while !over() {
        step();
    }
    let (messages, batches) = with(|state| (std::mem::take(&mut state.messages), std::mem::take(&mut state.batches)));
    messages.iter().for_each(|message| drop(unsafe { td_message_release(message) }));
    batches.into_iter().for_each(|mut batch| drop(unsafe { td_batch_release(&mut batch) }));
    // Also the default one, if somebody asked for it.
    let engines = with(|state| std::mem::take(&mut state.ids[Kind::Engine as usize]));
    engines.into_iter().for_each(|id| drop(td_engine_close(td_engine { id })));
    let owed = with(|state| std::mem::take(&mut state.owed));
    assert!(owed.iter().all(|ran| *ran == 1), "each release and drop function once: {owed:?}");
});
