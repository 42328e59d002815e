"""Augmentation: two views of one picture, drawn for a whole batch at once.

Images are floats (B, C, H, W) from 0 to 1; every picture draws its own
numbers, by torch's seeded generator. Pieces come first, pure functions of
what was drawn; then what draws (SimCLR, Chen et al. 2020, appendix A).
All of them raise ValueError for what is no such batch, and for what cannot
be drawn.
"""
import torch

from evo.inputs import check_floats, check_number, check_whole, has_numbers, kind

LUMA = (0.2989, 0.587, 0.114)  # how bright red, green and blue look


# pieces


def greyscale(images):
    """(B, 3, H, W) -> the same shape, three equal channels."""
    _check(images, channels=3)
    weights = images.new_tensor(LUMA).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).expand_as(images)


def blend(images, others, share):
    """share * images + (1 - share) * others, cut to 0..1; share (B,).

    A share above 1 leads away from the others, which may have one channel,
    row or column for all. Raises ValueError for any that do not fit.
    """
    _check(images, share=share)
    _check(others)
    if any(n not in (1, m) for n, m in zip(others.shape, images.shape)):
        raise ValueError(f"others have shape {tuple(others.shape)}, but "
                         f"{tuple(images.shape)} is needed, or ones in it")
    share = share.view(-1, 1, 1, 1)
    return (share * images + (1 - share) * others).clamp(0, 1)


def brightness(images, factor):
    """factor (B,): 0 gives black, 1 the picture."""
    _check(images, factor=factor)
    return blend(images, torch.zeros_like(images), factor)


def contrast(images, factor):
    """factor (B,): 0 gives the mean grey of the picture, 1 the picture."""
    _check(images, 3, factor=factor)
    return blend(images, greyscale(images).mean((1, 2, 3), True), factor)


def saturation(images, factor):
    """factor (B,): 0 gives the picture in grey, 1 the picture."""
    _check(images, 3, factor=factor)
    return blend(images, greyscale(images), factor)


def cut_out(images, boxes):
    """Each picture's box, made as large as the picture: bilinear.

    boxes (B, 4), whole numbers: top, left, height, width. Raises ValueError
    for a box that is empty or leaves its picture.
    """
    _check(images)
    check_whole(boxes, "boxes", (len(images), 4))
    top, left, height, width = boxes.unbind(1)
    if has_numbers(boxes) and not (
            (boxes >= boxes.new_tensor([0, 0, 1, 1])).all()
            and (top + height <= images.shape[2]).all()
            and (left + width <= images.shape[3]).all()):
        raise ValueError("boxes (top, left, height, width) must lie in the "
                         f"picture of {images.shape[2]}x{images.shape[3]}")
    rows = _resize(top, height, images.shape[2], images)  # (B, H, H)
    columns = _resize(left, width, images.shape[3], images)  # (B, W, W)
    return rows[:, None] @ images @ columns[:, None].mT


def _resize(start, length, size, like):
    """(B,), (B,) -> (B, size, size): which pixels make each new one.

    Two neighbours share it by their distance; none lies outside the box.
    """
    start, length = (x.to(like)[:, None] for x in (start, length))
    new = torch.arange(size).to(like)
    place = (new + 0.5) * length / size - 0.5  # (B, size), in the box
    place = start + place.clamp(min=0).minimum(length - 1)
    return (1 - (place[:, :, None] - new).abs()).clamp(min=0)


# what draws


def flip(images, chance=0.5):
    """Left and right exchanged in about `chance` of the pictures.

    Raises ValueError unless chance is a number from 0 to 1.
    """
    _check(images)
    check_number(chance, "chance", "[0, 1]")
    return _some(chance, images.flip(3), images)


def crop(images, area=(0.2, 1.0), aspect=(3 / 4, 4 / 3)):
    """A box of each picture at its full size: any place, any size.

    area: the box's share of the picture; aspect: its width over its height;
    each from the least to the most. Raises ValueError for other pairs.
    """
    _check(images)
    _check_pair(area, "area", "(0, 1]")
    _check_pair(aspect, "aspect", "(0, inf)")
    count, (height, width) = len(images), images.shape[2:]
    share = _between(*area, images) * height * width
    ratio = _between(*(images.new_tensor(aspect).log()), images).exp()
    sides = torch.stack([(share / ratio).sqrt(), (share * ratio).sqrt()], 1)
    whole = torch.tensor([height, width], device=images.device)
    sides = sides.round().long().clamp(min=1).minimum(whole)  # (B, 2)
    free = whole - sides + 1
    corner = (torch.rand(count, 2, device=images.device) * free).long()
    return cut_out(images, torch.cat([corner, sides], 1))


def colour(images, strength=0.4, chance=0.8, grey=0.2):
    """Brightness, contrast and saturation by 1 - strength to 1 + strength.

    In about `chance` of the pictures; then `grey` of all lose their colour.
    Raises ValueError unless all three are numbers from 0 to 1.
    """
    _check(images, 3)
    check_number(strength, "strength", "[0, 1]")
    check_number(chance, "chance", "[0, 1]")
    check_number(grey, "grey", "[0, 1]")
    changed = images
    for change in (brightness, contrast, saturation):
        changed = change(
            changed, _between(1 - strength, 1 + strength, images))
    images = _some(chance, changed, images)
    return _some(grey, greyscale(images), images)


def _between(low, high, images):
    """A number for each picture."""
    drawn = torch.rand(len(images), device=images.device, dtype=images.dtype)
    return low + (high - low) * drawn


def _some(chance, changed, images):
    """The changed picture with this chance, else the picture."""
    drawn = torch.rand(len(images), 1, 1, 1, device=images.device)
    return torch.where(drawn < chance, changed, images)


def _check(images, channels=None, **shares):
    if not isinstance(images, torch.Tensor) or not images.is_floating_point():
        raise ValueError(
            "images must be a tensor of floating-point numbers from 0 to 1, "
            f"got {kind(images)}: make them of bytes by to_float(images)")
    if images.ndim != 4 or channels not in (None, images.shape[1]):
        raise ValueError(
            f"images have shape {tuple(images.shape)}, but "
            f"(B, {channels or 'C'}, H, W) is needed")
    for name, share in shares.items():
        check_floats(share, name, shape=(len(images),))


def _check_pair(pair, name, interval):
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ValueError(f"{name}={pair!r} must be two numbers")
    for number in pair:
        check_number(number, name, interval)
    if pair[0] > pair[1]:
        raise ValueError(f"{name}={pair!r}: the smaller number comes first")
