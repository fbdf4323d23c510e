"""Measures by name: a family is one more file and one more line here."""

from __future__ import annotations

from surrogate_nas.errors import unknown
from surrogate_nas.training.measures import classes, numbers, robust, sequences
from surrogate_nas.training.measures.base import Answers, Measure

__all__ = ["MEASURES", "Answers", "Measure", "measure_named"]

MEASURES: dict[str, Measure] = {
    measure.name: measure for family in (classes, robust, numbers, sequences) for measure in family.FAMILY
}
"""Every measure by name."""


def measure_named(name: str) -> Measure:
    """Find a measure.

    Args:
        name: A key of `MEASURES`.

    Raises:
        UserError: There is none of this name.
    """
    if name not in MEASURES:
        raise unknown("measure", name, MEASURES)
    return MEASURES[name]
