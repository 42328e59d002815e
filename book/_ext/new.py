"""Lay out a chapter that keeps the contract, with a small true example in every place: what `make new C=words/gpt` runs.

    python book/_ext/new.py PART/NAME

It writes the notebook, its three edits and a test against a peer, lists the chapter in _toc.yml and in evolution.yml, and
runs it once. Everything that the author has to write is marked with the word TODO; tests/test_new.py lets no TODO stay.
"""

import re
import sys
from pathlib import Path

import execute
import nbformat

ROOT = Path(__file__).resolve().parents[2]
STREAMS = {"words": "language", "vision": "vision", "both": "both"}
IMPORTS = """\
import matplotlib.pyplot as plt
import torch
from IPython.display import display

from evo import plots
from evo.blocks import attend
from evo.claims import card, claim
from evo.explorer import explorer
from evo.show import show_source
from evo.train import Study
"""
MARKDOWN, CODE = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


def cells(name, title):
    """The notebook: the places in the order of the book, each with an example that runs."""
    return [
        MARKDOWN(f"""# {title}

TODO The question that the last chapter left open, and in plain words what the paper proposed. Below, attention stands in for the
model: it mixes values by how well their keys answer a query {{cite}}`vaswani2017attention`.

**In one sentence.** TODO The chapter's answer, as true as its verdicts."""),
        CODE("the first cell"),
        picture(),
        MARKDOWN("""TODO What one sees in the picture, and why it is the idea. Three keys answer the query a little, well, not at all; the
weights are these answers, made positive and divided by their sum."""),
        CODE(f"""\
card(
    chapter="{title}", year=2017, paper="TODO",
    tokens="TODO",
    encoder="TODO",
    objective="TODO",
    mask="TODO",
    changed="TODO",
    data="TODO", data_paper="TODO",
    size="TODO", size_paper="TODO",
    cpu_seconds=0,  # zoo.seconds(...), of what this chapter trains
    gpu_seconds=None,
    simplified="TODO")"""),
        MARKDOWN("""## By hand

TODO The idea on numbers that a reader can check on paper: three scores become three weights, and the answer is the weighted mean of
three values. Change `scores = [1., 3., -2.]` to `[3., 3., 3.]` and run the cell: the answer is the plain mean, four."""),
        CODE("""\
scores = [1., 3., -2.]
values = torch.tensor([0., 6., 6.])
weights = torch.tensor(scores).softmax(0)
answer = (weights * values).sum()
print([f"{w:.2f}" for w in weights], f"answer {answer:.2f}")"""),
        MARKDOWN("""TODO What the numbers say: the middle score is the largest, so the middle value gets nearly all of the weight.

## The shortest code that works

TODO The idea again, in the few lines that somebody would write who had just understood it. Change `d ** .5` to `d ** 2` and run
the cells below: the two versions part."""),
        CODE("""\
def naive(q, k, v):
    d = q.shape[-1]
    weights = (q @ k.transpose(-2, -1) / d ** .5).softmax(-1)
    return weights @ v"""),
        MARKDOWN("""The package has the same, for many heads and with masks. This is its source as it stands, and both give the same."""),
        CODE("# as it stands in evo/blocks.py\nshow_source(attend)", **tags("hide-input")),
        CODE("""\
torch.manual_seed(0)
q, k, v = torch.randn(3, 2, 4, 5, 8)
apart = (naive(q, k, v) - attend(q, k, v)).abs().max().item()
print("the same" if apart < 1e-5 else "not the same")"""),
        MARKDOWN(f"""## Training

TODO Train in the cell, over at least three seeds, with baselines beside: chance, the raw input, an untrained model. What is named
goes into the zoo with `evo zoo record {name}`.

```python
run = fit(model, loss_fn, batches, steps=2000, lr=2e-3, name="{name}-0")
```

TODO Then look at what was learned, in figures that make one point each. Change `SHARP = 1` to `SHARP = 10` and run the cell: the
weights of every query pile up on one key."""),
        CODE("""\
SHARP = 1
weights = (SHARP * q @ k.transpose(-2, -1) / 8 ** .5).softmax(-1)
print(f"the largest weight is {weights.amax(-1).mean():.2f} on average")"""),
        MARKDOWN("""TODO An explorer of what was recorded at several settings (what `study` returns; here a sweep that costs nothing), and a
question that it answers. At which sharpness does one key have nine tenths of the weight, of two keys and of five?"""),
        CODE("""\
rows = [{"setting": {"keys": keys, "sharpness": sharp}, "seed": seed,
         "result": {"largest": (sharp * q[seed, 0] @ k[seed, 0, :keys].T
                                ).softmax(-1).amax(-1).mean().item()}}
        for keys in (2, 5) for sharp in (1, 2, 4, 8) for seed in (0, 1)]
explorer(Study(rows, "zoo"), "largest", along="sharpness",
         title="The largest weight", ylabel="weight")"""),
        MARKDOWN("""## Claims

TODO Six to ten claims of the literature. Give `claim` an effect of `evo.verdicts`, and the verdict follows; what cannot be tested
here says so, as all do now."""),
        CODE(f"""\
display(*[claim(
    f"{name}-{{i}}", f"TODO Claim {{i}} in one sentence.",
    source="vaswani2017attention", reported="TODO",
    measured="TODO nothing yet") for i in range(1, 7)])"""),
        MARKDOWN("""## What it still cannot do

TODO The question that the next chapter takes up, and a number of this chapter that shows it.

## Exercises

### Exercise 1: TODO a title

TODO Ask for something that a reader can check. Write `mean_of(values)`, what attention gives if all scores are equal."""),
        CODE("""\
def mean_of(values):
    return sum(values) / len(values)""", **tags("hide-cell")),
        CODE("assert mean_of([0., 6., 6.]) == 4"),
        MARKDOWN("""### Exercise 2: TODO a title

TODO Write `best(scores)`, the place to which nearly all weight goes if the scores are made ten times as large."""),
        CODE("""\
def best(scores):
    return max(range(len(scores)), key=scores.__getitem__)""", **tags("hide-cell")),
        CODE("assert best([1., 3., -2.]) == 1"),
        MARKDOWN("""### Exercise 3: TODO a title

TODO Write `moved(scores, by)`, scores that are all larger by the same number, and say why the weights stay as they are."""),
        CODE("""\
def moved(scores, by):
    return [score + by for score in scores]""", **tags("hide-cell")),
        CODE("""\
before, after = [1., 3., -2.], moved([1., 3., -2.], 5)
torch.testing.assert_close(
    torch.tensor(before).softmax(0), torch.tensor(after).softmax(0))"""),
        MARKDOWN("""## References

```{bibliography}
:filter: docname in docnames
```"""),
    ]


def picture():
    return CODE(IMPORTS + """
heights = torch.tensor([1., 3., -2.]).softmax(0)
fig, ax = plt.subplots(figsize=(4.8, 2.4))
ax.bar(["a little", "well", "not at all"], heights, color=plots.CYCLE[0])
ax.set_ylabel("weight")
plt.show()""", metadata={"tags": ["hide-input"], "mystnb": {"image": {
        "alt": "TODO Three bars: the key that answers well has nearly all of the weight, the others have almost none."}}})


def tags(*names):
    return {"metadata": {"tags": list(names)}}


EDITS = """\
# Three changes that the text invites; tests/test_edits.py makes each of them. At least one must train. TODO
- invites: "Change `scores = [1., 3., -2.]` to `[3., 3., 3.]` and run the cell"
  change: "scores = [1., 3., -2.]"
  to: "scores = [3., 3., 3.]"
  shows: "answer {answer:.2f}"
- invites: "Change `d ** .5` to `d ** 2` and run the cells below"
  change: "d ** .5"
  to: "d ** 2"
  shows: "apart ="
- invites: "Change `SHARP = 1` to `SHARP = 10` and run the cell"
  change: "SHARP = 1"
  to: "SHARP = 10"
  shows: "the largest weight is"
"""

TEST = '''\
"""{title} against its peers, and what it is when its idea is switched off. TODO: the model in place of attention."""
import torch

from evo.blocks import attend


def test_it_gives_what_its_peer_gives():
    q, k, v = torch.randn(3, 2, 4, 5, 8)
    wanted = (q @ k.transpose(-2, -1) / 8**0.5).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v), wanted, atol=1e-5, rtol=0)


def test_without_its_idea_it_is_its_ancestor():
    k, v = torch.randn(2, 2, 4, 5, 8)
    torch.testing.assert_close(attend(torch.zeros_like(k), k, v)[:, :, 0], v.mean(2), atol=1e-5, rtol=0)
'''

NEXT = """\
{name} runs and keeps the contract of a chapter; every TODO in it is yours ({count} in the notebook). What a chapter consists of:
  1  book/{part}/{name}.ipynb: written; make chapter C={name} runs it in place
  2  tests/edits/{name}.yml: written, three changes that its text invites
  3  tests/parity/test_{file}.py: written, against a trusted peer
  4  _toc.yml: written
  5  book/evolution.yml: written; its year, its question and its arrows are yours
  6  evo/models/{file}.py: the model, in one short file, with a line in README's tree
  7  tests/test_models.py and tests/test_lineage.py: the model among MODELS, and what it is when its idea is switched off
  8  book/references.bib: its papers
  9  evo/zoo: evo zoo record {name} trains what its cells name
then make readme (the table of chapters in README.md) and make test
"""


def insert_toc(text, part, name):
    """_toc.yml with the chapter: last of its part, or in a new part in front of the results."""
    entry = f"      - file: book/{part}/{name}\n"
    last = list(re.finditer(rf"^ +- file: book/{re.escape(part)}/.*\n", text, re.M))
    if last:
        return text[: last[-1].end()] + entry + text[last[-1].end() :]
    at = text.index("  - caption: Results")
    return f"{text[:at]}  - caption: {part.capitalize()}\n    chapters:\n{entry}{text[at:]}"


def insert_node(text, part, name, title):
    """evolution.yml with the chapter: at the node of its name, where there is one that waits for it, or at a new one."""
    question = ',\n     question: "TODO One sentence."}'
    waiting = re.search(rf"^  - \{{id: {re.escape(name)}, (?!chapter)(.*)\}}$", text, re.M)
    if waiting:
        new = f"  - {{id: {name}, chapter: {part}/{name}, {waiting[1]}{question}"
        return text[: waiting.start()] + new + text[waiting.end() :]
    stream = STREAMS.get(part, "merged")
    node = f"  - {{id: {name}, chapter: {part}/{name}, title: {title}, year: 2021, stream: {stream}{question}\n"
    at = text.index("\narrows:")
    return text[:at] + node + text[at:]


def lay_out(part, name, root=ROOT):
    """Write all files of a new chapter; returns the notebook's path. Nothing is overwritten."""
    title = name.replace("-", " ").capitalize()
    file = name.replace("-", "_")
    tests = root / "tests"
    paths = [root / "book" / part / f"{name}.ipynb", tests / "edits" / f"{name}.yml", tests / "parity" / f"test_{file}.py"]
    if name in execute.notebooks():
        raise SystemExit(f"there is a chapter {name}: {execute.notebooks()[name].relative_to(root)}")
    if there := [path for path in paths if path.exists()]:
        raise SystemExit(f"{there[0].relative_to(root)} is there already")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
    paths[1].write_text(EDITS, encoding="utf-8")
    paths[2].write_text(TEST.format(title=title), encoding="utf-8")
    for listed, add in ((root / "_toc.yml", insert_toc(read(root / "_toc.yml"), part, name)),
                        (root / "book" / "evolution.yml", insert_node(read(root / "book" / "evolution.yml"), part, name, title))):
        listed.write_text(add, encoding="utf-8")
    execute.build(nbformat.v4.new_notebook(cells=cells(name, title)), paths[0])
    return paths[0]


def todos(path):
    """How many TODOs a chapter's author has left."""
    return sum(cell.source.count("TODO") for cell in nbformat.read(path, as_version=4).cells)


def read(path):
    return path.read_text(encoding="utf-8")


def main():
    found = re.fullmatch(r"([a-z][a-z0-9-]*)/([a-z][a-z0-9-]*)", " ".join(sys.argv[1:]))
    if not found:
        raise SystemExit("name the part and the chapter in small letters, as in: make new C=words/gpt")
    part, name = found.groups()
    path = lay_out(part, name)
    print(NEXT.format(part=part, name=name, file=name.replace("-", "_"), count=todos(path)), end="")


if __name__ == "__main__":
    main()
