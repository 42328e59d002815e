"""What chapters show beside figures."""

import inspect

import numpy as np
import pytest

from evo import show


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
