#!/usr/bin/env bash
# miri.sh [FILTER]: the unit tests under Miri, which finds what is undefined behaviour; not the stress tests and those of
# many random cases, which would take it hours, nor what it has no system calls for. Needs a nightly toolchain with miri.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CARGO:=cargo}"
skip() { echo "skip: Miri: $1"; exit 0; }
"$CARGO" +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain (rustup toolchain install nightly)"
"$CARGO" +nightly miri --version >/dev/null 2>&1 ||
  skip "the nightly toolchain has no miri (rustup component add miri rust-src --toolchain nightly)"
log=build/miri.log
mkdir -p build
leave_out=(stress plain_model agrees random every_ many fork)
MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation}" PROPTEST_CASES=2 \
  "$CARGO" +nightly miri test --locked --lib --target-dir target/miri -- ${leave_out[@]/#/--skip } "$@" 2>&1 | tee "$log"
echo "miri: $(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log") unit tests without undefined behaviour"
