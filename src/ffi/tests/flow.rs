//! Suspension, conflation, the byte budget, streamed and gathered replies, forwarding.
//!
//! Guarantees: as the file above.

use super::*;

#[test]
fn a_suspended_mailbox_is_as_an_empty_one() {
    let engine = engine();
    let a = bounded(engine, 0, 3);
    send(a, Id::NONE, 1, b"x").unwrap();
    suspend(a).unwrap();
    suspend(a).unwrap();
    send(a, Id::NONE, 2, b"x").unwrap();
    assert_eq!(next(a), Err(Error::Again));
    let wanted = Match { fields: MATCH_TAG, tag: 2, ..Match::default() };
    assert_eq!(recv_match(a, &wanted, 0, false).unwrap_err(), Error::Again);
    assert_eq!(recv_peek(a, &mut Cursor::default(), 0, false).unwrap_err(), Error::Again);
    assert_eq!(recv_batch(a, 0, false).unwrap_err(), Error::Again);
    send(a, Id::NONE, 3, b"x").unwrap();
    assert_eq!(send(a, Id::NONE, 4, b"x"), Err(Error::Full));
    assert_eq!((balanced(a).suspended, balanced(a).queued), (1, 3));
    resume(a).unwrap();
    resume(a).unwrap();
    assert_eq!(balanced(a).suspended, 0);
    assert_eq!(tags(a), [1, 2, 3]);
    engine_close(engine).unwrap();
    assert_eq!((suspend(a), resume(a)), (Err(Error::NoProc), Err(Error::NoProc)));
}

#[test]
fn a_batch_in_progress_finishes_and_its_rest_waits() {
    let engine = engine();
    let a = mailbox(engine);
    (1..=3).for_each(|tag| send(a, Id::NONE, tag, b"x").unwrap());
    let mut batch = recv_batch(a, 0, false).unwrap();
    suspend(a).unwrap();
    assert_eq!(batch_next(&mut batch).unwrap().unwrap().tag, 1);
    batch_release(&mut batch).unwrap();
    assert_eq!(next(a), Err(Error::Again));
    resume(a).unwrap();
    assert_eq!(tags(a), [2, 3]);
    suspend(a).unwrap();
    send(a, Id::NONE, 4, b"x").unwrap();
    mailbox_exit(a, REASON_NORMAL, b"").unwrap();
    assert_eq!(next(a), Err(Error::Closed));
    assert_eq!((balanced(a).discarded, balanced(a).suspended), (1, 0));
    engine_close(engine).unwrap();
}

#[test]
fn what_waited_wakes_a_receiver_when_it_is_resumed() {
    let engine = engine();
    let a = mailbox(engine);
    suspend(a).unwrap();
    let receiver = std::thread::spawn(move || recv(a, FOREVER, false).map(|message| message.tag));
    clock_wait_parked(engine, 1, 60_000 * MS).unwrap();
    send(a, Id::NONE, 7, b"x").unwrap();
    assert_eq!(clock_wait_parked(engine, 1, 60_000 * MS), Ok(()));
    resume(a).unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(7));
    engine_close(engine).unwrap();
}
