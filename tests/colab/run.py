"""Run a chapter as Colab would: in a lone folder, on Colab's versions, installed by its own first cell.

    python tests/colab/run.py [CHAPTER]      # what `make colab` runs; vit, if none is named

The environment .venv/colab holds exactly tests/colab/requirements.txt. There, in a Jupyter that is not Colab's and lacks the
package, the first cell says which lines install it. On Colab it finds google.colab and installs the package from the
repository's address, which git is told to find in this clone (what is committed, that is).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "colab"
VENV = ROOT / ".venv" / "colab"
COLAB_PYTHON = os.environ.get("COLAB_PYTHON", "3.13")  # a version or a path; where it is not here, the Python of .venv
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402

RUN = """\
import sys, time
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
notebook.cells.append(nbformat.v4.new_code_cell(
    "import evo, IPython, numpy, torch, platform\\n"
    "print('Python', platform.python_version(), 'torch', torch.__version__, 'numpy', numpy.__version__,"
    " 'ipython', IPython.__version__, 'evo', evo.__file__)"))
NotebookClient(notebook, timeout=1800, startup_timeout=300, kernel_name="python3").execute()
print(notebook.cells[-1].outputs[0].text.strip())
"""


def environment():
    """Exactly the lock: what the last run installed on top goes away."""
    uv = Path(sys.executable).with_name("uv")
    if not (VENV / "bin" / "python").exists():
        found = subprocess.run([uv, "python", "find", "--no-python-downloads", COLAB_PYTHON], capture_output=True, encoding="utf-8")
        python = found.stdout.strip() or sys.executable
        subprocess.run([uv, "venv", "-q", "--python", python, VENV], check=True)
    subprocess.run([uv, "pip", "sync", "-q", "--python", VENV / "bin" / "python", HERE / "requirements.txt"], check=True)


def check_elsewhere(notebook, environment):
    """Without google.colab and without the package: the first cell stops and says how to install it."""
    code = ("import sys, nbformat; from nbclient import NotebookClient; n = nbformat.read(sys.argv[1], 4); "
            "n.cells = [c for c in n.cells if c.cell_type == 'code'][:1]; NotebookClient(n, kernel_name='python3').execute()")
    done = subprocess.run([VENV / "bin" / "python", "-c", code, notebook], cwd=VENV, env=environment, capture_output=True, encoding="utf-8")
    wanted = f'%pip install "evo-book[read] @ git+{execute.repository_url()}"'
    if done.returncode == 0 or wanted not in done.stderr:
        sys.exit(f"make colab: where the package is missing, the first cell does not say {wanted}: {done.stderr[-1500:]}")
    print("elsewhere, without the package, the first cell says how to install it")


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "vit"
    notebook = execute.find(name)
    start = time.perf_counter()
    environment()
    installed = time.perf_counter()
    colab = {
        **os.environ,
        "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(HERE / "image"),
        "PIP_FIND_LINKS": "",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{ROOT}.insteadOf",
        "GIT_CONFIG_VALUE_0": execute.repository_url(),
    }
    colab.pop("VIRTUAL_ENV", None)
    check_elsewhere(notebook, {k: v for k, v in colab.items() if k != "PYTHONPATH"})
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(notebook, folder))
        command = [VENV / "bin" / "python", "-c", RUN, copy.name]
        done = subprocess.run(command, cwd=folder, env=colab, stdout=subprocess.PIPE, encoding="utf-8")
    if done.returncode:
        sys.exit(f"make colab: {name} fails on Colab's versions (above), status {done.returncode}")
    text = done.stdout.strip()
    print(text)
    if str(VENV) not in text:
        sys.exit("make colab: the package was not installed by the chapter's first cell")
    seconds = time.perf_counter() - installed
    print(f"{name} runs: {installed - start:.0f} s for the image, {seconds:.0f} s for the chapter with its first cell")


if __name__ == "__main__":
    main()
