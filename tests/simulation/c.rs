//! The C functions as the simulation calls them: ids as numbers, bytes as slices. Nothing is checked here.

#![allow(unsafe_code)]

use std::ffi::c_void;
pub use tidings::ffi::call::*;
pub use tidings::ffi::engine::*;
pub use tidings::ffi::error::*;
pub use tidings::ffi::group::*;
pub use tidings::ffi::link::*;
pub use tidings::ffi::loop_::*;
pub use tidings::ffi::mailbox::*;
pub use tidings::ffi::monitor::*;
pub use tidings::ffi::name::*;
pub use tidings::ffi::receive::*;
pub use tidings::ffi::send::*;
pub use tidings::ffi::testing::*;
pub use tidings::ffi::timer::*;
pub use tidings::ffi::topic::*;
pub use tidings::ffi::types::*;

pub type Id = u64;

pub fn zeroed<T: Copy>() -> T {
    // SAFETY: used for plain structs of the C header only, of which all zeros are a value.
    unsafe { std::mem::zeroed() }
}

fn at(bytes: &[u8]) -> (*const c_void, usize) {
    (bytes.as_ptr().cast(), bytes.len())
}

fn text(text: &str) -> (*const std::ffi::c_char, usize) {
    (text.as_ptr().cast(), text.len())
}

pub fn bytes(message: &td_message) -> &[u8] {
    // SAFETY: the message was given by the library and not released yet.
    unsafe { std::slice::from_raw_parts(message.data.cast(), message.data_size) }
}

pub fn topic(message: &td_message) -> &[u8] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(message.topic.cast(), message.topic_size) }
}

/// Kinds and refs of the entries of a frame.
pub fn kinds(batch: &td_batch) -> Vec<(u32, Id)> {
    let header = |number: u32| {
        // SAFETY: the frame of a batch that is open holds `count` entries at these offsets.
        unsafe { *batch.frame.add(*batch.offsets.add(number as usize) as usize).cast::<td_frame_header>() }
    };
    (0..batch.count).map(header).map(|header| (header.kind as u32, header.r#ref)).collect()
}

macro_rules! call {
    ($call:expr) => {
        // SAFETY: every pointer here is to a live value of the right type.
        unsafe { $call }
    };
}

pub fn engine_open(max_bytes: u64) -> Id {
    let mut options: td_engine_options = zeroed();
    (options.size, options.flags) = (size_of_val(&options), TD_ENGINE_VIRTUAL_CLOCK);
    options.max_bytes = max_bytes;
    let mut engine = td_engine::default();
    assert_eq!(call!(td_engine_open(&options, &mut engine)), 0);
    engine.id
}

pub fn engine_stats(id: Id) -> td_engine_counters {
    let mut counters: td_engine_counters = zeroed();
    counters.size = size_of_val(&counters);
    assert_eq!(call!(td_engine_stats(td_engine { id }, &mut counters)), 0);
    counters
}

pub fn now(id: Id) -> i64 {
    let mut now = 0;
    assert_eq!(call!(td_now(td_engine { id }, &mut now)), 0);
    now
}

pub fn mailbox_open(engine: Id, options: &td_mailbox_options) -> (i32, Id) {
    let mut mailbox = td_mailbox::default();
    let code = call!(td_mailbox_open(td_engine { id: engine }, options, &mut mailbox));
    (code, mailbox.id)
}

pub fn mailbox_exit(id: Id, reason: i32, data: &[u8]) -> i32 {
    let (data, size) = at(data);
    call!(td_mailbox_exit(td_mailbox { id }, reason, data, size))
}

/// None when it ended too long ago.
pub fn stats(id: Id) -> Option<td_mailbox_counters> {
    let mut counters: td_mailbox_counters = zeroed();
    counters.size = size_of_val(&counters);
    let code = call!(td_mailbox_stats(td_mailbox { id }, &mut counters));
    (code == 0).then_some(counters)
}

pub fn fd(id: Id) -> (i32, td_fd) {
    let mut fd = -1;
    (call!(td_mailbox_fd(td_mailbox { id }, &mut fd)), fd)
}

pub fn send(to: Id, from: Id, tag: u64, data: &[u8]) -> i32 {
    let (data, size) = at(data);
    call!(td_send(td_mailbox { id: to }, td_mailbox { id: from }, tag, data, size))
}

pub fn send_ex(to: Id, from: Id, tag: u64, data: &[u8], options: &td_send_options) -> i32 {
    let (data, size) = at(data);
    call!(td_send_ex(td_mailbox { id: to }, td_mailbox { id: from }, tag, data, size, options))
}

pub fn recv(id: Id) -> (i32, td_message) {
    let mut message = zeroed();
    (call!(td_recv(td_mailbox { id }, 0, 0, &mut message)), message)
}

pub fn recv_match(id: Id, wanted: &td_match) -> (i32, td_message) {
    let mut message = zeroed();
    (call!(td_recv_match(td_mailbox { id }, wanted, 0, 0, &mut message)), message)
}

pub fn recv_batch(id: Id) -> (i32, td_batch) {
    let mut batch = zeroed();
    (call!(td_recv_batch(td_mailbox { id }, 0, 0, &mut batch)), batch)
}

pub fn batch_next(batch: &mut td_batch) -> (i32, td_message) {
    let mut message = zeroed();
    (call!(td_batch_next(batch, &mut message)), message)
}

pub fn batch_release(batch: &mut td_batch) -> i32 {
    call!(td_batch_release(batch))
}

pub fn release(message: &td_message) -> i32 {
    call!(td_message_release(message))
}

pub fn call_start(to: Id, from: Id, tag: u64, data: &[u8], timeout: i64) -> (i32, Id) {
    let ((data, size), mut ticket) = (at(data), td_ticket::default());
    let (to, from) = (td_mailbox { id: to }, td_mailbox { id: from });
    (call!(td_call_start(to, from, tag, data, size, timeout, &mut ticket)), ticket.id)
}

pub fn call_now(to: Id, from: Id, tag: u64) -> i32 {
    let (to, from, mut reply) = (td_mailbox { id: to }, td_mailbox { id: from }, zeroed());
    call!(td_call(to, from, tag, std::ptr::null(), 0, 0, 0, &mut reply))
}

pub fn reply(id: Id, status: i32, data: &[u8]) -> i32 {
    let (data, size) = at(data);
    match status {
        0 => call!(td_reply(td_ticket { id }, data, size)),
        _ => call!(td_reply_error(td_ticket { id }, status, data, size)),
    }
}

pub fn monitor(watcher: Id, target: Id, tag: u64) -> (i32, Id) {
    let mut monitor = td_monitor_ref::default();
    (call!(td_monitor(td_mailbox { id: watcher }, td_mailbox { id: target }, tag, &mut monitor)), monitor.id)
}

pub fn monitor_receipt(watcher: Id, target: Id, tag: u64) -> (i32, Id) {
    let mut monitor = td_monitor_ref::default();
    (call!(td_monitor_receipt(td_mailbox { id: watcher }, td_mailbox { id: target }, tag, &mut monitor)), monitor.id)
}

pub fn monitor_name(watcher: Id, name: &str, tag: u64) -> (i32, Id) {
    let ((name, size), mut monitor) = (text(name), td_monitor_ref::default());
    (call!(td_monitor_name(td_mailbox { id: watcher }, name, size, tag, &mut monitor)), monitor.id)
}

pub fn demonitor(id: Id, flags: u32) -> (i32, u32) {
    let mut outcome = 0;
    (call!(td_demonitor(td_monitor_ref { id }, flags, &mut outcome)), outcome)
}

pub fn register(id: Id, name: &str) -> i32 {
    let (name, size) = text(name);
    call!(td_register(td_mailbox { id }, name, size))
}

pub fn replace(id: Id, name: &str) -> (i32, Id) {
    let ((name, size), mut previous) = (text(name), td_mailbox::default());
    (call!(td_register_replace(td_mailbox { id }, name, size, &mut previous)), previous.id)
}

pub fn unregister(engine: Id, name: &str) -> i32 {
    let (name, size) = text(name);
    call!(td_unregister(td_engine { id: engine }, name, size))
}

pub fn whereis(engine: Id, name: &str) -> (i32, Id) {
    let ((name, size), mut mailbox) = (text(name), td_mailbox::default());
    (call!(td_whereis(td_engine { id: engine }, name, size, &mut mailbox)), mailbox.id)
}

pub fn send_name(engine: Id, name: &str, from: Id, tag: u64, data: &[u8]) -> i32 {
    let ((name, length), (data, size)) = (text(name), at(data));
    call!(td_send_name(td_engine { id: engine }, name, length, td_mailbox { id: from }, tag, data, size))
}

pub fn send_after(to: Id, delay: i64, tag: u64, data: &[u8]) -> (i32, Id) {
    let ((data, size), mut timer) = (at(data), td_timer::default());
    (call!(td_send_after(td_mailbox { id: to }, delay, tag, data, size, &mut timer)), timer.id)
}

pub fn send_every(to: Id, period: i64, tag: u64, data: &[u8]) -> (i32, Id) {
    let ((data, size), mut timer) = (at(data), td_timer::default());
    (call!(td_send_every(td_mailbox { id: to }, period, tag, data, size, &mut timer)), timer.id)
}

pub fn send_after_name(engine: Id, name: &str, delay: i64, tag: u64, data: &[u8]) -> (i32, Id) {
    let ((name, length), (data, size), mut timer) = (text(name), at(data), td_timer::default());
    let code = call!(td_send_after_name(td_engine { id: engine }, name, length, delay, tag, data, size, &mut timer));
    (code, timer.id)
}

pub fn timer_cancel(id: Id) -> (i32, i64) {
    let mut left = -1;
    (call!(td_timer_cancel(td_timer { id }, &mut left)), left)
}

pub fn timer_read(id: Id) -> (i32, i64) {
    let mut left = -1;
    (call!(td_timer_read(td_timer { id }, &mut left)), left)
}

pub fn subscribe(id: Id, pattern: &str, policy: u32, max_messages: u64, queue: Option<&str>) -> (i32, Id) {
    let mut options: td_subscribe_options = zeroed();
    (options.size, options.policy, options.max_messages) = (size_of_val(&options), policy, max_messages);
    if let Some(queue) = queue {
        (options.queue_group, options.queue_group_size) = text(queue);
    }
    let ((pattern, size), mut subscription) = (text(pattern), td_subscription::default());
    (call!(td_subscribe(td_mailbox { id }, pattern, size, &options, &mut subscription)), subscription.id)
}

pub fn publish(engine: Id, from: Id, topic: &str, tag: u64, data: &[u8], flags: u32) -> (i32, td_receipt) {
    let ((topic, length), (data, size), mut receipt) = (text(topic), at(data), zeroed());
    let mut options: td_send_options = zeroed();
    (options.size, options.flags) = (size_of_val(&options), flags);
    let (engine, from) = (td_engine { id: engine }, td_mailbox { id: from });
    (call!(td_publish(engine, from, topic, length, tag, data, size, &options, &mut receipt)), receipt)
}

pub fn will_set(id: Id, topic: &str, tag: u64, data: &[u8], flags: u32) -> i32 {
    let ((topic, length), (data, size)) = (text(topic), at(data));
    call!(td_will_set(td_mailbox { id }, topic, length, tag, data, size, flags))
}

pub fn group_join(id: Id, group: &str) -> i32 {
    let (group, size) = text(group);
    call!(td_group_join(td_mailbox { id }, group, size))
}

pub fn group_leave(id: Id, group: &str) -> i32 {
    let (group, size) = text(group);
    call!(td_group_leave(td_mailbox { id }, group, size))
}

pub fn group_members(engine: Id, group: &str) -> Vec<u8> {
    let ((group, size), mut members) = (text(group), zeroed());
    assert_eq!(call!(td_group_members(td_engine { id: engine }, group, size, &mut members)), 0);
    let known = bytes(&members).to_vec();
    assert_eq!(release(&members), 0);
    known
}

/// The watch, and the members at its beginning.
pub fn group_watch(id: Id, group: &str, tag: u64) -> (Id, Vec<u8>) {
    let ((group, size), mut watch, mut members) = (text(group), td_watch::default(), zeroed());
    assert_eq!(call!(td_group_watch(td_mailbox { id }, group, size, tag, &mut watch, &mut members)), 0);
    let known = bytes(&members).to_vec();
    assert_eq!(release(&members), 0);
    (watch.id, known)
}

pub fn presence_enter(id: Id, group: &str, key: &str, grace: i64) -> i32 {
    let ((group, size), (key, length)) = (text(group), text(key));
    call!(td_presence_enter(td_mailbox { id }, group, size, key, length, grace))
}

pub fn presence_leave(id: Id, group: &str, key: &str) -> i32 {
    let ((group, size), (key, length)) = (text(group), text(key));
    call!(td_presence_leave(td_mailbox { id }, group, size, key, length))
}

pub fn presence_keys(engine: Id, group: &str) -> Vec<u8> {
    let ((group, size), mut keys) = (text(group), zeroed());
    assert_eq!(call!(td_presence_keys(td_engine { id: engine }, group, size, &mut keys)), 0);
    let known = bytes(&keys).to_vec();
    assert_eq!(release(&keys), 0);
    known
}

/// The watch, and the keys at its beginning.
pub fn presence_watch(id: Id, group: &str, tag: u64) -> (Id, Vec<u8>) {
    let ((group, size), mut watch, mut keys) = (text(group), td_watch::default(), zeroed());
    assert_eq!(call!(td_presence_watch(td_mailbox { id }, group, size, tag, &mut watch, &mut keys)), 0);
    let known = bytes(&keys).to_vec();
    assert_eq!(release(&keys), 0);
    (watch.id, known)
}

/// The watch, and how many subscriptions there are at its beginning.
pub fn interest_watch(id: Id, pattern: &str, tag: u64) -> (Id, u64) {
    let ((pattern, size), mut watch, mut count) = (text(pattern), td_watch::default(), 0);
    assert_eq!(call!(td_interest_watch(td_mailbox { id }, pattern, size, tag, &mut watch, &mut count)), 0);
    (watch.id, count)
}

pub fn forward(to: Id, from: Id, message: &td_message) -> i32 {
    call!(td_forward(td_mailbox { id: to }, td_mailbox { id: from }, message))
}

pub fn engine_drain(id: Id, timeout: i64) -> (i32, td_drain_report) {
    let mut report: td_drain_report = zeroed();
    report.size = size_of_val(&report);
    (call!(td_engine_drain(td_engine { id }, timeout, &mut report, std::ptr::null_mut(), 0)), report)
}

pub fn reply_part(id: Id, data: &[u8]) -> i32 {
    let (data, size) = at(data);
    call!(td_reply_part(td_ticket { id }, data, size, 0, 0))
}

pub fn call_many(to: &[Id], from: Id, tag: u64, data: &[u8], timeout: i64) -> (i32, Id) {
    let to: Vec<td_mailbox> = to.iter().map(|id| td_mailbox { id: *id }).collect();
    let ((data, size), mut gathering, from) = (at(data), td_ticket::default(), td_mailbox { id: from });
    (call!(td_call_many(to.as_ptr(), to.len(), from, tag, data, size, timeout, &mut gathering)), gathering.id)
}

pub fn loop_open(engine: Id) -> Id {
    let mut looped = td_loop::default();
    assert_eq!(call!(td_loop_open(td_engine { id: engine }, std::ptr::null(), &mut looped)), 0);
    looped.id
}
