"""Cards and claims: what a cell shows, what it carries, and what the ledger is collected from."""

import json
import re

import nbformat
import pytest

from evo import claims, cuts, verdicts
from evo.verdicts import Effect, difference, more_than, no_worse, ratio, within

FIELDS = {k: f"about {k}" for k in claims.CARD_FIELDS} | {"cpu_seconds": 150, "gpu_seconds": None}
CLAIM = dict(source="he2022masked", reported="75 %", baseline="the untrained encoder", effect=Effect(2.0, 1.0, 3.0, "points", 3))


def effect(low, high, **more):
    return Effect((low + high) / 2, low, high, **{"unit": "points", "runs": 3, **more})


def notebook(path, *shown):
    cells = []
    for one in shown:
        data = {k: v for k, v in one._repr_mimebundle_().items()}
        output = nbformat.v4.new_output("execute_result", data=json.loads(json.dumps(data)))
        cells.append(nbformat.v4.new_code_cell("claim(...)", outputs=[output]))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def data(**changes):
    return json.loads(json.dumps(claims.claim("x", "The text.", **{**CLAIM, **changes}).data))


@pytest.mark.parametrize(
    "found, asks, verdict",
    [
        (effect(1, 3), None, "holds here"), (effect(-3, -1), None, "reversed here"), (effect(-1, 3), None, "undecided here"),
        (effect(-1, 1), within(2), "holds here"), (effect(-1, 3), no_worse(2), "holds here"), (effect(1, 3), more_than(4), "reversed here"),
        (ratio([2, 2.1, 1.9], 1.0), None, "holds here"), (verdicts.exactly(3), more_than(2), "holds here"),
    ],
)  # fmt: skip
def test_the_rule_decides_and_the_verdict_stands_in_all_three_forms(found, asks, verdict):
    shown = claims.claim("x", "The text.", **{**CLAIM, "effect": found, "asks": asks})._repr_mimebundle_()
    kept = json.loads(json.dumps(shown[claims.CLAIM]))
    assert kept["verdict"] == verdict and claims.judged(kept) == (verdict, 0)
    assert shown["text/plain"].endswith(f"\n  verdict: {verdict}")
    assert f"<p class='evo-verdict {claims.KINDS[verdict]}'>{verdict}</p>" in shown["text/html"]


def test_what_cannot_be_tested_says_why():
    kept = data(effect=None, measured="It needs JFT-300M.")
    assert (kept["verdict"], kept["effects"], kept["decides"]) == ("not testable here", [], None)
    assert kept["measured"] == "It needs JFT-300M" and "Asked in advance" not in claims.facts(kept)
    with pytest.raises(ValueError, match="x: .*why it is not testable"):
        data(effect=None)


@pytest.mark.parametrize("wrong", [True, 0.7, "holds here", {}, [effect(1, 2)], {"a": 0.3}])
def test_a_verdict_cannot_be_brought_along(wrong):
    with pytest.raises(ValueError, match="x: effect must be an Effect"):
        data(effect=wrong)
    with pytest.raises(TypeError, match="holds"):
        claims.claim("x", "The text.", **CLAIM, holds=True)


def test_reported_stands_under_reported_and_measured_under_measured():
    kept = data(measured="Two towers.", asks=no_worse(0.5), history="Once undecided.")
    wanted = {
        "Reported": "75 %", "Measured here": "Two towers: +2.0 ± 1.0 points",
        "Asked in advance": "no worse than by 0.5, against the untrained encoder; 3 runs", "History": "Once undecided.",
    }  # fmt: skip
    assert claims.facts(kept) == wanted
    shown = claims.shown(kept)
    assert dict(re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", shown.markup)) == wanted
    lines = ["The text.", "  id: x", "  source: he2022masked", *(f"  {k.lower()}: {v}" for k, v in wanted.items()), "  verdict: holds here"]
    assert shown.text.splitlines() == lines


def test_all_of_the_json_stands_in_the_text_that_a_new_run_is_held_against():
    """nbval compares text alone: what only the JSON said could be edited, and the ledger would say it."""
    kept = data(paper=3.5, history="Once undecided.", effect=effect(-1, 3, items=120))
    told = claims.shown(kept).text
    others = dict(id="y", source="he2023", paper=3.25, text="Another.", reported="70 %", measured="More", verdict="holds here",
                  baseline="nothing", asks="more than 1", history="No.")  # fmt: skip
    assert set(others) | {"effects", "decides"} == set(kept), "these two follow from the rest: see disagreements"
    for key, value in others.items():
        assert claims.shown({**kept, key: value}).text != told, key
    assert claims.shown({**kept, "paper": None}).text != told
    for key, value in {"runs": 9, "items": 9}.items():
        assert claims.shown({**kept, "effects": [{**kept["effects"][0], key: value}]}).text != told, key


def test_parts_have_their_own_numbers_of_the_paper():
    parts = {"probe": effect(1, 2), "fine-tuned": effect(0, 2)}
    assert data(effect=parts, paper=7)["paper"] == 7.0
    kept = data(effect=parts, paper={"probe": 7, "fine-tuned": 0.5})
    assert kept["paper"] == {"probe": 7.0, "fine-tuned": 0.5}
    told = claims.shown(kept).text
    assert "\n  paper: {'fine-tuned': 0.5, 'probe': 7.0}\n" in told
    assert claims.shown(json.loads(json.dumps(kept, sort_keys=True))).text == told, "as a notebook stores it"
    for other in ({"probe": 8.0, "fine-tuned": 0.5}, {"probe": 7.0}, 7.0, None):
        assert claims.shown({**kept, "paper": other}).text != told
    for wrong in ({}, {"tuned": 1.0}, {"probe": 1.0, "": 2.0}):
        with pytest.raises(ValueError, match="x: paper is a number, or"):
            data(effect=parts, paper=wrong)


def test_all_parts_must_hold_and_the_one_that_decides_is_named():
    parts = {"few labels": effect(1, 2), "many labels": effect(-2, 5, items=1137), "all": effect(3, 4)}
    kept = data(effect=parts)
    assert (kept["verdict"], kept["decides"]) == ("undecided here", 1)
    assert [e["part"] for e in kept["effects"]] == list(parts)
    facts = claims.facts(kept)
    assert facts["Measured here"] == "few labels +1.5 ± 0.5 points; many labels +1.5 ± 3.5 points; all +3.5 ± 0.5 points"
    assert facts["Could have been seen"] == "an effect of 3.5 points or more"
    assert facts["Asked in advance"].endswith("3 runs, 1,137 test items")


def test_an_undecided_ratio_says_which_ratio_could_have_been_seen():
    assert claims.facts(data(effect=ratio([1, 2, 3], [2, 2.1, 2.2])))["Could have been seen"] == "a ratio of 3.54 or more"


def test_parts_of_different_kinds_are_judged_each_from_its_own_zero():
    kept = data(effect={"twice": ratio([2, 2.1, 1.9], 1.0), "points": effect(-1, 2)})
    assert [e["above"] for e in kept["effects"]] == [1, 0]
    assert claims.judged(kept) == ("undecided here", 1) == (kept["verdict"], kept["decides"])


@pytest.mark.parametrize("found", [
    Effect(2.0, 1.55003, 2.44997, "points", 3),  # its half reads .4, that of its four digits .5
    Effect(12.0, 10.9, 13.7496, "times", 3, none=1)])  # 13.7, and of 13.75 13.8
def test_an_effect_reads_alike_in_a_claim_and_printed_by_itself(found):
    claim = claims.claim("x", "A text.", source="s", reported="r", effect=found, asks=more_than(1), measured="m")
    assert f"m: {found}\n" in repr(claim)


def test_the_verdict_is_that_of_the_numbers_shown():
    """What rounds to the bound has not cleared it, also where more digits would have."""
    kept = data(effect=Effect(0.3, -0.499999, 1.0, "points", 3), asks=no_worse(0.5))
    assert kept["effects"][0]["low"] == -0.5 and kept["verdict"] == "undecided here" == claims.judged(kept)[0]
    assert data(effect=verdicts.exactly(117659, "words"))["measured"] == "+117,659 words"


@pytest.mark.parametrize("change", [
    {"verdict": "holds here"}, {"decides": 0}, {"effects": "low"}, {"effects": "above"},
])  # fmt: skip
def test_json_edited_by_hand_no_longer_agrees(change):
    kept = data(effect={"a": effect(1, 2), "b": effect(-1, 2)})
    assert claims.judged(kept) == (kept["verdict"], kept["decides"])
    if change.get("effects"):
        for part in kept["effects"]:
            part[change["effects"]] = 0.5 if change["effects"] == "low" else -5.0
    else:
        kept.update(change)
    assert claims.judged(kept) != (kept["verdict"], kept["decides"])


def test_no_verdict_rests_on_runs_that_the_budget_stopped(monkeypatch):
    monkeypatch.setattr(cuts, "sentence", lambda: "stopped by the time budget: mae")
    kept = data()
    assert kept["verdict"] == verdicts.CUT and kept["verdict"] not in claims.VERDICTS and "mae" in kept["history"]
    assert claims.shown(kept).text.endswith(verdicts.CUT)


def test_text_and_html_are_made_from_the_json_alone():
    found = difference([0.5, 0.52, 0.53], [0.4, 0.41, 0.45])
    for shown in (claims.claim("x", "A < B.", **{**CLAIM, "effect": found}), claims.card(**FIELDS)):
        again = (claims.shown if shown.mime == claims.CLAIM else claims.shown_card)(json.loads(json.dumps(shown.data, sort_keys=True)))
        assert again._repr_mimebundle_() == shown._repr_mimebundle_()


def test_markup_in_a_claim_is_text():
    page = claims.claim("x", "a < b & <b>c</b>", **CLAIM)._repr_mimebundle_()["text/html"]
    assert "a &lt; b &amp; &lt;b&gt;" in page and "<b>" not in page


def test_a_card_needs_every_field_and_no_other():
    with pytest.raises(ValueError, match="missing .*'year'.*unknown .*'colour'"):
        claims.card(**{k: v for k, v in FIELDS.items() if k != "year"}, colour="red")
    lines = dict(line.split(": ", 1) for line in repr(claims.card(**FIELDS)).splitlines())
    assert lines["To train everything here, on a CPU"] == "2 minutes" and lines["On a GPU"] == "not measured"
    assert (lines["Mask"], lines["Objective"], lines["Data in the paper"]) == ("about mask", "about objective", "about data_paper")


@pytest.mark.parametrize("seconds, words", [
    (None, "not measured"), (0, "0 seconds"), (119.4, "119 seconds"), (150, "2 minutes"), (7199, "120 minutes"),
    (7200, "2.0 hours"), (9000, "2.5 hours"),
])  # fmt: skip
def test_durations(seconds, words):
    assert claims.duration(seconds) == words


def test_claims_and_cards_are_collected_in_order_with_their_chapter(tmp_path):
    one = notebook(tmp_path / "one.ipynb", claims.card(**FIELDS), claims.claim("a", "A.", **CLAIM), claims.claim("b", "B.", **CLAIM))
    two = notebook(tmp_path / "two.ipynb", claims.claim("c", "C.", **{**CLAIM, "effect": None, "measured": "no"}))
    assert [(c["chapter"], c["id"]) for c in claims.collect([one, two])] == [("one", "a"), ("one", "b"), ("two", "c")]
    assert [c["notebook"] for c in claims.collect([one, two], claims.CARD)] == ["one"]


def test_two_claims_with_one_id_are_an_error(tmp_path):
    one, two = (notebook(tmp_path / f"{n}.ipynb", claims.claim("a", "A.", **CLAIM)) for n in ("one", "two"))
    with pytest.raises(ValueError, match="more than once: a"):
        claims.collect([one, two])
