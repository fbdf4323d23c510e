"""The one runner of studies: problems × strategies × seeds, the same for one worker or many and
after any crash.

Run number k of every strategy starts from the same first cells, drawn from a stream that only the
root seed and k determine. A strategy is asked, validated, charged and told where its run is made;
it never holds the benchmark. Run k of all problems comes before run k + 1 of any, so that an
interrupted study has seen them all.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import structs

from surrogate_nas.benchmarks.table import TableBenchmark
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.interrupts import first_noted
from surrogate_nas.core.numbers import plural
from surrogate_nas.objective import Objective
from surrogate_nas.objective.supernet_context import supernet_context_of
from surrogate_nas.runs.apart import INTERRUPT, Follower
from surrogate_nas.runs.beginning import BEGINNING, NOTHING, Beginning
from surrogate_nas.runs.confirm import announcement
from surrogate_nas.runs.options import BEST_SHOWN, MOST_RUNS, Budget, Options, trainings_in_flight
from surrogate_nas.runs.run import OtherHistoryError, Run
from surrogate_nas.runs.running import Watcher
from surrogate_nas.runs.sandbox import introduce, rehearse
from surrogate_nas.runs.scale import recordable
from surrogate_nas.runs.search import Watch, ended_run, first_cells, keep_trace, make_run
from surrogate_nas.runs.sources import Sources, folder_of, sources_of
from surrogate_nas.runs.store import Store, numbered
from surrogate_nas.runs.trainings import Slots, slots_of
from surrogate_nas.runs.versions import count_version
from surrogate_nas.runtime.engines import Jobs, Outcome, check_engine, stays_here
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.runtime.worker import Task, outcome, share, tell
from surrogate_nas.space.registry import SPACES
from surrogate_nas.space.trial import Trial
from surrogate_nas.strategies import StrategyEntry, StrategyLike, strategy_entry

Progress = Callable[[int, int], None]
"""Is told (runs done, runs in all)."""
Within = Callable[[str, int, Sequence[Trial]], None]
"""Is told (strategy, run, new trials) after each evaluation."""
_HERE = "processes"
NOTHING_PAID = "The budget does not pay for a single evaluation."


class Experiment:
    """What is compared on one problem."""

    def __init__(
        self,
        objective: Objective,
        strategies: Sequence[StrategyLike],
        runs: int,
        budget: Budget,
        beginning: Beginning = NOTHING,
        number: int | None = None,
        **options: Any,
    ) -> None:
        """Check what is compared; nothing is run.

        Args:
            objective: What every strategy minimises.
            strategies: Names, ``file.py:Class``, or classes.
            runs: How many seeds.
            budget: What each run may spend.
            beginning: What a user begins each run with, besides random first cells.
            number: The number of the only run, of a search; None where runs count from 0.
            **options: The fields of `Options`.
        """
        if isinstance(strategies, str) or not isinstance(strategies, Sequence):
            raise UserError(f"strategies is a list of names or classes, not {strategies!r:.80}.")
        given = Options(**options)
        if given.devices and given.parallel == 1:
            given = structs.replace(given, parallel=len(given.devices))
        in_flight, order = trainings_in_flight(given, objective.benchmark)
        self.options = structs.replace(given, in_flight=in_flight, order=order)
        self.objective = objective
        self.strategies = strategies
        self.runs = runs
        self.budget = budget
        self.beginning = beginning
        self.number = number
        self.versions: dict[str, int] = {}
        """How many versions of every strategy of a user's were run on this problem and seeds, as
        far as counted.
        """
        check_whole("The number of runs", runs, 1, MOST_RUNS)
        if not strategies:
            raise UserError("A comparison needs at least one strategy.")
        if len(set(self.labels)) < len(self.labels):
            raise UserError(f"Two strategies have the same name: {', '.join(self.labels)}.")
        flags = {entry.label: introduce(entry, objective.parts) for entry in self.entries}
        self._flags = flags
        if any(one.needs_supernet for one in flags.values()):
            supernet_context_of(objective)
        for label, one in flags.items():
            beginning.check(
                budget,
                label,
                chooses_epochs=one.chooses_epochs,
                epochs=objective.epochs,
            )

    @cached_property
    def entries(self) -> list[StrategyEntry]:
        """The strategies, each resolved."""
        return [strategy_entry(strategy) for strategy in self.strategies]

    @property
    def labels(self) -> list[str]:
        """The strategies' names."""
        return [entry.label for entry in self.entries]

    @cached_property
    def sources(self) -> dict[str, Sources]:
        """The source of every user's strategy, by label, at the time of the first call."""
        sources = {entry.label: sources_of(entry) for entry in self.entries}
        return {name: files for name, files in sources.items() if files}

    @property
    def folders(self) -> dict[str, Path]:
        """Where the file of every strategy of a user's lies, by label."""
        folders = {entry.label: folder_of(entry) for entry in self.entries}
        return {name: folder for name, folder in folders.items() if folder is not None}

    def describe(self) -> dict[str, Any]:
        """The experiment as its store records it."""
        engine = self.objective.benchmark.engine
        beginning = self.beginning.stored()
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
            **numbered(range(self.runs) if self.number is None else [self.number]),
            "budget": structs.asdict(self.budget),
            **self.options.stored(),
            **({} if beginning is None else {BEGINNING: beginning}),
        }

    def execute(
        self,
        *,
        folder: Path | None = None,
        workers: int | None = None,
        engine: str = "processes",
        progress: Progress | None = None,
        within: Within | None = None,
    ) -> list[Run]:
        """Make every run that a folder does not hold yet; gives all by strategy, then by number
        (see `execute`).
        """
        store = None if folder is None else Store(folder)
        part = Part("", self, store)
        runs = execute(
            [part],
            workers=workers,
            engine=engine,
            progress=progress,
            within=within,
        )
        if not any(run.trials or run.failure for run in runs.values()):
            raise UserError(NOTHING_PAID)
        return part.in_order(runs)

    def check_budget(self) -> None:
        """Refuse a budget in seconds of which a table tells beforehand that no run could pay its
        first evaluation.
        """
        seconds = self.budget.seconds
        benchmark = self.objective.benchmark
        if seconds is None or not benchmark.has_columns or not self.options.first_cells:
            return
        begins = [
            first_cells(benchmark.space, 1, self.options.seed, run)[0] for run in range(self.runs)
        ]
        if not (self.objective.look_up(begins)[2] <= seconds).any():
            raise UserError(NOTHING_PAID)

    def check_strategies(self) -> None:
        """Refuse strategies that cannot be made with the options that they are given."""
        objective = self.objective
        for entry in self.entries:
            rehearse(
                entry,
                objective.benchmark.space,
                self.options.call_limit,
                {
                    "epochs": objective.fidelities,
                    "readable": objective.readable,
                    "qualities": objective.qualities,
                },
            )

    def stored_run(self, name: str, number: int, store: Store | None) -> Run | None:
        """A run that a folder holds and that has ended; one that failed is forgotten."""
        run = None if store is None else store.load(name, number, self.objective.benchmark.space)
        if store is not None and run is not None and run.failure:
            store.discard(name, number)
            return None
        if run is None:
            return None
        for trial in run.trials:
            self.objective.benchmark.recall(trial.cell.text, trial.values)
        return replace(run, known=self.beginning.known)

    def announce(self, runs: int, best: int) -> None:
        """Say on standard error how often a user's functions will be called, where no cell can keep
        the limits, or a training may hang.

        Args:
            runs: How many runs are made; 0 where a folder holds all of them.
            best: For how many of the cells that are found final metrics are computed, at most.
        """
        benchmark = self.objective.benchmark
        budget = self.budget
        read = dict.fromkeys(question.metric for question in self.objective.questions())
        dear = [metric for metric in read if benchmark.is_dear(metric)]
        finals = [m.name for m in benchmark.metrics if m.kind == "final" and m.name not in read]
        late = [name for name in finals if benchmark.is_dear(name)]
        most = min(n for n in (budget.cells, budget.seconds) if n is not None)
        sentences = []
        if dear and runs:
            whole = f" in each run, {int(most) * runs:,} in all" if runs > 1 else ""
            sentences.append(
                f"{', '.join(dear)}: computed for at most {plural(int(most), 'cell')}{whole}."
            )
        if late:
            sentences.append(
                f"{', '.join(late)}: computed at the end for at most {plural(best, 'cell')}."
            )
        is_endless = not (benchmark.longest_seconds or benchmark.longest_silence)
        if benchmark.runs_apart and is_endless and runs:
            sentences.append(
                "A training that hangs is never ended: set longest= or silence= (in seconds) to end"
                " it."
            )
        if runs and (judging := announcement(self.objective, runs)):
            sentences.append(judging)
        if self.objective.unreachable:
            sentences.append(self.objective.unreachable)
        if sentences:
            sys.stderr.write(f"{' '.join(sentences)}\n")

    def one(
        self,
        entry: StrategyEntry,
        number: int,
        store: Store | None = None,
        watch: Watch | None = None,
        engine: str = "processes",
        watcher: Watcher | None = None,
        slots: Slots | None = None,
        apart: bool = False,
    ) -> Run:
        """A single run, as a folder holds it whole, or made now; one whose budget was raised goes
        on, if it can.

        Whoever calls it holds the folder's lock, and has begun the folder. `watch` is called with
        the new trials after each evaluation and ends the run by returning True. The engine is of
        trainings that run in slots, of which the watcher is told, where no slots are given. A run
        of a user's strategy is always made apart, in a process of its own.
        """
        name = entry.label
        stored = self.stored_run(name, number, store)
        if stored is not None and store is not None:
            if self.is_whole(stored):
                return stored
            drawn = sum(trial.index >= 0 for trial in stored.trials) > self.options.first_cells
            if entry.target == "external" and drawn and not store.answered(name, number):
                raise UserError(
                    f"{store.path(name, number)} was made by 0.1.0, whose programs spoke another"
                    " protocol: the run cannot be resumed. Choose another folder."
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
        with ExitStack() as stack:
            if slots is None and self.options.in_flight is not None:
                slots = stack.enter_context(closing(slots_of(self.options, engine)))
            if apart or not entry.is_trusted:
                made = partial(self._made_apart, make, entry, number, store, watch, watcher, slots)
            else:
                made = partial(make, entry=entry, watch=watch, watcher=watcher, slots=slots)
            try:
                return made()
            except OtherHistoryError:  # with the larger budget it goes another way
                if store is None or stored is None:
                    raise
                store.discard(name, number)
                return made()

    def _made_apart(
        self,
        make: Callable[..., Run],
        entry: StrategyEntry,
        number: int,
        store: Store | None,
        watch: Watch | None,
        watcher: Watcher | None,
        slots: Slots | None,
    ) -> Run:
        """A run that is made in a process of its own; where that ended, with the trials until
        then.
        """
        name = entry.label
        began = time.perf_counter()
        benchmark = self.objective.benchmark
        space = benchmark.space.definition
        if type(benchmark) is TableBenchmark:
            share("surrogate_nas.benchmarks.table:open_in_server", str(benchmark.path))
        if self._flags[name].shares_points and not entry.blinded and space in SPACES:
            share("surrogate_nas.strategies.bo.strategy:prepare_named", space)
        follower = Follower(slots, watch, watcher)
        file = str(entry.target).rpartition(":")[0] if entry.origin == "file" else ""
        try:
            return follower.made(make, entry, self.options.call_limit, file)
        except StrategyError as error:
            run = ended_run(
                self.objective,
                self.budget,
                self.beginning,
                name,
                number,
                trials=follower.trials,
                real_seconds=time.perf_counter() - began,
                strategy_seconds=0.0,
                failure=f"Strategy {name} failed in run {number}: {error}",
            )
            if store is not None:
                with store.log(name, number) as log:
                    log.append(run.trials)
                    log.finish(run)
                keep_trace(store, name, number, error.trace)
            return run

    def is_whole(self, run: Run) -> bool:
        """Whether a run that has ended need not go on, as it must where the budget was raised."""
        if self.options.reached(run.trials, run.epochs):
            return True
        return Budget(run.budget_cells, run.budget_seconds) == self.budget


@dataclass(frozen=True)
class Part:
    """One problem of a study with all that its runs need.

    Attributes:
        name: The problem's own in the study.
        experiment: What is compared on it.
        store: Its folder; None keeps results in memory.
        runs: By strategy how many runs are made; None for the experiment's number of each.
    """

    name: str
    experiment: Experiment
    store: Store | None = None
    runs: Mapping[str, int] | None = None

    def begin(self, stack: ExitStack) -> None:
        """Hold its folder until a stack ends, and write what is compared into it."""
        experiment = self.experiment
        if self.store is not None:
            stack.enter_context(self.store.locked())
            reference = recordable(experiment.objective, experiment.budget)
            description = experiment.describe() | {"reference": reference}
            self.store.begin(description, experiment.sources, experiment.folders)
        self._keep_read()
        self.count_versions()

    def _keep_read(self) -> None:
        files = self.experiment.objective.benchmark.files
        if self.store is not None and files is not None:
            self.store.keep("read", files.now())

    def count_versions(self, *, ended: bool = False) -> None:
        """Note the version of every strategy of a user's, with what its runs read where they have
        ended.
        """
        experiment = self.experiment
        store = self.store
        problem = experiment.objective.fingerprint, experiment.options.seed
        for name, folder in experiment.folders.items():
            files = store.files_of(name) if ended and store is not None else None
            experiment.versions[name] = count_version(
                name, folder, problem, experiment.sources.get(name, {}), files
            )
        if store is not None:
            store.keep("versions", {name: n for name, n in experiment.versions.items() if n > 1})

    def end(self) -> None:
        """Write into the folder what users' strategies read, and which version of each it was."""
        if self.store is not None:
            read = {name: self.store.files_of(name) for name in self.experiment.folders}
            self.store.keep("files", {name: files for name, files in read.items() if files})
        self._keep_read()
        self.count_versions(ended=True)

    def in_order(self, results: Mapping[Key, Any]) -> list[Any]:
        """What was made of this problem, by strategy, then by number."""
        own = {key[1:]: value for key, value in results.items() if key.problem == self.name}
        pairs = product(self.experiment.labels, range(self.experiment.runs))
        return [own[pair] for pair in pairs if pair in own]


class Key(NamedTuple):
    """Which run of a study."""

    problem: str
    strategy: str
    number: int


_Job = tuple[Key, StrategyEntry]
_Keep = Callable[[Part, Run], Any]


def execute(
    parts: Sequence[Part],
    *,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
    within: Within | None = None,
    begun: Callable[[], None] | None = None,
    keep: _Keep | None = None,
) -> dict[Key, Any]:
    """Make every run of a study that its folders do not hold yet, and give all of them.

    Args:
        parts: Its problems.
        workers: How many runs at once; the results do not depend on it. Where cells are trained in
            slots, these runs share as many as one would have.
        engine: Where they are made: a key of `surrogate_nas.runtime.engines.ENGINES`, behind a
            colon its place. Where cells are trained in slots, these are of the engine, and runs are
            made on this machine.
        progress: Called with (runs done, runs in all).
        within: Called with (strategy, run, new trials) after each evaluation, where one worker
            makes the runs here.
        begun: Called when all folders have been begun.
        keep: What is kept of a run, taken where the run is made or read, as only that travels back;
            None for all of it.

    Returns:
        In the order of the jobs. A run whose strategy failed, or whose worker was killed, carries
        `Run.failure`.

    Raises:
        UserError: A folder holds another comparison, or cannot be written, or a budget pays for
            nothing.
    """
    check_engine(engine, workers)
    slots_engine = engine
    engine = _engine_of_runs(engine, parts)
    by_name = {part.name: part for part in parts}
    jobs = _jobs(parts)
    for part in parts:
        part.experiment.check_budget()
        part.experiment.check_strategies()
    results: dict[Key, Any] = {}
    with ExitStack() as stack:
        for part in parts:
            part.begin(stack)
        if begun:
            begun()
        if keep is None:
            results = {
                key: run
                for key, _ in jobs
                if (run := finished_before(by_name[key.problem], key)) is not None
            }
        todo = [job for job in jobs if job[0] not in results]
        _announce(parts, todo)
        if progress:
            progress(len(results), len(jobs))
        slots = _slots(parts, slots_engine, min(workers or 1, len(todo)), stack)
        for ended in _outcomes(by_name, keep, within, slots, todo, workers, engine):
            key = ended.job[0]
            if ended.failure:
                lost = f"Strategy {key.strategy} failed in run {key.number}: {ended.failure}."
                run = Run(key.strategy, key.number, [], 0.0, 0.0, lost)
                results[key] = run if keep is None else keep(by_name[key.problem], run)
            else:
                results[key] = ended.result
            if progress:
                progress(len(results), len(jobs))
        for part in parts:
            part.end()
    return {key: results[key] for key, _ in jobs}


def _engine_of_runs(engine: str, parts: Sequence[Part]) -> str:
    return _HERE if _in_slots(parts) else engine


def _in_slots(parts: Sequence[Part]) -> list[Experiment]:
    return [part.experiment for part in parts if part.experiment.options.in_flight is not None]


def _slots(parts: Sequence[Part], engine: str, runs: int, stack: ExitStack) -> Jobs | None:
    """The slots that all runs share: one for each training of a run, or for each run where these
    are more and no devices are shared out; None where nothing is trained in slots.
    """
    trained = _in_slots(parts)
    if not trained or not runs:
        return None
    count = max(one.options.parallel for one in trained)
    devices = max((one.options.devices for one in trained), key=len)
    if not devices:
        count = max(count, runs)
    return stack.enter_context(closing(Jobs(engine, count, devices)))


def _outcomes(
    parts: Mapping[str, Part],
    keep: _Keep | None,
    within: Within | None,
    slots: Jobs | None,
    todo: Sequence[_Job],
    workers: int | None,
    engine: str,
) -> Iterator[Outcome[_Job, Any]]:
    """Make runs, and give what is kept of each as it ends."""
    if stays_here(engine, workers if len(todo) > 1 else 1):
        for job in todo:
            yield Outcome(job, _do(parts, keep, within, slots, job))
        return
    with ExitStack() as stack:
        pool = stack.enter_context(
            closing(Jobs(engine, None if workers is None else min(workers, len(todo))))
        )
        if slots is not None:
            stack.enter_context(first_noted(partial(tell, pool.key, INTERRUPT)))
        task = Task.of(partial(_do, parts, keep, None, None))
        futures = {}
        for job in todo:
            apart = engine == _HERE and (slots is not None or not job[1].is_trusted)
            if apart:
                future = pool.call(partial(_do, parts, keep, None, slots, apart=True), job)
            else:
                future = pool.submit(task, job)
            futures[future] = job, apart
        for future in as_completed(futures):
            job, apart = futures[future]
            reply = future.result()
            yield Outcome(job, reply) if apart else outcome(job, reply)


def _jobs(parts: Sequence[Part]) -> list[_Job]:
    jobs: list[_Job] = []
    for number in range(max(part.experiment.runs for part in parts)):
        for part in parts:
            for entry in part.experiment.entries:
                runs = part.experiment.runs if part.runs is None else part.runs[entry.label]
                if number < runs:
                    jobs.append((Key(part.name, entry.label, number), entry))
    return jobs


def _announce(parts: Sequence[Part], todo: Sequence[_Job]) -> None:
    for part in parts:
        runs = sum(key.problem == part.name for key, _ in todo)
        part.experiment.announce(runs, len(part.experiment.strategies) + BEST_SHOWN)


def finished_before(part: Part, key: Key) -> Run | None:
    """A run that a folder holds and that need not go on."""
    run = part.experiment.stored_run(key.strategy, key.number, part.store)
    return run if run is not None and part.experiment.is_whole(run) else None


def _do(
    parts: Mapping[str, Part],
    keep: _Keep | None,
    within: Within | None,
    slots: Jobs | None,
    job: _Job,
    *,
    apart: bool = False,
) -> Any:
    key, entry = job
    part = parts[key.problem]
    watch = None if within is None else partial(within, key.strategy, key.number)
    run = part.experiment.one(entry, key.number, part.store, watch, slots=slots, apart=apart)
    return run if keep is None else keep(part, run)
