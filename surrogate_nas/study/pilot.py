"""Signals and goals of cells that were trained with several seeds: from a table, or from a file.

A file is a pilot of one's own: a row an epoch of a training, with the columns ``cell``, ``seed``,
``epoch``, and any of ``train_loss``, ``valid_loss``, ``valid_MEASURE``, ``test_loss`` and
``test_MEASURE``, MEASURE being ``error``, ``accuracy`` or another metric of tasks. An empty entry
counts as the worst of its column, as where a training diverged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from surrogate_nas.benchmarks import Benchmark, Question
from surrogate_nas.benchmarks.building.losses.trainings import DIVERGED, LATE, late_epochs
from surrogate_nas.benchmarks.losses import TRAINED, Losses
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric, metric_named
from surrogate_nas.core.numbers import plural
from surrogate_nas.files.paths import printable
from surrogate_nas.space import DEFAULT_SPACE, listed
from surrogate_nas.study.orders import Signal, SignalTable, filled
from surrogate_nas.study.signals import (
    LOSS,
    TRAIN_LOSS,
    VALID_LOSS,
    VALID_MEASURE,
    Values,
    final_goal,
    marks_of,
    measure_of,
    nearest_marks,
    signal_metrics,
)
from surrogate_nas.tables import CLASS_METRIC
from surrogate_nas.tables.croissant import data_sources
from surrogate_nas.tables.sources.spreadsheet import read_rows

Kind = Literal["measure", "loss"]
"""What judges in the end: a measure such as the test error, or the test loss."""
_BySeed = Mapping[int, Values]
"""The values of all cells, NaN where there is none; smaller is better."""

FEWEST_CELLS = 10
"""Fewer tell no order."""
MOST_CELLS = 1000
"""Of a larger table so many cells are drawn: its pairs of cells are what counts."""
_DRAWN_BY = 0


def reference_of(kind: Kind) -> Signal:
    """The matched validation signal at the end of the run.

    Args:
        kind: What judges.
    """
    return Signal(VALID_LOSS if kind == LOSS else VALID_MEASURE)


def source_of(task: str) -> str:
    """The source of a task's data; the task itself where that is not known.

    Args:
        task: Its name.

    Example:
        >>> source_of("rotation"), source_of("mine.py:MINE")
        ("scikit-learn's digits", 'mine.py:MINE')
    """
    sources = data_sources()
    return sources[task]["source"] if task in sources else task


def of_tasks(kind: Kind = "measure") -> list[SignalTable]:
    """The tables of tasks that are here, of their usual loss in runs of the usual length.

    Args:
        kind: What judges.

    Returns:
        Those of the default space in which two seeds trained at least ten cells.
    """
    tables = []
    resolver = Losses()
    for name in resolver.names():
        if not name.endswith(TRAINED):
            continue
        bench = resolver.open(name)
        about = json.loads(bench.card)
        space = getattr(bench.space, "base", bench.space)
        if about.get("length", 1) != 1 or space.name != DEFAULT_SPACE:
            continue
        task = about["task"]
        try:
            tables.append(of_benchmark(bench, kind, name=task, source=source_of(task)))
        except UserError:
            continue  # it was begun, and has too few trainings yet
    return tables


def of_benchmark(
    bench: Benchmark, kind: Kind = "measure", *, name: str = "", source: str = ""
) -> SignalTable:
    """The signals of a benchmark's table, by the trainings that have several seeds.

    Args:
        bench: With columns of single seeds.
        kind: What judges.
        name: What it is called; the benchmark's name if left out.
        source: Of its data; its name if left out.

    Raises:
        UserError: It has no columns, no such goal, no matched validation signal, one seed, or too
            few cells that several seeds trained.
    """
    name = name or bench.name
    if not bench.has_columns:
        raise UserError(f"{name} has no table to read: train a pilot, and give it as FILE.csv.")
    if not bench.objective:
        raise UserError(f"{name} has no loss, error or quality that a search could be driven by.")
    wanted = final_goal(bench)
    metrics = signal_metrics(bench, wanted)
    goal = wanted.metric
    if goal.kind == "search":
        # without a test, the validation of other seeds judges
        metrics[VALID_LOSS if wanted.measure == LOSS else VALID_MEASURE] = goal
    if kind == LOSS and wanted.measure != LOSS:
        goal = _final_loss(bench, name, metrics)
    read = _Columns(bench, goal.name.partition("@")[2])
    signals = {signal: read(*pair) for signal, pair in _asked(bench, metrics)}
    about = _About(name, source or name, kind, _measure(metrics), goal.kind == "final")
    return _assemble(about, signals, read(goal, bench.question(goal.name)), read.cells)


def _asked(
    bench: Benchmark, metrics: Mapping[str, Metric]
) -> Iterator[tuple[Signal, tuple[Metric, Question]]]:
    """What a benchmark is asked for each signal."""
    for what, metric in metrics.items():
        for mark, question in marks_of(bench, metric):
            yield Signal(what, mark), (metric, question)
        stem, at, condition = metric.name.partition("@")
        for late in bench.metrics:
            if late.name == f"{stem}{LATE}{at}{condition}":
                yield Signal(what, late=True), (late, bench.question(late.name))


class _Columns:
    """The columns of a benchmark by seed, one cell of those that share their trainings.

    A training that diverged has the worst value, where a column says that there was one.
    """

    def __init__(self, bench: Benchmark, condition: str) -> None:
        self._bench = bench
        self._space = listed(bench.space)
        self._first = np.arange(len(self._space))
        named = {metric.name for metric in bench.metrics}
        if CLASS_METRIC in named:
            classes = bench.column(CLASS_METRIC).astype(int)
            self._first = np.unique(classes, return_index=True)[1]
        self._made: dict[int, Values] = {}
        if condition and f"{DIVERGED}@{condition}" in named:
            question = bench.question(f"{DIVERGED}@{condition}")
            for seed in bench.seeds(question):
                self._made[seed] = bench.column(*question, seed)

    @property
    def cells(self) -> list[str]:
        """Their texts."""
        return [str(self._space[int(place)]) for place in self._first]

    def __call__(self, metric: Metric, question: Question) -> dict[int, Values]:
        """By seed, smaller is better."""
        values = {}
        for seed in self._bench.seeds(question):
            row = metric.minimised(self._bench.column(*question, seed))
            if seed in self._made:
                row = filled(row, np.isfinite(self._made[seed]))
            values[seed] = row[self._first]
        return values


def _measure(metrics: Mapping[str, Metric]) -> str:
    """What the validation measure is."""
    return measure_of(metrics[VALID_MEASURE].name) if VALID_MEASURE in metrics else LOSS


def _final_loss(bench: Benchmark, name: str, metrics: Mapping[str, Metric]) -> Metric:
    """The loss of the trained network on test data."""
    valid = metrics.get(VALID_LOSS)
    test = valid.name.replace("valid", "test", 1) if valid else ""
    for metric in bench.metrics:
        if metric.name == test:
            return metric
    raise UserError(f"{name} has no test loss that could judge; leave out --goal loss.")


class _About(NamedTuple):
    """What is said of a table besides its numbers, as in `SignalTable`; `kind` is what judges."""

    name: str
    source: str
    kind: Kind
    measure: str
    is_tested: bool


def _assemble(
    about: _About, signals: Mapping[Signal, _BySeed], goal: _BySeed, cells: Sequence[str]
) -> SignalTable:
    """A table of the seeds and cells that have the goal and every signal of the end; an error where
    there is one seed, too few cells, or no matched validation signal.
    """
    name, reference = about.name, reference_of(about.kind)
    if reference not in signals:
        other = "measure" if about.kind == LOSS else LOSS
        raise UserError(
            f"{name} has no {reference.what.replace('valid', 'validation')} at the end, which is to"
            f" be beaten; --goal {other} asks for another goal."
        )
    ends = [goal, *(by_seed for signal, by_seed in signals.items() if signal == signal.end)]
    whole = {}
    for seed in sorted(set.intersection(*(set(by_seed) for by_seed in ends))):
        whole[seed] = np.all([np.isfinite(by_seed[seed]) for by_seed in ends], axis=0)
    counts = sorted(int(known.sum()) for known in whole.values())
    if len(counts) < 2 or not counts[-2]:
        raise UserError(
            f"{name} has one seed; a signal is judged by another seed's goal, so give two or more."
        )
    # a seed that was begun shall not leave out the cells of the others
    seeds = [seed for seed, known in whole.items() if 2 * known.sum() >= counts[-2]]
    places = np.flatnonzero(np.all([whole[seed] for seed in seeds], axis=0))
    if len(places) < FEWEST_CELLS:
        raise UserError(
            f"{name} has {plural(len(places), 'cell')} that {len(seeds)} seeds trained to the end;"
            f" at least {FEWEST_CELLS} are needed."
        )
    if len(places) > MOST_CELLS:
        rng = np.random.default_rng(_DRAWN_BY)
        places = np.sort(rng.choice(places, MOST_CELLS, replace=False))
    kept = {}
    for signal, by_seed in signals.items():
        values = np.array([by_seed[seed][places] for seed in seeds if seed in by_seed])
        if len(values) == len(seeds) and np.isfinite(values).all():
            kept[signal] = values
    worth = np.array([goal[seed][places] for seed in seeds])
    if not np.ptp(worth, axis=1).all():
        raise UserError(f"{name}: what judges in the end is the same for all cells of a seed.")
    return SignalTable(
        name=name,
        source=about.source,
        signals=kept,
        goal=worth,
        reference=reference,
        measure=about.measure,
        is_tested=about.is_tested,
        cells=np.array(cells)[places],
    )


_NAMING = ("cell", "seed", "epoch")
_COLUMN = re.compile(r"(train)_(loss)|(valid|test)_(\w+)")
_RIGHT = "train_loss, valid_loss, test_loss, valid_MEASURE and test_MEASURE, as valid_error"


def of_file(path: Path, kind: Kind = "measure") -> SignalTable:
    """The signals of a pilot in a CSV file.

    Args:
        path: The file.
        kind: What judges; on validation data where the file has no such column of test data.

    Raises:
        UserError: There is no such file, a column or an entry is wrong, or it has too few cells or
            seeds.
    """
    return _Pilot(path).table(kind)


class _Pilot:
    """A file, read: by column and epoch, shape ``(trainings,)``, NaN where an entry is empty."""

    def __init__(self, path: Path) -> None:
        self.name = printable(path.name)
        rows = read_rows(path)
        header = [entry.strip() for entry in next(rows)]
        self.columns, self.measure = self._check(header)
        metrics = [_metric_of(name, self.name) for name in self.columns]
        places = [header.index(name) for name in _NAMING]
        told: dict[tuple[str, int], dict[int, list[float]]] = {}
        for number, row in enumerate(rows, 1):
            cell = row[places[0]].strip()
            seed = self._whole(number, "seed", row[places[1]], 0)
            epoch = self._whole(number, "epoch", row[places[2]], 1)
            if not cell:
                raise UserError(f"{self.name}, row {number}: the cell is empty; name it.")
            by_epoch = told.setdefault((cell, seed), {})
            if epoch in by_epoch:
                raise UserError(
                    f"{self.name}, row {number}: cell {printable(cell)}, seed {seed} and epoch"
                    f" {epoch} are in an earlier row too; each may appear once."
                )
            by_epoch[epoch] = [
                self._number(number, name, row[header.index(name)]) for name in self.columns
            ]
        if not told:
            raise UserError(f"{self.name} has no row below its header.")
        self.trainings = list(told)
        self.epochs = sorted(set().union(*told.values()))
        self.values = {}
        for at, (name, metric) in enumerate(zip(self.columns, metrics, strict=True)):
            for epoch in self.epochs:
                lacking = [math.nan] * len(self.columns)
                column = [told[one].get(epoch, lacking)[at] for one in self.trainings]
                values = metric.minimised(np.array(column))
                # where most have none, it was not measured after this epoch
                if 2 * np.isfinite(values).sum() >= len(values):
                    self.values[name, epoch] = filled(values, np.ones(len(values), dtype=bool))

    def _check(self, header: Sequence[str]) -> tuple[list[str], str]:
        """The columns of metrics, and the measure among them."""
        for name in header:
            if header.count(name) > 1:
                raise UserError(f"{self.name} has the column {printable(name)!r} twice.")
        for name in _NAMING:
            if name not in header:
                raise UserError(
                    f"{self.name} has no column {name!r}; it needs cell, seed and epoch, and any of"
                    f" {_RIGHT}."
                )
        columns = [name for name in header if name not in _NAMING]
        for name in columns:
            if not _COLUMN.fullmatch(name):
                raise UserError(
                    f"{self.name} has a column {printable(name)!r}, which is no signal; right are"
                    f" {_RIGHT}: rename it or leave it out."
                )
        measures = sorted({name.partition("_")[2] for name in columns} - {LOSS})
        if len(measures) > 1:
            raise UserError(f"{self.name} has several measures, {', '.join(measures)}: keep one.")
        return columns, measures[0] if measures else ""

    def _whole(self, row: int, what: str, entry: str, least: int) -> int:
        try:
            value = float(entry)
        except ValueError:
            value = math.nan
        if not value.is_integer() or value < least:
            raise UserError(
                f"{self.name}, row {row}: the {what} is a whole number from {least}, not"
                f" {printable(entry.strip())!r:.40}."
            )
        return int(value)

    def _number(self, row: int, name: str, entry: str) -> float:
        if not entry.strip():
            return math.nan
        try:
            value = float(entry)
        except ValueError:
            raise UserError(
                f"{self.name}, row {row}: {name} is a number or empty, not"
                f" {printable(entry.strip())!r:.40}."
            ) from None
        return value if math.isfinite(value) else math.nan

    def table(self, kind: Kind) -> SignalTable:
        """The table that a kind of goal judges."""
        quantity = LOSS if kind == LOSS else self.measure
        if f"valid_{quantity}" not in self.columns:
            missing = "valid_loss" if kind == LOSS else "valid_MEASURE, such as valid_error"
            raise UserError(f"{self.name} has no column {missing}: it is what others must beat.")
        judge = f"test_{quantity}" if f"test_{quantity}" in self.columns else f"valid_{quantity}"
        cells = list(dict.fromkeys(cell for cell, _ in self.trainings))
        named = {"train_loss": TRAIN_LOSS, "valid_loss": VALID_LOSS}
        signals = {}
        for name in self.columns:
            if name.startswith("test_"):
                continue
            what = named.get(name, VALID_MEASURE)
            for mark, epoch in self._marks(name).items():
                signals[Signal(what, mark)] = self._by_seed(self.values[name, epoch], cells)
            if (mean := self._late(name)) is not None:
                signals[Signal(what, late=True)] = self._by_seed(mean, cells)
        if (judge, self.epochs[-1]) not in self.values:
            raise UserError(
                f"{self.name}: most trainings have no {judge} after the last epoch,"
                f" {self.epochs[-1]}; train all cells equally long."
            )
        goal = self._by_seed(self.values[judge, self.epochs[-1]], cells)
        tested = judge.startswith("test_")
        about = _About(self.name, self.name, kind, self.measure or LOSS, tested)
        return _assemble(about, signals, goal, cells)

    def _marks(self, name: str) -> dict[float, int]:
        """By mark the epoch at which a column is read."""
        last = self.epochs[-1]
        shares = {epoch / last: epoch for epoch in self.epochs if (name, epoch) in self.values}
        return {mark: shares[share] for mark, share in nearest_marks(shares).items()}

    def _late(self, name: str) -> Values | None:
        """The mean over the last fifth of the run; None where an epoch of it was not measured."""
        last = self.epochs[-1]
        fifth = range(last - late_epochs(last) + 1, last + 1)
        if len(fifth) < 2 or any((name, epoch) not in self.values for epoch in fifth):
            return None
        return np.asarray(np.mean([self.values[name, epoch] for epoch in fifth], axis=0))

    def _by_seed(self, values: Values, cells: Sequence[str]) -> dict[int, Values]:
        place = {cell: at for at, cell in enumerate(cells)}
        found: dict[int, Values] = {}
        for (cell, seed), value in zip(self.trainings, values, strict=True):
            found.setdefault(seed, np.full(len(cells), math.nan))[place[cell]] = value
        return found


def _metric_of(name: str, file: str) -> Metric:
    """What a column of a file measures; an error where its name does not say the direction."""
    from surrogate_nas.training.metrics import METRICS

    metric = metric_named(name)
    measure = name.partition("_")[2]
    if metric.is_loss:
        return metric
    if measure in METRICS:
        return Metric(name, "", "search", METRICS[measure].quantity)
    raise UserError(
        f"{file} has a column {printable(name)!r}, of which nobody knows whether smaller is better:"
        f" name it valid_error, valid_accuracy, or as one of {', '.join(sorted(METRICS))}."
    )
