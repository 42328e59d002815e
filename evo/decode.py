"""Writing a sequence out of a model, and judging it: beam search and BLEU."""
import math
from collections import Counter

import torch

from evo.inputs import check_whole


def bleu(texts, references, longest=4):
    """BLEU of Papineni et al. 2002 (sec. 2), from 0 to 100.

    texts, references: lists of lists of words, one reference each. The share
    of the texts' n-grams that the references have, none counted more often
    than there, over the whole list, n = 1 to `longest`; their geometric mean,
    times exp(1 - r/c) where the texts (c words) are shorter than r.
    Raises ValueError for lists of unequal length or without a word.
    """
    texts, references = (_lists(x, name) for x, name in (
        (texts, "texts"), (references, "references")))
    if len(texts) != len(references) or not any(references):
        raise ValueError(f"{len(texts)} texts and {len(references)} references"
                         ": bleu needs one reference a text, and a word")
    _whole("longest", longest)
    hits, all_of = [0] * longest, [0] * longest
    for text, reference in zip(texts, references):
        for n in range(longest):
            mine, theirs = ngrams(text, n + 1), ngrams(reference, n + 1)
            hits[n] += (mine & theirs).total()
            all_of[n] += mine.total()
    c, r = sum(map(len, texts)), sum(map(len, references))
    if not min(hits):
        return 0.0
    precision = sum(math.log(h / a) for h, a in zip(hits, all_of)) / longest
    return 100 * math.exp(precision + min(0, 1 - r / c))


def _lists(texts, name):
    texts = list(texts) if isinstance(texts, (list, tuple)) else None
    if texts is None or not all(isinstance(text, (list, tuple)) and all(
            isinstance(word, str) for word in text) for text in texts):
        raise ValueError(f"{name} must be lists of words: split each text")
    return texts


def _whole(name, number):
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{name}={number!r} must be a whole number from 1")


def ngrams(words, n):
    """How often each row of n words stands in a text."""
    _whole("n", n)
    words, = _lists([words], "words")
    return Counter(zip(*(words[i:] for i in range(n))))


class Prefixes:
    """A model that reads all it has written again for every new token.

    model: has encode, decode and head, as the Transformer. `begin` gives what
    the first token needs, `proceed` the logits (B, V) after one more token
    and what the next one needs; everything has one row a sequence.
    """

    def __init__(self, model):
        self.model = model

    def begin(self, source, valid):
        return self.model.encode(source, valid), valid, source[:, :0]

    def proceed(self, tokens, now):
        memory, valid, target = now
        target = torch.cat([target, tokens[:, None]], 1)
        last = self.model.decode(target, memory, valid)[:, -1]
        return self.model.head(last), (memory, valid, target)


@torch.no_grad()
def beam(model, source, start, end, steps, width=4, powers=(0.75,),
         valid=None):
    """Beam search: of all beginnings, keep the `width` likeliest.

    source (B, S) ids, valid (B, S), False = padding. A beginning that takes
    `end` is finished and leaves; what is unfinished after `steps` tokens is
    cut. Of all of a source, the one with the highest log p / n**power wins,
    n tokens with `end` (Wu et al. 2016 with another denominator; power 0:
    the likeliest, 1: the mean). width 1 is greedy search.
    model: has begin and proceed, else encode, decode and head.
    -> {power: list of B lists of ids, without start and end}.
    """
    _whole("width", width)
    _whole("steps", steps)
    check_whole(source, "source")
    if source.ndim != 2 or not source.numel():
        raise ValueError(f"source has shape {tuple(source.shape)}, but beam "
                         "reads (B, S) ids, at least one")
    if not isinstance(powers, (list, tuple)) or not powers or not all(
            isinstance(p, (int, float)) for p in powers):
        raise ValueError(f"powers={powers!r} must be numbers, one at least")
    if valid is None:
        valid = torch.ones_like(source, dtype=torch.bool)
    model = model if hasattr(model, "proceed") else Prefixes(model)
    rows = torch.arange(len(source), device=source.device)[:, None] * width
    now = tuple(x.repeat_interleave(width, 0)
                for x in model.begin(source, valid))
    tokens = source.new_full((len(source), width), start)
    score = torch.full(tokens.shape, -torch.inf, device=source.device)
    score[:, 0] = 0  # all begin alike: one counts
    written = tokens[:, :, None][:, :, :0]
    best = {power: [(-math.inf, [])] * len(source) for power in powers}
    for n in range(1, steps + 1):
        logits, now = model.proceed(tokens.flatten(), now)
        total = score[..., None] + logits.log_softmax(-1).view(
            *score.shape, -1)
        score, at = total.flatten(1).topk(width)
        parent, tokens = at // total.shape[2], at % total.shape[2]
        now = tuple(x[(rows + parent).flatten()] for x in now)
        written = torch.cat([written.gather(
            1, parent[..., None].expand(-1, -1, n - 1)),
            tokens[..., None]], 2)
        leaves = ((tokens == end) | (n == steps)) & score.isfinite()
        for b, k in leaves.nonzero().tolist():
            ids = [t for t in written[b, k].tolist() if t != end]
            for power, found in best.items():
                mark = score[b, k].item() / n**power
                found[b] = max(found[b], (mark, ids))
        score = score.masked_fill(leaves, -torch.inf)
        if not score.isfinite().any():
            break
    return {power: [ids for _, ids in found] for power, found in best.items()}
