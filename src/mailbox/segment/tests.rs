//! Segments by themselves: guarantees of `segment`, one test each.

use super::*;
use crate::message::KIND_MESSAGE;

fn draft<'a>(tag: u64, payload: Payload<'a>, topic: &'a [u8]) -> Draft<'a> {
    Draft {
        header: FrameHeader { kind: KIND_MESSAGE as u8, tag, ..FrameHeader::default() },
        payload,
        topic,
        trailer: None,
    }
}

fn tags(segment: &Segment) -> Vec<u64> {
    let mut tags = Vec::new();
    let mut at = segment.begin();
    while let Some(here) = at {
        tags.push(segment.entry(here).header.tag);
        at = segment.next(here);
    }
    tags
}

#[test]
fn entries_come_back_as_they_were() {
    let mut segment = Segment::new(1024, 7);
    let block = Block::copy(&[9; 5000]);
    let trailer = FrameTrailer { deadline: 12, status: -3, reserved: 0, info: [4, 5] };
    let one = segment.append(&Draft { trailer: Some(trailer), ..draft(1, Payload::Copy(b"abc"), b"x.y") });
    let two = segment.append(&draft(2, Payload::Share(&block), b""));
    let (first, second) = (segment.entry(one), segment.entry(two));
    assert_eq!((first.data(), first.topic(), first.trailer().unwrap().deadline), (&b"abc"[..], &b"x.y"[..], 12));
    assert_eq!((second.size(), second.data()[4999], second.trailer().is_none()), (5000, 9, true));
    assert_eq!(Arc::strong_count(&block), 2);
    assert_eq!(segment.next(one), Some(two));
    assert_eq!(segment.next(two), None);
    drop(segment);
    assert_eq!(Arc::strong_count(&block), 1);
}

#[test]
fn buried_and_split_entries_own_their_payload_once() {
    let mut segment = Segment::new(4096, 0);
    let block = Block::copy(&[1; 10]);
    let places: Vec<At> = (0..6).map(|tag| segment.append(&draft(tag, Payload::Share(&block), b"t"))).collect();
    assert_eq!(Arc::strong_count(&block), 7);
    drop(segment.bury(places[1], 3));
    assert_eq!(Arc::strong_count(&block), 6);
    let front = segment.split_front(places[3]);
    assert_eq!((tags(&front), tags(&segment)), (vec![0, 3, 2], vec![3, 4, 5]));
    assert_eq!((front.first, front.messages, segment.first, segment.messages), (0, 3, 3, 3));
    let copy = segment.copy_from(places[4], 4);
    assert_eq!((tags(&copy), Arc::strong_count(&block)), (vec![4, 5], 8));
    drop(segment);
    assert_eq!(Arc::strong_count(&block), 5);
    drop((front, copy));
    assert_eq!(Arc::strong_count(&block), 1);
}

#[test]
fn passing_moves_the_order_on() {
    let mut segment = Segment::new(512, 10);
    let one = segment.append(&draft(1, Payload::Copy(b""), b""));
    segment.append(&draft(2, Payload::Share(&Block::copy(b"x")), b""));
    segment.bury(one, 0);
    assert!(segment.pass().is_none());
    assert_eq!((segment.first, segment.messages, segment.live(), tags(&segment)), (11, 1, 1, vec![2]));
    assert_eq!(segment.pass().map(|block| block.size()), Some(1));
    assert_eq!((segment.first, segment.begin(), segment.used(), segment.live()), (12, None, 0, 0));
}
