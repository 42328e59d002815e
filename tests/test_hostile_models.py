"""Inputs of the wrong kind: every public door answers with one clear ValueError, or with a documented result."""
import pretend_gpu
import pytest
import torch
from helpers import shaken
from pretend_gpu import DEVICE
from torch import nn

from evo import objectives
from evo.blocks import Attention, Encoder, PatchEmbedding, attend, causal_mask, patchify
from evo.data.images import unpatchify
from evo.decode import beam
from evo.masking import bert_mask, random_mask, visible
from evo.models import vit, weights
from evo.models.beit import BEiT
from evo.models.bert import BERT
from evo.models.clip import CLIP
from evo.models.convs2s import ConvS2S
from evo.models.elmo import FILL, ELMo, ScalarMix, reverse, spell
from evo.models.gpt import GPT, generate, step
from evo.models.mae import MAE, MAEWithMaskTokens
from evo.models.nnlm import Softmax
from evo.models.rnn import GRU, LSTM, Both, Deep
from evo.models.rnnlm import RNNLM
from evo.models.rnnsearch import RNNSearch
from evo.models.seq2seq import Seq2Seq
from evo.models.textcnn import TextCNN
from evo.models.transformer import Transformer, translate
from evo.models.vilt import ViLT
from evo.models.vit import ViT, at_resolution, interpolate_positions, sine_cosine
from evo.models.word2vec import CBOW, Corpus, HuffmanTree, NegativeSampling, SkipGram, huffman, neighbours, yes_or_no
from evo.tokenizers import Vocab

V, TINY = 20, dict(dim=16, depth=1, heads=2)
SMALL = dict(image_size=8, patch_size=4, channels=1, **TINY)
IDS, FLAGS, IMAGES = torch.arange(8).view(2, 4), torch.ones(2, 4, dtype=torch.bool), torch.rand(2, 1, 8, 8)
HALF = torch.tensor([[True, True, False, False]] * 2)
X = torch.rand(2, 4, 16)
COUNTS = torch.tensor([3, 2, 1])


def mae(cls=MAE):
    return cls(ViT(**SMALL, positions=sine_cosine), 16, 1, 2)


def text_cnn():
    return TextCNN(V, 8, classes=2).eval()


def elmo():
    return ELMo(V, length=8, dim=4, cells=8, filters=[(1, 4)], char_dim=3)


def clip():
    return CLIP(ViT(**SMALL), GPT(V, 8, **TINY), dim=8, end_token=7)


CAPTIONS = torch.tensor([[1, 2, 7], [3, 7, 0]])
GPTS = GPT(V, 8, **TINY)

# what takes ids, and which of its arguments they are
READS_IDS = {
    "GPT": lambda ids: GPT(V, 8, **TINY)(ids),
    "GPT.features": lambda ids: GPT(V, 8, **TINY).features(ids),
    "gpt.step": lambda ids: step(GPT(V, 8, **TINY), ids),
    "gpt.generate": lambda ids: generate(GPT(V, 8, **TINY), ids, 1),
    "BERT": lambda ids: BERT(V, 8, **TINY)(ids),
    "BERT, segments": lambda ids: BERT(V, 8, **TINY)(IDS, ids),
    "Transformer, source": lambda ids: Transformer(V, **TINY)(ids, IDS),
    "Transformer, target": lambda ids: Transformer(V, **TINY)(IDS, ids),
    "translate": lambda ids: translate(Transformer(V, **TINY), ids, 1, 2, 3),
    "CLIP": lambda ids: clip().encode_text(torch.cat([ids, torch.full_like(ids[:, :1], 7)], 1)),
    "Seq2Seq, source": lambda ids: Seq2Seq(V, 8, 6)(ids, IDS),
    "Seq2Seq, target": lambda ids: Seq2Seq(V, 8, 6)(IDS, ids),
    "RNNSearch, source": lambda ids: RNNSearch(V, 8, 6)(ids, IDS),
    "ConvS2S, source": lambda ids: ConvS2S(V, 8, 2)(ids, IDS),
    "ConvS2S, target": lambda ids: ConvS2S(V, 8, 2)(IDS, ids),
    "beam": lambda ids: beam(RNNSearch(V, 8, 6), ids, 1, 2, 3),
    "ViLT": lambda ids: ViLT(V, 8, **SMALL)(ids, IMAGES),
    "TextCNN": lambda ids: text_cnn()(ids, FLAGS),
    "SkipGram": lambda ids: SkipGram(V, 8)(ids[:, 0], IDS),
    "SkipGram, rows": lambda ids: SkipGram(V, 8)(IDS[:, 0], ids),
    "NegativeSampling": lambda ids: NegativeSampling(COUNTS)(ids[:, 0]),
    "HuffmanTree": lambda ids: HuffmanTree(*huffman(COUNTS))(ids[:, 0]),
    "bert_mask": lambda ids: bert_mask(ids, FLAGS, 3, V),
    "next_token": lambda ids: objectives.next_token(torch.rand(2, 4, V), ids),
    "previous_token": lambda ids: objectives.previous_token(torch.rand(2, 4, V), ids),
    "masked_cross_entropy": lambda ids: objectives.masked_cross_entropy(torch.rand(2, 4, V), ids, FLAGS),
    "RNNLM": lambda ids: RNNLM(V, LSTM(8, 8), output=Softmax)(ids),
    "ELMo": lambda ids: elmo()(ids[..., None].expand(2, 4, 8)),
}
CBOW_READS = {"CBOW": lambda ids: CBOW(V, 8)(ids, IDS)}  # -1 says that there is no neighbour


@pytest.mark.parametrize("door", READS_IDS | CBOW_READS)
@pytest.mark.parametrize("wrong, said", [
    (torch.full_like(IDS, FILL + 1), f"id {FILL + 1}.*there are"), (IDS - 100, r"id -\d+"), (IDS.float(), r"float32.*\.long\(\)"),
    (FLAGS, r"bool.*\.long\(\)"), (IDS.to(torch.int16), r"int16.*\.long\(\)")], ids=["too large", "negative", "float", "bool", "int16"])
def test_ids(door, wrong, said):
    with pytest.raises(ValueError, match=r"(?s)(tokens|prompt|segments|inputs|rows|targets|characters|source).*" + said):
        (READS_IDS | CBOW_READS)[door](wrong)


@pytest.mark.parametrize("door", sorted(set(READS_IDS) - {"BERT, segments", "NegativeSampling", "HuffmanTree"}))
def test_ids_may_be_int32(door):
    READS_IDS[door](IDS.masked_fill(IDS > 6, 7).int().clone().fill_(7))


READS_FLAGS = {
    "BERT, valid": (lambda m: BERT(V, 8, **TINY)(IDS, valid=m), "valid"),
    "BERT, masked": (lambda m: BERT(V, 8, **TINY)(IDS, masked=m), "masked"),
    "Transformer": (lambda m: Transformer(V, **TINY)(IDS, IDS, m), "valid"),
    "translate": (lambda m: translate(Transformer(V, **TINY), IDS, 1, 2, 3, m), "valid"),
    "Transformer.decode": (lambda m: Transformer(V, **TINY).decode(IDS, X, m), "valid"),
    "Seq2Seq": (lambda m: Seq2Seq(V, 8, 6)(IDS, IDS, m), "valid"),
    "RNNSearch.decode": (lambda m: RNNSearch(V, 8, 16).decode(IDS, X, m), "valid"),
    "ConvS2S": (lambda m: ConvS2S(V, 8, 2)(IDS, IDS, m), "valid"),
    "beam, valid": (lambda m: beam(RNNSearch(V, 8, 6), IDS, 1, 2, 3, valid=m), "valid"),
    "ViLT": (lambda m: ViLT(V, 8, **SMALL)(IDS, IMAGES, m), "valid"),
    "TextCNN": (lambda m: text_cnn()(IDS, m), "valid"),
    "MAE": (lambda m: mae()(IMAGES, m), "masked"),
    "BEiT": (lambda m: BEiT(**SMALL, outputs=5)(IMAGES, m), "masked"),
    "MAEWithMaskTokens": (lambda m: mae(MAEWithMaskTokens)(IMAGES, m), "masked"),
    "LSTM": (lambda m: LSTM(16, 4)(X, m), "valid"),
    "Deep, both ways": (lambda m: Deep(Both(GRU, 16, 4))(X, m), "valid"),
    "RNNLM.features": (lambda m: RNNLM(V, LSTM(8, 8), output=Softmax).features(IDS, m), "valid"),
    "RNNLM.log_prob": (lambda m: RNNLM(V, LSTM(8, 8), output=Softmax).log_prob(IDS, m), "valid"),
    "elmo.reverse": (lambda m: reverse(X, m), "valid"),
    "generate": (lambda m: generate(GPT(V, 8, **TINY), IDS, 1, valid=m), "valid"),
    "step": (lambda m: step(GPT(V, 8, **TINY), IDS, valid=m), "valid"),
    "next_token": (lambda m: objectives.next_token(torch.rand(2, 4, V), IDS, m), "valid"),
    "previous_token": (lambda m: objectives.previous_token(torch.rand(2, 4, V), IDS, m), "valid"),
    "both_ways": (lambda m: objectives.both_ways(torch.rand(2, 4, V), torch.rand(2, 4, V), IDS, m), "valid"),
    "masked_cross_entropy": (lambda m: objectives.masked_cross_entropy(torch.rand(2, 4, V), IDS, m), "masked"),
    "masked_regression": (lambda m: objectives.masked_regression(X, X, m), "masked"),
    "bert_mask": (lambda m: bert_mask(IDS, m, 3, V), "hideable"),
    "yes_or_no": (lambda m: yes_or_no(torch.rand(2, 4), IDS > 2, m), "asked"),
}


@pytest.mark.parametrize("door", READS_FLAGS)
@pytest.mark.parametrize("wrong", [HALF.float(), HALF.long(), HALF.int(), HALF.tolist(), HALF.numpy(), HALF[:, :3], HALF[0], HALF[None]],
                         ids=["float", "long", "int", "list", "numpy", "shape", "row", "three axes"])
def test_flags(door, wrong):
    ask, name = READS_FLAGS[door]
    with pytest.raises(ValueError, match=rf"{name} (must be a boolean tensor|has shape)"):
        ask(wrong)


def test_visible_reads_flags():
    for wrong in (HALF.long(), HALF.float(), HALF[0]):
        with pytest.raises(ValueError, match="masked"):
            visible(wrong)


# who may attend to whom

ATTENDS = {
    "attend": lambda mask: attend(X[:, None], X[:, None], X[:, None], mask),
    "Attention": lambda mask: Attention(16, 2)(X, mask=mask),
    "Attention.weights": lambda mask: Attention(16, 2).weights(X, mask),
    "Encoder": lambda mask: Encoder(16, 1, 2)(X, mask),
}


@pytest.mark.parametrize("door", ATTENDS)
@pytest.mark.parametrize("wrong, said", [
    (torch.ones(4, 4).long(), r"int64: pass mask\.bool"), (torch.ones(4, 4).byte(), "uint8"), (torch.ones(4, 4).int(), "int32"),
    (torch.ones(4, 4).tolist(), "list"), (lambda n: None, "function"), (torch.ones(4, 5).bool(), r"\(4, 5\).*\(2, [12], 4, 4\)"),
    (torch.ones(3, 1, 1, 4).bool(), r"\(3, 1, 1, 4\)"), (torch.ones(1, 1, 1, 4, 4).bool(), "broadcast"),
    (torch.ones(4, 4, dtype=torch.cfloat), "complex")])
def test_attention_masks(door, wrong, said):
    with pytest.raises(ValueError, match="(?s)^mask.*" + said):
        ATTENDS[door](wrong)


def test_floats_are_a_bias_and_flags_are_not():
    table = causal_mask(4)
    plus, only = attend(X[:, None], X[:, None], X[:, None], table.float()), attend(X[:, None], X[:, None], X[:, None], table)
    assert not torch.allclose(plus, only)
    bias = torch.zeros(4, 4).masked_fill(~table, -torch.inf)
    for same in (bias, bias.double(), causal_mask):
        torch.testing.assert_close(attend(X[:, None], X[:, None], X[:, None], same), only)


@pytest.mark.parametrize("call, said", [
    (lambda: Attention(16, 2)(X[..., :8]), r"q has shape \(2, 4, 8\).*16"),
    (lambda: Attention(16, 2)(X, X[..., :8]), r"k has shape"),
    (lambda: Attention(16, 2)(X, causal_mask), r"k must be a tensor.*function"),
    (lambda: Attention(16, 2, source_dim=8)(X), r"k has shape \(2, 4, 16\).*8"),
    (lambda: Attention(16, 2)(X[0]), r"\(4, 16\)"),
    (lambda: Attention(16, 2)(X.long()), "int64"),
    (lambda: Attention(16, 2)(X, X[:, :3], mask=causal_mask), "4 queries and 3 keys"),
    (lambda: Encoder(16, 1, 2)(X[..., :8]), r"\(2, 4, 8\)"),
    (lambda: Encoder(16, 1, 2)(IDS), "int64"),
])
def test_vectors(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# images

SEES = {
    "PatchEmbedding": lambda x: PatchEmbedding(8, 4, 1, 16)(x),
    "ViT": lambda x: ViT(**SMALL, classes=3)(x),
    "ViT.features": lambda x: ViT(**SMALL).features(x),
    "ViT.attentions": lambda x: ViT(**SMALL).attentions(x),
    "MAE": lambda x: mae()(x, HALF),
    "BEiT": lambda x: BEiT(**SMALL, outputs=5)(x, HALF),
    "MAEWithMaskTokens": lambda x: mae(MAEWithMaskTokens)(x, HALF),
    "CLIP": lambda x: clip()(x, CAPTIONS),
}


@pytest.mark.parametrize("door", SEES)
@pytest.mark.parametrize("wrong, said", [
    ((IMAGES * 255).byte(), r"uint8.*to_float"), ((IMAGES * 255).long(), "int64.*to_float"), (IMAGES > 0.5, "bool.*to_float"),
    (IMAGES.numpy(), "ndarray"),
    (IMAGES.double(), r"float64.*float32"), (IMAGES.half(), r"float16.*float32"), (IMAGES[:, 0], r"\(2, 8, 8\)"),
    (IMAGES[..., :4], r"\(2, 1, 8, 4\)"),
    (IMAGES.expand(-1, 3, -1, -1), r"\(2, 3, 8, 8\)")])
def test_images(door, wrong, said):
    with pytest.raises(ValueError, match="(?s)^images.*" + said):
        SEES[door](wrong)


@pytest.mark.parametrize("door", SEES)
def test_what_is_no_number_stays_none(door):
    out = SEES[door](IMAGES * torch.nan)
    out = torch.stack(out) if isinstance(out, list) else out
    assert out.isnan().any() or not out.any()  # a head that starts at zero


@pytest.mark.parametrize("call, said", [
    (lambda: PatchEmbedding((8, 6), 4, 1, 16), r"image_size=\(8, 6\)"),
    (lambda: PatchEmbedding(0, 4, 1, 16), "image_size=0"),
    (lambda: patchify(IMAGES, 3), "patch_size=3"), (lambda: patchify(IMAGES, 0), "patch_size=0"),
    (lambda: patchify(IMAGES[0], 4), r"images\[None\]"),
    (lambda: unpatchify(X[0], 4), "P\\*P\\*C"),
    (lambda: unpatchify(torch.rand(2, 6, 16), 4), "square"), (lambda: unpatchify(torch.rand(2, 6, 16), 4, grid=(2, 2)), r"grid=\(2, 2\)"),
    (lambda: interpolate_positions(torch.rand(1, 7, 8), 4), r"old=\(rows, columns\)"),
    (lambda: interpolate_positions(torch.rand(1, 7, 8), 4, old=(2, 2)), r"old=\(2, 2\)"),
    (lambda: at_resolution(ViT(**SMALL), (8, 10)), r"\(8, 10\)"),
])
def test_sizes(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# empty batches

@pytest.mark.parametrize("call, shape", [
    (lambda: GPT(V, 8, **TINY)(IDS[:0]), (0, 4, V)), (lambda: BERT(V, 8, **TINY)(IDS[:0])[0], (0, 4, V)),
    (lambda: Transformer(V, **TINY)(IDS[:0], IDS[:0], FLAGS[:0]), (0, 4, V)), (lambda: text_cnn()(IDS[:0], FLAGS[:0]), (0, 2)),
    (lambda: ViT(**SMALL, classes=3)(IMAGES[:0]), (0, 3)), (lambda: clip()(IMAGES[:0], CAPTIONS), (0, 2)),
    (lambda: mae(MAEWithMaskTokens)(IMAGES[:0], HALF[:0]), (0, 4, 16)), (lambda: SkipGram(V, 8)(IDS[:0, 0], IDS[:0]), (0, 4)),
    (lambda: CBOW(V, 8)(IDS[:0], IDS[:0]), (0, 4)), (lambda: random_mask(0, 4, 0.5), (0, 4)), (lambda: patchify(IMAGES[:0], 4), (0, 4, 16)),
    (lambda: NegativeSampling(COUNTS)(IDS[:0, 0])[0], (0, 6)), (lambda: Encoder(16, 1, 2)(X[:0]), (0, 4, 16)),
    (lambda: generate(GPT(V, 8, **TINY), IDS[:0], 0), (0, 4)), (lambda: bert_mask(IDS[:0], FLAGS[:0], 3, V)[0], (0, 4)),
])
def test_nothing_in_nothing_out(call, shape):
    assert call().shape == shape


@pytest.mark.parametrize("call, said", [
    (lambda: mae()(IMAGES[:0], HALF[:0]), "empty"), (lambda: visible(HALF[:0]), "empty"),
    (lambda: elmo()(torch.zeros(0, 4, 8, dtype=torch.long)), "no word"), (lambda: spell([]), "empty"),
    (lambda: objectives.next_token(torch.rand(0, 4, V), IDS[:0]), "no next token"),
    (lambda: objectives.previous_token(torch.rand(0, 4, V), IDS[:0]), "no previous token"),
    (lambda: objectives.masked_cross_entropy(torch.rand(0, 4, V), IDS[:0], FLAGS[:0]), "nothing is hidden"),
    (lambda: objectives.masked_regression(X[:0], X[:0], FLAGS[:0]), "nothing is hidden"),
    (lambda: objectives.clip_loss(torch.rand(0, 0)), "empty"), (lambda: objectives.nt_xent(torch.rand(0, 8), torch.rand(0, 8)), "empty"),
    (lambda: objectives.skip_gram(torch.rand(0, 8), torch.rand(0, 8), torch.rand(0, 3, 8)), "empty"),
    (lambda: yes_or_no(torch.rand(0, 4), torch.rand(0, 4), FLAGS[:0]), "empty"),
    (lambda: neighbours(IDS[0, :0], IDS[0, :0], 2), "at least one word"), (lambda: huffman(torch.tensor([], dtype=torch.long)), "0 words"),
    (lambda: text_cnn()(IDS[:, :0], FLAGS[:, :0]), "N >= 1"),
    (lambda: clip().encode_text(CAPTIONS[:, :0]), "end_token=7"),
])
def test_nothing_to_take_a_mean_of_is_said(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# shapes that do not belong together, numbers out of bounds

@pytest.mark.parametrize("call, said", [
    (lambda: objectives.next_token(torch.rand(2, 5, V), IDS), r"tokens has shape \(2, 4\).*\(2, 5\)"),
    (lambda: objectives.next_token(torch.rand(2, V), IDS), r"logits have shape"),
    (lambda: objectives.masked_cross_entropy(torch.rand(2, 5, V), IDS, FLAGS), "targets has shape"),
    (lambda: objectives.masked_regression(X, X[:, :, :8], FLAGS), "target has shape"),
    (lambda: objectives.nt_xent(X[0], X[0, :2]), "z1 has shape"), (lambda: objectives.nt_xent(X, X), "z0 has shape"),
    (lambda: objectives.skip_gram(X[0], X[0, :2], X), "context has shape"), (lambda: objectives.clip_loss(X), "pairs need"),
    (lambda: yes_or_no(torch.rand(2, 4), IDS[:, :2], FLAGS), "answers has shape"),
    (lambda: clip().encode_text(CAPTIONS[0]), r"captions are \(B, N\)"),
    (lambda: bert_mask(IDS[0], FLAGS[0], 3, V), r"\(B, N\)"),
    (lambda: neighbours(IDS, IDS, 2), "one row"), (lambda: neighbours(IDS[0], IDS[0], 0), "window=0"),
    (lambda: neighbours(IDS[0], IDS[1, :2], 1), "sentence"),
    (lambda: random_mask(-1, 4, 0.5), "batch=-1"), (lambda: random_mask(2, -4, 0.5), "n=-4"),
    (lambda: NegativeSampling([3, 2]), "counts"), (lambda: NegativeSampling(torch.zeros(3)), "counts"),
    (lambda: NegativeSampling(-COUNTS), "counts"),
    (lambda: generate(GPTS, IDS, -1), "steps=-1"), (lambda: translate(Transformer(V, **TINY), IDS, 1, 2, -1), "steps=-1"),
    (lambda: elmo()(torch.zeros(2, 4, 9, dtype=torch.long)), "length=8"), (lambda: spell([[7]]), "one word is 7"),
    (lambda: spell([["a"]], length=2), "length=2"),
    (lambda: ScalarMix(3)([X, X]), "2 layers came"),
])
def test_misfits(call, said):
    with pytest.raises(ValueError, match=said):
        call()


# prompts of unequal length

def prompts():
    torch.manual_seed(0)
    model = shaken(GPT(V, 12, 16, 2, 2), by=0.5)
    alone = [torch.tensor([[4, 5]]), torch.tensor([[1, 2, 3]]), torch.tensor([[6]])]
    tokens = torch.tensor([[0, 4, 5], [1, 2, 3], [0, 0, 6]])
    return model, alone, tokens, tokens > 0


@pytest.mark.parametrize("filling", [0, 9])
def test_unequal_prompts_go_on_as_each_alone(filling):
    model, alone, tokens, valid = prompts()
    together = generate(model, tokens.masked_fill(~valid, filling), 6, top_k=1, valid=valid)
    for row, one in zip(together, alone):
        assert row[3:].tolist() == generate(model, one, 6, top_k=1)[0, one.shape[1]:].tolist()


def test_padding_in_front_changes_no_logits():
    model, alone, tokens, valid = prompts()
    logits, cache = step(model, tokens, valid=valid)
    more, _ = step(model, torch.full((3, 2), 8), cache, torch.nn.functional.pad(valid, (0, 2), value=True))
    for row, rest, one in zip(logits, more, alone):
        whole = model(torch.cat([one, torch.full((1, 2), 8)], 1))[0]
        torch.testing.assert_close(torch.cat([row[3 - one.shape[1]:], rest]), whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("valid", [[[1, 1, 0], [1, 1, 1]], [[1, 0, 1], [1, 1, 1]], [[0, 0, 0], [1, 1, 1]]])
def test_padding_elsewhere_is_refused(valid):
    with pytest.raises(ValueError, match="in front"):
        generate(GPTS, IDS[:, :3], 1, valid=torch.tensor(valid).bool())


# words without neighbours; another device

def test_a_word_without_neighbours_teaches_nothing():
    texts = [["a", "b"], ["c"]]
    corpus = Corpus(texts, Vocab(texts, specials=()))
    torch.manual_seed(0)
    model = shaken(CBOW(3, 8))
    around = neighbours(corpus.tokens, corpus.sentence, 2)
    lonely = (around < 0).all(1)
    assert lonely.tolist() == [False, False, True] and not model.hidden(around)[2].any()
    loss = yes_or_no(model(around, *(rows := NegativeSampling(corpus.counts, 3)(corpus.tokens))[:1]), *rows[1:])
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in model.parameters())
    two = model.hidden(around[:2])
    torch.testing.assert_close(two, model.input.weight[corpus.tokens[[1, 0]]])


def test_samplers_follow_their_targets():
    targets = torch.tensor([0, 2, 1, 0])
    asks = [lambda: NegativeSampling(COUNTS, 3, generator=torch.Generator().manual_seed(0)), lambda: HuffmanTree(*huffman(COUNTS))]
    here = [ask()(targets) for ask in asks]
    with pretend_gpu.switched_on():
        for ask, expected in zip(asks, here):
            ask = ask()
            found = ask(targets.to(DEVICE))
            assert all(x.device == DEVICE for x in found)
            assert all(torch.equal(x.to("cpu"), y) for x, y in zip(found, expected))
        assert all(x.device.type == "cpu" for x in asks[1]()(targets))
        around = neighbours(targets.to(DEVICE), torch.zeros(4, dtype=torch.int).to(DEVICE), 2, torch.Generator().manual_seed(1))
        assert around.device == DEVICE


def test_a_sampler_may_change_its_device_and_come_back():
    tree, targets = HuffmanTree(*huffman(COUNTS)), torch.tensor([0, 2])
    first = tree(targets)
    with pretend_gpu.switched_on():
        tree(targets.to(DEVICE))
        back = tree(targets)
    assert all(torch.equal(a, b) for a, b in zip(first, back))


def test_no_check_looks_at_numbers_inside_vmap():
    model, ids = GPT(V, 8, **TINY), IDS % V
    one_by_one = torch.func.vmap(lambda row: model(row[None])[0])(ids)
    torch.testing.assert_close(one_by_one, model(ids), atol=1e-5, rtol=0)


def test_no_check_looks_at_numbers_elsewhere():
    """There a look would stop the device, and what it computes would be wrong or an error of its own."""
    from evo.inputs import check_ids
    with pretend_gpu.switched_on():
        check_ids(torch.tensor([99]).to(DEVICE), 5)
        with pytest.raises(ValueError, match="float32"):
            check_ids(torch.tensor([1.0]).to(DEVICE), 5)


# published weights

def timm_vit():
    import timm
    return timm.models.vision_transformer.VisionTransformer(
        img_size=8, patch_size=4, in_chans=1, embed_dim=16, depth=1, num_heads=2, num_classes=5)


@pytest.mark.parametrize("wrap", [
    lambda sd: {"module." + k: v for k, v in sd.items()}, lambda sd: {"_orig_mod." + k: v for k, v in sd.items()},
    lambda sd: {"_orig_mod.module." + k: v for k, v in sd.items()}, lambda sd: {"module._orig_mod." + k: v for k, v in sd.items()},
    lambda sd: {"model": sd, "epoch": 3}, lambda sd: {"state_dict": {"module." + k: v for k, v in sd.items()}, "optimizer": {}},
    lambda sd: {"model_state_dict": sd, "args": None}, lambda sd: {"model": {"state_dict": sd}}])
def test_wrapped_weights_are_unwrapped(wrap):
    theirs = timm_vit().eval()
    ours = vit.load_timm(ViT(**SMALL, classes=5), wrap(theirs.state_dict()))
    torch.testing.assert_close(ours(IMAGES), theirs(IMAGES), atol=1e-5, rtol=0)
    again = weights.load(ViT(**SMALL, classes=5), wrap(ours.state_dict()))
    assert torch.equal(again(IMAGES), ours(IMAGES))


@pytest.mark.parametrize("wrong, said", [
    (timm_vit(), r"pass model\.state_dict\(\)"), ({"epoch": 3, "loss": 0.5}, "no tensors are: epoch, loss"), ([1, 2], "list"),
    ("vit.pt", "str"),
    ({"net": timm_vit().state_dict()}, "no tensors are: net"), ({}, "missing")])
def test_what_holds_no_weights_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        vit.load_timm(ViT(**SMALL, classes=5), wrong)


def test_only_the_patches_become_a_matrix():
    conv, kernel = nn.Conv2d(3, 64, 7).weight, torch.rand(16, 1, 4, 4)
    renamed = weights.rename({"conv1.weight": conv, "patch_embed.proj.weight": kernel}, vit.TIMM)
    assert renamed["conv1.weight"].shape == (64, 3, 7, 7) and renamed["patch.proj.weight"].shape == (16, 16)
    assert weights.rename({"stem.weight": kernel}, [], patches="^stem")["stem.weight"].shape == (16, 16)
