"""The one rule by which a claim of the literature holds here, is reversed, or stays undecided.

An `Effect` is what was measured: a number, its 95 % interval, and what the interval covers: the spread over runs
(seeds; Student's t, paired where the runs are pairs) and, where the result depends on few test items, that over items.
A question (`more_than`, `no_worse`, `within`) is set before the numbers are seen. `judge` compares the two:

    holds here         the whole interval lies where the claim says
    reversed here      the whole interval lies where the claim denies it
    undecided here     the interval holds both
    not testable here  there is no effect to judge

"±" in the book always means half of such an interval: a true value lies inside it in 95 of 100 experiments.
"""
import math
from dataclasses import dataclass, replace

import numpy as np

from evo.inputs import check_count, check_finite, check_numbers, check_text, kind

LEVEL = 0.95
HOLDS, REVERSED, UNDECIDED, UNTESTABLE = VERDICTS = (
    "holds here", "reversed here", "undecided here", "not testable here")
CUT = "no verdict: runs were stopped by the time budget"  # of a chapter that a reader has changed; never stored


@dataclass(frozen=True)
class Effect:
    """value with its interval [low, high] in `unit`; `none` is the value that means no effect (0, or 1 for ratios).

    runs: seeds that it rests on; items: test items that the interval accounts for, None where it does not.
    """

    value: float
    low: float
    high: float
    unit: str
    runs: int
    items: int | None = None
    none: float = 0.0

    def __post_init__(self):
        numbers = (self.value, self.low, self.high)
        if not all(map(math.isfinite, numbers)) or not self.low <= self.value <= self.high:
            raise ValueError(f"an effect needs finite numbers with low <= value <= high, got {numbers}")

    @property
    def half(self):
        """Half of the interval, the "±" of the book; of an uneven interval its longer side."""
        return max(self.high - self.value, self.value - self.low)

    def rounded(self):
        """With four digits a number, or all before the point: what is judged and shown."""
        short = lambda v: round(float(v), 3 - math.floor(math.log10(abs(v))) if 0 < abs(v) < 1000 else 0)
        return replace(self, **{k: short(getattr(self, k)) for k in ("value", "low", "high", "none")})

    def __str__(self):
        self = self.rounded()  # so that it reads alike wherever it is printed
        digits = 0 if self.half >= 20 else 1 if self.half >= 0.2 or self.half == 0 else 2 if self.half >= 0.02 else 3
        sign = "+" if self.none == 0 and self.value >= 0 else ""
        unit = f" {self.unit}" if self.unit else ""
        if self.half == 0:
            whole = float(self.value).is_integer() and abs(self.value) >= 100  # counted
            return f"{sign}{self.value:,.0f}{unit}" if whole else f"{sign}{self.value:.{max(digits, 2)}f}{unit}"
        if self.none == 1:  # a ratio: its interval is not symmetric
            return f"{self.value:.{digits}f}{unit} [{self.low:.{digits}f}, {self.high:.{digits}f}]"
        return f"{sign}{self.value:.{digits}f} ± {self.half:.{digits}f}{unit}"


def difference(a, b=0.0, *, unit="points", paired=True, items=None, constant=None):
    """Mean of a - b over runs, with its 95 % interval by Student's t.

    a, b: one number a run (without items, b may be one number that is the same for every run). unit "points" takes shares and gives
    percentage points. paired: run i of a and run i of b share their seed; False: Welch's interval.

    items: how many test items a share rests on, if few; then the drawing of the items counts as well, as
    (p q + r s) / items, which treats both sides as asked of different items and so never flatters. Or one number an
    item, its mean difference over runs: then their own spread counts. What has no runs but was measured on the items
    (a rule, the most frequent answer) is a list of one number, [r]; its spread over the items counts. The interval is
    never narrower than that of the runs alone: many items do not make up for few runs.

    constant: what the question itself sets and no item can move (0.5 where a coin decides), instead of b.
    """
    for name, x in dict(a=a, b=b, **({} if constant is None else {"constant": constant})).items():
        check_numbers(x, name)
    if items is not None:
        check_numbers(items, "items", finite=False)
    check_text(unit, "unit", empty=True)
    if constant is not None and (np.ndim(b) or b != 0):
        raise ValueError("difference wants b, which was measured, or constant=, which the question sets: not both")
    if np.ndim(constant):
        raise ValueError(f"constant={constant} must be one number: it is the same for every run")
    a, b = np.atleast_1d(np.asarray(a, float)), np.asarray(b if constant is None else constant, float)
    fixed = b.ndim == 0
    b = np.full_like(a, float(b)) if fixed else b
    if a.ndim != 1 or b.ndim != 1 or not len(a) or not len(b):
        raise ValueError(f"difference wants one number a run, got shapes {a.shape} and {b.shape}")
    if items is not None and 1 in (len(a), len(b)):
        a, b = np.broadcast_arrays(a, b)  # the one that has no runs is the same in each
    if paired and len(a) != len(b):
        raise ValueError(f"paired runs must be equally many, got {len(a)} and {len(b)}: pass paired=False")
    if items is not None and fixed and constant is None and b[0] != 0:
        raise ValueError(f"b={b[0]:g} beside items=: pass [{b[0]:g}] if it was measured on them, constant={b[0]:g} if the question sets it")
    scale = 100.0 if unit == "points" else 1.0
    spreads = []  # (variance of the mean, degrees of freedom)
    for d in [a - b] if paired or fixed else [a, b]:
        if len(d) > 1:
            spreads.append((d.var(ddof=1) / len(d), len(d) - 1))
    of_runs = _half(spreads) if spreads else 0.0
    if items is not None:
        spreads.append(_spread_of_items(a.mean(), b.mean(), items, fixed))
    if not spreads:
        raise ValueError("a single run says nothing about spread: pass more runs, or items=")
    value, half = scale * (a.mean() - b.mean()), scale * max(of_runs, _half(spreads))
    count = None if items is None else int(items) if np.ndim(items) == 0 else len(items)
    return Effect(value, value - half, value + half, unit, min(len(a), len(b)), count)


def ratio(a, b, *, unit="times", paired=True):
    """How many times as large a is as b (geometric mean over runs); no effect is 1. All numbers must be above 0."""
    check_numbers(a, "a")
    check_numbers(b, "b")
    check_text(unit, "unit", empty=True)
    a, b = np.atleast_1d(np.asarray(a, float)), np.atleast_1d(np.asarray(b, float))
    if (a <= 0).any() or (b <= 0).any() or not len(b) or a.ndim != 1 or b.ndim != 1:
        raise ValueError("a ratio needs numbers above 0, one number a run")
    logs = difference(np.log(a), np.log(b) if len(b) > 1 else float(np.log(b)[0]), unit="", paired=paired)
    return Effect(*(math.exp(x) for x in (logs.value, logs.low, logs.high)), unit, logs.runs, none=1.0)


def bootstrap(statistic, *columns, unit="", runs=1, none=0.0, draws=2000, seed=0):
    """Interval over test items: statistic(*columns) on items drawn anew, with replacement (percentiles of `draws`).

    columns: arrays with one entry an item. For results that depend on few items and are no plain share.
    """
    if not callable(statistic):
        raise ValueError(f"statistic must be a function of the columns that gives one number, got {kind(statistic)}")
    check_text(unit, "unit", empty=True)
    check_count(runs, "runs")
    check_finite(none, "none")
    check_count(draws, "draws")
    check_count(seed, "seed", least=0)
    columns = [_column(c) for c in columns]
    if not columns or len({len(c) for c in columns}) != 1 or len(columns[0]) < 2:
        raise ValueError("bootstrap wants columns of one length, at least 2 items")
    rng, n, scale = np.random.default_rng(seed), len(columns[0]), 100.0 if unit == "points" else 1.0
    drawn = [scale * _taken(statistic, [c[rows] for c in columns]) for rows in rng.integers(n, size=(draws, n))]
    tail = (1 - LEVEL) / 2
    with np.errstate(invalid="ignore"):  # Effect names what is not finite
        low, high = np.quantile(drawn, [tail, 1 - tail])
    value = scale * _taken(statistic, columns)
    return Effect(value, min(low, value), max(high, value), unit, runs, n, none)


def exactly(value, unit="", none=0.0):
    """What was counted or proved, without spread: a number of operations, an identity."""
    check_finite(value, "value")
    check_text(unit, "unit", empty=True)
    check_finite(none, "none")
    return Effect(float(value), float(value), float(value), unit, 1, none=none)


def _column(entries):
    try:
        column = np.asarray(entries)
    except (TypeError, ValueError, RuntimeError):
        column = None
    if column is None or not column.ndim:
        raise ValueError(f"bootstrap wants columns, arrays with one entry an item, got {kind(entries)}")
    return column


def _taken(statistic, columns):
    """statistic(*columns) as a number."""
    try:
        return float(statistic(*columns))
    except TypeError as error:
        raise ValueError(f"statistic must give one number for columns like these: {' '.join(str(error).split())}") from error


def _half(spreads):
    """Half of the interval for a sum of independent variances (Satterthwaite's degrees of freedom)."""
    from scipy.stats import t

    total = sum(variance for variance, _ in spreads)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / df for variance, df in spreads)
    return float(t.ppf((1 + LEVEL) / 2, freedom) * math.sqrt(total))


def _spread_of_items(p, r, items, fixed):
    if np.ndim(items) > 1:
        raise ValueError(f"items= is a number of test items, or one number an item, got shape {np.shape(items)}")
    if np.ndim(items) == 1:
        items = np.asarray(items, float)
        if len(items) < 2 or not np.isfinite(items).all():
            raise ValueError("items= as one number an item wants at least 2 of them, all finite")
        return items.var(ddof=1) / len(items), len(items) - 1
    if not (math.isfinite(items) and items == int(items) >= 2) or not (0 <= p <= 1 and 0 <= r <= 1):
        raise ValueError("items= is a number of test items (at least 2) of a share between 0 and 1, or one number an item")
    return (p * (1 - p) + (0 if fixed else r * (1 - r))) / items, items - 1


# ---------------------------------------------------------------- questions and verdicts


@dataclass(frozen=True)
class Question:
    """The values for which a claim holds, above `low` and below `high`, in the effect's unit.

    relative: the bounds are counted from what means no effect.
    """

    text: str
    low: float = -math.inf
    high: float = math.inf
    relative: bool = False

    def bounds(self, effect):
        """(low, high) for this effect."""
        start = effect.none if self.relative else 0.0
        return start + self.low, start + self.high


def more_than(bound=None):
    """The claim says: more than `bound` (by default, more than no effect)."""
    if bound is None:
        return Question("more than no effect", low=0.0, relative=True)
    check_finite(bound, "bound")
    return Question(f"more than {bound:g}", low=bound)


def no_worse(margin):
    """The claim says: no loss, and a loss of up to `margin` was agreed in advance to count as none."""
    _above_zero(margin)
    return Question(f"no worse than by {margin:g}", low=-margin, relative=True)


def within(margin):
    """The claim says: no difference, and one of up to `margin` either way was agreed in advance to count as none."""
    _above_zero(margin)
    return Question(f"a difference of at most {margin:g} either way", low=-margin, high=margin, relative=True)


def _above_zero(margin):
    check_finite(margin, "margin")
    if not margin > 0:
        raise ValueError(f"margin={margin} must be above 0 and finite: without a margin equality can never be shown")


def judge(effect, question):
    """One of HOLDS, REVERSED, UNDECIDED, UNTESTABLE; effect None is not testable."""
    if effect is not None:
        _check_effect(effect)
    _check_question(question)
    if effect is None:
        return UNTESTABLE
    low, high = question.bounds(effect)
    if low < effect.low and effect.high < high:
        return HOLDS
    if effect.high < low or effect.low > high:
        return REVERSED
    return UNDECIDED


def judge_all(effects, question):
    """A claim of several parts: (verdict, number of the part that decides it).

    It holds if every part holds, and is reversed if one part is; the part farthest from holding decides.
    """
    if not isinstance(effects, (list, tuple)):
        raise ValueError(f"effects must be a list of effects, got {kind(effects)}")
    if not effects:
        raise ValueError("there is no part to judge")
    for effect in effects:
        _check_effect(effect)
    _check_question(question)
    order = (REVERSED, UNDECIDED, HOLDS)

    def slack(effect):
        low, high = question.bounds(effect)
        return min(effect.low - low, high - effect.high) / (effect.half or 1)

    verdicts = [judge(effect, question) for effect in effects]
    decides = min(range(len(effects)), key=lambda i: (order.index(verdicts[i]), slack(effects[i])))
    return verdicts[decides], decides


def _check_effect(effect):
    if not isinstance(effect, Effect):
        raise ValueError(f"what is judged must be an Effect (of difference, ratio, bootstrap or exactly), got {kind(effect)}")


def _check_question(question):
    if not isinstance(question, Question):
        raise ValueError(f"the question must be more_than(...), no_worse(...) or within(...), got {kind(question)}")
