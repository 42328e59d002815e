"""`import evo` and its core must cost next to nothing beside `import torch`: at most 0.3 s."""

import subprocess
import sys

import pytest

LIMIT = 0.3  # seconds
CODE = "import time, torch, {before}; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"


def seconds(module, before="math"):
    """The least of several fresh processes: a busy machine only ever makes an import slower."""
    best = float("inf")
    for _ in range(8):
        done = subprocess.run([sys.executable, "-c", CODE.format(module=module, before=before)], capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        best = min(best, float(done.stdout))
        if best < LIMIT:
            break
    return best


@pytest.mark.parametrize(
    "module", ["evo", "evo.blocks, evo.masking, evo.objectives", "evo.models.clip, evo.models.mae", "evo.train, evo.zoo"]
)
def test_import_is_quick(module):
    assert seconds(module) < LIMIT


@pytest.mark.parametrize("heavy", ["sklearn", "gensim", "accelerate", "pooch", "torchvision", "transformers", "matplotlib", "pandas"])
def test_importing_the_core_loads_nothing_heavy(heavy):
    code = f"import sys, evo, evo.blocks, evo.masking, evo.objectives, evo.train, evo.zoo, evo.models.clip; print({heavy!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == "False", done.stderr
