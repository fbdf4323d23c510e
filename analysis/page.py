"""What the explorer weighs, and how soon it shows something: plotly.js, a comparison on 15,625 cells, a suite.

First paint is that of Chromium without a screen, median of five fresh starts from a file.

.venv/bin/python analysis/page.py results/compare results/suite-starter
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

from surrogate_nas.report.explorer import EXPLORER
from surrogate_nas.report.explorer.page import plotly
from tests.browser import chromium

STARTS = 5
SEEN = "['first-contentful-paint', 'table', 'all'].map((name) => performance.getEntriesByName(name)[0].startTime)"
"""When the browser first painted something, and when the page's script marked what."""


def timed(browser: Browser, path: Path) -> tuple[float, float, float]:
    """Milliseconds until the first paint, until the table is there, and until the plane is drawn."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page: Page = context.new_page()
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("body[data-ready=all]", state="attached", timeout=120_000)
    paint, table, whole = page.evaluate(SEEN)
    context.close()
    return paint, table, whole


def main(folders: list[str]) -> None:
    """Print a line for every explorer."""
    sys.stdout.write(f"plotly.js in it: {len(plotly()) / 1e6:.2f} MB\n")
    with chromium() as browser:
        for folder in folders:
            path = Path(folder) / EXPLORER
            starts = [timed(browser, path) for _ in range(STARTS)]
            paint, table, whole = map(statistics.median, zip(*starts, strict=True))
            sys.stdout.write(
                f"{path}: {path.stat().st_size / 1e6:.2f} MB, first paint {paint:.0f} ms, table {table:.0f} ms, "
                f"all cells drawn {whole:.0f} ms (median of {STARTS})\n"
            )


if __name__ == "__main__":
    main(sys.argv[1:])
