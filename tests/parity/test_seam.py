"""What later papers change in a block, each in a few lines on top of ours, against timm and torch.nn."""
import pytest
import timm
import torch
from torch import nn

from evo import look
from evo.blocks import Attention, Block, Encoder, LayerScale, causal_mask, feed_forward
from evo.models.gpt import GPT
from evo.models.vit import ViT

D, H = 32, 4


def load(ours, theirs, **more):
    """The names of timm's blocks -> ours."""
    names = {"mlp.fc1": "mlp.0", "mlp.fc2": "mlp.2"} | more
    renamed = {}
    for name, tensor in theirs.state_dict().items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    ours.load_state_dict(renamed)
    return ours


# BEiT: a bias for every distance, and layer scale


class BiasedAttention(Attention):
    def __init__(self, dim, heads, side):
        super().__init__(dim, heads)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2 + 3, heads))
        self.index = timm.models.beit.gen_relative_position_index((side, side))

    def forward(self, x, mask=None):
        return super().forward(x, mask=self.relative_position_bias_table[self.index].permute(2, 0, 1))


def beit_block(dim, heads, norm_first, norm, activation):
    return Block(dim, heads, norm_first, norm, attn=LayerScale(BiasedAttention(dim, heads, 3), dim),
                 mlp=LayerScale(feed_forward(dim, activation), dim))


def beit_pair(shaken):
    theirs = shaken(timm.models.beit.Block(D, H, qkv_bias=True, init_values=0.1, window_size=(3, 3), norm_layer=nn.LayerNorm))
    ours = beit_block(D, H, True, nn.LayerNorm, nn.GELU)
    state = theirs.state_dict()
    state["attn.qkv.bias"] = torch.cat([state.pop("attn.q_bias"), torch.zeros(D), state.pop("attn.v_bias")])
    theirs.state_dict = lambda: state
    return load(ours, theirs, **{"attn.": "attn.branch.", "mlp.": "mlp.branch.", "mlp.branch.fc1": "mlp.branch.0",
                                 "mlp.branch.fc2": "mlp.branch.2", "gamma_1": "attn.scale", "gamma_2": "mlp.scale"}), theirs


def test_beit(shaken, close):
    ours, theirs = beit_pair(shaken)
    x = torch.randn(3, 10, D)
    close(ours(x), theirs(x))


def test_a_bias_is_in_the_maps(shaken, close):
    """timm's formula without the fused kernel gives what is drawn."""
    (ours, theirs), x = beit_pair(shaken), torch.randn(3, 10, D)
    seen, theirs.attn.fused_attn = [], False
    theirs.attn.attn_drop.register_forward_hook(lambda module, inputs, output: seen.append(output))
    theirs(x)
    close(look.attentions(ours, x)[0], seen[0])


def test_an_encoder_of_other_blocks(shaken):
    encoder, x = shaken(Encoder(D, 2, H, block=beit_block)), torch.randn(3, 10, D)
    torch.testing.assert_close(encoder(x), encoder.norm(encoder.blocks[1](encoder.blocks[0](x))))
    assert len(look.attentions(encoder, x)) == len(look.layers(encoder, x)) == 2


def test_vit_and_gpt_with_other_encoders():
    class BEiT(ViT):
        def make_encoder(self, dim, depth, heads):
            return Encoder(dim, depth, heads, block=beit_block)

    class MixtureGPT(GPT):
        def make_encoder(self, dim, depth, heads, activation):
            return Encoder(dim, depth, heads, activation=activation, block=mixture_block)

    vit, images = BEiT(12, 4, 3, D, 2, H), torch.randn(2, 3, 12, 12)
    assert vit(images).shape == (2, D) and vit.attentions(images)[1].shape == (2, H, 10, 10)
    gpt, tokens = MixtureGPT(50, 8, D, 2, H), torch.randint(50, (3, 6))
    assert gpt(tokens).shape == (3, 6, 50) and not look.attentions(gpt, tokens)[0].triu(1).any()


# Swin: windows, every second time shifted


def windows(x, side, window):
    """(B, side * side, D) -> (B * windows, window * window, D)."""
    x = x.unflatten(1, (side // window, window, side // window, window)).transpose(2, 3)
    return x.reshape(-1, window * window, x.shape[-1])


def together(x, side, window):
    """Windows backwards."""
    n = side // window
    return x.reshape(-1, n, n, window, window, x.shape[-1]).transpose(2, 3).flatten(1, 4)


class WindowAttention(Attention):
    def __init__(self, dim, heads, side, window, shift):
        super().__init__(dim, heads)
        self.side, self.window, self.shift = side, window, shift
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
        apart = place[:, None] - place + window - 1  # (W, W, 2)
        self.index = apart[..., 0] * (2 * window - 1) + apart[..., 1]
        part = (torch.arange(side) >= side - window).long() + (torch.arange(side) >= side - shift)
        region = windows((3 * part[:, None] + part).view(1, -1, 1), side, window)  # (windows, W, 1)
        self.same = region == region.mT  # what the shift has brought together looks at its own only

    def roll(self, x, by):
        return x.unflatten(1, (self.side, self.side)).roll((by, by), (1, 2)).flatten(1, 2)

    def forward(self, x, mask=None):
        bias = self.relative_position_bias_table[self.index].permute(2, 0, 1).expand(len(self.same), -1, -1, -1)
        bias = bias.masked_fill(~self.same[:, None], -torch.inf).repeat(len(x), 1, 1, 1)
        x = super().forward(windows(self.roll(x, -self.shift), self.side, self.window), mask=bias)
        return self.roll(together(x, self.side, self.window), self.shift)


@pytest.mark.parametrize("shift", [0, 2])
def test_swin(shaken, close, shift):
    theirs = shaken(timm.models.swin_transformer.SwinTransformerBlock(D, (8, 8), H, window_size=4, shift_size=shift))
    ours, x = Block(D, H, norm=nn.LayerNorm, attn=WindowAttention(D, H, 8, 4, shift)), torch.randn(3, 64, D)
    load(ours, theirs)
    close(ours(x), theirs(x.unflatten(1, (8, 8))).flatten(1, 2))
    maps = look.attentions(ours, x)[0]
    assert maps.shape == (12, H, 16, 16)
    assert bool(((maps == 0) == ~ours.attn.same[:, None].repeat(3, H, 1, 1)).all())


# other inputs


def multihead(shaken, ours, **widths):
    theirs = shaken(nn.MultiheadAttention(ours.dim, H, batch_first=True, **widths))
    state = theirs.state_dict()
    if widths:
        q, kv = state["in_proj_bias"].split([ours.dim, 2 * ours.dim])
        named = {"q.weight": state["q_proj_weight"], "q.bias": q, "kv.bias": kv,
                 "kv.weight": torch.cat([state["k_proj_weight"], state["v_proj_weight"]])}
    else:
        named = {"qkv.weight": state["in_proj_weight"], "qkv.bias": state["in_proj_bias"]}
    ours.load_state_dict(named | {"proj.weight": state["out_proj.weight"], "proj.bias": state["out_proj.bias"]})
    return theirs


def test_detr_adds_positions_to_queries_and_keys_only(shaken, close):
    ours = Attention(D, H)
    theirs, x, position = multihead(shaken, ours), torch.randn(3, 7, D), torch.randn(3, 7, D)
    valid = torch.arange(7) < torch.tensor([[7], [4], [2]])
    y, weights = theirs(x + position, x + position, x, key_padding_mask=~valid, average_attn_weights=False)
    how = dict(k=x + position, v=x, mask=valid[:, None, None])
    close(ours(x + position, **how), y)
    close(look.attentions(ours, x + position, **how)[0], weights)


@pytest.mark.parametrize("other_values", [False, True])
def test_cross_attention_between_two_widths(shaken, close, other_values):
    ours = Attention(48, H, source_dim=32)
    theirs, x, k = multihead(shaken, ours, kdim=32, vdim=32), torch.randn(3, 5, 48), torch.randn(3, 9, 32)
    v = torch.randn(3, 9, 32) if other_values else k
    close(ours(x, k, v), theirs(x, k, v)[0])


def test_a_float_mask_is_a_bias_as_in_multihead_attention(shaken, close):
    ours, x, bias = Attention(D, H), torch.randn(3, 7, D), torch.randn(7, 7)
    y, weights = multihead(shaken, ours)(x, x, x, attn_mask=bias, average_attn_weights=False)
    close(ours(x, mask=bias), y)
    close(ours.weights(x, bias), weights)
    assert not torch.allclose(ours(x, mask=bias > 0), y)


# a mixture of experts


class Mixture(nn.Module):
    """Every token goes to its two likeliest experts, weighted (Switch Transformer, Mixtral)."""

    def __init__(self, dim, experts=4):
        super().__init__()
        self.router = nn.Linear(dim, experts)
        self.experts = nn.ModuleList(feed_forward(dim) for _ in range(experts))

    def forward(self, x):
        share, chosen = self.router(x).softmax(-1).topk(2)
        gates = torch.zeros(*x.shape[:-1], len(self.experts)).scatter(-1, chosen, share)
        return sum(gates[..., i, None] * expert(x) for i, expert in enumerate(self.experts))


def mixture_block(dim, heads, norm_first, norm, activation):
    return Block(dim, heads, norm_first, norm, mlp=Mixture(dim))


def test_a_mixture_of_experts_is_a_loop_over_tokens(shaken, close):
    block, x = shaken(mixture_block(D, H, True, nn.LayerNorm, nn.GELU)), torch.randn(3, 7, D)
    y = x + block.attn(block.norm1(x), mask=causal_mask)
    expected = torch.empty_like(y)
    for b in range(3):
        for n in range(7):
            token = block.norm2(y[b, n])
            odds = block.mlp.router(token).softmax(0)
            best = odds.argsort(descending=True)[:2].tolist()
            expected[b, n] = y[b, n] + sum(odds[i] * block.mlp.experts[i](token) for i in best)
    close(block(x, causal_mask), expected)
    block(x, causal_mask).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in block.parameters())
