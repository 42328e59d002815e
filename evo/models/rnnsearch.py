"""RNNsearch (Bahdanau et al. 2015): every written word looks back.

Shapes: B batch, S source, N target, H hidden. `valid` (B, S) is False in the
padding of the source.
"""
import torch
from torch import nn

from evo.inputs import check_flags, check_shape, check_vectors
from evo.models.seq2seq import Seq2Seq


class Additive(nn.Module):
    """score(q, k) = v . tanh(W q + U k): a small network, asked for each pair.

    Appendix A.1.2, without biases; for queries (B, N, Q) and keys
    (B, S, K), which need not be equally long.
    """

    def __init__(self, query, key, hidden):
        super().__init__()
        self.query = nn.Linear(query, hidden, bias=False)
        self.key = nn.Linear(key, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def weights(self, queries, seen, valid=None):
        """seen (B, S, hidden): `key` of the keys -> shares (B, N, S)."""
        pairs = self.query(queries)[:, :, None] + seen[:, None]
        scores = self.score(pairs.tanh()).squeeze(-1)
        if valid is not None:
            check_flags(valid, "valid", (len(seen), seen.shape[1]))
            if not valid.any(1).all():
                raise ValueError("valid is False for a whole row: attention "
                                 "needs at least one key to look at")
            scores = scores.masked_fill(~valid[:, None], -torch.inf)
        return scores.softmax(-1)

    def forward(self, queries, keys, values, valid=None):
        """What each query takes home: (B, N, values)."""
        check_vectors(queries, self.query.in_features, "queries")
        check_vectors(keys, self.key.in_features, "keys")
        check_shape(values, (*keys.shape[:2], *values.shape[2:]), "values")
        return self.weights(queries, self.key(keys), valid) @ values


class RNNSearch(Seq2Seq):
    """An encoder-decoder whose every step takes its own look at the source.

    The state before a step asks, the encoder's states are keys and values.
    looks: width of the small network that compares (the paper's is H).
    """

    def __init__(self, vocab_size, dim, hidden, dropout=0.0, looks=64):
        super().__init__(vocab_size, dim, hidden, dropout)
        self.attention = Additive(hidden, hidden, looks)

    def seen(self, memory):
        return self.attention.key(memory)

    def look(self, state, memory, seen, valid=None):
        shares = self.attention.weights(state[:, None], seen, valid)
        return (shares @ memory)[:, 0], shares[:, 0]

    def attentions(self, source, target, valid=None):
        """The share of each source token in each step: (B, N, S)."""
        memory = self.encode(source, valid)
        return torch.stack(self.walk(target, memory, valid)[1], 1)
