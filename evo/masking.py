"""Which tokens are hidden. `masked` is boolean (B, N), True = hidden and to be predicted."""
import torch


def random_mask(batch, n, ratio, generator=None, device=None):
    """Hide exactly round(ratio * n) of n tokens in every row, all choices equally likely (MAE).

    -> bool (batch, n), True = hidden. `generator` (on the CPU, or on `device`) makes it repeatable.
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"ratio={ratio} must lie in [0, 1): some tokens have to stay visible")
    hidden = round(ratio * n)
    if n and hidden == n:
        raise ValueError(f"ratio={ratio} hides all of n={n} tokens: lower it or use more tokens")
    source = generator.device if generator else device
    noise = torch.rand(batch, n, generator=generator, device=source)
    masked = torch.zeros(batch, n, dtype=torch.bool, device=noise.device)
    return masked.scatter_(1, noise.argsort(1)[:, :hidden], True).to(device or noise.device)


def visible(masked, count=None):
    """Where the tokens are that stay: bool (B, N) -> long (B, K), in order; rows hide equally many.

    Whoever knows that K = count already spares the look at the numbers (and a GPU the wait).
    """
    if count is None:
        count = masked[0].logical_not().sum().item()
        torch._check(count >= 0)  # torch.export has no numbers to look at
        torch._check(count <= masked.shape[1])
        if not torch.compiler.is_compiling() and (masked.logical_not().sum(1) != count).any():
            raise ValueError("every row of `masked` must hide the same number of tokens")
    return masked.byte().argsort(dim=1, stable=True)[:, :count]
