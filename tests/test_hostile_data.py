"""Every public function of data, text, probes and figures, given what it cannot use: one clear sentence, never a library's error."""
import collections
import dataclasses
import importlib
import inspect
import math
import pkgutil
import random
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

import evo  # noqa: E402
from evo import (  # noqa: E402
    align,
    augment,
    blocks,
    checks,
    claims,
    cooccur,
    counts,
    decode,
    explorer,
    look,
    lora,
    masking,
    objectives,
    plots,
    probes,
    senses,
    show,
    tokenizers,
    unigram,
    verdicts,
    words,
)
from evo.data import bible, captions, everyday, images, names, pairs, photos, scenes, sources, tasks, text, wild  # noqa: E402
from evo.grow import add_words  # noqa: E402
from evo.models.bert import BERT  # noqa: E402
from evo.probes import Classifier  # noqa: E402
from evo.tokenizers import Palette, Subwords, Vocab, WordPiece, join, k_means, learn_merges, longest_match, nearest_centre  # noqa: E402
from evo.train import Batches, Study, study  # noqa: E402
from evo.words import WordVectors, agreement, analogies, judgements, neighbour_precision  # noqa: E402

NAN = math.nan
HALF = "half an emoji \ud83d"
TEXTS = ["a dog sees a cat", "the cat"] * 3
X, Y = torch.randn(12, 3, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 2
PALETTE = Palette([[0, 0, 0], [255, 255, 255]])
VECTORS = WordVectors(list("abcdef"), torch.eye(6))
NOT_TEXTS = [None, NAN, 3, "dog", [None], [NAN], [3], [b"dog"], [HALF], ["a", None], [["a"]]]  # where a list of texts is wanted
NOT_TEXT = [None, NAN, 3, b"dog", HALF, ["a"], []]  # where one text is
NOT_WORDS = [None, NAN, 3, "dog", b"dog", [None], [NAN], [3], [HALF], ["a", ["b"]]]  # where a list of words is
NOT_IDS = [None, NAN, "12", 1, [-1], [10**9], [1.5], [None], ["1"], [NAN], torch.tensor([0.0]), torch.tensor(1), torch.zeros(2, 2).long()]
NOT_WHOLE = [None, NAN, "3", 1.5, [1]]
NOT_K = [*NOT_WHOLE, 0, -1, True]
NOT_NUMBERS = [None, "x", ["a"], [[1, 2], [3]], NAN, [], np.array(["a"]), {"a": 1}, [[NAN] * 3] * 12]


SCENE = scenes.scenes(1)
NOT_SCENES = [None, NAN, 3, "scenes", [], [SCENE], SCENE.images]
NOT_WORD_LISTS = [None, NAN, "ab", 3, [], ["ab"], [3], [[3]], [["a"], ["b"]]]
NOT_LANGUAGE = [None, NAN, 3, "", "xx", "English", ["en"]]
PICTURES = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
SHARE, FLAGS, IDS, LOGITS = torch.ones(2), torch.tensor([[True, True, False, False]] * 2), torch.arange(8).view(2, 4), X.view(2, 2,
                             9).repeat(1, 2, 1)
NOT_PICTURES = [None, NAN, 3, "x", [[1.0]], PICTURES.numpy(), (PICTURES * 255).byte(), PICTURES > 0.5, PICTURES[0], PICTURES[None]]
NOT_SHARES = [None, NAN, 0.5, "x", [1.0, 1.0], torch.ones(3), torch.ones(2, 1), torch.ones(()), torch.ones(2).long(), torch.ones(2,
              dtype=bool)]
NOT_CHANCE = [None, NAN, "1", -0.1, 1.1, 7, [0.5], math.inf, torch.rand(2)]
ROWS = np.array([[0, 1], [1, 2], [2, 1]])
NOT_WINDOWS = [None, NAN, 3, "ab", [[0, 1]], ROWS[0], ROWS[:0], ROWS * 0.5, ROWS - 1, ROWS + 1, ROWS > 0, torch.tensor([[0, 1]]),
               ROWS[None]]
SCORES = {"a": -1.0, "b": -1.0, "ab": -2.0}
NOT_WORD = [None, NAN, 3, b"ab", ["a"]]
NOT_SCORES = [None, NAN, 3, "ab", [], {}, ["a"], {"a": None}, {"a": "x"}, {"a": NAN}, {"a": math.inf}, {3: -1.0}]
NOT_COUNTS = [None, NAN, 3, "ab", ["ab"], {}, {"": 1}, {3: 1}, {"ab": None}, {"ab": -1}, {"ab": 1.5}, {None: 1}]
NOT_ALPHA = [NAN, "1", math.inf, [1], 0, -1, True]
NOT_MODELS = [None, NAN, 3, "model", BERT, lambda x: x]
NOT_MODULES = [3, "encoder", [None], [3], ["a"], [torch.nn.Linear], torch.nn.Identity()]
USES = senses.Uses(["a", "a", "b"], [["a", "b"], ["an"], ["b"]], [0, 0, 0], torch.tensor([0, 1, 1]), ["noun.act", "verb.go"],
                   torch.tensor([True, True, False]))
NOT_USES = [None, NAN, 3, "uses", [], ["a"] * 3]
NOT_ROWS = [None, NAN, 3, "ab", [], [3], [-1], [0.5, 1], [None, 1], ["a", "b"], [[0, 1]]]
NOT_VECTORS = [None, NAN, 3, "ab", [], np.eye(3), torch.eye(3).long(), torch.ones(3), torch.eye(3)[:1], torch.eye(3) * NAN, torch.ones(2,
               3, 3), torch.eye(4)]
NOT_GENERATOR = [NAN, 3, "x", [], np.random.default_rng(0), random.Random(0), torch.Generator]
NOT_FLAGS = [None, NAN, "x", 3, FLAGS.tolist(), FLAGS.numpy(), FLAGS.long(), FLAGS.float(), FLAGS[0], FLAGS[:, :3], FLAGS[None]]
NOT_PAIR = [None, NAN, "x", 3, [[1.0] * 3] * 2, X.numpy(), X[0], X[:0], X[None], X[:2] > 0, X[:2].long(), X[:2, :2], X[:3]]
NOT_LOGITS = [None, NAN, "x", 3, LOGITS.tolist(), LOGITS.numpy(), LOGITS.long(), LOGITS > 0, LOGITS[0], LOGITS[:, :3], LOGITS[:0],
              LOGITS[..., :5], LOGITS[..., :0]]
NOT_TARGETS = [None, NAN, "x", 3, IDS.tolist(), IDS.numpy(), IDS.float(), FLAGS, IDS[0], IDS[:, :3], IDS[:0], IDS + 9, IDS - 9, IDS[None]]
NOT_TEMPERATURE = [None, NAN, "1", 0, -1, math.inf, [1]]
NOT_UNIT = [None, NAN, 3, b"x", ["x"], HALF]  # where words may be empty
NOT_A_NUMBER = [None, NAN, "x", "3", math.inf, [], [1], {}, torch.ones(2), np.ones(2), 1j]
NOT_MEASURED = [None, NAN, "x", "0.5", [], [None], ["0.5"], [NAN, 1], [math.inf], [[1, 2], [3]], {"a": 1}, {1.0}, [1j],
                torch.ones(2, requires_grad=True)]
EFFECT = verdicts.Effect(2.0, 1.0, 3.0, "points", 3)
NOT_QUESTION = [None, NAN, 3, "more than 1", [], verdicts.more_than, verdicts.Question, EFFECT]
CARD = {field: "some words" for field in claims.CARD_FIELDS} | {"year": 2018, "cpu_seconds": 60, "gpu_seconds": None}
CLAIM = dict(id="a", text="A.", source="he2022masked", reported="75 %", effect=EFFECT)
ROW = {"setting": {"n": 1}, "seed": 0, "result": {"right": 0.5, "wrong": "no"}}
STUDY = Study([ROW, {**ROW, "setting": {"n": 2}}], "zoo")


def uses(**changes):
    return dataclasses.replace(USES, **changes)


def t_linear():
    return torch.nn.Linear(3, 2)


Dictionary = collections.namedtuple("Dictionary", "lemmas definitions examples example_lemma labels label_names valid test")
WORDNET = Dictionary([["a"]] * 6, ["a b"] * 6, [["a"]] * 6, [["a"]] * 6, torch.zeros(6).long(), ("noun.act",), torch.tensor([0]),
           torch.tensor([1]))


@pytest.fixture(scope="module")
def tools():
    return SimpleNamespace(
        vocab=Vocab([t.split() for t in TEXTS]), subwords=Subwords.train(TEXTS, 280), wordpiece=WordPiece.train(TEXTS, 60),
        model=torch.nn.Linear(3, 2),
    )  # fmt: skip


def classifier():
    return Classifier(torch.nn.Identity(), lambda body, x: body(x), 3, 2)


def reader(tools):
    return BERT(len(tools.wordpiece), 4, 8, 1, 2)


# what is called -> (call of the tools and one wrong input, wrong inputs)
TABLE = {
    "Vocab": (lambda t, x: Vocab(x),
              [None, NAN, 3, "a dog", ["a dog"], [None], [NAN], [3], [[None]], [[NAN]], [[["a"]]], [[HALF]], [], [[]],
               [{"a": 3}], [["a"], None]]),
    "Vocab min_count": (lambda t, x: Vocab([["a"]], min_count=x), [*NOT_K, 9]),
    "Vocab specials": (lambda t, x: Vocab([["a"]], specials=x), [None, "<unk>", [None], [3], ["x", "x"]]),
    "Vocab.encode": (lambda t, x: t.vocab.encode(x), NOT_WORDS),
    "Vocab.decode": (lambda t, x: t.vocab.decode(x), NOT_IDS),
    "Vocab[]": (lambda t, x: t.vocab[x], ["zebra", None, NAN, 3, ["a"]]),
    "k_means": (lambda t, x: k_means(x, 2), [*NOT_NUMBERS, 3, [1, 2], [[1, 2]], torch.zeros(0, 3), torch.ones(3, 2, dtype=bool)]),
    "k_means k": (lambda t, x: k_means([[0, 1], [2, 3]], x), [*NOT_K, 3]),
    "nearest_centre": (lambda t, x: nearest_centre(x, torch.zeros(2, 3)), [*NOT_NUMBERS, torch.zeros(4, 2), torch.zeros(3)]),
    "nearest_centre centres": (lambda t, x: nearest_centre(torch.ones(2, 3), x), [*NOT_NUMBERS, torch.zeros(4, 2), torch.zeros(0, 3)]),
    "drop_padding": (lambda t, x: tokenizers.drop_padding(x),
                     [None, NAN, 3, "ab", [[1]], X, Y, torch.zeros(2, 2).long(), torch.ones(0, 2).long()]),
    "drop_padding more": (lambda t, x: tokenizers.drop_padding(torch.ones(2, 3).long(), x),
                          [None, NAN, 3, "ab", [[1] * 3] * 2, torch.ones(2, 2), torch.ones(3)]),
    "drop_padding pad": (lambda t, x: tokenizers.drop_padding(torch.ones(2, 3).long(), pad=x), [*NOT_WHOLE, -1]),
    "Palette": (lambda t, x: Palette(x), [*NOT_NUMBERS, [[0, 1]], [[0, 1, 256]], [[0, -1, 2]], torch.zeros(0, 3)]),
    "Palette.encode": (lambda t, x: PALETTE.encode(x), [
        *NOT_NUMBERS, torch.ones(1, 3, 2, 2), torch.ones(3, 2, 2).byte(), torch.zeros(1, 1, 2, 2).byte(), torch.zeros(0, 3, 2, 2).byte()]),
    "Palette.decode": (lambda t, x: PALETTE.decode(x, 2), [
        *NOT_NUMBERS, [[0, 2]], [[0, -1]], [[0.0, 1.0]], [[0, 1, 0]], torch.zeros(4).long(), torch.zeros(1, 2, 2).long()]),
    "Palette.decode width": (lambda t, x: PALETTE.decode([[0, 1, 1, 0]], x), [*NOT_WHOLE, 0, -1, 3]),
    "Subwords.train": (lambda t, x: Subwords.train(x, 300), [*NOT_TEXTS, [], [""]]),
    "Subwords.train size": (lambda t, x: Subwords.train(TEXTS, x), [*NOT_WHOLE, -1, 258]),
    "Subwords.encode": (lambda t, x: t.subwords.encode(x), NOT_TEXT),
    "Subwords.encode_batch": (lambda t, x: t.subwords.encode_batch(x), [*NOT_TEXTS, []]),
    "Subwords.encode_batch length": (lambda t, x: t.subwords.encode_batch(TEXTS, x), [*NOT_WHOLE[1:], 0, 1, -1]),
    "Subwords.decode": (lambda t, x: t.subwords.decode(x), NOT_IDS),
    "Subwords.pieces": (lambda t, x: t.subwords.pieces(x), NOT_TEXT),
    "learn_merges": (lambda t, x: learn_merges(x, 9),
                     [None, NAN, "ab", ["ab"], {}, {"": 1}, {3: 1}, {"ab": None}, {"ab": -1}, {"ab": 1.5}, {None: 1}]),
    "learn_merges size": (lambda t, x: learn_merges({"ab": 1}, x), [*NOT_K, 1]),
    "join": (lambda t, x: join(x, "a", "b", "ab"), [None, NAN, 3, "ab"]),
    "longest_match": (lambda t, x: longest_match(x, {"a"}), NOT_TEXT),
    "longest_match pieces": (lambda t, x: longest_match("ab", x), [None, NAN, 3, "ab"]),
    "WordPiece": (lambda t, x: WordPiece(x), [None, NAN, 3, "abc", [], ["a"], [*WordPiece.SPECIALS, 3], [*WordPiece.SPECIALS, "[PAD]"]]),
    "WordPiece.train": (lambda t, x: WordPiece.train(x, 60), [*NOT_TEXTS, [], [""]]),
    "WordPiece.train size": (lambda t, x: WordPiece.train(TEXTS, x), [*NOT_WHOLE, -1, 5, 9]),
    "WordPiece.words": (lambda t, x: t.wordpiece.words(x), NOT_TEXT),
    "WordPiece.encode": (lambda t, x: t.wordpiece.encode(x), NOT_TEXT),
    "WordPiece.encode_batch": (lambda t, x: t.wordpiece.encode_batch(x), [*NOT_TEXTS, [], [""]]),
    "WordPiece.encode_batch second": (lambda t, x: t.wordpiece.encode_batch(["a"], x),
                                      [NAN, 3, "a", [NAN], [3], [HALF], [], ["a", "b"], [""]]),
    "WordPiece.encode_batch length": (lambda t, x: t.wordpiece.encode_batch(TEXTS, length=x), [*NOT_WHOLE[1:], 0, 4, -1]),
    "WordPiece.decode": (lambda t, x: t.wordpiece.decode(x), NOT_IDS),
    # ------------------------------------------------------------ new words
    "add_words": (lambda t, x: add_words(reader(t), t.wordpiece, x),
                  [None, NAN, 3, "ab", [], [3], [["a"], ["b"]], ["dog", "dog"], ["Cow"], ["a cow"],
                   ["caf\u00e9"], [""], ["c" * 101], ["[MASK]"], ["c"]]),
    "add_words model": (lambda t, x: add_words(x, t.wordpiece, ["cow"]), [None, 3, "bert", torch.nn.Linear(2, 2), BERT(9, 4, 8, 1, 2)]),
    "add_words pieces": (lambda t, x: add_words(reader(t), x, ["cow"]), [None, 3, "abc", ["c", "##ow"], Vocab([["a"]])]),
    "add_words start": (lambda t, x: add_words(reader(t), t.wordpiece, ["cow"], x), [None, NAN, 3, "zero"]),
    "add_words seed": (lambda t, x: add_words(reader(t), t.wordpiece, ["cow"], "random", x), [*NOT_WHOLE, -1]),
    # ------------------------------------------------------------ words
    "WordVectors": (lambda t, x: WordVectors(x, torch.eye(2)), [*NOT_WORDS, [], ["a"], ["a", "a"]]),
    "WordVectors vectors": (lambda t, x: WordVectors(["a", "b"], x),
                            [*NOT_NUMBERS, torch.full((2, 2), NAN), torch.zeros(2), torch.zeros(3, 2)]),
    "WordVectors.ids": (lambda t, x: VECTORS.ids(x), ["zebra", None, NAN, 3, ["a", "zebra"], [None], [["a"]]]),
    "WordVectors[]": (lambda t, x: VECTORS[x], ["zebra", None, 3, [3]]),
    "WordVectors.similarity": (lambda t, x: VECTORS.similarity("a", x), ["zebra", None, NAN, 3]),
    "WordVectors.nearest": (lambda t, x: VECTORS.nearest(x),
                            ["zebra", None, NAN, 3, [1.0], torch.full((6,), NAN), torch.zeros(5), torch.zeros(6, 6)]),
    "WordVectors.nearest k": (lambda t, x: VECTORS.nearest("a", x), NOT_K),
    "WordVectors.analogy": (lambda t, x: VECTORS.analogy("a", "b", x), ["zebra", None, NAN, 3]),
    "WordVectors.analogy k": (lambda t, x: VECTORS.analogy("a", "b", "c", x), NOT_K),
    "analogies": (lambda t, x: analogies(VECTORS, x),
                  [None, NAN, 3, "abcd", [], ["abcd"], [("a", "b", "c")], [("a", "b", "c", "zebra")], [None],
                                                       [("a", "b", "c", None)]]),
    "analogies weights": (lambda t, x: analogies(VECTORS, [tuple("abcd")], x), [None, NAN, "abc", (1, 1), (NAN, 1, 1), ("a", 1, 1)]),
    "evenly": (lambda t, x: words.evenly(x), [None, NAN, 3, "ab", {1: 2}, {1}, X]),
    "evenly most": (lambda t, x: words.evenly([1, 2], x), NOT_K),
    "judgements": (lambda t, x: judgements(x), [None, NAN, 3, "", "SimLex", ["SimLex-999"]]),
    "agreement": (lambda t, x: agreement(VECTORS, x), [None, NAN, 3, "abc", [], [("a", "b")], [("x", "y", 1.0)] * 3, [("a", "b", 1.0)],
                  [("a", "b", NAN), ("a", "c", 1.0)], [("a", "b", "high"), ("a", "c", "low")], [("a", "b", 1.0), ("a", "c", 2.0)]]),
    "neighbour_precision": (lambda t, x: neighbour_precision(VECTORS, x, [0, 1, 0], k=1), [*NOT_WORDS, [], ["a"], ["a", "b", "zebra"]]),
    "neighbour_precision labels": (lambda t, x: neighbour_precision(VECTORS, list("abc"), x, k=1),
                                   [None, NAN, 3, "abc", [0, 1], [0, 1, NAN], [0, 1, 0.5], [[0, 1, 1]], [0, 1, None]]),
    "neighbour_precision k": (lambda t, x: neighbour_precision(VECTORS, list("abc"), [0, 1, 0], k=x), [*NOT_K, 3, 99]),
    # ------------------------------------------------------------ probes
    "features_in_batches": (lambda t, x: probes.features_in_batches(t.model, x), [None, NAN, 3, "abc", X[:0], [], X * NAN]),
    "features_in_batches size": (lambda t, x: probes.features_in_batches(t.model, X, x), NOT_K),
    "sample": (lambda t, x: probes.sample(x, 1, 0), [None, NAN, "ab", 1.5, 0, -1, True, {1: 2}, {1}, [], torch.tensor(3)]),
    "sample n": (lambda t, x: probes.sample(X, x, 0), [*NOT_K, 13]),
    "sample seed": (lambda t, x: probes.sample(X, 1, x), [*NOT_WHOLE, -1, True, 2**40]),
    "label_loss": (lambda t, x: probes.label_loss(t.model, X, x), [None, NAN, "x", 3, X, Y[:3], Y + 1, Y - 1, Y.float()]),
    "label_loss model": (lambda t, x: probes.label_loss(x, X, Y), [lambda x: x[0], lambda x: x[None]]),
    "linear_probe train_x": (lambda t, x: probes.linear_probe(x, Y, X, Y),
                             [*NOT_NUMBERS, X[:5], X[:, 0], X[:, :2], X * NAN, X.view(12, 3, 1)]),
    "linear_probe train_y": (lambda t, x: probes.linear_probe(X, x, X, Y),
                             [None, NAN, 3, "ab", [], Y[:5], Y * NAN, Y + 0.5, Y * 0, X, [None] * 12]),
    "linear_probe test_x": (lambda t, x: probes.linear_probe(X, Y, x, Y), [*NOT_NUMBERS, X[:5], X[:, :2], X * NAN]),
    "linear_probe test_y": (lambda t, x: probes.linear_probe(X, Y, X, x), [None, NAN, 3, "ab", [], Y[:5], Y * NAN, ["a"] * 12]),
    "linear_probe C": (lambda t, x: probes.linear_probe(X, Y, X, Y, C=x), [NAN, 0, -1, "1", math.inf, [1]]),
    "linear_probe seed": (lambda t, x: probes.linear_probe(X, Y, X, Y, seed=x), [*NOT_WHOLE, -1]),
    "linear_probe few": (lambda t, n: probes.linear_probe(X[:n], Y[:n], X, Y), [0, 1, 2, 4]),
    "knn train_x": (lambda t, x: probes.knn(x, Y, X, Y, k=3), [*NOT_NUMBERS, X[:5], X[:, 0], X[:, :2], X * NAN]),
    "knn labels": (lambda t, x: probes.knn(X, x, X, Y, k=3), [None, NAN, 3, "ab", [], Y[:5], Y * NAN, ["a"] * 12, X]),
    "knn test_x": (lambda t, x: probes.knn(X, Y, x, Y, k=3), [*NOT_NUMBERS, X[:5], X[:, :2], X * NAN]),
    "knn k": (lambda t, x: probes.knn(X, Y, X, Y, k=x), [*NOT_K, 13]),
    "fine_tune labels": (lambda t, x: probes.fine_tune(classifier(), Batches(X, x, size=4), steps=1, lr=0.1), [Y + 2, Y - 1, Y.float(), X]),
    "fine_tune steps": (lambda t, x: probes.fine_tune(classifier(), Batches(X, Y, size=4), steps=x, lr=0.1), [0, -1, 1.5]),
    "accuracy model": (lambda t, x: probes.accuracy(lambda x_: x, X, Y), [X[:, 0], X.view(12, 3, 1), X[:5], X * NAN]),
    "accuracy inputs": (lambda t, x: probes.accuracy(t.model, x, Y), [None, NAN, 3, "ab", X[:0], X[:5], X * NAN]),
    "accuracy labels": (lambda t, x: probes.accuracy(t.model, X, x),
                        [None, NAN, 3, "ab", [], Y[:5], Y[:, None], Y * NAN, Y + 0.5, ["a"] * 12]),
    "accuracy size": (lambda t, x: probes.accuracy(t.model, X, Y, size=x), NOT_K),
    "retrieval": (lambda t, x: probes.retrieval(x), [*NOT_NUMBERS, torch.zeros(0, 0), X, X[0], torch.full((3, 3), NAN), torch.eye(3) / 0]),
    "retrieval ks": (lambda t, x: probes.retrieval(torch.eye(3), x), [None, NAN, 3, "15", (0,), (-1,), (1.5,), ("1",), (NAN,)]),
    "finite": (lambda t, x: probes.finite(x, "x"), [np.array([NAN]), np.array([math.inf]), torch.tensor([NAN]), torch.tensor([math.inf])]),
    "numbers": (lambda t, x: probes.numbers(x, "x"), [None, "x", ["a"], [[1, 2], [3]], NAN, {"a": 1}]),
    "label_array": (lambda t, x: probes.label_array(x, "x"), [None, NAN, 3, "ab", [NAN], [0.5], [[1]], [None], [["a"]]]),
    # ------------------------------------------------------------ figures
    "curves": (lambda t, x: plots.curves([1, 2], {"a": x}, xlabel="", ylabel=""),
               [None, "x", ["a", "b"], [], [[]], [1], [1, 2, 3], np.zeros((2, 2, 2)),
                                                                                  [[1, 2], [3]], np.zeros((0, 2))]),
    "curves series": (lambda t, x: plots.curves([1, 2], x, xlabel="", ylabel=""), [None, {}, [], [1, 2], "ab"]),
    "bars": (lambda t, x: plots.bars({"a": x}, ylabel=""), [None, "x", [], NAN, [1, NAN], [math.inf], [[1, 2]], ["a"]]),
    "bars values": (lambda t, x: plots.bars(x, ylabel=""), [None, {}, [], [1], "ab"]),
    "scatter_groups": (lambda t, x: plots.scatter_groups(x, [0, 1], ["a", "b"]),
                       [None, "ab", [], [[1, 2]], [[1, 2, 3]] * 2, [1, 2], [["a", "b"]] * 2]),
    "scatter_groups groups": (lambda t, x: plots.scatter_groups([[1, 2], [3, 4]], x, ["a", "b"]),
                              [None, [], [0], [0, 2], [0, -1], ["a", "b"], [0, NAN]]),
    "scatter_groups names": (lambda t, x: plots.scatter_groups([[1, 2], [3, 4]], [0, 1], x), ["ab", ["a"], []]),
    "image_grid": (lambda t, x: plots.image_grid(x), [[], [[]], [[], []]]),
    "image_grid labels": (lambda t, x: plots.image_grid([[np.zeros((2, 2))]], labels=x), ["a", ["a", "b"]]),
    "image_grid titles": (lambda t, x: plots.image_grid([[np.zeros((2, 2))]], titles=x), ["a"]),
    "heatmap": (lambda t, x: plots.heatmap(x), [None, "ab", [], [[]], [1, 2], [[1, 2], [3]], [["a"]], np.zeros((2, 2, 2))]),
    "heatmap ticks": (lambda t, x: plots.heatmap([[1, 2]], xticks=x), ["ab", ["a"], ["a", "b", "c"], []]),
    "loss_curve": (lambda t, x: plots.loss_curve({"a": x}), [None, "x", [], [1, 2], [[1]], [[1, 2, 3]], [["a", "b"]]]),
    "loss_curve runs": (lambda t, x: plots.loss_curve(x), [None, {}, [], "ab"]),
    # ------------------------------------------------------------ data
    "tokenize": (lambda t, x: text.tokenize(x), [None, NAN, 3, b"a", ["a"]]),
    "split": (lambda t, x: text.split(x), [None, NAN, "3", 1.5, 0, -1]),
    "to_float": (lambda t, x: images.to_float(x), [None, NAN, "x", [1], np.zeros(2), torch.rand(2, 1, 4, 4), torch.full((2,), NAN)]),
    "Standardise": (lambda t, x: images.Standardise(x, 1), [None, NAN, "x", math.inf, [1]]),
    "Standardise std": (lambda t, x: images.Standardise(0, x), [None, NAN, "x", math.inf, [1], 0, -1]),
    "Standardise.back": (lambda t, x: images.Standardise(0, 1).back(x), [None, NAN, "x", [1], np.zeros(2), Y]),
    "emoji": (lambda t, x: pairs.emoji(x), [None, NAN, "32", 1.5, 0, -1, True]),
    "split_by": (lambda t, x: pairs.split_by(x), ["abc", [None], [3], []]),
    "resize": (lambda t, x: pairs.resize(x, 1),
               [None, "x", torch.zeros(4, 2, 2).byte(), torch.zeros(1, 3, 2, 2).byte(), torch.zeros(1, 4, 2, 2)]),
    "name": (lambda t, x: photos.name(x, "en"), [None, NAN, 3, b"A crow.", ["A crow."]]),
    "name language": (lambda t, x: photos.name("A crow.", x), NOT_LANGUAGE),
    "trim": (lambda t, x: photos.trim(x), [np.zeros((2, 2, 4), np.uint8)]),
    "wordings": (lambda t, x: photos.wordings(x), [None, NAN, 3, "en", [], ["xx"], ["en", None], ["en", "zu"], [["en"]]]),
    "portraits": (lambda t, x: pairs.portraits(x, "train"), [None, NAN, "x", 3, [], [-1], [313], [0.5], [[0]], [True], ["a"], [0, [1]]]),
    "portraits part": (lambda t, x: pairs.portraits([0], x), [None, NAN, 3, "", "combinations", ["train"]]),
    "portraits size": (lambda t, x: pairs.portraits([0], "train", x), [None, NAN, "32", 31.5, 0, 30, 256, True, [32]]),
    "portraits seed": (lambda t, x: pairs.portraits([0], "train", seed=x), [None, NAN, "0", 0.5, -1, 2**31, True]),
    "portraits many": (lambda t, x: pairs.portraits([0], "train", many=x), [None, NAN, "1", 1.5, 0, -1, True]),
    "scenes": (lambda t, x: scenes.scenes(x), [*NOT_K, 2**40]),
    "scenes split": (lambda t, x: scenes.scenes(1, x), [None, NAN, 3, "", "dev", ["train"]]),
    "scenes size": (lambda t, x: scenes.scenes(1, size=x), [None, NAN, "64", 32, 0, True, [64]]),
    "scenes seed": (lambda t, x: scenes.scenes(1, seed=x), [*NOT_WHOLE, -1, True]),
    "scenes first": (lambda t, x: scenes.scenes(1, first=x), [*NOT_WHOLE, -1, True]),
    "choose": (lambda t, x: scenes.choose(x, [0]), NOT_SCENES),
    "choose rows": (lambda t, x: scenes.choose(SCENE, x), [None, NAN, "0", 0, [], [1], [-1], [0.5], [[0]], ["a"], [None]]),
    "captions": (lambda t, x: captions.captions(x), NOT_SCENES),
    "captions language": (lambda t, x: captions.captions(SCENE, x), NOT_LANGUAGE),
    "captions words": (lambda t, x: captions.captions(SCENE, words=x), [None, 3, "", "colours", ["kinds"]]),
    "captions seed": (lambda t, x: captions.captions(SCENE, seed=x), [*NOT_WHOLE, -1, True]),
    "matching": (lambda t, x: tasks.matching(x), [*NOT_SCENES, SCENE]),
    "matching language": (lambda t, x: tasks.matching(SCENE, x), NOT_LANGUAGE),
    "questions": (lambda t, x: tasks.questions(x), [*NOT_SCENES, SCENE]),
    "questions kinds": (lambda t, x: tasks.questions(SCENE, x), [None, NAN, 3, "exists", [], ["why"], [None], [["exists"]]]),
    "questions most": (lambda t, x: tasks.questions(SCENE, most=x), NOT_K[1:]),
    "questions seed": (lambda t, x: tasks.questions(SCENE, seed=x), [*NOT_WHOLE, -1, True]),
    "answer_ids": (lambda t, x: tasks.answer_ids(x), [None, NAN, 3, "yes", ["purple"], [None], [3], [["yes"]]]),
    "entailment": (lambda t, x: tasks.entailment(x), [*NOT_SCENES, SCENE]),
    "entailment most": (lambda t, x: tasks.entailment(SCENE, most=x), NOT_K[1:]),
    "cover": (lambda t, x: tasks.cover(x, torch.tensor([0])), [None, NAN, "x", [1], X, SCENE.images.float(), SCENE.images[0]]),
    "cover halves": (lambda t, x: tasks.cover(SCENE.images, x), [None, NAN, 0, [0], torch.tensor([4]), torch.tensor([-1]), X]),
    "two_images": (lambda t, x: tasks.two_images(x), [*NOT_SCENES, SCENE]),
    "two_images most": (lambda t, x: tasks.two_images(SCENE, most=x), NOT_K[1:]),
    "choices": (lambda t, x: tasks.choices(x), [*NOT_SCENES, SCENE]),
    "choices most": (lambda t, x: tasks.choices(SCENE, most=x), NOT_K[1:]),
    "referring": (lambda t, x: tasks.referring(x), NOT_SCENES),
    "referring most": (lambda t, x: tasks.referring(SCENE, most=x), NOT_K[1:]),
    "regions": (lambda t, x: tasks.regions(x), NOT_SCENES),
    "regions seed": (lambda t, x: tasks.regions(SCENE, x), [*NOT_WHOLE, -1, True]),
    "images_of": (lambda t, x: tasks.images_of(x, None), [*NOT_SCENES, SCENE]),
    "images_of task": (lambda t, x: tasks.images_of(SCENE, x), [None, "a", ["a"], tasks.Matching(torch.tensor([1]), ["a"], torch.ones(1))]),
    "overlap": (lambda t, x: tasks.overlap(x, [[0, 0, 4, 4]], 8),
                [None, NAN, "ab", [], [0, 0, 4, 4], [[0, 0, 4]], [[0, 0, 9, 4]], [[-1, 0, 4, 4]], [[4, 0, 4, 4]], [[NAN] * 4],
                 [[0, 0, 4, 4]] * 2]),
    "overlap size": (lambda t, x: tasks.overlap([[0, 0, 4, 4]], [[0, 0, 4, 4]], x), [None, NAN, "8", 0, -1, [8]]),
    # ------------------------------------------------------------ translation
    "clauses": (lambda t, x: bible.clauses(x), [None, NAN, "12", 0, -1, 1.5, True]),
    "sentences": (lambda t, x: everyday.sentences(x), [None, NAN, "12", 0, -1, 1.5, True]),
    "names": (lambda t, x: names.names(x), [None, NAN, "12", 0, -1, 1.5, True]),
    # ------------------------------------------------------------ counted neighbours
    "cooccurrences": (lambda t, x: cooccur.cooccurrences(x, [0, 0], 1, 3),
                      [None, NAN, "ab", 3, [], [0], [[0, 1]], [0.5, 1], [-1, 0], [0, 3], ["a", "b"]]),
    "cooccurrences sentence": (lambda t, x: cooccur.cooccurrences([0, 1], x, 1, 3), [None, NAN, "ab", 3, [], [0], [[0, 0]]]),
    "cooccurrences window": (lambda t, x: cooccur.cooccurrences([0, 1], [0, 0], x, 3), NOT_K),
    "cooccurrences size": (lambda t, x: cooccur.cooccurrences([0, 1], [0, 0], 1, x), [*NOT_K, 1]),
    "pmi": (lambda t, x: cooccur.pmi(x), [None, NAN, "ab", 3, [], [[NAN]], [[-1.0]], [[0.0]], ["a"], [[math.inf]]]),
    "pmi smoothing": (lambda t, x: cooccur.pmi(np.eye(2), x), [None, NAN, "1", 0, -1, 2, [1]]),
    "pmi negatives": (lambda t, x: cooccur.pmi(np.eye(2), 1.0, x), [None, NAN, "1", 0, -1, math.inf, [1]]),
    "factor": (lambda t, x: cooccur.factor(x, 1), [None, NAN, "ab", 3, [], [[NAN]], ["a"], [[math.inf]]]),
    "factor dim": (lambda t, x: cooccur.factor(np.eye(2), x), [*NOT_K, 3]),
    "factor power": (lambda t, x: cooccur.factor(np.eye(2), 1, x), [None, NAN, "1", -1, 2, [1]]),
    "factor seed": (lambda t, x: cooccur.factor(np.eye(2), 1, seed=x), [*NOT_WHOLE, -1]),
    "as_counts": (lambda t, x: cooccur.as_counts(x), [None, NAN, "ab", 3, [], [[NAN]], [[-1.0]], [[0.0]]]),
    "IBM1": (lambda t, x: align.IBM1(x, [["a"]]), NOT_WORD_LISTS),
    "IBM1 target": (lambda t, x: align.IBM1([["a"]], x), NOT_WORD_LISTS),
    "IBM1 rounds": (lambda t, x: align.IBM1([["a"]], [["b"]], x), [None, NAN, "5", 0, -1, 1.5, True]),
    "IBM1.table": (lambda t, x: align.IBM1([["a"]], [["b"]]).table(x, ["b"]), [None, NAN, "a", 3, [], [3], [["a"]]]),
    "bleu": (lambda t, x: decode.bleu(x, [["a"]]), NOT_WORD_LISTS),
    "bleu references": (lambda t, x: decode.bleu([["a"]], x), NOT_WORD_LISTS),
    "bleu longest": (lambda t, x: decode.bleu([["a"]], [["a"]], x), [None, NAN, "4", 0, -1, 1.5, True]),
    "ngrams": (lambda t, x: decode.ngrams(x, 2), [None, NAN, "ab", 3, [3], [["a"]]]),
    "ngrams n": (lambda t, x: decode.ngrams(["a"], x), [None, NAN, "4", 0, -1, 1.5, True]),
    "beam": (lambda t, x: decode.beam(None, x, 1, 2, 3),
             [None, NAN, "a", [[1]], torch.ones(2), torch.ones(2).long(), torch.ones(1, 0).long()]),
    "beam steps": (lambda t, x: decode.beam(None, torch.ones(1, 1).long(), 1, 2, x), [None, NAN, "4", 0, -1, 1.5, True]),
    "beam width": (lambda t, x: decode.beam(None, torch.ones(1, 1).long(), 1, 2, 3, x), [None, NAN, "4", 0, -1, 1.5, True]),
    "beam powers": (lambda t, x: decode.beam(None, torch.ones(1, 1).long(), 1, 2, 3, powers=x), [None, NAN, 1, (), ("a",), [None]]),
    "sources.get": (lambda t, x: sources.get(x), [None, NAN, 3, "", "mnist", ["wordnet"]]),
    "sources.load": (lambda t, x: sources.load(x), [None, NAN, 3, "", "mnist"]),
    "sources.find": (lambda t, x: sources.find(x), [None, NAN, 3, "", "mnist", ["wordnet"], "Wordnet"]),
    # ------------------------------------------------------------ verdicts
    "difference": (lambda t, x: verdicts.difference(x), [None, NAN, "x", 3, [], [None], ["a"], [1.0], [NAN, 1], [[1, 2]]]),
    "difference b": (lambda t, x: verdicts.difference([1.0, 2.0], x), [None, NAN, "x", [], ["a"], [1, 2, 3], [[1, 2]]]),
    "difference items": (lambda t, x: verdicts.difference([0.5, 0.6], [0.4, 0.5], items=x),
                         [NAN, 0, 1, 1.5, -3, [], [1], ["a"], "x", "9", True, {9}, [None, 1], [[1, 2], [3, 4]], [[1, 2], [3]]]),
    "difference constant": (lambda t, x: verdicts.difference([0.5, 0.6], constant=x), [NAN, [1], "x", "1", [], {1}, [[1, 2], [3]]]),
    "ratio": (lambda t, x: verdicts.ratio(x, [1, 2]), [None, NAN, "x", 3, [], [None], ["a"], [0, 1], [-1, 1]]),
    "ratio b": (lambda t, x: verdicts.ratio([1, 2], x),
                [None, NAN, "x", [], [None], ["a"], [0, 1], [-1, 1], [1, 2, 3], "1", [[1, 2]], [[1, 2], [3]]]),
    "card": (lambda t, x: claims.card(**x), [{}, {"chapter": 1}, {"colour": "red"}]),
    "card fields": (lambda t, x: claims.card(**{**CARD, **x}), [
        *({"paper": x} for x in (None, NAN, "", " ", HALF, ["a"], True)), {"year": 2021.5}, {"year": None},
        *({"cpu_seconds": x} for x in (None, NAN, "x", -1, math.inf)), *({"gpu_seconds": x} for x in (NAN, "x", -1, True))]),
    "difference unit": (lambda t, x: verdicts.difference([1, 2], unit=x), NOT_UNIT),
    "ratio unit": (lambda t, x: verdicts.ratio([1, 2], 1, unit=x), NOT_UNIT),
    "bootstrap": (lambda t, x: verdicts.bootstrap(x, [1, 2, 3]), [None, NAN, 3, "mean", [np.mean], lambda c: None, lambda c: c, lambda: 1]),
    "bootstrap columns": (lambda t, x: verdicts.bootstrap(np.mean, x),
                          [None, NAN, "ab", 3, {1, 2}, [], [1], [1, NAN], [1, math.inf], [[1, 2], [3]], [None, 1], ["a", "b"]]),
    "bootstrap more columns": (lambda t, x: verdicts.bootstrap(lambda a, b: (a - b).mean(), [1, 2], x),
                               [None, NAN, "ab", 3, [1], [1, 2, 3]]),
    "bootstrap unit": (lambda t, x: verdicts.bootstrap(np.mean, [1, 2], unit=x), NOT_UNIT),
    "bootstrap runs": (lambda t, x: verdicts.bootstrap(np.mean, [1, 2], runs=x), NOT_K),
    "bootstrap none": (lambda t, x: verdicts.bootstrap(np.mean, [1, 2], none=x), [*NOT_A_NUMBER, True]),
    "bootstrap draws": (lambda t, x: verdicts.bootstrap(np.mean, [1, 2], draws=x), NOT_K),
    "bootstrap seed": (lambda t, x: verdicts.bootstrap(np.mean, [1, 2], seed=x), [*NOT_WHOLE, -1]),
    "exactly": (lambda t, x: verdicts.exactly(x), [*NOT_A_NUMBER, True, np.array(True), np.bool_(True), torch.tensor(True)]),
    "exactly unit": (lambda t, x: verdicts.exactly(1, x), NOT_UNIT),
    "exactly none": (lambda t, x: verdicts.exactly(1, none=x), NOT_A_NUMBER),
    "more_than": (lambda t, x: verdicts.more_than(x), [*NOT_A_NUMBER[1:], True]),
    "no_worse": (lambda t, x: verdicts.no_worse(x), [*NOT_A_NUMBER, 0, -1, True]),
    "within": (lambda t, x: verdicts.within(x), [*NOT_A_NUMBER, 0, -1, True]),
    "judge": (lambda t, x: verdicts.judge(x, verdicts.more_than()), [NAN, 3, "x", [], [EFFECT], verdicts.Effect, verdicts.more_than()]),
    "judge question": (lambda t, x: verdicts.judge(EFFECT, x), NOT_QUESTION),
    "judge no effect": (lambda t, x: verdicts.judge(None, x), NOT_QUESTION),
    "judge_all": (lambda t, x: verdicts.judge_all(x, verdicts.more_than()),
                  [None, NAN, 3, "x", [], {}, EFFECT, {"a": EFFECT}, [None], [3], [EFFECT, None], [[EFFECT]]]),
    "judge_all question": (lambda t, x: verdicts.judge_all([EFFECT], x), NOT_QUESTION),
    # ------------------------------------------------------------ what chapters show
    "claim id": (lambda t, x: claims.claim(**{**CLAIM, "id": x}), [None, NAN, 3, "", " ", HALF, ["a"]]),
    "claim text": (lambda t, x: claims.claim(**{**CLAIM, "text": x}), [None, NAN, 3, "", " ", HALF, ["a"]]),
    "claim source": (lambda t, x: claims.claim(**{**CLAIM, "source": x}), [None, NAN, 3, "", " ", HALF, ["a"]]),
    "claim reported": (lambda t, x: claims.claim(**{**CLAIM, "reported": x}), [None, NAN, 3, "", " ", HALF, ["a"]]),
    "claim measured": (lambda t, x: claims.claim(**CLAIM, measured=x), NOT_UNIT),
    "claim baseline": (lambda t, x: claims.claim(**CLAIM, baseline=x), NOT_UNIT),
    "claim history": (lambda t, x: claims.claim(**CLAIM, history=x), NOT_UNIT),
    "claim effect": (lambda t, x: claims.claim(**{**CLAIM, "effect": x}),
                     [None, NAN, 3, "x", True, {}, [EFFECT], {"a": None}, {"a": 3}, {3: EFFECT}, {None: EFFECT}]),
    "claim asks": (lambda t, x: claims.claim(**CLAIM, asks=x), NOT_QUESTION[1:]),
    "claim paper": (lambda t, x: claims.claim(**CLAIM, paper=x),
                    [NAN, math.inf, "x", "3.5", [], [1], True, {}, {"a": 1}, {3: 1, "": 1}, {"": None}, {"": NAN}, {"": "x"}]),
    "duration": (lambda t, x: claims.duration(x), [NAN, "x", "3", -1, math.inf, [1], True]),
    "show_source": (lambda t, x: show.show_source(x), [None, NAN, 3, "show_source", [], len, dict, SCENE]),
    "mean_std": (lambda t, x: show.mean_std(x), NOT_MEASURED),
    "mean_std form": (lambda t, x: show.mean_std([1, 2], x), [None, NAN, 3, [], "x", ".3q", "3 digits", HALF]),
    "percent": (lambda t, x: show.percent(x), NOT_MEASURED),
    "explorer": (lambda t, x: explorer.explorer(x, "right", along="n", title="t"), [
        None, NAN, 3, "study", [], {}, STUDY.rows, STUDY.table(), *(Study(rows, "zoo") for rows in (
            None, 3, [], [3], [{}], [{**ROW, "setting": None}], [{**ROW, "result": 3}], [{**ROW, "seed": ""}], [{**ROW, "seed": "a b"}],
            [{**ROW, "cut": None}]))]),
    "explorer metrics": (lambda t, x: explorer.explorer(STUDY, x, along="n", title="t"),
                         [None, NAN, 3, "", "wrong", [], {}, [3], [None], ["right", "wrong"], {"right": None}, {"right": 3}, {3: "right"}]),
    "explorer along": (lambda t, x: explorer.explorer(STUDY, "right", along=x, title="t"), [None, NAN, 3, "", "m", ["n"]]),
    "explorer title": (lambda t, x: explorer.explorer(STUDY, "right", along="n", title=x), [None, NAN, 3, "", ["t"], HALF]),
    "explorer ylabel": (lambda t, x: explorer.explorer(STUDY, "right", along="n", title="t", ylabel=x), [NAN, 3, "", ["t"], HALF]),
    "study": (lambda t, x: study(x, [{}], name="never-recorded"), [None, NAN, 3, "trial", []]),
    "study grid": (lambda t, x: study(lambda seed, w: {"a": 1}, x, name="never-recorded"), [
        None, NAN, 3, "ab", b"ab", [], [None], [3], ["ab"], [[("w", 1)]], [{1: 2}], [{None: 2}], [{"seed": 1}], [{"w": object()}],
        [{"w": X}], [{"w": len}], [{"w": 1j}], [{"w": {1}}], [{"w": [{(1, 2): 3}]}], {"w": 3}, {"w": "ab"}, {"w": None}, {"w": []},
        {"w": [X]}, {3: [1]}, [{"w": 1}, {"w": 1}], {"w": [1, 1.0]}, {"w": [True, 1]}, [{"w": (1, 2)}, {"w": [1, 2]}],
        {"w": [np.int64(1), torch.tensor(1)]}, {"w": [NAN, NAN]}]),
    "study seeds": (lambda t, x: study(lambda seed: {"a": 1}, [{}], name="never-recorded", seeds=x), [
        None, NAN, 3, "012", [], range(0), [None], ["0"], [0.5], [1.0], [True], [[0]], [0, 0, 1], [1, np.int64(1)], torch.tensor([2, 2]),
        np.zeros((2, 2), int), np.arange(3) / 2, torch.rand(2), torch.tensor(1), torch.tensor([True, False])]),
    "study name": (lambda t, x: study(lambda seed: {"a": 1}, [{}], name=x), NOT_TEXT + ["", " "]),
    "study measured": (lambda t, x: study(lambda seed: x, [{}], name="never-recorded"), [
        None, NAN, 3, "x", [1], {1: 2.0}, {None: 2.0}, {"a": None}, {"a": NAN}, {"a": math.inf}, {"a": "0.5"}, {"a": [1]}, {"a": 1j},
        {"a": 10**400}, {"a": torch.ones(2)}, {"a": np.ones((9, 9))}, {"a": torch.tensor(NAN)}, {"a": np.float32(NAN)}]),
    "check": (lambda t, x: checks.check(x, "It is so."),
              [None, NAN, 3, 0.7, "x", "", b"x", np.float64(1), np.array([True, False]), np.zeros(0, bool), torch.tensor([True, True]),
               torch.tensor(1), np.array([1]), len, any, (x for x in [])]),
    "check sentence": (lambda t, x: checks.check(True, x), [None, NAN, 3, True, "", " ", ["a"], HALF]),
    "size_of": (lambda t, x: blocks.size_of(x), [None, NAN, 3, "model", BERT]),
    "causal_mask": (lambda t, x: blocks.causal_mask(x), [None, NAN, "3", 1.5, -1, True, [3]]),
    "two": (lambda t, x: blocks.two(x), [None, NAN, "3", 1.5, 0, True, [3], (3,), (3, 4, 5), (3, 0), (3, None)]),
    "each": (lambda t, x: blocks.each(x, X, X), [None, NAN, 3, "map"]),
    "feed_forward": (lambda t, x: blocks.feed_forward(x), NOT_K),
    "LayerScale": (lambda t, x: blocks.LayerScale(x, 4), [None, NAN, 3, "branch"]),
    "LayerScale dim": (lambda t, x: blocks.LayerScale(torch.nn.Identity(), x), NOT_K),
    "Block": (lambda t, x: blocks.Block(x, 2), [*NOT_K, 3]),
    "Block heads": (lambda t, x: blocks.Block(4, x), [*NOT_K, 3]),
    "linear_maps": (lambda t, x: blocks.linear_maps(x), [None, NAN, 3, "model"]),
    "wild": (lambda t, x: wild.wild(x), [None, NAN, "32", 33, 32.0, True, [32]]),
    "Batches size": (lambda t, x: Batches(X, size=x), [None, NAN, "4", 1.5, 0, 13, True, [4]]),
    # ------------------------------------------------------------ augmentation
    "greyscale": (lambda t, x: augment.greyscale(x), [*NOT_PICTURES, PICTURES[:, :1]]),
    "blend": (lambda t, x: augment.blend(x, PICTURES, SHARE), NOT_PICTURES),
    "blend others": (lambda t, x: augment.blend(PICTURES, x, SHARE), [*NOT_PICTURES, PICTURES[:, :2], PICTURES[..., :3]]),
    "blend share": (lambda t, x: augment.blend(PICTURES, PICTURES, x), NOT_SHARES),
    "brightness": (lambda t, x: augment.brightness(x, SHARE), NOT_PICTURES),
    "brightness factor": (lambda t, x: augment.brightness(PICTURES, x), NOT_SHARES),
    "contrast": (lambda t, x: augment.contrast(x, SHARE), [*NOT_PICTURES, PICTURES[:, :1]]),
    "contrast factor": (lambda t, x: augment.contrast(PICTURES, x), NOT_SHARES),
    "saturation": (lambda t, x: augment.saturation(x, SHARE), [*NOT_PICTURES, PICTURES[:, :1]]),
    "saturation factor": (lambda t, x: augment.saturation(PICTURES, x), NOT_SHARES),
    "cut_out": (lambda t, x: augment.cut_out(x, torch.tensor([[0, 0, 2, 2]] * 2)), NOT_PICTURES),
    "cut_out boxes": (lambda t, x: augment.cut_out(PICTURES, x), [
        None, NAN, 3, "x", [[0, 0, 4, 4]] * 2, torch.zeros(2, 4), torch.zeros(2, 3).long(), torch.zeros(4).long(), torch.zeros(3, 4).long(),
        torch.zeros(2, 4).long(), torch.tensor([[0, 0, 5, 4]] * 2), torch.tensor([[2, 0, 3, 4]] * 2), torch.tensor([[0, 2, 4, 3]] * 2),
        torch.tensor([[-1, 0, 2, 2]] * 2)]),
    "flip": (lambda t, x: augment.flip(x), NOT_PICTURES),
    "flip chance": (lambda t, x: augment.flip(PICTURES, x), NOT_CHANCE),
    "crop": (lambda t, x: augment.crop(x), NOT_PICTURES),
    "crop area": (lambda t, x: augment.crop(PICTURES, x),
                  [None, NAN, 0.5, "ab", (), (0.5,), (0.2, 0.5, 1), (0, 1), (-0.2, 1), (0.2, 1.1), (1, 0.2), (NAN, 1), ("a", "b")]),
    "crop aspect": (lambda t, x: augment.crop(PICTURES, aspect=x),
                    [None, NAN, 1.0, "ab", (), (0.5,), (1, 1, 1), (0, 1), (-1, 1), (1, math.inf), (2, 1), (NAN, 1), ("a", "b")]),
    "colour": (lambda t, x: augment.colour(x), [*NOT_PICTURES, PICTURES[:, :1]]),
    "colour strength": (lambda t, x: augment.colour(PICTURES, x), [None, NAN, "1", -0.1, math.inf, [1], 1.1]),
    "colour chance": (lambda t, x: augment.colour(PICTURES, chance=x), NOT_CHANCE),
    "colour grey": (lambda t, x: augment.colour(PICTURES, grey=x), NOT_CHANCE),
    # ------------------------------------------------------------ counted language models
    "windows": (lambda t, x: counts.windows(x, 2, 0),
                [None, NAN, 3, "ab", [], [None], [3], ["ab"], [["a"]], [[0.5]], [[NAN]], [[[1]]], [[-1]]]),
    "windows n": (lambda t, x: counts.windows([[1, 2]], x, 0), NOT_K),
    "windows mark": (lambda t, x: counts.windows([[1, 2]], 2, x), [*NOT_WHOLE, -1]),
    "perplexity": (lambda t, x: counts.perplexity(x), [*NOT_NUMBERS, [-0.1], [1.1], [0.5, NAN], [math.inf]]),
    "Counts": (lambda t, x: counts.Counts(x, 3), NOT_WINDOWS),
    "Counts vocab_size": (lambda t, x: counts.Counts(ROWS, x), [*NOT_K, 2]),
    "Counts.find": (lambda t, x: list(counts.Counts(ROWS, 3).find(x)), [*NOT_WINDOWS, ROWS[:, :1]]),
    "Counts.totals": (lambda t, x: counts.Counts(ROWS, 3).totals(x, [1, 1]), [*NOT_WHOLE, -1, 2]),
    "Counts.totals amounts": (lambda t, x: counts.Counts(ROWS, 3).totals(0, x), [*NOT_NUMBERS, [1], [1, 2, 3], [[1, 1]]]),
    "Counts.relative": (lambda t, x: counts.Counts(ROWS, 3).relative(x), [*NOT_WINDOWS, ROWS[:, :1]]),
    "Counts.add": (lambda t, x: counts.Counts(ROWS, 3).add(x, 1), [*NOT_WINDOWS, ROWS[:, :1]]),
    "Counts.add k": (lambda t, x: counts.Counts(ROWS, 3).add(ROWS, x), [None, NAN, "1", 0, -1, math.inf, [1]]),
    "mixture": (lambda t, x: counts.mixture(x), [*NOT_NUMBERS, [0.5], [[0, 0.5], [0, 0.5]], [[1.1, 0]], [[-0.1, 0]]]),
    "mixture rounds": (lambda t, x: counts.mixture([[0.5, 0.1]], x), [*NOT_WHOLE, -1, True]),
    "KneserNey": (lambda t, x: counts.KneserNey(x, 3), NOT_WINDOWS),
    "KneserNey vocab_size": (lambda t, x: counts.KneserNey(ROWS, x), [*NOT_K, 2]),
    "KneserNey discounts": (lambda t, x: counts.KneserNey(ROWS, 3, x), [
        NAN, 3, "abc", [], [[0.5] * 3], [[0.5] * 2] * 2, [[NAN] * 3] * 2, [["a"] * 3] * 2, [[None] * 3] * 2, [[-1] * 3] * 2,
        [[2] * 3] * 2]),
    "KneserNey.prob": (lambda t, x: counts.KneserNey(ROWS, 3).prob(x), [*NOT_WINDOWS, ROWS[:, :1]]),
    # ------------------------------------------------------------ pieces with probabilities
    "spans": (lambda t, x: unigram.spans(x), NOT_WORD),
    "best_cut": (lambda t, x: unigram.best_cut(x, SCORES), NOT_WORD),
    "best_cut scores": (lambda t, x: unigram.best_cut("ab", x), NOT_SCORES),
    "sample_cut": (lambda t, x: unigram.sample_cut(x, SCORES, random.Random(0)), [*NOT_WORD, "az", "z"]),
    "sample_cut scores": (lambda t, x: unigram.sample_cut("ab", x, random.Random(0)), NOT_SCORES),
    "sample_cut rng": (lambda t, x: unigram.sample_cut("ab", SCORES, x), [None, NAN, 3, "x", random.random, np.random.default_rng(0)]),
    "sample_cut alpha": (lambda t, x: unigram.sample_cut("ab", SCORES, random.Random(0), x), [None, NAN, "1", -1, math.inf, [1], 1e6]),
    "Lattice": (lambda t, x: unigram.Lattice(x, ["a", "b"]), [*NOT_COUNTS, {"z": 1}]),
    "Lattice pieces": (lambda t, x: unigram.Lattice({"ab": 1}, x),
                       [None, NAN, 3, "ab", [], ["a"], ["a", "b", 3], ["a", "b", ""], [["a"]], ["a", "b", "a"]]),
    "Lattice.sums": (lambda t, x: unigram.Lattice({"ab": 1}, ["a", "b"]).sums(x), [*NOT_NUMBERS, [1], [1, -1], [1, NAN], [[1, 1]]]),
    "Lattice.expected": (lambda t, x: unigram.Lattice({"ab": 1}, ["a", "b"]).expected(x),
                         [*NOT_NUMBERS, [1], [1, -1], [1, NAN], [1, 0], [[1, 1]]]),
    "seed_pieces": (lambda t, x: unigram.seed_pieces(x, 9), NOT_COUNTS),
    "seed_pieces size": (lambda t, x: unigram.seed_pieces({"ab": 1}, x), NOT_K),
    "train_unigram": (lambda t, x: unigram.train_unigram(x, 9), [*NOT_COUNTS, {"a" * 31: 1}]),
    "train_unigram size": (lambda t, x: unigram.train_unigram({"ab": 1}, x), [*NOT_K, 1]),
    "train_unigram seeds": (lambda t, x: unigram.train_unigram({"ab": 1}, 2, x),
                            [None, NAN, "9", 0, -1, 1.5, [1], True, 1, {}, {"a": NAN}, {"a": 0.0}, {3: 0.0}]),
    "train_unigram keep": (lambda t, x: unigram.train_unigram({"ab": 2}, 2, keep=x), [None, NAN, "1", 0, 1, 2, -1, [1]]),
    "train_unigram steps": (lambda t, x: unigram.train_unigram({"ab": 2}, 2, steps=x), NOT_K),
    # ------------------------------------------------------------ little is tuned, or slowly
    "LoRA": (lambda t, x: lora.LoRA(x, 1), [None, 3, "linear", torch.nn.Identity(), torch.nn.Linear]),
    "LoRA rank": (lambda t, x: lora.LoRA(t.model, x), [*NOT_K, 3]),
    "LoRA alpha": (lambda t, x: lora.LoRA(t.model, 1, x), NOT_ALPHA),
    "add_lora": (lambda t, x: lora.add_lora(x, 1), [*NOT_MODELS, torch.nn.Identity(), t_linear()]),
    "add_lora rank": (lambda t, x: lora.add_lora(reader(t), x), [*NOT_K, 9]),
    "add_lora alpha": (lambda t, x: lora.add_lora(reader(t), 1, x), NOT_ALPHA),
    "add_lora within": (lambda t, x: lora.add_lora(reader(t), 1, within=x), [None, 3, "Encoder", Classifier, int, torch.nn.Identity()]),
    "merge_lora": (lambda t, x: lora.merge_lora(x), [*NOT_MODELS, lora.LoRA(t_linear(), 1)]),
    "Adapter": (lambda t, x: lora.Adapter(x, 3, 2), [None, 3, "branch"]),
    "Adapter dim": (lambda t, x: lora.Adapter(torch.nn.Identity(), x, 2), NOT_K),
    "Adapter width": (lambda t, x: lora.Adapter(torch.nn.Identity(), 3, x), NOT_K),
    "add_adapters": (lambda t, x: lora.add_adapters(x, 2), [*NOT_MODELS, torch.nn.Identity()]),
    "add_adapters width": (lambda t, x: lora.add_adapters(reader(t), x), NOT_K),
    "only_biases": (lambda t, x: lora.only_biases(x), [*NOT_MODELS, torch.nn.Identity()]),
    "only_top": (lambda t, x: lora.only_top(x, 1), [*NOT_MODELS, torch.nn.Identity()]),
    "only_top blocks": (lambda t, x: lora.only_top(reader(t), x), [*NOT_WHOLE, -1, 2, True]),
    "Slow": (lambda t, x: lora.Slow(x, 0.5), [None, NAN, 3, "x", [1.0], torch.ones(2).long()]),
    "Slow share": (lambda t, x: lora.Slow(torch.ones(2), x), [None, NAN, "1", 0, -1, 1.5, [1]]),
    "slow_down": (lambda t, x: lora.slow_down(x, 0.5), [*NOT_MODELS, torch.nn.Identity()]),
    "slow_down decay": (lambda t, x: lora.slow_down(reader(t), x), [None, NAN, "1", 0, -1, 1.5, [1], True]),
    "trained": (lambda t, x: lora.trained(x), NOT_MODELS),
    # ------------------------------------------------------------ what is seen of a model
    "attentions": (lambda t, x: look.attentions(x, X), [None, NAN, 3, "model"]),
    "attentions at": (lambda t, x: look.attentions(t.model, X, at=x), NOT_MODULES),
    "layers": (lambda t, x: look.layers(x, X), [None, NAN, 3, "model", lambda x: x, torch.nn.Linear(3, 2)]),
    "layers at": (lambda t, x: look.layers(t.model, X, at=x), NOT_MODULES),
    # ------------------------------------------------------------ one word in many sentences
    "Uses": (lambda t, x: senses.Uses(x, USES.texts, USES.places, USES.labels, USES.names, USES.held), [*NOT_WORDS, [], ["a"]]),
    "Uses texts": (lambda t, x: uses(texts=x), [None, NAN, 3, "ab", [], [["a"]], ["a", "b", "c"], [None] * 3, [[3]] * 3]),
    "Uses places": (lambda t, x: uses(places=x), [None, NAN, 3, "abc", [], [0], [0, 0, 2], [0, 0, -1], [0, 0, 0.5], [None] * 3]),
    "Uses labels": (lambda t, x: uses(labels=x),
                    [None, NAN, 3, "abc", [0, 1, 1], torch.zeros(2).long(), torch.zeros(3), torch.tensor([0, 1, 2])]),
    "Uses names": (lambda t, x: uses(names=x), [None, NAN, 3, "ab", [], ["noun.act"], [3, 4]]),
    "Uses held": (lambda t, x: uses(held=x), [None, NAN, 3, [True] * 3, torch.ones(3), torch.ones(2, dtype=bool)]),
    "Uses.form": (lambda t, x: USES.form(x), [*NOT_WHOLE, -1, 3]),
    "Uses.speech": (lambda t, x: USES.speech(x), [*NOT_WHOLE, -1, 3]),
    "Uses.take": (lambda t, x: USES.take(x), NOT_ROWS),
    "place": (lambda t, x: senses.place(x, ["a"]), [None, NAN, 3, "", b"a", ["a"]]),
    "place text": (lambda t, x: senses.place("a", x), [None, NAN, 3, "", "a", b"a", [], [None], [3], [["a"]]]),
    "usage_examples": (lambda t, x: senses.usage_examples(x), [None, NAN, 3, "wordnet", [], WORDNET._replace(examples=[])]),
    "usage_examples min_count": (lambda t, x: senses.usage_examples(WORDNET, x), [*NOT_K, 99]),
    "pairs_of_senses": (lambda t, x: senses.pairs_of_senses(x), NOT_USES),
    "told_apart": (lambda t, x: senses.told_apart(x, USES, [(0, 1)]), NOT_VECTORS),
    "told_apart uses": (lambda t, x: senses.told_apart(torch.eye(3), x, [(0, 1)]), NOT_USES),
    "told_apart pairs": (lambda t, x: senses.told_apart(torch.eye(3), USES, x),
                         [None, NAN, 3, "ab", [], [0], [(0,)], [(0, 1, 2)], [(0, 3)], [(0, -1)], [(0.5, 1)], [("a", "b")], [(0, None)]]),
    "words_with_senses": (lambda t, x: senses.words_with_senses(x), NOT_USES),
    "nearest_use": (lambda t, x: senses.nearest_use(x, USES, [0, 1]), NOT_VECTORS),
    "nearest_use uses": (lambda t, x: senses.nearest_use(torch.eye(3), x, [0, 1]), NOT_USES),
    "nearest_use rows": (lambda t, x: senses.nearest_use(torch.eye(3), USES, x), [*NOT_ROWS, [0]]),
    "similarity": (lambda t, x: senses.similarity(x), NOT_VECTORS[:-1]),
    "one_direction": (lambda t, x: senses.one_direction(x), [*NOT_VECTORS[:-1], torch.zeros(3, 2)]),
    # ------------------------------------------------------------ who is hidden
    "random_mask batch": (lambda t, x: masking.random_mask(x, 4, 0.5), [*NOT_WHOLE, -1, True]),
    "random_mask n": (lambda t, x: masking.random_mask(2, x, 0.5), [*NOT_WHOLE, -1, True]),
    "random_mask ratio": (lambda t, x: masking.random_mask(2, 4, x), [None, NAN, "1", -0.1, 1, 2, [0.5], 0.9]),
    "random_mask generator": (lambda t, x: masking.random_mask(2, 4, 0.5, x), NOT_GENERATOR),
    "random_mask device": (lambda t, x: masking.random_mask(2, 4, 0.5, device=x), [NAN, 1.5, "gpu", "", ["cpu"]]),
    "blockwise_mask batch": (lambda t, x: masking.blockwise_mask(x, 8, 8, 20), [*NOT_WHOLE, -1, True]),
    "blockwise_mask rows": (lambda t, x: masking.blockwise_mask(2, x, 8, 5), NOT_K),
    "blockwise_mask columns": (lambda t, x: masking.blockwise_mask(2, 8, x, 5), NOT_K),
    "blockwise_mask most": (lambda t, x: masking.blockwise_mask(2, 8, 8, x), [*NOT_WHOLE, 0, 3, 64, True]),
    "blockwise_mask smallest": (lambda t, x: masking.blockwise_mask(2, 8, 8, 20, x), [*NOT_K, 21]),
    "blockwise_mask narrow": (lambda t, x: masking.blockwise_mask(2, 8, 8, 20, narrow=x), [None, NAN, "1", 0, -1, 1.5, [1]]),
    "blockwise_mask generator": (lambda t, x: masking.blockwise_mask(2, 8, 8, 20, generator=x), NOT_GENERATOR),
    "visible": (lambda t, x: masking.visible(x), [None, NAN, "x", 3, [[True]], FLAGS.long(), FLAGS.float(), FLAGS[0], FLAGS[:0],
                                                  torch.tensor([[True, False], [True, True]])]),
    "visible count": (lambda t, x: masking.visible(FLAGS, x), [NAN, "3", 1.5, [1], -1, 5, True]),
    "bert_mask tokens": (lambda t, x: masking.bert_mask(x, FLAGS, 3, 9),
                         [None, NAN, "x", 3, [[1, 2]], IDS.float(), IDS + 9, IDS - 9, IDS[0], FLAGS]),
    "bert_mask hideable": (lambda t, x: masking.bert_mask(IDS, x, 3, 9), NOT_FLAGS),
    "bert_mask mask_token": (lambda t, x: masking.bert_mask(IDS, FLAGS, x, 9), [*NOT_WHOLE, -1, 9, True]),
    "bert_mask vocab_size": (lambda t, x: masking.bert_mask(IDS, FLAGS, 0, x), [*NOT_K, 5]),
    "bert_mask ratio": (lambda t, x: masking.bert_mask(IDS, FLAGS, 3, 9, x), [None, NAN, "1", 0, 1, -1, [0.5]]),
    "bert_mask mix": (lambda t, x: masking.bert_mask(IDS, FLAGS, 3, 9, mix=x),
                      [None, NAN, 1, "abc", (), (1,), (0.8, 0.1), (0.8, 0.1, 0.2), (1.2, -0.1, -0.1), (NAN, 0, 1), ("a", 0, 1), (None, 0,
                      1)]),
    "bert_mask generator": (lambda t, x: masking.bert_mask(IDS, FLAGS, 3, 9, generator=x), NOT_GENERATOR),
    # ------------------------------------------------------------ objectives
    "skip_gram": (lambda t, x: objectives.skip_gram(x, X[:2], X[:4].view(2, 2, 3)), NOT_PAIR),
    "skip_gram context": (lambda t, x: objectives.skip_gram(X[:2], x, X[:4].view(2, 2, 3)), NOT_PAIR),
    "skip_gram negatives": (lambda t, x: objectives.skip_gram(X[:2], X[:2], x),
                            [*NOT_PAIR, X[:2], X.view(4, 3, 3), X.view(2, 9, 2), X.view(2, 6, 3).long()]),
    "next_token": (lambda t, x: objectives.next_token(x, IDS), NOT_LOGITS),
    "next_token tokens": (lambda t, x: objectives.next_token(LOGITS, x), [*NOT_TARGETS, IDS[:, :1]]),
    "next_token valid": (lambda t, x: objectives.next_token(LOGITS, IDS, x), NOT_FLAGS[1:]),
    "previous_token": (lambda t, x: objectives.previous_token(x, IDS), NOT_LOGITS),
    "previous_token tokens": (lambda t, x: objectives.previous_token(LOGITS, x), NOT_TARGETS),
    "previous_token valid": (lambda t, x: objectives.previous_token(LOGITS, IDS, x), NOT_FLAGS[1:]),
    "both_ways": (lambda t, x: objectives.both_ways(x, LOGITS, IDS), NOT_LOGITS),
    "both_ways back": (lambda t, x: objectives.both_ways(LOGITS, x, IDS), NOT_LOGITS),
    "both_ways tokens": (lambda t, x: objectives.both_ways(LOGITS, LOGITS, x), NOT_TARGETS),
    "both_ways valid": (lambda t, x: objectives.both_ways(LOGITS, LOGITS, IDS, x), NOT_FLAGS[1:]),
    "masked_cross_entropy": (lambda t, x: objectives.masked_cross_entropy(x, IDS, FLAGS), NOT_LOGITS),
    "masked_cross_entropy targets": (lambda t, x: objectives.masked_cross_entropy(LOGITS, x, FLAGS), NOT_TARGETS),
    "masked_cross_entropy masked": (lambda t, x: objectives.masked_cross_entropy(LOGITS, IDS, x), [*NOT_FLAGS, FLAGS & False]),
    "masked_regression": (lambda t, x: objectives.masked_regression(x, LOGITS, FLAGS), NOT_LOGITS),
    "masked_regression target": (lambda t, x: objectives.masked_regression(LOGITS, x, FLAGS), NOT_LOGITS),
    "masked_regression masked": (lambda t, x: objectives.masked_regression(LOGITS, LOGITS, x), [*NOT_FLAGS, FLAGS & False]),
    "masked_regression p": (lambda t, x: objectives.masked_regression(LOGITS, LOGITS, FLAGS, x), [None, NAN, "2", 0, -1, math.inf, [2]]),
    "clip_loss": (lambda t, x: objectives.clip_loss(x), [*NOT_PAIR[:-2], X, X[:0, :0], torch.eye(3).long()]),
    "nt_xent": (lambda t, x: objectives.nt_xent(x, X[:2]), NOT_PAIR),
    "nt_xent z1": (lambda t, x: objectives.nt_xent(X[:2], x), NOT_PAIR),
    "nt_xent temperature": (lambda t, x: objectives.nt_xent(X, X, x), NOT_TEMPERATURE),
    "info_nce": (lambda t, x: objectives.info_nce(x, X[:2]), NOT_PAIR),
    "info_nce keys": (lambda t, x: objectives.info_nce(X[:2], x), NOT_PAIR),
    "info_nce queue": (lambda t, x: objectives.info_nce(X, X, x), [*NOT_PAIR[1:-2], X[:, :2], X[:0], X.long()]),
    "info_nce temperature": (lambda t, x: objectives.info_nce(X, X, temperature=x), NOT_TEMPERATURE),
    "alignment": (lambda t, x: objectives.alignment(x, X[:2]), NOT_PAIR),
    "alignment z1": (lambda t, x: objectives.alignment(X[:2], x), NOT_PAIR),
    "uniformity": (lambda t, x: objectives.uniformity(x), [*NOT_PAIR[:-2], X[:1], X.long()]),
    "uniformity t": (lambda t, x: objectives.uniformity(X, x), [None, NAN, "2", 0, -1, math.inf, [2]]),
}  # fmt: skip
CASES = [(name, i) for name, (_, inputs) in TABLE.items() for i in range(len(inputs))]


@pytest.mark.parametrize("name, i", CASES, ids=[f"{name} {i}" for name, i in CASES])
@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
def test_what_cannot_be_used_gives_one_clear_sentence(tools, name, i):
    call, inputs = TABLE[name]
    with pytest.raises((ValueError, KeyError, sources.DataError)) as found:
        call(tools, inputs[i])
    plt.close("all")
    message, error = str(found.value), found.value
    assert len(message) > 15 and "\n" not in message, message
    origin = found.traceback[-1].path
    assert "/evo/" in str(origin) and "site-packages" not in str(origin), f"{name}({inputs[i]!r}): raw error of {origin}: {error!r}"


# Modules of which nothing is called by a reader with data of their own, and why each needs no row. `evo.models` has test_hostile_models.
DRIVEN = {
    "evo.__main__": "the command line: tests/test_cli.py",
    "evo.zoo": "reads and writes the recorded runs: tests/test_zoo_commands.py",
    "evo.zoo.commands": "commands, which get what the command line has read: tests/test_zoo_commands.py",
    "evo.cuts": "remembers which runs the time budget stopped; told by evo.loop",
    "evo.disk": "writes files for evo.zoo and evo.loop: tests/test_data_faults.py",
    "evo.fingerprint": "compares code, not data: tests/test_zoo_commands.py",
    "evo.inputs": "the checks themselves, which the rows reach",
    "evo.loop": "what fit and study do once evo.train has looked at their arguments: tests/test_train.py",
    "evo.proof": "repeats recorded runs for evo.zoo: tests/test_zoo_commands.py",
    "evo.saved": "stands in for plt.show where a chapter runs as a script: tests/test_cli.py",
    "evo.settings": "reads environment variables: tests/test_settings.py",
    "evo.stale": "compares recorded runs with code: tests/test_zoo_commands.py",
    "evo.train": "fit and study: tests/test_train.py",
    "evo.recipe": "batches, rates and steps of fit: tests/test_recipe.py",
}
# Public names of the other modules that have no row: reason -> module -> names.
NO_ROW = {
    "takes no input of a reader": {
        "plots": "use_style", "words": "analogy_questions", "images": "fashion_mnist", "text": "wordnet", "wild": "photographs",
        "photos": "photos", "bible": "bible", "everyday": "everyday", "blocks": "QuickGELU",
        "sources": "get_all status cache mirror", "senses": "Uses.rows"},
    "called by torch with what it computes": {"lora": "LoRA.forward Adapter.forward Slow.forward Slow.right_inverse"},
    "rows in tests/test_hostile_models.py": {
        "blocks": "attend Attention Encoder Block.forward LayerScale.forward patchify PatchEmbedding", "images": "unpatchify"},
    "only holds what a function of its module has made": {
        "probes": "Classifier", "tokenizers": "Subwords", "decode": "Prefixes", "bible": "Clauses", "everyday": "Sentences",
        "names": "Names", "images": "FashionMNIST",
        "pairs": "Emoji", "photos": "Photos", "scenes": "Scenes View Chance", "text": "WordNet", "wild": "Part Wild Photographs",
        "sources": "DataError Dataset", "tasks": "Questions Entailment TwoImages Choices Referring Matching Regions",
        "checks": "CheckFailed",
        "verdicts": "Effect Question"},
    "builds stored data from fetched files, whose hashes are compared (tests/test_data.py), or is a step inside a function with a row": {
        "bible": "cut links build_bible verses_of pieces_of split", "captions": "a caption definite listing together",
        "everyday": "cut letters size build_everyday examples_of clean is_sentence split", "images": "build_fashion_mnist",
        "names": "tagged label_in_text labels_of is_name rendering label_of plain_number build_names entries_of text_of split",
        "pairs": "portrait build_emoji emoji_test font_bitmaps pictures annotations base",
        "photos": "check_language split_by_name build_photos read_captions shrink overlaps",
        "scenes": "stored build_scenes make check_scenes check_seed never_meet cast places plan scene attempt_scene background pose levels "
                  "turned arrange covered light ambient smaller halve seen",
        "sources": "obtain verify places content_hash read check fetch fetch_alone download from_official from_apt run from_snapshot "
                   "unpack locate ways",
        "tasks": "permutation balance limit some split_rows ask_exists ask_count kind_of ask_what ask_where ask_position ask_larger "
                 "ask_compare quartets shuffled shaken seen_as check_boxes",
        "text": "build_wordnet sense_numbers synset_lines lines split_gloss base_forms shown_lemma",
        "wild": "grey build_backgrounds resources build_wild build_wild64 compose picture",
        "probes": "is_whole"},
    "draws or collects what a cell shows, from the JSON of one: tests/test_claims.py, tests/test_explorer.py": {
        "claims": "shown_card shown facts disagreements judged seen collect",
        "explorer": "shown first selection means said svg read label"},
}


def modules():
    for found in pkgutil.walk_packages(evo.__path__, "evo."):
        if not found.name.startswith("evo.models"):
            yield found.name


def public(module):
    """{name: thing} of what a module itself defines for others."""
    return {name: thing for name, thing in vars(module).items()
            if not name.startswith("_") and callable(thing) and getattr(thing, "__module__", "") == module.__name__}


def methods(name, thing):
    """{"Class.method": the same} of what a class itself defines for others; of a function nothing."""
    found = [f"{name}.{m}" for m in vars(thing) if not m.startswith("_") and callable(getattr(thing, m))] if inspect.isclass(thing) else ()
    return {method: method for method in found}


def calls():
    """What the rows are about: functions and classes themselves, and methods as "Class.method".

    A row "name argument" counts for that function called `name` which its code mentions, so that two modules may each have one.
    """
    found = set()
    for row, (call, _) in TABLE.items():
        name, mentioned = row.split()[0].removesuffix("[]"), set(call.__code__.co_names)
        if name.rpartition(".")[0] not in ("", "sources"):
            found.add(name)
        name = name.removeprefix("sources.")
        things = [globals()[word] for word in mentioned if word in globals()]
        if name in mentioned:
            found |= {vars(thing)[name] for thing in things if inspect.ismodule(thing) and callable(vars(thing).get(name))}
            found |= {thing for thing in things if getattr(thing, "__name__", "") == name}
    return found


def test_the_table_is_complete():
    """Every public function of evo has a row, and every public method of a class with one; or a reason stands above."""
    excused = {f"{module}.{name}" for places in NO_ROW.values() for module, names in places.items() for name in names.split()}
    covered, missing = calls(), list()
    for name in modules():
        if name in DRIVEN:
            continue
        module = importlib.import_module(name)
        for word, thing in public(module).items():
            short = name.rpartition(".")[2]
            if f"{short}.{word}" not in excused:
                missing += [f"{short}.{word}" for word, thing in {word: thing, **methods(word, thing)}.items()
                            if thing not in covered and f"{short}.{word}" not in excused]
    assert not missing, f"no row in TABLE and no reason in NO_ROW: {missing}"


def test_no_excuse_is_left_over():
    """A reason without its function, or beside its row, says what is no longer so."""
    names = {name.rpartition(".")[2]: name for name in modules()}
    assert not set(DRIVEN) - set(names.values()), "DRIVEN names modules that are gone"
    covered, stale = calls(), list()
    for places in NO_ROW.values():
        for module, listed in places.items():
            defined = public(importlib.import_module(names[module]))
            for word, thing in list(defined.items()):
                defined |= methods(word, thing)
            stale += [f"{module}.{word}" for word in listed.split() if word not in defined or defined[word] in covered]
    assert not stale, f"gone, or they have a row by now: {stale}"
