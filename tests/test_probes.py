"""Probes against slow references, and on features whose score is known beforehand."""

import numpy as np
import pytest
import torch
from torch import nn

from evo import probes
from evo.probes import Classifier, accuracy, fine_tune, linear_probe
from evo.train import Batches


def clusters(n=200, distance=6.0, seed=0):
    """Two round clouds whose centres lie `distance` apart."""
    g = np.random.default_rng(seed)
    y = np.arange(n) % 2
    x = g.normal(size=(n, 5)) + distance * y[:, None] / np.sqrt(5)
    return x.astype(np.float32), y


def test_separate_clouds_are_told_apart_and_noise_is_not():
    (x, y), (tx, ty) = clusters(), clusters(seed=1)
    assert probes.linear_probe(x, y, tx, ty) == 1.0
    assert probes.knn(x, y, tx, ty) > 0.9
    noise, labels = np.random.default_rng(2).normal(size=(2000, 5)), np.arange(2000) % 2
    assert abs(probes.linear_probe(noise[:1000], labels[:1000], noise[1000:], labels[1000:]) - 0.5) < 0.08


def test_the_probe_knows_no_scale_and_no_offset_of_a_feature():
    (x, y), (tx, ty) = clusters(distance=1.5), clusters(distance=1.5, seed=1)
    scale, offset = np.array([1, 10, 100, 0.1, 5]), np.array([0, 3, -50, 7, 1])
    assert probes.linear_probe(x, y, tx, ty, C=0.1) == probes.linear_probe(x * scale + offset, y, tx * scale + offset, ty, C=0.1)


def test_the_penalty_is_chosen_without_the_test_set():
    (x, y), (tx, ty) = clusters(distance=1.0), clusters(distance=1.0, seed=1)
    chosen = probes.linear_probe(x, y, tx, ty)
    every = {probes.linear_probe(x, y, tx, ty, C=C) for C in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}
    assert chosen in every
    flipped = probes.linear_probe(x, y, tx, 1 - ty)
    assert chosen + flipped == pytest.approx(1), "other test labels choose no other penalty"


def test_knn_is_scikit_learns():
    from sklearn.neighbors import KNeighborsClassifier

    (x, y), (tx, ty) = clusters(distance=1.5), clusters(distance=1.5, seed=1)
    theirs = KNeighborsClassifier(n_neighbors=7, metric="cosine").fit(x, y).score(tx, ty)
    assert probes.knn(x, y, tx, ty, k=7) == pytest.approx(theirs)


def test_retrieval_is_the_slow_count():
    similarity = torch.randn(40, 40, generator=torch.Generator().manual_seed(0))
    slow = {k: np.mean([i in np.argsort(-row.numpy())[:k] for i, row in enumerate(similarity)]) for k in (1, 5, 10)}
    assert probes.retrieval(similarity) == pytest.approx(slow)
    assert probes.retrieval(torch.eye(12)) == {1: 1.0, 5: 1.0, 10: 1.0}
    assert probes.retrieval(torch.ones(12, 12)) == {1: 0.0, 5: 0.0, 10: 0.0}, "what cannot tell anything apart finds nothing"


def test_features_in_batches_are_those_of_one_batch():
    x = torch.randn(23, 4)
    layer = torch.nn.Linear(4, 3)
    got = probes.features_in_batches(layer, x, size=5)
    assert torch.allclose(got, layer(x), atol=1e-6) and not got.requires_grad


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda x, y: probes.features_in_batches(torch.nn.Identity(), x[:0]), "inputs is empty"),
        (lambda x, y: probes.linear_probe(x, y[:-1], x, y), "one length"),
        (lambda x, y: probes.knn(x, y, x[:0], y[:0]), "one length"),
        (lambda x, y: probes.knn(x, y, x, y, k=1000), "k=1000"),
        (lambda x, y: probes.retrieval(torch.ones(3, 4)), "square"),
    ],
)
def test_bad_input_is_named(call, says):
    x, y = clusters()
    with pytest.raises(ValueError, match=says):
        call(torch.as_tensor(x), torch.as_tensor(y))


# ---------------------------------------------------------------- fine-tuning


def sum_of(body, x):
    return body(x)


def two_classes(n=256):
    torch.manual_seed(0)
    x = torch.randn(n, 8)
    return x, (x[:, 0] * x[:, 1] > 0).long()  # no line tells them apart


def test_fine_tuning_changes_the_body_and_learns_what_a_line_cannot():
    x, y = two_classes()
    body = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
    before = body[0].weight.detach().clone()
    model = Classifier(body, sum_of, dim=64, classes=2)
    model = fine_tune(model, Batches(x, y, size=32), steps=400, lr=1e-2)
    assert not torch.equal(before, body[0].weight) and not model.training
    assert accuracy(model, x, y) > 0.95 > 0.75 > linear_probe(x, y, x, y, C=1.0)


def test_fine_tuning_is_the_same_twice():
    x, y = two_classes(64)
    def run():
        torch.manual_seed(0)
        return fine_tune(Classifier(nn.Linear(8, 4), sum_of, 4, 2), Batches(x, y, size=32), steps=5, lr=1e-2)(x)
    assert torch.equal(run(), run())


def test_a_label_that_the_head_does_not_know_is_refused():
    x, y = two_classes(64)
    model = Classifier(nn.Linear(8, 4), sum_of, 4, classes=2)
    for wrong in (y + 1, y - 1):
        with pytest.raises(ValueError, match="the head knows 0 to 1"):
            fine_tune(model, Batches(x, wrong, size=32), steps=1, lr=1e-2)


def test_accuracy_counts():
    logits = torch.eye(3).repeat(200, 1)
    assert accuracy(nn.Identity(), logits, torch.arange(3).repeat(200)) == 1
    assert accuracy(nn.Identity(), logits, torch.zeros(600, dtype=torch.long)) == pytest.approx(1 / 3)
