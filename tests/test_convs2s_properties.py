"""ConvS2S: windows and gates by loops, what sees what, looks, padding, and the first cost."""
import math

import pytest
import torch
import torch.nn.functional as F
from helpers import shaken

from evo.decode import Prefixes, beam
from evo.models.convs2s import ConvS2S, Glance, Window

V, D = 30, 8
VALID = torch.tensor([[True] * 6, [True] * 4 + [False] * 2, [True] + [False] * 5])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def ids(*shape):
    return torch.randint(V, shape)


def model(depth=2, **options):
    return shaken(ConvS2S(V, D, depth, **options)).eval()


@pytest.mark.parametrize("kernel, causal", [(1, False), (3, False), (5, False), (1, True), (2, True), (3, True)])
def test_a_window_is_a_loop(kernel, causal):
    window, x = shaken(Window(D, kernel, causal)), torch.randn(2, 7, D)
    weight, bias = window.conv.weight, window.conv.bias
    before = kernel - 1 if causal else kernel // 2
    for i in range(7):
        total = bias.expand(2, -1)
        for k in range(kernel):
            if 0 <= i - before + k < 7:
                total = total + x[:, i - before + k] @ weight[:, :, k].T
        value, gate = total.chunk(2, 1)
        torch.testing.assert_close(window(x)[:, i], value * gate.sigmoid())


def test_a_gate_by_hand():
    window = Window(1, 1)
    window.conv.weight.data.copy_(torch.tensor([[[2.0]], [[1.0]]]))
    torch.testing.assert_close(window(torch.tensor([[[3.0]]])).item(), 6 / (1 + math.exp(-3)))


@pytest.mark.parametrize("kernel, causal, said", [(0, True, "at least 1"), (2, False, "odd"), (4, False, "odd"), (-1, False, "at least 1")])
def test_windows_that_cannot_be(kernel, causal, said):
    with pytest.raises(ValueError, match=said):
        Window(D, kernel, causal)


def test_a_window_reads_vectors_of_its_width():
    with pytest.raises(ValueError, match="x"):
        Window(D)(torch.randn(2, 5, D + 1))


@pytest.mark.parametrize("depth, kernel", [(1, 3), (3, 3), (2, 5)])
def test_the_reader_sees_a_window_a_layer(depth, kernel):
    """1 + L (k - 1) words, half of them on each side."""
    net, source, length = model(depth, kernel=kernel), ids(1, 21), 21
    before = net.encode(source)
    reach = set()
    for i in range(length):
        other = source.clone()
        other[0, i] = (other[0, i] + 1) % V
        if not torch.equal(net.encode(other)[0, 10], before[0, 10]):
            reach.add(i)
    half = depth * (kernel - 1) // 2
    assert reach == set(range(10 - half, 11 + half))


@pytest.mark.parametrize("depth", [1, 3])
def test_the_writer_sees_its_last_words_and_no_later_one(depth):
    net, source, target = model(depth), ids(1, 5), ids(1, 12)
    before, reach = net(source, target), set()
    for i in range(12):
        other = target.clone()
        other[0, i] = (other[0, i] + 1) % V
        if not torch.equal(net(source, other)[0, 9], before[0, 9]):
            reach.add(i)
    assert reach == set(range(9 - 2 * depth, 10))


def test_every_place_of_the_source_is_in_reach_of_every_word():
    net, source, target = model(1), ids(1, 15), ids(1, 3)
    for i in range(15):
        other = source.clone()
        other[0, i] = (other[0, i] + 1) % V
        assert not torch.allclose(net(source, target)[0, 0], net(other, target)[0, 0])


def test_a_glance_is_softmax_of_dot_products():
    glance = shaken(Glance(D))
    x, words, keys = torch.randn(3, 2, 6, D).unbind(0)
    shares = glance(x, words, keys, VALID[:2])
    for b in range(2):
        for i in range(6):
            query = glance.query(x[b, i]) + words[b, i]
            scores = torch.stack([query @ key if there else torch.tensor(-math.inf) for key, there in zip(keys[b], VALID[b])])
            torch.testing.assert_close(shares[b, i], scores.softmax(0))


def test_values_are_keys_and_the_words_themselves():
    net, source = model(), ids(3, 6)
    keys, values = net.encode(source).chunk(2, -1)
    torch.testing.assert_close(values - keys, net.embed(source))


def test_the_model_is_its_chain():
    net, source, target = model(), ids(3, 6), ids(3, 5)
    by_hand = net.head(net.decode(target, net.encode(source)))
    assert torch.equal(net(source, target), by_hand)
    torch.testing.assert_close(by_hand, net.features(source, target) @ net.token.weight.T)


def test_without_windows_looks_are_all_there_is():
    """With windows that give nothing, a layer is x and what the look takes home, scaled."""
    net, source, target = model(1), ids(2, 6), ids(2, 5)
    for window in (*net.encoder, *net.decoder):
        window.conv.weight.data.zero_(), window.conv.bias.data.zero_()
    words, read = net.embed(target), net.embed(source)
    keys, values = read * 0.5**0.5, read * (1 + 0.5**0.5)
    home = net.glances[0](torch.zeros_like(words), words, keys) @ values
    wanted = net.out((words + home * 0.5**0.5) * 0.5**0.5)
    torch.testing.assert_close(net.features(source, target), wanted)


def test_attentions():
    net, source, target = model(3), ids(3, 6), ids(3, 5)
    maps = net.attentions(source, target, VALID)
    assert len(maps) == 3 and maps[0].shape == (3, 1, 5, 6)
    for shares in maps:
        torch.testing.assert_close(shares.sum(-1), torch.ones(3, 1, 5))
        assert not shares.masked_select(~VALID[:, None, None].expand_as(shares)).any()


def test_padding_of_the_source_changes_nothing():
    net, source, target = model(), ids(3, 6), ids(3, 5)
    padded = net(source, target, VALID)
    for b, length in enumerate(VALID.sum(1).tolist()):
        torch.testing.assert_close(padded[b : b + 1], net(source[b : b + 1, :length], target[b : b + 1]))
    assert not torch.allclose(padded[1], net(source, target)[1])


def test_a_batch_is_its_rows():
    net, source, target = model(), ids(3, 6), ids(3, 5)
    torch.testing.assert_close(net(source, target)[1:2], net(source[1:2], target[1:2]))


def test_every_parameter_gets_a_gradient():
    net = model().train()
    net(ids(3, 6), ids(3, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_at_the_start_all_tokens_are_about_equally_likely():
    net = ConvS2S(1000, 64, 3)
    logits = net(torch.randint(1000, (8, 9)), torch.randint(1000, (8, 9)))
    cost = F.cross_entropy(logits.flatten(0, 1), torch.randint(1000, (72,)))
    assert cost.item() == pytest.approx(math.log(1000), rel=0.02)


def test_it_can_be_searched():
    net, source = model(), ids(3, 6)
    found = beam(net, source, 1, 2, 7, width=3, valid=VALID)[0.75]
    assert len(found) == 3 and all(0 <= token < V for text in found for token in text)
    logits, _ = Prefixes(net).proceed(torch.tensor([1, 1, 1]), Prefixes(net).begin(source, VALID))
    torch.testing.assert_close(logits, net(source, torch.ones(3, 1, dtype=torch.long), VALID)[:, -1])


@pytest.mark.parametrize("call, said", [
    (lambda net: net(ids(2, 6), ids(2, 9)), "1 to 8"), (lambda net: net(ids(2, 9), ids(2, 6)), "1 to 8"),
    (lambda net: net(ids(6), ids(2, 6)), "1 to 8"), (lambda net: net(ids(2, 6), ids(2, 0)), "1 to 8"),
    (lambda net: net(ids(2, 6), ids(2, 6), torch.zeros(2, 6, dtype=torch.bool)), "whole row"),
    (lambda net: net(ids(2, 6), ids(2, 6), torch.ones(2, 5, dtype=torch.bool)), "valid"),
    (lambda net: net(ids(2, 6) + V, ids(2, 6)), "tokens")])
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call(model(longest=8))
