"""Trained weights and recorded studies that ship with the book, each with proof of its origin.

An entry is NAME.json (what made it, the losses it went through, the score it reached) and, for a model,
NAME.safetensors (half precision, at most 4 MB). `evo.train.fit` and `study` find entries by the fingerprint of the
call that made them. Nothing is ever unpickled.

EVO_TRAIN says what a chapter does with its entries:

    zoo     (default) load what matches; train what does not, within EVO_BUDGET seconds
    record  load what matches; train the rest to the end and write it
    always  train everything to the end and write it
    verify  replay the first and last steps of every entry, score it again, and fail on any difference
    audit   make what EVO_AUDIT names anew from nothing, compare, and write the date; load the rest
    restamp as verify, for code that computes the same in other words: also recompute a whole row of every study, and
            renew the fingerprints if the whole chapter passes

What is written goes here in a clone of the repository; into EVO_STAGE, where that names a folder; and into the cache
where the package is installed: an installed zoo stays as it came.
"""
import hashlib
import json
import os
import platform
import re
import sys
from datetime import date
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from evo import settings
from evo.disk import write_bytes  # noqa: F401 (as zoo.write_bytes it also writes checkpoints)
from evo.settings import MODES

settings.check()  # here, before a chapter has done anything
FOLDER = Path(__file__).parent
CLONE = (FOLDER.parents[1] / "book").is_dir()  # the chapters' repository, not an installed package
PROVING = ("restamp", "verify", "audit")
MAX_BYTES = 4_000_000
REPLAY = 3  # steps


class ZooError(RuntimeError):
    """An entry that is damaged, or that the code beside it does not make."""


def mode(name=None):
    """EVO_TRAIN; where EVO_ONLY names one entry, the others are only loaded."""
    mode = os.environ.get("EVO_TRAIN") or "zoo"
    if mode not in MODES:
        raise ValueError(f"EVO_TRAIN={mode!r} is not one of {', '.join(MODES)}")
    return "zoo" if name and os.environ.get("EVO_ONLY", name) != name else mode


def names():
    """Names of all entries."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name):
    """The record of an entry as a dict, or None where there is none. Raises ZooError if the file was altered.

    While entries are made (EVO_TRAIN=record or always) a damaged one counts as absent: it will be written anew.
    """
    path = next(_there(f"{name}.json"), None)
    if path is None:
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        problem = None if record.pop("checksum") == _checksum(record) else "was altered"
    except (ValueError, KeyError, AttributeError):
        problem = "is not a zoo record"
    if problem and mode() in ("record", "always"):
        return None
    if problem:
        raise ZooError(f"{path.name} {problem}: restore it with git, or make it anew with EVO_TRAIN=record")
    return record


def check_name(name, model=None):
    """Everything that can keep an entry from being written, asked before the first step of its training."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"name={name!r}: use letters, digits, - and _")
    if model is not None:
        size = sum(t.numel() * (2 if t.is_floating_point() else t.element_size()) for t in weights_of(model).values())
        if size > MAX_BYTES:
            raise ZooError(f"{name}: {size / 1e6:.1f} MB of weights, {MAX_BYTES / 1e6:.0f} MB allowed: use a smaller model")
    folder = _target()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        pass
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ZooError(f"{folder} cannot be written, so {name} could not be kept: make it writable, or set EVO_STAGE to a folder")


def write(name, record, model=None):
    """Write an entry; the weights of `model`, where given, are rounded to half precision in place."""
    check_name(name, model)
    record = {**record, "made": {**origin(), **record.get("made", {})}}
    if model is not None:
        data = save({k: _half(t) for k, t in weights_of(model).items()})
        path = _target() / f"{name}.safetensors"
        write_bytes(path, data)
        record["sha256"] = _sha256(path)
        load(name, record, model)
    record["checksum"] = _checksum(record)
    text = json.dumps(record, indent=1, sort_keys=True)
    text = re.sub(r"\[\s+([-\d.e,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text)  # numbers side by side
    write_bytes(_target() / f"{name}.json", (text + "\n").encode())
    if _target() != FOLDER and mode() in ("record", "always"):
        print(f"evo: {name} is kept in {_target()}", file=sys.stderr)


def _stage():
    """Where entries are written instead of the zoo, and looked for first: EVO_STAGE, or the cache of an installed package."""
    if folder := os.environ.get("EVO_STAGE"):
        return Path(folder)
    return None if CLONE or mode() in ("zoo", "verify") else cache() / "zoo"


def _target():
    return _stage() or FOLDER


def _there(file):
    """The paths at which this file of an entry is, the one to be preferred first."""
    return (folder / file for folder in (_stage(), FOLDER) if folder and (folder / file).exists())


def cache():
    """The folder for what can be made again: EVO_CACHE, or ~/.cache/evo."""
    return Path(os.environ.get("EVO_CACHE", "").strip() or "~/.cache/evo").expanduser()


def _weights(name, record):
    """The file of an entry's weights. Raises ZooError if it is missing or was altered."""
    found = list(_there(f"{name}.safetensors"))
    path = next((p for p in found if _sha256(p) == record["sha256"]), None)
    if path is None:
        fault = "was altered" if found else "is missing"
        raise ZooError(f"{name}.safetensors {fault}: restore it with git, or make it anew with EVO_TRAIN=record")
    return path


def has_weights(name, record):
    """Are an entry's weights there, as recorded? While entries are made, damaged ones count as absent (see `read`)."""
    try:
        return bool(_weights(name, record))
    except ZooError:
        return False


def load(name, record, model):
    """Load an entry's weights into `model`. Raises ZooError if the file is missing, was altered or does not fit."""
    path = _weights(name, record)
    with safe_open(path, "pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}
    own = weights_of(model)
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


def when(made):
    """Of an origin, what every row of a study keeps."""
    return {k: made[k] for k in ("date", "device")}


def summary():
    """One row an entry: name, kind, steps or settings, seconds, score, when it was recorded and last made a second time."""
    rows = []
    for name in names():
        r, weights = read(name), FOLDER / f"{name}.safetensors"
        size = weights.stat().st_size if "sha256" in r and weights.exists() else 0
        what = f"{r['steps']} steps" if "steps" in r else f"{len(r['rows'])} runs"
        row = {"name": name, "kind": r["kind"], "what": what, "seconds": round(r["seconds"])}
        audit = audited(name)[name]
        again = (audit["date"] or "never") + (f", {audit['share']:.0%} of it" if 0 < audit["share"] < 1 else "")
        rows.append({**row, "score": r.get("score"), "MB": size / 1e6, "recorded": audit["made"][1], "again": again})
    return rows


def audited(*names):
    """{name: {"made", "date", "device", "difference", "share"}}: when an entry was recorded, and last made from nothing again.

    made: the dates of the first and the last of its rows (a model is one). share: of its rows, those that an audit has made a
    second time; date and device: of the last of these, None where there is none; difference: the largest, as a share of what
    was tolerated.
    """
    found = {}
    for name in names:
        record = read(name)
        jobs = record.get("rows", [record])
        dates = [made_of(record, job)["date"] for job in jobs]
        audits = [job["audit"] for job in jobs if job.get("audit")]
        last = max(audits, key=lambda a: a["date"], default={})
        found[name] = {"made": [min(dates), max(dates)], "date": last.get("date"), "device": last.get("device"),
                       "share": len(audits) / len(jobs), "difference": max((a["difference"] for a in audits), default=None)}
    return found


def made_of(record, row):
    """Date and device of a row's making; rows that do not say it have their record's."""
    return row.get("made") or when(record["made"])


def seconds(*names):
    """Seconds it took to make these entries, for a chapter's card."""
    return sum(r["seconds"] for r in map(read, names) if r)


def shapes(name):
    """Shapes of an entry's weights by name, for a chapter's card."""
    with safe_open(next(_there(f"{name}.safetensors"), FOLDER / f"{name}.safetensors"), "pt") as file:
        return {k: tuple(file.get_slice(k).get_shape()) for k in file.keys()}


def weights_of(model):
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
