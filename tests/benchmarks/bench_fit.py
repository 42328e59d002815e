"""A step of `fit` as it is today against the same step as it was: how much faster the book's recipes have become.

    python tests/benchmarks/bench_fit.py [--json FILE] [--threads 1] [--rounds 21] [--only BERT GPT ...] [--more]

As it was on 2026-11-21, when the question was asked: AdamW without its fused kernel, memory given back to the system after
every step, and the gradient's norm not looked at. Models, losses, batches and sizes are of the kind of the book's recipes;
what goes in is drawn. Both steps run in one process and take turns, first one and then the other first; a turn is
one step that is not counted and three that are. A recipe's ratio is the median over these pairs of turns, of processor
time; the ratio over all is their geometric mean. Below 1: today's step is faster. There is no target.

--more asks what else could make a step cheaper: half precision (bf16), the loss through `torch.compile`, and both. Each
becomes a further side, and the best of all for every recipe has a mean of its own. That takes a C++ compiler and up to
minutes before a recipe's first step, which are printed and not counted.

Memory: today's side sets the thresholds that `fit` sets. The side as it was sets 32 MiB and 64 MiB, the highest that glibc
lets its own thresholds grow to, so it is, if anything, faster than it was.
"""
import ctypes
import math
import pathlib
import statistics
import sys
import time
from types import SimpleNamespace

import bench_options
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from evo import recipe
from evo.blocks import patchify
from evo.loop import make_accelerator
from evo.masking import bert_mask, random_mask
from evo.models import elmo
from evo.models.bert import BERT
from evo.models.clip import CLIP, ImageTower, TextTower
from evo.models.gpt import GPT
from evo.models.mae import MAE
from evo.models.resnet import small_resnet
from evo.models.rnnsearch import RNNSearch
from evo.models.swin import Swin
from evo.models.textcnn import TextCNN
from evo.models.vit import ViT
from evo.models.word2vec import SkipGram
from evo.objectives import clip_loss, masked_regression, next_token
from evo.tokenizers import Vocab
from evo.train import Batches

STEPS, COUNTED = 10_000, 3
TEXT = dict(vocab_size=7500, length=48, dim=128, depth=3, heads=4)
PLAN = dict(steps=STEPS, lr=1e-3, seed=0, weight_decay=0.05, warmup=0.05, clip=1.0, accumulate=1, precision="fp32")


def tokens(*shape, vocab_size=7500):
    return torch.randint(5, vocab_size, shape)


def pictures(size=28, channels=1):
    return torch.rand(256, channels, size, size), torch.randint(10, (256,))


def small_vit(classes=10):
    return ViT(image_size=28, patch_size=4, channels=1, dim=48, depth=4, heads=4, classes=classes)


def names(model, images, labels):
    return F.cross_entropy(model(images), labels)


def bert():
    def loss(model, x):
        holes, masked = bert_mask(x, x > 4, 4, 7500, 0.4)
        return F.cross_entropy(model(holes, masked=masked)[0], x[masked])

    return BERT(**TEXT), loss, Batches(tokens(256, 24), size=64)


def gpt():
    return GPT(**TEXT), lambda model, x: next_token(model(x), x), Batches(tokens(256, 24), size=64)


def skip_gram():
    def loss(model, centre, beside):
        rows = torch.cat([beside[:, None], tokens(len(centre), 5)], 1)
        return F.binary_cross_entropy_with_logits(model(centre, rows), (torch.arange(6) == 0).float().expand(len(centre), 6))

    return SkipGram(7500, 64), loss, Batches(tokens(20_000), tokens(20_000), size=8192)


def text_cnn():
    texts, there = tokens(256, 24), torch.ones(256, 24, dtype=torch.bool)
    return (TextCNN(7500, 64, maps=64, classes=10), lambda model, x, valid, labels: F.cross_entropy(model(x, valid), labels),
            Batches(texts, there, torch.randint(10, (256,)), size=64))


def elmo_small():
    words = ["".join(chr(97 + n) for n in row) for row in torch.randint(26, (3000, 6)).tolist()]
    sentences = [[words[i] for i in row] for row in torch.randint(3000, (640, 14)).tolist()]
    vocab = Vocab(sentences, specials=elmo.SPECIALS)
    corpus = elmo.Corpus(sentences, vocab, 32)
    return elmo.elmo_small(len(vocab)), corpus.loss, Batches(corpus.blocks(32), size=1)


def translation():
    def loss(model, source, target):
        return F.cross_entropy(model(source, target[:, :-1]).flatten(0, 1), target[:, 1:].flatten())

    return RNNSearch(2000, 128, 160), loss, Batches(tokens(256, 12, vocab_size=2000), tokens(256, 12, vocab_size=2000), size=64)


def vit():
    return small_vit(), names, Batches(*pictures(), size=64)


def mae():
    def loss(model, images):
        masked = random_mask(len(images), 49, 0.75)
        return masked_regression(model(images, masked), patchify(images, 4), masked)

    return MAE(small_vit(0), decoder_dim=32, decoder_depth=1, decoder_heads=4), loss, Batches(pictures()[0], size=64)


def resnet():
    return small_resnet(1), names, Batches(*pictures(), size=64)


def swin():
    return Swin(4, 3, 24, (2, 2), 3, window=4, classes=10), names, Batches(*pictures(32, 3), size=32)


def clip():
    texts = tokens(256, 16, vocab_size=1999)
    texts[:, -1] = 1999  # the end
    towers = ImageTower(32, 4, 3, 64, 3, 4), TextTower(2000, 16, 64, 2, 4)
    return CLIP(*towers, 64, 1999), lambda model, x, y: clip_loss(model(x, y)), Batches(pictures(32, 3)[0], texts, size=64)


RECIPES = {
    "skip-gram": skip_gram, "text CNN": text_cnn, "ELMo": elmo_small, "BERT": bert, "GPT": gpt, "translation": translation,
    "ViT": vit, "MAE": mae, "ResNet": resnet, "Swin": swin, "CLIP": clip,
}  # fmt: skip


# ---- the two steps


def step_as_it_was(accelerator, model, optimizer, loss_fn, batches, step, plan):
    """`evo.train._step` of 2026-11-21, with what stood around it in the loop."""
    for group in optimizer.param_groups:
        group["lr"] = plan["lr"] * recipe.schedule(step, plan["steps"], plan["warmup"])
    parts = [torch.tensor_split(t, 1) for t in batches.at(step, plan["seed"])]
    torch.manual_seed(recipe.mix(plan["seed"], step, 0))
    with accelerator.autocast():
        loss = loss_fn(model, *(p[0].to(accelerator.device) for p in parts))
    accelerator.backward(loss)
    total = float(loss.detach())
    if not math.isfinite(total):
        raise FloatingPointError(f"the loss is {total} at step {step}")
    accelerator.clip_grad_norm_(model.parameters(), plan["clip"])
    optimizer.step()
    optimizer.zero_grad()
    return total


def plain_optimizer(model, plan, device):
    return torch.optim.AdamW(recipe.groups(model, plan["weight_decay"]), lr=plan["lr"], betas=recipe.BETAS)


def kept_memory(large, trim):
    """glibc's thresholds in bytes: a piece as large is mapped by itself, and as much free memory is given back."""
    try:
        libc = ctypes.CDLL("libc.so.6")
        return lambda: (libc.mallopt(-3, large), libc.mallopt(-1, trim))
    except (OSError, AttributeError):  # another C library has no such thing to set
        return lambda: None


def today(precision="fp32", compiled=False):
    return SimpleNamespace(optimizer=recipe.make_optimizer, step=recipe.take_step, memory=kept_memory(2**30, 2**31 - 1),
                           precision=precision, compiled=compiled)


BEFORE = SimpleNamespace(optimizer=plain_optimizer, step=step_as_it_was, memory=kept_memory(2**25, 2**26), precision="fp32", compiled=False)
WAYS = {"today": today(), "as it was": BEFORE}
MORE = {"bf16": today("bf16"), "compiled": today(compiled=True), "compiled, bf16": today("bf16", compiled=True)}


def side(way, recipe_of):
    """A run that goes on: a function that takes some steps and returns the losses of all so far."""
    torch.manual_seed(0)
    model, loss_fn, batches = recipe_of()
    if way.compiled:  # the generators of eager mode, so that dropout draws the same
        torch._inductor.config.fallback_random = True
        loss_fn = torch.compile(loss_fn)
    accelerator = make_accelerator(way.precision)
    optimizer = way.optimizer(model, PLAN, accelerator.device)
    model, optimizer = accelerator.prepare(model.train(), optimizer)
    losses = []

    def steps(count):
        for _ in range(count):
            loss = way.step(accelerator, model, optimizer, loss_fn, batches, len(losses), PLAN)
            losses.append(loss[0] if isinstance(loss, tuple) else loss)
        return losses

    return way, steps


def measure(name, rounds, more=()):
    """One recipe's row; more: names in MORE, whose ratios stand behind."""
    ways = {**WAYS, **{k: MORE[k] for k in more}}
    sides, losses, first = [side(way, RECIPES[name]) for way in ways.values()], [], []
    for way, steps in sides:
        way.memory()
        start = time.perf_counter()
        losses.append(torch.tensor(steps(3)))
        first.append(time.perf_counter() - start)
    for (way, _), found in zip(sides, losses):  # the same run, or the comparison is none; eight bits are not that near
        near = 1 if way.precision == "fp32" else 100
        torch.testing.assert_close(found, losses[0], atol=near * 1e-4, rtol=near * 1e-3)
    seconds = [[] for _ in sides]
    for i in range(rounds):
        for k in range(len(sides))[:: (1, -1)[i % 2]]:
            way, steps = sides[k]
            way.memory()
            steps(1)
            start = time.process_time()
            steps(COUNTED)
            seconds[k].append((time.process_time() - start) / COUNTED)
    medians = [1000 * statistics.median(turns) for turns in seconds]
    ratios = [statistics.median(a / b for a, b in zip(turns, seconds[1])) for turns in seconds]
    row = {"recipe": name, "milliseconds": round(medians[0], 2), "peer_milliseconds": round(medians[1], 2), "ratio": round(ratios[0], 3)}
    row |= {k: round(ratio, 3) for k, ratio in zip(more, ratios[2:])}
    return row | {f"{k}, first three steps": round(s, 1) for k, s in zip(more, first[2:])}


def mean(ratios):
    return math.exp(statistics.fmean(map(math.log, ratios)))


def main():
    parser = bench_options.options(__doc__, threads=1, rounds=21)
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--more", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    more, rows = tuple(MORE) if args.more else (), []
    for name in args.only:
        rows.append(r := measure(name, args.rounds, more))
        print(f"{name}: {r['milliseconds']} ms a step, {r['peer_milliseconds']} ms as it was, ratio {r['ratio']}"
              + "".join(f"; {k} {r[k]} ({r[f'{k}, first three steps']} s)" for k in more), flush=True)
    total = {"recipe": "all", "recipes": len(rows), "ratio": round(mean(r["ratio"] for r in rows), 3)}
    print(f"geometric mean over {len(rows)} recipes: {total['ratio']}")
    if more:
        total |= {k: round(mean(r[k] for r in rows), 3) for k in more}
        total["best"] = round(mean(min(r["ratio"], *(r[k] for k in more)) for r in rows), 3)
        print("; ".join(f"{k} {total[k]}" for k in more) + f"; the best of these for every recipe: {total['best']}")
    bench_options.save([*rows, total], args)


if __name__ == "__main__":
    main()
