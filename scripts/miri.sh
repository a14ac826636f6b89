#!/usr/bin/env bash
# miri.sh [FILTER]: the unit tests under Miri, which finds what is undefined behaviour, in an order that is new each time.
# What repeats a race or a random case many times does so a few times here; what Miri has no system calls for says so
# where it is (`cfg(miri)`). MIRI_SECONDS: no longer than that, and without the tests of races, of random cases and of the
# whole engine (`ffi`, `api`), which
# take minutes each. Needs a nightly toolchain with miri: that of build/rustup if it is there (see .ci/run), else the
# ordinary one.
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
# The engine's threads and tables live as long as the process, by design.
export MIRIFLAGS="${MIRIFLAGS:--Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-permissive-provenance}" PROPTEST_CASES=4
miri=("$CARGO" +nightly miri test --locked --lib --target-dir target/miri --)
[ -z "${MIRI_SECONDS:-}" ] || set -- "$@" --skip stress --skip model --skip agrees --skip random --skip ffi:: --skip api::
all=$("${miri[@]}" "$@" --list | grep -c ': test$')
status=0
timeout "${MIRI_SECONDS:-36000}" "${miri[@]}" -Z unstable-options --shuffle "$@" 2>&1 | tee "$log" || status=$?
[ "$status" -eq 0 ] || [ "$status" -eq 124 ] || exit "$status"
within=
[ "$status" -eq 0 ] || within=" within ${MIRI_SECONDS} s"
echo "miri: $(grep -c '^test .* \.\.\. ok' "$log") of $all unit tests$within, all without undefined behaviour"
