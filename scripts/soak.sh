#!/usr/bin/env bash
# soak.sh [SECONDS]: churn of mailboxes with flat memory, against the staged library (tests/soak). Ten minutes if not told.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CC:=cc}" "${TIDINGS_PREFIX:=$PWD/build/prefix}"
mkdir -p build/soak
"$CC" -std=c99 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -O2 -g tests/soak/churn.c -o build/soak/churn \
  -I "$TIDINGS_PREFIX/include" -L "$TIDINGS_PREFIX/lib" -Wl,-rpath,"$TIDINGS_PREFIX/lib" -ltidings -lpthread
exec build/soak/churn "${1:-600}"
