"""Counted language models: how often has this word followed those?

A text is a table of windows (T, n): a row is a word of the text, in the last
column, behind the n - 1 words before it. A model turns such a table into the
probabilities (T,) that it gives to the words of the last column. What is no
such table, nor a probability where one is wanted, is a ValueError.
"""
import numpy as np

from evo.inputs import check_count, check_number


def windows(texts, n, mark):
    """Lists of ids -> (T, n): every word behind the n - 1 before it.

    A text ends with the mark, which is guessed like a word. Before its first
    word stand marks only, so that no text sees another one. Raises ValueError
    unless there are texts, all of them of ids.
    """
    check_count(n, "n")
    check_count(mark, "mark", 0)
    try:
        texts = list(texts)
        lengths = [len(text) + 1 for text in texts]
        stream = np.array([i for text in texts for i in (*text, mark)])
    except (TypeError, ValueError):
        stream = np.empty(0)
    if stream.dtype.kind != "i" or stream.ndim != 1 or stream.min() < 0:
        raise ValueError("texts must be lists of ids, at least one, got "
                         f"{texts!r:.60}")
    place = np.concatenate([np.arange(length) for length in lengths])
    back = np.arange(n - 1, -1, -1)  # how far each column looks back
    rows = np.arange(len(stream))[:, None] - back
    return np.where(place[:, None] >= back, stream[rows], mark)


def perplexity(p):
    """One over the geometric mean of the probabilities (T,).

    Raises ValueError for other numbers.
    """
    p = _probabilities(p)
    with np.errstate(divide="ignore"):
        return float(np.exp(-np.log(p).mean()))


class Counts:
    """How often every word follows every context of 0 to n - 1 words.

    A context of k words gets a number from that of its last k - 1 and the
    word in front of them; a gram, from its context and the word behind it.
    Raises ValueError for what evo.counts.windows does not make.
    """

    def __init__(self, windows, vocab_size):
        _check(windows, vocab_size)
        self.n, self.vocab_size = windows.shape[1], vocab_size
        self.contexts, self.grams, self.seen = [], [], []
        context = np.zeros(len(windows), np.int64)  # that of no word
        for k in range(self.n):
            if k:
                known, context = np.unique(
                    self._code(context, windows[:, -1 - k]),
                    return_inverse=True)
                self.contexts.append(known)
            grams, seen = np.unique(self._code(context, windows[:, -1]),
                                    return_counts=True)
            self.grams.append(grams)
            self.seen.append(seen)

    def _code(self, context, word):
        return context * self.vocab_size + word

    def find(self, windows):
        """For k = 0 to n - 1: numbers of the contexts, and of the grams.

        Both (T,), -1 where there was none.
        """
        _check(windows, self.vocab_size, self.n)
        context = np.zeros(len(windows), np.int64)
        for k in range(self.n):
            if k:
                context = _find(self.contexts[k - 1], context, self._code(
                    context, windows[:, -1 - k]))
            yield context, _find(self.grams[k], context, self._code(
                context, windows[:, -1]))

    def totals(self, k, amounts):
        """Sums over the words that follow each context of k words.

        amounts: one for each gram of k + 1 words, else a ValueError.
        """
        check_count(k, "k", 0, self.n - 1)
        amounts = _numbers(amounts)
        if amounts.shape != self.seen[k].shape:
            raise ValueError(f"amounts must be {len(self.seen[k])} numbers, "
                             f"one a gram, got shape {amounts.shape}")
        return np.bincount(self.grams[k] // self.vocab_size, amounts)

    def relative(self, windows):
        """Relative frequencies (n + 1, T) after 0 to n - 1 words.

        In front stands 1 / V, for no knowledge at all. A context never seen
        takes over what the next shorter one says.
        """
        _check(windows, self.vocab_size, self.n)
        p = [np.full(len(windows), 1 / self.vocab_size)]
        for k, (context, gram) in enumerate(self.find(windows)):
            total = self.totals(k, self.seen[k])
            count = np.where(gram >= 0, self.seen[k][gram], 0)
            p.append(np.where(context >= 0, count / total[context], p[-1]))
        return np.stack(p)

    def add(self, windows, k):
        """Every word was seen k times more often behind every context.

        Raises ValueError unless k > 0.
        """
        check_number(k, "k", "(0, inf)")
        context, gram = list(self.find(windows))[-1]
        total = self.totals(self.n - 1, self.seen[-1])
        count = np.where(gram >= 0, self.seen[-1][gram], 0)
        total = np.where(context >= 0, total[context], 0)
        return (count + k) / (total + k * self.vocab_size)


def _find(known, context, codes):
    at = np.searchsorted(known, codes).clip(max=len(known) - 1)
    return np.where((context >= 0) & (known[at] == codes), at, -1)


def mixture(p, rounds=50):
    """The weights (M,) by which M models (M, T) together guess best.

    Expectation and maximisation in turn: share out every word among the
    models by how well each has guessed it; a model's weight is its share.
    Raises ValueError for a word that none of them thinks possible.
    """
    check_count(rounds, "rounds", 0)
    p = _probabilities(p)
    if p.ndim != 2 or not p.any(0).all():
        raise ValueError(f"mixture wants probabilities (M, T), in every "
                         f"column one above 0, got shape {p.shape}")
    weights = np.full(len(p), 1 / len(p))
    for _ in range(rounds):
        weights = np.mean(p * weights[:, None] / (weights @ p), axis=1)
    return weights


class KneserNey:
    """Interpolated Kneser-Ney smoothing, modified (Chen and Goodman 1999).

    A little is taken from every count, and shared out by what the next
    shorter context says. There a word counts as often as *different* words
    have stood in front: where it is new, what matters is in how many places
    it can stand, not how often it is said.

    discounts: (n, 3), what is taken from counts of 1, 2 and more, after
    contexts of 0 to n - 1 words; None: estimated from the counts.
    """

    def __init__(self, windows, vocab_size, discounts=None):
        self.counts = counts = Counts(windows, vocab_size)
        if discounts is not None and not (
                (taken := _numbers(discounts)).shape == (counts.n, 3)
                and ((0 <= taken) & (taken <= (1, 2, 3))).all()):
            raise ValueError(f"discounts must be ({counts.n}, 3) numbers, at "
                             "most 1, 2 and 3 in a row, none below 0")
        grams = [gram for _, gram in counts.find(windows)]
        self.count, self.discounts, self.total, self.free = [], [], [], []
        for k in range(counts.n):
            count = counts.seen[k]
            if k < counts.n - 1:  # different words in front
                _, rows = np.unique(grams[k + 1], return_index=True)
                count = np.bincount(grams[k][rows], minlength=len(count))
            discount = (_discounts(count) if discounts is None
                        else np.asarray(discounts[k], float))
            taken = discount[count.clip(1, 3) - 1]
            self.discounts.append(discount)
            self.count.append(count - taken)
            self.total.append(counts.totals(k, count))
            self.free.append(counts.totals(k, taken) / self.total[-1])

    def prob(self, windows):
        """(T, n) -> (T,)."""
        _check(windows, self.counts.vocab_size, self.counts.n)
        p = np.full(len(windows), 1 / self.counts.vocab_size)
        for k, (context, gram) in enumerate(self.counts.find(windows)):
            own = np.where(gram >= 0, self.count[k][gram], 0)
            mixed = own / self.total[k][context] + self.free[k][context] * p
            p = np.where(context >= 0, mixed, p)
        return p


def _discounts(count):
    """By how much counts of 1, 2 and more are too high, estimated."""
    n1, *more = (max((count == i).sum(), 1) for i in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * more[0])
    return np.array([i - (i + 1) * y * b / a for i, a, b in zip(
        (1, 2, 3), (n1, *more), more)]).clip(0, (1, 2, 3))


def _probabilities(p):
    p = _numbers(p)
    if not p.size or not ((p >= 0) & (p <= 1 + 1e-6)).all():
        raise ValueError("probabilities must be numbers from 0 to 1, at least "
                         "one")
    return p


def _numbers(x):
    """An array of numbers, without any where there is another thing."""
    try:
        return np.asarray(x, float)
    except (TypeError, ValueError):
        return np.empty(0)


def _check(windows, vocab_size, n=None):
    check_count(vocab_size, "vocab_size")
    shape = getattr(windows, "shape", None)
    if (not isinstance(windows, np.ndarray) or len(shape) != 2 or 0 in shape
            or n not in (None, shape[1]) or windows.dtype.kind != "i"):
        raise ValueError(f"windows must be a table (T, {n or 'n'}) of ids, "
                         f"as evo.counts.windows makes it, got {shape}")
    if windows.min() < 0 or windows.max() >= vocab_size:
        raise ValueError(f"windows hold ids from {windows.min()} to "
                         f"{windows.max()}, but vocab_size={vocab_size}")
