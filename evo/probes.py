"""How good is what a model has learned? Frozen: linear probe, nearest neighbours, retrieval; or fine-tuned as a whole."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def features_in_batches(fn, inputs, size=500):
    """fn applied to slices of `inputs` without gradients, results joined: (N, ...) -> (N, D). fn: (B, ...) -> (B, D)."""
    if len(inputs) == 0:
        raise ValueError("inputs is empty: there is nothing to compute features of")
    with torch.no_grad():
        return torch.cat([fn(inputs[i : i + size]).cpu() for i in range(0, len(inputs), size)])


def linear_probe(train_x, train_y, test_x, test_y, C=None, seed=0):
    """Accuracy of logistic regression on standardised features. (N, D), (N,), (M, D), (M,) -> float.

    C is the inverse of the L2 penalty; None chooses it among 1e-4 ... 1 on a fifth of the training set, never on the
    test set. Features are standardised with the training set's mean and deviation, as MAE's batch norm without affine
    does (He et al. 2022, appendix A.1).
    """
    train_x, train_y, test_x, test_y = (np.asarray(a) for a in (train_x, train_y, test_x, test_y))
    _check(train_x, train_y), _check(test_x, test_y)
    mean, std = train_x.mean(0), train_x.std(0) + 1e-6
    train_x, test_x = (train_x - mean) / std, (test_x - mean) / std
    if C is None:
        order = np.random.default_rng(seed).permutation(len(train_x))
        held, kept = order[: len(order) // 5], order[len(order) // 5 :]
        scores = {C: _logistic(train_x[kept], train_y[kept], C).score(train_x[held], train_y[held]) for C in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}
        C = max(scores, key=scores.get)
    return float(_logistic(train_x, train_y, C).score(test_x, test_y))


def _logistic(x, y, C):
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():  # 200 steps of L-BFGS move the accuracy by less than its spread over seeds
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=C, max_iter=200).fit(x, y)


def knn(train_x, train_y, test_x, test_y, k=20):
    """Accuracy of a vote among the k nearest training examples by cosine. (N, D), (N,), (M, D), (M,) -> float."""
    train_x, test_x = F.normalize(torch.as_tensor(train_x), dim=1), F.normalize(torch.as_tensor(test_x), dim=1)
    train_y, test_y = torch.as_tensor(train_y), torch.as_tensor(test_y)
    _check(train_x, train_y), _check(test_x, test_y)
    if not 1 <= k <= len(train_x):
        raise ValueError(f"k={k} must be between 1 and the number of training examples, {len(train_x)}")
    right = 0
    for i in range(0, len(test_x), 500):
        votes = train_y[(test_x[i : i + 500] @ train_x.T).topk(k).indices]  # (B, k)
        right += (votes.mode(1).values == test_y[i : i + 500]).sum().item()
    return right / len(test_x)


class Classifier(nn.Module):
    """A pre-trained body with a new linear head: logits = head(dropout(summary(body, *inputs))), (B, classes).

    summary(body, *inputs) -> (B, dim): one vector an example, e.g. BERT's pooled [CLS].
    """

    def __init__(self, body, summary, dim, classes, dropout=0.1):
        super().__init__()
        self.body, self.summary = body, summary
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(dim, classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, *inputs):
        return self.head(self.dropout(self.summary(self.body, *inputs)))


def fine_tune(model, batches, *, steps, lr, seed=0):
    """Train a whole classifier on labelled batches (*inputs, labels) -> the trained model (Devlin et al. 2019, sec. 4).

    model(*inputs) gives logits (B, classes); the same model is returned. Warm-up over a tenth of the steps. Choose lr
    and steps on validation data (`accuracy`).
    """
    from evo.train import fit

    labels = batches.tensors[-1]
    if model.head.out_features <= labels.max() or labels.min() < 0:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but the head knows 0 to {model.head.out_features - 1}: "
                         "build the classifier with classes = the number of label names")
    return fit(model, _label_loss, batches, steps=steps, lr=lr, seed=seed, weight_decay=0.01, warmup=0.1).model


def _label_loss(model, *batch):
    *inputs, labels = batch
    return F.cross_entropy(model(*inputs), labels)


def accuracy(model, inputs, labels, size=500):
    """Share of examples whose largest logit is the right one. inputs (N, ...), labels (N,)."""
    guess = features_in_batches(lambda x: model(x).argmax(1), inputs, size)
    return (guess == labels).double().mean().item()


def retrieval(similarity, ks=(1, 5, 10)):
    """Recall at k for queries (rows) whose right answer is the column of the same number. (N, N) -> {k: float}.

    Ties count against the right answer, so that a constant similarity scores 0 and not 1.
    """
    similarity = torch.as_tensor(similarity)
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        raise ValueError(f"similarity must be square (N, N), got {tuple(similarity.shape)}")
    own = similarity.diagonal()[:, None]
    rank = (similarity >= own).sum(1) - 1  # how many others are at least as near
    return {k: (rank < k).float().mean().item() for k in ks}


def _check(x, y):
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"features and labels must have one length above 0, got {len(x)} and {len(y)}")
