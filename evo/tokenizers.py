"""From text to numbers: whole words (Vocab), or pieces of words: in any script (Subwords), as BERT (WordPiece)."""
import operator
from collections import Counter, defaultdict
from heapq import heapify, heappop, heappush

import numpy as np
import torch

from evo.inputs import check_whole

LONGEST = 100  # letters; WordPiece calls a longer word [UNK], as BERT does


class Vocab:
    """A numbered list of words, the most frequent first.

    texts: texts as lists of words; those of the training set only. Words seen fewer than min_count times are left
    out. specials stand in front, whether seen or not. A word that is not in the list becomes "<unk>"; where
    specials do not hold "<unk>", it is dropped.
    """

    def __init__(self, texts, min_count=1, specials=("<unk>",)):
        _whole("min_count", min_count, 1)
        specials = _words(specials, "specials")
        if len(set(specials)) < len(specials):
            raise ValueError(f"specials={specials} holds a word twice: every word has one number")
        counts = Counter()
        for text in _listed(texts, "texts", of="lists of words"):
            counts.update(_words(text, "texts"))
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
        if not isinstance(word, str) or word not in self.index:
            raise KeyError(f"{word!r} is no word of this vocabulary of {len(self)}")
        return self.index[word]

    def encode(self, text):
        """List of words -> list of ids."""
        text = _words(text, "text")
        if "<unk>" in self.index:
            return [self.index.get(word, self.index["<unk>"]) for word in text]
        return [self.index[word] for word in text if word in self.index]

    def decode(self, ids):
        """List of ids -> list of words; ValueError for an id that no word has."""
        return [self.words[i] for i in _ids(ids, len(self))]


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

        texts = _texts(texts)
        if not any(texts):
            raise ValueError("texts is empty: there is nothing to learn tokens from")
        _whole("size", size)
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
        return self.tokenizer.encode(_text(text)).ids

    def encode_batch(self, texts, length=None):
        """Strings -> what a model reads: (B, N) ids `<start> ... <end> <pad> ...`.

        length: N; longer texts are cut, the end token stays. None: as long as the longest text needs.
        """
        rows = [encoding.ids for encoding in self.tokenizer.encode_batch(_texts(texts))]
        if not rows:
            raise ValueError("texts is empty: there is nothing to encode")
        if length is None:
            length = max(map(len, rows)) + 2
        if _whole("length", length) < 2:
            raise ValueError(f"length={length} must be at least 2, for the start and the end token")
        ids = torch.full((len(rows), length), self.pad)
        for row, tokens in zip(ids, rows):
            tokens = [self.start, *tokens[: length - 2], self.end]
            row[: len(tokens)] = torch.tensor(tokens)
        return ids

    def decode(self, ids):
        """Ids -> string, special tokens and the blank in front left out; half a character becomes "\ufffd"."""
        ids = _ids(ids, len(self))
        return self.tokenizer.decode(ids, skip_special_tokens=True).removeprefix(" ")

    def pieces(self, text):
        """The tokens of a text as readable strings, for figures; a piece that is no whole character shows as "\ufffd"."""
        return [self.tokenizer.decode([i]) for i in self.encode(text)]


def learn_merges(counts, size, inner=""):
    """Byte-pair encoding (Sennrich et al. 2016): join the most frequent pair.

    Again and again: every word starts as its characters; `inner` stands in
    front of those that do not begin it ("##" for WordPiece). Stops at `size`
    pieces, or when no two neighbours are left. Of equally frequent pairs the
    one learned first, by its parts, wins.
    counts: word -> how often it occurs -> (pieces, merges): the characters in
    order, then what each merge made; merges are pairs of pieces.
    """
    _whole("size", size, 1)
    words = [([word[0], *(inner + c for c in word[1:])], n)
             for word, n in _counted(counts) if word]
    if not words:
        raise ValueError("counts is empty: there is nothing to learn merges "
                         "from")
    pieces = sorted({piece for word, _ in words for piece in word})
    if len(pieces) > size:
        raise ValueError(
            f"size={size} is less than the {len(pieces)} different characters "
            "of the words, which are pieces, too")
    number = {piece: i for i, piece in enumerate(pieces)}
    # pair -> its count, and the words that hold it
    frequency, found = Counter(), defaultdict(set)
    for i, (word, n) in enumerate(words):
        for pair in zip(word, word[1:]):
            frequency[pair] += n
            found[pair].add(i)
    queue = [(-n, number[a], number[b], a, b)
             for (a, b), n in frequency.items()]
    heapify(queue)
    merges = []
    while queue and len(pieces) < size:
        n, _, _, a, b = heappop(queue)
        if -n != frequency[a, b]:  # it has changed since it was put here
            if frequency[a, b]:
                heappush(
                    queue, (-frequency[a, b], number[a], number[b], a, b))
            continue
        merges.append((a, b))
        joined = a + b.removeprefix(inner)
        if joined not in number:
            number[joined] = len(pieces)
            pieces.append(joined)
        fresh = set()
        for i in found.pop((a, b)):
            word, n = words[i]
            for pair in zip(word, word[1:]):
                frequency[pair] -= n
            word[:] = join(word, a, b, joined)
            for pair in zip(word, word[1:]):
                frequency[pair] += n
                # the others have become rarer: the queue finds out in time
                if joined in pair:
                    found[pair].add(i)
                    fresh.add(pair)
        for a, b in fresh:
            heappush(queue, (-frequency[a, b], number[a], number[b], a, b))
    return pieces, merges


def join(word, a, b, joined):
    """A word as a list of pieces, with every a before b replaced by `joined`, from left to right."""
    out = []
    for piece in _listed(word, "word", of="pieces"):
        if piece == b and out and out[-1] == a:
            out[-1] = joined
        else:
            out.append(piece)
    return out


def longest_match(word, pieces, unknown="[UNK]"):
    """WordPiece: from the left, always the longest piece that fits.

    -> list of pieces; [unknown] where none fits.
    """
    if len(_text(word)) > LONGEST:
        return [unknown]
    _listed(pieces, "pieces")
    out, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in pieces:
                break
        else:
            return [unknown]
        out.append(piece)
        start = end
    return out


class WordPiece:
    """BERT's tokens (Devlin et al. 2019, sec. 3): pieces of lower-cased words; "##" marks those that do not begin one.

    pieces: list of strings, the special tokens among them, as in a published vocab.txt. Words are cut by `longest_match`
    (in the `tokenizers` library, for speed); punctuation stands alone, accents are stripped.
    """

    SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

    def __init__(self, pieces):
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

        self.pieces = _words(pieces, "pieces")
        index = {piece: i for i, piece in enumerate(self.pieces)}
        missing = [token for token in self.SPECIALS if token not in index]
        if missing:
            raise ValueError(f"pieces lack {', '.join(missing)}: pass a whole vocabulary, or train one with WordPiece.train")
        if len(index) < len(self.pieces):
            raise ValueError(f"pieces holds {len(self.pieces) - len(index)} pieces twice: every piece has one number")
        self.pad, self.unk, self.cls, self.sep, self.mask = (index[token] for token in self.SPECIALS)
        self.tokenizer = Tokenizer(models.WordPiece(index, unk_token="[UNK]", max_input_chars_per_word=LONGEST))
        self.tokenizer.normalizer = normalizers.BertNormalizer()
        self.tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self.tokenizer.decoder = decoders.WordPiece()
        self.tokenizer.add_special_tokens(["[MASK]"])  # written in a text it asks for a word; the others are then plain text

    @classmethod
    def train(cls, texts, size):
        """Learn at most `size` pieces (special tokens and single letters included) from strings, by `learn_merges`."""
        if _whole("size", size) <= len(cls.SPECIALS):
            raise ValueError(f"size={size} must be greater than {len(cls.SPECIALS)}, the number of special tokens")
        blank = cls(cls.SPECIALS)
        counts = Counter()
        for stretch, n in Counter(stretch for text in _texts(texts) for stretch in text.split(" ")).items():
            for word in blank.words(stretch):
                counts[word] += n
        counts = {word: n for word, n in counts.items() if len(word) <= LONGEST}
        letters = {letter for word in counts for letter in [word[0], *("##" + c for c in word[1:])]}
        if size < len(cls.SPECIALS) + len(letters):
            raise ValueError(f"size={size} must be at least {len(cls.SPECIALS) + len(letters)}: the special tokens and the letters, each "
                             "as it begins a word and as it goes on, so that no word is unknown")
        return cls([*cls.SPECIALS, *learn_merges(counts, size - len(cls.SPECIALS), inner="##")[0]])

    def __len__(self):
        return len(self.pieces)

    def words(self, text):
        """A text as BERT sees it before words are cut: lower-cased words and single punctuation marks."""
        text = self.tokenizer.normalizer.normalize_str(_text(text))
        return [word for word, _ in self.tokenizer.pre_tokenizer.pre_tokenize_str(text)]

    def encode(self, text):
        """One text -> list of ids, without special tokens."""
        return self.tokenizer.encode(_text(text), add_special_tokens=False).ids

    def encode_batch(self, first, second=None, length=None):
        """Texts -> (tokens, segments), both (B, N): [CLS] first [SEP], or [CLS] first [SEP] second [SEP], padded.

        first, second: lists of strings; an entry of second may be None. segments: 0 through the first [SEP], then 1.
        length: N; of too long a pair the longer text loses its end, token by token; of two equal ones the second.
        None: as long as the longest needs.
        """
        first = self._rows(_texts(first, "first"))
        second = [None] * len(first) if second is None else list(_listed(second, "second"))
        if not first or len(first) != len(second):
            raise ValueError(f"first and second must be lists of one length above 0, got {len(first)} and {len(second)}")
        given = iter(self._rows(_texts([text for text in second if text is not None], "second")))
        second = [None if text is None else next(given) for text in second]
        if not all(first) or [] in second:
            raise ValueError("a text is empty: leave it out (None for a second text), there is nothing to read")
        need = max(len(a) + 2 + (0 if b is None else len(b) + 1) for a, b in zip(first, second))
        if length is None:
            length = need
        elif _whole("length", length) < 5:
            raise ValueError(f"length={length} must be at least 5: three special tokens and a piece of each text")
        tokens, segments = [], []
        for a, b in zip(first, second):
            while len(a) + 2 + (0 if b is None else len(b) + 1) > length:
                (a if b is None or len(a) > len(b) else b).pop()
            front, back = [self.cls, *a, self.sep], [] if b is None else [*b, self.sep]
            rest = length - len(front) - len(back)
            tokens += front + back + [self.pad] * rest
            segments += [0] * len(front) + [1] * len(back) + [0] * rest
        # sooner than torch.tensor, where there are millions
        return tuple(torch.from_numpy(np.array(ids, dtype=np.int64)).view(-1, length) for ids in (tokens, segments))

    def _rows(self, texts):
        """Every text as its ids. No piece reaches over a blank, so that each stretch between blanks is cut only once."""
        rows = [text.split(" ") for text in texts]
        stretches = list({stretch for row in rows for stretch in row})
        found = self.tokenizer.encode_batch(stretches, add_special_tokens=False)
        ids = {stretch: encoding.ids for stretch, encoding in zip(stretches, found)}
        return [[i for stretch in row for i in ids[stretch]] for row in rows]

    def decode(self, ids):
        """Ids -> string; special tokens are left out, but for [UNK]."""
        hidden = {self.pad, self.cls, self.sep, self.mask}
        return self.tokenizer.decode([i for i in _ids(ids, len(self)) if i not in hidden], skip_special_tokens=False)


def drop_padding(tokens, *more, pad=0):
    """Without the columns at the end that are padding in every row.

    (B, N) -> (B, n). more: tensors (B, N, ...) that are cut as well; then a
    tuple comes back, tokens in front.
    """
    check_whole(tokens, "tokens")
    _whole("pad", pad, 0)
    if tokens.ndim != 2 or not (used := (tokens != pad).any(0)).any():
        raise ValueError(
            "tokens must be (B, N) with a token that is no padding, id "
            f"{pad}; got shape {tuple(tokens.shape)}")
    for x in more:
        if not isinstance(x, torch.Tensor) or x.shape[:2] != tokens.shape:
            raise ValueError(
                f"what is cut beside tokens {tuple(tokens.shape)} must be "
                "tensors of these rows and columns, got "
                f"{tuple(x.shape) if hasattr(x, 'shape') else type(x)}")
    n = int(used.nonzero().max()) + 1
    found = (tokens[:, :n], *(x[:, :n] for x in more))
    return found if more else found[0]


# ---------------------------------------------------------------- what is refused, in one sentence


def _listed(things, name, of="strings"):
    """things, if one can go through them; a single string has letters, which is never meant."""
    if isinstance(things, (str, bytes)):
        raise ValueError(f"{name} must be a list of {of}, but {things[:40]!r} is one string: put it into a list")
    try:
        return iter(things)
    except TypeError:
        raise ValueError(f"{name} must be a list of {of}, but it is {things!r:.60}") from None


def _text(text, name="text"):
    """A string that can be written as UTF-8: None, NaN and half characters (lone surrogates) are not."""
    if not isinstance(text, str):
        raise ValueError(f"{name} must be a string, but {text!r:.60} is {type(text).__name__}: leave out what has no text")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError(f"{name} {text[:40]!r} holds half a character (a lone surrogate): decode its bytes as UTF-8 first")
    return text


def _texts(texts, name="texts"):
    return [_text(text, f"{name}: a text") for text in _listed(texts, name)]


def _words(words, name):
    """A list of words (strings); not a text, and not a table of counts, which would count anew."""
    if isinstance(words, str):
        raise ValueError(f"{name} must be lists of words, but {words[:40]!r} is one string: tokenize it first")
    if isinstance(words, dict):
        raise ValueError(f"{name} must be lists of words, but one of them is a {type(words).__name__}: pass the words themselves")
    words = list(_listed(words, name, of="words"))
    if set(map(type, words)) - {str} or not "".join(words).isascii():
        for word in words:
            _text(word, f"{name}: a word")
    return words


def _counted(counts):
    """The items of a dict word -> how often it occurs."""
    if not isinstance(counts, dict):
        raise ValueError(f"counts must be a dict, word -> how often it occurs, but it is {type(counts).__name__}")
    for word, n in counts.items():
        _text(word, "counts: a word"), _whole(f"counts[{word!r:.40}]", n, 1)
    return counts.items()


def _ids(ids, size):
    """Ids as whole numbers; ValueError unless all are in range(size). A negative one would count from the end."""
    try:
        ids = [operator.index(i) for i in _listed(ids, "ids", of="ids")]
    except TypeError:
        raise ValueError("ids must be whole numbers in a list or a tensor of one dimension, as encode gives them") from None
    for i in ids:
        if not 0 <= i < size:
            raise ValueError(f"id {i} is out of range: the ids run from 0 to {size - 1}")
    return ids


def _whole(name, number, least=None):
    """A whole number, as it is."""
    if isinstance(number, bool) or not hasattr(number, "__index__") or least is not None and number < least:
        raise ValueError(f"{name}={number!r} must be a whole number" + (f", at least {least}" if least is not None else ""))
    return number


def k_means(points, k, rounds=15, seed=0):
    """k centres, each the mean of the points nearest to it (Lloyd 1982).

    points (N, D) -> (k, D) doubles. It starts from k of the different points,
    drawn at random, and repeats two steps: every point to its nearest centre,
    every centre to the mean of its points. A centre without points stays.
    """
    _whole("k", k, 1)
    points = _table("points", points).double()
    different = points.unique(dim=0)
    if len(different) < k:
        raise ValueError(f"there are {len(different)} different points, too "
                         f"few for k={k} centres")
    order = torch.randperm(
        len(different), generator=torch.Generator().manual_seed(seed))
    centres = different[order[:k]]
    for _ in range(rounds):
        nearest = nearest_centre(points, centres)
        count = nearest.bincount(minlength=k)[:, None]
        total = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(count > 0, total / count.clamp(min=1), centres)
    return centres


def nearest_centre(points, centres):
    """(N, D), (k, D) -> (N,): which centre is nearest; of equals the first."""
    points, centres = _table("points", points), _table("centres", centres)
    if points.shape[1] != centres.shape[1]:
        raise ValueError(f"points have {points.shape[1]} numbers each, but "
                         f"centres {centres.shape[1]}")
    centres = centres.to(points.dtype)
    length = centres.square().sum(1)
    return torch.cat([(length - 2 * part @ centres.T).argmin(1)
                      for part in points.split(8192)])


class Palette:
    """A few colours that stand for all (iGPT): pictures to numbers and back.

    colours (K, 3): whole numbers from 0 to 255, so that the nearest one is
    found without rounding, the same on every machine.
    """

    def __init__(self, colours):
        colours = _table("colours", colours)
        if colours.shape[1] != 3:
            raise ValueError(f"colours have shape {tuple(colours.shape)}, but "
                             "(K, 3) is needed")
        if colours.min() < 0 or colours.max() > 255:
            raise ValueError("colours must lie between 0 and 255")
        self.colours = colours.double().round().to(torch.uint8)

    def __len__(self):
        return len(self.colours)

    def encode(self, images):
        """(B, 3, H, W) bytes -> (B, H * W) numbers of colours, row by row."""
        if not isinstance(images, torch.Tensor):
            raise ValueError("images must be a tensor of bytes (B, 3, H, W), "
                             f"got {type(images).__name__}")
        if (images.ndim != 4 or images.shape[1] != 3 or not images.numel()
                or images.dtype != torch.uint8):
            raise ValueError(f"images must be bytes (B, 3, H, W), got "
                             f"{images.dtype} of shape {tuple(images.shape)}")
        pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).float()
        nearest = nearest_centre(pixels, self.colours.float())
        return nearest.view(len(images), -1)

    def decode(self, tokens, width):
        """(B, N) numbers of colours -> (B, 3, N / width, width) bytes."""
        _whole("width", width, 1)
        tokens = _table("tokens", tokens)
        if tokens.is_floating_point() or tokens.shape[1] % width:
            raise ValueError(
                f"tokens are {tokens.dtype} of shape {tuple(tokens.shape)}, "
                f"but whole numbers (B, N), rows of width={width}, are needed")
        if tokens.min() < 0 or tokens.max() >= len(self):
            raise ValueError(f"colours have the numbers 0 to {len(self) - 1}, "
                             f"got {tokens.min()} to {tokens.max()}")
        pixels = self.colours[tokens.long()].view(len(tokens), -1, width, 3)
        return pixels.permute(0, 3, 1, 2)


def _table(name, x):
    """Finite numbers as a tensor (N, D), N and D above 0."""
    try:
        x = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a table of numbers, got "
                         f"{type(x).__name__}") from None
    bad = x.dtype in (torch.bool, torch.complex64)
    if bad or x.ndim != 2 or not x.numel():
        raise ValueError(f"{name} must be a table of numbers (N, D), got "
                         f"{x.dtype} of shape {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError(f"{name} must be finite, but hold NaN or infinity")
    return x
