"""Figures draw what they are given: values, spread, colours, labels; and the same bytes on every run."""

import ast
import io
import json
import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from evo import plots  # noqa: E402


@pytest.fixture(autouse=True)
def style():
    with matplotlib.rc_context():
        plots.use_style()
        yield
    plt.close("all")


def test_curves_draw_the_mean_and_the_spread():
    ax = plots.curves([1, 10, 100], {"MAE": [[1, 2, 3], [3, 4, 5]], "new": [0, 0, 0]}, xlabel="x", ylabel="y", chance=0.1, log=True)
    mae, new, chance = ax.get_lines()
    assert list(mae.get_ydata()) == [2, 3, 4] and mae.get_color() == plots.COLORS["MAE"]
    assert list(new.get_ydata()) == [0, 0, 0]
    assert len(ax.collections) == 1, "a band for what has several seeds only"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["MAE", "new", "chance"]
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "x" and ax.get_ylabel() == "y"


def test_bars_carry_their_number_and_their_colour():
    ax = plots.bars({"ViT": [0.5, 0.7], "other": 0.25}, ylabel="accuracy", chance=0.1)
    assert [round(p.get_height(), 3) for p in ax.patches] == [0.6, 0.25]
    assert matplotlib.colors.to_hex(ax.patches[0].get_facecolor()) == plots.COLORS["ViT"]
    assert [t.get_text() for t in ax.texts] == ["0.60", "0.25", "chance"]


def test_a_map_has_one_colour_a_group():
    ax = plots.scatter_groups(np.eye(4)[:, :2], [0, 1, 0, 1], ["a", "b"], annotate=[(0, "here")])
    assert [len(c.get_offsets()) for c in ax.collections] == [2, 2]
    assert ax.texts[0].get_text() == "here"


def test_a_grid_takes_grey_and_coloured_pictures_of_either_type():
    grey, colour = np.zeros((4, 4)), np.zeros((3, 4, 4), dtype=np.uint8)
    figure = plots.image_grid([[grey, grey[None]], [colour]], labels=["one", "two"], titles=["left", "right"])
    assert len(figure.axes) == 4 and [len(ax.images) for ax in figure.axes] == [1, 1, 1, 0]
    assert figure.axes[0].get_ylabel() == "one" and figure.axes[1].get_title() == "right"


def test_a_heatmap_writes_its_numbers():
    ax = plots.heatmap([[0, 1], [2, 3]], write="{:.0f}", xticks=["a", "b"])
    assert [t.get_text() for t in ax.texts] == ["0", "1", "2", "3"]


def test_a_loss_curve_is_the_history():
    ax = plots.loss_curve({"run": [[1, 3.0], [2, 2.0]]})
    assert ax.get_lines()[0].get_ydata().tolist() == [3, 2]


def test_a_figure_is_the_same_bytes_on_every_run():
    def draw():
        ax = plots.curves([1, 2], {"MAE": [1, 2]}, xlabel="x", ylabel="y")
        file = io.StringIO()
        ax.figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()

    assert draw() == draw()


# ---------------------------------------------------------------- colours

TOGETHER = [  # what stands in one figure, here or in the chapters that are planned
    "bag of words, naive Bayes, text CNN, chance", "bag of words, naive Bayes, raw input", "word2vec, gensim, untrained",
    "word2vec, GloVe, bag of words, raw input", "word2vec, fastText, untrained",
    "LSTM, GRU, CNN, Transformer, chance", "LSTM, Transformer, bag of words, chance", "ELMo, LSTM, naive Bayes",
    "ELMo, word2vec, untrained, bag of words, chance", "ELMo, raw input, untrained, chance",
    "BERT, GPT, ELMo, word2vec, bag of words", "BERT, untrained, bag of words", "BERT, Transformer, ELMo", "GPT, Transformer, LSTM",
    "ViT, CNN, linear, chance", "ViT, CNN, raw input, untrained, chance", "MAE, ViT, raw input, untrained, chance", "MAE, BERT",
    "CLIP, ViT, GPT, raw input, chance", "CLIP, ViT, MAE, raw input, chance", "CLIP, ViT, BERT", "CLIP, ViT, ResNet",
    "LeNet, AlexNet, VGG", "LeNet, CNN, linear", "VGG, NiN, GoogLeNet", "VGG, GoogLeNet, ResNet", "VGG, ResNet, DenseNet",
    "ResNet, DenseNet, EfficientNet", "ResNet, CNN, ViT", "ResNet, EfficientNet, ViT", "ResNet, Swin, ViT",
    "ResNet, SimCLR, MoCo, raw input", "SimCLR, MAE, CLIP, untrained", "MoCo, MAE, iGPT", "MAE, BEiT, iGPT", "MAE, BEiT, ViT",
    "BERT, BEiT, MAE", "MAE, iGPT, ViT",
]  # fmt: skip
FAR = 20  # CIEDE2000
GROUNDS = {"light": "#ffffff", "dark": "#10151d"}  # --evo-ground of book/_static/evo.css
# Machado, Oliveira and Fernandes (2009), a complete deuteranope, on linear RGB
DEUTERANOPE = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])


def linear(colour):
    c = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(colour, eye=None):
    """CIELAB of a colour as everybody sees it, or as an `eye` (a matrix on linear RGB) does."""
    light = linear(colour) if eye is None else (eye @ linear(colour)).clip(0, 1)
    t = TO_XYZ @ light / [0.95047, 1, 1.08883]
    x, y, z = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one, other):
    """The difference of two colours in CIELAB (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    g = 0.5 * (1 - np.sqrt(c**7 / (c**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0
    l, c, h = (l1 + l2) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    cos = lambda degrees: np.cos(np.radians(degrees))
    t = 1 - 0.17 * cos(h - 30) + 0.24 * cos(2 * h) + 0.32 * cos(3 * h + 6) - 0.2 * cos(4 * h - 63)
    dl = (l2 - l1) / (1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * c)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * c * t)
    r = -2 * np.sqrt(c**7 / (c**7 + 25**7)) * np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + r * dc * dh))


def far(one, other):
    """How far two colours differ, for whom they differ least."""
    return min(ciede2000(lab(one, eye), lab(other, eye)) for eye in (None, DEUTERANOPE))


@pytest.mark.parametrize(
    "one, other, difference",  # from the test data of the paper
    [((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425), ((50, 2.5, 0), (73, 25, -18), 27.1492), ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
     ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644), ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082)],
)  # fmt: skip
def test_the_measure_of_colours_is_ciede2000(one, other, difference):
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4) == ciede2000(other, one)


def test_what_stands_in_one_figure_differs_for_a_deuteranope_too():
    names = [group.split(", ") for group in TOGETHER]
    pairs = {tuple(sorted((a, b))) for group in names for a in group for b in group if a != b}
    near = {pair: round(d, 1) for pair in pairs if (d := far(*(plots.COLORS[name] for name in pair))) < FAR}
    assert near == {}
    assert {name for group in names for name in group} >= set(plots.COLORS) - {"logistic regression"}, "every name was thought of"


def test_what_the_chapters_show_in_one_figure_differs():
    """The names in the legends of the figures as they are stored, whatever TOGETHER says."""
    near = {}
    for path in sorted((Path(__file__).parents[1] / "book").rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
            for output in cell.get("outputs", []):
                svg = "".join(output.get("data", {}).get("image/svg+xml", ""))
                legends = "".join(re.findall(r'<g id="legend_\d+">.*?</g>\s*</g>\s*</g>', svg, flags=re.S))
                names = sorted(set(re.findall(r"<text[^>]*>([^<]+)</text>", legends)) & set(plots.COLORS))
                shown = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
                near.update({(path.stem, *p): d for p in shown if (d := far(*map(plots.COLORS.get, p))) < FAR})
    assert near == {}


@pytest.mark.parametrize("theme", GROUNDS)
def test_every_colour_stands_out_from_the_page(theme):
    for colour in {*plots.COLORS.values(), *plots.CYCLE, plots.GREY, plots.FAINT}:
        high, low = sorted((linear(c) @ TO_XYZ[1] + 0.05 for c in (colour, GROUNDS[theme])), reverse=True)
        assert high / low >= 1.9, colour
        assert far(colour, GROUNDS[theme]) >= 18, colour


def test_the_cycle_differs_where_it_is_used_first():
    for i, one in enumerate(plots.CYCLE):
        for j, other in enumerate(plots.CYCLE[:i]):
            assert far(one, other) >= (FAR if i < 6 or i - j < 3 else 13), (one, other)


def test_the_greys_differ():
    assert far(plots.GREY, plots.FAINT) >= FAR <= far(plots.INK, plots.PAPER)


def literal_colours(code):
    """Colours written out in a cell: #rrggbb anywhere, and a word where a colour is asked for ("none" is none)."""
    tree, asked = ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", code)), []
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword):
            asked.append((node.arg, node.value))
        elif isinstance(node, ast.Assign):
            asked += [(getattr(target, "id", None), node.value) for target in node.targets]
        elif isinstance(node, ast.Dict):
            asked += [(getattr(key, "value", None), value) for key, value in zip(node.keys, node.values)]
        elif isinstance(node, ast.FunctionDef):
            named = [*node.args.args, *node.args.kwonlyargs]
            given = [*node.args.defaults, *node.args.kw_defaults]
            asked += [(arg.arg, value) for arg, value in zip(named[len(named) - len(given) :], given) if value]
    words = [word for name, value in asked if re.fullmatch(COLOURED, str(name)) for word in strings(value)]
    hexes = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and re.fullmatch(r"#[0-9a-fA-F]{3,8}", str(n.value))]
    return sorted({word for word in words if word != "none" and matplotlib.colors.is_color_like(word)} | set(hexes))


COLOURED = r"colou?rs?|(face|edge|e|ink|markerface|markeredge)colou?rs?|[ef]c|m[ef]c|c"


def strings(node):
    """The strings that an expression may be, those in brackets behind a name left out: COLORS["MAE"] is no literal."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, (ast.Call, ast.Compare)):
        return []
    parts = [node.value] if isinstance(node, ast.Subscript) else ast.iter_child_nodes(node)
    return [word for part in parts for word in strings(part)]


@pytest.mark.parametrize("code, found", [
    ("ax.plot(x, color='red')", ["red"]), ("ax.bar(x, ecolor='#444444')", ["#444444"]), ("A = {'MAE': '#da98e1'}", ["#da98e1"]),
    ("ax.text(0, 0, 'a', color='w' if dark else INK)", ["w"]), ("arrow = {'color': 'grey'}", ["grey"]),
    ("arrow = dict(arrowstyle='->', color='0.5')", ["0.5"]), ("def box(ax, colour='navy'): pass", ["navy"]),
    ("colours = ['red', INK]", ["red"]), ("colours = [COLORS[name] for name in ('CLIP', 'MAE')]", []),
    ("ax.scatter(x, y, c=['b', 'k'])", ["b", "k"]), ("ax.plot(x, color=COLORS['MAE'], mfc='none')", []),
    ("ax.plot(x, color=plots.CYCLE[0], label='red')", []), ("ax.imshow(x, cmap='gray')", []), ("wild(colour=True)", []),
])  # fmt: skip
def test_a_literal_colour_is_seen(code, found):
    assert literal_colours(code) == found


def test_no_chapter_writes_a_colour_out():
    """A model's is in COLORS, a series' in CYCLE, what belongs to none is INK, PAPER, GREY or FAINT."""
    found = {}
    for path in sorted((Path(__file__).parents[1] / "book").rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
            if cell["cell_type"] == "code" and (literals := literal_colours("".join(cell["source"]))):
                found.setdefault(path.stem, []).extend(literals)
    assert found == {}


def test_models_have_colours_that_differ():
    models = ["word2vec", "ViT", "MAE", "CLIP", "GPT", "BERT", "CNN", "Transformer", "LSTM", "ELMo", "naive Bayes", "bag of words"]
    assert len({plots.COLORS[m] for m in models}) == len(models)


# ---------------------------------------------------------------- the numbers that are drawn

SEEDS = [[1.0, 10.0], [2.0, 20.0], [6.0, 30.0]]  # means 3 and 20
DEVIATIONS = [7**0.5, 10.0]  # by hand: sqrt((4 + 1 + 9) / 2) and sqrt((100 + 0 + 100) / 2), n - 1 = 2


def heights(band, x):
    """The lowest and the highest y of a filled band at x."""
    at = [y for across, y in band.get_paths()[0].vertices if across == x]
    return min(at), max(at)


def test_a_band_is_one_sample_deviation_to_either_side_of_the_mean():
    ax = plots.curves([1, 4], {"MAE": SEEDS}, xlabel="", ylabel="")
    assert ax.lines[0].get_xdata().tolist() == [1, 4] and ax.lines[0].get_ydata().tolist() == [3, 20]
    (band,) = ax.collections
    for x, mean, deviation in zip([1, 4], [3, 20], DEVIATIONS):
        assert heights(band, x) == pytest.approx((mean - deviation, mean + deviation))
    assert matplotlib.colors.to_hex(band.get_facecolor()[0]) == plots.COLORS["MAE"]


def test_a_whisker_is_one_sample_deviation_and_the_number_stands_on_it():
    ax = plots.bars({"a": [row[0] for row in SEEDS], "b": [row[1] for row in SEEDS], "c": [5.0], "d": 2}, ylabel="y", label="{:.1f}")
    assert [bar.get_height() for bar in ax.patches] == [3, 20, 5, 2]
    assert [bar.get_x() + bar.get_width() / 2 for bar in ax.patches] == pytest.approx([0, 1, 2, 3])
    whiskers = [segment for c in ax.collections for segment in c.get_segments()]
    assert len(whiskers) == 2, "one seed has no spread"
    for i, (whisker, mean, deviation) in enumerate(zip(whiskers, [3, 20], DEVIATIONS)):
        np.testing.assert_allclose(whisker, [[i, mean - deviation], [i, mean + deviation]])
    tops = [3 + DEVIATIONS[0], 20 + DEVIATIONS[1], 5, 2]
    assert [t.xy for t in ax.texts] == [(i, pytest.approx(top)) for i, top in enumerate(tops)]
    assert [t.get_text() for t in ax.texts] == ["3.0", "20.0", "5.0", "2.0"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c", "d"] and ax.get_xticks().tolist() == [0, 1, 2, 3]
    assert ax.get_ylabel() == "y"


def test_chance_lies_at_its_height():
    for ax in (plots.curves([1, 2], {"a": [0, 1]}, xlabel="", ylabel="", chance=0.125), plots.bars({"a": 1.0}, ylabel="", chance=0.125)):
        line = ax.lines[-1]
        assert list(line.get_ydata()) == [0.125, 0.125] and line.get_linestyle() == ":"


@pytest.mark.parametrize("log, ticks", [(True, ["1", "10", "2,000"]), (False, None)])
def test_a_logarithmic_axis_is_labelled_with_the_values(log, ticks):
    ax = plots.curves([1, 10, 2000], {"a": [0, 1, 2]}, xlabel="", ylabel="", log=log)
    assert ax.get_xscale() == ("log" if log else "linear")
    if log:
        assert ax.get_xticks().tolist() == [1, 10, 2000] and [t.get_text() for t in ax.get_xticklabels()] == ticks


def test_groups_stand_where_their_points_are_and_the_legend_names_them():
    points, groups = np.arange(10.0).reshape(5, 2), [2, 0, 2, 1, 0]
    ax = plots.scatter_groups(points, groups, ["zero", "one", "two"], annotate=[(3, "fourth")], title="map")
    for g, dots in enumerate(ax.collections):
        assert dots.get_offsets().tolist() == points[np.array(groups) == g].tolist()
        assert matplotlib.colors.to_hex(dots.get_facecolor()[0]) == plots.CYCLE[g]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["zero", "one", "two"]
    assert list(ax.texts[0].xy) == [6, 7] and ax.get_title(loc="left") == "map"


def test_a_grid_shows_every_picture_at_its_place():
    pictures = [[np.full((2, 2), 0.1 * (3 * r + c)) for c in range(3)] for r in range(2)]
    figure = plots.image_grid(pictures, labels=["first", "second"], titles=["a", "b", "c"])
    axes = np.array(figure.axes).reshape(2, 3)
    for r in range(2):
        assert axes[r, 0].get_ylabel() == ["first", "second"][r]
        for c in range(3):
            (picture,) = axes[r, c].images
            np.testing.assert_allclose(picture.get_array(), pictures[r][c])
            assert picture.get_clim() == (0, 1), "every picture on one scale of grey"
    assert [[ax.get_title() for ax in row] for row in axes] == [["a", "b", "c"], ["", "", ""]]
    figure = plots.image_grid(pictures, titles=[["a", "b", "c"], ["d", "e", "f"]])
    assert [ax.get_title() for ax in figure.axes] == list("abcdef")


def test_bytes_and_numbers_and_colours_show_the_same():
    grey = plots.image_grid([[np.full((2, 2), 51, np.uint8), np.full((1, 2, 2), 0.2)]])
    np.testing.assert_allclose(*(ax.images[0].get_array() for ax in grey.axes))
    colour = np.stack([np.full((2, 2), v) for v in (0.1, 0.5, 0.9)])
    shown = plots.image_grid([[colour]]).axes[0].images[0].get_array()
    assert shown.shape == (2, 2, 3) and shown[0, 1].tolist() == pytest.approx([0.1, 0.5, 0.9])


def test_a_heatmap_has_rows_down_and_columns_across():
    matrix = np.array([[0.0, 1, np.nan], [3, 4, 5]])
    ax = plots.heatmap(matrix, write="{:.0f}", xticks=["a", "b", "c"], yticks=["top", "below"], xlabel="x", ylabel="y", label="how much")
    np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), matrix)
    assert ax.images[0].origin == "upper"
    written = {t.get_position(): t.get_text() for t in ax.texts}
    assert written == {(0, 0): "0", (1, 0): "1", (0, 1): "3", (1, 1): "4", (2, 1): "5"}, "(column, row), and nothing for NaN"
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b", "c"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["top", "below"]
    assert ax.get_xlabel() == "x" and ax.get_ylabel() == "y" and ax.figure.axes[1].get_ylabel() == "how much"


def test_numbers_in_a_heatmap_stand_out_from_their_cell():
    ax = plots.heatmap([[0.0, 1.0]], write="{:.0f}", cmap="gray")
    assert [t.get_color() for t in ax.texts] == [plots.PAPER, plots.INK], "white on black, black on white"


def test_a_loss_curve_has_steps_across_and_its_model_s_colour():
    ax = plots.loss_curve({"BERT": [[10, 3.0], [20, 2.0]], "other": [[5, 1.0]]}, title="t", ylabel="nats")
    assert ax.lines[0].get_xdata().tolist() == [10, 20] and ax.lines[0].get_ydata().tolist() == [3, 2]
    assert ax.lines[0].get_color() == plots.COLORS["BERT"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["BERT", "other"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("step", "nats", "t")
