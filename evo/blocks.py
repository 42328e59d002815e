"""The parts that every Transformer in the book is assembled from.

Shapes: B batch, N tokens, D width, H heads. `mask` says who may attend to whom: boolean,
True = may attend (as in F.scaled_dot_product_attention; nn.MultiheadAttention means the
opposite), of any shape that broadcasts to (B, H, N, N).
"""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

LAYER_NORM = partial(nn.LayerNorm, eps=1e-6)


def causal_mask(n, device=None):
    """(n, n), True where position i may attend to position j: j <= i.

    Wherever a `mask` is expected this function itself may be handed over, uncalled: attention
    then skips the future instead of computing it and throwing it away.
    """
    return torch.ones(n, n, dtype=torch.bool, device=device).tril()


class QuickGELU(nn.Module):
    """The sigmoid form of GELU (Hendrycks & Gimpel 2016, sec. 2), used by CLIP and iGPT."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, sec. 3.2): (B, N, D) -> (B, N, D)."""

    def __init__(self, dim, heads):
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"heads={heads} does not divide dim={dim}, as it must")
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def split(self, x):
        """(B, N, D) -> queries, keys, values, each (B, H, N, D/H)."""
        B, N, D = x.shape
        parts = self.qkv(x).chunk(3, dim=-1)  # 3 x (B, N, D)
        return [part.view(B, N, self.heads, D // self.heads).transpose(1, 2) for part in parts]

    def forward(self, x, mask=None):
        q, k, v = self.split(x)
        causal = mask is causal_mask
        y = F.scaled_dot_product_attention(q, k, v, None if causal else mask, is_causal=causal)
        return self.proj(y.transpose(1, 2).flatten(2))  # (B, H, N, D/H) -> (B, N, D)

    def weights(self, x, mask=None):
        """Who attends to whom, by the formula: softmax(q k^T / sqrt(D/H)), (B, H, N, N)."""
        q, k, _ = self.split(x)
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        if mask is causal_mask:
            mask = causal_mask(x.shape[1], x.device)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(-1)


class Block(nn.Module):
    """Attention, then an MLP four times as wide, each with a residual: (B, N, D) -> (B, N, D).

    norm_first=False normalises after the sum (Transformer, GPT-1, BERT), norm_first=True before
    the branch (GPT-2, iGPT, ViT and after). `norm` is called with dim, `activation` with nothing.
    """

    def __init__(self, dim, heads, norm_first=True, norm=LAYER_NORM, activation=nn.GELU):
        super().__init__()
        self.norm_first = norm_first
        self.norm1 = norm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = norm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), activation(), nn.Linear(4 * dim, dim))

    def forward(self, x, mask=None):
        if self.norm_first:
            x = x + self.attn(self.norm1(x), mask)
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attn(x, mask))
        return self.norm2(x + self.mlp(x))


class Encoder(nn.Module):
    """A stack of blocks: (B, N, D) -> (B, N, D). It knows nothing of words, pixels or losses.

    With norm_first=True the output of the last block is not normalised yet: one more norm follows.
    """

    def __init__(self, dim, depth, heads, norm_first=True, norm=LAYER_NORM, activation=nn.GELU):
        super().__init__()
        blocks = [Block(dim, heads, norm_first, norm, activation) for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm(dim) if norm_first else nn.Identity()

    def forward(self, x, mask=None):
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x)

    def layers(self, x, mask=None):
        """What every block gives, before the last norm: a list of (B, N, D), for probing."""
        outputs = []
        for block in self.blocks:
            x = block(x, mask)
            outputs.append(x)
        return outputs

    def attentions(self, x, mask=None):
        """The attention weights of every block: a list of (B, H, N, N)."""
        maps = []
        for block in self.blocks:
            maps.append(block.attn.weights(block.norm1(x) if block.norm_first else x, mask))
            x = block(x, mask)
        return maps


class PatchEmbedding(nn.Module):
    """Images (B, C, S, S) -> patches (B, (S/P)^2, D), row by row, by the same linear map for each.

    A patch is read in the order rows, columns, channels. Elsewhere the same map is written as a
    P x P convolution of stride P.
    """

    def __init__(self, image_size, patch_size, channels, dim, bias=True):
        super().__init__()
        if patch_size < 1 or image_size % patch_size:
            raise ValueError(
                f"image_size={image_size} is not divisible by patch_size={patch_size}: "
                "resize or pad the images, or choose another patch")
        self.image_size, self.patch_size, self.channels = image_size, patch_size, channels
        self.grid = image_size // patch_size
        self.proj = nn.Linear(patch_size**2 * channels, dim, bias=bias)

    def forward(self, images):
        expected = (self.channels, self.image_size, self.image_size)
        if images.ndim != 4 or images.shape[1:] != expected:
            raise ValueError(
                f"images have shape {tuple(images.shape)}, but this model reads "
                f"(batch, channels, height, width) = (B, {', '.join(map(str, expected))})")
        B, P, G = len(images), self.patch_size, self.grid
        patches = images.reshape(B, self.channels, G, P, G, P).permute(0, 2, 4, 3, 5, 1)
        return self.proj(patches.reshape(B, G * G, -1))  # (B, G, G, P, P, C) -> (B, N, D)
