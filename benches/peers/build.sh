#!/usr/bin/env bash
# Builds the peers of the benchmarks into folder $1 (Rust ones into target/peers); says which cannot be built here.
set -uo pipefail
cd "$(dirname "$0")/../.."
: "${CARGO:=cargo}" "${CC:=cc}" "${CXX:=c++}"
out=$1
mkdir -p "$out"

missing() { echo "make bench: without $1; \`make bench-peers\` installs what it needs"; }

# newer PROGRAM SOURCE...: is PROGRAM there, and newer than its sources?
newer() {
  local program=$1 source
  shift
  for source in "$@"; do [ "$program" -nt "$source" ] || return 1; done
}

# native NAME COMPILER LIBRARIES...: benches/peers/c/NAME.* into peers-NAME
native() {
  local name=$1 compiler=$2 source
  shift 2
  source=$(ls benches/peers/c/"$name".c* 2>/dev/null) || return 0
  newer "$out/peers-$name" "$source" && return 0
  $compiler -O2 -Ibenches/c "$source" -o "$out/peers-$name" "$@" -lpthread 2>"$out/peers-$name.log" || missing "$name"
}

"$CARGO" build --quiet --release --locked --manifest-path benches/peers/Cargo.toml --target-dir target/peers \
  || echo "make bench: the peers in Rust could not be built"
"$CARGO" build --quiet --release --locked --manifest-path benches/peers/Cargo.toml --features mimalloc \
  --target-dir target/peers-mimalloc && ln -sf "$PWD/target/peers-mimalloc/release/peers" "$out/peers-mimalloc" || missing mimalloc
# shared OUTPUT SOURCE FLAGS...: a library that a Python or Node program of peers loads
shared() {
  local output=$1 source=$2
  shift 2
  newer "$output" "$source" && return 0
  "$CC" -O2 -fPIC -shared "$source" -o "$output" "$@" -lpthread 2>"$output.log" || missing "${output##*/}"
}

native zmq "$CC" -lzmq
native zmq_fanout "$CC" -lzmq
native nng "$CC" -lnng
native caf "$CXX -std=c++17 -w" -lcaf_core
shared "$out/callback.so" benches/peers/python/callback.c
shared "$out/threadsafe.node" benches/peers/node/threadsafe.c -isystem "${NODE_HEADERS:-}"
if command -v erlc >/dev/null; then
  for source in benches/peers/erlang/*.erl; do
    [ -e "$source" ] && { newer "$out/$(basename "$source" .erl).beam" "$source" || erlc -o "$out" "$source"; }
  done
elif ls benches/peers/erlang/*.erl >/dev/null 2>&1; then
  missing Erlang
fi
exit 0
