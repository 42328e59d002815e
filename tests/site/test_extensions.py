"""What the website's own extensions do with a figure, a card, a claim, the map and the ledger, without a build."""

import copy
import io
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import evo_outputs  # noqa: E402
import evo_pages  # noqa: E402
import evo_slim  # noqa: E402

from evo import claims  # noqa: E402
from evo.verdicts import Effect  # noqa: E402

EVOLUTION = yaml.safe_load((ROOT / "book" / "evolution.yml").read_text(encoding="utf8"))


@pytest.fixture(scope="module")
def svg():
    """A figure with a curve, a legend on a frame, and a picture with black and white text on it."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams["svg.fonttype"] = "none"
    figure = Figure(figsize=(6, 3))
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], label="curve", color="#3b82c4")
    left.legend()
    right.imshow([[0, 1], [1, 0]])
    right.text(0, 0, "on the dark", color="white")
    right.text(1, 0, "on the bright", color="black")
    right.set_title("beside the picture")
    file = io.StringIO()
    figure.savefig(file, format="svg")
    return file.getvalue()


def element(html, words):
    """The text group around `words`."""
    return next(part for part in re.split(r'(?=<g [^>]*id="[^"]*text_)', html) if words in part)


def test_figure_follows_the_theme(svg):
    html = evo_outputs.figure_html(svg, 'A curve & a "picture"', "mae1-")
    assert 'role="img"' in html and 'aria-label="A curve &amp; a &quot;picture&quot;"' in html
    assert "<?xml" not in html and "<metadata" not in html
    ground = re.search(r'id="mae1-patch_1"><path[^>]*style="([^"]*)"', html)
    assert "fill: none" in ground[1]
    assert "var(--evo-ground)" in re.search(r'id="mae1-legend_1">.*?style="([^"]*)"', html)[1]
    assert "#3b82c4" in html  # the data's colours stay
    assert "#000000" not in element(html, "beside the picture")


def test_what_stands_on_a_picture_keeps_its_colour_and_the_picture_a_white_card(svg):
    html = evo_outputs.figure_html(svg, "x", "a-")
    assert 'fill="#000000"' in element(html, "on the bright")
    assert "#ffffff" in element(html, "on the dark")
    assert re.search(r'<rect fill="#fff"[^>]*/?>(</rect>)?<image', html)


def test_ids_of_two_figures_do_not_meet(svg):
    one, two = (evo_outputs.figure_html(svg, "x", prefix) for prefix in ("a-", "b-"))
    ids = [set(re.findall(r'\bid="([^"]+)"', html)) for html in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', one))
    assert used and used <= ids[0]


def notebook(*data, alt=None):
    metadata = {"mystnb": {"image": {"alt": alt}}} if alt else {}
    outputs = [{"output_type": "display_data", "data": copy.deepcopy(d), "metadata": {}} for d in data]
    return {"cells": [{"cell_type": "code", "source": "", "metadata": metadata, "outputs": outputs}]}


def test_figure_without_alt_text_is_reported(svg):
    assert evo_outputs.rewrite(notebook({"image/svg+xml": svg}), "book/x", {}) == ["cell 0 shows a figure without alt text"]
    assert evo_outputs.rewrite(notebook({"image/svg+xml": svg}, alt="A curve."), "book/x", {}) == []


def test_card_and_claim_are_drawn_from_their_data():
    fields = dict.fromkeys(claims.CARD_FIELDS, "some <b> words") | {"chapter": "MAE", "cpu_seconds": 210, "gpu_seconds": None}
    claim = claims.claim("c", "It is so.", source="key", reported="1", effect=Effect(2, 1, 3, "points", 3))
    book = notebook(claims.card(**fields)._repr_mimebundle_(), claim._repr_mimebundle_())
    assert evo_outputs.rewrite(book, "book/x", {"key": "Doe 2020"}) == []
    card, shown = (output["data"]["text/html"] for output in book["cells"][0]["outputs"])
    assert "MAE" in card and "some &lt;b&gt; words" in card and "4 minutes" in card
    assert "Doe 2020" in shown and 'id="claim-c"' in shown
    problems = evo_outputs.rewrite(notebook(claim._repr_mimebundle_()), "book/x", {"other": "Roe 2021"})
    assert problems == ["claim c: source 'key' is not a key of references.bib"]


def test_every_verdict_has_a_shape_and_a_colour_in_both_themes():
    style = (ROOT / "book" / "_static" / "evo.css").read_text()
    shapes = {kind: re.search(rf"\.evo-dots i\.{kind} \{{ background: (.*?); \}}", style) for kind in evo_outputs.VERDICTS}
    assert shapes.pop("untestable") is None, "an empty square"
    assert len({shape[1] for shape in shapes.values()}) == 3
    for kind in evo_outputs.VERDICTS:
        assert len(set(re.findall(rf"--evo-{kind}: (#\w+);", style))) == 2 and f"--v: var(--evo-{kind})" in style


def test_words_in_tables_stand_on_the_left_and_numbers_on_the_right():
    table = "<table><tr><th></th><th>word</th><th>share</th></tr><tr><th>0</th><td>dog</td><td>24.9% ± 0.9%</td></tr></table>"
    assert evo_outputs.words_left(table) == table.replace("<th>word", '<th class="words">word').replace("<td>dog", '<td class="words">dog')
    merged = '<table><tr><th colspan="2">word</th></tr><tr><td>dog</td><td>1</td></tr></table>'
    assert evo_outputs.words_left(merged) == merged


def test_map_is_sound_and_reports_what_is_not():
    pages = {f"book/{node['chapter']}" for node in EVOLUTION["nodes"] if node.get("chapter")}
    assert list(evo_pages.check_map(EVOLUTION, pages)) == []
    broken = copy.deepcopy(EVOLUTION)
    broken["nodes"][0]["chapter"] = "words/lost"
    broken["nodes"][1].update(column=broken["nodes"][2]["column"], row=broken["nodes"][2]["row"])
    broken["arrows"].append(["bow", "nobody"])
    assert len(list(evo_pages.check_map(broken, pages))) == 3


def test_arrows_go_forward_in_time():
    known = {node["id"]: node for node in EVOLUTION["nodes"]}
    for start, end in EVOLUTION["arrows"]:
        assert known[start]["column"] <= known[end]["column"], (start, end)


def test_pages_lose_what_they_do_not_use():
    page = '<script src="../_static/searchtools.js"></script><script defer src="_static/scripts/fontawesome.js?x=1"></script>'
    assert evo_slim.slim_page(page, is_search=False).strip() == ""
    assert evo_slim.slim_page(page, is_search=True).strip() == '<script defer src="../_static/searchtools.js"></script>'
