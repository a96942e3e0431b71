#!/usr/bin/env python3
"""Trains the same model with several builds of the command and says how far apart they end.

    tests/reliability/builds.py COMMAND COMMAND… [--bound B]

Builds round in other places (the compiler fuses multiplications and additions, or not; vectors are of other widths), so the same seed gives
the same bits on one build alone. After ten steps, what the first build and each other one hold are compared: the largest difference of a
weight and of a score, in times of the root mean square of all weights and of the scores. Exit status 1 if one is above the bound."""
import argparse
import array
import json
import os
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("commands", nargs="+")
parser.add_argument("--bound", type=float, default=1e-3)
options = parser.parse_args()


def run(words):
    try:
        # A build that counts what it reaches (tests/coverage.sh) leaves no counts.
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env={**os.environ, "LLVM_PROFILE_FILE": os.devnull})
    except OSError as error:
        sys.exit(f"builds.py: {words[0]}: {error.strerror}")
    if done.returncode != 0:
        sys.exit(f"builds.py: status {done.returncode} of: {' '.join(words)}\n{done.stderr}")
    return done.stdout


def weights(path):
    """All single-precision values of a safetensors file, in its order."""
    with open(path, "rb") as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    values = array.array("f")
    for name in sorted(k for k, v in header.items() if k != "__metadata__" and v["dtype"] == "F32"):
        begin, end = header[name]["data_offsets"]
        values.frombytes(data[start + begin:start + end])
    return values


def apart(a, b):
    """The largest difference, in times of the root mean square of a."""
    if len(a) != len(b) or not a:
        sys.exit(f"builds.py: {len(a)} values of the first build beside {len(b)} of another")
    return max(abs(x - y) for x, y in zip(a, b)) / (sum(x * x for x in a) / len(a)) ** 0.5


def scores(command, directory):
    """The scores of all items for some histories, by item, and the items of the best ten."""
    found, best = [], []
    for history in ("i1 i2 i3", "i40 i7", "i12 i13 i14 i15 i16 i17"):
        items = json.loads(run([command, "recommend", "--model", directory, "--history", history, "--top", "200", "--json"]))["recommendations"]
        best.append([entry["item"] for entry in items[:10]])
        found += [entry["score"] for entry in sorted(items, key=lambda entry: entry["item"])]
    return found, best


with tempfile.TemporaryDirectory(prefix="cddrec_builds_") as root:
    log = os.path.join(root, "log.txt")
    run([options.commands[0], "generate", "--users", "320", "--items", "200", "--output", log, "--seed", "3"])
    first, worst = None, 0.0
    for number, command in enumerate(options.commands):
        directory = os.path.join(root, str(number))
        run([command, "train", "--data", log, "--output", directory, "--epochs", "1", "--seed", "1", "--threads", "1", "--set", "width=32",
             "--set", "batch_users=32"])
        held = weights(os.path.join(directory, "model.safetensors")), scores(command, directory)
        if first is None:
            first = held
            continue
        of_weights, of_scores = apart(first[0], held[0]), apart(first[1][0], held[1][0])
        same = sum(a == b for a, b in zip(first[1][1], held[1][1]))
        print(f"{command}: weights at most {of_weights:.1e} apart, scores {of_scores:.1e}, {same} of {len(first[1][1])} lists the same")
        worst = max(worst, of_weights, of_scores)
    if worst > options.bound:
        sys.exit(f"builds.py: more than {options.bound:g} apart")
