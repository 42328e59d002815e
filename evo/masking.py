"""Which tokens are hidden.

`masked` is boolean (B, N), True = hidden and to be predicted. What cannot be
hidden as asked is a ValueError.
"""
import torch

from evo.inputs import check_count, check_flags, check_generator, check_ids, check_number


def random_mask(batch, n, ratio, generator=None, device=None):
    """Hide exactly round(ratio * n) of n tokens in every row (MAE).

    All choices are equally likely. -> bool (batch, n), True = hidden.
    `generator` (on the CPU, or on `device`) makes it repeatable. Raises
    ValueError where no token would stay visible.
    """
    check_count(batch, "batch", 0)
    check_count(n, "n", 0)
    check_number(ratio, "ratio", "[0, 1)")
    check_generator(generator)
    device = _device(device)
    hidden = round(ratio * n)
    if n and hidden == n:
        raise ValueError(f"ratio={ratio} hides all of n={n} tokens: lower it "
                         "or use more tokens")
    source = generator.device if generator else device
    noise = torch.rand(batch, n, generator=generator, device=source)
    masked = torch.zeros(batch, n, dtype=torch.bool, device=noise.device)
    return masked.scatter_(1, noise.argsort(1)[:, :hidden], True).to(
        device or noise.device)


def _device(device):
    try:
        return None if device is None else torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device={device!r} is no device of torch: pass "
                         "images.device or a name such as 'cpu'") from None


def blockwise_mask(batch, rows, columns, most, smallest=4, narrow=0.3,
                   generator=None):
    """Hide rectangles of tokens, until `most` are hidden (BEiT, algorithm 1).

    -> bool (batch, rows * columns), True = hidden. A rectangle has about
    `smallest` tokens or more, up to what is still to be hidden, and sides of a
    ratio between `narrow` and 1 / `narrow`; it may lie on others. One that
    would hide too many is drawn again, ten times at most: so `most` is not
    always reached, and never passed. Raises ValueError unless
    1 <= smallest <= most < rows * columns.
    """
    check_count(batch, "batch", 0)
    for name, n in dict(rows=rows, columns=columns, most=most,
                        smallest=smallest).items():
        check_count(n, name)
    if not smallest <= most < rows * columns:
        raise ValueError(f"1 <= smallest={smallest} <= most={most} < "
                         f"{rows * columns} tokens is needed")
    check_number(narrow, "narrow", "(0, 1]")  # the shorter side by the longer
    check_generator(generator)
    masked = torch.zeros(batch, rows, columns, dtype=torch.bool)
    for grid in masked:
        left = most
        while left > 0 and (new := _rectangle(
                grid, left, smallest, narrow, generator)):
            left -= new
    return masked.flatten(1)


def _rectangle(grid, left, smallest, narrow, generator, tries=10):
    """Hide one more rectangle in grid (rows, columns) -> how many are new.

    At most `left`; 0 where no try fits.
    """
    rows, columns = grid.shape
    for area, shape, down, right in torch.rand(
            tries, 4, generator=generator, dtype=torch.double).tolist():
        area = smallest + area * (left - smallest)
        shape = narrow ** (2 * shape - 1)  # height / width
        height, width = (round((area * s) ** 0.5) for s in (shape, 1 / shape))
        if not (1 <= height <= rows and 1 <= width <= columns):
            continue
        top = int(down * (rows - height + 1))
        first = int(right * (columns - width + 1))
        place = grid[top:top + height, first:first + width]
        new = int((~place).sum())
        if 0 < new <= left:
            place[:] = True
            return new
    return 0


def visible(masked, count=None):
    """Where the tokens are that stay: bool (B, N) -> long (B, K), in order.

    Rows hide equally many. Whoever knows that K = count already spares the
    look at the numbers (and a GPU the wait). Raises ValueError where rows hide
    unequally many.
    """
    check_flags(masked, "masked")
    if masked.ndim != 2:
        raise ValueError(f"masked has shape {tuple(masked.shape)}, but "
                         "(batch, tokens) is needed")
    if count is None:
        if not len(masked):
            raise ValueError("masked is an empty batch, of which nobody can "
                             "say how many tokens stay")
        count = masked[0].logical_not().sum().item()
        torch._check(count >= 0)  # torch.export has no numbers to look at
        torch._check(count <= masked.shape[1])
        if not torch.compiler.is_compiling() and (
                masked.logical_not().sum(1) != count).any():
            raise ValueError("every row of `masked` must hide the same number "
                             "of tokens")
    check_count(count, "count", 0, masked.shape[1])
    return masked.byte().argsort(dim=1, stable=True)[:, :count]


def bert_mask(tokens, hideable, mask_token, vocab_size, ratio=0.15,
              mix=(0.8, 0.1, 0.1), generator=None):
    """Hide words as BERT does (Devlin et al. 2019, sec. 3.1, task 1).

    tokens (B, N) ids; hideable bool (B, N), False for padding and special
    tokens -> (tokens with holes, masked), both (B, N). In every row
    max(1, round(ratio * n)) of its n hideable tokens are chosen (`masked`,
    True = to be predicted). Of the chosen ones a share mix[0] becomes
    `mask_token`, mix[1] a random token out of all vocab_size, mix[2] stays as
    it is. Raises ValueError for a row with nothing to hide.
    """
    check_number(ratio, "ratio", "(0, 1)")
    if not isinstance(mix, (tuple, list)) or len(mix) != 3 or not all(
            isinstance(x, (int, float)) and x >= 0 for x in mix) or not (
            abs(sum(mix) - 1) <= 1e-6):
        raise ValueError(f"mix={mix} must be three shares that sum to 1: "
                         "masked, random, unchanged")
    check_count(vocab_size, "vocab_size")
    check_count(mask_token, "mask_token", 0, vocab_size - 1)
    check_generator(generator)
    check_ids(tokens, vocab_size)
    check_flags(hideable, "hideable", tokens.shape)
    if tokens.ndim != 2:
        raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but "
                         "(B, N) ids are needed")
    count = hideable.sum(1, keepdim=True)
    if not count.all():
        raise ValueError("a row has no token that may be hidden: leave empty "
                         "texts out")
    device = generator.device if generator else tokens.device
    order, fate = torch.rand(
        2, *tokens.shape, generator=generator, device=device).to(tokens.device)
    rank = order.masked_fill(~hideable, 2).argsort(1).argsort(1)
    masked = rank < (ratio * count).round().clamp(min=1)
    other = torch.randint(vocab_size, tokens.shape, generator=generator,
                          device=device).to(tokens.device)
    holes = torch.where(
        fate < mix[0], mask_token,
        torch.where(fate < mix[0] + mix[1], other, tokens))
    return torch.where(masked, holes, tokens), masked
