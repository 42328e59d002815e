"""Trained weights and recorded studies that ship with the book, each with proof of its origin.

An entry is NAME.json (what made it, the losses it went through, the score it reached) and, for a model,
NAME.safetensors (half precision, at most 4 MB). `evo.train.fit` and `study` find entries by the fingerprint of the
call that made them. Nothing is ever unpickled.

EVO_TRAIN says what a chapter does with its entries:

    zoo     (default) load what matches; train what does not, within EVO_BUDGET seconds
    record  load what matches; train the rest to the end and write it here
    always  train everything to the end and write it here
    restamp renew the fingerprint of entries whose first losses and score still come out the same
    verify  replay the first steps of every entry, score it again, and fail on any difference
"""
import hashlib
import json
import os
import platform
import re
from datetime import date
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

FOLDER = Path(__file__).parent
MODES = ("zoo", "record", "always", "restamp", "verify")
MAX_BYTES = 4_000_000
REPLAY = 3  # steps


class ZooError(RuntimeError):
    """An entry that is damaged, or that the code beside it does not make."""


def mode():
    mode = os.environ.get("EVO_TRAIN", "zoo")
    if mode not in MODES:
        raise ValueError(f"EVO_TRAIN={mode!r} is not one of {', '.join(MODES)}")
    return mode


def names():
    """Names of all entries."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name):
    """The record of an entry as a dict, or None where there is none. Raises ZooError if the file was altered."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        checksum = record.pop("checksum")
    except (ValueError, KeyError) as error:
        raise ZooError(f"{path.name} is not a zoo record: restore it with git, or make it anew with EVO_TRAIN=record") from error
    if checksum != _checksum(record):
        raise ZooError(f"{path.name} was altered: restore it with git, or make it anew with EVO_TRAIN=record")
    return record


def write(name, record, model=None):
    """Write an entry; the weights of `model`, where given, are rounded to half precision in place."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"name={name!r}: use letters, digits, - and _")
    record = {**record, "made": {**origin(), **record.get("made", {})}}
    if model is not None:
        tensors = {k: _half(t) for k, t in _weights(model).items()}
        size = sum(t.numel() * t.element_size() for t in tensors.values())
        if size > MAX_BYTES:
            raise ZooError(f"{name}: {size / 1e6:.1f} MB of weights, {MAX_BYTES / 1e6:.0f} MB allowed: use a smaller model")
        path = FOLDER / f"{name}.safetensors"
        save_file(tensors, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
        record["sha256"] = _sha256(path)
        load(name, record, model)
    record["checksum"] = _checksum(record)
    path = FOLDER / f"{name}.json"
    text = json.dumps(record, indent=1, sort_keys=True)
    text = re.sub(r"\[\s+([-\d.e,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)  # numbers side by side
    path.with_suffix(".json.tmp").write_text(text + "\n")
    os.replace(path.with_suffix(".json.tmp"), path)


def load(name, record, model):
    """Load an entry's weights into `model`. Raises ZooError if the file was altered or does not fit."""
    path = FOLDER / f"{name}.safetensors"
    if not path.exists():
        raise ZooError(f"{path.name} is missing: restore it with git, or make it anew with EVO_TRAIN=record")
    if _sha256(path) != record["sha256"]:
        raise ZooError(f"{path.name} was altered: restore it with git, or make it anew with EVO_TRAIN=record")
    with safe_open(path, "pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    own = _weights(model)
    if own.keys() != tensors.keys():
        raise ZooError(f"{path.name} does not fit the model: only one of them has {sorted(own.keys() ^ tensors.keys())[:3]}")
    with torch.no_grad():
        for k, t in own.items():
            t.copy_(tensors[k])


def origin():
    """Where and with what something was made."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU ({platform.machine()})"
    return {
        "date": date.today().isoformat(),
        "device": device,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
    }


def summary():
    """One row an entry: name, kind, steps or settings, seconds, score."""
    rows = []
    for name in names():
        r = read(name)
        size = (FOLDER / f"{name}.safetensors").stat().st_size if "sha256" in r else 0
        what = f"{r['steps']} steps" if "steps" in r else f"{len(r['rows'])} runs"
        row = {"name": name, "kind": r["kind"], "what": what, "seconds": round(r["seconds"])}
        rows.append({**row, "score": r.get("score"), "MB": size / 1e6})
    return rows


def seconds(*names):
    """Seconds it took to make these entries, for a chapter's card."""
    return sum(r["seconds"] for r in map(read, names) if r)


def shapes(name):
    """Shapes of an entry's weights by name, for a chapter's card."""
    with safe_open(FOLDER / f"{name}.safetensors", "pt") as file:
        return {k: tuple(file.get_slice(k).get_shape()) for k in file.keys()}


def _weights(model):
    """Parameters and persistent buffers by name, each tensor once."""
    seen, weights = set(), {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            weights[name] = tensor
    return weights


def _half(tensor):
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.is_floating_point() else tensor


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _checksum(record):
    return hashlib.sha256(json.dumps({k: v for k, v in record.items() if k != "checksum"}, sort_keys=True).encode()).hexdigest()[:16]
