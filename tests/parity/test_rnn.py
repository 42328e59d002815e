"""Recurrent layers against torch.nn, d2l and ONNX: copied weights, padding, gradients; both GRUs against a loop, too."""
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from evo.models.rnn import GRU, LSTM, RNN, Both, Deep, GRUAfter
from evo.models.rnnlm import RNNLM

D, H = 5, 7
PEERS = {RNN: nn.RNN, GRUAfter: nn.GRU, LSTM: nn.LSTM}
LENGTHS = torch.tensor([9, 4, 1, 6])
VALID = torch.arange(9) < LENGTHS[:, None]
OURS = {"read.weight": "weight_ih", "read.bias": "bias_ih", "keep.weight": "weight_hh", "keep.bias": "bias_hh"}


def copied(layer, peer, place):
    """One of our layers, with the weights of one layer of torch's: "l0", "l1_reverse" ..."""
    layer.load_state_dict({ours: getattr(peer, f"{theirs}_{place}").detach().clone() for ours, theirs in OURS.items()})
    return layer


def packed(peer, x):
    """What torch gives for padded texts: states (zero in the padding), and the last ones."""
    batch = nn.utils.rnn.pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    states, last = peer(batch)
    return nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0], last


@pytest.mark.parametrize("kind", PEERS)
@pytest.mark.parametrize("n", [1, 3, 40])
def test_a_layer_and_its_gradients(close, kind, n):
    peer = PEERS[kind](D, H, batch_first=True)
    ours, x = copied(kind(D, H), peer, "l0"), torch.randn(4, n, D)
    inputs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weights = torch.randn(4, n, H)
    answers = ours(inputs[0]), peer(inputs[1])[0]
    close(*answers)
    for answer in answers:
        (answer * weights).sum().backward()
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, atol=1e-5, rtol=1e-5)
    for name, theirs in OURS.items():
        torch.testing.assert_close(ours.get_parameter(name).grad, getattr(peer, f"{theirs}_l0").grad, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", PEERS)
def test_padding_is_a_packed_sequence(close, kind):
    peer = PEERS[kind](D, H, batch_first=True)
    ours, x = copied(kind(D, H), peer, "l0"), torch.randn(4, 9, D)
    states, last = packed(peer, x)
    found = ours.states(x, VALID)
    close(found[..., :H] * VALID[..., None], states)
    for ours_last, theirs in zip(found[:, -1].chunk(kind.parts, 1), last if kind is LSTM else [last]):
        close(ours_last, theirs[0])


@pytest.mark.parametrize("kind", PEERS)
def test_a_first_state_is_taken(close, kind):
    peer = PEERS[kind](D, H, batch_first=True)
    ours, x, first = copied(kind(D, H), peer, "l0"), torch.randn(4, 9, D), torch.randn(4, kind.parts * H)
    theirs = tuple(part[None].contiguous() for part in first.chunk(kind.parts, 1))
    close(ours.states(x, state=first)[..., :H], peer(x, theirs if kind is LSTM else theirs[0])[0])


@pytest.mark.parametrize("kind", PEERS)
def test_deep_and_from_both_sides_with_padding(close, kind):
    peer = PEERS[kind](D, H, num_layers=2, bidirectional=True, batch_first=True)
    layers = [Both(kind, D, H), Both(kind, 2 * H, H)]
    for i, layer in enumerate(layers):
        copied(layer.ahead, peer, f"l{i}")
        copied(layer.back, peer, f"l{i}_reverse")
    x = torch.randn(4, 9, D)
    states, last = packed(peer, x)
    found = Deep(*layers)(x, VALID)
    close(found * VALID[..., None], states)
    last = last[0] if kind is LSTM else last
    close(found[:, -1, :H], last[-2])  # read from the left: behind the last word
    close(found[:, 0, H:], last[-1])  # read from the right: before the first one


def test_plain_rnn_is_d2ls(close):
    d2l = pytest.importorskip("d2l.torch")
    peer, ours, x = d2l.RNNScratch(D, H, sigma=0.3), RNN(D, H), torch.randn(4, 9, D)
    ours.load_state_dict({"read.weight": peer.W_xh.T, "keep.weight": peer.W_hh.T, "read.bias": peer.b_h, "keep.bias": torch.zeros(H)})
    close(ours(x), torch.stack(peer(x.transpose(0, 1))[0], 1))


@pytest.mark.parametrize("before", [True, False])
def test_both_grus_against_a_loop(close, shaken, before):
    """ONNX's operator GRU, with linear_before_reset = 0 and 1, in numpy, number by number."""
    ours, x = shaken((GRU if before else GRUAfter)(D, H)), torch.randn(3, 8, D)
    W, b, U, c = (p.detach().double().numpy() for p in (ours.read.weight, ours.read.bias, ours.keep.weight, ours.keep.bias))
    sigmoid = lambda v: 1 / (1 + np.exp(-v))
    for row, out in zip(x.double().numpy(), ours(x).detach()):
        h, hs = np.zeros(H), []
        for now in row:
            r, z = (sigmoid((W @ now + b)[part] + (U @ h + c)[part]) for part in (slice(H), slice(H, 2 * H)))
            old = U[2 * H :] @ (r * h) + c[2 * H :] if before else r * (U[2 * H :] @ h + c[2 * H :])
            h = z * h + (1 - z) * np.tanh((W @ now + b)[2 * H :] + old)
            hs.append(h)
        close(out, torch.tensor(np.array(hs)).float())


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("n", [1, 8])
def test_both_grus_are_onnxs(close, shaken, before, n):
    """Its reference implementation; gates lie there as z, r, h, here as r, z, h."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    ours, x = shaken((GRU if before else GRUAfter)(D, H), by=0.3), torch.randn(3, n, D)
    turned = torch.arange(3 * H).view(3, H)[[1, 0, 2]].flatten()
    W, b, U, c = (p.detach()[turned].numpy()[None] for p in (ours.read.weight, ours.read.bias, ours.keep.weight, ours.keep.bias))
    node = helper.make_node("GRU", ["X", "W", "R", "B", "", "first"], ["Y"], hidden_size=H, linear_before_reset=int(not before))
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("X", "W", "R", "B", "first", "Y")}
    graph = helper.make_graph([node], "gru", [*values.values()][:-1], [values["Y"]])
    first = torch.randn(3, H)
    [states] = ReferenceEvaluator(helper.make_model(graph)).run(None, {
        "X": x.transpose(0, 1).numpy(), "W": W, "R": U, "B": np.concatenate([b, c], 1), "first": first[None].numpy()})
    theirs = torch.tensor(states)[:, 0].transpose(0, 1)  # (N, directions, B, H)
    close(ours.states(x, state=first), theirs)
    other = (GRUAfter if before else GRU)(D, H)
    other.load_state_dict(ours.state_dict())
    assert (other.states(x, state=first) - theirs).abs().max() > 1e-3  # the other form is another function


def test_the_language_model_is_embedding_lstm_softmax(close, shaken):
    """And its loss is cross-entropy that leaves the padding out."""
    from evo.models.nnlm import Softmax

    model, tokens = shaken(RNNLM(30, LSTM(D, H), output=Softmax)), torch.randint(30, (4, 9))
    peer = nn.LSTM(D, H, batch_first=True)
    peer.load_state_dict({f"{theirs}_l0": model.layers.get_parameter(name) for name, theirs in OURS.items()})
    scores = model.output.scores(peer(model.word(tokens))[0])
    close(model(tokens), scores.log_softmax(-1))
    wanted = F.cross_entropy(scores[:, :-1].flatten(0, 1), tokens[:, 1:].masked_fill(~VALID[:, 1:], -100).flatten(), ignore_index=-100)
    torch.testing.assert_close(-model.log_prob(tokens, VALID).mean(), wanted)


def test_masked_cost_against_d2ls_up_to_its_scale():
    """d2l divides a row by all its steps, padding included; ours divides all rows by the words asked for."""
    d2l = pytest.importorskip("d2l.torch")
    from evo.models.nnlm import Softmax

    model, tokens = RNNLM(30, RNN(D, H), output=Softmax), torch.randint(30, (4, 9))
    logits = model(tokens)[:, :-1]
    theirs = d2l.MaskedSoftmaxCELoss()(logits, tokens[:, 1:], LENGTHS - 1)
    torch.testing.assert_close(-model.log_prob(tokens, VALID).sum(), theirs.sum() * 8)
