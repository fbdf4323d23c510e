"""What a suite's folder keeps of its problems: each is a comparison, to be read as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from surrogate_nas.study.comparison import Comparison, read_comparison
from surrogate_nas.study.store import Store
from surrogate_nas.study.suite.problems import Problem
from surrogate_nas.study.suite.result import SuiteResult

PLAN = "plan.json"
"""What is to be run, so that others can tell how far it is: problems' folders hold the largest number of runs only."""
PROBLEMS = "problems"
"""The folder of the problems' folders."""


def kept_problems(result: SuiteResult, folder: Path, runs: int) -> Iterator[tuple[Problem, Comparison]]:
    """The comparison of every problem that a folder keeps with a finished run, in the order of the suite.

    Args:
        result: What the suite has found.
        folder: Its folder.
        runs: How many runs of each strategy are read, from the first.

    Raises:
        UserError: A problem's folder is damaged, or its benchmark now holds other data.
    """
    for told in result.problems:
        place = folder / PROBLEMS / told.name
        traces = [trace for made in told.traces.values() for trace in made if trace.run < runs]
        if any(trace.evaluations and not trace.failure for trace in traces) and Store(place).exists:
            yield told.problem, read_comparison(place, benchmark=told.problem.benchmark, runs=runs)
