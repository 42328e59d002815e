"""Beam search: ours against `generate` of transformers, with one and the same small GPT-2 of random weights as the writer.

    python tests/benchmarks/bench_beam.py [--json FILE] [--threads 1] [--rounds 3]

32 prompts of one token, 20 tokens each, beams of 1 and 4, nothing kept between steps on either side (`use_cache=False`), so that
both read equally much. A beam of 1 must write the same. Both keep what is finished in another way, so with a beam of 4 the end
token is made impossible. The sides take turns; medians of processor time. A report without a target.
"""
import pathlib
import statistics
import sys
import time

import bench_options
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from evo.decode import beam

VOCAB, STEPS, END = 500, 20, 1


class Writer:
    """GPT-2, all of the text read again for each token; it never ends."""

    def __init__(self, model):
        self.model = model

    def begin(self, source, valid):
        return (source[:, :0],)

    def proceed(self, tokens, now):
        text = torch.cat([now[0], tokens[:, None]], 1)
        logits = self.model(text, use_cache=False).logits[:, -1].clone()
        logits[:, END] = -1e9
        return logits, (text,)


def sides(width):
    """What we do, what transformers does."""
    import transformers
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=VOCAB, n_positions=64, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=END, pad_token_id=END)).eval()
    model.generation_config.suppress_tokens = [END]
    start = torch.zeros(32, 1, dtype=torch.long)

    def ours():
        return beam(Writer(model), start, 0, END, STEPS, width, (1.0,))[1.0]

    def theirs():
        return model.generate(start, attention_mask=torch.ones_like(start), num_beams=width, max_new_tokens=STEPS, do_sample=False,
                              use_cache=False)[:, 1:].tolist()

    assert ours() == theirs()
    return ours, theirs


def main():
    args = bench_options.options(__doc__, threads=1, rounds=3).parse_args()
    torch.set_num_threads(args.threads)
    rows = []
    for width in (1, 4):
        pair, seconds = sides(width), [[], []]
        for i in range(args.rounds):
            for side in ((0, 1), (1, 0))[i % 2]:
                began = time.process_time()
                pair[side]()
                seconds[side].append(time.process_time() - began)
        mine, peers = map(statistics.median, seconds)
        rows.append(dict(width=width, seconds=round(mine, 3), peer_seconds=round(peers, 3), ratio=round(mine / peers, 2)))
        print(rows[-1])
    bench_options.save(rows, args)


if __name__ == "__main__":
    main()
