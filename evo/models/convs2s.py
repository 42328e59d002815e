"""ConvS2S (Gehring et al. 2017): translation by windows, without a state.

Shapes: B batch, S source, N target, D numbers a token, k words a window.
`valid` (B, S) is False in the padding of the source.
"""
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_flags, check_ids, check_vectors


class Window(nn.Module):
    """A window of k words with a gate (sec. 3.2), (B, N, D) -> (B, N, D).

    Half of what the convolution gives is let through as far as the sigmoid
    of the other half opens. causal: the window ends at its word, so that no
    later one is seen; else it has its word in the middle, and k is odd.
    """

    def __init__(self, dim, kernel=3, causal=False):
        super().__init__()
        if kernel < 1 or not (causal or kernel % 2):
            raise ValueError(f"kernel={kernel} must be at least 1, and odd "
                             "where the window has its word in the middle")
        self.pad = (kernel - 1, 0) if causal else (kernel // 2, kernel // 2)
        self.conv = nn.Conv1d(dim, 2 * dim, kernel)
        nn.init.normal_(self.conv.weight, std=(4 / (kernel * dim)) ** 0.5)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x):
        check_vectors(x, self.conv.in_channels, "x")
        x = F.pad(x.transpose(1, 2), self.pad)
        return F.glu(self.conv(x), 1).transpose(1, 2)


class Glance(nn.Module):
    """Where a state looks (sec. 3.3): shares (B, N, S) of keys (B, S, D).

    The state x and the word just written ask together, both (B, N, D). A dot
    product is the score, divided by nothing.
    """

    def __init__(self, dim):
        super().__init__()
        self.query = nn.Linear(dim, dim)

    def forward(self, x, words, keys, valid=None):
        scores = (self.query(x) + words) @ keys.mT
        if valid is not None:
            there = _there(valid, keys[..., 0])[:, None]
            scores = scores.masked_fill(~there, -torch.inf)
        return scores.softmax(-1)


class ConvS2S(nn.Module):
    """head(decode(target, encode(source))), of windows and looks alone.

    source (B, S), target (B, N) ids -> logits (B, N, V). One matrix of
    tokens for source, target and output; places up to `longest` are learned.
    """

    window = Window
    scale = 0.5**0.5  # of a sum of two: its variance stays (sec. 3.5)

    def __init__(self, vocab_size, dim, depth, kernel=3, longest=128,
                 dropout=0.0):
        super().__init__()
        self.dim, self.dropout = dim, nn.Dropout(dropout)
        self.token = nn.Embedding(vocab_size, dim)
        self.place = nn.Embedding(longest, dim)
        self.encoder, self.decoder = (nn.ModuleList(
            self.window(dim, kernel, causal) for _ in range(depth))
            for causal in (False, True))
        self.glances = nn.ModuleList(Glance(dim) for _ in range(depth))
        self.out = nn.Linear(dim, dim)
        nn.init.normal_(self.token.weight, std=dim**-0.5)
        nn.init.normal_(self.place.weight, std=0.1)

    def embed(self, tokens):
        """(B, N) ids -> (B, N, D): word and place."""
        check_ids(tokens, self.token.num_embeddings)
        longest = self.place.num_embeddings
        if tokens.ndim != 2 or not 0 < tokens.shape[1] <= longest:
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but "
                             f"this model reads (B, N) ids, 1 to {longest}")
        place = self.place.weight[: tokens.shape[1]]
        return self.dropout(self.token(tokens) + place)

    def encode(self, source, valid=None):
        """(B, S) -> (B, S, 2 D): keys, and beside them values.

        A value is its key and the word itself (eq. 2).
        """
        words = x = self.embed(source)
        there = 1 if valid is None else _there(valid, source)[..., None]
        for window in self.encoder:
            x = (x + window(x * there)) * self.scale
        return torch.cat([x, x + words], -1)

    def walk(self, target, memory, valid=None):
        """-> features (B, N, D), and a list of shares (B, N, S), one a layer.

        In every layer: a window, a look at the source, both added.
        """
        words = x = self.embed(target)
        keys, values = memory.chunk(2, -1)
        shares = []
        for window, glance in zip(self.decoder, self.glances):
            seen = window(x)
            shares.append(glance(seen, words, keys, valid))
            seen = (seen + shares[-1] @ values) * self.scale
            x = (x + seen) * self.scale
        return self.out(x), shares

    def decode(self, target, memory, valid=None):
        """(B, N), encoded source -> (B, N, D); i has seen target 0 to i."""
        return self.walk(target, memory, valid)[0]

    def features(self, source, target, valid=None):
        """(B, S), (B, N) -> (B, N, D)."""
        return self.decode(target, self.encode(source, valid), valid)

    def head(self, x):
        """(B, N, D) -> (B, N, V)."""
        return F.linear(x, self.token.weight)

    def forward(self, source, target, valid=None):
        return self.head(self.features(source, target, valid))

    def attentions(self, source, target, valid=None):
        """The shares of each layer, (B, 1, N, S): one head."""
        memory = self.encode(source, valid)
        return [a[:, None] for a in self.walk(target, memory, valid)[1]]


def _there(valid, source):
    check_flags(valid, "valid", source.shape)
    if not valid.any(1).all():
        raise ValueError("valid is False for a whole row: attention needs at "
                         "least one token to look at")
    return valid
