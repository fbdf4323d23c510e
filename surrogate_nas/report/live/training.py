"""What runs train now and which trainings failed, as sections of a live page.

Anybody may have written the files behind them: their types and sizes are checked, texts are
escaped, and reports are read in the folder of trainings of this user alone.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from markupsafe import Markup, escape

from surrogate_nas.core.errors import UserError
from surrogate_nas.core.numbers import plural, share
from surrogate_nas.files import home
from surrogate_nas.files.progress import duration
from surrogate_nas.files.regular import open_regular
from surrogate_nas.report.markup import (
    Block,
    Column,
    Content,
    Paragraph,
    Section,
    Span,
    Table,
    note,
)
from surrogate_nas.report.picture import Canvas
from surrogate_nas.report.reading import InFlight, Running

_MOST_ROWS = 50
"""Of a table."""
_LONGEST_CELL = 120
_LONGEST_REASON = 400
"""Characters that are shown."""
_MOST_BYTES = 2**18
"""Of reports; of longer ones the last are read."""
_MOST_METRICS = 4
_LONGEST_NAME = 40
_MOST_POINTS = 200
_WIDTH = 120.0
_HEIGHT = 28.0
_EPOCH = "epoch"


@dataclass(frozen=True)
class Report:
    """What a training reported after an epoch."""

    epoch: int
    metrics: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Training:
    """A training in flight, with what it reported so far."""

    flight: InFlight
    reports: tuple[Report, ...]

    @property
    def line(self) -> list[tuple[int, float]]:
        """Epochs and values of the first metric that was reported last."""
        if not self.reports or not self.reports[-1].metrics:
            return []
        name = self.reports[-1].metrics[0][0]
        points = []
        for report in self.reports:
            value = dict(report.metrics).get(name)
            if value is not None:
                points.append((report.epoch, value))
        return points


@dataclass(frozen=True)
class RunInTraining:
    """A run that trains now.

    Attributes:
        strategy: The label of the strategy.
        run: The number of the run.
        told: How many trainings the strategy was told.
        n_failed: How many of these failed.
        running: What it trains.
        trainings: Those that are shown.
    """

    strategy: str
    run: int
    told: int
    n_failed: int
    running: Running
    trainings: tuple[Training, ...]


@dataclass(frozen=True)
class FailedTraining:
    """A training that failed."""

    strategy: str
    run: int
    cell: str
    reason: str


def with_reports(running: Running) -> tuple[Training, ...]:
    """The trainings that are shown, each with what it reported."""
    shown = running.trainings[:_MOST_ROWS]
    return tuple(Training(one, read_reports(one.reports)) for one in shown)


def read_reports(path: str | None) -> tuple[Report, ...]:
    """What a training reported; nothing where it is no file of a training of this user."""
    if path is None or not _is_of_a_training(path):
        return ()
    try:
        status = os.stat(path)
        return _read_reports(path, status.st_ino, status.st_size, status.st_mtime_ns)
    except (OSError, ValueError):
        return ()


def _is_of_a_training(path: str) -> bool:
    """Whether it lies where trainings report, so that no other file of the user is shown."""
    try:
        inside = (home() / "trainings").resolve()
        file = Path(path).resolve()
    except (OSError, ValueError, RuntimeError, UserError):
        return False
    return file.name == "reports.jsonl" and file.is_relative_to(inside)


@lru_cache(maxsize=4 * _MOST_ROWS)
def _read_reports(path: str, inode: int, size: int, changed: int) -> tuple[Report, ...]:  # noqa: ARG001 - another file or content
    with open_regular(Path(path)) as file:
        file.seek(max(size - _MOST_BYTES, 0))
        lines = file.read(_MOST_BYTES).split(b"\n")
    whole = lines[1 if size > _MOST_BYTES else 0 : -1]  # the last is empty or being written
    reports = []
    for line in whole:
        report = _report(line)
        if report is not None:
            reports.append(report)
    return tuple(reports)


def _report(line: bytes) -> Report | None:
    """A line of reports: an epoch and finite numbers by name; None where it is no such line."""
    try:
        content = json.loads(line)
        epoch = content[_EPOCH]
        if type(epoch) is not int or not 0 <= epoch < 10**9:
            return None
        metrics = []
        for name, value in content.items():
            if name != _EPOCH and type(value) in (int, float) and math.isfinite(value):
                metrics.append((name[:_LONGEST_NAME], float(value)))
        return Report(epoch, tuple(metrics[:_MOST_METRICS]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def in_training(runs: Sequence[RunInTraining], cells: int | None) -> Section | None:
    """What each run trains now; None where no run does.

    Args:
        runs: Those that train.
        cells: The budget of each in cells, or None.
    """
    blocks: list[Table | Paragraph | Block] = []
    for one in runs:
        if len(runs) > 1:
            blocks.append(Block("heading", f"{one.strategy}, run {one.run}"))
        blocks.append(Paragraph([_in_words(one, cells)]))
        if one.trainings:
            blocks.append(_table(one))
        more = one.running.in_flight - len(one.trainings)
        if more > 0:
            blocks.append(note(f"and {plural(more, 'training')} more"))
    return Section("In training", blocks) if blocks else None


def _in_words(one: RunInTraining, cells: int | None) -> str:
    """How far a run is: told, begun, failed, and what is left."""
    running = one.running
    begun = one.told + running.in_flight
    of = "" if cells is None else f" of {cells:,}"
    parts = [f"{begun:,}{of} begun", f"{one.told:,} told"]
    if one.n_failed:
        parts.append(f"{one.n_failed:,} failed")
    parts.append(plural(running.slots, "slot"))
    left = None if cells is None else running.seconds_left(cells - one.told, time.time())
    if left:
        parts.append(f"about {duration(left)} left")
    return " · ".join(parts)


def _table(one: RunInTraining) -> Table:
    heads = [Column("cell"), Column("state"), Column("last report"), Column("curve")]
    heads += [Column("epochs"), Column("since"), Column("done")]
    rows: list[list[Content]] = []
    for training in one.trainings:
        flight = training.flight
        rows.append(
            [
                Span(_cut(flight.cell, _LONGEST_CELL), "code"),
                _state(flight),
                _last(training),
                _spark(training),
                "–" if flight.epochs is None else f"{flight.epochs:,}",
                _since(flight.since),
                _done(training),
            ]
        )
    return Table(heads, rows, texts=4)


def _state(flight: InFlight) -> str:
    words = {"ended": "ended, told in its turn", "alone": "running alone"}
    word = words.get(flight.state, flight.state)
    if not flight.again:
        return word
    return f"{word}, again after: {_cut(flight.again, _LONGEST_CELL)}"


def _last(training: Training) -> str:
    """The last report in words."""
    if not training.reports:
        return ""
    report = training.reports[-1]
    metrics = [f"{name} {value:.5g}" for name, value in report.metrics]
    return f"epoch {report.epoch}: {', '.join(metrics)}"


def _done(training: Training) -> str:
    """Its share that is done: by epochs, or by how long others took."""
    flight = training.flight
    if not flight.is_running:
        return ""
    if training.reports and flight.epochs:
        return share(min(training.reports[-1].epoch / flight.epochs, 1.0))
    if not flight.seconds:
        return ""
    return f"about {share(min((time.time() - flight.since) / flight.seconds, 0.99))}"


def _since(since: float) -> Markup:
    """A duration, which the script of the page counts on."""
    began = datetime.fromtimestamp(since).astimezone().isoformat(timespec="seconds")
    words = duration(max(time.time() - since, 0.0))
    return Markup(f'<span data-since="{escape(began)}">{escape(words)}</span>')


def _spark(training: Training) -> Markup:
    """The curve of a training so far, as wide as its epochs."""
    line = training.line
    if len(line) < 2:
        return Markup("")
    step = -(-len(line) // _MOST_POINTS)
    points = line[::step] if (len(line) - 1) % step == 0 else [*line[::step], line[-1]]
    values = [value for _, value in points]
    low, high = min(values), max(values)
    last = max(training.flight.epochs or 0, *(epoch for epoch, _ in points), 1)
    canvas = Canvas(_WIDTH, _HEIGHT)
    drawn = []
    for epoch, value in points:
        down = (high - value) / ((high - low) or 1.0)
        if not math.isfinite(down):
            return Markup("")
        drawn.append((1 + (_WIDTH - 2) * epoch / last, 2 + (_HEIGHT - 4) * down))
    canvas.line([(0, _HEIGHT), (_WIDTH, _HEIGHT)], colour="line")
    canvas.line(drawn, colour="accent", width=1.5)
    name = training.reports[-1].metrics[0][0]
    return canvas.svg("spark", f"{name} by epoch")


def failed_trainings(failed: Sequence[FailedTraining], in_all: int) -> Section | None:
    """The trainings that failed, each with its reason; None where none did.

    Args:
        failed: The last of each run.
        in_all: How many failed.
    """
    if not failed:
        return None
    heads = [Column("cell"), Column("of"), Column("reason")]
    rows: list[list[Content]] = []
    for one in failed[:_MOST_ROWS]:
        cell = Span(_cut(one.cell, _LONGEST_CELL), "code")
        rows.append([cell, f"{one.strategy}, run {one.run}", _cut(one.reason, _LONGEST_REASON)])
    blocks: list[Table | Paragraph] = [Table(heads, rows, texts=3)]
    if in_all > len(rows):
        blocks.append(note(f"and {in_all - len(rows):,} more"))
    return Section("Failed trainings", blocks)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
