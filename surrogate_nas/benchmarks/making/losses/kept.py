"""What a table of losses keeps of a training: a few points of every curve, means over epochs, and what was told last.

Of every metric that is told after each epoch, it is what stood at 10, 20, 50 and 100 % of the run, and the mean over
the last fifth of the epochs (``NAME_late``); of the training loss also the mean over all epochs (``train_loss_mean``),
which is the sum over the run up to a factor. All numbers are rounded as the table rounds them, so that a training says
the same whether it comes from a journal or from a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from surrogate_nas.benchmarks.making.batches import Entry
from surrogate_nas.core.metrics import Metric
from surrogate_nas.tables.compact import digits_of, rounded
from surrogate_nas.training import Task

PERCENTS = (10, 20, 50, 100)
"""The shares of a run at which a metric of every epoch is kept."""
LATE, MEAN = "_late", "_mean"
"""What follows the names of metrics that are means over epochs."""
_FIFTH = 5
SPENT, DIVERGED, MADE = "processor_seconds", "diverged", "made"


class Kept(NamedTuple):
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
        values: By the keys of `Kept`.
        made: When it ended, UTC, in ISO 8601; empty where it is not known of this one.
    """

    values: dict[tuple[str, int], float]
    made: str = ""

    def last(self, name: str) -> float:
        """The number at the end of the run.

        Args:
            name: Of the metric.
        """
        return self.values[max((key for key in self.values if key[0] == name), key=lambda key: key[1])]


def checkpoints(epochs: int) -> tuple[int, ...]:
    """The epochs at which metrics are kept, the first of which a share of the run is over.

    Args:
        epochs: Of the run.

    Example:
        >>> checkpoints(6), checkpoints(60), checkpoints(1)
        ((1, 2, 3, 6), (6, 12, 30, 60), (1,))
    """
    return tuple(dict.fromkeys(-(-percent * epochs // 100) for percent in PERCENTS))


def late_epochs(epochs: int) -> int:
    """How many epochs the mean of the end is over: the last fifth of them, rounded down, and at least one.

    Args:
        epochs: Of the run.
    """
    return max(1, epochs // _FIFTH)


def kept_of(task: Task, epochs: int) -> list[Kept]:
    """All that is kept of a training.

    Args:
        task: The task as it is trained.
        epochs: Of a run.
    """
    return list(_kept(task, epochs))


def _kept(task: Task, epochs: int) -> Iterator[Kept]:
    source, run, late = f"{task.name}, trained by this project", f"of one run of {epochs} epochs", late_epochs(epochs)
    for told in task.diagnostics:
        name = told.name
        if not told.every_epoch:
            yield Kept(told.metric((), f"at the end {run}", source), epochs, lambda entry, n=name: entry[n])  # type: ignore[misc]
            continue
        how = "mean over the epoch's batches" if told.split == "train" else "after the epoch"
        point = told.metric((), f"{how}; [n] is epoch n {run}, a point on its curve", source)
        for epoch in checkpoints(epochs):
            yield Kept(point, epoch, lambda entry, n=name, e=epoch: entry[n][e - 1])  # type: ignore[misc]
        about = f"mean over the last {late} of the epochs {run}" if late > 1 else f"the last epoch's {run}"
        mean = replace(point, name=name + LATE, description=about)
        yield Kept(mean, epochs, lambda entry, n=name: float(np.mean(entry[n][-late:])))  # type: ignore[misc]
        if name == "train_loss":
            about = f"mean over all epochs {run}; {epochs} times that is the sum over the run"
            yield Kept(
                replace(point, name=name + MEAN, description=about), epochs, lambda x: float(np.mean(x["train_loss"]))
            )

    def seconds(name: str, about: str, split: str = "") -> Kept:
        metric = Metric(name, "s", "record", "cost", split=split, description=about, source=source)
        return Kept(metric, epochs, lambda entry: entry[name])

    yield seconds("train_seconds", f"processor time of all epochs {run}, live operations only", "train")
    yield seconds("valid_seconds", "processor time of one pass over the validation split", "valid")
    yield seconds(SPENT, "processor time of the whole training, all evaluations included")
    diverged = Metric(DIVERGED, "", "record", "structure", description="1 where training went wrong")
    yield Kept(diverged, epochs, lambda entry: float(bool(entry["note"])))


def record_of(kept: list[Kept]) -> dict[str, Any]:
    """What a card says of what is kept; trainings of which something else was kept are not mixed.

    Args:
        kept: What is.
    """
    epochs = sorted({one.epochs for one in kept})
    names = list(dict.fromkeys(one.metric.name for one in kept))
    return {"at_epochs": epochs, "late_epochs": late_epochs(epochs[-1]), "metrics": names}


def training_of(kept: list[Kept], entry: Entry) -> Training:
    """What is kept of a training, from what a journal holds of it.

    Args:
        kept: What is.
        entry: Of the journal.
    """
    values = rounded(
        np.array([one.of(entry) for one in kept], dtype=np.float64), _digits(tuple(k.metric for k in kept))
    )
    return Training(dict(zip((one.key for one in kept), values.tolist(), strict=True)), entry.get(MADE, ""))


@lru_cache(maxsize=256)
def _digits(metrics: tuple[Metric, ...]) -> np.ndarray:
    return np.array([digits_of(metric) for metric in metrics])
