"""Training that knows no task: a model, a loss function, batches.

`fit` trains one model; `study` runs a sweep over settings and seeds. Both look up their fingerprint in `evo.zoo`
first, so that an unchanged chapter runs in seconds and a changed line trains.
"""
import itertools
import math
import numbers
import sys
import time
from dataclasses import dataclass

from tqdm import tqdm

from evo import loop, proof, recipe, zoo
from evo.fingerprint import parts, whole
from evo.loop import Run
from evo.recipe import Batches, SimilarLength  # noqa: F401


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
    A killed run resumes from its last checkpoint to the same losses. Returns a `Run`, its model on the device it came from.
    Raises ValueError for impossible arguments, FloatingPointError when loss, gradient, weights or score are not finite.
    """
    seed = _check(batches, steps=steps, lr=lr, seed=seed, weight_decay=weight_decay, warmup=warmup, clip=clip,
                  accumulate=accumulate, precision=precision)
    plan = dict(steps=steps, lr=lr, seed=seed, weight_decay=weight_decay, warmup=warmup, clip=clip,
                accumulate=accumulate, precision=precision)
    if name is None:
        run, _ = loop.train(model, loss_fn, batches, plan)
        run.score = loop.score_of(run.model, score, seed)
        return run

    mode, record = zoo.mode(name), zoo.read(name)
    if mode in ("record", "always"):
        zoo.check_name(name, model)
    made_of = parts(model=model, loss_fn=loss_fn, batches=batches, settings=plan, recipe=recipe.PARTS)
    mark = whole(made_of)
    if mode in zoo.PROVING:
        return proof.of_run(name, record, made_of, model, loss_fn, batches, plan, score)
    if record is not None and record["fingerprint"] == mark and mode != "always":
        zoo.load(name, record, model)
        return Run(model.eval(), record["steps"], record["seconds"], "zoo", record["history"], record["score"])
    if record is not None and mode == "zoo":
        loop.say(f"{name}: {proof.what_differs(record, made_of)} differs from what the zoo's weights were made with, so this trains anew.")
    run, first = loop.train(model, loss_fn, batches, plan, mark=mark, limited=mode == "zoo", label=name)
    if mode in ("record", "always") and loop.is_main():
        record = dict(kind="weights", fingerprint=mark, parts=made_of, settings=plan, first=first, steps=run.steps,
                      seconds=run.seconds, history=run.history, audit=proof.audit_now(0.0))
        zoo.write(name, record, run.model)  # also rounds run.model's weights, so that the score is that of the entry
        record["score"] = loop.score_of(run.model, score, seed)
        zoo.write(name, record, run.model)
    run.score = loop.score_of(run.model, score, seed)
    if loop.is_main():
        loop.drop_checkpoint(mark)
    return run


@dataclass
class Study:
    """A sweep: `rows` holds one dict a run, with its setting, its seed and what was measured.

    A row that the time budget stopped has "cut", the share of its steps that it did.
    """

    rows: list
    origin: str

    def table(self):
        """All runs as a pandas DataFrame; a column "trained" says which of them were stopped, if any."""
        import pandas as pd

        cut = any("cut" in r for r in self.rows)
        return pd.DataFrame([{**r["setting"], "seed": r["seed"], **r["result"],
                              **({"trained": f"{r.get('cut', 1):.0%} of its steps"} if cut else {})} for r in self.rows])

    def values(self, metric, **setting):
        """`metric` of every run with this setting, one number a seed."""
        setting = loop.plain(setting)
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


def study(trial, grid, *, name, seeds=(0, 1, 2), clocks=()):
    """Run trial(seed=..., **setting) -> dict of numbers for every setting and seed; or read it from the zoo.

    grid: a list of settings (dicts), or a dict of lists whose every combination is a setting. A trial may call `fit`
    (without a name). Rows already recorded by the same code are kept when settings are added. clocks: metrics that are
    read from a clock; made anew they need only be of the same order. Without a matching record, the whole study shares
    one EVO_BUDGET on a CPU; what it does besides its fits is taken from their share.
    """
    if isinstance(grid, dict):
        grid = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    if not grid or not seeds:
        raise ValueError("study needs at least one setting in grid and one seed in seeds")
    mode, record = zoo.mode(name), zoo.read(name)
    if mode in ("record", "always"):
        zoo.check_name(name)
    made_of = parts(trial=trial)
    mark = whole(made_of)
    if mode in zoo.PROVING:
        return Study(proof.of_study(name, record, made_of, trial, grid, seeds, clocks), "zoo")
    known = record is not None and record["fingerprint"] == mark
    done = {loop.key(r["setting"], r["seed"]): r for r in record["rows"]} if known and mode != "always" else {}
    jobs = [(setting, seed) for setting in grid for seed in seeds]
    missing = [job for job in jobs if loop.key(*job) not in done]
    if missing and mode == "zoo":
        why = f" ({proof.what_differs(record, made_of)} differs)" if record and not known else ""
        loop.say(f"{name}: {len(missing)} of {len(jobs)} runs are not in the zoo as the code now stands{why}; they share one time budget.")
    left, beside = loop.time_budget() if mode == "zoo" else math.inf, 0.0
    for i, (setting, seed) in enumerate(tqdm(missing, desc=name, disable=not missing or not loop.is_main(), file=sys.stderr)):
        share = max(left / (len(missing) - i) - beside, 0.05) if mode == "zoo" else None
        began = time.perf_counter()
        row = done[loop.key(setting, seed)] = loop.run_trial(trial, setting, seed, share, name)
        left, beside = max(left - (time.perf_counter() - began), 0.0), row["seconds"] - row["fitting"]
        if mode != "zoo":
            row["audit"] = proof.audit_now(0.0)
            _write_rows(name, made_of, list(done.values()))
    if missing and mode != "zoo":  # rows of settings that are no longer asked for go
        _write_rows(name, made_of, [done[loop.key(*job)] for job in jobs])
    return Study([done[loop.key(*job)] for job in jobs], "zoo" if not missing else "trained")


def _write_rows(name, made_of, rows):
    if loop.is_main():
        seconds = round(sum(r["seconds"] for r in rows), 2)
        zoo.write(name, dict(kind="study", fingerprint=whole(made_of), parts=made_of, rows=rows, seconds=seconds))


def _check(batches, seed, **arguments):
    """The seed as a plain number. Raises ValueError for what cannot be trained with."""
    steps, lr, weight_decay, warmup, clip, accumulate, precision = (
        arguments[k] for k in ("steps", "lr", "weight_decay", "warmup", "clip", "accumulate", "precision"))
    for text, ok, rule in [
        (f"{steps=}", _is(int, steps) and steps >= 1, "a whole number, at least 1"),
        (f"{lr=}", _is(numbers.Real, lr) and 0 < lr < math.inf, "a finite number above 0"),
        (f"{weight_decay=}", _is(numbers.Real, weight_decay) and 0 <= weight_decay < math.inf, "a finite number, at least 0"),
        (f"{warmup=}", _is(numbers.Real, warmup) and 0 <= warmup < 1, "in [0, 1): a fraction of the steps"),
        (f"{clip=}", clip is None or _is(numbers.Real, clip) and clip > 0, "a number above 0, or None"),
        (f"{accumulate=}", _is(int, accumulate) and accumulate >= 1, "a whole number, at least 1"),
        (f"{precision=}", precision in (None, "fp32", "bf16", "fp16"), "fp32, bf16, fp16 or None"),
        (f"{seed=}", hasattr(seed, "__index__") and not isinstance(seed, bool), "a whole number"),
    ]:
        if not ok:
            raise ValueError(f"{text} must be {rule}")
    if not hasattr(batches, "at"):
        raise ValueError(f"batches is a {type(batches).__name__}, but fit asks batches.at(step, seed) for the tensors of a step, "
                         "so that a run can resume anywhere: put the data's tensors into evo.train.Batches(*tensors, size=...)")
    return int(seed)


def _is(kind, value):
    """A number of this kind; True and False are none."""
    return isinstance(value, kind) and not isinstance(value, bool)
