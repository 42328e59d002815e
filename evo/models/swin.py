"""Swin Transformer (Liu et al. 2021): attention in windows, which shift."""
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Attention, Block, linear_maps, patchify
from evo.inputs import check_images
from evo.models import weights


def windows(x, window):
    """Cut maps into windows, row by row.

    (B, H, W, D) -> (B * n, window * window, D), n windows a picture.
    """
    B, H, W, D = x.shape
    M = window
    x = x.view(B, H // M, M, W // M, M, D).transpose(2, 3)
    return x.reshape(-1, M * M, D)


def together(x, window, height, width):
    """Windows backwards: (B * n, M * M, D) -> (B, H, W, D)."""
    M, D = window, x.shape[-1]
    x = x.view(-1, height // M, width // M, M, M, D).transpose(2, 3)
    return x.reshape(-1, height, width, D)


def relative_index(window):
    """(M * M, M * M): the row of the bias table for every pair of places.

    Pairs with the same distance down and to the right share a row; there are
    (2 M - 1)^2 of them.
    """
    place = torch.cartesian_prod(torch.arange(window), torch.arange(window))
    down, right = (place[:, None] - place + window - 1).unbind(-1)
    return down * (2 * window - 1) + right


def regions(height, width, window, shift):
    """(H, W): after the roll by `shift`, which piece of the picture is where.

    In a window at the end stand pieces that are no neighbours. shift: of rows
    and of columns.
    """
    def pieces(side, by):
        place = torch.arange(side)
        return (place >= side - window).long() + (place >= side - by)

    return 3 * pieces(height, shift[0])[:, None] + pieces(width, shift[1])


def may_attend(height, width, window, shift):
    """(n, M * M, M * M), True where two places of a window belong together."""
    piece = windows(
        regions(height, width, window, shift)[None, ..., None], window)
    return piece == piece.mT


class WindowAttention(Attention):
    """Attention within windows of a map: (B, H, W, D) -> (B, H, W, D).

    Written out, because PyTorch's own, given a bias that learns, also looks
    for rows that may look nowhere; a window has none.

    shift > 0: windows that lie so far down and to the right of those of
    shift=0, by a cyclic roll and a mask (sec. 3.2). Maps that windows do not
    divide are filled up with zeros, as in torchvision; where one window covers
    a side there is nothing to shift.
    """

    def __init__(self, dim, heads, window, shift=0):
        super().__init__(dim, heads)
        if not 0 <= shift < window:
            raise ValueError(
                f"shift={shift} must lie between 0 and window={window}")
        self.window, self.shift = window, shift
        self.bias = nn.Parameter(torch.zeros((2 * window - 1)**2, heads))
        self.register_buffer(
            "index", relative_index(window), persistent=False)

    def scores_bias(self, height, width, shift):
        """What is added to the scores: (1 or n, heads, M * M, M * M).

        The bias of every distance, and -inf between pieces that only the roll
        has brought together.
        """
        bias = self.bias[self.index].permute(2, 0, 1)[None]
        if not any(shift):
            return bias
        may = may_attend(height, width, self.window, shift).to(bias.device)
        return bias.masked_fill(~may[:, None], -torch.inf)

    def forward(self, x, mask=None):
        """mask: for Block's sake; a window makes its own."""
        B, height, width, _ = x.shape
        M = self.window
        H, W = (side + -side % M for side in (height, width))
        if (H, W) != (height, width):
            x = F.pad(x, (0, 0, 0, W - width, 0, H - height))
        shift = [self.shift if side > M else 0 for side in (H, W)]
        if any(shift):
            x = x.roll([-by for by in shift], (1, 2))
        q, k, v = self.split(windows(x, M))
        scores = q * q.shape[-1]**-0.5 @ k.mT  # (B * n, heads, M * M, M * M)
        bias = self.scores_bias(H, W, shift)
        scores = scores.unflatten(0, (-1, len(bias))) + bias
        y = scores.flatten(0, 1).softmax(-1) @ v
        x = together(self.proj(y.transpose(1, 2).flatten(2)), M, H, W)
        if any(shift):
            x = x.roll(shift, (1, 2))
        return x[:, :height, :width]


class PatchMerging(nn.Module):
    """Four neighbours become one vector, twice as wide.

    (B, H, W, D) -> (B, H/2, W/2, 2 D); odd sides are filled up with zeros.
    """

    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = [x[:, row::2, column::2]
                   for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class PatchMaps(nn.Module):
    """Pictures (B, C, H, W) -> maps (B, H/P, W/P, D), normalised."""

    def __init__(self, patch_size, channels, dim):
        super().__init__()
        self.patch_size, self.channels = patch_size, channels
        self.proj = nn.Linear(patch_size**2 * channels, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images):
        sides = tuple(getattr(images, "shape", ()))[2:]
        check_images(
            images, (self.channels, *sides), self.proj.weight.dtype)
        x = self.norm(self.proj(patchify(images, self.patch_size)))
        return x.unflatten(1, [side // self.patch_size for side in sides])


def swin_block(dim, heads, window, shift):
    """The Transformer's block, looking into windows."""
    return Block(dim, heads, norm=nn.LayerNorm,
                 attn=WindowAttention(dim, heads, window, shift))


class Swin(nn.Module):
    """logits = head(features(images)); features = mean(norm(levels[-1])).

    images (B, C, H, W) of any size that patches divide. depths: blocks a
    stage; every stage but the first halves the sides and doubles the width
    and the heads. `block` is called with (dim, heads, window, shift), with a
    shift of half a window in every second block. No dropout and no
    stochastic depth.
    """

    def __init__(self, patch_size, channels, dim, depths, heads, window=7,
                 classes=0, block=swin_block):
        super().__init__()
        self.patch = PatchMaps(patch_size, channels, dim)
        widths = [dim * 2**i for i in range(len(depths))]
        self.merges = nn.ModuleList(map(PatchMerging, widths[:-1]))
        self.stages = nn.ModuleList(
            nn.Sequential(*[
                block(width, heads * width // dim, window,
                      window // 2 if j % 2 else 0) for j in range(depth)])
            for width, depth in zip(widths, depths))
        self.dim = widths[-1]
        self.norm = nn.LayerNorm(self.dim)
        self.head = nn.Linear(self.dim, classes) if classes else nn.Identity()
        self.init_weights()

    @torch.no_grad()
    def init_weights(self):
        """As the book's ViT: Xavier in the blocks, zero for the head.

        The official code draws everything from a normal of deviation .02.
        """
        for name, layer in linear_maps(self):
            for matrix in layer.weight.chunk(
                    3 if name.endswith("qkv") else 1):
                nn.init.xavier_uniform_(matrix)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        for name, parameter in self.named_parameters():
            if name.endswith("attn.bias"):
                nn.init.trunc_normal_(parameter, std=0.02)
        nn.init.trunc_normal_(self.patch.proj.weight,
                              std=self.patch.proj.in_features**-0.5)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def embed(self, images):
        """(B, C, H, W) -> (B, H/P, W/P, D)."""
        return self.patch(images)

    def levels(self, images):
        """Maps of every stage, fine to coarse: a list of (B, h, w, width)."""
        x = self.embed(images)
        found = []
        for i, stage in enumerate(self.stages):
            x = stage(self.merges[i - 1](x) if i else x)
            found.append(x)
        return found

    def features(self, images):
        """(B, C, H, W) -> (B, dim): the mean over all places."""
        return self.norm(self.levels(images)[-1]).mean((1, 2))

    def forward(self, images):
        return self.head(self.features(images))


# sizes of the paper (sec. 3.3), with 1,000 classes
swin_tiny = partial(Swin, 4, 3, 96, (2, 2, 6, 2), 3, classes=1000)
swin_small = partial(Swin, 4, 3, 96, (2, 2, 18, 2), 3, classes=1000)
swin_base = partial(Swin, 4, 3, 128, (2, 2, 18, 2), 4, classes=1000)

SAME = [
    (r"relative_position_bias_table$", "bias"),
    (r"\.mlp\.fc1\.", ".mlp.0."), (r"\.mlp\.(fc2|3)\.", ".mlp.2."),
]

TORCHVISION = [
    (r"^features\.0\.0\.", "patch.proj."), (r"^features\.0\.2\.", "patch.norm."),
    *((rf"^features\.{2 * i + 1}\.", f"stages.{i}.") for i in range(4)),
    *((rf"^features\.{2 * i + 2}\.", f"merges.{i}.") for i in range(3)),
    *SAME,
]

TIMM = [
    (r"^patch_embed\.", "patch."), (r"^head\.fc\.", "head."),
    (r"^layers\.(\d+)\.blocks\.", r"stages.\1."),
    *((rf"^layers\.{i + 1}\.downsample\.", f"merges.{i}.") for i in range(3)),
    *SAME,
]


def load_torchvision(model, state_dict):
    """Load torchvision's swin_t, swin_s or swin_b."""
    return _load(model, state_dict, TORCHVISION)


def load_timm(model, state_dict):
    """Load timm's SwinTransformer."""
    return _load(model, state_dict, TIMM)


def _load(model, state_dict, rules):
    renamed = weights.rename(state_dict, rules, drop=r"relative_position_index$|attn_mask$")
    if isinstance(model.head, nn.Identity):
        renamed = {name: tensor for name, tensor in renamed.items() if not name.startswith("head.")}
    return weights.load(model, renamed)
