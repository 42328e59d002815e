"""Contrastive learning against its peers: torchvision's augmentations, NT-Xent in other words, and what MoCo is without a memory.

lightly, whose loss it is, too, asks for half of a training framework, so the lock does without it.
"""
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2.functional as peer
from torch import nn

from evo import augment, objectives
from evo.models.convnet import conv_norm
from evo.models.moco import MoCo
from evo.models.resnet import ResNet


@pytest.fixture
def images():
    return torch.rand(5, 3, 32, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_are_torchvisions(name, factor, images):
    found = getattr(augment, name)(images, torch.full((5,), factor))
    wanted = torch.stack([getattr(peer, f"adjust_{name}")(image, factor) for image in images])
    assert (found - wanted).abs().max() <= 1e-4


def test_greyscale_is_torchvisions(images):
    assert (augment.greyscale(images) - peer.rgb_to_grayscale(images, num_output_channels=3)).abs().max() <= 1e-4


@pytest.mark.parametrize("box", [(0, 0, 32, 24), (3, 5, 17, 12), (31, 23, 1, 1), (0, 11, 32, 2)])
def test_cutting_out_is_torchvisions_resized_crop(box, images):
    found = augment.cut_out(images, torch.tensor([box]).expand(5, 4))
    wanted = peer.resized_crop(images, *box, size=[32, 24], interpolation=peer.InterpolationMode.BILINEAR)
    assert (found - wanted).abs().max() <= 1e-4


def test_flipping_is_torchvisions(images):
    assert torch.equal(augment.flip(images, 1.0), peer.horizontal_flip(images))


def cut_out_diagonal(z0, z1, temperature):
    """NT-Xent, the own similarity taken out of every row instead of being masked."""
    z = F.normalize(torch.cat([z0, z1]), dim=1)
    rows, n = torch.arange(len(z)), len(z)
    others = (z @ z.T / temperature)[~torch.eye(n, dtype=torch.bool)].view(n, n - 1)
    partner = (rows + n // 2) % n
    return F.cross_entropy(others, partner - (partner > rows).long())


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_nt_xent_is_the_formula_without_the_diagonal(temperature):
    torch.manual_seed(0)
    z = [torch.randn(16, 8, requires_grad=True) for _ in range(2)]
    ours, theirs = objectives.nt_xent(*z, temperature), cut_out_diagonal(*z, temperature)
    assert abs(ours - theirs) <= 1e-5
    for a, b in zip(torch.autograd.grad(ours, z), torch.autograd.grad(theirs, z)):
        assert (a - b).abs().max() <= 1e-6


def small():
    return ResNet((0, 1), (4, 8), 3, 0, stem=conv_norm(3, 4, 3, 2))


def test_moco_that_forgets_nothing_and_waits_for_nobody_is_the_plain_objective():
    """Momentum 0: the slow copy is the encoder. A queue of the batch's other keys: the batch is its own memory."""
    torch.manual_seed(0)
    model = MoCo(small(), 8, waiting=6, momentum=0.0).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    model.follow()
    one, two = torch.rand(2, 6, 3, 16, 16)
    torch.testing.assert_close(model.keys(two), model(two))
    queries, keys = model(one), model.keys(two)
    model.enqueue(keys)
    torch.testing.assert_close(model.queue, F.normalize(keys, dim=1))
    others = [torch.cat([model.queue[:i], model.queue[i + 1 :]]) for i in range(6)]
    apart = [objectives.info_nce(queries[i : i + 1], keys[i : i + 1], others[i], 0.2) for i in range(6)]
    torch.testing.assert_close(torch.stack(apart).mean(), objectives.info_nce(queries, keys, temperature=0.2))


def test_the_slow_copy_is_a_moving_average():
    torch.manual_seed(0)
    model = MoCo(small(), 8, waiting=4, momentum=0.9)
    before = [p.clone() for p in model.slow.parameters()]
    fast = [p for p in nn.ModuleList([model.encoder, model.head]).parameters()]
    with torch.no_grad():
        for p in fast:
            p.add_(torch.randn_like(p))
    model.follow()
    for old, new, now in zip(before, fast, model.slow.parameters()):
        torch.testing.assert_close(now, 0.9 * old + 0.1 * new)
    assert not any(p.requires_grad for p in model.slow.parameters())


def test_the_queue_loses_its_oldest_keys():
    model = MoCo(small(), 2, waiting=4)
    for angle in range(3):
        turn = torch.tensor([[angle, 1.0], [angle, 2.0]])
        model.enqueue(turn)
    kept = F.normalize(torch.tensor([[2, 1.0], [2, 2], [1, 1], [1, 2]]), dim=1)
    torch.testing.assert_close(model.queue, kept)
    assert model.oldest == 6
