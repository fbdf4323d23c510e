"""How figures look: one colour, line style and marker per strategy, and one ink that a dark page can exchange.

Colours are those of Okabe & Ito, "Color Universal Design", 2008, without the yellow that a white page swallows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

INK = "#24292f"
"""Text and axes; in the SVG of a page it becomes a variable."""
PAPER = "#fefefe"
"""What lies behind figures; a variable too."""
MIDDLE = "#848d97"
"""A grey that reads on a light and on a dark page."""

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d46")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5, 1.6), (1.2, 1.4), (6, 1.5, 1.2, 1.5), (3, 1))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_LONGEST_NAME = 26

RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": MIDDLE,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.9,
    "svg.hashsalt": "surrogate_nas",
    "svg.fonttype": "path",
    "text.parse_math": False,
}
"""The settings under which every figure is drawn and saved."""


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn everywhere.

    Attributes:
        colour: A hexadecimal colour.
        dash: On and off lengths in line widths; empty for a solid line.
        marker: Matplotlib's letter for the marker.
    """

    colour: str
    dash: tuple[float, ...]
    marker: str

    @property
    def linestyle(self) -> Any:
        """The line style as matplotlib takes it."""
        return (0, self.dash) if self.dash else "solid"

    @property
    def svg_dashes(self) -> str:
        """The line style as SVG takes it, at twice the width."""
        return " ".join(f"{2 * length:g}" for length in self.dash) or "none"


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for every strategy, by its position alone.

    Args:
        names: The strategies in the order of the comparison.
    """
    return {
        name: Look(_COLOURS[i % len(_COLOURS)], _DASHES[i % len(_DASHES)], _MARKERS[i % len(_MARKERS)])
        for i, name in enumerate(names)
    }


def plain(name: str, longest: int = _LONGEST_NAME) -> str:
    """A user's text as a figure can show it: cut to length, on one line, never hidden.

    Args:
        name: Such as a strategy's name.
        longest: The most characters.
    """
    short = name if len(name) <= longest else f"{name[: longest - 1]}…"
    shown = "".join(c if c.isprintable() else "·" for c in short)
    return (" " if shown.startswith("_") else "") + shown


def legend(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend above the axes, where it covers nothing.

    Args:
        figure: The figure, of constrained layout.
        handles: What is explained.
        labels: In the order of the handles, already `plain`.
    """
    entry = 0.5 + 0.07 * max(map(len, labels))
    columns = max(min(len(labels), int(figure.get_figwidth() / entry)), 1)
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, fontsize=9, handlelength=2.6, columnspacing=1.2
    )


def line_handles(names: Sequence[str], by_name: dict[str, Look]) -> list[Any]:
    """Legend entries of lines.

    Args:
        names: The strategies that are drawn.
        by_name: Their looks.
    """
    return [Line2D([], [], color=by_name[n].colour, linestyle=by_name[n].linestyle) for n in names]


def label_log_axis(axes: Axes) -> None:
    """Label a logarithmic vertical axis at 1, 2 and 5 of every power, in plain numbers.

    Args:
        axes: The axes.
    """
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5), numticks=15))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
