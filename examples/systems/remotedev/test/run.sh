#!/usr/bin/env bash
# Installs other people's clients where they are not installed yet, and runs the checks; the last line says how many of C1 to C20 have passed, and
# what the load run has come to.
# With names of test files, only these.
set -euo pipefail
cd "$(dirname "$0")"
. ../../testing.sh
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

export REMOTEDEV_PYTHON=$venv/bin/python
all=(*.test.mjs)
checks C "${@:-"${all[@]}"}"
echo "$PASSED of $CHECKS checks in $TESTS tests, $(figure deliveriesPerSecond) deliveries a second to a thousand subscribers"
exit "$STATUS"
