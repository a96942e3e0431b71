#!/usr/bin/env bash
# Tries every line of search.txt on one log, with seed 1, on validation alone; as many at a time as there are processors, one thread each.
#   examples/study/search.sh LOG.txt [MINUTES]     MINUTES: of each trial, 5 unless said otherwise
# Stopped, it goes on where it was; a trial that is recorded is not made again.
set -e -u
log=$(realpath "${1:?the log, say Office_Products.txt}") minutes=${2:-5}
cd "$(dirname "$0")/../.."
study=examples/study work=build/search
. cmake/install_packages.sh
install_packages "" || exit $?
cmake --preset release >/dev/null
cmake --build --preset release --target cddrec_command --parallel "$(nproc)" >/dev/null
mkdir -p "$work/records" "$study/search"
cp -n "$study"/search/*.json "$work/records/" 2>/dev/null || true
sed 's/#.*//' "$study/search.txt" | awk 'NF { print $1 }' |
  OMP_NUM_THREADS=1 xargs -P "$(nproc)" -I {} build/release/bin/cddrec compare --data "$log" --variants "$study/search.txt" --models {} \
    --validation-only --minutes "$minutes" --threads 1 --output "$work" ||
  echo "some trials failed; their messages are above" >&2
cp "$work"/records/*.json "$study/search/"
