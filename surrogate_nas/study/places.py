"""The default folder of a command's results: one for each question, found again by its content.

The first question about a benchmark has ``results/compare-fashion``; another objective on it has
the next free one, ``results/compare-fashion-2``. A folder is a question's own by what it holds, so
the same command finds it again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.core.errors import UserError
from surrogate_nas.files.regular import read_regular
from surrogate_nas.objective import Objective, parse
from surrogate_nas.study.lambda_path import at, steps_in
from surrogate_nas.study.problem import Suite
from surrogate_nas.study.resuming import asks_the_same
from surrogate_nas.study.store import PLAN, PROBLEMS, Store


def own_place(base: Path, is_own: Callable[[Path], bool]) -> Path:
    """The first of ``BASE``, ``BASE-2``, ``BASE-3`` … that holds no results, or a question's own.

    Args:
        base: The folder of a benchmark's first question.
        is_own: Whether a folder that holds results is of the question that is asked now.
    """
    further = (base.with_name(f"{base.name}-{number}") for number in count(2))
    return next(
        place for place in chain([base], further) if not _holds_results(place) or is_own(place)
    )


def _holds_results(folder: Path) -> bool:
    return (
        (folder / PLAN).is_file()
        or (folder / PROBLEMS).is_dir()
        or Store(folder).exists
        or bool(steps_in(folder))
    )


def is_of_objective(objective: Objective) -> Callable[[Path], bool]:
    """Whether a folder is a comparison's under an objective."""

    def is_own(folder: Path) -> bool:
        store = Store(folder)
        return store.exists and asks_the_same(store.read(), objective)

    return is_own


def is_of_suite(suite: Suite) -> Callable[[Path], bool]:
    """Whether a folder is a suite's: the problems of both that have the same name ask the same."""

    def is_own(folder: Path) -> bool:
        try:
            asked = json.loads(read_regular(folder / PLAN))["asked"]
            stored = {problem["name"]: problem for problem in asked}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return (folder / PROBLEMS).is_dir()  # what is wrong with it is said when it is read
        keys = ("benchmark", "objective", "subject_to", "seed_policy")
        usual = {"seed_policy": "mean"}  # what folders of earlier releases say of all
        return all(
            (stored[problem.name].get(key) or usual.get(key)) == (value or usual.get(key))
            for problem in suite.problems
            if problem.name in stored
            for key, value in asdict(problem).items()
            if key in keys
        )

    return is_own


def is_of_path(
    benchmark: Benchmark,
    objective: str | None,
    subject_to: str | None,
) -> Callable[[Path], bool]:
    """Whether a folder is that of a path over λ of an expression."""
    expression = parse(benchmark.objective if objective is None else objective, subject_to)

    def is_own(folder: Path) -> bool:
        steps = {value: Store(place) for value, place in steps_in(folder).items()}
        stored = {
            value: store.read()["objective"] for value, store in steps.items() if store.exists
        }
        try:
            asked = {
                value: str(Objective(at(expression, benchmark, value), benchmark))
                for value in stored
            }
        except UserError:
            return True  # what is wrong with the expression is said when it is run
        return all(
            (one["expression"], one["benchmark"]) == (asked[value], benchmark.name)
            for value, one in stored.items()
        )

    return is_own
