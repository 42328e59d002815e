"""Cut-outs of photographs: what is there, how they are made small, that nothing leaks between the parts."""

import json

import numpy as np
import pytest

from evo.data import photos as module
from evo.data import sources
from evo.data.photos import ARTICLES, name, overlaps, photos, read_captions, shrink, trim

COMPLETE = "ca cs da de el es fr ga gd gl hr is ja nl pl pt ru sk sl sv uk".split()  # a caption for every picture


def test_what_is_there():
    found = photos()
    assert len(found) == len(found.images) == len(found.paths) == len(found.kinds) == 313
    assert all(p.ndim == 3 and p.shape[2] == 4 and p.dtype == np.uint8 and max(p.shape) <= 128 for p in found.images)
    counts = dict(zip(found.kind_names, np.bincount(found.kinds)))
    assert (counts["mammal"], counts["bird"], counts["fruit"], counts["vegetable"], counts["vehicle"]) == (62, 35, 26, 19, 21)
    assert len(found.languages) == 78 and all(len(texts) == 313 for texts in found.captions.values())
    assert all(all(found.captions[language]) for language in ["en", *COMPLETE])
    crow = found.paths.index("animals/birds/crow")
    assert (found.captions["fr"][crow], found.names["fr"][crow], found.captions["ja"][crow]) == ("Un corbeau.", "un corbeau", "カラス")


def test_every_picture_is_an_object_on_nothing():
    """Opaque somewhere, transparent somewhere, and cut off at its edges."""
    for path, picture in zip(photos().paths, photos().images):
        alpha = picture[..., 3]
        assert alpha.max() > 200 and alpha.min() < 128, path
        assert alpha[0].any() and alpha[-1].any() and alpha[:, 0].any() and alpha[:, -1].any(), path


def test_parts_share_no_caption():
    found = photos()
    parts = [found.train, found.valid, found.test]
    assert sorted(np.concatenate(parts)) == list(range(313))
    seen = [{found.captions["en"][i] for i in part} for part in parts]
    assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]
    assert 0.6 < len(found.train) / 313 < 0.75 and 0.15 < len(found.test) / 313 < 0.25


@pytest.mark.parametrize("caption, language, wanted", [
    ("A crow.", "en", "a crow"), ("An “Fuji” apple.", "en", ""), ("Eat your broccoli!", "en", ""), ("Anemone", "en", ""),
    ("Ein Säugetier.", "de", "ein Säugetier"), ("Un’oca.", "it", "un’oca"), ("Una orca muy grande y negra.", "es", ""),
    ("Een woerd (mannetjeseend).", "nl", ""), ("Ett äpple", "sv", "ett äpple"), ("", "pt", ""), ("A dumper. It carries.", "en", ""),
])  # fmt: skip
def test_a_name_is_an_article_and_up_to_four_words(caption, language, wanted):
    assert name(caption, language) == wanted


def test_captions_of_a_stamp():
    text = "A crow.\nde.utf8=Eine Krähe.\nfr.utf8=  Un corbeau. \nxx.utf8=\nnonsense\nca@valencia.utf8=Un corb."
    assert dict(read_captions(text)) == {"en": "A crow.", "de": "Eine Krähe.", "fr": "Un corbeau.", "ca@valencia": "Un corb."}


def test_shrinking_by_a_slow_loop():
    """The mean over what every new cell covers of the old ones, colours weighed by opacity."""
    rgba = np.random.RandomState(0).randint(0, 256, (7, 10, 4)).astype(np.uint8)
    small, exact = shrink(rgba, 4), rgba.astype(float)
    assert small.shape == (3, 4, 4)
    for y in range(3):
        for x in range(4):
            colour, alpha, area = np.zeros(3), 0.0, 0.0
            for i in range(7):
                for j in range(10):
                    part = max(0, min((y + 1) * 7 / 3, i + 1) - max(y * 7 / 3, i)) * max(0, min((x + 1) * 2.5, j + 1) - max(x * 2.5, j))
                    colour, alpha, area = colour + part * exact[i, j, :3] * exact[i, j, 3], alpha + part * exact[i, j, 3], area + part
            assert np.abs(small[y, x, :3] - colour / alpha).max() <= 0.51 and abs(small[y, x, 3] - alpha / area) <= 0.51
    assert np.array_equal(shrink(rgba, 10), rgba), "what is small enough stays as it is"
    assert (overlaps(7, 3).sum(0) == 3).all() and (overlaps(7, 3).sum(1) == 7).all()


def test_what_cannot_be_seen_colours_nothing():
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, :4] = 200, 10, 10, 255
    assert shrink(rgba, 4)[0].tolist() == [[200, 10, 10, 255]] * 2 + [[0, 0, 0, 0]] * 2
    assert trim(rgba).shape == (8, 4, 4)


def toy_package(folder):
    from PIL import Image

    stamps = folder / "usr/share/tuxpaint/stamps"
    for path, shade in (("animals/birds/crow", 10), ("plants/rose", 200)):
        (stamps / path).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((300, 200, 4), np.uint8)
        pixels[50:250] = shade, shade, shade, 255
        Image.fromarray(pixels).save(stamps / f"{path}.png")
        (stamps / f"{path}.txt").write_text(f"A {path}.\nde.utf8=Ein Ding.\n", encoding="utf-8")


def test_the_canonical_file_by_hand(tmp_path, monkeypatch):
    toy_package(tmp_path)
    monkeypatch.setattr(module, "PICTURES", {"bird": {"animals/birds": "crow"}, "flower": {"plants": "rose"}})
    arrays = module.build_photos(tmp_path)
    assert arrays["sizes"].tolist() == [[128, 128]] * 2 and arrays["pixels"].shape == (2 * 128 * 128 * 4,)
    assert json.loads(arrays["entries"].tobytes())["captions"] == {
        "en": ["A animals/birds/crow.", "A plants/rose."], "de": ["Ein Ding."] * 2,
    }  # fmt: skip


def test_both_releases_are_accepted():
    assert len(sources.DATASETS["photos"].hashes) == 2


@pytest.mark.parametrize("call, message", [
    (lambda: name("A crow.", "xx"), "language='xx' is not there: choose one of en, de"),
    (lambda: name("A crow.", None), "language=None is not there"),
    (lambda: name(3, "en"), "caption=3 is no text"),
    (lambda: trim(np.zeros((3, 3, 4), np.uint8)), "transparent everywhere"),
])  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_articles_are_of_languages_that_are_complete():
    assert set(ARTICLES) <= set(photos().languages)
