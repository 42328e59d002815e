"""Published weights under our names, so that they load into the models of the book."""
import re
from collections.abc import Mapping

import torch
from torch import nn

# A block of transformers' ViT and ViTMAE, as in the published files and as in transformers >= 5.
TRANSFORMERS_VIT_BLOCK = [
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.(?:intermediate\.dense|mlp\.fc1)\.", ".mlp.0."),
    (r"\.(?:output\.dense|mlp\.fc2)\.", ".mlp.2."),
]


def rename(state_dict, rules, drop=None, patches=r"(^|\.)patch\.proj\.weight$"):
    """Apply every (pattern, replacement) in order to every name, but to those that match `drop`.

    Queries, keys and values become one matrix; a convolution over patches (D, C, P, P), whose new
    name matches `patches`, becomes the matrix (D, P*P*C). See `unwrap` for what may be around.
    Two weights that would get one name are an error: the file has a layer that the model has not.
    """
    renamed, origin = {}, {}
    for old, tensor in unwrap(state_dict).items():
        if drop and re.search(drop, old):
            continue
        name = old
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        if name in origin:
            raise ValueError(f"{origin[name]} and {old} would both become {name}: this model has no place for one of them")
        origin[name] = old
        is_patches = tensor.ndim == 4 and re.search(patches, name)
        renamed[name] = tensor.permute(0, 2, 3, 1).flatten(1) if is_patches else tensor
    return stack_qkv(renamed)


def unwrap(state_dict):
    """The weights themselves: name -> tensor.

    Taken off: {"model": ...}, {"state_dict": ...} and the like as checkpoints have them, and
    "module." or "_orig_mod." in front of all names, which wrappers of PyTorch put there.
    """
    if isinstance(state_dict, nn.Module):
        raise ValueError("this is a model; its weights are wanted: pass model.state_dict()")
    for around in ("model", "state_dict", "model_state_dict"):
        if isinstance(state_dict, Mapping) and isinstance(state_dict.get(around), Mapping):
            return unwrap(state_dict[around])
    if not isinstance(state_dict, Mapping):
        raise ValueError(f"weights are wanted, name -> tensor, not a {type(state_dict).__name__}")
    others = sorted(str(name) for name, t in state_dict.items() if not isinstance(t, torch.Tensor))
    if others:
        raise ValueError(f"weights are wanted, name -> tensor; no tensors are: {_some(others)}. "
                         "If this is a checkpoint, pass the state dict in it")
    for prefix in ("module.", "_orig_mod."):
        if state_dict and all(name.startswith(prefix) for name in state_dict):
            return unwrap({name.removeprefix(prefix): t for name, t in state_dict.items()})
    return dict(state_dict)


def stack_qkv(state_dict):
    """x.q.weight, x.k.weight, x.v.weight (or query, key, value; or bias) -> x.qkv.weight."""
    stacked = dict(state_dict)
    for name in state_dict:
        found = re.fullmatch(r"(.*\.)q(uery)?\.(weight|bias)", name)
        if not found:
            continue
        stem, spelled, kind = found.groups()
        parts = ["query", "key", "value"] if spelled else ["q", "k", "v"]
        parts = [f"{stem}{part}.{kind}" for part in parts]
        if all(part in stacked for part in parts):
            stacked[f"{stem}qkv.{kind}"] = torch.cat([stacked.pop(part) for part in parts])
    return stacked


def load(model, renamed):
    """Fill the model and return it; one clear error if names are missing, left over, misshapen."""
    renamed, wanted = unwrap(renamed), model.state_dict()
    missing = sorted(wanted.keys() - renamed.keys())
    unexpected = sorted(renamed.keys() - wanted.keys())
    misshapen = [
        f"{name} {tuple(renamed[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted if name in renamed and renamed[name].shape != wanted[name].shape]
    found = {"missing": missing, "unexpected": unexpected, "wrong shape": misshapen}
    problems = [f"{problem}: {_some(names)}" for problem, names in found.items() if names]
    if problems:
        raise ValueError(
            f"these weights do not fit this {type(model).__name__}: {'; '.join(problems)}. "
            "Build the model with the sizes of the file and use the loader of its library")
    model.load_state_dict(renamed)
    return model


def _some(names, most=4):
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
