"""LoRA, adapters, biases alone, layer-wise rates: what stays, what learns, what they are when they add nothing."""
import copy

import pytest
import torch
from torch import nn

from evo.blocks import Attention, Encoder, linear_maps
from evo.lora import Adapter, LoRA, Slow, add_adapters, add_lora, merge_lora, only_biases, only_top, slow_down, trained
from evo.models.bert import BERT
from evo.models.gpt import GPT
from evo.recipe import groups

TOKENS = torch.randint(5, 40, (3, 9), generator=torch.Generator().manual_seed(0))
WAYS = {
    "lora": lambda m: add_lora(m, 2, within=Encoder), "adapters": lambda m: add_adapters(m, 4), "biases": only_biases,
    "top": lambda m: only_top(m, 1), "slow": lambda m: slow_down(m, 0.5),
}  # fmt: skip


def bert(depth=2):
    torch.manual_seed(0)
    return BERT(40, 12, 32, depth, 4)


def shaken(model):
    for p in model.parameters():
        if p.requires_grad:
            nn.init.normal_(p, std=0.1)
    return model


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [bert, lambda: GPT(40, 12, 32, 2, 4)], ids=["BERT", "GPT"])
def test_at_first_nothing_changes(way, make):
    """B = 0, up = 0 and step = 0: the tuned model starts as the pre-trained one, to the last bit."""
    model = make()
    with torch.no_grad():
        before, after = model.features(TOKENS), WAYS[way](copy.deepcopy(model)).features(TOKENS)
    assert torch.equal(before, after)


@pytest.mark.parametrize("way", WAYS)
def test_what_learns_has_a_gradient_and_the_rest_has_none(way):
    model = WAYS[way](bert())
    if way in ("lora", "adapters"):
        shaken(model)  # A has no gradient while B is zero, nor has `down`
    model.features(TOKENS).square().sum().backward()
    for name, p in model.named_parameters():
        if p.requires_grad and not any(part in name for part in ("pooler", "transform", "next", "bias_head")) and name not in (
                "bias", "parametrizations.bias.original"):
            assert p.grad is not None, name
        if not p.requires_grad:
            assert p.grad is None, name


@pytest.mark.parametrize("way, count", [
    # two blocks, 32 wide: maps 32 to 96, 32 to 32, 32 to 128, 128 to 32
    ("lora", 2 * 2 * (128 + 64 + 160 + 160)), ("biases", 2 * (96 + 32 + 128 + 32 + 2 * 32)),
    ("adapters", 2 * 2 * (2 * 4 * 32 + 4 + 32) + 2 * 4 * 32)])
def test_how_many_numbers_learn(way, count):
    assert trained(WAYS[way](bert())) == count


def test_lora_by_hand():
    linear = nn.Linear(2, 2)
    linear.weight.data, linear.bias.data = torch.eye(2), torch.tensor([0.0, 1.0])
    lora = LoRA(linear, 1, alpha=2)
    lora.A.data, lora.B.data = torch.tensor([[1.0, 1.0]]), torch.tensor([[3.0], [0.0]])
    x = torch.tensor([[1.0, 2.0]])
    assert lora(x).tolist() == [[1 + 2 * 3 * (1 + 2), 2 + 1]]
    assert lora.weight.tolist() == [[7, 6], [0, 1]] and lora.bias is linear.bias


def test_merged_is_unmerged_and_has_the_old_shape():
    model = shaken(add_lora(bert(), 3, alpha=6, within=Encoder))
    with torch.no_grad():
        before = model.features(TOKENS)
        after = merge_lora(model).features(TOKENS)
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)
    assert list(model.state_dict()) == list(bert().state_dict())
    assert trained(model.encoder) == sum(p.numel() for p in model.encoder.parameters() if p.requires_grad)
    merge_lora(model)  # nothing left to merge
    assert torch.equal(after, model.features(TOKENS))


def test_the_sum_has_at_most_the_rank_of_the_detour():
    model, before = add_lora(bert(), 2, within=Attention), bert()
    assert len([m for m in model.modules() if isinstance(m, LoRA)]) == 4  # qkv and proj in two blocks
    merged = merge_lora(shaken(model))
    for (name, new), (_, old) in zip(linear_maps(merged), linear_maps(before)):
        rank = int(torch.linalg.matrix_rank(new.weight.detach().double() - old.weight.detach().double(), atol=1e-5))
        assert rank == (2 if "attn" in name else 0), name


def test_other_sources_pass_through_lora():
    """Queries here, keys and values there: attention then reads the stacked map's weight and bias."""
    attn = shaken(add_lora(Attention(32, 4), 2))
    x, source = torch.randn(2, 5, 32), torch.randn(2, 7, 32)
    before = attn(x, source)
    torch.testing.assert_close(merge_lora(attn)(x, source), before, atol=1e-5, rtol=1e-5)


def test_an_adapter_is_a_detour_before_the_residual():
    branch = nn.Linear(6, 6)
    adapter, x = shaken(Adapter(branch, 6, 3)), torch.randn(4, 6)
    y = branch(x)
    by_hand = y + nn.functional.gelu(y @ adapter.down.weight.T + adapter.down.bias) @ adapter.up.weight.T + adapter.up.bias
    torch.testing.assert_close(adapter(x), by_hand)


@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_adam_moves_a_slow_layer_by_its_share_of_the_rate(decay):
    """One step of Adam moves every weight by about the rate, whatever the gradient: here by rate times share."""
    model, start = slow_down(bert(), decay), bert()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-12)
    model.features(TOKENS).square().mul(torch.randn(3, 9, 32)).sum().backward()
    optimizer.step()
    for k, block in enumerate(model.encoder.blocks):
        moved = (block.mlp[0].weight - start.encoder.blocks[k].mlp[0].weight).abs().median().item()
        torch.testing.assert_close(moved, 1e-3 * decay ** (1 - k), atol=0, rtol=1e-2)
    moved = (model.position.weight[:9] - start.position.weight[:9]).abs().median().item()
    torch.testing.assert_close(moved, 1e-3 * decay**2, atol=0, rtol=1e-2)


def test_steps_do_not_decay():
    decayed, _ = groups(slow_down(bert(), 0.5), 0.1)
    assert not decayed["params"]
    assert isinstance(slow_down(bert(), 0.5).encoder.blocks[0].mlp[0].parametrizations.weight[0], Slow)


def test_a_slowed_model_learns_like_a_plain_one_where_the_share_is_one():
    sides = [bert(), slow_down(bert(), 1.0)]
    for model in sides:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
        for _ in range(3):
            optimizer.zero_grad()
            model.features(TOKENS).square().mul(torch.arange(32)).mean().backward()
            optimizer.step()
    torch.testing.assert_close(*(m.features(TOKENS) for m in sides), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("call, message", [
    (lambda: add_lora(bert(), 0), "rank=0 must be a whole number, at least 1"),
    (lambda: add_lora(bert(), 1.5), "rank=1.5 must be a whole number"),
    (lambda: add_lora(bert(), 33), "rank=33 is more than 32, the full rank of a map 32 to 32"),
    (lambda: add_lora(bert(), 33, within=Encoder), "rank=33 is more than 32"),
    (lambda: add_lora(bert(), 2, within=nn.LSTM), "no linear map stands inside a LSTM"),
    (lambda: add_lora(nn.LayerNorm(3), 2), "no linear map stands inside"),
    (lambda: add_adapters(bert(), 0), "width=0 must be a whole number"),
    (lambda: add_adapters(nn.Linear(3, 3), 2), "model must have an encoder made of blocks, as BERT or GPT; Linear has none"),
    (lambda: only_biases(nn.Linear(3, 3)), "model must have an encoder"),
    (lambda: only_top(bert(), 3), "blocks=3 must lie between 0 and the encoder's 2"),
    (lambda: only_top(bert(), None), "blocks=None must be a whole number"),
    (lambda: slow_down(bert(), 0), r"decay=0 must be a number in \(0, 1\]"),
    (lambda: slow_down(bert(), "x"), r"decay='x' must be a number"),
])  # fmt: skip
def test_bad_input_is_told(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_refused_rank_leaves_the_model_as_it_was():
    model = bert()
    with pytest.raises(ValueError):
        add_lora(model, 20)  # more than the map to two classes has
    assert all(p.requires_grad for p in model.parameters()) and not any(isinstance(m, LoRA) for m in model.modules())
