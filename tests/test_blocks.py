"""The parts of every Transformer, against formulas written out."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo import data, look
from evo.blocks import Attention, Block, Encoder, LayerScale, PatchEmbedding, QuickGELU, attend, causal_mask, patchify, size_of
from evo.data.images import unpatchify


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
    torch.testing.assert_close(attention(x, mask=mask), slow_attention(attention, x, mask))


@pytest.mark.parametrize("mask", [None, causal_mask(5), causal_mask], ids=["none", "table", "function"])
def test_weights_are_those_that_attention_uses(mask):
    attention, x = Attention(8, 2), torch.randn(3, 5, 8)
    weights = attention.weights(x, mask)
    assert weights.shape == (3, 2, 5, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 2, 5))
    mixed = weights @ attention.split(x)[2]  # (B, H, N, D/H)
    torch.testing.assert_close(attention.proj(mixed.transpose(1, 2).flatten(2)), attention(x, mask=mask))


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


@pytest.mark.parametrize("as_bias", [False, True])
def test_a_query_that_may_attend_to_nobody_takes_nothing_home(as_bias):
    """Zeros, not NaN and not the mean of all; the others take what they would without it, and gradients stay finite."""
    q, k, v = (torch.randn(2, 2, 4, 8, requires_grad=True) for _ in range(3))
    mask = torch.ones(4, 4, dtype=torch.bool).tril(-1)  # the first one sees nothing
    given = torch.zeros(4, 4).masked_fill(~mask, -torch.inf) if as_bias else mask
    out = attend(q, k, v, given)
    assert not out[:, :, 0].any()
    torch.testing.assert_close(out[:, :, 1:], attend(q[:, :, 1:], k, v, mask[1:]))
    out.square().sum().backward()
    assert all(x.grad.isfinite().all() for x in (q, k, v)) and not q.grad[:, :, 0].any() and q.grad[:, :, 2:].any()


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
    layers, maps = look.layers(encoder, x, causal_mask), look.attentions(encoder, x, causal_mask)
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


@pytest.mark.parametrize("shape, patch", [((2, 3, 8, 8), 4), ((2, 1, 6, 10), 2), ((1, 2, 4, 12), 4)])
def test_patchify_is_cutting_by_hand_and_unpatchify_its_inverse(shape, patch):
    images = torch.randn(shape)
    patches, (_, C, height, width) = patchify(images, patch), shape
    by_hand = [images[:, :, r:r + patch, c:c + patch].permute(0, 2, 3, 1).flatten(1)
               for r in range(0, height, patch) for c in range(0, width, patch)]
    assert torch.equal(patches, torch.stack(by_hand, 1))
    assert torch.equal(unpatchify(patches, patch, C, grid=(height // patch, width // patch)), images)
    byte = (images * 9).byte()
    assert patchify(byte, patch).dtype == torch.uint8
    assert data.images.patchify is patchify


def test_layers_and_maps_at_chosen_places():
    encoder, x = Encoder(8, 3, 2), torch.randn(2, 5, 8)
    whole = look.attentions(encoder, x)
    some = look.attentions(encoder, x, at=[encoder.blocks[2], encoder.blocks[0]])
    assert len(whole) == 3 and all(torch.equal(a, b) for a, b in zip(some, [whole[0], whole[2]]))
    assert look.attentions(encoder, x, at=[]) == [] and len(look.layers(encoder, x, at=[encoder.blocks[1].mlp])) == 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())
    with pytest.raises(ValueError, match="mask"):
        look.attentions(encoder, x, "no mask", at=[encoder.blocks[0]])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in encoder.modules())


def test_looking_changes_nothing_and_works_in_training():
    encoder, x = Encoder(8, 2, 2), torch.randn(2, 5, 8)
    before, seen = encoder(x), []
    encoder.register_forward_hook(lambda module, inputs, output: seen.append(output))
    maps = look.attentions(encoder, x)
    assert torch.equal(seen[0], before)
    maps[1].square().sum().backward()
    assert encoder.blocks[0].mlp[0].weight.grad.any()


def test_a_row_that_may_look_nowhere_has_an_empty_map_and_spoils_no_other():
    attention, x = Attention(8, 2), torch.randn(1, 3, 8)
    mask = torch.tensor([[True, False, False], [False, False, False], [True, True, True]])
    maps = look.attentions(attention, x, mask=mask)[0]
    assert maps.isfinite().all() and not maps[:, :, 1].any() and attention(x, mask=mask).isfinite().all()


@pytest.mark.parametrize("softmax", [lambda s: s.softmax(-1), lambda s: torch.softmax(s, dim=3), lambda s: F.softmax(s, -1)])
def test_attention_written_out_is_seen_too(softmax):
    """Swin's, or a reader's; a softmax over another axis is none."""
    class ByHand(Attention):
        def forward(self, x, mask=None):
            q, k, v = self.split(x)
            y = softmax(q @ k.mT * q.shape[-1] ** -0.5) @ v
            y = y * y.softmax(1).sum(1, keepdim=True)  # times one
            return self.proj(y.transpose(1, 2).flatten(2))

    attention, x = ByHand(8, 2), torch.randn(3, 5, 8)
    (maps,) = look.attentions(attention, x)
    torch.testing.assert_close(maps, attention.weights(x))
    assert len(look.attentions(attention, x, at=[])) == 0



def test_layer_scale_starts_small_and_weighs_channels():
    scaled, x = LayerScale(nn.Identity(), 4), torch.ones(2, 3, 4)
    torch.testing.assert_close(scaled(x), torch.full((2, 3, 4), 1e-5))
    scaled.scale.data = torch.arange(4.0)
    assert scaled(x)[1, 2].tolist() == [0, 1, 2, 3]


def test_a_size_counts_what_is_shared_once():
    layer = nn.Linear(3, 4)
    assert size_of(layer) == 16 == size_of(nn.Sequential(layer, nn.ReLU(), layer)) and size_of(nn.BatchNorm1d(5)) == 10
    with pytest.raises(ValueError, match="must be an nn.Module, got type"):
        size_of(nn.Linear)


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
