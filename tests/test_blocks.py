"""The parts of every Transformer, against formulas written out."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Attention, Block, Encoder, PatchEmbedding, QuickGELU, causal_mask


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def slow_attention(attention, x, mask):
    """One image, one head, one query at a time."""
    B, N, D = x.shape
    d = D // attention.heads
    out = torch.zeros(B, N, D)
    q, k, v = (attention.qkv(x)[..., i * D:(i + 1) * D] for i in range(3))
    for b in range(B):
        for h in range(attention.heads):
            part = slice(h * d, (h + 1) * d)
            for i in range(N):
                scores = torch.stack([q[b, i, part] @ k[b, j, part] / d**0.5 for j in range(N)])
                weights = scores.masked_fill(~mask[i], -torch.inf).softmax(0)
                out[b, i, part] = weights @ v[b, :, part]
    return attention.proj(out)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_the_formula(heads):
    """Wrong scale (by width instead of head width) or a mixed-up head would show here."""
    attention, x, mask = Attention(8, heads), torch.randn(2, 5, 8), causal_mask(5)
    torch.testing.assert_close(attention(x, mask), slow_attention(attention, x, mask))


@pytest.mark.parametrize("mask", [None, causal_mask(5), causal_mask], ids=["none", "table", "function"])
def test_weights_are_those_that_attention_uses(mask):
    attention, x = Attention(8, 2), torch.randn(3, 5, 8)
    weights = attention.weights(x, mask)
    assert weights.shape == (3, 2, 5, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))
    mixed = weights @ attention.split(x)[2]  # (B, H, N, D/H)
    torch.testing.assert_close(attention.proj(mixed.transpose(1, 2).flatten(2)), attention(x, mask))


def test_causal_mask_by_hand():
    assert causal_mask(3).tolist() == [[True, False, False], [True, True, False], [True, True, True]]


def test_causal_mask_as_a_function_equals_the_table():
    encoder, x = Encoder(8, 2, 2), torch.randn(2, 5, 8)
    torch.testing.assert_close(encoder(x, causal_mask), encoder(x, causal_mask(5)))


def test_padding_mask_hides_padding():
    encoder, x = Encoder(8, 2, 2), torch.randn(2, 5, 8)
    valid = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)
    padded = encoder(x, valid[:, None, None, :])
    torch.testing.assert_close(padded[:1, :3], encoder(x[:1, :3]))
    torch.testing.assert_close(padded[1:], encoder(x[1:]))


def test_without_positions_the_encoder_does_not_know_the_order():
    encoder, x, order = Encoder(8, 2, 2), torch.randn(2, 5, 8), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(encoder(x[:, order]), encoder(x)[:, order])


@pytest.mark.parametrize("norm_first", [True, False])
def test_block_is_its_two_lines(norm_first):
    block, x = Block(8, 2, norm_first), torch.randn(2, 5, 8)
    if norm_first:
        y = x + block.attn(block.norm1(x))
        expected = y + block.mlp(block.norm2(y))
    else:
        y = block.norm1(x + block.attn(x))
        expected = block.norm2(y + block.mlp(y))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("norm_first", [True, False])
def test_layers_and_attentions_follow_the_forward_pass(norm_first):
    encoder, x = Encoder(8, 3, 2, norm_first=norm_first), torch.randn(2, 5, 8)
    layers, maps = encoder.layers(x, causal_mask), encoder.attentions(x, causal_mask)
    assert len(layers) == len(maps) == 3
    torch.testing.assert_close(encoder.norm(layers[-1]), encoder(x, causal_mask))
    second = encoder.blocks[1]
    inside = second.norm1(layers[0]) if norm_first else layers[0]
    torch.testing.assert_close(maps[1], second.attn.weights(inside, causal_mask))


def test_only_norm_first_ends_with_a_norm():
    assert isinstance(Encoder(8, 1, 2).norm, nn.LayerNorm)
    assert isinstance(Encoder(8, 1, 2, norm_first=False).norm, nn.Identity)


def test_norm_and_activation_are_arguments():
    encoder = Encoder(8, 1, 2, norm=nn.RMSNorm, activation=QuickGELU)
    assert isinstance(encoder.blocks[0].norm1, nn.RMSNorm) and isinstance(encoder.blocks[0].mlp[1], QuickGELU)
    assert encoder(torch.randn(1, 2, 8)).shape == (1, 2, 8)


def test_quick_gelu_is_close_to_gelu():
    x = torch.linspace(-5, 5, 101)
    assert (QuickGELU()(x) - F.gelu(x)).abs().max() < 0.021


def test_patches_are_a_convolution():
    patch, images = PatchEmbedding(8, 4, 3, 16), torch.randn(2, 3, 8, 8)
    kernel = patch.proj.weight.view(16, 4, 4, 3).permute(0, 3, 1, 2)
    expected = F.conv2d(images, kernel, patch.proj.bias, stride=4).flatten(2).transpose(1, 2)
    torch.testing.assert_close(patch(images), expected)


def test_patches_stand_row_by_row():
    patch = PatchEmbedding(4, 2, 1, 4)
    nn.init.eye_(patch.proj.weight), nn.init.zeros_(patch.proj.bias)
    assert patch(torch.arange(16.0).view(1, 1, 4, 4))[0].tolist() == [
        [0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


@pytest.mark.parametrize("make, word", [
    (lambda: Attention(8, 3), "heads=3"),
    (lambda: Encoder(8, 1, 0), "heads=0"),
    (lambda: PatchEmbedding(28, 5, 1, 8), "patch_size=5"),
    (lambda: PatchEmbedding(8, 4, 3, 8)(torch.randn(2, 1, 8, 8)), r"\(B, 3, 8, 8\)"),
    (lambda: PatchEmbedding(8, 4, 3, 8)(torch.randn(2, 3, 8, 12)), r"\(2, 3, 8, 12\)"),
    (lambda: PatchEmbedding(8, 4, 3, 8)(torch.randn(3, 8, 8)), r"\(3, 8, 8\)"),
])
def test_bad_input_is_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
