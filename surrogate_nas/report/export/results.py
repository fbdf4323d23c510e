"""What is exported: the comparisons that a folder holds, or one in memory, with what they are parts of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.objective.expression import exact
from surrogate_nas.study.comparison import Comparison, read_comparison
from surrogate_nas.study.comparison.lambda_path import STEP, LambdaPath
from surrogate_nas.study.comparison.stored_path import read_lambda_path, steps_in
from surrogate_nas.study.store import Run
from surrogate_nas.study.suite.kept import PLAN, PROBLEMS
from surrogate_nas.study.suite.result import SuiteResult
from surrogate_nas.study.suite.stored import stored_suite

_CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=UTC)


class Part(NamedTuple):
    """One comparison of an export.

    Attributes:
        key: The problem of a suite, or the λ of a path; None where the comparison is all there is.
        comparison: Its runs.
    """

    key: str | float | None
    comparison: Comparison

    @property
    def name(self) -> str:
        """The name of its folder; empty where the comparison is all there is."""
        return f"{STEP}{exact(self.key)}" if isinstance(self.key, float) else self.key or ""

    def named(self, *further: object) -> str:
        """A name for something of this part.

        Args:
            further: What it is within the part.
        """
        return " / ".join(map(str, filter(None, [self.name, *further])))

    @property
    def runs(self) -> list[Run]:
        """The finished runs and those that failed, by strategy and number."""
        made = self.comparison
        order = {name: place for place, name in enumerate(made.description["strategies"])}
        ended = [run for run in made.runs if run.trials or run.failure]
        return sorted(ended, key=lambda run: (order[run.strategy], run.run))


@dataclass(frozen=True)
class Results:
    """What is exported.

    Example:
        >>> import surrogate_nas as sn
        >>> made = sn.compare("fashion", ["random"], runs=2, budget=12)
        >>> [(run.strategy, run.run) for _, run in Results("mine", [Part(None, made)]).runs()]
        [('random', 0), ('random', 1)]

    Attributes:
        name: Of the folder, or of the benchmark where there is none.
        parts: A comparison each.
        missing: How many runs of what was begun are not there yet.
        suite: The verdict over all parts, where they are problems of a suite that can be compared already.
        path: What the parts are steps of, where they are.
    """

    name: str
    parts: Sequence[Part]
    missing: int = 0
    suite: SuiteResult | None = None
    path: LambdaPath | None = None

    @property
    def part_is(self) -> str:
        """What a part is, for the head of a column; empty where there is no other."""
        key = self.parts[0].key
        return "" if key is None else "lambda" if isinstance(key, float) else "problem"

    def named(self, part: Part) -> str:
        """The name of a part among the results of others.

        Args:
            part: One of `parts`.
        """
        return f"{self.name} / {part.name}" if part.name else self.name

    def runs(self) -> Iterator[tuple[Part, Run]]:
        """Every run with its part."""
        for part in self.parts:
            for run in part.runs:
                yield part, run

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return sum(len(run.trials) for _, run in self.runs())


Source = Results | Comparison | str | Path
"""What can be exported: a folder, or a comparison in memory."""


def results_of(source: Source, *, benchmark: str | None = None) -> Results:
    """Read what a folder holds: a comparison, a suite or a path over λ, finished or not.

    Args:
        source: The folder; or a comparison, which needs no reading.
        benchmark: A benchmark's name again, where opening it runs a file of the user's.

    Raises:
        UserError: The folder holds none of them, a damaged one, or no finished run yet.

    Example:
        >>> import surrogate_nas as sn
        >>> results = results_of(sn.compare("fashion", ["random"], runs=2, budget=12))
        >>> results.name, results.trials, results.missing
        ('fashion', 24, 0)
    """
    if isinstance(source, Results):
        return source
    if isinstance(source, Comparison):
        return _of_comparison(source, source.objective.benchmark.name)
    folder = Path(source)
    if (folder / PLAN).is_file() or (folder / PROBLEMS).is_dir():
        return _of_suite(folder, benchmark)
    if steps_in(folder):
        return _of_path(folder, benchmark)
    if not (folder / "experiment.json").is_file():
        raise UserError(f"{folder} holds no comparison, suite or path over λ: give what was --out of one of them.")
    return _of_comparison(read_comparison(folder, benchmark=benchmark), folder.absolute().name)


def _of_comparison(comparison: Comparison, name: str) -> Results:
    return Results(name, [Part(None, comparison)], comparison.missing)


def _of_suite(folder: Path, benchmark: str | None) -> Results:
    stored = stored_suite(folder, benchmark=benchmark)
    parts = [Part(name, made) for name, made in stored.comparisons.items() if made.strategies]
    return Results(folder.absolute().name, parts, stored.missing, suite=stored.result)


def _of_path(folder: Path, benchmark: str | None) -> Results:
    path = read_lambda_path(folder, benchmark=benchmark)
    parts = [Part(step.value, step.comparison) for step in path.steps]
    return Results(folder.absolute().name, parts, sum(part.comparison.missing for part in parts), path=path)


def clock(seconds: float) -> datetime:
    """A moment of the simulated clock as a date; every run starts with the year 2000.

    Args:
        seconds: Since the run began; a query counts as one.
    """
    return _CLOCK_STARTS + timedelta(seconds=seconds)
