# shellcheck shell=bash
# Sourced by run.sh and search.sh from the root of the repository: the command is built and rows are compared, as many at a time as there
# are processors, one thread each. What is recorded is not made again, so whatever was stopped goes on where it was.

# build_command: the release command, with what it needs installed.
build_command() {
  . cmake/install_packages.sh
  install_packages "" || exit $?
  cmake --preset release >/dev/null
  cmake --build --preset release --target cddrec_command --parallel "$(nproc)" >/dev/null
}

# row_names FILE: the names of its rows.
row_names() { sed 's/#.*//' "$1" | awk 'NF { print $1 }'; }

# compare_all RECORDS WORK LOG.txt FILE OPTION…: compares the rows of FILE whose names are read. Records are made in RECORDS, where the
# committed ones are, and models in WORK. Status 1 if a row failed; the others are compared all the same.
compare_all() {
  local records=$1 work=$2 log=$3 file=$4
  shift 4
  mkdir -p "$work" "$records"
  ln -sfnT "$(realpath "$records")" "$work/records" || return 1
  # A row that a signal ends would end xargs, and the rows behind it.
  # shellcheck disable=SC2016 # for the shell of a row
  OMP_NUM_THREADS=1 xargs -P "$(nproc)" -I {} bash -c 'build/release/bin/cddrec compare "$@" || exit 1' row --data "$log" --variants "$file" \
    --models {} --threads 1 --output "$work" "$@" || {
    echo "some rows of $file failed on $log; their messages are above" >&2
    return 1
  }
}
