"""What the environment may say, EVO_NAME=value: the names, and one clear sentence for every mistake in them."""
import difflib
import json
import os
from pathlib import Path

MODES = ("zoo", "record", "always", "restamp", "verify", "audit")  # of EVO_TRAIN; what they mean: evo.zoo
NAMES = {
    "EVO_TRAIN": "what a chapter does with its entries of the zoo",
    "EVO_BUDGET": "seconds that an unrecorded run may take on a CPU; inf trains whole",
    "EVO_DEVICE": "cpu, cuda or mps, where the best is not wanted",
    "EVO_CACHE": "the folder for data and checkpoints",
    "EVO_DATA": "a copy of such a folder, where data are looked for",
    "EVO_STAGE": "the folder into which entries of the zoo are written instead of the zoo, and from which they are read",
    "EVO_ONLY": "the one entry to make anew (evo zoo record --only)",
    "EVO_AUDIT": "what to make anew, as JSON (evo zoo audit)",
    "EVO_FIGURES": "the folder for the figures of a chapter that runs as a script (evo run)",
}


class SettingError(ValueError):
    """An EVO_ variable that means nothing; the message is one sentence."""


def check(environment=None):
    """SettingError for the first variable that is wrong; empty ones count as not set, but for EVO_BUDGET."""
    environment = os.environ if environment is None else environment
    for name in sorted(n for n in environment if n.startswith("EVO_")):
        if problem := _problem(name, environment[name]):
            raise SettingError(problem)


def _problem(name, value):
    if name not in NAMES:  # another program's, unless it is nearly one of ours
        near = difflib.get_close_matches(name[4:].upper(), [known[4:] for known in NAMES], n=1, cutoff=0.7)
        return f"{name} is no setting of evo; did you mean EVO_{near[0]}?" if near else None
    if name == "EVO_BUDGET":
        return None if _seconds(value) else f"EVO_BUDGET={value!r} must be a number of seconds above 0, or inf"
    value = value.strip()
    if name == "EVO_TRAIN" and value and value not in MODES:
        near = difflib.get_close_matches(value, MODES, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        return f"EVO_TRAIN={value!r}: {meant}choose one of {', '.join(MODES)}"
    if name == "EVO_DEVICE" and value not in ("", "cpu", "cuda", "mps"):
        return f"EVO_DEVICE={value!r}: choose cpu, cuda or mps, or unset it"
    if name in ("EVO_CACHE", "EVO_STAGE", "EVO_FIGURES") and Path(value).is_file():
        return f"{name}={value!r} is a file: name a folder"
    if name == "EVO_AUDIT" and value and not _is_object(value):
        return f"EVO_AUDIT={value!r} must be a JSON object; `evo zoo audit` sets it"
    return None


def _seconds(text):
    try:
        return float(text) > 0  # nan is not
    except ValueError:
        return False


def _is_object(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
