"""Zero-cost proxies of every functional class of a space, as a table; killed at any moment, it goes
on.
"""

from __future__ import annotations

import hashlib
import json
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
from surrogate_nas.core.errors import UserError
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import home, write_whole
from surrogate_nas.runtime.engines import check_engine
from surrogate_nas.space import Enumerable, listed, space_named
from surrogate_nas.surrogates.evaluation import kendall
from surrogate_nas.tables import Table, write_table
from surrogate_nas.training import Task, task_named
from surrogate_nas.training.machine import check_numbers
from surrogate_nas.training.proxies import PROXIES
from surrogate_nas.training.tasks import code_of

_PASSES_A_JOB = 8
"""Between two looks at the journal."""


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
        """All (cell, seed) in the order they are computed: every class's first cell with seed 0,
        then with others.
        """
        order = np.random.default_rng(ORDER_SEED).permutation(representatives(self.cells))
        return [Job(int(cell), seed) for seed in range(self.seeds) for cell in order]

    def describe(self) -> dict[str, Any]:
        """The settings that a score depends on; the number of seeds is none of them."""
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
    """Compute all proxies of one cell of every functional class and write the table; may be
    interrupted and go on.

    Returns:
        The card: settings, seconds of all cores, and how one seed's order agrees with another's.
    """
    check_engine(engine, workers)
    found = _computed(passes, workers, engine, progress)
    by_seed = [
        {job.cell: entry["scores"] for job, entry in found.items() if job.seed == s}
        for s in range(passes.seeds)
    ]
    table = _table(passes.cells, task_named(passes.task), by_seed)
    card = {
        "settings": passes.describe(),
        "seeds": passes.seeds,
        "classes": len(by_seed[0]),
        "processor_seconds": sum(entry["seconds"] for entry in found.values()),
        "kendall_between_seeds": _between_seeds(by_seed),
    }
    table.card = json.dumps(card)
    write_table(table, out, compressed=True)
    write_whole(out.with_suffix(".json"), json.dumps(card, indent=1) + "\n")
    return card


def _computed(
    passes: Passes,
    workers: int | None,
    engine: str,
    progress: Progress | None,
) -> dict[Job, dict[str, Any]]:
    """All scores of the plan, from the journal and what it lacked."""
    settings = passes.describe()
    jobs = passes.jobs()
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    path = home() / "proxies" / f"{passes.cells.name[:40]}-{settings['task'][:40]}-{digest}.jsonl"
    found = entries_of(
        partial(_of_cells, passes),
        jobs,
        path,
        settings,
        size=_PASSES_A_JOB,
        workers=workers,
        engine=engine,
        progress=progress,
    )
    return {job: found[job] for job in jobs}


def _of_cells(passes: Passes, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """The scores of some cells with their seeds, in this process."""
    from surrogate_nas.training.proxies.score import score

    space = passes.cells
    task = task_named(passes.task)
    entries = []
    for job in jobs:
        started = time.process_time()
        scores = score(space[job.cell], space, task, seed=job.seed, batch=passes.batch)
        entries.append(
            {"job": list(job), "scores": scores, "seconds": time.process_time() - started}
        )
    return entries


Scores = dict[int, dict[str, float]]
"""By cell, by proxy, under one seed."""


def _table(space: Enumerable, task: Task, by_seed: Sequence[Scores]) -> Table:
    """Every class's mean scores, spread to all its cells."""
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
        how = (
            f"before any training, one batch of {task.name}, {seeds} seed{'s' * (seeds > 1)}:"
            f" {what}"
        )
        source = f"{task.name}, computed by this project"
        metric = Metric(
            f"{proxy}@{task.name}", "", "search", "proxy", description=how, source=source
        )
        table.add(metric, None, values[first], seeds)
    return table


def _between_seeds(by_seed: Sequence[Scores]) -> dict[str, float]:
    """By proxy Kendall's τ of the first seed's order with the second's; empty where there is one
    seed.

    A proxy that is the same for all cells has none.
    """
    if len(by_seed) == 1:
        return {}
    both = {
        proxy: [[scores[c][proxy] for c in by_seed[0]] for scores in by_seed[:2]]
        for proxy in PROXIES
    }
    taus = {proxy: kendall(*np.array(pair)) for proxy, pair in both.items()}
    return {proxy: tau for proxy, tau in taus.items() if math.isfinite(tau)}
