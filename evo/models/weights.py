"""Published weights under our names, so that they load into the models of the book."""
import re

import torch

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


def rename(state_dict, rules, drop=None):
    """Apply every (pattern, replacement) in order to every name, but to those that match `drop`.

    Queries, keys and values become one matrix; a convolution over patches (D, C, P, P) becomes
    the matrix (D, P*P*C).
    """
    renamed = {}
    for name, tensor in state_dict.items():
        if drop and re.search(drop, name):
            continue
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor.permute(0, 2, 3, 1).flatten(1) if tensor.ndim == 4 else tensor
    return stack_qkv(renamed)


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
    wanted = model.state_dict()
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
