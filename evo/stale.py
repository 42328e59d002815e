"""Which entries of the zoo no longer match their chapter, told from the texts alone: nothing is run.

The package's parts are hashed as they stand. Of a notebook only its text is read: functions, classes, constants written
as literals, and the arguments of the call of `fit` or `study` that names the entry. What only a run can tell (data,
weights, computed values) is left to `evo zoo verify`.
"""
import ast
import functools
import itertools
import json
import re
from collections import Counter

from evo import zoo
from evo.fingerprint import bare, current, of_syntax, parts, whole
from evo.loop import key, plain

LITERAL = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Tuple, ast.List, ast.Dict, ast.Name,
           ast.expr_context)
LISTED = (*LITERAL, ast.Starred, ast.Subscript, ast.Slice, ast.Call, ast.keyword, ast.ListComp, ast.GeneratorExp,
          ast.comprehension, ast.JoinedStr, ast.FormattedValue, ast.Compare, ast.cmpop)
DEFAULTS = {"seeds": ast.parse("0, 1, 2", mode="eval").body, "clocks": ast.parse("()", mode="eval").body}
CALLED = {"range": range, "dict": dict, "list": list, "tuple": tuple}
CHANGING = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "remove", "clear", "sort", "reverse"}
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp,
         ast.GeneratorExp)


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
    found = [] if whole(record["parts"]) == record["fingerprint"] else ["the fingerprint is not that of the parts"]
    found += [part for part, mark in record["parts"].items() if part.startswith("evo") and _now(part) != mark]
    text = _text(notebook.read_bytes())
    for part, mark in record["parts"].items():
        if part.startswith("chapter:") and mark not in text.marks.get(part.removeprefix("chapter:").rstrip("'"), {mark}):
            found.append(part)
    settings = text.settings(name)
    found += [f"{key}={settings[key]!r}, recorded {value!r}" for key, value in record.get("settings", {}).items()
              if key in settings and settings[key] != value]
    if "rows" in record:
        calls = text.studies(name)
        found += _rows(record["rows"], calls)
        found += [f"clocks={call['clocks']}, recorded {record['clocks']}" for call in calls
                  if "clocks" in record and call["clocks"] not in (None, record["clocks"])]
    return sorted(found)


def _rows(rows, calls):
    """What calls of a study ask for and its rows lack, or the other way round; nothing where that cannot be read."""
    recorded = {key(row["setting"], row["seed"]) for row in rows}
    readable = all(call["grid"] is not None and call["seeds"] is not None for call in calls)
    if not calls or len(calls) > 1 and not readable:
        return []
    asked = set()
    for call in calls:
        for setting in [row["setting"] for row in rows] if call["grid"] is None else call["grid"]:
            known = [row["seed"] for row in rows if row["setting"] == setting]
            asked |= {key(setting, seed) for seed in ((known or [0]) if call["seeds"] is None else call["seeds"])}
    said = {"asked for and not recorded": asked - recorded, "recorded and not asked for": recorded - asked if readable else ()}
    return [f"{words}: {', '.join(sorted(some)[:3])}" + (f" and {len(some) - 3} more" if len(some) > 3 else "")
            for words, some in said.items() if some]


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


def _outer(tree):
    """All nodes that stand in no function, class or comprehension."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, INNER):
            yield from _outer(node)


class _Text:
    """What can be read off a notebook's bytes. marks: {name: hashes of all its definitions}; lists: values of names that are
    assigned once and never changed.
    """

    def __init__(self, notebook):
        self.marks, self.constants, self.lists, self.calls, trees = {}, {}, {}, [], []
        for source in _cells(notebook):
            try:
                trees.append(bare(ast.parse(source)))
            except SyntaxError:
                continue
        self.outer = [node for tree in trees for node in _outer(tree)]
        stored = Counter(n.id for n in self.outer if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
        nodes = [node for tree in trees for node in ast.walk(tree)]
        changed = {n.value.id for n in nodes if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.value, ast.Name)
                   and (getattr(n, "attr", None) in CHANGING or not isinstance(n.ctx, ast.Load))}
        self.steady = {name for name, times in stored.items() if times == 1} - changed
        for tree in trees:
            for statement in tree.body:
                self.read(statement)
        self.calls = [node for node in nodes if isinstance(node, ast.Call)]

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
            if target.id in self.steady and (listed := self.listed(value)) is not None:
                self.lists[target.id] = listed
            try:
                known = self.value(value)
            except ValueError:  # computed: only a run can tell
                self.marks.pop(target.id, None)
                return
            self.constants[target.id] = known
            self.marks.setdefault(target.id, set()).add(parts(known)["argument 0"])

    def value(self, node):
        """A value written as a literal or computed from such constants. Raises ValueError for anything else."""
        names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
        if not all(isinstance(n, LITERAL) for n in ast.walk(node)) or not all(n in self.constants for n in names):
            raise ValueError("not a literal")
        return eval(compile(ast.Expression(node), "<chapter>", "eval"), {"__builtins__": {}}, dict(self.constants))  # noqa: S307

    def listed(self, node):
        """A value made of literals, of `lists`, of range, dict, list, tuple and [... for ...] only; None for anything else."""
        nodes = list(ast.walk(node))
        calls = [n.func for n in nodes if isinstance(n, ast.Call)]
        if not all(isinstance(n, LISTED) for n in nodes) or not all(isinstance(f, ast.Name) and f.id in CALLED for f in calls):
            return None
        try:
            return eval(compile(ast.Expression(node), "<chapter>", "eval"), {"__builtins__": CALLED, **self.lists})  # noqa: S307
        except Exception:  # such as a name that only a run knows
            return None

    def studies(self, name):
        """Of every call of `study` with this name: grid, seeds and clocks as lists; None for what cannot be read."""
        named = lambda k: k.arg == "name" and isinstance(k.value, ast.Constant) and k.value.value == name
        called = lambda call: getattr(call.func, "id", getattr(call.func, "attr", None)) == "study"
        return [self.arguments(call) for call in self.calls if called(call) and any(map(named, call.keywords))]

    def arguments(self, call):
        """Of one call of `study`. In a function, names may mean something else."""
        given = {**DEFAULTS, **dict(zip(("trial", "grid"), call.args)), **{k.arg: k.value for k in call.keywords}}
        found = dict.fromkeys(("grid", "seeds", "clocks"))
        for what in found if call in self.outer and None not in given else ():
            value = self.listed(given[what])
            if isinstance(value, dict):
                value = [dict(zip(value, values)) for values in itertools.product(*value.values())]
            found[what] = plain(list(value)) if isinstance(value, (list, tuple, range)) else None
        return {**found, "clocks": found["clocks"] and sorted(found["clocks"])}

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
