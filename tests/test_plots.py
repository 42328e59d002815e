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
