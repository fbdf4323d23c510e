"""The explorer as one HTML page below six megabytes: what it carries, and in how much detail."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from sys import maxsize
from typing import NamedTuple

from surrogate_nas.report.explorer.packing import compressed
from surrogate_nas.report.explorer.problem import Detail
from surrogate_nas.report.markup import render

MOST_BYTES = 6_000_000
"""What a page weighs at most."""
_SPARE = 150_000
"""Of that, for everything but plotly.js and problems."""
_DETAILS = (
    Detail(0, 3, 1, False), Detail(0, 4, 2, False), Detail(500, 4, 3, False), Detail(1000, 4, 5, False),
    Detail(2000, 5, 10, False), Detail(4000, 6, 20, True), Detail(8000, 8, 50, True), Detail(16_000, 12, 100, True),
    Detail(maxsize, 24, maxsize, True), Detail(maxsize, maxsize, maxsize, True),
)  # fmt: skip
"""From the least to the most that is shown of a problem."""


class _Problem(NamedTuple):
    """A problem as the page carries it.

    Attributes:
        name: How it is chosen.
        block: Its data in base 64.
    """

    name: str
    block: str


class Page:
    """Gathers problems, each in as much detail as its share of the page allows.

    Attributes:
        shown: The problems that the page carries.
        left_out: The names of those that it has no room for.
    """

    def __init__(self, title: str, *, problems: int = 1) -> None:
        """Begin a page.

        Args:
            title: Its heading.
            problems: How many are to come.
        """
        self.title = title
        self.shown: list[_Problem] = []
        self.left_out: list[str] = []
        self._to_come = problems
        self._level = len(_DETAILS) - (1 if problems == 1 else 4)  # one alone has room for all
        self._room = MOST_BYTES - _SPARE - len(plotly())

    def add(self, name: str, packed: Callable[[Detail], bytes]) -> None:
        """Take the next problem in the most detail that fits its share of what room is left.

        Args:
            name: How it is chosen.
            packed: Its data in any detail.
        """
        share = self._room / max(self._to_come, 1)
        self._to_come -= 1
        block = self._largest(packed, share)
        if not block:
            self.left_out.append(name)
            return
        self._room -= len(block)
        self.shown.append(_Problem(name, block))

    def _largest(self, packed: Callable[[Detail], bytes], share: float) -> str:
        """The block of most detail that fits, in base 64; empty where none does. A problem is about like the last."""
        blocks: dict[int, str] = {}
        low, high, at = 0, len(_DETAILS), self._level
        while low < high:
            blocks[at] = _encoded(packed(_DETAILS[at]))
            if len(blocks[at]) <= share:
                low = at + 1
            else:
                high = at
            at = (low + high) // 2 if len(blocks) > 1 else min(max(at + (1 if low > at else -1), low), high - 1)
        self._level = max(low - 1, 0)
        return blocks.get(low - 1, "")

    def html(self) -> str:
        """The whole document."""
        script = files("surrogate_nas.report").joinpath("templates/explorer.js").read_text(encoding="utf-8")
        return render(
            "explore.html", title=self.title, problems=self.shown, left_out=self.left_out, plotly=plotly(),
            script=script,
        )  # fmt: skip


@lru_cache(maxsize=1)
def plotly() -> str:
    """plotly.js of the installed package, compressed, in base 64."""
    from plotly.offline import get_plotlyjs

    return _encoded(compressed(get_plotlyjs().encode()))


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
