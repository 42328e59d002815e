"""Text is UTF-8 on every machine: no file is read or written in the locale's encoding (cp1252, gbk ... on Windows)."""
import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STRICT = "import warnings; warnings.filterwarnings('error', category=EncodingWarning, module=r'evo(\\.|$)|toydata')\n"
USES = {
    "chapters as scripts": """
import sys
from evo import __main__ as cli
assert len(cli.chapters()) > 5
for path in cli.chapters().values():
    compile(cli.script(path), path.name, "exec")
cli.main(["data", "list"])
""",
    "a run": """
import json, pathlib, tempfile
from evo import __main__ as cli
path = pathlib.Path(tempfile.mkdtemp()) / "größe.ipynb"
path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": "print('größe')"}]}), encoding="utf-8")
assert cli.run(path) == 0 and cli.run(path, seen=[]) == 0
""",
    "the doctor": "from evo import __main__ as cli\ncli.doctor_command(None)\ncli._zoo_problem('mae-fashion')",
    "words": """
from evo import words
assert len(words.analogy_questions()) == 14 and len(words.judgements("WordSim-353")) == 353 and len(words.judgements("SimLex-999")) == 999
""",
    "tokenizers": """
from evo.tokenizers import Subwords, Vocab, WordPiece
WordPiece.train(["größe"], 30), Subwords.train(["größe"], 300), Vocab([["größe"]])
""",
    "data": """
import pathlib, sys, tempfile
from evo.data import pairs, sources, text
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "emoji-test.txt").write_text("# group: größe\\n1F600 ; fully-qualified # x", encoding="utf-8")
assert list(pairs.emoji_test(folder)) == [(chr(0x1F600), "größe")]
(folder / "noun.exc").write_text("größe groß", encoding="utf-8")
assert text.lines(folder, "noun.exc") == ["größe groß"]
sources.run([sys.executable, "-c", "print(1)"], folder)
sources.status()
""",
    "figures": "from evo import plots, probes\nplots.use_style()\nplots.bars({'größe': 1}, ylabel='')",
}


@pytest.mark.parametrize("use", USES)
def test_nothing_is_read_or_written_in_the_locale_s_encoding(use):
    code = STRICT + USES[use]
    command = [sys.executable, "-X", "warn_default_encoding", "-c", code]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env={**os.environ, "MPLBACKEND": "Agg"})
    assert done.returncode == 0, done.stderr


def test_the_test_sees_a_file_without_encoding():
    place = {"__name__": "evo.some", "__file__": os.devnull}
    code = STRICT + f"exec(compile('open(__file__)', 'x', 'exec'), {place})"
    done = subprocess.run([sys.executable, "-X", "warn_default_encoding", "-c", code], capture_output=True, encoding="utf-8")
    assert "EncodingWarning" in done.stderr and done.returncode == 1


# ---- what no run reaches: every call in the sources


def without_encoding(source):
    """The calls that read or write text and do not say how, as they stand in the source."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call) or any(k.arg in ("encoding", None) for k in call.keywords):
            continue
        method = isinstance(call.func, ast.Attribute)
        name = call.func.attr if method else getattr(call.func, "id", "")
        of = getattr(call.func.value, "id", "") if method else ""
        given = {k.arg: k.value for k in call.keywords}
        second = not method or of in ("io", "gzip", "bz2", "lzma", "os")  # open(path, mode), path.open(mode)
        mode = given.get("mode", next(iter(call.args[second and name in ("open", "fdopen") :]), None))
        mode = getattr(mode, "value", "r" if mode is None else None)  # a mode that is computed is not judged
        packed = of in ("gzip", "bz2", "lzma")
        textual = {
            "read_text": not call.args, "write_text": len(call.args) < 2,
            "open": isinstance(mode, str) and set(mode) <= set("rwaxt+")
                    and ("t" in mode if packed else of not in ("zipfile", "tarfile", "os")),
            "fdopen": isinstance(mode, str) and set(mode) <= set("rwaxt+"),
            "NamedTemporaryFile": isinstance(mode, str) and "b" not in mode and mode != "r",
        } | dict.fromkeys(("run", "Popen", "check_output", "check_call"),
                          any(getattr(given.get(k), "value", False) is True for k in ("text", "universal_newlines")))  # fmt: skip
        if textual.get(name):
            found.append(ast.unparse(call))
    return found


SOURCES = [path for folder in ("evo", "tests", "book/_ext") for path in sorted((ROOT / folder).rglob("*.py"))]
SOURCES.append(ROOT / "book" / "conftest.py")


def test_every_call_that_reads_or_writes_text_names_the_encoding():
    found = {path.relative_to(ROOT).as_posix(): without_encoding(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize("call, wrong", [
    ("open(p)", True), ("open(p, 'w')", True), ("open(p, mode='a')", True), ("open(p, 'rb')", False), ("p.open()", True),
    ("p.open('w')", True), ("tarfile.open(p)", False), ("p.open('wb')", False), ("open(p, encoding='utf-8')", False),
    ("p.read_text()", True), ("p.read_text('utf-8')", False),
    ("p.write_text(x)", True), ("p.write_text(x, 'utf-8')", False), ("p.write_text(x, encoding='ascii')", False),
    ("gzip.open(p, 'rt')", True), ("gzip.open(p)", False), ("subprocess.run(c, text=True)", True),
    ("io.open(p)", True), ("os.fdopen(f)", True), ("os.fdopen(f, 'w')", True), ("os.fdopen(f, 'rb')", False),
    ("run(c, text=True, encoding='utf-8')", False), ("subprocess.run(c, capture_output=True)", False),
    ("subprocess.Popen(c, universal_newlines=True)", True),
    ("open(p, **how)", False),
    ("tempfile.NamedTemporaryFile('w')", True), ("tempfile.NamedTemporaryFile()", False),
])  # fmt: skip
def test_the_rule_sees_what_has_no_encoding(call, wrong):
    assert bool(without_encoding(call)) == wrong


@pytest.mark.parametrize("name, passes", [("test_toy", False), ("library", True)])
def test_pytest_itself_runs_so(tmp_path, name, passes):
    """As `make test` starts it: our modules may not, a library may."""
    assert re.search(r"PYTHONWARNDEFAULTENCODING=1 \$\(PY\) -m pytest", (ROOT / "Makefile").read_text(encoding="utf-8"))
    (tmp_path / f"{name}.py").write_text("def read():\n    open(__file__).close()\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(f"import {name}\n\n\ndef test_it():\n    {name}.read()\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, tmp_path / "test_it.py"]
    env = {**os.environ, "PYTHONWARNDEFAULTENCODING": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8")
    assert (done.returncode == 0) == passes and ("EncodingWarning" in done.stdout) != passes, done.stdout
