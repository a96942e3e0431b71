#!/usr/bin/env bash
# Builds the tests, installing what is missing first, and runs all of them; the last line counts them.
# Exit status: 0 all passed, 1 some failed, 2 something must be installed by hand.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
. cmake/install_packages.sh
install_packages tests || exit $?

passed=0 failed=0 skipped=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

# step NAME COMMAND…: one check, whose output is shown if it fails.
step() {
  local name=$1 begin=$SECONDS
  shift
  if "$@" >"$scratch/log" 2>&1; then
    passed=$((passed + 1))
    echo "passed: $name ($((SECONDS - begin)) s)"
  else
    failed=$((failed + 1))
    tail -n 100 "$scratch/log"
    echo "FAILED: $name ($((SECONDS - begin)) s)"
    return 1
  fi
}

finish() {
  [ "$skipped" -eq 0 ] || echo "$skipped skipped: a tool that they need is not here"
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}

scripts_parse() {
  local script
  for script in .ci/run examples/*.sh examples/*/*.sh benchmarks/*.sh tests/*.sh tests/*/*.sh cmake/*.sh; do
    bash -n "$script" || return 1
  done
}

jobs=$(nproc)
step "the shell scripts parse" scripts_parse
# A newer compiler may warn of more than ours: that is an error only where it is asked for, as .ci/run does.
step "configure" cmake --preset dev -DCDDREC_WERROR="${CDDREC_WERROR:-OFF}" || finish
step "build" cmake --build --preset dev --parallel "$jobs" || finish
step "every header compiles alone" cmake --build --preset dev --target all_verify_interface_header_sets --parallel "$jobs"

ctest --preset dev | tee "$scratch/ctest"
status=$?
total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$scratch/ctest")
bad=$(sed -n 's/.* \([0-9]*\) tests failed out of.*/\1/p' "$scratch/ctest")
if [ -z "$total" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
  total=1 bad=1 # no summary: ctest itself did not work
fi
skipped=$(grep -c '\*\*\*Skipped' "$scratch/ctest")
passed=$((passed + total - bad - skipped)) failed=$((failed + bad))
finish
