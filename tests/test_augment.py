"""Augmentations: what they keep, what they change, and that a seed decides them."""
import pytest
import torch
import torch.nn.functional as F

from evo import augment

WAYS = {"flip": augment.flip, "crop": augment.crop, "colour": augment.colour}


@pytest.fixture
def images():
    return torch.rand(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", WAYS)
def test_shape_and_range_stay_and_a_seed_decides(name, images):
    kept, draws = images.clone(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(WAYS[name](images))
    assert draws[0].shape == images.shape and draws[0].dtype == images.dtype
    assert draws[0].min() >= 0 and draws[0].max() <= 1 + 1e-6
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    assert torch.equal(images, kept)


@pytest.mark.parametrize("name", WAYS)
def test_every_picture_draws_its_own_numbers(name):
    torch.manual_seed(0)
    same = torch.rand(1, 3, 8, 8).expand(64, -1, -1, -1)
    changed = WAYS[name](same)
    assert len({tuple(x.flatten().tolist()) for x in changed}) > (1 if name == "flip" else 32)


@pytest.mark.parametrize("change", [augment.brightness, augment.contrast, augment.saturation])
def test_a_factor_of_one_changes_nothing_and_zero_takes_everything(change, images):
    torch.testing.assert_close(change(images, torch.ones(6)), images)
    none = change(images, torch.zeros(6))
    left = {augment.brightness: torch.zeros_like(images), augment.saturation: augment.greyscale(images),
            augment.contrast: augment.greyscale(images).mean((1, 2, 3), True).expand_as(images)}[change]
    torch.testing.assert_close(none, left)


def test_greyscale_has_three_equal_channels_and_keeps_grey(images):
    grey = augment.greyscale(images)
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 0], grey[:, 2])
    torch.testing.assert_close(augment.greyscale(grey), grey, atol=2e-4, rtol=0)  # the weights add up to .9999


def test_the_whole_picture_cut_out_is_the_picture(images):
    whole = torch.tensor([[0, 0, 8, 10]]).expand(6, 4)
    torch.testing.assert_close(augment.cut_out(images, whole), images)


def test_cutting_out_is_cropping_and_resizing_each_picture(images):
    boxes = torch.tensor([[0, 0, 4, 5], [3, 2, 5, 8], [7, 9, 1, 1], [1, 0, 2, 10], [0, 4, 8, 3], [2, 2, 3, 3]])
    for picture, box, found in zip(images, boxes.tolist(), augment.cut_out(images, boxes)):
        top, left, height, width = box
        part = picture[None, :, top : top + height, left : left + width]
        wanted = F.interpolate(part, size=(8, 10), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_nothing_outside_the_box_is_seen(images):
    box = torch.tensor([[2, 3, 4, 5]]).expand(6, 4)
    other = images.clone()
    other[:, :, :2], other[:, :, 6:], other[..., :3], other[..., 8:] = 0.7, 0.1, 0.3, 0.9
    assert torch.equal(augment.cut_out(images, box), augment.cut_out(other, box))


def test_crop_reaches_every_corner_and_keeps_to_its_limits():
    """A gradient from 0 to 1: the range that a crop shows tells its box."""
    torch.manual_seed(0)
    side = 32
    ramp = (torch.arange(side) / (side - 1.0)).expand(2000, 1, side, side)
    left, right = augment.crop(ramp).flatten(1).aminmax(dim=1)
    widths = (right - left) * (side - 1) + 1
    assert left.min() == 0 and right.max() >= 1 - 1e-6
    assert widths.min() >= (0.2 * 3 / 4) ** 0.5 * side - 1 and widths.max() <= side + 1e-3
    assert torch.equal(augment.crop(ramp[:3], area=(1, 1), aspect=(1, 1)), ramp[:3])


def test_chances():
    torch.manual_seed(0)
    images = torch.rand(4000, 3, 2, 2)
    flipped = (augment.flip(images) == images.flip(3)).all(3).all(2).all(1).float().mean()
    assert flipped == pytest.approx(0.5, abs=0.03)
    assert torch.equal(augment.flip(images, 0), images) and torch.equal(augment.flip(images, 1), images.flip(3))
    same = (augment.colour(images, grey=0) == images).flatten(1).all(1).float().mean()
    assert same == pytest.approx(0.2, abs=0.03)
    assert torch.equal(augment.colour(images, chance=0, grey=1), augment.greyscale(images))
    grey = augment.colour(images, chance=0)
    assert (grey[:, 0] == grey[:, 1]).flatten(1).all(1).float().mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("call, word", [
    (lambda: augment.flip(torch.zeros(2, 3, 4, 4, dtype=torch.uint8)), "floating-point numbers from 0 to 1"),
    (lambda: augment.crop(torch.zeros(3, 4, 4)), r"\(3, 4, 4\)"),
    (lambda: augment.colour(torch.zeros(2, 1, 4, 4)), r"\(2, 1, 4, 4\)"),
    (lambda: augment.brightness(torch.zeros(2, 3, 4, 4), torch.ones(3)), "factor"),
    (lambda: augment.cut_out(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3)), "boxes"),
])  # fmt: skip
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()
