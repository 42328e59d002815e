"""Photographed things as pictures with captions in many languages: what the CLIP chapter's last game is played with."""

import numpy as np
import pytest
import torch

from evo.data.pairs import portraits
from evo.data.photos import photos, wordings
from evo.data.scenes import places


def test_portraits_are_the_same_wherever_they_are_made():
    two = portraits([3, 40], "train", many=2)
    assert two.shape == (2, 2, 3, 32, 32) and two.dtype == torch.uint8
    assert torch.equal(two[1:], portraits(np.array([40]), "train", many=2)) and torch.equal(two[:, :1], portraits([3, 40], "train"))
    assert not torch.equal(two[0, 0], two[0, 1])
    for other in (portraits([3], "test"), portraits([3], "train", seed=1)):
        assert not torch.equal(two[:1, :1], other)


def test_a_small_portrait_is_the_mean_of_the_large_one():
    large, small = (portraits([40], "test", size).double() for size in (128, 32))
    means = torch.nn.functional.avg_pool2d(large[0], 4)
    assert (means - small[0]).abs().max() <= 0.5


def test_the_thing_is_large_and_near_the_middle():
    """Where twelve portraits of one thing agree more than those of twelve things do, there it is: in the middle, not at the edge."""
    one = portraits([photos().paths.index("food/fruit/orange")], "train", many=24)[0].double()
    spread = one.std(0).mean(0)
    assert spread[12:20, 12:20].mean() < 0.7 * torch.cat([spread[:3].flatten(), spread[-3:].flatten()]).mean()


def test_parts_share_no_photograph():
    seen = [set(places(part)) for part in ("train", "valid", "test")]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


def test_wordings_are_complete_captions():
    three = wordings(["en", "fr", "ja"])
    assert len(three) == len(photos()) and all(len(row) == 3 and all(row) for row in three)
    assert three[photos().paths.index("animals/birds/crow")] == ["A crow.", "Un corbeau.", "カラス"]


@pytest.mark.parametrize("language", ["xx", "zu", "EN"])
def test_a_language_that_is_not_there_or_lacks_captions(language):
    """The error names the language and those that one may choose."""
    with pytest.raises(ValueError, match=rf"language='{language}' is not there: choose one of en, an, ca"):
        wordings(["en", language])
