"""A small data set for the fault tests, in this process or in a process of its own.

As a program: `python toydata.py ADDRESS [LIMIT]` fetches it from ADDRESS into EVO_CACHE; LIMIT is the
number of bytes that the largest file may have, which acts like a full disk.
"""

import hashlib
import resource
import sys

import numpy as np

from evo.data import sources

CONTENT = np.random.RandomState(0).bytes(300_000)
KNOWN_HASH = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
ARRAYS = {"bytes": np.frombuffer(CONTENT, np.uint8)}


def build_toy(folder):
    return {"bytes": np.frombuffer(sources.locate(folder, "toy.bin").read_bytes(), np.uint8)}


def dataset(address, known_hash=KNOWN_HASH):
    return sources.Dataset(
        name="toy",
        about="300,000 random bytes",
        module="toydata",
        urls={f"{address}/toy.bin": known_hash},
        packages={},
        hashes=(sources.content_hash(ARRAYS),),
        megabytes=1,
    )


if __name__ == "__main__":
    sources.DATASETS = {"toy": dataset(sys.argv[1])}
    sources.SOURCES = {"the official address": sources.from_official}
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    try:
        print(sources.get("toy"))
    except sources.DataError as error:
        sys.exit(f"DataError: {error}")
