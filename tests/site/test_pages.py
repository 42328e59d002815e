"""Every page, as loaded once at each width and looked at in both themes: whole, readable, accessible, and nothing from outside.

Loading a page is what costs time; so everything that may be asked of any page is asked in one visit, and all that is wrong is told together.
"""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from visit import CHAPTERS, CONFIG, CUT, PAGES, ROOT, SIZES, THEMES, Visitor

pytestmark = pytest.mark.site

SHIFTS = """() => new Promise(done => {
  let sum = 0;
  new PerformanceObserver(list => { for (const e of list.getEntries()) if (!e.hadRecentInput) sum += e.value; })
    .observe({type: 'layout-shift', buffered: true});
  setTimeout(() => done(sum), 500); })"""
SMALL = """() => { const small = [];
  for (const svg of document.querySelectorAll('article svg:not(.katex *)')) {
    if (!svg.getBoundingClientRect().width) continue;
    for (const text of svg.querySelectorAll('text')) {
      const m = text.getScreenCTM(), size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(m.a, m.b);
      if (size < 8.995 && text.textContent.trim()) small.push(size.toFixed(1) + ' px: ' + text.textContent.slice(0, 30)); } }
  return small; }"""
UNTOLD = """() => [...document.querySelectorAll('.evo-figure, .evo-scroll, .evo-map, .pst-scrollable-table-container')]
  .filter(box => box.getClientRects().length).filter(box => {
    const more = box.scrollWidth > box.clientWidth + 2, next = box.nextElementSibling;
    return more !== (next !== null && next.classList.contains('evo-hint') && next.getClientRects().length > 0); })
  .map(box => box.className + ' ' + box.scrollWidth + ' in ' + box.clientWidth)"""
SIDEWAYS = """() => [...document.querySelectorAll('article *')].filter(e => {
    const r = e.getBoundingClientRect();
    if (!r.width || r.right <= innerWidth + 1) return false;
    for (let p = e.parentElement; p; p = p.parentElement)
      if (/auto|scroll|hidden|clip/.test(getComputedStyle(p).overflowX) && p.getBoundingClientRect().right <= innerWidth + 1) return false;
    return true; }).map(e => e.tagName + '.' + e.getAttribute('class')).slice(0, 5)"""
LUMINANCE = """
colour => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
  return .2126 * r + .7152 * g + .0722 * b;
}"""
# leaves that look alike for the same reason (tag, classes and style, all the way up) have one contrast: one of them stays
ONE_OF_A_KIND = """within => { const seen = new Set();
  for (const e of document.querySelectorAll(within)) {
    if (e.children.length || !e.textContent.trim()) continue;
    let kind = '';
    for (let p = e; p && p !== document.body; p = p.parentElement)
      kind += [p.tagName, ...['class', 'style', 'fill'].map(name => p.getAttribute(name))].join() + '>';
    if (seen.has(kind)) e.remove(); else seen.add(kind); } }"""


def switch(page, theme):
    """What the theme button does (test_site.py presses it)."""
    page.evaluate(f"Object.assign(document.documentElement.dataset, {{theme: '{theme}', mode: '{theme}'}})")


def contrast(one, other):
    high, low = max(one, other), min(one, other)
    return (high + 0.05) / (low + 0.05)


def cannot_be_read(page, theme):
    """What is wrong with the colours of text and figures in this theme."""
    luminance = lambda what: page.evaluate(f"({LUMINANCE})(getComputedStyle({what})")
    ground = luminance("document.body).backgroundColor")
    wrong = [] if contrast(ground, luminance("document.querySelector('article p')).color")) > 4.5 else ["text on its ground"]
    if (ground > 0.5) != (theme == "light") or page.evaluate("document.documentElement.dataset.theme") != theme:
        wrong.append("the ground is of the other theme")
    figures = page.locator(".evo-figure svg").evaluate_all(
        f"""all => all.map(svg => ({{
            label: svg.getAttribute('aria-label'),
            inks: [...svg.querySelectorAll('text, [id*="matplotlib.axis"] use')].filter(t => !t.closest('[fill="#000000"]'))
                .map(t => getComputedStyle(t).fill).filter(c => c.startsWith('rgb')).slice(0, 40).map({LUMINANCE}),
            grounds: [...svg.querySelectorAll('[id$="-patch_1"] path')].map(p => getComputedStyle(p).fill)}}))"""
    )
    for figure in figures:
        if not figure["label"] or figure["label"] == "Figure":
            wrong.append("a figure without alt text")
        if figure["grounds"][:1] not in ([], ["none"]):
            wrong.append(f"a figure with a ground of its own: {figure['label']}")
        if figure["inks"] and max(contrast(ground, one) for one in figure["inks"]) <= 7:
            wrong.append(f"a figure whose labels cannot be read: {figure['label']}")
    grounds = page.locator(".cell_output img").evaluate_all("all => all.map(i => getComputedStyle(i).backgroundColor)")
    return wrong + [f"a picture on {one}" for one in grounds if one != "rgb(255, 255, 255)"]


def barred(page, rules):
    """What axe finds serious."""
    options = {"resultTypes": ["violations"], "preload": False, **rules}
    return [
        f"{rule['id']}: {node['html'][:160]} {node['any'][0].get('message', '') if node.get('any') else ''}"
        for rule in Axe().run(page, options=options).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"][:4]
    ]


def missing(page, name):
    """What a page lacks: title, heading, its font, pictures and their alt text, formulas, the button to Colab."""
    wrong = [] if page.title().strip() and page.locator("article h1").first.inner_text().strip() else ["title or heading"]
    fonts = page.evaluate("document.fonts.ready.then(() => [...document.fonts].filter(f => f.status == 'loaded').map(f => f.family))")
    wrong += [] if any("Inter" in font for font in fonts) else ["the font Inter"]
    wrong += page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth && i.offsetParent).map(i => i.src)")
    wrong += page.locator("article img").evaluate_all("all => all.filter(i => !i.alt.trim()).map(i => 'alt text of ' + i.src)")
    if name not in CHAPTERS:
        return wrong
    cells = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf8"))["cells"]
    if re.search(r"\$[^$]+\$", "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")):
        drawn = page.locator("article .katex").count() > 0 and page.locator("article .katex-error").count() == 0
        local = any("KaTeX" in font for font in fonts) and "MathJax" not in page.content()
        wrong += [] if drawn and local else ["formulas, drawn with local fonts"]
    return wrong + not_in_colab(page, name)


def not_in_colab(page, name):
    repository = CONFIG["repository"]
    owner = repository["url"].removeprefix("https://github.com/").strip("/")
    expected = f"https://colab.research.google.com/github/{owner}/blob/{repository['branch']}/{name}.ipynb"
    links = page.locator("a[href*='colab.research.google.com']").evaluate_all("all => all.map(a => a.href)")
    page.locator(".dropdown-launch-buttons button").click()
    opens = set(links) == {expected} and page.locator(f"a[href='{expected}']").first.is_visible()
    page.locator(".dropdown-launch-buttons button").click()
    return [] if opens else [f"the button to Colab leads to {links}"]


def does_not_fit(page, width):
    """Code that is cut off, labels under 9 pixels, what scrolls without a hint (and hints where nothing does)."""
    cut = page.evaluate(CUT) if width >= 1280 else []
    return [f"cut off: {line}" for line in cut] + page.evaluate(SMALL) + [f"no hint: {box}" for box in page.evaluate(UNTOLD)]


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_a_page(browser, address, name, width):
    first, second = THEMES if width == 1280 else THEMES[::-1]
    wrong = []
    with Visitor(browser, address, first, width, SIZES[width]) as visitor:  # errors and requests to the outside fail here
        page = visitor.open(name)
        shift = page.evaluate(SHIFTS)
        wrong += [f"layout shift {shift}"] if shift > 0.1 else []
        if width == 1280:
            wrong += missing(page, name)
        if width == 390:
            wrong += page.evaluate("document.documentElement.scrollWidth > 390 ? ['the page scrolls sideways'] : []") + page.evaluate(SIDEWAYS)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for theme in (first, second):
            switch(page, theme)
            page.wait_for_timeout(100)
            wrong += [f"{theme}: {one}" for one in does_not_fit(page, width) + (cannot_be_read(page, theme) if width == 1280 else [])]
    assert wrong == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible(browser, address, name):
    with Visitor(browser, address) as visitor:
        page = visitor.open(name)
        page.evaluate("document.querySelectorAll('.evo-figure svg').forEach(one => one.replaceChildren())")  # their alt text speaks for them
        page.evaluate(ONE_OF_A_KIND, "pre *, .katex *")
        wrong = barred(page, {"rules": {"color-contrast": {"enabled": False}}})
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        moving = page.evaluate("document.getAnimations().map(one => one.animationName || one.transitionProperty)")
        assert moving == [], "this reader asked for no motion"
        page.evaluate(ONE_OF_A_KIND, "body *")
        for theme in THEMES:
            switch(page, theme)
            wrong += [f"{theme}: {one}" for one in barred(page, {"runOnly": ["color-contrast"]})]
    assert wrong == []


def test_the_results_of_a_search_fit_a_phone(browser, address):
    with Visitor(browser, address, width=390, height=844) as visitor:
        page = visitor.page
        page.goto(f"{address}search.html?q=mask ratio")
        page.wait_for_selector("#search-results li a")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390 and page.evaluate(SIDEWAYS) == []


PLANT = """article => article.insertAdjacentHTML('afterbegin', `
  <pre style="width: 300px; overflow: hidden">${'cut '.repeat(200)}</pre>
  <svg width="100" height="20"><text x="2" y="15" font-size="5">tiny</text></svg>
  <div class="evo-scroll" style="width: 100px; overflow-x: auto"><p style="width: 900px">untold</p></div>
  <p style="width: 3000px" class="far">sideways</p>
  <p style="color: rgb(119, 119, 119); background: rgb(140, 140, 140)" class="faint">faint</p>
  <img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" class="unsaid"><button></button>`)"""


def test_what_is_planted_is_found(browser, address):
    """Each of the questions above, asked of a page that has the fault."""
    with Visitor(browser, address) as visitor:
        page = visitor.open(CHAPTERS[0])
        page.evaluate("document.querySelectorAll('.evo-figure svg').forEach(one => one.replaceChildren())")
        page.evaluate(ONE_OF_A_KIND, "body *")
        page.locator("article").first.evaluate(PLANT)
        found = " ".join(does_not_fit(page, 1280))
        assert "cut off: cut" in found and "tiny" in found and "no hint: evo-scroll" in found
        assert any("far" in one for one in page.evaluate(SIDEWAYS))
        assert any("alt text" in one for one in missing(page, CHAPTERS[0]))
        assert any("button-name" in one for one in barred(page, {"rules": {"color-contrast": {"enabled": False}}}))
        assert any("faint" in one for one in barred(page, {"runOnly": ["color-contrast"]}))
        page.evaluate("document.querySelector('article p:not(.far, .faint)').style.color = 'rgb(120, 120, 120)'")
        assert "the ground is of the other theme" in cannot_be_read(page, "dark")
