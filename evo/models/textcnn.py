"""The text CNN (Kim 2014): word vectors, and filters over a few at a time.

Of each filter the strongest response counts.
"""
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_flags, check_ids


class TextCNN(nn.Module):
    """features = max over time of relu(filters * vectors).

    What was found, not where. tokens (B, N) ids, valid bool (B, N), True = no
    padding -> logits (B, classes); classes=0 drops the head. `maps` filters of
    every width. As the paper: half of the features are dropped at random in
    training; but without its bound on the norm of the head's rows. vectors
    (V, D) are the start, e.g. word2vec's; None: random ones.
    """

    def __init__(self, vocab_size, dim, widths=(3, 4, 5), maps=100, classes=0,
                 dropout=0.5, vectors=None):
        super().__init__()
        self.dim = maps * len(widths)
        self.token = nn.Embedding(vocab_size, dim)
        self.filters = nn.ModuleList(
            nn.Conv1d(dim, maps, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.dim, classes) if classes else nn.Identity()
        nn.init.uniform_(self.token.weight, -0.25, 0.25)
        if vectors is not None:
            if vectors.shape != self.token.weight.shape:
                raise ValueError(
                    f"vectors have shape {tuple(vectors.shape)}, but "
                    f"{vocab_size} tokens of width {dim} are needed")
            self.token.weight.data.copy_(vectors)

    def embed(self, tokens, valid):
        """(B, N) -> (B, N, D); padding is zero."""
        check_ids(tokens, self.token.num_embeddings)
        if tokens.ndim != 2 or tokens.shape[1] == 0:
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but "
                             "this model reads (B, N) ids, N >= 1")
        check_flags(valid, "valid", tokens.shape)
        return self.token(tokens) * valid[..., None]

    def features(self, tokens, valid):
        """(B, N) -> (B, maps * widths).

        However much padding follows a text, the features stay the same.
        """
        x = self.embed(tokens, valid).mT  # (B, D, N)
        found = []
        for conv in self.filters:
            # (B, maps, N): a window starts at every word, none in the padding
            response = F.relu(conv(F.pad(x, (0, conv.kernel_size[0] - 1))))
            found.append((response * valid[:, None]).amax(2))
        return torch.cat(found, 1)

    def forward(self, tokens, valid):
        return self.head(self.dropout(self.features(tokens, valid)))
