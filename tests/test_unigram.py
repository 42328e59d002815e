"""The unigram model: its sums against a loop over all cuts, its cuts against `tokenizers`, its training against itself."""
import math
import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from evo.data.text import tokenize, wordnet
from evo.unigram import LONGEST_WORD, Lattice, best_cut, sample_cut, seed_pieces, spans, train_unigram

TOY = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}


def every_cut(word):
    """All 2^(n - 1) ways to cut a word, from the places where one may."""
    for k in range(len(word)):
        for places in combinations(range(1, len(word)), k):
            ends = [0, *places, len(word)]
            yield [word[a:b] for a, b in zip(ends, ends[1:])]


def probability(cut, p):
    return math.prod(p.get(piece, 0.0) for piece in cut)


def likelihood(p, counts):
    """Log-likelihood of all words, each the sum over its cuts."""
    return sum(n * math.log(sum(probability(cut, p) for cut in every_cut(word))) for word, n in counts.items())


@pytest.fixture
def toy():
    seeds = seed_pieces(TOY, 30)
    total = sum(map(math.exp, seeds.values()))
    return {piece: math.exp(score) / total for piece, score in seeds.items()}


@pytest.fixture(scope="module")
def counts():
    wn = wordnet()
    return Counter("▁" + word for i in wn.train[:3000] for word in tokenize(wn.definitions[i]))


@pytest.fixture(scope="module")
def scores(counts):
    return train_unigram(counts, 600, seeds=3000)


def test_spans_are_all_substrings():
    assert sorted("banana"[a:b] for a, b in spans("banana")) == sorted("banana"[a:b] for a in range(6) for b in range(a + 1, 7))


def test_seeds_are_all_letters_and_what_covers_most():
    seeds = seed_pieces(TOY, 9)
    assert {piece for piece in seeds if len(piece) == 1} == set("hugpnbs")
    assert [piece for piece in seeds if len(piece) > 1] == ["hug", "ug"]  # 15 times three letters, 20 times two
    assert math.exp(seeds["ug"]) == pytest.approx(20)


def test_expected_counts_are_those_of_a_loop_over_all_cuts(toy):
    slow = Counter()
    for word, n in TOY.items():
        weights = [(cut, probability(cut, toy)) for cut in every_cut(word)]
        for cut, weight in weights:
            for piece in cut:
                slow[piece] += n * weight / sum(w for _, w in weights)
    times, _ = Lattice(TOY, toy).expected(np.array([*toy.values()]))
    assert times == pytest.approx([slow[piece] for piece in toy], abs=1e-12)


def test_forward_and_backward_sums_meet(toy):
    lattice, p = Lattice(TOY, toy), np.array([*toy.values()])
    before, after = lattice.sums(p)
    slow = [sum(probability(cut, toy) for cut in every_cut(word)) for word in TOY]
    assert after[0] == pytest.approx(slow) and before[lattice.length, range(len(TOY))] == pytest.approx(slow)


def test_a_pieces_loss_is_what_the_likelihood_loses_without_it(toy):
    _, lost = Lattice(TOY, toy).expected(np.array([*toy.values()]))
    for piece, loss in zip(toy, lost):
        if len(piece) > 1:
            without = {other: p for other, p in toy.items() if other != piece}
            assert likelihood(toy, TOY) - likelihood(without, TOY) == pytest.approx(loss)


def test_em_never_makes_the_text_less_likely(toy):
    lattice, p = Lattice(TOY, toy), np.array([*toy.values()])
    before = likelihood(toy, TOY)
    for _ in range(5):
        times, _ = lattice.expected(p)
        p = times / times.sum()
        after = likelihood(dict(zip(toy, p)), TOY)
        assert after >= before - 1e-9
        before = after


def test_viterbi_finds_the_likeliest_of_all_cuts(scores):
    p = {piece: math.exp(score) for piece, score in scores.items()}
    for word in ["▁unhappy", "▁river", "▁treatment", "▁an"]:
        best = max(every_cut(word), key=lambda cut: probability(cut, p))
        assert probability(best_cut(word, scores), p) == pytest.approx(probability(best, p))


def test_viterbi_agrees_with_the_library(scores):
    """tokenizers' own Viterbi on the same pieces, for every word of 2,000 definitions it has not seen."""
    from tokenizers import Tokenizer, models

    wn = wordnet()
    words = sorted({"▁" + word for i in wn.test[:2000] for word in tokenize(wn.definitions[i])})
    peer = Tokenizer(models.Unigram([("<unk>", -99.0), *scores.items()], unk_id=0))
    known = [word for word in words if set(word) <= set(scores)]
    assert len(known) > 4000
    assert [best_cut(word, scores) for word in known] == [encoding.tokens for encoding in peer.encode_batch(known)]


def test_a_letter_that_is_no_piece_stands_alone(scores):
    assert best_cut("▁ein▁ß", scores)[-1] == "ß" and "".join(best_cut("狗▁dog", scores)) == "狗▁dog"
    assert best_cut("", scores) == []


def test_training_gives_as_many_pieces_as_asked_letters_first(counts, scores):
    assert len(scores) == 600 and set("".join(counts)) <= set(scores)
    assert sum(map(math.exp, scores.values())) == pytest.approx(1)
    assert train_unigram(counts, 600, seeds=3000) == scores


def test_a_larger_model_can_be_shrunk(counts, scores):
    smaller = train_unigram(counts, 300, seeds=scores)
    assert len(smaller) == 300 and set(smaller) <= set(scores)


def test_pruning_costs_less_than_leaving_out_pieces_at_random(counts, scores):
    few = {word: n for word, n in counts.items() if len(word) < 9}

    def bits(pieces):
        p = np.exp([scores[piece] for piece in pieces])
        return np.log(Lattice(few, pieces).sums(p / p.sum())[1][0]) @ [*few.values()]

    letters = [piece for piece in scores if len(piece) == 1]
    longer = [piece for piece in scores if len(piece) > 1]
    kept = set(train_unigram(counts, 300, seeds=scores))
    drawn = random.Random(0).sample(longer, 300 - len(letters))
    assert bits([*letters, *(piece for piece in longer if piece in kept)]) > bits([*letters, *drawn])


def test_samples_are_drawn_by_their_probability(toy):
    logs = {piece: math.log(p) for piece, p in toy.items()}
    weights = {tuple(cut): probability(cut, toy) ** 0.5 for cut in every_cut("hugs")}
    rng, n = random.Random(0), 20_000
    drawn = Counter(tuple(sample_cut("hugs", logs, rng, alpha=0.5)) for _ in range(n))
    for cut, weight in weights.items():
        share = weight / sum(weights.values())
        assert drawn[cut] / n == pytest.approx(share, abs=4 * math.sqrt(share / n) + 1e-9)


def test_with_a_large_alpha_the_best_cut_comes_with_zero_all_alike(scores):
    rng = random.Random(0)
    assert all(sample_cut("▁treatment", scores, rng, alpha=20) == best_cut("▁treatment", scores) for _ in range(20))
    toy = {piece: -1.0 for piece in ("a", "b", "ab")}
    drawn = Counter(len(sample_cut("ab", toy, rng, alpha=0)) for _ in range(2000))
    assert drawn[1] / 2000 == pytest.approx(0.5, abs=0.05)


def test_samples_join_to_the_word(scores):
    rng = random.Random(1)
    assert all("".join(sample_cut("▁electroencephalograph", scores, rng, alpha=0.1)) == "▁electroencephalograph" for _ in range(20))


def test_words_that_are_too_long_are_left_out():
    long = "a" * (LONGEST_WORD + 1)
    assert train_unigram({"aa": 3, "ab": 2, long: 9}, 3) == train_unigram({"aa": 3, "ab": 2}, 3)


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [({}, 9, "size=9"), ({"abc": 1}, 2, "size=2"), (["abc"], 9, "must be a dict"), ({"abc": 1}, "9", "whole number")],
)
def test_bad_training_is_named(counts, size, message):
    with pytest.raises(ValueError, match=message):
        train_unigram(counts, size)


def test_a_word_that_cannot_be_cut_is_named():
    with pytest.raises(ValueError, match=r"no piece for \['z'\]"):
        Lattice({"az": 1}, ["a"])
