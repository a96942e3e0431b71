#!/usr/bin/env python3
"""Runs the benchmarks several times and writes their medians as a page; see run.sh, which builds them first."""
import argparse
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "build/benchmarks/bin/cddrec_benchmarks"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=pathlib.Path, help="an interaction log for the training step; without it, one is drawn")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/performance.md")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--filter", default="", help="only benchmarks whose name matches")
    given = parser.parse_args()
    if given.log and not given.log.is_file():
        sys.exit(f"report.py: {given.log}: is not a file")
    return given


def processor():
    info = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    name = re.search(r"model name\s*:\s*(.*)", info)
    flags = set(re.search(r"flags\s*:\s*(.*)", info).group(1).split()) if "flags" in info else set()
    widest = next((w for w in ("avx512f", "avx2", "avx") if w in flags), "sse2")
    return f"{name.group(1) if name else platform.machine()} ({widest}), {os.cpu_count()} processors"


def compiler():
    cache = (ROOT / "build/benchmarks/CMakeCache.txt").read_text()
    path = re.search(r"CMAKE_CXX_COMPILER:\w+=(.*)", cache).group(1)
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    native = "-march=native" if "CDDREC_NATIVE:BOOL=ON" in cache else ""
    release = re.search(r"CMAKE_CXX_FLAGS_RELEASE:\w+=(.*)", cache).group(1)
    return f"{version}, {release} {native}"


def measure(given):
    """The medians over the repetitions, in the order of the run."""
    environment = dict(os.environ, OMP_PROC_BIND="true")
    if given.log:
        environment["CDDREC_BENCH_LOG"] = str(given.log.resolve())
    command = [BINARY, "--benchmark_format=json", f"--benchmark_repetitions={given.repetitions}", "--benchmark_min_time=0.05"]
    if given.filter:
        command.append(f"--benchmark_filter={given.filter}")
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"report.py: {BINARY.name} ended with {run.returncode}:\n" + "\n".join(run.stderr.splitlines()[-3:]))
    return [b for b in json.loads(run.stdout)["benchmarks"] if b.get("aggregate_name", "median") == "median"]


def cell(entry):
    """Rate and share, or the time where a benchmark reports no rate."""
    scale = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}[entry["time_unit"]]
    time = f"{entry['real_time'] * scale:.3g} ms"
    for unit in ("GFLOP/s", "GB/s"):
        if unit in entry:
            return f"{time}, {entry[unit]:.1f} {unit} ({100 * entry['share']:.0f} %)"
    return time


def tables(medians):
    """A table a kernel: a row for each shape, a column for each number of threads."""
    groups = {}
    for entry in medians:
        kernel, _, rest = re.sub(r"/manual_time$|_median$", "", entry["run_name"]).partition("/")
        threads = int(re.search(r"threads:(\d+)", rest).group(1))
        shape = re.sub(r"/?threads:\d+|/?manual_time", "", rest).strip("/").replace("/", " ")
        groups.setdefault(kernel, {}).setdefault(shape, {})[threads] = cell(entry)
    for kernel, shapes in groups.items():
        threads = sorted({t for cells in shapes.values() for t in cells})
        yield f"### {kernel}\n"
        yield "| |" + "".join(f" {t} thread{'s' if t > 1 else ''} |" for t in threads)
        yield "|---|" + "---|" * len(threads)
        for shape, cells in shapes.items():
            yield f"| {shape} |" + "".join(f" {cells.get(t, '')} |" for t in threads)
        yield ""


def peers(given):
    """The PyTorch steps on the same log, for every Python that has PyTorch among those named."""
    if not given.log:
        return
    for script in ("best.py", "published.py"):
        for python in dict.fromkeys([sys.executable, "/usr/bin/python3"]):
            for threads in (1, os.cpu_count()):
                command = [python, ROOT / "benchmarks/peers" / script, "--log", given.log, "--threads", str(threads)]
                run = subprocess.run(command, capture_output=True, text=True)
                if run.returncode == 0:
                    yield json.loads(run.stdout)
                else:
                    print(f"{script} with {python} is left out: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)


def main():
    given = arguments()
    medians = measure(given)
    lines = ["# Performance", "", f"Written by `benchmarks/run.sh`; medians of {given.repetitions} runs.", "",
             f"- {processor()}", f"- {compiler()}",
             "- A share is that of a ceiling measured in the same run on the same threads: a multiply-add loop for GFLOP/s, a plain stream",
             "  of the same size and kind for GB/s. A time is the mean over a run, a rate is that of its fastest call.", ""]
    lines += list(tables(medians))
    others = list(peers(given))
    if others:
        lines += ["### The step of the Office preset in PyTorch\n", "`published`: padded, a decoder layer a step, the graph of all steps kept, random features. `best`: packed, running sums,",
                  "one step's graph at a time.\n", "| peer | PyTorch | threads | median ms | fastest ms | its products ms | peak MB |", "|---|---|---|---|---|---|---|"]
        lines += [f"| {p['peer']} | {p['torch']} | {p['threads']} | {p['ms']} | {p['fastest_ms']} | {p.get('products_ms', '')} | {p['peak_MB']} |" for p in others]
        lines.append("")
    given.output.write_text("\n".join(lines))
    print(f"{given.output}: {len(medians)} benchmarks, {len(others)} runs of peers")


if __name__ == "__main__":
    main()
