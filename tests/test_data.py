"""The real data: counts, splits that do not leak, facts that anybody can check."""

import re
import time

import numpy as np
import pytest
import torch

from evo.data import sources
from evo.data.images import fashion_mnist, patchify, to_float, unpatchify
from evo.data.pairs import base, emoji, resize
from evo.data.text import split_gloss, tokenize, wordnet


@pytest.fixture(scope="module")
def wn():
    return wordnet()


@pytest.fixture(scope="module")
def fashion():
    return fashion_mnist()


@pytest.fixture(scope="module")
def emo():
    return emoji(32)


def the_split_is_a_partition(data):
    parts = [data.train, data.valid, data.test]
    assert sorted(np.concatenate(parts)) == list(range(len(data)))
    return [len(part) / len(data) for part in parts]


# --- WordNet ------------------------------------------------------------------------------------


def test_wordnet_is_whole(wn):
    assert len(wn) == len(wn.definitions) == len(set(wn.synsets)) == 117_659
    assert wn.labels.shape == (117_659,) and wn.labels.dtype == np.int64
    assert len(wn.label_names) == 45 and set(wn.labels) == set(range(45))
    assert all(wn.definitions) and all(wn.lemmas)
    kinds = [name.split(".")[-2] for name in wn.synsets]
    assert [kinds.count("n"), kinds.count("v"), kinds.count("r")] == [82_115, 13_767, 3_621]


def test_wordnet_facts(wn):
    dog = wn.synsets.index("dog.n.01")
    assert wn.lemmas[dog] == ["dog", "domestic dog", "Canis familiaris"]
    assert wn.label_names[wn.labels[dog]] == "noun.animal"
    assert {wn.synsets[i] for i in wn.hypernyms[dog]} == {"canine.n.02", "domestic_animal.n.01"}
    assert wn.definitions[dog].startswith("a member of the genus Canis")
    assert wn.examples[dog] == ["the dog barked all night"] and wn.example_lemma[dog] == ["dog"]
    assert not wn.hypernyms[wn.synsets.index("entity.n.01")]


def test_hypernyms_have_no_loop(wn):
    """WordNet 3.0 has one, inhibit <-> restrain; a chapter that climbs it would never stop."""
    depth = {}
    for start in range(len(wn)):
        stack = [start]
        while stack:
            at = stack[-1]
            missing = [parent for parent in wn.hypernyms[at] if parent not in depth]
            assert len(stack) < 100
            if missing:
                stack.append(missing[0])
            else:
                depth[at] = 1 + max((depth[parent] for parent in wn.hypernyms[at]), default=0)
                stack.pop()
    assert max(depth.values()) < 25


def test_examples_show_a_lemma_of_their_own_synset(wn):
    assert sum(map(len, wn.examples)) > 48_000
    shown = [lemma for lemmas in wn.example_lemma for lemma in lemmas]
    assert sum(map(bool, shown)) > 0.98 * len(shown)
    for examples, shows, lemmas in zip(wn.examples, wn.example_lemma, wn.lemmas, strict=True):
        assert len(examples) == len(shows) and set(shows) <= {"", *lemmas}
    play = [i for i, lemmas in enumerate(wn.lemmas) if "play" in lemmas]
    assert len(play) == 52  # one word, many senses: the question of the word2vec chapter


def test_wordnet_splits_by_synset(wn):
    assert np.allclose(the_split_is_a_partition(wn), [0.8, 0.1, 0.1], atol=1e-4)
    assert list(wn.train[:5]) == sorted(wn.train[:5]) and list(wn.test) == list(wordnet().test)


def test_a_quote_inside_a_definition_stays_there():
    assert split_gloss('as in "carrot and stick"; "used the carrot"') == ('as in "carrot and stick"', ["used the carrot"])
    assert split_gloss('set down:"a laid table"; "laid stones"') == ("set down", ["a laid table", "laid stones"])
    assert split_gloss("no example; but two parts") == ("no example; but two parts", [])


def test_tokenize():
    assert tokenize("Don't panic: 42 Ångström_units!") == ["don't", "panic", "42", "ångström", "units"]


# --- Fashion-MNIST ------------------------------------------------------------------------------


def test_fashion_mnist_is_whole(fashion):
    assert fashion.train_images.shape == (60_000, 1, 28, 28) and fashion.test_images.shape == (10_000, 1, 28, 28)
    assert fashion.train_images.dtype == torch.uint8 and fashion.train_labels.dtype == torch.int64
    assert torch.equal(fashion.train_labels.bincount(), torch.full((10,), 6_000))
    assert torch.equal(fashion.test_labels.bincount(), torch.full((10,), 1_000))
    assert fashion.train_images.float().mean() == pytest.approx(72.94, abs=0.01)  # as widely published: .2860 * 255
    assert len(fashion.classes) == 10 and fashion.classes[fashion.train_labels[0]] == "Ankle boot"
    assert to_float(fashion.test_images[:9]).max() == 1


def test_patches_and_back():
    images = torch.randn(2, 3, 8, 8)
    patches = patchify(images, 4)
    assert patches.shape == (2, 4, 48)
    assert torch.equal(unpatchify(patches, 4, channels=3), images)
    assert torch.equal(patches[0, 1].view(4, 4, 3), images[0, :, :4, 4:].permute(1, 2, 0))  # second = right of first


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="patch_size=5 does not divide"):
        patchify(torch.zeros(1, 1, 28, 28), 5)
    with pytest.raises(ValueError, match="patch_size=4 and channels=3"):
        unpatchify(torch.zeros(1, 49, 16), 4, channels=3)


# --- emoji --------------------------------------------------------------------------------------


def test_emoji_are_single_code_points_with_names_in_100_languages(emo):
    assert len(emo) == len(set(emo.chars)) >= 1_300 and all(len(char) == 1 for char in emo.chars)
    assert len(emo.languages) >= 100
    assert all(emo.names["en"]) and all(emo.keywords["en"])
    assert all(len(names) == len(emo) for names in emo.names.values())
    dog = emo.chars.index("🐶")
    assert emo.names["en"][dog] == "dog face" and "dog" in emo.keywords["en"][dog]
    assert emo.names["de"][dog] == "Hundegesicht" and emo.names["zh"][dog] == "狗脸"
    assert emo.group_names[emo.groups[dog]] == "Animals & Nature"
    assert len(emo.group_names) == 9 and set(emo.groups.tolist()) == set(range(9))


def test_names_are_names(emo):
    """CLDR writes three arrows for `as in the parent language`, and keywords are separated by bars."""
    texts = [name for names in emo.names.values() for name in names]
    words = [word for lists in emo.keywords.values() for some in lists for word in some]
    assert not any(re.search(r"[↑|]", text) or text != text.strip() for text in texts + words)
    full = [language for language, names in emo.names.items() if all(names)]
    assert len(full) >= 90


@pytest.mark.parametrize("size", [8, 32, 48, 64, 100, 128])
def test_emoji_have_any_size(size):
    data = emoji(size)
    assert data.images.shape == (len(data), 3, size, size) and data.images.dtype == torch.uint8
    assert data.rgba.shape == (len(data), 4, size, size)


def test_emoji_pictures_look_right(emo):
    """A red heart is red in the middle, the corner is white, and no picture is empty."""
    heart = emo.images[emo.chars.index("❤")]
    red, green, blue = heart[:, 16, 16].tolist()
    assert red > 200 and green < 120 and blue < 120 and heart[:, 0, 0].tolist() == [255, 255, 255]
    assert (emo.rgba[:, 3].float().mean((1, 2)) > 2).all()
    assert len({image.numpy().tobytes() for image in emo.images}) == len(emo)


def test_invisible_pixels_do_not_darken_the_edge():
    picture = torch.tensor([[255, 0], [0, 0]]).byte() * torch.ones(4, 1, 1).byte()  # one white pixel, rest clear
    rgba, white = resize(picture[None], 1)
    assert rgba.flatten().tolist() == [255, 255, 255, 64] and white.flatten().tolist() == [255] * 3


def test_emoji_split_by_base_character(emo):
    assert np.allclose(the_split_is_a_partition(emo), [0.8, 0.1, 0.1], atol=0.02)
    side = {i: part for part in ("train", "valid", "test") for i in getattr(emo, part)}
    for family in ("👨👩🧑", "👦👧🧒", "👴👵🧓", "🤴👸🫅", "💃🕺", "🎅🤶", "👭👫👬", "🤰🫃🫄"):
        assert len({side[emo.chars.index(char)] for char in family}) == 1, family
    bases = {part: {emo.bases[i] for i in getattr(emo, part)} for part in ("train", "valid", "test")}
    assert not bases["train"] & bases["test"] and not bases["valid"] & (bases["train"] | bases["test"])
    assert base("woman and man holding hands") == base("men holding hands") == "people holding hands"


def test_every_group_is_on_every_side(emo):
    for part in (emo.train, emo.test):
        assert len(set(emo.groups[part].tolist()) - {emo.group_names.index("Flags")}) == 8


@pytest.mark.parametrize("size", [0, -1, 1.5, "32"])
def test_a_size_that_is_none_is_refused(size):
    with pytest.raises(ValueError, match="is no picture size"):
        emoji(size)


# --- all ----------------------------------------------------------------------------------------


def test_loading_from_the_cache_is_quick(wn, fashion, emo):
    """Chapters run within a minute; the limits are three times what an idle machine needs."""
    for load, limit in [(wordnet, 3), (fashion_mnist, 1.5), (emoji, 3)]:
        start = time.perf_counter()
        load()
        assert time.perf_counter() - start < limit, load.__name__


def test_state_of_the_data(wn, fashion, emo):
    rows = sources.verify()
    assert [row["name"] for row in rows] == ["wordnet", "fashion_mnist", "emoji"]
    assert all(row["state"] == "ready" and row["hash"] in sources.DATASETS[row["name"]].hashes for row in rows)


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(sources.DataError, match="name='mnist' is no data set; choose one of wordnet, fashion_mnist, emoji"):
        sources.get("mnist")
