"""What a user calls: run a strategy once, compare several, and read a comparison again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from surrogate_nas.benchmarks import Benchmark, load, reopen
from surrogate_nas.core.arguments import checked
from surrogate_nas.core.errors import UserError
from surrogate_nas.objective import Expression, Objective
from surrogate_nas.strategies import StrategyLike
from surrogate_nas.study.comparison.comparison import Comparison
from surrogate_nas.study.comparison.verified import check_run
from surrogate_nas.study.comparison.verified import verify as verify_run
from surrogate_nas.study.experiment import FIRST_CELLS, Budget, Experiment, Progress, Within
from surrogate_nas.study.run import Watch, execute_run
from surrogate_nas.study.sandbox import CALL_LIMIT_SECONDS
from surrogate_nas.study.store import Run, Store, provenance

ObjectiveLike = str | Expression | Objective | None
"""Text, an expression, an objective that is tied to a benchmark, or None for the benchmark's default."""


@checked
def bind(
    benchmark: str | Benchmark,
    objective: ObjectiveLike,
    subject_to: str | None,
    *,
    seed_policy: str | None = None,
    search_on_final: str | Sequence[str] = (),
) -> Objective:
    """Tie what the user gave to a benchmark.

    Args:
        benchmark: A name or an opened benchmark.
        objective: Text, an expression or an `Objective`; None for the benchmark's default.
        subject_to: Limits as text.
        seed_policy: ``mean`` or ``draw``; None for what the objective says, which is ``mean`` where nobody says it.
        search_on_final: Final metrics that a search may see.

    Raises:
        UserError: See `Objective`; or the objective is tied to another benchmark.

    Example:
        >>> objective = bind("fashion", "valid_loss + 0.1*params", "params <= 20000")
        >>> objective.benchmark.name, objective.optimum() > 0
        ('fashion', True)
    """
    opened = load(benchmark) if isinstance(benchmark, str) else benchmark
    if not isinstance(opened, Benchmark):
        raise UserError(f"A benchmark is a name or what surrogate_nas.load gives, not {opened!r:.80}.")
    if isinstance(objective, Objective):
        if objective.benchmark.fingerprint != opened.fingerprint or subject_to or seed_policy or search_on_final:
            raise UserError(f"This objective is tied to {objective.benchmark.name} and complete; give its expression.")
        return objective
    expression = opened.objective if objective is None else objective
    return Objective(
        expression, opened, subject_to=subject_to, seed_policy=seed_policy or "mean", search_on_final=search_on_final
    )


@checked
def search(
    benchmark: str | Benchmark,
    strategy: StrategyLike = "bo",
    objective: ObjectiveLike = None,
    *,
    subject_to: str | None = None,
    seed_policy: str | None = None,
    search_on_final: str | Sequence[str] = (),
    budget: int | None = None,
    budget_seconds: float | None = None,
    seed: int = 0,
    call_limit_seconds: float = CALL_LIMIT_SECONDS,
    simulated_workers: int = 1,
    hidden: bool = False,
    target: float | None = None,
    callback: Watch | None = None,
) -> Run:
    """Run one strategy once; the same as run number `seed` of a comparison with the root seed 0.

    Args:
        benchmark: A name, as `surrogate_nas.load` takes it, or an opened benchmark.
        strategy: A name, with options as in ``evolution(population=50)``, ``file.py:Class``, or a class.
        objective: Text such as ``valid_error[12] + 0.1*params``, an expression or an `Objective`; None for the
            benchmark's default.
        subject_to: Limits as text, such as ``latency@raspi4 <= 20``; infeasible cells rank after all feasible ones.
        seed_policy: ``draw`` lets the search see one drawn training seed of each cell; `Objective.reported` reads what
            it found by the mean. None for what the objective says.
        search_on_final: Final metrics, such as a robust error, that this study searches on.
        budget: The most evaluations.
        budget_seconds: The most simulated seconds.
        seed: The number of the run.
        call_limit_seconds: The longest that one `ask` or `tell` may take.
        simulated_workers: How many cells are evaluated side by side on the simulated clock.
        hidden: Whether the strategy is denied what is known for free.
        target: The run ends when a feasible trial scores this or less.
        callback: Called with the new trials after each evaluation; ends the run by returning True.

    Returns:
        The run: its ``trials`` in the order of finishing, and as ``incumbent`` the one of the lowest score.

    Raises:
        UserError: The input is wrong, the strategy failed, or the budget pays for nothing.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search("fashion", "evolution", "valid_loss + 0.1*params", budget=60)
        >>> len(run.trials), run.incumbent.score == min(trial.score for trial in run.trials)
        (60, True)
        >>> small = sn.search("fashion", "evolution", "valid_loss", subject_to="params <= 20000", budget=60)
        >>> small.incumbent.feasible, small.incumbent.values["params"] <= 20000
        (True, True)
    """
    if seed < 0:
        raise UserError(f"A seed must be at least 0, not {seed}.")
    bound = bind(benchmark, objective, subject_to, seed_policy=seed_policy, search_on_final=search_on_final)
    limits = Budget(budget, budget_seconds)
    experiment = Experiment(
        bound, [strategy], 1, limits, call_limit_seconds=call_limit_seconds, simulated_workers=simulated_workers,
        hidden=hidden, target=target,
    )  # fmt: skip
    run = execute_run(experiment, strategy, seed, watch=callback)
    if run.failure:
        raise UserError(run.failure)
    if not run.trials:
        raise UserError("The budget does not pay for a single evaluation.")
    return run


@checked
def compare(
    benchmark: str | Benchmark,
    strategies: Sequence[StrategyLike],
    objective: ObjectiveLike = None,
    *,
    subject_to: str | None = None,
    seed_policy: str | None = None,
    search_on_final: str | Sequence[str] = (),
    runs: int = 10,
    budget: int | None = None,
    budget_seconds: float | None = None,
    seed: int = 0,
    first_cells: int = FIRST_CELLS,
    call_limit_seconds: float = CALL_LIMIT_SECONDS,
    simulated_workers: int = 1,
    hidden: bool = False,
    target: float | None = None,
    workers: int | None = None,
    engine: str = "processes",
    folder: str | Path | None = None,
    progress: Progress | None = None,
    callback: Within | None = None,
) -> Comparison:
    """Compare strategies under one objective, resuming what a folder already holds.

    Args:
        benchmark: A name, as `surrogate_nas.load` takes it, or an opened benchmark.
        strategies: Names (`snas strategies` lists them), with options as in ``evolution(population=50)``,
            ``file.py:Class``, or classes.
        objective: Text such as ``valid_error[12] + 0.1*params``, an expression or an `Objective`; None for the
            benchmark's default.
        subject_to: Limits as text, such as ``latency@raspi4 <= 20``; infeasible cells rank after all feasible ones.
        seed_policy: ``draw`` lets searches see one drawn training seed of each cell, while everything that is reported
            is by the mean over seeds; None for what the objective says.
        search_on_final: Final metrics, such as a robust error, that this study searches on; the report says so first.
        runs: How many seeds.
        budget: The most evaluations of a run.
        budget_seconds: The most simulated seconds of a run.
        seed: The root of all randomness.
        first_cells: How many random cells every strategy of a run is told first.
        call_limit_seconds: The longest that one `ask` or `tell` may take.
        simulated_workers: How many cells are evaluated side by side on the simulated clock.
        hidden: Whether strategies are denied what is known for free (`Objective.known`).
        target: A run ends when a feasible trial scores this or less.
        workers: How many runs at once; None for one, or for as many as a cluster takes.
        engine: Where they are made: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a colon its place, such as
            ``dask:tcp://HOST:8786``. Results depend neither on it nor on `workers`.
        folder: Where results are stored; None keeps them in memory. Given again with more strategies, runs or a larger
            budget, only what is missing is made.
        progress: Called with (runs done, runs in all).
        callback: Called with (strategy, run, new trials) after each evaluation, where there is one worker.

    Returns:
        Every finished run, with scores, exact regrets, tables and a report.

    Raises:
        UserError: Anything about the input is wrong; the message says what would be right.

    Example:
        >>> import surrogate_nas as sn
        >>> found = sn.compare("fashion", ["random", "bo"], "valid_error", runs=3, budget=60)
        >>> bool(found.regrets("bo").mean() < found.regrets("random").mean())  # distances from the table's optimum
        True
    """
    bound = bind(benchmark, objective, subject_to, seed_policy=seed_policy, search_on_final=search_on_final)
    experiment = Experiment(
        bound, strategies, runs, Budget(budget, budget_seconds), seed, first_cells, call_limit_seconds,
        simulated_workers, hidden, target,
    )  # fmt: skip
    made = experiment.execute(
        folder=None if folder is None else Path(folder),
        workers=workers,
        engine=engine,
        progress=progress,
        within=callback,
    )
    return Comparison(bound, experiment.describe() | {"provenance": provenance()}, made)


@checked
def read_comparison(
    folder: str | Path,
    *,
    benchmark: str | None = None,
    runs: int | None = None,
    unfinished: bool = False,
    verify: bool = False,
) -> Comparison:
    """Read a stored comparison, finished or not; where its benchmark is a table, every best score is looked up again.

    Args:
        folder: Where `compare` stored it.
        benchmark: The benchmark's name again, where opening it runs a file of the user's: a name that is read from the
            folder never loads code.
        runs: How many runs of each strategy are read, from the first; None for all.
        unfinished: Whether it may be one of which no run has finished.
        verify: Whether all scores are looked up again, not the best of each run alone.

    Raises:
        UserError: There is none, it is damaged, its benchmark now holds other data, or contradicts a score.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     made = compare("fashion", ["random"], "valid_loss", runs=2, budget=20, folder=folder)
        ...     read = read_comparison(folder)
        >>> read.strategies, bool((read.scores("random") == made.scores("random")).all())
        (['random'], True)
    """
    folder = Path(folder)
    store = Store(folder)
    description = store.read()
    named = () if benchmark is None else (benchmark,)
    opened = reopen(description["address"], with_=description.get("with", ()), named=named)
    told = description["objective"]
    objective = Objective(
        told["expression"],
        opened,
        seed=told["seed"],
        seed_policy=told.get("seed_policy", "mean"),
        search_on_final=told.get("search_on_final", ()),
    )
    if description["fingerprint"] not in (
        objective.fingerprint,
        objective.fingerprint_under(description["benchmark"]),
    ):
        raise UserError(
            f"{folder} was made with other data or conventions (fingerprint {description['fingerprint']}, "
            f"now {objective.fingerprint}); results of two are never mixed. Run the comparison again."
        )
    numbers = range(description["runs"])[:runs]
    found = [store.load(name, run, opened.space) for name in description["strategies"] for run in numbers]
    made = [run for run in found if run is not None]
    for run in made:
        path = store.path(run.strategy, run.run)
        check_run(run, objective, path)
        verify_run(run, objective, description["seed"], path, whole=verify)
    if not unfinished and not any(run.trials and not run.failure for run in made):
        raise UserError(f"{folder} holds no finished run yet.")
    return Comparison(objective, description, made)
