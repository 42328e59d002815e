"""MAE against transformers' ViTMAE with given noise, and against the official file's forward pass."""
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from evo.models import mae, vit
from evo.objectives import masked_regression


def hf(**changes):
    import transformers
    return transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(**dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=16, patch_size=4,
        decoder_hidden_size=16, decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=64,
        layer_norm_eps=1e-6, initializer_range=0.02) | changes))


def ours(depth=1):
    return mae.MAE(vit.ViT(16, 4, 3, 32, 2, 4, positions=vit.sine_cosine), 16, depth, 2)


@pytest.mark.parametrize("ratio", [0.25, 0.75])
@pytest.mark.parametrize("normalize", [False, True])
def test_transformers(shaken, close, ratio, normalize):
    peer, images = shaken(hf(mask_ratio=ratio, norm_pix_loss=normalize)), torch.randn(3, 3, 16, 16)
    model = mae.load_transformers(ours(), peer.state_dict())
    theirs = peer(images, noise=torch.rand(3, 16))
    masked = theirs.mask.bool()
    close(model(images, masked), theirs.logits)
    close(masked_regression(model(images, masked), peer.patchify(images), masked, normalize=normalize), theirs.loss)


def test_gradients(shaken):
    peer, images = shaken(hf()), torch.randn(3, 3, 16, 16)
    model = mae.load_transformers(ours(), peer.state_dict())
    theirs = peer(images, noise=torch.rand(3, 16))
    masked = theirs.mask.bool()
    masked_regression(model(images, masked), peer.patchify(images), masked).backward()
    theirs.loss.backward()
    for mine, their in [(model.mask_token, peer.decoder.mask_token), (model.vit.cls, peer.vit.embeddings.cls_token),
                        (model.enter.weight, peer.decoder.decoder_embed.weight), (model.head.bias, peer.decoder.decoder_pred.bias)]:
        assert their.grad.abs().max() > 1e-4
        torch.testing.assert_close(mine.grad, their.grad, atol=1e-5, rtol=0)


def official_positions(dim, grid):
    """util/pos_embed.py of facebookresearch/mae, "here w goes first" included."""
    def one_axis(dim, place):
        omega = 1 / 10_000 ** (np.arange(dim // 2, dtype=float) / (dim / 2))
        angle = np.einsum("m,d->md", place.reshape(-1), omega)
        return np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    axis = np.arange(grid, dtype=np.float32)
    first, second = np.meshgrid(axis, axis)
    table = np.concatenate([one_axis(dim // 2, first), one_axis(dim // 2, second)], axis=1)
    return np.concatenate([np.zeros([1, dim]), table])


def test_fixed_positions_are_the_official_ones():
    for table, dim in [(ours().vit.position, 32), (ours().position, 16)]:
        expected = torch.from_numpy(official_positions(dim, 4)).float()[None]
        torch.testing.assert_close(table.detach(), expected, atol=1e-6, rtol=0)


def test_published_layout(shaken):
    from test_vit import published_layout
    peer, images, masked = shaken(hf()), torch.randn(3, 3, 16, 16), torch.arange(16).expand(3, 16) % 4 > 0
    model = mae.load_transformers(ours(), peer.state_dict())
    old = published_layout(peer.state_dict())
    assert "decoder.decoder_layers.0.attention.attention.query.weight" in old
    assert torch.equal(mae.load_transformers(ours(), old)(images, masked), model(images, masked))


class Official(nn.Module):
    """The modules and the forward pass of facebookresearch/mae's models_mae.py, under its names."""

    def __init__(self):
        super().__init__()
        from timm.models.vision_transformer import Block, PatchEmbed
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.patch_embed = PatchEmbed(16, 4, 3, 32)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 32))
        self.pos_embed = nn.Parameter(torch.randn(1, 17, 32), requires_grad=False)
        self.blocks = nn.ModuleList([Block(32, 4, 4.0, qkv_bias=True, norm_layer=norm) for _ in range(2)])
        self.norm = norm(32)
        self.decoder_embed = nn.Linear(32, 16)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, 16))
        self.decoder_pos_embed = nn.Parameter(torch.randn(1, 17, 16), requires_grad=False)
        self.decoder_blocks = nn.ModuleList([Block(16, 2, 4.0, qkv_bias=True, norm_layer=norm) for _ in range(3)])
        self.decoder_norm = norm(16)
        self.decoder_pred = nn.Linear(16, 48)

    def forward(self, images, noise, keep):
        x = self.patch_embed(images) + self.pos_embed[:, 1:]
        shuffle = noise.argsort(1)
        restore = shuffle.argsort(1)
        x = x.gather(1, shuffle[:, :keep, None].repeat(1, 1, 32))
        x = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1), x], 1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_embed(self.norm(x))
        y = torch.cat([x[:, 1:], self.mask_token.repeat(len(x), 16 - keep, 1)], 1)
        y = torch.cat([x[:, :1], y.gather(1, restore[..., None].repeat(1, 1, 16))], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            y = block(y)
        return self.decoder_pred(self.decoder_norm(y))[:, 1:], restore >= keep


def test_official(shaken, close):
    peer, images = shaken(Official()), torch.randn(3, 3, 16, 16)
    model = mae.load_official(ours(depth=3), peer.state_dict())
    pixels, masked = peer(images, torch.rand(3, 16), keep=4)
    close(model(images, masked), pixels)


def test_wrong_files_are_refused(refuses):
    refuses(mae.load_transformers, ours(), hf().state_dict(), "decoder.decoder_pred.weight")
    refuses(mae.load_official, ours(depth=3), Official().state_dict(), "decoder_pred.weight")
