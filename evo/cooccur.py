"""Counting neighbours: which words stand near which, how much more often than chance, and the table's best small copy.

A table is a sparse matrix (V, V), one row a word and one column a neighbour. Where two words were never seen together it
holds nothing, which the methods here read as 0.
"""
import numpy as np
import scipy.sparse as sp

from evo.probes import is_whole


def cooccurrences(tokens, sentence, window, size):
    """How often every word stood near every other.

    A sparse matrix (size, size), equal to its own transpose.

    tokens, sentence: (T,) numbers of words and of their sentences, as a
    `Corpus` holds them. At distance d two words count
    (window + 1 - d) / window: as often as word2vec's shrinking windows
    would hold the pair.
    """
    tokens, sentence = np.asarray(tokens), np.asarray(sentence)
    for name, value in dict(window=window, size=size).items():
        if not is_whole(value) or value < 1:
            raise ValueError(f"{name}={value!r} must be a whole number of at "
                             "least 1")
    if tokens.ndim != 1 or tokens.shape != sentence.shape or len(tokens) < 2:
        raise ValueError("tokens and sentence must be two rows of the same "
                         f"length, at least 2, got {tokens.shape} and "
                         f"{sentence.shape}")
    if tokens.dtype.kind not in "iu" or tokens.min() < 0 or (
            tokens.max() >= size):
        raise ValueError(f"tokens must be whole numbers from 0 to "
                         f"{size - 1}")
    rows, columns, seen = [], [], []
    for d in range(1, min(window, len(tokens) - 1) + 1):
        near = sentence[:-d] == sentence[d:]
        rows.append(tokens[:-d][near])
        columns.append(tokens[d:][near])
        seen.append(np.full(near.sum(), (window + 1 - d) / window))
    cells = np.concatenate(rows), np.concatenate(columns)
    once = sp.csr_matrix((np.concatenate(seen), cells), (size, size))
    return (once + once.T).tocsr()


def pmi(counts, smoothing=1.0, negatives=1, positive=False):
    """log p(w, c) / (p(w) p(c)) - log negatives, wherever a pair was seen.

    counts: sparse (V, V). smoothing: p(c) is taken from the counts to this
    power. positive: numbers below 0 are dropped. Levy and Goldberg (2014).
    """
    counts = as_counts(counts)
    _within("smoothing", smoothing, 0, 1, smoothing != 0)
    _within("negatives", negatives, 0, 1e9, negatives != 0)
    word = np.asarray(counts.sum(1)).ravel()
    near = np.asarray(counts.sum(0)).ravel() ** smoothing
    cells = counts.tocoo()
    expected = word[cells.row] * near[cells.col] / near.sum()
    values = np.log(cells.data / expected) - np.log(negatives)
    kept = values > 0 if positive else values != 0
    return sp.csr_matrix(
        (values[kept], (cells.row[kept], cells.col[kept])), counts.shape)


def factor(table, dim, power=0.5, seed=0):
    """words (V, dim) and neighbours (V, dim): the table's truncated SVD.

    Their products come closest to the table. table = U S V', cut to the
    dim largest of S. words is U S^power, neighbours V S^(1 - power).
    """
    from sklearn.utils.extmath import randomized_svd

    table = _sparse(table, "table")
    if not is_whole(dim) or not 1 <= dim <= min(table.shape):
        raise ValueError(f"dim={dim!r} must be a whole number from 1 to "
                         f"{min(table.shape)}")
    _within("power", power, 0, 1)
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed={seed!r} must be a whole number of at least 0")
    U, S, Vt = randomized_svd(table, dim, n_iter=4, random_state=seed)
    return U * S**power, Vt.T * S ** (1 - power)


def as_counts(counts):
    """counts as a sparse matrix of numbers above 0; array or matrix (V, V)."""
    counts = _sparse(counts, "counts")
    counts.eliminate_zeros()
    if not counts.nnz or counts.data.min() < 0:
        raise ValueError("counts must hold a number above 0 and none below")
    return counts


def _within(name, value, low, high, also=True):
    """A number from low to high, and what else is asked of it."""
    if not isinstance(value, (int, float)) or not low <= value <= high or (
            not also):
        raise ValueError(f"{name}={value!r} must be a number from {low} to "
                         f"{high}" + ("" if also else ", but not 0"))


def _sparse(table, name):
    """A copy of the table as a sparse matrix of finite numbers."""
    if not sp.issparse(table):
        table = np.asarray(table)
        if table.ndim != 2 or table.dtype.kind not in "biuf":
            raise ValueError(f"{name} must be a sparse matrix or an array of "
                             f"numbers (V, V), got shape {table.shape}")
    table = sp.csr_matrix(table, dtype=float, copy=True)
    if not np.isfinite(table.data).all():
        raise ValueError(f"{name} must be finite numbers")
    return table
