"""What is asked of tensors that come in: one ValueError that names the argument and says what to pass.

A check computes nothing. Numbers are looked at on the CPU only: a GPU would have to stop for them,
and inside torch.compile, torch.export and vmap there are none to look at.
"""
import torch


def check_whole(ids, name, shape=None):
    """Whole numbers, of this shape if one is given."""
    if not isinstance(ids, torch.Tensor) or ids.dtype not in (torch.long, torch.int):
        raise ValueError(f"{name} must be a tensor of ids, long or int, got {kind(ids)}: pass {name}.long()")
    check_shape(ids, shape, name)


def check_ids(ids, size, name="tokens", shape=None, ignore=None):
    """Whole numbers 0 ... size - 1, of this shape if one is given; `ignore` may stand among them."""
    check_whole(ids, name, shape)
    if ids.device.type != "cpu" or torch.compiler.is_compiling() or not ids.numel():
        return
    if torch._C._functorch.is_batchedtensor(ids):
        return
    low, high = (ids if ignore is None else ids.masked_fill(ids == ignore, 0)).aminmax()
    low, high = int(low), int(high)
    if low < 0 or high >= size:
        raise ValueError(
            f"{name} holds id {low if low < 0 else high}, but there are {size} ids, from 0 to "
            f"{size - 1}: was it made for another vocabulary?")


def check_flags(flags, name, shape=None):
    """Boolean, of this shape if one is given."""
    if not isinstance(flags, torch.Tensor) or flags.dtype != torch.bool:
        raise ValueError(f"{name} must be a boolean tensor, got {kind(flags)}: pass {name}.bool()")
    check_shape(flags, shape, name)


def check_images(images, shape, dtype):
    """Numbers (B, C, H, W) with shape = (C, H, W); bytes have to be scaled first."""
    if not isinstance(images, torch.Tensor) or not images.is_floating_point():
        raise ValueError(
            f"images must be a tensor of floating-point numbers, got {kind(images)}: "
            "make numbers from 0 to 1 of bytes by to_float(images) of evo.data.images")
    if images.ndim != 4 or images.shape[1:] != shape:
        raise ValueError(
            f"images have shape {tuple(images.shape)}, but this model reads "
            f"(batch, channels, height, width) = (B, {', '.join(map(str, shape))})")
    check_dtype(images, "images", dtype)


def check_vectors(x, dim, name="x"):
    """Floating-point numbers (B, N, dim)."""
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise ValueError(f"{name} must be a tensor of floating-point numbers, got {kind(x)}")
    if x.ndim != 3 or x.shape[2] != dim:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, but (batch, tokens, width) = (B, N, {dim}) is read here")


def check_dtype(x, name, dtype):
    """The dtype of the weights; autocast converts by itself."""
    if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
        raise ValueError(f"{name} are {x.dtype}, but the weights {dtype}: pass {name}.to({dtype})")


def check_shape(x, shape, name):
    if shape is not None and tuple(x.shape) != tuple(shape):
        raise ValueError(f"{name} has shape {tuple(x.shape)}, but {tuple(shape)} is needed here")


def kind(x):
    """How an error names what came instead."""
    return str(x.dtype) if isinstance(x, torch.Tensor) else type(x).__name__
