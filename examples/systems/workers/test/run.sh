#!/usr/bin/env bash
# Installs what is not installed yet and runs the checks; the last line says how many of E1 to E18 have passed, and
# what the load run has come to. With names of test files, only these.
set -euo pipefail
cd "$(dirname "$0")"
. ../../testing.sh
: "${NPM:=npm}" "${NODE:=node}"
CHECKS=18

for folder in .. .; do
  [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] || "$NPM" ci --prefix "$folder" --no-audit --no-fund --loglevel=error
done

all=(*.test.mjs)
checks E "${@:-"${all[@]}"}"
echo "$PASSED of $CHECKS checks in $TESTS tests, $(figure repliesPerSecond) streamed replies a second"
exit "$STATUS"
