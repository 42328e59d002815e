"""The Transformer of 2017: its positions, what it keeps from a plain encoder, and translating."""
import math

import pytest
import torch
from helpers import shaken

from evo import look
from evo.blocks import Attention, Block, Encoder
from evo.models.transformer import DecoderBlock, Transformer, sinusoids, translate

D, V = 32, 50


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def transformer():
    return shaken(Transformer(V, D, 2, 4))


def ids(*shape):
    return torch.randint(V, shape)


# positions

def test_sinusoids_by_hand():
    """Columns in pairs, not in two halves; the second pair is a hundred times slower."""
    wave = [[math.sin(t), math.cos(t), math.sin(t / 100), math.cos(t / 100)] for t in range(3)]
    torch.testing.assert_close(sinusoids(3, 4), torch.tensor(wave))


def test_a_step_to_the_right_is_the_same_rotation_everywhere():
    table, step = sinusoids(60, 16), 5
    speed = 10_000 ** (-torch.arange(0, 16, 2) / 16)
    turn = torch.block_diag(*[torch.tensor([[w.cos(), w.sin()], [-w.sin(), w.cos()]]) for w in step * speed])
    torch.testing.assert_close(table[step:], table[:-step] @ turn.T, atol=1e-5, rtol=0)


def test_odd_widths_lose_the_last_cosine():
    torch.testing.assert_close(sinusoids(9, 7)[:, 0], sinusoids(9, 8)[:, 0])
    assert sinusoids(9, 7).shape == (9, 7)


# descent

def test_a_decoder_block_is_an_encoder_block_and_cross_attention():
    ours, theirs = DecoderBlock(D, 4).state_dict(), Block(D, 4).state_dict()
    more = {f"cross.{name}" for name in Attention(D, 4).state_dict()} | {"norm_cross.weight", "norm_cross.bias"}
    assert ours.keys() - theirs.keys() == more and theirs.keys() <= ours.keys()


def test_a_decoder_block_that_hears_nothing_is_a_masked_encoder_block():
    block, plain = shaken(DecoderBlock(D, 4)), Block(D, 4, norm_first=False, activation=torch.nn.ReLU)
    plain.load_state_dict(block.state_dict(), strict=False)
    block.cross.proj.weight.data.zero_(), block.cross.proj.bias.data.zero_()
    block.norm_cross = torch.nn.Identity()
    plain.norm1, plain.norm2 = block.norm1, block.norm2  # the same epsilon
    x, source = torch.randn(3, 6, D), torch.randn(3, 4, D)
    torch.testing.assert_close(block(x, source), plain(x, torch.ones(6, 6).tril().bool()))


def test_cross_attention_to_itself_is_self_attention():
    attention, x = shaken(Attention(D, 4)), torch.randn(3, 6, D)
    torch.testing.assert_close(attention(x, x.clone()), attention(x))
    torch.testing.assert_close(look.attentions(attention, x, x.clone())[0], attention.weights(x))


def test_the_encoder_is_the_books_encoder():
    assert transformer().encoder.state_dict().keys() == Encoder(D, 2, 4, norm_first=False).state_dict().keys()


def test_the_transformer_is_its_chain():
    model, source, target = transformer(), ids(3, 5), ids(3, 6)
    by_hand = model.head(model.decode(target, model.encode(source)))
    assert torch.equal(model(source, target), by_hand)
    torch.testing.assert_close(by_hand, model.features(source, target) @ model.token.weight.T)
    torch.testing.assert_close(model.embed(target), model.token.weight[target] * D**0.5 + sinusoids(6, D))


def test_the_decoder_cannot_see_the_future_and_the_encoder_can():
    model, source, target = transformer(), ids(3, 5), ids(3, 6)
    for i in range(1, 6):
        changed = target.clone()
        changed[:, i] = (changed[:, i] + 1) % V
        assert torch.equal(model(source, target)[:, :i], model(source, changed)[:, :i])
        assert not torch.allclose(model(source, target)[:, i:], model(source, changed)[:, i:])
    other = source.clone()
    other[:, -1] = (other[:, -1] + 1) % V
    assert not torch.allclose(model.encode(source)[:, 0], model.encode(other)[:, 0])
    assert not torch.allclose(model(source, target)[:, 0], model(other, target)[:, 0])


def test_padding_of_the_source_changes_nothing():
    model, source, target = transformer(), ids(3, 5), ids(3, 6)
    padded = torch.cat([source, ids(3, 4)], dim=1)
    valid = (torch.arange(9) < 5).expand(3, 9)
    torch.testing.assert_close(model(padded, target, valid), model(source, target))
    assert not torch.allclose(model(padded, target), model(source, target))


def test_without_positions_the_encoder_does_not_know_the_order():
    model, x, order = transformer(), torch.randn(3, 5, D), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(model.encoder(x)[:, order], model.encoder(x[:, order]))


def test_cross_attention_maps():
    maps = transformer().attentions(ids(3, 5), ids(3, 6), (torch.arange(5) < 4).expand(3, 5))
    assert len(maps) == 2 and maps[0].shape == (3, 4, 6, 5)
    torch.testing.assert_close(maps[1].sum(-1), torch.ones(3, 4, 6))
    assert not maps[0][..., 4].any()


# translating

def test_translating_takes_the_likeliest_and_stops_after_the_end():
    model, source = transformer(), ids(4, 5)
    full = translate(model, source, start=1, end=V, steps=8)  # an end that never comes
    assert full.shape == (4, 9) and (full[:, 0] == 1).all()
    assert torch.equal(full[:, 1:], model(source, full[:, :-1]).argmax(-1))
    end = int(full[0, 2])
    ended = translate(model, source, start=1, end=end, steps=8)[0]
    assert (ended[int((full[0] == end).int().argmax()):] == end).all()


# errors

@pytest.mark.parametrize("make, word", [
    (lambda: transformer()(ids(2, 3), ids(2, 0)), "at least one token"),
    (lambda: transformer()(ids(3), ids(2, 3)), r"\(3,\)"),
    (lambda: Transformer(V, 30, 1, 4), "heads=4"),
])
def test_bad_input_is_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
