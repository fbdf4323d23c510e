"""Measures by name: a family is one more file and one more line here; a user's own is a ``file.py:MEASURE``."""

from __future__ import annotations

from surrogate_nas.core.plugin import named
from surrogate_nas.training.measures import (
    anomalies,
    boxes,
    classes,
    forecasts,
    generation,
    images,
    numbers,
    returns,
    robust,
    segments,
    sequences,
)
from surrogate_nas.training.measures.base import Answers, Measure

__all__ = ["MEASURES", "Answers", "Measure", "measure_named"]

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for family in (
        classes,
        robust,
        segments,
        boxes,
        numbers,
        forecasts,
        sequences,
        images,
        anomalies,
        generation,
        returns,
    )
    for measure in family.FAMILY
}
"""Every measure by name."""


def measure_named(name: str) -> Measure:
    """Find a measure.

    Args:
        name: A key of `MEASURES`, or ``path/to/file.py:NAME`` of a `Measure`.

    Raises:
        UserError: There is no such name or file, the file fails to import, or it holds no such measure.
    """
    return named(name, "measure", MEASURES, Measure)
