//! The Rust face is whole: each function of the header has its part there, or it is said here why Rust has no use for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Functions that are reached by other words of the engine's than their own, and the public item that does.
const BY_ANOTHER_NAME: &[(&str, &str)] = &[
    ("td_err_name", "Error::name"),
    ("td_strerror", "Display of Error"),
    ("td_last_error", "last_error"),
    ("td_log_set", "set_log"),
    ("td_mailbox_close", "Address::close"),
    ("td_batch_next", "Batch::next"),
    ("td_reply_error", "Ticket::reply_error"),
    ("td_reply_end", "Ticket::end"),
];

const NOT_FOR_RUST: &[(&str, &str)] = &[
    ("td_version", "the crate that is compiled in is the one that Cargo.toml names"),
    ("td_version_number", "as td_version"),
    ("td_abi_version", "as td_version: nothing is loaded at run time"),
    ("td_mailbox_user", "a handler is a closure, which keeps what it needs"),
    ("td_batch_claim", "for bindings that read the frame themselves; Batch::next claims what it passes"),
    ("td_batch_retain", "a MessageRef borrows its batch, so it cannot outlive it"),
];

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The words that follow `before` wherever it stands.
fn words_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// What the header declares: each is exported, and tests/abi has the list of that.
fn declared() -> BTreeSet<String> {
    let list = read(&root().join("tests/abi/symbols.txt"));
    list.lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| name.starts_with("td_"))
        .map(String::from)
        .collect()
}

/// The sources of the face, without their comments and tests.
fn sources() -> String {
    let folder = fs::read_dir(root().join("src/api")).expect("src/api is there");
    let files = folder.map(|entry| entry.expect("an entry").path()).filter(|path| !path.ends_with("tests.rs"));
    let text: String = files.map(|path| read(&path)).chain([read(&root().join("src/error.rs"))]).collect();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// The functions of the engine that the face calls. A step is the same call with the message handed out otherwise.
fn called(sources: &str) -> BTreeSet<String> {
    words_after(sources, "facade::").map(|name| format!("td_{name}")).collect()
}

fn is_there(sources: &str, item: &str) -> bool {
    match item.strip_prefix("Display of ") {
        Some(what) => sources.contains(&format!("Display for {what} ")),
        None => {
            sources.contains(&format!("pub fn {}(", item.rsplit("::").next().expect("a name")))
                || sources.contains(&format!("pub fn {}<", item.rsplit("::").next().expect("a name")))
        }
    }
}

fn wanting(declared: &BTreeSet<String>, sources: &str) -> Vec<String> {
    let called = called(sources);
    let by_another = |name: &str| BY_ANOTHER_NAME.iter().find(|(of, _)| *of == name);
    let not_for = |name: &str| NOT_FOR_RUST.iter().any(|(of, _)| *of == name);
    let mut found = Vec::new();
    for name in declared {
        let times = [called.contains(name), by_another(name).is_some(), not_for(name)];
        match times.iter().filter(|time| **time).count() {
            0 => found.push(format!("{name}: neither has the Rust API it, nor is it listed here with the reason")),
            1 => {}
            _ => found.push(format!("{name}: the Rust API has it; take it off the lists here")),
        }
    }
    let listed = BY_ANOTHER_NAME.iter().chain(NOT_FOR_RUST).map(|(name, _)| *name);
    found.extend(listed.filter(|name| !declared.contains(*name)).map(|name| format!("{name}: not in the header")));
    let missing = BY_ANOTHER_NAME.iter().filter(|(_, item)| !is_there(sources, item));
    found.extend(missing.map(|(name, item)| format!("{name}: the Rust API has no {item}")));
    found
}

#[test]
fn each_function_of_the_header_has_its_part_or_a_reason() {
    let (declared, sources) = (declared(), sources());
    assert!(declared.len() > 80 && declared.contains("td_send") && called(&sources).contains("td_send"));
    let found = wanting(&declared, &sources);
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn what_is_missing_or_listed_for_nothing_is_caught() {
    let all = |extra: &[&str]| declared().into_iter().chain(extra.iter().map(|name| name.to_string())).collect();
    let caught = |declared: &BTreeSet<String>, sources: &str| wanting(declared, sources).join("\n");
    let sources = sources();
    assert!(caught(&all(&["td_new"]), &sources).starts_with("td_new: neither"));
    assert!(caught(&all(&[]), &sources.replace("facade::recv_peek(", "(")).starts_with("td_recv_peek: neither"));
    assert!(
        caught(&all(&[]), &format!("{sources}facade::batch_claim(")).starts_with("td_batch_claim: the Rust API has it")
    );
    assert!(caught(&all(&[]), &sources.replace("pub fn set_log<", "fn set_log<")).contains("has no set_log"));
    let fewer: BTreeSet<String> = declared().into_iter().filter(|name| name != "td_version").collect();
    assert!(caught(&fewer, &sources).starts_with("td_version: not in the header"));
}
