"""Pictures of a log, drawn from its records: SVG, or None where no record has what a picture shows. For report.py."""
import pictures
from records import BASES, changes, deviation, generations, listed, mean, numbers


def family_of(model, models):
    return pictures.family(model, str(models[model][0].get("kind", "")))


def draw_bars(log, models):
    known = [(m, family_of(m, models)) for m in models if any(numbers(models[m], "test", key) for key in ("recall@1", "ndcg@10"))]
    panels = [(head, {m: (mean(models[m], "test", key), deviation(v)) for m, _ in known if (v := numbers(models[m], "test", key))})
              for head, key in (("Recall@1", "recall@1"), ("NDCG@10", "ndcg@10"))]
    return pictures.bars(f"{log}: test, full ranking", known, panels) if known else None


def with_dashes(series):
    """Lines of one family share a colour, so each gets a dash of its own; the model that the family is named after gets none."""
    used = {}
    for s in sorted(series, key=lambda s: s["name"] != s["group"]):
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
    shape = lambda values: [(k, v / values[0][1]) for k, v in values if 0 < values[0][1] <= 1e6 * v]
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
    for size, points in sorted(noise.items()):
        name = "Gaussian noise" if len(noise) == 1 else f"Gaussian noise, {size}"
        series.append({"name": name, "group": "noise", "points": points, "shape": ""})
    title = f"{log}: singular values of the predictions, beside the largest"
    return pictures.lines(title, [("", with_dashes(series))], "singular value, largest first", logarithmic=True)


def draw_generation(log, models):
    """Panels of its own for every model that is no change of another: what steps change is small beside what models differ in."""
    of_changes = {m for base in BASES for m in changes(base, models)}
    models = {m: runs for m, runs in models.items() if m not in of_changes}
    found = generations(models)
    steps, kinds = sorted({key[4] for key in found}), list(dict.fromkeys(key[1] for key in found))
    shape = lambda kind: list(pictures.MARKERS)[kinds.index(kind) % len(pictures.MARKERS)]
    named = lambda kind, stop, draws: kind + (f", stop {stop:g}" if stop else "") + (f", {draws:g} draws" if draws > 1 else "")
    panels = []
    for model in models:
        for head, metric in (("Recall@1", "recall@1"), ("NDCG@10", "ndcg@10")):
            lines = {}
            for (whose, kind, stop, draws, step), entries in sorted(found.items(), key=lambda e: (kinds.index(e[0][1]), e[0][2:])):
                if whose == model and (value := mean(entries, metric)) is not None:
                    lines.setdefault((kind, stop, draws), []).append((steps.index(step), value))
            series = [{"name": named(kind, stop, draws), "group": family_of(model, models), "points": points, "shape": shape(kind),
                       "hollow": draws > 1}
                      for (kind, stop, draws), points in lines.items()]
            if series:
                panels.append((f"{model}: {head}", with_dashes(series)))
    if not panels or len(steps) < 2:
        return None
    title = f"{log}: accuracy by steps of generation"
    return pictures.lines(title, panels, "steps; axes need not begin at 0", x_names=[f"{s:g}" for s in steps])
