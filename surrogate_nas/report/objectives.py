"""Two of several objectives against each other: all cells, their exact front, and what each strategy found.

Of two objectives also the median attainment surface of each strategy: what half of its runs dominate. Grunert da
Fonseca, Fonseca & Hall, "Inferential Performance Assessment of Stochastic Optimisers and the Attainment Function", EMO
2001.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import moocore
import numpy as np
from matplotlib.figure import Figure

from surrogate_nas.report.look import INK, MIDDLE, Look, legend, plain
from surrogate_nas.study.comparison.front import nondominated
from surrogate_nas.study.comparison.statistics import Values

_SHOWN_SHARE = 0.6
"""The share of cells, best first, that the axes have room for."""


def draw_objectives(
    figure: Figure,
    every: Values | None,
    found: Mapping[str, Sequence[Values]],
    looks: dict[str, Look],
    labels: tuple[str, str],
) -> None:
    """Draw the first two objectives.

    Args:
        figure: An empty figure.
        every: The scores of all feasible cells, shape ``(n, m)``; None where there is no table.
        found: By strategy, of the feasible cells that each of its runs evaluated.
        looks: By strategy.
        labels: Of the horizontal and of the vertical axis.
    """
    axes = figure.add_subplot()
    handles: list[Any] = []
    texts = []
    if every is not None:
        dots = axes.scatter(every[:, 0], every[:, 1], s=3.5, color=MIDDLE, alpha=0.32, linewidth=0, rasterized=True)
        handles += [dots, *_steps(axes, every, INK, ".", 4)]
        texts += [f"all {len(every):,} cells", "exact front"]
        low, high = every.min(axis=0), np.quantile(every, _SHOWN_SHARE, axis=0)
        margin = 0.05 * (high - low)
        axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
        axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    for name, runs in found.items():
        if runs:
            shown = attained(runs) if runs[0].shape[1] == 2 else np.concatenate(runs)
            handles += _steps(axes, shown, looks[name].colour, looks[name].marker, 6)
            texts.append(plain(name))
    axes.set(xlabel=labels[0], ylabel=labels[1])
    legend(figure, handles, texts)


def attained(runs: Sequence[Values]) -> Values:
    """The front of the points that at least half of some runs dominate or reach, shape ``(k, 2)``.

    Args:
        runs: What each found, shape ``(n, 2)``.
    """
    of_run = np.repeat(np.arange(1, len(runs) + 1), [len(points) for points in runs])
    return np.asarray(moocore.eaf(np.concatenate(runs), sets=of_run, percentiles=[50])[:, :2])


def _steps(axes: Any, points: Values, colour: str, marker: str, size: float) -> list[Any]:
    front = nondominated(points)
    x, y = front[np.argsort(front[:, 0])].T[:2]
    lines: list[Any] = axes.plot(
        x, y, color=colour, linewidth=1.3, drawstyle="steps-post", marker=marker, markersize=size
    )
    return lines
