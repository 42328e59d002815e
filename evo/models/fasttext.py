"""fastText (Bojanowski et al. 2017): a word is itself and the n-grams of its letters, and so an unseen word is not blank.

word2vec's skip-gram, in which the centre word has no row of its own only: its vector is the mean of its own row and of
the rows of its n-grams, which other words share.

Shapes: V words, D width of a vector, S buckets.
"""
import torch
import torch.nn.functional as F

from evo.models.word2vec import FastSkipGram, gradients


def ngrams(word, smallest=3, largest=6):
    """The n-grams of <word>, with < and > marking its ends."""
    if not isinstance(word, str) or not word:
        raise ValueError(f"word must be a string of letters, got {word!r:.60}")
    if not 1 <= smallest <= largest:
        raise ValueError(f"smallest={smallest} must be at least 1 and at "
                         f"most largest={largest}")
    marked = f"<{word}>"
    return [marked[i : i + n] for n in range(smallest, largest + 1)
            for i in range(len(marked) - n + 1)]


def bucket(ngram, buckets):
    """The row that an n-gram shares with all others of its hash.

    FNV-1a of its bytes, as in the released tool, each byte read as signed.
    """
    if not isinstance(ngram, str) or not buckets >= 1:
        raise ValueError(f"a string and at least 1 bucket are needed, got "
                         f"{ngram!r:.60} and {buckets!r}")
    h = 2166136261
    for byte in ngram.encode():
        signed = byte | 0xFFFFFF00 if byte > 127 else byte
        h = (h ^ signed) * 16777619 & 0xFFFFFFFF
    return h % buckets


class FastText(FastSkipGram):
    """Skip-gram whose input table has a row for every word and then one for
    every bucket of n-grams.

    corpus, dim, window, negatives, sample, lr, seed: as in FastSkipGram.
    smallest, largest: lengths of the n-grams.
    """

    def __init__(self, corpus, buckets=50_000, smallest=3, largest=6,
                 **settings):
        super().__init__(corpus, **settings)
        self.buckets, self.smallest, self.largest = buckets, smallest, largest
        size, dim = self.input.shape
        more = (torch.rand(buckets, dim, generator=self.generator)
                - 0.5) / dim
        self.input = torch.cat([self.input, more])
        self.squares = {id(table): torch.full((len(table),), 1e-10)
                        for table in (self.input, self.output)}
        rows = [[i, *self.rows(word)]
                for i, word in enumerate(corpus.vocab.words)]
        self.length = torch.tensor([len(r) for r in rows])
        self.parts = torch.tensor([part for r in rows for part in r])
        self.start = F.pad(self.length.cumsum(0), (1, 0))[:-1]

    def rows(self, word):
        """Rows of the input table that belong to the word's n-grams."""
        first = len(self.corpus.vocab)
        return [first + bucket(g, self.buckets)
                for g in ngrams(word, self.smallest, self.largest)]

    def bags(self, words):
        """All rows of words (B,), end to end (P,), and where each word's
        begin (B,)."""
        length = self.length[words]
        start = F.pad(length.cumsum(0), (1, 0))[:-1]
        shift = (self.start[words] - start).repeat_interleave(length)
        return self.parts[torch.arange(len(shift)) + shift], start

    def vectors(self, words=None):
        """(N, D) of words, seen or not: the mean of their rows.

        By default of all words of the vocabulary.
        """
        if words is None:
            return F.embedding_bag(
                *self._flat(torch.arange(len(self.corpus.vocab))),
                mode="mean")
        known = self.corpus.vocab
        rows = [[*([known.index[w]] if w in known else []), *self.rows(w)]
                for w in words]
        if blank := [w for w, r in zip(words, rows) if not r]:
            raise ValueError(f"{blank[0]!r} was not seen and is too short "
                             "for an n-gram: it has no vector")
        return torch.stack([self.input[r].mean(0) for r in rows])

    def _flat(self, words):
        rows, start = self.bags(words)
        return rows, self.input, start

    def step(self, words, place, drawn):
        """As in FastSkipGram, but what moves the centre word moves all its
        rows."""
        middle = slice(self.window, self.window + self.BLOCK)
        centre, others = words[:, middle].reshape(-1), torch.cat(
            [words.reshape(-1), drawn])
        weight = (place[:, middle, None] == place[:, None]) * self.band
        different, which = centre.unique(return_inverse=True)
        rows, start = self.bags(different)
        c = F.embedding_bag(rows, self.input, start, mode="mean")
        to_centre, to_output = gradients(
            c[which], F.embedding(others, self.output), weight,
            self.negatives)
        pull = torch.zeros_like(c).index_add_(0, which, to_centre)
        self.ascend(self.input, rows, pull.repeat_interleave(
            self.length[different], 0))
        self.ascend(self.output, others, to_output)
