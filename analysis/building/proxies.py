"""`python -m analysis.building.proxies`: compute zero-cost proxies of every class of cells."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.building.jobs import Entry, Job, Plan, by_class, results_of
from surrogate_nas.core.digests import json_digest
from surrogate_nas.core.metrics import Metric
from surrogate_nas.files import home
from surrogate_nas.tables import Table
from surrogate_nas.tables.file import write_with_card
from surrogate_nas.training import task_named
from surrogate_nas.training.proxies import PROXIES
from surrogate_nas.training.tasks import code_of

BATCH = 64
"""Training examples of a batch."""


def settings_of(plan: Plan) -> dict[str, Any]:
    """The settings that a score depends on, without the number of seeds."""
    task = task_named(plan.task)
    return {
        "space": plan.cells.definition,
        "task": task.name,
        "batch": BATCH,
        "network": task.network().settings,
        "digest": f"{task.digest} {code_of(plan.task)}",
        "proxies": PROXIES,
    }


def make_proxies(plan: Plan, out: Path, workers: int = 1) -> dict[str, Any]:
    """Compute all proxies of one cell of every functional class and write the table.

    Returns:
        The card: settings, and seconds of all cores.
    """
    settings = settings_of(plan)
    name = f"{plan.cells.name[:40]}-{settings['task'][:40]}-{json_digest(settings)[:16]}.jsonl"
    path = home() / "proxies" / name
    entries = results_of(partial(_scores, plan), plan.jobs(), path, settings, workers)
    card = {
        "settings": settings,
        "seeds": 1,
        "classes": len({job.cell for job in entries}),
        "processor_seconds": sum(entry["seconds"] for entry in entries.values()),
    }
    write_with_card(_table(plan, entries), card, out)
    return card


def _scores(plan: Plan, jobs: Sequence[Job]) -> list[Entry]:
    """The scores of some cells, in this process."""
    from surrogate_nas.training.proxies.score import proxy_scores

    task = task_named(plan.task)
    space = plan.cells
    entries = []
    for job in jobs:
        started = time.process_time()
        scores = proxy_scores(space[job.cell], space, task, seed=job.seed, batch=BATCH)
        seconds = time.process_time() - started
        entries.append({"job": list(job), "scores": scores, "seconds": seconds})
    return entries


def _table(plan: Plan, entries: Mapping[Job, Entry]) -> Table:
    """The scores of every class, for all its cells."""
    space = plan.cells
    task = task_named(plan.task)
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
        scores = {
            job.cell: np.float32(e["scores"][proxy]) for job, e in entries.items()
        }
        metric = Metric(
            f"{proxy}@{task.name}",
            "",
            "search",
            "proxy",
            description=f"before any training, one batch of {task.name}, 1 seed: {what}",
            source=f"{task.name}, computed by this project",
        )
        table.add(metric, None, by_class(space, scores), 1)
    return table


def main() -> int:
    """Make the table of proxies on Fashion-MNIST."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data/proxies-nb201.h5"))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    make_proxies(Plan("fashion", epochs=0, seeds=1), given.out, given.workers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
