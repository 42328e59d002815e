"""Recurrent networks: a state that every word changes a little.

Shapes: B batch, N steps, D numbers a step, H hidden. A state is one row (B, S):
S = H, for an LSTM 2 H. `valid` (B, N) is True where there is a word; padding
leaves a state as it is, from whichever side one reads. Every layer maps
(B, N, D) to (B, N, H); weights and gates lie as in PyTorch.
"""
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_dtype, check_flags, check_shape, check_vectors


class RNN(nn.Module):
    """h = tanh(W x + U h + b), one step after the other (Elman 1990, fig. 2).

    (B, N, D) -> (B, N, H), the state after every step. In the padding stands
    the last state, so that the last column is that of the whole text.
    """

    gates, parts = 1, 1

    def __init__(self, dim, hidden):
        super().__init__()
        self.dim, self.hidden = dim, hidden
        self.read = nn.Linear(dim, self.gates * hidden)
        self.keep = nn.Linear(hidden, self.gates * hidden)

    def step(self, now, state):
        """now (B, gates * H): what `read` made of the word -> next state."""
        return torch.tanh(now + self.keep(state))

    def states(self, x, valid=None, state=None):
        """Whole states (B, N, S), from a first one (B, S), else zeros."""
        check_vectors(x, self.dim)
        check_dtype(x, "x", self.read.weight.dtype)
        if valid is not None:
            check_flags(valid, "valid", x.shape[:2])
        if not x.shape[1]:
            raise ValueError("x has no step: there is nothing to read")
        size = len(x), self.parts * self.hidden
        state = x.new_zeros(size) if state is None else state
        check_shape(state, size, "state")
        states = []
        for i, now in enumerate(self.read(x).unbind(1)):
            new = self.step(now, state)
            state = new if valid is None else new.where(
                valid[:, i, None], state)
            states.append(state)
        return torch.stack(states, 1)

    def forward(self, x, valid=None):
        return self.states(x, valid)[:, :, : self.hidden]


class GRU(RNN):
    """h = z h + (1 - z) n: a gate keeps, another one forgets.

    Cho et al. 2014 (sec. 2.3): n = tanh(W x + U (r h) + b), reset *before*
    the product. z near 1 keeps the state.
    """

    gates = 3

    def step(self, now, state):
        h, at = state, 2 * self.hidden
        U, b = self.keep.weight, self.keep.bias
        r, z = torch.sigmoid(
            now[:, :at] + F.linear(h, U[:at], b[:at])).chunk(2, 1)
        n = torch.tanh(now[:, at:] + F.linear(r * h, U[at:], b[at:]))
        return z * h + (1 - z) * n


class GRUAfter(GRU):
    """The GRU with n = tanh(W x + r (U h + b)): reset *after* the product.

    One product a step in place of two; that of nn.GRU.
    """

    def step(self, now, state):
        at = 2 * self.hidden
        old = self.keep(state)
        r, z = torch.sigmoid(now[:, :at] + old[:, :at]).chunk(2, 1)
        n = torch.tanh(now[:, at:] + r * old[:, at:])
        return z * state + (1 - z) * n


class LSTM(RNN):
    """c = f c + i g, h = o tanh(c): a memory c that is added to.

    Hochreiter & Schmidhuber 1997; the forget gate f is Gers et al. 2000's.
    The state is [h, c]. forget: what is added to f's bias at the start.
    """

    gates, parts = 4, 2

    def __init__(self, dim, hidden, forget=1.0):
        super().__init__(dim, hidden)
        with torch.no_grad():
            self.read.bias[hidden : 2 * hidden] += forget

    def step(self, now, state):
        h, c = state.chunk(2, 1)
        i, f, g, o = (now + self.keep(h)).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return torch.cat([o.sigmoid() * c.tanh(), c], 1)


class Both(nn.Module):
    """Two layers, one reads from the right: (B, N, D) -> (B, N, 2 H).

    Schuster & Paliwal 1997. Place i has seen the whole text.
    """

    def __init__(self, kind, dim, hidden):
        super().__init__()
        self.dim, self.hidden = dim, 2 * hidden
        self.ahead, self.back = kind(dim, hidden), kind(dim, hidden)

    def forward(self, x, valid=None):
        ahead = self.ahead(x, valid)
        turned = None if valid is None else valid.flip(1)
        return torch.cat([ahead, self.back(x.flip(1), turned).flip(1)], 2)


class Deep(nn.Module):
    """Layers that each read the states of the one below.

    Graves 2013; dropout between them only (Zaremba et al. 2014).
    """

    def __init__(self, *layers, dropout=0.0):
        super().__init__()
        if not layers:
            raise ValueError("Deep has no layer: pass at least one")
        self.layers, self.dropout = nn.ModuleList(layers), nn.Dropout(dropout)
        self.dim, self.hidden = layers[0].dim, layers[-1].hidden

    def forward(self, x, valid=None):
        for i, layer in enumerate(self.layers):
            x = layer(self.dropout(x) if i else x, valid)
        return x
