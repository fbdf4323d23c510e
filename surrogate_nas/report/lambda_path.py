"""The figure of a path over λ: the front that the optima and the strategies trace, and each one's regret at every λ."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surrogate_nas.objective.expression import exact
from surrogate_nas.report.look import INK, MIDDLE, Look, legend, looks, plain
from surrogate_nas.report.objectives import attained
from surrogate_nas.report.picture import Picture, picture
from surrogate_nas.study.comparison.front import nondominated
from surrogate_nas.study.comparison.lambda_path import LambdaPath
from surrogate_nas.study.comparison.statistics import interval

_SIZE = (10.0, 4.6)
_APART = 0.02
"""Optima nearer than this share of the axes share a label."""


def picture_of_path(path: LambdaPath) -> Picture:
    """Draw a path.

    Args:
        path: The path.
    """
    caption = (
        f"{path.expression} on {path.plane.benchmark.name}. Left: all cells (grey), their exact front (black), the "
        "optimum at each λ (stars), and the front that half of a strategy's runs reach or dominate with their answers "
        "at all λ. Right: mean regret at each λ and its bootstrap 95 % interval."
    )
    return picture("lambda-path", caption, partial(_draw, path=path), _SIZE)


def _draw(figure: Figure, path: LambdaPath) -> None:
    plane, regrets = figure.subplots(1, 2)
    by_name = looks(path.strategies)
    handles = _draw_front(plane, path)
    labels = [f"all {len(path.points):,} cells", "exact front", "optimum at λ"]
    for name, look in by_name.items():
        runs = path.traced(name)
        if runs:
            traced = attained(runs)
            x, y = traced[np.argsort(traced[:, 1])][:, ::-1].T
            handles += plane.plot(x, y, color=look.colour, marker=look.marker, markersize=4, linewidth=1.1,
                                  drawstyle="steps-post")  # fmt: skip
            labels.append(plain(name))
        _draw_regrets(regrets, path, name, look)
    regrets.set(xlabel="λ", ylabel="mean regret")
    positive = [step.value for step in path.steps if step.value > 0]
    if len(positive) > 1:
        regrets.set_xscale("symlog", linthresh=positive[0])
    regrets.set_xticks([step.value for step in path.steps], [exact(step.value) for step in path.steps], fontsize=8)
    regrets.minorticks_off()
    legend(figure, handles, labels)


def _draw_front(axes: Axes, path: LambdaPath) -> list[Any]:
    """Cells, their front and the optima, in the frame of the front; returns the legend's entries."""
    loss, cost = path.points.T
    front = nondominated(path.points)
    front = front[np.argsort(front[:, 1])]
    dots = axes.scatter(cost, loss, s=3.5, color=MIDDLE, alpha=0.32, linewidth=0, rasterized=True)
    steps = axes.plot(front[:, 1], front[:, 0], color=INK, linewidth=1.3, drawstyle="steps-post", marker=".")
    optima = path.points[[step.optimum for step in path.steps]]
    stars = axes.scatter(optima[:, 1], optima[:, 0], s=120, marker="*", facecolor="none", edgecolor=INK, zorder=6)
    low, span = path.frame.utopia, path.frame.span
    axes.set_xlim(low[1] - 0.06 * span[1], low[1] + 1.1 * span[1])
    axes.set_ylim(low[0] - 0.06 * span[0], low[0] + 1.1 * span[0])
    axes.set(xlabel="R (medians over the space)", ylabel="L")
    told: list[Any] = []
    for step, point in zip(path.steps, optima, strict=True):
        if not told or np.abs((point - told[-1]) / span).max() > _APART:
            axes.annotate(
                exact(step.value), (point[1], point[0]), xytext=(5, 5), textcoords="offset points", fontsize=8
            )
            told.append(point)
    return [dots, *steps, stars]


def _draw_regrets(axes: Axes, path: LambdaPath, name: str, look: Look) -> None:
    held = [(step.value, step.comparison.regrets(name)) for step in path.steps]
    values, samples = zip(*((value, each) for value, each in held if each is not None), strict=True)
    ends = np.array([interval(each[:, None]) for each in samples])[:, :, 0]
    axes.plot(values, [each.mean() for each in samples], color=look.colour, linestyle=look.linestyle,
              marker=look.marker, markersize=4)  # fmt: skip
    axes.fill_between(values, ends[:, 0], ends[:, 1], color=look.colour, alpha=0.15, linewidth=0)
