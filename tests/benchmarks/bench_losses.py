"""SimCLR's loss, value and gradient: ours against the usual way to write it, equal to the last digits, in one process.

    python tests/benchmarks/bench_losses.py [--json FILE] [--threads 1] [--rounds 41]

The usual way takes the similarities in four blocks and cuts the diagonals out, as lightly's NTXentLoss does (which is not
in the lock). The sides take turns, and the ratio is the median over these pairs, of processor time; below 1: evo is faster.
"""
import pathlib
import statistics
import sys
import time

import bench_options
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from evo.objectives import nt_xent

BATCHES, WIDTH, TEMPERATURE = (64, 1024), 128, 0.5


def in_blocks(z0, z1, temperature):
    """Views of the same side and of the other side, each picture's own similarity cut out."""
    z0, z1 = F.normalize(z0, dim=1), F.normalize(z1, dim=1)
    apart, n = ~torch.eye(len(z0), dtype=torch.bool), len(z0)
    rows = [torch.cat([a @ b.T, (a @ a.T)[apart].view(n, n - 1)], 1) for a, b in ((z0, z1), (z1, z0))]
    return F.cross_entropy(torch.cat(rows) / temperature, torch.arange(n).repeat(2))


def sides(batch):
    """What we do and what is usually done: the loss of two views, and its gradient."""
    views = [torch.randn(batch, WIDTH, requires_grad=True) for _ in range(2)]

    def work(loss):
        cost = loss()
        return [cost, *torch.autograd.grad(cost, views)]

    pair = [lambda: work(lambda: nt_xent(*views, TEMPERATURE)), lambda: work(lambda: in_blocks(*views, TEMPERATURE))]
    for a, b in zip(*(side() for side in pair)):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    return pair


def measure(batch, rounds):
    torch.manual_seed(0)
    pair, seconds = sides(batch), [[], []]
    for i in range(rounds + 1):
        for side in ((0, 1), (1, 0))[i % 2]:
            start = time.process_time()
            pair[side]()
            seconds[side].append(time.process_time() - start)
    ours, theirs = (times[1:] for times in seconds)
    return {"batch": batch, "milliseconds": round(1000 * statistics.median(ours), 2),
            "peer_milliseconds": round(1000 * statistics.median(theirs), 2),
            "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs)), 3)}


def main():
    args = bench_options.options(__doc__, threads=1, rounds=41).parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(batch, args.rounds) for batch in BATCHES]
    for r in rows:
        print(f"{r['batch']} pictures: {r['milliseconds']} ms, in blocks {r['peer_milliseconds']} ms, ratio {r['ratio']}")
    bench_options.save(rows, args)


if __name__ == "__main__":
    main()
