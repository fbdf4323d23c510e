"""What the runs of a strategy have found by now, as a median with its quartiles over a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.study.watch import RunWatch

_Values = NDArray[np.float64]
_POINTS = 150
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Band:
    """Steps: each value holds from its place on.

    Attributes:
        x: Places, rising, shape ``(n,)``.
        low: The lower quartile of the best scores so far, shape ``(n,)``; infinite where too few runs hold one.
        middle: Their median.
        high: The upper quartile.
    """

    x: _Values
    low: _Values
    middle: _Values
    high: _Values


def over_cells(runs: Sequence[RunWatch]) -> Band:
    """The best score so far after 1, 2, … evaluated cells.

    A run that has ended keeps its last value; one that is being made counts as far as it has come.

    Args:
        runs: With at least one trial each.
    """
    last = max(len(run.best) for run in runs)
    at = np.unique(np.linspace(1, last, min(last, _POINTS)).round().astype(np.int64))
    return _band(at.astype(np.float64), [_read(run, np.minimum(at, len(run.best)), at > len(run.best)) for run in runs])


def over_seconds(runs: Sequence[RunWatch]) -> Band:
    """The best score so far once so many simulated seconds are spent; only what has finished counts.

    Args:
        runs: With at least one trial each.
    """
    at = np.linspace(0.0, max(run.finished[-1] for run in runs), _POINTS)
    trials = [np.searchsorted(run.finished, at, side="right") for run in runs]
    return _band(at, [_read(run, n, at > run.finished[-1]) for run, n in zip(runs, trials, strict=True)])


def _read(run: RunWatch, trials: NDArray[np.int64], beyond: NDArray[np.bool_]) -> _Values:
    """What a run held after so many trials; NaN before its first, and beyond the last of one that is being made."""
    values = np.asarray(run.best)[np.maximum(trials, 1) - 1]
    return np.where((trials < 1) | (beyond & (run.end is None)), np.nan, values)


def _band(x: _Values, samples: Sequence[_Values]) -> Band:
    """Quartiles of what is there at every place, each one of the samples, since some may be infinite."""
    ordered = np.sort(np.stack(samples), axis=0)
    counts = (~np.isnan(ordered)).sum(axis=0)
    held = counts > 0
    places = [np.maximum(np.ceil(share * counts[held]).astype(np.int64) - 1, 0) for share in _QUARTILES]
    ordered = ordered[:, held]
    low, middle, high = (ordered[place, np.arange(ordered.shape[1])] for place in places)
    return Band(x[held], low, middle, high)
