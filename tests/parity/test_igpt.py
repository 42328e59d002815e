"""iGPT against transformers' ImageGPT."""
import pytest
import torch

from evo.models import igpt
from evo.models.gpt import generate
from evo.objectives import next_token

K, N = 50, 12


def peer(shaken, **changes):
    """With its biases at zero, as in the published files."""
    import transformers
    model = shaken(transformers.ImageGPTForCausalImageModeling(transformers.ImageGPTConfig(**dict(
        vocab_size=K + 1, n_positions=N, n_embd=32, n_layer=2, n_head=4) | changes)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.zero_()
    return model


def ours(theirs, depth=2, heads=4):
    return igpt.load_transformers(igpt.IGPT(K, N, 32, depth, heads), theirs.state_dict()).eval()


def colours(n):
    return torch.randint(K, (3, n))


@pytest.mark.parametrize("depth, heads, n", [(2, 4, N - 1), (3, 2, 5), (1, 8, 1)])
def test_transformers(shaken, close, depth, heads, n):
    theirs = peer(shaken, n_layer=depth, n_head=heads)
    model = ours(theirs, depth, heads)
    tokens = model.begin(colours(n))
    close(model(tokens), theirs(tokens).logits)
    close(model.features(tokens), theirs.transformer(tokens).last_hidden_state)


def test_loss_and_gradients(shaken, close):
    theirs = peer(shaken)
    model = ours(theirs)
    tokens = model.begin(colours(N - 1))
    mine, their = next_token(model(tokens), tokens), theirs(tokens, labels=tokens).loss
    close(mine, their)
    mine.backward(), their.backward()
    for a, b in [(model.token, theirs.transformer.wte), (model.output, theirs.lm_head)]:
        torch.testing.assert_close(a.weight.grad, b.weight.grad, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.encoder.blocks[0].attn.qkv.weight.grad.T, theirs.transformer.h[0].attn.c_attn.weight.grad,
                               atol=1e-5, rtol=0)


def test_the_likeliest_picture_is_theirs(shaken):
    theirs = peer(shaken)
    model = ours(theirs)
    start = model.begin(colours(2))
    tokens = start
    for _ in range(6):
        tokens = torch.cat([tokens, theirs(tokens).logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(generate(model, start, 6, top_k=1), tokens)


def test_without_its_mask_theirs_reads_around(shaken, close):
    theirs, seen = peer(shaken), colours(N)
    model = ours(theirs)
    for block in theirs.transformer.h:
        block.attn.bias.fill_(True)
    close(model.around(seen, torch.zeros(3, N, dtype=torch.bool)), theirs.transformer(seen).last_hidden_state)


def test_a_bias_that_is_not_zero_is_refused(shaken):
    theirs = peer(shaken)
    theirs.transformer.h[1].mlp.c_fc.bias.data[3] = 1e-3
    with pytest.raises(ValueError, match="h.1.mlp.c_fc.bias is not zero"):
        ours(theirs)


def test_wrong_files_are_refused(shaken, refuses):
    refuses(igpt.load_transformers, igpt.IGPT(K, N, 32, 2, 4), peer(shaken).state_dict(), "transformer.h.1.mlp.c_fc.weight")


def test_the_small_model_has_the_published_size():
    """76 million (Chen et al. 2020, sec. 3.1), to the last one those of theirs that are no biases."""
    import transformers
    with torch.device("meta"):
        small, theirs = igpt.igpt_small(), transformers.ImageGPTForCausalImageModeling(transformers.ImageGPTConfig())
    count = sum(p.numel() for p in small.parameters())
    assert count == sum(p.numel() for name, p in theirs.named_parameters() if not name.endswith(".bias"))
    assert count // 10**6 == 76
