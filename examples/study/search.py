"""The search of settings, made on validation alone, as lines of Markdown, for report.py. A trial is a model named FAMILY.TRIAL."""
from records import ACCURACY, all_runs, best_first, mean, set_words
from tables import best_epochs, bold, figure, folded, hours, many, seconds, table

# Settings that say nothing unless (kind, settings) make use of them.
USED = {
    "candidates": lambda kind, s: s.get("ranking") == "sampled_softmax",
    "divergence_weight": lambda kind, s: kind == "cddrec" and s.get("objective") != "softmax",
    "kl_weight": lambda kind, s: kind in ("vae", "svae"),
    "lambda": lambda kind, s: kind in ("vae", "svae") or kind == "cddrec" and s.get("objective") != "softmax",
    "negatives": lambda kind, s: kind == "cddrec" or s.get("ranking") != "softmax",
    "objective": lambda kind, s: kind == "cddrec",
    "temperature": lambda kind, s: s.get("lambda", "0") != "0",
}


def by_family(models):
    """{family: [the records of a trial], best validation first}."""
    families = {}
    for model, runs in best_first(models, "validation N@10"):
        families.setdefault(model.partition(".")[0], []).append(runs)
    return dict(sorted(families.items()))


def budget(log, models):
    """How many trials every family had: a comparison is fair if all had the same, and as long ones."""
    counts = {family: len(trials) for family, trials in by_family(models).items()}
    if len(set(counts.values())) == 1:
        return f"on {log} every family alike, {many(min(counts.values()), 'trial')} each"
    return f"on {log} " + ", ".join(f"{count} of {family}" for family, count in counts.items())


def plain(value):
    """0.0005, not 5e-04."""
    try:
        return f"{float(value):g}" if "e" in value else value
    except ValueError:
        return value


def ran_with(run):
    """{key: value} of what a trial ran with, whatever went without saying in its command then; and its preset."""
    named = dict(word.partition("=")[::2] for word in set_words(run["command"]))
    return {key: plain(str(value)) for key, value in {**named, **run["settings"]}.items()
            if key not in USED or USED[key](run.get("kind"), run["settings"])}


def telling_keys(runs):
    """The keys that a command names, and those in which trials differ without naming them, as they do where a default has changed."""
    named = [word.partition("=")[0] for run in runs for word in set_words(run["command"])]
    values = {}
    for run in runs:
        for key, value in ran_with(run).items():
            values.setdefault(key, set()).add(value)
    return list(dict.fromkeys(named + sorted(key for key, several in values.items() if len(several) > 1)))


def words(settings, keys):
    return ", ".join(f"{key}={settings[key]}" for key in keys if key in settings)


def trial_tables(models):
    """What the trials of a family share; and what each has of its own, with what came of it."""
    keys, shared, rows = telling_keys([runs[0] for runs in models.values()]), [], []
    for family, trials in by_family(models).items():
        ran = [ran_with(runs[0]) for runs in trials]
        common = [key for key in keys if len({settings.get(key) for settings in ran}) == 1]
        if told := words(ran[0], common):
            shared.append([family, told])
        cells = [figure(mean(runs, *ACCURACY["validation N@10"])) for runs in trials]
        rows += [[family, words(settings, [key for key in keys if key not in common]), bold(cell, cells[0]), best_epochs(runs),
                  seconds(mean(runs, "seconds"))] for runs, settings, cell in zip(trials, ran, cells)]
    return [*(table(["family", "all its trials"], shared) if shared else []),
            *table(["family", "this trial", "validation N@10", "best epoch", "seconds"], rows)]


def search_section(search, notes):
    """`notes`, written by hand, stand above the tables, and stay on the page if there are none."""
    if not search:
        return ["## Search", "", notes, ""] if notes.count("\n") > 1 else []
    trials, budgets = sum(len(models) for models in search.values()), [budget(log, models) for log, models in search.items()]
    told = f"{many(trials, 'trial')}, {hours(all_runs(search))} hours of training: {'; '.join(budgets)}; no figure of test was kept."
    lines = ["## Search", "", told, "", notes, ""]
    for log, models in search.items():
        lines += folded(f"{log}: {many(len(models), 'trial')}", trial_tables(models))
    return lines
