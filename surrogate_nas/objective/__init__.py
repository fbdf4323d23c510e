"""Objectives: the expression language, and its binding to a benchmark."""

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
from surrogate_nas.objective.objective import Objective
from surrogate_nas.objective.seeds import Draw
from surrogate_nas.objective.terms import FreeTerms, Scores

__all__ = [
    "Constraint",
    "Draw",
    "Expression",
    "FreeTerms",
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
