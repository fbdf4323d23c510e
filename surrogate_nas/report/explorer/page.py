"""The explorer as one HTML page below six megabytes, in the most detail that fits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from sys import maxsize

from surrogate_nas.report.explorer.problem import Detail
from surrogate_nas.report.markup import render

MOST_BYTES = 6_000_000
"""The largest size of a page."""
_SPARE = 150_000  # the part of it for everything but the problems
# Levels of detail: first more runs, then cells that no run evaluated, then more metrics.
_DETAILS = (
    Detail(0, 3, 1, False),
    Detail(0, 3, 2, False),
    Detail(0, 3, 5, False),
    Detail(0, 3, 10, False),
    Detail(0, 3, 20, False),
    Detail(0, 3, 50, False),
    Detail(0, 3, maxsize, False),
    Detail(1000, 3, maxsize, False),
    Detail(2000, 4, maxsize, False),
    Detail(4000, 5, maxsize, False),
    Detail(8000, 5, maxsize, False),
    Detail(16_000, 5, maxsize, False),
    Detail(16_000, 6, maxsize, True),
    Detail(16_000, 12, maxsize, True),
    Detail(maxsize, 12, maxsize, True),
    Detail(maxsize, maxsize, maxsize, True),
)


class Page:
    """Collects problems, each in the most detail that its share of the page allows."""

    def __init__(self, title: str, *, problems: int = 1) -> None:
        self.title = title
        self.included: list[dict[str, str]] = []
        self.left_out: list[str] = []
        self._to_come = problems
        self._level = len(_DETAILS) - (
            1 if problems == 1 else 3
        )  # one alone has room for all
        self._room = MOST_BYTES - _SPARE

    def add(self, name: str, packed: Callable[[Detail], bytes]) -> None:
        """Add the next problem in the most detail that fits into its share of the remaining space.

        Args:
            packed: Gives its data at a level of detail.
        """
        share = self._room / max(self._to_come, 1)
        self._to_come -= 1
        block = self._largest(packed, share)
        if not block:
            self.left_out.append(name)
            return
        self._room -= len(block)
        self.included.append({"name": name, "block": block})

    def _largest(self, packed: Callable[[Detail], bytes], share: float) -> str:
        """The block of most detail that fits, in base 64, or empty."""
        largest = ""
        at = self._level
        step = 0
        while 0 <= at < len(_DETAILS):
            block = base64.b64encode(packed(_DETAILS[at])).decode()
            fits = len(block) <= share
            if fits:
                largest = block
                self._level = at
            if step == (-1 if fits else 1):
                break
            step = 1 if fits else -1
            at += step
        return largest

    def html(self) -> str:
        """The whole document."""
        return render(
            "explore.html", title=self.title, problems=self.included, left_out=self.left_out
        )
