"""Curves: what runs held after so many cells or so much cost, as steps; drawn by matplotlib in figures, live as SVG.

Curves are right-continuous steps: only a trial that has finished counts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from surrogate_nas.report.look import MIDDLE, Look, plain
from surrogate_nas.report.picture import apart, label_ends, label_log_axis, legend, marked
from surrogate_nas.report.reading import Anytime, Noise, Values, interval

_MOST_POINTS = 400
"""More would neither be seen nor fit the bootstrap into little memory."""
_QUARTILES = (0.25, 0.5, 0.75)
_HEIGHT = 0.8
"""The share of a figure's height that its axes have."""

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

    A run is its history and the value shown after each of its trials.
    """
    changes = [_changes(values) + 1 for _, values in runs]
    last = max(len(values) for _, values in runs)
    points: NDArray[np.int64] = np.unique(np.concatenate([*changes, np.array([1, last])]))
    at = _thinned(points)
    return _mean(at.astype(np.float64), np.stack([history.at_cells(values, at) for history, values in runs]))


def curve_over_cost(runs: Sequence[tuple[Anytime, Values]], divisor: float = 1.0) -> Curve:
    """The mean over runs of what each holds once so much is spent, from where every run has finished a trial.

    The divisor is of the cost, such as 3600 for hours.
    """
    changes = [history.cost[_changes(values)] for history, values in runs]
    first = max(history.cost[0] for history, _ in runs)
    last = max(history.cost[-1] for history, _ in runs)
    at = np.unique(np.concatenate([*changes, [first, last]]))
    at = _thinned(at[at >= first])
    return _mean(at / divisor, np.stack([history.at_cost(values, at) for history, values in runs]))


def _changes(values: Values) -> NDArray[np.int64]:
    """The trials after which a value is another than before, the first included."""
    same = (values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1]))
    return np.flatnonzero(np.r_[True, ~same])


def _thinned(points: _Points) -> _Points:
    if len(points) <= _MOST_POINTS:
        return points
    return points[np.linspace(0, len(points) - 1, _MOST_POINTS).round().astype(np.int64)]


def _mean(x: Values, samples: Values) -> Curve:
    held = np.isfinite(samples).all(axis=0)
    x, samples = x[held], samples[:, held]
    low, high = interval(samples)
    return Curve(x, samples.mean(axis=0), low, high)


def quartiles(x: Values, samples: Sequence[Values]) -> Curve:
    """Median and quartiles of what is there at every place, each one of the samples, since some may be infinite."""
    ordered = np.sort(np.stack(samples), axis=0)
    counts = (~np.isnan(ordered)).sum(axis=0)
    held = counts > 0
    places = [np.maximum(np.ceil(share * counts[held]).astype(np.int64) - 1, 0) for share in _QUARTILES]
    ordered = ordered[:, held]
    low, middle, high = (ordered[place, np.arange(ordered.shape[1])] for place in places)
    return Curve(x[held], middle, low, high)


def draw_curve(
    axes: Axes, curve: Curve, look: Look, *, steps: bool = True, band: bool = True, marks: bool = False
) -> None:
    """Draw one strategy's line and its band, as steps or from point to point."""
    if band:
        axes.fill_between(
            curve.x, curve.low, curve.high, step="post" if steps else None, color=look.colour, alpha=0.15, linewidth=0
        )
    points = marked(look, 4.0) if marks else {"color": look.colour}
    axes.plot(curve.x, curve.middle, drawstyle="steps-post" if steps else "default", linestyle=look.linestyle, **points)


def draw_curves(figure: Figure, curves: Mapping[str, Curve], looks: Mapping[str, Look], panel: Panel) -> None:
    """Draw one curve per strategy with its band, named where it ends, into an empty figure."""
    axes = figure.add_subplot()
    floor = _floor(curves.values(), panel) if panel.logarithmic else -np.inf
    shown = {
        name: Curve(curve.x, *(np.maximum(part, floor) for part in (curve.middle, curve.low, curve.high)))
        for name, curve in curves.items()
    }
    for name, curve in shown.items():
        draw_curve(axes, curve, looks[name])
    if panel.logarithmic and floor > 0:
        label_log_axis(axes)
        axes.set_ylim(bottom=floor)
    else:
        axes.set_ylim(*limits(curves.values(), panel))
    if panel.shared_until > 1:
        axes.axvspan(0, panel.shared_until, color=MIDDLE, alpha=0.13, linewidth=0)
    handles: list[Artist] = []
    labels: list[str] = []
    if panel.noise is not None:
        handles += _draw_noise(axes, panel.noise)
        labels += ["noise: mean of seeds", "one seed"]
    if panel.reference is not None:
        handles.append(axes.axhline(panel.reference, color=MIDDLE, linewidth=1.2, linestyle=(0, (2, 2))))
        labels.append(panel.reference_label)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.set_xlim(0, max(curve.x[-1] for curve in curves.values()))
    ends = {name: float(curve.middle[-1]) for name, curve in shown.items()}
    label_ends(axes, ends, looks, _HEIGHT * figure.get_figheight())
    if handles:
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
    means = np.concatenate([curve.middle for curve in curves])
    positive = means[means > panel.rounding]
    if not len(positive):
        return 0.0
    lowest = float(positive.min())
    band = 0.0 if panel.noise is None else panel.noise.mean_of_seeds
    return min(lowest, band if band > panel.rounding else lowest) / 2


def reaches_zero(curves: Iterable[Curve], panel: Panel) -> bool:
    """Whether some curve of regrets ends at none."""
    return any(curve.middle[-1] <= panel.rounding for curve in curves)


def limits(curves: Iterable[Curve], panel: Panel) -> tuple[float, float]:
    """The ends of a linear vertical axis without the steep start: what the shared cells had given is shown."""
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
    """Whether a linear vertical axis leaves out a part of some curve's band."""
    bottom, top = limits(curves, panel)
    return any(float(curve.high.max()) > top or float(curve.low.min()) < bottom for curve in curves)


# As the shapes of an SVG picture, light enough to be drawn anew every other second.

_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 12.0, 10.0, 44.0
"""Pixels around the axes."""
_NAMES, _LINE = 150.0, 16.0
"""The room for names at the ends of curves, and how far these are apart, in pixels."""
_LONGEST = 20
_TICKS = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
_MARGIN = 0.06


@dataclass(frozen=True)
class Stroke:
    """One strategy's line and band as paths, and how high the line ends; None where it has no end."""

    name: str
    look: Look
    line: str
    area: str
    end: float | None


@dataclass(frozen=True)
class Label:
    """A strategy's name beside the end of its line: how high that is, and how high it stands."""

    text: str
    look: Look
    end: float
    place: float


@dataclass(frozen=True)
class Chart:
    """A picture of curves: its size in pixels, its labels with their places in pixels, and its curves."""

    width: float
    height: float
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    strokes: list[Stroke]
    labels: list[Label]

    @property
    def inner(self) -> tuple[float, float, float, float]:
        """The axes: left, top, right and bottom, in pixels."""
        return _LEFT, _TOP, self.width - (_NAMES if self.labels else _RIGHT), self.height - _BOTTOM


@dataclass(frozen=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        inside = [float(v) for v in _TICKS.tick_values(self.low, self.high) if self.low <= v <= self.high]
        return [(self(value), f"{value:g}".replace("-", "−")) for value in inside]


def chart(
    curves: Mapping[str, Curve],
    looks: Mapping[str, Look],
    x_label: str,
    *,
    steep_until: float,
    divisor: float = 1.0,
    size: tuple[float, float] = (640.0, 320.0),
    named: bool = True,
) -> Chart | None:
    """Place curves in a picture; None while no run holds a feasible cell.

    Up to where all strategies saw the same cells, the steep start may be cut off. The divisor is of `Curve.x`. Where
    curves are not named at their ends, a key stands elsewhere.
    """
    ends = [one for curve in curves.values() if (one := _seen(curve, steep_until)) is not None]
    if not ends:
        return None
    bottom, top = min(low for low, _ in ends), max(high for _, high in ends)
    margin = _MARGIN * (top - bottom) or 0.01 * abs(top) or 0.01
    width, height = size
    x = _Scale(0.0, max(float(curve.x[-1]) for curve in curves.values()) / divisor, _LEFT,
               width - (_NAMES if named else _RIGHT))  # fmt: skip
    y = _Scale(bottom - margin, top + margin, height - _BOTTOM, _TOP)
    strokes = [_stroke(name, looks[name], curve, divisor, x, y) for name, curve in curves.items()]
    labels = _labels(strokes) if named else []
    return Chart(width, height, x_label, "best score so far", x.ticks(), y.ticks(), strokes, labels)


def _labels(strokes: Sequence[Stroke]) -> list[Label]:
    ends = sorted(((one.end, one.name, one.look) for one in strokes if one.end is not None), key=lambda end: end[:2])
    places = apart([end for end, *_ in ends], _LINE)
    return [
        Label(plain(name, _LONGEST), look, end, round(place, 1))
        for (end, name, look), place in zip(ends, places, strict=True)
    ]


def _seen(curve: Curve, steep_until: float) -> tuple[float, float] | None:
    """The lowest and the highest that is to be seen of a curve."""
    found = curve.middle[np.isfinite(curve.middle)]
    if not len(found):
        return None
    after = curve.high[(curve.x >= min(steep_until, curve.x[-1])) & np.isfinite(curve.high)]
    return float(np.min(curve.low)), float(after.max()) if len(after) else float(found.max())


def _stroke(name: str, look: Look, curve: Curve, divisor: float, x: _Scale, y: _Scale) -> Stroke:
    at = [x(value / divisor) for value in curve.x.tolist()]
    middle = [y(value) if math.isfinite(value) else None for value in curve.middle.tolist()]
    held = np.isfinite(curve.low)
    upper, lower = ([y(value) for value in end[held].tolist()] for end in (curve.high, curve.low))
    area = _area([at[i] for i in np.flatnonzero(held)], upper, lower)
    return Stroke(name, look, _steps(at, middle), area, middle[-1])


def _steps(x: list[float], y: Sequence[float | None]) -> str:
    """A path that goes right, then up or down; it begins where there is a value."""
    parts: list[str] = []
    before: float | None = None
    for place, value in zip(x, y, strict=True):
        if value is None:
            continue
        if before is None:
            parts.append(f"M{place:g} {value:g}")
        else:
            parts.append(f"H{place:g}" + (f"V{value:g}" if value != before else ""))
        before = value
    return "".join(parts)


def _area(x: list[float], upper: list[float], lower: list[float]) -> str:
    if len(x) < 2:
        return ""
    there, back = _steps(x, upper), []
    for i in range(len(x) - 1, 0, -1):
        back.append(f"L{x[i]:g} {lower[i - 1]:g}L{x[i - 1]:g} {lower[i - 1]:g}")
    return f"{there}{''.join(back)}Z"
