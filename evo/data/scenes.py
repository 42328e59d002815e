"""Scenes: one to five cut-outs on a real photograph, and everything that there is to know about them.

What is where, in front of what and how large is drawn by a generator of its own for every scene, so that any of them can be made
alone. All is computed in whole numbers at 128 pixels, and a picture of 64 is that one with four pixels averaged: every machine
makes the same bytes.
"""

import functools
import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from evo.data import sources
from evo.data.photos import photos
from evo.data.wild import photographs

KINDS = ("mammal", "bird", "sea animal", "small animal", "fruit", "vegetable", "flower", "tool", "vehicle", "instrument")
APART = 3  # kind k never meets kind k + 3 (mod 10) in training, validation and test: these ten pairs are for `combinations`
SPLITS = ("train", "valid", "test", "combinations")
SIZES = (64, 128)
MOST = 5  # objects in a scene
HOW_MANY = (1, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5)  # objects, equally often each
SMALLEST, LARGEST = 30, (92, 76, 66, 58, 52)  # root of an object's area, of 128; the largest for 1 ... 5 objects
TURN = 20  # degrees at most to either side
S = 128  # what is computed
NONE = np.int64(-1)  # where there is no object


@dataclass(frozen=True)
class Scenes:
    images: torch.Tensor  # (N, 3, S, S) uint8
    instances: torch.Tensor  # (N, S, S) uint8: 0 = photograph behind, j + 1 = object j, as far as it is seen
    valid: torch.Tensor  # (N, 5) bool, True = there is such an object
    kinds: torch.Tensor  # (N, 5) int64, index into KINDS; -1 where there is none
    objects: torch.Tensor  # (N, 5) int64, the cut-out, index into `photos()`; -1
    boxes: torch.Tensor  # (N, 5, 4) int64: left, top, right, bottom of what is seen, in pixels; right and bottom are outside; 0
    areas: torch.Tensor  # (N, 5) int64: pixels that are seen; 0
    hidden: torch.Tensor  # (N, 5) float32: share of the object that others hide; 0
    before: torch.Tensor  # (N, 5, 5) bool, True = object i hides a fiftieth or more of object j
    angles: torch.Tensor  # (N, 5) int64: degrees, counter-clockwise; 0
    mirrored: torch.Tensor  # (N, 5) bool
    behind: torch.Tensor  # (N,) int64, the photograph, index into `photographs()`
    numbers: torch.Tensor  # (N,) int64, of its split and seed
    split: str
    seed: int

    def __len__(self):
        return len(self.images)

    @property
    def size(self):
        return self.images.shape[-1]

    def masks(self):
        """(N, 5, S, S) bool: True = here object j is seen. No two objects share a pixel."""
        return self.instances[:, None] == torch.arange(1, MOST + 1, dtype=torch.uint8)[:, None, None]

    def relations(self):
        """{name: (N, 5, 5) bool}, True = object i stands so to object j: left, above, larger, before.

        left, above: the middle of its box is further left, or higher, by an eighth of the picture. larger: it is seen on at least
        1.5 times as many pixels. before: it hides a fiftieth or more of the other. right, below, smaller and behind are the transposes.
        """
        pair = self.valid[:, :, None] & self.valid[:, None]
        x, y = (self.boxes[..., i] + self.boxes[..., i + 2] for i in (0, 1))  # twice the middle
        far = self.size // 4

        def lower(v):
            return pair & (v[:, None] - v[:, :, None] >= far)

        larger = pair & (2 * self.areas[:, :, None] >= 3 * self.areas[:, None])
        return {"left": lower(x), "above": lower(y), "larger": larger, "before": self.before}


# So many scenes of each part are kept at 64 pixels in one canonical file, made once; others are made when they are asked for.
STORED = {"train": 10_000, "valid": 2_000, "test": 2_000, "combinations": 2_000}


def scenes(n, split="train", size=64, seed=0, first=0):
    """n scenes of one to five cut-outs on a photograph: `Scenes`, with pictures of size x size.

    split: "train", "valid" and "test" share no cut-out, no name of one and no photograph; "combinations" has the cut-outs and
    photographs of the training scenes in pairs of kinds that these never show together, at least one such pair a scene. size: 64
    or 128, the same scenes. Scene i depends on split, seed and first + i alone. Raises ValueError for anything else.
    """
    if split not in SPLITS:
        raise ValueError(f"split={split!r}: scenes come in {', '.join(SPLITS)}")
    if size not in SIZES or isinstance(size, bool):
        raise ValueError(f"size={size!r}: scenes come in 64 and 128 pixels")
    for what, value, least in (("n", n, 1), ("seed", seed, 0), ("first", first, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**31:
            raise ValueError(f"{what}={value!r} must be a whole number from {least} on")
    if seed == 0 and size == 64 and first + n <= STORED[split]:
        start = sum(list(STORED.values())[: SPLITS.index(split)]) + first
        columns = {key: value[start : start + n] for key, value in stored().items()}
    else:
        columns = {key: torch.from_numpy(value) for key, value in make(n, split, size, seed, first).items()}
    return Scenes(**columns, numbers=torch.arange(first, first + n), split=split, seed=seed)


@functools.cache
def stored():
    return {key: torch.from_numpy(value) for key, value in sources.load("scenes").items()}


def build_scenes(folder):
    """The first scenes of all parts, one after the other: what `stored` reads."""
    parts = [make(n, split, 64, 0, 0) for split, n in STORED.items()]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def make(n, split, size, seed, first):
    """The arrays of n scenes: {name of a field of Scenes: array}."""
    made = [scene(split, seed, first + i) if size == S else smaller(scene(split, seed, first + i)) for i in range(n)]
    columns = {key: np.stack([m[key] for m in made]) for key in made[0]}
    columns["images"] = np.ascontiguousarray(columns["images"].transpose(0, 3, 1, 2))
    return columns


def choose(data, rows):
    """The Scenes of these rows: a slice, or a list, array or tensor of their numbers."""
    check_scenes(data)
    if not isinstance(rows, slice):
        try:
            rows = torch.as_tensor(rows)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"rows must be whole numbers from 0 to {len(data) - 1}, in a list") from error
        if rows.dtype != torch.int64 or rows.ndim != 1 or not len(rows) or not 0 <= int(rows.min()) <= int(rows.max()) < len(data):
            raise ValueError(f"rows must be whole numbers from 0 to {len(data) - 1}, in a list")
    return replace(data, **{f.name: getattr(data, f.name)[rows] for f in fields(data) if torch.is_tensor(getattr(data, f.name))})


def check_scenes(data):
    if not isinstance(data, Scenes):
        raise ValueError(f"data must be Scenes, as scenes(1000) of evo.data.scenes makes them, got {type(data).__name__}")


def check_seed(seed):
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
        raise ValueError(f"seed={seed!r} must be a whole number from 0 on")
    return seed


class View:
    """The facts of scenes as arrays, as the questions need them."""

    def __init__(self, data):
        self.size, self.n = data.size, len(data)
        self.kinds, self.valid, self.objects, self.boxes = (x.numpy() for x in (data.kinds, data.valid, data.objects, data.boxes))
        self.relations = {what: pairs.numpy() for what, pairs in data.relations().items()}
        for what, back in (("right", "left"), ("below", "above"), ("smaller", "larger")):
            self.relations[what] = self.relations[back].transpose(0, 2, 1)
        self.is_kind = self.kinds[:, None] == np.arange(len(KINDS))[:, None]  # (N, 10, 5)
        self.count = self.is_kind.sum(2)  # (N, 10)
        self.only = np.where(self.count == 1, self.is_kind.argmax(2), -1)  # (N, 10): the object, if it alone is of this kind

    def first(self, what, among=None):
        """(N,): the object that stands so to all others that are there (or are among those (N, 5)), if there are others; else -1."""
        among = self.valid if among is None else among
        others = among[:, None] & ~np.eye(MOST, dtype=bool)
        best = among & (self.relations[what] | ~others).all(2) & (among.sum(1) > 1)[:, None]
        return np.where(best.any(1), best.argmax(1), -1)

    def of_two(self, what, one, two):
        """(N,) bool: the only one of kind `one` stands so to the only one of kind `two`."""
        i, j = self.only[:, one], self.only[:, two]
        return (i >= 0) & (j >= 0) & self.relations[what][np.arange(self.n), i, j]


class Chance:
    """Whole numbers at random: a stream of 32-bit words that numpy keeps the same for ever, one for every key."""

    def __init__(self, *key):
        self.state = np.random.RandomState(list(key))
        self.words = []

    def below(self, n):
        """0 ... n - 1."""
        if not self.words:
            self.words = self.state.randint(0, 2**32, 64, dtype=np.uint32).tolist()
        return self.words.pop() * n >> 32

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def pick(self, things):
        return things[self.below(len(things))]


# --- who is on which side -----------------------------------------------------------------------


def never_meet(a, b):
    """True for the ten pairs of kinds that only `combinations` shows."""
    return (a - b) % len(KINDS) in (APART, len(KINDS) - APART)


@functools.cache
def cast(part):
    """The cut-outs of a part by kind: a tuple of lists of indices into `photos()`. Those whose caption is a name in every language."""
    found = photos()
    named = [all(texts[i] for texts in found.names.values()) for i in range(len(found))]
    of = [[int(i) for i in getattr(found, part) if named[i] and found.kind_names[found.kinds[i]] == kind] for kind in KINDS]
    return tuple(of)


@functools.cache
def places(part):
    """The photographs of a part, indices into `photographs()`: monuments; two pictures of one monument are on one side."""
    found = photographs()
    same = {"Chenonceau": "chateaudeChenonceau", "Neuschwanstein": "neuschwanstein", "TajMahal": "tajMahal", "TourEiffel": "eiffelTower"}
    monuments = [i for i, kind in enumerate(found.kinds) if kind == "monument"]
    alike = {same.get(found.names[i], found.names[i]) for i in monuments}
    order = sorted(alike)
    order = [order[i] for i in np.random.RandomState(0).permutation(len(order))]
    ends = round(0.2 * len(order)), round(0.3 * len(order))
    side = {"test": order[: ends[0]], "valid": order[ends[0] : ends[1]], "train": order[ends[1] :]}[part]
    return tuple(i for i in monuments if same.get(found.names[i], found.names[i]) in side)


def plan(split, chance):
    """Which kinds a scene shows, in no order; every kind as often as every other."""
    n = chance.pick(HOW_MANY)
    if split == "combinations":
        kinds = [chance.below(len(KINDS))]
        kinds.append((kinds[0] + chance.pick((APART, -APART))) % len(KINDS))
        n = max(n, 2)
    else:
        kinds = []
    while len(kinds) < n:
        may = [k for k in range(len(KINDS)) if k not in kinds and (split == "combinations" or not any(never_meet(k, o) for o in kinds))]
        again = [k for k in sorted(set(kinds)) if kinds.count(k) < 3]
        kinds.append(chance.pick(again if again and (not may or chance.below(3) == 0) else may))
    return kinds


# --- one scene ----------------------------------------------------------------------------------


def scene(split, seed, number):
    """Scene `number` as arrays: image (128, 128, 3), instances (128, 128), and a row of everything else."""
    part = "train" if split == "combinations" else split
    for attempt in range(20):
        chance = Chance(SPLITS.index(split), seed, number, attempt)
        made = attempt_scene(split, part, chance)
        seen_well = made["hidden"] <= 0.5
        if (seen_well & (made["areas"] >= 60))[made["valid"]].all():
            break
    return made


def attempt_scene(split, part, chance):
    kinds = plan(split, chance)
    behind = chance.pick(places(part))
    canvas = background(photographs().pixels[behind], chance)  # (128, 128, 3) int32
    actors = []
    for kind in kinds:
        actors.append(pose(kind, part, len(kinds), {actor["object"] for actor in actors}, chance))
    actors = arrange(actors, chance)
    number = sorted(range(len(actors)), key=lambda _: chance.below(2**30))  # that an object has tells nothing about its place
    instances, whole, hides = np.zeros((S, S), np.uint8), np.zeros(MOST, np.int64), np.zeros((MOST, MOST), np.int64)
    for j, (actor, left, top) in zip(number, actors):
        h, w = actor["alpha"].shape
        place = np.s_[top : top + h, left : left + w]
        alpha = actor["alpha"][..., None]
        lit = light(actor["colours"], alpha, canvas[place])
        canvas[place] = (lit * 255 + (255 - alpha) * canvas[place] + 127) // 255
        there = actor["alpha"] >= 128
        hides[j] = np.bincount(instances[place][there], minlength=MOST + 1)[1:]
        instances[place][there] = j + 1
        whole[j] = there.sum()
    boxes, areas = seen(instances)
    valid = np.arange(MOST) < len(actors)

    def column(name, none):
        found = np.full(MOST, none)
        found[number] = [actor[name] for actor, _, _ in actors]
        return found

    return {
        "images": ambient(canvas, chance), "instances": instances, "valid": valid, "kinds": column("kind", NONE),
        "objects": column("object", NONE), "boxes": boxes, "areas": areas,
        "hidden": (1 - areas / np.maximum(whole, 1)).astype(np.float32) * valid, "before": 50 * hides >= np.maximum(whole, 1),
        "angles": column("angle", np.int64(0)), "mirrored": column("mirrored", False), "behind": np.int64(behind),
    }  # fmt: skip


def background(photo, chance):
    """A square of .6 to 1 of the photograph's short side, perhaps mirrored, made 128 x 128, a little flatter than it was."""
    height, width = photo.shape[:2]
    side = chance.between(6 * min(height, width) // 10, min(height, width))
    top, left = chance.below(height - side + 1), chance.below(width - side + 1)
    crop = photo[top : top + side, left : left + side]
    if chance.below(2):
        crop = crop[:, ::-1]
    at = (np.arange(S) * 2 + 1) * (side << 7) // S - (1 << 7)  # of the new pixels' middles, in 1/256 of an old one
    at = np.clip(at, 0, (side - 1) << 8)
    low, part = at >> 8, (at & 255).astype(np.int32)
    high = np.minimum(low + 1, side - 1)
    crop = crop.astype(np.int32)
    rows = crop[low] * (256 - part)[:, None, None] + crop[high] * part[:, None, None]  # times 256
    made = rows[:, low] * (256 - part)[:, None] + rows[:, high] * part[:, None]  # times 65536
    contrast = chance.between(190, 245)
    return (((made >> 16) - 128) * contrast >> 8) + 128


def pose(kind, part, n, used, chance):
    """A cut-out of this kind, one that is not used yet if there is one: which, how large, how it is turned; drawn, with opacity."""
    those = cast(part)[kind]
    which = chance.pick([i for i in those if i not in used] or those)
    size, angle, mirrored = chance.between(SMALLEST, LARGEST[n - 1]), chance.between(-TURN, TURN), bool(chance.below(2))
    colours, alpha = turned(which, size, angle, mirrored)
    return {"kind": kind, "object": which, "angle": angle, "mirrored": mirrored, "colours": colours, "alpha": alpha}


@functools.cache
def levels(which):
    """A cut-out with its colours times its opacity, and so at half, a quarter ... of its size, each within a transparent margin."""
    rgba = photos().images[which].astype(np.int32)
    colours = (rgba[..., :3] * rgba[..., 3:] + 127) // 255
    found = [np.concatenate([colours, rgba[..., 3:]], -1)]
    while max(found[-1].shape[:2]) > 16:
        big = found[-1]
        big = np.pad(big, [(0, big.shape[0] % 2), (0, big.shape[1] % 2), (0, 0)])
        found.append((big[::2, ::2] + big[1::2, ::2] + big[::2, 1::2] + big[1::2, 1::2] + 2) >> 2)
    return [np.pad(level, [(1, 1), (1, 1), (0, 0)]) for level in found]


def turned(which, size, angle, mirrored):
    """Colours times opacity (h, w, 3) and opacity (h, w), int32: the cut-out on size * size pixels, turned by `angle` degrees.

    No side of it is longer than 100 pixels, nor than 1.5 times what is stored.
    """
    height, width = photos().images[which].shape[:2]
    side = min(max(height, width) * size // math.isqrt(height * width), 100, max(height, width) * 3 // 2)  # of the longer one
    depth = 0
    while max(height, width) >> (depth + 1) >= side and depth + 1 < len(levels(which)):
        depth += 1
    level = levels(which)[depth]
    step = (max(height, width) << 8) // (side << depth)  # pixels of the level for one of ours, in 1/256
    cos, sin = (round(f(math.radians(angle)) * 65536) for f in (math.cos, math.sin))
    h, w = (s * side // max(height, width) + 1 for s in (height, width))
    out_h, out_w = ((a * cos + b * abs(sin)) // 65536 + 2 for a, b in ((h, w), (w, h)))
    y = (2 * np.arange(out_h, dtype=np.int64) + 1 - out_h)[:, None]  # twice the distance from the middle
    x = 2 * np.arange(out_w, dtype=np.int64) + 1 - out_w
    u, v = ((x * cos - y * sin) * step >> 17), ((x * sin + y * cos) * step >> 17)  # in 1/256 pixel of the level
    u = (-u if mirrored else u) + (level.shape[1] << 7) - 128
    v = v + (level.shape[0] << 7) - 128
    u, v = (np.clip(a, 0, (n - 1 << 8) - 1) for a, n in ((u, level.shape[1]), (v, level.shape[0])))
    at = (v >> 8) * level.shape[1] + (u >> 8)
    right, down = ((a & 255).astype(np.int32)[..., None] for a in (u, v))
    flat = level.reshape(-1, 4)
    top = flat[at] * (256 - right) + flat[at + 1] * right
    low = flat[at + level.shape[1]] * (256 - right) + flat[at + level.shape[1] + 1] * right
    drawn = (top * (256 - down) + low * down) >> 16
    rows, columns = (np.flatnonzero((drawn[..., 3] >= 16).any(axis)) for axis in (1, 0))
    drawn = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return drawn[..., :3], drawn[..., 3]


def arrange(actors, chance):
    """[(actor, left, top)], those that end higher first: what stands lower is nearer. The largest choose their place first."""
    placed = []
    for actor in sorted(actors, key=lambda a: -a["alpha"].size):
        h, w = actor["alpha"].shape
        best = None
        for _ in range(25):
            left, top = chance.below(S - w + 1), chance.below(S - h + 1)
            worst = max([covered((left, top, w, h), (x, y, *other["alpha"].shape[::-1])) for other, x, y in placed], default=0)
            if best is None or worst < best[0]:
                best = worst, left, top
            if worst <= 45:
                break
        placed.append((actor, *best[1:]))
    return sorted(placed, key=lambda p: (p[2] + p[0]["alpha"].shape[0], p[1]))


def covered(one, other):
    """How much of the smaller box lies in the other, in per cent. Boxes: left, top, width, height."""
    (x, y, w, h), (a, b, c, d) = one, other
    across, down = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
    return 100 * across * down // min(w * h, c * d) if across > 0 and down > 0 else 0


def light(colours, alpha, behind):
    """Colours, a third of the way from their own mean brightness to that of what is behind."""
    weights = np.array([77, 150, 29], np.int32)
    total = max(int(alpha.sum()), 1)
    own = max(int((colours @ weights).sum()) * 255 // (total * 256), 16)
    there = int((behind @ weights).sum(dtype=np.int64)) // (behind[..., 0].size << 8)
    gain = min(max(256 + (there - own) * 256 // (3 * own), 160), 360)
    return np.minimum(colours * gain >> 8, alpha)


def ambient(canvas, chance):
    """(128, 128, 3) uint8: light from the left or the right, a little warmer or colder."""
    slope, tint = chance.between(-40, 40), [chance.between(244, 268) for _ in range(3)]
    ramp = 256 + slope * (2 * np.arange(S, dtype=np.int32) + 1 - S) // S
    lit = canvas * ramp[:, None] * np.array(tint, np.int32) >> 16
    return np.clip(lit, 0, 255).astype(np.uint8)


# --- what is seen -------------------------------------------------------------------------------


def smaller(made):
    """The arrays of a scene at 64 pixels, from those at 128."""
    images, instances = halve(made["images"], made["instances"])
    boxes, areas = seen(instances)
    return {**made, "images": images, "instances": instances, "boxes": boxes, "areas": areas}


def halve(image, instances):
    """(128, 128, 3) and (128, 128) -> the same at 64: means of four pixels; whoever has most of the four, in a tie the one in front."""
    quarters = [np.s_[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    small = (sum(image[q].astype(np.uint16) for q in quarters) + 2 >> 2).astype(np.uint8)
    four = [instances[q] for q in quarters]
    votes = [8 * sum((other == one).astype(np.uint8) for other in four) + one for one in four]
    return small, np.maximum.reduce(votes) & 7


def seen(instances):
    """Boxes (5, 4) and areas (5,) of what is seen of each object in (S, S)."""
    boxes, areas = np.zeros((MOST, 4), np.int64), np.zeros(MOST, np.int64)
    for j in range(int(instances.max())):
        there = instances == j + 1
        areas[j] = there.sum()
        if areas[j]:
            rows, columns = (np.flatnonzero(there.any(axis)) for axis in (1, 0))
            boxes[j] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes, areas
