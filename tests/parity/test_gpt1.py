"""GPT-1 against transformers' OpenAI GPT."""
import pytest
import torch

from evo.models import gpt1
from evo.objectives import next_token


def peer(**changes):
    import transformers
    return transformers.OpenAIGPTLMHeadModel(transformers.OpenAIGPTConfig(**dict(
        vocab_size=50, n_positions=12, n_embd=32, n_layer=2, n_head=4) | changes)).eval()


@pytest.mark.parametrize("depth, heads, n", [(2, 4, 12), (3, 2, 5), (1, 8, 1)])
def test_transformers(shaken, close, depth, heads, n):
    theirs, tokens = shaken(peer(n_layer=depth, n_head=heads)), torch.randint(50, (3, n))
    ours = gpt1.load_transformers(gpt1.GPT1(50, 12, 32, depth, heads), theirs.state_dict())
    close(ours(tokens), theirs(tokens).logits)
    close(ours.features(tokens), theirs.transformer(tokens).last_hidden_state)


def test_loss_and_gradients(shaken, close):
    theirs, tokens = shaken(peer()), torch.randint(50, (3, 12))
    ours = gpt1.load_transformers(gpt1.GPT1(50, 12, 32, 2, 4), theirs.state_dict())
    mine, their = next_token(ours(tokens), tokens), theirs(tokens, labels=tokens).loss
    close(mine, their)
    mine.backward(), their.backward()
    torch.testing.assert_close(ours.token.weight.grad, theirs.transformer.tokens_embed.weight.grad, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.encoder.blocks[0].attn.qkv.weight.grad.T, theirs.transformer.h[0].attn.c_attn.weight.grad,
                               atol=1e-5, rtol=0)


def test_the_last_state_is_what_their_classifier_reads(shaken, close):
    import transformers
    config = transformers.OpenAIGPTConfig(vocab_size=50, n_positions=12, n_embd=32, n_layer=2, n_head=4, num_labels=3, pad_token_id=0)
    theirs = shaken(transformers.OpenAIGPTForSequenceClassification(config).eval())
    tokens = torch.randint(1, 50, (4, 12))
    valid = torch.arange(12) < torch.tensor([[12], [5], [2], [1]])
    ours = gpt1.load_transformers(
        gpt1.GPT1(50, 12, 32, 2, 4), {k: v for k, v in theirs.state_dict().items() if not k.startswith("score.")})
    tokens = tokens.masked_fill(~valid, 0)
    close(gpt1.last_state(ours.features(tokens), valid) @ theirs.score.weight.T, theirs(tokens).logits)


def test_files_without_the_prefix_and_with_buffers(shaken, close):
    theirs, tokens = shaken(peer()), torch.randint(50, (3, 12))
    old = {name.removeprefix("transformer."): tensor for name, tensor in theirs.state_dict().items()}
    old |= {"h.0.attn.bias": torch.ones(1, 1, 12, 12), "position_ids": torch.arange(12)}
    close(gpt1.load_transformers(gpt1.GPT1(50, 12, 32, 2, 4), old)(tokens), theirs(tokens).logits)


def test_wrong_files_are_refused(refuses):
    refuses(gpt1.load_transformers, gpt1.GPT1(50, 12, 32, 2, 4), peer().state_dict(), "transformer.h.1.mlp.c_fc.weight")
    with pytest.raises(ValueError, match="wrong shape: position.weight"):
        gpt1.load_transformers(gpt1.GPT1(50, 10, 32, 2, 4), peer().state_dict())


def test_the_released_size():
    import transformers
    with torch.device("meta"):
        ours, theirs = gpt1.gpt1_base(), transformers.OpenAIGPTModel(transformers.OpenAIGPTConfig())
    count = sum(p.numel() for p in ours.parameters())
    assert count == 116_534_784 == sum(p.numel() for p in theirs.parameters())
