"""What a page says of itself to those who have not opened it, and what stands where no page is.

Each page gets a description, the tags that make a link to it a card elsewhere (Open Graph), with a picture drawn at
build from the chapter's first figure or from the map, and its text font early. `404.html` needs nothing but itself.
"""

import html
import json
import re
from pathlib import Path

import evo_social
import yaml
from docutils import nodes
from evo_outputs import joined
from evo_pages import map_svg

FONTS = ("fonts/inter-latin-wght-normal.woff2", "fonts/jetbrains-mono-latin-wght-normal.woff2")
LENGTH = 180  # letters of a description, at most


def base(config):
    """The site's address with a slash at its end: html_baseurl, or where GitHub shows the repository's pages."""
    if config.html_baseurl:
        return config.html_baseurl.rstrip("/") + "/"
    owner, name = config.html_theme_options["repository_url"].rstrip("/").split("/")[-2:]
    return f"https://{owner}.github.io/{name}/"


def description(doctree, question=""):
    """The chapter's question and its first paragraph, without citations, cut after a sentence or a word."""
    found = [p.astext() for p in doctree.findall(nodes.paragraph)]
    text = " ".join(f"{question} {next((p for p in found if len(p) > 60), '')}".split())
    text = re.sub(r"\s*\[[^\]]*\d{4}[^\]]*\]", "", text)
    if len(text) <= LENGTH:
        return text
    cut = text[:LENGTH]
    end = max(cut.rfind(mark) for mark in (". ", "? ", "! "))
    return cut[: end + 1] if end > LENGTH * 0.55 else cut[: cut.rfind(" ")].rstrip(",;:") + " …"


def question(app, pagename):
    data = yaml.safe_load((Path(app.srcdir) / "book" / "evolution.yml").read_text(encoding="utf8"))
    return next((node.get("question", "") for node in data["nodes"] if f"book/{node.get('chapter')}" == pagename), "")


def head(app, pagename, templatename, context, doctree):
    static = context["pathto"]("_static/", 1)
    tags = "".join(f'<link rel="preload" href="{static}{name}" as="font" type="font/woff2" crossorigin>\n' for name in FONTS)
    if doctree is not None:
        said = html.escape(description(doctree, question(app, pagename)))
        title = re.sub(r"<[^>]+>", "", str(context.get("title", ""))).strip()
        title = html.escape(html.unescape(title))
        address, picture = base(app.config), f"_static/social/{pagename.replace('/', '-')}.png"
        for name, value in (
            ("og:type", "article"), ("og:title", title), ("og:description", said), ("og:site_name", html.escape(str(app.config.project))),
            ("og:url", f"{address}{pagename}.html"), ("og:image", f"{address}{picture}"), ("og:image:width", evo_social.WIDTH),
            ("og:image:height", evo_social.HEIGHT), ("og:image:alt", f"First figure of: {title}"),
        ):
            tags += f'<meta property="{name}" content="{value}">\n'
        tags += f'<meta name="description" content="{said}">\n<meta name="twitter:card" content="summary_large_image">\n'
    context["metatags"] = context.get("metatags", "") + tags


# --- pictures for links -------------------------------------------------------------------------------------


def first_figure(path):
    """The first SVG that a notebook shows, or None."""
    for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
        for output in cell.get("outputs", []):
            if "image/svg+xml" in output.get("data", {}):
                return joined(output["data"]["image/svg+xml"])
    return None


def pictures(app, exception):
    if exception or app.builder.format != "html":
        return
    source, folder = Path(app.srcdir), Path(app.outdir) / "_static" / "social"
    folder.mkdir(parents=True, exist_ok=True)
    evolution = yaml.safe_load((source / "book" / "evolution.yml").read_text(encoding="utf8"))
    plan = re.search(r"<svg.*</svg>", map_svg(evolution), flags=re.S)[0]
    for name in app.env.found_docs:
        path = source / f"{name}.ipynb"
        figure = first_figure(path) if path.exists() else None
        title = app.env.titles[name].astext() if name in app.env.titles else app.config.project
        evo_social.draw(folder / f"{name.replace('/', '-')}.png", title, app.config.project, figure or plan)


# --- no page ------------------------------------------------------------------------------------------------

NO_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>No such page: {project}</title><meta name="robots" content="noindex"><meta name="description" content="This page does not exist.">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.0625rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 18vh auto 4rem; padding: 0 1.2rem; }}
body {{ color: #17202e; background: #fff; }}
h1 {{ font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; }} a {{ color: #1d59b5; }}
form {{ display: flex; gap: .5rem; margin: 1.4rem 0; }} input {{ flex: 1; min-width: 0; }}
input, button {{ font: inherit; padding: .5rem .8rem; border: 1px solid #8b95a5; border-radius: 8px; }}
:is(a, input, button):focus-visible {{ outline: 3px solid #1f5fbf; outline-offset: 2px; }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e8ecf2; background: #10151d; }} a {{ color: #8fbcff; }} }}
</style></head>
<body><main><h1>There is no such page</h1>
<p>The address may be from an older edition of the book, or mistyped. Everything there is can be found from the start page,
from the ledger, or by a search.</p>
<form action="{base}search.html"><input type="search" name="q" aria-label="Search this book" placeholder="mask ratio">
<button>Search</button></form>
<ul><li><a href="{base}book/index.html">Start page and map</a></li><li><a href="{base}book/ledger.html">Ledger of claims</a></li>
<li><a href="{base}book/how-to.html">How to use this book</a></li></ul></main>
<script>
if (location.host !== new URL("{base}").host) /* another host shows the book at its root */
  for (const one of document.querySelectorAll("a, form")) {{
    const name = one.action ? "action" : "href";
    one.setAttribute(name, one.getAttribute(name).replace("{base}", "/"));
  }}
</script></body></html>
"""


def no_page(app, exception):
    if not exception and app.builder.format == "html":
        text = NO_PAGE.format(project=html.escape(str(app.config.project)), base=base(app.config))
        (Path(app.outdir) / "404.html").write_text(text, encoding="utf8")


def setup(app):
    app.connect("html-page-context", head)
    app.connect("build-finished", pictures)
    app.connect("build-finished", no_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
