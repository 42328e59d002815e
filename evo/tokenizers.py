"""From text to numbers: whole words (Vocab), or pieces of words in any script (Subwords)."""
from collections import Counter

import torch


class Vocab:
    """A numbered list of words, the most frequent first.

    texts: texts as lists of words; those of the training set only. Words seen fewer than min_count times are left
    out. specials stand in front, whether seen or not. A word that is not in the list becomes "<unk>"; where
    specials do not hold "<unk>", it is dropped.
    """

    def __init__(self, texts, min_count=1, specials=("<unk>",)):
        counts = Counter()
        for text in texts:
            if isinstance(text, str):
                raise ValueError(f"texts must be lists of words, but {text[:40]!r} is one string: tokenize it first")
            counts.update(text)
        for word in specials:
            counts.pop(word, None)
        kept = sorted((word for word, n in counts.items() if n >= min_count), key=lambda word: (-counts[word], word))
        if not kept:
            raise ValueError(f"texts hold no word seen min_count={min_count} times: pass more text or a smaller min_count")
        self.words = [*specials, *kept]
        self.counts = [0] * len(specials) + [counts[word] for word in kept]
        self.index = {word: i for i, word in enumerate(self.words)}

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self.index

    def __getitem__(self, word):
        return self.index[word]

    def encode(self, text):
        """List of words -> list of ids."""
        if "<unk>" in self.index:
            return [self.index.get(word, self.index["<unk>"]) for word in text]
        return [self.index[word] for word in text if word in self.index]

    def decode(self, ids):
        """List of ids -> list of words."""
        return [self.words[i] for i in ids]


class Subwords:
    """Byte-pair encoding (Sennrich et al. 2016) over the bytes of a text: nothing is unknown, in no language.

    Text is normalised (NFKC) and lower-cased, as for CLIP, and cut into words with the blank in front of them; frequent
    neighbours inside a word are one token. Unlike GPT-2's pattern, this one keeps the vowel signs of Devanagari,
    Thai and their kin inside the word.
    """

    SPECIALS = ("<pad>", "<start>", "<end>")
    WORD = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+(?!\S)|\s+"

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.tokenizer.encode_special_tokens = True  # "<end>" written in a text is text
        self.pad, self.start, self.end = map(tokenizer.token_to_id, self.SPECIALS)

    @classmethod
    def train(cls, texts, size):
        """Learn at most `size` tokens from texts (an iterable of strings, any languages): 3 specials, 256 bytes, merges."""
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        texts = list(texts)
        if not any(texts):
            raise ValueError("texts is empty: there is nothing to learn tokens from")
        if size < 256 + len(cls.SPECIALS):
            raise ValueError(f"size={size} must be at least {256 + len(cls.SPECIALS)}: the bytes and the special tokens")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Prepend(" ")])
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(cls.WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ])  # fmt: skip
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=list(cls.SPECIALS), show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )  # fmt: skip
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    def __len__(self):
        return self.tokenizer.get_vocab_size()

    def encode(self, text):
        """String -> list of ids, without special tokens."""
        return self.tokenizer.encode(text).ids

    def encode_batch(self, texts, length=None):
        """Strings -> what a model reads: (B, N) ids `<start> ... <end> <pad> ...`.

        length: N; longer texts are cut, the end token stays. None: as long as the longest text needs.
        """
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        if not rows:
            raise ValueError("texts is empty: there is nothing to encode")
        if length is None:
            length = max(map(len, rows)) + 2
        if length < 2:
            raise ValueError(f"length={length} must be at least 2, for the start and the end token")
        ids = torch.full((len(rows), length), self.pad)
        for row, tokens in zip(ids, rows):
            tokens = [self.start, *tokens[: length - 2], self.end]
            row[: len(tokens)] = torch.tensor(tokens)
        return ids

    def decode(self, ids):
        """Ids -> string, special tokens and the blank in front left out; half a character becomes "\ufffd"."""
        ids = [int(i) for i in ids]
        return self.tokenizer.decode(ids, skip_special_tokens=True).removeprefix(" ")

    def pieces(self, text):
        """The tokens of a text as readable strings, for figures; a piece that is no whole character shows as "\ufffd"."""
        return [self.tokenizer.decode([i]) for i in self.encode(text)]
