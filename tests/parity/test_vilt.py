"""ViLT against transformers', through the public converter.

transformers takes the patches in another order at every call, so texts and the pooled vector are compared, which do not see it.
"""
import pytest
import torch
import transformers

from evo.models.vilt import Answers, ViLT, load_transformers, vilt_base_patch32

SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=16, patch_size=4,
             vocab_size=50, max_position_embeddings=8, num_images=-1)


def peers(shaken, cls=transformers.ViltForMaskedLM, **changes):
    peer = shaken(cls(transformers.ViltConfig(**SIZES | changes)))
    for norm in [peer.vilt.layernorm, *peer.vilt.encoder.modules()]:
        if isinstance(norm, torch.nn.LayerNorm):
            norm.eps = 1e-6  # as in the authors' code; transformers has BERT's 1e-12 everywhere
    return ViLT(50, 8, 16, 4, 3, 32, 2, 4), peer


def inputs():
    valid = torch.arange(8) < torch.tensor([[8], [5], [3]])
    return torch.randint(50, (3, 8)), torch.randn(3, 3, 16, 16), valid


def test_words_pooler_and_guesses(shaken, close):
    ours, peer = peers(shaken)
    ours = load_transformers(ours, peer.state_dict())
    tokens, images, valid = inputs()
    theirs = peer.vilt(input_ids=tokens, pixel_values=images, attention_mask=valid.long())
    x = ours.features(tokens, images, valid)
    close(x[:, :8][valid], theirs.last_hidden_state[:, :8][valid])
    close(ours.pool(x), theirs.pooler_output)
    guesses, _ = ours(tokens, images, valid)
    close(guesses[valid], peer(input_ids=tokens, pixel_values=images, attention_mask=valid.long()).logits[valid])


def test_patches_are_theirs_in_some_order(shaken, close):
    ours, peer = peers(shaken)
    ours = load_transformers(ours, peer.state_dict())
    tokens, images, valid = inputs()
    x = ours.features(tokens, images, valid)[:, 8:]
    y = peer.vilt(input_ids=tokens, pixel_values=images, attention_mask=valid.long()).last_hidden_state[:, 8:]
    close(x[:, 0], y[:, 0])  # [CLS] of the picture
    nearest = torch.cdist(x, y).argmin(2)
    close(x, y.gather(1, nearest[..., None].expand_as(x)))
    assert (nearest.sort(1).values == torch.arange(x.shape[1])).all()


def test_answers(shaken, close):
    ours, peer = peers(shaken, transformers.ViltForQuestionAnswering, num_labels=7)
    state = peer.state_dict()
    body = {name: tensor for name, tensor in state.items() if name.startswith("vilt.")}
    missing = {"mlm_score.transform.dense.weight": ours.transform[0].weight, "mlm_score.transform.dense.bias": ours.transform[0].bias,
               "mlm_score.transform.LayerNorm.weight": ours.transform[2].weight,
               "mlm_score.transform.LayerNorm.bias": ours.transform[2].bias, "mlm_score.bias": ours.bias}
    ours = Answers(load_transformers(ours, body | missing), 7)
    ours.head.load_state_dict({name.removeprefix("classifier."): tensor for name, tensor in state.items() if "classifier." in name})
    tokens, images, valid = inputs()
    close(ours(tokens, images, valid), peer(input_ids=tokens, pixel_values=images, attention_mask=valid.long()).logits)


def test_gradients(shaken, close):
    ours, peer = peers(shaken)
    ours = load_transformers(ours, peer.state_dict())
    tokens, images, valid = inputs()
    ours(tokens, images, valid)[0][valid].square().sum().backward()
    peer(input_ids=tokens, pixel_values=images, attention_mask=valid.long()).logits[valid].square().sum().backward()
    their = peer.vilt.embeddings
    for mine, other in [(ours.token.weight.grad, their.text_embeddings.word_embeddings.weight.grad),
                        (ours.order.weight.grad, their.text_embeddings.position_embeddings.weight.grad),
                        (ours.modality.weight.grad, their.token_type_embeddings.weight.grad),
                        (ours.position.grad, their.position_embeddings.grad)]:
        close(mine / other.abs().max(), other / other.abs().max())


def test_size_of_the_paper():
    """Their model has a segment for texts, two vectors; ours a head for matching, two vectors and two numbers."""
    with torch.device("meta"):
        ours = vilt_base_patch32()
        theirs = transformers.ViltForMaskedLM(transformers.ViltConfig())
    count = sum(p.numel() for p in ours.parameters())
    assert count - 2 == sum(p.numel() for p in theirs.parameters())


def test_a_file_of_another_size_is_refused(shaken):
    ours, peer = peers(shaken, num_hidden_layers=1)
    with pytest.raises(ValueError, match="do not fit this ViLT"):
        load_transformers(ours, peer.state_dict())
