"""Names of the Bible with silver labels: how a definition is read, what stands in no two parts, the same bytes everywhere."""
from collections import Counter

import numpy as np
import pytest

from evo.data import names as module
from evo.data import sources
from evo.data.names import LABELS, TAGS, label_in_text, label_of, labels_of, names, rendering, split, tagged, text_of


@pytest.fixture(scope="module")
def data():
    return names()


ENTRIES = {
    "H8123": "From H8121; sunlight; Shimshon an Israelite: - Samson.",
    "H1834": "Of foreign origin; Damascus a city of Syria: - Damascus.",
    "H1663": "Patrial from H1661; a Gittite or inhabitant of Gath: - Gittite.",
    "H3379": "From H7378 and H5971; (the) people will contend; Jarobam the name of two Israelite kings: - Jeroboam.",
    "H1168": "The same as H1167; Baal a Phoenician deity: - Baal [plural] Baalim.",
    "H3390": "(Chaldee); corresponding to H3389: - Jerusalem.",
    "H3389": "A dual; Jerushalaim the capital city of Palestine: - Jerusalem.",
    "H3820": "A form of H3824; the heart: - care for heart.",
    "H9999": "Of uncertain derivation; Talmon, of whom nothing is said: - Talmon.",
    "G2": "of Hebrew origin (H175); Aaron, the brother of Moses:--Aaron.",
}


@pytest.mark.parametrize("number, label", [("H8123", "PER"), ("H1834", "LOC"), ("H1663", "GRP"), ("H3379", "PER"), ("H1168", "NO"),
                                           ("H3390", "LOC"), ("H9999", ""), ("G2", "PER")])
def test_a_definition_says_what_a_name_is(number, label):
    """The derivation in front of a definition does not count: Jeroboam is no people, though the name speaks of one."""
    assert label_of(number, ENTRIES) == label and labels_of(ENTRIES)[number] == label


def test_what_is_rendered_without_a_capital_is_no_name():
    assert "H3820" not in labels_of(ENTRIES)
    assert rendering("x: - Noah.") == rendering("x:-- Noah.") == ("x", " Noah.")


def test_tags_stand_beside_words():
    known = labels_of(ENTRIES)
    words, tags = tagged("and Samson’s/H8123 men_of_Damascus/H1834 , the Gittite/H1663 said/H3820", known)
    assert words == ["and", "Samson's", "men", "of", "Damascus", ",", "the", "Gittite", "said"]
    assert tags == ["O", "B-PER", "O", "O", "B-LOC", "O", "O", "B-GRP", "O"]
    assert tagged("Baal/H01168 fell", known) == (["Baal", "fell"], ["O", "O"])  # a god; and numbers with a nought in front
    assert tagged("Beth_lehem/H1834", known)[1] == ["B-LOC", "I-LOC"]
    assert tagged("sons of Talmon/H9999", known) is None


@pytest.mark.parametrize("word, label, wanted", [("Gilead", "LOC", "LOC"), ("Gileadites", "LOC", "GRP"), ("Israel", "PER", "GRP"),
                                                 ("Egypt", "", "LOC"), ("Lord", "PER", "NO"), ("Eli", "PER", "PER")])
def test_a_form_may_say_more_than_the_entry(word, label, wanted):
    assert label_in_text(word, label) == wanted


def test_text_behind_the_pronunciation():
    markup = "<entryFree><orth>x</orth><pron>ab</pron><def>From <ref>H1</ref>; a {green} <hi>plant:</hi> - fruit.</def></entryFree>"
    assert text_of(markup) == "From H1; a green plant: - fruit."


def test_the_real_set(data):
    assert 40_000 < len(data) < 41_000 and TAGS == ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-GRP", "I-GRP")
    assert len(data.words) == len(data.tags) == len(data.books)
    found = Counter()
    for words, tags in zip(data.words, data.tags):
        assert len(words) == len(tags) and 3 <= len(words) <= 20 and set(tags) <= set(TAGS)
        before = "O"
        for tag in tags:  # I goes on with a name of its own kind
            assert tag[0] != "I" or before[2:] == tag[2:]
            before = tag
        found.update(tag[2:] for tag in tags if tag[0] == "B")
    assert set(found) == set(LABELS) and min(found.values()) > 3000


@pytest.mark.parametrize("word, label", [("Moses", "PER"), ("Jerusalem", "LOC"), ("Philistines", "GRP"), ("Samson", "PER"),
                                         ("Nazareth", "LOC"), ("Nebuchadnezzar", "PER"), ("Egyptians", "GRP"), ("LORD", None)])
def test_well_known_names(data, word, label):
    said = Counter(tag for words, tags in zip(data.words, data.tags) for w, tag in zip(words, tags) if w == word)
    tag, count = said.most_common(1)[0]
    assert tag == (f"B-{label}" if label else "O") and count > 0.95 * sum(said.values())


def test_no_book_is_in_two_parts(data):
    parts = data.train, data.valid, data.test
    assert sum(map(len, parts)) == len(data) and len(np.unique(np.concatenate(parts))) == len(data)
    books = [{data.books[i] for i in part} for part in parts]
    assert sum(map(len, books)) == len(set(data.books)) == 66 and len(books[1]) == len(books[2]) == 7


def test_the_split_is_frozen():
    parts = split([f"book {i}" for i in range(10)])
    assert {name: rows.tolist() for name, rows in parts.items() if name != "train"} == {"valid": [0], "test": [5]}


@pytest.mark.parametrize("wrong", [None, 0, -1, 1.5, "12", True])
def test_bad_input_is_told(wrong):
    with pytest.raises(ValueError, match="must be a number of words, a whole one from 1"):
        names(wrong)


def test_the_bytes_are_the_listed_ones():
    assert sources.content_hash(sources.load("names")) in sources.DATASETS["names"].hashes


def test_the_dictionary_is_read_from_its_files(tmp_path, monkeypatch):
    """A dictionary of one block with two entries, as SWORD packs it; a link is no entry."""
    import struct
    import zlib

    texts = [b"<x><pron>a</pron><def>From H2; Shimshon an Israelite: - Samson.</def></x>\0", b"<x><pron>b</pron> light: - sun.</x>\0"]
    head, at = struct.pack("<I", 2), 20
    for text in texts:
        head += struct.pack("<II", at, len(text))
        at += len(text)
    block = zlib.compress(head + b"".join(texts))
    keys = [b"00001\r\n" + struct.pack("<II", 0, 0), b"00002\r\n" + struct.pack("<II", 0, 1), b"00003\r\n@LINK 00001"]
    idx, at = b"", 0
    for key in keys:
        idx, at = idx + struct.pack("<II", at, len(key)), at + len(key)
    files = {"idx": idx, "dat": b"".join(keys), "zdx": struct.pack("<II", 0, len(block)), "zdt": block}
    for name in module.DICTIONARIES.values():
        (tmp_path / name).mkdir()
        for end, content in files.items():
            (tmp_path / name / f"dict.{end}").write_bytes(content)
    made = module.build_names(tmp_path)["entries"].tobytes().decode()
    assert '"H1":"From H2; Shimshon an Israelite: - Samson."' in made and '"G2":"light: - sun."' in made and "3" not in made
