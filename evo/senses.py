"""One word in many sentences: WordNet's usage examples, and what a model's vectors for the word say of its sense.

A vector here is what some layer of some model has for one use of a word, (N, D) for N uses in the order of `Uses`.
What does not belong together raises ValueError.
"""
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations

import torch
import torch.nn.functional as F

from evo.data.text import tokenize
from evo.inputs import check_count, check_flags, check_ids, kind
from evo.tokenizers import Vocab, _words


@dataclass(frozen=True)
class Uses:
    """N sentences in which a word is used, in one of its senses.

    words: N dictionary forms. texts: N lists of words. places: where in its text the word stands, in whatever form.
    labels (N,): the supersense, 0 to 44. names: of the 45 supersenses. held (N,) bool: the sentence was kept from training.
    """

    words: list
    texts: list
    places: list
    labels: torch.Tensor
    names: list
    held: torch.Tensor

    def __post_init__(self):
        n = len(_words(self.words, "words"))
        if not n:
            raise ValueError("words is empty: at least one use is needed")
        _words(self.names, "names")
        for name in ("texts", "places"):
            if not isinstance(getattr(self, name), list) or len(getattr(self, name)) != n:
                raise ValueError(f"{name} must be a list of {n}, one a use")
        for text, place in zip(self.texts, self.places):
            if not isinstance(text, (list, tuple)) or not isinstance(place, int) or not 0 <= place < len(text):
                raise ValueError(f"a text must be a list of words and its place one of them, got place {place!r} of {text!r:.60}")
            if not isinstance(text[place], str):
                raise ValueError(f"a text must be a list of strings, got {text!r:.60}")
        check_ids(self.labels, len(self.names), "labels", (n,))
        check_flags(self.held, "held", (n,))

    def __len__(self):
        return len(self.words)

    def form(self, i):
        """The word as it stands in sentence i."""
        check_count(i, "i", 0, len(self) - 1)
        return self.texts[i][self.places[i]]

    def speech(self, i):
        """noun, verb, adj or adv."""
        check_count(i, "i", 0, len(self) - 1)
        return self.names[self.labels[i]].split(".")[0]

    def take(self, rows):
        """Some of the uses, by number."""
        rows = _rows(rows, len(self))
        return Uses([self.words[i] for i in rows], [self.texts[i] for i in rows], [self.places[i] for i in rows],
                    self.labels[rows], self.names, self.held[rows])

    def rows(self):
        """word -> its uses, by number."""
        found = defaultdict(list)
        for i, word in enumerate(self.words):
            found[word].append(i)
        return found


def _rows(rows, size, least=1, name="rows"):
    """Whole numbers from 0 to size - 1 in a list."""
    try:
        numbers = torch.as_tensor(rows if len(rows) else None)
    except (TypeError, ValueError, RuntimeError):
        numbers = None
    if numbers is None or numbers.dtype != torch.long or numbers.ndim != 1 or len(numbers) < least:
        raise ValueError(f"{name} must be a list of at least {least} whole numbers, got {rows!r:.60}")
    check_ids(numbers, size, name)
    return numbers.tolist()


def _check(vectors, least=2, uses=None, whole=False):
    if not isinstance(vectors, torch.Tensor) or not vectors.is_floating_point() or vectors.ndim != 2:
        raise ValueError(f"vectors must be a tensor (N, D) of floating-point numbers, got {kind(vectors)}")
    if uses is not None and len(vectors) != len(uses):
        raise ValueError(f"one vector a use is wanted: {len(vectors)} vectors for {len(uses)} uses")
    if len(vectors) < least:
        raise ValueError(f"at least {least} vectors are needed, got {len(vectors)}")
    if whole and not vectors.isfinite().all():
        raise ValueError("vectors hold NaN or infinity: find out what made them")


def _check_uses(uses):
    if not isinstance(uses, Uses):
        raise ValueError(f"uses must be Uses, as usage_examples gives them, got {kind(uses)}")


def place(word, text):
    """Where the word or a form of it stands in a list of words.

    That is where the longest beginning is shared.
    """
    if not isinstance(word, str) or not word:
        raise ValueError(f"a word is wanted, a string, got {word!r}")
    if not isinstance(text, (list, tuple)) or not text or not all(
            isinstance(other, str) for other in text):
        raise ValueError(f"a text is wanted, a list of words, got {text!r}")

    def common(other):
        pairs = enumerate(zip(word, other))
        return next((k for k, (a, b) in pairs if a != b),
                    min(len(word), len(other)))
    return max(range(len(text)), key=lambda k: (
        text[k] == word, common(text[k]), -len(text[k])))


def usage_examples(wordnet, min_count=5):
    """All usage examples of words that occur in the dictionary at least min_count times.

    Held out are those of the validation and test meanings. Raises ValueError if there is no such word.
    """
    check_count(min_count, "min_count")
    if not hasattr(wordnet, "example_lemma"):
        raise ValueError(f"wordnet must be what evo.data.text.wordnet() gives, got {kind(wordnet)}")
    if len({len(getattr(wordnet, name)) for name in ("lemmas", "definitions", "examples", "example_lemma", "labels")}) > 1:
        raise ValueError("wordnet has lists of different lengths: one entry a meaning is needed")
    entries = list(zip(wordnet.lemmas, wordnet.definitions, wordnet.examples))
    known = Vocab([tokenize(" ; ".join([*words, text, *shown])) for words, text, shown in entries],
                  min_count=min_count, specials=())
    held = set(wordnet.valid.tolist()) | set(wordnet.test.tolist())
    found = [(word.lower(), tokenize(text), label, i in held)
             for i, label in enumerate(wordnet.labels.tolist())
             for text, word in zip(wordnet.examples[i], wordnet.example_lemma[i]) if word.lower() in known]
    if not found:
        raise ValueError(f"no example shows a word that occurs min_count={min_count} times: pass a smaller one")
    words, texts, labels, held = map(list, zip(*found))
    return Uses(words, texts, [place(w, t) for w, t in zip(words, texts)], torch.tensor(labels),
                list(wordnet.label_names), torch.tensor(held))


def pairs_of_senses(uses):
    """Two held-out uses of a word in the same form, of different supersenses: kind -> list of (i, j).

    One pair for two supersenses of a word, the last two uses. Kinds: "part of speech", where a noun stands against a verb
    and the like, and "meaning", where both are verbs, or both nouns.
    """
    _check_uses(uses)
    rows = {word: [i for i in found if uses.held[i]] for word, found in uses.rows().items()}
    chosen = {(word, frozenset((int(uses.labels[i]), int(uses.labels[j])))): (i, j)
              for word, found in rows.items() for i, j in combinations(found, 2) if uses.labels[i] != uses.labels[j]}
    equal = [(i, j) for i, j in chosen.values() if uses.form(i) == uses.form(j)]
    return {"part of speech": [(i, j) for i, j in equal if uses.speech(i) != uses.speech(j)],
            "meaning": [(i, j) for i, j in equal if uses.speech(i) == uses.speech(j)]}


def told_apart(vectors, uses, pairs):
    """For each pair, the share of its two uses that is told rightly: (P,).

    The choice is between the two supersenses of the pair. A supersense is the
    mean of the vectors of all uses that are not held out; the nearer mean, by
    the cosine, is right or wrong. A tie is half right: a model with one vector
    a word gets one half.
    """
    _check_uses(uses)
    _check(vectors, uses=uses, whole=True)
    _check_pairs(pairs, len(uses))
    centred = vectors - vectors[~uses.held].mean(0)
    means = torch.stack([
        centred[~uses.held & (uses.labels == k)].mean(0)
        for k in range(len(uses.names))]).nan_to_num()
    scores = centred @ F.normalize(means, dim=1).T
    i, j = torch.tensor(pairs).T
    a, b = uses.labels[i], uses.labels[j]
    lead = torch.stack(
        [scores[i, a] - scores[i, b], scores[j, b] - scores[j, a]])
    return (lead.sign().double().mean(0) + 1) / 2


def _check_pairs(pairs, size):
    if not isinstance(pairs, (list, tuple)) or not pairs:
        raise ValueError("there is no pair to tell apart: pass a list of pairs, as pairs_of_senses gives it")
    if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise ValueError("pairs must be a list of (i, j), the numbers of two uses")
    _rows([i for pair in pairs for i in pair], size, 2, "pairs")


def words_with_senses(uses):
    """word -> its uses whose supersense a second one shows, for words that show two supersenses at least twice."""
    _check_uses(uses)
    found = {}
    for word, rows in uses.rows().items():
        tally = Counter(uses.labels[rows].tolist())
        rows = [i for i in rows if tally[int(uses.labels[i])] > 1]
        if len({int(uses.labels[i]) for i in rows}) > 1:
            found[word] = rows
    return found


def nearest_use(vectors, uses, rows):
    """Share of these uses whose nearest other one has the same supersense.

    Nearest by the cosine.
    """
    _check_uses(uses)
    _check(vectors, uses=uses)
    rows = _rows(rows, len(uses))
    if len(rows) < 2:
        raise ValueError("two uses are needed for one to be near another, "
                         f"got {len(rows)}")
    X = F.normalize(vectors[rows] - vectors.mean(0), dim=1)
    _check(X, whole=True)
    nearest = (X @ X.T).fill_diagonal_(-torch.inf).argmax(1)
    return (uses.labels[rows][nearest]
            == uses.labels[rows]).double().mean().item()


def similarity(vectors):
    """Mean cosine of two different rows: (n, D) -> a number.

    Self-similarity, where the rows are uses of a word (Ethayarajh 2019).
    """
    _check(vectors, whole=True)
    n = len(vectors)
    total = F.normalize(vectors.double(), dim=1).sum(0).square().sum()
    return ((total - n) / (n * (n - 1))).item()


def one_direction(vectors):
    """Share of the rows' squared length along one line, the best one.

    (n, D) -> a number from 1/n to 1; 1 where all rows are multiples of one
    vector. Explainable variance at most (Ethayarajh 2019).
    """
    _check(vectors, whole=True)
    if not vectors.any():
        raise ValueError("all vectors are zero: they have no direction")
    strengths = torch.linalg.svdvals(vectors.double()).square()
    return (strengths[0] / strengths.sum()).item()
