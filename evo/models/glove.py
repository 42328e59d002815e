"""GloVe (Pennington, Socher and Manning 2014): vectors whose products are the logarithms of counts.

Every pair of words that was ever seen together is one equation, w . c + b + b' = log count, and all are solved at once
as well as they can be. A pair seen often weighs more, up to a limit.

Shapes: V words, D width of a vector, B pairs.
"""
import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F

from evo.cooccur import as_counts


def pair_weight(counts, most=100.0, power=0.75):
    """(count / most) ** power, at most 1: the paper's equation 9."""
    if not most > 0 or not power > 0:
        raise ValueError(f"most={most} and power={power} must be above 0")
    return (counts / most).pow(power).clamp(max=1)


def weighted_squares(scores, counts, most=100.0, power=0.75):
    """Sum of weight * (score - log count)^2 over pairs.

    scores and counts (B,): the paper's equation 8.
    """
    if scores.shape != counts.shape or not (counts > 0).all():
        raise ValueError("counts must have the shape of scores, "
                         f"{tuple(scores.shape)}, and be above 0: what was "
                         "never seen has no logarithm")
    weight = pair_weight(counts, most, power)
    return (weight * (scores - counts.log()) ** 2).sum()


class GloVe:
    """Two tables and two columns of biases, trained by AdaGrad on the cells of a table of counts.

    counts: sparse (V, V), as `evo.cooccur.cooccurrences` makes it. most, power: see `pair_weight`. lr: AdaGrad's rate.

    Differences from the paper: SIZE pairs a step in place of one, so the squared gradients that AdaGrad adds up are
    those of sums.
    """

    SIZE = 65_536

    def __init__(self, counts, dim=100, most=100.0, power=0.75, lr=0.05, seed=0):
        if not dim >= 1 or not lr > 0:
            raise ValueError(f"dim={dim} must be at least 1 and lr={lr} above 0")
        cells = as_counts(counts).tocoo()
        as_tensor = lambda x, kind: torch.from_numpy(np.ascontiguousarray(x)).to(kind)
        self.cells = as_tensor(cells.row, torch.long), as_tensor(cells.col, torch.long)
        seen = as_tensor(cells.data, torch.float32)
        self.log, self.weight, self.lr = seen.log(), pair_weight(seen, most, power), lr
        self.generator = torch.Generator().manual_seed(seed)
        # one column more than dim holds the bias
        self.input, self.output = (
            (torch.rand(size, dim + 1, generator=self.generator) - 0.5) / dim for size in counts.shape)
        self.squares = [torch.full_like(table, 1e-8) for table in (self.input, self.output)]

    def scores(self, rows, columns):
        """w . c + b + b' of pairs (B,), (B,) -> (B,)."""
        w, c = F.embedding(rows, self.input), F.embedding(columns, self.output)
        return torch.linalg.vecdot(w[:, :-1], c[:, :-1]) + w[:, -1] + c[:, -1]

    def epoch(self):
        """Once through all pairs, in random order. Returns the mean weighted square on the way."""
        total = 0.0
        for batch in torch.randperm(len(self.log), generator=self.generator).split(self.SIZE):
            total += self.step(batch)
        return total / len(self.log)

    def step(self, batch):
        """AdaGrad on the pairs numbered in batch (B,). Returns the sum of their weighted squares."""
        rows, columns = (ids[batch] for ids in self.cells)
        error = self.scores(rows, columns) - self.log[batch]
        pull = self.weight[batch] * error
        table = sp.csr_matrix((pull.numpy(), (rows.numpy(), columns.numpy())), (len(self.input), len(self.output)))
        before = self.input.clone()
        self.descend(self.input, self.squares[0], table, self.output)
        self.descend(self.output, self.squares[1], table.T.tocsr(), before)
        return float(pull @ error)

    def descend(self, mine, squares, pull, others):
        """AdaGrad: every number's step is lr over the root of all its squared gradients so far."""
        gradient = torch.from_numpy(pull @ others.numpy())
        gradient[:, -1] = torch.from_numpy(pull.sum(1)).flatten()  # of the bias
        squares.addcmul_(gradient, gradient)
        mine.addcdiv_(gradient, squares.sqrt(), value=-self.lr)

    def vectors(self, both=True):
        """(V, D): the words' vectors, and with both those of the neighbours added, as in the paper."""
        table = self.input + self.output if both else self.input
        return table[:, :-1]
