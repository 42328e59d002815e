"""The command `evo`: chapters as scripts, and one clear sentence for every mistake."""

import nbformat
import pytest

from evo import __main__ as cli

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
        ("!ls\nx", "pass\ndisplay(x)"),
        ("é + f(\n    1\n)", "display(é + f(\n    1\n))"),
        ("f(1)  # shown", "display(f(1))  # shown"),
        ("if a:\n    %time b", "if a:\n    pass"),
        ("# nothing", "# nothing"),
    ],
)
def test_cells_become_plain_python(source, script):
    assert cli._plain_python(source) == script


@pytest.mark.parametrize(
    "arguments, says",
    [
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
