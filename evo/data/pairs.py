"""Picture-text pairs: emoji from Noto Color Emoji, their names in 100+ languages from Unicode CLDR."""

import io
import json
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import torch
import torch.nn.functional as F

from evo.data import scenes, sources
from evo.data.photos import photos
from evo.data.text import split
from evo.data.wild import photographs

MASTER = 64  # side of the pictures in the canonical file; the font's own are 128


@dataclass(frozen=True)
class Emoji:
    chars: list  # one code point each
    rgba: torch.Tensor  # (N, 4, S, S) uint8
    images: torch.Tensor  # (N, 3, S, S) uint8, on white
    names: dict  # language -> N names, "" where CLDR has none
    keywords: dict  # language -> N lists of keywords
    groups: torch.Tensor  # (N,) int64, index into group_names
    group_names: list  # Unicode's categories
    bases: list  # what the character is a variant of: woman and man -> person
    train: np.ndarray  # positions, about 80 %; variants of one base are on one side
    valid: np.ndarray  # 10 %
    test: np.ndarray  # 10 %

    @property
    def languages(self):
        return list(self.names)

    def __len__(self):
        return len(self.chars)


def emoji(size=32):
    """Emoji as pictures of size x size, names and keywords, split by base character."""
    if isinstance(size, bool) or not (isinstance(size, int) and size > 0):
        raise ValueError(f"size={size!r} is no picture size; pass a whole number of pixels, as 32")
    arrays = sources.load("emoji")
    entries = json.loads(arrays["entries"].tobytes())
    master = arrays["master"] if size <= MASTER else pictures(arrays["png"], arrays["png_ends"])
    rgba, images = resize(torch.from_numpy(master).permute(0, 3, 1, 2), size)
    groups = torch.from_numpy(arrays["groups"]).long()
    return Emoji(rgba=rgba, images=images, groups=groups, **entries, **split_by(entries["bases"]))


def split_by(bases):
    """80 / 10 / 10 per cent of the different bases; every entry follows its base."""
    if isinstance(bases, str) or not all(isinstance(base, str) for base in bases):
        raise ValueError("bases must be a list of names, one an entry")
    names = sorted(set(bases))
    side = dict.fromkeys(names)
    for part, positions in split(len(names)).items():
        side.update((names[i], part) for i in positions)
    parts = np.array([side[base] for base in bases])
    return {part: np.flatnonzero(parts == part) for part in ("train", "valid", "test")}


def resize(rgba, size):
    """(N, 4, M, M) uint8 -> (N, 4, S, S) and, on white, (N, 3, S, S), both uint8.

    Colours are averaged in proportion to their opacity: else the invisible pixels around a
    picture, black in the file, would darken its edge.
    """
    if not isinstance(rgba, torch.Tensor) or rgba.dtype != torch.uint8 or rgba.ndim != 4 or rgba.shape[1] != 4:
        what = f"{rgba.dtype} {tuple(rgba.shape)}" if isinstance(rgba, torch.Tensor) else type(rgba).__name__
        raise ValueError(f"rgba must be bytes (N, 4, M, M), got {what}")
    alpha = rgba[:, 3:].float()
    x = torch.cat([rgba[:, :3] * alpha, alpha], 1)  # (N, 4, M, M)
    if x.shape[-1] % size == 0:
        x = F.avg_pool2d(x, x.shape[-1] // size)  # exact: the same bytes on every machine
    else:
        x = F.interpolate(x, (size, size), mode="bilinear", antialias=True)
    colour, alpha = x[:, :3], x[:, 3:]
    rgba = torch.cat([colour / alpha.clamp(min=1), alpha], 1)
    white = colour / 255 + (255 - alpha)
    return rgba.round().clamp(0, 255).byte(), white.round().clamp(0, 255).byte()


def portraits(rows, part, size=32, seed=0, many=1):
    """`many` pictures of each photographed thing, large and near the middle of a photograph: (len(rows), many, 3, S, S) uint8.

    rows: positions in `photos()`. part: "train", "valid" or "test", whose photographs are behind, none of them in two parts.
    size: S, 16, 32, 64 or 128. A picture depends on its row, part, seed and number alone. Raises ValueError for anything else.
    """
    places = scenes.SPLITS[:3]
    if part not in places:
        raise ValueError(f"part={part!r}: the photographs behind are of {', '.join(places)}")
    if isinstance(size, bool) or size not in (16, 32, 64, 128):
        raise ValueError(f"size={size!r}: portraits come in 16, 32, 64 and 128 pixels")
    if isinstance(many, bool) or not isinstance(many, int) or many < 1:
        raise ValueError(f"many={many!r} must be a whole number from 1 on")
    scenes.check_seed(seed)
    rows, last = np.asarray(rows), len(photos()) - 1
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not len(rows) or not 0 <= rows.min() <= rows.max() <= last:
        raise ValueError(f"rows must be whole numbers from 0 to {last}, in a list")
    made = [[portrait(int(i), part, size, seed, number) for number in range(many)] for i in rows]
    return torch.from_numpy(np.array(made))


def portrait(which, part, size, seed, number):
    """(3, S, S) uint8: one of `portraits`, in whole numbers as the scenes are."""
    chance = scenes.Chance(scenes.SPLITS.index(part), seed, which, number)
    canvas = scenes.background(photographs().pixels[chance.pick(scenes.places(part))], chance)
    colours, alpha = scenes.turned(which, chance.between(76, 92), chance.between(-12, 12), bool(chance.below(2)))
    whole, place = scenes.S, []
    for side in alpha.shape:
        free = (whole - side) // 2
        start = free + chance.between(-min(8, free), min(8, free))
        place.append(slice(start, start + side))
    opacity, behind = alpha[..., None], canvas[tuple(place)]
    lit = scenes.light(colours, opacity, behind)
    canvas[tuple(place)] = (lit * 255 + (255 - opacity) * behind + 127) // 255
    k = whole // size
    canvas = np.clip(canvas, 0, 255).reshape(size, k, size, k, 3).sum((1, 3))
    return ((2 * canvas + k * k) // (2 * k * k)).astype(np.uint8).transpose(2, 0, 1)


# --- from font and annotations to the canonical entries -------------------------------------------


def build_emoji(folder):
    entries = list(emoji_test(folder))  # (character, group), in Unicode's order
    bitmaps = font_bitmaps(sources.locate(folder, "NotoColorEmoji.ttf"))
    names, keywords = annotations(folder, [char for char, _ in entries])
    keep = [i for i, (char, _) in enumerate(entries) if char in bitmaps and names["en"][i]]
    chars = [entries[i][0] for i in keep]
    group_names = list(dict.fromkeys(group for _, group in entries))
    groups = [group_names.index(entries[i][1]) for i in keep]
    names = {language: [texts[i] for i in keep] for language, texts in names.items()}
    keywords = {language: [words[i] for i in keep] for language, words in keywords.items()}
    languages = [language for language in names if sum(map(bool, names[language])) >= len(keep) / 2]
    text = {
        "chars": chars,
        "names": {language: names[language] for language in languages},
        "keywords": {language: keywords[language] for language in languages},
        "group_names": group_names,
        "bases": [base(name) for name in names["en"]],
    }
    png = [bitmaps[char] for char in chars]
    ends = np.cumsum([len(data) for data in png])
    png = np.frombuffer(b"".join(png), np.uint8)
    big = torch.from_numpy(pictures(png, ends)).permute(0, 3, 1, 2)
    return {
        "entries": np.frombuffer(json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode(), np.uint8),
        "groups": np.array(groups, np.uint8),
        "master": resize(big, MASTER)[0].permute(0, 2, 3, 1).numpy(),
        "png": png,
        "png_ends": ends.astype(np.int64),
    }


def emoji_test(folder):
    """Single code points in Unicode's emoji-test.txt: `1F600 ; fully-qualified # ...`."""
    for line in sources.locate(folder, "emoji-test.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif match := re.match(r"([0-9A-F]+)( FE0F)? *; fully-qualified", line):
            yield chr(int(match[1], 16)), group


def font_bitmaps(path):
    """{character: PNG file} of a colour bitmap font."""
    from fontTools.ttLib import TTFont

    with TTFont(path, lazy=True) as font:
        glyphs = font["CBDT"].strikeData[0]
        return {chr(code): glyphs[name].imageData for code, name in font.getBestCmap().items() if name in glyphs}


def pictures(png, ends):
    """PNG files one after the other -> (N, 128, 128, 4) uint8."""
    from PIL import Image

    out = []
    for data in np.split(png, ends[:-1]):
        picture = Image.open(io.BytesIO(data.tobytes())).convert("RGBA")
        margin = (picture.width - picture.height) // 2  # the font centres 128 pixels in 136
        out.append(np.asarray(picture)[:, margin : margin + picture.height])
    return np.stack(out)


def annotations(folder, chars):
    """CLDR's short names (type="tts") and keywords: two dicts language -> list as long as chars."""
    names, keywords = {}, {}
    for path in sorted(folder.rglob("annotations/*.xml")):
        if re.search(r"root|_([A-Z]{2}|\d{3})$", path.stem):
            continue  # a regional file holds only what differs from its language
        found = {"tts": {}, None: {}}
        for entry in ElementTree.parse(path).iter("annotation"):
            if entry.text and entry.text != "↑↑↑":  # "as the parent language"
                found[entry.get("type")][entry.get("cp")] = entry.text
        words = [found[None].get(char, "").split("|") for char in chars]
        names[path.stem] = [found["tts"].get(char, "").strip() for char in chars]
        keywords[path.stem] = [[word.strip() for word in some if word.strip()] for some in words]
    return names, keywords


VARIANTS = {
    "man": "person",
    "woman": "person",
    "men": "people",
    "women": "people",
    "woman and man": "people",
    "boy": "child",
    "girl": "child",
    "old": "older",
    "prince": "person with crown",
    "princess": "person with crown",
    "santa claus": "claus",
    "mrs. claus": "claus",
}


def base(name):
    """What remains of an English name without gender: "pregnant woman" -> "pregnant person"."""
    pattern = "|".join(sorted(map(re.escape, VARIANTS), key=len, reverse=True))
    return re.sub(rf"\b({pattern})\b", lambda match: VARIANTS[match[1]], name.lower())
