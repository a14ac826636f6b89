#!/usr/bin/env bash
# Installs what the program and its clients need (into the virtual environment of $PYTHON, and beside this file), and runs the checks.
set -euo pipefail
cd "$(dirname "$0")"
: "${PYTHON:=$PWD/../../../../build/venv/bin/python}" "${NPM:=npm}"
export PYTHONDONTWRITEBYTECODE=1
"$PYTHON" -m pip install --quiet --disable-pip-version-check -r ../requirements.txt -r requirements.txt
[ node_modules/.package-lock.json -nt package-lock.json ] || "$NPM" ci --no-audit --no-fund --loglevel=error
"$PYTHON" -m mypy --strict --disable-error-code=import-untyped --allow-subclassing-any --no-error-summary --cache-dir=/dev/null ../channels
exec "$PYTHON" -m pytest -q -p no:cacheprovider .
