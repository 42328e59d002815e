"""CLIP against transformers' CLIPModel and against OpenAI's forward pass and names."""
from collections import OrderedDict

import pytest
import torch
from torch import nn

from evo.models import clip
from evo.objectives import clip_loss

END = 49


def hf(eos=END):
    import transformers
    return transformers.CLIPModel(transformers.CLIPConfig(
        projection_dim=16,
        text_config=dict(vocab_size=50, hidden_size=32, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                         max_position_embeddings=10, projection_dim=16, bos_token_id=48, eos_token_id=eos),
        vision_config=dict(hidden_size=48, intermediate_size=192, num_hidden_layers=3, num_attention_heads=6,
                           image_size=16, patch_size=4, projection_dim=16)))


def ours():
    return clip.CLIP(image=clip.ImageTower(16, 4, 3, dim=48, depth=3, heads=6),
                     text=clip.TextTower(50, 10, dim=32, depth=2, heads=4), dim=16, end_token=END)


def pairs():
    tokens = torch.randint(48, (4, 9))
    tokens[torch.arange(4), torch.tensor([8, 3, 5, 1])] = END
    return torch.randn(4, 3, 16, 16), tokens


def test_transformers(shaken, close):
    peer, (images, tokens) = shaken(hf()), pairs()
    model = clip.load_transformers(ours(), peer.state_dict())
    theirs = peer(input_ids=tokens, pixel_values=images, return_loss=True)
    close(model.encode_image(images), theirs.image_embeds)
    close(model.encode_text(tokens), theirs.text_embeds)
    close(model(images, tokens), theirs.logits_per_image)
    close(clip_loss(model(images, tokens)), theirs.loss)


def test_gradients(shaken):
    peer, (images, tokens) = shaken(hf()), pairs()
    model = clip.load_transformers(ours(), peer.state_dict())
    clip_loss(model(images, tokens)).backward()
    peer(input_ids=tokens, pixel_values=images, return_loss=True).loss.backward()
    for mine, their in [(model.log_scale, peer.logit_scale), (model.text_proj.weight, peer.text_projection.weight),
                        (model.image.norm_pre.weight, peer.vision_model.pre_layrnorm.weight),
                        (model.text.position.weight, peer.text_model.embeddings.position_embedding.weight)]:
        assert their.grad.abs().max() > 1e-4
        torch.testing.assert_close(mine.grad, their.grad, atol=1e-5, rtol=1e-4)


def test_old_files_carry_position_ids(shaken, close):
    peer, (images, tokens) = shaken(hf()), pairs()
    old = peer.state_dict() | {"text_model.embeddings.position_ids": torch.arange(10)[None],
                               "vision_model.embeddings.position_ids": torch.arange(17)[None]}
    close(clip.load_transformers(ours(), old)(images, tokens),
          peer(input_ids=tokens, pixel_values=images).logits_per_image)


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.mlp = nn.Sequential(OrderedDict(c_fc=nn.Linear(dim, dim * 4), gelu=QuickGELU(), c_proj=nn.Linear(dim * 4, dim)))

    def forward(self, x, mask):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, dim, depth, heads):
        super().__init__()
        self.resblocks = nn.ModuleList([ResidualAttentionBlock(dim, heads) for _ in range(depth)])

    def forward(self, x, mask=None):
        for block in self.resblocks:
            x = block(x, mask)
        return x


class Visual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 48, 4, 4, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(48))
        self.positional_embedding = nn.Parameter(torch.randn(17, 48))
        self.ln_pre, self.ln_post = nn.LayerNorm(48), nn.LayerNorm(48)
        self.transformer = Transformer(48, 3, 6)
        self.proj = nn.Parameter(torch.randn(48, 16))

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        return self.ln_post(self.transformer(self.ln_pre(x))[:, 0]) @ self.proj


class OpenAI(nn.Module):
    """The modules and the forward pass of openai/CLIP's model.py, under its names."""

    def __init__(self):
        super().__init__()
        self.visual = Visual()
        self.transformer = Transformer(32, 2, 4)
        self.token_embedding = nn.Embedding(50, 32)
        self.positional_embedding = nn.Parameter(torch.randn(10, 32))
        self.ln_final = nn.LayerNorm(32)
        self.text_projection = nn.Parameter(torch.randn(32, 16))
        self.logit_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, images, tokens):
        n = tokens.shape[1]
        x = self.token_embedding(tokens) + self.positional_embedding[:n]
        x = self.ln_final(self.transformer(x, torch.full((n, n), -torch.inf).triu(1)))
        text = x[torch.arange(len(x)), tokens.argmax(-1)] @ self.text_projection
        image = self.visual(images)
        image, text = image / image.norm(dim=1, keepdim=True), text / text.norm(dim=1, keepdim=True)
        return self.logit_scale.exp() * image @ text.t()


def test_openai(shaken, close):
    peer, (images, tokens) = shaken(OpenAI()), pairs()
    jit = peer.state_dict() | {name: torch.tensor(1) for name in ("input_resolution", "context_length", "vocab_size")}
    close(clip.load_openai(ours(), jit)(images, tokens), peer(images, tokens))


def test_wrong_files_are_refused(refuses):
    refuses(clip.load_transformers, ours(), hf().state_dict(), "text_projection.weight")
    refuses(clip.load_openai, ours(), OpenAI().state_dict(), "visual.ln_pre.weight")
    with pytest.raises(ValueError, match="CLIP"):
        clip.load_openai(ours(), hf().state_dict())
