"""How chapters are executed and stored: the same bytes every time, and never half."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402

URL = "https://github.com/some/where"
SOURCES = [
    "this is replaced",
    "import sys, time\nfrom tqdm import tqdm\nfor i in tqdm(range(3)):\n    print(i, flush=True)\n    time.sleep(0.3)\n"
    "print('warning', file=sys.stderr)",
    "import matplotlib.pyplot as plt\nfrom matplotlib_inline.backend_inline import set_matplotlib_formats\nset_matplotlib_formats('svg')",
    "plt.rcParams['svg.hashsalt'] = 'evo'\nplt.plot([1, 2])\nplt.show()",
    "object()",
]


def small(*sources):
    cells = [nbformat.v4.new_code_cell(s) for s in sources]
    cells[-1].metadata = nbformat.from_dict({"alt": "a line that goes up", "tags": ["hide-cell"], "collapsed": True})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Title\n"), *cells])


def test_two_runs_store_the_same_bytes(tmp_path):
    paths = [tmp_path / folder / "small.ipynb" for folder in ("one", "two")]
    for path in paths:
        execute.build(small(*SOURCES), path, url=URL)
    one, two = (path.read_bytes() for path in paths)
    assert one == two
    notebook = nbformat.reads(one.decode(), as_version=4)
    assert [cell.id for cell in notebook.cells] == [f"small-{i:03d}" for i in range(6)]
    assert [c.execution_count for c in notebook.cells[1:]] == [1, 2, 3, 4, 5]
    assert notebook.cells[1].source == execute.first_cell(URL)
    assert [o.get("name", "data") for o in notebook.cells[2].outputs] == ["stdout"], "one piece of text, no progress bars"
    assert "image/svg+xml" in notebook.cells[4].outputs[0].data and b"<dc:date>" not in one
    assert notebook.cells[5].outputs[0].data["text/plain"] == "<object at 0x0>", "no address of this run"
    assert notebook.cells[5].metadata == {"tags": ["hide-cell"], "mystnb": {"image": {"alt": "a line that goes up"}}}
    assert dict(notebook.metadata) == execute.METADATA, "no version of Python, no name of a machine"


def test_normalising_again_changes_nothing(tmp_path):
    path = tmp_path / "small.ipynb"
    execute.build(small("", "1 + 1"), path, url=URL)
    before = path.read_bytes()
    execute.build(nbformat.read(path, as_version=4), path, run=False, url=URL)
    assert path.read_bytes() == before


def test_a_failing_cell_is_shown_and_nothing_is_written(tmp_path, capsys):
    path = tmp_path / "small.ipynb"
    path.write_text("what was here before", encoding="utf-8")
    with pytest.raises(SystemExit):
        execute.build(small("", "x = 1", "x / 0"), path, url=URL)
    err = capsys.readouterr().err
    assert "cell 3 (small-003) failed" in err and "ZeroDivisionError" in err and "not written" in err
    assert path.read_text(encoding="utf-8") == "what was here before"
    assert [p.name for p in tmp_path.iterdir()] == ["small.ipynb"]


def run_first_cell(monkeypatch, **modules):
    """Run it as a notebook would, with `modules` in place (None: missing); returns the magics that it called."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name.replace("_", "."), module)
    calls = []
    shell = type("Shell", (), {"run_line_magic": lambda self, *a: calls.append(a)})()
    exec(TransformerManager().transform_cell(execute.first_cell(URL)), {"get_ipython": lambda: shell})
    return calls


def test_the_first_cell_does_nothing_where_the_package_is(monkeypatch):
    """It must not even look like an installation: the magic stands under the condition."""
    assert run_first_cell(monkeypatch) == []


def test_the_first_cell_installs_on_colab(monkeypatch):
    calls = run_first_cell(monkeypatch, google_colab=sys)
    assert [name for name, _ in calls] == ["pip", "pip"]
    assert f"--no-deps git+{URL} d2l==1.0.3" in calls[0][1]


@pytest.mark.parametrize("other", [None, "an odometry library of the same name"])
def test_the_first_cell_says_how_to_install_where_the_package_is_missing(monkeypatch, tmp_path, other):
    """A notebook downloaded into a Jupyter without the package: lines to copy, before anything else fails."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "evo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()])
    if other:
        (tmp_path / "evo").mkdir()
        (tmp_path / "evo" / "__init__.py").write_text(f"about = {other!r}", encoding="utf-8")
    with pytest.raises(ModuleNotFoundError) as told:
        run_first_cell(monkeypatch)
    lines = str(told.value).splitlines()
    assert lines[1:3] == [f'%pip install "evo-book[read] @ git+{URL}"', "%pip install --no-deps d2l==1.0.3"]


def test_the_lines_of_the_first_cell_are_lines_of_the_readme():
    url = execute.repository_url()
    assert f'pip install "evo-book[read] @ git+{url}"' in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "read" in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]


def test_what_a_check_denies_ends_the_run_with_its_cell(tmp_path, monkeypatch, capsys):
    path = tmp_path / "small.ipynb"
    deny = "from evo.checks import check\ncheck(1 < 2, 'one is less')\ncheck(1 > 2, 'one is more')"
    monkeypatch.delenv("EVO_TRAIN", raising=False)
    path.write_text(nbformat.writes(small("", deny, "print('NOT SO HERE: only printed')")), encoding="utf-8")
    monkeypatch.setattr(execute, "notebooks", lambda: {"small": path})
    with pytest.raises(SystemExit) as ended:
        execute.main(["small"])
    said = str(ended.value.code)
    assert said.splitlines()[0] == "cell 2 (small-002): NOT SO HERE: one is more" and "only printed" not in said
    assert "small: 0 claims" in capsys.readouterr().out
    written = path.read_text(encoding="utf-8")
    assert "one is more'" in written and "stderr" not in written, "written, without what was said beside it"


def test_a_chapter_says_how_many_claims_it_has(tmp_path, monkeypatch, capsys):
    path = tmp_path / "small.ipynb"
    make = "from evo.claims import claim\nclaim('a', 'A.', source='k', reported='1', measured='no data')"
    path.write_text(nbformat.writes(small("", make, make.replace("'a'", "'b'"))), encoding="utf-8")
    monkeypatch.setattr(execute, "notebooks", lambda: {"small": path})
    execute.main([])
    assert "small: 2 claims" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["small.ipynb"]


def test_an_unknown_chapter_lists_the_known_ones():
    with pytest.raises(SystemExit, match="the chapters are"):
        execute.find("no-such-chapter")


@pytest.mark.parametrize("target, says", [
    ("chapter", "make chapter C=mae"), ("zoo", "make zoo C=mae"), ("repository", "make repository URL=https://"),
])  # fmt: skip
def test_make_says_what_it_needs(target, says):
    command = ["make", "-s", "-o", ".venv/.installed", target, "C=", "URL="]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 2 and says in done.stdout + done.stderr


@pytest.mark.slow
def test_what_the_chapters_cost_is_said_at_the_end(tmp_path):
    """Of all workers, one line for a chapter that costs too much: what its kernel used, not what the clock says."""
    for name, source in (("waits", "import time\ntime.sleep(4)"), ("works", "import time\nwhile time.process_time() < 4:\n    pass")):
        cells = [nbformat.v4.new_code_cell(code, execution_count=i) for i, code in enumerate((source, "pass"), 1)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
    conftest = (ROOT / "book" / "conftest.py").read_text(encoding="utf-8")
    assert conftest.count("MOST = 60") == 1
    (tmp_path / "conftest.py").write_text(conftest.replace("MOST = 60", "MOST = 3.5"), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadscope", "-p", "no:cacheprovider",
               "--nbval", "--nbval-current-env", "."]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, encoding="utf-8", timeout=300)
    found = re.findall(r"^(\w+): (\d+) seconds of a processor$", done.stdout, re.M)
    assert [name for name, _ in found] == ["works"] and int(found[0][1]) >= 4, done.stdout[-2000:]
    assert re.search(r"^2 chapters: \d+ seconds of a processor, \d+\.\d each", done.stdout, re.M)
