"""NNLM (Bengio et al. 2003): look words up, and guess the next from there."""
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_ids, check_shape


class Softmax(nn.Module):
    """One score a word, and probabilities from all scores: the paper's."""

    def __init__(self, width, vocab_size):
        super().__init__()
        self.width, self.vocab_size = width, vocab_size
        self.scores = nn.Linear(width, vocab_size)

    def log_probs(self, x):
        """(B, W) -> (B, V)."""
        check_shape(x, (len(x), self.width), "x")
        return self.scores(x).log_softmax(-1)

    def forward(self, x, word):
        """Log-probability of one word a row: (B, W), (B,) -> (B,)."""
        check_shape(x, (len(x), self.width), "x")
        check_ids(word, self.vocab_size, "word", x.shape[:1])
        return -F.cross_entropy(self.scores(x), word, reduction="none")


class Drawers(nn.Module):
    """Frequent words lie on the table, the others in drawers.

    p(word) = p(on the table), or p(drawer) * p(word | drawer), after Goodman
    (2001) and Grave et al. (2017). Words are numbered by falling frequency;
    cuts: where each drawer begins. The k-th is read from W / 2^k numbers.
    """

    def __init__(self, width, vocab_size, cuts=(500, 2000)):
        super().__init__()
        self.width, self.vocab_size, self.first = width, vocab_size, cuts[0]
        self.ranges = list(zip(cuts, [*cuts[1:], vocab_size]))
        self.table = nn.Linear(width, cuts[0] + len(cuts))
        self.drawers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width // 2**k, bias=False),
                          nn.Linear(width // 2**k, high - low, bias=False))
            for k, (low, high) in enumerate(self.ranges, 1))

    def log_probs(self, x):
        """(B, W) -> (B, V)."""
        check_shape(x, (len(x), self.width), "x")
        table = self.table(x).log_softmax(-1)
        inside = [table[:, self.first + i, None] + drawer(x).log_softmax(-1)
                  for i, drawer in enumerate(self.drawers)]
        return torch.cat([table[:, : self.first], *inside], 1)

    def forward(self, x, word):
        """As Softmax; a drawer is opened only where the word lies in it."""
        check_shape(x, (len(x), self.width), "x")
        check_ids(word, self.vocab_size, "word", x.shape[:1])
        place = word
        for i, (low, high) in enumerate(self.ranges):
            place = place.where((word < low) | (word >= high), self.first + i)
        p = self.table(x).log_softmax(-1).gather(1, place[:, None])[:, 0]
        for drawer, (low, high) in zip(self.drawers, self.ranges):
            rows = ((word >= low) & (word < high)).nonzero()[:, 0]
            inside = drawer(x[rows]).log_softmax(-1)
            own = inside.gather(1, word[rows, None] - low)[:, 0]
            p = p.index_add(0, rows, own)
        return p


class NNLM(nn.Module):
    """log p = output(tanh(hidden(vectors of the words before))).

    context (B, N) ids, the nearest word last -> log-probabilities (B, V). The
    vectors are put side by side, so that a layer knows which word stood
    where. direct: the output reads the vectors, too. Unlike the paper's,
    vectors and hidden units may be dropped in training.
    """

    def __init__(self, vocab_size, context, dim, hidden, direct=False,
                 dropout=0.0, output=Softmax):
        super().__init__()
        self.context, self.direct = context, direct
        self.word = nn.Embedding(vocab_size, dim)
        self.hidden = nn.Linear(context * dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = output(hidden + direct * context * dim, vocab_size)
        nn.init.normal_(self.word.weight, std=0.1)

    def embed(self, context):
        """(B, N) ids -> (B, N * D)."""
        check_ids(context, self.word.num_embeddings, "context")
        if context.ndim != 2 or context.shape[1] != self.context:
            raise ValueError(f"context has shape {tuple(context.shape)}, but "
                             f"this model reads (B, {self.context}) ids")
        return self.dropout(self.word(context).flatten(1))

    def features(self, context):
        """(B, N) -> (B, H), or (B, H + N * D) with direct."""
        x = self.embed(context)
        h = self.dropout(torch.tanh(self.hidden(x)))
        return torch.cat([h, x], 1) if self.direct else h

    def forward(self, context):
        return self.output.log_probs(self.features(context))

    def log_prob(self, windows):
        """Of the last column, after the others: (B, N + 1) -> (B,)."""
        return self.output(self.features(windows[:, :-1]), windows[:, -1])


class DeepNNLM(NNLM):
    """NNLM with today's layers in the place of its tanh (Sun and Iyyer 2021).

    After the linear map come `depth` blocks, each of which adds something to
    what it reads: x + W2 gelu(W1 norm(x)). norm gives every row (H,) mean 0
    and variance 1, then weights of its own. Dropout: behind vectors, gelu
    and the last norm.
    """

    def __init__(self, vocab_size, context, dim, hidden, depth=2, dropout=0.0,
                 output=Softmax):
        super().__init__(vocab_size, context, dim, hidden, dropout=dropout,
                         output=output)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden),
                          nn.GELU(), nn.Dropout(dropout),
                          nn.Linear(hidden, hidden)) for _ in range(depth))
        self.norm = nn.LayerNorm(hidden)

    def features(self, context):
        """(B, N) -> (B, H)."""
        x = self.hidden(self.embed(context))
        for block in self.blocks:
            x = x + block(x)
        return self.dropout(self.norm(x))


def size(vocab_size, context, dim, hidden, direct=True):
    """Parameters by the paper's formula (sec. 2); n - 1 = context."""
    V, m, h = vocab_size, dim, hidden
    straight = V * context * m if direct else 0
    return V * (1 + m + h) + straight + h * (1 + context * m)
