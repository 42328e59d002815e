"""`make new C=PART/NAME`: a chapter that keeps the contract from its first minute, and whose TODOs do not stay."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402
import new  # noqa: E402

TOC, MAP = (ROOT / "_toc.yml").read_text(encoding="utf-8"), (ROOT / "book" / "evolution.yml").read_text(encoding="utf-8")


def test_no_todo_of_a_new_chapter_stays():
    assert {name: count for name, path in execute.chapters().items() if (count := new.todos(path))} == {}
    for path in [ROOT / "book" / "evolution.yml", *(ROOT / "tests" / "edits").glob("*.yml"), *(ROOT / "tests" / "parity").glob("*.py")]:
        assert "TODO" not in path.read_text(encoding="utf-8"), path


def listed(text):
    return {part["caption"]: [chapter["file"] for chapter in part["chapters"]] for part in yaml.safe_load(text)["parts"]}


def test_a_chapter_is_listed_last_of_its_part():
    before, after = listed(TOC), listed(new.insert_toc(TOC, "words", "gpt"))
    changed = [caption for caption in before if before[caption] != after[caption]]
    assert len(changed) == 1 and after[changed[0]] == [*before[changed[0]], "book/words/gpt"]


def test_a_new_part_stands_in_front_of_the_results():
    after = listed(new.insert_toc(TOC, "sounds", "wav2vec"))
    assert list(after)[-2:] == ["Sounds", "Results"] and after["Sounds"] == ["book/sounds/wav2vec"]


@pytest.mark.parametrize("part, name, stream", [
    ("vision", "detection", "vision"), ("words", "speech", "language"), ("sounds", "wav2vec", "merged"),
])  # fmt: skip
def test_the_map_has_the_chapter_at_the_node_that_waits_for_it_or_at_a_new_one(part, name, stream):
    import evo_pages

    before, data = yaml.safe_load(MAP)["nodes"], yaml.safe_load(new.insert_node(MAP, part, name, name.upper()))
    after = data["nodes"]
    (node,) = [node for node in after if node.get("chapter") == f"{part}/{name}"]
    assert node["stream"] == stream and node["question"].startswith("TODO")
    assert len(after) - len(before) == (name not in {n["id"] for n in before})
    assert [n for n in after if n["id"] != name] == [n for n in before if n["id"] != name]
    assert list(evo_pages.check_map(data, {f"book/{n['chapter']}" for n in after if n.get("chapter")})) == []


@pytest.mark.parametrize("words", [["gpt"], ["words/GPT"], ["words/a b"], ["../x/y"], [], ["words/"], ["words/gpt", "words/t5"]])
def test_a_name_that_is_none_is_refused(words):
    done = subprocess.run([sys.executable, new.__file__, *words], capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "make new C=words/gpt" in done.stderr


def test_a_chapter_is_not_overwritten():
    done = subprocess.run([sys.executable, new.__file__, "vision/mae"], capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "there is a chapter mae" in done.stderr


@pytest.mark.slow
def test_a_new_chapter_keeps_the_contract(tmp_path):
    """Laid out, run and tested in a copy of the repository."""
    leave = shutil.ignore_patterns(".git", ".venv", "_build", "shared", "evo-run", "*.ipynb", "*.safetensors", "__pycache__")
    tmp_path = shutil.copytree(ROOT, tmp_path / "copy", ignore=leave)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def run(*command):
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, timeout=600, encoding="utf-8")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
        return done.stdout

    said = run("book/_ext/new.py", "words/toy-chapter")
    assert "make chapter C=toy-chapter" in said and [f"  {i}  " in said for i in range(1, 10)] == [True] * 9
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*toy?chapter*") if path.suffix in (".ipynb", ".yml", ".py")}
    assert {str(path) for path in written} == {
        "book/words/toy-chapter.ipynb", "tests/edits/toy-chapter.yml", "tests/parity/test_toy_chapter.py"}
    tests = ("tests/test_chapters.py", "tests/test_edits.py", "tests/parity/test_toy_chapter.py")
    passed = run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", "toy-chapter or toy_chapter")
    assert int(re.search(r"(\d+) passed", passed)[1]) >= 5, passed
