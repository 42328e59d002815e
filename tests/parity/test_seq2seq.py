"""Attention against d2l, the GRU decoder against torch.nn, BLEU and IBM's model 1 against NLTK, beam search against transformers."""
import random

import numpy as np
import pytest
import torch
from torch import nn

from evo.align import IBM1
from evo.decode import beam, bleu
from evo.models.rnnsearch import Additive
from evo.models.seq2seq import Seq2Seq

d2l = pytest.importorskip("d2l.torch")


@pytest.mark.parametrize("lengths", [[6, 6], [6, 2], [1, 3]])
def test_additive_attention_is_d2ls(shaken, close, lengths):
    theirs, ours = d2l.AdditiveAttention(8, dropout=0), Additive(3, 4, 8)
    q, k, v = torch.randn(2, 5, 3), torch.randn(2, 6, 4), torch.randn(2, 6, 7)
    lengths = torch.tensor(lengths)
    theirs(q, k, v, lengths)  # its layers learn their sizes
    ours.query.load_state_dict(theirs.W_q.state_dict())
    ours.key.load_state_dict(theirs.W_k.state_dict())
    ours.score.load_state_dict(theirs.w_v.state_dict())
    close(ours(q, k, v, torch.arange(6) < lengths[:, None]), theirs(q, k, v, lengths))


def test_masked_softmax_is_d2ls(close):
    scores, lengths = torch.randn(2, 3, 6), torch.tensor([6, 2])
    valid = torch.arange(6) < lengths[:, None]
    close(scores.masked_fill(~valid[:, None], -torch.inf).softmax(-1), d2l.masked_softmax(scores, lengths))


def test_the_kernel_mean_is_attention():
    x, y, q = torch.rand(50) * 5, torch.rand(50), torch.rand(9) * 5
    by_loop = [sum(np.exp(-(a - b) ** 2 / 2) * c for b, c in zip(x.tolist(), y.tolist()))
               / sum(np.exp(-(a - b) ** 2 / 2) for b in x.tolist()) for a in q.tolist()]
    torch.testing.assert_close((-(q[:, None] - x) ** 2 / 2).softmax(1) @ y, torch.tensor(by_loop, dtype=torch.float))


def test_reader_and_writer_are_made_of_the_layers_that_they_say(shaken, close):
    """The whole model again, from its layers, with the sentence read by hand."""
    model = shaken(Seq2Seq(20, 6, 8))
    source, target = torch.randint(20, (2, 5)), torch.randint(20, (2, 4))
    words = model.token(source) * 6**0.5
    ahead, back = model.encoder.ahead(words), model.encoder.back(words.flip(1)).flip(1)
    summary = torch.cat([ahead[:, -1], back[:, 0]], 1)
    state, logits = torch.tanh(model.first(summary)), []
    for token in target.T:
        word = model.token(token) * 6**0.5
        state = model.decoder.step(model.decoder.read(torch.cat([word, summary], 1)), state)
        logits.append(torch.tanh(model.out(torch.cat([state, summary, word], 1))) @ model.token.weight.T)
    close(model(source, target), torch.stack(logits, 1))


def some_texts(n=200):
    rng = random.Random(0)
    references = [[rng.choice("abcdefg") for _ in range(rng.randint(4, 15))] for _ in range(n)]
    texts = [[rng.choice("abcdefg") if rng.random() < 0.3 else w for w in r][: rng.randint(4, 15)] for r in references]
    return texts, references


def test_bleu_is_nltks():
    from nltk.translate.bleu_score import corpus_bleu

    texts, references = some_texts()
    for longest in (1, 2, 4):
        theirs = corpus_bleu([[r] for r in references], texts, weights=(1 / longest,) * longest)
        assert abs(bleu(texts, references, longest) - 100 * theirs) < 1e-9


def test_ibm_1_is_nltks():
    from nltk.translate import AlignedSent, IBMModel1

    source, target = some_texts(30)
    target = [list(dict.fromkeys(w.upper() for w in t)) for t in target]  # NLTK's sums are wrong where a word stands twice
    ours = IBM1(source, target, rounds=4)
    theirs = IBMModel1([AlignedSent(e, f) for e, f in zip(target, source)], 4).translation_table
    for key, t in zip(ours.keys, ours.t):
        e, f = list(ours.e)[key // len(ours.f)], list(ours.f)[key % len(ours.f)]
        assert abs(theirs[e][f] - t) < 1e-9


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_beam_search_finds_what_transformers_finds(shaken, power):
    """A GPT-2 of transformers as the writer; a beam that is wide enough for both ways of keeping what is finished."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=5, n_positions=8, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1,
                                     pad_token_id=1)
    model = shaken(transformers.GPT2LMHeadModel(config).eval())
    with torch.no_grad():
        model.transformer.wte.weight.mul_(20)

    class Writer:
        def begin(self, source, valid):
            return (source[:, :0],)

        def proceed(self, tokens, now):
            text = torch.cat([now[0], tokens[:, None]], 1)
            return model(text).logits[:, -1], (text,)

    start = torch.zeros(1, 1, dtype=torch.long)
    ours = beam(Writer(), start, 0, 1, 4, width=5**4, powers=(power,))[power][0]
    theirs = model.generate(start, attention_mask=torch.ones_like(start), num_beams=5**4 // 5, max_new_tokens=4, do_sample=False,
                            length_penalty=power, early_stopping=False)[0, 1:]
    assert ours == [t for t in theirs.tolist() if t != 1]


def test_the_readers_are_torch_nns(shaken, close):
    """Of the GRU that resets after the product, which torch.nn has; that before it is held to a loop in test_rnn."""
    from evo.models.rnn import Both, GRUAfter

    theirs, ours = shaken(nn.GRU(6, 4, batch_first=True, bidirectional=True)), Both(GRUAfter, 6, 4)
    for layer, place in ((ours.ahead, "l0"), (ours.back, "l0_reverse")):
        layer.load_state_dict({f"{a}.{b}": getattr(theirs, f"{b}_{c}_{place}").detach()
                               for a, c in (("read", "ih"), ("keep", "hh")) for b in ("weight", "bias")})
    x = torch.randn(2, 5, 6)
    close(ours(x), theirs(x)[0])
