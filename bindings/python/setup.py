"""Builds the extension from include/tidings.h and puts the shared library into the package.

The library comes from TIDINGS_LIB_DIR when that is set (a prefix's lib folder, or target/release), else from
`cargo build --release` at the root of the checkout, or in the folder `crate` of an sdist. It is copied as it is, so that its
SONAME stays. The extension does not link it: the import finds one copy per process (see native/engine.c).
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
#: Where the library's own sources are: with an sdist they come along.
CRATE = HERE / "crate" if (HERE / "crate").is_dir() else HERE.parent.parent
#: Of the crate, what `cargo build --lib` and a user of the sources need.
OF_THE_CRATE = ["Cargo.toml", "Cargo.lock", "build.rs", "README.md", "include", "src", "examples/rust", "tests/memory.rs"]
SONAME = "libtidings.so.0"
sys.path.insert(0, str(HERE))

import header  # noqa: E402


def library() -> Path:
    """The shared library to bundle, built now unless TIDINGS_LIB_DIR names a folder that has it."""
    named = os.environ.get("TIDINGS_LIB_DIR")
    if named and not os.path.isabs(named):
        raise SystemExit(f"TIDINGS_LIB_DIR={named} must be an absolute path: pip builds in another folder")
    folder = Path(named) if named else build_library()
    for name in (SONAME, "libtidings.so"):
        found = folder / name
        if found.is_file():
            if SONAME.encode() + b"\0" not in found.read_bytes():
                raise SystemExit(f"{found} has not the SONAME {SONAME}: this is not a tidings library of ABI 0")
            return found
    source = "TIDINGS_LIB_DIR" if named else "cargo build"
    raise SystemExit(f"no {SONAME} or libtidings.so in {folder} (from {source})")


def build_library() -> Path:
    if not (CRATE / "Cargo.toml").is_file():
        raise SystemExit("not in a tidings checkout: set TIDINGS_LIB_DIR to the lib folder of an installed tidings")
    try:
        subprocess.run(["cargo", "build", "--release", "--lib"], cwd=CRATE, check=True)
    except FileNotFoundError:
        raise SystemExit("cargo is not installed: install Rust, or set TIDINGS_LIB_DIR to a built library") from None
    return Path(os.environ.get("CARGO_TARGET_DIR", CRATE / "target")) / "release"


def header_path() -> Path:
    """tidings.h of the checkout, else the one installed beside the named library."""
    named = os.environ.get("TIDINGS_LIB_DIR")
    places = [CRATE / "include", *([Path(named).parent / "include"] if named else [])]
    for place in places:
        if (place / "tidings.h").is_file():
            return place / "tidings.h"
    raise SystemExit("no tidings.h in " + " or ".join(map(str, places)))


class Build(build_ext):
    """Generates the C of the extension, compiles it, then adds the library to the package."""

    def build_extension(self, extension: Extension) -> None:
        import cffi

        declared = header.parse(str(header_path()))
        generated = Path(self.build_temp) / "generated"
        generated.mkdir(parents=True, exist_ok=True)
        (generated / "tdpy_table.h").write_text(header.table(declared))
        ffi = cffi.FFI()
        ffi.cdef(header.cdef(declared))
        ffi.set_source(extension.name, '#include "tdpy_table.h"')
        ffi.emit_c_code(str(generated / "_cffi.c"))
        extension.sources = [str(generated / "_cffi.c"), *extension.sources]
        extension.include_dirs += [str(generated), str(header_path().parent)]
        super().build_extension(extension)
        package = Path(self.get_ext_fullpath(extension.name)).parent
        shutil.copyfile(library(), package / SONAME)


class SourceDistribution(sdist):
    """The package's own sources, and those of the library."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        base = Path(base_dir)
        for name in OF_THE_CRATE:
            source, target = CRATE / name, base / "crate" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if source.is_dir() else shutil.copyfile
            copy(source, target)
        for license in CRATE.glob("LICENSE-*"):
            shutil.copyfile(license, base / license.name)
            shutil.copyfile(license, base / "crate" / license.name)


# A fresh build folder each time: files of an earlier build never get into a package.
BUILD = tempfile.mkdtemp(prefix="tidings-build-")
atexit.register(shutil.rmtree, BUILD, ignore_errors=True)

setup(
    options={"build": {"build_base": BUILD}},
    cmdclass={"build_ext": Build, "sdist": SourceDistribution},
    ext_modules=[
        Extension(
            "tidings._cffi",
            sources=sorted(os.path.relpath(path, HERE) for path in (HERE / "native").glob("*.c")),
            include_dirs=["native"],
            extra_compile_args=["-std=gnu11", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"],
            define_macros=[("_CFFI_NO_LIMITED_API", None)],
        )
    ],
)
