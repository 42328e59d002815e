"""What one step of training is: batches, the learning rate's way, which weights decay, AdamW. All of it enters every fingerprint."""
import contextlib
import math

import torch
from torch import nn

BETAS = (0.9, 0.95)
MATRICES = (nn.Linear, nn.Bilinear, nn.modules.conv._ConvNd, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)


class Batches:
    """Shuffled batches for ever: `at(step, seed)` is a function of its arguments, so a run can resume anywhere.

    tensors: one or more tensors with the same first dimension. size: examples a batch, over all devices and
    accumulation steps together. The last, incomplete batch of an epoch is left out.
    """

    def __init__(self, *tensors, size):
        wrong = [type(t).__name__ for t in tensors if not isinstance(t, torch.Tensor)]
        if wrong:
            raise ValueError(f"Batches wants torch tensors, got {wrong[0]}: torch.as_tensor makes one of an array")
        if not tensors or len({len(t) for t in tensors}) != 1:
            raise ValueError(f"Batches needs tensors of one length, got lengths {[len(t) for t in tensors]}")
        if isinstance(size, bool) or not hasattr(size, "__index__") or not 1 <= size <= len(tensors[0]):
            raise ValueError(f"size={size!r} must be a whole number between 1 and that of examples, {len(tensors[0])}")
        self.tensors, self.size = tensors, size
        self._order = (None, None)

    def at(self, step, seed=0):
        """Tuple of tensors (size, ...) for this step."""
        epoch, i = divmod(step, len(self.tensors[0]) // self.size)
        if self._order[0] != (epoch, seed):
            generator = torch.Generator().manual_seed(mix(seed, epoch))
            self._order = (epoch, seed), self._shuffled(generator)
        rows = self._order[1][i * self.size : (i + 1) * self.size]
        return tuple(t[rows] for t in self.tensors)

    def _shuffled(self, generator):
        """The rows in the order of one epoch."""
        return torch.randperm(len(self.tensors[0]), generator=generator)


class SimilarLength(Batches):
    """`Batches` whose rows have about the same length, so that little of a batch is padding.

    Of every `pool` batches of shuffled rows, the longest make one batch, the next longest another, and so on; the
    batches come in random order. lengths: (N,) how much of each row is used; a loss cuts the batch to what it needs.
    """

    def __init__(self, *tensors, lengths, size, pool=50):
        super().__init__(*tensors, size=size)
        if len(lengths) != len(tensors[0]):
            raise ValueError(f"lengths has {len(lengths)} entries for {len(tensors[0])} rows: it needs one a row")
        self.lengths, self.pool = lengths, pool

    def _shuffled(self, generator):
        order = super()._shuffled(generator)[: len(self.lengths) // self.size * self.size]
        parts = [part[self.lengths[part].argsort(stable=True)] for part in order.split(self.pool * self.size)]
        batches = torch.cat(parts).view(-1, self.size)
        return batches[torch.randperm(len(batches), generator=generator)].flatten()


def make_optimizer(model, plan, device):
    """AdamW, in one kernel a step where the device has one."""
    fused = device.type in ("cpu", "cuda") or None
    return torch.optim.AdamW(groups(model, plan["weight_decay"]), lr=plan["lr"], betas=BETAS, fused=fused)


def take_step(accelerator, model, optimizer, loss_fn, batches, step, plan):
    """One optimizer step over a global batch, cut into accumulate x processes slices.

    plan["steps"] is the length of the run, by which the learning rate finds its way. Returns the mean loss and the
    norm of the gradient before clipping. Raises FloatingPointError when one of them is not finite.
    """
    for group in optimizer.param_groups:
        group["lr"] = plan["lr"] * schedule(step, plan["steps"], plan["warmup"])
    seed, slices = plan["seed"], plan["accumulate"]
    batch = batches.at(step, seed)
    batch = batch if isinstance(batch, tuple) else (batch,)
    world, rank = accelerator.num_processes, accelerator.process_index
    parts = [torch.tensor_split(t, slices * world) for t in batch]
    total = 0.0
    for i in range(slices):
        part = i * world + rank
        torch.manual_seed(mix(seed, step, part))
        last = i == slices - 1
        with contextlib.nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                loss = loss_fn(model, *(p[part].to(accelerator.device) for p in parts)) / slices
            accelerator.backward(loss)
        total = total + loss.detach()
    total = float(accelerator.reduce(total, "mean")) if world > 1 else float(total)
    norm = accelerator.clip_grad_norm_(model.parameters(), plan["clip"] or math.inf)
    norm = None if norm is None else float(norm)  # some accelerators keep it to themselves
    for what, value in (("loss", total), ("gradient", norm)):
        if value is not None and not math.isfinite(value) and (what == "loss" or getattr(accelerator, "scaler", None) is None):
            raise FloatingPointError(f"the {what} is {value} at step {step}: try a lower lr or a longer warmup, or look at loss_fn")
    optimizer.step()
    optimizer.zero_grad()
    return total, norm


def schedule(step, steps, warmup):
    """Factor on the learning rate: linear warm-up, then half a cosine down to zero."""
    warm = warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def groups(model, weight_decay):
    """Weight matrices decay; biases, norms, embeddings, positions and single tokens do not.

    So do kernels of convolutions, transposed ones too, and all that an LSTM or GRU multiplies by. What is added to a
    weight (LoRA's factors, the steps of `slow_down`) does not: it would be drawn back to where tuning began.
    """
    decay = {id(p) for module in model.modules() if isinstance(module, MATRICES)
             for name, p in module.named_parameters(recurse=False) if "weight" in name}
    params = [p for p in model.parameters() if p.requires_grad]
    if not params:
        raise ValueError("model has no parameter that requires a gradient")
    return [
        {"params": [p for p in params if id(p) in decay], "weight_decay": weight_decay},
        {"params": [p for p in params if id(p) not in decay], "weight_decay": 0.0},
    ]


def mix(*numbers):
    """One seed out of several numbers, well spread."""
    seed = 0
    for n in numbers:
        seed = (seed * 6364136223846793005 + n + 1442695040888963407) % 2**63
    return seed


PARTS = (make_optimizer, take_step)  # what reaches all of the recipe
