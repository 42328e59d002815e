"""BERT (Devlin et al. 2019): hidden words are guessed from both sides."""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Encoder
from evo.inputs import check_flags, check_ids
from evo.models import weights

NORM = partial(nn.LayerNorm, eps=1e-12)


class BERT(nn.Module):
    """features = encoder(norm(token + position + segment)), for two heads.

    tokens (B, N) ids, N <= length: [CLS] first [SEP] or [CLS] first [SEP]
    second [SEP]. segments (B, N): 0 up to the first [SEP], 1 after it; None:
    all 0. valid bool (B, N), True = no padding; None: no padding anywhere. As
    the original: normalised after each sum, GELU, output matrix tied to the
    token vectors; but no dropout.
    """

    def __init__(self, vocab_size, length, dim, depth, heads):
        super().__init__()
        self.dim, self.length = dim, length
        self.token = nn.Embedding(vocab_size, dim)
        self.position = nn.Embedding(length, dim)
        self.segment = nn.Embedding(2, dim)
        self.norm = NORM(dim)
        self.encoder = Encoder(dim, depth, heads, norm_first=False, norm=NORM)
        self.pooler = nn.Linear(dim, dim)
        self.transform = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), NORM(dim))
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.next = nn.Linear(dim, 2)
        self.apply(init_weights)

    def embed(self, tokens, segments=None):
        """(B, N) -> (B, N, D): what the token is, and where it stands.

        In the row, and in which of the two texts (sec. 3).
        """
        check_ids(tokens, self.token.num_embeddings)
        if tokens.ndim != 2 or not 1 <= tokens.shape[1] <= self.length:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}, but this model "
                f"reads (B, N) ids, 1 <= N <= length={self.length}: cut the "
                "texts or build it with a greater length")
        segments = torch.zeros_like(tokens) if segments is None else segments
        check_ids(segments, 2, "segments", tokens.shape)
        position = self.position.weight[: tokens.shape[1]]
        return self.norm(
            self.token(tokens) + position + self.segment(segments))

    def features(self, tokens, segments=None, valid=None):
        """(B, N) -> (B, N, D); every position has seen all, on both sides."""
        if valid is not None:
            check_flags(valid, "valid", tokens.shape)
        # (B, 1, 1, N): nobody attends to padding
        mask = None if valid is None else valid[:, None, None]
        return self.encoder(self.embed(tokens, segments), mask)

    def pool(self, x):
        """(B, N, D) -> (B, D): one vector for the whole text, from [CLS]."""
        return torch.tanh(self.pooler(x[:, 0]))

    def guess(self, x):
        """(..., D) -> (..., V): which word is it (masked language model)."""
        return F.linear(self.transform(x), self.token.weight, self.bias)

    def follows(self, x):
        """(B, N, D) -> (B, 2): does the second text follow the first?

        Class 0 = it does, class 1 = it is another's.
        """
        return self.next(self.pool(x))

    def head(self, x):
        """(B, N, D) -> (B, N, V) and (B, 2)."""
        return self.guess(x), self.follows(x)

    def forward(self, tokens, segments=None, valid=None, masked=None):
        """-> (guesses, follows): (B, N, V) and (B, 2).

        With masked, bool (B, N), words are guessed at these positions only:
        (M, V), in the order of logits[masked].
        """
        x = self.features(tokens, segments, valid)
        if masked is None:
            return self.head(x)
        check_flags(masked, "masked", tokens.shape)
        return self.guess(x[masked]), self.follows(x)


@torch.no_grad()
def init_weights(module):
    """As the original: normal .02 (there cut at two deviations), biases 0."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def bert_base():
    """BERT base, uncased, with both heads: 110,106,428 parameters."""
    return BERT(vocab_size=30_522, length=512, dim=768, depth=12, heads=12)


def bert_large():
    """BERT large, uncased, with both heads: 336,226,108 parameters."""
    return BERT(vocab_size=30_522, length=512, dim=1024, depth=24, heads=16)


TRANSFORMERS = [
    (r"\.gamma$", ".weight"),  # files of 2018
    (r"\.beta$", ".bias"),
    (r"^bert\.embeddings\.LayerNorm\.", "norm."),
    (r"^bert\.embeddings\.word_embeddings\.", "token."),
    (r"^bert\.embeddings\.position_embeddings\.", "position."),
    (r"^bert\.embeddings\.token_type_embeddings\.", "segment."),
    (r"^bert\.encoder\.layer\.", "encoder.blocks."),
    (r"\.attention\.self\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.output\.LayerNorm\.", ".norm1."),
    (r"\.intermediate\.dense\.", ".mlp.0."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.2."),
    (r"(blocks\.\d+)\.output\.LayerNorm\.", r"\1.norm2."),
    (r"^bert\.pooler\.dense\.", "pooler."),
    (r"^cls\.predictions\.transform\.dense\.", "transform.0."),
    (r"^cls\.predictions\.transform\.LayerNorm\.", "transform.2."),
    (r"^cls\.predictions\.bias$", "bias"),
    (r"^cls\.seq_relationship\.", "next."),
]


def load_transformers(model, state_dict):
    """Load transformers.BertForPreTraining.

    The layout of the published files (bert-base-uncased). The decoder is the
    token matrix once more and is left out.
    """
    renamed = weights.rename(
        state_dict, TRANSFORMERS,
        drop=r"^cls\.predictions\.decoder\.|\.position_ids$")
    if len(renamed.get("token.weight", ())) not in (
            0, len(model.token.weight)):
        raise ValueError(
            "the file has a vocabulary of "
            f"{len(renamed['token.weight']):,} tokens, this model one of "
            f"{len(model.token.weight):,}: build the model with the "
            "vocab_size of the file, and use the vocabulary that came with it")
    return weights.load(model, renamed)
