"""LoRA against peft: the same sums, gradients and merged weights, on the same BERT."""
import copy

import pytest
import torch
from torch import nn

from evo.blocks import Attention, Encoder
from evo.lora import LoRA, add_lora, merge_lora
from evo.models.bert import BERT

peft = pytest.importorskip("peft")
TOKENS = torch.randint(5, 40, (3, 9), generator=torch.Generator().manual_seed(0))
MAPS = {Encoder: ["qkv", "proj", "mlp.0", "mlp.2"], Attention: ["qkv", "proj"]}


def sides(rank, alpha, within=Encoder):
    """Ours and peft's, around the same weights, with the same random A and B."""
    torch.manual_seed(0)
    base = BERT(40, 12, 32, 2, 4)
    ours = add_lora(copy.deepcopy(base), rank, alpha, within)
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=MAPS[within], lora_dropout=0.0)
    theirs = peft.get_peft_model(copy.deepcopy(base), config)
    for part in ours.modules():
        if isinstance(part, LoRA):
            nn.init.normal_(part.A, std=0.1), nn.init.normal_(part.B, std=0.1)
    with torch.no_grad():
        for mine, their in pairs(ours, theirs):
            their.lora_A["default"].weight.copy_(mine.A), their.lora_B["default"].weight.copy_(mine.B)
    return ours, theirs


def pairs(ours, theirs):
    mine = [part for part in ours.modules() if isinstance(part, LoRA)]
    their = [part for part in theirs.modules() if isinstance(part, peft.tuners.lora.Linear)]
    assert len(mine) == len(their) > 0
    return list(zip(mine, their))


@pytest.mark.parametrize("rank, alpha, within", [(1, 1, Encoder), (4, 8, Encoder), (8, 2, Attention)])
def test_the_same_features(rank, alpha, within, close):
    ours, theirs = sides(rank, alpha, within)
    close(ours.features(TOKENS), theirs.base_model.model.features(TOKENS))


def test_the_same_numbers_learn_and_get_the_same_gradients():
    ours, theirs = sides(4, 8)
    counts = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (ours, theirs)]
    assert counts[0] == counts[1]
    ours.features(TOKENS).square().sum().backward()
    theirs.base_model.model.features(TOKENS).square().sum().backward()
    for mine, their in pairs(ours, theirs):
        for a, b in ((mine.A, their.lora_A), (mine.B, their.lora_B)):
            b = b["default"].weight
            torch.testing.assert_close(a.grad, b.grad, atol=1e-5 * float(b.grad.abs().max()), rtol=1e-5)
        assert mine.linear.weight.grad is None and their.base_layer.weight.grad is None


def test_the_same_merged_weights(close):
    ours, theirs = sides(2, 6)
    ours, theirs = merge_lora(ours), theirs.merge_and_unload()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, weight in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], weight, atol=1e-5, rtol=1e-5, msg=name)
    close(ours.features(TOKENS), theirs.features(TOKENS))


def test_both_start_from_nothing():
    """B is zero and A drawn from the same range: uniform within 1 / sqrt(in)."""
    torch.manual_seed(0)
    base = BERT(40, 12, 32, 2, 4)
    ours = add_lora(copy.deepcopy(base), 4, within=Encoder)
    theirs = peft.get_peft_model(copy.deepcopy(base), peft.LoraConfig(r=4, lora_alpha=4, target_modules=MAPS[Encoder]))
    for mine, their in pairs(ours, theirs):
        a, b = mine.A.detach(), their.lora_A["default"].weight.detach()
        bound = mine.linear.in_features**-0.5
        assert not mine.B.any() and not their.lora_B["default"].weight.any()
        for side in (a, b):
            assert 0.8 * bound < float(side.abs().max()) <= bound and abs(float(side.std()) / bound - 3**-0.5) < 0.08
        assert mine.scale == their.scaling["default"]
