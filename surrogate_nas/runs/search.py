"""One run: a strategy proposes cells; these are validated, evaluated, charged and stored, and the
strategy observes them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.threads import one_thread
from surrogate_nas.files import Journal
from surrogate_nas.objective import Objective
from surrogate_nas.objective.objective import problem_of
from surrogate_nas.objective.supernet_context import supernet_context_of
from surrogate_nas.runs.answers import ENDED_EARLY, USAGE, Recorded
from surrogate_nas.runs.beginning import NOTHING, Beginning
from surrogate_nas.runs.confirm import judged
from surrogate_nas.runs.ledger import Asked, Ledger
from surrogate_nas.runs.options import Budget, Options
from surrogate_nas.runs.run import Run, RunLog
from surrogate_nas.runs.running import Now, Watcher
from surrogate_nas.runs.sandbox import Files, Sandboxed, sandboxed
from surrogate_nas.runs.sandbox.interface import Wrapped
from surrogate_nas.runs.side_by_side import (
    SLOWEST,
    InClockOrder,
    InOrderOfFinishing,
    SimulatedWorkers,
    Workers,
)
from surrogate_nas.runs.sources import Sources, folder_of, sources_of
from surrogate_nas.runs.store import Store, as_file_name
from surrogate_nas.runs.trainings import Slots, Trainings
from surrogate_nas.runtime.failure import StrategyError
from surrogate_nas.space import Cell, Space
from surrogate_nas.space.trial import Request, Trial
from surrogate_nas.strategies import StrategyEntry

_FIRST_CELLS_STREAM = 0
_STRATEGY_STREAM = 1
_UNLIMITED = 2**31
_MOST_DRAWS = 1000
"""Draws for each first cell: a space may hold fewer cells than its size tells."""

STRETCH = 10
"""Trials under one set of weights."""
_AUGMENTATION = 0.05
_SAME_SPEED = 0.1
"""Slots whose speed differs by no more than this share count as one machine."""
ALIKE = 3
"""So many trainings that fail alike at the beginning are the user's mistake."""
_INFEASIBLE = 10.0
"""Above every scalarised score of a feasible cell."""

Make = Callable[..., AbstractContextManager[Sandboxed]]
Kept = Callable[[Sequence[Trial]], object]
"""Is told the new trials when they are stored."""
Watch = Callable[[Sequence[Trial]], bool | None]
"""Is told the new trials after each evaluation; ends the run by returning True."""


def _generator(seed: int, run: int, stream: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(run, stream)))


def first_cells(
    space: Space,
    n: int,
    seed: int,
    run: int,
) -> list[Cell]:
    """The random cells, all different, that every strategy of a run observes first."""
    generator = _generator(seed, run, _FIRST_CELLS_STREAM)
    cells: dict[Cell, None] = {}
    for _ in range(_MOST_DRAWS * n):
        if len(cells) >= min(n, space.size):
            break
        cells[space.sample(generator)] = None
    return list(cells)


def strategy_seed(seed: int, run: int) -> int:
    """The seed that a run's strategy is made with."""
    return int(_generator(seed, run, _STRATEGY_STREAM).integers(2**63))


def settings_of(
    objective: Objective,
    hidden: bool,
    entry: StrategyEntry,
    budget: Mapping[str, float | None],
) -> dict[str, Any]:
    """What a strategy is given beside the space, where it declares that it reads it; the budget by
    unit.
    """
    supernet_context = None
    if entry.is_trusted and entry.load().needs_supernet:
        supernet_context = supernet_context_of(objective, hidden=hidden)
    return {
        "known": None if hidden else objective.known,
        "epochs": objective.fidelities,
        "readable": objective.readable,
        "qualities": objective.qualities,
        "objectives": objective.parts,
        "supernet_context": supernet_context,
        "problem": {**problem_of(objective), "budget": budget},
    }


def make_run(
    objective: Objective,
    budget: Budget,
    options: Options,
    *,
    entry: StrategyEntry,
    run: int,
    store: Store | None = None,
    sources: Sources | None = None,
    beginning: Beginning = NOTHING,
    watch: Watch | None = None,
    watcher: Watcher | None = None,
    slots: Slots | None = None,
    kept: Kept | None = None,
) -> Run:
    """One run, from the start or from where a crash left it; if the strategy failed, with the
    trials until then.
    """
    name = entry.label
    opened: AbstractContextManager[RunLog | None] = nullcontext()
    if store is not None:
        opened = store.log(name, run)
    # sums round by the number of threads, and processes must not share cores
    with one_thread(), opened as log:
        for cell, values in () if log is None else log.observed():
            objective.benchmark.recall(cell, values)
        file = None if store is None else store.running_path(name, run)
        now = partial(Now, options.parallel, file, watcher)
        search = _Search(
            objective, budget, options, run, store, log, watch, beginning, now, slots, kept
        )
        folder = folder_of(entry)
        files = None
        if folder is not None and store is not None:
            files = Files(folder)
            files.listen()
        started = time.perf_counter()
        failure = trace = ""
        try:
            if store is not None:
                _check_unchanged(entry, sources or {})
            search.go(entry, files)
            if store is not None and files is not None:
                files.end()
                _check_files(store.note_files(name, run, files))
        except StrategyError as error:
            failure = f"Strategy {name} failed in run {run}: {error}"
            trace = error.trace
        result = ended_run(
            objective,
            budget,
            beginning,
            name,
            run,
            trials=search.trials,
            real_seconds=time.perf_counter() - started,
            strategy_seconds=search.strategy_seconds,
            failure=failure,
            scalarised=search.scalarised,
            diagnosis=search.diagnosis,
        )
        if not failure and search.trials and not result.answers:
            missing = (
                f"it asked for no cell after the objective's {objective.epochs} epochs, so it has"
                " no answer."
            )
            result = replace(result, failure=f"Strategy {name} failed in run {run}: {missing}")
        result = search.judged(result)
        if log is not None:
            log.finish(result)
    if store is not None:
        keep_trace(store, name, run, trace)
    return result


def ended_run(
    objective: Objective,
    budget: Budget,
    beginning: Beginning,
    name: str,
    run: int,
    **more: Any,
) -> Run:
    """A run with what all runs of a strategy have in common, and more of its own."""
    return Run(
        strategy=name,
        run=run,
        epochs=objective.epochs,
        budget_cells=budget.cells,
        budget_seconds=budget.seconds,
        known=beginning.known,
        **more,
    )


def _check_unchanged(entry: StrategyEntry, before: Sources) -> None:
    """Refuse a strategy that was edited after the comparison began, since its earlier code may
    have made other runs.
    """
    now = sources_of(entry)
    if now and now != before:
        _check_files(sorted(n for n in {*before, *now} if before.get(n) != now.get(n)))


def _check_files(edited: Sequence[str]) -> None:
    """Refuse a run that read other content in a file than another run of the strategy."""
    if edited:
        raise StrategyError(
            f"{edited[0]} was edited while runs were made; the same command makes all of them anew."
        )


def keep_trace(
    store: Store,
    name: str,
    run: int,
    trace: str,
) -> None:
    """Write the traceback of a failure; delete it where the run was made again and succeeded."""
    file = f"failures/{as_file_name(name)}-{run}.txt"
    if trace:
        store.write_text(file, trace)
    else:
        (store.folder / file).unlink(missing_ok=True)


def _told(slots: Mapping[str, float]) -> dict[str, Mapping[str, float]]:
    """What is stored of the slots; told at once where their speeds differ."""
    if not slots:
        return {}
    slowest = slots[SLOWEST]
    if slowest < 1 - _SAME_SPEED:
        sys.stderr.write(
            f"The slowest slot has {slowest:.0%} of the speed of the fastest: seconds that were"
            " charged are not of one machine.\n"
        )
    return {"slots": slots}


def is_mistake(failures: Sequence[tuple[str, str]]) -> bool:
    """Whether a mistake in the user's code may have made all of some trainings fail alike.

    Args:
        failures: Of each training its cell's text and why it failed, empty where it did not.
    """
    reasons = {
        failure.partition("; its output is in ")[0].replace(cell, "") for cell, failure in failures
    }
    return len(reasons) == 1 and all(failure for _, failure in failures)


def _failures(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    return [(trial.cell.text, trial.failure) for trial in trials]


class _Search:
    """One run in progress: its trials, its ledger and its workers."""

    def __init__(
        self,
        objective: Objective,
        budget: Budget,
        options: Options,
        run: int,
        store: Store | None,
        log: RunLog | None,
        watch: Watch | None,
        beginning: Beginning,
        now: Callable[[], Now],
        slots: Slots | None,
        kept: Kept | None,
    ) -> None:
        self.slots = slots
        self.kept = kept
        self.beginning = beginning
        self.now = now
        self.objective = objective
        self.budget = budget
        self.options = options
        self.run = run
        self.store = store
        self.log = log
        self.watch = watch
        self.trials: list[Trial] = []
        self.strategy_seconds = 0.0
        self.ledger = Ledger(objective, root=options.seed, run=run)
        self.space = objective.benchmark.space
        self.ended = self.ended_early = self.scalarised = False
        self.diagnosis: Mapping[str, Mapping[str, float]] = {}
        self._held_back: list[Trial] = []

    def go(self, entry: StrategyEntry, files: Files | None = None) -> None:
        options = self.options
        run = self.run
        slots: Mapping[str, float] = {}
        make = partial(
            sandboxed,
            entry,
            self.space,
            limit=options.call_limit,
            settings=settings_of(self.objective, options.hidden, entry, self._limits(entry)),
            files=files,
        )
        seed = strategy_seed(options.seed, run)
        most = self.left(0)
        drawn = first_cells(self.space, min(options.first_cells, most), options.seed, run)
        cells = self.beginning.asked(drawn, most)
        with (
            make(seed=seed) as plain,
            scalarised(plain, make, self.objective.parts, seed) as own,
            self._recorded(own, entry) as strategy,
        ):
            self.scalarised = isinstance(own, Scalarised)
            try:
                if self.beginning.known:
                    strategy.tell(self.beginning.known)
                if options.in_flight is None and options.simulated_workers == 1:
                    self._in_turn(strategy, cells)
                else:
                    with ExitStack() as stack:
                        workers = self._workers(stack)
                        self._side_by_side(strategy, cells, workers)
                        slots = workers.of_slots
                    if workers.is_interrupted:
                        raise KeyboardInterrupt
                if is_mistake(_failures(self.trials)):
                    raise self._mistake("All trainings")
                self._write_held_back()
                early = {ENDED_EARLY: {"trials": len(self.trials)}} if self.ended_early else {}
                self.diagnosis = {**strategy.diagnosis(), **early, **_told(slots)}
            finally:
                self.strategy_seconds = strategy.seconds

    @contextmanager
    def _recorded(self, strategy: Sandboxed, entry: StrategyEntry) -> Iterator[Sandboxed]:
        """The strategy itself, or what keeps its answers where these come from outside."""
        if not strategy.flags.from_outside:
            yield strategy
            return
        journal = Journal(None, {})
        if self.store is not None:
            journal = self.store.answers(entry.label, self.run)
        with journal:
            epochs = self.objective.fidelities if strategy.flags.chooses_epochs else ()
            yield Recorded(strategy, journal, self.space, epochs)

    def judged(self, run: Run) -> Run:
        """The run with what other seeds say of its answer, where its search saw drawn ones."""
        is_asked = self.objective.trained_seeds and run.answers and not run.failure
        if not is_asked or not run.incumbent.feasible:
            return run
        assert self.slots is not None
        judgement = judged(
            self.objective, self.ledger.draw, run.incumbent, self.options, self.slots, self.now()
        )
        return replace(run, judged=judgement)

    def left(self, running: int) -> int:
        """How many evaluations may still be begun."""
        cells = self.budget.cells
        return _UNLIMITED if cells is None else cells - len(self.trials) - running

    def _in_turn(self, strategy: Sandboxed, asked: Sequence[Asked]) -> None:
        """One worker: evaluates the cells of a proposal in turn; they are observed together."""
        is_batch = not self.ledger.objective.benchmark.one_by_one
        while not self.ended and self.left(0) > 0:
            if not asked:
                self._let_work(strategy, self.ledger.cost)
                if self.ended:
                    return
                asked = self._asked(strategy, min(strategy.flags.batch_size, self.left(0)))
                if not asked:
                    return
            trials: list[Trial] = []
            for trial in self.ledger.evaluate(asked, self._limit):
                trials.append(trial)
                if not is_batch:
                    self._keep([trial])
            self.ended = len(trials) < len(asked)
            if is_batch:
                self._keep(trials)
            self._tell(strategy, trials)
            asked = ()

    def _asked(self, strategy: Sandboxed, n: int) -> Sequence[Asked]:
        """What the strategy asks for; nothing where it ends the run, or where its answer took more
        tokens than the budget has, as it would not have been given.
        """
        asked = strategy.ask(n)
        tokens = self.options.budget_tokens
        spent = strategy.usage.get("tokens", 0.0) if isinstance(strategy, Recorded) else 0.0
        if not asked or (tokens is not None and spent > tokens):
            self.ended = self.ended_early = True
            return ()
        return asked

    def _limits(self, entry: StrategyEntry) -> dict[str, float | None]:
        """The budget by unit; of tokens what answers that are kept have left."""
        tokens: float | None = self.options.budget_tokens
        if tokens is not None and self.store is not None:
            kept = self.store.answered(entry.label, self.run)
            tokens -= sum(one.get(USAGE, {}).get("tokens", 0.0) for one in kept)
        return {"cells": self.budget.cells, "seconds": self.budget.seconds, "tokens": tokens}

    def _side_by_side(
        self,
        strategy: Sandboxed,
        queue: Sequence[Asked],
        workers: Workers,
    ) -> None:
        """Several workers: asks while others run, and tells in the order of finishing."""
        while True:
            self.ended = self.ended or workers.is_over
            while not self.ended and workers.in_flight < workers.count:
                free = min(workers.count, self.left(0)) - workers.in_flight
                if free <= 0:
                    break
                if not queue:
                    self._let_work(strategy, workers.clock)
                    if self.ended:
                        break
                    workers.wait_for_strategy()
                    queue = self._asked(strategy, free)
                    if not queue:
                        break
                workers.begin(queue[:free])
                queue = queue[free:]
                self.ended = workers.is_over
            if self.ended and self.options.at_end == "stop":
                workers.drop()
            if not workers.in_flight:
                return
            trials = workers.next()
            self._keep(trials)
            self._tell(strategy, trials)
            self.ended = self.ended or workers.is_interrupted

    def _workers(self, stack: ExitStack) -> Workers:
        """What evaluates cells side by side: simulated workers, or slots that train."""
        options = self.options
        if options.in_flight is None:
            return SimulatedWorkers(self.ledger, options.simulated_workers, self._limit)
        assert self.slots is not None
        trainings = Trainings(self.objective, self.ledger.draw, options, self.slots, self.now())
        stack.enter_context(closing(trainings))
        ordered = InClockOrder if options.order == "clock" else InOrderOfFinishing
        return ordered(
            self.ledger,
            options.in_flight,
            self._limit,
            trainings=trainings,
            log=self.log,
            stops=options.at_end == "stop",
        )

    def _let_work(self, strategy: Sandboxed, clock: float) -> None:
        """Let it do what work of its own is left, in slices, as long as the budget allows."""
        while (seconds := strategy.work()) is not None:
            self.ledger.owed += seconds
            if clock + self.ledger.owed > self._limit:
                self.ended = True
                return

    @property
    def _limit(self) -> float:
        seconds = self.budget.seconds
        return float("inf") if seconds is None else seconds

    def _tell(self, strategy: Sandboxed, trials: list[Trial]) -> None:
        if not trials:
            return
        strategy.tell(trials)
        if self.options.reached(trials, self.objective.epochs):
            self.ended = True
        if self.watch is not None and self.watch(trials):
            self.ended = True

    def _keep(self, trials: Sequence[Trial]) -> None:
        """Take and store trials; what a mistake in the user's code may have made waits for the
        next ones.
        """
        self.trials.extend(trials)
        self._held_back += trials
        if is_mistake(_failures(self.trials[:ALIKE])):
            if len(self.trials) >= ALIKE:
                raise self._mistake(f"The first {ALIKE} trainings")
            return
        self._write_held_back()

    def _mistake(self, which: str) -> UserError:
        return UserError(
            f"{self.trials[0].failure}. {which} failed alike, so nothing was stored: mend it and"
            " run the same command again."
        )

    def _write_held_back(self) -> None:
        if self.log is not None:
            is_trained = self.options.in_flight is not None
            self.log.append(self._held_back, at_once=is_trained)
        if self.kept is not None and self._held_back:
            self.kept(self._held_back)
        self._held_back = []


class Scalarised(Wrapped):
    """A run's view of a strategy for one objective on several: random weights, drawn again for
    every stretch of a run.

    Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation 2006: the augmented Chebyshev
    norm of the objectives, each scaled to what the run has seen. Departure: weights change every
    ten trials, not every one, and the strategy, which knows nothing of weights, is then made anew
    and told the whole history under the new ones.
    """

    def __init__(
        self,
        first: Sandboxed,
        make: Make,
        parts: int,
        seed: int,
        stack: ExitStack,
    ) -> None:
        """Begin with a strategy under a first set of weights."""
        super().__init__(first)
        self._make = make
        self._parts = parts
        self._stack = stack
        self._rng = np.random.default_rng([seed, parts])
        self._weights = self._rng.dirichlet(np.ones(parts))
        self._history: list[Trial] = []
        self._since = 0
        self._spent = 0.0

    @property
    def seconds(self) -> float:  # type: ignore[override]
        """Spent in the strategies so far."""
        return self._spent + super().seconds

    def ask(self, n: int) -> list[Cell | Request]:
        """What the strategy asks for, after a change of weights where one is due."""
        if self._since >= STRETCH:
            self._renew()
        return self._inside.ask(n)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Tell trials with the scalarised score in place of the sum."""
        self._history += trials
        self._since += len(trials)
        self._inside.tell(self._scored(trials))

    def _renew(self) -> None:
        self._since, self._weights = 0, self._rng.dirichlet(np.ones(self._parts))
        self._spent += self._inside.seconds
        self._stack.close()
        self._inside = self._stack.enter_context(self._make(seed=int(self._rng.integers(2**63))))
        self._inside.tell(self._scored(self._history))

    def _scored(self, trials: Sequence[Trial]) -> list[Trial]:
        seen = np.array(
            [trial.scores for trial in self._history if trial.feasible] or [trials[0].scores]
        )
        low = seen.min(axis=0)
        span = np.ptp(seen, axis=0)
        span[span == 0] = 1.0
        rescored = []
        for trial in trials:
            scaled = self._weights * (np.array(trial.scores) - low) / span
            score = (
                float(scaled.max() + _AUGMENTATION * scaled.sum())
                if trial.feasible
                else _INFEASIBLE + trial.score
            )
            rescored.append(
                replace(
                    trial,
                    score=score,
                    scores=(),
                    values=dict(trial.values),
                )
            )
        return rescored


@contextmanager
def scalarised(
    strategy: Sandboxed,
    make: Make,
    parts: int,
    seed: int,
) -> Iterator[Sandboxed]:
    """The strategy itself, or what runs it on several objectives where it knows only one."""
    if parts == 1 or strategy.flags.many_objectives:
        yield strategy
        return
    with ExitStack() as stack:
        yield Scalarised(strategy, make, parts, seed, stack)
