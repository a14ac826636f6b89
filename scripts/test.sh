#!/usr/bin/env bash
# Every test of the project, one runner after the other, each into build/test/NAME.log; `make test` calls it.
# Prints for each runner its own closing line, or the end of its log when it failed. A failure does not keep the
# others from running; the last line says whether all passed, and so does the exit status.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
: "${MAKE:=make}" "${CARGO:=cargo}" "${PYTHON:=build/venv/bin/python}" "${NODE:=node}" "${NPM:=npm}" "${CC:=cc}"
: "${TIDINGS_PREFIX:=$PWD/build/prefix}"
export MAKE CARGO PYTHON NODE NPM CC TIDINGS_PREFIX
export PYTHONDONTWRITEBYTECODE=1
logs=build/test
PATIENCE=1500 # seconds for one runner
mkdir -p "$logs"
failed=()

# The line a runner closes with; cargo closes once for each test binary, so its lines are added up.
closing_line() {
  awk '
    /^test result:/ { passed += $4; failed += $6; ignored += $8; binaries++ }
    /[^[:space:]]/ { last = $0 }
    END {
      if (binaries) printf "%d passed, %d failed, %d ignored in %d test binaries\n", passed, failed, ignored, binaries
      else print last
    }' "$1"
}

last_line() { grep -v '^[[:space:]]*$' "$1" | tail -n 1; }

# node:test closes with counts on lines of their own.
closing_lines_of_node() { grep -E '^(# |ℹ )(tests|pass|fail|skipped) ' "$1" | sed 's/^[^a-z]*//' | paste -sd ',' | sed 's/,/, /g'; }

log_of() { echo "$logs/$(tr -c '[:alnum:]\n' '-' <<<"$1").log"; }

# run NAME COMMAND...: into its log.
run() {
  local log status
  log=$(log_of "$1")
  timeout -k 10 "$PATIENCE" "${@:2}" >"$log" 2>&1 </dev/null
  status=$?
  [ "$status" -ne 124 ] || echo "no end after $PATIENCE s" >>"$log"
  return "$status"
}

# tell NAME CLOSING STATUS SECONDS: what became of it.
tell() {
  local name=$1 closing=$2 status=$3 log
  log=$(log_of "$name")
  grep -iE '^(skip|skipped):? ' "$log" | sed 's/^/   /'
  if [ "$status" -eq 0 ]; then
    printf '   %s  (%d s)\n' "$("$closing" "$log")" "$4"
  else
    failed+=("$name")
    tail -n 60 "$log" | sed 's/^/   | /'
    printf '   FAILED with status %d; all of it is in %s\n' "$status" "$log"
  fi
}

# step NAME [-c CLOSING] COMMAND...
step() {
  local name=$1 closing=closing_line begun=$SECONDS status
  shift
  if [ "$1" = -c ]; then closing=$2; shift 2; fi
  printf '== %s\n' "$name"
  run "$name" "$@"
  status=$?
  tell "$name" "$closing" "$status" $((SECONDS - begun))
}

# begin NAME COMMAND...: what keeps one core busy runs beside the next steps, until `finish NAME CLOSING`.
begin() {
  beside_begun=$SECONDS
  run "$@" &
  beside=$!
}

finish() {
  local status
  wait "$beside"
  status=$?
  printf '== %s\n' "$1"
  tell "$1" "$2" "$status" $((SECONDS - beside_begun))
}

step "cargo test" "$CARGO" test --locked --no-fail-fast
step "loom models" -c last_line scripts/loom.sh
step "simulation" -c last_line scripts/simulate.sh
step "C tests" tests/c/run.sh
step "installed library" packaging/check.sh
step "conformance in C" scripts/conformance.sh c
step "conformance in Python" scripts/conformance.sh python
step "conformance in Node" scripts/conformance.sh node
step "Python tests" "$PYTHON" -m pytest -q bindings/python/tests
step "Node tests" -c closing_lines_of_node "$NPM" --prefix bindings/node --silent test
step "Python packages" -c last_line "$PYTHON" packaging/check-python.py
step "Node packages" -c closing_lines_of_node "$NODE" --test packaging/check-node.mjs
step "embedded servers" -c last_line tests/embed/run.py
step "embedded in Python" -c last_line tests/embed/python_servers.py
step "embedded in Node" -c closing_lines_of_node "$NODE" --test tests/embed/node_servers.mjs
step "systems" -c last_line scripts/systems.sh
begin "Miri" env MIRI_SECONDS=180 scripts/miri.sh
step "exits" -c last_line tests/exits/run.py 5
step "soak" -c last_line scripts/soak.sh 60
step "fuzzing" -c last_line scripts/fuzz.sh 90
finish "Miri" last_line
step "ThreadSanitizer" -c last_line scripts/tsan.sh
step "rules" -c last_line scripts/rules.py
step "benchmark runner" "$PYTHON" -m unittest discover -s benches -p 'test_*.py'
step "instruction guard" -c last_line "$PYTHON" benches/guard/guard.py
step "references" -c last_line scripts/docs.sh
step "README and docs" "$PYTHON" scripts/readme.py

if [ ${#failed[@]} -gt 0 ]; then
  printf 'make test: FAILED: %s\n' "$(printf '%s, ' "${failed[@]}" | sed 's/, $//')"
  exit 1
fi
echo "make test: all passed"
