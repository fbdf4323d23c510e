"""A table of a benchmark of one's own that answers cell by cell: every cell, by each of its seeds.

Cells are trained in slots, as in a search (`surrogate_nas.study.trainings`), and what searches have
trained before is not trained again. Every answer, and the reason of every failure, is in a journal
of the home folder as it comes; the same call goes on from there. A failed cell has no value in the
table. Once all cells have been tried, the same call tries those again that failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.benchmarks.proxies import untrained
from surrogate_nas.benchmarks.training import MOST_SEEDS, SECONDS, Training
from surrogate_nas.core.arguments import check_whole
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import EvaluationError, UserError
from surrogate_nas.core.numbers import plural
from surrogate_nas.core.plugin import import_file
from surrogate_nas.files import Journal, home, table_path
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runtime.engines import check_engine
from surrogate_nas.space import Cell, ChoiceSpace, Enumerable, Space, register
from surrogate_nas.space.product import EnumerableChoiceSpace
from surrogate_nas.study.options import Options
from surrogate_nas.study.search import ALIKE, is_mistake
from surrogate_nas.study.trainings import Answer, Job, Trainings
from surrogate_nas.tables import Table
from surrogate_nas.tables.file import write_with_card

Progress = Callable[[int, int], object]
"""Is told (trainings done, trainings in all)."""
Note = Callable[[str], object]
"""Is told a line."""
Entry = Mapping[str, Any]
"""The stored result of a training: ``job``, and its ``values`` or its ``failure``."""

_MOST_CELLS = 1_000_000
_WAITING = 2
"""Trainings that are given for each slot, so that none waits."""
_MOST_TOLD = 20
"""Failures that a card lists."""


class Place(NamedTuple):
    """One training: the index of its cell, and its seed."""

    cell: int
    seed: int


@dataclass(frozen=True)
class _Plan:
    """What is trained.

    Attributes:
        benchmark: What answers.
        cells: Its space, listed.
        questions: What is read of every training.
        seeds: How many seeds of every cell.
    """

    benchmark: Benchmark
    cells: Enumerable
    questions: Sequence[Question]
    seeds: int

    @property
    def places(self) -> list[Place]:
        """All trainings in their order: all cells by a seed, then by the next one."""
        return [Place(cell, seed) for seed in range(self.seeds) for cell in range(len(self.cells))]

    @property
    def settings(self) -> dict[str, Any]:
        """What an answer depends on beside its place."""
        return {
            "benchmark": self.benchmark.fingerprint,
            "space": self.cells.definition,
            "questions": list(map(str, self.questions)),
        }

    @property
    def journal(self) -> Path:
        """Where the answers are, whatever the number of seeds."""
        digest = json_digest(self.settings)
        name = "".join(c if c.isalnum() else "-" for c in self.benchmark.name)[:60]
        return home() / "training" / f"{name}-{digest[:16]}.jsonl"

    def cell(self, place: Place) -> Cell:
        """The benchmark's own cell of a training."""
        return self.benchmark.space.cell(self.cells[place.cell].text)


def is_own(name: str) -> bool:
    """Whether a name is that of a benchmark in a Python file, which is imported.

    Args:
        name: Such as ``file.py:NAME``; a task's name is none.

    Raises:
        UserError: There is no such file, or it cannot be imported.
    """
    path, _, attribute = name.rpartition(":")
    if not path.endswith(".py"):
        return False
    return isinstance(getattr(import_file(Path(path), "benchmark"), attribute, None), Benchmark)


def make_own_table(
    name: str,
    *,
    out: Path | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
    note: Note | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Train every cell, and write the table and its card.

    Args:
        name: ``file.py:NAME`` of a benchmark that answers cell by cell.
        out: The table's file; among the imported ones if left out.
        epochs: The longest training; the benchmark's own if left out.
        seeds: How many seeds of every cell; the benchmark's own if left out.
        workers: How many trainings at once; one if left out.
        engine: Where they are made.
        progress: Called with (trainings done, trainings in all).
        note: Is told each failure, and what the table then lacks.

    Returns:
        The file and the table's card.

    Raises:
        UserError: The space cannot be listed, there are not as many seeds or epochs, all trainings
            fail alike, none succeeds, or some were lost with their machines.
    """
    check_engine(engine, workers)
    say = note or (lambda _line: None)
    benchmark = load(name)
    plan = _planned(benchmark, epochs, seeds)
    entries = _trained(plan, workers or 1, engine, progress, say)
    path = out or table_path(_usual_name(name))
    table = _table(plan, path.stem, entries)
    card = _card(plan, entries)
    write_with_card(table, card, path)
    if card["failed"]:
        say(
            f"Failed: {plural(card['failed'], 'training')} of {card['trainings']:,}, without a"
            " value in the table; a search on it needs a value of every cell. The same command"
            " tries these again."
        )
    return path, card


def _usual_name(name: str) -> str:
    """A table's name after the file and the object in it."""
    path, _, attribute = name.rpartition(":")
    return f"trained-{Path(path).stem}-{attribute}"


def _planned(benchmark: Benchmark, epochs: int | None, seeds: int | None) -> _Plan:
    """What is trained, checked before anything is."""
    if not benchmark.objective:
        raise UserError(
            f"{benchmark.name} has no loss that a search may see, so a table of it would answer no"
            " search; report a valid_error, valid_loss or valid_accuracy."
        )
    cells = _listed(benchmark)
    return _Plan(
        benchmark, cells, _questions(benchmark, epochs), _number_of_seeds(benchmark, seeds)
    )


def _listed(benchmark: Benchmark) -> Enumerable:
    """The space with its cells listed; a product of choices is, once it is asked for."""
    space = benchmark.space
    if type(space) is ChoiceSpace and space.size <= _MOST_CELLS:
        options = dict(zip(space.positions, space.options, strict=True))
        return EnumerableChoiceSpace(space.name, options)
    if not isinstance(space, Enumerable):
        cells = f"{space.size:,.0f}" if np.isfinite(space.size) else "endless"
        raise UserError(
            f"The {cells} cells of {space.name} cannot be listed, so no table holds all of them; a"
            " table needs a ChoiceSpace of a million cells at most, or an EnumerableChoiceSpace."
        )
    if space.definition == space.name:
        _register(benchmark, space)
    return space


def _register(benchmark: Benchmark, space: Space) -> None:
    """Note where a space of a user's own code is, so that the table finds it by its name."""
    path, _, _ = benchmark.address.rpartition(":")
    file = Path(path)
    if type(space).__module__.startswith("surrogate_nas."):
        return
    for name, thing in vars(import_file(file, "benchmark")).items():
        is_it = thing == space if isinstance(thing, Space) else _is_class_of(thing, space)
        if is_it:
            register(f"{file}:{name}")
            return
    raise UserError(
        f"A table opens its space by a name: give {space.name} one in {file}, such as"
        f" SPACE = {type(space).__name__}()."
    )


def _is_class_of(thing: object, space: Space) -> bool:
    return isinstance(thing, type) and thing.__name__ == type(space).__name__


def _questions(benchmark: Benchmark, epochs: int | None) -> list[Question]:
    """Every metric after every length of a training; sizes follow from cells in a table too."""
    sizes = untrained(benchmark.space)
    longest = max((each for metric in benchmark.metrics for each in metric.epochs), default=None)
    if epochs is not None:
        if longest is None:
            raise UserError(f"Training plays no part in {benchmark.name}: leave out --epochs.")
        check_whole("The number of epochs", epochs, 1, longest)
    questions = []
    for metric in benchmark.metrics:
        if metric.epochs:
            runs = [each for each in metric.epochs if epochs is None or each <= epochs]
            questions += [Question(metric.name, each) for each in runs]
        elif sizes.get(metric.name, (None,))[0] != metric:
            questions.append(Question(metric.name, None))
    return questions


def _number_of_seeds(benchmark: Benchmark, seeds: int | None) -> int:
    if isinstance(benchmark, Training) and benchmark.stochastic:
        drawn = len(benchmark.seeds(benchmark.question(benchmark.objective)))
        own = max(drawn, 1) if seeds is None else seeds
        return check_whole("The number of seeds", own, 1, MOST_SEEDS)
    if seeds not in (None, 1):
        raise UserError(
            f"{benchmark.name} gives the same answer for every seed, so its table has one: leave"
            " out --seeds."
        )
    return 1


def _trained(
    plan: _Plan,
    workers: int,
    engine: str,
    progress: Progress | None,
    say: Note,
) -> dict[Place, Entry]:
    """The results of all trainings; those that the journal lacks are made."""
    places = plan.places
    with Journal(plan.journal, plan.settings) as journal:
        entries = {Place(*entry["job"]): entry for entry in journal.entries}
        missing = [place for place in places if place not in entries]
        if not missing:
            missing = [place for place in places if "failure" in entries[place]]
        done = len(places) - len(missing)
        keep = _Keeper(plan, journal, entries, say)
        lost = []
        for place, answer in _answers(plan, missing, workers, engine):
            if isinstance(answer, EvaluationError) and answer.cause == "lost":
                lost.append(answer)
                continue
            keep.take(place, answer)
            done += 1
            if progress is not None:
                progress(done, len(places))
        keep.write()
    if lost:
        raise UserError(
            f"{plural(len(lost), 'training')} of {len(places):,} ended without an answer:"
            f" {lost[0]}. Run the same command again to go on."
        )
    return {place: entries[place] for place in places}


def _answers(
    plan: _Plan, places: Sequence[Place], workers: int, engine: str
) -> Iterator[tuple[Place, Answer]]:
    """Train in slots; each training is given as it ends.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; what ran then has been given.
    """
    if not places:
        return
    objective = Objective(plan.benchmark.objective, plan.benchmark)
    slots = Trainings(objective, Draw(0, 0), Options(parallel=workers), engine)
    with closing(slots):
        begun = ended = 0
        while ended < len(places):
            while begun < len(places) and begun - ended < _WAITING * workers:
                if slots.is_interrupted:
                    break
                place = places[begun]
                slots.begin(begun, Job(plan.cell(place), plan.questions, place.seed))
                begun += 1
            if begun == ended:
                raise KeyboardInterrupt
            found = slots.first()
            if found is not None:
                ended += 1
                yield places[found[0]], found[1]


class _Keeper:
    """Writes results as they come, except what a mistake in the user's code may have made."""

    def __init__(
        self, plan: _Plan, journal: Journal, entries: dict[Place, Entry], say: Note
    ) -> None:
        """Begin where the journal ends."""
        self._plan = plan
        self._journal = journal
        self._entries = entries
        self._say = say
        self._held_back: list[dict[str, Any]] = []
        self._may_be_mistake = not entries

    def take(self, place: Place, answer: Answer) -> None:
        """Take what a training gave.

        Raises:
            UserError: The first trainings failed alike.
        """
        if isinstance(answer, EvaluationError):
            reason = str(answer)
            self._say(f"{self._plan.cell(place)}, seed {place.seed}: {reason}")
            self._held_back.append({"job": list(place), "failure": reason, "cost": answer.cost})
        else:
            self._held_back.append({"job": list(place), "values": answer.values})
        if self._may_be_mistake and self._is_mistake():
            if len(self._held_back) >= ALIKE:
                raise self._mistake(f"The first {ALIKE} trainings")
            return
        self._may_be_mistake = False
        self.write()

    def _is_mistake(self) -> bool:
        failures = [
            (self._plan.cell(Place(*entry["job"])).text, entry.get("failure", ""))
            for entry in self._held_back
        ]
        return is_mistake(failures)

    def _mistake(self, which: str) -> UserError:
        return UserError(
            f"{self._held_back[0]['failure']}. {which} failed alike, so nothing was stored: mend"
            " it and run the same command again."
        )

    def write(self) -> None:
        """Write what is held back, and wait until it is on the disk.

        Raises:
            UserError: All trainings failed alike.
        """
        if self._may_be_mistake and self._held_back:
            raise self._mistake("All trainings")
        for entry in self._held_back:
            self._journal.append(entry)
            self._entries[Place(*entry["job"])] = entry
        self._held_back = []


def _table(plan: _Plan, name: str, entries: Mapping[Place, Entry]) -> Table:
    """The table of the results."""
    benchmark = plan.benchmark
    table = Table(
        name=name,
        space=plan.cells.definition,
        title=f"every cell: {benchmark.title}",
        source=benchmark.source,
        licence=benchmark.licence,
        citation=benchmark.citation,
        objective=benchmark.objective,
        network=benchmark.network,
        cost="seconds" if SECONDS in {metric.name for metric in benchmark.metrics} else "queries",
        epochs="curve" if benchmark.one_curve else "runs",
        banner=benchmark.banner,
    )
    values = np.full((len(plan.cells), plan.seeds, len(plan.questions)), np.nan)
    for place, entry in entries.items():
        if "values" in entry:
            values[place.cell, place.seed] = entry["values"]
    if not np.isfinite(values).any():
        raise UserError(f"No training of {benchmark.name} succeeded, so there is no table.")
    has_seeds = isinstance(benchmark, Training) and benchmark.stochastic
    for question, columns in zip(plan.questions, np.moveaxis(values, 2, 0), strict=True):
        counts = np.isfinite(columns).sum(axis=1)
        per_seed = None
        if has_seeds and question.epochs is not None and question.metric != SECONDS:
            per_seed = {seed: columns[:, seed] for seed in range(plan.seeds)}
        table.add(
            benchmark.metric(question.metric),
            question.epochs,
            _mean(columns, counts),
            counts.astype(np.int16),
            per_seed,
        )
    return table


def _mean(columns: NDArray[np.float64], counts: NDArray[np.int_]) -> NDArray[np.float64]:
    """The mean over the seeds that there are, shape ``(cells,)``; NaN where there is none."""
    totals = np.nansum(columns, axis=1)
    means = np.full(len(columns), np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def _card(plan: _Plan, entries: Mapping[Place, Entry]) -> dict[str, Any]:
    """How the table was made, without places on this machine."""
    failures = []
    for place, entry in entries.items():
        if "failure" in entry:
            reason, _, _ = entry["failure"].partition("; its output is in ")
            cell = plan.cells[place.cell].text
            failures.append({"cell": cell, "seed": place.seed, "reason": reason})
    settings = plan.settings
    return {
        "settings": {key: settings[key] for key in ("benchmark", "questions")},
        "cells": len(plan.cells),
        "seeds": plan.seeds,
        "trainings": len(entries),
        "failed": len(failures),
        "failures": failures[:_MOST_TOLD],
    }
