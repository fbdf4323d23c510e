"""What pages and exports read of results: every name of `surrogate_nas.study` that this room uses,
in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from surrogate_nas.core.errors import UserError
from surrogate_nas.files import Journal
from surrogate_nas.objective.expression import exact
from surrogate_nas.report.style import Look, looks
from surrogate_nas.study.api import read_comparison, stored_suite
from surrogate_nas.study.api import stored_problems as read_problems
from surrogate_nas.study.comparison import (
    Comparison,
    FoundCell,
    best_cells,
    final_metrics,
    final_questions,
    shared_cells,
    values_of,
)
from surrogate_nas.study.curves import MARKED, ProblemResult, expected_runtime
from surrogate_nas.study.decision import Rival, Statement, standings
from surrogate_nas.study.diagnosis import diagnose, trivial_cells
from surrogate_nas.study.lambda_path import STEP, LambdaPath, path_of, steps_in, stored_steps
from surrogate_nas.study.ledger import Ledger
from surrogate_nas.study.options import BEST_SHOWN
from surrogate_nas.study.run import Run, RunWatch
from surrogate_nas.study.scale import Noise, nondominated, undominated
from surrogate_nas.study.statistics import RESAMPLES, Anytime, Resampling, Values, ends, interval
from surrogate_nas.study.store import PLAN, PROBLEMS, Store, provenance
from surrogate_nas.study.suite import SuiteResult
from surrogate_nas.study.tables import (
    TABLES,
    Rows,
    as_csv,
    as_latex,
    best_of,
    bold,
    escaped,
    tabular,
    write_tables,
)
from surrogate_nas.study.verdict import TARGET, Verdict, ends_of, joined

__all__ = [
    "BASELINES",
    "BASELINE_SETTINGS",
    "BEST_SHOWN",
    "MARKED",
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
    "Noise",
    "Part",
    "ProblemResult",
    "Resampling",
    "Results",
    "Rival",
    "Rows",
    "Run",
    "RunWatch",
    "Source",
    "Statement",
    "Store",
    "Study",
    "SuiteResult",
    "Values",
    "Verdict",
    "as_csv",
    "as_latex",
    "best_cells",
    "best_of",
    "bold",
    "diagnose",
    "ends",
    "escaped",
    "expected_runtime",
    "final_metrics",
    "final_questions",
    "interval",
    "joined",
    "kind_of",
    "nondominated",
    "provenance",
    "read_baselines",
    "results_of",
    "shared_cells",
    "stored_problems",
    "tabular",
    "trivial_cells",
    "undominated",
    "values_of",
    "write_tables",
]


BASELINES = "baselines"
"""The folder of other systems' results within a comparison's."""
BASELINE_SETTINGS = {"what": "a baseline", "version": 1}


def read_baselines(folder: Path) -> list[dict[str, Any]]:
    """What ``snas baseline`` stored of other systems, by their names.

    Raises:
        UserError: A file is damaged.
    """
    baselines = []
    for path in sorted((folder / BASELINES).glob("*.jsonl")):
        entries = Journal.read(path, BASELINE_SETTINGS)
        if len(entries) != 1:
            raise UserError(f"{path} is damaged. Delete it and run snas baseline again.")
        baselines += entries
    return baselines


Kind = Literal["comparison", "front", "suite", "path"]
"""Of a result: of one objective, of several, of several problems, or over λ."""


@dataclass(frozen=True, eq=False)
class Study:
    """What a page is about: a result, and what stands beside it.

    Attributes:
        result: What was found.
        command: The command that made it, or empty.
        explorer: The file of the explorer beside the page, or empty.
        numbers: The file of its numbers beside the page, or empty.
        baselines: Systems of others on the same task.
    """

    result: Comparison | SuiteResult | LambdaPath
    command: str = ""
    explorer: str = ""
    numbers: str = ""
    baselines: Sequence[dict[str, Any]] = ()

    @property
    def kind(self) -> Kind:
        """What it is a result of."""
        if isinstance(self.result, Comparison):
            return "front" if self.result.objective.parts > 1 else "comparison"
        return "suite" if isinstance(self.result, SuiteResult) else "path"

    @property
    def comparison(self) -> Comparison:
        """The result of a comparison."""
        assert isinstance(self.result, Comparison)
        return self.result

    @property
    def suite(self) -> SuiteResult:
        """The result of a suite."""
        assert isinstance(self.result, SuiteResult)
        return self.result

    @property
    def path(self) -> LambdaPath:
        """The result of a path over λ."""
        assert isinstance(self.result, LambdaPath)
        return self.result

    @property
    def verdict(self) -> Verdict | None:
        """Of a comparison or a suite."""
        return None if isinstance(self.result, LambdaPath) else self.result.verdict

    @cached_property
    def looks(self) -> dict[str, Look]:
        """How each strategy is drawn."""
        result = self.result
        return looks(
            result.description["strategies"]
            if isinstance(result, Comparison)
            else result.strategies
        )

    @cached_property
    def problems(self) -> list[ProblemResult]:
        """The runs of a suite or a comparison, problem by problem."""
        result = self.result
        return (
            [result.problem_result] if isinstance(result, Comparison) else list(self.suite.problems)
        )

    @cached_property
    def standings(self) -> dict[str, tuple[str, ...]]:
        """The strategies in the order of the verdict's procedure, each with those after it that are
        not told apart.
        """
        names = self.result.strategies
        problems = self.problems
        if self.verdict is None or self.verdict.end is None:
            return {name: () for name in names}
        return standings(ends_of(names, problems))

    @cached_property
    def histories(self) -> dict[str, list[tuple[Run, Anytime]]]:
        """What the runs of a comparison that found a feasible cell had achieved when, by strategy;
        none is empty.
        """
        return {
            name: [(run, self.comparison.anytime(run)) for run in runs]
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
    """``comparison``, ``suite``, or empty for other folders."""
    if (folder / "experiment.json").is_file():
        return "comparison"
    return (
        "suite"
        if (folder / PLAN).is_file() or any((folder / PROBLEMS).glob("*/experiment.json"))
        else ""
    )


def stored_problems(
    result: SuiteResult,
    folder: Path,
    runs: int,
    comparisons: Mapping[str, Comparison] | None,
) -> Iterator[tuple[str, Comparison]]:
    """The comparison of every problem of a suite with a finished run among the first so many, by
    its name.

    They are those that were read already, or else those that the folder keeps.
    """
    if comparisons is None:
        yield from ((problem.name, made) for problem, made in read_problems(result, folder, runs))
        return
    for told in result.problems:
        made = comparisons.get(told.name)
        if made is not None and any(
            run.run < runs and run.trials and not run.failure for run in made.runs
        ):
            yield told.name, made


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

    @property
    def folder(self) -> str:
        """What stands before the names of its files."""
        return f"{self.name}/" if self.name else ""

    def named(self, *further: object) -> str:
        """A name for something of this part."""
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
        suite: The verdict over all parts, where they are problems of a suite that can be compared
            already.
        path: What the parts are steps of, where they are and their table is here.
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
        """The name of a part among the results of others."""
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

    def where(self, part: Part) -> dict[str, Any]:
        """The column that says which part a row is of, where there are several."""
        return {self.part_is: part.key} if self.part_is else {}


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
        return Results(source.objective.benchmark.name, [Part(None, source)], source.missing)
    folder = Path(source)
    name = folder.absolute().name
    if (folder / PLAN).is_file() or (folder / PROBLEMS).is_dir():
        stored = stored_suite(folder, benchmark=benchmark)
        parts = [
            Part(problem, made) for problem, made in stored.comparisons.items() if made.strategies
        ]
        return Results(name, parts, stored.missing, suite=stored.result)
    if steps_in(folder):
        steps = stored_steps(folder, benchmark=benchmark)
        is_recorded = any(step.comparison.objective.recorded is not None for step in steps)
        path = None if is_recorded else path_of(steps)
        parts = [Part(step.value, step.comparison) for step in steps]
        return Results(name, parts, sum(part.comparison.missing for part in parts), path=path)
    if not (folder / "experiment.json").is_file():
        raise UserError(
            f"{folder} holds no comparison, suite or path over λ: give what was --out of one of"
            " them."
        )
    made = read_comparison(folder, benchmark=benchmark)
    return Results(name, [Part(None, made)], made.missing)
