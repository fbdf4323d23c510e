"""The main functions: run one strategy once, compare several strategies, run a suite, and read
stored results. Results from several folders can be read as one study.

Runs of the same number start from the same cells in every folder, so they can be paired as in a
single study. Results of a different problem or with different options are refused.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from surrogate_nas.benchmarks import Benchmark, CellLike, SeedPolicy, load, reopen
from surrogate_nas.benchmarks.table import CHARGED
from surrogate_nas.core import (
    AbsentError,
    UserError,
    check_whole,
    checked,
    plural,
    renamed,
)
from surrogate_nas.objective import Objective
from surrogate_nas.results.archive import MANIFEST, origin_of
from surrogate_nas.results.archive import opened as unpacked
from surrogate_nas.results.comparison import MERGED, Comparison
from surrogate_nas.results.curves import ProblemResult, Trace
from surrogate_nas.results.suite import SuiteResult, suite_of
from surrogate_nas.runs.beginning import BEGINNING, FirstLike, read_beginning
from surrogate_nas.runs.confirm import ShapeLike, checked_shape
from surrogate_nas.runs.confirm import confirm as confirm_best
from surrogate_nas.runs.events import Callback, as_callback
from surrogate_nas.runs.ledger import check_run
from surrogate_nas.runs.ledger import verify as verify_run
from surrogate_nas.runs.options import (
    FIELDS,
    N_RANDOM,
    USUAL,
    ObjectiveOptions,
    Resources,
    budget_of,
    unusual,
)
from surrogate_nas.runs.problem import (
    Entry,
    ObjectiveLike,
    Problem,
    Suite,
    bind,
    read_plan,
    suite_with,
)
from surrogate_nas.runs.run import Run
from surrogate_nas.runs.runner import (
    NOTHING_PAID,
    Experiment,
    execute,
)
from surrogate_nas.runs.sources import most_versions
from surrogate_nas.runs.store import (
    NUMBERS,
    PLAN,
    PROBLEMS,
    Store,
    as_begun,
    numbered,
    numbers_of,
    provenance,
    resumed,
)
from surrogate_nas.space import Cell, Trial
from surrogate_nas.stats.summaries import Row
from surrogate_nas.strategies import (
    DEFAULTS,
    LABELS,
    StrategiesLike,
    StrategyLike,
    strategy_entries,
    strategy_entry,
    with_blind,
    with_controls,
)
from surrogate_nas.tables.table import epochs_text

if TYPE_CHECKING:
    import pandas

_Names = dict[tuple[Path, str], str]
# A suite with the runs of each of its problems that has one
_SuiteRuns = tuple[Suite, Mapping[str, Comparison]]


takes_former_names = renamed(
    first_cells="n_random",
    workers="resources.workers",
    engine="resources.engine",
    call_limit_seconds="resources.call_limit",
    simulated_workers="resources.simulated_workers",
    progress="callback",
)


@takes_former_names
@checked
def search(
    benchmark: str | Benchmark,
    strategy: StrategyLike = "bo",
    objective: ObjectiveLike = None,
    *,
    subject_to: str | None = None,
    budget: int | None = None,
    budget_seconds: float | None = None,
    budget_tokens: int | None = None,
    target: float | None = None,
    run: int = 0,
    seed: int = 0,
    first: FirstLike = (),
    n_random: int | None = None,
    known: "str | Path | Sequence[Trial] | pandas.DataFrame | None" = None,
    folder: str | Path | None = None,
    confirm: ShapeLike | None = None,
    against_cell: CellLike | None = None,
    callback: Callback | None = None,
    resources: Resources | None = None,
    seed_policy: SeedPolicy | None = None,
    search_on_final: str | Sequence[str] = (),
    hidden: bool = False,
) -> Run:
    """Run one strategy once. The run equals run number `run` of a comparison with the same `seed`,
    `first` and `n_random`.

    Args:
        benchmark: A name, as for `surrogate_nas.load`, or an opened benchmark.
        strategy: A name, optionally with options as in ``evolution(population=50)``, a
            ``file.py:Class``, or a class.
        objective: A string such as ``valid_error[12] + 0.1*params``, an expression or an
            `Objective`. If None, the benchmark's default objective is used.
        subject_to: Constraints as a string, such as ``latency@raspi4 <= 20``. Infeasible cells rank
            after all feasible ones.
        budget: The largest number of evaluations, 150 if no budget is given.
        budget_seconds: The largest number of simulated seconds.
        budget_tokens: The largest number of tokens that an external program may report. An answer
            that exceeds the token budget does not count.
        target: A score. The run ends as soon as a feasible cell has at most this score in the
            search.
        run: The number of the run.
        seed: The seed from which all randomness is derived.
        first: Cells that are evaluated before all other cells, as strings or indices, or files with
            one cell per line.
        n_random: Number of random cells that are evaluated after `first`. If None, ten random cells
            are evaluated. The exception is a training of your own, where the default is no random
            cells, because strategies sample the cells that they need.
        known: Earlier trainings: a list of trials, a pandas data frame or a CSV file. A frame or a
            file has a column ``cell`` (or one column per choice), one column per metric of the
            objective, and ``epochs`` if a training differs from the objective's epochs. The
            strategy observes these trainings first. Earlier trainings are not charged to the budget
            and are not trials of the run, so the result of the search is never one of them.
        folder: The folder to store the run in. Repeat the call to resume an interrupted run. If
            None, the run is only kept in memory.
        confirm: The number of cells and seeds for a confirmation of the result
            (`surrogate_nas.runs.confirm`). With ``3x5`` or ``(3, 5)``, the three best cells are
            trained with five new seeds each. These trainings are not charged to the budget.
        against_cell: Your own cell, as a string or index, with which the confirmed cell is
            compared. If None, the first cell of `first` is used.
        callback: A function that is called with an `Event` after each evaluation, when the number
            of running trainings changes, when a training fails, and after each training of a
            confirmation. Calling ``event.stop()`` ends the run.
        resources: Where trainings execute and how many run in parallel (`Resources`).
        seed_policy: The values that strategies receive: ``mean``, the mean over training seeds, or
            ``draw``, the value of one random training seed per cell. Reports use the mean in both
            cases. If None, the policy of the objective applies.
        search_on_final: Final (test) metrics, such as a robust error, that strategies may use for
            the search in this study.
        hidden: Whether to hide the free terms, which need no training, from strategies.

    Returns:
        The finished run. Its ``trials`` are in the order of completion, its ``incumbent`` is the
        trial with the lowest score, ``best_known`` is the best earlier training, and ``confirmed``
        is the result of the confirmation.

    Raises:
        UserError: An argument is invalid, the strategy failed, or the budget is too small for a
            single evaluation.

    Example:
        >>> import surrogate_nas as sn
        >>> run = sn.search(
        ...     "fashion", "evolution", "valid_loss + 0.1*params", budget=60
        ... )
        >>> (
        ...     len(run.trials),
        ...     run.incumbent.score == min(trial.score for trial in run.trials),
        ... )
        (60, True)
        >>> small = sn.search(
        ...     "fashion",
        ...     "evolution",
        ...     "valid_loss",
        ...     subject_to="params <= 20000",
        ...     budget=60,
        ... )
        >>> small.incumbent.feasible, small.incumbent.values["params"] <= 20000
        (True, True)
        >>> mine = sn.search("fashion", "random", "valid_loss", first=[11], budget=12)
        >>> [trial.cell.index for trial in mine.trials[:1]]
        [11]
    """
    run = check_whole("run", run)
    given, callback = Resources.of(resources), as_callback(callback)
    if given.workers not in (None, 1):
        raise UserError(
            "A search is a single run: for parallel trainings give parallel, not workers."
        )
    policy = ObjectiveOptions(seed_policy=seed_policy, search_on_final=search_on_final)
    bound = bind(benchmark, objective, subject_to, policy)
    beginning = read_beginning(bound, first, known)
    if confirm is not None and against_cell is None and beginning.first:
        against_cell = beginning.first[0]
    shape = checked_shape(bound, confirm, against_cell)
    if given.order is None and (given.parallel > 1 or given.devices):
        given = structs.replace(given, order="finished")
    if n_random is None:  # every training of one's own is expensive
        n_random = N_RANDOM if bound.benchmark.begins_at_random else 0
    path = None if folder is None else Path(folder)
    experiment = Experiment(
        resumed(bound, path),
        [strategy],
        1,
        budget_of(budget, budget_seconds),
        beginning,
        run,
        folder=path,
        seed=seed,
        n_random=n_random,
        budget_tokens=budget_tokens,
        target=target,
        hidden=hidden,
        **structs.asdict(given),
    )
    made: Run = next(iter(execute([experiment], callback).values()))
    if made.failure:
        raise UserError(made.failure)
    if not made.trials:
        raise UserError(NOTHING_PAID)
    if shape is not None:
        confirmed = confirm_best(
            bound,
            made,
            *shape,
            against=against_cell,
            callback=callback,
            resources=experiment.options,
            store=None if path is None else Store(path),
        )
        made = replace(made, confirmed=confirmed)
    return replace(made, objective=experiment.objective)


@takes_former_names
@checked
def compare(
    benchmark: str | Benchmark,
    strategies: StrategiesLike = DEFAULTS,
    objective: ObjectiveLike = None,
    *,
    subject_to: str | None = None,
    runs: int = 10,
    budget: int | None = None,
    budget_seconds: float | None = None,
    budget_tokens: int | None = None,
    target: float | None = None,
    seed: int = 0,
    first: FirstLike = (),
    n_random: int = N_RANDOM,
    folder: str | Path | None = None,
    callback: Callback | None = None,
    resources: Resources | None = None,
    seed_policy: SeedPolicy | None = None,
    search_on_final: str | Sequence[str] = (),
    hidden: bool = False,
    against: str | Path | Sequence[str | Path] = (),
    blind: bool = False,
    controls: bool = False,
) -> Comparison:
    """Compare strategies under one objective. If `folder` contains results of this comparison, only
    the missing runs are made.

    Args:
        benchmark: A name, as for `surrogate_nas.load`, or an opened benchmark.
        strategies: A list of strategies: names (``snas strategies`` lists them), optionally with
            options as in ``evolution(population=50)``, ``file.py:Class``, or classes. A mapping
            from labels to strategies is also accepted.
        objective: A string such as ``valid_error[12] + 0.1*params``, an expression or an
            `Objective`. If None, the benchmark's default objective is used.
        subject_to: Constraints as a string, such as ``latency@raspi4 <= 20``. Infeasible cells rank
            after all feasible ones.
        runs: Number of runs per strategy, each with its own seed.
        budget: The largest number of evaluations of a run, 150 if no budget is given.
        budget_seconds: The largest number of simulated seconds of a run.
        budget_tokens: The largest number of tokens that an external program may report in one run.
            An answer that exceeds the token budget does not count.
        target: A score. A run ends as soon as a feasible cell has at most this score in the search.
        seed: The seed from which all randomness is derived.
        first: Cells that every run evaluates before all other cells, in the format of `search`.
        n_random: Number of random cells that every strategy evaluates after `first`.
        folder: The folder to store results in. If None, the results are only kept in memory. A
            further call with more strategies, more runs or a larger budget makes only the missing
            runs.
        callback: A function that is called with an `Event` at the beginning and at the end of each
            run. If runs are made one after another on this machine, the callback is also called
            after each evaluation. In these calls, ``event.stop()`` ends the run.
        resources: How many runs execute in parallel, on which machines, and with which limits
            (`Resources`).
        seed_policy: The values that strategies receive: ``mean``, the mean over training seeds, or
            ``draw``, the value of one random training seed per cell. Reports use the mean in both
            cases. If None, the policy of the objective applies.
        search_on_final: Final (test) metrics, such as a robust error, that strategies may use for
            the search in this study.
        hidden: Whether to hide the free terms, which need no training, from strategies.
        against: Folders of earlier results on the same problem, archives, or names of shipped
            archives. The runs in these folders and all runs in `folder` are part of the result.
        blind: Whether to run each strategy a second time, as ``blind:NAME``, with operations and
            metrics renamed so that their meaning is hidden.
        controls: Whether to run three baselines for each external program: the program with renamed
            operations and metrics, the program without the history of its trials, and random
            mutation.

    Returns:
        The comparison: all finished runs, with their scores, regrets and summary tables.

    Raises:
        UserError: An argument is invalid. The error message says how to correct the argument.

    Example:
        >>> import surrogate_nas as sn
        >>> comparison = sn.compare(
        ...     "fashion", ["random", "bo"], "valid_error", runs=3, budget=60
        ... )
        >>> bool(
        ...     comparison.regrets("bo").mean() < comparison.regrets("random").mean()
        ... )  # distances from the table's optimum
        True
    """
    given, callback = Resources.of(resources), as_callback(callback)
    path = None if folder is None else Path(folder)
    policy = ObjectiveOptions(seed_policy=seed_policy, search_on_final=search_on_final)
    bound = bind(benchmark, objective, subject_to, policy)
    entries = (with_blind if blind else strategy_entries)(strategies)
    experiment = Experiment(
        resumed(bound, path),
        with_controls(entries, bound.benchmark.space) if controls else entries,
        runs,
        budget_of(budget, budget_seconds),
        read_beginning(bound, first),
        folder=path,
        seed=seed,
        n_random=n_random,
        budget_tokens=budget_tokens,
        target=target,
        hidden=hidden,
        **structs.asdict(given),
    )
    foreign = [folder for folder in _folders(against) if folder != path]
    with unpacked(foreign, objective=bound) as earlier:
        opens = bound.benchmark
        others = {
            folder: read_comparison(folder, benchmark=opens) for folder in earlier
        }
        made = compared(experiment, experiment.execute(callback=callback))
        if not others:
            return made
        whole = made if path is None else read_comparison(path, created=made)
        return _merged_comparisons({path or Path("here"): whole} | others)


def compared(experiment: Experiment, runs: Sequence[Run]) -> Comparison:
    """Build the comparison of an experiment's runs."""
    origin = {"provenance": provenance(), "versions": experiment.versions}
    return Comparison(experiment.objective, experiment.describe() | origin, runs)


@takes_former_names
@checked
def run_suite(
    suite: Suite | str | Sequence[Problem],
    strategies: StrategiesLike = (),
    *,
    runs: int | None = None,
    budget_tokens: int | None = None,
    seed: int | None = None,
    n_random: int | None = None,
    folder: str | Path | None = None,
    callback: Callback | None = None,
    resources: Resources | None = None,
    hidden: bool = False,
    against: str | Path | Sequence[str | Path] = (),
    blind: bool = False,
) -> SuiteResult:
    """Make every run of a suite that a folder does not contain yet, and read all runs.

    Args:
        suite: ``starter``, ``standard``, a TOML file, a `Suite`, or a list of `Problem`.
        strategies: A list of strategies, or a mapping from labels to strategies. If empty, the
            strategies of the suite are used or, for a list of problems, the default strategies.
        runs: Number of runs of each strategy on each problem. If None, the number in the suite is
            used or, for a list of problems, 10.
        folder: The folder to store results in, each problem in ``problems/NAME`` in the format of
            ``snas compare``. If None, the results are only kept in memory.
        budget_tokens: The largest number of tokens that an external program may report in one run.
            An answer that exceeds the token budget does not count.
        seed: The seed from which all randomness is derived. If None, the seed of the suite is used
            (0 by default).
        n_random: Number of random cells that every strategy evaluates first. If None, each
            problem's own number is used.
        callback: A function that is called with an `Event` at the beginning and at the end of each
            run. If runs are made one after another on this machine, the callback is also called
            after each evaluation. In these calls, ``event.stop()`` ends the run.
        resources: How many runs execute in parallel, on which machines, and with which limits
            (`Resources`).
        hidden: Whether to hide the free terms, which need no training, from strategies.
        against: Folders of earlier results on the same problems, archives, or names of shipped
            archives. Only problems that all folders contain are evaluated, with the runs of all
            folders. Requires `folder`.
        blind: Whether to run each strategy a second time, as ``blind:NAME``, with operations and
            metrics renamed so that their meaning is hidden.

    Raises:
        UserError: A problem requests something that its benchmark does not provide, the folder
            contains results of another suite or is not writable, or the data of all problems is
            missing.

    Example:
        >>> import surrogate_nas as sn
        >>> problems = [
        ...     sn.Problem("fashion", f"valid_loss + {w}*params", budget=30)
        ...     for w in (0.1, 0.5)
        ... ]
        >>> result = run_suite(problems, ["random", "evolution"], runs=2)
        >>> result.means().shape, result.failures  # problems × strategies
        ((2, 2), [])
    """
    given = structs.asdict(Resources.of(resources))
    callback = as_callback(callback)
    suite = suite_with(suite, strategies, runs)
    own = unusual({**given, "budget_tokens": budget_tokens, "hidden": hidden})
    entered = [entry.strategy for entry in suite.entries]
    suite = suite.entered(with_blind(entered)) if blind else suite
    suite = replace(
        suite,
        seed=suite.seed if seed is None else seed,
        problems=[
            problem if n_random is None else replace(problem, n_random=n_random)
            for problem in suite.problems
        ],
        options={**suite.options, **own},
    )
    path = None if folder is None else Path(folder)
    if path is None and against:
        raise UserError("against requires a stored suite: pass folder=.")
    opened, skipped = _opened(suite, path)
    kept = {n: v for n, v in suite.options.items() if n not in ("workers", "engine")}
    suite = replace(suite, not_run=skipped, options=kept)
    if not opened:
        raise UserError(
            f"No problem of {suite.name} can be run: {': '.join(next(iter(skipped.items())))}"
        )

    def begun() -> None:
        if skipped:
            sys.stderr.write(f"{_left_out(suite)}\n")
        if path is not None:
            Store(path).write_json(PLAN, _plan(suite, opened))

    with unpacked(_folders(against)) as earlier:
        for other in earlier:
            read_plan(other / PLAN)
        traces_by_key = execute(opened, callback, begun=begun, keep=_trace)
        if path is not None and earlier:
            return stored_suite(path, against=earlier)
    problems = {problem.name: problem for problem in suite.problems}
    results = []
    for experiment in opened:
        name = experiment.name
        traces = [trace for key, trace in traces_by_key.items() if key.problem == name]
        if not any(trace.evaluations or trace.failure for trace in traces):
            raise UserError(f"{suite.name}, {name}: {NOTHING_PAID}")
        results.append(
            ProblemResult.of(
                problems[name],
                experiment.objective,
                suite.labels,
                traces,
                experiment.describe(),
            )
        )
    versions = [experiment.versions for experiment in opened]
    return SuiteResult(suite, results, most_versions(versions), folder=path)


def _left_out(suite: Suite) -> str:
    n = len(suite.problems)
    reasons = suite.not_run.values()
    commands = {reason.rpartition(": run ")[2].rstrip(".") for reason in reasons}
    command = commands.pop() if len(commands) == 1 else "snas data fetch all"
    return (
        f"{suite.name} runs {n - len(reasons)} of its {plural(n, 'problem')} here. The data of the"
        f" others is missing: {', '.join(suite.not_run)}. To get it: {command}."
    )


def _trace(experiment: Experiment, run: Run) -> Trace:
    alone = Comparison(experiment.objective, experiment.describe(), [run])
    (trace,) = alone.traces(experiment.budget)
    return trace


def _opened(
    suite: Suite, folder: Path | None
) -> tuple[list[Experiment], dict[str, str]]:
    opened = []
    skipped = {}
    runs = {entry.label: entry.runs for entry in suite.entries}
    strategies = [entry.strategy for entry in suite.entries]
    for problem in suite.problems:
        try:
            objective = _bound(problem)
            beginning = read_beginning(objective, problem.first)
        except AbsentError as error:
            skipped[problem.name] = str(error)
            continue
        except UserError as error:
            raise UserError(f"{suite.name}, {problem.name}: {error}") from error
        path = None if folder is None else folder / PROBLEMS / problem.name
        experiment = Experiment(
            resumed(objective, path),
            strategies,
            max(runs.values()),
            problem.run_budget,
            beginning,
            name=problem.name,
            folder=path,
            runs_of=runs,
            seed=suite.seed,
            n_random=problem.n_random,
            **suite.options,
        )
        opened.append(experiment)
    return opened, skipped


def _plan(suite: Suite, opened: Sequence[Experiment]) -> Row:
    given = suite.options
    options = {key: given[name] for key, name in FIELDS.items() if name in given}
    return {
        "suite": suite.name,
        "title": suite.title,
        "seed": suite.seed,
        "problems": [experiment.name for experiment in opened],
        "asked": [problem.stored() for problem in suite.problems],
        "strategies": [
            {
                "name": label if label == written else f"{label}={written}",
                "runs": entry.runs,
            }
            for entry in suite.entries
            for label in [entry.label]
            for written in [strategy_entry(entry.strategy).written]
        ],
        "not_run": suite.not_run_rows,
    } | ({"options": options} if options else {})


def _bound(problem: Problem) -> Objective:
    """Return the problem's objective. If the benchmark has more data to fetch, missing metrics are
    absent instead of wrong.
    """
    benchmark = load(problem.benchmark)
    try:
        objective = problem.on(benchmark)
    except UserError as error:
        if benchmark.more:
            reason = str(error).removesuffix(benchmark.more).strip()
            raise AbsentError(f"{reason} {benchmark.more}") from error
        raise
    scores = objective.over_space()
    if scores is None and objective.n_objectives > 1:
        raise UserError(
            "Several objectives require a table, whose exact front they are compared with."
        )
    if scores is not None and not scores.feasible.any():
        raise UserError(
            f"No cell of {benchmark.name} satisfies {problem.subject_to or 'the constraints'}."
        )
    return objective


@checked
def read_comparison(
    folder: str | Path,
    *,
    against: Sequence[str | Path] = (),
    benchmark: str | Benchmark | None = None,
    runs: int | None = None,
    unfinished: bool = False,
    verify: bool = False,
    created: Comparison | None = None,
) -> Comparison:
    """Read a stored comparison, finished or not. If the benchmark is a table, the best score of
    each run is looked up again and compared.

    Args:
        against: Other folders with results on the same problem. The runs in these folders are added
            as if all runs had been made in one comparison. If a strategy differs between two
            folders, its label includes the name of the folder.
        benchmark: The name of the benchmark. This argument is needed only if opening the benchmark
            runs a file of the user. For safety, code is never loaded by a name that was read from
            the folder.
        runs: Number of runs of each strategy to read, beginning with the first run. If None, all
            runs are read. None for all.
        unfinished: Whether to accept a comparison without finished runs instead of raising an
            error.
        verify: Whether to look up all scores in the table again, instead of only the best score of
            each run.
        created: The comparison that was just made in the folder. If given, the folder is not read
            again and the benchmark is not opened again.

    Raises:
        UserError: The folder contains no comparison or is damaged, the benchmark cannot be opened,
            has changed or contradicts a score, or a folder in `against` has results on another
            problem.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     comparison = compare(
        ...         "fashion",
        ...         ["random"],
        ...         "valid_loss",
        ...         runs=2,
        ...         budget=20,
        ...         folder=folder,
        ...     )
        ...     read = read_comparison(folder)
        >>> (
        ...     read.strategies,
        ...     bool((read.scores("random") == comparison.scores("random")).all()),
        ... )
        (['random'], True)
    """
    folders = _folders(against, folder)
    if folders[1:]:
        return _merged_comparisons(
            {
                directory: read_comparison(
                    directory,
                    benchmark=benchmark,
                    runs=runs,
                    unfinished=unfinished,
                    verify=verify,
                    created=created if directory == folders[0] else None,
                )
                for directory in folders
            }
        )
    folder = Path(folder)
    store = Store(folder)
    description = store.read()
    if any((place / MANIFEST).is_file() for place in (folder, folder.parent.parent)):
        description.pop("reference", None)  # of an archive, which anyone may have made
    if created is None:
        objective = stored_objective(folder, description, benchmark)
        in_memory = {}
    else:
        objective = created.objective
        in_memory = {(run.strategy, run.run): run for run in created.runs}
    space = objective.benchmark.space
    stored = []
    for name in description["strategies"]:
        for number in numbers_of(description)[:runs]:
            run = in_memory.get((name, number)) or store.load(name, number, space)
            if run is not None:
                stored.append(run)
    for run in stored:
        path = store.path(run.strategy, run.run)
        check_run(run, objective, path)
        verify_run(run, objective, description["seed"], path, whole=verify)
    if not unfinished and not any(run.trials and not run.failure for run in stored):
        raise UserError(f"{folder} contains no finished run yet.")
    return Comparison(objective, description, stored)


def stored_objective(
    folder: Path, description: Row, benchmark: str | Benchmark | None
) -> Objective:
    """Return the objective of a stored comparison, bound to the part of the table that existed when
    the folder was created.
    """
    stored = description["objective"]
    try:
        opened = reopen(
            description["address"],
            with_=description.get("with", ()),
            named=() if benchmark is None else (benchmark,),
        )
        read = structs.asdict(ObjectiveOptions.read(stored))
        objective = Objective(
            stored["expression"], opened, training_seed=stored["seed"], **read
        )
        return as_begun(objective, description)
    except UserError as error:
        raise type(error)(f"{folder}: {error}") from error


def _folders(
    against: str | Path | Sequence[str | Path], *own: str | Path
) -> list[Path]:
    listed = [against] if isinstance(against, str | Path) else against
    if not isinstance(listed, Sequence) or not all(
        isinstance(path, str | Path) for path in listed
    ):
        raise UserError(f"against must be a list of folders, not {against!r:.80}.")
    return list(dict.fromkeys(map(Path, (*own, *listed))))


def stored_suite(
    folder: str | Path,
    *,
    against: Sequence[str | Path] = (),
    benchmark: str | Benchmark | None = None,
    verify: bool = False,
) -> SuiteResult:
    """Read a stored suite, finished or not, with all trials.

    Args:
        against: Other folders of suites. Only problems that all folders contain are evaluated, with
            the runs of all folders.
        benchmark: The name of a benchmark. This argument is needed only if opening the benchmark
            runs a file of the user.
        verify: Whether to look up all scores in the table again, instead of only the best score of
            each run.

    Raises:
        UserError: The folder contains no suite, a damaged suite or no finished run yet, or the
            folders have no problem in common.
    """
    folders = _folders(against, folder)
    read = {path: _stored_runs(path, benchmark, verify) for path in folders}
    if not folders[1:]:
        return suite_of(*read[folders[0]], folders[0])
    suite, comparisons, merged = _merged_suites(read)
    return replace(suite_of(suite, comparisons), merged=merged)


def _stored_runs(
    folder: Path, benchmark: str | Benchmark | None, verify: bool
) -> _SuiteRuns:
    suite = read_plan(folder / PLAN)
    comparisons = {}
    for problem in suite.problems:
        path = folder / PROBLEMS / problem.name
        if any((path / "runs").glob("*.jsonl")):
            with suppress(AbsentError):  # as a problem that is not run
                comparison = read_comparison(
                    path,
                    benchmark=benchmark,
                    unfinished=True,
                    verify=verify,
                )
                comparisons[problem.name] = _entered(comparison, suite, problem.name)
    if not any(comparison.strategies for comparison in comparisons.values()):
        raise UserError(f"{folder} contains no finished run yet.")
    return suite, comparisons


def _entered(comparison: Comparison, suite: Suite, problem: str) -> Comparison:
    runs = {entry.label: entry.runs for entry in suite.entries}
    own_runs = [
        run
        for name in runs
        for run in comparison.runs
        if run.strategy == name and run.run < runs[name]
    ]
    described = comparison.description
    strategies = [name for name in described["strategies"] if name in runs]
    described = described | {"strategies": strategies, "runs": max(runs.values())}
    return Comparison(comparison.objective, described, own_runs, key=problem)


def stored_problems(result: SuiteResult, runs: int) -> Iterator[tuple[str, Comparison]]:
    """Yield the name and the comparison of each problem of a suite that has a finished run among
    the first `runs` runs.

    A comparison that the result does not contain is read from the suite's folder.
    """
    for problem in result.problems:
        traces = [trace for of_one in problem.traces.values() for trace in of_one]
        if not any(t.run < runs and t.evaluations and not t.failure for t in traces):
            continue
        if problem.name in result.comparisons:
            yield problem.name, result.comparisons[problem.name]
        elif result.folder is not None:
            path = result.folder / PROBLEMS / problem.name
            if Store(path).exists:
                benchmark = problem.problem.benchmark
                yield (
                    problem.name,
                    read_comparison(path, benchmark=benchmark, runs=runs),
                )


def _merged_comparisons(comparisons: Mapping[Path, Comparison]) -> Comparison:
    """Merge the comparisons of several folders."""
    first = next(iter(comparisons))
    for folder, comparison in comparisons.items():
        if differs := _differs(comparisons[first], comparison):
            raise UserError(f"{folder} cannot be merged with {first}: {differs}.")
    return _merged(comparisons, _names({"": comparisons}))


def _merged_suites(
    suites: Mapping[Path, _SuiteRuns],
) -> tuple[Suite, Mapping[str, Comparison], Sequence[str]]:
    """Merge suites over the problems that all folders contain. Also return lines on the origin of
    the runs and on problems that do not count.
    """
    suite, comparisons = next(iter(suites.values()))
    problems = {}
    left_out = []
    for name in [problem.name for problem in suite.problems]:
        shared = {f: runs[name] for f, (_, runs) in suites.items() if name in runs}
        wrong = [f"{f.name} has no run of it" for f in suites if f not in shared] or [
            f"of {folder.name}: {difference}"
            for folder, comparison in shared.items()
            if (difference := _differs(comparisons[name], comparison))
        ]
        if wrong:
            left_out.append(f"{name} does not count, {wrong[0]}.")
        else:
            problems[name] = shared
    if not problems:
        raise UserError(
            f"{' and '.join(map(str, suites))} have no problem in common: {left_out[0]}"
        )
    names = _names(problems)
    given: dict[str, Entry] = {}
    for folder, (asked, _) in suites.items():
        for entry in asked.entries:
            name = names.get((folder, entry.label), "")
            runs = max(entry.runs, given[name].runs if name in given else 0)
            strategy = replace(strategy_entry(entry.strategy), label=name)
            given[name] = Entry(strategy, runs)
    suite = replace(
        suite,
        problems=[problem for problem in suite.problems if problem.name in problems],
        entries=[given[name] for name in dict.fromkeys(names.values())],
    )
    charged = [
        line for name, shared in problems.items() for line in _charged(shared, name)
    ]
    merged = {name: _merged(shared, names) for name, shared in problems.items()}
    return suite, merged, [*_origins(names), *charged, *left_out]


def _origins(names: _Names) -> list[str]:
    lines = []
    folders = list(dict.fromkeys(folder for folder, _ in names))
    known = {name for (folder, _), name in names.items() if folder == folders[0]}
    for folder in folders:
        if archive := origin_of(folder):
            own = [name for (f, _), name in names.items() if f == folder]
            new = ", ".join(name for name in own if name not in known)
            lines.append(f"{new or 'Nothing new'}: from {archive.origin}.")
    return lines


def _differs(first: Comparison, second: Comparison) -> str:
    mine, its = (
        f"{c.objective} on {c.objective.benchmark.name}" for c in (first, second)
    )
    prints = second.objective.fingerprint, first.objective.fingerprint
    in_words = f"(fingerprints {' and '.join(prints)})"
    if mine != its:
        return f"{its} is another objective than {mine} {in_words}"
    if prints[0] != prints[1]:
        return f"its data or conventions differ {in_words}"
    options, others = first.description, second.description
    # what an evaluation is charged decides which ones a run makes
    in_time = options["budget"]["seconds"] or options.get("simulated_workers", 1) > 1
    if in_time and (otherwise := _charged_otherwise(first, second)):
        return f"its evaluations are charged {otherwise}"
    if options.get(BEGINNING) != others.get(BEGINNING):
        return "its initial architectures or earlier trainings differ"
    for name in ("budget", *USUAL):
        if options.get(name) != others.get(name):
            its, mine = (
                _in_words(described.get(name)) for described in (others, options)
            )
            return f"it was made with {name.replace('_', ' ')} {its}, the other with {mine}"
    return ""


def _charged_otherwise(first: Comparison, second: Comparison) -> str:
    """Describe how the evaluations of the second one are charged, if both record it and differ."""
    lengths = {epochs_text(None), epochs_text(first.objective.epochs)}
    mine, its = (
        {
            name: [recorded[name].get(length) for length in lengths]
            for name in CHARGED
            if lengths & recorded.get(name, {}).keys()
        }
        for comparison in (first, second)
        for recorded in [(comparison.description.get("data") or {}).get("runs", {})]
    )
    if mine and its:
        for name in sorted(mine | its):
            if mine.get(name) != its.get(name):
                how = "with" if name not in mine else "without"
                return f"{how if name not in its or how == 'with' else 'by another'} {name}"
    return ""


def _charged(comparisons: Mapping[Path, Comparison], problem: str = "") -> list[str]:
    first = next(iter(comparisons.values()))
    on = f" on {problem}" if problem else ""
    return [
        f"Evaluations of {folder.name}{on} are charged {otherwise}: compare by evaluations, not"
        " by seconds."
        for folder, comparison in comparisons.items()
        if (otherwise := _charged_otherwise(first, comparison))
    ]


def _in_words(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    amounts = {unit: amount for unit, amount in value.items() if amount is not None}
    return " and ".join(f"{amount:g} {unit}" for unit, amount in amounts.items())


def _names(problems: Mapping[str, Mapping[Path, Comparison]]) -> _Names:
    """Return the label of every strategy of every folder, with the folder where two differ."""
    folders = list(next(iter(problems.values())))
    is_short = len({folder.name for folder in folders}) == len(folders)
    names: _Names = {}
    trials: dict[tuple[str, str, int], list[tuple[Cell, float]]] = {}
    differing = set()
    for problem, comparisons in problems.items():
        for folder, comparison in comparisons.items():
            for label in comparison.description["strategies"]:
                names[folder, label] = (
                    f"{label} of {folder.name if is_short else folder}"
                )
            for run in comparison.runs:
                scores = [(trial.cell, trial.score) for trial in run.trials]
                if (
                    trials.setdefault((problem, run.strategy, run.run), scores)
                    != scores
                ):
                    differing.add(run.strategy)
    return {key: name if key[1] in differing else key[1] for key, name in names.items()}


def _merged(comparisons: Mapping[Path, Comparison], names: _Names) -> Comparison:
    runs: dict[tuple[str, int], Run] = {}
    labels = []
    numbers = set[int]()
    given: dict[str, str] = {}
    for folder, comparison in comparisons.items():
        given |= {names[folder, e.label]: e.written for e in comparison.entries}
        labels += [names[folder, name] for name in comparison.description["strategies"]]
        numbers.update(numbers_of(comparison.description))
        for run in comparison.runs:
            name = names[folder, run.strategy]
            runs.setdefault((name, run.run), replace(run, strategy=name))
    first = next(iter(comparisons.values()))
    description = {
        key: value for key, value in first.description.items() if key != NUMBERS
    }
    description |= {"strategies": list(dict.fromkeys(labels)), **numbered(numbers)}
    description[LABELS] = {k: v for k, v in given.items() if k != v}
    description[MERGED] = [*_origins(names), *_charged(comparisons)]
    order = [
        runs[key]
        for key in sorted(runs, key=lambda key: (labels.index(key[0]), key[1]))
    ]
    return replace(first, description=description, runs=order)
