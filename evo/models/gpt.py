"""GPT (Radford et al. 2018, 2019): a Transformer predicts the next token."""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Encoder, attend, causal_mask, linear_maps
from evo.inputs import check_flags, check_ids
from evo.models import weights

TANH_GELU = partial(nn.GELU, approximate="tanh")
NORM = partial(nn.LayerNorm, eps=1e-5)


class GPT(nn.Module):
    """features = encoder(embed(tokens), causal_mask), which the head reads.

    tokens (B, N) ids, N <= length -> logits (B, N, V): the head compares the
    features with every token. As GPT-2: norm before each branch, tanh GELU,
    output matrix tied to the token vectors; but no dropout.
    """

    def __init__(self, vocab_size, length, dim, depth, heads,
                 activation=TANH_GELU):
        super().__init__()
        self.dim, self.length = dim, length
        self.token = nn.Embedding(vocab_size, dim)
        self.position = nn.Embedding(length, dim)
        self.encoder = self.make_encoder(dim, depth, heads, activation)
        self.init_weights()

    def make_encoder(self, dim, depth, heads, activation):
        """The body, (B, N, D) -> (B, N, D).

        A descendant with another one says so here.
        """
        return Encoder(dim, depth, heads, norm=NORM, activation=activation)

    @torch.no_grad()
    def init_weights(self):
        """As GPT-2: normal .02, positions .01.

        What ends a branch is divided by sqrt(2 * depth). Branches end with the
        maps that give D numbers.
        """
        blocks = self.encoder.blocks
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.position.weight, std=0.01)
        for block in blocks:
            layers = [layer for _, layer in linear_maps(block)]
            for layer in layers:
                if layer.out_features != self.dim:
                    nn.init.normal_(layer.weight, std=0.02)
            for layer in layers:
                if layer.out_features == self.dim:
                    nn.init.normal_(
                        layer.weight, std=0.02 / (2 * len(blocks)) ** 0.5)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def embed(self, tokens):
        """(B, N) token ids -> (B, N, D), positions added."""
        check_ids(tokens, self.token.num_embeddings)
        if tokens.ndim != 2 or tokens.shape[1] > self.length:
            raise ValueError(
                f"tokens have shape {tuple(tokens.shape)}, but this model "
                f"reads (B, N) ids, N <= length={self.length}: cut the "
                "sequences or build it with a greater length")
        return self.token(tokens) + self.position.weight[: tokens.shape[1]]

    def features(self, tokens):
        """(B, N) -> (B, N, D); position i has seen tokens 0 to i only."""
        return self.encoder(self.embed(tokens), causal_mask)

    def head(self, x):
        """(B, N, D) -> (B, N, V)."""
        return F.linear(x, self.token.weight)

    def forward(self, tokens):
        return self.head(self.features(tokens))


def gpt2_small():
    """The smallest GPT-2 as released: 124,439,808 parameters."""
    return GPT(vocab_size=50_257, length=1024, dim=768, depth=12, heads=12)


TRANSFORMERS = [
    (r"^transformer\.", ""),
    (r"^wte\.", "token."),
    (r"^wpe\.", "position."),
    (r"^h\.", "encoder.blocks."),
    (r"^ln_f\.", "encoder.norm."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.attn\.c_attn\.", ".attn.qkv."),
    (r"\.attn\.c_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.0."),
    (r"\.mlp\.c_proj\.", ".mlp.2."),
]


def load_transformers(model, state_dict):
    """Load transformers.GPT2LMHeadModel or GPT2Model.

    Their linear maps are stored as (in, out). lm_head is the token matrix once
    more and is left out; so are the mask buffers of old files.
    """
    renamed = weights.rename(state_dict, TRANSFORMERS,
                             drop=r"^lm_head\.|\.attn\.(masked_)?bias$")
    for name, tensor in renamed.items():
        if name.startswith("encoder.blocks.") and tensor.ndim == 2:
            renamed[name] = tensor.T
    return weights.load(model, renamed)


def step(model, tokens, cache=(), valid=None):
    """Read on, after what `cache` has read.

    tokens (B, N) -> their logits (B, N, V), and the grown cache.
    cache: nothing at the start; then keys and values of every block, each
    (B, H, n, D/H). They never change, because no token sees those behind it:
    what was read is not computed again.
    valid: bool (B, n + N), False where padding stands in front; a text begins
    after its padding.
    """
    past = cache[0][0].shape[2] if cache else 0
    n = past + tokens.shape[1]
    if n > model.length:
        raise ValueError(
            f"{n} tokens, {past} of them in the cache, do not fit into the "
            f"position table, length={model.length}")
    check_ids(tokens, model.token.num_embeddings)
    place = torch.arange(n, device=tokens.device)
    # the last rows of causal_mask(n)
    mask, grown = place <= place[past:, None], []
    if valid is None:
        x = model.token(tokens) + model.position.weight[past:n]
    else:
        check_flags(valid, "valid", (len(tokens), n))
        x = model.token(tokens) + model.position(
            (valid.cumsum(1) - 1).clamp(min=0)[:, past:])
        # so that padding, too, has something to look at
        itself = place == place[past:, None]
        mask = mask & (valid[:, None, None] | itself)  # (B, 1, N, n)
    for i, block in enumerate(model.encoder.blocks):
        if not block.norm_first:
            raise ValueError("reading on is written for blocks that normalise "
                             "first, as GPT-2's; this model's do so last")
        q, k, v = block.attn.split(block.norm1(x))
        if past:
            k, v = (torch.cat([cache[i][0], k], dim=2),
                    torch.cat([cache[i][1], v], dim=2))
        y = attend(q, k, v, mask)
        # (B, H, N, D/H) -> (B, N, D)
        x = x + block.attn.proj(y.transpose(1, 2).flatten(2))
        x = x + block.mlp(block.norm2(x))
        grown.append((k, v))
    return model.head(model.encoder.norm(x)), grown


@torch.no_grad()
def generate(model, tokens, steps, temperature=1.0, top_k=None,
             generator=None, end=None, valid=None):
    """Write on: ids (B, N) -> (B, N + steps), fewer if every row meets `end`.

    Prompts of unequal length stand at the right, with padding in front, and
    valid, bool (B, N), is False there: each goes on as it would alone. Without
    `valid` every id is text.

    Each token is drawn from softmax(logits / temperature), of the top_k
    likeliest only where top_k is given; top_k=1 always takes the likeliest.
    What follows an `end` in its row is `end`.
    """
    vocab_size = model.token.num_embeddings
    check_ids(tokens, vocab_size, "the prompt")
    if tokens.ndim != 2 or tokens.shape[1] == 0:
        raise ValueError(
            f"the prompt has shape {tuple(tokens.shape)}, but generate wants "
            "(B, N) ids with a token to go on from: a start token, for "
            "instance")
    if steps < 0:
        raise ValueError(f"steps={steps} must be 0 or more")
    if tokens.shape[1] + steps > model.length:
        raise ValueError(
            f"a prompt of {tokens.shape[1]} tokens and steps={steps} more do "
            f"not fit into length={model.length}: cut the prompt or ask for "
            "fewer steps")
    if temperature <= 0:
        raise ValueError(f"temperature={temperature} must be above 0; for the "
                         "likeliest token take top_k=1")
    if top_k is not None and not 1 <= top_k <= vocab_size:
        raise ValueError(f"top_k={top_k} must be between 1 and the size of "
                         f"the vocabulary, {vocab_size}")
    if valid is not None:
        check_flags(valid, "valid", tokens.shape)
        if not valid[:, -1].all() or (valid[:, :-1] & ~valid[:, 1:]).any():
            raise ValueError(
                "padding must stand in front of a prompt, not behind or "
                "inside it: valid has to be False ... False True ... True in "
                "every row")
    new, cache, ended = (
        tokens, (), tokens.new_zeros(len(tokens), 1, dtype=torch.bool))
    for _ in range(steps):
        logits, cache = step(model, new, cache, valid)
        scores = logits[:, -1] / temperature
        if top_k is not None:
            least = scores.topk(top_k).values[:, -1:]
            scores = scores.masked_fill(scores < least, -torch.inf)
        new = torch.multinomial(scores.softmax(-1), 1, generator=generator)
        if end is not None:
            new = new.masked_fill(ended, end)
            ended = new == end
        tokens = torch.cat([tokens, new], dim=1)
        if valid is not None:
            valid = F.pad(valid, (0, 1), value=True)
        if ended.all():
            break
    return tokens
