"""GPT against transformers' GPT-2."""
import pytest
import torch

from evo.models import gpt
from evo.objectives import next_token


def peer(**changes):
    import transformers
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**dict(
        vocab_size=50, n_positions=12, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0) | changes))


@pytest.mark.parametrize("depth, heads, n", [(2, 4, 12), (3, 2, 5), (1, 8, 1)])
def test_transformers(shaken, close, depth, heads, n):
    theirs, tokens = shaken(peer(n_layer=depth, n_head=heads)), torch.randint(50, (3, n))
    ours = gpt.load_transformers(gpt.GPT(50, 12, 32, depth, heads), theirs.state_dict())
    close(ours(tokens), theirs(tokens).logits)
    close(ours.features(tokens), theirs.transformer(tokens).last_hidden_state)


def test_loss_and_gradients(shaken, close):
    theirs, tokens = shaken(peer()), torch.randint(50, (3, 12))
    ours = gpt.load_transformers(gpt.GPT(50, 12, 32, 2, 4), theirs.state_dict())
    mine, their = next_token(ours(tokens), tokens), theirs(tokens, labels=tokens).loss
    close(mine, their)
    mine.backward(), their.backward()
    torch.testing.assert_close(ours.token.weight.grad, theirs.transformer.wte.weight.grad, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.encoder.blocks[0].attn.qkv.weight.grad.T, theirs.transformer.h[0].attn.c_attn.weight.grad,
                               atol=1e-5, rtol=0)


def test_loss_ignores_padding_as_theirs(shaken, close):
    theirs, tokens = shaken(peer()), torch.randint(50, (3, 12))
    ours = gpt.load_transformers(gpt.GPT(50, 12, 32, 2, 4), theirs.state_dict())
    valid = torch.arange(12) < torch.tensor([[12], [5], [2]])
    close(next_token(ours(tokens), tokens, valid), theirs(tokens, labels=tokens.masked_fill(~valid, -100)).loss)


def test_old_files_carry_mask_buffers_and_may_lack_the_prefix(shaken, close):
    theirs, tokens = shaken(peer()), torch.randint(50, (3, 12))
    old = {name.removeprefix("transformer."): tensor for name, tensor in theirs.state_dict().items()}
    old |= {"h.0.attn.bias": torch.ones(1, 1, 12, 12), "h.0.attn.masked_bias": torch.tensor(-1e4)}
    close(gpt.load_transformers(gpt.GPT(50, 12, 32, 2, 4), old)(tokens), theirs(tokens).logits)


def test_wrong_files_are_refused(refuses):
    refuses(gpt.load_transformers, gpt.GPT(50, 12, 32, 2, 4), peer().state_dict(), "transformer.h.1.mlp.c_fc.weight")
    with pytest.raises(ValueError, match="wrong shape: position.weight"):
        gpt.load_transformers(gpt.GPT(50, 10, 32, 2, 4), peer().state_dict())
