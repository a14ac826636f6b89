#!/usr/bin/env bash
# exits.sh [TIMES]: a C program ends in each way there is, with everything live, TIMES (100) times each; the status has
# to be the one it gave, within ten seconds. Needs the staged library (make stage).
set -euo pipefail
cd "$(dirname "$0")/.."
: "${CC:=cc}" "${TIDINGS_PREFIX:=$PWD/build/prefix}"
times=${1:-100}
mkdir -p build/test-c
program=build/test-c/ways
"$CC" -std=c11 -Wall -Wextra -Werror -O1 -g tests/c/exits/ways.c -o "$program" -I "$TIDINGS_PREFIX/include" \
  -L "$TIDINGS_PREFIX/lib" -Wl,-rpath,"$TIDINGS_PREFIX/lib" -ltidings -pthread -ldl
failed=0
for way in return exit _exit quick_exit thread dlclose; do
  for _ in $(seq "$times"); do
    status=0
    timeout -s KILL 10 "$program" "$way" || status=$?
    if [ "$status" -ne 7 ]; then
      echo "FAIL  $way: status $status, expected 7"
      failed=$((failed + 1))
    fi
  done
  echo "ok    $way, $times times"
done
echo "exits: $((6 * times - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
