"""A visitor of the built website, for the tests beside this file. The site is built first if it is missing or older than its sources."""

import fcntl
import functools
import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import yaml
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import execute  # noqa: E402
import selfcheck  # noqa: E402

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
PAGES = selfcheck.toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8")))
CHAPTERS = [page for page in PAGES if ROOT / f"{page}.ipynb" in execute.chapters().values()]
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
THEMES = ("light", "dark")
SIZES = {390: 844, 1280: 900, 1440: 900}
CUT = """() => [...document.querySelectorAll('article pre')].filter(p => p.getClientRects().length && p.scrollWidth > p.clientWidth + 1)
  .map(p => p.textContent.split('\\n').sort((a, b) => b.length - a.length)[0])"""  # code that is cut off, by its longest line


def sources():
    kinds = ("*.md", "*.ipynb", "*.yml", "*.bib", "*.css", "*.js", "*.py", "*.json")
    book = [path for kind in kinds for path in (ROOT / "book").rglob(kind) if "__pycache__" not in path.parts]
    return [ROOT / "_config.yml", ROOT / "_toc.yml", *book]


def build_if_needed():
    """Two workers of pytest may come here at once: the second waits, and finds the site built."""
    (ROOT / "_build").mkdir(exist_ok=True)
    with open(ROOT / "_build" / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _build_if_needed()


def _build_if_needed():
    page = SITE / "book" / "index.html"
    newest = max(path.stat().st_mtime for path in sources())
    if not page.exists() or page.stat().st_mtime < newest:
        done = subprocess.run([sys.executable, ROOT / "book" / "_ext" / "build.py"], capture_output=True, cwd=ROOT, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class Visitor:
    """A page that lets nothing outside through and remembers what went wrong."""

    def __init__(self, browser, address, theme="light", width=1280, height=900):
        self.address, self.outside, self.errors = address, [], []
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
        )
        self.context.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        self.context.route("**/*", self.gate)
        self.page = self.context.new_page()
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("response", lambda r: r.status >= 400 and self.errors.append(f"{r.status} {r.url}"))

    def gate(self, route):
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def open(self, name):
        self.page.goto(f"{self.address}{name}.html", wait_until="load")
        return self.page

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.context.close()
        if error[0] is None:
            assert self.outside == [], "requests to the outside"
            assert self.errors == [], "errors on the console"


def serve():
    build_if_needed()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(SITE)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def open_browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "the tests of the website need Chromium on PATH (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()
