"""Vocab, Subwords and WordPiece: their rules, and agreement with d2l.Vocab, `tokenizers` and transformers' BertTokenizer."""
import json
import random
import unicodedata
from collections import Counter

import pytest
import torch

from evo.data.text import wordnet
from evo.fingerprint import fingerprint
from evo.tokenizers import Subwords, Vocab, WordPiece, drop_padding, join, learn_merges, longest_match

TEXTS = [["the", "dog", "sees", "the", "cat"], ["a", "cat", "sees", "a", "dog"], ["the", "bird"]]
NAMES = ["dog face", "cat face", "Hundegesicht", "Katzengesicht", "कुत्ते का चेहरा", "บ้านและสวน", "狗脸", "猫脸", "وجه كلب", "собака"] * 3


# ---------------------------------------------------------------- Vocab


def test_words_stand_by_frequency_and_ties_by_alphabet():
    vocab = Vocab(TEXTS)
    assert vocab.words == ["<unk>", "the", "a", "cat", "dog", "sees", "bird"]
    assert vocab.counts == [0, 3, 2, 2, 2, 2, 1]
    assert len(vocab) == 7 and "cat" in vocab and "fish" not in vocab and vocab["cat"] == 3


def test_decode_undoes_encode_for_known_words():
    vocab = Vocab(TEXTS)
    assert all(vocab.decode(vocab.encode(text)) == text for text in TEXTS)


def test_an_unknown_word_becomes_unk_or_is_dropped():
    assert Vocab(TEXTS).encode(["the", "fish"]) == [1, 0]
    assert Vocab(TEXTS, specials=()).encode(["the", "fish"]) == [0]


def test_rare_words_go_and_specials_stay():
    vocab = Vocab(TEXTS, min_count=2, specials=("<pad>", "<unk>"))
    assert vocab.words == ["<pad>", "<unk>", "the", "a", "cat", "dog", "sees"]
    assert vocab.encode(["bird"]) == [1]


def test_a_special_that_is_also_a_word_stands_once():
    assert Vocab([["<unk>", "dog"]]).words == ["<unk>", "dog"]


def test_same_words_and_counts_as_d2l():
    d2l = pytest.importorskip("d2l.torch")
    peer, vocab = d2l.Vocab(TEXTS, min_freq=2), Vocab(TEXTS, min_count=2)
    assert set(peer.idx_to_token) == set(vocab.words)
    assert dict(peer.token_freqs) == dict(zip(Vocab(TEXTS).words[1:], Vocab(TEXTS).counts[1:]))
    text = ["a", "fish", "sees", "the", "bird"]
    assert [peer.to_tokens(i) for i in peer[text]] == vocab.decode(vocab.encode(text))


def test_same_ids_as_a_word_level_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    peer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    peer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    texts = [" ".join(text) for text in TEXTS]
    peer.train_from_iterator(texts, trainers.WordLevelTrainer(special_tokens=["<unk>"], show_progress=False))
    vocab = Vocab(TEXTS)
    assert peer.get_vocab() == vocab.index
    assert peer.encode("the fish sees a bird").ids == vocab.encode("the fish sees a bird".split())


def test_its_fingerprint_follows_the_words():
    assert fingerprint(Vocab(TEXTS)) == fingerprint(Vocab(TEXTS)) != fingerprint(Vocab(TEXTS[:2]))


@pytest.mark.parametrize(
    ("texts", "settings", "message"),
    [([], {}, "no word"), ([[]], {}, "no word"), (TEXTS, {"min_count": 9}, "min_count=9"), (["the dog"], {}, "one string")],
)
def test_bad_texts_are_named(texts, settings, message):
    with pytest.raises(ValueError, match=message):
        Vocab(texts, **settings)


# ---------------------------------------------------------------- Subwords


@pytest.fixture(scope="module")
def subwords():
    return Subwords.train(NAMES, 400)


@pytest.mark.parametrize(
    "text", ["dog face", "ein Kätzchen", "कुत्ते का चेहरा", "狗和猫", "لم يُرَ", "🐶 + 🐱", "  two  blanks ", "tab\tend", "<end>", ""]
)
def test_any_text_in_any_script_comes_back(subwords, text):
    assert subwords.decode(subwords.encode(text)) == unicodedata.normalize("NFKC", text).lower()


def test_frequent_neighbours_are_one_token(subwords):
    assert len(subwords.encode("dog face")) == 2 and len(subwords.encode("zyx")) == 4


@pytest.mark.parametrize("word", ["चेहरा", "บ้านและสวน"])
def test_vowel_signs_stay_inside_the_word(word):
    assert len(Subwords.train([word] * 9, 400).encode(word)) == 1


def test_training_is_repeatable(subwords):
    again = Subwords.train(NAMES, 400)
    assert again.tokenizer.to_str() == subwords.tokenizer.to_str() and fingerprint(again) == fingerprint(subwords)
    assert fingerprint(Subwords.train(NAMES, 300)) != fingerprint(subwords)


def test_size_counts_everything(subwords):
    assert len(Subwords.train(NAMES, 280)) == 280
    assert max(subwords.encode_batch(NAMES).flatten()) < len(subwords) <= 400


def test_a_batch_starts_ends_and_is_padded(subwords):
    ids = subwords.encode_batch(["dog face", "dog"])
    assert ids.dtype is torch.int64 and ids.shape == (2, 4)
    assert ids[:, 0].tolist() == [subwords.start] * 2
    assert ids[1].tolist()[2:] == [subwords.end, subwords.pad]
    assert subwords.decode(ids[1]) == "dog"


def test_a_text_that_is_too_long_is_cut_and_still_ends(subwords):
    ids = subwords.encode_batch(["dog face " * 20, "x"], length=6)
    assert ids.shape == (2, 6) and ids[0, -1] == subwords.end
    assert ((ids == subwords.end).sum(1) == 1).all()


def test_special_tokens_written_in_a_text_are_text(subwords):
    assert ((subwords.encode_batch(["<end> of <start>", "<pad>"]) == subwords.end).sum(1) == 1).all()


def test_same_pieces_as_a_plain_byte_level_tokenizer():
    """Lower-case Latin words without marks are cut alike by GPT-2's own pattern, so both learn the same merges."""
    from tokenizers import ByteLevelBPETokenizer

    texts = ["a dog sees a cat", "the cat sees the bird", "dogs and cats"] * 5
    peer = ByteLevelBPETokenizer(add_prefix_space=True)
    peer.train_from_iterator(texts, vocab_size=300, min_frequency=0, show_progress=False, special_tokens=list(Subwords.SPECIALS))
    ours = Subwords.train(texts, 300)
    for text in [*texts[:3], "birdcatdog"]:
        assert ours.encode(text) == peer.encode(text).ids


def test_pieces_join_to_the_text(subwords):
    assert "".join(subwords.pieces("dog face")) == " dog face"


@pytest.mark.parametrize(("texts", "size", "message"), [([], 400, "empty"), ([""], 400, "empty"), (NAMES, 100, "size=100")])
def test_bad_training_is_named(texts, size, message):
    with pytest.raises(ValueError, match=message):
        Subwords.train(texts, size)


def test_bad_batches_are_named(subwords):
    with pytest.raises(ValueError, match="texts is empty"):
        subwords.encode_batch([])
    with pytest.raises(ValueError, match="length=1"):
        subwords.encode_batch(["dog"], length=1)


# ---------------------------------------------------------------- merges


@pytest.fixture(scope="module")
def definitions():
    words = wordnet()
    return [words.definitions[i] for i in words.train[:4000]], [words.definitions[i] for i in words.test[:600]]


@pytest.fixture(scope="module")
def wordpiece(definitions):
    return WordPiece.train(definitions[0], 1000)


def counts_of(texts):
    blank = WordPiece(WordPiece.SPECIALS)
    return Counter(word for text in texts for word in blank.words(text))


def naive_merges(counts, size, inner=""):
    """Byte-pair encoding by counting everything again before every merge."""
    words = {word: [word[0], *(inner + c for c in word[1:])] for word in counts}
    pieces, merges = sorted({piece for word in words.values() for piece in word}), []
    while len(pieces) < size:
        pairs = Counter()
        for word, parts in words.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += counts[word]
        if not pairs:
            break
        a, b = min(pairs, key=lambda pair: (-pairs[pair], pieces.index(pair[0]), pieces.index(pair[1])))
        joined = a + b.removeprefix(inner)
        merges.append((a, b))
        if joined not in pieces:
            pieces.append(joined)
        words = {word: join(parts, a, b, joined) for word, parts in words.items()}
    return pieces, merges


def test_merges_by_hand():
    """The words of Sennrich et al. (2016, sec. 3.2): 9 times "es", as often "est"; 7 times "lo"; then, of equals, the oldest parts."""
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    pieces, merges = learn_merges(counts, 15)
    assert merges == [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w"), ("e", "w")]
    assert pieces == [*"deilnorstw", "es", "est", "lo", "low", "ew"]
    assert learn_merges(counts, 999)[0][-1] == "lower"  # nothing is left to join


@pytest.mark.parametrize("inner", ["", "##"])
def test_merges_equal_those_of_naive_counting(definitions, inner):
    counts = counts_of(definitions[0][:200])
    assert learn_merges(counts, 200, inner) == naive_merges(counts, 200, inner)
    assert learn_merges({"aaaa": 3, "aaaaa": 2, "abab": 4}, 99, inner) == naive_merges({"aaaa": 3, "aaaaa": 2, "abab": 4}, 99, inner)


def test_merges_equal_those_of_the_library(definitions):
    """All of them, in order, on real text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    peer = Tokenizer(models.BPE())
    peer.normalizer, peer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    peer.train_from_iterator(definitions[0], trainers.BpeTrainer(vocab_size=2000, show_progress=False))
    theirs = [tuple(merge) for merge in json.loads(peer.to_str())["model"]["merges"]]
    pieces, merges = learn_merges(counts_of(definitions[0]), 2000)
    assert len(merges) > 1900 and merges == theirs and set(pieces) == set(peer.get_vocab())


def test_the_librarys_wordpiece_trainer_is_bpe_by_frequency(definitions):
    """Not by likelihood, as WordPiece is often described: it learns our pieces, but for ties, which it breaks at random."""
    from tokenizers import BertWordPieceTokenizer

    peer = BertWordPieceTokenizer()
    peer.train_from_iterator(definitions[0], vocab_size=1000, show_progress=False)
    ours = WordPiece.train(definitions[0], 1000)
    assert len(set(peer.get_vocab()) - set(ours.pieces)) <= 10


def test_a_word_is_joined_from_left_to_right():
    assert join(list("aaaba"), "a", "a", "aa") == ["aa", "a", "b", "a"]
    assert join(["a", "##b", "##a", "##b"], "##a", "##b", "##ab") == ["a", "##b", "##ab"]
    assert join([], "a", "b", "ab") == []


@pytest.mark.parametrize("counts", [{}, {"": 3}])
def test_no_words_are_named(counts):
    with pytest.raises(ValueError, match="nothing to learn"):
        learn_merges(counts, 100)


# ---------------------------------------------------------------- WordPiece


def test_longest_match_by_hand():
    pieces = {"un", "unlike", "##like", "##ly", "##l", "##y"}
    assert longest_match("unlikely", pieces) == ["unlike", "##ly"]
    assert longest_match("unlike", pieces - {"unlike"}) == ["un", "##like"]
    assert longest_match("unlikes", pieces) == ["[UNK]"] and longest_match("", pieces) == []
    assert longest_match("unly", {"un", "unl", "##ly"}) == ["[UNK]"]  # greedy: it does not turn back


def test_longest_match_is_what_the_library_does(definitions, wordpiece):
    pieces, unknown = set(wordpiece.pieces), 0
    for text in definitions[1]:
        ours = [piece for word in wordpiece.words(text) for piece in longest_match(word, pieces)]
        assert ours == [wordpiece.pieces[i] for i in wordpiece.encode(text)]
        unknown += ours.count("[UNK]")
    assert unknown < 5


@pytest.fixture(scope="module")
def bert_tokenizer(wordpiece, tmp_path_factory):
    import transformers

    file = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    file.write_text("\n".join(wordpiece.pieces) + "\n", encoding="utf-8")
    return transformers.BertTokenizer(str(file))


@pytest.mark.parametrize("text", ["Café DÉJÀ-vu", "日本語 text", "co-op's\tnaïve", "x\u0000y", "don't!?", "a" * 101, "ﬁ ½ 🐶"])
def test_any_text_is_cut_as_by_berts_tokenizer(wordpiece, bert_tokenizer, text):
    assert wordpiece.encode(text) == bert_tokenizer(text)["input_ids"][1:-1]


def test_stretches_between_blanks_are_cut_as_in_their_text(wordpiece):
    """The batch cuts every stretch once: nothing may change across a blank, whatever stands beside it."""
    marks = "\t\n\x0b\x1c\x85\xa0\u2003\u3000\u200b\u0301\u0327\u4e2d\u03a3\u0130\u1e9e\ufeff\ufffd\0\xad\U0001f600\u0e33\uac00\u1100\u1161"
    parts = [*marks, *"abcZ .,#[]", " ", " ", " ", "[MASK]", "play", "unaffable", "\u0391\u03a3"]
    chance = random.Random(0)
    texts = ["".join(chance.choices(parts, k=chance.randint(1, 14))) for _ in range(3000)]
    texts = [text for text in texts if wordpiece.encode(text)]
    tokens, _ = wordpiece.encode_batch(texts)
    for text, row in zip(texts, tokens.tolist()):
        ids = [wordpiece.cls, *wordpiece.encode(text), wordpiece.sep]
        assert row == ids + [wordpiece.pad] * (len(row) - len(ids)), repr(text)


@pytest.mark.parametrize("length", [None, 5, 12, 24, 64])
def test_one_text_is_laid_out_as_by_berts_tokenizer(definitions, wordpiece, bert_tokenizer, length):
    same(wordpiece, bert_tokenizer, definitions[1][:100], None, length)


@pytest.mark.parametrize("length", [None, 5, 13, 25, 65])
def test_a_pair_is_laid_out_as_by_berts_tokenizer(definitions, wordpiece, bert_tokenizer, length):
    same(wordpiece, bert_tokenizer, definitions[1][:100], definitions[1][100:200], length)


def same(wordpiece, bert_tokenizer, first, second, length):
    shape = dict(padding=True) if length is None else dict(padding="max_length", truncation="longest_first", max_length=length)
    theirs = bert_tokenizer(first, second, return_tensors="pt", **shape)
    tokens, segments = wordpiece.encode_batch(first, second, length)
    assert tokens.dtype is segments.dtype is torch.int64
    assert torch.equal(tokens, theirs["input_ids"]) and torch.equal(segments, theirs["token_type_ids"])
    assert torch.equal(tokens != wordpiece.pad, theirs["attention_mask"].bool())


def test_a_pair_is_cut_as_by_the_official_code(wordpiece):
    """Where an odd number of pieces is left, transformers gives the last one to the longer text, the code of 2018 to the first."""
    first, second = "a b c d", "a b c d e f"
    tokens, _ = wordpiece.encode_batch([first, second], [second, first], length=10)
    texts = [wordpiece.decode(row).replace(" ", "") for row in tokens]
    assert texts == ["abcdabc", "abcdabc"]


def test_texts_alone_and_in_pairs_share_a_batch(wordpiece):
    tokens, segments = wordpiece.encode_batch(["a dog", "a dog"], [None, "the cat"])
    text, other = wordpiece.encode("a dog"), wordpiece.encode("the cat")
    assert tokens[0].tolist() == [wordpiece.cls, *text, wordpiece.sep] + [wordpiece.pad] * (len(other) + 1)
    assert tokens[1].tolist() == [wordpiece.cls, *text, wordpiece.sep, *other, wordpiece.sep]
    assert segments.tolist() == [[0] * tokens.shape[1], [0] * (len(text) + 2) + [1] * (len(other) + 1)]


def test_a_text_of_one_piece_needs_three_places(wordpiece):
    assert wordpiece.encode_batch(["a"])[0].tolist() == [[wordpiece.cls, *wordpiece.encode("a"), wordpiece.sep]]


def test_decode_gives_the_words_back(wordpiece):
    tokens, _ = wordpiece.encode_batch(["a plant that eats insects"], ["Small DOGS"], 30)
    assert wordpiece.decode(tokens[0]) == "a plant that eats insects small dogs"
    assert "[UNK]" in wordpiece.decode(wordpiece.encode("dog 日"))


def test_special_tokens_written_in_a_text_are_no_special_tokens_but_for_the_mask(wordpiece):
    assert not {wordpiece.sep, wordpiece.pad, wordpiece.cls} & set(wordpiece.encode("[SEP] a [CLS] [PAD]"))


def test_wordpiece_is_repeatable_and_its_fingerprint_follows_the_pieces(definitions, wordpiece):
    again = WordPiece.train(definitions[0], 1000)
    assert again.pieces == wordpiece.pieces and len(again) == 1000 and fingerprint(again) == fingerprint(wordpiece)
    assert fingerprint(WordPiece(wordpiece.pieces[:-1])) != fingerprint(wordpiece)
    assert wordpiece.pieces[:5] == list(WordPiece.SPECIALS) and wordpiece.mask == 4


@pytest.mark.parametrize("call, message", [
    (lambda w: w.encode_batch(["a dog", ""]), "a text is empty"), (lambda w: w.encode_batch(["a dog"], [" "]), "a text is empty"),
    (lambda w: w.encode_batch([]), "length above 0"),
    (lambda w: w.encode_batch(["a"], ["a", "b"]), "got 1 and 2"), (lambda w: w.encode_batch(["a dog"], length=4), "length=4"),
    (lambda w: WordPiece(["[PAD]", "a"]), r"lack \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
    (lambda w: WordPiece.train(["a dog"], 5), "size=5"), (lambda w: WordPiece.train(["", " "], 50), "nothing to learn")])
def test_bad_pieces_and_texts_are_named(wordpiece, call, message):
    with pytest.raises(ValueError, match=message):
        call(wordpiece)


@pytest.mark.parametrize("size", [6, 10, 30, 31])
def test_a_size_below_the_letters_is_refused(size):
    """26 letters of the alphabet and 18 that go on a word and are none of these, or however many there are."""
    text = "abc abd xyz"  # begins: a, x; goes on: b, c, d, y, z
    assert len(WordPiece.train([text], 12)) == 12
    for too_small in (6, 11):
        with pytest.raises(ValueError, match=f"size={too_small} must be at least 12"):
            WordPiece.train([text], too_small)
    fox = "the quick brown fox jumps over the lazy dog"
    with pytest.raises(ValueError, match=f"size={size} must be at least"):
        WordPiece.train([fox], size)
    with pytest.raises(ValueError, match="size=3 is less than the 4 different characters"):
        learn_merges({"abcd": 1}, 3)


@pytest.mark.parametrize("size", [40, 60, 100, 5000])
def test_no_vocabulary_is_larger_than_its_size(size):
    fox = "the quick brown fox jumps over the lazy dog"
    assert len(WordPiece.train([fox], size)) <= size
    assert len(Subwords.train([fox], 256 + size)) <= 256 + size


def test_words_that_are_unknown_for_their_length_teach_no_pieces():
    """BERT calls a word of more than 100 letters [UNK], so nothing is to be learned from it; `longest_match` says the same."""
    long = "ab" * 5000
    w = WordPiece.train([f"{long} abc abd"] * 3, 60)
    assert max(map(len, w.pieces)) <= 6 and w.encode(long) == [w.unk] and longest_match(long, set(w.pieces)) == ["[UNK]"]
    for n in (100, 101):
        w = WordPiece.train(["a" * n, "a b"], 200)
        assert (w.encode("a" * n) == [w.unk]) == (n > 100) == (longest_match("a" * n, set(w.pieces)) == ["[UNK]"])
    with pytest.raises(ValueError, match="nothing to learn"):
        WordPiece.train([long], 60)


def test_pieces_that_stand_twice_are_refused():
    with pytest.raises(ValueError, match="holds 1 pieces twice"):
        WordPiece([*WordPiece.SPECIALS, "a", "a"])
    with pytest.raises(ValueError, match="holds a word twice"):
        Vocab(TEXTS, specials=("<pad>", "<pad>"))


@pytest.mark.parametrize("wrong", [[-1], [10**6], torch.tensor([-1]), [0, 0, 10**12]])
def test_ids_that_no_word_has_are_refused_and_not_counted_from_the_end(subwords, wordpiece, wrong):
    for decode in (Vocab(TEXTS).decode, subwords.decode, wordpiece.decode):
        with pytest.raises(ValueError, match=r"id -?\d+ is out of range: the ids run from 0 to \d+"):
            decode(wrong)


@pytest.mark.parametrize("ids", [[1, 2], (1, 2), torch.tensor([1, 2]), torch.tensor([1, 2], dtype=torch.int32), iter([1, 2]), range(1, 3)])
def test_ids_may_be_a_list_or_a_tensor(ids):
    assert Vocab(TEXTS).decode(ids) == ["the", "a"]


def test_a_mask_written_in_a_text_is_the_mask():
    pieces = WordPiece([*WordPiece.SPECIALS, "a", "city", "in"])
    assert pieces.encode("a city in [MASK]") == [5, 6, 7, pieces.mask]


# ---------------------------------------------------------------- padding


def test_columns_of_padding_go_and_all_else_stays():
    tokens = torch.tensor([[5, 0, 6, 0, 0], [7, 8, 0, 0, 0]])
    assert drop_padding(tokens).tolist() == [[5, 0, 6], [7, 8, 0]]
    cut, vectors, flags = drop_padding(tokens, torch.rand(2, 5, 3), tokens > 5)
    assert cut.shape == (2, 3) and vectors.shape == (2, 3, 3) and flags.tolist() == [[False, False, True], [True, True, False]]
    assert torch.equal(drop_padding(cut), cut) and torch.equal(drop_padding(tokens[:1]), tokens[:1, :3])
    assert drop_padding(torch.tensor([[0, 9, 9]]), pad=9).tolist() == [[0]]
    assert drop_padding(torch.tensor([[0, 0, 4]])).tolist() == [[0, 0, 4]], "padding in front is kept"
