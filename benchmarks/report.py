#!/usr/bin/env python3
"""Runs the benchmarks and their peers several times and writes them as a page; see run.sh, which builds them first.

A pass runs everything once, so that the runs of a figure lie minutes apart and a burst of other load does not meet them all."""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys

from machine import ROOT, code, compilation, compiler, processor, usable

BINARY = ROOT / "build/benchmarks/bin/cddrec_benchmarks"
SCALE = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}
NOTES = "## Notes"  # what stands below is written by hand and kept
OWN = "train_step/own_settings"


def counts(text):
    """Numbers of processors, of those there are; the benchmarks have as many threads."""
    numbers = [int(word) if re.fullmatch("[0-9]{1,4}", word) else 0 for word in text.split(",")]
    if not all(1 <= n <= len(usable()) for n in numbers):
        raise argparse.ArgumentTypeError(f"'{text}' are not numbers from 1 to {len(usable())}, the processors there are")
    return numbers


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=pathlib.Path, help="an interaction log for the training step; without it, one is drawn")
    parser.add_argument("--own-log", type=pathlib.Path, help="another log, for the step with the library's own settings")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs/performance.md")
    parser.add_argument("--repetitions", type=int, default=3, help="passes")
    parser.add_argument("--filter", default="", help="only benchmarks whose name matches")
    parser.add_argument("--processors", type=counts, default=[],
                        help="with --filter: a column for each of these numbers of processors, such as 1,2,4,8, instead of 1 and all")
    parser.add_argument("--python", action="append", type=pathlib.Path, help="a Python whose PyTorch is a peer; may be repeated")
    given = parser.parse_args()
    if given.filter and given.output == parser.get_default("output"):
        sys.exit("report.py: --filter: the page needs all benchmarks; name another --output")
    if given.filter and (given.own_log or given.python):
        sys.exit("report.py: --filter: --own-log and --python are for all benchmarks; leave them out")
    if given.processors and not given.filter:
        sys.exit("report.py: --processors: would take hours for all benchmarks; name some by --filter")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    for log in (given.log, given.own_log):
        if log and not log.is_file():
            sys.exit(f"report.py: {log}: is not a file")
    for python in given.python or ():
        if not shutil.which(python):
            sys.exit(f"report.py: {python}: is not a program")
    return given


def unbound():
    """An environment in which threads may run anywhere: a library whose threads are not OpenMP's would put all of them where the first is
    bound."""
    return {name: value for name, value in os.environ.items() if name != "OMP_PROC_BIND"}


def run_benchmarks(log, *more, bound=True, on=None):
    """One run of each, in their order, on so many processors, or on all."""
    environment = dict(unbound(), **({"OMP_PROC_BIND": "true"} if bound else {}))
    if log:
        environment["CDDREC_BENCH_LOG"] = str(log.resolve())
    command = [BINARY, "--benchmark_format=json", "--benchmark_min_time=0.05", *more]
    bind = (lambda: os.sched_setaffinity(0, usable()[:on])) if on else None
    run = subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=bind)
    if run.returncode != 0:
        sys.exit(f"report.py: {BINARY.name} ended with {run.returncode}:\n" + "\n".join(run.stderr.splitlines()[-3:]))
    rows = json.loads(run.stdout)["benchmarks"] if run.stdout.strip() else []
    return [row for row in rows if not (row.get("error_occurred") or row.get("skipped"))]  # as without OpenBLAS


def one_pass(given):
    if given.processors:
        return [row for n in given.processors
                for row in run_benchmarks(given.log, f"--benchmark_filter=({given.filter}).*threads:{n}(/|$)", on=n)]
    if given.filter:
        return run_benchmarks(given.log, f"--benchmark_filter={given.filter}")
    own = run_benchmarks(given.own_log, f"--benchmark_filter={OWN}/") if given.own_log else []
    for entry in own:
        entry["run_name"] = entry["run_name"].replace(OWN, f"{OWN}/{given.own_log.stem}", 1)
    foreign = run_benchmarks(given.log, "--benchmark_filter=/openblas/", bound=False)
    return run_benchmarks(given.log, "--benchmark_filter=-/openblas/|large") + foreign + own


def large(given):
    """Those that take gigabytes, once: each name in a process of its own, whose peak of memory is that of its largest."""
    names = ("^train_step/large/adam_rows", "^info_nce/large", "^rank/large") if not given.filter else ()
    return [entry for name in names for entry in run_benchmarks(given.log, f"--benchmark_filter={name}")]


def merged(passes, key):
    """One entry a benchmark of several passes: the best of what is named fastest or is a peak, the median of the rest."""
    groups = {}
    for entry in (entry for one in passes for entry in one):
        groups.setdefault(key(entry), []).append(entry)
    best = {"fastest_ms": min, "products_ms": min, "fastest_products_ms": min, "p50_us": min, "users/s": max, "peak_MB": max}

    def value(name, values):
        numbers = all(isinstance(v, (int, float)) for v in values)
        if not numbers or len(set(values)) == 1:
            return values[0]
        return round(best.get(name, statistics.median)(values), 6)

    return [{name: value(name, [e[name] for e in entries]) for name in entries[0]} for entries in groups.values()]


def cell(entry):
    """Rate and share, or the time where a benchmark reports no rate."""
    time = f"{entry['real_time'] * SCALE[entry['time_unit']]:.3g} ms"
    for unit in ("GFLOP/s", "GB/s"):
        if unit in entry:
            return f"{time}, {entry[unit]:.1f} {unit} ({100 * entry['share']:.0f} %)"
    return time


def tables(medians):
    """A table a kernel: a row for each shape, a column for each number of threads; of three and more, with the speed beside the fewest."""
    groups = {}
    for entry in medians:
        kernel, _, rest = re.sub(r"/manual_time$|/min_time:[\d.]+", "", entry["run_name"]).partition("/")
        found = re.search(r"threads:(\d+)", rest)
        if not found:  # it measures an error, not a time
            continue
        threads = int(found.group(1))
        shape = re.sub(r"/?threads:\d+|/?manual_time", "", rest).strip("/").replace("/", " ")
        groups.setdefault(kernel, {}).setdefault(shape, {})[threads] = entry
    for kernel, shapes in groups.items():
        threads = sorted({t for entries in shapes.values() for t in entries})
        yield f"### {kernel}\n"
        yield "| |" + "".join(f" {t} thread{'s' if t > 1 else ''} |" for t in threads)
        yield "|---|" + "---|" * len(threads)
        for shape, entries in shapes.items():
            speeds = {t: entry.get("GFLOP/s", entry.get("GB/s", 1 / entry["real_time"])) for t, entry in entries.items()}
            beside = lambda t: f", {speeds[t] / speeds[min(speeds)]:.1f} x" if len(threads) > 2 and t > min(speeds) else ""
            yield f"| {shape} |" + "".join(f" {cell(entries[t])}{beside(t)} |" if t in entries else "  |" for t in threads)
        yield ""


def peers(given):
    """[steps, kernels]: what the peers print, for every Python that has PyTorch among those named."""
    found = {"steps": [], "kernels": []}
    scripts = [("kernels", "kernels.py", [])]
    if given.log:
        scripts += [("steps", script, ["--log", given.log]) for script in ("best.py", "published.py")]
    for python in given.python or filter(os.path.exists, dict.fromkeys([sys.executable, "/usr/bin/python3"])):
        for kind, script, more in scripts:
            for threads in (1, len(usable())):
                command = [python, ROOT / "benchmarks/peers" / script, "--threads", str(threads), "--repetitions", "3", *more]
                run = subprocess.run(command, env=unbound(), capture_output=True, text=True)
                found[kind] += [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
                if run.returncode != 0:
                    print(f"{script} with {python} is left out: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                    break
    return [found["steps"], found["kernels"]]


def time_of(entries, name):
    """The fastest milliseconds of a benchmark, or None where it did not run."""
    entry = entries.get(name)
    return entry and entry.get("fastest_ms", entry["real_time"] * SCALE[entry["time_unit"]])


def bounds(medians, steps, kernels, compiled):
    """(what, bound, measured, met or None) for every figure that the library promises, all from this run."""
    entries = {re.sub(r"/manual_time|/iterations:\d+|/repeats:\d+|/min_time:[\d.]+", "", e["run_name"]): e for e in medians}
    many = max((int(m.group(1)) for m in re.finditer(r"threads:(\d+)", " ".join(entries))), default=1)
    ms = lambda name, threads=1: time_of(entries, f"{name}/threads:{threads}")
    counter = lambda name, key, threads=1: entries.get(f"{name}/threads:{threads}", {}).get(key)
    rows = []

    def ratio(what, slow, fast, least, unit="x"):
        """slow / fast, which should be `least` or more."""
        rows.append((what, f"≥ {least:g} {unit}", f"{slow / fast:.2f} {unit}", slow / fast >= least) if slow and fast else (what, f"≥ {least:g} {unit}", "not measured", None))

    def at_most(what, value, bound, unit):
        rows.append((what, f"≤ {bound:g} {unit}", f"{value:.3g} {unit}", value <= bound) if value else (what, f"≤ {bound:g} {unit}", "not measured", None))

    def at_least(what, value, bound, unit):
        rows.append((what, f"≥ {bound:g} {unit}", f"{value:.3g} {unit}", value >= bound) if value else (what, f"≥ {bound:g} {unit}", "not measured", None))

    versions = sorted({p["torch"] for p in steps + kernels}, key=lambda v: [int(n) for n in re.findall(r"\d+", v)[:2]])
    whole = ms("train_step/office", many)
    for peer, least in (("published", 60), ("best", 2.5)):
        for version in versions:
            # The peer's best number of threads, since its pools can stand in each other's way.
            own = min((p["fastest_ms"] for p in steps if p["peer"] == peer and p["torch"] == version), default=None)
            ratio(f"Office step, all T, beside peer `{peer}` on PyTorch {version} at its better number of threads", own, whole, least)
    at_most(f"Office step, {many} threads", whole and whole / 1e3, 0.22, "s")
    for name in sorted({n[:n.index("/threads")] for n in entries if n.startswith(OWN)}, key=len):
        for threads in (1, many):
            step, products = ms(name, threads), counter(name, "products_ms", threads)
            at_most(f"{name}, in times of its products, {threads} thread(s)", step and products and step / products, 1.3, "x")
    one, four = ms("train_step/office"), ms("train_step/office_distinct_4")
    ratio("four distinct steps of 20, beside all", one, four, 3.5)
    ratio(f"the whole step, 1 thread beside {many}", one, whole, 1.8)

    for threads in (1, many):
        for form in ("forward", "backward_input", "backward_weight"):
            shapes = [n for n in entries if re.fullmatch(rf"matmul/{form}/N:.*/threads:{threads}", n)]
            for other, least in (("eigen", 1.35), ("openblas", 1)):
                ratios = sorted(time_of(entries, n.replace(form, f"{form}/{other}", 1)) / time_of(entries, n) for n in shapes
                                if n.replace(form, f"{form}/{other}", 1) in entries)
                what = f"{form} beside {other}, {threads} thread(s): smallest, median, largest of {len(ratios)} shapes"
                rows.append((what, f"≥ {least:g} x", " / ".join(f"{r:.2f}" for r in (ratios[0], statistics.median(ratios), ratios[-1])) + " x", ratios[0] >= least)
                            if ratios else (what, f"≥ {least:g} x", "not measured", None))
            shares = sorted(entries[n]["share"] for n in shapes)
            what = f"{form}, share of the multiply-add ceiling, {threads} thread(s): likewise"
            rows.append((what, "≥ 80 %", " / ".join(f"{100 * s:.0f}" for s in (shares[0], statistics.median(shares), shares[-1])) + " %", shares[0] >= 0.8)
                        if shares else (what, "≥ 80 %", "not measured", None))

    for name in ("layer_norm/forward/N:200000/d:128", "layer_norm/backward/N:200000/d:128", "gelu/forward/N:50000/d:512", "gelu/backward/N:50000/d:512",
                 "dropout/forward/N:200000/d:128", "dropout/backward/N:200000/d:128", "add_noise/N:200000/d:128", "adam/V:100000/d:128"):
        # The ceiling is the lower of two: what memory gives, and what the kernel's arithmetic does where memory is no matter.
        share, rate = counter(name, "share", many), counter(name, "GB/s", many)
        in_cache = counter(re.sub(r"V:\d+", "V:2420", re.sub(r"N:\d+", "N:2000", name)), "GB/s", many)
        kept = rate / in_cache if rate and in_cache else 0
        what = f"{name}, share of a stream, {many} threads; of its own rate in cache, if it is bound by arithmetic"
        rows.append((what, "≥ 80 % of the lower", f"{100 * share:.3g} %; {100 * kept:.3g} %", max(share, kept) >= 0.8) if share
                    else (what, "≥ 80 % of the lower", "not measured", None))

    # The fastest of all versions and numbers of threads up to ours.
    peer = lambda kernel, threads: min((k["fastest_ms"] for k in kernels if k["kernel"] == kernel and k["threads"] <= threads), default=None)
    total = lambda *names, threads: sum(times) if all(times := [ms(n, threads) for n in names]) else None
    for threads in (1, many):
        at = f"{threads} thread(s), PyTorch's fastest version"
        for heads in (1, 2, 4):
            shape = f"N:2000/d:128/heads:{heads}/dropout_%:0"
            ratio(f"attention, {heads} head(s), both ways, {at}", peer(f"attention/heads:{heads}", threads),
                  total(f"attention/forward/{shape}", f"attention/backward/{shape}", threads=threads), 5)
        ratio(f"InfoNCE, N = 2,000, both ways, {at}", peer("info_nce/N:2000", threads),
              total("info_nce/forward/N:2000/d:128", "info_nce/backward/N:2000/d:128", threads=threads), 2)
        ratio(f"softmax over 12,101 items, both ways, {at}", peer("softmax_over_items/V:12101", threads),
              total("softmax_over_items/forward/N:1000/V:12101/d:128", "softmax_over_items/backward/N:1000/V:12101/d:128", threads=threads), 2)
        for way in ("forward", "backward"):
            of = counter(f"softmax_over_items/{way}/N:1000/V:12101/d:128", "of_matmul", threads)
            at_least(f"softmax over 12,101 items, {way}, share of matmul's rate, {threads} thread(s)", of and 100 * of, 70, "%")
    million = [f"softmax_over_items/{way}/N:1000/V:1000000/d:128" for way in ("forward", "backward")]
    ratio(f"softmax over 1,000,000 items, both ways, {many} threads", peer("softmax_over_items/V:1000000", many), total(*million, threads=many), 2)
    dense = [t for t in (ms("prefix_attention/all_steps/dense/length:200"), peer("cross_attention/length:200", 1)) if t]
    ratio("prefix attention, length 200, all steps, beside dense attention, Eigen's or PyTorch's, 1 thread", min(dense, default=None), ms("prefix_attention/all_steps/length:200"), 10)
    at_most("InfoNCE of 20,000 pairs: peak memory of the process", counter("info_nce/large/backward/N:20000/d:128", "peak_MB", many), 300, "MB")
    short, long = ms("prefix_attention/all_steps/length:200"), ms("prefix_attention/all_steps/length:400")
    at_most("prefix attention, length 400 beside 200", short and long and long / short, 2.2, "x")
    noise = ms("add_noise/N:20000/d:128", many)
    at_least(f"normals a second, {many} threads", noise and 20000 * 128 / noise / 1e3, 400, "million")
    for threads in (1, many):
        few, lots = ms("train_step/large/adam_rows/V:10000", threads), ms("train_step/large/adam_rows/V:1000000", threads)
        at_most(f"a step over 1,000,000 items beside 10,000, touched rows, {threads} thread(s)", few and lots and lots / few, 1.3, "x")

        ranked, rate = ms("rank/encoded/users:4905/V:12101", threads), counter("matmul/scores/N:256/in:128/out:12101", "GFLOP/s", threads)
        product = rate and 2 * 4905 * 12101 * 128 / rate * 1e-6
        at_most(f"full ranking of encoded users, V = 12,101, in times of the score product, {threads} thread(s)", ranked and product and ranked / product, 1.5, "x")
        for way in ("topk", "count"):
            ratio(f"full ranking of encoded users beside PyTorch's product, mask and {way}, {threads} thread(s)", peer(f"rank/{way}", threads), ranked, 3)
    peak, weights = (counter("rank/large/users:1000/V:1000000", key, many) for key in ("peak_MB", "weights_MB"))
    at_most("ranking 1,000 users over 1,000,000 items: peak memory of the process beside the weights", peak and peak - weights, 256, "MiB")
    p50, p99 = (counter("recommend/histories:1/V:12101", key) for key in ("p50_us", "p99_us"))
    at_most("recommend, one user, 12,101 items, 1 thread: p50", p50, 150, "µs")
    at_most("recommend: p99 in times of p50", p50 and p99 and p99 / p50, 2, "x")
    ratio("recommend beside PyTorch", peer("recommend", 1), p50 and p50 / 1e3, 4)
    at_least(f"recommend, 300 users at once, V = 12,101, {many} threads", (value := counter("recommend/histories:300/V:12101", "users/s", many)) and value / 1e3, 20, "thousand users a second")
    at_most("compiling a program that includes the door, at -O2", compiled[0], 12, "s")
    at_most("compiling a program that includes the door: peak memory", compiled[1], 1024, "MiB")
    return rows


def main():
    given = arguments()
    compiled = None if given.filter else compilation()  # first: what does not compile shall not be found after hours
    passes, of_peers = [large(given)], []
    for _ in range(given.repetitions):
        passes.append(one_pass(given))
        of_peers.append([[], []] if given.filter else peers(given))
    medians = merged(passes, lambda e: e["run_name"])
    steps, kernels = (merged([of[kind] for of in of_peers], lambda e: (e.get("peer", e.get("kernel")), e["torch"], e["threads"])) for kind in (0, 1))
    title = "Performance by number of threads" if given.processors else "Performance"
    of = "some of it" if given.filter else "all of it, but for what takes gigabytes (`large`), which ran once"
    lines = [f"# {title}", "", f"Written by `benchmarks/run.sh`; medians of {given.repetitions} pass{'es' * (given.repetitions > 1)} through {of}.", "",
             f"- {processor()}", f"- {compiler()}", *code(), f"- the training step on {given.log.name if given.log else 'a drawn log'}",
             "- A share is that of a ceiling measured in the same run on the same threads: a multiply-add loop for GFLOP/s, a plain stream",
             "  of the same size and kind for GB/s. A time is the mean over a run, a rate is that of the run's fastest call, but for training steps,",
             "  whose batches differ: there it is the mean's. Ranking and serving are of width 128; most of their scores are made in 16-bit fixed",
             "  point, and counted and compared as if they were float's.", ""]
    if not given.filter:
        lines += ["## Bounds", "", "Ratios are of the fastest calls of all passes.", "", "| figure | bound | measured | |", "|---|---|---|---|"]
        lines += [f"| {what} | {bound} | {measured} | {'' if met is None else 'met' if met else 'not met'} |" for what, bound, measured, met in bounds(medians, steps, kernels, compiled)]
        lines += [""]
    if steps:
        lines += ["## The step of the Office preset in PyTorch", "",
                  "`published`: padded, a decoder layer a step, the graph of all steps kept, random features. `best`: packed, running sums,",
                  "one step's graph at a time.", "", "| peer | PyTorch | threads | median ms | fastest ms | its products ms | peak MB |", "|---|---|---|---|---|---|---|"]
        lines += [f"| {p['peer']} | {p['torch']} | {p['threads']} | {p['ms']} | {p['fastest_ms']} | {p.get('products_ms', '')} | {p['peak_MB']} |" for p in steps]
        lines += [""]
    if kernels:
        lines += ["## Kernels in PyTorch", "", "| kernel | PyTorch | threads | median ms | fastest ms |", "|---|---|---|---|---|"]
        lines += [f"| {k['kernel']} | {k['torch']} | {k['threads']} | {k['ms']} | {k['fastest_ms']} |" for k in kernels]
        lines += [""]
    lines += ["## All benchmarks", ""] + list(tables(medians))
    kept = given.output.read_text(encoding="utf-8").partition(NOTES)[2] if given.output.exists() else ""
    if kept:
        lines += [NOTES + kept.rstrip(), ""]
    fresh = given.output.with_suffix(".new")
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.replace(given.output)  # an interrupted run leaves the old page whole
    print(f"{given.output}: {len(medians)} benchmarks, {len(steps) + len(kernels)} runs of peers")


if __name__ == "__main__":
    main()
