"""A study's runs in a few numbers: what each had found at every checkpoint of its budget, and what
that took.

Runtime profiles: Hansen et al., "COCO: A Platform for Comparing Continuous Optimizers in a
Black-Box Setting", Optimization Methods and Software 2021. Departures: targets are normalised
regrets; no restarts are simulated.

Overtuning, whether what a search picked last is worse than what it had picked before: Schneider,
Bischl & Feurer, "Overtuning in Hyperparameter Optimization", AutoML 2025. Departures: the true
value of a pick is its score by the mean over training seeds, not a test error; the first pick is
the first cell of the run, as there is no default.
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
"""The targets of the table of expected running times."""


def overtuned_by(scores: Values, rounding: float = 0.0) -> float:
    """By how much the last pick of a run is worse than its best one, 0 up to `rounding`; of the
    true scores of the picks in order, infinite before the first.

    Example:
        >>> overtuned_by(np.array([np.inf, 4.0, 2.0, 3.0]))
        1.0
    """
    loss = float(scores[-1] - scores.min())
    return loss if loss > rounding else 0.0


@dataclass(frozen=True)
class Trace:
    """What is kept of a run, whose trials stay in its folder.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run; runs of one number start from the same cells.
        score: What it had found at every checkpoint, as it is reported; infinite before the first
            feasible cell.
        failure: What went wrong, or empty; a run that failed has found nothing.
        evaluations, distinct: How many cells it evaluated, and how many different ones.
        simulated: What these were charged, in seconds or queries.
        real_seconds, strategy_seconds: Of strategy and evaluation together, and of `ask` and
            `tell`.
        answer: The identity of the cell that it ended with and its λR, by which isomorphic cells of
            equal cost are one; empty where it has none, or a front.
        overtuning: By how much its answer scores worse than what it had picked before; None where
            its search saw what is reported, or it has no answer.
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
        """Whether it ended without a feasible cell."""
        return not np.isfinite(self.score[-1])


@dataclass(frozen=True)
class ProblemResult:
    """All runs on one problem.

    Attributes:
        problem: What was asked.
        objective: The objective in full, as it was resolved.
        loss: Its L alone, by which problems of one table that differ in λ only are known; all of
            several objectives.
        weight: Its λ: the weights of all of R together; 0 of several objectives.
        space: Of the benchmark: problems of one space are no independent witnesses.
        fingerprint: Of the objective.
        unit: Of the budget: ``cells``, ``seconds`` or ``queries``.
        cost_unit: Of what evaluations are charged: ``seconds`` or ``queries``.
        checkpoints: Where curves are read, rising to the budget, in `unit`.
        reference: What regret is measured in, and what random sampling is expected to find.
        noise: The standard deviation over training seeds of the best cells' scores, as normalised
            regret; None where the table does not tell.
        traces: Per strategy its runs by number, those that failed included.

    Example:
        >>> import surrogate_nas as sn
        >>> problem = sn.Problem("fashion", budget=40)
        >>> found = sn.run_suite([problem], ["random", "evolution"], runs=2)
        >>> (result,) = found.problems
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
        """Measure all runs of a problem, with its own objective; strategies in the order of the
        suite. The scale of regret is that of the description, as far as it records one.
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
        """The problem's name in the suite."""
        return self.problem.name

    @property
    def described(self) -> Row:
        """What was asked on which benchmark, and the scale of its regret."""
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
        """The normalised regret of every run at every checkpoint, shape ``(runs, checkpoints)``.

        0 is the optimum, 1 what random sampling is expected to reach with the whole budget; a run
        that failed or found no feasible cell has `Reference.ceiling`.

        Raises:
            UserError: The strategy is not compared.
        """
        if strategy not in self._regrets:
            raise unknown("strategy", strategy, self._regrets)
        return self._regrets[strategy]

    def at(self, strategy: str, fraction: float = 1.0) -> Values:
        """A strategy's normalised regrets after a fraction of the budget, above 0 and up to 1,
        shape ``(runs,)``.
        """
        return np.asarray(self.regrets(strategy)[:, self.place(fraction)])

    def place(self, fraction: float) -> int:
        """The first checkpoint that reaches a fraction of the budget, above 0 and up to 1."""
        # shares are fractions, which round
        return int(np.ceil(fraction * len(self.checkpoints) - 1e-9)) - 1

    def runtimes(self, strategy: str, target: float) -> Values:
        """What every run spent until its normalised regret reached a target (0 for the optimum) for
        good, shape ``(runs,)``, or infinite.

        What was reached and then given up for a cell that a drawn seed flattered does not count.
        """
        beyond = self.regrets(strategy) > target + self.reference.rounding
        # how many checkpoints up to the last beyond it
        last = beyond.shape[1] - beyond[:, ::-1].argmax(axis=1)
        since = np.where(beyond.any(axis=1), last, 0)
        return np.append(self.checkpoints, np.inf)[since]

    def answers(self, strategy: str) -> Values:
        """What a strategy's runs ended with, as normalised regret, shape ``(runs,)``.

        Where a benchmark has trained isomorphic cells apart, a class of them has the mean of those
        that the runs of this problem ended with: to end with one or the other is noise.
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
        """Of one value a run, in the order of the strategy's runs, those of the runs that all of
        `names` have, by number.
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
        """The share of a strategy's runs that ended with a worse cell than they had picked before,
        and the mean loss by it over all runs, in the unit of the score; None where no run can tell.
        """
        known = [trace.overtuning for trace in self.traces[strategy]]
        losses = np.array([loss for loss in known if loss is not None])
        return (
            (float((losses > 0).mean()), float(losses.mean())) if len(losses) else None
        )


def expected_runtime(problem: ProblemResult, strategy: str, target: float) -> float:
    """What a target is expected to take, in the budget's unit, if runs are begun again until one
    reaches it; or inf.
    """
    runtimes = problem.runtimes(strategy, target)
    reached = np.isfinite(runtimes)
    if not reached.any():
        return float("inf")
    return float(
        np.where(reached, runtimes, problem.checkpoints[-1]).sum() / reached.sum()
    )


def accounts_of(names: Sequence[str], problems: Sequence[ProblemResult]) -> Rows:
    """What each strategy spent over all problems, from column to value: ``runs`` counts failed ones
    too, ``empty`` those that ended without a feasible cell, ``duplicates`` the cells that a run had
    evaluated before.
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
