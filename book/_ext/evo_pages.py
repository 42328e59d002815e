"""The pages made from data: evolution map, chapter cards, evolution table, ledger, speed.

Directives, all without content:
    evo-map       the map of evolution.yml as an SVG
    evo-chapters  a card for every chapter there is
    evo-table     every chapter card's main fields, side by side
    evo-start     the way to the first chapter
    evo-tally     how many claims hold, in one line
    evo-ledger    every claim of the chapters with its verdict, its interval and a link into its chapter
    evo-example   one claim with its interval
    evo-speed     the ratios of benchmarks.json

Everything is plain HTML: links are written as `doc:NAME#ANCHOR` here and become relative addresses when a page is
written. What does not fit together (a chapter that is not there, a claim's id used twice) is a Sphinx warning.
"""

import html
import itertools
import json
import math
import re
from pathlib import Path

import yaml
from docutils import nodes
from evo_forest import forest
from evo_outputs import CARD, CLAIM, VERDICTS, audits, badge, card_title, claim_facts, joined, label, plain, references, stamp, verdict
from selfcheck import toc_files
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
BOOK = Path(__file__).resolve().parents[1]


# --- data ---------------------------------------------------------------------------------------------------


def chapters(source):
    """The executed chapters in reading order: [{doc, title, cells, cards, claims}]; a notebook outside a part's folder is none."""
    found = []
    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf8"))
    for doc in toc_files(toc):
        path = source / f"{doc}.ipynb"
        if not path.exists() or path.parent == source / "book":
            continue
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
        data = [out["data"] for cell in cells for out in cell.get("outputs", []) if "data" in out]
        text = "\n".join(joined(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        heading = re.search(r"^# (.+)$", text, flags=re.M)
        found.append(
            {
                "doc": doc,
                "cells": cells,
                "title": heading[1].strip() if heading else path.stem,
                "cards": [d[CARD] for d in data if CARD in d],
                "claims": [d[CLAIM] for d in data if CLAIM in d],
            }
        )
    return found


def all_claims(pages):
    """Every claim of these chapters, in order; an id that two of them share is a warning, and so is an unknown verdict."""
    found = [claim for page in pages for claim in page["claims"]]
    ids = [claim["id"] for claim in found]
    for identity in sorted({i for i in ids if ids.count(i) > 1}):
        logger.warning("claim id %s is used more than once", identity, type="evo", subtype="ledger")
    for claim in found:
        if verdict(claim) is None:
            logger.warning("claim %s: no verdict of evo.verdicts: %s", claim["id"], claim.get("verdict"), type="evo", subtype="ledger")
    return [claim for claim in found if verdict(claim)]


def counts(claims):
    return {kind: sum(verdict(claim) == kind for claim in claims) for kind in VERDICTS}


# --- the evolution map ----------------------------------------------------------------------------------------

PITCH, ROW, WIDTH, HEIGHT, LEFT, TOP = 121, 56, 98, 42, 8, 62
LANES = {"language": 0, "both": 1, "merged": 1, "vision": 2}  # from the top


def layout(data):
    """{node's id: (column, row)}, the columns' names and each lane's first row and its number of rows.

    A node stands in the column that its year falls into and in its stream's lane. The rows inside a lane are those for which
    the arrows are shortest and run through as few boxes as can be found by turning to one column after another.
    """
    known = {node["id"]: node for node in data["nodes"]}
    starts = data["columns"]
    in_time = [node for node in data["nodes"] if "when" not in node]
    column = {n["id"]: max((i for i, year in enumerate(starts) if year <= n["year"]), default=0) for n in in_time}
    later = list(dict.fromkeys(node["when"] for node in data["nodes"] if "when" in node))
    column |= {i: len(starts) + later.index(node["when"]) for i, node in known.items() if "when" in node}
    names = [years([n["year"] for n in in_time if column[n["id"]] == i]) or str(year) for i, year in enumerate(starts)] + later

    groups = {}
    for node in data["nodes"]:
        groups.setdefault((column[node["id"]], LANES[node["stream"]]), []).append(node["id"])
    size = [max((len(found) for (_, lane), found in groups.items() if lane == k), default=0) for k in range(3)]
    first = [sum(size[:k]) for k in range(3)]
    rows = {i: first[lane] + (size[lane] - len(found)) // 2 + k for (_, lane), found in groups.items() for k, i in enumerate(found)}

    arrows = [pair for pair in data["arrows"] if set(pair) <= set(known)]
    for _ in range(12):
        before = dict(rows)
        for (_, lane), found in sorted(groups.items()):
            tried = itertools.permutations(range(first[lane], first[lane] + size[lane]), len(found))
            rows |= min((dict(zip(found, places)) for places in tried), key=lambda new: crowding(arrows, column, rows | new))
        if rows == before:
            break
    return {i: (column[i], rows[i]) for i in known}, names, list(zip(first, size))


def years(found):
    """ "2013", "2014–15" or "1997–2006"."""
    if not found:
        return ""
    low, high = min(found), max(found)
    return str(low) if low == high else f"{low}–{str(high)[2:] if str(low)[:2] == str(high)[:2] else high}"


def crowding(arrows, column, rows):
    """How long the arrows are, and how often one runs through a box or across another."""
    boxes = {(column[i], row) for i, row in rows.items()}
    cost, lines = 0.0, []
    for a, b in arrows:
        (x0, y0), (x1, y1) = (column[a], rows[a]), (column[b], rows[b])
        cost += abs(y1 - y0) ** 1.3
        for x in range(x0 + 1, x1):
            t = (x - x0) / (x1 - x0)
            y = y0 + (y1 - y0) * t * t * (3 - 2 * t)
            cost += 4 * any((x, row) in boxes and abs(row - y) < 0.45 for row in (math.floor(y), math.ceil(y)))
        if x0 == x1:
            cost += 4 * sum((x0, row) in boxes for row in range(min(y0, y1) + 1, max(y0, y1)))
        lines.append((x0, y0, x1, y1))
    for (a, b, c, d), (e, f, g, h) in itertools.combinations(lines, 2):
        low, high = max(a, e), min(c, g)
        if low < high and c > a and g > e:
            y = lambda x, line: line[1] + (line[3] - line[1]) * (x - line[0]) / (line[2] - line[0])
            one, other = y(low, (a, b, c, d)) - y(low, (e, f, g, h)), y(high, (a, b, c, d)) - y(high, (e, f, g, h))
            cost += 0.8 * (one * other < 0)
    return cost


def corner(place):
    return LEFT + place[0] * PITCH, TOP + place[1] * ROW


def wrapped(title, limit=13):
    """At most two lines, broken at the space that makes them most equal."""
    if len(title) <= limit:
        return [title]
    spaces = [i for i, letter in enumerate(title) if letter == " "]
    if not spaces:
        return [title]
    best = min(spaces, key=lambda i: max(i, len(title) - i))
    return [title[:best], title[best + 1 :]]


def rivers(width, height, lanes, meet):
    """Two rivers, from the left, that meet where the first node of both streams stands."""
    line = lambda row: TOP - 7 + row * ROW
    (_, language), (middle, both), (vision, _) = lanes
    top, bottom, centre = line(0) - 7, height - 6, line(middle + both / 2)
    upper, lower, x = line(language), line(vision), LEFT + meet * PITCH
    return (
        f'<path class="river language" d="M0 {top + 10:.0f}C{x * .5:.0f} {top:.0f} {x:.0f} {top:.0f} {width} {top + 26:.0f}'
        f"V{centre:.0f}H{x + 90:.0f}C{x * .8:.0f} {centre:.0f} {x * .7:.0f} {upper:.0f} 0 {upper:.0f}Z\"/>"
        f'<path class="river vision" d="M0 {bottom - 10:.0f}C{x * .5:.0f} {bottom:.0f} {x:.0f} {bottom:.0f} {width} {bottom - 26:.0f}'
        f"V{centre:.0f}H{x + 90:.0f}C{x * .8:.0f} {centre:.0f} {x * .7:.0f} {lower:.0f} 0 {lower:.0f}Z\"/>"
    )


def arrow(pair, places):
    start, end = (places[i] for i in pair)
    (x0, y0), (x1, y1) = corner(start), corner(end)
    if end[0] == start[0]:
        down = y1 > y0
        a, b = (y0 + HEIGHT, y1 - 3) if down else (y0, y1 + HEIGHT + 3)
        x = x0 + WIDTH / 2
        path = f"M{x:.0f} {a}V{b}"
    else:
        x0, y0, y1, x1 = x0 + WIDTH, y0 + HEIGHT / 2, y1 + HEIGHT / 2, x1 - 3
        bend = max(10, min(90, (x1 - x0) * 0.5))
        path = f"M{x0:.0f} {y0:.0f}C{x0 + bend:.0f} {y0:.0f} {x1 - bend:.0f} {y1:.0f} {x1:.0f} {y1:.0f}"
    return f'<path class="arrow from-{pair[0]} to-{pair[1]}" d="{path}" marker-end="url(#evo-tip)"/>'


def map_svg(data):
    known = {node["id"]: node for node in data["nodes"]}
    places, columns, lanes = layout(data)
    width = LEFT * 2 + (len(columns) - 1) * PITCH + WIDTH
    height = TOP + sum(size for _, size in lanes) * ROW + 8
    years_ = "".join(
        f'<text class="year" x="{LEFT + i * PITCH + WIDTH / 2:.0f}" y="26">{html.escape(name)}</text>' for i, name in enumerate(columns)
    )
    free = lambda lane: next((r for r in range(lane[0], lane[0] + lane[1]) if (0, r) not in places.values()), lane[0])
    names = "".join(
        f'<text class="stream {name.lower()}" x="{LEFT + 6}" y="{TOP + free(lanes[k]) * ROW + 26}">{name}</text>'
        for name, k in (("Language", 0), ("Vision", 2))
    )
    meet = min((places[i][0] for i, node in known.items() if node["stream"] == "both"), default=len(columns) - 1)
    arrows = "".join(arrow(pair, places) for pair in data["arrows"] if set(pair) <= set(known))
    boxes = "".join(box(node, places[node["id"]]) for node in sorted(data["nodes"], key=lambda n: places[n["id"]]))
    focus = "".join(
        f".evo-map svg:has(.n-{i}:is(:hover,:focus-within)) :is(.from-{i},.to-{i})" + "{stroke:var(--evo-ink);opacity:1;stroke-width:2}"
        for i in known
    )
    return (
        f'<div class="evo-map" tabindex="0" role="region" aria-label="Evolution map, scrolls sideways on small screens">'
        f"<style>{focus}</style>"
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-labelledby="evo-map-title evo-map-about">'
        f'<title id="evo-map-title">How language and vision came to share one recipe</title>'
        f'<desc id="evo-map-about">{describe(data)}</desc>'
        '<defs><linearGradient id="evo-language"><stop offset=".45" class="s-language"/><stop offset=".85" class="s-both"/>'
        '</linearGradient><linearGradient id="evo-vision"><stop offset=".45" class="s-vision"/>'
        '<stop offset=".85" class="s-both"/></linearGradient>'
        '<marker id="evo-tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M1 1L7 4L1 7" fill="none" stroke="context-stroke" stroke-width="1.6"/></marker></defs>'
        f"{rivers(width, height, lanes, meet)}{years_}{names}<g>{arrows}</g><g>{boxes}</g></svg></div>"
    )


def describe(data):
    """The map in words, for those who do not see it."""
    known = {node["id"]: node["title"] for node in data["nodes"]}
    influence = "; ".join(f"{known[a]} to {known[b]}" for a, b in data["arrows"])
    return html.escape(
        "Time runs from left to right. Language models are in the upper river, vision models in the lower one; both meet "
        f"on the right. Arrows of influence: {influence}."
    )


def box(node, place):
    x, y = corner(place)
    lines = wrapped(node["title"])
    middle, size = x + WIDTH / 2, 15
    first = y + HEIGHT / 2 + 4.5 - (len(lines) - 1) * size / 2
    text = "".join(f'<tspan x="{middle:.0f}" y="{first + i * size:.0f}">{html.escape(line)}</tspan>' for i, line in enumerate(lines))
    title, year = html.escape(node["title"]), html.escape(str(node["year"]))
    body = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="9"/><text>{text}</text>'
    kind = f'node {node["stream"]} n-{node["id"]}'
    if node.get("chapter"):
        return (
            f'<a class="{kind} open" href="doc:book/{node["chapter"]}" aria-label="{title}, {year}: open the chapter">'
            f"<title>{title}, {year}</title>{body}</a>"
        )
    return f'<g class="{kind} coming" role="img" aria-label="{title}, {year}: coming"><title>{title}, {year} (coming)</title>{body}</g>'


def check_map(data, found):
    ids = {node["id"] for node in data["nodes"]}
    for pair in data["arrows"]:
        for end in set(pair) - ids:
            yield f"evolution.yml: an arrow names the unknown node {end}"
    for node in data["nodes"]:
        if node.get("chapter") and f"book/{node['chapter']}" not in found:
            yield f"evolution.yml: {node['id']} opens book/{node['chapter']}, which is not in the table of contents"
        if node.get("stream") not in LANES:
            yield f"evolution.yml: {node['id']} is in no stream: {node.get('stream')}"
        if "when" not in node and not isinstance(node.get("year"), int):
            yield f"evolution.yml: {node['id']} has no year to stand at"
    doubled = sorted({i for i in ids if sum(node["id"] == i for node in data["nodes"]) > 1})
    yield from (f"evolution.yml: {i} is there twice" for i in doubled)


# --- directives ---------------------------------------------------------------------------------------------


class Made(SphinxDirective):
    """A directive whose HTML is made from the book's data files."""

    @property
    def source(self):
        return Path(self.env.srcdir)

    def read(self, name):
        path = self.source / "book" / name
        self.env.note_dependency(str(path))
        if not path.exists():
            return None
        text = path.read_text(encoding="utf8")
        return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)

    def warn(self, message):
        logger.warning(message, location=self.get_location(), type="evo")

    def run(self):
        return [nodes.raw("", self.html(), format="html")]


class Map(Made):
    def html(self):
        data = self.read("evolution.yml")
        for problem in check_map(data, self.env.found_docs):
            self.warn(problem)
        legend = "".join(
            f'<li class="{kind}">{name}</li>'
            for kind, name in (
                ("language", "language"), ("vision", "vision"), ("both", "pictures and words"),
                ("merged", "one architecture"), ("coming", "coming"),
            )
        )
        return map_svg(data) + f'<ul class="evo-legend">{legend}</ul>'


class Chapters(Made):
    def html(self):
        nodes_ = [node for node in self.read("evolution.yml")["nodes"] if node.get("chapter")]
        parts = []
        for page in chapters(self.source):
            node = next((n for n in nodes_ if f"book/{n['chapter']}" == page["doc"]), None)
            if node is None:
                self.warn(f"evolution.yml has no node that opens {page['doc']}")
                continue
            tally = dots(page["claims"])
            parts.append(
                f'<li><a class="evo-chapter {node["stream"]}" href="doc:{page["doc"]}">'
                f'<span class="evo-chapter-year">{plain(node["year"])}</span>'
                f'<span class="evo-chapter-title">{plain(page["title"])}</span>'
                f'<span class="evo-chapter-question">{plain(node.get("question", ""))}</span>{tally}</a></li>'
            )
        return f'<ol class="evo-chapters">{"".join(parts)}</ol>'


def dots(claims):
    """One small square for each claim, in words for those who do not see it."""
    if not claims:
        return ""
    number = counts(claims)
    said = ", ".join(f"{n} {VERDICTS[kind]}" for kind, n in number.items() if n)
    squares = "".join(f'<i class="{kind}"></i>' * n for kind, n in number.items())
    return f'<span class="evo-dots" role="img" aria-label="Claims: {said}" title="{said}">{squares}</span>'


class Table(Made):
    """The cards of all chapters: one row a model, the columns in which their history shows."""

    COLUMNS = {
        "year": "Year", "tokens": "Tokens", "encoder": "Encoder", "objective": "Objective", "mask": "Hidden or masked",
        "changed": "What changed",
    }

    def html(self):
        rows = [(page, card) for page in chapters(self.source) for card in page["cards"]]
        if not rows:
            return '<p class="evo-none">No chapter has a card yet.</p>'
        head = "".join(f'<th scope="col">{name}</th>' for name in self.COLUMNS.values())
        body = "".join(
            f'<tr><th scope="row"><a href="doc:{page["doc"]}">{plain(card_title(card))}</a></th>'
            + "".join(f'<td class="{key}">{plain(card.get(key, ""))}</td>' for key in self.COLUMNS)
            + "</tr>"
            for page, card in rows
        )
        return (
            '<div class="evo-scroll" tabindex="0" role="region" aria-label="Evolution table">'
            f'<table class="evo-table"><thead><tr><th scope="col">Model</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )


class Tally(Made):
    def html(self):
        claims = all_claims(chapters(self.source))
        number = counts(claims)
        parts = "".join(
            f'<li class="{kind}"><b>{number[kind]}</b> {words}</li>' for kind, words in VERDICTS.items()
        )
        return f'<ul class="evo-tally"><li><b>{len(claims)}</b> claims of the literature</li>{parts}</ul>'


class Start(Made):
    """Where to begin: the first chapter, and how the book works."""

    def html(self):
        page = next(iter(chapters(self.source)), None)
        first = f'<a class="evo-go" href="doc:{page["doc"]}">Start reading<span>: {plain(page["title"])}</span></a>' if page else ""
        return f'<p class="evo-start">{first}<a href="doc:book/how-to">How to use this book</a></p>'


class Ledger(Made):
    """Every claim, by chapter. The style sheet filters, also without JavaScript; evo.js keeps the filter in the address."""

    def html(self):
        pages = [page for page in chapters(self.source) if page["claims"]]
        claims = all_claims(pages)
        if not claims:
            return '<p class="evo-ledger evo-none">No claim has been measured yet.</p>'
        number = counts(claims)
        choices = "".join(
            f'<label class="{kind}"><input type="radio" name="evo-filter" value="{kind}"{" checked" if kind == "all" else ""}>'
            f"{words} <b>{n}</b></label>"
            for kind, words, n in [("all", "all", len(claims)), *((k, w, number[k]) for k, w in VERDICTS.items())]
        )
        options = "".join(f'<option value="{slug(page)}">{plain(page["title"])}</option>' for page in pages)
        hide = "".join(
            f'.evo-ledger:has(option[value="{slug(page)}"]:checked) section:not(#ledger-{slug(page)})' + "{display:none}" for page in pages
        )
        names = references(self.source / "book" / "references.bib")
        groups = "".join(self.group(page, names) for page in pages)
        return (
            f'<div class="evo-ledger"><style>{hide}</style><form><fieldset><legend>Show</legend>{choices}</fieldset>'
            f'<p><label class="chapter">Chapter <select name="chapter"><option value="">all</option>{options}</select></label> '
            f'<output aria-live="polite"></output></p></form>{LEGEND}{groups}'
            '<p class="evo-nothing">No claim is both.</p></div>'
        )

    @staticmethod
    def group(page, names):
        own = [claim for claim in page["claims"] if verdict(claim)]
        rows = "".join(
            f'<li class="evo-row {verdict(claim)}"><div class="evo-row-verdict">{badge(claim)}</div>'
            f'<div class="evo-row-claim"><p class="evo-row-text"><a href="doc:{page["doc"]}#claim-{html.escape(str(claim["id"]))}">'
            f"{plain(claim['text'])}</a></p>{claim_facts(claim, names)}</div>"
            f'<div class="evo-row-plot">{forest(claim)}</div></li>'
            for claim in own
        )
        return (
            f'<section id="ledger-{slug(page)}"><h2><a href="doc:{page["doc"]}">{plain(page["title"])}</a></h2>{dots(own)}'
            f'{stamp(audits(page["cells"]))}<ul class="evo-rows">{rows}</ul></section>'
        )


LEGEND = (
    '<p class="evo-forest-key">Each line is a 95 % interval of what was measured here, with its value as a square. Tinted: '
    "where the claim says it lies. Upright line: no effect; dashed: what else was asked in advance; diamond: the paper's own "
    "value. Of several parts, the bold one decides.</p>"
)


def slug(page):
    return re.sub(r"[^a-z0-9]+", "-", page["doc"].rsplit("/", 1)[-1].lower())


class Example(Made):
    """The first claim of the book that holds with one part: for the page that says how a verdict is read."""

    def html(self):
        pages = [(page, claim) for page in chapters(self.source) for claim in page["claims"] if verdict(claim) == "holds"]
        page, claim = next(((p, c) for p, c in pages if len(c["effects"]) == 1 and c.get("paper") is None), (None, None))
        if claim is None:
            return '<p class="evo-none">No claim has been measured yet.</p>'
        return (
            f'<div class="evo-claim holds"><p class="evo-claim-head">{badge(claim)}</p><p class="evo-row-text"><a href="doc:{page["doc"]}'
            f'#claim-{html.escape(str(claim["id"]))}">{plain(claim["text"])}</a></p>{forest(claim)}</div>'
        )


class Speed(Made):
    """benchmarks.json, as `make bench` writes it: {"device", "date", ..., "rows": [what, unit, ours, peer, ratio, target]}."""

    def html(self):
        data = self.read("benchmarks.json")
        if not data:
            return '<p class="evo-table evo-none">No benchmark has been recorded yet: <code>make bench</code> writes them.</p>'
        body = "".join(self.row(row) for row in data["rows"])
        facts = "".join(f"<div><dt>{label(key)}</dt><dd>{plain(value)}</dd></div>" for key, value in data.items() if key != "rows")
        head = "".join(f'<th scope="col">{name}</th>' for name in ("What", "Ratio", "Wanted", "", "evo", "Peer"))
        return (
            '<div class="evo-scroll" tabindex="0" role="region" aria-label="Benchmarks">'
            f'<table class="evo-table evo-speed"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
            f'<dl class="evo-facts">{facts}</dl>'
        )

    @staticmethod
    def row(row):
        ratio, unit = row.get("ratio"), html.escape(row.get("unit", ""))
        bound = re.fullmatch(r"at (most|least) ([\d.]+)", str(row.get("target", "")))
        met = None
        if bound and ratio is not None:
            met = ratio <= float(bound[2]) if bound[1] == "most" else ratio >= float(bound[2])
        kind, word = {True: ("holds", "reached"), False: ("reversed", "missed"), None: ("untestable", "not measured")}[met]
        mark = f'<span class="evo-verdict {kind}">{word}</span>' if bound else ""  # without a target nothing can be missed
        return (
            f'<tr><th scope="row">{plain(row["what"])}</th>'
            f"<td><b>{'–' if ratio is None else format(ratio, '.3f')}</b></td><td>{plain(row.get('target', ''))}</td>"
            f'<td>{mark}</td><td>{amount(row.get("ours"))} {unit}</td>'
            f'<td>{amount(row.get("peer"))} {unit}<br><small>{plain(row.get("peer_name", ""))}</small></td></tr>'
        )


def amount(value):
    """A measured number with three digits that mean something."""
    if value is None:
        return "–"
    if not isinstance(value, (int, float)):
        return plain(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def resolve(app, doctree, docname):
    """`doc:NAME#ANCHOR` in made HTML becomes the address of that page, seen from this one."""
    for node in doctree.findall(nodes.raw):
        text = node.astext()
        if '"doc:' not in text:
            continue

        def address(match):
            name, _, anchor = match[1].partition("#")
            if name not in app.env.found_docs:
                logger.warning("no page %s", name, location=docname, type="evo")
                return 'href="#"'
            uri = app.builder.get_relative_uri(docname, name)
            return f'href="{uri}{"#" + anchor if anchor else ""}"'

        node.children = [nodes.Text(re.sub(r'href="doc:([^"]+)"', address, text))]


def run_links(app, pagename, templatename, context, doctree):
    """Under a chapter's title: run it on Colab, or take the notebook. The addresses are those of the theme's buttons."""
    options = app.config.html_theme_options
    if doctree is None or not str(app.env.doc2path(pagename)).endswith(".ipynb") or "</h1>" not in context.get("body", ""):
        return
    repository = options["repository_url"].rstrip("/").removeprefix("https://github.com/")
    path = "/".join(part for part in (options.get("path_to_docs", "").strip("/"), f"{pagename}.ipynb") if part)
    colab = f"{options['launch_buttons']['colab_url']}/github/{repository}/blob/{options['repository_branch']}/{path}"
    source = context["pathto"](f"_sources/{pagename}.ipynb", 1)
    links = (
        f'<p class="evo-run"><a href="{html.escape(colab)}">Run on Colab</a>'
        f'<a href="{html.escape(source)}" download>Download the notebook</a></p>'
    )
    context["body"] = context["body"].replace("</h1>", "</h1>" + links, 1)


def setup(app):
    for name, directive in (
        ("start", Start), ("map", Map), ("chapters", Chapters), ("table", Table), ("tally", Tally), ("ledger", Ledger), ("speed", Speed),
        ("example", Example),
    ):
        app.add_directive(f"evo-{name}", directive)
    app.connect("doctree-resolved", resolve)
    app.connect("html-page-context", run_links)
    app.add_js_file("evo.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
