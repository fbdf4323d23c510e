"""L against λR: the exact front of the whole table, all its cells, and what the runs found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import moocore
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from surrogate_nas.objective import Objective, Scores
from surrogate_nas.report.look import INK, MIDDLE, PAPER, Look, legend, plain
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.study.store import Run

_SHOWN_SHARE = 0.6
"""The share of cells, best in L first, that the vertical axis has room for."""

_Frame = tuple[float, float, float, float]
"""Left, right, bottom and top of the axes."""


@dataclass(frozen=True)
class Front:
    """The trade-off of L and λR over a whole table.

    Attributes:
        scores: Of every cell.
        on_front: Whether a feasible cell is dominated by no other feasible one, shape ``(cells,)``.
        optimum: The place of the best score in the order of the space.
        found: The places of the feasible incumbents of all runs.
    """

    scores: Scores
    on_front: NDArray[np.bool_]
    optimum: int
    found: list[int]

    @property
    def whole(self) -> _Frame:
        """The frame of the trade-off; cells of the highest L lie above it."""
        shown = float(np.quantile(self.scores.loss[self.scores.feasible], _SHOWN_SHARE))
        highest = max([shown, *self.scores.loss[self.found]])
        return _with_margin(self.scores.penalty, np.array([self.scores.loss.min(), highest]))

    @property
    def around_found(self) -> _Frame:
        """The frame of what the runs found, with the optimum."""
        inside = [self.optimum, *self.found]
        return _with_margin(self.scores.penalty[inside], self.scores.loss[inside])

    @property
    def hidden(self) -> int:
        """How many cells lie above the whole trade-off's frame."""
        return int((self.scores.loss > self.whole[3]).sum())


def _with_margin(x: Values, y: Values) -> _Frame:
    horizontal = 0.05 * float(np.ptp(x)) or 0.001
    vertical = 0.08 * float(np.ptp(y)) or 0.001
    return (
        float(x.min()) - horizontal,
        float(x.max()) + horizontal,
        float(y.min()) - vertical,
        float(y.max()) + vertical,
    )


def front_of(objective: Objective, runs: Sequence[Run]) -> Front | None:
    """Find the exact front of a table.

    Args:
        objective: The objective.
        runs: Whose incumbents are drawn; each found a feasible one.

    Returns:
        None where there is no regulariser, no table, a history, or no feasible cell.
    """
    scores = objective.over_space()
    if scores is None or all(term.is_loss for term in objective.terms) or not scores.feasible.any():
        return None
    on_front = np.zeros(len(scores.loss), dtype=bool)
    feasible = np.flatnonzero(scores.feasible)
    points = np.column_stack([scores.loss, scores.penalty])[feasible]
    on_front[feasible[moocore.is_nondominated(points)]] = True
    found = [run.incumbent.cell.index for run in runs]
    return Front(scores, on_front, int(scores.score.argmin()), found)


def draw_front(
    figure: Figure,
    front: Front,
    frame: _Frame,
    runs: Mapping[str, Sequence[Run]],
    looks: dict[str, Look],
    hollow: bool = False,
) -> None:
    """Draw cells, front, lines of equal score and incumbents.

    Args:
        figure: An empty figure.
        front: The front.
        frame: Left, right, bottom and top of the axes.
        runs: By strategy, those that found a feasible cell.
        looks: By strategy.
        hollow: Draw incumbents as outlines, so that those in one place show through one another.
    """
    axes = figure.add_subplot()
    scores = front.scores
    handles = _draw_cells(axes, scores)
    order = np.flatnonzero(front.on_front)[np.argsort(scores.penalty[front.on_front])]
    x, y = scores.penalty[order], scores.loss[order]
    handles += axes.plot(x, y, color=INK, linewidth=1.3, drawstyle="steps-post", marker=".", markersize=4)
    axes.set(xlim=frame[:2], ylim=frame[2:])
    axes.locator_params(axis="x", nbins=6)
    _draw_equal_scores(axes, float(scores.score[front.optimum]))
    labels = [f"all {len(scores.loss):,} cells", "exact front"]
    if not scores.feasible.all():
        labels.insert(1, "infeasible cells")
    for name, made in runs.items():
        found = Counter(run.incumbent.cell.index for run in made)
        index, counts = list(found), np.array(list(found.values()))
        look = looks[name]
        face = "none" if hollow else look.colour
        axes.scatter(
            scores.penalty[index], scores.loss[index], s=36 + 24 * (counts - 1), facecolor=face,
            edgecolor=look.colour if hollow else PAPER, linewidth=1.6 if hollow else 0.8, marker=look.marker, zorder=5,
        )  # fmt: skip
        handles.append(
            Line2D(
                [], [], color=look.colour, markerfacecolor=face, marker=look.marker, markersize=7, linestyle="none",
                markeredgewidth=1.6,
            )
        )  # fmt: skip
        labels.append(plain(name))
    best = (scores.penalty[front.optimum], scores.loss[front.optimum])
    handles.append(axes.scatter(*best, s=210, marker="*", facecolor="none", edgecolor=INK, linewidth=1.4, zorder=6))
    labels.append("optimum")
    axes.set(xlabel="λR, the weighted regularisers (dimensionless)", ylabel="L (dimensionless)")
    legend(figure, handles, labels)


def _draw_cells(axes: Axes, scores: Scores) -> list[Any]:
    """All cells as pixels, since vector graphics of so many would be large; returns the legend's entries."""
    handles: list[Any] = []
    for held, alpha in ((scores.feasible, 0.32), (~scores.feasible, 0.1)):
        if held.any():
            axes.scatter(
                scores.penalty[held], scores.loss[held], s=3.5, color=MIDDLE, alpha=alpha, linewidth=0, rasterized=True
            )
            handles.append(Line2D([], [], color=MIDDLE, marker=".", alpha=min(2 * alpha, 1), linestyle="none"))
    return handles


def _draw_equal_scores(axes: Axes, optimum: float) -> None:
    """Lines of equal L + λR through the optimum and above it, labelled where they leave the frame."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    apart = 0.05 * (top - bottom)
    levels = [level for level in MaxNLocator(6).tick_values(optimum, top + right) if level > optimum + apart]
    for level in [optimum, *levels]:
        strong = level == optimum
        axes.plot(
            [left, right], [level - left, level - right], color=INK if strong else MIDDLE,
            linewidth=1.1 if strong else 0.7, linestyle=(0, (4, 3)), zorder=1.5, scalex=False, scaley=False,
        )  # fmt: skip
        if bottom < level - right < top:
            place, shift, sides = (right, level - right), (3, 0), ("left", "center")
        elif left < level - top < right:
            place, shift, sides = (level - top, top), (0, 2), ("center", "bottom")
        elif left < level - bottom < right:
            place, shift, sides = (level - bottom - apart, bottom + apart), (0, 0), ("center", "center")
        else:
            continue
        axes.annotate(
            f"{level:.4g}", place, xytext=shift, textcoords="offset points", ha=sides[0], va=sides[1], fontsize=8,
            bbox={"facecolor": PAPER, "edgecolor": "none", "boxstyle": "round,pad=0.1"},
            annotation_clip=False, zorder=4,
        )  # fmt: skip
