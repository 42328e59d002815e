"""The contract of a chapter: what every notebook of the book must have, hold and avoid.

`violations(notebook, path)` says in sentences what is wrong with one chapter; nbval (in `make test`) executes them.
"""

import ast
import html
import json
import re
import sys
from pathlib import Path
from statistics import median

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402

from evo import claims, explorer, verdicts, zoo  # noqa: E402

CHAPTERS = execute.chapters()
NOTEBOOKS = execute.notebooks()
PAGES = sorted(NOTEBOOKS.keys() - CHAPTERS.keys())
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|root|home|Users|tmp|private|mnt|opt)/[\w.-]+|[A-Z]:\\Users")
CITE = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
CODE = re.compile(r"^(```+|~~~+)(?!\{(?:note|tip|admonition|important|seealso)).*?^\1\s*$", re.M | re.S)
WORDS_PER_LINE = (7, 12)
LONGEST_LINE = 79
MOST_CELLS = 120
CLAIMS_SHOWN = (6, 10)


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


def away(cell):
    """Whether a page hides the whole cell: an exercise's solution, side evidence, the set-up."""
    return bool({"hide-cell", "remove-cell"} & set(cell.metadata.get("tags", [])))


def references():
    return set(re.findall(r"^@\w+\{\s*([^,\s]+)\s*,", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M))


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
    for cell in code_cells(notebook):
        for line in cell.source.splitlines():
            if len(line) > LONGEST_LINE:
                yield f"{cell.id}: {len(line)} characters in a line: {line[:50]}..."
    code = code_cells(notebook)[1:]  # the first cell is not the chapter's
    counts = [len(lines(cell)) for cell in code if not folded(cell)]  # what a reader sees
    if counts and median(counts) > 6:
        yield f"median length of the cells shown is {median(counts)} lines, at most 6 allowed"
    if sum(count <= 20 for count in counts) < 0.9 * len(counts):
        yield f"{sum(count > 20 for count in counts)} of {len(counts)} cells shown are longer than 20 lines, a tenth may be"
    for cell in code:
        if len(lines(cell)) > 40:
            yield f"{cell.id}: {len(lines(cell))} lines, at most 40 allowed"
    words, total = len(prose(notebook).split()), sum(len(lines(cell)) for cell in code if not folded(cell))
    if not WORDS_PER_LINE[0] <= round(words / total, 1) <= WORDS_PER_LINE[1]:
        yield f"{words / total:.1f} words of prose a line of code ({words} / {total}), 7 to 12 wanted"


def opening(notebook):
    """A chapter begins with its question, its answer in one sentence and its picture."""
    first, *rest = notebook.cells
    if "**In one sentence.**" not in first.source:
        yield "the title's cell lacks the chapter's answer: **In one sentence.** ..."
    shown = [cell for cell in rest if not away(cell)]
    if not shown or not any(m.startswith("image/") for o in shown[0].get("outputs", []) for m in o.get("data", {})):
        yield "behind the title and the set-up stands no picture: the first cell that is shown must draw one"
    for cell in code_cells(notebook):
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:  # %pip
            continue
        if body and not folded(cell) and all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in body):
            yield f"{cell.id}: only imports, which are to be folded (tag hide-input)"


def amount(notebook):
    """How much a reader has before him: cells, folded ones included, and claims in those that the page does not fold."""
    if len(notebook.cells) > MOST_CELLS:
        yield f"{len(notebook.cells)} cells, at most {MOST_CELLS} allowed: cut, join, or split the chapter"
    shown = [cell for cell in notebook.cells if not away(cell)]
    stated = sum(claims.CLAIM in o.get("data", {}) for cell in shown for o in cell.get("outputs", []))
    if not CLAIMS_SHOWN[0] <= stated <= CLAIMS_SHOWN[1]:
        yield f"{stated} claims are shown, {CLAIMS_SHOWN[0]} to {CLAIMS_SHOWN[1]} wanted: fold the others (hide-cell), the ledger has all"


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


def explored(notebook):
    """What was recorded at several settings, a reader can turn in the page: at least one explorer a chapter."""
    if not any(explorer.EXPLORER in output.get("data", {}) for cell in code_cells(notebook) for output in cell.get("outputs", [])):
        yield "no explorer: show a recorded study with explorer(...) of evo.explorer, and ask what it answers"


def thrown_away(notebook):
    """Only a cell's last value is shown: a table or a claim in the middle of one is made for nobody."""
    for cell in code_cells(notebook):
        for node in ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", cell.source)).body[:-1]:
            made = ast.unparse(node) if isinstance(node, ast.Expr) else ""
            if re.match(r"(pd\.DataFrame|claim|card|explorer|Markdown)\(|[\w.]+\.table\(\)", made):
                yield f"{cell.id}: nobody sees {made[:40]!r}: put display(...) around it, or let it be the cell's last line"


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
    if not re.search(r"\b(inspect\.getsource|show_source)\b", "".join(c.source for c in code_cells(notebook)[2:])):
        yield "the package's source is nowhere shown live (inspect.getsource)"
    cited = {key.strip() for keys in CITE.findall(text) for key in keys.split(",")}
    cited |= {data["source"] for cell in notebook.cells for o in cell.get("outputs", []) if (data := o.get("data", {}).get(claims.CLAIM))}
    for key in sorted(cited - references()):
        yield f"{key} is cited but not in book/references.bib"


OWN_RULES = {  # names of helpers by which chapters once judged; the rule is evo.verdicts alone
    "pm", "plus_minus", "clearly", "better", "not_better", "above", "below", "compare", "beats", "ahead", "significant", "holds",
    "verdict", "judge",
}  # fmt: skip


def one_rule(notebook):
    """Verdicts and ± come from evo.verdicts, never from a rule of the chapter's own."""
    for cell in code_cells(notebook):
        tree = ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", cell.source))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Call):
                if any(keyword.arg in ("holds", "verdict") for keyword in node.keywords):
                    yield f"{cell.id}: passes a verdict: give claim(...) the effect, and evo.verdicts decides"
                if getattr(node.func, "id", getattr(node.func, "attr", "")) == "Effect":
                    yield f"{cell.id}: makes an Effect by hand: use difference, ratio, bootstrap or exactly"
            elif isinstance(node, ast.FunctionDef):
                names = [node.name]
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.JoinedStr) and any("±" in str(getattr(part, "value", "")) for part in node.values):
                yield f"{cell.id}: writes ± itself: an Effect does, with half of its 95 % interval"
            elif isinstance(node, ast.Constant) and re.search(r"\{[^}]*\} ?±", str(node.value)):
                yield f"{cell.id}: writes ± itself: an Effect does, with half of its 95 % interval"
            for name in OWN_RULES & set(names):
                yield f"{cell.id}: defines {name}: differences, intervals and verdicts come from evo.verdicts"


SHOWN = {claims.CLAIM: claims.shown, claims.CARD: claims.shown_card, explorer.EXPLORER: explorer.shown}


def agree(notebook):
    """Outputs agree with themselves: the JSON, the text and the HTML of a claim, a card, an explorer or a table say the same."""
    for cell in code_cells(notebook):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            own = [mime for mime in data if mime.startswith("application/vnd.evo")]
            for mime in own:
                try:
                    wanted = SHOWN[mime](data[mime])._repr_mimebundle_()
                    if mime == claims.CLAIM:
                        yield from (f"{cell.id}: {sentence}" for sentence in claims.disagreements(data[mime]))
                except (KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
                    yield f"{cell.id}: its {mime.split('.')[-1]} cannot be read ({type(error).__name__}: {error})"
                    continue
                yield from (f"{cell.id}: {kind} is not what its JSON shows" for kind in wanted if data.get(kind) != wanted[kind])
            if "<table" in data.get("text/html", "") and not own and not tables_agree(data["text/html"], data.get("text/plain", "")):
                yield f"{cell.id}: the table's HTML and its text differ"


def tables_agree(markup, text):
    """Whether a data frame's HTML and text hold the same words in the same order; in a text that is cut into blocks, row by row."""
    markup = re.sub(r"<(style|p)\b.*?</\1>", "", markup, flags=re.S)
    rows = [html.unescape(re.sub(r"<[^>]+>", " ", row)).split() for row in re.findall(r"<tr.*?</tr>", markup, flags=re.S)]
    lines = [line.split() for line in text.splitlines() if not re.fullmatch(r"\s*\[\d+ rows x \d+ columns\]", line)]
    if not any(line[-1:] == ["\\"] for line in lines):
        return sum(rows, []) == sum(lines, [])
    blocks = [[]]
    for line in lines:
        blocks += [[]] if not line else []
        blocks[-1] += [[word for word in line if word != "\\"]] if line else []
    together = [sum(parts, []) for parts in zip(*(block for block in blocks if block))]
    return len(together) == len(rows) and all(set(row) == set(parts) for row, parts in zip(rows, together))


def violations(notebook, path):
    """Everything that is wrong with a chapter, one sentence each."""
    found = []
    for check in (shape, executed, paths, figures, opening, amount, lengths, thrown_away, structure, one_rule, agree):
        found += check(notebook)
    return [*found, *explored(notebook), *proof(notebook, path)]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_keeps_the_contract(name):
    notebook = nbformat.read(CHAPTERS[name], as_version=4)
    nbformat.validate(notebook)
    assert violations(notebook, CHAPTERS[name]) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_what_needs_no_claims(name):
    notebook = nbformat.read(NOTEBOOKS[name], as_version=4)
    nbformat.validate(notebook)
    assert [broken for rule in (shape, executed, paths, figures, opening, lengths, one_rule, agree) for broken in rule(notebook)] == []
    assert not [c for kind in (claims.CLAIM, claims.CARD) for c in claims.collect([NOTEBOOKS[name]], kind)], "a chapter stands in a folder"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_chapter_is_stored_as_make_chapter_writes_it(name):
    """Ids, order of keys, line ends: else the next `make chapter` would change lines that nobody touched."""
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    execute.clean(execute.normalise(notebook, name, execute.repository_url()))
    assert nbformat.writes(notebook, version=nbformat.NO_CONVERT).rstrip() + "\n" == text


def helpers(notebook):
    """(name, what it computes, whether it reads anything of its chapter) of every function, named lambda and class of a notebook."""
    trees = [ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", cell.source)) for cell in code_cells(notebook)]
    statements = [statement for tree in trees for statement in tree.body]
    kinds, made = (ast.FunctionDef, ast.ClassDef), []
    for statement in statements:
        if isinstance(statement, kinds):
            made.append((statement.name, statement))
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            same = ast.FunctionDef("_", statement.value.args, [ast.Return(statement.value.body)], [], lineno=0)
            made += [(target.id, same) for target in statement.targets if isinstance(target, ast.Name)]
    own = {name for name, _ in made} | {
        node.id
        for statement in statements
        if not isinstance(statement, kinds)
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for name, node in made:
        inside = {arg.arg for arg in ast.walk(node) if isinstance(arg, ast.arg)}
        inside |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        reads = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)} - inside
        yield name, ast.unparse(Bare().visit(node)), bool(reads & own)


class Bare(ast.NodeTransformer):
    """A definition without its name, its docstring and its annotations."""

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.name, node.returns = "_", None
        if isinstance(node.body[0], ast.Expr) and isinstance(getattr(node.body[0], "value", None), ast.Constant):
            node.body = node.body[1:] or [ast.Pass()]
        return node

    def visit_ClassDef(self, node):
        body = [part for part in node.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
        node.name, node.body = "_", [part if isinstance(part, ast.FunctionDef) else self.visit(part) for part in body] or [ast.Pass()]
        return node

    def visit_arg(self, node):
        node.annotation = None
        return node


def twice(notebooks):
    """What stands in two notebooks: under one name, or under two if it reads nothing of its chapter and so could stand in evo."""
    places = {}
    for name, notebook in notebooks.items():
        for helper, body, bound in helpers(notebook):
            places.setdefault((body, helper if bound else ""), {}).setdefault(name, helper)
    return [
        f"{', '.join(f'{helper} of {name}' for name, helper in found.items())}: {body!r:.70}"
        for (body, _), found in places.items()
        if len(found) > 1
    ]


def test_no_function_stands_in_two_notebooks():
    """What two chapters need is the package's: `from evo... import`, or `show_source` where it is taught."""
    assert twice({name: nbformat.read(path, as_version=4) for name, path in NOTEBOOKS.items()}) == []


@pytest.mark.parametrize(
    "one, other, found",
    [
        ("def f(x):\n    'Doc.'\n    return x + 1", "def f(x: int) -> int:\n    return x + 1", True),
        ("def f(x): return x + 1", "g = lambda x: x + 1", True),  # another name
        ("class A:\n    'Doc.'\n    def go(self): return 1", "class B:\n    def go(self): return 1", True),
        ("def f(x): return x + 1", "def f(y): return y + 1", False),  # names of arguments count
        ("N = 1\ndef f(x): return x + N", "N = 2\ndef f(x): return x + N", True),
        ("N = 1\ndef f(x): return x + N", "N = 2\ndef g(x): return x + N", False),  # reads its chapter's, and is called otherwise
        ("def f(x): return x + 1", "def f(x): return x + 2", False),
    ],
)
def test_what_stands_twice_is_found(one, other, found):
    cells = {name: nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]) for name, code in (("a", one), ("b", other))}
    assert bool(twice(cells)) == found
    assert not twice({"a": cells["a"]})


def test_the_book_has_its_chapters():
    assert {"bag-of-words", "word2vec", "vit", "mae", "clip"} <= set(CHAPTERS)
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^[^#\n]*(?:file|root): *(\S+)", toc, re.M))
    assert {str(p.relative_to(ROOT).with_suffix("")) for p in NOTEBOOKS.values()} <= listed, "a chapter is not in _toc.yml"


def test_the_ledger_has_enough_claims_and_plain_verdicts():
    shown = claims.collect(CHAPTERS.values())
    assert len(shown) >= 35
    for claim in shown:
        assert claim["verdict"] in claims.VERDICTS
        assert all(claim[key].strip() for key in ("id", "chapter", "text", "source", "reported", "measured")), claim["id"]
    assert {c["verdict"] for c in shown} >= {"holds here", "undecided here", "reversed here"}, "a book without a negative is not honest"


def toy():
    """Outputs of every kind that must agree with themselves."""
    import pandas as pd

    from evo.train import Study

    effect = {"few": verdicts.Effect(2.0, 1.0, 3.0, "points", 3), "many": verdicts.Effect(1.2, 0.9, 1.5, "times", 3, none=1.0)}
    fields = {k: f"about {k}" for k in claims.CARD_FIELDS} | {"cpu_seconds": 150, "gpu_seconds": None}
    study = Study([{"setting": {"d": d}, "seed": 0, "result": {"acc": d / 3}} for d in (1, 2)], "zoo")
    frame = pd.DataFrame({"model": ["ViT", "a long name"], "share": [0.25, 0.5]})
    wide = pd.DataFrame({f"column {i}": [i / 7, f"word {i}"] for i in range(12)})
    things = [
        claims.claim("a", "A.", source="k", reported="1", effect=effect),
        claims.card(**fields),
        claims.claim("b", "B.", source="k", reported="2", effect=effect["few"], asks=verdicts.within(5), paper=2.0),
        explorer.explorer(study, "acc", along="d", title="t"),
    ]
    with pd.option_context("display.width", 80, "display.max_columns", 20):  # as in a notebook
        tables = [{"text/plain": f.to_string(line_width=80), "text/html": f._repr_html_()} for f in (frame, wide)]
    data = [thing._repr_mimebundle_() for thing in things] + tables
    outputs = [nbformat.v4.new_output("display_data", data=json.loads(json.dumps(d))) for d in data]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", id="x", outputs=outputs)])


def test_what_was_shown_by_a_run_agrees_with_itself():
    notebook = nbformat.reads(nbformat.writes(toy()), as_version=4)
    assert list(agree(notebook)) == []


FORGERIES = [
    (0, claims.CLAIM, "verdict", "reversed here"), (0, claims.CLAIM, "decides", 0), (0, claims.CLAIM, "reported", "7"),
    (0, claims.CLAIM, "measured", "few +9.0 ± 1.0 points; many 1.2 times [0.9, 1.5]"), (0, claims.CLAIM, "asks", "more than 1"),
    (0, claims.CLAIM, "effects.value", 2.5), (0, claims.CLAIM, "effects.low", -1.0), (0, claims.CLAIM, "effects.runs", 30),
    (2, claims.CLAIM, "effects.above", -9.0), (2, claims.CLAIM, "source", "j"), (0, claims.CLAIM, "source", ""),
    (2, claims.CLAIM, "paper", 2.5), (2, claims.CLAIM, "paper", None), (0, claims.CLAIM, "paper", 2.0), (0, claims.CLAIM, "id", "c"),
    (0, claims.CLAIM, "effects.unit", "%"), (0, claims.CLAIM, "history", "no"), (0, claims.CLAIM, "text", "B."),
    (1, claims.CARD, "cpu_seconds", 10),
    (1, claims.CARD, "mask", "75 %"), (3, explorer.EXPLORER, "points", ["0 0 0.9", "1 0 0.66667"]), (3, explorer.EXPLORER, "title", "u"),
]  # fmt: skip


@pytest.mark.parametrize("place, mime, key, value", FORGERIES)
def test_json_edited_by_hand_is_noticed(place, mime, key, value):
    notebook = toy()
    data = notebook.cells[0].outputs[place]["data"][mime]
    *path, last = key.split(".")
    for part in [data[path[0]][0]] if path else [data]:
        assert part[last] != value
        part[last] = value
    assert list(agree(notebook))


@pytest.mark.parametrize("place, kind, old, new", [
    (0, "text/plain", "+2.0", "+3.0"), (0, "text/html", "+2.0", "+3.0"), (0, "text/html", "undecided here", "holds here"),
    (0, "text/plain", "undecided here", "holds here"), (1, "text/plain", "2 minutes", "1 minutes"),
    (1, "text/html", "2 minutes", "1 minutes"),
    (3, "text/html", "cy='", "cy='1"), (3, "text/plain", "2 runs", "3 runs"),
    (4, "text/html", "0.25", "0.75"), (4, "text/plain", "0.25", "0.75"),
    (5, "text/html", "0.142857", "0.942857"), (5, "text/plain", "word 3", "word 9"), (5, "text/html", "word 3", "word 99"),
])  # fmt: skip
def test_text_and_html_edited_by_hand_are_noticed(place, kind, old, new):
    notebook = toy()
    data = notebook.cells[0].outputs[place]["data"]
    assert old in data[kind]
    data[kind] = data[kind].replace(old, new, 1)
    assert list(agree(notebook))


@pytest.mark.parametrize("source", [
    "claim('a', 'A.', source='k', reported='1', holds=x > y)", "claim(*a, **b, verdict='holds here')", "def pm(values):\n    return 1",
    "clearly = lambda a, b: a > b",
    "def inner():\n    def compare(a, b): pass",
    "show(f'{a.mean():.1%} ± {a.std():.1%}')", "'{:.1f} ± {:.1f}'.format(a, b)", "Effect(1, 0, 2, '', 3)",
    "verdicts.Effect(1, 0, 2, '', 3)",
])  # fmt: skip
def test_a_rule_of_a_chapters_own_is_noticed(source):
    assert list(one_rule(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])))


@pytest.mark.parametrize("source", [
    "%pip install x\nclaim('a', 'A.', source='k', reported='73.5 ± 0.2', effect=difference(a, b), asks=no_worse(1))",
    "print(difference(a, b))",
    "if x:\n    %pip install x", "above = [1, 2]", "compare(a, b)",
])  # fmt: skip
def test_the_one_rule_may_be_used(source):
    assert not list(one_rule(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])))


@pytest.mark.parametrize("source, seen", [
    ("pd.DataFrame(a)", True), ("pd.DataFrame(a)\nb = 1", False), ("claim('a')\nclaim('b')", False), ("found.table()\nplt.show()", False),
    ("display(pd.DataFrame(a))\nb = 1", True), ("a = pd.DataFrame(b)\na", True), ("%pip install x\nexplorer(a, 'b')", True),
])  # fmt: skip
def test_what_nobody_sees_is_noticed(source, seen):
    assert bool(list(thrown_away(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])))) != seen


def test_a_chapter_without_an_explorer_is_noticed():
    output = nbformat.v4.new_output("display_data", data={explorer.EXPLORER: {"title": "t"}})
    bare, turned = (nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=o)]) for o in ([], [output]))
    assert not list(explored(turned)) and "no explorer" in next(explored(bare))


def test_every_entry_of_the_zoo_is_made_by_a_chapter():
    """nbval replays and scores what the chapters name; an entry that none names would be proved by nobody."""
    source = "".join(cell.source for path in NOTEBOOKS.values() for cell in code_cells(nbformat.read(path, as_version=4)))
    named = re.findall(r'\bname=f?"([^"]+)"', source)  # name=f"mae-{seed}" names them all
    makes = re.compile("|".join(re.sub(r"\\\{.*?\\\}", ".+", re.escape(name)) for name in named) or "$")
    assert [name for name in zoo.names() if not makes.fullmatch(name)] == []
    files = {path.name for path in zoo.FOLDER.iterdir() if path.suffix in (".json", ".safetensors")}
    assert files == {f"{n}.json" for n in zoo.names()} | {f"{n}.safetensors" for n in zoo.names() if "sha256" in zoo.read(n)}
