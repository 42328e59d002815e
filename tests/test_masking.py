"""Which tokens are hidden."""
import pytest
import torch

from evo.masking import bert_mask, random_mask, visible


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
