"""Curves of runs over the number of evaluated cells or the cost. Each curve is a step function with
a label at its end.

Curves are right-continuous: a trial counts once it has finished.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.report.picture import (
    LINE,
    Canvas,
    Point,
    Scale,
    Ticks,
    name_ends,
    text_width,
)
from surrogate_nas.report.reading import Anytime, Values, interval
from surrogate_nas.report.style import Style, plain

# Of a curve; more points would not be visible, and the bootstrap would need much memory.
_MOST_POINTS = 400

_Points = TypeVar("_Points", Values, NDArray[np.int64])


@dataclass(frozen=True)
class Curve:
    """The centre of several runs (mean or median) and a band around it, as step functions of the
    budget.

    Attributes:
        x: The increasing positions at which the centre changes, followed by the end of the curve,
            shape ``(m,)``.
        middle: The centre from each `x` on, shape ``(m,)``: the mean over runs or, in live pages,
            the median.
        low: The lower bound of the band: the lower end of the bootstrap 95 % interval or, in live
            pages, the first quartile.
        high: The upper bound of the band.
    """

    x: Values
    middle: Values
    low: Values
    high: Values


@dataclass(frozen=True)
class Panel:
    """The axes and options of a plot of curves.

    Attributes:
        x_label: The unit of the horizontal axis, which is shown at the last tick.
        y_label: The label of the vertical axis, including the unit.
        root: Whether the vertical axis has a square-root scale from 0.
        shared_until: The horizontal position at which the initial cells end, if all strategies
            share them; otherwise 0.
        reference: The value at which to draw a horizontal reference line, or None.
        rising: Whether a higher curve is better.
        noise: The regret that training noise alone can cause, or None.
        banded: The strategies whose bands are visible, or None if all bands are visible.
        steps: Whether curves are drawn as step functions.
    """

    x_label: str
    y_label: str
    root: bool
    shared_until: float = 0.0
    reference: float | None = None
    rising: bool = False
    noise: float | None = None
    banded: Collection[str] | None = None
    steps: bool = True


def curve_over_cells(
    runs: Sequence[tuple[Anytime, Values]], *, band: bool = True
) -> Curve:
    """Return the mean over runs after 1, 2, … evaluated cells. If a run is shorter than other runs,
    the last value of the shorter run is repeated.

    Args:
        runs: One (history, values) pair per run; the values have one entry per trial.
        band: Whether to compute the 95 % interval; otherwise both bounds equal the mean.
    """
    last = max(len(values) for _, values in runs)
    changes = [_changes(values) + 1 for _, values in runs]
    at: NDArray[np.int64] = _thinned(
        np.unique(np.concatenate([*changes, np.array([1, last])]))
    )
    samples = np.stack([history.at_cells(values, at) for history, values in runs])
    return _mean(at.astype(np.float64), samples, band)


def curve_over_cost(
    runs: Sequence[tuple[Anytime, Values]], divisor: float = 1.0, *, band: bool = True
) -> Curve:
    """Return the mean over runs as a function of cost, from the cost at which every run has
    finished a trial.

    Args:
        runs: One (history, values) pair per run, as for `curve_over_cells`.
        divisor: The number by which the cost is divided, such as 3600 to convert seconds to hours.
        band: Whether to compute the 95 % interval, as for `curve_over_cells`.
    """
    first, last = (max(history.cost[end] for history, _ in runs) for end in (0, -1))
    changes = [history.cost[_changes(values)] for history, values in runs]
    at = np.unique(np.concatenate([*changes, [first, last]]))
    at = _thinned(at[at >= first])
    samples = np.stack([history.at_cost(values, at) for history, values in runs])
    return _mean(at / divisor, samples, band)


def _changes(values: Values) -> NDArray[np.int64]:
    """Return the indices of trials after which the value changes, including the first."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.r_[True, ~same])


def _thinned(points: _Points) -> _Points:
    if len(points) <= _MOST_POINTS:
        return points
    return points[
        np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(np.int64)
    ]


def _mean(x: Values, samples: Values, band: bool) -> Curve:
    is_known = np.isfinite(samples).all(axis=0)
    x = x[is_known]
    samples = samples[:, is_known]
    mean = samples.mean(axis=0)
    low, high = interval(samples) if band else (mean, mean)
    return Curve(x, mean, low, high)


def limits(curves: Iterable[Curve], panel: Panel) -> tuple[float, float]:
    """Return the lower and upper end of a vertical axis. A square-root axis starts at 0. Any other
    axis leaves out the steep start of the curves.
    """
    if panel.root:
        return 0.0, max(1.02 * max(float(curve.middle.max()) for curve in curves), 1e-9)
    values = [] if panel.reference is None else [panel.reference]
    for curve in curves:
        start = panel.shared_until or curve.x[0] + (curve.x[-1] - curve.x[0]) / 20
        after = max(int(np.searchsorted(curve.x, start, side="right")) - 1, 0)
        best = curve.high.max() if panel.rising else curve.low.min()
        values += [
            float(best),
            float(curve.low[after:].min()),
            float(curve.high[after:].max()),
        ]
    top = max(values)
    bottom = min(values)
    margin = 0.05 * (top - bottom) or 0.01 * abs(top) or 0.01
    return bottom - margin, top + margin


_TOP = 10.0
_BOTTOM = 24.0  # pixels around the axes
_LONGEST = 22
_LONGEST_SLIM = 15
_SLIM = (
    480.0  # letters of a name at most, and in a picture narrower than ``_SLIM`` pixels
)


def chart(
    curves: Mapping[str, Curve], styles: Mapping[str, Style], panel: Panel, width: float
) -> Canvas:
    """Plot one curve per strategy, with the first strategy on top, and label each curve at its
    end.
    """
    longest = _LONGEST_SLIM if width < _SLIM else _LONGEST
    height = max(290.0, LINE * len(curves) + _TOP + _BOTTOM)
    names_width = 36 + max(text_width(plain(name, longest), 12) for name in curves)
    y_low, y_high = limits(curves.values(), panel)
    bottom = height - _BOTTOM
    y = Scale(y_low, y_high, bottom, _TOP, "root" if panel.root else "linear")
    ticks = y.ticks(30.0)
    left = max(12 + max((text_width(text, 11) for _, text in ticks), default=0.0), 30.0)
    x = Scale(
        0.0,
        max(float(curve.x[-1]) for curve in curves.values()),
        left,
        width - names_width,
    )
    canvas = Canvas(width, height)
    _draw_axes(canvas, x, y, ticks, panel)
    for name, curve in reversed(list(curves.items())):
        if panel.banded is None or name in panel.banded:
            with canvas.of(styles[name]):
                canvas.area(_band(curve, x, y, panel.steps), styles[name], 0.15)
    ends = {}
    for name, curve in reversed(list(curves.items())):
        is_finite = np.isfinite(curve.middle)
        points = _points(curve.x[is_finite], curve.middle[is_finite], x, y, panel.steps)
        with canvas.of(styles[name], name):
            canvas.line(
                points,
                colour=styles[name],
                width=2,
                dash=tuple(2 * length for length in styles[name].dash),
                cased=True,
            )
        if points:
            ends[name] = points[-1][1]
    name_ends(canvas, ends, styles, x.end + 2, most=bottom, longest=longest)
    return canvas


def _draw_axes(canvas: Canvas, x: Scale, y: Scale, ticks: Ticks, panel: Panel) -> None:
    top, bottom = y.end, y.start
    if panel.shared_until > 1:
        canvas.rectangle(x.start, top, x(panel.shared_until), bottom, "soft", 0.6)
    if panel.noise is not None:
        canvas.rectangle(x.start, y(panel.noise), x.end, y(0.0), "soft")
    across = x.ticks(60.0)
    canvas.grid(x, y, across, ticks)
    if panel.reference is not None:
        at = y(panel.reference)
        canvas.line(
            [(x.start, at), (x.end, at)], colour="axis", width=1.2, dash=(2.0, 3.0)
        )
    canvas.line(
        [(x.start, y(0.0)), (x.end, y(0.0))]
        if panel.root
        else [(x.start, bottom), (x.end, bottom)],
        colour="axis",
    )
    for value, text in ticks:
        canvas.text(x.start - 6, y(value) + 4, text, align="right")
    for value, text in across:
        canvas.text(x(value), bottom + 17, text, align="center")
    last, text = across[-1]
    canvas.text(x(last) + text_width(text, 11) / 2 + 4, bottom + 17, panel.x_label)


def _points(at: Values, values: Values, x: Scale, y: Scale, steps: bool) -> list[Point]:
    points: list[Point] = []
    for position, value in zip(at.tolist(), values.tolist(), strict=True):
        point = x(position), y(value)
        if steps and points:
            points.append((point[0], points[-1][1]))
        points.append(point)
    return points


def _band(curve: Curve, x: Scale, y: Scale, steps: bool) -> list[Point]:
    is_finite = np.isfinite(curve.low)
    at = curve.x[is_finite]
    upper = _points(at, curve.high[is_finite], x, y, steps)
    return upper + _points(at, curve.low[is_finite], x, y, steps)[::-1]
