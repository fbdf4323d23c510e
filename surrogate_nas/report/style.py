"""Plot styles of strategies: a colour and a mark for each strategy's name, the same on every page.

Colours differ by at least 7 (OKLab × 100) for colour-blind readers and have a contrast of 3:1.
Every curve also has a mark, and text never has the colour of a strategy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

COLOURS = {
    "ink": ("#1c2126", "#e4e8ec"),
    "quiet": ("#5c6670", "#9aa5b0"),
    "paper": ("#ffffff", "#12161b"),
    "line": ("#e3e7ea", "#2a323a"),
    "axis": ("#9aa4ad", "#5f6a75"),
    "soft": ("#e9ecee", "#232b33"),
    "accent": ("#1a5fb4", "#79b8ff"),
}
"""Colours of text, background, grid, axes and links, on a light and on a dark page."""
_LONGEST_NAME = 26


@dataclass(frozen=True)
class Style:
    """The plot style of one strategy: its colour and its mark.

    Attributes:
        colour: A hexadecimal colour for light pages.
        dark: The colour for dark pages.
        marker: The mark, as a letter of matplotlib.
        hollow: Whether the mark is an outline. HTML pages show a hexagon as a dashed ring.
        dash: Lengths of dashes and gaps in line widths; empty for a solid line.
    """

    colour: str
    dark: str
    marker: str
    hollow: bool = False
    dash: tuple[float, ...] = ()

    @property
    def variable(self) -> str:
        """The colour as a CSS variable, which follows the light or dark scheme of the page."""
        return f"var(--c{self.colour[1:]})"

    @property
    def key(self) -> str:
        """The key by which the page's script identifies the strategy, unique on a page."""
        return f"{self.colour[1:]}{_DASHES.index(self.dash) or ''}"

    @property
    def svg_mark(self) -> str:
        """The mark as an SVG path around the origin, 10 pixels wide."""
        return _PATHS[self.marker]


_PATHS = {
    "o": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
    "v": "M-5 -4H5L0 5Z",
    "^": "M-5 4H5L0 -5Z",
    "s": "M-4 -4H4V4H-4Z",
    "P": "M-1.6 -5H1.6V-1.6H5V1.6H1.6V5H-1.6V1.6H-5V-1.6H-1.6Z",
    "D": "M0 -5.2L5.2 0L0 5.2L-5.2 0Z",
    "X": (
        "M-4.6 -2.4L-2.4 -4.6L0 -2.2L2.4 -4.6L4.6 -2.4L2.2 0L4.6 2.4L2.4 4.6L0 2.2L-2.4 4.6L-4.6"
        " 2.4L-2.2 0Z"
    ),
    "*": "M0 -5.6L1.5 -1.7L5.4 -1.7L2.3 .8L3.4 4.6L0 2.4L-3.4 4.6L-2.3 .8L-5.4 -1.7L-1.5 -1.7Z",
    "h": "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
}
_NAMED = {
    "random": Style("#73787f", "#989898", "o", hollow=True),
    "bo": Style("#12447e", "#517abb", "o"),
    "evolution": Style("#e37500", "#fb7c01", "v"),
    "local_search": Style("#276d4a", "#5ec47a", "^"),
    "zero_cost": Style("#7c0eb5", "#ca60f8", "s"),
    "reinforce": Style("#0c98d0", "#9edaff", "P"),
    "iterated_local_search": Style("#bb0509", "#e3150f", "D"),
    "nsga2": Style("#8c9b5a", "#cce763", "*"),
    "random_sampling": Style("#492104", "#896a59", "h", hollow=True),
}
# Of the first strategy without a style of its own, such as a user's.
_FREE = Style("#f32ba6", "#fc81d2", "X")
# The styles for names without one of their own, or whose own is taken, in this order.
_ORDER = (_FREE, *reversed(_NAMED.values()))
_DASHES = ((), (5, 1.6), (1.2, 1.4), (6, 1.5, 1.2, 1.5), (3, 1))
SCHEMES = {style.colour: style.dark for style in _ORDER}
"""The dark colour of every light one."""


def styles(names: Iterable[str]) -> dict[str, Style]:
    """Return a plot style for each strategy, chosen by the strategy's name without options.

    If two strategies have the same style, the second one gets the next free style.
    """
    by_name: dict[str, Style] = {}
    free = [
        Style(entry.colour, entry.dark, entry.marker, entry.hollow, dash)
        for dash in _DASHES
        for entry in _ORDER
    ]
    wanted = {name: _NAMED.get(name.partition("(")[0]) for name in names}
    for name, style in wanted.items():
        if style is not None and style in free:
            free.remove(style)
            by_name[name] = style
    for name in wanted:
        if name not in by_name:
            by_name[name] = free.pop(0) if free else _FREE
    return {name: by_name[name] for name in wanted}


def plain(name: str, longest: int = _LONGEST_NAME) -> str:
    """Shorten a user's text for a figure to one line of printable characters. A leading space keeps
    matplotlib from hiding a label that begins with an underscore.
    """
    short = name if len(name) <= longest else f"{name[: longest - 1]}…"
    printable = "".join(c if c.isprintable() else "·" for c in short)
    return (" " if printable.startswith("_") else "") + printable
