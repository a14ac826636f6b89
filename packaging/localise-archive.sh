#!/bin/sh
# localise-archive.sh IN.a OUT.a: a static library that defines no global symbol but td_*.
# Two Rust archives in one program collide, because each brings the standard library under the same names. Here
# everything is linked into one object first, so that all but the interface can be made local to it.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 IN.a OUT.a" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -u names what the interface needs; only the members that serve it are taken out of the archive.
${NM:-nm} -g --defined-only "$1" 2>/dev/null | awk '$3 ~ /^td_/ { print "-u", $3 }' | sort -u >"$work/wanted"
[ -s "$work/wanted" ] || { echo "$0: $1 defines no td_ symbol" >&2; exit 1; }
# shellcheck disable=SC2046  # a list of words
${LD:-ld} -r --force-group-allocation -o "$work/tidings.o" $(cat "$work/wanted") "$1"
# Bitcode that rustc left in would keep nm and its like from seeing the symbols.
${OBJCOPY:-objcopy} --wildcard --keep-global-symbol='td_*' -R .llvmbc -R .llvmcmd "$work/tidings.o"
rm -f "$2"
${AR:-ar} rcs "$2" "$work/tidings.o"
