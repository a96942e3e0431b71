#!/usr/bin/env python3
"""Writes the records of a study as a page with tables and pictures: one record (JSON) for each log, model and seed.

The pictures go to images/ beside the page. What stands on the page between the marks of the notes is written by hand and kept."""
import argparse
import html
import json
import math
import pathlib
import re
import statistics
import sys

import pictures

ROOT = pathlib.Path(__file__).resolve().parent
OPEN, CLOSE = "<!-- notes -->", "<!-- /notes -->"
ACCURACY = {"R@1": ("test", "recall@1"), "R@5": ("test", "recall@5"), "R@10": ("test", "recall@10"), "R@20": ("test", "recall@20"),
            "N@5": ("test", "ndcg@5"), "N@10": ("test", "ndcg@10"), "MRR": ("test", "mrr"), "validation N@10": ("valid", "ndcg@10")}
COLLAPSE = {"mean cosine": ("mean_cosine", 3), "effective rank": ("effective_rank", 1), "top singular share": ("top_singular_share", 3),
            "uniformity": ("uniformity", 2), "alignment": ("alignment", 3)}


class bad_input(Exception):
    """A file that cannot be used, and why."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=pathlib.Path, default=ROOT / "records", help="a folder of records")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT.parent.parent / "docs/study.md", help="the page")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the page or a picture would change")
    return parser.parse_args()


def read_record(path):
    """A record that has what no row can do without."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad_input(f"{path}: is not JSON: {error}")
    if not isinstance(record, dict):
        raise bad_input(f"{path}: is not a JSON object")
    for key, kind in (("log", str), ("model", str), ("seed", int), ("test", dict)):
        if key not in record:
            raise bad_input(f"{path}: has no `{key}`")
        if not isinstance(record[key], kind):
            raise bad_input(f"{path}: `{key}` is not {'a string' if kind is str else 'an integer' if kind is int else 'an object'}")
    return record


def read_records(folder):
    """{log: {model: its records, by seed}}. Two of the same run, or of two logs under one name, are an error: means would hide it."""
    logs, seen, crc = {}, {}, {}
    for path in sorted(folder.rglob("*.json")):
        record = read_record(path)
        run = (record["log"], record["model"], record["seed"])
        if run in seen:
            raise bad_input(f"{path}: is the same log, model and seed as {seen[run]}")
        seen[run] = path
        if record.get("log_crc") and crc.setdefault(record["log"], (record["log_crc"], path))[0] != record["log_crc"]:
            raise bad_input(f"{path}: another log of the name {record['log']} than in {crc[record['log']][1]}: `log_crc` differs")
        logs.setdefault(record["log"], {}).setdefault(record["model"], []).append(record)
    if not seen:
        raise bad_input(f"{folder}: holds no records")
    by_seed = lambda runs: sorted(runs, key=lambda r: r["seed"])
    return {log: {model: by_seed(runs) for model, runs in best_first(models)} for log, models in sorted(logs.items())}


def best_first(models):
    """By mean test NDCG@10; what has none comes last."""
    mean = lambda runs: average(numbers(runs, *ACCURACY["N@10"]), default=-math.inf)
    return sorted(models.items(), key=lambda entry: (-mean(entry[1]), entry[0]))


def look(record, *keys):
    """What stands in a record under these keys, or None: baselines that count have no epochs and no vectors."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def number(record, *keys):
    value = look(record, *keys)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) else None


def numbers(records, *keys):
    """The figure in all records that have it."""
    return [value for record in records if (value := number(record, *keys)) is not None]


def listed(record, *keys):
    """(place from 1, value) of a list, without what is no number: a validation may have been none."""
    values = look(record, *keys)
    return [(k, v) for k, v in enumerate(values, 1) if number({"": v}, "") is not None] if isinstance(values, list) else []


def average(values, default=None):
    return statistics.fmean(values) if values else default


def deviation(values):
    return statistics.stdev(values) if len(values) > 1 else None


def figure(value, decimals=4):
    """.0614, or nothing."""
    return "" if value is None else re.sub(r"^(-?)0\.", r"\1.", f"{round(value, decimals) + 0.0:.{decimals}f}")


def whole(value):
    return "" if value is None else f"{value:,.0f}"


def seconds(value):
    """Whole seconds, or a decimal where that would say nothing."""
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def row(cells):
    return "| " + " | ".join(re.sub(r"([|<])", r"\\\1", str(cell)) for cell in cells) + " |"


def table(heads, rows):
    return [row(heads), "|" + "---|" * len(heads), *(row(cells) for cells in rows), ""]


def accuracy(models):
    """One row a model, means over its seeds; the best figure of a column is bold, with all that look the same."""
    means = {model: {head: figure(average(numbers(runs, *keys))) for head, keys in ACCURACY.items()} for model, runs in models.items()}
    best = {head: max((means[m][head] for m in models if means[m][head]), key=float, default=None) for head in ACCURACY}
    rows = []
    for model, runs in models.items():
        cells = [model]
        for head, keys in ACCURACY.items():
            spread = deviation(numbers(runs, *keys))
            mean = f"**{means[model][head]}**" if means[model][head] and means[model][head] == best[head] else means[model][head]
            cells.append(mean if spread is None else f"{mean} ± {figure(spread)}")
        rows.append(cells + [len(runs), seconds(average(numbers(runs, "seconds"))), whole(max(numbers(runs, "memory_mb"), default=None))])
    return table(["model", *ACCURACY, "seeds", "seconds", "peak MB"], rows)


def commands(models):
    """The command of each row, folded; another seed is the same command, unless it says more than another seed."""
    lines = []
    for model, runs in models.items():
        groups = {}
        for run in runs:
            if isinstance(run.get("command"), str):
                groups.setdefault(re.sub(r"--seed[ =]\d+", "--seed", run["command"]), []).append(run)
        for same in groups.values():
            first, several = same[0], len(same) > 1
            says = [f"seed{'s' if several else ''} {', '.join(str(r['seed']) for r in same)}"]
            says += [f"{whole(v)} parameters" for v in numbers(same[:1], "parameters")]
            if number(first, "best_epoch") is not None and number(first, "epochs") is not None:
                says.append("best epoch " + ", ".join(f"{whole(number(r, 'best_epoch'))} of {whole(number(r, 'epochs'))}" for r in same))
            lines += [f"# {model}: {'; '.join(says)}", first["command"]]
    return ["<details><summary>Commands</summary>", "", "```", *lines, "```", "", "</details>", ""] if lines else []


def seeds(models):
    """What another seed changes: the figures of every seed, in the order of the seeds."""
    every = lambda runs, *keys: ", ".join(figure(number(r, *keys)) or "–" for r in runs) if numbers(runs, *keys) else ""
    rows = []
    for model, runs in models.items():
        if len(runs) > 1:
            values = numbers(runs, "test", "ndcg@10")
            epochs = ", ".join(whole(number(r, "best_epoch")) or "–" for r in runs) if numbers(runs, "best_epoch") else ""
            rows.append([model, ", ".join(str(r["seed"]) for r in runs), every(runs, "valid", "ndcg@10"), epochs,
                         every(runs, "test", "recall@1"), every(runs, "test", "ndcg@10"),
                         figure(max(values) - min(values)) if values else ""])
    heads = ["model", "seeds", "validation N@10", "best epochs", "test R@1", "test N@10", "range of N@10"]
    return ["### Spread over seeds", "", *table(heads, rows)] if rows else []


def dimensions(run):
    """Of a run's vectors, for the control of the same shape."""
    return len(listed(run, "diagnostics", "noise", "spectrum")) or look(run, "settings", "width") or ""


def collapse(models):
    """Vectors and lists of every model, and Gaussian noise of the same shape."""
    figures = lambda runs, vectors: [figure(average(numbers(runs, "diagnostics", vectors, key)), n) for key, n in COLLAPSE.values()]
    rows, noise = [], {}
    for model, runs in models.items():
        runs = [r for r in runs if isinstance(r.get("diagnostics"), dict)]
        of = lambda key: average(numbers(runs, "diagnostics", "lists", key))
        firsts, lists = whole(of("distinct_first")), whole(of("lists"))
        tops = [figure(of("gap_to_second"), 3), figure(of("gap_to_tenth"), 3), f"{firsts} of {lists}" if firsts and lists else firsts]
        predictions, items = figures(runs, "predictions"), figures(runs, "items")
        if any(predictions + tops):
            rows.append([model, "predictions" if any(predictions) else "", *predictions, *tops])
        if any(items):
            rows.append([model, "items", *items, "", "", ""])
        for run in (r for r in runs if any(figures([r], "noise"))):
            noise.setdefault(str(dimensions(run)), []).append(run)
    for size, runs in sorted(noise.items(), key=lambda entry: (len(entry[0]), entry[0])):
        rows.append(["Gaussian noise", f"{size} dimensions" if size else "", *figures(runs, "noise"), "", "", ""])
    if not rows:
        return []
    return ["### Collapse", "",
            "Means over seeds. Gaps are of mean scores, first to second and first to tenth, each in its model's own unit.", "",
            *table(["model", "vectors", *COLLAPSE, "gap to second", "gap to tenth", "distinct firsts"], rows)]


def generations(models):
    """{(model, kind, stop, draws, steps): what its seeds have}."""
    found = {}
    for model, runs in models.items():
        for entry in (e for r in runs if isinstance(r.get("generation"), list) for e in r["generation"] if isinstance(e, dict)):
            way = (str(entry.get("kind", "")), number(entry, "stop") or 0, number(entry, "draws") or 1, number(entry, "steps") or 1)
            found.setdefault((model, *way), []).append(entry)
    return found


def generation(models):
    of = lambda entries, key: average(numbers(entries, key))
    rows = [[model, kind, whole(steps), f"{stop:g}", whole(draws), figure(of(entries, "recall@1")), figure(of(entries, "ndcg@10")),
             seconds(of(entries, "seconds"))] for (model, kind, stop, draws, steps), entries in generations(models).items()]
    return ["### Generation", "", *table(["model", "kind", "steps", "stop", "draws", "R@1", "N@10", "seconds"], rows)] if rows else []


def family_of(model, models):
    return pictures.family(model, str(models[model][0].get("kind", "")))


def draw_bars(log, models):
    known = [(m, family_of(m, models)) for m in models if any(numbers(models[m], "test", key) for key in ("recall@1", "ndcg@10"))]
    panels = [(head, {m: (average(v), deviation(v)) for m, _ in known if (v := numbers(models[m], "test", key))})
              for head, key in (("Recall@1", "recall@1"), ("NDCG@10", "ndcg@10"))]
    return pictures.bars(f"{log}: test, full ranking", known, panels) if known else None


def with_dashes(series):
    """Lines of one family share a colour, so each gets a dash of its own."""
    used = {}
    for s in series:
        used[s["group"]] = used.get(s["group"], -1) + 1
        s["dash"] = pictures.DASHES[used[s["group"]] % len(pictures.DASHES)]
    return series


def draw_curves(log, models):
    series = []
    for model, runs in models.items():
        points = next((p for r in runs if (p := listed(r, "curve"))), None)
        if points:
            best = max(points, key=lambda p: p[1])
            series.append({"name": model, "group": family_of(model, models), "points": points, "shape": "", "best": best})
    title = f"{log}: validation NDCG@10 by epoch"
    return pictures.lines(title, [("", with_dashes(series))], "epoch; a dot marks the best") if series else None


def draw_spectra(log, models):
    """Each beside its largest: the length of the vectors says nothing about collapse. Below a millionth is rounding."""
    shape = lambda values: [(k, v / values[0][1]) for k, v in values if v > 0 and v >= 1e-6 * values[0][1]]
    series, noise = [], {}
    for model, runs in models.items():
        run = next((r for r in runs if listed(r, "diagnostics", "predictions", "spectrum")), None)
        points = run and shape(listed(run, "diagnostics", "predictions", "spectrum"))
        if points:
            series.append({"name": model, "group": family_of(model, models), "points": points, "shape": ""})
            control = shape(listed(run, "diagnostics", "noise", "spectrum"))
            if control:
                noise.setdefault(len(control), control)
    if not series:
        return None
    with_dashes(series)
    for size, points in sorted(noise.items()):
        name = "Gaussian noise" if len(noise) == 1 else f"Gaussian noise, {size}"
        series.append({"name": name, "group": "noise", "points": points, "shape": "", "dash": "6 5"})
    title = f"{log}: singular values of the predictions, beside the largest"
    return pictures.lines(title, [("", series)], "singular value, largest first", logarithmic=True)


def draw_generation(log, models):
    """Panels of its own for every model: what steps change is small beside what models differ in."""
    found = generations(models)
    steps, kinds = sorted({key[4] for key in found}), list(dict.fromkeys(key[1] for key in found))
    shape = lambda kind: list(pictures.MARKERS)[kinds.index(kind) % len(pictures.MARKERS)]
    named = lambda kind, stop, draws: kind + (f", stop {stop:g}" if stop else "") + (f", {draws:g} draws" if draws > 1 else "")
    panels = []
    for model in models:
        for head, metric in (("Recall@1", "recall@1"), ("NDCG@10", "ndcg@10")):
            lines = {}
            for (whose, kind, stop, draws, step), entries in sorted(found.items(), key=lambda e: (kinds.index(e[0][1]), e[0][2:])):
                if whose == model and (mean := average(numbers(entries, metric))) is not None:
                    lines.setdefault((kind, stop, draws), []).append((steps.index(step), mean))
            series = [{"name": named(kind, stop, draws), "group": family_of(model, models), "points": points, "shape": shape(kind)}
                      for (kind, stop, draws), points in lines.items()]
            if series:
                panels.append((f"{model}: {head}", with_dashes(series)))
    if not panels or len(steps) < 2:
        return None
    title = f"{log}: accuracy by steps of generation"
    return pictures.lines(title, panels, "steps; axes do not begin at 0", x_names=[f"{s:g}" for s in steps])


def section(log, models, folder, images):
    """The lines of a log; its pictures are added to `images`, {path: SVG}."""
    def shown(kind, draw, what):
        if not (content := draw(log, models)):
            return []
        name = re.sub(r"[^\w.-]", "-", log) + f"-{kind}.svg"
        images[folder / name] = content
        return [f"![{what} on {html.escape(log)}](images/{folder.name}/{name})", ""]

    runs = [r for group in models.values() for r in group]
    facts = [f"{whole(v[0])} {key}" for key in ("users", "items") if (v := numbers(runs, key))]
    facts += [f"CRC-32 `{crc}`" for crc in sorted({str(r["log_crc"]) for r in runs if r.get("log_crc")})]
    return [f"## {log}", "", *([", ".join(facts) + ".", ""] if facts else []), *accuracy(models), *commands(models),
            *shown("bars", draw_bars, "Recall@1 and NDCG@10 of every model"), *shown("curves", draw_curves, "Validation NDCG@10 by epoch"),
            *seeds(models), *collapse(models), *shown("spectra", draw_spectra, "Singular values of the predictions"),
            *generation(models), *shown("generation", draw_generation, "Accuracy by steps of generation")]


def notes(page):
    """The marks of the notes and what somebody wrote between them."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if (OPEN in old) != (CLOSE in old) or old.rfind(CLOSE) < old.find(OPEN):
        raise bad_input(f"{page}: `{OPEN}` and `{CLOSE}` are not a pair")
    return OPEN + (old.partition(OPEN)[2].rpartition(CLOSE)[0] or "\n") + CLOSE


def write(page, logs):
    """{path: content} of the page and its pictures."""
    runs = [r for models in logs.values() for group in models.values() for r in group]
    images, hours = {}, sum(numbers(runs, "seconds")) / 3600
    many = lambda things, name: f"{len(things)} {name}{'s' if len(things) > 1 else ''}"
    lines = ["# Study", "",
             "Protocol: leave-one-out, full ranking over all items that are not in the history, selection by NDCG@10 on validation only.",
             f"{many(runs, 'record')} of {many(logs, 'log')}, {hours:.1f} hours in all; written by `examples/study/report.py`.",
             "Metrics on test unless a column says otherwise; means over seeds, ± sample standard deviation where there are several;",
             "the best accuracy of a column is bold.", ""]
    for log, models in logs.items():
        lines += section(log, models, page.parent / "images" / page.stem, images)
    return {page: "\n".join([*lines, notes(page), ""]), **images}


def main():
    given = arguments()
    try:
        files = write(given.output, read_records(given.records))
    except bad_input as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    changed = {path: content for path, content in files.items() if not path.exists() or path.read_bytes() != content.encode()}
    if given.check:
        return 1 if changed else 0
    for path, content in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(content.encode())
        fresh.replace(path)  # an interrupted run leaves the old file whole
    print(f"{given.output}: {len(files) - 1} pictures, {len(changed)} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
