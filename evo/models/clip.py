"""CLIP (Radford et al. 2021): two towers learn which caption fits an image."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from evo.blocks import Encoder, QuickGELU, linear_maps
from evo.inputs import check_whole
from evo.models import weights
from evo.models.gpt import GPT, NORM
from evo.models.vit import ViT


class ImageTower(ViT):
    """CLIP's ViT: one more norm before the encoder, patches without bias.

    Its activation is the sigmoid form of GELU.
    """

    def __init__(self, image_size, patch_size, channels, dim, depth, heads):
        super().__init__(image_size, patch_size, channels, dim, depth, heads)
        self.patch.proj = nn.Linear(
            self.patch.proj.in_features, dim, bias=False)
        self.norm_pre = NORM(dim)
        for _, layer in linear_maps(self.encoder):
            # drawn in vain, but so a seed gives the weights it always gave
            layer.reset_parameters()
        nn.init.normal_(self.cls, std=dim**-0.5)
        nn.init.normal_(self.position, std=dim**-0.5)
        init_encoder(self.encoder, dim)

    def make_encoder(self, dim, depth, heads):
        """As ViT's, with GPT's norm and CLIP's activation."""
        return Encoder(dim, depth, heads, norm=NORM, activation=QuickGELU)

    def prepend_cls(self, patches):
        """(B, K, D) -> (B, 1 + K, D), normalised."""
        return self.norm_pre(super().prepend_cls(patches))


class TextTower(GPT):
    """CLIP's GPT: the sigmoid form of GELU.

    It is read as an encoder, never asked for the next token.
    """

    def __init__(self, vocab_size, length, dim, depth, heads):
        super().__init__(
            vocab_size, length, dim, depth, heads, activation=QuickGELU)
        init_encoder(self.encoder, dim)


@torch.no_grad()
def init_encoder(encoder, dim):
    """As the official text tower; its image tower keeps PyTorch's defaults."""
    # what ends a branch shrinks with depth
    end = dim**-0.5 * (2 * len(encoder.blocks)) ** -0.5
    for name, layer in linear_maps(encoder.blocks):
        start = (2 * dim) ** -0.5 if "mlp" in name else dim**-0.5
        nn.init.normal_(
            layer.weight, std=end if layer.out_features == dim else start)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class CLIP(nn.Module):
    """scale * encode_image(images) @ encode_text(tokens).T.

    How well caption j fits image i: images (B, C, H, W), tokens (B', N) ids,
    each row with an `end_token` -> logits (B, B').
    `image` is any module images -> (B, image.dim), such as ViT(classes=0) or
    ImageTower; `text` any with text.features(tokens) -> (B, N, text.dim) that
    looks back only, such as GPT or TextTower: the feature at the (first) end
    token has read the whole caption and stands for it; padding behind it is
    never seen.
    """

    def __init__(self, image, text, dim, end_token):
        super().__init__()
        self.image, self.text, self.end_token = image, text, end_token
        self.image_proj = nn.Linear(image.dim, dim, bias=False)
        self.text_proj = nn.Linear(text.dim, dim, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        nn.init.normal_(self.image_proj.weight, std=image.dim**-0.5)
        nn.init.normal_(self.text_proj.weight, std=text.dim**-0.5)

    def encode_image(self, images):
        """(B, C, H, W) -> (B, dim), length one."""
        return F.normalize(self.image_proj(self.image(images)), dim=-1)

    def encode_text(self, tokens):
        """(B, N) ids -> (B, dim), length one."""
        check_whole(tokens, "tokens")
        if tokens.ndim != 2:
            raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but "
                             "captions are (B, N) ids")
        is_end = tokens == self.end_token
        if not torch.compiler.is_compiling() and not is_end.any(1).all():
            raise ValueError(
                f"a caption has no end_token={self.end_token}, where its "
                "feature is read: append it to every caption, before padding")
        end = is_end.int().argmax(1)  # the first one
        x = self.text.features(tokens)
        return F.normalize(self.text_proj(
            x[torch.arange(len(x), device=x.device), end]), dim=-1)

    def scale(self):
        """Learned, at most 100.

        "clipped to prevent scaling the logits by more than 100" (sec. 2.5).
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(100))
        return self.log_scale.exp()

    def forward(self, images, tokens):
        return (self.scale() * self.encode_image(images)
                @ self.encode_text(tokens).T)


def clip_vit_base_patch32():
    """CLIP ViT-B/32 as released: 151,277,313 parameters."""
    image = ImageTower(image_size=224, patch_size=32, channels=3, dim=768,
                       depth=12, heads=12)
    text = TextTower(vocab_size=49_408, length=77, dim=512, depth=12, heads=8)
    return CLIP(image, text, dim=512, end_token=49_407)


OPENAI = [
    (r"^logit_scale$", "log_scale"),
    (r"^visual\.proj$", "image_proj.weight"),
    (r"^text_projection$", "text_proj.weight"),
    (r"^visual\.class_embedding$", "image.cls"),
    (r"^visual\.positional_embedding$", "image.position"),
    (r"^visual\.conv1\.", "image.patch.proj."),
    (r"^visual\.ln_pre\.", "image.norm_pre."),
    (r"^visual\.ln_post\.", "image.encoder.norm."),
    (r"^visual\.transformer\.resblocks\.", "image.encoder.blocks."),
    (r"^token_embedding\.", "text.token."),
    (r"^positional_embedding$", "text.position.weight"),
    (r"^ln_final\.", "text.encoder.norm."),
    (r"^transformer\.resblocks\.", "text.encoder.blocks."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.0."),
    (r"\.mlp\.c_proj\.", ".mlp.2."),
]

TRANSFORMERS = [
    (r"^logit_scale$", "log_scale"),
    (r"^visual_projection\.", "image_proj."),
    (r"^text_projection\.", "text_proj."),
    (r"^vision_model\.embeddings\.class_embedding$", "image.cls"),
    (r"^vision_model\.embeddings\.position_embedding\.weight$",
     "image.position"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "image.patch.proj."),
    (r"^vision_model\.pre_layrnorm\.", "image.norm_pre."),
    (r"^vision_model\.post_layernorm\.", "image.encoder.norm."),
    (r"^vision_model\.encoder\.layers\.", "image.encoder.blocks."),
    (r"^text_model\.embeddings\.(token|position)_embedding\.", r"text.\1."),
    (r"^text_model\.final_layer_norm\.", "text.encoder.norm."),
    (r"^text_model\.encoder\.layers\.", "text.encoder.blocks."),
    (r"\.layer_norm(\d)\.", r".norm\1."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.fc1\.", ".mlp.0."),
    (r"\.mlp\.fc2\.", ".mlp.2."),
]


def load_openai(model, state_dict):
    """Load OpenAI's CLIP with a ViT.

    Its projections are stored as (in, out).
    """
    numbers = r"^(input_resolution|context_length|vocab_size)$"
    renamed = weights.rename(state_dict, OPENAI, drop=numbers)
    for name in ("image_proj.weight", "text_proj.weight"):
        if name in renamed:
            renamed[name] = renamed[name].T
    return _load(model, renamed)


def load_transformers(model, state_dict):
    """Load transformers.CLIPModel.

    Build the model with the end token of its tokenizer.
    """
    return _load(model, weights.rename(
        state_dict, TRANSFORMERS, drop=r"\.position_ids$"))


def _load(model, renamed):
    for name in ("image.cls", "image.position"):  # stored without leading 1s
        if name in renamed:
            renamed[name] = renamed[name].reshape(
                1, -1, renamed[name].shape[-1])
    return weights.load(model, renamed)
