#!/usr/bin/env bash
# Installs what is not installed yet and runs the checks; the last line says how many of E1 to E18 have passed, and
# what the load run has come to. With names of test files, only these.
set -euo pipefail
cd "$(dirname "$0")"
: "${NPM:=npm}" "${NODE:=node}"
CHECKS=18

[ ../node_modules/.package-lock.json -nt ../package-lock.json ] || "$NPM" ci --prefix .. --no-audit --no-fund --loglevel=error

all=(*.test.mjs)
results=$(mktemp)
trap 'rm -f "$results"' EXIT
status=0
"$NODE" --test --test-concurrency=2 --test-reporter=tap "${@:-"${all[@]}"}" >"$results" 2>&1 || status=$?
cat "$results"
named() { { grep -oE "^ *$1 [0-9]+ - E[0-9]+" "$results" || true; } | grep -oE 'E[0-9]+' | sort -u; }
passed=$(comm -23 <(named ok) <(named 'not ok') | wc -l)
replies=$(grep -oE '"repliesPerSecond":[0-9]+' "$results" | grep -oE -m 1 '[0-9]+' || echo no)
echo "$passed of $CHECKS checks in $(grep -cE '^ *ok ' "$results" || true) tests, $replies streamed replies a second"
exit "$status"
