//! Watches, groups, presence, queue groups, retained values, wills and dead letters, as their callers use them.
//!
//! Guarantees: each test is one rule of the semantics.

use super::*;

fn virtual_engine() -> Id {
    engine()
}

/// Kind, status, from, topic and data of what is next.
fn edge(mailbox: Id) -> Option<(u32, i32, Id, String, Vec<u8>)> {
    let message = recv(mailbox, 0, false).ok()?;
    // SAFETY: the message was received and not released, so its topic is readable.
    let topic = unsafe { std::slice::from_raw_parts(message.topic.cast::<u8>(), message.topic_size) };
    let topic = String::from_utf8(topic.to_vec()).unwrap();
    let edge = (message.kind, message.status, message.from, topic, text(&message));
    message_release(message.owner).unwrap();
    Some(edge)
}

fn ids(message: &Message) -> Vec<Id> {
    assert_eq!(message.kind, KIND_RESYNC);
    let bytes = text(message);
    bytes.chunks(8).map(|id| Id(u64::from_ne_bytes(id.try_into().unwrap()))).collect()
}

fn shown<T>(message: Message, show: impl Fn(&Message) -> T) -> T {
    let shown = show(&message);
    message_release(message.owner).unwrap();
    shown
}

fn members(engine: Id, group: &str) -> Vec<Id> {
    shown(group_members(engine, group).unwrap(), ids)
}

fn keys(engine: Id, group: &str) -> String {
    let text = shown(presence_keys(engine, group).unwrap(), text);
    String::from_utf8(text).unwrap().replace('\0', " ")
}

fn joined(of: Id) -> Option<(u32, i32, Id, String, Vec<u8>)> {
    Some((KIND_MEMBER, STATUS_JOINED, of, "g".into(), vec![]))
}

fn left(of: Id) -> Option<(u32, i32, Id, String, Vec<u8>)> {
    Some((KIND_MEMBER, STATUS_LEFT, of, "g".into(), vec![]))
}

#[test]
fn joining_twice_counts_two_and_death_leaves_all_before_down() {
    let engine = virtual_engine();
    let (w, a, b) = (mailbox(engine), mailbox(engine), mailbox(engine));
    group_join(a, "g").unwrap();
    let (watch, members_then) = group_watch(w, "g", 7).unwrap();
    assert_eq!((members_then.r#ref, members_then.tag, members_then.info), (watch.0, 7, [KIND_MEMBER as u64, 1]));
    assert_eq!(shown(members_then, ids), [a]);
    group_join(b, "g").unwrap();
    group_join(a, "g").unwrap();
    assert_eq!(members(engine, "g"), [a, a, b]);
    assert_eq!(group_leave(w, "g"), Err(Error::NotFound));
    assert_eq!(group_leave(a, "h"), Err(Error::NotFound));
    monitor(w, a, 1).unwrap();
    mailbox_kill(a).unwrap();
    assert_eq!(members(engine, "g"), [b]);
    assert_eq!(group_join(a, "g"), Err(Error::NoProc));
    group_leave(b, "g").unwrap();
    for expected in [joined(b), joined(a), left(a), left(a)] {
        assert_eq!(edge(w), expected);
    }
    assert_eq!(edge(w).unwrap().0, KIND_DOWN);
    assert_eq!(edge(w), left(b));
    assert_eq!(edge(w), None);
    unwatch(watch, false).unwrap();
    assert_eq!(unwatch(watch, false), Err(Error::Stale));
    group_join(b, "g").unwrap();
    assert_eq!(edge(w), None);
    for bad in ["", &"x".repeat(256)] {
        assert_eq!(group_join(b, bad), Err(Error::Inval));
    }
    balanced(w);
}

#[test]
fn edges_without_room_become_one_resync_that_is_kept_up_to_date() {
    let engine = virtual_engine();
    let (w, a, b) = (bounded(engine, 0, 2), mailbox(engine), mailbox(engine));
    let (watch, none) = group_watch(w, "g", 1).unwrap();
    assert_eq!(shown(none, ids), []);
    (0..3).for_each(|_| group_join(a, "g").unwrap());
    group_join(b, "g").unwrap();
    group_leave(a, "g").unwrap();
    assert_eq!((edge(w), edge(w)), (joined(a), joined(a)));
    let resync = recv(w, 0, false).unwrap();
    assert_eq!((resync.kind, resync.r#ref, resync.tag, resync.info), (KIND_RESYNC, watch.0, 1, [5, 3]));
    assert_eq!(shown(resync, ids), [a, a, b]);
    group_leave(b, "g").unwrap();
    assert_eq!((edge(w), edge(w)), (left(b), None));
    let c = balanced(w);
    assert_eq!((c.sent, c.delivered, c.lost), (4, 4, 0));
}

#[test]
fn a_full_mailbox_that_drops_keeps_its_edges() {
    let engine = virtual_engine();
    let (w, a) = (bounded(engine, 3, 2), mailbox(engine));
    let (_, none) = group_watch(w, "g", 1).unwrap();
    message_release(none.owner).unwrap();
    group_join(a, "g").unwrap();
    send(w, Id::NONE, 5, b"x").unwrap();
    send(w, Id::NONE, 6, b"x").unwrap();
    assert_eq!(edge(w), joined(a));
    assert_eq!(next(w), Ok((KIND_MESSAGE, 6, 1, 0)));
    balanced(w);
}

#[test]
fn a_resync_in_an_open_batch_is_followed_by_edges_or_replaced() {
    let engine = virtual_engine();
    let (w, a) = (bounded(engine, 0, 1), mailbox(engine));
    let (watch, none) = group_watch(w, "g", 1).unwrap();
    message_release(none.owner).unwrap();
    (0..2).for_each(|_| group_join(a, "g").unwrap());
    assert_eq!(edge(w), joined(a));
    // The RESYNC says 2; an edge and a new RESYNC come behind it.
    let mut batch = recv_batch(w, 0, false).unwrap();
    (0..2).for_each(|_| group_join(a, "g").unwrap());
    let message = batch_next(&mut batch).unwrap().unwrap();
    assert_eq!((message.kind, message.info[1], ids(&message).len()), (KIND_RESYNC, 2, 2));
    batch_release(&mut batch).unwrap();
    assert_eq!(edge(w), joined(a));
    // Unread it goes back, and with it everything that a newer one stands for.
    let mut batch = recv_batch(w, 0, false).unwrap();
    (0..2).for_each(|_| group_leave(a, "g").unwrap());
    batch_release(&mut batch).unwrap();
    let resync = recv(w, 0, false).unwrap();
    assert_eq!(shown(resync, ids).len(), 2);
    assert_eq!(edge(w), None);
    // One that went back alone is replaced when the next edge finds no room.
    (0..2).for_each(|_| group_join(a, "g").unwrap());
    assert_eq!(edge(w), joined(a));
    let mut batch = recv_batch(w, 0, false).unwrap();
    batch_release(&mut batch).unwrap();
    group_join(a, "g").unwrap();
    group_join(a, "g").unwrap();
    let resync = recv(w, 0, false).unwrap();
    assert_eq!(shown(resync, ids).len(), 6);
    assert_eq!(edge(w), None);
    // Flushed, it is not seen, also not in a batch.
    (0..2).for_each(|_| group_join(a, "g").unwrap());
    assert_eq!(edge(w), joined(a));
    let mut batch = recv_batch(w, 0, false).unwrap();
    unwatch(watch, true).unwrap();
    assert!(batch_next(&mut batch).unwrap().is_none());
    batch_release(&mut batch).unwrap();
    assert_eq!(balanced(w).queued, 0);
}

#[test]
fn unwatching_leaves_what_is_queued_or_takes_it_out() {
    let engine = virtual_engine();
    let (w, a) = (bounded(engine, 0, 2), mailbox(engine));
    for flush in [false, true] {
        let (watch, then) = group_watch(w, "g", 1).unwrap();
        message_release(then.owner).unwrap();
        (0..4).for_each(|_| group_join(a, "g").unwrap());
        unwatch(watch, flush).unwrap();
        group_join(a, "g").unwrap();
        let seen: Vec<u32> = std::iter::from_fn(|| edge(w)).map(|(kind, ..)| kind).collect();
        let all: &[u32] = if flush { &[] } else { &[KIND_MEMBER, KIND_MEMBER, KIND_RESYNC] };
        assert_eq!(seen, all);
        balanced(w);
    }
    let (watch, then) = group_watch(w, "g", 1).unwrap();
    message_release(then.owner).unwrap();
    mailbox_kill(w).unwrap();
    assert_eq!(unwatch(watch, true), Err(Error::Stale));
    group_join(a, "g").unwrap();
    assert!(group_watch(w, "g", 1).is_err());
}

#[test]
fn a_key_is_present_while_anybody_carries_it_and_through_its_grace() {
    let engine = virtual_engine();
    let (w, a, b) = (mailbox(engine), mailbox(engine), mailbox(engine));
    let (_, none) = presence_watch(w, "g", 1).unwrap();
    message_release(none.owner).unwrap();
    let key = |status, from, key: &str| Some((KIND_PRESENCE, status, from, "g".to_string(), key.as_bytes().to_vec()));
    presence_enter(a, "g", "ann", 20 * MS).unwrap();
    presence_enter(b, "g", "ann", 5 * MS).unwrap();
    presence_enter(b, "g", "bob", 0).unwrap();
    assert_eq!(keys(engine, "g"), "ann bob ");
    assert_eq!((edge(w), edge(w), edge(w)), (key(STATUS_JOINED, a, "ann"), key(STATUS_JOINED, b, "bob"), None));
    mailbox_kill(a).unwrap();
    mailbox_kill(b).unwrap();
    assert_eq!((edge(w), edge(w)), (key(STATUS_LEFT, b, "bob"), None));
    clock_advance(engine, 20 * MS - 1).unwrap();
    assert_eq!((keys(engine, "g").as_str(), edge(w)), ("ann ", None));
    // Back in time: nobody heard.
    let c = mailbox(engine);
    presence_enter(c, "g", "ann", 10 * MS).unwrap();
    clock_advance(engine, 100 * MS).unwrap();
    assert_eq!((edge(w), engine_stats(engine).unwrap().timers), (None, 0));
    mailbox_kill(c).unwrap();
    clock_advance(engine, 10 * MS).unwrap();
    assert_eq!(edge(w), key(STATUS_LEFT, c, "ann"));
    let d = mailbox(engine);
    presence_enter(d, "g", "ann", 10 * MS).unwrap();
    assert_eq!(presence_leave(w, "g", "ann"), Err(Error::NotFound));
    presence_leave(d, "g", "ann").unwrap();
    assert_eq!(presence_leave(d, "g", "ann"), Err(Error::NotFound));
    assert_eq!((edge(w), edge(w)), (key(STATUS_JOINED, d, "ann"), key(STATUS_LEFT, d, "ann")));
    for bad in ["", "a\0b", &"x".repeat(256)] {
        assert_eq!(presence_enter(d, "g", bad, 0), Err(Error::Inval));
    }
    assert_eq!(keys(engine, "g"), "");
}

#[test]
fn interest_starts_with_the_first_and_stops_with_the_last() {
    let engine = virtual_engine();
    let (w, a, b) = (mailbox(engine), mailbox(engine), mailbox(engine));
    let there = subscribe(a, "x.*", 0, 0, None).unwrap();
    let (_, count) = interest_watch(w, "x.>", 3).unwrap();
    assert_eq!((count, interest_watch(w, "y.*", 4).unwrap().1), (1, 0));
    let status = |status, pattern: &str| Some((KIND_INTEREST, status, Id::NONE, pattern.to_string(), vec![]));
    unsubscribe(there, false).unwrap();
    assert_eq!(edge(w), status(STATUS_STOPPED, "x.>"));
    subscribe(b, ">", 0, 0, None).unwrap();
    subscribe(a, "*.1", 0, 0, None).unwrap();
    assert_eq!((edge(w), edge(w)), (status(STATUS_STARTED, "x.>"), status(STATUS_STARTED, "y.*")));
    subscribe(a, "$dead", 0, 0, None).unwrap();
    mailbox_kill(b).unwrap();
    assert_eq!(edge(w), None);
    mailbox_kill(a).unwrap();
    assert_eq!((edge(w), edge(w)), (status(STATUS_STOPPED, "x.>"), status(STATUS_STOPPED, "y.*")));
    assert_eq!(interest_watch(w, "a..b", 4), Err(Error::Inval));
}

#[test]
fn a_queue_group_serves_each_in_turn() {
    let engine = virtual_engine();
    let (a, b, c) = (mailbox(engine), mailbox(engine), bounded(engine, 0, 1));
    let all = mailbox(engine);
    subscribe(a, "t.*", 0, 0, Some("q")).unwrap();
    let leaving = subscribe(b, "t.1", 0, 0, Some("q")).unwrap();
    subscribe(c, "t.>", 0, 0, Some("q")).unwrap();
    subscribe(all, "t.>", 0, 0, None).unwrap();
    let say = |tag| publish(engine, Id::NONE, "t.1", tag, b"x", PublishOptions::default()).unwrap();
    for tag in 1..=7 {
        assert_eq!(say(tag), Receipt { matched: 2, queued: 2, dropped: 0 });
    }
    // c has room for one and is passed over.
    assert_eq!((tags(a), tags(b), tags(c)), (vec![1, 4, 6], vec![2, 5, 7], vec![3]));
    unsubscribe(leaving, false).unwrap();
    let again = subscribe(b, "t.1", 0, 0, Some("q")).unwrap();
    for tag in 8..=10 {
        say(tag);
    }
    assert_eq!((tags(a), tags(b), tags(c)), (vec![9], vec![10], vec![8]));
    // Of topics that only some hear nobody is left out.
    for tag in 11..=16 {
        publish(engine, Id::NONE, if tag % 2 == 0 { "t.1" } else { "t.2.2" }, tag, b"x", PublishOptions::default())
            .unwrap();
        tags(c);
    }
    let (to_a, to_b) = (tags(a), tags(b));
    assert!(!to_a.is_empty() && !to_b.is_empty(), "{to_a:?} {to_b:?}");
    mailbox_kill(a).unwrap();
    unsubscribe(again, false).unwrap();
    say(17);
    assert_eq!(say(18), Receipt { matched: 2, queued: 1, dropped: 1 });
    assert_eq!(tags(all), (1..=18).collect::<Vec<_>>());
    for mailbox in [a, b, c, all] {
        balanced(mailbox);
    }
    assert_eq!(subscribe(b, "t", 0, 0, Some("")), Err(Error::Inval));
}

#[test]
fn what_a_full_queue_group_loses_or_conflates_is_shared() {
    let engine = virtual_engine();
    for policy in [0, 5] {
        let (a, b) = (bounded(engine, policy, 1), bounded(engine, policy, 1));
        let topic = if policy == 0 { "lost" } else { "conflated" };
        for mailbox in [a, b] {
            subscribe(mailbox, topic, 0, 0, Some("q")).unwrap();
        }
        for _ in 0..6 {
            publish(engine, Id::NONE, topic, 1, b"x", PublishOptions::default()).unwrap();
        }
        let [a, b] = [a, b].map(|mailbox| mailbox_stats(mailbox).unwrap());
        assert_eq!((a.sent, b.sent, a.lost + a.conflated, b.lost + b.conflated), (3, 3, 2, 2));
    }
}

#[test]
fn a_large_queue_group_that_is_full_is_asked_once_around() {
    let engine = virtual_engine();
    let members: Vec<Id> = (0..3000).map(|_| bounded(engine, 0, 1)).collect();
    for member in &members {
        subscribe(*member, "t", 0, 0, Some("q")).unwrap();
    }
    let say = || publish(engine, Id::NONE, "t", 1, b"x", PublishOptions::default()).unwrap();
    assert!(members.iter().all(|_| say().queued == 1));
    assert_eq!([say(), say()], [Receipt { matched: 1, queued: 0, dropped: 1 }; 2]);
    assert_eq!(tags(members[1500]), [1]);
    assert_eq!(say().queued, 1);
    assert_eq!(members.iter().map(|member| balanced(*member).lost).sum::<u64>(), 2);
}

fn retain() -> PublishOptions {
    PublishOptions { release: None, retain: true }
}

#[test]
fn retained_values_come_first_and_marked() {
    let engine = virtual_engine();
    let (a, b) = (mailbox(engine), mailbox(engine));
    let large = vec![3u8; 10_000];
    publish(engine, a, "t.1", 1, b"old", retain()).unwrap();
    publish(engine, a, "t.1", 2, b"new", retain()).unwrap();
    publish(engine, Id::NONE, "t.2", 3, &large, retain()).unwrap();
    publish(engine, Id::NONE, "t.3", 4, b"gone", retain()).unwrap();
    publish(engine, Id::NONE, "t.3", 5, b"", retain()).unwrap();
    let subscription = subscribe(b, "t.>", 0, 0, None).unwrap();
    publish(engine, Id::NONE, "t.1", 6, b"live", retain()).unwrap();
    let first = recv(b, 0, false).unwrap();
    assert_eq!((first.kind, first.status, first.from, first.tag), (KIND_TOPIC, STATUS_RETAINED, a, 2));
    assert_eq!((first.r#ref, text(&first)), (subscription.0, b"new".to_vec()));
    message_release(first.owner).unwrap();
    assert_eq!(edge(b), Some((KIND_TOPIC, STATUS_RETAINED, Id::NONE, "t.2".into(), large)));
    assert_eq!(edge(b), Some((KIND_TOPIC, 0, Id::NONE, "t.1".into(), b"live".to_vec())));
    assert_eq!(edge(b), None);
    let c = bounded(engine, 0, 1);
    subscribe(c, "*.*", 0, 0, None).unwrap();
    assert_eq!((tags(c).len(), balanced(c).lost), (1, 1));
    subscribe(c, "t.1", 0, 0, Some("q")).unwrap();
    assert_eq!(edge(c), None);
}

#[test]
fn a_will_is_published_before_down_and_not_at_close() {
    let engine = virtual_engine();
    let (w, a) = (mailbox(engine), mailbox(engine));
    subscribe(w, "will", 0, 0, None).unwrap();
    assert_eq!(will_clear(a), Err(Error::NotFound));
    will_set(a, "will", 1, b"first", false).unwrap();
    will_set(a, "will", 2, b"last", true).unwrap();
    assert_eq!(will_set(a, "$dead", 2, b"last", true), Err(Error::Inval));
    monitor(w, a, 9).unwrap();
    subscribe(a, "will", 0, 0, None).unwrap();
    mailbox_kill(a).unwrap();
    assert_eq!(edge(w), Some((KIND_TOPIC, 0, a, "will".into(), b"last".to_vec())));
    assert_eq!(edge(w).unwrap().0, KIND_DOWN);
    subscribe(w, "will", 0, 0, None).unwrap();
    assert_eq!(edge(w), Some((KIND_TOPIC, STATUS_RETAINED, a, "will".into(), b"last".to_vec())));
    let b = mailbox(engine);
    will_set(b, "will", 3, b"", false).unwrap();
    will_clear(b).unwrap();
    mailbox_kill(b).unwrap();
    assert_eq!(edge(w), None);
    let c = mailbox(engine);
    will_set(c, "will", 4, b"x", false).unwrap();
    engine_close(engine).unwrap();
    assert_eq!(mailbox_stats(w).unwrap().queued, 0);
    assert_eq!(mailbox_stats(w).unwrap().discarded, 0);
}

#[test]
fn a_dead_letter_takes_no_others_place() {
    let engine = virtual_engine();
    let (w, dead) = (bounded(engine, 5, 3), mailbox(engine));
    let values = bounded(engine, 0, 0);
    mailbox_kill(dead).unwrap();
    subscribe(w, "$dead", 5, 0, None).unwrap();
    subscribe(values, "$dead", 5, 2, None).unwrap();
    for _ in 0..4 {
        assert_eq!(send(dead, Id::NONE, 1, b""), Err(Error::NoProc));
    }
    for (mailbox, queued) in [(w, 3), (values, 2)] {
        for _ in 0..queued {
            let message = recv(mailbox, 0, false).unwrap();
            assert_eq!(message.info, [dead.0, KIND_MESSAGE as u64]);
            message_release(message.owner).unwrap();
        }
        let counters = mailbox_stats(mailbox).unwrap();
        assert_eq!((counters.conflated, counters.lost), (0, 4 - queued));
    }
}

#[test]
fn dead_letters_are_shown_to_those_who_ask() {
    let engine = virtual_engine();
    let (w, a, b) = (mailbox(engine), mailbox(engine), mailbox(engine));
    mailbox_kill(b).unwrap();
    assert_eq!(send(b, a, 1, b"unheard"), Err(Error::NoProc));
    let subscription = subscribe(w, "$dead", 0, 0, None).unwrap();
    subscribe(w, ">", 0, 0, None).unwrap();
    let letter = || {
        let message = recv(w, 0, false).unwrap();
        assert_eq!((message.kind, message.r#ref), (KIND_TOPIC, subscription.0));
        let letter = (message.from, message.tag, text(&message), message.status, message.info);
        message_release(message.owner).unwrap();
        letter
    };
    let large = vec![1u8; 9000];
    assert_eq!(send(b, a, 2, b"lost"), Err(Error::NoProc));
    assert_eq!(letter(), (a, 2, b"lost".to_vec(), Error::NoProc.code(), [b.0, KIND_MESSAGE as u64]));
    assert_eq!(send(b, a, 3, &large), Err(Error::NoProc));
    assert_eq!(letter(), (a, 3, large, Error::NoProc.code(), [b.0, KIND_MESSAGE as u64]));
    assert_eq!(send_many(b, a, &[(4, b"many"), (5, b"more")]), Err(Error::NoProc));
    assert_eq!((letter().1, call_start(b, a, 6, b"ask", FOREVER)), (4, Err(Error::NoProc)));
    assert_eq!(letter(), (a, 6, b"ask".to_vec(), Error::NoProc.code(), [b.0, KIND_REQUEST as u64]));
    let c = mailbox(engine);
    let ticket = call_start(c, a, 7, b"x", 5 * MS).unwrap();
    clock_advance(engine, 5 * MS).unwrap();
    assert_eq!(reply(ticket, 0, b"late"), Err(Error::Stale));
    assert_eq!(letter(), (Id::NONE, 0, b"late".to_vec(), Error::Stale.code(), [ticket.0, KIND_REPLY as u64]));
    let timer = send_after_name(engine, "nobody", MS, 8, b"tick").unwrap();
    clock_advance(engine, MS).unwrap();
    assert_eq!(letter(), (Id::NONE, 8, b"tick".to_vec(), Error::NotFound.code(), [timer.0, KIND_TIMER as u64]));
    assert_eq!(publish(engine, a, "$dead", 1, b"", PublishOptions::default()), Err(Error::Inval));
    assert_eq!((edge(w), engine_stats(engine).unwrap().dead_letters), (None, 7));
}

#[test]
fn what_is_flushed_is_not_delivered_from_an_open_batch() {
    let engine = engine();
    let (a, b) = (mailbox(engine), mailbox(engine));
    let topic = subscribe(a, "t", 0, 0, None).unwrap();
    let (watch, members) = group_watch(a, "g", 5).unwrap();
    message_release(members.owner).unwrap();
    for tag in 1..=2 {
        publish(engine, Id::NONE, "t", tag, b"x", PublishOptions::default()).unwrap();
    }
    group_join(b, "g").unwrap();
    send(a, Id::NONE, 9, b"last").unwrap();
    let mut batch = recv_batch(a, 0, false).unwrap();
    assert_eq!((batch.count, batch_next(&mut batch).unwrap().unwrap().tag), (4, 1));
    unsubscribe(topic, true).unwrap();
    unwatch(watch, true).unwrap();
    assert!(!batch_claim(&mut batch, 1).unwrap());
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().tag, 9);
    let now = balanced(a);
    assert_eq!((now.flushed, now.delivered, now.queued), (2, 0, 2));
    // What goes back is not seen either.
    batch.cursor = 2;
    batch_release(&mut batch).unwrap();
    assert_eq!(next(a).map(|(_, tag, ..)| tag), Ok(9));
    assert_eq!(next(a), Err(Error::Again));
    let now = balanced(a);
    assert_eq!((now.flushed, now.delivered, now.queued), (2, 2, 0));
}
