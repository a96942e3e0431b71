"""Bars and lines as SVG, for report.py: no dependencies, the same bytes for the same figures, readable on light and dark pages."""
import html
import math

# Family: name in the legend, colour on a light page, colour on a dark one. Ours stands out; the others differ in lightness, too, so
# that they can be told apart without colour.
FAMILIES = {
    "cddrec": ("CDDRec", "#d1430b", "#ff8a4c"),
    "sequential": ("self-attention, recurrent", "#2d5687", "#4f83c8"),
    "vae": ("variational", "#2b8a72", "#5cc4a6"),
    "gan": ("adversarial", "#b884cb", "#d7aee6"),
    "counting": ("counting", "#949ca5", "#737b85"),
    "noise": ("Gaussian noise", "#57606a", "#9198a1"),
}
DASHES = ("", "7 3", "2 3", "9 3 2 3", "14 4", "4 2 1 2", "14 3 2 3 2 3", "1 5")
MARKERS = {"circle": (), "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)), "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
           "triangle": ((0, -1.3), (1.3, 1), (-1.3, 1))}
WIDTH, LETTER, LINE = 860, 7.3, 18  # of a picture, of a letter at 13 px, of a line of text


def family(model, kind=""):
    """The family of a model, which gives it its colour."""
    names = f"{model} {kind}".lower()
    if model.startswith("cddrec") or kind == "cddrec":
        return "cddrec"
    if any(word in names for word in ("popularity", "markov", "knn")):
        return "counting"
    return next((word for word in ("vae", "gan") if word in names), "sequential")


def style():
    """Text and grid are greys that can be read on the other background, too: the page may be light where the system is dark."""
    rule = lambda which: "".join(f".{name}{{color:{colours[which]}}}" for name, colours in FAMILIES.items())
    return ('svg{font:13px -apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}text{fill:#57606a}'
            ".small{font-size:12px}.title{font-size:15px;font-weight:600}.ours{font-weight:600;fill:currentColor}"
            ".grid{stroke:#8b949e;stroke-opacity:.25}.axis{stroke:#6e7781}.error{stroke:#24292f;stroke-width:1.5}"
            ".bar{fill:currentColor}.hollow{fill:none;stroke:currentColor;stroke-width:1.8}"
            ".line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}"
            ".cddrec.line{stroke-width:2.6}.leader{fill:none;stroke:currentColor;stroke-opacity:.55;stroke-dasharray:1 3}"
            f"{rule(1)}@media(prefers-color-scheme:dark){{text{{fill:#9198a1}}.error{{stroke:#e6edf3}}{rule(2)}}}")


def picture(width, height, title, body):
    name, wide, high = html.escape(title), f"{width:.0f}", f"{height:.0f}"
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" role="img" '
                      f'aria-label="{name}">', f"<title>{name}</title>", f"<style>{style()}</style>",
                      text(12, 24, title, "title"), *body, "</svg>", ""])


def text(x, y, content, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{html.escape(content)}</text>'


def stroke(points, kind, dash=""):
    where = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{where}" class="{kind}"' + (f' stroke-dasharray="{dash}"' if dash else "") + "/>"


def mark(x, y, shape, group, hollow=False, size=4):
    """A mark, filled or not; shapes tell apart what colours do not."""
    kind = "hollow" if hollow else "bar"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" class="{kind} {group}"/>'
    where = " ".join(f"{x + a * size:.1f},{y + b * size:.1f}" for a, b in MARKERS[shape])
    return f'<polygon points="{where}" class="{kind} {group}"/>'


def ticks(low, high, most=6, least=0.0):
    """(value, label) at round numbers, from one at or below low to one at or above high; steps are `least` or more."""
    wanted = max((abs(high - low) or abs(high) or 1) / most, least)
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= wanted * (1 - 1e-9))
    decimals = len(f"{step:.10f}".rstrip("0").partition(".")[2])
    label = lambda v: f"{v:.{decimals}f}".replace("0.", ".", 1) if decimals and abs(v) < 1 and v else f"{v:.{decimals}f}" if v else "0"
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [(k * step, label(k * step)) for k in range(first, max(last, first + 1) + 1)]


def bars(title, models, panels):
    """Bars of models, one panel a metric, side by side. models: (name, family); panels: (heading, {name: (mean, deviation or None)})."""
    names = 24 + 1.1 * LETTER * max(len(name) for name, _ in models)  # ours are bold: wider
    room, row, top, gap = max(230, (WIDTH - names) / len(panels) - 66), 25, 66, 66
    bottom, body = top + row * len(models), []
    for k, (heading, values) in enumerate(panels):
        left = names + k * (room + gap)
        marks = ticks(0, max((mean + (deviation or 0) for mean, deviation in values.values()), default=0) or 1, most=4)
        x = lambda value: left + room * min(max(value / marks[-1][0], 0), 1)
        body.append(text(left, top - 12, heading))
        for value, label in marks:
            body.append(stroke([(x(value), top), (x(value), bottom)], "grid" if value else "axis"))
            body.append(text(x(value), bottom + 17, label, "small", "middle"))
        for i, (name, group) in enumerate(models):
            middle, accent = top + row * (i + 0.5), f"ours {group}" if group == "cddrec" else ""
            if k == 0:
                body.append(text(names - 10, middle + 4.5, name, accent, "end"))
            if name not in values:
                continue
            mean, deviation = values[name]
            body.append(f'<rect x="{left:.1f}" y="{middle - 8:.1f}" width="{x(mean) - left:.1f}" height="16" class="bar {group}"/>')
            if deviation is not None:
                low, high = x(mean - deviation), x(mean + deviation)
                body.append(stroke([(low, middle), (high, middle)], "error"))
                body += [stroke([(end, middle - 4), (end, middle + 4)], "error") for end in (low, high)]
            body.append(text(x(mean + (deviation or 0)) + 6, middle + 4.5, f"{mean:.4f}".removeprefix("0"), f"small {accent}"))
    at = names
    for group in (g for g in FAMILIES if g in {g for _, g in models}):
        body.append(f'<rect x="{at:.1f}" y="{bottom + 35}" width="12" height="12" class="bar {group}"/>')
        body.append(text(at + 18, bottom + 45.5, FAMILIES[group][0], "small"))
        at += 44 + LETTER * 0.82 * len(FAMILIES[group][0])
    return picture(max(WIDTH, at, names + len(panels) * (room + gap)), bottom + 60, title, body)


def spread_out(wanted, low, high, least):
    """Heights near the wanted ones, `least` apart and between low and high: labels that would meet share their mean."""
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], i))
    blocks = []  # [sum, count] of wanted heights, each less `least` for every label above it: these may be equal but not fall
    for k, i in enumerate(order):
        blocks.append([wanted[i] - k * least, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    heights = [total / count for total, count in blocks for _ in range(count)]
    last = high - (len(order) - 1) * least
    return {i: min(max(heights[k], low), last) + k * least for k, i in enumerate(order)}


def decades(low, high):
    """(power of ten, label) for a logarithmic axis; one or two decades have 2 and 5 between them."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    first -= first == last
    powers = range(first, last + 1, max(1, math.ceil((last - first) / 8)))
    if last - first > 3:
        return [(k, "1" if k == 0 else "10" + str(k).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))) for k in powers]
    values = [(k, m) for k in powers for m in ((1, 2, 5) if last - first < 3 and k < last else (1,))]
    return [(k + math.log10(m), f"{m * 10.0 ** k:.{max(0, -k)}f}".removeprefix("0")) for k, m in values]


def lines(title, panels, x_label, x_names=None, logarithmic=False):
    """Panels of lines below each other, every line named at its end.

    panels: (heading, series); a series: {name, group, dash, points: [(x, y)], shape: the mark at every point or "", hollow: whether it is
    not filled, best: one (x, y) to mark}. x_names: names of x = 0, 1, …, instead of numbers. logarithmic: decades of y, which must be above 0."""
    every = [s for _, series in panels for s in series]
    right = 58 + LETTER * max(len(s["name"]) * (1.1 if s["group"] == "cddrec" else 1) for s in every)  # ours are bold: wider
    left, plot = 64, max(380, WIDTH - 64 - right)
    most_x = max(x for s in every for x, _ in s["points"])
    least_x = min(x for s in every for x, _ in s["points"]) - (0.3 if x_names else 0)
    most_x = max(most_x + (0.3 if x_names else 0), least_x + 1)
    at_x = lambda value: left + plot * (value - least_x) / (most_x - least_x)
    columns = list(enumerate(x_names)) if x_names else [t for t in ticks(least_x, most_x, most=8, least=1) if least_x <= t[0] <= most_x]
    body, top = [], 42
    for heading, series in panels:
        values = [y for s in series for _, y in s["points"]]
        rows = decades(min(values), max(values)) if logarithmic else ticks(0 if not x_names else min(values), max(values))
        scale, low, high = math.log10 if logarithmic else float, rows[0][0], rows[-1][0]
        top += 24 if heading else 4
        bottom = top + max(270 if len(panels) == 1 else 160, LINE * len(series))
        at_y = lambda value: bottom - (bottom - top) * (scale(value) - low) / (high - low)
        body.append(text(12, top - 12, heading))
        for value, label in rows:
            y = bottom - (bottom - top) * (value - low) / (high - low)
            body += [stroke([(left, y), (left + plot, y)], "grid"), text(left - 8, y + 4, label, "small", "end")]
        body.append(stroke([(left, bottom), (left + plot, bottom)], "axis"))
        body += [text(at_x(value), bottom + 17, label, "small", "middle") for value, label in columns]
        places = spread_out([at_y(s["points"][-1][1]) for s in series], top, bottom, LINE)
        edge = left + plot
        for i in sorted(range(len(series)), key=lambda i: series[i]["group"] == "cddrec"):  # ours last: on top
            s, group = series[i], series[i]["group"]
            where = [(at_x(x), at_y(y)) for x, y in s["points"]]
            body.append(stroke([where[-1], (edge, where[-1][1]), (edge + 14, places[i])], f"leader {group}"))
            body.append(stroke(where, f"line {group}", s["dash"]))
            body += [mark(x, y, s["shape"], group, s.get("hollow")) for x, y in where if s["shape"]]
            if s.get("best"):
                body.append(mark(at_x(s["best"][0]), at_y(s["best"][1]), "circle", group))
            body.append(stroke([(edge + 16, places[i]), (edge + 40, places[i])], f"line {group}", s["dash"]))
            if s["shape"]:
                body.append(mark(edge + 28, places[i], s["shape"], group, s.get("hollow")))
            body.append(text(edge + 46, places[i] + 4.5, s["name"], f"ours {group}" if group == "cddrec" else ""))
        top = bottom + 28
    body.append(text(left + plot / 2, top + 8, x_label, "small", "middle"))
    return picture(left + plot + right, top + 20, title, body)
