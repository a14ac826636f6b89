//! Claims: two threads at one row.
//!
//! Guarantees: one thread at a time is inside a claim; it is closed once; an id of one claim never opens the next.

use super::*;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::table::Claims;

#[derive(Default)]
struct Room {
    taken: AtomicBool,
    visits: u32,
}

/// Looks whether anybody else is inside.
fn visit(room: &mut Room) -> u32 {
    assert!(!room.taken.swap(true, SeqCst), "two threads are inside");
    room.visits += 1;
    room.taken.store(false, SeqCst);
    room.visits
}

fn claim(claims: &Claims<Room>) -> Id {
    claims.open(0, |room, id| (room.visits = 0, id).1).unwrap()
}

#[test]
fn two_threads_enter_one_claim() {
    explore(|| {
        let claims = Arc::new(Claims::<Room>::default());
        let id = claim(&claims);
        let other = claims.clone();
        let thread = thread::spawn(move || other.with(id, visit).is_ok());
        let own = claims.with(id, visit).is_ok();
        let visits = u32::from(own) + u32::from(thread.join().unwrap());
        assert!(visits > 0);
        assert_eq!(claims.close(id, |room| Ok(room.visits)), Ok(visits));
    });
}

#[test]
fn a_claim_is_closed_once_and_its_row_is_another_claim() {
    explore(|| {
        let claims = Arc::new(Claims::<Room>::default());
        let id = claim(&claims);
        let other = claims.clone();
        let thread = thread::spawn(move || other.close(id, |room| Ok(visit(room))).map(|_| claim(&other)));
        let own = claims.close(id, |room| Ok(visit(room))).map(|_| claim(&claims));
        let opened: Vec<Id> = [own, thread.join().unwrap()].into_iter().flatten().collect();
        assert_eq!(opened.len(), 1);
        assert!(opened[0] != id && claims.with(id, visit).is_err());
        assert_eq!(claims.close(opened[0], |room| Ok(visit(room))), Ok(1));
    });
}

#[test]
fn a_visit_meets_the_next_claim() {
    explore(|| {
        let claims = Arc::new(Claims::<Room>::default());
        let id = claim(&claims);
        let other = claims.clone();
        let thread = thread::spawn(move || other.with(id, visit));
        let next = claims.close(id, |room| Ok(visit(room))).map(|_| claim(&claims));
        let visited = thread.join().unwrap();
        assert!(matches!(visited, Ok(1) | Err(Error::Stale | Error::Inval)), "{visited:?}");
        match next {
            Ok(next) => {
                assert_eq!(claims.close(next, |room| Ok(visit(room))), Ok(1), "what was visited was not this claim")
            }
            Err(error) => assert_eq!((error, claims.close(id, |room| Ok(visit(room)))), (Error::Inval, Ok(2))),
        }
    });
}

#[test]
fn claims_opened_and_closed_at_once_have_rows_of_their_own() {
    explore(|| {
        let claims = Arc::new(Claims::<Room>::default());
        let first = claim(&claims);
        let other = claims.clone();
        let thread = thread::spawn(move || {
            let id = claim(&other);
            let visits = other.with(id, visit);
            other.close(id, |_| Ok(())).map(|()| visits)
        });
        claims.close(first, |_| Ok(())).unwrap();
        let second = claim(&claims);
        assert_eq!(claims.with(second, visit), Ok(1));
        assert_eq!(thread.join().unwrap(), Ok(Ok(1)));
        let third = claim(&claims);
        assert!(third.index() != second.index());
        assert_eq!(claims.with(second, visit), Ok(2));
    });
}
