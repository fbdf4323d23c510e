"""Objectives: the expression language, its binding to a benchmark."""

from surrogate_nas.objective.expression import (
    Constraint,
    Expression,
    diversity,
    energy,
    latency,
    loss,
    macs,
    metric,
    params,
    parse,
)
from surrogate_nas.objective.objective import Objective, Scores

__all__ = [
    "Constraint",
    "Expression",
    "Objective",
    "Scores",
    "diversity",
    "energy",
    "latency",
    "loss",
    "macs",
    "metric",
    "params",
    "parse",
]
