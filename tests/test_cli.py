"""The command `evo`: chapters as scripts, and one clear sentence for every mistake."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

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


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """`evo run` keeps its figures in the current folder: never in the repository."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_a_notebook_runs_as_a_script(notebook, capfd):
    assert cli.main(["run", str(notebook(FIRST, DEFINITIONS, SHOWS)), "--train", "verify"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == ["**bold**", "def naïve(x):", "    return x + 1  # a comment", "", "(2, 'verify')"]
    assert err == "" and list(Path.cwd().iterdir()) == [], "no empty folder stays"


def test_a_script_saves_its_figures_and_says_where(notebook, capfd):
    path = notebook(FIGURE, "fig, axes = plt.subplots(2)\nplt.figure()\nplt.show()\nfig")
    folder = Path("evo-run") / path.stem
    for _ in range(2):
        assert cli.main(["run", str(path)]) == 0
        out, err = capfd.readouterr()
        assert out.splitlines() == [f"(figure: figure-0{i}.png)" for i in (1, 2, 3)]
        assert err == f"evo: 3 figures in {folder.resolve()}\n"
        assert [file.name for file in sorted(folder.iterdir())] == [f"figure-0{i}.png" for i in (1, 2, 3)]
        assert all(file.read_bytes().startswith(b"\x89PNG") for file in folder.iterdir())
        (folder / "figure-09.png").write_text("of an earlier run", encoding="utf-8")
    assert cli.main(["run", str(path), "--out", "elsewhere"]) == 0
    assert len(list(Path("elsewhere").iterdir())) == 3


TRAINS = """\
import torch
from torch import nn
from evo import zoo
from evo.train import Batches, fit, study

def loss_fn(model, x):
    return model(x).square().mean()

def trial(seed, width):
    return {"width": 2 * width}

torch.manual_seed(0)
run = fit(nn.Linear(4, 4), loss_fn, Batches(torch.randn(8, 4), size=4), steps=4, lr=.1, name="cli-toy")
study(trial, {"width": [1]}, name="cli-toy-study", seeds=(0,))
run.origin, zoo.shapes("cli-toy")["weight"], round(zoo.seconds("cli-toy-study"))
"""


@pytest.mark.parametrize("mode", ["always", "record"])
def test_what_a_script_trains_is_kept_beside_its_figures_never_in_the_zoo(notebook, capfd, mode):
    before = {path.name: path.stat().st_mtime_ns for path in zoo.FOLDER.iterdir()}
    path = notebook(TRAINS)
    assert cli.main(["run", str(path), "--train", mode]) == 0
    out, err = capfd.readouterr()
    kept = (Path("evo-run") / path.stem / "zoo").resolve()
    assert out.strip() == "('trained', (4, 4), 0)"
    assert f"what was trained (2 entries) is in {kept}" in err and "the book's zoo is as it was" in err
    assert sorted(f.name for f in kept.iterdir()) == ["cli-toy-study.json", "cli-toy.json", "cli-toy.safetensors"]
    assert {path.name: path.stat().st_mtime_ns for path in zoo.FOLDER.iterdir()} == before
    done = subprocess.run([sys.executable, "-m", "evo", "run", str(path)], env={**os.environ, "EVO_STAGE": str(kept)}, capture_output=True)
    assert done.stdout.decode().startswith("('zoo', (4, 4), 0)"), "EVO_STAGE uses them again"


def test_what_a_chapter_needs_and_lacks_is_said_with_the_lines_that_install_it(notebook, monkeypatch, capsys):
    there = cli.importlib.util.find_spec
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None if name in ("d2l", "gensim") else there(name))
    monkeypatch.setattr(cli, "run", lambda *a, **k: 0)
    assert cli.main(["run", str(notebook("from d2l import torch as d2l\nimport gensim.models", "import torch"))]) == 2
    err = capsys.readouterr().err
    assert 'pip install "evo-book[read] @ git+https://' in err and "pip install --no-deps d2l==1.0.3" in err and err.count("\n") == 1
    assert cli.main(["run", str(notebook("import torch", "def f():\n    import gensim"))]) == 0


def test_an_installed_package_has_its_chapters(tmp_path, monkeypatch):
    """Outside of a clone: those inside the package. tests/test_install.py makes a wheel."""
    package = tmp_path / "site-packages" / "evo"
    (package / "chapters" / "part").mkdir(parents=True)
    (package / "chapters" / "part" / "toy.ipynb").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(cli, "__file__", str(package / "__main__.py"))
    assert list(cli.chapters()) == ["toy"]
    (package / "chapters").rename(package / "nothing")
    with pytest.raises(cli.Failure, match="inside a clone"):
        cli.chapters()


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


@pytest.mark.parametrize("name, value, says", [
    ("EVO_BUDGET", "-3", "EVO_BUDGET='-3' must be a number of seconds above 0, or inf"),
    ("EVO_TRAIN", "alwys", "did you mean always? choose one of zoo, record"),
    ("EVO_TRIAN", "always", "EVO_TRIAN is no setting of evo; did you mean EVO_TRAIN?"),
])  # fmt: skip
@pytest.mark.parametrize("arguments", ["run mae", "zoo list", "data list"])
def test_a_wrong_setting_is_said_at_the_door(arguments, name, value, says, monkeypatch, capsys):
    monkeypatch.setenv(name, value)
    assert cli.main(arguments.split()) == 2
    err = capsys.readouterr().err
    assert says in err and err.startswith("evo: ") and err.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("arguments", ["zoo list", "data list"])
def test_a_full_disk_is_called_so(arguments):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([sys.executable, "-m", "evo", *arguments.split()], stdout=full, stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 2 and done.stderr == "evo: the disk is full: where the output goes\n"


def test_a_full_disk_ends_a_script_with_its_name(notebook):
    path = notebook("open('/dev/full', 'w').write('x' * 100_000)") if os.path.exists("/dev/full") else pytest.skip("no such device")
    done = subprocess.run([sys.executable, "-m", "evo", "run", str(path)], stderr=subprocess.PIPE, encoding="utf-8")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("evo: the disk is full: ")


@pytest.mark.parametrize("arguments", [
    "zoo list", "zoo stale", "zoo why mae-fashion", "zoo audit --plan", "data list", "--help", "zoo --help", "--version", "doctor",
])
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
        (["rnu"], "did you mean run?"),
        (["run", "mae", "--trian", "always"], "did you mean --train?"),
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
        (["zoo", "record", "--only", "mae-fashon"], "did you mean mae-fashion?"),
        (["zoo", "why", "mae-fashon"], "did you mean mae-fashion?"),
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
