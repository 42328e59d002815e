"""What a chapter's outputs become on the website.

Notebooks are read by Sphinx as text; before myst-nb parses that text, this extension rewrites the outputs:

* SVG figures are put into the page itself, where they follow the light or dark theme (`figure_html`);
* chapter cards, claims and explorers are drawn from their JSON, not from the HTML meant for Jupyter;
* under a chapter's card stands when its entries of the zoo were recorded, and when some were made a second time (`stamp`);
* tables can be scrolled on a phone, with the keyboard too.

The notebooks on disk stay as they are.
"""

import html
import json
import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from docutils import nodes
from evo_forest import forest
from sphinx.util import logging

from evo import claims, explorer, zoo
from evo.claims import CARD, CLAIM, KINDS
from evo.explorer import EXPLORER

logger = logging.getLogger(__name__)

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
VERDICTS = {KINDS[words]: words for words in claims.VERDICTS}
for prefix, uri in (("", SVG), ("xlink", "http://www.w3.org/1999/xlink")):
    ET.register_namespace(prefix, uri)


# --- figures ------------------------------------------------------------------------------------------------


def figure_html(svg, alt, prefix):
    """An SVG figure as inline HTML: black becomes the colour of the text, the white ground disappears.

    Pictures inside it (image grids, heat maps) keep their colours and get a white card of their own size;
    what is written on a picture or a heat map keeps its colour too.
    """
    root = ET.fromstring(svg)
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    _unground(root)
    for axes in [node for node in root.iter() if node.get("id", "").startswith("axes_")]:
        _keep_colours_on_pictures(axes)
    _recolour(root)
    _card_behind_images(root)
    _prefix_ids(root, prefix)
    width = _pixels(root.get("width")) or _viewbox(root)[2]
    least = readable_width(svg, _viewbox(root)[2])
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("style", f"max-width:{max(width, least):.0f}px;min-width:{least:.0f}px")
    root.set("fill", "currentColor")
    text = re.sub(r">\s+<", "><", ET.tostring(root, encoding="unicode", short_empty_elements=True))
    scrolls = ' tabindex="0" role="group" aria-label="Figure, scrolls sideways on a small screen"' if least > PHONE else ""
    return f'<div class="evo-figure"{scrolls}>{text}</div>'


PHONE, LABEL = 300, 9.1  # pixels: the column of a small phone; the smallest label that can be read there


def readable_width(svg, viewbox):
    """The width in pixels below which the smallest label of a figure would be less than LABEL high."""
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", svg)]
    return math.ceil(LABEL / min(sizes) * viewbox) if sizes else 0


def _tag(node):
    return node.tag.rsplit("}", 1)[-1] if isinstance(node.tag, str) else ""


def _pixels(length):
    match = re.fullmatch(r"\s*([\d.]+)\s*(pt|px|)\s*", length or "")
    return float(match[1]) * (4 / 3 if match[2] == "pt" else 1) if match else None


def _viewbox(root):
    return [float(x) for x in (root.get("viewBox") or "0 0 640 480").replace(",", " ").split()]


def _style(node):
    pairs = (part.split(":", 1) for part in node.get("style", "").split(";") if ":" in part)
    return {key.strip(): value.strip() for key, value in pairs}


def _set_style(node, style):
    if style:
        node.set("style", "; ".join(f"{key}: {value}" for key, value in style.items()))
    else:
        node.attrib.pop("style", None)


def _colour(value):
    """'#rrggbb' of the ways in which a figure writes black and white; anything else as it is."""
    names = {"black": "#000000", "white": "#ffffff", "#000": "#000000", "#fff": "#ffffff"}
    return names.get((value or "").lower(), (value or "").lower())


def _unground(root):
    """The white rectangle under the figure and under each axes is the page, not a thing drawn."""
    for group in root.iter():
        if not re.match(r"(figure|axes|legend)_\d+$", group.get("id", "")):
            continue
        ground = next((c for c in group if c.get("id", "").startswith("patch_")), None)
        path = next(iter(ground), None) if ground is not None else None
        if path is None:
            continue
        style = _style(path)
        if _colour(style.get("fill", path.get("fill"))) == "#ffffff":
            legend = group.get("id").startswith("legend")
            style["fill"] = "var(--evo-ground)" if legend else "none"
            if legend:
                style["stroke"] = "var(--evo-line)"
            path.attrib.pop("fill", None)
            _set_style(path, style)


def _keep_colours_on_pictures(axes):
    """Text on an image or a heat map is chosen for the picture's colours, not the page's; other text in a frame gets a halo."""
    images = [n for n in axes.iter() if _tag(n) == "image"]
    meshes = [n for n in axes.iter() if re.match(r"(QuadMesh|PolyQuadMesh)_", n.get("id", ""))]
    frame = _frame(axes)
    for node in axes:
        if not node.get("id", "").startswith("text_"):
            continue
        place = _place(node)
        inside = frame and place and frame[0] <= place[0] <= frame[2] and frame[1] <= place[1] <= frame[3]
        if inside and (images or meshes):
            node.set("data-fixed", "1")
        elif inside and not any(_style(part).get("fill") for part in node.iter()):
            node.set("class", "evo-halo")  # it may stand on a bar, whose colour is the same in both themes


def _frame(axes):
    ground = next((c for c in axes if c.get("id", "").startswith("patch_")), None)
    path = next((n for n in ground if _tag(n) == "path"), None) if ground is not None else None
    if path is None:
        return None
    numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path.get("d", ""))]
    xs, ys = numbers[::2], numbers[1::2]
    return (min(xs), min(ys), max(xs), max(ys)) if xs and ys else None


def _place(group):
    for node in group.iter():
        match = re.search(r"translate\(\s*(-?[\d.]+)[ ,]+(-?[\d.]+)", node.get("transform", ""))
        if match:
            return float(match[1]), float(match[2])
        if _tag(node) == "text" and node.get("x"):
            return float(node.get("x").split()[0]), float(node.get("y").split()[0])
    return None


def _recolour(node, fixed=False):
    """Black to the text's colour, white to the page's; where colours are fixed, black is said aloud."""
    fixed = fixed or node.attrib.pop("data-fixed", None) is not None
    if fixed and node.get("id", "").startswith("text_"):
        node.set("fill", "#000000")
    if _tag(node) not in ("image", "clipPath"):
        style = _style(node)
        for key in ("fill", "stroke"):
            for holder in (style, node.attrib):
                value = _colour(holder.get(key))
                if value == "#000000" and not fixed:
                    holder[key] = "currentColor"
                elif value == "#ffffff" and not fixed and not _is_text(node):
                    holder[key] = "var(--evo-ground)"
        if style:
            _set_style(node, style)
    for child in node:
        _recolour(child, fixed)


def _is_text(node):
    return _tag(node) in ("text", "tspan", "use") or node.get("id", "").startswith("text_")


def _card_behind_images(root):
    for parent in list(root.iter()):
        for index, child in reversed(list(enumerate(parent))):
            if _tag(child) != "image":
                continue
            card = ET.Element(f"{{{SVG}}}rect", {"fill": "#fff"})
            for key in ("x", "y", "width", "height", "transform"):
                if child.get(key) is not None:
                    card.set(key, child.get(key))
            parent.insert(index, card)


def _prefix_ids(root, prefix):
    for node in root.iter():
        if "id" in node.attrib:
            node.set("id", prefix + node.get("id"))
        for key, value in list(node.attrib.items()):
            if key in (XLINK, "href") and value.startswith("#"):
                del node.attrib[key]
                node.set("href", "#" + prefix + value[1:])
            elif "url(#" in value:
                node.set(key, value.replace("url(#", f"url(#{prefix}"))
            elif key == XLINK:
                del node.attrib[key]
                node.set("href", value)


# --- cards and claims -----------------------------------------------------------------------------------------


def plain(value):
    """A JSON value in words, escaped; `x` becomes code, as in Markdown."""
    if isinstance(value, dict):
        value = ", ".join(f"{key} {item}" for key, item in value.items())
    elif isinstance(value, (list, tuple)):
        value = ", ".join(str(item) for item in value)
    elif isinstance(value, bool):
        value = "yes" if value else "no"
    elif isinstance(value, int) and abs(value) >= 10_000:
        value = f"{value:,}"
    elif isinstance(value, float):
        value = f"{value:g}"
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(str(value), quote=False))


def label(key):
    """Field names as a reader's words: `model_here` -> Model here."""
    words = {"cpu": "CPU", "gpu": "GPU", "url": "URL"}
    text = " ".join(words.get(word, word) for word in key.split("_"))
    return html.escape(text[:1].upper() + text[1:])


LABELS = {key: words for key, words in claims.LABELS.items() if key != "chapter"}  # in the order of evo.claims.CARD_FIELDS


def card_title(card):
    return str(card.get("chapter") or card.get("title") or "Chapter card")


def fields(card):
    """(name, label, value) of what the card says, in one order: JSON keeps none."""
    order = list(LABELS)
    for name in sorted(card, key=lambda key: (order.index(key) if key in order else len(order), key)):
        value = card[name]
        if name in ("chapter", "title", "id") or value in (None, "", [], {}):
            continue
        yield name, LABELS.get(name) or label(name), claims.duration(value) if name.endswith("_seconds") else value


def card_html(card, stamped=""):
    """The chapter card: one cell a field. stamped: what stands under it, in HTML."""
    rows = "".join(f"<div><dt>{name}</dt><dd>{plain(value)}</dd></div>" for _, name, value in fields(card))
    return f'<div class="evo-card"><p class="evo-card-title">{plain(card_title(card))}</p><dl>{rows}</dl>{stamped}</div>'


def verdict(claim):
    """The class of the style sheet for a claim's verdict; None for one that the rule of evo.verdicts did not make."""
    return KINDS[claim["verdict"]] if claim.get("verdict") in claims.VERDICTS and "effects" in claim else None


def badge(claim):
    kind = verdict(claim)
    return f'<span class="evo-verdict {kind}">{VERDICTS.get(kind, "no verdict")}</span>'


def claim_facts(claim, names):
    """Where the claim stands, what was reported, measured and asked. `names`: {key of references.bib: words}."""
    said = {"Source": names.get(claim["source"], claim["source"]), **claims.facts(claim)}
    rows = "".join(f"<div><dt>{name}</dt><dd>{plain(value)}</dd></div>" for name, value in said.items() if value not in (None, ""))
    return f"<dl>{rows}</dl>"


def claim_html(claim, names):
    """One claim: what the literature says, what is measured here, and the verdict."""
    identity = html.escape(str(claim["id"]))
    return (
        f'<div class="evo-claim {verdict(claim)}" id="claim-{identity}">'
        f'<p class="evo-claim-head">{badge(claim)}<a class="evo-claim-id" href="#claim-{identity}">{identity}</a></p>'
        f'<p class="evo-claim-text">{plain(claim["text"])}</p>{claim_facts(claim, names)}{forest(claim)}</div>'
    )


def explorer_html(data):
    """The figure of the first selection; evo.js puts the controls beside it, from the JSON."""
    chosen = explorer.first(data)
    return (
        f'<figure class="evo-explorer" data-explorer="{html.escape(json.dumps(data, separators=(",", ":")))}">'
        f"<figcaption>{plain(data['title'])}</figcaption>{explorer.svg(data, *chosen)}"
        f'<p class="evo-explorer-said">{html.escape(explorer.selection(data, *chosen))}</p></figure>'
    )


# --- when a chapter's entries were recorded, and made a second time --------------------------------------------


def entries(cells, known):
    """The entries of the zoo, of those `known`, that the cells' code names; name=f"mae-{seed}" names them all."""
    source = "".join(joined(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    named = re.findall(r'\bname=f?"([^"]+)"', source)
    makes = re.compile("|".join(re.sub(r"\\\{.*?\\\}", ".+", re.escape(name)) for name in named) or "$")
    return [name for name in known if makes.fullmatch(name)]


def audits(cells):
    """{entry of these cells: what the zoo says of its last audit}; empty where the zoo cannot be read."""
    try:
        return zoo.audited(*entries(cells, zoo.names()))
    except (AttributeError, zoo.ZooError) as error:
        logger.warning("the zoo's audits cannot be read: %s", error, type="evo", subtype="stamp")
        return {}


def stamp(audited):
    """One sentence. audited: {entry: {"made", "date", "device", "difference", "share"} or None}, as evo.zoo.audited gives it."""
    known = [a for a in audited.values() if a]
    if not known:
        return ""
    first, last = min(a["made"][0] for a in known), max(a["made"][1] for a in known)
    again = [a for a in known if a["date"]]
    partly = sum(a["share"] < 1 for a in again)
    said = [f"Recorded {first}" + (f" to {last}" if last != first else "")]
    said += [f"{len(again)} of {len(audited)} entries made from nothing a second time"]
    if again:
        latest = max(again, key=lambda a: a["date"])
        said[-1] += f", last on {latest['date']} on {latest['device']}"
        said += [f"largest difference {max(a['difference'] for a in again):.2g} of what is tolerated"]
    said += [f"{partly} of them only in part"] if partly else []
    return f'<p class="evo-stamp">{html.escape("; ".join(said))}.</p>'


def references(path):
    """{key: "Mikolov et al. 2013"} of a BibTeX file."""
    from pybtex.database import parse_file
    from pybtex.richtext import Text

    names = {}
    for key, entry in parse_file(str(path)).entries.items() if path.exists() else ():
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        last = [" ".join([*person.prelast_names, *person.last_names]) for person in people]
        last = [str(Text.from_latex(name)) for name in last]
        who = f"{last[0]} et al." if len(last) > 2 else " and ".join(last)
        names[key] = f"{who} {entry.fields.get('year', '')}".strip()
    return names


# --- notebooks ----------------------------------------------------------------------------------------------


def joined(source):
    return "".join(source) if isinstance(source, list) else source


NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?\s?%?(\s±\s[\d.,]+\s?%?)?|nan|NaN|-|–|")


def words_left(table):
    """Columns of a data frame that hold words get the class `words`; pandas aligns everything to the right.

    A table with merged cells stays as it is: its columns cannot be counted off.
    """
    if re.search(r"(row|col)span", table):
        return table
    rows = [re.findall(r"<(t[hd])[^>]*>(.*?)</t[hd]>", row, flags=re.S) for row in re.findall(r"<tr.*?</tr>", table, flags=re.S)]
    wordy = {i for row in rows for i, (tag, text) in enumerate(row) if tag == "td" and not NUMBER.fullmatch(plain_text(text))}

    def mark(row):
        cells = iter(range(10**6))
        return re.sub(r"<(t[hd])([^>]*)>", lambda m: f'<{m[1]} class="words"{m[2]}>' if next(cells) in wordy else m[0], row[0])

    return re.sub(r"<tr.*?</tr>", mark, table, flags=re.S)


def plain_text(markup):
    return html.unescape(re.sub(r"<[^>]+>", "", markup)).strip()


def hanging(markup):
    """Highlighted code, each line in an element of its own that knows its indentation: what is too long for the page is
    continued below, farther in."""

    def lines(match):
        made = []
        for line in match[2].removesuffix("\n").split("\n"):
            text = html.unescape(re.sub(r"<[^>]+>", "", line))
            made.append(f'<span class="evo-line" style="--in:{len(text) - len(text.lstrip())}ch">{line or chr(10)}</span>')
        return f"{match[1]}{''.join(made)}</pre>"

    return re.sub(r"(<pre[^>]*>(?:<span></span>)?)(.*?)</pre>", lines, markup, flags=re.S)


def section_of_exercises(cell, before):
    """Does what follows this cell belong to the chapter's exercises?"""
    if cell["cell_type"] == "markdown":
        for heading in re.findall(r"^##? (.+)$", joined(cell["source"]), flags=re.M):
            before = heading.strip().lower().startswith("exercise")
    return before


def fold_words(cell, exercises):
    """What stands on a folded cell: a solution, verdicts or code, each by its name."""
    tags = cell.get("metadata", {}).get("tags", [])
    found = sum(CLAIM in output.get("data", {}) for output in cell.get("outputs", []))
    if "hide-cell" in tags and found:
        what = f"{found} more verdict{'s' * (found > 1)} and the code behind {'them' if found > 1 else 'it'}"
    elif "hide-cell" in tags and exercises:
        what = "the solution"
    elif "hide-cell" in tags:
        what = "this code and what it shows"
    elif "hide-input" in tags:
        what = "the code"
    elif "hide-output" in tags:
        what = "what this shows"
    else:
        return {}
    return {"code_prompt_show": f"Show {what}", "code_prompt_hide": f"Hide {what}"}


def told(own, cell):
    """A chapter's own words on a fold, with the number of verdicts in it, if it holds some and the words do not say so."""
    found = sum(CLAIM in output.get("data", {}) for output in cell.get("outputs", []))
    more = f" ({found} verdict{'s' * (found > 1)})" if found and "hide-cell" in cell["metadata"].get("tags", []) else ""
    said = lambda key, text: key.startswith("code_prompt") and "verdict" not in text
    return {key: text + more if said(key, text) else text for key, text in own.items()}


def rewrite(notebook, docname, names):
    """Rewrite the outputs of `notebook` (its JSON as a dict) in place; return problems in words."""
    problems = []
    stamped = None
    slug = re.sub(r"[^a-z0-9]+", "", docname.rsplit("/", 1)[-1].lower())
    count, exercises = 0, False
    for position, cell in enumerate(notebook.get("cells", [])):
        metadata = cell.setdefault("metadata", {})
        alt = metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        exercises = section_of_exercises(cell, exercises)
        if words := fold_words(cell, exercises):
            metadata["mystnb"] = {**words, **told(metadata.get("mystnb", {}), cell)}
        for output in cell.get("outputs", []):
            data = output.get("data")
            if not data:
                continue
            shows = "image/svg+xml" in data or "image/png" in data or "image/jpeg" in data
            if shows and not alt:
                problems.append(f"cell {position} shows a figure without alt text")
            if CARD in data:
                stamped = stamp(audits(notebook["cells"])) if stamped is None else stamped
                data["text/html"] = card_html(data.pop(CARD), stamped)
            elif EXPLORER in data:
                data["text/html"] = explorer_html(data.pop(EXPLORER))
            elif CLAIM in data:
                claim = data.pop(CLAIM)
                if names and claim.get("source") not in names:
                    problems.append(f"claim {claim.get('id')}: source {claim.get('source')!r} is not a key of references.bib")
                if verdict(claim) is None:
                    problems.append(f"claim {claim.get('id')}: {claim.get('verdict')!r} is no verdict of evo.verdicts")
                    continue
                data["text/html"] = claim_html(claim, names)
            elif "image/svg+xml" in data:
                count += 1
                svg = joined(data.pop("image/svg+xml"))
                data.pop("image/png", None)
                data["text/html"] = figure_html(svg, alt or "Figure", f"{slug}{count}-")
            elif re.search(r'<div class="(highlight|output_html)">', joined(data.get("text/html", ""))):
                shown = re.sub(r"<style.*?</style>", "", joined(data["text/html"]), flags=re.S)  # IPython.display.Code
                data["text/html"] = f'<div class="evo-source">{hanging(shown.replace("output_html", "highlight", 1))}</div>'
            elif "text/html" in data and "<table" in joined(data["text/html"]):
                table = words_left(re.sub(r"<style.*?</style>", "", joined(data["text/html"]), flags=re.S))
                data["text/html"] = (
                    f'<div class="evo-scroll" tabindex="0" role="region" aria-label="Table">{table}</div>'
                )
    return problems


def source_read(app, docname, content):
    if not app.env.doc2path(docname).endswith(".ipynb"):
        return
    notebook = json.loads(content[0])
    for problem in rewrite(notebook, docname, app.evo_names):
        logger.warning(problem, location=docname, type="evo", subtype="alt")
    content[0] = json.dumps(notebook)


def describe_images(app, doctree):
    """PNG outputs have a white card; every picture says what it shows."""
    for image in doctree.findall(nodes.image):
        if not image.get("alt"):
            logger.warning("image without alt text", location=image, type="evo", subtype="alt")


def read_references(app):
    app.evo_names = references(Path(app.srcdir) / "book" / "references.bib")


def setup(app):
    app.connect("builder-inited", read_references)
    app.connect("source-read", source_read)
    app.connect("doctree-read", describe_images)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
