#!/usr/bin/env bash
# Prints what the tests reach of include/: lines, branches, and the ten headers that are reached least; build/coverage/missed.txt names each
# condition that was never true or never false.
# clang counts in the source: a condition has two branches, each reached if one instantiation reaches it; what is known at compile time has
# none, nor has an assertion. Left out: tests of packaging and those in Python. A template that no test instantiates has no lines.
# Exit status: 0 at least 95 of 100 lines and 90 of 100 branches, 1 fewer or a failed test, 2 a tool is missing.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
. cmake/install_packages.sh
install_packages tests clang everything || exit $?

here=build/coverage
mkdir -p $here
if ! { cmake --preset coverage && cmake --build --preset coverage --parallel "$(nproc)"; } >$here/build.log 2>&1; then
  tail -n 50 $here/build.log >&2
  exit 1
fi
rm -rf $here/counts
LLVM_PROFILE_FILE="$PWD/$here/counts/%m.profraw" ctest --preset coverage | tail -n 30 || exit 1

tests=("$here"/bin/test_*)
programs=("${tests[0]}")
for program in "${tests[@]:1}" $here/bin/cddrec $here/bin/cddrec_serve; do programs+=(-object "$program"); done
# Functions of one name that differ from file to file (templates of a test's own types) are warned of, and count as not reached.
if ! { llvm-profdata merge -sparse $here/counts/*.profraw -o $here/counts.profdata &&
  llvm-cov export -format=text -skip-functions -instr-profile=$here/counts.profdata "${programs[@]}" >$here/counts.json; } \
  2>$here/export.log; then
  cat $here/export.log >&2
  exit 1
fi
python3 - $here <<'END'
import collections, json, os, sys
here = sys.argv[1]
with open(os.path.join(here, "counts.json"), encoding="utf-8") as file:
    headers = json.load(file)["data"][0]["files"]
root = os.path.abspath(".") + "/"
total, missed, least = collections.Counter(), [], []
for header in headers:
    name = header["filename"].removeprefix(root)
    if not name.startswith("include/"):
        continue
    lines = header["summary"]["lines"]
    sides = {}  # by place of a condition and by side: how often, over all instantiations
    for line, column, _, _, true, false, *_ in header["branches"]:
        for side, count in ("true", true), ("false", false):
            sides[line, column, side] = sides.get((line, column, side), 0) + count
    never = sorted(place for place, count in sides.items() if count == 0)
    missed += [f"{name}:{line}:{column}: never {side}\n" for line, column, side in never]
    least.append((len(never) + lines["count"] - lines["covered"], lines["count"] - lines["covered"], len(never), name))
    total.update({"lines": lines["count"], "lines reached": lines["covered"]})
    total.update({"branches": len(sides), "branches reached": len(sides) - len(never)})
with open(os.path.join(here, "missed.txt"), "w", encoding="utf-8") as file:
    file.writelines(missed)
few = False
for kind, bound in ("lines", 95), ("branches", 90):
    reached, all = total[kind + " reached"], total[kind]
    print(f"{kind} of include/: {100 * reached / max(all, 1):.1f} % ({reached} of {all}; at least {bound} %)")
    few |= all == 0 or 100 * reached < bound * all
print("reached least (lines, branches missed):")
for _, lines, branches, name in sorted(least, reverse=True)[:10]:
    print(f"{lines:5} {branches:5}  {name}")
sys.exit(few)
END
