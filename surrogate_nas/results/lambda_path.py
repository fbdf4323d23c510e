"""Strategies over a grid of λ on an exact table: where the winner changes, and the front that the
optima trace.

The expression is read as L + λ·R: λ is the sum of the weights of R's terms, each over its median,
and R their mean by these weights. Each λ of the grid replaces that common factor and leaves the
proportions within R as they are. So ``valid_error + 0.1*params + 0.3*macs`` at λ = 0.2 is
``valid_error + 0.05*params + 0.15*macs``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.core.arguments import check_number, checked
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Expression, Objective, parse
from surrogate_nas.objective.expression import DIVERSITY, Term, exact
from surrogate_nas.results.api import compared, read_comparison
from surrogate_nas.results.comparison import STEP, Comparison, Kind, StudyResult
from surrogate_nas.results.curves import ProblemResult
from surrogate_nas.runs.options import Budget, takes_options
from surrogate_nas.runs.resuming import resumed
from surrogate_nas.runs.runner import Experiment, Part, Progress, execute
from surrogate_nas.runs.scale import Frame, frame_of
from surrogate_nas.runs.store import Store
from surrogate_nas.space import Cell, listed
from surrogate_nas.statistics.summaries import Values
from surrogate_nas.strategies import StrategyLike

_HEADS = ("lambda", "strategy", "run", "cell", "score", "regret", "L", "R")


@dataclass(frozen=True)
class Step:
    """One λ.

    Attributes:
        value: λ.
        comparison: The runs under L + λ·R.
    """

    value: float
    comparison: Comparison

    @property
    def optimum(self) -> int:
        """The place of the best cell in the order of the space."""
        scores = self.comparison.objective.over_space()
        assert scores is not None
        return int(scores.score.argmin())

    @property
    def mean_regrets(self) -> dict[str, float]:
        """By strategy, of those that found a feasible cell."""
        regrets = {name: self.comparison.regrets(name) for name in self.comparison.strategies}
        return {name: float(each.mean()) for name, each in regrets.items() if each is not None}

    @property
    def winners(self) -> list[str]:
        """The strategies of the least mean regret; several where they tie."""
        least = min(self.mean_regrets.values(), default=0.0)
        return [
            name
            for name, mean in self.mean_regrets.items()
            if mean <= least + self.comparison.rounding
        ]

    @property
    def decided(self) -> bool:
        """Whether one strategy wins, and the verdict tells it apart from every other."""
        verdict = self.comparison.verdict
        return verdict.decided_here and self.winners == [verdict.winner]


@dataclass(frozen=True)
class LambdaPath(StudyResult):
    """Comparisons over a grid of λ.

    Attributes:
        expression: The expression that the grid is of.
        steps: By rising λ.
        folder: Where they are stored; None in memory.
    """

    expression: str
    steps: Sequence[Step]
    folder: Path | None = None

    @property
    def kind(self) -> Kind:
        """A path."""
        return "path"

    @property
    def title(self) -> str:
        """The benchmark's name."""
        return self.steps[0].comparison.title

    @cached_property
    def comparisons(self) -> dict[str, Comparison]:
        """The comparison at each λ."""
        one_each = [replace(step.comparison, key=step.value) for step in self.steps]
        return {comparison.problem: comparison for comparison in one_each}

    @cached_property
    def problems(self) -> list[ProblemResult]:
        """The runs at each λ in a few numbers."""
        return [step.comparison.problem_result for step in self.steps]

    @property
    def missing(self) -> int:
        """How many runs of what was begun have not ended yet."""
        return sum(step.comparison.missing for step in self.steps)

    @property
    def verdict(self) -> None:
        """A path has none: each of its steps has one."""

    @cached_property
    def plane(self) -> Objective:
        """L and R as two objectives."""
        return plane_of(parse(self.expression), self.steps[-1].comparison.objective.benchmark)

    @cached_property
    def frame(self) -> Frame:
        """What hypervolumes are taken in: that of the exact front of L and R."""
        return _frame_of(self.plane, self.expression)

    @cached_property
    def points(self) -> Values:
        """L and R of all cells, shape ``(cells, 2)``."""
        scores = self.plane.over_space()
        assert scores is not None
        return scores.vector

    def point(self, cell: Cell) -> Values:
        """L and R of a cell, shape ``(2,)``."""
        return np.asarray(self.points[listed(self.plane.benchmark.space).index(cell)])

    def traced(self, strategy: str) -> list[Values]:
        """What each run of a strategy found over the grid: L and R of its answer at each λ, shape
        ``(steps, 2)``.
        """
        points: dict[int, list[Values]] = {}
        for step in self.steps:
            for run in step.comparison.feasible_runs_of(strategy):
                points.setdefault(run.run, []).append(self.point(step.comparison.answer(run).cell))
        return [np.array(points[number]) for number in sorted(points)]

    @property
    def strategies(self) -> list[str]:
        """The strategies with a finished run."""
        return list(
            dict.fromkeys(name for step in self.steps for name in step.comparison.strategies)
        )

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Where the winner changes: between which two λ, from whom to whom."""
        return [
            {"between": [a.value, b.value], "from": a.winners, "to": b.winners}
            for a, b in zip(self.steps, self.steps[1:], strict=False)
            if a.winners != b.winners
        ]

    def to_json(self) -> dict[str, Any]:
        """The path as ``snas lambda-path --json`` prints it."""
        covered = {
            name: [1 - self.frame.missed(run) for run in self.traced(name)]
            for name in self.strategies
        }
        return {
            "benchmark": self.plane.benchmark.name,
            "objective": self.expression,
            "lambdas": [self._step_json(step) for step in self.steps],
            "changes": self.changes,
            "hypervolume": {
                "utopia": self.frame.utopia.tolist(),
                "nadir": (self.frame.utopia + self.frame.span).tolist(),
                "optima": 1 - self.frame.missed(self.points[[step.optimum for step in self.steps]]),
                "strategies": [
                    {
                        "name": name,
                        "mean": float(np.mean(shares)) if shares else None,
                        "std": float(np.std(shares, ddof=1)) if len(shares) > 1 else None,
                    }
                    for name, shares in covered.items()
                ],
            },
        }

    def _step_json(self, step: Step) -> dict[str, Any]:
        objective = step.comparison.objective
        place = step.optimum
        loss, cost = self.points[place].tolist()
        means = step.mean_regrets
        found = {}
        for name in step.comparison.strategies:
            regrets = step.comparison.regrets(name)
            met = 0 if regrets is None else int((regrets <= step.comparison.rounding).sum())
            found[name] = met / len(step.comparison.runs_of(name))
        return {
            "value": step.value,
            "objective": str(objective),
            "fingerprint": objective.fingerprint,
            "optimum": {
                "cell": str(listed(objective.benchmark.space)[place]),
                "score": objective.optimum(),
                "L": loss,
                "R": cost,
            },
            "winners": step.winners,
            "decided": step.decided,
            "strategies": [
                {
                    "name": name,
                    "runs": len(step.comparison.runs_of(name)),
                    "score": (
                        None if name not in means else float(step.comparison.scores(name).mean())
                    ),
                    "regret": means.get(name),
                    "found": found[name],
                }
                for name in step.comparison.strategies
            ],
        }

    def to_csv(self) -> str:
        """What every run found at every λ, a line each."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(_HEADS)
        for step in self.steps:
            best = step.comparison.optimum or 0.0
            for name in step.comparison.strategies:
                for run in step.comparison.feasible_runs_of(name):
                    trial = step.comparison.answer(run)
                    row = (step.value, name, run.run, trial.cell, trial.score, trial.score - best)
                    lines.writerow((*row, *self.point(trial.cell).tolist()))
        return text.getvalue()


@checked
@takes_options()
def lambda_path(
    benchmark: str | Benchmark,
    strategies: Sequence[StrategyLike],
    objective: str | Expression | None = None,
    *,
    lambdas: Sequence[float],
    subject_to: str | None = None,
    runs: int = 10,
    budget: int = 150,
    workers: int | None = None,
    engine: str = "processes",
    folder: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> LambdaPath:
    """Compare strategies at every λ of a grid, resuming what a folder already holds.

    Args:
        benchmark: A name or an opened benchmark; a table with all its cells.
        strategies: Names, ``file.py:Class``, or classes.
        objective: One expression with L and R; None for the benchmark's default.
        lambdas: Different numbers of at least 0.
        runs: How many seeds at each λ, the same at all.
        budget: The most evaluations of a run.
        workers: How many runs at once; None for one, or for as many as a cluster takes.
        engine: Where they are made: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a
            colon its place, such as ``dask:tcp://HOST:8786``. Results depend neither on it nor on
            `workers`.
        folder: Where results are stored, a folder a λ; None keeps them in memory.
        progress: Called with (runs done, runs in all).
        **options: See ``Options``.

    Raises:
        UserError: Anything about the input is wrong, or a run failed.
    """
    opened = load(benchmark) if isinstance(benchmark, str) else benchmark
    expression = parse(str(opened.objective if objective is None else objective), subject_to)
    if any(term.metric == DIVERSITY for term in expression.terms):
        raise UserError("diversity depends on a run's history, so there is no optimum at any λ.")
    values = checked_grid(lambdas)
    bound = [Objective(at(expression, opened, value), opened) for value in values]
    # what these refuse is refused before any run
    _frame_of(plane_of(expression, opened), str(expression))
    parts = []
    for value, under in zip(values, bound, strict=True):
        name = f"{STEP}{exact(value)}"
        place = None if folder is None else Path(folder) / name
        experiment = Experiment(resumed(under, place), strategies, runs, Budget(budget), **options)
        parts.append(Part(name, experiment, None if place is None else Store(place)))
    made = execute(parts, workers=workers, engine=engine, progress=progress)
    if failures := [run.failure for run in made.values() if run.failure]:
        raise UserError(failures[0])
    comparisons = [compared(part.experiment, part.in_order(made)) for part in parts]
    return LambdaPath(str(expression), list(map(Step, values, comparisons)))


def plane_of(expression: Expression, benchmark: Benchmark) -> Objective:
    """L and R of an expression as two objectives."""
    loss, cost = _loss_and_cost(expression, benchmark)
    plane = Objective(
        (Expression(loss, expression.constraints), Expression(scaled(cost, 1.0))), benchmark
    )
    if plane.over_space() is None:
        raise UserError(
            f"A path over λ needs exact optima: a table with all its cells, which {benchmark.name}"
            " is not."
        )
    return plane


def _frame_of(plane: Objective, expression: str) -> Frame:
    frame = frame_of(plane)
    if frame is None:
        raise UserError(f"No cell of {plane.benchmark.name} keeps the limits of {expression}.")
    return frame


def checked_grid(lambdas: Sequence[float]) -> list[float]:
    """The grid in rising order."""
    values = sorted(check_number("A λ", value) for value in lambdas)
    if not values:
        raise UserError("A path over λ needs at least one λ, such as --lambdas 0,0.05,0.1.")
    if twice := [a for a, b in zip(values, values[1:], strict=False) if a == b]:
        raise UserError(f"λ = {twice[0]:g} is there twice.")
    return values


def at(expression: Expression, benchmark: Benchmark, value: float) -> Expression:
    """The expression with another λ."""
    loss, cost = _loss_and_cost(expression, benchmark)
    return replace(expression, terms=(*loss, *scaled(cost, value)))


def _loss_and_cost(
    expression: Expression, benchmark: Benchmark
) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    is_loss = {term: benchmark.metric(term.metric).is_loss for term in expression.terms}
    loss, cost = (
        tuple(term for term in expression.terms if is_loss[term] == wanted)
        for wanted in (True, False)
    )
    if not sum(term.weight for term in cost):
        raise UserError(
            f"{expression} has no regulariser for λ to weigh; add one, such as 0.1*params."
        )
    return loss, cost


def scaled(terms: Sequence[Term], total: float) -> tuple[Term, ...]:
    """Terms with weights of another sum, in the same proportions."""
    before = sum(term.weight for term in terms)
    return tuple(replace(term, weight=total * (term.weight / before)) for term in terms)


def steps_in(folder: Path) -> dict[float, Path]:
    """The folders of a path's λ by rising λ; empty where the folder holds no path."""
    folders = {}
    for place in folder.glob(f"{STEP}*"):
        try:
            folders[float(place.name.removeprefix(STEP))] = place
        except ValueError:  # somebody else's
            continue
    return {value: folders[value] for value in sorted(folders)}


def read_lambda_path(folder: str | Path, *, benchmark: str | None = None) -> LambdaPath:
    """Read a stored path as far as it was made.

    Its expression is that of the largest λ.

    Args:
        benchmark: The benchmark's name again, where opening it runs a file of the user's.

    Raises:
        UserError: It holds no path, a damaged one, or no finished run yet.
    """
    folder = Path(folder)
    steps = []
    for value, place in steps_in(folder).items():
        if any((place / "runs").glob("*.jsonl")):
            comparison = read_comparison(place, benchmark=benchmark, unfinished=True)
            if comparison.strategies:
                steps.append(Step(value, comparison))
    if not steps:
        raise UserError(f"{folder} holds no finished run of a path over λ yet.")
    expression = parse(str(steps[-1].comparison.objective))
    return LambdaPath(str(expression), steps, folder)
