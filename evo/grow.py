"""A vocabulary that grows: rows for new words beside those that are there."""
import copy

import torch
from torch import nn

from evo.tokenizers import LONGEST, WordPiece


@torch.no_grad()
def add_words(model, pieces, words, start="mean", seed=0):
    """A copy of a BERT, and its pieces, that know `words` as single pieces.

    -> (model, WordPiece). Every word gets a row behind the V that the token
    table has, and a bias; what was learned stays as it is, but a longer word
    may now be cut otherwise, if it begins with a new one. start: "random",
    normal with deviation 0.02, as before training, biases 0; or "mean", at
    the mean of the pieces that spelled the word, where Hewitt (2021), who
    warns of random rows, takes the mean of all. ValueError for a word that
    is none, has a piece already, or stands there twice.
    """
    if start not in ("mean", "random"):
        raise ValueError(f'start={start!r} must be "mean" or "random"')
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed={seed!r} must be a whole number, at least 0")
    words = _new(model, pieces, words)
    old, bias = model.token.weight, model.bias
    spelled = [pieces.encode(word) for word in words]
    if start == "mean":
        rows = torch.stack([old[ids].mean(0) for ids in spelled])
        biases = torch.stack([bias[ids].mean() for ids in spelled])
    else:
        chance = torch.Generator().manual_seed(seed)
        rows = 0.02 * torch.randn(
            len(words), old.shape[1], generator=chance).to(old)
        biases = bias.new_zeros(len(words))
    grown = copy.deepcopy(model)
    grown.token = nn.Embedding.from_pretrained(
        torch.cat([old, rows]), freeze=False)
    grown.bias = nn.Parameter(torch.cat([bias, biases]))
    return grown, WordPiece([*pieces.pieces, *words])


# ------------------------------------------------ what is refused


def _new(model, pieces, words):
    """The words as a list: each a word, new, and there once."""
    if not isinstance(pieces, WordPiece):
        raise ValueError("pieces must be the WordPiece that the model reads, "
                         f"got {type(pieces).__name__}")
    if not all(hasattr(model, name) for name in ("token", "bias")):
        raise ValueError("model must have a token table and a bias for every "
                         f"token, as BERT; {type(model).__name__} has not")
    if len(pieces) != model.token.num_embeddings:
        raise ValueError(
            f"the model has {model.token.num_embeddings} rows, but there are "
            f"{len(pieces)} pieces: pass the pieces that it was trained with")
    if not isinstance(words, (list, tuple)) or not all(
            isinstance(word, str) for word in words):
        raise ValueError(f"words must be a list of strings, got {words!r:.60}")
    words = list(words)
    if not words or len(set(words)) < len(words):
        raise ValueError("words must hold at least one word, and none twice")
    for word in words:
        if pieces.words(word) != [word] or len(word) > LONGEST:
            raise ValueError(f"{word!r} is not one word as the pieces read "
                             "it: in lower case, without accents or blanks")
        if word in pieces.pieces:
            raise ValueError(f"{word!r} has a piece already: leave it out")
    return words
