"""Reports in a real browser: found one's way in, read on a telephone and in the dark, and printed on few pages."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pypdf import PdfReader

from surrogate_nas.report import write_report, write_suite_report
from surrogate_nas.study.calls import compare
from tests.study.test_suite import made, steps

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from surrogate_nas.study.suite import SuiteResult

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
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a comparison with everything that a usual one has, and a failure."""
    strategies = ["random", "local_search", "evolution", "reinforce", "iterated_local_search"]
    made = compare("fashion", strategies, runs=5, budget=60)
    failed = made.runs[0].__class__("random", 9, [], 0.0, 0.0, "Strategy random failed in run 9: it broke.")
    object.__setattr__(made, "runs", [*made.runs, failed])
    return write_report(made, tmp_path_factory.mktemp("comparison"), command="snas compare fashion --runs 5")


@pytest.fixture(scope="module")
def suite(result: SuiteResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite_report(result, tmp_path_factory.mktemp("suite"), command="snas suite made")


@pytest.fixture(params=["comparison", "suite"])
def report(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_the_contents_lead_to_every_section(report: Path, tab: Page) -> None:
    tab.goto(report.as_uri())
    links = tab.locator("nav.toc a")
    assert links.all_inner_texts() == tab.locator("h2").all_inner_texts() and links.count() >= 9
    for i in (1, links.count() - 1):
        links.nth(i).click()
        place = tab.evaluate("decodeURIComponent(location.hash.slice(1))")
        assert tab.evaluate("([id]) => document.getElementById(id).innerText", [place]) == links.nth(i).inner_text()
        top = tab.evaluate("([id]) => document.getElementById(id).getBoundingClientRect().top", [place])
        assert 0 <= top < 900
    tab.set_viewport_size({"width": 1700, "height": 900})
    tab.evaluate("scrollTo(0, 2000)")
    beside = tab.locator("nav.toc").bounding_box()
    assert beside is not None and beside["y"] >= 0 and beside["x"] + beside["width"] < (1700 - 1120) / 2 + 20


def test_a_telephone_shows_it_without_scrolling_sideways(report: Path, tab: Page) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto(report.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    cut = "(one) => one.getBoundingClientRect().right > 391 && !one.closest('.scroll, .natural')"
    assert tab.evaluate(f"[...document.querySelectorAll('main *')].filter({cut}).map((one) => one.outerHTML)") == []


def test_text_stands_out_in_light_and_in_dark(report: Path, tab: Page) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto(report.as_uri())
        found = tab.evaluate(CONTRASTS)
        assert len(found) >= 10
        assert not {name: contrast for name, contrast in found.items() if contrast < LEAST_CONTRAST}
        grounds[scheme] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds["light"] == "rgb(255, 255, 255)" and grounds["dark"] != grounds["light"]


def test_it_prints_on_few_pages_none_but_the_last_half_empty(report: Path, browser: Browser) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(report.as_uri())
    printed = PdfReader(io.BytesIO(page.pdf(format="A4", prefer_css_page_size=True)))
    context.close()
    assert 1 < len(printed.pages) <= MOST_PAGES
    for one in printed.pages[:-1]:
        assert lowest(one) < float(one.mediabox.height) / 2
    assert "Contents" not in printed.pages[0].extract_text()


def test_a_large_suite_prints_on_few_pages_too(browser: Browser, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [f"a_long_name_{i}" for i in range(15)]
    problems = {
        f"problem-{i}": {name: steps(*(0.1 + 0.1 * k + 0.05 * rng.random(10))) for k, name in enumerate(names)}
        for i in range(32)
    }
    page = browser.new_page()
    page.goto(write_suite_report(made(problems), tmp_path).as_uri())
    assert len(PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True))).pages) <= MOST_PAGES
    page.close()


def lowest(page: object) -> float:
    """How far above the lower edge of a printed page its last text stands, in points."""
    heights: list[float] = []

    def visit(text: str, matrix: list[float], text_matrix: list[float], *_: object) -> None:
        if text.strip():
            heights.append(matrix[5] + matrix[3] * text_matrix[5])

    page.extract_text(visitor_text=visit)  # type: ignore[attr-defined]
    return min(heights)
