"""Draw the pictures of the documentation that no measurement has: pages, and how the parts work.

    make pictures

A comparison must be in results/compare (`make compare`). Chromium draws its pages, 1,300 pixels
wide, light and dark.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from surrogate_nas.files import write_whole
from surrogate_nas.report.export.figures import rendered
from surrogate_nas.report.picture import WIDE, Canvas, Picture

TOP = Path(__file__).parents[1]
PICTURES = TOP / "data" / "pictures"
COMPARED = TOP / "results" / "compare"
PAGES = {"report": 985, "explore": 900}
"""Pages of a comparison, and how much of each is shown, in pixels from the top."""
_BOX = 190.0, 74.0
_PARTS = {
    "space": (0.0, 0.0, "Space", "architectures (cells)"),
    "strategy": (350.0, 0.0, "Strategy", "proposes cells"),
    "benchmark": (350.0, 190.0, "Benchmark", "table, training, surrogate"),
    "objective": (0.0, 190.0, "Objective", "loss + λ · penalties, limits"),
    "run": (700.0, 0.0, "Run", "trials until the budget is spent"),
    "study": (700.0, 190.0, "Study", "strategies × problems × seeds"),
    "verdict": (1030.0, 190.0, "Verdict", "which is better, or undecided"),
}
_ARROWS = (
    ("space", "strategy", "samples, mutates"),
    ("strategy", "benchmark", "asks for a cell"),
    ("benchmark", "objective", "metrics, cost"),
    ("strategy", "run", "one seed"),
    ("run", "study", "paired runs"),
    ("study", "verdict", "tests"),
)


def concepts(width: float) -> Canvas:
    """How data flow from the space to the verdict."""
    canvas = Canvas(width, 290.0)
    for one, other, text in _ARROWS:
        _arrow(canvas, one, other, text)
    left, top = _PARTS["objective"][0] + 150, _PARTS["objective"][1]
    end = _PARTS["strategy"][0] + 20, _BOX[1] + 6
    _line(canvas, (left, top), end)
    canvas.text(left - 20, top - 50, "scores", size=13)
    for x, y, title, about in _PARTS.values():
        canvas.rectangle(x, y, x + _BOX[0], y + _BOX[1], "soft")
        canvas.text(x + 12, y + 30, title, size=16, colour="ink", bold=True)
        canvas.text(x + 12, y + 54, about, size=12.5, colour="ink")
    return canvas


def _arrow(canvas: Canvas, one: str, other: str, text: str) -> None:
    """An arrow between the middles of two sides that face each other."""
    (x, y, *_), (to_x, to_y, *_) = _PARTS[one], _PARTS[other]
    width, height = _BOX
    if y == to_y:
        right = to_x > x
        ends = [
            (x + (width if right else 0), y + height / 2),
            (to_x + (0 if right else width), y + height / 2),
        ]
        at = (ends[0][0] + ends[1][0]) / 2, y + height / 2 - 10
        canvas.text(*at, text, size=13, align="center")
    else:
        down = to_y > y
        ends = [
            (x + width / 2, y + (height if down else 0)),
            (x + width / 2, to_y + (0 if down else height)),
        ]
        canvas.text(x + width / 2 + 10, (y + to_y + height) / 2, text, size=13)
    _line(canvas, *ends)


def _line(canvas: Canvas, start: tuple[float, float], end: tuple[float, float]) -> None:
    canvas.line([start, end], colour="axis", width=1.8)
    across, down = end[0] - start[0], end[1] - start[1]
    length = (across**2 + down**2) ** 0.5
    across, down = across / length, down / length
    tip: Sequence[tuple[float, float]] = [
        end,
        (end[0] - 10 * across - 5 * down, end[1] - 10 * down + 5 * across),
        (end[0] - 10 * across + 5 * down, end[1] - 10 * down - 5 * across),
    ]
    canvas.area(tip, "axis")


def main() -> None:
    """Draw all of them."""
    picture = Picture("concepts", "", concepts, WIDE)
    write_whole(PICTURES / "concepts.png", rendered(picture)["png"])
    browser_path = os.environ.get("SURROGATE_NAS_BROWSER") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"]
        )
        for page, height in PAGES.items():
            for scheme, ending in (("light", ""), ("dark", "-dark")):
                tab = browser.new_page(
                    viewport={"width": 1300, "height": height}, color_scheme=scheme
                )
                tab.goto((COMPARED / f"{page}.html").as_uri())
                tab.wait_for_timeout(500)
                tab.screenshot(path=str(PICTURES / f"{page}{ending}.png"))
        browser.close()


if __name__ == "__main__":
    main()
