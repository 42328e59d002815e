"""ELMo (Peters et al. 2018): two LSTM language models, one a direction.

They read words as characters. Shapes: B batch, N words with the marks of begin
and end, C characters a word, D width, V words that can be guessed. `valid`
(B, N) is True where there is a word and False in the padding behind a shorter
sentence.
"""
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from evo import objectives
from evo.inputs import check_flags, check_ids, check_whole
from evo.models import weights

# ---------------------------------------------------------------- words as characters

# 0 is no word at all, 1 ... 256 are the bytes of UTF-8; the numbers are those of the published models
BEGIN, END, WORD_BEGIN, WORD_END, FILL = range(257, 262)
SPECIALS = ("<unk>", "<s>", "</s>")  # what stands in front in the vocabulary of words to guess


def spell(sentences, length=50):
    """Lists of words -> (B, N, C = length) characters, <s> and </s> around every sentence, 0 as padding.

    As in the official code a word keeps its first length - 2 bytes, and half a surrogate pair is left out.
    """
    table = {word: _characters(word, length) for words in sentences for word in words}
    return nn.utils.rnn.pad_sequence(
        [torch.tensor([_mark(BEGIN, length), *map(table.get, words), _mark(END, length)])
         for words in _not_empty(sentences)], batch_first=True)


def _characters(word, length):
    if not isinstance(word, str):
        raise ValueError(f"sentences must be lists of words, but one word is {word!r}, of type {type(word).__name__}")
    if length < 3:
        raise ValueError(f"length={length} has no room for a character between the marks of a word's ends: take 3 or more")
    letters = [1 + byte for byte in word.encode(errors="ignore")[: length - 2]]
    return [WORD_BEGIN, *letters, WORD_END] + [FILL] * (length - len(letters) - 2)


def _mark(character, length):
    return [WORD_BEGIN, character, WORD_END] + [FILL] * (length - 3)


def _not_empty(sentences):
    for i, words in enumerate(sentences):
        if isinstance(words, str):
            raise ValueError(f"sentences must be lists of words, but {words[:40]!r} is one string: tokenize it first")
        if not words:
            raise ValueError(f"sentence {i} is empty: leave texts without words out")
    if not len(sentences):
        raise ValueError("sentences is empty: there is nothing to read")
    return sentences


class Highway(nn.Module):
    """gate * relu(change(x)) + (1 - gate) * x: (M, D) -> (M, D).

    Srivastava et al. 2015. At first little is changed.
    """

    def __init__(self, dim):
        super().__init__()
        self.change, self.gate = nn.Linear(dim, dim), nn.Linear(dim, dim)
        nn.init.constant_(self.gate.bias, -2.0)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return gate * F.relu(self.change(x)) + (1 - gate) * x


class CharacterCNN(nn.Module):
    """The vector of a word from its spelling: (M, C) characters -> (M, D).

    filters: (width, number) pairs. A filter looks at `width` characters side
    by side and reports where in the word it fires most; two highway layers and
    a linear map follow.
    """

    def __init__(self, filters, char_dim, dim):
        super().__init__()
        total = sum(number for _, number in filters)
        self.characters = nn.Embedding(FILL + 1, char_dim, padding_idx=0)
        self.convs = nn.ModuleList(
            nn.Conv1d(char_dim, number, width) for width, number in filters)
        self.highways = nn.ModuleList(Highway(total) for _ in range(2))
        self.proj = nn.Linear(total, dim)

    def forward(self, characters):
        x = self.characters(characters).mT  # (M, char_dim, C)
        x = F.relu(torch.cat([conv(x).amax(2) for conv in self.convs], dim=1))
        for highway in self.highways:
            x = highway(x)
        return self.proj(x)


# ---------------------------------------------------------------- sentences


class LSTM(nn.LSTM):
    """nn.LSTM of one layer with projected output: (B, N, D) -> (B, N, D).

    The output is projected from `cells` to `dim` numbers. With `clip` no cell
    and no output leaves [-clip, clip], which nn.LSTM cannot do: then a loop in
    Python, for published weights. The forget gate's bias starts at 1.
    """

    def __init__(self, dim, cells, clip=None):
        super().__init__(dim, cells, proj_size=dim, batch_first=True)
        self.clip = clip
        with torch.no_grad():
            self.bias_ih_l0[cells : 2 * cells] += 1.0

    def forward(self, x):
        if self.clip is None:
            with warnings.catch_warnings():  # another kernel is taken: fine
                warnings.filterwarnings("ignore", "LSTM with projections is "
                                        "not supported with oneDNN")
                return super().forward(x)[0]
        h, c, outputs = (x.new_zeros(len(x), self.proj_size),
                         x.new_zeros(len(x), self.hidden_size), [])
        for now in x.unbind(1):
            gates = (F.linear(now, self.weight_ih_l0, self.bias_ih_l0)
                     + F.linear(h, self.weight_hh_l0, self.bias_hh_l0))
            i, f, g, o = gates.chunk(4, dim=1)
            c = (f.sigmoid() * c + i.sigmoid() * g.tanh()).clamp(
                -self.clip, self.clip)
            h = F.linear(o.sigmoid() * c.tanh(), self.weight_hr_l0).clamp(
                -self.clip, self.clip)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


def reverse(x, valid):
    """Every sequence backwards within its own length: (B, N, D) -> (B, N, D).

    Padding stays behind; reversed twice, it is as before.
    """
    check_flags(valid, "valid", x.shape[:2])
    last, place = (valid.sum(1, keepdim=True) - 1,
                   torch.arange(x.shape[1], device=x.device))
    source = torch.where(place <= last, last - place, place)  # (B, N)
    return x.gather(1, source[..., None].expand_as(x))


class ELMo(nn.Module):
    """Scores of each next word and of each previous one, both (B, N, V).

    From characters (B, N, C), which `spell` makes. Both directions share the
    characters' CNN and the output matrix, not the LSTMs. vocab_size=0 drops
    the output. As the official code, but for dropout, which is left out.
    """

    def __init__(self, vocab_size, length, dim, cells, filters, char_dim=16,
                 depth=2, clip=None):
        super().__init__()
        self.dim, self.length = dim, length
        self.words = CharacterCNN(filters, char_dim, dim)
        self.ahead = nn.ModuleList(
            LSTM(dim, cells, clip) for _ in range(depth))
        self.back = nn.ModuleList(LSTM(dim, cells, clip) for _ in range(depth))
        self.head = nn.Linear(dim, vocab_size) if vocab_size else nn.Identity()

    def valid(self, characters):
        """(B, N), True where there is a word."""
        check_whole(characters, "characters")
        if characters.ndim != 3 or characters.shape[2] != self.length:
            raise ValueError(
                f"characters have shape {tuple(characters.shape)}, but this "
                f"model reads (B, N, {self.length}): "
                f"spell(sentences, length={self.length})")
        if not characters.numel():
            raise ValueError(
                f"characters of shape {tuple(characters.shape)} hold no word: "
                "there is nothing to read")
        check_ids(characters, FILL + 1, "characters")
        return characters[..., 0] > 0

    def embed(self, characters):
        """The words one by one, whatever stands beside them.

        (B, N, C) -> (B, N, D). Equal words are computed once.
        """
        words, which = characters.flatten(0, 1).unique(
            dim=0, return_inverse=True)
        return F.embedding(which, self.words(words)).unflatten(
            0, characters.shape[:2])

    def layers(self, characters):
        """All layers, a list of (B, N, 2 * D), zero in the padding.

        Layer 0, the words twice side by side, then the forward and the
        backward states of every LSTM layer; in them place i has seen word i,
        from both sides.
        """
        valid = self.valid(characters)
        words = self.embed(characters)
        ahead, back = (_run(self.ahead, words),
                       _run(self.back, reverse(words, valid)))
        pairs = [(words, words),
                 *((a, reverse(b, valid)) for a, b in zip(ahead, back))]
        return [torch.cat(pair, dim=2) * valid[..., None] for pair in pairs]

    def features(self, characters):
        """The upper layer: (B, N, C) -> (B, N, 2 * D).

        The first half has read from the left, the second from the right.
        """
        return self.layers(characters)[-1]

    def forward(self, characters):
        ahead, back = self.features(characters).chunk(2, dim=2)
        return self.head(ahead), self.head(back)


def _run(lstms, x):
    """What every layer gives; all but the first add their input to it."""
    outputs = []
    for i, lstm in enumerate(lstms):
        x = lstm(x) + x if i else lstm(x)
        outputs.append(x)
    return outputs


class ScalarMix(nn.Module):
    """gamma * sum_j softmax(scores)_j * layer_j (eq. 1).

    What a task learns about a frozen ELMo. Starts as the mean.
    """

    def __init__(self, layers):
        super().__init__()
        self.scores, self.gamma = (nn.Parameter(torch.zeros(layers)),
                                   nn.Parameter(torch.ones(())))

    def weights(self):
        """(L,), positive, with sum 1."""
        return self.scores.softmax(0)

    def forward(self, layers):
        """A list of L tensors of one shape -> a tensor of that shape."""
        if len(layers) != len(self.scores):
            raise ValueError(f"{len(layers)} layers came, but this mix has "
                             f"weights for {len(self.scores)}")
        return self.gamma * sum(
            weight * layer for weight, layer in zip(self.weights(), layers))


def elmo_original(vocab_size=0):
    """The published model: 93,600,848 parameters in its file, without the output over 793,471 words.

    Here 93,666,400: a zero row for no word (16), and nn.LSTM keeps two biases where one would do (4 * 16,384).
    """
    filters = [(1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)]
    return ELMo(vocab_size, length=50, dim=512, cells=4096, filters=filters, clip=3.0)


def elmo_small(vocab_size):
    """The size that the book trains on a laptop: 1,215,798 parameters with a vocabulary of 4,038 words."""
    return ELMo(vocab_size, length=32, dim=96, cells=192, filters=[(1, 16), (2, 32), (3, 64), (4, 64)])


# ---------------------------------------------------------------- text to train on


class Corpus:
    """Sentences for training: rows of numbers of words, and for each word its spelling and its number in `vocab`.

    sentences: lists of words. vocab: an `evo.tokenizers.Vocab` with specials=SPECIALS; what it does not hold is read by its
    letters all the same, and guessed as <unk>.
    """

    def __init__(self, sentences, vocab, length=50):
        words = sorted({word for words in _not_empty(sentences) for word in words})
        number = {word: 3 + i for i, word in enumerate(words)}  # 0 no word, 1 <s>, 2 </s>
        spelled = [[0] * length, _mark(BEGIN, length), _mark(END, length), *(_characters(word, length) for word in words)]
        self.characters = torch.tensor(spelled, dtype=torch.int16)
        self.targets = torch.tensor([0, *vocab.encode(["<s>", "</s>", *words])])
        rows = [torch.tensor([1, *map(number.get, words), 2], dtype=torch.int32) for words in sorted(sentences, key=len)]
        self.rows = nn.utils.rnn.pad_sequence(rows, batch_first=True)  # (sentences, longest), short ones first

    def blocks(self, size, longest=40):
        """Sentences of about the same length together, which spares padding: (M, size, N <= longest).

        A longer sentence loses its end; shortest ones that do not fill a block are left out.
        """
        if len(self.rows) < size:
            raise ValueError(f"size={size} is more than the {len(self.rows)} sentences")
        return self.rows[len(self.rows) % size :, :longest].unflatten(0, (-1, size))

    def loss(self, model, blocks):
        """Half the loss of guessing every next word and half that of every previous one; blocks (K, size, N)."""
        ahead, back, rows = self._guess(model, blocks.flatten(0, 1))
        return objectives.both_ways(ahead, back, self.targets.to(rows.device)[rows], rows > 0)

    def _guess(self, model, rows):
        rows = rows[:, (rows > 0).any(0)].long()
        return *model(self.characters.to(rows.device)[rows].long()), rows

    @torch.no_grad()
    def perplexity(self, model, size=100):
        """How many words are equally hard to choose among: (of the next word, of the previous word), over all sentences."""
        costs, guesses = torch.zeros(2, dtype=torch.double), 0
        for rows in self.rows.split(size):
            ahead, back, rows = self._guess(model, rows)
            valid, tokens, count = rows > 0, self.targets[rows], (rows[:, 1:] > 0).sum()
            both = objectives.next_token(ahead, tokens, valid), objectives.previous_token(back, tokens, valid)
            costs += count * torch.stack(both)
            guesses += count
        return tuple((costs / guesses).exp().tolist())


# ---------------------------------------------------------------- published weights


def load_official(model, arrays):
    """Load the weights of the official TensorFlow code, as AllenNLP published them: name in the HDF5 file -> array.

    arrays["CNN/W_cnn_0"] and so on; read them with h5py: `file.visit(...)`. TensorFlow's matrices are (in, out), its gates
    run i, g, f, o where PyTorch has i, f, g, o, and it adds 1 to the forget gate, which becomes part of the bias here.
    The files have no output over words: build the model with vocab_size=0.
    """
    arrays = {name: torch.as_tensor(array).float() for name, array in arrays.items()}
    renamed = {}
    for name, array in arrays.items():
        place = name.split("/")
        kind = place[-1]
        if name == "char_embed":
            renamed["words.characters.weight"] = F.pad(array, (0, 0, 1, 0))  # no word is zero
        elif kind.startswith("W_cnn_"):
            renamed[f"words.convs.{kind[6:]}.weight"] = array[0].permute(2, 1, 0)  # (1, width, char_dim, n)
        elif kind.startswith("b_cnn_"):
            renamed[f"words.convs.{kind[6:]}.bias"] = array
        elif place[0].startswith("CNN_high_"):
            part = {"carry": "gate", "transform": "change"}[kind[2:]]
            renamed[f"words.highways.{place[0][9:]}.{part}.{_KIND[kind[0]]}"] = array.T if kind[0] == "W" else array
        elif place[0] == "CNN_proj":
            renamed[f"words.proj.{_KIND[kind[0]]}"] = array.T if kind[0] == "W" else array
        elif place[-2:-1] == ["LSTMCell"]:
            layer = f"{['ahead', 'back'][int(place[0][4:])]}.{place[-3][4:]}"
            renamed |= {f"{layer}.{name}": tensor for name, tensor in _lstm(kind, array).items()}
        else:
            renamed[name] = array
    return weights.load(model, renamed)


_KIND = {"W": "weight", "b": "bias"}


def _lstm(kind, array):
    """One array of a TensorFlow LSTM cell -> nn.LSTM's parameters."""
    if kind == "W_P_0":
        return {"weight_hr_l0": array.T}
    i, g, f, o = array.T.chunk(4) if kind == "W_0" else array.chunk(4)
    if kind == "B":
        bias = torch.cat([i, f + 1, g, o])
        return {"bias_ih_l0": bias, "bias_hh_l0": torch.zeros_like(bias)}
    w_in, w_state = torch.cat([i, f, g, o]).chunk(2, dim=1)  # the input, then the projected state, both D wide
    return {"weight_ih_l0": w_in, "weight_hh_l0": w_state}
