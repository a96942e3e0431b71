"""The tables of a log as lines of Markdown, for report.py."""
import html
import math
import re
import statistics

from records import ACCURACY, BASES, average, best_first, changes, deviation, generations, listed, look, mean, number, numbers, set_words

COLLAPSE = {"mean cosine": ("mean_cosine", 3), "effective rank": ("effective_rank", 1), "top singular share": ("top_singular_share", 3),
            "uniformity": ("uniformity", 2), "alignment": ("alignment", 3)}
POSITIONS = {"cosine of a user's positions (encodings)": "encoding_cosine",
             "cosine of a user's positions (predictions)": "prediction_cosine"}


def figure(value, decimals=4, sign=""):
    """.0614, or nothing; with the sign "+", +.0614."""
    return "" if value is None else re.sub(r"^([-+]?)0\.", r"\1.", f"{round(value, decimals) + 0.0:{sign}.{decimals}f}")


def whole(value):
    return "" if value is None else f"{value:,.0f}"


def seconds(value):
    """Whole seconds, or a decimal where that would say nothing."""
    return "" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def many(count, name):
    return f"{count} {name}{'s' if count > 1 else ''}"


def hours(runs):
    return f"{sum(numbers(runs, 'seconds')) / 3600:.1f}"


def bold(cell, best):
    """The best figure, and all that look the same."""
    return f"**{cell}**" if cell and cell == best else cell


def row(cells):
    return "| " + " | ".join(re.sub(r"([|<])", r"\\\1", str(cell)) for cell in cells) + " |"


def table(heads, rows):
    return [row(heads), "|" + "---|" * len(heads), *(row(cells) for cells in rows), ""]


def accuracy(models):
    """One row a model, means over its seeds; the best figure of a column is bold."""
    means = {model: {head: figure(mean(runs, *keys)) for head, keys in ACCURACY.items()} for model, runs in models.items()}
    best = {head: max((means[m][head] for m in models if means[m][head]), key=float, default=None) for head in ACCURACY}
    rows = []
    for model, runs in models.items():
        cells = [model]
        for head, keys in ACCURACY.items():
            cell, spread = bold(means[model][head], best[head]), deviation(numbers(runs, *keys))
            cells.append(cell if spread is None else f"{cell} ± {figure(spread)}")
        rows.append(cells + [len(runs), seconds(mean(runs, "seconds")), whole(max(numbers(runs, "memory_mb"), default=None))])
    return [*table(["model", *ACCURACY, "seeds", "seconds", "peak MB"], rows), *chance(models)]


def chance(models):
    """How far recall would vary if other users had been tested."""
    runs = [run for group in models.values() for run in group]
    users = max(numbers(runs, "users"), default=0)
    errors = []
    for head in ("R@1", "R@10") if users > 0 else ():
        means = [value for group in models.values() if (value := mean(group, *ACCURACY[head])) is not None]
        if 0 < (best := max(means, default=0)) < 1:
            errors.append(f"±{figure(math.sqrt(best * (1 - best) / users))} of the best {head}")
    return [f"Other users of the same kind would make {' and '.join(errors)} (one standard error); the models share the users, so that "
            "their differences vary less, and seeds come on top.", ""] if errors else []


def folded(summary, lines):
    return [f"<details><summary>{html.escape(summary)}</summary>", "", *lines, "</details>", ""]


def best_epochs(runs):
    """Of every run that counts epochs: `37 of 57`."""
    pairs = [(number(r, "best_epoch"), number(r, "epochs")) for r in runs]
    return ", ".join(f"{whole(best)} of {whole(last)}" for best, last in pairs if best is not None and last is not None)


def commands(models):
    """The command of each row, folded; another seed is the same command, unless it says more than another seed."""
    lines = []
    for model, runs in models.items():
        groups = {}
        for run in runs:
            if isinstance(run.get("command"), str):
                groups.setdefault(re.sub(r"--seed[ =]\d+", "--seed", run["command"]), []).append(run)
        for same in groups.values():
            several = len(same) > 1
            says = [f"seed{'s' if several else ''} {', '.join(str(r['seed']) for r in same)}"]
            says += [f"{whole(v)} parameters" for v in numbers(same[:1], "parameters")]
            if epochs := best_epochs(same):
                says.append(f"best epoch {epochs}")
            lines += [f"# {model}: {'; '.join(says)}", same[0]["command"]]
    return folded("Commands", ["```", *lines, "```", ""]) if lines else []


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


def set_differently(model, base):
    """A model's kind, where it is another than the base's, the words that its command sets beside those of the base's, and those of the
    base that it lacks."""
    mine, theirs = (next((set_words(r["command"]) for r in runs if isinstance(r.get("command"), str)), None) for runs in (model, base))
    if mine is None or theirs is None:
        return ""
    kind, other = (str(runs[0].get("kind", "")) for runs in (model, base))
    return ", ".join([f"model={kind}"] * (kind != other) + [word for word in mine if word not in theirs] +
                     [f"without {word}" for word in theirs if word not in mine])


def shared_seeds(runs, base):
    """(run, the base's of the same seed) of the seeds that both have."""
    of = {r["seed"]: r for r in base}
    return [(r, of[r["seed"]]) for r in runs if r["seed"] in of]


def difference(pairs, head):
    """The mean difference within pairs of runs, ± its sample standard deviation."""
    both = [(number(run, *ACCURACY[head]), number(base, *ACCURACY[head])) for run, base in pairs]
    differences = [own - other for own, other in both if own is not None and other is not None]
    spread = deviation(differences)
    return figure(average(differences), sign="+") + ("" if spread is None else f" ± {figure(spread)}")


def single_changes(models):
    """What each change of a base brings."""
    heads, lines = ("validation N@10", "N@10", "R@1"), []
    for name in BASES:
        base, rows = models.get(name), []
        for model, runs in best_first(changes(name, models), heads[0]):
            pairs = shared_seeds(runs, base)
            cells = [model, set_differently(runs, base), len(pairs)]
            for head in heads:
                cells += [figure(mean(runs, *ACCURACY[head])), difference(pairs, head)]
            rows.append(cells)
        if rows:
            lines += [f"Means over all seeds of a model; differences are to `{name}`, over the seeds that both have, ± their sample standard "
                      "deviation.", "", *table(["model", "set differently", "seeds of both", heads[0], "difference", "test N@10", "difference",
                                                "test R@1", "difference"], rows)]
    return ["### Single changes", "", *lines] if lines else []


def game(models):
    """How the discriminator and the reward went in whole epochs of pretraining and of the game; both may share the one between."""
    rows = []
    for model, run in ((model, run) for model, runs in models.items() for run in runs):
        curves = [dict(listed(run, "game", name)) for name in ("gan_d", "gan_accuracy", "gan_reward")]
        epochs = range(1, max((epoch for curve in curves for epoch in curve), default=0) + 1)
        begin = number(run, "game", "epochs_of_pretraining")
        if not epochs or begin is None:
            continue
        of = lambda curve, some: [curve[epoch] for epoch in some if epoch in curve]
        pretraining, played = [e for e in epochs if e <= begin], [e for e in epochs if e - 1 >= begin]
        best = number(run, "best_epoch")
        selected = whole(best)
        if best in epochs:
            selected += ", in pretraining" if best <= begin else ", in the game" if best in played else ", as the game begins"
        before, right, reward = of(curves[1], pretraining), of(curves[1], played), of(curves[2], played)
        rows.append([model, run["seed"], f"{begin:.1f}", len(epochs), selected,
                     *(figure(values[k] if values else None, 3)
                       for values, k in ((before, 0), (before, -1), (right, 0), (right, -1), (reward, 0), (reward, -1)))])
    heads = ["model", "seed", "epochs of pretraining", "epochs", "selected epoch", "discriminator accuracy, first epoch",
             "end of pretraining", "begin of the game", "last epoch", "reward, begin of the game", "last epoch"]
    return ["### The game", "", *table(heads, rows)] if rows else []


def dimensions(run):
    """Of a run's vectors, for the control of the same shape."""
    return len(listed(run, "diagnostics", "noise", "spectrum")) or look(run, "settings", "width") or ""


def collapse(models):
    """Vectors and lists of every model beside its accuracy, and of Gaussian noise of the same shapes."""
    figures = lambda runs, vectors: [figure(mean(runs, "diagnostics", vectors, key), n) for key, n in COLLAPSE.values()]
    positions = {head: key for head, key in POSITIONS.items()
                 if any(numbers(runs, "diagnostics", "positions", key) for runs in models.values())}

    def tops(runs, lists, places):
        of = lambda key: mean(runs, "diagnostics", lists, key)
        firsts, count = whole(of("distinct_first")), whole(of("lists"))
        return [figure(of("gap_to_second"), 3), figure(of("gap_to_tenth"), 3), f"{firsts} of {count}" if firsts and count else firsts,
                *(figure(mean(runs, "diagnostics", places, key), 3) for key in positions.values())]

    rows, noise, none = [], {}, [""] * (3 + len(positions))
    for model, runs in models.items():
        runs = [r for r in runs if isinstance(r.get("diagnostics"), dict)]
        predictions, items, lists = figures(runs, "predictions"), figures(runs, "items"), tops(runs, "lists", "positions")
        if any(predictions + lists):
            right = [figure(mean(runs, *ACCURACY[head])) for head in ("R@1", "N@10")]
            rows.append([model, "predictions" if any(predictions) else "", *right, *predictions, *lists])
        if any(items):
            rows.append([model, "items", "", "", *items, *none])
        for run in (r for r in runs if any(figures([r], "noise"))):
            noise.setdefault(str(dimensions(run)), []).append(run)
    for size, runs in sorted(noise.items(), key=lambda entry: (len(entry[0]), entry[0])):
        name = f"Gaussian noise, {size} dimensions" if size else "Gaussian noise"
        rows.append([name, "predictions", "", "", *figures(runs, "noise"), *tops(runs, "noise_lists", "noise_positions")])
        if any(items := figures(runs, "noise_items")):
            rows.append([name, "items", "", "", *items, *none])
    if not rows:
        return []
    return ["### Collapse", "",
            "Means over seeds. Gaps are of mean scores, first to second and first to tenth, each in its model's own unit.",
            "Uniformity is that of the first 4,000 rows. Effective rank and top share are of vectors as they are scored: of length 1 for "
            "cosines, of any for dot products.", "",
            *table(["model", "vectors", "test R@1", "test N@10", *COLLAPSE, "gap to second", "gap to tenth", "distinct firsts", *positions],
                   rows)]


def latent(models):
    """Whether a variational model uses its latent dimensions: where all have a divergence near 0, it does not."""
    rows = []
    for model, runs in models.items():
        of = lambda key: mean(runs, "diagnostics", "latent", key)
        kept = [[kl for _, kl in pairs] for r in runs if (pairs := listed(r, "diagnostics", "latent", "kl_by_dimension"))]
        active, size = whole(of("active")), whole(of("dimensions"))
        cells = [figure(of("kl")), f"{active} of {size}" if active and size else active,
                 *(figure(average([take(kls) for kls in kept])) for take in (max, statistics.median))]
        if any(cells):
            rows.append([model, *cells])
    heads = ["model", "KL (nats)", "active units", "largest KL of a dimension", "median KL of a dimension"]
    return ["#### Latent variables", "", *table(heads, rows)] if rows else []


# Of a way of generation by draws: how a figure is shown, and what it is.
VARIETY = {"spread": (figure, "Spread: the standard deviation of a score over the draws, mean over the ten best of the first thousand users."),
           "distinct": (whole, "Distinct: different items in the lists of ten of all users.")}


def generation(models):
    """Accuracy of every way of generation; of those by several draws, how far these are apart, and how varied lists are."""
    found = generations(models)
    if not found:
        return []
    known = {key: show for key, show in VARIETY.items() if any(numbers(entries, key) for entries in found.values())}
    some = lambda entries, key: f" ({n})" if 0 < (n := len(numbers(entries, key))) < len(entries) else ""
    rows = [[model, len(entries), kind, whole(steps), f"{stop:g}", whole(draws), figure(mean(entries, "recall@1")),
             figure(mean(entries, "ndcg@10")), *(show(mean(entries, key)) + some(entries, key) for key, (show, _) in known.items()),
             seconds(mean(entries, "seconds"))] for (model, kind, stop, draws, steps), entries in found.items()]
    partly = any(some(entries, key) for entries in found.values() for key in known)
    return ["### Generation", "", *(text for _, text in known.values()), *(["In brackets: of how many seeds, if not of all."] * partly),
            "Seconds are of one evaluation, beside whatever else ran on the machine: they compare within a model at best.", "",
            *folded("Accuracy and time of every way", table(["model", "seeds", "kind", "steps", "stop", "draws", "R@1", "N@10", *known, "seconds"],
                                                            rows))]
