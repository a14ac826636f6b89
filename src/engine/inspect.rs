//! The facade's snapshot: everything of an engine as one JSON text.
//!
//! Guarantees: the text is valid JSON; each mailbox in it is as it was at one moment, though not all at the same; it is
//! written in one pass, with one object's lock held at a time. Its members are described at `td_engine_inspect`.

use super::*;
use crate::json::Json;
use crate::mailbox::{MailboxView, Policy, RecordView};
use crate::message::{reason_name, Message};
use std::collections::HashMap;

/// The pattern of each subscription.
type Patterns = HashMap<Id, Box<str>>;

/// The snapshot of an engine.
pub fn engine_inspect(id: Id) -> Result<Message> {
    let world = world();
    let engine = world.engine(id)?;
    let mut json = Json::default();
    json.object(|json| write_engine(json, world, &engine, id));
    look::text_message(json.finish())
}

pub(super) fn policy_name(policy: Policy) -> String {
    let mut name = String::new();
    for letter in format!("{policy:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

fn write_engine(json: &mut Json, world: &World, engine: &Engine, id: Id) {
    json.key("engine").id(id.0);
    json.key("now").number(engine.clock.now());
    json.key("virtual_clock").truth(!engine.clock.is_real());
    json.key("host_time").truth(engine.host_time);
    json.key("counters").object(|json| {
        json.key("mailboxes").number(engine.mailboxes.load(Acquire));
        json.key("names").number(engine.registry.len() as u64);
        json.key("timers").number(engine.timers.armed() as u64);
        json.key("subscriptions").number(engine.topics.len() as u64);
        json.key("dead_letters").number(engine.dead_letters.load(Acquire));
        json.key("published").number(engine.published.load(Acquire));
        json.key("threads").number(engine.threads.load(Acquire));
        json.key("queued_bytes").number(world.store.queued_bytes(engine.index));
        json.key("max_bytes").number(world.store.budgets.of(engine.index).max());
    });
    let patterns = engine.topics.patterns();
    json.key("mailboxes").array(|json| {
        for mailbox in world.store.of_engine(id.index()) {
            // It may have ended since.
            if let Ok(view) = world.store.look(mailbox) {
                json.object(|json| write_mailbox(json, &view, &patterns));
            }
        }
    });
    json.key("names").array(|json| {
        for (name, holder) in engine.registry.all() {
            json.object(|json| {
                json.key("name").text(&name);
                json.key("mailbox").id(holder.0);
            });
        }
    });
    json.key("name_timers").array(|json| {
        let records = engine.timers.rows().into_iter().filter_map(|row| world.store.record_in(row));
        for record in records.filter(|record| record.usage == Use::Timer && record.owner.is_none()) {
            json.object(|json| write_record(json, &record));
        }
    });
    json.key("loops").array(|json| {
        for looped in world.loops.ids(|looped| looped.engine == id.index()) {
            json.object(|json| write_loop(json, world, looped));
        }
    });
    json.key("threads").array(|json| {
        #[cfg(not(loom))]
        for (number, name) in crate::recorder::threads() {
            json.object(|json| {
                json.key("thread").number(number);
                json.key("name").text(&name);
            });
        }
        let _ = json;
    });
}

fn write_mailbox(json: &mut Json, view: &MailboxView, patterns: &Patterns) {
    let c = &view.counters;
    json.key("mailbox").id(view.id.0);
    json.key("names").array(|json| view.names.iter().for_each(|name| json.text(name)));
    let ended = c.state == 2;
    json.key("state").text(match c.suspended {
        _ if ended => "ended",
        0 => "open",
        _ => "suspended",
    });
    if ended {
        json.key("reason").number(c.reason);
        json.key("reason_name").text(reason_name(c.reason).unwrap_or("user"));
    }
    json.key("read_by").text(match (&view.reader, view.handled) {
        (Some(_), _) | (_, true) => "handler",
        _ => "pull",
    });
    json.key("policy").text(&policy_name(view.policy));
    json.key("max_messages").number(view.limit.messages());
    json.key("max_bytes").number(view.limit.bytes());
    json.key("queued").number(c.queued);
    json.key("queued_bytes").number(c.queued_bytes);
    json.key("in_hand").number(view.in_hand);
    json.key("counters").object(|json| {
        let counters = [
            ("sent", c.sent),
            ("delivered", c.delivered),
            ("lost", c.lost),
            ("conflated", c.conflated),
            ("flushed", c.flushed),
            ("expired", c.expired),
            ("discarded", c.discarded),
            ("refused", c.refused),
        ];
        counters.into_iter().for_each(|(name, count)| json.key(name).number(count));
    });
    json.key("receivers_waiting").number(view.receivers as u64);
    json.key("senders_waiting").number(view.senders as u64);
    json.key("calling").array(|json| view.calling.iter().for_each(|to| json.id(to.0)));
    let records = |json: &mut Json, records: &[RecordView]| {
        for record in records {
            json.object(|json| write_record(json, record));
        }
    };
    json.key("owns").array(|json| records(json, &view.owns));
    json.key("watched_by").array(|json| records(json, &view.watched_by));
    json.key("groups").array(|json| view.groups.iter().for_each(|group| json.text(group)));
    json.key("presence").array(|json| {
        for (group, key) in &view.keys {
            json.object(|json| {
                json.key("group").text(group);
                json.key("key").text(key);
            });
        }
    });
    match &view.will {
        Some(topic) => json.key("will").text(topic),
        None => json.key("will").null(),
    }
    json.key("traps_exit").truth(view.traps);
    json.key("subscriptions").array(|json| {
        for subscription in &view.subscriptions {
            json.object(|json| {
                json.key("subscription").id(subscription.id.0);
                match patterns.get(&subscription.id) {
                    Some(pattern) => json.key("pattern").text(pattern),
                    // Made since.
                    None => json.key("pattern").null(),
                }
                match subscription.max_messages {
                    0 => {
                        json.key("max_messages").null();
                        json.key("queued").null();
                    }
                    most => {
                        json.key("max_messages").number(most);
                        json.key("queued").number(subscription.queued);
                    }
                }
            });
        }
    });
}

fn write_record(json: &mut Json, record: &RecordView) {
    json.key("id").id(record.id.0);
    json.key("what").text(&format!("{:?}", record.usage).to_lowercase());
    json.key("state").text(&format!("{:?}", record.state).to_lowercase());
    json.key("owner").id_or_null(record.owner.0);
    json.key("target").id_or_null(record.target.0);
    json.key("tag").id(record.tag);
    if record.deadline != 0 {
        json.key("deadline").time(record.deadline);
    }
    if record.period != 0 {
        json.key("period").number(record.period);
    }
    if let Some(name) = &record.name {
        json.key("name").text(name);
    }
}

fn write_loop(json: &mut Json, world: &World, id: Id) {
    json.key("loop").id(id.0);
    let Ok(looped) = world.looped(id) else { return };
    let view = looped.look();
    json.key("running").truth(view.running);
    json.key("parked").truth(view.parked);
    json.key("handler_of").id_or_null(view.current.0);
    json.key("ready").number(view.ready as u64);
    json.key("releases").number(view.releases as u64);
    json.key("mailboxes").array(|json| view.members.iter().for_each(|member| json.id(member.0)));
}
