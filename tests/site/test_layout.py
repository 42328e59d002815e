"""What a reader meets on single pages: print, keyboard, folds, the first screen, the map, what is not there. What holds for every page is in test_pages.py."""

import json
import re

import pytest
from visit import CHAPTERS, CUT, PAGES, SITE, SIZES, THEMES, Visitor

pytestmark = pytest.mark.site

@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["book/index", "book/ledger", "book/speed", "book/how-to", CHAPTERS[-1]])
def test_a_page_prints_whole_and_dark_on_white(browser, address, name, theme):
    with Visitor(browser, address, theme, 720, 1000) as visitor:
        page = visitor.open(name)
        page.emulate_media(media="print", color_scheme=theme, reduced_motion="reduce")
        page.wait_for_timeout(200)
        assert page.evaluate(CUT) == []
        wide = page.evaluate(
            """[...document.querySelectorAll('article :is(svg, table, pre, h1, h2, .evo-claim, .evo-row, .evo-card)')]
                 .filter(e => e.getClientRects().length && e.getBoundingClientRect().right > innerWidth + 1)
                 .map(e => e.tagName + ' ' + (e.getAttribute('class') || '') + ' ' + e.getBoundingClientRect().right)"""
        )
        assert wide == []
        inks = page.locator("article :is(h1, h2, h3, p)").evaluate_all("all => [...new Set(all.map(e => getComputedStyle(e).color))]")
        assert all(max(map(int, re.findall(r"\d+", ink)[:3])) < 130 for ink in inks), inks
        assert not page.locator(".bd-sidebar-primary").first.is_visible()


def test_colours_are_there_without_javascript(browser, address):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(f"{address}book/index.html")
    # a page without scripts can still be asked from outside
    session = context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]

    def style(selector, name):
        node = session.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        found = session.send("CSS.getComputedStyleForNode", {"nodeId": node})["computedStyle"]
        return next(p["value"] for p in found if p["name"] == name)

    fills = {style(f".evo-map .node.{kind} rect", "fill") for kind in ("language.open", "vision.open", "both.open", "coming")}
    assert len(fills) == 4 and "rgb(0, 0, 0)" not in fills
    assert style(".evo-map .river", "opacity") == "0.13" and style("body", "background-color") == "rgb(255, 255, 255)"
    assert style("article p", "color") not in ("rgb(0, 0, 0)", style("body", "background-color"))
    context.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", ["book/index", "book/ledger", CHAPTERS[0]])
def test_keyboard_focus_is_always_visible(browser, address, name, theme):
    with Visitor(browser, address, theme) as visitor:
        page, blind = visitor.open(name), []
        for _ in range(45):
            page.keyboard.press("Tab")
            seen = page.evaluate(
                """() => { const e = document.activeElement;
                     if (!e || e === document.body) return null;
                     const at = [e, e.closest('label'), e.querySelector('rect')].filter(Boolean);
                     return at.some(one => { const s = getComputedStyle(one);
                       return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || parseFloat(s.strokeWidth) >= 3
                         || s.boxShadow !== 'none'; }) ? null : e.outerHTML.slice(0, 120); }"""
            )
            blind += [seen] if seen else []
        assert blind == []


@pytest.mark.parametrize("width", SIZES)
def test_the_first_screen_says_what_this_is_and_where_to_begin(browser, address, width):
    with Visitor(browser, address, "light", width, SIZES[width]) as visitor:
        page = visitor.open(PAGES[0])
        inside = page.locator(".evo-lead, .evo-go, .evo-tally").evaluate_all("all => all.map(e => e.getBoundingClientRect().bottom <= innerHeight)")
        assert inside == [True] * 3
        page.locator(".evo-go").click()
        page.wait_for_url(f"**/{CHAPTERS[0]}.html")


def folded():
    """[(page, claim)] of the claims in folded cells."""
    found = []
    for name in CHAPTERS:
        page = (SITE / f"{name}.html").read_text(encoding="utf8")
        for fold in re.findall(r'<details class="[^"]*\bhide\b.*?</details>', page, flags=re.S):
            found += [(name, claim) for claim in re.findall(r'id="(claim-[^"]+)"', fold)]
    return found


def test_a_link_into_a_fold_opens_it(browser, address):
    with Visitor(browser, address) as visitor:
        for name, claim in folded()[:4]:
            page = visitor.open("book/ledger")
            page.locator(f'.evo-row a[href$="{name.removeprefix("book/")}.html#{claim}"]').click()
            page.wait_for_url(f"**/{name}.html#{claim}")
            page.wait_for_timeout(300)
            shown = page.locator(f"#{claim}")
            assert shown.is_visible() and shown.evaluate("e => e.closest('details').open")
            top = shown.bounding_box()["y"]
            assert 0 <= top < 600, claim
            # and from inside the page, too
            page = visitor.open(name)
            assert not page.locator(f"#{claim}").is_visible()
            page.evaluate(f"location.hash = '{claim}'")
            page.wait_for_timeout(300)
            assert page.locator(f"#{claim}").is_visible()


def test_a_fold_says_what_it_holds(address):
    for name in CHAPTERS:
        page = (SITE / f"{name}.html").read_text(encoding="utf8")
        for fold in re.findall(r'<details class="[^"]*\bhide\b.*?</details>', page, flags=re.S):
            said = re.sub("<[^>]+>", " ", re.search(r"<summary.*?</summary>", fold, flags=re.S)[0])
            claims = len(re.findall(r'class="evo-claim ', fold))
            assert ("verdict" in said) == bool(claims), (name, said)
            assert "cell source" not in said and "content" not in said.replace("hidden content", ""), said


def test_rows_without_a_target_wear_no_verdict(browser, address):
    targets = {row["what"]: row.get("target") for row in json.loads((SITE.parents[1] / "book" / "benchmarks.json").read_text(encoding="utf-8"))["rows"]}
    with Visitor(browser, address) as visitor:
        page = visitor.open("book/speed")
        for row in page.locator(".evo-speed tbody tr").all():
            bound = str(targets[row.locator("th").inner_text().strip()] or "")
            assert row.locator(".evo-verdict").count() == bool(re.match(r"at (most|least) [\d.]+$", bound)), bound


def test_links_to_a_page_are_cards_elsewhere():
    for name in PAGES:
        page = (SITE / f"{name}.html").read_text(encoding="utf8")
        tags = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)"', page))
        assert 40 < len(tags["description"]) < 240 and tags["og:description"] == tags["description"]
        assert tags["og:title"] and tags["og:url"].endswith(f"{name}.html") and tags["og:image"].startswith("https://")
        picture = SITE / tags["og:image"][tags["og:image"].index("_static") :]
        head = picture.read_bytes()[:24]
        assert (int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")) == (1200, 630), picture.name
    descriptions = [re.search(r'name="description" content="([^"]*)"', (SITE / f"{name}.html").read_text(encoding="utf-8"))[1] for name in PAGES]
    assert len(set(descriptions)) == len(PAGES)


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_not_there_leads_back(browser, address, theme):
    with Visitor(browser, address, theme, 390, 844) as visitor:
        page = visitor.page
        page.goto(f"{address}404.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("a", has_text="Ledger").click()
        page.wait_for_url("**/book/ledger.html")
        page.goto(f"{address}404.html")
        page.locator("input").fill("mask ratio")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=mask+ratio")


def test_icons_weigh_next_to_nothing_and_are_drawn(browser, address):
    fonts = list((SITE / "_static" / "vendor").rglob("*.woff*"))
    assert len(fonts) == 3 and sum(font.stat().st_size for font in fonts) < 15_000
    with Visitor(browser, address) as visitor:
        page = visitor.open(CHAPTERS[0])
        page.evaluate("document.fonts.ready")
        icons = page.evaluate(
            """[...document.querySelectorAll('[class*="fa-"]')].filter(e => e.getClientRects().length).map(e => {
                 const s = getComputedStyle(e, '::before'); return [e.className, s.content, s.fontFamily, e.getBoundingClientRect().width]; })"""
        )
        assert icons and all(content not in ("none", "normal", '""') and "Awesome" in family and width > 5 for _, content, family, width in icons), icons
        loaded = page.evaluate("[...document.fonts].filter(f => f.family.includes('Awesome') && f.status == 'error').length")
        assert loaded == 0


def test_the_map_shows_where_masks_come_from(browser, address):
    with Visitor(browser, address) as visitor:
        page = visitor.open(PAGES[0])
        assert page.locator(".evo-map .from-bert.to-mae").count() == 1
        boxes = page.locator(".evo-map .node rect").evaluate_all("all => all.map(r => { const b = r.getBBox(); return [b.x, b.y, b.width, b.height]; })")
        for i, (x, y, w, h) in enumerate(boxes):
            assert all(x + w <= a or a + c <= x or y + h <= b or b + d <= y for a, b, c, d in boxes[:i]), "no node lies on another"
        out = page.locator(".evo-map .node").evaluate_all(
            """all => all.filter(n => { const r = n.querySelector('rect').getBBox(), t = n.querySelector('text').getBBox();
                 return t.x < r.x || t.x + t.width > r.x + r.width; }).map(n => n.textContent)"""
        )
        assert out == [], "names fit into their boxes"
