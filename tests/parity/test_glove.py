"""GloVe against a plain loop and autograd; fastText's rows against gensim's; the SVD against numpy's."""
import numpy as np
import pytest
import torch

from evo.cooccur import cooccurrences, factor, pmi
from evo.models.fasttext import FastText, bucket, ngrams
from evo.models.glove import GloVe, weighted_squares
from evo.models.word2vec import Corpus
from evo.tokenizers import Vocab


@pytest.fixture(scope="module")
def counts():
    random = np.random.RandomState(0)
    return np.triu(random.poisson(2.0, (12, 12)), 1) + np.triu(random.poisson(2.0, (12, 12)), 1).T


def loop(model, counts, most):
    total = 0.0
    for w in range(len(counts)):
        for c in range(len(counts)):
            if counts[w, c]:
                score = sum(float(a) * float(b) for a, b in zip(model.input[w, :-1], model.output[c, :-1]))
                score += float(model.input[w, -1]) + float(model.output[c, -1])
                total += min(1.0, (counts[w, c] / most) ** 0.75) * (score - np.log(counts[w, c])) ** 2
    return total


def test_loss_is_that_of_a_loop(counts):
    model = GloVe(counts, dim=4, most=5.0)
    rows, columns = model.cells
    seen = torch.tensor(counts[rows, columns]).float()
    assert weighted_squares(model.scores(rows, columns), seen, most=5.0).item() == pytest.approx(loop(model, counts, 5.0), rel=1e-5)


def test_step_is_torchs_adagrad(counts):
    model = GloVe(counts, dim=4, most=5.0, lr=0.1)
    peers = [torch.nn.Parameter(table.clone()) for table in (model.input, model.output)]
    adagrad = torch.optim.Adagrad(peers, lr=0.1, initial_accumulator_value=1e-8, eps=0)
    rows, columns = model.cells
    seen = torch.tensor(counts[rows, columns]).float()
    for _ in range(5):
        w, c = peers[0][rows], peers[1][columns]
        score = (w[:, :-1] * c[:, :-1]).sum(1) + w[:, -1] + c[:, -1]
        adagrad.zero_grad()
        (weighted_squares(score, seen, most=5.0) / 2).backward()
        adagrad.step()
        model.step(torch.arange(len(rows)))
    for ours, theirs in zip((model.input, model.output), peers):
        torch.testing.assert_close(ours, theirs.data, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("word", ["a", "is", "cat", "night", "unkindness", "mañana", "straße", "日本語"])
@pytest.mark.parametrize("buckets", [97, 50_000, 2_000_000])
def test_ngrams_and_their_rows_are_gensims(word, buckets):
    from gensim.models.fasttext import ft_ngram_hashes
    from gensim.models.fasttext_inner import compute_ngrams

    assert sorted(ngrams(word)) == sorted(compute_ngrams(word, 3, 6))
    assert sorted(bucket(g, buckets) for g in ngrams(word)) == sorted(ft_ngram_hashes(word, 3, 6, buckets))


def test_vectors_of_the_same_tables_are_gensims():
    from gensim.models import FastText as Peer

    text = [["cat", "dog", "cats"], ["dogs", "cat", "is"]] * 5
    peer = Peer(text, vector_size=8, min_count=1, bucket=300, min_n=3, max_n=6, epochs=1, workers=1, seed=1)
    corpus = Corpus(text, Vocab(text, specials=()))
    ours = FastText(corpus, dim=8, buckets=300)
    order = [peer.wv.key_to_index[word] for word in corpus.vocab.words]
    ours.input = torch.tensor(np.concatenate([peer.wv.vectors_vocab[order], peer.wv.vectors_ngrams]))
    torch.testing.assert_close(ours.vectors(), torch.tensor(peer.wv.vectors[order]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.vectors(["catty"])[0], torch.tensor(peer.wv["catty"]), atol=1e-5, rtol=1e-5)


def test_the_cut_table_is_numpys():
    table = pmi(cooccurrences(np.arange(40) % 9, np.arange(40) // 8, 3, 9)).toarray()
    words, others = factor(table, 4)
    U, S, Vt = np.linalg.svd(table)
    np.testing.assert_allclose(words @ others.T, (U[:, :4] * S[:4]) @ Vt[:4], atol=1e-5)
