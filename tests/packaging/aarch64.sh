#!/usr/bin/env bash
# The tests of some floors, built for 64-bit ARM by the cross-compiler at hand and run by QEMU: aarch64.sh EIGEN_INCLUDE SCRATCH [FLOOR…]
# core and kernel without a FLOOR; any of core to train will do, those above need libraries for ARM.
# Exit status: 0 they pass, 1 they do not, 77 a tool is missing (Debian: g++-aarch64-linux-gnu qemu-user; Catch2 in version 2, a header).
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
eigen=$1 scratch=$2
shift 2
[ $# -gt 0 ] || set -- core kernel
compiler=aarch64-linux-gnu-g++
for tool in $compiler qemu-aarch64; do
  command -v "$tool" >/dev/null || { echo "skipped: $tool is not here" && exit 77; }
done
# A folder of headers alone: those of this machine beside it are none of ARM's.
catch=$(echo '#include <catch2/catch.hpp>' | "${CXX:-c++}" -x c++ -M - 2>/dev/null | grep -o '/[^ ]*/catch2/catch.hpp') ||
  { echo "skipped: Catch2 in version 2 is not here" && exit 77; }
mkdir -p "$scratch/include" && ln -sfn "$(dirname "$catch")" "$scratch/include/catch2" || exit 1

export compiler scratch eigen
build() { # FILE: its object
  "$compiler" -std=c++20 -O1 -fopenmp -Wall -Wextra -Wconversion -I ../include -I . -isystem "$scratch/include" -isystem "$eigen" \
    -DCDDREC_SOURCE_DIR="\"$(cd .. && pwd)\"" -c "$1" -o "$scratch/$(echo "$1" | tr / _).o"
}
export -f build
rm -f "$scratch"/*.o
{
  echo main.cpp
  for floor; do printf '%s\n' "$floor"/*.cpp; done
} | xargs -P "$(nproc)" -I {} bash -c 'build {}' || exit 1
"$compiler" -static -fopenmp -o "$scratch/tests" "$scratch"/*.o 2>"$scratch/link.log" || { cat "$scratch/link.log" && exit 1; }
qemu-aarch64 "$scratch/tests"
