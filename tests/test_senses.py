"""Uses of words and what vectors say of their senses: slow references, perfect and useless vectors, and the cuts."""
from itertools import combinations

import pytest
import torch
import torch.nn.functional as F

from evo import senses
from evo.data.text import wordnet


@pytest.fixture(scope="module")
def uses():
    return senses.usage_examples(wordnet())


def test_the_word_stands_at_its_place_in_whatever_form(uses):
    assert senses.place("play", "the children played ball".split()) == 2
    assert senses.place("light", "lightly lit , a light".split()) == 4  # the word itself wins
    same = sum(uses.form(i)[:2] == uses.words[i][:2] for i in range(len(uses)))
    assert same > 0.9 * len(uses)  # the rest: went, better, mice


def test_held_out_uses_are_those_of_meanings_kept_from_training(uses):
    wn = wordnet()
    kept = {text for i in [*wn.valid, *wn.test] for text in wn.examples[i]}
    read = {text for i in wn.train for text in wn.examples[i]}
    from evo.data.text import tokenize
    kept, read = ({" ".join(tokenize(text)) for text in texts} for texts in (kept, read))
    assert all((" ".join(text) in kept) if held else (" ".join(text) in read)
               for text, held in zip(uses.texts, uses.held.tolist()))


def test_pairs_differ_in_the_sense_and_in_nothing_that_gives_it_away(uses):
    pairs = senses.pairs_of_senses(uses)
    assert min(map(len, pairs.values())) > 200
    for kind, found in pairs.items():
        for i, j in found:
            assert uses.words[i] == uses.words[j] and uses.form(i) == uses.form(j)
            assert uses.labels[i] != uses.labels[j] and uses.held[i] and uses.held[j]
            assert (uses.speech(i) == uses.speech(j)) == (kind == "meaning")
    assert not set(pairs["meaning"]) & set(pairs["part of speech"])


def test_perfect_vectors_are_always_right_and_a_table_half(uses):
    perfect = F.one_hot(uses.labels, 45).float()
    words = list(dict.fromkeys(uses.form(i) for i in range(len(uses))))
    index = {word: k for k, word in enumerate(words)}
    table = torch.randn(len(words), 16, generator=torch.Generator().manual_seed(0))
    table = table[[index[uses.form(i)] for i in range(len(uses))]]
    for pairs in senses.pairs_of_senses(uses).values():
        assert (senses.told_apart(perfect, uses, pairs) == 1).all()
        assert (senses.told_apart(table, uses, pairs) == 0.5).all()
        assert (senses.told_apart(-perfect, uses, pairs) == 1).all()  # centres turn as well
    rows = senses.words_with_senses(uses)["play"]
    assert senses.nearest_use(perfect, uses, rows) == 1


def test_held_out_uses_do_not_make_the_centres(uses):
    """A leak would show: vectors of the held-out uses that name their pair, and of the others that say nothing."""
    x = torch.randn(len(uses), 45, generator=torch.Generator().manual_seed(0))
    x[uses.held] = 100 * F.one_hot(uses.labels, 45).float()[uses.held]
    right = senses.told_apart(x, uses, senses.pairs_of_senses(uses)["meaning"]).mean()
    assert 0.35 < right < 0.65


def test_words_shown_have_two_senses_twice(uses):
    for rows in senses.words_with_senses(uses).values():
        tally = uses.labels[rows].bincount()
        assert (tally > 0).sum() > 1 and tally[tally > 0].min() > 1


def test_nearest_use_against_a_loop(uses):
    x, rows = torch.randn(len(uses), 5, generator=torch.Generator().manual_seed(1)), senses.words_with_senses(uses)["light"]
    centred, right = x - x.mean(0), 0
    for i in rows:
        near = max((j for j in rows if j != i), key=lambda j: F.cosine_similarity(centred[i], centred[j], dim=0))
        right += int(uses.labels[i] == uses.labels[near])
    assert senses.nearest_use(x, uses, rows) == pytest.approx(right / len(rows))


def test_similarity_is_the_mean_cosine_of_all_pairs():
    x = torch.randn(7, 4)
    pairs = [F.cosine_similarity(a, b, dim=0) for a, b in combinations(x, 2)]
    assert senses.similarity(x) == pytest.approx(torch.stack(pairs).mean().item(), abs=1e-6)
    assert senses.similarity(torch.eye(3)) == pytest.approx(0) and senses.similarity(torch.ones(3, 2)) == pytest.approx(1)


def test_one_direction_is_what_the_best_line_keeps():
    x = torch.randn(9, 4)
    best = torch.linalg.eigh(x.T @ x)[1][:, -1]
    kept = (x @ best).square().sum() / x.square().sum()
    assert senses.one_direction(x) == pytest.approx(kept.item(), abs=1e-5)
    assert senses.one_direction(torch.eye(5)) == pytest.approx(0.2)


@pytest.mark.parametrize("call, said", [
    (lambda u: senses.told_apart(torch.zeros(3, 4), u, [(0, 1)]), "one vector a use"),
    (lambda u: senses.told_apart(torch.zeros(len(u), 4), u, []), "no pair"),
    (lambda u: senses.nearest_use(torch.zeros(3, 4), u, [0, 1]), "one vector a use"),
    (lambda u: senses.nearest_use(torch.zeros(len(u), 4), u, [0]), "two uses"),
    (lambda u: senses.similarity(torch.zeros(1, 4)), "at least 2"),
    (lambda u: senses.one_direction(torch.zeros(4)), r"\(N, D\)"),
    (lambda u: senses.similarity(torch.zeros(2, 4).long()), "floating-point"),
    (lambda u: senses.place("", ["a"]), "a word"),
    (lambda u: senses.place("a", []), "a text"),
])  # fmt: skip
def test_what_cannot_be_used_is_said(uses, call, said):
    with pytest.raises(ValueError, match=said):
        call(uses)
