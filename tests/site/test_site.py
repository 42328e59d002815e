"""The built website in a real browser: nothing from outside, everything reachable, readable in both themes.

What holds for every page is in test_pages.py, what a reader meets on single pages in test_layout.py.
"""

import html
import json
import re
from urllib.parse import unquote

import pytest
from visit import CHAPTERS, PAGES, ROOT, SITE, THEMES, Visitor, selfcheck

from evo import claims, explorer

pytestmark = pytest.mark.site


def test_website_is_whole(address):
    assert selfcheck.problems() == []


def test_front_door_leads_to_the_start_page(browser, address):
    with Visitor(browser, address) as visitor:
        visitor.page.goto(address)
        visitor.page.wait_for_url("**/book/index.html")


def links(name, kind):
    """Pages that the links of this kind on a page lead to, in order: nav-bar, next or previous."""
    text = (SITE / f"{name}.html").read_text(encoding="utf8")
    where = {"sidebar": r'<nav class="bd-links.*?</nav>', "next": r'<a class="right-next".*?>', "previous": r'<a class="left-prev".*?>'}[kind]
    found = re.search(where, text, flags=re.S)
    hrefs = re.findall(r'href="([^"#]*)', found[0]) if found else []
    return [str(((SITE / f"{name}.html").parent / href).resolve().relative_to(SITE)).removesuffix(".html") if href else name for href in hrefs]


def test_next_leads_through_the_whole_book_and_previous_back(address):
    for before, after in zip(PAGES, PAGES[1:]):
        assert links(before, "next") == [after] and links(after, "previous") == [before]
    assert links(PAGES[-1], "next") == links(PAGES[0], "previous") == []


def test_the_sidebar_of_every_page_leads_to_every_page(address):
    for name in PAGES:
        assert set(PAGES) <= set(links(name, "sidebar")), name


def test_next_previous_and_the_sidebar_open_pages(browser, address):
    with Visitor(browser, address) as visitor:
        page = visitor.open(PAGES[0])
        for press, target in ((".right-next", PAGES[1]), (".right-next", PAGES[2]), (".left-prev", PAGES[1])):
            page.locator(f".prev-next-footer {press}").click()
            page.wait_for_url(f"**/{target}.html*")
        for target in (PAGES[-1], PAGES[0]):
            name = target.rpartition("/")[2]
            page.locator(f".bd-sidebar-primary nav.bd-links a[href$='{name}.html']").first.click()
            page.wait_for_url(f"**/{target}.html*")


def test_every_local_link_leads_somewhere(address):
    wrong, anchors = [], {}
    for path in [SITE / f"{name}.html" for name in PAGES]:
        for link in re.findall(r'href="([^"]+)"', path.read_text(encoding="utf8")):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, anchor = link.replace("&amp;", "&").partition("#")
            file = (path.parent / unquote(target.split("?")[0])).resolve() if target else path
            if not file.exists():
                wrong.append(f"{path.stem}: {link}")
            elif anchor and file.suffix == ".html":
                if file not in anchors:
                    anchors[file] = set(re.findall(r'\sid="([^"]+)"', file.read_text(encoding="utf8")))
                if unquote(anchor) not in anchors[file]:
                    wrong.append(f"{path.stem}: {link}")
    assert wrong == []


def test_search_finds_a_page_offline(browser, address):
    with Visitor(browser, address) as visitor:
        page = visitor.open(PAGES[0])
        page.keyboard.press("Control+k")
        field = page.locator("#pst-search-dialog input[name=q]")
        field.fill("seeds verdict")
        field.press("Enter")
        page.wait_for_url("**/search.html?q=*")
        page.wait_for_selector("#search-results li a")
        found = page.locator("#search-results li a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        assert found[0] == "book/how-to.html#how-verdicts-are-made", found


@pytest.mark.parametrize(
    "query, first, says",
    [("mask ratio", "book/vision/mae.html#how-much-to-hide", "ratio"), ("InfoNCE", "book/both/clip.html", ""), ("infonce loss", "book/both/clip.html", "")],
)
def test_search_finds_the_section_and_prose_before_code(browser, address, query, first, says):
    with Visitor(browser, address) as visitor:
        visitor.page.goto(f"{address}search.html?q={query}")
        results = visitor.page.locator("#search-results li")
        assert results.first.locator("a").get_attribute("href").startswith(first)
        assert results.first.locator("p").count() == 1 and results.first.locator("code").count() == 0, "an excerpt of prose"
        assert says in results.first.locator("p").inner_text()
        results.first.locator("a").click()
        if "#" in first:
            heading = visitor.page.locator(f"#{first.split('#')[1]} h2, #{first.split('#')[1]} h3").first
            assert 0 <= heading.bounding_box()["y"] < 400


def test_search_says_when_it_finds_nothing_and_code_comes_last(browser, address):
    with Visitor(browser, address) as visitor:
        visitor.page.goto(f"{address}search.html?q=xyzzyplugh")
        assert "Nothing is found" in visitor.page.locator("#search-results").inner_text()
        visitor.page.goto(f"{address}search.html?q=<b>masked</b> regression")
        assert visitor.page.locator("#search-results b").count() == 0, "a query is text"


def test_theme_button_changes_the_theme(browser, address):
    with Visitor(browser, address) as visitor:
        page, seen = visitor.open(PAGES[0]), set()
        for _ in range(3):
            page.locator(".theme-switch-button:visible").first.click()
            seen.add(page.evaluate("document.documentElement.dataset.theme"))
        assert seen == set(THEMES)


def claim_count():
    return len(claims.collect(ROOT / f"{page}.ipynb" for page in CHAPTERS))


def test_claims_and_ledger_lead_to_each_other(browser, address):
    count = claim_count()
    with Visitor(browser, address) as visitor:
        page = visitor.open("book/ledger")
        rows = page.locator(".evo-row")
        assert rows.count() == count
        for kind in claims.KINDS.values():
            shown = page.locator(f".evo-row.{kind}").count()
            page.locator(f"label.{kind}").click()
            assert page.locator(".evo-row:visible").count() == shown
            assert page.locator("section:has(h2):visible").count() == page.locator(f"section:has(.evo-row.{kind})").count(), "no empty heading"
            assert page.url.endswith(f"#verdict={kind}")
        page.locator("label.all").click()
        assert page.locator(".evo-row:visible").count() == count and "#" not in page.url
        if count:
            rows.first.locator("a").click()
            page.wait_for_selector(".evo-claim:target")


def test_the_ledgers_filter_is_kept_in_its_address(browser, address):
    with Visitor(browser, address) as visitor:
        page = visitor.open("book/ledger")
        name = page.locator(".evo-ledger select option").nth(1).get_attribute("value")
        page.locator(".evo-ledger select").select_option(name)
        page.locator("label.holds").click()
        wanted = page.locator(f"#ledger-{name} .evo-row.holds").count()
        assert page.locator(".evo-row:visible").count() == wanted
        assert page.locator(".evo-ledger output").inner_text() == f"{wanted} of {claim_count()} claims"
        kept = page.url
        assert kept.endswith(f"#verdict=holds&chapter={name}")
        page.goto(f"{visitor.address}book/index.html")
        page.goto(kept)
        assert page.locator("label.holds input").is_checked() and page.locator(".evo-row:visible").count() == wanted
        page.goto(kept.split("#")[0] + "#verdict=nonsense&chapter=none")
        assert page.locator(".evo-row:visible").count() == claim_count()


def test_the_filter_works_without_javascript(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}book/ledger.html")
    page.locator("label.holds").click()
    assert 0 < page.locator(".evo-row:visible").count() == page.locator(".evo-row.holds").count()
    context.close()


def numbers(svg):
    """What an explorer's SVG draws, in order: tags, texts and numbers."""
    return [
        (tag, re.findall(r"[A-Za-z#]+|-?[\d.]+", " ".join(f"{k}={v}" for k, v in sorted(re.findall(r"""([\w-]+)=["'](.*?)["']""", attributes)))), text)
        for tag, attributes, text in re.findall(r"<(line|text|path|circle)([^>]*?)/?>([^<]*)", svg)
    ]


EXPLORERS = [page for page in CHAPTERS if "evo.explorer+json" in (ROOT / f"{page}.ipynb").read_text(encoding="utf8")]


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorers_draw_with_the_keyboard_what_python_draws(browser, address, name):
    with Visitor(browser, address) as visitor:
        page = visitor.open(name)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")  # it may be folded away
        for figure in page.locator(".evo-explorer").all():
            data = json.loads(figure.get_attribute("data-explorer"))
            svg, (metric, at) = figure.locator("svg"), explorer.first(data)
            same(svg, data, metric, at)
            if len(data["metrics"]) > 1:
                figure.locator("input, select").first.focus()
                page.keyboard.press("ArrowRight" if len(data["metrics"]) <= 5 else "ArrowDown")
                metric = 1
                same(svg, data, metric, at)
            for k, control in enumerate(data["controls"]):
                parts = figure.locator(".evo-controls > *").nth(k + (len(data["metrics"]) > 1))
                parts.locator("input:checked, input[type=range], select").first.focus()
                page.keyboard.press("ArrowDown" if control["kind"] == "list" else "ArrowRight")
                at = [i if j != k else (i + 1) % len(control["values"]) for j, i in enumerate(at)]
                same(svg, data, metric, at)
            assert figure.locator(".evo-explorer-said").inner_text().startswith(explorer.selection(data, metric, at))


def same(svg, data, metric, at):
    """One picture, drawn here and there: the same marks at the same places, but for a rounded tenth of a pixel."""
    wanted = explorer.svg(data, metric, at)
    assert svg.get_attribute("aria-label") == explorer.said(data, metric, at)
    marks = [(tag, attributes, html.unescape(text)) for tag, attributes, text in numbers(wanted)]
    drawn = [(tag, attributes, html.unescape(text)) for tag, attributes, text in numbers(svg.inner_html())]
    assert [(tag, text) for tag, _, text in sorted(drawn)] == [(tag, text) for tag, _, text in sorted(marks)]
    place = lambda found: sorted(float(x) for _, attributes, _ in found for x in attributes if re.fullmatch(r"-?[\d.]*\d[\d.]*", x))
    assert place(drawn) == pytest.approx(place(marks), abs=0.11)


def test_map_opens_each_chapter_by_keyboard(browser, address):
    with Visitor(browser, address) as visitor:
        page = visitor.open("book/index")
        links = page.locator(".evo-map a.open").evaluate_all("all => all.map(a => a.href.baseVal)")
        opened = {str((SITE / "book" / link).resolve().relative_to(SITE).with_suffix("")) for link in links}
        assert opened == set(CHAPTERS)
        assert page.locator(".evo-chapters a").count() == len(CHAPTERS)
        if links:
            page.locator(".evo-map a.open").first.focus()
            page.keyboard.press("Enter")
            page.wait_for_url(f"**/{links[0]}")
