#!/usr/bin/env bash
# From a clean clone to recommendations: installs what is missing, builds the command, draws the built-in log, trains on it,
# evaluates and recommends. Its files go to build/quickstart. Exit status: 2 if something must be installed by hand.
set -e -u -o pipefail
cd "$(dirname "$0")/.."
. cmake/install_packages.sh
install_packages "" || exit $?

echo "building (a minute or two) …"
mkdir -p build
{ cmake --preset release && cmake --build --preset release --target cddrec_command --parallel "$(nproc)"; } >build/quickstart_build.log 2>&1 || {
  tail -n 40 build/quickstart_build.log >&2
  echo "$0: the build failed; all of its output is in build/quickstart_build.log" >&2
  exit 1
}

PATH="$PWD/build/release/bin:$PATH"
rm -rf build/quickstart
mkdir build/quickstart
cd build/quickstart

# Shows a command, then runs it.
show() {
  echo
  echo "\$ $*"
  "$@"
}

show cddrec generate --users 6000 --items 2000 --seed 1 --output log.txt
show cddrec train --data log.txt --output model --minutes 3 --seed 1
show cddrec evaluate --model model --data log.txt
history=$(sed -n '1s/^[^ ]* //p' log.txt)
echo
echo "\$ cddrec recommend --model model --history \"$history\" --top 5"
cddrec recommend --model model --history "$history" --top 5

result=$(cddrec evaluate --model model --data log.txt --json | tr -d ' \t\n')
# recall_at_10 KEY: the recall@10 of the JSON object called KEY.
recall_at_10() { printf '%s' "$result" | sed -n "s/.*\"$1\":{[^}]*\"recall@10\":\\([0-9.eE+-]*\\).*/\\1/p"; }
model=$(recall_at_10 metrics)
best=$(recall_at_10 best)
if [ -z "$model" ] || [ -z "$best" ]; then
  echo "$0: cddrec evaluate --json gave no recall@10: $result" >&2
  exit 1
fi
echo
awk -v x="$model" -v y="$best" 'BEGIN { printf "recall@10 %.4f of best %.4f (%.0f %%)\n", x, y, 100 * x / y }'
