"""The real data: counts, splits that do not leak, facts that anybody can check."""

import hashlib
import json
import re
import time

import numpy as np
import pytest
import torch

from evo.data import sources
from evo.data.images import Standardise, fashion_mnist, patchify, to_float, unpatchify
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


def digest(*things):
    """A hash over names, splits, texts and tensors, in their order."""
    found = hashlib.sha256()
    for thing in things:
        thing = thing.tolist() if isinstance(thing, (np.ndarray, torch.Tensor)) else thing
        found.update(json.dumps(thing, ensure_ascii=False).encode() + b"\n")
    return found.hexdigest()[:16]


# What an experiment sees beside the canonical file: names of classes and languages in their order, and the splits. Whoever
# changes one of these on purpose changes every recorded result of the data set.


def test_names_and_splits_of_wordnet(wn):
    assert digest(wn.label_names, wn.train, wn.valid, wn.test) == "2c58a79b4661c0b0"
    assert digest(wn.labels, wn.synsets, wn.hypernyms, wn.example_lemma) == "cf85be40a0f125b6"


def test_names_and_order_of_fashion_mnist(fashion):
    assert digest(fashion.classes, fashion.train_labels, fashion.test_labels) == "6c176cefd9f9397d"
    pictures = [hashlib.sha256(images.numpy().tobytes()).hexdigest()[:16] for images in (fashion.train_images, fashion.test_images)]
    assert digest(pictures) == "4ead128cfc3a1f2b"


def test_names_languages_and_splits_of_emoji(emo):
    assert digest(emo.group_names, emo.groups, emo.train, emo.valid, emo.test) == "0422a5817e6524a3"
    assert digest(emo.chars, emo.bases, emo.names, emo.keywords) == "f5258c60a6f5b5ff"
    assert digest(emo.images) == "23e474798606c0a2"


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


SENSES = """
adj.all good.a.01 · adj.pert dental.a.01 · adv.all quickly.r.01 · noun.Tops entity.n.01 · noun.act swimming.n.01 · noun.animal dog.n.01 ·
noun.artifact chair.n.01 · noun.attribute height.n.01 · noun.body hand.n.01 · noun.cognition idea.n.01 · noun.communication word.n.01 ·
noun.event accident.n.01 · noun.feeling joy.n.01 · noun.food bread.n.01 · noun.group family.n.01 · noun.location paris.n.01 ·
noun.motive ethical_motive.n.01 · noun.object mountain.n.01 · noun.person teacher.n.01 · noun.phenomenon lightning.n.01 ·
noun.plant rose.n.01 · noun.possession money.n.01 · noun.process photosynthesis.n.01 · noun.quantity liter.n.01 ·
noun.relation ratio.n.01 · noun.shape triangle.n.01 · noun.state illness.n.01 · noun.substance water.n.01 · noun.time monday.n.01 ·
verb.body sneeze.v.01 · verb.change melt.v.01 · verb.cognition remember.v.01 · verb.communication talk.v.01 ·
verb.competition win.v.01 · verb.consumption eat.v.01 · verb.contact kick.v.03 · verb.creation paint.v.01 · verb.emotion love.v.01 ·
verb.motion walk.v.01 · verb.perception see.v.01 · verb.possession buy.v.01 · verb.social marry.v.01 · verb.stative exist.v.01 ·
verb.weather snow.v.01 · adj.ppl avenged.a.01"""


def test_every_supersense_has_its_name(wn):
    known = dict(pair.split() for pair in SENSES.split("·"))
    number = {name: i for i, name in enumerate(wn.synsets)}
    assert {name: wn.label_names[wn.labels[number[synset]]] for name, synset in known.items()} == {name: name for name in wn.label_names}


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


def test_standardised_pictures_have_mean_0_and_deviation_1_and_come_back(fashion):
    scaled = Standardise(0.286, 0.353)
    x = scaled(fashion.train_images)
    assert abs(float(x.mean())) < 1e-3 and abs(float(x.std()) - 1) < 1e-3
    assert torch.equal(x, (fashion.train_images.float() / 255 - 0.286) / 0.353)
    torch.testing.assert_close(scaled.back(x[:9]), to_float(fashion.train_images[:9]), rtol=0, atol=1e-6)


FIRST = """Ankle boot, T-shirt/top, T-shirt/top, Dress, T-shirt/top, Pullover, Sneaker, Pullover, Sandal, Sandal, T-shirt/top, Ankle boot,
Sandal, Sandal, Sneaker, Ankle boot, Trouser, T-shirt/top, Shirt, Coat, Dress, Trouser, Coat, Bag, Coat"""


def test_the_first_pictures_are_those_that_everybody_shows(fashion):
    """The 25 pictures in TensorFlow's tutorial (tutorials/keras/classification), with all ten classes."""
    shown = [fashion.classes[label] for label in fashion.train_labels[:25]]
    assert shown == re.split(r",\s+", FIRST) and set(shown) == set(fashion.classes)


def test_clothes_have_the_shape_of_their_name(fashion):
    """The mean picture of a class: legs apart, sleeves or none, a shaft or none. Rows run down, columns across."""
    of = {name: to_float(fashion.train_images[fashion.train_labels == c]).mean(0)[0] for c, name in enumerate(fashion.classes)}
    sides, middle = [2, 3, 4, 5, 22, 23, 24, 25], slice(13, 15)
    sleeves = {name: of[name][16:27, sides].mean().item() for name in of}  # of the lower half
    gap = {name: (of[name][16:27, 9:12].mean() - of[name][16:27, middle].mean()).item() for name in of}
    top = {name: of[name][:8].mean().item() for name in of}
    assert max(gap, key=gap.get) == "Trouser" and gap["Trouser"] > 0.3
    tops = ["T-shirt/top", "Pullover", "Dress", "Coat", "Shirt"]
    by_sleeve = sorted(tops, key=sleeves.get)
    assert by_sleeve == ["Dress", "T-shirt/top", "Shirt", "Coat", "Pullover"]
    shoulders = {name: of[name][4:12, [0, 1, 2, 3, 4, 23, 24, 25, 26, 27]].mean().item() for name in tops}
    assert shoulders["T-shirt/top"] > 10 * shoulders["Dress"]
    assert sorted(of, key=top.get)[:2] == ["Sneaker", "Sandal"] and top["Ankle boot"] > 2 * top["Sandal"]
    left, right = of["Ankle boot"][2:8, 2:10].mean(), of["Ankle boot"][2:8, 18:26].mean()
    assert right > 10 * left, "the shaft of a boot stands over the heel"
    left, right = of["Bag"][:, :14].mean(), of["Bag"][:, 14:].mean()
    assert left == pytest.approx(right.item(), rel=0.1) and top["Bag"] < min(top[name] for name in tops), "a bag is as wide on both sides"


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


CAT = dict(en="cat face", de="Katzengesicht", fr="tête de chat", es="cara de gato", it="muso di gatto", nl="kattengezicht",
           pt="rosto de gato", sv="kattansikte", da="kattehoved", ru="морда кошки", uk="морда кота", tr="kedi yüzü",
           sw="uso wa paka", vi="mặt mèo",
           el="πρόσωπο γάτας", ar="وجه قطة", hi="बिल्ली का चेहरा", ja="ネコの顔", ko="고양이 얼굴", zh="猫脸")  # fmt: skip


def test_every_language_has_its_name(emo):
    cat = emo.chars.index("🐱")
    assert {language: emo.names[language][cat] for language in CAT} == CAT


def test_every_group_has_its_name(emo):
    known = {"😀": "Smileys & Emotion", "👋": "People & Body", "🐵": "Animals & Nature", "🍇": "Food & Drink", "🌍": "Travel & Places",
             "🎃": "Activities", "👓": "Objects", "♿": "Symbols", "🚩": "Flags"}  # fmt: skip
    assert {char: emo.group_names[emo.groups[emo.chars.index(char)]] for char in known} == known
    assert set(known.values()) == set(emo.group_names)


def test_every_picture_stands_beside_its_name(emo):
    """The mean colour of what is not clear, and no other order of the pictures would do."""
    for char, channel in {"❤": 0, "💚": 1, "💙": 2, "🍅": 0, "🌳": 1, "🌊": 2}.items():
        rgba = emo.rgba[emo.chars.index(char)].float()
        colour = (rgba[:3] * rgba[3]).mean((1, 2))
        assert colour.argmax() == channel, char


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
    assert [row["name"] for row in rows] == [
        "wordnet", "fashion_mnist", "emoji", "backgrounds", "photos", "bible", "names", "everyday", "wild", "wild64",
        "scenes"]
    assert all(row["state"] == "ready" and row["hash"] in sources.DATASETS[row["name"]].hashes for row in rows)


def test_an_unknown_name_says_which_there_are():
    with pytest.raises(sources.DataError, match="name='mnist' is no data set; choose one of wordnet, fashion_mnist, emoji"):
        sources.get("mnist")
