#!/usr/bin/env bash
# Builds the benchmarks, runs all of them and the peers that are installed, and writes docs/performance.md.
# Usage: benchmarks/run.sh [--log FILE] [--own-log FILE] [--python PYTHON]… [--output FILE] [--repetitions N]
#                          [--filter REGEX, with an output of its own]
# --processors 1,2,4 with a filter: how what is named gets faster with them; see docs/scaling.md.
# With a log (a line a user), the training step is measured on it, and beside it the same step in PyTorch where Python has that;
# the library's own settings on the own log, too, if one is given.
set -e -u -o pipefail
begin=$PWD
cd "$(dirname "$0")/.."
cmake -S . -B build/benchmarks -DCMAKE_BUILD_TYPE=Release -DCDDREC_BUILD_TESTS=OFF -DCDDREC_BUILD_EXAMPLES=OFF \
  -DCDDREC_BUILD_BENCHMARKS=ON >/dev/null
cmake --build build/benchmarks --parallel "$(nproc)" >/dev/null
if [ ! -x build/benchmarks/bin/cddrec_benchmarks ]; then
  echo "$0: nothing to run; install Google Benchmark (Debian: libbenchmark-dev), nlohmann/json and zlib" >&2
  exit 2
fi
root=$PWD
cd "$begin"
exec python3 "$root/benchmarks/report.py" "$@"
