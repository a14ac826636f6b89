//! The rings of all threads, and what they say as text.
//!
//! Guarantees: each thread that lives has a ring of its own; one whose thread has ended is the next new thread's, and
//! what is still in it is told as the old thread's. Lines of all threads stand in the order of their times. Nothing here
//! takes a lock or waits, so that the child of a fork finds nothing half done: it tells what the parent's threads did
//! before it, and its own thread goes on in its ring under its new number.

use super::ring::{Owner, Read, Ring};
use super::{Amount, Event};
use crate::here::{Rows, EVENTS, HERE};
use crate::id::Id;
use crate::message::reason_name;
use crate::notify::{self, fork};
use crate::sync::atomic::{AtomicBool, Ordering::*};
use once_cell::race::{OnceBox, OnceRef};
use std::cell::Cell;

/// A ring in the list of all.
struct Place {
    rows: &'static Rows,
    taken: AtomicBool,
    next: OnceRef<'static, Place>,
}

/// Where the list begins; never freed, as rings are not.
static FIRST: OnceRef<'static, Place> = OnceRef::new();
/// The clocks when the first event was recorded: the CPU's counter, nanoseconds.
static BEGAN: OnceBox<(u64, i64)> = OnceBox::new();

thread_local! {
    /// Gives the ring back when the thread ends.
    static OWN: Own = const { Own(Cell::new(None)) };
}

struct Own(Cell<Option<&'static Place>>);

impl Drop for Own {
    fn drop(&mut self) {
        HERE.with(|here| here.ring.set(None));
        if let Some(place) = self.0.take() {
            place.taken.store(false, Release);
        }
    }
}

/// This thread's ring. A thread that is ending has none.
#[inline(always)]
pub fn ring() -> Option<Ring<'static>> {
    match HERE.with(|here| here.ring.get()) {
        Some(rows) => Some(Ring(rows)),
        None => attach().map(Ring),
    }
}

/// The next event of this thread looks at the clock.
#[inline]
pub fn close() {
    if let Some(rows) = HERE.with(|here| here.ring.get()) {
        Ring(rows).close();
    }
}

/// The time for this thread's ring, which in the child of a fork becomes the child's.
#[cold]
pub fn look(ring: Ring<'_>) -> u64 {
    let now = notify::ticks();
    if ring.owner().process != fork::generation() {
        ring.hand_over(this_thread(), now);
    }
    now
}

fn this_thread() -> Owner {
    let (number, name) = notify::this_thread();
    let word = |at: usize| u64::from_le_bytes(name[at..at + 8].try_into().expect("eight bytes"));
    Owner { number, process: fork::generation(), name: [word(0), word(8)] }
}

#[cold]
fn attach() -> Option<&'static Rows> {
    OWN.try_with(|own| {
        began();
        let place = find_or_make();
        Ring(place.rows).hand_over(this_thread(), notify::ticks());
        own.0.set(Some(place));
        HERE.with(|here| here.ring.set(Some(place.rows)));
        place.rows
    })
    .ok()
}

fn began() -> (u64, i64) {
    *BEGAN.get_or_init(|| Box::new((notify::ticks(), notify::now())))
}

fn places() -> impl Iterator<Item = &'static Place> {
    std::iter::successors(FIRST.get(), |place| place.next.get())
}

fn find_or_make() -> &'static Place {
    let free = |place: &&Place| place.taken.compare_exchange(false, true, AcqRel, Relaxed).is_ok();
    if let Some(place) = places().find(free) {
        return place;
    }
    let rows = Box::leak(Ring::room());
    let place: &'static Place = Box::leak(Box::new(Place { rows, taken: AtomicBool::new(true), next: OnceRef::new() }));
    let mut end = &FIRST;
    while end.set(place).is_err() {
        end = &end.get().expect("somebody has set it").next;
    }
    place
}

/// One event, for people.
#[derive(Clone, Debug)]
pub struct Told {
    /// Nanoseconds ago.
    pub age: i64,
    pub about: bool,
    /// Number and name of the thread.
    pub thread: String,
    pub event: Event,
    pub times: u64,
    pub amount: i64,
    pub id: Id,
    pub other: Id,
}

/// Reads time stamps.
struct Scale {
    ticks: u64,
    per_tick: f64,
}

impl Scale {
    fn now() -> Scale {
        let (began, then) = began();
        let (ticks, now) = (notify::ticks(), notify::now());
        let per_tick = (now - then) as f64 / (ticks.wrapping_sub(began) as f64).max(1.0);
        Scale { ticks, per_tick }
    }

    fn age(&self, stamp: u64) -> i64 {
        // Stamped by another core after this one has looked: just now.
        let ticks = (self.ticks.wrapping_sub(stamp) as i64).max(0);
        (ticks as f64 * self.per_tick) as i64
    }
}

fn told(rows: &Rows, scale: &Scale, wanted: impl Fn(&Read) -> bool) -> Vec<Told> {
    let tell = |read: &Read| Told {
        age: scale.age(read.stamp),
        about: read.about,
        thread: read.owner.map_or("thread ?".into(), |owner| label(&owner)),
        event: Event::ALL.get(read.event as usize).copied().unwrap_or(Event::Nothing),
        times: read.times,
        amount: read.amount,
        id: Id(read.id),
        other: Id(read.other),
    };
    Ring(rows).read().iter().filter(|read| wanted(read)).map(tell).collect()
}

/// The events of all threads that are wanted, from the oldest on.
fn all(wanted: impl Fn(&Read) -> bool) -> Vec<Told> {
    let scale = Scale::now();
    let mut all: Vec<Told> = places().flat_map(|place| told(place.rows, &scale, &wanted)).collect();
    // One thread's events stay in their order: the sort is stable.
    all.sort_by_key(|told| std::cmp::Reverse(told.age));
    all
}

/// The events that name this id, from the oldest on.
pub fn about(id: Id) -> Vec<Told> {
    all(|read| read.id == id.0 || read.other == id.0)
}

/// How long ago the last event of this sort was at `id`, with `other`.
pub fn since(event: Event, id: Id, other: Id) -> Option<i64> {
    let last = all(|read| read.event == event as u8 && read.id == id.0 && read.other == other.0);
    last.last().map(|told| told.age)
}

/// How long ago the message to `to` was sent, of which `from` has sent `newer` others since: the time, and whether the
/// sending itself is no longer known, so that it was longer ago.
pub fn sent(to: Id, from: Id, newer: u64) -> Option<(i64, bool)> {
    let sends = all(|read| {
        let sends = [Event::Send as u8, Event::SendMany as u8].contains(&read.event);
        sends && read.id == to.0 && read.other == from.0
    });
    let mut known = 0;
    for told in sends.iter().rev() {
        known += if told.event == Event::SendMany { told.amount as u64 } else { told.times };
        if known > newer {
            return Some((told.age, false));
        }
    }
    sends.first().map(|told| (told.age, true))
}

/// What each thread that waits for room in this mailbox did last: it waits.
pub fn waits_for_room(id: Id) -> Vec<Told> {
    let scale = Scale::now();
    let last = |place: &'static Place| told(place.rows, &scale, |_| true).pop();
    let waits = |told: &Told| told.event == Event::WaitsForRoom && told.id == id;
    places().filter(|place| place.taken.load(Acquire)).filter_map(last).filter(waits).collect()
}

/// Number and name of each thread of this process that lives and has done something here.
pub fn threads() -> Vec<(u64, String)> {
    ring().map(look);
    let owner = |place: &'static Place| Ring(place.rows).owner();
    let here = places().filter(|place| place.taken.load(Acquire)).map(owner);
    here.filter(|owner| owner.process == fork::generation()).map(|owner| (owner.number as u64, name(&owner))).collect()
}

/// The last events of this thread, from the oldest on.
pub fn lately(count: usize) -> Vec<Told> {
    let Some(rows) = HERE.with(|here| here.ring.get()) else { return Vec::new() };
    let mut events = told(rows, &Scale::now(), |_| true);
    events.split_off(events.len().saturating_sub(count))
}

/// Everything that is known, as lines: seconds before now, thread, event.
pub fn dump() -> String {
    use std::fmt::Write;
    let events = all(|_| true);
    let mut text = String::with_capacity(64 + events.len() * 96);
    let _ =
        writeln!(text, "flight recorder: {} lines, the last {EVENTS} of each thread; times in seconds", events.len());
    for told in &events {
        let _ = writeln!(text, "{told}");
    }
    text
}

fn name(owner: &Owner) -> String {
    let bytes: Vec<u8> = owner.name.iter().flat_map(|word| word.to_le_bytes()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn label(owner: &Owner) -> String {
    let name: String = name(owner).chars().filter(|letter| !letter.is_control()).collect();
    format!("thread {} {name}", owner.number)
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about = if self.about { '~' } else { ' ' };
        write!(f, "-{:.9}{about} {}: ", self.age as f64 / 1e9, self.thread)?;
        self.fmt_event(f)
    }
}

impl Told {
    /// Without time and thread.
    fn fmt_event(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.event.text())?;
        if !self.id.is_none() {
            write!(f, " {:#018x}", self.id.0)?;
        }
        if !self.other.is_none() {
            write!(f, " with {:#018x}", self.other.0)?;
        }
        let amount = self.amount;
        match self.event.amount() {
            Amount::None => Ok(()),
            Amount::Bytes => write!(f, ", {amount} bytes"),
            Amount::Messages => write!(f, ", {amount} messages"),
            Amount::Time => write!(f, ", {:.9} s", amount as f64 / 1e9),
            Amount::Reason => match reason_name(amount as i32) {
                Some(name) => write!(f, ", reason {name} ({amount})"),
                None => write!(f, ", reason {amount}"),
            },
            Amount::Code if amount < 0 => {
                write!(f, ", {}", crate::error::name(amount as i32).trim_end_matches('\0'))
            }
            Amount::Code => write!(f, ", status {amount}"),
            Amount::Kind => write!(f, ", kind {amount}"),
        }?;
        if self.times > 1 {
            write!(f, ", x{}", self.times)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Kind;
    use crate::recorder::{record, record_often};

    fn id(index: u32) -> Id {
        Id::new(Kind::Mailbox, 0xFFFF_FF01, 0xFFF_0000 + index)
    }

    #[test]
    fn an_event_is_told_with_its_time_and_thread() {
        let before = notify::now();
        record(Event::End, id(1), Id::NONE, 3);
        let told = about(id(1));
        assert_eq!(told.len(), 1);
        assert!(told[0].age >= 0 && told[0].age <= notify::now() - before + 1_000_000);
        let line = told[0].to_string();
        let expected = format!("ended {:#018x}, reason callback_failed (3)", id(1).0);
        assert!(line.ends_with(&expected) && line.contains(": ") && line.contains("thread "), "{line}");
        assert!(dump().contains(&expected));
        assert_eq!(lately(1)[0].event, Event::End);
    }

    #[test]
    fn threads_have_rings_of_their_own_and_hand_them_on() {
        let on_a_thread = |index: u32| {
            std::thread::Builder::new()
                .name(format!("ring-{index}"))
                .spawn(move || {
                    record_often(Event::Send, id(10 + index), id(2), 64);
                    record(Event::Down, id(2), id(10 + index), 0);
                })
                .unwrap()
                .join()
                .unwrap();
        };
        (0..3).for_each(on_a_thread);
        let told = about(id(2));
        assert_eq!(told.len(), 6);
        for (at, told) in told.iter().enumerate() {
            assert!(told.thread.ends_with(&format!("ring-{}", at / 2)), "{}: {}", at, told.thread);
        }
        let before = places().count();
        (3..9).for_each(on_a_thread);
        assert!(places().count() <= before + 8, "rings are handed on");
    }

    #[test]
    fn a_dump_is_safe_while_all_write() {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let stop = &stop;
                scope.spawn(move || {
                    let mut at = 0i64;
                    while !stop.load(Relaxed) {
                        at += 1;
                        // Whole events satisfy this sum.
                        record(Event::Armed, Id(at as u64), Id(0x0FED_0000 + writer + (at as u64) * 3), at * 2);
                    }
                });
            }
            for _ in 0..50 {
                let whole =
                    |read: &Read| read.other == 0x0FED_0000 + read.id * 3 || read.other == 0x0FED_0001 + read.id * 3;
                let mine =
                    |read: &Read| read.event == Event::Armed as u8 && read.other >= 0x0FED_0000 && read.other < 1 << 40;
                for place in places() {
                    for read in Ring(place.rows).read().iter().filter(|read| mine(read)) {
                        assert!(whole(read) && read.amount == read.id as i64 * 2, "{read:?}");
                    }
                }
            }
            stop.store(true, Relaxed);
        });
    }

    #[test]
    fn every_event_has_its_number() {
        for (at, event) in Event::ALL.iter().enumerate() {
            assert_eq!(*event as usize, at);
            assert!(!event.text().is_empty());
        }
    }
}
