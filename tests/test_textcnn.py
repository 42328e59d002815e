"""The text CNN: filters against a slow loop, and what padding and order may change."""
import pytest
import torch
import torch.nn.functional as F

from evo.models.textcnn import TextCNN


@pytest.fixture
def model():
    torch.manual_seed(0)
    return TextCNN(50, 8, widths=(2, 3), maps=5, classes=4).eval()


def texts(length=9):
    tokens = torch.randint(1, 50, (6, length), generator=torch.Generator().manual_seed(1))
    return tokens, torch.arange(length) < torch.tensor([9, 7, 5, 2, 1, 4])[:, None]


def test_filters_are_products_with_windows_and_the_strongest_counts(model):
    tokens, valid = texts()
    for row, n, found in zip(tokens, valid.sum(1).tolist(), model.features(tokens, valid)):
        x = torch.cat([model.token(row[:n]), torch.zeros(2, 8)])
        slow = []
        for conv, width in zip(model.filters, (2, 3)):
            windows = [x[i : i + width].T.flatten() for i in range(n)]  # as F.unfold would cut them
            slow.append(torch.stack([F.relu(conv.weight.flatten(1) @ w + conv.bias) for w in windows]).amax(0))
        torch.testing.assert_close(found, torch.cat(slow), atol=1e-5, rtol=0)


def test_padding_changes_nothing(model):
    tokens, valid = texts()
    longer, mask = F.pad(tokens, (0, 7), value=3), F.pad(valid, (0, 7))
    torch.testing.assert_close(model(longer, mask), model(tokens, valid))


def test_one_word_is_enough_although_no_filter_is_that_narrow(model):
    tokens, valid = torch.tensor([[7]]), torch.ones(1, 1, dtype=torch.bool)
    assert model(tokens, valid).shape == (1, 4) and (model.features(tokens, valid) > 0).any()


def test_it_knows_the_order_of_words_but_not_their_place(model):
    one, other = torch.tensor([[4, 5, 0, 0, 0, 0]]), torch.tensor([[5, 4, 0, 0, 0, 0]])
    with torch.no_grad():
        model.token.weight[0] = 0
    valid = torch.ones(1, 6, dtype=torch.bool)
    assert not torch.allclose(model.features(one, valid), model.features(other, valid))
    right, far = F.pad(torch.tensor([[4, 5]]), (3, 6)), F.pad(torch.tensor([[4, 5]]), (5, 4))
    valid = torch.ones(1, 11, dtype=torch.bool)
    torch.testing.assert_close(model.features(right, valid), model.features(far, valid))


def test_every_parameter_gets_a_gradient_and_vectors_are_taken(model):
    model(*texts()).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
    vectors = torch.randn(50, 8)
    assert torch.equal(TextCNN(50, 8, vectors=vectors).token.weight, vectors)
    with pytest.raises(ValueError, match="50 tokens of width 8"):
        TextCNN(50, 8, vectors=vectors[1:])
