"""Cards and claims: what a cell shows, and what the ledger is collected from."""

import json

import nbformat
import numpy as np
import pytest

from evo import claims

FIELDS = {k: f"about {k}" for k in claims.CARD_FIELDS} | {"cpu_seconds": 150, "gpu_seconds": None}
CLAIM = dict(source="he2022masked", reported="75 %", measured="70 % ± 1", holds=True)


def notebook(path, *shown):
    cells = []
    for one in shown:
        data = {k: v for k, v in one._repr_mimebundle_().items()}
        output = nbformat.v4.new_output("execute_result", data=json.loads(json.dumps(data)))
        cells.append(nbformat.v4.new_code_cell("claim(...)", outputs=[output]))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.parametrize(
    "holds, verdict",
    [(True, "holds here"), (np.True_, "holds here"), (False, "does not hold at this scale"), (np.False_, "does not hold at this scale"),
     (None, "not testable here")],
)  # fmt: skip
def test_a_verdict_is_plain_and_json(holds, verdict):
    shown = claims.claim("x", "The text.", **{**CLAIM, "holds": holds})
    data = shown._repr_mimebundle_()[claims.CLAIM]
    assert json.loads(json.dumps(data))["verdict"] == verdict
    assert verdict in repr(shown) and verdict in shown._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize("holds", ["yes", 0.7, 2])
def test_a_verdict_cannot_be_anything_else(holds):
    with pytest.raises(ValueError, match="holds="):
        claims.claim("x", "The text.", **{**CLAIM, "holds": holds})


def test_markup_in_a_claim_is_text():
    page = claims.claim("x", "a < b & <b>c</b>", **CLAIM)._repr_mimebundle_()["text/html"]
    assert "a &lt; b &amp; &lt;b&gt;" in page and "<b>" not in page


def test_a_card_needs_every_field_and_no_other():
    with pytest.raises(ValueError, match="missing .*'year'.*unknown .*'colour'"):
        claims.card(**{k: v for k, v in FIELDS.items() if k != "year"}, colour="red")
    text = repr(claims.card(**FIELDS))
    assert "2 minutes" in text or "150 seconds" in text
    assert "not measured" in text


def test_claims_and_cards_are_collected_in_order_with_their_chapter(tmp_path):
    one = notebook(tmp_path / "one.ipynb", claims.card(**FIELDS), claims.claim("a", "A.", **CLAIM), claims.claim("b", "B.", **CLAIM))
    two = notebook(tmp_path / "two.ipynb", claims.claim("c", "C.", **{**CLAIM, "holds": None}))
    assert [(c["chapter"], c["id"]) for c in claims.collect([one, two])] == [("one", "a"), ("one", "b"), ("two", "c")]
    assert [c["notebook"] for c in claims.collect([one, two], claims.CARD)] == ["one"]


def test_two_claims_with_one_id_are_an_error(tmp_path):
    one, two = (notebook(tmp_path / f"{n}.ipynb", claims.claim("a", "A.", **CLAIM)) for n in ("one", "two"))
    with pytest.raises(ValueError, match="more than once: a"):
        claims.collect([one, two])
