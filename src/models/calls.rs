//! Calls whose reply, deadline and target's end meet.
//!
//! Guarantees: the caller gets exactly one outcome, the replier is told whether its reply was that one, and the ticket
//! is freed exactly once, with nothing left at the target or in the wheel.

use super::*;
use crate::call::{self, CallError, Request};
use crate::message::{KIND_REPLY, KIND_REQUEST};

const LATER: i64 = 10;
const ANSWER: i32 = 7;

fn request(m: &Meeting, to: Id, from: Id) -> Request<'static> {
    Request { to, from, waits: Id::NONE, tag: 1, payload: Payload::Copy(&[]), deadline: m.engine.clock.now() + LATER }
}

/// What a blocking call came to.
fn call(m: &Meeting, to: Id, from: Id) -> Result<i32> {
    match call::call(&m.store, &m.engine.clock, &request(m, to, from), false, |_, _| Err(Error::Full)) {
        Ok(message) => m.release(Ok(message)).map(|message| message.status),
        Err(CallError::Plain(error)) => Err(error),
        Err(CallError::Overflowed(_)) => unreachable!("no policy here kills"),
        Err(CallError::Down(message)) => {
            assert_eq!(m.release(Ok(message)).unwrap().status, WHY);
            Err(Error::Down)
        }
    }
}

/// Receives a request and answers it: its ticket, and whether the caller got the answer.
fn serve(m: &Meeting, server: Id) -> Result<(Id, bool)> {
    let request = m.wait(server)?;
    assert_eq!(request.kind, KIND_REQUEST);
    let ticket = Id(request.r#ref);
    let answered = call::reply(&m.store, ticket, ANSWER, None).unwrap();
    m.engine.timers.leave(&m.store, ticket.index(), ticket.life());
    Ok((ticket, answered))
}

fn pass_time(m: &Meeting) {
    let Clock::Virtual(hand) = &m.engine.clock else { unreachable!() };
    let now = m.engine.clock.now() + LATER;
    hand.set(now);
    m.engine.expire(&m.store, now);
    hand.wake_due();
}

/// All that was made is gone again.
fn assert_clean(m: &Meeting, server: Id) {
    let c = m.stats(server);
    assert_eq!((c.monitored_by, m.engine.timers.rows().len()), (0, 0));
    assert!(m.store.shots.at(0).life() % 2 == 0, "the ticket is free");
}

#[test]
fn a_reply_meets_the_deadline() {
    explore(|| {
        let m = meeting();
        let server = m.open();
        let caller = spawn(&m, move |m| call(m, server, Id::NONE));
        let replier = spawn(&m, move |m| serve(m, server));
        pass_time(&m);
        let outcome = caller.join().unwrap();
        // The request may have expired before anybody received it.
        m.end(server);
        let answered = replier.join().unwrap().is_ok_and(|(_, answered)| answered);
        assert!(matches!((outcome, answered), (Ok(ANSWER), true) | (Err(Error::TimedOut), false)), "{outcome:?}");
        assert_clean(&m, server);
    });
}

#[test]
fn a_reply_meets_the_targets_end() {
    explore(|| {
        let m = meeting();
        let server = m.open();
        let caller = spawn(&m, move |m| call(m, server, Id::NONE));
        let death = spawn(&m, move |m| m.end(server));
        let answered = serve(&m, server).is_ok_and(|(_, answered)| answered);
        death.join().unwrap();
        let outcome = caller.join().unwrap();
        let expected = matches!((outcome, answered), (Ok(ANSWER), true) | (Err(Error::Down | Error::NoProc), false));
        assert!(expected, "{outcome:?} {answered}");
        assert_clean(&m, server);
    });
}

#[test]
fn the_targets_end_meets_the_deadline() {
    explore(|| {
        let m = meeting();
        let server = m.open();
        let caller = spawn(&m, move |m| call(m, server, Id::NONE));
        let death = spawn(&m, move |m| m.end(server));
        pass_time(&m);
        death.join().unwrap();
        let outcome = caller.join().unwrap();
        assert!(matches!(outcome, Err(Error::Down | Error::NoProc | Error::TimedOut)), "{outcome:?}");
        assert_clean(&m, server);
    });
}

#[test]
fn a_reply_meets_the_end_of_the_calling_mailbox() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let caller = spawn(&m, move |m| call(m, server, own));
        let death = spawn(&m, move |m| m.end(own));
        let replier = spawn(&m, move |m| serve(m, server));
        death.join().unwrap();
        let outcome = caller.join().unwrap();
        m.end(server);
        let answered = replier.join().unwrap().is_ok_and(|(_, answered)| answered);
        let expected = matches!((outcome, answered), (Ok(ANSWER), true) | (Err(Error::Closed | Error::NoProc), false));
        assert!(expected, "{outcome:?} {answered}");
        assert_clean(&m, server);
    });
}

/// As `engine::call_start`.
fn start(m: &Meeting, to: Id, from: Id) -> Result<Id> {
    let request = request(m, to, from);
    let ticket = call::start(&m.store, &request, true).map_err(|error| match error {
        CallError::Plain(error) => error,
        other => panic!("{other:?}"),
    })?;
    m.engine.timers.enter(&m.store, ticket, request.deadline);
    Ok(ticket)
}

fn replies(m: &Meeting, mailbox: Id) -> Vec<i32> {
    let reply = |message: Message| {
        assert_eq!(message.kind, KIND_REPLY);
        message.status
    };
    std::iter::from_fn(|| m.poll(mailbox).ok()).map(reply).collect()
}

#[test]
fn a_started_call_gets_its_reply_or_its_deadline() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let ticket = start(&m, server, own).unwrap();
        let clock = spawn(&m, pass_time);
        let answered = call::reply(&m.store, ticket, ANSWER, None).unwrap();
        m.engine.timers.leave(&m.store, ticket.index(), ticket.life());
        clock.join().unwrap();
        assert_eq!(replies(&m, own), [if answered { ANSWER } else { Error::TimedOut.code() }]);
        m.assert_freed(ticket);
        assert_clean(&m, server);
    });
}

#[test]
fn a_started_call_is_answered_while_it_starts() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let replier = spawn(&m, move |m| serve(m, server));
        let ticket = start(&m, server, own).unwrap();
        assert_eq!(replier.join().unwrap(), Ok((ticket, true)));
        assert_eq!(replies(&m, own), [ANSWER]);
        m.assert_freed(ticket);
        assert_clean(&m, server);
    });
}

#[test]
fn a_started_call_is_cancelled_or_answered() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let ticket = start(&m, server, own).unwrap();
        let replier = spawn(&m, move |m| {
            let answered = call::reply(&m.store, ticket, ANSWER, None).unwrap();
            m.engine.timers.leave(&m.store, ticket.index(), ticket.life());
            answered
        });
        call::cancel(&m.store, ticket, &|_| ()).unwrap();
        m.engine.timers.leave(&m.store, ticket.index(), ticket.life());
        assert!(replies(&m, own).is_empty());
        replier.join().unwrap();
        assert!(replies(&m, own).is_empty());
        m.assert_freed(ticket);
        assert_clean(&m, server);
    });
}

#[test]
fn a_started_call_and_both_ends_meet() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let ticket = start(&m, server, own).unwrap();
        let death = spawn(&m, move |m| m.end(server));
        let clock = spawn(&m, pass_time);
        m.end(own);
        (death.join().unwrap(), clock.join().unwrap());
        m.assert_freed(ticket);
        assert_eq!(m.engine.timers.rows().len(), 0);
    });
}

#[test]
fn a_call_starts_while_its_target_ends() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(server));
        let ticket = start(&m, server, own);
        death.join().unwrap();
        match ticket {
            Ok(ticket) => {
                assert_eq!(replies(&m, own), [Error::Down.code()]);
                m.assert_freed(ticket);
            }
            Err(error) => assert_eq!((error, replies(&m, own)), (Error::NoProc, vec![])),
        }
        assert_clean(&m, server);
    });
}

#[test]
fn a_call_starts_while_its_caller_ends() {
    explore(|| {
        let m = meeting();
        let (server, own) = (m.open(), m.open());
        let death = spawn(&m, move |m| m.end(own));
        let ticket = start(&m, server, own);
        death.join().unwrap();
        match ticket {
            Ok(ticket) => m.assert_freed(ticket),
            Err(error) => assert_eq!(error, Error::Closed),
        }
        assert!(m.tags(server).is_empty());
        assert_clean(&m, server);
    });
}
