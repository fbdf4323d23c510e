"""A table of zero-cost proxies of every functional class; interrupted work can continue."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from surrogate_nas.benchmarks.building.plan import ORDER_SEED, Job, first_of_class, representatives
from surrogate_nas.benchmarks.building.train import Progress, entries_of
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import home
from surrogate_nas.runtime.engines import check_engine
from surrogate_nas.space import Enumerable, listed, space_named
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import Table
from surrogate_nas.tables.file import write_with_card
from surrogate_nas.training import Task, task_named
from surrogate_nas.training.machine import check_numbers
from surrogate_nas.training.proxies import PROXIES
from surrogate_nas.training.tasks import code_of

_PASSES_A_JOB = 8
"""Scores that one job computes."""


@dataclass(frozen=True)
class Passes:
    """What is computed.

    Attributes:
        space: The space, by its name or definition.
        task: The task, as `task_named` knows it.
        seeds: How many initialisations and batches every score is the mean over.
        batch: How many training examples a batch has.
    """

    space: str
    task: str
    seeds: int = 1
    batch: int = 64

    def __post_init__(self) -> None:
        check_numbers(seeds=self.seeds, batch=self.batch)

    @property
    def cells(self) -> Enumerable:
        """The space."""
        space = listed(space_named(self.space))
        if not space.is_buildable:
            raise UserError(
                f"Cells of the space {space.name} cannot be built here: it has no network."
            )
        return space

    def jobs(self) -> list[Job]:
        """All jobs in their order: every class's first cell with seed 0, then with others."""
        order = np.random.default_rng(ORDER_SEED).permutation(representatives(self.cells))
        jobs = []
        for seed in range(self.seeds):
            jobs += [Job(int(cell), seed) for cell in order]
        return jobs

    def describe(self) -> dict[str, Any]:
        """The settings that a score depends on, without the number of seeds."""
        task = task_named(self.task)
        return {
            "space": self.cells.definition,
            "task": task.name,
            "batch": self.batch,
            "network": task.network().settings,
            "digest": f"{task.digest} {code_of(self.task)}",
            "proxies": PROXIES,
        }


def make_proxies(
    passes: Passes,
    out: Path,
    *,
    workers: int | None = None,
    engine: str = "processes",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compute all proxies of one cell of every functional class and write the table.

    Returns:
        The card: settings, seconds of all cores, and how one seed's order agrees with another's.
    """
    check_engine(engine, workers)
    entries = _entries(passes, workers, engine, progress)
    by_seed: list[Scores] = [{} for _ in range(passes.seeds)]
    for job, entry in entries.items():
        by_seed[job.seed][job.cell] = entry["scores"]
    table = _table(passes.cells, task_named(passes.task), by_seed)
    card = {
        "settings": passes.describe(),
        "seeds": passes.seeds,
        "classes": len(by_seed[0]),
        "processor_seconds": sum(entry["seconds"] for entry in entries.values()),
        "kendall_between_seeds": _between_seeds(by_seed),
    }
    write_with_card(table, card, out)
    return card


def _entries(
    passes: Passes,
    workers: int | None,
    engine: str,
    progress: Progress | None,
) -> dict[Job, dict[str, Any]]:
    """All scores of the plan; those missing in the journal are computed."""
    settings = passes.describe()
    jobs = passes.jobs()
    digest = json_digest(settings)[:16]
    path = home() / "proxies" / f"{passes.cells.name[:40]}-{settings['task'][:40]}-{digest}.jsonl"
    entries = entries_of(
        partial(_scores, passes),
        jobs,
        path,
        settings,
        size=_PASSES_A_JOB,
        workers=workers,
        engine=engine,
        progress=progress,
    )
    return {job: entries[job] for job in jobs}


def _scores(passes: Passes, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The scores of some cells, in this process."""
    from surrogate_nas.training.proxies.score import score

    space = passes.cells
    task = task_named(passes.task)
    entries = []
    for job in jobs:
        started = time.process_time()
        scores = score(
            space[job.cell],
            space,
            task,
            seed=job.seed,
            batch=passes.batch,
        )
        seconds = time.process_time() - started
        entries.append({"job": list(job), "scores": scores, "seconds": seconds})
    return entries


Scores = dict[int, dict[str, float]]
"""By cell, by proxy, under one seed."""


def _table(space: Enumerable, task: Task, by_seed: Sequence[Scores]) -> Table:
    """The mean scores of every class, for all its cells."""
    first = first_of_class(space)
    seeds = len(by_seed)
    table = Table(
        name=f"proxies-{space.name}",
        space=space.definition,
        title=f"zero-cost proxies of every cell: {task.title}",
        source=f"computed by surrogate_nas; {task.source}",
        licence="that of surrogate_nas; the data's own may differ",
        citation="",
        objective="",
        network=task.network(),
        cost="queries",
    )
    for proxy, what in PROXIES.items():
        values = np.full(len(space), np.nan)
        for cell in by_seed[0]:
            # half the bytes
            values[cell] = np.float32(np.mean([scores[cell][proxy] for scores in by_seed]))
        plural = "s" if seeds > 1 else ""
        how = f"before any training, one batch of {task.name}, {seeds} seed{plural}: {what}"
        source = f"{task.name}, computed by this project"
        metric = Metric(
            f"{proxy}@{task.name}",
            "",
            "search",
            "proxy",
            description=how,
            source=source,
        )
        table.add(metric, None, values[first], seeds)
    return table


def _between_seeds(by_seed: Sequence[Scores]) -> dict[str, float]:
    """By proxy Kendall's τ of the first seed with the second; empty where there is one seed.

    A proxy that is the same for all cells has none.
    """
    taus: dict[str, float] = {}
    if len(by_seed) == 1:
        return taus
    first, second = by_seed[:2]
    for proxy in PROXIES:
        scores = np.array([(first[cell][proxy], second[cell][proxy]) for cell in first])
        tau = kendall(*scores.T)
        if math.isfinite(tau):
            taus[proxy] = tau
    return taus
