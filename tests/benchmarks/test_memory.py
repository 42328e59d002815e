"""Peak memory of a training step, counted by the allocator and so the same on every run."""
import pytest
import torch
from bench_models import BENCHMARKS, make_step, peak_bytes


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_step_needs_no_more_memory_than_the_peers(name):
    torch.manual_seed(0)
    ours, theirs = (peak_bytes(make_step(*side)) for side in BENCHMARKS[name]())
    assert ours <= 1.05 * theirs
