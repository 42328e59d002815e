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

import evo_head  # noqa: E402
import evo_outputs  # noqa: E402
import evo_pages  # noqa: E402
import evo_search  # noqa: E402
import evo_slim  # noqa: E402
import evo_social  # noqa: E402

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
    style = (ROOT / "book" / "_static" / "evo.css").read_text(encoding="utf-8")
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
    broken["nodes"][1]["stream"] = "lake"
    broken["nodes"][2]["year"] = "long ago"
    broken["nodes"].append(broken["nodes"][3])
    broken["arrows"].append(["bow", "nobody"])
    assert len(list(evo_pages.check_map(broken, pages))) == 5


def test_the_map_lays_itself_out():
    places, columns, lanes = evo_pages.layout(EVOLUTION)
    assert len(set(places.values())) == len(places) == len(EVOLUTION["nodes"]), "no two nodes at one place"
    assert columns[:2] == ["1954", "1997–2006"] and columns[-1] == "today"
    for node in EVOLUTION["nodes"]:
        column, row = places[node["id"]]
        first, size = lanes[evo_pages.LANES[node["stream"]]]
        assert first <= row < first + size, "in the lane of its stream"
        if "when" not in node:
            assert EVOLUTION["columns"][column] <= node["year"]
            assert column + 1 == len(EVOLUTION["columns"]) or node["year"] < EVOLUTION["columns"][column + 1]
    assert not {"column", "row"} & {key for node in EVOLUTION["nodes"] for key in node}, "no place is typed"
    assert evo_pages.layout(copy.deepcopy(EVOLUTION)) == (places, columns, lanes), "and always in the same way"


def test_a_node_that_is_added_finds_its_place():
    more = copy.deepcopy(EVOLUTION)
    more["nodes"].append({"id": "resnet", "title": "ResNet", "year": 2015, "stream": "vision"})
    more["arrows"].append(["convnets", "resnet"])
    places, _, _ = evo_pages.layout(more)
    assert len(set(places.values())) == len(more["nodes"]) and places["resnet"][0] == 3
    assert "ResNet" in evo_pages.map_svg(more) and "from-convnets to-resnet" in evo_pages.map_svg(more)


def test_arrows_go_forward_in_time():
    places, _, _ = evo_pages.layout(EVOLUTION)
    for start, end in EVOLUTION["arrows"]:
        assert places[start][0] <= places[end][0], (start, end)
    assert ["bert", "mae"] in EVOLUTION["arrows"]


def test_a_figure_is_as_wide_as_its_smallest_label_needs(svg):
    assert evo_outputs.readable_width('<text style="font: 8px Inter">a</text><text style="font-size: 6.5px; font-family: x">b</text>', 460) == 644
    assert evo_outputs.readable_width("<path/>", 460) == 0
    least = int(re.search(r"min-width:(\d+)px", evo_outputs.figure_html(svg, "x", "a-"))[1])
    smallest = min(float(size) for size in re.findall(r"font(?:-size)?: ?(?:\d+ )?([\d.]+)px", svg))
    assert smallest * least / float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1]) >= 9


def test_a_long_line_of_code_hangs_under_its_indentation():
    shown = evo_outputs.hanging('<pre><span></span><span class="k">def</span> f():\n    <span class="k">return</span> 1\n\n</pre>')
    assert re.findall(r"--in:(\d+)ch", shown) == ["0", "4", "0"]
    assert re.sub("<[^>]+>", "", shown) == "def f():    return 1\n"


def test_a_fold_is_named_by_what_it_holds():
    cell = lambda tag, *outputs: {"metadata": {"tags": [tag]}, "outputs": [{"data": {kind: {}}} for kind in outputs]}
    named = lambda one, exercises=False: evo_outputs.fold_words(one, exercises).get("code_prompt_show")
    assert named(cell("hide-cell", evo_outputs.CLAIM, evo_outputs.CLAIM), True) == "Show 2 more verdicts and the code behind them"
    assert named(cell("hide-cell", evo_outputs.CLAIM)) == "Show 1 more verdict and the code behind it"
    assert named(cell("hide-cell"), True) == "Show the solution" and "solution" not in named(cell("hide-cell"))
    own = {"code_prompt_show": "Show the proof", "image": {"alt": "x"}}
    assert evo_outputs.told(own, cell("hide-cell", evo_outputs.CLAIM)) == own | {"code_prompt_show": "Show the proof (1 verdict)"}
    assert evo_outputs.told(own, cell("hide-cell")) == own == evo_outputs.told(own, cell("hide-input", evo_outputs.CLAIM))
    assert named(cell("hide-input")) == "Show the code" and named(cell("none")) is None
    assert evo_outputs.section_of_exercises({"cell_type": "markdown", "source": "## Exercises\ntext"}, False)
    assert not evo_outputs.section_of_exercises({"cell_type": "markdown", "source": "## References"}, True)
    assert evo_outputs.section_of_exercises({"cell_type": "markdown", "source": "### Exercise 2"}, True)


def test_search_reads_headings_prose_and_code_apart():
    page = """<section id="a"><h1>Title<a class="headerlink" href="#a">#</a></h1><p>Some <b>prose</b>.</p>
      <section id="b"><h2>Below</h2><pre>code = 1</pre><table><tr><td>7</td></tr></table><svg><text>label</text></svg><p>More.</p></section></section>"""
    one, two = evo_search.sections(page)
    assert one == {"anchor": "a", "title": "Title", "prose": "Some prose.", "code": ""}
    assert two["title"] == "Below" and two["prose"] == "More." and two["code"].split() == ["code", "=", "1", "7"]


def test_a_description_is_short_whole_and_without_citations():
    from docutils.core import publish_doctree

    words = "It was said before [Doe et al., 2020]. " + "A model that is trained without labels can be probed. " * 6
    said = evo_head.description(publish_doctree(words), "Why?")
    assert said.startswith("Why? It was said before. A model") and len(said) <= evo_head.LENGTH + 2 and said.endswith((".", "…"))


def test_a_picture_for_links_is_drawn_from_any_figure(svg, tmp_path):
    import matplotlib.image

    evo_social.draw(tmp_path / "one.png", "A title", "The book", svg)
    evo_social.draw(tmp_path / "two.png", "A title", "The book", re.search("<svg.*</svg>", evo_pages.map_svg(EVOLUTION), flags=re.S)[0])
    for name in ("one.png", "two.png"):
        picture = matplotlib.image.imread(tmp_path / name)[..., :3]
        assert picture.shape == (630, 1200, 3) and (picture > 0.99).all(-1).mean() > 0.2, "a white card"
    curve = matplotlib.colors.to_rgb("#3b82c4")
    assert (abs(matplotlib.image.imread(tmp_path / "one.png")[..., :3] - curve).max(-1) < 0.05).sum() > 200, "the curve is on it"


def test_pages_lose_what_they_do_not_use():
    page = '<script src="../_static/searchtools.js"></script><script defer src="_static/scripts/fontawesome.js?x=1"></script>'
    assert evo_slim.slim_page(page).strip() == ""


def test_a_page_knows_its_theme_before_it_is_drawn():
    page = f'<html data-theme="auto"><script>{evo_slim.THEME}</script>'
    slim = evo_slim.slim_page(page)
    assert '<html data-theme="light">' in slim and "prefers-color-scheme" in slim and '"auto"' not in slim
