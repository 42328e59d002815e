"""Which tokens are hidden from a model. `masked` is boolean (B, N), True = hidden and to be predicted."""
import torch


def random_mask(batch, n, ratio, generator=None, device=None):
    """Hide exactly round(ratio * n) of n tokens in every row, each choice equally likely (MAE; SimMIM).

    -> bool (batch, n), True = hidden. `generator` (on the CPU, or on `device`) makes it repeatable.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"ratio={ratio} of hidden tokens must lie in [0, 1): something has to stay visible")
    hidden = round(ratio * n)
    if n and hidden == n:
        raise ValueError(f"ratio={ratio} of n={n} tokens hides all of them: lower the ratio or use more tokens")
    noise = torch.rand(batch, n, generator=generator, device=generator.device if generator else device)
    masked = torch.zeros(batch, n, dtype=torch.bool, device=noise.device)
    return masked.scatter_(1, noise.argsort(1)[:, :hidden], True).to(device or noise.device)


def visible(masked, count=None):
    """Where the tokens are that stay: bool (B, N), every row hiding equally many -> long (B, K), in order.

    Whoever knows that K = count already spares the look at the numbers (and a GPU the wait).
    """
    if count is None:
        count = masked[0].logical_not().sum().item()
        torch._check(count >= 0)  # torch.export has no numbers to look at
        torch._check(count <= masked.shape[1])
        if not torch.compiler.is_compiling() and (masked.logical_not().sum(1) != count).any():
            raise ValueError("every row of `masked` must hide the same number of tokens, as random_mask does")
    return masked.byte().argsort(dim=1, stable=True)[:, :count]
