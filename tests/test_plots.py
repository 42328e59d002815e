"""Figures draw what they are given: values, spread, colours, labels; and the same bytes on every run."""

import io

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


def test_models_have_colours_that_differ():
    models = ["word2vec", "ViT", "MAE", "CLIP", "GPT", "BERT", "CNN"]
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
    assert [t.get_color() for t in ax.texts] == ["white", "#111111"], "white on black, black on white"


def test_a_loss_curve_has_steps_across_and_its_model_s_colour():
    ax = plots.loss_curve({"BERT": [[10, 3.0], [20, 2.0]], "other": [[5, 1.0]]}, title="t", ylabel="nats")
    assert ax.lines[0].get_xdata().tolist() == [10, 20] and ax.lines[0].get_ydata().tolist() == [3, 2]
    assert ax.lines[0].get_color() == plots.COLORS["BERT"]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["BERT", "other"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("step", "nats", "t")
