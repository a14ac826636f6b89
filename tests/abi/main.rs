//! The ABI is what it is said to be: the symbols that the shared library exports, the functions that the header
//! declares, and the committed list `tests/abi/symbols.txt`, which says since when, are the same.
//!
//! The list only grows. A line is taken out, or its version changed, only with a new `TD_ABI_VERSION`; in a version that
//! is not released yet, everything new has that version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Function name to the version that it came with.
type Symbols = BTreeMap<String, String>;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

fn listed(text: &str) -> Symbols {
    let mut symbols = Symbols::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, since] = words[..] else { panic!("not `name version`: {line}") };
        let twice = symbols.insert(name.to_owned(), since.to_owned());
        assert_eq!(twice, None, "{name} is listed twice");
    }
    symbols
}

/// The functions of the header, each with the `Since:` of its comment.
fn declared(header: &str) -> Symbols {
    let (mut symbols, mut since) = (Symbols::new(), None);
    for line in header.lines() {
        if let Some((_, version)) = line.split_once(" * Since: ") {
            since = Some(version.trim_end_matches("*/").trim().to_owned());
        }
        let starts_like_one = line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.starts_with("typedef");
        let Some(open) = line.find('(').filter(|_| starts_like_one) else { continue };
        let name = line[..open].rsplit([' ', '*']).next().unwrap_or("");
        if name.starts_with("td_") {
            let since = since.take().unwrap_or_else(|| panic!("{name} has no `Since:` in its comment"));
            symbols.insert(name.to_owned(), since);
        }
    }
    symbols
}

/// The library that this test run has built; it stands beside the test's own program.
fn library() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let name = format!("{}tidings{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    program.with_file_name(name)
}

/// What the library exports; None when this machine has no `nm`.
fn exported(library: &Path) -> Option<Vec<String>> {
    let found = Command::new("nm").args(["-D", "--defined-only", "--extern-only", "-P"]).arg(library).output();
    let output = match found {
        Ok(output) => output,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return None,
        Err(why) => panic!("nm: {why}"),
    };
    assert!(output.status.success(), "nm {}: {}", library.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("symbols are ASCII");
    Some(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// What is in one and not in the other, to be read by whoever has to mend it.
fn difference(a: &[&String], b: &[&String]) -> Vec<String> {
    a.iter().filter(|name| !b.contains(name)).map(|name| name.to_string()).collect()
}

#[test]
fn the_header_declares_what_the_list_has_since_when_it_says() {
    let (list, header) = (listed(&read("tests/abi/symbols.txt")), declared(&read("include/tidings.h")));
    let (a, b): (Vec<_>, Vec<_>) = (list.keys().collect(), header.keys().collect());
    let (gone, new) = (difference(&a, &b), difference(&b, &a));
    assert!(gone.is_empty(), "listed and no longer in the header, which breaks programs: {gone:?}");
    assert!(new.is_empty(), "new in the header; add to tests/abi/symbols.txt with their version: {new:?}");
    assert_eq!(list, header, "the versions differ");
}

/// Before it is released a version gets all that is new; so nothing came with a later one than that of Cargo.toml.
#[test]
fn nothing_is_said_to_come_with_a_later_version() {
    let number = |version: &str| -> Vec<u32> {
        version.split('.').map(|part| part.parse().expect("a version is numbers with dots")).collect()
    };
    let own = number(env!("CARGO_PKG_VERSION"));
    let later: Vec<_> =
        listed(&read("tests/abi/symbols.txt")).into_iter().filter(|(_, since)| number(since) > own).collect();
    assert!(later.is_empty(), "this is {}: {later:?}", env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_library_exports_what_the_list_has_and_nothing_else() {
    let library = library();
    assert!(library.exists(), "cargo test builds {} beside this test", library.display());
    let Some(exported) = exported(&library) else {
        println!("skipped: there is no nm here");
        return;
    };
    let list = listed(&read("tests/abi/symbols.txt"));
    let (a, b): (Vec<_>, Vec<_>) = (list.keys().collect(), exported.iter().collect());
    let (missing, more) = (difference(&a, &b), difference(&b, &a));
    assert!(missing.is_empty(), "listed and not exported by {}: {missing:?}", library.display());
    assert!(more.is_empty(), "exported by {} and not listed: {more:?}", library.display());
}

#[test]
fn the_readers_see_what_is_there() {
    let header = "/* x\n * Since: 0.1 */\nconst char *td_a(void);\n\n/* y\n * Since: 0.2 */\nint32_t td_b(td_x x,\n             int y);\n\
                  typedef void (*td_c)(void);\n#define TD_D() (td_d())\n";
    let expected = Symbols::from([("td_a".into(), "0.1".into()), ("td_b".into(), "0.2".into())]);
    assert_eq!(declared(header), expected);
    assert_eq!(listed("# note\ntd_a 0.1\n\ntd_b 0.2\n"), expected);
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(difference(&[&a, &b], &[&a]), ["b"]);
}
