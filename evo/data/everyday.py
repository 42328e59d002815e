"""Everyday sentences in German and English: the examples of a dictionary.

Ding, the German-English dictionary of the TU Chemnitz (Frank Richter, GPL), gives many words an example with its translation,
and often several ways to say it. Examples are sentences that somebody could say today, about anything: no text lies behind them.
"""

import functools
import json
import re
from dataclasses import dataclass

import numpy as np

from evo.data import sources

NOTE = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]|<[^<>]*>|\([^()]*\)|(?<!\S)/[^/ ][^/]*/(?!\S)")
ODD = re.compile(r"[\[\](){}<>/…+=&%$§@*_|\\]|\.\.")  # variants in one string, forms, numbers with units: no plain sentence
WORD = re.compile(r"\w+(?:['-]\w+)*|[.,!?;:]")


@dataclass(frozen=True)
class Sentences:
    """Pairs of sentences, German and English; every list has one entry a pair."""

    german: list  # of lists of words, in lower case; a mark is a word
    english: list
    references: list  # of lists of lists of words: every way in which the dictionary says it in English, `english` first
    train: np.ndarray  # positions; no sentence, German or English, is in two parts
    valid: np.ndarray
    test: np.ndarray

    def __len__(self):
        return len(self.german)


@functools.cache
def sentences(longest=12):
    """Pairs of at most so many words on both sides, marks not counted.

    Pairs that share a German or an English sentence, or have one in common with a third, make a group; groups are drawn for
    training (80 %), validation (10 %) and the test (10 %). Raises ValueError unless longest is a whole number, at least 1.
    """
    if not isinstance(longest, int) or isinstance(longest, bool) or longest < 1:
        raise ValueError(f"longest={longest!r} must be a number of words, a whole one from 1")
    found = {key: [] for key in ("german", "english", "references")}
    groups = []
    for number, (german, english) in enumerate(everyday()):
        english = [words for text in english if 0 < size(words := cut(text)) <= longest]
        for words in map(cut, german if english else ()):
            if 0 < size(words) <= longest:
                for key, value in zip(found, (words, english[0], english)):
                    found[key].append(value)
                groups.append({number, *(("en", *letters(text)) for text in english), ("de", *letters(words))})
    return Sentences(**found, **split(groups))


@functools.cache
def everyday():
    """17,946 examples: (German sentences, English sentences), each a way to say the same."""
    rows = json.loads(sources.load("everyday")["examples"].tobytes())
    return tuple((tuple(german), tuple(english)) for german, english in rows)


def cut(text):
    """A sentence -> its words and marks, in lower case."""
    return WORD.findall(text.lower())


def letters(words):
    """The words without marks: two sentences with the same ones count as the same."""
    return tuple(word for word in words if word[0].isalnum())


def size(words):
    return len(letters(words))


def split(groups, seed=0):
    """{part: positions} of rows, 80 / 10 / 10 per cent of the groups; rows whose sets share an element are one group."""
    parent = list(range(len(groups)))

    def root(i):
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    first = {}
    for i, members in enumerate(groups):
        for member in members:
            parent[root(i)] = root(first.setdefault(member, i))
    roots = np.array([root(i) for i in range(len(groups))])
    smallest = {}
    labels = np.array([smallest.setdefault(r, i) for i, r in enumerate(roots)])  # whatever the order in which sets are walked
    names = np.unique(labels)
    order = np.random.RandomState(seed).permutation(len(names))  # RandomState: frozen, equal in every numpy
    parts = np.split(names[order], [len(names) * 8 // 10, len(names) * 9 // 10])
    return {part: np.flatnonzero(np.isin(labels, members)) for part, members in zip(("train", "valid", "test"), parts)}


# --- from the dictionary to the canonical file -----------------------------------------------------


def build_everyday(folder):
    """Every example that is a sentence, in the order of the dictionary, none twice."""
    lines = sources.locate(folder, "de-en").read_text("utf-8").split("\n")
    examples = list(dict.fromkeys(example for line in lines for example in examples_of(line)))
    text = json.dumps(examples, ensure_ascii=False, separators=(",", ":"))
    return {"examples": np.frombuffer(text.encode(), np.uint8)}


def examples_of(line):
    """'Rad {n} | Das Rad rollt. :: wheel | The wheel rolls.; It rolls.' -> (("Das Rad rollt.",), ("The wheel rolls.", "It rolls."))."""
    if line.startswith("#") or line.count("::") != 1:
        return
    sides = [side.split("|") for side in line.split("::")]
    if len(sides[0]) == len(sides[1]):
        for pair in zip(*sides):
            german, english = (tuple(filter(is_sentence, map(clean, side.split(";")))) for side in pair)
            if german and english:
                yield german, english


def clean(text):
    """Without notes in brackets; apostrophes as on a keyboard."""
    for _ in range(2):  # a note may stand in a note
        text = NOTE.sub(" ", text)
    return " ".join(text.replace("’", "'").replace("‘", "'").split())


def is_sentence(text):
    """It begins with a capital, ends with a mark, has two words, and is not several in one."""
    return bool(text) and text[0].isupper() and text[-1] in ".!?" and len(text.split()) > 1 and not ODD.search(text)
