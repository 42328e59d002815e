"""Attention and Block against torch.nn."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Attention, Block, Encoder, QuickGELU, attend, causal_mask

BLOCK = {"self_attn.in_proj_weight": "attn.qkv.weight", "self_attn.in_proj_bias": "attn.qkv.bias",
         "self_attn.out_proj.weight": "attn.proj.weight", "self_attn.out_proj.bias": "attn.proj.bias",
         "linear1.weight": "mlp.0.weight", "linear1.bias": "mlp.0.bias", "linear2.weight": "mlp.2.weight",
         "linear2.bias": "mlp.2.bias", "norm1.weight": "norm1.weight", "norm1.bias": "norm1.bias",
         "norm2.weight": "norm2.weight", "norm2.bias": "norm2.bias"}


@pytest.mark.parametrize("heads", [1, 4, 8])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_multihead_attention(shaken, close, heads, causal):
    peer, ours, x = shaken(nn.MultiheadAttention(32, heads, batch_first=True)), Attention(32, heads), torch.randn(3, 7, 32)
    ours.load_state_dict({"qkv.weight": peer.in_proj_weight, "qkv.bias": peer.in_proj_bias,
                          "proj.weight": peer.out_proj.weight, "proj.bias": peer.out_proj.bias})
    may_not = ~causal_mask(7) if causal else None  # there, True means ignore
    y, weights = peer(x, x, x, attn_mask=may_not, average_attn_weights=False)
    close(ours(x, mask=causal_mask if causal else None), y)
    close(ours.weights(x, causal_mask if causal else None), weights)


def test_a_fully_masked_row_is_no_ones_agreement(shaken, close):
    """Zeros with ours, as in F.scaled_dot_product_attention; the mean of all with d2l's -1e6; NaN in nn.MultiheadAttention."""
    d2l = pytest.importorskip("d2l.torch")
    q, k, v = torch.randn(2, 1, 3, 8), torch.randn(2, 1, 5, 8), torch.randn(2, 1, 5, 8)
    lengths = torch.tensor([0, 2])
    valid = torch.arange(5) < lengths[:, None]
    ours = attend(q, k, v, valid[:, None, None])
    close(ours, F.scaled_dot_product_attention(q, k, v, valid[:, None, None]))
    theirs = d2l.DotProductAttention(dropout=0)(q[:, 0], k[:, 0], v[:, 0], lengths)
    close(ours[1, 0], theirs[1])
    close(v[0, 0].mean(0).expand(3, 8), theirs[0])
    assert not ours[0].any()
    peer, x = shaken(nn.MultiheadAttention(8, 2, batch_first=True)), v[:, 0]
    y = peer(x, x, x, key_padding_mask=~valid)[0]
    assert y[0].isnan().all() and y[1].isfinite().all()


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("padding", [True, False])
@pytest.mark.parametrize("activation, function", [(nn.GELU, F.gelu), (nn.ReLU, F.relu), (QuickGELU, QuickGELU())])
def test_block_is_transformer_encoder_layer(shaken, close, norm_first, padding, activation, function):
    peer = shaken(nn.TransformerEncoderLayer(32, 4, 128, dropout=0, activation=function, layer_norm_eps=1e-6,
                                             batch_first=True, norm_first=norm_first))
    ours, x = Block(32, 4, norm_first, activation=activation), torch.randn(3, 7, 32)
    ours.load_state_dict({BLOCK[name]: tensor for name, tensor in peer.state_dict().items()})
    valid = torch.arange(7) < torch.tensor([[7], [4], [2]])
    y = peer(x, src_key_padding_mask=~valid if padding else None)
    mine = ours(x, valid[:, None, None] if padding else None)
    close(mine[valid] if padding else mine, y[valid] if padding else y)


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_is_transformer_encoder(shaken, close, norm_first):
    layer = nn.TransformerEncoderLayer(32, 4, 128, dropout=0, activation="gelu", layer_norm_eps=1e-6,
                                       batch_first=True, norm_first=norm_first)
    norm = nn.LayerNorm(32, eps=1e-6) if norm_first else None
    peer = shaken(nn.TransformerEncoder(layer, 3, norm, enable_nested_tensor=False))
    ours, x = Encoder(32, 3, 4, norm_first), torch.randn(3, 7, 32)
    renamed = {}
    for name, tensor in peer.state_dict().items():
        parts = name.split(".", 2)
        renamed[name if parts[0] == "norm" else f"blocks.{parts[1]}.{BLOCK[parts[2]]}"] = tensor
    ours.load_state_dict(renamed)
    close(ours(x), peer(x))
    close(ours(x, causal_mask), peer(x, mask=~causal_mask(7)))
