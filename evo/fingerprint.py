"""What a result depends on, as one short hash: code, settings, data and starting weights.

`fit` and `study` look a result up under this hash. Comments, docstrings, line breaks and names of files do not
enter it; a constant in the loss, a layer of the model, one pixel of the data or the seed do. Code is followed
from function to function as long as it stands in `evo` or in the notebook; a library counts by name only
(the replay of recorded losses is what notices a library that computes something else).
"""
import ast
import dis
import functools
import hashlib
import importlib
import inspect
import json
import textwrap
import types

import numpy as np
import torch
from torch import nn

MACHINERY = {"evo.train", "evo.zoo", "evo.fingerprint", "evo.plots", "evo.claims"}  # runs or shows, computes nothing


def fingerprint(*things):
    """Hash of functions, classes, models, tensors and plain values: 16 hexadecimal digits.

    Raises TypeError, naming the object, for a thing whose content cannot be read in a reproducible way.
    """
    walk = _Walk()
    for thing in things:
        walk.add(thing)
    return walk.hash.hexdigest()[:16]


def _ours(module_name):
    return module_name == "__main__" or module_name == "evo" or str(module_name).startswith("evo.")


class _Walk:
    def __init__(self):
        self.hash = hashlib.sha256()
        self.seen = set()
        self.keep = []  # keeps ids of `seen` alive

    def put(self, *words):
        self.hash.update("\x1f".join(map(str, words)).encode() + b"\x1e")

    def add(self, x):
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
            self.add(sorted(x, key=repr))
        elif isinstance(x, nn.Module):
            self.add_model(x)
        elif isinstance(x, types.ModuleType):
            self.put("module", x.__name__)
        elif isinstance(x, functools.partial):
            self.put("partial"), self.add(x.func), self.add(list(x.args)), self.add(x.keywords)
        elif isinstance(x, types.MethodType):
            self.put("method"), self.add(x.__func__), self.add(x.__self__)
        elif isinstance(x, types.FunctionType):
            self.add_function(x)
        elif isinstance(x, type):
            self.add_class(x)
        elif _ours(type(x).__module__):
            self.add(type(x))
            lazy = {k for k, v in inspect.getmembers_static(type(x)) if isinstance(v, functools.cached_property)}
            self.add({k: v for k, v in vars(x).items() if not k.startswith("_") and k not in lazy})
        elif hasattr(x, "__wrapped__"):  # lru_cache and friends
            self.add(x.__wrapped__)
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
            return self.add(x.tolist())
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
            self.add(item)

    def add_model(self, model):
        for name, module in model.named_modules():
            self.put("submodule", name)
            self.add(type(module))
            self.put(module.extra_repr() if type(module).__module__.startswith("torch.") else "")
            if _ours(type(module).__module__):
                self.add({k: v for k, v in vars(module).items() if not k.startswith("_") and k != "training"})
        for name, p in model.state_dict(keep_vars=True).items():
            # rounded, since the last bit of a random start differs between processors
            self.put("weights", name, tuple(p.shape), p.requires_grad, round(float(p.detach().double().sum()), 3) + 0.0)

    def add_function(self, f):
        if not _ours(f.__module__) or f.__module__ in MACHINERY:
            return self.put("library", f.__module__, f.__qualname__)
        while hasattr(f, "__wrapped__") and not _ours(f.__globals__["__name__"]):
            f = f.__wrapped__  # what torch.no_grad() and other decorators of libraries hold; their name stands in the source
        tree = _syntax(f)
        self.put("function", _dump(tree))
        for node in ast.walk(tree):  # imports inside the function
            if isinstance(node, ast.ImportFrom) and _ours(node.module):
                for alias in node.names:
                    self.add(getattr(importlib.import_module(node.module), alias.name))
        self.add(list(f.__defaults__ or ())), self.add(f.__kwdefaults__ or {})
        for cell in f.__closure__ or ():
            self.add(cell.cell_contents)
        loaded, names = _names(f.__code__)
        for name in sorted(loaded):
            value = f.__globals__.get(name)
            if isinstance(value, types.ModuleType) and _ours(value.__name__):
                self.add_members(value, names)
            elif name in f.__globals__:
                self.put("global", name), self.add(value)

    def add_members(self, module, names):
        for name in sorted(names):
            value = getattr(module, name, None)
            if isinstance(value, types.ModuleType) and _ours(value.__name__):
                self.add_members(value, names - {name})
            elif value is not None:
                self.put("global", name), self.add(value)

    def add_class(self, cls):
        if not _ours(cls.__module__) or cls.__module__ in MACHINERY:
            return self.put("library", cls.__module__, cls.__qualname__)
        self.put("class", cls.__qualname__)
        for base in cls.__bases__:
            self.add(base)
        for name, value in sorted(vars(cls).items()):
            value = getattr(value, "__func__", value)  # static and class methods
            value = value.fget if isinstance(value, property) else value
            if isinstance(value, types.FunctionType) and value.__module__ == cls.__module__ and _has_source(value):
                self.put("method", name), self.add(value)
            elif isinstance(value, (bool, int, float, str, tuple)) and not name.startswith("__"):
                self.put("attribute", name), self.add(value)


def _has_source(f):
    return inspect.unwrap(f).__code__.co_filename != "<string>"  # where dataclasses generate methods


def _names(code):
    """Names a code object loads as globals, and all names it mentions, nested functions included."""
    loaded, names = set(), set(code.co_names)
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            loaded.add(instruction.argval)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            inner_loaded, inner_names = _names(const)
            loaded |= inner_loaded
            names |= inner_names
    return loaded, names


def _syntax(f):
    """Syntax tree of a function, without docstrings."""
    try:
        source = textwrap.dedent(inspect.getsource(f))
    except (OSError, TypeError) as error:
        raise TypeError(f"cannot read the source of {f.__qualname__}: define it in a file or a notebook cell") from error
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a lambda in the middle of a call
        tree = None
    if f.__name__ == "<lambda>":
        found = [n for n in ast.walk(tree) if isinstance(n, ast.Lambda)] if tree else []
        if len(found) != 1:
            raise TypeError("cannot tell which lambda of the line is meant: give the function a name with def")
        return found[0]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            if isinstance(body[0].value.value, str):
                body[0].value.value = ""
    return tree.body[0]


def _dump(node):
    """Like ast.dump, but equal between Python versions: no positions, no empty fields."""
    if isinstance(node, ast.AST):
        fields = [(k, _dump(v)) for k, v in ast.iter_fields(node) if k not in ("ctx", "kind", "type_comment", "type_params")]
        return f"{type(node).__name__}({', '.join(f'{k}={v}' for k, v in fields if v not in ('None', '[]'))})"
    if isinstance(node, list):
        return f"[{', '.join(map(_dump, node))}]"
    return repr(node)
