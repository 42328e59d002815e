"""Everyday sentences: what is a sentence in a dictionary, and what stands in no two parts."""
import numpy as np
import pytest

from evo.data import everyday as module
from evo.data import sources
from evo.data.everyday import clean, cut, everyday, examples_of, is_sentence, letters, sentences, split


@pytest.fixture(scope="module")
def data():
    return sentences()


LINE = ("Rad {n} [techn.] | Räder {pl} | Das Rad (vorne) rollt. | Wir fahren Rad.; Wir radeln. :: "
        "wheel | wheels | The wheel is turning. | We’re cycling. [Br.]; We ride our bikes!")


def test_the_examples_of_a_line():
    assert list(examples_of(LINE)) == [
        (("Das Rad rollt.",), ("The wheel is turning.",)), (("Wir fahren Rad.", "Wir radeln."), ("We're cycling.", "We ride our bikes!"))]


@pytest.mark.parametrize("line", ["# Version :: devel", "Rad {n}", "Das Rad rollt. | Rad :: The wheel is turning.", "a :: b :: c",
                                  "Das Rad rollt. :: the wheel turning"])
def test_lines_without_an_example(line):
    assert not list(examples_of(line))


@pytest.mark.parametrize("text, wanted", [("Er geht.", True), ("Geh!", False), ("er geht.", False), ("Er geht", False), ("", False),
                                          ("Er/Sie geht.", False), ("Er geht ...", False), ("Ist das so?", True),
                                          ("Er kam (spät).", False)])
def test_what_a_sentence_is(text, wanted):
    assert is_sentence(text) == wanted


def test_notes_go():
    assert clean("Sie [Ös.] isst’s (gern [ugs.]) /ABK/ auf. {n}") == "Sie isst's auf."


def test_words_and_marks():
    assert cut("Don't, it's a two-part test!") == ["don't", ",", "it's", "a", "two-part", "test", "!"]
    assert letters(["no", ",", "42", "!"]) == ("no", "42")


def test_the_real_set(data):
    assert len(everyday()) == 17_946 and 17_000 < len(data) < 17_200
    assert len(data.german) == len(data.english) == len(data.references)
    for german, english, many in zip(data.german, data.english, data.references):
        assert many[0] == english and all(0 < len(letters(words)) <= 12 for words in (german, *many))
        assert all(word == word.lower() and " " not in word for word in german + english)
    shares = np.array([len(part) for part in (data.train, data.valid, data.test)]) / len(data)
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.01)
    assert sorted([*data.train, *data.valid, *data.test]) == list(range(len(data)))
    assert sum(len(many) > 1 for many in data.references) > 1000


def test_no_sentence_stands_in_two_parts(data):
    def seen(rows):
        return {("de", *letters(data.german[i])) for i in rows} | {("en", *letters(w)) for i in rows for w in data.references[i]}

    parts = [seen(rows) for rows in (data.train, data.valid, data.test)]
    assert not any(parts[a] & parts[b] for a, b in ((0, 1), (0, 2), (1, 2)))


def test_shorter_sentences(data):
    short = sentences(5)
    assert 0 < len(short) < len(data) and max(len(letters(words)) for words in short.german) == 5


def test_split_keeps_groups_together():
    groups = [{i, ("odd", i % 2) if i < 10 else ("x", i)} for i in range(100)]
    parts = split(groups)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(100))
    for parity in (0, 1):
        assert sum(bool(set(range(parity, 10, 2)) & set(rows.tolist())) for rows in parts.values()) == 1
    assert all(np.array_equal(a, b) for a, b in zip(parts.values(), split(groups).values()))


def test_the_canonical_file(tmp_path):
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "de-en").write_text(f"# Ding\n{LINE}\n{LINE}\n", encoding="utf8")
    made = module.build_everyday(tmp_path)["examples"].tobytes().decode()
    assert made.startswith('[[["Das Rad rollt."],["The wheel is turning."]],') and made.count("rollt") == 1


def test_the_hash_is_listed():
    assert sources.content_hash(sources.load("everyday")) in sources.DATASETS["everyday"].hashes


@pytest.mark.parametrize("longest", [0, -1, 1.5, "12", None, True])
def test_bad_lengths(longest):
    with pytest.raises(ValueError, match="whole one from 1"):
        sentences(longest)
