"""Anytime curves: what the incumbent was worth after so many cells or so much simulated cost, over all runs.

Curves are right-continuous steps: only a trial that has finished counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from surrogate_nas.report.look import MIDDLE, Look, label_log_axis, legend, line_handles, plain
from surrogate_nas.study.comparison.noise import Noise
from surrogate_nas.study.comparison.statistics import Anytime, Values, interval

_MOST_POINTS = 400
"""More would neither be seen nor fit the bootstrap into little memory."""

_Points = TypeVar("_Points", Values, NDArray[np.int64])


@dataclass(frozen=True)
class Curve:
    """The mean of several runs with its bootstrap 95 % interval, as steps.

    Attributes:
        x: Where the mean changes, rising, and the end, shape ``(m,)``.
        mean: From each `x` on, shape ``(m,)``.
        low: Lower end of the interval.
        high: Upper end.
    """

    x: Values
    mean: Values
    low: Values
    high: Values


@dataclass(frozen=True)
class Panel:
    """The axes of a figure of curves.

    Attributes:
        x_label: With its unit.
        y_label: With its unit.
        logarithmic: Whether the vertical axis is.
        shared_until: Up to where all strategies saw the same cells; 0 where that is no single place.
        reference: A horizontal line, or None.
        reference_label: What the line is.
        rising: Whether curves rise as searches get better.
        noise: What training seeds do to a regret, or None.
        rounding: Up to where a regret counts as none.
    """

    x_label: str
    y_label: str
    logarithmic: bool
    shared_until: float = 0.0
    reference: float | None = None
    reference_label: str = ""
    rising: bool = False
    noise: Noise | None = None
    rounding: float = 0.0


def curve_over_cells(runs: Sequence[tuple[Anytime, Values]]) -> Curve:
    """The mean over runs of what each holds after 1, 2, … evaluated cells; an ended run keeps its last value.

    Args:
        runs: Per run its history, and the value shown after each of its trials.
    """
    changes = [_changes(values) + 1 for _, values in runs]
    last = max(len(values) for _, values in runs)
    points: NDArray[np.int64] = np.unique(np.concatenate([*changes, np.array([1, last])]))
    at = _thinned(points)
    return _curve(at.astype(np.float64), np.stack([history.at_cells(values, at) for history, values in runs]))


def curve_over_cost(runs: Sequence[tuple[Anytime, Values]], divisor: float = 1.0) -> Curve:
    """The mean over runs of what each holds once so much is spent, from where every run has finished a trial.

    Args:
        runs: Per run its history, and the value shown after each of its trials.
        divisor: Of the cost, such as 3600 for hours.
    """
    changes = [history.cost[_changes(values)] for history, values in runs]
    first = max(history.cost[0] for history, _ in runs)
    last = max(history.cost[-1] for history, _ in runs)
    at = np.unique(np.concatenate([*changes, [first, last]]))
    at = _thinned(at[at >= first])
    return _curve(at / divisor, np.stack([history.at_cost(values, at) for history, values in runs]))


def _changes(values: Values) -> NDArray[np.int64]:
    """The trials after which a value is another than before, the first included."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.r_[True, ~same])


def _thinned(points: _Points) -> _Points:
    if len(points) <= _MOST_POINTS:
        return points
    return points[np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(np.int64)]


def _curve(x: Values, samples: Values) -> Curve:
    held = np.isfinite(samples).all(axis=0)
    x, samples = x[held], samples[:, held]
    low, high = interval(samples)
    return Curve(x, samples.mean(axis=0), low, high)


def draw_curves(figure: Figure, curves: Mapping[str, Curve], looks: dict[str, Look], panel: Panel) -> None:
    """Draw one curve per strategy with its band.

    Args:
        figure: An empty figure.
        curves: By strategy.
        looks: By strategy.
        panel: The axes.
    """
    axes = figure.add_subplot()
    floor = _floor(curves.values(), panel) if panel.logarithmic else -np.inf
    for name, curve in curves.items():
        look = looks[name]
        mean, low, high = (np.maximum(part, floor) for part in (curve.mean, curve.low, curve.high))
        axes.fill_between(curve.x, low, high, step="post", color=look.colour, alpha=0.16, linewidth=0)
        axes.plot(curve.x, mean, drawstyle="steps-post", color=look.colour, linestyle=look.linestyle)
    if panel.logarithmic and floor > 0:
        label_log_axis(axes)
        axes.set_ylim(bottom=floor)
    else:
        axes.set_ylim(*limits(curves.values(), panel))
    if panel.shared_until > 1:
        axes.axvspan(0, panel.shared_until, color=MIDDLE, alpha=0.13, linewidth=0)
    handles, labels = line_handles(list(curves), looks), [plain(name) for name in curves]
    if panel.noise is not None:
        handles += _draw_noise(axes, panel.noise)
        labels += ["noise: mean of seeds", "one seed"]
    if panel.reference is not None:
        handles.append(axes.axhline(panel.reference, color=MIDDLE, linewidth=1.2, linestyle=(0, (2, 2))))
        labels.append(panel.reference_label)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.set_xlim(0, max(curve.x[-1] for curve in curves.values()))
    legend(figure, handles, labels)


def _draw_noise(axes: Axes, noise: Noise) -> list[Artist]:
    """The band of the mean over seeds and the line of one seed; returns the legend's entries."""
    band = axes.axhspan(0, noise.mean_of_seeds, color=MIDDLE, alpha=0.3, linewidth=0, zorder=0.5)
    line = axes.axhline(noise.one_seed, color=MIDDLE, linewidth=1.2, linestyle=(0, (1, 2)), zorder=0.5)
    return [band, line]


def _floor(curves: Iterable[Curve], panel: Panel) -> float:
    """Half of the smallest regret above zero: where a logarithmic axis ends; 0 where every regret is zero.

    The axis goes on until half of the noise band can be seen.
    """
    means = np.concatenate([curve.mean for curve in curves])
    positive = means[means > panel.rounding]
    if not len(positive):
        return 0.0
    lowest = float(positive.min())
    band = 0.0 if panel.noise is None else panel.noise.mean_of_seeds
    return min(lowest, band if band > panel.rounding else lowest) / 2


def reaches_zero(curves: Iterable[Curve], panel: Panel) -> bool:
    """Whether some curve of regrets ends at none.

    Args:
        curves: The curves.
        panel: The axes.
    """
    return any(curve.mean[-1] <= panel.rounding for curve in curves)


def limits(curves: Iterable[Curve], panel: Panel) -> tuple[float, float]:
    """The ends of a linear vertical axis, which leaves out the steep start: what the shared cells had given is shown.

    Args:
        curves: The curves.
        panel: The axes.
    """
    shown = [] if panel.reference is None else [panel.reference]
    for curve in curves:
        start = panel.shared_until or curve.x[0] + (curve.x[-1] - curve.x[0]) / 20
        after = max(int(np.searchsorted(curve.x, start, side="right")) - 1, 0)
        best = curve.high.max() if panel.rising else curve.low.min()
        shown += [float(best), float(curve.low[after:].min()), float(curve.high[after:].max())]
    top, bottom = max(shown), min(shown)
    margin = 0.05 * (top - bottom) or 0.01 * abs(top) or 0.01
    return bottom - margin, top + margin


def is_cut_off(curves: Collection[Curve], panel: Panel) -> bool:
    """Whether a linear vertical axis leaves out a part of some curve's band.

    Args:
        curves: The curves.
        panel: The axes.
    """
    bottom, top = limits(curves, panel)
    return any(float(curve.high.max()) > top or float(curve.low.min()) < bottom for curve in curves)
