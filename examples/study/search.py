"""The search of settings, made on validation alone, as lines of Markdown, for report.py. A trial is a model named FAMILY.TRIAL."""
from records import ACCURACY, all_runs, best_first, mean, set_words
from tables import best_epochs, bold, figure, folded, hours, many, seconds, table


def by_family(models):
    """{family: [the records of a trial], best validation first}."""
    families = {}
    for model, runs in best_first(models, "validation N@10"):
        families.setdefault(model.partition(".")[0], []).append(runs)
    return dict(sorted(families.items()))


def budget(log, models):
    """How many trials every family had: a comparison is fair if all had the same."""
    counts = {family: len(trials) for family, trials in by_family(models).items()}
    if len(set(counts.values())) == 1:
        return f"on {log} one budget for every family, {many(min(counts.values()), 'trial')} each"
    return f"on {log} " + ", ".join(f"{count} of {family}" for family, count in counts.items())


def trial_table(models):
    rows = []
    for family, trials in by_family(models).items():
        cells = [figure(mean(runs, *ACCURACY["validation N@10"])) for runs in trials]
        rows += [[family, ", ".join(set_words(runs[0]["command"])) or "as it comes", bold(cell, cells[0]), best_epochs(runs),
                  seconds(mean(runs, "seconds"))] for runs, cell in zip(trials, cells)]
    return table(["family", "what is set", "validation N@10", "best epoch", "seconds"], rows)


def search_section(search):
    if not search:
        return []
    trials, budgets = sum(len(models) for models in search.values()), [budget(log, models) for log, models in search.items()]
    told = f"{many(trials, 'trial')}, {hours(all_runs(search))} hours: {'; '.join(budgets)}; only validation was looked at."
    lines = ["## Search", "", told, ""]
    for log, models in search.items():
        lines += folded(f"{log}: {many(len(models), 'trial')}", trial_table(models))
    return lines
