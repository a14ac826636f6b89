# For the test/run.sh of a system in Node: sourced.
#   checks LETTER FILE...   runs these test files and prints what they print; then PASSED is how many checks of this
#                           letter have passed, TESTS how many tests, RESULTS the file of what was printed, and STATUS
#                           the exit status
checks() {
  local letter=$1
  RESULTS=$(mktemp)
  trap 'rm -f "$RESULTS"' EXIT
  STATUS=0
  "$NODE" --test --test-timeout=180000 --test-concurrency=2 --test-reporter=tap "${@:2}" >"$RESULTS" 2>&1 || STATUS=$?
  cat "$RESULTS"
  PASSED=$(comm -23 <(named ok "$letter") <(named 'not ok' "$letter") | wc -l)
  TESTS=$(grep -cE '^ *ok ' "$RESULTS" || true)
}

# The checks of this outcome.
named() {
  { grep -oE "^ *$1 [0-9]+ - $2[0-9]+" "$RESULTS" || true; } | grep -oE "$2[0-9]+" | sort -u
}

# The first figure of this name that a load run has printed.
figure() {
  grep -oE "\"$1\":[0-9]+" "$RESULTS" | grep -oE -m 1 '[0-9]+' || echo no
}
