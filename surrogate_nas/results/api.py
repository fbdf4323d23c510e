"""What a user calls: run a strategy once, compare several, run a suite, and read again what a
folder holds of these, or several folders as one study.

Runs of one number start from the same cells in every folder, so they pair as in one study; what was
made of another problem, or with other options, is refused.
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
    """Run one strategy once. The run is the same as number `run` of a comparison with the same
    `seed`, `first` and `n_random`.

    Args:
        benchmark: A name, as `surrogate_nas.load` takes it, or an opened benchmark.
        strategy: A name, with options as in ``evolution(population=50)``, ``file.py:Class``, or a
            class.
        objective: Text such as ``valid_error[12] + 0.1*params``, an expression or an `Objective`;
            None for the benchmark's default.
        subject_to: Limits as text, such as ``latency@raspi4 <= 20``; infeasible cells rank after
            all feasible ones.
        budget: The most evaluations; 150 if no budget is given.
        budget_seconds: The most simulated seconds.
        budget_tokens: The most tokens that an external program may report; an answer that passes it
            does not count.
        target: The score at which the run ends, as the search sees it, if the cell is feasible.
        run: The number of the run.
        seed: The root of all randomness.
        first: A list of cells that are asked for before all others, by text or index, or of files
            with a cell a line.
        n_random: How many random cells come next; None for ten, and for none on a training of
            one's own, where strategies draw what they need themselves.
        known: What was trained before: a list of trials, or a pandas data frame or a CSV file with
            a column ``cell``, or one for each choice, one for each metric that the objective reads,
            and ``epochs`` where not all are of its own. The strategy observes it first. It is not
            charged and is no trial, so it is never the answer.
        folder: Where the run is stored as it is made, as a comparison's is; the same call goes on
            from there after an interruption. None keeps it in memory.
        confirm: Such as ``3x5`` or ``(3, 5)``: the best three cells are trained with five fresh
            seeds each, which is not charged to the budget (`surrogate_nas.runs.confirm`).
        against_cell: A cell of your own, its text or its index, that the confirmed one must beat;
            None for the first of `first`.
        callback: Called with an `Event` after each evaluation, when the number of running trainings
            changes, when a training fails, and after each confirming training. ``event.stop()``
            ends the run.
        resources: Where cells are trained and how many at once (`Resources`).
        seed_policy: What searches see: ``mean``, the mean over training seeds, or ``draw``, one
            drawn seed of each cell (reports use the mean); None for the objective's own policy.
        search_on_final: Final metrics, such as a robust error, that this study searches on.
        hidden: Whether strategies are denied the free terms, which need no training.

    Returns:
        The run: its ``trials`` in the order of finishing, as ``incumbent`` the one of the lowest
        score, as ``best_known`` the best of what was known before, and as ``confirmed`` what fresh
        seeds say.

    Raises:
        UserError: The input is wrong, the strategy failed, or the budget pays for nothing.

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
            "A search is one run: for several trainings at once give parallel, not workers."
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
    """Compare strategies under one objective, resuming what a folder already holds.

    Args:
        benchmark: A name, as `surrogate_nas.load` takes it, or an opened benchmark.
        strategies: Names (`snas strategies` lists them), with options as in
            ``evolution(population=50)``, ``file.py:Class``, or classes; or a mapping of labels to
            these.
        objective: Text such as ``valid_error[12] + 0.1*params``, an expression or an `Objective`;
            None for the benchmark's default.
        subject_to: Limits as text, such as ``latency@raspi4 <= 20``; infeasible cells rank after
            all feasible ones.
        runs: How many seeds.
        budget: The most evaluations of a run; 150 if no budget is given.
        budget_seconds: The most simulated seconds of a run.
        budget_tokens: The most tokens that an external program may report in one run; an answer
            that passes it does not count.
        target: The score at which a run ends, as its search sees it, if the cell is feasible.
        seed: The root of all randomness.
        first: Cells that every run begins with, as for `search`.
        n_random: The number of random cells that every strategy of a run observes next.
        folder: Where results are stored; None keeps them in memory. Given again with more
            strategies, runs or a larger budget, only what is missing is made.
        callback: Called with an `Event` at the beginning and when a run ends, and, where runs are
            made one after another on this machine, after each evaluation. There, ``event.stop()``
            ends the run; elsewhere it has no effect.
        resources: How many runs at once, where, and what each may take (`Resources`).
        seed_policy: What searches see: ``mean``, the mean over training seeds, or ``draw``, one
            drawn seed of each cell (reports use the mean); None for the objective's own policy.
        search_on_final: Final metrics, such as a robust error, that this study searches on.
        hidden: Whether strategies are denied the free terms, which need no training.
        against: Folders of earlier results of the same problem, archives, or names of shipped
            archives; their runs, and all of `folder`, are part of the result.
        blind: Whether each strategy is also run as ``blind:NAME``, which sees operations and
            metrics under other names.
        controls: Whether each external program is also run with hidden names, without history, and
            next to random mutation.

    Returns:
        Every finished run, with scores, exact regrets, tables and a report.

    Raises:
        UserError: Anything about the input is wrong; the message says what would be right.

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
    """The comparison of an experiment's runs."""
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
    """Make every run that a folder does not hold yet, and read all of them.

    Args:
        suite: ``starter``, ``standard``, a TOML file, a `Suite`, or a list of `Problem`.
        strategies: A list, or a mapping of labels to strategies; empty for the suite's own, and for
            the default ones of a list of problems.
        runs: The number of runs of each strategy on each problem; None for the suite's own, and for
            10 of a list of problems.
        folder: Each problem is kept in ``problems/NAME`` of it, as ``snas compare`` keeps one; None
            keeps all in memory.
        budget_tokens: The most tokens that an external program may report in one run; an answer
            that passes it does not count.
        seed: The root of all randomness; None for the suite's own, 0 by default.
        n_random: The number of random cells that every strategy of a run observes first; None for
            each problem's own.
        callback: Called with an `Event` at the beginning and when a run ends, and, where runs are
            made one after another on this machine, after each evaluation. There, ``event.stop()``
            ends the run; elsewhere it has no effect.
        resources: How many runs at once, where, and what each may take (`Resources`).
        hidden: Whether strategies are denied the free terms, which need no training.
        against: Folders of earlier results of the same problems, archives, or names of shipped
            archives; the problems that all hold are judged with the runs of all. It takes `folder`.
        blind: Whether each strategy is also run as ``blind:NAME``, which sees operations and
            metrics under other names.

    Raises:
        UserError: A problem asks for what its benchmark cannot give, the folder holds another
            suite's results or cannot be written, or no problem's data is here.

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
        raise UserError("against takes a suite that is stored: give folder=.")
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
    """The problem's objective; where more of its benchmark is to be had, what it lacks is absent,
    not wrong.
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
            "Several objectives take a table, whose exact front they are measured against."
        )
    if scores is not None and not scores.feasible.any():
        raise UserError(
            f"No cell of {benchmark.name} meets {problem.subject_to or 'the limits'}."
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
    """Read a stored comparison, finished or not; where its benchmark is a table, every best score
    is looked up again.

    Args:
        against: Further such folders, of the same problem; their runs stand beside the first one's
            as if made with them. A strategy that did different things in two folders has the
            folder's name behind its own.
        benchmark: The benchmark's name again, where opening it runs a file of the user's: a name
            that is read from the folder never loads code.
        runs: How many runs of each strategy are read, from the first; None for all.
        unfinished: Whether it may be one of which no run has finished.
        verify: Whether all scores are looked up again, not the best of each run alone.
        created: What was just made in the folder; its runs are not read, nor its benchmark opened.

    Raises:
        UserError: There is none, it is damaged, or its benchmark contradicts a score, cannot be
            opened or holds other numbers by now; or another folder is of another problem.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     made = compare(
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
        ...     bool((read.scores("random") == made.scores("random")).all()),
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
        raise UserError(f"{folder} holds no finished run yet.")
    return Comparison(objective, description, stored)


def stored_objective(
    folder: Path, description: Row, benchmark: str | Benchmark | None
) -> Objective:
    """A folder's objective, on that part of its table that the folder was begun with."""
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
        raise UserError(f"against is a list of folders, not {against!r:.80}.")
    return list(dict.fromkeys(map(Path, (*own, *listed))))


def stored_suite(
    folder: str | Path,
    *,
    against: Sequence[str | Path] = (),
    benchmark: str | Benchmark | None = None,
    verify: bool = False,
) -> SuiteResult:
    """Read a suite's folder, finished or not, with all trials.

    Args:
        against: Further such folders; the problems that all hold are judged with the runs of all.
        benchmark: A benchmark's name again, where opening it runs a file of the user's.
        verify: Whether all scores are looked up again, not the best of each run alone.

    Raises:
        UserError: It holds no suite, a damaged one, or no finished run yet; or the folders have no
            problem in common.
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
        raise UserError(f"{folder} holds no finished run yet.")
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
    """The comparison of each problem with a finished run among the first `runs`, by name.

    It is read from the suite's folder where the result does not hold it.
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
    """One comparison of what several folders hold."""
    first = next(iter(comparisons))
    for folder, comparison in comparisons.items():
        if differs := _differs(comparisons[first], comparison):
            raise UserError(f"{folder} cannot stand beside {first}: {differs}.")
    return _merged(comparisons, _names({"": comparisons}))


def _merged_suites(
    suites: Mapping[Path, _SuiteRuns],
) -> tuple[Suite, Mapping[str, Comparison], Sequence[str]]:
    """One suite of the problems that several folders all hold, and lines on whose runs are in it
    and which problems do not count.
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
            f"{' and '.join(map(str, suites))} hold no problem in common: {left_out[0]}"
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
        return f"{its} is another question than {mine} {in_words}"
    if prints[0] != prints[1]:
        return f"its data or conventions are others {in_words}"
    options, others = first.description, second.description
    # what an evaluation is charged decides which ones a run makes
    in_time = options["budget"]["seconds"] or options.get("simulated_workers", 1) > 1
    if in_time and (otherwise := _charged_otherwise(first, second)):
        return f"its evaluations are charged {otherwise}"
    if options.get(BEGINNING) != others.get(BEGINNING):
        return "it begins with other first or known cells"
    for name in ("budget", *USUAL):
        if options.get(name) != others.get(name):
            its, mine = (
                _in_words(described.get(name)) for described in (others, options)
            )
            return f"it was made with {name.replace('_', ' ')} {its}, the other with {mine}"
    return ""


def _charged_otherwise(first: Comparison, second: Comparison) -> str:
    """How the second one's evaluations are charged, where that is otherwise and both record it."""
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
        f"Evaluations of {folder.name}{on} are charged {otherwise}: compare by evaluations, not by"
        " seconds."
        for folder, comparison in comparisons.items()
        if (otherwise := _charged_otherwise(first, comparison))
    ]


def _in_words(value: object) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    amounts = {unit: amount for unit, amount in value.items() if amount is not None}
    return " and ".join(f"{amount:g} {unit}" for unit, amount in amounts.items())


def _names(problems: Mapping[str, Mapping[Path, Comparison]]) -> _Names:
    """What every strategy of every folder is called: with its folder where two differ."""
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
