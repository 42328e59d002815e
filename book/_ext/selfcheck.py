"""Is the built website whole? Run after the build: python book/_ext/selfcheck.py

Every page of _toc.yml is there and says what it should, nothing on a page comes from another host, and the start page
with everything it loads stays small. Prints one line; ends with an error that names what is wrong.
"""

import gzip
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
LANDING_LIMIT = 400_000  # bytes, gzipped, with all that the start page loads
SENTINELS = {  # what a reader must find on a page that is made from data
    "book/index": ("evo-map", "evo-tally", "evo-chapters", "How to use this book"),
    "book/ledger": ("evo.js", "evo-ledger", "evo-forest", "evo-stamp", "holds here", "reversed here", "undecided here", "not testable"),
    "book/speed": ("evo-table",),
    "book/data": ("evo-figure", "colab.research.google.com/github", "citation"),
    "book/scenes": ("evo-figure", "colab.research.google.com/github", "citation"),
    "book/how-to": ("Colab", "EVO_BUDGET", "undecided here", "restamp"),
}
CHAPTER = ("evo-card", "evo-claim", "evo-verdict", "colab.research.google.com/github", "citation")


class Assets(HTMLParser):
    """What a page loads, and the headings it has."""

    def __init__(self):
        super().__init__()
        self.loads, self.headings = [], 0

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag in ("script", "img", "source", "iframe", "video", "audio") and at.get("src"):
            self.loads.append(at["src"])
        if tag == "link" and at.get("rel") in ("stylesheet", "preload", "icon", "shortcut icon", "modulepreload"):
            self.loads.append(at["href"])
        self.headings += tag == "h1"


def toc_files(toc):
    """Page names of a parsed _toc.yml, in reading order."""
    found = [toc[key] for key in ("root", "file") if isinstance(toc.get(key), str)]
    for key in ("parts", "chapters", "sections"):
        for child in toc.get(key) or []:
            found += toc_files(child)
    return found


def loads(page):
    """(files the page loads from this site, addresses it loads from elsewhere)."""
    parser = Assets()
    parser.feed(page.read_text(encoding="utf8"))
    local, outside, seen = [], [], set()
    for address in parser.loads:
        if re.match(r"(https?:)?//", address):
            outside.append(address)
        elif not address.startswith("data:"):
            path = (page.parent / address.split("?")[0].split("#")[0]).resolve()
            if path not in seen:
                seen.add(path)
                local.append(path)
    return local, outside


def fonts(styles):
    """The fonts that a page without code or mathematics uses: the text and the icons."""
    found = set()
    for style in styles:
        for address in re.findall(r"url\(([^)]+)\)", style.read_text(encoding="utf8")):
            address = address.strip("'\"").split("?")[0].split("#")[0]
            if address.endswith((".woff", ".woff2")) and re.search(r"inter|fa-solid|fa-regular|fa-brands", address):
                found.add((style.parent / address).resolve())
    return [font for font in found if font.exists()]


def packed(path):
    data = path.read_bytes()
    return len(data) if path.suffix in (".woff", ".woff2", ".png", ".jpg") else len(gzip.compress(data, 6))


def landing_size(site=SITE):
    """Bytes of the start page, gzipped, with everything it loads."""
    page = site / "book" / "index.html"
    local, _ = loads(page)
    files = {page, *local, *fonts([path for path in local if path.suffix == ".css"])}
    return sum(packed(path) for path in files)


def problems(root=ROOT, site=SITE):
    if not (site / "index.html").exists():
        return [f"there is no website in {site.name}: run `make book`"]
    wrong = []
    pages = toc_files(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf8")))
    built = {str(p.relative_to(site).with_suffix("")) for p in (site / "book").rglob("*.html")}
    wrong += [f"page {name} of _toc.yml was not built" for name in pages if name not in built]
    books = [p.relative_to(root).with_suffix("").as_posix() for p in (root / "book").rglob("*.ipynb")]
    wrong += [f"chapter {name}.ipynb is not in _toc.yml" for name in books if name not in pages and "checkpoints" not in name]
    wrong += [f"page {name} was built but is not in _toc.yml" for name in sorted(built - set(pages))]
    for name in pages:
        page = site / f"{name}.html"
        if not page.exists():
            continue
        text = page.read_text(encoding="utf8")
        chapter = (root / f"{name}.ipynb").exists() and name not in SENTINELS
        for sentinel in SENTINELS.get(name, CHAPTER if chapter else ()):
            if sentinel not in text:
                wrong.append(f"page {name} lacks {sentinel!r}")
        if re.search(r"<p>\s*\|", text):
            wrong.append(f"page {name} shows a Markdown table as text")
        local, outside = loads(page)
        wrong += [f"page {name} loads {address} from outside" for address in outside]
        wrong += [f"page {name} loads {path.name}, which is missing" for path in local if not path.exists()]
        parser = Assets()
        parser.feed(text)
        if parser.headings < 1:
            wrong.append(f"page {name} has no title")
    if wrong:
        return wrong
    size = landing_size(site)
    if size > LANDING_LIMIT:
        wrong.append(f"the start page weighs {size / 1000:.0f} kB gzipped, more than {LANDING_LIMIT / 1000:.0f} kB")
    return wrong


def main():
    wrong = problems()
    if wrong:
        sys.exit("website: " + "\nwebsite: ".join(wrong))
    pages = len(toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))))
    print(
        f"website: {pages} pages, start page {landing_size() / 1000:.0f} kB gzipped. "
        "Open _build/html/index.html in a browser, or run `make serve`."
    )


if __name__ == "__main__":
    main()
