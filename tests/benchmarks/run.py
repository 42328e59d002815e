"""All benchmarks, each in its own process: what `make bench` runs. Prints a table and writes book/benchmarks.json.

Every file bench_*.py beside this one takes `--json FILE` and writes {"rows": [...]} there. A row is what the book's
page "Speed" shows: what, ours, peer, peer_name, unit, ratio, target, note.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
RESULT = HERE.parents[1] / "book" / "benchmarks.json"


def processor():
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line] if info.exists() else []
    return names[0] if names else platform.processor() or platform.machine()


def main():
    rows = []
    for path in sorted(HERE.glob("bench_*.py")):
        print(f"{path.name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            subprocess.run([sys.executable, path, "--json", result], check=True)
            rows += [row for row in json.loads(result.read_text())["rows"]]
    about = {
        "device": f"{processor()}, {os.cpu_count()} processors",
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__.split("+")[0],
    }
    RESULT.write_text(json.dumps({**about, "rows": rows}, indent=1, ensure_ascii=False) + "\n")
    print(f"\n{about['device']}, torch {about['torch']}")
    for row in rows:
        print(f"{row['what']:48} {row['ratio']:>7}  (wanted {row.get('target', '')})")


if __name__ == "__main__":
    main()
