"""A comparison of strategies over a grid of λ on a table: where the winner changes, the Pareto
front of the optima, and whether λ matters.

The objective has the form L + λ·R. Every term of R is divided by its median over the space. The
value of λ is the sum of the weights of these terms, and R is their weighted mean. For each λ of the
grid, the weights are rescaled so that their sum is λ. For example,
``valid_error + 0.1*params + 0.3*macs`` at λ = 0.2 is ``valid_error + 0.05*params + 0.15*macs``.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from msgspec import structs

from surrogate_nas.benchmarks import Benchmark, load
from surrogate_nas.core import UserError, check_number, checked
from surrogate_nas.objective import Expression, Objective, parse
from surrogate_nas.objective.expression import Term, exact
from surrogate_nas.results.api import compared, read_comparison, takes_former_names
from surrogate_nas.results.comparison import STEP, Comparison, StudyResult
from surrogate_nas.results.verdict import joined
from surrogate_nas.runs.beginning import FirstLike, read_beginning
from surrogate_nas.runs.events import Callback, as_callback
from surrogate_nas.runs.options import N_RANDOM, Resources, budget_of
from surrogate_nas.runs.runner import Experiment, execute
from surrogate_nas.runs.scale import Frame, frame_of
from surrogate_nas.runs.store import resumed
from surrogate_nas.space import listed
from surrogate_nas.stats.summaries import Row, Values
from surrogate_nas.strategies import DEFAULTS, StrategiesLike


@dataclass(frozen=True)
class LambdaPath(StudyResult):
    """Comparisons over a grid of λ.

    Attributes:
        expression: The objective, as an expression of the form L + λ·R.
        steps: One comparison per λ of the grid, in increasing order of λ.
        folder: The folder of the results, or None.
    """

    kind = "path"
    expression: str
    steps: Sequence[Comparison]
    folder: Path | None = None

    @property
    def comparisons(self) -> dict[str, Comparison]:
        """The comparison at each λ."""
        return {step.problem: step for step in self.steps}

    @cached_property
    def plane(self) -> Objective:
        """The multi-objective problem whose two objectives are L and R."""
        return plane_of(parse(self.expression), self.steps[-1].objective.benchmark)

    @cached_property
    def frame(self) -> Frame:
        """The reference frame in which hypervolumes are computed, defined by the exact Pareto front
        of L and R.
        """
        frame = frame_of(self.plane)
        assert frame is not None
        return frame

    @cached_property
    def points(self) -> Values:
        """The values of L and R of all cells, shape ``(cells, 2)``."""
        scores = self.plane.over_space()
        assert scores is not None
        return scores.vector

    @cached_property
    def optima(self) -> list[int]:
        """The index of the best cell at each λ."""
        every = [step.objective.over_space() for step in self.steps]
        return [int(scores.score.argmin()) for scores in every if scores is not None]

    def traced(self, strategy: str) -> list[Values]:
        """Return L and R of the final cells that a strategy found at each λ. There is one array of
        shape ``(steps, 2)`` per run number.
        """
        cells = listed(self.plane.benchmark.space)
        points: dict[int, list[Values]] = {}
        for step in self.steps:
            for run in step.feasible_runs_of(strategy):
                index = cells.index(run.answer.cell)
                points.setdefault(run.run, []).append(self.points[index])
        return [np.array(points[number]) for number in sorted(points)]

    @property
    def sentences(self) -> list[str]:
        """Sentences that name the strategies with the lowest mean regret at each λ."""
        return [
            f"Lowest mean regret at λ = {', '.join(s.problem.removeprefix(STEP) for s in steps)}:"
            f" {joined(winners)}."
            for winners, steps in groupby(self.steps, lambda step: step.winners)
        ]

    def __repr__(self) -> str:
        grid = f"{len(self.steps)} λ, {len(self.strategies)} strategies"
        return f"<LambdaPath of {self.expression!r} on {self.title}: {grid}>"

    def to_json(self) -> Row:
        """Return the path over λ in the format of ``snas lambda-path --json``. The entry
        ``changes`` lists the pairs of λ between which the winner changes, with both winners.
        """
        covered = {
            name: [1 - self.frame.missed(run) for run in self.traced(name)]
            for name in self.strategies
        }
        return {
            "benchmark": self.plane.benchmark.name,
            "objective": self.expression,
            "lambdas": list(map(self._step_json, self.steps, self.optima)),
            "changes": [
                {"between": [a.key, b.key], "from": a.winners, "to": b.winners}
                for a, b in pairwise(self.steps)
                if a.winners != b.winners
            ],
            "hypervolume": {
                "utopia": self.frame.utopia.tolist(),
                "nadir": (self.frame.utopia + self.frame.span).tolist(),
                "optima": 1 - self.frame.missed(self.points[self.optima]),
                "strategies": [
                    {
                        "name": name,
                        "mean": float(np.mean(shares)) if shares else None,
                        "std": float(np.std(shares, ddof=1))
                        if len(shares) > 1
                        else None,
                    }
                    for name, shares in covered.items()
                ],
            },
        }

    def _step_json(self, step: Comparison, optimum: int) -> Row:
        objective, verdict = step.objective, step.verdict
        loss, cost = self.points[optimum].tolist()
        strategies = []
        for name in step.strategies:
            n_runs = len(step.runs_of(name))
            scores, regrets = step.scores(name), step.regrets(name)
            met = int((regrets <= step.rounding).sum())
            entry = {
                "name": name,
                "runs": n_runs,
                "score": float(scores.mean()) if len(scores) else None,
                "regret": step.mean_regrets.get(name),
                "normalised_regret": float(step.normalised_regrets(name).mean())
                if len(scores)
                else None,
                "found": met / n_runs,
            }
            strategies.append(entry)
        return {
            "value": step.key,
            "objective": str(objective),
            "fingerprint": objective.fingerprint,
            "optimum": {
                "cell": str(listed(objective.benchmark.space)[optimum]),
                "score": objective.optimum(),
                "L": loss,
                "R": cost,
            },
            "winners": step.winners,
            "decided": verdict.decided_here and step.winners == [verdict.winner],
            "strategies": strategies,
        }


@takes_former_names
@checked
def lambda_path(
    benchmark: str | Benchmark,
    strategies: StrategiesLike = DEFAULTS,
    objective: str | Expression | None = None,
    *,
    lambdas: Sequence[float] = (0, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
    subject_to: str | None = None,
    runs: int = 10,
    budget: int | None = None,
    budget_tokens: int | None = None,
    target: float | None = None,
    seed: int = 0,
    first: FirstLike = (),
    n_random: int = N_RANDOM,
    folder: str | Path | None = None,
    callback: Callback | None = None,
    resources: Resources | None = None,
    hidden: bool = False,
) -> LambdaPath:
    """Compare strategies at every λ of a grid. If `folder` contains results of this grid of λ, only
    the missing runs are made.

    Args:
        benchmark: A name or an opened benchmark. The benchmark must be a table that contains all
            cells.
        strategies: Names, ``file.py:Class``, or classes.
        objective: An expression of the form L + λ·R. If None, the benchmark's default objective is
            used.
        lambdas: The values of λ, each at least 0, without duplicates.
        subject_to: Constraints as a string, or None.
        runs: Number of runs of each strategy at each λ, each run with its own seed.
        budget: The largest number of evaluations of a run, 150 by default.
        budget_tokens: The largest number of tokens that an external program may report in one run.
            An answer that exceeds the token budget does not count.
        target: A score. A run ends as soon as a feasible cell has at most this score in the search.
        seed: The seed from which all randomness is derived.
        first: Cells that every run evaluates before all other cells, in the format of
            `surrogate_nas.search`.
        n_random: Number of random cells that every strategy evaluates after `first`.
        folder: The folder to store results in, one subfolder per λ. If None, the results are only
            kept in memory.
        callback: A function that is called with an `Event` at the beginning and at the end of each
            run. If runs are made one after another on this machine, the callback is also called
            after each evaluation. In these calls, ``event.stop()`` ends the run.
        resources: How many runs execute in parallel, on which machines, and with which limits
            (`Resources`).
        hidden: Whether to hide the free terms, which need no training, from strategies.

    Raises:
        UserError: An argument is invalid, or a run failed.

    Example:
        >>> import surrogate_nas as sn
        >>> path: sn.LambdaPath = sn.lambda_path(
        ...     "fashion", ["random", "evolution"], lambdas=[0, 0.2], runs=2, budget=30
        ... )
        >>> [step.key for step in path.steps]
        [0.0, 0.2]
    """
    opened = load(benchmark)
    expression = parse(
        str(opened.objective if objective is None else objective), subject_to
    )
    values = sorted(
        {check_number("A λ", value) for value in np.array(lambdas, object, ndmin=1)}
    )
    if not values:
        raise UserError(
            "A path over λ needs at least one λ, such as --lambdas 0,0.05,0.1."
        )
    bound = [Objective(at(expression, opened, value), opened) for value in values]
    if frame_of(plane_of(expression, opened)) is None:  # refused before any run
        raise UserError(
            f"No cell of {opened.name} satisfies the constraints of {expression}."
        )
    options = structs.asdict(Resources.of(resources)) | {
        **{"budget_tokens": budget_tokens, "target": target, "hidden": hidden},
        **{"seed": seed, "n_random": n_random},
    }
    problems = []
    for value, under in zip(values, bound, strict=True):
        name = f"{STEP}{exact(value)}"
        path = None if folder is None else Path(folder) / name
        asked = resumed(under, path), strategies, runs, budget_of(budget, None)
        begun = read_beginning(under, first)
        problems.append(Experiment(*asked, begun, name=name, folder=path, **options))
    results = execute(problems, as_callback(callback))
    if failures := [run.failure for run in results.values() if run.failure]:
        raise UserError(failures[0])
    steps = [
        replace(compared(problem, problem.in_order(results)), key=value)
        for problem, value in zip(problems, values, strict=True)
    ]
    return LambdaPath(str(expression), steps)


def plane_of(expression: Expression, benchmark: Benchmark) -> Objective:
    """Return the multi-objective problem whose two objectives are the L and the R of an
    expression.
    """
    loss, cost = _loss_and_cost(expression, benchmark)
    plane = Objective(
        (Expression(loss, expression.constraints), Expression(scaled(cost, 1.0))),
        benchmark,
    )
    if plane.over_space() is None:
        raise UserError(
            f"A path over λ requires exact optima: a table with all cells, which {benchmark.name}"
            " is not, and no diversity, which depends on a run's history."
        )
    return plane


def at(expression: Expression, benchmark: Benchmark, value: float) -> Expression:
    """Return the expression L + λ·R with another value of λ."""
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
            f"{expression} has no regulariser for λ to weight. Add one, such as 0.1*params."
        )
    return loss, cost


def scaled(terms: Sequence[Term], total: float) -> tuple[Term, ...]:
    """Return terms whose weights are rescaled to another sum, in the same proportions."""
    before = sum(term.weight for term in terms)
    return tuple(replace(term, weight=total * (term.weight / before)) for term in terms)


def steps_in(folder: Path) -> dict[float, Path]:
    """Return the subfolders of a path over λ, by increasing λ; empty if the folder contains no
    path.
    """
    folders = {}
    for path in folder.glob(f"{STEP}*"):
        with suppress(ValueError):  # somebody else's
            folders[float(path.name.removeprefix(STEP))] = path
    return dict(sorted(folders.items()))


def read_lambda_path(
    folder: str | Path, *, benchmark: str | Benchmark | None = None
) -> LambdaPath:
    """Read a stored path over λ, finished or not.

    The expression of the result is the objective at the largest λ.

    Args:
        benchmark: The name of the benchmark. This argument is needed only if opening the benchmark
            runs a file of the user.

    Raises:
        UserError: The folder contains no path over λ, a damaged path, or no finished run yet.
    """
    folder = Path(folder)
    begun = {
        value: read_comparison(path, benchmark=benchmark, unfinished=True)
        for value, path in steps_in(folder).items()
        if any((path / "runs").glob("*.jsonl"))
    }
    steps = [
        replace(step, key=value) for value, step in begun.items() if step.strategies
    ]
    if not steps:
        raise UserError(f"{folder} contains no finished run of a path over λ yet.")
    expression = parse(str(steps[-1].objective))
    return LambdaPath(str(expression), steps, folder)


def diagnose(objective: Objective) -> list[str] | None:
    """Check over the whole space whether λ matters, by a comparison of L with L + λR. Return
    sentences, warnings first, or None if there is no table or no feasible cell.
    """
    from pandas import DataFrame

    scores = objective.over_space() if objective.n_objectives == 1 else None
    if scores is None or not scores.feasible.any():
        return None
    columns = {"L": scores.loss, "R": scores.penalty, "score": scores.score}
    feasible = DataFrame(columns)[scores.feasible]
    loss = feasible["L"]
    rank = float((loss < loss[feasible["score"].idxmin()]).mean())
    # penalties that differ by no more are equal but for rounding
    is_regularised = np.ptp(scores.penalty[scores.feasible]) > 1e-12
    share = len(feasible) / len(scores.feasible)
    sentences = []
    if is_regularised and rank == 0.0:
        sentences.append(
            "λ changes nothing: the optimum of L + λR is the optimum of L. Raise λ for R to matter."
        )
    if rank > 0.5:
        sentences.append(
            "R drowns L: the optimum of L + λR is worse in L than half of the cells. Lower λ."
        )
    if share < 1:
        sentences.append(f"{share:.1%} of the cells meet the constraints.")
    if is_regularised and len(feasible) > 1:
        rho = feasible.corr("spearman")["score"]
        sentences.append(
            f"Over the feasible cells the score ranks as L with ρ = {rho['L']:.3f}, as R with ρ ="
            f" {rho['R']:.3f}; {rank:.2%} of them have a lower L than the optimum."
        )
    return sentences
