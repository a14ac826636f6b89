#!/usr/bin/env python3
"""The C reference, made from the headers as they are.

    scripts/reference.py man FOLDER      a page for each function of tidings.h, and tidings.3 with the list of them
    scripts/reference.py doxygen FILE    the header with its comments as Doxygen wants them; the filter of docs/Doxyfile

A comment of the headers is text, then lines `Returns:`, `Threads:`, `Blocks:`, `Owns:`, `Since:`. Text that is indented is a table or
a program, and stays as it is."""
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FIELDS = {"Returns": "RETURN VALUE", "Threads": "THREADS", "Blocks": "BLOCKING", "Owns": "OWNERSHIP", "Since": "HISTORY"}


class Comment(NamedTuple):
    text: list  # paragraphs, each a list of lines; of a preformatted one each line begins with spaces
    fields: dict  # field to its text


class Function(NamedTuple):
    name: str
    section: str
    prototype: list
    comment: Comment


def comment_of(lines):
    """From the lines of a comment, with its signs."""
    bare = [re.sub(r"^/\* ?|^ \* ?", "", re.sub(r" ?\*/$", "", line)) for line in lines]
    paragraphs, fields, field = [[]], {}, None
    for line in bare:
        found = re.match(rf"({'|'.join(FIELDS)}): ?(.*)", line)
        if found:
            field = found[1]
            fields[field] = found[2]
        elif field:
            fields[field] += " " + line.strip()
        elif not line.strip():
            paragraphs.append([])
        else:
            if paragraphs[-1] and paragraphs[-1][-1].startswith(" ") != line.startswith(" "):
                paragraphs.append([])
            paragraphs[-1].append(line)
    return Comment([paragraph for paragraph in paragraphs if paragraph], {name: text.strip() for name, text in fields.items()})


def blocks(text):
    """The header as (kind, lines): "comment" for what stands at the beginning of a line, "code" for a line of all else."""
    comment = []
    for line in text.splitlines():
        if comment or line.startswith("/*"):
            comment.append(line)
            if line.rstrip().endswith("*/"):
                yield "comment", comment
                comment = []
        else:
            yield "code", [line]


def functions(text):
    found, section, comment, prototype = [], "", None, []
    for kind, lines in blocks(text):
        if kind == "comment":
            title = re.match(r"/\* -{10,} functions: (.*) \*/", lines[0])
            section, comment = (title[1], None) if title else (section, comment_of(lines))
            continue
        line = lines[0]
        if prototype or (section and re.match(r"(?!typedef)[a-z].*\btd_\w+\(", line)):
            prototype.append(line)
            if line.endswith(";"):
                name = re.search(r"(td_\w+)\(", prototype[0])[1]
                found.append(Function(name, section, prototype, comment))
                prototype = []
    return found


# ---- man pages --------------------------------------------------------------------------------------------------

def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def roff_paragraphs(comment):
    for paragraph in comment.text:
        if paragraph[0].startswith(" "):
            yield from (".PP", ".RS", ".nf", *(roff(line) for line in paragraph), ".fi", ".RE")
        else:
            yield from (".PP", *(roff(line) for line in paragraph))


def head(name, version):
    return [f'.TH {name} 3 "" "tidings {version}" "tidings"', ".SH NAME"]


def page_of(function, neighbours, version):
    first = " ".join(line for line in function.comment.text[0])
    summary = re.split(r"[.:;](?: |$)", first)[0]
    lines = [*head(function.name, version), f"{function.name} \\- {roff(summary)}", ".SH SYNOPSIS", ".nf", ".B #include <tidings.h>", ".PP"]
    lines += [roff(line) for line in function.prototype] + [".fi", ".SH DESCRIPTION", *roff_paragraphs(function.comment)]
    for field, title in FIELDS.items():
        if field in function.comment.fields:
            said = function.comment.fields[field]
            lines += [f".SH {title}", roff(f"Since version {said}." if field == "Since" else said[0].upper() + said[1:])]
    lines += [".SH SEE ALSO", ",\n".join(f".BR {name} (3)" for name in ["tidings", *neighbours]).replace(",\n", " ,\n")]
    return lines


def overview(all_functions, text, version):
    """The comment that the header begins with, and every function in its section."""
    about = comment_of(next(blocks(text))[1])
    title = about.text[0][0].split(" - ", 1)[1].rstrip(".")
    lines = [*head("tidings", version), f"tidings \\- {roff(title)}", ".SH SYNOPSIS", ".nf", ".B #include <tidings.h>", ".PP",
             "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs tidings)", ".fi", ".SH DESCRIPTION"]
    lines += roff_paragraphs(Comment(about.text[2:], {}))
    for section in dict.fromkeys(function.section for function in all_functions):
        lines.append(f".SS {section[0].upper()}{roff(section[1:])}")
        names = [function.name for function in all_functions if function.section == section]
        lines += [f".BR {name} (3){',' if name != names[-1] else ''}" for name in names]
    return lines + [".SH FILES", ".I tidings.h", "explains the constants, the types and their fields."]


def write_man_pages(folder):
    text = (ROOT / "include/tidings.h").read_text()
    version = ".".join(re.search(rf"#define TD_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "PATCH"))
    found = functions(text)
    folder.mkdir(parents=True, exist_ok=True)
    for function in found:
        neighbours = [other.name for other in found if other.section == function.section and other is not function]
        (folder / f"{function.name}.3").write_text("\n".join(page_of(function, neighbours, version)) + "\n")
    (folder / "tidings.3").write_text("\n".join(overview(found, text, version)) + "\n")
    print(f"{len(found) + 1} man pages")


# ---- Doxygen ----------------------------------------------------------------------------------------------------

def escaped(text):
    return re.sub(r"([\\@&$#<>%\"]|--)", r"\\\1", text)


def for_doxygen(comment):
    """The lines of a comment, without its signs."""
    for paragraph in comment.text:
        if paragraph[0].startswith(" "):
            yield from ("@verbatim", *paragraph, "@endverbatim")
        else:
            yield from map(escaped, paragraph)
            yield ""
    for field, said in comment.fields.items():
        if (field, said) == ("Returns", "nothing."):
            continue
        yield f"@return {escaped(said)}" if field == "Returns" else f"@par {field}\n{escaped(said)}\n"


def is_group(following):
    """Whether a comment is for a group: what comes first has a comment of its own at the end of its line."""
    return following is not None and following.rstrip().endswith("*/")


def doxygen(text):
    parts = list(blocks(text))
    out, first, in_group = [], True, False
    for number, (kind, lines) in enumerate(parts):
        following = parts[number + 1][1][0] if number + 1 < len(parts) else None
        if kind == "comment":
            if re.match(r"/\* -+", lines[0]):
                continue
            body = [line.replace("*/", "*\\/") for line in for_doxygen(comment_of(lines))]
            if first:
                body.insert(0, "@file")
            elif is_group(following):
                title, _, rest = " ".join(body).partition(". ")
                body, in_group = [f"@name {title.strip().rstrip('.')}", rest.strip(), "@{"], True
            first = False
            out += ["/**", *body, "*/"]
            continue
        line = lines[0]
        if in_group and not line.strip():
            out.append("/** @} */")
            in_group = False
        if not line.startswith(("#endif", "}")):
            line = re.sub(r"/\* (.*?) \*/$", lambda found: f"/**< {escaped(found[1])} */", line)
            line = re.sub(r"^(  )/\* ", r"\1/** ", line)
        out.append(line)
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("man", "doxygen"):
        sys.exit(__doc__)
    if sys.argv[1] == "man":
        write_man_pages(Path(sys.argv[2]))
    else:
        sys.stdout.write(doxygen(Path(sys.argv[2]).read_text()))
