"""The Bible in Spanish and English, verse beside verse, with the word of the original behind every content word.

King James's Version and the Reina-Valera of 1909, both in the public domain, as the SWORD project packs them. Behind a word
stands the number that Strong's concordance (1890) gives the Hebrew or Greek word it renders. Words of a Spanish and an English
verse with one number are translations of one word: an alignment that nobody made for a model.
"""

import functools
import json
import re
import struct
import zlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from evo.data import sources

MODULES = {"spanish": "spaRV1909eb", "english": "engKJV2006eb"}
ENDS = re.compile(r"[;:.?!]")
# English words that say little; a number that stands behind one of them, or behind none, is not used for the alignment.
LITTLE = frozenset(
    """a an the and or but nor for so as if than then that which who whom whose what when where why how this these those there here of in
    on at by to from into unto upon with without out up down over under before after against among between through about not no neither
    is are was were be been being am art wast wert do did does doth dost done have has had hath hast having shall shalt will wilt would
    should may might can could let also even yea now behold lo therefore wherefore because until till while i me my mine we us our ours
    thou thee thy thine ye you your yours he him his she her hers it its they them their theirs himself themselves myself all every any
    one such own same very thus moreover again away off yet only more o ah""".split()
)


@dataclass(frozen=True)
class Clauses:
    """Pairs of clauses, Spanish and English; every list has one entry a pair."""

    spanish: list  # of lists of words, in lower case; a comma is a word
    english: list
    links: list  # of lists of ((first, end), (first, end)): Spanish and English words that render one word of the original
    verses: list  # "Gen 1:1"
    train: np.ndarray  # positions; no chapter of the Bible is in two parts
    valid: np.ndarray  # of what stands in no other part, neither the Spanish nor the English
    test: np.ndarray

    def __len__(self):
        return len(self.verses)


@functools.cache
def clauses(longest=12):
    """Clauses of at most so many words on both sides, cut at ; : . ? ! where both verses have as many pieces.

    Chapters are drawn for training (80 %), validation (10 %) and the test (10 %). From these two, every pair is taken out
    whose Spanish or English words also stand in an earlier part, so that nothing there can be answered from memory.
    Raises ValueError unless longest is a whole number, at least 1.
    """
    if not isinstance(longest, int) or isinstance(longest, bool) or longest < 1:
        raise ValueError(f"longest={longest!r} must be a number of words, a whole one from 1")
    found = {key: [] for key in ("spanish", "english", "links", "verses")}
    for place, *texts in bible():
        pieces = [cut(text) for text in texts]
        if len(pieces[0]) != len(pieces[1]):
            continue
        for pair in zip(*pieces):
            es, en = ([word for words, _ in side for word in words] for side in pair)
            if all(0 < sum(w != "," for w in words) <= longest for words in (es, en)):
                for key, value in zip(found, (es, en, links(*pair), place)):
                    found[key].append(value)
    return Clauses(**found, **split(found["verses"], found["spanish"], found["english"]))


@functools.cache
def bible():
    """31,084 verses: ("Gen 1:1", Spanish, English), each text as pieces in one string.

    A piece is a word or a mark, or words that render one word of the original, as "en_el_principio/H7225".
    """
    return tuple(tuple(row) for row in json.loads(sources.load("bible")["verses"].tobytes()))


def cut(text):
    """One string of pieces -> clauses, each a list of (words, numbers); of the marks only commas stay."""
    out = []
    for part in ENDS.split(text.lower()):
        spans = [piece.partition("/") for piece in part.split()]
        if spans:
            out.append([(words.split("_"), tuple(filter(None, numbers.split("+")))) for words, _, numbers in spans])
    return out


def links(spanish, english):
    """Spans of words with the same number, where it stands once on each side and the English span says something."""
    sides = []
    for side in (spanish, english):
        ends = np.cumsum([len(words) for words, _ in side]).tolist()
        spans = [(n, (end - len(words), end), words) for (words, numbers), end in zip(side, ends) for n in numbers]
        count = Counter(n for n, _, _ in spans)
        sides.append({n: (span, words) for n, span, words in spans if count[n] == 1})
    es, en = sides
    return [(es[n][0], en[n][0]) for n in es if n in en and not LITTLE.issuperset(en[n][1])]


def split(verses, *sides, seed=0):
    """{part: positions} by chapters, 80 / 10 / 10 per cent; what an earlier part has is left out of a later one."""
    chapters = np.array([verse.rpartition(":")[0] for verse in verses])
    names = np.unique(chapters)
    order = np.random.RandomState(seed).permutation(len(names))  # RandomState: frozen, equal in every numpy
    parts = np.split(names[order], [len(names) * 8 // 10, len(names) * 9 // 10])
    seen, out = [set() for _ in sides], {}
    for part, members in zip(("train", "valid", "test"), parts):
        rows = np.flatnonzero(np.isin(chapters, members))
        texts = [[tuple(side[i]) for i in rows] for side in sides]
        keep = [part == "train" or not any(t in s for t, s in zip(pair, seen)) for pair in zip(*texts)]
        out[part] = rows[keep]
        for s, t in zip(seen, texts):
            s.update(t)
    return out


# --- from SWORD's files to the canonical one -----------------------------------------------------


def build_bible(folder):
    """Every verse that both have, its words with the numbers behind them."""
    texts = [dict(verses_of(sources.locate(folder, module))) for module in MODULES.values()]
    both = [[place, texts[0][place], texts[1][place]] for place in texts[0] if texts[1].get(place) and texts[0][place]]
    text = json.dumps(both, ensure_ascii=False, separators=(",", ":"))
    return {"verses": np.frombuffer(text.encode(), np.uint8)}


def verses_of(folder):
    """("Gen 1:1", pieces) of a module: .bzv lists the verses by block, .bzs the blocks in .bzz."""
    for part in ("ot", "nt"):
        packed = (folder / f"{part}.bzz").read_bytes()
        where = struct.iter_unpack("<III", (folder / f"{part}.bzs").read_bytes())
        blocks = [zlib.decompress(packed[at : at + size]) for at, size, _ in where]
        chapter = number = None
        for block, at, size in struct.iter_unpack("<IIH", (folder / f"{part}.bzv").read_bytes()):
            markup = blocks[block][at : at + size].decode() if size else ""
            if start := re.search(r'<chapter [^>]*osisID="(\w+)\.(\d+)"', markup):
                chapter, number = f"{start[1]} {start[2]}", 0
            elif markup.startswith("<div canonical"):
                chapter = None
            elif chapter:
                number += 1
                yield f"{chapter}:{number}", pieces_of(markup)


def pieces_of(markup):
    """'the <w lemma="strong:H1">father</w>,' -> "the father/H1 ,": notes, titles and other markup go."""
    markup = re.sub(r"<(note|title)\b.*?</\1>", "", markup, flags=re.S)
    out, numbers = [], ""
    for tag, text in re.findall(r"(<[^>]*>)|([^<]+)", markup):
        if tag.startswith("<w "):
            numbers = "+".join(re.findall(r"strong:([GH]\d+)", tag))
        elif tag == "</w>":
            numbers = ""
        spans = re.findall(r"(?:[^\W\d_]+(?:['’][^\W\d_]+)*[\s-]*)+|[,;:.?!]", text)
        words = ["_".join(re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[,;:.?!]", span)) for span in spans]
        if numbers and words:
            last = max((i for i, w in enumerate(words) if w[0].isalpha()), default=None)
            if last is not None:
                words[last] += "/" + numbers
        else:
            words = [w for span in words for w in span.split("_")]
        out += [w for i, span in enumerate(words) for w in (span.split("_") if numbers and "/" not in span else [span])]
    return " ".join(out)
