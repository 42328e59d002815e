"""README.md says what is so: its table, its picture, its lines to copy."""
import re
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402
import readme  # noqa: E402

from evo import claims  # noqa: E402

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
URL = execute.repository_url()


def test_what_is_made_is_as_the_book_stands():
    made = readme.made()
    stale = [str(path.relative_to(ROOT)) for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    assert stale == [], "make readme"


def test_the_table_has_every_chapter_with_its_colab_link_and_the_minutes_of_its_card():
    rows = [line for line in TEXT.splitlines() if "colab.research.google.com" in line]
    assert len(rows) == len(execute.chapters())
    for row in rows:
        path = ROOT / re.search(r"/blob/main/(\S+\.ipynb)\)", row)[1]
        (card,) = claims.collect([path], claims.CARD)
        assert claims.duration(card["cpu_seconds"]) in row and f"[{card['chapter']}]" in row
        assert f"{readme.site(URL)}{path.relative_to(ROOT).with_suffix('.html')}" in row
        assert nbformat.read(path, 4).cells[0].source.startswith("# ")


def test_a_newcomer_finds_the_clone_line_the_site_and_a_picture():
    # the site: .github/workflows/pages.yml puts it there
    assert f"git clone {URL} && cd {URL.rpartition('/')[2]}" in TEXT
    assert readme.site(URL) in TEXT and re.search(r'<img src="(\S+)" [^>]*alt="[^"]{40,}"', TEXT)
    assert all((ROOT / name).is_file() for name in re.findall(r'src(?:set)?="([^"]+)"', TEXT))


@pytest.mark.parametrize("theme", readme.COLORS)
def test_the_picture_is_small_whole_and_readable(theme):
    path = ROOT / "book" / f"map-{theme}.svg"
    assert path.stat().st_size < 20_000
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    names = "".join(root.itertext())
    for node in readme.evolution()["nodes"]:
        assert all(word in names for word in node["title"].split()), node["title"]
    ground = "#ffffff" if theme == "light" else "#0d1117"
    for name, color in readme.COLORS[theme].items():
        if name not in ("line", "on"):
            assert contrast(color, ground) >= 4.5, f"{name} on the page"
        if name in ("language", "vision", "both", "merged"):
            assert contrast(color, readme.COLORS[theme]["on"]) >= 4.5, f"a title on {name}"


def contrast(one, other):
    """The ratio of WCAG."""
    def light(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return sum(w * (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4) for w, p in zip((0.2126, 0.7152, 0.0722), parts))

    a, b = sorted((light(one), light(other)))
    return (b + 0.05) / (a + 0.05)


def test_readers_and_developers_install_apart():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {"read", "book", "test", "dev"} == set(extras)
    assert f'pip install "evo-book[read] @ git+{URL}"' in TEXT and "make book CPU=1" in TEXT
    assert not {"pytest", "jupyter-book", "ruff"} & {re.match(r"[\w-]+", text)[0] for text in extras["read"]}


def test_every_command_of_the_package_that_is_shown_exists(capsys):
    from evo import __main__ as cli

    for line in re.findall(r"^(?:.*`)?(evo (?:run|data|zoo|doctor)[^`#\n]*)", TEXT, re.M):
        words = [word for word in line.split()[1:] if word not in ("NAME", "CHAPTER", "ENTRY")]
        if words == ["zoo"]:  # a name in the tree
            continue
        words += ["x"] * (words[:2] in (["zoo", "why"], ["data", "hash"]))
        cli.parser().parse_args(words)  # SystemExit, if there is no such command


def test_the_nine_things_of_a_chapter_are_those_of_make_new():
    import new

    listed = re.search(r"## Writing a chapter\n(.*?)\n## ", TEXT, re.S)[1]
    ours = re.findall(r"^(\d)\. `([^`]+)`", listed, re.M)
    theirs = re.findall(r"^  (\d)  ([\w/.{}]+)", new.NEXT, re.M)
    same = [(n, place.format(part="PART", name="NAME", file="NAME")) for n, place in theirs]
    assert [(n, Path(place).with_suffix("")) for n, place in ours] == [(n, Path(place.rstrip(":")).with_suffix("")) for n, place in same]
