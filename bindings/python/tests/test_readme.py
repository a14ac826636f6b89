"""The programs of the README run as printed, and print what the block after each says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from conftest import HERE


def test_the_programs_print_what_the_page_says(tmp_path: Path) -> None:
    page = (HERE.parent / "README.md").read_text()
    programs = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", page, flags=re.S)
    assert len(programs) == page.count("```python") == page.count("```text") >= 2
    app = tmp_path / "app.py"
    for program, output in programs:
        app.write_text(program if "import tidings" in program else "import tidings\n" + program)
        done = subprocess.run([sys.executable, str(app)], capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr, done.returncode) == (output, "", 0)
