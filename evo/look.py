"""Who looks at whom, and what the layers give: recorded while a model really runs, for pictures and probes.

Nothing is computed a second way: whatever is handed to scaled_dot_product_attention is seen, mask and
bias included, and so is a softmax over the last of four axes, by whichever block, ours or a reader's.
Training knows nothing of this file. What is no model, or `at` no modules, is a ValueError.
"""
from contextlib import ExitStack

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from evo.inputs import kind

SOFTMAX = (torch.Tensor.softmax, torch.softmax, F.softmax)
ARGUMENTS = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")


def attentions(model, *inputs, at=None, **named):
    """The attention weights of model(*inputs, **named), in the order in which they are used.

    A list of (B, H, N, S): how much of each of S tokens each of N tokens takes. `at`: modules; only
    the attention inside these is recorded, as in at=[block.cross for block in model.decoder].
    """
    _check(model, at)
    watch = _Watch(inside=0 if at is not None else 1)
    with ExitStack() as hooks:
        for module in at or ():
            hooks.callback(module.register_forward_pre_hook(watch.enter).remove)
            hooks.callback(module.register_forward_hook(watch.leave).remove)
        with watch:
            model(*inputs, **named)
    return watch.maps


def layers(model, *inputs, at=None, **named):
    """What every block gives in model(*inputs, **named), before the last norm: a list of (B, N, D).

    `at`: the modules that are meant; by default the blocks of every Encoder in the model. Raises ValueError if it has none.
    """
    _check(model, at)
    if at is None:
        if not isinstance(model, torch.nn.Module):
            raise ValueError(f"model is {kind(model)}, in which no blocks can be found: pass at=, the modules that are meant")
        encoders = [part for part in model.modules() if isinstance(getattr(part, "blocks", None), torch.nn.ModuleList)]
        at = [block for encoder in encoders for block in encoder.blocks]
        if not at:
            raise ValueError(f"{type(model).__name__} has no encoder made of blocks: pass at=, the modules that are meant")
    outputs = []
    with ExitStack() as hooks:
        for module in at:
            hooks.callback(module.register_forward_hook(lambda module, inputs, output: outputs.append(output)).remove)
        model(*inputs, **named)
    return outputs


def _check(model, at):
    if not callable(model):
        raise ValueError(f"model must be a module or one of its methods, got {kind(model)}")
    if at is None:
        return
    if not isinstance(at, (list, tuple, torch.nn.ModuleList, torch.nn.Sequential)):
        raise ValueError(f"at must be a list of modules, got {kind(at)}")
    for module in at:
        if not isinstance(module, torch.nn.Module):
            raise ValueError(f"at must hold modules, but holds {kind(module)}")


class _Watch(TorchFunctionMode):
    """While it is entered, the weights of every attention land in `maps`, as long as inside > 0."""

    def __init__(self, inside):
        super().__init__()
        self.inside, self.maps = inside, []

    def enter(self, module, inputs):
        self.inside += 1

    def leave(self, module, inputs, output):
        self.inside -= 1

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.scaled_dot_product_attention and self.inside:
            call = {**dict(zip(ARGUMENTS, args)), **(kwargs or {}), "dropout_p": 0.0}
            key = call["key"]
            one_hot = torch.eye(key.shape[-2], dtype=key.dtype, device=key.device)
            call["value"] = one_hot.expand(*key.shape[:-1], -1)  # what attention takes of these is its weights
            self.maps.append(function(**call))
        result = function(*args, **(kwargs or {}))
        if function in SOFTMAX and self.inside and result.ndim == 4:
            dim = kwargs["dim"] if kwargs and "dim" in kwargs else args[1]
            self.maps += [result] if dim in (-1, 3) else []
        return result

