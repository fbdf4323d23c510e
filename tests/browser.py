"""A real browser for tests of pages: Chromium without a screen, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSER_VARIABLE = "SURROGATE_NAS_BROWSER"
"""Names the Chromium that tests must use; without it, tests of pages run where one is found, or are
skipped.
"""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium; the test that asks is skipped where there is none and none is demanded."""
    path = os.environ.get(BROWSER_VARIABLE) or next(
        filter(None, map(shutil.which, _NAMES)), None
    )
    if path is None:
        pytest.skip(f"no Chromium found; install one, or name it in {BROWSER_VARIABLE}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        browser.close()
