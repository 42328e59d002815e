"""SentencePiece's unigram model (Kudo 2018): every piece has a probability.

A word can be cut in many ways, each as likely as the product of its pieces.
EM finds the probabilities; the pieces that would be missed least go. What is
no word, no count or no probability is a ValueError.
"""
from collections import Counter
from math import exp, inf, isfinite, log

import numpy as np

from evo.inputs import check_count, check_number
from evo.tokenizers import _counted

LONGEST_PIECE, LONGEST_WORD = 16, 30  # letters; beyond, products underflow


def spans(word):
    """Every piece that a word could have, as (start, end), by their ends."""
    if not isinstance(word, str):
        raise ValueError(f"a word must be a string, got {word!r:.40}")
    return [(start, end) for end in range(1, len(word) + 1)
            for start in range(max(0, end - LONGEST_PIECE), end)]


def best_cut(word, scores):
    """Viterbi: the likeliest cut. scores: piece -> log-probability.

    A letter that is no piece stands alone, at a price (SentencePiece's <unk>).
    """
    places = spans(word)
    _check_scores(scores)
    unknown = min(scores.values()) - 10
    best = [(0.0, 0)] + [(-inf, 0)] * len(word)  # (score, start of the last)
    for start, end in places:
        lone = unknown if end - start == 1 else -inf
        score = best[start][0] + scores.get(word[start:end], lone)
        if score > best[end][0]:
            best[end] = score, start
    cut, end = [], len(word)
    while end:
        cut.append(word[best[end][1]:end])
        end = best[end][1]
    return cut[::-1]


def sample_cut(word, scores, rng, alpha=1.0):
    """A cut drawn in proportion to its probability to the power alpha.

    alpha 0: all cuts alike; large: nearly always the best. rng: a
    random.Random. Forward sums, then pieces drawn from the end. Raises
    ValueError for a word that has no cut.
    """
    places = spans(word)
    _check_scores(scores)
    check_number(alpha, "alpha", "[0, inf)")
    if not hasattr(rng, "choices"):
        raise ValueError(f"rng must be a random.Random, got {rng!r:.40}")
    sums, ways = [1.0] + [0.0] * len(word), [([], []) for _ in f"{word}."]
    for start, end in places:
        if word[start:end] in scores:
            p = sums[start] * exp(alpha * scores[word[start:end]])
            sums[end] += p
            ways[end][0].append(start), ways[end][1].append(p)
    if not 0 < sums[-1] < inf:
        raise ValueError(f"{word!r:.40} has no cut: a letter is no piece, or "
                         f"alpha={alpha} is too large")
    cut, end = [], len(word)
    while end:
        start, = rng.choices(*ways[end])
        cut.append(word[start:end])
        end = start
    return cut[::-1]


def _check_scores(scores):
    """The first stands for all: a cut is to cost no more than it must."""
    piece, score = next(iter(scores.items()), (0, 0)) if isinstance(
        scores, dict) else (0, 0)
    if not isinstance(piece, str) or not (
            isinstance(score, (int, float)) and isfinite(score)):
        raise ValueError("scores must be a dict, piece -> log-probability, as "
                         f"train_unigram makes it, got {scores!r:.40}")


class Lattice:
    """Every piece at every place of every word: arrays over such spans.

    counts: word -> how often it occurs; pieces: strings, no letter missing.
    Raises ValueError for others.
    """

    def __init__(self, counts, pieces):
        counts, pieces = _check_counts(counts), _pieces(pieces)
        number = {piece: i for i, piece in enumerate(pieces)}
        if missing := set("".join(counts)) - set(number):
            raise ValueError(f"no piece for {sorted(missing)}: a word that "
                             "cannot be cut has no probability")
        found = [(i, start, end, number[word[start:end]])
                 for i, word in enumerate(counts)
                 for start, end in spans(word) if word[start:end] in number]
        self.word, self.start, self.end, self.piece = np.array(found).T
        self.counts = np.array([*counts.values()], float)  # (W,)
        self.length, self.pieces = np.array([*map(len, counts)]), len(number)
        places = range(self.length.max() + 1)
        self.ending = [np.flatnonzero(self.end == n) for n in places]
        self.starting = [np.flatnonzero(self.start == n) for n in places]

    def sums(self, p):
        """Probability of the letters up to a place, and from it on, all cuts
        added up: forward and backward sums, (N + 1, W) each. p (V,)."""
        p = self._check(p)
        before, after = np.zeros((2, len(self.ending), len(self.counts)))
        before[0], after[self.length, np.arange(len(self.counts))] = 1, 1
        for end, at in enumerate(self.ending):
            ways = before[self.start[at], self.word[at]] * p[self.piece[at]]
            before[end] += np.bincount(self.word[at], ways, len(self.counts))
        for start, at in reversed([*enumerate(self.starting)]):
            ways = after[self.end[at], self.word[at]] * p[self.piece[at]]
            after[start] += np.bincount(self.word[at], ways, len(self.counts))
        return before, after

    def expected(self, p):
        """(V,) twice: how often each piece is used, and what leaving it out
        costs in log-likelihood (exact where it stands once in a word)."""
        p = self._check(p)
        before, after = self.sums(p)
        if not after[0].all():
            raise ValueError("p leaves a word without any cut: no letter may "
                             "have the probability 0")
        of_word = before[self.start, self.word] * after[self.end, self.word]
        share = of_word * p[self.piece] / after[0, self.word]
        lost = -np.log(1 - share.clip(max=1 - 1e-15))
        return [np.bincount(self.piece, x * self.counts[self.word],
                            self.pieces) for x in (share, lost)]

    def _check(self, p):
        try:
            p = np.asarray(p, float)
        except (TypeError, ValueError):
            p = np.empty(0)
        if p.shape != (self.pieces,) or not (0 <= p.min() <= p.max() < inf):
            raise ValueError(f"p must be {self.pieces} probabilities, one a "
                             f"piece, got an array of shape {p.shape}")
        return p


def _check_counts(counts):
    _counted(counts)
    if not any(counts):
        raise ValueError("counts holds no word: there is nothing to cut")
    return counts


def _pieces(pieces):
    pieces = [*pieces] if isinstance(pieces, (list, tuple, dict)) else [None]
    if not all(isinstance(piece, str) and piece for piece in pieces) or (
            len(set(pieces)) < len(pieces)):
        raise ValueError("pieces must be a list of different strings, got "
                         f"{pieces!r:.40}")
    return pieces


def seed_pieces(counts, size):
    """All letters, and the substrings that cover most: {piece: log count}.

    Raises ValueError if size is less than the number of letters.
    """
    letters = set("".join(_check_counts(counts)))
    check_count(size, "size", len(letters))
    found = Counter()
    for word, n in counts.items():
        for start, end in spans(word):
            found[word[start:end]] += n
    cover = sorted((len(piece) > 1, -n * len(piece), piece) for piece, n
                   in found.items() if n > 1 or len(piece) == 1)
    return {piece: log(found[piece]) for *_, piece in cover[:size]}


def train_unigram(counts, size, seeds=30_000, keep=0.75, steps=2):
    """counts: word -> how often it occurs -> {piece: log-probability}.

    Again and again `steps` steps of EM, then `keep` the pieces that would be
    missed most, down to `size`. Letters stay. seeds: how many substrings to
    start from, or the pieces of a larger model. Raises ValueError if size is
    less than the number of letters.
    """
    check_number(keep, "keep", "(0, 1)")
    check_count(steps, "steps")
    check_count(size, "size")
    counts = {word: n for word, n in _counted(counts)
              if 0 < len(word) <= LONGEST_WORD}
    if not counts or size < len(set("".join(counts))):
        raise ValueError(f"{size=} must be at least the number of letters of "
                         "the words, which are pieces, too")
    seeds = seeds if isinstance(seeds, dict) else seed_pieces(counts, seeds)
    _check_scores(seeds)
    pieces, lattice = [*seeds], Lattice(counts, seeds)
    letter = np.array([len(piece) == 1 for piece in pieces])
    p = np.exp([*seeds.values()])
    while True:
        for _ in range(steps):
            times, lost = lattice.expected(p / p.sum())
            p = np.where(letter, times.clip(min=1e-3), times)
        alive, lost[letter] = np.count_nonzero(p), inf
        if alive <= size:
            return {pieces[i]: log(p[i] / p.sum()) for i in np.flatnonzero(p)}
        p[lost.argsort()[:-max(size, int(keep * alive))]] = 0
