"""MAE (He et al. 2022): encode only the visible patches.

A small decoder paints the others.
"""
import torch
from torch import nn

from evo.blocks import Encoder
from evo.inputs import check_flags
from evo.masking import visible
from evo.models import vit as ancestor
from evo.models import weights


class MAE(nn.Module):
    """A ViT that reads visible patches, and a decoder over all of them.

    images (B, C, H, W), masked bool (B, N), True = hidden, equally many in
    every row -> pixels of every patch, (B, N, P*P*C), in the order of
    patchify: (rows, columns, channels). `vit` has no head (classes=0) and, as
    in the paper, fixed positions (positions=sine_cosine); after pre-training
    it is what one keeps. Its weights start as ViT's do; the official file
    differs in three details: one Xavier range for the stacked qkv, Xavier for
    patches, [CLS] normal .02.
    """

    def __init__(self, vit, decoder_dim, decoder_depth, decoder_heads):
        super().__init__()
        if not isinstance(vit.head, nn.Identity):
            raise ValueError("the vit of an MAE has no use for a head: build "
                             "it with classes=0")
        self.vit, self.dim = vit, vit.dim
        self.enter = nn.Linear(vit.dim, decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_dim))
        self.position = ancestor.sine_cosine(vit.patch.grid, decoder_dim)
        self.decoder = Encoder(decoder_dim, decoder_depth, decoder_heads)
        self.head = nn.Linear(
            decoder_dim, vit.patch.patch_size**2 * vit.patch.channels)
        self.init_weights()

    @torch.no_grad()
    def init_weights(self):
        """As the official file: Xavier, biases 0, mask token normal .02."""
        for part in (self.enter, self.decoder, self.head):
            for layer in part.modules():
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
        nn.init.normal_(self.mask_token, std=0.02)

    def keep(self, patches, masked):
        """(B, N, D) -> the visible ones, (B, K, D)."""
        check_flags(masked, "masked", patches.shape[:2])
        return patches.gather(
            1, visible(masked)[..., None].expand(-1, -1, patches.shape[-1]))

    def features(self, images, masked):
        """Only visible patches are encoded.

        (B, C, H, W), bool (B, N) -> (B, 1 + K, D).
        """
        patches = self.vit.add_positions(self.vit.embed(images))
        return self.vit.encode(self.keep(patches, masked))

    def fill(self, z, masked):
        """Tokens back in place, mask tokens in the gaps.

        (B, 1 + K, D') -> (B, 1 + N, D').
        """
        # [CLS] is visible
        masked = torch.cat([torch.zeros_like(masked[:, :1]), masked], dim=1)
        place = visible(masked, count=z.shape[1])[..., None].expand_as(z)
        gaps = self.mask_token.to(z.dtype).expand(*masked.shape, -1)
        return gaps.scatter(1, place, z)

    def decode(self, z, masked):
        """Features -> pixels: (B, 1 + K, D) -> (B, N, P*P*C)."""
        x = self.fill(self.enter(z), masked) + self.position
        return self.head(self.decoder(x))[:, 1:]

    def forward(self, images, masked):
        return self.decode(self.features(images, masked), masked)


class MAEWithMaskTokens(MAE):
    """What MAE argues against (table 1c).

    As in BERT and BEiT the encoder reads mask tokens, too.
    """

    def __init__(self, vit, decoder_dim, decoder_depth, decoder_heads):
        super().__init__(vit, decoder_dim, decoder_depth, decoder_heads)
        self.mask_token = nn.Parameter(torch.randn(1, 1, vit.dim) * 0.02)

    def features(self, images, masked):
        """Every place is encoded: (B, C, H, W), bool (B, N) -> (B, 1 + N, D).

        Hidden patches are encoded as the mask token.
        """
        x = self.vit.embed(images)
        check_flags(masked, "masked", x.shape[:2])
        x = torch.where(masked[..., None], self.mask_token.to(x.dtype), x)
        return self.vit.encode(self.vit.add_positions(x))

    def fill(self, z, masked):
        """Nothing is missing."""
        return z


def mae_vit_base_patch16():
    """MAE with ViT-B/16 and a decoder of 8 blocks: 111,907,840 parameters.

    Positions are counted.
    """
    vit = ancestor.ViT(image_size=224, patch_size=16, channels=3, dim=768,
                       depth=12, heads=12, positions=ancestor.sine_cosine)
    return MAE(vit, decoder_dim=512, decoder_depth=8, decoder_heads=16)


OFFICIAL = [
    (r"^(cls_token|pos_embed|patch_embed\..*|blocks\..*|norm\..*)$",
     r"vit.\1"),
    (r"^vit\.cls_token$", "vit.cls"),
    (r"^vit\.pos_embed$", "vit.position"),
    (r"^vit\.patch_embed\.", "vit.patch."),
    (r"^vit\.(blocks|norm)\.", r"vit.encoder.\1."),
    (r"^decoder_pos_embed$", "position"),
    (r"^decoder_embed\.", "enter."),
    (r"^decoder_(blocks|norm)\.", r"decoder.\1."),
    (r"^decoder_pred\.", "head."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
]

TRANSFORMERS = [
    (r"^vit\.embeddings\.cls_token$", "vit.cls"),
    (r"^vit\.embeddings\.position_embeddings$", "vit.position"),
    (r"^vit\.embeddings\.patch_embeddings\.projection\.", "vit.patch.proj."),
    (r"^vit\.(?:encoder\.layer|layers)\.(\d+)\.", r"vit.encoder.blocks.\1."),
    (r"^vit\.layernorm\.", "vit.encoder.norm."),
    (r"^decoder\.mask_token$", "mask_token"),
    (r"^decoder\.decoder_pos_embed$", "position"),
    (r"^decoder\.decoder_embed\.", "enter."),
    (r"^decoder\.decoder_layers\.", "decoder.blocks."),
    (r"^decoder\.decoder_norm\.", "decoder.norm."),
    (r"^decoder\.decoder_pred\.", "head."),
    *weights.TRANSFORMERS_VIT_BLOCK,
]


def load_official(model, state_dict):
    """Load facebookresearch/mae's MaskedAutoencoderViT with its decoder.

    state_dict: the file, or the "model" in it.
    """
    return weights.load(model, weights.rename(state_dict, OFFICIAL))


def load_transformers(model, state_dict):
    """Load transformers.ViTMAEForPreTraining."""
    return weights.load(model, weights.rename(state_dict, TRANSFORMERS))
