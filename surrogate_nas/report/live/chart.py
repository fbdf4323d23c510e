"""Curves as the shapes of an SVG picture; light enough to be drawn anew every other second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from surrogate_nas.report.live.band import Band
from surrogate_nas.report.look import Look

LEFT, RIGHT, TOP, BOTTOM = 62.0, 12.0, 10.0, 44.0
"""Pixels around the axes."""
_TICKS = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
_MARGIN = 0.06


@dataclass(frozen=True)
class Stroke:
    """One strategy's line and band, as paths.

    Attributes:
        name: The strategy.
        look: How it is drawn.
        line: The median.
        area: Between the quartiles.
    """

    name: str
    look: Look
    line: str
    area: str


@dataclass(frozen=True)
class Chart:
    """A picture of curves.

    Attributes:
        width: In pixels.
        height: In pixels.
        x_label: With its unit.
        y_label: What the curves are of.
        x_ticks: Places in pixels with their labels.
        y_ticks: Likewise.
        strokes: The curves.
    """

    width: float
    height: float
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    strokes: list[Stroke]

    @property
    def inner(self) -> tuple[float, float, float, float]:
        """The axes: left, top, right and bottom, in pixels."""
        return LEFT, TOP, self.width - RIGHT, self.height - BOTTOM


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
    bands: Mapping[str, Band],
    looks: Mapping[str, Look],
    x_label: str,
    *,
    steep_until: float,
    divisor: float = 1.0,
    size: tuple[float, float] = (540.0, 320.0),
) -> Chart | None:
    """Place curves in a picture; None while no run holds a feasible cell.

    Args:
        bands: By strategy.
        looks: By strategy.
        x_label: Of the horizontal axis.
        steep_until: Up to where all strategies saw the same cells: the steep start may be cut off.
        divisor: Of `Band.x`, such as 3600 for hours.
        size: Width and height in pixels.
    """
    limits = [one for band in bands.values() if (one := _limits(band, steep_until)) is not None]
    if not limits:
        return None
    bottom, top = min(low for low, _ in limits), max(high for _, high in limits)
    margin = _MARGIN * (top - bottom) or 0.01 * abs(top) or 0.01
    width, height = size
    x = _Scale(0.0, max(float(band.x[-1]) for band in bands.values()) / divisor, LEFT, width - RIGHT)
    y = _Scale(bottom - margin, top + margin, height - BOTTOM, TOP)
    strokes = [_stroke(name, looks[name], band, divisor, x, y) for name, band in bands.items()]
    return Chart(width, height, x_label, "best score so far", x.ticks(), y.ticks(), strokes)


def _limits(band: Band, steep_until: float) -> tuple[float, float] | None:
    """The lowest and the highest that is to be seen of a curve."""
    found = band.middle[np.isfinite(band.middle)]
    if not len(found):
        return None
    after = band.high[(band.x >= min(steep_until, band.x[-1])) & np.isfinite(band.high)]
    return float(np.min(band.low)), float(after.max()) if len(after) else float(found.max())


def _stroke(name: str, look: Look, band: Band, divisor: float, x: _Scale, y: _Scale) -> Stroke:
    at = [x(value / divisor) for value in band.x.tolist()]
    line = _steps(at, [y(value) if math.isfinite(value) else None for value in band.middle.tolist()])
    held = np.isfinite(band.low)
    upper, lower = ([y(value) for value in end[held].tolist()] for end in (band.high, band.low))
    return Stroke(name, look, line, _area([at[i] for i in np.flatnonzero(held)], upper, lower))


def _steps(x: list[float], y: list[float | None]) -> str:
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
    there, back = _steps(x, list(upper)), []
    for i in range(len(x) - 1, 0, -1):
        back.append(f"L{x[i]:g} {lower[i - 1]:g}L{x[i - 1]:g} {lower[i - 1]:g}")
    return f"{there}{''.join(back)}Z"
