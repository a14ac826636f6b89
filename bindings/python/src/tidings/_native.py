"""Finds the one tidings library of this process and gives access to it.

Guarantees: a copy that is in the process already is used before any other, so that a C host and its Python
share one engine; then the one TIDINGS_LIBRARY names; then the one bundled with this package. A copy of
another ABI version is refused with an ImportError that says so.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

from . import _cffi

if TYPE_CHECKING:
    from . import _fast as _fast
else:
    # The message path is a second module in the same shared object, so that both use one table of functions.
    _spec = spec_from_file_location(
        "tidings._fast", _cffi.__file__, loader=ExtensionFileLoader("tidings._fast", _cffi.__file__)
    )
    _fast = module_from_spec(_spec)
    sys.modules["tidings._fast"] = _fast

# A free-threaded CPython has turned its GIL on by now, as these modules ask it to, unless it was told to keep it off.
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    raise ImportError("tidings needs the GIL: run this free-threaded Python without PYTHON_GIL=0 and -X gil=0")

ffi = _cffi.ffi
lib = _cffi.lib

SONAME = "libtidings.so.0"


def _find() -> str:
    in_process = _fast.load(None)
    if in_process is not None:
        return in_process
    path = os.environ.get("TIDINGS_LIBRARY") or os.path.join(os.path.dirname(__file__), SONAME)
    loaded = _fast.load(path)
    assert loaded is not None
    return loaded


#: Path of the shared library in use.
library_path = _find()
