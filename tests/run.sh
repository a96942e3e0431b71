#!/usr/bin/env bash
# Builds the tests, installing what is missing first, and runs all of them; the last line counts them.
# Exit status: 0 all passed, 1 some failed, 2 something must be installed by hand.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
. cmake/install_packages.sh
install_packages tests || exit $?

passed=0 failed=0
scratch=$(mktemp -d)
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
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ]
  exit
}

scripts_parse() {
  local script
  for script in .ci/run examples/*.sh examples/*/*.sh tests/*.sh cmake/*.sh; do
    bash -n "$script" || return 1
  done
}

# A project elsewhere finds the installed library and builds the README's program, without our compiler flags.
installed_package_works() {
  cmake --install build/dev --prefix "$scratch/prefix" &&
    mkdir "$scratch/consumer" && cp examples/minimal.cpp "$scratch/consumer" &&
    cat >"$scratch/consumer/CMakeLists.txt" <<'PROJECT' &&
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(cddrec 0.1 REQUIRED)
add_executable(minimal minimal.cpp)
target_link_libraries(minimal PRIVATE cddrec::cddrec cddrec::io)
PROJECT
    cmake -S "$scratch/consumer" -B "$scratch/consumer/build" -DCMAKE_PREFIX_PATH="$scratch/prefix" &&
    cmake --build "$scratch/consumer/build"
}

jobs=$(nproc)
step "the shell scripts parse" scripts_parse
# A newer compiler may warn of more than ours: that is an error only where it is asked for, as .ci/run does.
step "configure" cmake --preset dev -DCDDREC_WERROR="${CDDREC_WERROR:-OFF}" || finish
step "build" cmake --build --preset dev --parallel "$jobs" || finish
step "every header compiles alone" cmake --build --preset dev --target all_verify_interface_header_sets --parallel "$jobs"
step "an installed package builds the README's program" installed_package_works

ctest --preset dev | tee "$scratch/ctest"
status=$?
total=$(sed -n 's/.*tests failed out of \([0-9]*\).*/\1/p' "$scratch/ctest")
bad=$(sed -n 's/.* \([0-9]*\) tests failed out of.*/\1/p' "$scratch/ctest")
if [ -z "$total" ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
  total=1 bad=1 # no summary: ctest itself did not work
fi
passed=$((passed + total - bad)) failed=$((failed + bad))
finish
