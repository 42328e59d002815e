"""Encoder and decoder (2014): a sentence becomes one vector, and that another.

Cho et al. 2014, with the GRU; Sutskever et al. 2014 do it with LSTMs.
Shapes: B batch, S source, N target, D numbers a token, H hidden. `valid`
(B, S) is False in the padding of the source.
"""
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_ids
from evo.models.rnn import GRU, Both


class Seq2Seq(nn.Module):
    """head(decode(target, encode(source))): the source becomes one vector.

    source (B, S), target (B, N) ids -> logits (B, N, V). The vector is the
    last state of two GRUs, one from each side; the decoder's first state is
    made of it, and every step of the decoder reads it again (Cho et al.).
    One matrix of tokens for source, target and output. dropout: on tokens.
    """

    def __init__(self, vocab_size, dim, hidden, dropout=0.0):
        super().__init__()
        self.dim, self.hidden = dim, hidden
        self.token = nn.Embedding(vocab_size, dim)
        nn.init.normal_(self.token.weight, std=dim**-0.5)
        self.encoder = Both(GRU, dim, hidden // 2)
        self.first = nn.Linear(hidden, hidden)
        self.decoder = GRU(dim + hidden, hidden)
        self.out = nn.Linear(2 * hidden + dim, dim)
        self.dropout = nn.Dropout(dropout)

    def embed(self, tokens):
        """(B, N) ids -> (B, N, D) of variance 1."""
        check_ids(tokens, self.token.num_embeddings)
        if tokens.ndim != 2 or not tokens.shape[1]:
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but "
                             "this model reads (B, N) ids, at least one each")
        return self.dropout(self.token(tokens) * self.dim**0.5)

    def encode(self, source, valid=None):
        """(B, S) -> (B, S, H), from both sides."""
        return self.encoder(self.embed(source), valid)

    def summary(self, memory):
        """(B, S, H) -> (B, H): where each side's reader ended."""
        half = self.hidden // 2
        return torch.cat([memory[:, -1, :half], memory[:, 0, half:]], 1)

    def start(self, memory):
        """The decoder's first state, (B, H)."""
        return self.first(self.summary(memory)).tanh()

    def seen(self, memory):
        """What every step looks at: here the same one vector."""
        return self.summary(memory)

    def look(self, state, memory, seen, valid=None):
        """What a state takes home, (B, H), and the shares (B, S), if any."""
        return seen, None

    def step(self, words, state, memory, seen, valid=None):
        """One word further: words (B, D) -> row for `out`, state, shares."""
        context, shares = self.look(state, memory, seen, valid)
        now = self.decoder.read(torch.cat([words, context], 1))
        state = self.decoder.step(now, state)
        return torch.cat([state, context, words], 1), state, shares

    def walk(self, target, memory, valid=None):
        """-> features (B, N, D), and where each step looked, a list."""
        state, seen, steps = self.start(memory), self.seen(memory), []
        for words in self.embed(target).unbind(1):
            row, state, shares = self.step(words, state, memory, seen, valid)
            steps.append((row, shares))
        rows, looks = zip(*steps)
        return self.out(torch.stack(rows, 1)).tanh(), looks

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

    def begin(self, source, valid):
        """What the first written token needs, one row a sentence."""
        memory = self.encode(source, valid)
        return self.start(memory), memory, self.seen(memory), valid

    def proceed(self, tokens, now):
        """After one more token, (B,): logits (B, V), what the next needs."""
        state, memory, seen, valid = now
        words = self.embed(tokens[:, None])[:, 0]
        row, state, _ = self.step(words, state, memory, seen, valid)
        return self.head(self.out(row).tanh()), (state, memory, seen, valid)
