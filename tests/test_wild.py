"""Garments on photographs: what is drawn where, that nothing leaks between the parts, the same bytes everywhere."""

import hashlib
import struct
import zlib

import numpy as np
import pytest
import torch

from evo.data import sources
from evo.data import wild as module
from evo.data.images import CLASSES
from evo.data.wild import grey, photographs, picture, resources, wild


@pytest.fixture(scope="module", params=[32, 64])
def both(request):
    return wild(request.param), wild(request.param, colour=True), request.param


def test_shapes_and_counts(both):
    plain, colour, size = both
    counts = {32: (40_000, 5_000, 10_000), 64: (16_000, 2_000, 4_000)}[size]
    for data, channels in ((plain, 1), (colour, 3)):
        assert tuple(map(len, (data.train, data.valid, data.test))) == counts
        assert data.classes == CLASSES
        for part in (data.train, data.valid, data.test):
            n = len(part)
            assert part.images.shape == (n, channels, size, size) and part.images.dtype == torch.uint8
            assert part.labels.shape == part.photos.shape == (n,) and part.labels.dtype == part.photos.dtype == torch.int64
            assert part.boxes.shape == (n, 3) and part.masks.shape == (n, size, size) and part.masks.dtype == torch.bool
            assert set(part.labels.tolist()) == set(range(10))


def test_no_photograph_stands_in_two_parts(both):
    data, _, _ = both
    seen = [set(part.photos.tolist()) for part in (data.train, data.valid, data.test)]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert sum(map(len, seen)) == len(data.photo_names) == 133
    assert [round(len(s) / 133, 1) for s in seen] == [0.7, 0.1, 0.2]


def test_no_garment_stands_in_two_parts():
    clothes, data = sources.load("fashion_mnist"), wild()
    assert torch.equal(torch.cat([data.train.labels, data.valid.labels]), torch.from_numpy(clothes["train_labels"][:45_000]).long())
    assert torch.equal(data.test.labels, torch.from_numpy(clothes["test_labels"]).long())


def test_a_photograph_tells_nothing_about_the_garment():
    """Knowing the photograph, the most frequent class behind it is right about as often as by chance."""
    part = wild().train
    table = torch.zeros(133, 10)
    half = len(part) // 2
    table.index_put_((part.photos[:half], part.labels[:half]), torch.ones(half), accumulate=True)
    assert (table[part.photos[half:]].argmax(1) == part.labels[half:]).float().mean() < 0.12


def test_masks_lie_in_their_boxes_and_are_garment(both):
    data, _, size = both
    for i in range(50):
        left, top, side = data.test.boxes[i].tolist()
        assert 0 <= left <= size - side and 0 <= top <= size - side and 0.55 * size - 1 <= side <= 0.95 * size + 1
        inside = torch.zeros(size, size, dtype=torch.bool)
        inside[top : top + side, left : left + side] = True
        assert not (data.test.masks[i] & ~inside).any() and data.test.masks[i].any()
    assert 0.1 < data.test.masks.float().mean() < 0.4


class Chance:
    """Draws that are known: the middle of every range."""

    def uniform(self, low, high):
        return (low + high) / 2

    def randint(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        return np.full(size, (low + high) // 2) if size else (low + high) // 2


def test_a_picture_by_hand():
    """A white garment hides a grey photograph, in its tint; around it the photograph is darker and flatter."""
    photo = np.full((192, 200, 3), 178, np.uint8)
    garment = np.zeros((28, 28), np.uint8)
    garment[7:21] = 255
    made, mask, (left, top, side) = picture(garment, photo, 32, Chance())
    assert (left, top, side) == (4, 4, 24)
    behind = ((178 - 128) * int(0.65 * 256) >> 8) + 128 - 40
    assert (made[:, :4] == behind).all() and (made[:, 28:] == behind).all() and (made[:, 5:8, 6:26] == behind).all()
    assert (made[:, 12:20, 6:26] == 255 - 40).all()
    assert mask[12:20, 6:26].all() and not mask[:8].any() and not mask[25:].any()


def test_grey_is_luma_and_never_overflows():
    images = torch.randint(256, (4, 3, 5, 5), dtype=torch.uint8).numpy()
    exact = (images * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdims=True)
    assert np.abs(grey(images).astype(float) - exact).max() <= 1.5
    assert (grey(np.full((1, 3, 2, 2), 255, np.uint8)) == 255).all() and (grey(np.zeros((1, 3, 2, 2), np.uint8)) == 0).all()


def test_the_same_bytes_on_every_machine():
    """Made anew from garments and photographs, the first pictures of every part are those of the canonical file."""
    data = wild(64, colour=True)
    arrays = module.compose(64, (30, 20, 25))
    assert np.array_equal(arrays["images"][:30], data.train.images[:30].numpy())
    assert hashlib.sha256(arrays["images"].tobytes()).hexdigest()[:16] == "80e41d6e5f4e723f"


def test_photographs():
    found = photographs()
    assert len(found) == len(found.pixels) == len(found.kinds) == 133
    assert all(min(p.shape[:2]) == 192 and p.shape[2] == 3 and p.dtype == np.uint8 for p in found.pixels)
    assert set(found.kinds) == {"monument", "wildlife", "farm animal", "sea", "music"}
    assert {"eiffelTower", "panda", "sheep", "sea1", "orchestra"} <= set(found.names)
    assert not any("Gogh" in name for name in found.names), "paintings are no photographs"


def resource_file(files):
    """A Qt resource file, version 1, of a folder `a` with these files."""
    names, contents, nodes, place = b"", b"", [], {}
    for name in ("a", *files):
        place[name] = len(names)
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
    nodes.append(struct.pack(">IHII", 0, 2, 1, 1))  # the root: one child, number 1
    nodes.append(struct.pack(">IHII", place["a"], 2, len(files), 2))
    for name, (data, packed) in files.items():
        body = struct.pack(">I", len(data)) + zlib.compress(data) if packed else data
        nodes.append(struct.pack(">IHHHI", place[name], int(packed), 0, 0, len(contents)))
        contents += struct.pack(">I", len(body)) + body
    tree = b"".join(nodes)
    head = struct.pack(">4s4I", b"qres", 1, 20, 20 + len(tree), 20 + len(tree) + len(contents))
    return head + tree + contents + names


def test_resource_files():
    files = {"one.webp": (b"first", False), "zwei.png": (b"second" * 100, True)}
    assert resources(resource_file(files)) == {"/a/one.webp": b"first", "/a/zwei.png": b"second" * 100}
    with pytest.raises(ValueError, match="no Qt resource file"):
        resources(b"RIFF" + bytes(40))


@pytest.mark.parametrize("size", [28, 0, "32", None, True, 64.5])
def test_another_size_is_refused(size):
    with pytest.raises(ValueError, match="wild comes in 32 and 64 pixels"):
        wild(size)


def test_what_is_made_of_other_sets_is_made_when_it_is_missing(tmp_path, monkeypatch):
    """No network is needed for it, only what it is made of."""
    for name in ("fashion_mnist", "backgrounds"):
        (tmp_path / f"{name}.npz").symlink_to(sources.get(name))
    monkeypatch.setenv("EVO_CACHE", str(tmp_path))
    monkeypatch.setattr(sources, "SOURCES", {})
    monkeypatch.setattr(module, "PARTS", {"wild64": (64, (5, 2, 3))})
    monkeypatch.setattr(sources, "check", lambda arrays, dataset: None)
    assert sources.get("wild64").exists() and len(sources.load("wild64")["labels"]) == 10
