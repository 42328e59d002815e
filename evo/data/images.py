"""Pictures: Fashion-MNIST, and cutting pictures into patches."""

import gzip
import math
from dataclasses import dataclass

import numpy as np
import torch

from evo.blocks import patchify as patchify
from evo.blocks import two
from evo.data import sources

CLASSES = tuple("T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(","))


@dataclass(frozen=True)
class FashionMNIST:
    train_images: torch.Tensor  # (60000, 1, 28, 28) uint8
    train_labels: torch.Tensor  # (60000,) int64
    test_images: torch.Tensor  # (10000, 1, 28, 28) uint8
    test_labels: torch.Tensor  # (10000,) int64
    classes: tuple  # 10 names


def fashion_mnist():
    """Fashion-MNIST (Xiao et al., 2017): 70,000 grey pictures of ten kinds of clothing."""
    arrays = sources.load("fashion_mnist")
    images = [torch.from_numpy(arrays[f"{part}_images"])[:, None] for part in ("train", "test")]
    labels = [torch.from_numpy(arrays[f"{part}_labels"]).long() for part in ("train", "test")]
    return FashionMNIST(images[0], labels[0], images[1], labels[1], CLASSES)


def build_fashion_mnist(folder):
    """The four IDX files as arrays: a header of 16 or 8 bytes, then one byte a pixel or label."""

    def idx(name, header):
        return np.frombuffer(gzip.decompress(sources.locate(folder, name).read_bytes()), np.uint8)[header:]

    arrays = {}
    for part, file in (("train", "train"), ("test", "t10k")):
        arrays[f"{part}_images"] = idx(f"{file}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
        arrays[f"{part}_labels"] = idx(f"{file}-labels-idx1-ubyte.gz", 8)
    return arrays


def to_float(images):
    """Bytes 0..255 -> numbers 0..1."""
    if not isinstance(images, torch.Tensor):
        raise ValueError(f"images must be a tensor of bytes (0 to 255), got {type(images).__name__}")
    if images.is_floating_point() and images.numel() and not (images.max() > 1 or (images == 0).all()):
        raise ValueError(f"images must run from 0 to 255, but their largest number is {images.max():.3g}: they are scaled already")
    return images.float() / 255


class Standardise:
    """Bytes 0..255 -> numbers of mean 0 and deviation 1: (images / 255 - mean) / std; `back` undoes it.

    mean, std: of the training pictures, on the scale 0 to 1. images: (..., H, W) bytes.
    """

    def __init__(self, mean, std):
        if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in (mean, std)) or std <= 0:
            raise ValueError(f"mean and std must be finite numbers, std above 0, got mean={mean!r}, std={std!r}")
        self.mean, self.std = mean, std

    def __call__(self, images):
        return (to_float(images) - self.mean) / self.std

    def back(self, x):
        """What is standardised -> numbers as bright as the pictures, 0 to 1 where a picture can be."""
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            raise ValueError(f"x must be a tensor of floating-point numbers, got {getattr(x, 'dtype', type(x).__name__)}: nothing to undo")
        return x * self.std + self.mean


def unpatchify(patches, patch_size, channels=1, grid=None):
    """Put pictures together again, patchify backwards: (B, N, P*P*C) -> (B, C, H, W).

    grid: (rows, columns) of patches, or one number for a square; None: the pictures are square.
    """
    if patches.ndim != 3:
        raise ValueError(f"patches have shape {tuple(patches.shape)}, but (B, N, P*P*C) is needed")
    batch, n, d = patches.shape
    rows, columns = two(int(n**0.5) if grid is None else grid)
    p = patch_size
    if rows * columns != n or d != p * p * channels:
        raise ValueError(
            f"patches of shape {tuple(patches.shape)} are not the patches of {'square pictures' if grid is None else 'pictures'} "
            f"with patch_size={p} and channels={channels}{'' if grid is None else f' and grid={grid}'}; pass what patchify was given"
        )
    x = patches.reshape(batch, rows, columns, p, p, channels)  # (B, h, w, p, q, C)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, rows * p, columns * p)
