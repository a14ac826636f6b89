//! Parts of an answer and gatherings, whose cancelling and whose repliers' ends meet them.
//!
//! Guarantees: after a call was taken back nothing of it is received; parts come before the one REPLY; a gathering ends
//! once, with every reply before its end.

use super::*;
use crate::call::{self, Request, Ties};
use crate::message::{KIND_PART, KIND_REPLIES, KIND_REPLY};

fn request(to: Id, from: Id) -> Request<'static> {
    Request { to, from, waits: Id::NONE, tag: 1, payload: Payload::Copy(&[]), deadline: FOREVER }
}

fn kinds(m: &Meeting, from: Id) -> Vec<u32> {
    std::iter::from_fn(|| m.poll(from).ok()).map(|message| message.kind).collect()
}

fn part(m: &Meeting, ticket: Id) -> bool {
    match m.store.push_part(ticket, Payload::Copy(&[])) {
        Ok(roused) => {
            m.store.rouse(roused);
            true
        }
        Err(refusal) => {
            assert_eq!(refusal, Refusal::Never(Error::Stale));
            false
        }
    }
}

#[test]
fn a_part_meets_the_cancelling() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let ticket = call::start(&m.store, &request(server, own), false).unwrap();
        let replier = spawn(&m, move |m| part(m, ticket));
        call::cancel(&m.store, ticket, &|_| ()).unwrap();
        assert!(kinds(&m, own).is_empty());
        replier.join().unwrap();
        assert!(kinds(&m, own).is_empty());
        m.assert_freed(ticket);
        m.stats(own);
    });
}

#[test]
fn a_part_meets_the_repliers_end() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let ticket = call::start(&m.store, &request(server, own), false).unwrap();
        let death = spawn(&m, move |m| m.end(server));
        let sent = part(&m, ticket);
        death.join().unwrap();
        let expected = if sent { vec![KIND_PART, KIND_REPLY] } else { vec![KIND_REPLY] };
        assert_eq!(kinds(&m, own), expected);
        m.assert_freed(ticket);
    });
}

fn gather(m: &Meeting, to: &[Id], own: Id) -> Result<Id> {
    let ties = Ties { enter: &|_| (), leave: &|_| (), overflowed: &|_| Error::Full, refused: &|_, error| error };
    call::start_many(&m.store, to, &request(own, own), false, &ties)
}

#[test]
fn a_gathering_meets_a_death() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(server));
        let gathering = gather(&m, &[server], own).unwrap();
        death.join().unwrap();
        assert_eq!(kinds(&m, own), [KIND_REPLY, KIND_REPLIES]);
        m.assert_freed(gathering);
    });
}

#[test]
fn a_gathering_meets_the_end_of_its_caller() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(own));
        let gathering = gather(&m, &[server], own);
        death.join().unwrap();
        match gathering {
            Ok(gathering) => m.assert_freed(gathering),
            Err(error) => assert_eq!(error, Error::Closed),
        }
        assert_eq!(m.stats(server).monitored_by, 0);
    });
}

#[test]
fn a_forwarded_request_meets_its_first_targets_end() {
    explore(|| {
        let m = meeting();
        let (front, back, own) = (m.open(), m.open(), m.open());
        let ticket = call::start(&m.store, &request(front, own), false).unwrap();
        let death = spawn(&m, move |m| m.end(front));
        let mut draft = draft(1);
        (draft.header.kind, draft.header.r#ref) = (crate::message::KIND_REQUEST as u8, ticket.0);
        let forwarded = match call::forward(&m.store, back, ticket, &draft) {
            Ok(Outcome::Queued(roused)) => {
                m.store.rouse(roused);
                true
            }
            Ok(_) => unreachable!("there is room"),
            Err(_) => false,
        };
        death.join().unwrap();
        assert_eq!(kinds(&m, own).is_empty(), forwarded);
        m.end(back);
        assert_eq!(kinds(&m, own).len(), usize::from(forwarded));
        m.assert_freed(ticket);
    });
}
