"""Photographs of things, cut out: tuxpaint's stamps, with captions in many languages.

Of the stamps, those that are photographs; what is drawn is left out. Everything is computed in whole numbers here,
so that every machine has the same bytes, whatever library reads the files.
"""

import functools
import json
import re
from dataclasses import dataclass

import numpy as np

from evo.data import sources

LONG_SIDE = 128  # of a stored cut-out at most

# kind -> folder -> pictures. Two wheels that stand among the vehicles are objects here.
PICTURES = {
    "small animal": {
        "animals/amphibians": "frog-1 frog",
        "animals/insects": "Brown_slug Woodlouse grasshopper hornet hoverfly mantis xanthia",
        "animals/lizards": "iguana",
    },
    "bird": {
        "animals/birds":
            "adelaide-rosella albino_peahen blackbird chicken_profile crow crowned_crane cuckoo drake duck gander guineafowl "
            "helmeted_guineafowl hen heron_greatblue heron_greatblue_flying lark little-penguin magellanic_penguin magpie nandou "
            "ostrich owl peacock pelican penguin pigeon pink_flamingo quetzal rainbow-lorikeet rooster seagull silver-gull tucan "
            "turkey vulture",
    },
    "sea animal": {
        "animals/fish": "bluegroper butterflyfish clownfish coraltrout dolphinfish lionfish lobster moonwrasse seahorse shrimp stripedfish",
        "animals/shellfish": "abalone murray-mussel",
    },
    "mammal": {
        "animals/mammals/apes": "chimp gorilla tamarin_emperor",
        "animals/mammals/aquatic": "dolphin orca otter sea_lion whale",
        "animals/mammals": "badger elephant ferret giraffe hippopotamus pig pig_golden pig_golden2 rhino_black wildboar",
        "animals/mammals/bears": "bear european-bear",
        "animals/mammals/bovines":
            "bison bull cow cow_white gnu-baby-stand gnu-baby gnu-sitting gnu-stand goat indian_blackbuck mountaingoat ram sheep "
            "sheep_lamb yak zebu",
        "animals/mammals/camel": "camel dromedary",
        "animals/mammals/cats": "lion-2 lion tiger tiger_sumatran",
        "animals/mammals/deer": "caribou deer doe wapiti",
        "animals/mammals/dogs": "dingo dog fox",
        "animals/mammals/equines": "donkey donkey_eating horse zebra",
        "animals/mammals/rodents": "beaver capybara marmot mouse rat squirrel",
        "animals/marsupials": "kangaroo koala wombat",
    },
    "toy": {
        "animals/mammals/bears/toys": "edward_bear",
        "people/toys": "grannysmith",
    },
    "fruit": {
        "food/fruit":
            "Apricot_whole Cherry_Stella Strawberry2 apple_fuji apple_granny_smith apple_green apple_red apple_sierra_beauty "
            "apricot avocado banana cherimoya grapes kiwi lemon mandarine mango orange orange_seville pear pineapple pomegranate "
            "raspberry sliced_lime sliced_orange strawberry",
    },
    "other food": {
        "food/nuts": "almond pecan walnut walnut_shelled",
    },
    "vegetable": {
        "food/spices": "ginger",
        "food/vegetables":
            "broccoli carrot chilepepper corn eggplant garlic garlics lettuce mushroom onion pattypan_squash pepper potato "
            "pumpkin_small redlettuce tomato yam yellowpepper",
    },
    "object": {
        "hobbies": "binoculars camera_35mm",
        "household": "Lightbulb cylinder garbagecan home_compost_bin kettle key rubberduck toilet wheelie_bin",
        "household/dishes": "pitcher_small teapot",
        "household/dishes/utensils": "nutcracker pepper_grinder",
        "medical": "bandage_adhesive mercurythermometer stethoscope syringe",
        "military/ammunition": "old_naval_shell",
        "military": "final-roll-call fireman240a paratrooper",
        "people": "fireman200b fireman240a",
        "seasonal": "candle",
        "seasonal/christmas":
            "Candy_cane_photo_1 Candy_cane_photo_2 Christmas_Tree_photo Christmas_pudding German_Christmas_toy Mince_Pie "
            "Roast_turkey xmaswreath",
        "town/monuments": "inukshuk-photo",
        "town": "uk_post_box usps_mailbox",
        "vehicles": "7spoke256 wheel_tractor",
    },
    "instrument": {
        "hobbies/music/brass": "trumpet",
        "hobbies/music/percussion": "cymbal_crash drum_tomtom_floor drumkit",
        "hobbies/music/string": "cello guitar2 guitar_classical guitar_electric guitar_electric_bass violin",
        "hobbies/music/wind": "bassoon",
    },
    "tool": {
        "household/arttools": "pen_dryerase scissors_small_closed scissors_small_open",
        "household/tools":
            "cementmixer hammer mallet_metal measuring_tape paintbrush_large plyers saw spade toolbox wrench wrench_adjustable "
            "wrench_plumbers",
    },
    "vehicle": {
        "military/vehicles": "bradley f22_raptor infantry-stryker ww2_german_gun",
        "space": "apollo_lander spacewalk voyager2",
        "vehicles/auto": "beetle sedan sportscar2 truck",
        "vehicles/construction": "dumper",
        "vehicles/cycle": "pink_tricycle",
        "vehicles/emergency": "firetruck",
        "vehicles/flight": "balloon360",
        "vehicles/flight/planes": "747",
        "vehicles": "garbagetruck",
        "vehicles/masstransit": "green_korean_bus",
        "vehicles/race": "indycar",
        "vehicles/ship": "chineseJunk walnutBoat",
    },
    "plant": {
        "plants": "eggplant lavender lettuce_bolted thyme",
        "plants/mushrooms": "cep-1 cep-2 cep",
        "plants/trees": "birch holly_leaves holm_oak liberia-palm pinecone rambutan tree336",
    },
    "flower": {
        "plants/flowers":
            "adeenia anemone_red anthoorium appooppanthady bolsom chemparathi daffodil flower1 flower10 flower2 flower3 flower4 "
            "flower5 flower6 flower7 flower8 flower9 iris marigold pigface red-gazania rose whitestar-petunia yellow-flower",
        "plants/flowers/plastic": "chuvanna_plastic_poo",
    },
    "gravestone": {
        "seasonal/halloween": "grave-a grave-c grave-d grave-e grave-f grave-g grave-h grave-i grave-j",
    },
    "sport": {
        "sports": "australian_rules_football basketball cricketball football soccer tennis_ball tennis_racket trophy_cup",
    },
}

# A caption that is an article and up to four words is a *name*; sentences and remarks in brackets are none.
ARTICLES = {
    "en": "An? ", "de": "Eine? ", "fr": "Une? ", "es": "Una? ", "it": "Un[oa]? |Un['’]", "nl": "Een ", "pt": "Uma? ", "sv": "En |Ett ",
}  # fmt: skip


@dataclass(frozen=True)
class Photos:
    images: tuple  # of (H, W, 4) uint8 arrays: red, green, blue and opacity; the longer side at most 128
    paths: tuple  # where tuxpaint keeps each, without ending
    kinds: np.ndarray  # (N,) int64, index into kind_names
    kind_names: tuple
    captions: dict  # language -> N captions, "" where there is none
    names: dict  # language of ARTICLES -> N names as "a crow", "" where the caption is none
    train: np.ndarray  # positions; what has one English caption is on one side
    valid: np.ndarray
    test: np.ndarray

    @property
    def languages(self):
        return list(self.captions)

    def __len__(self):
        return len(self.images)


@functools.cache
def photos():
    """tuxpaint's photographs (GPL; fetched, never shipped), split by what they show: about 70, 10 and 20 per cent of every kind."""
    arrays = sources.load("photos")
    entries = json.loads(arrays["entries"].tobytes())
    sizes = arrays["sizes"].astype(int)
    pixels = np.split(arrays["pixels"], np.cumsum(sizes.prod(1) * 4)[:-1])
    kind_names = tuple(PICTURES)
    kinds = np.array([kind_names.index(kind) for kind in entries["kinds"]])
    captions = entries["captions"]
    names = {language: [name(caption, language) for caption in captions[language]] for language in ARTICLES}
    return Photos(
        images=tuple(p.reshape(*size, 4) for p, size in zip(pixels, sizes)), paths=tuple(entries["paths"]), kinds=kinds,
        kind_names=kind_names, captions=captions, names=names, **split_by_name(kinds, captions["en"], names),
    )  # fmt: skip


def name(caption, language):
    """"Ein Vogel." -> "ein Vogel" in German; "" for a caption that is more or less than an article and up to four words."""
    if not isinstance(caption, str):
        raise ValueError(f"caption={caption!r} is no text")
    check_language(language, ARTICLES)
    match = re.fullmatch(rf"({ARTICLES[language]})([^\W\d_]+(?:[-'’ ][^\W\d_]+){{0,3}})\.?", caption.strip())
    return match[0][0].lower() + match[0][1:].removesuffix(".") if match else ""


def check_language(language, known):
    if not isinstance(language, str) or language not in known:
        raise ValueError(f"language={language!r} is not there: choose one of {', '.join(known)}")


def wordings(languages):
    """Every photograph's caption in each of these languages, for languages that have all of them: N lists of len(languages) strings.

    languages: a list of codes, as ["en", "de"]. Raises ValueError for one that is not there or lacks captions.
    """
    if isinstance(languages, str) or not isinstance(languages, (list, tuple)) or not languages:
        raise ValueError(f"languages={languages!r} must be a list of codes, as ['en', 'de']")
    found = photos().captions
    whole = [code for code, captions in found.items() if all(captions)]
    for language in languages:
        check_language(language, whole)
    return [list(row) for row in zip(*(found[language] for language in languages))]


def split_by_name(kinds, captions, names):
    """{part: positions}: of every kind's different captions a fifth for the test and an eighth for validation.

    Pictures with a name in every language and those without are split apart, so that both are on all sides. A caption
    that more than two pictures share, as "A flower.", is for training.
    """
    named = np.all([[bool(n) for n in column] for column in names.values()], axis=0)
    side = {}
    for kind in np.unique(kinds):
        for group in (True, False):
            rows = np.flatnonzero(kinds == kind)
            with_name = {captions[i] for i in rows if named[i]}
            some = sorted(c for c in {captions[i] for i in rows} if (c in with_name) == group)
            many = [c for c in some if captions.count(c) > 2]
            some = [c for c in some if c not in many]
            order = np.random.RandomState(int(kind)).permutation(len(some))
            least = (len(some) > 4) + (len(some) > 6)
            test, valid = (max(round(len(some) / share), least) for share in (5, 8))
            parts = dict.fromkeys(many, "train")
            parts.update((some[i], "test" if at < test else "valid" if at < test + valid else "train") for at, i in enumerate(order))
            side.update(parts)
    where = np.array([side[caption] for caption in captions])
    return {part: np.flatnonzero(where == part) for part in ("train", "valid", "test")}


# --- from the package to the canonical file -----------------------------------------------------


def build_photos(folder):
    """Every picture of PICTURES, its transparent margin cut off, made small, with its captions."""
    from PIL import Image

    stamps = sources.locate(folder, "crow.png").parents[2]
    found = [(f"{place}/{stem}", kind) for kind, places in PICTURES.items() for place, stems in places.items() for stem in stems.split()]
    pictures, captions = [], []
    for path, _ in found:
        with Image.open(stamps / f"{path}.png") as picture:
            pictures.append(shrink(trim(np.asarray(picture.convert("RGBA"))), LONG_SIDE))
        captions.append(dict(read_captions((stamps / f"{path}.txt").read_text(encoding="utf-8"))))
    languages = sorted(set().union(*captions), key=lambda code: (code != "en", code))
    text = {
        "paths": [path for path, _ in found],
        "kinds": [kind for _, kind in found],
        "captions": {code: [c.get(code, "") for c in captions] for code in languages},
    }
    return {
        "entries": np.frombuffer(json.dumps(text, ensure_ascii=False, separators=(",", ":")).encode(), np.uint8),
        "sizes": np.array([p.shape[:2] for p in pictures], np.uint16),
        "pixels": np.concatenate([p.ravel() for p in pictures]),
    }


def read_captions(text):
    """(language, caption) of a stamp's text file: English stands alone on the first line, then "de.utf8=Ein Vogel."."""
    first, *rest = text.splitlines()
    yield "en", first.strip()
    for line in rest:
        match = re.fullmatch(r"([\w@]+)\.utf8=\s*(.*?)\s*", line)
        if match and match[2]:
            yield match[1], match[2]


def trim(rgba):
    """(H, W, 4) without the margin that is nearly transparent."""
    rows, columns = (np.flatnonzero((rgba[..., 3] >= 16).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise ValueError("the picture is transparent everywhere: there is nothing to cut out")
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def shrink(rgba, side):
    """(H, W, 4) uint8 with its longer side made `side`, if it is longer: means over areas, colours in proportion to opacity.

    Sums of whole numbers below 2**53, which floating-point numbers hold exactly: the same bytes on every machine.
    """
    height, width = rgba.shape[:2]
    if max(height, width) <= side:
        return np.ascontiguousarray(rgba)
    h, w = (max(1, (2 * s * side + max(height, width)) // (2 * max(height, width))) for s in (height, width))
    down, across = overlaps(height, h), overlaps(width, w)
    opacity = rgba[..., 3].astype(np.float64)
    alpha = down @ opacity @ across.T  # (h, w), times height * width
    colours = np.stack([down @ (rgba[..., c] * opacity) @ across.T for c in range(3)], -1)
    colours, alpha = colours.astype(np.int64), alpha.astype(np.int64)
    seen = np.maximum(alpha, 1)[..., None]
    colours, alpha = (2 * colours + seen) // (2 * seen), (2 * alpha + height * width) // (2 * height * width)
    return np.concatenate([colours, alpha[..., None]], -1).astype(np.uint8)


def overlaps(n, m):
    """(m, n): how much of old cell j lies in new cell i, when n cells become m; in units of 1/m of an old cell."""
    new, old = np.arange(m)[:, None], np.arange(n)[None]
    return np.clip(np.minimum((new + 1) * n, (old + 1) * m) - np.maximum(new * n, old * m), 0, None).astype(np.float64)
