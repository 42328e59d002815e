"""ViT (Dosovitskiy et al. 2021): an image, read as a sentence of patches."""
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import nn

from evo import look
from evo.blocks import Encoder, PatchEmbedding, linear_maps, two
from evo.models import weights


def learned(grid, dim):
    """One trained vector for [CLS] and for every place.

    (1, 1 + rows * columns, dim). grid: (rows, columns), or one number for a
    square.
    """
    rows, columns = two(grid)
    return nn.Parameter(torch.randn(1, 1 + rows * columns, dim) * 0.02)


def sine_cosine(grid, dim):
    """Fixed positions for MAE, (1, 1 + rows * columns, dim).

    Sines and cosines of the column, then of the row; zero for [CLS]. Never
    trained, but counted and saved as in the official file. grid: (rows,
    columns), or one number for a square.
    """
    if dim % 4:
        raise ValueError(f"dim={dim} must be divisible by 4: sine and cosine "
                         "for each of two axes")
    frequency = 10_000 ** -(
        torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    rows, columns = two(grid)
    angle = torch.arange(
        max(rows, columns), dtype=torch.float64)[:, None] * frequency
    wave = torch.cat([angle.sin(), angle.cos()], dim=1)  # (longer side, dim/2)
    # (rows * columns, dim/2) each
    column = wave[:columns].repeat(rows, 1)
    row = wave[:rows].repeat_interleave(columns, dim=0)
    table = F.pad(torch.cat([column, row], dim=1), (0, 0, 1, 0))
    return nn.Parameter(table.float()[None], requires_grad=False)


class ViT(nn.Module):
    """features = encode(add_positions(embed(images))).

    Descendants cut this chain between links.
    images (B, C, H, W) -> logits (B, classes); without a head (classes=0)
    [CLS]'s feature, (B, D). image_size: one number or (height, width).
    `positions` makes the table: `learned` (the paper) or `sine_cosine` (MAE).
    No dropout: the paper needs it for training on ImageNet alone, and small
    models here do not.
    """

    def __init__(self, image_size, patch_size, channels, dim, depth, heads,
                 classes=0, positions=learned):
        super().__init__()
        self.dim = dim
        self.patch = PatchEmbedding(image_size, patch_size, channels, dim)
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = positions(self.patch.grid, dim)
        self.encoder = self.make_encoder(dim, depth, heads)
        self.head = nn.Linear(dim, classes) if classes else nn.Identity()
        self.init_weights()

    def make_encoder(self, dim, depth, heads):
        """The body, (B, N, D) -> (B, N, D).

        A descendant with another one says so here.
        """
        return Encoder(dim, depth, heads)

    @torch.no_grad()
    def init_weights(self):
        """As the official JAX code.

        Xavier in the blocks, LeCun for patches, zero for the head.
        """
        for block in self.encoder.blocks:
            for name, layer in linear_maps(block):
                for matrix in layer.weight.chunk(
                        3 if name.endswith("qkv") else 1):
                    nn.init.xavier_uniform_(matrix)
            for name, layer in linear_maps(block):
                if layer.bias is not None:
                    (nn.init.normal_(layer.bias, std=1e-6) if "mlp" in name
                     else nn.init.zeros_(layer.bias))
        nn.init.trunc_normal_(self.patch.proj.weight,
                              std=self.patch.proj.in_features**-0.5)
        nn.init.zeros_(self.patch.proj.bias)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def embed(self, images):
        """(B, C, H, W) -> (B, N, D), no positions yet."""
        return self.patch(images)

    def add_positions(self, patches):
        """(B, N, D) -> (B, N, D)."""
        return patches + self.position[:, 1:]

    def prepend_cls(self, patches):
        """(B, K, D) -> (B, 1 + K, D)."""
        cls = (self.cls + self.position[:, :1]).expand(len(patches), -1, -1)
        return torch.cat([cls, patches], dim=1)

    def encode(self, patches):
        """Any number of patches with positions, (B, K, D) -> (B, 1 + K, D).

        [CLS] comes first.
        """
        return self.encoder(self.prepend_cls(patches))

    def features(self, images):
        """(B, C, H, W) -> (B, 1 + N, D), [CLS] first."""
        return self.encode(self.add_positions(self.embed(images)))

    def forward(self, images):
        return self.head(self.features(images)[:, 0])

    def attentions(self, images):
        """Who looks at whom in every block: a list of (B, H, 1 + N, 1 + N)."""
        return look.attentions(self, images)


def vit_base_patch16(classes=1000):
    """ViT-B/16 at 224 px (table 1): 86,567,656 parameters, 1,000 classes."""
    return ViT(image_size=224, patch_size=16, channels=3, dim=768, depth=12,
               heads=12, classes=classes)


def with_head(vit, classes):
    """A copy of a trained ViT with a new head: where fine-tuning begins.

    The head starts at zero.
    """
    copy = deepcopy(vit)
    copy.head = nn.Linear(
        vit.dim, classes, device=vit.cls.device, dtype=vit.cls.dtype)
    for parameter in copy.head.parameters():
        nn.init.zeros_(parameter)
    return copy


def interpolate_positions(position, grid, old=None):
    """Stretch a table of positions over another grid (sec. 3.2).

    (1, 1 + n, D) -> (1, 1 + rows * columns, D). grid, old: (rows, columns), or
    one number for a square; old=None: the table was of a square.
    """
    n = position.shape[1] - 1
    rows, columns = two(round(n**0.5) if old is None else old)
    if rows * columns != n:
        raise ValueError(
            f"{n} positions are not a square grid: pass old=(rows, columns)"
            if old is None else f"{n} positions do not fill old={old}")
    table = position[:, 1:].unflatten(1, (rows, columns)).permute(
        0, 3, 1, 2)  # (1, D, rows, columns)
    table = F.interpolate(
        table, size=two(grid), mode="bicubic", align_corners=False)
    return torch.cat(
        [position[:, :1], table.flatten(2).transpose(1, 2)], dim=1)


def at_resolution(vit, image_size):
    """A copy of a trained ViT for larger images (sec. 3.2).

    Its patches have the same size.
    """
    copy = deepcopy(vit)
    copy.patch.resize(image_size)
    position = interpolate_positions(
        vit.position.detach(), copy.patch.grid, old=vit.patch.grid)
    copy.position = nn.Parameter(
        position, requires_grad=vit.position.requires_grad)
    return copy


TIMM = [
    (r"^cls_token$", "cls"),
    (r"^pos_embed$", "position"),
    (r"^patch_embed\.", "patch."),
    (r"^(blocks|norm)\.", r"encoder.\1."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
]

# both layouts: that of the published files and that of transformers >= 5
TRANSFORMERS = [
    (r"^vit\.", ""),
    (r"^embeddings\.cls_token$", "cls"),
    (r"^embeddings\.position_embeddings$", "position"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch.proj."),
    (r"^(?:encoder\.layer|layers)\.(\d+)\.", r"encoder.blocks.\1."),
    (r"^layernorm\.", "encoder.norm."),
    (r"^classifier\.", "head."),
    *weights.TRANSFORMERS_VIT_BLOCK,
]

TORCHVISION = [
    (r"^class_token$", "cls"),
    (r"^encoder\.pos_embedding$", "position"),
    (r"^conv_proj\.", "patch.proj."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"encoder.blocks.\1."),
    (r"^encoder\.ln\.", "encoder.norm."),
    (r"^heads\.head\.", "head."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.linear_1\.", ".mlp.0."),
    (r"\.mlp\.linear_2\.", ".mlp.2."),
    (r"\.mlp\.3\.", ".mlp.2."),
]


def load_timm(model, state_dict):
    """Load timm's ViT, or the official MAE encoder.

    With classes=0 without the file's head.
    """
    return _load(model, weights.rename(state_dict, TIMM))


def load_transformers(model, state_dict):
    """Load transformers.ViTForImageClassification or ViTModel.

    With classes=0 without the file's head.
    """
    return _load(model, weights.rename(
        state_dict, TRANSFORMERS, drop=r"^(vit\.)?pooler\."))


def load_torchvision(model, state_dict):
    """Load torchvision.models.VisionTransformer (vit_b_16 ...).

    With classes=0 without the file's head.
    """
    return _load(model, weights.rename(state_dict, TORCHVISION))


def _load(model, renamed):
    if isinstance(model.head, nn.Identity):
        renamed = {name: tensor for name, tensor in renamed.items()
                   if not name.startswith("head.")}
    return weights.load(model, renamed)
