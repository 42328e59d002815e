"""Attention, reader and writer against d2l, the kernel mean against statsmodels, the GRU decoder against torch.nn, BLEU against
NLTK, sacrebleu and d2l, IBM's model 1 against NLTK, beam search against transformers."""
import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from evo.align import IBM1
from evo.data.bible import clauses
from evo.decode import beam, bleu, ngrams
from evo.models.rnn import Both, GRUAfter
from evo.models.rnnsearch import Additive
from evo.models.seq2seq import Seq2Seq
from evo.tokenizers import Subwords

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


@pytest.fixture(scope="module")
def lengths():
    """Letters of forty Spanish clauses and of their translations, those of the chapter: x, y."""
    data = clauses(15)
    drawn = np.random.RandomState(0).permutation(data.train)[:40]
    return [torch.tensor([sum(map(len, side[j])) for j in drawn], dtype=torch.double) for side in (data.spanish, data.english)]


def kernel_mean(query, keys, values, width, hidden=None):
    scores = -(((query[:, None] - keys) / width) ** 2) / 2
    return (scores if hidden is None else scores.masked_fill(hidden, -torch.inf)).softmax(1) @ values


def left_out(keys, values, width):
    """Every pair is told by the others."""
    return (kernel_mean(keys, keys, values, width, torch.eye(len(keys), dtype=torch.bool)) - values).square().mean()


def regression(x, y, width):
    from statsmodels.nonparametric.kernel_regression import KernelReg

    return KernelReg(y.numpy(), x.numpy(), var_type="c", reg_type="lc", bw=width)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of statsmodels about NumPy's generators
@pytest.mark.parametrize("width", [0.5, 5.0, 40.0])
def test_the_kernel_mean_is_statsmodels(close, lengths, width):
    x, y = lengths
    grid, theirs = torch.linspace(x.min() - 3, x.max() + 3, 50).double(), regression(x, y, [width])
    close(kernel_mean(grid, x, y, width), torch.tensor(theirs.fit(grid.numpy())[0]))
    by_others = theirs.cv_loo(np.array([width]), theirs.est["lc"]).item()
    assert left_out(x, y, width).item() == pytest.approx(by_others, rel=1e-5)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_width_that_a_gradient_finds_is_statsmodels(lengths):
    """Least squares, each point told by the others; told by itself, too, the width goes to nothing."""
    x, y = lengths
    for alone, start in ((False, 1.0), (False, 20.0), (True, 5.0)):
        log_width = torch.tensor(start).double().log().requires_grad_()
        adam = torch.optim.Adam([log_width], 0.05)
        for _ in range(300):
            cost = (kernel_mean(x, x, y, log_width.exp()) - y).square().mean() if alone else left_out(x, y, log_width.exp())
            adam.zero_grad()
            cost.backward()
            adam.step()
        found = log_width.exp().item()
        assert found < 0.5 if alone else found == pytest.approx(regression(x, y, "cv_ls").bw.item(), rel=1e-3)


@pytest.mark.parametrize("length", [4, 9, 40])
def test_long_texts_are_cut_and_short_ones_filled_as_in_d2l(length):
    """Ours keeps the end token of what is cut; the row in between is d2l's."""
    data = clauses(15)
    texts = [" ".join(data.spanish[i]) for i in data.valid[:50]]
    pieces = Subwords.train(texts, 400)
    for row, text in zip(pieces.encode_batch(texts, length).tolist(), texts):
        ids = pieces.encode(text)
        assert row == d2l.truncate_pad([pieces.start, *ids[: length - 2], pieces.end], length, pieces.pad)
        whole = d2l.truncate_pad([pieces.start, *ids, pieces.end], length, pieces.pad)
        assert (row == whole) == (len(ids) <= length - 2) and row[:-1] == whole[:-1]


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


def from_torch(layer, rnn, place="l0"):
    """Weights of one layer of nn.GRU into ours that resets after the product."""
    layer.load_state_dict({f"{a}.{b}": getattr(rnn, f"{b}_{c}_{place}").detach()
                           for a, c in (("read", "ih"), ("keep", "hh")) for b in ("weight", "bias")})


def a_pair(shaken):
    """Ours with the GRU that nn.GRU has, and d2l's two readers in it, one from each side."""
    ours, theirs = shaken(Seq2Seq(20, 6, 8)).eval(), [shaken(d2l.Seq2SeqEncoder(20, 6, 4, 1)).eval() for _ in range(2)]
    ours.encoder, ours.decoder = shaken(Both(GRUAfter, 6, 4)), shaken(GRUAfter(6 + 8, 8))
    for reader, side in zip(theirs, (ours.encoder.ahead, ours.encoder.back)):
        from_torch(side, reader.rnn.rnn)
        reader.embedding.weight.data.copy_(ours.token.weight.detach() * 6**0.5)  # ours scales what it looks up
    return ours, theirs


def test_the_reader_is_d2ls(shaken, close):
    """Outputs and last state of d2l.Seq2SeqEncoder, from each side. It has one side and knows no padding: in a batch, ours gives
    for the shorter sentence what d2l's gives for it alone. Its GRU is nn.GRU's, which resets after the product."""
    ours, (ahead, back) = a_pair(shaken)
    source, valid = torch.randint(20, (2, 5)), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    memory = ours.encode(source, valid)
    for row, n in zip(range(2), (5, 3)):
        alone = source[row : row + 1, :n]
        (outputs, state), (turned, last) = ahead(alone), back(alone.flip(1))
        close(memory[row : row + 1, :n, :4], outputs.transpose(0, 1))
        close(memory[row : row + 1, :n, 4:], turned.transpose(0, 1).flip(1))
        close(ours.summary(memory)[row : row + 1], torch.cat([state[-1], last[-1]], 1))


class Writer(d2l.Decoder):
    """As in d2l's book, whose decoder is not in its wheel: nn.GRU, the context joined to every input, a linear layer behind. What
    ours has besides: two readers, a layer before the first state, and an output made of state, context and word together.
    """

    def __init__(self, ours):
        super().__init__()
        self.ours, self.rnn = ours, nn.GRU(6 + 8, 8)
        from_torch(ours.decoder, self.rnn)
        self.token = nn.Embedding.from_pretrained(ours.token.weight.detach() * 6**0.5)

    def init_state(self, context, *args):
        return context, torch.tanh(self.ours.first(context))[None]

    def forward(self, tokens, state):
        words, (context, hidden) = self.token(tokens.T), state
        context_of = context.expand(len(words), -1, -1)
        out, hidden = self.rnn(torch.cat([words, context_of], 2), hidden)
        rows = torch.cat([out, context_of, words], 2)
        return (self.ours.out(rows).tanh() @ self.ours.token.weight.T).transpose(0, 1), (context, hidden)


class Readers(d2l.Encoder):
    def __init__(self, ahead, back):
        super().__init__()
        self.ahead, self.back = ahead, back

    def forward(self, source, *args):
        return torch.cat([self.ahead(source)[1][-1], self.back(source.flip(1))[1][-1]], 1)


def test_reader_and_writer_are_d2ls_seq2seq(shaken, close):
    """Logits with a teacher (`forward`), and what it writes alone, greedily (`predict_step`)."""
    ours, readers = a_pair(shaken)
    theirs = d2l.Seq2Seq(Readers(*readers), Writer(ours), tgt_pad=0, lr=0.01)
    source, target = torch.randint(20, (3, 5)), torch.randint(20, (3, 4))
    close(ours(source, target), theirs(source, target))
    written, _ = theirs.predict_step((source, target, torch.tensor([5] * 3), target), "cpu", 7)
    for row in range(3):
        now, token, mine = ours.begin(source[row : row + 1], None), target[row : row + 1, 0], []
        for _ in range(7):
            logits, now = ours.proceed(token, now)
            mine.append(token := logits.argmax(1))
        assert torch.cat(mine).tolist() == written[row].tolist()


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


def test_bleu_is_sacrebleus():
    from sacrebleu import corpus_bleu

    texts, references = some_texts()
    lines = [[" ".join(words) for words in side] for side in (texts, references)]
    theirs = corpus_bleu(lines[0], [lines[1]], tokenize="none", smooth_method="none", force=True).score
    assert abs(bleu(texts, references) - theirs) < 1e-5
    for text, reference in zip(texts, references):  # and single ones, in which often no four is right
        theirs = corpus_bleu([" ".join(text)], [[" ".join(reference)]], tokenize="none", smooth_method="none", force=True).score
        assert abs(bleu([text], [reference]) - theirs) < 1e-5


def of_d2l(text, reference, longest=4):
    """The definition of d2l's book, from 0 to 100: n-grams weigh 1/2, 1/4, ... and need not add up to one."""
    score = math.exp(min(0, 1 - len(reference) / len(text)))
    for n in range(1, min(longest, len(text)) + 1):
        mine = ngrams(text, n)
        score *= ((mine & ngrams(reference, n)).total() / mine.total()) ** 0.5**n
    return 100 * score


def test_the_other_bleu_is_d2ls():
    for text, reference in zip(*some_texts()):
        theirs = 100 * d2l.bleu(" ".join(text), " ".join(reference), 4)
        assert abs(of_d2l(text, reference) - theirs) < 1e-9
        assert of_d2l(text, reference) >= bleu([text], [reference]) - 1e-9


def test_where_the_peers_part():
    """As each is called by default: d2l weighs otherwise; where no four is right, sacrebleu smooths and the others say 0."""
    from nltk.translate.bleu_score import sentence_bleu
    from sacrebleu import sentence_bleu as smoothed

    text, reference = "god saw the light that it was very good".split(), "and god saw the light , that it was good".split()
    all_of = [bleu([text], [reference]), 100 * sentence_bleu([reference], text), smoothed(" ".join(text), [" ".join(reference)]).score]
    assert all_of == pytest.approx([all_of[0]] * 3) and of_d2l(text, reference) > 1.4 * all_of[0]
    text, reference = "the light was very good".split(), "the light that was good".split()
    with pytest.warns(UserWarning, match="0 counts"):
        assert bleu([text], [reference]) == of_d2l(text, reference) == pytest.approx(sentence_bleu([reference], text)) == 0
    assert smoothed(" ".join(text), [" ".join(reference)]).score > 10


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
    theirs, ours = shaken(nn.GRU(6, 4, batch_first=True, bidirectional=True)), Both(GRUAfter, 6, 4)
    for layer, place in ((ours.ahead, "l0"), (ours.back, "l0_reverse")):
        from_torch(layer, theirs, place)
    x = torch.randn(2, 5, 6)
    close(ours(x), theirs(x)[0])
