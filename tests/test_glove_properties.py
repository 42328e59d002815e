"""Counted and guessed vectors: tables by hand, the optimum of word2vec's game, GloVe's step, fastText's rows; and bad input."""
import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from evo.cooccur import as_counts, cooccurrences, factor, pmi
from evo.models.fasttext import FastText, bucket, ngrams
from evo.models.glove import GloVe, pair_weight, weighted_squares
from evo.models.word2vec import Corpus, FastSkipGram, gradients
from evo.tokenizers import Vocab


@pytest.fixture
def corpus():
    """60 sentences in which word i is drawn about 1 / i of the time."""
    random = np.random.RandomState(0)
    chances = 1 / np.arange(1, 31)
    words = [f"word{i}" for i in range(30)]
    text = [[words[i] for i in random.choice(30, size=random.randint(2, 12), p=chances / chances.sum())] for _ in range(60)]
    return Corpus(text, Vocab(text, specials=()))


@pytest.fixture
def counts(corpus):
    return cooccurrences(corpus.tokens, corpus.sentence, 3, len(corpus.vocab))


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize("window", [1, 2, 5, 40])
def test_the_table_is_that_of_a_loop(corpus, window):
    tokens, sentence = corpus.tokens.tolist(), corpus.sentence.tolist()
    slow = np.zeros((30, 30))
    for i, (a, s) in enumerate(zip(tokens, sentence)):
        for j, (b, t) in enumerate(zip(tokens, sentence)):
            if i != j and s == t and abs(i - j) <= window:
                slow[a, b] += (window + 1 - abs(i - j)) / window
    found = cooccurrences(corpus.tokens, corpus.sentence, window, 30).toarray()
    np.testing.assert_allclose(found, slow, atol=1e-9)
    np.testing.assert_array_equal(found, found.T)


def test_the_table_holds_what_skip_grams_windows_weigh(corpus, counts):
    """FastSkipGram's band, summed over the text, is the same table."""
    model = FastSkipGram(corpus, dim=4, window=3, sample=1.0)
    total = np.zeros((30, 30))

    def step(words, place, drawn):
        weight = (place[:, 3 : 3 + model.BLOCK, None] == place[:, None]) * model.band
        centre = words[:, 3 : 3 + model.BLOCK, None].expand_as(weight)
        np.add.at(total, (centre.flatten(), words[:, None].expand_as(weight).flatten()), weight.flatten().numpy())

    model.step = step
    model.epoch()
    wanted = counts.toarray()
    wanted[0, 0] = total[0, 0]  # word 0 fills up the last block, and its copies there are neighbours
    np.testing.assert_allclose(total, wanted, atol=1e-3)


def test_independent_words_have_no_surplus():
    once = np.outer([5, 3, 2], [1, 4, 5])
    assert np.abs(pmi(once).toarray()).max() < 1e-12
    assert np.abs(pmi(once, negatives=7).toarray() + math.log(7)).max() < 1e-12


def test_smoothing_expects_rare_neighbours_more_often(counts):
    often = np.asarray(counts.sum(0)).ravel()
    change = (pmi(counts, smoothing=0.5) - pmi(counts)).toarray()
    rarest, most = often.argmin(), often.argmax()
    assert change[:, rarest].min() < -0.1 and change[:, most].max() > 0.1


def test_positive_is_clipped(counts):
    np.testing.assert_allclose(pmi(counts, 0.75, 5, positive=True).toarray(), pmi(counts, 0.75, 5).toarray().clip(0), atol=1e-12)


@pytest.mark.parametrize("power", [0.0, 0.3, 1.0])
def test_halves_multiply_to_the_best_copy(counts, power):
    table = pmi(counts).toarray()
    U, S, Vt = np.linalg.svd(table)
    words, others = factor(sp.csr_matrix(table), 10, power)
    assert words.shape == others.shape == (30, 10)
    best = (U[:, :10] * S[:10]) @ Vt[:10]
    assert np.linalg.norm(table - words @ others.T) < 1.01 * np.linalg.norm(table - best)
    np.testing.assert_allclose(np.linalg.norm(words, axis=0), S[:10] ** power, rtol=0.05)


# ---------------------------------------------------------------- word2vec's optimum


def test_the_gradient_of_the_game_is_zero_at_shifted_pmi():
    """Two words, vectors wide enough: log(n / m) is where the expected game stands still."""
    n = torch.tensor([[6.0, 2.0], [2.0, 10.0]])
    m = 5 * torch.outer(n.sum(1), n.sum(0)) / n.sum()
    scores = torch.from_numpy(pmi(n.numpy(), negatives=5).toarray()).float().requires_grad_()
    (n * F.logsigmoid(scores) + m * F.logsigmoid(-scores)).sum().backward()
    assert scores.grad.abs().max() < 1e-5


# ---------------------------------------------------------------- GloVe


def test_weights_by_hand():
    found = pair_weight(torch.tensor([1.0, 16.0, 100.0, 1e4]), most=16.0)
    torch.testing.assert_close(found, torch.tensor([0.125, 1, 1, 1]))


def test_no_loss_where_scores_are_logarithms():
    seen = torch.tensor([1.0, 2.0, 300.0])
    assert weighted_squares(seen.log(), seen) == 0
    assert weighted_squares(seen.log() + 1, seen, most=1.0).item() == pytest.approx(3)


def test_glove_learns_a_table_that_it_can_hold():
    """log n = a_w + a_c is within reach of the biases alone."""
    factors = torch.arange(1.0, 9)
    model = GloVe(sp.csr_matrix(torch.outer(factors, factors).numpy()), dim=2, most=1.0, lr=0.1)
    errors = [model.epoch() for _ in range(400)]
    assert errors[-1] < 0.01 < errors[0] and all(math.isfinite(e) for e in errors)


def test_equal_seeds_give_equal_vectors(counts):
    def train(seed):
        model = GloVe(counts, dim=5, seed=seed)
        model.epoch()
        return model.vectors()

    assert torch.equal(train(1), train(1)) and not torch.equal(train(1), train(2))
    assert train(1).shape == (30, 5)


def test_every_number_of_glove_moves(counts):
    model = GloVe(counts, dim=5)
    before = model.input.clone(), model.output.clone()
    model.epoch()
    assert (model.input != before[0]).all() and (model.output != before[1]).all()


# ---------------------------------------------------------------- fastText


def test_ngrams_by_hand():
    assert ngrams("cat", 3, 4) == ["<ca", "cat", "at>", "<cat", "cat>"]
    assert ngrams("a") == ["<a>"] and ngrams("a", 4) == []


def test_a_word_is_the_mean_of_its_rows(corpus):
    model = FastText(corpus, dim=6, buckets=50)
    assert model.input.shape == (30 + 50, 6)
    for i, word in enumerate(corpus.vocab.words[:5]):
        rows = [i] + [30 + bucket(g, 50) for g in ngrams(word)]
        torch.testing.assert_close(model.vectors()[i], model.input[rows].mean(0))
        torch.testing.assert_close(model.vectors([word])[0], model.input[rows].mean(0))
    new = [30 + bucket(g, 50) for g in ngrams("wordy")]
    torch.testing.assert_close(model.vectors(["wordy"])[0], model.input[new].mean(0))


def test_without_ngrams_it_is_word2vec(corpus):
    """n-grams longer than every word: only the words' own rows are left."""
    plain = FastSkipGram(corpus, dim=6, seed=3, sample=1.0)
    letters = FastText(corpus, smallest=50, largest=60, dim=6, seed=3, sample=1.0)
    letters.generator.set_state(plain.generator.get_state())
    plain.epoch(), letters.epoch()
    torch.testing.assert_close(letters.vectors(), plain.input, atol=1e-4, rtol=1e-3)


def test_a_step_moves_the_rows_of_the_centre_words_and_no_others(corpus):
    model = FastText(corpus, dim=6, buckets=1000)
    torch.nn.init.normal_(model.output)
    words = torch.full((1, model.BLOCK + 10), 2)
    place = torch.zeros_like(words)
    before = model.input.clone()
    model.step(words, place, torch.tensor([4, 5]))
    moved = (model.input != before).any(1).nonzero().flatten().tolist()
    assert moved == sorted({2, *model.rows(corpus.vocab.words[2])})


def test_what_moves_the_rows_is_the_gradient_of_their_mean(corpus):
    """Against autograd: the rows of a word all get its vector's gradient (their mean's, but for the factor)."""
    model = FastText(corpus, dim=6, buckets=1000)
    torch.nn.init.normal_(model.output)
    words = torch.randint(30, (1, model.BLOCK + 10), generator=torch.Generator().manual_seed(0))
    drawn, found = torch.tensor([4, 5]), {}
    model.ascend = lambda table, rows, gradient: found.setdefault(id(table), (rows, gradient))
    model.step(words, torch.zeros_like(words), drawn)
    rows, gradient = found[id(model.input)]
    centre, weight = words[0, 5 : 5 + model.BLOCK], model.band[None]
    to_centre, _ = gradients(model.vectors()[centre], model.output[torch.cat([words[0], drawn])], weight, 10)
    total = torch.zeros_like(model.input).index_add_(0, rows, gradient)
    wanted = torch.zeros_like(model.input)
    for word, move in zip(centre.tolist(), to_centre):
        for row in [word, *model.rows(corpus.vocab.words[word])]:
            wanted[row] += move
    torch.testing.assert_close(total, wanted, atol=1e-5, rtol=1e-4)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("call, message", [
    (lambda c: GloVe(c, dim=0), "dim=0"), (lambda c: GloVe(c, lr=0), "lr=0"), (lambda c: GloVe(c, most=0), "most=0"),
    (lambda c: GloVe(np.zeros((3, 3))), "above 0"), (lambda c: GloVe(np.full((2, 2), -1.0)), "none below"),
    (lambda c: GloVe(None), "sparse matrix"),
    (lambda c: GloVe(np.full((2, 2), np.nan)), "finite"), (lambda c: as_counts("x"), "sparse matrix"),
    (lambda c: weighted_squares(torch.ones(2), torch.zeros(2)), "no logarithm"),
    (lambda c: weighted_squares(torch.ones(2), torch.ones(3)), "shape"),
    (lambda c: pair_weight(torch.ones(2), most=-1), "above 0"), (lambda c: pair_weight(torch.ones(2), power=0), "above 0"),
    (lambda c: ngrams(""), "string of letters"), (lambda c: ngrams(3), "string of letters"), (lambda c: ngrams("a", 4, 3), "smallest=4"),
    (lambda c: ngrams("a", 0), "smallest=0"), (lambda c: bucket(3, 5), "string"), (lambda c: bucket("a", 0), "0"),
])  # fmt: skip
def test_bad_input_is_named(counts, call, message):
    with pytest.raises(ValueError, match=message):
        call(counts)


def test_a_word_without_any_row_has_no_vector(corpus):
    with pytest.raises(ValueError, match="'of' was not seen and is too short"):
        FastText(corpus, dim=6, smallest=5, largest=5).vectors(["of"])
