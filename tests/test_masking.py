"""Which tokens are hidden."""
import pytest
import torch

from evo.masking import random_mask, visible


@pytest.mark.parametrize("n", [1, 7, 49, 196])
@pytest.mark.parametrize("ratio", [0, 0.15, 0.5, 0.75, 0.9])
def test_every_row_hides_exactly_the_asked_number(n, ratio):
    if round(ratio * n) == n:
        return
    masked = random_mask(16, n, ratio)
    assert masked.shape == (16, n) and masked.dtype == torch.bool
    assert (masked.sum(1) == round(ratio * n)).all()


def test_every_place_is_hidden_equally_often():
    share = random_mask(20_000, 16, 0.75, torch.Generator().manual_seed(0)).float().mean(0)
    assert (share - 0.75).abs().max() < 0.02  # six standard deviations


def test_rows_differ_and_pairs_are_independent():
    masked = random_mask(20_000, 8, 0.5, torch.Generator().manual_seed(0)).float()
    both = (masked[:, :1] * masked[:, 1:]).mean(0)
    assert (both - 4 / 8 * 3 / 7).abs().max() < 0.02


def test_a_generator_makes_it_repeatable_and_leaves_the_global_one_alone():
    before = torch.get_rng_state()
    masks = [random_mask(4, 16, 0.5, torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*masks) and torch.equal(before, torch.get_rng_state())


def test_visible_are_the_rest_in_order():
    masked = torch.tensor([[True, False, True, False], [False, False, True, True]])
    assert visible(masked).tolist() == visible(masked, count=2).tolist() == [[1, 3], [0, 1]]
    masked = random_mask(32, 49, 0.75)
    assert torch.equal(visible(masked), (~masked).nonzero()[:, 1].view(32, -1))


@pytest.mark.parametrize("ratio", [-0.1, 1, 1.5, float("nan")])
def test_ratio_must_leave_something(ratio):
    with pytest.raises(ValueError, match="ratio"):
        random_mask(2, 8, ratio)


def test_a_ratio_that_rounds_to_everything_is_named():
    with pytest.raises(ValueError, match="hides all"):
        random_mask(2, 4, 0.95)


def test_uneven_rows_are_named():
    with pytest.raises(ValueError, match="same number"):
        visible(torch.tensor([[True, False], [False, False]]))
