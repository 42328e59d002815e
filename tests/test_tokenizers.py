"""Vocab and Subwords: their rules, and agreement with d2l.Vocab and the `tokenizers` library."""
import unicodedata

import pytest
import torch

from evo.fingerprint import fingerprint
from evo.tokenizers import Subwords, Vocab

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
