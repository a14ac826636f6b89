//! Retained values: the last value of a topic, for those who subscribe later.
//!
//! Guarantees: at most [`MOST`] topics have one; they are given in the order of their topics, and only the part of
//! them that the pattern begins like is looked at.

use super::pattern;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::message::Block;
use crate::sync::Arc;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Topics with a retained value at most.
pub const MOST: usize = 65_536;

/// The last value of a topic.
#[derive(Clone, Debug)]
pub struct Value {
    pub from: Id,
    pub tag: u64,
    pub data: Arc<Block>,
}

#[derive(Debug, Default)]
pub struct Retained {
    values: BTreeMap<Box<str>, Value>,
}

impl Retained {
    /// Keeps or, without a value, clears; gives what was there, to be dropped without locks.
    pub fn set(&mut self, topic: &str, value: Option<Value>) -> Result<Option<Value>> {
        let Some(value) = value else { return Ok(self.values.remove(topic)) };
        if let Some(there) = self.values.get_mut(topic) {
            return Ok(Some(std::mem::replace(there, value)));
        }
        if self.values.len() >= MOST {
            let detail = format!("{MOST} topics have a retained value already; clear some by an empty payload");
            return Err(Error::Full.because(detail));
        }
        Ok(self.values.insert(topic.into(), value))
    }

    /// The values that a new subscription to the pattern gets.
    pub fn matching<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> + 'a {
        let prefix = &text[..text.find(['*', '>']).unwrap_or(text.len())];
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let near = self.values.range::<str, _>(from).take_while(move |(topic, _)| topic.starts_with(prefix));
        near.map(|(topic, value)| (&**topic, value)).filter(move |(topic, _)| pattern::matches(text, topic))
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(tag: u64) -> Option<Value> {
        Some(Value { from: Id::NONE, tag, data: Block::own(vec![1]) })
    }

    #[test]
    fn topics_are_counted_and_values_replaced() {
        let mut retained = Retained::default();
        for at in 0..MOST as u64 {
            retained.set(&format!("t.{at}"), value(at)).unwrap();
        }
        assert_eq!(retained.set("one.more", value(1)).unwrap_err(), Error::Full);
        assert_eq!(retained.set("t.7", value(70)).unwrap().unwrap().tag, 7);
        assert_eq!(retained.set("t.7", None).unwrap().unwrap().tag, 70);
        assert!(retained.set("t.7", None).unwrap().is_none());
        retained.set("one.more", value(1)).unwrap();
        assert_eq!(retained.len(), MOST);
    }

    proptest! {
        #[test]
        fn what_matches_is_found(
            topics in prop::collection::btree_set("[ab](\\.[ab]){0,3}", 0..12),
            pattern in "[ab*>]|[ab*](\\.[ab*]){0,2}\\.[ab*>]",
        ) {
            let mut retained = Retained::default();
            topics.iter().for_each(|topic| drop(retained.set(topic, value(1)).unwrap()));
            let found: Vec<&str> = retained.matching(&pattern).map(|(topic, _)| topic).collect();
            let wanted: Vec<&str> =
                topics.iter().map(String::as_str).filter(|topic| pattern::matches(&pattern, topic)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
