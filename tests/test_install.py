"""The package as `pip install` gives it: its chapters travel along, and its zoo stays as it came."""
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, for a build leaves its traces."""
    folder = tmp_path_factory.mktemp("build")
    leave = shutil.ignore_patterns(".git", ".venv", "_build", "build", "shared", "evo-run", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT, folder / "copy", ignore=leave)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, folder / "copy"]
    subprocess.run(pip, check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def evo(wheel, tmp_path_factory):
    """The command `evo` of the installed wheel, in a folder that is no clone."""
    site, here = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("here")
    zipfile.ZipFile(wheel).extractall(site)

    def run(*words, expect=0, **variables):
        environment = {**os.environ, "PYTHONPATH": str(site), "EVO_CACHE": str(here / "cache"), **variables}
        done = subprocess.run([sys.executable, "-m", "evo", *words], cwd=here, env=environment, capture_output=True, encoding="utf-8")
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    run.site, run.here = site, here
    return run


def test_the_chapters_travel_without_their_outputs(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".ipynb")}
    assert names == {f"evo/chapters/{path.relative_to(ROOT / 'book')}" for path in execute.notebooks().values()}
    for name in names:
        cells = json.loads(zipfile.ZipFile(wheel).read(name))["cells"]
        assert not any(cell.get("outputs") for cell in cells)
        own = json.loads((ROOT / "book" / name.removeprefix("evo/chapters/")).read_text(encoding="utf-8"))["cells"]
        assert [cell["source"] for cell in cells] == [cell["source"] for cell in own]


def test_nothing_of_the_repository_but_the_package_is_installed(wheel):
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert top - {name for name in top if name.endswith(".dist-info")} == {"evo"}


def test_the_chapters_are_found_and_match_the_zoo(evo):
    assert "did you mean mae?" in evo("run", "mea", expect=2)
    assert "0 of " in evo("zoo", "stale").splitlines()[-1]


def test_an_installed_chapter_runs_trains_and_leaves_the_package_as_it_is(evo):
    """A small chapter beside the others; the real ones take half a minute each."""
    from test_cli import FIGURE, FIRST, TRAINS

    cells = [{"cell_type": "code", "source": source} for source in (FIRST, TRAINS, FIGURE, "open('x.txt', 'w').close()")]
    (evo.site / "evo" / "chapters" / "both" / "toy.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in evo.site.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    said = evo("run", "toy", "--train", "always")
    out = evo.here / "evo-run" / "toy"
    assert "(figure: figure-01.png)" in said and f"1 figure in {out}" in said and f"is in {out / 'zoo'}" in said
    assert {path.name for path in out.iterdir()} == {"figure-01.png", "x.txt", "zoo"}
    assert {path: path.stat().st_mtime_ns for path in evo.site.rglob("*") if path.is_file() and path.suffix != ".pyc"} == before


def test_a_notebook_that_records_keeps_it_in_the_cache(evo):
    """As in a Jupyter with EVO_TRAIN=always, not through the command."""
    from test_cli import TRAINS

    environment = {**os.environ, "PYTHONPATH": str(evo.site), "EVO_CACHE": str(evo.here / "cache"), "EVO_TRAIN": "always"}
    (evo.here / "notebook.py").write_text(TRAINS, encoding="utf-8")
    done = subprocess.run([sys.executable, "notebook.py"], cwd=evo.here, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and f"cli-toy is kept in {evo.here / 'cache' / 'zoo'}" in done.stderr, done.stderr
    assert not (evo.site / "evo" / "zoo" / "cli-toy.json").exists()


def test_the_zoo_of_a_package_is_not_recorded_into(evo):
    assert "in a clone of the repository only" in evo("zoo", "record", "mae", expect=2)
