"""The training loop. It knows no task: a model, a loss function, batches.

`fit` trains one model; `study` runs a sweep over settings and seeds. Both look up their fingerprint in `evo.zoo`
first, so that an unchanged chapter runs in seconds and a changed line trains.
"""
import contextlib
import copy
import itertools
import json
import math
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from tqdm import tqdm

from evo import zoo
from evo.fingerprint import fingerprint

CHECKPOINT_EVERY = 60  # seconds
HISTORY_POINTS = 400  # losses kept of a run; each is the mean of its stretch
BETAS = (0.9, 0.95)
REPLAY_TOLERANCE = 2e-4  # relative; the number of threads and the kind of processor move the last digits of a loss


class Batches:
    """Shuffled batches for ever: `at(step, seed)` is a function of its arguments, so a run can resume anywhere.

    tensors: one or more tensors with the same first dimension. size: examples a batch, over all devices and
    accumulation steps together. The last, incomplete batch of an epoch is left out.
    """

    def __init__(self, *tensors, size):
        if not tensors or len({len(t) for t in tensors}) != 1:
            raise ValueError(f"Batches needs tensors of one length, got lengths {[len(t) for t in tensors]}")
        if not 1 <= size <= len(tensors[0]):
            raise ValueError(f"size={size} must be between 1 and the number of examples, {len(tensors[0])}")
        self.tensors, self.size = tensors, size
        self._order = (None, None)

    def at(self, step, seed=0):
        """Tuple of tensors (size, ...) for this step."""
        epoch, i = divmod(step, len(self.tensors[0]) // self.size)
        if self._order[0] != (epoch, seed):
            generator = torch.Generator().manual_seed(_mix(seed, epoch))
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


@dataclass
class Run:
    """What `fit` returns: the trained model (in evaluation mode) and how it went."""

    model: nn.Module
    steps: int  # done
    seconds: float  # spent training, wherever that was
    origin: str  # "zoo" or "trained"
    history: list = field(repr=False)  # [step, loss] pairs, each the mean over its stretch of steps
    score: float | None = None  # of the finished model, on held-out data

    def _repr_markdown_(self):
        score = "" if self.score is None else f", held-out score {self.score:.3f}"
        return f"{self.steps:,} steps, final loss {self.history[-1][1]:.4g}{score} *({self.origin})*"


def fit(model, loss_fn, batches, *, steps, lr, name=None, score=None, seed=0, weight_decay=0.05, warmup=0.05,
        clip=1.0, accumulate=1, precision=None):
    """Train `model` with AdamW, linear warm-up and cosine decay; or load it, if the zoo holds this very run.

    loss_fn(model, *batch) returns a scalar and may draw random numbers: torch is seeded by (seed, step).
    batches.at(step, seed) gives the tensors of a step (see `Batches`). name: the entry's name in the zoo; without a
    name nothing is looked up or kept. score(model) is a number on held-out data, recorded with the entry.
    lr: peak learning rate; warmup: fraction of the steps; weight_decay: on weight matrices only; clip: largest
    gradient norm; accumulate: slices a batch is cut into; precision: "fp32", "bf16", "fp16" or None (bf16 on a GPU
    that has it, else fp32).

    A run without a matching entry stops after EVO_BUDGET seconds (default 60) on a CPU, its schedule bent to fit.
    A killed run resumes from its last checkpoint to the same losses. Returns a `Run`.
    Raises ValueError for impossible arguments, FloatingPointError when the loss is not finite.
    """
    _check(steps=steps, lr=lr, warmup=warmup, clip=clip, accumulate=accumulate, precision=precision)
    plan = dict(steps=steps, lr=lr, seed=seed, weight_decay=weight_decay, warmup=warmup, clip=clip,
                accumulate=accumulate, precision=precision)
    if name is None:
        return _train(model, loss_fn, batches, plan, score)

    mark, mode, record = fingerprint(model, loss_fn, batches, plan), zoo.mode(), zoo.read(name)
    known = record is not None and record["fingerprint"] == mark
    if mode in ("verify", "restamp"):
        return _verify(model, loss_fn, batches, plan, score, name, record, mark, mode)
    if known and mode != "always":
        zoo.load(name, record, model)
        return Run(model.eval(), record["steps"], record["seconds"], "zoo", record["history"], record["score"])
    if record is not None and mode == "zoo":
        _say(f"{name}: the code, the data or an argument differs from what the zoo's weights were made with, so this trains anew.")
    run, first = _train(model, loss_fn, batches, plan, None, mark=mark, whole=mode != "zoo", label=name, want_first=True)
    if mode in ("record", "always") and _is_main():
        record = dict(kind="weights", fingerprint=mark, settings=plan, first=first, steps=run.steps, seconds=run.seconds)
        record["history"] = run.history
        zoo.write(name, record, run.model)  # also rounds run.model's weights, so that the score is that of the entry
        record["score"] = _score(run.model, score, seed)
        zoo.write(name, record, run.model)
    run.score = _score(run.model, score, seed)
    return run


@dataclass
class Study:
    """A sweep: `rows` holds one dict a run, with its setting, its seed and what was measured."""

    rows: list
    origin: str

    def table(self):
        """All runs as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame([{**r["setting"], "seed": r["seed"], **r["result"]} for r in self.rows])

    def values(self, metric, **setting):
        """`metric` of every run with this setting, one number a seed."""
        found = [r["result"][metric] for r in self.rows if setting.items() <= r["setting"].items()]
        if not found:
            raise KeyError(f"no run with {setting}; settings are {[r['setting'] for r in self.rows]}")
        return found

    def mean(self, metric, **setting):
        """Mean of `metric` over the runs with this setting."""
        values = self.values(metric, **setting)
        return sum(values) / len(values)

    def std(self, metric, **setting):
        """Sample standard deviation of `metric` over the runs with this setting."""
        values, mean = self.values(metric, **setting), self.mean(metric, **setting)
        return math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1))


def study(trial, grid, *, name, seeds=(0, 1, 2)):
    """Run trial(seed=..., **setting) -> dict of numbers for every setting and seed; or read it from the zoo.

    grid: a list of settings (dicts), or a dict of lists whose every combination is a setting. A trial may call `fit`
    (without a name). Rows already recorded by the same code are kept when settings are added. Without a matching
    record, all fits of the study share one EVO_BUDGET on a CPU.
    """
    if isinstance(grid, dict):
        grid = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    if not grid or not seeds:
        raise ValueError("study needs at least one setting in grid and one seed in seeds")
    mark, mode, record = fingerprint(trial), zoo.mode(), zoo.read(name)
    known = record is not None and record["fingerprint"] == mark
    done = {_key(r["setting"], r["seed"]): r for r in record["rows"]} if known and mode != "always" else {}
    jobs = [(setting, seed) for setting in grid for seed in seeds]
    if mode in ("verify", "restamp"):
        return _verify_study(trial, grid, seeds, name, record, mark, mode)
    missing = [job for job in jobs if _key(*job) not in done]
    if missing and mode == "zoo":
        _say(f"{name}: {len(missing)} of {len(jobs)} runs are not in the zoo as the code now stands; they share one time budget.")
    for setting, seed in tqdm(missing, desc=name, disable=not missing or not _is_main(), file=sys.stderr):
        row = _run_trial(trial, setting, seed, None if mode != "zoo" else _budget() / len(missing))
        done[_key(setting, seed)] = row
        if mode != "zoo":
            _write_rows(name, mark, list(done.values()))
    if missing and mode != "zoo":  # rows of settings that are no longer asked for go
        _write_rows(name, mark, [done[_key(*job)] for job in jobs])
    return Study([done[_key(*job)] for job in jobs], "zoo" if not missing else "trained")


# ---------------------------------------------------------------- the loop


def _train(model, loss_fn, batches, plan, score, mark=None, whole=False, label="fit", want_first=False):
    """The loop itself. Returns a Run, and the first losses if asked."""
    if _trial.peek:
        raise _Peeked(_first_losses(model, loss_fn, batches, plan))
    accelerator = _accelerator(plan["precision"])
    steps, seed, slices = plan["steps"], plan["seed"], plan["accumulate"]
    on_cpu = accelerator.device.type == "cpu"
    alone = accelerator.num_processes == 1  # processes of one run must stop at the same step
    budget = (_trial.budget or _budget()) if on_cpu and alone and not whole and not _trial.whole else math.inf
    raw = model
    optimizer = torch.optim.AdamW(_groups(model, plan["weight_decay"]), lr=plan["lr"], betas=BETAS)
    model, optimizer = accelerator.prepare(model.train(), optimizer)
    checkpoint = _checkpoint_path(mark)
    start, losses, spent = _resume(checkpoint, raw, optimizer)
    began = saved = time.perf_counter()
    quiet = not accelerator.is_main_process or label == "fit"
    bar = tqdm(total=steps, initial=start, desc=label, disable=quiet, file=sys.stderr, mininterval=0.5)
    step = start
    with torch.random.fork_rng():
        while step < steps:
            for group in optimizer.param_groups:
                group["lr"] = plan["lr"] * _schedule(step, steps, plan["warmup"])
            losses.append(_step(accelerator, model, optimizer, loss_fn, batches, step, seed, slices, plan["clip"]))
            step += 1
            now = time.perf_counter()
            if math.isfinite(budget) and step - start >= 3 and now - began > budget / 20:
                possible = step + int((budget - (now - began)) * (step - start) / (now - began))
                if possible < steps:
                    if label != "fit":
                        _say(f"{label}: {steps:,} steps do not fit into {budget:.0f} s here; doing {possible:,}, "
                             "with the schedule bent to fit. EVO_BUDGET=inf trains whole.")
                    steps = bar.total = max(step, possible)
                budget = math.inf
            if checkpoint and now - saved > CHECKPOINT_EVERY and accelerator.is_main_process:
                _save(checkpoint, raw, optimizer, losses, spent + now - began)
                saved = now
            bar.set_postfix(loss=f"{losses[-1]:.4g}", refresh=False)
            bar.update()
    bar.close()
    if checkpoint and accelerator.is_main_process:
        shutil.rmtree(checkpoint.parent, ignore_errors=True)
    model = accelerator.unwrap_model(model, keep_fp32_wrapper=False).eval()
    run = Run(model, steps, round(spent + time.perf_counter() - began, 2), "trained", _thin(losses))
    first = [float(f"{x:.6g}") for x in losses[: zoo.REPLAY]]
    _trial.first = _trial.first or first
    run.score = _score(model, score, seed)
    return (run, first) if want_first else run


def _step(accelerator, model, optimizer, loss_fn, batches, step, seed, slices, clip):
    """One optimizer step over a global batch, cut into accumulate x processes slices. Returns its mean loss."""
    batch = batches.at(step, seed)
    batch = batch if isinstance(batch, tuple) else (batch,)
    world, rank = accelerator.num_processes, accelerator.process_index
    parts = [torch.tensor_split(t, slices * world) for t in batch]
    total = 0.0
    for i in range(slices):
        part = i * world + rank
        torch.manual_seed(_mix(seed, step, part))
        last = i == slices - 1
        with contextlib.nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                loss = loss_fn(model, *(p[part].to(accelerator.device) for p in parts)) / slices
            accelerator.backward(loss)
        total = total + loss.detach()
    total = float(accelerator.reduce(total, "mean")) if world > 1 else float(total)
    if not math.isfinite(total):
        raise FloatingPointError(f"the loss is {total} at step {step}: try a lower lr or a longer warmup, or look at loss_fn")
    if clip:
        accelerator.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    optimizer.zero_grad()
    return total


def _schedule(step, steps, warmup):
    """Factor on the learning rate: linear warm-up, then half a cosine down to zero."""
    warm = warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _groups(model, weight_decay):
    """Weight matrices decay; biases, norms, embeddings, positions and single tokens do not."""
    decay = {id(m.weight) for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))}
    params = [p for p in model.parameters() if p.requires_grad]
    if not params:
        raise ValueError("model has no parameter that requires a gradient")
    return [
        {"params": [p for p in params if id(p) in decay], "weight_decay": weight_decay},
        {"params": [p for p in params if id(p) not in decay], "weight_decay": 0.0},
    ]


def _accelerator(precision):
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    wanted = os.environ.get("EVO_DEVICE", "")
    if wanted not in ("", "cpu", "cuda", "mps") or (wanted == "cuda" and not torch.cuda.is_available()) or (
        wanted == "mps" and not torch.backends.mps.is_available()
    ):
        raise ValueError(f"EVO_DEVICE={wanted!r}: there is no such device here; unset it, or use cpu")
    if precision is None:
        precision = "bf16" if wanted != "cpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "fp32"
    AcceleratorState._reset_state()  # two fits of one process may differ in precision
    cpu = wanted == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    return Accelerator(cpu=cpu, mixed_precision="no" if precision == "fp32" else precision)


def _is_main():
    return os.environ.get("RANK", "0") == "0"


# ---------------------------------------------------------------- checkpoints


def _checkpoint_path(mark):
    if mark is None:
        return None
    cache = Path(os.environ.get("EVO_CACHE", "~/.cache/evo")).expanduser()
    return cache / "runs" / mark / "checkpoint.safetensors"


def _save(path, model, optimizer, losses, seconds):
    """One file, written aside and renamed: there is never half a checkpoint."""
    tensors = {f"model.{k}": v.detach().cpu().contiguous().clone() for k, v in zoo._weights(model).items()}
    for i, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v).detach().cpu().contiguous().clone() for k, v in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, path.with_suffix(".tmp"), metadata={"losses": json.dumps(losses), "seconds": str(seconds)})
        os.replace(path.with_suffix(".tmp"), path)
    except Exception as error:  # a full disk must not end a training that could still finish
        _say(f"cannot write the checkpoint {path}: {error}. Training goes on; set EVO_CACHE to a folder with space.")


def _resume(path, model, optimizer):
    """Step to go on from, the losses so far and the seconds they took."""
    if path is None or not path.exists():
        return 0, [], 0.0
    with safe_open(path, "pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}
        meta = file.metadata()
    with torch.no_grad():
        for k, v in zoo._weights(model).items():
            v.copy_(tensors[f"model.{k}"])
    state = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, i, k = key.split(".")
            state.setdefault(int(i), {})[k] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    losses = json.loads(meta["losses"])
    _say(f"resuming at step {len(losses):,} from {path}")
    return len(losses), losses, float(meta["seconds"])


# ---------------------------------------------------------------- proof


def _verify(model, loss_fn, batches, plan, score, name, record, mark, mode):
    """Replay an entry's first steps, load it, score it again; in restamp mode renew its fingerprint if all agree."""
    if record is None:
        raise zoo.ZooError(f"{name} is not in the zoo: make it with EVO_TRAIN=record")
    if mode == "verify" and record["fingerprint"] != mark:
        raise zoo.ZooError(f"{name}: the chapter's code, data or arguments are not those that made it. If they compute the same, "
                           "EVO_TRAIN=restamp renews it; else EVO_TRAIN=record makes it anew")
    _same_losses(name, _first_losses(copy.deepcopy(model), loss_fn, batches, plan), record["first"])
    zoo.load(name, record, model)
    again = _score(model.eval(), score, plan["seed"])
    if (again is None) != (record["score"] is None) or (again is not None and abs(again - record["score"]) > 2e-3 + 2e-3 * abs(again)):
        raise zoo.ZooError(f"{name}: scores {again}, but {record['score']} is recorded")
    if record["fingerprint"] != mark:
        zoo.write(name, {**record, "fingerprint": mark})
    _say(f"{name}: verified, score {again}")
    return Run(model, record["steps"], record["seconds"], "zoo", record["history"], record["score"])


def _verify_study(trial, grid, seeds, name, record, mark, mode):
    if record is None or (mode == "verify" and record["fingerprint"] != mark):
        raise zoo.ZooError(f"{name}: the recorded study was not made by this code: EVO_TRAIN=restamp if it computes the same, else =record")
    done = {_key(r["setting"], r["seed"]): r for r in record["rows"]}
    missing = [_key(s, seed) for s in grid for seed in seeds if _key(s, seed) not in done]
    if missing:
        raise zoo.ZooError(f"{name}: the study lacks {missing[:3]}")
    for setting in grid:
        row = done[_key(setting, seeds[0])]
        if row["first"]:
            _same_losses(f"{name} {setting}", _peek_trial(trial, setting, seeds[0]), row["first"])
        elif setting == grid[0]:  # a trial without `fit`: run one whole
            again = _run_trial(trial, setting, seeds[0], None)["result"]
            for k, v in row["result"].items():
                if "seconds" not in k and not math.isclose(again[k], v, rel_tol=0.02, abs_tol=0.005):
                    raise zoo.ZooError(f"{name} {setting}: {k} comes out as {again[k]}, but {v} is recorded")
    if record["fingerprint"] != mark:
        zoo.write(name, {**record, "fingerprint": mark})
    _say(f"{name}: verified")
    return Study([done[_key(s, seed)] for s in grid for seed in seeds], "zoo")


def _first_losses(model, loss_fn, batches, plan):
    """The losses of the first steps, exactly as in the whole run."""
    accelerator = _accelerator(plan["precision"])
    optimizer = torch.optim.AdamW(_groups(model, plan["weight_decay"]), lr=plan["lr"], betas=BETAS)
    model, optimizer = accelerator.prepare(model.train(), optimizer)
    losses = []
    with torch.random.fork_rng():
        for step in range(min(zoo.REPLAY, plan["steps"])):
            for group in optimizer.param_groups:
                group["lr"] = plan["lr"] * _schedule(step, plan["steps"], plan["warmup"])
            losses.append(_step(accelerator, model, optimizer, loss_fn, batches, step, plan["seed"], plan["accumulate"], plan["clip"]))
    return losses


def _same_losses(name, now, recorded):
    if len(now) != len(recorded) or any(not math.isclose(a, b, rel_tol=REPLAY_TOLERANCE, abs_tol=1e-6) for a, b in zip(now, recorded)):
        raise zoo.ZooError(f"{name}: its first losses come out as {now}, but {recorded} are recorded")


class _Peeked(BaseException):
    """Ends a trial after the first steps of its first fit. Not an Exception, so that no trial swallows it."""

    def __init__(self, losses):
        self.losses = losses


@dataclass
class _Trial:
    """What a running study tells the fits inside it."""

    peek: bool = False
    whole: bool = False
    budget: float | None = None
    first: list | None = None


_trial = _Trial()


def _peek_trial(trial, setting, seed):
    """The first losses of a trial's first fit, without running the rest."""
    _trial.peek = True
    try:
        _run_trial(trial, setting, seed, None)
    except _Peeked as peeked:
        return peeked.losses
    finally:
        _trial.peek = False


def _run_trial(trial, setting, seed, budget):
    """One row. budget: seconds for its fits, None for whole runs."""
    _trial.whole, _trial.budget, _trial.first = budget is None, budget, None
    began = time.perf_counter()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            result = trial(seed=seed, **setting)
        first = _trial.first
    finally:
        _trial.whole, _trial.budget, _trial.first = False, None, None
    bad = [k for k, v in result.items() if not isinstance(v, (int, float)) or not math.isfinite(v)]
    if bad:
        raise ValueError(f"trial must return finite numbers, but {bad[0]} is {result[bad[0]]!r} for {setting}, seed {seed}")
    result = {k: float(f"{v:.6g}") for k, v in result.items()}
    return {"setting": setting, "seed": seed, "result": result, "first": first, "seconds": round(time.perf_counter() - began, 2)}


def _write_rows(name, mark, rows):
    if _is_main():
        zoo.write(name, dict(kind="study", fingerprint=mark, rows=rows, seconds=round(sum(r["seconds"] for r in rows), 2)))


# ---------------------------------------------------------------- small things


def _check(steps, lr, warmup, clip, accumulate, precision):
    for text, ok, rule in [
        (f"{steps=}", isinstance(steps, int) and steps >= 1, "a whole number, at least 1"),
        (f"{lr=}", lr > 0, "above 0"),
        (f"{warmup=}", 0 <= warmup < 1, "in [0, 1): a fraction of the steps"),
        (f"{clip=}", clip is None or clip > 0, "above 0, or None"),
        (f"{accumulate=}", isinstance(accumulate, int) and accumulate >= 1, "a whole number, at least 1"),
        (f"{precision=}", precision in (None, "fp32", "bf16", "fp16"), "fp32, bf16, fp16 or None"),
    ]:
        if not ok:
            raise ValueError(f"{text} must be {rule}")


def _score(model, score, seed):
    if score is None:
        return None
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        return float(f"{float(score(model.eval())):.6g}")


def _budget():
    try:
        return float(os.environ.get("EVO_BUDGET", "60"))
    except ValueError:
        raise ValueError(f"EVO_BUDGET={os.environ['EVO_BUDGET']!r} must be a number of seconds, or inf") from None


def _thin(losses):
    """At most HISTORY_POINTS [step, mean loss] pairs."""
    width = math.ceil(len(losses) / HISTORY_POINTS)
    stretches = [losses[i : i + width] for i in range(0, len(losses), width)]
    return [[i * width + len(s), float(f"{sum(s) / len(s):.5g}")] for i, s in enumerate(stretches)]


def _mix(*numbers):
    """One seed out of several numbers, well spread."""
    seed = 0
    for n in numbers:
        seed = (seed * 6364136223846793005 + n + 1442695040888963407) % 2**63
    return seed


def _key(setting, seed):
    return json.dumps([setting, seed], sort_keys=True)


def _say(text):
    tqdm.write(text, file=sys.stderr)
