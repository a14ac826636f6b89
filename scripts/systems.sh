#!/usr/bin/env bash
# The checks of the systems in examples/systems, each by its own test/run.sh, into build/test/system-NAME.log; `make systems` calls it. Prints a
# line for each, or the end of its log when it failed. With names, only these.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
PATIENCE=900 # seconds for one system
logs=build/test
mkdir -p "$logs"
failed=()
passed=()

[ $# -gt 0 ] || set -- $(cd examples/systems && ls -d */ | tr -d /)
for name in "$@"; do
  log=$logs/system-$name.log
  begun=$SECONDS
  if timeout -k 10 "$PATIENCE" "examples/systems/$name/test/run.sh" >"$log" 2>&1 </dev/null; then
    passed+=("$name: $(tail -n 1 "$log")")
    printf '%s (%d s)\n' "${passed[-1]}" $((SECONDS - begun))
  else
    failed+=("$name")
    tail -n 60 "$log" | sed 's/^/   | /'
    printf '%s: FAILED; all of it is in %s\n' "$name" "$log"
  fi
done

[ ${#failed[@]} -eq 0 ] || { echo "systems: FAILED: ${failed[*]}"; exit 1; }
echo "systems: all passed; $(printf '%s; ' "${passed[@]}" | sed 's/; $//')"
