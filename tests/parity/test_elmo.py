"""ELMo's parts against torch.nn and against slow references, one step at a time."""
import numpy as np
import pytest
import torch
from torch import nn

from evo.models import elmo
from evo.models.elmo import LSTM, ELMo, spell

TEXTS = [text.split() for text in ["the band played", "a dog bites a man all night", "night"]]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("dim, cells, n", [(8, 16, 5), (3, 7, 1), (12, 13, 40)])
def test_layer_against_torch(close, dim, cells, n):
    """And the loop for clipping is the same function where nothing is clipped."""
    peer = nn.LSTM(dim, cells, proj_size=dim, batch_first=True)
    ours, loop, x = LSTM(dim, cells), LSTM(dim, cells, clip=100.0), torch.randn(3, n, dim)
    for lstm in (ours, loop):
        lstm.load_state_dict(peer.state_dict())
        close(lstm(x), peer(x)[0])


@pytest.mark.parametrize("clip", [None, 0.3, 0.05])
def test_layer_against_a_slow_loop(close, shaken, clip):
    lstm, x = shaken(LSTM(4, 6, clip)), 3 * torch.randn(2, 7, 4)
    with torch.no_grad():
        lstm.weight_hr_l0.mul_(10)  # so that something is clipped
    p = {name: tensor.detach().double().numpy() for name, tensor in lstm.named_parameters()}
    bound = lambda v: v if clip is None else np.clip(v, -clip, clip)
    for row, out in zip(x.double().numpy(), lstm(x).detach()):
        h, c, hs = np.zeros(4), np.zeros(6), []
        for now in row:
            z = p["weight_ih_l0"] @ now + p["bias_ih_l0"] + p["weight_hh_l0"] @ h + p["bias_hh_l0"]
            c = bound(sigmoid(z[6:12]) * c + sigmoid(z[:6]) * np.tanh(z[12:18]))
            h = bound(p["weight_hr_l0"] @ (sigmoid(z[18:]) * np.tanh(c)))
            hs.append(h)
        expected = torch.tensor(np.array(hs)).float()
        if clip is None:
            close(out, expected)
        else:
            torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
            assert out.abs().max() == pytest.approx(clip)


def test_clipping_passes_gradients_like_a_clamp(close):
    free, held, x = LSTM(4, 6), LSTM(4, 6, clip=100.0), torch.randn(2, 7, 4)
    held.load_state_dict(free.state_dict())
    for lstm in (free, held):
        lstm(x).square().sum().backward()
    for one, other in zip(free.parameters(), held.parameters()):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-5)


def test_stack_against_torch(close, shaken):
    """Two directions of two layers, put together from nn.LSTM, one sentence at a time and without padding."""
    model = shaken(ELMo(0, length=12, dim=8, cells=16, filters=[(1, 4), (3, 6)]))
    layers = model.layers(spell(TEXTS, 12))

    def peer(lstm, x):
        copy = nn.LSTM(8, 16, proj_size=8, batch_first=True)
        copy.load_state_dict(lstm.state_dict())
        return copy(x)[0]

    for i, text in enumerate(TEXTS):
        n = len(text) + 2
        words = model.embed(spell([text], 12))
        for lstms, half, turn in ((model.ahead, slice(0, 8), lambda x: x), (model.back, slice(8, 16), lambda x: x.flip(1))):
            first = peer(lstms[0], turn(words))
            second = peer(lstms[1], first) + first
            for layer, expected in zip(layers[1:], (first, second)):
                close(layer[i, :n, half], turn(expected)[0])


def test_character_cnn_against_a_slow_loop(close, shaken):
    cnn = shaken(elmo.CharacterCNN([(1, 3), (2, 4), (5, 2)], char_dim=6, dim=4))
    rows = spell([["night", "é"]], 10)[0]
    p = {name: tensor.detach().double().numpy() for name, tensor in cnn.named_parameters()}
    for row, out in zip(rows.tolist(), cnn(rows)):
        x = p["characters.weight"][row]
        found = []
        for i, width in enumerate((1, 2, 5)):
            W, b = p[f"convs.{i}.weight"], p[f"convs.{i}.bias"]
            windows = [x[k : k + width].T for k in range(len(row) - width + 1)]
            found += [max(0, max((W[n] * window).sum() + b[n] for window in windows)) for n in range(len(b))]
        x = np.array(found)
        for i in range(2):
            gate = sigmoid(p[f"highways.{i}.gate.weight"] @ x + p[f"highways.{i}.gate.bias"])
            change = np.maximum(0, p[f"highways.{i}.change.weight"] @ x + p[f"highways.{i}.change.bias"])
            x = gate * change + (1 - gate) * x
        close(out, torch.tensor(p["proj.weight"] @ x + p["proj.bias"]).float())


# ---------------------------------------------------------------- the layout of the published files


FILTERS, CHARS, DIM, CELLS, CLIP = [(1, 3), (2, 5)], 4, 6, 9, 0.5


def official():
    """Random arrays with the names and shapes of the official HDF5 file, in small."""
    rng, total = np.random.default_rng(0), sum(n for _, n in FILTERS)
    shapes = {"char_embed": (261, CHARS), "CNN_proj/W_proj": (total, DIM), "CNN_proj/b_proj": (DIM,)}
    for i, (width, n) in enumerate(FILTERS):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, CHARS, n), f"CNN/b_cnn_{i}": (n,)}
    for i in range(2):
        for part in ("carry", "transform"):
            shapes |= {f"CNN_high_{i}/W_{part}": (total, total), f"CNN_high_{i}/b_{part}": (total,)}
    for direction in range(2):
        for layer in range(2):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell"
            shapes |= {f"{cell}/W_0": (2 * DIM, 4 * CELLS), f"{cell}/B": (4 * CELLS,), f"{cell}/W_P_0": (CELLS, DIM)}
    return {name: rng.normal(size=shape, scale=0.6).astype(np.float32) for name, shape in shapes.items()}


def reference(arrays, words, length):
    """The official graph, word by word, in its own layout: three layers of (N, 2 * DIM)."""
    tokens = []
    for word in words:
        letters = {"<s>": [256], "</s>": [257]}.get(word, list(word.encode()))
        ids = [258, *letters, 259] + [260] * (length - len(letters) - 2)  # the file's own numbers: one less than ours
        x = arrays["char_embed"][ids]
        found = []
        for i, (width, _) in enumerate(FILTERS):
            W = arrays[f"CNN/W_cnn_{i}"][0]
            scores = [np.einsum("wc,wcn->n", x[k : k + width], W) for k in range(length - width + 1)]
            found.append(np.maximum(0, np.max(scores, 0) + arrays[f"CNN/b_cnn_{i}"]))
        x = np.concatenate(found)
        for i in range(2):
            carry = sigmoid(x @ arrays[f"CNN_high_{i}/W_carry"] + arrays[f"CNN_high_{i}/b_carry"])
            x = carry * np.maximum(0, x @ arrays[f"CNN_high_{i}/W_transform"] + arrays[f"CNN_high_{i}/b_transform"]) + (1 - carry) * x
        tokens.append(x @ arrays["CNN_proj/W_proj"] + arrays["CNN_proj/b_proj"])
    layers = [[np.array(tokens)] * 2]
    for layer in range(2):
        both = []
        for direction in range(2):
            x = layers[-1][direction][:: 1 - 2 * direction]
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{layer}/LSTMCell/"
            c, m, out = np.zeros(CELLS), np.zeros(DIM), []
            for now in x:
                i, j, f, o = np.split(np.concatenate([now, m]) @ arrays[cell + "W_0"] + arrays[cell + "B"], 4)
                c = np.clip(sigmoid(f + 1) * c + sigmoid(i) * np.tanh(j), -CLIP, CLIP)
                m = np.clip((sigmoid(o) * np.tanh(c)) @ arrays[cell + "W_P_0"], -CLIP, CLIP)
                out.append(m + now if layer else m)
            both.append(np.array(out)[:: 1 - 2 * direction])
        layers.append(both)
    return [torch.tensor(np.concatenate(pair, 1)).float() for pair in layers]


def small():
    return ELMo(0, length=10, dim=DIM, cells=CELLS, filters=FILTERS, char_dim=CHARS, clip=CLIP)


def test_official_layout(close):
    arrays = official()
    model = elmo.load_official(small(), arrays)
    layers = model.layers(spell(TEXTS, 10))
    for i, text in enumerate(TEXTS):
        words = ["<s>", *text, "</s>"]
        for layer, expected in zip(layers, reference(arrays, words, 10)):
            close(layer[i, : len(words)], expected)


def test_the_original_takes_the_official_shapes():
    with torch.device("meta"):
        names = {name.replace("RNN_1", "RNN_0") for name in official()}
        ours = elmo.elmo_original()
    cell = "RNN_0/RNN/MultiRNNCell/Cell0/LSTMCell"
    assert {f"{cell}/W_0", f"{cell}/B", f"{cell}/W_P_0"} <= names
    assert ours.ahead[0].weight_ih_l0.shape == (16384, 512) and ours.ahead[0].weight_hr_l0.shape == (512, 4096)


def test_wrong_files_are_refused(refuses):
    whole = official()
    without = {name: array for name, array in whole.items() if name != "CNN_proj/b_proj"}
    model = small()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for wrong, said in [(without, "missing: words.proj.bias"), (whole | {"strange": np.zeros(1)}, "unexpected: strange"),
                        (whole | {"CNN_proj/b_proj": np.zeros(3)}, "wrong shape: words.proj.bias")]:
        with pytest.raises(ValueError, match=said):
            elmo.load_official(model, wrong)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
