"""The command `evo`: chapters as scripts, and one clear sentence for every mistake."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from evo import __main__ as cli
from evo import zoo

FIRST = """\
import sys

if "google.colab" in sys.modules:
    %pip install -q nothing
"""
DEFINITIONS = """\
import inspect
import os
from IPython.display import Markdown, display

def naïve(x):
    return x + 1  # a comment
"""
SHOWS = """\
%matplotlib inline
display(Markdown("**bold**"))
print(inspect.getsource(naïve))
(naïve(1),
 os.environ["EVO_TRAIN"])
"""
FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


@pytest.fixture
def notebook(tmp_path):
    def write(*cells):
        path = tmp_path / "small-chapter.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]), path)
        return path

    return write


def test_a_notebook_runs_as_a_script(notebook, capfd):
    assert cli.main(["run", str(notebook(FIRST, DEFINITIONS, SHOWS, FIGURE)), "--train", "verify"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == ["**bold**", "def naïve(x):", "    return x + 1  # a comment", "", "(2, 'verify')"]
    assert err == ""


def test_an_error_in_a_cell_is_the_status_of_the_command(notebook, capfd):
    assert cli.main(["run", str(notebook("x = 1", "x / 0"))]) == 1
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_script_runs_in_the_folder_of_its_notebook(notebook, capfd):
    path = notebook("import os\nos.getcwd()")
    assert cli.main(["run", str(path)]) == 0
    assert str(path.parent.resolve()) in capfd.readouterr().out


def test_two_processes_and_one_voice(notebook, capfd):
    cells = [
        "import torch.distributed as dist\ndist.init_process_group('gloo')",
        "import torch\nx = torch.ones(1)\ndist.all_reduce(x)\nx.item()",
        "dist.destroy_process_group()",
    ]
    assert cli.run(notebook(*cells), devices=2) == 0
    assert capfd.readouterr().out.strip() == "2.0"


@pytest.mark.parametrize(
    "source, script",
    [
        ("x", "display(x)"),
        ("x;", "x;"),
        ("x = 1", "x = 1"),
        ("x; # quiet", "x; # quiet"),
        ("x  # no end;", "display(x)  # no end;"),
        ("x = ';'\nx", "x = ';'\ndisplay(x)"),
        ("1, 2", "display((1, 2))"),
        ("*a, b", "display((*a, b))"),
        ("a = '\x0c\u2028'\na", "a = '\x0c\u2028'\ndisplay(a)"),
        ("x\r\ny", "x\ndisplay(y)"),
        ("!ls\nx", "get_ipython().system('ls')\ndisplay(x)"),
        ("files = !ls", "files = get_ipython().getoutput('ls')"),
        ("%%time\nx = 1\nx", "x = 1\ndisplay(x)"),
        ("%%capture out\n%%time\nx = 1", "x = 1"),
        ("é + f(\n    1\n)", "display(é + f(\n    1\n))"),
        ("f(1)  # shown", "display(f(1))  # shown"),
        ("if a:\n    %time b", "if a:\n    get_ipython().run_line_magic('time', 'b')"),
        ('t = """\n% a LaTeX comment\n!important\n%%bash\n"""', 't = """\n% a LaTeX comment\n!important\n%%bash\n"""'),
        ('x = ("%d apples"\n     % 3)', 'x = ("%d apples"\n     % 3)'),
        ("ok = (1\n      != 2)", "ok = (1\n      != 2)"),
        ("x = 7 \\\n  % 4", "x = 7 \\\n  % 4"),
        ('%pip install x\nt = f"""\n!b {x}\n"""', "get_ipython().run_line_magic('pip', 'install x')\nt = f\"\"\"\n!b {x}\n\"\"\""),
        ("# nothing", "# nothing"),
    ],
)
def test_cells_become_plain_python(source, script):
    assert cli._plain_python(source) == script


MAGIC = """\
%pip install nothing
%load_ext autoreload
!exit 1
files = !ls
%time x = 3
y = %time x + 1
len?
get_ipython().run_line_magic("matplotlib", "inline")
for i in range(2):
    %timeit i
files, x, y"""


def test_magics_and_commands_do_not_stop_a_script(notebook, capfd):
    cells = [MAGIC, "%%bash\nexit 1", "%%html\n<b>x</b>", "%%writefile some.py\nx = 1", "?len", "%lsmagic", "print('end')"]
    assert cli.main(["run", str(notebook(*cells))]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == ["([], 3, 4)", "end"]
    left_out = [line.rpartition(": ")[2] for line in err.splitlines()]
    assert left_out == ["!exit 1", "!ls", "%timeit i", "%timeit i", "%%bash", "%%html", "%%writefile some.py", "%lsmagic"]


def test_what_notebooks_allow_and_files_do_not(notebook, capfd):
    cells = [
        "x = 1",
        "from __future__ import annotations\ndef f(x: NotYet): return x\nf(2)",
        "import asyncio\nawait asyncio.sleep(0)\nz = 3",
        "z",
    ]
    assert cli.main(["run", str(notebook(*cells))]) == 0
    assert capfd.readouterr().out.split() == ["2", "3"]


def test_modules_beside_a_notebook_are_found_and_its_name_hides_none(tmp_path, capfd):
    (tmp_path / "helper.py").write_text("x = 5\n", encoding="utf-8")
    cells = ["import random, tokenizers, helper", "random.Random(0), tokenizers.Tokenizer", "helper.x"]
    for name in ("random", "tokenizers", "helper", "torch", "a b", "größe"):
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]), path)
        assert cli.main(["run", str(path)]) == 0, name
        assert capfd.readouterr().out.splitlines()[-1] == "5"


def test_a_pipe_that_closes_ends_a_script_without_a_word(notebook):
    path = notebook("for i in range(100_000):\n    print(i)")
    done = subprocess.run(f"{sys.executable} -m evo run {path} | head -1", shell=True, capture_output=True, encoding="utf-8")
    assert done.stdout == "0\n" and done.stderr == ""


@pytest.mark.parametrize("arguments", ["zoo list", "data list", "--help", "doctor"])
def test_a_closed_pipe_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "evo", *arguments.split()], stdout=writer, stderr=subprocess.PIPE, encoding="utf-8")
    os.close(writer)
    assert done.stderr == "" and done.returncode in (0, 141)  # argparse writes its help without a word about failure


def test_text_is_utf8_whatever_the_machine_says(notebook):
    path = notebook("print('größe ✓')", "open('x.txt', 'w').write('✓')")
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-m", "evo", "run", str(path)], env=env, capture_output=True)
    assert done.stdout.decode("utf-8") == "größe ✓\n1\n" and done.stderr == b""


@pytest.mark.parametrize(
    "content, says",
    [
        ("", "is no notebook"),
        ("{}", "is no notebook"),
        ('{"cells": [{"cell_type": "code"}]}', "is no notebook"),
        ('{"cells": [{"cell_type": "code", "source": "x = (1"}]}', "cell 1 of bad.ipynb is no Python"),
        ('{"cells": [{"cell_type": "code", "source": "1\\n"}, {"cell_type": "code", "source": "return 1"}]}', "cell 2 of bad.ipynb"),
    ],
)
def test_a_broken_notebook_is_named(tmp_path, content, says, capsys):
    (tmp_path / "bad.ipynb").write_text(content, encoding="utf-8")
    assert cli.main(["run", str(tmp_path / "bad.ipynb")]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_without_ipython_only_magics_are_a_problem(notebook, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "IPython.core.inputtransformer2", None)
    assert cli._plain_python("x = (1\n  % 2)\nx") == "x = (1\n  % 2)\ndisplay(x)"
    assert cli.main(["run", str(notebook("%matplotlib inline"))]) == 2
    assert "pip install ipython" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0 and re.fullmatch(r"evo \d+\.\d+.*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["dta", "list"], "did you mean data?"),
        (["data", "verfy"], "did you mean verify?"),
        (["zoo", "lst"], "did you mean list?"),
        (["run", "mae", "--train", "recrod"], "did you mean record?"),
    ],
)
def test_a_mistyped_command_gets_a_suggestion(arguments, says, capsys):
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert says in capsys.readouterr().err


def test_the_hash_of_a_data_set(capsys, monkeypatch):
    from evo.data import sources

    arrays = {"x": np.arange(3)}
    monkeypatch.setattr(sources, "load", lambda name: arrays if name == "wordnet" else sources.find(name))
    assert cli.main(["data", "hash", "wordnet"]) == 0
    assert capsys.readouterr().out == sources.content_hash(arrays) + "\n"
    assert cli.main(["data", "hash", "worldnet"]) == 2
    assert "did you mean wordnet?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["run", "mea"], "did you mean mae? "),
        (["data", "get", "fashon_mnist"], "did you mean fashion_mnist? "),
        (["run", "no-such-chapter"], "the chapters are: "),
        (["run", "no-such-file.ipynb"], "there is no file no-such-file.ipynb"),
        (["zoo", "record", "no-such-chapter"], "no chapter named 'no-such-chapter'"),
        (["data", "get", "no-such-data"], "choose one of "),
        (["data", "get"], "say --all"),
    ],
)
def test_a_mistake_gives_one_sentence(arguments, says, capsys):
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert says in err and err.startswith("evo: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    "gpus, wanted, says",
    [(0, 0, "at least one"), (0, 100_000, "no GPU"), (2, 3, "use --devices 2"), (1, 8, "has 1 GPU;")],
)
def test_a_device_that_is_not_there(gpus, wanted, says, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    with pytest.raises(cli.Failure, match=says):
        cli.check_devices(wanted)


def test_the_doctor_reports_versions_device_data_and_zoo(capsys):
    assert cli.main(["doctor"]) == 0
    out = capsys.readouterr().out
    for word in ("torch ", "CPU:", "GPU", "wordnet", "fashion_mnist", "emoji", "zoo:"):
        assert word in out


def test_lists(capsys):
    assert cli.main(["data", "list"]) == 0
    assert cli.main(["zoo", "list"]) == 0
    assert "wordnet" in capsys.readouterr().out


@pytest.fixture
def small_zoo(tmp_path, monkeypatch):
    """A copy of one entry with weights and one without."""
    kept = sorted(zoo.FOLDER.glob("*.safetensors"), key=lambda path: path.stat().st_size)[0]
    for file in (kept, kept.with_suffix(".json"), zoo.FOLDER / "mae-mask-ratio.json"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    return tmp_path / kept.name


@pytest.mark.parametrize(
    "damage, says",
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"), "is not the file that was recorded"),
        (lambda path: path.with_suffix(".json").write_text("{", encoding="utf-8"), "restore it with git"),
        (lambda path: path.with_suffix(".json").write_text("[1]", encoding="utf-8"), ""),
        (lambda path: path.with_suffix(".json").write_bytes(b"\xff\xfe"), ""),
        (lambda path: path.with_suffix(".json").write_text("", encoding="utf-8"), ""),
    ],
)
def test_the_doctor_names_what_is_damaged_in_the_zoo(small_zoo, damage, says, capsys):
    name = small_zoo.stem
    assert cli._zoo_problem(name) is None and cli._zoo_problem("mae-mask-ratio") is None
    damage(small_zoo)
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    problems = [line for line in out.splitlines() if line.startswith("PROBLEM")]
    assert len(problems) == 1 and name in problems[0] and says in problems[0]
