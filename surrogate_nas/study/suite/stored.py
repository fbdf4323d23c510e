"""A suite read from its folder, finished or not, without making a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from surrogate_nas.core.errors import UserError
from surrogate_nas.files.regular import read_regular
from surrogate_nas.study.comparison import Comparison, read_comparison
from surrogate_nas.study.suite.kept import PLAN, PROBLEMS
from surrogate_nas.study.suite.problems import Problem, Suite
from surrogate_nas.study.suite.reading import suite_told
from surrogate_nas.study.suite.result import ProblemResult, Skipped, SuiteResult
from surrogate_nas.study.suite.runner import problem_result
from surrogate_nas.study.suite.trace import trace_of


@dataclass(frozen=True)
class StoredSuite:
    """What a folder holds of a suite.

    Attributes:
        suite: What was asked.
        comparisons: The runs so far of each problem that has one, by its name.
    """

    suite: Suite
    comparisons: Mapping[str, Comparison]

    @property
    def missing(self) -> int:
        """How many runs of the suite are not there."""
        asked = len(self.suite.problems) * sum(entrant.runs for entrant in self.suite.entrants)
        return asked - sum(len(comparison.runs) for comparison in self.comparisons.values())

    @cached_property
    def result(self) -> SuiteResult | None:
        """What it has found where all strategies that have begun have a run; None while that is nowhere."""
        begun = {run.strategy for comparison in self.comparisons.values() for run in comparison.runs}
        suite = replace(self.suite, entrants=[entrant for entrant in self.suite.entrants if entrant.label in begun])
        results, skipped = [], []
        for problem in suite.problems:
            made = self.comparisons.get(problem.name)
            if made is not None and {run.strategy for run in made.runs} == begun:
                results.append(_result(problem, made, suite))
            else:
                skipped.append(Skipped(problem, "Not every strategy has a run there."))
        return SuiteResult(suite, results, skipped) if results else None


def _result(problem: Problem, made: Comparison, suite: Suite) -> ProblemResult:
    objective, description = made.objective, made.description
    traces = [trace_of(objective, description, run, problem.budget) for run in made.runs]
    return problem_result(problem, objective, suite.labels, traces)


def stored_suite(folder: str | Path, *, benchmark: str | None = None, verify: bool = False) -> StoredSuite:
    """Read a suite's folder.

    Args:
        folder: Where `run_suite` stored it.
        benchmark: A benchmark's name again, where opening it runs a file of the user's.
        verify: Whether all scores are looked up again, not the best of each run alone.

    Raises:
        UserError: It holds no suite, a damaged one, or no finished run yet.
    """
    folder = Path(folder)
    suite = _asked(folder / PLAN)
    comparisons = {}
    for problem in suite.problems:
        place = folder / PROBLEMS / problem.name
        if any((place / "runs").glob("*.jsonl")):
            made = read_comparison(place, benchmark=benchmark, unfinished=True, verify=verify)
            comparisons[problem.name] = _entered(made, suite)
    if not any(comparison.strategies for comparison in comparisons.values()):
        raise UserError(f"{folder} holds no finished run yet.")
    return StoredSuite(suite, comparisons)


def _asked(path: Path) -> Suite:
    """The suite of a plan."""
    try:
        plan = json.loads(read_regular(path))
        problems = [{key: value for key, value in one.items() if value is not None} for one in plan["asked"]]
        told = {key: plan[key] for key in ("title", "seed", "strategies")} | {"problems": problems}
        name = str(plan["suite"])
    except FileNotFoundError as error:
        raise UserError(f"{path.parent} does not tell its suite: run its snas suite command once more.") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged or of an older version: run its snas suite command once more.") from error
    return suite_told(name, str(path), told)


def _entered(made: Comparison, suite: Suite) -> Comparison:
    """The runs that belong to a suite; its folder may hold more, of other strategies or seeds."""
    runs = {entrant.label: entrant.runs for entrant in suite.entrants}
    kept = [run for name in runs for run in made.runs if run.strategy == name and run.run < runs[name]]
    told = {"strategies": [name for name in made.description["strategies"] if name in runs], "runs": max(runs.values())}
    return Comparison(made.objective, made.description | told, kept)
