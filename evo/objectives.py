"""Training objectives as pure functions of tensors.

Each returns one number to make small.

Shapes: B batch, N tokens, V classes, P numbers a patch, D width.
"""
import torch
import torch.nn.functional as F

from evo.inputs import check_flags, check_ids, check_shape, check_whole


def skip_gram(center, context, negatives):
    """Skip-gram with negative sampling (Mikolov et al. 2013b, eq. 4).

    center, context (B, D): vectors of words seen together; negatives
    (B, K, D): of random words. The mean over the pairs.
    """
    check_shape(context, center.shape, "context")
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
    more axes than B and N.
    """
    check_shape(targets, logits.shape[:-1], "targets")
    check_flags(masked, "masked", targets.shape)
    _something_hidden(masked)
    wanted = targets[masked]
    check_ids(wanted, logits.shape[-1], "targets", ignore=-100)
    return F.cross_entropy(logits[masked], wanted.long())


def masked_regression(pred, target, masked, p=2, normalize=False):
    """Mean |pred - target|^p over hidden patches: MAE p=2; SimMIM p=1.

    pred, target (B, N, P), masked bool (B, N), True = hidden. normalize=True
    first gives every target patch mean 0 and (unbiased) variance 1 (MAE,
    sec. 3, "Reconstruction target").
    """
    check_shape(target, pred.shape, "target")
    check_flags(masked, "masked", pred.shape[:-1])
    _something_hidden(masked)
    if normalize:
        var, mean = torch.var_mean(target, dim=-1, keepdim=True)
        target = (target - mean) / (var + 1e-6).sqrt()
    error = (pred - target).abs().pow(p).mean(-1)  # (B, N)
    return (error * masked).sum() / masked.sum()


def _check_sequence(logits, tokens, valid):
    if logits.ndim != 3:
        raise ValueError(f"logits have shape {tuple(logits.shape)}, but "
                         "(batch, tokens, classes) is needed")
    check_whole(tokens, "tokens", logits.shape[:2])
    if valid is not None:
        check_flags(valid, "valid", tokens.shape)


def _not_empty(n):
    if not n:
        raise ValueError("the batch is empty: there is nothing to take the "
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
    a caption, the pairs stand on the diagonal.
    """
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
    """
    if temperature <= 0:
        raise ValueError(f"temperature={temperature} must be greater than 0")
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
