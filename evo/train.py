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

import torch
from tqdm import tqdm

from evo import loop, proof, recipe, zoo
from evo.fingerprint import parts, whole
from evo.inputs import check_text, kind
from evo.loop import Run
from evo.recipe import Batches, SimilarLength  # noqa: F401


def fit(model, loss_fn, batches, *, steps, lr, name=None, score=None, seed=0, weight_decay=0.05, warmup=0.05,
        clip=1.0, accumulate=1, precision=None):
    """Train `model` with AdamW, linear warm-up and cosine decay; or load it, if the zoo holds this very run.

    loss_fn(model, *batch) returns a scalar and may draw random numbers: torch is seeded by (seed, step).
    batches.at(step, seed) gives the tensors of a step (see `Batches`). name: the entry's name in the zoo; without a
    name nothing is looked up or kept. score(model) is a number on held-out data, recorded with the entry; where its code is
    another by now, the entry's weights are scored again.
    lr: peak learning rate; warmup: fraction of the steps; weight_decay: on weight matrices only; clip: largest
    gradient norm; accumulate: slices a batch is cut into; precision: "fp32", "bf16", "fp16" or None (bf16 on a GPU
    that has it, else fp32).

    A run without a matching entry stops after EVO_BUDGET seconds (default 60) on a CPU, its schedule bent to fit.
    A killed run resumes from its last checkpoint to the same losses. Returns a `Run`, its model on the device it came from.
    Raises ValueError for impossible arguments, FloatingPointError when loss, gradient, weights or score are not finite, ZooError
    for an entry that is damaged. An entry is written once, when its score is known.
    """
    if name is not None:
        check_text(name, "name")
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
    mark, scored_by = whole(made_of), _mark_of_score(score)
    known = record is not None and record["fingerprint"] == mark and mode != "always"
    known = known and (mode != "record" or zoo.has_weights(name, record))
    if known or record is not None and mode in zoo.PROVING:
        _check_score(name, record, scored_by, mode)
    if mode in zoo.PROVING:
        run = proof.of_run(name, record, made_of, model, loss_fn, batches, plan, score)
        if mode == "restamp" and record.get("scored_by") != scored_by:
            zoo.write(name, {**zoo.read(name), "scored_by": scored_by})
        return run
    if known:
        zoo.load(name, record, model)
        if _scored_otherwise(record, scored_by):
            loop.say(f"{name}: score is another function than the one recorded, so the zoo's weights are scored again.")
            record = {**record, "score": loop.score_of(model, score, seed), "scored_by": scored_by}
            if mode == "record" and loop.is_main():
                zoo.write(name, record)
        return Run(model.eval(), record["steps"], record["seconds"], "zoo", record["history"], record["score"])
    if record is not None and mode == "zoo":
        loop.say(f"{name}: {proof.what_differs(record, made_of)} differs from what the zoo's weights were made with, so this trains anew.")
    run, first = loop.train(model, loss_fn, batches, plan, mark=mark, limited=mode == "zoo", label=name)
    kept = mode in ("record", "always") and loop.is_main()
    if kept:
        _round(run.model)
    run.score = loop.score_of(run.model, score, seed)
    if kept:
        zoo.write(name, dict(kind="weights", fingerprint=mark, parts=made_of, settings=plan, first=first, steps=run.steps,
                             seconds=run.seconds, history=run.history, score=run.score, scored_by=scored_by), run.model)
    if loop.is_main():
        loop.drop_checkpoint(mark)
    return run


def _round(model):
    """Round the weights as the zoo keeps them, so that the score is that of the entry."""
    with torch.no_grad():
        for t in zoo.weights_of(model).values():
            if t.is_floating_point():
                t.copy_(t.half())


def _mark_of_score(score):
    """The hash of what scores; None where it cannot be told, as of one of two lambdas in a line."""
    try:
        return whole(parts(score=score))
    except TypeError:
        return None


def _scored_otherwise(record, scored_by):
    """Older records do not say what scored them: they count as scored by the function as it stands."""
    return record.get("scored_by") not in (None, scored_by)


def _check_score(name, record, scored_by, mode):
    if "score" not in record:
        raise zoo.ZooError(f"{name}.json is damaged: it holds no score. Restore it with git, or make it anew with EVO_TRAIN=always")
    if mode in ("verify", "audit") and _scored_otherwise(record, scored_by):
        raise zoo.ZooError(f"{name}: score is another function than the one recorded: if it computes the same, `evo zoo restamp` "
                           "renews the entry, else `evo zoo record` scores its weights again")


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

    Raises ValueError, before the first row, for a grid or seeds that are no evidence or cannot be kept, such as one asked twice.
    """
    grid, seeds = _asked(trial, grid, name, seeds)
    mode, record = zoo.mode(name), zoo.read(name)
    if mode in ("record", "always"):
        zoo.check_name(name)
    made_of = parts(trial=trial)
    mark = whole(made_of)
    if mode in zoo.PROVING:
        return Study(proof.of_study(name, record, made_of, trial, grid, seeds, clocks), "zoo")
    known = record is not None and record["fingerprint"] == mark
    kept = record["rows"] if known and mode != "always" else []
    done = {loop.key(r["setting"], r["seed"]): {"made": zoo.when(record["made"]), **r} for r in kept}
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
            row["made"] = zoo.when(zoo.origin())
            _write_rows(name, made_of, list(done.values()), clocks)
    rows = [done[loop.key(*job)] for job in jobs]
    proof.check_clocks(name, clocks, rows)
    if mode != "zoo" and (missing or proof.other_clocks(record, clocks)):  # rows of settings that are no longer asked for go
        _write_rows(name, made_of, rows, clocks)
    return Study(rows, "zoo" if not missing else "trained")


def _write_rows(name, made_of, rows, clocks):
    if loop.is_main():
        seconds = round(sum(r["seconds"] for r in rows), 2)
        zoo.write(name, dict(kind="study", fingerprint=whole(made_of), parts=made_of, rows=rows, seconds=seconds,
                             clocks=sorted(clocks)))


def _asked(trial, grid, name, seeds):
    """(settings, seeds) that a study asks for, as lists of plain values. Raises ValueError for what cannot be run or kept."""
    check_text(name, "name")
    if not callable(trial):
        raise ValueError(f"trial must be a function trial(seed=..., **setting), got {kind(trial)}")
    if isinstance(grid, dict):
        grid = [dict(zip(grid, values)) for values in itertools.product(*(_listed(v, f"grid: {k}") for k, v in grid.items()))]
    grid, seeds = _listed(grid, "grid"), [loop.number(seed) for seed in _listed(seeds, "seeds")]
    if not grid or not seeds:
        raise ValueError("study needs at least one setting in grid and one seed in seeds")
    for seed in seeds:
        if not _is(int, seed):
            raise ValueError(f"seeds must be whole numbers, but {kind(seed)} is among them")
        if seeds.count(seed) > 1:
            raise ValueError(f"seeds holds {seed} twice: a run that is only repeated is no evidence, so pass different seeds")
    known = []
    for i, setting in enumerate(grid):
        if not isinstance(setting, dict) or not all(isinstance(k, str) and k != "seed" for k in setting):
            raise ValueError(f"grid must be a list of settings, dicts by name of what trial takes beside seed, but holds {kind(setting)}")
        grid[i] = {k: loop.number(v) for k, v in setting.items()}
        try:
            kept = loop.plain(grid[i])
        except (TypeError, ValueError, RecursionError):
            raise ValueError(f"grid holds {', '.join(setting)} = {', '.join(map(kind, setting.values()))}, but only numbers, "
                             "texts, True, False, None and lists of them can be kept: pass a name, and look it up in trial") from None
        if kept in known:
            raise ValueError(f"grid holds {kept} twice (1, 1.0 and True are one value): pass every setting once")
        known.append(kept)
    return grid, seeds


def _listed(values, name):
    """As a list; a text is none."""
    try:
        return list(None if isinstance(values, (str, bytes)) else values)
    except TypeError:
        raise ValueError(f"{name} must be a list, got {kind(values)}: put it into brackets") from None


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
        (f"{seed=}", _is(int, loop.number(seed)), "a whole number"),
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
