//! Records and their lists.
//!
//! Guarantees: as the file above.

use super::*;

fn make(shots: &Shots, usage: Use) -> Id {
    let making = Making { usage, owner: Id::NONE, target: Id::NONE, holds: 1, home: 0, body: Body::default() };
    shots.make(making).unwrap().0
}

#[test]
fn a_state_is_left_once() {
    let shots = Shots::default();
    let id = make(&shots, Use::Monitor);
    let shot = shots.find(id, Kind::Monitor).unwrap();
    assert!(shot.shift(id.life(), State::Armed, State::Queued));
    assert!(!shot.shift(id.life(), State::Armed, State::Cancelled));
    assert!(shot.shift(id.life(), State::Queued, State::Flushed));
    assert!(!shot.shift(id.life(), State::Queued, State::Delivered));
}

#[test]
fn an_id_outlives_its_record_only_as_a_stale_one() {
    let shots = Shots::default();
    let id = make(&shots, Use::Timer);
    assert_eq!(shots.find(Id::new(Kind::Monitor, id.life(), id.index()), Kind::Monitor).unwrap_err(), Error::BadId);
    shots.let_go(id.index());
    assert_eq!(shots.find(id, Kind::Timer).unwrap_err(), Error::Stale);
    let others = (0..REST).map(|_| make(&shots, Use::Timer));
    others.for_each(|other| shots.let_go(other.index()));
    assert_eq!(make(&shots, Use::Timer).index(), id.index());
    assert_eq!(shots.find(id, Kind::Timer).unwrap_err(), Error::Stale);
    assert_eq!(shots.find(Id::new(Kind::Timer, 99, 5), Kind::Timer).unwrap_err(), Error::BadId);
}

#[test]
fn lists_link_and_unlink_anywhere() {
    let shots = Shots::default();
    let ids: Vec<u32> = (0..4).map(|_| make(&shots, Use::Monitor).index()).collect();
    let mut list = List::default();
    for id in &ids {
        list.push_back(&shots, Of::Target, *id);
    }
    assert!(list.remove(&shots, Of::Target, ids[1]) && !list.remove(&shots, Of::Target, ids[1]));
    assert!(list.remove(&shots, Of::Target, ids[3]));
    list.insert(&shots, Of::Target, ids[3]);
    assert_eq!(list.iter(&shots, Of::Target).collect::<Vec<_>>(), [ids[3], ids[0], ids[2]]);
    assert_eq!(list.len, 3);
    for id in [ids[0], ids[3], ids[2]] {
        assert!(list.remove(&shots, Of::Target, id));
    }
    assert!(list.is_empty() && list.last == NONE);
}
