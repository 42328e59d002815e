"""A book of two toy chapters and a page that is none, drawn by the real extensions and read cell by cell: what a reader sees is what was measured."""

import html
import json
import re
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import evo_forest  # noqa: E402
import evo_outputs  # noqa: E402
import evo_pages  # noqa: E402

from evo import claims, verdicts  # noqa: E402
from evo.explorer import explorer  # noqa: E402
from evo.train import Study  # noqa: E402
from evo.verdicts import Effect  # noqa: E402

CARD = dict(
    chapter="Toy vit", year=2021, paper="Doe 2021", tokens="patches", encoder="blocks", objective="labels", mask="none",
    changed="tokens are patches", data="70,000 pictures", data_paper="300 million pictures", size=123456, size_paper="86 million",
    cpu_seconds=9000, gpu_seconds=30, simplified="no dropout",
)  # fmt: skip
CLAIMS = {  # two chapters; one claim of every verdict, one with parts
    "one": [
        claims.claim("a-holds", "A holds.", source="doe", reported="40 points", baseline="chance", effect=Effect(2, 1, 3, "points", 3), paper=2.5),
        claims.claim("a-reversed", "A is reversed.", source="doe", reported="+5", effect=Effect(-4, -6, -2, "points", 3, 137), paper=90.0),
        claims.claim("a-parts", "All of A hold.", source="roe", reported="both", asks=verdicts.no_worse(0.5),
                     effect={"few labels": Effect(1, 0.5, 1.5, "points", 3), "many labels": Effect(0, -0.4, 0.4, "points", 3)}),
    ],
    "two": [
        claims.claim("b-undecided", "B is undecided.", source="roe", reported="twice as fast", effect=Effect(1.2, 0.8, 1.8, "times", 3, none=1.0)),
        claims.claim("b-no", "B needs more.", source="roe", reported="88 %", measured="Needs JFT-300M", history="Once said to hold."),
    ],
}  # fmt: skip
ROWS = [{"setting": {"depth": d, "kind": k}, "seed": s, "result": {"accuracy": d + s + 10 * (k == "b")}} for d in (1, 2) for k in "ab" for s in (0, 2)]
SPEED = {
    "device": "a laptop", "date": "2026-01-01", "rows": [
        {"what": "step", "unit": "ms", "ours": 20, "peer": 40, "peer_name": "timm", "ratio": 0.5, "target": "at most 1.0"},
        {"what": "words a second", "unit": "", "ours": 1000, "peer": 2000, "peer_name": "gensim", "ratio": 0.5, "target": "at least 2"},
        {"what": "on a GPU", "unit": "ms", "ours": 3, "peer": 4, "peer_name": "timm", "ratio": 0.75, "target": ""},
        {"what": "two GPUs", "unit": "ms", "ours": None, "peer": None, "peer_name": "", "ratio": None, "target": "at most 1.0"},
    ],
}  # fmt: skip
AUDITED = {
    "toy-0": {"made": ["2026-01-01", "2026-01-01"], "date": "2026-03-01", "device": "CPU (x86_64)", "difference": 0.25, "share": 1.0},
    "toy-1": {"made": ["2026-01-01", "2026-01-03"], "date": "2026-02-01", "device": "CPU (arm64)", "difference": 0.125, "share": 0.5},
    "toy-sweep": {"made": ["2026-01-02", "2026-01-02"], "date": None, "device": None, "difference": None, "share": 0.0},
}


def cells(title, *shown, source=""):
    data = [json.loads(json.dumps(one._repr_mimebundle_(), sort_keys=True)) for one in shown]
    outputs = [{"output_type": "display_data", "data": d, "metadata": {}} for d in data]
    return [{"cell_type": "markdown", "source": f"# {title}", "metadata": {}},
            {"cell_type": "code", "source": source, "metadata": {}, "outputs": outputs}]


@pytest.fixture
def book(tmp_path, monkeypatch):
    (tmp_path / "book" / "toy").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text("root: book/index\nchapters:\n- file: book/page\n- file: book/toy/one\n- file: book/toy/two\n", encoding="utf-8")
    one = cells("Toy *vit*", claims.card(**CARD), *CLAIMS["one"], explorer(ROWS_STUDY, "accuracy", along="depth", title="Depth"),
                source="fit(name=f'no'); fit(name=f\"toy-{seed}\"); study(name=\"toy-sweep\")")
    (tmp_path / "book" / "toy" / "one.ipynb").write_text(json.dumps({"cells": one}), encoding="utf-8")
    (tmp_path / "book" / "toy" / "two.ipynb").write_text(json.dumps({"cells": cells("Second", *CLAIMS["two"])}), encoding="utf-8")
    (tmp_path / "book" / "page.ipynb").write_text(json.dumps({"cells": cells("No chapter", *CLAIMS["one"])}), encoding="utf-8")
    (tmp_path / "book" / "references.bib").write_text("@book{doe, author={Doe, J. and Poe, A.}, year={2021}}\n@book{roe, author={Roe, R.}, year={2022}}", encoding="utf-8")
    (tmp_path / "book" / "benchmarks.json").write_text(json.dumps(SPEED), encoding="utf-8")
    nodes = [dict(id=i, title=i, year=y, stream="vision", chapter=f"toy/{i}", question=f"why {i}?") for i, y in (("one", 2021), ("two", 2022))]
    (tmp_path / "book" / "evolution.yml").write_text(yaml.safe_dump({"nodes": nodes}), encoding="utf-8")
    monkeypatch.setattr(evo_outputs.zoo, "names", lambda: ["other", *AUDITED])
    monkeypatch.setattr(evo_outputs.zoo, "audited", lambda *names: {name: AUDITED[name] for name in names})
    return tmp_path


ROWS_STUDY = Study(ROWS, "zoo")


def made(directive, source):
    """The HTML of a directive, without a build."""
    environment = type("Environment", (), {"note_dependency": lambda self, path: None})()
    return type("Toy", (directive,), {"__init__": lambda self: None, "source": source, "env": environment})().html()


def pairs(markup):
    """{dt: dd} of a definition list."""
    return [tuple(re.sub("<[^>]+>", "", part) for part in pair) for pair in re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", markup)]


def page(book, name):
    notebook = json.loads((book / "book" / "toy" / f"{name}.ipynb").read_text(encoding="utf-8"))
    names = evo_outputs.references(book / "book" / "references.bib")
    assert evo_outputs.rewrite(notebook, f"book/toy/{name}", names) == []
    return [output["data"]["text/html"] for cell in notebook["cells"] for output in cell.get("outputs", [])]


def test_the_card_says_each_field_under_its_own_name(book):
    card = page(book, "one")[0]
    assert ">Toy vit</p>" in card
    assert pairs(card) == [
        ("Year", "2021"), ("Paper", "Doe 2021"), ("Tokens", "patches"), ("Encoder", "blocks"), ("Objective", "labels"), ("Mask", "none"),
        ("What changed from its ancestor", "tokens are patches"), ("Data here", "70,000 pictures"),
        ("Data in the paper", "300 million pictures"), ("Size here", "123,456"), ("Size in the paper", "86 million"),
        ("To train everything here, on a CPU", "2.5 hours"), ("On a GPU", "30 seconds"), ("Simplified", "no dropout"),
    ]  # fmt: skip


STAMP = (
    "Recorded 2026-01-01 to 2026-01-03; 2 of 3 entries made from nothing a second time, last on 2026-03-01 on CPU (x86_64); "
    "largest difference 0.25 of what is tolerated; 1 of them only in part."
)


def test_under_the_card_stands_when_its_entries_were_recorded_and_made_a_second_time(book):
    assert f'<p class="evo-stamp">{STAMP}</p>' in page(book, "one")[0]
    notebook = json.loads((book / "book" / "toy" / "one.ipynb").read_text(encoding="utf-8"))
    assert evo_outputs.entries(notebook["cells"], ["other", *AUDITED, "no"]) == list(AUDITED)
    assert evo_outputs.stamp({}) == ""
    never = evo_outputs.stamp({"x": AUDITED["toy-sweep"]})
    assert never == '<p class="evo-stamp">Recorded 2026-01-02; 0 of 1 entries made from nothing a second time.</p>'


FACTS = {
    "a-holds": [("Source", "Doe and Poe 2021"), ("Reported", "40 points"), ("Measured here", "+2.0 ± 1.0 points"),
                ("Asked in advance", "more than no effect, against chance; 3 runs")],
    "a-reversed": [("Source", "Doe and Poe 2021"), ("Reported", "+5"), ("Measured here", "-4.0 ± 2.0 points"),
                   ("Asked in advance", "more than no effect; 3 runs, 137 test items")],
    "a-parts": [("Source", "Roe 2022"), ("Reported", "both"),
                ("Measured here", "few labels +1.0 ± 0.5 points; many labels +0.0 ± 0.4 points"),
                ("Asked in advance", "no worse than by 0.5; 3 runs")],
    "b-undecided": [("Source", "Roe 2022"), ("Reported", "twice as fast"), ("Measured here", "1.2 times [0.8, 1.8]"),
                    ("Asked in advance", "more than no effect; 3 runs"), ("Could have been seen", "a ratio of 1.5 or more")],
    "b-no": [("Source", "Roe 2022"), ("Reported", "88 %"), ("Measured here", "Needs JFT-300M"), ("History", "Once said to hold.")],
}  # fmt: skip
VERDICT = {
    "a-holds": ("holds", "holds here"), "a-reversed": ("reversed", "reversed here"), "a-parts": ("holds", "holds here"),
    "b-undecided": ("undecided", "undecided here"), "b-no": ("untestable", "not testable here"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_in_its_chapter(book, name):
    shown = [markup for markup in page(book, name) if "evo-claim" in markup]
    for claim, markup in zip(CLAIMS[name], shown, strict=True):
        identity, (kind, words) = claim.data["id"], VERDICT[claim.data["id"]]
        assert markup.startswith(f'<div class="evo-claim {kind}" id="claim-{identity}">')
        assert re.findall('<span class="evo-verdict (.*?)">(.*?)</span>', markup) == [(kind, words)]
        assert f'<p class="evo-claim-text">{claim.data["text"]}</p>' in markup and f'href="#claim-{identity}">{identity}<' in markup
        assert pairs(markup) == FACTS[identity]
        assert ("evo-forest" in markup) == bool(claim.data["effects"])


def test_the_ledger_has_every_claim_under_its_chapter_and_leads_to_its_cell(book):
    ledger = made(evo_pages.Ledger, book)
    sections = re.findall(r'<section id="(.*?)">(.*?)</section>', ledger)
    assert [name for name, _ in sections] == ["ledger-one", "ledger-two"]
    for (_, markup), chapter, title in zip(sections, CLAIMS, ("Toy *vit*", "Second")):
        assert f'<h2><a href="doc:book/toy/{chapter}">{title}</a></h2>' in markup
        rows = markup.split('<li class="evo-row ')[1:]
        for claim, row in zip(CLAIMS[chapter], rows, strict=True):
            identity, (kind, words) = claim.data["id"], VERDICT[claim.data["id"]]
            assert row.startswith(f'{kind}">') and f'<span class="evo-verdict {kind}">{words}</span>' in row
            assert f'<a href="doc:book/toy/{chapter}#claim-{identity}">{claim.data["text"]}</a>' in row
            assert pairs(row) == FACTS[identity]
    assert STAMP in sections[0][1] and "evo-stamp" not in sections[1][1]


def test_the_ledger_counts_and_filters_by_verdict_and_by_chapter(book):
    ledger = made(evo_pages.Ledger, book)
    choices = re.findall(r'<label class="(.*?)"><input type="radio" name="evo-filter" value="(.*?)"( checked)?>(.*?) <b>(\d+)</b>', ledger)
    assert choices == [
        ("all", "all", " checked", "all", "5"), ("holds", "holds", "", "holds here", "2"), ("reversed", "reversed", "", "reversed here", "1"),
        ("undecided", "undecided", "", "undecided here", "1"), ("untestable", "untestable", "", "not testable here", "1"),
    ]  # fmt: skip
    assert re.findall(r'<option value="(.*?)">(.*?)</option>', ledger) == [("", "all"), ("one", "Toy *vit*"), ("two", "Second")]
    for name in ("one", "two"):
        assert f'.evo-ledger:has(option[value="{name}"]:checked) section:not(#ledger-{name})' in ledger
    style = (ROOT / "book" / "_static" / "evo.css").read_text(encoding="utf-8")
    for kind in evo_outputs.VERDICTS:
        assert f'.evo-ledger:has([value="{kind}"]:checked) :is(.evo-row:not(.{kind}), section:not(:has(.evo-row.{kind})))' in style


def test_the_tally_and_the_squares(book):
    tally = re.findall(r"<li(?: class=\"(.*?)\")?><b>(\d+)</b> (.*?)</li>", made(evo_pages.Tally, book))
    assert tally == [
        ("", "5", "claims of the literature"), ("holds", "2", "holds here"), ("reversed", "1", "reversed here"),
        ("undecided", "1", "undecided here"), ("untestable", "1", "not testable here"),
    ]  # fmt: skip
    front = made(evo_pages.Chapters, book).split("</li>")
    assert 'aria-label="Claims: 2 holds here, 1 reversed here"' in front[0] and 'href="doc:book/toy/one"' in front[0]
    assert re.findall('<i class="(.*?)">', front[0]) == ["holds", "holds", "reversed"]
    assert 'aria-label="Claims: 1 undecided here, 1 not testable here"' in front[1] and "why two?" in front[1]


def test_the_evolution_table(book):
    table = made(evo_pages.Table, book)
    head = re.findall('<th scope="col">(.*?)</th>', table)
    assert head == ["Model", "Year", "Tokens", "Encoder", "Objective", "Hidden or masked", "What changed"]
    assert re.findall("<td.*?>(.*?)</td>", table) == ["2021", "patches", "blocks", "labels", "none", "tokens are patches"]
    assert '<a href="doc:book/toy/one">Toy vit</a>' in table


def test_the_speed_page(book):
    table = made(evo_pages.Speed, book)
    assert re.findall('<th scope="col">(.*?)</th>', table) == ["What", "Ratio", "Wanted", "", "evo", "Peer"]
    rows = [[re.sub("<[^>]+>", " ", cell).strip() for cell in re.findall("<t[dh].*?>(.*?)</t[dh]>", row)] for row in re.findall("<tr>(.*?)</tr>", table)[1:]]
    assert rows == [
        ["step", "0.500", "at most 1.0", "reached", "20 ms", "40 ms  timm"],
        ["words a second", "0.500", "at least 2", "missed", "1,000", "2,000   gensim"],
        ["on a GPU", "0.750", "", "", "3 ms", "4 ms  timm"],
        ["two GPUs", "–", "at most 1.0", "not measured", "– ms", "– ms"],
    ]
    assert table.count("evo-verdict reversed") == 1, "only what was measured can be missed"


def places(claim):
    """{what: x positions} of a forest plot."""
    svg = evo_forest.forest(claim.data)
    ends = [tuple(map(float, pair)) for pair in re.findall(r'<g class="part.*?"><path d="M([\d.]+) .*?M([\d.]+) ', svg)]
    found = {"parts": ends, "none": float(re.search(r'class="none" d="M([\d.]+)', svg)[1]),
             "asked": [float(x) for x in re.findall(r'class="asked" d="M([\d.]+)', svg)],
             "says": [float(x) for x in re.search(r'class="says" x="([\d.]+)" y="\d+" width="([\d.]+)"', svg).groups()],
             "paper": [float(x) for x in re.findall(r'class="paper" d="M([\d.]+)', svg)]}
    return svg, found


def test_the_forest_plot_shows_interval_question_and_paper():
    holds, reversed_, parts = CLAIMS["one"]
    svg, at = places(holds)
    (low, high), = at["parts"]
    assert at["none"] < low < at["paper"][0] < high and at["says"][0] == at["none"] and sum(at["says"]) > high and not at["asked"]
    assert (low - at["none"]) * 2 == pytest.approx(high - low, abs=0.5), "to scale: 0, 1, 3"
    assert re.search(r'aria-label="(.*?)"', svg)[1] == (
        "holds here. 2 points, 95 % interval 1 to 3; asked in advance: more than no effect; the paper&#x27;s value 2.5.")
    svg, at = places(reversed_)
    assert at["parts"][0][1] < at["none"] and at["paper"][0] == 310 and "paper 90 →" in svg, "what lies far out stands at the edge"
    svg, at = places(parts)
    assert len(at["parts"]) == 2 and at["asked"][0] < at["parts"][1][0] < at["none"] < at["parts"][0][0]
    assert [kind for kind in re.findall(r'<g class="(part.*?)"', svg)] == ["part", "part decides"]
    assert re.findall(r'class="part" x="10" y=".*?">(.*?)<', svg) == ["few labels", "many labels"]
    svg, at = places(CLAIMS["two"][0])
    assert at["parts"][0][0] < at["none"] < at["parts"][0][1] and ">1</text>" in svg
    assert evo_forest.forest(CLAIMS["two"][1].data) == ""


def test_the_papers_value_stands_in_the_line_of_its_part():
    effects = {"probe": Effect(2, 1, 3, "points", 3), "tuned": Effect(0, -1, 1, "points", 3), "far": Effect(1, 0.5, 1.5, "points", 3)}
    heights = lambda svg: [float(y) for y in re.findall(r'class="paper" d="M[\d.]+ ([\d.]+)l', svg)]
    lines = lambda svg: [float(y) for y in re.findall(r'<path d="M[\d.]+ ([\d.]+)v8M', svg)]  # two above its middle
    own = claims.claim("x", "T.", source="s", reported="r", effect=effects, paper={"far": 40, "probe": -1.5})
    svg, at = places(own)
    assert heights(svg) == [lines(svg)[0] - 2, lines(svg)[2] - 2] and at["paper"][0] < at["none"] and at["paper"][1] == 310
    assert "paper -1.5<" in svg and "paper 40 →" in svg
    label = re.search(r'aria-label="(.*?)"', svg)[1]
    assert label.count("paper") == 2 and "probe: 2 points, 95 % interval 1 to 3, the paper&#x27;s value -1.5;" in label
    svg, at = places(claims.claim("x", "T.", source="s", reported="r", effect=effects, paper=2.5))
    assert heights(svg) == [y - 2 for y in lines(svg)] and len(set(at["paper"])) == 1 and svg.count("paper 2.5") == 1


@pytest.mark.parametrize("asks", [verdicts.more_than(), verdicts.more_than(2), verdicts.no_worse(0.5), verdicts.within(1)])
@pytest.mark.parametrize("low, high", [(0, 0), (1e-5, 2e-5), (-3e6, 2e6), (5, 5), (-0.3, 0.2)])
@pytest.mark.parametrize("paper", [None, 0.0, 1e9, -7.0])
def test_every_forest_plot_stays_inside_its_frame(asks, low, high, paper):
    claim = claims.claim("x", "T.", source="s", reported="r", effect=Effect((low + high) / 2, low, high, "", 3), asks=asks, paper=paper)
    svg = evo_forest.forest(claim.data)
    numbers = [float(x) for x in re.findall(r'(?: x="|d="M|H)([-\d.]+|nan)', svg)]
    assert numbers and all(0 <= x <= evo_forest.WIDTH for x in numbers)


def test_the_explorer_carries_its_study_and_shows_the_first_selection(book):
    markup = page(book, "one")[-1]
    kept = json.loads(html.unescape(re.search('data-explorer="(.*?)"', markup)[1]))
    assert kept["points"] == ["0 0 0 1.0", "0 0 2 3.0", "1 0 0 11.0", "1 0 2 13.0", "0 1 0 2.0", "0 1 2 4.0", "1 1 0 12.0", "1 1 2 14.0"]
    assert kept["controls"] == [{"kind": "buttons", "name": "kind", "values": ["a", "b"]}]
    assert ">Depth</figcaption>" in markup and "accuracy; kind a; means along depth: 1: 2; 2: 3" in markup and markup.count("<circle") == 4


def test_four_hundred_claims_stay_fast_and_light(book):
    many = [claims.claim(f"c{i}", f"Claim {i}.", source="doe", reported="so", effect=Effect(i % 5, i % 7 - 6, 9, "points", 3))
            for i in range(400)]
    for name, some in (("one", many[:200]), ("two", many[200:])):
        (book / "book" / "toy" / f"{name}.ipynb").write_text(json.dumps({"cells": cells(name, *some)}), encoding="utf-8")
    start = time.perf_counter()
    ledger = made(evo_pages.Ledger, book)
    assert time.perf_counter() - start < 5 and ledger.count("evo-row ") == 400 and len(ledger) < 1_000_000


def test_what_does_not_fit_together_is_reported(book, caplog):
    two = cells("Second", CLAIMS["one"][0])
    two[1]["outputs"][0]["data"][claims.CLAIM]["verdict"] = "does not hold at this scale"
    (book / "book" / "toy" / "two.ipynb").write_text(json.dumps({"cells": two}), encoding="utf-8")
    warned = []
    original, evo_pages.logger.warning = evo_pages.logger.warning, lambda text, *a, **k: warned.append(text % a)
    try:
        found = evo_pages.all_claims(evo_pages.chapters(book))
    finally:
        evo_pages.logger.warning = original
    assert [c["id"] for c in found] == ["a-holds", "a-reversed", "a-parts"]
    assert len(warned) == 2 and "a-holds is used more than once" in warned[0] and "does not hold at this scale" in warned[1]
    assert evo_outputs.rewrite({"cells": two}, "book/toy/two", {"doe": "Doe"}) == ["claim a-holds: 'does not hold at this scale' is no verdict of evo.verdicts"]
