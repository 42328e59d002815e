"""GPT-1: what differs from GPT-2, and the state that its classifier reads."""
import pytest
import torch

from evo.blocks import causal_mask
from evo.models.gpt import GPT, generate
from evo.models.gpt1 import GPT1, last_state
from evo.objectives import next_token

SIZES = dict(dim=32, depth=2, heads=4)


@pytest.fixture
def tokens():
    return torch.randint(50, (3, 6), generator=torch.Generator().manual_seed(0))


def test_against_gpt_only_the_last_norm_is_gone():
    ours, theirs = GPT1(50, 8, **SIZES).state_dict(), GPT(50, 8, **SIZES).state_dict()
    assert theirs.keys() - ours.keys() == {"encoder.norm.weight", "encoder.norm.bias"}
    assert not ours.keys() - theirs.keys()


def test_a_block_normalises_after_each_sum(tokens):
    torch.manual_seed(0)
    model = GPT1(50, 8, **SIZES)
    x = model.token(tokens) + model.position(torch.arange(6))
    for block in model.encoder.blocks:
        x = block.norm1(x + block.attn(x, mask=causal_mask(6)))
        x = block.norm2(x + block.mlp(x))
    torch.testing.assert_close(model(tokens), x @ model.token.weight.T)


def test_it_cannot_see_the_future(tokens):
    torch.manual_seed(0)
    model, changed = GPT1(50, 8, **SIZES), tokens.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 50
    assert torch.equal(model(tokens)[:, :4], model(changed)[:, :4])
    assert not torch.allclose(model(tokens)[:, 4:], model(changed)[:, 4:])


def test_every_parameter_gets_a_gradient(tokens):
    torch.manual_seed(0)
    model = GPT1(50, 6, **SIZES)
    next_token(model(tokens), tokens).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_it_starts_as_the_paper_says():
    torch.manual_seed(0)
    model = GPT1(200, 64, dim=128, depth=8, heads=4)
    weights = [model.token.weight, model.position.weight, model.encoder.blocks[3].mlp[2].weight]
    assert [w.std().item() for w in weights] == pytest.approx([0.02] * 3, rel=0.05)
    assert not model.encoder.blocks[3].attn.qkv.bias.any()


def test_the_last_state_is_found_as_a_loop_finds_it():
    x = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0))
    valid = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0], [0, 1, 1, 0, 0]]).bool()
    wanted = torch.stack([row[max(i for i in range(5) if ok[i])] for row, ok in zip(x, valid)])
    assert torch.equal(last_state(x, valid), wanted)


@pytest.mark.parametrize("valid, word", [
    (torch.ones(4, 5), "valid must be a boolean"),
    (torch.ones(4, 6, dtype=torch.bool), "valid"),
    (torch.zeros(4, 5, dtype=torch.bool), "needs a True"),
])
def test_bad_flags_are_named(valid, word):
    with pytest.raises(ValueError, match=word):
        last_state(torch.randn(4, 5, 3), valid)


def test_reading_on_refuses_the_order_that_it_is_not_written_for():
    """It would have run, with the norms in the wrong places."""
    with pytest.raises(ValueError, match="normalise first"):
        generate(GPT1(20, 8, dim=8, depth=1, heads=2), torch.zeros(1, 1, dtype=torch.long), 2)
