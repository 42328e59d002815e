"""One training step of ResNet, ViT, Swin, MAE, BEiT, GPT, BERT, ViLT, LoRA and recurrent layers against libraries.

    python tests/benchmarks/bench_models.py [--json FILE] [--threads 1] [--rounds 42]
        [--only resnet vit swin swin_timm mae beit gpt gpt_fused bert bert_hidden vilt lora lstm gru]

Same sizes, same data, one process. A step is forward, loss, backward and AdamW in fp32 on the CPU. The two sides take
turns, first one and then the other first, and the ratio is the median over these pairs, because machines change their
speed from one minute to the next, and over several builds of both, because where in memory a model happens to lie
moves its time by up to 3 %; below 1 means that evo is faster. Time is processor time, which
with one thread is the wall-clock time of an idle machine and does not mind other programs. Peak memory is what tensors
hold at most during a step (parameters, gradients, optimizer, activations, scratch space of kernels), counted from
the allocator's own events: it is the same in every run and knows nothing of what the libraries import.
"""
import copy
import math
import pathlib
import statistics
import sys
import time

import bench_options
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from evo.blocks import Encoder
from evo.lora import add_lora
from evo.masking import bert_mask, blockwise_mask, random_mask
from evo.models.beit import BEiT
from evo.models.bert import BERT
from evo.models.gpt import GPT
from evo.models.mae import MAE
from evo.models.resnet import resnet18
from evo.models.rnn import LSTM, GRUAfter
from evo.models.rnnlm import RNNLM
from evo.models.swin import Swin
from evo.models.vilt import ViLT
from evo.models.vit import ViT, sine_cosine
from evo.objectives import masked_cross_entropy, masked_regression, next_token

SIZE = dict(dim=192, depth=6, heads=3)  # a chapter's size: 64 px, patches of 8, 2.7 million parameters
HF_SIZE = dict(hidden_size=192, num_hidden_layers=6, num_attention_heads=3, intermediate_size=768)


def vit():
    """timm's VisionTransformer, classification."""
    import timm
    images, labels = torch.randn(32, 3, 64, 64), torch.randint(10, (32,))
    ours = ViT(image_size=64, patch_size=8, channels=3, classes=10, **SIZE)
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=64, patch_size=8, num_classes=10, embed_dim=192, depth=6, num_heads=3)
    return [(model, lambda model=model: F.cross_entropy(model(images), labels)) for model in (ours, theirs)]


def resnet():
    """torchvision's resnet18, classification."""
    import torchvision
    images, labels = torch.randn(32, 3, 64, 64), torch.randint(10, (32,))
    sides = resnet18(classes=10), torchvision.models.resnet18(num_classes=10)
    return [(model, lambda model=model: F.cross_entropy(model(images), labels)) for model in sides]


SWIN_SIZE = dict(embed_dim=48, depths=[2, 2, 2], num_heads=[3, 6, 12])


def swin(theirs=None):
    """torchvision's SwinTransformer, classification, windows of 4, every second one shifted."""
    if theirs is None:
        import torchvision
        theirs = torchvision.models.SwinTransformer(
            patch_size=[4, 4], window_size=[4, 4], stochastic_depth_prob=0.0, num_classes=10, **SWIN_SIZE)
    images, labels = torch.randn(32, 3, 64, 64), torch.randint(10, (32,))
    sides = Swin(4, 3, 48, (2, 2, 2), 3, window=4, classes=10), theirs
    return [(model, lambda model=model: F.cross_entropy(model(images), labels)) for model in sides]


def swin_timm():
    """timm's SwinTransformer, classification, windows of 4, every second one shifted."""
    import timm
    return swin(timm.models.swin_transformer.SwinTransformer(
        img_size=64, window_size=4, drop_path_rate=0.0, num_classes=10, **SWIN_SIZE))


def mae():
    """transformers' ViTMAEForPreTraining, 75 % hidden, mask and targets made in the step."""
    import transformers
    images = torch.randn(32, 3, 64, 64)
    ours = MAE(ViT(image_size=64, patch_size=8, channels=3, positions=sine_cosine, **SIZE),
               decoder_dim=96, decoder_depth=2, decoder_heads=3)
    theirs = transformers.ViTMAEForPreTraining(transformers.ViTMAEConfig(
        **HF_SIZE, image_size=64, patch_size=8, decoder_hidden_size=96, decoder_num_hidden_layers=2,
        decoder_num_attention_heads=3, decoder_intermediate_size=384, mask_ratio=0.75))

    def our_loss():
        masked = random_mask(32, 64, 0.75)
        return masked_regression(ours(images, masked), theirs.patchify(images), masked)

    return [(ours, our_loss), (theirs, lambda: theirs(images).loss)]


def beit():
    """transformers' BeitForMaskedImageModeling, rectangles hidden, codes given; both guess only where a patch is hidden."""
    import transformers
    images, codes = torch.randn(32, 3, 64, 64), torch.randint(512, (32, 64))
    masked = blockwise_mask(32, 8, 8, 26, 5)  # drawn once, and given to both
    ours = BEiT(image_size=64, patch_size=8, channels=3, outputs=512, **SIZE)
    theirs = transformers.BeitForMaskedImageModeling(transformers.BeitConfig(
        **HF_SIZE, image_size=64, patch_size=8, vocab_size=512, use_mask_token=True, use_mean_pooling=True,
        use_shared_relative_position_bias=True, hidden_dropout_prob=0, attention_probs_dropout_prob=0, drop_path_rate=0))

    def our_loss():
        patches = ours.encode(ours.hide(ours.embed(images), masked))[:, 1:]
        return F.cross_entropy(ours.head(patches[masked]), codes[masked])

    return [(ours, our_loss), (theirs, lambda: theirs(images, bool_masked_pos=masked, labels=codes[masked]).loss)]


def gpt(activation="gelu_new"):
    """transformers' GPT2LMHeadModel, no dropout."""
    import transformers
    tokens = torch.randint(4096, (16, 128))
    ours = GPT(vocab_size=4096, length=128, **SIZE)
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=4096, n_positions=128, n_embd=192, n_layer=6, n_head=3, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, activation_function=activation))
    return [(ours, lambda: next_token(ours(tokens), tokens)), (theirs, lambda: theirs(tokens, labels=tokens).loss)]


def gpt_fused():
    """transformers' GPT2LMHeadModel, no dropout, with PyTorch's fused tanh GELU instead of its own."""
    return gpt("gelu_pytorch_tanh")


def bert(everywhere=True):
    """transformers' BertForPreTraining, no dropout; both guess at every place."""
    import transformers
    tokens, follows = torch.randint(5, 4096, (16, 128)), torch.randint(2, (16,))
    segments = (torch.arange(128) >= 64).long().expand(16, 128)
    holes, masked = bert_mask(tokens, tokens > 4, 4, 4096)  # drawn once, and given to both
    labels = tokens.masked_fill(~masked, -100)
    ours = BERT(vocab_size=4096, length=128, **SIZE)
    theirs = transformers.BertForPreTraining(transformers.BertConfig(
        **HF_SIZE, vocab_size=4096, max_position_embeddings=128, hidden_dropout_prob=0, attention_probs_dropout_prob=0))

    def our_loss():
        guesses, answer = ours(holes, segments, masked=None if everywhere else masked)
        hidden = masked_cross_entropy(guesses, tokens, masked) if everywhere else F.cross_entropy(guesses, tokens[masked])
        return hidden + F.cross_entropy(answer, follows)

    def their_loss():
        return theirs(input_ids=holes, token_type_ids=segments, labels=labels, next_sentence_label=follows).loss

    return [(ours, our_loss), (theirs, their_loss)]


def bert_hidden():
    """transformers' BertForPreTraining, no dropout; ours guesses only where a word is hidden."""
    return bert(everywhere=False)


def vilt():
    """transformers' ViltForMaskedLM, no dropout; words and patches, guesses at every place."""
    import transformers
    tokens, images = torch.randint(5, 4096, (16, 32)), torch.randn(16, 3, 64, 64)
    holes, masked = bert_mask(tokens, tokens > 4, 4, 4096)  # drawn once, and given to both
    labels = tokens.masked_fill(~masked, -100)
    ours = ViLT(vocab_size=4096, length=32, image_size=64, patch_size=8, channels=3, **SIZE)
    theirs = transformers.ViltForMaskedLM(transformers.ViltConfig(
        **HF_SIZE, vocab_size=4096, max_position_embeddings=32, image_size=64, patch_size=8, num_images=-1))
    for head in (ours.match, ours.pooler, theirs.vilt.pooler):  # nobody asks these here
        head.requires_grad_(False)

    def our_loss():
        x = ours.features(holes, images)
        return masked_cross_entropy(ours.guess(x[:, :32]), tokens, masked)

    return [(ours, our_loss), (theirs, lambda: theirs(input_ids=holes, pixel_values=images, labels=labels).loss)]


def lora():
    """peft's LoRA, rank 8, on every linear map of the encoder of the same BERT; only the two detours learn."""
    import peft
    tokens, target = torch.randint(5, 4096, (16, 128)), torch.randn(16, 128, 192)
    base = BERT(vocab_size=4096, length=128, **SIZE)
    ours = add_lora(copy.deepcopy(base), 8, within=Encoder)
    theirs = peft.get_peft_model(base, peft.LoraConfig(r=8, lora_alpha=8, target_modules=["qkv", "proj", "mlp.0", "mlp.2"]))
    return [(model, lambda read=read: F.mse_loss(read(tokens), target))
            for model, read in ((ours, ours.features), (theirs, theirs.base_model.model.features))]


class TorchLayer(torch.nn.Module):
    """A layer of torch.nn where evo's has its own."""

    def __init__(self, kind, dim, hidden):
        super().__init__()
        self.dim, self.hidden, self.layer = dim, hidden, kind(dim, hidden, batch_first=True)

    def forward(self, x, valid=None):
        return self.layer(x)[0]


def lstm(ours=LSTM, theirs=torch.nn.LSTM):
    """torch.nn.LSTM, a language model's layer, in C++; ours is a loop in Python."""
    tokens, valid = torch.randint(4096, (64, 16)), torch.ones(64, 16, dtype=torch.bool)
    sides = RNNLM(4096, ours(64, 192)), RNNLM(4096, TorchLayer(theirs, 64, 192))
    return [(model, lambda model=model: -model.log_prob(tokens, valid).mean()) for model in sides]


def gru():
    """torch.nn.GRU, a language model's layer, in C++; ours is a loop in Python."""
    return lstm(GRUAfter, torch.nn.GRU)


BENCHMARKS = {"resnet": resnet, "vit": vit, "swin": swin, "swin_timm": swin_timm, "mae": mae, "beit": beit, "gpt": gpt,
              "gpt_fused": gpt_fused, "bert": bert, "bert_hidden": bert_hidden, "vilt": vilt, "lora": lora, "lstm": lstm, "gru": gru}
BUILDS = 6  # where in memory a model lies is worth up to 3 % of a step: both sides are built anew so often

# parameters of ours alone: biases of keys, which softmax does not notice; a head for matching, less a table of two segments
MORE = {"beit": SIZE["depth"] * SIZE["dim"], "vilt": 2}


def make_step(model, loss):
    optimizer = torch.optim.AdamW([p for p in model.train().parameters() if p.requires_grad], 1e-4)

    def step():
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    step.keeps = [*model.parameters(), *model.buffers(),
                  *(t for state in optimizer.state.values() for t in state.values() if torch.is_tensor(t))]
    return step


def peak_bytes(step):
    """The most that tensors hold during one step, from a state without gradients."""
    for parameter in step.keeps:
        parameter.grad = None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak + sum(t.numel() * t.element_size() for t in step.keeps)


def paired_seconds(steps, rounds):
    """Processor seconds of both sides in every round; they take turns at going first."""
    seconds = [[], []]
    for i in range(rounds + 1):
        for side in ((0, 1), (1, 0))[i % 2]:
            start = time.process_time()
            steps[side]()
            seconds[side].append(time.process_time() - start)
    return [times[1:] for times in seconds]


def measure(name, rounds):
    torch.manual_seed(0)
    seconds, memory, kept = [[], []], None, []
    for _ in range(BUILDS):
        sides = BENCHMARKS[name]()
        counts = [sum(p.numel() for p in model.parameters()) for model, _ in sides]
        assert counts[0] - MORE.get(name, 0) == counts[1], f"{name}: {counts} parameters, this is not the same model"
        steps = [make_step(*side) for side in sides]
        memory = memory or [peak_bytes(step) for step in steps]
        kept.append(steps)  # so that the next ones lie elsewhere
        for side, times in zip(seconds, paired_seconds(steps, math.ceil(rounds / BUILDS))):
            side += times
    ours, theirs = map(statistics.median, seconds)
    ratio = statistics.median(a / b for a, b in zip(*seconds))
    return {"model": name, "peer": BENCHMARKS[name].__doc__.rstrip("."), "parameters": counts[0],
            "milliseconds": round(1000 * ours, 1), "peer_milliseconds": round(1000 * theirs, 1),
            "time_ratio": round(ratio, 3), "megabytes": round(memory[0] / 2**20, 1),
            "peer_megabytes": round(memory[1] / 2**20, 1), "memory_ratio": round(memory[0] / memory[1], 3)}


def main():
    parser = bench_options.options(__doc__, threads=1, rounds=42)
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows = [measure(name, args.rounds) for name in args.only]
    print("| model | against | ms a step | theirs | ratio | peak MB | theirs | ratio |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for r in rows:
        print(f"| {r['model']} | {r['peer']} | {r['milliseconds']} | {r['peer_milliseconds']} | **{r['time_ratio']}** "
              f"| {r['megabytes']} | {r['peer_megabytes']} | **{r['memory_ratio']}** |")
    bench_options.save(rows, args)


if __name__ == "__main__":
    main()
