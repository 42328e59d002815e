"""Learning and using pieces of words: our lines of Python against the `tokenizers` library, written in Rust, on all of WordNet.

    python tests/benchmarks/bench_tokenizers.py [--json FILE] [--threads 1] [--rounds 3]

Training: `WordPiece.train` against BertWordPieceTokenizer, 4,000 pieces out of every definition. Encoding: 20,000
definitions by `longest_match`, which cuts every word once and remembers it, against the library's encode_batch; in both
the library finds the words. Both sides use one thread; the sides
take turns, and the numbers are medians of processor time. A report without a target: the book shows how it is done, and uses
the library where texts are many.
"""
import os
import pathlib
import statistics
import sys
import time

import bench_options

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from evo.data.text import wordnet
from evo.tokenizers import WordPiece, longest_match

SIZE = 4000


def sides(texts):
    """name -> (what we do, what the library does); `texts` are all that is read."""
    from tokenizers import BertWordPieceTokenizer
    tokenizer, some = WordPiece.train(texts[:10_000], SIZE), texts[:20_000]
    pieces = set(tokenizer.pieces)

    def our_encoding():
        number, known, ids = {piece: i for i, piece in enumerate(tokenizer.pieces)}, {}, []
        for text in some:
            words = tokenizer.words(text)
            for word in words:
                if word not in known:
                    known[word] = [number[piece] for piece in longest_match(word, pieces)]
            ids.append([i for word in words for i in known[word]])
        return ids

    assert our_encoding() == [encoding.ids for encoding in tokenizer.tokenizer.encode_batch(some, add_special_tokens=False)]
    return {
        "training": (lambda: WordPiece.train(texts, SIZE),
                     lambda: BertWordPieceTokenizer().train_from_iterator(texts, SIZE, show_progress=False)),
        "encoding": (our_encoding, lambda: tokenizer.tokenizer.encode_batch(some, add_special_tokens=False)),
    }


def seconds_of(pair, rounds):
    """Median processor seconds of both sides."""
    seconds = [[], []]
    for i in range(rounds):
        for side in ((0, 1), (1, 0))[i % 2]:
            start = time.process_time()
            pair[side]()
            seconds[side].append(time.process_time() - start)
    return map(statistics.median, seconds)


def main():
    args = bench_options.options(__doc__, threads=1, rounds=3).parse_args()
    texts, rows = wordnet().definitions, []
    for task, pair in sides(texts).items():
        ours, theirs = seconds_of(pair, args.rounds)
        rows.append({"task": task, "seconds": round(ours, 2), "peer_seconds": round(theirs, 2), "ratio": round(ours / theirs, 2)})
        print(f"{task}: {ours:.2f} s, tokenizers {theirs:.2f} s, ratio {ours / theirs:.2f}")
    bench_options.save(rows, args)


if __name__ == "__main__":
    main()
