"""BEiT (Bao et al. 2022): BERT for pictures; name the code of a hidden patch."""
import torch
from torch import nn

from evo.blocks import (
    Attention,
    Block,
    Encoder,
    LayerScale,
    feed_forward,
    linear_maps,
    two,
)
from evo.inputs import check_flags
from evo.models import vit, weights


class RelativePosition(nn.Module):
    """A number a head for every distance: () -> (heads, 1 + N, 1 + N).

    All pairs of patches as far apart, in rows and in columns, share it. Three
    more are for [CLS]: it looks, it is looked at, it looks at itself.
    """

    def __init__(self, grid, heads):
        super().__init__()
        rows, columns = two(grid)
        wide = 2 * columns - 1
        far = (2 * rows - 1) * wide
        self.table = nn.Parameter(torch.zeros(far + 3, heads))
        place = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
        down, right = (place[:, None] - place).unbind(-1)  # (N, N) each
        index = torch.full((1 + len(place), 1 + len(place)), far)
        index[1:, 1:] = (down + rows - 1) * wide + right + columns - 1
        index[1:, 0], index[0, 0] = far + 1, far + 2
        self.register_buffer("index", index, persistent=False)

    def forward(self):
        return self.table[self.index].permute(2, 0, 1)


def block(dim, heads, norm_first, norm, activation):
    """A block whose branches count a tenth at first, channel by channel."""
    return Block(dim, heads, norm_first, norm,
                 attn=LayerScale(Attention(dim, heads), dim, 0.1),
                 mlp=LayerScale(feed_forward(dim, activation), dim, 0.1))


class BEiT(vit.ViT):
    """features = encode(embed(images)); `hide` cuts in between.

    images (B, C, H, W), masked bool (B, N), True = hidden -> `outputs`
    numbers for every patch, (B, N, outputs): logits over visual tokens. No
    position is added to a patch: one table of distances is the bias of every
    block, as in the official pre-training. The official keys have no bias;
    softmax does not notice one.
    """

    def __init__(self, image_size, patch_size, channels, dim, depth, heads,
                 outputs):
        super().__init__(image_size, patch_size, channels, dim, depth, heads,
                         classes=outputs)
        del self.position
        self.relative = RelativePosition(self.patch.grid, heads)
        self.mask_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)

    def make_encoder(self, dim, depth, heads):
        return Encoder(dim, depth, heads, block=block)

    @torch.no_grad()
    def init_weights(self):
        """Normal .02, biases 0; what ends a branch of block l / sqrt(2 l)."""
        for _, layer in linear_maps(self):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        for i, one in enumerate(self.encoder.blocks, 1):
            for last in (one.attn.branch.proj, one.mlp.branch[-1]):
                last.weight /= (2 * i) ** 0.5
        nn.init.trunc_normal_(self.cls, std=0.02)

    def hide(self, patches, masked):
        """One learned vector in place of every hidden patch: (B, N, D)."""
        check_flags(masked, "masked", patches.shape[:2])
        return torch.where(
            masked[..., None], self.mask_token.to(patches.dtype), patches)

    def add_positions(self, patches):
        """Nothing: distances come in by `relative`."""
        return patches

    def prepend_cls(self, patches):
        return torch.cat([self.cls.expand(len(patches), -1, -1), patches], 1)

    def encode(self, patches):
        return self.encoder(self.prepend_cls(patches), self.relative())

    def forward(self, images, masked):
        patches = self.hide(self.embed(images), masked)
        return self.head(self.encode(self.add_positions(patches))[:, 1:])


def beit_base_patch16():
    """BEiT-B/16 as pre-trained, 8,192 visual tokens: 91,974,992 parameters.

    9,216 of them are biases of keys, which the official file lacks.
    """
    return BEiT(image_size=224, patch_size=16, channels=3, dim=768, depth=12,
                heads=12, outputs=8192)


# both layouts of transformers, and timm's, whose names the official file has
NAMES = [
    (r"^beit\.", ""), (r"^embeddings\.mask_token$", "mask_token"), (r"^lm_head\.", "head."),
    (r"^(?:rel_pos|(?:encoder\.)?(?:relative|shared)_position)_bias\.relative_position_bias_table$", "relative.table"),
    *vit.TIMM, *vit.TRANSFORMERS,
    (r"\.attn\.", ".attn.branch."), (r"\.mlp\.(\d)\.", r".mlp.branch.\1."),
    (r"\.(?:gamma|lambda)_1$", ".attn.scale"), (r"\.(?:gamma|lambda)_2$", ".mlp.scale"),
    (r"\.([qv])_bias$", r".\1.bias"),
]


def load_published(model, state_dict):
    """Load the official pre-training file, timm's Beit, or transformers' BeitForMaskedImageModeling.

    timm: use_shared_rel_pos_bias=True; it has neither a mask token nor a head over visual tokens, so that the model keeps its own.
    transformers: use_shared_relative_position_bias=True and, as published, use_mean_pooling=True.
    """
    own = {name: t for name, t in model.state_dict().items() if name == "mask_token" or name.startswith("head.")}
    known = weights.rename(state_dict, NAMES, drop="position_index$")
    zeros = {name.replace(".q.", ".k."): torch.zeros_like(t) for name, t in known.items() if name.endswith(".q.bias")}
    return weights.load(model, own | weights.stack_qkv(zeros | known))
