//! Topics and patterns, after NATS: text split into tokens by `.`; in a pattern `*` is exactly one
//! whole token, and `>` one or more tokens, only as the last.
//!
//! Guarantees:
//! * What [`check_topic`] or [`check_pattern`] accepts has 1 to 1024 bytes and 1 to 64 tokens, none
//!   empty, with no white space and no control character. A topic has no `*` and no `>`; a pattern
//!   has them as whole tokens only. Every other text gets a [`Fault`]: what is wrong, where, and
//!   what would be right.
//! * [`Patterns::collect`] gives what [`matches`] gives for each pattern in turn, in the order of
//!   insertion, and looks only at the part of the trie that the topic leads to.
//! * Topics that begin with `$` are hidden: a wildcard in the place of their first token does not take them in.
//! * A trie holds no empty branch: when the last value is removed, only the root is left.
//!
//! Check a pattern before it is inserted: the limit of 64 tokens is what bounds the depth of the
//! trie, and so the recursion here and in the drop.

use std::collections::HashMap;
use std::fmt;

/// The longest topic or pattern, in bytes.
pub const MAX_BYTES: usize = 1024;
/// The most tokens of a topic or pattern.
pub const MAX_TOKENS: usize = 64;

/// Why a text is not a topic, or not a pattern. Offsets are in bytes, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Empty,
    /// Its size in bytes.
    TooLong(usize),
    /// How many tokens it has.
    TooManyTokens(usize),
    /// Where the token should have been.
    EmptyToken(usize),
    /// Where the white space or control character is.
    Space(usize),
    /// Where a topic has `*` or `>`.
    Wildcard(usize),
    /// Where a pattern has a `>` with tokens after it.
    TailNotLast(usize),
    /// Where a pattern has a `*` or `>` that is only part of its token.
    Partial(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => write!(f, "empty; give 1 to {MAX_BYTES} bytes"),
            Fault::TooLong(size) => write!(f, "{size} bytes; at most {MAX_BYTES} are allowed"),
            Fault::TooManyTokens(n) => write!(f, "{n} tokens; at most {MAX_TOKENS} are allowed"),
            Fault::EmptyToken(at) => write!(f, "empty token at byte {at}; fill or remove it"),
            Fault::Space(at) => write!(f, "space or control character at byte {at}; use none"),
            Fault::Wildcard(at) => write!(f, "wildcard at byte {at}; only a pattern may have one"),
            Fault::TailNotLast(at) => write!(f, "`>` at byte {at} must be last; or use `*`"),
            Fault::Partial(at) => write!(f, "wildcard at byte {at} must be a token of its own"),
        }
    }
}

impl std::error::Error for Fault {}

/// Whether `topic` can be published to.
///
/// # Errors
/// The leftmost fault; length before all others, the number of tokens after all others.
pub fn check_topic(topic: &str) -> Result<(), Fault> {
    check(topic, |token, at, _| match token.find(['*', '>']) {
        Some(inside) => Err(Fault::Wildcard(at + inside)),
        None => Ok(()),
    })
}

/// Whether `pattern` can be subscribed to. Every topic is a pattern too.
///
/// # Errors
/// The leftmost fault; length before all others, the number of tokens after all others.
pub fn check_pattern(pattern: &str) -> Result<(), Fault> {
    check(pattern, |token, at, last| match token.find(['*', '>']) {
        Some(inside) if token.len() > 1 => Err(Fault::Partial(at + inside)),
        Some(_) if token == ">" && !last => Err(Fault::TailNotLast(at)),
        _ => Ok(()),
    })
}

/// The rules that topics and patterns share; `wildcards(token, offset, last)` has the others.
fn check(text: &str, wildcards: impl Fn(&str, usize, bool) -> Result<(), Fault>) -> Result<(), Fault> {
    match text.len() {
        0 => return Err(Fault::Empty),
        1..=MAX_BYTES => {}
        size => return Err(Fault::TooLong(size)),
    }
    let (mut at, mut count) = (0, 0);
    for token in text.split('.') {
        if token.is_empty() {
            return Err(Fault::EmptyToken(at));
        }
        if let Some(inside) = token.find(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Fault::Space(at + inside));
        }
        let end = at + token.len();
        wildcards(token, at, end == text.len())?;
        at = end + 1;
        count += 1;
    }
    if count > MAX_TOKENS {
        return Err(Fault::TooManyTokens(count));
    }
    Ok(())
}

/// Whether the checked `pattern` takes in the checked `topic`.
pub fn matches(pattern: &str, topic: &str) -> bool {
    if topic.starts_with('$') && pattern.starts_with(['*', '>']) {
        return false;
    }
    let (mut wanted, mut given) = (pattern.split('.'), topic.split('.'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(word), Some(token)) if word == token => {}
            _ => return false,
        }
    }
}

/// Whether there is a topic that both checked patterns take in.
pub fn intersects(one: &str, other: &str) -> bool {
    let hidden = |wild: &str, text: &str| wild.starts_with(['*', '>']) && text.starts_with('$');
    if hidden(one, other) || hidden(other, one) {
        return false;
    }
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Values by pattern, found by topic.
#[derive(Debug)]
pub struct Patterns<T> {
    root: Node<T>,
    len: usize,
    /// The number of the next insertion; never goes back, so it orders values across the branches.
    next: u64,
}

/// Where the patterns with the same first tokens go apart.
#[derive(Debug)]
struct Node<T> {
    words: HashMap<Box<str>, Node<T>>,
    star: Option<Box<Node<T>>>,
    /// Patterns that end here.
    here: Run<T>,
    /// Patterns whose last token, after this node, is `>`.
    tail: Run<T>,
}

type Numbered<T> = (u64, T);

/// Values by their numbers, in order. One that is removed leaves its place, until half of all have: so removing takes a
/// search and, shared among all, a sweep.
#[derive(Debug)]
struct Run<T> {
    values: Vec<Numbered<T>>,
    gone: usize,
}

/// Marks the number of a value that was removed.
const GONE: u64 = 1 << 63;

impl<T: Copy> Run<T> {
    fn new() -> Self {
        Run { values: Vec::new(), gone: 0 }
    }

    fn is_empty(&self) -> bool {
        self.values.len() == self.gone
    }

    fn push(&mut self, number: u64, value: T) {
        self.values.push((number, value));
    }

    /// Whether it was there.
    fn remove(&mut self, number: u64) -> bool {
        let place = self.values.binary_search_by_key(&number, |(other, _)| other & !GONE);
        let Some((found, _)) = place.ok().map(|place| &mut self.values[place]).filter(|(found, _)| *found == number)
        else {
            return false;
        };
        *found |= GONE;
        self.gone += 1;
        if self.gone > self.values.len() / 2 {
            self.values.retain(|(number, _)| number & GONE == 0);
            self.values.shrink_to(2 * self.values.len());
            self.gone = 0;
        }
        true
    }

    fn collect(&self, found: &mut Vec<Numbered<T>>) {
        found.extend(self.values.iter().filter(|(number, _)| number & GONE == 0));
    }
}

impl<T: Copy> Patterns<T> {
    pub fn new() -> Self {
        Patterns { root: Node::new(), len: 0, next: 0 }
    }

    /// How many values are in it, counting each insertion.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `value` under the checked `pattern`, and gives the number to remove it by.
    pub fn insert(&mut self, pattern: &str, value: T) -> u64 {
        debug_assert_eq!(check_pattern(pattern), Ok(()), "check a pattern before it is inserted: {pattern:?}");
        let number = self.next;
        self.root.list(pattern).push(number, value);
        self.next += 1;
        self.len += 1;
        number
    }

    /// Takes out what was inserted under `pattern` with this number; false when it is not there.
    pub fn remove(&mut self, pattern: &str, number: u64) -> bool {
        let found = self.root.remove(Some(pattern), number);
        self.len -= usize::from(found);
        found
    }

    /// Appends to `out` every value whose pattern matches the checked `topic`, once per insertion,
    /// oldest first.
    pub fn collect(&self, topic: &str, out: &mut Vec<T>) {
        let mut found = Vec::new();
        if topic.starts_with('$') {
            let (token, rest) = split(topic);
            self.root.words.get(token).into_iter().for_each(|node| node.collect(rest, &mut found));
        } else {
            self.root.collect(Some(topic), &mut found);
        }
        // The lists are sorted runs already, which this sort merges rather than sorts.
        found.sort_by_key(|&(number, _)| number);
        out.extend(found.into_iter().map(|(_, value)| value));
    }
}

impl<T: Copy> Default for Patterns<T> {
    fn default() -> Self {
        Patterns::new()
    }
}

/// The first token, and what follows its dot.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('.') {
        Some((token, rest)) => (token, Some(rest)),
        None => (text, None),
    }
}

impl<T: Copy> Node<T> {
    fn new() -> Self {
        Node { words: HashMap::new(), star: None, here: Run::new(), tail: Run::new() }
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.star.is_none() && self.here.is_empty() && self.tail.is_empty()
    }

    /// The list that `pattern` ends in, its branch made where there is none.
    fn list(&mut self, pattern: &str) -> &mut Run<T> {
        let (mut node, mut rest) = (self, Some(pattern));
        while let Some(text) = rest {
            let (token, after) = split(text);
            node = match token {
                ">" => return &mut node.tail,
                "*" => node.star.get_or_insert_with(|| Box::new(Node::new())),
                word => node.words.entry(word.into()).or_insert_with(Node::new),
            };
            rest = after;
        }
        &mut node.here
    }

    /// Whether it was there. Nodes left empty go on the way back.
    fn remove(&mut self, pattern: Option<&str>, number: u64) -> bool {
        let Some((token, rest)) = pattern.map(split) else {
            return self.here.remove(number);
        };
        let child = match token {
            ">" => return self.tail.remove(number),
            "*" => self.star.as_deref_mut(),
            word => self.words.get_mut(word),
        };
        let Some(child) = child else { return false };
        let found = child.remove(rest, number);
        if child.is_empty() {
            match token {
                "*" => self.star = None,
                word => drop(self.words.remove(word)),
            }
        }
        found
    }

    fn collect(&self, topic: Option<&str>, found: &mut Vec<Numbered<T>>) {
        let Some((token, rest)) = topic.map(split) else {
            return self.here.collect(found);
        };
        self.tail.collect(found);
        let (star, word) = (self.star.as_deref(), self.words.get(token));
        for child in star.into_iter().chain(word) {
            child.collect(rest, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::Index};

    #[test]
    fn faults_say_what_and_where() {
        use Fault::{Empty, EmptyToken, Partial, Space, TailNotLast, Wildcard};
        for check in [check_topic, check_pattern] {
            assert_eq!(check(""), Err(Empty));
            for (text, at) in [(".", 0), (".a", 0), ("a.", 2), ("a..b", 2)] {
                assert_eq!(check(text), Err(EmptyToken(at)), "{text:?}");
            }
            for (text, at) in [("b c", 1), (" ", 0), ("é.\u{a0}", 3), ("a.\0", 2)] {
                assert_eq!(check(text), Err(Space(at)), "{text:?}");
            }
        }
        for (text, at) in [("*", 0), ("a.>", 2), ("a.b*", 3), ("a.>b", 2)] {
            assert_eq!(check_topic(text), Err(Wildcard(at)), "{text:?}");
        }
        for (text, at) in [("a*", 1), ("**", 0), ("a.>>", 2), ("é.b>", 4), ("*>", 0)] {
            assert_eq!(check_pattern(text), Err(Partial(at)), "{text:?}");
        }
        for (text, at) in [(">.a", 0), ("a.>.>", 2), ("a.>.", 2)] {
            assert_eq!(check_pattern(text), Err(TailNotLast(at)), "{text:?}");
        }
        let text = Fault::TooLong(1025).to_string();
        assert_eq!(text, "1025 bytes; at most 1024 are allowed");
    }

    #[test]
    fn limits_are_exact() {
        let tokens = |count| vec!["a"; count].join(".");
        for check in [check_topic, check_pattern] {
            assert_eq!(check(&"é".repeat(512)), Ok(()));
            assert_eq!(check(&"a".repeat(1025)), Err(Fault::TooLong(1025)));
            assert_eq!(check(&tokens(64)), Ok(()));
            assert_eq!(check(&tokens(65)), Err(Fault::TooManyTokens(65)));
        }
    }

    #[test]
    fn star_is_one_token_and_tail_one_or_more() {
        let topics = ["a", "a.b", "a.b.c", "b.b"];
        let table = [
            ("a.*", [false, true, false, false]),
            ("a.>", [false, true, true, false]),
            ("*.>", [false, true, true, true]),
            (">", [true, true, true, true]),
            ("*.b", [false, true, false, true]),
        ];
        for (pattern, expected) in table {
            let found = topics.map(|topic| matches(pattern, topic));
            assert_eq!(found, expected, "{pattern}");
        }
    }

    /// The definition: `>` is one token, or one token and `>` again.
    fn defined(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) | ([">"], [_]) => true,
            ([">"], [_, topic @ ..]) => defined(pattern, topic),
            (["*", pattern @ ..], [_, topic @ ..]) => defined(pattern, topic),
            ([word, pattern @ ..], [token, topic @ ..]) => word == token && defined(pattern, topic),
            _ => false,
        }
    }

    fn no_empty_branch<T: Copy>(node: &Node<T>) -> bool {
        let mut children = node.words.values().chain(node.star.as_deref());
        children.all(|child| !child.is_empty() && no_empty_branch(child))
    }

    const TOPIC: &str = "[ab](\\.[ab]){0,3}";
    const PATTERN: &str = "[ab*>]|[ab*](\\.[ab*]){0,2}\\.[ab*>]";
    const HIDDEN_TOO: &str = "[a$*>]|[a$*](\\.[a$*]){0,2}\\.[a$*>]";

    /// Every topic of up to five tokens over two letters, one of which hides it.
    fn every_topic() -> Vec<String> {
        let longer = |shorter: &String| ["a", "$"].map(|token| format!("{shorter}.{token}"));
        let mut all: Vec<String> = vec!["a".into(), "$".into()];
        let mut last = all.clone();
        for _ in 0..4 {
            last = last.iter().flat_map(longer).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #[test]
        fn patterns_intersect_when_a_topic_is_in_both(one in HIDDEN_TOO, other in HIDDEN_TOO) {
            let both = |topic: &String| matches(&one, topic) && matches(&other, topic);
            prop_assert_eq!(intersects(&one, &other), every_topic().iter().any(both), "{} {}", one, other);
        }

        #[test]
        fn hidden_topics_are_found_as_they_match(pattern in HIDDEN_TOO, topic in "[a$](\\.[a$]){0,3}") {
            let mut trie = Patterns::new();
            trie.insert(&pattern, 1u8);
            let mut found = Vec::new();
            trie.collect(&topic, &mut found);
            prop_assert_eq!(!found.is_empty(), matches(&pattern, &topic));
        }

        #[test]
        fn matches_is_as_defined(pattern in PATTERN, topic in TOPIC) {
            prop_assert_eq!((check_pattern(&pattern), check_topic(&topic)), (Ok(()), Ok(())));
            let wanted: Vec<_> = pattern.split('.').collect();
            let given: Vec<_> = topic.split('.').collect();
            prop_assert_eq!(matches(&pattern, &topic), defined(&wanted, &given));
        }

        #[test]
        fn a_topic_is_a_pattern_without_wildcards(text in "[ab*>. é\t]{0,9}|[ab.*>]{1,5}|\\PC*") {
            let plain = check_pattern(&text).is_ok() && !text.contains(['*', '>']);
            prop_assert_eq!(check_topic(&text).is_ok(), plain);
        }

        #[test]
        fn collect_is_matches_over_a_list(
            steps in prop::collection::vec((0..6, PATTERN, 0..2u8, any::<Index>(), TOPIC), 1..60),
        ) {
            let (mut trie, mut list) = (Patterns::new(), Vec::<(String, u8, u64)>::new());
            for (kind, pattern, value, index, topic) in steps {
                // Three inserts, two removals of what is there, one of what may be.
                let known = (3..5).contains(&kind) && !list.is_empty();
                let one = if known { index.get(&list).clone() } else { (pattern, value, list.len() as u64) };
                if kind < 3 {
                    let number = trie.insert(&one.0, one.1);
                    list.push((one.0, one.1, number));
                } else {
                    let place = list.iter().position(|other| other.0 == one.0 && other.2 == one.2);
                    prop_assert_eq!(trie.remove(&one.0, one.2), place.is_some());
                    place.map(|place| list.remove(place));
                }
                let matching = list.iter().filter(|(pattern, ..)| matches(pattern, &topic));
                let expected: Vec<u8> = matching.map(|&(_, value, _)| value).collect();
                let mut found = Vec::new();
                trie.collect(&topic, &mut found);
                prop_assert_eq!(found, expected);
                prop_assert_eq!((trie.len(), trie.is_empty()), (list.len(), list.is_empty()));
                prop_assert!(no_empty_branch(&trie.root));
            }
            prop_assert!(list.iter().all(|(pattern, _, number)| trie.remove(pattern, *number)));
            prop_assert!(trie.root.is_empty());
        }
    }
}
