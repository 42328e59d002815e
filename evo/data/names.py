"""Names of persons, places and peoples in the Bible, labelled by a dictionary and not by hand: silver labels.

King James's Version (evo.data.bible) has behind its words the numbers of Strong's concordance (1890), and Strong's
dictionaries, in the public domain too and packed by the SWORD project, say what each number is: "Damascus a city of
Syria", "Samson an Israelite", "a Gittite or inhabitant of Gath". The first such word of a definition is the label.
"""

import functools
import json
import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from evo.data import sources
from evo.data.bible import ENDS, LITTLE, bible

LABELS = ("PER", "LOC", "GRP")
TAGS = ("O", *(f"{edge}-{label}" for label in LABELS for edge in "BI"))  # begins a name, goes on with it
DICTIONARIES = {"G": "strongsgreek", "H": "strongshebrew"}

PATRIAL = re.compile("patrial|patronymic", re.IGNORECASE)
NO_NAME = re.compile(r"\b(?:deity|deities|idol|goddess|god|month|festival|Messiah|Divinity)\b")
SAID = re.compile(
    r"""\b(?:(?P<GRP>descendants?|inhabitants?|tribes?|people|nation|collectively|sect|sectary|posterity)|
    (?P<LOC>places?|cit(?:y|ies)|towns?|regions?|country|rivers?|mountains?|hill|valleys?|district|land|islands?|province|Desert|
    desert|spring|stream|pool|gate|plain|territory|village|port|fountain|brook|sea|capital|capitol|Palestine|harbor|Asia\ Minor|
    quarter|spot|tower|ravine|citadel)|
    (?P<PER>sons?|daughters?|brothers?|sister|wife|concubine|father|mother|kings?|queen|princes?|prophet\w*|priest|patriarchs?|
    apostles?|m[ae]n|wom[ae]n|antediluvian\w*|disciples?|giants?|lawgiver|leader|officers?|rulers?|chiefs?|successor|nephew|
    grandson|maid|heroine|eunuch|servant|emperors?|governor|titles?|Jew(?:ess)?|one\ of\ the\ Herods|Christians?|child|
    name\ (?:of|for)\ [A-Z]\w+|[A-Z]\w+(?:ites?|itess|itesses|aeans?|eans?|ians?|[aeæ]ans?|ines?|esses|omans?|reeks?)))\b""",
    re.VERBOSE,
)
# An entry often names a person, the tribe and its land at once. These are settled by what the text mostly means.
SETTLED = {
    "GRP": """israel judah ephraim manasseh benjamin moab edom ammon midian reuben gad dan levi zebulun zabulon naphtali nephthalim
    asher aser issachar simeon amalek gentiles juda chaldeans""",
    "LOC": """egypt babylon assyria asshur canaan chanaan syria ethiopia cush chaldea persia media elam nazareth gilead tarshish
    arabia aram chittim""",
    "PER": "laban balaam cain adam satan noah pilate boaz festus felix cornelius cephas delilah bildad zophar caesar",
    "NO": "god lord jehovah christ almighty amen selah rabbi belial sabbath pentecost purim passover",
}
SETTLED = {word: label for label, words in SETTLED.items() for word in words.split()}
PEOPLE = re.compile(  # such a form names people, whatever its entry says first
    r"(?:ites?|itess|ians?|ims|philistines?|jews?|jewess|chaldees|greeks?|hebrews?|romans?|gentiles|pharisees?|sadducees|"
    r"samaritans?|edomites|nazarene)$"
)


@dataclass(frozen=True)
class Names:
    """Clauses with a tag a word; every list has one entry a clause."""

    words: list  # of lists of words, as printed: with capitals, a comma is a word
    tags: list  # of lists of tags, as many as words, from TAGS
    books: list  # "Gen"
    train: np.ndarray  # positions; no book is in two parts
    valid: np.ndarray
    test: np.ndarray

    def __len__(self):
        return len(self.words)


@functools.cache
def names(longest=20):
    """Clauses of at most so many words, cut at ; : . ? !; books are drawn for training (80 %), validation and the test.

    Names of God are no names here. Clauses that hold a name of which the dictionary does not say what it is are left out.
    Raises ValueError unless longest is a whole number, at least 1.
    """
    if not isinstance(longest, int) or isinstance(longest, bool) or longest < 1:
        raise ValueError(f"longest={longest!r} must be a number of words, a whole one from 1")
    known = labels_of(json.loads(sources.load("names")["entries"].tobytes()))
    words, tags, books = [], [], []
    for place, _, english in bible():
        for part in ENDS.split(english):
            found = tagged(part, known)
            if found and 2 < len(found[0]) <= longest:
                words.append(found[0]), tags.append(found[1]), books.append(place.partition(" ")[0])
    return Names(words, tags, books, **split(books))


def tagged(text, known):
    """"And Samson/H8123 lay ," -> (words, tags); None where a name has no label. known: {number: label}, "" if unknown."""
    words, tags = [], []
    for piece in text.split():
        joined, _, numbers = piece.partition("/")
        part = joined.replace("’", "'").replace("æ", "ae").replace("Æ", "Ae").split("_")
        words += part
        inner = [i for i, word in enumerate(part) if word.lower() not in LITTLE]
        said = [known[n] for n in map(plain_number, numbers.split("+")) if n in known] if numbers else []
        first = next((i for i in inner if part[i][0].isupper()), None)
        if numbers and first is not None and part[first].lower() in SETTLED:
            said = [SETTLED[part[first].lower()]]
        if not said or first is None:
            tags += ["O"] * len(part)
            continue
        label = label_in_text(part[first], said[0])
        if not label:
            return None
        last = inner[-1] + 1
        name = ["O"] * (last - first) if label == "NO" else [f"B-{label}"] + [f"I-{label}"] * (last - first - 1)
        tags += ["O"] * first + name + ["O"] * (len(part) - last)
    return words, tags


def label_in_text(word, label):
    """The label of a form: "Gilead" is a place, "Gileadites" are people."""
    word = word.lower().removesuffix("'s")
    return SETTLED.get(word) or ("GRP" if label and label != "NO" and PEOPLE.search(word) else label)


def labels_of(entries):
    """{number: definition} -> {number: "PER", "LOC", "GRP", "NO" or "", of those that are rendered by a name}."""
    return {n: label_of(n, entries) for n, text in entries.items() if is_name(text)}


def is_name(text):
    """Is the rendering, behind the last ":-", a word with a capital letter?"""
    rendered = re.match(r"\W*([^\W\d_]+)", rendering(text)[1])
    return bool(rendered) and rendered[1][0].isupper() and len(rendered[1]) > 1 and rendered[1].lower() not in LITTLE


def rendering(text):
    """"From H1; he; Noach the patriarch: - Noah." -> (what it is, how King James's Version renders it)."""
    sense, _, rendered = text.replace(": -", ":--").partition(":--")
    return sense, rendered


def label_of(number, entries, depth=3):
    """What the first telling word of a definition says; where none tells, that of the entry to which it points."""
    sense, _ = rendering(entries.get(number, ""))
    if PATRIAL.search(sense):
        return "GRP"
    parts = [part.strip() for part in sense.split(";")]
    start = next((i for i, part in enumerate(parts) if i and re.match(r"(?:\(the\) |the )?[A-ZÆ]", part)), min(1, len(parts) - 1))
    body = "; ".join(parts[start:])
    if NO_NAME.search(body):
        return "NO"
    if told := SAID.search(body):
        return told.lastgroup
    link = re.search(r"[GH]\d+", sense)
    return label_of(plain_number(link[0]), entries, depth - 1) if link and depth else ""


def plain_number(number):
    """"H0430" -> "H430"."""
    return number[0] + number[1:].lstrip("0")


def split(books, seed=0):
    """{part: positions} by books, 80 / 10 / 10 per cent of them."""
    books = np.array(books)
    titles = np.unique(books)
    order = np.random.RandomState(seed).permutation(len(titles))  # RandomState: frozen, equal in every numpy
    parts = np.split(titles[order], [len(titles) * 8 // 10, len(titles) * 9 // 10])
    return {part: np.flatnonzero(np.isin(books, members)) for part, members in zip(("train", "valid", "test"), parts)}


# --- from SWORD's files to the canonical one -----------------------------------------------------


def build_names(folder):
    """Every entry of both dictionaries: {"H8123": "From H8121; sunlight; Shimshon an Israelite: - Samson."}."""
    entries = {}
    for letter, module in DICTIONARIES.items():
        for number, markup in entries_of(sources.locate(folder, module)):
            entries[f"{letter}{number}"] = text_of(markup)
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    return {"entries": np.frombuffer(text.encode(), np.uint8)}


def entries_of(folder):
    """(number, markup) of a dictionary: .idx finds a key in .dat, that a text in one of the blocks of .zdt."""
    files = {end: (folder / f"dict.{end}").read_bytes() for end in ("idx", "dat", "zdx", "zdt")}
    blocks = [zlib.decompress(files["zdt"][at : at + size]) for at, size in struct.iter_unpack("<II", files["zdx"])]
    for at, size in struct.iter_unpack("<II", files["idx"]):
        key, _, where = files["dat"][at : at + size].partition(b"\r\n")
        if key.isdigit() and not where.startswith(b"@LINK"):
            block, entry = struct.unpack("<II", where[:8])
            start, length = struct.unpack_from("<II", blocks[block], 4 + 8 * entry)
            yield int(key), blocks[block][start : start + length].rstrip(b"\0").decode()


def text_of(markup):
    """What stands behind the pronunciation, without markup."""
    _, _, text = markup.rpartition("</pron>")
    return " ".join(re.sub(r"<[^>]*>|[{}]", "", text).split())
