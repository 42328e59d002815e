"""The contract of a chapter: what every notebook of the book must have, hold and avoid.

`violations(notebook, path)` says in sentences what is wrong with one chapter; nbval (in `make test`) executes them.
"""

import json
import re
import sys
from pathlib import Path
from statistics import median

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402

from evo import claims, zoo  # noqa: E402

CHAPTERS = execute.chapters()
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|root|home|Users|tmp|private|mnt|opt)/[\w.-]+|[A-Z]:\\Users")
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
CODE = re.compile(r"^(```+|~~~+)(?!\{(?:note|tip|admonition|important|seealso)).*?^\1\s*$", re.M | re.S)
WORDS_PER_LINE = (7, 12)
LONGEST_LINE = 100


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def prose(notebook):
    """What a reader reads: Markdown, written or displayed by a cell, without code blocks and without formulas."""
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for cell in code_cells(notebook):
        texts += [o["data"]["text/markdown"] for o in cell.get("outputs", []) if "text/markdown" in o.get("data", {})]
    return re.sub(r"\$\$.*?\$\$", " ", CODE.sub(" ", "\n\n".join(texts)), flags=re.S)


def folded(cell):
    return bool({"hide-cell", "hide-input", "remove-cell"} & set(cell.metadata.get("tags", [])))


def references():
    return set(re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", (ROOT / "book" / "references.bib").read_text(), re.M))


def section(notebook, title):
    """Cells, cut at their headings, from the heading that matches `title` to the next one of its level or above."""
    pieces = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            texts = re.split(r"^(?=#+ )", cell.source, flags=re.M)
            pieces += [nbformat.v4.new_markdown_cell(text) for text in texts if text.strip()]
        else:
            pieces.append(cell)
    found, level = [], None
    for piece in pieces:
        heading = re.match(r"(#+) (.*)", piece.source) if piece.cell_type == "markdown" else None
        if level and heading and len(heading[1]) <= level:
            return found
        if not level and heading and re.search(title, heading[2], re.I):
            level = len(heading[1])
        if level:
            found.append(piece)
    return found


def shape(notebook):
    """First cell, ids and metadata: the same for every chapter, so that a diff shows only changes of content."""
    code = code_cells(notebook)
    if not code or code[0].source != execute.first_cell(execute.repository_url()):
        yield "the first code cell is not the standard one (make chapter writes it)"
    for cell in notebook.cells:
        extra = set(cell.metadata) - set(execute.KEPT_CELL_METADATA)
        if extra:
            yield f"{cell.id}: metadata {sorted(extra)}"
        tags = cell.metadata.get("tags", [])
        if {"nbval-skip", "raises-exception"} & set(tags):
            yield f"{cell.id}: tag {tags}: every cell runs, without an error"
    if dict(notebook.metadata) != execute.METADATA:
        yield "the notebook's metadata is not the standard one (make chapter writes it)"
    titles = [cell for cell in notebook.cells if cell.cell_type == "markdown" and cell.source.startswith("# ")]
    if len(titles) != 1 or notebook.cells[0] is not titles[0]:
        yield "a chapter starts with its title, the only heading of the first level"


def executed(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not executed from top to bottom in one go: {counts}"
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{cell.id}: stored error {output.ename}"
            if output.get("name") == "stderr":
                yield f"{cell.id}: stored stderr (progress bars and warnings do not belong in a chapter)"
            shown = output.get("data", {}).get("text/plain", "")
            if re.match(r"\[?<(Axes|matplotlib)", shown):
                yield f"{cell.id}: shows {shown[:40]!r}: end figures with plt.show()"


def paths(notebook):
    for cell in notebook.cells:
        for text in (cell.source, json.dumps(cell.get("outputs", []))):
            found = MACHINE_PATH.search(text)
            if found:
                yield f"{cell.id}: a path of one machine: {found[0]}"


def figures(notebook):
    for cell in code_cells(notebook):
        pictures = [m for o in cell.outputs for m in o.get("data", {}) if m.startswith("image/")]
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if pictures and len(alt) < 15:
            yield f"{cell.id}: a figure without alt text that says what it shows: {alt!r}"


def lengths(notebook):
    code = code_cells(notebook)[1:]  # the first cell is not the chapter's
    counts = [len(lines(cell)) for cell in code]
    if median(counts) > 6:
        yield f"median cell length is {median(counts)} lines, at most 6 allowed"
    if sum(count <= 20 for count in counts) < 0.9 * len(counts):
        yield f"{sum(count > 20 for count in counts)} of {len(counts)} cells are longer than 20 lines, a tenth may be"
    for cell in code:
        if len(lines(cell)) > 40:
            yield f"{cell.id}: {len(lines(cell))} lines, at most 40 allowed"
        for line in cell.source.splitlines():
            if len(line) > LONGEST_LINE:
                yield f"{cell.id}: {len(line)} characters in a line: {line[:50]}..."
    words, total = len(prose(notebook).split()), sum(len(lines(cell)) for cell in code if not folded(cell))
    if not WORDS_PER_LINE[0] <= round(words / total, 1) <= WORDS_PER_LINE[1]:
        yield f"{words / total:.1f} words of prose a line of code ({words} / {total}), 7 to 12 wanted"


def proof(notebook, path):
    """nbval compares outputs; a chapter that exempts most of its cells would prove nothing."""
    shown = [cell for cell in code_cells(notebook) if cell.outputs]
    ignored = [cell for cell in shown if "nbval-ignore-output" in cell.metadata.get("tags", [])]
    if len(ignored) > len(shown) / 3:
        yield f"{len(ignored)} of {len(shown)} cells with output are tagged nbval-ignore-output, a third may be"
    cards = claims.collect([path], claims.CARD)
    if len(cards) != 1:
        yield f"{len(cards)} cards, one wanted: card(...) as the last line of a cell"
    if not claims.collect([path]):
        yield "no claim"


def structure(notebook):
    exercises = section(notebook, r"^exercises")
    solutions = [c for c in exercises if c.cell_type == "code" and "hide-cell" in c.metadata.get("tags", [])]
    checks = [c for c in exercises if c.cell_type == "code" and re.search(r"\bassert\b|\btesting\.assert", c.source)]
    named = [c for c in exercises if c.cell_type == "markdown" and re.search(r"^(#+ |\*\*).{0,4}Exercise|^\*\*\d+|^#+ \d+", c.source, re.M)]
    tasks = sum(len(re.findall(r"^(?:#{3,} |\*\*)(?:Exercise )?\d+", c.source, re.M)) for c in named)
    if not exercises:
        yield 'no heading "Exercises"'
    elif tasks < 3:
        yield f'{tasks} exercises found, at least 3 wanted, each under a heading such as "### Exercise 1: ..."'
    if len(solutions) < max(3, tasks):
        yield f"{len(solutions)} folded solutions (tag hide-cell) for {max(3, tasks)} exercises"
    if len(checks) < max(3, tasks):
        yield f"{len(checks)} executable checks (a cell with assert) for {max(3, tasks)} exercises"
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    if not section(notebook, r"cannot"):
        yield 'no heading "What it still cannot do"'
    if not section(notebook, r"^references") or "{bibliography}" not in text:
        yield 'no heading "References" with ```{bibliography} under it'
    if "inspect.getsource" not in "".join(c.source for c in code_cells(notebook)):
        yield "the package's source is nowhere shown live (inspect.getsource)"
    cited = {key.strip() for keys in CITE.findall(text) for key in keys.split(",")}
    cited |= {data["source"] for cell in notebook.cells for o in cell.get("outputs", []) if (data := o.get("data", {}).get(claims.CLAIM))}
    for key in sorted(cited - references()):
        yield f"{key} is cited but not in book/references.bib"


def violations(notebook, path):
    """Everything that is wrong with a chapter, one sentence each."""
    found = []
    for check in (shape, executed, paths, figures, lengths, structure):
        found += check(notebook)
    return found + list(proof(notebook, path))


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_keeps_the_contract(name):
    notebook = nbformat.read(CHAPTERS[name], as_version=4)
    nbformat.validate(notebook)
    assert violations(notebook, CHAPTERS[name]) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_stored_as_make_chapter_writes_it(name):
    """Ids, order of keys, line ends: else the next `make chapter` would change lines that nobody touched."""
    text = CHAPTERS[name].read_text()
    notebook = nbformat.reads(text, as_version=4)
    execute.clean(execute.normalise(notebook, name, execute.repository_url()))
    assert nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip() + "\n" == text


def test_the_book_has_its_chapters():
    assert {"bag-of-words", "word2vec", "vit", "mae", "clip"} <= set(CHAPTERS)
    toc = (ROOT / "_toc.yml").read_text()
    listed = set(re.findall(r"^[^#\n]*(?:file|root): *(\S+)", toc, re.M))
    assert {str(p.relative_to(ROOT).with_suffix("")) for p in CHAPTERS.values()} <= listed, "a chapter is not in _toc.yml"


def test_the_ledger_is_what_the_chapters_displayed():
    recorded = yaml.safe_load((ROOT / "book" / "claims.yml").read_text())
    shown = claims.collect(CHAPTERS.values())
    assert recorded == json.loads(json.dumps(shown)), "book/claims.yml is old: make chapter C=..."


def test_the_ledger_has_enough_claims_and_plain_verdicts():
    shown = claims.collect(CHAPTERS.values())
    assert len(shown) >= 35
    for claim in shown:
        assert claim["verdict"] in claims.VERDICTS.values()
        assert all(claim[key].strip() for key in ("id", "chapter", "text", "source", "reported", "measured")), claim["id"]
    assert {c["verdict"] for c in shown} >= {"holds here", "does not hold at this scale"}, "a book without a negative is not honest"


def test_every_entry_of_the_zoo_is_made_by_a_chapter():
    """nbval replays and scores what the chapters name; an entry that none names would be proved by nobody."""
    source = "".join(cell.source for path in CHAPTERS.values() for cell in code_cells(nbformat.read(path, as_version=4)))
    named = re.findall(r'\bname=f?"([^"]+)"', source)  # name=f"mae-{seed}" names them all
    makes = re.compile("|".join(re.sub(r"\\\{.*?\\\}", ".+", re.escape(name)) for name in named) or "$")
    assert [name for name in zoo.names() if not makes.fullmatch(name)] == []
    files = {path.name for path in zoo.FOLDER.iterdir() if path.suffix in (".json", ".safetensors")}
    assert files == {f"{n}.json" for n in zoo.names()} | {f"{n}.safetensors" for n in zoo.names() if "sha256" in zoo.read(n)}
