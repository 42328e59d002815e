"""Counted language models against nltk.lm, which is fed the same grams."""
import math

import numpy as np
import pytest
from nltk.lm import MLE, KneserNeyInterpolated, Lidstone
from nltk.lm.preprocessing import pad_both_ends

from evo.counts import Counts, KneserNey, perplexity, windows

V, N, MARK = 6, 3, 0


@pytest.fixture(scope="module")
def texts():
    random = np.random.RandomState(0)
    chances = 1 / np.arange(1, V)
    return [random.choice(np.arange(1, V), size=random.randint(1, 7), p=chances / chances.sum()).tolist() for _ in range(25)]


@pytest.fixture(scope="module")
def rows(texts):
    return windows(texts, N, MARK)


def peer(cls, rows, *args, **kwargs):
    """A model of nltk that has counted every row's last word after 0 to n - 1 words."""
    model = cls(*args, order=rows.shape[1], **kwargs)
    grams = [[tuple(map(str, row[-k:])) for row in rows for k in range(1, rows.shape[1] + 1)]]
    model.fit(grams, vocabulary_text=list(map(str, range(V))))
    return model


def every(n):
    """All V^n windows."""
    return np.stack(np.meshgrid(*[np.arange(V)] * n, indexing="ij"), -1).reshape(-1, n)


def scores(model, rows):
    return np.array([model.unmasked_score(str(row[-1]), tuple(map(str, row[:-1]))) for row in rows])


def test_windows_are_nltks_padded_grams(texts):
    padded = [list(pad_both_ends(map(str, text), N, pad_left=True, left_pad_symbol="0", pad_right=True, right_pad_symbol="0"))
              for text in texts]
    ours = [tuple(map(str, row)) for row in windows(texts, N, MARK)]
    theirs = [tuple(text[i : i + N]) for text in padded for i in range(len(text) - 2 * (N - 1))]
    inner = [row for row in ours if row[-1] != "0"]
    assert inner == theirs


def test_relative_frequencies_are_mle(rows):
    model, asked = peer(MLE, rows), every(N)
    theirs = scores(model, asked)
    context = next(reversed(list(Counts(rows, V).find(asked))))[0]
    known = context >= 0  # behind an unseen context nltk says 0, and ours what the shorter context says
    np.testing.assert_allclose(Counts(rows, V).relative(asked)[-1][known], theirs[known], atol=1e-12)
    assert known.any() and not known.all()


@pytest.mark.parametrize("k", [1, 0.1])
def test_add_k_is_lidstone(rows, k):
    theirs = np.array([(c[str(row[-1])] + k) / (c.N() + V * k) for row in every(N)
                       for c in [peer_counts(rows)[tuple(map(str, row[:-1]))]]])
    np.testing.assert_allclose(Counts(rows, V).add(every(N), k), theirs, atol=1e-12)
    model = peer(Lidstone, rows, k)  # nltk counts one word more in its vocabulary, for what is unknown
    assert len(model.vocab) == V + 1


def peer_counts(rows):
    return peer(MLE, rows).counts


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("discount", [0.1, 0.75])
def test_kneser_ney_is_nltks(texts, n, discount):
    rows = windows(texts, n, MARK)
    ours = KneserNey(rows, V, [[0] * 3] + [[discount] * 3] * (n - 1))
    theirs = scores(peer(KneserNeyInterpolated, rows, discount=discount), every(n))
    np.testing.assert_allclose(ours.prob(every(n)), theirs, atol=1e-6)


def test_perplexity_is_nltks(rows):
    model = peer(KneserNeyInterpolated, rows, discount=0.5)
    ours = KneserNey(rows, V, [[0] * 3] + [[0.5] * 3] * (N - 1)).prob(rows)
    theirs = model.perplexity([tuple(map(str, row)) for row in rows])
    assert math.isclose(perplexity(ours), theirs, rel_tol=1e-6)
