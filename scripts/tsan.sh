#!/usr/bin/env bash
# tsan.sh [FILTER]: the stress tests (src/ffi/stress) under ThreadSanitizer. Needs a nightly toolchain with rust-src: the
# standard library has to be instrumented too, or its fences are taken for races. That of build/rustup is taken if it is
# there (see .ci/run), else the ordinary one.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CARGO:=cargo}"
skip() { echo "skip: ThreadSanitizer: $1"; exit 0; }
if [ -d build/rustup ]; then export RUSTUP_HOME=$PWD/build/rustup; fi
"$CARGO" +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain (rustup toolchain install nightly)"
[ -e "$(rustc +nightly --print sysroot)/lib/rustlib/src/rust/library/Cargo.lock" ] ||
  skip "the nightly toolchain has no rust-src (rustup component add rust-src --toolchain nightly)"
target=$(rustc +nightly -vV | sed -n 's/^host: //p')
log=build/tsan.log
mkdir -p build
RUSTFLAGS=-Zsanitizer=thread TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1} \
  "$CARGO" +nightly test -Zbuild-std=std,panic_unwind,test --locked --lib --target "$target" --target-dir target/tsan -- "${1:-ffi::stress}" --test-threads=1 2>&1 | tee "$log"
if grep -q 'WARNING: ThreadSanitizer' "$log"; then exit 1; fi
echo "tsan: $(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log") stress tests without a race"
