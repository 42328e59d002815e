"""Training objectives as pure functions of tensors.

Each returns one number to make small; tensors that do not belong together
are a ValueError.

Shapes: B batch, N tokens, V classes, P numbers a patch, D width.
"""
import torch
import torch.nn.functional as F

from evo.inputs import check_flags, check_floats, check_ids, check_number, check_shape, check_whole


def skip_gram(center, context, negatives):
    """Skip-gram with negative sampling (Mikolov et al. 2013b, eq. 4).

    center, context (B, D): vectors of words seen together; negatives
    (B, K, D): of random words. The mean over the pairs.
    """
    check_floats(center, "center", "(B, D)")
    check_floats(context, "context", "(B, D)", center.shape)
    check_floats(negatives, "negatives", "(B, K, D)")
    check_shape(negatives, (len(center), negatives.shape[1], center.shape[1]),
                "negatives")
    _not_empty(len(center))
    seen = F.logsigmoid((center * context).sum(-1))
    drawn = F.logsigmoid(
        -(negatives @ center.unsqueeze(-1)).squeeze(-1)).sum(-1)
    return -(seen + drawn).mean()


def next_token(logits, tokens, valid=None):
    """Mean cross-entropy of each token given those before it.

    logits (B, N, V), tokens (B, N), valid bool (B, N). logits[:, i] are judged
    by tokens[:, i + 1]; where valid is False (padding) nothing is asked.
    """
    _check_sequence(logits, tokens, valid)
    if valid is not None:
        tokens = tokens.masked_fill(~valid, -100)
    # shifting the targets spares a copy of the logits
    targets = F.pad(tokens[:, 1:], (0, 1), value=-100)
    check_ids(targets, logits.shape[2], ignore=-100)
    if not (targets >= 0).any():
        raise ValueError("there is no next token to predict: no sequence has "
                         "two valid tokens")
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten().long())


def previous_token(logits, tokens, valid=None):
    """Mean cross-entropy of each token given those after it.

    next_token read from the right: logits[:, i] are judged by
    tokens[:, i - 1]; padding stands behind, where valid is False.
    """
    _check_sequence(logits, tokens, valid)
    targets = F.pad(tokens[:, :-1], (1, 0), value=-100)
    if valid is not None:
        targets = targets.masked_fill(~valid, -100)
    check_ids(targets, logits.shape[2], ignore=-100)
    if not (targets >= 0).any():
        raise ValueError("there is no previous token to predict: no sequence "
                         "has two valid tokens")
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten().long())


def both_ways(ahead, back, tokens, valid=None):
    """Half the cost of each next token and half that of each previous one.

    ELMo (sec. 3.1). ahead, back (B, N, V), tokens (B, N), valid bool (B, N).
    """
    return (next_token(ahead, tokens, valid)
            + previous_token(back, tokens, valid)) / 2


def masked_cross_entropy(logits, targets, masked):
    """Mean cross-entropy over hidden tokens (BERT; BEiT).

    logits (B, N, V), targets (B, N), masked bool (B, N), True = hidden. Or
    more axes than B and N. Raises ValueError where nothing is hidden.
    """
    check_floats(logits, "logits")
    check_whole(targets, "targets", logits.shape[:-1])
    check_flags(masked, "masked", targets.shape)
    _something_hidden(masked)
    wanted = targets[masked]
    check_ids(wanted, logits.shape[-1], "targets", ignore=-100)
    return F.cross_entropy(logits[masked], wanted.long())


def masked_regression(pred, target, masked, p=2, normalize=False):
    """Mean |pred - target|^p over hidden patches: MAE p=2; SimMIM p=1.

    pred, target (B, N, P), masked bool (B, N), True = hidden. normalize=True
    first gives every target patch mean 0 and (unbiased) variance 1 (MAE,
    sec. 3, "Reconstruction target"). Raises ValueError where nothing is
    hidden.
    """
    check_floats(pred, "pred", "(B, N, P)")
    check_floats(target, "target", "(B, N, P)", pred.shape)
    check_number(p, "p", "(0, inf)")
    check_flags(masked, "masked", pred.shape[:-1])
    _something_hidden(masked)
    if normalize:
        var, mean = torch.var_mean(target, dim=-1, keepdim=True)
        target = (target - mean) / (var + 1e-6).sqrt()
    error = (pred - target).abs().pow(p).mean(-1)  # (B, N)
    return (error * masked).sum() / masked.sum()


def _check_sequence(logits, tokens, valid):
    check_floats(logits, "logits")
    if logits.ndim != 3:
        raise ValueError(f"logits have shape {tuple(logits.shape)}, but "
                         "(batch, tokens, classes) is needed")
    check_whole(tokens, "tokens", logits.shape[:2])
    if valid is not None:
        check_flags(valid, "valid", tokens.shape)


def _not_empty(n, name="batch"):
    if not n:
        raise ValueError(f"the {name} is empty: there is nothing to take the "
                         "mean of")


def _something_hidden(masked):
    if not masked.any():
        raise ValueError(
            "nothing is hidden: `masked` is False everywhere, so there is "
            "nothing to predict; raise the mask ratio (round(ratio * N) must "
            "be at least 1)")


def clip_loss(logits):
    """Which caption belongs to which image, and the reverse.

    As Radford et al. 2021, fig. 3. logits (B, B): row i is an image, column j
    a caption, the pairs stand on the diagonal. Raises ValueError unless they
    are as many.
    """
    check_floats(logits, "logits")
    if logits.ndim != 2 or logits.shape[0] != logits.shape[1]:
        raise ValueError(f"logits have shape {tuple(logits.shape)}, but pairs "
                         "need (B, B)")
    _not_empty(len(logits))
    pairs = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, pairs)
            + F.cross_entropy(logits.T, pairs)) / 2


def nt_xent(z0, z1, temperature=0.5):
    """Find the other view of the same image among 2B - 1.

    SimCLR (Chen et al. 2020, eq. 1). z0, z1 (B, D): two views, row by row.
    Raises ValueError unless temperature > 0.
    """
    check_number(temperature, "temperature", "(0, inf)")
    check_floats(z0, "z0")
    check_floats(z1, "z1")
    if z0.ndim != 2:
        raise ValueError(f"z0 has shape {tuple(z0.shape)}, but (batch, width) "
                         "is needed")
    check_shape(z1, z0.shape, "z1")
    _not_empty(len(z0))
    z = F.normalize(torch.cat([z0, z1]), dim=1)
    similarity = z @ z.T / temperature  # (2B, 2B)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    other = torch.arange(len(z), device=z.device).roll(len(z0))
    return F.cross_entropy(similarity.masked_fill(itself, -torch.inf), other)


def info_nce(queries, keys, queue=None, temperature=0.07):
    """Find the own key among others: -log of its share (MoCo, eq. 1).

    queries, keys (B, D), row by row; queue (K, D): keys of other pictures.
    None: the other keys of the batch. Raises ValueError unless
    temperature > 0.
    """
    _check_pairs(queries, keys, temperature)
    q, k = F.normalize(queries, dim=1), F.normalize(keys, dim=1)
    own = torch.arange(len(q), device=q.device)
    if queue is None:
        return F.cross_entropy(q @ k.T / temperature, own)
    check_floats(queue, "queue", "(K, D)")
    check_shape(queue, (len(queue), q.shape[1]), "queue")
    _not_empty(len(queue), "queue")
    scores = torch.cat([(q * k).sum(1, keepdim=True),
                        q @ F.normalize(queue, dim=1).T], 1)  # (B, 1 + K)
    return F.cross_entropy(scores / temperature, torch.zeros_like(own))


def alignment(z0, z1):
    """Mean squared distance of two views, both of length 1 (Wang & Isola).

    z0, z1 (B, D), row by row.
    """
    _check_pairs(z0, z1)
    apart = F.normalize(z0, dim=1) - F.normalize(z1, dim=1)
    return apart.square().sum(1).mean()


def uniformity(z, t=2):
    """log of the mean exp(-t distance^2) of all pairs (Wang & Isola 2020).

    z (B, D). The smaller, the more evenly they lie on the sphere. Raises
    ValueError for fewer than two rows.
    """
    check_floats(z, "z")
    check_number(t, "t", "(0, inf)")
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(f"z has shape {tuple(z.shape)}, but (batch, width) "
                         "with at least two rows is needed")
    return torch.pdist(F.normalize(z, dim=1)).square().mul(-t).exp().mean().log()


def _check_pairs(a, b, temperature=1.0):
    check_number(temperature, "temperature", "(0, inf)")
    check_floats(a, "the first of the pair")
    check_floats(b, "the second of the pair")
    if a.ndim != 2:
        raise ValueError(f"vectors have shape {tuple(a.shape)}, but (batch, "
                         "width) is needed")
    check_shape(b, a.shape, "the second of the pair")
    _not_empty(len(a))
