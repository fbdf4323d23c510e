"""Curves: what runs held after so many cells or so much cost, as steps, each named where it ends.

Curves are right-continuous steps: only a trial that has finished counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.report.picture import LINE, Canvas, Point, Scale, name_ends, text_width
from surrogate_nas.report.reading import Anytime, Values, interval
from surrogate_nas.report.style import Look, plain

_MOST_POINTS = 400
"""More would neither be seen nor fit the bootstrap into little memory."""
_QUARTILES = (0.25, 0.5, 0.75)

_Points = TypeVar("_Points", Values, NDArray[np.int64])


@dataclass(frozen=True)
class Curve:
    """The middle of several runs with a band around it, as steps.

    Attributes:
        x: Where the middle changes, rising, and the end, shape ``(m,)``.
        middle: From each `x` on, shape ``(m,)``: the mean, or live the median.
        low: Lower end of the band: of the bootstrap 95 % interval, or live the quartile.
        high: Upper end.
    """

    x: Values
    middle: Values
    low: Values
    high: Values


@dataclass(frozen=True)
class Panel:
    """The axes of curves.

    Attributes:
        x_label: The unit, which the last tick bears.
        y_label: With its unit.
        root: Whether the vertical axis is one of roots, from 0.
        shared_until: Up to where all strategies saw the same cells; 0 where that is no single
            place.
        reference: A horizontal line, or None.
        rising: Whether curves rise as searches get better.
        noise: Up to which regret training again could move a cell, or None.
        banded: Whose bands are drawn; None for all.
        ends: The lowest and the highest value that is shown; None for what the curves need.
        steps: Whether a line goes right, then up or down.
        falling: Whether the vertical axis begins above.
    """

    x_label: str
    y_label: str
    root: bool
    shared_until: float = 0.0
    reference: float | None = None
    rising: bool = False
    noise: float | None = None
    banded: Collection[str] | None = None
    ends: tuple[float, float] | None = None
    steps: bool = True
    falling: bool = False


def curve_over_cells(runs: Sequence[tuple[Anytime, Values]], *, band: bool = True) -> Curve:
    """The mean over runs of what each holds after 1, 2, … evaluated cells; an ended run keeps its
    last value.

    A run is its history and the value shown after each of its trials. Without a band its ends are
    the mean.
    """
    changes = [_changes(values) + 1 for _, values in runs]
    last = max(len(values) for _, values in runs)
    points: NDArray[np.int64] = np.unique(np.concatenate([*changes, np.array([1, last])]))
    at = _thinned(points)
    return _mean(
        at.astype(np.float64),
        np.stack([history.at_cells(values, at) for history, values in runs]),
        band,
    )


def curve_over_cost(
    runs: Sequence[tuple[Anytime, Values]],
    divisor: float = 1.0,
    *,
    band: bool = True,
) -> Curve:
    """The mean over runs of what each holds once so much is spent, from where every run has
    finished a trial.

    The divisor is of the cost, such as 3600 for hours.
    """
    changes = [history.cost[_changes(values)] for history, values in runs]
    first = max(history.cost[0] for history, _ in runs)
    last = max(history.cost[-1] for history, _ in runs)
    at = np.unique(np.concatenate([*changes, [first, last]]))
    at = _thinned(at[at >= first])
    return _mean(
        at / divisor, np.stack([history.at_cost(values, at) for history, values in runs]), band
    )


def _changes(values: Values) -> NDArray[np.int64]:
    """The trials after which a value is another than before, the first included."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.r_[True, ~same])


def _thinned(points: _Points) -> _Points:
    if len(points) <= _MOST_POINTS:
        return points
    return points[np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(np.int64)]


def _mean(x: Values, samples: Values, band: bool) -> Curve:
    held = np.isfinite(samples).all(axis=0)
    x = x[held]
    samples = samples[:, held]
    mean = samples.mean(axis=0)
    low, high = interval(samples) if band else (mean, mean)
    return Curve(x, mean, low, high)


def quartiles(x: Values, samples: Sequence[Values]) -> Curve:
    """Median and quartiles of what is there at every place, each one of the samples, since some may
    be infinite.
    """
    ordered = np.sort(np.stack(samples), axis=0)
    counts = (~np.isnan(ordered)).sum(axis=0)
    held = counts > 0
    places = [
        np.maximum(np.ceil(share * counts[held]).astype(np.int64) - 1, 0) for share in _QUARTILES
    ]
    ordered = ordered[:, held]
    low, middle, high = (ordered[place, np.arange(ordered.shape[1])] for place in places)
    return Curve(x[held], middle, low, high)


def limits(curves: Iterable[Curve], panel: Panel) -> tuple[float, float]:
    """The ends of a vertical axis: of roots from 0, else without the steep start before the shared
    cells end.
    """
    if panel.root:
        return 0.0, max(1.02 * max(float(curve.middle.max()) for curve in curves), 1e-9)
    shown = [] if panel.reference is None else [panel.reference]
    for curve in curves:
        start = panel.shared_until or curve.x[0] + (curve.x[-1] - curve.x[0]) / 20
        after = max(int(np.searchsorted(curve.x, start, side="right")) - 1, 0)
        best = curve.high.max() if panel.rising else curve.low.min()
        shown += [float(best), float(curve.low[after:].min()), float(curve.high[after:].max())]
    top = max(shown)
    bottom = min(shown)
    margin = 0.05 * (top - bottom) or 0.01 * abs(top) or 0.01
    return bottom - margin, top + margin


def is_cut_off(curves: Collection[Curve], panel: Panel) -> bool:
    """Whether a linear vertical axis leaves out a part of some curve's band."""
    bottom, top = limits(curves, panel)
    return any(float(curve.high.max()) > top or float(curve.low.min()) < bottom for curve in curves)


_HEIGHT = 290.0
_LEAST_LEFT = 30.0
_TOP = 10.0
_BOTTOM = 24.0
"""Pixels around the axes."""
_LONGEST = 22
_LONGEST_SLIM = 15
_SLIM = 480.0
"""Letters of a name on a desk and where a picture is narrower than so many pixels."""
_MARGIN = 0.06


def chart(
    curves: Mapping[str, Curve],
    looks: Mapping[str, Look],
    panel: Panel,
    width: float,
    *,
    height: float = _HEIGHT,
    named: bool = True,
) -> Canvas:
    """Draw one curve a strategy, the first one uppermost; where they are not named, a key stands
    elsewhere.
    """
    height = max(height, LINE * len(curves) + _TOP + _BOTTOM) if named else height
    longest = _LONGEST_SLIM if width < _SLIM else _LONGEST
    names = 36 + max(text_width(plain(name, longest), 12) for name in curves) if named else 12.0
    y_low, y_high = panel.ends or limits(curves.values(), panel)
    bottom = height - _BOTTOM
    edges = (_TOP, bottom) if panel.falling else (bottom, _TOP)
    y = Scale(y_low, y_high, *edges, "root" if panel.root else "linear")
    ticks = y.ticks(30.0)
    left = max(12 + max((text_width(text, 11) for _, text in ticks), default=0.0), _LEAST_LEFT)
    x = Scale(0.0, max(float(curve.x[-1]) for curve in curves.values()), left, width - names)
    canvas = Canvas(width, height)
    _draw_axes(canvas, x, y, ticks, panel)
    for name, curve in reversed(list(curves.items())):
        if panel.banded is None or name in panel.banded:
            with canvas.of(looks[name]):
                canvas.area(
                    _band(curve, x, y, panel.steps),
                    looks[name],
                    0.15 if panel.banded or named else 0.08,
                )
    ends = {}
    for name, curve in reversed(list(curves.items())):
        held = np.isfinite(curve.middle)
        points = _points(curve.x[held], curve.middle[held], x, y, panel.steps)
        with canvas.of(looks[name], name):
            dash = tuple(2 * length for length in looks[name].dash)
            canvas.line(points, paint=looks[name], width=2, dash=dash, cased=True)
        if points:
            ends[name] = points[-1][1]
    if named:
        name_ends(canvas, ends, looks, x.end + 2, most=bottom, longest=longest)
    return canvas


def _draw_axes(
    canvas: Canvas,
    x: Scale,
    y: Scale,
    ticks: Sequence[tuple[float, str]],
    panel: Panel,
) -> None:
    top, bottom = sorted((y.start, y.end))
    if panel.shared_until > 1:
        canvas.rectangle(x.start, top, x(panel.shared_until), bottom, "soft", 0.6)
    if panel.noise is not None:
        canvas.rectangle(x.start, y(panel.noise), x.end, y(0.0), "soft")
    across = x.ticks(60.0)
    canvas.line(*([(x.start, y(value)), (x.end, y(value))] for value, _ in ticks), paint="line")
    canvas.line(*([(x(value), top), (x(value), bottom)] for value, _ in across), paint="line")
    if panel.reference is not None:
        at = y(panel.reference)
        canvas.line([(x.start, at), (x.end, at)], paint="axis", width=1.2, dash=(2.0, 3.0))
    canvas.line(
        [(x.start, y(0.0)), (x.end, y(0.0))]
        if panel.root
        else [(x.start, bottom), (x.end, bottom)],
        paint="axis",
    )
    for value, text in ticks:
        canvas.text(x.start - 6, y(value) + 4, text, align="right")
    for value, text in across:
        canvas.text(x(value), bottom + 17, text, align="center")
    last, text = across[-1]
    canvas.text(x(last) + text_width(text, 11) / 2 + 4, bottom + 17, panel.x_label)


def _points(
    at: Values,
    values: Values,
    x: Scale,
    y: Scale,
    steps: bool,
) -> list[Point]:
    """A line: right, then up or down where it goes in steps."""
    found: list[Point] = []
    for place, value in zip(at.tolist(), values.tolist(), strict=True):
        point = x(place), y(value)
        if steps and found:
            found.append((point[0], found[-1][1]))
        found.append(point)
    return found


def _band(curve: Curve, x: Scale, y: Scale, steps: bool) -> list[Point]:
    held = np.isfinite(curve.low)
    upper, lower = (
        _points(curve.x[held], end[held], x, y, steps) for end in (curve.high, curve.low)
    )
    return upper + lower[::-1]


def visible_range(curves: Iterable[Curve], steep_until: float) -> tuple[float, float] | None:
    """The lowest and the highest that is to be seen of curves that may be infinite; None where
    nothing is finite.
    """
    lowest = []
    highest = []
    for curve in curves:
        found = curve.middle[np.isfinite(curve.middle)]
        if len(found):
            after = curve.high[(curve.x >= min(steep_until, curve.x[-1])) & np.isfinite(curve.high)]
            lowest.append(float(np.min(curve.low)))
            highest.append(float(after.max()) if len(after) else float(found.max()))
    if not lowest:
        return None
    bottom = min(lowest)
    top = max(highest)
    margin = _MARGIN * (top - bottom) or 0.01 * abs(top) or 0.01
    return bottom - margin, top + margin
