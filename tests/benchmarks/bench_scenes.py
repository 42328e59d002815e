"""Ten thousand scenes, made anew on one core, against the minute that they may take.

    python tests/benchmarks/bench_scenes.py [--json FILE] [--threads 1] [--rounds 5]

Each round makes 500 others, of which the median of the processor time counts; below 1: faster than was asked.
"""
import pathlib
import statistics
import sys
import time

import bench_options
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from evo.data.scenes import make

LIMIT, EACH = 60, 500  # seconds for ten thousand; scenes a round


def measure(rounds):
    make(EACH, "train", 64, 1, 0)  # the photographs and the cut-outs are read, and what every scene needs is made
    seconds = []
    for i in range(rounds):
        start = time.process_time()
        make(EACH, "train", 64, 1, EACH * (i + 1))
        seconds.append((time.process_time() - start) * 10_000 / EACH)
    found = statistics.median(seconds)
    return {"scenes": 10_000, "seconds": round(found, 1), "limit": LIMIT, "ratio": round(found / LIMIT, 3)}


def main():
    args = bench_options.options(__doc__, threads=1, rounds=5).parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(args.rounds)]
    for r in rows:
        print(f"{r['scenes']:,} scenes: {r['seconds']} s, asked {r['limit']} s, ratio {r['ratio']}")
    bench_options.save(rows, args)


if __name__ == "__main__":
    main()
