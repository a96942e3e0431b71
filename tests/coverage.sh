#!/usr/bin/env bash
# Prints what the tests reach of include/: lines, branches, and the ten headers that are reached least.
# Left out: tests of packaging, those in Python, and branches that are not in the source: of failed assertions, of exceptions that may
# pass through, of lines without a condition. gcov still counts each instantiation of a template for itself, and the strings that an
# error's message is made of. A template that no test instantiates has no lines.
# Exit status: 0 at least 95 of 100 lines and 90 of 100 branches, 1 fewer or a failed test, 2 a tool is missing.
set -u -o pipefail
cd "$(dirname "$0")/.." || exit 1
for tool in g++ gcov gcovr python3; do
  command -v "$tool" >/dev/null && continue
  echo "$0: $tool is not here; on Debian: apt-get install g++ gcovr python3" >&2
  exit 2
done

cmake --preset coverage >/dev/null || exit 1
cmake --build --preset coverage --parallel "$(nproc)" >/dev/null || exit 1
find build/coverage -name '*.gcda' -delete # what earlier runs counted
ctest --preset coverage | tail -n 30 || exit 1

gcovr --root . --filter include/ --object-directory build/coverage --exclude-throw-branches --exclude-unreachable-branches \
  --exclude-branches-by-pattern '.*CDDREC_ASSERT\(|^(?!.*(\b(if|for|while|case|switch)\b|\?|&&|\|\|)).*$' \
  -j "$(nproc)" --json-summary build/coverage/coverage.json --html-details build/coverage/coverage.html \
  build/coverage/tests build/coverage/examples || exit 1
python3 - build/coverage/coverage.json <<'END'
import json, sys
with open(sys.argv[1]) as file:
    all = json.load(file)
rows = [(kind, all[kind + "_covered"], all[kind + "_total"], least) for kind, least in (("line", 95), ("branch", 90))]
for kind, reached, total, least in rows:
    name = "branches" if kind == "branch" else "lines"
    print(f"{name} of include/: {100 * reached / total:.1f} % ({reached} of {total}; at least {least} %)")
print("reached least (lines, branches missed):")
missed = [(f["line_total"] - f["line_covered"], f["branch_total"] - f["branch_covered"], f["filename"]) for f in all["files"]]
for lines, branches, name in sorted(missed, key=lambda m: (-m[0] - m[1], m[2]))[:10]:
    print(f"{lines:5} {branches:5}  {name}")
sys.exit(any(100 * reached < least * total for _, reached, total, least in rows))
END
