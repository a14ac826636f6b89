#!/usr/bin/env bash
# Installs other people's clients where they are not installed yet, and runs the checks; the last line says how many of C1 to C20 have passed, and
# what the load run has come to.
# With names of test files, only these.
set -euo pipefail
cd "$(dirname "$0")"
: "${NPM:=npm}" "${NODE:=node}" "${PYTHON:=python3}"
CHECKS=20
venv=$PWD/../../../../build/systems/remotedev-venv
command -v "$PYTHON" >/dev/null || PYTHON=python3

for folder in .. .; do
  [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] || "$NPM" ci --prefix "$folder" --no-audit --no-fund --loglevel=error
done
if [ ! "$venv/installed" -nt requirements.txt ]; then
  "$PYTHON" -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
  touch "$venv/installed"
fi

all=(*.test.mjs)
results=$(mktemp)
trap 'rm -f "$results"' EXIT
status=0
REMOTEDEV_PYTHON=$venv/bin/python "$NODE" --test --test-concurrency=2 --test-reporter=tap "${@:-"${all[@]}"}" >"$results" 2>&1 || status=$?
cat "$results"
named() { { grep -oE "^ *$1 [0-9]+ - C[0-9]+" "$results" || true; } | grep -oE 'C[0-9]+' | sort -u; }
passed=$(comm -23 <(named ok) <(named 'not ok') | wc -l)
deliveries=$(grep -oE '"deliveriesPerSecond":[0-9]+' "$results" | grep -oE '[0-9]+' || echo no)
echo "$passed of $CHECKS checks in $(grep -cE '^ *ok ' "$results" || true) tests, $deliveries deliveries a second to a thousand subscribers"
exit "$status"
