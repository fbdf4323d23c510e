"""What every strategy spent: evaluations, duplicates, simulated and real seconds, and what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surrogate_nas.study.suite.result import SuiteResult


@dataclass(frozen=True)
class Account:
    """One strategy over all problems.

    Attributes:
        strategy: Its name.
        runs: How many it made, failed ones included.
        failures: How many failed.
        empty: How many ended without a feasible cell, failed ones apart.
        evaluations: Cells evaluated.
        duplicates: How many of these it had evaluated before in the same run.
        queries: What was charged where a benchmark counts queries.
        simulated_seconds: What was charged where a benchmark tells seconds.
        real_seconds: Of strategy and evaluation together.
        strategy_seconds: Of `ask` and `tell`.
    """

    strategy: str
    runs: int
    failures: int
    empty: int
    evaluations: int
    duplicates: int
    queries: float
    simulated_seconds: float
    real_seconds: float
    strategy_seconds: float


def accounts_of(result: SuiteResult) -> list[Account]:
    """The accounts of all strategies, in the order of the suite.

    Args:
        result: What the suite has found.
    """
    found = []
    for name in result.strategies:
        traces = [(problem.cost_unit, trace) for problem in result.problems for trace in problem.traces[name]]
        charged = {unit: sum(t.simulated for u, t in traces if u == unit) for unit in ("queries", "seconds")}
        found.append(
            Account(
                strategy=name,
                runs=len(traces),
                failures=sum(bool(t.failure) for _, t in traces),
                empty=sum(not t.failure and t.found_nothing for _, t in traces),
                evaluations=sum(t.evaluations for _, t in traces),
                duplicates=sum(t.duplicates for _, t in traces),
                queries=charged["queries"],
                simulated_seconds=charged["seconds"],
                real_seconds=sum(t.real_seconds for _, t in traces),
                strategy_seconds=sum(t.strategy_seconds for _, t in traces),
            )
        )
    return found
