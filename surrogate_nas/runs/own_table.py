"""Build a table for a benchmark that evaluates cell by cell, by training every cell with every
seed.

Cells are trained in parallel workers, as in a search. If the cells are trained on a task,
isomorphic cells share one training. Every result, and the reason of every failure, is stored
immediately in a journal in the data directory. Repeat the call to resume. A failed cell has no
value in the table. Once all cells have been trained or have failed, repeat the call to retry the
failed cells.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question, load
from surrogate_nas.benchmarks.base import untrained
from surrogate_nas.benchmarks.live import PREFIX, LiveBenchmark
from surrogate_nas.benchmarks.trained import SECONDS
from surrogate_nas.benchmarks.training import MOST_SEEDS, Training
from surrogate_nas.core import (
    EvaluationError,
    Metric,
    UserError,
    check_whole,
    import_file,
    json_digest,
    plural,
)
from surrogate_nas.files import Journal, home, table_path
from surrogate_nas.objective import Draw, Objective
from surrogate_nas.runs.options import Resources
from surrogate_nas.runs.workers import Answer, Job, Trainings, Unstored
from surrogate_nas.runtime.engines import Jobs, check_engine
from surrogate_nas.space import (
    Cell,
    Enumerable,
    Space,
    first_of_class,
    register,
)
from surrogate_nas.tables import Table
from surrogate_nas.tables.file import write_with_card

Entry = dict[str, Any]
"""The stored result of a training: ``job``, ``cost``, and its ``values`` or its ``failure``."""

# Failures that a card lists.
_MOST_LISTED = 20
# The cost of a training of a task.
_SECONDS = Metric(SECONDS, "s", "record", "cost", description="seconds of the training")


class Key(NamedTuple):
    """The key of a training: the index of the cell, and the training seed."""

    cell: int
    seed: int


@dataclass(frozen=True)
class _Plan:
    """The trainings of all cells with several seeds. `trained` maps each cell to the cell whose
    training it shares.
    """

    benchmark: Benchmark
    cells: Enumerable
    trained: Sequence[int]
    questions: Sequence[Question]
    seeds: int

    @property
    def settings(self) -> dict[str, Any]:
        """Return what an answer depends on in addition to its key."""
        return {
            "benchmark": self.benchmark.fingerprint,
            "space": self.cells.definition,
            "questions": list(map(str, self.questions)),
        }

    def cell(self, key: Key) -> Cell:
        """Return the benchmark's own cell of a training."""
        return self.benchmark.space.cell(self.cells[key.cell].text)


def address_of(name: str, space: str | None = None) -> str:
    """Return the name under which a task or a training can be opened as a benchmark.

    Raises:
        UserError: The file does not exist, or the benchmark defines its own space.
    """
    path, _, attribute = name.rpartition(":")
    if path.endswith(".py") and not name.startswith(PREFIX):
        thing = getattr(import_file(Path(path), "benchmark"), attribute, None)
        if isinstance(thing, Benchmark):
            if space is not None:
                raise UserError(f"{name} defines its own space. Leave out --space.")
            return name
    within = f"/{register(space).name}" if space else ""
    return f"{PREFIX}{name.removeprefix(PREFIX)}{within}"


def make_table(
    name: str,
    *,
    out: Path | None = None,
    epochs: int | None = None,
    seeds: int | None = None,
    workers: int | None = None,
    engine: str = "processes",
    progress: Callable[[int, int], object] | None = None,
    note: Callable[[str], object] = lambda _line: None,
) -> tuple[Path, dict[str, Any]]:
    """Train every cell of a space, and write the table and its card.

    Args:
        name: A benchmark that evaluates cell by cell, such as ``file.py:NAME`` or ``live:TASK``.
        out: The table file to write. If None, a file in the data directory is written.
        epochs: The largest number of epochs of a training. If None, the benchmark's own number is
            used.
        seeds: Number of training seeds per cell. If None, the benchmark's own number is used.
        workers: Number of parallel trainings. If None, one training runs at a time.
        engine: The engine that executes the trainings.
        progress: A function that is called with the number of finished trainings and the number of
            all trainings.
        note: A function that is called with a line of text for each failure, and with a line on
            missing values of the table.

    Returns:
        The path and the card of the table.

    Raises:
        UserError: The space cannot be listed, the benchmark has fewer seeds or epochs than
            requested, all trainings fail for the same reason, or no training succeeds.
    """
    check_engine(engine, workers)
    benchmark = load(name)
    if not benchmark.objective:
        raise UserError(
            f"{benchmark.name} has no loss that a search may use, so a table of it is useless for a"
            " search. Report a valid_error, valid_loss or valid_accuracy."
        )
    cells = _listed(benchmark)
    shared = isinstance(benchmark, LiveBenchmark)
    trained = first_of_class(cells).tolist() if shared else range(len(cells))
    questions = _questions(benchmark, epochs)
    plan = _Plan(
        benchmark, cells, trained, questions, _number_of_seeds(benchmark, seeds)
    )
    entries = _trained(plan, workers or 1, engine, progress, note)
    path = out or table_path(_default_name(benchmark, name))
    table = _table(plan, path.stem, entries)
    card = _card(plan, entries)
    write_with_card(table, card, path)
    if card["failed"]:
        note(
            f"{card['failed']:,} of {plural(card['trainings'], 'training')} failed, without a value"
            " in the table. A search on the table requires a value of every cell. Repeat the"
            " command to retry them."
        )
    return path, card


def _default_name(benchmark: Benchmark, name: str) -> str:
    path, _, attribute = name.rpartition(":")
    text = f"{Path(path).stem}-{attribute}"
    if isinstance(benchmark, LiveBenchmark):
        own_space = benchmark.name.partition("/")[1] and f"-{benchmark.space.name}"
        text = f"{benchmark.task.name}{own_space}"
    return "trained-" + "".join(c if c.isalnum() or c in "-_." else "-" for c in text)


def _listed(benchmark: Benchmark) -> Enumerable:
    """The space with its cells listed; a product of choices is, once it is asked for."""
    space = benchmark.space
    if not isinstance(space, Enumerable):
        cells = f"{space.size:,.0f}" if np.isfinite(space.size) else "endless"
        raise UserError(
            f"The {cells} cells of {space.name} cannot be listed, so they do not fit in a table."
            " Use a ChoiceSpace that lists its cells: ChoiceSpace(…, listed=True)."
        )
    if space.definition == space.name and not isinstance(benchmark, LiveBenchmark):
        _register(benchmark, space)
    return space


def _register(benchmark: Benchmark, space: Space) -> None:
    """Record where a user-defined space is, so that the table finds it by its name."""
    file = Path(benchmark.address.rpartition(":")[0])
    kind = type(space)
    if kind.__module__.startswith("surrogate_nas."):
        return
    names = [
        name
        for name, thing in vars(import_file(file, "benchmark")).items()
        if (isinstance(thing, type) and thing.__name__ == kind.__name__)
        or (isinstance(thing, Space) and thing == space)
    ]
    if not names:
        raise UserError(
            f"A table refers to its space by a name. Define one for {space.name} in {file}, such as"
            f" SPACE = {kind.__name__}()."
        )
    register(f"{file}:{names[0]}")


def _questions(benchmark: Benchmark, epochs: int | None) -> list[Question]:
    """Return every metric at every number of epochs. Sizes are computed from cells in a table
    too.
    """
    sizes = untrained(benchmark.space)
    longest = max(
        (length for metric in benchmark.metrics for length in metric.epochs), default=0
    )
    if epochs is not None and not longest:
        raise UserError(
            f"{benchmark.name} does not depend on epochs. Leave out --epochs."
        )
    is_free = isinstance(benchmark, LiveBenchmark)
    if epochs is not None and not is_free:
        check_whole("The number of epochs", epochs, 1, longest)
    questions = []
    for metric in benchmark.metrics:
        if not metric.epochs:
            lengths: Sequence[int | None] = [None]
            if sizes.get(metric.name, (None,))[0] == metric:
                lengths = []
        elif is_free:
            lengths = [benchmark.question(metric.name, epochs).epochs]
        else:
            lengths = [
                length for length in metric.epochs if epochs is None or length <= epochs
            ]
        questions += [Question(metric.name, length) for length in lengths]
    return questions


def _has_seeds(benchmark: Benchmark) -> bool:
    return getattr(benchmark, "stochastic", isinstance(benchmark, LiveBenchmark))


def _number_of_seeds(benchmark: Benchmark, seeds: int | None) -> int:
    own = 1
    if isinstance(benchmark, Training):
        own = max(len(benchmark.seeds(benchmark.question(benchmark.objective))), 1)
    if _has_seeds(benchmark) or seeds in (None, 1):
        return check_whole(
            "The number of seeds", own if seeds is None else seeds, 1, MOST_SEEDS
        )
    raise UserError(
        f"{benchmark.name} gives the same answer for every seed, so its table has one seed."
        " Leave out --seeds."
    )


def _trained(
    plan: _Plan,
    workers: int,
    engine: str,
    progress: Callable[[int, int], object] | None,
    note: Callable[[str], object],
) -> dict[Key, Entry]:
    cells = sorted(set(plan.trained))
    keys = [Key(cell, seed) for seed in range(plan.seeds) for cell in cells]
    name = "".join(c if c.isalnum() else "-" for c in plan.benchmark.name)[:60]
    path = home() / "training" / f"{name}-{json_digest(plan.settings)[:16]}.jsonl"
    with Journal(path, plan.settings) as journal:
        entries = {Key(*entry["job"]): entry for entry in journal.entries}
        missing = [key for key in keys if key not in entries]
        if not missing:
            missing = [key for key in keys if "failure" in entries[key]]
        done = len(keys) - len(missing)

        def store(made: Sequence[Entry]) -> None:
            for entry in made:
                journal.append(entry)
                entries[Key(*entry["job"])] = entry

        def failure_of(entry: Entry) -> tuple[str, str]:
            return plan.cell(Key(*entry["job"])).text, entry.get("failure", "")

        unstored = Unstored(store, failure_of, is_first=not entries)
        for key, answer in _answers(plan, missing, workers, engine):
            result: Entry = {"job": list(key), "cost": answer.cost}
            if not isinstance(answer, EvaluationError):
                result["values"] = answer.values
            else:
                result["failure"] = str(answer)
                note(f"{plan.cell(key)}, seed {key.seed}: {answer}")
            unstored.add([result])
            done += 1
            if progress is not None:
                progress(done, len(keys))
        unstored.end()
    return {key: entries[key] for key in keys}


def _answers(
    plan: _Plan, keys: Sequence[Key], workers: int, engine: str
) -> Iterator[tuple[Key, Answer]]:
    """Train in parallel workers, and yield each training as it ends. Ctrl-C waits for running
    ones.
    """
    if not keys:
        return
    objective = Objective(plan.benchmark.objective, plan.benchmark)
    resources = Resources(parallel=workers)
    with (
        closing(Jobs(engine, workers)) as jobs,
        closing(Trainings(objective, Draw(0, 0), resources, jobs)) as trainings,
    ):
        for number, key in enumerate(keys):
            trainings.begin(number, Job(plan.cell(key), plan.questions, key.seed))
        for _ in keys:
            if (ended := trainings.first()) is not None:
                yield keys[ended], trainings.answer(ended)


def _table(plan: _Plan, title: str, entries: Mapping[Key, Entry]) -> Table:
    benchmark = plan.benchmark
    values = np.full((len(plan.cells), plan.seeds, 1 + len(plan.questions)), np.nan)
    for key, entry in entries.items():
        if "values" in entry:
            values[key.cell, key.seed] = [entry.get("cost", np.nan), *entry["values"]]
    values = values[np.asarray(plan.trained)]
    if not np.isfinite(values).any():
        raise UserError(
            f"No training of {benchmark.name} succeeded, so there is no table."
        )
    metrics = {metric.name: metric for metric in benchmark.metrics}
    columns = dict(zip(plan.questions, np.moveaxis(values[..., 1:], 2, 0), strict=True))
    if isinstance(benchmark, LiveBenchmark):
        metrics[SECONDS] = _SECONDS
        longest = max(question.epochs or 0 for question in plan.questions)
        columns[Question(SECONDS, longest)] = values[..., 0]
    table = Table(
        name=title,
        space=plan.cells.definition,
        title=f"every cell: {benchmark.title}",
        source=benchmark.source,
        licence=benchmark.licence,
        citation=benchmark.citation,
        objective=benchmark.objective,
        network=benchmark.network,
        cost="seconds" if SECONDS in metrics else "queries",
        epochs="curve" if benchmark.one_curve else "runs",
        banner=benchmark.banner,
    )
    for (name, epochs), by_seed in columns.items():
        counts = np.isfinite(by_seed).sum(axis=1)
        means = np.full(len(by_seed), np.nan)
        np.divide(np.nansum(by_seed, axis=1), counts, out=means, where=counts > 0)
        per_seed = None
        if _has_seeds(benchmark) and epochs is not None and name != SECONDS:
            per_seed = dict(enumerate(by_seed.T))
        metric = replace(metrics[name], epochs=())
        table.add(metric, epochs, means, counts.astype(np.int16), per_seed)
    return table


def _card(plan: _Plan, entries: Mapping[Key, Entry]) -> dict[str, Any]:
    """Return how the table was made, without paths on this machine."""
    failures = []
    for key, entry in entries.items():
        if "failure" in entry:
            reason, _, _ = entry["failure"].partition("; its output is in ")
            cell = plan.cells[key.cell].text
            failures.append({"cell": cell, "seed": key.seed, "reason": reason})
    return {
        "settings": {key: plan.settings[key] for key in ("benchmark", "questions")},
        "cells": len(plan.cells),
        "seeds": plan.seeds,
        "trainings": len(entries),
        "failed": len(failures),
        "failures": failures[:_MOST_LISTED],
    }
