"""Which tokens are hidden."""
import pytest
import torch

from evo.masking import bert_mask, blockwise_mask, random_mask, visible


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


# BEiT

def rectangle(cells):
    """Whether the hidden cells of one grid are all of a rectangle: (top, left, height, width), or None."""
    rows, columns = cells.any(1).nonzero(), cells.any(0).nonzero()
    height, width = (int(x.max() - x.min()) + 1 for x in (rows, columns))
    return (int(rows.min()), int(columns.min()), height, width) if cells.sum() == height * width else None


@pytest.mark.parametrize("rows, columns, most, smallest", [(14, 14, 75, 16), (8, 8, 26, 5), (5, 9, 20, 4)])
def test_rectangles_hide_at_most_as_many_and_nearly_as_many(rows, columns, most, smallest):
    masked = blockwise_mask(200, rows, columns, most, smallest, generator=torch.Generator().manual_seed(0))
    count = masked.sum(1)
    assert masked.shape == (200, rows * columns) and masked.dtype == torch.bool
    assert count.max() == most and count.min() > 0.8 * most and count.float().mean() > 0.97 * most


def test_one_rectangle_has_the_asked_size_and_shape():
    masked = blockwise_mask(300, 14, 14, most=16, smallest=16, generator=torch.Generator().manual_seed(0)).view(-1, 14, 14)
    shapes = {rectangle(cells)[2:] for cells in masked if rectangle(cells)}
    assert {(4, 4), (5, 3), (3, 5), (2, 7), (7, 2)} <= shapes
    assert all(0.2 < height / width < 5 and 10 <= height * width <= 16 for height, width in shapes)


def test_rectangles_hang_together():
    """Of two neighbours both are hidden, or none, more often than where the same places are drawn one by one."""
    blocks = blockwise_mask(200, 8, 8, 26, 5, generator=torch.Generator().manual_seed(0))
    scattered = blocks.gather(1, torch.rand(blocks.shape, generator=torch.Generator().manual_seed(1)).argsort(1))
    alike = [(m.view(-1, 8, 8)[:, 1:] == m.view(-1, 8, 8)[:, :-1]).float().mean() for m in (blocks, scattered)]
    assert alike[0] > alike[1] + 0.2


def test_rectangles_lie_everywhere():
    share = blockwise_mask(2000, 6, 6, 12, generator=torch.Generator().manual_seed(0)).float().mean(0).view(6, 6)
    assert share.min() > 0.05
    for turned in (share.flip(0), share.flip(1), share.T):  # no side is preferred
        assert (share - turned).abs().max() < 0.07


def test_equal_generators_make_equal_rectangles_and_leave_the_global_one_alone():
    before = torch.get_rng_state()
    masks = [blockwise_mask(5, 8, 8, 26, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert torch.equal(*masks) and torch.equal(before, torch.get_rng_state()) and blockwise_mask(0, 8, 8, 26).shape == (0, 64)


@pytest.mark.parametrize("wrong, word", [
    (dict(most=64), "most=64"), (dict(smallest=0), "smallest=0"), (dict(smallest=30), "smallest=30"), (dict(rows=0), "rows=0"),
    (dict(batch=-1), "batch=-1"), (dict(narrow=0), "narrow=0"), (dict(narrow=2), "narrow=2")])
def test_rectangles_that_cannot_be_are_named(wrong, word):
    with pytest.raises(ValueError, match=word):
        blockwise_mask(**dict(batch=2, rows=8, columns=8, most=26) | wrong)


# BERT

PAD, CLS, SEP, MASK, V = 0, 2, 3, 4, 60


def text(rows=400, n=42):
    """Rows of [CLS] words [SEP] [PAD] ..., of every length from one word on; and where a word may be hidden."""
    tokens = torch.randint(5, V, (rows, n), generator=torch.Generator().manual_seed(0))
    tokens[:, 0] = CLS
    end = torch.arange(rows)[:, None] % (n - 2) + 2
    place = torch.arange(n)
    tokens = tokens.masked_fill(place == end, SEP).masked_fill(place > end, PAD)
    return tokens, tokens > 4


def hide(**changes):
    tokens, hideable = text()
    return tokens, hideable, *bert_mask(tokens, hideable, MASK, V, **dict(generator=torch.Generator().manual_seed(1)) | changes)


@pytest.mark.parametrize("ratio", [0.01, 0.15, 0.5, 0.9])
def test_bert_chooses_an_exact_share_of_every_text_and_at_least_one_word(ratio):
    tokens, hideable, holes, masked = hide(ratio=ratio)
    words = hideable.sum(1)
    assert words.min() == 1
    assert torch.equal(masked.sum(1), (ratio * words).round().clamp(min=1).long())
    assert not masked[~hideable].any() and torch.equal(holes[~masked], tokens[~masked])


def test_bert_changes_no_text_in_place_and_every_row_is_its_own():
    tokens, hideable, holes, masked = hide()
    assert torch.equal(tokens, text()[0]) and holes.dtype == tokens.dtype
    full = bert_mask(torch.full((50, 40), 7), torch.ones(50, 40, dtype=torch.bool), MASK, V)[1]
    assert full.unique(dim=0).shape[0] > 45


def test_bert_chooses_every_word_equally_often():
    tokens = torch.full((20_000, 8), 7)
    masked = bert_mask(tokens, tokens > 0, MASK, V, ratio=0.25, generator=torch.Generator().manual_seed(0))[1]
    assert (masked.float().mean(0) - 0.25).abs().max() < 0.02  # six standard deviations


def test_bert_mixes_eight_to_one_to_one():
    tokens = torch.full((4000, 100), 7)
    holes, masked = bert_mask(tokens, tokens > 0, MASK, V, generator=torch.Generator().manual_seed(0))
    chosen = holes[masked]
    assert chosen.numel() == 60_000
    share = torch.stack([chosen == MASK, chosen == 7]).float().mean(1)
    torch.testing.assert_close(share, torch.tensor([0.8 + 0.1 / V, 0.1 + 0.1 / V]), atol=0.01, rtol=0)
    other = chosen[(chosen != MASK) & (chosen != 7)].bincount(minlength=V)
    other[[MASK, 7]] = other.float().mean().long()
    assert other.min() > 60 and other.max() < 145  # a hundred each: any token, special ones too, as in the official code


@pytest.mark.parametrize("mix, kept", [((1, 0, 0), 0), ((0, 0, 1), 1), ((0.0, 1.0, 0.0), None)])
def test_bert_pure_mixes(mix, kept):
    tokens, _, holes, masked = hide(mix=mix)
    if kept is None:
        assert (holes[masked] != MASK).float().mean() > 0.9 and (holes[masked] != tokens[masked]).float().mean() > 0.9
    else:
        assert torch.equal(holes[masked], tokens[masked]) if kept else (holes[masked] == MASK).all()


def test_bert_repeats_itself_with_a_generator():
    before = torch.get_rng_state()
    first, second = hide(), hide()
    assert torch.equal(first[2], second[2]) and torch.equal(first[3], second[3]) and torch.equal(before, torch.get_rng_state())
    assert not torch.equal(first[3], hide(generator=torch.Generator().manual_seed(2))[3])


@pytest.mark.parametrize("change, message", [
    (dict(ratio=0), "ratio=0"), (dict(ratio=1.0), "ratio=1.0"), (dict(mix=(0.8, 0.1)), "three shares"),
    (dict(mix=(0.8, 0.3, -0.1)), "three shares"), (dict(mix=(0.8, 0.1, 0.2)), "sum to 1")])
def test_bert_names_bad_shares(change, message):
    with pytest.raises(ValueError, match=message):
        hide(**change)


def test_bert_names_a_text_without_words():
    tokens = torch.tensor([[CLS, 7, SEP], [CLS, SEP, PAD]])
    with pytest.raises(ValueError, match="leave empty texts out"):
        bert_mask(tokens, tokens > 4, MASK, V)
