"""The parts that every Transformer in the book is assembled from.

Shapes: B batch, N tokens, D width, H heads, S tokens that are looked at (in
self-attention S = N). `mask` says who may attend to whom: boolean, True = may
attend (as in F.scaled_dot_product_attention; nn.MultiheadAttention means the
opposite), of any shape that broadcasts to (B, H, N, S). Floats instead are a
bias, added to the scores.
"""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_count, check_images, check_module, check_vectors, kind

LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


def causal_mask(n, device=None):
    """(n, n), True where position i may attend to position j: j <= i.

    Wherever a `mask` is expected this function itself may be handed over,
    uncalled: attention then skips the future instead of computing it and
    throwing it away.
    """
    check_count(n, "n", least=0)
    return torch.ones(n, n, dtype=torch.bool, device=device).tril()


class QuickGELU(nn.Module):
    """GELU's sigmoid form (Hendrycks & Gimpel 2016, sec. 2): CLIP and iGPT."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


def attend(q, k, v, mask=None):
    """softmax(q k^T / sqrt(d) + bias) v in every head.

    q (B, H, N, d), k and v (B, H, S, d) -> (B, H, N, d). mask: None; boolean,
    True = may attend; `causal_mask` itself; or floats, the bias. A query that
    may attend to nobody takes nothing home: zeros, and no gradient.
    """
    if mask is causal_mask:
        if q.shape[2] != k.shape[2]:
            raise ValueError(
                f"mask=causal_mask with {q.shape[2]} queries and {k.shape[2]} "
                "keys: it is for a sequence that looks at itself; pass a "
                "table (N, S)")
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if mask is not None:
        mask = _fitting(mask, q, k)
    return F.scaled_dot_product_attention(q, k, v, mask)


def _fitting(mask, q, k):
    """A table for attention, a bias in the scores' dtype; or a clear error."""
    if not isinstance(mask, torch.Tensor) or not (
            mask.dtype == torch.bool or mask.is_floating_point()):
        raise ValueError(
            "mask must be boolean, True = may attend, or floats, a bias added "
            f"to the scores, or causal_mask, got {kind(mask)}: pass "
            "mask.bool()")
    B, H, N, S = *q.shape[:3], k.shape[2]
    shape = mask.shape
    if len(shape) > 4 or any(
            m not in (1, n) for m, n in zip(shape[::-1], (S, N, H, B))):
        raise ValueError(
            f"mask has shape {tuple(shape)}, which does not broadcast to "
            f"(batch, heads, queries, keys) = {(B, H, N, S)}")
    return mask if mask.dtype == torch.bool else mask.to(q.dtype)


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017, sec. 3.2).

    (B, N, D) -> (B, N, D). attn(x) looks from x at x; attn(x, source) from x
    at a source (B, S, source_dim); attn(q, k, v) finds by k and takes from v,
    as DETR, which adds positions to q and k and not to v.
    """

    def __init__(self, dim, heads, source_dim=None):
        super().__init__()
        check_count(dim, "dim"), check_count(heads, "heads")
        if dim % heads:
            raise ValueError(
                f"heads={heads} does not divide dim={dim}, as it must")
        self.heads, self.dim, self.source_dim = heads, dim, source_dim or dim
        if self.source_dim == dim:
            self.qkv = nn.Linear(dim, 3 * dim)
        else:
            self.q, self.kv = (
                nn.Linear(dim, dim), nn.Linear(self.source_dim, 2 * dim))
        self.proj = nn.Linear(dim, dim)

    def split(self, q, k=None, v=None):
        """q (B, N, D), k and v (B, S, source_dim) -> the same in heads.

        Queries (B, H, N, D/H), keys and values (B, H, S, D/H).
        """
        k = q if k is None else k
        v = k if v is None else v
        check_vectors(q, self.dim, "q")
        if q is k is v and self.source_dim == self.dim:
            parts = self.qkv(q).chunk(3, dim=-1)  # 3 x (B, N, D)
        else:
            check_vectors(k, self.source_dim, "k")
            check_vectors(v, self.source_dim, "v")
            same = self.source_dim == self.dim
            parts = (each(self.qkv, q, k, v) if same
                     else [self.q(q), *each(self.kv, k, v)])
        shape = self.heads, self.dim // self.heads
        return [part.view(*part.shape[:2], *shape).transpose(1, 2)
                for part in parts]

    def forward(self, q, k=None, v=None, mask=None):
        y = attend(*self.split(q, k, v), mask)
        # (B, H, N, D/H) -> (B, N, D)
        return self.proj(y.transpose(1, 2).flatten(2))

    def weights(self, x, mask=None):
        """Who attends to whom in x: what attention takes of one-hot values.

        (B, N, D) -> (B, H, N, N).
        """
        q, k, _ = self.split(x)
        one_hot = torch.eye(k.shape[2], dtype=k.dtype, device=k.device)
        return attend(q, k, one_hot.expand(*k.shape[:3], -1), mask)


def each(linear, *inputs):
    """Maps that stand stacked in one, each with an input of its own."""
    check_module(linear, "linear")
    n = len(inputs)
    maps = zip(inputs, linear.weight.chunk(n), linear.bias.chunk(n))
    return [F.linear(x, weight, bias) for x, weight, bias in maps]


def feed_forward(dim, activation=nn.GELU):
    """Two linear maps, four times wider in between: (B, N, D) -> (B, N, D)."""
    check_count(dim, "dim")
    return nn.Sequential(
        nn.Linear(dim, 4 * dim), activation(), nn.Linear(4 * dim, dim))


class LayerScale(nn.Module):
    """A branch weighted by channel, at first by little (CaiT, BEiT)."""

    def __init__(self, branch, dim, start=1e-5):
        super().__init__()
        check_module(branch, "branch"), check_count(dim, "dim")
        self.branch, self.scale = (
            branch, nn.Parameter(torch.full((dim,), start)))

    def forward(self, *args, **named):
        return self.scale * self.branch(*args, **named)


class Block(nn.Module):
    """Attention, then an MLP, each with a residual: (B, N, D) -> (B, N, D).

    norm_first=False normalises after the sum (Transformer, GPT-1, BERT),
    norm_first=True before the branch (GPT-2, iGPT, ViT and after). `norm` is
    called with dim, `activation` with nothing. Other branches are handed in as
    modules: attn(x, mask=mask), mlp(x).
    """

    def __init__(self, dim, heads, norm_first=True, norm=LAYER_NORM,
                 activation=nn.GELU, attn=None, mlp=None):
        super().__init__()
        check_count(dim, "dim"), check_count(heads, "heads")
        self.norm_first = norm_first
        self.norm1 = norm(dim)
        self.attn = Attention(dim, heads) if attn is None else attn
        self.norm2 = norm(dim)
        self.mlp = feed_forward(dim, activation) if mlp is None else mlp

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.attn(self.norm1(x), mask=mask)
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attn(x, mask=mask))
        return self.norm2(x + self.mlp(x))


class Encoder(nn.Module):
    """A stack of blocks: (B, N, D) -> (B, N, D).

    It knows nothing of words, pixels or losses. With norm_first=True the
    output of the last block is not normalised yet: one more norm follows.
    `block` makes a block: a class or function that is called as Block is.
    """

    def __init__(self, dim, depth, heads, norm_first=True, norm=LAYER_NORM,
                 activation=nn.GELU, block=Block):
        super().__init__()
        self.dim = dim
        blocks = [block(dim, heads, norm_first, norm, activation)
                  for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm(dim) if norm_first else nn.Identity()

    def forward(self, x, mask=None):
        check_vectors(x, self.dim)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)


def linear_maps(module):
    """[(name, nn.Linear)] of all linear maps inside: to start them.

    In the order of their making.
    """
    check_module(module, "module")
    return [(name, part) for name, part in module.named_modules()
            if isinstance(part, nn.Linear)]


def size_of(model):
    """How many numbers a model learns; one that is shared counts once."""
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be an nn.Module, got {kind(model)}")
    return sum(p.numel() for p in model.parameters())


def two(size, name="size"):
    """7 -> (7, 7); (5, 7) -> (5, 7). name: what a ValueError calls it."""
    pair = (size, size) if isinstance(size, int) else size
    if not isinstance(pair, (tuple, list, torch.Size)) or len(pair) != 2:
        raise ValueError(f"{name}={size!r} must be one whole number or two")
    for number in pair:
        check_count(number, name)
    return pair[0], pair[1]


def patchify(images, patch_size):
    """Cut pictures into patches, row by row: (B, C, H, W) -> (B, N, P*P*C).

    A patch is read as in MAE, in the order rows, columns, channels.
    """
    P = patch_size
    if images.ndim != 4:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, but (B, C, H, W) is "
            "needed: for a single picture images[None]")
    B, C, height, width = images.shape
    if P < 1 or height % P or width % P:
        raise ValueError(
            f"patch_size={P} does not divide the picture of {height}x{width}; "
            "choose a common divisor")
    rows, columns = height // P, width // P
    patches = images.reshape(B, C, rows, P, columns, P).permute(
        0, 2, 4, 3, 5, 1)  # (B, rows, columns, P, P, C)
    return patches.reshape(B, rows * columns, P * P * C)


class PatchEmbedding(nn.Module):
    """Images (B, C, H, W) -> patches (B, N, D), row by row.

    One linear map for every patch; elsewhere it is written as a P x P
    convolution of stride P. image_size: one number or (height, width). `grid`
    is the number of patches a side, and for oblong images (rows, columns).
    """

    def __init__(self, image_size, patch_size, channels, dim, bias=True):
        super().__init__()
        self.patch_size, self.channels = patch_size, channels
        self.resize(image_size)
        self.proj = nn.Linear(patch_size**2 * channels, dim, bias=bias)

    def resize(self, image_size):
        """From now on read images of this size."""
        height, width = two(image_size, "image_size")
        P = self.patch_size
        if P < 1 or min(height, width) < 1 or height % P or width % P:
            raise ValueError(
                f"image_size={image_size} is not divisible by patch_size={P}: "
                "resize or pad the images, or choose another patch")
        self.image_size, self.rows, self.columns = (
            image_size, height // P, width // P)
        self.grid = self.rows if height == width else (self.rows, self.columns)

    def forward(self, images):
        check_images(images, (self.channels, *two(self.image_size)),
                     self.proj.weight.dtype)
        return self.proj(patchify(images, self.patch_size))
