"""Chapter cards and claims: what a cell shows, and what the book collects from it.

Both display themselves as HTML in a notebook and carry the same content as JSON in the cell's output. The ledger
(book/claims.yml) and the evolution table are collected from these outputs, so every verdict comes from an executed cell.
"""
import html
import json
from pathlib import Path

CARD, CLAIM = "application/vnd.evo.card+json", "application/vnd.evo.claim+json"
VERDICTS = {True: "holds here", False: "does not hold at this scale", None: "not testable here"}
CARD_FIELDS = (
    "chapter", "year", "paper", "tokens", "encoder", "objective", "mask", "changed", "data", "data_paper",
    "size", "size_paper", "cpu_seconds", "gpu_seconds", "simplified",
)
_LABELS = {
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
    fields = {k: fields[k] for k in CARD_FIELDS}
    shown = {**fields, "cpu_seconds": _duration(fields["cpu_seconds"]), "gpu_seconds": _duration(fields["gpu_seconds"])}
    rows = "".join(f"<tr><th scope='row'>{_LABELS[k]}</th><td>{html.escape(str(v))}</td></tr>" for k, v in shown.items())
    text = "\n".join(f"{_LABELS[k]}: {v}" for k, v in shown.items())
    return _Shown(CARD, fields, text, f"<table class='evo-card'><tbody>{rows}</tbody></table>")


def claim(id, text, *, source, reported, measured, holds):
    """One claim of the literature and its verdict here.

    id: short and unique in the book, such as "mae-mask-ratio". text: the claim in one sentence. source: key in
    references.bib. reported: what the paper reports. measured: what the cells above measured, with the spread over
    seeds. holds: True, False, or None where this book cannot test it; computed, never typed.
    """
    if holds not in (True, False, None):
        raise ValueError(f"holds={holds!r} must be True, False or None (not testable here)")
    verdict = VERDICTS[None if holds is None else bool(holds)]
    data = dict(id=id, text=text, source=source, reported=reported, measured=measured, verdict=verdict)
    kind = {True: "holds", False: "fails", None: "untestable"}[None if holds is None else bool(holds)]
    markup = (
        f"<div class='evo-claim' id='claim-{html.escape(id)}'><p class='evo-claim-text'>{html.escape(text)}</p>"
        f"<dl><dt>Reported</dt><dd>{html.escape(reported)}</dd><dt>Measured here</dt><dd>{html.escape(measured)}</dd></dl>"
        f"<p class='evo-verdict {kind}'>{verdict}</p></div>"
    )
    return _Shown(CLAIM, data, f"{text}\n  reported: {reported}\n  measured: {measured}\n  verdict:  {verdict}", markup)


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


def _duration(seconds):
    if seconds is None:
        return "not measured"
    if seconds < 120:
        return f"{round(seconds)} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
