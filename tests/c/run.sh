#!/usr/bin/env bash
# Builds and runs every C test, each a process of its own, and closes with "N passed, N failed, N skipped".
#
#   tests/c/run.sh [PREFIX [TEST...]]
#
# PREFIX is where the library is installed: include/tidings.h, lib/libtidings.so and lib/libtidings.a (TIDINGS_PREFIX,
# build/prefix). TEST is a name without .c; all without. Each test is compiled as C99 with gcc and clang and as C++11
# with g++ against the shared library, with every warning an error; one also against the static one; and run under
# valgrind. A tool that is not here is a skip. CHECK_DIVISOR divides how often a test repeats, CHECK_SEED replays one.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
prefix=${1:-${TIDINGS_PREFIX:-$root/build/prefix}}
shift $(($# > 0 ? 1 : 0))
out=$root/build/test-c
static_test=send_receive
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
libraries=(-pthread -ldl -lm)
passed=0 failed=0 skipped=0

header=$prefix/include/tidings.h
shared=$prefix/lib/libtidings.so
static=$prefix/lib/libtidings.a
for file in "$header" "$shared"; do
  if [ ! -e "$file" ]; then
    echo "tests/c/run.sh: no $file; name the folder that the library is installed in, or run make stage" >&2
    exit 2
  fi
done

if [ $# -gt 0 ]; then
  tests=("$@")
else
  tests=()
  for file in "$here"/*.c; do
    name=${file##*/}
    tests+=("${name%.c}")
  done
fi

have() { command -v "$1" >/dev/null 2>&1; }

skip() {
  echo "skip: $1"
  skipped=$((skipped + 1))
}

# verdict STATUS NAME LOG
verdict() {
  if [ "$1" -eq 0 ]; then
    passed=$((passed + 1))
    echo "ok    $2"
  else
    failed=$((failed + 1))
    echo "FAIL  $2 (status $1)"
    tail -n 40 "$3" | sed 's/^/      | /'
  fi
}

# run NAME LOG COMMAND...: the test's own watchdog comes first; timeout is for a process that cannot even run that.
run() {
  local name=$1 log=$2
  shift 2
  LD_LIBRARY_PATH=$prefix/lib timeout -k 10 1500 "$@" >"$log" 2>&1 </dev/null
  verdict $? "$name" "$log"
}

# build_and_run LABEL DIVISOR COMPILER FLAGS...
build_and_run() {
  local label=$1 divisor=$2 test program
  shift 2
  if ! have "$1"; then
    skip "$label: no $1 here (${#tests[@]} tests)"
    return
  fi
  mkdir -p "$out/$label"
  for test in "${tests[@]}"; do
    program=$out/$label/$test
    if ! "$@" "${warnings[@]}" -O1 -g -I"$prefix/include" -I"$here" -x "$language" "$here/$test.c" -x none \
      -o "$program" -L"$prefix/lib" -Wl,-rpath,"$prefix/lib" -ltidings "${libraries[@]}" >"$program.log" 2>&1; then
      verdict 1 "$label $test: does not compile" "$program.log"
      continue
    fi
    CHECK_DIVISOR=${CHECK_DIVISOR:-$divisor} run "$label $test" "$program.log" "$program"
  done
}

# Every public macro has to be expanded in macros.c, and every function called in some test.
check_surface() {
  local missing=() name log=$out/surface.log
  mkdir -p "$out"
  for name in $(sed -n 's/^#define \(TD_[A-Z0-9_]*\).*/\1/p' "$header" | sort -u); do
    grep -qw "$name" "$here/macros.c" || missing+=("$name is not expanded in macros.c")
  done
  # A declaration is a line of the header that names td_xxx( and is neither a comment, a macro nor a typedef.
  for name in $(grep -vE '^ *(\*|/\*|//|#|typedef)' "$header" | grep -oE '\btd_[a-z0-9_]+\(' | tr -d '(' | sort -u); do
    grep -qE "\b$name\(" "$here"/*.c "$here"/*.h || missing+=("$name is called in no test")
  done
  printf '%s\n' "${missing[@]}" >"$log"
  verdict $((${#missing[@]} > 0)) "surface: every macro and function of the header is tested" "$log"
}

[ $# -gt 0 ] || check_surface
language=c
build_and_run gcc 1 gcc -std=c99 -Wstrict-prototypes
build_and_run clang 20 clang -std=c99 -Wstrict-prototypes
language=c++
build_and_run g++ 20 g++ -std=c++11

if [ ! -e "$static" ]; then
  skip "static: no $static"
elif ! have gcc; then
  skip "static: no gcc here"
elif [ $# -eq 0 ]; then
  program=$out/static-$static_test
  if gcc -std=c99 "${warnings[@]}" -O1 -g -I"$prefix/include" -I"$here" "$here/$static_test.c" -o "$program" "$static" \
    "${libraries[@]}" >"$program.log" 2>&1; then
    run "static $static_test" "$program.log" "$program"
  else
    verdict 1 "static $static_test: does not link" "$program.log"
  fi
fi

if ! have valgrind; then
  skip "memcheck: no valgrind here (${#tests[@]} tests)"
else
  for test in "${tests[@]}"; do
    program=$out/gcc/$test
    [ -x "$program" ] || { skip "memcheck $test: it was not built by gcc"; continue; }
    # The child of a fork leaks its parent's world, as it should: what it shares with threads that are not there.
    leaks=full
    case $test in fork | recorder) leaks=no ;; esac
    # Without fair turns a thread that never waits can keep the others from running for minutes.
    CHECK_DIVISOR=1000 CHECK_PATIENCE=10 run "memcheck $test" "$program.memcheck" valgrind --quiet --fair-sched=try \
      --error-exitcode=9 --leak-check=$leaks --show-leak-kinds=definite --errors-for-leak-kinds=definite "$program"
  done
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
