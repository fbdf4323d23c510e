"""A summary of a study's runs: the best result of each run at every checkpoint of the budget, and
the cost of the run.

Runtime profiles follow Hansen et al., "COCO: A Platform for Comparing Continuous Optimizers in a
Black-Box Setting", Optimization Methods and Software 2021. Our runtime profiles differ in two
points: targets are normalised regrets, and no restarts are simulated.

Overtuning means that the final pick of a search is worse than an earlier one: Schneider, Bischl &
Feurer, "Overtuning in Hyperparameter Optimization", AutoML 2025. Our definition of overtuning
differs in two points. The true value of a pick is its mean score over training seeds instead of a
test error. The first pick is the first cell of the run, because there is no default cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from surrogate_nas.core import unknown
from surrogate_nas.objective import Objective
from surrogate_nas.runs.problem import Problem
from surrogate_nas.runs.scale import Reference, checkpoints, noise_of, reference_of
from surrogate_nas.stats.summaries import Row, Rows, Values

MARKED = (1.0, 0.1, 0.0)
"""The targets in the table of expected running times."""


def overtuned_by(scores: Values, rounding: float = 0.0) -> float:
    """Return by how much the last pick of a run is worse than the best pick of the run. `scores`
    are the true scores of the picks in order, infinite before the first pick. Differences up to
    `rounding` count as 0.

    Example:
        >>> overtuned_by(np.array([np.inf, 4.0, 2.0, 3.0]))
        1.0
    """
    loss = float(scores[-1] - scores.min())
    return loss if loss > rounding else 0.0


@dataclass(frozen=True)
class Trace:
    """The summary of one run: its score over the budget and its cost, without its trials.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run. Runs with equal numbers start from the same cells.
        score: The reported score of the best cell at every checkpoint; infinite before the first
            feasible cell.
        failure: The error message of a failed run, or an empty string. A failed run counts as
            having found no feasible cell.
        evaluations: The number of evaluations.
        distinct: The number of distinct evaluated cells.
        simulated: The cost charged to the budget, in seconds or queries.
        real_seconds: The wall-clock seconds of the whole run.
        strategy_seconds: The wall-clock seconds of the strategy's calls of ``ask`` and ``tell``.
        answer: The isomorphism class and the λR of the final cell as a string; empty if there is no
            final cell or there are several objectives.
        overtuning: By how much the final cell is worse than an earlier pick; None if the search
            uses the reported scores or there is no final cell.
    """

    strategy: str
    run: int
    score: Values
    failure: str
    evaluations: int
    distinct: int
    simulated: float
    real_seconds: float
    strategy_seconds: float
    answer: str = ""
    overtuning: float | None = None

    @property
    def found_nothing(self) -> bool:
        """Whether the run ended without a feasible cell."""
        return not np.isfinite(self.score[-1])


@dataclass(frozen=True)
class ProblemResult:
    """The summary of all runs on one problem.

    Attributes:
        problem: The definition of the problem.
        objective: The expression of the objective, with its constraints.
        loss: The expression of L, which is equal for problems that differ only in λ. With several
            objectives, the expression of all terms.
        weight: The value of λ: the sum of the weights in R. With several objectives, 0.
        space: The search space of the benchmark. Problems on one search space are not independent.
        fingerprint: A hash of the objective and the data that it uses.
        unit: The unit of the budget: ``cells``, ``seconds`` or ``queries``.
        cost_unit: The unit of costs: ``seconds`` or ``queries``.
        checkpoints: The points at which curves are evaluated, up to the budget, in `unit`.
        reference: The scale of regret, with the expected result of random sampling.
        noise: The standard deviation of the best cells' scores over training seeds, in units of
            normalised regret; None if the table does not provide it.
        traces: The summaries of the runs of each strategy, in the order of run numbers, including
            failed runs.

    Example:
        >>> import surrogate_nas as sn
        >>> problem = sn.Problem("fashion", budget=40)
        >>> suite = sn.run_suite([problem], ["random", "evolution"], runs=2)
        >>> (result,) = suite.problems
        >>> (
        ...     result.unit,
        ...     result.at("evolution").shape,
        ...     bool((result.at("evolution") >= 0).all()),
        ... )
        ('cells', (2,), True)
    """

    problem: Problem
    objective: str
    loss: str
    weight: float
    space: str
    fingerprint: str
    unit: str
    cost_unit: str
    checkpoints: Values
    reference: Reference
    noise: float | None
    traces: Mapping[str, Sequence[Trace]]

    @classmethod
    def of(
        cls,
        problem: Problem,
        objective: Objective,
        strategies: Sequence[str],
        traces: Sequence[Trace],
        description: Row,
    ) -> Self:
        """Summarise all runs of a problem under its objective, with strategies in the order of the
        suite. If the description contains the scale of regret, that scale is used.
        """
        if problem.seed_policy is None:
            problem = replace(problem, seed_policy=objective.seed_policy)
        cost_unit = objective.benchmark.cost_unit
        reference = reference_of(
            objective,
            problem.run_budget,
            [trace.score for trace in traces],
            description,
        )
        noise = noise_of(objective)
        penalty = objective.diversity_weight + sum(
            term.weight for term in objective.terms if not term.is_loss
        )
        return cls(
            problem=problem,
            objective=str(objective),
            loss=str(objective)
            if objective.n_objectives > 1
            else " + ".join(term.name for term in objective.terms if term.is_loss),
            weight=penalty if objective.n_objectives == 1 else 0.0,
            space=objective.benchmark.space.name,
            fingerprint=objective.fingerprint,
            unit="cells" if problem.budget is not None else cost_unit,
            cost_unit=cost_unit,
            checkpoints=checkpoints(problem.run_budget),
            reference=reference,
            noise=None if noise is None else noise.mean_of_seeds / reference.scale,
            traces={
                name: [trace for trace in traces if trace.strategy == name]
                for name in strategies
            },
        )

    @property
    def name(self) -> str:
        """The name of the problem within its suite."""
        return self.problem.name

    @property
    def described(self) -> Row:
        """A JSON description of the problem and of the scale of its regret."""
        optimum = self.reference.optimum
        return {
            "benchmark": self.problem.address,
            "objective": self.objective,
            "fingerprint": self.fingerprint,
            "optimum": optimum,
            "random": optimum + self.reference.scale,
            "exact": self.reference.exact,
        }

    @cached_property
    def _regrets(self) -> dict[str, Values]:
        return {
            name: self.reference.regret(np.array([trace.score for trace in traces]))
            for name, traces in self.traces.items()
        }

    def regrets(self, strategy: str) -> Values:
        """Return the normalised regret of every run at every checkpoint, shape
        ``(runs, checkpoints)``.

        A regret of 0 is the optimum, and 1 is the expected result of random sampling with the whole
        budget. A run that failed or found no feasible cell has the regret `Reference.ceiling`.

        Raises:
            UserError: The strategy is not part of the comparison.
        """
        if strategy not in self._regrets:
            raise unknown("strategy", strategy, self._regrets)
        return self._regrets[strategy]

    def at(self, strategy: str, fraction: float = 1.0) -> Values:
        """Return a strategy's normalised regrets after a fraction of the budget (above 0 and at
        most 1), shape ``(runs,)``.
        """
        return np.asarray(self.regrets(strategy)[:, self.place(fraction)])

    def place(self, fraction: float) -> int:
        """Return the index of the first checkpoint that reaches a fraction of the budget (above 0
        and at most 1).
        """
        # shares are fractions, which round
        return int(np.ceil(fraction * len(self.checkpoints) - 1e-9)) - 1

    def runtimes(self, strategy: str, target: float) -> Values:
        """Return the budget that each run spent until its normalised regret reached a target and
        stayed there, shape ``(runs,)``. A target of 0 is the optimum. The value is infinite if a
        run does not reach the target.

        Reaching the target does not count if the run later replaced the cell by one that only
        seemed better because of its random seed.
        """
        beyond = self.regrets(strategy) > target + self.reference.rounding
        # how many checkpoints up to the last beyond it
        last = beyond.shape[1] - beyond[:, ::-1].argmax(axis=1)
        since = np.where(beyond.any(axis=1), last, 0)
        return np.append(self.checkpoints, np.inf)[since]

    def answers(self, strategy: str) -> Values:
        """Return the final result of a strategy's runs, as normalised regret, shape ``(runs,)``.

        If the benchmark trained isomorphic cells separately, a choice between isomorphic cells is
        noise. All runs that end with cells of one isomorphism class therefore get the mean regret
        of these final cells.
        """
        own = self.at(strategy)
        return np.array(
            [
                self._by_class.get(t.answer, r)
                for t, r in zip(self.traces[strategy], own, strict=True)
            ]
        )

    @cached_property
    def _by_class(self) -> dict[str, float]:
        regrets_of: dict[str, dict[float, None]] = {}
        for name, traces in self.traces.items():
            for trace, regret in zip(traces, self.at(name), strict=True):
                if trace.answer:
                    regrets_of.setdefault(trace.answer, {})[float(regret)] = None
        return {
            answer: float(np.mean(list(regrets)))
            for answer, regrets in regrets_of.items()
        }

    def paired(self, values: Values, strategy: str, names: Sequence[str]) -> Values:
        """Select from `values`, which has one value per run of the strategy, the runs whose numbers
        all strategies in `names` have. The result is in the order of run numbers.
        """
        shared = set.intersection(
            *({trace.run for trace in self.traces[name]} for name in names)
        )
        chosen = [
            (trace.run, index)
            for index, trace in enumerate(self.traces[strategy])
            if trace.run in shared
        ]
        return np.asarray(values[[index for _, index in sorted(chosen)]])

    def overtuning(self, strategy: str) -> tuple[float, float] | None:
        """Return the share of a strategy's runs that ended with a worse cell than an earlier pick,
        and the mean deterioration over all runs in the unit of the score. Return None if overtuning
        is not available for any run.
        """
        known = [trace.overtuning for trace in self.traces[strategy]]
        losses = np.array([loss for loss in known if loss is not None])
        return (
            (float((losses > 0).mean()), float(losses.mean())) if len(losses) else None
        )


def expected_runtime(problem: ProblemResult, strategy: str, target: float) -> float:
    """Return the expected budget to reach a target if a strategy is restarted until a run reaches
    it. The result is in the unit of the budget, and infinite if no run reaches the target.
    """
    runtimes = problem.runtimes(strategy, target)
    reached = np.isfinite(runtimes)
    if not reached.any():
        return float("inf")
    return float(
        np.where(reached, runtimes, problem.checkpoints[-1]).sum() / reached.sum()
    )


def accounts_of(names: Sequence[str], problems: Sequence[ProblemResult]) -> Rows:
    """Return the total cost of each strategy over all problems, as one row per strategy. The column
    ``runs`` includes failed runs, ``empty`` counts runs without a feasible cell, and ``duplicates``
    counts repeated evaluations of a cell within a run.
    """
    accounts = []
    for name in names:
        traces = [trace for problem in problems for trace in problem.traces[name]]
        charged = {
            unit: sum(
                t.simulated
                for p in problems
                for t in p.traces[name]
                if p.cost_unit == unit
            )
            for unit in ("queries", "seconds")
        }
        accounts.append(
            {
                "strategy": name,
                "runs": len(traces),
                "failures": sum(bool(trace.failure) for trace in traces),
                "empty": sum(
                    not trace.failure and trace.found_nothing for trace in traces
                ),
                "evaluations": sum(trace.evaluations for trace in traces),
                "duplicates": sum(
                    trace.evaluations - trace.distinct for trace in traces
                ),
                "queries": charged["queries"],
                "simulated_seconds": charged["seconds"],
                "real_seconds": sum(trace.real_seconds for trace in traces),
                "strategy_seconds": sum(trace.strategy_seconds for trace in traces),
            }
        )
    return accounts
