"""Measures by name: a family is one more file here; a user's own is a ``file.py:MEASURE``."""

from __future__ import annotations

from surrogate_nas.core.registry import Registry
from surrogate_nas.training.metrics.base import Answers, Measure

__all__ = ["MEASURES", "Answers", "Measure"]

_FIRST = ("classes", "boxes", "numbers", "sequences", "images", "generation")
MEASURES = Registry(
    "measure",
    Measure,
    folder=__name__,
    attribute="FAMILY",
    first=_FIRST,
    group="surrogate_nas.metrics",
)
"""Every measure by name."""
