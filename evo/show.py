"""What chapters show beside figures: source code, and numbers as text."""
import inspect

import numpy as np


def show_source(*things):
    """Functions and classes of the package, highlighted, as they stand."""
    from IPython.display import Code

    return Code("\n\n".join(inspect.getsource(thing).rstrip() for thing in things), language="python")


def mean_std(values, form=".3f"):
    """"mean (deviation)" over runs as text; the sample deviation, with n - 1. Never written with ±: see evo.verdicts."""
    values = np.asarray(values, float)
    if not values.size:
        raise ValueError("values is empty: there is no mean")
    return f"{values.mean():{form}}" + (f" ({values.std(ddof=1):{form}})" if values.size > 1 else "")
