"""The Transformer against torch.nn, piece by piece against torch.nn and d2l, and its size against the paper."""
import math

import pytest
import torch
from torch import nn

from evo import look
from evo.blocks import Attention, Block
from evo.models.transformer import Transformer, load_torch, sinusoids, transformer_base

d2l = pytest.importorskip("d2l.torch")
V, D, H = 50, 32, 4


def peer(depth=2, heads=H, norms=False):
    make = dict(d_model=D, nhead=heads, dim_feedforward=4 * D, batch_first=True)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**make), depth, enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**make), depth)
    if norms:
        return nn.Transformer(D, heads, depth, depth, 4 * D, batch_first=True)
    return nn.Transformer(D, heads, custom_encoder=encoder, custom_decoder=decoder, batch_first=True)


def theirs_on(model, theirs, source, target, valid=None):
    future = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
    padding = None if valid is None else ~valid
    return theirs(model.embed(source), model.embed(target), tgt_mask=future, tgt_is_causal=True,
                  src_key_padding_mask=padding, memory_key_padding_mask=padding)


# the whole

@pytest.mark.parametrize("depth, heads, s, n", [(2, 4, 7, 6), (3, 2, 1, 9), (1, 8, 5, 1)])
def test_nn_transformer(shaken, close, depth, heads, s, n):
    theirs = shaken(peer(depth, heads))
    ours = load_torch(Transformer(V, D, depth, heads), theirs.state_dict())
    source, target = torch.randint(V, (3, s)), torch.randint(V, (3, n))
    close(ours.encode(source), theirs.encoder(ours.embed(source)))
    close(ours.features(source, target), theirs_on(ours, theirs, source, target))


def test_nn_transformer_with_padding(shaken, close):
    theirs = shaken(peer())
    ours = load_torch(Transformer(V, D, 2, H), theirs.state_dict())
    source, target = torch.randint(V, (3, 7)), torch.randint(V, (3, 6))
    valid = torch.arange(7) < torch.tensor([[7], [4], [1]])
    close(ours.features(source, target, valid), theirs_on(ours, theirs, source, target, valid))


def test_gradients(shaken):
    theirs = shaken(peer())
    ours = load_torch(Transformer(V, D, 2, H), theirs.state_dict())
    source, target = torch.randint(V, (3, 7)), torch.randint(V, (3, 6))
    ours.features(source, target).pow(3).mean().backward()
    theirs_on(ours, theirs, source, target).pow(3).mean().backward()
    mine, their = ours.decoder[0].cross.qkv.weight, theirs.decoder.layers[0].multihead_attn.in_proj_weight
    torch.testing.assert_close(mine.grad, their.grad, atol=1e-5, rtol=1e-4)
    mine, their = ours.encoder.blocks[0].attn.qkv.weight, theirs.encoder.layers[0].self_attn.in_proj_weight
    torch.testing.assert_close(mine.grad, their.grad, atol=1e-5, rtol=1e-4)


def test_wrong_files_are_refused(refuses):
    refuses(load_torch, Transformer(V, D, 2, H), peer().state_dict(), "decoder.layers.1.multihead_attn.in_proj_weight")
    with pytest.raises(ValueError, match="unexpected: decoder.norm.bias, decoder.norm.weight, encoder"):
        load_torch(Transformer(V, D, 2, H), peer(norms=True).state_dict())


# the pieces

@pytest.mark.parametrize("dim, length", [(8, 60), (32, 5), (2, 1)])
def test_positions(dim, length):
    torch.testing.assert_close(sinusoids(length, dim), d2l.PositionalEncoding(dim, 0, length).P[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("padded", [False, True])
def test_cross_attention_is_nn_multihead_attention(shaken, close, padded):
    theirs, ours = shaken(nn.MultiheadAttention(D, H, batch_first=True)), Attention(D, H)
    names = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias",
             "proj.weight": "out_proj.weight", "proj.bias": "out_proj.bias"}
    ours.load_state_dict({mine: theirs.state_dict()[their] for mine, their in names.items()})
    x, source = torch.randn(3, 6, D), torch.randn(3, 9, D)
    valid = torch.arange(9) < torch.tensor([[9], [4], [1]]) if padded else None
    y, weights = theirs(x, source, source, key_padding_mask=~valid if padded else None, average_attn_weights=False)
    mask = valid[:, None, None] if padded else None
    close(ours(x, source, mask=mask), y)
    close(look.attentions(ours, x, source, mask=mask)[0], weights)


@pytest.mark.parametrize("lengths", [None, [9, 4, 1]])
def test_one_head_without_maps_is_d2l_dot_product_attention(close, lengths):
    ours, theirs = Attention(D, 1), d2l.DotProductAttention(dropout=0).eval()
    with torch.no_grad():
        ours.qkv.weight.copy_(torch.eye(D).repeat(3, 1)), ours.proj.weight.copy_(torch.eye(D))
        ours.qkv.bias.zero_(), ours.proj.bias.zero_()
    q, kv = torch.randn(3, 6, D), torch.randn(3, 9, D)
    valid = None if lengths is None else torch.tensor(lengths)
    mask = None if valid is None else (torch.arange(9) < valid[:, None])[:, None, None]
    close(ours(q, kv, mask=mask), theirs(q, kv, kv, valid))


def test_add_and_norm_and_the_feed_forward_part_are_d2ls(shaken, close):
    block, ffn, add_norm = shaken(Block(D, H, norm_first=False, norm=nn.LayerNorm, activation=nn.ReLU)), \
        d2l.PositionWiseFFN(4 * D, D), d2l.AddNorm(D, dropout=0)
    x = torch.randn(3, 6, D)
    ffn(x)  # d2l's layers take their sizes from the first input
    ffn.dense1.load_state_dict(block.mlp[0].state_dict()), ffn.dense2.load_state_dict(block.mlp[2].state_dict())
    add_norm.ln.load_state_dict(block.norm2.state_dict())
    close(block.mlp(x), ffn(x))
    block.attn = torch.nn.Identity()  # what is left: two sums and two norms
    block.attn.forward = lambda x, mask: torch.zeros_like(x)
    close(block(x), add_norm(block.norm1(x), ffn(block.norm1(x))))


def test_an_encoder_block_is_nn_transformer_encoder_layer(shaken, close):
    theirs = shaken(peer(1))
    ours = load_torch(Transformer(V, D, 1, H), theirs.state_dict()).encoder.blocks[0]
    x = torch.randn(3, 6, D)
    close(ours(x), theirs.encoder.layers[0](x))


# the size

def count(N=6, d=512, ff=2048, h=8, k=64, v=64, tokens=0, cross=True):
    """Parameters as the paper lays them out: biases everywhere, one tied token matrix, norms with two vectors."""
    attention = 2 * (d * h * k + h * k) + (d * h * v + h * v) + (h * v * d + d)
    mlp, norm = d * ff + ff + ff * d + d, 2 * d
    return N * (2 * (attention + norm + mlp + norm) + cross * (attention + norm)) + tokens * d


TABLE_3 = [({}, 65), (dict(k=16), 58), (dict(k=32), 60), (dict(N=2), 36), (dict(N=4), 50), (dict(N=8), 80),
           (dict(d=256, k=32, v=32), 28), (dict(d=1024, k=128, v=128), 168), (dict(ff=1024), 53), (dict(ff=4096), 90)]


def vocabularies(**layout):
    """The smallest and the largest vocabulary for which all ten counts of the paper, rounded to millions, come out."""
    room = [((millions + half) * 1e6 - count(**change, **layout), change.get("d", 512))
            for half in (-0.5, 0.5) for change, millions in TABLE_3]
    fits = [left / d for left, d in room]
    return math.ceil(max(fits[:10])), math.floor(min(fits[10:]))


def test_the_base_model_has_the_size_of_the_papers_layout():
    with torch.device("meta"):
        assert sum(p.numel() for p in transformer_base().parameters()) == count(tokens=37_000) == 63_082_496


def test_all_counts_of_table_3_come_out_with_one_vocabulary_and_with_this_layout_only():
    """So the layout is checked ten times, although "65 million" alone would forgive a missing layer."""
    assert vocabularies() == (40_932, 41_160)
    low, high = vocabularies(cross=False)
    assert low > high  # none
    for change, millions in TABLE_3:
        assert round(count(**change, tokens=41_100) / 1e6) == millions
