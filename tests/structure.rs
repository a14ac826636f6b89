//! The plan of the house, held by a test: which module may name which, where `unsafe` may stand, how long a file may
//! be, what the core may depend on. Each rule is a function over source text, so that the tests at the end can show
//! that it catches a made-up offence as well as that the sources have none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The steps of the house from the ground up: (floor, modules). A module may name modules of lower steps only; those
/// of one step do not name each other. A new module must be given its place here.
const STEPS: &[(u8, &[&str])] = &[
    (0, &["sync", "json"]),
    (0, &["here"]),
    (0, &["error"]),
    (0, &["notify"]),
    (0, &["owed"]),
    (0, &["log", "spare"]),
    (0, &["clock"]),
    (1, &["id"]),
    (1, &["message"]),
    (1, &["table", "recorder", "snapshot"]),
    (1, &["oneshot"]),
    (1, &["mailbox"]),
    (2, &["monitor", "link", "process", "registry", "timer", "call", "dispatch", "watch"]),
    (2, &["topic", "group", "presence"]),
    (3, &["engine"]),
    (4, &["ffi", "api"]),
    // Built for loom alone.
    (4, &["models"]),
];
const UNSAFE_MAY_STAND_IN: &[&str] = &[
    "api/raw.rs",
    "ffi/",
    "mailbox/segment.rs",
    "mailbox/segment/",
    "models/loops.rs",
    "models/workers.rs",
    "table.rs",
    "notify/",
];
const DEPENDENCIES: &[&str] = &["crossbeam-channel", "libc", "once_cell", "parking_lot"];
const LONGEST_FILE: usize = 500;

// ---- reading Rust -----------------------------------------------------------------------------------------------

struct Token {
    text: String,
    line: usize,
}

/// The words and signs of a source, without comments, strings and characters. `::` is one token.
fn tokens(source: &str) -> Vec<Token> {
    let s: Vec<char> = source.chars().collect();
    let at = |i: usize| s.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut i, mut line) = (Vec::new(), 0, 1);
    while i < s.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => i = (i..s.len()).find(|&j| s[j] == '\n').unwrap_or(s.len()),
            '/' if at(i + 1) == '*' => i = end_of_block_comment(&s, i),
            '"' => i = end_of_quoted(&s, i),
            // 'x' and '\n' are characters, 'a without a closing quote is a lifetime.
            '\'' if at(i + 1) == '\\' || at(i + 2) == '\'' => i = end_of_quoted(&s, i),
            'r' | 'b' | 'c' if end_of_raw_string(&s, i).is_some() => i = end_of_raw_string(&s, i).unwrap(),
            c if word(c) => {
                i = (i..s.len()).find(|&j| !word(s[j])).unwrap_or(s.len());
                out.push(Token { text: s[start..i].iter().collect(), line });
            }
            ':' if at(i + 1) == ':' => {
                i += 2;
                out.push(Token { text: "::".into(), line });
            }
            c => {
                i += 1;
                if !c.is_whitespace() {
                    out.push(Token { text: c.into(), line });
                }
            }
        }
        line += s[start..i].iter().filter(|&&c| c == '\n').count();
    }
    out
}

fn end_of_quoted(s: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < s.len() && s[i] != s[start] {
        i += if s[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(s.len())
}

fn end_of_block_comment(s: &[char], start: usize) -> usize {
    let (mut i, mut depth) = (start, 0);
    while i + 1 < s.len() {
        match (s[i], s[i + 1]) {
            ('/', '*') => (depth, i) = (depth + 1, i + 2),
            ('*', '/') => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    s.len()
}

/// Where `r"..."`, `br#"..."#` and their like end; None when `start` does not begin one.
fn end_of_raw_string(s: &[char], start: usize) -> Option<usize> {
    if start > 0 && (s[start - 1].is_alphanumeric() || s[start - 1] == '_') {
        return None;
    }
    let r = if s[start] == 'r' { start } else { start + 1 };
    if s.get(r) != Some(&'r') {
        return None;
    }
    let hashes = s[r + 1..].iter().take_while(|&&c| c == '#').count();
    if s.get(r + 1 + hashes) != Some(&'"') {
        return None;
    }
    let mut i = r + 2 + hashes;
    while i < s.len() {
        if s[i] == '"' && s[i + 1..].iter().take_while(|&&c| c == '#').count() >= hashes {
            return Some(i + 1 + hashes);
        }
        i += 1;
    }
    Some(s.len())
}

/// `mailbox/queue.rs` is the module `mailbox::queue`, `mailbox/mod.rs` is `mailbox`, `lib.rs` the root.
fn module_path(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    path.split('/').filter(|p| !matches!(*p, "mod" | "lib")).map(String::from).collect()
}

/// The top modules that a file names by `crate::` or `super::`, in `use` lines and elsewhere, with their lines.
/// `*` stands for a glob over the crate's root, which would hide what is named.
fn names_of_the_crate(file: &str, source: &str) -> Vec<(String, usize)> {
    let t = tokens(source);
    let text = |i: usize| t.get(i).map_or("", |t| t.text.as_str());
    let mut here = module_path(file);
    let mut inline: Vec<usize> = Vec::new(); // brace depths at which inline modules were opened
    let (mut depth, mut found, mut i) = (0, Vec::new(), 0);
    while i < t.len() {
        match text(i) {
            "mod" if text(i + 2) == "{" => {
                here.push(text(i + 1).into());
                inline.push(depth);
                (depth, i) = (depth + 1, i + 2);
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                    here.pop();
                }
            }
            "crate" | "super" if text(i + 1) == "::" => {
                let mut above = if text(i) == "crate" { &here[..0] } else { &here[..here.len().saturating_sub(1)] };
                while text(i + 2) == "super" && text(i + 3) == "::" {
                    above = &above[..above.len().saturating_sub(1)];
                    i += 2;
                }
                match above.first() {
                    Some(top) => found.push((top.clone(), t[i].line)),
                    None => heads_of_tree(&t, i + 2, &mut found),
                }
                i += 1;
            }
            _ => {}
        }
        i += 1;
    }
    found
}

/// The first names of a use tree: of `a::b` it is a, of `{a::{b, c}, d}` a and d.
fn heads_of_tree(t: &[Token], start: usize, found: &mut Vec<(String, usize)>) {
    let Some(first) = t.get(start) else { return };
    if first.text != "{" {
        return found.push((first.text.clone(), first.line));
    }
    let (mut depth, mut at_head) = (0, false);
    for token in &t[start..] {
        match token.text.as_str() {
            "{" => (depth, at_head) = (depth + 1, depth == 0),
            "}" => depth -= 1,
            "," => at_head = depth == 1,
            name if at_head => {
                found.push((name.into(), token.line));
                at_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
}

// ---- the rules --------------------------------------------------------------------------------------------------

fn place(module: &str) -> Option<(usize, u8)> {
    STEPS.iter().position(|(_, modules)| modules.contains(&module)).map(|step| (step, STEPS[step].0))
}

/// Arrows that do not go down.
fn climbing_arrows(file: &str, source: &str) -> Vec<String> {
    let Some(own) = module_path(file).into_iter().next() else { return Vec::new() }; // lib.rs names them all
    let Some((own_step, own_floor)) = place(&own) else {
        return vec![format!("src/{file}: module `{own}` has no floor; give it one in tests/structure.rs")];
    };
    let arrow = |(to, line): (String, usize)| match place(&to) {
        _ if to == own => None,
        None => Some(format!("src/{file}:{line}: `{to}` is not a module with a floor; name the module it is in")),
        Some((step, _)) if step < own_step => None,
        Some((_, floor)) => {
            Some(format!("src/{file}:{line}: `{own}` (floor {own_floor}) names `{to}` (floor {floor})"))
        }
    };
    names_of_the_crate(file, source).into_iter().filter_map(arrow).collect()
}

/// `unsafe` outside its rooms, and unsafe blocks and impls that do not say why they are sound.
fn unexplained_unsafe(file: &str, source: &str) -> Vec<String> {
    let t = tokens(source);
    let lines: Vec<&str> = source.lines().collect();
    let allowed =
        UNSAFE_MAY_STAND_IN.iter().any(|room| file == *room || (room.ends_with('/') && file.starts_with(room)));
    let mut found = Vec::new();
    for pair in t.windows(2).filter(|pair| pair[0].text == "unsafe") {
        let (line, next) = (pair[0].line, pair[1].text.as_str());
        if !allowed {
            found.push(format!("src/{file}:{line}: `unsafe` may stand only in {}", UNSAFE_MAY_STAND_IN.join(", ")));
        } else if matches!(next, "{" | "impl") && !explained(&lines, line - 1) {
            found.push(format!("src/{file}:{line}: unsafe without a `SAFETY:` comment before it"));
        }
    }
    found
}

/// Whether a SAFETY comment stands on this line or above the statement it belongs to.
fn explained(lines: &[&str], at: usize) -> bool {
    let comment = |l: &str| l.trim_start().starts_with("//");
    for above in (0..=at).rev() {
        let line = lines[above];
        if line.find("//").is_some_and(|c| line[c..].contains("SAFETY:")) {
            return true;
        }
        let before = above.checked_sub(1).map_or("", |b| lines[b].trim_end());
        let statement_goes_on = !before.is_empty() && !before.ends_with([';', '{', '}']);
        if !(comment(before) || statement_goes_on) {
            return false;
        }
    }
    false
}

/// parking_lot and loom are reached through `sync` only, so that models and ranks cover every lock.
fn locks_named_elsewhere(file: &str, source: &str) -> Vec<String> {
    if file == "sync.rs" || file.starts_with("sync/") {
        return Vec::new();
    }
    let t = tokens(source);
    let names = |i: usize| {
        let named = matches!(t[i].text.as_str(), "parking_lot" | "loom");
        let as_path = t.get(i + 1).is_some_and(|next| next.text == "::");
        let imported = i > 0 && matches!(t[i - 1].text.as_str(), "use" | "crate");
        // `crate::sync::loom` would be a re-export of sync's own.
        named && (as_path || imported) && !(i > 0 && t[i - 1].text == "::")
    };
    let found = (0..t.len()).filter(|&i| names(i));
    found.map(|i| format!("src/{file}:{}: only sync.rs may name {}", t[i].line, t[i].text)).collect()
}

fn badly_shaped(file: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.lines().count();
    if lines > LONGEST_FILE {
        found.push(format!("src/{file}: {lines} lines, more than {LONGEST_FILE}; it is more than one idea"));
    }
    if !source.trim_start().starts_with("//! ") {
        found.push(format!("src/{file}: does not open with a `//!` comment that says what it guarantees"));
    }
    found
}

/// Public items of the Rust face, but for variants and fields, whose documentation shows no example that runs.
fn without_example(file: &str, source: &str) -> Vec<String> {
    let of_the_face = file == "error.rs" || file.starts_with("api/");
    if !of_the_face || matches!(file, "api/tests.rs" | "api/raw.rs") {
        return Vec::new();
    }
    const ITEMS: [&str; 8] = ["fn", "const", "struct", "enum", "union", "type", "trait", "static"];
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    // What a macro makes has its documentation where the macro is called, before `NAME of ...`.
    let public = |line: &str| match line.strip_prefix("pub ") {
        Some(item) => ITEMS.iter().any(|word| item.split(' ').next() == Some(word)) && !line.contains('$'),
        None => line.starts_with(char::is_uppercase) && line.split(' ').nth(1) == Some("of"),
    };
    let shown = |at: usize| {
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///") || line.starts_with("#["));
        above.filter(|line| **line == "/// ```").count() >= 2
    };
    let found = (0..lines.len()).filter(|&at| public(lines[at]) && !shown(at));
    found.map(|at| format!("src/{file}:{}: no example in the documentation of `{}`", at + 1, lines[at])).collect()
}

// ---- the sources ------------------------------------------------------------------------------------------------

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let (src, mut files) = (root().join("src"), Vec::new());
    rust_files(&src, &mut files);
    files.sort();
    assert!(files.len() > 10, "only {} files under {}", files.len(), src.display());
    let name = |p: &Path| p.strip_prefix(&src).unwrap().to_str().expect("a UTF-8 path").to_owned();
    files.iter().map(|p| (name(p), fs::read_to_string(p).expect("a readable source"))).collect()
}

fn hold(rule: fn(&str, &str) -> Vec<String>) {
    let found: Vec<String> = sources().iter().flat_map(|(file, source)| rule(file, source)).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn arrows_between_modules_go_down_only() {
    hold(climbing_arrows);
}

#[test]
fn unsafe_stands_in_its_rooms_and_says_why() {
    hold(unexplained_unsafe);
}

#[test]
fn only_sync_names_parking_lot_and_loom() {
    hold(locks_named_elsewhere);
}

#[test]
fn every_public_item_of_the_rust_face_has_an_example() {
    hold(without_example);
}

#[test]
fn every_file_is_short_and_opens_with_its_guarantee() {
    hold(badly_shaped);
}

#[test]
fn the_core_depends_on_four_crates_and_what_they_bring() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--edges", "normal", "--depth", "1", "--prefix", "none", "--format", "{p}", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8_lossy(&tree.stdout);
    let mut named: Vec<&str> = text.lines().skip(1).filter_map(|l| l.split(' ').next()).collect();
    named.sort_unstable();
    assert_eq!(named, DEPENDENCIES, "\n{text}");
}

#[test]
fn the_soname_carries_the_abi_version_of_the_header() {
    let number = |file: &str, before: &str| -> u32 {
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        let rest = text.split(before).nth(1).unwrap_or_else(|| panic!("{file} lacks `{before}`"));
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_else(|_| panic!("{file}: no number after `{before}`"))
    };
    assert_eq!(number("build.rs", "ABI_VERSION: u32 ="), number("include/tidings.h", "#define TD_ABI_VERSION"));
}

// ---- that the rules bite ----------------------------------------------------------------------------------------

#[test]
fn a_climbing_arrow_is_caught_in_every_spelling() {
    let caught = |file: &str, source: &str| climbing_arrows(file, source).len();
    assert_eq!(caught("mailbox/queue.rs", "//! Q.\nuse crate::engine::Engine;"), 1);
    assert_eq!(caught("mailbox/queue.rs", "use crate::{error::Error, monitor::{self, Ref}, id};"), 1);
    assert_eq!(caught("mailbox/queue.rs", "fn f() { crate::ffi::call(); }"), 1);
    assert_eq!(caught("mailbox/queue.rs", "use super::super::engine;"), 1);
    assert_eq!(caught("table.rs", "use super::mailbox;"), 1);
    assert_eq!(caught("table.rs", "mod inner { fn f() { super::super::engine::x() } }"), 1);
    assert_eq!(caught("timer.rs", "use crate::topic::Topic;"), 1, "sideways on a floor");
    assert_eq!(caught("json.rs", "use crate::sync::Mutex;"), 1, "sideways on a step");
    assert_eq!(caught("table.rs", "use crate::*;"), 1, "a glob over the root hides what it names");
    assert_eq!(caught("table.rs", "use crate::Error;"), 1, "a re-export of the root hides where it comes from");
    assert_eq!(caught("lift.rs", "//! L."), 1, "a module without a floor");
}

#[test]
fn arrows_that_go_down_or_stay_inside_are_left_alone() {
    let fine = |file: &str, source: &str| assert_eq!(climbing_arrows(file, source), [""; 0], "{source}");
    fine("mailbox/queue.rs", "use crate::{error::Error, sync, mailbox::segment};\nuse super::policy;");
    fine("mailbox/mod.rs", "mod tests { use super::*; }");
    fine("table.rs", "// use crate::engine;\n/* crate::ffi /* deep */ */ const A: &str = \"crate::engine\";");
    fine("table.rs", "const B: &str = r#\"a \" crate::engine\"#; const C: char = '\"'; fn f<'a>(x: &'a str) {}");
    fine("lib.rs", "pub use crate::engine::Engine;");
}

#[test]
fn a_lone_unsafe_a_foreign_lock_and_a_bare_file_are_caught() {
    assert_eq!(unexplained_unsafe("engine.rs", "// SAFETY: no.\nlet x = unsafe { *p };").len(), 1);
    assert_eq!(unexplained_unsafe("table.rs", "let y = 1;\nlet x = unsafe { *p };").len(), 1);
    assert_eq!(unexplained_unsafe("table.rs", "// SAFETY: p is live.\nlet x =\n    unsafe { *p };").len(), 0);
    assert_eq!(unexplained_unsafe("table.rs", "// SAFETY: p is live.\nf();\nunsafe { *p };").len(), 1);
    assert_eq!(unexplained_unsafe("ffi/send.rs", "unsafe extern \"C\" fn f() {}").len(), 0);
    assert_eq!(locks_named_elsewhere("clock.rs", "use parking_lot::Mutex;").len(), 1);
    assert_eq!(locks_named_elsewhere("clock.rs", "#[cfg(not(loom))]\nuse crate::sync::Mutex;").len(), 0);
    assert_eq!(badly_shaped("id.rs", "use std::fmt;\n").len(), 1);
    assert_eq!(without_example("api/call.rs", "/// Calls.\npub fn call() {}").len(), 1);
    assert_eq!(without_example("api/call.rs", "/// ```\n/// call();\n/// ```\n#[inline]\npub fn call() {}").len(), 0);
    assert_eq!(without_example("api/call.rs", "/// ```no_run\n/// call();\n/// ```\npub fn call() {}").len(), 1);
    assert_eq!(without_example("api/call.rs", "/// A call.\npub const CALL: u32 = 1;").len(), 1);
    assert_eq!(without_example("api/stats.rs", "counters! {\n/// What a call counts.\nCalls of Raw {").len(), 1);
    assert_eq!(without_example("error.rs", "/// Why.\npub enum Error {").len(), 1);
    assert_eq!(badly_shaped("id.rs", &format!("//! Ids.\n{}", "\n".repeat(LONGEST_FILE))).len(), 1);
}
