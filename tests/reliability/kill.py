#!/usr/bin/env python3
"""Kills training at random moments and resumes it: what lies on the disk must be what a run that nobody stopped had at that epoch.

    tests/reliability/kill.py [--count N] [--command PATH] [--seed S]

A third of the kills wait for a file that is being written. Exit status 0: nothing was lost in N kills."""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=10)
parser.add_argument("--command", default="build/dev/bin/cddrec")
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()
command = os.path.abspath(options.command)
draw = random.Random(options.seed)
epochs = 6


def fail(what):
    print("kill.py: " + what)
    sys.exit(1)


def contents(path):
    """The epoch that a file of training names, if it does, and the bytes of its tensors; None without the file."""
    if not os.path.exists(path):
        return None
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    return int(header["__metadata__"].get("epoch", 0)), data[8 + length:]


def train(directory, until):
    return [command, "train", "--data", log, "--output", directory, "--resume", "--threads", "1", "--epochs", str(until), "--set", "width=16",
            "--set", "heads=2", "--set", "batch_users=32", "--set", "patience=0"]


def run(words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"status {done.returncode} of: {' '.join(words)}\n{done.stderr}")


def files(directory):
    return [contents(os.path.join(directory, name)) for name in ("model.safetensors", "training.safetensors")]


root = tempfile.mkdtemp(prefix="cddrec_kill_")
try:
    log = os.path.join(root, "log.txt")
    run([command, "generate", "--users", "200", "--items", "60", "--output", log, "--seed", "3"])
    # What a run that nobody stops holds after each epoch; nothing at all before the first.
    whole = [[None, None]]
    for until in range(1, epochs + 1):
        directory = os.path.join(root, f"whole{until}")
        begin = time.monotonic()
        run(train(directory, until))
        seconds = time.monotonic() - begin
        whole.append(files(directory))

    kills = runs = writing = left = 0
    while kills < options.count:
        directory = os.path.join(root, "killed")
        shutil.rmtree(directory, ignore_errors=True)
        runs += 1
        while True:
            process = subprocess.Popen(train(directory, epochs), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
            begin, moment, at_write = time.monotonic(), draw.uniform(0, seconds), draw.random() < 1 / 3
            while process.poll() is None and time.monotonic() - begin < moment:
                time.sleep(0.0005)
            before = set(os.listdir(directory)) if os.path.isdir(directory) else set()
            while at_write and process.poll() is None:
                now = set(os.listdir(directory)) if os.path.isdir(directory) else set()
                if any(name.endswith(".tmp") for name in now - before):
                    break
            process.send_signal(signal.SIGKILL)
            error = process.communicate()[1]
            if process.returncode == 0:
                break
            if process.returncode != -signal.SIGKILL:
                fail(f"training ended by itself, status {process.returncode}: {error}")
            kills += 1
            model, training = files(directory)
            epoch = training[0] if training else 0
            # The model is written first, so it may be one epoch ahead; but after the first epoch last, so it may not be there yet.
            if training != whole[epoch][1] or model not in (whole[epoch][0], whole[min(epoch + 1, epochs)][0], *([None] if epoch == 1 else [])):
                fail(f"after {kills} kills, seed {options.seed}: the files are not those of epoch {epoch}")
            if model:
                run([command, "recommend", "--model", directory, "--history", "i1 i2", "--json"])
            temporary = sum(name.endswith(".tmp") for name in set(os.listdir(directory)) - before) if os.path.isdir(directory) else 0
            left += temporary
            writing += temporary > 0
        if files(directory) != whole[epochs]:
            fail(f"after {kills} kills, seed {options.seed}: the resumed run is not the one that was not stopped")
    print(f"{kills} kills, {writing} of them in the middle of a write, in {runs} runs of {epochs} epochs: nothing lost, every run ended as "
          f"the one that was not stopped; {left} temporary files left behind")
finally:
    shutil.rmtree(root)
