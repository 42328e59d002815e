"""The neural language model against torch's own layers, and its drawers against torch's adaptive softmax."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo.models.nnlm import NNLM, DeepNNLM, Drawers, Softmax, size

V, CUTS = 50, (10, 20)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_drawers_are_torchs_adaptive_softmax():
    ours, theirs = Drawers(12, V, CUTS), nn.AdaptiveLogSoftmaxWithLoss(12, V, list(CUTS), div_value=2, head_bias=True)
    theirs.head.load_state_dict(ours.table.state_dict())
    for their, drawer in zip(theirs.tail, ours.drawers):
        their.load_state_dict(drawer.state_dict())
    x, word = torch.randn(200, 12), torch.randint(V, (200,))
    torch.testing.assert_close(ours(x, word), theirs(x, word).output)
    torch.testing.assert_close(ours.log_probs(x), theirs.log_prob(x))


def test_drawers_share_out_one_and_open_only_what_is_asked():
    drawers, x = Drawers(12, V, CUTS), torch.randn(5, 12)
    torch.testing.assert_close(drawers.log_probs(x).exp().sum(1), torch.ones(5))
    opened = []
    for k, drawer in enumerate(drawers.drawers):
        drawer.register_forward_hook(lambda _, inputs, __, k=k: opened.append((k, len(inputs[0]))))
    drawers(x, torch.tensor([3, 12, 9, 19, 49]))
    assert opened == [(0, 2), (1, 1)]


@pytest.mark.parametrize("output", [Softmax, Drawers])
def test_the_short_way_to_one_word_is_the_long_way(output):
    output = output(12, V) if output is Softmax else output(12, V, CUTS)
    x, word = torch.randn(30, 12), torch.randint(V, (30,))
    torch.testing.assert_close(output(x, word), output.log_probs(x).gather(1, word[:, None])[:, 0])


@pytest.mark.parametrize("direct", [False, True])
def test_nnlm_is_embedding_linear_tanh_linear(direct):
    model, context = NNLM(V, 3, 4, 6, direct), torch.randint(V, (9, 3))
    x = F.embedding(context, model.word.weight).reshape(9, 12)
    h = torch.tanh(x @ model.hidden.weight.T + model.hidden.bias)
    scores = model.output.scores
    y = h @ scores.weight[:, :6].T + scores.bias
    if direct:
        y = y + x @ scores.weight[:, 6:].T
    torch.testing.assert_close(model(context), y.log_softmax(1))
    assert sum(p.numel() for p in model.parameters()) == size(V, 3, 4, 6, direct)


def test_deep_nnlm_is_embedding_linear_sums_norm_linear():
    model, context = DeepNNLM(V, 3, 4, 6), torch.randint(V, (9, 3))
    x = F.linear(F.embedding(context, model.word.weight).reshape(9, 12), model.hidden.weight, model.hidden.bias)
    for norm, first, _, _, second in model.blocks:
        shown = (x - x.mean(1, True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
        x = x + second(F.gelu(first(shown * norm.weight + norm.bias)))
    x = F.layer_norm(x, (6,), model.norm.weight, model.norm.bias)
    torch.testing.assert_close(model(context), model.output.scores(x).log_softmax(1))


def test_deep_nnlm_with_blocks_that_say_nothing_is_nnlm_with_a_norm_for_its_tanh():
    deep, flat, context = DeepNNLM(V, 3, 4, 6), NNLM(V, 3, 4, 6), torch.randint(V, (9, 3))
    assert flat.load_state_dict(deep.state_dict(), strict=False).missing_keys == []
    for block in deep.blocks:
        nn.init.zeros_(block[-1].weight), nn.init.zeros_(block[-1].bias)
    h = F.layer_norm(flat.hidden(flat.embed(context)), (6,))
    torch.testing.assert_close(deep.features(context), h)
    torch.testing.assert_close(deep(context), flat.output.log_probs(h))


def test_the_papers_count_of_parameters():
    """|V| (1 + n m + h) + h (1 + (n - 1) m), with the direct connections."""
    V, n, m, h = 1000, 5, 30, 100
    assert size(V, n - 1, m, h) == V * (1 + n * m + h) + h * (1 + (n - 1) * m)


def test_only_rows_of_the_context_learn():
    model = NNLM(V, 2, 4, 6)
    model.log_prob(torch.tensor([[7, 9, 1]])).backward()
    assert model.word.weight.grad.abs().sum(1).nonzero()[:, 0].tolist() == [7, 9]


def test_order_matters():
    model = NNLM(V, 2, 4, 6)
    assert not torch.allclose(model(torch.tensor([[1, 2]])), model(torch.tensor([[2, 1]])))


@pytest.mark.parametrize("call, says", [
    (lambda: NNLM(V, 2, 4, 6)(torch.tensor([[1, V]])), "id 50"),
    (lambda: NNLM(V, 2, 4, 6)(torch.tensor([[1, 2, 3]])), r"\(B, 2\)"),
    (lambda: DeepNNLM(V, 2, 4, 6)(torch.tensor([[1, V]])), "id 50"),
    (lambda: DeepNNLM(V, 2, 4, 6)(torch.tensor([[1, 2, 3]])), r"\(B, 2\)"),
    (lambda: NNLM(V, 2, 4, 6).log_prob(torch.tensor([[1, 2, -1]])), "id -1"),
    (lambda: Drawers(12, V, CUTS)(torch.randn(2, 12), torch.tensor([1, V])), "id 50"),
    (lambda: Drawers(12, V, CUTS)(torch.randn(2, 12), torch.tensor([1])), "shape"),
    (lambda: Softmax(12, V).log_probs(torch.randn(2, 11)), "shape"),
])  # fmt: skip
def test_bad_input_is_called_so(call, says):
    with pytest.raises(ValueError, match=says):
        call()
