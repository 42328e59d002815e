"""What happens to a reader who changes a line: the edits that a chapter's text invites, made and run.

tests/edits/CHAPTER.yml lists three for every chapter. Each is run from the chapter's top to the cell that shows its
consequence, with a small time budget. `make test` runs one a chapter, drawn by the commit; EVO_EDITS=all runs all.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402

BUDGET = 8  # seconds a fit or study
CHAPTERS = execute.chapters()
FILES = {path.stem: path for path in sorted((ROOT / "tests" / "edits").glob("*.yml"))}
SAID = re.compile(r"time budget|% of [\d,]+ steps|[\d,]+ (?:of [\d,]+ )?steps")  # what was trained, and for how long
ASK = "import json\nfrom evo import cuts\nprint('CUT', json.dumps(sorted({name for name, _ in cuts._stopped})))"


def edits(name):
    return yaml.safe_load(FILES[name].read_text(encoding="utf-8"))


def turn():
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, encoding="utf-8")
    return int(git.stdout.strip()[:8] or "0", 16)


def drawn():
    """[(chapter, number)]: one of each chapter's edits, another with every commit; all of them with EVO_EDITS=all."""
    every = [(name, i) for name in FILES for i in range(len(edits(name)))]
    if os.environ.get("EVO_EDITS") == "all":
        return every
    start = turn()
    return [(name, (start + place) % len(edits(name))) for place, name in enumerate(FILES)]


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def only(notebook, text):
    """The one code cell that holds this text."""
    found = [cell for cell in code(notebook) if text in cell.source]
    assert len(found) == 1, f"{len(found)} code cells hold {text!r}, it must be one"
    assert found[0].source.count(text) == 1, f"{text!r} occurs more than once in its cell"
    return found[0]


def edited(notebook, edit):
    """The code cells that the edit runs, changed: from the top to the one that shows the consequence."""
    changed, shows = only(notebook, edit["change"]), only(notebook, edit["shows"])
    cells = code(notebook)
    last = cells.index(shows)
    assert cells.index(changed) <= last, "the change stands behind the cell that shows its consequence"
    changed.source = changed.source.replace(edit["change"], edit["to"])
    skipped = [only(notebook, text) for text in edit.get("skips", ())]
    run = [cell for cell in cells[: last + 1] if cell not in skipped]
    return nbformat.v4.new_notebook(cells=[*run, nbformat.v4.new_code_cell(ASK)], metadata=notebook.metadata)


def seen(cell):
    """All that a reader sees under a cell."""
    return "\n".join(
        "".join(out.get("text", "")) + "".join(str(value) for value in out.get("data", {}).values()) for out in cell.outputs
    )


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_invites_three_edits(name):
    assert name in FILES, f"tests/edits/{name}.yml is missing: three edits that the chapter's text invites"
    found = edits(name)
    assert len(found) == 3
    text = re.sub(r"\s+", " ", "\n".join(c.source for c in nbformat.read(CHAPTERS[name], 4).cells if c.cell_type == "markdown"))
    for edit in found:
        assert {"invites", "change", "to", "shows"} <= set(edit) <= {"invites", "change", "to", "shows", "skips"}
        assert edit["change"] != edit["to"]
        assert re.sub(r"\s+", " ", edit["invites"]).strip() in text, f"the text does not say {edit['invites']!r}"
        edited(nbformat.read(CHAPTERS[name], 4), edit)


def test_no_edit_is_of_no_chapter():
    assert set(FILES) <= set(CHAPTERS)


@pytest.mark.slow
@pytest.mark.parametrize("name, number", drawn())
def test_an_edit_ends_in_something_honest_to_see(name, number, monkeypatch):
    import json

    monkeypatch.setenv("EVO_BUDGET", str(BUDGET))
    monkeypatch.setenv("EVO_TRAIN", "zoo")
    monkeypatch.delenv("EVO_ONLY", raising=False)
    edit = edits(name)[number]
    notebook = edited(nbformat.read(CHAPTERS[name], 4), edit)
    execute.execute(notebook, CHAPTERS[name], timeout=600)  # a traceback fails here
    *_, shown, asked = notebook.cells
    cut = json.loads(re.search(r"CUT (.*)", seen(asked))[1])
    assert len(cut) <= 2, f"{len(cut)} trainings of {BUDGET} s each: a reader waits too long: {cut}"
    assert seen(shown).strip(), "the cell that shows the consequence shows nothing"
    if cut:
        assert SAID.search(seen(shown)), f"{cut} were stopped early, and what is shown does not say so"
