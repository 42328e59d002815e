"""Figures: arrays in, Axes out. Nothing here trains, loads or computes.

One colour per model throughout the book (COLORS), chosen so that those in one figure differ for a deuteranope, too;
spread over seeds is always drawn.
"""
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

COLORS = {  # a family a lineage; tests/test_plots.py says which stand side by side and measures how far they differ
    # baselines: greys
    "chance": "#727a86",
    "raw input": "#524e44",
    "untrained": "#bbaaa8",
    # counts and vectors: yellow, ochre, olive
    "bag of words": "#e8a10b",
    "logistic regression": "#e8a10b",
    "naive Bayes": "#bd4408",
    "word2vec": "#6d8116",
    "gensim": "#e9a00e",
    "GloVe": "#1f8ad1",
    "fastText": "#e9a00e",
    "linear": "#afb516",
    # read one after another: purple and pink
    "LSTM": "#880a97",
    "GRU": "#ff4583",
    "ELMo": "#f77cf4",
    # attention over words: green
    "Transformer": "#3a8005",
    "GPT": "#0fc58f",
    "BERT": "#0c826f",
    "iGPT": "#64bb47",
    # convolutions: blue and teal
    "CNN": "#0d93f0",
    "text CNN": "#13a0ff",
    "LeNet": "#5bbcb9",
    "AlexNet": "#0192e3",
    "VGG": "#157775",
    "NiN": "#4ebfbd",
    "GoogLeNet": "#108ee0",
    "ResNet": "#5bbebd",
    "DenseNet": "#0993e9",
    "EfficientNet": "#187b79",
    # attention over patches: indigo to orchid
    "ViT": "#1144b6",
    "Swin": "#8c6cf1",
    "BEiT": "#826df8",
    "MAE": "#da98e1",
    # pairs: red and orange
    "CLIP": "#bb0e07",
    "MoCo": "#b80b02",
    "SimCLR": "#f76e29",
}
INK, PAPER = "black", "white"  # what belongs to no model: dots and lines, and text upon a colour; the site's dark theme turns them round
GREY, FAINT = "#555555", "#a6abb3"  # arrows, whiskers and frames; what stands back. The same in both themes
CYCLE = ["#2392ff", "#cf1f1a", "#099c88", "#ef980c", "#5813ef", "#1a5f64", "#2b6a28", "#3bb6d2", "#fe849c", "#63655d"]


def use_style():
    """Set sizes, colours and, in a notebook, SVG output that is the same on every run."""
    mpl.rcParams.update({
        "figure.figsize": (6.4, 3.6), "figure.dpi": 100, "figure.constrained_layout.use": True,
        "axes.spines.top": False, "axes.spines.right": False,
        "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left",
        "axes.prop_cycle": mpl.cycler(color=CYCLE), "legend.fontsize": 9, "lines.linewidth": 2,
        "legend.edgecolor": "none", "legend.framealpha": 0.9, "legend.facecolor": "white",  # no line strikes a legend through
        "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "evo", "image.cmap": "gray",
    })  # fmt: skip
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None and hasattr(get_ipython(), "kernel"):
        set_matplotlib_formats("svg", metadata={"Date": None})


def curves(x, series, ax=None, *, xlabel, ylabel, title="", log=False, chance=None):
    """Lines of the mean over seeds, in a band of one sample standard deviation (n - 1) to either side.

    x: (N,). series: name -> (N,) or (seeds, N); a name found in COLORS gets that model's colour. NaN leaves a gap. log:
    logarithmic x. chance: height of a dotted line.
    """
    series = {name: np.atleast_2d(_numbers(y, name)) for name, y in _named(series, "series").items()}
    for name, y in series.items():
        if y.shape[1:] != np.shape(x):
            raise ValueError(f"{name}: x of shape {np.shape(x)} needs (N,) or (seeds, N) values, got {y.shape}")
    alone, ax = ax is None, ax or plt.subplots()[1]
    for name, y in series.items():
        mean = y.mean(0)
        (line,) = ax.plot(x, mean, marker="o", markersize=4, label=name, color=COLORS.get(name))
        if len(y) > 1:
            spread = y.std(0, ddof=1)
            ax.fill_between(x, mean - spread, mean + spread, alpha=0.2, color=line.get_color(), linewidth=0)
    if chance is not None:
        ax.axhline(chance, color=COLORS["chance"], linestyle=":", linewidth=1.5, label="chance")
    if log:
        ax.set_xscale("log")
        if len(x) <= 8:
            ax.set_xticks(x, [f"{v:,}" for v in x])
            ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    _legend(ax, alone)
    return ax


def bars(values, ax=None, *, ylabel, title="", chance=None, label="{:.2f}"):
    """One bar a name with the mean over seeds written on it and a whisker of one sample standard deviation (n - 1).

    values: name -> number or list of numbers (one a seed).
    """
    values = {name: np.atleast_1d(_numbers(y, name)) for name, y in _named(values, "values").items()}
    for name, y in values.items():
        if y.ndim != 1 or not np.isfinite(y).all():
            raise ValueError(f"{name} must be a finite number or a list of them, got {y!r:.80}")
    ax = ax or plt.subplots()[1]
    for i, (name, y) in enumerate(values.items()):
        spread = y.std(ddof=1) if len(y) > 1 else None
        ax.bar(i, y.mean(), width=0.65, color=COLORS.get(name, CYCLE[i % len(CYCLE)]), yerr=spread, ecolor=GREY, capsize=3)
        ax.annotate(label.format(y.mean()), (i, y.mean() + (spread or 0)), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    if chance is not None:
        ax.axhline(chance, color=COLORS["chance"], linestyle=":", linewidth=1.5)
        beside = dict(xycoords=ax.get_yaxis_transform(), xytext=(4, 0), textcoords="offset points", va="center")  # on no bar
        ax.annotate("chance", (1, chance), fontsize=9, color=COLORS["chance"], annotation_clip=False, **beside)
    ax.set_xticks(range(len(values)), list(values), rotation=20 if max(map(len, values)) > 12 else 0)
    ax.set(ylabel=ylabel, title=title)
    return ax


def scatter_groups(points, groups, names, ax=None, *, title="", annotate=()):
    """Points of a map coloured by group. points: (N, 2). groups: (N,) ints. names: group names.

    annotate: (index, text) pairs to write beside their points.
    """
    points, groups = _numbers(points, "points"), np.asarray(groups)
    if points.ndim != 2 or points.shape[1] != 2 or groups.shape != points.shape[:1]:
        raise ValueError(f"points must be (N, 2) and groups (N,), got {points.shape} and {groups.shape}")
    if isinstance(names, str) or not np.isin(groups, range(len(names))).all():
        raise ValueError(f"groups must be numbers of the {len(names)} names, 0 to {len(names) - 1}")
    ax = ax or plt.subplots(figsize=(7.2, 5.4))[1]
    for g, name in enumerate(names):
        ax.scatter(*points[groups == g].T, s=6, alpha=0.6, color=CYCLE[g % len(CYCLE)], label=name, linewidths=0, rasterized=True)
    for i, text in annotate:
        ax.annotate(text, points[i], fontsize=8, xytext=(2, 2), textcoords="offset points")
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)
    ax.legend(markerscale=2.5, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return ax


def image_grid(rows, labels=(), titles=(), scale=0.9):
    """Rows of images side by side. rows: list of lists of (H, W), (1, H, W) or (3, H, W) arrays in [0, 1] or uint8.

    labels: one text a row, on its left; titles: one text a column (or a list of lists, one text an image). Returns the Figure.
    """
    rows = [list(r) for r in rows]
    width = max(map(len, rows), default=0)
    if width == 0 or isinstance(labels, str) or isinstance(titles, str) or len(labels) not in (0, len(rows)):
        raise ValueError(f"rows must hold pictures, labels one text a row and titles be a list; got {len(rows)} rows, {labels=}, {titles=}")
    titled = bool(len(titles))
    size = (width * scale + (1.2 if len(labels) else 0), len(rows) * scale * (1.25 if titled else 1.05))
    fig, axes = plt.subplots(len(rows), width, figsize=size, squeeze=False)
    for r, row in enumerate(rows):
        for c, ax in enumerate(axes[r]):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if c >= len(row):
                ax.set_axis_off()
                continue
            ax.imshow(_as_picture(row[c]), vmin=0, vmax=1, interpolation="nearest")
            text = titles[r][c] if titled and not isinstance(titles[0], str) else titles[c] if titled and r == 0 and c < len(titles) else ""
            ax.set_title(text, fontsize=8, loc="center", fontweight="normal")
        if len(labels):
            axes[r, 0].set_ylabel(labels[r], rotation=0, ha="right", va="center", fontsize=9)
    return fig


def heatmap(matrix, ax=None, *, xlabel="", ylabel="", xticks=None, yticks=None, title="", label="", cmap="viridis", write=None):
    """A matrix as colours with its scale beside it.

    matrix: (R, C). write: a format such as "{:.2f}" for numbers in the cells; NaN stays empty.
    """
    matrix = _numbers(matrix, "matrix")
    if matrix.ndim != 2:
        raise ValueError(f"matrix must be (R, C), got {matrix.shape}")
    for name, ticks, n in (("xticks", xticks, matrix.shape[1]), ("yticks", yticks, matrix.shape[0])):
        if ticks is not None and (isinstance(ticks, str) or len(ticks) != n):
            raise ValueError(f"{name} must be {n} texts, one a {'column' if name == 'xticks' else 'row'}, got {ticks!r:.80}")
    ax = ax or plt.subplots()[1]
    picture = ax.imshow(matrix, cmap=cmap, aspect="auto", interpolation="nearest")
    ax.figure.colorbar(picture, ax=ax, label=label, fraction=0.05)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.set_xticks(range(matrix.shape[1]) if xticks is not None else [], xticks if xticks is not None else [])
    ax.set_yticks(range(matrix.shape[0]) if yticks is not None else [], yticks if yticks is not None else [])
    if write:
        for (r, c), v in np.ndenumerate(matrix):
            if np.isfinite(v):
                dark = np.dot(picture.to_rgba(v)[:3], (0.299, 0.587, 0.114)) < 0.5
                ax.text(c, r, write.format(v), ha="center", va="center", fontsize=8, color=PAPER if dark else INK)
    ax.spines[:].set_visible(False)
    return ax


def loss_curve(runs, ax=None, *, title="", ylabel="loss"):
    """Training losses over steps. runs: name -> Run.history, a list of [step, loss]."""
    runs = {name: _numbers(history, name) for name, history in _named(runs, "runs").items()}
    for name, history in runs.items():
        if history.ndim != 2 or history.shape[1] != 2:
            raise ValueError(f"{name} must be a list of [step, loss], got shape {history.shape}")
    alone, ax = ax is None, ax or plt.subplots()[1]
    for name, history in runs.items():
        ax.plot(*history.T, label=name, color=COLORS.get(name), linewidth=1.5)
    ax.set(xlabel="step", ylabel=ylabel, title=title)
    _legend(ax, alone)
    return ax


def _legend(ax, alone):
    """Beside the data where the figure is this one's own; several axes share the room, there it takes the emptiest corner."""
    ax.legend(**dict(loc="center left", bbox_to_anchor=(1, 0.5), framealpha=0) if alone else {})


def _as_picture(image):
    """(C, H, W) or (H, W), uint8 or float -> what imshow takes, in [0, 1]."""
    image = np.asarray(image)
    image = image / 255 if image.dtype == np.uint8 else image
    if image.ndim == 3:
        image = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    return image.clip(0, 1)


def _numbers(x, name):
    """x as an array of numbers, not an empty one: there is no mean of nothing."""
    try:
        x = np.asarray(x, dtype=float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be numbers, got {x!r:.60}") from error
    if not x.size or np.isnan(x).all() and x.ndim == 0:
        raise ValueError(f"{name} is empty: there is nothing to draw")
    return x


def _named(values, what):
    if not hasattr(values, "items") or not values:
        raise ValueError(f"{what} must be a dict, name -> numbers, and not empty; got {values!r:.60}")
    return values
