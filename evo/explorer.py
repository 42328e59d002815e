"""An explorer of a recorded study: what a reader may turn, without running anything.

The output carries the numbers as JSON; the website puts buttons and sliders beside them. Everywhere else, and without
JavaScript, it is a figure of the first setting.
"""
import html
import math
from numbers import Real

from evo.claims import _Shown
from evo.inputs import check_text
from evo.inputs import kind as kind_of

EXPLORER = "application/vnd.evo.explorer+json"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 600, 330, 64, 16, 14, 52  # of the figure, in pixels
COLOR = "#0072b2"
FEW = 5  # values that stand side by side as buttons; more numbers become a slider


def explorer(study, metrics, *, along, title, ylabel=None):
    """Show `study` (evo.train.Study) so that a reader can choose what to see of it.

    metrics: a name, a list of names or {name: label}. along: the setting on the horizontal axis; numbers give a line through
    the means with a point a seed, words give points and their mean. Every other setting with more than one value becomes a
    control, and so do the metrics if there are several. What was not recorded is not drawn.
    """
    _check_rows(study)
    check_text(along, "along")
    check_text(title, "title")
    if ylabel is not None:
        check_text(ylabel, "ylabel")
    rows = [r for r in study.rows if along in r["setting"]]
    settings = {name for r in study.rows for name in r["setting"]}
    if not rows:
        raise ValueError(f"along={along!r} is no setting of this study; it has {_listed(settings)}")
    metrics = {metrics: metrics} if isinstance(metrics, str) else metrics
    if not isinstance(metrics, (list, tuple, dict)):
        raise ValueError(f"metrics must be a name, a list of names or {{name: label}}, got {kind_of(metrics)}")
    for words in [*metrics, *(metrics.values() if isinstance(metrics, dict) else ())]:
        check_text(words, "each name and label of metrics")
    labels = dict(metrics) if isinstance(metrics, dict) else {name: name for name in metrics}
    known = {name for r in rows for name in r["result"]}
    if not labels:
        raise ValueError(f"metrics is empty: name at least one of {_listed(known)}")
    if set(labels) - known:
        raise ValueError(f"metrics={sorted(set(labels) - known)} were not recorded by this study; it has {_listed(known)}")
    wordless = [name for name in labels if not any(_number(r["result"].get(name)) for r in rows)]
    if wordless:
        raise ValueError(f"metrics={wordless} hold no finite number")

    axis = _values(r["setting"][along] for r in rows)
    controls, names = [], [n for n in dict.fromkeys(n for r in rows for n in r["setting"]) if n != along]
    for name in names:
        values = _values(r["setting"].get(name) for r in rows)
        if len(values) > 1:
            kind = "buttons" if len(values) <= FEW else "slider" if _numeric(values) else "list"
            controls.append({"name": name, "kind": kind, "values": values})
    points, columns = [], [[] for _ in labels]
    for r in rows:  # one short line a run: a notebook holds each entry of a list on a line of its own
        at = [c["values"].index(_plain(r["setting"].get(c["name"]))) for c in controls]
        numbers = [_five(r["result"].get(name)) for name in labels]
        for column, n in zip(columns, numbers):
            column += [n] if n is not None else []
        cut = [_five(r["cut"])] if "cut" in r else []
        words = [*at, axis.index(_plain(r["setting"][along])), r["seed"], *("-" if n is None else repr(n) for n in numbers), *cut]
        points.append(" ".join(map(str, words)))
    data = {
        "title": title, "along": along, "line": _numeric(axis), "x": _x_axis(axis),
        "metrics": [{"name": n, "label": ylabel or text, "short": text, **_y_axis(c)} for (n, text), c in zip(labels.items(), columns)],
        "controls": controls, "points": points,
    }
    return shown(data)


def _check_rows(study):
    """Has `study` what evo.train.Study has?"""
    rows = getattr(study, "rows", None)
    if not isinstance(rows, (list, tuple)):
        raise ValueError(f"study must be a Study of evo.train, as study(...) returns it, got {kind_of(study)}")
    for r in rows:
        whole = isinstance(r, dict) and all(isinstance(r.get(name), dict) for name in ("setting", "result"))
        if not whole or len(str(r.get("seed", "")).split()) != 1:
            raise ValueError("each row of a study must be a dict of setting and result, which are dicts, and seed, a number")
        if "cut" in r and not _number(r["cut"]):
            raise ValueError(f"cut={r['cut']!r:.60} must be the share of the steps that a run did, a number")


def shown(data):
    """What a cell displays, from the JSON alone."""
    chosen = first(data)
    markup = (f"<figure class='evo-explorer'><figcaption>{html.escape(data['title'])}</figcaption>"
              f"{svg(data, *chosen)}<p>{html.escape(selection(data, *chosen))}</p></figure>")
    names = ", ".join(m["short"] for m in data["metrics"])
    text = f"{data['title']}: {names} along {_words(data['along'])}, {len(data['points'])} runs"
    return _Shown(EXPLORER, data, text, markup)


def first(data):
    """(number of the metric, number of each control's value) shown at first: those of the first run that has it."""
    return 0, next(p["at"] for p in read(data) if p["y"][0] is not None)


def selection(data, metric, at):
    """What is shown, in words."""
    said = [f"{_words(c['name'])} {label(c['values'][i])}" for c, i in zip(data["controls"], at)]
    return "; ".join([data["metrics"][metric]["short"], *said])


def means(data, metric, at):
    """{place on the axis: mean over seeds} of one selection."""
    found = {}
    for p in read(data):
        if p["at"] == at and p["y"][metric] is not None:
            found.setdefault(p["x"], []).append(p["y"][metric])
    return {x: sum(found[x]) / len(found[x]) for x in sorted(found)}


def said(data, metric, at):
    """A selection's means in one sentence, for those who do not see the figure."""
    values = "; ".join(f"{label(data['x']['values'][x])}: {m:.4g}" for x, m in means(data, metric, at).items())
    return f"{selection(data, metric, at)}; means along {_words(data['along'])}: {values or 'not recorded'}"


def svg(data, metric, at):
    """The figure of one selection; other settings' means stay behind it in grey. book/_static/explorer.js draws the same."""
    y, points, right, floor = data["metrics"][metric], read(data), WIDTH - RIGHT, HEIGHT - BOTTOM
    across = lambda x: LEFT + x * (right - LEFT)
    place = lambda x: across(data["x"]["places"][x])
    rise = lambda v: TOP + (y["high"] - v) / (y["high"] - y["low"]) * (floor - TOP)
    line = lambda found: "M" + "L".join(f"{place(x):.1f} {rise(v):.1f}" for x, v in found.items())
    parts = []
    for v, text in y["ticks"]:
        parts.append(_tag("line", x1=LEFT, x2=right, y1=rise(v), y2=rise(v), stroke="currentColor", stroke_opacity=".15"))
        parts.append(_text(text, LEFT - 8, rise(v) + 4, "end"))
    parts += [_text(text, across(x), floor + 18) for x, text in data["x"]["ticks"]]
    parts.append(_text(_words(data["along"]), (LEFT + right) / 2, HEIGHT - 8))
    parts.append(_text(y["label"], 14, (floor + TOP) / 2, transform=f"rotate(-90 14 {(floor + TOP) / 2:.1f})"))
    if data["line"]:
        behind = [means(data, metric, list(other)) for other in sorted({tuple(p["at"]) for p in points}) if list(other) != at]
        parts += [_tag("path", d=line(f), fill="none", stroke="currentColor", stroke_opacity=".18") for f in behind if len(f) > 1]
    for p in points:
        if p["at"] == at and p["y"][metric] is not None:  # a run that the time budget stopped is a ring
            look = dict(r=4, fill="none" if p["cut"] else COLOR, fill_opacity=".55", stroke=COLOR)
            parts.append(_tag("circle", cx=place(p["x"]), cy=rise(p["y"][metric]), **look))
    found = means(data, metric, at)
    if data["line"] and len(found) > 1:
        parts.append(_tag("path", d=line(found), fill="none", stroke=COLOR, stroke_width=2.5))
    else:
        parts += [_tag("line", x1=place(x) - 16, x2=place(x) + 16, y1=rise(v), y2=rise(v), stroke=COLOR, stroke_width=3)
                  for x, v in found.items()]
    if not found:
        parts.append(_text("not recorded", (LEFT + right) / 2, (floor + TOP) / 2))
    return (f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' role='img' aria-label=\"{html.escape(said(data, metric, at))}\" "
            f"style='max-width:100%;height:auto' font-size='13' fill='currentColor' font-family='sans-serif'>{''.join(parts)}</svg>")


def read(data):
    """The runs behind the figure: {"at": number of each control's value, "x", "seed", "y": one number a metric, "cut"}."""
    n, found = len(data["controls"]), []
    for text in data["points"]:
        at, (x, seed, *y) = [int(i) for i in text.split()[:n]], text.split()[n:]
        stopped = len(y) > len(data["metrics"])
        numbers = [None if v == "-" else float(v) for v in y[:len(data["metrics"])]]
        found.append({"at": at, "x": int(x), "seed": seed, "y": numbers, "cut": float(y[-1]) if stopped else None})
    return found


def _tag(name, **attributes):
    """An SVG element without content; numbers with one digit."""
    said = (f" {k.replace('_', '-')}='{f'{v:.1f}' if isinstance(v, float) else v}'" for k, v in attributes.items())
    return f"<{name}{''.join(said)}/>"


def _text(words, x, y, anchor="middle", **more):
    return _tag("text", x=float(x), y=float(y), text_anchor=anchor, **more)[:-2] + f">{html.escape(words)}</text>"


def label(value):
    """A setting's value in words."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _values(found):
    """The values a setting takes: numbers in their order, words as they come."""
    values = list(dict.fromkeys(map(_plain, found)))
    return sorted(values) if _numeric(values) else values


def _plain(value):
    """A setting as JSON holds it and as it can be compared: True and 1 are two values."""
    if value is None or isinstance(value, (bool, str)):
        return label(value) if isinstance(value, bool) else value
    if isinstance(value, Real) and math.isfinite(value):
        return int(value) if float(value).is_integer() and abs(value) >= 1 else float(f"{float(value):.5g}")
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def _number(value):
    return isinstance(value, Real) and math.isfinite(value)


def _five(value):
    return float(f"{float(value):.5g}") if _number(value) else None


def _numeric(values):
    return all(isinstance(v, (int, float)) for v in values)


def _x_axis(values):
    """Values, their places from 0 to 1 and what stands under them. Numbers that span much are placed by their ratios."""
    if not _numeric(values):
        places = [(i + 0.5) / len(values) for i in range(len(values))]
    elif len(values) == 1:
        places = [0.5]
    else:
        ratios = values[0] > 0 and values[-1] / values[0] >= 20
        where = [math.log(v) if ratios else v for v in values]
        places = [0.04 + 0.92 * (w - where[0]) / (where[-1] - where[0]) for w in where]
    places = [round(p, 4) for p in places]
    ticks, end = [], -1.0
    for p, v in zip(places, values):
        half = len(label(v)) * 4 / (WIDTH - LEFT - RIGHT)  # no two labels may meet
        if p - half > end:
            ticks.append([p, label(v)])
            end = p + half
    return {"values": values, "places": places, "ticks": ticks}


def _y_axis(numbers):
    """The same range for every selection, so that turning a control compares, with round ticks."""
    low, high = min(numbers), max(numbers)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (k * step) <= 6)
    digits = max(0, -math.floor(math.log10(step)))
    ticks = [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return {"low": _five(low), "high": _five(high), "ticks": [[_five(t), f"{t:,.{digits}f}"] for t in ticks]}


def _words(name):
    return name.replace("_", " ")


def _listed(names):
    return ", ".join(sorted(map(str, names))) or "none"
