"""Translation: the Bible's clauses, attention, reader and writer, beam search, BLEU, IBM's model 1."""
import itertools
import math

import numpy as np
import pytest
import torch
from helpers import shaken

from evo.align import IBM1
from evo.data import bible as module
from evo.data import sources
from evo.data.bible import bible, clauses, cut, links, pieces_of, split, verses_of
from evo.decode import Prefixes, beam, bleu
from evo.models.rnn import GRU
from evo.models.rnnsearch import Additive, RNNSearch
from evo.models.seq2seq import Seq2Seq
from evo.models.transformer import Transformer, translate

V, D, H = 20, 6, 8
KINDS = [Seq2Seq, RNNSearch]
VALID = torch.arange(7) < torch.tensor([[7], [4], [1]])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def source():
    return torch.randint(V, (3, 7))


def target():
    return torch.randint(V, (3, 5))


# data


def test_verses_and_clauses():
    verses = bible()
    assert len(verses) == 31_084 and verses[0][0] == "Gen 1:1" and verses[-1][0] == "Rev 22:21"
    data = clauses(15)
    assert (len(data), len(data.train), len(data.valid), len(data.test)) == (20_519, 16_463, 1_887, 1_917)
    assert len(clauses()) == 15_448
    for side in (data.spanish, data.english):
        assert all(0 < sum(word != "," for word in words) <= 15 for words in side)


def test_no_chapter_is_in_two_parts_and_nothing_of_the_test_was_seen():
    data = clauses(15)
    chapters = [{data.verses[i].rpartition(":")[0] for i in part} for part in (data.train, data.valid, data.test)]
    assert not any(a & b for a, b in itertools.combinations(chapters, 2))
    for side in (data.spanish, data.english):
        texts = [{tuple(side[i]) for i in part} for part in (data.train, data.valid, data.test)]
        assert not any(a & b for a, b in itertools.combinations(texts, 2))


def test_links_are_spans_that_lie_in_the_clause():
    data = clauses(15)
    for es, en, found in zip(data.spanish, data.english, data.links):
        for (a, b), (c, d) in found:
            assert 0 <= a < b <= len(es) and 0 <= c < d <= len(en)
    first = data.links[0]
    assert [(data.spanish[0][slice(*s)], data.english[0][slice(*t)]) for s, t in first][2] == (["dios"], ["god"])


def test_links_by_hand():
    es, en = (cut(text)[0] for text in ("la_luz/H1 de/H9 dios/H2 dios/H3 y/H4", "god/H2 the light/H1 of/H9 him/H3 and/H4"))
    assert links(es, en) == [((0, 2), (2, 3)), ((3, 4), (0, 1))]  # little words and what stands twice are left out
    assert links(*(cut(text)[0] for text in ("dios/H2 dios/H2", "god/H2"))) == []


def test_pieces_of_markup():
    markup = ('<title>Psalm</title>In the <w lemma="strong:H7225">beginning</w>, <note>or: first</note>'
              '<w lemma="strong:H1 strong:H2">los cielos</w>.')
    assert pieces_of(markup) == "In the beginning/H7225 , los_cielos/H1+H2 ."
    assert cut("In the beginning/H1 , los_cielos/H1+H2 . Y/H3") == [
        [(["in"], ()), (["the"], ()), (["beginning"], ("h1",)), ([","], ()), (["los", "cielos"], ("h1", "h2"))],
        [(["y"], ("h3",))]]


def test_the_canonical_file_by_hand(tmp_path):
    import struct
    import zlib

    for name, words in zip(module.MODULES.values(), ("la luz", "the light")):
        folder = tmp_path / "usr" / name
        folder.mkdir(parents=True)
        for part, book in (("ot", "Gen"), ("nt", "Matt")):
            texts = [b"", f'<div canonical="true" osisID="{book}"/>'.encode(), f'<chapter n="1" osisID="{book}.1" sID="x"/>'.encode(),
                     f'<w lemma="strong:H1">{words}</w>.'.encode()]
            raw, at, index = b"".join(texts), 0, b""
            for text in texts:
                index += struct.pack("<IIH", 0, at, len(text))
                at += len(text)
            packed = zlib.compress(raw)
            (folder / f"{part}.bzz").write_bytes(packed)
            (folder / f"{part}.bzs").write_bytes(struct.pack("<III", 0, len(packed), len(raw)))
            (folder / f"{part}.bzv").write_bytes(index)
    assert list(verses_of(tmp_path / "usr" / "engKJV2006eb")) == [("Gen 1:1", "the_light/H1 ."), ("Matt 1:1", "the_light/H1 .")]
    made = module.build_bible(tmp_path)["verses"].tobytes().decode()
    assert made == '[["Gen 1:1","la_luz/H1 .","the_light/H1 ."],["Matt 1:1","la_luz/H1 .","the_light/H1 ."]]'


def test_the_hash_is_listed():
    assert sources.content_hash(sources.load("bible")) in sources.DATASETS["bible"].hashes


def test_split_leaves_out_what_an_earlier_part_has():
    verses = [f"Gen {i}:1" for i in range(100)]
    parts = split(verses, [["a"]] * 100)
    assert len(parts["train"]) == 80 and not len(parts["valid"]) and not len(parts["test"])
    assert sum(map(len, split(verses, [[str(i)] for i in range(100)]).values())) == 100


# attention


def test_additive_attention_is_the_loop():
    attention, q, k, v = shaken(Additive(3, 4, 5)), torch.randn(2, 3, 3), torch.randn(2, 6, 4), torch.randn(2, 6, 2)
    valid = torch.arange(6) < torch.tensor([[6], [2]])
    out = attention(q, k, v, valid)
    for b, n in np.ndindex(2, 3):
        scores = [(attention.score.weight[0] * torch.tanh(attention.query.weight @ q[b, n] + attention.key.weight @ key)).sum()
                  for key in k[b][valid[b]]]
        by_hand = torch.stack(scores).softmax(0) @ v[b][valid[b]]
        torch.testing.assert_close(out[b, n], by_hand)


def test_attention_is_a_mean_and_knows_no_order():
    attention, q, k = shaken(Additive(3, 4, 5)), torch.randn(2, 3, 3), torch.randn(2, 6, 4)
    out, order = attention(q, k, k), torch.randperm(6)
    assert (out <= k.amax(1, keepdim=True) + 1e-6).all() and (out >= k.amin(1, keepdim=True) - 1e-6).all()
    torch.testing.assert_close(out, attention(q, k[:, order], k[:, order]))


# reader and writer


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_gets_a_gradient_and_it_repeats(kind):
    model, s, t = shaken(kind(V, D, H)), source(), target()
    model(s, t, VALID).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert torch.equal(model(s, t, VALID), model(s, t, VALID))


@pytest.mark.parametrize("kind", KINDS)
def test_the_writer_cannot_see_the_future_and_padding_does_not_count(kind):
    model, s, t = shaken(kind(V, D, H)), source(), target()
    changed = t.clone()
    changed[:, 3] = (changed[:, 3] + 1) % V
    assert torch.equal(model(s, t)[:, :3], model(s, changed)[:, :3])
    assert not torch.allclose(model(s, t)[:, 3:], model(s, changed)[:, 3:])
    other = torch.where(VALID, s, (s + 1) % V)
    torch.testing.assert_close(model(s, t, VALID), model(other, t, VALID))
    torch.testing.assert_close(model(s, t, VALID)[1], model(s[1:2, :4], t[1:2])[0])


@pytest.mark.parametrize("kind", KINDS)
def test_the_source_is_seen_through_memory_only_and_step_by_step_is_at_once(kind):
    model, s, t = shaken(kind(V, D, H)), source(), target()
    memory = model.encode(s, VALID)
    torch.testing.assert_close(model.head(model.decode(t, memory, VALID)), model(s, t, VALID))
    now = model.begin(s, VALID)
    for i in range(t.shape[1]):
        logits, now = model.proceed(t[:, i], now)
        torch.testing.assert_close(logits, model(s, t, VALID)[:, i])


def test_without_attention_only_the_ends_of_the_readers_count():
    model, s, t = shaken(Seq2Seq(V, D, H)), source(), target()
    memory = model.encode(s)
    middle = memory.clone()
    middle[:, 1:-1] = torch.randn_like(middle[:, 1:-1])
    middle[:, -1, H // 2:], middle[:, 0, :H // 2] = 9.0, 9.0
    assert torch.equal(model.decode(t, memory), model.decode(t, middle))


def test_attention_with_one_source_word_is_the_vector_alone():
    """Lineage: where there is nothing to choose, RNNsearch is Seq2Seq."""
    one, t = source()[:, :1], target()
    plain, attentive = shaken(Seq2Seq(V, D, H)), shaken(RNNSearch(V, D, H))
    attentive.load_state_dict(plain.state_dict(), strict=False)
    assert set(attentive.state_dict()) - set(plain.state_dict()) == {f"attention.{n}.weight" for n in ("query", "key", "score")}
    torch.testing.assert_close(attentive(one, t), plain(one, t))


def test_attentions_are_shares():
    shares = shaken(RNNSearch(V, D, H)).attentions(source(), target(), VALID)
    assert shares.shape == (3, 5, 7)
    torch.testing.assert_close(shares.sum(2), torch.ones(3, 5))
    assert (shares[~VALID[:, None].expand(-1, 5, -1)] == 0).all()


def test_a_reader_from_one_side_can_be_handed_in():
    class Ahead(Seq2Seq):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.encoder = GRU(self.dim, self.hidden)

        def summary(self, memory):
            return memory[:, -1]

    assert Ahead(V, D, H)(source(), target(), VALID).shape == (3, 5, V)


# beam search


class Table:
    """What comes next hangs on the place and the last token; one row of logits each."""

    def __init__(self, tokens, steps):
        self.logits = torch.randn(steps, tokens, tokens) * 1.5

    def begin(self, source, valid):
        return (torch.zeros(len(source), dtype=torch.long),)

    def proceed(self, tokens, now):
        return self.logits[now[0], tokens], (now[0] + 1,)


def everything(table, steps, end=1):
    """All texts with their log-probability and length."""
    tokens, logp = table.logits.shape[1], table.logits.log_softmax(-1)
    for n in range(1, steps + 1):
        for text in itertools.product(range(tokens), repeat=n):
            if end not in text[:-1] and (n == steps or text[-1] == end):
                way = zip((0, *text), text)
                yield sum(logp[i, a, b].item() for i, (a, b) in enumerate(way)), n, [x for x in text if x != end]


@pytest.mark.parametrize("number", range(5))
def test_a_beam_wider_than_the_tree_finds_what_brute_force_finds(number):
    torch.manual_seed(number)
    table = Table(4, 4)
    powers = (0.0, 0.75, 1.0, 2.0)
    found = beam(table, torch.zeros(2, 1).long(), 0, 1, 4, width=4**4, powers=powers)
    for power in powers:
        assert found[power] == [max(everything(table, 4), key=lambda c: c[0] / c[1] ** power)[2]] * 2


def test_a_beam_of_one_is_greedy_search():
    s = source()
    model = shaken(Transformer(V, 8, 1, 2)).eval()
    greedy = translate(model, s, 1, 2, 6, VALID)
    ours = beam(model, s, 1, 2, 6, 1, (0,), VALID)[0]
    assert ours == [[t for t in row[1:].tolist() if t != 2] for row in greedy]


def test_prefixes_and_steps_give_the_same():
    model, s = shaken(RNNSearch(V, D, H)), source()
    whole = beam(Prefixes(model), s, 1, 2, 6, 3, valid=VALID)
    assert whole == beam(model, s, 1, 2, 6, 3, valid=VALID)


def test_a_beam_does_not_mix_sentences():
    model, s = shaken(RNNSearch(V, D, H)), source()
    together = beam(model, s, 1, 2, 6, 3, valid=VALID)[0.75]
    alone = [beam(model, s[i:i + 1], 1, 2, 6, 3, valid=VALID[i:i + 1])[0.75][0] for i in range(3)]
    assert together == alone


# BLEU


def test_bleu_by_hand():
    reference = "the cat is on the mat now".split()
    assert bleu([reference], [reference]) == pytest.approx(100)
    assert bleu(["the the the the the the the".split()], [reference], longest=1) == pytest.approx(200 / 7)
    short = reference[:5]
    assert bleu([short], [reference]) == pytest.approx(100 * math.exp(1 - 7 / 5))
    assert bleu([["dog"]], [reference]) == 0


# IBM's model 1


def test_em_by_hand():
    """Two pairs: a b -> x y and a -> x. The second one tells, round by round, that b makes y."""
    model = IBM1([["a", "b"], ["a"]], [["x", "y"], ["x"]], rounds=1)
    t = {(e, f): model.t[np.searchsorted(model.keys, model.e[e] * len(model.f) + model.f[f])] for e in "xy" for f in "ab"}
    # each of x, y of the first pair is shared by NULL, a, b; x of the second by NULL, a
    assert t == pytest.approx({("x", "a"): (1 / 3 + 1 / 2) / (2 / 3 + 1 / 2), ("y", "a"): (1 / 3) / (2 / 3 + 1 / 2),
                               ("x", "b"): 1 / 2, ("y", "b"): 1 / 2})
    assert model.costs == pytest.approx([math.log(2)])
    more = IBM1([["a", "b"], ["a"]], [["x", "y"], ["x"]], rounds=30)
    assert more.dictionary == {"a": "x", "b": "y"} and (np.diff(more.costs) < 1e-12).all()
    table = more.table(["a", "b"], ["y", "never"])
    assert table[0].argmax() == 1 and table.shape == (2, 2) and not table[1].any()


@pytest.mark.parametrize("call, message", [
    (lambda: bleu([["a"]], []), "1 texts and 0 references"),
    (lambda: bleu(["a"], [["a"]]), "split each text"),
    (lambda: IBM1([["a"]], [["a"], ["b"]]), "1 source texts and 2 target texts"),
    (lambda: clauses(0), "longest=0 must be a number of words"),
    (lambda: Additive(3, 4, 5)(torch.rand(1, 2, 3), torch.rand(1, 6, 4), torch.rand(1, 6, 4), torch.zeros(1, 6).bool()), "one key"),
    (lambda: Additive(3, 4, 5)(torch.rand(1, 2, 3), torch.rand(1, 6, 4), torch.rand(1, 5, 4)), "values has shape"),
    (lambda: Seq2Seq(V, D, H)(source()[0], target()), "reads"),
    (lambda: beam(None, source(), 1, 2, 0), "steps=0 must be a whole number"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
