#!/bin/sh
# serve.sh c|python|node PORT: one data stream server in the foreground, until Ctrl-C; `make serve` calls it.
set -eu
cd "$(dirname "$0")/.."
language=$1 port=$2
case $language in
  c) set -- build/examples/data_stream ;;
  python) set -- build/venv/bin/python examples/python/data_stream.py ;;
  node) set -- "${NODE:-node}" examples/node/data_stream.mjs ;;
  *) echo "make serve: LANGUAGE=$language: there are c, python and node" >&2; exit 2 ;;
esac
echo "In another terminal: curl -N http://127.0.0.1:$port/stream    Stop with Ctrl-C."
exec "$@" --port "$port"
