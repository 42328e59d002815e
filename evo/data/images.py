"""Pictures: Fashion-MNIST, and cutting pictures into patches."""

import gzip
from dataclasses import dataclass

import numpy as np
import torch

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
    return images.float() / 255


def patchify(images, patch_size):
    """Cut pictures into patches, rows first: (B, C, H, W) -> (B, N, P*P*C), as in MAE."""
    height, width, p = *images.shape[-2:], patch_size
    if height % p or width % p:
        raise ValueError(f"patch_size={p} does not divide the picture of {height}x{width}; choose a common divisor")
    x = images.unflatten(3, (-1, p)).unflatten(2, (-1, p))  # (B, C, h, p, w, q)
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # (B, h*w, p*q*C)


def unpatchify(patches, patch_size, channels=1):
    """Put the patches of square pictures together again: (B, N, P*P*C) -> (B, C, H, W)."""
    batch, n, d = patches.shape
    side, p = int(n**0.5), patch_size
    if side * side != n or d != p * p * channels:
        raise ValueError(
            f"patches of shape {tuple(patches.shape)} are not the patches of square pictures with "
            f"patch_size={p} and channels={channels}; pass what patchify was given"
        )
    x = patches.reshape(batch, side, side, p, p, channels)  # (B, h, w, p, q, C)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(batch, channels, side * p, side * p)
