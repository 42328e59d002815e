"""BEiT against transformers and timm, whole models; Gumbel-softmax and the KL term of the discrete VAE against torch."""
import pytest
import timm
import torch
import torch.nn.functional as F

from evo.models import beit
from evo.models.dvae import DVAE, relaxed, surplus


def hf(**changes):
    import transformers
    return transformers.BeitForMaskedImageModeling(transformers.BeitConfig(**dict(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=16, patch_size=4,
        vocab_size=50, use_mask_token=True, use_shared_relative_position_bias=True, use_relative_position_bias=False,
        use_mean_pooling=True, layer_norm_eps=1e-6, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        drop_path_rate=0.0) | changes)).eval()


def timms(**changes):
    return timm.models.beit.Beit(**dict(
        img_size=16, patch_size=4, embed_dim=32, depth=2, num_heads=4, init_values=0.1, use_abs_pos_emb=False,
        use_rel_pos_bias=False, use_shared_rel_pos_bias=True, num_classes=0, global_pool="") | changes).eval()


def ours(**changes):
    return beit.BEiT(**dict(image_size=16, patch_size=4, channels=3, dim=32, depth=2, heads=4, outputs=50) | changes)


def test_transformers(shaken, close):
    peer, images, masked = shaken(hf()), torch.randn(3, 3, 16, 16), torch.rand(3, 16) < 0.4
    model = beit.load_published(ours(), peer.state_dict())
    close(model(images, masked), peer(images, bool_masked_pos=masked).logits)


def test_transformers_loss_and_gradients(shaken):
    peer, images, masked = shaken(hf()), torch.randn(3, 3, 16, 16), torch.rand(3, 16) < 0.4
    model, codes = beit.load_published(ours(), peer.state_dict()), torch.randint(50, (3, 16))
    theirs = peer(images, bool_masked_pos=masked, labels=codes[masked]).loss
    loss = F.cross_entropy(model(images, masked)[masked], codes[masked])
    torch.testing.assert_close(loss, theirs, atol=1e-5, rtol=0)
    loss.backward()
    theirs.backward()
    for mine, their in [(model.mask_token, peer.beit.embeddings.mask_token), (model.cls, peer.beit.embeddings.cls_token),
                        (model.relative.table, peer.beit.shared_position_bias.relative_position_bias_table),
                        (model.encoder.blocks[0].attn.scale, peer.beit.layers[0].lambda_1),
                        (model.head.weight, peer.lm_head.weight)]:
        assert their.grad.abs().max() > 1e-4
        torch.testing.assert_close(mine.grad, their.grad, atol=1e-5, rtol=0)
    keys = model.encoder.blocks[0].attn.branch.qkv.bias.grad[32:64]
    assert keys.abs().max() < 1e-6  # softmax does not notice the bias that the peer has not


def test_timm(shaken, close):
    peer, images = shaken(timms()), torch.randn(3, 3, 16, 16)
    model = beit.load_published(ours(), peer.state_dict())
    close(model.features(images), peer.forward_features(images))
    nothing = torch.zeros(3, 16, dtype=torch.bool)
    close(model(images, nothing), model.head(peer.forward_features(images)[:, 1:]))


def test_oblong_pictures(shaken, close):
    peer, images = shaken(timms(img_size=(8, 20))), torch.randn(3, 3, 8, 20)
    model = beit.load_published(ours(image_size=(8, 20)), peer.state_dict())
    close(model.features(images), peer.forward_features(images))


def test_the_official_layout(shaken):
    """unilm's pre-training file: timm's names, buffers of indices, a mask token and lm_head."""
    peer, model, images = shaken(timms()), shaken(ours()), torch.randn(3, 3, 16, 16)
    file = peer.state_dict() | {"rel_pos_bias.relative_position_index": torch.zeros(17, 17), "mask_token": torch.randn(1, 1, 32),
                                "lm_head.weight": torch.randn(50, 32), "lm_head.bias": torch.randn(50)}
    beit.load_published(model, {"model": file})
    assert torch.equal(model.mask_token, file["mask_token"]) and torch.equal(model.head.weight, file["lm_head.weight"])
    torch.testing.assert_close(model.features(images), peer.forward_features(images), atol=1e-5, rtol=0)


def test_wrong_files_are_refused(refuses):
    refuses(beit.load_published, ours(), hf().state_dict(), "beit.layers.0.lambda_1")
    refuses(beit.load_published, ours(), timms().state_dict(), "norm.weight")
    with pytest.raises(ValueError, match="unexpected"):  # one table a block: fine-tuned files, another model
        beit.load_published(ours(), timms(use_rel_pos_bias=True, use_shared_rel_pos_bias=False).state_dict())
    with pytest.raises(ValueError, match="layernorm"):  # two norms after the last block
        beit.load_published(ours(), hf(use_mean_pooling=False).state_dict())


def test_the_paper_size():
    with torch.device("meta"):
        model = beit.beit_base_patch16()
        theirs = timm.models.beit.Beit(use_abs_pos_emb=False, use_rel_pos_bias=False, use_shared_rel_pos_bias=True,
                                       init_values=0.1, num_classes=0, global_pool="")
    own, keys = sum(p.numel() for p in model.parameters()), 12 * 768
    assert own == sum(p.numel() for p in theirs.parameters()) + keys + 768 + 8192 * 769


def test_gumbel_softmax_is_torchs(close):
    logits = torch.randn(2, 7, 3, 3)
    torch.manual_seed(5)
    mine = relaxed(logits, 0.7)
    torch.manual_seed(5)
    close(mine, F.gumbel_softmax(logits, tau=0.7, dim=1))


def test_the_surplus_is_torchs_kl(close):
    from torch.distributions import Categorical, kl_divergence
    logits = torch.randn(2, 7, 3, 3)
    uniform = Categorical(logits=torch.zeros(2, 3, 3, 7))
    close(surplus(logits), kl_divergence(Categorical(logits=logits.permute(0, 2, 3, 1)), uniform).mean())
    assert surplus(torch.zeros(2, 7, 3)) < 1e-6


def test_one_hot_shares_paint_what_the_codes_say():
    model, ids = DVAE(4, 1, 11, 16), torch.randint(11, (2, 6))
    shares = F.one_hot(ids, 11).mT.view(2, 11, 2, 3).float()
    assert torch.equal(model.decode(ids, rows=2), model.paint(shares)) and model.decode(ids, rows=2).shape == (2, 1, 8, 12)
    images = torch.randn(2, 1, 8, 12)
    assert torch.equal(model.encode(images), model.logits(images).argmax(1).flatten(1))
