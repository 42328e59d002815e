"""A claim as an interval: the effect, what was asked of it, and the paper's value, one line a part (a forest plot)."""

import html

WIDTH, LEFT, RIGHT, ROW, TOP = 320, 10, 10, 22, 6  # pixels; a part with a name has a line for it


def forest(claim):
    """The SVG of a claim's JSON, or "" where there is no effect.

    One scale for all parts of a claim, wide enough for the effects, for what means no effect and for what was asked; a
    value of the paper that lies farther out stands at the edge, with an arrow. The paper's value stands in the line of
    its part, and in all lines where it is the claim's own.
    """
    effects = claim.get("effects") or []
    if not effects:
        return ""
    low, high = span(claim)
    to = lambda v: LEFT + (min(max(v, low), high) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
    names = any(e["part"] for e in effects)
    step = ROW + 13 * names
    floor = TOP + step * len(effects)
    first, parts = effects[0], []
    same = {(e["above"], e["below"], e["none"]) for e in effects}
    groups = [(TOP, floor, first)] if len(same) == 1 else [(TOP + i * step, TOP + (i + 1) * step, e) for i, e in enumerate(effects)]
    for y0, y1, e in groups:  # where the claim says, its bounds, and what means no effect
        a, b = (to(low if e["above"] is None else e["above"]), to(high if e["below"] is None else e["below"]))
        parts.append(f'<rect class="says" x="{a:.1f}" y="{y0}" width="{max(b - a, 0):.1f}" height="{y1 - y0}"/>')
        parts.append(f'<path class="none" d="M{to(e["none"]):.1f} {y0}V{y1}"/>')
        asked = [v for v in (e["above"], e["below"]) if v is not None and v != e["none"]]
        parts += [f'<path class="asked" d="M{to(v):.1f} {y0}V{y1}"/>' for v in asked]
    for i, e in enumerate(effects):
        y = TOP + (i + 1) * step - ROW / 2
        if names:
            parts.append(f'<text class="part" x="{LEFT}" y="{y - 12:.1f}">{html.escape(short(e["part"]))}</text>')
        a, b = to(e["low"]), to(e["high"])
        kind = "part decides" if i == claim["decides"] and len(effects) > 1 else "part" if len(effects) > 1 else "part decides"
        parts.append(
            f'<g class="{kind}"><path d="M{a:.1f} {y - 4:.1f}v8M{b:.1f} {y - 4:.1f}v8M{a:.1f} {y:.1f}H{b:.1f}"/>'
            f'<rect x="{to(e["value"]) - 4:.1f}" y="{y - 4:.1f}" width="8" height="8"/></g>'
        )
    papers = values(claim)
    marks = [(v, number(v)) for v in dict.fromkeys([first["none"], first["above"], first["below"]]) if v is not None]
    for i, value in papers.items():
        y = TOP + (i + 1) * step - ROW / 2
        parts.append(f'<path class="paper" d="M{to(value):.1f} {y - 6:.1f}l6 6l-6 6l-6 -6Z"/>')
    for place, value in enumerate(dict.fromkeys(papers.values())):
        marks.insert(place, (value, f"{'← ' * (value < low)}paper {number(value)}{' →' * (value > high)}"))
    taken = []
    for v, text in marks:
        half = len(text) * 3.4 + 3
        x = min(max(to(v), half), WIDTH - half)
        if all(x + half <= a or x - half >= b for a, b in taken):
            taken.append((x - half, x + half))
            parts.append(f'<text x="{x:.1f}" y="{floor + 13}">{html.escape(text)}</text>')
    height = floor + 18
    return (
        f'<svg class="evo-forest" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(in_words(claim))}">'
        f"{''.join(parts)}</svg>"
    )


def values(claim):
    """{number of the part: the paper's value} of a claim, where it has one."""
    paper = claim.get("paper")
    if isinstance(paper, dict):
        return {i: paper[e["part"]] for i, e in enumerate(claim["effects"]) if e["part"] in paper}
    return {} if paper is None else dict.fromkeys(range(len(claim["effects"])), paper)


def span(claim):
    """(left end, right end) of a claim's scale; a value of the paper that lies far beyond them does not widen it."""
    effects = claim["effects"]
    needed = [e[k] for e in effects for k in ("low", "high", "none", "above", "below") if e[k] is not None]
    low, high = min(needed), max(needed)
    room = high - low or abs(high) or 1.0
    near = [v for v in values(claim).values() if low - 1.5 * room <= v <= high + 1.5 * room]
    low, high = min(low, *near, high), max(low, *near, high)
    room = high - low or abs(high) or 1.0
    return low - 0.08 * room, high + 0.08 * room


def in_words(claim):
    """The plot for those who do not see it."""
    said, paper = [], claim.get("paper")
    for i, e in enumerate(claim["effects"]):
        unit = f" {e['unit']}" if e["unit"] else ""
        name = f"{e['part']}: " if e["part"] else ""
        decides = ", which decides" if i == claim["decides"] and len(claim["effects"]) > 1 else ""
        own = f", the paper's value {number(paper[e['part']])}" if isinstance(paper, dict) and e["part"] in paper else ""
        said.append(f"{name}{number(e['value'])}{unit}, 95 % interval {number(e['low'])} to {number(e['high'])}{decides}{own}")
    said.append(f"asked in advance: {claim['asks']}")
    if paper is not None and not isinstance(paper, dict):
        said.append(f"the paper's value {number(paper)}")
    return f"{claim['verdict']}. {'; '.join(said)}."


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def short(text, limit=52):
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
