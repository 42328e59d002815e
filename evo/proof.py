"""That the zoo's entries are made by the code beside them: replayed, scored again, made anew from nothing.

What is compared, and how closely (other processors and numbers of threads move the last digits, and training enlarges them):
first losses and gradient norms to FIRST, or to ROUNDED times what they move by when the weights start off by a rounding; the
loss over the last stretch of a run, recomputed with the stored weights, to LAST; a score, or a number of a row that trains
nothing, to EXACT; a score or row that was trained anew to ANEW, and a row of a study to SEEDS times the spread over its other
seeds more, since where training is unstable (a deep net without shortcuts) other rounding is as good as another seed; readings
of a clock to a factor of CLOCK, and in an audit only, which has the machine to itself. Where all n seeds of a setting are made
anew, their mean is compared to a row's tolerance / sqrt(n): rounding does not move them all alike. What is proved is proved on
the CPU.
"""
import copy
import functools
import hashlib
import itertools
import json
import math
import os
import statistics
from dataclasses import dataclass

from evo import loop, zoo
from evo.fingerprint import whole

FIRST = 2e-4  # relative; ten times that for norms
ROUNDED = 10  # times as far as rounding moves the first steps
LAST = 0.01  # relative
SEEDS = 3  # standard deviations over the other seeds
CLOCK = 20  # times as long, or as short
NORMAL = 1.4826  # standard deviations in the median of what lies normally around 0
GROWN = 5  # standard deviations by which weights must resemble the start they grew from


@dataclass(frozen=True)
class Tolerance:
    """How far a number may lie from the recorded one: absolute + relative * |recorded|."""

    absolute: float
    relative: float

    def used(self, now, recorded):
        """The deviation as a share of what is tolerated; above 1 it is too much."""
        return abs(now - recorded) / (self.absolute + self.relative * abs(recorded))


EXACT, ANEW = Tolerance(0.005, 0.02), Tolerance(0.02, 0.05)


def what_differs(record, made_of):
    """Which parts a record was made with that are others now, in words."""
    old = record.get("parts")
    if not old:
        return "the code, the data or an argument"
    names = sorted(k for k in old.keys() | made_of.keys() if old.get(k) != made_of.get(k))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def audit_now(difference):
    """What a record keeps of having been made from nothing again. difference: the largest, as a share of what is tolerated."""
    made = zoo.origin()
    return {**zoo.when(made), "torch": made["torch"], "difference": round(difference, 4)}


def to_audit(name):
    """What of this entry is to be made anew: True, a list of rows' keys, or nothing (EVO_AUDIT, a JSON object)."""
    return json.loads(os.environ.get("EVO_AUDIT") or "{}").get(name, ())


def of_run(name, record, made_of, model, loss_fn, batches, plan, score):
    """Prove an entry with weights and load it. Returns its Run."""
    mode = zoo.mode()
    _check_origin(name, record, made_of, mode)
    if record["settings"] != loop.plain(plan):
        raise zoo.ZooError(f"{name}: the record says {record['settings']}, but the chapter asks for {plan}: EVO_TRAIN=record makes it anew")
    new = {"fingerprint": whole(made_of), "parts": made_of}
    if to_audit(name):
        run, _ = loop.train(copy.deepcopy(model), loss_fn, batches, plan, limited=False, label=f"{name}, anew")
        again = loop.score_of(run.model, score, plan["seed"])
        new["audit"] = audit_now(_compare_runs(name, run, again, record))
        loop.say(f"{name}: made from nothing, {new['audit']['difference']:.0%} of the tolerated difference")
    start = {k: t.detach().clone() for k, t in zoo.weights_of(model).items()}
    if mode != "audit":
        replay = lambda nudge=None: loop.first_steps(copy.deepcopy(model), loss_fn, batches, plan, nudge)
        first = replay()
        _same_first(name, first, record["first"], replay)
        new["first"] = [[float(f"{x:.6g}") for x in pair if x is not None] for pair in first]
    zoo.load(name, record, model)
    again = record["score"]
    if mode != "audit":
        _grown(name, start, zoo.weights_of(model))
        recorded, now = loop.last_loss(copy.deepcopy(model), loss_fn, batches, plan, record["history"])  # batch norm would learn
        if abs(now - recorded) > LAST * abs(recorded):
            raise zoo.ZooError(f"{name}: with the stored weights the loss of the last steps is {now:.5g}, but {recorded} is recorded")
        again = loop.score_of(model.eval(), score, plan["seed"])
        if (again is None) != (record["score"] is None) or (again is not None and EXACT.used(again, record["score"]) > 1):
            raise zoo.ZooError(f"{name}: scores {again}, but {record['score']} is recorded")
    _keep(name, record, new, mode)
    loop.say(f"{name}: verified, score {again}")
    return loop.Run(model.eval(), record["steps"], record["seconds"], "zoo", record["history"], record["score"])


def of_study(name, record, made_of, trial, grid, seeds, clocks):
    """Prove a recorded study. Returns its rows, in the order of grid and seeds."""
    mode = zoo.mode()
    _check_origin(name, record, made_of, mode)
    done = {loop.key(r["setting"], r["seed"]): dict(r) for r in record["rows"]}
    wanted = [loop.key(setting, seed) for setting in grid for seed in seeds]
    missing = [k for k in wanted if k not in done]
    if missing:
        raise zoo.ZooError(f"{name}: the study lacks {', '.join(missing[:3])}: EVO_TRAIN=record adds what is missing")
    check_clocks(name, clocks, record["rows"])
    if other_clocks(record, clocks):
        raise zoo.ZooError(f"{name}: recorded with clocks {record['clocks']}, but the chapter names {sorted(clocks)}: "
                           "if these are readings of a clock, EVO_TRAIN=record writes them")
    original = {loop.key(s, seed): (s, seed) for s in grid for seed in seeds}
    rows_of = [[done[loop.key(setting, seed)] for seed in seeds] for setting in grid]
    for rows in rows_of:
        _check_first(name, rows)
    listed = to_audit(name)
    anew = [k for k in wanted if listed is True or k in listed]
    if mode == "restamp" or (mode == "verify" and not any(done[k]["first"] for k in wanted)):
        anew.append(min(wanted, key=lambda k: done[k]["seconds"]))
    made = {}
    for k in dict.fromkeys(anew):
        row = made[k] = loop.run_trial(trial, *original[k], name=name)
        difference = _compare_rows(f"{name} {k}", row, done[k], clocks, record["rows"])
        if row["first"]:
            _same_first(f"{name} {k}", row["first"], done[k]["first"], functools.partial(
                loop.run_trial, trial, *original[k], name=name, peek=True))
        if listed is True or k in listed:
            done[k]["audit"] = audit_now(difference)
            loop.say(f"{name} {k}: made from nothing, {difference:.0%} of the tolerated difference")
    for rows in rows_of:
        keys = [loop.key(row["setting"], row["seed"]) for row in rows]
        if len(keys) > 1 and all(k in made for k in keys):
            _compare_means(name, [made[k] for k in keys], rows, clocks, record["rows"])
    for rows in rows_of if mode != "audit" else ():
        k = _drawn(name, [loop.key(row["setting"], row["seed"]) for row in rows if row["first"]])
        if k and k not in anew:
            replay = functools.partial(loop.run_trial, trial, *original[k], name=name, peek=True)
            first = replay()
            _same_first(f"{name} {k}", first, done[k]["first"], replay)
            done[k]["first"] = [[float(f"{x:.6g}") for x in pair if x is not None] for pair in first]
    rows = [done[k] for k in wanted]
    _keep(name, record, {"fingerprint": whole(made_of), "parts": made_of, "rows": rows}, mode, clocks=sorted(clocks))
    loop.say(f"{name}: verified")
    return rows


def check_clocks(name, clocks, rows):
    """ValueError for a clock that no row measures."""
    metrics = sorted({metric for row in rows for metric in row["result"]})
    unknown = sorted(set(clocks) - set(metrics))
    if unknown:
        raise ValueError(f"{name}: clocks names {unknown[0]!r}, but its rows measure {', '.join(metrics)}")


def other_clocks(record, clocks):
    """Does the record keep other clocks than these? An old one keeps none: then they are the call's."""
    return record is not None and record.get("clocks", sorted(clocks)) != sorted(clocks)


def untrained(name, setting, seed, why):
    """Write into a study's record why this row trains nothing, though other seeds of its setting do."""
    record = zoo.read(name)
    row = next(r for r in record["rows"] if loop.key(r["setting"], r["seed"]) == loop.key(setting, seed))
    row["untrained"] = why
    zoo.write(name, record)


def _check_first(name, rows):
    """Rows of one setting all have first steps, or none has; one that trains nothing by design says why."""
    have = {bool(row["first"]) for row in rows if not row.get("untrained")}
    if len(have) > 1:
        setting, seed = next((row["setting"], row["seed"]) for row in rows if not row["first"] and not row.get("untrained"))
        raise zoo.ZooError(f"{name} {loop.key(setting, seed)}: it has no first steps, but other seeds have: record it anew, or, "
                           f"if it is to train nothing, evo.proof.untrained({name!r}, {setting}, {seed}, why) writes why")


def _drawn(name, keys):
    """The row of a setting whose first steps are replayed: the first; or one drawn by EVO_AUDIT, so that all take their turn."""
    turn = os.environ.get("EVO_AUDIT")
    drawn = lambda k: hashlib.sha256(f"{turn}{name}{k}".encode()).hexdigest()
    return min(keys, key=drawn if turn else keys.index, default=None)


def _check_origin(name, record, made_of, mode):
    if record is None:
        raise zoo.ZooError(f"{name} is not in the zoo: make it with EVO_TRAIN=record")
    if mode != "restamp" and record["fingerprint"] != whole(made_of):
        raise zoo.ZooError(f"{name}: {what_differs(record, made_of)} differs from what made it. If it computes the same, "
                           "`evo zoo restamp` renews it; else `evo zoo record` makes it anew")


def _keep(name, record, new, mode, **unsaid):
    """Renew a record: with audits while auditing, with fingerprint and first steps while restamping; then also with what is unsaid."""
    if mode == "verify":
        return
    changed = {**record, **new}
    if changed != record:
        zoo.write(name, {**unsaid, **changed})


def _same_first(name, now, recorded, replay):
    """First steps: [loss, norm] pairs, or bare losses as older records have them.

    Where they are further off than FIRST, `replay(nudge=seed)` tells how far other rounding alone moves them.
    """
    old = [pair if isinstance(pair, list) else [pair] for pair in recorded or ()]
    wrong = zoo.ZooError(f"{name}: its first steps come out as {now}, but {recorded} are recorded")
    if len(now) != len(old):
        raise wrong
    off = [[a is not None and not math.isclose(a, b, rel_tol=FIRST * (10 if j else 1), abs_tol=1e-6)
            for j, (a, b) in enumerate(zip(pair, known))] for pair, known in zip(now, old)]
    if not any(map(any, off)):
        return
    nudged = [replay(nudge=seed) for seed in range(3)]
    for i, (pair, known) in enumerate(zip(now, old)):
        for j, (a, b) in enumerate(zip(pair, known)):
            if off[i][j] and not abs(a - b) <= ROUNDED * max(abs(other[i][j] - a) for other in nudged):  # NaN, too
                raise wrong


def _grown(name, start, weights):
    """Weights of another run resemble this run's random start no more than chance has it."""
    dot = count = 0.0
    for k, a in start.items():
        b = weights[k].detach()
        if a.is_floating_point() and a.dim() > 1 and float(a.std()) > 0:
            a, b = (t.double().cpu() - t.double().cpu().mean() for t in (a, b))
            dot, count = dot + float((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-12)) * a.numel() ** 0.5, count + 1
    if count and dot / count**0.5 < GROWN:
        raise zoo.ZooError(f"{name}: its weights do not resemble the start of this run, from which they should have grown")


def _compare_runs(name, run, score, record):
    """A run made anew against its record; the largest difference, as a share of what is tolerated."""
    now, old = ([loss for _, loss in losses] for losses in (run.history, record["history"]))
    hop = Tolerance(ANEW.absolute + SEEDS * _hop(old), ANEW.relative)
    used = [hop.used(*pair) for pair in zip(now, old)]
    used += [ANEW.used(*pair) for pair in zip(_stretches(now), _stretches(old))]
    if len(run.history) != len(record["history"]) or run.steps != record["steps"]:
        raise zoo.ZooError(f"{name}: made anew it has {run.steps} steps, but {record['steps']} are recorded")
    if score is not None:
        used.append(ANEW.used(score, record["score"]))
    if not all(share <= 1 for share in used):  # NaN, too
        raise zoo.ZooError(f"{name}: made anew it scores {score} with losses {run.history[:2]} ... {run.history[-1]}; recorded are "
                           f"{record['score']} and {record['history'][:2]} ... {record['history'][-1]}")
    return max(used)


def _hop(losses):
    """How far the losses hop from one point to the next, as a standard deviation; by the median, so that no single point decides."""
    hops = [abs(a - b) for a, b in itertools.pairwise(losses)]
    return statistics.median(hops) * NORMAL / math.sqrt(2) if hops else 0.0


def _stretches(losses):
    """Their means over fortieths of the run."""
    width = math.ceil(len(losses) / 40)
    return [statistics.mean(losses[i : i + width]) for i in range(0, len(losses), width)]


def _spread(recorded, rows, metric):
    """Standard deviation of a metric over the other seeds of a row's setting, or over all other rows of its study (each within its
    setting) where that is more; 0 with fewer than two others, which say too little. The row itself has no say in it.
    """
    settings = {}
    for row in rows:
        if (row["setting"], row["seed"]) != (recorded["setting"], recorded["seed"]) and metric in row["result"]:
            settings.setdefault(json.dumps(row["setting"], sort_keys=True), []).append(row["result"][metric])
    variances = {setting: statistics.variance(values) for setting, values in settings.items() if len(values) > 1}
    own = variances.get(json.dumps(recorded["setting"], sort_keys=True))
    return 0.0 if own is None else math.sqrt(max(own, statistics.mean(variances.values())))


def _compare_rows(name, now, recorded, clocks, rows):
    """A row made anew against the recorded one; the largest difference, as a share of what is tolerated."""
    tolerance, worst = _tolerance(now, recorded), 0.0
    if bool(now["first"]) != bool(recorded["first"]) or now["result"].keys() != recorded["result"].keys():
        raise zoo.ZooError(f"{name}: made anew it gives {now}, which has another form than what is recorded")
    for metric, old in recorded["result"].items():
        new = now["result"][metric]
        if metric in clocks and zoo.mode() != "audit":  # other tests may be running beside
            used = 0.0 if new > 0 else math.inf
        elif metric in clocks:
            used = abs(math.log(max(new, 1e-9) / max(old, 1e-9))) / math.log(CLOCK)
        else:
            used = tolerance.used(new, old)
            if not used <= 1 and tolerance is ANEW:
                used = abs(new - old) / (abs(new - old) / used + SEEDS * _spread(recorded, rows, metric))
        if not used <= 1:  # NaN, too
            raise zoo.ZooError(f"{name}: {metric} comes out as {new}, but {old} is recorded")
        worst = max(worst, used)
    return worst


def _compare_means(name, now, recorded, clocks, rows):
    """All rows of a setting made anew against the recorded ones: what moves them alike is not rounding."""
    for metric in sorted(set.intersection(*(set(row["result"]) for row in recorded)) - set(clocks)):
        new, old = (statistics.mean(row["result"][metric] for row in some) for some in (now, recorded))
        tolerance = _tolerance(*now, *recorded)
        if tolerance is ANEW:
            spread = statistics.mean(_spread(row, rows, metric) for row in recorded)
            tolerance = Tolerance(ANEW.absolute + SEEDS * spread, ANEW.relative)
        if not tolerance.used(new, old) * math.sqrt(len(recorded)) <= 1:
            setting = json.dumps(recorded[0]["setting"], sort_keys=True)
            raise zoo.ZooError(f"{name} {setting}: the mean of {metric} over its seeds comes out as {new:.6g}, "
                               f"but {old:.6g} is recorded")


def _tolerance(*rows):
    """ANEW where one of these rows trains, EXACT where none does."""
    return ANEW if any(row["first"] for row in rows) else EXACT
