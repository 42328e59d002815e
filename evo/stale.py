"""Which entries of the zoo no longer match their chapter, told from the texts alone: nothing is run.

The package's parts are hashed as they stand. Of a notebook only its text is read: functions, classes, constants written
as literals, and the arguments of the call of `fit` that names the entry. What only a run can tell (data, weights,
computed values) is left to `evo zoo verify`.
"""
import ast
import functools
import json
import re

from evo import zoo
from evo.fingerprint import bare, current, of_syntax, parts


def chapters_of(notebooks):
    """{entry: notebook} by the name= of every fit and study in their code."""
    found = {}
    for path in notebooks:
        text = "\n".join(_cells(path.read_bytes()))
        makes = [re.sub(r"\\\{.*?\\\}", ".+", re.escape(name)) for name in re.findall(r'\bname=f?"([^"]+)"', text)]
        for name in zoo.names():
            if any(re.fullmatch(pattern, name) for pattern in makes):
                found[name] = path
    return found


def differences(name, notebook):
    """The parts of an entry's record that are others now, sorted; empty where it still matches."""
    record = zoo.read(name)
    if "parts" not in record:
        return ["the record names no parts"]
    found = [part for part, mark in record["parts"].items() if part.startswith("evo") and _now(part) != mark]
    text = _text(notebook.read_bytes())
    for part, mark in record["parts"].items():
        if part.startswith("chapter:") and mark not in text.marks.get(part.removeprefix("chapter:").rstrip("'"), {mark}):
            found.append(part)
    settings = text.settings(name)
    found += [f"{key}={settings[key]!r}, recorded {value!r}" for key, value in record.get("settings", {}).items()
              if key in settings and settings[key] != value]
    return sorted(found)


_known = {}


def _now(part):
    part = part.rstrip("'")
    if part not in _known:
        _known[part] = current(part)
    return _known[part]


@functools.lru_cache(maxsize=64)
def _text(notebook):
    """`_Text` of a notebook, read once however many entries it makes. By its bytes, so that an edit is never missed."""
    return _Text(notebook)


def _cells(notebook):
    cells = json.loads(notebook)["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source) for source in code]


class _Text:
    """What can be read off a notebook's bytes. marks: {name: hashes of all its definitions}."""

    def __init__(self, notebook):
        self.marks, self.constants, self.calls = {}, {}, []
        for source in _cells(notebook):
            try:
                tree = bare(ast.parse(source))
            except SyntaxError:
                continue
            for statement in tree.body:
                self.read(statement)
            self.calls += [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    def read(self, statement, prefix=""):
        if isinstance(statement, ast.FunctionDef):
            self.marks.setdefault(prefix + statement.name, set()).add(of_syntax(statement))
        elif isinstance(statement, ast.ClassDef):
            for inner in statement.body:
                self.read(inner, f"{prefix}{statement.name}.")
        elif isinstance(statement, ast.Assign) and not prefix:
            for target in statement.targets:
                self.assign(target, statement.value)

    def assign(self, target, value):
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, its in zip(target.elts, value.elts):
                self.assign(one, its)
        elif isinstance(target, ast.Name):
            try:
                known = self.value(value)
            except ValueError:  # computed: only a run can tell
                self.marks.pop(target.id, None)
                return
            self.constants[target.id] = known
            self.marks.setdefault(target.id, set()).add(parts(known)["argument 0"])

    def value(self, node):
        """A value written as a literal or computed from such constants. Raises ValueError for anything else."""
        allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Tuple, ast.List, ast.Dict, ast.Name,
                   ast.expr_context)
        names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        if not all(isinstance(n, allowed) for n in ast.walk(node)) or not all(n in self.constants for n in names):
            raise ValueError("not a literal")
        return eval(compile(ast.Expression(node), "<chapter>", "eval"), {"__builtins__": {}}, dict(self.constants))  # noqa: S307

    def settings(self, name):
        """The keyword arguments of the call that names the entry, as far as they can be read."""
        for call in self.calls:
            given = {k.arg: k.value for k in call.keywords if k.arg}
            if isinstance(given.get("name"), ast.Constant) and given["name"].value == name:
                found = {}
                for key, node in given.items():
                    try:
                        found[key] = self.value(node)
                    except (ValueError, TypeError, ZeroDivisionError):
                        pass
                return found
        return {}
