"""Objectives: closed forms, and the same sums in slow loops."""
import math

import pytest
import torch
import torch.nn.functional as F

from evo import objectives
from evo.masking import random_mask


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


# skip-gram

def test_skip_gram_of_zero_vectors():
    zero = torch.zeros(5, 8)
    assert objectives.skip_gram(zero, zero, torch.zeros(5, 3, 8)).item() == pytest.approx(4 * math.log(2))


def test_skip_gram_is_the_sum_over_pairs():
    center, context, negatives = torch.randn(4, 6), torch.randn(4, 6), torch.randn(4, 3, 6)
    slow = sum(-math.log(torch.sigmoid(center[b] @ context[b]))
               - sum(math.log(torch.sigmoid(-center[b] @ negatives[b, k])) for k in range(3)) for b in range(4)) / 4
    assert objectives.skip_gram(center, context, negatives).item() == pytest.approx(slow, rel=1e-5)


# next token

def test_next_token_of_equal_logits_is_log_of_the_vocabulary():
    assert objectives.next_token(torch.zeros(2, 5, 11), torch.randint(11, (2, 5))).item() == pytest.approx(math.log(11))


def test_next_token_is_the_mean_over_what_follows():
    logits, tokens = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    slow = [-logits[b, i].log_softmax(0)[tokens[b, i + 1]] for b in range(2) for i in range(4)]
    torch.testing.assert_close(objectives.next_token(logits, tokens), torch.stack(slow).mean())


def test_next_token_ignores_padding():
    logits, tokens = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    valid = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]], dtype=torch.bool)
    slow = [-logits[b, i].log_softmax(0)[tokens[b, i + 1]] for b, i in [(0, 0), (0, 1), (1, 0)]]
    torch.testing.assert_close(objectives.next_token(logits, tokens, valid), torch.stack(slow).mean())
    padded = tokens.masked_fill(~valid, -1)  # whatever stands there
    torch.testing.assert_close(objectives.next_token(logits, padded, valid), torch.stack(slow).mean())


def test_next_token_leaves_its_input_alone():
    tokens = torch.randint(7, (2, 5))
    before = tokens.clone()
    objectives.next_token(torch.randn(2, 5, 7), tokens, torch.ones(2, 5, dtype=torch.bool))
    assert torch.equal(tokens, before)


# hidden tokens and patches

def test_masked_cross_entropy_reads_only_hidden_tokens():
    """A mask that multiplies an already averaged loss would fail here."""
    logits, targets, masked = torch.randn(2, 6, 7), torch.randint(7, (2, 6)), random_mask(2, 6, 0.5)
    elsewhere = torch.where(masked, targets, (targets + 1) % 7)
    loss = objectives.masked_cross_entropy(logits, targets, masked)
    assert loss == objectives.masked_cross_entropy(logits, elsewhere, masked)
    slow = [-logits[b, i].log_softmax(0)[targets[b, i]] for b in range(2) for i in range(6) if masked[b, i]]
    torch.testing.assert_close(loss, torch.stack(slow).mean())


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("normalize", [False, True])
def test_masked_regression_is_the_mean_over_hidden_patches(p, normalize):
    pred, target, masked = torch.randn(2, 6, 12), torch.randn(2, 6, 12) * 3 + 1, random_mask(2, 6, 0.5)
    slow = []
    for b, i in masked.nonzero().tolist():
        t = target[b, i]
        if normalize:
            t = (t - t.mean()) / (((t - t.mean()) ** 2).sum() / 11 + 1e-6) ** 0.5
        slow.append(((pred[b, i] - t).abs() ** p).mean())
    torch.testing.assert_close(objectives.masked_regression(pred, target, masked, p, normalize), torch.stack(slow).mean())


def test_masked_regression_gives_no_gradient_to_visible_patches():
    pred, masked = torch.randn(2, 6, 12, requires_grad=True), random_mask(2, 6, 0.5)
    objectives.masked_regression(pred, torch.randn(2, 6, 12), masked).backward()
    assert (pred.grad.abs().sum(-1) > 0).equal(masked)


def test_normalised_targets_of_an_even_patch_are_finite():
    masked = random_mask(2, 6, 0.5)
    loss = objectives.masked_regression(torch.zeros(2, 6, 12), torch.ones(2, 6, 12), masked, normalize=True)
    assert loss.item() == 0


# pairs

@pytest.mark.parametrize("n", [2, 5, 32])
def test_clip_loss_closed_forms(n):
    assert objectives.clip_loss(torch.zeros(n, n)).item() == pytest.approx(math.log(n))
    assert objectives.clip_loss(100 * torch.eye(n)).item() == pytest.approx(0, abs=1e-6)
    s = 3.0
    assert objectives.clip_loss(s * torch.eye(n)).item() == pytest.approx(math.log(1 + (n - 1) * math.exp(-s)), rel=1e-5)


def test_clip_loss_is_symmetric_and_a_loop():
    logits = torch.randn(4, 4)
    torch.testing.assert_close(objectives.clip_loss(logits), objectives.clip_loss(logits.T))
    slow = sum(-logits[i].log_softmax(0)[i] - logits[:, i].log_softmax(0)[i] for i in range(4)) / 8
    torch.testing.assert_close(objectives.clip_loss(logits), slow)


@pytest.mark.parametrize("n", [2, 4, 16])
def test_nt_xent_of_identical_embeddings(n):
    z = torch.ones(n, 8)
    assert objectives.nt_xent(z, z).item() == pytest.approx(math.log(2 * n - 1), rel=1e-5)


def test_nt_xent_is_equation_1():
    z0, z1, t = torch.randn(3, 5), torch.randn(3, 5), 0.2
    z = [*z0, *z1]
    def s(i, j):
        return math.exp(F.cosine_similarity(z[i], z[j], dim=0) / t)
    slow = sum(-math.log(s(i, (i + 3) % 6) / sum(s(i, j) for j in range(6) if j != i)) for i in range(6)) / 6
    assert objectives.nt_xent(z0, z1, t).item() == pytest.approx(slow, rel=1e-5)
    assert objectives.nt_xent(z1, z0, t).item() == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("waiting", [0, 7])
def test_info_nce_is_equation_1(waiting):
    """Of He et al.: the own key among it and the queue; without a queue, among the keys of the batch."""
    q, k, queue, t = torch.randn(3, 5), torch.randn(3, 5), torch.randn(waiting, 5), 0.2
    def s(a, b):
        return math.exp(F.cosine_similarity(a, b, dim=0) / t)
    slow = sum(-math.log(s(q[i], k[i]) / sum(s(q[i], other) for other in ([k[i], *queue] if waiting else k))) for i in range(3)) / 3
    found = objectives.info_nce(q, k, queue if waiting else None, t)
    assert found.item() == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("n", [1, 5])
def test_info_nce_of_identical_keys_is_the_log_of_their_number(n):
    one = torch.ones(3, 4)
    assert objectives.info_nce(one, one, torch.ones(n, 4)).item() == pytest.approx(math.log(n + 1), rel=1e-5)


def test_alignment_is_two_minus_two_cosines():
    z0, z1 = torch.randn(4, 6), torch.randn(4, 6)
    cosines = F.cosine_similarity(z0, z1)
    assert objectives.alignment(z0, z1).item() == pytest.approx((2 - 2 * cosines).mean().item(), rel=1e-5)
    assert objectives.alignment(z0, 3 * z0).item() == pytest.approx(0, abs=1e-10)


def test_uniformity_by_hand():
    assert objectives.uniformity(torch.ones(5, 3)).item() == 0
    z = torch.tensor([[1.0, 0], [-3, 0], [0, 2]])  # distances 2, root 2, root 2
    assert objectives.uniformity(z).item() == pytest.approx(math.log((math.exp(-8) + 2 * math.exp(-4)) / 3), rel=1e-5)


NONE = torch.zeros(1, 3, dtype=torch.bool)
ZEROS = torch.zeros(2, 3, dtype=torch.long)


@pytest.mark.parametrize("loss, word", [
    (lambda: objectives.masked_cross_entropy(torch.randn(1, 3, 5), ZEROS[:1], NONE), "nothing is hidden"),
    (lambda: objectives.masked_regression(torch.randn(1, 3, 5), torch.randn(1, 3, 5), NONE), "nothing is hidden"),
    (lambda: objectives.next_token(torch.randn(2, 1, 5), ZEROS[:, :1]), "no next token"),
    (lambda: objectives.next_token(torch.randn(2, 3, 5), ZEROS, NONE.expand(2, 3)), "no next token"),
    (lambda: objectives.clip_loss(torch.randn(2, 3)), r"\(2, 3\)"),
    (lambda: objectives.nt_xent(torch.randn(2, 3), torch.randn(2, 3), 0), "temperature=0"),
    (lambda: objectives.info_nce(torch.randn(2, 3), torch.randn(2, 3), temperature=0), "temperature=0"),
    (lambda: objectives.info_nce(torch.randn(2, 3), torch.randn(2, 3), torch.randn(4, 2)), "queue"),
    (lambda: objectives.alignment(torch.randn(2, 3), torch.randn(3, 3)), "pair"),
    (lambda: objectives.uniformity(torch.randn(1, 3)), r"\(1, 3\)"),
])
def test_bad_input_is_named(loss, word):
    with pytest.raises(ValueError, match=word):
        loss()
