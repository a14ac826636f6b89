#!/usr/bin/env bash
# Installs by name what the peers of the benchmarks need: C libraries and Erlang from Debian (as root), Python packages
# into the virtual environment PYTHON is of. The Rust peers come with `make bench` itself. What cannot be installed is
# said, and its rows are reported as not measured.
set -uo pipefail
: "${PYTHON:?the python of the virtual environment}"
debian=(libzmq3-dev libnng-dev libcaf-dev erlang-base erlang-tools pkg-config)
python=(pyzmq pykka matplotlib)

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  for package in "${debian[@]}"; do
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null || echo "not installed: $package"
  done
else
  echo "no apt-get as root; for all peers install: ${debian[*]}"
fi
"$PYTHON" -m pip install --quiet --disable-pip-version-check "${python[@]}" || echo "not installed: ${python[*]}"
