"""Which numbers of a cell an explorer shows, the most wanted first, and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Quantity
from surrogate_nas.objective import Objective
from surrogate_nas.report.findings import final_questions
from surrogate_nas.space.trial import Trial
from surrogate_nas.study.comparison.statistics import Values
from surrogate_nas.tables import Seed

READ, FINAL, COST, TRAINED, STRUCTURE, PROXY = (
    "read by the objective", "final, never searched on", "costs", "other trainings", "structure", "proxies",
)  # fmt: skip
"""Groups of metrics."""
_UNTRAINED: dict[Quantity, str] = {"structure": STRUCTURE, "proxy": PROXY}
_DECIMALS = {"%": 2, "M": 2, "nats": 4, "parameters": 0}
"""As everywhere in reports; four significant digits in all other units."""


@dataclass(frozen=True)
class Wanted:
    """A metric that is shown.

    Attributes:
        question: What is asked.
        group: What it is to the comparison.
    """

    question: Question
    group: str


def wanted(objective: Objective) -> list[Wanted]:
    """Everything that can be told of a cell, each once: what the objective reads, finals, costs, and the rest.

    Args:
        objective: The objective.
    """
    benchmark = objective.benchmark
    found = [Wanted(question, READ) for question in objective.questions()]
    if benchmark.has_columns:
        found += [Wanted(question, FINAL) for question in final_questions(objective)]
    search = [metric for metric in benchmark.metrics if metric.kind == "search"]
    rest = [
        Wanted(benchmark.question(m.name), TRAINED if m.epochs or m.is_loss else _UNTRAINED.get(m.quantity, COST))
        for m in search
    ]
    order = (COST, TRAINED, STRUCTURE, PROXY)
    found += sorted(rest, key=lambda one: order.index(one.group))
    asked: dict[Question, Wanted] = {}
    for one in found:
        asked.setdefault(one.question, one)
    return list(asked.values())


def decimals(unit: str) -> int | None:
    """How many decimals a metric has on a page; None for four significant digits.

    Args:
        unit: Its unit.
    """
    return _DECIMALS.get(unit)


def table_values(objective: Objective, asked: Wanted, places: NDArray[np.intp]) -> Values | None:
    """A metric of some cells of a table, shape ``(n,)``, NaN where none is held; None where the table lacks it.

    Args:
        objective: The objective, whose seeds are read.
        asked: The metric.
        places: The places of the cells in the order of the space.
    """
    question, seed = asked.question, objective.seed if asked.group == READ else None
    try:
        column = objective.benchmark.column(question.metric, question.epochs, seed)
    except UserError:  # a column of the mean over seeds may not be held
        return None
    return np.asarray(column[places])


def told_values(benchmark: Benchmark, asked: Wanted, trials: Sequence[Trial], seed: Seed) -> Values | None:
    """A metric of evaluated cells, shape ``(n,)``, from what their trials read or what needs no training.

    Args:
        benchmark: The benchmark, which is no table.
        asked: The metric.
        trials: One of every cell.
        seed: Of the objective.
    """
    name = str(asked.question)
    if any(name in trial.values for trial in trials):
        return np.array([trial.values.get(name, np.nan) for trial in trials], dtype=np.float64)
    free = benchmark.free(asked.question, seed)
    return None if free is None else np.asarray(free([trial.cell for trial in trials]), dtype=np.float64)
