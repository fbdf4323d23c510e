"""Runs a suite: every run of every problem through one pool of workers, each problem kept as a comparison's folder.

Run k of all problems comes before run k + 1 of any, so that an interrupted suite has seen them all. What is held is
read by the workers too; only curves travel back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from surrogate_nas.benchmarks import load
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.objective import Objective
from surrogate_nas.runtime.engines import check_engine, run_jobs
from surrogate_nas.study.comparison import bind
from surrogate_nas.study.comparison.noise import noise_of
from surrogate_nas.study.experiment import Experiment, Progress
from surrogate_nas.study.store import Run, Store
from surrogate_nas.study.suite.kept import PLAN, PROBLEMS
from surrogate_nas.study.suite.problems import Entrant, Problem, Suite
from surrogate_nas.study.suite.reading import read_suite
from surrogate_nas.study.suite.reference import reference_of
from surrogate_nas.study.suite.result import ProblemResult, Skipped, SuiteResult
from surrogate_nas.study.suite.trace import Trace, checkpoints, trace_of


@dataclass(frozen=True)
class _Opened:
    """A problem with all that its runs need.

    Attributes:
        problem: The problem.
        objective: Tied to its benchmark.
        experiment: All entrants with the largest number of runs, as its folder tells it.
        store: Its folder, or None.
    """

    problem: Problem
    objective: Objective
    experiment: Experiment
    store: Store | None

    def trace(self, entrant: Entrant, number: int) -> Trace:
        run = self.experiment.one(entrant.strategy, number, self.store)
        return trace_of(self.objective, self.experiment.describe(), run, self.problem.budget)


_Job = tuple[str, Entrant, int]


def run_suite(
    suite: Suite | str,
    folder: str | Path | None = None,
    *,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
) -> SuiteResult:
    """Make every run that a folder does not hold yet, and read all of them.

    Args:
        suite: Problems and strategies, or what `read_suite` reads them from: ``starter``, ``standard``, a TOML file.
        folder: Each problem is kept in ``problems/NAME`` of it, as ``snas compare`` keeps one; None keeps all in
            memory.
        workers: How many runs at once; the results do not depend on it.
        engine: Where they are made: a key of `surrogate_nas.runtime.engines.ENGINES`.
        progress: Called with (runs done, runs in all).

    Raises:
        UserError: A problem asks for what its benchmark cannot give, the folder holds another suite's results or
            cannot be written, or no problem's data is here.

    Example:
        >>> from surrogate_nas.study.suite import Entrant, Problem, Suite
        >>> problems = [Problem(f"lambda-{w}", "fashion", f"valid_loss + {w}*params", cells=30) for w in (0.1, 0.5)]
        >>> result = run_suite(Suite("mine", "two weights", problems, [Entrant("random", 2), Entrant("evolution", 2)]))
        >>> result.means().shape, result.failures  # problems × strategies
        ((2, 2), [])
    """
    check_engine(engine, workers)
    suite = read_suite(suite) if isinstance(suite, str) else suite
    opened, skipped = _open(suite, None if folder is None else Path(folder))
    if not opened:
        raise UserError(f"No problem of {suite.name} can be run: {skipped[0].problem.name}: {skipped[0].reason}")
    with ExitStack() as held:
        for one in opened.values():
            one.experiment.check_budget()
            if one.store is not None:
                held.enter_context(one.store.locked())
                one.store.begin(one.experiment.describe(), one.experiment.sources)
        if folder is not None:
            Store(Path(folder)).write_json(PLAN, _plan(suite, opened, skipped))
        traces = _traces(suite, opened, workers, engine, progress)
    for key in opened:
        if not any(trace.evaluations or trace.failure for (name, *_), trace in traces.items() if name == key):
            raise UserError(f"{suite.name}, {key}: The budget does not pay for a single evaluation.")
    results = [
        problem_result(one.problem, one.objective, suite.labels, [t for (name, *_), t in traces.items() if name == key])
        for key, one in opened.items()
    ]
    return SuiteResult(suite, results, skipped)


def _open(suite: Suite, folder: Path | None) -> tuple[dict[str, _Opened], list[Skipped]]:
    """The problems whose data is here, and those whose is not."""
    opened, skipped = {}, []
    strategies = [entrant.strategy for entrant in suite.entrants]
    most = max(entrant.runs for entrant in suite.entrants)
    for problem in suite.problems:
        try:
            objective = _bound(problem)
        except AbsentError as error:
            skipped.append(Skipped(problem, str(error)))
            continue
        except UserError as error:
            raise UserError(f"{suite.name}, {problem.name}: {error}") from error
        experiment = Experiment(objective, strategies, most, problem.budget, suite.seed, problem.first_cells)
        store = None if folder is None else Store(folder / PROBLEMS / problem.name)
        opened[problem.name] = _Opened(problem, objective, experiment, store)
    return opened, skipped


def _plan(suite: Suite, opened: Mapping[str, _Opened], skipped: Sequence[Skipped]) -> dict[str, Any]:
    return {
        "suite": suite.name,
        "title": suite.title,
        "seed": suite.seed,
        "problems": list(opened),
        "asked": [asdict(problem) for problem in suite.problems],
        "strategies": [{"name": entrant.label, "runs": entrant.runs} for entrant in suite.entrants],
        "not_run": [{"name": one.problem.name, "reason": one.reason} for one in skipped],
    }


def _bound(problem: Problem) -> Objective:
    """The problem's objective; where more of its benchmark is to be had, what it lacks is absent, not wrong."""
    benchmark = load(problem.benchmark)
    try:
        objective = bind(benchmark, problem.objective, problem.subject_to, seed_policy=problem.seed_policy)
    except UserError as error:
        if benchmark.more:
            said = str(error).removesuffix(benchmark.more).strip()
            raise AbsentError(f"{said} {benchmark.more}") from error
        raise
    scores = objective.over_space()
    if scores is None and objective.parts > 1:
        raise UserError("Several objectives take a table, whose exact front they are measured against.")
    if scores is not None and not scores.feasible.any():
        raise UserError(f"No cell of {benchmark.name} meets {problem.subject_to or 'the limits'}.")
    return objective


def _traces(
    suite: Suite, opened: Mapping[str, _Opened], workers: int | None, engine: str, progress: Progress | None
) -> dict[tuple[str, str, int], Trace]:
    """Every run's curve by (problem, strategy, run), in the order of the jobs."""
    jobs: list[_Job] = [
        (name, entrant, number)
        for number in range(max(entrant.runs for entrant in suite.entrants))
        for name in opened
        for entrant in suite.entrants
        if number < entrant.runs
    ]
    made: dict[tuple[str, str, int], Trace] = {}
    if progress:
        progress(0, len(jobs))
    for outcome in run_jobs(partial(_do, opened), jobs, workers=workers, engine=engine):
        name, entrant, number = outcome.job
        if outcome.failure:
            lost = f"Strategy {entrant.label} failed in run {number}: {outcome.failure}."
            one = opened[name]
            run = Run(entrant.label, number, [], 0.0, 0.0, lost)
            made[name, entrant.label, number] = trace_of(one.objective, {}, run, one.problem.budget)
        else:
            made[name, entrant.label, number] = outcome.result
        if progress:
            progress(len(made), len(jobs))
    return {key: made[key] for key in ((name, entrant.label, number) for name, entrant, number in jobs)}


def _do(opened: Mapping[str, _Opened], job: _Job) -> Trace:
    name, entrant, number = job
    return opened[name].trace(entrant, number)


def problem_result(
    problem: Problem, objective: Objective, strategies: Sequence[str], traces: Sequence[Trace]
) -> ProblemResult:
    """All runs on one problem with what they are measured in.

    Args:
        problem: What was asked.
        objective: Its own.
        strategies: In the order of the suite.
        traces: Of all runs.
    """
    cost_unit = objective.benchmark.cost
    reference = reference_of(objective, problem.budget, traces)
    noise, several = noise_of(objective), objective.parts > 1
    return ProblemResult(
        problem=problem,
        objective=str(objective),
        loss=str(objective) if several else " + ".join(term.name for term in objective.terms if term.is_loss),
        weight=0.0 if several else objective.diversity_weight + sum(t.weight for t in objective.terms if not t.is_loss),
        fingerprint=objective.fingerprint,
        unit="cells" if problem.cells is not None else cost_unit,
        cost_unit=cost_unit,
        checkpoints=checkpoints(problem.budget),
        reference=reference,
        noise=None if noise is None else noise.mean_of_seeds / reference.scale,
        traces={name: [trace for trace in traces if trace.strategy == name] for name in strategies},
    )
