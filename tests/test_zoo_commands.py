"""`evo zoo stale | why | record --only | audit | restamp`, on a toy chapter with a zoo of its own."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
CELLS = ["""
import torch
from torch import nn
from evo.blocks import Block
from evo.objectives import masked_regression
from evo.train import Batches, fit, study

LR, STEPS = 1e-2, 2 * 15
torch.manual_seed(0)
data = torch.randn(64, 3, 8)""", """
def loss_fn(model, x: torch.Tensor):
    "what the toy is asked"
    return (model(x) - x.flip(1)).square().mean()

torch.manual_seed(1)
run = fit(Block(8, 2), loss_fn, Batches(data, size=16), steps=STEPS, lr=LR, name="toy-block")
""", """
def trial(seed, width):
    torch.manual_seed(seed)
    model = fit(nn.Linear(8, 8), loss_fn, Batches(data, size=16), steps=20, lr=1e-2 * width, seed=seed).model
    return {"error": float(loss_fn(model, data))}

found = study(trial, {"width": [1, 2]}, name="toy-study", seeds=(0, 1))
"""]


class Toy:
    """A repository of one chapter."""

    def __init__(self, folder):
        self.folder, self.zoo = folder, folder / "evo" / "zoo"
        for path in ("book/part", "evo/zoo"):
            (folder / path).mkdir(parents=True)
        for source in (ROOT / "evo").rglob("*.py"):
            target = folder / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        self.write(CELLS)

    def write(self, cells):
        notebook = {"cells": [{"cell_type": "code", "source": cell} for cell in cells], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}
        (self.folder / "book" / "part" / "toy.ipynb").write_text(json.dumps(notebook), encoding="utf-8")

    def evo(self, *words, expect=0):
        env = {**os.environ, "PYTHONPATH": str(self.folder), "EVO_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "evo", *words]
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, timeout=300, encoding="utf-8")
        assert done.returncode == expect, done.stdout + done.stderr[-3000:]
        return done.stdout + done.stderr

    def edit(self, name, old, new):
        path = self.folder / "evo" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def record(self, name):
        return json.loads((self.zoo / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    toy = Toy(tmp_path_factory.mktemp("toy"))
    toy.evo("zoo", "record")
    return toy


@pytest.fixture
def toy(made, tmp_path):
    import shutil

    shutil.copytree(made.folder, tmp_path / "toy")
    fresh = object.__new__(Toy)
    fresh.folder, fresh.zoo = tmp_path / "toy", tmp_path / "toy" / "evo" / "zoo"
    return fresh


def test_nothing_is_stale_after_recording_nor_after_an_edit_of_words(toy):
    assert "0 of 2" in toy.evo("zoo", "stale")
    toy.edit("blocks.py", "class Block(nn.Module):\n", "class Block(nn.Module):\n    # a comment\n")
    toy.write([CELLS[0], CELLS[1].replace("x: torch.Tensor", "x").replace("what the toy is asked", "other words"), CELLS[2]])
    assert "0 of 2" in toy.evo("zoo", "stale")
    assert "verified" in toy.evo("zoo", "verify")


@pytest.mark.parametrize("file, old, new, names, part", [
    ("recipe.py", "BETAS = (0.9, 0.95)", "BETAS = (0.9, 0.999)", {"toy-block", "toy-study"}, "evo.recipe:BETAS"),
    ("recipe.py", "0.5 * (1 + math.cos", "1.0 * (1 + math.cos", {"toy-block", "toy-study"}, "evo.recipe:schedule"),
    ("blocks.py", "nn.Linear(dim, 4 * dim)", "nn.Linear(dim, 4 * dim, bias=True)", {"toy-block"}, "evo.blocks:feed_forward"),
])  # fmt: skip
def test_an_edit_of_the_package_is_named(toy, file, old, new, names, part):
    toy.edit(file, old, new)
    said = toy.evo("zoo", "why", "toy-block", "toy-study")
    assert {name for name in ("toy-block", "toy-study") if f"{name}: nothing differs" not in said} == names
    assert said.count(part) == len(names)


@pytest.mark.parametrize("cell, old, new, names, part", [
    (1, "x.flip(1)", "x.flip(2)", {"toy-block", "toy-study"}, "chapter:loss_fn"),
    (2, "1e-2 * width", "2e-2 * width", {"toy-study"}, "chapter:trial"),
    (2, "seeds=(0, 1)", "seeds=range(3)", {"toy-study"}, "asked for and not recorded: [{\"width\": 1}, 2], [{\"width\": 2}, 2]"),
    (0, "2 * 15", "2 * 16", {"toy-block"}, "steps=32"),
    (0, "LR, STEPS = 1e-2", "LR, STEPS = 2e-2", {"toy-block"}, "lr=0.02"),
])  # fmt: skip
def test_an_edit_of_the_chapter_is_named(toy, cell, old, new, names, part):
    cells = list(CELLS)
    assert old in cells[cell]
    cells[cell] = cells[cell].replace(old, new)
    toy.write(cells)
    said = toy.evo("zoo", "why", "toy-block", "toy-study")
    assert {name for name in ("toy-block", "toy-study") if f"{name}: nothing differs" not in said} == names
    assert said.count(part) == len(names)


def test_restamp_renews_words_and_refuses_another_computation(toy):
    cells = [CELLS[0], CELLS[1].replace("(model(x) - x.flip(1))", "(x.flip(1) - model(x))"), CELLS[2]]
    toy.write(cells)
    toy.evo("zoo", "stale", expect=1)
    assert "toy: restamped" in toy.evo("zoo", "restamp")
    assert "0 of 2" in toy.evo("zoo", "stale")
    before = {name: toy.record(name) for name in ("toy-block", "toy-study")}
    toy.write([*cells[:2], cells[2].replace('float(loss_fn(model, data))', '1 - float(loss_fn(model, data))')])
    assert "comes out as" in toy.evo("zoo", "restamp", expect=2)
    assert before == {name: toy.record(name) for name in before}  # the first entry, too: the whole chapter or nothing


def test_one_entry_alone_is_made_anew(toy):
    toy.edit("recipe.py", "BETAS = (0.9, 0.95)", "BETAS = (0.9, 0.951)")
    study = toy.record("toy-study")
    toy.evo("zoo", "record", "--only", "toy-block")
    assert toy.record("toy-study") == study
    said = toy.evo("zoo", "stale", expect=1)
    assert "toy-study:" in said and "toy-block:" not in said


def test_one_new_entry_is_recorded_alone_if_its_chapter_is_named(toy):
    study = toy.record("toy-study")
    toy.write([CELLS[0], CELLS[1], CELLS[2], CELLS[1].replace("toy-block", "toy-new").replace("LR", "2 * LR")])
    assert "name the chapter, too" in toy.evo("zoo", "record", "--only", "toy-new", expect=2)
    assert "toy makes no entry 'toy-nwe'" in toy.evo("zoo", "record", "toy", "--only", "toy-nwe", expect=2)
    toy.evo("zoo", "record", "toy", "--only", "toy-new")
    assert toy.record("toy-new")["settings"]["lr"] == 0.02 and toy.record("toy-study") == study


def test_an_audit_makes_the_longest_unaudited_first_and_a_forged_row_fails_it(toy):
    record = toy.record("toy-study")
    for row in record["rows"]:
        row["audit"] = {"date": "2020-01-01", "device": "CPU", "torch": "2", "difference": 0.1}
    del record["rows"][2]["audit"]
    record["rows"][2]["result"]["error"] += 0.5
    del record["checksum"]
    rewrite = "import json, sys; from evo import zoo; zoo.write('toy-study', json.load(sys.stdin))"
    env = {**os.environ, "PYTHONPATH": str(toy.folder)}
    subprocess.run([sys.executable, "-c", rewrite], input=json.dumps(record), text=True, env=env, check=True,
                   cwd=toy.folder, encoding="utf-8")
    assert "toy-study" in toy.evo("zoo", "audit", "--plan", "--minutes", "1")
    assert "error comes out as" in toy.evo("zoo", "audit", "toy-study", expect=2)
    assert "did you mean toy-study" in toy.evo("zoo", "audit", "toy-studi", expect=2)


def test_a_notebook_is_read_once_for_all_its_entries_but_an_edit_is_seen(tmp_path, monkeypatch):
    """Parsing it anew for every entry took 17 of the 20 seconds of `evo zoo stale`."""
    from evo import stale, zoo
    from evo.fingerprint import whole

    def write(rate):
        cells = [{"cell_type": "code", "source": f"LR = {rate}\nfit(net, loss, data, steps=2, lr=LR, name='{name}')"} for name in names]
        path.write_text(json.dumps({"cells": cells}), encoding="utf-8")

    path, names, read = tmp_path / "toy.ipynb", [f"toy-{i}" for i in range(9)], []
    cells = stale._cells
    monkeypatch.setattr(stale, "_cells", lambda notebook: read.append(1) or cells(notebook))
    monkeypatch.setattr(zoo, "read", lambda name: {"parts": {}, "fingerprint": whole({}), "settings": {"lr": 0.5}})
    write(0.5)
    assert [stale.differences(name, path) for name in names] == [[]] * 9 and len(read) == 1
    write(0.7)  # as long as before, and perhaps within one tick of the file's clock
    assert [stale.differences(name, path) for name in names] == [["lr=0.7, recorded 0.5"]] * 9 and len(read) == 2


def told(monkeypatch, folder, *cells, rows=None, **changes):
    """What `evo zoo stale` says of a study of two widths and two seeds, named toy, of a chapter of these cells."""
    from evo import stale, zoo
    from evo.fingerprint import whole

    rows = rows or [{"setting": {"width": width}, "seed": seed} for width in (1, 2) for seed in (0, 1)]
    record = {"kind": "study", "parts": {}, "fingerprint": whole({}), "rows": rows, **changes}
    monkeypatch.setattr(zoo, "read", lambda name: record)
    path = folder / "toy.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]}), encoding="utf-8")
    return stale.differences("toy", path)


@pytest.mark.parametrize("grid, seeds", [
    ("[dict(width=1), {'width': 2}]", "(0, 1)"), ("{'width': [1, 2]}", "range(2)"), ("dict(width=range(1, 3))", "SEEDS"),
    ("WIDE", "[*SEEDS]"), ("[dict(width=w) for w in (1, 2)]", "MORE[:2]"), ("grid=dict(width=WIDTHS)", "list(SEEDS)"),
    ("grid=[{'width': 1}, *[dict(width=w) for w in WIDTHS if w == 2]]", "SEEDS"),
])  # fmt: skip
def test_rows_that_a_study_asks_for_are_compared_with_those_recorded(monkeypatch, tmp_path, grid, seeds):
    head = "SEEDS, MORE = (0, 1), list(range(9))\nWIDTHS = [1, 2]\nWIDE = dict(width=[1, 2])"
    say = lambda grid, seeds: told(monkeypatch, tmp_path, head, f"found = study(trial, {grid}, name='toy', seeds={seeds})")
    assert say(grid, seeds) == []
    assert say(grid, "range(5)") == [
        'asked for and not recorded: [{"width": 1}, 2], [{"width": 1}, 3], [{"width": 1}, 4] and 3 more']
    assert say(grid, "[0]") == ['recorded and not asked for: [{"width": 1}, 1], [{"width": 2}, 1]']
    assert say("dict(width=[1, 2, 3])", seeds) == ['asked for and not recorded: [{"width": 3}, 0], [{"width": 3}, 1]']
    assert say("computed()", seeds) == say(grid, "computed()") == say("computed()", "computed()") == []
    assert say("computed()", "(0, 1, 2)") == ['asked for and not recorded: [{"width": 1}, 2], [{"width": 2}, 2]']
    assert say("dict(width=[2, 3])", "computed()") == ['asked for and not recorded: [{"width": 3}, 0]']


def test_without_seeds_a_study_asks_for_three(monkeypatch, tmp_path):
    assert told(monkeypatch, tmp_path, "study(trial, dict(width=[1, 2]), name='toy')") == [
        'asked for and not recorded: [{"width": 1}, 2], [{"width": 2}, 2]']


@pytest.mark.parametrize("cells", [
    ["SEEDS = (0, 1)", "SEEDS = (0, 1, 2)"],  # which of them was meant only a run can tell
    ["SEEDS = [0]", "SEEDS.append(1)"], ["SEEDS = [0]", "SEEDS += [1]"], ["SEEDS = [0, 7]", "SEEDS[1] = 1"],
    ["SEEDS = [0]", "def more():\n    SEEDS.append(1)\nmore()"], ["for SEEDS in ([0], [0, 1]):\n    pass"],
    ["from somewhere import SEEDS"], ["SEEDS = len('ab')"], ["SEEDS = 2"], ["%%time\nSEEDS = (0, 1)"],
])  # fmt: skip
def test_what_a_text_does_not_tell_of_a_study_is_left_alone(monkeypatch, tmp_path, cells):
    assert told(monkeypatch, tmp_path, *cells, "study(trial, dict(width=[1, 2]), name='toy', seeds=SEEDS)") == []


def test_calls_of_a_study_count_together_and_one_in_a_function_is_unreadable(monkeypatch, tmp_path):
    one, two = (f"study(trial, dict(width=[{width}]), name='toy', seeds=(0, 1))" for width in (1, 2))
    assert told(monkeypatch, tmp_path, one, two) == []
    assert told(monkeypatch, tmp_path, one) == ['recorded and not asked for: [{"width": 2}, 0], [{"width": 2}, 1]']
    inside = "def found(width):\n    return study(trial, dict(width=[width]), name='toy', seeds=(0, 1, 2))"
    assert told(monkeypatch, tmp_path, one, inside) == told(monkeypatch, tmp_path, inside) == []


def test_other_clocks_and_a_fingerprint_that_is_not_of_the_parts_are_named(monkeypatch, tmp_path):
    call = "study(trial, dict(width=[1, 2]), name='toy', seeds=(0, 1), clocks=['s', *MORE])"
    say = lambda **changes: told(monkeypatch, tmp_path, "MORE = ('ms',)", call, **changes)
    assert say() == say(clocks=["ms", "s"]) == []
    assert say(clocks=["s"]) == ["clocks=['ms', 's'], recorded ['s']"]
    assert say(fingerprint="0" * 16) == ["the fingerprint is not that of the parts"]


def test_what_was_never_audited_comes_first_the_oldest_before_the_others(monkeypatch):
    from evo import zoo
    from evo.zoo import commands

    records = {
        "audited": {"made": {"date": "2026-01-01"}, "seconds": 60, "audit": {"date": "2026-03-01"}},
        "new": {"made": {"date": "2026-02-02"}, "seconds": 60},
        "rows": {"made": {"date": "2026-02-03", "device": "CPU"}, "seconds": 180, "rows": [
            {"setting": {}, "seed": 0, "seconds": 60, "made": {"date": "2026-01-02"}},
            {"setting": {}, "seed": 1, "seconds": 60},
            {"setting": {}, "seed": 2, "seconds": 60, "made": {"date": "2026-01-02"}, "audit": {"date": "2026-02-20", "difference": 0.5}}]},
    }  # fmt: skip
    records["audited"]["made"]["device"] = records["new"]["made"]["device"] = "CPU"
    monkeypatch.setattr(zoo, "names", lambda: list(records))
    monkeypatch.setattr(zoo, "read", records.get)
    first, second, third = (f"[{{}}, {seed}]" for seed in range(3))
    assert commands.plan(60) == {"rows": [first]}
    assert commands.plan(120) == {"rows": [first], "new": True}
    assert commands.plan(180) == {"rows": [first, second], "new": True}
    assert commands.plan(240) == {"rows": [first, second, third], "new": True}
    assert len(commands.plan(300, turn="a commit")) == 3
    assert zoo.audited("rows")["rows"] == {
        "made": ["2026-01-02", "2026-02-03"], "date": "2026-02-20", "device": None, "share": 1 / 3, "difference": 0.5}


def test_a_row_that_found_caches_filled_counts_as_much_as_its_study_does_on_average(monkeypatch):
    from evo import zoo
    from evo.zoo import commands

    made = {"date": "2026-01-02", "device": "CPU"}
    rows = [{"setting": {}, "seed": seed, "seconds": seconds, "result": {"x": 1.0}} for seed, seconds in enumerate((90.0, 0.1))]
    monkeypatch.setattr(zoo, "names", lambda: ["warm"])
    monkeypatch.setattr(zoo, "read", {"warm": {"made": made, "seconds": 90.1, "rows": rows}}.get)
    assert commands.plan(40) == {}
    assert len(commands.plan(60)["warm"]) == 1
