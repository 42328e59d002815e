"""Augmentation: two views of one picture, drawn for a whole batch at once.

Images are floats (B, C, H, W) from 0 to 1; every picture draws its own
numbers, by torch's seeded generator. Pieces come first, pure functions of
what was drawn; then what draws (SimCLR, Chen et al. 2020, appendix A).
"""
import torch

from evo.inputs import check_shape, kind

LUMA = (0.2989, 0.587, 0.114)  # how bright red, green and blue look


# pieces


def greyscale(images):
    """(B, 3, H, W) -> the same shape, three equal channels."""
    _check(images, channels=3)
    weights = images.new_tensor(LUMA).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True).expand_as(images)


def blend(images, others, share):
    """share * images + (1 - share) * others, cut to 0..1; share (B,).

    A share above 1 leads away from the others.
    """
    _check(images)
    check_shape(share, (len(images),), "share")
    share = share.view(-1, 1, 1, 1)
    return (share * images + (1 - share) * others).clamp(0, 1)


def brightness(images, factor):
    """factor (B,): 0 gives black, 1 the picture."""
    return blend(images, torch.zeros_like(images), factor)


def contrast(images, factor):
    """factor (B,): 0 gives the mean grey of the picture, 1 the picture."""
    return blend(images, greyscale(images).mean((1, 2, 3), True), factor)


def saturation(images, factor):
    """factor (B,): 0 gives the picture in grey, 1 the picture."""
    return blend(images, greyscale(images), factor)


def cut_out(images, boxes):
    """Each picture's box, made as large as the picture: bilinear.

    boxes (B, 4), whole numbers: top, left, height, width.
    """
    _check(images)
    check_shape(boxes, (len(images), 4), "boxes")
    top, left, height, width = boxes.unbind(1)
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
    """Left and right exchanged in about `chance` of the pictures."""
    _check(images)
    return _some(chance, images.flip(3), images)


def crop(images, area=(0.2, 1.0), aspect=(3 / 4, 4 / 3)):
    """A box of each picture at its full size: any place, any size.

    area: the box's share of the picture; aspect: its width over its height.
    """
    _check(images)
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
    """
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


def _check(images, channels=None):
    if not isinstance(images, torch.Tensor) or not images.is_floating_point():
        raise ValueError(
            "images must be a tensor of floating-point numbers from 0 to 1, "
            f"got {kind(images)}: make them of bytes by to_float(images)")
    if images.ndim != 4 or channels not in (None, images.shape[1]):
        raise ValueError(
            f"images have shape {tuple(images.shape)}, but "
            f"(B, {channels or 'C'}, H, W) is needed")
