"""ELMo: published sizes, what each direction may see, padding, the mix, clear errors."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo.models import elmo
from evo.models.elmo import LSTM, ELMo, ScalarMix, reverse, spell
from evo.objectives import both_ways, next_token, previous_token
from evo.tokenizers import Vocab

SMALL = dict(length=12, dim=8, cells=16, filters=[(1, 4), (3, 6)], char_dim=5)
TEXTS = [text.split() for text in ["the band played", "a dog bites a man all night", "night", "a man bites a dog"]]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return ELMo(20, **SMALL)


@pytest.fixture
def vocab():
    return Vocab(TEXTS, specials=elmo.SPECIALS)


@pytest.fixture
def corpus(vocab):
    return elmo.Corpus(TEXTS, vocab, length=12)


def count(module):
    return sum(p.numel() for p in module.parameters())


# ---------------------------------------------------------------- sizes


def test_the_published_size():
    """The official file holds 374 MB of 4-byte numbers. nn.LSTM's second bias and the row of zeros come on top."""
    with torch.device("meta"):
        model = elmo.elmo_original()
    assert count(model) - 4 * 4 * 4096 - 16 == 93_600_848
    assert count(model.words) - 16 == 18_037_840 and count(model.ahead) == count(model.back)
    assert model.words.characters.weight.shape == (262, 16) and model.length == 50
    assert [conv.kernel_size[0] for conv in model.words.convs] == [1, 2, 3, 4, 5, 6, 7]


def test_both_directions_share_all_but_the_lstms():
    names = {name.split(".")[0] for name, _ in ELMo(20, **SMALL).named_parameters()}
    assert names == {"words", "ahead", "back", "head"}
    assert isinstance(ELMo(0, **SMALL).head, nn.Identity)


def test_the_forget_gate_starts_open():
    torch.manual_seed(0)
    lstm = LSTM(4, 50)
    i, f, g, o = (lstm.bias_ih_l0 + lstm.bias_hh_l0).chunk(4)
    assert f.min() > 0.7 and max(x.abs().max() for x in (i, g, o)) < 0.3


# ---------------------------------------------------------------- spelling


def test_spell():
    characters = spell([["ab"], ["c", "é"]], length=6)
    assert characters.shape == (2, 4, 6)
    assert characters[0].tolist() == [[259, 257, 260, 261, 261, 261], [259, 98, 99, 260, 261, 261], [259, 258, 260, 261, 261, 261], [0] * 6]
    assert characters[1, 2].tolist() == [259, 1 + 0xC3, 1 + 0xA9, 260, 261, 261]


def test_a_word_too_long_for_the_table_loses_its_end_as_in_the_official_code():
    """The expected numbers are those of UnicodeCharsVocab._convert_word_to_char_ids with max_word_length=6."""
    for word, kept in [("abcd", b"abcd"), ("abcdefgh", b"abcd"), ("éééé", "éé".encode()), ("aéé", "aé".encode() + b"\xc3"),
                       ("\ud83d", b""), ("a\ud83db", b"ab")]:
        official = [elmo.WORD_BEGIN, *(byte + 1 for byte in kept), elmo.WORD_END]
        assert spell([[word]], length=6)[0, 1].tolist() == official + [elmo.FILL] * (6 - len(official))


def test_a_long_word_reads_like_its_beginning(model, vocab):
    link = "https://example.org/" + "a" * 60
    assert torch.equal(model.features(spell([["see", link]], 12)), model.features(spell([["see", link[:10]]], 12)))
    assert elmo.Corpus([["see", link]], vocab, length=12).characters.shape[1] == 12


def test_importing_silences_no_warning():
    import subprocess
    import sys
    code = "import warnings; before = list(warnings.filters); import evo.models.elmo; assert warnings.filters == before"
    subprocess.run([sys.executable, "-c", f"import torch, numpy; {code}"], check=True)


def test_nothing_is_said_of_the_kernel_and_other_warnings_stay():
    import subprocess
    import sys
    code = "import torch; from evo.models.elmo import LSTM; LSTM(4, 8)(torch.randn(1, 2, 4))"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("bad, said", [([], "sentences is empty"), ([["a"], []], "sentence 1 is empty"), (["a b"], "tokenize it first")])
def test_empty_text(bad, said, vocab):
    with pytest.raises(ValueError, match=said):
        spell(bad)
    with pytest.raises(ValueError, match=said):
        elmo.Corpus(bad, vocab)


def test_characters_of_another_table(model):
    with pytest.raises(ValueError, match="length=12"):
        model(spell(TEXTS, length=13))


# ---------------------------------------------------------------- what a state has seen


def test_shapes(model):
    characters = spell(TEXTS, 12)
    assert characters.shape == (4, 9, 12)
    assert model.embed(characters).shape == (4, 9, 8)
    assert [layer.shape for layer in model.layers(characters)] == 3 * [(4, 9, 16)]
    assert model.features(characters).shape == (4, 9, 16)
    assert [scores.shape for scores in model(characters)] == 2 * [(4, 9, 20)]


def test_no_state_sees_the_word_it_has_to_guess(model):
    """Change word j: forward states before j stay, backward states after j stay, all others move."""
    before, after = (spell([text.split()], 12) for text in ("a dog bites a man", "a dog chases a man"))
    j = 3  # after <s>, a, dog
    for one, other in zip(model.layers(before)[1:], model.layers(after)[1:]):
        moved_ahead, moved_back = ((one - other).abs()[0].chunk(2, 1))
        assert (moved_ahead.amax(1) > 0).tolist() == [place >= j for place in range(7)]
        assert (moved_back.amax(1) > 0).tolist() == [place <= j for place in range(7)]


def test_layer_0_knows_no_context(model):
    first, second = (model.layers(spell([text.split()], 12))[0] for text in ("a man bites a dog", "the dog"))
    assert torch.equal(first[0, 5], second[0, 2]) and torch.equal(first[0, 1], first[0, 4])
    assert torch.equal(first[..., :8], first[..., 8:])
    top = model.features(spell([["a", "man", "bites", "a", "dog"]], 12))[0]
    assert not torch.allclose(top[1], top[4])


def test_padding_changes_nothing(model):
    together = model.layers(spell(TEXTS, 12))
    for i, text in enumerate(TEXTS):
        for layer, alone in zip(together, model.layers(spell([text], 12))):
            torch.testing.assert_close(layer[i, : len(text) + 2], alone[0], atol=1e-6, rtol=0)
            assert not layer[i, len(text) + 2 :].any()


def test_reverse():
    x = torch.arange(10.0).view(2, 5, 1)
    valid = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    assert reverse(x, valid)[..., 0].tolist() == [[4, 3, 2, 1, 0], [7, 6, 5, 8, 9]]
    assert torch.equal(reverse(reverse(x, valid), valid), x)


def test_equal_words_are_computed_once(model):
    characters = spell(TEXTS, 12)
    rows = []
    model.words.register_forward_hook(lambda module, args, out: rows.append(len(args[0])))
    slow = torch.stack([model.words(row) for row in characters])
    torch.testing.assert_close(model.embed(characters), slow, atol=1e-6, rtol=0)
    assert rows[-1] == len({word for text in TEXTS for word in text}) + 3  # and <s>, </s>, no word


# ---------------------------------------------------------------- the mix


def test_scalar_mix():
    mix, layers = ScalarMix(3), list(torch.randn(3, 2, 5, 8))
    torch.testing.assert_close(mix(layers), torch.stack(layers).mean(0))
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 3.0, -1.0])), mix.gamma.fill_(2.0)
    weights = mix.weights()
    assert weights.sum().item() == pytest.approx(1) and (weights > 0).all()
    torch.testing.assert_close(mix(layers), 2 * sum(w * h for w, h in zip(weights, layers)))
    mix(layers).square().sum().backward()
    assert mix.scores.grad.abs().min() > 0 and mix.gamma.grad.abs() > 0
    with pytest.raises(ValueError, match="2 layers came"):
        mix(layers[:2])


# ---------------------------------------------------------------- training


def test_a_gradient_reaches_every_parameter(corpus, vocab):
    torch.manual_seed(0)
    model = ELMo(len(vocab), **SMALL)
    corpus.loss(model, corpus.blocks(4)[:1]).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert not model.words.characters.weight.grad[0].any()


def test_equal_runs_are_equal(corpus, vocab):
    def run():
        torch.manual_seed(0)
        model = ELMo(len(vocab), **SMALL)
        sgd = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(3):
            loss = corpus.loss(model, corpus.blocks(2)[:2])
            sgd.zero_grad(), loss.backward(), sgd.step()
        return loss.item(), model.state_dict()
    (loss, first), (again, second) = run(), run()
    assert loss == again and all(torch.equal(first[name], second[name]) for name in first)


def test_loss_word_by_word(corpus, vocab):
    """Half the mean over all next words and half that over all previous words, written as loops."""
    model = ELMo(len(vocab), **SMALL)
    ahead, back = [], []
    for text in TEXTS:
        scores = model(spell([text], 12))
        ids = vocab.encode(["<s>", *text, "</s>"])
        ahead += [-scores[0][0, i].log_softmax(0)[ids[i + 1]] for i in range(len(ids) - 1)]
        back += [-scores[1][0, i].log_softmax(0)[ids[i - 1]] for i in range(1, len(ids))]
    expected = (sum(ahead) / len(ahead) + sum(back) / len(back)) / 2
    torch.testing.assert_close(corpus.loss(model, corpus.blocks(4)), expected, atol=1e-6, rtol=0)
    perplexity = torch.tensor(corpus.perplexity(model, size=3))
    torch.testing.assert_close(perplexity, torch.stack([torch.stack(x).mean() for x in (ahead, back)]).exp(), atol=1e-3, rtol=0)


def test_both_ways_is_zero_for_whoever_knows():
    tokens = torch.tensor([[1, 4, 2, 2], [1, 3, 4, 2]])
    valid = torch.tensor([[True, True, True, False], [True] * 4])
    ahead, back = (100 * F.one_hot(tokens.roll(shift, 1), 5).float() for shift in (-1, 1))
    assert both_ways(ahead, back, tokens, valid) < 1e-6
    assert both_ways(back, ahead, tokens, valid) > 10


def test_a_corpus(corpus, vocab):
    assert corpus.characters.dtype == torch.int16 and len(corpus.characters) == len(corpus.targets)
    assert (corpus.rows > 0).sum(1).tolist() == [3, 5, 7, 9]
    assert vocab.decode(corpus.targets[corpus.rows[1, :5].long()].tolist()) == ["<s>", "the", "band", "played", "</s>"]
    blocks = corpus.blocks(2)
    assert blocks.shape == (2, 2, 9) and (blocks > 0).sum(2).tolist() == [[3, 5], [7, 9]]
    assert corpus.blocks(2, longest=6).shape == (2, 2, 6) and len(corpus.blocks(3)) == 1
    assert torch.equal(corpus.characters[blocks[1, 1].long()].long(), spell(TEXTS[1:2], 12)[0])
    with pytest.raises(ValueError, match="size=5"):
        corpus.blocks(5)


def test_a_word_outside_the_vocabulary_is_read_by_its_letters(model, vocab):
    corpus = elmo.Corpus([["zebra", "bites"]], vocab, length=12)
    assert corpus.targets[corpus.rows[0].long()].tolist() == vocab.encode(["<s>", "zebra", "bites", "</s>"])
    assert vocab.encode(["zebra"]) == [0]
    vectors = model.embed(spell([["zebra", "zebras"]], 12))[0]
    assert not torch.equal(vectors[1], vectors[2])


def test_previous_token_is_next_token_in_a_mirror():
    logits, tokens = torch.randn(3, 6, 5), torch.randint(5, (3, 6))
    torch.testing.assert_close(previous_token(logits, tokens), next_token(logits.flip(1), tokens.flip(1)))
    valid = torch.arange(6) < torch.tensor([[6], [4], [1]])
    rows = [previous_token(logits[i : i + 1, :n], tokens[i : i + 1, :n]) * (n - 1) for i, n in enumerate((6, 4))]
    torch.testing.assert_close(previous_token(logits, tokens, valid), sum(rows) / 8)
    with pytest.raises(ValueError, match="no previous token"):
        previous_token(logits, tokens, torch.arange(6) < torch.ones(3, 1))


def test_the_size_of_the_book():
    assert count(elmo.elmo_small(4038)) == 1_215_798
