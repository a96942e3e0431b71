"""The tables of several logs beside one another as lines of Markdown, for report.py."""
import re

from records import ACCURACY, BASES, average, changes, look, mean
from tables import bold, difference, figure, shared_seeds, table

# The same model under the names of its logs, each of whose settings it has.
BY_LOG = {"paper": r"paper-(office|beauty|tools|toys)", "paper-code-sampled": r"paper-code-sampled-(beauty|tools|toys)"}
# What our rows are compared with, by kind of model, and how many times its first item's recall they were to reach; what else they were to
# reach: the best figures that we know of for the same file and full ranking and, for Office_Products, what an early trial in PyTorch had.
OURS = ("cddrec", "cddrec-softmax-alone")
RIVALS = {"variational": (("vae", "svae"), "1.2"), "adversarial": (("gan",), "1.2"),
          "other": (("sasrec", "gru4rec", "item_knn", "markov", "popularity"), "above 1")}
AIMS = {"Office_Products": {"R@10": 0.117, "N@10": 0.065}, "Beauty": {"R@10": 0.1041, "N@10": 0.0614},
        "Toys_and_Games": {"R@10": 0.0970, "N@10": 0.0580}}


def every_log(logs):
    """What was trained on several logs, all of them beside one another."""
    heads, shown, named = ("R@1", "N@10"), {}, {}
    for log, models in logs.items():
        for model, runs in models.items():
            name = next((name for name, names in BY_LOG.items() if re.fullmatch(names, model)), model)
            named.setdefault(name, set()).add(model)
            shown.setdefault(name, {}).update({(log, head): mean(runs, *ACCURACY[head]) for head in heads})
    shown = {model: means for model, means in shown.items() if len(means) > len(heads)}
    best = {column: max((means[column] for means in shown.values() if means.get(column) is not None), default=None)
            for column in ((log, head) for log in logs for head in heads)}
    share = lambda means: average([means[c] / top for c, top in best.items() if c[1] == "N@10" and top and means.get(c) is not None]) or 0
    rows = [[model, *(bold(figure(means.get(column)), figure(top)) for column, top in best.items())]
            for model, means in sorted(shown.items(), key=lambda entry: (-share(entry[1]), entry[0]))]
    renamed = [f"`{name}` stands for {', '.join(f'`{m}`' for m in sorted(named[name] - {name}))}." for name in BY_LOG if name in shown]
    says = ["What was trained on several logs; first comes what has on average the greatest part of a log's best NDCG@10.", *renamed, ""]
    return ["## All logs", "", *says, *table(["model", *(f"{log} {head}" for log, head in best)], rows)] if rows else []


def beside_rivals(logs):
    """Our rows beside the best of each family of rivals at the first rank, and beside their aims."""
    ours = [name for name in OURS if any(name in models for models in logs.values())]
    shown = [log for log, models in logs.items() if any(name in models for name in ours)]
    of = lambda log, name, head: mean(logs[log].get(name, []), *ACCURACY[head])
    both = lambda log, show: " / ".join(show(name) for name in ours)

    def ratio(log, kinds):
        rivals = {name: of(log, name, "R@1") for name, runs in logs[log].items() if look(runs[0], "kind") in kinds}
        best = max(rivals, key=lambda name: (rivals[name] or 0, name), default=None)
        if best is None or not rivals[best]:
            return ""
        times = lambda name: "–" if (own := of(log, name, "R@1")) is None else figure(own / rivals[best], 2)
        return f"{both(log, times)} ({best})"

    rows = [[f"R@1 over that of the best {family} model (aim: {aim})", *cells]
            for family, (kinds, aim) in RIVALS.items() if any(cells := [ratio(log, kinds) for log in shown])]
    if not rows:
        return []
    for head in ("R@10", "N@10"):
        rows.append([head, *(both(log, lambda name: figure(of(log, name, head)) or "–") for log in shown)])
        if any(cells := [figure(AIMS.get(log, {}).get(head)) for log in shown]):
            rows.append([f"{head}, aim", *cells])
    says = ["On test, by means over seeds; in brackets behind a ratio the rival."
            + " Where aims of R@10 and N@10 come from is said [below](#what-is-published)." * (rows[-1][0] == "N@10, aim")]
    return ["### CDDRec beside its rivals", "", *says, "", *table([" / ".join(f"`{name}`" for name in ours), *shown], rows)]


def changes_on_several(logs):
    """What a change of a base brings on every log, if it was made on several."""
    heads, lines = {"validation N@10": "validation N@10", "test N@10": "N@10", "test R@1": "R@1"}, []
    for base in BASES:
        found = {}
        for log, models in logs.items():
            for model, runs in changes(base, models).items():
                found.setdefault(model, {})[log] = shared_seeds(runs, models[base])
        several = {model: on for model, on in sorted(found.items()) if len(on) > 1}
        shown = [log for log in logs if any(log in on for on in several.values())]
        cell = lambda pairs, head: f"{text} ({len(pairs)})" if (text := difference(pairs, head)) else ""
        rows = [[model, says, *cells] for model, on in several.items() for says, head in heads.items()
                if any(cells := [cell(on.get(log, []), head) for log in shown])]
        if rows:
            lines += [f"Differences to `{base}`: means over the seeds that both have, ± sample standard deviation (number of these seeds).", "",
                      *table(["model", "difference of", *shown], rows)]
    return ["### Single changes on several logs", "", *lines] if lines else []
