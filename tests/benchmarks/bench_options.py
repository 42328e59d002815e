"""What the benchmarks share: their options, and where their numbers go."""
import argparse
import json
import pathlib
import platform

import torch


def options(about, threads, rounds):
    """The parser of --json, --threads and --rounds."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers here as well")
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--rounds", type=int, default=rounds)
    return parser


def save(rows, args):
    """Write the rows, and with what they were measured, where --json says."""
    if args.json:
        where = {"torch": torch.__version__, "threads": args.threads, "machine": platform.machine(), "rounds": args.rounds}
        args.json.write_text(json.dumps({"where": where, "rows": rows}, indent=1) + "\n", encoding="utf-8")
