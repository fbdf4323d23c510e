"""How papers draw: a picture is a grid of panels, a panel a list of items.

A paper says what its panels show (`Series`, `Violins`, `Level`, `Note`, `Map`), and
`picture` draws them: frames, grids, legends, shared labels, and 95 % intervals look the same in all
papers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surrogate_nas.report.style import COLOURS as PAINTS
from surrogate_nas.stats.summaries import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito, without the yellow."""
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_INK, _QUIET, _LINE = (PAINTS[name][0] for name in ("ink", "quiet", "line"))
"""Text, small text, and lines of grids and frames, as on the pages."""
_SMALL = 8
_TINY = 7

Place = Literal[
    "best", "upper left", "upper center", "lower left", "lower right", "center right"
]
"""Where a legend stands."""


def pen(number: int) -> dict[str, Any]:
    """Colour and line style of a series by its number; the first 36 all differ."""
    turn, place = divmod(number, len(COLOURS))
    return {"color": COLOURS[place], "linestyle": STYLES[(place + turn) % len(STYLES)]}


class Item(Protocol):
    """What a panel shows."""

    def draw(self, axes: Axes) -> None:
        """Add it to axes."""


@dataclass(frozen=True)
class Series:
    """Points as a line, marks or both, with error bars or a band where there are some.

    Attributes:
        x: Shape ``(n,)``.
        y: Shape ``(n,)``.
        label: Its name in the legend; empty for none.
        error: Half lengths of vertical error bars, or None.
        x_error: Half lengths of horizontal error bars, or None.
        band: Lower and upper ends of a shaded interval, or None.
        steps: Whether a value lasts until the next point.
        style: Colour, line style, marker and the like, as ``matplotlib.lines.Line2D`` takes them.
    """

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    error: ArrayLike | None = None
    x_error: ArrayLike | None = None
    band: tuple[ArrayLike, ArrayLike] | None = None
    steps: bool = False
    style: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, axes: Axes) -> None:
        """Add line, error bars and band."""
        drawstyle = "steps-post" if self.steps else "default"
        axes.errorbar(
            self.x,
            self.y,
            yerr=self.error,
            xerr=self.x_error,
            label=self.label or None,
            drawstyle=drawstyle,
            capsize=2,
            **self.style,
        )
        if self.band is not None:
            low, high = self.band
            axes.fill_between(
                self.x,
                low,
                high,
                step="post" if self.steps else None,
                color=self.style.get("color"),
                alpha=0.2,
                linewidth=0,
            )


def mean_curves(
    x: NDArray[np.float64],
    samples: Mapping[str, NDArray[np.float64]],
    *,
    steps: bool = False,
) -> list[Series]:
    """The mean over runs with its 95 % interval, a series a name.

    Args:
        x: Shape ``(n,)``.
        samples: By name, shape ``(runs, n)``; points that a run lacks (NaN) are left out.
        steps: Whether a value lasts until the next point.
    """
    curves = []
    for number, (name, values) in enumerate(samples.items()):
        known = np.isfinite(values).all(axis=0)
        curves.append(
            Series(
                x[known],
                values[:, known].mean(axis=0),
                label=name,
                band=interval(values[:, known]),
                steps=steps,
                style=pen(number),
            )
        )
    return curves


@dataclass(frozen=True)
class Violins:
    """The distribution of samples at each place."""

    x: ArrayLike
    samples: Sequence[NDArray[np.float64]]
    colour: str

    def draw(self, axes: Axes) -> None:
        """Add the violins."""
        parts = axes.violinplot(
            self.samples,
            self.x,
            showextrema=False,
            widths=0.8,
        )
        for body in parts["bodies"]:  # type: ignore[attr-defined]
            body.set_facecolor(self.colour)


@dataclass(frozen=True)
class Level:
    """A straight line across the panel: at a height, or upright at a place."""

    at: float
    label: str = ""
    upright: bool = False
    style: Mapping[str, Any] = field(
        default_factory=lambda: {"color": "grey", "linewidth": 0.8}
    )

    def draw(self, axes: Axes) -> None:
        """Add the line."""
        line = axes.axvline if self.upright else axes.axhline
        line(self.at, label=self.label or None, **self.style)


@dataclass(frozen=True)
class Note:
    """A text at a point, above it where nothing else is said."""

    text: str
    x: float
    y: float
    style: Mapping[str, Any] = field(default_factory=dict)

    def draw(self, axes: Axes) -> None:
        """Add the text."""
        usual = {"ha": "right", "va": "bottom", "fontsize": _TINY}
        axes.annotate(self.text, (self.x, self.y), **{**usual, **self.style})


@dataclass(frozen=True)
class Map:
    """A coloured table of τ, from −1 to 1.

    Attributes:
        values: Shape ``(rows, columns)``; NaN leaves a field empty.
        rows: Their names.
        columns: Their names.
        framed: Fields with a frame, as pairs of row and column.
    """

    values: NDArray[np.float64]
    rows: Sequence[str]
    columns: Sequence[str]
    framed: Sequence[tuple[int, int]] = ()

    def draw(self, axes: Axes) -> None:
        """Add colours, numbers, names and frames."""
        from matplotlib.patches import Rectangle

        axes.imshow(
            self.values,
            cmap="RdYlBu",
            vmin=-1,
            vmax=1,
            aspect="auto",
        )
        axes.set_xticks(
            range(len(self.columns)),
            self.columns,
            rotation=60,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_yticks(range(len(self.rows)), self.rows)
        for (row, column), value in np.ndenumerate(self.values):
            if math.isfinite(value):
                text = f"{value:.2f}".replace("0.", ".", 1)
                colour = "white" if abs(value) > 0.8 else "black"
                axes.text(
                    column,
                    row,
                    text,
                    ha="center",
                    va="center",
                    fontsize=_TINY,
                    color=colour,
                )
        for row, column in self.framed:
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(
                Rectangle(
                    corner,
                    1,
                    1,
                    fill=False,
                    linewidth=1.8,
                    edgecolor="black",
                )
            )


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        items: What it shows, the first one at the back.
        title: Above it.
        legend: Where the legend stands, or None.
        legend_columns: In how many columns.
        grid: Along which axes lines are drawn; empty for none.
        axes: Labels, scales, limits and ticks, as ``matplotlib.axes.Axes.set`` takes them.
    """

    items: Sequence[Item]
    title: str = ""
    legend: Place | None = None
    legend_columns: int = 1
    grid: Literal["", "x", "y", "both"] = "both"
    axes: dict[str, Any] = field(default_factory=dict)

    def draw(self, axes: Axes) -> None:
        """Draw all of it."""
        for item in self.items:
            item.draw(axes)
        axes.set(**self.axes)
        axes.set_title(self.title, fontsize=10, loc="left", weight="bold", color=_INK)
        axes.tick_params(labelsize=_SMALL, labelcolor=_QUIET, color=_LINE)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_LINE)
        if self.grid:
            axes.set_axisbelow(True)
            axes.grid(axis=self.grid, color=_LINE, linewidth=0.8)
        if self.legend:
            axes.legend(
                loc=self.legend,
                ncols=self.legend_columns,
                fontsize=_SMALL,
                frameon=False,
            )


def picture(
    rows: Sequence[Sequence[Panel]],
    width: float,
    height: float,
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    shared: bool = False,
    widths: Sequence[float] | None = None,
    legend: bool = False,
) -> Figure:
    """Draw panels in a grid.

    Args:
        rows: The panels, row by row; a shorter row leaves its last places empty.
        width: Of the whole, in inches.
        height: Likewise.
        title: Above all panels.
        x_label: Below all panels.
        y_label: At the left of all panels.
        shared: Whether all panels have the same limits.
        widths: Of the columns, relative to each other.
        legend: Whether one legend of all panels stands above them.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    n_columns = max(len(row) for row in rows)
    grid = figure.subplots(
        len(rows),
        n_columns,
        squeeze=False,
        sharex=shared,
        sharey=shared,
        width_ratios=widths,
    )
    for places, row in zip(grid, rows, strict=True):
        for place, panel in zip(places, row, strict=False):
            panel.draw(place)
        for place in places[len(row) :]:
            place.set_visible(False)
    if legend:
        labelled = [axes.get_legend_handles_labels() for axes in figure.axes]
        handles = {
            label: handle
            for group in labelled
            for handle, label in zip(*group, strict=True)
        }
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside upper center",
            ncols=5,
            frameon=False,
        )
    if title:
        figure.suptitle(title)
    if x_label:
        figure.supxlabel(x_label)
    if y_label:
        figure.supylabel(y_label)
    return figure


def in_rows(panels: Sequence[Panel], n_columns: int) -> list[Sequence[Panel]]:
    """Panels in rows of at most so many."""
    return [panels[i : i + n_columns] for i in range(0, len(panels), n_columns)]
