"""What is asked of tensors that come in: one ValueError that names the argument and says what to pass.

A check computes nothing. Numbers are looked at on the CPU only: a GPU would have to stop for them,
and inside torch.compile, torch.export and vmap there are none to look at.
"""
from numbers import Integral, Real

import torch


def check_whole(ids, name, shape=None):
    """Whole numbers, of this shape if one is given."""
    if not isinstance(ids, torch.Tensor) or ids.dtype not in (torch.long, torch.int):
        raise ValueError(f"{name} must be a tensor of ids, long or int, got {kind(ids)}: pass {name}.long()")
    check_shape(ids, shape, name)


def check_ids(ids, size, name="tokens", shape=None, ignore=None):
    """Whole numbers 0 ... size - 1, of this shape if one is given; `ignore` may stand among them."""
    check_whole(ids, name, shape)
    if not ids.numel() or not has_numbers(ids):
        return
    low, high = (ids if ignore is None else ids.masked_fill(ids == ignore, 0)).aminmax()
    low, high = int(low), int(high)
    if low < 0 or high >= size:
        raise ValueError(
            f"{name} holds id {low if low < 0 else high}, but there are {size} ids, from 0 to "
            f"{size - 1}: was it made for another vocabulary?")


def has_numbers(x):
    """Whether the numbers of a tensor may be looked at here."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch._C._functorch.is_batchedtensor(x)


def check_floats(x, name, axes=None, shape=None):
    """Floating-point numbers, with as many axes as "(B, N, D)" names, of this shape if one is given."""
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        raise ValueError(f"{name} must be a tensor of floating-point numbers, got {kind(x)}")
    if axes is not None and x.ndim != axes.count(",") + 1:
        raise ValueError(f"{name} has shape {tuple(x.shape)}, but {axes} is needed")
    check_shape(x, shape, name)


def check_count(number, name, least=1, most=None):
    """A whole number from `least` to `most`; what torch.export does not know yet is not asked."""
    if torch.compiler.is_compiling() or isinstance(number, torch.SymInt):
        return
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not whole or number < least or most is not None and number > most:
        raise ValueError(f"{name}={number!r} must be a whole number, at least {least}" + (f", at most {most}" if most is not None else ""))


def check_number(number, name, interval="(-inf, inf)"):
    """A number inside an interval such as "[0, 1)": a bracket takes its bound in, a parenthesis leaves it out.

    A tensor without axes is a number, too: one that is learned.
    """
    if torch.compiler.is_compiling():
        return
    x = number
    if isinstance(x, torch.Tensor) and x.is_floating_point() and not x.ndim:
        if not has_numbers(x):
            return
        x = x.item()
    low, high = map(float, interval[1:-1].split(","))
    if not isinstance(x, Real) or isinstance(x, bool) or not (
            low < x < high or x == low and interval[0] == "[" or x == high and interval[-1] == "]"):
        raise ValueError(f"{name}={number!r} must be a number in {interval}")


def check_generator(generator):
    """A torch.Generator or None."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise ValueError(f"generator must be None or a torch.Generator, got {kind(generator)}: pass torch.Generator().manual_seed(0)")


def check_module(model, name="model"):
    """A torch.nn.Module."""
    if not isinstance(model, torch.nn.Module):
        raise ValueError(f"{name} must be a torch.nn.Module, got {kind(model)}")


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


def check_text(text, name, empty=False):
    """A string that can be written as UTF-8 and says something, unless it may be empty."""
    if not isinstance(text, str):
        raise ValueError(f"{name} must be a string, got {kind(text)}")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError(f"{name} {text[:40]!r} holds half a character (a lone surrogate): decode its bytes as UTF-8 first")
    if not empty and not text.strip():
        raise ValueError(f"{name} is empty: say it in words")


def check_finite(number, name):
    """One finite number, as Python, NumPy or torch hold it; True and False are none."""
    x = number.item() if getattr(number, "ndim", None) == 0 else number
    if not isinstance(x, Real) or isinstance(x, bool):
        raise ValueError(f"{name} must be a finite number, got {kind(number)}")
    if not -float("inf") < x < float("inf"):
        raise ValueError(f"{name}={x} must be a finite number")


def check_numbers(values, name, finite=True):
    """What NumPy holds as numbers, one or many, finite ones unless others are let in."""
    import numpy as np

    try:
        found = np.asarray(values, float) if np.asarray(values).dtype.kind in "biufO" else None
    except (TypeError, ValueError, RuntimeError):  # no numbers, rows of unequal length, a tensor that NumPy cannot read
        found = None
    if found is None:
        raise ValueError(f"{name} must be a number or an array of numbers, got {kind(values)}")
    if finite and not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite numbers, but {found[~np.isfinite(found)].ravel()[0]} is among them")
