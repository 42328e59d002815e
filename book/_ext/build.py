"""Build the website into _build/html and check that it is whole: what `make book` runs.

Every warning of Sphinx counts as an error. Sphinx can still end well and leave something out, so `selfcheck` then
looks at the pages themselves.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import selfcheck

ROOT = Path(__file__).resolve().parents[2]


def build():
    """Run Jupyter Book; on failure print what Sphinx said, without Jupyter Book's own traceback. Returns its status."""
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", ROOT, "--all", "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
    if done.returncode:
        said = (done.stdout + done.stderr).split("Traceback (most recent call last)")[0]
        print(re.sub(r"\x1b\[[\d;]*m", "", said).strip(), file=sys.stderr)
    return done.returncode


def main():
    start = time.perf_counter()
    if build():
        sys.exit("make book: Sphinx reported a warning or an error (above); a warning counts as an error here")
    selfcheck.main()
    print(f"built in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
