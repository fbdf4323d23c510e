"""Metrics of tasks by name: a family is one more file; a user's own is a ``file.py:METRIC``."""

from __future__ import annotations

from surrogate_nas.core.registry import Registry
from surrogate_nas.training.metrics.base import Predictions, TaskMetric

__all__ = ["METRICS", "Predictions", "TaskMetric"]

METRICS = Registry(
    "metric",
    TaskMetric,
    folder=__name__,
    attribute="FAMILY",
    first=("classes", "boxes", "numbers", "sequences", "images", "generation"),
    group="surrogate_nas.metrics",
)
