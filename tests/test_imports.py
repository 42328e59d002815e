"""Imports point one way."""
import ast
import pathlib
import sys

import pytest

EVO = pathlib.Path(__file__).parents[1] / "evo"
ALONE = {"blocks", "masking", "tokenizers", "objectives", "plots", "inputs", "look"}  # these import nothing of evo but inputs
MODELS = {"blocks", "masking", "objectives", "models", "inputs", "look", "cooccur"}  # what a model may import
OUTSIDE = {"torch", "numpy", "matplotlib", "tokenizers", "IPython", "matplotlib_inline"}  # what stands alone may import from outside


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from ([f"{node.module}.{a.name}" for a in node.names] if node.module == "evo" else [node.module])
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", sorted(EVO.rglob("*.py")), ids=lambda p: str(p.relative_to(EVO)))
def test_imports_point_one_way(path):
    layer = path.relative_to(EVO).with_suffix("").parts[0]
    for name in imported(path):
        top, _, rest = name.partition(".")
        assert top not in {"book", "d2l"}, f"{path.name} imports {name}"
        assert top != "torchvision" or layer in {"data", "__main__"}, f"torchvision has its only home in evo.data, not {path.name}"
        if layer in ALONE:
            assert name == "evo.inputs" or top != "evo" and top in OUTSIDE | sys.stdlib_module_names, f"{path.name} imports {name}"
        if layer == "models" and top == "evo":
            assert rest.split(".")[0] in MODELS, f"{path.name} imports {name}"
