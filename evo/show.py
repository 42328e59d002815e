"""What chapters show beside figures: source code, and numbers as text."""
import inspect

import numpy as np

from evo.inputs import check_numbers, check_text, kind


def show_source(*things):
    """Functions and classes of the package, highlighted, as they stand."""
    from IPython.display import Code

    if not things:
        raise ValueError("show_source wants functions or classes: name at least one")
    return Code("\n\n".join(_source(thing) for thing in things), language="python")


def _source(thing):
    try:
        return inspect.getsource(thing).rstrip()
    except (TypeError, OSError):
        raise ValueError(f"show_source wants functions and classes written in Python, got {kind(thing)}") from None


def mean_std(values, form=".3f"):
    """"mean (deviation)" over runs as text; the sample deviation, with n - 1. Never written with ±: see evo.verdicts."""
    check_numbers(values, "values")
    check_text(form, "form", empty=True)
    try:
        format(0.0, form)
    except ValueError:
        raise ValueError(f"form={form!r} is no format of a number: pass one such as '.3f' or '.1%'") from None
    values = np.asarray(values, float)
    if not values.size:
        raise ValueError("values is empty: there is no mean")
    return f"{values.mean():{form}}" + (f" ({values.std(ddof=1):{form}})" if values.size > 1 else "")


def percent(values):
    """Shares over runs as text, "mean % (deviation %)"."""
    return mean_std(values, ".1%")
