#!/usr/bin/env bash
# Tries every line of search.txt on one log, with seed 1, on validation alone.
#   examples/study/search.sh LOG.txt [MINUTES]     MINUTES: of each trial, 5 unless said otherwise
set -e -u
log=$(realpath "${1:?the log, say Office_Products.txt}") minutes=${2:-5}
cd "$(dirname "$0")/../.."
. examples/study/compare_all.sh
build_command
trials=examples/study/search.txt
row_names "$trials" | compare_all examples/study/search build/search "$log" "$trials" --validation-only --minutes "$minutes"
