"""Counted language models: closed forms, slow loops, sums to one, clear errors."""
import math
from collections import Counter

import numpy as np
import pytest

from evo.counts import Counts, KneserNey, mixture, perplexity, windows

V = 6


@pytest.fixture
def texts():
    random = np.random.RandomState(1)
    return [random.randint(1, V, size=random.randint(1, 8)).tolist() for _ in range(30)]


def behind(context):
    return np.column_stack([np.tile(context, (V, 1)), np.arange(V)])


def test_windows_see_no_other_text():
    assert windows([[1, 2], [3]], 3, 0).tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 0], [0, 0, 3], [0, 3, 0]]
    assert windows([[1, 2], []], 1, 0).tolist() == [[1], [2], [0], [0]]
    assert windows(map(list, [(1, 2), (3,)]), 3, 0).tolist() == windows([[1, 2], [3]], 3, 0).tolist(), "or what yields the texts"


def test_counts_are_those_of_a_loop(texts):
    rows = windows(texts, 4, 0)
    counts = Counts(rows, V)
    for k, (context, gram) in enumerate(counts.find(rows)):
        slow = Counter(tuple(row[-1 - k :]) for row in rows)
        assert [slow[tuple(row[-1 - k :])] for row in rows] == counts.seen[k][gram].tolist()
        slow = Counter(tuple(row[-1 - k : -1]) for row in rows)
        assert [slow[tuple(row[-1 - k : -1])] for row in rows] == counts.totals(k, counts.seen[k])[context].tolist()


def test_what_was_never_seen_has_no_number():
    context, gram = zip(*Counts(windows([[1, 2]], 3, 0), V).find(np.array([[0, 2, 1], [1, 2, 0], [3, 3, 3]])))
    assert [(c >= 0).tolist() for c in context] == [[True, True, True], [True, True, False], [False, True, False]]
    assert [(g >= 0).tolist() for g in gram] == [[True, True, False], [False, True, False], [False, True, False]]


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_every_model_gives_one_to_all_words_together(texts, n):
    rows = windows(texts, n, 0)
    counts, smooth = Counts(rows, V), KneserNey(rows, V)
    weights = mixture(counts.relative(rows))
    for context in [*rows[:20, :-1], np.full(n - 1, 5)]:
        for p in (counts.add(behind(context), 0.3), smooth.prob(behind(context)), weights @ counts.relative(behind(context))):
            assert p.sum() == pytest.approx(1) and (p >= 0).all()


def test_kneser_ney_with_one_word_is_counting_with_a_discount():
    rows = np.array([[0]] * 4 + [[1]] * 2 + [[2]])
    p = KneserNey(rows, 4, [[0.5, 0.6, 0.7]]).prob(np.arange(4)[:, None])
    free = (0.5 + 0.6 + 0.7) / 7 / 4
    np.testing.assert_allclose(p, [3.3 / 7 + free, 1.4 / 7 + free, 0.5 / 7 + free, free])


def test_discounts_are_chens_and_goodmans():
    count = [1] * 8 + [2] * 4 + [3] * 2 + [4]  # y = 8 / 16
    rows = np.repeat(np.arange(15), count)[:, None]
    np.testing.assert_allclose(KneserNey(rows, 15).discounts[0], [1 - 0.5, 2 - 1.5 * 0.5, 3 - 2 * 0.5])


def test_mixture_finds_the_weights_that_made_the_text():
    random = np.random.RandomState(0)
    models = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    drawn = random.choice(3, size=20_000, p=[0.25, 0.75] @ models)
    np.testing.assert_allclose(mixture(models[:, drawn]), [0.25, 0.75], atol=0.02)


def test_perplexity_of_a_uniform_guess_is_the_number_of_words():
    assert perplexity(np.full(10, 1 / 50)) == pytest.approx(50)
    assert perplexity([1.0]) == 1 and perplexity([0.5, 0.0]) == math.inf


@pytest.mark.parametrize("call", [
    lambda: windows([], 2, 0), lambda: windows([[1]], 0, 0), lambda: windows([[1]], 1.5, 0), lambda: windows(["ab"], 2, 0),
    lambda: windows([[1]], 2, None),
    lambda: Counts(np.array([[0, 9]]), V), lambda: Counts(np.array([[0, -1]]), V), lambda: Counts(np.array([0, 1]), V),
    lambda: Counts([[0, 1]], V), lambda: Counts(np.zeros((0, 2), int), V), lambda: Counts(np.array([[0.5, 1]]), V),
    lambda: list(Counts(np.array([[0, 1]]), V).find(np.array([[0, 1, 2]]))),
    lambda: Counts(np.array([[0, 1]]), V).add(np.array([[0, 1]]), 0),
    lambda: KneserNey(np.array([[0, 1]]), V, [[0.5] * 3]), lambda: KneserNey(np.array([[0, 1]]), V, [[2.0] * 3] * 2),
    lambda: mixture([0.5, 0.5]), lambda: mixture([[-1.0]]), lambda: perplexity([]), lambda: perplexity([-0.1]), lambda: perplexity("ab"),
])  # fmt: skip
def test_bad_input_is_called_so(call):
    with pytest.raises(ValueError) as caught:
        call()
    assert len(str(caught.value)) > 15
