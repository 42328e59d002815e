"""What README.md repeats of the book, made from the book: its address, the map as a picture, the table of chapters.

    python book/_ext/readme.py            # what `make readme` runs; tests/test_readme.py holds that it changes nothing

The part of README.md between the two marks is written here, and book/map-light.svg and book/map-dark.svg.
"""

import html
import re
import textwrap
from pathlib import Path

import execute
import yaml

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- made by `make readme` -->", "<!-- end -->"
COLORS = {  # as in _static/evo.css
    "light": {"language": "#1f5fbf", "vision": "#a94e06", "both": "#7a3bbd", "merged": "#0b6e63", "ink": "#17202e", "soft": "#55606f",
              "line": "#b4bdca", "on": "#ffffff"},
    "dark": {"language": "#7fb2ff", "vision": "#f3a15c", "both": "#c79bff", "merged": "#58d3c1", "ink": "#e8ecf2", "soft": "#a7b1c0",
             "line": "#4a5567", "on": "#10151d"},
}  # fmt: skip
PITCH, ROW, WIDTH, HEIGHT, LEFT, TOP = 106, 42, 90, 33, 6, 34


def site(url):
    """Where GitHub shows the pages of a repository."""
    owner, name = url.rsplit("/", 2)[1:]
    return f"https://{owner}.github.io/{name}/"


def chapters():
    """The chapters in reading order: {"part", "file", "title", "question", "seconds", "verdicts"}."""
    from evo import claims

    asked = {node["chapter"]: node["question"] for node in evolution()["nodes"] if node.get("chapter")}
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    rows, found = [], execute.chapters().values()
    for part in toc["parts"]:
        for file in (chapter["file"] for chapter in part["chapters"]):
            path = ROOT / f"{file}.ipynb"
            if path in found:
                card = next(iter(claims.collect([path], claims.CARD)), None)
                if card is None:
                    raise SystemExit(f"{path.relative_to(ROOT)} holds no card: make chapter C={path.stem} first")
                rows.append({
                    "part": part["caption"], "file": file, "title": card["chapter"], "year": card["year"],
                    "question": asked.get(file.removeprefix("book/"), ""), "seconds": card["cpu_seconds"],
                    "verdicts": [claim["verdict"] for claim in claims.collect([path])],
                })  # fmt: skip
    return rows


def evolution():
    return yaml.safe_load((ROOT / "book" / "evolution.yml").read_text(encoding="utf-8"))


def block(url, rows):
    """The part of README.md that is made."""
    from evo.claims import duration

    pages, every = site(url), [verdict for row in rows for verdict in row["verdicts"]]
    counts = {word: every.count(f"{word} here") for word in ("holds", "reversed", "undecided", "not testable")}
    slug = url.removeprefix("https://github.com/")
    lines = [
        START, "<p align=\"center\"><picture>",
        '<source media="(prefers-color-scheme: dark)" srcset="book/map-dark.svg">',
        f'<img src="book/map-light.svg" width="940" alt="{html.escape(alt())}">', "</picture></p>", "",
        f"**Read it: [{pages.removeprefix('https://')}]({pages})**", "",
        f"So far {len(rows)} chapters and {len(every)} claims of the literature: {counts['holds']} hold here, "
        f"{counts['reversed']} are reversed, {counts['undecided']} are undecided, {counts['not testable']} are not testable at this size "
        f"([the ledger]({pages}book/ledger.html)).", "",
        "| chapter | what it asks | to train all of it, on a CPU | run it |", "|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        colab = f"https://colab.research.google.com/github/{slug}/blob/main/{row['file']}.ipynb"
        lines.append(
            f"| [{row['title']}]({pages}{row['file']}.html) ({row['year']}) | {row['question']} | {duration(row['seconds'])} "
            f"| [Colab]({colab}) |")
    return "\n".join([*lines, END])


def alt():
    open_ = [node["title"] for node in evolution()["nodes"] if node.get("chapter")]
    return f"Map of models from 1954 to today, language above, vision below; they meet on the right. With a chapter: {', '.join(open_)}."


def picture(data, theme):
    """The evolution map: models with a chapter are filled, the others are to come. Every place is that of the website's map."""
    from evo_pages import layout

    color, nodes = COLORS[theme], {node["id"]: node for node in data["nodes"]}
    places, columns, _ = layout(data)
    corners = {i: (LEFT + column * PITCH, TOP + row * ROW) for i, (column, row) in places.items()}
    width, height = 2 * LEFT + (len(columns) - 1) * PITCH + WIDTH, max(y for _, y in corners.values()) + HEIGHT + 6
    parts = [f'<text x="{LEFT + i * PITCH + WIDTH / 2:g}" y="18" fill="{color["soft"]}" font-size="12">{html.escape(str(name))}</text>'
             for i, name in enumerate(columns)]  # fmt: skip
    for pair in sorted(data["arrows"], key=lambda pair: all(nodes[i].get("chapter") for i in pair)):  # the strong ones on top
        parts.append(arrow(*(corners[i] for i in pair), all(nodes[i].get("chapter") for i in pair), color))
    parts += [box(node, corners[i], color) for i, node in nodes.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" text-anchor="middle" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n<title>{html.escape(alt())}</title>\n'
        + "\n".join(parts) + "\n</svg>\n"
    )  # fmt: skip


def arrow(start, end, both, color):
    (x0, y0), (x1, y1) = start, end
    look = f'stroke="{color["ink" if both else "line"]}" stroke-width="{1.6 if both else 1}" fill="none"'
    if x0 == x1:
        a, b = (y0 + HEIGHT, y1) if y1 > y0 else (y0, y1 + HEIGHT)
        return f'<path d="M{x0 + WIDTH / 2:g} {a}V{b}" {look}/>'
    x0, y0, y1 = x0 + WIDTH, y0 + HEIGHT / 2, y1 + HEIGHT / 2
    bend = max(6, min(90, (x1 - x0) / 2))
    return f'<path d="M{x0} {y0:g}C{x0 + bend:g} {y0:g} {x1 - bend:g} {y1:g} {x1} {y1:g}" {look}/>'


def box(node, corner, color):
    (x, y), own = corner, color[node["stream"]]
    filled = bool(node.get("chapter"))
    lines = textwrap.wrap(node["title"], 12 if filled else 13, break_long_words=False)
    ground = f'fill="{own}"' if filled else f'fill="{color["on"]}" stroke="{own}" stroke-dasharray="3 3"'
    ink, size = (color["on"], 12) if filled else (color["soft"], 11)
    first = y + HEIGHT / 2 + 4 - (len(lines) - 1) * 6.5
    text = "".join(f'<tspan x="{x + WIDTH / 2:g}" y="{first + 13 * i:g}">{html.escape(line)}</tspan>' for i, line in enumerate(lines))
    weight = ' font-weight="600"' if filled else ""
    shape = f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="7" {ground}/>'
    return f'{shape}<text fill="{ink}" font-size="{size}"{weight}>{text}</text>'


def made():
    """{path: text} of everything that this script writes."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    new = re.sub(rf"{re.escape(START)}.*?{re.escape(END)}", lambda _: block(execute.repository_url(), chapters()), text, flags=re.S)
    return {readme: new} | {ROOT / "book" / f"map-{theme}.svg": picture(evolution(), theme) for theme in COLORS}


def main():
    for path, text in made().items():
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        if changed:
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {'written' if changed else 'as it was'}")


if __name__ == "__main__":
    main()
