#!/usr/bin/env bash
# conformance.sh c|python|node [ID...]: the scenarios of tests/conformance in one language; `make test` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CC:=cc}" "${PYTHON:=build/venv/bin/python}" "${NODE:=node}" "${TIDINGS_PREFIX:=$PWD/build/prefix}"
language=${1:-}
shift || true
case $language in
  c)
    mkdir -p build/conformance
    "$CC" -std=c99 -Wall -Wextra -Wpedantic -Werror -O2 -g tests/conformance/runner.c -o build/conformance/runner \
      -I "$TIDINGS_PREFIX/include" -L "$TIDINGS_PREFIX/lib" -Wl,-rpath,"$TIDINGS_PREFIX/lib" -ltidings -lpthread
    exec build/conformance/runner "$@"
    ;;
  python) exec "$PYTHON" tests/conformance/runner.py "$@" ;;
  node) exec "$NODE" tests/conformance/runner.mjs "$@" ;;
  *) echo "$0: $language: there are c, python and node" >&2; exit 2 ;;
esac
