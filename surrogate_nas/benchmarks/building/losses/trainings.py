"""What there is of the pairs of a table by now: the trainings in their journals, and those in the
table itself.

A table's trainings count where its card says of their loss what would be said now: data and
settings (the digest), engine, epochs, and what is kept. So work goes on where a table ends, on a
machine whose home folder is empty too. Others are not mixed in: the table stays apart until there
is one of as many trainings to put in its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.benchmarks.building.losses.pairs import Note, Pair, pair_of
from surrogate_nas.benchmarks.building.plan import Job, describe, journal_path
from surrogate_nas.benchmarks.building.train import Entry
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import Journal, shipped
from surrogate_nas.files.paths import printable
from surrogate_nas.space import Sampled
from surrogate_nas.tables import ColumnKey, MemoryTable, read_compact
from surrogate_nas.tables.compact import digits_of, rounded
from surrogate_nas.training import Task
from surrogate_nas.training.machine import agree

# What a table of losses keeps of a training: a few points of every curve, means over epochs, and
# what was told last.
#
# Of every metric that is told after each epoch, it is what stood at 10, 20, 50 and 100 % of the
# run, and the mean over the last fifth of the epochs (``NAME_late``); of the training loss also the
# mean over all epochs (``train_loss_mean``), which is the sum over the run up to a factor. All
# numbers are rounded as the table rounds them, so that a training says the same whether it comes
# from a journal or from a table.


PERCENTS = (10, 20, 50, 100)
"""The shares of a run at which a metric of every epoch is kept."""
LATE = "_late"
MEAN = "_mean"
"""What follows the names of metrics that are means over epochs."""
_FIFTH = 5
SPENT = "processor_seconds"
DIVERGED = "diverged"
MADE = "made"


class Recorded(NamedTuple):
    """A number that is kept of a training.

    Attributes:
        metric: What it is, without the loss.
        epochs: After how many.
        of: From what a journal holds of a training to the number.
    """

    metric: Metric
    epochs: int
    of: Callable[[Entry], float]

    @property
    def key(self) -> tuple[str, int]:
        """Its name and its epochs."""
        return self.metric.name, self.epochs


class Training(NamedTuple):
    """What is kept of one training.

    Attributes:
        values: By the keys of `Recorded`.
        made: When it ended, UTC, in ISO 8601; empty where it is not known of this one.
    """

    values: dict[tuple[str, int], float]
    made: str = ""

    def last(self, name: str) -> float:
        """The number at the end of the run."""
        return self.values[
            max((key for key in self.values if key[0] == name), key=lambda key: key[1])
        ]


def checkpoints(epochs: int) -> tuple[int, ...]:
    """The epochs at which metrics are kept, the first of which a share of the run is over.

    Example:
        >>> checkpoints(6), checkpoints(60), checkpoints(1)
        ((1, 2, 3, 6), (6, 12, 30, 60), (1,))
    """
    return tuple(dict.fromkeys(-(-percent * epochs // 100) for percent in PERCENTS))


def late_epochs(epochs: int) -> int:
    """How many epochs the mean of the end is over: the last fifth of them, rounded down, and at
    least one.
    """
    return max(1, epochs // _FIFTH)


def recorded_of(task: Task, epochs: int) -> list[Recorded]:
    """All that is kept of a training."""
    return list(_recorded(task, epochs))


def _recorded(task: Task, epochs: int) -> Iterator[Recorded]:
    source = f"{task.name}, trained by this project"
    run = f"of one run of {epochs} epochs"
    late = late_epochs(epochs)
    for told in task.diagnostics:
        name = told.name
        if not told.every_epoch:
            at_end = told.metric((), f"at the end {run}", source)
            yield Recorded(at_end, epochs, lambda entry, n=name: entry[n])  # type: ignore[misc]
            continue
        how = "mean over the epoch's batches" if told.split == "train" else "after the epoch"
        point = told.metric((), f"{how}; [n] is epoch n {run}, a point on its curve", source)
        for epoch in checkpoints(epochs):
            yield Recorded(point, epoch, lambda entry, n=name, e=epoch: entry[n][e - 1])  # type: ignore[misc]
        about = (
            f"mean over the last {late} of the epochs {run}"
            if late > 1
            else f"the last epoch's {run}"
        )
        mean = replace(point, name=name + LATE, description=about)
        yield Recorded(mean, epochs, lambda entry, n=name: float(np.mean(entry[n][-late:])))  # type: ignore[misc]
        if name == "train_loss":
            about = f"mean over all epochs {run}; {epochs} times that is the sum over the run"
            yield Recorded(
                replace(point, name=name + MEAN, description=about),
                epochs,
                lambda x: float(np.mean(x["train_loss"])),
            )

    def seconds(name: str, about: str, split: str = "") -> Recorded:
        metric = Metric(
            name,
            "s",
            "record",
            "cost",
            split=split,
            description=about,
            source=source,
        )
        return Recorded(metric, epochs, lambda entry: entry[name])

    yield seconds(
        "train_seconds", f"processor time of all epochs {run}, live operations only", "train"
    )
    yield seconds("valid_seconds", "processor time of one pass over the validation split", "valid")
    yield seconds(SPENT, "processor time of the whole training, all evaluations included")
    diverged = Metric(
        DIVERGED, "", "record", "structure", description="1 where training went wrong"
    )
    yield Recorded(diverged, epochs, lambda entry: float(bool(entry["note"])))


def record_of(recorded: list[Recorded]) -> dict[str, Any]:
    """What a card says of what is kept; trainings of which something else was kept are not
    mixed.
    """
    epochs = sorted({one.epochs for one in recorded})
    names = list(dict.fromkeys(one.metric.name for one in recorded))
    return {"at_epochs": epochs, "late_epochs": late_epochs(epochs[-1]), "metrics": names}


def training_of(recorded: list[Recorded], entry: Entry) -> Training:
    """What is kept of a training, from what a journal holds of it."""
    values = rounded(
        np.array([one.of(entry) for one in recorded], dtype=np.float64),
        _digits(tuple(one.metric for one in recorded)),
    )
    return Training(
        dict(zip((one.key for one in recorded), values.tolist(), strict=True)), entry.get(MADE, "")
    )


@lru_cache(maxsize=256)
def _digits(metrics: tuple[Metric, ...]) -> np.ndarray:
    return np.array([digits_of(metric) for metric in metrics])


Made = tuple[str, str]


class Of(NamedTuple):
    """The trainings of a pair.

    Attributes:
        trainings: By job, in the order of the plan of all classes.
        made: When the first and the last of them ended, UTC; empty where it is not known.
    """

    trainings: dict[Job, Training]
    made: Made

    def seconds(self) -> list[float]:
        """What each took."""
        return [training.last(SPENT) for training in self.trainings.values()]


@dataclass
class Trainings:
    """What there is of a table.

    Attributes:
        of: By pair; of losses too that only the earlier table holds.
        before: How many trainings the earlier table holds.
    """

    of: dict[Pair, Of] = field(default_factory=dict)
    before: int = 0


def in_journal(pair: Pair) -> dict[Job, Entry]:
    """What the journal of a pair holds by now; another process may be adding to it."""
    return {
        Job(*entry["job"]): entry
        for entry in Journal.read(journal_path(pair.plan), describe(pair.plan))
    }


def settings_of(pair: Pair) -> dict[str, Any]:
    """What a card says of a pair's trainings that must agree for others to be mixed with them."""
    settings = describe(pair.plan)
    own = {name: settings[name] for name in ("digest", "engine", "epochs")}
    kept: dict[str, Any] = json.loads(
        json.dumps(record_of(recorded_of(pair.trained, pair.plan.epochs)))
    )
    return {**own, "kept": kept}


def in_table(
    pairs: Sequence[Pair],
    path: Path,
    *,
    note: Note = lambda _: None,
) -> dict[Pair, tuple[dict[Job, Training], Made]]:
    """What a table holds of some pairs that may be mixed with trainings of now, and when it was
    made.
    """
    earlier = _Earlier.at(path)
    if not earlier:
        return {}
    every = [*pairs, *earlier.others(pairs)]
    found = {pair: earlier.of(pair) for pair in every if not earlier.differs(pair)}
    if foreign := earlier.trainings - sum(len(trainings) for trainings, _ in found.values()):
        note(earlier.told(every, foreign))
    return {pair: found[pair] for pair in pairs if pair in found}


def trainings_of(
    pairs: Sequence[Pair],
    path: Path,
    *,
    note: Note = lambda _: None,
) -> Trainings:
    """What there is of a table."""
    found = Trainings()
    earlier = _Earlier.at(path)
    found.before = earlier.trainings if earlier else 0
    pairs = [*pairs, *(earlier.others(pairs) if earlier else ())]
    taken = in_table(pairs, path, note=note)
    for pair in pairs:
        recorded, (trainings, made) = (
            recorded_of(pair.trained, pair.plan.epochs),
            taken.get(pair, ({}, ("", ""))),
        )
        own = {job: training_of(recorded, entry) for job, entry in in_journal(pair).items()}
        times = sorted(filter(None, [*made, *(training.made for training in own.values())]))
        together = {**trainings, **own}
        ordered = {job: together[job] for job in _ordered(pair, together)}
        if ordered or pair.plan.classes != 0:
            found.of[pair] = Of(ordered, (times[0], times[-1]) if times else ("", ""))
    return found


def _ordered(pair: Pair, jobs: Mapping[Job, Training]) -> list[Job]:
    place = pair.places
    return sorted(jobs, key=lambda job: (job.seed, place[job.cell]))


class _Earlier:
    """A table that is there already."""

    def __init__(self, path: Path, table: MemoryTable) -> None:
        self._path = path
        self._table = table
        # Of these is known on which processors they were made, which the name of their engine did
        # not say.
        self._is_published = path.resolve().is_relative_to(shipped("").resolve())
        try:
            card = json.loads(table.card or "{}")
            self._losses = dict(card["losses"])
        except (ValueError, LookupError, TypeError):
            self._losses = {}
        self.trainings = sum(
            int(np.isfinite(values).sum())
            for (metric, epochs, seed), values in table.table.columns.items()
            if seed != "mean"
            and metric.startswith("train_loss@")
            and epochs == table.metrics[metric].epochs[-1]
        )

    @classmethod
    def at(cls, path: Path) -> _Earlier | None:
        """The table in a file, or None where there is no file."""
        return cls(path, read_compact(path)) if path.exists() else None

    def others(self, pairs: Sequence[Pair]) -> Iterator[Pair]:
        """Pairs of losses that it holds and that are not asked for, trained as they would be now;
        of no classes.
        """
        one = pairs[0]
        for loss in sorted(set(self._losses) - {pair.loss for pair in pairs}):
            try:
                name = one.plan.task.partition("?")[0]
                pair = pair_of(name, one.task, loss, one.length, one.plan.space)
            except UserError:  # a user's own loss, whose file is not known here
                continue
            if not self.differs(pair):
                yield replace(pair, plan=replace(pair.plan, classes=0, noisy_classes=0))

    def differs(self, pair: Pair) -> list[str]:
        """In which settings its trainings by a loss are not those of now; ``loss`` where there are
        none.
        """
        told = self._losses.get(pair.loss)
        if not isinstance(told, dict):
            return ["loss"]
        now = settings_of(pair)
        cells = self._table.cells
        found = [name for name, value in now.items() if told.get(name) != value]
        if self._is_published and agree(str(told.get("engine")), now["engine"]):
            found = [name for name in found if name != "engine"]
        alike = isinstance(cells, Sampled) and cells.base.definition == pair.plan.cells.definition
        return found if alike else [*found, "space"]

    def told(self, pairs: Sequence[Pair], foreign: int) -> str:
        """What is not mixed in, in one line."""
        asked = {pair.loss: pair for pair in pairs}
        why = {
            name
            for loss in self._losses
            for name in (self.differs(asked[loss]) if loss in asked else ["loss"])
        }
        return (
            f"{printable(self._path)} is of another protocol or engine"
            f" ({', '.join(sorted(why or {'no card'}))}): its {foreign:,} trainings are not mixed"
            " in, and it stays until there are as many."
        )

    def of(self, pair: Pair) -> tuple[dict[Job, Training], Made]:
        """Its trainings by a loss, and when the first and the last of them were made."""
        columns = self._table.table.columns
        space = pair.plan.cells
        recorded = recorded_of(pair.trained, pair.plan.epochs)
        cells = [space.index(space.cell(str(cell))) for cell in self._table.cells]
        last = f"train_loss@{pair.loss}", pair.plan.epochs
        seeds = sorted(
            seed for metric, epochs, seed in columns if seed != "mean" and (metric, epochs) == last
        )
        found: dict[Job, Training] = {}
        for seed in seeds:
            names = [(f"{one.metric.name}@{pair.loss}", one.epochs) for one in recorded]
            lacking = np.full(len(cells), np.nan)
            rows = np.array(
                [columns.get(ColumnKey(*name, seed), lacking) for name in names]
            ).T.tolist()
            known = np.isfinite(columns[ColumnKey(*last, seed)])
            for row in np.flatnonzero(known):
                values = dict(zip((one.key for one in recorded), rows[row], strict=True))
                found[Job(cells[row], int(seed))] = Training(values)
        made = self._losses[pair.loss].get("made")
        return found, (
            tuple(map(str, made))
            if isinstance(made, list) and len(made) == 2
            else (
                "",
                "",
            )
        )  # type: ignore[return-value]
