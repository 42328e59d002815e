"""Skip-gram with negative sampling against gensim: words a second, and time to gensim's scores.

    python tests/benchmarks/bench_word2vec.py [--json FILE] [--threads 2] [--rounds 3]

Both get the same text, WordNet's entries (words, definition, examples), width 100, window 5, 10 negatives, words seen
at least five times, frequent words thinned at 1e-3, and in one process the same number of threads. A round is one
seed: gensim trains its five epochs, ours trains until it has reached both of gensim's correlations with people's
judgement, WordSim-353 and SimLex-999. The two take turns, epoch by epoch, because machines change their speed from one
minute to the next; the ratio is the median over the pairs of epochs. Clocks run while training only: building the
vocabulary and scoring are outside on both sides.
"""
import pathlib
import statistics
import sys
import time

import bench_options
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

from evo.data.text import tokenize, wordnet
from evo.models.word2vec import Corpus, FastSkipGram
from evo.tokenizers import Vocab
from evo.words import JUDGEMENTS, WordVectors, agreement, judgements

EPOCHS = 5
SETTINGS = dict(window=5, sample=1e-3)


def read():
    entries = wordnet()
    return [tokenize(" ; ".join([*words, definition, *examples]))
            for words, definition, examples in zip(entries.lemmas, entries.definitions, entries.examples)]


def scores(words, vectors):
    vectors = WordVectors(words, vectors)
    return [agreement(vectors, judgements(name)) for name in JUDGEMENTS]


def run_gensim(sentences, corpus, seed, threads, between):
    """Five epochs at gensim's own learning rates, `between()` after each: seconds of each epoch and the scores at the end."""
    from gensim.models import Word2Vec
    from gensim.models.callbacks import CallbackAny2Vec

    class Clock(CallbackAny2Vec):
        ticks = []

        def on_epoch_begin(self, model):
            self.ticks.append(-time.perf_counter())

        def on_epoch_end(self, model):
            self.ticks[-1] += time.perf_counter()
            between()

    model = Word2Vec(vector_size=100, sg=1, negative=10, min_count=5, workers=threads, seed=seed, **SETTINGS)
    model.build_vocab(sentences)
    assert set(model.wv.index_to_key) == set(corpus.vocab.words)
    Clock.ticks = []
    model.train(sentences, total_examples=model.corpus_count, epochs=EPOCHS, callbacks=[Clock()])
    return Clock.ticks, scores(model.wv.index_to_key, model.wv.vectors)


class Ours:
    """Seconds and scores of every epoch."""

    def __init__(self, corpus, seed):
        self.model = FastSkipGram(corpus, dim=100, negatives=10, seed=seed, **SETTINGS)
        self.seconds, self.scores = [], []

    def epoch(self):
        start = time.perf_counter()
        self.model.epoch()
        self.seconds.append(time.perf_counter() - start)
        self.scores.append(scores(self.model.corpus.vocab.words, self.model.input))


def measure(rounds, threads):
    sentences = read()
    words = sum(map(len, sentences))
    corpus = Corpus(sentences, Vocab(sentences, min_count=5, specials=()))
    Ours(Corpus(sentences[:2000], corpus.vocab), 0).epoch()  # warm up
    rows = []
    for seed in range(rounds):
        ours = Ours(corpus, seed)
        their_seconds, theirs = run_gensim(sentences, corpus, seed, threads, between=ours.epoch)
        seconds, found = ours.seconds, ours.scores
        reached = next((i + 1 for i, s in enumerate(found) if s[0] >= theirs[0] and s[1] >= theirs[1]), None)
        rows.append({
            "seed": seed,
            "words_a_second": round(words / statistics.median(seconds)),
            "gensim_words_a_second": round(words / statistics.median(their_seconds)),
            "speed_ratio": round(statistics.median(t / o for t, o in zip(their_seconds, seconds)), 2),
            "epochs_to_gensims_scores": reached,
            "seconds_to_gensims_scores": round(sum(seconds[:reached]), 2) if reached else None,
            "gensim_seconds": round(sum(their_seconds), 2),
            "time_ratio": round(sum(seconds[:reached]) / sum(their_seconds), 3) if reached else None,
            "scores_then": [round(s, 3) for s in found[(reached or EPOCHS) - 1]],
            "scores_after_five": [round(s, 3) for s in found[-1]],
            "gensim_scores": [round(s, 3) for s in theirs],
        })
        print(f"seed {seed} done", file=sys.stderr)
    return rows


def main():
    args = bench_options.options(__doc__, threads=2, rounds=3).parse_args()
    torch.set_num_threads(args.threads)
    rows = measure(args.rounds, args.threads)
    pair = "{0[0]:.3f} / {0[1]:.3f}".format
    print("| seed | words a second | gensim's | ratio | seconds to gensim's scores | gensim's | ratio | WordSim / SimLex | gensim's |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for r in rows:
        reached = f"{r['seconds_to_gensims_scores']} ({r['epochs_to_gensims_scores']} epochs)" if r["time_ratio"] else "not reached"
        print(f"| {r['seed']} | {r['words_a_second']:,} | {r['gensim_words_a_second']:,} | **{r['speed_ratio']}** | {reached} "
              f"| {r['gensim_seconds']} | **{r['time_ratio']}** | {pair(r['scores_then'])} | {pair(r['gensim_scores'])} |")
    bench_options.save(rows, args)


if __name__ == "__main__":
    main()
