"""The pretended device refuses what a GPU refuses, allows what it allows, and computes what the CPU computes."""
import pretend_gpu
import pytest
import torch
import torch.nn.functional as F
from pretend_gpu import DEVICE
from torch import nn

from evo import loop, train
from evo.train import Batches


def test_tensors_go_there_and_back_with_their_numbers():
    x = torch.randn(3, 4)
    with pretend_gpu.switched_on():
        there = x.to(DEVICE)
        assert there.device == DEVICE and (there + 1).device == DEVICE and there.mean().item() == pytest.approx(x.mean().item())
        assert torch.equal((2 * there).cpu(), 2 * x) and there.cpu().device.type == "cpu"
        assert torch.zeros(2, device=DEVICE).device == DEVICE and torch.arange(3, device=DEVICE).cpu().tolist() == [0, 1, 2]
        assert torch.zeros_like(there, device="cpu").device.type == "cpu"
        assert there.new_ones(2).device == DEVICE


@pytest.mark.parametrize("call", [
    lambda x, y: x + y, lambda x, y: y @ x.T, lambda x, y: torch.cat([x, y]), lambda x, y: x.mul_(y), lambda x, y: torch.where(x > 0, y, y),
    lambda x, y: F.linear(x, y), lambda x, y: y[x[:, 0].long().abs() % 2], lambda x, y: x == y])  # fmt: skip
def test_both_devices_at_once_are_refused(call):
    with pretend_gpu.switched_on(), pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        call(torch.randn(3, 4).to(DEVICE), torch.randn(3, 4))


def test_numbers_copies_and_indices_may_cross():
    with pretend_gpu.switched_on():
        x = torch.arange(6.0).view(3, 2).to(DEVICE)
        assert (x * torch.tensor(2.0)).cpu()[2, 1] == 10
        assert x[torch.tensor([2, 0])].cpu().tolist() == [[4, 5], [0, 1]]
        y = torch.zeros(3, 2)
        y.copy_(x)
        x.copy_(torch.ones(3, 2))
        assert y.tolist() == [[0, 1], [2, 3], [4, 5]] and x.cpu().eq(1).all()


def test_a_model_learns_there_as_here():
    torch.manual_seed(0)
    x, y = torch.randn(16, 4), torch.randint(3, (16,))

    def steps(device):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        if device == DEVICE:
            model, optimizer = pretend_gpu.Accelerator().prepare(model, optimizer)
        losses = []
        for _ in range(5):
            loss = F.cross_entropy(model(x.to(device)), y.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    here = steps(torch.device("cpu"))
    with pretend_gpu.switched_on() as device:
        assert steps(device) == pytest.approx(here, rel=1e-5)


def test_afterwards_all_is_as_before():
    accelerator = loop.make_accelerator
    with pytest.raises(ZeroDivisionError), pretend_gpu.switched_on():
        assert loop.make_accelerator is not accelerator
        raise ZeroDivisionError
    assert loop.make_accelerator is accelerator
    assert torch.ones(2).to("meta").is_meta and not isinstance(torch.ones(2).to("meta"), pretend_gpu.Elsewhere)


def test_fit_trains_there_as_here_and_brings_the_model_home():
    torch.manual_seed(0)
    batches = Batches(torch.randn(32, 4), torch.randint(3, (32,)), size=8)

    def trained():
        torch.manual_seed(1)
        return train.fit(nn.Linear(4, 3), lambda m, x, y: F.cross_entropy(m(x), y), batches, steps=5, lr=0.1)

    here = trained()
    with pretend_gpu.switched_on():
        there = trained()
    assert [loss for _, loss in there.history] == pytest.approx([loss for _, loss in here.history], rel=1e-4)
    torch.testing.assert_close(there.model(torch.ones(1, 4)), here.model(torch.ones(1, 4)))


def test_a_loss_that_forgets_the_device_is_found():
    x = torch.randn(8, 4)
    with pretend_gpu.switched_on():
        model = nn.Linear(4, 2).to(DEVICE)
        with pytest.raises(RuntimeError, match="same device"):
            (model(x.to(DEVICE)) - torch.zeros(8, 2)).square().mean()
        assert (model(x.to(DEVICE)) - torch.zeros(8, 2, device=DEVICE)).square().mean().item() > 0
