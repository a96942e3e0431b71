#!/usr/bin/env python3
"""Trains for a long time and says whether memory grows and whether training slows down.

    tests/reliability/long_run.py LOG [--minutes M] [--command PATH] [--threads N] [--set KEY=VALUE …]

Epochs are timed by the processor's time as well, which other programs on the machine disturb less. Reserved memory is what the process
asked the system for (VmData). An arena grows when a larger batch is drawn than ever before, ever more rarely, and some of it is touched
later still; what leaks grows in every quarter alike. The first two epochs are left out.
Exit status 0: in the last quarter reserved memory is at most 1 % above the third quarter's, and an epoch takes at most 1 / .95 of what it
took in the first, by the processor's time."""
import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("log")
parser.add_argument("--minutes", type=float, default=60)
parser.add_argument("--command", default="build/release/bin/cddrec")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
options = parser.parse_args()
tick = os.sysconf("SC_CLK_TCK")


def memory_of(pid):
    """Reserved and resident memory of a process in MB; None once it has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in file if line.startswith(("VmData:", "VmRSS:"))}
    except OSError:
        return None
    return (found["VmData"], found["VmRSS"]) if len(found) == 2 else None


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / tick


def finished_epochs(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [float(row["seconds"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError):
        return []


with tempfile.TemporaryDirectory(prefix="cddrec_long_") as directory, tempfile.TemporaryFile("w+") as said:
    words = [options.command, "train", "--data", options.log, "--output", directory, "--minutes", str(options.minutes), "--threads",
             str(options.threads), "--set", "patience=0", "--epochs", "1000000"]
    words += [word for setting in options.set for word in ("--set", setting)]
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
    except OSError as error:
        sys.exit(f"long_run.py: {options.command}: {error.strerror}")
    memory, seconds, processor = [], [], []  # samples; of each epoch, its end
    while process.poll() is None:
        now = finished_epochs(os.path.join(directory, "log.csv"))
        if len(now) > len(seconds):
            seconds = now
            processor += [processor_seconds(process.pid)] * (len(now) - len(processor))
        sample = memory_of(process.pid)
        if sample and len(seconds) >= 2:
            memory.append(sample)
        time.sleep(0.25)
    if process.returncode != 0:
        said.seek(0)
        sys.exit(f"long_run.py: status {process.returncode} of: {' '.join(words)}\n{said.read()}")

if len(seconds) < 9:
    sys.exit(f"long_run.py: {len(seconds)} epochs in {options.minutes} minutes; at least 9 are needed")
print(f"{len(seconds)} epochs in {seconds[-1] / 60:.1f} minutes on {options.threads} thread{'s' * (options.threads > 1)}")


def quarters(name, unit, values, decimals):
    """Prints and returns the medians of the four quarters."""
    count = len(values) // 4
    medians = [statistics.median(values[k * count:(k + 1) * count]) for k in range(4)]
    print(f"{name}: medians of the quarters {', '.join(f'{m:.{decimals}f}' for m in medians)} {unit}; largest {max(values):.{decimals}f}")
    return medians


reserved = quarters("reserved memory", "MB", [data for data, _ in memory], 1)
quarters("resident memory", "MB", [rss for _, rss in memory], 1)
quarters("an epoch", "s", [b - a for a, b in zip(seconds[1:], seconds[2:])], 2)
taken = quarters("an epoch of the processor's time", "s", [b - a for a, b in zip(processor[1:], processor[2:])], 2)
if not (reserved[2] and taken[3]):
    sys.exit("long_run.py: an epoch is shorter than the time between two samples; train on a larger log")
growth, throughput = reserved[3] / reserved[2], taken[0] / taken[3]
print(f"reserved memory in the last quarter: {growth:.4f} x the quarter before; throughput: {throughput:.4f} x the first quarter")
sys.exit(growth > 1.01 or throughput < 0.95)
