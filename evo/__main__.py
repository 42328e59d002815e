"""The command `evo`: data, chapters as scripts, the zoo, and what this machine has.

    evo data get NAME... | --all      prepare data sets, so that everything works offline
    evo data list | verify
    evo data hash NAME                its content hash, as in evo.data.sources
    evo run CHAPTER [--train always] [--devices 8]      figures and what was trained: in the folder evo-run/CHAPTER
    evo zoo list | stale | why NAME... | verify | audit | restamp | record
    evo doctor
"""

import argparse
import ast
import difflib
import hashlib
import importlib.util
import io
import os
import platform
import re
import subprocess
import sys
import tempfile
import tokenize
from pathlib import Path

from evo import settings
from evo.disk import FULL, disk_error, is_full, why
from evo.settings import MODES

VERIFIED = re.compile(r"(?:evo: )?(\S+): verified")  # what fit and study say in verify mode
READERS = ("IPython", "gensim", "transformers")  # what the extra "read" brings
RUN_ANYWAY = r"\s*%%(time|capture|prun)\b.*"  # what stands below these magics is Python
SHOW = '''\
import os as _os, sys as _sys, warnings as _warnings
_sys.path[:] = [{folder!r}, *(p for p in _sys.path if _os.path.realpath(p) != _os.path.dirname(_os.path.realpath(__file__)))]
_warnings.filterwarnings("ignore", message=".*non-interactive.*")  # plt.show() has no window here
if _os.environ.get("RANK", "0") != "0":  # one process speaks and draws
    _sys.stdout = open(_os.devnull, "w", encoding="utf-8")
    _os.environ["MPLBACKEND"] = "Agg"


def _broken_pipe(kind, error, trace):
    """Whoever read the output has gone, as in `evo run mae | head`: stop without a word. A full disk is called so."""
    if issubclass(kind, BrokenPipeError):
        return _os.dup2(_os.open(_os.devnull, _os.O_WRONLY), 1)
    _sys.__excepthook__(kind, error, trace)
    if getattr(error, "errno", None) in {full!r}:
        print("evo: the disk is full:", error.filename or "where the output goes", file=_sys.stderr)


_sys.excepthook = _broken_pipe


class _Shell:
    """What get_ipython() is in a script: Python behind %time runs, commands and all other magics are left out."""

    SILENT = "autoreload colab config load_ext matplotlib pinfo pinfo2 pip conda pylab reload_ext".split()

    def run_line_magic(self, name, line, *more, **options):
        if name not in ("time", "prun"):
            return self._left_out(name, "%" + name + " " + line)
        caller = _sys._getframe(1)
        try:
            code = compile(line, "%" + name, "eval")
        except SyntaxError:
            code = compile(line, "%" + name, "exec")
        return eval(code, caller.f_globals, caller.f_locals)

    def run_cell_magic(self, name, line, cell):
        self._left_out(name, "%%" + name + " " + line)

    def system(self, command):
        self._left_out("!", "!" + command)

    def getoutput(self, command, *more, **options):
        self._left_out("!", "!" + command)
        return []

    def _left_out(self, name, what):
        if name not in self.SILENT and _os.environ.get("RANK", "0") == "0":
            print("evo: left out, as this is no notebook:", what.strip(), file=_sys.stderr)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **options: None


_shell = _Shell()


def get_ipython():
    return _shell


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
        if object is not None and type(object).__module__ != "matplotlib.figure":  # figures are saved
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
    """The folder of the chapters: in the current directory or its parents, beside the package, or inside the installed one."""
    here, package = Path.cwd(), Path(__file__).parent
    for folder in (here, *here.parents, package.parent):
        if (folder / "book").is_dir() and (folder / "evo" / "__main__.py").is_file():
            return folder / "book"
    if (package / "chapters").is_dir():
        return package / "chapters"
    raise Failure("no chapters here: run this inside a clone of the repository, or name a notebook's file")


def chapters():
    """{name: path} of every chapter."""
    return {path.stem: path for path in sorted(book().rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts}


def find(name):
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            beside = [file.name for file in Path(name).parent.glob("*.ipynb")]
            raise Failure(f"there is no file {name} {meant(Path(name).name, beside)}".rstrip())
        return Path(name).resolve()
    known = chapters()
    if name not in known:
        raise Failure(f"no chapter named {name!r}; {meant(name, known)}the chapters are: {', '.join(known) or '(none)'}")
    return known[name]


def meant(word, known):
    """"did you mean X? ", where one of the known words is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}? " if near else ""


def script(path):
    """A notebook as one Python file: its code cells in order, magics left out, last values displayed."""
    import json

    try:
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path} is no notebook of format 4: open it in Jupyter and save it") from error
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    future, parts = [], [SHOW.replace("{folder!r}", repr(str(path.parent))).replace("{full!r}", repr(FULL))]
    for number, source in enumerate(sources, 1):
        try:
            code = _plain_python(source)
            future += _take_future(code)
            code = _awaited(_without_future(code), f"cell {number} of {path.name}")
        except SyntaxError as error:
            where = f"line {error.lineno}: {(error.text or '').strip()!r}" if error.lineno else "somewhere"
            raise Failure(f"cell {number} of {path.name} is no Python ({error.msg}, {where})") from error
        parts.append(f"# --- cell {number} of {path.name}\n{code}\n")
    return "\n\n".join([*future, *parts])


def _plain_python(source):
    """A cell as Python: magics as calls of get_ipython(), the last expression displayed, as in a notebook."""
    source = _without_magics(source.replace("\r\n", "\n").replace("\r", "\n"))
    body = ast.parse(source).body
    if not body or not isinstance(body[-1], ast.Expr) or _ends_quietly(source):
        return source
    lines, last = source.split("\n"), body[-1]
    start, end = ("display((", "))") if isinstance(last.value, ast.Tuple) else ("display(", ")")
    first = lines[last.lineno - 1].encode()
    lines[last.lineno - 1] = (first[: last.col_offset] + start.encode() + first[last.col_offset :]).decode()
    final = lines[last.end_lineno - 1].encode()
    cut = last.end_col_offset + (len(start) if last.end_lineno == last.lineno else 0)
    lines[last.end_lineno - 1] = (final[:cut] + end.encode() + final[cut:]).decode()
    return "\n".join(lines)


def _without_magics(source):
    """What is Python stays as it is; the rest goes through IPython's own transformer, which knows strings and brackets."""
    source = re.sub(rf"\A(?:{RUN_ANYWAY}\n)+", "", source + "\n")[:-1]
    try:
        ast.parse(source)
        return source
    except SyntaxError:
        pass
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        raise Failure("the notebook holds magics or commands, which only IPython can read: pip install ipython") from None
    return TransformerManager().transform_cell(source).removesuffix("\n")


def _ends_quietly(source):
    """Does a semicolon end the cell? A comment may follow it."""
    kinds = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.DEDENT, tokenize.INDENT)
    words = [token.string for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in kinds]
    return words[-1:] == [";"]


def _is_future(node):
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _take_future(source):
    """Lines `from __future__ import ...` of a cell: in a file they must stand on top."""
    return [ast.unparse(node) for node in ast.parse(source).body if _is_future(node)]


def _without_future(source):
    lines = source.split("\n")
    for node in reversed([node for node in ast.parse(source).body if _is_future(node)]):
        lines[node.lineno - 1 : node.end_lineno] = ["pass"] + [""] * (node.end_lineno - node.lineno)
    return "\n".join(lines)


def _awaited(source, name):
    """A cell that awaits outside of a function, as notebooks may, runs in an event loop."""
    try:
        compile(source, name, "exec", dont_inherit=True)
        return source
    except SyntaxError:
        flag = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compile(source, name, "exec", flags=flag, dont_inherit=True)
        return f"import asyncio as _asyncio\n_asyncio.run(eval(compile({source!r}, {name!r}, 'exec', flags={flag}), globals()))"


def run(path, train="zoo", devices=1, seen=None, out=None):
    """Run a chapter as a script, under torchrun for several devices. Returns its exit status.

    out: the folder for its figures and, where it trains, for what it makes; without one, figures are not drawn and
    what is made goes where evo.zoo says.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"evo-run-{path.stem}.py"  # with a hyphen it can never be taken for a module
        file.write_text(script(path), encoding="utf-8")
        command = [sys.executable]
        if devices > 1:
            command += ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(devices)]
        environment = {**os.environ, "EVO_TRAIN": train, "MPLBACKEND": "Agg", "PYTHONUTF8": "1"}
        if out:
            environment.update(MPLBACKEND="module://evo.saved", EVO_FIGURES=str(out))
        if out and train not in ("zoo", "verify"):
            environment.setdefault("EVO_STAGE", str(out / "zoo"))
        environment.setdefault("PYTHONUNBUFFERED", "1")
        if devices > 1:
            environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // devices)))
        pipe = None if seen is None else subprocess.PIPE
        text = {} if pipe is None else {"encoding": "utf-8", "errors": "replace"}
        home = out if out and (Path(__file__).parent / "chapters") in path.parents else path.parent  # an installed package stays as it is
        process = subprocess.Popen([*command, str(file)], cwd=home, env=environment, stderr=pipe, **text)
        for line in process.stderr or ():
            print(line, end="", file=sys.stderr)
            seen += VERIFIED.findall(line)
        return process.wait()


def lacking(path):
    """What a chapter imports that is not installed, as the lines that install it."""
    from importlib.metadata import PackageNotFoundError, metadata

    body = ast.parse(script(path)).body
    names = {alias.name.split(".")[0] for node in body if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.split(".")[0] for node in body if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    gone = sorted(name for name in names & {"d2l", *READERS} if importlib.util.find_spec(name) is None)
    if not gone:
        return None
    try:
        url = next(v.split(", ")[1] for v in metadata("evo-book").get_all("Project-URL", ()) if v.startswith("Repository, "))
        extra = f'"evo-book[read] @ git+{url}"'
    except (PackageNotFoundError, StopIteration):
        extra = " ".join(name for name in gone if name != "d2l")
    lines = [f"pip install {extra}"] * (gone != ["d2l"]) + ["pip install --no-deps d2l==1.0.3"] * ("d2l" in gone)
    return f"{path.stem} needs {' and '.join(gone)}, which {'is' if len(gone) == 1 else 'are'} not here: {' && '.join(lines)}"


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
    if problem := lacking(path):
        raise Failure(problem)
    out = (Path(options.out) if options.out else Path("evo-run") / path.stem).resolve()
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("figure-*.png"):
        old.unlink()
    status = run(path, options.train, options.devices, out=out)
    drawn, kept = len(list(out.glob("figure-*.png"))), sorted((out / "zoo").glob("*.json"))
    if drawn:
        print(f"evo: {drawn} figure{'s' * (drawn > 1)} in {out}", file=sys.stderr)
    if kept:
        print(f"evo: what was trained ({len(kept)} entries) is in {out / 'zoo'}; the book's zoo is as it was. "
              f"EVO_STAGE={out / 'zoo'} uses them; in a clone, `evo zoo record` writes into the zoo", file=sys.stderr)
    for folder in (out / "zoo", out, Path("evo-run")):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return status


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
        if options.action == "hash":
            print(sources.content_hash(sources.load(options.name)))
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
    from evo.zoo import commands

    return commands.run(options)


def zoo_options(parser):
    """`evo zoo ...`; carried out by evo.zoo.commands."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="all entries: size, seconds, score, when recorded, when made a second time")
    actions.add_parser("stale", help="entries that no longer match their chapter, told from the texts; status 1 if there are any")
    why = actions.add_parser("why", help="which parts of an entry are others now")
    why.add_argument("names", nargs="+", metavar="NAME")
    verify = actions.add_parser("verify", help="replay the first and last steps of every entry, score it again")
    verify.add_argument("chapters", nargs="*", metavar="CHAPTER", help="without any: the whole book")
    audit = actions.add_parser("audit", help="make entries anew from nothing, the longest unaudited first, and date them")
    audit.add_argument("names", nargs="*", metavar="NAME", help="entries, whole; without any: what fits into the time")
    audit.add_argument("--minutes", type=float, default=30, help="about how long, by the recorded seconds (default 30)")
    audit.add_argument("--plan", action="store_true", help="only print what would be made")
    restamp = actions.add_parser("restamp", help="renew what an edit changed only in words: replayed, scored, one row a study made anew")
    restamp.add_argument("chapters", nargs="*", metavar="CHAPTER", help="without any: the chapters that have stale entries")
    record = actions.add_parser("record", help="train what does not match its chapter, and record it")
    record.add_argument("chapters", nargs="*", metavar="CHAPTER", help="without any: the whole book")
    record.add_argument("--anew", action="store_true", help="retrain also what matches")
    record.add_argument("--only", metavar="NAME", help="this entry alone; the others are loaded")


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

        try:
            rows = sources.status()
        except sources.DataError as error:
            rows, problems = [], [*problems, f"data: {error}"]
        table(["data", "state", "path"], [[r["name"], r["state"], r["path"] or ""] for r in rows])
        problems += [f"data: {r['name']} is damaged: evo data get {r['name']}" for r in rows if r["state"] == "damaged"]
        print()
    from evo import zoo

    problems += filter(None, map(_zoo_problem, zoo.names()))
    size = sum(path.stat().st_size for path in Path(zoo.FOLDER).glob("*.safetensors"))
    print(f"zoo: {len(zoo.names())} entries, {size / 1e6:.1f} MB in {zoo.FOLDER}")
    for problem in problems:
        print(f"PROBLEM  {problem}")
    return 1 if problems else 0


def _zoo_problem(name):
    """One sentence about an entry of the zoo that cannot be used, or None."""
    from evo import zoo

    path = Path(zoo.FOLDER) / f"{name}.safetensors"
    remedy = "restore it with git, or make it anew with `evo zoo record`"
    try:
        record = zoo.read(name)
        if record and "sha256" in record and hashlib.sha256(path.read_bytes()).hexdigest() != record["sha256"]:
            return f"zoo: {path.name} is not the file that was recorded: {remedy}"
    except FileNotFoundError as error:
        return f"zoo: {Path(error.filename).name} is missing: {remedy}"
    except (zoo.ZooError, ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        return f"zoo: {error if name in str(error) else f'{name}: {error}'}"


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


class Parser(argparse.ArgumentParser):
    """argparse's, with a suggestion for a mistyped command."""

    def error(self, message):
        if wrong := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            suggestion = meant(wrong[1], re.findall(r"[\w-]+", wrong[2]))
            message = message.replace("(choose from", f"({suggestion}choose from")
        if wrong := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            message = f"{message} {meant(wrong[1], _options(self))}".rstrip()
        super().error(message)


def _options(parser):
    """All options of a parser and of the commands below it."""
    for action in parser._actions:
        yield from (word for word in action.option_strings if word.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _options(below)


def _version():
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("evo-book")
    except PackageNotFoundError:
        return "(not installed)"


def parser():
    top = Parser(prog="evo", description="Data, chapters, zoo and state of the evo book.")
    top.add_argument("--version", action="version", version=f"evo {_version()}")
    commands = top.add_subparsers(dest="command", required=True, metavar="data | run | zoo | doctor")

    data = commands.add_parser("data", help="get, list or verify the data sets").add_subparsers(dest="action", required=True)
    get = data.add_parser("get", help="fetch data sets into the cache")
    get.add_argument("names", nargs="*", metavar="NAME")
    get.add_argument("--all", action="store_true", help="every data set, for work offline")
    data.add_parser("list", help="what there is, and what is on this machine")
    data.add_parser("verify", help="check the hash of every data set that is here")
    data.add_parser("hash", help="the content hash of a data set").add_argument("name", metavar="NAME")

    one = commands.add_parser("run", help="run a chapter as a script")
    one.add_argument("chapter", metavar="CHAPTER", help="its name, as in `evo run mae`, or a notebook's path")
    one.add_argument("--train", choices=MODES, default=os.environ.get("EVO_TRAIN") or "zoo", help="EVO_TRAIN, see evo.zoo")
    one.add_argument("--out", metavar="FOLDER", help="for figures and what was trained (default evo-run/CHAPTER)")
    one.add_argument("--devices", type=int, default=1, metavar="N", help="processes under torchrun, one a GPU")

    zoo_options(commands.add_parser("zoo", help="trained weights and recorded studies"))

    commands.add_parser("doctor", help="versions, device, data and zoo state")
    return top


def main(arguments=None):
    try:
        try:
            return _obey(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has gone, as in `evo zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # as a shell says of a program that ended so
    except OSError as error:
        if not (disk := disk_error(error)):
            raise
        print(f"evo: {why(disk)}: {disk.filename or 'where the output goes'}", file=sys.stderr)
        if is_full(error) and not error.filename:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed once more
        return 2


def _obey(arguments):
    try:
        options = parser().parse_args(arguments)
        settings.check()
        command = {"data": data_command, "run": run_command, "zoo": zoo_command, "doctor": doctor_command}[options.command]
        return command(options)
    except (Failure, settings.SettingError) as error:
        print(f"evo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    from evo.__main__ import main  # one module, not two, whoever asks for it

    sys.exit(main())
