"""The training loop itself: one run from its start, or from a checkpoint, to its end or to the end of the time budget."""
import ctypes
import functools
import hashlib
import json
import math
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn
from tqdm import tqdm

from evo import cuts, recipe, settings, zoo
from evo.inputs import kind

CHECKPOINT_EVERY = 60  # seconds
NUDGE = 2.0**-20  # eight times what a float32 is rounded by: about what sums in another order come to
HISTORY_POINTS = 400  # losses kept of a run; each is the mean of its stretch


@dataclass
class Run:
    """What `fit` returns: the trained model (in evaluation mode) and how it went."""

    model: nn.Module
    steps: int  # done
    seconds: float  # spent training, wherever that was
    origin: str  # "zoo" or "trained"
    history: list = field(repr=False)  # [step, loss] pairs, each the mean over its stretch of steps
    score: float | None = None  # of the finished model, on held-out data
    planned: int | None = None  # steps, where the time budget stopped the run earlier

    def _repr_markdown_(self):
        score = "" if self.score is None else f", held-out score {self.score:.3f}"
        cut = f" of {self.planned:,} (stopped by the time budget)" if self.planned else ""
        return f"{self.steps:,} steps{cut}, final loss {self.history[-1][1]:.4g}{score} *({self.origin})*"


def train(model, loss_fn, batches, plan, *, mark=None, limited=True, label=None):
    """Train `model` as planned -> (Run, what its first steps gave: [loss, gradient norm] pairs).

    mark: names the checkpoint, None keeps none; it is left to the caller (`drop_checkpoint`), who keeps the result first.
    limited: whether EVO_BUDGET counts. The model comes back on the device it came from.
    """
    if _trial.peek:
        raise _Peeked(first_steps(model, loss_fn, batches, plan, _trial.nudge))
    _keep_memory()
    accelerator, home = make_accelerator(plan["precision"]), next(model.parameters()).device
    planned = steps = plan["steps"]
    alone = accelerator.num_processes == 1  # processes of one run must stop at the same step
    limited = limited and alone and accelerator.device.type == "cpu" and not _trial.whole
    budget = (_trial.budget or time_budget()) if limited else math.inf
    raw = model
    optimizer = recipe.make_optimizer(model, plan, accelerator.device)
    model, optimizer = accelerator.prepare(model.train(), optimizer)
    checkpoint = _checkpoint_path(mark)
    start, losses, spent, first, bent = _resume(checkpoint, raw, optimizer, whole=math.isinf(budget))
    if bent is not None:
        steps, budget = bent, math.inf  # what was decided before the run was killed stays decided
    began = saved = time.perf_counter()
    quiet = not accelerator.is_main_process or label is None
    bar = tqdm(total=steps, initial=start, desc=label, disable=quiet, file=sys.stderr, mininterval=0.5)
    step = start
    with torch.random.fork_rng():
        while step < steps:
            given = loss_fn, batches
            if step == start:
                given = _looked_at(*given, plan["accumulate"] * accelerator.num_processes)
            loss, norm = recipe.take_step(accelerator, model, optimizer, *given, step, {**plan, "steps": steps})
            losses.append(loss)
            if step < zoo.REPLAY:
                first.append([float(f"{x:.6g}") for x in (loss, norm) if x is not None])
            step += 1
            now = time.perf_counter()
            used = spent + now - began
            if math.isfinite(budget) and step - start >= 3 and used > budget / 20:
                possible = step + int((budget - used) * (step - start) / (now - began))
                if possible < steps:
                    if label:
                        say(f"{label}: {steps:,} steps do not fit into {budget:.0f} s here; doing {max(step, possible):,}, "
                            "with the schedule bent to fit. EVO_BUDGET=inf trains whole.")
                    steps = bar.total = max(step, possible)
                budget = math.inf
            if checkpoint and now - saved > CHECKPOINT_EVERY and accelerator.is_main_process:
                _save(checkpoint, raw, optimizer, losses, used, first, steps if steps < planned else None)
                saved = now
            bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
            bar.update()
    bar.close()
    model = accelerator.unwrap_model(model, keep_fp32_wrapper=False).eval().to(home)
    if not all(torch.isfinite(p).all() for p in model.parameters()):
        raise FloatingPointError("training ended with weights that are not finite: try a lower lr or a longer warmup")
    run = Run(model, steps, round(spent + time.perf_counter() - began, 2), "trained", thin(losses))
    if steps < planned:
        run.planned = planned
        cuts.note(label or _trial.name or "a run", _trial.details, steps, planned)
    _trial.fits.append((run.seconds, first, steps / planned))
    return run, first


def first_steps(model, loss_fn, batches, plan, nudge=None):
    """[loss, gradient norm] of the first steps, exactly as in the whole run. The model is trained by them.

    nudge: a seed; every weight starts off by about NUDGE of itself, as if it had been rounded otherwise.
    """
    if nudge is not None:
        generator = torch.Generator().manual_seed(nudge)
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1 + NUDGE * torch.randn(p.shape, generator=generator).to(p))
    accelerator = make_accelerator(plan["precision"])
    optimizer = recipe.make_optimizer(model, plan, accelerator.device)
    model, optimizer = accelerator.prepare(model.train(), optimizer)
    with torch.random.fork_rng():
        steps = range(min(zoo.REPLAY, plan["steps"]))
        given = _looked_at(loss_fn, batches, plan["accumulate"] * accelerator.num_processes)
        return [list(recipe.take_step(accelerator, model, optimizer, *given, step, plan)) for step in steps]


def _looked_at(loss_fn, batches, slices):
    """loss_fn and batches for the first step: what they give is looked at as it passes, so nothing is computed or drawn twice."""

    def at(step, seed):
        batch = batches.at(step, seed)
        for t in batch if isinstance(batch, tuple) else (batch,):
            if not isinstance(t, torch.Tensor):
                raise ValueError(f"batches.at(step, seed) must give a tensor or a tuple of tensors, got {_kind(batch, t)}")
            if not t.ndim or len(t) < slices:
                rows = len(t) if t.ndim else 0
                raise ValueError(f"a batch of {rows} rows cannot be cut into {slices} slices (accumulate times processes): "
                                 f"pass accumulate={max(rows, 1)} or less, or larger batches")
        return batch

    def looked_at(model, *batch):
        loss = loss_fn(model, *batch)
        if not isinstance(loss, torch.Tensor):
            raise ValueError(f"loss_fn returned a {type(loss).__name__}: it must return a tensor of one number, without float() or .item()")
        if loss.numel() != 1:
            raise ValueError(f"loss_fn returned a tensor of shape {tuple(loss.shape)}: it must return one number, such as its .mean()")
        if not loss.requires_grad:
            raise ValueError("loss_fn returned a number that depends on no weight that learns: compute it from the model's outputs, "
                             "without detach() or no_grad()")
        return loss

    return looked_at, SimpleNamespace(at=at)


def _kind(batch, part):
    """What came instead of a tensor, in words."""
    return f"a {type(batch).__name__}" if part is batch else f"a tuple that holds a {type(part).__name__}"


def last_loss(model, loss_fn, batches, plan, history):
    """(recorded, now): the mean loss over the last stretch of the history, and that of the finished model on the same steps.

    The rate has come down to nothing by then, so both are nearly the same number.
    """
    end, recorded = history[-1]
    start = history[-2][0] if len(history) > 1 else 0
    device = next(model.parameters()).device
    model.train()
    losses = []
    with torch.random.fork_rng(), torch.no_grad():
        for step in range(start, end):
            batch = batches.at(step, plan["seed"])
            batch = batch if isinstance(batch, tuple) else (batch,)
            pieces = [torch.tensor_split(t, plan["accumulate"]) for t in batch]
            for i in range(plan["accumulate"]):
                torch.manual_seed(recipe.mix(plan["seed"], step, i))
                losses.append(float(loss_fn(model, *(p[i].to(device) for p in pieces))))
    model.eval()
    return recorded, sum(losses) / len(losses)


def make_accelerator(precision):
    """Accelerate's device and precision. What is proved is proved on the CPU, whatever the machine has."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    wanted = os.environ.get("EVO_DEVICE", "")
    if wanted not in ("", "cpu", "cuda", "mps") or (wanted == "cuda" and not torch.cuda.is_available()) or (
        wanted == "mps" and not torch.backends.mps.is_available()
    ):
        raise ValueError(f"EVO_DEVICE={wanted!r}: there is no such device here; unset it, or use cpu")
    cpu = wanted == "cpu" or zoo.mode() in zoo.PROVING or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    if precision is None:
        precision = "bf16" if not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"
    AcceleratorState._reset_state()  # two fits of one process may differ in precision
    return Accelerator(cpu=cpu, mixed_precision="no" if precision == "fp32" else precision)


@functools.cache
def _keep_memory():
    """Let glibc keep freed memory instead of giving it back after every step: a tenth to a fifth of a step's time on a CPU."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
        libc.mallopt(M_MMAP_THRESHOLD, 2**30), libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):  # another C library
        pass


# ---------------------------------------------------------------- trials of a study


class _Peeked(BaseException):
    """Ends a trial after the first steps of its first fit. Not an Exception, so that no trial swallows it."""

    def __init__(self, first):
        self.first = first


@dataclass
class _Trial:
    """What a running study tells the fits inside it, and they tell it."""

    peek: bool = False
    nudge: int | None = None
    whole: bool = False
    budget: float | None = None
    name: str = ""
    details: str = ""
    fits: list = field(default_factory=list)  # (seconds, first steps, share of the planned steps)


_trial = _Trial()


def run_trial(trial, setting, seed, budget=None, name="", peek=False, nudge=None):
    """One row of a study; or, to peek, what the first steps of its first fit give. budget: seconds of its fits, None: no limit."""
    global _trial
    outer, _trial = _trial, _Trial(peek, nudge, budget is None, budget, name, key(setting, seed))
    began = time.perf_counter()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            result = trial(seed=seed, **setting)
        fits = _trial.fits
    except _Peeked as peeked:
        return peeked.first
    finally:
        _trial = outer
    seconds = time.perf_counter() - began
    result = _measured(result, f"{getattr(trial, '__name__', 'trial')} for {setting}, seed {seed}")
    row = {"setting": plain(setting), "seed": seed, "result": {k: float(f"{v:.6g}") for k, v in result.items()},
           "first": fits[0][1] if fits else None, "seconds": round(seconds, 2),
           "fitting": round(sum(spent for spent, *_ in fits), 2)}
    if any(share < 1 for *_, share in fits):
        row["cut"] = round(min(share for *_, share in fits), 4)
    return row if not peek else []


def _measured(result, of):
    """What a trial returned, as Python's numbers. Raises ValueError for all else; of: which trial it was."""
    if not isinstance(result, dict) or not all(isinstance(k, str) for k in result):
        raise ValueError(f"trial must return finite numbers by name, such as {{'accuracy': 0.5}}, but got {kind(result)} of {of}")
    result = {k: number(v) for k, v in result.items()}
    for k, v in result.items():
        if not isinstance(v, (int, float)) or not abs(v) <= sys.float_info.max:  # NaN, too
            raise ValueError(f"trial must return finite numbers, but {k} is {v if isinstance(v, float) else kind(v)} of {of}")
    return result


def key(setting, seed):
    """A setting and a seed as text: the same for a tuple as for the list that JSON makes of it."""
    return json.dumps([setting, int(seed)], sort_keys=True, default=_of_library)


def plain(value):
    """As JSON gives it back: lists for tuples, Python's numbers for NumPy's and torch's."""
    return json.loads(json.dumps(value, default=_of_library))


def _of_library(value):
    if number(value) is value:
        raise TypeError(f"{kind(value)} cannot be kept")
    return number(value)


def number(value):
    """A single number of NumPy or torch as Python's; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


# ---------------------------------------------------------------- checkpoints


def _checkpoint_path(mark):
    return None if mark is None else zoo.cache() / "runs" / mark / "checkpoint.safetensors"


def drop_checkpoint(mark):
    """Forget a run that is finished and kept elsewhere."""
    shutil.rmtree(_checkpoint_path(mark).parent, ignore_errors=True)


def _save(path, model, optimizer, losses, seconds, first, bent=None):
    """One file, written aside, flushed and renamed: there is never half a checkpoint. Its checksum stands in front.

    bent: the steps that a time budget left of the run, None where it has not shortened it.
    """
    tensors = {f"model.{k}": v.detach().cpu().contiguous().clone() for k, v in zoo.weights_of(model).items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v).detach().cpu().contiguous().clone() for k, v in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = {"losses": json.dumps(losses), "seconds": str(seconds), "first": json.dumps(first), "bent": json.dumps(bent)}
        data = save(tensors, metadata=meta)
        zoo.write_bytes(path, data)
        zoo.write_bytes(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest().encode())
    except Exception as error:  # a full disk must not end a training that could still finish
        say(f"cannot write the checkpoint {path}: {error}. Training goes on; set EVO_CACHE to a folder with space.")


def _resume(path, model, optimizer, whole):
    """Step to go on from, the losses so far, the seconds they took, what the first steps gave, the steps of a bent run or None.

    whole: the run is to be done whole, so one that the time budget has bent is of no use to it.
    """
    nothing = 0, [], 0.0, [], None
    if path is None or not path.exists():
        return nothing
    try:
        recorded = path.with_suffix(".sha256").read_bytes().decode()
        if hashlib.sha256(path.read_bytes()).hexdigest() != recorded:
            raise ValueError("its checksum is another one")
        with safe_open(path, "pt") as file:
            tensors = {k: file.get_tensor(k) for k in file.keys()}
            meta = file.metadata()
        losses, seconds, first = json.loads(meta["losses"]), float(meta["seconds"]), json.loads(meta["first"])
        bent = json.loads(meta.get("bent", "null"))  # older checkpoints do not say
    except Exception as error:
        aside = path.with_suffix(".damaged")
        os.replace(path, aside)
        say(f"the checkpoint {path} is damaged ({error}); it is set aside as {aside.name}, and training starts again")
        return nothing
    if whole and bent is not None:
        say(f"the checkpoint {path} is of a run that a time budget had shortened to {bent:,} steps; training starts again, whole")
        return nothing
    with torch.no_grad():
        for k, v in zoo.weights_of(model).items():
            v.copy_(tensors[f"model.{k}"])
    state = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, i, k = name.split(".")
            state.setdefault(int(i), {})[k] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    say(f"resuming at step {len(losses):,} from {path}")
    return len(losses), losses, seconds, first, bent


# ---------------------------------------------------------------- small things


def time_budget():
    """Seconds that an unrecorded run may take on a CPU: EVO_BUDGET."""
    text = os.environ.get("EVO_BUDGET", "60")
    settings.check({"EVO_BUDGET": text})
    return float(text)


def score_of(model, score, seed):
    """score(model) as recorded: six digits, its random numbers seeded, None where there is no score."""
    if score is None:
        return None
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        value = float(score(model.eval()))
    if not math.isfinite(value):
        raise FloatingPointError(f"the score is {value}: the model's outputs are not finite, or score divides by nothing")
    return float(f"{value:.6g}")


def thin(losses):
    """At most HISTORY_POINTS [step, mean loss] pairs."""
    width = math.ceil(len(losses) / HISTORY_POINTS)
    stretches = [losses[i : i + width] for i in range(0, len(losses), width)]
    return [[i * width + len(s), float(f"{sum(s) / len(s):.5g}")] for i, s in enumerate(stretches)]


def is_main():
    """Is this the process that speaks and writes?"""
    return os.environ.get("RANK", "0") == "0"


def say(text):
    """One line beside the progress bars."""
    tqdm.write(text, file=sys.stderr)
