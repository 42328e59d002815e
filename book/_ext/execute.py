"""Write a chapter the way this repository stores it: executed, ordered, the same bytes every time.

    python book/_ext/execute.py mae              # what `make chapter C=mae` runs
    python book/_ext/execute.py --no-execute mae # only cell ids, metadata and the first cell

A stored notebook has cell ids made of its name and the cell's place, the same first cell as every other
chapter, outputs without progress bars, and nothing that changes from one machine or day to the next.
"""

import argparse
import contextlib
import os
import re
import sys
import time
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
TIMEOUT = 1800  # seconds a cell
KEPT_CELL_METADATA = ("tags", "mystnb")
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
NOT_SO = "NOT SO HERE:"  # how evo.checks.check begins a sentence that the results deny
FIRST_CELL_TAG = "remove-cell"  # Colab and Jupyter show the first cell, the website does not


def notebooks():
    """{name: path} of every notebook of the book, in the order of their paths."""
    paths = sorted(p for p in BOOK.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    return {path.stem: path for path in paths}


def chapters():
    """The notebooks that stand in a part's folder. One beside index.md is a page: it runs, but it has no card and no claims."""
    return {name: path for name, path in notebooks().items() if path.parent != BOOK}


def repository_url():
    """The one place where the repository's address stands: `_config.yml`, key repository.url."""
    import yaml

    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"].rstrip("/")


def first_cell(url):
    """Source of the first code cell of every chapter: on Colab it installs, elsewhere it says how where that is needed."""
    return f"""\
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules:  # Colab's image has the rest
    %pip install --no-deps git+{url} d2l==1.0.3
    %pip install -q accelerate gensim pooch safetensors tokenizers
elif not (find_spec("evo") and find_spec("evo.zoo")):
    raise ModuleNotFoundError(
        "the book's package is missing: run these lines, then this cell\\n"
        '%pip install "evo-book[read] @ '
        'git+{url}"\\n'
        "%pip install --no-deps d2l==1.0.3")"""


def normalise(notebook, name, url):
    """Give `notebook` its first cell, its ids and only lasting metadata, in place."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code:
        raise SystemExit(f"{name}: no code cell; a chapter starts with the set-up cell")
    code[0].source = first_cell(url)
    code[0].metadata["tags"] = [FIRST_CELL_TAG]
    for index, cell in enumerate(notebook.cells):
        cell.id = f"{name[:56]}-{index:03d}"
        cell.source = cell.source.strip("\n")
        alt = cell.metadata.get("alt")
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata}
        )
        if alt:
            cell.metadata["mystnb"] = nbformat.from_dict({"image": {"alt": alt}})
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def clean(notebook):
    """Drop what differs between two equal runs: progress bars, dates inside figures, addresses, timings."""
    notebook.metadata = nbformat.from_dict(METADATA)  # a run writes the version of Python into it
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        for output in cell.outputs:
            output.pop("transient", None)
            svg = output.get("data", {}).get("image/svg+xml")
            if svg:
                output["data"]["image/svg+xml"] = re.sub(r"\s*<dc:date>.*?</dc:date>", "", svg)
            text = output.get("data", {}).get("text/plain")
            if text:
                output["data"]["text/plain"] = re.sub(r" at 0x[0-9a-fA-F]+", " at 0x0", text)
    return notebook


def execute(notebook, path, timeout=TIMEOUT, report=None):
    """Run every cell in the folder of `path`, with this interpreter; return seconds a cell, and what the kernel had of a processor."""
    import psutil
    from nbclient import NotebookClient

    seconds, started, used = {}, {}, [0.0]

    def before(cell, cell_index):
        started[cell_index] = time.perf_counter()

    def after(cell, cell_index, execute_reply):
        seconds[cell_index] = time.perf_counter() - started[cell_index]
        with contextlib.suppress(psutil.Error):  # user, system, and of its children both
            used[0] = sum(psutil.Process(client.km.provisioner.pid).cpu_times()[:4])
        if report:
            report(cell_index, len(notebook.cells), seconds[cell_index])

    client = NotebookClient(
        notebook,
        timeout=timeout,
        startup_timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=before,
        on_cell_executed=after,
    )
    with python_on_path():
        client.execute()
    return seconds, used[0]


class python_on_path:
    """The kernel `python3` must be this interpreter, also when the environment is not activated."""

    def __enter__(self):
        self.before = os.environ.get("PATH", "")
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.before}"

    def __exit__(self, *error):
        os.environ["PATH"] = self.before


def write(notebook, path):
    """Validate and write at once, so that a reader never sees half a notebook."""
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".ipynb.part")
    partial.write_text(nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip() + "\n", encoding="utf-8")
    os.replace(partial, path)


def build(notebook, path, run=True, url=None):
    """Normalise, execute, clean and write `notebook` to `path`; return the sentences that are not so, with their cells.

    Ends the program on a failing cell.
    """
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    normalise(notebook, path.stem, url or repository_url())
    for cell in notebook.cells:
        if run and cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    if run:
        path.parent.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        try:
            seconds, used = execute(notebook, path, report=progress)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            print(f"\n{failing_cell(notebook)}{error}\n{path.stem}: not written", file=sys.stderr)
            raise SystemExit(1) from None
        slow = sorted(seconds.items(), key=lambda item: -item[1])[:5]
        print(
            f"\r{path.stem}: {time.perf_counter() - start:.1f} s, {used:.1f} s of a processor; slowest cells "
            + ", ".join(f"{notebook.cells[i].id} {s:.1f} s" for i, s in slow)
        )
    wrong = not_so(notebook)
    clean(notebook)
    write(notebook, path)
    return wrong


def not_so(notebook):
    """What `check` denied: one line each, with its cell."""
    said = [
        (index, cell, line)
        for index, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
        for line in output["text"].splitlines()
    ]
    return [f"cell {index} ({cell.id}): {line}" for index, cell, line in said if line.startswith(NOT_SO)]


def failing_cell(notebook):
    """Where the run stopped, in words."""
    for index, cell in enumerate(notebook.cells):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return f"cell {index} ({cell.id}) failed:\n"
    return ""


def progress(index, count, seconds):
    print(f"\r  cell {index + 1} of {count} ({seconds:.1f} s)   ", end="", file=sys.stderr, flush=True)


def find(name):
    known = notebooks()
    if name not in known:
        raise SystemExit(f"no chapter named {name!r}; the chapters are: {', '.join(known)}")
    return known[name]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="names; without any, the whole book")
    parser.add_argument("--no-execute", action="store_true", help="keep the outputs, normalise the rest")
    options = parser.parse_args(arguments)
    paths = [find(name) for name in options.chapters] or list(notebooks().values())
    from evo import claims

    wrong = []
    for path in paths:
        wrong += build(nbformat.read(path, as_version=4), path, run=not options.no_execute)
        print(f"{path.stem}: {len(claims.collect([path]))} claims")
    claims.collect(notebooks().values())  # an id that two chapters share is an error
    if wrong:
        sys.exit("\n".join(wrong) + "\nwritten, but what the chapter says of its results is not what came out")


if __name__ == "__main__":
    main()
