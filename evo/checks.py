"""What a chapter says of its results, held against them: an error where results are proved, a word where they were changed."""
import sys

from evo import zoo


class CheckFailed(AssertionError):
    """A sentence of the chapter is not what came out."""


def check(condition, sentence):
    """Hold a sentence about results against them.

    As recorded, it must be so: while entries are recorded or verified (EVO_TRAIN other than "zoo") a false condition
    raises CheckFailed. In a chapter that a reader has changed, other results are no mistake: the sentence is printed as not
    so here, and the chapter goes on. For what is true whatever was trained (shapes, identities), use assert.
    """
    if condition:
        return
    if zoo.mode() != "zoo":
        raise CheckFailed(f"not so: {sentence}")
    print(f"NOT SO HERE: {sentence}", file=sys.stderr)
