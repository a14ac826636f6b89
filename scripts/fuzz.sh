#!/usr/bin/env bash
# fuzz.sh [SECONDS]: random sequences of C-ABI calls under AddressSanitizer (tests/fuzz), from the corpus that is kept
# there; it fails when the target leaves out a function of the header. Leaks are memcheck's to find (tests/c). A failing
# input is named; `scripts/fuzz.sh FILE` runs that one again. Needs a nightly toolchain and a C++ compiler.
# `MERGE=1 scripts/fuzz.sh` adds what is new to the corpus, as few inputs as it takes.
set -uo pipefail
cd "$(dirname "$0")/.."
what=${1:-120}
: "${CARGO:=cargo}"
target=x86_64-unknown-linux-gnu
[ "$(uname -m)" = x86_64 ] || target=$(uname -m)-unknown-linux-gnu
skip() { echo "skip: fuzzing: $1"; exit 0; }
"$CARGO" +nightly --version >/dev/null 2>&1 || skip "no nightly toolchain (rustup toolchain install nightly)"
command -v "${CXX:-c++}" >/dev/null || skip "no C++ compiler, which libFuzzer is built with"

# What cargo-fuzz would set.
coverage=(-Cpasses=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  coverage+=(-Cllvm-args=-sanitizer-coverage-"$option")
done
if ! RUSTFLAGS="-Zsanitizer=address ${coverage[*]} -Ccodegen-units=1 --cfg fuzzing" "$CARGO" +nightly build --quiet --release --locked \
  --manifest-path tests/fuzz/Cargo.toml --target "$target" --target-dir target/fuzz; then
  echo "fuzz: the target does not build"
  exit 1
fi
program=target/fuzz/$target/release/abi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_odr_violation=0:detect_leaks=0}
mkdir -p build/fuzz/new build/fuzz/failures
if [ -f "$what" ]; then exec "$program" "$what"; fi
missing=
for function in $(grep -oE '^[a-z].*\btd_[a-z_]+\(' include/tidings.h | grep -oE 'td_[a-z_]+\($' | tr -d '('); do
  grep -qw "$function" tests/fuzz/abi.rs || missing+=" $function"
done
[ -z "$missing" ] || { echo "fuzz: the target does not call$missing"; exit 1; }
"$program" build/fuzz/new tests/fuzz/corpus -max_total_time="$what" -max_len=4096 -len_control=10 -timeout=20 -detect_leaks=0 -rss_limit_mb=2048 \
  -artifact_prefix=build/fuzz/failures/ -print_final_stats=1 >build/fuzz/log 2>&1
status=$?
if [ -n "${MERGE:-}" ]; then
  "$program" -set_cover_merge=1 -use_counters=0 -detect_leaks=0 tests/fuzz/corpus build/fuzz/new >>build/fuzz/log 2>&1
fi
if [ $status -ne 0 ]; then
  grep -aE 'panicked|SUMMARY|ERROR|assertion' build/fuzz/log | head -20
  grep -a 'Test unit written to' build/fuzz/log | sed 's/.*written to \(.*\)/fuzz: once more with: scripts\/fuzz.sh \1/'
  exit 1
fi
echo "fuzz: $(sed -n 's/^stat::number_of_executed_units: *//p' build/fuzz/log) inputs in $what s, nothing found"
