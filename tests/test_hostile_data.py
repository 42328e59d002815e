"""Every public function of data, text, probes and figures, given what it cannot use: one clear sentence, never a library's error."""
import inspect
import math
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

from evo import align, cooccur, decode, grow, plots, probes, tokenizers, words  # noqa: E402
from evo.data import bible, captions, everyday, images, names, pairs, photos, scenes, sources, tasks, text  # noqa: E402
from evo.grow import add_words  # noqa: E402
from evo.models.bert import BERT  # noqa: E402
from evo.probes import Classifier  # noqa: E402
from evo.tokenizers import Palette, Subwords, Vocab, WordPiece, join, k_means, learn_merges, longest_match, nearest_centre  # noqa: E402
from evo.train import Batches  # noqa: E402
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


MODULES = (plots, probes, tokenizers, words, sources, images, pairs, text, photos, scenes, captions, tasks, bible, everyday, names, align,
           decode, cooccur, grow)
CALLED = {"bible": "clauses", "everyday": "sentences", "names": "names", "sources": "get load find", "images": "to_float",
          "pairs": "emoji split_by resize portraits",
          "text": "tokenize split", "photos": "name trim wordings", "scenes": "scenes choose", "captions": "captions",
          "tasks": "matching questions answer_ids entailment cover two_images choices referring regions images_of overlap"}  # others build
NOTHING = {"plots.use_style", "words.analogy_questions", "images.fashion_mnist", "text.wordnet"}  # without an argument
ELSEWHERE = {"probes.is_whole", "probes.Classifier", "decode.Prefixes"}


def test_the_table_is_complete():
    """Every public function of these modules has a row, and of classes every public method."""
    public = set()
    for module in MODULES:
        short = module.__name__.rpartition(".")[2]
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__ or not callable(thing):
                continue
            if f"{short}.{name}" in NOTHING | ELSEWHERE or name not in CALLED.get(short, name).split():
                continue
            public.add(name)
            if inspect.isclass(thing):
                methods = [m for m in vars(thing) if not m.startswith("_") and callable(getattr(thing, m))]
                public |= {f"{name}.{m}" for m in methods}
    rows = {name.split()[0] for name in TABLE} | {name.removeprefix("sources.") for name in TABLE} | {"Subwords"}
    assert not public - rows
