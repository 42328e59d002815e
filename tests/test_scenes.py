"""Scenes and what is asked about them: right, balanced, the same bytes everywhere, and nothing on two sides."""

import hashlib
import re
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch

from evo.data import captions as wording
from evo.data import scenes as module
from evo.data import tasks
from evo.data.captions import LANGUAGES, PLURALS, captions
from evo.data.photos import photos
from evo.data.scenes import KINDS, MOST, Chance, choose, covered, halve, never_meet, plan, scenes, seen, turned
from evo.data.tasks import (
    ANSWERS,
    ASKED,
    ENTAILMENT,
    HALVES,
    PLACES,
    answer_ids,
    choices,
    cover,
    entailment,
    images_of,
    matching,
    overlap,
    questions,
    referring,
    regions,
    two_images,
)


@pytest.fixture(scope="module")
def many():
    return scenes(6000)


@pytest.fixture(scope="module")
def others():
    return scenes(3000, first=6000)


@pytest.fixture(scope="module")
def few():
    return scenes(300, size=128, seed=3)


@pytest.fixture(scope="module")
def parts():
    return {split: scenes(1000, split) for split in module.SPLITS}


# --- the pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 128])
def test_shapes(size):
    data = scenes(7, size=size, seed=1)
    assert len(data) == 7 and data.size == size and data.images.shape == (7, 3, size, size) and data.images.dtype == torch.uint8
    assert data.instances.shape == (7, size, size) and data.masks().shape == (7, MOST, size, size)
    assert data.boxes.shape == (7, MOST, 4) and data.kinds.dtype == data.objects.dtype == data.boxes.dtype == torch.int64
    assert all(pairs.shape == (7, MOST, MOST) for pairs in data.relations().values())


def test_the_same_bytes_on_every_machine():
    """Made anew, the first scenes are those of the canonical file; 128 pixels and other seeds have their own hash here."""
    arrays = module.make(4, "train", 64, 0, 2)
    kept = scenes(4, first=2)
    assert all(np.array_equal(arrays[key], getattr(kept, key).numpy()) for key in arrays)
    digest = hashlib.sha256()
    for split in module.SPLITS:
        digest.update(module.make(3, split, 128, 5, 0)["images"].tobytes())
    assert digest.hexdigest()[:16] == "ea0f96170cd68125"


def test_a_scene_depends_on_its_number_alone():
    all_of_them, one = scenes(6, "valid", size=128, seed=2), scenes(1, "valid", size=128, seed=2, first=4)
    assert torch.equal(all_of_them.images[4:5], one.images) and torch.equal(all_of_them.instances[4:5], one.instances)
    assert not torch.equal(one.images, scenes(1, "valid", size=128, seed=3, first=4).images)
    assert not torch.equal(one.images, scenes(1, "test", size=128, seed=2, first=4).images)


def test_a_small_picture_is_a_large_one_made_small():
    large, small = scenes(5, size=128, seed=4), scenes(5, size=64, seed=4)
    means = large.images.float().unflatten(3, (64, 2)).unflatten(2, (64, 2)).mean((3, 5))
    assert (small.images.float() - means).abs().max() <= 0.5
    assert torch.equal(large.kinds, small.kinds) and torch.equal(large.objects, small.objects) and torch.equal(large.before, small.before)
    assert (large.boxes / 2 - small.boxes)[small.valid].abs().max() <= 2


def test_halving_by_hand():
    instances = np.array([[0, 0, 1, 1, 2, 2], [0, 1, 1, 0, 1, 1]], np.uint8)
    assert halve(np.zeros((2, 6, 3), np.uint8), instances)[1].tolist() == [[0, 1, 2]], "in a tie, the one with the higher number"
    image = np.array([[[1], [2]], [[3], [4]]], np.uint8)
    assert halve(image, instances[:, :2])[0].tolist() == [[[3]]]


def test_masks_boxes_and_areas_agree(few, many):
    for data in (few, choose(many, slice(300))):
        masks = data.masks()
        assert (masks.sum(1) <= 1).all(), "no pixel is of two objects"
        assert torch.equal(masks.sum((2, 3)), data.areas) and torch.equal(data.areas > 0, data.valid)
        for i, j in data.valid.nonzero().tolist()[:200]:
            rows, columns = masks[i, j].any(1).nonzero(), masks[i, j].any(0).nonzero()
            assert data.boxes[i, j].tolist() == [columns[0].item(), rows[0].item(), columns[-1].item() + 1, rows[-1].item() + 1]
        assert (data.boxes[~data.valid] == 0).all() and (data.kinds[~data.valid] == -1).all() and (data.objects[~data.valid] == -1).all()


def test_objects_are_whole_enough_to_be_known(many):
    assert many.hidden.max() <= 0.5 and many.areas[many.valid].min() >= 8
    assert 0.1 < (many.hidden[many.valid] > 0.05).float().mean() < 0.4, "some are partly hidden"
    assert set(many.valid.sum(1).tolist()) == {1, 2, 3, 4, 5}


def test_a_mask_is_where_the_object_changed_the_picture():
    """Without its objects the same scene shows the photograph: outside of the masks nearly the same, inside not."""
    for number in range(3):
        made = module.scene("train", 0, number)
        behind = module.photographs().pixels[int(made["behind"])]
        assert made["images"].shape == (128, 128, 3) and behind.shape[2] == 3
        where = made["instances"] > 0
        assert 0.02 < where.mean() < 0.8


def test_kinds_are_equally_frequent_and_keep_apart(parts):
    for split, data in parts.items():
        counts = np.bincount(data.kinds[data.valid], minlength=10)
        assert counts.min() > 0.75 * counts.mean() and counts.max() < 1.25 * counts.mean(), split
        apart = [any(never_meet(a, b) for a in row for b in row) for row in ([k for k in r if k >= 0] for r in data.kinds.tolist())]
        assert all(apart) if split == "combinations" else not any(apart)


def test_ten_pairs_of_kinds_never_meet():
    pairs = [(a, b) for a in range(10) for b in range(a) if never_meet(a, b)]
    assert len(pairs) == 10 and set(Counter(k for pair in pairs for k in pair).values()) == {2}


def test_no_photograph_and_no_name_stands_on_two_sides(parts):
    names = photos().captions["en"]
    of = {split: ({names[i] for i in data.objects[data.valid]}, set(data.behind.tolist())) for split, data in parts.items()}
    for one, two in (("train", "valid"), ("train", "test"), ("valid", "test"), ("combinations", "test"), ("combinations", "valid")):
        assert not of[one][0] & of[two][0] and not of[one][1] & of[two][1], (one, two)
    assert of["combinations"][0] <= {names[i] for kind in module.cast("train") for i in kind}


def test_two_pictures_of_one_monument_are_on_one_side():
    names = module.photographs().names
    for pair in (("Chenonceau", "chateaudeChenonceau"), ("TajMahal", "tajMahal"), ("TourEiffel", "eiffelTower")):
        assert [names.index(pair[0]) in module.places(part) for part in ("train", "valid", "test")] == [
            names.index(pair[1]) in module.places(part) for part in ("train", "valid", "test")
        ]


def test_relations_by_a_slow_loop(few):
    relations = few.relations()
    for i in range(60):
        for a in range(MOST):
            for b in range(MOST):
                both = bool(few.valid[i, a] and few.valid[i, b])
                x = [(few.boxes[i, j, 0] + few.boxes[i, j, 2]).item() / 2 for j in (a, b)]
                y = [(few.boxes[i, j, 1] + few.boxes[i, j, 3]).item() / 2 for j in (a, b)]
                assert relations["left"][i, a, b] == (both and x[1] - x[0] >= 16)
                assert relations["above"][i, a, b] == (both and y[1] - y[0] >= 16)
                assert relations["larger"][i, a, b] == (both and few.areas[i, a] >= 1.5 * few.areas[i, b])
    assert not (relations["before"] & relations["before"].transpose(1, 2)).any() and relations["before"].any()
    hidden = few.hidden[few.before.any(1)]
    assert (hidden >= 0.015).all(), "what another stands before is partly hidden"


def test_turning_by_hand():
    """Upright and mirrored twice it is the same; a quarter more area is a quarter more pixels."""
    which = photos().paths.index("animals/birds/crow")
    _, plain = turned(which, 40, 0, False)
    colours, mirrored = turned(which, 40, 0, True)
    assert abs((plain[:, ::-1] > 127).astype(int)[:30, :30] - (mirrored > 127)[:30, :30]).mean() < 0.08
    assert (colours <= mirrored[..., None]).all(), "no colour is stronger than its opacity"
    sizes = [(turned(which, size, 0, False)[1] >= 128).sum() for size in (30, 60)]
    assert 3.5 < sizes[1] / sizes[0] < 4.5
    tilted = turned(which, 40, 20, False)[1]
    assert abs((tilted >= 128).sum() / (plain >= 128).sum() - 1) < 0.06, "turning does not change the size"


def test_small_pieces():
    assert covered((0, 0, 10, 10), (5, 5, 10, 10)) == 25 and covered((0, 0, 4, 4), (4, 0, 4, 4)) == 0
    boxes, areas = seen(np.array([[0, 1, 1], [2, 1, 0]]))
    assert boxes[:2].tolist() == [[1, 0, 3, 2], [0, 1, 1, 2]] and areas[:3].tolist() == [3, 1, 0]
    one, two = Chance(1, 2), Chance(1, 2)
    assert [one.below(10) for _ in range(200)] == [two.below(10) for _ in range(200)]
    assert Counter(one.below(3) for _ in range(3000)).most_common()[-1][1] > 850
    assert all(2 <= len(plan("combinations", Chance(i))) <= 5 for i in range(50))


# --- captions -----------------------------------------------------------------------------------


def form(text, language):
    """A caption with every noun phrase, number and list taken out: what kind of sentence it is."""
    for one, more in sorted(wording.NOUNS[language], key=lambda pair: -len(pair[0])):
        for words in (one, one[0].upper() + one[1:], "the" + one[one.index(" ") :], more):
            text = text.replace(words, "X")
    for kind in sorted(KINDS, key=len, reverse=True):
        text = text.replace(f"no {kind}", "no X")
    for number in wording.NUMBERS[language] + ("duas",):
        text = re.sub(rf"\b{number} X", "X", text, flags=re.I)
    text = re.sub(r"\d", "N", text)
    return re.sub(rf"X(, X)*( {wording.AND[language]} X)?", "X", text).replace("There are", "There is")


def test_forms_of_sentences(many):
    data = choose(many, slice(1500))
    for language in LANGUAGES:
        forms = Counter(form(text, language) for text in captions(data, language))
        common = [f for f, n in forms.items() if n >= 10]
        assert len(common) >= (14 if language == "en" else 8), (language, forms)
        assert sum(forms[f] for f in common) == len(data), (language, forms)


def test_captions_say_what_is_there(many):
    """Numbers and kinds, read back from the sentences that name everything."""
    data = choose(many, slice(600))
    for text, kinds in zip(captions(data, everything=True), data.kinds.tolist()):
        said = Counter()
        text = re.sub(r", but no .*|\. The largest .*|^Nothing but |^.*: |There (is|are) |A photo of ", "", text)
        for number, words in ((1, "an? "), (2, "two "), (3, "three ")):
            for k, (kind, plural) in enumerate(zip(KINDS, PLURALS)):
                noun = kind if number == 1 else plural
                said[k] += number * len(re.findall(rf"(?:^|[ ,]){words}{noun}(?=,| and|\.|$)", text, re.I))
        assert +said == Counter(k for k in kinds if k >= 0), text


def test_captions_of_places_are_true(many):
    data = choose(many, slice(2000))
    left = data.relations()["left"]
    found = 0
    for i, text in enumerate(captions(data)):
        if match := re.fullmatch(r"On the left an? (.*), on the right an? (.*)\.", text):
            one, two = (KINDS.index(kind) for kind in match.groups())
            assert (left[i] & (data.kinds[i] == one)[:, None] & (data.kinds[i] == two)).any(), text
            found += 1
    assert found > 50


def test_names_are_the_translators(parts):
    data = choose(parts["test"], slice(50))
    for language in ("en", "de", "sv"):
        texts = captions(data, language, words="names", everything=True)
        for i, text in enumerate(texts):
            assert all(photos().names[language][j][1:] in text for j in data.objects[i][data.valid[i]])


def test_matching_uses_every_caption_once_for_each_answer(many):
    found = matching(many)
    uses = defaultdict(list)
    for text, label in zip(found.texts, found.labels.tolist()):
        uses[text].append(label)
    assert all(sum(labels) * 2 == len(labels) for labels in uses.values()) and len(found) > 0.95 * 2 * len(many)
    own = captions(many, everything=True)
    assert all((text == own[i]) or not label for i, text, label in zip(found.pictures.tolist(), found.texts, found.labels.tolist()))


# --- balance ------------------------------------------------------------------------------------


def answered(texts, answers):
    counts = defaultdict(Counter)
    for text, answer in zip(texts, answers):
        counts[text][answer] += 1
    return counts


def test_of_every_text_each_answer_is_right_equally_often(many):
    asked, stated, two = questions(many), entailment(many), two_images(many)
    for texts, answers in ((asked.texts, asked.answers.tolist()), (stated.texts, stated.labels.tolist()), (two.texts, two.labels.tolist())):
        for text, counts in answered(texts, answers).items():
            assert len(counts) > 1 and len(set(counts.values())) == 1, (text, counts)


def test_of_choices_each_option_and_each_reason_is_right_equally_often(parts, many):
    for data in (many, parts["test"], parts["combinations"]):
        found = choices(data)
        right = [options[answer] for options, answer in zip(found.options, found.answers)]
        true = [reasons[because] for reasons, because in zip(found.reasons, found.because)]
        read = [(text, *sorted(options)) for text, options in zip(found.texts, found.options)]
        told = [(text, answer, *sorted(reasons)) for text, answer, reasons in zip(found.texts, right, found.reasons)]
        for texts, answers in ((read, right), (told, true)):
            for text, counts in answered(texts, answers).items():
                assert len(counts) == 4 and len(set(counts.values())) == 1, (text, counts)
        assert len(set(found.pictures.tolist())) > 0.1 * len(data) and len(set(found.texts)) > 2


CHANCE = {"exists": 1 / 2, "count": 1 / 4, "what": 1 / 10, "where": 1 / 4, "position": 1 / 2, "larger": 1 / 2, "compare": 1 / 2}


def reader(texts, labels, C=10, pattern=r"\S+", pairs=2):
    """A logistic regression on words and pairs of words, which never sees a picture."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = CountVectorizer(ngram_range=(1, pairs), token_pattern=pattern)
    return make_pipeline(words, LogisticRegression(C=C, max_iter=300)).fit(texts, labels)


@pytest.mark.parametrize("kind", ASKED)
def test_who_reads_only_the_question_is_at_chance(many, others, parts, kind):
    """Trained on one set of questions, asked about new scenes of the same part and of another."""
    asked = questions(many, [kind])
    model = reader(asked.texts, asked.answers.numpy())
    for new in (questions(others, [kind]), questions(parts["test"], [kind])):
        assert abs(model.score(new.texts, new.answers.numpy()) - CHANCE[kind]) <= 0.05


@pytest.mark.parametrize("task, chance", [(entailment, 1 / 3), (two_images, 1 / 2), (matching, 1 / 2)])
def test_who_reads_only_the_statement_is_at_chance(many, others, parts, task, chance):
    stated = task(many)
    model = reader(stated.texts, stated.labels.numpy())
    for new in (task(others), task(parts["test"])):
        assert abs(model.score(new.texts, new.labels.numpy()) - chance) <= 0.05


def pairs_of(found, what):
    """One text an option: it with the question (of reasons, the right answer, too), and with every other option."""
    word = lambda text: re.sub(r"\W", "_", text)
    texts = []
    for text, options, answer, reasons in zip(found.texts, found.options, found.answers, found.reasons):
        text, options = (text, options) if what == "answers" else (text + options[answer], reasons)
        texts += [" ".join([f"{word(o)}&{word(text)}", *(f"{word(o)}&{word(p)}" for p in options if p != o)]) for o in options]
    return texts, getattr(found, what).numpy()


@pytest.mark.parametrize("what", ["answers", "because"])
def test_who_reads_only_the_choices_is_at_chance(many, others, parts, what):
    texts, labels = pairs_of(choices(many), what)
    model = reader(texts, (labels[:, None] == np.arange(4)).ravel(), C=1, pairs=1)
    for new in (choices(others), choices(parts["test"])):
        texts, labels = pairs_of(new, what)
        assert abs((model.predict_proba(texts)[:, 1].reshape(-1, 4).argmax(1) == labels).mean() - 1 / 4) <= 0.05


def test_the_reader_would_find_an_answer_that_leaks(many):
    """The same classifier on answers that depend on the text: it is no weak reader."""
    texts = captions(many)
    labels = np.array(["bird" in text for text in texts])
    assert reader(texts[:4000], labels[:4000]).score(texts[4000:], labels[4000:]) > 0.95


# --- right answers ------------------------------------------------------------------------------


def objects_of(data, i):
    """[(kind, box, area)] of a scene, for answers by a slow second way."""
    return [(KINDS[k], b, a) for k, b, a in zip(data.kinds[i].tolist(), data.boxes[i].tolist(), data.areas[i].tolist()) if k >= 0]


def answer_slowly(text, things, size):
    kinds = [kind for kind, _, _ in things]
    named = lambda word: next(k for k in KINDS if word in (k, PLURALS[KINDS.index(k)]))
    middle = lambda kind: next(((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for k, b, _ in things if k == kind)
    if match := re.fullmatch(r"(?:Is there|Does the picture show) an? (.*)\?", text):
        return "yes" if match[1] in kinds else "no"
    if match := re.fullmatch(r"How many (.*) are there\?", text):
        return str(kinds.count(named(match[1])))
    if match := re.fullmatch(r"Where is the (.*)\?", text):
        x, y = middle(match[1])
        return ("top " if y < size / 2 else "bottom ") + ("left" if x < size / 2 else "right")
    if match := re.fullmatch(r"Is the (.*) (to the left of|to the right of|above|below) the (.*)\?", text):
        (x, y), (u, v) = middle(match[1]), middle(match[3])
        return "yes" if {"to the left of": x < u, "to the right of": x > u, "above": y < v, "below": y > v}[match[2]] else "no"
    if match := re.fullmatch(r"Which is larger, the (.*) or the (.*)\?", text):
        return max((area, kind) for kind, _, area in things if kind in match.groups())[1]
    if match := re.fullmatch(r"Are there (more|as many) (.*) (?:than|as) (.*)\?", text):
        one, two = kinds.count(named(match[2])), kinds.count(named(match[3]))
        return "yes" if (one > two if match[1] == "more" else one == two) else "no"
    value = {"What is furthest to the left?": lambda b, a: b[0] + b[2], "What is furthest to the right?": lambda b, a: -b[0] - b[2],
             "What is at the very top?": lambda b, a: b[1] + b[3], "What is at the very bottom?": lambda b, a: -b[1] - b[3],
             "What is the largest thing?": lambda b, a: -a, "What is the smallest thing?": lambda b, a: a}[text]  # fmt: skip
    return min(things, key=lambda t: value(t[1], t[2]))[0]


def test_every_answer_is_right(many):
    asked = questions(many, most=2000)
    assert set(asked.kinds) == set(ASKED) and min(Counter(asked.kinds).values()) > 600
    for picture, text, answer in zip(asked.pictures.tolist(), asked.texts, asked.answers.tolist()):
        assert ANSWERS[answer] == answer_slowly(text, objects_of(many, picture), 64), text


def test_entailment_is_right(many):
    found = entailment(many, most=1500)
    places = {"left": (0, 0), "right": (0, 1), "top": (1, 0), "bottom": (1, 1)}
    for i, covered_half, text, label in zip(found.pictures.tolist(), found.covered.tolist(), found.texts, found.labels.tolist()):
        half = next(h for h in HALVES if f"{h} half" in text)
        kind = next(k for k in sorted(KINDS, key=len, reverse=True) if k in text)
        axis, high = places[half]
        middle = [(b[axis] + b[axis + 2]) / 2 for k, b, _ in objects_of(many, i) if k == kind]
        holds = any((m > 32) == bool(high) for m in middle) != ("no" in text.split())
        wanted = "neutral" if HALVES[covered_half] == half else "entailment" if holds else "contradiction"
        assert ENTAILMENT[label] == wanted, (text, wanted)
    images = images_of(many, found)
    half = images[found.covered == 2]
    assert (half[:, :, :32] == 128).all() and not (half[:, :, 32:] == 128).all()


def test_two_images_are_right(many):
    found = two_images(many, most=1500)
    for (i, j), text, label in zip(found.pictures.tolist(), found.texts, found.labels.tolist()):
        one, two = ([k for k, _, _ in objects_of(many, p)] for p in (i, j))
        kind = next((k for k in sorted(KINDS, key=len, reverse=True) if re.search(rf"\b{k}s?\b", text)), None)
        a, b = (x.count(kind) if kind else len(x) for x in (one, two))
        wanted = (
            a > 0 and b > 0 if text.startswith("Both pictures show a") else (a > 0) != (b > 0) if text.startswith("Exactly")
            else a + b == 0 if text.startswith("Neither") else a + b == 2 if "two" in text else a + b == 3 if "three" in text
            else a == b if "equally" in text else b > a if text.startswith("The right") else a > b
        )  # fmt: skip
        assert label == wanted and i != j, text
    assert images_of(many, found).shape[1:] == (2, 3, 64, 64)


def test_choices_are_right(many):
    found = choices(many, most=800)
    for i, text, options, answer, reasons, because in zip(
        found.pictures.tolist(), found.texts, found.options, found.answers.tolist(), found.reasons, found.because.tolist()
    ):
        things = objects_of(many, i)
        assert len(set(options)) == len(set(reasons)) == 4 and options[answer] == answer_slowly(text, things, 64)
        there = {kind for kind, _, _ in things}
        said = [re.search(r"than the (.*)\.", reason)[1] for reason in reasons]
        assert [kind in there and kind != options[answer] for kind in said] == [r == because for r in range(4)], (reasons, there)


def test_an_expression_means_one_object(many):
    found = referring(many)
    assert len({re.sub("|".join(sorted(KINDS, key=len, reverse=True)), "X", text) for text in found.texts}) > 20
    assert torch.equal(found.boxes, many.boxes[found.pictures, found.targets]) and many.valid[found.pictures, found.targets].all()
    names = photos().names["en"]
    for i, text, target in zip(found.pictures.tolist(), found.texts, found.targets.tolist()):
        things = objects_of(many, i)
        kind, box, area = things[target]
        mine = [(b, a) for k, b, a in things if k == kind]
        name = "the " + names[many.objects[i, target]].split(" ", 1)[1]
        if text == f"the {kind}":
            assert len(mine) == 1
        elif text.startswith("the largest"):
            assert all(area >= a for a in ([a for _, a in mine] if "thing" not in text else [a for _, _, a in things]))
        elif text.startswith(f"the {kind} furthest to the left"):
            assert box[0] + box[2] == min(b[0] + b[2] for b, _ in mine) and len(mine) > 1
        elif not re.search("thing|furthest|highest|smallest|above|below|to the", text):
            assert text == name, (text, name)


def test_regions_are_mostly_right_and_sometimes_wrong(many):
    data = choose(many, slice(1500))
    found = regions(data)
    assert found.boxes.shape == (1500, 8, 4) and found.probabilities.shape == (1500, 8, 11)
    torch.testing.assert_close(found.probabilities.sum(2), found.valid.float())
    boxes = found.boxes[found.valid]
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0 and boxes.max() <= 64
    rows, places = (found.valid & (found.objects >= 0)).nonzero().T
    objects = found.objects[rows, places]
    share = overlap(found.boxes[rows, places], data.boxes[rows, objects], 64)
    assert 0.6 < share.mean() < 0.95 and (share > 0.5).float().mean() > 0.9
    best = found.probabilities[rows, places].argmax(1)
    assert 0.8 < (best == data.kinds[rows, objects]).float().mean() < 0.95
    missed = 1 - len({(int(i), int(j)) for i, j in zip(rows, objects)}) / int(data.valid.sum())
    assert 0.05 < missed < 0.2 and 0.05 < (found.objects[found.valid] < 0).float().mean() < 0.25
    surest = found.probabilities[..., :10].amax(2)
    assert (surest[:, :-1] >= surest[:, 1:]).all(), "the surest come first"
    assert torch.equal(regions(choose(data, [7, 9])).boxes, found.boxes[[7, 9]]), "of a scene the same, whoever is beside it"


def test_covering_a_half():
    images = torch.full((4, 3, 4, 4), 7, dtype=torch.uint8)
    grey = (cover(images, torch.arange(4)) == 128)[:, 0]
    assert grey[0, :, :2].all() and grey[1, :, 2:].all() and grey[2, :2].all() and grey[3, 2:].all() and (grey.sum((1, 2)) == 8).all()
    assert (images == 7).all(), "the pictures handed in stay as they are"


def test_overlap_by_hand():
    found = overlap([[0, 0, 4, 4], [0, 0, 2, 2]], [[2, 0, 6, 4], [2, 2, 4, 4]], 8)
    torch.testing.assert_close(found, torch.tensor([1 / 3, 0.0]))


def test_equal_calls_give_equal_tasks(parts):
    data = parts["valid"]
    for task in (captions, matching, questions, entailment, two_images, choices, referring, regions):
        one, two, other = task(data), task(data), task(data, seed=1)
        as_text = lambda x: str(x) if isinstance(x, list) else str({k: v.tolist() if torch.is_tensor(v) else v for k, v in vars(x).items()})
        assert as_text(one) == as_text(two) != as_text(other), task.__name__


# --- bad input ----------------------------------------------------------------------------------

SCENE = scenes(1)


@pytest.mark.parametrize("call, message", [
    (lambda: scenes(0), "n=0 must be a whole number from 1 on"),
    (lambda: scenes(2.0), "n=2.0 must be a whole number"),
    (lambda: scenes(1, "dev"), "split='dev': scenes come in train, valid, test, combinations"),
    (lambda: scenes(1, size=32), "size=32: scenes come in 64 and 128 pixels"),
    (lambda: scenes(1, seed=-1), "seed=-1 must be a whole number from 0 on"),
    (lambda: scenes(1, first=None), "first=None must be a whole number from 0 on"),
    (lambda: choose(SCENE, [1]), "rows must be whole numbers from 0 to 0"),
    (lambda: choose(None, [1]), "data must be Scenes"),
    (lambda: captions(SCENE, "xx"), "language='xx' is not there: choose one of en, de"),
    (lambda: captions(SCENE, words="colours"), "words='colours': captions are made of kinds or names"),
    (lambda: captions([1]), "data must be Scenes, as scenes"),
    (lambda: captions(SCENE, seed=0.5), "seed=0.5 must be a whole number"),
    (lambda: questions(SCENE), "no questions can be made of so few scenes"),
    (lambda: questions(SCENE, ["why"]), "must be a list of some of exists"),
    (lambda: questions(SCENE, most=0), "most=0 must be a whole number"),
    (lambda: matching(SCENE), "no matching can be made of so few scenes"),
    (lambda: entailment(SCENE), "no statements can be made of so few scenes"),
    (lambda: two_images(SCENE), "no statements about two pictures can be made of so few"),
    (lambda: choices(SCENE), "no choices can be made of so few scenes"),
    (lambda: answer_ids(["yes", "purple"]), "answer 'purple' is not in the vocabulary of 20 answers"),
    (lambda: answer_ids("yes"), "answers must be a list of texts, got str"),
    (lambda: overlap([[0, 0, 4, 4]], [[0, 0, 9, 4]], 8), r"others hold \[0.0, 0.0, 9.0, 4.0\], which is no box inside a picture of 8 x 8"),
    (lambda: overlap([[0, 0, 0, 4]], [[0, 0, 4, 4]], 8), "which is no box inside"),
    (lambda: overlap([[0, 0, 4]], [[0, 0, 4, 4]], 8), "boxes must be numbers"),
    (lambda: overlap("abcd", [[0, 0, 4, 4]], 8), "boxes must be numbers"),
    (lambda: cover(SCENE.images.float(), torch.tensor([0])), "images must be bytes"),
    (lambda: cover(SCENE.images, torch.tensor([4])), "halves must be one number from 0 to 3"),
    (lambda: images_of(SCENE, tasks.Matching(torch.tensor([0, 3]), ["a", "b"], torch.ones(2))), "about picture 3, but there are 1"),
    (lambda: images_of(SCENE, tasks.Matching(torch.tensor([0]), ["a", "b"], torch.ones(2))), "a text without a picture"),
    (lambda: images_of(SCENE, ["a"]), "task must be what a function of evo.data.tasks made"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_words_are_there_for_all():
    for language in LANGUAGES:
        assert len(wording.NOUNS[language]) == len(KINDS) and len({one for one, _ in wording.NOUNS[language]}) == len(KINDS)
        assert wording.EVERYTHING[language].keys() >= wording.EVERYTHING["sv"].keys() and len(wording.NUMBERS[language]) == 2
    assert len(LANGUAGES) == 8 and len(PLACES) == 4
