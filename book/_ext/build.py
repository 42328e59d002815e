"""Build the website into _build/html and check that it is whole: what `make book` runs.

Sphinx can end well and still leave a page out, so the pages are counted against the table of contents and each
must carry its own title, the search index included.
"""

import re
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"


def pages():
    """Every page of `_toc.yml`, without its ending."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    found = [toc["root"]]

    def walk(node):
        for key in ("parts", "chapters", "sections"):
            for child in node.get(key) or []:
                if "file" in child:
                    found.append(child["file"])
                walk(child)

    walk(toc)
    return found


def build():
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", str(ROOT), "--all", "-n", "-W", "--keep-going", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).split("Traceback (most recent call last)")[0]  # Jupyter Book's own, no news in it
        print(re.sub(r"\x1b\[[\d;]*m", "", said).strip(), file=sys.stderr)
    return done.returncode


def problems():
    """What is missing from the built site, one sentence each."""
    found = []
    for page in pages():
        html = HTML / f"{page}.html"
        if not html.is_file():
            found.append(f"{page}: no page was built")
            continue
        text = html.read_text()
        title = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.S)
        title = unescape(re.sub(r"<[^>]+>", "", title[1])).strip("# \n") if title else ""
        if not title or "</html>" not in text:
            found.append(f"{page}: the page is cut off or has no title")
    index = HTML / "searchindex.js"
    listed = index.read_text() if index.is_file() else ""
    found += [f"{page}: not in the search index" for page in pages() if f'"{page}"' not in listed]
    stray = {str(p.relative_to(HTML).with_suffix("")) for p in HTML.rglob("book/**/*.html")} - set(pages())
    found += [f"{page}: built, but not in _toc.yml" for page in sorted(stray)]
    return found


def main():
    start = time.perf_counter()
    if build():
        sys.exit("make book: Sphinx reported a warning or an error (above); a warning counts as an error here")
    found = problems()
    if found:
        sys.exit("make book: the website is not whole\n  " + "\n  ".join(found))
    print(
        f"{len(pages())} pages in {time.perf_counter() - start:.0f} s. "
        "Open _build/html/index.html, or run `make serve` and go to http://localhost:8000"
    )


if __name__ == "__main__":
    main()
