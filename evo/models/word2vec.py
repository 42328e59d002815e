"""word2vec (Mikolov et al. 2013): learn a vector for every word by guessing its neighbours.

Two architectures: from the centre word to its neighbours (SkipGram), or from the neighbours to the centre (CBOW).
Two ways round the softmax over all words, each turning one guess into a few yes-or-no questions: is this word the
real one or drawn at random (NegativeSampling), and which way at every fork of a tree (HuffmanTree)? Any architecture
goes with any way of asking. At the end the same skip-gram once more, written for speed (FastSkipGram).

Shapes: B batch, D width of a vector, V words, K questions, W = 2 * window neighbours.
"""
import heapq
from itertools import chain

import torch
import torch.nn.functional as F
from torch import nn

from evo.inputs import check_flags, check_ids, check_shape
from evo.models import weights

# ---------------------------------------------------------------- text


class Corpus:
    """Sentences as two long tensors: tokens (T,), every word's number, and sentence (T,), the one it stands in.

    sentences: lists of words. vocab: an `evo.tokenizers.Vocab` of them without specials; words it does not hold
    are dropped.
    """

    def __init__(self, sentences, vocab):
        if len(vocab) < 2:
            raise ValueError(f"vocab holds {len(vocab)} word: guessing neighbours needs two; lower min_count or add text")
        self.vocab, self.counts = vocab, torch.tensor(vocab.counts)
        if not (self.counts > 0).all():
            raise ValueError("vocab holds words that were never seen: build it with specials=()")
        ids = [vocab.encode(sentence) for sentence in sentences]
        self.tokens = torch.tensor(list(chain.from_iterable(ids)))
        self.sentence = torch.repeat_interleave(torch.tensor([len(i) for i in ids])).int()
        if len(self.tokens) == 0:
            raise ValueError("sentences holds no word of vocab: build vocab from these sentences")

    def subsample(self, threshold=1e-3, generator=None):
        """tokens, sentence with frequent words thinned out: windows reach further and "the" is met less often."""
        keep = keep_probability(self.counts, threshold)
        kept = torch.rand(len(self.tokens), generator=generator) < keep[self.tokens]
        return self.tokens[kept], self.sentence[kept]


def keep_probability(counts, threshold=1e-3):
    """(V,) counts -> (V,) chance that one occurrence stays: (sqrt(f / t) + 1) * t / f, as in the C tool."""
    frequency = counts / counts.sum()
    return (((frequency / threshold).sqrt() + 1) * threshold / frequency).clamp(max=1)


def neighbours(tokens, sentence, window, generator=None):
    """The words around every word of the text: (T,), (T,) -> (T, 2 * window) ids, -1 where there is none.

    With a generator every window shrinks to a radius drawn from 1 ... window, so that near words count more.
    """
    if window < 1:
        raise ValueError(f"window={window} must be at least 1")
    if tokens.ndim != 1 or not len(tokens):
        raise ValueError(f"tokens have shape {tuple(tokens.shape)}, but one row (T,) of at least one word is needed")
    check_shape(sentence, tokens.shape, "sentence")
    offsets = torch.tensor([o for o in range(-window, window + 1) if o != 0]).to(tokens.device)
    padded = F.pad(tokens, (window, window), value=-1).unfold(0, 2 * window + 1, 1)[:, offsets + window]
    same = F.pad(sentence, (window, window), value=-1).unfold(0, 2 * window + 1, 1)[:, offsets + window] == sentence[:, None]
    if generator is not None:
        radius = torch.randint(1, window + 1, (len(tokens), 1), generator=generator, device=generator.device)
        same = same & (offsets.abs() <= radius.to(tokens.device))
    return padded.masked_fill(~same, -1)  # (T, W)


def pairs(tokens, contexts):
    """Skip-gram's training pairs: (T,), (T, W) from `neighbours` -> centre (P,), neighbour (P,)."""
    row, column = (contexts >= 0).nonzero(as_tuple=True)
    return tokens[row], contexts[row, column]


# ---------------------------------------------------------------- the two architectures


class SkipGram(nn.Module):
    """The centre word speaks: its vector meets rows of a second table.

    A row of `output` belongs to a word, or with a HuffmanTree to a fork of the
    tree (V - 1 rows are used).
    """

    def __init__(self, vocab_size, dim):
        super().__init__()
        self.input = nn.Embedding(vocab_size, dim)
        self.output = nn.Embedding(vocab_size, dim)
        # as in the C tool
        nn.init.uniform_(self.input.weight, -0.5 / dim, 0.5 / dim)
        nn.init.zeros_(self.output.weight)

    def hidden(self, inputs):
        """(B,) word ids -> (B, D)."""
        check_ids(inputs, self.input.num_embeddings, "inputs")
        return self.input(inputs)

    def forward(self, inputs, rows):
        """Scores of `rows` (B, K) of the output table, given the inputs.

        -> (B, K).
        """
        check_ids(rows, self.output.num_embeddings, "rows")
        return (self.output(rows)
                @ self.hidden(inputs).unsqueeze(-1)).squeeze(-1)


class CBOW(SkipGram):
    """The neighbours speak: their mean vector takes the centre's place.

    Whatever their order.
    """

    def hidden(self, inputs):
        """(B, W) word ids, -1 where there is no neighbour -> (B, D).

        A word without neighbours has zeros.
        """
        check_ids(inputs, self.input.num_embeddings, "inputs", ignore=-1)
        there = (inputs >= 0).unsqueeze(-1)  # (B, W, 1)
        return ((self.input(inputs.clamp(min=0)) * there).sum(1)
                / there.sum(1).clamp(min=1))


# ---------------------------------------------------------------- yes-or-no questions instead of a softmax


def yes_or_no(scores, answers, asked):
    """Cross-entropy of the answers to all questions about a word.

    scores (B, K), answers (B, K) 1 for yes and 0 for no, asked (B, K) False
    where there is no question. The mean over the batch.
    """
    check_shape(answers, scores.shape, "answers")
    check_flags(asked, "asked", scores.shape)
    if not len(scores):
        raise ValueError("scores is an empty batch: there is nothing to take "
                         "the mean of")
    losses = F.binary_cross_entropy_with_logits(
        scores, answers.to(scores.dtype), reduction="none")
    return (losses * asked).sum(1).mean()


class NegativeSampling:
    """Is this the word that stood there, or one drawn at random?

    One question about the target, `negatives` about others. Words are drawn in
    proportion to count ** power; one that happens to be the target is not
    asked about. They are drawn where the generator is, on the CPU without one,
    and go to where the targets are.
    """

    def __init__(self, counts, negatives=5, power=0.75, generator=None):
        if (not isinstance(counts, torch.Tensor) or counts.ndim != 1
                or not (counts >= 0).all() or not counts.sum() > 0):
            raise ValueError("counts must be a tensor (V,) of numbers from 0, "
                             f"not all 0, got {counts}")
        noise = counts.double() ** power
        self.cumulative = (noise / noise.sum()).cumsum(0)
        self.negatives, self.generator = negatives, generator

    def draw(self, *shape):
        """Word ids of this shape.

        The chance of every word is its share of the line from 0 to 1.
        """
        device = self.generator.device if self.generator else "cpu"
        spots = torch.rand(*shape, generator=self.generator,
                           dtype=torch.double, device=device)
        return torch.searchsorted(
            self.cumulative.to(device), spots, right=True).clamp(
            max=len(self.cumulative) - 1)

    def __call__(self, targets):
        """(B,) word ids -> rows, answers, asked, each (B, 1 + negatives)."""
        check_ids(targets, len(self.cumulative), "targets")
        drawn = self.draw(len(targets), self.negatives).to(targets.device)
        rows = torch.cat([targets[:, None], drawn], 1)
        answers = torch.zeros_like(rows)
        answers[:, 0] = 1
        return rows, answers, torch.cat(
            [torch.ones_like(targets[:, None]).bool(),
             drawn != targets[:, None]], 1)


class HuffmanTree:
    """Left or right at every fork on the way to the word? Frequent words are few forks away.

    points: for every word the forks from the root down; codes: the turn taken at each, 0 or 1. Build it from counts
    with `HuffmanTree(*huffman(counts))`, or take another program's tree. It goes to where the targets are.
    """

    def __init__(self, points, codes):
        pad = lambda paths: nn.utils.rnn.pad_sequence([torch.as_tensor(p).long() for p in paths], batch_first=True, padding_value=-1)
        self.points, self.codes = pad(points), pad(codes)  # (V, K), -1 after the end

    def __call__(self, targets):
        """(B,) word ids -> rows, answers, asked, each (B, K). Turning to 0 is a yes: p = sigmoid((1 - 2 * code) * score)."""
        check_ids(targets, len(self.points), "targets")
        if self.points.device != targets.device:
            self.points, self.codes = self.points.to(targets.device), self.codes.to(targets.device)
        points, codes = self.points[targets], self.codes[targets]
        return points.clamp(min=0), (codes == 0).long(), points >= 0


def huffman(counts):
    """Huffman's tree over word counts: (V,) -> points and codes, two lists of V lists (see HuffmanTree)."""
    V = len(counts)
    if V < 2:
        raise ValueError(f"counts has {V} words: a tree has its first fork at two")
    heap = [(count, node) for node, count in enumerate(torch.as_tensor(counts).tolist())]
    heapq.heapify(heap)
    parent, turn = {}, {}
    for fork in range(V, 2 * V - 1):  # join the two lightest until one is left
        (light, zero), (heavy, one) = heapq.heappop(heap), heapq.heappop(heap)
        parent[zero] = parent[one] = fork
        turn[zero], turn[one] = 0, 1
        heapq.heappush(heap, (light + heavy, fork))
    points, codes = [], []
    for node in range(V):
        path = []
        while node in parent:
            path.append((parent[node] - V, turn[node]))
            node = parent[node]
        points.append([fork for fork, _ in reversed(path)])
        codes.append([code for _, code in reversed(path)])
    return points, codes


# ---------------------------------------------------------------- the same skip-gram, fast


class FastSkipGram:
    """Skip-gram with negative sampling without a list of pairs, and without autograd.

    The text is cut into blocks of BLOCK words. All scores of a block's words with the words around them are one matrix
    product, of which only the band near the diagonal counts: with weight (window + 1 - distance) / window, which is
    how often a shrunken window would contain the pair. All blocks of a batch share SHARED negatives, each weighted as
    negatives / SHARED of one. Row-wise Adagrad: every word has its own step size, falling with the squared gradients it
    has seen.

    Differences from the paper: windows shrink in expectation and not at random; a negative is not skipped when it
    happens to be a neighbour; blocks come in random order; Adagrad in place of a falling learning rate.
    """

    BLOCK, BLOCKS, SHARED = 16, 32, 128

    def __init__(self, corpus, dim=100, window=5, negatives=10, sample=1e-3, lr=0.3, seed=0):
        for name, value in dict(dim=dim, window=window, negatives=negatives, sample=sample, lr=lr).items():
            if value <= 0:
                raise ValueError(f"{name}={value} must be greater than 0")
        self.corpus, self.window, self.negatives, self.sample, self.lr = corpus, window, negatives, sample, lr
        self.generator = torch.Generator().manual_seed(seed)
        self.noise = NegativeSampling(corpus.counts, generator=self.generator)
        self.input = (torch.rand(len(corpus.vocab), dim, generator=self.generator) - 0.5) / dim
        self.output = torch.zeros(len(corpus.vocab), dim)
        self.squares = {id(table): torch.full((len(table),), 1e-10) for table in (self.input, self.output)}
        distance = (torch.arange(self.BLOCK + 2 * window) - window - torch.arange(self.BLOCK)[:, None]).abs()
        self.band = ((window + 1 - distance).clamp(min=0) / window).masked_fill(distance == 0, 0)  # (BLOCK, BLOCK + W)

    def epoch(self):
        """Once through the text."""
        reach = self.BLOCK + 2 * self.window
        tokens, sentence = self.corpus.subsample(self.sample, self.generator)
        rest = -len(tokens) % self.BLOCK  # fill the last block with words of no sentence
        blocks = F.pad(tokens, (self.window, self.window + rest)).unfold(0, reach, self.BLOCK)
        places = F.pad(sentence, (self.window, self.window + rest), value=-1).unfold(0, reach, self.BLOCK)
        order = torch.randperm(len(blocks), generator=self.generator)
        batches = list(zip(blocks[order].split(self.BLOCKS), places[order].split(self.BLOCKS)))
        for (words, place), drawn in zip(batches, self.noise.draw(len(batches), self.SHARED)):
            self.step(words, place, drawn)

    def step(self, words, place, drawn):
        """words, place: (B, BLOCK + W) numbers of words and of their sentences; drawn: (SHARED,) negatives."""
        middle = slice(self.window, self.window + self.BLOCK)
        centre, others = words[:, middle].reshape(-1), torch.cat([words.reshape(-1), drawn])
        weight = (place[:, middle, None] == place[:, None]) * self.band  # (B, BLOCK, BLOCK + W)
        c, o = F.embedding(centre, self.input), F.embedding(others, self.output)
        to_input, to_output = gradients(c, o, weight, self.negatives)
        self.ascend(self.input, centre, to_input)
        self.ascend(self.output, others, to_output)

    def ascend(self, table, rows, gradient):
        """Row-wise Adagrad: table[rows] += lr * gradient / sqrt(all squared gradients of that row so far). Uses gradient up."""
        squares = self.squares[id(table)]
        squares.index_add_(0, rows, torch.linalg.vecdot(gradient, gradient), alpha=1 / gradient.shape[1])
        table.index_add_(0, rows, gradient.mul_((self.lr * squares[rows].rsqrt())[:, None]))


def gradients(centre, others, weight, negatives):
    """Where every vector should move: the derivatives, by hand, of

    sum of weight * (log sigmoid(c . o) + negatives
                     * mean over the shared n of log sigmoid(-c . n)).

    centre (B * L, D); others (B * (L + W) + K, D), the blocks' own words and
    then the K negatives; weight (B, L, L + W). Returns two tensors of the
    shapes of centre and others.
    """
    B, L, N = weight.shape
    D = centre.shape[1]
    shared, drawn = others[: B * N].view(B, N, D), others[B * N :]
    c = centre.view(B, L, D)
    # d log sigmoid(s) / ds = sigmoid(-s); in place, which is a little faster
    pull = (c @ shared.mT).neg_().sigmoid_().mul_(weight)  # (B, L, N)
    asked = weight.sum(2).view(-1, 1) * (-negatives / len(drawn))
    push = (centre @ drawn.T).sigmoid_().mul_(asked)  # (B * L, K)
    to_centre = (pull @ shared).view(-1, D).addmm_(push, drawn)
    return to_centre, torch.cat([(pull.mT @ c).view(-1, D), push.T @ centre])


# ---------------------------------------------------------------- other programs' vectors


def load_gensim(model, source):
    """Copy a gensim Word2Vec (both tables) or KeyedVectors (the words' vectors only) into a SkipGram or CBOW.

    Published vectors are read with gensim's KeyedVectors.load_word2vec_format; word i of the model is then
    source.index_to_key[i].
    """
    vectors = getattr(source, "wv", source).vectors
    output = next((getattr(source, name) for name in ("syn1neg", "syn1") if hasattr(source, name)), None)
    tables = {"input.weight": vectors, "output.weight": model.output.weight.detach().numpy() if output is None else output}
    return weights.load(model, {name: torch.tensor(table) for name, table in tables.items()})
