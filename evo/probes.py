"""How good is what a model has learned? Frozen: linear probe, nearest neighbours, retrieval; or fine-tuned as a whole."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_ids


def features_in_batches(fn, inputs, size=500):
    """fn applied to slices of `inputs` without gradients, results joined: (N, ...) -> (N, D). fn: (B, ...) -> (B, D)."""
    if not hasattr(inputs, "__len__") or isinstance(inputs, str):
        raise ValueError(f"inputs must be a tensor or an array of examples, got {type(inputs).__name__}")
    if len(inputs) == 0:
        raise ValueError("inputs is empty: there is nothing to compute features of")
    if not (is_whole(size) and size >= 1):
        raise ValueError(f"size={size!r} must be a whole number of examples, at least 1")
    with torch.no_grad():
        found = torch.cat([fn(inputs[i : i + size]).cpu() for i in range(0, len(inputs), size)])
    return finite(found, "what fn gives", but="inf")  # a masked score may be -inf, nothing is NaN


def sample(rows, n, seed):
    """n of these rows, in an order drawn by this seed: the labelled examples of one run. The first n of a larger draw are a smaller one.

    rows: a tensor, or N for the numbers 0 to N - 1: drawn by PyTorch, a tensor comes back. A list or an array: by NumPy, an array.
    """
    if not (is_whole(rows) or isinstance(rows, (list, tuple)) or isinstance(rows, (np.ndarray, torch.Tensor)) and rows.ndim):
        raise ValueError(f"rows must be a list, an array or a tensor of them, or how many there are, got {type(rows).__name__}")
    count = rows if is_whole(rows) else len(rows)
    if not (is_whole(n) and 1 <= n <= count):
        raise ValueError(f"n={n!r} must be a whole number from 1 to that of the rows, {count}")
    if not (is_whole(seed) and 0 <= seed < 2**32):
        raise ValueError(f"seed={seed!r} must be a whole number, at least 0")
    if not (is_whole(rows) or isinstance(rows, torch.Tensor)):
        return np.random.RandomState(seed).permutation(rows)[:n]
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(int(seed)))[:n]
    return chosen if is_whole(rows) else rows[chosen]


def linear_probe(train_x, train_y, test_x, test_y, C=None, seed=0):
    """Accuracy of logistic regression on standardised features. (N, D), (N,), (M, D), (M,) -> float.

    C is the inverse of the L2 penalty; None chooses it among 1e-4 ... 1 on a fifth of the training set, never on the
    test set. Features are standardised with the training set's mean and deviation, as MAE's batch norm without affine
    does (He et al. 2022, appendix A.1).
    """
    train_x, train_y, test_x, test_y = _examples(train_x, train_y, test_x, test_y)
    mean, std = train_x.mean(0), train_x.std(0) + 1e-6
    train_x, test_x = (finite((x - mean) / std, "a standardised feature") for x in (train_x, test_x))
    if len(set(train_y.tolist())) < 2:
        raise ValueError(f"train_y holds one label only, {train_y[0]}: there is nothing to tell apart")
    if C is None:
        if not (is_whole(seed) and seed >= 0):
            raise ValueError(f"seed={seed!r} must be a whole number, at least 0")
        order = np.random.default_rng(seed).permutation(len(train_x))
        held, kept = order[: len(order) // 5], order[len(order) // 5 :]
        if not len(held) or len(set(train_y[kept].tolist())) < 2:
            raise ValueError(f"{len(order)} training examples are too few to choose C on a fifth of them: pass C, such as C=0.1")
        scores = {C: _logistic(train_x[kept], train_y[kept], C).score(train_x[held], train_y[held]) for C in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}
        C = max(scores, key=scores.get)
    elif not (isinstance(C, (int, float, np.number)) and 0 < C < np.inf):
        raise ValueError(f"C={C!r} must be a number above 0, or None")
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
    examples = _examples(train_x, train_y, test_x, test_y)
    if any(y.dtype.kind == "U" for y in examples[1::2]):
        raise ValueError("labels must be whole numbers: neighbours vote by number")
    train_x, train_y, test_x, test_y = map(torch.as_tensor, examples)
    train_x, test_x = (F.normalize(x if x.is_floating_point() else x.float(), dim=1) for x in (train_x, test_x))
    if not (is_whole(k) and 1 <= k <= len(train_x)):
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
    if labels.is_floating_point() or labels.ndim != 1:
        raise ValueError(f"labels must be whole numbers (N,), got {labels.dtype} of shape {tuple(labels.shape)}")
    if model.head.out_features <= labels.max() or labels.min() < 0:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}, but the head knows 0 to {model.head.out_features - 1}: "
                         "build the classifier with classes = the number of label names")
    return fit(model, label_loss, batches, steps=steps, lr=lr, seed=seed, weight_decay=0.01, warmup=0.1).model


def label_loss(model, *batch):
    """What `fit` asks of a classifier: cross-entropy of the logits model(*inputs) (B, classes); batch: *inputs, labels (B,)."""
    *inputs, labels = batch
    logits = model(*inputs)
    if logits.ndim != 2:
        raise ValueError(f"model must give logits (B, classes), got {tuple(logits.shape)}")
    check_ids(labels, logits.shape[1], "labels", logits.shape[:1])
    return F.cross_entropy(logits, labels)


def accuracy(model, inputs, labels, size=500):
    """Share of examples whose largest logit is the right one. inputs (N, ...), labels (N,)."""
    labels = label_array(labels, "labels")
    if labels.dtype.kind == "U":
        raise ValueError("labels must be numbers of classes, as logits have no names")
    labels = torch.as_tensor(labels)

    def guess(x):
        logits = model(x)
        if logits.ndim != 2:
            raise ValueError(f"model must give logits (N, classes), got {tuple(logits.shape)}")
        finite(logits.amax(1), "the largest logits")  # the argmax of NaN is 0, which may be right
        return logits.argmax(1)

    guesses = features_in_batches(guess, inputs, size)
    if guesses.shape != labels.shape:
        raise ValueError(f"{len(labels)} labels need as many rows of logits (N, classes), got guesses of shape {tuple(guesses.shape)}")
    return (guesses == labels).double().mean().item()


def retrieval(similarity, ks=(1, 5, 10)):
    """Recall at k for queries (rows) whose right answer is the column of the same number. (N, N) -> {k: float}.

    Ties count against the right answer, so that a constant similarity scores 0 and not 1.
    """
    similarity = torch.as_tensor(numbers(similarity, "similarity"))
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or len(similarity) == 0:
        raise ValueError(f"similarity must be square (N, N) with N above 0, got {tuple(similarity.shape)}")
    if not (isinstance(ks, (tuple, list, range)) and all(is_whole(k) and k >= 1 for k in ks)):
        raise ValueError(f"ks={ks!r} must be a list of whole numbers, each at least 1")
    own = similarity.diagonal()[:, None]
    rank = (similarity >= own).sum(1) - 1  # how many others are at least as near
    return {k: (rank < k).float().mean().item() for k in ks}


def finite(x, name, but=""):
    """x itself (a tensor or an array); ValueError where it holds NaN or infinity.

    Every metric asks this of what it is given: comparisons with NaN are False, so that a model which has diverged would
    else come out as perfect. but="inf" lets infinity pass.
    """
    library = np if isinstance(x, np.ndarray) else torch
    bad = library.isnan(x) if but == "inf" else ~library.isfinite(x)
    if bad.any():
        raise ValueError(f"{name} must be finite, but {int(bad.sum())} of {bad.size if library is np else bad.numel()} numbers "
                         "are NaN or infinite: the model has diverged, or its input was broken")
    return x


def numbers(x, name):
    """Finite numbers as an array, of the type they have."""
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu()
        x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
    try:
        x = np.asarray(x)
    except ValueError:
        raise ValueError(f"{name} must be a table of numbers, but its rows differ in length") from None
    if x.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, got {x.dtype} ({x.ravel()[:1]})")
    return finite(x, name)


def label_array(y, name):
    """Labels as an array (N,): whole numbers or strings."""
    y = y.detach().cpu().numpy() if isinstance(y, torch.Tensor) else np.asarray(y)
    if y.dtype.kind == "O" and all(isinstance(label, str) for label in y.ravel()):
        y = y.astype(str)
    if y.ndim != 1 or y.dtype.kind not in "iubUf" or y.dtype.kind == "f" and not (finite(y, name) == y.round()).all():
        raise ValueError(f"{name} must be whole numbers or strings, (N,), got {y.dtype} of shape {y.shape}")
    return y


def _examples(train_x, train_y, test_x, test_y):
    """The four as arrays that fit together."""
    train_x, test_x = numbers(train_x, "train_x"), numbers(test_x, "test_x")
    train_y, test_y = label_array(train_y, "train_y"), label_array(test_y, "test_y")
    for x, y in ((train_x, train_y), (test_x, test_y)):
        if x.ndim != 2 or len(x) != len(y) or len(x) == 0:
            raise ValueError(f"features (N, D) and labels (N,) must have one length above 0, got {x.shape} and {y.shape}")
    if (train_y.dtype.kind == "U") != (test_y.dtype.kind == "U"):
        raise ValueError(f"labels must be of one kind, got {train_y.dtype} in training and {test_y.dtype} in test")
    if train_x.shape[1] != test_x.shape[1] or train_x.shape[1] == 0:
        raise ValueError(f"features must have one width above 0, got {train_x.shape[1]} in training and {test_x.shape[1]} in test")
    return train_x, train_y, test_x, test_y


def is_whole(number):
    return isinstance(number, (int, np.integer)) and not isinstance(number, bool)
