//! docs/errors.md is whole: a row for each code of the header, and in it the exception of Python; each class of Node's
//! errors; each reason with its number.

use std::fs;
use std::path::Path;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// What stands between `before` and the next character that is none of a name, wherever a line begins with `before`.
fn names_after<'a>(text: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(before)).map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// (code, the class of Python that has it) of `code = lib.TD_E...` in errors.py.
fn exceptions(python: &str) -> Vec<(String, String)> {
    let mut class = String::new();
    let mut found = Vec::new();
    for line in python.lines() {
        if let Some(name) = names_after(line, "class ").next() {
            class = name.to_owned();
        }
        if let Some(code) = line.strip_prefix("    code = lib.") {
            found.push((code.trim().to_owned(), class.clone()));
        }
    }
    found
}

fn row<'a>(page: &'a str, cell: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(&format!("| {cell} "))).unwrap_or_else(|| panic!("no row for {cell}"))
}

#[test]
fn each_code_has_its_row_and_its_exception() {
    let (page, header) = (read("docs/errors.md"), read("include/tidings.h"));
    let codes: Vec<_> =
        names_after(&header, "#define TD_E").filter(|name| name.chars().all(char::is_uppercase)).collect();
    let exceptions = exceptions(&read("bindings/python/src/tidings/errors.py"));
    assert!(codes.len() >= 20 && exceptions.len() == codes.len(), "{codes:?} {exceptions:?}");
    for code in codes {
        let (_, class) =
            exceptions.iter().find(|(of, _)| of[4..] == *code).unwrap_or_else(|| panic!("no exception: {code}"));
        let row = row(&page, &format!("`TD_E{code}` `{class}`"));
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
    }
}

#[test]
fn each_class_of_nodes_errors_is_named() {
    let (page, types) = (read("docs/errors.md"), read("bindings/node/types/errors.d.ts"));
    let classes: Vec<_> = names_after(&types, "export class ").collect();
    assert!(classes.contains(&"ReplyError"), "{classes:?}");
    for class in classes {
        assert!(page.contains(&format!("`{class}`")), "docs/errors.md does not name {class}");
    }
}

#[test]
fn each_reason_is_listed_with_its_number() {
    let (page, header) = (read("docs/errors.md"), read("include/tidings.h"));
    let reasons: Vec<_> = names_after(&header, "#define TD_REASON_").filter(|name| *name != "USER").collect();
    assert!(reasons.len() >= 8, "{reasons:?}");
    for name in reasons {
        let define =
            header.lines().find(|line| line.starts_with(&format!("#define TD_REASON_{name} "))).expect("defined");
        let number = define.split_whitespace().nth(2).expect("a number");
        assert!(row(&page, &name.to_lowercase()).contains(&format!("| {number} |")), "{name}: not {number}");
    }
}
