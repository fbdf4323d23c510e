"""Reports in a real browser: seen at first, followed by hand, on a telephone and in the dark,
printed on few pages.
"""

import io

import numpy as np
import pytest
from pypdf import PdfReader

from surrogate_nas.report import write_report
from surrogate_nas.results.api import compare
from tests.outcomes import made, steps

pytestmark = pytest.mark.slow  # browsers
LEAST_CONTRAST = 4.5
"""For text, by WCAG 2.1."""
MOST_PAGES = 6
CONTRASTS = """() => {
  const parsed = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const colour = parsed(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const told = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !one.getClientRects().length) continue;
    const [a, b] = [luminance(parsed(getComputedStyle(one).color)), luminance(ground(one))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${one.tagName}.${one.className}`;
    told[name] = Math.min(told[name] ?? 99, contrast);
  }
  return told;
}"""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """The report of a comparison with everything that a usual one has, and a failure."""
    strategies = [
        "random",
        "local_search",
        "evolution",
        "reinforce",
        "iterated_local_search",
    ]
    made = compare("fashion", strategies, runs=5, budget=60)
    failed = made.runs[0].__class__(
        "random", 9, [], 0.0, 0.0, "Strategy random failed in run 9: it broke."
    )
    object.__setattr__(made, "runs", [*made.runs, failed])
    return write_report(
        made,
        tmp_path_factory.mktemp("comparison"),
        command="snas compare fashion --runs 5",
    )


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The report of a suite of seven problems."""
    rng = np.random.default_rng(0)
    ends = {"random": 0.9, "bo": 0.1, "evolution": 0.5, "local_search": 0.1}
    result = made(
        {
            f"p{i}": {
                name: steps(*(end + 0.02 * rng.random(10)))
                for name, end in ends.items()
            }
            for i in range(7)
        }
    )
    return write_report(
        result, tmp_path_factory.mktemp("suite"), command="snas suite made"
    )


@pytest.fixture(params=["comparison", "suite"])
def report(request):
    found = request.getfixturevalue(request.param)
    return found


def seen(tab, selector):
    """Where what is shown of a selector first stands."""
    found = tab.evaluate(
        """(selector) => {
          const one = [...document.querySelectorAll(selector)].find((one) => one.getClientRects().length);
          const { left, right, top, bottom } = one.getBoundingClientRect();
          return { left, right, top, bottom };
        }""",  # noqa: E501
        selector,
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_holds_the_verdict_and_the_ranking(report, tab, scheme):
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": 1400, "height": 900})
    tab.goto(report.as_uri())
    verdict, holds, names = (
        seen(tab, one) for one in (".verdict p", ".holds table", "svg.desk .pick")
    )
    assert (
        verdict["bottom"] < 300
        and holds["left"] > verdict["right"]
        and holds["top"] < 200
    )
    assert holds["bottom"] < 900 and names["bottom"] < 900
    rows = tab.locator(".first svg.desk .pick")
    assert rows.count() >= 4 and all(
        (box := row.bounding_box()) and box["y"] < 900 for row in rows.all()
    )
    assert tab.evaluate("document.documentElement.scrollWidth") == 1400
    tab.set_viewport_size({"width": 390, "height": 844})
    order = [
        seen(tab, one)["top"]
        for one in (".verdict p", "svg.slim .pick", ".holds table")
    ]
    assert order == sorted(order) and order[1] < 844


def test_a_telephone_shows_it_without_scrolling_sideways(report, tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto(report.as_uri())
    tab.evaluate(
        "for (const one of document.querySelectorAll('details')) one.open = true"
    )
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    cut = "(one) => one.getBoundingClientRect().right > 391 && !one.closest('.scroll, svg')"
    assert (
        tab.evaluate(
            f"[...document.querySelectorAll('main *')].filter({cut}).map((one) => one.outerHTML)"
        )
        == []
    )


@pytest.mark.parametrize("width", [1400, 390])
def test_what_a_picture_writes_stays_in_it(report, tab, width):
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(report.as_uri())
    tab.evaluate(
        "for (const one of document.querySelectorAll('details')) one.open = true"
    )
    cut = """(text) => {
      const [a, b] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return b.width && (a.left < b.left - 2 || a.right > b.right + 2 || a.bottom > b.bottom + 4 || a.top < b.top - 2);
    }"""  # noqa: E501
    assert (
        tab.evaluate(
            f"[...document.querySelectorAll('figure text')].filter({cut}).map((one) =>"
            " one.textContent)"
        )
        == []
    )


def test_a_strategy_is_followed_and_hidden_everywhere(report, tab):
    said = []
    tab.on("console", lambda message: said.append(message.text))
    tab.goto(report.as_uri())
    tab.evaluate("document.body.style.setProperty('transition', 'none')")
    first = tab.locator("svg.desk .pick").first
    key = first.get_attribute("data-s")
    others = f"[data-s]:not([data-s='{key}'])"
    first.hover()
    assert tab.locator(f"{others}.dim").count() == tab.locator(others).count() > 10
    assert (
        tab.locator(f"[data-s='{key}'].dim").count()
        == 0
        < tab.locator(f".verdict [data-s='{key}']").count()
    )
    tab.locator("h1").hover()
    assert tab.locator(".dim").count() == 0
    mine = f"svg.desk [data-s='{key}']:not(.pick)"
    hidden = (
        f'[...document.querySelectorAll("{mine}")]'
        ".map((one) => getComputedStyle(one).visibility)"
    )
    assert set(tab.evaluate(hidden)) == {"visible"}
    first.click()
    assert (
        set(tab.evaluate(hidden)) == {"hidden"}
        and first.get_attribute("aria-pressed") == "false"
    )
    assert first.is_visible() and tab.locator(".verdict .strategy").first.is_visible()
    first.press("Enter")
    assert (
        set(tab.evaluate(hidden)) == {"visible"}
        and first.get_attribute("aria-pressed") == "true"
    )
    assert not said, "the policy of the page refuses nothing of its own"


def test_text_stands_out_in_light_and_in_dark(report, tab):
    grounds = {}
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto(report.as_uri())
        found = tab.evaluate(CONTRASTS)
        assert len(found) >= 10
        assert not {
            name: contrast
            for name, contrast in found.items()
            if contrast < LEAST_CONTRAST
        }
        grounds[scheme] = tab.evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
    assert (
        grounds["light"] == "rgb(255, 255, 255)" and grounds["dark"] != grounds["light"]
    )


def test_it_prints_on_few_pages_none_but_the_last_half_empty(report, browser):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    printed = PdfReader(io.BytesIO(page.pdf(format="A4", prefer_css_page_size=True)))
    context.close()
    assert 1 <= len(printed.pages) <= MOST_PAGES
    for one in printed.pages[:-1]:
        assert lowest(one) < float(one.mediabox.height) / 2


def lowest(page):
    """How far above the lower edge of a printed page its last text stands, in points."""
    heights = []

    def visit(text, matrix, text_matrix, *_):
        if text.strip():
            heights.append(matrix[5] + matrix[3] * text_matrix[5])

    page.extract_text(visitor_text=visit)
    return min(heights)
