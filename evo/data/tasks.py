"""What is asked about scenes: whose caption it is, questions, statements, reasons, expressions, regions; each with its answer.

Whatever can be answered is balanced: of every text, each of its answers is right equally often, exactly. Whoever reads
the text and does not look at the picture is therefore right as often as by chance, whatever was learned from other scenes.
The balance is that of one call: train on what one call made and ask what another made, of other scenes. Who would cut the
items of one call into two parts could tell the answers of the second from what is missing in the first.
"""

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
import torch

from evo.data.captions import NUMBERS, PLURALS, a, captions
from evo.data.photos import photos
from evo.data.scenes import KINDS, MOST, Chance, View, check_scenes, check_seed, never_meet

PLACES = ("top left", "top right", "bottom left", "bottom right")
ANSWERS = ("no", "yes", "0", "1", "2", "3", *KINDS, *PLACES)
ASKED = ("exists", "count", "what", "where", "position", "larger", "compare")
ENTAILMENT = ("entailment", "neutral", "contradiction")
HALVES = ("left", "right", "top", "bottom")


@dataclass(frozen=True)
class Questions:
    pictures: torch.Tensor  # (Q,) int64, row of the scenes
    texts: list
    answers: torch.Tensor  # (Q,) int64, index into ANSWERS
    kinds: list  # each of ASKED

    def __len__(self):
        return len(self.texts)


@dataclass(frozen=True)
class Entailment:
    pictures: torch.Tensor  # (Q,) int64
    covered: torch.Tensor  # (Q,) int64, index into HALVES: the half of the picture that must not be seen (see `cover`)
    texts: list
    labels: torch.Tensor  # (Q,) int64, index into ENTAILMENT

    def __len__(self):
        return len(self.texts)


@dataclass(frozen=True)
class TwoImages:
    pictures: torch.Tensor  # (Q, 2) int64: the left and the right one
    texts: list
    labels: torch.Tensor  # (Q,) bool, True = the statement is true

    def __len__(self):
        return len(self.texts)


@dataclass(frozen=True)
class Choices:
    pictures: torch.Tensor  # (Q,) int64
    texts: list
    options: list  # of four answers each
    answers: torch.Tensor  # (Q,) int64, which option is right
    reasons: list  # of four sentences each, why it is right
    because: torch.Tensor  # (Q,) int64, which reason is true of the picture

    def __len__(self):
        return len(self.texts)


@dataclass(frozen=True)
class Referring:
    pictures: torch.Tensor  # (Q,) int64
    texts: list
    targets: torch.Tensor  # (Q,) int64, the one object that is meant
    boxes: torch.Tensor  # (Q, 4) int64, its box

    def __len__(self):
        return len(self.texts)


@dataclass(frozen=True)
class Matching:
    pictures: torch.Tensor  # (Q,) int64
    texts: list
    labels: torch.Tensor  # (Q,) bool, True = the caption is of this picture

    def __len__(self):
        return len(self.texts)


@dataclass(frozen=True)
class Regions:
    boxes: torch.Tensor  # (N, 8, 4) int64: left, top, right, bottom, in pixels; 0 where not valid
    probabilities: torch.Tensor  # (N, 8, 11) float32, over KINDS and "nothing"; 0 where not valid
    valid: torch.Tensor  # (N, 8) bool, True = a region; the surest come first
    objects: torch.Tensor  # (N, 8) int64, which object it is of; -1 = a false alarm, or no region


def matching(data, language="en", words="kinds", seed=0):
    """Is this caption of this picture? Two pictures keep and exchange their captions: each caption is once right and once wrong."""
    check_scenes(data)
    texts = captions(data, language, words, seed, everything=True)
    kinds = [sorted(row) for row in data.kinds.tolist()]
    order = permutation(len(data), seed, 2)
    pairs = [(int(i), int(j)) for i, j in zip(order[::2], order[1::2]) if kinds[i] != kinds[j]]
    items = [(i, texts[j], i == j) for one, two in pairs for i, j in ((one, one), (two, two), (one, two), (two, one))]
    some(items, "matching")
    pictures, texts, labels = zip(*items)
    return Matching(torch.tensor(pictures), list(texts), torch.tensor(labels))


def permutation(n, seed, task):
    return np.random.RandomState([seed, task]).permutation(n)


def balance(pool, most, seed, task):
    """(row, text, answer) of {text: {answer: rows}}: from every text each answer equally often, at most about `most` in all."""
    pool = {text: answers for text, answers in pool.items() if all(len(rows) for rows in answers.values())}
    share = max(most // max(sum(map(len, pool.values())), 1), 1)
    chance = np.random.RandomState([seed, task])
    items = []
    for text, answers in pool.items():
        quota = min(share, *map(len, answers.values()))
        for answer, rows in answers.items():
            items += [(int(row), text, answer) for row in np.asarray(rows)[chance.permutation(len(rows))[:quota]]]
    return [items[i] for i in chance.permutation(len(items))]


def limit(data, most):
    """How many items at most: as many as there are scenes, if None."""
    check_scenes(data)
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
        raise ValueError(f"most={most!r} must be a whole number from 1 on, or None")
    return len(data) if most is None else most


def some(items, what):
    if not items:
        raise ValueError(f"no {what} can be made of so few scenes with balanced answers: pass some hundreds or thousands")


# --- questions ----------------------------------------------------------------------------------


def questions(data, kinds=ASKED, most=None, seed=0):
    """Questions in seven kinds, at most `most` of each (as many as there are scenes, if None), their answers balanced by text.

    exists "Is there a bird?" · count "How many birds are there?" · what "What is furthest to the left?" · where "Where is the bird?"
    · position "Is the bird above the fruit?" · larger "Which is larger, the bird or the fruit?" · compare "Are there more birds than
    fruits?" Raises ValueError for a kind that is not there, and where the scenes are too few to balance any question.
    """
    if not isinstance(kinds, (list, tuple)) or not kinds or any(kind not in ASKED for kind in kinds):
        raise ValueError(f"kinds={kinds!r} must be a list of some of {', '.join(ASKED)}")
    most, facts, items = limit(data, most), View(data), []
    form = permutation(len(data), check_seed(seed), 3)  # which of several wordings
    for kind in kinds:
        pool = POOLS[kind](facts, form)
        items += [(*item, kind) for item in balance(pool, most, seed, 10 + ASKED.index(kind))]
    some(items, "questions")
    pictures, texts, answers, kinds = zip(*items)
    return Questions(torch.tensor(pictures), list(texts), answer_ids(answers), list(kinds))


def answer_ids(answers):
    """Indices into ANSWERS, (Q,) int64; ValueError for an answer that is not among them."""
    if not isinstance(answers, (list, tuple)):
        raise ValueError(f"answers must be a list of texts, got {type(answers).__name__}")
    number = {answer: i for i, answer in enumerate(ANSWERS)}
    for answer in answers:
        if not isinstance(answer, str) or answer not in number:
            raise ValueError(f"answer {answer!r} is not in the vocabulary of {len(ANSWERS)} answers: choose one of {', '.join(ANSWERS)}")
    return torch.tensor([number[answer] for answer in answers], dtype=torch.int64)


def split_rows(test, where=True):
    """{"yes": rows, "no": rows} of (N,) bool, looked at only `where`."""
    return {"yes": np.flatnonzero(test & where), "no": np.flatnonzero(~test & where)}


def ask_exists(facts, form):
    wordings = ("Is there {}?", "Does the picture show {}?")
    return {
        wording.format(a(kind)): split_rows(facts.count[:, k] > 0, form % 2 == f)
        for k, kind in enumerate(KINDS) for f, wording in enumerate(wordings)
    }  # fmt: skip


def ask_count(facts, form):
    return {
        f"How many {many} are there?": {str(n): np.flatnonzero(facts.count[:, k] == n) for n in range(4)} for k, many in enumerate(PLURALS)
    }


EXTREMES = {
    "left": "What is furthest to the left?", "right": "What is furthest to the right?", "above": "What is at the very top?",
    "below": "What is at the very bottom?", "larger": "What is the largest thing?", "smaller": "What is the smallest thing?",
}  # fmt: skip


def kind_of(facts, who):
    """(N,): the kind of an object (N,); -1 for none."""
    return np.where(who >= 0, facts.kinds[np.arange(facts.n), who], -1)


def ask_what(facts, form):
    pool = {}
    for what, text in EXTREMES.items():
        found = kind_of(facts, facts.first(what))
        pool[text] = {kind: np.flatnonzero(found == k) for k, kind in enumerate(KINDS)}
    return pool


def ask_where(facts, form):
    """A quarter of the picture, where the middle of the box is at least a sixteenth of the picture's side away from its middle lines."""
    pool = {}
    for k, kind in enumerate(KINDS):
        who = facts.only[:, k]
        box = facts.boxes[np.arange(facts.n), who]
        x, y = (box[:, axis] + box[:, axis + 2] - facts.size for axis in (0, 1))
        clear = (who >= 0) & (np.minimum(abs(x), abs(y)) >= facts.size // 8)
        pool[f"Where is the {kind}?"] = {
            place: np.flatnonzero(clear & (y > 0 if p >= 2 else y < 0) & (x > 0 if p % 2 else x < 0)) for p, place in enumerate(PLACES)
        }
    return pool


RELATED = {  # its words, and its opposite
    "left": ("to the left of", "right"), "right": ("to the right of", "left"), "above": ("above", "below"), "below": ("below", "above"),
}  # fmt: skip


def ask_position(facts, form):
    pool = {}
    for (i, one), (j, two) in permutations(enumerate(KINDS), 2):
        for what, (words, opposite) in RELATED.items():
            pool[f"Is the {one} {words} the {two}?"] = {
                "yes": np.flatnonzero(facts.of_two(what, i, j)), "no": np.flatnonzero(facts.of_two(opposite, i, j))
            }  # fmt: skip
    return pool


def ask_larger(facts, form):
    pool = {}
    for (i, one), (j, two) in permutations(enumerate(KINDS), 2):
        mine = form % 2 == (i < j)  # in one scene this order, in the other that
        pool[f"Which is larger, the {one} or the {two}?"] = {
            one: np.flatnonzero(mine & facts.of_two("larger", i, j)), two: np.flatnonzero(mine & facts.of_two("larger", j, i))
        }  # fmt: skip
    return pool


def ask_compare(facts, form):
    pool = {}
    for (i, many), (j, others) in permutations(enumerate(PLURALS), 2):
        one, two = facts.count[:, i], facts.count[:, j]
        there = one + two > 0
        pool[f"Are there more {many} than {others}?"] = split_rows(one > two, there)
        pool[f"Are there as many {many} as {others}?"] = split_rows(one == two, there)
    return pool


POOLS = dict(zip(ASKED, (ask_exists, ask_count, ask_what, ask_where, ask_position, ask_larger, ask_compare), strict=True))


# --- statements ---------------------------------------------------------------------------------


def entailment(data, most=None, seed=0):
    """Statements about one half of a picture of which one half is covered: true, false, or not to be told as it is the covered half."""
    most, facts, seed = limit(data, most), View(data), check_seed(seed)
    half = data.size // 2
    covered, form = permutation(len(data), seed, 4) % 4, permutation(len(data), seed, 5)
    pool = {}
    for h, side in enumerate(HALVES):
        axis, high = h // 2, h % 2
        low_edge, high_edge = facts.boxes[..., axis], facts.boxes[..., axis + 2]
        inside, outside = (low_edge >= half, high_edge <= half) if high else (high_edge <= half, low_edge >= half)
        for k, kind in enumerate(KINDS):
            mine = facts.is_kind[:, k]
            clear = (~mine | inside | outside).all(1)  # nothing of this kind lies across the middle line
            there = (mine & inside).any(1)
            seen, hidden = covered == (h ^ 1), covered == h
            for f, (text, holds) in enumerate(STATEMENTS.items()):
                asked = form % len(STATEMENTS) == f
                pool[text.format(a=a(kind), kind=kind, half=side)] = {
                    "entailment": np.flatnonzero(asked & clear & seen & (there == holds)),
                    "neutral": np.flatnonzero(asked & clear & hidden),
                    "contradiction": np.flatnonzero(asked & clear & seen & (there != holds)),
                }
    items = balance(pool, most, seed, 20)
    some(items, "statements")
    pictures, texts, labels = zip(*items)
    pictures = torch.tensor(pictures)
    return Entailment(pictures, torch.from_numpy(covered)[pictures], list(texts), torch.tensor([ENTAILMENT.index(x) for x in labels]))


STATEMENTS = {  # and whether it says that there is one
    "There is {a} in the {half} half.": True, "The {half} half shows {a}.": True, "There is no {kind} in the {half} half.": False,
}  # fmt: skip


def cover(images, halves):
    """The images (Q, 3, S, S) with one half grey. halves: (Q,) int64, index into HALVES."""
    if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError("images must be bytes (Q, 3, S, S), as Scenes have them")
    if not isinstance(halves, torch.Tensor) or halves.shape != (len(images),) or not ((halves >= 0) & (halves < 4)).all():
        raise ValueError("halves must be one number from 0 to 3 an image: left, right, top, bottom")
    images, half = images.clone(), images.shape[-1] // 2
    places = (np.s_[..., :half], np.s_[..., half:], np.s_[..., :half, :], np.s_[..., half:, :])
    for h, place in enumerate(places):
        chosen = images[halves == h]
        chosen[place] = 128
        images[halves == h] = chosen
    return images


def two_images(data, most=None, seed=0):
    """Statements about two pictures side by side, true and false equally often."""
    most, facts, seed = limit(data, most), View(data), check_seed(seed)
    left = np.concatenate([permutation(len(data), seed, 6 + r) for r in range(3)])
    right = np.concatenate([np.roll(permutation(len(data), seed, 6 + r), 1) for r in range(3)])
    form, pool = np.arange(len(left)), {}
    some(range(len(data) - 1), "statements about two pictures")
    for k, (kind, many) in enumerate(zip(KINDS, PLURALS)):
        one, two = facts.count[left, k], facts.count[right, k]
        true = {
            f"Both pictures show {a(kind)}.": (one > 0) & (two > 0),
            f"Exactly one picture shows {a(kind)}.": (one > 0) != (two > 0),
            f"Neither picture shows {a(kind)}.": one + two == 0,
            f"There are more {many} in the left picture than in the right one.": one > two,
            f"There are {NUMBERS['en'][0]} {many} in all.": one + two == 2,
            f"There are {NUMBERS['en'][1]} {many} in all.": one + two == 3,
        }
        pool.update({text: {True: np.flatnonzero(t), False: np.flatnonzero(~t)} for text, t in true.items()})
    one, two = (facts.valid.sum(1)[side] for side in (left, right))
    for text, t in {"The left picture shows more things.": one > two, "The right picture shows more things.": two > one,
                    "Both pictures show equally many things.": one == two}.items():  # fmt: skip
        pool[text] = {True: np.flatnonzero(t), False: np.flatnonzero(~t)}
    items = balance(pool, most, seed, 21)
    some(items, "statements about two pictures")
    rows, texts, labels = zip(*items)
    rows = form[list(rows)]
    return TwoImages(torch.from_numpy(np.stack([left[rows], right[rows]], 1)), list(texts), torch.tensor(labels))


# --- multiple choice with reasons -----------------------------------------------------------------

REASONS = {
    "left": "Because it is further to the left than the {}.", "right": "Because it is further to the right than the {}.",
    "above": "Because it is higher up than the {}.", "below": "Because it is further down than the {}.",
    "larger": "Because it is larger than the {}.", "smaller": "Because it is smaller than the {}.",
}  # fmt: skip


def choices(data, most=None, seed=0):
    """"What is furthest to the left?" with four answers, one right, and four reasons for it, one true of the picture.

    The other answers are any other kinds, there or not. The true reason names a kind that is in the picture, the others kinds that are
    not, and reasons are for who has the answer already: first a reader chooses the answer, then, told the right one, the reason.
    Balanced exactly: of the pictures with the same question and options each option is right equally often, and of those with the same
    question, right answer and reasons each reason.
    """
    most, facts, chance, found = limit(data, most), View(data), Chance(3, check_seed(seed)), []
    for what, text in EXTREMES.items():
        kind = kind_of(facts, facts.first(what))
        groups = []  # of each right kind: quartets of items (row, right kind, kind of the true reason, kinds of all four)
        for right in range(len(KINDS)):
            others = [k for k in range(len(KINDS)) if k != right and (data.split == "combinations" or not never_meet(k, right))]
            groups.append(quartets(np.flatnonzero(kind == right), facts.count > 0, others, chance))
        rounds = min(max(most // (4 * len(KINDS) * len(EXTREMES)), 1), *map(len, groups))
        left = [[(row, k, *rest) for group in each[:rounds] for row, *rest in group] for k, each in enumerate(groups)]
        for _ in range(rounds):  # every kind stands in four of the ten sets of options
            circle = shuffled(range(len(KINDS)), chance)
            for start in range(len(KINDS)):
                options = [circle[(start + step) % len(KINDS)] for step in range(4)]
                for right in options:
                    row, _, reason, reasons = left[right].pop(chance.below(len(left[right])))
                    found.append((row, text, what, right, shuffled(options, chance), reason, shuffled(reasons, chance)))
    some(found, "choices")
    found = shuffled(found, chance)
    return Choices(
        torch.tensor([f[0] for f in found]), [f[1] for f in found], [[KINDS[k] for k in f[4]] for f in found],
        torch.tensor([f[4].index(f[3]) for f in found]), [[REASONS[f[2]].format(KINDS[k]) for k in f[6]] for f in found],
        torch.tensor([f[6].index(f[5]) for f in found]),
    )  # fmt: skip


def quartets(rows, there, kinds, chance):
    """[[(row, kind, four kinds) x 4]]: four scenes and four kinds, so that each scene shows one of the four and each kind is shown by one.

    rows: scenes to choose from, each used once. there: (N, 10) bool.
    """
    shown = (there[rows][:, kinds] << np.arange(len(kinds))).sum(1)  # which of the kinds, as bits
    free, groups, before = np.ones(len(rows), bool), [], -1
    while len(groups) != before:
        before = len(groups)
        for four in shuffled(combinations(range(len(kinds)), 4), chance):
            of_four = shown & sum(1 << k for k in four)
            ones = [np.flatnonzero(free & (of_four == 1 << k)) for k in four]
            if all(len(one) for one in ones):
                chosen = [one[chance.below(len(one))] for one in ones]
                free[chosen] = False
                groups.append([(int(rows[at]), kinds[k], [kinds[o] for o in four]) for at, k in zip(chosen, four)])
    return groups


def shuffled(things, chance):
    return sorted(things, key=lambda _: chance.below(2**30))


# --- expressions and regions ----------------------------------------------------------------------


def referring(data, most=None, seed=0):
    """Expressions that mean exactly one object: by kind or name, by place or size among others of its kind, by what it is next to."""
    most, facts, seed = limit(data, most), View(data), check_seed(seed)
    rows, found = np.arange(facts.n), []

    def add(text, meant):
        """meant: (N, 5) bool, everything that the text is true of; kept where that is one."""
        for row in rows[meant.sum(1) == 1]:
            found.append((int(row), text, int(meant[row].argmax())))

    for what, text in {"larger": "the largest thing", "smaller": "the smallest thing", "left": "the thing on the far left",
                       "right": "the thing on the far right", "above": "the thing at the very top"}.items():  # fmt: skip
        add(text, np.arange(MOST) == facts.first(what)[:, None])
    for k, kind in enumerate(KINDS):
        mine = facts.is_kind[:, k]
        add(f"the {kind}", mine)
        several = mine & (facts.count[:, k] > 1)[:, None]
        for what, text in {"left": "the {} furthest to the left", "right": "the {} furthest to the right", "above": "the highest {}",
                           "larger": "the largest {}", "smaller": "the smallest {}"}.items():  # fmt: skip
            add(text.format(kind), np.arange(MOST) == facts.first(what, several)[:, None])
        for j, other in enumerate(KINDS):
            by = facts.only[:, j]
            for what, (words, _) in RELATED.items() if j != k else ():
                add(f"the {kind} {words} the {other}", several & (by >= 0)[:, None] & facts.relations[what][rows, :, by])
    names = photos().names["en"]
    for row in rows:
        shown = [names[i] for i in facts.objects[row][facts.valid[row]]]
        for j, name in enumerate(shown):
            thing = name[name.index(" ") + 1 :]  # "the bear" is no name where there is a European bear, too, nor "the flower" of a flower
            if thing not in KINDS and sum(f" {other}".endswith(f" {thing}") for other in shown) == 1:
                found.append((int(row), f"the {thing}", j))
    chance = np.random.RandomState([seed, 23])
    items = [found[i] for i in chance.permutation(len(found))[:most]]
    some(items, "expressions")
    pictures, texts, targets = zip(*items)
    pictures, targets = torch.tensor(pictures), torch.tensor(targets)
    return Referring(pictures, list(texts), targets, data.boxes[pictures, targets])


ALIKE = {  # what a detector takes a kind for, beside itself
    "mammal": ("bird", "small animal"), "bird": ("mammal", "sea animal"), "sea animal": ("small animal", "bird"),
    "small animal": ("sea animal", "flower"), "fruit": ("vegetable", "flower"), "vegetable": ("fruit", "flower"),
    "flower": ("fruit", "vegetable"), "tool": ("instrument", "vehicle"), "vehicle": ("tool", "mammal"), "instrument": ("tool", "vehicle"),
}  # fmt: skip
REGIONS = 8


def regions(data, seed=0):
    """What a detector with human faults might say of the scenes: boxes and what they show, without looking at pictures.

    A box is off by up to an eighth of its side at every edge; one object in twelve is missed, one in three of those that are mostly
    hidden or small; one in eight is found twice; a false alarm comes in every second picture, mostly unsure. Of a kind's hundred
    votes 45 to 95 are right and the others go to kinds that look alike; one object in ten is taken for another kind.
    """
    check_scenes(data)
    check_seed(seed)
    n, nothing = len(data), len(KINDS)
    boxes, votes = np.zeros((n, REGIONS, 4), np.int64), np.zeros((n, REGIONS, nothing + 1), np.int64)
    objects = np.full((n, REGIONS), -1, np.int64)
    exact, kinds, areas, hidden, numbers = (x.tolist() for x in (data.boxes, data.kinds, data.areas, data.hidden, data.numbers))
    for i in range(n):
        chance, found = Chance(4, seed, numbers[i]), []
        for j, kind in enumerate(kinds[i]):
            hard = hidden[i][j] > 0.3 or areas[i][j] < data.size**2 // 100
            if kind < 0 or chance.below(12) < (4 if hard else 1):
                continue
            for _ in range(2 if chance.below(8) == 0 else 1):
                found.append((shaken(exact[i][j], data.size, chance), seen_as(kind, hard, chance), j))
        if chance.below(2):
            side = chance.between(data.size // 6, data.size // 2)
            left, top = chance.below(data.size - side + 1), chance.below(data.size - side + 1)
            vote = seen_as(chance.below(nothing), True, chance) // 2
            vote[nothing] += 100 - vote.sum()
            found.append(([left, top, left + side, top + side], vote, -1))
        found.sort(key=lambda f: -int(f[1][:nothing].max()))
        for r, (box, vote, j) in enumerate(found[:REGIONS]):
            boxes[i, r], votes[i, r], objects[i, r] = box, vote, j
    valid = votes.sum(2) > 0
    return Regions(*map(torch.from_numpy, (boxes, (votes / 100).astype(np.float32), valid, objects)))


def shaken(box, size, chance):
    left, top, right, bottom = box
    across, down = max((right - left) // 8, 1), max((bottom - top) // 8, 1)
    left, right = (x + chance.between(-across, across) for x in (left, right))
    top, bottom = (y + chance.between(-down, down) for y in (top, bottom))
    left, top = max(left, 0), max(top, 0)
    return [left, top, min(max(right, left + 1), size), min(max(bottom, top + 1), size)]


def seen_as(kind, hard, chance):
    """A hundred votes over KINDS and nothing, (11,) int64."""
    alike = [KINDS.index(other) for other in ALIKE[KINDS[kind]]]
    taken = chance.pick(alike) if chance.below(10) == 0 else kind
    votes = np.zeros(len(KINDS) + 1, np.int64)
    votes[taken] = chance.between(45, 75) if hard else chance.between(60, 95)
    rest = 100 - int(votes.sum())
    for other in (kind, *alike):
        share = chance.below(rest // 2 + 1)
        votes[other] += share
        rest -= share
    votes[len(KINDS)] += rest
    return votes


# --- tasks and pictures together ------------------------------------------------------------------


def images_of(data, task):
    """The picture or pictures of every text of a task, (Q, ..., 3, S, S) uint8; of `Entailment` with the covered half grey."""
    check_scenes(data)
    pictures, texts = getattr(task, "pictures", None), getattr(task, "texts", None)
    if pictures is None or texts is None:
        raise ValueError(f"task must be what a function of evo.data.tasks made, got {type(task).__name__}")
    if len(texts) != len(pictures):
        raise ValueError(f"there are {len(texts)} texts for {len(pictures)} pictures: a text without a picture cannot be looked up")
    if len(pictures) and not 0 <= int(pictures.min()) <= int(pictures.max()) < len(data):
        worst = int(pictures.max()) if int(pictures.min()) >= 0 else int(pictures.min())
        raise ValueError(f"a text is about picture {worst}, but there are {len(data)}: pass the Scenes that it was made of")
    images = data.images[pictures]
    return cover(images, task.covered) if isinstance(task, Entailment) else images


def overlap(boxes, others, size):
    """Intersection over union, (Q,) float32, of boxes and others, each (Q, 4): left, top, right, bottom in a picture of `size` pixels."""
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not size > 0:
        raise ValueError(f"size={size!r} is no number of pixels; pass that of the picture, as 64")
    boxes, others = check_boxes(boxes, size, "boxes"), check_boxes(others, size, "others")
    if len(boxes) != len(others):
        raise ValueError(f"boxes and others must be equally many, got {len(boxes)} and {len(others)}")
    meet = (torch.minimum(boxes[:, 2:], others[:, 2:]) - torch.maximum(boxes[:, :2], others[:, :2])).clamp(min=0).prod(1)
    one, two = ((b[:, 2:] - b[:, :2]).prod(1) for b in (boxes, others))
    return (meet / (one + two - meet)).float()


def check_boxes(boxes, size, name):
    """Boxes (Q, 4) as float64; ValueError for one that is empty or not inside the picture."""
    try:
        boxes = torch.as_tensor(boxes).double()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be numbers (Q, 4): left, top, right, bottom") from error
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        raise ValueError(f"{name} must be numbers (Q, 4): left, top, right, bottom; got {tuple(boxes.shape)}")
    wrong = ~((boxes[:, :2] >= 0).all(1) & (boxes[:, 2:] <= size).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1))
    if wrong.any():
        box = [round(x, 2) for x in boxes[wrong][0].tolist()]
        raise ValueError(f"{name} hold {box}, which is no box inside a picture of {size} x {size}: left, top, right, bottom are needed")
    return boxes
