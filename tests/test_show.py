"""What chapters show beside figures."""

import ast
import inspect
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from evo import show

BOOK = Path(__file__).parents[1] / "book"
LONGEST_LINE = 79  # as in chapters: what a page of 1,280 pixels shows without scrolling


def shown():
    """{the words of a chapter: the thing whose source it shows}: all arguments of show_source in the book.

    Of the chapters' code only the imports from `evo` run.
    """
    found = {}
    for path in sorted(BOOK.glob("*/*.ipynb")):
        cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        if not any("show_source" in cell for cell in cells):
            continue
        names, calls = {}, []
        for cell in cells:
            for node in ast.walk(ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", cell, flags=re.M))):
                if isinstance(node, ast.Import) and all(alias.name.split(".")[0] == "evo" for alias in node.names):
                    exec(ast.unparse(node), names)
                elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "evo":
                    exec(ast.unparse(node), names)
                elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("show_source"):
                    calls += map(ast.unparse, node.args)
        found |= {f"{path.stem}: {call}": eval(call, names) for call in calls}
    return found


SHOWN = shown()


def test_chapters_show_source():
    chapters = {name.split(":")[0] for name in SHOWN}
    assert {"bert", "clip", "elmo", "mae", "transformer", "vit", "word2vec"} <= chapters and len(SHOWN) > 30


@pytest.mark.parametrize("name", SHOWN)
def test_what_chapters_show_fits_the_page(name):
    """And so does the class around a method: readers will look at the rest of it, too."""
    thing = SHOWN[name]
    around = getattr(sys.modules[thing.__module__], thing.__qualname__.split(".")[0])
    long = [line for line in inspect.getsource(around).splitlines() if len(line) > LONGEST_LINE]
    assert not long, f"{thing.__module__}, {thing.__qualname__}: more than {LONGEST_LINE} characters in\n" + "\n".join(long)


def test_source_is_shown_as_it_stands():
    shown = show.show_source(show.mean_std, show.show_source)
    assert shown.data == f"{inspect.getsource(show.mean_std).rstrip()}\n\n{inspect.getsource(show.show_source).rstrip()}"
    assert "highlight" in shown._repr_html_()


@pytest.mark.parametrize("values, form, text", [
    ([1, 2, 3], ".1f", "2.0 (1.0)"), ([0.5, 0.7], ".3f", "0.600 (0.141)"), ([0.25], ".2f", "0.25"), (0.25, ".2f", "0.25"),
    (np.array([1, 1, 1]), ".0f", "1 (0)"), ([0.612, 0.6], ".1%", "60.6% (0.8%)"),
])  # fmt: skip
def test_mean_and_sample_deviation(values, form, text):
    assert show.mean_std(values, form) == text and "±" not in text


def test_no_runs_have_no_mean():
    with pytest.raises(ValueError, match="values is empty"):
        show.mean_std([])


def test_per_cent():
    assert show.percent([0.612, 0.6]) == "60.6% (0.8%)" and show.percent([0.5]) == "50.0%"
