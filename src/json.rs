//! A small writer of JSON.
//!
//! Guarantees: what comes out is valid JSON for any text and any numbers, as long as each key is followed by one value;
//! it streams into one buffer. Ids are strings, `"0x..."`, since JSON's numbers would lose their last bits.

use std::fmt::Write;

/// See the file's comment.
#[derive(Default)]
pub struct Json {
    text: String,
    /// Something stands before the next member.
    comma: bool,
}

impl Json {
    pub fn finish(self) -> String {
        self.text
    }

    fn begin(&mut self) -> &mut String {
        if std::mem::replace(&mut self.comma, true) {
            self.text.push(',');
        }
        &mut self.text
    }

    fn nested(&mut self, open: char, close: char, members: impl FnOnce(&mut Json)) {
        self.begin().push(open);
        self.comma = false;
        members(self);
        self.text.push(close);
        self.comma = true;
    }

    /// An object, whose members are written by [`key`](Self::key) and a value each.
    pub fn object(&mut self, members: impl FnOnce(&mut Json)) {
        self.nested('{', '}', members);
    }

    pub fn array(&mut self, members: impl FnOnce(&mut Json)) {
        self.nested('[', ']', members);
    }

    pub fn key(&mut self, key: &str) -> &mut Json {
        self.text(key);
        self.text.push(':');
        self.comma = false;
        self
    }

    pub fn text(&mut self, text: &str) {
        let out = self.begin();
        out.push('"');
        for letter in text.chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\u{0}'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(out, "\\u{:04x}", letter as u32);
                }
                letter => out.push(letter),
            }
        }
        out.push('"');
    }

    pub fn number(&mut self, number: impl Into<i128>) {
        let _ = write!(self.begin(), "{}", number.into());
    }

    pub fn truth(&mut self, truth: bool) {
        self.begin().push_str(if truth { "true" } else { "false" });
    }

    pub fn null(&mut self) {
        self.begin().push_str("null");
    }

    pub fn id(&mut self, id: u64) {
        let _ = write!(self.begin(), "\"{id:#018x}\"");
    }

    /// An id, or null for none.
    pub fn id_or_null(&mut self, id: u64) {
        match id {
            0 => self.null(),
            id => self.id(id),
        }
    }

    /// A time, or null when it never comes.
    pub fn time(&mut self, time: i64) {
        match time {
            i64::MAX => self.null(),
            time => self.number(time),
        }
    }
}

/// A strict reader, for tests: what is wrong with a text, or nothing.
#[cfg(test)]
pub fn fault(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let outcome = match value(bytes, &mut at) {
        Ok(()) if at < bytes.len() => Err("more follows"),
        outcome => outcome,
    };
    outcome.err().map(|what| format!("{what} at {at}: ...{}", &text[at.saturating_sub(40)..at.min(text.len())]))
}

#[cfg(test)]
fn value(text: &[u8], at: &mut usize) -> Result<(), &'static str> {
    let next = |at: usize| text.get(at).copied().unwrap_or(0);
    let word = |word: &str, at: &mut usize| {
        *at += word.len();
        if text[*at - word.len()..].starts_with(word.as_bytes()) {
            Ok(())
        } else {
            Err("not a word of JSON")
        }
    };
    match next(*at) {
        b't' => word("true", at),
        b'f' => word("false", at),
        b'n' => word("null", at),
        b'"' => string(text, at),
        b'-' | b'0'..=b'9' => {
            *at += usize::from(next(*at) == b'-');
            let begin = *at;
            while next(*at).is_ascii_digit() {
                *at += 1;
            }
            let leading = next(begin) == b'0' && *at > begin + 1;
            if *at == begin || leading {
                Err("not a number")
            } else {
                Ok(())
            }
        }
        open @ (b'{' | b'[') => {
            let close = open + 2;
            *at += 1;
            if next(*at) == close {
                *at += 1;
                return Ok(());
            }
            loop {
                if open == b'{' {
                    string(text, at)?;
                    if next(*at) != b':' {
                        return Err("no colon");
                    }
                    *at += 1;
                }
                value(text, at)?;
                *at += 1;
                match next(*at - 1) {
                    b',' => {}
                    end if end == close => return Ok(()),
                    _ => return Err("neither comma nor end"),
                }
            }
        }
        _ => Err("no value"),
    }
}

#[cfg(test)]
fn string(text: &[u8], at: &mut usize) -> Result<(), &'static str> {
    let next = |at: usize| text.get(at).copied().unwrap_or(0);
    if next(*at) != b'"' {
        return Err("no string");
    }
    *at += 1;
    loop {
        *at += 1;
        match next(*at - 1) {
            b'"' => return Ok(()),
            b'\\' => {
                let hex = |at: usize| text.get(at..at + 4).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
                match next(*at) {
                    b'u' if hex(*at + 1) => *at += 5,
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => *at += 1,
                    _ => return Err("a bad escape"),
                }
            }
            0..=0x1f => return Err("a bare control character"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_parted_and_text_is_escaped() {
        let mut json = Json::default();
        json.object(|json| {
            json.key("a").array(|json| {
                json.number(-1);
                json.number(u64::MAX);
                json.object(|_| ());
                json.array(|_| ());
                json.null();
            });
            json.key("q\"\\\n\u{1}\u{e9}").text("\u{2028}x");
            json.key("id").id(0x2000_0000_0000_0001);
            json.key("never").time(i64::MAX);
            json.key("yes").truth(true);
        });
        let text = json.finish();
        let expected = "{\"a\":[-1,18446744073709551615,{},[],null],\"q\\\"\\\\\\n\\u0001\u{e9}\":\"\\u2028x\",\
                        \"id\":\"0x2000000000000001\",\"never\":null,\"yes\":true}";
        assert_eq!(text, expected);
        assert_eq!(fault(&text), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_valid(keys in proptest::collection::vec(".*", 0..4), number: i64) {
            let mut json = Json::default();
            json.object(|json| {
                for key in &keys {
                    json.key(key).text(key);
                }
                json.key("n").number(number);
            });
            proptest::prop_assert_eq!(fault(&json.finish()), None);
        }
    }

    #[test]
    fn what_is_not_json_is_found() {
        for bad in ["", "{", "[1,]", "{\"a\"}", "{\"a\":}", "01", "\"\n\"", "\"\\x\"", "nul", "[1 2]", "{}{}", "[,]"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
    }
}
