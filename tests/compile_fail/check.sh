#!/usr/bin/env bash
# What a wrong type is told: check.sh EIGEN_INCLUDE. Every file here must be refused by every compiler at hand with exactly one error,
# and in few lines: one that names the type and the `concept:` of the file's head, and one with what is `missing:`; or one that `says:` it.
set -u
cd "$(dirname "$0")" || exit 1
export LC_ALL=C
longest=30 # lines
scratch=$(mktemp) || exit 1
trap 'rm -f "$scratch"' EXIT
failed=0

# wanted KEY FILE: what the head of the file says.
wanted() { sed -n "s|^// $1: ||p" "$2"; }

fail() {
  echo "$compiler, $file: $1:" && cat "$scratch"
  failed=1
}

seen=" "
for compiler in "${CXX:-c++}" g++ clang++; do
  program=$(command -v "$compiler") || { echo "skipped: $compiler is not here" && continue; }
  itself=$("$program" --version | head -n 1 | sed 's/^[^ ]* //') # its file may be one that calls them all
  case $seen in *"|$itself|"*) continue ;; esac # by another name
  seen="$seen|$itself|"
  for file in *.cpp; do
    "$compiler" -std=c++20 -fsyntax-only -I ../../include -isystem "$1" "$file" 2>"$scratch" && fail "was accepted"
    [ "$(grep -c 'error:' "$scratch")" -eq 1 ] || fail "not one error"
    [ "$(wc -l <"$scratch")" -le "$longest" ] || fail "more than $longest lines"
    says=$(wanted says "$file") concept=$(wanted concept "$file") missing=$(wanted missing "$file")
    if [ -n "$says" ]; then
      grep -F 'error:' "$scratch" | grep -qF "$says" || fail "the error does not say \"$says\""
    else
      grep -F "$concept" "$scratch" | grep -q "'wrong'\|= wrong\]" || fail "no line names wrong and $concept"
      grep -F "'$missing'" "$scratch" | grep -q 'invalid' || fail "no line says that $missing is missing"
    fi
  done
  echo "$compiler has read $(printf '%s\n' *.cpp | wc -l) wrong programs"
done
exit "$failed"
