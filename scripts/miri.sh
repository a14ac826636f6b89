#!/usr/bin/env bash
# miri.sh [FILTER]: the unit tests under Miri, which finds what is undefined behaviour. What repeats a race or a random
# case many times does so a few times here; what Miri has no system calls for says so where it is (`cfg(miri)`). Needs a
# nightly toolchain with miri: that of build/rustup if it is there (see .ci/run), else the ordinary one.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CARGO:=cargo}"
skip() { echo "skip: Miri: $1"; exit 0; }
if [ -d build/rustup ]; then export RUSTUP_HOME=$PWD/build/rustup; fi
"$CARGO" +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain (rustup toolchain install nightly)"
"$CARGO" +nightly miri --version >/dev/null 2>&1 ||
  skip "the nightly toolchain has no miri (rustup component add miri rust-src --toolchain nightly)"
log=build/miri.log
mkdir -p build
MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation}" PROPTEST_CASES=4 \
  "$CARGO" +nightly miri test --locked --lib --target-dir target/miri -- "$@" 2>&1 | tee "$log"
echo "miri: $(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log") unit tests without undefined behaviour"
