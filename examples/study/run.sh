#!/usr/bin/env bash
# Compares every model of models.txt on every log of a directory, and writes the page and its pictures.
#   examples/study/run.sh LOGS [SEEDS] [LOG…]      LOG: names without .txt; without one, the four of the paper
# As many models at a time as there are processors, one thread each. Stopped, it goes on where it was; a record that is there is not made
# again.
set -e -u
cd "$(dirname "$0")/../.."
logs=$(realpath "${1:?the directory of the logs}") seeds=${2:-3}
shift $(($# > 2 ? 2 : $#))
[ $# -gt 0 ] || set -- Office_Products Beauty Tools_and_Home_Improvement Toys_and_Games
study=examples/study work=build/study
. cmake/install_packages.sh
install_packages "" || exit $?
cmake --preset release >/dev/null
cmake --build --preset release --target cddrec_command --parallel "$(nproc)" >/dev/null
mkdir -p "$work/records" "$study/records"
cp -n "$study"/records/*.json "$work/records/" 2>/dev/null || true
for log in "$@"; do
  case $log in
    Office*) own=office ;;
    Beauty*) own=beauty ;;
    Tools*) own=tools ;;
    Toys*) own=toys ;;
    *) own=none ;;
  esac
  # Of the presets, the one that the paper has for this log.
  sed 's/#.*//' "$study/models.txt" | awk -v own="paper-$own" 'NF && ($1 !~ /^paper-(office|beauty|tools|toys)$/ || $1 == own) { print $1 }' |
    OMP_NUM_THREADS=1 xargs -P "$(nproc)" -I {} build/release/bin/cddrec compare --data "$logs/$log.txt" --variants "$study/models.txt" \
      --models {} --seeds "$seeds" --minutes 30 --threads 1 --generations --output "$work" ||
    echo "some models of $log failed; their messages are above" >&2
  cp "$work/records/$log"-*.json "$study/records/"
done
python3 "$study/report.py" --records "$study/records" --output docs/study.md
