"""The golden run: `fit` against a loop written in plain torch, so that no line of the recipe can change unseen."""
import math

import pytest
import torch
from torch import nn

from evo import recipe
from evo.train import Batches, fit

STEPS, LR, DECAY, WARMUP, CLIP, SEED = 60, 3e-2, 0.3, 0.2, 0.05, 7
torch.manual_seed(3)
X, Y = torch.randn(96, 5), torch.randint(3, (96,))


class Net(nn.Module):
    """Something of everything: an embedding, a convolution, a norm, dropout, a bias, a frozen weight."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.token = nn.Embedding(3, 8)
        self.conv = nn.Conv1d(1, 4, 3)
        self.norm, self.drop = nn.LayerNorm(12), nn.Dropout(0.2)
        self.head = nn.Linear(12, 3)
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, x):
        x = self.conv(x[:, None]).flatten(1)
        return self.head(self.drop(self.norm(x))) * self.frozen + self.token.weight[:, :3].sum(0)


def noisy_loss(model, x, y):
    return nn.functional.cross_entropy(model(x + 0.1 * torch.randn_like(x)), y)


def by_hand():
    """The same training in plain torch: seeds, warm-up, cosine, decay on matrices only, betas, clipping, dropout on."""
    model = Net().train()
    decayed = [model.conv.weight, model.head.weight]
    rest = [model.token.weight, model.conv.bias, model.norm.weight, model.norm.bias, model.head.bias]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, LR, betas=(0.9, 0.95))
    losses, norms = [], []
    for step in range(STEPS):
        warm = WARMUP * STEPS
        rate = (step + 1) / (warm + 1) if step < warm else (1 + math.cos(math.pi * (step - warm) / (STEPS - warm))) / 2
        for group in optimizer.param_groups:
            group["lr"] = LR * rate
        epoch, i = divmod(step, 96 // 16)
        order = torch.randperm(96, generator=torch.Generator().manual_seed(recipe.mix(SEED, epoch)))
        rows = order[16 * i : 16 * (i + 1)]
        torch.manual_seed(recipe.mix(SEED, step, 0))
        loss = noisy_loss(model, X[rows], Y[rows])
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], CLIP)))
        optimizer.step()
        losses.append(loss.item())
    assert min(norms) > CLIP  # else clipping would not be tested
    return model.eval(), losses


def golden(**changes):
    arguments = dict(steps=STEPS, lr=LR, weight_decay=DECAY, warmup=WARMUP, clip=CLIP, seed=SEED) | changes
    return fit(Net(), noisy_loss, Batches(X, Y, size=16), **arguments)


def test_fit_takes_the_steps_of_a_plain_loop():
    model, losses = by_hand()
    run = golden()
    assert [loss for _, loss in run.history] == pytest.approx(losses, rel=1e-4)
    for (name, ours), theirs in zip(run.model.named_parameters(), model.parameters()):
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-5, msg=name)


@pytest.mark.parametrize("change", [
    dict(lr=LR * 1.01), dict(weight_decay=0.0), dict(warmup=0.15), dict(clip=None), dict(seed=8), dict(steps=STEPS + 3),
])  # fmt: skip
def test_the_golden_run_has_the_power_to_see_a_change(change):
    _, losses = by_hand()
    assert [loss for _, loss in golden(**change).history][:STEPS] != pytest.approx(losses, rel=1e-4)


@pytest.mark.parametrize("name, wrong", [
    ("schedule", lambda step, steps, warmup: recipe_schedule(step, steps, warmup) ** 2),
    ("schedule", lambda step, steps, warmup: 1.0 if step > 10 else recipe_schedule(step, steps, warmup)),
    ("BETAS", (0.9, 0.999)),
    ("groups", lambda model, decay: [{"params": [p for p in model.parameters() if p.requires_grad], "weight_decay": decay}]),
    ("mix", lambda *numbers: sum(numbers)),
])  # fmt: skip
def test_a_changed_recipe_is_another_run_and_another_fingerprint(monkeypatch, name, wrong):
    _, losses = by_hand()
    monkeypatch.setattr(recipe, name, wrong)
    assert [loss for _, loss in golden().history] != pytest.approx(losses, rel=1e-4)


recipe_schedule = recipe.schedule


@pytest.mark.parametrize("layer", [
    nn.Linear(3, 4), nn.Bilinear(3, 4, 5), nn.Conv1d(3, 4, 2), nn.Conv2d(3, 4, 2), nn.Conv3d(3, 4, 2), nn.ConvTranspose1d(3, 4, 2),
    nn.ConvTranspose2d(3, 4, 2), nn.RNN(3, 4, 2), nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2), nn.GRU(3, 4), nn.LSTMCell(3, 4),
    nn.GRUCell(3, 4), nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True)], ids=str)
def test_all_matrices_of_a_layer_decay_and_no_bias(layer):
    decayed, rest = recipe.groups(nn.Sequential(layer, nn.LayerNorm(4), nn.BatchNorm1d(4), nn.Embedding(5, 4)), 0.1)
    name = {id(p): n for n, p in layer.named_parameters()}
    assert {name[id(p)] for p in decayed["params"]} == {n for n in name.values() if "bias" not in n}
    assert decayed["weight_decay"] == 0.1 and rest["weight_decay"] == 0.0


def test_a_tied_matrix_decays_once():
    table, out = nn.Embedding(5, 4), nn.Linear(4, 5)
    out.weight = table.weight
    decayed, rest = recipe.groups(nn.Sequential(table, out), 0.1)
    assert decayed["params"] == [table.weight] and rest["params"] == [out.bias]
