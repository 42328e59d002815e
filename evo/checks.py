"""What a chapter says of its results, held against them: an error where results are proved, a word where they were changed."""
import math
import sys

from evo import zoo
from evo.inputs import check_text, kind


class CheckFailed(AssertionError):
    """A sentence of the chapter is not what came out."""


def check(condition, sentence):
    """Hold a sentence about results against them.

    As recorded, it must be so: while entries are recorded or verified (EVO_TRAIN other than "zoo") a false condition
    raises CheckFailed. In a chapter that a reader has changed, other results are no mistake: the sentence is printed as not
    so here, and the chapter goes on. For what is true whatever was trained (shapes, identities), use assert.

    condition: true or false, or a collection, of which is asked whether anything is in it.
    """
    check_text(sentence, "sentence")
    if not _is_condition(condition):
        raise ValueError(f"condition must be true or false, a comparison, got {kind(condition)}: of arrays ask .all() or .any()")
    if condition:
        return
    if zoo.mode() != "zoo":
        raise CheckFailed(f"not so: {sentence}")
    print(f"NOT SO HERE: {sentence}", file=sys.stderr)


def _is_condition(x):
    if hasattr(x, "dtype") and hasattr(x, "shape"):  # of NumPy, torch or pandas; of several values it is not said which counts
        return "bool" in str(x.dtype) and math.prod(x.shape) == 1
    return isinstance(x, (bool, set, frozenset, list, tuple, dict))
