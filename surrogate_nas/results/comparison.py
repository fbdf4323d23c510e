"""The base class of studies, and a comparison: the study of one problem, with all its trials.

A suite (`SuiteResult`) is a study of several problems. The problems of a path over λ
(`surrogate_nas.results.lambda_path.LambdaPath`) differ only in λ.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.core import MISSED, ROUNDING, EvaluationError, fixed, unknown
from surrogate_nas.objective import Objective
from surrogate_nas.objective.expression import exact
from surrogate_nas.results.curves import ProblemResult, Trace, overtuned_by
from surrogate_nas.results.verdict import Verdict, ends_of, joined, verdict_of
from surrogate_nas.runs.beginning import BEGINNING
from surrogate_nas.runs.options import USAGE, Budget
from surrogate_nas.runs.problem import Problem
from surrogate_nas.runs.run import (
    Confirmation,
    Fronted,
    Result,
    Run,
    curve_of,
    front_of,
    rows_frame,
    stacked,
)
from surrogate_nas.runs.scale import (
    Frame,
    Noise,
    checkpoints,
    frame_of,
    noise_of,
    vectors_of,
)
from surrogate_nas.space import Cell, Trial
from surrogate_nas.stats.decision import standings
from surrogate_nas.stats.summaries import (
    PairedTest,
    Row,
    Rows,
    Summary,
    Values,
    paired_tests,
    summarise,
)
from surrogate_nas.strategies import StrategyEntry, stored_entry

if TYPE_CHECKING:
    import pandas

MERGED = "merged"
"""The key of the lines on the origin of merged runs in a description."""
STEP = "lambda-"
"""The prefix of the name of a problem on a path over λ."""

Kind = Literal["comparison", "front", "suite", "path"]
"""The type of a result: one objective, several objectives, several problems, or several λ."""


class StudyResult(Result):
    """The common base class of the results of studies: `Comparison`, `SuiteResult` and
    `surrogate_nas.results.lambda_path.LambdaPath`. `folder` is the folder of the results, or None.
    """

    folder: Path | None

    if TYPE_CHECKING:

        @property
        def kind(self) -> Kind:
            """The type of the result."""

        @property
        def comparisons(self) -> Mapping[str, "Comparison"]:
            """The trials by the name of the problem; empty if the runs of a suite stay in files."""

    @property
    def title(self) -> str:
        """The title of the study, used if the results are not stored in a folder."""
        return next(iter(self.comparisons.values())).objective.benchmark.name

    @property
    def strategies(self) -> list[str]:
        """The names of the strategies that have a finished run, in the order of the study."""
        comparisons = self.comparisons.values()
        return list(
            dict.fromkeys(
                name for comparison in comparisons for name in comparison.strategies
            )
        )

    @property
    def problems(self) -> Sequence[ProblemResult]:
        """One summary of the runs per problem; empty if strategies cannot be compared yet."""
        return [comparison.problem_result for comparison in self.comparisons.values()]

    @property
    def missing(self) -> int:
        """Number of started runs that have not ended yet."""
        return sum(comparison.missing for comparison in self.comparisons.values())

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the study: which strategy is best. The verdict is None for a path over λ,
        which has a verdict for each λ.
        """
        return None

    @property
    def sentences(self) -> list[str]:
        """The verdict in words, with a warning if the budget pays only for initial cells."""
        verdict = [] if self.verdict is None else self.verdict.sentences
        unasked = dict.fromkeys(result.problem.unasked for result in self.problems)
        return [*verdict, *filter(None, unasked)]

    @property
    def merged(self) -> Sequence[str]:
        """Notes on a study that was merged from several folders: the origin of the runs, and
        problems that do not count.
        """
        return ()

    @property
    def name(self) -> str:
        """The name of the results folder or, if there is none, the title of the study."""
        return self.title if self.folder is None else self.folder.absolute().name

    @cached_property
    def standings(self) -> list[str]:
        """The names of the strategies in the order of the verdict, the best strategy first."""
        if self.verdict is None or self.verdict.end is None:
            return list(self.strategies)
        return standings(ends_of(self.strategies, self.problems))

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame with one row for every trial of every finished run (see
        `surrogate_nas.runs.run.Run.to_frame`). For a path over λ, the data frame has an additional
        column ``lambda``.
        """
        return rows_frame(
            comparison.columns | run.row(trial)
            for comparison in self.comparisons.values()
            for run in comparison.finished_runs
            for trial in run.trials
        )

    def summary_frame(self) -> "pandas.DataFrame":
        """Return a data frame with one row per strategy. Its columns are the mean, standard
        deviation, interquartile mean and confidence interval of the score, the mean regret, and the
        numbers of runs, of runs with a feasible cell, and of evaluations. A path over λ has these
        rows for each λ.
        """
        return rows_frame(
            comparison.columns | row
            for comparison in self.comparisons.values()
            for row in comparison.summary_rows()
        )

    def curves(self) -> "pandas.DataFrame":
        """Return a data frame with the best result of every finished run after each trial (see
        `surrogate_nas.runs.run.Run.curves`). For a path over λ, the data frame has an additional
        column ``lambda``.

        If the optimum is not available, ``normalised_regret`` is relative to the runs of the study:
        0 is the best result of all runs, and 1 is the mean result.
        """
        return stacked(
            comparison.columns
            | curve_of(run, comparison.frame, comparison.problem_result.reference)
            for comparison in self.comparisons.values()
            for run in comparison.finished_runs
        )


@dataclass(frozen=True)
class Comparison(Fronted, StudyResult):
    """The finished runs of several strategies under one objective.

    Attributes:
        objective: The objective that the strategies minimise.
        description: The description of the comparison in the format of ``experiment.json``.
        runs: All runs.
        folder: The folder of the results, or None.
        key: The name of the problem within a suite, or the value of λ within a path over λ.
            Otherwise None.

    Example:
        >>> import surrogate_nas as sn
        >>> comparison = sn.compare(
        ...     "fashion", ["random", "local_search"], runs=3, budget=40
        ... )
        >>> (
        ...     comparison.to_frame().shape[0],
        ...     comparison.summary_frame()["strategy"].tolist(),
        ... )
        (240, ['random', 'local_search'])
        >>> (
        ...     comparison.regrets("random").shape,
        ...     bool((comparison.regrets("random") >= 0).all()),
        ... )
        ((3,), True)
    """

    objective: Objective
    description: Row
    runs: Sequence[Run]
    folder: Path | None = field(default=None, compare=False, repr=False)
    key: str | float | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Set the objective of every run."""
        runs = [replace(run, objective=self.objective) for run in self.runs]
        object.__setattr__(self, "runs", runs)

    @property
    def kind(self) -> Kind:
        """Whether the comparison has one objective or several."""
        return "front" if self.objective.n_objectives > 1 else "comparison"

    @property
    def problem(self) -> str:
        """The name of the problem in a study and of its folder; empty for a single comparison."""
        return (
            f"{STEP}{exact(self.key)}"
            if isinstance(self.key, float)
            else self.key or ""
        )

    @property
    def columns(self) -> Row:
        """The columns that identify the problem in exported tables of several problems."""
        if self.key is None:
            return {}
        return {"lambda" if isinstance(self.key, float) else "problem": self.key}

    @property
    def comparisons(self) -> "Mapping[str, Comparison]":
        """A mapping with one entry: the name of the problem and this comparison."""
        return {self.problem: self}

    @property
    def ended_runs(self) -> list[Run]:
        """The runs that finished or failed, by strategy and number."""
        return [run for run in self.runs if run.trials or run.failure]

    @property
    def strategies(self) -> list[str]:
        """The names of the strategies that have at least one finished run, in the order of the
        comparison.
        """
        return [name for name in self.description["strategies"] if self.runs_of(name)]

    @property
    def entries(self) -> list[StrategyEntry]:
        """The strategies as `StrategyEntry` objects, built from their stored descriptions."""
        return [stored_entry(name, self.description) for name in self.strategies]

    @property
    def missing(self) -> int:
        """Number of started runs that have not ended yet."""
        n_begun = len(self.description["strategies"]) * int(self.description["runs"])
        return n_begun - len(self.runs)

    @property
    def merged(self) -> Sequence[str]:
        """Notes on a comparison that was merged from several folders: the origin of the runs."""
        return list(self.description.get(MERGED, ()))

    @property
    def failures(self) -> list[str]:
        """The error messages of failed runs."""
        return [run.failure for run in self.runs if run.failure]

    def runs_of(self, strategy: str) -> list[Run]:
        """Return the finished runs of a strategy, by number.

        Raises:
            UserError: The strategy is not part of the comparison.
        """
        if strategy not in self.description["strategies"]:
            raise unknown("strategy", strategy, self.description["strategies"])
        return [
            run
            for run in self.runs
            if run.strategy == strategy and run.trials and not run.failure
        ]

    @property
    def finished_runs(self) -> list[Run]:
        """The finished runs, by strategy and number."""
        return [run for name in self.strategies for run in self.runs_of(name)]

    @cached_property
    def optimum(self) -> float | None:
        """The best score of any cell in the space. With several objectives it is 0, because scores
        are missed shares of the hypervolume. None if undefined.
        """
        if self.objective.n_objectives > 1:
            return 0.0 if self.frame is not None and self.frame.exact else None
        return self.objective.optimum()

    @cached_property
    def rounding(self) -> float:
        """The regret up to which a run counts as having found the optimum, which allows for
        rounding errors.
        """
        if self.objective.n_objectives > 1:
            return ROUNDING
        scores = self.objective.over_space()
        return 0.0 if scores is None else scores.rounding

    @cached_property
    def noise(self) -> Noise | None:
        """The standard deviation of good cells' scores over training seeds, or None if it is not
        available.
        """
        return noise_of(self.objective)

    def feasible_runs_of(self, strategy: str) -> list[Run]:
        """Return the finished runs of a strategy that found a feasible cell. Only such runs have a
        score.
        """
        return [run for run in self.runs_of(strategy) if run.is_feasible]

    @property
    def found_feasible(self) -> bool:
        """Whether any finished run found a feasible cell."""
        return any(run.is_feasible for run in self.finished_runs)

    @cached_property
    def frame(self) -> Frame | None:
        """The reference frame in which hypervolumes are computed, if there are several
        objectives.
        """
        if self.objective.n_objectives == 1:
            return None
        return frame_of(self.objective, [t for run in self.runs for t in run.trials])

    def score(self, run: Run) -> float:
        """Return the best score of a run. With several objectives, return the share of the Pareto
        front's hypervolume that the run missed.
        """
        frame = self.frame
        if frame is None:
            return run.reported[run.lowest.index].score
        return frame.missed(vectors_of(run.contenders()))

    def optimism(self, strategy: str) -> Values:
        """Return the optimism of a strategy's results, one value per feasible run: the final cell's
        score in the search minus its mean score over training seeds. Negative values mean that the
        search score was too good. All values are 0 if the search uses the reported scores.
        """
        frame = self.frame
        seen = [
            run.lowest.score if frame is None else frame.missed(vectors_of(run.answers))
            for run in self.feasible_runs_of(strategy)
        ]
        return np.array(seen) - self.scores(strategy)

    @property
    def tells_overtuning(self) -> bool:
        """Whether overtuning can be measured: there is one objective, and the mean scores over
        seeds of a run's earlier best cells are available.
        """
        objective = self.objective
        return (
            objective.draws
            and objective.n_objectives == 1
            and not objective.trained_seeds
        )

    def scores(self, strategy: str) -> Values:
        """Return the scores of a strategy's finished runs with a feasible cell, shape
        ``(runs,)``.
        """
        return np.array([self.score(run) for run in self.feasible_runs_of(strategy)])

    def summary_rows(self) -> Rows:
        """Return the rows of `summary_frame`."""
        ends = ("ci95_low", "ci95_high")
        return [
            {"strategy": entry["name"]}
            | {name: entry["score"][name] for name in ("mean", "std", "iqm")}
            | dict(zip(ends, entry["score"]["ci95"] or (None, None), strict=True))
            | {key: entry[key]["mean"] for key in ("regret", "normalised_regret")}
            | {name: entry[name] for name in ("runs", "feasible_runs", "evaluations")}
            for entry in map(self._strategy_json, self.strategies)
        ]

    def regrets(self, strategy: str) -> Values:
        """Return the regrets of a strategy's runs: their final scores minus the optimum, shape
        ``(runs,)`` like `scores`. Regrets are NaN if the optimum is not available.

        Raises:
            UserError: The strategy is not part of the comparison.
        """
        return self.scores(strategy) - (
            np.nan if self.optimum is None else self.optimum
        )

    def normalised_regrets(self, strategy: str) -> Values:
        """Return the normalised regrets of a strategy's runs, where 0 is the optimum and 1 is the
        expected result of random sampling with the whole budget.

        Raises:
            UserError: The strategy is not part of the comparison.
        """
        scores = self.scores(strategy)
        if self.optimum is None:
            return np.full(len(scores), np.nan)
        return self.problem_result.reference.regret(scores)

    @property
    def mean_regrets(self) -> dict[str, float]:
        """Return the mean regret by strategy; empty if the optimum is not available."""
        return {
            name: float(regrets.mean())
            for name in (() if self.optimum is None else self.strategies)
            if len(regrets := self.regrets(name))
        }

    @property
    def winners(self) -> list[str]:
        """The strategies with the lowest mean regret. If strategies tie, there are several
        winners.
        """
        means = self.mean_regrets
        least = min(means.values(), default=0.0) + self.rounding
        return [name for name, mean in means.items() if mean <= least]

    def summary(self, strategy: str) -> Summary:
        """Return summary statistics of a strategy's final scores. All are NaN if no run found a
        feasible cell.

        Raises:
            UserError: The strategy is not part of the comparison.
        """
        return summarise(self.scores(strategy))

    @cached_property
    def tests(self) -> list[PairedTest]:
        """Test every pair of strategies for a difference, over the runs that both strategies
        finished. A run without a feasible cell loses to a run with a feasible cell.
        """
        if not self.found_feasible:
            return []
        finished = [{run.run for run in self.runs_of(name)} for name in self.strategies]
        shared = set.intersection(*finished)
        scores = {
            name: np.array(
                [self.score(run) for run in self.runs_of(name) if run.run in shared]
            )
            for name in self.strategies
        }
        return paired_tests(scores) if shared else []

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict: which strategy is best, which strategy is fastest, and whether the
        differences are significant.
        """
        figures = {
            name: (self.summary(name), len(self.runs_of(name)), feasible)
            for name in self.strategies
            if (feasible := len(self.feasible_runs_of(name)))
        }
        return verdict_of(
            self.strategies,
            [self.problem_result],
            figures=figures,
            versions=self.description.get("versions"),
            seed=self.description.get("seed", 0),
        )

    @cached_property
    def sentences(self) -> list[str]:
        """The verdict in words, followed by a sentence on the best cell of all runs."""
        sentences = super().sentences
        return [*sentences, best_in_words(self)] if self.found_feasible else sentences

    @cached_property
    def problem_result(self) -> ProblemResult:
        """The runs of this comparison, summarised as the result of one problem."""
        description = self.description
        asked = Problem(
            self.objective.benchmark.name,
            name="comparison",
            first=(description.get(BEGINNING) or {"first": ()})["first"],
            n_random=int(description["first_cells"]),
            budget=description["budget"]["cells"],
            budget_seconds=description["budget"]["seconds"],
        )
        traces = self.traces(asked.run_budget)
        return ProblemResult.of(
            asked, self.objective, self.strategies, traces, description
        )

    def traces(self, budget: Budget) -> list[Trace]:
        """Return the summary (`Trace`) of each run within a budget, including failed runs."""
        return [self._trace(run, budget) for run in self.runs]

    def _trace(self, run: Run, budget: Budget) -> Trace:
        points = checkpoints(budget)
        score = np.full(len(points), np.inf)
        answer = lost = None
        if run.trials and not run.failure:
            history = run.anytime(self.frame)
            if self.objective.n_objectives == 1 and run.answers:
                answer = run.answer
            if self.tells_overtuning and answer is not None and answer.feasible:
                lost = overtuned_by(history.score, self.rounding)
            if budget.cells is not None:
                score = history.at_cells(history.score, points.astype(np.int64))
            else:
                score = np.nan_to_num(
                    history.at_cost(history.score, points), nan=np.inf, posinf=np.inf
                )
        return Trace(
            strategy=run.strategy,
            run=run.run,
            score=score,
            failure=run.failure,
            evaluations=len(run.trials),
            distinct=len({trial.cell for trial in run.trials}),
            simulated=run.cost,
            real_seconds=run.real_seconds,
            strategy_seconds=run.strategy_seconds,
            # isomorphic answers that cost the same are one; they may differ in R, as in latency
            answer=""
            if answer is None
            else f"{self.objective.benchmark.space.identity(answer.cell)} {answer.penalty:.9g}",
            overtuning=lost,
        )

    def __repr__(self) -> str:
        runs = f"{len(self.runs)} runs of {', '.join(self.description['strategies'])}"
        return f"<Comparison of {str(self.objective)!r} on {self.objective.benchmark.name}: {runs}>"

    def to_json(self) -> Row:
        """Return the comparison in the format of ``snas compare --json``."""
        objective = self.objective
        confirmed = [
            {"strategy": run.strategy, "run": run.run, **confirmed.to_json()}
            for run, confirmed in self.confirmed_runs
        ]
        return {
            "fingerprint": objective.fingerprint,
            "benchmark": objective.benchmark.name,
            "objective": objective.describe(),
            "cost_unit": objective.benchmark.cost_unit,
            "free": {
                "hidden": bool(self.description.get("hidden")),
                "terms": list(objective.free.terms),
                "missing": list(objective.free.missing),
            },
            "warning": objective.warning,
            "optimum": self.optimum,
            "noise": None if self.noise is None else asdict(self.noise),
            "strategies": [self._strategy_json(name) for name in self.strategies],
            "tests": [asdict(test) for test in self.tests],
            "verdict": self.verdict.to_json(),
            "failures": self.failures,
            **({"confirmed": confirmed} if confirmed else {}),
            **({MERGED: self.merged} if self.merged else {}),
        }

    @property
    def confirmed_runs(self) -> Iterator[tuple[Run, Confirmation]]:
        """Yield the runs with a confirmed winner."""
        for run in self.ended_runs:
            if run.confirmed is not None:
                yield run, run.confirmed

    def _strategy_json(self, name: str) -> Row:
        runs = self.runs_of(name)
        summary = self.summary(name)
        known = self.optimum is not None and len(self.scores(name)) > 0
        optimism = self.optimism(name) if self.objective.draws else ()
        overtuned = self.problem_result.overtuning(name)
        several = self.objective.n_objectives > 1
        found = [run.answer for run in runs if not several and run.is_feasible]
        best = min(found, key=lambda trial: trial.score, default=None)
        return {
            "name": name,
            "runs": len(runs),
            "feasible_runs": len(self.feasible_runs_of(name)),
            "score": {
                key: None if value is None or np.isnan(value).any() else value
                for key, value in asdict(summary).items()
            },
            **{
                key: {
                    "mean": float(regrets.mean()) if known else None,
                    "median": float(np.median(regrets)) if known else None,
                }
                for key, regrets in (
                    ("regret", self.regrets(name)),
                    ("normalised_regret", self.normalised_regrets(name)),
                )
            },
            "optimism": float(np.mean(optimism)) if len(optimism) else None,
            "overtuning": overtuned
            and dict(zip(("share", "mean_loss"), overtuned, strict=True)),
            "best": {
                "cell": best and str(best.cell),
                "score": best and best.score,
                "final": final_metrics(self.objective, best.cell) if best else {},
            },
            **(
                {
                    "front": [
                        {"cell": str(t.cell), "scores": [*t.scores]}
                        for _, t in front_of(runs)
                    ]
                }
                if several
                else {}
            ),
            "evaluations": sum(len(run.trials) for run in runs),
            "distinct_cells": sum(
                len({trial.cell for trial in run.trials}) for run in runs
            ),
            "cost": sum(run.cost for run in runs),
            **_judging_json(runs),
            "real_seconds": sum(run.real_seconds for run in runs),
        }


def _judging_json(runs: Sequence[Run]) -> Row:
    judged = [run.judged for run in runs if run.judged is not None]
    content: Row = {}
    if judged:
        content["judging"] = {
            "trainings": sum(judgement.trainings for judgement in judged),
            "cost": sum(judgement.cost for judgement in judged),
            "failures": [
                reason for judgement in judged for reason in judgement.failures
            ],
        }
    usage = Counter[str]()
    for run in runs:
        usage.update(run.diagnosis.get(USAGE, {}))
    return content | ({USAGE: dict(usage)} if usage else {})


def final_metrics(objective: Objective, cell: Cell) -> dict[str, float | None]:
    """Return the final (test) metrics of a cell, each for its largest number of epochs. Final
    metrics are used in reports, never in a search. Metrics that the objective uses are left out.

    Example:
        >>> import surrogate_nas as sn
        >>> objective = sn.Objective("valid_loss", sn.load("fashion"))
        >>> sorted(final_metrics(objective, objective.benchmark.space[11]))
        ['test_error', 'test_loss']
    """
    benchmark, seen = objective.benchmark, objective.search_on_final
    try:
        final = benchmark.final(cell)
    except EvaluationError:  # one of its seeds failed
        final = dict.fromkeys(m.name for m in benchmark.metrics if m.kind == "final")
    return {name: value for name, value in final.items() if name not in seen}


@dataclass(frozen=True)
class FoundCell:
    """One of the best cells of a comparison, which represents its isomorphism class.

    Attributes:
        rank: The rank of the cell, where 1 is the best.
        trial: The evaluation with the lowest score in the isomorphism class.
        found_by: Number of runs of each strategy that evaluated the cell.
        isomorphic: The other evaluated cells of the isomorphism class, the best first.
    """

    rank: int
    trial: Trial
    found_by: dict[str, int]
    isomorphic: Sequence[Trial] = ()


def best_cells(comparison: Comparison, n: int) -> list[FoundCell]:
    """Return the best cell of each of the `n` best isomorphism classes that were evaluated, best
    first.
    """
    identity = comparison.objective.benchmark.space.identity
    classes: dict[str, list[Trial]] = {}
    # of many, isomorphic ones that are worse are not listed
    for trial in _best_trials(comparison)[:1000]:
        classes.setdefault(identity(trial.cell), []).append(trial)
    evaluated = [
        (run.strategy, {trial.cell for trial in run.trials})
        for run in comparison.finished_runs
    ]
    ranked = []
    for rank, (best, *others) in enumerate(list(classes.values())[:n], 1):
        by = Counter(name for name, cells in evaluated if best.cell in cells)
        ranked.append(FoundCell(rank, best, dict(by), others))
    return ranked


def _best_trials(comparison: Comparison) -> list[Trial]:
    best: dict[Cell, Trial] = {}
    for run in comparison.finished_runs:
        is_judged = bool(comparison.objective.trained_seeds) and bool(run.answers)
        for trial in [run.reported[run.lowest.index]] if is_judged else run.reported:
            counts = trial.epochs == run.epochs and not trial.failure
            if counts and (
                trial.cell not in best or trial.score < best[trial.cell].score
            ):
                best[trial.cell] = trial
    return sorted(best.values(), key=lambda t: (t.score, t.cell.index, t.cell.text))


def final_questions(objective: Objective) -> list[Question]:
    """Return every final (test) metric for its largest number of epochs. The main metric comes
    first: ``test_error`` or, if there is none, another error or another measure of quality. Metrics
    under conditions such as an attack, with an ``@`` in their names, come last, unless the
    objective itself uses a metric such as ``valid_error@focal``.
    """
    benchmark = objective.benchmark
    final = [
        metric
        for metric in benchmark.metrics
        if metric.kind == "final" and metric.name not in objective.search_on_final
    ]
    read = {
        question.metric.partition("@")[2]
        for question in objective.questions()
        if question.epochs is not None
    }
    final.sort(
        key=lambda metric: (
            metric.name.partition("@")[2] not in read,
            metric.name != "test_error",
            "@" in metric.name,
            metric.quantity != "error",
            not metric.larger_is_better,
        )
    )
    return [benchmark.question(metric.name) for metric in final]


def values_of(
    benchmark: Benchmark, question: Question, cells: Sequence[Cell]
) -> Values:
    """Return a metric of some cells, shape ``(n,)``. A value is NaN if the table has no value for
    the cell or the cell's training fails.
    """
    if benchmark.has_columns:
        indices = [cell.index for cell in cells]
        return benchmark.column(question.metric, question.epochs)[indices]
    by_cell = dict.fromkeys(cells, np.nan)
    for cell in by_cell:
        with suppress(EvaluationError):
            measured = benchmark.measure([cell], (question,), benchmark.default_seed)
            by_cell[cell] = float(measured.values[0, 0])
    return np.array([by_cell[cell] for cell in cells])


def shared_cells(comparison: Comparison) -> int:
    """Return how many initial cells of a run are the same for all strategies."""
    lengths = [len(run.trials) for run in comparison.finished_runs]
    return min([int(comparison.description["first_cells"]), *lengths]) if lengths else 0


def best_in_words(comparison: Comparison) -> str:
    """Return a sentence that names the best cell of all runs and the strategies that evaluated
    it.
    """
    if comparison.objective.n_objectives > 1:
        return f"Score of a run: {MISSED[0].lower()}{MISSED[1:]}, 0 where it found a whole front."
    best = best_cells(comparison, 1)[0]
    by = joined(list(best.found_by))
    optimum = comparison.optimum
    is_optimum = (
        optimum is not None and best.trial.score - optimum <= comparison.rounding
    )
    remark = ", the optimum of the space" if is_optimum else ""
    where = [
        trial.index
        for run in comparison.finished_runs
        for trial in run.trials
        if trial.cell == best.trial.cell
    ]
    if max(where) < shared_cells(comparison):
        by += ", as one of the random cells that all strategies begin with"
    return (
        f"Best cell of all: score {fixed(best.trial.score, 5)}{remark}; it is"
        f" {best.trial.cell}, evaluated by {by}."
    )
