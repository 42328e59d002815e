"""Recurrent layers: closed forms, padding, directions, gradients over distance, bad input."""
import pytest
import torch
from helpers import shaken
from torch import nn

from evo.models.nnlm import Drawers, Softmax
from evo.models.rnn import GRU, LSTM, RNN, Both, Deep, GRUAfter
from evo.models.rnnlm import RNNLM

D, H, V = 4, 6, 30
KINDS = [RNN, GRU, GRUAfter, LSTM]
VALID = torch.arange(8) < torch.tensor([[8], [3], [1]])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def x(n=8):
    return torch.randn(3, n, D)


def set_(layer, **weights):
    """All weights zero but these."""
    with torch.no_grad():
        for p in layer.parameters():
            p.zero_()
        for name, value in weights.items():
            part, kind = name.split("_")
            layer.get_submodule(part).get_parameter(kind).copy_(torch.as_tensor(value))
    return layer


def test_an_rnn_by_hand():
    layer = set_(RNN(1, 2), read_weight=[[1.0], [0]], keep_weight=[[0.5, 0], [1, 0]])
    states = layer(torch.tensor([[[1.0], [0], [0]]]))[0]
    a = torch.tensor(1.0).tanh()
    b = (a / 2).tanh()
    torch.testing.assert_close(states, torch.stack([torch.stack(row) for row in (
        (a, a * 0), (b, a.tanh()), ((b / 2).tanh(), b.tanh()))]))


def test_without_a_state_that_is_kept_it_is_an_mlp():
    layer, texts = set_(RNN(D, H), read_weight=torch.randn(H, D), read_bias=torch.randn(H)), x()
    torch.testing.assert_close(layer(texts), torch.tanh(layer.read(texts)))


@pytest.mark.parametrize("kind", [GRU, GRUAfter])
def test_an_update_gate_near_one_keeps_the_state(kind):
    layer = set_(kind(D, H), keep_bias=torch.cat([torch.zeros(H), torch.full((H,), 40.0), torch.zeros(H)]))
    first = torch.randn(3, H)
    torch.testing.assert_close(layer.states(x(), state=first)[:, -1], first)


@pytest.mark.parametrize("kind", [GRU, GRUAfter])
def test_a_gru_that_resets_and_does_not_keep_forgets_all(kind):
    """r = z = 0: only the word of this step counts."""
    off = torch.cat([torch.full((2 * H,), -60.0), torch.zeros(H)])
    layer = set_(kind(D, H), read_weight=torch.randn(3 * H, D).index_fill(0, torch.arange(2 * H), 0), read_bias=off,
                 keep_weight=torch.randn(3 * H, H).index_fill(0, torch.arange(2 * H), 0))
    texts = x()
    torch.testing.assert_close(layer(texts), torch.tanh(layer.read(texts)[..., 2 * H :]))


def test_an_open_lstm_adds_up():
    """f = i = o = 1: the memory is the sum of what came in."""
    layer = set_(LSTM(D, H), read_bias=torch.tensor([40.0, 40, 0, 40]).repeat_interleave(H),
                 read_weight=torch.cat([torch.zeros(2 * H, D), torch.randn(H, D), torch.zeros(H, D)]))
    texts = x()
    memory = layer.states(texts)[..., H:]
    torch.testing.assert_close(memory, layer.read(texts)[..., 2 * H : 3 * H].tanh().cumsum(1))


def test_the_forget_bias_starts_where_it_is_put():
    torch.manual_seed(1)
    plain = LSTM(D, H, forget=0).read.bias
    torch.manual_seed(1)
    torch.testing.assert_close(LSTM(D, H, forget=2.0).read.bias - plain, torch.tensor([0.0, 2, 0, 0]).repeat_interleave(H))


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_at_a_time_is_a_loop(kind):
    layer, texts = shaken(kind(D, H)), x()
    state = torch.zeros(3, kind.parts * H)
    for i, whole in enumerate(layer.states(texts).unbind(1)):
        state = layer.step(layer.read(texts[:, i]), state)
        torch.testing.assert_close(state, whole)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_on_from_a_state_is_reading_it_all(kind):
    layer, texts = shaken(kind(D, H)), x()
    first = layer.states(texts[:, :5])
    torch.testing.assert_close(layer.states(texts[:, 5:], state=first[:, -1]), layer.states(texts)[:, 5:])


@pytest.mark.parametrize("kind", KINDS)
def test_windows_in_a_row_cost_what_the_whole_text_costs_and_detached_they_cut_the_gradient(kind):
    """Truncated back-propagation through time: the state is carried on, its history is not."""
    model, tokens = shaken(RNNLM(V, kind(D, H), output=Softmax)), torch.randint(V, (3, 13))
    whole = model.log_prob(tokens, torch.ones(3, 13, dtype=torch.bool)).view(3, 12)
    read, nexts = model.word(tokens[:, :-1]).detach().requires_grad_(), tokens[:, 1:]

    def cost(states, words):
        return model.output(states[..., :H].flatten(0, 1), words.flatten()).view(words.shape)

    state, costs = None, []
    for window, words in zip(read.split(5, 1), nexts.split(5, 1)):
        states = model.layers.states(window, state=state)
        costs.append(cost(states, words))
        state = states[:, -1].detach()
    torch.testing.assert_close(torch.cat(costs, 1), whole)
    slope, = torch.autograd.grad(costs[-1].sum(), read)
    assert not slope[:, :10].any() and slope[:, 10:].any(2).all()
    slope, = torch.autograd.grad(cost(model.layers.states(read), nexts)[:, 10:].sum(), read)
    assert slope[:, :10].any(2).all()


def stacks():
    return [*(kind(D, H) for kind in KINDS), Both(GRU, D, H), Deep(LSTM(D, H), RNN(H, 3)), Deep(Both(LSTM, D, H), Both(GRU, 2 * H, 3))]


@pytest.mark.parametrize("layer", stacks())
def test_padding_changes_nothing(layer):
    texts = x()
    found = layer(texts, VALID)
    other = torch.where(VALID[..., None], texts, torch.randn_like(texts))
    assert torch.equal(layer(other, VALID), found)
    for row, valid, out in zip(texts, VALID, found):
        torch.testing.assert_close(out[valid], layer(row[valid][None])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_column_is_the_state_of_the_whole_text(kind):
    layer, texts = kind(D, H), x()
    found = layer(texts, VALID)
    torch.testing.assert_close(found[:, -1], found[torch.arange(3), VALID.sum(1) - 1])


@pytest.mark.parametrize("kind", KINDS)
def test_one_direction_cannot_see_ahead_and_two_can(kind):
    texts = x()
    changed = texts.clone()
    changed[:, 5] += 1
    for layer, sees in [(kind(D, H), False), (Both(kind, D, H), True)]:
        same = torch.isclose(layer(texts)[:, :5], layer(changed)[:, :5]).all()
        assert same != sees


def test_both_is_two_readers():
    both, texts = Both(GRU, D, H), x()
    ahead, back = both(texts).split(H, 2)
    assert torch.equal(ahead, both.ahead(texts)) and torch.equal(back.flip(1), both.back(texts.flip(1)))


def test_dropout_stands_between_layers_only():
    deep, texts = Deep(RNN(D, H), RNN(H, H), dropout=0.5), x()
    assert not torch.equal(deep(texts), deep(texts)) and torch.equal(deep.eval()(texts), deep(texts))
    one = Deep(RNN(D, H), dropout=0.5)
    assert torch.equal(one(texts), one(texts))


@pytest.mark.parametrize("radius, grows", [(0.5, False), (1.5, True)])
def test_the_gradient_of_a_linear_memory_goes_with_the_power(radius, grows):
    """Small states, where tanh is a straight line: dh_n / dh_0 = U^n."""
    layer = set_(RNN(D, H), keep_weight=radius * torch.eye(H)).double()
    first = torch.full((1, H), 1e-9, dtype=torch.double, requires_grad=True)
    layer.states(torch.zeros(1, 7, D).double(), state=first)[:, -1].sum().backward()
    torch.testing.assert_close(first.grad, torch.full_like(first, radius**7))


@pytest.mark.parametrize("layer", stacks())
def test_every_parameter_gets_a_gradient(layer):
    shaken(layer)(x(), VALID).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


@pytest.mark.parametrize("output", [Softmax, lambda *size: Drawers(*size, (10, 20))])
def test_the_language_models_answers(output):
    model = RNNLM(V, LSTM(D, H), output=output)
    tokens = torch.randint(V, (3, 8))
    torch.testing.assert_close(model(tokens).exp().sum(-1), torch.ones(3, 8))
    wanted = model(tokens)[:, :-1].gather(2, tokens[:, 1:, None])[..., 0][VALID[:, 1:]]
    torch.testing.assert_close(model.log_prob(tokens, VALID), wanted)
    other = tokens.where(VALID, (tokens + 1) % V)
    torch.testing.assert_close(model.log_prob(other, VALID), wanted)
    assert model.features(tokens).shape == (3, 8, model.dim)


def test_a_language_model_with_dropout_is_still_in_use():
    model, tokens = RNNLM(V, GRU(D, H), dropout=0.5, output=Softmax), torch.randint(V, (3, 8))
    assert not torch.equal(model(tokens), model(tokens)) and torch.equal(model.eval()(tokens), model(tokens))


def lm():
    return RNNLM(V, RNN(D, H), output=Softmax)


@pytest.mark.parametrize("call, says", [
    (lambda: RNN(D, H)(torch.randn(3, 8, D + 1)), r"\(B, N, 4\)"),
    (lambda: RNN(D, H)(torch.randn(8, D)), r"\(B, N, 4\)"),
    (lambda: RNN(D, H)(torch.randint(4, (3, 8, D))), "floating-point"),
    (lambda: RNN(D, H)(x().double()), "float64"),
    (lambda: RNN(D, H)(torch.randn(3, 0, D)), "nothing to read"),
    (lambda: RNN(D, H)(x(), VALID.long()), "boolean"),
    (lambda: RNN(D, H)(x(), VALID[:, 1:]), "shape"),
    (lambda: LSTM(D, H).states(x(), state=torch.zeros(3, H)), r"\(3, 12\)"),
    (lambda: Both(RNN, D, H)(x(), VALID[:2]), "shape"),
    (lambda: Deep(), "no layer"),
    (lambda: Deep(RNN(D, H), RNN(D, H))(x()), r"\(B, N, 4\)"),
    (lambda: lm()(torch.tensor([[1, V]])), "id 30"),
    (lambda: lm()(torch.rand(2, 3)), "ids"),
    (lambda: lm()(torch.tensor([1, 2])), r"\(B, N\)"),
    (lambda: lm().log_prob(torch.tensor([[1, 2]]), torch.ones(1, 2)), "boolean"),
    (lambda: lm().log_prob(torch.tensor([[1]]), torch.ones(1, 1, dtype=torch.bool)), "no word"),
])  # fmt: skip
def test_bad_input_is_called_so(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_torchs_layers_fit_in_the_language_model():
    """What maps (B, N, D) to (B, N, H) and says so is a layer."""
    class Peer(nn.Module):
        dim, hidden = D, H

        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(D, H, batch_first=True)

        def forward(self, x, valid=None):
            return self.gru(x)[0]

    assert RNNLM(V, Peer(), output=Softmax)(torch.randint(V, (2, 5))).shape == (2, 5, V)
