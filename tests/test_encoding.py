"""Text is UTF-8 on every machine: no file is read or written in the locale's encoding (cp1252, gbk ... on Windows)."""
import os
import subprocess
import sys

import pytest

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
