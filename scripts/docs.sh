#!/usr/bin/env bash
# The references of C, Python and Rust, into build/docs: man/man3 and c/ (HTML, where there is Doxygen) from the headers,
# python/ from the docstrings of the package that PYTHON has, rust/ from the crate. A warning is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${PYTHON:=python3}" "${CARGO:=cargo}" "${DOXYGEN:=doxygen}"
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
export VERSION
rm -rf build/docs/{man,c,python,rust}
mkdir -p build/docs
made=()

pages=$("$PYTHON" scripts/reference.py man build/docs/man/man3)
made+=("$pages")
if command -v groff >/dev/null; then
  for page in build/docs/man/man3/*.3; do groff -man -Tutf8 -ww -z "$page"; done 2>build/docs/groff.log
  [ ! -s build/docs/groff.log ] || { cat build/docs/groff.log >&2; exit 1; }
  rm build/docs/groff.log
else
  echo "skip: no groff, which looks for mistakes in the man pages"
fi

if command -v "$DOXYGEN" >/dev/null; then
  "$DOXYGEN" docs/Doxyfile
  made+=("the C reference")
else
  echo "skip: no doxygen, which makes the C reference"
fi

if "$PYTHON" -c 'import pdoc, tidings' 2>/dev/null; then
  # pdoc does not know where the annotations of a NamedTuple come from, and shows them as they are written.
  "$PYTHON" -W error -W "ignore:Error parsing type annotation ForwardRef" -m pdoc --output-directory build/docs/python tidings
  made+=("the Python reference")
else
  echo "skip: no pdoc beside the package tidings in $PYTHON, which makes the Python reference"
fi

RUSTDOCFLAGS="-D warnings" "$CARGO" doc --quiet --locked --lib --no-deps
cp -r target/doc build/docs/rust
made+=("the Rust reference")
echo "build/docs: $(printf '%s, ' "${made[@]}")without warnings"
