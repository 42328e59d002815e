"""Tuning little of a model, or some of it slowly.

LoRA (Hu et al. 2022), adapters (Houlsby et al. 2019), biases alone (BitFit,
Ben Zaken et al. 2022), the top only, and a rate for every layer (Howard and
Ruder 2018). All of them begin at exactly what the model was; where there is
nothing to tune so, they raise ValueError.
"""
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrize

from evo.inputs import check_count, check_floats, check_module, check_number, kind


class LoRA(nn.Module):
    """W x + (alpha / rank) B A x: a linear map, and what is added to it.

    A (rank, in) starts as nn.Linear does, B (out, rank) at zero, so that at
    first nothing changes (sec. 4.1). W and the bias are frozen. Raises
    ValueError unless rank is at most the map's own.
    """

    def __init__(self, linear, rank, alpha=None):
        super().__init__()
        _rank(rank, linear, alpha)
        self.linear = linear.requires_grad_(False)
        self.scale = (rank if alpha is None else alpha) / rank
        like = dict(dtype=linear.weight.dtype, device=linear.weight.device)
        self.A = nn.Parameter(torch.empty(rank, linear.in_features, **like))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank, **like))
        nn.init.kaiming_uniform_(self.A, a=5**0.5)

    def forward(self, x):
        """(..., in) -> (..., out)."""
        few = F.linear(x, self.A)  # (..., rank)
        return self.linear(x) + F.linear(few, self.scale * self.B)

    @property
    def weight(self):
        """W + (alpha / rank) B A, (out, in): what the sum is as one map."""
        return self.linear.weight + self.scale * self.B @ self.A

    @property
    def bias(self):
        return self.linear.bias


def add_lora(model, rank, alpha=None, within=nn.Module):
    """Freeze the model and put LoRA on its linear maps -> the model itself.

    within: only on maps inside modules of this class, such as Encoder or
    Attention. alpha: the strength of what is added; by default the rank.
    Raises ValueError where no linear map is found.
    """
    check_module(model)
    if not isinstance(within, type):
        raise ValueError(f"within must be a class of modules, got {within!r}")
    found = [(parent, name, part) for place in _inside(model, within)
             for _, parent in place.named_modules()
             for name, part in parent.named_children()
             if type(part) is nn.Linear and not isinstance(parent, LoRA)]
    if not found:
        raise ValueError(f"no linear map stands inside a {within.__name__} "
                         "of this model: pass another `within`")
    for *_, part in found:
        _rank(rank, part, alpha)
    model.requires_grad_(False)
    for parent, name, part in dict.fromkeys(found):
        setattr(parent, name, LoRA(part, rank, alpha))
    return model


@torch.no_grad()
def merge_lora(model):
    """Add B A to every W and drop both -> the model, with its old shape.

    Raises ValueError for a LoRA alone: it cannot replace itself.
    """
    check_module(model)
    if isinstance(model, LoRA):
        raise ValueError("model is itself a LoRA: pass the model around it")
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, LoRA):
                part.linear.weight.copy_(part.weight)
                setattr(parent, name, part.linear.requires_grad_(True))
    return model


class Adapter(nn.Module):
    """y + up(GELU(down(y))), where y = branch(...) and `up` starts at zero.

    A narrow detour behind a branch, before its residual is added (Houlsby et
    al. 2019, figure 2).
    """

    def __init__(self, branch, dim, width):
        super().__init__()
        check_module(branch, "branch")
        check_count(dim, "dim")
        check_count(width, "width")
        self.branch = branch
        self.down, self.up = nn.Linear(dim, width), nn.Linear(width, dim)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, *args, **named):
        """What the branch takes -> what it gives, (..., dim)."""
        y = self.branch(*args, **named)
        return y + self.up(F.gelu(self.down(y)))


def add_adapters(model, width):
    """Freeze the model, and put an adapter behind both branches of a block.

    Norms inside the encoder learn as well (sec. 2.1). -> the model itself.
    """
    check_count(width, "width")
    encoder = _encoder(model)
    model.requires_grad_(False)
    for block in encoder.blocks:
        block.attn = Adapter(block.attn, encoder.dim, width)
        block.mlp = Adapter(block.mlp, encoder.dim, width)
    for part in encoder.modules():
        if isinstance(part, nn.LayerNorm):
            part.requires_grad_(True)
    return model


def only_biases(model):
    """Freeze everything in the encoder but biases -> the model itself."""
    encoder = _encoder(model)
    model.requires_grad_(False)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_(name.endswith("bias"))
    return model


def only_top(model, blocks):
    """Freeze everything but the last blocks of the encoder -> the model."""
    encoder = _encoder(model)
    check_count(blocks, "blocks", least=0)
    if blocks > len(encoder.blocks):
        raise ValueError(f"blocks={blocks} must lie between 0 and the "
                         f"encoder's {len(encoder.blocks)}")
    model.requires_grad_(False)
    encoder.blocks[len(encoder.blocks) - blocks:].requires_grad_(True)
    return model


class Slow(nn.Module):
    """W = W0 + share * step: Adam moves W by `share` of its rate.

    Raises ValueError unless 0 < share <= 1.
    """

    def __init__(self, start, share):
        super().__init__()
        check_floats(start, "start")
        check_number(share, "share", "(0, 1]")
        self.share = share
        self.register_buffer("start", start.detach().clone())

    def forward(self, step):
        return self.start + self.share * step

    def right_inverse(self, weight):
        return (weight - self.start) / self.share


def slow_down(model, decay):
    """The k-th block from the top learns at decay^k of the rate (sec. 3.2).

    What stands before the blocks counts as one below the lowest. -> the model
    itself, whose weights are now W0 + share * step. Weight decay does not
    reach them: for steps there is no pull to zero. Raises ValueError unless
    0 < decay <= 1.
    """
    check_number(decay, "decay", "(0, 1]")
    encoder, depth = _encoder(model), len(_encoder(model).blocks)
    shares = {id(p): decay ** (depth - 1 - k)
              for k, block in enumerate(encoder.blocks)
              for p in block.parameters()}
    for part in list(model.modules()):
        for name, parameter in list(part.named_parameters(recurse=False)):
            share = shares.get(id(parameter), decay**depth)
            parametrize.register_parametrization(
                part, name, Slow(parameter, share))
    return model


def trained(model):
    """How many numbers of the model learn."""
    check_module(model)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# ------------------------------------------------ what is refused


def _encoder(model):
    encoder = getattr(model, "encoder", None)
    check_module(model)
    if not hasattr(encoder, "blocks"):
        raise ValueError(f"model must have an encoder made of blocks, as BERT "
                         f"or GPT; {type(model).__name__} has none")
    return encoder


def _inside(model, within):
    return [part for part in model.modules() if isinstance(part, within)]


def _rank(rank, linear, alpha):
    if not isinstance(linear, nn.Linear):
        raise ValueError(f"linear must be an nn.Linear, got {kind(linear)}")
    check_count(rank, "rank")
    if alpha is not None:
        check_number(alpha, "alpha", "(0, inf)")
    most = min(linear.in_features, linear.out_features)
    if rank > most:
        raise ValueError(f"rank={rank} is more than {most}, the full rank of "
                         f"a map {linear.in_features} to "
                         f"{linear.out_features}: choose a smaller one")
