"""`python -m analysis.answer.tables`: train what a design says, and write a table a task.

Rounds train some classes of every pair with all seeds, then the next ones: what is trained when
the command is interrupted is a table of fewer classes (``--assemble`` writes it). Trainings that a
table holds already are not made again if task, engine and settings are the same. A table of more
trainings than there are stays as it is.

A table keeps some points of every curve. A metric that has a value after each epoch is kept at 10,
20, 50 and 100 % of the run, and as mean over the last fifth of the epochs (``NAME_late``); of the
training loss also the mean over all epochs (``train_loss_mean``). A design with ``shares`` keeps
every metric at these shares of the run (``NAME_20``, also within an epoch), at its end, and the
least of all epochs (``NAME_best``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.answer.agreement import agreement_of_all
from analysis.answer.design import PROTOCOL, Pair, by_table, read_design, round_of
from analysis.building.jobs import (
    BEST,
    Entry,
    Job,
    Plan,
    class_order,
    show_progress,
    train_job,
)
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import UserError, unknown
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import Journal, write_whole
from surrogate_nas.runtime.engines import run_jobs
from surrogate_nas.space import ChoiceSpace, Sampled
from surrogate_nas.tables import ColumnKey, Table, read_compact, write_compact
from surrogate_nas.tables.compact import digits_of, rounded
from surrogate_nas.training import Task

Values = NDArray[np.float64]
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
    yield from costs_of(task, epochs)


def recorded_at(plan: Plan) -> Iterator[Recorded]:
    """All numbers that are kept of a training of a plan with shares."""
    source = f"{plan.trained.name}, trained by this project"
    run = f"of one run of {plan.epochs} epochs"
    ends = {"": f"at the end {run}"}
    for share in plan.shares:
        percent = f"{100 * share:g}"
        ends[f"_{percent}"] = f"after {percent} % of the steps {run}"
    for told in plan.trained.diagnostics:
        is_test = told.split == "test"
        if is_test and told.of.name not in ("loss", "error"):
            continue
        texts = ends if is_test else {**ends, BEST: f"the least of the epochs {run}"}
        for ending, about in texts.items():
            name = told.name + ending
            how = "; the mean over one epoch's length" * (told.split == "train")
            metric = replace(told.metric((), about + how, source), name=name)
            yield Recorded(metric, plan.epochs, partial(_end, name))
    if plan.varied:
        decay = Metric(
            "weight_decay", "", "record", "structure", description="of all parameters"
        )
        yield Recorded(decay, plan.epochs, partial(_end, "weight_decay"))
    yield from costs_of(plan.trained, plan.epochs)


def costs_of(task: Task, epochs: int) -> Iterator[Recorded]:
    """The seconds of a training, and whether it diverged."""
    source = f"{task.name}, trained by this project"
    run = f"of one run of {epochs} epochs"
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
        entries: The results in the journal, seed after seed in the order of classes.
        values: The numbers that are kept, by training, in the same order; rounded as the table
            rounds them. Those that are in the table already are among them.
        made: The times of the first and the last training.
    """

    def __init__(self, pairs: Sequence[Pair], path: Path | None = None) -> None:
        """Read the journal, to which another process may be adding, and the table if it is given.

        A table is passed over where task, engine or settings are others.
        """
        self.pair = pairs[0]
        self.asked = {job for pair in pairs for job in pair.plan.jobs()}
        plan = run_of(self.pair.plan)
        journal = plan.journal()
        stored = Journal.read(journal, plan.settings()) if journal.is_file() else []
        entries = {Job(*entry["job"]): entry for entry in stored}
        place = {cell: i for i, cell in enumerate(class_order(plan.space))}

        def in_order(jobs: Iterable[Job]) -> list[Job]:
            return sorted(jobs, key=lambda job: (job.seed, place[job.cell]))

        self.entries: dict[Job, Entry] = {
            job: entries[job] for job in in_order(entries)
        }
        self.recorded = list(
            recorded_at(plan)
            if plan.shares
            else recorded_of(self.pair.trained, plan.epochs)
        )
        digits = np.array([digits_of(recorded.metric) for recorded in self.recorded])
        self.settings = json_digest(plan.settings())
        times, values = self._stored(path) if path and path.is_file() else ([], {})
        for job, entry in self.entries.items():
            numbers = np.array([recorded.read(entry) for recorded in self.recorded])
            values[job] = rounded(numbers, digits)
            times.append(entry.get(MADE, ""))
        self.values = {job: values[job] for job in in_order(values)}
        known = sorted(filter(None, times))
        self.made = [known[0], known[-1]] if known else ["", ""]

    def _stored(self, path: Path) -> tuple[list[str], dict[Job, Values]]:
        """The times and the numbers of the trainings that a table holds."""
        table = read_compact(path)
        card = json.loads(table.card)["losses"].get(self.pair.loss, {})
        if card.get("settings") != self.settings:
            return [], {}
        space = self.pair.plan.cells
        cells = [space.index(space.cell(str(cell))) for cell in table.cells]
        values = {}
        for seed in map(int, card["classes"]):
            keys = [
                ColumnKey(f"{one.metric.name}@{self.pair.loss}", one.epochs, seed)
                for one in self.recorded
            ]
            columns = np.array([table.column(key) for key in keys])
            made = columns[-1]  # whether it diverged, which every training says
            for i in np.flatnonzero(np.isfinite(made)):
                values[Job(cells[i], seed)] = columns[:, i]
        return card[MADE], values

    def last(self, name: str, job: Job) -> float:
        """A number at the end of a training's run."""
        epochs = self.pair.plan.epochs
        names = [(recorded.metric.name, recorded.epochs) for recorded in self.recorded]
        return float(self.values[job][names.index((name, epochs))])

    def card(self) -> dict[str, Any]:
        """What the card of the table says of the loss."""
        settings = self.pair.plan.settings()
        epochs = self.pair.plan.epochs
        seconds = [self.last(SPENT, job) for job in self.values]
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
            "settings": self.settings,
            MADE: self.made,
            "classes": {
                seed: sum(job.seed == seed for job in self.values)
                for seed in self.seeds
            },
            DIVERGED: round(sum(self.last(DIVERGED, job) for job in self.values)),
            SPENT: sum(seconds),
            "processor_seconds_a_training": float(np.median(seconds)),
            "processor_hours_of_all": number * seconds_each(seconds) / 3600,
            "two_seeds": agreed,
        }

    @property
    def seeds(self) -> list[int]:
        """The seeds of its trainings."""
        return sorted({job.seed for job in self.values})

    def _agreement(self, name: str) -> dict[str, Any]:
        """How the seeds agree at the end of the run, the mean of all pairs; empty for too few
        classes. Of classes that have all seeds, else of those with two.
        """
        for seeds in (self.seeds, self.seeds[:2]):
            counts = Counter(job.cell for job in self.values if job.seed in seeds)
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
    whole = replace(plan, seeds=1, noisy_classes=0, classes=None, first_class=0)
    return replace(whole, first_seed=0)


class Batch(NamedTuple):
    """Trainings of one pair that are made one after another."""

    plan: Plan
    jobs: tuple[Job, ...]

    @property
    def epochs(self) -> int:
        """The epochs of all."""
        return self.plan.epochs * len(self.jobs)


def batches(
    plans: Iterable[Plan], made: set[tuple[Plan, Job]], size: int = ROUND
) -> list[Batch]:
    """The trainings of all pairs that are not made, each once, in rounds."""
    rounds: dict[int, list[Batch]] = {}
    seen = set(made)
    for plan in plans:
        run = run_of(plan)
        jobs = plan.jobs()
        first = [job.cell for job in jobs if job.seed == plan.first_seed]
        place = {cell: i for i, cell in enumerate(first)}
        by_round: dict[int, list[Job]] = {}
        for job in sorted(jobs, key=lambda job: (place[job.cell], job.seed)):
            if (run, job) not in seen:
                seen.add((run, job))
                by_round.setdefault(place[job.cell] // size, []).append(job)
        for number, own in by_round.items():
            parts = [tuple(own[i : i + _BATCH]) for i in range(0, len(own), _BATCH)]
            rounds.setdefault(number, []).extend(Batch(run, part) for part in parts)
    return [batch for number in sorted(rounds) for batch in rounds[number]]


def train_rounds(
    plans: Sequence[Plan],
    workers: int = 1,
    size: int = ROUND,
    held: Iterable[tuple[Plan, Job]] = (),
) -> dict[str, str]:
    """Train what the journals do not hold yet; may be interrupted and called again, also with more
    classes or pairs.

    Args:
        plans: The plans, in order of priority.
        workers: Trainings at once.
        size: Classes of a round.
        held: Trainings that need not be made, by `run_of` their plan.

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
        waiting = batches(plans, made.union(held), size)
        done, of = 0, sum(len(batch.jobs) for batch in waiting)
        trained, epochs = 0, sum(batch.epochs for batch in waiting)
        start = time.perf_counter()
        for outcome in run_jobs(_train, waiting, workers=workers):
            run, jobs = outcome.job
            trained += outcome.job.epochs
            entries, reason = (
                ([], outcome.failure) if outcome.failure else outcome.result
            )
            for entry in entries:
                journals[run].append(entry)
            journals[run].commit()  # the next batch of this pair may be a round away
            if reason:
                failures[run.task] = reason
            done += len(jobs)
            pace = (time.perf_counter() - start) / trained
            show_progress(done, of, (epochs - trained) * pace / 3600)
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
    is_longer = pair.length != 1 and not pair.condition
    longer = f", in runs of {pair.plan.epochs} epochs" if is_longer else ""
    way = "under the conditions" if pair.condition else "with"
    table = Table(
        name=f"losses-{pair.table}",
        space=Sampled(space, space.choices[list(cells)]).definition,
        title=(
            f"{len(cells):,} classes of cells trained {way} {', '.join(losses)}{longer}:"
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
            trained = f", which trained {one.pair.loss}" * (not pair.condition)
            about = recorded.metric.description + trained
            metric = replace(recorded.metric, name=name, description=about)
            known = {seed: values[seed, i] for seed in one.seeds}
            table.add(metric, recorded.epochs, values[min(known), i], 1, known)
    return table


def write_tables(pairs: Iterable[Pair], folder: Path) -> dict[str, dict[str, Any]]:
    """Write ``TASK.h5`` and ``TASK.json``, of longer runs ``TASK-x4.h5``, for every task that has
    trainings.

    Returns:
        The cards by table; a table of more trainings stays as it is, and has none.
    """
    cards = {}
    for name, by_loss in by_table(pairs).items():
        path = folder / f"{name}.h5"
        every = [Trained(own, path) for own in by_loss.values()]
        held = [one for one in every if one.values]
        trained = {job.cell for one in held for job in one.values}
        number = sum(len(one.values) for one in held)
        if len(trained) < 2 or number < _trainings_of(path):
            if path.is_file():
                text = f"{path} stays as it is: there are {number:,} trainings."
                print(text, file=sys.stderr)
            continue
        pair = held[0].pair
        cells = [cell for cell in class_order(pair.plan.space) if cell in trained]
        card = {
            "task": pair.task.name,
            **({} if pair.condition else {"length": pair.length}),
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


def chosen(
    pairs: Sequence[Pair], names: Sequence[str] | None, name_of: Callable[[Pair], str]
) -> list[Pair]:
    """The pairs with some names, or all."""
    known = [name_of(pair) for pair in pairs]
    for name in names or ():
        if name not in known:
            raise unknown("part of the design", name, dict.fromkeys(known))
    return [pair for pair in pairs if names is None or name_of(pair) in names]


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
    parser.add_argument(
        "--sources", nargs="+", help="train only these tasks; all of them"
    )
    parser.add_argument(
        "--conditions", nargs="+", help="train only these conditions; all of them"
    )
    given = parser.parse_args(arguments)
    try:
        pairs = [pair for pair in read_design(given.design) if pair.task.is_here()]
        failures: Mapping[str, str] = {}
        pairs = chosen(pairs, given.sources, lambda pair: pair.task.name)
        wanted = chosen(pairs, given.conditions, lambda pair: pair.loss)
        if not given.assemble:
            held = {
                (run_of(own[0].plan), job)
                for name, by_loss in by_table(wanted).items()
                for own in by_loss.values()
                for job in Trained(own, given.out / f"{name}.h5").values
            }
            plans = [pair.plan for pair in wanted]
            failures = train_rounds(plans, given.workers, round_of(given.design), held)
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
