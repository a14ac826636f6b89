#!/usr/bin/env bash
# simulate.sh [SEED]: a million steps of the deterministic simulation (tests/simulation) with seeds that nobody has
# tried, in the release build; with SEED that one run again, telling its last steps when it fails. STEPS=n takes more.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${1:-}" ]; then export SIMULATE_SEED=$1; else export SIMULATE_FRESH=1; fi
export SIMULATE_STEPS=${STEPS:-1000000} RUST_BACKTRACE=${RUST_BACKTRACE:-0}
log=build/simulate.log
mkdir -p build
"${CARGO:-cargo}" test --release --locked --quiet --test simulation -- --nocapture 2>&1 | tee "$log" | grep -vE '^(running|\.*$|test result)' || true
grep -q '^test result: ok\. 1 passed' "$log" || { grep -a 'once more with' "$log" | tail -n 1; exit 1; }
