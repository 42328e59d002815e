"""What every model owes: gradients, counts, shapes, repeatability, clear errors."""
import pathlib

import pytest
import torch
from torch import nn

from evo import look, models, objectives
from evo.blocks import QuickGELU
from evo.masking import random_mask
from evo.models.alexnet import AlexNet
from evo.models.beit import BEiT, beit_base_patch16
from evo.models.bert import BERT, bert_base, bert_large
from evo.models.clip import CLIP, ImageTower, TextTower, clip_vit_base_patch32
from evo.models.convnet import GlobalAverage, conv_norm
from evo.models.convs2s import ConvS2S
from evo.models.densenet import DenseNet
from evo.models.dvae import DVAE
from evo.models.efficientnet import EfficientNet
from evo.models.elmo import ELMo, spell
from evo.models.googlenet import GoogLeNet
from evo.models.gpt import GPT, gpt2_small
from evo.models.gpt1 import GPT1, gpt1_base
from evo.models.igpt import IGPT
from evo.models.lenet import LeNet
from evo.models.lxmert import LXMERT, CoLayer, lxmert_base
from evo.models.mae import MAE, MAEWithMaskTokens, mae_vit_base_patch16
from evo.models.moco import MoCo
from evo.models.nin import NiN
from evo.models.nnlm import NNLM, DeepNNLM, Drawers
from evo.models.resnet import Bottleneck, Plain, ResNet
from evo.models.rnn import GRU, LSTM, RNN, Both, Deep, GRUAfter
from evo.models.rnnlm import RNNLM
from evo.models.rnnsearch import RNNSearch
from evo.models.seq2seq import Seq2Seq
from evo.models.simclr import SimCLR
from evo.models.swin import Swin, swin_base, swin_small, swin_tiny
from evo.models.textcnn import TextCNN
from evo.models.transformer import Transformer
from evo.models.vgg import VGG
from evo.models.vilt import ViLT, vilt_base_patch32
from evo.models.visualbert import VisualBERT, visualbert_base
from evo.models.vit import ViT, at_resolution, interpolate_positions, learned, sine_cosine, vit_base_patch16, with_head
from evo.models.word2vec import CBOW, SkipGram

TINY = dict(dim=32, depth=2, heads=4)
SMALL = dict(image_size=8, patch_size=4, channels=3, **TINY)
END = 49


def images(n=3):
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def tokens(n=3):
    ids = torch.randint(END, (n, 6), generator=torch.Generator().manual_seed(2))
    ids[torch.arange(n), torch.arange(n) % 3 + 3] = END
    return ids


def masked(n=3):
    return random_mask(n, 4, 0.5, torch.Generator().manual_seed(3))


def mae(cls=MAE):
    return cls(ViT(**SMALL, positions=sine_cosine), decoder_dim=16, decoder_depth=1, decoder_heads=2)


def segments(n=3):
    return (torch.arange(6) >= 3).long().expand(n, 6)


class Answers(BERT):
    """BERT, with its two answers in one row."""

    def forward(self, tokens, segments):
        guesses, follows = super().forward(tokens, segments)
        return torch.cat([guesses.flatten(1), follows], dim=1)


def one_row(model):
    """Of VisualBERT and LXMERT: the answers and what is read of the regions, in one row."""
    class Row(type(model)):
        def forward(self, tokens, regions):
            words, looks = self.read(tokens, regions)
            return torch.cat([*(out.flatten(1) for out in self.head(words)), looks.flatten(1)], dim=1)

    model.__class__ = Row
    return model


def regions(n=3):
    return torch.rand(n, 4, 9, generator=torch.Generator().manual_seed(5))


class Holes(BEiT):
    """BEiT, whose features are those of a picture with holes."""

    def features(self, images, masked):
        return self.encode(self.hide(self.embed(images), masked))


class Paints(DVAE):
    """DVAE without its draw: what all codes paint together, each with its share."""

    def forward(self, images):
        return self.paint(self.logits(images).softmax(1))


class BothWays(ELMo):
    """ELMo, with its two answers side by side."""

    def forward(self, characters):
        return torch.cat(super().forward(characters), dim=2)


class WordsAndPatches(ViLT):
    """ViLT, with its two answers in one row."""

    def forward(self, tokens, images):
        guesses, matches = super().forward(tokens, images)
        return torch.cat([guesses.flatten(1), matches, self.features(tokens, images).flatten(1)], dim=1)


def characters(n=3):
    return spell([["the", "cat"], ["sat", "down"], ["again"]][:n], length=8)[:, :4]


def vectors(n=3):
    return torch.randn(n, 6, 8, generator=torch.Generator().manual_seed(4))


def valid(n=3):
    return (torch.arange(6) < torch.tensor([[6], [4], [2]]))[:n]


def small_convnets():
    """One of each, for pictures of 32 x 32; dropout off, so that equal inputs give equal outputs."""
    stem = lambda width: conv_norm(3, width, 3, 2)
    return {
        "lenet": lambda: LeNet(3, 32, 5),
        "alexnet": lambda: without_dropout(AlexNet(3, 5, (4, 8, 8, 8, 4), 16, (5, 2, 2), places=1)),
        "vgg": lambda: without_dropout(VGG([(1, 4), (2, 8)], 3, 5, width=16, places=2)),
        "vgg with batch norm and means": lambda: VGG([(1, 4), (2, 8)], 3, 5, norm=True, summary=GlobalAverage()),
        "nin": lambda: NiN(3, 5, (4, 8, 8), (5, 2, 2), dropout=0),
        "googlenet": lambda: without_dropout(GoogLeNet(3, 5, [(2, (2, 4), (2, 2), 2), 3, (4, (2, 4), (2, 2), 2)], stem(4), inputs=4)),
        "resnet": lambda: ResNet((1, 2), (4, 8), 3, 5, stem=stem(4)),
        "resnet with bottlenecks": lambda: ResNet((1, 2), (4, 8), 3, 5, Bottleneck, stem(4)),
        "plain net": lambda: ResNet((1, 2), (4, 8), 3, 5, Plain, stem(4)),
        "densenet": lambda: DenseNet((2, 2), 4, 8, 3, 5, stem=stem(8)),
        "efficientnet": lambda: without_dropout(EfficientNet(1, 1, 3, 5, [(1, 3, 1, 8, 1), (2, 5, 2, 8, 2)], (8, 2), last=16)),
    }


def small_encoder():
    return ResNet((0, 1), (4, 8), 3, 0, stem=conv_norm(3, 4, 3, 2))


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def photos(n):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(n))


MODELS = {
    "vit": (lambda: ViT(**SMALL, classes=10), lambda n: (images(n),), (10,)),
    "vit without head": (lambda: ViT(**SMALL), lambda n: (images(n),), (32,)),
    "vit with fixed positions": (lambda: ViT(**SMALL, classes=10, positions=sine_cosine), lambda n: (images(n),), (10,)),
    "gpt": (lambda: GPT(vocab_size=50, length=8, **TINY), lambda n: (tokens(n),), (6, 50)),
    "gpt1": (lambda: GPT1(vocab_size=50, length=8, **TINY), lambda n: (tokens(n),), (6, 50)),
    "igpt": (lambda: IGPT(colours=50, length=8, **TINY), lambda n: (tokens(n),), (6, 50)),
    "bert": (lambda: Answers(vocab_size=50, length=8, **TINY), lambda n: (tokens(n), segments(n)), (6 * 50 + 2,)),
    "visualbert": (lambda: one_row(VisualBERT(50, 8, 9, **TINY)), lambda n: (tokens(n), regions(n)), (6 * 50 + 2 + 4 * 32,)),
    "lxmert": (lambda: one_row(LXMERT(50, 8, 9, 32, (1, 1, 2), 4)), lambda n: (tokens(n), regions(n)), (6 * 50 + 2 + 4 * 32,)),
    "lxmert of two widths": (lambda: one_row(LXMERT(50, 8, 9, 32, (1, 1, 2), 4, 24, CoLayer)),
                             lambda n: (tokens(n), regions(n)), (6 * 50 + 2 + 4 * 24,)),
    "transformer": (lambda: Transformer(vocab_size=50, **TINY), lambda n: (tokens(n), tokens(n)[:, 1:]), (5, 50)),
    "elmo": (lambda: BothWays(30, length=8, dim=8, cells=16, filters=[(1, 4), (3, 6)], char_dim=5), lambda n: (characters(n),), (4, 60)),
    "textcnn": (lambda: TextCNN(50, 8, widths=(2, 3), maps=5, classes=4, dropout=0), lambda n: (tokens(n), valid(n)), (4,)),
    "nnlm": (lambda: NNLM(50, 6, 8, 12), lambda n: (tokens(n),), (50,)),
    "nnlm with drawers": (lambda: NNLM(50, 6, 8, 12, True, 0, lambda *sizes: Drawers(*sizes, (10, 30))), lambda n: (tokens(n),), (50,)),
    "nnlm in layers": (lambda: DeepNNLM(50, 6, 8, 12), lambda n: (tokens(n),), (50,)),
    "rnns in layers": (lambda: Deep(RNN(8, 5), GRU(5, 6), GRUAfter(6, 4), LSTM(4, 7)), lambda n: (vectors(n), valid(n)), (6, 7)),
    "rnns from both sides": (lambda: Both(LSTM, 8, 5), lambda n: (vectors(n), valid(n)), (6, 10)),
    "rnnlm": (lambda: RNNLM(50, GRU(8, 12), output=lambda *sizes: Drawers(*sizes, (10, 30))), lambda n: (tokens(n),), (6, 50)),
    "seq2seq": (lambda: Seq2Seq(50, 8, 12), lambda n: (tokens(n), tokens(n)[:, 1:], valid(n)), (5, 50)),
    "rnnsearch": (lambda: RNNSearch(50, 8, 12, looks=7), lambda n: (tokens(n), tokens(n)[:, 1:], valid(n)), (5, 50)),
    "convs2s": (lambda: ConvS2S(50, 8, 2), lambda n: (tokens(n), tokens(n)[:, 1:], valid(n)), (5, 50)),
    "skip-gram": (lambda: SkipGram(50, 8), lambda n: (tokens(n)[:, 0], tokens(n)), (6,)),
    "cbow": (lambda: CBOW(50, 8), lambda n: (tokens(n).masked_fill(~valid(n), -1), tokens(n)), (6,)),
    "mae": (lambda: mae(), lambda n: (images(n), masked(n)), (4, 48)),
    "mae with mask tokens": (lambda: mae(MAEWithMaskTokens), lambda n: (images(n), masked(n)), (4, 48)),
    "beit": (lambda: Holes(**SMALL, outputs=7), lambda n: (images(n), masked(n)), (4, 7)),
    "dvae": (lambda: Paints(4, 3, codes=9, dim=8), lambda n: (images(n),), (3, 8, 8)),
    "clip": (lambda: CLIP(image=ImageTower(**SMALL), text=TextTower(50, 8, **TINY), dim=16, end_token=END),
             lambda n: (images(n), tokens(n)), None),
    "clip of our own towers": (lambda: CLIP(image=ViT(**SMALL), text=GPT(50, 8, **TINY), dim=16, end_token=END),
                               lambda n: (images(n), tokens(n)), None),
    "vilt": (lambda: WordsAndPatches(vocab_size=50, length=8, **SMALL), lambda n: (tokens(n), images(n)), (6 * 50 + 2 + 11 * 32,)),
    "simclr": (lambda: SimCLR(small_encoder(), out=6), lambda n: (photos(n),), (6,)),
    "moco": (lambda: MoCo(small_encoder(), out=6, waiting=9), lambda n: (photos(n),), (6,)),
    "swin": (lambda: Swin(4, 3, 16, (2, 2), 2, window=2, classes=5), lambda n: (photos(n),), (5,)),
    "swin, maps filled up": (lambda: Swin(4, 3, 16, (2, 2), 2, window=3, classes=5), lambda n: (photos(n),), (5,)),
    **{name: (build, lambda n: (photos(n),), (5,)) for name, build in small_convnets().items()},
}


# every file, and the protocol of evo.models

NO_MODEL = {"weights": "published weights under our names", "convnet": "what convolutional networks share",
            "glove": "two tables, moved by AdaGrad written out; see tests/test_glove_properties.py",
            "fasttext": "word2vec's fast trainer with more rows; see tests/test_glove_properties.py"}
OTHERWISE = {
    "word2vec": "a table of vectors, one a word: `hidden` looks them up, and nothing stands above them",
    "nnlm": "its output is asked for one word or for all (`log_prob`, `forward`), so that only the drawer needed is opened",
    "rnn": "layers, from vectors to states; what guesses stands above them, in rnnlm or in a chapter",
    "rnnlm": "as nnlm",
    "dvae": "its features are codes, by `encode`; it is thrown away but for these",
    "clip": "two towers, each with features and dim of its own; encode_image and encode_text lead into one space",
    "elmo": "its features are two directions side by side, 2 * dim numbers, of which `head` reads each by itself",
}


def file_of(model):
    """The file of evo.models in which a class or its first ancestor there stands."""
    return next(c.__module__.split(".")[-1] for c in type(model).__mro__ if c.__module__.startswith("evo.models"))


def test_every_file_of_evo_models_is_tested_here():
    files = {path.stem for path in pathlib.Path(models.__file__).parent.glob("*.py")} - {"__init__"}
    assert {file_of(build()) for build, _, _ in MODELS.values()} | NO_MODEL.keys() == files
    assert OTHERWISE.keys() < files and not OTHERWISE.keys() & NO_MODEL.keys()


@pytest.mark.parametrize("name", MODELS)
def test_features_dim_and_head(name):
    build, inputs, _ = MODELS[name]
    model = build()
    kept = callable(getattr(model, "features", None)) and callable(getattr(model, "head", None)) and \
        model.features(*inputs(3)).shape[-1] == model.dim and model.features(*inputs(3)).shape[0] == 3
    assert kept == (file_of(model) not in OTHERWISE)


# weights and draws as they always were: the sums were taken at commit 36854a4, before blocks took modules

def fixed():
    return ViT(**SMALL, positions=sine_cosine)


FRESH = {
    "vit": (lambda: ViT(**SMALL, classes=10), 3532.012037984201),
    "vit with fixed positions": (fixed, 3804.062494388726),
    "gpt": (lambda: GPT(50, 8, **TINY), 3600.0606458721318),
    "gpt with another activation": (lambda: GPT(50, 8, **TINY, activation=QuickGELU), 3600.0606458721318),
    "bert": (lambda: BERT(50, 8, **TINY), 4995.948441593555),
    "transformer": (lambda: Transformer(50, **TINY), 15594.771217620842),
    "mae": (lambda: MAE(fixed(), 16, 2, 2), 10054.83309246741),
    "mae with mask tokens": (lambda: MAEWithMaskTokens(fixed(), 16, 2, 2), 10054.630220904817),
    "image tower": (lambda: ImageTower(**SMALL), 5110.6585124171625),
    "text tower": (lambda: TextTower(50, 8, **TINY), 3736.795748473293),
    "clip of our own towers": (lambda: CLIP(ViT(**SMALL), GPT(50, 8, **TINY), dim=16, end_token=49), 14750.302597717087),
    "elmo": (lambda: ELMo(20, length=12, dim=8, cells=16, filters=[(1, 4), (3, 6)], char_dim=5), 1751.6462151523274),
    "textcnn": (lambda: TextCNN(50, 8, widths=(2, 3), maps=5, classes=4), -3.4511161581687353),
    "skip-gram": (lambda: SkipGram(30, 8), 0.38140136190538115),
    "cbow": (lambda: CBOW(30, 8), 0.38140136190538115),
}


def ramp(tensors):
    """A sum in which every number of every tensor has its own weight."""
    return sum(k * (t.double().flatten() * torch.linspace(1, 2, t.numel(), dtype=torch.double)).sum().item()
               for k, t in enumerate(tensors, 1))


@pytest.mark.parametrize("name", FRESH)
def test_a_seed_gives_the_weights_it_always_gave(name):
    build, recorded = FRESH[name]
    torch.manual_seed(0)
    assert ramp(build().state_dict().values()) == pytest.approx(recorded, rel=1e-6, abs=1e-4)


@pytest.fixture(params=MODELS)
def case(request):
    torch.manual_seed(0)
    build, inputs, shape = MODELS[request.param]
    return build, inputs, shape


def test_shape(case):
    build, inputs, shape = case
    assert build()(*inputs(3)).shape == ((3, 3) if shape is None else (3, *shape))


def test_every_trained_parameter_gets_a_gradient(case):
    build, inputs, _ = case
    model = build()
    with torch.no_grad():  # away from the zeros of the start, where some gradients vanish by design
        for p in model.parameters():
            p.add_(0.05 * torch.randn_like(p))
    model(*inputs(3)).square().mean().backward()
    dead = [name for name, p in model.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert not dead
    assert all(p.grad is None for p in model.parameters() if not p.requires_grad)


def test_equal_seeds_give_equal_bits(case):
    build, inputs, _ = case
    losses = []
    for _ in range(2):
        torch.manual_seed(5)
        model = build()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
        for _ in range(3):
            loss = model(*inputs(3)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append((loss, *model.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*losses))


def normed(model):
    """Whether batch norm makes an example's answer depend on the others in training."""
    return any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_batch_size_does_not_matter(case):
    build, inputs, shape = case
    model, whole = build(), inputs(3)
    model.train(not normed(model))
    one = model(*(t[:1] for t in whole))
    many = model(*whole)
    torch.testing.assert_close(one, many[:1, :1] if shape is None else many[:1], atol=1e-5, rtol=1e-5)


def test_training_mode_changes_nothing(case):
    build, inputs, _ = case
    model = build()
    assert torch.equal(model.train()(*inputs(3)), model.eval()(*inputs(3))) != normed(model)


def test_bfloat16_autocast(case):
    build, inputs, _ = case
    model = build()
    full = model(*inputs(3))
    with torch.autocast("cpu", torch.bfloat16):
        half = model(*inputs(3))
    half.float().square().mean().backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == torch.float32 for p in model.parameters() if p.grad is not None)
    torch.testing.assert_close(half.float(), full, atol=0.15 * float(full.detach().abs().max()) + 1e-3, rtol=0)


def test_half_precision_weights(case):
    build, inputs, _ = case
    model = build().bfloat16()
    out = model(*(t.bfloat16() if t.is_floating_point() else t for t in inputs(3)))
    assert out.dtype == torch.bfloat16 and out.isfinite().all()


def test_weights_survive_a_file(case, tmp_path):
    from safetensors.torch import load_file, save_file
    build, inputs, _ = case
    model, other = build(), build()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")  # refuses tensors under two names
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(model(*inputs(3)), other(*inputs(3)))


@pytest.mark.parametrize("name", ["vit", "gpt", "bert", "mae"])
def test_export(name):
    torch.manual_seed(0)
    build, inputs, _ = MODELS[name]
    model = build().eval()
    exported = torch.export.export(model, inputs(3)).module()
    torch.testing.assert_close(exported(*inputs(3)), model(*inputs(3)))


def test_exported_mae_takes_other_ratios():
    torch.manual_seed(0)
    model = mae().eval()
    exported = torch.export.export(model, (images(), masked())).module()
    fewer = random_mask(3, 4, 0.25)
    torch.testing.assert_close(exported(images(), fewer), model(images(), fewer))


@pytest.mark.parametrize("build, count", [
    (vit_base_patch16, 86_567_656), (mae_vit_base_patch16, 111_907_840), (beit_base_patch16, 91_974_992), (gpt2_small, 124_439_808),
    (gpt1_base, 116_534_784),
    (bert_base, 110_106_428), (bert_large, 336_226_108), (clip_vit_base_patch32, 151_277_313),
    (swin_tiny, 28_288_354), (swin_small, 49_606_258), (swin_base, 87_768_224), (visualbert_base, 111_680_828), (lxmert_base, 208_560_956),
    (vilt_base_patch32, 112_217_660)])
def test_paper_sizes_have_the_published_counts(build, count):
    with torch.device("meta"):
        model = build()
    assert sum(p.numel() for p in model.parameters()) == count


# the start

def test_a_new_head_answers_nothing_and_new_gpt_is_unsure():
    torch.manual_seed(0)
    assert not ViT(**SMALL, classes=10)(images()).any()
    logits = GPT(50, 8, **TINY)(tokens())
    assert objectives.next_token(logits, tokens()).item() == pytest.approx(torch.tensor(50.0).log().item(), abs=0.1)


def test_initial_scales():
    torch.manual_seed(0)
    vit = ViT(32, 8, 3, dim=128, depth=4, heads=4, classes=10)
    qkv, proj = vit.encoder.blocks[0].attn.qkv.weight, vit.encoder.blocks[0].attn.proj.weight
    xavier = (6 / 256) ** 0.5  # the same for each of q, k, v as for the square matrix behind them
    assert qkv.abs().max().item() == pytest.approx(xavier, rel=0.01) and proj.abs().max().item() == pytest.approx(xavier, rel=0.01)
    assert vit.patch.proj.weight.std().item() == pytest.approx(192**-0.5, rel=0.05)
    gpt = GPT(200, 64, dim=128, depth=8, heads=4)
    assert gpt.token.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert gpt.position.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert gpt.encoder.blocks[3].mlp[2].weight.std().item() == pytest.approx(0.02 / 4, rel=0.05)
    bert = BERT(200, 64, dim=128, depth=2, heads=4)
    for matrix in (bert.token, bert.segment, bert.encoder.blocks[1].mlp[2], bert.pooler, bert.transform[0]):
        assert matrix.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert not bert.encoder.blocks[0].attn.qkv.bias.any() and not bert.bias.any()
    model = mae()
    assert model.enter.weight.abs().max() <= (6 / 48) ** 0.5 and not model.enter.bias.any()


def test_eight_images_are_learned_by_heart():
    torch.manual_seed(0)
    model, x, y = ViT(**SMALL, classes=10), images(8), torch.arange(8)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(100):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05


# positions

def test_sine_cosine_by_hand():
    """Columns first, then rows, as in the official file, whose names say the opposite."""
    table = sine_cosine(2, 8)[0]
    assert table.shape == (5, 8) and not table[0].any()
    wave = lambda t: [t.sin(), (t / 100).sin(), t.cos(), (t / 100).cos()]
    zero, one = torch.tensor(0.0), torch.tensor(1.0)
    torch.testing.assert_close(table[2], torch.stack(wave(one) + wave(zero)))  # row 0, column 1
    torch.testing.assert_close(table[3], torch.stack(wave(zero) + wave(one)))  # row 1, column 0


def test_interpolated_positions_keep_cls_and_smooth_tables():
    position = torch.randn(1, 17, 8)
    torch.testing.assert_close(interpolate_positions(position, 4), position)
    larger = interpolate_positions(position, 8)
    assert larger.shape == (1, 65, 8) and torch.equal(larger[:, 0], position[:, 0])
    torch.testing.assert_close(interpolate_positions(torch.ones(1, 17, 8), 7), torch.ones(1, 50, 8))


def test_a_vit_reads_larger_images_after_interpolation():
    torch.manual_seed(0)
    vit = with_head(ViT(**SMALL), 10)
    larger = at_resolution(vit, 16)
    assert larger(torch.randn(2, 3, 16, 16)).shape == (2, 10) and vit(images()).shape == (3, 10)
    torch.testing.assert_close(at_resolution(vit, 8).features(images()), vit.features(images()))


@pytest.mark.parametrize("size, patch", [((8, 12), 4), ((6, 2), 2)])
@pytest.mark.parametrize("positions", [learned, sine_cosine])
def test_oblong_images(size, patch, positions):
    torch.manual_seed(0)
    vit = ViT(size, patch, 3, **TINY, classes=10, positions=positions)
    rows, columns = size[0] // patch, size[1] // patch
    assert vit.patch.grid == (vit.patch.rows, vit.patch.columns) == (rows, columns)
    oblong = torch.randn(2, 3, *size)
    assert vit(oblong).shape == (2, 10) and vit.features(oblong).shape == (2, 1 + rows * columns, 32)
    with pytest.raises(ValueError, match="this model reads"):
        vit(oblong.mT)
    model = MAE(ViT(size, patch, 3, **TINY, positions=positions), 16, 1, 2)
    assert model(oblong, random_mask(2, rows * columns, 0.5)).shape == (2, rows * columns, patch**2 * 3)


def test_positions_of_an_oblong_are_a_part_of_the_square_and_stretch_by_side():
    square, oblong = sine_cosine(4, 8)[0, 1:].view(4, 4, 8), sine_cosine((2, 4), 8)[0, 1:].view(2, 4, 8)
    assert torch.equal(oblong, square[:2])
    table = torch.arange(3.0)[None, :, None].expand(2, 3, 8).reshape(1, 6, 8)  # says the column
    wide = interpolate_positions(torch.cat([torch.zeros(1, 1, 8), table], 1), (4, 3), old=(2, 3))
    torch.testing.assert_close(wide[0, 1:].view(4, 3, 8)[..., 0], torch.arange(3.0).expand(4, 3), atol=1e-5, rtol=0)


def test_a_square_vit_reads_oblong_images_after_interpolation_and_comes_back():
    torch.manual_seed(0)
    vit = with_head(ViT(**SMALL), 10)
    wide = at_resolution(vit, (8, 16))
    assert wide(torch.randn(2, 3, 8, 16)).shape == (2, 10) and wide.patch.grid == (2, 4) and vit.patch.grid == 2
    assert at_resolution(wide, 8)(images()).shape == (3, 10)
    same = at_resolution(wide, (8, 16))
    torch.testing.assert_close(same.position, wide.position)


def test_attention_maps():
    vit, gpt = ViT(**SMALL), GPT(50, 8, **TINY)
    maps = vit.attentions(images())
    assert len(maps) == 2 and maps[0].shape == (3, 4, 5, 5)
    assert not torch.stack(look.attentions(gpt, tokens())).triu(1).any()


def test_a_new_head_leaves_the_old_model_alone():
    vit = ViT(**SMALL)
    with_head(vit, 10).cls.data.fill_(7)
    assert isinstance(vit.head, nn.Identity) and not vit.cls.any()


# CLIP

def test_clip_never_sees_behind_the_end_token():
    torch.manual_seed(0)
    model, ids = MODELS["clip"][0](), tokens()
    other = ids.clone()
    for row, end in enumerate((ids == END).int().argmax(1)):
        other[row, end + 1:] = 7
    assert not torch.equal(ids, other)
    torch.testing.assert_close(model.encode_text(ids), model.encode_text(other))


def test_clip_features_have_length_one():
    model = MODELS["clip"][0]()
    for z in (model.encode_image(images()), model.encode_text(tokens())):
        torch.testing.assert_close(z.norm(dim=1), torch.ones(3))


def test_clip_scale_is_clipped_but_free_to_come_back():
    model = MODELS["clip"][0]()
    assert model.scale().item() == pytest.approx(1 / 0.07, rel=1e-5)
    model.log_scale.data.fill_(9.0)
    assert model.scale().item() == pytest.approx(100, rel=1e-5)
    model.scale().backward()
    assert model.log_scale.grad.item() == pytest.approx(100, rel=1e-5)


# errors

@pytest.mark.parametrize("make, word", [
    (lambda: ViT(28, 5, 1, **TINY), "image_size=28"),
    (lambda: ViT(8, 4, 3, dim=30, depth=1, heads=4), "heads=4"),
    (lambda: ViT(8, 4, 3, dim=6, depth=1, heads=2, positions=sine_cosine), "dim=6"),
    (lambda: ViT(**SMALL)(torch.randn(2, 1, 8, 8)), "this model reads"),
    (lambda: ViT(**SMALL)(torch.randn(2, 3, 16, 16)), "this model reads"),
    (lambda: GPT(50, 8, **TINY)(torch.zeros(2, 9, dtype=torch.long)), "length=8"),
    (lambda: GPT(50, 8, **TINY)(torch.zeros(9, dtype=torch.long)), r"\(B, N\)"),
    (lambda: BERT(50, 8, **TINY)(torch.zeros(2, 9, dtype=torch.long)), "length=8: cut the texts"),
    (lambda: BERT(50, 8, **TINY)(torch.zeros(2, 0, dtype=torch.long)), "1 <= N"),
    (lambda: BERT(50, 8, **TINY)(torch.zeros(9, dtype=torch.long)), r"\(B, N\)"),
    (lambda: MAE(ViT(**SMALL, classes=10), 16, 1, 2), "classes=0"),
    (lambda: mae()(images(), torch.zeros(3, 9, dtype=torch.bool)), r"\(3, 9\)"),
    (lambda: mae()(images(), torch.tensor([[True, False, False, False]] * 2 + [[True, True, False, False]])), "same number"),
    (lambda: BEiT(**SMALL, outputs=7)(images(), torch.zeros(3, 9, dtype=torch.bool)), r"\(3, 9\)"),
    (lambda: DVAE(4, 3, 9, 8).decode(torch.full((1, 4), 9)), "id 9"),
    (lambda: MODELS["clip"][0]()(images(), torch.zeros(3, 6, dtype=torch.long)), "end_token=49"),
    (lambda: at_resolution(ViT(**SMALL), 10), "image_size=10"),
    (lambda: interpolate_positions(torch.randn(1, 4, 8), 4), "square"),
])
def test_bad_input_is_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()
