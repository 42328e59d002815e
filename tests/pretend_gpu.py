"""A second device on a machine that has none: tensors that say they are elsewhere, compute on the CPU, and refuse to meet CPU tensors.

Code that forgets to move a tensor fails on a GPU and passes on a CPU. Inside `switched_on()` it fails here, too:

    with pretend_gpu.switched_on():
        run = fit(model, loss_fn, batches, steps=3, lr=0.01)

`evo.loop` then trains on the pretended device, and an operation whose tensors lie on both raises what torch raises:
"Expected all tensors to be on the same device". As on a real GPU, a number (a tensor without dimensions) on the CPU may
meet any tensor, a tensor elsewhere may be indexed by one on the CPU, and `copy_` goes across. `pretend_gpu.DEVICE` is the
device, for `.to(DEVICE)` and `torch.zeros(..., device=DEVICE)`.

The device's name is "meta", the only one that torch knows on every machine and nobody uses to compute; a tensor that says
so while `switched_on` holds numbers all the same.
"""
import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")
aten = torch.ops.aten


class Elsewhere(torch.Tensor):
    """A tensor on the pretended device; `inner`, on the CPU, holds its numbers."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype, device=DEVICE,
            requires_grad=inner.requires_grad,
        )  # fmt: skip

    def __init__(self, inner):
        self.inner = inner

    def __repr__(self, **options):
        return f"Elsewhere({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return run(operation, args, kwargs or {})


def run(operation, args, kwargs):
    """One operation, where at least one tensor or the result is elsewhere."""
    tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
    there = [x for x in tensors if isinstance(x, Elsewhere)]
    here = [x for x in tensors if not isinstance(x, Elsewhere) and x.dim() > 0]
    if there and here and not may_mix(operation, tensors):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found two devices, {DEVICE} and cpu! In {operation}")
    wanted = kwargs.get("device")
    if operation is aten.copy_.default:
        goes_there = isinstance(args[0], Elsewhere)
    else:
        goes_there = bool(there) if wanted is None else torch.device(wanted) == DEVICE
    kwargs = dict(kwargs) if wanted is None else {**kwargs, "device": torch.device("cpu")}
    result = operation(*tree_map(inner, args), **tree_map(inner, kwargs))
    if not goes_there:
        return result
    known = {id(x.inner): x for x in there}  # what works in place returns its argument

    def outer(x):
        if not isinstance(x, torch.Tensor) or isinstance(x, Elsewhere):
            return x
        return known[id(x)] if id(x) in known else Elsewhere(x)

    return tree_map(outer, result)


def may_mix(operation, tensors):
    """Copies go from device to device, and what is elsewhere may be indexed from here."""
    indexed = operation.overloadpacket in (aten.index, aten.index_put, aten.index_put_) and isinstance(tensors[0], Elsewhere)
    return operation in (aten.copy_.default, aten._to_copy.default) or indexed


def inner(x):
    return x.inner if isinstance(x, Elsewhere) else x


class Dispatch(TorchDispatchMode):
    """Sends to `run` what touches the pretended device; also what makes a tensor there out of nothing."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        wanted = kwargs.get("device")
        touched = any(isinstance(x, Elsewhere) for x in tree_leaves((args, kwargs)))
        if touched or wanted is not None and torch.device(wanted) == DEVICE:
            return run(operation, args, kwargs)
        return operation(*args, **kwargs)


class Accelerator:
    """What `evo.loop` uses of accelerate's Accelerator, for the pretended device."""

    device, num_processes, process_index, is_main_process = DEVICE, 1, 0, True

    def prepare(self, model, optimizer):
        """Move the model; its parameters become new objects, which the optimizer is told."""
        before = list(model.parameters())
        model.to(DEVICE)
        moved = dict(zip(map(id, before), model.parameters()))
        for group in optimizer.param_groups:
            group["params"] = [moved[id(p)] for p in group["params"]]
        return model, optimizer

    def autocast(self):
        return contextlib.nullcontext()

    def no_sync(self, model):
        return contextlib.nullcontext()

    def backward(self, loss):
        loss.backward()

    def clip_grad_norm_(self, parameters, largest):
        return torch.nn.utils.clip_grad_norm_(list(parameters), largest, foreach=False)

    def reduce(self, tensor, how="sum"):
        return tensor

    def unwrap_model(self, model, **options):
        return model  # as accelerate does: it stays where it is


@contextlib.contextmanager
def switched_on():
    """The pretended device is there, and `evo.loop` trains on it; afterwards all is as before."""
    from evo import loop

    before = loop.make_accelerator
    loop.make_accelerator = lambda precision=None: Accelerator()
    try:
        with Dispatch():
            yield DEVICE
    finally:
        loop.make_accelerator = before
