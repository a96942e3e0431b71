#!/usr/bin/env python3
"""Makes one header of many: single_header.py OUTPUT [HEADER...]

Every `#include "cddrec/..."` is replaced by the text of that header the first time it is met, and left out afterwards. HEADER (by
default cddrec/cddrec.hpp, the door, which needs Eigen alone) is named as programs include it.
"""
import pathlib
import re
import sys

INCLUDE = pathlib.Path(__file__).resolve().parent.parent / "include"
OURS = re.compile(r'^\s*#\s*include\s*["<](cddrec/[^">]+)[">]')
ANY = re.compile(r"^\s*#\s*include\s*<")
CONDITIONAL = re.compile(r"^\s*#\s*(if|endif)")


def refuse(text):
    print(text, file=sys.stderr)
    sys.exit(2)


def expand(header, met, lines):
    """Appends the lines of a header, and before them those of the headers that it includes. `met`: what is there already."""
    if header in met:
        return
    met.add(header)
    file = INCLUDE / header
    if not file.is_file():
        refuse(f"single_header.py: {file}: there is no such header; name one as programs include it: cddrec/cddrec.hpp")
    depth = 0  # of #if: an include inside one is not everybody's
    for line in file.read_text(encoding="utf-8").splitlines():
        if conditional := CONDITIONAL.match(line):
            depth += 1 if conditional[1] == "if" else -1
        if ours := OURS.match(line):
            expand(ours[1], met, lines)
        elif line.strip() == "#pragma once" or (not depth and ANY.match(line) and line in met):
            continue
        else:
            if not depth and ANY.match(line):
                met.add(line)
            lines.append(line)


def main(output, *headers):
    headers = headers or ("cddrec/cddrec.hpp",)
    license_text = (INCLUDE.parent / "LICENSE").read_text(encoding="utf-8").splitlines()
    lines = [f"// {' '.join(headers)} and all headers of cddrec that they include, put together by cmake/single_header.py.", "//"]
    lines += [f"// {line}".rstrip() for line in license_text] + ["#pragma once", ""]
    met = set()
    for header in headers:
        expand(header, met, lines)
    output = pathlib.Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        refuse(__doc__.strip())
    main(*sys.argv[1:])
