"""The interface between reports and results. This module collects every name of ``stats``, ``runs``
and ``results`` that reports use, and converts a run to a row of a table.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from surrogate_nas.report.style import Style, styles
from surrogate_nas.results.api import stored_problems
from surrogate_nas.results.comparison import (
    Comparison,
    FoundCell,
    Kind,
    StudyResult,
    best_cells,
    final_metrics,
    final_questions,
    shared_cells,
    values_of,
)
from surrogate_nas.results.curves import ProblemResult
from surrogate_nas.results.lambda_path import LambdaPath, diagnose
from surrogate_nas.results.stored import Source, results_of
from surrogate_nas.results.suite import (
    TABLES,
    SuiteResult,
    as_csv,
    escaped,
    tabular,
    write_tables,
)
from surrogate_nas.results.verdict import TARGET, joined
from surrogate_nas.runs.ledger import Ledger
from surrogate_nas.runs.options import BEST_SHOWN, Options, ended_by
from surrogate_nas.runs.problem import read_plan
from surrogate_nas.runs.run import Anytime, Run, RunWatch
from surrogate_nas.runs.scale import nondominated, undominated, vectors_of
from surrogate_nas.runs.store import PLAN, PROBLEMS, Store, numbers_of, provenance
from surrogate_nas.stats.decision import Rival, Statement
from surrogate_nas.stats.summaries import (
    RESAMPLES,
    Rows,
    Values,
    ends,
    interval,
    resampled_means,
)

__all__ = [
    "BEST_SHOWN",
    "PLAN",
    "PROBLEMS",
    "RESAMPLES",
    "TABLES",
    "TARGET",
    "Anytime",
    "Comparison",
    "FoundCell",
    "Kind",
    "LambdaPath",
    "Ledger",
    "Options",
    "ProblemResult",
    "Rival",
    "Rows",
    "Run",
    "RunWatch",
    "Source",
    "Statement",
    "Store",
    "Study",
    "StudyResult",
    "SuiteResult",
    "Values",
    "as_csv",
    "best_cells",
    "diagnose",
    "ended_by",
    "ends",
    "escaped",
    "final_metrics",
    "final_questions",
    "interval",
    "joined",
    "kind_of",
    "nondominated",
    "provenance",
    "resampled_means",
    "read_plan",
    "results_of",
    "shared_cells",
    "stored_problems",
    "tabular",
    "undominated",
    "vectors_of",
    "values_of",
    "write_tables",
    "numbers_of",
]


@dataclass(frozen=True, eq=False)
class Study:
    """A result to report, and where it comes from.

    Attributes:
        result: The result.
        command: The command line that made the result, or an empty string.
        explorer: The name of the explorer's file in the folder of the report, or an empty string.
        numbers: The name of the file with the numbers in the folder of the report, or an empty
            string.
    """

    result: StudyResult
    command: str = ""
    explorer: str = ""
    numbers: str = ""

    @property
    def comparison(self) -> Comparison:
        """The result, if it is a comparison."""
        assert isinstance(self.result, Comparison)
        return self.result

    @property
    def suite(self) -> SuiteResult:
        """The result, if it is of a suite."""
        assert isinstance(self.result, SuiteResult)
        return self.result

    @property
    def path(self) -> LambdaPath:
        """The result, if it is a path over λ."""
        assert isinstance(self.result, LambdaPath)
        return self.result

    @cached_property
    def styles(self) -> dict[str, Style]:
        """The style (colour and mark) of each strategy."""
        result = self.result
        if isinstance(result, Comparison):
            return styles(result.description["strategies"])
        return styles(result.strategies)

    @cached_property
    def histories(self) -> dict[str, list[tuple[Run, Anytime]]]:
        """The runs of a comparison that found a feasible cell, with their progress, by strategy.
        Strategies without a run that found a feasible cell are left out.
        """
        return {
            name: [(run, run.anytime(self.comparison.frame)) for run in runs]
            for name, runs in self.feasible.items()
            if runs
        }

    @cached_property
    def feasible(self) -> dict[str, list[Run]]:
        """The runs of a comparison that found a feasible cell, by strategy."""
        return {
            name: list(self.comparison.feasible_runs_of(name))
            for name in self.comparison.strategies
        }


def kind_of(folder: Path) -> str:
    """Return the type of results in a folder: ``comparison``, ``suite``, or an empty string if
    there is neither.
    """
    if (folder / "experiment.json").is_file():
        return "comparison"
    return (
        "suite"
        if (folder / PLAN).is_file()
        or any((folder / PROBLEMS).glob("*/experiment.json"))
        else ""
    )


_CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=UTC)


def clock(seconds: float) -> datetime:
    """Convert a time on the simulated clock to a date. Runs start in the year 2000, and one query
    counts as one second.
    """
    return _CLOCK_STARTS + timedelta(seconds=seconds)


def run_row(comparison: Comparison, run: Run) -> dict[str, Any]:
    """Return the results of one run as a row of a table. A run that failed or found no feasible
    cell has no score.

    The row omits final metrics that a user-defined function would have to compute, for example by
    training.
    """
    objective, optimum = comparison.objective, comparison.optimum
    is_found = not run.failure and bool(run.answers) and run.is_feasible
    score = comparison.score(run) if is_found else None
    answer = run.answer if is_found and objective.n_objectives == 1 else None
    row = {
        "strategy": run.strategy,
        "run": run.run,
        "score": score,
        "regret": None if score is None or optimum is None else score - optimum,
        "cell": answer and answer.cell.text,
        **({"loss": answer.loss, "penalty": answer.penalty} if answer else {}),
        "evaluations": len(run.trials),
        "distinct": len({trial.cell for trial in run.trials}),
        "cost": run.cost,
        "strategy_seconds": run.strategy_seconds,
        "real_seconds": run.real_seconds,
        "failure": run.failure,
    }
    benchmark = objective.benchmark
    final = (metric.name for metric in benchmark.metrics if metric.kind == "final")
    if answer is None or any(map(benchmark.is_expensive, final)):
        return row
    finals = final_metrics(objective, answer.cell)
    return row | {f"final_{name}": value for name, value in finals.items()}
