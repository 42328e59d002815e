"""Transformer (Vaswani et al. 2017): a sequence into another, by attention."""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from evo import look
from evo.blocks import Attention, Block, Encoder, causal_mask
from evo.inputs import check_flags, check_ids
from evo.models import weights

NORM = partial(nn.LayerNorm, eps=1e-5)


def sinusoids(length, dim, device=None):
    """(N, D), D/2 clock hands.

    Columns 2j and 2j+1 are sine and cosine of place / 10000^(2j/D).
    """
    speed = 10_000 ** (-torch.arange(0, dim, 2, device=device) / dim)
    angle = torch.arange(length, device=device)[:, None] * speed  # (N, D/2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :dim]


class DecoderBlock(Block):
    """A post-norm block that cannot see the future.

    Between its two branches it asks the source.
    """

    def __init__(self, dim, heads, norm=NORM, activation=nn.ReLU):
        super().__init__(
            dim, heads, norm_first=False, norm=norm, activation=activation)
        self.cross, self.norm_cross = Attention(dim, heads), norm(dim)

    def forward(self, x, source, mask=None):
        x = self.norm1(x + self.attn(x, mask=causal_mask))
        x = self.norm_cross(x + self.cross(x, source, mask=mask))
        return self.norm2(x + self.mlp(x))


class Transformer(nn.Module):
    """head(decode(target, encode(source))).

    The encoder sees all, the decoder only what came before. source (B, S),
    target (B, N) ids -> logits (B, N, V). valid (B, S): False = padding. As in
    the paper: norm after each sum, ReLU, sinusoids, and one token matrix for
    source, target and output, times sqrt(D) on the way in. But no dropout.
    """

    def __init__(self, vocab_size, dim, depth, heads):
        super().__init__()
        self.dim = dim
        self.token = nn.Embedding(vocab_size, dim)
        self.encoder = Encoder(dim, depth, heads, norm_first=False, norm=NORM,
                               activation=nn.ReLU)
        self.decoder = nn.ModuleList(
            DecoderBlock(dim, heads) for _ in range(depth))
        self.init_weights()

    @torch.no_grad()
    def init_weights(self):
        """Tokens normal 1/sqrt(D), matrices Xavier.

        Times sqrt(D) the tokens have variance 1.
        """
        nn.init.normal_(self.token.weight, std=self.dim**-0.5)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def embed(self, tokens):
        """(B, N) token ids -> (B, N, D), positions added."""
        check_ids(tokens, self.token.num_embeddings)
        if tokens.ndim != 2 or tokens.shape[1] == 0:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}, but this model "
                "reads (B, N) ids with at least one token: put a start token "
                "in front")
        x = self.token(tokens) * self.dim**0.5
        return x + sinusoids(
            tokens.shape[1], self.dim, tokens.device).to(x.dtype)

    def encode(self, source, valid=None):
        """(B, S) -> (B, S, D); every token has seen every other."""
        return self.encoder(self.embed(source), _who(valid, source.shape))

    def decode(self, target, memory, valid=None):
        """(B, N), encoded source (B, S, D) -> (B, N, D).

        Position i has seen target 0 to i.
        """
        x, mask = self.embed(target), _who(valid, memory.shape[:2])
        for block in self.decoder:
            x = block(x, memory, mask)
        return x

    def features(self, source, target, valid=None):
        """(B, S), (B, N) -> (B, N, D)."""
        return self.decode(target, self.encode(source, valid), valid)

    def head(self, x):
        """(B, N, D) -> (B, N, V)."""
        return F.linear(x, self.token.weight)

    def forward(self, source, target, valid=None):
        return self.head(self.features(source, target, valid))

    def attentions(self, source, target, valid=None):
        """Which source token each target token looks at.

        A list of (B, H, N, S), one a block.
        """
        crosses = [block.cross for block in self.decoder]
        return look.attentions(self, source, target, valid, at=crosses)


def _who(valid, shape):
    """(B, S), True = a token -> a mask for every query of every head."""
    if valid is None:
        return None
    check_flags(valid, "valid", shape)
    return valid[:, None, None]


@torch.no_grad()
def translate(model, source, start, end, steps, valid=None):
    """The likeliest next token, again and again.

    (B, S) ids -> (B, N) ids, N <= steps + 1. A row begins with `start`; after
    `end` it is filled up with `end`.
    """
    if steps < 0:
        raise ValueError(f"steps={steps} must be 0 or more")
    memory, target = (
        model.encode(source, valid), torch.full_like(source[:, :1], start))
    for _ in range(steps):
        new = model.head(
            model.decode(target, memory, valid)[:, -1:]).argmax(-1)
        target = torch.cat(
            [target, new.masked_fill(target[:, -1:] == end, end)], dim=1)
        if (target[:, -1] == end).all():
            break
    return target


def transformer_base():
    """The base model, the paper's 37,000 shared tokens: 63,082,496 parameters.

    The paper says 65 million, which takes 41,100 tokens; with them the nine
    other counts of its table 3 that vary the base model come out as well
    (tests/parity/test_transformer.py).
    """
    return Transformer(vocab_size=37_000, dim=512, depth=6, heads=8)


TORCH = [
    (r"^(encoder|decoder)\.layers\.", r"\1."),
    (r"^encoder\.", "encoder.blocks."),
    (r"(decoder\.\d+)\.norm2\.", r"\1.norm_cross."),
    (r"(decoder\.\d+)\.norm3\.", r"\1.norm2."),
    (r"\.self_attn\.", ".attn."),
    (r"\.multihead_attn\.", ".cross."),
    (r"\.in_proj_", ".qkv."),
    (r"\.out_proj\.", ".proj."),
    (r"\.linear(\d)\.", lambda found: f".mlp.{2 * int(found[1]) - 2}."),
]


def load_torch(model, state_dict):
    """Load nn.Transformer, which has no tokens and no positions.

    Those of `model` stay. By default nn.Transformer ends encoder and decoder
    with one more norm, which the paper does not have: pass it
    nn.TransformerEncoder(..., norm=None) and
    nn.TransformerDecoder(..., norm=None).
    """
    return weights.load(model, weights.rename(state_dict, TORCH)
                        | {"token.weight": model.token.weight})
