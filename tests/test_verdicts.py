"""The one rule for verdicts: closed forms, another library's intervals, its errors in simulated experiments, hostile input."""

import math

import numpy as np
import pytest
from scipy import stats

from evo import verdicts
from evo.verdicts import HOLDS, REVERSED, UNDECIDED, UNTESTABLE, Effect, judge, judge_all, more_than, no_worse, within

A, B = [0.72, 0.75, 0.71], [0.70, 0.71, 0.68]


def effect(low, high, none=0.0):
    return Effect((low + high) / 2, low, high, "points", 3, none=none)


# --- intervals


def test_three_paired_runs_have_students_interval():
    found, d = verdicts.difference(A, B), 100 * (np.array(A) - B)
    assert found.value == pytest.approx(d.mean())
    assert found.half == pytest.approx(4.302653 * d.std(ddof=1) / math.sqrt(3), rel=1e-6)
    assert (found.high - found.value, found.unit, found.runs, found.items) == (pytest.approx(found.half), "points", 3, None)


def test_unpaired_runs_have_welchs_interval():
    a, b = [0.72, 0.75, 0.71, 0.9], [0.70, 0.71, 0.68]
    found = verdicts.difference(a, b, unit="", paired=False)
    wanted = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(wanted.low), pytest.approx(wanted.high))
    assert found.value == pytest.approx(np.mean(a) - np.mean(b)) and found.runs == 3


def test_pairing_takes_out_what_the_seeds_share():
    shared = np.array([0.0, 0.2, 0.4])
    paired, apart = (verdicts.difference(shared + [0.1, 0.11, 0.12], shared, paired=p) for p in (True, False))
    assert paired.value == pytest.approx(apart.value) and paired.half < 3 < apart.half


def test_against_a_fixed_number_only_one_side_varies():
    found = verdicts.difference(A, 0.5, unit="")
    wanted = stats.ttest_1samp(A, 0.5).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(wanted.low - 0.5), pytest.approx(wanted.high - 0.5))
    assert found == verdicts.difference(A, 0.5, unit="", paired=False)


def test_few_items_count_beside_the_runs():
    """Satterthwaite: variances add, and so do the squares of each, over its degrees of freedom."""
    found, n = verdicts.difference(A, B, items=137), 137
    p, r, d = np.mean(A), np.mean(B), np.array(A) - B
    runs, items = d.var(ddof=1) / 3, (p * (1 - p) + r * (1 - r)) / n
    freedom = (runs + items) ** 2 / (runs**2 / 2 + items**2 / (n - 1))
    assert found.half == pytest.approx(100 * stats.t.ppf(0.975, freedom) * math.sqrt(runs + items))
    assert found.items == n and found.half > verdicts.difference(A, B).half / 4.3 * 1.96


@pytest.mark.parametrize("items", [300, 900, 2000, 20000, np.linspace(-0.4, 0.5852, 900)], ids=np.size)
@pytest.mark.parametrize("paired", [True, False])
def test_items_never_make_an_interval_narrower_than_its_runs_alone(items, paired):
    """Their many degrees of freedom would lend the few runs a certainty that these do not have."""
    a, b = [0.50, 0.56, 0.62], [0.45, 0.45, 0.50]
    alone, both = (verdicts.difference(a, b, items=n, paired=paired) for n in (None, items))
    assert both.half >= alone.half and judge(alone, more_than()) == judge(both, more_than()) == UNDECIDED


def test_one_run_on_items_is_a_share_with_its_spread():
    found = verdicts.difference([0.3], constant=0.1, items=100)
    assert found.half == pytest.approx(100 * stats.t.ppf(0.975, 99) * math.sqrt(0.3 * 0.7 / 100))
    both = verdicts.difference([0.3], [0.1], items=100)
    assert both.half == pytest.approx(100 * stats.t.ppf(0.975, 99) * math.sqrt((0.3 * 0.7 + 0.1 * 0.9) / 100))


def test_a_rule_without_runs_is_measured_on_the_items_all_the_same():
    """One number in a list beside several runs: its spread over the items counts, and it varies over no runs."""
    found, n = verdicts.difference(A, [0.6], items=120), 120
    p, d = np.mean(A), np.array(A) - 0.6
    runs, items = d.var(ddof=1) / 3, (p * (1 - p) + 0.6 * 0.4) / n
    freedom = (runs + items) ** 2 / (runs**2 / 2 + items**2 / (n - 1))
    assert found.half == pytest.approx(100 * stats.t.ppf(0.975, freedom) * math.sqrt(runs + items))
    assert (found.runs, found.items) == (3, n)
    other = verdicts.difference([0.6], A, items=120)
    assert (other.value, other.half) == (pytest.approx(-found.value), pytest.approx(found.half))


def test_only_what_the_question_sets_is_without_spread():
    found = verdicts.difference(A, constant=0.5, items=120)
    assert found.half < verdicts.difference(A, [0.5], items=120).half and found.value == pytest.approx(100 * (np.mean(A) - 0.5))
    assert verdicts.difference(A, constant=0.5) == verdicts.difference(A, 0.5)
    assert verdicts.difference(A, constant=0.0, items=120) == verdicts.difference(A, items=120)


def test_a_rule_that_is_as_good_is_seldom_called_worse():
    """Three runs and a rule, all asked the same 100 questions, all with the same chance: a rule taken as exact is beaten too often."""
    rng, n = np.random.default_rng(2), 1500
    a, rule = rng.binomial(100, 0.5, (n, 3)) / 100, rng.binomial(100, 0.5, n) / 100
    pairs = list(zip(a, rule))
    a_same = [(np.full(3, x.mean()) + rng.normal(0, 1e-3, 3), r) for x, r in pairs]  # runs that answer alike
    judged = {name: np.mean([judge(call(x, r), more_than()) == HOLDS for x, r in a_same]) for name, call in {
        "measured": lambda x, r: verdicts.difference(x, [r], items=100),
        "taken as exact": lambda x, r: verdicts.difference(x, constant=r, items=100)}.items()}
    assert judged["measured"] <= 0.025 + 0.012 < judged["taken as exact"]


def test_one_number_an_item_has_its_own_spread():
    items = np.array([0.0, 1.0, 0.5, 0.25])
    found = verdicts.difference([0.4375], 0.0, unit="", items=items)
    wanted = stats.ttest_1samp(items, 0).confidence_interval(0.95)
    assert (found.low, found.high, found.items) == (pytest.approx(wanted.low), pytest.approx(wanted.high), 4)


def test_runs_that_agree_to_the_last_digit_have_no_spread():
    assert verdicts.difference([0.5, 0.5], [0.25, 0.25]).half == 0


def test_a_ratio_is_a_difference_of_logarithms():
    a, b = [2.0, 4.0, 3.0], [1.0, 1.9, 1.6]
    found, logs = verdicts.ratio(a, b), verdicts.difference(np.log(a), np.log(b), unit="")
    assert (found.value, found.low, found.high) == tuple(pytest.approx(math.exp(x)) for x in (logs.value, logs.low, logs.high))
    assert found.none == 1 and found.unit == "times" and judge(found, more_than()) == HOLDS
    assert verdicts.ratio(b, a).value == pytest.approx(1 / found.value)
    assert verdicts.ratio(a, 2.0).value == pytest.approx(24 ** (1 / 3) / 2)


def test_the_bootstrap_covers_the_truth_in_about_95_of_100_experiments():
    rng = np.random.default_rng(0)
    inside = 0
    for i in range(300):
        found = verdicts.bootstrap(np.mean, rng.exponential(size=80), draws=300, seed=i)
        inside += found.low <= 1.0 <= found.high
    assert 0.90 <= inside / 300 <= 0.98  # percentiles of a skewed mean: a little less than 95


def test_the_bootstrap_draws_rows_together_and_the_same_every_time():
    x = np.arange(50.0)
    one, two = (verdicts.bootstrap(lambda a, b: (a - b).mean(), x, x - 1, unit="points") for _ in range(2))
    assert one == two and (one.low, one.value, one.high, one.items) == (100, 100, 100, 50)
    wanted = verdicts.difference([x.mean()], 0.0, unit="", items=x)
    assert verdicts.bootstrap(np.mean, x).half == pytest.approx(wanted.half, rel=0.1)


# --- verdicts


@pytest.mark.parametrize(
    "low, high, question, verdict",
    [
        (1, 2, more_than(), HOLDS), (-2, -1, more_than(), REVERSED), (-1, 2, more_than(), UNDECIDED), (0, 2, more_than(), UNDECIDED),
        (-2, 0, more_than(), UNDECIDED), (6, 7, more_than(5), HOLDS), (1, 2, more_than(5), REVERSED), (4, 6, more_than(5), UNDECIDED),
        (-0.5, 3, no_worse(1), HOLDS), (-3, -2, no_worse(1), REVERSED), (-2, 3, no_worse(1), UNDECIDED), (-0.9, -0.2, no_worse(1), HOLDS),
        (-0.5, 0.5, within(1), HOLDS), (2, 3, within(1), REVERSED), (-3, -2, within(1), REVERSED), (-0.5, 1.5, within(1), UNDECIDED),
        (-1.5, 0.5, within(1), UNDECIDED), (-2, 2, within(1), UNDECIDED),
    ],
)  # fmt: skip
def test_the_whole_interval_decides(low, high, question, verdict):
    assert judge(effect(low, high), question) == verdict


def test_bounds_count_from_what_means_no_effect():
    assert judge(effect(1.1, 1.3, none=1), more_than()) == HOLDS and judge(effect(0.7, 0.9, none=1), more_than()) == REVERSED
    assert judge(effect(0.96, 1.3, none=1), no_worse(0.05)) == HOLDS and judge(effect(0.9, 1.3, none=1), no_worse(0.05)) == UNDECIDED
    assert judge(effect(1.1, 1.3, none=1), more_than(1.5)) == REVERSED, "a number that was named is meant as it stands"


def test_without_an_effect_nothing_is_judged():
    assert judge(None, more_than()) == UNTESTABLE


@pytest.mark.parametrize(
    "parts, verdict, decides",
    [
        ([(1, 2), (3, 4)], HOLDS, 0), ([(3, 4), (1, 2)], HOLDS, 1), ([(1, 2), (-1, 2), (3, 4)], UNDECIDED, 1),
        ([(-1, 2), (-2, -1), (1, 2)], REVERSED, 1), ([(-1, 3), (-3, 1)], UNDECIDED, 1), ([(-2, -1), (-9, -8)], REVERSED, 1),
    ],
)  # fmt: skip
def test_all_parts_must_hold_and_the_farthest_from_it_decides(parts, verdict, decides):
    assert judge_all([effect(*p) for p in parts], more_than()) == (verdict, decides)


# --- errors of the rule, over simulated experiments: three paired runs each


def experiments(true, n=6000, spread=1.0, seed=0):
    """Verdict counts are taken over n experiments in which the true difference is `true`."""
    runs = np.random.default_rng(seed).normal(true, spread, (n, 3))
    return [verdicts.difference(d, unit="") for d in runs]


@pytest.fixture(scope="module")
def nothing():
    return experiments(0.0)


def share(effects, question, verdict):
    return sum(judge(e, question) == verdict for e in effects) / len(effects)


def test_where_there_is_no_effect_at_most_one_experiment_in_forty_says_holds(nothing):
    for verdict in (HOLDS, REVERSED):
        assert share(nothing, more_than(), verdict) == pytest.approx(0.025, abs=0.006)  # three standard errors


def test_the_interval_covers_the_truth_95_times_in_100():
    inside = [e.low <= 0.7 <= e.high for e in experiments(0.7)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.009)


def test_a_loss_as_large_as_the_margin_is_seldom_called_no_loss():
    at_the_margin = experiments(-2.0)
    assert share(at_the_margin, no_worse(2.0), HOLDS) == pytest.approx(0.025, abs=0.006)
    assert share(at_the_margin, within(2.0), HOLDS) <= 0.025 + 0.006


def test_noise_does_not_show_equality(nothing):
    """The fault of `not better`: two bad measurements agree with everything."""
    assert share(nothing, within(0.5), HOLDS) < 0.05 and share(nothing, within(0.5), UNDECIDED) > 0.9
    exact = experiments(0.0, n=500, spread=0.02)
    assert share(exact, within(0.5), HOLDS) > 0.99


@pytest.mark.parametrize("runs, share_of_items", [(2, 0.1), (3, 0.25)])
def test_few_runs_beside_many_items_cover_the_truth_95_times_in_100(runs, share_of_items):
    """Where items vary less than the runs, the sum of both with joint degrees of freedom would cover it 87 and 92 times."""
    rng, n = np.random.default_rng(0), 1200
    item = rng.normal(size=900)
    item = (item - item.mean()) / item.std(ddof=1) * math.sqrt(900 * share_of_items / runs)  # their mean varies by that share
    inside = 0
    for d, off in zip(rng.normal(size=(n, runs)), rng.normal(0, math.sqrt(share_of_items / runs), n)):
        found = verdicts.difference(d + off, unit="", items=item)
        inside += found.low <= 0 <= found.high
    assert inside / n >= 0.95 - 0.012  # two standard errors


def test_runs_and_items_together_keep_the_error():
    """Three seeds of a share on 100 items, both sides asked of the same items: the sum of both spreads never flatters."""
    rng, n, false = np.random.default_rng(1), 1500, 0
    for _ in range(n):
        p = np.clip(0.6 + rng.normal(0, 0.03, (2, 3)), 0, 1)
        a, b = rng.binomial(100, p) / 100
        false += judge(verdicts.difference(a, b, items=100), more_than()) == HOLDS
    assert false / n <= 0.025


# --- how effects are written


@pytest.mark.parametrize(
    "found, text",
    [
        (Effect(5.1, -1.2, 11.4, "points", 3), "+5.1 ± 6.3 points"), (Effect(-0.7, -0.76, -0.64, "points", 3), "-0.70 ± 0.06 points"),
        (Effect(0.0171, 0.0165, 0.0177, "", 3), "+0.017 ± 0.001"), (Effect(40.0, 10, 70, "points", 3), "+40 ± 30 points"),
        (Effect(2.0, 1.6, 2.5, "times", 3, none=1), "2.0 times [1.6, 2.5]"), (verdicts.exactly(117659, "words"), "+117,659 words"),
        (verdicts.exactly(0.5), "+0.50"),
    ],
)  # fmt: skip
def test_an_effect_reads_as_a_number_with_half_its_interval(found, text):
    assert str(found) == text


def test_an_uneven_interval_tells_its_longer_side():
    assert Effect(1.0, 0.5, 3.0, "", 1).half == 2.0 and Effect(1.0, -1.5, 1.1, "", 1).half == 2.5


# --- hostile input: one clear error each


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: verdicts.difference([0.5, math.nan], [0.1, 0.2]), "finite"),
        (lambda: verdicts.difference([0.5, math.inf], [0.1, 0.2]), "finite"),
        (lambda: verdicts.difference([], []), "one number a run"),
        (lambda: verdicts.difference([], 0.5), "one number a run"),
        (lambda: verdicts.difference([[0.5, 0.6]], [[0.1, 0.2]]), "one number a run"),
        (lambda: verdicts.difference([0.5, 0.6], [0.1, 0.2, 0.3]), "paired=False"),
        (lambda: verdicts.difference([0.5], 0.1), "single run"),
        (lambda: verdicts.difference(0.5, 0.1), "single run"),
        (lambda: verdicts.difference(A, B, constant=0.5), "not both"), (lambda: verdicts.difference(A, 0.4, constant=0.5), "not both"),
        (lambda: verdicts.difference(A, constant=math.nan), "finite"),
        (lambda: verdicts.difference(A, constant=[0.5]), "one number"),
        (lambda: verdicts.difference(A, 0.6, items=100), r"pass \[0.6\] if it was measured"),
        (lambda: verdicts.difference(A, np.mean(B), items=100), "if it was measured"),
        (lambda: verdicts.difference(A, 0.6, items=[0.1, 0.2, 0.3]), r"constant=0.6"),
        (lambda: verdicts.difference(A, np.float32(0.5), items=100, paired=False), r"constant=0.5"),
        (lambda: verdicts.difference(A, B, items=1), "at least 2"),
        (lambda: verdicts.difference(A, B, items=10.5), "number of test items"),
        (lambda: verdicts.difference(A, B, items=math.nan), "number of test items"),
        (lambda: verdicts.difference(A, B, items=[0.5]), "at least 2"),
        (lambda: verdicts.difference([7, 8, 9], B, items=100), "between 0 and 1"),
        (lambda: verdicts.ratio([1, 0, 2], [1, 1, 1]), "above 0"),
        (lambda: verdicts.ratio([1, 2, 2], [1, -1, 1]), "above 0"),
        (lambda: verdicts.ratio([1, 2, math.nan], [1, 1, 1]), "finite"),
        (lambda: verdicts.ratio([], []), "one number a run"),
        (lambda: verdicts.bootstrap(np.mean, [1.0]), "at least 2 items"),
        (lambda: verdicts.bootstrap(np.mean), "at least 2 items"),
        (lambda: verdicts.bootstrap(np.dot, [1.0, 2.0], [1.0]), "one length"),
        (lambda: verdicts.bootstrap(np.mean, [1.0, math.nan, 2.0]), "finite"),
        (lambda: verdicts.exactly(math.nan), "finite"),
        (lambda: Effect(3, 1, 2, "", 3), "low <= value <= high"),
        (lambda: within(0), "margin=0"), (lambda: no_worse(-1), "margin=-1"), (lambda: within(math.nan), "margin=nan"),
        (lambda: within(math.inf), "margin=inf"), (lambda: more_than(math.nan), "nan"),
        (lambda: judge_all([], more_than()), "no part"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_judged_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
