//! The facade's answer to "what about this id?", as text for people.
//!
//! Guarantees: any 64 bits get an answer and never an error: what it is, how it stands, who waits for it, or that it is
//! over and what the flight recorder still knows of that, or that it never was anything.

use super::*;
use crate::mailbox::{MailboxView, Oldest, RecordView, Survey};
use crate::message::{reason_name, Message, KIND_MESSAGE};
use crate::message::{KIND_DOWN, KIND_REPLY, KIND_REQUEST, KIND_TIMER, KIND_TOPIC};
use std::fmt::Write;

/// Entries of a list that are shown at most.
const SHOWN: usize = 10;
/// Lines of the flight recorder that are shown at most.
const LATELY: usize = 20;

/// Text about any id.
pub fn explain(id: Id) -> Result<Message> {
    let mut text = String::new();
    about(&mut text, world(), id);
    lately(&mut text, id);
    look::text_message(text)
}

/// Writing to a string does not fail.
macro_rules! line {
    ($text:expr, $($format:tt)+) => {
        let _ = writeln!($text, $($format)+);
    };
}

fn about(text: &mut String, world: &World, id: Id) {
    let kind = Kind::ALL.into_iter().find(|kind| id.is(*kind));
    match kind {
        _ if id.is_none() => {
            line!(text, "zero is the id of nothing; as a sender it is nobody");
        }
        None => {
            line!(text, "{:#018x} is not an id of this library: no kind of object has the number {}", id.0, id.0 >> 60);
        }
        Some(Kind::Mailbox) => mailbox(text, world, id),
        Some(Kind::Engine) => match world.engine(id) {
            Ok(engine) => about_engine(text, world, id, &engine),
            Err(error) => over(text, id, "an engine", error),
        },
        Some(Kind::Loop) => match world.looped(id) {
            Ok(looped) => about_loop(text, id, &looped),
            Err(error) => over(text, id, "a loop", error),
        },
        Some(Kind::Subscription) => match world.store.subscription(id) {
            Ok(view) => {
                let engine = world.engine_of(view.mailbox).ok();
                let pattern = engine.and_then(|engine| engine.topics.patterns().remove(&id));
                let pattern = pattern.map_or("a pattern that is gone".into(), |pattern| format!("{pattern:?}"));
                line!(text, "{:#018x} is a subscription to {pattern} of mailbox {:#018x}", id.0, view.mailbox.0);
                if view.max_messages > 0 {
                    line!(text, "  queue: {} of at most {} of its messages", view.queued, view.max_messages);
                }
            }
            Err(error) => over(text, id, "a subscription", error),
        },
        Some(Kind::Hold) => match world.store.holds.with(id, |_| ()) {
            Ok(()) => {
                line!(text, "{:#018x} is the owner of a received message or batch, not released yet", id.0);
            }
            Err(error) => over(text, id, "the owner of a message or batch", error),
        },
        Some(kind @ (Kind::Monitor | Kind::Timer | Kind::Ticket | Kind::Watch | Kind::Link)) => {
            match world.store.record(id) {
                Ok(record) => {
                    line!(text, "{:#018x} is {}", id.0, describe(world, &record));
                }
                Err(error) => over(text, id, kind.noun(), error),
            }
        }
        Some(kind @ Kind::Notice) => {
            line!(text, "{:#018x} is the id of {}", id.0, kind.noun());
        }
    }
}

/// For an id of the past, or one that never was.
fn over(text: &mut String, id: Id, what: &str, error: Error) {
    if error == Error::BadId {
        line!(text, "{:#018x} looks like the id of {what} but never was one in this process", id.0);
    } else {
        line!(text, "{:#018x} was {what}, which is over", id.0);
    }
}

fn reason(code: i32) -> String {
    reason_name(code).map_or_else(|| format!("{code}, the host's own"), |name| format!("{name} ({code})"))
}

fn seconds(nanoseconds: i64) -> String {
    format!("{:.6} s", nanoseconds as f64 / 1e9)
}

fn due(world: &World, record: &RecordView) -> String {
    let mailbox = if record.owner.is_none() { record.target } else { record.owner };
    let now = world.engine_of(mailbox).map(|engine| engine.clock.now());
    match (record.deadline, now) {
        (0 | crate::clock::FOREVER, _) => "without a deadline".into(),
        (deadline, Ok(now)) if deadline >= now => format!("due in {}", seconds(deadline - now)),
        (deadline, Ok(now)) => format!("due since {}", seconds(now - deadline)),
        (deadline, Err(_)) => format!("due at {deadline}"),
    }
}

fn describe(world: &World, record: &RecordView) -> String {
    let state = format!("{:?}", record.state).to_lowercase();
    let owner = match record.owner.0 {
        0 => "a thread".into(),
        owner => format!("mailbox {owner:#018x}"),
    };
    let (target, tag) = (record.target.0, record.tag);
    let mut text = match record.usage {
        Use::Monitor => {
            let of = match (target, &record.name) {
                (0, None) => "a process of the system".into(),
                (0, Some(_)) => "nobody".into(),
                _ => format!("mailbox {target:#018x}"),
            };
            format!("a monitor of {of}, {state}, for {owner}, tag {tag:#x}")
        }
        Use::Timer if record.owner.is_none() => {
            format!("a timer to a name, {state}, {}, tag {tag:#x}", due(world, record))
        }
        Use::Timer => format!("a timer for {owner}, {state}, {}, tag {tag:#x}", due(world, record)),
        Use::Call => {
            format!(
                "the ticket of a call to mailbox {target:#018x} from {owner}, {state}, {}, tag {tag:#x}",
                due(world, record)
            )
        }
        Use::Gather => format!("a gathering of calls from {owner}, {state}, tag {tag:#x}"),
        Use::Link => format!("one end of a link, {state}: {owner} hears of {target:#018x}"),
        Use::Watch => format!("a watch, {state}, for {owner}, tag {tag:#x}"),
        Use::Notify => format!("what delivers the bits of td_notify to {owner}, {state}"),
    };
    if record.period > 0 {
        let _ = write!(text, ", again every {}", seconds(record.period));
    }
    if let Some(name) = &record.name {
        let of = if record.usage == Use::Watch { "of" } else { "by the name" };
        let _ = write!(text, ", {of} {name:?}");
    }
    text
}

fn list<T>(text: &mut String, heading: &str, all: &[T], each: impl Fn(&T) -> String) {
    if all.is_empty() {
        return;
    }
    line!(text, "  {heading}: {}", all.len());
    for one in all.iter().take(SHOWN) {
        line!(text, "    {}", each(one));
    }
    if all.len() > SHOWN {
        line!(text, "    and {} more", all.len() - SHOWN);
    }
}

fn mailbox(text: &mut String, world: &World, id: Id) {
    let view = match world.store.look(id) {
        Ok(view) => view,
        Err(error) => return over(text, id, "a mailbox", error),
    };
    let c = &view.counters;
    if c.state == 2 {
        line!(text, "{:#018x} is a mailbox that has ended: reason {}", id.0, reason(c.reason));
        match std::str::from_utf8(&view.last_words) {
            Ok("") => {}
            Ok(words) => {
                line!(text, "  it said: {words:?}");
            }
            Err(_) => {
                line!(text, "  it said {} bytes that are not text", view.last_words.len());
            }
        }
        #[cfg(not(loom))]
        match crate::recorder::about(id).iter().rev().find(|told| told.event == Event::End) {
            Some(told) => {
                line!(text, "  when: {} ago, by {}", seconds(told.age), told.thread);
            }
            None => {
                line!(text, "  when: no longer known, nor by whom");
            }
        }
        #[cfg(not(loom))]
        if let Some(told) =
            crate::recorder::about(id).iter().find(|told| told.event == Event::EndsWith && told.id == id)
        {
            line!(text, "  because: mailbox {:#018x}, to which it was linked, had ended", told.other.0);
        }
        line!(text, "  discarded at its end: {} messages; delivered: {}; lost: {}", c.discarded, c.delivered, c.lost);
        return;
    }
    let how = if c.suspended != 0 { ", suspended" } else { "" };
    line!(text, "{:#018x} is an open mailbox{how}", id.0);
    list(text, "names", &view.names, |name| format!("{name:?}"));
    let limits = (view.limit.messages(), view.limit.bytes());
    line!(
        text,
        "  queue: {} of at most {} messages, {} of {} bytes; when full: {}; {} in open batches",
        c.queued,
        limits.0,
        c.queued_bytes,
        limits.1,
        inspect::policy_name(view.policy),
        view.in_hand
    );
    line!(
        text,
        "  so far: {} sent, {} delivered, {} lost, {} conflated, {} expired, {} flushed, {} refused",
        c.sent,
        c.delivered,
        c.lost,
        c.conflated,
        c.expired,
        c.flushed,
        c.refused
    );
    if let Ok(survey) = world.store.survey(id) {
        queue(text, id, &survey);
    }
    reader(text, world, &view);
    waiting(text, world, &view);
    list(text, "calls, in its name, that threads wait for", &view.calling, |to| format!("to mailbox {:#018x}", to.0));
    list(text, "groups", &view.groups, |group| format!("{group:?}"));
    list(text, "presence", &view.keys, |(group, key)| format!("{key:?} in {group:?}"));
    if let Some(topic) = &view.will {
        line!(text, "  will: to the topic {topic:?}");
    }
    list(text, "subscriptions", &view.subscriptions, |one| format!("{:#018x}", one.id.0));
    list(text, "its own", &view.owns, |record| format!("{:#018x}: {}", record.id.0, describe(world, record)));
}

/// Who waits for it: senders, callers, and those who are told of its end.
fn waiting(text: &mut String, world: &World, view: &MailboxView) {
    if view.senders > 0 {
        line!(text, "  waiting for room: {} senders", view.senders);
        #[cfg(not(loom))]
        for told in crate::recorder::waits_for_room(view.id).iter().take(SHOWN) {
            let (from, thread, age) = (sender(told.other), &told.thread, seconds(told.age));
            line!(text, "    {thread}, {from}, {} bytes, for {age}", told.amount);
        }
    }
    let of =
        |wanted: Use| -> Vec<&RecordView> { view.watched_by.iter().filter(|record| record.usage == wanted).collect() };
    let calls = of(Use::Call);
    list(text, "calls that wait for its answer", &calls, |call| {
        let since = since(Event::Call, view.id, call.id).map_or(String::new(), |age| format!(", for {}", seconds(age)));
        format!("{:#018x}: {}{since}", call.id.0, describe(world, call))
    });
    list(text, "monitors that watch it", &of(Use::Monitor), |one| {
        format!("{:#018x}: {}", one.id.0, describe(world, one))
    });
    list(text, "linked to", &of(Use::Link), |link| format!("mailbox {:#018x}", link.owner.0));
}

/// How long ago this was, as far as the flight recorder knows.
fn since(event: Event, id: Id, other: Id) -> Option<i64> {
    #[cfg(not(loom))]
    return crate::recorder::since(event, id, other);
    #[cfg(loom)]
    None.filter(|_: &i64| (event, id) == (Event::Nothing, other))
}

fn sender(from: Id) -> String {
    match from.0 {
        0 => "from nobody".into(),
        from => format!("from {from:#018x}"),
    }
}

/// When the oldest message was sent. Of a request that is known by its ticket; of others by how many their sender has
/// sent since, so that one which others overtook may be older.
fn sent(to: Id, oldest: &Oldest) -> String {
    let ago = match oldest.kind as u32 {
        KIND_REQUEST => since(Event::Call, to, oldest.r#ref).map(|age| (age, false)),
        #[cfg(not(loom))]
        KIND_MESSAGE => crate::recorder::sent(to, oldest.from, oldest.like_it.saturating_sub(1)),
        _ => None,
    };
    match ago {
        Some((age, false)) => format!(", sent {} ago", seconds(age)),
        Some((age, true)) => format!(", sent more than {} ago", seconds(age)),
        None => String::new(),
    }
}

fn kind_name(kind: u64) -> String {
    match kind as u32 {
        KIND_MESSAGE => "messages".into(),
        KIND_REQUEST => "requests".into(),
        KIND_TOPIC => "publications".into(),
        KIND_DOWN => "DOWN".into(),
        KIND_TIMER => "TIMER".into(),
        KIND_REPLY => "REPLY".into(),
        kind => format!("kind {kind}"),
    }
}

fn queue(text: &mut String, id: Id, survey: &Survey) {
    let counts = |counts: &[(u64, u64)], name: &dyn Fn(u64) -> String| {
        let shown = counts.iter().take(SHOWN / 2).map(|(what, count)| format!("{count} {}", name(*what)));
        let more = if counts.len() > SHOWN / 2 { ", and others" } else { "" };
        shown.collect::<Vec<_>>().join(", ") + more
    };
    if survey.kinds.is_empty() {
        return;
    }
    let cut = if survey.cut { "of the oldest part, " } else { "" };
    line!(text, "  holds: {cut}{}", counts(&survey.kinds, &kind_name));
    if let Some(oldest) = &survey.oldest {
        line!(text, "  senders: {}", counts(&survey.senders, &|id| sender(Id(id))));
        line!(text, "  tags: {}", counts(&survey.tags, &|tag| format!("of {tag:#x}")));
        let Oldest { tag, size, .. } = oldest;
        let (kind, from, sent) = (kind_name(oldest.kind as u64), sender(oldest.from), sent(id, oldest));
        line!(text, "  oldest: of the {kind}, tag {tag:#x}, {size} bytes, {from}{sent}");
    }
    if let Some((kind, record)) = survey.first_signal {
        let event = match kind {
            KIND_DOWN => Event::Down,
            KIND_TIMER => Event::Timer,
            KIND_REPLY => Event::Reply,
            _ => Event::Exit,
        };
        let since = since(event, id, record).map_or(String::new(), |age| format!(", for {}", seconds(age)));
        line!(text, "  first signal: {} of {:#018x}{since}", kind_name(kind as u64), record.0);
    }
}

/// Who reads it, and whether that one is stuck.
fn reader(text: &mut String, world: &World, view: &MailboxView) {
    if !view.handled {
        line!(text, "  reader: read by receive calls; {} receivers wait in one now", view.receivers);
        return;
    }
    let engine = view.id;
    let home = world.store.slot(engine).map_or(u32::MAX, |slot| slot.engine());
    let loops = world.loops.ids(|looped| looped.engine == home);
    let found = loops.into_iter().filter_map(|id| world.looped(id).ok().map(|looped| (id, looped.look())));
    let Some((id, looped)) = found.into_iter().find(|(_, looped)| looped.members.contains(&view.id)) else {
        line!(text, "  reader: read by a handler");
        return;
    };
    line!(text, "  reader: read by its handler, which loop {:#018x} runs", id.0);
    if looped.current == view.id {
        line!(text, "    its handler is running{}", inside(view.id));
    } else if !looped.current.is_none() {
        line!(text, "    the loop is inside the handler of {:#018x}{}", looped.current.0, inside(looped.current));
    } else if looped.parked {
        line!(text, "    the loop waits for something to do");
    } else if !looped.running {
        line!(text, "    no thread runs the loop now; {} mailboxes wait for one", looped.ready);
    }
}

/// When the handler of this mailbox was called last.
fn inside(mailbox: Id) -> String {
    #[cfg(not(loom))]
    if let Some(told) = crate::recorder::about(mailbox).iter().rev().find(|told| told.event == Event::Handle) {
        return format!(", for {}, by {}", seconds(told.age), told.thread);
    }
    let _ = mailbox;
    String::new()
}

fn about_engine(text: &mut String, world: &World, id: Id, engine: &Engine) {
    let clock = if engine.clock.is_real() { "the real clock" } else { "a virtual clock" };
    let time = if engine.host_time { ", timers fired by the host" } else { "" };
    line!(text, "{:#018x} is an open engine on {clock}{time}", id.0);
    line!(
        text,
        "  has: {} mailboxes, {} names, {} timers, {} subscriptions, {} threads of its own; {} published, {} dead letters",
        engine.mailboxes.load(Acquire),
        engine.registry.len(),
        engine.timers.armed(),
        engine.topics.len(),
        engine.threads.load(Acquire),
        engine.published.load(Acquire),
        engine.dead_letters.load(Acquire)
    );
    let loops = world.loops.ids(|looped| looped.engine == id.index());
    list(text, "loops", &loops, |id| format!("{:#018x}", id.0));
}

fn about_loop(text: &mut String, id: Id, looped: &Loop) {
    let view = looped.look();
    let state = match (view.running, view.parked) {
        (false, _) => "no thread runs it now",
        (true, true) => "its thread waits for something to do",
        (true, false) => "its thread is at work",
    };
    line!(text, "{:#018x} is an open loop; {state}", id.0);
    if !view.current.is_none() {
        line!(text, "  inside: the handler of {:#018x}{}", view.current.0, inside(view.current));
    }
    line!(text, "  ready: {} mailboxes are ready, {} releases wait for its thread", view.ready, view.releases);
    list(text, "mailboxes", &view.members, |member| format!("{:#018x}", member.0));
}

fn lately(text: &mut String, id: Id) {
    #[cfg(not(loom))]
    if !id.is_none() {
        let told = crate::recorder::about(id);
        if told.is_empty() {
            line!(text, "the flight recorder does not know of it, or no longer");
            return;
        }
        line!(text, "lately, in seconds before now:");
        for told in &told[told.len().saturating_sub(LATELY)..] {
            line!(text, "  {told}");
        }
    }
    let _ = (text, id);
}
