"""Rows for new words: where they begin, what stays, what is refused."""
import copy

import pytest
import torch

from evo.grow import add_words
from evo.models.bert import BERT
from evo.tokenizers import WordPiece

PIECES = WordPiece([*WordPiece.SPECIALS, *"abcdet", *("##" + c for c in "abcdet"), "at", "##at"])


def bert():
    torch.manual_seed(0)
    model = BERT(len(PIECES), 12, 32, 2, 4)
    torch.nn.init.normal_(model.bias)
    return model


@pytest.mark.parametrize("start", ["mean", "random"])
def test_what_was_learned_stays(start):
    """Old rows, old texts, old scores: to the last bit; and the model given is not touched."""
    model = bert()
    before = copy.deepcopy(model.state_dict())
    grown, pieces = add_words(model, PIECES, ["cat", "bed"], start)
    assert all(torch.equal(model.state_dict()[k], before[k]) for k in before)
    tokens = torch.randint(5, len(PIECES), (3, 9), generator=torch.Generator().manual_seed(0))
    assert torch.equal(grown.features(tokens), model.features(tokens))
    torch.testing.assert_close(grown(tokens)[0][..., : len(PIECES)], model(tokens)[0])
    assert len(pieces) == len(PIECES) + 2 and pieces.encode("cat") == [len(PIECES)]
    assert PIECES.encode("cat") == [PIECES.pieces.index(p) for p in ("c", "##at")]


def test_the_mean_is_that_of_the_pieces_that_spelled_it():
    """By a loop; the score of a new word is then the mean of its pieces' scores."""
    model = bert()
    grown, _ = add_words(model, PIECES, ["cat", "bed"])
    for row, word in enumerate(["cat", "bed"], len(PIECES)):
        spelled = PIECES.encode(word)
        mean = sum(model.token.weight[i] for i in spelled) / len(spelled)
        torch.testing.assert_close(grown.token.weight[row], mean)
        scores = grown(torch.tensor([[2, 6, 3]]))[0]
        torch.testing.assert_close(scores[..., row], scores[..., spelled].mean(-1), atol=1e-5, rtol=1e-5)


def test_random_rows_follow_their_seed_and_are_small():
    model, words = bert(), ["cat", "bed", "ate", "tab"]
    one, two, other = (add_words(model, PIECES, words, "random", seed)[0] for seed in (3, 3, 4))
    rows = one.token.weight[len(PIECES) :]
    assert torch.equal(rows, two.token.weight[len(PIECES) :]) and not torch.equal(rows, other.token.weight[len(PIECES) :])
    assert 0.01 < rows.std() < 0.03 and not one.bias[len(PIECES) :].any()


def test_new_rows_learn():
    grown, pieces = add_words(bert(), PIECES, ["cat"])
    tokens = pieces.encode_batch(["cat at", "a cat"])[0]
    grown(tokens)[0].sum().backward()
    assert grown.token.weight.grad[-1].any() and grown.bias.grad[-1]


def test_a_longer_word_may_be_cut_otherwise():
    """The longest beginning counts: "cat" now begins "cattle"-like words that "c" began before."""
    _, pieces = add_words(bert(), PIECES, ["cat"])
    cut = lambda p, word: [p.pieces[i] for i in p.encode(word)]
    assert cut(PIECES, "cata") == ["c", "##at", "##a"] and cut(pieces, "cata") == ["cat", "##a"]
