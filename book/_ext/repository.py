"""The repository's address: one place (`_config.yml`, repository.url), and everything that repeats it.

    python book/_ext/repository.py https://github.com/you/evo-book    # what `make repository URL=...` runs

Colab's buttons, the chapters' first cells, README.md and pyproject.toml all name the address; this changes it in
all of them. tests/test_repository.py holds them equal.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)")


def current():
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def tracked():
    """All files of the repository; in a copy without git's folder, all that are not made or fetched."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    done = subprocess.run(git, cwd=ROOT, capture_output=True, encoding="utf-8") if (ROOT / ".git").exists() else None
    if done and done.returncode == 0:
        paths = [ROOT / name for name in done.stdout.split("\0") if name]
    else:
        made = {".venv", "_build", "build", "__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"}
        paths = [p for p in sorted(ROOT.rglob("*")) if not any(q in made or q.endswith(".egg-info") for q in p.relative_to(ROOT).parts)]
    return [path for path in paths if path.is_file()]


def files():
    """The text files that can hold the address."""
    return [path for path in tracked() if path.suffix in {".ipynb", ".md", ".py", ".toml", ".yml"}]


def change(text, old, new):
    """Replace the address, and `github/OWNER/NAME` as it stands in links to Colab."""
    slug_old, slug_new = (ADDRESS.fullmatch(url)[1] for url in (old, new))
    return re.sub(rf"(github(?:\.com)?/){re.escape(slug_old)}(?![\w-])", lambda m: m[1] + slug_new, text)


def main():
    if len(sys.argv) != 2 or not ADDRESS.fullmatch(sys.argv[1].removesuffix(".git").rstrip("/")):
        sys.exit("name the address as https://github.com/OWNER/NAME (Colab opens notebooks from GitHub only)")
    old, new = current(), sys.argv[1].removesuffix(".git").rstrip("/")
    changed = []
    for path in files():
        before = path.read_text(encoding="utf-8")
        after = change(before, old, new)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path)
        if path.suffix == ".ipynb":
            nbformat.validate(nbformat.reads(after, as_version=4))
    print(f"{old} -> {new} in {len(changed)} files: commit them")


if __name__ == "__main__":
    main()
