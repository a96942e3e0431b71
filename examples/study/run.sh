#!/usr/bin/env bash
# Compares the models on every log of a directory, and writes the page and its pictures.
#   examples/study/run.sh LOGS [SEEDS] [LOG…]      LOG: names without .txt; without one, the four of the paper
# A log of less than 5,000 items has the rows of small_log.txt, any other those of large_log.txt: all with seed 1, then the leaders with seeds
# 1 … SEEDS.
set -e -u
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || { echo "usage: $0 LOGS [SEEDS] [LOG…]; LOGS: the directory of the logs" >&2 && exit 2; }
logs=$(realpath "$1") seeds=${2:-3}
shift $(($# > 2 ? 2 : $#))
[ $# -gt 0 ] || set -- Office_Products Beauty Tools_and_Home_Improvement Toys_and_Games
[[ $seeds =~ ^[1-9][0-9]*$ ]] || { echo "$0: SEEDS is how many, not '$seeds'" >&2 && exit 2; }
for log in "$@"; do [ -r "$logs/$log.txt" ] || { echo "$0: there is no $logs/$log.txt" >&2 && exit 2; }; done
failed=0 study=examples/study
leaders='cddrec|cddrec-softmax-alone|encoder|encoder-two-layers|vae|gan|gan-policy'
. "$study/compare_all.sh"
build_command
for log in "$@"; do
  items=$(sed 's/^[[:blank:]]*[^[:blank:]]*//' "$logs/$log.txt" | tr -s '[:blank:]\r' '\n' | sed '/^$/d' | LC_ALL=C sort -u | wc -l)
  file=$study/large_log.txt
  [ "$items" -ge 5000 ] || file=$study/small_log.txt
  case $log in
    Office*) own=office ;;
    Beauty*) own=beauty ;;
    Tools*) own=tools ;;
    Toys*) own=toys ;;
    *) own=none ;;
  esac
  # Of the presets, as they are and with the authors' decoder, the one that the paper has for this log.
  row_names "$file" | awk -v own="^paper-(.*-)?$own\$" '!/^paper-(.*-)?(office|beauty|tools|toys)$/ || $1 ~ own' |
    compare_all "$study/records" build/study "$logs/$log.txt" "$file" --seeds 1 --minutes 120 --generations || failed=1
  row_names "$file" | grep -x -E "$leaders" |
    compare_all "$study/records" build/study "$logs/$log.txt" "$file" --seeds "$seeds" --minutes 120 --generations || failed=1
done
python3 "$study/report.py"
exit "$failed"
