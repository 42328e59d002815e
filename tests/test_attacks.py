"""Forgeries and silent changes that the proof must notice. Each was once tried with success (checksums are renewed, as a forger would)."""
import ast
import json
import math
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from test_train import X, Y, loss_fn, mode, net, own_zoo, run, score, tamper  # noqa: F401
from torch import nn

from evo import loop, proof, recipe, zoo
from evo.train import Batches, fit, study


@pytest.fixture(autouse=True)
def this_file_is_the_chapter(monkeypatch):
    ours = ("__main__", __name__, "test_train")
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name in ours or str(name).split(".")[0] == "evo")


def accuracy(model):
    return (model(X).argmax(1) == Y).float().mean().item()


def trial(seed, width):
    model = fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=40, lr=1e-2, seed=seed).model
    return {"accuracy": accuracy(model)}


def trial_upside_down(seed, width):
    model = fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=40, lr=1e-2, seed=seed).model
    return {"accuracy": 1 - accuracy(model)}


def sweep(trial=trial):
    return study(trial, {"width": [4, 16]}, name="sweep", seeds=(0, 1))


def flat_after_ten(step, steps, warmup):
    return 1.0 if step > 10 else recipe_schedule(step, steps, warmup)


recipe_schedule = recipe.schedule


@pytest.mark.parametrize("name, wrong", [
    ("schedule", flat_after_ten), ("BETAS", (0.9, 0.999)), ("groups", lambda model, decay: [{"params": list(model.parameters())}]),
])  # fmt: skip
@pytest.mark.parametrize("entry", [run, sweep])
def test_another_recipe_does_not_verify(monkeypatch, name, wrong, entry):
    mode(monkeypatch, "record")
    entry()
    monkeypatch.setattr(recipe, name, wrong)
    mode(monkeypatch, "verify")
    with pytest.raises(zoo.ZooError, match="differs from what made it"):
        entry()


def test_the_opposite_of_an_accuracy_is_not_blessed_by_restamp(monkeypatch):
    mode(monkeypatch, "record")
    sweep()
    before = zoo.read("sweep")
    mode(monkeypatch, "restamp")
    with pytest.raises(zoo.ZooError, match="accuracy comes out as"):
        sweep(trial_upside_down)
    assert zoo.read("sweep") == before


def test_a_forged_row_is_caught_by_an_audit_and_named(monkeypatch):
    mode(monkeypatch, "record")
    sweep()
    rows = zoo.read("sweep")["rows"]
    rows[3]["result"]["accuracy"] = rows[3]["result"]["accuracy"] - 0.15
    tamper("sweep", "rows", rows)
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"sweep": True}))
    for proving in ("audit", "verify"):
        mode(monkeypatch, proving)
        with pytest.raises(zoo.ZooError, match='width.*16.*1].*accuracy comes out as'):
            sweep()


@pytest.mark.parametrize("off, caught", [(0.1, False), (0.3, True)])
def test_a_row_of_unstable_training_may_come_out_as_another_seed_would(monkeypatch, off, caught):
    """Other processors round otherwise: where seeds lie .08 apart, .1 proves nothing, .3 does."""

    def unstable(seed, width):
        fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=2, lr=1e-2, seed=seed)
        return {"accuracy": 0.4 + 0.08 * seed}

    mode(monkeypatch, "record")
    sweep = lambda: study(unstable, {"width": [4, 16]}, name="sweep", seeds=(0, 1, 2))
    sweep()
    rows = zoo.read("sweep")["rows"]
    rows[3]["result"]["accuracy"] += off
    tamper("sweep", "rows", rows)
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"sweep": True}))
    mode(monkeypatch, "audit")
    with pytest.raises(zoo.ZooError, match="width.*16.*0].*accuracy comes out as") if caught else nullcontext():
        sweep()


def test_a_row_whose_first_steps_were_taken_away_is_caught(monkeypatch):
    mode(monkeypatch, "record")
    sweep()
    rows = zoo.read("sweep")["rows"]
    for row in rows:
        row["first"], row["result"]["accuracy"] = None, 0.999
    tamper("sweep", "rows", rows)
    mode(monkeypatch, "verify")
    with pytest.raises(zoo.ZooError, match="another form"):
        sweep()


def raised(monkeypatch, by, seeds=(0, 1, 2)):
    """A study whose second setting is recorded too high; its seeds lie close together."""

    def steady(seed, width):
        fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=2, lr=1e-2, seed=seed)
        return {"accuracy": 0.85 + 0.001 * seed}

    sweep = lambda: study(steady, {"width": [4, 16]}, name="sweep", seeds=seeds)
    mode(monkeypatch, "record")
    sweep()
    rows = zoo.read("sweep")["rows"]
    for row in rows[len(seeds):]:
        row["result"]["accuracy"] += by
    tamper("sweep", "rows", rows)
    return sweep


@pytest.mark.parametrize("by", [0.06, -0.06])
def test_a_whole_arm_raised_by_six_points_fails_an_audit(monkeypatch, by):
    """Each row alone is within what other processors may make of it; but these do not move all seeds alike."""
    sweep = raised(monkeypatch, by)
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"sweep": True}))
    for proving in ("audit", "verify"):
        mode(monkeypatch, proving)
        with pytest.raises(zoo.ZooError, match='sweep {"width": 16}: the mean of accuracy over its seeds comes out as 0.851'):
            sweep()
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"sweep": [loop.key({"width": 16}, 0)]}))  # of one row nothing more can be told
    mode(monkeypatch, "audit")
    sweep()


def test_a_mean_may_move_as_far_as_its_seeds_lie_apart(monkeypatch):
    recorded = [{"setting": {}, "seed": seed, "first": [[1, 1]], "result": {"x": 0.5 + 0.1 * seed, "s": 1.0}} for seed in range(3)]
    now = [{**row, "result": {"x": row["result"]["x"] + 0.1, "s": 9.0}} for row in recorded]
    proof._compare_means("toy", now, recorded, ["s"], recorded)
    with pytest.raises(zoo.ZooError, match="mean of s over its seeds"):
        proof._compare_means("toy", now, recorded, [], recorded)
    far = [{**row, "result": {"x": row["result"]["x"] + 0.3, "s": 1.0}} for row in recorded]
    with pytest.raises(zoo.ZooError, match="mean of x over its seeds"):
        proof._compare_means("toy", far, recorded, ["s"], recorded)


def without_first(monkeypatch, seed):
    """A sweep of which one seed of the second setting lost its first steps, while the others hold rubbish."""
    mode(monkeypatch, "record")
    sweep()
    rows = zoo.read("sweep")["rows"]
    for row in rows[2:]:
        row["first"], row["result"]["accuracy"] = (None if row["seed"] == seed else [[9, 9]] * 3), 0.99
    tamper("sweep", "rows", rows)


@pytest.mark.parametrize("proving", ["verify", "restamp", "audit"])
@pytest.mark.parametrize("seed", [0, 1])
def test_first_steps_that_only_some_seeds_lack_are_asked_about(monkeypatch, seed, proving):
    without_first(monkeypatch, seed)
    before = zoo.read("sweep")
    mode(monkeypatch, proving)
    with pytest.raises(zoo.ZooError, match=f'sweep .*16}}, {seed}.: it has no first steps, but other seeds have: record it anew, or'):
        sweep()
    assert zoo.read("sweep") == before


def test_a_row_that_says_why_it_trains_nothing_hides_no_other(monkeypatch):
    without_first(monkeypatch, 0)
    proof.untrained("sweep", {"width": 16}, 0, "it is the network that is kept")
    for proving in ("verify", "restamp"):
        for cheapest in (0, 3):  # restamp makes it anew, whole
            rows = zoo.read("sweep")["rows"]
            tamper("sweep", "rows", [{**row, "seconds": 1 + (i != cheapest)} for i, row in enumerate(rows)])
            mode(monkeypatch, proving)
            with pytest.raises(zoo.ZooError, match="width.*16.*1].*first steps come out"):
                sweep()
    rows = zoo.read("sweep")["rows"]
    rows[3]["first"] = loop.run_trial(trial, {"width": 16}, 1, peek=True)
    tamper("sweep", "rows", rows)
    mode(monkeypatch, "verify")
    sweep()
    mode(monkeypatch, "record")
    study(trial, {"width": [4, 16, 32]}, name="sweep", seeds=(0, 1))
    assert zoo.read("sweep")["rows"][2]["untrained"] == "it is the network that is kept"


def test_each_seed_has_its_turn_to_be_replayed(monkeypatch):
    mode(monkeypatch, "record")
    sweep()
    rows = zoo.read("sweep")["rows"]
    rows[1]["first"] = rows[3]["first"] = [[9, 9]] * 3
    tamper("sweep", "rows", rows)
    mode(monkeypatch, "verify")
    sweep()  # without a draw the first seed is replayed
    caught = 0
    for turn in range(8):
        monkeypatch.setenv("EVO_AUDIT", json.dumps({f"another {turn}": True}))
        try:
            sweep()
        except zoo.ZooError as error:
            assert "first steps" in str(error)
            caught += 1
    assert caught >= 4


def deep(seed=0):
    torch.manual_seed(seed)
    layers = [m for _ in range(22) for m in (nn.Linear(16, 16), nn.BatchNorm1d(16), nn.ReLU())]
    return nn.Sequential(nn.Linear(6, 16), *layers, nn.Linear(16, 2))


def deep_trial(seed):
    fit(deep(seed), loss_fn, Batches(X, Y, size=40), steps=4, lr=1e-2, seed=seed)
    return {"depth": 22}


def test_first_steps_may_differ_as_far_as_rounding_moves_them_and_no_further(monkeypatch):
    """Twenty-two layers with batch norm: another processor's sums, of other order, change their gradients by more than FIRST."""
    sweep = lambda: study(deep_trial, [{}], name="sweep", seeds=(0,))
    mode(monkeypatch, "record")
    sweep()
    row = zoo.read("sweep")["rows"][0]
    elsewhere = [list(pair) for pair in loop.run_trial(deep_trial, {}, 0, peek=True, nudge=7)]
    worst = max(abs(a - b) / b for pair, known in zip(elsewhere, row["first"]) for a, b in zip(pair, known))
    assert worst > 20 * proof.FIRST, "or this net is no test"
    mode(monkeypatch, "verify")
    tamper("sweep", "rows", [{**row, "first": elsewhere}])
    sweep()
    (loss, norm), *rest = row["first"]
    for forged in (loss * 1.01, float("nan"), float("inf")):
        tamper("sweep", "rows", [{**row, "first": [[forged, norm], *rest]}])
        with pytest.raises(zoo.ZooError, match="first steps"):
            sweep()


def test_a_metric_is_not_exempt_by_its_name(monkeypatch):
    def timed(seed):
        return {"seconds of accuracy": 0.8}

    mode(monkeypatch, "record")
    study(timed, [{}], name="timed", seeds=(0,))
    rows = zoo.read("timed")["rows"]
    rows[0]["result"]["seconds of accuracy"] = 0.9
    tamper("timed", "rows", rows)
    mode(monkeypatch, "verify")
    with pytest.raises(zoo.ZooError, match="comes out as 0.8"):
        study(timed, [{}], name="timed", seeds=(0,))


def timed(seed, width):
    return {"accuracy": 0.5, "seconds": 1.0}


def clocked(clocks, trial=timed):
    return study(trial, {"width": [4, 16]}, name="clocked", seeds=(0,), clocks=clocks)


@pytest.mark.parametrize("proving", ["verify", "restamp", "audit"])
def test_a_metric_cannot_be_called_a_clock_later(monkeypatch, proving):
    mode(monkeypatch, "record")
    clocked(["seconds"])
    rows = zoo.read("clocked")["rows"]
    rows[1]["result"]["accuracy"] = 0.99
    tamper("clocked", "rows", rows)
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"clocked": True}))
    mode(monkeypatch, proving)
    for clocks in (["seconds", "accuracy"], []):
        with pytest.raises(zoo.ZooError, match=r"recorded with clocks \['seconds'\], but the chapter names"):
            clocked(clocks)
    with pytest.raises(zoo.ZooError, match="accuracy comes out as 0.5"):
        clocked(("seconds",))


def test_clocks_are_renewed_by_recording_and_an_old_record_takes_the_calls(monkeypatch):
    mode(monkeypatch, "record")
    clocked(["seconds"])
    made = zoo.read("clocked")
    clocked(["seconds", "accuracy"])
    assert zoo.read("clocked") == {**made, "clocks": ["accuracy", "seconds"]}
    zoo.write("clocked", {k: v for k, v in made.items() if k != "clocks"})
    for proving in ("verify", "restamp", "record"):  # none of them has anything to write
        mode(monkeypatch, proving)
        clocked(["seconds"])
        assert "clocks" not in zoo.read("clocked")
    mode(monkeypatch, "audit")
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"clocked": True}))
    clocked(["seconds"])
    assert zoo.read("clocked")["clocks"] == ["seconds"]


@pytest.mark.parametrize("doing", ["zoo", "record", "verify"])
@pytest.mark.parametrize("clocks", [["second"], "seconds"])
def test_a_clock_that_nothing_measures_is_named(monkeypatch, doing, clocks):
    mode(monkeypatch, "record")
    clocked(["seconds"])
    mode(monkeypatch, doing)
    with pytest.raises(ValueError, match="clocked: clocks names '.*', but its rows measure accuracy, seconds"):
        clocked(clocks)


def replace_weights(name, model):
    record = zoo.read(name)
    zoo.write(name, record, model)


def another_seed():
    return fit(net(seed=5), loss_fn, Batches(X, Y, size=40), steps=60, lr=1e-2, seed=5).model


def trained_further():
    made = fit(net(), loss_fn, Batches(X, Y, size=40), steps=60, lr=1e-2).model
    return fit(made.train(), loss_fn, Batches(X, Y, size=40), steps=200, lr=1e-2).model


@pytest.mark.parametrize("forged", [another_seed, trained_further])
def test_weights_of_another_run_are_caught_though_their_score_is_recorded(monkeypatch, forged):
    mode(monkeypatch, "record")
    run(steps=60)
    model = forged()
    replace_weights("toy", model)
    tamper("toy", "score", round(score(model).item(), 6))
    mode(monkeypatch, "verify")
    with pytest.raises(zoo.ZooError, match="last steps|resemble the start"):
        run(steps=60)


def test_an_edited_history_is_caught_at_its_ends_at_once_and_in_its_middle_by_an_audit(monkeypatch):
    mode(monkeypatch, "record")
    run(steps=60)
    history = zoo.read("toy")["history"]
    mode(monkeypatch, "verify")
    tamper("toy", "history", [*history[:-1], [60, history[-1][1] / 2]])
    with pytest.raises(zoo.ZooError, match="last steps"):
        run(steps=60)
    tamper("toy", "history", [*history[:30], [31, history[30][1] / 2], *history[31:]])
    mode(monkeypatch, "audit")
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"toy": True}))
    with pytest.raises(zoo.ZooError, match="made anew"):
        run(steps=60)


def test_losses_that_hop_from_batch_to_batch_may_come_out_otherwise_at_a_point_but_not_over_a_stretch():
    hops = 0.12 * torch.randn(400, generator=torch.Generator().manual_seed(0))
    losses = (1.2 + hops).tolist()
    record = {"history": [[i + 1, x] for i, x in enumerate(losses)], "steps": 400, "score": 0.6}
    made = lambda change: loop.Run(None, 400, 1.0, "trained", [[i + 1, x + change(i)] for i, x in enumerate(losses)])
    assert proof._compare_runs("toy", made(lambda i: (-1) ** i * 0.14), 0.6, record) < 1  # as contrastive-told-1 did
    for change in (lambda i: 0.7 * (i == 70), lambda i: 0.14 * (100 <= i < 110), lambda i: math.nan * (i == 399)):
        with pytest.raises(zoo.ZooError, match="made anew"):
            proof._compare_runs("toy", made(change), 0.6, record)


def test_settings_may_not_contradict_the_call(monkeypatch):
    mode(monkeypatch, "record")
    run()
    tamper("toy", "settings", {**zoo.read("toy")["settings"], "steps": 40})
    for proving in ("verify", "restamp"):
        mode(monkeypatch, proving)
        with pytest.raises(zoo.ZooError, match="the record says"):
            run()


def test_an_audit_dates_what_it_made_and_leaves_the_rest(monkeypatch):
    mode(monkeypatch, "record")
    sweep(), run()
    assert zoo.audited("sweep")["sweep"]["share"] == 0
    key = '[{"width": 4}, 1]'
    monkeypatch.setenv("EVO_AUDIT", json.dumps({"sweep": [key], "toy": True}))
    mode(monkeypatch, "audit")
    sweep(), run()
    found = zoo.audited("sweep", "toy")
    assert found["sweep"]["share"] == 0.25 and found["toy"]["share"] == 1
    assert all(f["date"] and f["device"] and f["difference"] < 0.1 for f in found.values())


@pytest.mark.parametrize("doing", ["record", "always"])
def test_recording_is_no_audit(monkeypatch, doing):
    mode(monkeypatch, doing)
    sweep(), run()
    for name in ("sweep", "toy"):
        record = zoo.read(name)
        for job in record.get("rows", [record]):
            assert "audit" not in job and {"date", "device"} <= job["made"].keys()
        found = zoo.audited(name)[name]
        assert found["made"] == [record["made"]["date"]] * 2 and found["date"] is found["device"] is found["difference"] is None
    assert [row["again"] for row in zoo.summary()] == ["never", "never"]


def test_rows_keep_the_date_of_their_making_when_others_are_added(monkeypatch):
    mode(monkeypatch, "record")
    sweep()
    record = zoo.read("sweep")
    del record["rows"][0]["made"]  # as old records have it
    record["rows"][1]["made"]["date"] = "2026-02-02"
    zoo.write("sweep", {**record, "made": {**record["made"], "date": "2026-01-01"}})
    study(trial, {"width": [4, 16, 32]}, name="sweep", seeds=(0, 1))
    dates = [row["made"]["date"] for row in zoo.read("sweep")["rows"]]
    today = zoo.origin()["date"]
    assert dates[:2] == ["2026-01-01", "2026-02-02"] and dates[4:] == [today, today]
    assert zoo.audited("sweep")["sweep"]["made"] == ["2026-01-01", today]


def test_what_is_proved_is_proved_on_the_cpu(monkeypatch):
    from evo import loop

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    mode(monkeypatch, "verify")
    assert loop.make_accelerator(None).device.type == "cpu"


# ---- what the mark covers, and what it leaves out


def marks(things):
    from evo.fingerprint import parts

    return parts(thing=things)


def test_annotations_docstrings_and_drawing_do_not_count_and_hooks_and_heads_do():
    class Layer(nn.Module):
        KINDS = [1, 2]

        def forward(self, x):
            return self.used(x)

        def used(self, x):
            return x

        def draw(self, x):
            return x + 1

    before = marks(Layer())
    assert any(part.endswith("Layer.used") for part in before) and not any(part.endswith(".draw") for part in before)
    Layer.draw = lambda self, x: x + 2
    assert marks(Layer()) == before
    Layer.KINDS = [1, 3]
    assert marks(Layer()) != before
    Layer.KINDS = [1, 2]
    hooked = Layer()
    hooked.register_forward_hook(lambda *args: None)
    assert marks(hooked) != before
    assert marks(nn.MultiheadAttention(8, 2).requires_grad_(False)) != marks(nn.MultiheadAttention(8, 4).requires_grad_(False))
    one = nn.TransformerEncoderLayer(8, 2, norm_first=True)
    two = nn.TransformerEncoderLayer(8, 2, norm_first=False)
    two.load_state_dict(one.state_dict())
    assert marks(one) != marks(two)


def test_a_docstring_that_comes_or_goes_changes_no_mark_and_a_constant_does():
    from evo.fingerprint import bare, of_syntax

    def mark(text):
        return of_syntax(bare(ast.parse(text)))

    plain = mark("def f(x):\n    return x + 1")
    assert mark('def f(x: int) -> int:\n    """One more."""\n    return x + 1  # so') == plain
    assert mark("def f(x):\n    return x + 2") != plain
    assert mark('class A:\n    """An A."""') == mark("class A:\n    pass")


def test_a_part_is_the_same_in_a_run_and_in_the_text():
    """Of a function that reads what libraries decorate, too, as urllib's cached urlsplit."""
    from evo.data import sources
    from evo.fingerprint import current

    made = {part: mark for part, mark in marks(sources.load).items() if part.startswith("evo")}
    assert "evo.data.sources:urlsplit" in made
    assert {part for part, mark in made.items() if current(part) != mark} == set()


def test_a_trial_without_source_is_refused_in_one_sentence():
    space = {"__name__": "__main__"}
    exec("def trial(seed, width):\n    return {'accuracy': width}\n", space)
    with pytest.raises(TypeError, match="cannot read the source of trial: define it in a file or a notebook cell"):
        study(space["trial"], {"width": [4]}, name="made-by-exec")


@pytest.mark.parametrize("edit", ["0.7", "0.5  # half\n    # and a line more", ""])
def test_code_that_was_edited_after_its_import_is_refused(tmp_path, edit):
    """Else the record of a training names what stands in the file at its end, and not what ran."""
    folder = tmp_path / "evo"
    folder.mkdir()
    for path in Path(loop.__file__).parent.glob("*.py"):
        (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "toy.py").write_text("def halve(x):\n    return x * 0.5\n\n\ndef twice(x):\n    return halve(x) * 4\n", encoding="utf-8")
    code = ("import pathlib\nfrom evo import fingerprint, toy\n"
            "before, path = fingerprint.fingerprint(toy.twice), pathlib.Path(toy.__file__)\n"
            f"text = path.read_text(encoding='utf-8')\npath.write_text(text.replace('0.5', {edit!r} or '0.5'), encoding='utf-8')\n"
            "assert fingerprint.fingerprint(toy.twice) == before\nprint('as before')")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8",
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})
    if edit:
        said = done.stderr.strip().splitlines()[-1]
        assert said.startswith("RuntimeError: ") and "toy.py was edited" in said and "restart the kernel" in said, done.stderr
    else:
        assert done.stdout == "as before\n", done.stderr


def test_a_transposed_start_is_another_start():
    one, two = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        two.weight.copy_(one.weight.T)
    assert marks(one) != marks(two)


def test_a_row_that_the_budget_cut_is_marked_everywhere(monkeypatch, capsys):
    from evo import cuts

    cuts.forget()

    def long_trial(seed, width):
        fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=1_000_000, lr=1e-2, seed=seed)
        return {"accuracy": 0.5}

    monkeypatch.setenv("EVO_BUDGET", "1")
    found = study(long_trial, {"width": [4]}, name="cut", seeds=(0,))
    assert found.rows[0]["cut"] < 0.5 and "trained" in found.table().columns
    assert "cut" in cuts.sentence()

    from evo.claims import claim
    from evo.verdicts import CUT, difference

    shown = claim("x", "Text.", source="a", reported="b", effect=difference([1, 2, 3], [0, 0, 0]))
    assert shown.data["verdict"] == CUT and "cut" in shown.text
    import matplotlib.pyplot as plt

    figure = plt.figure()
    plt.show()
    assert "time budget" in figure.get_supxlabel()
    plt.close(figure)
    cuts.forget()


def test_checks_fail_in_proof_and_speak_in_a_changed_chapter(monkeypatch, capsys):
    from evo.checks import CheckFailed, check

    check(False, "the sky is green")
    assert "NOT SO HERE: the sky is green" in capsys.readouterr().err
    mode(monkeypatch, "verify")
    with pytest.raises(CheckFailed, match="the sky is green"):
        check(False, "the sky is green")
    check(True, "the sky is blue")




SENTENCE = "from IPython.display import Markdown, display\ndisplay(Markdown(f'right in **{0.83:.2f}** of the cases'))"
FIGURE = """from IPython.display import SVG
SVG('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/><g><text x="1">BERT <tspan>read</tspan></text></g><text>0.83</text></svg>')"""


@pytest.mark.slow
def test_a_number_in_a_displayed_sentence_or_figure_may_not_be_edited(tmp_path):
    """nbval compares what a cell displays as Markdown letter by letter, and what is written in a figure; its lines are not compared."""
    import os
    import re
    import subprocess
    import sys
    from pathlib import Path

    import nbformat

    root = Path(__file__).parents[1]
    shown = [{"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "right in **0.83** of the cases"},
             {"text/plain": "<IPython.core.display.SVG object>", "image/svg+xml": FIGURE.split("'")[1]}]
    edits = {"untouched": ("0.83", "0.83"), "line": ("M0 0", "M0 1"),
             "sentence": ("**0.83", "**0.93"), "number": (">0.83<", ">0.93<"), "legend": ("BERT", "GPT"), "part": ("read", "tuned")}
    for name, (old, new) in edits.items():
        assert sum(old in value for data in shown for value in data.values()) >= 1
        cells = []
        for count, (source, kind, data) in enumerate(zip((SENTENCE, FIGURE), ("display_data", "execute_result"), shown), 1):
            more = {"execution_count": count} if kind == "execute_result" else {}
            output = nbformat.v4.new_output(kind, data={mime: value.replace(old, new) for mime, value in data.items()}, **more)
            cells.append(nbformat.v4.new_code_cell(source, outputs=[output], execution_count=count))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    (tmp_path / "conftest.py").write_text((root / "book" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env", "."]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert set(re.findall(r"FAILED (\w+)\.ipynb", done.stdout)) == set(edits) - {"untouched", "line"}, done.stdout[-2000:]
    assert "4 failed, 8 passed" in done.stdout


def normed_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(X.shape[1], 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, int(Y.max()) + 1))


@pytest.mark.parametrize("proving", ["verify", "restamp"])
def test_a_proof_leaves_running_statistics_as_recorded(monkeypatch, proving):
    """The loss of the last steps is computed as in training: on a copy, or batch norm would go on learning."""
    def entry():
        return fit(normed_net(), loss_fn, Batches(X, Y, size=40), steps=30, lr=1e-2, name="normed", score=accuracy).model

    mode(monkeypatch, "record")
    entry()
    mode(monkeypatch, "zoo")
    recorded = {name: t.clone() for name, t in entry().state_dict().items()}
    mode(monkeypatch, proving)
    proved = entry().state_dict()
    assert all(torch.equal(proved[name], t) for name, t in recorded.items())


def test_a_cached_function_under_another_modules_name_is_no_change():
    from evo.data.pairs import portraits  # uses evo.data.photos.photos, which is cached, by its name in evo.data.pairs
    from evo.fingerprint import current

    made = {part: mark for part, mark in marks(portraits).items() if part.startswith("evo.")}
    assert {part for part, mark in made.items() if current(part) != mark} == set()
    assert any(part.startswith("evo.data.pairs:photo") for part in made)
