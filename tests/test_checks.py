"""`check`: an error where results are proved, a sentence where they were changed, and nothing where it is so."""

import pytest

from evo import zoo
from evo.checks import CheckFailed, check


@pytest.mark.parametrize("mode", zoo.MODES)
def test_what_is_so_is_silent(mode, monkeypatch, capsys):
    monkeypatch.setenv("EVO_TRAIN", mode)
    check(0.7 > 0.6, "MAE is ahead")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("mode", [m for m in zoo.MODES if m != "zoo"])
def test_what_is_not_so_stops_a_proof(mode, monkeypatch):
    monkeypatch.setenv("EVO_TRAIN", mode)
    with pytest.raises(CheckFailed, match="^not so: MAE is ahead$"):
        check(0.5 > 0.6, "MAE is ahead")


def test_in_a_changed_chapter_it_is_said_and_the_chapter_goes_on(monkeypatch, capsys):
    monkeypatch.delenv("EVO_TRAIN", raising=False)
    check(False, "MAE is ahead")
    assert capsys.readouterr() == ("", "NOT SO HERE: MAE is ahead\n")


def test_numpy_and_torch_conditions_count(monkeypatch, capsys):
    import numpy as np
    import torch

    monkeypatch.setenv("EVO_TRAIN", "verify")
    check(np.bool_(True), "so")
    check(torch.tensor(True), "so")
    for wrong in (np.bool_(False), torch.tensor(False)):
        with pytest.raises(CheckFailed):
            check(wrong, "not")
