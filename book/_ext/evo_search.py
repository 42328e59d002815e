"""Search that finds sections: an index of every section's heading, prose and code (tables count as code), read from the built pages.

It is a script and no JSON file, so that it needs no request of its own; evo-search.js ranks, prose before code. Other words
for what a chapter is about (`also` in evolution.yml) lead to the chapter, though no page shows them.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import yaml
from selfcheck import toc_files

INDEX = "evo-search-index.js"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SILENT = ("headerlink", "katex", "copybtn", "evo-run", "evo-legend", "prev-next-footer", "evo-map", "citation-list")
APART = {"p", "li", "td", "th", "dt", "dd", "h1", "h2", "h3", "h4", "tr", "pre", "figcaption", "div", "summary", "br"}


class Sections(HTMLParser):
    """The sections of a page's article: [{"anchor", "title", "prose", "code"}], each without its subsections."""

    def __init__(self):
        super().__init__()
        self.open, self.found, self.inside, self.kind = [], [], [], None

    def handle_starttag(self, tag, attributes):
        at = dict(attributes)
        if tag in VOID:
            self.say(" ")
            return
        classes = (at.get("class") or "").split()
        silent = tag in ("script", "style", "svg", "math", "details-marker", "form", "summary") or any(c in SILENT for c in classes)
        self.open.append((tag, silent))
        if tag == "section" and at.get("id"):
            self.found.append({"anchor": at["id"], "title": "", "prose": "", "code": ""})
            self.inside.append((len(self.open), self.found[-1]))
        if tag in APART:
            self.say(" ")

    def handle_endtag(self, tag):
        while self.open:
            if self.inside and len(self.open) == self.inside[-1][0]:
                self.inside.pop()
            if self.open.pop()[0] == tag:
                break
        if tag in APART:
            self.say(" ")

    def handle_data(self, data):
        self.say(data)

    def say(self, text):
        if not self.inside or any(silent for _, silent in self.open):
            return
        tags = {tag for tag, _ in self.open[self.inside[-1][0] :]}
        kind = "title" if tags & {"h1", "h2", "h3", "h4"} else "code" if tags & {"pre", "table"} else "prose"
        self.inside[-1][1][kind] += text


def sections(page):
    parser = Sections()
    parser.feed(page)
    for one in parser.found:
        for kind in ("title", "prose", "code"):
            one[kind] = re.sub(r"[^\S\n]+" if kind == "code" else r"\s+", " ", one[kind]).strip()
    return [one for one in parser.found if one["title"]]


def words(source):
    """{page: other words for what it is about} of evolution.yml."""
    data = yaml.safe_load((source / "book" / "evolution.yml").read_text(encoding="utf8"))
    return {f"book/{n['chapter']}": ", ".join(n["also"]) for n in data["nodes"] if n.get("chapter") and n.get("also")}


def synonyms(source):
    return yaml.safe_load((source / "book" / "evolution.yml").read_text(encoding="utf8")).get("synonyms", [])


def index(source, site):
    """[[page, anchor, page's title, section's title, prose, code, other words]] of every section."""
    also, rows = words(source), []
    for name in toc_files(yaml.safe_load((source / "_toc.yml").read_text(encoding="utf8"))):
        path = site / f"{name}.html"
        if not path.exists():
            continue
        article = re.search(r"<article.*</article>", path.read_text(encoding="utf8"), flags=re.S)
        found = sections(article[0]) if article else []
        for i, one in enumerate(found):
            anchor = one["anchor"] if i else ""
            rows.append([name, anchor, found[0]["title"], one["title"], one["prose"], one["code"], also.get(name, "") if not i else ""])
    return rows


def write(app, exception):
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    source, said = Path(app.srcdir), lambda data: json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    rows, alike = said(index(source, site)), said(synonyms(source))
    (site / "_static" / INDEX).write_text(f"window.evoIndex = {rows};\nwindow.evoSynonyms = {alike};\n", encoding="utf8")


def scripts(app, pagename, templatename, context, doctree):
    if pagename == "search":
        app.add_js_file(INDEX, loading_method="defer")
        app.add_js_file("evo-search.js", loading_method="defer")


def setup(app):
    app.connect("html-page-context", scripts)
    app.connect("build-finished", write, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
