"""What do word vectors know? Nearest neighbours, analogies, and agreement with people's judgement of similarity.

Nothing here asks where the vectors come from: a WordVectors is a list of words and a matrix.
"""
import numpy as np
import torch
import torch.nn.functional as F

from evo.probes import is_whole, label_array, numbers

JUDGEMENTS = {"WordSim-353": "wordsim353.tsv", "SimLex-999": "simlex999.txt"}  # both travel with gensim


class WordVectors:
    """words: list of V words; vectors: (V, D). Directions count and lengths do not: rows are brought to length 1."""

    def __init__(self, words, vectors):
        words, vectors = _words(words), torch.as_tensor(numbers(vectors, "vectors")).float()
        if vectors.ndim != 2 or len(words) != len(vectors) or not words:
            raise ValueError(f"{len(words)} words need vectors of shape ({len(words)}, D), N above 0, got {tuple(vectors.shape)}")
        self.words, self.vectors = words, F.normalize(vectors, dim=1)
        self.index = {word: i for i, word in enumerate(self.words)}
        if len(self.index) < len(words):
            raise ValueError(f"words holds {len(words) - len(self.index)} words twice: every word has one vector")

    def __contains__(self, word):
        return word in self.index

    def __len__(self):
        return len(self.words)

    def __getitem__(self, word):
        """A word's vector (D,), or those of a list of words (N, D)."""
        return self.vectors[self.ids(word)]

    def ids(self, words):
        """Number of a word, or (N,) numbers of a list of words; KeyError names the words that have no vector."""
        unknown = [word for word in ([words] if isinstance(words, str) else _words(words)) if word not in self.index]
        if unknown:
            raise KeyError(f"no vector for {', '.join(map(repr, unknown[:5]))}: not seen in training, or rarer than min_count")
        return self.index[words] if isinstance(words, str) else torch.tensor([self.index[word] for word in words])

    def similarity(self, a, b):
        """Cosine of two words' vectors."""
        return float(self[a] @ self[b])

    def nearest(self, word, k=10):
        """The k nearest other words, [(word, cosine), ...]. word: a word, or a vector (D,)."""
        _check_k(k)
        vector = self[word] if isinstance(word, str) else F.normalize(torch.as_tensor(numbers(word, "word: a vector")).float(), dim=0)
        if vector.shape != self.vectors.shape[1:]:
            raise ValueError(f"a vector must have shape {tuple(self.vectors.shape[1:])}, got {tuple(vector.shape)}")
        cosines = self.vectors @ vector
        if isinstance(word, str):
            cosines[self.ids(word)] = -torch.inf
        top = cosines.topk(min(k, len(self)))
        return [(self.words[i], float(c)) for c, i in zip(top.values, top.indices.tolist())]

    def analogy(self, a, b, c, k=1):
        """a is to b as c is to ...? 3CosAdd: the k words x nearest to b - a + c, the three asked about left out."""
        _check_k(k)
        found = self.nearest(self[b] - self[a] + self[c], k + 3)
        return [(word, cosine) for word, cosine in found if word not in (a, b, c)][:k]


def evenly(items, most=100):
    """At most so many of a long list, taken in equal steps from its start on."""
    if not isinstance(items, (list, tuple)):
        raise ValueError(f"items must be a list, got {type(items).__name__}")
    if not (is_whole(most) and most >= 1):
        raise ValueError(f"most={most!r} must be a whole number of items, at least 1")
    return items[:: max(1, len(items) // most)][:most]


def analogies(vectors, questions, weights=(-1, 1, 1), exclude=True):
    """How well (a, b, c, d) questions are answered: {"accuracy": ..., "mrr": mean of 1 / rank of d}.

    d is looked for near weights . (a, b, c): (-1, 1, 1) is 3CosAdd. Linzen (2016) asks for the same without an offset,
    which is (0, 1, 1), (0, 1, 0) or (0, 0, 1). exclude=False lets a, b and c be answers as well. Questions with unknown
    words must be left out before.
    """
    questions = _tuples(questions, "questions", 4, "words that have vectors")
    weights = numbers(weights, "weights")
    if weights.shape != (3,):
        raise ValueError(f"weights must be three numbers, for a, b and c, got shape {weights.shape}")
    *asked, answer = (vectors.ids(column) for column in zip(*questions))
    guess = sum(weight * vectors.vectors[ids] for weight, ids in zip(weights.tolist(), asked))
    rank = _rank(vectors.vectors, guess, answer, torch.stack(asked, 1) if exclude else None)
    return {"accuracy": (rank == 1).double().mean().item(), "mrr": (1 / rank.double()).mean().item()}


def _rank(vectors, guess, answer, excluded=None, size=256):
    """1 for the nearest. vectors (V, D), guess (Q, D), answer (Q,), excluded (Q, n) -> (Q,)."""
    ranks = []
    for i in range(0, len(guess), size):
        cosines = guess[i : i + size] @ vectors.T
        own = cosines.gather(1, answer[i : i + size, None])
        if excluded is not None:
            cosines.scatter_(1, excluded[i : i + size], -torch.inf)
        ranks.append((cosines > own).sum(1) + 1)
    return torch.cat(ranks)


def analogy_questions():
    """The questions of Mikolov et al. (2013a): {"family": [("boy", "girl", "brother", "sister"), ...], ...}, 14 kinds."""
    from gensim.test.utils import datapath

    kinds = {}
    with open(datapath("questions-words.txt"), encoding="utf-8") as file:
        for line in file:
            if line.startswith(":"):
                kind = kinds[line[1:].strip()] = []
            else:
                kind.append(tuple(line.lower().split()))
    return kinds


def judgements(name):
    """Pairs of words with people's rating: [(a, b, rating), ...]. name: "WordSim-353" or "SimLex-999"."""
    from gensim.test.utils import datapath

    if not isinstance(name, str) or name not in JUDGEMENTS:
        raise ValueError(f"unknown judgements {name!r}: choose among {', '.join(JUDGEMENTS)}")
    with open(datapath(JUDGEMENTS[name]), encoding="utf-8") as file:
        rows = [line.split("\t") for line in file if not line.startswith("#")]
    return [(a.lower(), b.lower(), float(rating)) for a, b, rating in rows]


def agreement(vectors, pairs):
    """Spearman's rank correlation of cosine and people's rating, over the pairs (a, b, rating) whose words are known."""
    pairs = _tuples(pairs, "pairs", 3, "two words and their rating")
    known = [(vectors.similarity(a, b), rating) for a, b, rating in pairs if a in vectors and b in vectors]
    if len(known) < 2:
        raise ValueError(f"only {len(known)} of {len(pairs)} pairs have vectors for both words: a correlation needs two")
    cosine, rating = (_ranks(numbers(column, name)) for column, name in zip(zip(*known), ("a cosine", "a rating")))
    if not (np.ptp(cosine) and np.ptp(rating)):
        raise ValueError("all cosines or all ratings are equal: there is no order to agree with")
    return float(np.corrcoef(cosine, rating)[0, 1])


def _ranks(x):
    """Ranks, equal numbers sharing the mean of theirs."""
    _, where, count = np.unique(x, return_inverse=True, return_counts=True)
    last = count.cumsum()
    return (last - (count - 1) / 2)[where]


def neighbour_precision(vectors, words, labels, k=10):
    """Share of each word's k nearest neighbours, among `words` themselves, that carry its label. -> float."""
    words, labels = _words(words), torch.as_tensor(np.unique(label_array(labels, "labels"), return_inverse=True)[1])
    if len(words) != len(labels) or not is_whole(k) or not 1 <= k < len(words):
        raise ValueError(f"{len(words)} words need as many labels and k from 1 to {len(words) - 1}, got {len(labels)} labels and k={k!r}")
    E = vectors[words]
    cosines = (E @ E.T).fill_diagonal_(-torch.inf)
    return (labels[cosines.topk(k).indices] == labels[:, None]).double().mean().item()


def _words(words):
    """A list of words; one string is one word, of which there cannot be a list of letters."""
    if isinstance(words, str) or not hasattr(words, "__iter__"):
        raise ValueError(f"words must be a list of words, got {words!r:.60}")
    words = list(words)
    if wrong := [word for word in words if not isinstance(word, str)]:
        raise ValueError(f"words must be strings, but one is {wrong[0]!r:.60}")
    return words


def _tuples(rows, name, size, what):
    """rows as a list of tuples of this size."""
    rows = list(rows) if hasattr(rows, "__iter__") and not isinstance(rows, str) else None
    if not rows:
        raise ValueError(f"{name} is empty or no list: give tuples of {size}, {what}")
    if wrong := [row for row in rows if isinstance(row, str) or not hasattr(row, "__len__") or len(row) != size]:
        raise ValueError(f"{name} must be tuples of {size}, {what}, but one is {wrong[0]!r:.60}")
    return rows


def _check_k(k):
    if not (is_whole(k) and k >= 1):
        raise ValueError(f"k={k!r} must be a whole number of words, at least 1")
