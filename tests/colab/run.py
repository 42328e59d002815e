"""Run a chapter as Colab would: in a lone folder, on Colab's versions, installed by its own first cell.

    python tests/colab/run.py [CHAPTER]      # what `make colab` runs; vit, if none is named

The environment .venv/colab holds exactly tests/colab/requirements.txt. The first cell finds google.colab and installs
the package from the repository's address, which git is told to find in this clone (what is committed, that is).
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
        found = subprocess.run([uv, "python", "find", "--no-python-downloads", COLAB_PYTHON], capture_output=True, text=True)
        python = found.stdout.strip() or sys.executable
        subprocess.run([uv, "venv", "-q", "--python", python, VENV], check=True)
    subprocess.run([uv, "pip", "sync", "-q", "--python", VENV / "bin" / "python", HERE / "requirements.txt"], check=True)


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
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copy(notebook, folder))
        done = subprocess.run([VENV / "bin" / "python", "-c", RUN, copy.name], cwd=folder, env=colab, stdout=subprocess.PIPE, text=True)
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
