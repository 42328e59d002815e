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


def labelled(n=120, d=300, classes=4, seed=0):
    """More features than rows, the classes some way apart: here the penalty matters."""
    g = np.random.default_rng(seed)
    y = g.integers(classes, size=n)
    centres = np.random.default_rng(99).normal(size=(classes, d))
    return (g.normal(size=(n, d)) + 0.25 * centres[y]).astype(np.float32), y


CS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def fits(monkeypatch):
    """Records every logistic regression: (rows, C, the model)."""
    made, logistic = [], probes._logistic

    def record(x, y, C):
        made.append((np.array(x), np.array(y), C, logistic(x, y, C)))
        return made[-1][3]

    monkeypatch.setattr(probes, "_logistic", record)
    return made


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_probe_is_a_pipeline_of_scikit_learn_searched_on_a_fifth(seed, monkeypatch):
    """The same choice of C and the same predictions as GridSearchCV makes with the split given to it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x, y), (tx, ty) = labelled(seed=seed), labelled(400, seed=seed + 50)
    order = np.random.default_rng(seed).permutation(len(x))
    split = [(order[len(order) // 5 :], order[: len(order) // 5])]
    z = StandardScaler().fit(x)  # with the mean and deviation of the whole training set
    search = GridSearchCV(LogisticRegression(max_iter=200), {"C": CS}, cv=split, refit=False).fit(z.transform(x), y)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=search.best_params_["C"], max_iter=200)).fit(x, y)
    made = fits(monkeypatch)
    ours = probes.linear_probe(x, y, tx, ty, seed=seed)
    assert [C for _, _, C, _ in made] == [*CS, search.best_params_["C"]]
    for rows, labels, *_ in made[:-1]:
        np.testing.assert_allclose(rows, z.transform(x)[split[0][0]], atol=1e-3)
        assert (labels == y[split[0][0]]).all()
    assert (made[-1][3].predict(z.transform(tx).astype(np.float32)) == theirs.predict(tx)).mean() > 0.995
    assert ours == pytest.approx(theirs.score(tx, ty), abs=0.005)


def test_the_penalty_matters_on_this_data():
    """So that a test of its choice can see something: the worst C is far from the best."""
    (x, y), (tx, ty) = labelled(), labelled(400, seed=50)
    scores = [probes.linear_probe(x * np.geomspace(1, 50, x.shape[1]), y, tx * np.geomspace(1, 50, x.shape[1]), ty, C=C) for C in CS]
    assert max(scores) - min(scores) > 0.02


def test_neither_rows_nor_labels_of_the_test_set_change_what_is_fitted(monkeypatch):
    made = fits(monkeypatch)
    (x, y), (tx, ty) = labelled(), labelled(40, seed=50)
    probes.linear_probe(x, y, tx, ty)
    first = made[:]
    for rows, labels in ((tx, np.roll(ty, 1)), (tx[::-1], ty), (100 * tx + 7, ty), (tx[:3], ty[:3])):
        made.clear()
        probes.linear_probe(x, y, rows, labels)
        for (a, b, C, fit), (a2, b2, C2, fit2) in zip(first, made, strict=True):
            assert C == C2 and (a == a2).all() and (b == b2).all() and (fit.coef_ == fit2.coef_).all()


@pytest.mark.parametrize("probe", [probes.linear_probe, probes.knn])
def test_a_test_row_is_judged_by_itself(probe):
    """Alone, in any order, or beside rows from elsewhere: standardised with the training set's mean and deviation."""
    (x, y), (tx, ty) = labelled(), labelled(30, seed=50)
    settings = {"C": 0.01} if probe is probes.linear_probe else {"k": 5}
    alone = [probe(x, y, tx[i : i + 1], ty[i : i + 1], **settings) for i in range(len(tx))]
    assert 0.3 < np.mean(alone) < 1
    far = np.concatenate([tx, 1000 + 100 * labelled(30, seed=51)[0]])
    order = np.random.default_rng(0).permutation(30)
    assert probe(x, y, tx[order], ty[order], **settings) == pytest.approx(np.mean(alone))
    beside = probe(x, y, far, np.concatenate([ty, np.full(30, 77)]), **settings)  # 77 is no label: the far rows are never right
    assert beside == pytest.approx(np.mean(alone) / 2)


def leak(probe, repeat=40, n=60, m=20, d=90):
    """Mean accuracy on random labels of four kinds: only by reading the test labels could it be above a quarter."""
    scores = []
    for seed in range(repeat):
        g = np.random.default_rng(seed)
        x, tx = g.normal(size=(n, d)).astype(np.float32), g.normal(size=(m, d)).astype(np.float32)
        y, ty = g.integers(4, size=n), g.integers(4, size=m)
        scores.append(probe(x, y, tx, ty))
    return np.mean(scores), np.std(scores, ddof=1) / len(scores) ** 0.5


def tuned(x, y, tx, ty):
    torch.manual_seed(0)
    model = Classifier(nn.Linear(x.shape[1], 32), sum_of, 32, 4)
    model = fine_tune(model, Batches(torch.tensor(x), torch.tensor(y), size=20), steps=15, lr=1e-2)
    return accuracy(model, torch.tensor(tx), torch.tensor(ty))


@pytest.mark.parametrize("probe", [probes.linear_probe, lambda *data: probes.knn(*data, k=5), tuned], ids=["linear", "knn", "fine-tuned"])
def test_random_labels_are_guessed_at_chance(probe):
    mean, error = leak(probe)
    assert abs(mean - 0.25) < 3 * error and error < 0.02


def test_the_test_of_chance_sees_a_leak():
    """What is sought above: the best C on the test set, and a neighbour among the test set itself."""
    cheat = lambda x, y, tx, ty: max(probes.linear_probe(x, y, tx, ty, C=C) for C in CS)
    mean, error = leak(cheat)
    assert mean - 0.25 > 3 * error
    mean, error = leak(lambda x, y, tx, ty: probes.knn(np.concatenate([x, tx]), np.concatenate([y, ty]), tx, ty, k=1))
    assert mean == 1


def test_knn_is_scikit_learns():
    from sklearn.neighbors import KNeighborsClassifier

    (x, y), (tx, ty) = clusters(distance=1.5), clusters(distance=1.5, seed=1)
    theirs = KNeighborsClassifier(n_neighbors=7, metric="cosine").fit(x, y).score(tx, ty)
    assert probes.knn(x, y, tx, ty, k=7) == pytest.approx(theirs)


def test_knn_by_hand():
    """Cosine, not distance; the far one on the same ray is the nearest; a vote of three; of a tie the smaller label."""
    x, y = np.array([[10.0, 0], [0, 1], [1, 1.1]]), np.array([5, 3, 3])
    assert probes.knn(x, y, np.array([[0.1, 0.0]]), np.array([5]), k=1) == 1
    assert probes.knn(x, y, np.array([[0.1, 0.0]]), np.array([3]), k=3) == 1
    assert probes.knn(x, y, np.array([[0.1, 0.0]]), np.array([3]), k=2) == 1
    many = np.repeat(x, 400, 0), np.repeat(y, 400)  # more than one slice of the test set
    assert probes.knn(x, y, many[0], many[1], k=1) == 1 and probes.knn(x, y, many[0], np.full(1200, 3), k=1) == pytest.approx(2 / 3)


def test_retrieval_by_hand():
    similarity = torch.tensor([[3.0, 1, 2], [9, 5, 7], [1, 1, 1]])  # ranks of the diagonal: first, third, last of a tie
    assert probes.retrieval(similarity, (1, 2, 3)) == pytest.approx({1: 1 / 3, 2: 1 / 3, 3: 1.0})
    assert probes.retrieval(similarity.T, (1, 2)) == pytest.approx({1: 1 / 3, 2: 2 / 3}), "rows ask, columns answer"


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


def test_fine_tuning_follows_its_paper(monkeypatch):
    """Decay .01, warm-up over a tenth, dropout .1 on what the head reads (Devlin et al. 2019, A.3), and the plain loss."""
    asked = {}

    def fit(model, loss_fn, batches, **settings):
        asked.update(settings, loss=loss_fn(model.eval(), *batches.tensors))
        return type("Run", (), {"model": model})

    monkeypatch.setattr("evo.train.fit", fit)
    x, y = two_classes(64)
    model = Classifier(nn.Linear(8, 4), sum_of, 4, 2)
    assert fine_tune(model, Batches(x, y, size=32), steps=7, lr=0.3, seed=5) is model
    by_hand = -model(x).log_softmax(1)[range(64), y].mean()
    torch.testing.assert_close(asked.pop("loss"), by_hand)
    assert asked == dict(steps=7, lr=0.3, seed=5, weight_decay=0.01, warmup=0.1)
    read = model.train().dropout(torch.ones(100_000))
    assert (read == 0).float().mean() == pytest.approx(0.1, abs=0.01) and read.max() == pytest.approx(1 / 0.9)
    with torch.no_grad():
        model.head.weight.fill_(1), model.head.bias.fill_(3)
        model.body.weight.zero_(), model.body.bias.fill_(1)
    shown = model(torch.zeros(5000, 8)).detach()
    kept = (shown[:, 0] - 3) * 0.9  # of the four numbers that the head reads
    assert (kept - kept.round()).abs().max() < 1e-4 and {2, 3, 4} <= set(kept.round().tolist()) <= {0, 1, 2, 3, 4}
    assert shown.mean() == pytest.approx(3 + 4, abs=0.05) and (model.eval()(torch.zeros(9, 8)) == 7).all()


def test_a_new_head_starts_small():
    torch.manual_seed(0)
    head = Classifier(nn.Identity(), sum_of, 500, 20).head.requires_grad_(False)
    assert head.weight.std() == pytest.approx(0.02, rel=0.05) and not head.bias.any()


def test_accuracy_by_hand():
    logits = torch.tensor([[0.1, 0.9, 0.0], [2.0, -1.0, 1.9], [-3.0, -2.0, -1.0], [5.0, -torch.inf, 6.0]])  # guesses 1, 0, 2, 2
    assert accuracy(nn.Identity(), logits, torch.tensor([1, 0, 0, 2])) == 0.75
    assert accuracy(nn.Identity(), logits, torch.tensor([0, 2, 0, 0])) == 0, "the second best does not count"
    assert accuracy(nn.Identity(), logits, torch.tensor([1, 0, 0, 2]), size=3) == 0.75, "every example counts once, also in a short slice"
    assert accuracy(nn.Identity(), logits, [1, 0, 0, 2]) == 0.75


def test_accuracy_counts():
    logits = torch.eye(3).repeat(200, 1)
    assert accuracy(nn.Identity(), logits, torch.arange(3).repeat(200)) == 1
    assert accuracy(nn.Identity(), logits, torch.zeros(600, dtype=torch.long)) == pytest.approx(1 / 3)


# ---------------------------------------------------------------- what is broken scores nothing

NAN, INF = float("nan"), float("inf")


def broken(x, value):
    x = torch.as_tensor(x).clone()
    x.view(-1)[1] = value
    return x


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("call", [
    lambda x, y, bad: probes.linear_probe(bad, y, x, y),
    lambda x, y, bad: probes.linear_probe(x, y, bad, y, C=1.0),
    lambda x, y, bad: probes.linear_probe(x, y, bad.numpy(), y, C=1.0),
    lambda x, y, bad: probes.knn(bad, y, x, y),
    lambda x, y, bad: probes.knn(x, y, bad, y),
    lambda x, y, bad: probes.retrieval(bad @ torch.eye(5) @ x.T),
    lambda x, y, bad: probes.linear_probe(x, bad[:, 1].round(), x, y),
    lambda x, y, bad: probes.knn(x, y, x, bad[:, 1].round()),
    lambda x, y, bad: probes.accuracy(nn.Identity(), x, bad[:, 1].round()),
])
def test_nan_and_infinity_are_no_success(call, value):
    x, y = map(torch.as_tensor, clusters(40))
    with pytest.raises(ValueError, match="must be finite, but .* NaN or infinite"):
        with np.errstate(all="ignore"):
            call(x, y, broken(x, value))


def test_a_model_that_has_diverged_is_not_right_by_chance():
    x, zeros = torch.randn(9, 3), torch.zeros(9).long()
    for wrong in (lambda x: x * NAN, lambda x: broken(x, NAN), lambda x: broken(x, INF), lambda x: x - INF):
        with pytest.raises(ValueError, match="must be finite"):
            accuracy(wrong, x, zeros)
    with pytest.raises(ValueError, match="must be finite"):
        probes.features_in_batches(lambda x: broken(x, NAN), x)
    masked = torch.where(torch.tensor([False, True, False]), -INF, x)
    assert 0 <= accuracy(nn.Identity(), masked, zeros) <= 1, "a class that is masked out is no accident"


def test_features_that_overflow_are_named():
    x, y = clusters(40)
    with pytest.raises(ValueError, match="must be finite"), np.errstate(all="ignore"):
        probes.linear_probe(x * np.float32(1e38), y, x, y, C=1.0)


def test_a_draw_is_the_seeds_own_and_begins_as_a_larger_one():
    for rows in (50, torch.arange(50), np.arange(50), list(range(50))):
        drawn = probes.sample(rows, 20, seed=3)
        assert isinstance(drawn, torch.Tensor if isinstance(rows, int) or isinstance(rows, torch.Tensor) else np.ndarray)
        assert len(set(drawn.tolist())) == 20 and set(drawn.tolist()) <= set(range(50))
        assert drawn.tolist() == probes.sample(rows, 50, seed=3)[:20].tolist() != probes.sample(rows, 20, seed=4).tolist()
    assert probes.sample(50, 9, 1).tolist() == torch.randperm(50, generator=torch.Generator().manual_seed(1))[:9].tolist()
    assert probes.sample(list("abcdef"), 3, 1).tolist() == np.random.RandomState(1).permutation(list("abcdef"))[:3].tolist()
    assert probes.sample(torch.eye(4), 2, 0).shape == (2, 4)


def test_a_draw_leaves_the_common_chance_alone():
    torch.manual_seed(0), np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    probes.sample(9, 3, 5), probes.sample([1, 2, 3], 2, 5)
    assert torch.equal(torch.get_rng_state(), before[0]) and np.random.get_state()[1].tolist() == before[1]


def test_the_loss_of_labels_by_hand():
    scores = torch.tensor([[0.0, 0.0], [np.log(3), 0.0]])
    loss = probes.label_loss(lambda a, b: a + b, scores, torch.zeros(2, 2), torch.tensor([1, 0]))
    assert float(loss) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
