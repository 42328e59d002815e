"""fit, study and the zoo: memoised, budgeted, resumable, proved."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from evo import cuts, loop, recipe, train, zoo
from evo.data.text import WordNet
from evo.fingerprint import fingerprint
from evo.train import Batches, SimilarLength, fit, study

NAN, INF = float("nan"), float("inf")
torch.manual_seed(0)
X = torch.randn(400, 6)
Y = (X[:, 0] + X[:, 1] > 0).long()


def net(width=8, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 2))


def loss_fn(model, x, y):
    return nn.functional.cross_entropy(model(x + 0.01 * torch.randn_like(x)), y)


def score(model):
    return (model(X).argmax(1) == Y).float().mean()


def run(name="toy", steps=30, **changes):
    arguments = dict(model=net(), loss_fn=loss_fn, batches=Batches(X, Y, size=40), lr=1e-2, score=score) | changes
    return fit(**arguments, steps=steps, name=name)


class Gives(Batches):
    """The same for every step, whatever it is."""

    def __init__(self, given):
        super().__init__(X, size=40)
        self._given = given

    def at(self, step, seed=0):
        return self._given


def trial(seed, width):
    return {"accuracy": fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=20, lr=1e-2, seed=seed, score=score).score}


@pytest.fixture(autouse=True)
def own_zoo(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")
    zoo.FOLDER.mkdir()
    monkeypatch.setenv("EVO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EVO_TRAIN", "zoo")


def mode(monkeypatch, name):
    monkeypatch.setenv("EVO_TRAIN", name)


# ---- what enters the fingerprint


def loss_with_comment(model, x, y):
    """A docstring."""
    # and a comment
    return nn.functional.cross_entropy(
        model(x + 0.01 * torch.randn_like(x)), y)


def loss_with_constant(model, x, y):
    return nn.functional.cross_entropy(model(x + 0.02 * torch.randn_like(x)), y)


SCALE = 1.0


def loss_with_helper(model, x, y):
    return helper(model(x), y)


def helper(logits, y):
    return nn.functional.cross_entropy(logits * SCALE, y)


def test_a_comment_does_not_change_the_fingerprint_and_a_constant_does():
    assert body(loss_fn) == body(loss_with_comment)
    assert body(loss_fn) != body(loss_with_constant)


def test_a_data_set_counts_by_its_content():
    def small(*definitions):
        rows = np.arange(len(definitions))
        lists = dict(synsets=[], lemmas=[], examples=[], example_lemma=[], hypernyms=[])
        return WordNet(definitions=list(definitions), **lists, labels=rows, label_names=(), train=rows, valid=rows, test=rows)

    assert fingerprint(small("a", "b")) == fingerprint(small("a", "b")) != fingerprint(small("a", "c"))


def body(f):
    f = type(f)(f.__code__, f.__globals__, f.__name__)
    from evo.fingerprint import _dump, _syntax

    tree = _syntax(f)
    tree.name = "f"
    tree.body = [n for n in tree.body if not (hasattr(n, "value") and getattr(n.value, "value", None) == "")]
    return _dump(tree)


def test_what_the_loss_calls_and_the_globals_it_reads_count(monkeypatch):
    before = fingerprint(loss_with_helper)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name in ("__main__", __name__) or str(name).startswith("evo"))
    after_scale = fingerprint(loss_with_helper)
    monkeypatch.setitem(globals(), "helper", lambda logits, y: nn.functional.cross_entropy(logits, y))
    assert len({before, after_scale, fingerprint(loss_with_helper)}) == 3


@pytest.mark.parametrize("change", [
    dict(model=net(9)), dict(model=net(seed=1)), dict(model=nn.Sequential(*net(), nn.Identity())), dict(loss_fn=loss_with_constant),
    dict(batches=Batches(X + 1e-6, Y, size=40)), dict(batches=Batches(X, Y, size=41)),
    dict(seed=1), dict(lr=2e-2), dict(steps=31), dict(clip=None),
])  # fmt: skip
def test_a_changed_layer_loss_datum_or_argument_is_another_run(monkeypatch, change):
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name == __name__ or str(name).startswith("evo"))
    mode(monkeypatch, "record")
    run()
    mode(monkeypatch, "zoo")
    assert run().origin == "zoo"
    assert run(**change).origin == "trained"


def test_what_cannot_be_hashed_is_named(monkeypatch):
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name == __name__)
    with pytest.raises(TypeError, match="generator"):
        fingerprint(i for i in range(3))
    with pytest.raises(TypeError, match="def"):
        fingerprint(*[lambda: 1, lambda: 2])


def test_a_decorator_of_a_library_is_looked_through(monkeypatch):
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name == __name__)

    @torch.no_grad()
    def decorated():
        return 1

    def plain():
        return 1

    assert fingerprint(decorated) == fingerprint(decorated) != fingerprint(plain)


# ---- memoised and proved


def test_the_zoo_gives_back_what_was_recorded(monkeypatch):
    mode(monkeypatch, "record")
    made = run()
    mode(monkeypatch, "zoo")
    found = run()
    assert (made.origin, found.origin) == ("trained", "zoo")
    assert found.score == made.score and found.history == made.history
    for a, b in zip(made.model.parameters(), found.model.parameters()):
        assert torch.equal(a, b)
    assert list(zoo.shapes("toy").values()) == [tuple(p.shape) for _, p in sorted(made.model.named_parameters())]


def test_equal_runs_are_bitwise_equal_and_leave_the_callers_random_state_alone():
    torch.manual_seed(7)
    first = run(name=None)
    drawn = torch.rand(3)
    torch.manual_seed(7)
    second = run(name=None)
    assert torch.equal(drawn, torch.rand(3))
    assert first.history == second.history
    assert all(torch.equal(a, b) for a, b in zip(first.model.parameters(), second.model.parameters()))


def test_verify_replays_and_scores_again(monkeypatch):
    mode(monkeypatch, "record")
    run(), study(trial, {"width": [4, 8]}, name="sweep", seeds=(0, 1))
    mode(monkeypatch, "verify")
    run(), study(trial, {"width": [4, 8]}, name="sweep", seeds=(0, 1))


def tamper(name, key, value):
    """Change a recorded value as a clever forger would, checksum and all."""
    record = {**zoo.read(name), key: value}
    record["checksum"] = zoo._checksum(record)
    (zoo.FOLDER / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")


def test_a_tampered_record_is_caught(monkeypatch):
    mode(monkeypatch, "record")
    run()
    mode(monkeypatch, "verify")
    path = zoo.FOLDER / "toy.json"
    original = path.read_text(encoding="utf-8")
    path.write_text(original.replace('"steps": 30', '"steps": 40'), encoding="utf-8")
    with pytest.raises(zoo.ZooError, match="altered"):
        run()
    path.write_text(original, encoding="utf-8")
    tamper("toy", "first", [0.5, 0.5, 0.5])
    with pytest.raises(zoo.ZooError, match="first steps"):
        run()
    path.write_text(original, encoding="utf-8")
    tamper("toy", "score", 0.123)
    with pytest.raises(zoo.ZooError, match="scores"):
        run()


def test_a_tampered_weight_file_is_caught(monkeypatch):
    mode(monkeypatch, "record")
    run()
    mode(monkeypatch, "zoo")
    path = zoo.FOLDER / "toy.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(zoo.ZooError, match="altered"):
        run()
    path.unlink()
    with pytest.raises(zoo.ZooError, match="missing"):
        run()


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), lambda path: path.unlink()])
def test_the_remedy_that_is_named_for_a_damaged_weight_file_works(monkeypatch, damage):
    mode(monkeypatch, "record")
    run()
    path = zoo.FOLDER / "toy.safetensors"
    before = path.read_bytes()
    damage(path)
    mode(monkeypatch, "zoo")
    with pytest.raises(zoo.ZooError, match="make it anew with EVO_TRAIN=record"):
        run()
    mode(monkeypatch, "record")
    run()
    assert path.read_bytes() == before


def test_a_study_row_that_the_code_does_not_make_is_caught(monkeypatch):
    mode(monkeypatch, "record")
    study(trial, {"width": [4]}, name="sweep", seeds=(0,))
    rows = zoo.read("sweep")["rows"]
    tamper("sweep", "rows", [{**rows[0], "first": [1.0, 1.0, 1.0]}])
    mode(monkeypatch, "verify")
    with pytest.raises(zoo.ZooError, match="first steps"):
        study(trial, {"width": [4]}, name="sweep", seeds=(0,))


def test_restamp_renews_only_what_still_computes_the_same(monkeypatch):
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name == __name__ or str(name).startswith("evo"))
    mode(monkeypatch, "record")
    run()
    mark = zoo.read("toy")["fingerprint"]
    mode(monkeypatch, "restamp")
    run(loss_fn=loss_with_comment)  # another name, the same losses
    assert zoo.read("toy")["fingerprint"] != mark
    with pytest.raises(zoo.ZooError, match="first steps"):
        run(loss_fn=loss_with_helper)


def test_a_study_keeps_its_rows_when_settings_are_added(monkeypatch):
    mode(monkeypatch, "record")
    before = study(trial, {"width": [4]}, name="sweep", seeds=(0,)).rows
    after = study(trial, {"width": [4, 8]}, name="sweep", seeds=(0,))
    assert after.rows[0] == before[0] and len(after.rows) == 2
    assert after.mean("accuracy", width=8) == after.values("accuracy", width=8)[0]
    mode(monkeypatch, "zoo")
    assert study(trial, {"width": [4, 8]}, name="sweep", seeds=(0,)).origin == "zoo"


@pytest.mark.parametrize("seeds, grid, give", [
    (np.arange(2), dict(w=np.arange(1, 3)), np.float32), (torch.arange(2), dict(w=torch.arange(1, 3)), torch.tensor),
    ([np.int64(0), torch.tensor(1)], [dict(w=np.float32(1)), dict(w=torch.tensor(2))],
     lambda x: nn.Parameter(torch.tensor(float(x)))),
    ((n for n in range(2)), [dict(w=1), dict(w=np.uint8(2))], np.array), ({0, 1}, (dict(w=n) for n in (1, 2)), np.float64),
], ids=["numpy", "torch", "scalars", "generator", "set"])  # fmt: skip
def test_numbers_of_numpy_and_torch_are_numbers_to_a_study(monkeypatch, seeds, grid, give):
    def measured(seed, w):
        assert type(seed) is int and type(w) in (int, float)
        return {"sum": give(w + seed)}

    mode(monkeypatch, "record")
    found = study(measured, grid, name="sweep", seeds=seeds)
    assert [r["result"] for r in found.rows] == [{"sum": 1.0}, {"sum": 2.0}, {"sum": 2.0}, {"sum": 3.0}]
    mode(monkeypatch, "zoo")
    again = study(measured, [r["setting"] for r in found.rows[::2]], name="sweep", seeds=(0, 1))
    assert again.origin == "zoo" and again.rows == found.rows
    assert again.values("sum", w=np.int64(2)) == again.values("sum", w=2) == [2.0, 3.0]


@pytest.mark.parametrize("result", [None, [1.0], {1: 1.0}, {"acc": "0.5"}, {"acc": torch.ones(2, 2)}])
def test_a_trial_without_numbers_is_named_at_its_first_row(result):
    ran = []

    def forgetful(seed, w):
        ran.append(w)
        return result

    with pytest.raises(ValueError, match="forgetful.*'w': 1.*seed 0") as found:
        study(forgetful, dict(w=[1, 2]), name="sweep")
    assert ran == [1] and "\n" not in str(found.value)


# ---- the score: of the weights as they are kept, and by the function as it stands


def on_disk():
    return {p.name: p.read_bytes() for p in zoo.FOLDER.iterdir()}


def raising(model):
    raise RuntimeError("a slip in the score")


def interrupted(model):
    raise KeyboardInterrupt


def not_a_number(model):
    return NAN


@pytest.mark.parametrize("bad, error", [
    (raising, RuntimeError), (interrupted, KeyboardInterrupt), (not_a_number, FloatingPointError),
])  # fmt: skip
def test_a_score_that_fails_leaves_the_entry_on_disk_alone(monkeypatch, bad, error):
    mode(monkeypatch, "record")
    with pytest.raises(error):
        run(score=bad)
    assert on_disk() == {}, "half an entry"
    run()
    before = on_disk()
    for way, steps in ("always", 30), ("record", 31):
        mode(monkeypatch, way)
        with pytest.raises(error):
            run(score=bad, steps=steps)
        assert before == on_disk()


def test_an_entry_is_written_once_with_the_score_of_its_rounded_weights(monkeypatch):
    mode(monkeypatch, "record")
    written, write = [], zoo.write
    monkeypatch.setattr(zoo, "write", lambda name, record, model=None: written.append(record) or write(name, record, model))
    exactly = lambda model: sum(p.double().sum() for p in model.parameters())
    made = run(score=exactly)
    assert [record["score"] for record in written] == [made.score]
    mode(monkeypatch, "zoo")
    assert loop.score_of(run(score=exactly).model, exactly, 0) == made.score


@pytest.mark.parametrize("way", ["zoo", "record", "verify", "restamp", "audit", "always"])
def test_a_record_without_its_score_names_the_remedy(monkeypatch, way):
    mode(monkeypatch, "record")
    run()
    record = zoo.read("toy")
    del record["score"]
    zoo.write("toy", record)
    mode(monkeypatch, way)
    if way == "always":
        assert run().score == zoo.read("toy")["score"]
    else:
        with pytest.raises(zoo.ZooError, match="toy.* no score.*git.*EVO_TRAIN=always") as found:
            run()
        assert "\n" not in str(found.value)


def score_in_other_words(model):
    right = model(X).argmax(1) == Y
    return right.float().mean()


def other_score(model):
    return 0.25 + aside(model)


def aside(model):
    return 0.0


def aside_by_half(model):
    return 0.5


@pytest.fixture
def scored(monkeypatch):
    """An entry with its score, made by code that counts; from now on nothing may train."""
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name == __name__ or str(name).startswith("evo"))
    mode(monkeypatch, "record")
    made = run()

    def train(*arguments, **options):
        raise AssertionError("this must not train")

    monkeypatch.setattr(loop, "train", train)
    return made


def test_a_changed_score_is_computed_again_where_the_zoo_is_read(monkeypatch, capsys, scored):
    before = on_disk()
    mode(monkeypatch, "zoo")
    capsys.readouterr()
    assert run().score == scored.score and capsys.readouterr().err == ""
    assert run(score=other_score).score == 0.25
    said = capsys.readouterr().err
    assert "toy" in said and "scored again" in said and said.count("\n") == 1
    assert before == on_disk()


def test_what_the_score_calls_counts_too(monkeypatch, scored):
    assert run(score=other_score).score == 0.25
    monkeypatch.setitem(globals(), "aside", aside_by_half)
    mode(monkeypatch, "zoo")
    assert run(score=other_score).score == 0.75


def test_a_changed_score_is_recorded_without_training(monkeypatch, capsys, scored):
    before = zoo.read("toy"), on_disk()["toy.safetensors"]
    assert run(score=other_score).score == 0.25
    now = zoo.read("toy")
    assert now["score"] == 0.25 and now["scored_by"] != before[0]["scored_by"] and on_disk()["toy.safetensors"] == before[1]
    assert {k for k in now if now[k] != before[0][k]} == {"score", "scored_by"}
    capsys.readouterr()
    mode(monkeypatch, "zoo")
    assert run(score=other_score).score == 0.25 and capsys.readouterr().err == ""
    mode(monkeypatch, "record")
    kept = on_disk()
    with pytest.raises(RuntimeError, match="a slip"):
        run(score=raising)
    assert kept == on_disk()


def test_a_changed_score_fails_in_proof_until_it_is_restamped(monkeypatch, scored):
    mode(monkeypatch, "verify")
    run()
    for way in "verify", "audit":
        mode(monkeypatch, way)
        with pytest.raises(zoo.ZooError, match="toy.*score.*restamp.*record") as found:
            run(score=score_in_other_words)
        assert "\n" not in str(found.value)
    mode(monkeypatch, "restamp")
    with pytest.raises(zoo.ZooError, match="scores 0.25"):
        run(score=other_score)
    run(score=score_in_other_words)
    mode(monkeypatch, "verify")
    run(score=score_in_other_words)


@pytest.mark.parametrize("way", ["zoo", "record", "verify", "restamp"])
def test_a_record_that_does_not_say_what_scored_it_counts_as_before(monkeypatch, capsys, scored, way):
    record = zoo.read("toy")
    del record["scored_by"]
    zoo.write("toy", record)
    before = on_disk()
    mode(monkeypatch, way)
    assert run(score=score_in_other_words).score == scored.score
    assert "scored again" not in capsys.readouterr().err
    assert (before == on_disk()) == (way != "restamp")
    assert ("scored_by" in zoo.read("toy")) == (way == "restamp")


def test_a_score_that_cannot_be_told_is_no_obstacle(monkeypatch):
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name == __name__ or str(name).startswith("evo"))
    scores = [lambda model: 0.25, lambda model: 0.5]
    for way in "record", "zoo", "verify":
        mode(monkeypatch, way)
        assert run(score=scores[0]).score == 0.25
    assert zoo.read("toy")["scored_by"] is None


# ---- budgeted, resumable, on many processes


def test_an_unmatched_run_stops_within_its_budget_and_anneals(monkeypatch, capsys):
    monkeypatch.setenv("EVO_BUDGET", "1")
    began = time.perf_counter()
    result = run(name="long", steps=1_000_000)
    assert time.perf_counter() - began < 10 and result.steps < 1_000_000
    assert "bent to fit" in capsys.readouterr().err


def test_what_the_budget_cut_stands_under_every_later_table(monkeypatch):
    import IPython
    import pandas as pd
    from IPython.core.formatters import DisplayFormatter

    shell = SimpleNamespace(display_formatter=DisplayFormatter())
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    table = pd.DataFrame({"accuracy": [0.5, 0.25]})
    show = lambda x: shell.display_formatter.format(x)[0]
    before = show(table)
    assert before["text/plain"] == repr(table) and "<table" in before["text/html"]

    def long_trial(seed, width):
        fit(net(width, seed), loss_fn, Batches(X, Y, size=40), steps=1_000_000, lr=1e-2, seed=seed)
        return {"accuracy": 0.5}

    study(trial, {"width": [4]}, name="whole", seeds=(0,))
    assert show(table) == before, "nothing was cut"
    monkeypatch.setenv("EVO_BUDGET", "0.5")
    study(long_trial, {"width": [4]}, name="cut", seeds=(0,))
    after = show(table)
    assert after.keys() == before.keys() and cuts.sentence().startswith("stopped by the time budget: cut")
    assert after["text/plain"] == f"{before['text/plain']}\n{cuts.sentence()}"
    assert after["text/html"].startswith(before["text/html"]) and after["text/html"].count(cuts.sentence()) == 1
    assert "budget" not in str(show([1, 2])) and show(3)["text/plain"] == "3"
    cuts.forget()
    assert show(table) == before


SCRIPT = """
    import sys, time
    sys.path.insert(0, {tests!r})
    from test_train import *
    from evo import loop
    loop.CHECKPOINT_EVERY = 0
    def slow_down():
        return float(os.environ["SLOW"])
    def loss_slow(model, x, y):
        time.sleep(slow_down())
        return loss_fn(model, x, y)
    torch.manual_seed(0)
    result = fit(net(), loss_slow, Batches(X, Y, size=40), steps=60, lr=1e-2, name="killed", score=score)
    print(json.dumps(result.history))
"""


def script(tmp_path, slow):
    path = tmp_path / "killed.py"
    tests = os.path.dirname(__file__)
    path.write_text(textwrap.dedent(SCRIPT).format(tests=tests), encoding="utf-8")
    env = {**os.environ, "EVO_CACHE": str(tmp_path / "runs"), "PYTHONPATH": os.path.dirname(tests), "EVO_TRAIN": "zoo", "SLOW": str(slow)}
    return subprocess.Popen([sys.executable, str(path)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


def test_a_run_killed_in_the_middle_resumes_to_the_same_losses(tmp_path):
    victim = script(tmp_path, slow=0.05)
    checkpoints = tmp_path / "runs" / "runs"
    deadline = time.time() + 60
    while time.time() < deadline and not list(checkpoints.glob("*/checkpoint.safetensors")):
        time.sleep(0.02)
    time.sleep(0.5)
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=120)
    assert list(checkpoints.glob("*/checkpoint.safetensors")), "no checkpoint was written before the kill"
    resumed, errors = script(tmp_path, slow=0.05).communicate(timeout=120)
    assert "resuming at step" in errors
    (tmp_path / "fresh").mkdir()
    unbroken, _ = script(tmp_path / "fresh", slow=0).communicate(timeout=120)
    assert json.loads(resumed.splitlines()[-1]) == json.loads(unbroken.splitlines()[-1])
    assert not list(checkpoints.glob("*/*")), "a finished run leaves its checkpoint behind"


PLAN = dict(steps=12, lr=1e-2, seed=0, weight_decay=0.05, warmup=0.05, clip=1.0, accumulate=1, precision=None)


def killed_when_bent(monkeypatch, die=30):
    """A run of 200 steps by a clock on which 50 of them fit, killed at step `die`; what each later step is told, and its bent length."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0)
    monkeypatch.setenv("EVO_BUDGET", "1")
    told, clock, step = [], [0.0], recipe.take_step
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def timed(accelerator, model, optimizer, loss_fn, batches, number, plan):
        if number == die and die not in told:
            told.append(die)
            raise KeyboardInterrupt
        clock[0] += 0.02
        told.append((number, plan["steps"]))
        return step(accelerator, model, optimizer, loss_fn, batches, number, plan)

    monkeypatch.setattr(recipe, "take_step", timed)
    with pytest.raises(KeyboardInterrupt):
        run(name="bent", steps=200)
    bent = told[-2][1]
    assert bent < 200, "the run was not bent"
    told[:] = [die]
    return told, bent


def test_a_bent_run_that_is_killed_goes_on_at_its_bent_rate(monkeypatch):
    told, bent = killed_when_bent(monkeypatch)
    result = run(name="bent", steps=200)
    assert told[1][0] in (29, 30) and {steps for _, steps in told[1:]} == {bent}, "the schedule is another after resuming"
    assert (result.steps, result.planned) == (bent, 200)


def test_a_bent_runs_checkpoint_is_not_the_start_of_a_whole_run(monkeypatch, capsys):
    told, bent = killed_when_bent(monkeypatch)
    monkeypatch.setenv("EVO_BUDGET", "inf")
    result = run(name="bent", steps=200)
    assert told[1] == (0, 200) and result.steps == 200 and result.planned is None
    assert f"shortened to {bent}" in capsys.readouterr().err


def test_a_checkpoint_from_before_it_told_the_bent_length_still_loads(monkeypatch, capsys):
    killed_when_bent(monkeypatch)
    path = next((zoo.cache() / "runs").glob("*/checkpoint.safetensors"))
    with loop.safe_open(path, "pt") as file:
        tensors, meta = {k: file.get_tensor(k) for k in file.keys()}, file.metadata()
    meta.pop("bent", None)
    data = loop.save(tensors, metadata=meta)
    path.write_bytes(data)
    path.with_suffix(".sha256").write_text(hashlib.sha256(data).hexdigest(), encoding="utf-8")
    assert run(name="bent", steps=200).steps < 200 and "resuming at step" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["empty", "cut short", "a flipped bit", "no checksum"])
def test_a_damaged_checkpoint_is_set_aside_and_training_starts_again(monkeypatch, capsys, damage):
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0)
    whole, _ = loop.train(net(), loss_fn, Batches(X, Y, size=40), PLAN, mark="damaged")
    path = loop._checkpoint_path("damaged")  # of the last step but one
    data = path.read_bytes()
    if damage == "no checksum":
        path.with_suffix(".sha256").unlink()
    else:
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        path.write_bytes({"empty": b"", "cut short": data[:200], "a flipped bit": flipped}[damage])
    again, first = loop.train(net(), loss_fn, Batches(X, Y, size=40), PLAN, mark="damaged")
    assert again.history == whole.history and len(first) == zoo.REPLAY
    assert str(path) in capsys.readouterr().err and path.with_suffix(".damaged").exists()


def test_two_processes_give_the_losses_of_one(tmp_path):
    path = tmp_path / "many.py"
    tests = os.path.dirname(__file__)
    path.write_text(textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {tests!r})
        from test_train import *
        accumulate = int(sys.argv[1])
        result = fit(net(), loss_fn, Batches(X, Y, size=40), steps=20, lr=1e-2, accumulate=accumulate)
        if os.environ.get("RANK", "0") == "0":
            print(json.dumps(result.history))
    """), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": os.path.dirname(tests), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}

    def losses(command):
        out = subprocess.run(command, env=env, capture_output=True, timeout=120, encoding="utf-8")
        assert out.returncode == 0, out.stderr[-2000:]
        return [loss for _, loss in json.loads([line for line in out.stdout.splitlines() if line.startswith("[[")][-1])]

    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(path)]
    assert losses([*torchrun, "1"]) == pytest.approx(losses([sys.executable, str(path), "2"]), rel=1e-4)


def test_accumulation_gives_the_losses_of_the_whole_batch():
    def exact(model, x, y):
        return nn.functional.cross_entropy(model(x), y)

    whole, sliced = run(None, loss_fn=exact), run(None, loss_fn=exact, accumulate=4)
    assert [x for _, x in sliced.history] == pytest.approx([x for _, x in whole.history], rel=1e-4)


def test_mixed_precision_computes_in_half_the_bits_and_learns():
    half, full = run(None, steps=200, lr=3e-2, precision="bf16"), run(None, steps=200, lr=3e-2, precision="fp32")
    assert half.history != full.history
    assert min(half.score, full.score) > 0.95
    assert all(p.dtype == torch.float32 for p in half.model.parameters())


# ---- what the optimizer does


def test_learning_rate_warms_up_and_falls_to_zero():
    factors = [recipe.schedule(s, 100, 0.1) for s in range(100)]
    assert factors[0] < 0.1 and max(factors) == pytest.approx(factors[10]) == pytest.approx(1) and factors[-1] < 1e-3


def test_only_weight_matrices_decay():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4))
    decayed, rest = recipe.groups(model, 0.1)
    assert [p is model[1].weight for p in decayed["params"]] == [True] and len(rest["params"]) == 4


def test_batches_are_a_function_of_step_and_seed_and_cover_an_epoch():
    batches = Batches(torch.arange(10), size=5)
    assert torch.cat([batches.at(0)[0], batches.at(1)[0]]).sort().values.tolist() == list(range(10))
    late = batches.at(7, seed=3)[0]
    assert torch.equal(late, Batches(torch.arange(10), size=5).at(7, seed=3)[0])
    assert not torch.equal(late, batches.at(7, seed=4)[0])


# ---- batches of similar length


def similar(n=103, size=5, pool=4):
    lengths = torch.randint(1, 60, (n,), generator=torch.Generator().manual_seed(0))
    return lengths, SimilarLength(torch.arange(n), lengths, lengths=lengths, size=size, pool=pool)


def test_similar_lengths_show_every_row_at_most_once_an_epoch_and_then_anew():
    _, batches = similar()
    epochs = [torch.cat([batches.at(step)[0] for step in range(first, first + 20)]) for first in (0, 20, 40)]
    assert all(epoch.shape == (100,) and epoch.unique().numel() == 100 for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 3
    _, whole = similar(n=100)
    assert torch.cat([whole.at(step)[0] for step in range(20)]).sort().values.tolist() == list(range(100))


def test_similar_lengths_are_a_function_of_step_and_seed():
    _, batches = similar()
    late = batches.at(33, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(late, similar()[1].at(33, seed=3)))
    assert not torch.equal(late[0], batches.at(33, seed=4)[0])
    batches.at(2)
    assert fingerprint(batches) == fingerprint(similar()[1])  # what was asked before leaves no trace


def test_similar_lengths_waste_little_and_come_in_no_order():
    lengths, batches = similar(n=2000, size=20, pool=20)
    rows = [batches.at(step) for step in range(100)]
    longest = torch.stack([length.max() for _, length in rows]).float()
    used = lengths.float().mean() / longest.mean()
    plain = Batches(lengths, size=20)
    assert used > 0.9 > 0.6 > lengths.float().mean() / torch.stack([plain.at(step)[0].max() for step in range(100)]).float().mean()
    assert all(torch.equal(lengths[row], length) for row, length in rows)
    assert (longest[1:] < longest[:-1]).float().mean().item() == pytest.approx(0.5, abs=0.15)


def test_one_batch_in_the_pool_is_plain_shuffling():
    lengths, batches = similar(n=40, size=5, pool=1)
    plain = Batches(torch.arange(40), size=5)
    ours, theirs = ({tuple(sorted(b.at(step)[0].tolist())) for step in range(8)} for b in (batches, plain))
    assert ours == theirs


def test_fit_with_similar_lengths_resumes_to_the_same_losses(monkeypatch):
    def batches():
        return SimilarLength(X, Y, lengths=torch.arange(400) % 17, size=40, pool=3)

    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0)
    unbroken = run(batches=batches(), steps=25)
    calls, step = [], recipe.take_step

    def stumble(*arguments):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(recipe, "take_step", stumble)
    with pytest.raises(KeyboardInterrupt):
        run(batches=batches(), steps=25)
    resumed = run(batches=batches(), steps=25)
    assert len(calls) == 12 + 14 and resumed.history == unbroken.history


def test_lengths_must_fit_the_rows():
    with pytest.raises(ValueError, match="lengths has 3 entries for 400 rows"):
        SimilarLength(X, Y, lengths=torch.ones(3), size=4)


# ---- bad input


@pytest.mark.parametrize("wrong, names", [
    (dict(steps=0), "steps"), (dict(lr=0), "lr"), (dict(warmup=1.0), "warmup"), (dict(clip=0), "clip"),
    (dict(accumulate=0), "accumulate"), (dict(precision="int8"), "precision"),
    *((dict(steps=bad), "steps") for bad in (True, 1.5, "9", None)), *((dict(seed=bad), "seed") for bad in (True, 0.5, "0", None)),
    *((dict(lr=bad), "lr") for bad in (NAN, INF, -1, True, "0.1", None, [0.1])),
    *((dict(weight_decay=bad), "weight_decay") for bad in (-1, NAN, INF, True, "0", None)),
    *((dict(warmup=bad), "warmup") for bad in (NAN, -0.1, True, "0", None)), *((dict(clip=bad), "clip") for bad in (NAN, -1, True, "1")),
    *((dict(accumulate=bad), "accumulate") for bad in (True, 2.0, None)),
    *((dict(seed=bad), "seed") for bad in (torch.tensor(0.5), torch.tensor(True), np.float32(1), np.arange(2))),
    *((dict(name=bad), "name") for bad in (3, "", " ", b"toy", ["toy"])),
    (dict(accumulate=41), "a batch of 40 rows.*accumulate=40 or less"),
    (dict(loss_fn=lambda model, x, y: loss_fn(model, x, y).item()), "a float: it must return a tensor"),
    (dict(loss_fn=lambda model, x, y: None), "a NoneType: it must return a tensor"),
    (dict(loss_fn=lambda model, x, y: model(x).logsumexp(1)), r"shape \(40,\).*\.mean\(\)"),
    (dict(loss_fn=lambda model, x, y: loss_fn(model, x, y).detach()), "no weight that learns"),
    (dict(loss_fn=lambda model, x, y: (model(x).argmax(1) == y).sum()), "no weight that learns"),
    (dict(batches=Gives([X, Y])), "tuple of tensors, got a list"),
    (dict(batches=Gives((X, Y.tolist()))), "a tuple that holds a list"),
    (dict(batches=Gives((X, Y[0]))), "0 rows"),
])  # fmt: skip
def test_a_bad_argument_is_named(wrong, names):
    for name in (None, "bad") if "batches" not in wrong else (None,):  # a class of this file has no fingerprint
        with pytest.raises(ValueError, match=names) as found:
            run(**{"name": name, **wrong})
        assert "\n" not in str(found.value) and "/evo/" in str(found.traceback[-1].path)


def test_bad_input_is_named_before_its_cost():
    """At the first step, not at the end of a first epoch or of a batch of many slices."""
    calls = []

    def vectors(model, x, y):
        calls.append(1)
        return model(x)

    with pytest.raises(ValueError, match=r"shape \(10, 2\)"):
        run(None, loss_fn=vectors, accumulate=4)
    assert len(calls) == 1


def test_looking_at_the_first_step_computes_and_draws_nothing_twice():
    asked, losses = [], []

    class Counting(Batches):
        def at(self, step, seed=0):
            asked.append((step, torch.initial_seed()))
            return super().at(step, seed)

    def counted(model, x, y):
        losses.append(1)
        return loss_fn(model, x, y)

    run(None, batches=Counting(X, Y, size=40), loss_fn=counted, steps=5, accumulate=2)
    assert [step for step, _ in asked] == [0, 1, 2, 3, 4] and len(losses) == 10


def test_other_bad_input_is_one_clear_error(monkeypatch):
    with pytest.raises(ValueError, match="one length"):
        Batches(X, Y[:3], size=2)
    with pytest.raises(ValueError, match="size"):
        Batches(X, size=401)
    with pytest.raises(FloatingPointError, match="lower lr"):
        run(None, loss_fn=lambda model, x, y: model(x).sum() * float("nan"))
    with pytest.raises(ValueError, match="finite"):
        study(lambda seed, a: {"accuracy": float("nan")}, {"a": [1]}, name="sweep", seeds=(0,))
    with pytest.raises(ValueError, match="at least one setting"):
        study(trial, [], name="sweep")
    for name, value in [("EVO_TRAIN", "sometimes"), ("EVO_BUDGET", "soon"), ("EVO_DEVICE", "tpu")]:
        with monkeypatch.context() as m:
            m.setenv(name, value)
            with pytest.raises(ValueError, match=name):
                run()
    mode(monkeypatch, "verify")
    with pytest.raises(zoo.ZooError, match="not in the zoo"):
        run("unknown")


def test_a_nan_loss_leaves_the_entry_on_disk_alone(monkeypatch):
    mode(monkeypatch, "record")
    run()
    before = {p.name: p.read_bytes() for p in zoo.FOLDER.iterdir()}
    mode(monkeypatch, "always")
    with pytest.raises(FloatingPointError):
        run(lr=1e30, clip=None, loss_fn=lambda model, x, y: nn.functional.cross_entropy(model(x), y) * 1e30)
    assert before == {p.name: p.read_bytes() for p in zoo.FOLDER.iterdir()}


def test_nothing_is_ever_unpickled():
    """No torch.load, pickle or joblib anywhere in the package."""
    import pathlib
    import re

    for path in pathlib.Path(train.__file__).parent.rglob("*.py"):
        assert not re.search(r"\bpickle\b\.|import pickle|torch\.load\(|joblib|allow_pickle=True", path.read_text(encoding="utf-8")), path
