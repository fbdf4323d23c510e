"""`python -m analysis.answer.tables`: train what a design says, and write a table a task.

Rounds train fifty classes of every pair with all seeds, then the next fifty: what is trained when
the command is interrupted is a table of fewer classes (``--assemble`` writes it). A table of more
trainings than there are stays as it is.

A table keeps some points of every curve. A metric that has a value after each epoch is kept at 10,
20, 50 and 100 % of the run, and as mean over the last fifth of the epochs (``NAME_late``); of the
training loss also the mean over all epochs (``train_loss_mean``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from analysis.answer.agreement import agreement_of_all
from analysis.answer.design import PROTOCOL, Pair, by_table, read_design
from analysis.building.jobs import (
    Entry,
    Job,
    Plan,
    class_order,
    show_progress,
    train_job,
)
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import Journal, write_whole
from surrogate_nas.runtime.engines import run_jobs
from surrogate_nas.space import ChoiceSpace, Sampled
from surrogate_nas.tables import Table, read_compact, write_compact
from surrogate_nas.tables.compact import digits_of, rounded
from surrogate_nas.training import Task

PERCENTS = (10, 20, 50, 100)
"""The shares of a run at which a metric of every epoch is kept."""
LATE, MEAN = "_late", "_mean"
"""Endings of the names of metrics that are means over epochs."""
SPENT, DIVERGED, MADE = "processor_seconds", "diverged", "made"
ROUND = 50
"""Classes of a round."""
_BATCH = 8
"""Trainings of one job."""
_FEWEST, _MOST = 10, 500
"""Classes from which the agreement of their seeds is computed, and of how many of them at most."""
_LONGEST = 10


class Recorded(NamedTuple):
    """A number that is kept of a training: its metric without the loss, after how many epochs, and
    how it follows from a journal's entry.
    """

    metric: Metric
    epochs: int
    read: Callable[[Entry], float]


def checkpoints(epochs: int) -> tuple[int, ...]:
    """The epochs at which metrics are kept.

    Example:
        >>> checkpoints(6), checkpoints(60), checkpoints(1)
        ((1, 2, 3, 6), (6, 12, 30, 60), (1,))
    """
    return tuple(dict.fromkeys(-(-percent * epochs // 100) for percent in PERCENTS))


def recorded_of(task: Task, epochs: int) -> Iterator[Recorded]:
    """All numbers that are kept of a training."""
    source = f"{task.name}, trained by this project"
    run = f"of one run of {epochs} epochs"
    late = max(1, epochs // 5)
    for told in task.diagnostics:
        name = told.name
        if not told.every_epoch:
            yield Recorded(
                told.metric((), f"at the end {run}", source),
                epochs,
                partial(_end, name),
            )
            continue
        how = (
            "mean over the epoch's batches"
            if told.split == "train"
            else "after the epoch"
        )
        point = told.metric(
            (), f"{how}; [n] is epoch n {run}, a point on its curve", source
        )
        for epoch in checkpoints(epochs):
            yield Recorded(point, epoch, partial(_mean, name, epoch - 1, epoch))
        about = f"the last epoch's {run}"
        if late > 1:
            about = f"mean over the last {late} of the epochs {run}"
        mean = replace(point, name=name + LATE, description=about)
        yield Recorded(mean, epochs, partial(_mean, name, epochs - late, epochs))
        if name == "train_loss":
            about = f"mean over all epochs {run}; {epochs} times that is the sum over the run"
            mean = replace(point, name=name + MEAN, description=about)
            yield Recorded(mean, epochs, partial(_mean, name, 0, epochs))
    texts = {
        "train_seconds": f"processor time of all epochs {run}, live operations only",
        "valid_seconds": "processor time of one pass over the validation split",
        SPENT: "processor time of the whole training, all evaluations included",
    }
    for name, about in texts.items():
        split = name.partition("_")[0] if name != SPENT else ""
        metric = Metric(
            name, "s", "record", "cost", split=split, description=about, source=source
        )
        yield Recorded(metric, epochs, partial(_end, name))
    about = "1 where training went wrong"
    diverged = Metric(DIVERGED, "", "record", "structure", description=about)
    yield Recorded(diverged, epochs, lambda entry: float(bool(entry["note"])))


def _end(name: str, entry: Entry) -> float:
    return float(entry[name])


def _mean(name: str, start: int, end: int, entry: Entry) -> float:
    return float(np.mean(entry[name][start:end]))


class Trained:
    """The trainings of one loss of a table, read from its journal.

    Attributes:
        pair: The task and the loss, in the first step that names them.
        asked: The trainings that the design wants.
        entries: The stored results of these, seed after seed in the order of classes.
        values: The numbers that are kept, by training; rounded as the table rounds them.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        """Read the journal; another process may be adding to it."""
        self.pair = pairs[0]
        self.asked = {job for pair in pairs for job in pair.plan.jobs()}
        plan = run_of(self.pair.plan)
        path = plan.journal()
        stored = Journal.read(path, plan.settings()) if path.is_file() else []
        entries = {Job(*entry["job"]): entry for entry in stored}
        place = {cell: i for i, cell in enumerate(class_order(plan.space))}
        order = sorted(entries, key=lambda job: (job.seed, place[job.cell]))
        self.entries: dict[Job, Entry] = {job: entries[job] for job in order}
        self.recorded = list(recorded_of(self.pair.trained, plan.epochs))
        digits = np.array([digits_of(recorded.metric) for recorded in self.recorded])
        self.values = {}
        for job, entry in self.entries.items():
            numbers = np.array([recorded.read(entry) for recorded in self.recorded])
            self.values[job] = rounded(numbers, digits)

    def last(self, name: str, job: Job) -> float:
        """A number at the end of a training's run."""
        epochs = self.pair.plan.epochs
        names = [(recorded.metric.name, recorded.epochs) for recorded in self.recorded]
        return float(self.values[job][names.index((name, epochs))])

    def card(self) -> dict[str, Any]:
        """What the card of the table says of the loss."""
        settings = self.pair.plan.settings()
        epochs = self.pair.plan.epochs
        seconds = [self.last(SPENT, job) for job in self.entries]
        made = sorted(
            filter(None, (entry.get(MADE, "") for entry in self.entries.values()))
        )
        agreed = {}
        for told in self.pair.trained.diagnostics:
            if told.split != "test" and (found := self._agreement(told.name)):
                agreed[told.name] = found
        number = max(len(self.asked), len(seconds))
        return {
            **{name: settings[name] for name in ("digest", "engine", "epochs")},
            "kept": {
                "at_epochs": sorted({recorded.epochs for recorded in self.recorded}),
                "late_epochs": max(1, epochs // 5),
                "metrics": list(
                    dict.fromkeys(one.metric.name for one in self.recorded)
                ),
            },
            MADE: [made[0], made[-1]] if made else ["", ""],
            "classes": {
                seed: sum(job.seed == seed for job in self.entries)
                for seed in self.seeds
            },
            DIVERGED: sum(bool(entry["note"]) for entry in self.entries.values()),
            SPENT: sum(seconds),
            "processor_seconds_a_training": float(np.median(seconds)),
            "processor_hours_of_all": number * seconds_each(seconds) / 3600,
            "two_seeds": agreed,
        }

    @property
    def seeds(self) -> list[int]:
        """The seeds of its trainings."""
        return sorted({job.seed for job in self.entries})

    def _agreement(self, name: str) -> dict[str, Any]:
        """How the seeds agree at the end of the run, the mean of all pairs; empty for too few
        classes. Of classes that have all seeds, else of those with two.
        """
        for seeds in (self.seeds, self.seeds[:2]):
            counts = Counter(job.cell for job in self.entries if job.seed in seeds)
            cells = [cell for cell, count in counts.items() if count == len(seeds)][
                :_MOST
            ]
            if len(cells) >= _FEWEST and len(seeds) > 1:
                values = [
                    [self.last(name, Job(cell, seed)) for cell in cells]
                    for seed in seeds
                ]
                found = agreement_of_all(np.array(values))
                numbers = {
                    k: v if math.isfinite(v) else None
                    for k, v in found._asdict().items()
                }
                about = {
                    "classes": len(cells),
                    "seeds": len(seeds),
                    "is_noise": found.is_noise,
                }
                return {**numbers, **about}
        return {}


def seconds_each(seconds: Sequence[float]) -> float:
    """The mean of what trainings took, but for the first, which compiles kernels; each at most ten
    times the median.
    """
    seconds = seconds[1:] or seconds
    return float(np.minimum(seconds, _LONGEST * np.median(seconds)).mean())


def run_of(plan: Plan) -> Plan:
    """What a plan has in common with those that share its journal: all classes, and one seed."""
    return replace(plan, seeds=1, noisy_classes=0, classes=None, first_class=0)


class Batch(NamedTuple):
    """Trainings of one pair that are made one after another."""

    plan: Plan
    jobs: tuple[Job, ...]


def batches(plans: Iterable[Plan], made: set[tuple[Plan, Job]]) -> list[Batch]:
    """The trainings of all pairs that are not made, each once, in rounds."""
    rounds: dict[int, list[Batch]] = {}
    seen = set(made)
    for plan in plans:
        run = run_of(plan)
        jobs = plan.jobs()
        place = {
            job.cell: i for i, job in enumerate(job for job in jobs if job.seed == 0)
        }
        by_round: dict[int, list[Job]] = {}
        for job in sorted(jobs, key=lambda job: (place[job.cell], job.seed)):
            if (run, job) not in seen:
                seen.add((run, job))
                by_round.setdefault(place[job.cell] // ROUND, []).append(job)
        for number, own in by_round.items():
            parts = [tuple(own[i : i + _BATCH]) for i in range(0, len(own), _BATCH)]
            rounds.setdefault(number, []).extend(Batch(run, part) for part in parts)
    return [batch for number in sorted(rounds) for batch in rounds[number]]


def train_rounds(plans: Sequence[Plan], workers: int = 1) -> dict[str, str]:
    """Train what the journals do not hold yet; may be interrupted and called again, also with more
    classes or pairs.

    Returns:
        The trainings that failed, by pair, and why; everything else is done.
    """
    failures = {}
    with ExitStack() as stack:
        journals = {}
        for run in dict.fromkeys(map(run_of, plans)):
            journals[run] = stack.enter_context(Journal(run.journal(), run.settings()))
        made = {
            (run, Job(*entry["job"]))
            for run, own in journals.items()
            for entry in own.entries
        }
        waiting = batches(plans, made)
        done, of = 0, sum(len(batch.jobs) for batch in waiting)
        for outcome in run_jobs(_train, waiting, workers=workers):
            run, jobs = outcome.job
            entries, reason = (
                ([], outcome.failure) if outcome.failure else outcome.result
            )
            for entry in entries:
                journals[run].append(entry)
            journals[run].commit()  # the next batch of this pair may be a round away
            if reason:
                failures[run.task] = reason
            done += len(jobs)
            show_progress(done, of)
    return failures


def _train(batch: Batch) -> tuple[list[Entry], str]:
    """Train in this process; the results, and why there are not all of them."""
    entries: list[Entry] = []
    try:
        for job in batch.jobs:
            entry = train_job(batch.plan, job)
            entries.append(
                {**entry, MADE: datetime.now(UTC).isoformat(timespec="seconds")}
            )
    except Exception as error:  # noqa: BLE001 - one task's fault must not end the others' trainings
        return entries, f"{type(error).__name__}: {error}"
    return entries, ""


def table_of(held: Sequence[Trained], cells: Sequence[int]) -> Table:
    """The table of a task. Where a loss did not train a cell, the table has no number."""
    pair = held[0].pair
    space, task = pair.plan.cells, pair.task
    assert isinstance(space, ChoiceSpace)
    losses = [one.pair.loss for one in held]
    own = task.trained.name if task.trained.name in losses else losses[0]
    longer = f", in runs of {pair.plan.epochs} epochs" if pair.length != 1 else ""
    table = Table(
        name=f"losses-{pair.table}",
        space=Sampled(space, space.choices[list(cells)]).definition,
        title=(
            f"{len(cells):,} classes of cells trained with {', '.join(losses)}{longer}:"
            f" {task.title}"
        ),
        source=f"trained by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective=f"valid_loss@{own}" + " + 0.1*params" * ("params" in space.analytic),
        network=task.network(),
        epochs="curve",
    )
    row = {cell: i for i, cell in enumerate(cells)}
    for one in held:
        values = np.full((1 + max(one.seeds), len(one.recorded), len(cells)), np.nan)
        for job, numbers in one.values.items():
            values[job.seed, :, row[job.cell]] = numbers
        for i, recorded in enumerate(one.recorded):
            name = f"{recorded.metric.name}@{one.pair.loss}"
            about = f"{recorded.metric.description}, which trained {one.pair.loss}"
            metric = replace(recorded.metric, name=name, description=about)
            known = {seed: values[seed, i] for seed in one.seeds}
            table.add(metric, recorded.epochs, values[0, i], 1, known)
    return table


def write_tables(pairs: Iterable[Pair], folder: Path) -> dict[str, dict[str, Any]]:
    """Write ``TASK.h5`` and ``TASK.json``, of longer runs ``TASK-x4.h5``, for every task that has
    trainings.

    Returns:
        The cards by table; a table of more trainings stays as it is, and has none.
    """
    cards = {}
    for name, by_loss in by_table(pairs).items():
        held = [one for one in map(Trained, by_loss.values()) if one.entries]
        trained = {job.cell for one in held for job in one.entries}
        path = folder / f"{name}.h5"
        number = sum(len(one.entries) for one in held)
        if len(trained) < 2 or number < _trainings_of(path):
            print(
                f"{path} stays as it is: there are {number:,} trainings.",
                file=sys.stderr,
            )
            continue
        pair = held[0].pair
        cells = [cell for cell in class_order(pair.plan.space) if cell in trained]
        card = {
            "task": pair.task.name,
            "length": pair.length,
            "judged_by": f"valid_{pair.task.measured[0].name}",
            "losses": {one.pair.loss: one.card() for one in held},
            "cells": len(cells),
        }
        table = table_of(held, cells)
        table.card = json.dumps(card)
        write_compact(table, path)
        write_whole(path.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
        cards[name] = card
    return cards


def _trainings_of(path: Path) -> int:
    """Number of trainings that a table holds."""
    if not path.is_file():
        return 0
    losses = json.loads(read_compact(path).card)["losses"]
    return sum(sum(loss["classes"].values()) for loss in losses.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and write the tables; 2 where some trainings failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--design", type=Path, default=PROTOCOL, help="a file.toml; the protocol's"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("data/losses"), help="the tables' folder"
    )
    parser.add_argument("--workers", type=int, default=2, help="trainings at once")
    parser.add_argument("--assemble", action="store_true", help="train nothing")
    given = parser.parse_args(arguments)
    try:
        pairs = [pair for pair in read_design(given.design) if pair.task.is_here()]
        failures: Mapping[str, str] = {}
        if not given.assemble:
            failures = train_rounds([pair.plan for pair in pairs], given.workers)
        write_tables(pairs, given.out)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for name, reason in failures.items():
        print(
            f"{name} failed ({reason}); repeat the command to try again.",
            file=sys.stderr,
        )
    return 2 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
