"""What a result depends on, part by part: code, settings, data and starting weights, each as a short hash.

`fit` and `study` look a result up under the hash of all parts. A part is one function, one method, one class or one
global value that the run can reach, or an argument of the call; so a record can say which of them changed. Comments,
docstrings, annotations, line breaks and names of files do not enter; neither do methods that nothing mentions, such as
those that only draw. A constant in the loss, a layer of the model, one pixel of the data or the seed do. Code is followed
from function to function as long as it stands in `evo` or in the notebook; a library counts by name only (the replay of
recorded losses is what notices a library that computes something else).
"""
import ast
import dis
import functools
import hashlib
import importlib
import inspect
import json
import os
import textwrap
import types

import numpy as np
import torch
from torch import nn

# runs or shows, computes nothing
MACHINERY = {f"evo.{name}" for name in (
    "train", "loop", "proof", "stale", "cuts", "zoo", "fingerprint", "plots", "claims", "verdicts", "checks", "show", "explorer", "look")}
CALLED = {"forward", "at"}  # methods that the training loop calls by itself
PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def fingerprint(*things, **named):
    """Hash of functions, classes, models, tensors and plain values: 16 hexadecimal digits."""
    return whole(parts(*things, **named))


def parts(*things, **named):
    """{part: hash} of all that these things depend on. Keywords name the parts that hold their content.

    Raises TypeError, naming the object, for a thing whose content cannot be read in a reproducible way.
    """
    walk = _Walk()
    for i, thing in enumerate(things):
        walk.parts[f"argument {i}"] = walk.content(thing)
    for name, thing in named.items():
        walk.parts[name] = walk.content(thing)
    walk.follow_methods()
    return dict(sorted(walk.parts.items()))


def whole(parts):
    """One hash of all parts."""
    return _short(json.dumps(parts, sort_keys=True))


def current(name):
    """The hash of a part of the package as its code stands now, by the part's name; None if there is no such part."""
    module, _, path = name.partition(":")
    if not (module == "evo" or module.startswith("evo.")):
        raise ValueError(f"{name} is no part of the package")
    try:
        found = functools.reduce(inspect.getattr_static, path.split("."), importlib.import_module(module))
    except (ImportError, AttributeError):
        return None
    code = _code(found)
    if code is not None and not _of_library(code) and code.__module__ == module:  # else a cached function under another's name
        return _own(code)
    return _Walk().of_class(found) if isinstance(found, type) else _Walk().content(found)


def _short(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ours(module_name):
    return module_name == "__main__" or module_name == "evo" or str(module_name).startswith("evo.")


def _place(module_name):
    return "chapter" if module_name == "__main__" else module_name


class _Walk:
    """Collects the parts; `content` hashes a value, in which functions and classes count by the names of their parts."""

    def __init__(self):
        self.parts, self.mentioned, self.waiting = {}, set(CALLED), {}
        self.names = {}  # id of a function or class -> the name of its part
        self.hashes = {}  # id of a value -> its hash: many functions read the same table
        self.keep = []  # keeps these ids alive

    def content(self, x):
        if id(x) not in self.hashes:
            self.keep.append(x)
            self.hashes[id(x)] = _Content(self).add(x).hexdigest()[:16]
        return self.hashes[id(x)]

    def follow_methods(self):
        """Methods become parts once anything reached mentions their name."""
        while reached := [name for name in self.waiting if name in self.mentioned or name.startswith("__")]:
            for name in reached:
                for part, function in self.waiting.pop(name):
                    self.function(function, part)

    def register(self, thing, name, value):
        while self.parts.get(name, value) != value:  # two of one name, as when a notebook defines something again
            name += "'"
        self.parts[name], self.names[id(thing)] = value, name
        self.keep.append(thing)
        return name

    def function(self, f, name=None):
        """The name of a function's part; what it calls and reads becomes parts, too."""
        if id(f) in self.names:
            return self.names[id(f)]
        name = self.register(f, name or f"{_place(f.__module__)}:{f.__qualname__}", _own(f))
        self.reach(f)
        return name

    def reach(self, f):
        """Register the globals that a function reads and what it imports inside."""
        loaded, names = map(set, _names(f.__code__))
        tree = _syntax(f)
        outside = [*getattr(tree, "decorator_list", ()), *tree.args.defaults, *filter(None, tree.args.kw_defaults)]
        for node in (n for part in outside for n in ast.walk(part)):
            loaded |= {node.id} if isinstance(node, ast.Name) else set()
            names |= {node.attr} if isinstance(node, ast.Attribute) else set()
        self.mentioned |= names
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and _ours(node.module):
                for alias in node.names:
                    self.value(node.module, alias.name, getattr(importlib.import_module(node.module), alias.name), names)
        for name in sorted(loaded & f.__globals__.keys()):
            self.value(f.__module__, name, f.__globals__[name], names)

    def value(self, module, name, value, names):
        """A global: code and our modules are followed, other values become a part; what a library's name means is a part in a
        notebook, and counts in the reader's own hash in the package."""
        if isinstance(value, types.ModuleType):
            if _ours(value.__name__):
                for member in sorted(names & vars(value).keys()):
                    self.value(value.__name__, member, getattr(value, member), names)
            elif module == "__main__":
                self.parts[f"chapter:{name}"] = _short(f"module {value.__name__}")
        elif _of_library(value):
            content = self.content(value)  # of fit it brings the recipe
            if module == "__main__":
                self.parts[f"chapter:{name}"] = content
        else:
            content = self.content(value)
            if not isinstance(value, (types.FunctionType, type)):
                self.parts.setdefault(f"{_place(module)}:{name}", content)

    def class_(self, cls):
        if id(cls) in self.names:
            return self.names[id(cls)]
        name = f"{_place(cls.__module__)}:{cls.__qualname__}"
        name = self.register(cls, name, self.of_class(cls))
        for base in cls.__bases__:
            if _ours(base.__module__):
                self.class_(base)
        for attribute, value in vars(cls).items():
            for code in _codes(value):
                if code.__module__ == cls.__module__ and _has_source(code):
                    self.waiting.setdefault(attribute, []).append((f"{name}.{attribute}", code))
        return name

    def of_class(self, cls):
        """A class without its methods: bases and attributes."""
        content = _Content(self)
        content.put("class", cls.__qualname__, *(f"{_place(b.__module__)}:{b.__qualname__}" for b in cls.__bases__))
        for name, value in sorted(vars(cls).items()):
            hidden = name.startswith("__") or name.startswith("_abc")
            if not hidden and not _codes(value) and not isinstance(value, types.MemberDescriptorType):
                content.put("attribute", name), content.add(value)
        return content.hash.hexdigest()[:16]


class _Content:
    """Hash of one value."""

    def __init__(self, walk):
        self.walk, self.hash, self.seen, self.keep = walk, hashlib.sha256(), set(), []

    def put(self, *words):
        self.hash.update("\x1f".join(map(str, words)).encode() + b"\x1e")

    def add(self, x):
        self._add(x)
        return self.hash

    def _add(self, x):
        if x is None or isinstance(x, (bool, int, float, complex, str, bytes, torch.dtype, torch.device, range, slice)):
            return self.put("value", repr(x))
        if isinstance(x, np.generic):
            return self.put("value", repr(x.item()))
        if id(x) in self.seen:
            return self.put("again")
        self.seen.add(id(x))
        self.keep.append(x)
        if isinstance(x, (torch.Tensor, np.ndarray)):
            self.add_array(x)
        elif isinstance(x, (list, tuple, dict)):
            self.add_container(x)
        elif isinstance(x, (set, frozenset)):
            self._add(sorted(x, key=repr))
        elif isinstance(x, nn.Module):
            self.add_model(x)
        elif isinstance(x, types.ModuleType):
            self.put("module", x.__name__)
        elif isinstance(x, functools.partial):
            self.put("partial"), self._add(x.func), self._add(list(x.args)), self._add(x.keywords)
        elif isinstance(x, types.MethodType):
            self.walk.mentioned.add(x.__func__.__name__)
            self.put("method", x.__func__.__name__), self._add(x.__func__), self._add(x.__self__)
        elif isinstance(x, types.FunctionType):
            self.add_function(x)
        elif isinstance(x, type):
            self.put("class", x.__module__, x.__qualname__) if _of_library(x) else self.put("part", self.walk.class_(x))
        elif _ours(type(x).__module__):
            self._add(type(x))
            lazy = {k for k, v in inspect.getmembers_static(type(x)) if isinstance(v, functools.cached_property)}
            self._add({k: v for k, v in vars(x).items() if not k.startswith("_") and k not in lazy})
        elif hasattr(x, "__wrapped__"):  # lru_cache and friends
            self._add(x.__wrapped__)
        elif callable(x) and hasattr(x, "__qualname__"):  # builtins and library callables
            self.put("library", getattr(x, "__module__", ""), x.__qualname__)
        elif hasattr(x, "to_str"):  # tokenizers.Tokenizer
            self.put("tokenizer", x.to_str())
        elif " at 0x" not in repr(x):
            self.put("repr", type(x).__qualname__, repr(x))
        else:
            raise TypeError(f"cannot fingerprint a {type(x).__qualname__}: pass tensors, arrays, plain values or functions instead")

    def add_array(self, x):
        if isinstance(x, torch.Tensor):
            x = x.detach().cpu()
            x = x.view(torch.int16) if x.dtype is torch.bfloat16 else x
            x = x.numpy()
        self.put("array", x.dtype, x.shape)
        if x.dtype == object:
            return self._add(x.tolist())
        self.hash.update(hashlib.sha256(np.ascontiguousarray(x)).digest())

    def add_container(self, x):
        try:  # plain data, however large, in one go
            return self.put(type(x).__name__, hashlib.sha256(json.dumps(x, sort_keys=True).encode()).hexdigest())
        except (TypeError, ValueError):
            pass
        self.put(type(x).__name__, len(x))
        for item in sorted(x.items(), key=lambda kv: str(kv[0])) if isinstance(x, dict) else x:
            if isinstance(x, dict):
                self.put("key", item[0])
                item = item[1]
            self._add(item)

    def add_model(self, model):
        for name, module in model.named_modules():
            self.put("submodule", name)
            self._add(type(module))
            ours = _ours(type(module).__module__)
            self.put("" if ours else module.extra_repr() or _plain(module))
            if ours:
                self._add({k: v for k, v in vars(module).items() if not k.startswith("_") and k != "training"})
            for hook in (*module._forward_pre_hooks.values(), *module._forward_hooks.values()):
                self.put("hook"), self._add(hook)
        for name, p in model.state_dict(keep_vars=True).items():
            self.put("weights", name, tuple(p.shape), p.requires_grad, *_impression(p.detach().double().flatten()))

    def add_function(self, f):
        while hasattr(f, "__wrapped__") and not _ours(f.__globals__["__name__"]):
            f = f.__wrapped__  # what torch.no_grad() and other decorators of libraries hold; their name stands in the source
        if _of_library(f):
            self.put("library", f.__module__, f.__qualname__)
            if _is_fit(f):  # every fit takes its steps by the recipe
                from evo import recipe

                self._add(recipe.PARTS)
        elif f.__closure__ or f.__name__ == "<lambda>":
            self.put("inner", _own(f)), self._add(list(f.__defaults__ or ())), self._add(f.__kwdefaults__ or {})
            for cell in f.__closure__ or ():
                self._add(cell.cell_contents)
            self.walk.reach(f)
        else:
            self.put("part", self.walk.function(f))


def _of_library(x):
    """Functions and classes of libraries and of the machinery count by name, modules and what is built in as well."""
    if isinstance(x, types.FunctionType) and hasattr(x, "__wrapped__") and _ours(getattr(x.__wrapped__, "__module__", "")):
        return False
    if isinstance(x, (types.FunctionType, type)):
        return not _ours(x.__module__) or x.__module__ in MACHINERY
    return isinstance(x, (types.ModuleType, types.BuiltinFunctionType))


def _is_fit(x):
    return isinstance(x, types.FunctionType) and (x.__module__, x.__qualname__) == ("evo.train", "fit")


def _code(x):
    """The function behind a method, property, class method, cached property or cached function, or None."""
    found = _codes(x)
    return found[0] if found else None


def _codes(x):
    if isinstance(x, property):
        return [f for f in (x.fget, x.fset) if f]
    x = getattr(x, "__func__", x)  # static and class methods
    x = x.func if isinstance(x, functools.cached_property) else x
    x = inspect.unwrap(x) if callable(x) and not isinstance(x, type) else x
    return [x] if isinstance(x, types.FunctionType) else []


def _own(f):
    """Hash of one function: its syntax and, in the package, which library things its names mean."""
    if f.__module__ == "__main__":  # there these are parts of their own, so that a notebook's text tells this hash
        return _short(_written(f))
    loaded, _ = _names(f.__code__)
    meant = {}
    for name in sorted(loaded & f.__globals__.keys()):
        value = f.__globals__[name]
        if isinstance(value, types.ModuleType):
            meant[name] = value.__name__
        elif _of_library(value):
            meant[name] = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"
    return _short(_written(f) + json.dumps(meant))


def of_syntax(tree):
    """Hash of a bare syntax tree."""
    return _short(_dump(tree))


def _plain(module):
    """Public numbers of a library's module that does not print them, such as the heads of nn.MultiheadAttention."""
    return {k: v for k, v in sorted(vars(module).items()) if k[0] != "_" and k != "training" and isinstance(v, (bool, int, float))}


def _impression(p):
    """Two numbers that a tensor's content, order included, decides; coarse, since its last bits differ between processors."""
    size = float(p.norm())
    if not len(p) or size == 0:
        return 0.0, 0.0
    return tuple(round(float(p @ w) / size, 2) + 0.0 for w in _waves(len(p)))


@functools.lru_cache(maxsize=64)
def _waves(n):
    waves = torch.cos(0.7 * torch.arange(n, dtype=torch.float64))
    return torch.ones_like(waves), waves


def _has_source(f):
    return inspect.unwrap(f).__code__.co_filename != "<string>"  # of exec, by which dataclasses, too, generate methods


@functools.cache
def _names(code):
    """Names a code object loads as globals, and all names and words it mentions, nested functions included."""
    loaded, names = set(), set(code.co_names)
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            loaded.add(instruction.argval)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            inner_loaded, inner_names = _names(const)
            loaded |= inner_loaded
            names |= inner_names
        elif isinstance(const, str) and const.isidentifier():  # as in getattr(x, "name")
            names.add(const)
    return frozenset(loaded), frozenset(names)


_READ = {}  # id of a code object -> the object, which keeps the id its own, its tree and the tree written out: read once is enough


def _syntax(f):
    """Syntax tree of a function, without docstrings and annotations. It is read only, for the next caller gets the same."""
    return _read(f)[1]


def _written(f):
    """The same tree as a string."""
    return _read(f)[2]


def _read(f):
    unreadable = f"cannot read the source of {f.__qualname__}: define it in a file or a notebook cell"
    if not _has_source(f):  # made by exec: inspect would take the lines of another file for it
        raise TypeError(unreadable)
    _check_unedited(f)
    code = inspect.unwrap(f).__code__
    if id(code) in _READ:
        return _READ[id(code)]
    try:
        source = textwrap.dedent(inspect.getsource(f))
    except (OSError, TypeError) as error:
        raise TypeError(unreadable) from error
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a lambda in the middle of a call
        tree = None
    if f.__name__ == "<lambda>":
        found = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda)] if tree else []
        if len(found) != 1:
            raise TypeError("cannot tell which lambda of the line is meant: give the function a name with def")
    tree = found[0] if f.__name__ == "<lambda>" else bare(tree).body[0]
    _READ[id(code)] = code, tree, _dump(tree)
    return _READ[id(code)]


def _check_unedited(f):
    """Raises RuntimeError where a file of the package no longer holds what runs: a record would name code that did not."""
    code = inspect.unwrap(f).__code__
    path = os.path.abspath(code.co_filename)
    if path.startswith(PACKAGE) and _compiled(path, os.stat(path).st_mtime_ns).get((code.co_qualname, code.co_firstlineno)) != code:
        raise RuntimeError(f"{os.path.relpath(path, os.path.dirname(PACKAGE))} was edited after it had been imported, so that what runs "
                           f"is not what stands there ({f.__qualname__}): start again (in a notebook: restart the kernel)")


@functools.lru_cache(maxsize=256)
def _compiled(path, edited):
    """{(qualified name, first line): code} of all functions in a file as it stands."""
    with open(path, "rb") as file:
        waiting = [compile(file.read(), path, "exec", dont_inherit=True)]
    found = {}
    while waiting:
        code = waiting.pop()
        found[code.co_qualname, code.co_firstlineno] = code
        waiting += [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return found


def bare(tree):
    """The tree without docstrings and annotations, in place."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            if isinstance(body[0].value.value, str):
                node.body = body[1:] or [ast.Pass()]
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    return _NoAnnotations().visit(tree)


class _NoAnnotations(ast.NodeTransformer):
    def visit_AnnAssign(self, node):
        if node.value is None:
            return ast.Pass()
        return ast.Assign(targets=[node.target], value=node.value)


def _dump(node):
    """Like ast.dump, but equal between Python versions: no positions, no empty fields."""
    if isinstance(node, ast.AST):
        fields = [(k, _dump(v)) for k, v in ast.iter_fields(node) if k not in ("ctx", "kind", "type_comment", "type_params")]
        return f"{type(node).__name__}({', '.join(f'{k}={v}' for k, v in fields if v not in ('None', '[]'))})"
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    return repr(node)
