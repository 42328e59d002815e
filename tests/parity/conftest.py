"""Peers with weights that matter everywhere: what is zero or one at the start is shaken."""
from functools import partial

import helpers
import pytest
import torch


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def shaken():
    return partial(helpers.shaken, by=0.05)


@pytest.fixture
def close():
    """fp32, 1e-5, and an output that is not trivially small."""
    def check(ours, theirs):
        assert theirs.abs().max() > 0.05
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    return check


@pytest.fixture
def refuses():
    """A loader says in one clear error what is missing, left over or misshapen, and changes nothing."""
    def check(load, model, state_dict, some_key):
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        without = {name: tensor for name, tensor in state_dict.items() if name != some_key}
        for wrong, word in [(without, "missing"), (state_dict | {"strange": torch.zeros(1)}, "unexpected: strange"),
                            (state_dict | {some_key: torch.zeros(2, 3)}, "wrong shape")]:
            with pytest.raises(ValueError, match=word):
                load(model, wrong)
        assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    return check
