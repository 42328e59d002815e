"""word2vec against gensim: the same tree, the same starting weights, one epoch, the same weights at the end."""
import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors, Word2Vec

from evo.models.word2vec import CBOW, Corpus, HuffmanTree, NegativeSampling, SkipGram, huffman, keep_probability, load_gensim, neighbours
from evo.tokenizers import Vocab
from evo.words import JUDGEMENTS, WordVectors, agreement, analogies, analogy_questions, judgements

DIM, WINDOW, RATE = 16, 3, 0.05


@pytest.fixture(scope="module")
def sentences():
    """60 sentences in which word i is drawn about 1 / i of the time."""
    random = np.random.RandomState(0)
    chances = 1 / np.arange(1, 41)
    return [[f"w{i}" for i in random.choice(40, size=random.randint(2, 12), p=chances / chances.sum())] for _ in range(60)]


def gensim_model(sentences, **kwargs):
    model = Word2Vec(vector_size=DIM, window=WINDOW, min_count=1, sample=0, shrink_windows=False, workers=1,
                     alpha=RATE, min_alpha=RATE, seed=1, **kwargs)
    model.build_vocab(sentences)
    return model


def corpus_of(sentences, peer):
    """Our corpus, its words in gensim's order."""
    vocab = Vocab(sentences, specials=())
    vocab.words, vocab.index = peer.wv.index_to_key, peer.wv.key_to_index
    vocab.counts = [peer.wv.get_vecattr(word, "count") for word in vocab.words]
    return Corpus(sentences, vocab)


def gensim_tree(peer):
    return HuffmanTree(*([peer.wv.get_vecattr(w, key).astype(int) for w in peer.wv.index_to_key] for key in ("point", "code")))


TABLE = torch.sigmoid((torch.arange(1000) / 1000 * 2 - 1) * 6)  # gensim looks sigmoid up, in steps of .012


def table_error(scores, answers, asked):
    """answer - sigmoid(score), as gensim computes it: from the table, and 0 where |score| >= 6."""
    index = ((scores + 6) * (1000 // 6 // 2)).long().clamp(0, 999)  # 83 and not 83.3: as in the C tool
    return (answers - TABLE[index]) * asked * (scores.abs() < 6)


@torch.enable_grad()
def online(model, tree, inputs, targets, error):
    """One plain gradient step an example, as gensim does. `error` is minus the loss's derivative by the scores."""
    for x, y in zip(inputs, targets):
        rows, answers, asked = tree(y[None])
        scores = model(x[None], rows)
        scores.backward(-error(scores.detach(), answers, asked))
        if x.ndim:  # gensim adds CBOW's whole error to every neighbour, and does not divide it among them
            model.input.weight.grad *= (x >= 0).sum()
        with torch.no_grad():
            for table in model.parameters():
                table -= RATE * table.grad
                table.grad = None


def trained_pair(sentences, sg, error=table_error):
    """gensim and ours, after one epoch each."""
    peer = gensim_model(sentences, sg=sg, hs=1, negative=0, cbow_mean=1)
    corpus, tree = corpus_of(sentences, peer), gensim_tree(peer)
    ours = load_gensim((SkipGram if sg else CBOW)(len(corpus.vocab), DIM), peer)
    around = neighbours(corpus.tokens, corpus.sentence, WINDOW)
    if sg:  # gensim lets the neighbour speak and the centre answer; over a corpus that is the same set of pairs
        row, column = (around >= 0).nonzero(as_tuple=True)
        inputs, targets = around[row, column], corpus.tokens[row]
    else:
        some = (around >= 0).any(1)
        inputs, targets = around[some], corpus.tokens[some]
    start = peer.wv.vectors.copy()
    peer.train(sentences, total_examples=len(sentences), epochs=1)
    online(ours, tree, inputs, targets, error)
    assert np.abs(peer.wv.vectors - start).max() > 0.01  # something was learnt
    return peer, ours


@pytest.mark.parametrize("sg", [1, 0], ids=["skip-gram", "CBOW"])
def test_an_epoch_with_the_tree_is_gensims(sentences, sg):
    peer, ours = trained_pair(sentences, sg)
    np.testing.assert_allclose(ours.input.weight.detach(), peer.wv.vectors, rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.output.weight.detach(), peer.syn1, rtol=0, atol=1e-5)


def test_only_the_table_stands_between_gensim_and_a_true_sigmoid(sentences):
    peer, ours = trained_pair(sentences, 1, error=lambda scores, answers, asked: (answers - scores.sigmoid()) * asked)
    difference = np.abs(ours.input.weight.detach().numpy() - peer.wv.vectors).max()
    assert 1e-5 < difference < 0.1


def test_the_tree_is_as_short_as_gensims(sentences):
    """Ties make the tree ambiguous, its weighted length is not."""
    peer = gensim_model(sentences, sg=1, hs=1, negative=0)
    counts = [peer.wv.get_vecattr(word, "count") for word in peer.wv.index_to_key]
    theirs = [len(peer.wv.get_vecattr(word, "code")) for word in peer.wv.index_to_key]
    ours = [len(code) for code in huffman(counts)[1]]
    assert np.dot(counts, ours) == np.dot(counts, theirs)


def test_the_noise_is_gensims(sentences):
    peer = gensim_model(sentences, sg=1, hs=0, negative=5)
    counts = torch.tensor([peer.wv.get_vecattr(word, "count") for word in peer.wv.index_to_key])
    np.testing.assert_allclose(NegativeSampling(counts).cumulative, peer.cum_table / peer.cum_table[-1], atol=1e-8)


def test_frequent_words_are_thinned_as_in_gensim(sentences):
    peer = Word2Vec(sentences, vector_size=4, min_count=1, sample=0.01)
    counts = torch.tensor([peer.wv.get_vecattr(word, "count") for word in peer.wv.index_to_key])
    theirs = [peer.wv.get_vecattr(word, "sample_int") / (2**32 - 1) for word in peer.wv.index_to_key]
    np.testing.assert_allclose(keep_probability(counts, 0.01), theirs, atol=1e-6)


@pytest.mark.parametrize("kwargs, table", [(dict(hs=1, negative=0), "syn1"), (dict(hs=0, negative=5), "syn1neg")])
@pytest.mark.parametrize("kind", [SkipGram, CBOW])
def test_a_trained_gensim_model_loads(sentences, kind, kwargs, table):
    peer = Word2Vec(sentences, vector_size=DIM, min_count=1, **kwargs)
    ours = load_gensim(kind(len(peer.wv), DIM), peer)
    np.testing.assert_array_equal(ours.input.weight.detach(), peer.wv.vectors)
    np.testing.assert_array_equal(ours.output.weight.detach(), getattr(peer, table))


def test_published_files_load(sentences, tmp_path):
    """The binary format of the C tool, in which Google's vectors are published."""
    peer = Word2Vec(sentences, vector_size=DIM, min_count=1)
    peer.wv.save_word2vec_format(tmp_path / "vectors.bin", binary=True)
    published = KeyedVectors.load_word2vec_format(tmp_path / "vectors.bin", binary=True)
    ours = load_gensim(SkipGram(len(published), DIM), published)
    np.testing.assert_array_equal(ours.input.weight.detach(), peer.wv.vectors)


def test_weights_of_another_size_are_refused(sentences):
    peer = Word2Vec(sentences, vector_size=DIM, min_count=1)
    with pytest.raises(ValueError, match="wrong shape: input.weight"):
        load_gensim(SkipGram(7, DIM), peer)


# ---------------------------------------------------------------- what the vectors know


@pytest.fixture(scope="module")
def known():
    """Random vectors for the words of both lists of judgements, ours and gensim's."""
    words = sorted({word for name in JUDGEMENTS for a, b, _ in judgements(name) for word in (a, b)} - {"tiger", "old"})
    vectors = np.random.RandomState(0).randn(len(words), 20).astype("float32")
    peer = KeyedVectors(20)
    peer.add_vectors(words, vectors)
    return WordVectors(words, vectors), peer


@pytest.mark.parametrize("name", JUDGEMENTS)
def test_agreement_with_people_is_gensims(known, name):
    from gensim.test.utils import datapath

    ours, peer = known
    _, (theirs, _), unknown = peer.evaluate_word_pairs(datapath(JUDGEMENTS[name]))
    assert unknown > 0  # so that leaving pairs out is compared as well
    assert agreement(ours, judgements(name)) == pytest.approx(theirs, abs=1e-6)


def test_neighbours_and_analogies_are_gensims(known):
    ours, peer = known
    for word in ours.words[:20]:
        assert [w for w, _ in ours.nearest(word, 5)] == [w for w, _ in peer.most_similar(word, topn=5)]
    for a, b, c in zip(ours.words[:20], ours.words[20:40], ours.words[40:60]):
        found, theirs = ours.analogy(a, b, c, 5), peer.most_similar(positive=[b, c], negative=[a], topn=5)
        assert [w for w, _ in found] == [w for w, _ in theirs]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in theirs], atol=1e-5)


def test_analogy_accuracy_is_gensims():
    from gensim.test.utils import datapath

    questions = analogy_questions()
    assert len(questions) == 14 and sum(map(len, questions.values())) == 19_544
    words = sorted({word for kind in questions.values() for question in kind for word in question})
    random = np.random.RandomState(0)
    vectors = dict(zip(words, random.randn(len(words), 20)))
    for asked in questions.values():  # b = a + what the kind has in common + noise: some answers right, some wrong
        common = random.randn(20)
        for a, b in sorted({question[:2] for question in asked}):
            vectors[b] = vectors[a] + common + random.randn(20) * 0.8
    vectors = np.array([vectors[word] for word in words], dtype="float32")
    peer = KeyedVectors(20)
    peer.add_vectors(words, vectors)
    _, sections = peer.evaluate_word_analogies(datapath("questions-words.txt"), restrict_vocab=len(words))
    theirs = {s["section"]: len(s["correct"]) / (len(s["correct"]) + len(s["incorrect"])) for s in sections}
    ours = {kind: analogies(WordVectors(words, vectors), asked)["accuracy"] for kind, asked in questions.items()}
    assert all(0.02 < accuracy < 0.98 for accuracy in ours.values())
    assert {kind: theirs[kind] for kind in ours} == pytest.approx(ours, abs=3e-3)
