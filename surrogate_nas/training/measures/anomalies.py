"""Measures of networks that reconstruct their inputs: what they reconstruct badly should be what is anomalous."""

from __future__ import annotations

import numpy as np

from surrogate_nas.training.arrays import Array
from surrogate_nas.training.measures.base import Answers, Measure


def area_under_curve(answers: Answers) -> Array:
    """How often an anomalous example has a larger squared error than a normal one, from 0 to 1; ties count half.

    The area under the receiver operating characteristic. The squared error judges, whatever loss trained; .5 is chance.

    Args:
        answers: Reconstructions, shape ``(K, n, …)``; targets are labels, 0 for normal.
    """
    told = answers.arrays
    off = (told.outputs.astype(np.float64) - told.inputs).reshape(len(told.outputs), len(told.inputs), -1)
    errors = (off**2).mean(2)
    return np.array([_area(each[told.targets != 0], np.sort(each[told.targets == 0])) for each in errors])


def _area(anomalous: Array, normal: Array) -> float:
    # An error that is not finite orders nothing: the worst value is recorded.
    if not (np.isfinite(anomalous).all() and np.isfinite(normal).all()):
        return float("nan")
    below, not_above = (np.searchsorted(normal, anomalous, side) for side in ("left", "right"))
    return float((below + not_above).mean() / (2 * len(normal)))


FAMILY = (
    Measure(
        "auc", "area under the ROC curve of the reconstruction error (Hanley & McNeil 1982)", "", "quality", 0.0,
        area_under_curve,
    ),
)  # fmt: skip
"""The measures of this file."""
