"""Reads the records of a study and takes figures from them, for report.py."""
import json
import math
import re
import statistics

ACCURACY = {"R@1": ("test", "recall@1"), "R@5": ("test", "recall@5"), "R@10": ("test", "recall@10"), "R@20": ("test", "recall@20"),
            "N@5": ("test", "ndcg@5"), "N@10": ("test", "ndcg@10"), "MRR": ("test", "mrr"), "validation N@10": ("valid", "ndcg@10")}
# Of which row others are a change of one thing, and how these are named.
BASES = {"cddrec": r"cddrec-.*|encoder(-.*)?", "paper-code": r"paper-(code-sampled|no-.*|one-view|mse)"}
# What no row of the page can do without: of a run, and of a trial of the search, which has no business with test.
RUN = {"log": str, "model": str, "seed": int, "test": dict}
TRIAL = {"log": str, "model": str, "seed": int, "command": str, "settings": dict, "valid": dict}


class bad_input(Exception):
    """A file that cannot be used, and why."""


def read_record(path, needed):
    """A record that has what is needed, {key: kind}."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise bad_input(f"{path}: is not JSON: {error}")
    if not isinstance(record, dict):
        raise bad_input(f"{path}: is not a JSON object")
    for key, kind in needed.items():
        if key not in record:
            raise bad_input(f"{path}: has no `{key}`")
        if not isinstance(record[key], kind):
            raise bad_input(f"{path}: `{key}` is not {'a string' if kind is str else 'an integer' if kind is int else 'an object'}")
    if "test" in record and "test" not in needed:
        raise bad_input(f"{path}: has `test`, which a search must not look at")
    return record


def read_records(folder, needed):
    """{log: {model: its records, by seed}}. Two of the same run, or of two logs under one name, are an error: means would hide it."""
    logs, seen, crc = {}, {}, {}
    for path in sorted(folder.rglob("*.json")):
        record = read_record(path, needed)
        run = (record["log"], record["model"], record["seed"])
        if run in seen:
            raise bad_input(f"{path}: has the same log, model and seed as {seen[run]}")
        seen[run] = path
        if record.get("log_crc") and crc.setdefault(record["log"], (record["log_crc"], path))[0] != record["log_crc"]:
            raise bad_input(f"{path}: is of another log named {record['log']} than {crc[record['log']][1]}: `log_crc` differs")
        logs.setdefault(record["log"], {}).setdefault(record["model"], []).append(record)
    if not seen:
        raise bad_input(f"{folder}: holds no records")
    by_seed = lambda runs: sorted(runs, key=lambda r: r["seed"])
    return {log: {model: by_seed(runs) for model, runs in best_first(models, "N@10")} for log, models in sorted(logs.items())}


def best_first(models, head):
    """(model, its records) by the mean of what ACCURACY has under this head; a model without it comes last."""
    key = lambda value: -math.inf if value is None else value
    return sorted(models.items(), key=lambda entry: (-key(mean(entry[1], *ACCURACY[head])), entry[0]))


def changes(base, models):
    """{model: its records} of what is a change of one thing of a base; nothing without the base."""
    return {model: runs for model, runs in models.items() if base in models and re.fullmatch(BASES[base], model)}


def pictured(models, most=12):
    """What pictures show: all models or, if these are too many to be told apart, all but single changes of the same kind as their base that
    have one seed."""
    left_out = {m for base in BASES for m, runs in changes(base, models).items()
                if len(runs) == 1 and runs[0].get("kind") == models[base][0].get("kind")}
    return models if len(models) <= most else {m: runs for m, runs in models.items() if m not in left_out}


def all_runs(logs):
    return [run for models in logs.values() for runs in models.values() for run in runs]


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


def average(values):
    return statistics.fmean(values) if values else None


def mean(records, *keys):
    """Of the figure, over the records that have it."""
    return average(numbers(records, *keys))


def deviation(values):
    return statistics.stdev(values) if len(values) > 1 else None


def set_words(command):
    """What a command sets: the key=value words behind every --set, and its preset."""
    found = re.findall(r"--(set|preset)[ =]+([^ -]\S*(?: +[^ -]\S*)*)", command)
    return [word if option == "set" else f"preset={word}" for option, words in found for word in words.split()]


def generations(models):
    """{(model, kind, stop, draws, steps): what its seeds have}."""
    found = {}
    for model, runs in models.items():
        for entry in (e for r in runs if isinstance(r.get("generation"), list) for e in r["generation"] if isinstance(e, dict)):
            way = (str(entry.get("kind", "")), number(entry, "stop") or 0, number(entry, "draws") or 1, number(entry, "steps") or 1)
            found.setdefault((model, *way), []).append(entry)
    return found
