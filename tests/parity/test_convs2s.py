"""ConvS2S against torch: the gated window, attention, and a small whole model from functions of torch alone."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo.models.convs2s import ConvS2S, Glance, Window


@pytest.mark.parametrize("kernel, causal", [(3, False), (5, False), (3, True), (4, True)])
def test_a_window_is_torchs_convolution_and_glu(shaken, close, kernel, causal):
    ours, x = shaken(Window(6, kernel, causal)), torch.randn(2, 9, 6)
    theirs = nn.Conv1d(6, 12, kernel, padding=kernel - 1 if causal else kernel // 2)
    theirs.load_state_dict(ours.conv.state_dict())
    wanted = F.glu(theirs(x.mT), dim=1)[..., :9].mT  # causal: what stands behind the last word goes
    close(ours(x), wanted)


@pytest.mark.parametrize("lengths", [[7, 7], [7, 2], [1, 4]])
def test_a_look_is_torchs_attention_without_a_scale(shaken, close, lengths):
    glance, values = shaken(Glance(6)), torch.randn(2, 7, 5)
    x, words, keys = torch.randn(2, 4, 6), torch.randn(2, 4, 6), torch.randn(2, 7, 6)
    valid = torch.arange(7) < torch.tensor(lengths)[:, None]
    wanted = F.scaled_dot_product_attention(glance.query(x) + words, keys, values, attn_mask=valid[:, None], scale=1.0)
    close(glance(x, words, keys, valid) @ values, wanted)


def test_the_whole_model_from_functions_of_torch(shaken, close):
    model = shaken(ConvS2S(20, 6, depth=2))
    source, target = torch.randint(20, (2, 5)), torch.randint(20, (2, 4))

    def embed(tokens):
        return F.embedding(tokens, model.token.weight) + model.place.weight[: tokens.shape[1]]

    def window(layer, x, left, right):
        padded = F.pad(x.mT, (left, right))
        return F.glu(F.conv1d(padded, layer.conv.weight, layer.conv.bias), dim=1).mT

    keys = embed(source)
    for layer in model.encoder:
        keys = (keys + window(layer, keys, 1, 1)) / 2**0.5
    values, x = keys + embed(source), embed(target)
    for layer, glance in zip(model.decoder, model.glances):
        seen = window(layer, x, 2, 0)
        query = F.linear(seen, glance.query.weight, glance.query.bias) + embed(target)
        seen = (seen + F.scaled_dot_product_attention(query, keys, values, scale=1.0)) / 2**0.5
        x = (x + seen) / 2**0.5
    close(model(source, target), F.linear(x, model.out.weight, model.out.bias) @ model.token.weight.T)
