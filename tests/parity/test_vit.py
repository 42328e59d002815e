"""ViT against timm, transformers and torchvision; through the public converters."""
import pytest
import torch

from evo.models import vit

CONFIG = dict(image_size=16, patch_size=4, channels=3, dim=32, depth=2, heads=4)


def timm_vit(**changes):
    import timm
    return timm.models.vision_transformer.VisionTransformer(
        **dict(img_size=16, patch_size=4, in_chans=3, num_classes=10, embed_dim=32, depth=2, num_heads=4) | changes)


def hf_config(**changes):
    import transformers
    return transformers.ViTConfig(**dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
                                         image_size=16, patch_size=4, num_labels=10, layer_norm_eps=1e-6) | changes)


@pytest.mark.parametrize("channels, depth, heads", [(3, 2, 4), (1, 3, 2), (2, 1, 8)])
def test_timm(shaken, close, channels, depth, heads):
    peer = shaken(timm_vit(in_chans=channels, depth=depth, num_heads=heads))
    ours = vit.load_timm(vit.ViT(16, 4, channels, 32, depth, heads, classes=10), peer.state_dict())
    images = torch.randn(3, channels, 16, 16)
    close(ours.features(images), peer.forward_features(images))
    close(ours(images), peer(images))


def test_timm_gradients(shaken, close):
    peer = shaken(timm_vit())
    ours, images = vit.load_timm(vit.ViT(**CONFIG, classes=10), peer.state_dict()), torch.randn(3, 3, 16, 16)
    for model in (ours, peer):
        model(images).square().sum().backward()
    kernel = ours.patch.proj.weight.grad.view(32, 4, 4, 3).permute(0, 3, 1, 2)
    for mine, their in [(ours.encoder.blocks[0].attn.qkv.weight.grad, peer.blocks[0].attn.qkv.weight.grad),
                        (ours.position.grad, peer.pos_embed.grad), (kernel, peer.patch_embed.proj.weight.grad)]:
        close(mine, their)


def published_layout(state_dict):
    """The names in the published files, which transformers >= 5 renames as it reads them."""
    import re
    renamed = {}
    for name, tensor in state_dict.items():
        name = re.sub(r"^vit\.layers\.", "vit.encoder.layer.", name)
        name = re.sub(r"attention\.([qkv])_proj", lambda m: "attention.attention." +
                      {"q": "query", "k": "key", "v": "value"}[m[1]], name)
        name = name.replace("attention.o_proj", "attention.output.dense")
        name = name.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")
        renamed[name] = tensor
    return renamed


def test_transformers(shaken, close):
    import transformers
    peer, images = shaken(transformers.ViTForImageClassification(hf_config())), torch.randn(3, 3, 16, 16)
    ours = vit.load_transformers(vit.ViT(**CONFIG, classes=10), peer.state_dict())
    close(ours(images), peer(images).logits)
    again = vit.load_transformers(vit.ViT(**CONFIG, classes=10), published_layout(peer.state_dict()))
    assert torch.equal(ours(images), again(images))


def test_transformers_without_head_and_attention_maps(shaken, close):
    import transformers
    peer = shaken(transformers.ViTModel(hf_config(attn_implementation="eager")))
    images = torch.randn(3, 3, 16, 16)
    ours, theirs = vit.load_transformers(vit.ViT(**CONFIG), peer.state_dict()), peer(images, output_attentions=True)
    close(ours.features(images), theirs.last_hidden_state)
    for mine, their in zip(ours.attentions(images), theirs.attentions, strict=True):
        close(mine, their)


def test_interpolated_positions_are_those_of_transformers(shaken, close):
    import transformers
    peer, images = shaken(transformers.ViTForImageClassification(hf_config())), torch.randn(3, 3, 24, 24)
    ours = vit.at_resolution(vit.load_transformers(vit.ViT(**CONFIG, classes=10), peer.state_dict()), 24)
    close(ours(images), peer(images, interpolate_pos_encoding=True).logits)


def test_torchvision(shaken, close):
    import torchvision
    peer = shaken(torchvision.models.VisionTransformer(16, 4, 2, 4, 32, 128, num_classes=10))
    ours, images = vit.load_torchvision(vit.ViT(**CONFIG, classes=10), peer.state_dict()), torch.randn(3, 3, 16, 16)
    close(ours(images), peer(images))


def test_published_count_is_torchvisions():
    import torchvision
    with torch.device("meta"):
        model = vit.vit_base_patch16()
    assert sum(p.numel() for p in model.parameters()) == torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.meta["num_params"]


def test_without_classes_the_head_of_the_file_is_left_out(shaken, close):
    peer, images = shaken(timm_vit()), torch.randn(3, 3, 16, 16)
    close(vit.load_timm(vit.ViT(**CONFIG), peer.state_dict())(images), peer.forward_features(images)[:, 0])


def test_wrong_files_are_refused(refuses):
    refuses(vit.load_timm, vit.ViT(**CONFIG, classes=10), timm_vit().state_dict(), "blocks.1.attn.qkv.weight")
    with pytest.raises(ValueError, match="missing.*unexpected"):
        vit.load_transformers(vit.ViT(**CONFIG, classes=10), timm_vit().state_dict())
    with pytest.raises(ValueError, match=r"head.weight \(10, 32\) instead of \(7, 32\)"):
        vit.load_timm(vit.ViT(**CONFIG, classes=7), timm_vit().state_dict())
