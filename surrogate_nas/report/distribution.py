"""The final score of every run, one row per strategy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from surrogate_nas.report.look import INK, MIDDLE, PAPER, Look, plain
from surrogate_nas.study.comparison.statistics import Values, summarise

_SPREAD = 0.26
"""How far points of one row are moved apart, in rows."""


def draw_distribution(
    figure: Figure,
    scores: Mapping[str, Values],
    counts: Mapping[str, int],
    looks: dict[str, Look],
    optimum: float | None,
) -> None:
    """Draw final scores as points, with mean and interval; runs that found no feasible cell are counted in words.

    Args:
        figure: An empty figure.
        scores: By strategy, of the runs that have one.
        counts: By strategy, how many runs there are.
        looks: By strategy.
        optimum: The best score of the space, or None.
    """
    axes = figure.add_subplot()
    labels = []
    for row, (name, found) in enumerate(scores.items()):
        missing = counts[name] - len(found)
        labels.append(plain(name) + (f"\n({missing} of {counts[name]}: no feasible cell)" if missing else ""))
        look = looks[name]
        heights = row + _spread(len(found))
        axes.scatter(found, heights, s=30, color=look.colour, marker=look.marker, alpha=0.6, linewidth=0)
        if len(found) > 1:
            summary = summarise(found)
            axes.plot(summary.ci95, [row, row], color=INK, linewidth=2.2, solid_capstyle="round", zorder=4)
            axes.scatter([summary.mean], [row], s=62, color=INK, marker="d", edgecolor=PAPER, linewidth=0.9, zorder=5)
    if optimum is not None:
        axes.axvline(optimum, color=MIDDLE, linewidth=1.2, linestyle=(0, (2, 2)))
        axes.annotate(
            "optimum", (optimum, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
            textcoords="offset points", va="bottom", fontsize=9,
        )  # fmt: skip
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("final score of a run (dimensionless, lower is better)")


def _spread(n: int) -> Values:
    """Offsets that alternate around the row, the same for every report."""
    return _SPREAD * np.sin(2.4 * np.arange(n)) if n > 1 else np.zeros(n)
