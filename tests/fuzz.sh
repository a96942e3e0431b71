#!/usr/bin/env bash
# Fuzzes each target for SECONDS (60 without it), from the corpora of tests/fuzz/corpus on, and prints what was tried and found.
#   tests/fuzz.sh [SECONDS [keep]]
# keep: what a corpus has gained is put back into tests/fuzz/corpus, without what adds nothing.
# Exit status: 0 nothing was found, 1 something was, which is named, or the build failed, 2 a tool is missing.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-60} keep=${2:-}
if ! [[ $seconds =~ ^[1-9][0-9]*$ && $keep =~ ^(keep)?$ ]]; then
  echo "usage: tests/fuzz.sh [SECONDS [keep]]" >&2
  exit 2
fi
. cmake/install_packages.sh
install_packages clang || exit $?

here=build/fuzz
mkdir -p $here
if ! { cmake --preset fuzz && cmake --build --preset fuzz --parallel "$(nproc)"; } >$here/build.log 2>&1; then
  tail -n 50 $here/build.log >&2
  exit 1
fi

# fuzz NAME: one target; its findings stay where it says.
fuzz() {
  local corpus=$here/corpus/$1 findings=$here/findings/$1 log=$here/$1.log program=$here/bin/fuzz_$1 status
  mkdir -p "$corpus" "$findings" && : >"$here/$1.begun" || return 1
  [ ! -e "tests/fuzz/corpus/$1.tar.gz" ] || tar -xzf "tests/fuzz/corpus/$1.tar.gz" -C "$corpus" || return 1
  CDDREC_FUZZ_SEEDS=$corpus "$program" -max_total_time="$seconds" -max_len=8192 -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix="$findings/" "$corpus" >"$log" 2>&1
  status=$?
  echo "$1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, $(find "$corpus" -type f | wc -l) inputs," \
    "$(find "$findings" -type f -newer "$here/$1.begun" | wc -l) findings$([ $status -eq 0 ] || echo ": see $findings and $log")"
  [ $status -eq 0 ] || return 1
  [ -n "$keep" ] || return 0
  rm -rf "$corpus.kept" && mkdir "$corpus.kept" && "$program" -merge=1 -max_len=8192 "$corpus.kept" "$corpus" >>"$log" 2>&1 &&
    tar -czf "tests/fuzz/corpus/$1.tar.gz" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$corpus.kept" .
}

# As many at a time as there are processors.
export -f fuzz
export here seconds keep
printf '%s\n' checkpoint logs settings recommend | xargs -P "$(nproc)" -I {} bash -c 'fuzz {}' || exit 1
