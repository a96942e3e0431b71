#!/usr/bin/env bash
# The door in use and every header, read without a warning, with and without OpenMP, by the compilers at hand: the oldest that we promise
# and the newest there is, of both kinds. compilers.sh EIGEN_INCLUDE FOLDER_OF_EVERYTHING. Exit status: 0 clean, 1 not.
set -u
cd "$(dirname "$0")" || exit 1
failed=0 seen=" " prefixes=()
IFS=: read -r -a folders <<<"${CMAKE_PREFIX_PATH:-}"
for folder in "${folders[@]}"; do
  [ ! -d "$folder/include" ] || prefixes+=(-isystem "$folder/include")
done

# newest NAME: the compiler NAME-N with the largest N, or NAME itself.
newest() { compgen -c "$1-" | grep -E -- '-[0-9]+$' | sort -V -u | tail -n 1 | grep . || echo "$1"; }

for compiler in "${CXX:-c++}" g++-12 "$(newest g++)" clang++-14 "$(newest clang++)"; do
  program=$(command -v "$compiler") || { echo "skipped: $compiler is not here" && continue; }
  itself=$("$program" --version | head -n 1 | sed 's/^[^ ]* //') # its file may be one that calls them all
  case $seen in *"|$itself|"*) continue ;; esac # by another name
  seen="$seen|$itself|"
  version=$("$compiler" --version | head -n 1)
  for openmp in "" -fopenmp; do
    if [ -n "$openmp" ] && ! "$compiler" -fopenmp -x c++ -E -include omp.h /dev/null >/dev/null 2>&1; then
      echo "skipped: $version has no OpenMP here"
      continue
    fi
    for file in consumer/consumer.cpp everything.cpp; do
      "$compiler" -std=c++20 -fsyntax-only $openmp -Wall -Wextra -Wpedantic -Wconversion -Werror \
        -I ../../include -I "$2" -isystem "$1" "${prefixes[@]}" "$file" || { echo "FAILED: $version $openmp $file" && failed=1; }
    done
    echo "read by $version ${openmp:-without OpenMP}"
  done
done
exit "$failed"
