#!/usr/bin/env python3
"""Makes of a preprocessed header, read from stdin, a C file that defines each of its functions, for tools that compare
ABIs: the debugging information of a library in Rust does not say what a caller in C passes."""
import re
import sys

text = re.sub(r"^#.*$", "", sys.stdin.read(), flags=re.MULTILINE)
PROTOTYPE = re.compile(r"(?P<head>(?:^|(?<=[;}]))\s*(?!typedef)[\w\s*]+?\btd_\w+\([^;{}]*\))\s*;")
print(PROTOTYPE.sub(r"\g<head> { __builtin_trap(); }\n", text))
