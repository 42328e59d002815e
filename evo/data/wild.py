"""Garments in the wild: Fashion-MNIST's clothes at any place and size, on crops of real photographs.

On plain Fashion-MNIST the garments fill the picture on black, and a linear classifier of raw pixels is hard to beat.
Here it fails, and what a model has learned of garments can show itself. Everything is drawn by one seeded generator and
computed in whole numbers, so that every machine makes the same bytes.
"""

import functools
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import torch

from evo.data import sources
from evo.data.images import CLASSES

SHORT_SIDE = 192  # of a stored photograph
PARTS = {"wild": (32, (40_000, 5_000, 10_000)), "wild64": (64, (16_000, 2_000, 4_000))}  # side; train, valid, test
SHARES = (0.7, 0.1, 0.2)  # of the photographs: every part has its own


@dataclass(frozen=True)
class Part:
    images: torch.Tensor  # (N, 3 or 1, S, S) uint8
    labels: torch.Tensor  # (N,) int64, index into classes
    photos: torch.Tensor  # (N,) int64, the photograph behind the garment, index into photo_names
    boxes: torch.Tensor  # (N, 3) int64: left, top, side of the square that the garment's picture fills
    masks: torch.Tensor  # (N, S, S) bool, True = garment

    def __len__(self):
        return len(self.labels)


@dataclass(frozen=True)
class Wild:
    train: Part
    valid: Part
    test: Part
    classes: tuple  # 10 names
    photo_names: tuple  # of all parts; no photograph stands in two of them


def wild(size=32, colour=False):
    """Fashion-MNIST's garments on photographs, split into train, valid and test by garment *and* by photograph.

    size: 32 (40,000 + 5,000 + 10,000 pictures) or 64 (16,000 + 2,000 + 4,000). colour: True gives tinted garments on colour
    photographs (N, 3, S, S); False the same pictures in grey (N, 1, S, S). Raises ValueError for another size.
    """
    names = {side: name for name, (side, _) in PARTS.items()}
    if not isinstance(size, int) or isinstance(size, bool) or size not in names:
        raise ValueError(f"size={size!r}: wild comes in {' and '.join(map(str, names))} pixels")
    arrays = sources.load(names[size])
    images = arrays["images"] if colour else grey(arrays["images"])
    masks = np.unpackbits(arrays["masks"], axis=-1).view(bool)
    columns = [images, arrays["labels"].astype(np.int64), arrays["photos"].astype(np.int64), arrays["boxes"].astype(np.int64), masks]
    ends = np.cumsum(PARTS[names[size]][1])[:-1]
    parts = zip(*(np.split(column, ends) for column in columns))
    return Wild(*(Part(*map(torch.from_numpy, part)) for part in parts), CLASSES, photographs().names)


def grey(images):
    """(N, 3, S, S) uint8 -> (N, 1, S, S) uint8: luma as in ITU-R BT.601, in whole numbers."""
    weights = (77, 150, 29)
    total = np.full((len(images), 1, *images.shape[2:]), 128, np.uint16)
    for channel, weight in enumerate(weights):
        total += images[:, channel : channel + 1].astype(np.uint16) * np.uint16(weight)
    return (total >> 8).astype(np.uint8)


# --- photographs --------------------------------------------------------------------------------

# Where GCompris keeps photographs, and what kind they are of. Left out: paintings, collages, things on white.
KINDS = {
    "explore_monuments": "monument", "details": "monument", "erase": "wildlife", "explore_world_animals": "wildlife",
    "explore_farm_animals": "farm animal", "clickgame": "sea", "explore_world_music": "music",
}  # fmt: skip
NOT_A_PHOTOGRAPH = ("Gogh", "PereTanguy", "Auvers", "middleeast")


@dataclass(frozen=True)
class Photographs:
    pixels: tuple  # of (H, W, 3) uint8 arrays, short side SHORT_SIDE
    names: tuple  # file names without ending
    kinds: tuple  # monument, wildlife, farm animal, sea or music

    def __len__(self):
        return len(self.names)


@functools.cache
def photographs():
    """GCompris' photographs (GPL and CC licences; fetched, never shipped), short side 192 pixels."""
    arrays = sources.load("backgrounds")
    names = tuple(arrays["names"].tobytes().decode().split("\n"))
    sizes = arrays["sizes"].astype(int)
    pixels = np.split(arrays["pixels"], np.cumsum(sizes.prod(1) * 3)[:-1])
    kinds = tuple(arrays["kinds"].tobytes().decode().split("\n"))
    return Photographs(tuple(p.reshape(*s, 3) for p, s in zip(pixels, sizes)), names, kinds)


def build_backgrounds(folder):
    """Every photograph of at least 270 pixels in the resource files of KINDS, made small."""
    from PIL import Image

    found = {}
    for resource, kind in KINDS.items():
        for path, data in resources(sources.locate(folder, f"{resource}.rcc").read_bytes()).items():
            name = path.rpartition("/")[2].removesuffix(".webp").removesuffix("_background")
            if not path.endswith(".webp") or any(word in name for word in NOT_A_PHOTOGRAPH):
                continue
            picture = Image.open(io.BytesIO(data))
            if picture.mode == "RGB" and min(picture.size) >= 270:
                side = [round(s * SHORT_SIDE / min(picture.size)) for s in picture.size]
                found[f"{resource}/{name}"] = kind, np.asarray(picture.resize(side, Image.Resampling.BILINEAR))
    names = sorted(found)
    return {
        "names": np.frombuffer("\n".join(name.partition("/")[2] for name in names).encode(), np.uint8),
        "kinds": np.frombuffer("\n".join(found[name][0] for name in names).encode(), np.uint8),
        "sizes": np.array([found[name][1].shape[:2] for name in names], np.uint16),
        "pixels": np.concatenate([found[name][1].ravel() for name in names]),
    }


def resources(data):
    """{path: bytes} of a Qt resource file: a tree of nodes, names in UTF-16, contents, zlib where flagged."""
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != b"qres":
        raise ValueError("this is no Qt resource file")
    width = 22 if version >= 2 else 14

    def walk(node, path):
        name, flags, first, second = struct.unpack_from(">IHII", data, tree + width * node)
        if node:
            (length,) = struct.unpack_from(">H", data, names + name)
            start = names + name + 6
            path = f"{path}/{data[start : start + 2 * length].decode('utf-16-be')}"
        if flags & 2:  # a folder: how many children, and the first one's number
            for child in range(second, second + first):
                yield from walk(child, path)
        else:  # a file: language and territory, then where its contents stand
            (size,) = struct.unpack_from(">I", data, contents + second)
            body = data[contents + second + 4 : contents + second + 4 + size]
            yield path, zlib.decompress(body[4:]) if flags & 1 else body

    return dict(walk(0, ""))


# --- garments on photographs --------------------------------------------------------------------


def build_wild(folder):
    return compose(*PARTS["wild"])


def build_wild64(folder):
    return compose(*PARTS["wild64"])


def compose(size, counts):
    """The arrays of `wild`: pictures of size x size, so many for training, validation and test."""
    photos, clothes = photographs(), sources.load("fashion_mnist")
    order = np.random.RandomState(0).permutation(len(photos))
    ends = np.cumsum(counts), (np.cumsum(SHARES) * len(photos)).round().astype(int)
    garments, labels = (
        np.concatenate([clothes[f"train_{what}"][: counts[0] + counts[1]], clothes[f"test_{what}"][: counts[2]]])
        for what in ("images", "labels")
    )
    images = np.empty((len(garments), 3, size, size), np.uint8)
    masks = np.empty((len(garments), size, size), bool)
    behind, boxes = np.empty(len(garments), np.uint8), np.empty((len(garments), 3), np.uint8)
    for part, choice in enumerate(np.split(order, ends[1][:-1])):
        chance = np.random.RandomState(part + 1)
        for i in range(*(np.r_[0, ends[0]][part : part + 2])):
            behind[i] = choice[chance.randint(len(choice))]
            images[i], masks[i], boxes[i] = picture(garments[i], photos.pixels[behind[i]], size, chance)
    return {
        "images": images, "masks": np.packbits(masks, axis=-1), "labels": labels.astype(np.uint8), "photos": behind, "boxes": boxes,
    }  # fmt: skip


def picture(garment, photo, size, chance):
    """One garment (28, 28) on a crop of one photograph (H, W, 3) -> (3, S, S) bytes, where it is (S, S), (left, top, side).

    The crop is a square of .35 to 1 of the photograph's short side, its contrast .4 to .9, its brightness moved by -80 to 0.
    The garment's picture fills a square of .55 to .95 of the canvas; it has one colour at random and hides what is behind it.
    """
    from PIL import Image

    crop = int(chance.uniform(0.35, 1) * SHORT_SIDE)
    top, left = (chance.randint(side - crop + 1) for side in photo.shape[:2])
    behind = Image.fromarray(photo[top : top + crop, left : left + crop]).resize((size, size), Image.Resampling.BILINEAR)
    behind = np.asarray(behind, np.int32).transpose(2, 0, 1)
    contrast, brightness = int(chance.uniform(0.4, 0.9) * 256), chance.randint(-80, 1)
    out = np.clip(((behind - 128) * contrast >> 8) + 128 + brightness, 0, 255)
    side = int(round(chance.uniform(0.55, 0.95) * size))
    top, left = chance.randint(size - side + 1, size=2)
    tint = (255 - chance.randint(0, 81, size=3))[:, None, None]
    opaque = np.minimum(garment.astype(np.uint16) * 3, 255).astype(np.uint8)  # black is around it, dark folds are within
    light, opaque = (
        np.asarray(Image.fromarray(x).resize((side, side), Image.Resampling.BILINEAR), np.int32) for x in (garment, opaque)
    )
    place = out[:, top : top + side, left : left + side]
    place[:] = (opaque * (light * tint // 255) + (255 - opaque) * place + 127) // 255
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = opaque >= 128
    return out.astype(np.uint8), mask, (left, top, side)
