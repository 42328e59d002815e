"""Chapter cards and claims: what a cell shows, and what the book collects from it.

Both display themselves as HTML in a notebook and carry the same content as JSON in the cell's output. The ledger
and the evolution table are collected from these outputs, so every verdict comes from an executed cell.
"""
import dataclasses
import html
import json
import math
from numbers import Integral
from pathlib import Path

from evo import cuts, verdicts
from evo.inputs import check_finite, check_number, check_text, kind
from evo.verdicts import VERDICTS

CARD, CLAIM = "application/vnd.evo.card+json", "application/vnd.evo.claim+json"
KINDS = dict(zip((*VERDICTS, verdicts.CUT), ("holds", "reversed", "undecided", "untestable", "untestable")))  # classes of the style sheet
CARD_FIELDS = (
    "chapter", "year", "paper", "tokens", "encoder", "objective", "mask", "changed", "data", "data_paper",
    "size", "size_paper", "cpu_seconds", "gpu_seconds", "simplified",
)
LABELS = {
    "chapter": "Model", "year": "Year", "paper": "Paper", "tokens": "Tokens", "encoder": "Encoder", "objective": "Objective",
    "mask": "Mask", "changed": "What changed from its ancestor", "data": "Data here", "data_paper": "Data in the paper",
    "size": "Size here", "size_paper": "Size in the paper", "cpu_seconds": "To train everything here, on a CPU",
    "gpu_seconds": "On a GPU", "simplified": "Simplified",
}


class _Shown:
    """Displays itself as HTML, as text and as JSON."""

    def __init__(self, mime, data, text, markup):
        self.mime, self.data, self.text, self.markup = mime, data, text, markup

    def __repr__(self):
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.text, "text/html": self.markup, self.mime: self.data}


def card(**fields):
    """The card of a chapter: one model in one table. Fields: see CARD_FIELDS; all are required, gpu_seconds may be None."""
    missing, unknown = set(CARD_FIELDS) - set(fields), set(fields) - set(CARD_FIELDS)
    if missing or unknown:
        raise ValueError(f"card: missing {sorted(missing)}, unknown {sorted(unknown)}")
    for name, value in fields.items():
        if name.endswith("_seconds"):
            if value is not None or name != "gpu_seconds":
                check_number(value, f"card: {name}", "[0, inf)")
        elif not isinstance(value, Integral) or isinstance(value, bool):
            check_text(value, f"card: {name}")
    return shown_card({k: fields[k] for k in CARD_FIELDS})


def shown_card(data):
    """What a cell displays of a card, from its JSON alone."""
    said = {LABELS[k]: duration(data[k]) if k.endswith("_seconds") else str(data[k]) for k in CARD_FIELDS}
    rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in said.items())
    text = "\n".join(f"{k}: {v}" for k, v in said.items())
    return _Shown(CARD, data, text, f"<table class='evo-card'><tbody>{rows}</tbody></table>")


def claim(id, text, *, source, reported, measured="", effect=None, asks=None, paper=None, baseline="", history=""):
    """One claim of the literature and its verdict here, by the one rule of `evo.verdicts`.

    id: short and unique in the book, such as "mae-mask-ratio". text: the claim in one sentence. source: key in
    references.bib. reported: what the paper reports; paper: the same as a number in the effect's unit, where it can be
    compared: one for the whole claim, or {part: number} for those parts that have their own. effect: an `Effect`, or
    {part: Effect} where the claim has several parts that must all hold; None where this book cannot test it. asks: what
    was asked in advance (`more_than`, `no_worse`, `within`); by default, more than no effect. baseline: what the effect
    is measured against. measured: what else was measured, in words. history: how and why the verdict changed, if it did.
    """
    check_text(id, "id")
    for name, words in dict(text=text, source=source, reported=reported).items():
        check_text(words, f"{id}: {name}")
    for name, words in dict(measured=measured, baseline=baseline, history=history).items():
        check_text(words, f"{id}: {name}", empty=True)
    asks = verdicts.more_than() if asks is None else asks
    if not isinstance(asks, verdicts.Question):
        raise ValueError(f"{id}: asks must be a question of evo.verdicts (more_than, no_worse, within), got {kind(asks)}")
    if effect is None:
        if not measured:
            raise ValueError(f"{id}: a claim without an effect says in `measured` why it is not testable here")
        parts, verdict, decides = {}, verdicts.UNTESTABLE, None
    else:
        parts = effect if isinstance(effect, dict) else {"": effect}
        if not parts or not all(isinstance(e, verdicts.Effect) for e in parts.values()):
            raise ValueError(f"{id}: effect must be an Effect of evo.verdicts (difference, ratio, bootstrap, exactly), or a dict of them")
        for name in parts:
            check_text(name, f"{id}: a part's name", empty=True)
        parts = {name: e.rounded() for name, e in parts.items()}  # the verdict is that of the numbers shown
        verdict, decides = verdicts.judge_all(list(parts.values()), asks)
    if parts and cuts.sentence():
        verdict, decides, history = verdicts.CUT, None, cuts.sentence()
    measured = ": ".join(filter(None, [measured.rstrip(". "), _said(parts.items())]))
    return shown(dict(
        id=id, text=text, source=source, reported=reported, measured=measured, verdict=verdict, baseline=baseline,
        effects=[{"part": name, **dataclasses.asdict(e), **_bounds(e, asks)} for name, e in parts.items()], decides=decides,
        asks=asks.text, paper=_number(id, paper, parts), history=history,
    ))


def shown(data):
    """What a cell displays of a claim, from its JSON alone. All of it stands in the text, which `make test` holds against a new run."""
    said = facts(data)
    rows = "".join(f"<dt>{k}</dt><dd>{html.escape(v)}</dd>" for k, v in said.items())
    markup = (
        f"<div class='evo-claim' id='claim-{html.escape(data['id'])}'><p class='evo-claim-text'>{html.escape(data['text'])}</p>"
        f"<dl>{rows}</dl><p class='evo-verdict {KINDS[data['verdict']]}'>{data['verdict']}</p></div>"
    )
    paper = dict(sorted(data["paper"].items())) if isinstance(data["paper"], dict) else data["paper"]  # files sort their keys
    told = {"id": data["id"], "source": data["source"]} | ({} if paper is None else {"paper": repr(paper)})
    lines = [f"  {k.lower()}: {v}" for k, v in {**told, **said, "Verdict": data["verdict"]}.items()]
    return _Shown(CLAIM, data, "\n".join([data["text"], *lines]), markup)


def facts(data):
    """{name: words} of a claim: what stands between its sentence and its verdict."""
    said = {"Reported": data["reported"], "Measured here": data["measured"]}
    if data["effects"]:
        against = f", against {data['baseline']}" if data["baseline"] else ""
        said["Asked in advance"] = f"{data['asks']}{against}; {_rests_on(data['effects'])}"
    if data["verdict"] == verdicts.UNDECIDED:
        said["Could have been seen"] = seen(data["effects"][data["decides"]])
    if data["history"]:
        said["History"] = data["history"]
    return said


def _number(id, paper, parts):
    if paper is None:
        return None
    if not isinstance(paper, dict):
        check_finite(paper, f"{id}: paper")
        return float(paper)
    if not paper or not paper.keys() <= parts.keys():
        named = sorted(map(str, paper))
        raise ValueError(f"{id}: paper is a number, or {{part: number}} of parts of the effect: {sorted(parts)}, not {named}")
    for part, value in paper.items():
        check_finite(value, f"{id}: paper of {part!r}")
    return {part: float(value) for part, value in paper.items()}


def _said(parts):
    return "; ".join(f"{name} {e}".strip() for name, e in parts)


def _effects(data):
    names = [f.name for f in dataclasses.fields(verdicts.Effect)]
    return [verdicts.Effect(**{k: e[k] for k in names}) for e in data["effects"]]


def disagreements(data):
    """What in a claim's JSON does not follow from its numbers, one sentence each: nothing, unless somebody edited it."""
    if data["verdict"] == verdicts.CUT:
        return [f"{data['id']}: runs were stopped by the time budget"]
    wrong = []
    if judged(data) != (data["verdict"], data["decides"]):
        wrong.append(f"{data['id']}: its numbers say {judged(data)[0]!r}, it says {data['verdict']!r}")
    said = _said((e["part"], found) for e, found in zip(data["effects"], _effects(data)))
    if not data["measured"].endswith(said):
        wrong.append(f"{data['id']}: its numbers read {said!r}, it says {data['measured']!r}")
    for e in data["effects"]:
        none, above, below = e["none"], e["above"], e["below"]
        if below is not None:
            even = above is not None and math.isclose(none - above, below - none)
            kinds = [f"a difference of at most {below - none:g} either way"] * even
        else:
            kinds = [f"more than {above:g}", f"no worse than by {none - above:g}", *["more than no effect"] * (above == none)]
        if data["asks"] not in kinds:
            wrong.append(f"{data['id']}: its bounds are {above} and {below}, it says {data['asks']!r}")
    return wrong


def judged(data):
    """(verdict, number of the part that decides) of a claim's JSON, judged anew from its numbers."""
    if not data["effects"]:
        return verdicts.UNTESTABLE, None
    effects = _effects(data)
    bounds = [(-math.inf if e["above"] is None else e["above"], math.inf if e["below"] is None else e["below"]) for e in data["effects"]]
    relative = len(set(bounds)) > 1  # counted from what means no effect, which differs between the parts
    low, high = (bound - relative * effects[0].none for bound in bounds[0])
    return verdicts.judge_all(effects, verdicts.Question("", low, high, relative))


def seen(effect):
    """Which effect an undecided experiment could have shown; effect: an entry of a claim's "effects"."""
    if effect["none"] == 1:
        return f"a ratio of {max(effect['high'] / effect['value'], effect['value'] / effect['low']):.3g} or more"
    half = max(effect["high"] - effect["value"], effect["value"] - effect["low"])
    return f"an effect of {half:.2g}{' ' + effect['unit'] if effect['unit'] else ''} or more"


def _bounds(effect, asks):
    return {k: v if math.isfinite(v) else None for k, v in zip(("above", "below"), asks.bounds(effect))}


def _rests_on(effects):
    """What the intervals cover, in words."""
    runs, items = {e["runs"] for e in effects}, {e["items"] for e in effects if e["items"]}
    words = [f"{n} run{'s' * (n > 1)}" for n in sorted(runs)] + [f"{n:,} test items" for n in sorted(items)]
    return ", ".join(words)


def collect(notebooks, mime=CLAIM):
    """All claims (or cards) in the outputs of executed notebooks, in order, each with its chapter's name added.

    Raises ValueError when two claims share an id.
    """
    found = []
    for path in map(Path, notebooks):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                data = output.get("data", {}).get(mime)
                if data:
                    found.append({"chapter": path.stem, **data} if mime == CLAIM else {**data, "notebook": path.stem})
    ids = [c["id"] for c in found if mime == CLAIM]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ValueError(f"claim ids used more than once: {', '.join(twice)}")
    return found


def duration(seconds):
    """Seconds in words; None was not measured."""
    if seconds is None:
        return "not measured"
    check_number(seconds, "seconds", "[0, inf)")
    if seconds < 120:
        return f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
