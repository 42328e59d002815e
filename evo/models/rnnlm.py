"""RNNLM (Mikolov et al. 2010): a state has read all words, guesses the next.

Shapes: B batch, N tokens, D width of a vector, H hidden, V words.
"""
from torch import nn

from evo.inputs import check_flags, check_ids
from evo.models.nnlm import Drawers


class RNNLM(nn.Module):
    """A word's vector, layers, and the next word (Mikolov et al. 2010).

    layers: reads (B, N, D), as any class of `evo.models.rnn`. dropout: of the
    vectors and of the states that guess (Zaremba et al. 2014, sec. 3.1).
    """

    def __init__(self, vocab_size, layers, dropout=0.0, output=Drawers):
        super().__init__()
        self.dim = layers.hidden
        self.word = nn.Embedding(vocab_size, layers.dim)
        self.layers, self.dropout = layers, nn.Dropout(dropout)
        self.output = output(layers.hidden, vocab_size)
        nn.init.normal_(self.word.weight, std=0.1)

    def embed(self, tokens):
        """(B, N) ids -> (B, N, D)."""
        check_ids(tokens, self.word.num_embeddings)
        if tokens.ndim != 2:
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but "
                             "this model reads (B, N) ids")
        return self.dropout(self.word(tokens))

    def features(self, tokens, valid=None):
        """(B, N) -> (B, N, H)."""
        return self.dropout(self.layers(self.embed(tokens), valid))

    def forward(self, tokens):
        """Log-probabilities of every next word: (B, N) -> (B, N, V)."""
        h = self.features(tokens)
        return self.output.log_probs(h.flatten(0, 1)).unflatten(0, h.shape[:2])

    def log_prob(self, tokens, valid):
        """Of all words but the first of each row, in rows' order: (M,).

        tokens, valid (B, N); padding stands behind and is not asked for.
        """
        check_flags(valid, "valid", tokens.shape)
        asked = valid[:, 1:]
        if not asked.any():
            raise ValueError("there is no word to guess: every row needs two")
        h = self.features(tokens[:, :-1])
        return self.output(h[asked], tokens[:, 1:][asked])
