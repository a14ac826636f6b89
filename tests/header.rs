//! The committed header is the one that the sources make. `UPDATE=1 cargo test --test header` rewrites it.
//!
//! cbindgen turns src/ffi into C declarations (see cbindgen.toml); what makes them read as if written by hand is done
//! here: constants, types and functions each in the order of the sources, under headings; C comments; a comment that is
//! a fragment at the end of its line, a comment that is a sentence above; the macros of cbindgen.toml where they belong.

use std::fs;
use std::path::PathBuf;

/// The sections of the header in their order: file of src/ffi, heading of its functions.
const SECTIONS: &[(&str, &str)] = &[
    ("version", "version"),
    ("error", "errors"),
    ("types", "ids and messages"),
    ("engine", "engine"),
    ("mailbox", "mailbox"),
    ("send", "send"),
    ("receive", "receive"),
    ("loop_", "loop"),
    ("call", "call"),
    ("monitor", "monitor"),
    ("link", "link"),
    ("name", "name"),
    ("topic", "topic"),
    ("group", "group, presence, watch"),
    ("timer", "timer"),
    ("look", "looking into a running engine"),
    ("testing", "testing"),
];
/// The last column of the header.
const WIDTH: usize = 120;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

fn section_file(section: &str) -> String {
    format!("src/ffi/{section}.rs")
}

// ---- from cbindgen's text to items ------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Constant,
    Type,
    Function,
}

/// One declaration: the comment of the group that it begins, its own comment, its lines.
#[derive(Debug)]
struct Item {
    class: Class,
    name: String,
    after: Option<String>,
    group: Vec<String>,
    comment: Vec<String>,
    code: Vec<String>,
}

/// The name that a declaration declares.
fn name_of(class: Class, code: &[String]) -> String {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let all = code.join(" ");
    match class {
        Class::Constant => word(all.split("#define ").nth(1).expect("a macro")),
        Class::Function => {
            let head = all.split('(').next().expect("a function");
            head.rsplit([' ', '*']).next().expect("a name").to_owned()
        }
        Class::Type => match all.split_once("(*") {
            Some((_, rest)) => word(rest),
            None => all.trim_end_matches(';').rsplit(' ').next().expect("a name").to_owned(),
        },
    }
}

/// One block of cbindgen's text: `//` lines, then a declaration. None for what is not one.
fn item(block: &str) -> Option<Item> {
    let lines: Vec<&str> = block.lines().collect();
    let comments = lines.iter().take_while(|line| line.starts_with("//")).count();
    let mut comment: Vec<String> = lines[..comments]
        .iter()
        .map(|line| line.trim_start_matches('/').strip_prefix(' ').unwrap_or("").to_owned())
        .collect();
    // The tag is there for `struct td_x;`; the typedef is the name to use.
    let typedefs = |line: &&str| line.replace("struct td_", "td_").replace("typedef td_", "typedef struct td_");
    let code: Vec<String> = lines[comments..].iter().map(typedefs).collect();
    let class = match code.first()?.as_str() {
        first if first.starts_with("#define TIDINGS_H") => return None,
        first if first.starts_with("#define") => Class::Constant,
        _ if block.contains("#define TD_") => Class::Constant,
        first if first.starts_with('#') || first.starts_with('}') => return None,
        first if first.starts_with("typedef") => Class::Type,
        _ => Class::Function,
    };
    let after = comment.first().and_then(|line| line.strip_prefix("after ")).map(str::to_owned);
    if after.is_some() {
        comment.remove(0);
    }
    let mut group = Vec::new();
    if class != Class::Function {
        if let Some(at) = comment.iter().rposition(String::is_empty) {
            group = comment.drain(..=at).collect();
            group.pop();
        }
    }
    Some(Item { class, name: name_of(class, &code), after, group, comment, code })
}

/// Where the sources declare `name`: index of the section, offset in its file.
fn place(sources: &[String], name: &str) -> (usize, usize) {
    let declares = [
        format!("pub const {name}:"),
        format!("pub struct {name} {{"),
        format!("pub type {name} ="),
        format!("extern \"C\" fn {name}("),
    ];
    let found = sources.iter().enumerate().find_map(|(section, source)| {
        declares.iter().find_map(|text| source.find(text.as_str())).map(|offset| (section, offset))
    });
    found.unwrap_or_else(|| panic!("{name} is in the header and not in src/ffi"))
}

/// The items in the order of the header.
fn ordered(items: Vec<Item>, sources: &[String]) -> Vec<Item> {
    let (macros, mut items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.after.is_some());
    items.sort_by_key(|item| (item.class, place(sources, &item.name)));
    for item in macros {
        let before = item.after.clone().expect("a macro says where it stands");
        let at = items.iter().position(|other| other.name == before);
        let at = at.unwrap_or_else(|| panic!("cbindgen.toml puts {} after {before}, which does not exist", item.name));
        let class = items[at].class;
        items.insert(at + 1, Item { class, ..item });
    }
    items
}

// ---- from items to the header -----------------------------------------------------------------------------------

/// A fragment goes to the end of its line, a sentence above.
fn is_fragment(comment: &[String]) -> bool {
    comment.len() == 1 && (!comment[0].ends_with('.') || comment[0].ends_with("..."))
}

fn block_comment(indent: &str, lines: &[String]) -> Vec<String> {
    let count = lines.len();
    let line = |(at, line): (usize, &String)| {
        let open = if at == 0 {
            "/* "
        } else if line.is_empty() {
            " *"
        } else {
            " * "
        };
        let close = if at + 1 == count { " */" } else { "" };
        format!("{indent}{open}{line}{close}")
    };
    lines.iter().enumerate().map(line).collect()
}

/// Puts the comments of `(code, comment)` lines in one column; a line too long for that has its comment above.
fn aligned(lines: &[(String, Option<String>)]) -> Vec<String> {
    let column =
        lines.iter().filter(|(_, comment)| comment.is_some()).map(|(code, _)| code.len()).max().unwrap_or(0) + 2;
    let mut out = Vec::new();
    for (code, comment) in lines {
        let Some(comment) = comment else {
            out.push(code.clone());
            continue;
        };
        let line = format!("{code:column$}/* {comment} */");
        if line.len() <= WIDTH {
            out.push(line);
        } else {
            let indent = &code[..code.len() - code.trim_start().len()];
            out.extend([format!("{indent}/* {comment} */"), code.clone()]);
        }
    }
    out
}

/// A declaration with the comments inside it set in C's style.
fn body(code: &[String]) -> Vec<String> {
    if let [open, field, close] = code {
        if open.ends_with('{') && close.starts_with('}') && !field.trim().starts_with("//") {
            return vec![format!("{open} {} {close}", field.trim())];
        }
    }
    let (mut out, mut run, mut comment) = (Vec::new(), Vec::new(), Vec::new());
    for line in code {
        if let Some(text) = line.trim_start().strip_prefix("//") {
            comment.push(text.trim().to_owned());
        } else if comment.is_empty() || is_fragment(&comment) {
            run.push((line.clone(), comment.pop()));
        } else {
            // The comment above does not break the column of those around it.
            run.extend(block_comment("  ", &comment).into_iter().map(|line| (line, None)));
            run.push((line.clone(), None));
            comment.clear();
        }
    }
    out.extend(aligned(&run));
    out
}

/// A function on one line, or its parameters filled up to the width and indented under the first.
fn prototype(code: &str) -> Vec<String> {
    let (open, parameters) = code.split_once('(').expect("a function");
    let indent = " ".repeat(open.len() + 1);
    let mut lines = vec![format!("{open}(")];
    for (at, parameter) in parameters.split_inclusive(", ").enumerate() {
        let last = lines.last_mut().expect("begun above");
        if at > 0 && last.len() + parameter.trim_end().len() > WIDTH {
            last.truncate(last.trim_end().len());
            lines.push(format!("{indent}{parameter}"));
        } else {
            last.push_str(parameter);
        }
    }
    lines
}

fn heading(text: &str) -> String {
    let dashes = "-".repeat(WIDTH - text.len() - 8);
    format!("\n/* {dashes} {text} */")
}

/// Items of one line with fragments for comments, one under the other; the others with a line between.
fn set(items: &[&Item]) -> Vec<String> {
    let (mut out, mut run) = (Vec::new(), Vec::<(String, Option<String>)>::new());
    for item in items {
        let is_prototype = item.class == Class::Function && item.after.is_none();
        let code = if is_prototype { prototype(&item.code.join(" ")) } else { body(&item.code) };
        let fits_a_run =
            code.len() == 1 && (is_fragment(&item.comment) || (item.comment.is_empty() && item.after.is_some()));
        let follows = fits_a_run && item.group.is_empty() && !run.is_empty();
        if !follows {
            out.extend(aligned(&std::mem::take(&mut run)));
            let attached = item.comment.is_empty() && item.group.is_empty() && item.after.is_some();
            if !attached {
                out.push(String::new());
            }
        }
        out.extend(block_comment("", &item.group));
        if fits_a_run {
            run.push((code[0].clone(), item.comment.first().cloned()));
        } else {
            out.extend(block_comment("", &item.comment));
            out.extend(code);
        }
    }
    out.extend(aligned(&run));
    out
}

fn header() -> String {
    let config = cbindgen::Config::from_file(path("cbindgen.toml")).expect("cbindgen.toml can be read");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for (section, _) in SECTIONS {
        builder = builder.with_src(path(&section_file(section)));
    }
    let mut raw = Vec::new();
    builder.generate().expect("cbindgen understands src/ffi").write(&mut raw);
    let raw = String::from_utf8(raw).expect("UTF-8");
    let sources: Vec<String> = SECTIONS.iter().map(|(section, _)| read(&section_file(section))).collect();
    let (prelude, rest) = raw.split_once("\n#ifndef TIDINGS_H").expect("an include guard");
    let items = ordered(rest.split("\n\n").filter_map(|block| item(block.trim_matches('\n'))).collect(), &sources);
    let of = |class: Class| items.iter().filter(|item| item.class == class).collect::<Vec<_>>();

    let mut out = vec![prelude.trim_end().to_owned()];
    out.extend(
        ["#ifndef TIDINGS_H", "#define TIDINGS_H", "", "#include <stddef.h>", "#include <stdint.h>", ""]
            .map(String::from),
    );
    out.extend(["#ifdef __cplusplus", "extern \"C\" {", "#endif"].map(String::from));
    out.push(heading("constants"));
    out.extend(set(&of(Class::Constant)));
    out.push(heading("types"));
    out.extend(set(&of(Class::Type)));
    for (section, (_, title)) in SECTIONS.iter().enumerate() {
        let functions: Vec<&Item> = of(Class::Function)
            .into_iter()
            .filter(|item| place(&sources, item.after.as_ref().unwrap_or(&item.name)).0 == section)
            .collect();
        if !functions.is_empty() {
            out.push(heading(&format!("functions: {title}")));
            out.extend(set(&functions));
        }
    }
    out.extend(
        ["", "#ifdef __cplusplus", "} /* extern \"C\" */", "#endif", "", "#endif /* TIDINGS_H */", ""]
            .map(String::from),
    );
    out.join("\n")
}

// ---- tests ------------------------------------------------------------------------------------------------------

#[test]
fn the_committed_header_is_the_generated_one() {
    let header = header();
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path("include/tidings.h"), &header).expect("include/tidings.h can be written");
        return;
    }
    let committed = read("include/tidings.h");
    if let Some(at) = (0..).zip(committed.lines().zip(header.lines())).find(|(_, (a, b))| a != b).map(|(at, _)| at) {
        let (a, b) = (committed.lines().nth(at).unwrap(), header.lines().nth(at).unwrap());
        panic!(
            "include/tidings.h:{} is not what src/ffi makes (UPDATE=1 rewrites it)\n  committed: {a}\n  generated: {b}",
            at + 1
        );
    }
    assert_eq!(committed, header, "one of the two goes on where the other ends (UPDATE=1 rewrites it)");
}

#[test]
fn no_line_is_too_long_and_none_ends_in_a_blank() {
    for (at, line) in header().lines().enumerate() {
        assert!(line.len() <= WIDTH, "line {} has {} columns: {line}", at + 1, line.len());
        assert_eq!(line, line.trim_end(), "line {}", at + 1);
    }
}

/// Each function's comment says what it does and then has the fixed lines, in their order.
#[test]
fn every_function_has_its_fixed_lines() {
    let fixed = ["Returns:", "Threads:", "Blocks:", "Owns:", "Since:"];
    let header = header();
    let functions = header.split("\n\n").filter(|block| block.contains("Since:") || block.contains(" td_"));
    let mut seen = 0;
    for block in functions
        .filter(|block| block.trim_end().ends_with(");") && !block.contains("typedef") && !block.contains("#define"))
    {
        // The blank line between what and Returns is ` *`, so that a block is a whole function.
        let found: Vec<&str> = block
            .lines()
            .filter_map(|line| fixed.iter().find(|word| line.starts_with(&format!(" * {word}"))))
            .copied()
            .collect();
        assert_eq!(found, fixed, "in\n{block}");
        assert!(block.trim_start().starts_with("/* "), "no description in\n{block}");
        seen += 1;
    }
    let declared =
        SECTIONS.iter().map(|(section, _)| read(&section_file(section)).matches("#[no_mangle]").count()).sum::<usize>();
    assert_eq!(seen, declared, "every exported function is in the header");
}
