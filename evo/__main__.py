"""The command `evo`: data, chapters as scripts, the zoo, and what this machine has.

    evo data get NAME... | --all      prepare data sets, so that everything works offline
    evo data list | verify
    evo run CHAPTER [--train always] [--devices 8]
    evo zoo list | record CHAPTER... | verify [CHAPTER...]
    evo doctor
"""

import argparse
import ast
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODES = ("zoo", "record", "always", "restamp", "verify")  # see evo.zoo
VERIFIED = re.compile(r"(?:evo: )?(\S+): verified")  # what fit and study say in verify mode
SHOW = '''\
import os as _os, sys as _sys, warnings as _warnings
_warnings.filterwarnings("ignore", message=".*non-interactive.*")  # plt.show() has no window here
_os.environ.setdefault("MPLBACKEND", "Agg")
if _os.environ.get("RANK", "0") != "0":  # one process speaks
    _sys.stdout = open(_os.devnull, "w")


def _plain(object):
    """How a terminal shows what a notebook would: as text, as Markdown, or not at all (figures)."""
    for name in ("_repr_markdown_", "_repr_mimebundle_"):
        text = None if isinstance(object, type) else getattr(object, name, lambda: None)()
        text = text.get("text/plain") if isinstance(text, dict) else text
        if isinstance(text, str):
            return text
    return repr(object)


def display(*objects, **options):
    for object in objects:
        if object is not None:
            print(_plain(object))


try:
    import IPython.display as _shown
    _shown.display = display
except ImportError:
    pass
'''


class Failure(Exception):
    """One sentence for the user."""


# --- chapters -----------------------------------------------------------------------------------


def book():
    """The folder of the chapters: in the current directory or its parents, or beside the package."""
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).parents[1]):
        if (folder / "book").is_dir() and (folder / "evo" / "__main__.py").is_file():
            return folder / "book"
    raise Failure("no chapters here: run this inside a clone of the repository, or name a notebook's file")


def chapters():
    """{name: path} of every chapter."""
    return {path.stem: path for path in sorted(book().rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts}


def find(name):
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            raise Failure(f"there is no file {name}")
        return Path(name).resolve()
    known = chapters()
    if name not in known:
        raise Failure(f"no chapter named {name!r}; the chapters are: {', '.join(known) or '(none)'}")
    return known[name]


def script(path):
    """A notebook as one Python file: its code cells in order, magics left out, last values displayed."""
    import json

    cells = json.loads(path.read_text())["cells"]
    parts = [SHOW]
    for number, cell in enumerate(cell for cell in cells if cell["cell_type"] == "code"):
        parts.append(f"# --- cell {number + 1} of {path.name}\n{_plain_python(''.join(cell['source']))}\n")
    return "\n\n".join(parts)


def _plain_python(source):
    """`%magic` and `!command` become `pass`; a cell's last expression is displayed, as in a notebook."""
    source = re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)
    lines, body = source.splitlines(), ast.parse(source).body
    if not body or not isinstance(body[-1], ast.Expr) or source.rstrip().endswith(";"):
        return source
    last = body[-1]
    first = lines[last.lineno - 1].encode()
    lines[last.lineno - 1] = (first[: last.col_offset] + b"display(" + first[last.col_offset :]).decode()
    end = lines[last.end_lineno - 1].encode()
    cut = last.end_col_offset + (len("display(") if last.end_lineno == last.lineno else 0)
    lines[last.end_lineno - 1] = (end[:cut] + b")" + end[cut:]).decode()
    return "\n".join(lines)


def run(path, train="zoo", devices=1, seen=None):
    """Run a chapter as a script, under torchrun for several devices. Returns its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{path.stem.replace('-', '_')}.py"
        file.write_text(script(path))
        command = [sys.executable]
        if devices > 1:
            command += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(devices)]
        environment = {**os.environ, "EVO_TRAIN": train, "MPLBACKEND": "Agg"}
        environment.setdefault("PYTHONUNBUFFERED", "1")
        if devices > 1:
            environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
        pipe = None if seen is None else subprocess.PIPE
        process = subprocess.Popen([*command, str(file)], cwd=path.parent, env=environment, stderr=pipe, text=True)
        for line in process.stderr or ():
            print(line, end="", file=sys.stderr)
            seen += VERIFIED.findall(line)
        return process.wait()


def check_devices(count):
    import torch

    if count < 1:
        raise Failure(f"--devices {count}: at least one is needed")
    if count == 1:
        return
    if torch.cuda.is_available():
        there = torch.cuda.device_count()
        if count > there:
            raise Failure(f"--devices {count}: this machine has {there} GPU{'s' * (there > 1)}; use --devices {there}")
    elif count > (os.cpu_count() or 1):
        raise Failure(f"--devices {count}: this machine has no GPU and {os.cpu_count()} processors; use fewer devices")
    else:
        print(f"evo: no GPU here, so {count} processes share the processors (gloo)", file=sys.stderr)


def run_command(options):
    path = find(options.chapter)
    check_devices(options.devices)
    return run(path, options.train, options.devices)


# --- data ---------------------------------------------------------------------------------------


def data_command(options):
    from evo.data import sources

    try:
        if options.action == "get":
            if not options.names and not options.all:
                raise Failure(f"name a data set or say --all; there are: {', '.join(sources.DATASETS)}")
            for path in sources.get_all() if options.all else [sources.get(name) for name in options.names]:
                print(path)
            return 0
        rows = sources.verify() if options.action == "verify" else sources.status()
    except sources.DataError as error:
        raise Failure(str(error)) from error
    table(
        ["name", "state", "MB", "about"],
        [[r["name"], r["state"], r.get("megabytes", ""), r["about"]] for r in rows],
    )
    return 0


# --- zoo ----------------------------------------------------------------------------------------


def zoo_command(options):
    from evo import zoo

    if options.action == "list":
        rows = zoo.summary()
        table(["name", "kind", "what", "seconds", "score", "MB"], [[_short(v) for v in r.values()] for r in rows])
        print(f"{len(rows)} entries, {sum(r['MB'] for r in rows):.1f} MB")
        return 0
    names = options.chapters or list(chapters())
    mode = "verify" if options.action == "verify" else "always" if options.anew else "record"
    failed, seen = [], []
    for name in names:
        start, path = time.perf_counter(), find(name)
        status = run(path, mode, seen=seen if mode == "verify" else None)
        print(f"evo: {name}: {'done' if status == 0 else 'failed'} after {time.perf_counter() - start:.0f} s")
        failed += [name] * (status != 0)
    if failed:
        raise Failure(f"EVO_TRAIN={mode} failed in: {', '.join(failed)}")
    if mode == "verify" and not options.chapters:
        lost = sorted(set(zoo.names()) - set(seen))
        if lost:
            raise Failure(f"no chapter makes these entries, delete them: {', '.join(lost)}")
    return 0


# --- doctor -------------------------------------------------------------------------------------

LIBRARIES = (
    "torch torchvision numpy accelerate safetensors tokenizers scikit-learn gensim matplotlib transformers timm d2l "
    "jupyter-book ipython"
).split()


def doctor_command(options):
    """Versions, device, data and zoo: what to paste into a question."""
    from importlib.metadata import PackageNotFoundError, version

    import torch

    def found(name):
        try:
            return version(name)
        except PackageNotFoundError:
            return "not installed"

    print(f"evo {found('evo-book')}, Python {platform.python_version()}, {platform.platform()}")
    table(["library", "version"], [[name, found(name)] for name in LIBRARIES])
    print()
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            p = torch.cuda.get_device_properties(i)
            print(f"GPU {i}: {p.name}, {p.total_memory / 2**30:.0f} GiB, bf16 {torch.cuda.is_bf16_supported()}")
    elif torch.backends.mps.is_available():
        print("GPU: Apple (mps)")
    else:
        print("GPU: none")
    print(f"CPU: {os.cpu_count()} processors, torch uses {torch.get_num_threads()} threads")
    for key in sorted(k for k in os.environ if k.startswith("EVO_")):
        print(f"{key}={os.environ[key]}")
    print()
    problems = [] if importlib.util.find_spec("torchvision") is None else _torchvision_problem()
    if importlib.util.find_spec("evo.data.sources"):
        from evo.data import sources

        rows = sources.status()
        table(["data", "state", "path"], [[r["name"], r["state"], r["path"] or ""] for r in rows])
        problems += [f"data: {r['name']} is damaged: evo data get {r['name']}" for r in rows if r["state"] == "damaged"]
        print()
    from evo import zoo

    try:
        rows = zoo.summary()
        print(f"zoo: {len(rows)} entries, {sum(r['MB'] for r in rows):.1f} MB in {zoo.FOLDER}")
    except zoo.ZooError as error:
        problems.append(f"zoo: {error}")
    for problem in problems:
        print(f"PROBLEM  {problem}")
    return 1 if problems else 0


def _torchvision_problem():
    try:
        import torchvision.ops  # noqa: F401
    except Exception as error:
        return [f"torchvision does not fit torch ({error}): install both as in requirements.txt"]
    return []


# --- the command --------------------------------------------------------------------------------


def _short(value):
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def table(head, rows):
    """Print rows in columns."""
    rows = [[str(v) for v in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        print("  ".join(v.ljust(w) for v, w in zip(row, widths)).rstrip())


def parser():
    top = argparse.ArgumentParser(prog="evo", description="Data, chapters, zoo and state of the evo book.")
    commands = top.add_subparsers(dest="command", required=True, metavar="data | run | zoo | doctor")

    data = commands.add_parser("data", help="get, list or verify the data sets").add_subparsers(dest="action", required=True)
    get = data.add_parser("get", help="fetch data sets into the cache")
    get.add_argument("names", nargs="*", metavar="NAME")
    get.add_argument("--all", action="store_true", help="every data set, for work offline")
    data.add_parser("list", help="what there is, and what is on this machine")
    data.add_parser("verify", help="check the hash of every data set that is here")

    one = commands.add_parser("run", help="run a chapter as a script")
    one.add_argument("chapter", metavar="CHAPTER", help="its name, as in `evo run mae`, or a notebook's path")
    one.add_argument("--train", choices=MODES, default=os.environ.get("EVO_TRAIN", "zoo"), help="EVO_TRAIN, see evo.zoo")
    one.add_argument("--devices", type=int, default=1, metavar="N", help="processes under torchrun, one a GPU")

    zoo = commands.add_parser("zoo", help="trained weights and recorded studies").add_subparsers(dest="action", required=True)
    zoo.add_parser("list", help="all entries")
    record = zoo.add_parser("record", help="train what does not match its chapter, and record it")
    record.add_argument("chapters", nargs="*", metavar="CHAPTER", help="without any: the whole book")
    record.add_argument("--anew", action="store_true", help="retrain also what matches")
    verify = zoo.add_parser("verify", help="replay and score every entry")
    verify.add_argument("chapters", nargs="*", metavar="CHAPTER", help="without any: the whole book")

    commands.add_parser("doctor", help="versions, device, data and zoo state")
    return top


def main(arguments=None):
    options = parser().parse_args(arguments)
    command = {"data": data_command, "run": run_command, "zoo": zoo_command, "doctor": doctor_command}[options.command]
    try:
        return command(options)
    except Failure as error:
        print(f"evo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
