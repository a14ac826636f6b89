"""The program of the README runs as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from conftest import HERE


def test_the_program_prints_what_the_page_says(tmp_path: Path) -> None:
    page = (HERE.parent / "README.md").read_text()
    programs = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    outputs = re.findall(r"```text\n(.*?)```", page, flags=re.S)
    assert len(programs) == len(outputs) == 1
    app = tmp_path / "app.py"
    app.write_text(programs[0])
    done = subprocess.run([sys.executable, str(app)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (outputs[0], "", 0)
