"""The explorer of a recorded study: what it carries, what it draws, what it refuses."""

import json
import math
import xml.etree.ElementTree as ET

import pytest

from evo import explorer as module
from evo.explorer import EXPLORER, explorer
from evo.train import Study


def study(settings, seeds=(0, 1, 2), result=lambda s, seed: {"accuracy": 0.5 + 0.1 * seed}):
    return Study([{"setting": s, "seed": seed, "result": result(s, seed)} for s in settings for seed in seeds], "zoo")


DEPTHS = study(
    [{"depth": d, "kind": k} for d in (4, 1, 2) for k in ("mean", "first") if (d, k) != (4, "first")],
    result=lambda s, seed: {"accuracy": s["depth"] + seed + 10 * (s["kind"] == "first"), "loss": 1 / s["depth"]},
)


def tree(shown):
    return ET.fromstring(shown.markup)


def test_numbers_along_the_axis_make_a_line_through_the_means_and_a_point_a_seed():
    shown = explorer(DEPTHS, "accuracy", along="depth", title="Depth")
    data = shown.data
    assert data["line"] and data["x"]["values"] == [1, 2, 4]
    assert [c["values"] for c in data["controls"]] == [["mean", "first"]] and data["controls"][0]["kind"] == "buttons"
    assert module.means(data, 0, [0]) == {0: 2.0, 1: 3.0, 2: 5.0} and module.means(data, 0, [1]) == {0: 12.0, 1: 13.0}
    circles, paths = tree(shown).findall(".//circle"), tree(shown).findall(".//path")
    assert len(circles) == 9 and len(paths) == 2, "one selection's points; its line and, in grey, the other setting's"
    x = sorted({float(c.get("cx")) for c in circles})
    assert x[2] - x[1] == pytest.approx(2 * (x[1] - x[0]), abs=0.2), "numbers stand at their distances"
    y = {float(c.get("cx")): float(c.get("cy")) for c in circles}
    assert y[x[0]] > y[x[1]] > y[x[2]], "more is higher"
    bold = [p for p in paths if p.get("stroke-width")][0].get("d")
    assert len(bold[1:].split("L")) == 3


def test_words_along_the_axis_make_points_and_their_mean():
    shown = explorer(DEPTHS, "accuracy", along="kind", title="Kind")
    assert not shown.data["line"] and shown.data["x"]["values"] == ["mean", "first"]
    bold = [n for n in tree(shown).findall(".//line") if n.get("stroke-width")]
    assert len(bold) == 1 and not tree(shown).findall(".//path"), "depth 4 was recorded for one kind only"
    assert module.read(shown.data)[0]["at"] == [2], "the first run is shown first"


def test_a_hole_in_the_grid_is_not_recorded():
    data = explorer(DEPTHS, "accuracy", along="kind", title="Kind").data
    assert module.means(data, 0, [2]) == {0: 5.0}
    lone = explorer(study([{"a": 1, "b": "x", "c": 1}, {"a": 2, "b": "y", "c": 2}]), "accuracy", along="a", title="t").data
    assert "not recorded" in module.svg(lone, 0, [0, 1]) and module.said(lone, 0, [0, 1]).endswith("not recorded")


def test_several_metrics_have_their_own_ranges_and_labels():
    data = explorer(DEPTHS, {"accuracy": "share right", "loss": "loss in nats"}, along="depth", title="t").data
    assert [(m["name"], m["label"]) for m in data["metrics"]] == [("accuracy", "share right"), ("loss", "loss in nats")]
    assert data["metrics"][1]["low"] < 0.25 < 1 < data["metrics"][1]["high"] < 2
    assert explorer(DEPTHS, ["loss"], along="depth", title="t", ylabel="nats").data["metrics"][0]["label"] == "nats"


@pytest.mark.parametrize("values, kind", [
    ([1, 2], "buttons"), ([1, 2, 3, 4, 5], "buttons"), ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "slider"), (list("abcdef"), "list"),
    ([1, None], "buttons"),
])  # fmt: skip
def test_every_other_setting_that_varies_becomes_a_control(values, kind):
    data = explorer(study([{"x": x, "same": 7, "v": v} for x in (1, 2) for v in values]), "accuracy", along="x", title="t").data
    assert [(c["name"], c["kind"], c["values"]) for c in data["controls"]] == [("v", kind, values)]


def test_numbers_that_span_much_are_placed_by_their_ratios():
    data = explorer(study([{"n": n} for n in (10, 100, 1000, 10_000)]), "accuracy", along="n", title="t").data
    p = data["x"]["places"]
    assert p[1] - p[0] == pytest.approx(p[2] - p[1], abs=1e-3) and data["x"]["ticks"][-1][1] == "10,000"


def test_what_is_carried_is_short_and_the_same_every_time():
    noisy = study([{"x": 1 / 3}, {"x": 2 / 3}], result=lambda s, seed: {"accuracy": math.pi * (seed + 1), "other": [1] * 50, "text": "x"})
    one, two = (explorer(noisy, "accuracy", along="x", title="t")._repr_mimebundle_() for _ in range(2))
    assert one == two and set(one) == {EXPLORER, "text/plain", "text/html"}
    data = json.loads(json.dumps(one[EXPLORER]))
    assert data["points"][0] == "0 0 3.1416" and data["x"]["values"] == [0.33333, 0.66667] and "other" not in json.dumps(data)
    assert module.shown(json.loads(json.dumps(data, sort_keys=True)))._repr_mimebundle_() == one
    assert one["text/plain"] == "t: accuracy along x, 6 runs"


def test_a_run_that_the_budget_stopped_is_a_ring():
    stopped = study([{"x": 1}, {"x": 2}])
    stopped.rows[1]["cut"] = 0.23
    shown = explorer(stopped, "accuracy", along="x", title="t")
    assert [c.get("fill") for c in tree(shown).findall(".//circle")].count("none") == 1
    assert [p["cut"] for p in module.read(shown.data)][:3] == [None, 0.23, None]


def test_the_figure_says_what_it_shows_and_markup_is_text():
    shown = explorer(study([{"a_b": "<b>"}, {"a_b": 'x"y\''}]), {"accuracy": "share & <more>"}, along="a_b", title="<i>t</i>")
    svg = tree(shown).find("svg")
    assert svg.get("aria-label") == "share & <more>; means along a b: <b>: 0.6; x\"y': 0.6" and svg.get("role") == "img"
    assert tree(shown).find("figcaption").text == "<i>t</i>"


def test_not_a_number_is_not_recorded():
    rows = study([{"x": 1}, {"x": 2}], result=lambda s, seed: {"accuracy": math.nan if s["x"] == 1 else 0.5, "loss": 1.0})
    data = explorer(rows, ["accuracy", "loss"], along="x", title="t").data
    assert "NaN" not in json.dumps(data) and module.means(data, 0, []) == {1: 0.5} and module.means(data, 1, []) == {0: 1.0, 1: 1.0}


@pytest.mark.parametrize("metrics, along, says", [
    ("f1", "depth", "'f1'.*were not recorded.*accuracy, loss"), (["accuracy", "f1"], "depth", "'f1'"),
    ("accuracy", "width", "'width'.*depth, kind"), ([], "depth", "metrics is empty"), ({}, "depth", "metrics is empty"),
])  # fmt: skip
def test_what_is_not_there_is_named(metrics, along, says):
    with pytest.raises(ValueError, match=says):
        explorer(DEPTHS, metrics, along=along, title="t")


def test_a_metric_without_numbers_is_named():
    words = study([{"x": 1}], result=lambda s, seed: {"accuracy": math.nan})
    with pytest.raises(ValueError, match="accuracy.*no finite number"):
        explorer(words, "accuracy", along="x", title="t")
    with pytest.raises(ValueError, match="no setting"):
        explorer(Study([], "zoo"), "accuracy", along="x", title="t")
