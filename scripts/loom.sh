#!/usr/bin/env bash
# loom.sh [MODULE]: the loom models of src/models, or of one of its modules: every interleaving of their threads
# within LOOM_MAX_PREEMPTIONS. Fails when a model does, and when fewer run than there have to be.
set -euo pipefail
cd "$(dirname "$0")/.."
fewest=120
[ $# -eq 0 ] || fewest=1
log=build/loom.log
mkdir -p build
RUSTFLAGS='--cfg loom' LOOM_MAX_PREEMPTIONS=${LOOM_MAX_PREEMPTIONS:-2} \
  "${CARGO:-cargo}" test --release --lib --locked --target-dir target/loom "models::${1:-}" 2>&1 | tee "$log"
ran=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$log")
if [ "${ran:-0}" -lt "$fewest" ]; then
  echo "loom: ${ran:-0} models ran; there have to be at least $fewest"
  exit 1
fi
echo "loom: $ran models hold in every interleaving"
