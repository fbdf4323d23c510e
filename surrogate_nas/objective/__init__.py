"""Objectives: the expression language, its binding to a benchmark, and the evaluator that charges every look-up."""

from surrogate_nas.objective.evaluator import Evaluator
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
    "Evaluator",
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
