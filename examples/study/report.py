#!/usr/bin/env python3
"""Writes the records of a study as a page with tables and pictures: one record (JSON) for each log, model and seed,
and one for each trial of the search that came before.

The pictures go to images/ beside the page. What stands on the page between the marks of the notes is written by hand and kept."""
import argparse
import html
import pathlib
import re
import sys

from across import beside_rivals, changes_on_several, every_log
from drawings import draw_bars, draw_curves, draw_generation, draw_spectra
from records import RUN, TRIAL, all_runs, bad_input, numbers, pictured, read_records
from search import search_section
from tables import accuracy, collapse, commands, game, generation, hours, latent, many, seeds, single_changes, whole

ROOT = pathlib.Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--records", type=pathlib.Path, default=ROOT / "records", help="a folder of records")
    parser.add_argument("--search", type=pathlib.Path, default=ROOT / "search",
                        help="a folder of records of trials, each of a model FAMILY.TRIAL; if it does not exist, the page is without them")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT.parent.parent / "docs/study.md", help="the page")
    parser.add_argument("--check", action="store_true",
                        help="write nothing; exit status 1 if the page or a picture would change, or a picture is no longer on it")
    return parser.parse_args()


def section(log, models, folder, images):
    """The lines of a log; its pictures are added to `images`, {path: SVG}."""
    def shown(kind, draw, what):
        if not (content := draw(log, drawn)):
            return []
        name = re.sub(r"[^\w.-]", "-", log) + f"-{kind}.svg"
        images[folder / name] = content
        return [f"![{what} on {html.escape(log)}](images/{folder.name}/{name})", ""]

    runs, drawn = [r for group in models.values() for r in group], pictured(models)
    said = ["The pictures are without single changes of the same kind of model that have one seed: they have a table of their own."]
    said = said[len(drawn) == len(models):] + ["Curves and spectra are those of a model's first seed."] * any(len(r) > 1 for r in drawn.values())
    facts = [f"{whole(v[0])} {key}" for key in ("users", "items") if (v := numbers(runs, key))]
    facts += [f"CRC-32 `{crc}`" for crc in sorted({str(r["log_crc"]) for r in runs if r.get("log_crc")})]
    return [f"## {log}", "", *([", ".join(facts) + ".", ""] if facts else []), *accuracy(models), *commands(models),
            *([" ".join(said), ""] if said else []),
            *shown("bars", draw_bars, "Recall@1 and NDCG@10 of the models"), *shown("curves", draw_curves, "Validation NDCG@10 by epoch"),
            *seeds(models), *single_changes(models), *game(models),
            *collapse(models), *shown("spectra", draw_spectra, "Singular values of the predictions"), *latent(models),
            *generation(models), *shown("generation", draw_generation, "Accuracy by steps of generation")]


def notes(page, name):
    """The marks of the notes of this name and what somebody wrote between them."""
    first, last = f"<!-- {name} -->", f"<!-- /{name} -->"
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if (first in old) != (last in old) or old.rfind(last) < old.find(first):
        raise bad_input(f"{page}: `{first}` and `{last}` are not a pair")
    return first + (old.partition(first)[2].rpartition(last)[0] or "\n") + last


def write(page, logs, search):
    """{path: content} of the page and its pictures."""
    runs, trials, images = all_runs(logs), all_runs(search), {}
    spent = f"{hours(runs + trials)} hours of training in all" + (f" with the search's {hours(trials)}" if search else "")
    lines = ["# Study", "",
             "Protocol: leave-one-out, full ranking over all items that are not in the history, selection by NDCG@10 on validation only.",
             f"{many(len(runs), 'record')} of {many(len(logs), 'log')}, {spent}; written by `examples/study/report.py`.",
             "Metrics on test unless a column says otherwise; means over seeds, ± sample standard deviation where there are several;",
             "the best accuracy of a column is bold, however small its lead.", "", *every_log(logs), *beside_rivals(logs), *changes_on_several(logs),
             notes(page, "notes"), "",
             *search_section(search, notes(page, "notes on the search"))]
    for log, models in logs.items():
        lines += section(log, models, page.parent / "images" / page.stem, images)
    return {page: "\n".join(lines), **images}


def main():
    given = arguments()
    try:
        search = read_records(given.search, TRIAL) if given.search.exists() else {}
        files = write(given.output, read_records(given.records, RUN), search)
        changed = {path: content for path, content in files.items() if not path.exists() or path.read_bytes() != content.encode()}
    except bad_input as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    except (OSError, UnicodeDecodeError) as error:
        print(f"report.py: {given.output}: cannot be read: {error}", file=sys.stderr)
        return 2
    left = sorted(path for path in (given.output.parent / "images" / given.output.stem).glob("*.svg") if path not in files)
    for path in left:
        print(f"report.py: {path} is no longer on the page; delete it", file=sys.stderr)
    if given.check:
        for path in changed:
            print(f"report.py: {path} would change", file=sys.stderr)
        return 1 if changed or left else 0
    try:
        for path, content in changed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(path.name + ".new")
            fresh.write_bytes(content.encode())
            fresh.replace(path)  # an interrupted run leaves the old file whole
    except OSError as error:
        print(f"report.py: {given.output}: cannot be written: {error}", file=sys.stderr)
        return 2
    print(f"{given.output}: {len(files) - 1} pictures, {len(changed)} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
