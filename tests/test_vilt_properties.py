"""ViLT alone: who sees whom, what padding does, how answers are made, and what is refused."""
import pytest
import torch
from helpers import shaken
from torch.nn import functional as F

from evo import look
from evo.models.vilt import Answers, ViLT

SIZES = dict(vocab_size=50, length=8, image_size=8, patch_size=4, channels=1, dim=32, depth=2, heads=4)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def model():
    return shaken(ViLT(**SIZES))


def inputs(n=3):
    return torch.randint(50, (n, 6)), torch.randn(n, 1, 8, 8)


def by_hand(vilt, tokens, image):
    """One text and one picture, token by token and patch by patch, without a batch: (N + 1 + K, D)."""
    row = []
    for place, word in enumerate(tokens.tolist()):
        x = vilt.token.weight[word] + vilt.order.weight[place]
        x = F.layer_norm(x, (32,), vilt.norm.weight, vilt.norm.bias, 1e-12)
        row.append(x + vilt.modality.weight[0])
    row.append(vilt.cls[0, 0] + vilt.position[0, 0] + vilt.modality.weight[1])
    for number in range(4):
        top, left = 4 * (number // 2), 4 * (number % 2)
        pixels = image[0, top:top + 4, left:left + 4].flatten()
        x = vilt.patch.proj(pixels) + vilt.position[0, 1 + number]
        row.append(x + vilt.modality.weight[1])
    return vilt.encoder(torch.stack(row)[None])[0]


def test_features_by_hand():
    vilt, (tokens, images) = model(), inputs()
    for x, text, image in zip(vilt.features(tokens, images), tokens, images):
        torch.testing.assert_close(x, by_hand(vilt, text, image))


def test_every_word_sees_every_patch_and_every_patch_every_word():
    vilt, (tokens, images) = model(), inputs()
    words, patches = vilt.words(tokens).requires_grad_(), vilt.patches(images).requires_grad_()
    for place in range(11):
        found = torch.autograd.grad(vilt.read(words, patches)[0, place].square().sum(), (words, patches))
        assert all((one[0].abs().sum(-1) > 0).all() and not one[1:].any() for one in found)


def test_padding_changes_nothing():
    vilt, (tokens, images) = model(), inputs()
    valid = torch.arange(6) < torch.tensor([[6], [4], [2]])
    other = torch.where(valid, tokens, (tokens + 7) % 50)
    for text in (tokens, other):
        x = vilt.features(text, images, valid)
        for row, n, image, words in zip(x, (6, 4, 2), images, tokens):
            alone = vilt.features(words[None, :n], image[None])[0]
            torch.testing.assert_close(torch.cat([row[:n], row[6:]]), alone)


def test_the_two_answers():
    vilt, (tokens, images) = model(), inputs()
    x = vilt.features(tokens, images)
    guesses, matches = vilt(tokens, images)
    assert guesses.shape == (3, 6, 50) and matches.shape == (3, 2)
    torch.testing.assert_close(guesses, vilt.guess(x[:, :6]))
    torch.testing.assert_close(matches, vilt.match(torch.tanh(vilt.pooler(x[:, 0]))))


def test_without_the_two_types_a_word_and_a_patch_are_told_apart_by_what_they_are():
    """The types are two vectors, added to all of one kind: alike types shift words and patches alike."""
    vilt, (tokens, images) = model(), inputs()
    before = vilt.words(tokens), vilt.patches(images)
    vilt.modality.weight.data += 1
    for old, new in zip(before, (vilt.words(tokens), vilt.patches(images))):
        torch.testing.assert_close(new, old + 1)


def test_all_gets_a_gradient():
    vilt, (tokens, images) = model().train(), inputs()
    guesses, matches = vilt(tokens, images)
    (guesses.square().mean() + matches.square().mean()).backward()
    unseen = [name for name, p in vilt.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert unseen == []
    answers = shaken(Answers(model(), 5)).train()
    answers(tokens, images).square().mean().backward()
    needless = ("transform.", "bias", "match.")  # heads that answers do not ask
    assert [name for name, p in answers.named_parameters() if p.grad is None] == [
        f"vilt.{name}" for name, _ in answers.vilt.named_parameters() if name.startswith(needless)]


def test_answers_read_the_pooled_vector():
    vilt, (tokens, images) = model(), inputs()
    answers = shaken(Answers(vilt, 5))
    valid = torch.ones_like(tokens, dtype=torch.bool)
    pooled = vilt.pool(vilt.features(tokens, images, valid))
    torch.testing.assert_close(answers(tokens, images, valid), answers.head(pooled))
    assert answers(tokens, images).shape == (3, 5)


def test_attention_can_be_watched():
    vilt, (tokens, images) = model(), inputs()
    maps = look.attentions(vilt, tokens, images)
    assert [tuple(one.shape) for one in maps] == [(3, 4, 11, 11)] * 2
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(3, 4, 11))


@pytest.mark.parametrize("change, said", [
    (lambda t, i: (t.float(), i, None), "tokens must be a tensor of ids"),
    (lambda t, i: (t + 50, i, None), "made for another vocabulary"),
    (lambda t, i: (t[0], i, None), "cut the texts"),
    (lambda t, i: (t.repeat(1, 2), i, None), "cut the texts"),
    (lambda t, i: (t[:, :0], i, None), "cut the texts"),
    (lambda t, i: (t, i[:, :, :4], None), "images have shape"),
    (lambda t, i: (t, i.byte(), None), "images must be a tensor of floating-point numbers"),
    (lambda t, i: (t, i, t), "valid must be a boolean tensor"),
    (lambda t, i: (t, i, torch.ones(3, 5, dtype=torch.bool)), "valid has shape"),
])
def test_bad_input_is_one_clear_error(change, said):
    vilt = model()
    with pytest.raises(ValueError, match=said):
        vilt.features(*change(*inputs()))


def test_one_picture_a_text():
    """Where they differ in number nothing is broadcast."""
    vilt, (tokens, images) = model(), inputs()
    with pytest.raises((ValueError, RuntimeError)):
        vilt.features(tokens, images[:2])
