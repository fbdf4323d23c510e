"""The runner of studies: problems × strategies × seeds, with the same results for any number of
workers and after any crash.

Run number k of every strategy starts with the same initial cells. These cells are sampled from a
random stream that depends only on the root seed and on k. Everything that a run does with its
strategy (requests, validation, charges and updates) happens in the process that executes the run. A
strategy never has access to the benchmark. Run number k is made on all problems before run number k
+ 1 starts on any problem, so an interrupted study covers all problems.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.core import UserError, check_whole, first_noted, plural
from surrogate_nas.objective import Objective
from surrogate_nas.objective.supernet_context import supernet_context_of
from surrogate_nas.runs.beginning import BEGINNING, NOTHING, Beginning, unasked
from surrogate_nas.runs.confirm import announcement
from surrogate_nas.runs.events import Callback, Event
from surrogate_nas.runs.options import (
    BEST_SHOWN,
    MOST_RUNS,
    Budget,
    Options,
    ended_by,
    settled,
)
from surrogate_nas.runs.run import OtherHistoryError, Run
from surrogate_nas.runs.sandbox import dry_run, inspect_strategy
from surrogate_nas.runs.scale import recordable
from surrogate_nas.runs.search import (
    INTERRUPT,
    Follower,
    Note,
    failed_in,
    first_cells,
    make_run,
)
from surrogate_nas.runs.sources import Sources, count_version, folder_of, sources_of
from surrogate_nas.runs.store import Store, numbered
from surrogate_nas.runtime.engines import Jobs, check_engine, stays_here
from surrogate_nas.runtime.user_code import StrategyError
from surrogate_nas.runtime.worker import Lost, Task, answer, share, tell
from surrogate_nas.space.registry import SPACES
from surrogate_nas.strategies import (
    LABELS,
    StrategiesLike,
    StrategyEntry,
    strategy_entries,
)

_HERE = "processes"
NOTHING_PAID = "The budget does not pay for a single evaluation."


class Experiment:
    """The definition of the runs on one problem of a study: strategies, numbers of runs and budget.

    Attributes:
        reference: The scale of normalised regret, computed from all cells and stored in the folder
            after the runs.
    """

    reference: dict[str, Any] | None = None

    def __init__(
        self,
        objective: Objective,
        strategies: StrategiesLike,
        runs: int,
        budget: Budget,
        beginning: Beginning = NOTHING,
        number: int | None = None,
        *,
        name: str = "",
        folder: Path | None = None,
        runs_of: Mapping[str, int] | None = None,
        **options: Any,
    ) -> None:
        """Check the definition of the experiment without running it.

        Args:
            objective: The objective that every strategy minimises.
            strategies: In any form that `surrogate_nas.strategies.strategy_entries` accepts.
            runs: Number of seeds.
            budget: The budget of each run.
            beginning: The user's initial data of each run, in addition to random cells.
            number: The number of the only run of a search, or None if runs count from 0.
            name: The name of the problem in its study.
            folder: The folder for results, or None to keep them in memory.
            runs_of: Number of seeds of each strategy by label, or None for `runs`.
            **options: The fields of `Options`.
        """
        self.entries = strategy_entries(strategies)
        self.options = settled(Options(**options), objective.benchmark)
        self.objective = objective
        self.runs = runs
        self.budget = budget
        self.beginning = beginning
        self.number = number
        self.name = name
        self.store = None if folder is None else Store(folder)
        self._runs_of = runs_of or {}
        # how many versions of every strategy of a user's were run on this problem and seeds, as
        # far as counted
        self.versions: dict[str, int] = {}
        check_whole("The number of runs", runs, 1, MOST_RUNS)
        if not self.entries:
            raise UserError("A comparison needs at least one strategy.")
        self._flags = {
            entry.label: inspect_strategy(entry, objective.n_objectives)
            for entry in self.entries
        }
        if any(flags.needs_supernet for flags in self._flags.values()):
            supernet_context_of(objective)
        for label, flags in self._flags.items():
            beginning.check(
                budget,
                label,
                chooses_epochs=flags.chooses_epochs,
                epochs=objective.epochs,
            )

    @property
    def labels(self) -> list[str]:
        """The names of the strategies."""
        return [entry.label for entry in self.entries]

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the runs of each strategy."""
        return range(self.runs) if self.number is None else [self.number]

    @cached_property
    def sources(self) -> dict[str, Sources]:
        """The source code of every user-defined strategy, by label, at the time when this property
        is first read.
        """
        sources = {entry.label: sources_of(entry) for entry in self.entries}
        return {name: files for name, files in sources.items() if files}

    @property
    def folders(self) -> dict[str, Path]:
        """For each user-defined strategy, by label, the folder that contains its file."""
        folders = {entry.label: folder_of(entry) for entry in self.entries}
        return {name: folder for name, folder in folders.items() if folder is not None}

    def describe(self) -> dict[str, Any]:
        """Return the description of the experiment that is written to ``experiment.json``."""
        engine = self.objective.benchmark.backend
        beginning = self.beginning.stored()
        given = {e.label: e.written for e in self.entries if e.label != e.written}
        return {
            # before the fingerprint that holds it, as it says more
            **({"engine": engine} if engine else {}),
            "fingerprint": self.objective.begun_as or self.objective.fingerprint,
            "benchmark": self.objective.benchmark.name,
            "address": self.objective.benchmark.address,
            "with": [str(file) for file in self.objective.benchmark.joined],
            "objective": self.objective.describe(),
            "data": self.objective.describe_data(),
            "strategies": self.labels,
            **({LABELS: given} if given else {}),
            **numbered(self.numbers),
            "budget": structs.asdict(self.budget),
            **self.options.stored(),
            **({} if beginning is None else {BEGINNING: beginning}),
            **({} if self.reference is None else {"reference": self.reference}),
        }

    def execute(
        self,
        *,
        folder: Path | None = None,
        callback: Callback | None = None,
    ) -> list[Run]:
        """Make every run that a folder does not contain yet. Return all runs, ordered by strategy
        and then by number (see `execute`).
        """
        if folder is not None:
            self.store = Store(folder)
        runs = execute([self], callback)
        if not any(run.trials or run.failure for run in runs.values()):
            raise UserError(NOTHING_PAID)
        return self.in_order(runs)

    def in_order(self, results: "Mapping[Key, Any]") -> list[Any]:
        """Return the results on this problem, ordered by strategy and then by number."""
        own = {
            key[1:]: value for key, value in results.items() if key.problem == self.name
        }
        return [own[pair] for pair in product(self.labels, self.numbers) if pair in own]

    def check(self) -> None:
        """Check that the budget has the benchmark's unit of cost and is large enough for one
        evaluation, and that all strategies can be created with their options. Warn if the budget
        pays only for initial cells.
        """
        objective, seconds = self.objective, self.budget.seconds
        space = objective.benchmark.space
        if seconds is not None and objective.benchmark.cost_unit == "queries":
            raise UserError(
                f"{self.name and f'{self.name}: '}{objective.benchmark.name} counts queries,"
                f" not seconds, so the budget of {seconds:g} seconds does not apply. Limit the"
                " evaluations with budget (--budget)."
            )
        initial = len(self.beginning.first) + self.options.n_random
        if line := unasked(self.budget.cells, initial):
            warnings.warn(line, stacklevel=2)
        if (
            seconds is not None
            and objective.benchmark.has_columns
            and self.options.n_random
        ):
            begins = [
                first_cells(space, 1, self.options.seed, run)[0] for run in self.numbers
            ]
            if not (objective.look_up(begins)[2] <= seconds).any():
                raise UserError(NOTHING_PAID)
        settings = {
            "epochs": objective.fidelities,
            "readable": objective.readable,
            "qualities": objective.qualities,
        }
        for entry in self.entries:
            dry_run(entry, space, self.options.call_limit, settings)

    def begin(self, stack: ExitStack) -> None:
        """Lock the results folder until the exit stack is closed, and write the description of the
        experiment to the folder.
        """
        if self.store is not None:
            stack.enter_context(self.store.locked())
            self.store.begin(self.describe(), self.sources, self.folders)
        self._note()

    def _note(self, *, ended: bool = False) -> None:
        """Record the files that the benchmark read, and count versions of strategies."""
        store, read = self.store, self.objective.benchmark.files
        if store is not None and read is not None:
            store.keep("read", read.now())
        if store is None and self.number is not None:
            return
        problem = self.objective.fingerprint, self.options.seed
        for name, folder in self.folders.items():
            files = store.files_of(name) if ended and store is not None else None
            self.versions[name] = count_version(
                name, folder, problem, self.sources.get(name, {}), files
            )
        if store is not None:
            store.keep(
                "versions", {name: n for name, n in self.versions.items() if n > 1}
            )

    def end(self) -> None:
        """Write final facts to the results folder: which files user-defined strategies read, the
        number of their versions and, unless it is a single search, the scale of regret.
        """
        if self.store is not None and self.number is None:  # a search tells no regret
            self.reference = self.store.read().get("reference") or recordable(
                self.objective, self.budget
            )
            self.store.keep("reference", self.reference or {})
        if self.store is not None:
            read = {name: self.store.files_of(name) for name in self.folders}
            self.store.keep(
                "files", {name: files for name, files in read.items() if files}
            )
        self._note(ended=True)

    def stored_run(self, name: str, number: int) -> Run | None:
        """Return a finished run from the results folder, or None. If the stored run failed, it is
        discarded.
        """
        store, benchmark = self.store, self.objective.benchmark
        run = None if store is None else store.load(name, number, benchmark.space)
        if store is None or run is None:
            return None
        if run.failure:
            store.discard(name, number)
            return None
        for trial in run.trials:
            benchmark.recall(trial.cell.text, trial.values)
        return replace(run, known=self.beginning.known)

    def whole_run(self, name: str, number: int) -> Run | None:
        """Return a stored run if it is complete, or None. A run is incomplete if the budget was
        raised after it had ended.
        """
        run = self.stored_run(name, number)
        if run is None or ended_by(run.trials, run.epochs, self.options):
            return run
        return (
            run if Budget(run.budget_cells, run.budget_seconds) == self.budget else None
        )

    def announce(self, runs: int) -> None:
        """Print warnings before runs on standard error: how often user-defined functions will be
        called, that no cell satisfies the constraints, or that a training may hang because it has
        no time limit.
        """
        benchmark = self.objective.benchmark
        read = dict.fromkeys(question.metric for question in self.objective.questions())
        finals = [m.name for m in benchmark.metrics if m.kind == "final"]
        late = [
            *filter(
                benchmark.is_expensive, (name for name in finals if name not in read)
            )
        ]
        sentences = []
        if runs:
            expensive = [*filter(benchmark.is_expensive, read)]
            most = int(min(filter(None, (self.budget.cells, self.budget.seconds))))
            whole = f" in each run, {most * runs:,} in all" if runs > 1 else ""
            if expensive:
                sentences.append(
                    f"{', '.join(expensive)}: computed for at most {plural(most, 'cell')}{whole}."
                )
            if benchmark.runs_apart and not (
                benchmark.longest_seconds or benchmark.longest_silence
            ):
                sentences.append(
                    "A training that hangs is never ended. Set longest= or silence= (in"
                    " seconds) to end it."
                )
            sentences.append(announcement(self.objective, runs))
        if late:
            best = 1 if self.number is not None else len(self.entries) + BEST_SHOWN
            cells = plural(best, "cell")
            sentences.append(
                f"{', '.join(late)}: computed at the end for at most {cells}."
            )
        sentences.append(self.objective.unreachable)
        if any(sentences):
            sys.stderr.write(f"{' '.join(filter(None, sentences))}\n")

    def one(
        self,
        entry: StrategyEntry,
        number: int,
        *,
        apart: bool = False,
        **observers: Any,
    ) -> Run:
        """Return a single run. If the results folder contains a complete run, return that run. If
        the run is missing or incomplete, make or continue it. The folder must be locked already,
        and must contain the description. A run of a user-defined strategy is always made in its own
        process (`apart`). The optional arguments in `observers` are ``note``, which is called with
        events (`surrogate_nas.runs.search.Note`), and ``slots``, the workers that train cells.
        """
        name, store = entry.label, self.store
        if whole := self.whole_run(name, number):
            return whole
        stored = self.stored_run(name, number)
        if stored is not None and store is not None:
            drawn = len(stored.trials) > self.options.n_random
            if (
                entry.target == "external"
                and drawn
                and not store.answered(name, number)
            ):
                raise UserError(
                    f"{store.path(name, number)} was made by 0.1.0 with another protocol of"
                    " external programs and cannot be resumed. Name another folder with --out"
                    " (in Python folder=)."
                )
        make = partial(
            make_run,
            self.objective,
            self.budget,
            self.options,
            run=number,
            store=store,
            sources=None if store is None else self.sources.get(name),
            beginning=self.beginning,
        )
        if apart or not entry.is_trusted:
            make = partial(self._made_apart, make)
        try:
            return make(entry=entry, **observers)
        except OtherHistoryError:  # with the larger budget it goes another way
            if store is None or stored is None:
                raise
            store.discard(name, number)
            return make(entry=entry, **observers)

    def _made_apart(
        self, make: Callable[..., Run], entry: StrategyEntry, **observers: Any
    ) -> Run:
        """Make a run in its own process. If the process dies, return the trials until then."""
        started = time.perf_counter()
        benchmark = self.objective.benchmark
        space = benchmark.space.definition
        if type(benchmark) is TableBenchmark:
            share(
                "surrogate_nas.benchmarks.table:open_in_server",
                json.dumps(
                    [
                        str(benchmark.path),
                        self.objective.questions(),
                        self.objective.training_seed,
                    ]
                ),
            )
        if (
            self._flags[entry.label].shares_points
            and not entry.blinded
            and space in SPACES
        ):
            share("surrogate_nas.strategies.bo.strategy:prepare_named", space)
        follower = Follower(**observers)
        file = str(entry.target).rpartition(":")[0] if entry.origin == "file" else ""
        try:
            return follower.made(make, entry, self.options.call_limit, file)
        except StrategyError as error:
            return make(entry=entry, lost=(follower.trials, error), started=started)

    def jobs(self, number: int) -> "list[_Job]":
        """Return the runs with the given number, one for each strategy that has a run with this
        number.
        """
        return [
            (Key(self.name, entry.label, number), entry)
            for entry in self.entries
            if number in self.numbers
            and number < self._runs_of.get(entry.label, number + 1)
        ]


class Key(NamedTuple):
    """The key of a run in a study: problem, strategy and run number."""

    problem: str
    strategy: str
    number: int


_Job = tuple[Key, StrategyEntry]
_Keep = Callable[[Experiment, Run], Any]


def execute(
    problems: Sequence[Experiment],
    callback: Callback | None = None,
    *,
    begun: Callable[[], None] | None = None,
    keep: _Keep | None = None,
) -> dict[Key, Any]:
    """Make every run of a study that its folders do not contain yet, and return all runs.

    Args:
        problems: The problems of the study. The options of the first problem determine how many
            runs execute in parallel and on which engine. The results do not depend on these two
            options. If cells are trained in parallel, all concurrent runs share as many workers as
            a single run would have. In this case, the engine provides the workers, and the runs
            execute on this machine.
        callback: A function that is called with an `Event` at the beginning and at the end of each
            run. If the runs are made one after another on this machine, the callback is also called
            during runs. A single search sends only the events during the run.
        begun: A function that is called when all folders have been created.
        keep: A function that selects which part of a run to return. The function is called in the
            process that makes or reads the run, so that only the selected part is transferred. If
            None, whole runs are returned.

    Returns:
        The runs, or their selected parts, by problem, strategy and run number. If the strategy of a
        run failed or its worker was killed, `Run.failure` contains the error message.

    Raises:
        UserError: A folder contains another comparison or cannot be written, or a budget is too
            small for a single evaluation.
    """
    engine, workers = problems[0].options.engine, problems[0].options.workers
    is_search = problems[0].number is not None
    check_engine(engine, workers)
    by_name = {problem.name: problem for problem in problems}
    numbers = sorted({number for problem in problems for number in problem.numbers})
    jobs = [
        job
        for number in numbers
        for problem in problems
        for job in problem.jobs(number)
    ]
    results: dict[Key, Any] = {}
    for problem in problems:
        problem.check()
    with ExitStack() as stack:
        for problem in problems:
            problem.begin(stack)
        if begun:
            begun()
        if keep is None:
            stored = (
                (key, by_name[key.problem].whole_run(*key[1:])) for key, _ in jobs
            )
            results |= {key: run for key, run in stored if run is not None}
        todo = [job for job in jobs if job[0] not in results]
        for problem in problems:
            problem.announce(sum(key.problem == problem.name for key, _ in todo))
        # a search counts no runs
        state = {} if is_search else {"done": len(results), "total": len(jobs)}
        note = _noting(callback, state)
        if not is_search:
            note()
        slots = _slots(problems, engine, min(workers or 1, len(todo)), stack)
        maker = _Maker(by_name, keep)
        engine = _HERE if slots is not None or is_search else engine
        within = callback and note
        for key, result in _results(maker, todo, workers, engine, within, slots):
            results[key] = result
            if not is_search:
                state["done"] = len(results)
                note(key.strategy, key.number, running=0)
        for problem in problems:
            problem.end()
    return {key: results[key] for key, _ in jobs}


def _slots(
    problems: Sequence[Experiment], engine: str, runs: int, stack: ExitStack
) -> Jobs | None:
    """Return the workers that all runs share: one per training of a run, or one per run if there
    are more runs and no devices are assigned. Return None if nothing is trained in parallel.
    """
    trained = [
        problem.options for problem in problems if problem.options.in_flight is not None
    ]
    if not trained or not runs:
        return None
    count = max(options.parallel for options in trained)
    devices = max((options.devices for options in trained), key=len)
    return stack.enter_context(
        closing(Jobs(engine, count if devices else max(count, runs), devices))
    )


def _results(
    maker: "_Maker",
    todo: Sequence[_Job],
    workers: int | None,
    engine: str,
    note: Note | None,
    slots: Jobs | None,
) -> Iterator[tuple[Key, Any]]:
    if not todo or stays_here(engine, workers if len(todo) > 1 else 1):
        for key, entry in todo:
            own = note and partial(note, key.strategy, key.number)
            yield key, maker.make((key, entry), note=own, slots=slots)
        return
    with ExitStack() as stack:
        n_workers = None if workers is None else min(workers, len(todo))
        pool = stack.enter_context(closing(Jobs(engine, n_workers)))
        if slots is not None:
            stack.enter_context(first_noted(partial(tell, pool.key, INTERRUPT)))
        task = Task.of(maker.make)
        make_apart = partial(maker.make, slots=slots, apart=True)
        futures = {}
        for job in todo:
            apart = engine == _HERE and (slots is not None or not job[1].is_trusted)
            future = pool.call(make_apart, job) if apart else pool.submit(task, job)
            futures[future] = job[0], apart
        for future in as_completed(futures):
            key, apart = futures[future]
            result = future.result()
            if not apart:
                result = answer(result)
                if isinstance(result, Lost):
                    result = maker.lost(key, result.words)
            yield key, result


def _noting(callback: Callback | None, state: dict[str, int]) -> Note:
    """Return a function that turns what happens into events. `state` has the remaining fields."""

    def note(strategy: str = "", run: int = 0, **what: Any) -> bool:
        event = Event(strategy, run, **state | what)
        state["running"] = event.running
        if callback is not None:
            callback(event)
        return event.is_stopped

    return note


class _Maker(NamedTuple):
    problems: Mapping[str, Experiment]
    keep: _Keep | None

    def make(self, job: _Job, **how: Any) -> Any:
        key, entry = job
        return self.kept(key, self.problems[key.problem].one(entry, key.number, **how))

    def kept(self, key: Key, run: Run) -> Any:
        return run if self.keep is None else self.keep(self.problems[key.problem], run)

    def lost(self, key: Key, how: str) -> Any:
        why = failed_in(key.strategy, key.number, f"{how}.")
        return self.kept(key, Run(key.strategy, key.number, [], 0.0, 0.0, why))
